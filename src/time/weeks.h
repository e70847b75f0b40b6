/*
 * src/time/weeks.h
 *
 * The weeks of a calendar: open time as pieces, with running sums.  For business_time.c alone.
 */
#ifndef LH_WEEKS_H
#define LH_WEEKS_H

#include "time/business_time.h"

#define LH_WEEK_DAYS	7
#define LH_WEEK_USECS	(LH_WEEK_DAYS * USECS_PER_DAY)

/* Open time without a gap, all of one date's; microseconds since the beginning of its week. */
typedef struct LhPiece
{
	int64		from;
	int64		to;
	int64		before;			/* open time of the week before it */
	int32		dates;			/* dates that have opened in the week by then, with its own */
} LhPiece;

/* A week of local dates, from Monday; microseconds since the beginning of the window. */
typedef struct LhWeek
{
	int64		number;			/* weeks since the one of 1970-01-01 */
	int64		from;
	int64		to;
	int64		open;			/* its open time */
	int64		open_before;	/* that of the window before it */
	int64		dates;			/* dates that open in it */
	int64		dates_before;
	int32		npieces;
	LhPiece    *pieces;
} LhWeek;

struct LhCalendar
{
	MemoryContext mcxt;
	pg_tz	   *zone;
	LhSchedule *schedule;
	LhException *exceptions;	/* by date, then kind */
	int			nexceptions;
	LhWeek		usual;			/* a week in which nothing special happens */

	/* the window: weeks first..last - 1; of these only the special ones are kept */
	MemoryContext window_mcxt;
	int64		first;
	int64		last;
	pg_time_t	start;			/* when it begins, in seconds since 1970 */
	TimestampTz origin;			/* the same */
	LhWeek	   *special;		/* by time; an empty one before and one behind all */
	int			nspecial;
};

/* What is counted in a week. */
typedef enum LhMeasure
{
	LH_OPEN_TIME,
	LH_OPEN_DATES
} LhMeasure;

extern void lh_weeks_init(LhCalendar *calendar);

/* Make the window hold both moments, and some weeks around them. */
extern void lh_weeks_cover(LhCalendar *calendar, TimestampTz from, TimestampTz to);

/* Make the window longer, towards at + LH_HORIZON or at - LH_HORIZON; false: it reaches there. */
extern bool lh_weeks_further(LhCalendar *calendar, TimestampTz at, bool ahead);

/*
 * The week of a moment of the window; the week in which so much open time, so many dates have passed, false:
 * outside the window.
 */
extern void lh_week_at(const LhCalendar *calendar, int64 moment, LhWeek *week);
extern bool lh_week_of(const LhCalendar *calendar, LhMeasure measure, int64 passed, LhWeek *week);

/* Behind the weeks from this one on that are open throughout; its own beginning if it isn't. */
extern int64 lh_weeks_open_until(const LhCalendar *calendar, int64 moment);

#endif							/* LH_WEEKS_H */
