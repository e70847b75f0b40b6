/*
 * src/table.c
 *
 * Our own tables without the executor: see table.h.
 *
 * A search has the snapshot that a statement would have that begins now.  Where table and index lie is kept until
 * the server tells of a change; that is looked at once more after the table has been locked.
 */
#include "table.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "sql.h"
#include "storage/bufmgr.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

Oid
lh_our_relation(const char *name)
{
	Oid			relid = get_relname_relid(name, lh_schema_oid());

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_LH_SETUP),
				 errmsg("table \"handoff.%s\" does not exist", name),
				 errhint("Run SELECT handoff.setup().")));
	return relid;
}

static List *all_known = NIL;

static void
relation_changed(Datum arg, Oid relid)
{
	ListCell   *lc;

	foreach(lc, all_known)
	{
		LhKnown    *known = lfirst(lc);

		if (!OidIsValid(relid) || known->relid == relid || known->index == relid)
			known->still = false;
	}
}

LhKnown *
lh_make_known(void)
{
	MemoryContext save = MemoryContextSwitchTo(TopMemoryContext);
	LhKnown    *known = palloc0_object(LhKnown);

	if (all_known == NIL)
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	all_known = lappend(all_known, known);
	MemoryContextSwitchTo(save);
	return known;
}

Relation
lh_open_known(const LhKnown *known, LOCKMODE mode)
{
	Relation	rel = LH_IS_KNOWN(known) ? try_relation_open(known->relid, mode) : NULL;

	if (rel == NULL || LH_IS_KNOWN(known))
		return rel;
	relation_close(rel, mode);
	return NULL;
}

void
lh_push_snapshot(bool latest)
{
	CommandCounterIncrement();
	PushCopiedSnapshot(latest ? GetLatestSnapshot() : GetTransactionSnapshot());
	UpdateActiveSnapshotCommandId();
}

static Snapshot
snapshot_now(bool latest)
{
	Snapshot	snapshot;

	lh_push_snapshot(latest);
	snapshot = RegisterSnapshot(GetActiveSnapshot());
	PopActiveSnapshot();
	return snapshot;
}

/* Searching ---------------------------------------------------------------------------------- */

AttrNumber
lh_column_number(Relation rel, const char *name)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped && strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			return i + 1;
	ereport(ERROR,
			(errcode(ERRCODE_LH_SETUP),
			 errmsg("table \"handoff.%s\" has no column \"%s\"", RelationGetRelationName(rel), name),
			 errhint("Undo what was changed.")));
	return InvalidAttrNumber;
}

static RegProcedure
equality(Oid type)
{
	switch (type)
	{
		case TEXTOID:
			return F_TEXTEQ;
		case INT4OID:
			return F_INT4EQ;
		case XID8OID:
			return F_XID8EQ;
		default:
			elog(ERROR, "type %u is no type of our keys", type);
			return InvalidOid;
	}
}

/* Does an index serve?  As the planner sees it. */
static bool
serves(const LhIndex *by, Relation rel, Relation index)
{
	Form_pg_index form = index->rd_index;

	if (form->indrelid != RelationGetRelid(rel) || !form->indisvalid || form->indnkeyatts < by->ncolumns ||
		index->rd_rel->relam != BTREE_AM_OID)
		return false;
	if (form->indcheckxmin &&
		!TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data), TransactionXmin))
		return false;
	for (int i = 0; i < by->ncolumns; i++)
		if (form->indkey.values[i] != by->numbers[i] ||
			index->rd_indcollation[i] != TupleDescAttr(RelationGetDescr(rel), by->numbers[i] - 1)->attcollation)
			return false;
	return true;
}

static Oid
find_index(const LhIndex *by, Relation rel)
{
	Oid			relid = get_relname_relid(by->index, RelationGetNamespace(rel));
	Relation	index;
	bool		found;

	if (!OidIsValid(relid) || get_rel_relkind(relid) != RELKIND_INDEX)
		return InvalidOid;
	index = index_open(relid, AccessShareLock);
	found = serves(by, rel, index);
	index_close(index, AccessShareLock);
	return found ? relid : InvalidOid;
}

/* Learn which table and index it is now. */
static void
study_index(LhIndex *by)
{
	Relation	rel;

	if (by->known == NULL)
		by->known = lh_make_known();
	by->known->complete = false;
	by->known->relid = lh_our_relation(by->table);
	by->known->still = true;	/* a change that we learn of meanwhile counts */
	by->known->index = InvalidOid;
	rel = table_open(by->known->relid, AccessShareLock);
	for (int i = 0; i < by->ncolumns; i++)
		by->numbers[i] = lh_column_number(rel, by->columns[i]);
	by->known->index = find_index(by, rel);
	by->known->used = false;
	by->known->complete = true;
	table_close(rel, AccessShareLock);
}

/* Its table, locked: from then on what we know stays true. */
static Relation
open_known(LhIndex *by)
{
	Relation	rel;

	while ((rel = lh_open_known(by->known, AccessShareLock)) == NULL)
		study_index(by);
	return rel;
}

/*
 * Much of what a decision asks for most databases have none of: absences, tombstones, merged leads.  A table
 * without a page has no row that anybody could see; to be told so costs half of looking.  (SERIALIZABLE must look: who
 * writes the first row is to find out that we did.)
 */
static bool
is_unused(LhKnown *known, Relation rel)
{
	if (!known->used)
		known->used = rel->rd_rel->relkind != RELKIND_RELATION || IsolationIsSerializable() ||
			RelationGetNumberOfBlocks(rel) > 0;
	return !known->used;
}

static void
begin_search(LhSearch *search, LhIndex *by, bool latest)
{
	memset(search, 0, sizeof(*search));
	search->by = by;
	search->rel = open_known(by);
	search->vain = is_unused(by->known, search->rel);
	if (search->vain)
		return;
	search->snapshot = snapshot_now(latest);
	search->slot = table_slot_create(search->rel, NULL);
	if (!OidIsValid(by->known->index))
		return;
	search->index = index_open(by->known->index, AccessShareLock);
	search->index_scan = lh_index_beginscan(search->rel, search->index, search->snapshot, by->ncolumns);
}

void
lh_search_begin(LhSearch *search, LhIndex *by)
{
	begin_search(search, by, false);
}

void
lh_search_begin_latest(LhSearch *search, LhIndex *by)
{
	begin_search(search, by, IsolationUsesXactSnapshot());
}

bool
lh_search(LhSearch *search, const Datum *keys)
{
	ScanKeyData scan_keys[LH_INDEX_COLUMNS];

	if (search->vain)
		return false;
	for (int i = 0; i < search->by->ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(search->rel), search->by->numbers[i] - 1);

		ScanKeyEntryInitialize(&scan_keys[i], 0, search->index != NULL ? i + 1 : search->by->numbers[i],
							   BTEqualStrategyNumber, InvalidOid, att->attcollation, equality(att->atttypid), keys[i]);
	}
	if (search->index != NULL)
		index_rescan(search->index_scan, scan_keys, search->by->ncolumns, NULL, 0);
	else
	{
		if (search->table_scan != NULL)
			table_endscan(search->table_scan);
		search->table_scan = table_beginscan(search->rel, search->snapshot, search->by->ncolumns, scan_keys);
	}
	return lh_search_next(search);
}

bool
lh_search_next(LhSearch *search)
{
	if (search->vain)
		return false;
	if (search->index == NULL)
		return table_scan_getnextslot(search->table_scan, ForwardScanDirection, search->slot);
	return index_getnext_slot(search->index_scan, ForwardScanDirection, search->slot);
}

/* The locks go at once, as those of catalogs do: kept, they would be more than fit beside the shared lock table. */
void
lh_search_end(LhSearch *search)
{
	if (search->vain)
	{
		table_close(search->rel, AccessShareLock);
		return;
	}
	ExecDropSingleTupleTableSlot(search->slot);
	if (search->index != NULL)
	{
		index_endscan(search->index_scan);
		index_close(search->index, AccessShareLock);
	}
	else
		search->by->known->still = false;	/* one may serve by the next time */
	if (search->table_scan != NULL)
		table_endscan(search->table_scan);
	table_close(search->rel, AccessShareLock);
	UnregisterSnapshot(search->snapshot);
}

Datum
lh_search_get(const LhSearch *search, const char *column, bool *isnull)
{
	return slot_getattr(search->slot, lh_column_number(search->rel, column), isnull);
}

char *
lh_search_text(const LhSearch *search, const char *column)
{
	bool		isnull;
	Datum		value = lh_search_get(search, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

int
lh_search_texts(const LhSearch *search, const char *column, char ***texts)
{
	bool		isnull;
	Datum		value = lh_search_get(search, column, &isnull);

	*texts = NULL;
	return isnull ? -1 : lh_texts_of(value, texts);
}

bool
lh_is_there(LhIndex *by, const Datum *keys)
{
	LhSearch	search;
	bool		there;

	lh_search_begin(&search, by);
	there = lh_search(&search, keys);
	lh_search_end(&search);
	return there;
}

int
lh_which_are_there(LhIndex *by, char *const *keys, int n, char **there)
{
	LhSearch	search;
	int			nthere = 0;

	if (n == 0)
		return 0;
	lh_search_begin(&search, by);
	for (int i = 0; i < n; i++)
	{
		Datum		key = CStringGetTextDatum(keys[i]);

		if (lh_search(&search, &key))
			there[nthere++] = keys[i];
		pfree(DatumGetPointer(key));
	}
	lh_search_end(&search);
	return nthere;
}

/* Deleting ----------------------------------------------------------------------------------- */

/* Somebody may have deleted the row before, even in this transaction. */
static void
delete_row(Relation rel, ItemPointer place, Snapshot snapshot, TupleTableSlot *slot)
{
	TM_FailureData failure;

	if (!table_tuple_fetch_row_version(rel, place, snapshot, slot))
		return;
	switch (table_tuple_delete(rel, place, GetCurrentCommandId(true), snapshot, InvalidSnapshot, true, &failure, false))
	{
		case TM_Ok:
		case TM_Deleted:
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent update")));
	}
}

void
lh_table_delete(const char *table, const ItemPointer *places, int n)
{
	Relation	rel = table_open(lh_our_relation(table), RowExclusiveLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	Snapshot	snapshot;

	PreventCommandIfReadOnly("DELETE");
	snapshot = snapshot_now(false);
	for (int i = 0; i < n; i++)
		delete_row(rel, places[i], snapshot, slot);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}
