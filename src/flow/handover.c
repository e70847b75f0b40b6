/*
 * src/flow/handover.c
 *
 * The life of a handoff: handed over, assigned, accepted, closed; perhaps reopened.
 *
 * A handoff is an accumulating snapshot: each event carries, under "set", the columns it changed since
 * the event before, so that the fold of a handoff's events is its row, whatever the events mean.
 */
#include "flow/decide.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Finding ------------------------------------------------------------------------------------ */

/* There is at most one. */
LhLeadHandoff *
lh_open_handoff(const LhLead *lead)
{
	ListCell   *lc;

	foreach(lc, lead->handoffs)
	{
		LhLeadHandoff *handoff = lfirst(lc);

		if (handoff->h.closed_at == LH_NOT_YET)
			return handoff;
	}
	return NULL;
}

/*
 * The handoff that ended last, of a leg (NULL: of any); or NULL.  It need not be the one of the greatest number: one that the
 * next leg returns goes on, and ends later than what came of it.  Of two that ended at the same moment the
 * greater number did later, unless it was returned then.
 */
LhLeadHandoff *
lh_last_ended(const LhLead *lead, const char *leg)
{
	LhLeadHandoff *last = NULL;
	ListCell   *lc;

	foreach(lc, lead->handoffs)
	{
		LhLeadHandoff *handoff = lfirst(lc);
		const LhHandoff *h = &handoff->h;

		if (h->closed_at == LH_NOT_YET || (leg != NULL && strcmp(h->leg, leg) != 0))
			continue;
		if (last == NULL || h->closed_at > last->h.closed_at ||
			(h->closed_at == last->h.closed_at && strcmp(h->outcome, "returned") != 0))
			last = handoff;
	}
	return last;
}

/* The last handoff: the one that is open, else the one that ended last; NULL: the lead was never handed over. */
LhLeadHandoff *
lh_last_handoff(const LhLead *lead)
{
	LhLeadHandoff *open = lh_open_handoff(lead);

	return open != NULL ? open : lh_last_ended(lead, NULL);
}

/* Since when a handoff goes on: what came of it last was over, and before that it was handed over. */
TimestampTz
lh_goes_on_since(const LhLead *lead, const LhHandoff *h)
{
	TimestampTz since = h->handed_at;
	ListCell   *lc;

	for_each_from(lc, lead->handoffs, h->handoff_no)
	{
		const LhHandoff *later = &((LhLeadHandoff *) lfirst(lc))->h;

		if (later->closed_at <= h->closed_at && later->closed_at != LH_NOT_YET)
			since = Max(since, later->closed_at);
	}
	return since;
}

/* The handoff that ended because the lead's row was gone, and goes on when the row is back; or NULL. */
LhLeadHandoff *
lh_interrupted_handoff(const LhLead *lead)
{
	LhLeadHandoff *last = lh_last_handoff(lead);

	if (last == NULL || last->h.closed_at == LH_NOT_YET ||
		last->h.code == NULL || strcmp(last->h.code, "deleted") != 0)
		return NULL;
	return last;
}

/* Did the handoff fall to the last route of its leg, which takes whatever no other does? */
bool
lh_is_last_resort(const LhContract *contract, const LhLeadHandoff *handoff)
{
	int			leg = lh_contract_leg(contract, handoff->h.leg);
	const LhRoute *last = NULL;

	for (int i = 0; i < contract->route.n; i++)
		if (contract->routes[i].leg == leg)
			last = &contract->routes[i];
	return last != NULL && handoff->h.route != NULL && strcmp(handoff->h.route, last->name) == 0;
}

/* Did it do so past one that could have had it? */
bool
lh_has_fallen(const LhContract *contract, const LhLeadHandoff *handoff)
{
	int			leg = lh_contract_leg(contract, handoff->h.leg);
	int			nroutes = 0;

	for (int i = 0; i < contract->route.n; i++)
		if (contract->routes[i].leg == leg)
			nroutes++;
	return nroutes > 1 && lh_is_last_resort(contract, handoff);
}

/* Logging ------------------------------------------------------------------------------------ */

/* An event about a handoff: extra, if not NULL, has been begun and may hold keys already. */
LhEvent *
lh_handoff_event(LhDecision *decision, LhLeadHandoff *handoff, const char *type,
				 const char *actor, LhJson *extra)
{
	LhJson		json;
	LhEvent    *event;

	if (extra == NULL)
	{
		extra = &json;
		lh_json_begin(extra);
	}
	lh_json_int(extra, "handoff", handoff->h.handoff_no);
	lh_handoff_set(extra, &handoff->logged, &handoff->h);
	handoff->logged = handoff->h;
	event = lh_decision_event(decision, type, handoff->h.leg, actor, lh_json_end(extra));
	event->handoff = handoff;
	return event;
}

/* Life --------------------------------------------------------------------------------------- */

/* The first leg passed again after a handoff of it has ended: a new cycle begins. */
static void
begin_cycle(LhDecision *decision, int leg)
{
	LhLead	   *lead = decision->lead;
	bool		passed = false;
	ListCell   *lc;

	foreach(lc, lead->handoffs)
	{
		const LhHandoff *h = &((LhLeadHandoff *) lfirst(lc))->h;

		passed = passed || (h->cycle == lead->cycle && strcmp(h->leg, decision->contract->legs[leg].name) == 0);
	}
	if (leg != 0 || !passed)
		return;
	lead->cycle++;
	lead->cycle_since = decision->now;
	lh_set_bigint_field(decision, "cycle", lead->cycle);
}

/* When the lead booked a meeting since its last handoff ended; LH_NOT_YET: it has not. */
static TimestampTz
booked_before(const LhDecision *decision)
{
	LhLeadHandoff *last = lh_last_ended(decision->lead, NULL);
	TimestampTz booked_at = decision->lead->booked_at;

	return booked_at > (last == NULL ? DT_NOBEGIN : last->h.closed_at) ? booked_at : LH_NOT_YET;
}

static LhLeadHandoff *
new_handoff(LhDecision *decision)
{
	LhLead	   *lead = decision->lead;
	LhLeadHandoff *handoff = palloc0_object(LhLeadHandoff);

	lh_handoff_init(&handoff->h);
	lh_handoff_init(&handoff->logged);
	lh_handoff_init(&handoff->stored);
	handoff->is_new = true;
	handoff->h.handoff_no = list_length(lead->handoffs) + 1;
	lead->handoffs = lappend(lead->handoffs, handoff);
	return handoff;
}

/*
 * What has qualified it.  A cycle may have begun by itself, after the newest input.  What is replayed was captured
 * after its now.  Of a row that was there before its source was attached we may know no more than when we saw it.
 */
static void
set_trigger(const LhDecision *decision, LhHandoff *h)
{
	const LhLead *lead = decision->lead;

	h->trigger = lead->trigger;
	h->trigger_at = Max(lead->trigger_at, lead->cycle_since);
	h->seen_at = lead->trigger_at >= lead->cycle_since ? lead->seen_at : lead->cycle_since;
	if (h->seen_at != LH_NOT_YET)
		h->seen_at = Min(h->seen_at, decision->now);
	if (h->trigger_at == DT_NOBEGIN)
		h->trigger_at = Min(h->seen_at, decision->now);
}

/* The lead has just passed a leg: make the handoff. */
void
lh_hand_over(LhDecision *decision, int leg, const char *stage_from, const char *origin,
			 bool incomplete)
{
	LhLead	   *lead = decision->lead;
	LhLeadHandoff *before = lh_open_handoff(lead);
	LhLeadHandoff *handoff;
	LhHandoff  *h;

	if (before != NULL)
		lh_close_handoff(decision, before, "next_leg", NULL, NULL, "contract");
	begin_cycle(decision, leg);

	handoff = new_handoff(decision);
	h = &handoff->h;
	h->cycle = lead->cycle;
	h->leg = decision->contract->legs[leg].name;
	h->contract_id = decision->contract->contract_id;
	h->challenge = before != NULL ? before->h.challenge : decision->input->challenge;
	h->stage_from = pstrdup(stage_from);
	h->band = lead->band;
	h->fit = lead->fit;
	h->intent = decision->score->intent_points;
	h->score = lead->score;
	h->segment = lh_get_text_field(decision, "segment");
	h->lead_source = lh_get_text_field(decision, "lead_source");
	h->account_method = lead->account_method;
	set_trigger(decision, h);
	h->handed_at = decision->now;
	h->month = lh_first_of_month(decision->now);
	h->incomplete = incomplete;
	h->booked_at = leg == 0 ? booked_before(decision) : LH_NOT_YET;
	h->origin = h->booked_at != LH_NOT_YET && strcmp(origin, "contract") == 0 ?
		"self_booked" : pstrdup(origin);
	handoff->seek = "handoff";
	lh_handoff_event(decision, handoff, "handoff", "contract", NULL)->notify = "handoff.created";
	lh_start_slas(decision, handoff, false);
}

void
lh_accept(LhDecision *decision, LhLeadHandoff *handoff, const char *how,
		  TimestampTz at, const char *actor)
{
	handoff->h.accepted_at = at;
	handoff->h.accepted_how = pstrdup(how);
	lh_handoff_event(decision, handoff, "accepted", actor, NULL)->notify = "handoff.disposed";
}

static void
end_assignment(LhLeadHandoff *handoff)
{
	if (handoff->h.rep != NULL)
		handoff->owner_gone = true;
	handoff->seek = NULL;
	handoff->h.unassigned_reason = NULL;
}

/* rep, pool and route stay: who had it last. */
void
lh_close_handoff(LhDecision *decision, LhLeadHandoff *handoff, const char *outcome,
				 const char *code, const char *note, const char *actor)
{
	LhHandoff  *h = &handoff->h;
	LhEvent    *event;

	end_assignment(handoff);
	h->outcome = pstrdup(outcome);
	h->code = code == NULL ? NULL : pstrdup(code);
	h->note = note == NULL ? NULL : pstrdup(note);
	h->disposed_at = decision->now;
	h->closed_at = decision->now;
	h->held_at = LH_NOT_YET;
	event = lh_handoff_event(decision, handoff, "closed", actor, NULL);
	if (strcmp(outcome, "next_leg") != 0)
		event->notify = "handoff.disposed";
}

/*
 * What was won turns out to be lost, or the other way round.  Nobody has it, and nobody gets it: its end is
 * told again.
 */
void
lh_correct_outcome(LhDecision *decision, LhLeadHandoff *handoff, const char *outcome, const char *actor)
{
	handoff->h.outcome = pstrdup(outcome);
	handoff->h.code = pstrdup(outcome);
	handoff->h.disposed_at = decision->now;
	handoff->h.closed_at = decision->now;
	handoff->h.recycle_due_at = LH_NOT_YET;
	lh_handoff_event(decision, handoff, "closed", actor, NULL)->notify = "handoff.disposed";
}

/* Back to the one who had it: his assignment begins anew, and why tells it from others. */
void
lh_reopen_handoff(LhDecision *decision, LhLeadHandoff *handoff, const char *why)
{
	LhHandoff  *h = &handoff->h;

	handoff->prefer = h->rep;
	handoff->seek = why;
	h->rep = NULL;
	h->pool = NULL;
	h->route = NULL;
	h->outcome = NULL;
	h->code = NULL;
	h->note = NULL;
	h->override_reason = NULL;
	h->disposed_at = LH_NOT_YET;
	h->closed_at = LH_NOT_YET;
	h->qualified_at = LH_NOT_YET;
	h->recycle_due_at = LH_NOT_YET;
	lh_handoff_event(decision, handoff, "reopened", "contract", NULL);
}

/*
 * The owner goes, the handoff stays and seeks another.  "Not mine" (reroute) is an answer of sales; in
 * all other cases somebody or something else takes the lead away.
 */
void
lh_release(LhDecision *decision, LhLeadHandoff *handoff, const LhRelease *release)
{
	bool		is_answer = strcmp(release->why, "reroute") == 0;
	const char *rep = handoff->h.rep;
	LhJson		extra;

	end_assignment(handoff);
	handoff->seek = release->why;
	handoff->prefer = release->prefer;
	if (rep == NULL)
		return;					/* it was waiting for an owner */
	handoff->h.reroutes += is_answer;
	handoff->h.rep = NULL;
	handoff->h.pool = NULL;
	handoff->h.route = NULL;
	lh_json_begin(&extra);
	lh_json_text(&extra, "code", release->code);
	lh_json_text(&extra, "note", release->note);
	lh_json_text(&extra, "rep", rep);
	if (!is_answer)
		lh_json_text(&extra, "why", release->why);
	lh_handoff_event(decision, handoff, is_answer ? "rerouted" : "taken_away", release->actor, &extra)->notify =
		is_answer ? "handoff.disposed" : "handoff.taken_away";
}

/* Assigned ----------------------------------------------------------------------------------- */

void
lh_assigned(LhDecision *decision, LhLeadHandoff *handoff, LhAssignment *assignment)
{
	LhHandoff  *h = &handoff->h;
	LhJson		extra;

	handoff->assignment = assignment;
	handoff->seek = NULL;
	h->assignments = assignment->n;
	h->route = pstrdup(assignment->route);
	h->pool = assignment->pool == NULL ? NULL : pstrdup(assignment->pool);
	h->rep = pstrdup(assignment->rep);
	h->unassigned_reason = NULL;
	h->owner_since = decision->now;
	if (h->assigned_at == LH_NOT_YET)
	{
		h->assigned_at = decision->now;
		h->by_last_route = lh_has_fallen(decision->contract, handoff);
	}

	lh_json_begin(&extra);
	lh_json_text(&extra, "reason", assignment->reason);
	lh_json_jsonb(&extra, "passed_over", assignment->passed_over);
	lh_handoff_event(decision, handoff, "assigned", "contract", &extra)->notify = "handoff.assigned";
	lh_start_slas(decision, handoff, true);
}

static char *
copy(const char *text)
{
	return text == NULL ? NULL : pstrdup(text);
}

/* Nobody can take it now.  It waits for a route and its pool, or (NULL) for any that can take it. */
void
lh_not_assigned(LhDecision *decision, LhLeadHandoff *handoff, const char *reason,
				const char *route, const char *pool, Jsonb *passed_over)
{
	LhHandoff  *h = &handoff->h;
	LhJson		extra;

	handoff->seek = NULL;
	h->unassigned_reason = pstrdup(reason);
	h->route = copy(route);
	h->pool = copy(pool);
	if (lh_handoff_equal(h, &handoff->logged))
		return;
	lh_json_begin(&extra);
	lh_json_jsonb(&extra, "passed_over", passed_over);
	lh_handoff_event(decision, handoff, "unassigned", "contract", &extra)->notify = "handoff.unassigned";
}
