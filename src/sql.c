/*
 * src/sql.c
 *
 * Kept plans and rows as parameters: see sql.h.
 *
 * A LhRows statement is written with one array a column, unnest($1, $2 ..) as u(a, b ..), and would
 * run so; but the server expands each array into a tuplestore of its own, and makes a scan for each at
 * every execution.  So what is prepared has one array of records instead, unnest($1) as u(a text,
 * b bigint ..), and a row is formed once, when it is added.  A column of text[] values, which can't be
 * an element of an array (arrays of unequal length don't nest), is cast from text in the statement.
 *
 * Plans are generic.  Left to itself the server plans anew for each call: short arrays make a special
 * plan look cheap.  Planning would be a quarter of a decision at commit, and every plan of ours
 * finds rows by key whatever the parameters.
 */
#include "sql.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
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

static void
prepare(LhStatement *statement, const char *sql, int nparams, Oid *types)
{
	SPIPlanPtr	plan = SPI_prepare_cursor(sql, nparams, types, CURSOR_OPT_GENERIC_PLAN);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s", SPI_result_code_string(SPI_result));
	SPI_keepplan(plan);
	statement->plan = plan;
}

void
lh_prepare(LhStatement *statement)
{
	if (statement->plan == NULL)
		prepare(statement, statement->sql, statement->nparams, statement->types);
}

static uint64
run(LhStatement *statement, int nparams, const Datum *values, const bool *isnull, Snapshot snapshot, bool read_only)
{
	char		nulls[LH_MAX_PARAMS + 1];
	MemoryContext caller = CurrentMemoryContext;
	int			rc;

	check_deadline();
	lh_prepare(statement);
	for (int i = 0; i < nparams; i++)
		nulls[i] = isnull != NULL && isnull[i] ? 'n' : ' ';
	nulls[nparams] = '\0';

	rc = SPI_execute_snapshot(statement->plan, unconstify(Datum *, values), nulls,
							  snapshot, InvalidSnapshot, read_only, true, 0);
	if (rc < 0)
		elog(ERROR, "SPI_execute_snapshot failed: %s", SPI_result_code_string(rc));
	/* SPI leaves us in its own context, which ends with SPI_finish(); a contract must not live there */
	MemoryContextSwitchTo(caller);
	return SPI_processed;
}

uint64
lh_run(LhStatement *statement, const Datum *values, const bool *isnull)
{
	return run(statement, statement->nparams, values, isnull, InvalidSnapshot, false);
}

uint64
lh_run_latest(LhStatement *statement, const Datum *values, const bool *isnull)
{
	return run(statement, statement->nparams, values, isnull,
			   IsolationUsesXactSnapshot() ? GetLatestSnapshot() : InvalidSnapshot, false);
}

uint64
lh_read_latest(LhStatement *statement, const Datum *values, const bool *isnull)
{
	return run(statement, statement->nparams, values, isnull,
			   IsInParallelMode() ? GetActiveSnapshot() : GetLatestSnapshot(), true);
}

uint64
lh_read_active(LhStatement *statement, const Datum *values, const bool *isnull)
{
	return run(statement, statement->nparams, values, isnull, GetActiveSnapshot(), true);
}

/* Rows --------------------------------------------------------------------------------------- */

/* The type of a row: columns c1, c2 .. of the arrays' element types. */
static TupleDesc
row_type(const LhStatement *statement)
{
	TupleDesc	desc = CreateTemplateTupleDesc(statement->nparams);

	for (int i = 0; i < statement->nparams; i++)
	{
		char		name[NAMEDATALEN];

		snprintf(name, sizeof(name), "c%d", i + 1);
		TupleDescInitEntry(desc, i + 1, name, get_element_type(statement->types[i]), -1, 0);
	}
	return BlessTupleDesc(desc);
}

/* "unnest($1, $2 ..) as u(a, b ..)" becomes "unnest($1) as u(a text, b bigint ..)". */
static char *
with_records(const LhStatement *statement)
{
	static const char open[] = "unnest($1";
	const char *from = strstr(statement->sql, open);
	const char *alias = from == NULL ? NULL : strchr(from, ')');
	const char *at = alias == NULL ? NULL : strchr(alias, '(');
	const char *end = at == NULL ? NULL : strchr(at, ')');
	StringInfoData sql;

	if (end == NULL)
		elog(ERROR, "statement has no unnest() of its parameters: %s", statement->sql);
	initStringInfo(&sql);
	appendBinaryStringInfo(&sql, statement->sql, from + strlen(open) - statement->sql);
	appendBinaryStringInfo(&sql, alias, ++at - alias);
	for (int i = 0; i < statement->nparams; i++)
	{
		int			length = strcspn(at, ",)");

		appendStringInfo(&sql, "%s%.*s %s", i == 0 ? "" : ",", length, at,
						 format_type_be_qualified(TupleDescAttr(statement->rowtype, i)->atttypid));
		at += length;
		if ((*at == ')') != (i == statement->nparams - 1))
			elog(ERROR, "statement has not %d columns: %s", statement->nparams, statement->sql);
		at++;
	}
	appendStringInfoString(&sql, end);
	return sql.data;
}

static void
prepare_rows(LhStatement *statement)
{
	Oid			type = RECORDARRAYOID;

	prepare(statement, with_records(statement), 1, &type);
}

void
lh_rows_begin(LhRows *rows, LhStatement *statement)
{
	rows->statement = statement;
	rows->mcxt = CurrentMemoryContext;
	rows->n = 0;
	rows->room = 0;
	rows->rows = NULL;
}

/* The first row decides how they go: the table stays as it is from now on, it is locked. */
static void
begin_rows(LhRows *rows)
{
	LhStatement *statement = rows->statement;

	if (rows->room == 0)
	{
		rows->room = 16;
		rows->rows = MemoryContextAlloc(rows->mcxt, sizeof(Datum) * rows->room);
	}
	rows->direct = statement->plain &&
		lh_target_open(&statement->target, statement->sql, statement->nparams, statement->types);
	if (!rows->direct && statement->rowtype == NULL)
	{
		MemoryContext save = MemoryContextSwitchTo(TopMemoryContext);

		statement->rowtype = row_type(statement);
		MemoryContextSwitchTo(save);
	}
}

static Datum
record(const LhRows *rows, const Datum *values, const bool *isnull)
{
	static const bool no_nulls[LH_MAX_PARAMS] = {false};
	MemoryContext save = MemoryContextSwitchTo(rows->mcxt);
	HeapTuple	tuple = heap_form_tuple(rows->statement->rowtype, unconstify(Datum *, values),
										unconstify(bool *, isnull == NULL ? no_nulls : isnull));

	MemoryContextSwitchTo(save);
	return HeapTupleHeaderGetDatum(tuple->t_data);
}

void
lh_rows_add(LhRows *rows, const Datum *values, const bool *isnull)
{
	if (rows->n == 0)
		begin_rows(rows);
	if (rows->n == rows->room)
	{
		rows->room *= 2;
		rows->rows = repalloc_array(rows->rows, Datum, rows->room);
	}
	rows->rows[rows->n++] = !rows->direct ? record(rows, values, isnull) :
		PointerGetDatum(lh_target_row(rows->statement->target, values, isnull, rows->mcxt));
}

static uint64
run_rows(LhRows *rows)
{
	LhStatement *statement = rows->statement;
	Datum		records = PointerGetDatum(construct_array(rows->rows, rows->n, RECORDOID, -1, false, TYPALIGN_DOUBLE));
	uint64		done;

	if (statement->plan == NULL)
		prepare_rows(statement);
	done = run(statement, 1, &records, NULL, InvalidSnapshot, false);
	pfree(DatumGetPointer(records));
	return done;
}

uint64
lh_rows_flush(LhRows *rows)
{
	uint64		done = rows->n;

	if (rows->n == 0)
		return 0;
	check_deadline();
	if (rows->direct)
		lh_target_insert(rows->statement->target, (HeapTuple *) rows->rows, rows->n);
	else
		done = run_rows(rows);
	rows->n = 0;
	return done;
}

void
lh_put(LhRow *row, Datum value, bool isnull)
{
	row->values[row->n] = value;
	row->isnull[row->n++] = isnull;
}

void
lh_put_text(LhRow *row, const char *text)
{
	lh_put(row, lh_text_datum(text), text == NULL);
}

void
lh_put_int(LhRow *row, int value)
{
	lh_put(row, Int32GetDatum(value), false);
}

void
lh_put_bigint(LhRow *row, int64 value)
{
	lh_put(row, Int64GetDatum(value), false);
}

void
lh_put_time(LhRow *row, TimestampTz value)
{
	lh_put(row, TimestampTzGetDatum(value), false);
}

void
lh_put_time_unless(LhRow *row, TimestampTz value, TimestampTz none)
{
	lh_put(row, TimestampTzGetDatum(value), value == none);
}

/* The text form of a text[]; none is NULL if null_if_empty. */
void
lh_put_texts(LhRow *row, char *const *texts, int n, bool null_if_empty)
{
	if (n == 0 && null_if_empty)
		lh_put(row, (Datum) 0, true);
	else
		lh_put_text(row, n == 0 ? "{}" : OidOutputFunctionCall(F_ARRAY_OUT, lh_text_array(texts, n)));
}

void
lh_rows_put(LhRows *rows, const LhRow *row)
{
	Assert(row->n == rows->statement->nparams);
	lh_rows_add(rows, row->values, row->isnull);
}

/* Arrays ------------------------------------------------------------------------------------- */

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
lh_time_array(const TimestampTz *times, int n)
{
	Datum	   *elements = palloc_array(Datum, Max(n, 1));

	for (int i = 0; i < n; i++)
		elements[i] = TimestampTzGetDatum(times[i]);
	return lh_array(TIMESTAMPTZOID, elements, n);
}

int
lh_texts_of(Datum array, char ***texts)
{
	Datum	   *elements;
	int			n;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &n);
	*texts = palloc_array(char *, Max(n, 1));
	for (int i = 0; i < n; i++)
		(*texts)[i] = TextDatumGetCString(elements[i]);
	return n;
}

Datum
lh_text_datum(const char *text)
{
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/* Columns of the answer ---------------------------------------------------------------------- */

Datum
lh_get(uint64 row, int col, bool *isnull)
{
	TupleDesc	desc = SPI_tuptable->tupdesc;
	Form_pg_attribute att = TupleDescAttr(desc, col - 1);
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], desc, col, isnull);

	if (*isnull)
		return (Datum) 0;
	if (att->attlen == -1)
		return PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	return datumCopy(value, att->attbyval, att->attlen);
}

char *
lh_get_text(uint64 row, int col)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, col, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

int
lh_get_int(uint64 row, int col, int if_null)
{
	bool		isnull;
	Datum		value = lh_get(row, col, &isnull);

	return isnull ? if_null : DatumGetInt32(value);
}

int64
lh_get_bigint(uint64 row, int col, int64 if_null)
{
	bool		isnull;
	Datum		value = lh_get(row, col, &isnull);

	return isnull ? if_null : DatumGetInt64(value);
}

bool
lh_get_bool(uint64 row, int col)
{
	bool		isnull;
	Datum		value = lh_get(row, col, &isnull);

	return !isnull && DatumGetBool(value);
}

TimestampTz
lh_get_time(uint64 row, int col, TimestampTz if_null)
{
	bool		isnull;
	Datum		value = lh_get(row, col, &isnull);

	return isnull ? if_null : DatumGetTimestampTz(value);
}

Interval *
lh_get_interval(uint64 row, int col)
{
	bool		isnull;
	Datum		value = lh_get(row, col, &isnull);

	return isnull ? NULL : DatumGetIntervalP(value);
}

Jsonb *
lh_get_jsonb(uint64 row, int col)
{
	bool		isnull;
	Datum		value = lh_get(row, col, &isnull);

	return isnull ? NULL : DatumGetJsonbP(value);
}

int
lh_get_texts(uint64 row, int col, char ***texts)
{
	bool		isnull;
	Datum		value = lh_get(row, col, &isnull);

	*texts = NULL;
	return isnull ? 0 : lh_texts_of(value, texts);
}
