/*
 * src/flow/sla.c
 *
 * The clocks of a handoff: when they start, by when they are due, when they stand still, what stops them.
 *
 * A clock for acceptance or the first touch starts with the handoff, or with each of its owners.  The others
 * follow from what is known of the handoff now: each begins a span of it (from a touch to the next one, from a
 * booking to the meeting ..), and is the one of that number.  Something that comes late, or is corrected, moves
 * the spans, and with them the clocks.
 *
 * Open time is that of the hours of whoever has the lead, else of his pool, else of the contract's calendar, as
 * they are now: a clock that runs is planned anew by every decision.  One that has stopped keeps its due time.
 * A clock is judged by when it was stopped and by when it was due, never by when somebody looked.
 */
#include "flow/decide.h"

#include "json.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

/* Time --------------------------------------------------------------------------------------- */

static bool
counts_open_time(const LhSlaClock *clock)
{
	return clock->sla->business && clock->hours != NULL;
}

/* LH_NOT_YET: its hours never open. */
static TimestampTz
later(const LhSlaClock *clock, TimestampTz at, const Interval *span)
{
	TimestampTz result;

	if (!counts_open_time(clock))
		return lh_after(at, span);
	return lh_business_add(clock->hours, at, span, &result) ? result : LH_NOT_YET;
}

static TimestampTz
earlier(const LhSlaClock *clock, TimestampTz at, const Interval *span)
{
	TimestampTz result;

	if (!counts_open_time(clock))
		return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval, TimestampTzGetDatum(at),
													   IntervalPGetDatum(span)));
	return lh_business_sub(clock->hours, at, span, &result) ? result : LH_NOT_YET;
}

TimestampTz
lh_sla_moment(const LhSlaClock *clock, const Interval *offset)
{
	Interval	none = {0};
	Datum		span = IntervalPGetDatum(offset);

	if (clock->due_at == LH_NOT_YET)
		return LH_NOT_YET;
	if (DatumGetInt32(DirectFunctionCall2(interval_cmp, span, IntervalPGetDatum(&none))) >= 0)
		return later(clock, clock->due_at, offset);
	return earlier(clock, clock->due_at, DatumGetIntervalP(DirectFunctionCall1(interval_um, span)));
}

int64
lh_open_time(LhCalendar *hours, TimestampTz from, TimestampTz to)
{
	if (from >= to)
		return 0;
	return hours == NULL ? to - from : lh_business_between(hours, from, to);
}

/*
 * Target after the start, and what every pause before that has taken.  A pause that goes on is taken to end at
 * until.
 */
static TimestampTz
due_with_pauses(const LhSlaClock *clock, TimestampTz until)
{
	TimestampTz due = later(clock, clock->started_at, clock->sla->target);

	for (int i = 0; i < clock->npauses; i++)
	{
		const LhPause *pause = &clock->pauses[i];
		TimestampTz to = pause->to == LH_NOT_YET ? until : pause->to;
		Interval	lost = {0};

		if (due == LH_NOT_YET || pause->from >= due)
			break;
		lost.time = lh_open_time(counts_open_time(clock) ? clock->hours : NULL, Max(pause->from, clock->started_at), to);
		if (lost.time > 0)
			due = later(clock, due, &lost);
	}
	return due;
}

/* Open time that it has run, in microseconds; elapsed time if it has no hours. */
static int64
time_run(const LhSlaClock *clock, TimestampTz until)
{
	int64		run = lh_open_time(clock->hours, clock->started_at, until);

	for (int i = 0; i < clock->npauses; i++)
		run -= lh_open_time(clock->hours, Max(clock->pauses[i].from, clock->started_at),
							Min(clock->pauses[i].to, until));
	return run;
}

/* Pauses ------------------------------------------------------------------------------------- */

bool
lh_sla_paused(const LhSlaClock *clock)
{
	return clock->npauses > 0 && clock->pauses[clock->npauses - 1].to == LH_NOT_YET;
}

static LhEvent *
clock_event(LhDecision *decision, const LhSlaClock *clock, const char *type, LhJson *detail)
{
	LhLeadHandoff *handoff = list_nth(decision->lead->handoffs, clock->handoff_no - 1);
	LhEvent    *event;

	lh_json_int(detail, "handoff", clock->handoff_no);
	lh_json_text(detail, "sla", clock->name);
	lh_json_int(detail, "n", clock->n);
	event = lh_decision_event(decision, type, handoff->h.leg, "contract", lh_json_end(detail));
	event->handoff = handoff;
	return event;
}

static void
note_pause(LhDecision *decision, const LhSlaClock *clock, const char *type)
{
	LhJson		detail;

	lh_json_begin(&detail);
	clock_event(decision, clock, type, &detail);
}

static void
begin_pause(LhSlaClock *clock, TimestampTz at)
{
	LhPause    *pauses = palloc_array(LhPause, clock->npauses + 1);

	if (clock->npauses > 0)
		memcpy(pauses, clock->pauses, sizeof(LhPause) * clock->npauses);
	pauses[clock->npauses].from = at;
	pauses[clock->npauses].to = LH_NOT_YET;
	clock->pauses = pauses;
	clock->npauses++;
	clock->changed = true;
}

static void
end_pause(LhSlaClock *clock, TimestampTz at)
{
	LhPause    *last = &clock->pauses[clock->npauses - 1];

	last->to = at;
	if (last->from >= at)
		clock->npauses--;		/* it took no time */
	clock->changed = true;
}

/* Does it stand still now?  Only one that runs does. */
static void
pause_or_resume(LhDecision *decision, LhSlaClock *clock)
{
	const LhContract *contract = decision->contract;
	const LhLeadHandoff *handoff = list_nth(decision->lead->handoffs, clock->handoff_no - 1);
	bool		paused = lh_sla_paused(clock);
	bool		stands_still = handoff->h.held_at != LH_NOT_YET ||
		(clock->sla->pauses &&
		 lh_rulebook_test(contract->pause.book, clock->sla - contract->slas, decision->lead->row,
						  &decision->valid_until) == LH_TRUE);

	if (paused == stands_still)
		return;
	if (stands_still)
		begin_pause(clock, Max(decision->now, clock->started_at));
	else
		end_pause(clock, decision->now);
	note_pause(decision, clock, stands_still ? "paused" : "resumed");
}

/* A pause that goes on has taken nothing yet. */
TimestampTz
lh_sla_due(const LhSlaClock *clock)
{
	return due_with_pauses(clock, DT_NOBEGIN);
}

static void
plan(LhSlaClock *clock)
{
	TimestampTz due = lh_sla_due(clock);

	if (due == clock->due_at)
		return;
	clock->due_at = due;
	clock->changed = true;
}

/* Starting ----------------------------------------------------------------------------------- */

/* The first SLA by order for a metric of a handoff whose criteria holds; -1: none. */
static int
find_sla(const LhDecision *decision, const LhHandoff *h, LhMetric metric)
{
	const LhContract *contract = decision->contract;

	for (int i = 0; i < contract->sla.n; i++)
	{
		const LhSla *sla = &contract->slas[i];

		if (sla->metric == metric && sla->leg >= 0 && strcmp(contract->legs[sla->leg].name, h->leg) == 0 &&
			lh_rulebook_test(contract->sla.book, i, decision->lead->row, NULL) == LH_TRUE)
			return i;
	}
	return -1;
}

/* The buyer's wait is counted by the contract's calendar, whoever has the lead; the rest by its owner's hours. */
static bool
is_owners(const LhSla *sla)
{
	return sla->per_assignment || sla->metric > LH_SLA_FIRST_TOUCH;
}

static LhCalendar *
hours_of_owner(const LhDecision *decision, const LhLeadHandoff *handoff)
{
	if (handoff->assignment != NULL)
		return handoff->assignment->hours;
	return handoff->h.rep == NULL ? decision->input->hours : decision->input->owner_hours;
}

static LhSlaClock *
start(LhDecision *decision, const LhLeadHandoff *handoff, const LhSla *sla, int64 n, TimestampTz at)
{
	LhSlaClock *clock = palloc0_object(LhSlaClock);
	bool		owners = is_owners(sla);

	clock->handoff_no = handoff->h.handoff_no;
	clock->name = sla->name;
	clock->n = n;
	clock->sla = sla;
	clock->rep = owners ? handoff->h.rep : NULL;
	clock->pool = owners && handoff->h.rep != NULL ? handoff->h.pool : NULL;
	clock->hours = owners ? hours_of_owner(decision, handoff) : decision->input->hours;
	clock->started_at = at;
	clock->stopped_at = LH_NOT_YET;
	clock->next_at = LH_NOT_YET;
	clock->next_step = 1;
	clock->changed = true;
	plan(clock);
	decision->lead->slas = lappend(decision->lead->slas, clock);
	return clock;
}

/* A meeting that is booked and neither held nor missed, where the contract has a clock for meetings. */
static bool
awaits_meeting(const LhDecision *decision, const LhHandoff *h)
{
	return h->booked_at != LH_NOT_YET && h->meeting_held_at == LH_NOT_YET && !h->no_show &&
		find_sla(decision, h, LH_SLA_MEETING_HELD) >= 0;
}

void
lh_start_slas(LhDecision *decision, LhLeadHandoff *handoff, bool per_assignment)
{
	const LhHandoff *h = &handoff->h;

	for (LhMetric metric = LH_SLA_ACCEPT; metric <= LH_SLA_FIRST_TOUCH; metric++)
	{
		int			i = find_sla(decision, h, metric);

		if (i < 0 || decision->contract->slas[i].per_assignment != per_assignment ||
			(metric == LH_SLA_ACCEPT && h->accepted_at != LH_NOT_YET) ||
			(metric == LH_SLA_FIRST_TOUCH && awaits_meeting(decision, h)))
			continue;
		start(decision, handoff, &decision->contract->slas[i], per_assignment ? h->assignments : 1, decision->now);
	}
}

/* The lead asks again: one clock at a time, the buyer waits since the first of what was not answered. */
void
lh_start_response(LhDecision *decision, LhLeadHandoff *handoff)
{
	int			i = find_sla(decision, &handoff->h, LH_SLA_RESPONSE);
	int64		n = 1;
	ListCell   *lc;

	foreach(lc, decision->lead->slas)
	{
		const LhSlaClock *clock = lfirst(lc);

		if (clock->handoff_no != handoff->h.handoff_no || clock->sla == NULL || clock->sla->metric != LH_SLA_RESPONSE)
			continue;
		if (clock->stopped_at == LH_NOT_YET)
			return;
		n = Max(n, clock->n + 1);
	}
	if (i >= 0)
		start(decision, handoff, &decision->contract->slas[i], n, decision->now);
}

/* Spans -------------------------------------------------------------------------------------- */

/* What the clock of that number waits for: since when, and when it came. */
typedef struct Span
{
	TimestampTz from;
	TimestampTz to;				/* LH_NOT_YET: not yet */
	bool		excused;		/* it came to an end without it, and nobody is to blame */
} Span;

typedef struct Spans
{
	int			n;
	Span	   *spans;
	bool		open;			/* the last one has no end yet */
} Spans;

static void
begin_span(Spans *spans, TimestampTz at)
{
	Span	   *span = &spans->spans[spans->n++];

	span->from = at;
	span->to = LH_NOT_YET;
	span->excused = false;
	spans->open = true;
}

static void
end_span(Spans *spans, TimestampTz at, bool excused)
{
	Span	   *span = &spans->spans[spans->n - 1];

	if (!spans->open)
		return;
	span->to = at;
	span->excused = excused;
	spans->open = false;
}

/* From each touch to the next one; while a meeting is booked nothing else is owed. */
static void
find_next_touches(LhDecision *decision, const LhActivity **activities, int n, Spans *spans)
{
	bool		awaits = false;

	for (int i = 0; i < n; i++)
	{
		const LhActivity *activity = activities[i];
		bool		held = lh_activity_means(decision, activity, LH_MEANS_MEETING_HELD);
		bool		missed = lh_activity_means(decision, activity, LH_MEANS_NO_SHOW);
		bool		booked = lh_activity_means(decision, activity, LH_MEANS_BOOKED);
		bool		touch = held || lh_is_touch(decision, activity);

		if (touch || booked)
			end_span(spans, activity->at, !touch);
		if (booked)
			awaits = true;
		if (held || missed)
			awaits = false;
		if ((touch || missed) && !awaits && !spans->open)
			begin_span(spans, activity->at);
	}
}

/* From each booking to its meeting; booked anew before it, it is the same one.  A no-show excuses. */
static void
find_meetings(LhDecision *decision, const LhHandoff *h, const LhActivity **activities, int n, Spans *spans)
{
	if (h->booked_at < h->handed_at)
		begin_span(spans, h->handed_at);
	for (int i = 0; i < n; i++)
	{
		const LhActivity *activity = activities[i];

		if (lh_activity_means(decision, activity, LH_MEANS_BOOKED) && !spans->open)
			begin_span(spans, activity->at);
		if (lh_activity_means(decision, activity, LH_MEANS_MEETING_HELD))
			end_span(spans, activity->at, false);
		else if (lh_activity_means(decision, activity, LH_MEANS_NO_SHOW))
			end_span(spans, activity->at, true);
	}
}

/*
 * From the acceptance to SQL, an opportunity, recycled, disqualified or returned; and afresh whenever the next leg
 * has given it back.
 */
static void
find_decision(const LhDecision *decision, const LhHandoff *h, Spans *spans)
{
	int			next = lh_contract_leg(decision->contract, h->leg) + 1;
	TimestampTz since = h->accepted_at;
	TimestampTz decided = Min(h->qualified_at, h->opportunity_at);
	ListCell   *lc;

	if (since == LH_NOT_YET)
		return;
	begin_span(spans, since);
	for_each_from(lc, decision->lead->handoffs, h->handoff_no)
	{
		const LhHandoff *later = &((LhLeadHandoff *) lfirst(lc))->h;

		if (later->cycle != h->cycle || strcmp(later->leg, h->leg) == 0)
			break;
		if (lh_contract_leg(decision->contract, later->leg) != next || later->outcome == NULL ||
			strcmp(later->outcome, "returned") != 0)
			continue;
		end_span(spans, Max(Min(later->handed_at, h->opportunity_at), since), false);
		since = later->closed_at;
		begin_span(spans, since);
	}
	if (h->closed_at != LH_NOT_YET && strcmp(h->outcome, "withdrawn") != 0)
		decided = Min(decided, h->closed_at);
	if (decided != LH_NOT_YET)
		end_span(spans, Max(decided, since), false);
}

static LhSlaClock *
clock_of(const LhDecision *decision, const LhHandoff *h, LhMetric metric, int64 n)
{
	ListCell   *lc;

	foreach(lc, decision->lead->slas)
	{
		LhSlaClock *clock = lfirst(lc);

		if (clock->handoff_no == h->handoff_no && clock->n == n && clock->sla != NULL && clock->sla->metric == metric)
			return clock;
	}
	return NULL;
}

/* Verdicts ----------------------------------------------------------------------------------- */

/* By when it had to be done, if it ends at that moment; one that has ended already keeps it. */
static TimestampTz
due_by(LhSlaClock *clock, TimestampTz at)
{
	if (clock->stopped_at == LH_NOT_YET)
		clock->due_at = due_with_pauses(clock, at);
	return clock->due_at;
}

static void
stop(LhSlaClock *clock, TimestampTz at, const char *verdict)
{
	if (clock->stopped_at == at && lh_same_text(clock->verdict, verdict))
		return;
	/* it stood still when it was stopped, which has not happened after all */
	if (at == LH_NOT_YET && clock->npauses > 0 && clock->pauses[clock->npauses - 1].to == clock->stopped_at)
		clock->pauses[clock->npauses - 1].to = LH_NOT_YET;
	clock->stopped_at = at;
	clock->verdict = verdict;
	clock->changed = true;
	if (at == LH_NOT_YET)
		return;
	clock->time_run = time_run(clock, at);
	if (lh_sla_paused(clock))
		end_pause(clock, at);
}

/* It was done at that moment: in time? */
static void
finish(LhSlaClock *clock, TimestampTz at)
{
	stop(clock, at, at <= due_by(clock, at) ? "met" : "missed");
}

/* It ends without having been done: nothing was missed if there was time left. */
static void
give_up(LhSlaClock *clock, TimestampTz at)
{
	stop(clock, at, at > due_by(clock, at) ? "missed" : "void");
}

/* Likewise with the handoff; void too if there was nothing to be done (withdrawn, disqualified untouched). */
static void
end_with(LhSlaClock *clock, const LhHandoff *h)
{
	TimestampTz at = Max(h->closed_at, clock->started_at);	/* of one that was open anew, and is not any more */

	if (strcmp(h->outcome, "withdrawn") == 0 || (strcmp(h->outcome, "disqualified") == 0 && h->touches == 0))
		stop(clock, at, "void");
	else
		give_up(clock, at);
}

/* This version has no such SLA any more. */
static void
end_orphan(LhSlaClock *clock, const LhHandoff *h)
{
	if (h->closed_at != LH_NOT_YET && clock->stopped_at == LH_NOT_YET)
		stop(clock, h->closed_at, "void");
}

/* A touch, or a booking, that answers a clock which waits for a touch; LH_NOT_YET: none has come. */
static TimestampTz
first_since(LhDecision *decision, const LhHandoff *h, TimestampTz since, bool booking)
{
	int			n;
	const LhActivity **activities = lh_activities_within(decision, h, &n);

	for (int i = 0; i < n; i++)
		if (activities[i]->at >= since &&
			(booking ? lh_activity_means(decision, activities[i], LH_MEANS_BOOKED) : lh_is_touch(decision, activities[i])))
			return activities[i]->at;
	return LH_NOT_YET;
}

static TimestampTz
done_at(LhDecision *decision, const LhSlaClock *clock, const LhHandoff *h)
{
	if (clock->sla->metric != LH_SLA_ACCEPT)
		return first_since(decision, h, clock->started_at, false);
	if (h->accepted_at == LH_NOT_YET && h->closed_at != LH_NOT_YET && strcmp(h->outcome, "withdrawn") != 0)
		return h->closed_at;	/* a rejection is an answer too */
	return h->accepted_at;
}

/* Clocks for acceptance, a first touch or a response. */
static void
judge(LhDecision *decision, LhSlaClock *clock, const LhHandoff *h)
{
	bool		owner_left = clock->sla->per_assignment &&
		(h->assignments > clock->n || (h->rep == NULL && h->assignments > 0));
	TimestampTz done;
	TimestampTz booked = LH_NOT_YET;

	if (owner_left && clock->stopped_at != LH_NOT_YET)
		return;					/* what a later owner does is not this one's */
	done = done_at(decision, clock, h);
	if (clock->sla->metric == LH_SLA_FIRST_TOUCH && find_sla(decision, h, LH_SLA_MEETING_HELD) >= 0)
		booked = first_since(decision, h, clock->started_at, true);
	if (done != LH_NOT_YET && done <= booked)
		finish(clock, done);
	else if (booked != LH_NOT_YET)
		give_up(clock, booked); /* the clock of the meeting runs in its place */
	else if (h->closed_at != LH_NOT_YET)
		end_with(clock, h);
	else if (owner_left)
		give_up(clock, decision->now);
	else if (clock->stopped_at != LH_NOT_YET)
		stop(clock, LH_NOT_YET, NULL);	/* what had stopped it was corrected away */
}

static void
judge_span(LhSlaClock *clock, const LhHandoff *h, const Span *span)
{
	if (clock->started_at != span->from)
	{
		clock->started_at = span->from;
		clock->changed = true;
		plan(clock);
	}
	if (span->to != LH_NOT_YET && span->excused)
		give_up(clock, span->to);
	else if (span->to != LH_NOT_YET)
		finish(clock, span->to);
	else if (h->closed_at != LH_NOT_YET)
		end_with(clock, h);
	else if (clock->stopped_at != LH_NOT_YET)
		stop(clock, LH_NOT_YET, NULL);
}

/* Start, move and judge the clocks of a metric, so that they are those of its spans. */
static void
judge_spans(LhDecision *decision, LhLeadHandoff *handoff, LhMetric metric, const Spans *spans)
{
	const LhHandoff *h = &handoff->h;
	LhSlaClock *clock;

	for (int i = 0; i < spans->n; i++)
	{
		int			sla;

		clock = clock_of(decision, h, metric, i + 1);
		sla = clock == NULL ? find_sla(decision, h, metric) : -1;
		if (sla >= 0)
			clock = start(decision, handoff, &decision->contract->slas[sla], i + 1, spans->spans[i].from);
		if (clock != NULL)
			judge_span(clock, h, &spans->spans[i]);
	}
	/* what had begun them was corrected away */
	for (int i = spans->n; (clock = clock_of(decision, h, metric, i + 1)) != NULL; i++)
		if (clock->stopped_at == LH_NOT_YET || strcmp(clock->verdict, "void") != 0)
			stop(clock, Max(decision->now, clock->started_at), "void");
}

static void
judge_owner_slas(LhDecision *decision, LhLeadHandoff *handoff)
{
	int			n;
	const LhActivity **activities = lh_activities_within(decision, &handoff->h, &n);
	int			most = n + list_length(decision->lead->handoffs) + 1;

	for (LhMetric metric = LH_SLA_NEXT_TOUCH; metric <= LH_SLA_MEETING_HELD; metric++)
	{
		Spans		spans = {.spans = palloc_array(Span, most)};

		if (metric == LH_SLA_RESPONSE)
			continue;			/* starts by signals: see lh_start_response() */
		if (metric == LH_SLA_NEXT_TOUCH)
			find_next_touches(decision, activities, n, &spans);
		else if (metric == LH_SLA_MEETING_HELD)
			find_meetings(decision, &handoff->h, activities, n, &spans);
		else
			find_decision(decision, &handoff->h, &spans);
		judge_spans(decision, handoff, metric, &spans);
	}
}

static bool
is_judged(const char *verdict)
{
	return verdict != NULL && strcmp(verdict, "void") != 0;
}

/* That a clock has become void says no more than what has ended it. */
static void
note_verdict(LhDecision *decision, LhSlaClock *clock)
{
	LhJson		detail;

	if (lh_same_text(clock->verdict, clock->logged_verdict) ||
		!(is_judged(clock->verdict) || is_judged(clock->logged_verdict)))
		return;
	lh_json_begin(&detail);
	lh_json_text(&detail, "verdict", clock->verdict);
	lh_json_text(&detail, "was", clock->logged_verdict);
	lh_json_time(&detail, "due_at", clock->due_at);
	lh_json_time(&detail, "stopped_at", clock->stopped_at);
	clock_event(decision, clock, "verdict", &detail);
	clock->logged_verdict = clock->verdict;
}

/* Stop the clocks of all handoffs as far as their time has come, or start them again. */
void
lh_judge_slas(LhDecision *decision)
{
	ListCell   *lc;

	foreach(lc, decision->lead->handoffs)
	{
		LhLeadHandoff *handoff = lfirst(lc);

		if (decision->contract->owner_slas && lh_is_counted(decision, &handoff->h))
			judge_owner_slas(decision, handoff);
	}
	foreach(lc, decision->lead->slas)
	{
		LhSlaClock *clock = lfirst(lc);
		LhLeadHandoff *handoff = list_nth(decision->lead->handoffs, clock->handoff_no - 1);

		/* of one that is over, with nothing new about it, activities aren't known */
		if (!lh_is_counted(decision, &handoff->h))
			continue;
		if (clock->sla == NULL)
			end_orphan(clock, &handoff->h);
		else if (clock->sla->metric <= LH_SLA_FIRST_TOUCH || clock->sla->metric == LH_SLA_RESPONSE)
			judge(decision, clock, &handoff->h);
		if (clock->sla != NULL && clock->stopped_at == LH_NOT_YET)
		{
			pause_or_resume(decision, clock);
			plan(clock);
		}
		note_verdict(decision, clock);
	}
}
