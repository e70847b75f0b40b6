/*
 * src/lookup.c
 *
 * The answer of a statement that looks rows of a table up by an index, without the executor: see sql.h.
 *
 * Starting the executor costs more than the rest of reading one row of a wide table: it makes a descriptor of the
 * answer and compiles every column, each time.  Here the server still parses, plans and keeps the plan, and says when
 * that is outdated; what the plan comes to is compiled once and kept beside it.  Only a plan that is no more than one
 * index scan is taken: no filter (row security is one), no subplan, no partition, and no function that is not built
 * in.  Anything else runs as ever.
 */
#include "sql.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "executor/nodeIndexscan.h"
#include "nodes/nodeFuncs.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

typedef struct LhLookup
{
	int			generation;		/* of the plan that it was made from */
	bool		possible;		/* the plan is one that we take */
	Oid			relid;
	Oid			index;
	ExprContext *context;
	ParamListInfo params;
	ProjectionInfo *columns;
	ScanKey		keys;
	int			nkeys;
	IndexRuntimeKeyInfo *key_values;
	int			nkey_values;
} LhLookup;

/* Compiling ---------------------------------------------------------------------------------- */

/* Columns of the row, constants, parameters, and what is built in. */
static bool
asks_more(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubPlan) || IsA(node, AlternativeSubPlan) || (IsA(node, Var) && castNode(Var, node)->varattno <= 0) ||
		(IsA(node, Param) && castNode(Param, node)->paramkind != PARAM_EXTERN) || lh_is_foreign(node))
		return true;
	return expression_tree_walker(node, asks_more, context);
}

/* The scan that the plan consists of; NULL: it is something else. */
static IndexScan *
only_scan(const CachedPlan *plan)
{
	PlannedStmt *statement = linitial_node(PlannedStmt, plan->stmt_list);
	IndexScan  *scan;
	RangeTblEntry *table;

	if (list_length(plan->stmt_list) != 1 || statement->commandType != CMD_SELECT || statement->subplans != NIL ||
		statement->rowMarks != NIL || list_length(statement->rtable) != 1 || !IsA(statement->planTree, IndexScan))
		return NULL;
	scan = castNode(IndexScan, statement->planTree);
	table = linitial_node(RangeTblEntry, statement->rtable);
	if (table->rtekind != RTE_RELATION || table->relkind != RELKIND_RELATION || scan->scan.plan.qual != NIL ||
		scan->scan.plan.initPlan != NIL || scan->indexorderby != NIL ||
		asks_more((Node *) scan->scan.plan.targetlist, NULL) || asks_more((Node *) scan->indexqual, NULL))
		return NULL;
	return scan;
}

static void
compile(LhLookup *lookup, const IndexScan *scan, Relation rel, int nparams)
{
	List	   *targets = copyObject(scan->scan.plan.targetlist);
	Relation	index = index_open(scan->indexid, AccessShareLock);

	lookup->relid = RelationGetRelid(rel);
	lookup->index = scan->indexid;
	lookup->context = CreateStandaloneExprContext();
	lookup->params = makeParamList(nparams);
	lookup->context->ecxt_param_list_info = lookup->params;
	lookup->columns = ExecBuildProjectionInfo(targets, lookup->context,
											  MakeSingleTupleTableSlot(ExecTypeFromTL(targets), &TTSOpsVirtual),
											  NULL, RelationGetDescr(rel));
	ExecIndexBuildScanKeys(NULL, index, copyObject(scan->indexqual), false, &lookup->keys, &lookup->nkeys,
						   &lookup->key_values, &lookup->nkey_values, NULL, NULL);
	index_close(index, AccessShareLock);
}

/* The table of a plan is locked while we hold the plan. */
static LhLookup *
study_plan(LhStatement *statement, const CachedPlan *plan)
{
	IndexScan  *scan = only_scan(plan);
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "lead_handoff lookup", ALLOCSET_SMALL_SIZES);
	MemoryContext save = MemoryContextSwitchTo(mcxt);
	LhLookup   *lookup = palloc0_object(LhLookup);

	lookup->generation = plan->generation;
	lookup->possible = scan != NULL;
	if (scan != NULL)
	{
		PlannedStmt *planned = linitial_node(PlannedStmt, plan->stmt_list);
		Relation	rel = relation_open(linitial_node(RangeTblEntry, planned->rtable)->relid, NoLock);

		compile(lookup, scan, rel, statement->nparams);
		relation_close(rel, NoLock);
	}
	MemoryContextSwitchTo(save);
	lh_lookup_forget(statement);
	MemoryContextSetParent(mcxt, CacheMemoryContext);
	statement->lookup = lookup;
	return lookup;
}

void
lh_lookup_forget(LhStatement *statement)
{
	if (statement->lookup != NULL)
		MemoryContextDelete(GetMemoryChunkContext(statement->lookup));
	statement->lookup = NULL;
}

/* Looking up ----------------------------------------------------------------------------------- */

static void
set_params(const LhStatement *statement, const Datum *values)
{
	ParamListInfo params = statement->lookup->params;

	for (int i = 0; i < statement->nparams; i++)
	{
		params->params[i].value = values[i];
		params->params[i].isnull = false;
		params->params[i].pflags = 0;
		params->params[i].ptype = statement->types[i];
	}
}

static void
begin_scan(LhLookupScan *scan)
{
	LhLookup   *lookup = scan->lookup;

	lh_push_snapshot(false);
	scan->rel = relation_open(lookup->relid, NoLock);
	scan->index = index_open(lookup->index, AccessShareLock);
	scan->slot = table_slot_create(scan->rel, NULL);
	ResetExprContext(lookup->context);
	ExecIndexEvalRuntimeKeys(lookup->context, lookup->key_values, lookup->nkey_values);
	scan->scan = lh_index_beginscan(scan->rel, scan->index, GetActiveSnapshot(), lookup->nkeys);
	index_rescan(scan->scan, lookup->keys, lookup->nkeys, NULL, 0);
}

bool
lh_lookup_begin(LhLookupScan *scan, LhStatement *statement, const Datum *values)
{
	CachedPlan *plan;

	lh_prepare(statement);
	plan = SPI_plan_get_cached_plan(statement->plan);
	if (plan == NULL)
		return false;
	scan->plan = plan;
	scan->lookup = statement->lookup;
	if (scan->lookup == NULL || scan->lookup->generation != plan->generation)
		scan->lookup = study_plan(statement, plan);
	if (!scan->lookup->possible)
	{
		ReleaseCachedPlan(plan, CurrentResourceOwner);
		return false;
	}
	lh_check_permissions(linitial_node(PlannedStmt, plan->stmt_list));
	set_params(statement, values);
	begin_scan(scan);
	return true;
}

/* What a column comes to lies in the context that the next lookup empties: a key has few rows. */
TupleTableSlot *
lh_lookup_next(LhLookupScan *scan)
{
	if (!index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot))
		return NULL;
	scan->lookup->context->ecxt_scantuple = scan->slot;
	return ExecProject(scan->lookup->columns);
}

void
lh_lookup_end(LhLookupScan *scan)
{
	ExecClearTuple(scan->lookup->columns->pi_state.resultslot);
	index_endscan(scan->scan);
	index_close(scan->index, AccessShareLock);
	ExecDropSingleTupleTableSlot(scan->slot);
	relation_close(scan->rel, NoLock);
	PopActiveSnapshot();
	ReleaseCachedPlan(scan->plan, CurrentResourceOwner);
}
