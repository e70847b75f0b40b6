/*
 * src/time/schedule.c
 *
 * The type handoff.schedule: weekly hours in a time zone, such as
 *
 *     mon-fri 09:00-12:30 13:30-18:00; sat 10:00-14:00 @ Europe/Berlin
 *
 * What they mean at a moment is business_time.c's.
 *
 * Hours belong to the day they begin, also when they end on the next one (22:00-06:00; 08:00-08:00 are
 * 24 hours).  So hours of one day that overlap or touch are merged, those of two days never: a holiday
 * will close one and not the other.  Text is canonical: equal schedules print alike.
 *
 * The zone is kept by name and is not looked up at input: a dump must load where the time zone data
 * are older.  Only IANA syntax is taken (Area/Place, UTC, Etc/GMT+5), nothing that PostgreSQL would
 * read as an abbreviation or a POSIX rule: those mean a fixed offset, or another one than people think.
 */
#include "lead_handoff.h"

#include <ctype.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "time/schedule.h"
#include "utils/builtins.h"

#define DAYS			7
#define BINARY_VERSION	1

PG_FUNCTION_INFO_V1(lh_schedule_in);
PG_FUNCTION_INFO_V1(lh_schedule_out);
PG_FUNCTION_INFO_V1(lh_schedule_recv);
PG_FUNCTION_INFO_V1(lh_schedule_send);
PG_FUNCTION_INFO_V1(lh_schedule_eq);
PG_FUNCTION_INFO_V1(lh_schedule_ne);
PG_FUNCTION_INFO_V1(lh_schedule_zone_of);

static const char *const day_names[DAYS] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

/* A week being read. */
typedef struct Week
{
	LhDayMinutes open[DAYS];
} Week;

/* What is being read, for errors. */
typedef struct Input
{
	const char *str;
	Node	   *context;		/* for soft errors */
} Input;

/* ---------- reading ---------- */

static bool
complain(const Input *input, char *detail)
{
	ereturn(input->context, false,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s: \"%s\"", "schedule", input->str),
			 errdetail("%s", detail),
			 errhint("Write it like mon-fri 09:00-12:30 13:30-18:00; sat 10:00-14:00 @ Europe/Berlin, or 24x7 @ UTC, or closed @ UTC.")));
}

/* Without blanks around it, in place. */
static char *
trim(char *s)
{
	size_t		len;

	while (isspace((unsigned char) *s))
		s++;
	len = strlen(s);
	while (len > 0 && isspace((unsigned char) s[len - 1]))
		len--;
	s[len] = '\0';
	return s;
}

/*
 * UTC, or Area/Place/.. of letters, _ and -.  Digits only in Etc/GMT+5: nothing else that PostgreSQL
 * might take for a POSIX rule gets through.
 */
static bool
is_zone_name(const char *zone)
{
	const char *letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-";
	const char *s = zone;
	size_t		len;

	if (strcmp(zone, "UTC") == 0)
		return true;
	if (strncmp(zone, "Etc/GMT", 7) == 0)
	{
		s = zone + 7;
		if (*s == '+' || *s == '-')
			s++;
		len = strspn(s, "0123456789");
		return s[len] == '\0' && len <= 2 && atoi(s) <= 14 && (len > 0 || s == zone + 7);
	}
	if (*s < 'A' || *s > 'Z' || strchr(zone, '/') == NULL || strlen(zone) > TZ_STRLEN_MAX)
		return false;
	for (;;)
	{
		len = strspn(s, letters);
		if (len == 0 || *s == '-')
			return false;
		s += len;
		if (*s == '\0')
			return true;
		if (*s++ != '/')
			return false;
	}
}

static int
day_number(const char *name)
{
	for (int i = 0; i < DAYS; i++)
		if (pg_strcasecmp(name, day_names[i]) == 0)
			return i;
	return -1;
}

/* "mon", "mon-fri", "sat-mon": into a set of days. */
static bool
read_days(const Input *input, char *word, bool *days)
{
	char	   *dash = strchr(word, '-');
	char	   *last = word;
	int			from;
	int			to;

	if (dash != NULL)
	{
		*dash = '\0';
		last = dash + 1;
	}
	from = day_number(word);
	to = day_number(last);
	if (from < 0 || to < 0)
		return complain(input, psprintf("\"%s\" is not a day: mon, tue, wed, thu, fri, sat or sun.",
										from < 0 ? word : last));
	for (int i = from;; i = (i + 1) % DAYS)
	{
		days[i] = true;
		if (i == to)
			break;
	}
	return true;
}

/* "09:00-17:00" for each of the days. */
static bool
read_hours(const Input *input, const char *word, const bool *days, Week *week)
{
	for (int day = 0; day < DAYS; day++)
	{
		char	   *detail = days[day] ? lh_hours_read(word, week->open[day]) : NULL;

		if (detail != NULL)
			return complain(input, detail);
	}
	return true;
}

/* "mon-fri 09:00-12:30 13:30-18:00" */
static bool
read_group(const Input *input, char *group, Week *week)
{
	bool		days[DAYS] = {false};
	bool		has_days = false;
	bool		has_hours = false;
	char	   *word;

	while ((word = lh_next_word(&group, " \t\r\n\f\v,")) != NULL)
	{
		if (isdigit((unsigned char) *word))
		{
			if (!has_days)
				return complain(input, psprintf("No day is given before \"%s\".", word));
			has_hours = true;
			if (!read_hours(input, word, days, week))
				return false;
		}
		else
		{
			if (has_hours)
				return complain(input, psprintf("Put a semicolon before \"%s\": other days begin there.", word));
			has_days = true;
			if (!read_days(input, word, days))
				return false;
		}
	}
	if (!has_days)
		return complain(input, "There are no days where some should be.");
	if (!has_hours)
		return complain(input, "There are days without hours; a day that is closed is left out.");
	return true;
}

static bool
read_week(const Input *input, char *str, Week *week)
{
	char	   *group = str;

	memset(week, 0, sizeof(Week));
	if (pg_strcasecmp(str, "closed") == 0)
		return true;
	if (pg_strcasecmp(str, "24x7") == 0)
	{
		for (int day = 0; day < DAYS; day++)
			memset(week->open[day], true, LH_DAY_MINUTES);
		return true;
	}
	while (group != NULL)
	{
		char	   *semicolon = strchr(group, ';');

		if (semicolon != NULL)
			*semicolon++ = '\0';
		if (!read_group(input, group, week))
			return false;
		group = semicolon;
	}
	return true;
}

static LhSchedule *
make_schedule(const Input *input, const Week *week, const char *zone)
{
	LhSpan	   *spans = palloc_array(LhSpan, DAYS * LH_MAX_DAY_SPANS);
	int			n = 0;
	Size		size;
	LhSchedule *schedule;

	for (int day = 0; day < DAYS; day++)
	{
		int			more = lh_hours_merge(week->open[day], &spans[n]);

		if (more < 0)
		{
			complain(input, psprintf("Together, hours that begin on %s last longer than 24 hours.", day_names[day]));
			return NULL;
		}
		for (; more > 0; more--)
			spans[n++].from += day * LH_DAY_MINUTES;
	}

	size = offsetof(LhSchedule, spans) + n * sizeof(LhSpan) + strlen(zone) + 1;
	schedule = palloc0(size);
	SET_VARSIZE(schedule, size);
	schedule->nspans = n;
	memcpy(schedule->spans, spans, n * sizeof(LhSpan));
	strcpy((char *) &schedule->spans[n], zone);
	return schedule;
}

/* NULL after a soft error. */
static LhSchedule *
parse_schedule(const char *str, Node *context)
{
	Input		input = {str, context};
	char	   *copy = pstrdup(str);
	char	   *at = strrchr(copy, '@');
	char	   *zone;
	Week	   *week = palloc_object(Week);

	if (at == NULL)
	{
		complain(&input, "The time zone is missing: it stands at the end, after @.");
		return NULL;
	}
	*at = '\0';
	zone = trim(at + 1);
	if (!is_zone_name(zone))
	{
		complain(&input, psprintf("\"%s\" is not the IANA name of a time zone, such as Europe/Berlin or UTC.", zone));
		return NULL;
	}
	if (!read_week(&input, trim(copy), week))
		return NULL;
	return make_schedule(&input, week, zone);
}

Datum
lh_schedule_in(PG_FUNCTION_ARGS)
{
	LhSchedule *schedule = parse_schedule(PG_GETARG_CSTRING(0), fcinfo->context);

	if (schedule == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(schedule);
}

/* ---------- printing ---------- */

const char *
lh_schedule_zone(const LhSchedule *schedule)
{
	return (const char *) &schedule->spans[schedule->nspans];
}

/* The same hours, meant in another time zone. */
LhSchedule *
lh_schedule_in_zone(const LhSchedule *schedule, const char *zone)
{
	Size		before_zone = offsetof(LhSchedule, spans) + schedule->nspans * sizeof(LhSpan);
	Size		size = before_zone + strlen(zone) + 1;
	LhSchedule *result = palloc(size);

	memcpy(result, schedule, before_zone);
	strcpy((char *) result + before_zone, zone);
	SET_VARSIZE(result, size);
	return result;
}

LhSchedule *
lh_schedule_always(const char *zone)
{
	LhSchedule *days = palloc0(offsetof(LhSchedule, spans) + DAYS * sizeof(LhSpan));

	days->nspans = DAYS;
	for (int day = 0; day < DAYS; day++)
		days->spans[day] = (LhSpan) {day * LH_DAY_MINUTES, LH_DAY_MINUTES};
	return lh_schedule_in_zone(days, zone);
}

/* The spans of a day, printed; empty: closed. */
static char *
hours_of(const LhSchedule *schedule, int day)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < schedule->nspans; i++)
	{
		int			from = schedule->spans[i].from - day * LH_DAY_MINUTES;

		if (from >= 0 && from < LH_DAY_MINUTES)
			lh_hours_append(&buf, from, schedule->spans[i].length);
	}
	return buf.data;
}

/* The days from first on that have its hours, as mon-wed,fri. */
static void
append_days(StringInfo buf, char *const *hours, int first)
{
	const char *separator = "";

	for (int day = first; day < DAYS; day++)
	{
		int			last = day;

		if (strcmp(hours[day], hours[first]) != 0)
			continue;
		while (last + 1 < DAYS && strcmp(hours[last + 1], hours[first]) == 0)
			last++;
		appendStringInfo(buf, "%s%s", separator, day_names[day]);
		if (last > day)
			appendStringInfo(buf, "-%s", day_names[last]);
		separator = ",";
		day = last;
	}
}

static char *
schedule_text(const LhSchedule *schedule)
{
	char	   *hours[DAYS];
	bool		always = true;
	StringInfoData buf;

	initStringInfo(&buf);
	for (int day = 0; day < DAYS; day++)
	{
		hours[day] = hours_of(schedule, day);
		always = always && strcmp(hours[day], " 00:00-24:00") == 0;
	}

	if (always)
		appendStringInfoString(&buf, "24x7");
	else if (schedule->nspans == 0)
		appendStringInfoString(&buf, "closed");
	else
		for (int day = 0; day < DAYS; day++)
		{
			bool		printed = *hours[day] == '\0';

			for (int before = 0; before < day && !printed; before++)
				printed = strcmp(hours[before], hours[day]) == 0;
			if (printed)
				continue;
			if (buf.len > 0)
				appendStringInfoString(&buf, "; ");
			append_days(&buf, hours, day);
			appendStringInfoString(&buf, hours[day]);
		}
	appendStringInfo(&buf, " @ %s", lh_schedule_zone(schedule));
	return buf.data;
}

Datum
lh_schedule_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(schedule_text(PG_GETARG_SCHEDULE_P(0)));
}

/* ---------- binary: a version byte and the text ---------- */

Datum
lh_schedule_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			version = pq_getmsgbyte(buf);
	int			nbytes;

	if (version != BINARY_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("unsupported schedule version number: %d", version)));
	PG_RETURN_POINTER(parse_schedule(pq_getmsgtext(buf, buf->len - buf->cursor, &nbytes), NULL));
}

Datum
lh_schedule_send(PG_FUNCTION_ARGS)
{
	char	   *text = schedule_text(PG_GETARG_SCHEDULE_P(0));
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendbyte(&buf, BINARY_VERSION);
	pq_sendtext(&buf, text, strlen(text));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* ---------- equality: a schedule has one form ---------- */

static bool
same_schedule(FunctionCallInfo fcinfo)
{
	LhSchedule *a = PG_GETARG_SCHEDULE_P(0);
	LhSchedule *b = PG_GETARG_SCHEDULE_P(1);

	return VARSIZE(a) == VARSIZE(b) && memcmp(VARDATA(a), VARDATA(b), VARSIZE(a) - VARHDRSZ) == 0;
}

Datum
lh_schedule_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(same_schedule(fcinfo));
}

Datum
lh_schedule_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!same_schedule(fcinfo));
}

Datum
lh_schedule_zone_of(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(lh_schedule_zone(PG_GETARG_SCHEDULE_P(0))));
}

pg_tz *
lh_schedule_find_zone(const LhSchedule *schedule)
{
	const char *name = lh_schedule_zone(schedule);
	pg_tz	   *zone = pg_tzset(name);

	if (zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" not recognized", name),
				 errdetail("It is that of schedule \"%s\".", schedule_text(schedule)),
				 errhint("SELECT name FROM pg_timezone_names lists the zones that this server knows.")));
	return zone;
}
