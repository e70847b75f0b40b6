/*
 * src/rules/criteria_clock.c
 *
 * Criteria and time: what now() and current_date, moved by an interval, are at one moment, and until
 * when a comparison with them keeps its answer.
 *
 * The operands are computed by PostgreSQL's own operators, once for each now.  In between, a
 * comparison of a stored value x with the operand T flips when T passes x.  If T moved as evenly as
 * the clock, that would be after x - T.  Often it does: now() plus or minus hours.  But
 *
 *   - days and months are counted on the calendar of the session's time zone, so T jumps when now, T,
 *     or a step between them passes a change of the zone's offset.  Within such a change local times
 *     repeat or are missing, and T may jump anywhere near it by the size of the change;
 *   - a month's end is clipped: on January 29, 30 and 31, a month later is February 28.  T jumps at
 *     local midnight when the 29th, 30th, 31st or 1st begins;
 *   - current_date stands still within a day and jumps at local midnight.
 *
 * So for each now we know T (moment), until when it moves as described (until), and by how much it
 * may ever be off an even movement (slack: days, for the months' lengths and the largest changes of
 * offset).  Near a change of offset, until is found by probing.  From these follows a moment that is
 * never later than the flip, always later than now, and the flip itself wherever T moves evenly up
 * to it.
 */
#include "rules/criteria_eval.h"

#include "common/int.h"
#include "fmgr.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#define DAYS(n)		((n) * USECS_PER_DAY)

/* ---------- the operand ---------- */

/* Local time of day now, in microseconds, and the day of the month. */
static int64
local_time(TimestampTz now, int *day)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			tz;

	if (timestamp2tm(now, &tz, &tm, &fsec, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	*day = tm.tm_mday;
	return ((tm.tm_hour * MINS_PER_HOUR + tm.tm_min) * SECS_PER_MINUTE + tm.tm_sec) * USECS_PER_SEC + fsec;
}

/*
 * Moment p moves evenly with now, and local time is computed there.  Lower clock->until to when p
 * comes near a change of the zone's offset; if it is near one already, lower it to when it has left
 * it, and return true.
 */
static bool
near_zone_change(LhClock *clock, TimestampTz p)
{
	pg_time_t	at = timestamptz_to_time_t(p);
	pg_time_t	boundary = at - 2 * SECS_PER_DAY;
	bool		near = false;

	while (boundary <= at + 2 * SECS_PER_DAY)
	{
		pg_time_t	from = boundary;
		long		before,
					after;
		int			before_dst,
					after_dst;
		int64		change;
		TimestampTz edge;

		if (pg_next_dst_boundary(&from, &before, &before_dst, &boundary, &after, &after_dst,
								 session_timezone) <= 0)
			break;
		change = labs(after - before) * USECS_PER_SEC;
		edge = time_t_to_timestamptz(boundary) - change;
		if (edge <= p)
		{
			edge += 2 * change;
			if (edge <= p)
				continue;
			near = true;
		}
		clock->until = Min(clock->until, clock->now + (edge - p));
	}
	return near;
}

/* The next local midnight at which adding months may jump. */
static TimestampTz
next_month_jump(TimestampTz now)
{
	int			day;
	int64		time = local_time(now, &day);

	return now + DAYS(day < 28 ? 29 - day : 1) - time;
}

/* The next moment at which current_date may change: local midnight, or a change of the offset. */
static TimestampTz
next_date_change(TimestampTz now)
{
	int			day;
	TimestampTz midnight = now + DAYS(1) - local_time(now, &day);
	pg_time_t	at = timestamptz_to_time_t(now);
	pg_time_t	boundary;
	long		before,
				after;
	int			before_dst,
				after_dst;

	if (pg_next_dst_boundary(&at, &before, &before_dst, &boundary, &after, &after_dst,
							 session_timezone) > 0)
	{
		TimestampTz change = time_t_to_timestamptz(boundary);

		if (change > now && change < midnight)
			return change;
	}
	return midnight;
}

static TimestampTz
add_span(TimestampTz moment, const Interval *span)
{
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(moment),
												   IntervalPGetDatum(span)));
}

/* The first moment after now, but before limit, to which the operand does not move evenly. */
static TimestampTz
first_jump(const LhClock *clock, TimestampTz limit)
{
	TimestampTz even = clock->now;
	TimestampTz probe;

	do
	{
		probe = Min(even + USECS_PER_MINUTE, limit);
		if (add_span(probe, &clock->span) - clock->moment != probe - clock->now)
		{
			while (probe - even > 1)
			{
				TimestampTz middle = even + (probe - even) / 2;

				if (add_span(middle, &clock->span) - clock->moment == middle - clock->now)
					even = middle;
				else
					probe = middle;
			}
			return probe;
		}
		even = probe;
	} while (even < limit);
	return limit;
}

static void
set_now(LhLeaf *leaf, TimestampTz now)
{
	LhClock    *clock = leaf->clock;
	const Interval *span = &clock->span;
	Interval	part = {0};
	bool		near;

	clock->moment = clock->has_span ? add_span(now, span) : now;
	clock->operand = TimestampTzGetDatum(clock->moment);
	if (clock->type == LH_DATE)
		leaf->comparison = COMPARE_DATE_TIMESTAMPTZ;

	clock->until = DT_NOEND;
	clock->slack = 0;
	if (!clock->has_span || (span->month == 0 && span->day == 0) || TIMESTAMP_NOT_FINITE(now))
		return;

	/* months are added first, then days, each in local time; the rest is elapsed time */
	clock->slack = DAYS(2);
	near = near_zone_change(clock, now);
	if (span->month != 0)
	{
		part.month = span->month;
		near |= near_zone_change(clock, add_span(now, &part));
		clock->until = Min(clock->until, next_month_jump(now));
		clock->slack += DAYS(6);
	}
	if (span->day != 0)
	{
		part.day = span->day;
		near |= near_zone_change(clock, add_span(now, &part));
	}
	if (near)
		clock->until = first_jump(clock, clock->until);
}

static void
set_today(LhLeaf *leaf, TimestampTz now)
{
	LhClock    *clock = leaf->clock;
	LhType		type = clock->type;
	DateADT		today = DatumGetDateADT(DirectFunctionCall1(timestamptz_date, TimestampTzGetDatum(now)));
	int			overflow;

	if (!clock->has_span && type == LH_DATE)
	{
		leaf->comparison = COMPARE_DATE;
		clock->operand = DateADTGetDatum(today);
		clock->moment = DATE_NOT_FINITE(today) ? DT_NOEND : today * USECS_PER_DAY;
	}
	else if (!clock->has_span)
		clock->moment = date2timestamptz_opt_overflow(today, &overflow);
	else
	{
		clock->moment = DatumGetTimestamp(DirectFunctionCall2(date_pl_interval,
															  DateADTGetDatum(today),
															  IntervalPGetDatum(&clock->span)));
		if (type == LH_TIMESTAMPTZ)
			clock->moment = timestamp2timestamptz_opt_overflow(clock->moment, &overflow);
		else
			leaf->comparison = COMPARE_DATE_TIMESTAMP;
	}
	if (leaf->comparison != COMPARE_DATE)
		clock->operand = TimestampTzGetDatum(clock->moment);

	clock->slack = DAYS(4) + (clock->has_span && clock->span.month != 0 ? DAYS(8) : 0);
	clock->until = TIMESTAMP_NOT_FINITE(now) ? DT_NOEND : next_date_change(now);
}

/* A date against moments: it begins at midnight of the session's time zone. */
static void
set_date(LhLeaf *leaf)
{
	LhClock    *clock = leaf->clock;
	int			overflow;
	TimestampTz moment = date2timestamptz_opt_overflow(clock->date, &overflow);

	leaf->comparison = overflow == 0 ? COMPARE_TIMESTAMPTZ : COMPARE_TIMESTAMPTZ_DATE;
	clock->operand = overflow == 0 ? TimestampTzGetDatum(moment) : DateADTGetDatum(clock->date);
}

void
lh_program_set_now(LhProgram *program, TimestampTz now)
{
	for (int i = 0; i < program->nleaves; i++)
	{
		LhLeaf	   *leaf = &program->leaves[i];

		if (leaf->right != RIGHT_CLOCK)
			continue;
		leaf->clock->now = now;
		switch (leaf->clock->base)
		{
			case CLOCK_NOW:
				set_now(leaf, now);
				break;
			case CLOCK_TODAY:
				set_today(leaf, now);
				break;
			case CLOCK_DATE:
				set_date(leaf);
				break;
		}
	}
}

/* ---------- until when an answer holds ---------- */

static TimestampTz
later(TimestampTz now, int64 delay)
{
	int64		result;

	if (pg_add_s64_overflow(now, delay, &result) || result >= END_TIMESTAMP)
		return DT_NOEND;
	return result;
}

/* The value in the frame of clock->moment.  A date may lie behind the end of all moments. */
static int64
place_of(const LhLeaf *leaf, Datum value)
{
	DateADT		date;
	int			overflow;
	int64		place;

	if (leaf->comparison == COMPARE_TIMESTAMPTZ)
		return DatumGetTimestampTz(value);
	date = DatumGetDateADT(value);
	if (DATE_NOT_FINITE(date))
		return DT_NOEND;
	if (leaf->comparison == COMPARE_DATE_TIMESTAMPTZ)
		return date2timestamptz_opt_overflow(date, &overflow);
	return pg_mul_s64_overflow(date, USECS_PER_DAY, &place) ? DT_NOEND : place;
}

/*
 * When the answer flips if the operand moves evenly: it is behind the value by gap, will be on it,
 * and then ahead of it.
 */
static TimestampTz
even_flip(const LhLeaf *leaf, int64 gap)
{
	bool		before = (leaf->accept & ACCEPT_GREATER) != 0;
	bool		on = (leaf->accept & ACCEPT_EQUAL) != 0;
	bool		after = (leaf->accept & ACCEPT_LESS) != 0;

	if (gap > 0 && before != on)
		return later(leaf->clock->now, gap);
	if (gap >= 0 && on != after)
		return later(leaf->clock->now, gap + 1);
	return DT_NOEND;
}

TimestampTz
lh_leaf_valid_until(const LhLeaf *leaf, Datum value)
{
	const LhClock *clock = leaf->clock;
	int64		gap;
	TimestampTz until;

	if (clock->base == CLOCK_DATE || TIMESTAMP_NOT_FINITE(clock->now) ||
		TIMESTAMP_NOT_FINITE(clock->moment))
		return DT_NOEND;
	gap = place_of(leaf, value);
	if (TIMESTAMP_NOT_FINITE(gap) || pg_sub_s64_overflow(gap, clock->moment, &gap))
		return DT_NOEND;		/* never met */
	if (gap < -clock->slack)
		return DT_NOEND;		/* passed, for good */

	until = clock->until;
	if (clock->base == CLOCK_NOW)
		until = Min(until, even_flip(leaf, gap));
	if (gap > clock->slack && clock->slack > 0)
		until = Max(until, later(clock->now, gap - clock->slack));
	return until;
}
