/*
 * src/work/cadence.c
 *
 * Which step a touch has done.
 *
 * In order of time each touch does the first step of its channel that is not done yet, by due time; so a
 * step may be done early, which is in time, or late.  A channel that is forbidden for the lead has no
 * steps but those done.  The cadence ends with the handoff, and when the lead answers or books a meeting:
 * steps that were due by then and not done are missed, those to come are void.
 */
#include "work/cadence.h"

bool
lh_step_due(const LhCadenceStep *step, TimestampTz handed_at, LhCalendar *hours, TimestampTz *due_at)
{
	return lh_business_day_end(hours, handed_at, step->business_day, due_at);
}

int
lh_compare_steps(const void *a, const void *b)
{
	const LhStepClock *left = *(LhStepClock *const *) a;
	const LhStepClock *right = *(LhStepClock *const *) b;

	if (left->due_at != right->due_at)
		return left->due_at < right->due_at ? -1 : 1;
	return left->step - right->step;
}

static void
stop(LhStepClock *step, TimestampTz at, const char *verdict)
{
	if (step->stopped_at == at &&
		(step->verdict == verdict ||
		 (step->verdict != NULL && verdict != NULL && strcmp(step->verdict, verdict) == 0)))
		return;
	step->stopped_at = at;
	step->verdict = verdict;
	step->changed = true;
}

static TimestampTz
end_of_cadence(const LhHandoff *handoff)
{
	TimestampTz end = Min(handoff->closed_at, handoff->first_contact_at);

	return handoff->no_show ? end : Min(end, handoff->booked_at);
}

/* What becomes of a step that the cadence ended without. */
static const char *
verdict_at_end(const LhStepClock *step, const LhHandoff *handoff, TimestampTz end)
{
	bool		closed = handoff->closed_at != LH_NOT_YET;

	if (closed && (strcmp(handoff->outcome, "withdrawn") == 0 ||
				   (strcmp(handoff->outcome, "disqualified") == 0 && handoff->touches == 0)))
		return "void";
	return step->due_at < end ? "missed" : "void";
}

/* When each step was done, by position; LH_NOT_YET: it wasn't. */
static TimestampTz *
match_touches(LhStepClock **steps, int n, const LhTouch *touches, int ntouches, TimestampTz end)
{
	TimestampTz *done = palloc_array(TimestampTz, n);

	for (int i = 0; i < n; i++)
		done[i] = LH_NOT_YET;
	for (int t = 0; t < ntouches && touches[t].at <= end; t++)
		for (int i = 0; i < n && touches[t].channel != NULL; i++)
		{
			if (done[i] != LH_NOT_YET || pg_strcasecmp(steps[i]->channel, touches[t].channel) != 0)
				continue;
			done[i] = touches[t].at;
			break;
		}
	return done;
}

void
lh_judge_cadence(const LhContract *contract, const LhHandoff *handoff, LhStepClock **steps, int n,
				 const LhTouch *touches, int ntouches, const LhFields *row, TimestampTz now)
{
	TimestampTz end = end_of_cadence(handoff);
	TimestampTz *done = match_touches(steps, n, touches, ntouches, end);

	for (int i = 0; i < n; i++)
	{
		LhStepClock *step = steps[i];

		if (done[i] != LH_NOT_YET)
			stop(step, done[i], done[i] <= step->due_at ? "met" : "missed");
		else if (end != LH_NOT_YET)
			stop(step, end, verdict_at_end(step, handoff, end));
		else if (!lh_is_forbidden(contract, step->channel, row))
			stop(step, LH_NOT_YET, NULL);
		else if (step->verdict == NULL || strcmp(step->verdict, "void") != 0)
			stop(step, now, "void");
	}
}
