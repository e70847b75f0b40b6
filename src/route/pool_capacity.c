/*
 * src/route/pool_capacity.c
 *
 * pool_capacity(pool): who of a pool can take a lead now, why others can't, and when they could.
 */
#include "route/people.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_pool_capacity);

/* The first moment after now at which a limit of his counts anew; the session's TimeZone says when. */
static LhStatement next_period = {
	"select min(u.until) from handoff.rep r cross join (values ('day'), ('week'), ('month')) p (name) "
	"cross join lateral (select date_trunc(p.name, $2) as since, "
	"date_trunc(p.name, $2) + ('1 ' || p.name)::interval as until, "
	"case p.name when 'day' then r.max_per_day when 'week' then r.max_per_week else r.max_per_month end as most) u "
	"where r.rep = $1 and u.most is not null and u.most <= (select count(*) from handoff.assignment a "
	"where a.rep = r.rep and a.at >= u.since and a.pool is not null and not a.turn_returned)",
	2, {TEXTOID, TIMESTAMPTZOID}
};

static TimestampTz
period_end(const char *rep, TimestampTz now)
{
	Datum		values[2] = {CStringGetTextDatum(rep), TimestampTzGetDatum(now)};

	lh_run(&next_period, values, NULL);
	return lh_get_time(0, 1, DT_NOEND);
}

/* When he could take a lead, as far as that can be known; DT_NOEND: it can't. */
static TimestampTz
could_from(const LhPool *pool, int member, const char *reason, TimestampTz now)
{
	if (strcmp(reason, "away") == 0 || strcmp(reason, "off_shift") == 0)
		return Max(pool->seats[member].from[true], now);
	return strcmp(reason, "period_limit") == 0 ? period_end(pool->turns.members[member].rep, now) : DT_NOEND;
}

static void
put_member(ReturnSetInfo *rsinfo, const LhPool *pool, int member, TimestampTz now)
{
	const LhMember *m = &pool->turns.members[member];
	const LhSeat *seat = &pool->seats[member];
	const char *reason = lh_seat_unavailable(pool, member, true);
	TimestampTz next = reason == NULL ? now : could_from(pool, member, reason, now);
	bool		isnull[7] = {
		false, false, false, seat->capacity < 0, seat->left == INT_MAX, reason == NULL, next == DT_NOEND
	};
	Datum		values[7] = {
		CStringGetTextDatum(m->rep), Int32GetDatum(m->weight), Int32GetDatum(m->load),
		Int32GetDatum(seat->capacity), Int32GetDatum(seat->left), lh_text_datum(reason),
		TimestampTzGetDatum(next)
	};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, isnull);
}

/* Hours and days count as for the contract in force, if there is one: its calendar. */
static char *
enter_contract(void)
{
	static LhStatement statement = {
		"select calendar, reporting_zone from handoff.contract where in_force order by contract_id desc limit 1", 0
	};
	char	   *calendar;

	if (lh_run(&statement, NULL, NULL) == 0)
		return NULL;
	calendar = lh_get_text(0, 1);
	lh_set_zone(lh_get_text(0, 2));
	return calendar;
}

/* pool_capacity(pool, p_now) returns table (rep, weight, load, capacity, picks_left, reason, next_at) */
Datum
lh_pool_capacity(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	TimestampTz now = PG_GETARG_TIMESTAMPTZ(1);
	LhPeople	people;
	LhCrew	   *crew;
	LhPool	   *pool;
	char	   *calendar;
	LhWorld		world;

	InitMaterializedSRF(fcinfo, 0);
	lh_enter(&world, true);
	SPI_connect();
	MemoryContextSwitchTo(caller);
	calendar = enter_contract();
	lh_people_read(&people, now);
	crew = lh_people_crew(&people, name);
	if (crew == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no pool \"%s\"", name),
				 errhint("handoff.pool lists the pools; handoff.add_pool() makes one.")));
	pool = lh_pool_read(name, "", now);
	lh_people_mark_absent(&people, crew, calendar, pool);
	for (int i = 0; i < pool->turns.nmembers; i++)
		if (pool->seats[i].gone == NULL || strcmp(pool->seats[i].gone, "not_member") != 0)
			put_member((ReturnSetInfo *) fcinfo->resultinfo, pool, i, now);
	SPI_finish();
	lh_leave(&world);
	return (Datum) 0;
}
