/*
 * src/flow/act.c
 *
 * What people do with a lead: accept, qualify, dispose, hand over, set a stage.
 *
 * Whether the contract provides for it is found out first (may_..), and nothing has happened then.  The
 * API raises a refusal as SQLSTATE LH041; a status that the CRM has set can't be refused, and leaves a
 * violation (crm_status.c).  What may be done is done by lh_act(), which can't fail any more.
 */
#include "flow/journey.h"

#include "dispose/disposition.h"
#include "time/calendar.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* What may be in the way --------------------------------------------------------------------- */

static LhRefusal *
no_open_handoff(const LhDecision *decision, const LhAction *action)
{
	return lh_refusal("no_open_handoff",
					  psprintf("lead \"%s\" has no open handoff", decision->lead->lead_key),
					  psprintf("It is in stage \"%s\".", decision->lead->stage),
					  psprintf("Only a lead that was handed over can be the object of %s().",
							   action->name));
}

/* Who may not see the other lead learns that there is one, since that is what is in the way, and no more. */
LhRefusal *
lh_is_duplicate(const LhDecision *decision, const LhAction *action, const LhOther *other)
{
	if (action != NULL && action->limited)
		return lh_refusal("duplicate",
						  psprintf("lead \"%s\" is the same person as another lead", decision->lead->lead_key),
						  psprintf("Sales %s that one.", other->closed_at == LH_NOT_YET ? "has" : "had not long ago"),
						  pstrdup("Ask an operator to merge the two."));
	return lh_refusal("duplicate",
					  psprintf("lead \"%s\" is the same person as lead \"%s\"", decision->lead->lead_key, other->lead_key),
					  psprintf("That one has handoff " INT64_FORMAT " of leg \"%s\", %s.", other->handoff_no, other->leg,
							   other->closed_at == LH_NOT_YET ? "which is open" : "which ended not long ago"),
					  pstrdup("Work that one, or merge the two with handoff.merge_lead()."));
}

/* No transition for it from this stage, or none that would fire; NULL: one would. */
static LhRefusal *
may_move(const Journey *journey, LhCause cause, const LhAction *action)
{
	LhDecision *decision = journey->decision;
	const LhLead *lead = decision->lead;
	Journey		probe;

	if (!lh_has_way(decision, cause))
		return lh_refusal("no_transition",
						  psprintf("%s() is not possible in stage \"%s\"", action->name, lead->stage),
						  psprintf("Contract %d has no transition on \"%s\" from there.",
								   decision->contract->contract_id, lh_cause_name(cause)),
						  pstrdup("See view handoff.journey for the ways out of a stage."));
	if (lh_can_fire(journey, cause, &probe))
		return NULL;
	if (probe.gate != NULL)
		return lh_refusal("gate",
						  psprintf("gate \"%s\" holds lead \"%s\"", probe.gate->code, lead->lead_key),
						  pstrdup("Its criteria holds."), pstrdup("See handoff.explain()."));
	if (probe.collision.holds)
		return lh_is_duplicate(decision, action, probe.collision.other);
	return lh_refusal(probe.is_blocked ? "required_fields" : "criteria",
					  psprintf("%s() is not possible for lead \"%s\" as it is", action->name,
							   lead->lead_key),
					  probe.is_blocked ?
					  psprintf("Required fields are missing or not valid, \"%s\" first.",
							   probe.missing[0]) :
					  psprintf("The criteria of every transition on \"%s\" fail.", lh_cause_name(cause)),
					  pstrdup("See handoff.explain()."));
}

static void
must_fire(Journey *journey, LhCause cause, const char *code)
{
	if (!lh_fire(journey, cause, code))
		elog(ERROR, "transition on \"%s\" did not fire", lh_cause_name(cause));
}

/* Acceptance and qualification --------------------------------------------------------------- */

static LhRefusal *
may_accept(const Journey *journey, const LhAction *action)
{
	LhDecision *decision = journey->decision;
	LhLeadHandoff *open = lh_open_handoff(decision->lead);
	LhRefusal  *refusal = NULL;

	if (open == NULL)
		return no_open_handoff(decision, action);
	if (open->h.accepted_at != LH_NOT_YET)
		return lh_refusal("accepted_already",
						  psprintf("lead \"%s\" has been accepted already", decision->lead->lead_key),
						  psprintf("At %s, %s.", timestamptz_to_str(open->h.accepted_at),
								   open->h.accepted_how),
						  pstrdup("Qualify it, recycle it or disqualify it; see handoff.work_status()."));
	if (lh_disposition(decision->contract, action->code, "accepted", open->h.leg, &refusal) == NULL)
		return refusal;
	return lh_has_way(decision, LH_ACCEPTED) ? may_move(journey, LH_ACCEPTED, action) : NULL;
}

static void
accept_it(Journey *journey, const LhAction *action)
{
	LhDecision *decision = journey->decision;

	lh_accept(decision, lh_open_handoff(decision->lead), action->how, decision->now, action->actor);
	if (lh_has_way(decision, LH_ACCEPTED))
		must_fire(journey, LH_ACCEPTED, NULL);
}

static LhRefusal *
may_qualify(const Journey *journey, const LhAction *action)
{
	if (lh_open_handoff(journey->decision->lead) == NULL)
		return no_open_handoff(journey->decision, action);
	return may_move(journey, LH_QUALIFIED, action);
}

static void
qualify(Journey *journey, const LhAction *action)
{
	LhDecision *decision = journey->decision;
	LhLeadHandoff *open = lh_open_handoff(decision->lead);
	LhJson		extra;

	open->h.qualified_at = decision->now;
	lh_json_begin(&extra);
	lh_json_text(&extra, "note", action->note);
	lh_handoff_event(decision, open, "qualified", action->actor, &extra);
	must_fire(journey, LH_QUALIFIED, NULL);
}

/* Dispositions ------------------------------------------------------------------------------- */

/* What was done about a handoff. */
static LhWork
work_of(const LhDecision *decision, const LhHandoff *h)
{
	LhWork		work = {.hours = lh_calendar_or_dates(decision->input->hours, decision->contract->zone)};
	LhTouch    *touches;

	work.n = lh_touches_of(decision, h, &touches);
	work.touches = touches;
	return work;
}

/* Was the work done that the disposition needs? */
static LhRefusal *
check_work(const LhDecision *decision, const LhDisposition *disposition, const LhLeadHandoff *open)
{
	LhWork		work;

	if (open == NULL || disposition->needs_work == NULL)
		return NULL;
	work = work_of(decision, &open->h);
	return lh_check_work(decision->contract, disposition, &open->h, &work, decision->lead->row);
}

/* It is given with less work than it needs: who lets that be says why. */
static void
override_work(LhDecision *decision, const LhDisposition *disposition, LhLeadHandoff *open,
			  const LhAction *action)
{
	LhRefusal  *refusal = action->override_reason == NULL ? NULL : check_work(decision, disposition, open);
	LhJson		extra;

	if (refusal == NULL)
		return;
	open->h.override_reason = pstrdup(action->override_reason);
	lh_json_begin(&extra);
	lh_json_text(&extra, "code", disposition->code);
	lh_json_text(&extra, "wanted", refusal->detail);
	lh_handoff_event(decision, open, "overridden", action->actor, &extra);
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

static LhRefusal *
may_recycle(const Journey *journey, const LhAction *action, const LhDisposition *disposition)
{
	LhRefusal  *refusal = may_move(journey, LH_RECYCLED, action);

	if (refusal == NULL && disposition->recycle_path < 0)
		refusal = lh_refusal("no_recycle_path",
							 psprintf("disposition \"%s\" has no recycle path", disposition->code),
							 NULL, pstrdup("Give it one in the contract."));
	if (refusal == NULL && action->until != LH_NOT_YET && action->until <= journey->decision->now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("until must be later than now"),
				 errhint("Leave it out, and the recycle path says when it comes back.")));
	return refusal;
}

/* The handoff that a lead goes back to when its present one is returned; or NULL. */
static LhLeadHandoff *
handoff_before(const LhDecision *decision, const LhLeadHandoff *open)
{
	int			leg = lh_contract_leg(decision->contract, open->h.leg);
	LhLeadHandoff *before = leg <= 0 ? NULL :
		lh_last_ended(decision->lead, decision->contract->legs[leg - 1].name);

	return before == NULL || before->h.closed_at != open->h.handed_at || strcmp(before->h.outcome, "next_leg") != 0 ?
		NULL : before;
}

static LhRefusal *
may_give_back(const Journey *journey, const LhAction *action, const LhLeadHandoff *open)
{
	const LhDecision *decision = journey->decision;
	LhRefusal  *refusal = may_move(journey, LH_RETURNED, action);
	const LhLeadHandoff *before = handoff_before(decision, open);
	const LhOther *other = before == NULL ? NULL : lh_other_open(decision, before->h.leg);

	if (refusal == NULL && other != NULL)
		return lh_is_duplicate(decision, action, other);
	if (refusal == NULL && before == NULL)
		refusal = lh_refusal("not_handed_on",
							 psprintf("lead \"%s\" can't be returned: nobody handed it over",
									  decision->lead->lead_key),
							 NULL, pstrdup("Recycle or disqualify it."));
	return refusal;
}

/* Does the disposition end the lead's journey, also without a handoff? */
static bool
ends(const LhDisposition *disposition)
{
	return strcmp(disposition->outcome, "disqualified") == 0 ||
		strcmp(disposition->outcome, "withdrawn") == 0;
}

/* Leniently: what it asks for beforehand, note and work, doesn't count. */
static LhRefusal *
may_dispose(const Journey *journey, const LhAction *action, bool leniently)
{
	const LhDecision *decision = journey->decision;
	LhLeadHandoff *open = lh_open_handoff(decision->lead);
	LhRefusal  *refusal = NULL;
	const LhDisposition *disposition = lh_disposition(decision->contract, action->code, action->outcome,
													  open == NULL ? NULL : open->h.leg, &refusal);

	if (disposition == NULL)
		return refusal;
	if (open == NULL && !ends(disposition))
		return no_open_handoff(decision, action);
	if (!leniently)
		refusal = lh_check_note(disposition, action->note);
	if (!leniently && refusal == NULL && action->override_reason == NULL)
		refusal = check_work(decision, disposition, open);
	if (refusal != NULL)
		return refusal;
	if (ends(disposition))
		return may_move(journey, LH_DISQUALIFIED, action);
	if (strcmp(disposition->outcome, "recycle") == 0)
		return may_recycle(journey, action, disposition);
	if (strcmp(disposition->outcome, "returned") == 0)
		return may_give_back(journey, action, open);
	if (strcmp(disposition->outcome, "accepted") == 0)
		return may_accept(journey, action);
	return open->h.rep != NULL ? NULL :
		lh_refusal("no_owner", psprintf("lead \"%s\" has no owner to take it from", decision->lead->lead_key),
				   NULL, pstrdup("It seeks one at every tick."));
}

/* Somebody else is to have it: whom the action names, else whom the routes find. */
static void
release(LhDecision *decision, LhLeadHandoff *open, const char *why, const char *code,
		const LhAction *action)
{
	LhRelease	release = {
		.why = why,.prefer = action->rep,.code = code,.note = action->note,.actor = action->actor
	};

	lh_release(decision, open, &release);
}

static void
dispose(Journey *journey, const LhAction *action)
{
	LhDecision *decision = journey->decision;
	LhLeadHandoff *open = lh_open_handoff(decision->lead);
	LhLeadHandoff *before = open == NULL ? NULL : handoff_before(decision, open);
	LhRefusal  *refusal;
	const LhDisposition *disposition = lh_disposition(decision->contract, action->code, action->outcome,
													  open == NULL ? NULL : open->h.leg, &refusal);
	const char *outcome = disposition->outcome;

	override_work(decision, disposition, open, action);
	if (open != NULL)
		open->returns_turn = disposition->returns_turn;
	if (strcmp(outcome, "accepted") == 0)
		accept_it(journey, action);
	else if (strcmp(outcome, "reroute") == 0)
		release(decision, open, "reroute", disposition->code, action);
	else
	{
		if (open != NULL)
			lh_close_handoff(decision, open, outcome, disposition->code, action->note, action->actor);
		if (strcmp(outcome, "returned") == 0)
		{
			lh_reopen_handoff(decision, before, "returned");
			must_fire(journey, LH_RETURNED, disposition->code);
		}
		else if (strcmp(outcome, "recycle") == 0)
		{
			must_fire(journey, LH_RECYCLED, disposition->code);
			lh_start_recycle(journey, open, disposition->recycle_path, action->until);
		}
		else
			must_fire(journey, LH_DISQUALIFIED, disposition->code);
	}
}

/* Asking ------------------------------------------------------------------------------------- */

static void
add_answer(const LhAction *action, const LhDisposition *disposition, const char *part, LhOwed owed)
{
	LhWorkStatus *status = palloc_object(LhWorkStatus);

	*status = (LhWorkStatus) {disposition, part, owed.has, owed.needs};
	*action->answer = lappend(*action->answer, status);
}

static void
ask_about(const LhDecision *decision, const LhAction *action, const LhDisposition *disposition)
{
	const LhLeadHandoff *open = lh_open_handoff(decision->lead);
	const LhFields *row = decision->lead->row;
	int			before = list_length(*action->answer);
	const LhWorkStandard *standard = open == NULL || disposition->needs_work == NULL ? NULL :
		lh_work_standard(decision->contract, disposition->needs_work, open->h.leg, row);
	LhOwed		owed[LH_NPARTS];

	if (standard != NULL)
	{
		LhWork		work = work_of(decision, &open->h);

		lh_work_owed(decision->contract, standard, &open->h, &work, row, owed);
		for (int part = 0; part < LH_NPARTS; part++)
			if (owed[part].needs > 0)
				add_answer(action, disposition, lh_part_names[part], owed[part]);
	}
	if (lh_check_note(disposition, NULL) != NULL)
		add_answer(action, disposition, "note", (LhOwed) {0, 1});
	if (list_length(*action->answer) == before)
		add_answer(action, disposition, NULL, (LhOwed) {0, 0});
}

/* What each disposition asks for that could be given now, were its note and its work there. */
static void
ask(Journey *journey, const LhAction *action)
{
	const LhContract *contract = journey->decision->contract;

	for (int i = 0; i < contract->ndispositions; i++)
	{
		LhAction	dispose = {
			.kind = LH_DO_DISPOSE,.name = "dispose",.code = contract->dispositions[i].code,.until = LH_NOT_YET
		};

		if (lh_may_act(journey, &dispose, true) == NULL)
			ask_about(journey->decision, action, &contract->dispositions[i]);
	}
}

/* By hand ------------------------------------------------------------------------------------ */

/* The first transition that passes the leg from where the lead is; -1: none does. */
static int
transition_over(const LhDecision *decision, int leg)
{
	const LhContract *contract = decision->contract;

	for (int t = 0; t < contract->guard.n; t++)
		if (contract->transitions[t].from == decision->stage && contract->transitions[t].leg == leg)
			return t;
	return -1;
}

static LhRefusal *
may_hand_over(Journey *journey, const LhAction *action)
{
	LhDecision *decision = journey->decision;
	int			leg = lh_contract_leg(decision->contract, action->leg);
	const LhOther *other = lh_other_open(decision, action->leg);
	const LhGate *gate;

	if (leg < 0)
		return lh_refusal("unknown_leg",
						  psprintf("contract %d has no leg \"%s\"", decision->contract->contract_id, action->leg),
						  NULL, pstrdup("See table handoff.leg."));
	gate = lh_closed_gate(journey, leg);
	if (gate != NULL)
		return lh_refusal("gate",
						  psprintf("gate \"%s\" holds lead \"%s\"", gate->code, decision->lead->lead_key),
						  pstrdup("Its criteria holds."), pstrdup("See handoff.explain()."));
	if (other != NULL)
		return lh_is_duplicate(decision, action, other);
	if (transition_over(decision, leg) < 0)
		return lh_refusal("no_transition",
						  psprintf("leg \"%s\" can't be passed from stage \"%s\"", action->leg, decision->lead->stage),
						  NULL, pstrdup("See view handoff.journey for the ways out of a stage."));
	return NULL;
}

/* Pass a leg now, whatever the score says; gates still count. */
static void
hand_over(Journey *journey, const LhAction *action)
{
	const LhContract *contract = journey->decision->contract;
	int			leg = lh_contract_leg(contract, action->leg);
	const LhTransition *transition = &contract->transitions[transition_over(journey->decision, leg)];

	journey->origin = "manual";
	lh_move(journey, transition->to, transition->cause, leg, action->note);
}

static LhRefusal *
may_set_stage(const Journey *journey, const LhAction *action)
{
	const LhDecision *decision = journey->decision;
	int			stage = lh_contract_stage(decision->contract, action->stage);

	if (stage >= 0 && stage != decision->stage)
		return NULL;
	return lh_refusal(stage < 0 ? "unknown_stage" : "same_stage",
					  stage < 0 ?
					  psprintf("contract %d has no stage \"%s\"", decision->contract->contract_id, action->stage) :
					  psprintf("lead \"%s\" is in stage \"%s\" already", decision->lead->lead_key, action->stage),
					  NULL, pstrdup("See view handoff.journey."));
}

/* Give it to a rep.  claim(): only if nobody has it, or it has fallen to the pool of last resort. */
static LhRefusal *
may_reassign(const Journey *journey, const LhAction *action)
{
	const LhDecision *decision = journey->decision;
	const LhLeadHandoff *open = lh_open_handoff(decision->lead);

	if (open == NULL)
		return no_open_handoff(decision, action);
	if (open->h.rep != NULL && strcmp(open->h.rep, action->rep) == 0)
		return lh_refusal("same_owner",
						  psprintf("rep \"%s\" has lead \"%s\" already", action->rep, decision->lead->lead_key),
						  psprintf("Since %s.", timestamptz_to_str(open->h.owner_since)), pstrdup("Name another rep."));
	if (strcmp(action->name, "claim") == 0 && open->h.rep != NULL &&
		!lh_has_fallen(decision->contract, open))
		return lh_refusal("has_owner",
						  psprintf("lead \"%s\" has an owner", decision->lead->lead_key),
						  psprintf("Rep \"%s\" has it, by route \"%s\".", open->h.rep, open->h.route),
						  pstrdup("Only what nobody has, or what fell to the last route of its leg, can be claimed."));
	return NULL;
}

/* The door ----------------------------------------------------------------------------------- */

LhRefusal *
lh_may_act(Journey *journey, const LhAction *action, bool leniently)
{
	switch (action->kind)
	{
		case LH_DO_ACCEPT:
			return may_accept(journey, action);
		case LH_DO_QUALIFY:
			return may_qualify(journey, action);
		case LH_DO_DISPOSE:
			return may_dispose(journey, action, leniently);
		case LH_DO_HAND_OVER:
			return may_hand_over(journey, action);
		case LH_DO_SET_STAGE:
			return may_set_stage(journey, action);
		case LH_DO_REASSIGN:
			return may_reassign(journey, action);
		case LH_DO_UNDISPOSE:	/* is done by now: see undo.c */
		case LH_DO_ASK:
		case LH_DO_NOTHING:
			break;
	}
	return NULL;
}

void
lh_refuse(const LhAction *action, LhRefusal *refusal)
{
	if (action->refusal == NULL)
		lh_raise_refusal(refusal);
	*action->refusal = refusal;
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
			lh_move(journey, lh_contract_stage(journey->decision->contract, action->stage), LH_SCORED, -1,
					action->note);
			break;
		case LH_DO_REASSIGN:
			release(journey->decision, lh_open_handoff(journey->decision->lead),
					strcmp(action->name, "claim") == 0 ? "claim" : "manual", NULL, action);
			break;
		case LH_DO_ASK:
			ask(journey, action);
			break;
		case LH_DO_UNDISPOSE:
		case LH_DO_NOTHING:
			break;
	}
	journey->actor = "contract";
	journey->origin = "contract";
}
