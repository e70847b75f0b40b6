/*
 * src/time/business_time.h
 *
 * Business time: what a calendar's open time adds up to.  No SQL, no clock, no settings.
 */
#ifndef LH_BUSINESS_TIME_H
#define LH_BUSINESS_TIME_H

#include "lead_handoff.h"
#include "time/schedule.h"

typedef enum LhExceptionKind
{
	LH_DATE_CLOSED,				/* no hours, whatever else is said of the date */
	LH_DATE_OPEN,				/* these hours instead of the week's */
	LH_DATE_BREAK				/* these are cut out of what is open */
} LhExceptionKind;

/* What is not as in every week. */
typedef struct LhException
{
	int32		date;			/* days since 1970 */
	int16		kind;			/* LhExceptionKind */
	int16		nspans;
	LhSpan	   *spans;			/* since midnight */
} LhException;

/*
 * A schedule and its exceptions, ready to be asked.  It remembers what it has worked out of the years
 * that it was asked about, so asking it changes it; what it answers never changes.
 */
typedef struct LhCalendar LhCalendar;

/* In a context below the current one; error 22023 if this server doesn't know the zone. */
extern LhCalendar *lh_calendar_make(const LhSchedule *schedule, const LhException *exceptions, int nexceptions);

/* Search ends ten years away: what is not found by then is false. */
#define LH_HORIZON	(INT64CONST(3653) * USECS_PER_DAY)

/*
 * The moment by which so much business time has passed since (will pass until) at.  Days first, each the
 * open time of one date that has some; then microseconds.  Errors: 22023 (months), 22008 (at not finite).
 */
extern bool lh_business_add(LhCalendar *calendar, TimestampTz at, const Interval *span, TimestampTz *result);
extern bool lh_business_sub(LhCalendar *calendar, TimestampTz at, const Interval *span, TimestampTz *result);

/* Open time in [from, to), in microseconds; 0 if to is not later. */
extern int64 lh_business_between(LhCalendar *calendar, TimestampTz from, TimestampTz to);

extern bool lh_business_is_open(LhCalendar *calendar, TimestampTz at);

/* at itself if it is open, else the next moment that is. */
extern bool lh_business_next_open(LhCalendar *calendar, TimestampTz at, TimestampTz *result);

/* The end of the opening that lh_business_next_open() is in. */
extern bool lh_business_next_close(LhCalendar *calendar, TimestampTz at, TimestampTz *result);

/*
 * The business day of a moment, as the moment at which it opens: that of the hours that it lies in; outside of
 * all hours that of the local date, if it opens at any time of it; false: on that date it doesn't.
 */
extern bool lh_business_day(LhCalendar *calendar, TimestampTz at, TimestampTz *opening);

/* When the business day closes that is so many days after the one of the next open moment from at on. */
extern bool lh_business_day_end(LhCalendar *calendar, TimestampTz at, int days, TimestampTz *closing);

#endif							/* LH_BUSINESS_TIME_H */
