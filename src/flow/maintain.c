/*
 * src/flow/maintain.c
 *
 * maintain(p_now): once a day, what is past its time goes, and tables that have changed much are analyzed.
 *
 * Tables of ours are emptied as their owner.  pg_cron's notes on our jobs are not ours: they go as whoever
 * calls us, whom pg_cron shows his own runs and no others.
 */
#include "flow/drain.h"
#include "flow/instance.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "sql.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_maintain);

#define NCOUNTS 5

static LhStatement maintain_tables = {
	"select t.activities, t.deliveries, t.messages, t.analyzed from handoff.maintain_tables($1) t", 1, {TIMESTAMPTZOID}
};

static LhStatement keep_job_runs = {
	"select $1 - r.keep from handoff.retention r where r.what = 'job_run'", 1, {TIMESTAMPTZOID}
};

static LhStatement purge_job_runs = {
	"select handoff.purge_job_runs($1)", 1, {TIMESTAMPTZOID}
};

static LhStatement note_maintained = {
	"update handoff.meta set maintain_clock = $1", 1, {TIMESTAMPTZOID}
};

/* Our own tables, as their owner; before when runs of jobs are to go. */
static TimestampTz
as_owner(TimestampTz now, Datum *counts)
{
	Datum		moment = TimestampTzGetDatum(now);
	Datum		clock = TimestampTzGetDatum(GetCurrentTimestamp());
	TimestampTz before;
	LhWorld		world;

	lh_enter(&world, true);
	lh_set_zone("UTC");			/* a day is 24 hours */
	SPI_connect();
	lh_run(&maintain_tables, &moment, NULL);
	for (int i = 0; i < NCOUNTS - 1; i++)
		counts[i] = Int64GetDatum(lh_get_bigint(0, i + 1, 0));
	before = lh_run(&keep_job_runs, &moment, NULL) == 0 ? DT_NOBEGIN : lh_get_time(0, 1, DT_NOBEGIN);
	lh_run(&note_maintained, &clock, NULL);
	SPI_finish();
	lh_leave(&world);
	return before;
}

/* What pg_cron noted of our jobs, as the caller. */
static int64
as_caller(TimestampTz before)
{
	Datum		value = TimestampTzGetDatum(before);
	int64		purged;
	LhWorld		world;

	if (TIMESTAMP_NOT_FINITE(before))
		return 0;
	lh_enter(&world, false);
	SPI_connect();
	lh_run(&purge_job_runs, &value, NULL);
	purged = lh_get_bigint(0, 1, 0);
	SPI_finish();
	lh_leave(&world);
	return purged;
}

/* maintain(p_now timestamptz) returns (activities, deliveries, messages, analyzed, job_runs) */
Datum
lh_maintain(PG_FUNCTION_ARGS)
{
	TimestampTz now = PG_GETARG_TIMESTAMPTZ(0);
	Datum		counts[NCOUNTS] = {0};
	bool		isnull[NCOUNTS] = {false};
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	if (TIMESTAMP_NOT_FINITE(now))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("p_now must be finite")));
	if (lh_acts_here("maintain()"))
		counts[NCOUNTS - 1] = Int64GetDatum(as_caller(as_owner(now, counts)));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, counts, isnull)));
}
