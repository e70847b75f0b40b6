/*
 * src/flow/act.c
 *
 * What people do with a lead through the API: accept, qualify, dispose, hand over, set a stage.
 *
 * Whatever the contract doesn't provide for is refused with SQLSTATE LH041, and nothing has happened:
 * the error ends the caller's statement.
 */
#include "flow/journey.h"

#include "dispose/disposition.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/date.h"
#include "utils/timestamp.h"

static LhLeadHandoff *
need_open_handoff(const LhDecision *decision, const LhAction *action)
{
	LhLeadHandoff *open = lh_open_handoff(decision->lead);

	if (open == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_LH_NOT_ALLOWED),
				 errmsg("lead \"%s\" has no open handoff", decision->lead->lead_key),
				 errdetail("It is in stage \"%s\".", decision->lead->stage),
				 errhint("Only a lead that was handed over can be the object of %s().", action->name)));
	return open;
}

static void
need_way(const LhDecision *decision, LhCause cause, const LhAction *action)
{
	if (!lh_has_way(decision, cause))
		ereport(ERROR,
				(errcode(ERRCODE_LH_NOT_ALLOWED),
				 errmsg("%s() is not possible in stage \"%s\"", action->name, decision->lead->stage),
				 errdetail("Contract %d has no transition on \"%s\" from there.",
						   decision->contract->contract_id, lh_cause_name(cause)),
				 errhint("See view handoff.journey for the ways out of a stage.")));
}

/* Fire, or say what is in the way. */
static void
must_fire(Journey *journey, LhCause cause, const char *code, const LhAction *action)
{
	LhDecision *decision = journey->decision;

	if (lh_fire(journey, cause, code))
		return;
	if (journey->gate != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_LH_NOT_ALLOWED),
				 errmsg("gate \"%s\" holds lead \"%s\"", journey->gate->code, decision->lead->lead_key),
				 errhint("See handoff.explain().")));
	ereport(ERROR,
			(errcode(ERRCODE_LH_NOT_ALLOWED),
			 errmsg("%s() is not possible for lead \"%s\" as it is", action->name,
					decision->lead->lead_key),
			 journey->is_blocked ? errdetail("Required fields are missing or not valid, \"%s\" first.",
											 journey->missing[0]) :
			 errdetail("The criteria of every transition on \"%s\" fail.", lh_cause_name(cause)),
			 errhint("See handoff.explain().")));
}

/* Acceptance and qualification --------------------------------------------------------------- */

static void
accept_it(Journey *journey, const LhAction *action)
{
	LhDecision *decision = journey->decision;
	LhLeadHandoff *open = need_open_handoff(decision, action);

	if (open->h.accepted_at != LH_NOT_YET)
		ereport(ERROR,
				(errcode(ERRCODE_LH_NOT_ALLOWED),
				 errmsg("lead \"%s\" has been accepted already", decision->lead->lead_key),
				 errdetail("At %s, %s.", timestamptz_to_str(open->h.accepted_at), open->h.accepted_how)));
	(void) lh_disposition(decision->contract, action->code, "accepted", open->h.leg);
	lh_accept(decision, open, "explicit", decision->now, action->actor);
	if (lh_has_way(decision, LH_ACCEPTED))
		must_fire(journey, LH_ACCEPTED, NULL, action);
}

static void
qualify(Journey *journey, const LhAction *action)
{
	LhDecision *decision = journey->decision;
	LhLeadHandoff *open = need_open_handoff(decision, action);
	LhJson		extra;

	need_way(decision, LH_QUALIFIED, action);
	open->h.qualified_at = decision->now;
	lh_json_begin(&extra);
	lh_json_text(&extra, "note", action->note);
	lh_handoff_event(decision, open, "qualified", action->actor, &extra);
	must_fire(journey, LH_QUALIFIED, NULL, action);
}

/* Dispositions ------------------------------------------------------------------------------- */

/* Distinct days, in the reporting zone, on which the lead was touched since the handoff. */
static int
days_touched(const LhDecision *decision, const LhHandoff *h)
{
	const LhInput *input = decision->input;
	DateADT		last = DATEVAL_NOBEGIN;
	int			days = 0;

	for (int i = 0; i < input->nactivities; i++)
	{
		const LhActivity *activity = &input->activities[i];
		bool		touch = false;
		DateADT		day;

		if (activity->at < h->handed_at || activity->at > decision->now)
			continue;
		for (int r = 0; r < decision->contract->meaning.n; r++)
			touch = touch || (activity->means[r] &&
							  (decision->contract->meaning_rules[r].meaning == LH_MEANS_TOUCH ||
							   decision->contract->meaning_rules[r].meaning == LH_MEANS_CONTACT));
		if (!touch)
			continue;
		day = DatumGetDateADT(DirectFunctionCall1(timestamptz_date, TimestampTzGetDatum(activity->at)));
		if (day != last)
			days++;
		last = day;
	}
	return days;
}

/* Where a recycled lead waits, and until when. */
void
lh_start_recycle(Journey *journey, LhLeadHandoff *handoff, int path_no, TimestampTz until)
{
	LhDecision *decision = journey->decision;
	LhLead	   *lead = decision->lead;
	const LhRecyclePath *path = &decision->contract->paths[path_no];
	LhJson		extra;

	if (path->reset_intent)
	{
		lead->intent_since = decision->now;
		lead->fold.at = DT_NOEND;
		lh_json_begin(&extra);
		lh_decision_event(decision, "reset", NULL, "contract", lh_json_end(&extra));
		decision->valid_until = Min(decision->valid_until, decision->now + USECS_PER_SEC);
	}
	if (lead->cycle >= path->max_cycles && path->exhausted_to >= 0)
	{
		lh_move(journey, path->exhausted_to, LH_RECYCLED, -1, "exhausted");
		return;
	}
	if (until == LH_NOT_YET && path->delay != NULL)
		until = lh_after(decision->now, path->delay);
	handoff->h.recycle_due_at = until;
	lh_json_begin(&extra);
	lh_json_text(&extra, "path", path->name);
	lh_json_text(&extra, "nurture_track", path->nurture_track);
	lh_handoff_event(decision, handoff, "recycled", journey->actor, &extra);
	lh_set_clock(decision, LH_CLOCK_RECYCLE, path->name, until);
}

static void
recycle(Journey *journey, const LhAction *action, const LhDisposition *disposition,
		LhLeadHandoff *open)
{
	LhDecision *decision = journey->decision;

	need_way(decision, LH_RECYCLED, action);
	if (disposition->recycle_path < 0)
		ereport(ERROR,
				(errcode(ERRCODE_LH_NOT_ALLOWED),
				 errmsg("disposition \"%s\" has no recycle path", disposition->code)));
	if (action->until != LH_NOT_YET && action->until <= decision->now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("until must be later than now")));
	lh_close_handoff(decision, open, "recycle", disposition->code, action->note, action->actor);
	must_fire(journey, LH_RECYCLED, disposition->code, action);
	lh_start_recycle(journey, open, disposition->recycle_path, action->until);
}

/* Back to the one who handed it over, with the reason. */
static void
give_back(Journey *journey, const LhAction *action, const LhDisposition *disposition,
		  LhLeadHandoff *open)
{
	LhDecision *decision = journey->decision;
	int			leg = lh_contract_leg(decision->contract, open->h.leg);
	LhLeadHandoff *before = leg <= 0 ? NULL :
		lh_last_handoff(decision->lead, decision->contract->legs[leg - 1].name, true);

	need_way(decision, LH_RETURNED, action);
	if (before == NULL || before->h.closed_at != open->h.handed_at)
		ereport(ERROR,
				(errcode(ERRCODE_LH_NOT_ALLOWED),
				 errmsg("lead \"%s\" can't be returned: nobody handed it over", decision->lead->lead_key)));
	lh_close_handoff(decision, open, "returned", disposition->code, action->note, action->actor);
	lh_reopen_handoff(decision, before);
	must_fire(journey, LH_RETURNED, disposition->code, action);
}

static void
end_it(Journey *journey, const LhAction *action, const LhDisposition *disposition,
	   LhLeadHandoff *open)
{
	LhDecision *decision = journey->decision;

	need_way(decision, LH_DISQUALIFIED, action);
	if (open != NULL)
		lh_close_handoff(decision, open, disposition->outcome, disposition->code, action->note,
						 action->actor);
	must_fire(journey, LH_DISQUALIFIED, disposition->code, action);
}

static void
dispose(Journey *journey, const LhAction *action)
{
	LhDecision *decision = journey->decision;
	const LhContract *contract = decision->contract;
	LhLeadHandoff *open = lh_open_handoff(decision->lead);
	const LhDisposition *disposition = lh_disposition(contract, action->code, action->outcome,
													  open == NULL ? NULL : open->h.leg);
	const char *outcome = disposition->outcome;
	bool		ends = strcmp(outcome, "disqualified") == 0 || strcmp(outcome, "withdrawn") == 0;

	if (!ends)
		open = need_open_handoff(decision, action);
	lh_check_disposition(contract, disposition, open == NULL ? NULL : &open->h, decision->lead->row,
						 action->note, open == NULL ? 0 : days_touched(decision, &open->h));
	if (ends)
		end_it(journey, action, disposition, open);
	else if (strcmp(outcome, "recycle") == 0)
		recycle(journey, action, disposition, open);
	else if (strcmp(outcome, "returned") == 0)
		give_back(journey, action, disposition, open);
	else if (strcmp(outcome, "accepted") == 0)
		accept_it(journey, action);
	else if (open->h.rep == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_LH_NOT_ALLOWED),
				 errmsg("lead \"%s\" has no owner to take it from", decision->lead->lead_key)));
	else
		lh_reroute(decision, open, disposition->code, action->note, action->actor);
}

/* By hand ------------------------------------------------------------------------------------ */

/* Pass a leg now, whatever the score says; gates still count. */
static void
hand_over(Journey *journey, const LhAction *action)
{
	LhDecision *decision = journey->decision;
	const LhContract *contract = decision->contract;
	int			leg = lh_contract_leg(contract, action->leg);
	const LhGate *gate;

	if (leg < 0)
		ereport(ERROR,
				(errcode(ERRCODE_LH_NOT_ALLOWED),
				 errmsg("contract %d has no leg \"%s\"", contract->contract_id, action->leg)));
	gate = lh_closed_gate(journey, leg);
	if (gate != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_LH_NOT_ALLOWED),
				 errmsg("gate \"%s\" holds lead \"%s\"", gate->code, decision->lead->lead_key),
				 errhint("See handoff.explain().")));
	for (int t = 0; t < contract->guard.n; t++)
	{
		const LhTransition *transition = &contract->transitions[t];

		if (transition->from != decision->stage || transition->leg != leg)
			continue;
		journey->origin = "manual";
		lh_move(journey, transition->to, transition->cause, leg, action->note);
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_LH_NOT_ALLOWED),
			 errmsg("leg \"%s\" can't be passed from stage \"%s\"", action->leg, decision->lead->stage),
			 errhint("See view handoff.journey for the ways out of a stage.")));
}

static void
set_stage(Journey *journey, const LhAction *action)
{
	LhDecision *decision = journey->decision;
	int			stage = lh_contract_stage(decision->contract, action->stage);

	if (stage < 0 || stage == decision->stage)
		ereport(ERROR,
				(errcode(ERRCODE_LH_NOT_ALLOWED),
				 stage < 0 ? errmsg("contract %d has no stage \"%s\"", decision->contract->contract_id, action->stage) :
				 errmsg("lead \"%s\" is in stage \"%s\" already", decision->lead->lead_key, action->stage)));
	lh_move(journey, stage, LH_SCORED, -1, action->note);
}

void
lh_act(Journey *journey, const LhAction *action)
{
	journey->actor = action->actor;
	switch (action->kind)
	{
		case LH_DO_ACCEPT:
			accept_it(journey, action);
			break;
		case LH_DO_QUALIFY:
			qualify(journey, action);
			break;
		case LH_DO_DISPOSE:
			dispose(journey, action);
			break;
		case LH_DO_HAND_OVER:
			hand_over(journey, action);
			break;
		case LH_DO_SET_STAGE:
			set_stage(journey, action);
			break;
		case LH_DO_NOTHING:
			break;
	}
	journey->actor = "contract";
	journey->origin = "contract";
}
