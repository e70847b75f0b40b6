/*
 * src/flow/held.c
 *
 * What keeps a lead from its next stage, kept with the lead: the code of a gate, or of another lead of
 * the same person, or the fields that are missing.  Each is an event when it begins, changes or ends, not
 * at every decision.
 */
#include "flow/journey.h"

#include "json.h"
#include "utils/builtins.h"

static Jsonb *
held_detail(const LhContract *contract, int leg, const char *code, const LhOther *other, char *const *fields, int nfields)
{
	LhJson		json;

	lh_json_begin(&json);
	lh_json_text(&json, "leg", leg < 0 ? NULL : contract->legs[leg].name);
	lh_json_text(&json, "code", code);
	if (other != NULL)
	{
		lh_json_text(&json, "lead", other->lead_key);
		lh_json_int(&json, "of_handoff", other->handoff_no);
	}
	if (nfields > 0)
		lh_json_texts(&json, "fields", fields, nfields);
	return lh_json_end(&json);
}

static bool
is_held_by(const LhLead *lead, const char *code, const LhOther *other)
{
	if (lead->gate_code == NULL || strcmp(lead->gate_code, code) != 0)
		return false;
	if (other == NULL || lead->duplicate_of == NULL)
		return other == NULL && lead->duplicate_of == NULL;
	return strcmp(lead->duplicate_of, other->lead_key) == 0 && lead->duplicate_handoff == other->handoff_no;
}

/*
 * A lead that joins an open handoff brings it that news, and every signal that it gives from then on.  That
 * it goes on from one handoff of the person to the next is no news: what it brought the one before is put
 * before the next one's beginning.
 */
static void
bring_news(LhDecision *decision, const LhOther *other, bool is_new, bool is_news)
{
	LhLead	   *lead = decision->lead;

	for (int i = 0; i < decision->contract->meaning.n; i++)
		is_news = is_news || decision->entered[i];
	if (other->closed_at != LH_NOT_YET)
		return;
	/* what was done with it counts there */
	if (decision->input->activity_at != DT_NOBEGIN || decision->input->changed_since != DT_NOEND)
		decision->effects->brings_to = other->lead_key;
	if (!is_news)
	{
		if (is_new)
			lead->duplicate_at = other->handed_at - 1;
		return;
	}
	/* each is later than what the other's handoff has heard of, though many have the same now */
	lead->duplicate_at = other->reengaged_at == LH_NOT_YET ? decision->now :
		Max(decision->now, other->reengaged_at + 1);
	decision->effects->brings_to = other->lead_key;
	decision->effects->changed = true;
}

void
lh_note_held(Journey *journey)
{
	LhDecision *decision = journey->decision;
	const LhContract *contract = decision->contract;
	LhLead	   *lead = decision->lead;
	const LhGate *gate = journey->gate;
	const LhOther *other = gate == NULL && journey->collision.holds ? journey->collision.other : NULL;
	const char *code = gate != NULL ? gate->code : lh_collision_code(&journey->collision);
	bool		is_new = code != NULL && !is_held_by(lead, code, other);
	bool		joins = other != NULL && journey->collision.joins;
	bool		was_held = lead->duplicate_of != NULL;

	if (gate != NULL && gate->action == LH_HOLD)
		decision->valid_until = Min(decision->valid_until,
									lh_after(decision->now, gate->review_after));
	if (code == NULL && lead->gate_code != NULL)
		lh_decision_event(decision, "released", NULL, "contract",
						  held_detail(contract, -1, lead->gate_code, NULL, NULL, 0));
	if (is_new)
		lh_decision_event(decision, joins ? "joined" : "gated", NULL, "contract",
						  held_detail(contract, gate != NULL ? journey->gate_leg : journey->collision_leg, code, other,
									  NULL, 0));
	lead->gate_code = code == NULL ? NULL : pstrdup(code);
	lead->duplicate_of = other == NULL ? NULL : pstrdup(other->lead_key);
	lead->duplicate_handoff = other == NULL ? 0 : other->handoff_no;
	if (joins)
		bring_news(decision, other, is_new, is_new && !was_held);
}

static void
set_blocked_clock(Journey *journey)
{
	LhDecision *decision = journey->decision;
	const LhLeg *leg = journey->is_blocked && journey->blocked_leg >= 0 ?
		&decision->contract->legs[journey->blocked_leg] : NULL;

	if (leg != NULL && leg->blocked_max != NULL)
	{
		TimestampTz due_at = lh_after(decision->lead->blocked_since, leg->blocked_max);

		/* it was due and the contract had no way out: ask again after as long a wait */
		if (due_at <= decision->now && decision->input->clock_due[LH_CLOCK_BLOCKED])
			due_at = lh_after(decision->now, leg->blocked_max);
		lh_set_clock(decision, LH_CLOCK_BLOCKED, leg->name, due_at);
	}
	else
		lh_set_clock(decision, LH_CLOCK_BLOCKED, "", DT_NOEND);
}

void
lh_note_blocked(Journey *journey)
{
	LhDecision *decision = journey->decision;
	LhLead	   *lead = decision->lead;
	bool		same = journey->nmissing == lead->nblocked;
	LhEvent    *event;

	for (int i = 0; i < lead->nblocked && same; i++)
		same = strcmp(lead->blocked_fields[i], journey->missing[i]) == 0;
	if (!same)
	{
		if (!journey->is_blocked)
			lead->blocked_since = DT_NOEND;
		else if (lead->blocked_since == DT_NOEND)
			lead->blocked_since = decision->now;
		lead->blocked_fields = journey->missing;
		lead->nblocked = journey->nmissing;
		event = lh_decision_event(decision, journey->is_blocked ? "blocked" : "unblocked", NULL, "contract",
								  held_detail(decision->contract, journey->blocked_leg, NULL, NULL,
											  journey->missing, journey->nmissing));
		event->notify = journey->is_blocked ? "lead.blocked" : NULL;
	}
	set_blocked_clock(journey);
}
