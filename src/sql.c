/*
 * src/sql.c
 *
 * Kept plans and array parameters: see sql.h.
 *
 * Every parameter of a LhRows statement is declared as an array type; a column collects elements and
 * becomes one array datum at flush.  A column of text[] values can't be an element of an array (arrays
 * of unequal length don't nest), so such values travel as jsonb or in array_out form and are cast in
 * the statement.
 *
 * Plans are generic.  Left to itself the server plans anew for each call: short arrays make a special
 * plan look cheap.  Planning would be a quarter of a decision at commit, and every plan of ours
 * finds rows by key whatever the parameters.
 */
#include "sql.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

TimestampTz lh_deadline = 0;

static void
check_deadline(void)
{
	if (lh_deadline != 0 && GetCurrentTimestamp() > lh_deadline)
		ereport(ERROR,
				(errcode(ERRCODE_LH_DEADLINE),
				 errmsg("deciding at commit takes too long"),
				 errhint("The rows wait for handoff.tick().")));
}

static uint64
run(LhStatement *statement, const Datum *values, const bool *isnull, Snapshot snapshot)
{
	char		nulls[LH_MAX_PARAMS + 1];
	MemoryContext caller = CurrentMemoryContext;
	int			rc;

	check_deadline();
	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare_cursor(statement->sql, statement->nparams, statement->types,
											  CURSOR_OPT_GENERIC_PLAN);

		if (plan == NULL)
			elog(ERROR, "SPI_prepare_cursor failed: %s", SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		statement->plan = plan;
	}
	for (int i = 0; i < statement->nparams; i++)
		nulls[i] = isnull != NULL && isnull[i] ? 'n' : ' ';
	nulls[statement->nparams] = '\0';

	rc = SPI_execute_snapshot(statement->plan, unconstify(Datum *, values), nulls,
							  snapshot, InvalidSnapshot, false, true, 0);
	if (rc < 0)
		elog(ERROR, "SPI_execute_snapshot failed: %s", SPI_result_code_string(rc));
	/* SPI leaves us in its own context, which ends with SPI_finish(); a contract must not live there */
	MemoryContextSwitchTo(caller);
	return SPI_processed;
}

uint64
lh_run(LhStatement *statement, const Datum *values, const bool *isnull)
{
	return run(statement, values, isnull, InvalidSnapshot);
}

uint64
lh_run_latest(LhStatement *statement, const Datum *values, const bool *isnull)
{
	return run(statement, values, isnull,
			   IsolationUsesXactSnapshot() ? GetLatestSnapshot() : InvalidSnapshot);
}

void
lh_rows_begin(LhRows *rows, LhStatement *statement)
{
	rows->statement = statement;
	rows->n = 0;
	for (int i = 0; i < statement->nparams; i++)
	{
		LhColumn   *column = &rows->columns[i];

		column->type = get_element_type(statement->types[i]);
		column->n = 0;
		column->room = 16;
		column->values = palloc_array(Datum, column->room);
		column->isnull = palloc_array(bool, column->room);
	}
}

void
lh_rows_add(LhRows *rows, const Datum *values, const bool *isnull)
{
	for (int i = 0; i < rows->statement->nparams; i++)
	{
		LhColumn   *column = &rows->columns[i];

		if (column->n == column->room)
		{
			column->room *= 2;
			column->values = repalloc_array(column->values, Datum, column->room);
			column->isnull = repalloc_array(column->isnull, bool, column->room);
		}
		column->values[column->n] = values[i];
		column->isnull[column->n] = isnull != NULL && isnull[i];
		column->n++;
	}
	rows->n++;
}

static Datum
column_array(const LhColumn *column)
{
	int			dims[1] = {column->n};
	int			lbs[1] = {1};
	int16		len;
	bool		byval;
	char		align;

	get_typlenbyvalalign(column->type, &len, &byval, &align);
	return PointerGetDatum(construct_md_array(column->values, column->isnull, 1, dims, lbs,
											  column->type, len, byval, align));
}

uint64
lh_rows_flush(LhRows *rows)
{
	Datum		arrays[LH_MAX_PARAMS];
	uint64		done;

	if (rows->n == 0)
		return 0;
	for (int i = 0; i < rows->statement->nparams; i++)
		arrays[i] = column_array(&rows->columns[i]);
	done = lh_run(rows->statement, arrays, NULL);
	for (int i = 0; i < rows->statement->nparams; i++)
	{
		pfree(DatumGetPointer(arrays[i]));
		rows->columns[i].n = 0;
	}
	rows->n = 0;
	return done;
}

/* An array of n values, none of them null. */
Datum
lh_array(Oid type, Datum *values, int n)
{
	int16		len;
	bool		byval;
	char		align;

	get_typlenbyvalalign(type, &len, &byval, &align);
	return PointerGetDatum(construct_array(values, n, type, len, byval, align));
}

Datum
lh_text_array(char *const *texts, int n)
{
	Datum	   *elements = palloc_array(Datum, Max(n, 1));

	for (int i = 0; i < n; i++)
		elements[i] = CStringGetTextDatum(texts[i]);
	return lh_array(TEXTOID, elements, n);
}

Datum
lh_text_datum(const char *text)
{
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}
