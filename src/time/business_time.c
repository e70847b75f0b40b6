/*
 * src/time/business_time.c
 *
 * Business time: how much a calendar is open between two moments, and when so much will have passed.
 *
 * A calendar is open in the union of its dates' hours, each as [start, end) of real time; business time
 * is real time within it, so a night shift over a change of clocks has an hour more or less, and 24x7 is
 * elapsed time.  Everything here is one function and its inverse:
 *
 *     P(t)       open time passed since some beginning, up to t
 *     between    P(b) - P(a)
 *     add        the first moment t at which P(t) has risen by so much: closing time, if it ends there
 *     sub        the last moment t at which P(t) was less by so much: opening time, if it begins there
 *
 * Both are exact to the microsecond.  The last t with P(t) = p is the moment at which the piece of open
 * time behind p begins or goes on, and the first one is a microsecond after the last t with P(t) = p - 1.
 * Adding nothing gives the next open moment, taking nothing the last moment up to which it was open.
 *
 * A business day is the open time of one date that has some.  Days are counted from the date that the
 * (next) open moment belongs to: from Friday 12:00 with hours to 17:00, one day on is 12:00 on the next
 * date that opens, if it is as long.  From a closed moment it is the whole of the next date, to its end.
 */
#include "time/business_time.h"

#include "common/int.h"
#include "time/wall_clock.h"
#include "time/weeks.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* How far one step of between() goes: less than the window may hold. */
#define LONG_SPAN		(INT64CONST(100) * 366 * USECS_PER_DAY)

static int
by_date(const void *a, const void *b)
{
	const LhException *x = a;
	const LhException *y = b;

	if (x->date != y->date)
		return x->date < y->date ? -1 : 1;
	return x->kind - y->kind;
}

LhCalendar *
lh_calendar_make(const LhSchedule *schedule, const LhException *exceptions, int nexceptions)
{
	pg_tz	   *zone = lh_schedule_find_zone(schedule);
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "lead_handoff calendar", ALLOCSET_SMALL_SIZES);
	MemoryContext save = MemoryContextSwitchTo(mcxt);
	LhCalendar *calendar = palloc0_object(LhCalendar);

	calendar->mcxt = mcxt;
	calendar->window_mcxt = AllocSetContextCreate(mcxt, "lead_handoff calendar window", ALLOCSET_DEFAULT_SIZES);
	calendar->zone = zone;
	calendar->schedule = palloc(VARSIZE(schedule));
	memcpy(calendar->schedule, schedule, VARSIZE(schedule));
	calendar->nexceptions = nexceptions;
	calendar->exceptions = palloc_array(LhException, Max(nexceptions, 1));
	for (int i = 0; i < nexceptions; i++)
	{
		LhException *exception = &calendar->exceptions[i];

		*exception = exceptions[i];
		exception->spans = palloc_array(LhSpan, Max(exception->nspans, 1));
		memcpy(exception->spans, exceptions[i].spans, exception->nspans * sizeof(LhSpan));
	}
	if (nexceptions > 1)
		qsort(calendar->exceptions, nexceptions, sizeof(LhException), by_date);
	lh_weeks_init(calendar);
	MemoryContextSwitchTo(save);
	return calendar;
}

/* ---------- within the window ---------- */

/* The last piece that begins at or before a moment of the week; NULL: none. */
static const LhPiece *
piece_at(const LhWeek *week, int64 moment)
{
	const LhPiece *found = NULL;
	int			low = 0;
	int			high = week->npieces;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (week->pieces[middle].from <= moment)
		{
			found = &week->pieces[middle];
			low = middle + 1;
		}
		else
			high = middle;
	}
	return found;
}

/* The piece in which open time of the week has passed. */
static const LhPiece *
piece_of(const LhWeek *week, int64 passed)
{
	int			low = 0;
	int			high = week->npieces;

	while (high - low > 1)
	{
		int			middle = (low + high) / 2;

		if (week->pieces[middle].before <= passed)
			low = middle;
		else
			high = middle;
	}
	return &week->pieces[low];
}

/* P(t) */
static int64
passed_at(const LhCalendar *calendar, int64 moment)
{
	LhWeek		week;
	const LhPiece *piece;

	lh_week_at(calendar, moment, &week);
	moment -= week.from;
	piece = piece_at(&week, moment);
	if (piece == NULL)
		return week.open_before;
	return week.open_before + piece->before + Min(moment, piece->to) - piece->from;
}

/* The last t with P(t) = passed; false: not in the window. */
static bool
last_moment(const LhCalendar *calendar, int64 passed, int64 *moment)
{
	LhWeek		week;
	const LhPiece *piece;

	if (!lh_week_of(calendar, LH_OPEN_TIME, passed, &week))
		return false;
	passed -= week.open_before;
	piece = piece_of(&week, passed);
	*moment = week.from + piece->from + passed - piece->before;
	return true;
}

/* The first t with P(t) = passed. */
static bool
first_moment(const LhCalendar *calendar, int64 passed, int64 *moment)
{
	if (!last_moment(calendar, passed - 1, moment))
		return false;
	*moment += 1;
	return true;
}

/* Which of the window's dates open time belongs to. */
static bool
date_of(const LhCalendar *calendar, int64 passed, int64 *date)
{
	LhWeek		week;

	if (!lh_week_of(calendar, LH_OPEN_TIME, passed, &week))
		return false;
	*date = week.dates_before + piece_of(&week, passed - week.open_before)->dates - 1;
	return true;
}

/* P(t) where a date opens. */
static bool
passed_before_date(const LhCalendar *calendar, int64 date, int64 *passed)
{
	LhWeek		week;

	if (!lh_week_of(calendar, LH_OPEN_DATES, date, &week))
		return false;
	date -= week.dates_before;
	for (int i = 0; i < week.npieces; i++)
		if (week.pieces[i].dates > date)
		{
			*passed = week.open_before + week.pieces[i].before;
			return true;
		}
	return false;
}

/* P(t) where the hours of a date end: where the next one opens, or, if there is none, all that is open. */
static bool
passed_after_date(const LhCalendar *calendar, int64 date, int64 *passed)
{
	const LhWeek *end = &calendar->special[calendar->nspecial - 1];
	LhWeek		week;

	if (passed_before_date(calendar, date + 1, passed))
		return true;
	if (!lh_week_of(calendar, LH_OPEN_DATES, date, &week) || week.to + LH_WEEK_USECS > end->from)
		return false;
	*passed = end->open_before;
	return true;
}

/* ---------- questions to the window ---------- */

/* An answer to a question about a moment, both in the window; false: it isn't there. */
typedef bool (*Seek) (const LhCalendar *calendar, int64 moment, int64 amount, int64 *found);

static bool
seek_open(const LhCalendar *calendar, int64 moment, int64 amount, int64 *found)
{
	return last_moment(calendar, passed_at(calendar, moment), found);
}

static bool
seek_was_open(const LhCalendar *calendar, int64 moment, int64 amount, int64 *found)
{
	return first_moment(calendar, passed_at(calendar, moment), found);
}

static bool
seek_time_on(const LhCalendar *calendar, int64 moment, int64 amount, int64 *found)
{
	return first_moment(calendar, passed_at(calendar, moment) + amount, found);
}

static bool
seek_time_back(const LhCalendar *calendar, int64 moment, int64 amount, int64 *found)
{
	return last_moment(calendar, passed_at(calendar, moment) - amount, found);
}

static bool
seek_days_on(const LhCalendar *calendar, int64 moment, int64 amount, int64 *found)
{
	int64		passed = passed_at(calendar, moment);
	int64		date;
	int64		from;
	int64		to;

	return date_of(calendar, passed, &date) &&
		passed_before_date(calendar, date, &from) &&
		passed_after_date(calendar, date + amount - 1, &to) &&
		first_moment(calendar, passed + to - from, found);
}

static bool
seek_days_back(const LhCalendar *calendar, int64 moment, int64 amount, int64 *found)
{
	int64		passed = passed_at(calendar, moment);
	int64		date;
	int64		from;
	int64		to;

	return date_of(calendar, passed - 1, &date) &&
		passed_before_date(calendar, date - amount + 1, &from) &&
		passed_after_date(calendar, date, &to) &&
		last_moment(calendar, passed - (to - from), found);
}

static bool
seek_close(const LhCalendar *calendar, int64 moment, int64 amount, int64 *found)
{
	int64		end = calendar->special[calendar->nspecial - 1].from;

	if (!seek_open(calendar, moment, 0, &moment))
		return false;
	while (moment < end)
	{
		int64		behind = lh_weeks_open_until(calendar, moment);
		LhWeek		week;
		const LhPiece *piece;

		if (behind > moment)
		{
			moment = behind;
			continue;
		}
		lh_week_at(calendar, moment, &week);
		piece = piece_at(&week, moment - week.from);
		if (piece == NULL || week.from + piece->to <= moment)
		{
			*found = moment;
			return true;
		}
		moment = week.from + piece->to;
	}
	return false;
}

/* Where the date opens that the open time behind a moment (before it, if amount is 1) belongs to. */
static bool
seek_opening(const LhCalendar *calendar, int64 moment, int64 amount, int64 *found)
{
	int64		date;
	int64		passed;

	return date_of(calendar, passed_at(calendar, moment) - amount, &date) &&
		passed_before_date(calendar, date, &passed) &&
		last_moment(calendar, passed, found);
}

/* Where the date closes that comes so many after that of the open time behind a moment. */
static bool
seek_closing(const LhCalendar *calendar, int64 moment, int64 amount, int64 *found)
{
	int64		date;
	int64		passed;

	return date_of(calendar, passed_at(calendar, moment), &date) &&
		passed_after_date(calendar, date + amount, &passed) &&
		first_moment(calendar, passed, found);
}

/* ---------- moments ---------- */

static void
check_finite(TimestampTz at)
{
	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range"),
				 errdetail("Business time is counted from one moment to another.")));
}

/* Ask, and look ever further away until there is an answer or ten years are looked through. */
static bool
ask(LhCalendar *calendar, TimestampTz at, Seek seek, int64 amount, bool ahead, TimestampTz *result)
{
	int64		moment;
	int64		found;

	check_finite(at);
	lh_weeks_cover(calendar, at, at);
	for (;;)
	{
		moment = at - calendar->origin;
		if (seek(calendar, moment, amount, &found))
			break;
		if (!lh_weeks_further(calendar, at, ahead))
			return false;
	}
	if (found - moment > LH_HORIZON || moment - found > LH_HORIZON)
		return false;
	/* moments of the window may lie where timestamps end */
	return !pg_add_s64_overflow(calendar->origin, found, result) && IS_VALID_TIMESTAMP(*result);
}

/* Whole dates, back if days are negative; there is one at least. */
static bool
shift_days(LhCalendar *calendar, TimestampTz at, int64 days, TimestampTz *result)
{
	return days > 0 ? ask(calendar, at, seek_days_on, days, true, result)
		: ask(calendar, at, seek_days_back, -days, false, result);
}

/* Without any time: to the next open moment; back: to the last up to which it was open. */
static bool
shift_time(LhCalendar *calendar, TimestampTz at, int64 time, bool back, TimestampTz *result)
{
	if (time > LH_HORIZON || time < -LH_HORIZON)
	{
		check_finite(at);
		return false;
	}
	if (time == 0)
		return ask(calendar, at, back ? seek_was_open : seek_open, 0, !back, result);
	return time > 0 ? ask(calendar, at, seek_time_on, time, true, result)
		: ask(calendar, at, seek_time_back, -time, false, result);
}

static void
check_span(const Interval *span)
{
	if (span->month != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("business time is not counted in months or years"),
				 errhint("Give days, each the open time of one date, or hours.")));
}

bool
lh_business_add(LhCalendar *calendar, TimestampTz at, const Interval *span, TimestampTz *result)
{
	check_span(span);
	if (span->day == 0)
		return shift_time(calendar, at, span->time, false, result);
	if (!shift_days(calendar, at, span->day, result))
		return false;
	return span->time == 0 || shift_time(calendar, *result, span->time, false, result);
}

bool
lh_business_sub(LhCalendar *calendar, TimestampTz at, const Interval *span, TimestampTz *result)
{
	int64		back = span->time < -LH_HORIZON ? LH_HORIZON + 1 : -span->time;

	check_span(span);
	if (span->day == 0)
		return shift_time(calendar, at, back, true, result);
	if (!shift_days(calendar, at, -(int64) span->day, result))
		return false;
	return span->time == 0 || shift_time(calendar, *result, back, true, result);
}

int64
lh_business_between(LhCalendar *calendar, TimestampTz from, TimestampTz to)
{
	int64		passed = 0;

	check_finite(from);
	check_finite(to);
	while (from < to)
	{
		/* their difference may be too much for a number */
		TimestampTz until = from < to - LONG_SPAN ? from + LONG_SPAN : to;

		lh_weeks_cover(calendar, from, until);
		passed += passed_at(calendar, until - calendar->origin) - passed_at(calendar, from - calendar->origin);
		from = until;
	}
	return passed;
}

bool
lh_business_is_open(LhCalendar *calendar, TimestampTz at)
{
	LhWeek		week;
	const LhPiece *piece;

	check_finite(at);
	lh_weeks_cover(calendar, at, at);
	at -= calendar->origin;
	lh_week_at(calendar, at, &week);
	piece = piece_at(&week, at - week.from);
	return piece != NULL && at - week.from < piece->to;
}

bool
lh_business_next_open(LhCalendar *calendar, TimestampTz at, TimestampTz *result)
{
	return ask(calendar, at, seek_open, 0, true, result);
}

bool
lh_business_next_close(LhCalendar *calendar, TimestampTz at, TimestampTz *result)
{
	return ask(calendar, at, seek_close, 0, true, result);
}

static int64
wall_date(const LhCalendar *calendar, TimestampTz at)
{
	pg_time_t	seconds = at / USECS_PER_SEC - (at % USECS_PER_SEC < 0) + LH_EPOCH_SECONDS;

	return lh_local_date(seconds, calendar->zone);
}

bool
lh_business_day(LhCalendar *calendar, TimestampTz at, TimestampTz *opening)
{
	int64		date;

	if (lh_business_is_open(calendar, at))
		return ask(calendar, at, seek_opening, 0, true, opening);
	date = wall_date(calendar, at);
	if (ask(calendar, at, seek_opening, 1, false, opening) && wall_date(calendar, *opening) == date)
		return true;
	return ask(calendar, at, seek_opening, 0, true, opening) && wall_date(calendar, *opening) == date;
}

bool
lh_business_day_end(LhCalendar *calendar, TimestampTz at, int days, TimestampTz *closing)
{
	return ask(calendar, at, seek_closing, days, true, closing);
}
