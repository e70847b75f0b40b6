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
	.sql = "select p.policy = 'least_loaded', p.respect_schedule, p.calendar,"
	" case when p.per_band then $2 else '' end, t.v"
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
	" select rep, coalesce(m.weight, 1), coalesce(m.ord, 0), r.capacity, n.load,"
	" case when m.rep is null then 'not_member'"
	"      when not r.active or $3 < r.valid_from or $3 >= r.valid_to then 'inactive' end,"
	" t.present, t.start, t.last_at, t.picks"
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
	" where m.rep is not null or t.present"
	" order by rep collate \"C\"",
	.nparams = 3,
	.types = {TEXTOID, TEXTOID, TIMESTAMPTZOID}
};

static void
mark_full(LhMember *member, int capacity)
{
	if (member->unavailable == NULL && capacity >= 0 && member->load >= capacity)
		member->unavailable = "at_capacity";
}

static void
read_member(int row, LhMember *member, int *capacity)
{
	HeapTuple	tuple = SPI_tuptable->vals[row];
	TupleDesc	desc = SPI_tuptable->tupdesc;
	bool		isnull;
	Datum		value;

	member->rep = SPI_getvalue(tuple, desc, 1);
	member->weight = DatumGetInt32(SPI_getbinval(tuple, desc, 2, &isnull));
	member->ord = DatumGetInt32(SPI_getbinval(tuple, desc, 3, &isnull));
	value = SPI_getbinval(tuple, desc, 4, &isnull);
	*capacity = isnull ? -1 : DatumGetInt32(value);
	member->load = DatumGetInt32(SPI_getbinval(tuple, desc, 5, &isnull));
	member->unavailable = SPI_getvalue(tuple, desc, 6);
	mark_full(member, *capacity);

	value = SPI_getbinval(tuple, desc, 7, &isnull);
	member->known = !isnull;
	member->present = !isnull && DatumGetBool(value);
	value = SPI_getbinval(tuple, desc, 8, &isnull);
	member->start = isnull ? 0 : DatumGetFloat8(value);
	value = SPI_getbinval(tuple, desc, 9, &isnull);
	member->last_at = isnull ? DT_NOBEGIN : DatumGetTimestampTz(value);
	value = SPI_getbinval(tuple, desc, 10, &isnull);
	member->picks = isnull ? 0 : DatumGetInt64(value);
}

/*
 * SPI_getvalue() and palloc() work in the caller's context here: lh_run() leaves SPI's own.
 */
LhPool *
lh_pool_read(const char *pool, const char *band, TimestampTz at)
{
	Datum		values[3] = {CStringGetTextDatum(pool), CStringGetTextDatum(band), TimestampTzGetDatum(at)};
	LhPool	   *result;
	HeapTuple	tuple;
	TupleDesc	desc;
	Datum		v;
	bool		isnull;

	if (lh_run(&read_pool, values, NULL) == 0)
		return NULL;
	result = palloc0_object(LhPool);
	tuple = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	result->pool = pstrdup(pool);
	result->turns.least_loaded = DatumGetBool(SPI_getbinval(tuple, desc, 1, &isnull));
	result->respect_schedule = DatumGetBool(SPI_getbinval(tuple, desc, 2, &isnull));
	result->calendar = SPI_getvalue(tuple, desc, 3);
	result->band = SPI_getvalue(tuple, desc, 4);
	v = SPI_getbinval(tuple, desc, 5, &isnull);
	result->turns.v = isnull ? 0 : DatumGetFloat8(v);
	SPI_freetuptable(SPI_tuptable);

	values[1] = CStringGetTextDatum(result->band);
	result->turns.nmembers = (int) lh_run(&read_members, values, NULL);
	result->turns.members = palloc0_array(LhMember, Max(result->turns.nmembers, 1));
	result->capacity = palloc_array(int, Max(result->turns.nmembers, 1));
	for (int i = 0; i < result->turns.nmembers; i++)
		read_member(i, &result->turns.members[i], &result->capacity[i]);
	SPI_freetuptable(SPI_tuptable);
	return result;
}

void
lh_pool_add_load(LhPool *pool, int member)
{
	pool->turns.members[member].load++;
	mark_full(&pool->turns.members[member], pool->capacity[member]);
}

Datum
lh_lock_pool(PG_FUNCTION_ARGS)
{
	(void) lh_pool_lock(text_to_cstring(PG_GETARG_TEXT_PP(0)), true);
	PG_RETURN_VOID();
}

static void
put_picks(ReturnSetInfo *rsinfo, LhPool *pool, int qty, TimestampTz now)
{
	for (int n = 1; n <= qty; n++)
	{
		int			picked = lh_pick(&pool->turns, now);
		Datum		values[2];
		bool		isnull[2] = {false};

		CHECK_FOR_INTERRUPTS();
		if (picked < 0)
			break;
		lh_pool_add_load(pool, picked);
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
