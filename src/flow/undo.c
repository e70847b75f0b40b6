/*
 * src/flow/undo.c
 *
 * A disposition is taken back: by undispose(), or because the CRM's status says again what it said before.
 *
 * It is the first thing in a decision, so that all the rest goes on as if the disposition had not been: the
 * handoff is open, with the owner that it had; the lead is in the stage that it had left, and the stay there
 * goes on; what its clocks waited for has not come, and they are due when they were; intent that was reset
 * is as it was.  What was done with the lead meanwhile counts, and a signal that it gave is heard.  The stays that the disposition had led to
 * count nowhere.  The log keeps both.
 *
 * Possible only while nothing has followed: the lead rests where the disposition has put it, and nobody else
 * of sales has its person.  Then all that has to be known besides the lead's state is what its log says
 * (undoable.c).
 *
 * The CRM.  What the CRM has closed, it must open again, and nobody else: else its status would go on saying
 * what is not so, and nobody would notice.  A disposition of ours may be on its way there, or back from there, when it is
 * taken back; that its status comes then is an echo (crm_status.c), for as long as it could have been taken back.
 */
#include "flow/journey.h"

#include "json.h"
#include "utils/timestamp.h"

/* May it be ------------------------------------------------------------------------------------ */

static LhLeadHandoff *
ended_handoff(const LhLead *lead, const LhUndo *undo)
{
	return list_nth(lead->handoffs, undo->handoff_no - 1);
}

LhLeadHandoff *
lh_handoff_to_be(const LhLead *lead, const LhInput *input)
{
	LhLeadHandoff *open = lh_open_handoff(lead);
	bool		is_asked = input->action != NULL && input->action->kind == LH_DO_UNDISPOSE;

	return input->undo != NULL && (is_asked || open == NULL) ? ended_handoff(lead, input->undo) : open;
}

/* Not by its age, the next leg, an opportunity or the loss of its row. */
static bool
ended_by_disposition(const LhDecision *decision, const LhHandoff *h)
{
	return h->closed_at != LH_NOT_YET && h->code != NULL && strcmp(h->code, lh_cause_name(LH_DUE)) != 0 &&
		strcmp(h->outcome, "lost") != 0 &&
		lh_disposition_of(decision->contract, h->code, h->outcome) != NULL;
}

/* Is the lead where the disposition has put it, and is the handoff that was opened in its place as it was then? */
static bool
nothing_followed(const LhLead *lead, const LhUndo *undo)
{
	const LhLeadHandoff *open = lh_open_handoff(lead);

	if (!undo->rests || (open == NULL) != (undo->before == NULL))
		return false;
	return open == NULL ||
		(open->h.handoff_no == undo->before->handoff_no && open->h.assignments <= undo->before->assignments + 1);
}

static LhRefusal *
too_late(const LhDecision *decision, const LhHandoff *h, TimestampTz until)
{
	return lh_refusal("undo_window",
					  psprintf("it is too late to take back disposition \"%s\" of lead \"%s\"", h->code, decision->lead->lead_key),
					  psprintf("It was given at %s; contract %d lets it be taken back until %s.",
							   pstrdup(timestamptz_to_str(h->closed_at)), decision->contract->contract_id,
							   pstrdup(timestamptz_to_str(until))),
					  pstrdup("Hand the lead over anew with handoff.hand_over(), or put it into a stage with handoff.set_stage()."));
}

/* What is in the way, in the order in which it could be got out of it last; NULL: nothing.  Without an action: of the CRM. */
static LhRefusal *
may_take_back(const LhDecision *decision, const LhAction *action)
{
	const LhLead *lead = decision->lead;
	const LhUndo *undo = decision->input->undo;
	const LhHandoff *h = undo == NULL ? NULL : &ended_handoff(lead, undo)->h;
	const LhOther *other;
	TimestampTz until;

	if (h == NULL || !ended_by_disposition(decision, h) || lh_contract_stage(decision->contract, undo->stage) < 0)
		return lh_refusal("not_disposed",
						  psprintf("lead \"%s\" has no disposition that could be taken back", lead->lead_key),
						  psprintf("It is in stage \"%s\".", lead->stage),
						  pstrdup("Only what recycle(), disqualify() or dispose() has ended can be opened again."));
	if (!nothing_followed(lead, undo))
		return lh_refusal("moved_on",
						  psprintf("lead \"%s\" has gone on since disposition \"%s\"", lead->lead_key, h->code),
						  psprintf("It is in stage \"%s\" since %s.", lead->stage, timestamptz_to_str(lead->stage_since)),
						  pstrdup("See handoff.history()."));
	if (strcmp(undo->by, "crm") == 0 && action != NULL && strcmp(action->actor, "crm") != 0)
		return lh_refusal("given_in_crm",
						  psprintf("disposition \"%s\" of lead \"%s\" was given in the CRM", h->code, lead->lead_key),
						  pstrdup("Its status there would go on saying so."),
						  psprintf("Set the status there to one that stands for stage \"%s\".", undo->stage));
	until = lh_after(h->closed_at, decision->contract->undispose_within);
	if (decision->now > until)
		return too_late(decision, h, until);
	other = lh_other_open(decision, h->leg);
	if (other != NULL)
		return lh_is_duplicate(decision, action, other);
	if (!undo->owner_there)
		return lh_refusal("owner_gone",
						  psprintf("rep \"%s\", who had lead \"%s\", takes no leads any more", h->rep, lead->lead_key),
						  NULL, pstrdup("Hand the lead over anew with handoff.hand_over()."));
	return NULL;
}

/* Taking it back ------------------------------------------------------------------------------- */

/* The handoff that was opened again is over as it was before, its owner is told. */
static void
close_again(LhDecision *decision, const LhHandoff *before, const char *actor)
{
	LhLeadHandoff *open = lh_open_handoff(decision->lead);
	LhHandoff  *h = &open->h;
	bool		had_owner = h->rep != NULL;
	LhEvent    *event;
	LhJson		extra;

	lh_json_begin(&extra);
	lh_json_text(&extra, "rep", h->rep);

	open->owner_gone = had_owner;
	open->seek = NULL;
	h->route = before->route;
	h->pool = before->pool;
	h->rep = before->rep;
	h->owner_since = before->owner_since;
	h->unassigned_reason = before->unassigned_reason;
	h->qualified_at = before->qualified_at;
	h->disposed_at = before->disposed_at;
	h->outcome = before->outcome;
	h->code = before->code;
	h->note = before->note;
	h->override_reason = before->override_reason;
	h->closed_at = before->closed_at;
	event = lh_handoff_event(decision, open, "closed", actor, &extra);
	if (had_owner)
		event->notify = "handoff.taken_away";
}

/* The stage whose status the CRM may still come to have: it does not have one that stands for it. */
static char *
stage_to_echo(const LhDecision *decision, const char *actor)
{
	const LhContract *contract = decision->contract;
	char	   *stage = decision->lead->stage;
	char	   *now = lh_get_text_field(decision, "crm_status");
	bool		any = false;

	for (int i = 0; i < contract->nstatuses; i++)
	{
		if (!lh_status_is_of(contract, &contract->statuses[i], stage))
			continue;
		any = true;
		if (now != NULL && strcmp(contract->statuses[i].value, now) == 0)
			return NULL;
	}
	return any && strcmp(actor, "crm") != 0 ? stage : NULL;
}

static void
open_again(LhDecision *decision, LhLeadHandoff *handoff, const char *actor, const char *note)
{
	const LhUndo *undo = decision->input->undo;
	LhHandoff  *h = &handoff->h;
	bool		resets = undo->intent_since != decision->lead->intent_since;
	LhJson		extra;

	lh_json_begin(&extra);
	lh_json_text(&extra, "outcome", h->outcome);
	lh_json_text(&extra, "code", h->code);
	lh_json_text(&extra, "by", undo->by);
	lh_json_time(&extra, "disposed_at", h->disposed_at);
	lh_json_text(&extra, "note", note);
	if (resets && undo->intent_since == DT_NOBEGIN)
		lh_json_text(&extra, "intent_since", "-infinity");
	else if (resets)
		lh_json_time(&extra, "intent_since", undo->intent_since);
	decision->deaf_since = h->closed_at;
	h->undone_stage = stage_to_echo(decision, actor);
	h->undone++;
	h->undone_at = decision->now;
	h->outcome = NULL;
	h->code = NULL;
	h->note = NULL;
	h->override_reason = NULL;
	h->disposed_at = LH_NOT_YET;
	h->closed_at = LH_NOT_YET;
	h->recycle_due_at = LH_NOT_YET;
	handoff->owner_back = h->rep != NULL;
	lh_handoff_event(decision, handoff, "undisposed", actor, &extra)->notify = "handoff.undisposed";
	decision->lead->intent_since = undo->intent_since;
}

static void
go_back(LhDecision *decision, const char *actor)
{
	const LhUndo *undo = decision->input->undo;
	LhJson		json;

	lh_json_begin(&json);
	lh_json_text(&json, "from", decision->lead->stage);
	lh_json_text(&json, "to", undo->stage);
	lh_json_text(&json, "event", "undisposed");
	lh_json_time(&json, "since", undo->entered_at);
	lh_decision_event(decision, "stage", NULL, actor, lh_json_end(&json));
	lh_resume_stay(decision, lh_contract_stage(decision->contract, undo->stage), undo->stay, undo->entered_at);
}

static void
take_back(LhDecision *decision, const char *actor, const char *note)
{
	const LhUndo *undo = decision->input->undo;

	if (undo->before != NULL)
		close_again(decision, undo->before, actor);
	open_again(decision, ended_handoff(decision->lead, undo), actor, note);
	go_back(decision, actor);
}

/*
 * The CRM, which has given the disposition, has a status now that stands for the stage which that had ended.  Of
 * what we have given ourselves it may only just be hearing what was before it.
 */
static bool
crm_takes_back(const LhDecision *decision)
{
	const LhUndo *undo = decision->input->undo;
	const LhCrmStatus *status = decision->crm_status == NULL || undo == NULL ? NULL :
		lh_status_named(decision->contract, decision->crm_status);

	return status != NULL && decision->input->stage_then == NULL && strcmp(undo->by, "crm") == 0 &&
		lh_status_is_of(decision->contract, status, undo->stage) &&
		!lh_status_is_of(decision->contract, status, decision->lead->stage) &&
		ended_handoff(decision->lead, undo)->h.contract_id == decision->contract->contract_id &&
		may_take_back(decision, NULL) == NULL;
}

void
lh_take_back(LhDecision *decision)
{
	const LhAction *action = decision->input->action;

	if (action != NULL && action->kind == LH_DO_UNDISPOSE)
	{
		LhRefusal  *refusal = may_take_back(decision, action);

		if (refusal != NULL)
			lh_refuse(action, refusal);
		else
			take_back(decision, action->actor, action->note);
	}
	else if (crm_takes_back(decision))
		take_back(decision, "crm", NULL);
}
