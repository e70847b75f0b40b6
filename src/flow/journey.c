/*
 * src/flow/journey.c
 *
 * The journey of a lead through its stages.
 *
 * A transition fires when its event happens and, in this order, the exit criteria of its stage, its
 * guard, the entry criteria of the next stage, the gates before its leg and the required fields of the
 * next stage hold.  The first by order that fires, fires; then event "scored" is tried until nothing
 * fires any more, each stage at most once in one decision, so that no set of rules can run in a
 * circle.
 *
 * What keeps a lead where it is, is kept with it: a gate's code, or the fields that alone are missing
 * (blocked).  Each is an event when it begins, changes or ends, not at every decision.
 */
#include "flow/decide.h"

#include "json.h"
#include "miscadmin.h"
#include "utils/builtins.h"

/* Why a lead stays, as far as this decision has found. */
typedef struct Journey
{
	LhDecision *decision;
	bool	   *visited;		/* by stage */
	const LhGate *gate;			/* first gate that held, or NULL */
	int			gate_leg;
	int			blocked_leg;	/* -1: none; the leg (or no leg) is that of the blocked transition */
	bool		is_blocked;
	int			nmissing;
	char	  **missing;		/* in order of name */
	bool		pass_incomplete;	/* blocked for too long: hand over all the same */
} Journey;

static const LhStage *
stage_of(const LhDecision *decision)
{
	return &decision->contract->stages[decision->stage];
}

/* Entering a stage --------------------------------------------------------------------------- */

static bool
field_is_valid(LhDecision *decision, int field)
{
	const LhContract *contract = decision->contract;

	for (int i = 0; i < contract->validation.n; i++)
		if (contract->validations[i].field == field &&
			lh_rulebook_test(contract->validation.book, i, decision->lead->row,
							 &decision->valid_until) != LH_TRUE)
			return false;
	return true;
}

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Names of the required fields of a stage that are null or not valid, sorted. */
static int
missing_fields(LhDecision *decision, const LhStage *stage, char ***missing)
{
	const LhFields *row = decision->lead->row;
	int			n = 0;

	*missing = palloc_array(char *, Max(stage->nrequired, 1));
	for (int i = 0; i < stage->nrequired; i++)
		if (row->isnull[stage->required[i]] || !field_is_valid(decision, stage->required[i]))
			(*missing)[n++] = row->set->fields[stage->required[i]].name;
	qsort(*missing, n, sizeof(char *), compare_texts);
	return n;
}

/* Make to the lead's stage; the event that did it has just been written. */
static void
begin_stay(LhDecision *decision, int to, bool consistent)
{
	const LhStage *stage = &decision->contract->stages[to];
	LhLead	   *lead = decision->lead;
	LhStay	   *stay = palloc_object(LhStay);

	stay->seq = lead->last_seq;
	stay->stage = stage->name;
	stay->owner = stage->owner;
	stay->entered_at = decision->now;
	stay->consistent = consistent;
	decision->effects->stays = lappend(decision->effects->stays, stay);

	decision->stage = to;
	lead->stage = stage->name;
	lead->stage_since = decision->now;
	lh_fields_set(lead->row, lh_fieldset_find(lead->row->set, "stage"),
				  CStringGetTextDatum(stage->name));
	if (stage->max_age != NULL)
		lh_set_clock(decision, LH_CLOCK_STAGE_AGE, stage->name,
					 lh_after(decision->now, stage->max_age));
	else
		lh_set_clock(decision, LH_CLOCK_STAGE_AGE, "", DT_NOEND);
}

void
lh_enter_first_stage(LhDecision *decision)
{
	begin_stay(decision, decision->stage, true);
}

static bool
entry_holds(LhDecision *decision, int stage)
{
	return lh_rulebook_test(decision->contract->entry.book, stage, decision->lead->row,
							&decision->valid_until) == LH_TRUE;
}

/* ord 0 is a move that no transition made: the stage's own age limit. */
static void
move(LhDecision *decision, int to, LhCause cause, int ord, int leg, const char *code)
{
	const LhContract *contract = decision->contract;
	const char *leg_name = leg < 0 ? NULL : contract->legs[leg].name;
	char	  **missing;
	bool		consistent;
	LhJson		json;

	consistent = entry_holds(decision, to) &&
		missing_fields(decision, &contract->stages[to], &missing) == 0;

	lh_json_begin(&json);
	lh_json_text(&json, "from", decision->lead->stage);
	lh_json_text(&json, "to", contract->stages[to].name);
	lh_json_text(&json, "event", lh_cause_name(cause));
	if (ord != 0)
		lh_json_int(&json, "transition", ord);
	lh_json_text(&json, "code", code);
	lh_json_text(&json, "trigger", decision->lead->trigger);
	lh_decision_event(decision, "stage", leg_name, "contract", lh_json_end(&json));
	begin_stay(decision, to, consistent);
}

/* Transitions -------------------------------------------------------------------------------- */

/* The first gate before a leg that holds, or NULL. */
static const LhGate *
closed_gate(Journey *journey, int leg)
{
	LhDecision *decision = journey->decision;
	const LhContract *contract = decision->contract;

	for (int i = 0; i < contract->gate.n; i++)
	{
		const LhGate *gate = &contract->gates[i];
		LhTruth		truth;

		if (gate->leg >= 0 && gate->leg != leg)
			continue;
		truth = lh_rulebook_test(contract->gate.book, i, decision->lead->row,
								 &decision->valid_until);
		lh_trace_add(decision->trace, "gate", gate->code, contract->gate.criteria[i], truth, NULL);
		if (truth == LH_TRUE)
			return gate;
	}
	return NULL;
}

/* Why a transition whose turn has come does not fire; NULL: it does. */
static const char *
why_not(Journey *journey, int t)
{
	LhDecision *decision = journey->decision;
	const LhContract *contract = decision->contract;
	const LhTransition *transition = &contract->transitions[t];
	const LhFields *row = decision->lead->row;

	if (journey->visited[transition->to])
		return "stage already visited in this decision";
	if (lh_rulebook_test(contract->exit.book, transition->from, row,
						 &decision->valid_until) != LH_TRUE)
		return "exit criteria of its stage";
	if (lh_rulebook_test(contract->guard.book, t, row, &decision->valid_until) != LH_TRUE)
		return "guard";
	if (!entry_holds(decision, transition->to))
		return "entry criteria of the next stage";
	if (transition->leg >= 0 && decision->lead->trigger_at < decision->input->since)
		return "nothing has happened since the source was attached";
	return NULL;
}

/* The required fields of the next stage: none missing, or the lead has waited long enough. */
static bool
is_complete(Journey *journey, const LhTransition *transition)
{
	char	  **missing;
	int			nmissing = missing_fields(journey->decision,
										  &journey->decision->contract->stages[transition->to],
										  &missing);

	if (nmissing == 0 || (transition->leg >= 0 && journey->pass_incomplete))
		return true;
	if (!journey->is_blocked)
	{
		journey->is_blocked = true;
		journey->blocked_leg = transition->leg;
		journey->missing = missing;
		journey->nmissing = nmissing;
	}
	return false;
}

/* What keeps a lead from a transition that is due otherwise, and is kept with it; NULL: nothing. */
static const char *
held_by(Journey *journey, const LhTransition *transition)
{
	const LhGate *gate = transition->leg < 0 ? NULL : closed_gate(journey, transition->leg);

	if (gate == NULL)
		return is_complete(journey, transition) ? NULL : "required fields";
	if (journey->gate == NULL)
	{
		journey->gate = gate;
		journey->gate_leg = transition->leg;
	}
	return "gate";
}

static void
trace_transition(Journey *journey, int t, LhTruth truth, const char *note)
{
	LhDecision *decision = journey->decision;
	const LhContract *contract = decision->contract;
	const LhTransition *transition = &contract->transitions[t];

	if (decision->trace != NULL)
		lh_trace_add(decision->trace, "transition",
					 psprintf("%s -> %s (%s)", contract->stages[transition->from].name,
							  contract->stages[transition->to].name,
							  lh_cause_name(transition->cause)),
					 contract->guard.criteria[t], truth, note);
}

/* In the new stage nothing of what held the lead in the old one counts. */
static void
arrive(Journey *journey)
{
	journey->visited[journey->decision->stage] = true;
	journey->gate = NULL;
	journey->is_blocked = false;
	journey->nmissing = 0;
}

/* Something happened: let the first transition that may fire, fire. */
static bool
fire(Journey *journey, LhCause cause, const char *code)
{
	LhDecision *decision = journey->decision;
	const LhContract *contract = decision->contract;

	for (int t = 0; t < contract->guard.n; t++)
	{
		const LhTransition *transition = &contract->transitions[t];
		const char *reason;

		if (transition->from != decision->stage || transition->cause != cause)
			continue;
		reason = why_not(journey, t);
		if (reason == NULL)
			reason = held_by(journey, transition);
		trace_transition(journey, t, reason == NULL ? LH_TRUE : LH_FALSE, reason);
		if (reason != NULL)
			continue;
		move(decision, transition->to, cause, transition->ord, transition->leg, code);
		arrive(journey);
		return true;
	}
	return false;
}

/* What holds a lead -------------------------------------------------------------------------- */

static Jsonb *
held_detail(const LhContract *contract, int leg, const char *code, char *const *fields, int nfields)
{
	LhJson		json;

	lh_json_begin(&json);
	lh_json_text(&json, "leg", leg < 0 ? NULL : contract->legs[leg].name);
	lh_json_text(&json, "code", code);
	if (nfields > 0)
		lh_json_texts(&json, "fields", fields, nfields);
	return lh_json_end(&json);
}

static void
keep_gate(Journey *journey)
{
	LhDecision *decision = journey->decision;
	const LhContract *contract = decision->contract;
	LhLead	   *lead = decision->lead;
	const LhGate *gate = journey->gate;

	if (gate != NULL && gate->action == LH_HOLD)
		decision->valid_until = Min(decision->valid_until,
									lh_after(decision->now, gate->review_after));
	if (gate == NULL && lead->gate_code != NULL)
	{
		lh_decision_event(decision, "released", NULL, "contract",
						  held_detail(contract, -1, lead->gate_code, NULL, 0));
		lead->gate_code = NULL;
	}
	else if (gate != NULL &&
			 (lead->gate_code == NULL || strcmp(lead->gate_code, gate->code) != 0))
	{
		lead->gate_code = gate->code;
		lh_decision_event(decision, "gated", NULL, "contract",
						  held_detail(contract, journey->gate_leg, gate->code, NULL, 0));
	}
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

		/* the contract had no way out: ask again after as long a wait */
		if (due_at <= decision->now)
			due_at = lh_after(decision->now, leg->blocked_max);
		lh_set_clock(decision, LH_CLOCK_BLOCKED, leg->name, due_at);
	}
	else
		lh_set_clock(decision, LH_CLOCK_BLOCKED, "", DT_NOEND);
}

static void
keep_blocked(Journey *journey)
{
	LhDecision *decision = journey->decision;
	LhLead	   *lead = decision->lead;
	bool		same = journey->nmissing == lead->nblocked;

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
		lh_decision_event(decision, journey->is_blocked ? "blocked" : "unblocked", NULL, "contract",
						  held_detail(decision->contract, journey->blocked_leg, NULL,
									  journey->missing, journey->nmissing));
	}
	set_blocked_clock(journey);
}

/* The clocks of the journey ------------------------------------------------------------------ */

/* Too long in a stage: the contract's transitions for that, else the stage's own way out. */
static void
stage_age_due(Journey *journey)
{
	LhDecision *decision = journey->decision;
	const LhStage *stage = stage_of(decision);

	lh_set_clock(decision, LH_CLOCK_STAGE_AGE, "", DT_NOEND);
	if (fire(journey, LH_DUE, NULL) || stage->max_age_to < 0)
		return;
	move(decision, stage->max_age_to, LH_DUE, 0, -1, NULL);
	arrive(journey);
}

/* Blocked for too long: recycle, or hand over without the missing fields, as the leg says. */
static void
blocked_due(Journey *journey)
{
	LhDecision *decision = journey->decision;
	const LhContract *contract = decision->contract;

	for (int i = 0; i < contract->nlegs; i++)
	{
		if (strcmp(contract->legs[i].name, decision->lead->clocks[LH_CLOCK_BLOCKED].name) != 0)
			continue;
		if (contract->legs[i].blocked_hand_over)
			journey->pass_incomplete = true;
		else
			fire(journey, LH_RECYCLED, "blocked");
	}
}

void
lh_journey(LhDecision *decision)
{
	const LhContract *contract = decision->contract;
	Journey		journey = {
		.decision = decision,
		.visited = palloc0_array(bool, contract->nstages),
		.gate_leg = -1,
		.blocked_leg = -1,
	};

	/* a signal that was held up is tried again until it gets through or ends */
	bool		was_held = decision->lead->gate_code != NULL || decision->lead->nblocked > 0;

	journey.visited[decision->stage] = true;
	if (decision->input->clock_due[LH_CLOCK_STAGE_AGE])
		stage_age_due(&journey);
	if (decision->input->clock_due[LH_CLOCK_BLOCKED])
		blocked_due(&journey);
	for (int i = 0; i < contract->meaning.n; i++)
		if (decision->entered[i] || (was_held && decision->score->signals[i]))
			fire(&journey, LH_SIGNAL, NULL);
	while (fire(&journey, LH_SCORED, NULL))
		CHECK_FOR_INTERRUPTS();
	if (journey.gate != NULL && journey.gate->action == LH_REJECT)
		fire(&journey, LH_DISQUALIFIED, journey.gate->code);
	keep_gate(&journey);
	keep_blocked(&journey);
}
