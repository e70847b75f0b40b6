/*
 * src/flow/clock_due.c
 *
 * clock_due(), step_due(): when a clock, or a step of a cadence, is due, for whoever checks the table of clocks as
 * a whole.
 */
#include "flow/lead.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "time/calendar.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_clock_due);
PG_FUNCTION_INFO_V1(lh_sql_step_due);

static const char *
text_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* Three arguments (calendar, hours, zone) as lh_people_hours() would have it. */
static LhCalendar *
calendar_argument(FunctionCallInfo fcinfo, int n)
{
	const char *name = text_argument(fcinfo, n);
	const LhSchedule *hours = PG_ARGISNULL(n + 1) ? NULL : PG_GETARG_SCHEDULE_P(n + 1);

	return name == NULL && hours == NULL ? NULL : lh_calendar_for(name, hours, text_argument(fcinfo, n + 2));
}

/*
 * clock_due(started_at timestamptz, target interval, open_time boolean, calendar text, hours handoff.schedule,
 * zone text, pauses tstzmultirange, reporting_zone text) returns timestamptz
 */
Datum
lh_clock_due(PG_FUNCTION_ARGS)
{
	LhSla		sla = {.target = PG_GETARG_INTERVAL_P(1),.business = PG_GETARG_BOOL(2)};
	LhSlaClock	clock = {.sla = &sla,.started_at = PG_GETARG_TIMESTAMPTZ(0)};
	TimestampTz due;
	LhWorld		world;

	lh_enter(&world, true);
	SPI_connect();
	if (sla.target->month != 0 || sla.target->day != 0)
		lh_set_zone(text_argument(fcinfo, 7));
	clock.hours = calendar_argument(fcinfo, 3);
	clock.npauses = lh_pauses_from_multirange(PG_GETARG_MULTIRANGE_P(6), &clock.pauses);
	due = lh_sla_due(&clock);
	SPI_finish();
	lh_leave(&world);
	if (due == LH_NOT_YET)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(due);
}

/*
 * step_due(handed_at timestamptz, business_day int, calendar text, hours handoff.schedule, zone text,
 * reporting_zone text) returns timestamptz
 */
Datum
lh_sql_step_due(PG_FUNCTION_ARGS)
{
	LhCadenceStep step = {.business_day = PG_GETARG_INT32(1)};
	LhCalendar *hours;
	TimestampTz due;
	LhWorld		world;

	lh_enter(&world, true);
	SPI_connect();
	hours = lh_calendar_or_dates(calendar_argument(fcinfo, 2), text_argument(fcinfo, 5));
	SPI_finish();
	lh_leave(&world);
	if (!lh_step_due(&step, PG_GETARG_TIMESTAMPTZ(0), hours, &due))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(due);
}
