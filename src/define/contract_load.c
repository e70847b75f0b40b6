/*
 * src/define/contract_load.c
 *
 * Reading a contract: its rows become arrays, names become positions, criteria become rulebooks.
 *
 * Rows are read in a total order that depends on nothing but the definition (names by bytes, whatever
 * the database's collation), so that positions, and with them every decision, do too.  The answer of
 * each query is taken before the next is run; everything is allocated in the contract's own context.
 *
 * A new kind of row needs a struct in contract.h, a load_ function here, and its line in
 * lh_contract_load().
 */
#include "define/contract_load.h"

#include <limits.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "rules/statistics.h"
#include "sql.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Reading rows ------------------------------------------------------------------------------- */

void
lh_load_query(LhStatement *statement, int contract_id)
{
	Datum		value = Int32GetDatum(contract_id);

	lh_run(statement, &value, NULL);
}

void
lh_load_rules(LhContract *contract, LhRules *rules, const LhFieldSet *set, int col)
{
	rules->n = SPI_processed;
	rules->criteria = palloc_array(const Criteria *, Max(rules->n, 1));
	for (int i = 0; i < rules->n; i++)
	{
		bool		isnull;
		Datum		value = lh_get(i, col, &isnull);

		rules->criteria[i] = isnull ? NULL : (const Criteria *) DatumGetPointer(value);
	}
	rules->book = lh_rulebook_compile(contract->mcxt, set, rules->n, rules->criteria);
	for (int i = 0; i < rules->n; i++)
	{
		if (rules->criteria[i] == NULL)
			continue;
		if (lh_criteria_uses(rules->criteria[i], "days_since_recycle"))
			contract->counts_recycle_days = true;
		if (lh_criteria_uses(rules->criteria[i], "duplicate_open"))
			contract->asks_duplicate_open = true;
	}
}

void
lh_unknown_name(const LhContract *contract, const char *what, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_LH_INVALID_CONTRACT),
			 errmsg("contract %d names unknown %s \"%s\"", contract->contract_id, what, name),
			 errhint("See handoff.validate(%d).", contract->contract_id)));
}

/* Names to positions ------------------------------------------------------------------------- */

static int
stage_named(const LhContract *contract, const char *name)
{
	int			stage = lh_contract_stage(contract, name);

	if (stage < 0)
		lh_unknown_name(contract, "stage", name);
	return stage;
}

int
lh_leg_named(const LhContract *contract, const char *name)
{
	int			leg = name == NULL ? -1 : lh_contract_leg(contract, name);

	if (leg < 0 && name != NULL)
		lh_unknown_name(contract, "leg", name);
	return leg;
}

static int
field_named(const LhContract *contract, const LhFieldSet *set, const char *name)
{
	int			field = lh_fieldset_find(set, name);

	if (field < 0)
		lh_unknown_name(contract, "field", name);
	return field;
}

static int
group_named(const LhContract *contract, const LhGroup *groups, int ngroups, const char *name)
{
	for (int i = 0; i < ngroups; i++)
		if (strcmp(groups[i].name, name) == 0)
			return i;
	lh_unknown_name(contract, "score group", name);
	return -1;
}

int
lh_word(const LhContract *contract, const char *what, const char *const *words, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(words[i], name) == 0)
			return i;
	lh_unknown_name(contract, what, name);
	return -1;
}

static const char *const gate_actions[] = {"suppress", "divert", "hold", "reject"};
static const char *const target_kinds[] = {
	"rep", "pool", "account_owner", "account_team", "territory", "previous_owner", "crm_owner", "booked_host"
};
static const char *const elses[] = {"assign_ahead", "hold", "delegate", "next"};
const char *const lh_collision_actions[LH_BLOCK + 1] = {"join", "same_owner", "notify", "block"};
static const char *const metrics[] = {
	"accept", "first_touch", "next_touch", "response", "decision", "meeting_held"
};

/* The parts of a contract -------------------------------------------------------------------- */

static void
load_header(LhContract *contract)
{
	QUERY(contract, "select name, checksum, half_life, reporting_zone, min_fit, max_fit, min_intent, max_intent, "
		  "'first_touch' = any(accept_on), 'meeting' = any(accept_on), 'opportunity' = any(accept_on), calendar, "
		  "undispose_within, opportunity_window "
		  "from handoff.contract where contract_id = $1");
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_LH_NO_CONTRACT),
				 errmsg("there is no contract %d", contract->contract_id),
				 errhint("See table handoff.contract.")));
	contract->name = lh_get_text(0, 1);
	contract->checksum = lh_get_text(0, 2);
	contract->half_life_interval = lh_get_interval(0, 3);
	contract->half_life = lh_half_life(contract->half_life_interval);
	contract->zone = lh_get_text(0, 4);
	contract->min_fit = lh_get_int(0, 5, INT_MIN);
	contract->max_fit = lh_get_int(0, 6, INT_MAX);
	contract->min_intent = lh_get_int(0, 7, INT_MIN);
	contract->max_intent = lh_get_int(0, 8, INT_MAX);
	contract->accept_on_first_touch = lh_get_bool(0, 9);
	contract->accept_on_meeting = lh_get_bool(0, 10);
	contract->accept_on_opportunity = lh_get_bool(0, 11);
	contract->calendar = lh_get_text(0, 12);
	contract->undispose_within = lh_get_interval(0, 13);
	contract->opportunity_window = lh_get_interval(0, 14);
}

/* The built-in fields of one kind that a source maps, or the others. */
static void
add_builtin_fields(LhFieldSet *set, const char *of, bool mapped)
{
	for (const LhBuiltinField *field = lh_builtin_fields; field->of != NULL; field++)
		if (strcmp(field->of, of) == 0 && field->mapped == mapped)
			lh_fieldset_add(set, field->name, field->type);
}

/* The fields that the contract declares for one kind. */
static void
add_declared_fields(LhFieldSet *set, const char *of)
{
	for (int i = 0; i < SPI_processed; i++)
	{
		char	   *name = lh_get_text(i, 2);
		LhType		type;

		if (strcmp(lh_get_text(i, 1), of) != 0)
			continue;
		if (!lh_type_from_name(lh_get_text(i, 3), &type))
			elog(ERROR, "field \"%s\" has unknown type", name);
		lh_fieldset_add(set, name, type);
	}
}

/* A lead has the fields of its account under their names with a prefix. */
static void
add_account_fields(LhFieldSet *set, const LhFieldSet *account_set)
{
	for (int i = 0; i < account_set->nfields; i++)
		lh_fieldset_add(set, psprintf("account.%s", account_set->fields[i].name),
						account_set->fields[i].type);
}

static void
load_fields(LhContract *contract)
{
	contract->lead_set = lh_fieldset_create(contract->mcxt);
	contract->activity_set = lh_fieldset_create(contract->mcxt);
	contract->opportunity_set = lh_fieldset_create(contract->mcxt);
	contract->link_set = lh_fieldset_create(contract->mcxt);
	contract->rep_set = lh_fieldset_create(contract->mcxt);
	contract->account_set = lh_fieldset_create(contract->mcxt);
	add_builtin_fields(contract->opportunity_set, "opportunity", true);
	add_builtin_fields(contract->link_set, "link", true);
	add_builtin_fields(contract->rep_set, "rep", true);

	QUERY(contract, "select of, name, type from handoff.field where contract_id = $1 order by of, name collate \"C\"");
	add_builtin_fields(contract->activity_set, "activity", true);
	add_declared_fields(contract->activity_set, "activity");

	add_builtin_fields(contract->account_set, "account", true);
	add_declared_fields(contract->account_set, "account");

	add_builtin_fields(contract->lead_set, "lead", true);
	add_declared_fields(contract->lead_set, "lead");
	contract->nmapped = contract->lead_set->nfields;
	add_account_fields(contract->lead_set, contract->account_set);
	contract->nkept = contract->lead_set->nfields;
	add_builtin_fields(contract->lead_set, "lead", false);
}

static LhFieldSet *
set_of(const LhContract *contract, const char *kind)
{
	return strcmp(kind, "activity") == 0 ? contract->activity_set : contract->lead_set;
}

/* What ANALYZE knows of the columns that sources map; of a field in several tables, the largest counts. */
static void
load_statistics(LhContract *contract)
{
	QUERY(contract, "select s.kind, case s.kind when 'account' then 'account.' else '' end || m.key, c.oid::bigint, a.attnum::int4 "
		  "from handoff.source s join pg_catalog.pg_namespace n on n.nspname = s.schema_name "
		  "join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = s.table_name "
		  "cross join lateral pg_catalog.jsonb_each_text(s.mapping) m "
		  "join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = m.value and a.attnum > 0 and not a.attisdropped "
		  "where s.kind in ('lead', 'activity', 'account') order by c.reltuples, s.name collate \"C\"");
	for (int i = 0; i < SPI_processed; i++)
	{
		LhFieldSet *set = set_of(contract, lh_get_text(i, 1));
		int			field = lh_fieldset_find(set, lh_get_text(i, 2));

		if (field >= 0)
			set->fields[field].statistics =
				lh_column_statistics(lh_get_bigint(i, 3, 0), lh_get_int(i, 4, 0), set->fields[field].type);
	}
}

/* Field by field, in order of each field's first row: a rule may use the fields before its own. */
static void
load_derived(LhContract *contract)
{
	QUERY(contract, "select d.field, d.value, d.criteria from handoff.derived d where d.contract_id = $1 "
		  "order by min(d.ord) over (partition by d.field), d.field collate \"C\", d.ord");
	contract->derived_rows = palloc_array(LhDerived, Max(SPI_processed, 1));
	for (int i = 0; i < SPI_processed; i++)
	{
		char	   *name = lh_get_text(i, 1);
		int			field = lh_fieldset_find(contract->lead_set, name);

		if (field < 0)
			field = lh_fieldset_add(contract->lead_set, name, LH_TEXT);
		contract->derived_rows[i].field = field;
		contract->derived_rows[i].value = CStringGetTextDatum(lh_get_text(i, 2));
	}
	lh_load_rules(contract, &contract->derived, contract->lead_set, 3);
}

static void
load_scope(LhContract *contract)
{
	QUERY(contract, "select scope from handoff.contract where contract_id = $1 and scope is not null");
	lh_load_rules(contract, &contract->scope, contract->lead_set, 1);
}

static LhGroup *
load_groups(const char *kind, int *n)
{
	LhGroup    *groups = palloc_array(LhGroup, Max(SPI_processed, 1));

	*n = 0;
	for (int i = 0; i < SPI_processed; i++)
	{
		if (strcmp(lh_get_text(i, 2), kind) != 0)
			continue;
		groups[*n].name = lh_get_text(i, 1);
		groups[*n].min_points = lh_get_int(i, 3, INT_MIN);
		groups[*n].max_points = lh_get_int(i, 4, INT_MAX);
		(*n)++;
	}
	return groups;
}

static LhScoreRule *
load_score_rules(LhContract *contract, const LhGroup *groups, int ngroups)
{
	LhScoreRule *rules = palloc_array(LhScoreRule, Max(SPI_processed, 1));

	for (int i = 0; i < SPI_processed; i++)
	{
		rules[i].name = lh_get_text(i, 1);
		rules[i].group = group_named(contract, groups, ngroups, lh_get_text(i, 2));
		rules[i].points = lh_get_int(i, 4, 0);
	}
	return rules;
}

#define SCORE_RULES(kind) \
	"select r.name, r.score_group, r.criteria, r.points from handoff.score_rule r " \
	"join handoff.score_group g on g.contract_id = r.contract_id and g.name = r.score_group " \
	"where r.contract_id = $1 and g.kind = '" kind "' order by r.name collate \"C\""

static void
load_scoring(LhContract *contract)
{
	QUERY(contract, "select name, kind, min_points, max_points from handoff.score_group "
		  "where contract_id = $1 order by name collate \"C\"");
	contract->fit_groups = load_groups("fit", &contract->nfit_groups);
	contract->intent_groups = load_groups("intent", &contract->nintent_groups);

	QUERY(contract, SCORE_RULES("fit"));
	contract->fit_rules = load_score_rules(contract, contract->fit_groups, contract->nfit_groups);
	lh_load_rules(contract, &contract->fit, contract->lead_set, 3);

	QUERY(contract, SCORE_RULES("intent"));
	contract->intent_rules = load_score_rules(contract, contract->intent_groups,
											  contract->nintent_groups);
	lh_load_rules(contract, &contract->intent, contract->activity_set, 3);

	QUERY(contract, "select name, min_fit, min_intent, min_score from handoff.band "
		  "where contract_id = $1 order by ord");
	contract->nbands = SPI_processed;
	contract->bands = palloc_array(LhBand, Max(SPI_processed, 1));
	for (int i = 0; i < SPI_processed; i++)
	{
		contract->bands[i].name = lh_get_text(i, 1);
		contract->bands[i].min_fit = lh_get_int(i, 2, INT_MIN);
		contract->bands[i].min_intent = lh_get_int(i, 3, INT_MIN);
		contract->bands[i].min_score = lh_get_int(i, 4, INT_MIN);
	}
}

static void
load_meanings(LhContract *contract)
{
	QUERY(contract, "select name, meaning, criteria, min_count, within from handoff.activity_rule "
		  "where contract_id = $1 order by name collate \"C\"");
	contract->meaning_rules = palloc_array(LhActivityRule, Max(SPI_processed, 1));
	for (int i = 0; i < SPI_processed; i++)
	{
		LhActivityRule *rule = &contract->meaning_rules[i];

		rule->name = lh_get_text(i, 1);
		rule->meaning = lh_word(contract, "meaning", lh_meaning_names, LH_NMEANINGS, lh_get_text(i, 2));
		rule->min_count = lh_get_int(i, 4, 1);
		rule->within = lh_get_interval(i, 5);
	}
	lh_load_rules(contract, &contract->meaning, contract->activity_set, 3);
}

static void
load_required(LhContract *contract, LhStage *stage, char *const *names)
{
	stage->required = palloc_array(int, Max(stage->nrequired, 1));
	for (int i = 0; i < stage->nrequired; i++)
		stage->required[i] = field_named(contract, contract->lead_set, names[i]);
}

static void
load_stages(LhContract *contract)
{
	QUERY(contract, "select name, owner, is_default, is_terminal, required, max_age, max_age_to, entry, exit "
		  "from handoff.stage where contract_id = $1 order by position");
	contract->nstages = SPI_processed;
	contract->stages = palloc0_array(LhStage, Max(SPI_processed, 1));
	for (int i = 0; i < contract->nstages; i++)
		contract->stages[i].name = lh_get_text(i, 1);
	for (int i = 0; i < contract->nstages; i++)
	{
		LhStage    *stage = &contract->stages[i];
		char	   *max_age_to = lh_get_text(i, 7);
		char	  **required;

		stage->owner = lh_get_text(i, 2);
		stage->is_default = lh_get_bool(i, 3);
		stage->is_terminal = lh_get_bool(i, 4);
		stage->nrequired = lh_get_texts(i, 5, &required);
		load_required(contract, stage, required);
		stage->max_age = lh_get_interval(i, 6);
		stage->max_age_to = max_age_to == NULL ? -1 : stage_named(contract, max_age_to);
	}
	lh_load_rules(contract, &contract->entry, contract->lead_set, 8);
	lh_load_rules(contract, &contract->exit, contract->lead_set, 9);
}

static void
load_legs(LhContract *contract)
{
	QUERY(contract, "select name, blocked_max, blocked_then from handoff.leg "
		  "where contract_id = $1 order by ord");
	contract->nlegs = SPI_processed;
	contract->legs = palloc_array(LhLeg, Max(SPI_processed, 1));
	for (int i = 0; i < SPI_processed; i++)
	{
		contract->legs[i].name = lh_get_text(i, 1);
		contract->legs[i].blocked_max = lh_get_interval(i, 2);
		contract->legs[i].blocked_hand_over = strcmp(lh_get_text(i, 3), "hand_over") == 0;
	}
}

static void
load_transitions(LhContract *contract)
{
	QUERY(contract, "select ord, from_stage, to_stage, event, leg, guard from handoff.transition "
		  "where contract_id = $1 order by ord");
	contract->transitions = palloc_array(LhTransition, Max(SPI_processed, 1));
	for (int i = 0; i < SPI_processed; i++)
	{
		LhTransition *transition = &contract->transitions[i];

		transition->ord = lh_get_int(i, 1, 0);
		transition->from = stage_named(contract, lh_get_text(i, 2));
		transition->to = stage_named(contract, lh_get_text(i, 3));
		transition->cause = lh_word(contract, "event", lh_cause_names, LH_NCAUSES, lh_get_text(i, 4));
		transition->leg = lh_leg_named(contract, lh_get_text(i, 5));
	}
	lh_load_rules(contract, &contract->guard, contract->lead_set, 6);
}

static void
load_gates(LhContract *contract)
{
	QUERY(contract, "select ord, leg, action, code, review_after, criteria from handoff.gate "
		  "where contract_id = $1 order by ord");
	contract->gates = palloc_array(LhGate, Max(SPI_processed, 1));
	for (int i = 0; i < SPI_processed; i++)
	{
		LhGate	   *gate = &contract->gates[i];

		gate->ord = lh_get_int(i, 1, 0);
		gate->leg = lh_leg_named(contract, lh_get_text(i, 2));
		gate->action = WORD(contract, "gate action", gate_actions, lh_get_text(i, 3));
		gate->code = lh_get_text(i, 4);
		gate->review_after = lh_get_interval(i, 5);
	}
	lh_load_rules(contract, &contract->gate, contract->lead_set, 6);
}

static void
load_validations(LhContract *contract)
{
	QUERY(contract, "select field, message, criteria from handoff.validation "
		  "where contract_id = $1 order by field collate \"C\", ord");
	contract->validations = palloc_array(LhValidation, Max(SPI_processed, 1));
	for (int i = 0; i < SPI_processed; i++)
	{
		contract->validations[i].field = field_named(contract, contract->lead_set, lh_get_text(i, 1));
		contract->validations[i].message = lh_get_text(i, 2);
	}
	lh_load_rules(contract, &contract->validation, contract->lead_set, 3);
}

static void
load_routes(LhContract *contract)
{
	QUERY(contract, "select name, leg, target_kind, target, if_unavailable, key_field, criteria from handoff.route "
		  "where contract_id = $1 order by ord, name collate \"C\"");
	contract->routes = palloc_array(LhRoute, Max(SPI_processed, 1));
	contract->territory_routes = palloc_array(int, Max(SPI_processed, 1));
	for (int i = 0; i < SPI_processed; i++)
	{
		LhRoute    *route = &contract->routes[i];
		char	   *key_field = lh_get_text(i, 6);

		route->name = lh_get_text(i, 1);
		route->leg = lh_leg_named(contract, lh_get_text(i, 2));
		route->target_kind = WORD(contract, "target kind", target_kinds, lh_get_text(i, 3));
		route->target = lh_get_text(i, 4);
		route->if_unavailable = WORD(contract, "answer to unavailable", elses, lh_get_text(i, 5));
		route->ahead = route->if_unavailable == LH_ELSE_ASSIGN_AHEAD ||
			route->if_unavailable == LH_ELSE_DELEGATE;
		route->key_field = key_field == NULL ? -1 : field_named(contract, contract->lead_set, key_field);
		if (route->target_kind == LH_TO_TERRITORY)
			contract->territory_routes[contract->nterritory_routes++] = i;
	}
	lh_load_rules(contract, &contract->route, contract->lead_set, 7);
}

static void
load_slas(LhContract *contract)
{
	QUERY(contract, "select name, leg, metric, scope, target, criteria, clock = 'business', pause_when is not null, pause_when "
		  "from handoff.sla where contract_id = $1 order by ord, name collate \"C\"");
	contract->slas = palloc_array(LhSla, Max(SPI_processed, 1));
	for (int i = 0; i < SPI_processed; i++)
	{
		LhSla	   *sla = &contract->slas[i];

		sla->name = lh_get_text(i, 1);
		sla->leg = lh_leg_named(contract, lh_get_text(i, 2));
		sla->metric = WORD(contract, "metric", metrics, lh_get_text(i, 3));
		sla->per_assignment = strcmp(lh_get_text(i, 4), "assignment") == 0;
		sla->target = lh_get_interval(i, 5);
		sla->business = lh_get_bool(i, 7);
		sla->pauses = lh_get_bool(i, 8);
		if (sla->metric > LH_SLA_FIRST_TOUCH)
			contract->owner_slas = true;
	}
	lh_load_rules(contract, &contract->sla, contract->lead_set, 6);
	lh_load_rules(contract, &contract->pause, contract->lead_set, 9);
}

static int
path_named(const LhContract *contract, const char *name)
{
	if (name == NULL)
		return -1;
	for (int i = 0; i < contract->npaths; i++)
		if (strcmp(contract->paths[i].name, name) == 0)
			return i;
	lh_unknown_name(contract, "recycle path", name);
	return -1;
}

static void
load_paths(LhContract *contract)
{
	QUERY(contract, "select name, delay, reset_intent, max_cycles, exhausted_to, nurture_track, reenter_on, to_stage from handoff.recycle_path "
		  "where contract_id = $1 order by name collate \"C\"");
	contract->npaths = SPI_processed;
	contract->paths = palloc_array(LhRecyclePath, Max(SPI_processed, 1));
	for (int i = 0; i < SPI_processed; i++)
	{
		LhRecyclePath *path = &contract->paths[i];
		char	   *exhausted_to = lh_get_text(i, 5);

		path->name = lh_get_text(i, 1);
		path->delay = lh_get_interval(i, 2);
		path->reset_intent = lh_get_bool(i, 3);
		path->max_cycles = lh_get_int(i, 4, INT_MAX);
		path->exhausted_to = exhausted_to == NULL ? -1 : stage_named(contract, exhausted_to);
		path->nurture_track = lh_get_text(i, 6);
		path->nreenter_on = lh_get_texts(i, 7, &path->reenter_on);
		path->to_stage = stage_named(contract, lh_get_text(i, 8));
	}
}

static void
load_dispositions(LhContract *contract)
{
	QUERY(contract, "select code, leg, outcome, reason, no_response, needs_note, needs_work, recycle_path, reopen_on, on_violation, "
		  "returns_turn or outcome = 'reroute' "
		  "from handoff.disposition where contract_id = $1 order by code collate \"C\"");
	contract->ndispositions = SPI_processed;
	contract->dispositions = palloc_array(LhDisposition, Max(SPI_processed, 1));
	for (int i = 0; i < SPI_processed; i++)
	{
		LhDisposition *disposition = &contract->dispositions[i];

		disposition->code = lh_get_text(i, 1);
		disposition->leg = lh_leg_named(contract, lh_get_text(i, 2));
		disposition->outcome = lh_get_text(i, 3);
		disposition->reason = lh_get_text(i, 4);
		disposition->no_response = lh_get_bool(i, 5);
		disposition->needs_note = lh_get_bool(i, 6);
		disposition->needs_work = lh_get_text(i, 7);
		disposition->recycle_path = path_named(contract, lh_get_text(i, 8));
		disposition->nreopen_on = lh_get_texts(i, 9, &disposition->reopen_on);
		disposition->on_violation = lh_get_text(i, 10);
		disposition->returns_turn = lh_get_bool(i, 11);
	}
}

static void
load_statuses(LhContract *contract)
{
	QUERY(contract, "select value, code, qualifies, stages from handoff.crm_status "
		  "where contract_id = $1 order by ord, value collate \"C\"");
	contract->nstatuses = SPI_processed;
	contract->statuses = palloc_array(LhCrmStatus, Max(SPI_processed, 1));
	for (int i = 0; i < SPI_processed; i++)
	{
		LhCrmStatus *status = &contract->statuses[i];
		char	  **stages;

		status->value = lh_get_text(i, 1);
		status->code = lh_get_text(i, 2);
		status->qualifies = lh_get_bool(i, 3);
		status->nstages = lh_get_texts(i, 4, &stages);
		status->stages = palloc_array(int, Max(status->nstages, 1));
		for (int k = 0; k < status->nstages; k++)
			status->stages[k] = stage_named(contract, stages[k]);
	}
}

/* Without a row sales has one open handoff of a person and leg, and no memory of those that ended. */
static void
load_collision(LhContract *contract)
{
	QUERY(contract, "select action, within from handoff.collision where contract_id = $1 and scope = 'person'");
	contract->on_person = LH_JOIN;
	if (SPI_processed == 0)
		return;
	contract->on_person = WORD(contract, "collision action", lh_collision_actions, lh_get_text(0, 1));
	contract->person_within = lh_get_interval(0, 2);
}

LhContract *
lh_contract_load(int contract_id)
{
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "lead_handoff contract",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext save = MemoryContextSwitchTo(mcxt);
	LhContract *contract = palloc0_object(LhContract);

	contract->mcxt = mcxt;
	contract->contract_id = contract_id;
	load_header(contract);
	load_fields(contract);
	load_statistics(contract);
	load_derived(contract);
	load_scope(contract);
	load_scoring(contract);
	load_meanings(contract);
	load_stages(contract);
	load_legs(contract);
	load_transitions(contract);
	load_gates(contract);
	load_validations(contract);
	load_routes(contract);
	load_slas(contract);
	lh_load_standards(contract);
	load_paths(contract);
	load_dispositions(contract);
	lh_load_escalations(contract);
	load_statuses(contract);
	load_collision(contract);
	lh_contract_find_thresholds(contract);
	contract->clocked_activities = lh_rulebook_has_clock(contract->intent.book) ||
		lh_rulebook_has_clock(contract->meaning.book);
	MemoryContextSwitchTo(save);
	return contract;
}
