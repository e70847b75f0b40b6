/*
 * src/time/wall_clock.h
 *
 * From what clocks show in a zone to moments, and back.
 */
#ifndef LH_WALL_CLOCK_H
#define LH_WALL_CLOCK_H

#include "lead_handoff.h"
#include "pgtime.h"

/* The time zone library counts seconds since 1970, UTC; TimestampTz microseconds since 2000. */
#define LH_EPOCH_SECONDS	((pg_time_t) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

/* Days since 1970 of the date that clocks show at a moment.  Error 22008: out of range. */
extern int64 lh_local_date(pg_time_t at, pg_tz *zone);

/* The moment at which clocks show a local time, given as if it were UTC. */
extern pg_time_t lh_first_moment(pg_time_t local, pg_tz *zone);

/*
 * Hours from..from + length (minutes) of a date (days since 1970), as moments.  False: that date was
 * left out there, or nothing remains of them.
 */
extern bool lh_hours_of_date(int64 date, int from, int length, pg_tz *zone, pg_time_t *start, pg_time_t *end);

/* Every change of clocks after a moment, in order; false: no more. */
extern bool lh_next_change(pg_time_t after, pg_tz *zone, pg_time_t *change);

#endif							/* LH_WALL_CLOCK_H */
