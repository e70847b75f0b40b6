/*
 * src/flow/explain.c
 *
 * explain(lead_key, as_of): the decision made once more with a trace, and thrown away; and matches() over
 * JSON, one criteria under a contract's types.
 */
#include "flow/access.h"
#include "flow/look.h"

#include "executor/spi.h"
#include "funcapi.h"
#include "route/territory.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_explain);
PG_FUNCTION_INFO_V1(lh_matches_jsonb);

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

/* Which version decides a lead that a challenger may share, and why. */
static void
trace_version(const LhLook *look, LhTrace *trace)
{
	const LhTrafficPart *part = &look->part;
	const LhContract *challenger = look->source->challenger;
	const LhLeadHandoff *open = lh_open_handoff(&look->lead);
	const Criteria *scope = challenger->scope.n == 0 ? NULL : challenger->scope.criteria[0];
	const char *note;

	if (open != NULL)
		note = "it has an open handoff, which keeps its version";
	else if (part->challenge == 0)
		note = psprintf("champion: the lead is out of the scope of challenger %d", challenger->contract_id);
	else
		note = psprintf("%s: bucket %.6f of %s \"%s\" %s %g", part->contract == challenger ? "challenger" : "champion",
						part->bucket, part->by, part->key, part->contract == challenger ? "<" : ">=", look->source->share);
	lh_trace_add(trace, "version", psprintf("%d", look->contract->contract_id), scope,
				 part->challenge == 0 ? LH_FALSE : LH_TRUE, note);
}

/* as_of DT_NOEND: now. */
static List *
explanation_of(const char *lead_key, TimestampTz as_of)
{
	LhLook		look;
	LhEffects	effects = {0};
	LhTrace		trace = {NIL};
	LhTrace		fields = {NIL};

	lh_look_at(lead_key, as_of, &look);
	if (as_of == DT_NOEND && look.source->challenger != NULL)
		trace_version(&look, &trace);
	if (look.lead.checkpoint != NULL)
		lh_trace_add(&trace, "purged", "activities", NULL, LH_TRUE,
					 psprintf("those up to %s; what they gave is counted",
							  timestamptz_to_str(look.lead.checkpoint->at)));
	lh_decide(look.contract, &look.lead, &look.input, look.now, &effects, &trace);
	trace_legs(look.contract, &look.lead, look.now, &trace);
	trace_fields(&look.lead, &fields);
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
	char	   *lead_key;
	LhWorld		world;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("lead_key must not be null")));
	lead_key = text_to_cstring(PG_GETARG_TEXT_PP(0));
	InitMaterializedSRF(fcinfo, 0);
	lh_enter_to_show(lead_key, &world);
	rows = explanation_of(lead_key, PG_ARGISNULL(1) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(1));
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
