/*
 * src/flow/tick.c
 *
 * tick(p_now): everything that time asks for.  It works from what is in the tables and the moment it
 * is given, so that a missed tick is made up by the next, two at once share the work, and a test can
 * let months pass in a minute.
 *
 * Clocks are found due without locking; the batch locks their leads and looks at the clocks again.
 */
#include "flow/drain.h"
#include "flow/instance.h"
#include "flow/scan.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "sql.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_tick);

/* A tick that has worked this long leaves the rest to the next one. */
#define TICK_SECONDS	20

/* As many handoffs, in batches, a tick seeks owners for. */
#define MOST_BATCHES	50

/* A batch of 1,000 leads needs some 20 MB. */
#define BATCH_MEMORY	(16 * 1024 * 1024)

/*
 * The earliest clocks that are due, by lead: as many are read as are worked on, however many wait behind them.
 * Leads that somebody else has are left to him: another tick, most likely.  (offset 0: from the clocks to their
 * leads, whatever the planner thinks of tables that it has not seen full yet.)
 */
static LhStatement due_clocks = {
	"select d.lead_key, d.source, d.raw_key, array_agg(d.kind) from ("
	" select c.lead_key, l.source, l.raw_key, c.kind, c.next_at from handoff.clock c cross join lateral ("
	"  select l.source, l.raw_key from handoff.lead l where l.lead_key = c.lead_key offset 0) l"
	" where c.next_at <= $1 and l.source = any($2) and c.lead_key not in (select unnest($4)) order by c.next_at limit $3) d "
	"group by d.lead_key, d.source, d.raw_key order by min(d.next_at), d.lead_key",
	4, {TIMESTAMPTZOID, TEXTARRAYOID, INT8OID, TEXTARRAYOID}
};

static LhStatement heartbeat = {
	"update handoff.meta m set tick_now = greatest(m.tick_now, $1), tick_last = $1, tick_clock = $2, "
	"people_seen = case when isfinite($3) then $3 else least(m.people_seen, $2) end "
	"where m.id in (select id from handoff.meta for update skip locked)",
	3, {TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

/* Those that two ticks find are deleted by one of them; the other does not wait for it. */
static LhStatement delete_wakes = {
	"delete from handoff.wake where ctid = any(array(select w.ctid from handoff.wake w for update skip locked))", 0
};

/*
 * Handoffs without an owner that may find one now: those of a pool that was busy, and of each full pool as many as it
 * has room for; all of them when people, pools or territories have changed since the last tick, also by a date that
 * has come.  Best band first, then by the time of what qualified them.  Others wait for their review clock.
 */
static LhStatement waiting_handoffs = {
	"with changed (people) as ("
	" select exists (select from handoff.operation_log o where o.at > m.people_seen)"
	"   or exists (select from handoff.territory t where t.valid_from > m.tick_now and t.valid_from <= $1)"
	"   or exists (select from handoff.account_team t where t.valid_from > m.tick_now and t.valid_from <= $1)"
	"   or exists (select from handoff.pool_member p where p.valid_from > m.tick_now and p.valid_from <= $1)"
	"   or exists (select from handoff.rep r where r.valid_from > m.tick_now and r.valid_from <= $1)"
	" from handoff.meta m),"
	" full_pool as ("
	" select h.pool from handoff.handoff h where h.closed_at is null and h.rep is null"
	"   and h.unassigned_reason = 'all_at_capacity' and h.handed_at <= $1 group by h.pool),"
	" room as ("
	" select f.pool, handoff.pool_room(f.pool, $1) as places from full_pool f where not (select people from changed)),"
	" waiting as ("
	" select h.lead_key, h.contract_id, h.band, h.trigger_at from handoff.handoff h"
	" where h.closed_at is null and h.rep is null and h.handed_at <= $1"
	"   and (h.unassigned_reason is null or h.unassigned_reason = 'pool_busy' or (select people from changed))"
	" union all"
	" select n.* from room r cross join lateral ("
	"   select h.lead_key, h.contract_id, h.band, h.trigger_at from handoff.handoff h"
	"   left join handoff.band b on b.contract_id = h.contract_id and b.name = h.band"
	"   where h.closed_at is null and h.rep is null and h.handed_at <= $1 and h.pool = r.pool"
	"     and h.unassigned_reason = 'all_at_capacity'"
	"   order by b.ord, h.trigger_at, h.lead_key limit r.places) n)"
	" select w.lead_key, l.source, l.raw_key, '{}'::text[] from waiting w"
	" join handoff.lead l on l.lead_key = w.lead_key"
	" left join handoff.band b on b.contract_id = w.contract_id and b.name = w.band"
	" where l.source = any($2) order by b.ord, w.trigger_at, w.lead_key limit $3",
	3, {TIMESTAMPTZOID, TEXTARRAYOID, INT8OID}
};

/* Clocks that run, where calendars, reps or pools have changed, or somebody asks for it: see handoff.misplanned(). */
static LhStatement misplanned_clocks = {
	"select distinct k.lead_key, l.source, l.raw_key, '{}'::text[] from handoff.misplanned() k "
	"join handoff.lead l on l.lead_key = k.lead_key "
	"where (select m.people_seen = '-infinity' or exists (select from handoff.operation_log o where o.at > m.people_seen "
	"and o.object in ('calendar', 'calendar_exception', 'rep', 'pool')) from handoff.meta m) "
	"and l.source = any($2) and $1 is not null order by k.lead_key limit $3",
	3, {TIMESTAMPTZOID, TEXTARRAYOID, INT8OID}
};

/* What those have who have left, or are away and want it given to others. */
static LhStatement orphaned_handoffs = {
	"select a.lead_key, l.source, l.raw_key, '{}'::text[] from handoff.rep r "
	"join handoff.assignment a on a.rep = r.rep and a.ended_at is null "
	"join handoff.lead l on l.lead_key = a.lead_key "
	"where l.source = any($2) and (not r.active or $1 < r.valid_from or $1 >= r.valid_to or exists ("
	"select from handoff.rep_away w where w.rep = r.rep and w.reassign and w.away_from <= $1 and $1 < w.away_to)) "
	"order by a.at, a.lead_key limit $3",
	3, {TIMESTAMPTZOID, TEXTARRAYOID, INT8OID}
};

/* Triggers that a tool has dropped with its table, put anew at the end: their lock lasts till commit. */
static LhStatement check_sources = {
	"select handoff.check_source(s.name) from handoff.source s order by s.name", 0
};

static LhStatement request_polls = {
	"select handoff.request_polls($1)", 1, {TIMESTAMPTZOID}
};

static LhStatement confirm_absences = {
	"select handoff.confirm_absences($1)", 1, {TIMESTAMPTZOID}
};

/* A lead that the answer names, with the kinds of its clocks that are due. */
static LhItem *
named_item(uint64 row)
{
	LhItem	   *item = palloc0_object(LhItem);
	char	  **kinds;
	int			n = lh_get_texts(row, 4, &kinds);

	item->is_lead = true;
	item->lead_key = lh_get_text(row, 1);
	item->source = lh_get_text(row, 2);
	item->raw_key = lh_get_text(row, 3);
	for (int i = 0; i < n; i++)
		for (int k = 0; k < LH_NCLOCKS; k++)
			if (strcmp(kinds[i], lh_clock_kind(k)) == 0)
				item->clock_due[k] = true;
	return item;
}

/* Leads that could not be had, to be left out from now on. */
typedef struct Busy
{
	MemoryContext mcxt;
	int			n;
	char	  **lead_keys;
} Busy;

static void
note_busy(Busy *busy, LhItem *const *items, int n)
{
	MemoryContext save = MemoryContextSwitchTo(busy->mcxt);

	busy->lead_keys = busy->lead_keys == NULL ? palloc_array(char *, n) :
		repalloc_array(busy->lead_keys, char *, busy->n + n);
	for (int i = 0; i < n; i++)
		if (!items[i]->done)
			busy->lead_keys[busy->n++] = pstrdup(items[i]->lead_key);
	MemoryContextSwitchTo(save);
}

/*
 * Decide the leads that a statement of (now, sources, limit) names; how many it named.  One that is told of busy
 * leads has them as its fourth parameter.
 */
static int
run_named(LhStatement *statement, TimestampTz now, int limit, int batch_size, Busy *busy,
		  LhDrainResult *result)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext mcxt = AllocSetContextCreate(caller, "lead_handoff named leads", ALLOCSET_DEFAULT_SIZES);
	Datum		values[4];
	LhItem	  **items;
	int			n;

	MemoryContextSwitchTo(mcxt);
	values[0] = TimestampTzGetDatum(now);
	values[1] = lh_ready_sources();
	values[2] = Int64GetDatum(limit);
	if (busy != NULL)
		values[3] = lh_text_array(busy->lead_keys, busy->n);
	n = lh_run(statement, values, NULL);
	items = palloc_array(LhItem *, Max(n, 1));
	for (int i = 0; i < n; i++)
		items[i] = named_item(i);
	lh_drain_items(items, n, now, batch_size, result);
	if (busy != NULL && n > 0)
		note_busy(busy, items, n);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(mcxt);
	return n;
}

/* Decide the leads whose clocks are due; how many there were. */
static int64
run_clocks(TimestampTz now, int batch_size, TimestampTz stop, LhDrainResult *result)
{
	int64		due = 0;
	bool		more = true;
	Busy		busy = {.mcxt = CurrentMemoryContext};

	while (more && GetCurrentTimestamp() < stop)
	{
		LhDrainResult round = {0};
		int			n = run_named(&due_clocks, now, batch_size, batch_size, &busy, &round);

		/* one that is neither decided nor busy would be found again at once */
		more = n > 0 && round.decided + round.quarantined + round.waiting == n;
		due += round.decided;
		result->waiting += round.waiting;
		result->quarantined += round.quarantined;
	}
	return due;
}

/*
 * Up to when all changes of people, pools and territories can be seen from now on.  A change that has not
 * been committed has its time in operation_log already; while one is under way we go no further than before.
 * Its writer holds the table's lock since before that time, until after it can be seen; so the time is
 * taken first, then the locks are looked at, then the rows.
 */
static TimestampTz
all_changes_until(void)
{
	TimestampTz before = GetCurrentTimestamp();
	int			nwriters;
	LOCKTAG		tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, get_relname_relid("operation_log", lh_schema_oid()));
	(void) GetLockConflicts(&tag, ShareLock, &nwriters);
	return nwriters > 0 ? DT_NOBEGIN : before;
}

/* Plan clocks anew whose hours have changed; false: not all could be. */
static bool
run_misplanned(TimestampTz now, int batch_size, LhDrainResult *result)
{
	LhDrainResult round = {0};
	int			limit = batch_size * MOST_BATCHES;
	int			n = run_named(&misplanned_clocks, now, limit, batch_size, NULL, &round);

	result->quarantined += round.quarantined;
	return n < limit && round.waiting == 0;
}

/* Seek owners for the handoffs that have none or lose theirs, once a tick. */
static void
run_waiting(TimestampTz now, int batch_size, LhDrainResult *result)
{
	LhDrainResult round = {0};

	run_named(&orphaned_handoffs, now, batch_size * MOST_BATCHES, batch_size, NULL, &round);
	run_named(&waiting_handoffs, now, batch_size * MOST_BATCHES, batch_size, NULL, &round);
	result->waiting += round.waiting;
	result->quarantined += round.quarantined;
}

/* The inbox once more, after something was put into it. */
static void
drain_again(TimestampTz now, int batch_size, TimestampTz stop, LhDrainResult *result)
{
	/* what had to wait is claimed anew */
	result->claimed -= result->waiting;
	result->waiting = 0;
	lh_drain_inbox(now, batch_size, stop, result);
}

/*
 * The inbox, and what brings more into it: whole tables that are to be read, bit by bit, so that what
 * one step has found is decided before the next; and rows that have been gone for long enough.
 */
static void
run_inbox(TimestampTz now, int batch_size, TimestampTz stop, LhDrainResult *result)
{
	Datum		value = TimestampTzGetDatum(now);
	LhScans		scans = {0};

	lh_run(&request_polls, &value, NULL);
	lh_drain_inbox(now, batch_size, stop, result);
	while (GetCurrentTimestamp() < stop)
	{
		bool		stepped;

		lh_set_zone("UTC");		/* as capture prints keys */
		stepped = lh_scan_step(&scans, NULL);
		if (!stepped)
			break;
		drain_again(now, batch_size, stop, result);
	}
	lh_scan_report(&scans);
	lh_run(&confirm_absences, &value, NULL);
	if (lh_get_bigint(0, 1, 0) > 0)
		drain_again(now, batch_size, stop, result);
}

static void
beat(TimestampTz now, TimestampTz people_seen)
{
	Datum		values[3] = {
		TimestampTzGetDatum(now), TimestampTzGetDatum(GetCurrentTimestamp()), TimestampTzGetDatum(people_seen)
	};

	lh_run(&delete_wakes, NULL, NULL);
	lh_run(&heartbeat, values, NULL);
}

static HeapTuple
tick_answer(TupleDesc desc, const LhDrainResult *result, int64 due)
{
	Datum		values[5] = {
		Int64GetDatum(result->claimed), Int64GetDatum(result->decided), Int64GetDatum(due),
		Int64GetDatum(result->waiting), Int64GetDatum(result->quarantined)
	};
	bool		isnull[5] = {false};

	return heap_form_tuple(desc, values, isnull);
}

/*
 * The memory of a batch is freed after it.  The C library gives that back to the system above a
 * threshold, and gets it again page by page with the next batch, which took longer than the work
 * itself.  Freeing one large block, never touched, raises the threshold to twice its size.
 */
static void
keep_freed_memory(void)
{
	static bool done = false;

	if (!done)
		pfree(palloc(BATCH_MEMORY));
	done = true;
}

/* tick(p_now timestamptz, batch int) returns (claimed, decided, due, waiting, quarantined) */
Datum
lh_tick(PG_FUNCTION_ARGS)
{
	TimestampTz now = PG_GETARG_TIMESTAMPTZ(0);
	int			batch_size = PG_GETARG_INT32(1);
	TimestampTz stop = GetCurrentTimestamp() + TICK_SECONDS * USECS_PER_SEC;
	LhDrainResult result = {0};
	TimestampTz people_seen;
	bool		all_planned;
	int64		due;
	TupleDesc	desc;
	LhWorld		world;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("tick() needs isolation level read committed"),
				 errdetail("In a higher level it would decide by rows as they were when the transaction began."),
				 errhint("Call it in a transaction of its own.")));
	if (TIMESTAMP_NOT_FINITE(now))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("p_now must be finite")));
	if (batch_size < 1 || batch_size > 10000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch must be from 1 to 10000")));

	if (!lh_acts_here("tick()"))
		PG_RETURN_DATUM(HeapTupleGetDatum(tick_answer(desc, &result, 0)));
	lh_enter(&world, true);
	lh_plan_by_key();
	lh_set_local("lock_timeout", LH_LOCK_TIMEOUT);
	SPI_connect();
	keep_freed_memory();
	run_inbox(now, batch_size, stop, &result);
	people_seen = all_changes_until();
	all_planned = run_misplanned(now, batch_size, &result);
	due = run_clocks(now, batch_size, stop, &result);
	run_waiting(now, batch_size, &result);
	beat(now, all_planned ? people_seen : DT_NOBEGIN);
	lh_run(&check_sources, NULL, NULL);
	SPI_finish();
	lh_leave(&world);
	PG_RETURN_DATUM(HeapTupleGetDatum(tick_answer(desc, &result, due)));
}
