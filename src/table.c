/*
 * src/table.c
 *
 * Our own tables without the executor: see table.h.
 *
 * Nothing that the server would do for us is left out.  Relations are locked as a statement would lock
 * them, CHECK and NOT NULL are asked, indexes written, and a search has the snapshot that a statement would
 * have.  What only the executor can do (triggers, rules, forced row security) makes
 * a table one that is written by statements: lh_table_is_plain().
 */
#include "table.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "sql.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Rows that lie in slots at once: as many as COPY has. */
#define ROWS_AT_ONCE	64

static Oid
our_relation(const char *name)
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

static LhKnown *
make_known(void)
{
	MemoryContext save = MemoryContextSwitchTo(TopMemoryContext);
	LhKnown    *known = palloc0_object(LhKnown);

	if (all_known == NIL)
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	all_known = lappend(all_known, known);
	MemoryContextSwitchTo(save);
	return known;
}

/* What a statement that begins now would see, with what this transaction has done before it. */
static Snapshot
snapshot_now(bool latest)
{
	Snapshot	snapshot;

	CommandCounterIncrement();
	PushCopiedSnapshot(latest ? GetLatestSnapshot() : GetTransactionSnapshot());
	UpdateActiveSnapshotCommandId();
	snapshot = RegisterSnapshot(GetActiveSnapshot());
	PopActiveSnapshot();
	return snapshot;
}

/* Searching ---------------------------------------------------------------------------------- */

static AttrNumber
column_number(Relation rel, const char *name)
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
	index_close(index, NoLock);
	return found ? relid : InvalidOid;
}

/* Learn which table and index it is now. */
static void
study_index(LhIndex *by)
{
	Relation	rel;

	if (by->known == NULL)
		by->known = make_known();
	by->known->relid = our_relation(by->table);
	by->known->still = true;	/* a change that we learn of meanwhile counts */
	by->known->index = InvalidOid;
	rel = table_open(by->known->relid, AccessShareLock);
	for (int i = 0; i < by->ncolumns; i++)
		by->numbers[i] = column_number(rel, by->columns[i]);
	by->known->index = find_index(by, rel);
	table_close(rel, NoLock);
}

/* Its table, locked: from then on what we know stays true. */
static Relation
open_known(LhIndex *by)
{
	Relation	rel;

	for (;;)
	{
		if (by->known == NULL || !by->known->still)
			study_index(by);
		rel = try_relation_open(by->known->relid, AccessShareLock);
		if (rel != NULL && by->known->still)
			return rel;
		if (rel != NULL)
			relation_close(rel, NoLock);
		by->known->still = false;
	}
}

static void
begin_search(LhSearch *search, LhIndex *by, bool latest)
{
	memset(search, 0, sizeof(*search));
	search->snapshot = snapshot_now(latest);
	search->by = by;
	search->rel = open_known(by);
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
	if (search->index == NULL)
		return table_scan_getnextslot(search->table_scan, ForwardScanDirection, search->slot);
	return index_getnext_slot(search->index_scan, ForwardScanDirection, search->slot);
}

void
lh_search_end(LhSearch *search)
{
	ExecDropSingleTupleTableSlot(search->slot);
	if (search->index != NULL)
	{
		index_endscan(search->index_scan);
		index_close(search->index, NoLock);
	}
	else
		search->by->known->still = false;	/* one may serve by the next time */
	if (search->table_scan != NULL)
		table_endscan(search->table_scan);
	table_close(search->rel, NoLock);
	UnregisterSnapshot(search->snapshot);
}

Datum
lh_search_get(const LhSearch *search, const char *column, bool *isnull)
{
	return slot_getattr(search->slot, column_number(search->rel, column), isnull);
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

/* Inserting ---------------------------------------------------------------------------------- */

struct LhTarget
{
	LhKnown    *known;			/* is what follows true still? */
	bool		plain;
	MemoryContext mcxt;
	TupleDesc	desc;			/* a copy, not counted: a resource owner searches long for one it has a thousand times */
	int			ncolumns;
	AttrNumber	columns[LH_MAX_PARAMS];
	FmgrInfo	input[LH_MAX_PARAMS];	/* of columns that come as text; fn_oid is invalid for the others */
	Oid			input_param[LH_MAX_PARAMS];
	Datum	   *fill;			/* of all columns: what those get that we don't fill */
	bool	   *fill_isnull;
	Datum	   *values;			/* room for a row */
	bool	   *isnull;
};

/* "insert into handoff.x (a, b ..)": the list of columns, and the table's name before it. */
static const char *
parse_insert(const char *sql, char *table)
{
	static const char begin[] = "insert into handoff.";
	const char *open = strchr(sql, '(');

	if (strncmp(sql, begin, strlen(begin)) != 0 || open == NULL)
		elog(ERROR, "statement is no INSERT of ours: %s", sql);
	sql += strlen(begin);
	strlcpy(table, sql, Min(NAMEDATALEN, open - sql));
	return open + 1;
}

/* Where each parameter goes; false: the types are not what they were. */
static bool
find_columns(LhTarget *target, Relation rel, const char *names, int nparams, const Oid *types)
{
	target->ncolumns = nparams;
	for (int i = 0; i < nparams; i++)
	{
		int			length = strcspn(names, ",)");
		char	   *name = pnstrdup(names, length);
		Form_pg_attribute att;
		Oid			input;

		target->columns[i] = column_number(rel, name);
		att = TupleDescAttr(target->desc, target->columns[i] - 1);
		target->input[i].fn_oid = InvalidOid;
		if (att->atttypid != get_element_type(types[i]))
		{
			if (types[i] != TEXTARRAYOID)
				return false;
			getTypeInputInfo(att->atttypid, &input, &target->input_param[i]);
			fmgr_info_cxt(input, &target->input[i], target->mcxt);
		}
		if ((names[length] == ')') != (i == nparams - 1))
			elog(ERROR, "INSERT into \"%s\" has not %d columns", RelationGetRelationName(rel), nparams);
		names += length + 1 + strspn(names + length + 1, " ");
	}
	return true;
}

static bool
is_filled(const LhTarget *target, int nparams, int column)
{
	for (int i = 0; i < nparams; i++)
		if (target->columns[i] == column)
			return true;
	return false;
}

/* What a column gets that we don't fill; false: not the same in every row. */
static bool
find_default(LhTarget *target, Relation rel, int column)
{
	Form_pg_attribute att = TupleDescAttr(target->desc, column - 1);
	Node	   *value;

	target->fill_isnull[column - 1] = true;
	if (att->attisdropped)
		return true;
	if (att->attgenerated != '\0')
		return att->attgenerated == ATTRIBUTE_GENERATED_STORED;	/* insert_some() */
	if (att->attidentity != '\0' || get_typtype(att->atttypid) == TYPTYPE_DOMAIN)
		return false;
	if (!att->atthasdef)
		return true;
	value = eval_const_expressions(NULL, build_column_default(rel, column));
	if (!IsA(value, Const))
		return false;
	target->fill_isnull[column - 1] = castNode(Const, value)->constisnull;
	if (!castNode(Const, value)->constisnull)
		target->fill[column - 1] = datumCopy(castNode(Const, value)->constvalue, att->attbyval, att->attlen);
	return true;
}

static bool
is_plain(LhTarget *target, Relation rel, const char *names, int nparams, const Oid *types)
{
	if (rel->rd_rel->relkind != RELKIND_RELATION || rel->trigdesc != NULL || rel->rd_rules != NULL ||
		rel->rd_rel->relforcerowsecurity || rel->rd_rel->relispartition ||
		!find_columns(target, rel, names, nparams, types))
		return false;
	for (int column = 1; column <= target->desc->natts; column++)
		if (!is_filled(target, nparams, column) && !find_default(target, rel, column))
			return false;
	return true;
}

/* Learn what the table is like now; it is locked. */
static void
study_table(LhTarget *target, Relation rel, const char *names, int nparams, const Oid *types)
{
	MemoryContext save;

	MemoryContextReset(target->mcxt);
	save = MemoryContextSwitchTo(target->mcxt);
	target->known->relid = RelationGetRelid(rel);
	target->known->still = true;
	target->desc = CreateTupleDescCopyConstr(RelationGetDescr(rel));
	target->fill = palloc0_array(Datum, target->desc->natts);
	target->fill_isnull = palloc0_array(bool, target->desc->natts);
	target->values = palloc_array(Datum, target->desc->natts);
	target->isnull = palloc_array(bool, target->desc->natts);
	target->plain = is_plain(target, rel, names, nparams, types);
	MemoryContextSwitchTo(save);
}

static LhTarget *
make_target(void)
{
	LhTarget   *target = MemoryContextAllocZero(TopMemoryContext, sizeof(LhTarget));

	target->known = make_known();
	target->mcxt = AllocSetContextCreate(TopMemoryContext, "lead_handoff target", ALLOCSET_SMALL_SIZES);
	return target;
}

bool
lh_target_open(LhTarget **target, const char *sql, int nparams, const Oid *types)
{
	char		table[NAMEDATALEN];
	const char *names = parse_insert(sql, table);
	Relation	rel = table_open(our_relation(table), RowExclusiveLock);

	if (*target == NULL)
		*target = make_target();
	if (!(*target)->known->still || (*target)->known->relid != RelationGetRelid(rel))
		study_table(*target, rel, names, nparams, types);
	table_close(rel, NoLock);
	return (*target)->plain;
}

HeapTuple
lh_target_row(LhTarget *target, const Datum *values, const bool *isnull, MemoryContext mcxt)
{
	MemoryContext save;
	HeapTuple	row;

	memcpy(target->values, target->fill, sizeof(Datum) * target->desc->natts);
	memcpy(target->isnull, target->fill_isnull, sizeof(bool) * target->desc->natts);
	for (int i = 0; i < target->ncolumns; i++)
	{
		int			at = target->columns[i] - 1;

		target->isnull[at] = isnull != NULL && isnull[i];
		target->values[at] = values[i];
		if (!target->isnull[at] && OidIsValid(target->input[i].fn_oid))
			target->values[at] = InputFunctionCall(&target->input[i], TextDatumGetCString(values[i]),
												   target->input_param[i], -1);
	}
	save = MemoryContextSwitchTo(mcxt);
	row = heap_form_tuple(target->desc, target->values, target->isnull);
	MemoryContextSwitchTo(save);
	return row;
}

static TupleTableSlot **
make_slots(TupleDesc desc, int n)
{
	TupleTableSlot **slots = palloc_array(TupleTableSlot *, n);

	for (int i = 0; i < n; i++)
		slots[i] = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
	return slots;
}

static void
drop_slots(TupleTableSlot **slots, int n)
{
	for (int i = 0; i < n; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
	pfree(slots);
}

static void
insert_some(ResultRelInfo *target, EState *estate, TupleTableSlot **slots, HeapTuple *rows, int n)
{
	Relation	rel = target->ri_RelationDesc;
	TupleConstr *constr = RelationGetDescr(rel)->constr;

	for (int i = 0; i < n; i++)
	{
		ExecStoreHeapTuple(rows[i], slots[i], false);
		slots[i]->tts_tableOid = RelationGetRelid(rel);
		if (constr != NULL && constr->has_generated_stored)
			ExecComputeStoredGenerated(target, estate, slots[i], CMD_INSERT);
		if (constr != NULL)
			ExecConstraints(target, slots[i], estate);
	}
	table_multi_insert(rel, slots, n, GetCurrentCommandId(true), 0, NULL);
	for (int i = 0; i < n; i++)
	{
		if (target->ri_NumIndices > 0)
			lh_insert_index_tuples(target, slots[i], estate);
		ResetPerTupleExprContext(estate);
		ExecClearTuple(slots[i]);
	}
}

/* A page of rows with one WAL record, as COPY does it. */
void
lh_target_insert(LhTarget *into, HeapTuple *rows, int n)
{
	Relation	rel = table_open(into->known->relid, NoLock);
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *target = makeNode(ResultRelInfo);
	int			nslots = Min(n, ROWS_AT_ONCE);
	TupleTableSlot **slots = make_slots(into->desc, nslots);

	PreventCommandIfReadOnly("INSERT");
	InitResultRelInfo(target, rel, 0, NULL, 0);
	ExecOpenIndices(target, false);
	for (int i = 0; i < n; i += nslots)
	{
		CHECK_FOR_INTERRUPTS();
		insert_some(target, estate, slots, rows + i, Min(nslots, n - i));
	}
	ExecCloseIndices(target);
	pfree(target);
	drop_slots(slots, nslots);
	FreeExecutorState(estate);
	table_close(rel, NoLock);
	CommandCounterIncrement();
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
	Relation	rel = table_open(our_relation(table), RowExclusiveLock);
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
