/*
 * src/flow/decide.c
 *
 * One decision, from top to bottom: take in what is new, compute in the order that the contract's
 * rules rely on (fields and state, derived, fit, intent and signals, score, band), then let the
 * journey move the lead (journey.c), and set the clock for the moment at which time alone would
 * change any of it.
 *
 * A step writes an event only if it changed something, so that deciding the same again leaves no
 * trace: repeats and no-op rewrites of a sync cost a comparison.
 *
 * Event times never go back within a lead: if now is earlier than the lead's last decision (the clock
 * was set back), that decision's time is taken.
 */
#include "flow/escalate.h"
#include "flow/journey.h"

#include "catalog/pg_type.h"
#include "json.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

const char *
lh_clock_kind(LhClockKind kind)
{
	static const char *const names[LH_NCLOCKS] = {"review", "stage_age", "blocked", "recycle"};

	return names[kind];
}

/* Helpers of all steps ----------------------------------------------------------------------- */

LhEvent *
lh_decision_event(LhDecision *decision, const char *type, const char *leg,
				  const char *actor, Jsonb *detail)
{
	LhEvent    *event = palloc0_object(LhEvent);

	event->seq = ++decision->lead->last_seq;
	event->at = decision->now;
	event->type = type;
	event->leg = leg;
	event->actor = actor;
	event->detail = detail;
	event->expires_at = LH_NOT_YET;
	decision->effects->events = lappend(decision->effects->events, event);
	decision->effects->changed = true;
	decision->lead->decided_at = decision->now; /* owners are found after lh_decide() */
	return event;
}

/* due_at DT_NOEND stops the clock. */
void
lh_set_clock(LhDecision *decision, LhClockKind kind, const char *name, TimestampTz due_at)
{
	LhClock    *clock = &decision->lead->clocks[kind];

	if (clock->due_at == due_at && (due_at == DT_NOEND || strcmp(clock->name, name) == 0))
		return;
	clock->name = name;
	clock->started_at = decision->now;
	clock->due_at = due_at;
}

/* In the contract's reporting zone, which is the session's while a decision is made. */
TimestampTz
lh_after(TimestampTz at, const Interval *span)
{
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(at),
												   IntervalPGetDatum(span)));
}

void
lh_set_text_field(LhDecision *decision, const char *field, const char *value)
{
	int			i = lh_fieldset_find(decision->contract->lead_set, field);

	if (value == NULL)
		lh_fields_set_null(decision->lead->row, i);
	else
		lh_fields_set(decision->lead->row, i, CStringGetTextDatum(value));
}

void
lh_set_bigint_field(LhDecision *decision, const char *field, int64 value)
{
	lh_fields_set(decision->lead->row, lh_fieldset_find(decision->contract->lead_set, field),
				  Int64GetDatum(value));
}

/* NULL if it is null, or no such field. */
char *
lh_get_text_field(const LhDecision *decision, const char *field)
{
	int			i = lh_fieldset_find(decision->contract->lead_set, field);

	return i < 0 || decision->contract->lead_set->fields[i].type != LH_TEXT || decision->lead->row->isnull[i] ? NULL :
		TextDatumGetCString(decision->lead->row->values[i]);
}

/* The first day of the month of a moment, in the contract's zone, which is set: a cohort of reports. */
DateADT
lh_first_of_month(TimestampTz at)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			tz;

	if (timestamp2tm(at, &tz, &tm, &fsec, NULL, NULL) != 0)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
	return date2j(tm.tm_year, tm.tm_mon, 1) - POSTGRES_EPOCH_JDATE;
}

static void
set_boolean(LhDecision *decision, const char *field, bool value)
{
	lh_fields_set(decision->lead->row, lh_fieldset_find(decision->contract->lead_set, field),
				  BoolGetDatum(value));
}

/* Another version, a row that is back -------------------------------------------------------- */

static void
take_contract(LhDecision *decision)
{
	LhLead	   *lead = decision->lead;
	LhJson		json;

	decision->stage = lh_contract_stage(decision->contract, lead->stage);
	if (decision->stage < 0)
		ereport(ERROR,
				(errcode(ERRCODE_LH_INVALID_CONTRACT),
				 errmsg("contract %d has no stage \"%s\", in which lead \"%s\" is",
						decision->contract->contract_id, lead->stage, lead->lead_key),
				 errhint("Publish a version that has it, or one with a stage_map.")));
	if (lead->contract_id == decision->contract->contract_id)
		return;

	lh_json_begin(&json);
	lh_json_int(&json, "from", lead->contract_id);
	lh_json_int(&json, "to", decision->contract->contract_id);
	lead->contract_id = decision->contract->contract_id;
	lh_decision_event(decision, "contract", NULL, "contract", lh_json_end(&json));
	lh_start_stage_age(decision, lead->stage_since);
}

/* A lead whose row is back goes on: what ended by the deletion begins again. */
static void
resume(LhDecision *decision)
{
	LhLead	   *lead = decision->lead;
	LhLeadHandoff *last = lh_last_handoff(lead);

	lh_start_stage_age(decision, decision->now);
	if (lh_interrupted_handoff(lead) != NULL)
	{
		/* sales may have got another lead of the person meanwhile: see lh_yield() */
		if (lh_other_open(decision, last->h.leg) == NULL)
			lh_reopen_handoff(decision, last, "returned");
	}
	else if (last != NULL && last->h.closed_at != LH_NOT_YET && last->h.recycle_due_at != LH_NOT_YET)
		lh_set_clock(decision, LH_CLOCK_RECYCLE, "", Max(last->h.recycle_due_at, decision->now));
}

/* Computing ---------------------------------------------------------------------------------- */

/* Fields that come from the lead's handoffs: who has it, what was done, how the last one ended. */
static void
compute_handoff_fields(LhDecision *decision)
{
	LhLead	   *lead = decision->lead;
	LhLeadHandoff *open = lh_open_handoff(lead);
	LhLeadHandoff *last = lh_last_ended(lead, NULL);
	int			days = lh_fieldset_find(decision->contract->lead_set, "days_since_recycle");
	bool		has_open_opportunity = false;

	for (int i = 0; i < decision->input->nopportunities; i++)
		if (decision->input->opportunities[i].account_key == NULL && decision->input->opportunities[i].closed_at == LH_NOT_YET)
			has_open_opportunity = true;
	set_boolean(decision, "open_opportunity", has_open_opportunity);
	set_boolean(decision, "duplicate_open", lh_other_open(decision, NULL) != NULL);
	lh_set_text_field(decision, "owner", open == NULL ? NULL : open->h.rep);
	lh_set_bigint_field(decision, "touches", open == NULL ? 0 : open->h.touches);
	lh_set_text_field(decision, "last_reason", last == NULL ? NULL : last->h.code);
	lh_set_text_field(decision, "last_rep", last == NULL ? NULL : last->h.rep);
	if (last != NULL && strcmp(last->h.outcome, "recycle") == 0)
	{
		int64		since = (decision->now - last->h.closed_at) / USECS_PER_DAY;

		lh_fields_set(lead->row, days, Int64GetDatum(since));
		if (decision->contract->counts_recycle_days)
			decision->valid_until = Min(decision->valid_until,
										last->h.closed_at + (since + 1) * USECS_PER_DAY);
	}
	else
		lh_fields_set_null(lead->row, days);
}

static void
compute_state_fields(LhDecision *decision)
{
	LhLead	   *lead = decision->lead;

	lh_set_text_field(decision, "stage", lead->stage);
	lh_set_text_field(decision, "email_domain",
					  lh_domain_of(lh_address_of(lh_get_text_field(decision, "email"))));
	lh_set_bigint_field(decision, "cycle", lead->cycle);
	lh_set_account_fields(decision);
	lh_score_account(decision->contract, lead->row);
	compute_handoff_fields(decision);
}

static bool
is_booking(const LhContract *contract, const LhActivity *activity)
{
	for (int r = 0; r < contract->meaning.n; r++)
		if (activity->means[r] && contract->meaning_rules[r].meaning == LH_MEANS_BOOKED)
			return true;
	return false;
}

static void
judge_activities(LhDecision *decision)
{
	LhLead	   *lead = decision->lead;
	const LhInput *input = decision->input;
	TimestampTz booked_at = input->anew && lead->booked_at > input->activities_since ?
		DT_NOBEGIN : lead->booked_at;

	for (int i = 0; i < input->nactivities; i++)
	{
		LhActivity *activity = &input->activities[i];

		lh_judge_activity(decision->contract, activity, &decision->valid_until);
		/* one that is dated later counts from then on */
		if (activity->at > decision->now)
			decision->valid_until = Min(decision->valid_until, activity->at);
		else if (is_booking(decision->contract, activity))
			booked_at = Max(booked_at, activity->at);
	}
	for (int i = 0; i < input->nshared; i++)
		lh_judge_activity(decision->contract, &input->shared[i], &decision->valid_until);
	if (booked_at != lead->booked_at)
		decision->effects->changed = true;
	lead->booked_at = booked_at;
}

static void
signal_names(const LhDecision *decision, char ***names, int *n)
{
	const LhContract *contract = decision->contract;

	*names = palloc_array(char *, Max(contract->meaning.n, 1));
	*n = 0;
	for (int i = 0; i < contract->meaning.n; i++)
		if (decision->score->signals[i])
			(*names)[(*n)++] = contract->meaning_rules[i].name;
}

static void
compute_score(LhDecision *decision)
{
	const LhContract *contract = decision->contract;
	LhLead	   *lead = decision->lead;
	const LhInput *input = decision->input;
	LhScore    *score = lh_score_create(contract);
	LhFold		start = input->anew ? lh_fold_anew(contract, lead) : lead->fold;
	char	  **signals;
	int			nsignals;
	Datum		intent;

	decision->score = score;
	lh_score_fit(contract, lead->row, score, &decision->valid_until, decision->trace);
	lh_set_bigint_field(decision, "fit", score->fit);

	lh_score_intent(contract, input->activities, input->nactivities, &start, decision->now, score,
					decision->trace);
	lh_score_signals(contract, input->activities, input->nactivities, decision->now,
					 lead->cycle_since, score, &decision->valid_until, decision->trace);
	intent = DirectFunctionCall1(float8_numeric, Float8GetDatum(score->intent_points));
	lh_fields_set(lead->row, lh_fieldset_find(contract->lead_set, "intent"), intent);
	signal_names(decision, &signals, &nsignals);
	lh_fields_set(lead->row, lh_fieldset_find(contract->lead_set, "signals"),
				  lh_text_array(signals, nsignals));

	lh_score_band(contract, score, decision->trace);
	lh_set_bigint_field(decision, "score", score->score);
	lh_set_text_field(decision, "band", score->band < 0 ? NULL : contract->bands[score->band].name);
	lh_watch_decay(contract, lead->row, score, decision->now, &decision->valid_until);
}

/*
 * Has a signal that held already been given once more, by something new, since a lead that nobody has
 * came into its stage, or since one that sales has was handed over or gave its last?  Else a request that
 * follows soon after another one would be swallowed.  What came while a disposition stood that is taken back is new.
 */
static bool
given_again(const LhDecision *decision, int r)
{
	const LhInput *input = decision->input;
	const LhLead *lead = decision->lead;
	const LhActivityRule *rule = &decision->contract->meaning_rules[r];
	const LhLeadHandoff *open = lh_open_handoff(lead);
	TimestampTz since = lead->stage_since;
	bool		is_news = decision->deaf_since == LH_NOT_YET;
	int			count = 0;

	if (open != NULL)
		since = open->h.signal_at == LH_NOT_YET ? open->h.handed_at : open->h.signal_at;
	if (is_news && input->activity_at <= since)
		return false;
	since = Max(since, lh_signal_since(rule, decision->now, lead->cycle_since));
	for (int i = input->nactivities - 1; i >= 0 && input->activities[i].at > since; i--)
		if (input->activities[i].means[r] && input->activities[i].at <= decision->now)
		{
			count++;
			is_news = is_news || input->activities[i].at > decision->deaf_since;
		}
	return is_news && count >= rule->min_count;
}

/* Which signals hold now and did not at the decision before, or were given again. */
static void
find_entered_signals(LhDecision *decision)
{
	const LhContract *contract = decision->contract;
	const LhLead *lead = decision->lead;

	decision->entered = palloc0_array(bool, Max(contract->meaning.n, 1));
	for (int i = 0; i < contract->meaning.n; i++)
	{
		bool		held = false;

		for (int j = 0; j < lead->nsignals && !held; j++)
			held = strcmp(lead->signals[j], contract->meaning_rules[i].name) == 0;
		decision->entered[i] = decision->score->signals[i] && (!held || given_again(decision, i));
	}
}

bool
lh_same_texts(char *const *a, int na, char *const *b, int nb)
{
	if (na != nb)
		return false;
	for (int i = 0; i < na; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

bool
lh_is_among(const char *name, char *const *names, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

bool
lh_same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* What was scored, with the rules that made it. */
static Jsonb *
score_detail(const LhDecision *decision)
{
	const LhContract *contract = decision->contract;
	const LhScore *score = decision->score;
	const LhLead *lead = decision->lead;
	LhJson		json;

	lh_json_begin(&json);
	lh_json_int(&json, "fit", score->fit);
	lh_json_numeric(&json, "intent",
					DirectFunctionCall1(float8_numeric, Float8GetDatum(score->intent_points)));
	lh_json_text(&json, "heat", lh_heat_text(score->intent));
	lh_json_int(&json, "score", score->score);
	lh_json_text(&json, "band", lead->band);
	lh_json_texts(&json, "signals", lead->signals, lead->nsignals);
	lh_json_open(&json, "rules");
	for (int i = 0; i < score->nhits; i++)
		lh_json_int(&json, contract->fit_rules[score->hits[i]].name,
					contract->fit_rules[score->hits[i]].points);
	lh_json_close(&json);
	lh_json_open(&json, "groups");
	for (int i = 0; i < contract->nintent_groups; i++)
		lh_json_text(&json, contract->intent_groups[i].name, lh_heat_text(score->fold.heats[i]));
	lh_json_close(&json);
	return lh_json_end(&json);
}

static void
keep_score(LhDecision *decision)
{
	const LhContract *contract = decision->contract;
	LhScore    *score = decision->score;
	LhLead	   *lead = decision->lead;
	char	   *band = score->band < 0 ? NULL : contract->bands[score->band].name;
	char	  **signals;
	int			nsignals;

	find_entered_signals(decision);
	signal_names(decision, &signals, &nsignals);
	lead->fold.at = score->fold.at;
	if (lead->exists &&
		lead->fit == score->fit && lead->intent == score->intent &&
		lead->score == score->score && lh_same_text(lead->band, band) &&
		lead->ngroups == contract->nintent_groups &&
		memcmp(lead->fold.heats, score->fold.heats, sizeof(LhHeat) * lead->ngroups) == 0 &&
		lh_same_texts(lead->signals, lead->nsignals, signals, nsignals))
		return;

	lead->fit = score->fit;
	lead->intent = score->intent;
	lead->ngroups = contract->nintent_groups;
	lead->fold.heats = score->fold.heats;
	lead->score = score->score;
	lead->band = band;
	lead->signals = signals;
	lead->nsignals = nsignals;
	lh_decision_event(decision, "scored", NULL, "contract", score_detail(decision));
}

LhDecision
lh_decide(const LhContract *contract, LhLead *lead, const LhInput *input,
		  TimestampTz now, LhEffects *effects, LhTrace *trace)
{
	LhDecision	decision = {
		.contract = contract,
		.lead = lead,
		.input = input,
		.now = lead->exists ? Max(now, lead->decided_at) : now,
		.effects = effects,
		.trace = trace,
		.valid_until = DT_NOEND,
		.deaf_since = LH_NOT_YET,
	};

	if (!lh_take_row(&decision))
	{
		judge_activities(&decision);
		lh_judge_slas(&decision);
		lh_escalate(&decision);
		lh_keep_cadence(&decision);
		if (effects->changed)
			lead->decided_at = decision.now;
		return decision;
	}
	if (lead->exists)
		take_contract(&decision);
	if (decision.restored)
		resume(&decision);
	lh_take_back(&decision);
	if (input->activity_at != DT_NOBEGIN)
		lh_take_newest(lead, "activity", input->activity_at, input->activity_seen_at);

	judge_activities(&decision);
	lh_note_delivered(&decision);
	lh_worked(&decision);
	compute_state_fields(&decision);
	lh_score_derived(contract, lead->row, NULL, &decision.valid_until, trace);
	compute_score(&decision);
	keep_score(&decision);
	lh_journey(&decision);
	lh_judge_slas(&decision);
	lh_escalate(&decision);
	lh_keep_cadence(&decision);

	lh_set_clock(&decision, LH_CLOCK_REVIEW, "", decision.valid_until);
	if (effects->changed)
		lead->decided_at = decision.now;
	return decision;
}
