/*
 * src/flow/stream.c
 *
 * The rows of a source's table, pulled through PostgreSQL's own executor.
 *
 * The drain reads single rows by key as the table's owner (source.c).  Here somebody asks for all of
 * them in a query of his own, so they are read with his rights, by the plan of a plain SELECT of the
 * columns needed: privileges, row security and partitions need no thought of ours.  It runs under his
 * search_path too, since a policy's functions may rely on it.
 *
 * What is selected is one text, as the drain has it, of key columns and casts.  After it is analyzed,
 * we split it: the plan reads the plain columns, and the casts become a projection of our own over what
 * the plan gives.  So when a cast fails we know the key of the row, and can name it.
 *
 * Life of a stream: its query is started once and run for some rows at a time, like a cursor's, with
 * the snapshot it was started with.  All it holds (pins, locks, the snapshot) belongs to the resource
 * owner of the query around it, and is gone after an error; without one, whoever opened the stream
 * closes it.
 */
#include "flow/stream.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

typedef struct KeyColumn
{
	AttrNumber	place;			/* in what the plan gives */
	FmgrInfo	out;
	bool		is_text;		/* what its output function prints is what it holds */
	bool		padded;			/* char(n): blanks at the end don't count */
} KeyColumn;

struct LhStream
{
	DestReceiver receiver;		/* must be first */
	const LhSource *source;
	char	   *sql;
	const char *zone;
	LhStreamTaker take;
	void	   *arg;

	QueryDesc  *query;
	KeyColumn  *keys;
	ExprContext *context;
	ProjectionInfo *casts;		/* all but the key columns */
	bool		at_end;
	uint64		nrows;			/* of the pull at hand */
	const char *raw_key;		/* of the row whose values are being cast; NULL: none is */
};

/* Splitting the statement -------------------------------------------------------------------- */

/* The place of a column among those that the plan reads, of TargetEntry *; a new one comes last. */
static int
column_place(List **plain, const Var *var)
{
	ListCell   *lc;
	int			place = list_length(*plain) + 1;

	foreach(lc, *plain)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		if (((Var *) entry->expr)->varattno == var->varattno)
			return entry->resno;
	}
	*plain = lappend(*plain, makeTargetEntry((Expr *) copyObject(var), place, psprintf("c%d", place), false));
	return place;
}

/* An expression over the table as one over what the plan gives; context: the columns so far. */
static Node *
over_plain_columns(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var		   *var = copyObject((Var *) node);

		var->varattno = column_place(context, (Var *) node);
		var->varno = OUTER_VAR;
		return (Node *) var;
	}
	return expression_tree_mutator(node, over_plain_columns, context);
}

static void
add_key(LhStream *stream, int i, const Var *column)
{
	KeyColumn  *key = &stream->keys[i];
	Oid			out;
	bool		varlena;

	getTypeOutputInfo(column->vartype, &out, &varlena);
	fmgr_info(out, &key->out);
	key->place = column->varattno;
	key->is_text = column->vartype == TEXTOID || column->vartype == VARCHAROID;
	key->padded = column->vartype == BPCHAROID;
}

/* Leave the plain columns in the query; what it selects behind the keys becomes stream->casts. */
static void
split(LhStream *stream, Query *query)
{
	int			nkeys = stream->source->nkeys;
	List	   *plain = NIL;
	List	   *casts = NIL;
	ListCell   *lc;

	stream->keys = palloc0_array(KeyColumn, nkeys);
	foreach(lc, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);
		Node	   *expr = over_plain_columns((Node *) entry->expr, &plain);

		if (entry->resno <= nkeys)
			add_key(stream, entry->resno - 1, castNode(Var, expr));
		else
			casts = lappend(casts, makeTargetEntry(expression_planner((Expr *) expr),
												   entry->resno - nkeys, entry->resname, false));
	}
	query->targetList = plain;
	stream->context = CreateStandaloneExprContext();
	stream->casts = ExecBuildProjectionInfo(casts, stream->context,
											MakeSingleTupleTableSlot(ExecTypeFromTL(casts), &TTSOpsVirtual),
											NULL, NULL);
}

/* Rows --------------------------------------------------------------------------------------- */

/* As capture() writes it into the inbox. */
static char *
key_of(const LhStream *stream, TupleTableSlot *slot)
{
	int			nkeys = stream->source->nkeys;
	StringInfoData json;

	if (nkeys > 1)
		initStringInfo(&json);
	for (int i = 0; i < nkeys; i++)
	{
		KeyColumn  *key = &stream->keys[i];
		bool		isnull;
		Datum		value = slot_getattr(slot, key->place, &isnull);
		char	   *part;

		if (isnull)
			return NULL;
		part = key->is_text ? TextDatumGetCString(value) : OutputFunctionCall(&key->out, value);
		if (key->padded)
			part[bpchartruelen(part, strlen(part))] = '\0';
		if (nkeys == 1)
			return part;
		appendStringInfoChar(&json, i == 0 ? '[' : ',');
		escape_json(&json, part);
	}
	appendStringInfoChar(&json, ']');
	return json.data;
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *receiver)
{
	LhStream   *stream = (LhStream *) receiver;
	MemoryContext save = MemoryContextSwitchTo(stream->context->ecxt_per_tuple_memory);
	TupleTableSlot *values;
	char	   *raw_key = key_of(stream, slot);

	stream->nrows++;
	stream->raw_key = raw_key == NULL ? "" : raw_key;
	stream->context->ecxt_outertuple = slot;
	values = ExecProject(stream->casts);
	stream->raw_key = NULL;
	stream->take(stream->arg, raw_key, values->tts_values, values->tts_isnull);
	MemoryContextSwitchTo(save);
	ResetExprContext(stream->context);
	return true;
}

static void
start_receiving(DestReceiver *receiver, int operation, TupleDesc desc)
{
}

static void
stop_receiving(DestReceiver *receiver)
{
}

static void
name_row(void *arg)
{
	LhStream   *stream = arg;

	if (stream->raw_key != NULL)
		errcontext("row \"%s\" of source \"%s\"", stream->raw_key, stream->source->name);
}

/* Opening, pulling, closing ------------------------------------------------------------------ */

/* Names in our text are resolved under our own search_path, not the caller's. */
static Query *
analyze(LhStream *stream, const bool *asked)
{
	const LhSource *source = stream->source;
	Oid			schema = get_namespace_oid(source->schema_name, true);
	Oid			relid = OidIsValid(schema) ? get_relname_relid(source->table_name, schema) : InvalidOid;
	LhWorld		world;
	Relation	rel;
	Query	   *query;

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_LH_SOURCE_CHANGED),
				 errmsg("the table of source \"%s\" is not there", source->name),
				 errhint("It comes back with the next sync, or detach the source with handoff.detach().")));
	lh_enter(&world, false);
	rel = relation_open(relid, AccessShareLock);
	stream->sql = lh_source_select(source, rel, asked);
	relation_close(rel, NoLock);
	query = parse_analyze_fixedparams(linitial_node(RawStmt, pg_parse_query(stream->sql)),
									  stream->sql, NULL, 0, NULL);
	lh_leave(&world);
	return query;
}

LhStream *
lh_stream_open(const LhSource *source, const bool *asked, const char *zone, LhStreamTaker take, void *arg)
{
	LhStream   *stream = palloc0_object(LhStream);
	Query	   *query;
	PlannedStmt *plan;

	stream->receiver.receiveSlot = receive_row;
	stream->receiver.rStartup = start_receiving;
	stream->receiver.rShutdown = stop_receiving;
	stream->receiver.rDestroy = stop_receiving;
	stream->receiver.mydest = DestNone;
	stream->source = source;
	stream->zone = zone;
	stream->take = take;
	stream->arg = arg;

	query = analyze(stream, asked);
	split(stream, query);
	plan = pg_plan_query(linitial_node(Query, QueryRewrite(query)), stream->sql, 0, NULL);
	stream->query = CreateQueryDesc(plan, stream->sql, GetActiveSnapshot(), InvalidSnapshot,
									&stream->receiver, NULL, NULL, 0);
	ExecutorStart(stream->query, EXEC_FLAG_SKIP_TRIGGERS);
	return stream;
}

/*
 * Values are cast under the settings that a decision has: a date in text means the same to both.  The
 * table's policies see them as well, but under the caller's search_path.
 */
bool
lh_stream_pull(LhStream *stream, uint64 n)
{
	ErrorContextCallback callback = {.previous = error_context_stack,.callback = name_row,.arg = stream};
	int			guc_nest;

	/* a scan that is asked again behind its end begins anew */
	if (stream->at_end)
		return false;
	guc_nest = NewGUCNestLevel();
	lh_set_local("DateStyle", "ISO, YMD");
	lh_set_local("IntervalStyle", "postgres");
	lh_set_local("extra_float_digits", "1");
	lh_set_zone(stream->zone);
	error_context_stack = &callback;
	PushActiveSnapshot(stream->query->snapshot);

	stream->nrows = 0;
	lh_executor_run(stream->query, n);

	PopActiveSnapshot();
	error_context_stack = callback.previous;
	AtEOXact_GUC(true, guc_nest);
	stream->at_end = n == 0 || stream->nrows < n;
	return !stream->at_end;
}

void
lh_stream_close(LhStream *stream)
{
	PushActiveSnapshot(stream->query->snapshot);
	ExecutorFinish(stream->query);
	ExecutorEnd(stream->query);
	PopActiveSnapshot();
	FreeQueryDesc(stream->query);
	FreeExprContext(stream->context, true);
}
