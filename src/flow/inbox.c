/*
 * src/flow/inbox.c
 *
 * Captured keys go into handoff.inbox past the executor, a page of rows with one WAL record, as COPY
 * does it: the writer of a synced table waits for this, and through INSERT .. SELECT unnest() it was
 * four fifths of what capture costs.
 *
 * It is our own table, made by setup() and emptied by the drain: a plain table without triggers,
 * constraints but NOT NULL, or row security.  If somebody has made it another kind of table, we say so
 * rather than write past what he wanted.
 */
#include "flow/inbox.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

/* Columns of handoff.inbox, which are frozen. */
enum
{
	INBOX_SOURCE,
	INBOX_RAW_KEY,
	INBOX_OP,
	INBOX_XID,
	INBOX_AT,
	INBOX_COLUMNS
};

static Relation
open_inbox(void)
{
	Oid			relid = get_relname_relid("inbox", lh_schema_oid());
	Relation	inbox;

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_LH_SETUP),
				 errmsg("table \"handoff.inbox\" does not exist"),
				 errhint("Run SELECT handoff.setup().")));
	inbox = table_open(relid, RowExclusiveLock);
	if (inbox->rd_rel->relkind != RELKIND_RELATION || inbox->trigdesc != NULL ||
		inbox->rd_rel->relrowsecurity || RelationGetNumberOfAttributes(inbox) != INBOX_COLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_LH_SETUP),
				 errmsg("table \"handoff.inbox\" is not as setup() made it"),
				 errdetail("It must be a plain table of %d columns without triggers or row security.",
						   INBOX_COLUMNS),
				 errhint("Undo what was changed.")));
	return inbox;
}

static void
fill_slots(TupleTableSlot **slots, const LhInboxRow *row, char *const *keys, int n)
{
	Datum		source = CStringGetTextDatum(row->source);
	Datum		xid = FullTransactionIdGetDatum(GetTopFullTransactionId());

	for (int i = 0; i < n; i++)
	{
		Datum	   *values = slots[i]->tts_values;

		ExecClearTuple(slots[i]);
		values[INBOX_SOURCE] = source;
		values[INBOX_RAW_KEY] = CStringGetTextDatum(keys[i]);
		values[INBOX_OP] = CharGetDatum(row->op);
		values[INBOX_XID] = xid;
		values[INBOX_AT] = TimestampTzGetDatum(row->at);
		memset(slots[i]->tts_isnull, false, sizeof(bool) * INBOX_COLUMNS);
		ExecStoreVirtualTuple(slots[i]);
	}
}

static void
insert_index_entries(Relation inbox, TupleTableSlot **slots, int n)
{
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *target = makeNode(ResultRelInfo);

	InitResultRelInfo(target, inbox, 0, NULL, 0);
	ExecOpenIndices(target, false);
	for (int i = 0; i < n && target->ri_NumIndices > 0; i++)
	{
		lh_insert_index_tuples(target, slots[i], estate);
		ResetPerTupleExprContext(estate);
	}
	ExecCloseIndices(target);
	FreeExecutorState(estate);
}

/*
 * The slots have a descriptor of their own.  The relation's is counted, and a resource owner that is to
 * remember the same one a thousand times searches ever longer for each.
 */
void
lh_inbox_insert(const LhInboxRow *row, char *const *keys, int n)
{
	Relation	inbox = open_inbox();
	TupleDesc	desc = CreateTupleDescCopy(RelationGetDescr(inbox));
	TupleTableSlot **slots = palloc_array(TupleTableSlot *, n);

	Assert(n <= LH_INBOX_KEYS);
	for (int i = 0; i < n; i++)
		slots[i] = MakeSingleTupleTableSlot(desc, table_slot_callbacks(inbox));
	fill_slots(slots, row, keys, n);
	table_multi_insert(inbox, slots, n, GetCurrentCommandId(true), 0, NULL);
	insert_index_entries(inbox, slots, n);
	for (int i = 0; i < n; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
	pfree(slots);
	FreeTupleDesc(desc);
	table_close(inbox, NoLock);
}
