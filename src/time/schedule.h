/*
 * src/time/schedule.h
 *
 * The type handoff.schedule: weekly hours in a time zone.
 */
#ifndef LH_SCHEDULE_H
#define LH_SCHEDULE_H

#include "lead_handoff.h"
#include "fmgr.h"
#include "pgtime.h"
#include "time/hours.h"

/* As stored.  Behind the spans lies the zone's name, with its final zero byte. */
typedef struct LhSchedule
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	int32		nspans;			/* 0: never open */
	LhSpan		spans[FLEXIBLE_ARRAY_MEMBER];	/* since Monday 00:00; sorted; those of one day don't touch */
} LhSchedule;

#define PG_GETARG_SCHEDULE_P(n)	((LhSchedule *) PG_DETOAST_DATUM(PG_GETARG_DATUM(n)))

extern const char *lh_schedule_zone(const LhSchedule *schedule);
extern LhSchedule *lh_schedule_in_zone(const LhSchedule *schedule, const char *zone);
extern LhSchedule *lh_schedule_always(const char *zone);	/* 24x7 */

/* Error 22023 if this server doesn't know the zone. */
extern pg_tz *lh_schedule_find_zone(const LhSchedule *schedule);

#endif							/* LH_SCHEDULE_H */
