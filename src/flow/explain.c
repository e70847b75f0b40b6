/*
 * src/flow/explain.c
 *
 * explain(lead_key, as_of): the decision made once more with a trace, and thrown away; and matches() over
 * JSON, one criteria under a contract's types.
 */
#include "flow/batch.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "flow/scorer.h"
#include "flow/source.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "route/territory.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_explain);
PG_FUNCTION_INFO_V1(lh_matches_jsonb);

static void
no_such_lead(const char *lead_key)
{
	ereport(ERROR,
			(errcode(ERRCODE_LH_UNKNOWN_LEAD),
			 errmsg("there is no lead \"%s\"", lead_key),
			 errhint("A lead's key is its source's key prefix and its row's key; see handoff.lead, handoff.inbox and handoff.quarantine.")));
}

/* A lead as it is now, and the version that decides it: that of its open handoff, else the one in force. */
static void
find_lead(const char *lead_key, LhLead *lead, const LhContract **contract)
{
	char	   *key = unconstify(char *, lead_key);
	LhLead	   *found;
	LhSource   *source;
	LhLeadHandoff *open;

	if (lh_leads_read(&key, 1, LH_LOCK_NONE, &found) == 0)
		no_such_lead(lead_key);
	*lead = *found;
	source = lh_source_load(lead->source);
	if (source == NULL || source->contract == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_LH_NO_CONTRACT),
				 errmsg("no contract in force decides lead \"%s\"", lead_key),
				 errdetail("Its source is \"%s\".", lead->source),
				 errhint("Publish a contract with handoff.publish().")));
	open = lh_open_handoff(lead);
	*contract = open == NULL ? source->contract : lh_contract(open->h.contract_id);
}

static void
find_lead_as_of(const char *lead_key, TimestampTz as_of, LhLead *lead, const LhContract **contract)
{
	char	   *key = unconstify(char *, lead_key);
	char	   *existing;

	if (!lh_lead_as_of(lead_key, as_of, lead))
	{
		if (lh_leads_existing(&key, 1, &existing) == 0)
			no_such_lead(lead_key);
		ereport(ERROR,
				(errcode(ERRCODE_LH_UNKNOWN_LEAD),
				 errmsg("lead \"%s\" was not known yet at %s", lead_key, timestamptz_to_str(as_of)),
				 errhint("handoff.history() shows when it was first seen.")));
	}
	*contract = lh_contract(lead->contract_id);
}

static char *
value_text(LhType type, Datum value)
{
	Oid			output;
	bool		is_varlena;

	getTypeOutputInfo(lh_type_oid(type), &output, &is_varlena);
	return OidOutputFunctionCall(output, value);
}

/* The fields that all rules are asked of, as they were at the end of the decision. */
static void
trace_fields(const LhLead *lead, LhTrace *trace)
{
	const LhFieldSet *set = lead->row->set;

	for (int i = 0; i < set->nfields; i++)
		if (!lead->row->isnull[i])
			lh_trace_add(trace, "field", set->fields[i].name, NULL, LH_TRUE,
						 value_text(set->fields[i].type, lead->row->values[i]));
}

/* The leg of a route; of one to a territory map also the row that has the lead's key. */
static char *
route_note(const LhContract *contract, const LhRoute *route, const LhLead *lead, TimestampTz at)
{
	char	   *leg = psprintf("leg %s", contract->legs[route->leg].name);
	char	   *key = route->target_kind == LH_TO_TERRITORY ? lh_route_key(route, lead->row) : NULL;
	LhTerritories all = {0};
	const LhTerritory *found;

	if (key == NULL)
		return leg;
	lh_territories_ask(&all, route->target, key);
	lh_territories_read(&all, at);
	found = lh_territories_get(&all, route->target, key);
	if (found == NULL)
		return psprintf("%s, map %s has no row for \"%s\"", leg, route->target, key);
	return psprintf("%s, map %s: %s %s, %s %s", leg, route->target, found->kind, found->matched,
					found->pool != NULL ? "pool" : "rep", found->pool != NULL ? found->pool : found->rep);
}

/* Rules of a leg that are asked when it is passed: of these the first that holds counts. */
static void
trace_leg(const LhContract *contract, const LhLead *lead, int leg, TimestampTz at, LhTrace *trace)
{
	for (int i = 0; i < contract->route.n; i++)
		if (contract->routes[i].leg == leg)
			lh_trace_add(trace, "route", contract->routes[i].name, contract->route.criteria[i],
						 lh_rulebook_test(contract->route.book, i, lead->row, NULL),
						 route_note(contract, &contract->routes[i], lead, at));
	for (int i = 0; i < contract->sla.n; i++)
		if (contract->slas[i].leg == leg)
			lh_trace_add(trace, "sla", contract->slas[i].name, contract->sla.criteria[i],
						 lh_rulebook_test(contract->sla.book, i, lead->row, NULL),
						 psprintf("leg %s", contract->legs[leg].name));
}

/* The leg of the open handoff, else those that lead out of the stage it is in. */
static void
trace_legs(const LhContract *contract, const LhLead *lead, TimestampTz at, LhTrace *trace)
{
	LhLeadHandoff *open = lh_open_handoff(lead);

	for (int leg = 0; leg < contract->nlegs; leg++)
	{
		bool		asked = open != NULL && strcmp(open->h.leg, contract->legs[leg].name) == 0;

		for (int t = 0; t < contract->guard.n && open == NULL; t++)
			asked = asked || (contract->transitions[t].leg == leg &&
							  strcmp(contract->stages[contract->transitions[t].from].name, lead->stage) == 0);
		if (asked)
			trace_leg(contract, lead, leg, at, trace);
	}
}

/* as_of DT_NOEND: now. */
static List *
explanation_of(const char *lead_key, TimestampTz as_of)
{
	LhLead		lead;
	LhSource   *source;
	const LhContract *contract;
	LhInput		input = {
		.version = DT_NOBEGIN,.anew = true,.activities_since = DT_NOBEGIN,.activity_at = DT_NOBEGIN,
		.changed_since = DT_NOEND
	};
	LhHoursAsked asked = {0};
	LhEffects	effects = {0};
	LhTrace		trace = {NIL};
	LhTrace		fields = {NIL};
	TimestampTz now = as_of == DT_NOEND ? lh_view_time_now() : as_of;
	char	   *key = unconstify(char *, lead_key);

	if (as_of == DT_NOEND)
		find_lead(lead_key, &lead, &contract);
	else
		find_lead_as_of(lead_key, as_of, &lead, &contract);
	lh_set_zone(contract->zone);
	lh_contract_set_now(contract, now);
	lh_lead_bind(&lead, contract);
	if (lead.checkpoint != NULL)
		input.activities_since = lead.checkpoint->at;
	source = lh_source_load(lead.source);
	input.since = source == NULL ? DT_NOBEGIN : source->since;
	input.key_prefix = source == NULL ? NULL : source->key_prefix;
	input.nactivities = lh_activities_of(lh_activities_read(&key, &input.activities_since, 1, as_of),
										 lead_key, contract, &input.activities);
	input.nopportunities = lh_opportunities_of(lh_opportunities_read(&key, 1), lead_key,
											   &input.opportunities);
	lh_read_person(&lead, as_of, &input);
	lh_opportunities_as_of(input.opportunities, &input.nopportunities, as_of);
	if (lead.checkpoint != NULL)
		lh_trace_add(&trace, "purged", "activities", NULL, LH_TRUE,
					 psprintf("those up to %s; what they gave is counted",
							  timestamptz_to_str(lead.checkpoint->at)));
	lh_ask_hours(&asked, contract, &lead);
	lh_read_hours(&asked);
	lh_give_hours(&asked, contract, &lead, &input);
	lh_decide(contract, &lead, &input, now, &effects, &trace);
	trace_legs(contract, &lead, now, &trace);
	trace_fields(&lead, &fields);
	return list_concat(fields.rows, trace.rows);
}

static void
put_row(ReturnSetInfo *rsinfo, const LhTraceRow *row)
{
	Datum		values[6] = {0};
	bool		isnull[6] = {false};

	values[0] = CStringGetTextDatum(row->step);
	values[1] = CStringGetTextDatum(row->name);
	isnull[2] = row->criteria == NULL;
	if (row->criteria != NULL)
		values[2] = CStringGetTextDatum(lh_criteria_out(row->criteria));
	isnull[3] = row->truth == LH_UNKNOWN;
	values[3] = BoolGetDatum(row->truth == LH_TRUE);
	isnull[4] = !row->has_points;
	values[4] = Int64GetDatum(row->points);
	isnull[5] = row->note == NULL;
	if (row->note != NULL)
		values[5] = CStringGetTextDatum(row->note);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, isnull);
}

Datum
lh_explain(PG_FUNCTION_ARGS)
{
	List	   *rows;
	ListCell   *lc;
	LhWorld		world;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("lead_key must not be null")));
	InitMaterializedSRF(fcinfo, 0);
	lh_enter(&world, true);
	lh_plan_by_key();
	SPI_connect();
	rows = explanation_of(text_to_cstring(PG_GETARG_TEXT_PP(0)),
						  PG_ARGISNULL(1) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(1));
	foreach(lc, rows)
		put_row((ReturnSetInfo *) fcinfo->resultinfo, lfirst(lc));
	SPI_finish();
	lh_leave(&world);
	return (Datum) 0;
}

Datum
lh_matches_jsonb(PG_FUNCTION_ARGS)
{
	const Criteria *criteria = PG_GETARG_CRITERIA_P(0);
	Jsonb	   *doc = PG_GETARG_JSONB_P(1);
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(3);
	const LhContract *contract;
	LhRulebook *book;
	LhFields   *row;
	LhTruth		truth;
	LhWorld		world;

	lh_enter(&world, true);
	SPI_connect();
	contract = lh_contract(PG_GETARG_INT32(2));
	lh_set_zone(contract->zone);
	book = lh_rulebook_compile(CurrentMemoryContext, contract->lead_set, 1, &criteria);
	lh_rulebook_set_now(book, at);
	row = lh_fields_create(contract->lead_set);
	lh_fields_from_jsonb(row, doc, 0, contract->lead_set->nfields);
	truth = lh_rulebook_test(book, 0, row, NULL);
	SPI_finish();
	lh_leave(&world);
	if (truth == LH_UNKNOWN)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(truth == LH_TRUE);
}
