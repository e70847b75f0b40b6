/*
 * src/table.h
 *
 * Our own tables without the executor: rows found by an index, rows inserted, a row deleted by its place.
 *
 * For what is done with every decision, one row at a time.  A statement costs some 30,000 instructions
 * before it reads anything, whatever is kept of its plan; a look into an index costs 2,000.
 */
#ifndef LH_TABLE_H
#define LH_TABLE_H

#include "lead_handoff.h"
#include "executor/tuptable.h"
#include "storage/itemptr.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#define LH_INDEX_COLUMNS	2

/* What we know of a relation until the server tells of a change. */
typedef struct LhKnown
{
	bool		complete;		/* all has been found out */
	bool		still;			/* it is true still */
	Oid			relid;
	Oid			index;			/* of it; invalid: none that serves */
	bool		used;			/* it has had a row, or may have had */
} LhKnown;

#define LH_IS_KNOWN(k)	((k) != NULL && (k)->complete && (k)->still)

extern LhKnown *lh_make_known(void);

/* Its table, locked: from then on what we know stays true.  NULL: something has changed, or nothing is known yet. */
extern Relation lh_open_known(const LhKnown *known, LOCKMODE mode);

/* Make the active snapshot what a statement would see that begins now, with what this transaction has done before it. */
extern void lh_push_snapshot(bool latest);

extern Oid	lh_our_relation(const char *name);
extern AttrNumber lh_column_number(Relation rel, const char *name);

/* Columns that an index of one of our tables begins with, to find rows by equality.  Declare it static. */
typedef struct LhIndex
{
	const char *table;
	const char *index;			/* if somebody has dropped it, the whole table is read */
	int			ncolumns;		/* 0: all rows that it has */
	const char *columns[LH_INDEX_COLUMNS];
	LhKnown    *known;
	AttrNumber	numbers[LH_INDEX_COLUMNS];
} LhIndex;

/* A search; the row it stands at is in slot until the next step. */
typedef struct LhSearch
{
	Relation	rel;
	bool		vain;			/* the table has never had a row: nothing else is open */
	Relation	index;			/* NULL: none to use */
	LhIndex    *by;
	Snapshot	snapshot;
	struct IndexScanDescData *index_scan;
	struct TableScanDescData *table_scan;
	TupleTableSlot *slot;
} LhSearch;

/* It sees what a statement that begins now would see; or the latest, even in REPEATABLE READ and above. */
extern void lh_search_begin(LhSearch *search, LhIndex *by);
extern void lh_search_begin_latest(LhSearch *search, LhIndex *by);
extern bool lh_search(LhSearch *search, const Datum *keys);	/* the first row of the keys, if there is one */
extern bool lh_search_next(LhSearch *search);
extern void lh_search_end(LhSearch *search);

/* A column of the row by name, as it lies there: valid until the next step. */
extern Datum lh_search_get(const LhSearch *search, const char *column, bool *isnull);
extern char *lh_search_text(const LhSearch *search, const char *column);	/* a copy; NULL: null */
extern int	lh_search_texts(const LhSearch *search, const char *column, char ***texts); /* how many; -1: null */

/* Is there a row? */
extern bool lh_is_there(LhIndex *by, const Datum *keys);

/* Which of the text keys have rows: they come first in there, in their order; how many. */
extern int	lh_which_are_there(LhIndex *by, char *const *keys, int n, char **there);

/* insert.c: does a node of an expression call anything that is not built in? */
extern bool lh_is_foreign(Node *node);

/*
 * insert.c.  Where an INSERT puts its parameters: "insert into handoff.x (a, b ..) select u.a, u.b ..", every
 * parameter a column, as it is or, if it is text and the column isn't, as its type's input function reads
 * it.  What is known of the table is kept until the server tells of a change.
 */
typedef struct LhTarget LhTarget;

/*
 * The table is locked for writing till the transaction ends.  False: only the executor can do what somebody wants
 * of it (triggers, rules, forced row security, a default that is another one each time).
 */
extern bool lh_target_open(LhTarget **target, const char *sql, int nparams, const Oid *types);

/* A row of it in mcxt, where it stays; what it is made of, in the current context. */
extern struct HeapTupleData *lh_target_row(LhTarget *target, const Datum *values, const bool *isnull, MemoryContext mcxt);
extern void lh_target_insert(LhTarget *target, struct HeapTupleData **rows, int n);

/* Rows of our table that are ours, or locked by us; those that are gone already don't matter. */
extern void lh_table_delete(const char *table, const ItemPointer *places, int n);

#endif							/* LH_TABLE_H */
