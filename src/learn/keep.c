/*
 * src/learn/keep.c
 *
 * keep_kpis(): what views of KPIs show is written into tables of ours, so as their owner.  What a view counts and who
 * may read it, is SQL's: sql/extension/88-keep.sql.
 */
#include "lead_handoff.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "sql.h"

PG_FUNCTION_INFO_V1(lh_keep_kpis);

static LhStatement keep_views = {
	"select handoff.keep_views($1)", 1, {TEXTARRAYOID}
};

/* keep_kpis(views text[]) returns bigint */
Datum
lh_keep_kpis(PG_FUNCTION_ARGS)
{
	Datum		views = PG_GETARG_DATUM(0);
	int64		kept;
	LhWorld		world;

	lh_enter(&world, true);
	SPI_connect();
	lh_run(&keep_views, &views, NULL);
	kept = lh_get_bigint(0, 1, 0);
	SPI_finish();
	lh_leave(&world);
	PG_RETURN_INT64(kept);
}
