/*
 * src/flow/scan.c
 *
 * Reading a whole table bit by bit.  A scan is a row of handoff.scan, which says where it is; a step
 * reads some thousand rows, puts what is to be decided into the inbox and moves the place on, all in the
 * caller's transaction.  So a scan goes on where the last transaction that committed has left it.
 *
 *	phase "table"	the rows of the table.  A backfill queues them all; a reconcile or a poll compares
 *					them with what we know (differ.c) and queues those that differ
 *	phase "known"	of a reconcile: what we know, in order of key, of which the rows that are gone are
 *					queued
 *
 * Tables are read by ranges of blocks, which needs no index and reads each block once.  A row that an
 * UPDATE moves from a block not yet read to one behind us is missed by the scan, but captured by our
 * trigger, which was there before the scan began; VACUUM FULL moves rows and fires nothing, but gives the
 * table another file, and we begin it anew.  Partitions are read in order of their numbers.  What has no
 * blocks of its own, a view or a foreign table, is read in order of key, or, for a poll, of version.
 *
 * It is read as drain's source.c reads: as its owner, in a security-restricted operation, under a lock.
 * Several ticks at once work on different scans: the row of a scan is locked while somebody is at it.
 */
#include "flow/scan.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "flow/differ.h"
#include "flow/drain.h"
#include "flow/inbox.h"
#include "miscadmin.h"
#include "sql.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define STEP_BLOCKS			128
#define STEP_KEYS			5000
#define STEP_KEYS_NO_INDEX	100000	/* each step reads the whole table */

typedef struct LhScan
{
	char	   *scan_id;
	LhSource   *source;
	char	   *purpose;
	char	   *phase;
	Oid			at_table;		/* InvalidOid: before the first */
	Oid			at_file;
	int64		at_block;
	char	   *after_key;		/* NULL: from the first */
	TimestampTz after_version;
	int64		blocks;
	int64		blocks_read;
	int64		seen;
	int64		queued;
	int64		gone;
	bool		finished;
} LhScan;

/* The row of a scan -------------------------------------------------------------------------- */

/* Of each source the first; a source that is being read or can't be is left out. */
static LhStatement next_scan = {
	"select c.scan_id::text, c.source, c.purpose, c.phase, c.at_table, c.at_file, c.at_block, c.after_key, c.after_version, "
	"c.blocks, c.blocks_read, c.seen, c.queued, c.gone, c.started_at is null "
	"from handoff.scan c join handoff.source s on s.name = c.source "
	"where c.finished_at is null and c.source <> all($1) and ($2 is null or c.source = $2) and s.paused_at is null "
	"and not exists (select from handoff.scan e where e.source = c.source and e.finished_at is null "
	"and (e.requested_at, e.scan_id) < (c.requested_at, c.scan_id)) order by c.requested_at, c.scan_id limit 1 for update of c skip locked",
	2, {TEXTARRAYOID, TEXTOID}
};

/* Requests that came before this one began want nothing else. */
static LhStatement drop_requests = {
	"delete from handoff.scan where scan_id = any(array("
	"select c.scan_id from handoff.scan c where c.source = $1 and c.scan_id <> $2::uuid and c.purpose = $3 "
	"and c.started_at is null for update skip locked))",
	3, {TEXTOID, TEXTOID, TEXTOID}
};

static LhStatement keep_place = {
	"update handoff.scan set started_at = coalesce(started_at, $2), stepped_at = $2, finished_at = case when $3 then $2 end, "
	"phase = $4, at_table = $5, at_file = $6, at_block = $7, after_key = $8, after_version = $9, blocks = $10, "
	"blocks_read = $11, seen = $12, queued = $13, gone = $14, error = null where scan_id = $1::uuid",
	14,
	{
		TEXTOID, TIMESTAMPTZOID, BOOLOID, TEXTOID, INT8OID, INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID, INT8OID,
		INT8OID, INT8OID, INT8OID, INT8OID
	}
};

static LhStatement drop_finished = {
	"delete from handoff.scan where source = $1 and scan_id <> $2::uuid and purpose = $3 and finished_at is not null",
	3, {TEXTOID, TEXTOID, TEXTOID}
};

static LhStatement keep_version = {
	"update handoff.source set polled_version = greatest(polled_version, $2) where name = $1",
	2, {TEXTOID, TIMESTAMPTZOID}
};

/* A reconcile finds whatever has rewritten the table before it began. */
static LhStatement keep_files = {
	"update handoff.source s set table_files = handoff.table_files($2) where s.name in ("
	"select o.name from handoff.source o where o.name = $1 and o.table_files <> handoff.table_files($2) for update skip locked)",
	2, {TEXTOID, REGCLASSOID}
};

static LhScan *
load_scan(bool *fresh)
{
	LhScan	   *scan = palloc0_object(LhScan);
	char	   *name = lh_get_text(0, 2);

	scan->scan_id = lh_get_text(0, 1);
	scan->purpose = lh_get_text(0, 3);
	scan->phase = lh_get_text(0, 4);
	scan->at_table = (Oid) lh_get_bigint(0, 5, InvalidOid);
	scan->at_file = (Oid) lh_get_bigint(0, 6, InvalidOid);
	scan->at_block = lh_get_bigint(0, 7, 0);
	scan->after_key = lh_get_text(0, 8);
	scan->after_version = lh_get_time(0, 9, DT_NOBEGIN);
	scan->blocks = lh_get_bigint(0, 10, 0);
	scan->blocks_read = lh_get_bigint(0, 11, 0);
	scan->seen = lh_get_bigint(0, 12, 0);
	scan->queued = lh_get_bigint(0, 13, 0);
	scan->gone = lh_get_bigint(0, 14, 0);
	*fresh = lh_get_bool(0, 15);
	scan->source = lh_source_load(name);
	return scan;
}

static void
save_scan(const LhScan *scan)
{
	Datum		values[14] = {
		CStringGetTextDatum(scan->scan_id), TimestampTzGetDatum(GetCurrentTimestamp()), BoolGetDatum(scan->finished),
		CStringGetTextDatum(scan->phase), Int64GetDatum(scan->at_table), Int64GetDatum(scan->at_file),
		Int64GetDatum(scan->at_block), lh_text_datum(scan->after_key), TimestampTzGetDatum(scan->after_version),
		Int64GetDatum(scan->blocks), Int64GetDatum(scan->blocks_read), Int64GetDatum(scan->seen),
		Int64GetDatum(scan->queued), Int64GetDatum(scan->gone)
	};
	bool		isnull[14] = {false};
	Datum		key[3] = {CStringGetTextDatum(scan->source->name), CStringGetTextDatum(scan->scan_id),
	CStringGetTextDatum(scan->purpose)};

	isnull[7] = scan->after_key == NULL;
	isnull[8] = scan->after_version == DT_NOBEGIN;
	lh_run(&keep_place, values, isnull);
	if (!scan->finished)
		return;
	lh_run(&drop_finished, key, NULL);
	if (scan->after_version != DT_NOBEGIN)
	{
		key[1] = TimestampTzGetDatum(scan->after_version);
		lh_run(&keep_version, key, NULL);
	}
}

static bool
is_purpose(const LhScan *scan, const char *purpose)
{
	return strcmp(scan->purpose, purpose) == 0;
}

/* Into the inbox ----------------------------------------------------------------------------- */

static void
queue_keys(LhScan *scan, char op, char *const *keys, int n)
{
	LhInboxRow	row = {.source = scan->source->name,.op = op,.at = GetCurrentTimestamp()};

	for (int i = 0; i < n; i += LH_INBOX_KEYS)
		lh_inbox_insert(&row, keys + i, Min(LH_INBOX_KEYS, n - i));
	scan->queued += n;
}

/* What a step has read of the table; the keys are in the answer, in column 1. */
static void
take_keys(LhScan *scan, uint64 n)
{
	LhDiffering found = {.keys = palloc_array(char *, 2 * n + 1)};
	char	  **keys = palloc_array(char *, n + 1);

	for (uint64 i = 0; i < n; i++)
		keys[i] = lh_get_text(i, 1);
	scan->seen += n;
	if (is_purpose(scan, "backfill"))
	{
		queue_keys(scan, LH_INBOX_BACKFILL, keys, n);
		return;
	}
	n = lh_sort_unique(keys, n);
	for (uint64 i = 0; i < n; i += STEP_KEYS)
		lh_find_differing(scan->source, keys + i, Min(STEP_KEYS, n - i), &found);
	queue_keys(scan, LH_INBOX_AGAIN, found.keys, found.n);
	scan->gone += found.ngone;
}

/* Reading as the table's owner --------------------------------------------------------------- */

static uint64
read_as(Oid owner, const char *sql, int nparams, Oid *types, Datum *values, const char *nulls)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			save_userid;
	int			save_sec_context;
	int			guc_nest;
	int			rc;

	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(owner, save_sec_context | SECURITY_RESTRICTED_OPERATION);
	guc_nest = NewGUCNestLevel();
	rc = SPI_execute_with_args(sql, nparams, types, values, nulls, false, 0);
	if (rc != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(rc));
	AtEOXact_GUC(false, guc_nest);	/* what his code has set, search_path say, ends here */
	SetUserIdAndSecContext(save_userid, save_sec_context);
	MemoryContextSwitchTo(caller);
	return SPI_processed;
}

/* SQL for the key of a row, alias t, and for whether it has one. */
static void
key_sql(const LhSource *source, char **key, char **has_key)
{
	static LhStatement statement = {
		"select handoff.key_expression($1, $2), string_agg(format('t.%I is not null', k), ' and ') from unnest($2) k",
		2, {REGCLASSOID, TEXTARRAYOID}
	};
	Datum		values[2] = {ObjectIdGetDatum(source->relid),
	lh_text_array(source->key_columns, source->nkeys)};

	lh_run(&statement, values, NULL);
	*key = lh_get_text(0, 1);
	*has_key = lh_get_text(0, 2);
}

static char *
qualified_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
}

/* By blocks ---------------------------------------------------------------------------------- */

/* The tables that hold the rows, in order; false if some of them have no blocks to read by. */
static bool
tables_of(const LhSource *source, List **tables)
{
	List	   *all = find_all_inheritors(source->relid, NoLock, NULL);
	ListCell   *lc;

	*tables = NIL;
	foreach(lc, all)
	{
		char		relkind = get_rel_relkind(lfirst_oid(lc));

		if (relkind == RELKIND_RELATION)
			*tables = lappend_oid(*tables, lfirst_oid(lc));
		else if (relkind != RELKIND_PARTITIONED_TABLE && relkind != '\0')
			return false;
	}
	list_sort(*tables, list_oid_cmp);
	return true;
}

/* The first table from the place on; InvalidOid: we are through. */
static Oid
table_from(const List *tables, Oid place)
{
	ListCell   *lc;

	foreach(lc, tables)
		if (lfirst_oid(lc) >= place)
			return lfirst_oid(lc);
	return InvalidOid;
}

static void
count_blocks(LhScan *scan, const List *tables)
{
	ListCell   *lc;

	foreach(lc, tables)
	{
		Relation	rel = try_relation_open(lfirst_oid(lc), AccessShareLock);

		if (rel == NULL)
			continue;
		scan->blocks += RelationGetNumberOfBlocks(rel);
		relation_close(rel, NoLock);
	}
}

/* Read the next blocks of a table that is open; true if it has more. */
static bool
read_blocks(LhScan *scan, Relation rel)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);
	int64		end = Min(scan->at_block + STEP_BLOCKS, (int64) nblocks);
	Oid			types[2] = {TIDOID, TIDOID};
	ItemPointerData from;
	ItemPointerData to;
	Datum		values[2] = {PointerGetDatum(&from), PointerGetDatum(&to)};
	char	   *key;
	char	   *has_key;

	if (scan->at_block >= nblocks)
		return false;
	ItemPointerSet(&from, scan->at_block, 0);
	ItemPointerSet(&to, end, 0);
	key_sql(scan->source, &key, &has_key);
	take_keys(scan, read_as(rel->rd_rel->relowner,
							psprintf("select %s from only %s t where t.ctid >= $1 and t.ctid < $2 and %s",
									 key, qualified_name(RelationGetRelid(rel)), has_key),
							2, types, values, NULL));
	scan->blocks_read += end - scan->at_block;
	scan->at_block = end;
	return end < nblocks;
}

/* A step by blocks; true if there may be more.  Tables that are busy are waited for by nobody. */
static bool
step_blocks(LhScan *scan, const List *tables, bool *busy)
{
	Oid			relid = table_from(tables, scan->at_table);
	Relation	rel;

	if (!OidIsValid(relid))
		return false;
	if (!ConditionalLockRelationOid(relid, AccessShareLock))
	{
		*busy = true;
		return true;
	}
	rel = try_relation_open(relid, NoLock);
	if (rel != NULL && (scan->at_table != relid || scan->at_file != rel->rd_rel->relfilenode))
	{
		scan->at_table = relid;
		scan->at_file = rel->rd_rel->relfilenode;
		scan->at_block = 0;
	}
	if (rel == NULL || !read_blocks(scan, rel))
	{
		scan->at_table = relid + 1;
		scan->at_file = InvalidOid;
		scan->at_block = 0;
	}
	if (rel != NULL)
		relation_close(rel, NoLock);
	return OidIsValid(table_from(tables, scan->at_table));
}

/* In order of key or version ----------------------------------------------------------------- */

static bool
step_keys(LhScan *scan)
{
	Oid			type = TEXTOID;
	Datum		value = lh_text_datum(scan->after_key);
	int			limit = scan->source->key_indexed ? STEP_KEYS : STEP_KEYS_NO_INDEX;
	char	   *key;
	char	   *has_key;
	uint64		n;

	key_sql(scan->source, &key, &has_key);
	n = read_as(scan->source->owner,
				psprintf("select k.key from (select %s as key from %s t where %s) k "
						 "where $1 is null or k.key collate \"C\" > $1 order by k.key collate \"C\" limit %d",
						 key, qualified_name(scan->source->relid), has_key, limit),
				1, &type, &value, scan->after_key == NULL ? "n" : " ");
	if (n > 0)
		scan->after_key = lh_get_text(n - 1, 1);
	take_keys(scan, n);
	return n == limit;
}

char *
lh_scan_version(const LhSource *source)
{
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(&source->mapping->root, "version", strlen("version"),
													 &buffer);
	char	   *column;
	AttrNumber	attnum;

	if (value == NULL || value->type != jbvString)
		return NULL;
	column = pnstrdup(value->val.string.val, value->val.string.len);
	attnum = get_attnum(source->relid, column);
	if (attnum <= 0)
		return NULL;
	switch (get_atttype(source->relid, attnum))
	{
		case TIMESTAMPTZOID:
			return psprintf("t.%s", quote_identifier(column));
		case TIMESTAMPOID:
			return psprintf("(t.%s at time zone 'UTC')", quote_identifier(column));
		default:
			return NULL;
	}
}

static bool
step_versions(LhScan *scan, const char *version)
{
	Oid			type = TIMESTAMPTZOID;
	Datum		value = TimestampTzGetDatum(scan->after_version);
	char	   *key;
	char	   *has_key;
	uint64		n;

	key_sql(scan->source, &key, &has_key);
	/* all rows of the last version, so that the next step can begin after it */
	n = read_as(scan->source->owner,
				psprintf("select %s, %s from %s t where %s > $1 and %s < 'infinity' and %s order by 2 "
						 "fetch first %d rows with ties",
						 key, version, qualified_name(scan->source->relid), version, version, has_key, STEP_KEYS),
				1, &type, &value, NULL);
	if (n > 0)
		scan->after_version = lh_get_time(n - 1, 2, scan->after_version);
	take_keys(scan, n);
	return n >= STEP_KEYS;
}

/* What we know ------------------------------------------------------------------------------- */

static LhStatement known_keys = {
	"select k from handoff.known_keys($1, $2, $3) k", 3, {TEXTOID, TEXTOID, INT4OID}
};

static bool
step_known(LhScan *scan)
{
	int			limit = scan->source->key_indexed ? STEP_KEYS : STEP_KEYS_NO_INDEX;
	Datum		values[3] = {CStringGetTextDatum(scan->source->name), lh_text_datum(scan->after_key),
	Int32GetDatum(limit)};
	bool		isnull[3] = {false, scan->after_key == NULL, false};
	LhDiffering found = {.only_gone = true};
	char	  **keys;
	int			n = lh_run(&known_keys, values, isnull);

	keys = palloc_array(char *, n + 1);
	for (int i = 0; i < n; i++)
		keys[i] = lh_get_text(i, 1);
	if (n > 0)
		scan->after_key = keys[n - 1];
	found.keys = palloc_array(char *, 2 * n + 1);
	lh_find_differing(scan->source, keys, n, &found);
	queue_keys(scan, LH_INBOX_AGAIN, found.keys, found.n);
	scan->gone += found.ngone;
	return n == limit;
}

/* Steps -------------------------------------------------------------------------------------- */

static void
begin_scan(LhScan *scan, const List *tables)
{
	Datum		values[3] = {CStringGetTextDatum(scan->source->name), CStringGetTextDatum(scan->scan_id),
	CStringGetTextDatum(scan->purpose)};

	lh_run(&drop_requests, values, NULL);
	if (is_purpose(scan, "reconcile"))
	{
		values[1] = ObjectIdGetDatum(scan->source->relid);
		lh_run(&keep_files, values, NULL);
	}
	count_blocks(scan, tables);
}

/* One step of a scan whose source is locked; false if a partition is busy. */
static bool
step(LhScan *scan, bool fresh)
{
	List	   *tables;
	bool		by_blocks = tables_of(scan->source, &tables);
	char	   *version = is_purpose(scan, "poll") ? lh_scan_version(scan->source) : NULL;
	bool		busy = false;
	bool		more;

	if (fresh)
		begin_scan(scan, by_blocks && version == NULL ? tables : NIL);
	if (strcmp(scan->phase, "known") == 0)
		more = step_known(scan);
	else if (version != NULL)
		more = step_versions(scan, version);
	else if (by_blocks)
		more = step_blocks(scan, tables, &busy);
	else
		more = step_keys(scan);

	if (!more && is_purpose(scan, "reconcile") && strcmp(scan->phase, "table") == 0)
	{
		scan->phase = "known";
		scan->after_key = NULL;
		more = true;
	}
	scan->finished = !more;
	save_scan(scan);
	return !busy;
}

/* A list of names as text[]. */
Datum
lh_scan_names(const List *list)
{
	char	  **names = palloc_array(char *, list_length(list) + 1);
	int			n = 0;
	ListCell   *lc;

	foreach(lc, list)
		names[n++] = lfirst(lc);
	return lh_text_array(names, n);
}

static List *
with_name(List *list, const char *name)
{
	ListCell   *lc;

	foreach(lc, list)
		if (strcmp(lfirst(lc), name) == 0)
			return list;
	return lappend(list, pstrdup(name));
}

static LhStatement keep_error = {
	"update handoff.scan set error = $2 where scan_id = $1::uuid", 2, {TEXTOID, TEXTOID}
};

typedef struct Attempt
{
	LhScan	   *scan;
	bool		fresh;
	bool		stepped;
} Attempt;

static void
attempt(void *arg)
{
	Attempt    *this = arg;

	this->stepped = step(this->scan, this->fresh);
}

/*
 * A step in a subtransaction: a view that fails, say, must keep nobody else from going on.  True if it was made; why not is kept with the scan.
 */
static bool
try_step(LhScan *scan, bool fresh)
{
	Attempt		this = {scan, fresh, false};
	ErrorData  *error = lh_attempt(attempt, &this);
	Datum		values[2] = {CStringGetTextDatum(scan->scan_id)};

	if (error == NULL)
		return this.stepped;
	if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		return false;			/* somebody's lock is in the way; it will be gone */
	if (lh_is_transient(error->sqlerrcode))
		ReThrowError(error);
	values[1] = CStringGetTextDatum(error->message);
	lh_run(&keep_error, values, NULL);
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("source \"%s\" could not be read: %s", scan->source->name, error->message),
			 errhint("The next handoff.tick() tries again.")));
	return false;
}

bool
lh_scan_step(LhScans *scans, const char *source_name)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext mcxt = AllocSetContextCreate(caller, "lead_handoff scan", ALLOCSET_DEFAULT_SIZES);
	bool		stepped = false;

	while (!stepped)
	{
		Datum		values[2] = {lh_scan_names(scans->busy), lh_text_datum(source_name)};
		bool		isnull[2] = {false, source_name == NULL};
		LhScan	   *scan;
		bool		fresh;

		if (lh_run(&next_scan, values, isnull) == 0)
			break;
		MemoryContextSwitchTo(mcxt);
		scan = load_scan(&fresh);
		if ((scan->source->contract != NULL || is_purpose(scan, "backfill")) && lh_source_lock(scan->source))
			stepped = try_step(scan, fresh);
		MemoryContextSwitchTo(caller);
		if (!stepped)
			scans->busy = with_name(scans->busy, scan->source->name);
		else
			scans->touched = with_name(scans->touched, scan->scan_id);
		MemoryContextReset(mcxt);
	}
	MemoryContextDelete(mcxt);
	return stepped;
}
