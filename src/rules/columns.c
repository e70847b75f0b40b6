/*
 * src/rules/columns.c
 *
 * A table's columns as fields: of which type, with which value, and what ANALYZE knows of them.
 *
 * The planner's statistics are read from the catalog as the planner reads them, without asking for
 * rights on the table: nothing of them is shown, and no answer depends on them.
 */
#include "rules/rulebook_index.h"
#include "rules/statistics.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* False: a column of that type is no field. */
bool
lh_column_type(Oid type, LhType *result)
{
	switch (getBaseType(type))
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			*result = LH_TEXT;
			return true;
		case BOOLOID:
			*result = LH_BOOLEAN;
			return true;
		case INT2OID:
		case INT4OID:
		case INT8OID:
			*result = LH_BIGINT;
			return true;
		case NUMERICOID:
			*result = LH_NUMERIC;
			return true;
		case DATEOID:
			*result = LH_DATE;
			return true;
		case TIMESTAMPTZOID:
			*result = LH_TIMESTAMPTZ;
			return true;
		case TEXTARRAYOID:
		case VARCHARARRAYOID:
			*result = LH_TEXT_ARRAY;
			return true;
		default:
			return false;
	}
}

/* A value of a column of such a type, as a field has it. */
Datum
lh_column_value(Oid type, Datum value)
{
	switch (getBaseType(type))
	{
		case INT2OID:
			return Int64GetDatum(DatumGetInt16(value));
		case INT4OID:
			return Int64GetDatum(DatumGetInt32(value));
		case BPCHAROID:
			return DirectFunctionCall1(rtrim1, value);
		default:
			return value;
	}
}

/* ---------- statistics ---------- */

/* Values of a column as those of a field, in the current context. */
static Datum *
copy_values(const AttStatsSlot *slot, int n)
{
	Datum	   *values = palloc(Max(n, 1) * sizeof(Datum));
	int16		len;
	bool		byval;

	for (int i = 0; i < n; i++)
		values[i] = lh_column_value(slot->valuetype, slot->values[i]);
	get_typlenbyval(slot->valuetype, &len, &byval);
	for (int i = 0; i < n && !byval; i++)
		values[i] = datumCopy(values[i], false, len);
	return values;
}

static int
compare_common(const void *a, const void *b, void *comparison)
{
	return lh_compare(*(Comparison *) comparison, ((const LhCommonValue *) a)->value,
					  ((const LhCommonValue *) b)->value);
}

/* The most common values or, of an array, elements; their numbers are followed by some of no use here. */
static void
read_common(LhStatistics *statistics, HeapTuple tuple, LhType type)
{
	AttStatsSlot slot;
	Comparison	comparison = lh_own_comparison(type);
	Datum	   *values;
	int			kind = type == LH_TEXT_ARRAY ? STATISTIC_KIND_MCELEM : STATISTIC_KIND_MCV;

	if (!get_attstatsslot(&slot, tuple, kind, InvalidOid, ATTSTATSSLOT_VALUES | ATTSTATSSLOT_NUMBERS))
		return;
	statistics->ncommon = Min(slot.nvalues, slot.nnumbers);
	statistics->common = palloc(Max(statistics->ncommon, 1) * sizeof(LhCommonValue));
	values = copy_values(&slot, statistics->ncommon);
	for (int i = 0; i < statistics->ncommon; i++)
	{
		statistics->common[i].value = values[i];
		statistics->common[i].share = slot.numbers[i];
		statistics->common[i].below = 0;
		statistics->rest -= slot.numbers[i];
	}
	statistics->rest = Max(statistics->rest, 0);
	qsort_arg(statistics->common, statistics->ncommon, sizeof(LhCommonValue), compare_common,
			  &comparison);
	for (int i = 1; i < statistics->ncommon; i++)
		statistics->common[i].below = statistics->common[i - 1].below + statistics->common[i - 1].share;
	free_attstatsslot(&slot);
}

static void
read_bounds(LhStatistics *statistics, HeapTuple tuple)
{
	AttStatsSlot slot;

	if (!get_attstatsslot(&slot, tuple, STATISTIC_KIND_HISTOGRAM, InvalidOid, ATTSTATSSLOT_VALUES))
		return;
	statistics->nbounds = slot.nvalues;
	statistics->bounds = copy_values(&slot, slot.nvalues);
	free_attstatsslot(&slot);
}

/* Of the table with its children, if it has any. */
static HeapTuple
find_statistics(Oid relid, AttrNumber attnum)
{
	HeapTuple	tuple = NULL;

	for (int inherited = 1; inherited >= 0 && !HeapTupleIsValid(tuple); inherited--)
		tuple = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(relid), Int16GetDatum(attnum),
								BoolGetDatum(inherited));
	return tuple;
}

/* A negative number of different values is their share of all rows. */
static double
number_of_values(Oid relid, double stadistinct)
{
	HeapTuple	tuple;
	double		rows;

	if (stadistinct >= 0)
		return stadistinct;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	if (!HeapTupleIsValid(tuple))
		return 0;
	rows = ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
	ReleaseSysCache(tuple);
	return Max(-stadistinct * rows, 0);
}

/* In the current context; NULL: nothing is known, or the field's values are not the column's. */
LhStatistics *
lh_column_statistics(Oid relid, AttrNumber attnum, LhType type)
{
	HeapTuple	tuple = find_statistics(relid, attnum);
	Form_pg_statistic form;
	LhStatistics *statistics;
	LhType		column_type;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	if (!lh_column_type(get_atttype(relid, attnum), &column_type) || column_type != type)
	{
		ReleaseSysCache(tuple);
		return NULL;
	}
	form = (Form_pg_statistic) GETSTRUCT(tuple);
	statistics = palloc0_object(LhStatistics);
	statistics->nulls = form->stanullfrac;
	statistics->rest = 1 - form->stanullfrac;
	if (type != LH_TEXT_ARRAY)
		statistics->ndistinct = number_of_values(relid, form->stadistinct);
	read_common(statistics, tuple, type);
	if (type == LH_BIGINT || type == LH_NUMERIC || type == LH_DATE || type == LH_TIMESTAMPTZ)
		read_bounds(statistics, tuple);
	ReleaseSysCache(tuple);
	return statistics;
}
