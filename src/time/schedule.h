/*
 * src/time/schedule.h
 *
 * The type handoff.schedule: weekly hours in a time zone.
 */
#ifndef LH_SCHEDULE_H
#define LH_SCHEDULE_H

#include "lead_handoff.h"
#include "fmgr.h"

/* Hours of one day of the week; past midnight they still belong to the day they begin. */
typedef struct LhSpan
{
	uint16		from;			/* minutes since Monday 00:00, local time */
	uint16		length;			/* minutes, 1 to 1440 */
} LhSpan;

/* As stored.  Behind the spans lies the zone's name, with its final zero byte. */
typedef struct LhSchedule
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	int32		nspans;			/* 0: never open */
	LhSpan		spans[FLEXIBLE_ARRAY_MEMBER];	/* sorted; those of one day don't touch */
} LhSchedule;

#define PG_GETARG_SCHEDULE_P(n)	((LhSchedule *) PG_DETOAST_DATUM(PG_GETARG_DATUM(n)))

extern const char *lh_schedule_zone(const LhSchedule *schedule);

/* Both: error 22023 if this server doesn't know the zone, 22008 if at is not finite. */
extern bool lh_schedule_is_open(const LhSchedule *schedule, TimestampTz at);

/* The first moment from at on that is open; DT_NOEND: it never is. */
extern TimestampTz lh_schedule_next_open(const LhSchedule *schedule, TimestampTz at);

#endif							/* LH_SCHEDULE_H */
