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
 * What keeps a lead where it is, is kept with it: a gate's code, another lead of the same person, or the
 * fields that alone are missing (blocked).  See held.c.
 */
#include "flow/journey.h"

#include "json.h"
#include "miscadmin.h"
#include "utils/builtins.h"

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

/* The clock of the stage the lead is in, as if it had entered it at since. */
void
lh_start_stage_age(LhDecision *decision, TimestampTz since)
{
	const LhStage *stage = stage_of(decision);

	if (stage->max_age == NULL)
	{
		lh_set_clock(decision, LH_CLOCK_STAGE_AGE, "", DT_NOEND);
		return;
	}
	lh_set_clock(decision, LH_CLOCK_STAGE_AGE, stage->name, lh_after(since, stage->max_age));
	decision->lead->clocks[LH_CLOCK_STAGE_AGE].started_at = since;
}

static void
set_stage(LhDecision *decision, int to, TimestampTz since)
{
	LhLead	   *lead = decision->lead;

	decision->stage = to;
	lead->stage = decision->contract->stages[to].name;
	lead->stage_since = since;
	lh_fields_set(lead->row, lh_fieldset_find(lead->row->set, "stage"), CStringGetTextDatum(lead->stage));
	/* what was to end the stay that is over must not end the next one */
	lh_set_clock(decision, LH_CLOCK_RECYCLE, "", DT_NOEND);
	lh_start_stage_age(decision, since);
}

/* Make to the lead's stage; the event that did it has just been written. */
static void
begin_stay(LhDecision *decision, int to, bool consistent)
{
	const LhStage *stage = &decision->contract->stages[to];
	LhStay	   *stay = palloc_object(LhStay);

	stay->seq = decision->lead->last_seq;
	stay->stage = stage->name;
	stay->owner = stage->owner;
	stay->contract_id = decision->contract->contract_id;
	stay->entered_at = decision->now;
	stay->month = lh_first_of_month(decision->now);
	stay->consistent = consistent;
	decision->effects->stays = lappend(decision->effects->stays, stay);
	set_stage(decision, to, decision->now);
}

void
lh_resume_stay(LhDecision *decision, int to, int64 stay, TimestampTz since)
{
	decision->effects->stay_resumed = stay;
	set_stage(decision, to, since);
}

void
lh_enter_first_stage(LhDecision *decision)
{
	begin_stay(decision, decision->stage, true);
}

/* Does a rule about the lead as it is hold?  explain() hears of it if there is one. */
static bool
holds(LhDecision *decision, const LhRules *rules, int i, const char *step, const char *name)
{
	LhTruth		truth = lh_rulebook_test(rules->book, i, decision->lead->row,
										 &decision->valid_until);

	if (rules->criteria[i] != NULL)
		lh_trace_add(decision->trace, step, name, rules->criteria[i], truth, NULL);
	return truth == LH_TRUE;
}

static bool
entry_holds(LhDecision *decision, int stage)
{
	return holds(decision, &decision->contract->entry, stage, "entry",
				 decision->contract->stages[stage].name);
}

/* What it means to have aged into a stage: what the first disposing transition to it means. */
static LhCause
meaning_of_age(const LhDecision *decision)
{
	const LhContract *contract = decision->contract;

	for (int t = 0; t < contract->guard.n; t++)
	{
		LhCause		cause = contract->transitions[t].cause;

		if (contract->transitions[t].to == decision->stage &&
			(cause == LH_RECYCLED || cause == LH_DISQUALIFIED || cause == LH_LOST))
			return cause;
	}
	return LH_RECYCLED;
}

/* How an open handoff ends when its lead has left the stages that sales owns. */
static const char *
outcome_of(const LhDecision *decision, LhCause cause)
{
	switch (cause == LH_DUE ? meaning_of_age(decision) : cause)
	{
		case LH_WON:
			return "won";
		case LH_LOST:
			return "lost";
		case LH_DISQUALIFIED:
			return "disqualified";
		case LH_RECYCLED:
			return "recycle";
		default:
			return "withdrawn";
	}
}

/*
 * The disposition of that code and outcome, or NULL.  One that ended by age counts as never answered; what is
 * lost has no code of its own.
 */
const LhDisposition *
lh_disposition_of(const LhContract *contract, const char *code, const char *outcome)
{
	bool		is_lost = strcmp(outcome, "lost") == 0;
	bool		by_age = code != NULL && strcmp(code, lh_cause_name(LH_DUE)) == 0;

	for (int i = 0; i < contract->ndispositions; i++)
	{
		const LhDisposition *disposition = &contract->dispositions[i];

		if (strcmp(disposition->outcome, outcome) != 0)
			continue;
		if (is_lost ? disposition->recycle_path >= 0 :
			by_age ? disposition->no_response && disposition->recycle_path >= 0 :
			code != NULL && strcmp(disposition->code, code) == 0)
			return disposition;
	}
	return NULL;
}

const LhRecyclePath *
lh_resting_path(const LhDecision *decision)
{
	const LhContract *contract = decision->contract;
	const LhLead *lead = decision->lead;
	const LhLeadHandoff *last = lh_last_handoff(lead);
	const LhDisposition *disposition;

	if (last == NULL || last->h.closed_at != lead->stage_since)
		return NULL;
	disposition = lh_disposition_of(contract, last->h.code, last->h.outcome);
	if (disposition == NULL || disposition->recycle_path < 0 ||
		contract->paths[disposition->recycle_path].exhausted_to == decision->stage)
		return NULL;
	return &contract->paths[disposition->recycle_path];
}

/*
 * One that ended by age comes back by the path of those who never answered, what was lost by its own; what was
 * recycled for a reason does by that one's, see act.c.
 */
static void
rest(Journey *journey, LhLeadHandoff *handoff, bool by_age)
{
	const LhHandoff *h = &handoff->h;
	bool		is_lost = strcmp(h->outcome, "lost") == 0;
	const LhDisposition *disposition = is_lost || (by_age && strcmp(h->outcome, "recycle") == 0) ?
		lh_disposition_of(journey->decision->contract, h->code, h->outcome) : NULL;

	if (disposition != NULL)
		lh_start_recycle(journey, handoff, disposition->recycle_path, LH_NOT_YET);
}

/* A stage that sales doesn't own ends the handoff. */
static void
leave_sales(Journey *journey, LhCause cause, const char *code)
{
	LhDecision *decision = journey->decision;
	LhLeadHandoff *handoff = lh_open_handoff(decision->lead);

	if (handoff == NULL || strcmp(stage_of(decision)->owner, "sales") == 0)
		return;
	lh_close_handoff(decision, handoff, outcome_of(decision, cause), code == NULL ? lh_cause_name(cause) : code,
					 NULL, journey->actor);
	rest(journey, handoff, cause == LH_DUE);
}

/*
 * An opportunity that was over is not: its handoff ended as won or lost, and goes on with who had it, unless
 * sales has another lead of the person by now; or it ends the other way.
 */
static void
revise(Journey *journey, LhCause cause)
{
	LhDecision *decision = journey->decision;
	LhLeadHandoff *last = lh_last_handoff(decision->lead);

	if (last == NULL || last->h.closed_at == LH_NOT_YET || last->h.outcome == NULL ||
		(strcmp(last->h.outcome, "won") != 0 && strcmp(last->h.outcome, "lost") != 0))
		return;
	if (cause == LH_OPPORTUNITY && strcmp(stage_of(decision)->owner, "sales") == 0)
	{
		if (lh_other_open(decision, last->h.leg) == NULL)
			lh_reopen_handoff(decision, last, "reopened");
	}
	else if ((cause == LH_WON || cause == LH_LOST) && strcmp(last->h.outcome, outcome_of(decision, cause)) != 0)
	{
		lh_correct_outcome(decision, last, outcome_of(decision, cause), journey->actor);
		rest(journey, last, false);
	}
}

/* ord 0 is a move that no transition made: by the stage's own age limit, or by hand. */
static void
move(Journey *journey, int to, LhCause cause, int ord, int leg, const char *code)
{
	LhDecision *decision = journey->decision;
	const LhContract *contract = decision->contract;
	const char *from = decision->lead->stage;
	char	  **missing;
	bool		complete = missing_fields(decision, &contract->stages[to], &missing) == 0;
	LhJson		json;

	lh_json_begin(&json);
	lh_json_text(&json, "from", from);
	lh_json_text(&json, "to", contract->stages[to].name);
	lh_json_text(&json, "event", lh_cause_name(cause));
	if (ord != 0)
		lh_json_int(&json, "transition", ord);
	else
		lh_json_text(&json, "override", journey->returns ? "path" : strcmp(journey->actor, "contract") != 0 ? "manual" :
					 cause == LH_SCORED ? "duplicate" : "age");
	lh_json_text(&json, "code", code);
	lh_json_text(&json, "trigger", decision->lead->trigger);
	lh_decision_event(decision, "stage", leg < 0 ? NULL : contract->legs[leg].name, journey->actor,
					  lh_json_end(&json));
	begin_stay(decision, to, complete && entry_holds(decision, to));
	journey->visited[to] = true;
	journey->gate = NULL;
	journey->collision.holds = false;
	journey->is_blocked = false;
	journey->nmissing = 0;

	if (leg >= 0)
	{
		lh_hand_over(decision, leg, from, journey->origin, !complete);
		lh_note_collision(decision, leg);
	}
	revise(journey, cause);
	leave_sales(journey, cause, code);
}

void
lh_move(Journey *journey, int to, LhCause cause, int leg, const char *code)
{
	move(journey, to, cause, 0, leg, code);
}

/* Transitions -------------------------------------------------------------------------------- */

const LhGate *
lh_closed_gate(Journey *journey, int leg)
{
	LhDecision *decision = journey->decision;
	const LhContract *contract = decision->contract;

	for (int i = 0; i < contract->gate.n; i++)
	{
		const LhGate *gate = &contract->gates[i];

		if ((gate->leg < 0 || gate->leg == leg) &&
			holds(decision, &contract->gate, i, "gate", gate->code))
			return gate;
	}
	return NULL;
}

/*
 * A transition as it is for the lead: of one that rests on a recycle path it says when, the path where to.
 */
static LhTransition
transition_now(const LhDecision *decision, int t)
{
	LhTransition transition = decision->contract->transitions[t];
	bool		brings_back = transition.leg < 0 && (transition.cause == LH_DUE || transition.cause == LH_SIGNAL);
	const LhRecyclePath *path = brings_back ? lh_resting_path(decision) : NULL;

	if (path != NULL && path->to_stage != transition.to)
	{
		transition.to = path->to_stage;
		transition.ord = 0;
	}
	return transition;
}

/* What criteria say against a transition whose turn has come; NULL: nothing. */
static const char *
said_against(Journey *journey, int t, const LhTransition *transition)
{
	LhDecision *decision = journey->decision;
	const LhContract *contract = decision->contract;

	if (journey->visited[transition->to])
		return "stage already visited in this decision";
	if (!holds(decision, &contract->exit, transition->from, "exit", decision->lead->stage))
		return "exit criteria of its stage";
	if (!holds(decision, &contract->guard, t, "guard", contract->stages[transition->to].name))
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

	for (int i = 0; i < nmissing; i++)
		lh_trace_add(journey->decision->trace, "required", missing[i], NULL, LH_FALSE,
					 "missing or not valid");
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

/* Another lead of the person keeps it from a leg. */
static bool
is_duplicate(Journey *journey, int leg)
{
	LhCollision collision = lh_collision(journey->decision, leg);

	if (collision.holds && !journey->collision.holds)
	{
		journey->collision = collision;
		journey->collision_leg = leg;
	}
	return collision.holds;
}

/*
 * What keeps a lead from a transition that is due otherwise, and is kept with it; NULL: nothing.  Gates
 * stand before a leg, and those of every leg before a signal may bring a lead back to the beginning.
 * What is missing of a duplicate is nobody's business while the other one is.
 */
static const char *
held_by(Journey *journey, const LhTransition *transition)
{
	const LhContract *contract = journey->decision->contract;
	bool		reenters = transition->cause == LH_SIGNAL &&
		contract->stages[transition->to].is_default;
	const LhGate *gate = transition->leg < 0 && !reenters ? NULL :
		lh_closed_gate(journey, transition->leg);

	if (gate == NULL && transition->leg >= 0 && is_duplicate(journey, transition->leg))
		return "another lead of the same person";
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
trace_transition(Journey *journey, const LhTransition *transition, LhTruth truth, const char *note)
{
	LhDecision *decision = journey->decision;
	const LhContract *contract = decision->contract;

	if (decision->trace != NULL)
		lh_trace_add(decision->trace, "transition",
					 psprintf("%s -> %s (%s)", contract->stages[transition->from].name,
							  contract->stages[transition->to].name,
							  lh_cause_name(transition->cause)),
					 NULL, truth, note);
}

bool
lh_has_way(const LhDecision *decision, LhCause cause)
{
	const LhContract *contract = decision->contract;

	for (int t = 0; t < contract->guard.n; t++)
		if (contract->transitions[t].from == decision->stage && contract->transitions[t].cause == cause)
			return true;
	return false;
}

/* The first transition for that cause that nothing keeps from firing, as it is for the lead; false: none. */
static bool
first_to_fire(Journey *journey, LhCause cause, LhTransition *transition)
{
	LhDecision *decision = journey->decision;
	const LhContract *contract = decision->contract;

	for (int t = 0; t < contract->guard.n; t++)
	{
		const char *reason;

		if (contract->transitions[t].from != decision->stage || contract->transitions[t].cause != cause)
			continue;
		*transition = transition_now(decision, t);
		reason = said_against(journey, t, transition);
		if (reason == NULL)
			reason = held_by(journey, transition);
		trace_transition(journey, transition, reason == NULL ? LH_TRUE : LH_FALSE, reason);
		if (reason == NULL)
			return true;
	}
	return false;
}

bool
lh_can_fire(const Journey *journey, LhCause cause, Journey *probe)
{
	LhTransition transition;

	*probe = *journey;
	return first_to_fire(probe, cause, &transition);
}

bool
lh_fire(Journey *journey, LhCause cause, const char *code)
{
	LhTransition transition;

	if (!first_to_fire(journey, cause, &transition))
		return false;
	journey->returns = transition.ord == 0;
	move(journey, transition.to, cause, transition.ord, transition.leg, code);
	journey->returns = false;
	return true;
}

/* The clocks of the journey ------------------------------------------------------------------ */

/* Too long in a stage: the contract's transitions for that, else the stage's own way out. */
static void
stage_age_due(Journey *journey)
{
	LhDecision *decision = journey->decision;
	const LhStage *stage = stage_of(decision);

	lh_set_clock(decision, LH_CLOCK_STAGE_AGE, "", DT_NOEND);
	if (!lh_fire(journey, LH_DUE, NULL) && stage->max_age_to >= 0)
		move(journey, stage->max_age_to, LH_DUE, 0, -1, NULL);
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
			lh_fire(journey, LH_RECYCLED, "blocked");
	}
}

/* A recycled lead's time has come. */
static void
recycle_due(Journey *journey)
{
	lh_set_clock(journey->decision, LH_CLOCK_RECYCLE, "", DT_NOEND);
	lh_fire(journey, LH_DUE, NULL);
}

static void
run_due_clocks(Journey *journey)
{
	const bool *due = journey->decision->input->clock_due;

	if (due[LH_CLOCK_RECYCLE])
		recycle_due(journey);
	if (due[LH_CLOCK_STAGE_AGE])
		stage_age_due(journey);
	if (due[LH_CLOCK_BLOCKED])
		blocked_due(journey);
}

/*
 * What is known already of a handoff that was only just made: it may come late.  One that is open again
 * takes what came since it ended.
 */
static void
catch_up(Journey *journey)
{
	LhLeadHandoff *last = lh_last_handoff(journey->decision->lead);
	LhLeadHandoff *open = lh_open_handoff(journey->decision->lead);

	if (open != NULL && !open->is_new && open->stored.closed_at != LH_NOT_YET)
		lh_worked(journey->decision);
	if (last == NULL || !last->is_new)
		return;
	lh_worked(journey->decision);
	lh_follow_milestones(journey);
}

/*
 * The lead has become, or is again, a person of whom sales has another lead in the same leg: it gives way,
 * and begins anew, where it joins that one.
 */
static void
give_way(Journey *journey)
{
	LhDecision *decision = journey->decision;
	LhLead	   *lead = decision->lead;
	LhLeadHandoff *open = lh_open_handoff(lead);
	LhLeadHandoff *mine = open != NULL ? open : decision->restored ? lh_interrupted_handoff(lead) : NULL;

	if (mine == NULL || lh_other_open(decision, mine->h.leg) == NULL)
		return;
	if (open != NULL)
		lh_close_handoff(decision, open, "withdrawn", "duplicate", NULL, "contract");
	if (strcmp(stage_of(decision)->owner, "sales") != 0)
		return;
	journey->visited[decision->stage] = false;
	move(journey, lh_contract_default_stage(decision->contract), LH_SCORED, 0, -1, "duplicate");
}

/* A handoff without an owner seeks one whenever its lead is decided. */
static void
seek_owner(LhDecision *decision)
{
	LhLeadHandoff *open = lh_open_handoff(decision->lead);

	if (open != NULL && open->h.rep == NULL && open->seek == NULL)
		open->seek = "waiting";
}

/* What the API asks, if anything: it is done, or an error says why not. */
static void
act(Journey *journey, const LhAction *action)
{
	LhRefusal  *refusal = action == NULL ? NULL : lh_may_act(journey, action, action->refusal != NULL);

	if (refusal != NULL)
		lh_refuse(action, refusal);
	else if (action != NULL)
	{
		if (action->kind != LH_DO_ASK)
			lh_settle(journey->decision, action->actor);
		lh_act(journey, action);
	}
}

static Journey
begin_journey(LhDecision *decision)
{
	Journey		journey = {
		.decision = decision,
		.visited = palloc0_array(bool, decision->contract->nstages),
		.gate_leg = -1,
		.collision_leg = -1,
		.blocked_leg = -1,
		.origin = "contract",
		.actor = "contract",
	};

	journey.visited[decision->stage] = true;
	return journey;
}

static LhAction
recycle_by(const LhDisposition *disposition)
{
	LhAction	action = {
		.kind = LH_DO_DISPOSE,.name = "escalation",.outcome = disposition->outcome,.code = disposition->code,
		.actor = "contract",.until = LH_NOT_YET
	};

	return action;
}

const LhRefusal *
lh_may_give_up(LhDecision *decision, const LhDisposition *disposition)
{
	Journey		journey = begin_journey(decision);
	LhAction	action = recycle_by(disposition);

	return lh_may_act(&journey, &action, true);
}

void
lh_give_up(LhDecision *decision, const LhDisposition *disposition)
{
	Journey		journey = begin_journey(decision);
	LhAction	action = recycle_by(disposition);

	lh_act(&journey, &action);
}

void
lh_journey(LhDecision *decision)
{
	bool		was_held = decision->lead->gate_code != NULL || decision->lead->nblocked > 0;
	Journey		journey = begin_journey(decision);

	give_way(&journey);
	lh_follow_reengagement(&journey);
	act(&journey, decision->input->action);
	lh_follow_crm_status(&journey);
	run_due_clocks(&journey);
	lh_follow_milestones(&journey);
	lh_follow_signals(&journey, was_held);
	while (lh_fire(&journey, LH_SCORED, NULL))
		CHECK_FOR_INTERRUPTS();
	catch_up(&journey);
	if (journey.gate != NULL && journey.gate->action == LH_REJECT)
		lh_fire(&journey, LH_DISQUALIFIED, journey.gate->code);
	lh_note_held(&journey);
	lh_note_blocked(&journey);
	seek_owner(decision);
}
