/*
 * src/time/wall_clock.c
 *
 * From what clocks show in a zone to moments.
 *
 * Where the clock goes back, a time that comes twice is its first occurrence; where it goes forward, a
 * time that is left out counts with the offset before the gap, so that 02:30 becomes 03:30 (RFC 5545,
 * 3.3.5).  PostgreSQL's own conversion takes the second occurrence, so we walk the zone's transitions
 * ourselves.  A date that a zone left out altogether (2011-12-30 in Apia) has no hours.
 */
#include "time/wall_clock.h"

#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

int64
lh_local_date(pg_time_t at, pg_tz *zone)
{
	struct pg_tm *tm = pg_localtime(&at, zone);

	if (tm == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return (int64) date2j(tm->tm_year + 1900, tm->tm_mon + 1, tm->tm_mday) - UNIX_EPOCH_JDATE;
}

/* The first one if there are two; if there is none, by the offset before the gap. */
pg_time_t
lh_first_moment(pg_time_t local, pg_tz *zone)
{
	pg_time_t	since = local - 2 * SECS_PER_DAY;	/* before any offset's reach */
	long int	last_offset = 0;

	for (bool first = true;; first = false)
	{
		long int	offset;
		long int	next_offset;
		int			is_dst;
		pg_time_t	until;
		bool		changes = pg_next_dst_boundary(&since, &offset, &is_dst, &until,
												   &next_offset, &is_dst, zone) > 0;

		if (!first && local - offset < since)
			return local - last_offset;
		if (!changes || local - offset < until)
			return local - offset;
		last_offset = offset;
		since = until;
	}
}

bool
lh_hours_of_date(int64 date, int from, int length, pg_tz *zone, pg_time_t *start, pg_time_t *end)
{
	pg_time_t	midnight = date * SECS_PER_DAY;

	if (lh_local_date(lh_first_moment(midnight + SECS_PER_DAY / 2, zone), zone) != date)
		return false;
	*start = lh_first_moment(midnight + from * SECS_PER_MINUTE, zone);
	*end = lh_first_moment(midnight + (from + length) * SECS_PER_MINUTE, zone);
	return *start < *end;
}

bool
lh_next_change(pg_time_t after, pg_tz *zone, pg_time_t *change)
{
	long int	offset;
	long int	next_offset;
	int			is_dst;

	return pg_next_dst_boundary(&after, &offset, &is_dst, change, &next_offset, &is_dst, zone) > 0;
}
