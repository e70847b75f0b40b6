/*
 * src/flow/reconcile.c
 *
 * reconcile(): a scan that somebody asks for, worked on at once.  It is a scan like those of tick()
 * (scan.c): what this call does not finish within its time, or what an older scan of the same source
 * keeps it from beginning, the ticks that follow do.
 */
#include "flow/scan.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "flow/drain.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_reconcile);

#define RECONCILE_SECONDS	20

void
lh_scan_report(const LhScans *scans)
{
	static LhStatement statement = {
		"select purpose, source, seen, queued, gone, finished_at is not null, blocks_read, blocks from handoff.scan "
		"where scan_id::text = any($1) and purpose <> 'poll' order by requested_at, scan_id",
		1, {TEXTARRAYOID}
	};
	Datum		value = lh_scan_names(scans->touched);
	int			n = lh_run(&statement, &value, NULL);

	for (int i = 0; i < n; i++)
		ereport(NOTICE,
				(errmsg("%s of %s: " INT64_FORMAT " rows read, " INT64_FORMAT " queued, " INT64_FORMAT " gone%s",
						lh_get_text(i, 1), lh_get_text(i, 2), lh_get_bigint(i, 3, 0), lh_get_bigint(i, 4, 0),
						lh_get_bigint(i, 5, 0), lh_get_bool(i, 6) ? "" :
						psprintf("; " INT64_FORMAT " of " INT64_FORMAT " blocks so far",
								 lh_get_bigint(i, 7, 0), lh_get_bigint(i, 8, 0)))));
}

/* reconcile() -------------------------------------------------------------------------------- */

static LhStatement ask = {
	"select handoff.request_scan(handoff.known_source($1), $2, 'reconcile()')",
	2, {TEXTOID, TEXTOID}
};

static LhStatement answer = {
	"select seen, queued, gone, finished_at is not null from handoff.scan where source = $1 and purpose = $2 "
	"order by requested_at desc limit 1",
	2, {TEXTOID, TEXTOID}
};

static void
check_call(const char *name, const char *mode)
{
	LhSource   *source;

	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("reconcile() needs isolation level read committed"),
				 errdetail("In a higher level it would compare rows as they were when the transaction began."),
				 errhint("Call it in a transaction of its own.")));
	if (strcmp(mode, "full") == 0)
		return;
	if (strcmp(mode, "watermark") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown mode \"%s\"", mode),
				 errhint("Modes are full and watermark.")));
	source = lh_source_load(name);
	if (source != NULL && lh_source_lock(source) && lh_scan_version(source) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_LH_ATTACH),
				 errmsg("source \"%s\" has no version to go by", name),
				 errdetail("That is a column of type timestamp or timestamptz, mapped to \"version\"."),
				 errhint("Compare all of it: mode => 'full'.")));
}

/* reconcile(source text, mode text) returns (seen, queued, gone, finished) */
Datum
lh_reconcile(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *mode = text_to_cstring(PG_GETARG_TEXT_PP(1));
	TimestampTz stop = GetCurrentTimestamp() + RECONCILE_SECONDS * USECS_PER_SEC;
	Datum		values[2] = {CStringGetTextDatum(name),
	CStringGetTextDatum(strcmp(mode, "full") == 0 ? "reconcile" : "poll")};
	LhScans		scans = {0};
	Datum		result[4];
	bool		isnull[4] = {false};
	TupleDesc	desc;
	LhWorld		world;
	HeapTuple	tuple;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	lh_enter(&world, true);
	lh_set_zone("UTC");
	lh_plan_by_key();
	SPI_connect();
	lh_check_schema();
	check_call(name, mode);
	lh_run(&ask, values, NULL);
	while (GetCurrentTimestamp() < stop && lh_scan_step(&scans, name))
		CHECK_FOR_INTERRUPTS();
	lh_scan_report(&scans);
	if (lh_run(&answer, values, NULL) == 0)
		elog(ERROR, "scan of source \"%s\" is gone", name);
	for (int i = 0; i < 3; i++)
		result[i] = Int64GetDatum(lh_get_bigint(0, i + 1, 0));
	result[3] = BoolGetDatum(lh_get_bool(0, 4));
	tuple = heap_form_tuple(desc, result, isnull);
	SPI_finish();
	lh_leave(&world);
	PG_RETURN_DATUM(HeapTupleGetDatum(tuple));
}
