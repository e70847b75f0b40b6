/*
 * src/flow/what_if.c
 *
 * score(fields): what would a lead with these fields score?  A question to a contract, by hand or by a
 * program, before there is such a lead or such a contract: nothing is decided, nothing is kept.
 */
#include "flow/scorer.h"

#include <math.h>

#include "executor/spi.h"
#include "funcapi.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_score_fields);

/* Beyond that a double has no half points any more. */
#define MAX_INTENT	1e15

/* What is computed can't be given; intent can, because it hangs on activities. */
static bool
is_computed(const LhContract *contract, int field)
{
	const char *name = contract->lead_set->fields[field].name;

	for (const LhBuiltinField *builtin = lh_builtin_fields; builtin->of != NULL; builtin++)
	{
		if (strcmp(builtin->of, "lead") == 0 && strcmp(builtin->name, name) == 0)
			return builtin->step > LH_STEP_INPUT && strcmp(name, "intent") != 0;
	}
	for (int i = 0; i < contract->derived.n; i++)
	{
		if (contract->derived_rows[i].field == field)
			return true;
	}
	return false;
}

static void
check_name(const LhContract *contract, const char *name)
{
	int			field = lh_fieldset_find(contract->lead_set, name);
	const char *closest;

	if (field >= 0 && !is_computed(contract, field))
		return;
	if (field >= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("field \"%s\" is computed and can't be given", name),
				 errhint("Leave it out.")));
	closest = lh_fieldset_closest(contract->lead_set, name);
	ereport(ERROR,
			(errcode(ERRCODE_LH_UNKNOWN_FIELD),
			 errmsg("unknown field \"%s\"", name),
			 closest != NULL ? errhint("Perhaps you meant \"%s\".", closest) :
			 errhint("See table handoff.field, of = 'lead', and handoff.builtin_fields().")));
}

static void
check_names(const LhContract *contract, Jsonb *fields)
{
	JsonbIterator *it = JsonbIteratorInit(&fields->root);
	JsonbValue	value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY && JB_ROOT_IS_OBJECT(fields))
			check_name(contract, pnstrdup(value.val.string.val, value.val.string.len));
	}
}

/* Intent among the fields, in points; 0 if it isn't there. */
static double
intent_of(const LhScorer *scorer)
{
	int			field = lh_fieldset_find(scorer->contract->lead_set, "intent");
	double		intent;

	if (scorer->row->isnull[field])
		return 0;
	intent = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, scorer->row->values[field]));
	if (isnan(intent) || fabs(intent) > MAX_INTENT)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("intent %s is out of range",
						DatumGetCString(DirectFunctionCall1(numeric_out, scorer->row->values[field])))));
	return intent;
}

/* Names of the fit rules that hold, in order of name. */
static Datum
rules_that_hold(const LhScorer *scorer)
{
	const LhScore *score = scorer->score;
	char	  **names = palloc_array(char *, Max(score->nhits, 1));

	for (int i = 0; i < score->nhits; i++)
		names[i] = scorer->contract->fit_rules[score->hits[i]].name;
	return lh_text_array(names, score->nhits);
}

static Datum
answer(const LhScorer *scorer, TupleDesc desc)
{
	const LhScore *score = scorer->score;
	const char *band = lh_scorer_band(scorer);
	bool		isnull[5] = {false, false, false, band == NULL, false};
	Datum		values[5] = {
		Int64GetDatum(score->fit),
		DirectFunctionCall1(float8_numeric, Float8GetDatum(score->intent_points)),
		Int64GetDatum(score->score),
		lh_text_datum(band),
		rules_that_hold(scorer)
	};

	return HeapTupleGetDatum(heap_form_tuple(desc, values, isnull));
}

void
lh_scorer_fill(LhScorer *scorer, Jsonb *fields)
{
	check_names(scorer->contract, fields);
	lh_fields_from_jsonb(scorer->row, fields, 0, scorer->contract->lead_set->nfields);
	lh_scorer_run(scorer, intent_of(scorer));
}

Datum
lh_score_fields(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	int			version = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT32(1);
	Jsonb	   *fields;
	LhScorer   *scorer;
	const LhContract *contract;
	TupleDesc	desc;
	Datum		result;
	LhWorld		world;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	fields = PG_GETARG_JSONB_P(0);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "score() returns no row");
	desc = BlessTupleDesc(desc);

	lh_enter(&world, true);
	SPI_connect();
	MemoryContextSwitchTo(caller);
	contract = lh_contract(lh_chosen_version(PG_ARGISNULL(1) ? NULL : &version, NULL));
	lh_set_zone(contract->zone);
	scorer = lh_scorer_create(contract, PG_ARGISNULL(2) ? lh_view_time_now() : PG_GETARG_TIMESTAMPTZ(2));
	lh_scorer_fill(scorer, fields);
	result = answer(scorer, desc);
	SPI_finish();
	lh_leave(&world);
	PG_RETURN_DATUM(result);
}
