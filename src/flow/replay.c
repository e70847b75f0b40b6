/*
 * src/flow/replay.c
 *
 * A lead's history told once more, to another version: at each moment at which something was decided, and at
 * those at which a clock of ours would be due, the pure core decides by what was known then.  What comes of it
 * is kept in memory only.
 *
 * Two leads go side by side.  "was" is what the log adds up to; "would" begins like it (created with it, or
 * as it was at test->since) and then goes its own way.  Rows, accounts and activities come to both.  What
 * people did comes to the other one too, as far as it could have been done there.
 *
 * What nobody can know is how sales would have answered a lead that it never had.  So:
 *
 *	- Handed over, and history has not (yet): the lead stands still ("frozen") until history passes that
 *	  leg too.  If it never does, the handoff stands as one whose outcome is not known.
 *	- History has handed it over and we have not: its activities go on to be judged, and it may follow.  Once
 *	  sales has touched it, or has answered, it can't be compared any more: it stops there.
 *	- The same when somebody does what is not possible where the lead would be.
 *
 * Who owns it is history's word, where both have the handoff.  Handoffs belong together by leg, the first
 * with the first.
 *
 * Clocks are looked at when tick() would have come: at multiples of test->tick_every, or with the
 * lead's next recorded moment if that is earlier.
 *
 * Clocks of SLAs, escalation and cadence are left out (lh_backtest_version): they move no lead but by what
 * the log says was done then.
 */
#include "flow/replay.h"

#include "json.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

LhContract *
lh_backtest_version(LhBacktest *test, int contract_id)
{
	MemoryContext save;
	LhContract *contract;
	ListCell   *lc;

	foreach(lc, test->versions)
	{
		contract = lfirst(lc);
		if (contract->contract_id == contract_id)
			return contract;
	}
	save = MemoryContextSwitchTo(test->mcxt);
	contract = lh_contract_load(contract_id);
	contract->sla.n = 0;
	contract->escalation.n = 0;
	contract->ncadence = 0;
	test->versions = lappend(test->versions, contract);
	MemoryContextSwitchTo(save);
	return contract;
}

/* Handoffs of both ----------------------------------------------------------------------------- */

LhLeadHandoff *
lh_handoff_of_leg(const LhLead *lead, const char *leg, int k)
{
	ListCell   *lc;

	foreach(lc, lead->handoffs)
	{
		LhLeadHandoff *handoff = lfirst(lc);

		if (handoff->h.leg != NULL && strcmp(handoff->h.leg, leg) == 0 && --k == 0)
			return handoff;
	}
	return NULL;
}

int
lh_place_in_leg(const LhLead *lead, const LhLeadHandoff *handoff)
{
	int			k = 0;
	ListCell   *lc;

	foreach(lc, lead->handoffs)
	{
		const LhLeadHandoff *other = lfirst(lc);

		if (strcmp(other->h.leg, handoff->h.leg) == 0)
			k++;
		if (other == handoff)
			break;
	}
	return k;
}

static LhLeadHandoff *
counterpart(const LhLead *lead, const LhLeadHandoff *handoff, const LhLead *other)
{
	return lh_handoff_of_leg(other, handoff->h.leg, lh_place_in_leg(lead, handoff));
}

/* Has the lead a handoff that the other one lacks? */
static bool
is_ahead(const LhLead *lead, const LhLead *other)
{
	ListCell   *lc;

	foreach(lc, lead->handoffs)
		if (counterpart(lead, lfirst(lc), other) == NULL)
			return true;
	return false;
}

/* Whoever has it in history has it here too. */
static void
take_owner(LhReplay *replay)
{
	LhLeadHandoff *open = lh_open_handoff(&replay->would);
	LhLeadHandoff *was = open == NULL ? NULL : counterpart(&replay->would, open, &replay->was.lead);

	if (was == NULL)
		return;
	open->h.rep = was->h.rep;
	open->h.pool = was->h.pool;
	open->h.route = was->h.route;
	open->h.unassigned_reason = was->h.unassigned_reason;
	open->h.assigned_at = was->h.assigned_at;
	open->h.owner_since = was->h.owner_since;
	open->h.by_last_route = was->h.by_last_route;
	open->h.assignments = was->h.assignments;
	open->h.reroutes = was->h.reroutes;
	open->h.hops = was->h.hops;
	open->h.fallback_at = was->h.fallback_at;
	open->h.delivered_at = was->h.delivered_at;
}

/* Stopping ------------------------------------------------------------------------------------- */

static void
stop(LhReplay *replay, const char *why, TimestampTz at)
{
	if (replay->why != NULL)
		return;
	replay->why = why;
	replay->stopped_at = at;
}

static bool
goes_on(const LhReplay *replay)
{
	return replay->begun && replay->why == NULL;
}

/* Where both are after a decision. */
static void
find_ahead(LhReplay *replay, TimestampTz at)
{
	bool		was_frozen = replay->frozen;

	replay->frozen = is_ahead(&replay->would, &replay->was.lead);
	if (replay->frozen && !was_frozen)
		replay->frozen_at = at;
	if (replay->frozen && is_ahead(&replay->was.lead, &replay->would))
		stop(replay, "other_leg", at);
}

/* The other way round: has sales begun to work what it would not have? */
static void
find_touched(LhReplay *replay, TimestampTz at)
{
	const LhHistory *history = replay->history;
	const LhLeadHandoff *open = lh_open_handoff(&replay->was.lead);

	if (open == NULL || counterpart(&replay->was.lead, open, &replay->would) != NULL)
		return;
	for (int i = 0; i < history->nactivities; i++)
	{
		const LhPastActivity *past = &history->activities[i];

		if (past->is_touch && past->from <= at && at < past->to && past->activity.at >= open->h.handed_at)
			stop(replay, "touched", at);
	}
}

/* Beginning ------------------------------------------------------------------------------------ */

/* Clocks are not in the log, but follow from it. */
static void
begin_clocks(LhReplay *replay, const LhContract *contract)
{
	LhLead	   *lead = &replay->would;
	ListCell   *lc;
	int			stage = lh_contract_stage(contract, lead->stage);
	int			leg = replay->was.blocked_leg == NULL ? -1 : lh_contract_leg(contract, replay->was.blocked_leg);

	lh_set_zone(contract->zone);
	replay->test->zone = contract->zone;
	if (stage >= 0 && contract->stages[stage].max_age != NULL)
		lead->clocks[LH_CLOCK_STAGE_AGE] = (LhClock) {
			contract->stages[stage].name, lead->stage_since, lh_after(lead->stage_since, contract->stages[stage].max_age)
		};
	foreach(lc, lead->handoffs)
	{
		const LhHandoff *h = &((LhLeadHandoff *) lfirst(lc))->h;

		if (h->closed_at == lead->stage_since)
			lead->clocks[LH_CLOCK_RECYCLE].due_at = h->recycle_due_at;
	}
	if (leg >= 0 && contract->legs[leg].blocked_max != NULL)
		lead->clocks[LH_CLOCK_BLOCKED] = (LhClock) {
			contract->legs[leg].name, lead->blocked_since, lh_after(lead->blocked_since, contract->legs[leg].blocked_max)
		};
}

/* What the log adds up to has null for a field that is empty by now; a lead has nothing. */
static Jsonb *
without_nulls(Jsonb *fields)
{
	JsonbIterator *it = JsonbIteratorInit(&fields->root);
	JsonbValue	value;
	JsonbIteratorToken token;
	LhJson		json;

	lh_json_begin(&json);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		char	   *name;

		if (token != WJB_KEY)
			continue;
		name = pnstrdup(value.val.string.val, value.val.string.len);
		(void) JsonbIteratorNext(&it, &value, true);
		if (value.type != jbvNull)
			lh_json_value(&json, name, &value);
	}
	return lh_json_end(&json);
}

/* As if the version had been put in force at since: every lead is decided anew then. */
static void
begin_from_history(LhReplay *replay)
{
	LhBacktest *test = replay->test;
	LhLead	   *lead = &replay->would;
	List	   *handoffs = NIL;
	ListCell   *lc;

	*lead = replay->was.lead;
	lead->fields = without_nulls(lead->fields);
	lead->trigger = "row";
	lead->trigger_at = lead->seen_at = lead->decided_at;
	foreach(lc, replay->was.lead.handoffs)
	{
		LhLeadHandoff *copy = palloc_object(LhLeadHandoff);

		*copy = *(LhLeadHandoff *) lfirst(lc);
		handoffs = lappend(handoffs, copy);
	}
	lead->handoffs = handoffs;
	begin_clocks(replay, test->candidate != NULL ? test->candidate : lh_backtest_version(test, lead->contract_id));
	if (test->candidate != NULL)
		lead->clocks[LH_CLOCK_REVIEW].due_at = test->since;
}

/* It begins with the lead, or where history is at since. */
static void
begin(LhReplay *replay, TimestampTz at)
{
	replay->begun = true;
	replay->taken_to = at - 1;
	replay->decided_at = at - 1;
	if (replay->was.lead.exists)
		begin_from_history(replay);
	else
		replay->would = replay->was.lead;
}

/* Deciding ------------------------------------------------------------------------------------- */

/* The version that decides: that of an open handoff, else the one that is asked about. */
static const LhContract *
deciding(const LhReplay *replay, const LhReplayStep *step)
{
	LhBacktest *test = replay->test;
	LhLeadHandoff *open = lh_open_handoff(&replay->would);

	if (test->candidate == NULL)
		return lh_backtest_version(test, step == NULL || step->end == step->first ? replay->was.lead.contract_id :
								   replay->history->events[step->end - 1].contract_id);
	return open == NULL || open->h.contract_id == test->candidate->contract_id ? test->candidate :
		lh_backtest_version(test, open->h.contract_id);
}

/* A decision begins with handoffs that it has done nothing to, and keeps a copy of how they are. */
static LhUndo *
begin_decision(LhReplay *replay, List **handoffs_before)
{
	LhLead	   *lead = &replay->would;
	LhUndo	   *undo = palloc0_object(LhUndo);
	ListCell   *lc;

	foreach(lc, lead->handoffs)
	{
		LhLeadHandoff *handoff = lfirst(lc);
		LhHandoff  *copy = palloc_object(LhHandoff);

		*copy = handoff->h;
		*handoffs_before = lappend(*handoffs_before, copy);
		memset(handoff, 0, sizeof(*handoff));
		handoff->h = handoff->logged = handoff->stored = *copy;
	}
	lead->slas = NIL;
	undo->stage = lead->stage;
	undo->entered_at = lead->stage_since;
	undo->intent_since = lead->intent_since;
	undo->rests = true;
	undo->owner_there = true;
	return undo;
}

/* If the decision has ended a handoff, it may be taken back later; if it has moved the lead, an earlier one may not. */
static void
keep_undo(LhReplay *replay, LhUndo *undo, const List *handoffs_before, const LhReplayStep *step, bool moved)
{
	const LhLeadHandoff *open = lh_open_handoff(&replay->would);
	ListCell   *lc;

	foreach(lc, handoffs_before)
	{
		LhHandoff  *before = lfirst(lc);
		const LhHandoff *after = &((LhLeadHandoff *) list_nth(replay->would.handoffs, foreach_current_index(lc)))->h;

		if (before->closed_at == LH_NOT_YET && after->closed_at != LH_NOT_YET)
			undo->handoff_no = after->handoff_no;
		else if (before->closed_at != LH_NOT_YET && open != NULL && &open->h == after)
			undo->before = before;
	}
	if (replay->undo != NULL && moved)
		replay->undo->rests = false;
	if (undo->handoff_no == 0)
		return;
	undo->by = pstrdup(step == NULL ? "contract" : step->action.kind != LH_DO_NOTHING ? step->action.actor : "crm");
	replay->undo = undo;
}

/* Routes of a handoff that has just begun, with what they mean for the lead. */
static void
find_routes(LhReplay *replay, LhDecision *decision, LhLeadHandoff *handoff)
{
	LhBacktest *test = replay->test;
	const LhContract *contract = decision->contract;
	LhWouldHandoff *would = palloc0_object(LhWouldHandoff);
	LhBatchLead *slot = palloc0_object(LhBatchLead);
	LhSeeker	seeker = {.slot = slot,.handoff = handoff};

	slot->contract = contract;
	slot->lead_key = replay->would.lead_key;
	slot->lead = replay->would;
	slot->decision = *decision;
	slot->decision.lead = &slot->lead;
	test->assign.seekers = list_make1(&seeker);
	test->assign.teams_read = false;
	memset(&test->assign.territories, 0, sizeof(test->assign.territories));
	test->assign.people.now = decision->now;
	if (contract->nterritory_routes > 0)
	{
		lh_territories_ask_routes(&test->assign.territories, contract, lh_contract_leg(contract, handoff->h.leg),
								  slot->lead.row);
		lh_territories_read(&test->assign.territories, decision->now);
	}
	lh_match_routes(&seeker);
	would->handoff_no = handoff->h.handoff_no;
	would->stage = replay->would.stage;
	would->routes = palloc0_array(LhWouldRoute, seeker.nmatches + 2);
	if (handoff->prefer != NULL)
		would->routes[would->nroutes++] = (LhWouldRoute) {"same_owner", lh_target_text(NULL, handoff->prefer), NULL};
	for (int m = 0; m < seeker.nmatches; m++)
	{
		const LhRoute *route = &contract->routes[seeker.matches[m]];
		LhWouldRoute *result = &would->routes[would->nroutes++];
		const char *pool;
		const LhRep *rep;

		result->route = route->name;
		result->against = lh_route_means(&test->assign, &seeker, route, &pool, &rep);
		result->target = lh_target_text(pool, rep == NULL ? NULL : rep->rep);
	}
	replay->handoffs = lappend(replay->handoffs, would);
}

static void
after_decision(LhReplay *replay, LhDecision *decision, LhEffects *effects)
{
	ListCell   *lc;

	replay->contract = decision->contract;
	if (decision->score != NULL)
		replay->score = decision->score;
	foreach(lc, effects->events)
	{
		const LhEvent *event = lfirst(lc);

		if (strcmp(event->type, "stage") == 0)
			replay->moved = event->detail;
	}
	foreach(lc, replay->would.handoffs)
	{
		LhLeadHandoff *handoff = lfirst(lc);

		if (handoff->is_new)
			find_routes(replay, decision, handoff);
	}
}

/* step NULL: a clock is due, or it is decided anew for what has come meanwhile. */
static void
decide(LhReplay *replay, LhReplayStep *step, TimestampTz at, bool clocks)
{
	LhBacktest *test = replay->test;
	const LhContract *contract = deciding(replay, step);
	LhLead	   *lead = &replay->would;
	LhEffects	effects = {0};
	List	   *handoffs_before = NIL;
	LhDecision	decision;
	LhUndo	   *undo;
	LhInput		input;

	if (lead->exists && lh_contract_stage(contract, lead->stage) < 0)
	{
		stop(replay, "no_stage", at);
		return;
	}
	if (test->zone == NULL || strcmp(test->zone, contract->zone) != 0)
		lh_set_zone(contract->zone);
	test->zone = contract->zone;
	lh_contract_set_now(contract, at);
	replay->known_at = Max(replay->known_at, step != NULL && lh_is_by_hand(step) ? at - 1 : at);
	undo = begin_decision(replay, &handoffs_before);
	lh_give_input(replay, contract, step, at, &input);
	for (int k = 0; clocks && k < LH_NCLOCKS; k++)
		input.clock_due[k] = lead->clocks[k].due_at <= at;
	lh_lead_bind(lead, contract);
	decision = lh_decide(contract, lead, &input, at, &effects, NULL);
	lead->exists = true;
	replay->ndecided++;
	replay->taken_to = replay->known_at;
	replay->decided_at = at;
	replay->owes_row = false;
	replay->owes_account = NULL;
	after_decision(replay, &decision, &effects);
	keep_undo(replay, undo, handoffs_before, step, effects.stays != NIL);
	if (step != NULL && step->refusal != NULL && strcmp(step->refusal->rule, "accepted_already") != 0)
		stop(replay, step->refusal->rule, at);
}

/* Moments -------------------------------------------------------------------------------------- */

/* It goes on: its stage is as old as history's. */
static void
thaw(LhReplay *replay, TimestampTz at)
{
	LhClock    *clock = &replay->would.clocks[LH_CLOCK_STAGE_AGE];

	if (clock->due_at != DT_NOEND)
		clock->due_at += at - replay->frozen_at;
}

static void
decide_step(LhReplay *replay, LhReplayStep *step)
{
	bool		acts = step->action.kind != LH_DO_NOTHING;

	if (replay->frozen)
	{
		find_ahead(replay, step->at);
		replay->owes_row = replay->owes_row || step->reads_row;
		if (step->account != NULL)
			replay->owes_account = step->account;
		if (replay->frozen)
		{
			if (acts)
				stop(replay, "acted", step->at);
			return;
		}
		thaw(replay, step->at);
		step->action.kind = LH_DO_NOTHING;	/* what made history pass the leg */
	}
	if (step->mapped != NULL)
	{
		if (replay->test->candidate == NULL)
		{
			replay->would.stage = replay->was.lead.stage;
			replay->would.stage_since = replay->was.lead.stage_since;
		}
		return;
	}
	decide(replay, step, step->at, false);
}

/* True: somebody did something, through the API; no clock was looked at for that. */
static bool
take_step(LhReplay *replay)
{
	const LhHistory *history = replay->history;
	LhBacktest *test = replay->test;
	LhReplayStep step;
	bool		by_hand;

	lh_next_replay_step(test, history, replay->next, &step);
	if (!replay->begun && step.at >= test->since)
		begin(replay, step.at);
	for (; replay->next < step.end; replay->next++)
		lh_fold_add(&replay->was, &history->events[replay->next]);
	by_hand = lh_is_by_hand(&step);
	if (!goes_on(replay))
		return by_hand;
	decide_step(replay, &step);
	find_ahead(replay, step.at);
	take_owner(replay);
	return by_hand;
}

static bool
clock_is_due(const LhLead *lead, TimestampTz at)
{
	for (int k = 0; k < LH_NCLOCKS; k++)
		if (lead->clocks[k].due_at <= at)
			return true;
	return false;
}

static bool
may_decide(const LhReplay *replay)
{
	return goes_on(replay) && replay->would.exists && !replay->frozen && replay->would.deleted_at == DT_NOEND;
}

static void
run_clocks(LhReplay *replay, TimestampTz at)
{
	if (!may_decide(replay) || !clock_is_due(&replay->would, at))
		return;
	decide(replay, NULL, at, true);
	find_ahead(replay, at);
	take_owner(replay);
}

/* Rows of activities that were found gone are decided after all that has come at the same moment. */
static void
take_gone(LhReplay *replay, TimestampTz at)
{
	const LhHistory *history = replay->history;
	bool		any = false;

	for (int i = 0; i < history->nactivities; i++)
		any = any || history->activities[i].to == at + 1;
	if (!any || !may_decide(replay))
		return;
	replay->known_at = at + 1;
	decide(replay, NULL, at, false);
	find_ahead(replay, at);
}

/* A moment at which history decided. */
static void
take_moment(LhReplay *replay, TimestampTz at)
{
	const LhHistory *history = replay->history;
	bool		by_hand = true;

	replay->passed = at;
	while (replay->next < history->nevents && history->events[replay->next].at <= at)
		by_hand = take_step(replay) && by_hand;
	if (may_decide(replay) && lh_has_news(history, replay->taken_to, at))
	{
		by_hand = false;
		decide(replay, NULL, at, false);
		find_ahead(replay, at);
	}
	take_gone(replay, at);
	if (!by_hand)
		run_clocks(replay, at);
	if (goes_on(replay))
		find_touched(replay, at);
	if (goes_on(replay) && (!replay->frozen || replay->frozen_at == at))
		lh_note_differences(replay, at);
}

/* When tick() looks at the clock that is due first; DT_NOEND: never. */
static TimestampTz
next_tick(const LhReplay *replay)
{
	int64		every = replay->test->tick_every;
	TimestampTz due = DT_NOEND;
	int64		over;

	if (!may_decide(replay))
		return DT_NOEND;
	for (int k = 0; k < LH_NCLOCKS; k++)
		due = Min(due, replay->would.clocks[k].due_at);
	if (TIMESTAMP_NOT_FINITE(due))
		return due == DT_NOEND ? DT_NOEND : replay->decided_at + every;
	due = Max(due, replay->decided_at + 1);
	over = due % every;
	return over == 0 ? due : due - over + (over > 0 ? every : 0);
}

/* The next moment at which history decided; DT_NOEND: there is none. */
static TimestampTz
next_moment(LhReplay *replay)
{
	const LhHistory *history = replay->history;
	TimestampTz at = replay->next < history->nevents ? history->events[replay->next].at : DT_NOEND;

	while (replay->next_time < replay->ntimes &&
		   (!replay->was.lead.exists || replay->times[replay->next_time] <= replay->passed) &&
		   replay->times[replay->next_time] < at)
		replay->next_time++;
	return replay->next_time < replay->ntimes ? Min(at, replay->times[replay->next_time]) : at;
}

static int
compare_moments(const void *a, const void *b)
{
	TimestampTz left = *(const TimestampTz *) a;
	TimestampTz right = *(const TimestampTz *) b;

	return left < right ? -1 : left > right;
}

static void
find_times(LhReplay *replay)
{
	const LhHistory *history = replay->history;

	replay->times = palloc_array(TimestampTz, history->nactivities * 2 + 1);
	for (int i = 0; i < history->nactivities; i++)
	{
		replay->times[replay->ntimes++] = history->activities[i].from;
		if (history->activities[i].to < replay->test->until)
			replay->times[replay->ntimes++] = history->activities[i].to - (history->activities[i].gone ? 1 : 0);
	}
	qsort(replay->times, replay->ntimes, sizeof(TimestampTz), compare_moments);
}

void
lh_replay(LhReplay *replay, LhBacktest *test, const LhHistory *history)
{
	TimestampTz known_to = history->nevents == 0 ? DT_NOBEGIN : history->events[history->nevents - 1].at;

	memset(replay, 0, sizeof(*replay));
	replay->test = test;
	replay->history = history;
	replay->stopped_at = DT_NOEND;
	replay->taken_to = replay->passed = replay->known_at = DT_NOBEGIN;
	for (int i = 0; i < LH_NDIFFERS; i++)
		replay->first[i].at = DT_NOEND;
	lh_fold_begin(&replay->was, history);
	find_times(replay);
	known_to = Min(Max(known_to, test->known_to), test->until - 1);
	if (history->purged_to != DT_NOBEGIN)
		stop(replay, "purged", history->nevents == 0 ? test->since : history->events[0].at);
	for (;;)
	{
		TimestampTz moment = next_moment(replay);
		TimestampTz tick;

		CHECK_FOR_INTERRUPTS();
		if (!replay->begun && replay->was.lead.exists && moment >= test->since)
			begin(replay, test->since);
		tick = next_tick(replay);
		if (tick < moment && tick <= known_to)
			run_clocks(replay, tick);
		else if (moment != DT_NOEND)
			take_moment(replay, moment);
		else
			break;
	}
}
