/*
 * src/sql.h
 *
 * Set-based SQL in few words: a statement with a kept plan, and rows of values that become its
 * parameter.
 */
#ifndef LH_SQL_H
#define LH_SQL_H

#include "lead_handoff.h"
#include "executor/spi.h"
#include "table.h"
#include "utils/jsonb.h"

#define LH_MAX_PARAMS	72

/*
 * A statement with its plan, kept for the session.  Declare it static; name every relation with its
 * schema, so that the plan means the same under any search_path.
 */
typedef struct LhStatement
{
	const char *sql;
	int			nparams;
	Oid			types[LH_MAX_PARAMS];
	bool		plain;			/* of LhRows: it only inserts its parameters; needs no executor then */
	SPIPlanPtr	plan;
	TupleDesc	rowtype;		/* of LhRows */
	LhTarget   *target;			/* of LhRows, if plain */
	struct LhLookup *lookup;	/* what lookup.c has made of the plan */
} LhStatement;

/* Make its plan, if it has none. */
extern void lh_prepare(LhStatement *statement);

/* Run it; the answer is in SPI_tuptable.  Each call sees everything committed before it. */
extern uint64 lh_run(LhStatement *statement, const Datum *values, const bool *isnull);

/* The same even in REPEATABLE READ and above, where the transaction's snapshot may be old. */
extern uint64 lh_run_latest(LhStatement *statement, const Datum *values, const bool *isnull);

/*
 * The same for a statement that only reads, also within a parallel query, which has but its own snapshot.
 */
extern uint64 lh_read_latest(LhStatement *statement, const Datum *values, const bool *isnull);

/* Only reads, by the snapshot of the query around us: what several calls answer fits together. */
extern uint64 lh_read_active(LhStatement *statement, const Datum *values, const bool *isnull);

/*
 * Column col (from 1) of row i of the last answer, copied into the current context.  A null text, array
 * or document is NULL, a null boolean false.
 */
extern Datum lh_get(uint64 row, int col, bool *isnull);
extern char *lh_get_text(uint64 row, int col);
extern int	lh_get_int(uint64 row, int col, int if_null);
extern int64 lh_get_bigint(uint64 row, int col, int64 if_null);
extern bool lh_get_bool(uint64 row, int col);
extern TimestampTz lh_get_time(uint64 row, int col, TimestampTz if_null);
extern Interval *lh_get_interval(uint64 row, int col);
extern Jsonb *lh_get_jsonb(uint64 row, int col);
extern int	lh_get_texts(uint64 row, int col, char ***texts);	/* how many */

/* While set, lh_run() fails with ERRCODE_LH_DEADLINE after that moment; 0: no limit. */
extern TimestampTz lh_deadline;

/*
 * lookup.c: the answer row by row without the executor, if the statement only looks rows of a table up by an index.
 * A row's columns are valid until the next lookup.
 */
typedef struct LhLookupScan
{
	struct LhLookup *lookup;
	struct CachedPlan *plan;
	Relation	rel;
	Relation	index;
	struct IndexScanDescData *scan;
	TupleTableSlot *slot;
} LhLookupScan;

/* False: the plan is something else, or more; run the statement. */
extern bool lh_lookup_begin(LhLookupScan *scan, LhStatement *statement, const Datum *values);
extern TupleTableSlot *lh_lookup_next(LhLookupScan *scan);	/* NULL: no more */
extern void lh_lookup_end(LhLookupScan *scan);
extern void lh_lookup_forget(LhStatement *statement);

/*
 * Rows for a statement whose every parameter is an array: "from unnest($1, $2 ..) as u(a, b ..)".
 * Rows are copied when added, to the context where it was begun.
 */
typedef struct LhRows
{
	LhStatement *statement;
	int			n;
	int			room;
	bool		direct;			/* past the executor */
	Datum	   *rows;			/* composite values, or tuples of the table */
	MemoryContext mcxt;
} LhRows;

extern void lh_rows_begin(LhRows *rows, LhStatement *statement);
extern void lh_rows_add(LhRows *rows, const Datum *values, const bool *isnull);
extern uint64 lh_rows_flush(LhRows *rows);	/* runs the statement if there are rows, then empties */

/* One row of parameters, filled from left to right. */
typedef struct LhRow
{
	int			n;
	Datum		values[LH_MAX_PARAMS];
	bool		isnull[LH_MAX_PARAMS];
} LhRow;

extern void lh_put(LhRow *row, Datum value, bool isnull);
extern void lh_put_text(LhRow *row, const char *text);
extern void lh_put_int(LhRow *row, int value);
extern void lh_put_bigint(LhRow *row, int64 value);
extern void lh_put_time(LhRow *row, TimestampTz value);
extern void lh_put_time_unless(LhRow *row, TimestampTz value, TimestampTz none);
extern void lh_put_texts(LhRow *row, char *const *texts, int n, bool null_if_empty);	/* as text */
extern void lh_rows_put(LhRows *rows, const LhRow *row);

extern Datum lh_array(Oid type, Datum *values, int n);
extern Datum lh_time_array(const TimestampTz *times, int n);
extern int	lh_texts_of(Datum array, char ***texts);	/* how many */
extern Datum lh_text_array(char *const *texts, int n);
extern Datum lh_text_datum(const char *text);	/* NULL gives 0; pair it with isnull */

#endif							/* LH_SQL_H */
