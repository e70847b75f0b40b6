/*
 * src/flow/drain.c
 *
 * Working off the inbox.
 *
 * At commit: the deferred trigger on handoff.wake decides what this very transaction has captured, if
 * it is little, inside one subtransaction, under a short lock_timeout and a deadline of its own
 * (statement_timeout does not hold during COMMIT).  If a row is to blame for an error, all is done once more and
 * the culprit found.  Whatever else goes wrong, the rows stay in the inbox and the writer commits.
 *
 * At tick(): rows are claimed in the order of their transactions, many at once (a claim has to step
 * over what earlier ones have deleted), and decided in batches.
 *
 * Errors.  A batch runs in a subtransaction.  If it fails, it is halved until the culprit stands alone
 * and goes to quarantine with SQLSTATE and message; all others are decided.  What may pass by itself
 * (a deadlock, a full disk, a cancel) is nobody's fault and raised as it is.
 *
 * Locks.  Nobody is waited for.  What is likely to be held is tried, or stepped over; against the rest (the
 * table that a policy of the source's owner reads, say) there is a lock_timeout.  At tick() it costs the one
 * source whose batch ran into it this round, and nobody else.
 */
#include "flow/drain.h"
#include "flow/inbox.h"
#include "flow/instance.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "sql.h"
#include "tcop/pquery.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

PG_FUNCTION_INFO_V1(lh_drain_at_commit);

#define CLAIM_BATCHES			20
#define MAX_QUARANTINED_KEY		1000
#define INLINE_DEADLINE_MS		1000

static LhIndex meta_row = {"meta", "meta_pkey", 0};
static LhIndex inbox_by_xid = {"inbox", "inbox_xid", 1, {"xid"}};
static LhIndex sources_by_name = {"source", "source_pkey", 1, {"name"}};
static LhIndex quarantine_by_source = {"quarantine", "quarantine_pkey", 1, {"source"}};

/* The one row of handoff.meta: the version of the tables, and whether everything is paused. */
static void
read_meta(int *version, bool *paused)
{
	LhSearch	search;
	bool		isnull;

	*version = 0;
	*paused = false;
	lh_search_begin(&search, &meta_row);
	if (lh_search(&search, NULL))
	{
		*version = DatumGetInt32(lh_search_get(&search, "schema_version", &isnull));
		lh_search_get(&search, "paused_at", &isnull);
		*paused = !isnull;
	}
	lh_search_end(&search);
}

bool
lh_check_schema(void)
{
	int			version = 0;
	bool		paused;

	if (!OidIsValid(get_relname_relid("meta", lh_schema_oid())))
		ereport(ERROR,
				(errcode(ERRCODE_LH_SETUP),
				 errmsg("schema \"handoff\" has no tables"),
				 errhint("Run SELECT handoff.setup().")));
	read_meta(&version, &paused);
	if (version != LH_SCHEMA_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_LH_SETUP),
				 errmsg("tables of schema \"handoff\" have version %d, this extension needs version %d",
						version, LH_SCHEMA_VERSION),
				 errhint("Run SELECT handoff.setup().")));
	return !paused;
}

/* Items -------------------------------------------------------------------------------------- */

static int
compare_items(const void *a, const void *b)
{
	const LhItem *left = *(LhItem *const *) a;
	const LhItem *right = *(LhItem *const *) b;
	int			order = strcmp(left->source, right->source);

	if (order == 0)
		order = (int) left->truncated - (int) right->truncated;
	return order != 0 ? order : strcmp(left->raw_key, right->raw_key);
}

static LhItem *
make_item(const ItemPointerData *tid, char *source, char *raw_key, char op, TimestampTz at)
{
	LhItem	   *item = palloc0_object(LhItem);

	item->ntids = 1;
	item->tids = palloc_object(ItemPointerData);
	ItemPointerCopy(tid, item->tids);
	item->source = source;
	item->raw_key = raw_key;
	item->backfill = op == LH_INBOX_BACKFILL;
	item->confirmed = op == LH_INBOX_GONE;
	item->truncated = op == LH_INBOX_TRUNCATED;
	item->heard = op == LH_INBOX_HEARD;
	item->at = at;
	return item;
}

/* Rows of one key become one item. */
static int
unite_items(LhItem **items, int n)
{
	int			kept = 0;

	qsort(items, n, sizeof(LhItem *), compare_items);
	for (int i = 0; i < n; i++)
	{
		LhItem	   *last = kept > 0 ? items[kept - 1] : NULL;

		if (last == NULL || compare_items(&last, &items[i]) != 0)
		{
			items[kept++] = items[i];
			continue;
		}
		last->tids = repalloc_array(last->tids, ItemPointerData, last->ntids + 1);
		ItemPointerCopy(items[i]->tids, &last->tids[last->ntids++]);
		last->backfill = last->backfill && items[i]->backfill;
		last->confirmed = last->confirmed || items[i]->confirmed;
		last->heard = last->heard || items[i]->heard;
		last->at = Max(last->at, items[i]->at);
	}
	return kept;
}

/* The claimed inbox rows in SPI_tuptable: (ctid, source, raw_key, op, at). */
static LhItem **
take_items(int *n)
{
	LhItem	  **items = palloc_array(LhItem *, Max(SPI_processed, 1));

	for (int i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		ItemPointer tid = (ItemPointer) DatumGetPointer(lh_get(i, 1, &isnull));
		char		op = DatumGetChar(lh_get(i, 4, &isnull));

		items[i] = make_item(tid, lh_get_text(i, 2), lh_get_text(i, 3), op, lh_get_time(i, 5, 0));
	}
	*n = unite_items(items, SPI_processed);
	return items;
}

static LhStatement leave_quarantine = {
	"delete from handoff.quarantine where ctid = any(array("
	"select q.ctid from unnest($1, $2) as u(source, raw_key) "
	"join handoff.quarantine q on q.source = u.source and q.raw_key = u.raw_key for update of q skip locked))",
	2, {TEXTARRAYOID, TEXTARRAYOID}
};

static void
delete_inbox_rows(LhItem *const *items, int n)
{
	int			ntids = 0;
	ItemPointer *tids;

	for (int i = 0; i < n; i++)
		if (items[i]->done)
			ntids += items[i]->ntids;
	if (ntids == 0)
		return;
	tids = palloc_array(ItemPointer, ntids);
	ntids = 0;
	for (int i = 0; i < n; i++)
		for (int t = 0; items[i]->done && t < items[i]->ntids; t++)
			tids[ntids++] = &items[i]->tids[t];
	lh_table_delete("inbox", tids, ntids);
}

/* Is anything in quarantine of a source of theirs?  They come source by source. */
static bool
any_quarantined(char *const *sources, int n)
{
	for (int i = 0; i < n; i++)
	{
		Datum		source = CStringGetTextDatum(sources[i]);

		if ((i == 0 || strcmp(sources[i - 1], sources[i]) != 0) && lh_is_there(&quarantine_by_source, &source))
			return true;
	}
	return false;
}

/* What was decided needs no quarantine any more. */
static void
clear_quarantine(LhItem *const *items, int n)
{
	char	  **sources = palloc_array(char *, Max(n, 1));
	char	  **raw_keys = palloc_array(char *, Max(n, 1));
	int			ndone = 0;
	Datum		values[2];

	for (int i = 0; i < n; i++)
		if (items[i]->done && !items[i]->is_lead)
		{
			sources[ndone] = items[i]->source;
			raw_keys[ndone++] = items[i]->raw_key;
		}
	if (!any_quarantined(sources, ndone))
		return;
	values[0] = lh_text_array(sources, ndone);
	values[1] = lh_text_array(raw_keys, ndone);
	lh_run(&leave_quarantine, values, NULL);
}

/* Batches and their errors ------------------------------------------------------------------- */

/* Not if somebody holds the row. */
static LhStatement enter_quarantine = {
	"insert into handoff.quarantine as q (source, raw_key, sqlstate, message, first_at, last_at, attempts) "
	"select $1, $2, $3, $4, $5, $5, 1 where (select count(*) from handoff.quarantine h where h.source = $1 and h.raw_key = $2) "
	"= cardinality(array(select h.ctid from handoff.quarantine h where h.source = $1 and h.raw_key = $2 for update skip locked)) on conflict (source, raw_key) do update "
	"set sqlstate = excluded.sqlstate, message = excluded.message, last_at = excluded.last_at, attempts = q.attempts + 1",
	5, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
};

static LhStatement postpone_clocks = {
	"update handoff.clock set next_at = $2 + interval '1 hour' "
	"where lead_key = $1 and next_at <= $2",
	2, {TEXTOID, TIMESTAMPTZOID}
};

/* Such a key fits no index, of quarantine neither: its beginning stands for it there. */
static char *
short_key(const char *raw_key)
{
	int			len = strlen(raw_key);

	if (len <= MAX_QUARANTINED_KEY)
		return pstrdup(raw_key);
	return psprintf("%.*s ..", pg_mbcliplen(raw_key, len, MAX_QUARANTINED_KEY), raw_key);
}

/* False: somebody else is at the same row of quarantine, perhaps with the same row in hand. */
static bool
quarantine(LhItem *item, const ErrorData *error, TimestampTz now)
{
	Datum		values[5];

	if (!lh_lock_stripe(psprintf("quarantine %s", item->raw_key)))
		return false;

	values[0] = CStringGetTextDatum(item->source);
	values[1] = CStringGetTextDatum(short_key(item->raw_key));
	values[2] = CStringGetTextDatum(unpack_sql_state(error->sqlerrcode));
	values[3] = CStringGetTextDatum(error->message);
	values[4] = TimestampTzGetDatum(GetCurrentTimestamp());
	if (lh_run(&enter_quarantine, values, NULL) == 0)
		return false;
	if (item->is_lead)
	{
		values[0] = CStringGetTextDatum(item->lead_key);
		values[1] = TimestampTzGetDatum(now);
		lh_run(&postpone_clocks, values, NULL);
	}
	item->done = true;
	delete_inbox_rows(&item, 1);
	return true;
}

/* May the same work succeed at another time? */
bool
lh_is_transient(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
			return true;
		default:
			return sqlerrcode == ERRCODE_LH_DEADLINE;
	}
}

typedef struct Attempt
{
	LhItem	  **items;
	int			n;
	TimestampTz now;
	LhDrainResult *result;
} Attempt;

static void
run_batch(void *arg)
{
	Attempt    *this = arg;
	LhBatch		batch = {.now = this->now,.nitems = this->n,.items = this->items};
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext mcxt = AllocSetContextCreate(caller, "lead_handoff batch", ALLOCSET_DEFAULT_SIZES);

	/* a connection of its own: the answers of its statements go with it, not only when tick() ends */
	SPI_connect();
	MemoryContextSwitchTo(mcxt);
	lh_batch_run(&batch);
	clear_quarantine(this->items, this->n);
	delete_inbox_rows(this->items, this->n);
	SPI_finish();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(mcxt);
	this->result->decided += batch.decided;
	this->result->users |= batch.users;
}

static void decide_items(LhItem **items, int n, TimestampTz now, LhDrainResult *result);

/* A batch has run into somebody's lock: its other sources go on, the one that met it waits. */
static void
leave_busy(LhItem **items, int n, TimestampTz now, LhDrainResult *result)
{
	int			first = 1;

	/* they are in order of source; leads that were named are not, and wait together */
	while (first < n && !items[0]->is_lead && strcmp(items[first]->source, items[0]->source) == 0)
		first++;
	if (first < n && !items[0]->is_lead)
	{
		decide_items(items, first, now, result);
		decide_items(items + first, n - first, now, result);
		return;
	}
	for (int i = 0; i < n; i++)
		items[i]->table_busy = !items[i]->is_lead;
}

static void
decide_items(LhItem **items, int n, TimestampTz now, LhDrainResult *result)
{
	LhDrainResult before = *result;
	Attempt		this = {items, n, now, result};
	ErrorData  *error = lh_attempt(run_batch, &this);

	CHECK_FOR_INTERRUPTS();
	if (error == NULL)
		return;
	*result = before;
	for (int i = 0; i < n; i++)
		items[i]->done = false;
	if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE && lh_deadline == 0)
		leave_busy(items, n, now, result);
	else if (lh_is_transient(error->sqlerrcode))
		ReThrowError(error);
	else if (n == 1)
		result->quarantined += quarantine(items[0], error, now);
	else
	{
		decide_items(items, n / 2, now, result);
		decide_items(items + n / 2, n - n / 2, now, result);
	}
	FreeErrorData(error);
}

void
lh_drain_items(LhItem **items, int n, TimestampTz now, int batch_size, LhDrainResult *result)
{
	result->claimed += n;
	for (int i = 0; i < n; i += batch_size)
		decide_items(items + i, Min(batch_size, n - i), now, result);
	for (int i = 0; i < n; i++)
		if (!items[i]->done)
			result->waiting++;
}

/* At tick ------------------------------------------------------------------------------------ */

/* Sources whose rows can be decided: those of the others would only be claimed in vain. */
static LhStatement ready_sources = {
	"select coalesce(array_agg(s.name), '{}') from handoff.source s where "
	"(select count(*) from handoff.contract c where c.in_force and c.name = coalesce(s.contract, c.name)) = 1 "
	"and s.paused_at is null and not exists (select from handoff.meta where paused_at is not null)",
	0
};

static LhStatement sources_of_users = {
	"select coalesce(array_agg(s.name), '{}') from handoff.source s where s.kind = 'rep' and s.name = any($1)",
	1, {TEXTARRAYOID}
};

static LhStatement claim = {
	"select i.ctid, i.source, i.raw_key, i.op, i.at from handoff.inbox i "
	"where i.source = any($1) and i.source <> all($3) order by i.xid limit $2 for update skip locked",
	3, {TEXTARRAYOID, INT8OID, TEXTARRAYOID}
};

Datum
lh_ready_sources(void)
{
	bool		isnull;

	if (!lh_lock_deciding())
		return lh_text_array(NULL, 0);
	lh_run(&ready_sources, NULL, NULL);
	return lh_get(0, 1, &isnull);
}

static LhStatement request_reconcile = {
	"select handoff.request_scan($1, 'reconcile', 'truncated, or changed in ways that could not be captured')", 1, {TEXTOID}
};

/* A table that was truncated, or not captured, is compared with what we know of it; returns how many items are left. */
static int
take_truncated(LhItem **items, int n)
{
	int			left = 0;

	for (int i = 0; i < n; i++)
	{
		Datum		source = CStringGetTextDatum(items[i]->source);

		if (!items[i]->truncated)
		{
			items[left++] = items[i];
			continue;
		}
		lh_run(&request_reconcile, &source, NULL);
		items[i]->done = true;
		delete_inbox_rows(&items[i], 1);
	}
	return left;
}

/* Sources whose tables can't be read now, each once; true if there is a new one among the items. */
static bool
find_busy(LhItem *const *items, int n, char ***busy, int *nbusy)
{
	int			before = *nbusy;

	for (int i = 0; i < n; i++)
	{
		bool		known = !items[i]->table_busy;

		for (int j = 0; j < *nbusy && !known; j++)
			known = strcmp((*busy)[j], items[i]->source) == 0;
		if (known)
			continue;
		*busy = *nbusy == 0 ? palloc_array(char *, 1) : repalloc_array(*busy, char *, *nbusy + 1);
		(*busy)[(*nbusy)++] = pstrdup(items[i]->source);
	}
	return *nbusy > before;
}

static Datum
only_users(Datum sources)
{
	bool		isnull;

	lh_run(&sources_of_users, &sources, NULL);
	return lh_get(0, 1, &isnull);
}

/* Work off the inbox, of all sources or of those of CRM users alone, as long as there is something. */
static void
drain_sources(bool users_only, TimestampTz now, int batch_size, TimestampTz stop, LhDrainResult *result)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext mcxt = AllocSetContextCreate(caller, "lead_handoff claim", ALLOCSET_DEFAULT_SIZES);
	char	  **busy = NULL;
	int			nbusy = 0;
	bool		more = true;

	while (more && GetCurrentTimestamp() < stop)
	{
		int64		waiting = result->waiting;
		Datum		values[3];
		LhItem	  **items;
		int			n;

		MemoryContextSwitchTo(mcxt);
		values[0] = lh_ready_sources();
		if (users_only)
			values[0] = only_users(values[0]);
		values[1] = Int64GetDatum((int64) batch_size * CLAIM_BATCHES);
		values[2] = lh_text_array(busy, nbusy);
		lh_run(&claim, values, NULL);
		more = SPI_processed == batch_size * CLAIM_BATCHES;
		items = take_items(&n);
		n = take_truncated(items, n);
		lh_drain_items(items, n, now, batch_size, result);
		MemoryContextSwitchTo(caller);
		/* what had to wait would be claimed again at once, unless its whole source is left out */
		more = more && (find_busy(items, n, &busy, &nbusy) || result->waiting == waiting);
		MemoryContextReset(mcxt);
	}
	MemoryContextDelete(mcxt);
}

/* CRM users first: who leaves gets none of the leads that come with the same tick. */
void
lh_drain_inbox(TimestampTz now, int batch_size, TimestampTz stop, LhDrainResult *result)
{
	static LhStatement any_users = {"select from handoff.source where kind = 'rep' limit 1", 0};

	if (lh_run(&any_users, NULL, NULL) > 0)
	{
		drain_sources(true, now, batch_size, stop, result);
		lh_confirm_leavers(now);
	}
	drain_sources(false, now, batch_size, stop, result);
}

/* At commit ---------------------------------------------------------------------------------- */

/* Is a source ready to be decided at commit: indexed by its key, not paused? */
static bool
is_ready(const char *name)
{
	Datum		key = CStringGetTextDatum(name);
	LhSearch	search;
	bool		ready = false;
	bool		isnull;

	lh_search_begin(&search, &sources_by_name);
	if (lh_search(&search, &key))
	{
		ready = DatumGetBool(lh_search_get(&search, "key_indexed", &isnull));
		lh_search_get(&search, "paused_at", &isnull);
		ready = ready && isnull;
	}
	lh_search_end(&search);
	return ready;
}

/* What this transaction has captured of sources that are ready, but no more than one above the limit. */
static LhItem **
claim_own(int *n)
{
	LhItem	  **items = palloc_array(LhItem *, lh_inline_limit + 1);
	Datum		xid = FullTransactionIdGetDatum(GetTopFullTransactionId());
	char	   *asked = NULL;	/* the source last asked of, and the answer */
	bool		ready = false;
	LhSearch	search;

	*n = 0;
	lh_search_begin(&search, &inbox_by_xid);
	for (bool more = lh_search(&search, &xid); more && *n <= lh_inline_limit; more = lh_search_next(&search))
	{
		char	   *source = lh_search_text(&search, "source");
		bool		isnull;
		char		op = DatumGetChar(lh_search_get(&search, "op", &isnull));

		if (op != LH_INBOX_TRUNCATED && (asked == NULL || strcmp(asked, source) != 0))
		{
			asked = source;
			ready = is_ready(source);
		}
		if (op != LH_INBOX_TRUNCATED && ready)
			items[(*n)++] = make_item(&search.slot->tts_tid, source, lh_search_text(&search, "raw_key"), op,
									  DatumGetTimestampTz(lh_search_get(&search, "at", &isnull)));
	}
	lh_search_end(&search);
	return items;
}

/* What the trigger does, in one subtransaction if all goes well. */
typedef struct AtCommit
{
	ItemPointer wake;			/* the row goes by its place: by xid it is behind all that a long transaction keeps from vacuum */
	bool		carefully;		/* each batch in a subtransaction of its own, which a culprit is found by */
	bool		in_batch;		/* that is where it failed */
} AtCommit;

static void
decide_own(AtCommit *this, LhItem **items, int n, LhDrainResult *result)
{
	TimestampTz now = GetCurrentTimestamp();
	Attempt		all = {items, n, now, result};

	if (this->carefully)
		lh_drain_items(items, n, now, n, result);
	else
	{
		this->in_batch = true;
		run_batch(&all);
		this->in_batch = false;
	}
	if (result->users)
		lh_confirm_leavers(now);
}

static void
drain_own(AtCommit *this)
{
	LhDrainResult result = {0};
	LhItem	  **items;
	int			n = 0;

	if (lh_check_schema() && lh_may_decide_at_commit() && lh_lock_deciding())
	{
		items = claim_own(&n);
		if (n > 0 && n <= lh_inline_limit)
			decide_own(this, items, unite_items(items, n), &result);
	}
	lh_table_delete("wake", &this->wake, 1);
}

/*
 * A decision that could not be made now: no harm done, but the reason should be found.  A cancel is no other
 * reason: it ends what takes long, which is our work and not the writer's, and that is over then.  (Who ends
 * the session does not come here: that is FATAL.)
 */
static void
report_postponed(ErrorData *error)
{
	ereport(lh_is_transient(error->sqlerrcode) ? LOG : WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("deciding at commit failed: %s", error->message),
			 errdetail("The rows are in handoff.inbox and wait for handoff.tick().")));
	FreeErrorData(error);
}

static void
decide_at_commit(void *arg)
{
	LhWorld		world;

	lh_enter(&world, true);
	lh_plan_by_key();
	lh_set_local("lock_timeout", LH_LOCK_TIMEOUT);
	SPI_connect();
	drain_own(arg);
	SPI_finish();
	lh_leave(&world);
}

Datum
lh_drain_at_commit(PG_FUNCTION_ARGS)
{
	AtCommit	this = {0};
	ErrorData  *error;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager", "drain_at_commit")));

	/*
	 * Only at a real commit: SET CONSTRAINTS or COMMIT inside DO still run a statement of the user.  And a
	 * transaction can be made read only after it has written.
	 */
	if (ActivePortal != NULL || IsolationUsesXactSnapshot() || XactReadOnly || lh_inline_limit == 0)
		return PointerGetDatum(NULL);

	this.wake = &((TriggerData *) fcinfo->context)->tg_trigtuple->t_self;
	lh_deadline = GetCurrentTimestamp() + INLINE_DEADLINE_MS * INT64CONST(1000);
	error = lh_attempt(decide_at_commit, &this);
	if (error != NULL && this.in_batch && !lh_is_transient(error->sqlerrcode))
	{
		FreeErrorData(error);
		this.carefully = true;
		error = lh_attempt(decide_at_commit, &this);
	}
	lh_deadline = 0;
	if (error != NULL)
		report_postponed(error);
	return PointerGetDatum(NULL);
}
