/*
 * src/route/turns.c
 *
 * Reading a pool's turns, the lock that guards them, and next_picks(), which answers whose turn it is
 * by picking on a copy.
 *
 * Load is never stored: it is the number of open assignments a rep has, in the stages that the pool
 * counts, over all pools.  So a place becomes free without touching the pool.
 */
#include "route/turns.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "sql.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define LOCK_CLASS	0x4c50		/* "LP" */

PG_FUNCTION_INFO_V1(lh_lock_pool);
PG_FUNCTION_INFO_V1(lh_next_picks);

/* The same key as pg_advisory_xact_lock(19536, key) takes. */
bool
lh_pool_lock(const char *pool, bool wait)
{
	uint32		key = hash_bytes((const unsigned char *) pool, strlen(pool));
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, LOCK_CLASS, key, 2);
	return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

static LhStatement read_pool = {
	.sql = "select p.policy = 'least_loaded', case when p.per_band then $2 else '' end, t.v"
	" from handoff.pool p"
	" left join handoff.pool_turn t on t.pool = p.pool and t.band = case when p.per_band then $2 else '' end"
	" where p.pool = $1",
	.nparams = 2,
	.types = {TEXTOID, TEXTOID}
};

/*
 * Of several rows of one member that are valid together, the newest counts.  Load is counted as far as
 * somebody asks for it: up to the capacity, all of it where the least loaded is picked.
 */
static LhStatement read_members = {
	.sql = "with member as ("
	" select distinct on (m.rep) m.rep, m.weight, m.ord"
	" from handoff.pool_member m"
	" where m.pool = $1 and m.valid_from <= $3 and $3 < m.valid_to"
	" order by m.rep, m.valid_from desc)"
	" select rep, coalesce(m.weight, 1), coalesce(m.ord, 0), r.capacity, n.load, l.picks,"
	" case when m.rep is null then 'not_member'"
	"      when not r.active or $3 < r.valid_from or $3 >= r.valid_to then 'inactive' end,"
	" t.present, t.start, t.last_at, t.picks, d.turns, d.ids"
	" from member m"
	" full join (select * from handoff.pool_turn_member where pool = $1 and band = $2) t using (rep)"
	" left join handoff.rep r using (rep)"
	" join handoff.pool p on p.pool = $1"
	" cross join lateral ("
	"   select count(*)::int as load from ("
	"     select from handoff.assignment a"
	"     where a.rep = r.rep and a.ended_at is null"
	"       and (p.counted_stages = '{}' or exists ("
	"         select from handoff.lead l where l.lead_key = a.lead_key and l.stage = any (p.counted_stages)))"
	"     limit case p.policy when 'least_loaded' then null else coalesce(r.capacity, 0) end) a) n"
	" cross join lateral ("
	"   select min(u.most - (select count(*) from handoff.assignment a"
	"                        where a.rep = r.rep and a.at >= u.since and a.pool is not null and not a.turn_returned))::int as picks"
	"   from (values (r.max_per_day, date_trunc('day', $3)), (r.max_per_week, date_trunc('week', $3)),"
	"                (r.max_per_month, date_trunc('month', $3))) u (most, since)"
	"   where u.most is not null) l"
	" left join lateral ("
	"   select sum(d.turns)::int as turns, array_agg(d.id::text) as ids from handoff.pool_turn_due d"
	"   where d.pool = $1 and d.band = $2 and d.rep = t.rep and t.present) d on true"
	" where m.rep is not null or t.present"
	" order by rep collate \"C\"",
	.nparams = 3,
	.types = {TEXTOID, TEXTOID, TIMESTAMPTZOID}
};

const char *
lh_seat_unavailable(const LhPool *pool, int member, bool ahead)
{
	const LhSeat *seat = &pool->seats[member];

	if (seat->gone != NULL)
		return seat->gone;
	if (seat->absent[ahead] != NULL)
		return seat->absent[ahead];
	if (seat->capacity >= 0 && pool->turns.members[member].load >= seat->capacity)
		return "at_capacity";
	return seat->left <= 0 ? "period_limit" : NULL;
}

/* Turns given back, or taken past the pool, count from now on. */
static void
settle(LhPool *pool, LhMember *member, int turns, uint64 row)
{
	char	  **ids;
	int			n = lh_get_texts(row, 13, &ids);

	for (int i = 0; i < n; i++)
		pool->settled = lappend(pool->settled, ids[i]);
	member->start -= (double) turns / member->weight;
}

static void
read_member(LhPool *pool, int i)
{
	LhMember   *member = &pool->turns.members[i];
	LhSeat	   *seat = &pool->seats[i];
	bool		isnull;
	Datum		value;

	member->rep = lh_get_text(i, 1);
	member->weight = lh_get_int(i, 2, 1);
	member->ord = lh_get_int(i, 3, 0);
	seat->capacity = lh_get_int(i, 4, -1);
	member->load = lh_get_int(i, 5, 0);
	seat->left = lh_get_int(i, 6, INT_MAX);
	seat->gone = lh_get_text(i, 7);
	value = lh_get(i, 8, &isnull);
	member->known = !isnull;
	member->present = !isnull && DatumGetBool(value);
	value = lh_get(i, 9, &isnull);
	member->start = isnull ? 0 : DatumGetFloat8(value);
	member->last_at = lh_get_time(i, 10, DT_NOBEGIN);
	member->picks = lh_get_bigint(i, 11, 0);
	settle(pool, member, lh_get_int(i, 12, 0), i);
}

LhPool *
lh_pool_read(const char *pool, const char *band, TimestampTz at)
{
	Datum		values[3] = {CStringGetTextDatum(pool), CStringGetTextDatum(band), TimestampTzGetDatum(at)};
	LhPool	   *result;
	bool		isnull;
	Datum		v;

	if (lh_run(&read_pool, values, NULL) == 0)
		return NULL;
	result = palloc0_object(LhPool);
	result->pool = pstrdup(pool);
	result->turns.least_loaded = lh_get_bool(0, 1);
	result->band = lh_get_text(0, 2);
	v = lh_get(0, 3, &isnull);
	result->turns.v = isnull ? 0 : DatumGetFloat8(v);

	values[1] = CStringGetTextDatum(result->band);
	result->turns.nmembers = (int) lh_run(&read_members, values, NULL);
	result->turns.members = palloc0_array(LhMember, result->turns.nmembers + 1);
	result->seats = palloc0_array(LhSeat, result->turns.nmembers + 1);
	for (int i = 0; i < result->turns.nmembers; i++)
		read_member(result, i);
	return result;
}

void
lh_pool_add_load(LhPool *pool, const char *rep, bool picked)
{
	for (int i = 0; i < pool->turns.nmembers; i++)
		if (strcmp(pool->turns.members[i].rep, rep) == 0)
		{
			pool->turns.members[i].load++;
			if (picked && pool->seats[i].left != INT_MAX)
				pool->seats[i].left--;
		}
}

Datum
lh_lock_pool(PG_FUNCTION_ARGS)
{
	(void) lh_pool_lock(text_to_cstring(PG_GETARG_TEXT_PP(0)), true);
	PG_RETURN_VOID();
}

/* Who is a member, active, with room left, whatever the hour. */
static void
mark_available(LhPool *pool)
{
	for (int i = 0; i < pool->turns.nmembers; i++)
		pool->turns.members[i].unavailable = lh_seat_unavailable(pool, i, false);
}

static void
put_picks(ReturnSetInfo *rsinfo, LhPool *pool, int qty, TimestampTz now)
{
	for (int n = 1; n <= qty; n++)
	{
		Datum		values[2];
		bool		isnull[2] = {false};
		int			picked;

		CHECK_FOR_INTERRUPTS();
		mark_available(pool);
		picked = lh_pick(&pool->turns, now);
		if (picked < 0)
			break;
		lh_pool_add_load(pool, pool->turns.members[picked].rep, true);
		values[0] = Int32GetDatum(n);
		values[1] = CStringGetTextDatum(pool->turns.members[picked].rep);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, isnull);
		pfree(DatumGetPointer(values[1]));
	}
}

Datum
lh_next_picks(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			qty = PG_GETARG_INT32(1);
	char	   *band = text_to_cstring(PG_GETARG_TEXT_PP(2));
	TimestampTz now = PG_GETARG_TIMESTAMPTZ(3);
	LhPool	   *pool;
	LhWorld		world;

	InitMaterializedSRF(fcinfo, 0);
	lh_enter(&world, true);
	SPI_connect();
	pool = lh_pool_read(name, band, now);
	if (pool == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no pool \"%s\"", name),
				 errhint("handoff.pool lists the pools; handoff.add_pool() makes one.")));
	put_picks((ReturnSetInfo *) fcinfo->resultinfo, pool, qty, now);
	SPI_finish();
	lh_leave(&world);
	return (Datum) 0;
}
