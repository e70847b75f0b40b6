/*
 * src/flow/crm_status.c
 *
 * A status that somebody has set in the CRM.  The contract's map (handoff.crm_status) says which
 * disposition it means; it is given as if the API had been called, by the actor "crm".
 *
 * The sync that brings it can't be refused.  So where the API would raise an error, a violation is
 * noted, and the disposition's on_violation says what follows: record takes it all the same, as far as
 * there is a way for it (a missing note or missing work don't stop it); hold and revert leave the lead
 * as it is.  Hold tells the owner's manager, and the clocks of the handoff stand still until somebody has
 * settled it, in the CRM by another status or here by whatever he does; revert makes view writeback say what
 * the status should be.
 *
 * A status that only says what we know, because the lead is in a stage that it stands for, changes
 * nothing: so an echo of our own write-back doesn't, also one that comes when the lead has gone on.  Nor is
 * it news that the lead could pass a leg for (take.c).
 */
#include "flow/journey.h"

#include "json.h"

const LhCrmStatus *
lh_status_named(const LhContract *contract, const char *value)
{
	for (int i = 0; i < contract->nstatuses; i++)
		if (strcmp(contract->statuses[i].value, value) == 0)
			return &contract->statuses[i];
	return NULL;
}

bool
lh_status_is_of(const LhContract *contract, const LhCrmStatus *status, const char *stage)
{
	int			position = lh_contract_stage(contract, stage);

	for (int i = 0; i < status->nstages; i++)
		if (status->stages[i] == position)
			return true;
	return false;
}

/*
 * Does it say what was so until a disposition was taken back?  Then the write-back of that one is only just
 * coming back.
 */
static bool
says_what_is_undone(const LhDecision *decision, const LhCrmStatus *status)
{
	const LhLeadHandoff *open = lh_open_handoff(decision->lead);

	return open != NULL && open->h.undone_stage != NULL &&
		lh_status_is_of(decision->contract, status, open->h.undone_stage) &&
		decision->now <= lh_after(open->h.undone_at, decision->contract->undispose_within);
}

/* Is the lead where the status says it is, or was it when that was set, or has it just been given that disposition? */
static bool
says_what_is(const LhDecision *decision, const LhCrmStatus *status)
{
	const LhLeadHandoff *ended = lh_last_ended(decision->lead, NULL);
	const char *then = decision->input->stage_then;

	if (lh_status_is_of(decision->contract, status, decision->lead->stage) ||
		(then != NULL && lh_status_is_of(decision->contract, status, then)) || says_what_is_undone(decision, status))
		return true;
	return ended != NULL && ended->h.closed_at == decision->lead->stage_since && ended->h.code != NULL &&
		status->code != NULL && strcmp(ended->h.code, status->code) == 0;
}

bool
lh_status_says_what_is(const LhDecision *decision, const char *value)
{
	const LhCrmStatus *status = lh_status_named(decision->contract, value);

	return status != NULL && says_what_is(decision, status);
}

/* What its disposition says of a violation; a qualification is always taken as far as it goes. */
static const char *
on_violation(const LhContract *contract, const LhCrmStatus *status)
{
	for (int i = 0; status->code != NULL && i < contract->ndispositions; i++)
		if (strcmp(contract->dispositions[i].code, status->code) == 0)
			return contract->dispositions[i].on_violation;
	return "record";
}

static void
note_violation(LhDecision *decision, const LhCrmStatus *status, const LhRefusal *refusal,
			   const char *then, bool taken)
{
	JsonbValue	value = {.type = jbvBool,.val.boolean = taken};
	LhLeadHandoff *open = lh_open_handoff(decision->lead);
	LhLeadHandoff *last = lh_last_handoff(decision->lead);
	bool		held = strcmp(then, "hold") == 0;
	LhEvent    *event;
	LhJson		json;

	lh_json_begin(&json);
	lh_json_text(&json, "rule", refusal->rule);
	lh_json_text(&json, "status", status->value);
	lh_json_text(&json, "code", status->code);
	lh_json_text(&json, "message", refusal->message);
	lh_json_text(&json, "wanted", refusal->detail);
	lh_json_text(&json, "action", then);
	lh_json_value(&json, "taken", &value);
	if (last != NULL)
		lh_json_text(&json, "rep", last->h.rep);
	if (held)
		lh_json_text(&json, "recipient", decision->input->manager);
	if (held && open != NULL && open->h.held_at == LH_NOT_YET)
		open->h.held_at = decision->now;
	if (open != NULL)
		event = lh_handoff_event(decision, open, "violation", "crm", &json);
	else
	{
		if (last != NULL)
			lh_json_int(&json, "handoff", last->h.handoff_no);
		event = lh_decision_event(decision, "violation", NULL, "crm", lh_json_end(&json));
	}
	if (held)
		event->notify = "lead.violation";
}

/* Give what the status means, as far as it can be; true: it is held. */
static bool
give(Journey *journey, const LhCrmStatus *status)
{
	LhDecision *decision = journey->decision;
	LhAction	action = {
		.kind = status->qualifies ? LH_DO_QUALIFY : LH_DO_DISPOSE,
		.name = "crm_status",.code = status->code,.actor = "crm",.how = "crm",.until = LH_NOT_YET
	};
	LhRefusal  *refusal = lh_may_act(journey, &action, false);

	if (refusal != NULL && strcmp(refusal->rule, "accepted_already") == 0)
		return false;
	if (refusal != NULL)
	{
		const char *then = on_violation(decision->contract, status);
		bool		taken = strcmp(then, "record") == 0 && lh_may_act(journey, &action, true) == NULL;

		note_violation(decision, status, refusal, then, taken);
		if (!taken)
			return strcmp(then, "hold") == 0;
	}
	lh_act(journey, &action);
	return false;
}

void
lh_settle(LhDecision *decision, const char *actor)
{
	LhLeadHandoff *open = lh_open_handoff(decision->lead);

	if (open == NULL || open->h.held_at == LH_NOT_YET)
		return;
	open->h.held_at = LH_NOT_YET;
	lh_handoff_event(decision, open, "settled", actor, NULL);
}

void
lh_follow_crm_status(Journey *journey)
{
	LhDecision *decision = journey->decision;
	const LhCrmStatus *status = decision->crm_status == NULL ? NULL :
		lh_status_named(decision->contract, decision->crm_status);
	bool		held = false;

	if (decision->crm_status == NULL)
		return;
	if (status != NULL && !says_what_is(decision, status) && (status->code != NULL || status->qualifies))
		held = give(journey, status);
	if (!held)
		lh_settle(decision, "crm");
}
