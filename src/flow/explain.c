/*
 * src/flow/explain.c
 *
 * explain(lead_key): the decision made once more with a trace, and thrown away; and matches() over
 * JSON, one criteria under a contract's types.
 */
#include "flow/lead.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "flow/source.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_explain);
PG_FUNCTION_INFO_V1(lh_matches_jsonb);

static void
find_lead(const char *lead_key, LhLead **lead, LhSource **source)
{
	char	   *key = unconstify(char *, lead_key);

	if (lh_leads_read(&key, 1, LH_LOCK_NONE, lead) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_LH_UNKNOWN_LEAD),
				 errmsg("there is no lead \"%s\"", lead_key),
				 errhint("A lead's key is its source's key prefix and its row's key; see handoff.lead, handoff.inbox and handoff.quarantine.")));
	*source = lh_source_load((*lead)->source);
	if (*source == NULL || (*source)->contract == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_LH_NO_CONTRACT),
				 errmsg("no contract in force decides lead \"%s\"", lead_key),
				 errdetail("Its source is \"%s\".", (*lead)->source),
				 errhint("Publish a contract with handoff.publish().")));
}

/* The version that decides a lead now: that of its open handoff, else the one in force. */
static const LhContract *
contract_of(const LhLead *lead, const LhSource *source)
{
	LhLeadHandoff *open = lh_open_handoff(lead);

	return open == NULL ? source->contract : lh_contract(open->h.contract_id);
}

/* The moment that views take for now. */
static TimestampTz
view_time(void)
{
	static LhStatement statement = {"select handoff.view_time()", 0};

	lh_run(&statement, NULL, NULL);
	return lh_get_time(0, 1, 0);
}

static List *
explanation_of(const char *lead_key)
{
	LhLead	   *lead;
	LhSource   *source;
	const LhContract *contract;
	LhInput		input = {
		.version = DT_NOBEGIN,.activities_since = DT_NOBEGIN,.activity_at = DT_NOBEGIN,.changed_since = DT_NOEND
	};
	LhEffects	effects = {0};
	LhTrace		trace = {NIL};
	TimestampTz now = view_time();
	char	   *key = unconstify(char *, lead_key);

	find_lead(lead_key, &lead, &source);
	contract = contract_of(lead, source);
	lh_set_zone(contract->zone);
	lh_contract_set_now(contract, now);
	lh_lead_bind(lead, contract);
	input.since = source->since;
	input.nactivities = lh_activities_of(lh_activities_read(&key, &input.activities_since, 1), lead_key, contract,
										 &input.activities);
	input.nopportunities = lh_opportunities_of(lh_opportunities_read(&key, 1), lead_key,
											   &input.opportunities);
	lh_decide(contract, lead, &input, now, &effects, &trace);
	return trace.rows;
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
	char	   *lead_key = text_to_cstring(PG_GETARG_TEXT_PP(0));
	List	   *rows;
	ListCell   *lc;
	LhWorld		world;

	InitMaterializedSRF(fcinfo, 0);
	lh_enter(&world, true);
	lh_plan_by_key();
	SPI_connect();
	rows = explanation_of(lead_key);
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
