/*
 * src/flow/escalate.c
 *
 * What happens around the due time of a clock that runs: the steps of its SLA, one after the other, each at most
 * once.
 *
 * Nothing here asks when somebody last looked.  A step has a moment; whoever decides the lead after it takes the
 * steps whose moments have come, of all clocks of the open handoff, in order of time.  So one tick after ten hours
 * does what six hundred ticks would have done, only later, and a tick more does nothing: which step is next is
 * kept with the clock, under the lead's lock, and what was done is a row whose key is (clock, step).
 *
 * Clocks are judged before.  What has been done in time, or late but known by now, ends its clock and with it
 * the steps that are left.  A step that takes the lead away changes what clocks run, so they are judged again
 * after it, and what is next is looked for anew.
 *
 * Who was given the lead by somebody (by hand, in the CRM, by a booking) has not let it lie yet: a step that would
 * take it from him waits until he has had it as long as the one before him was to have.
 *
 * To take a lead from somebody who has worked it, only because the sync has not told yet, is the one mistake here
 * that can't be made good.  So such a step waits until the sources of activities have told what happened up to
 * its moment; but not for ever: after the step's sync_wait it is done all the same, and says so (sync_late).
 */
#include "flow/escalate.h"

#include "flow/journey.h"
#include "json.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

/* Sources that have not told enough yet are asked again by then. */
#define ASK_AGAIN	USECS_PER_MINUTE

/* A step whose moment has come. */
typedef struct Due
{
	LhSlaClock *clock;
	const LhEscalationStep *step;
	TimestampTz moment;
} Due;

/* Which step is next, and when ---------------------------------------------------------------- */

/* NULL: all have been taken. */
static const LhEscalationStep *
next_step(const LhContract *contract, const LhSlaClock *clock)
{
	for (int i = 0; i < contract->escalation.n; i++)
		if (&contract->slas[contract->steps[i].sla] == clock->sla && contract->steps[i].step >= clock->next_step)
			return &contract->steps[i];
	return NULL;
}

static bool
can_escalate(const LhSlaClock *clock, const LhHandoff *h)
{
	return clock->handoff_no == h->handoff_no && h->closed_at == LH_NOT_YET && clock->sla != NULL &&
		clock->stopped_at == LH_NOT_YET && !lh_sla_paused(clock);
}

/* Of two that are due: the earlier one; then in order of SLA and owner. */
static bool
comes_before(const Due *a, const Due *b)
{
	if (a->moment != b->moment)
		return a->moment < b->moment;
	if (a->step->sla != b->step->sla)
		return a->step->sla < b->step->sla;
	return a->clock->n < b->clock->n;
}

/* The earliest step whose moment has come, of those that don't wait for something else. */
static bool
find_due(const LhDecision *decision, const LhHandoff *h, Due *due)
{
	ListCell   *lc;

	due->clock = NULL;
	foreach(lc, decision->lead->slas)
	{
		Due			this = {.clock = lfirst(lc)};

		if (this.clock->step_waits || !can_escalate(this.clock, h))
			continue;
		this.step = next_step(decision->contract, this.clock);
		if (this.step == NULL)
			continue;
		this.moment = lh_sla_moment(this.clock, this.step->offset);
		if (this.moment <= decision->now && (due->clock == NULL || comes_before(&this, due)))
			*due = this;
	}
	return due->clock != NULL;
}

/* When tick() is to look at a clock; LH_NOT_YET: need not. */
static TimestampTz
look_at(const LhDecision *decision, const LhSlaClock *clock)
{
	const LhLeadHandoff *handoff = list_nth(decision->lead->handoffs, clock->handoff_no - 1);
	const LhEscalationStep *step;

	if (!can_escalate(clock, &handoff->h))
		return LH_NOT_YET;
	if (clock->step_waits)
		return clock->next_at;
	step = next_step(decision->contract, clock);
	return step == NULL ? LH_NOT_YET : lh_sla_moment(clock, step->offset);
}

void
lh_plan_steps(LhDecision *decision)
{
	ListCell   *lc;

	foreach(lc, decision->lead->slas)
	{
		LhSlaClock *clock = lfirst(lc);
		TimestampTz at = look_at(decision, clock);

		if (at == clock->next_at)
			continue;
		clock->next_at = at;
		clock->changed = true;
	}
}

/* Until then nothing is to be done for the clock. */
static void
wait_until(Due *due, TimestampTz at)
{
	due->clock->step_waits = true;
	if (due->clock->next_at == at)
		return;
	due->clock->next_at = at;
	due->clock->changed = true;
}

/* Whom it tells ------------------------------------------------------------------------------- */

static const LhRecipient *
recipient_of(const LhDecision *decision, const LhEscalationStep *step)
{
	const LhInput *input = decision->input;
	const char *name = step->recipient == NULL ? LH_TO_OWNER : step->recipient;

	for (int i = 0; i < input->nrecipients; i++)
		if (strcmp(input->recipients[i].name, name) == 0)
			return &input->recipients[i];
	elog(ERROR, "recipient \"%s\" was not looked up", name);
}

/* What must be so before it is done ----------------------------------------------------------- */

/* The step's moment; if it is to be in hours the next one in which they are open. */
static TimestampTz
moment_in_hours(const LhDecision *decision, const Due *due)
{
	const LhRecipient *recipient;
	TimestampTz opening;

	if (!due->step->in_hours)
		return due->moment;
	recipient = recipient_of(decision, due->step);
	if (recipient->hours == NULL || !lh_business_next_open(recipient->hours, due->moment, &opening))
		return due->moment;
	return opening;
}

/* When the clock last could take the lead away; at first its start. */
static TimestampTz
taken_away_before(const LhDecision *decision, const Due *due)
{
	TimestampTz before = due->clock->started_at;

	for (const LhEscalationStep *step = decision->contract->steps; step < due->step; step++)
		if (step->sla == due->step->sla && LH_TAKES_AWAY(step->action))
			before = lh_sla_moment(due->clock, step->offset);
	return before;
}

/* Before that moment it is not to be taken from its owner, if somebody gave it to him. */
static TimestampTz
patience(const LhDecision *decision, const LhHandoff *h, const Due *due)
{
	TimestampTz named_at = decision->input->owner_named_at;

	if (!LH_TAKES_AWAY(due->step->action) || h->rep == NULL || named_at == DT_NOBEGIN)
		return DT_NOBEGIN;
	return named_at + Max(due->moment - taken_away_before(decision, due), 0);
}

/*
 * May it be done now?  If not, the clock waits.  Who is decided for other reasons, when nobody has looked up whom
 * it tells and what the sources know, leaves it to tick().
 */
static bool
is_ripe(const LhDecision *decision, const LhHandoff *h, Due *due, bool *sync_late)
{
	TimestampTz moment;
	TimestampTz latest;

	*sync_late = false;
	if (!decision->input->recipients_read)
	{
		wait_until(due, due->clock->next_at > decision->now && due->clock->next_at != LH_NOT_YET ?
				   due->clock->next_at : due->moment);
		return false;
	}
	moment = Max(moment_in_hours(decision, due), patience(decision, h, due));
	if (moment > decision->now)
	{
		wait_until(due, moment);
		return false;
	}
	if (!LH_TAKES_AWAY(due->step->action) || decision->input->activities_known_to >= moment)
		return true;
	latest = lh_after(moment, due->step->sync_wait);
	if (latest > decision->now)
	{
		wait_until(due, Min(latest, decision->now + ASK_AGAIN));
		return false;
	}
	*sync_late = true;
	return true;
}

/* Doing it ------------------------------------------------------------------------------------ */

/* It will not come again, whether it was done or passed over. */
static LhStepTaken *
take(LhDecision *decision, const Due *due)
{
	LhStepTaken *taken = palloc0_object(LhStepTaken);

	taken->clock = due->clock;
	taken->step = due->step->step;
	taken->action = due->step->action;
	taken->due_at = due->moment;
	taken->at = decision->now;
	decision->effects->steps = lappend(decision->effects->steps, taken);
	due->clock->next_step = due->step->step + 1;
	due->clock->changed = true;
	return taken;
}

static void
pass_over(LhDecision *decision, const Due *due, const char *why)
{
	take(decision, due)->skipped = why;
}

/* It is done: a row, an event, a message. */
static void
note_step(LhDecision *decision, LhLeadHandoff *handoff, const Due *due, LhStepAction action, const char *recipient,
		  bool sync_late)
{
	JsonbValue	late = {.type = jbvBool,.val.boolean = sync_late};
	LhStepTaken *taken = take(decision, due);
	LhEvent    *event;
	LhJson		extra;

	taken->action = action;
	taken->recipient = recipient;
	taken->sync_late = sync_late;

	lh_json_begin(&extra);
	lh_json_text(&extra, "sla", due->clock->name);
	lh_json_int(&extra, "n", due->clock->n);
	lh_json_int(&extra, "step", due->step->step);
	lh_json_text(&extra, "action", lh_step_actions[action]);
	lh_json_text(&extra, "recipient", recipient);
	lh_json_time(&extra, "due_at", due->clock->due_at);
	lh_json_time(&extra, "step_at", due->moment);
	if (sync_late)
		lh_json_value(&extra, "sync_late", &late);
	event = lh_handoff_event(decision, handoff, "escalated", "contract", &extra);
	event->notify = action == LH_STEP_REMIND ? "handoff.reminder" : "handoff.escalated";
	if (due->moment < due->clock->due_at && !LH_TAKES_AWAY(action))
		event->expires_at = due->clock->due_at; /* a warning is worth nothing once it is overdue */
}

static bool
is_at_last_resort(const LhDecision *decision, const LhLeadHandoff *handoff)
{
	return handoff->h.fallback_at != LH_NOT_YET ||
		(handoff->h.rep != NULL && lh_is_last_resort(decision->contract, handoff));
}

/* The owner loses it, if there is one, and another is sought. */
static void
take_away(LhDecision *decision, LhLeadHandoff *handoff, const char *why)
{
	LhRelease	release = {.why = why,.actor = "contract"};

	lh_release(decision, handoff, &release);
}

static bool
fall_back(LhDecision *decision, LhLeadHandoff *handoff, const Due *due, bool sync_late)
{
	if (is_at_last_resort(decision, handoff))
	{
		pass_over(decision, due, "last_route");
		return false;
	}
	handoff->h.fallback_at = decision->now;
	note_step(decision, handoff, due, LH_STEP_FALLBACK, handoff->h.rep, sync_late);
	take_away(decision, handoff, "fallback");
	return true;
}

static bool
reassign(LhDecision *decision, LhLeadHandoff *handoff, const Due *due, bool sync_late)
{
	if (handoff->h.rep == NULL)
	{
		pass_over(decision, due, "no_owner");
		return false;
	}
	if (handoff->h.hops >= due->step->max_hops)
		return fall_back(decision, handoff, due, sync_late);
	handoff->h.hops++;
	note_step(decision, handoff, due, LH_STEP_REASSIGN, handoff->h.rep, sync_late);
	take_away(decision, handoff, "silence");
	return true;
}

static bool
recycle(LhDecision *decision, LhLeadHandoff *handoff, const Due *due, bool sync_late)
{
	const LhRefusal *refusal = lh_may_give_up(decision, due->step->disposition);

	if (refusal != NULL)
	{
		pass_over(decision, due, refusal->rule);
		return false;
	}
	note_step(decision, handoff, due, LH_STEP_RECYCLE, handoff->h.rep, sync_late);
	lh_give_up(decision, due->step->disposition);
	return true;
}

static void
remind(LhDecision *decision, LhLeadHandoff *handoff, const Due *due)
{
	if (handoff->h.rep == NULL)
		pass_over(decision, due, "no_owner");
	else
		note_step(decision, handoff, due, LH_STEP_REMIND, handoff->h.rep, false);
}

/* True: the lead was taken away, and other clocks run now. */
static bool
do_step(LhDecision *decision, LhLeadHandoff *handoff, const Due *due, bool sync_late)
{
	switch (due->step->action)
	{
		case LH_STEP_REMIND:
			remind(decision, handoff, due);
			return false;
		case LH_STEP_NOTIFY:
			note_step(decision, handoff, due, LH_STEP_NOTIFY, recipient_of(decision, due->step)->to, false);
			return false;
		case LH_STEP_REASSIGN:
			return reassign(decision, handoff, due, sync_late);
		case LH_STEP_FALLBACK:
			return fall_back(decision, handoff, due, sync_late);
		case LH_STEP_RECYCLE:
			return recycle(decision, handoff, due, sync_late);
	}
	return false;
}

static void
come_to(LhDecision *decision, LhLeadHandoff *handoff, Due *due)
{
	const LhContract *contract = decision->contract;
	bool		sync_late;

	if (!is_ripe(decision, &handoff->h, due, &sync_late))
		return;
	if (lh_rulebook_test(contract->escalation.book, due->step - contract->steps, decision->lead->row, NULL) != LH_TRUE)
		pass_over(decision, due, "criteria");
	else if (do_step(decision, handoff, due, sync_late))
		lh_judge_slas(decision);
}

/* Take the steps whose moments have come; the clocks have been judged. */
void
lh_escalate(LhDecision *decision)
{
	LhLeadHandoff *open = lh_open_handoff(decision->lead);
	Due			due;

	while (open != NULL && decision->contract->escalation.n > 0 && find_due(decision, &open->h, &due))
	{
		CHECK_FOR_INTERRUPTS();
		come_to(decision, open, &due);
	}
	lh_plan_steps(decision);
}
