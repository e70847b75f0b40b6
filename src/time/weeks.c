/*
 * src/time/weeks.c
 *
 * A calendar as weeks: how any moment, and any amount of open time, is found in a few steps.
 *
 * Most weeks are alike: between two changes of clocks, and away from exceptions, each has the same open
 * time at the same distance from its Monday 00:00.  That usual week is worked out once.  Weeks that
 * clocks or exceptions reach are special; each of them is worked out by itself, as [start, end) of real
 * time.  Of a window of years only the special weeks are kept, in order, each with the sums of open time
 * and of open dates before it:
 *
 *     S....S.S........S...S      S special, . usual
 *
 * What lies between two of them is usual weeks, so that a division finds the right one.  A search is one
 * binary search over the special weeks and one over the pieces of a week, whatever the span.
 *
 * A change of clocks makes the weeks of the dates around it special: hours reach up to two days past
 * their date, and zones have jumped by a day, hence a margin of a week on either side.  An exception
 * makes its own week special, and the next one, which a night's hours or break may reach.
 *
 * A week's pieces belong to the date whose hours begin there; where hours of two dates overlap, the time
 * counts once, for the earlier one.
 *
 * The window begins with the year around the first moment asked about, and doubles when a search leaves
 * it.  It is kept to some centuries; asking about moments farther apart than that moves it.
 */
#include "time/weeks.h"

#include "miscadmin.h"
#include "time/wall_clock.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define MARGIN_WEEKS	4		/* the window around any moment asked about; more than offsets, nights and gaps reach */
#define FIRST_WEEKS		53
#define MAX_WEEKS		25000	/* 479 years */

/* [from, to), seconds since 1970, of hours that belong to a date (days since 1970) */
typedef struct Stretch
{
	pg_time_t	from;
	pg_time_t	to;
	int64		date;
} Stretch;

typedef struct Stretches
{
	Stretch    *items;
	int			n;
	int			room;
} Stretches;

static int64
floor_div(int64 a, int64 b)
{
	return a / b - (a % b < 0);
}

/* Days since 1970 of a week's Monday; 1970-01-01 was a Thursday. */
static int64
monday_of(int64 week)
{
	return week * LH_WEEK_DAYS - 3;
}

static int64
week_of_date(int64 date)
{
	return floor_div(date + 3, LH_WEEK_DAYS);
}

/* By UTC; the zone's own may be the one before or after. */
static int64
week_of_moment(TimestampTz at)
{
	return week_of_date(floor_div(at, USECS_PER_DAY) + LH_EPOCH_SECONDS / SECS_PER_DAY);
}

/* ---------- the hours of a week ---------- */

static void
add_stretch(Stretches *list, pg_time_t from, pg_time_t to, int64 date)
{
	if (list->n == list->room)
	{
		list->room = Max(16, list->room * 2);
		list->items = list->items == NULL ? palloc_array(Stretch, list->room)
			: repalloc_array(list->items, Stretch, list->room);
	}
	list->items[list->n++] = (Stretch) {from, to, date};
}

static void
forget(Stretches *list)
{
	if (list->items != NULL)
		pfree(list->items);
}

static void
add_hours(Stretches *list, int64 date, int from, int length, pg_tz *zone)
{
	pg_time_t	start = date * SECS_PER_DAY + from * SECS_PER_MINUTE;
	pg_time_t	end = start + length * SECS_PER_MINUTE;

	if (zone == NULL || lh_hours_of_date(date, from, length, zone, &start, &end))
		add_stretch(list, start, end, date);
}

/* The first exception on or after a date. */
static int
find_exception(const LhCalendar *calendar, int64 date)
{
	int			low = 0;
	int			high = calendar->nexceptions;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (calendar->exceptions[middle].date < date)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
add_week_hours(const LhCalendar *calendar, int64 date, pg_tz *zone, Stretches *hours)
{
	const LhSchedule *schedule = calendar->schedule;
	int			weekday = date - monday_of(week_of_date(date));

	for (int i = 0; i < schedule->nspans; i++)
		if (schedule->spans[i].from / LH_DAY_MINUTES == weekday)
			add_hours(hours, date, schedule->spans[i].from % LH_DAY_MINUTES, schedule->spans[i].length, zone);
}

/* What a date opens, and what it breaks.  Exceptions of a date come closed, open, break. */
static void
add_date(const LhCalendar *calendar, int64 date, Stretches *hours, Stretches *breaks)
{
	bool		usual = true;

	for (int i = find_exception(calendar, date); i < calendar->nexceptions; i++)
	{
		const LhException *exception = &calendar->exceptions[i];
		bool		is_break = exception->kind == LH_DATE_BREAK;

		if (exception->date != date)
			break;
		if (!is_break && !usual)
			continue;			/* closed wins */
		usual = usual && is_break;
		for (int j = 0; j < exception->nspans; j++)
			add_hours(is_break ? breaks : hours, date, exception->spans[j].from,
					  exception->spans[j].length, calendar->zone);
	}
	if (usual)
		add_week_hours(calendar, date, calendar->zone, hours);
}

static int
by_beginning(const void *a, const void *b)
{
	const Stretch *x = a;
	const Stretch *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->date < y->date ? -1 : x->date > y->date;
}

/* In order, none over another; what overlaps is the earlier one's. */
static void
untangle(Stretches *list)
{
	int			n = 0;

	if (list->n > 0)
		qsort(list->items, list->n, sizeof(Stretch), by_beginning);
	for (int i = 0; i < list->n; i++)
	{
		Stretch		next = list->items[i];

		if (n > 0)
		{
			next.from = Max(next.from, list->items[n - 1].to);
			next.date = Max(next.date, list->items[n - 1].date);
		}
		if (next.from < next.to)
			list->items[n++] = next;
	}
	list->n = n;
}

/* Hours without breaks, both untangled. */
static Stretches
cut_out(const Stretches *hours, const Stretches *breaks)
{
	Stretches	rest = {0};
	int			next = 0;

	for (int i = 0; i < hours->n; i++)
	{
		Stretch		open = hours->items[i];

		while (next < breaks->n && breaks->items[next].to <= open.from)
			next++;
		for (int j = next; j < breaks->n && breaks->items[j].from < open.to; j++)
		{
			if (open.from < breaks->items[j].from)
				add_stretch(&rest, open.from, breaks->items[j].from, open.date);
			open.from = breaks->items[j].to;
		}
		if (open.from < open.to)
			add_stretch(&rest, open.from, open.to, open.date);
	}
	return rest;
}

/* What of it lies in [from, to) becomes the pieces and sums of a week. */
static void
fill_week(LhWeek *week, const Stretches *open, pg_time_t from, pg_time_t to)
{
	week->npieces = 0;
	week->open = 0;
	week->dates = 0;
	week->pieces = palloc_array(LhPiece, Max(open->n, 1));
	for (int i = 0; i < open->n; i++)
	{
		const Stretch *stretch = &open->items[i];
		LhPiece    *piece = &week->pieces[week->npieces];

		if (stretch->to <= from || stretch->from >= to)
			continue;
		if (stretch->from >= from && (i == 0 || stretch[-1].date != stretch->date))
			week->dates++;
		piece->from = (Max(stretch->from, from) - from) * USECS_PER_SEC;
		piece->to = (Min(stretch->to, to) - from) * USECS_PER_SEC;
		piece->before = week->open;
		piece->dates = week->dates;
		week->open += piece->to - piece->from;
		week->npieces++;
	}
}

/* A week as it really is; it begins at *from. */
static void
make_special(const LhCalendar *calendar, int64 number, LhWeek *week, pg_time_t *from)
{
	int64		monday = monday_of(number);
	pg_time_t	to = lh_first_moment((monday + LH_WEEK_DAYS) * SECS_PER_DAY, calendar->zone);
	Stretches	hours = {0};
	Stretches	breaks = {0};
	Stretches	open;

	*from = lh_first_moment(monday * SECS_PER_DAY, calendar->zone);
	/* nights of the days before reach into it, so may those of a day before a date that was left out */
	for (int64 date = monday - 3; date < monday + LH_WEEK_DAYS + 2; date++)
		add_date(calendar, date, &hours, &breaks);
	untangle(&hours);
	untangle(&breaks);
	open = cut_out(&hours, &breaks);
	fill_week(week, &open, *from, to);
	week->number = number;
	week->to = (to - *from) * USECS_PER_SEC;
	forget(&hours);
	forget(&breaks);
	forget(&open);
}

void
lh_weeks_init(LhCalendar *calendar)
{
	Stretches	hours = {0};
	int64		monday = monday_of(0);

	for (int64 date = monday - 3; date < monday + LH_WEEK_DAYS + 2; date++)
		add_week_hours(calendar, date, NULL, &hours);
	untangle(&hours);
	fill_week(&calendar->usual, &hours, monday * SECS_PER_DAY, (monday + LH_WEEK_DAYS) * SECS_PER_DAY);
}

/* ---------- the window ---------- */

typedef struct Numbers
{
	int64	   *items;
	int			n;
	int			room;
} Numbers;

static void
add_number(Numbers *list, const LhCalendar *calendar, int64 week)
{
	if (week < calendar->first || week >= calendar->last)
		return;
	if (list->n == list->room)
	{
		list->room = Max(64, list->room * 2);
		list->items = list->items == NULL ? palloc_array(int64, list->room)
			: repalloc_array(list->items, int64, list->room);
	}
	list->items[list->n++] = week;
}

static int
by_number(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/* The numbers of the window's special weeks, in order. */
static Numbers
find_special(const LhCalendar *calendar)
{
	Numbers		found = {0};
	pg_time_t	at = monday_of(calendar->first - 2) * SECS_PER_DAY;
	pg_time_t	end = monday_of(calendar->last + 2) * SECS_PER_DAY;
	int			n = 0;

	while (lh_next_change(at, calendar->zone, &at) && at < end)
	{
		int64		date = floor_div(at, SECS_PER_DAY);

		for (int64 week = week_of_date(date - 7); week <= week_of_date(date + 7); week++)
			add_number(&found, calendar, week);
		CHECK_FOR_INTERRUPTS();
	}
	for (int i = find_exception(calendar, monday_of(calendar->first - 1)); i < calendar->nexceptions; i++)
	{
		int64		week = week_of_date(calendar->exceptions[i].date);

		if (week >= calendar->last)
			break;
		add_number(&found, calendar, week);
		add_number(&found, calendar, week + 1);
	}
	if (found.n > 0)
		qsort(found.items, found.n, sizeof(int64), by_number);
	for (int i = 0; i < found.n; i++)
		if (i == 0 || found.items[i] != found.items[i - 1])
			found.items[n++] = found.items[i];
	found.n = n;
	return found;
}

/* Place a week behind the last special one, with the usual weeks in between. */
static void
append_week(LhCalendar *calendar, LhWeek *week, pg_time_t from)
{
	const LhWeek *last = &calendar->special[calendar->nspecial - 1];
	int64		between = week->number - last->number - 1;

	week->from = (from - calendar->start) * USECS_PER_SEC;
	week->to += week->from;
	week->open_before = last->open_before + last->open + between * calendar->usual.open;
	week->dates_before = last->dates_before + last->dates + between * calendar->usual.dates;
	Assert(week->from == last->to + between * LH_WEEK_USECS);
	calendar->nspecial++;
}

/* Make the window that of weeks first..last - 1.  An error leaves it empty. */
static void
make_window(LhCalendar *calendar, int64 first, int64 last)
{
	MemoryContext save;
	Numbers		numbers;
	pg_time_t	from;

	calendar->nspecial = 0;
	MemoryContextReset(calendar->window_mcxt);
	save = MemoryContextSwitchTo(calendar->window_mcxt);

	calendar->first = first;
	calendar->last = last;
	calendar->start = lh_first_moment(monday_of(first) * SECS_PER_DAY, calendar->zone);
	calendar->origin = (calendar->start - LH_EPOCH_SECONDS) * USECS_PER_SEC;
	numbers = find_special(calendar);
	calendar->special = palloc0_array(LhWeek, numbers.n + 2);
	calendar->special[0].number = first - 1;
	calendar->nspecial = 1;
	for (int i = 0; i < numbers.n; i++)
	{
		LhWeek	   *week = &calendar->special[calendar->nspecial];

		make_special(calendar, numbers.items[i], week, &from);
		append_week(calendar, week, from);
		CHECK_FOR_INTERRUPTS();
	}
	calendar->special[calendar->nspecial].number = last;
	append_week(calendar, &calendar->special[calendar->nspecial],
				lh_first_moment(monday_of(last) * SECS_PER_DAY, calendar->zone));
	MemoryContextSwitchTo(save);
}

static bool
has_window(const LhCalendar *calendar)
{
	return calendar->nspecial > 1 && calendar->special[calendar->nspecial - 1].number == calendar->last;
}

/*
 * Make the window hold weeks first..last - 1, and what it holds now unless that is too far away.  It grows
 * by its own length at least, so that going on step by step is not slow.
 */
static void
cover_weeks(LhCalendar *calendar, int64 first, int64 last)
{
	if (has_window(calendar))
	{
		int64		hull_first = Min(first, calendar->first);
		int64		hull_last = Max(last, calendar->last);
		int64		more = Min(calendar->last - calendar->first, MAX_WEEKS - (hull_last - hull_first));

		if (more >= 0)
		{
			if (hull_first == calendar->first && hull_last == calendar->last)
				return;
			first = hull_first < calendar->first ? hull_first - more : hull_first;
			last = hull_last > calendar->last ? hull_last + more : hull_last;
		}
	}
	make_window(calendar, first, last);
}

void
lh_weeks_cover(LhCalendar *calendar, TimestampTz from, TimestampTz to)
{
	int64		first = week_of_moment(from) - MARGIN_WEEKS;
	int64		last = week_of_moment(to) + MARGIN_WEEKS + 1;

	if (likely(calendar->first <= first && last <= calendar->last && has_window(calendar)))
		return;
	cover_weeks(calendar, first, Max(last, first + FIRST_WEEKS));
}

bool
lh_weeks_further(LhCalendar *calendar, TimestampTz at, bool ahead)
{
	int64		here = week_of_moment(at);
	int64		reach = LH_HORIZON / LH_WEEK_USECS + MARGIN_WEEKS;

	if (ahead)
	{
		if (calendar->last >= here + reach)
			return false;
		cover_weeks(calendar, here - MARGIN_WEEKS, calendar->last + 1);
	}
	else
	{
		if (calendar->first <= here - reach)
			return false;
		cover_weeks(calendar, calendar->first - 1, here + MARGIN_WEEKS + 1);
	}
	return true;
}

/* ---------- searches ---------- */

/* The last special week that begins at or before a moment, by time, open time or dates. */
static inline const LhWeek *
last_special(const LhCalendar *calendar, size_t field, int64 value)
{
	const LhWeek *special = calendar->special;
	int			low = 0;
	int			high = calendar->nspecial;

	/* the first one begins with 0 of everything */
	while (high - low > 1)
	{
		int			middle = (low + high) / 2;

		if (*(const int64 *) ((const char *) &special[middle] + field) <= value)
			low = middle;
		else
			high = middle;
	}
	return &special[low];
}

/* The usual week number n, from 0, behind a special one. */
static void
usual_week(const LhCalendar *calendar, const LhWeek *special, int64 n, LhWeek *week)
{
	*week = calendar->usual;
	week->number = special->number + 1 + n;
	week->from = special->to + n * LH_WEEK_USECS;
	week->to = week->from + LH_WEEK_USECS;
	week->open_before = special->open_before + special->open + n * week->open;
	week->dates_before = special->dates_before + special->dates + n * week->dates;
}

void
lh_week_at(const LhCalendar *calendar, int64 moment, LhWeek *week)
{
	const LhWeek *special = last_special(calendar, offsetof(LhWeek, from), moment);

	if (moment < special->to)
		*week = *special;
	else
		usual_week(calendar, special, (moment - special->to) / LH_WEEK_USECS, week);
}

bool
lh_week_of(const LhCalendar *calendar, LhMeasure measure, int64 passed, LhWeek *week)
{
	bool		time = measure == LH_OPEN_TIME;
	const LhWeek *special;
	int64		behind;
	int64		each = time ? calendar->usual.open : calendar->usual.dates;

	if (passed < 0)
		return false;
	special = last_special(calendar, time ? offsetof(LhWeek, open_before) : offsetof(LhWeek, dates_before), passed);
	behind = passed - (time ? special->open_before + special->open : special->dates_before + special->dates);
	if (behind < 0)
	{
		*week = *special;
		return true;
	}
	if (special == &calendar->special[calendar->nspecial - 1])
		return false;
	/* usual weeks without open time would all have been passed */
	Assert(each > 0);
	usual_week(calendar, special, behind / each, week);
	return true;
}

int64
lh_weeks_open_until(const LhCalendar *calendar, int64 moment)
{
	const LhWeek *special = last_special(calendar, offsetof(LhWeek, from), moment);

	if (moment < special->to)
		return special->open == special->to - special->from ? special->to : special->from;
	if (calendar->usual.open == LH_WEEK_USECS && special < &calendar->special[calendar->nspecial - 1])
		return special[1].from;
	return moment - (moment - special->to) % LH_WEEK_USECS;
}
