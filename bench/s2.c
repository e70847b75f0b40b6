/*
 * bench/s2.c
 *
 * A rulebook without what surrounds it: compiled once, asked about every row of a table of 40 columns
 * that a scan in C deforms.  Only the bench loads it: dev/bench.sh links it with the objects of src/rules,
 * the very ones that the extension is made of.
 *
 * All columns of the table are fields, and a row's values are used where the scan put them, so the
 * time above that of the scan alone is the rulebook's.
 *
 * Under callgrind (bench/callgrind.sh) each run leaves a dump of its own, named by its label.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "rules/rulebook.h"
#include "rules/statistics.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include <time.h>
#ifdef HAVE_CALLGRIND
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_ZERO_STATS
#define CALLGRIND_DUMP_STATS_AT(label)
#endif

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(book_load);
PG_FUNCTION_INFO_V1(book_scan);

/* One of the session's books.  Everything is in mcxt; the book is its only child. */
typedef struct Book
{
	struct Book *next;
	MemoryContext mcxt;
	char	   *name;
	LhFieldSet *set;
	LhRulebook *rules;
	int			nrules;
	int		   *matches;
} Book;

static Book *books = NULL;

static double
cpu_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* ---------- loading ---------- */

static LhType
field_type(Oid type)
{
	LhType		result;

	if (!lh_column_type(type, &result))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("a column of type %u is no field", type)));
	return result;
}

static LhFieldSet *
make_set(MemoryContext mcxt, Oid relid, bool with_statistics)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	LhFieldSet *set = lh_fieldset_create(mcxt);

	for (int i = 0; i < desc->natts; i++)
	{
		Oid			type = TupleDescAttr(desc, i)->atttypid;
		int			field = lh_fieldset_add(set, NameStr(TupleDescAttr(desc, i)->attname),
											field_type(type));

		if (with_statistics)
			set->fields[field].statistics = lh_column_statistics(relid, i + 1, field_type(type));
	}
	relation_close(rel, AccessShareLock);
	return set;
}

static Book *
find_book(const char *name)
{
	for (Book *book = books; book; book = book->next)
	{
		if (strcmp(book->name, name) == 0)
			return book;
	}
	return NULL;
}

/* An empty book of that name for the columns of a table. */
static Book *
new_book(const char *name, Oid relid, bool with_statistics)
{
	Book	   *book = find_book(name);
	MemoryContext caller;

	if (book == NULL)
	{
		book = MemoryContextAllocZero(TopMemoryContext, sizeof(Book));
		book->name = MemoryContextStrdup(TopMemoryContext, name);
		book->next = books;
		books = book;
	}
	else
		MemoryContextDelete(book->mcxt);
	book->mcxt = AllocSetContextCreate(TopMemoryContext, "bench book", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(book->mcxt);
	book->set = make_set(book->mcxt, relid, with_statistics);
	MemoryContextSwitchTo(caller);
	return book;
}

/* Compile the criteria that a query gives; returns when the query was done. */
static double
compile(Book *book, MemoryContext parent, const char *query)
{
	const Criteria **criteria;
	double		read;

	SPI_connect();
	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "no select: %s", query);
	book->nrules = SPI_processed;
	criteria = palloc(Max(book->nrules, 1) * sizeof(Criteria *));
	for (int i = 0; i < book->nrules; i++)
	{
		bool		isnull;
		Datum		value = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

		criteria[i] = isnull ? NULL : DatumGetCriteriaP(value);
	}
	read = cpu_ms();
	CALLGRIND_ZERO_STATS;
	book->rules = lh_rulebook_compile(parent, book->set, book->nrules, criteria);
	CALLGRIND_DUMP_STATS_AT(psprintf("%s/compile/%d", book->name, book->nrules));
	SPI_finish();
	return read;
}

/*
 * book_load(name text, relid regclass, query text, with_statistics boolean): compile the criteria that
 * the query gives, for the table's columns and, if wanted, what ANALYZE knows of them.  Returns their number, the milliseconds from the query on, those of compiling alone, and the bytes kept.
 */
Datum
book_load(PG_FUNCTION_ARGS)
{
	Book	   *book = new_book(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_OID(1),
								PG_GETARG_BOOL(3));
	MemoryContext parent = AllocSetContextCreate(book->mcxt, "bench rules", ALLOCSET_SMALL_SIZES);
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {false};
	double		start = cpu_ms();
	double		read = compile(book, parent, text_to_cstring(PG_GETARG_TEXT_PP(2)));
	double		end = cpu_ms();

	book->matches = MemoryContextAlloc(book->mcxt, Max(book->nrules, 1) * sizeof(int));
	values[0] = Int32GetDatum(book->nrules);
	values[1] = Float8GetDatum(end - start);
	values[2] = Float8GetDatum(end - read);
	values[3] = Int64GetDatum(MemoryContextMemAllocated(parent->firstchild, true));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "not a row type");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* ---------- scanning ---------- */

/* What a row adds to the checksum: the first rule, counted from 1, or how many are true. */
static int64
ask(const Book *book, bool all, const LhFields *row)
{
	if (book == NULL)
		return 0;
	return all ? lh_rulebook_all(book->rules, row, book->matches, NULL) :
		lh_rulebook_first(book->rules, row, NULL) + 1;
}

/*
 * book_scan(name text, all boolean, relid regclass): deform all columns of all rows, and ask the book
 * of that name about each; of no name: deform only.  Returns the sum of the answers.
 */
Datum
book_scan(PG_FUNCTION_ARGS)
{
	Book	   *book = PG_ARGISNULL(0) ? NULL : find_book(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	bool		all = PG_GETARG_BOOL(1);
	Relation	rel = relation_open(PG_GETARG_OID(2), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	LhFields	row = {book ? book->set : NULL, slot->tts_values, slot->tts_isnull};
	int64		sum = 0;
	int64		nrows = 0;

	if (book)
		lh_rulebook_set_now(book->rules, GetCurrentTransactionStartTimestamp());
	CALLGRIND_ZERO_STATS;
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		sum += ask(book, all, &row);
		nrows++;
	}
	CALLGRIND_DUMP_STATS_AT(psprintf("%s/%s/" INT64_FORMAT, book ? book->name : "deform",
									 book == NULL ? "scan" : all ? "all" : "first", nrows));
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	relation_close(rel, AccessShareLock);
	PG_RETURN_INT64(sum);
}
