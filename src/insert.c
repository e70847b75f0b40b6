/*
 * src/insert.c
 *
 * Rows into our own tables without the executor: see table.h.
 *
 * Nothing that the server would do is left out: the table is locked as an INSERT would lock it, NOT NULL and
 * CHECK are asked, defaults filled in, indexes written.  What only the executor can do (triggers, rules, forced row security,
 * generated columns, an exclusion constraint, a check that calls somebody's function) makes a table one that
 * is written by statements.  What is found out about a table, with its checks and predicates compiled, is kept
 * until the server tells of a change; the executor finds it out for each statement, which is most of what
 * inserting one row costs.
 */
#include "table.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "rewrite/rewriteHandler.h"
#include "sql.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* Rows that lie in slots at once: few enough to stay in the processor's cache until their indexes are written. */
#define ROWS_AT_ONCE	64

/* Knowing the table -------------------------------------------------------------------------- */

/* An index of it. */
typedef struct TargetIndex
{
	Oid			relid;
	IndexInfo  *info;
	IndexUniqueCheck unique;
	ExprState  *predicate;		/* NULL: it has every row */
	List	   *expressions;	/* of ExprState *: what it has besides columns */
} TargetIndex;

struct LhTarget
{
	LhKnown    *known;			/* is what follows true still? */
	bool		plain;
	MemoryContext mcxt;
	ExprContext *context;		/* in which checks and predicates are asked */
	List	   *checks;			/* of ExprState * */
	List	   *indexes;		/* of TargetIndex * */
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

		target->columns[i] = lh_column_number(rel, name);
		att = TupleDescAttr(target->desc, target->columns[i] - 1);
		target->input[i].fn_oid = InvalidOid;
		if (att->atttypmod >= 0)
			return false;		/* of a length, or rounded */
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
	if (att->attgenerated != '\0' || att->attidentity != '\0' || get_typtype(att->atttypid) == TYPTYPE_DOMAIN)
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
is_not_built_in(Oid function, void *context)
{
	return function >= FirstNormalObjectId;
}

/* What is built in stays what it is; for anything else somebody would have to tell us of a change. */
bool
lh_is_foreign(Node *node)
{
	return IsA(node, CoerceToDomain) || check_functions_in_node(node, is_not_built_in, NULL);
}

static bool
asks_others(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return lh_is_foreign(node) || expression_tree_walker(node, asks_others, context);
}

static bool
find_checks(LhTarget *target)
{
	TupleConstr *constr = target->desc->constr;

	target->checks = NIL;
	for (int i = 0; constr != NULL && i < constr->num_check; i++)
	{
		Node	   *check = stringToNode(constr->check[i].ccbin);

		if (asks_others(check, NULL))
			return false;
		if (lh_is_enforced(constr->check[i]))
			target->checks = lappend(target->checks, ExecInitExpr(expression_planner((Expr *) check), NULL));
	}
	return true;
}

/* An index that a row enters at once, or not; what it asks of the row is built in. */
static bool
is_simple_index(Relation index, const IndexInfo *info)
{
	return (index->rd_rel->relam == BTREE_AM_OID || index->rd_rel->relam == GIN_AM_OID) &&
		info->ii_ReadyForInserts && info->ii_ExclusionOps == NULL && index->rd_index->indimmediate &&
		!asks_others((Node *) info->ii_Predicate, NULL) && !asks_others((Node *) info->ii_Expressions, NULL);
}

static void
compile_index(TargetIndex *known)
{
	ListCell   *lc;

	known->predicate = ExecInitQual((List *) expression_planner((Expr *) known->info->ii_Predicate), NULL);
	foreach(lc, known->info->ii_Expressions)
		known->expressions = lappend(known->expressions, ExecInitExpr(expression_planner(lfirst(lc)), NULL));
}

static bool
find_indexes(LhTarget *target, Relation rel)
{
	ListCell   *lc;
	bool		simple = true;

	target->indexes = NIL;
	foreach(lc, RelationGetIndexList(rel))
	{
		Relation	index = index_open(lfirst_oid(lc), RowExclusiveLock);
		TargetIndex *known = palloc0_object(TargetIndex);

		known->relid = lfirst_oid(lc);
		known->info = BuildIndexInfo(index);
		known->unique = index->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO;
		simple = simple && is_simple_index(index, known->info);
		if (simple)
			compile_index(known);
		index_close(index, RowExclusiveLock);
		target->indexes = lappend(target->indexes, known);
	}
	return simple;
}

static bool
is_plain(LhTarget *target, Relation rel, const char *names, int nparams, const Oid *types)
{
	if (rel->rd_rel->relkind != RELKIND_RELATION || rel->trigdesc != NULL || rel->rd_rules != NULL ||
		rel->rd_rel->relforcerowsecurity || rel->rd_rel->relispartition ||
		!find_columns(target, rel, names, nparams, types) || !find_checks(target) || !find_indexes(target, rel))
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
	target->known->complete = false;
	target->known->still = true;
	target->desc = CreateTupleDescCopyConstr(RelationGetDescr(rel));
	target->fill = palloc0_array(Datum, target->desc->natts);
	target->fill_isnull = palloc0_array(bool, target->desc->natts);
	target->values = palloc_array(Datum, target->desc->natts);
	target->isnull = palloc_array(bool, target->desc->natts);
	target->context = CreateStandaloneExprContext();
	target->plain = is_plain(target, rel, names, nparams, types);
	target->known->complete = true;
	MemoryContextSwitchTo(save);
}

static LhTarget *
make_target(void)
{
	LhTarget   *target = MemoryContextAllocZero(TopMemoryContext, sizeof(LhTarget));

	target->known = lh_make_known();
	target->mcxt = AllocSetContextCreate(TopMemoryContext, "lead_handoff target", ALLOCSET_SMALL_SIZES);
	return target;
}

bool
lh_target_open(LhTarget **target, const char *sql, int nparams, const Oid *types)
{
	Relation	rel;

	if (*target == NULL)
		*target = make_target();
	rel = lh_open_known((*target)->known, RowExclusiveLock);
	if (rel == NULL)
	{
		char		table[NAMEDATALEN];
		const char *names = parse_insert(sql, table);

		rel = table_open(lh_our_relation(table), RowExclusiveLock);
		study_table(*target, rel, names, nparams, types);
	}
	table_close(rel, NoLock);
	return (*target)->plain;
}

/* Rows --------------------------------------------------------------------------------------- */

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

/* Is there what must be there, and do the checks hold? */
static bool
is_valid(const LhTarget *target, HeapTuple row, TupleTableSlot *slot)
{
	ListCell   *lc;

	for (int i = 0; HeapTupleHasNulls(row) && i < target->desc->natts; i++)
		if (TupleDescAttr(target->desc, i)->attnotnull && heap_attisnull(row, i + 1, NULL))
			return false;
	target->context->ecxt_scantuple = slot;
	foreach(lc, target->checks)
		if (!ExecCheck(lfirst(lc), target->context))
			return false;
	return true;
}

/* The executor says what is wrong with a row. */
static void
refuse(Relation rel, TupleTableSlot *slot)
{
	ResultRelInfo *result = makeNode(ResultRelInfo);

	InitResultRelInfo(result, rel, 0, NULL, 0);
	ExecConstraints(result, slot, CreateExecutorState());
	elog(ERROR, "a row of \"%s\" is not valid", RelationGetRelationName(rel));
}

/* What an index has of a row. */
static void
index_values(const LhTarget *target, const TargetIndex *known, TupleTableSlot *slot, Datum *values, bool *isnull)
{
	ListCell   *next = list_head(known->expressions);

	for (int k = 0; k < known->info->ii_NumIndexAttrs; k++)
	{
		AttrNumber	column = known->info->ii_IndexAttrNumbers[k];

		if (column != 0)
			values[k] = slot_getattr(slot, column, &isnull[k]);
		else
		{
			values[k] = ExecEvalExprSwitchContext(lfirst(next), target->context, &isnull[k]);
			next = lnext(known->expressions, next);
		}
	}
}

/*
 * An index of a table that we have locked as a writer does.  To rebuild it, somebody must keep writers out of the
 * table, and to drop it everybody: a lock of its own would cost as much again.
 */
static Relation
open_index(Oid relid)
{
	Relation	index = RelationIdGetRelation(relid);

	if (!RelationIsValid(index))
		elog(ERROR, "could not open index %u", relid);
	pgstat_init_relation(index);
	return index;
}

/* An index that no row enters is not opened: of eight on leads, half are for the few. */
static void
insert_into_index(const LhTarget *target, const TargetIndex *known, Relation rel, TupleTableSlot **slots, int n)
{
	Relation	index = NULL;
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	known->info->ii_AmCache = NULL;
	known->info->ii_Context = CurrentMemoryContext;
	for (int i = 0; i < n; i++)
	{
		target->context->ecxt_scantuple = slots[i];
		if (!ExecQual(known->predicate, target->context))
			continue;
		if (index == NULL)
			index = open_index(known->relid);
		index_values(target, known, slots[i], values, isnull);
		index_insert(index, values, isnull, &slots[i]->tts_tid, rel, known->unique, false, known->info);
	}
	if (index != NULL)
		RelationClose(index);
}

/* Some rows, a page of them with one WAL record, as COPY does it. */
static void
insert_some(const LhTarget *target, Relation rel, TupleTableSlot **slots, HeapTuple *rows, int n)
{
	ListCell   *lc;

	for (int i = 0; i < n; i++)
	{
		ExecStoreHeapTuple(rows[i], slots[i], false);
		slots[i]->tts_tableOid = RelationGetRelid(rel);
		if (!is_valid(target, rows[i], slots[i]))
			refuse(rel, slots[i]);
		ResetExprContext(target->context);
	}
	table_multi_insert(rel, slots, n, GetCurrentCommandId(true), 0, NULL);
	foreach(lc, target->indexes)
		insert_into_index(target, lfirst(lc), rel, slots, n);
	for (int i = 0; i < n; i++)
		ExecClearTuple(slots[i]);
}

void
lh_target_insert(LhTarget *target, HeapTuple *rows, int n)
{
	Relation	rel = table_open(target->known->relid, NoLock);
	int			nslots = Min(n, ROWS_AT_ONCE);
	TupleTableSlot **slots = palloc_array(TupleTableSlot *, nslots);

	PreventCommandIfReadOnly("INSERT");
	for (int i = 0; i < nslots; i++)
		slots[i] = MakeSingleTupleTableSlot(target->desc, &TTSOpsHeapTuple);
	for (int i = 0; i < n; i += nslots)
	{
		CHECK_FOR_INTERRUPTS();
		insert_some(target, rel, slots, rows + i, Min(nslots, n - i));
	}
	for (int i = 0; i < nslots; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
	pfree(slots);
	ResetExprContext(target->context);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}
