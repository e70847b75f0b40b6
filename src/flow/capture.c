/*
 * src/flow/capture.c
 *
 * The trigger on a synced table.  It runs inside a stranger's transaction, so it does next to nothing:
 * the keys of the changed rows go into handoff.inbox, and one row into handoff.wake, whose deferred
 * trigger decides small transactions at their own commit (drain.c).  It casts nothing, takes no lock
 * that another lead could need, and fails only if the inbox itself can't be written.
 *
 * Arguments: the source's name, then its key columns.  Which table may feed which source is decided by
 * handoff.source, looked up before anything is written: a trigger left on a table that was replaced, or
 * made by somebody on a table of his own, inserts nothing and warns.
 *
 * What can't be told by key must not be lost.  If a key column is gone, or the table has been renamed away
 * and nothing has its name (it may come back with what was written meanwhile), one row a transaction says
 * that the whole table is to be compared.
 *
 * An UPDATE gives the keys of the new rows, and of an old row only if it differs from that of the new
 * row at its place.  It gives no key at all for a pair of equal key whose mapped columns are equal, bit
 * by bit: most of what sync tools rewrite is like that.  Rows of the two transition tables need not
 * correspond for this to be right.  Take a key whose pairs were all left out: each of its old rows stands
 * beside a new row of equal content, so what the table holds under this key has not changed.
 *
 * The columns compared are source.guard_columns, all that the mapping reads, found by name at each call;
 * they change only while nobody can write (handoff.watch()).  The version is one of them: a row that is
 * new in nothing else still counts, since the version says which later row is old news, and which of
 * several rows of a key is the newest.  When in doubt (a column is gone, the mapping can't be read) every
 * update is captured.
 *
 * A row trigger of a partition or an inheritance child stands for the table above it that is the source.
 * TRUNCATE writes such a row, too: tick() then compares the table with what we know (scan.c).
 */
#include "flow/inbox.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "sql.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/xid8.h"

PG_FUNCTION_INFO_V1(lh_capture);

#define MAX_KEY_COLUMNS	8

static LhIndex sources_by_name = {"source", "source_pkey", 1, {"name"}};

static LhStatement insert_wake = {
	"insert into handoff.wake (xid) values ($1)", 1, {XID8OID}
};

/* One run of the trigger. */
typedef struct Capture
{
	TriggerData *trigger;
	char	   *source;
	char	   *schema;
	char	   *table;
	char		op;
	TimestampTz at;
	int			ncolumns;
	AttrNumber	columns[MAX_KEY_COLUMNS];
	FmgrInfo	out[MAX_KEY_COLUMNS];
	bool		padded[MAX_KEY_COLUMNS];	/* char(n): blanks at the end don't count */
	MemoryContext keys_cxt;		/* reset after each insert */
	char	  **keys;
	int			nkeys;
	bool		attached;		/* the table, or one above it, is the source */
	bool		untold;			/* its changes can't be told by key */
	int			nguards;		/* columns to compare; -1: every update counts */
	AttrNumber *guards;
	uint64		captured;		/* rows seen */
	uint64		written;		/* rows that reached the inbox */
} Capture;

/*
 * A row that is written once a transaction: which transaction has it already, and which subtransaction wrote
 * it.  If that one is rolled back, the row is gone and must be written again.
 */
typedef struct Once
{
	FullTransactionId xid;
	SubTransactionId subid;
	char		source[NAMEDATALEN * 2 + 2];	/* that the row is about, if about one */
} Once;

static Once woken;				/* the row of handoff.wake */
static Once marked;				/* the row that says to compare a whole table */

static void
end_of_subxact(Once *once, SubXactEvent event, SubTransactionId mine, SubTransactionId parent)
{
	if (mine != once->subid)
		return;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		once->subid = parent;
	else if (event == SUBXACT_EVENT_ABORT_SUB)
		once->subid = InvalidSubTransactionId;
}

static void
subxact_ends(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	end_of_subxact(&woken, event, mine, parent);
	end_of_subxact(&marked, event, mine, parent);
}

/* Must the row be written now?  Then the caller writes it. */
static bool
is_first(Once *once, const char *source)
{
	static bool registered = false;
	FullTransactionId xid = GetTopFullTransactionId();

	if (!registered)
		RegisterSubXactCallback(subxact_ends, NULL);
	registered = true;
	if (FullTransactionIdEquals(xid, once->xid) && once->subid != InvalidSubTransactionId &&
		strcmp(once->source, source) == 0)
		return false;
	once->xid = xid;
	once->subid = GetCurrentSubTransactionId();
	strlcpy(once->source, source, sizeof(once->source));
	return true;
}

static void
check_protocol(FunctionCallInfo fcinfo)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager", "capture")));
	if (!TRIGGER_FIRED_AFTER(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired AFTER", "capture")));
	if (trigger->tg_trigger->tgnargs < 2 || trigger->tg_trigger->tgnargs > MAX_KEY_COLUMNS + 1)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" takes a source and its key columns", "capture")));
}

/* Look the key columns up by name; false if one is gone: the tool has altered its table. */
static bool
find_key_columns(Capture *capture)
{
	TupleDesc	desc = RelationGetDescr(capture->trigger->tg_relation);
	Trigger    *trigger = capture->trigger->tg_trigger;

	capture->ncolumns = trigger->tgnargs - 1;
	for (int i = 0; i < capture->ncolumns; i++)
	{
		int			attnum = SPI_fnumber(desc, trigger->tgargs[i + 1]);
		Oid			type;
		Oid			out;
		bool		varlena;

		if (attnum <= 0)
			return false;
		capture->columns[i] = attnum;
		type = TupleDescAttr(desc, attnum - 1)->atttypid;
		getTypeOutputInfo(type, &out, &varlena);
		fmgr_info(out, &capture->out[i]);
		capture->padded[i] = type == BPCHAROID;
	}
	return true;
}

/* The key of a row as text; NULL if a part is null (such a row has no name to be known by). */
static char *
key_of(Capture *capture, TupleTableSlot *slot)
{
	StringInfoData json;

	if (capture->ncolumns > 1)
		initStringInfo(&json);
	for (int i = 0; i < capture->ncolumns; i++)
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, capture->columns[i], &isnull);
		char	   *text;

		if (isnull)
			return NULL;
		text = OutputFunctionCall(&capture->out[i], value);
		if (capture->padded[i])
			text[bpchartruelen(text, strlen(text))] = '\0';
		if (capture->ncolumns == 1)
			return text;
		appendStringInfoChar(&json, i == 0 ? '[' : ',');
		escape_json(&json, text);
	}
	appendStringInfoChar(&json, ']');
	return json.data;
}

/* The columns whose change counts; -1 if that can't be told. */
static void
find_guards(Capture *capture, const LhSearch *source)
{
	TupleDesc	desc = RelationGetDescr(capture->trigger->tg_relation);
	char	  **names;
	int			n;

	capture->nguards = -1;
	if (!TRIGGER_FIRED_BY_UPDATE(capture->trigger->tg_event))
		return;
	n = lh_search_texts(source, "guard_columns", &names);
	capture->guards = palloc_array(AttrNumber, Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		int			attnum = SPI_fnumber(desc, names[i]);

		if (attnum <= 0)
			return;
		capture->guards[i] = attnum;
	}
	capture->nguards = n;
}

static bool
has_text(const LhSearch *row, const char *column, const char *text)
{
	return strcmp(lh_search_text(row, column), text) == 0;
}

/* Is it the table of the source whose name the trigger has? */
static bool
is_source(Capture *capture, const char *schema, const char *table)
{
	Datum		key = CStringGetTextDatum(capture->source);
	LhSearch	search;
	bool		found;

	lh_search_begin_latest(&search, &sources_by_name);
	found = lh_search(&search, &key) && has_text(&search, "schema_name", schema) && has_text(&search, "table_name", table);
	if (found)
		find_guards(capture, &search);
	lh_search_end(&search);
	return found;
}

/* Is this table, or one that it is a partition or child of, the source whose name the trigger has? */
static bool
find_attached(Capture *capture, Oid relid)
{
	Relation	catalog;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	check_stack_depth();
	if (is_source(capture, get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid)))
		return true;

	catalog = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while (!capture->attached && HeapTupleIsValid(tuple = systable_getnext(scan)))
		capture->attached = find_attached(capture, ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return capture->attached;
}

/* The source's table has been renamed away, and nothing has its name. */
static bool
is_away(const Capture *capture)
{
	Datum		key = CStringGetTextDatum(capture->source);
	LhSearch	search;
	Oid			schema;
	bool		away = false;

	if (capture->attached)
		return false;
	lh_search_begin_latest(&search, &sources_by_name);
	if (lh_search(&search, &key))
	{
		schema = get_namespace_oid(lh_search_text(&search, "schema_name"), true);
		away = !OidIsValid(schema) || !OidIsValid(get_relname_relid(lh_search_text(&search, "table_name"), schema));
	}
	lh_search_end(&search);
	return away;
}

/* Have the whole table compared with what we know. */
static void
mark_table(Capture *capture)
{
	LhInboxRow	row = {.source = capture->source,.op = LH_INBOX_TRUNCATED,.at = capture->at};
	char	   *no_key = "";

	if (!is_first(&marked, capture->source))
		return;
	lh_inbox_insert(&row, &no_key, 1);
	ereport(WARNING,
			(errcode(ERRCODE_LH_ATTACH),
			 capture->attached ?
			 errmsg("table \"%s.%s\" has no key column of source \"%s\" any more",
					capture->schema, capture->table, capture->source) :
			 errmsg("table \"%s.%s\" is not source \"%s\", but nothing else is",
					capture->schema, capture->table, capture->source),
			 errdetail("Which rows have changed is not known; they are found when the table is back as it was."),
			 errhint("Give it back its name and key, or attach it with handoff.attach().")));
}

static void
write_keys(Capture *capture)
{
	LhInboxRow	row = {.source = capture->source,.op = capture->op,.at = capture->at};

	if (capture->nkeys > 0 && capture->attached)
	{
		MemoryContext save = MemoryContextSwitchTo(capture->keys_cxt);

		lh_inbox_insert(&row, capture->keys, capture->nkeys);
		MemoryContextSwitchTo(save);
		capture->written += capture->nkeys;
	}
	capture->nkeys = 0;
	MemoryContextReset(capture->keys_cxt);
}

/* Make sure that the keys of one more row, old and new, have room. */
static void
make_room(Capture *capture)
{
	if (capture->nkeys >= LH_INBOX_KEYS - 1)
		write_keys(capture);
}

static void
add_key(Capture *capture, char *key)
{
	if (key == NULL)
		return;
	capture->keys[capture->nkeys++] = key;
	capture->captured++;
}

/* Bit by bit, without fetching what is stored apart if both are the same piece. */
static bool
same_value(TupleTableSlot *slot, TupleTableSlot *old, AttrNumber attnum)
{
	Form_pg_attribute attribute = TupleDescAttr(slot->tts_tupleDescriptor, attnum - 1);
	bool		isnull;
	bool		old_isnull;
	Datum		value = slot_getattr(slot, attnum, &isnull);
	Datum		old_value = slot_getattr(old, attnum, &old_isnull);

	if (isnull || old_isnull)
		return isnull == old_isnull;
	if (attribute->attlen == -1 && VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(value)) &&
		VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(old_value)) &&
		memcmp(DatumGetPointer(value), DatumGetPointer(old_value), VARSIZE_EXTERNAL(DatumGetPointer(value))) == 0)
		return true;
	return datum_image_eq(value, old_value, attribute->attbyval, attribute->attlen);
}

/* Equal in key and in all that is mapped? */
static bool
same_row(const Capture *capture, TupleTableSlot *slot, TupleTableSlot *old)
{
	if (capture->nguards < 0)
		return false;
	for (int i = 0; i < capture->ncolumns; i++)
		if (!same_value(slot, old, capture->columns[i]))
			return false;
	for (int i = 0; i < capture->nguards; i++)
		if (!same_value(slot, old, capture->guards[i]))
			return false;
	return true;
}

/* The keys of a changed row; old is the slot of the row it replaced, or NULL. */
static void
add_row(Capture *capture, TupleTableSlot *slot, TupleTableSlot *old)
{
	MemoryContext save;
	char	   *key;
	char	   *old_key = NULL;

	make_room(capture);
	save = MemoryContextSwitchTo(capture->keys_cxt);
	if (old != NULL && same_row(capture, slot, old))
	{
		MemoryContextSwitchTo(save);
		return;
	}
	key = key_of(capture, slot);
	if (old != NULL)
		old_key = key_of(capture, old);
	MemoryContextSwitchTo(save);

	add_key(capture, key);
	if (old_key != NULL && (key == NULL || strcmp(old_key, key) != 0))
		add_key(capture, old_key);
}

/* The rows of a transition table; old_rows, if given, runs beside it. */
static void
capture_tables(Capture *capture, Tuplestorestate *rows, Tuplestorestate *old_rows)
{
	TupleDesc	desc = RelationGetDescr(capture->trigger->tg_relation);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	TupleTableSlot *old_slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);

	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (old_rows != NULL && tuplestore_gettupleslot(old_rows, true, false, old_slot))
			add_row(capture, slot, old_slot);
		else
			add_row(capture, slot, NULL);
	}
	while (old_rows != NULL && tuplestore_gettupleslot(old_rows, true, false, old_slot))
	{
		CHECK_FOR_INTERRUPTS();
		add_row(capture, old_slot, NULL);
	}
	ExecDropSingleTupleTableSlot(slot);
	ExecDropSingleTupleTableSlot(old_slot);
}

static void
capture_statement(Capture *capture)
{
	TriggerData *trigger = capture->trigger;

	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		add_key(capture, pstrdup(""));
	else if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		capture_tables(capture, trigger->tg_oldtable, NULL);
	else if (trigger->tg_newtable != NULL)
		capture_tables(capture, trigger->tg_newtable, trigger->tg_oldtable);
	else
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("statement trigger on \"%s\" has no transition tables", capture->table)));
}

static void
capture_row(Capture *capture)
{
	TriggerData *trigger = capture->trigger;

	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		add_row(capture, trigger->tg_newslot, trigger->tg_trigslot);
	else
		add_row(capture, trigger->tg_trigslot, NULL);
}

/*
 * Ask for a decision at commit.  In a security-restricted operation a deferred trigger is refused (a
 * subscription's apply worker from 16 on, REFRESH MATERIALIZED VIEW): tick() will find the rows.
 */
static void
wake_drain(const Capture *capture)
{
	Datum		value = FullTransactionIdGetDatum(GetTopFullTransactionId());

	if (capture->captured > lh_inline_limit || IsolationUsesXactSnapshot())
		return;
	if (is_first(&woken, ""))
		lh_run(&insert_wake, &value, NULL);
}

static void
begin_capture(Capture *capture, TriggerData *trigger)
{
	Oid			relid = RelationGetRelid(trigger->tg_relation);

	memset(capture, 0, sizeof(*capture));
	capture->trigger = trigger;
	capture->source = trigger->tg_trigger->tgargs[0];
	capture->schema = get_namespace_name(get_rel_namespace(relid));
	capture->table = get_rel_name(relid);
	capture->op = TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? 'I' :
		TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? 'U' :
		TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ? 'D' : LH_INBOX_TRUNCATED;
	capture->at = GetCurrentTimestamp();
	capture->keys_cxt = AllocSetContextCreate(CurrentMemoryContext, "lead_handoff captured keys",
											  ALLOCSET_DEFAULT_SIZES);
	capture->keys = palloc_array(char *, LH_INBOX_KEYS);
	capture->nguards = -1;
}

/* A statement that changed no row at all has nothing to look for. */
static bool
is_empty(const TriggerData *trigger)
{
	Tuplestorestate *rows = trigger->tg_newtable != NULL ? trigger->tg_newtable : trigger->tg_oldtable;

	return TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event) && rows != NULL &&
		tuplestore_tuple_count(rows) == 0;
}

Datum
lh_capture(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	bool		restricted = InSecurityRestrictedOperation();
	Capture		capture;
	LhWorld		world;

	check_protocol(fcinfo);
	if (is_empty(trigger))
		return PointerGetDatum(NULL);
	SPI_connect();
	begin_capture(&capture, trigger);

	/* from here on our settings hold: a key prints the same whoever writes it */
	lh_enter(&world, true);
	lh_set_zone("UTC");
	capture.attached = find_attached(&capture, RelationGetRelid(trigger->tg_relation));
	capture.untold = !find_key_columns(&capture) ? capture.attached : is_away(&capture);
	if (capture.untold)
		mark_table(&capture);
	else if (TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		capture_row(&capture);
	else
		capture_statement(&capture);
	write_keys(&capture);
	if (capture.written > 0 && capture.op != LH_INBOX_TRUNCATED && lh_inline_limit > 0 && lh_enabled && !restricted)
		wake_drain(&capture);
	lh_leave(&world);
	SPI_finish();

	if (capture.captured > 0 && capture.written == 0)
		ereport(WARNING,
				(errcode(ERRCODE_LH_ATTACH),
				 errmsg("table \"%s.%s\" is not source \"%s\"; the change was not captured",
						capture.schema, capture.table, capture.source),
				 errhint("Drop the trigger, or attach the table with handoff.attach().")));
	return PointerGetDatum(NULL);
}
