/*
 * src/time/icalendar.c
 *
 * The dates of an iCalendar text (RFC 5545), as published for public holidays: each VEVENT is one whole
 * day or several, from DTSTART to before DTEND (or for DURATION), once or every year by RRULE, on more
 * dates by RDATE, not on those of EXDATE.
 *
 * What is read is read as the RFC says; what isn't, is an error that names the line.  A date that is
 * left out silently would be found when a deadline falls on it.  So a recurrence other than by year, an
 * event with a time of day, one instance of a series that was changed: all refused.  Properties
 * without effect on dates are passed over, as are components other than events.
 */
#include "lead_handoff.h"

#include <ctype.h>

#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/formatting.h"

PG_FUNCTION_INFO_V1(lh_ical_dates);

#define MAX_WEEKDAYS	64
#define BYTE_ORDER_MARK	"\xEF\xBB\xBF"

static const char *const weekdays[] = {"SU", "MO", "TU", "WE", "TH", "FR", "SA"};

/* Text being read.  A line may be folded: it goes on where the next one begins with a blank. */
typedef struct Reader
{
	const char *at;
	int			next_line;
	int			line;			/* of the property below */
	char	   *text;			/* the whole of it, for errors */
	char	   *name;
	char	   *value;
} Reader;

typedef struct Weekday
{
	int			ordinal;		/* 0: every one; -1: the last */
	int			day;			/* 0: Sunday */
} Weekday;

/* FREQ=YEARLY */
typedef struct Rule
{
	int			interval;
	int			count;			/* 0: no limit */
	int			until;			/* Julian day */
	bool		by_month;
	bool		month[13];
	bool		by_month_day;
	bool		month_day[32];
	bool		month_day_back[32];	/* 1: the last one */
	int			nweekdays;
	Weekday		weekday[MAX_WEEKDAYS];
} Rule;

/* Days are Julian days. */
typedef struct Event
{
	char	   *summary;
	int			start;			/* 0: none yet */
	int			end;			/* behind it; 0: none */
	int			days;			/* DURATION; 0: none */
	Rule	   *rule;
	List	   *added;
	List	   *excluded;
	bool		cancelled;
} Event;

/* ---------- errors ---------- */

lh_noreturn static void
refuse(const Reader *reader, int code, const char *what)
{
	ereport(ERROR,
			(errcode(code),
			 errmsg("%s", what),
			 errdetail("Line %d: %s", reader->line, reader->text)));
}

lh_noreturn static void
unreadable(const Reader *reader)
{
	refuse(reader, ERRCODE_INVALID_TEXT_REPRESENTATION, "invalid iCalendar text");
}

lh_noreturn static void
unsupported(const Reader *reader, const char *what)
{
	refuse(reader, ERRCODE_FEATURE_NOT_SUPPORTED, psprintf("holidays can't be read from %s", what));
}

/* ---------- lines ---------- */

/* The next line, unfolded; NULL at the end. */
static char *
next_text(Reader *reader)
{
	StringInfoData line;

	if (*reader->at == '\0')
		return NULL;
	initStringInfo(&line);
	reader->line = reader->next_line;
	for (;;)
	{
		size_t		length = strcspn(reader->at, "\r\n");

		appendBinaryStringInfo(&line, reader->at, length);
		reader->at += length;
		if (*reader->at == '\r')
			reader->at++;
		if (*reader->at == '\n')
			reader->at++;
		reader->next_line++;
		if (*reader->at != ' ' && *reader->at != '\t')
			return line.data;
		reader->at++;
	}
}

/* The next property: name and value; parameters in between say nothing that the value doesn't. */
static bool
next_property(Reader *reader)
{
	char	   *s;

	do
	{
		reader->text = next_text(reader);
		if (reader->text == NULL)
			return false;
		CHECK_FOR_INTERRUPTS();
	} while (reader->text[strspn(reader->text, " \t")] == '\0');

	reader->name = pstrdup(reader->text);
	s = reader->name + strcspn(reader->name, ";:");
	while (*s == ';')
	{
		*s++ = '\0';
		while (*s != '\0' && *s != ';' && *s != ':')
		{
			if (*s++ == '"')
				s += strcspn(s, "\"") + (strchr(s, '"') != NULL);
		}
	}
	if (*s != ':')
		unreadable(reader);
	*s = '\0';
	reader->value = s + 1;
	return true;
}

static bool
is_named(const Reader *reader, const char *name)
{
	return pg_strcasecmp(reader->name, name) == 0;
}

static bool
is(const Reader *reader, const char *name, const char *value)
{
	return is_named(reader, name) && pg_strcasecmp(reader->value, value) == 0;
}

/* ---------- values ---------- */

/* "20261225" */
static int
read_date(const Reader *reader, const char *s)
{
	int			year;
	int			month;
	int			day;

	if (strspn(s, "0123456789") == 8 && s[8] == 'T')
		unsupported(reader, "an event that has a time of day");
	if (strspn(s, "0123456789") != 8 || s[8] != '\0')
		unreadable(reader);
	year = pg_strtoint32(pnstrdup(s, 4));
	month = pg_strtoint32(pnstrdup(s + 4, 2));
	day = pg_strtoint32(pnstrdup(s + 6, 2));
	if (year < 1 || month < 1 || month > MONTHS_PER_YEAR || day < 1 || day > day_tab[isleap(year)][month - 1])
		unreadable(reader);
	return date2j(year, month, day);
}

static List *
read_dates(const Reader *reader, List *dates)
{
	char	   *rest = pstrdup(reader->value);
	char	   *s;

	while ((s = strsep(&rest, ",")) != NULL)
		dates = lappend_int(dates, read_date(reader, s));
	return dates;
}

/* A number from least to most, and where it ends. */
static int
read_number(const Reader *reader, const char **s, int least, int most)
{
	bool		minus = **s == '-';
	int			number = 0;
	int			digits = 0;

	if (**s == '-' || **s == '+')
		(*s)++;
	for (; isdigit((unsigned char) **s) && digits < 6; digits++)
		number = number * 10 + *(*s)++ - '0';
	if (minus)
		number = -number;
	if (digits == 0 || number < least || number > most)
		unreadable(reader);
	return number;
}

static int
read_whole_number(const Reader *reader, const char *s, int least, int most)
{
	int			number = read_number(reader, &s, least, most);

	if (*s != '\0')
		unreadable(reader);
	return number;
}

/* "P1D", "P2W" */
static int
read_days(const Reader *reader, const char *s)
{
	int			days;

	if (*s == '+')
		s++;
	if (*s++ != 'P')
		unreadable(reader);
	if (strchr(s, 'T') != NULL)
		unsupported(reader, "an event that has a time of day");
	days = read_number(reader, &s, 1, 9999);
	if (*s == 'W')
		days *= 7;
	else if (*s != 'D')
		unreadable(reader);
	if (s[1] != '\0')
		unreadable(reader);
	return days;
}

/* What was escaped: \n is a blank, other characters stand for themselves. */
static char *
read_text(const char *s)
{
	StringInfoData text;

	initStringInfo(&text);
	for (; *s != '\0'; s++)
	{
		if (*s == '\\' && s[1] != '\0')
			s++;
		else
		{
			appendStringInfoChar(&text, *s);
			continue;
		}
		appendStringInfoChar(&text, *s == 'n' || *s == 'N' ? ' ' : *s);
	}
	return text.data;
}

/* ---------- rules ---------- */

static void
read_weekday(const Reader *reader, const char *s, Rule *rule)
{
	Weekday    *weekday = &rule->weekday[rule->nweekdays++];

	if (rule->nweekdays == MAX_WEEKDAYS)
		unreadable(reader);
	if (!isalpha((unsigned char) *s) && (weekday->ordinal = read_number(reader, &s, -53, 53)) == 0)
		unreadable(reader);
	for (int i = 0; i < lengthof(weekdays); i++)
		if (pg_strcasecmp(s, weekdays[i]) == 0)
		{
			weekday->day = i;
			return;
		}
	unreadable(reader);
}

static void
read_list(const Reader *reader, const char *key, char *values, Rule *rule)
{
	char	   *s;

	while ((s = strsep(&values, ",")) != NULL)
	{
		int			day;

		if (strcmp(key, "BYDAY") == 0)
			read_weekday(reader, s, rule);
		else if (strcmp(key, "BYMONTH") == 0)
			rule->month[read_whole_number(reader, s, 1, MONTHS_PER_YEAR)] = true;
		else if ((day = read_whole_number(reader, s, -31, 31)) > 0)
			rule->month_day[day] = true;
		else if (day < 0)
			rule->month_day_back[-day] = true;
		else
			unreadable(reader);
	}
}

static void
read_part(const Reader *reader, const char *key, char *value, Rule *rule)
{
	if (strcmp(key, "FREQ") == 0)
	{
		if (strcmp(value, "YEARLY") != 0)
			unsupported(reader, "a recurrence that is not yearly");
	}
	else if (strcmp(key, "INTERVAL") == 0)
		rule->interval = read_whole_number(reader, value, 1, 9999);
	else if (strcmp(key, "COUNT") == 0)
		rule->count = read_whole_number(reader, value, 1, 999999);
	else if (strcmp(key, "UNTIL") == 0)
		rule->until = read_date(reader, pnstrdup(value, 8));
	else if (strcmp(key, "BYMONTH") == 0 || strcmp(key, "BYMONTHDAY") == 0 || strcmp(key, "BYDAY") == 0)
	{
		rule->by_month = rule->by_month || strcmp(key, "BYMONTH") == 0;
		rule->by_month_day = rule->by_month_day || strcmp(key, "BYMONTHDAY") == 0;
		read_list(reader, key, value, rule);
	}
	else if (strcmp(key, "WKST") != 0)	/* counts only with weeks */
		unsupported(reader, psprintf("a recurrence with %s", key));
}

static Rule *
read_rule(const Reader *reader)
{
	Rule	   *rule = palloc0_object(Rule);
	char	   *rest = asc_toupper(reader->value, strlen(reader->value));
	char	   *part;
	bool		has_freq = false;

	rule->interval = 1;
	rule->until = INT_MAX;
	while ((part = strsep(&rest, ";")) != NULL)
	{
		char	   *value = strchr(part, '=');

		if (value == NULL)
			unreadable(reader);
		*value++ = '\0';
		has_freq = has_freq || strcmp(part, "FREQ") == 0;
		read_part(reader, part, value, rule);
	}
	if (!has_freq)
		unreadable(reader);
	return rule;
}

/* Is a date the n-th (from the end: -n-th) of its weekday in its month, or in its year? */
static bool
is_weekday(const Weekday *weekday, int date, int first, int last)
{
	if (j2day(date) != weekday->day)
		return false;
	if (weekday->ordinal == 0)
		return true;
	return weekday->ordinal > 0 ? (date - first) / 7 + 1 == weekday->ordinal
		: (last - date) / 7 + 1 == -weekday->ordinal;
}

/* Does a rule of an event that began on start give this date? */
static bool
gives(const Rule *rule, int start, int date)
{
	int			first_year;
	int			first_month;
	int			first_day;
	int			year;
	int			month;
	int			day;
	int			last_day;
	bool		found = rule->nweekdays == 0;

	j2date(start, &first_year, &first_month, &first_day);
	j2date(date, &year, &month, &day);
	last_day = day_tab[isleap(year)][month - 1];
	if ((year - first_year) % rule->interval != 0)
		return false;
	if (rule->by_month ? !rule->month[month]
		: !rule->by_month_day && rule->nweekdays == 0 && month != first_month)
		return false;
	if (rule->by_month_day ? !rule->month_day[day] && !rule->month_day_back[last_day - day + 1]
		: rule->nweekdays == 0 && day != first_day)
		return false;
	for (int i = 0; i < rule->nweekdays && !found; i++)
		found = rule->by_month ? is_weekday(&rule->weekday[i], date, date2j(year, month, 1), date2j(year, month, last_day))
			: is_weekday(&rule->weekday[i], date, date2j(year, 1, 1), date2j(year, MONTHS_PER_YEAR, 31));
	return found;
}

/* ---------- events ---------- */

static void
put_occurrence(ReturnSetInfo *rsinfo, const Event *event, int date, int days, int until)
{
	Datum		values[2];
	bool		nulls[2] = {false, event->summary == NULL};

	if (list_member_int(event->excluded, date))
		return;
	for (int end = date + days; date < end && date <= until; date++)
	{
		values[0] = DateADTGetDatum(date - POSTGRES_EPOCH_JDATE);
		values[1] = event->summary == NULL ? (Datum) 0 : CStringGetTextDatum(event->summary);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

static void
put_event(const Reader *reader, ReturnSetInfo *rsinfo, const Event *event, int until)
{
	int			days = event->days > 0 ? event->days : event->end == 0 ? 1 : Max(event->end - event->start, 1);
	int			count = 1;
	ListCell   *cell;

	if (event->start == 0 || (event->end != 0 && event->end < event->start))
		unreadable(reader);
	if (event->cancelled)
		return;
	put_occurrence(rsinfo, event, event->start, days, until);
	foreach(cell, event->added)
		put_occurrence(rsinfo, event, lfirst_int(cell), days, until);
	if (event->rule == NULL)
		return;
	/* the first one counts, whether or not the rule gives it */
	for (int date = event->start + 1; date <= Min(until, event->rule->until); date++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!gives(event->rule, event->start, date))
			continue;
		if (event->rule->count > 0 && ++count > event->rule->count)
			break;
		put_occurrence(rsinfo, event, date, days, until);
	}
}

static void
read_event_property(const Reader *reader, Event *event)
{
	if (is_named(reader, "DTSTART"))
		event->start = read_date(reader, reader->value);
	else if (is_named(reader, "DTEND"))
		event->end = read_date(reader, reader->value);
	else if (is_named(reader, "DURATION"))
		event->days = read_days(reader, reader->value);
	else if (is_named(reader, "SUMMARY"))
		event->summary = read_text(reader->value);
	else if (is_named(reader, "RDATE"))
		event->added = read_dates(reader, event->added);
	else if (is_named(reader, "EXDATE"))
		event->excluded = read_dates(reader, event->excluded);
	else if (is(reader, "STATUS", "CANCELLED"))
		event->cancelled = true;
	else if (is_named(reader, "RECURRENCE-ID"))
		unsupported(reader, "a changed instance of a recurring event");
	else if (is_named(reader, "EXRULE"))
		unsupported(reader, "an event with EXRULE");
	else if (is_named(reader, "RRULE"))
	{
		if (event->rule != NULL)
			unsupported(reader, "an event with two recurrences");
		event->rule = read_rule(reader);
	}
}

/* To the end of a component that is passed over. */
static void
skip_component(Reader *reader)
{
	for (int depth = 1; depth > 0;)
	{
		if (!next_property(reader))
			unreadable(reader);
		depth += is_named(reader, "BEGIN") - is_named(reader, "END");
	}
}

static void
read_event(Reader *reader, ReturnSetInfo *rsinfo, int until)
{
	Event		event = {0};
	int			line = reader->line;

	for (;;)
	{
		if (!next_property(reader))
			break;
		if (is_named(reader, "BEGIN"))
			skip_component(reader);
		else if (is_named(reader, "END"))
		{
			if (!is(reader, "END", "VEVENT"))
				break;
			put_event(reader, rsinfo, &event, until);
			return;
		}
		else
			read_event_property(reader, &event);
	}
	reader->line = line;
	reader->text = "BEGIN:VEVENT";
	unreadable(reader);
}

Datum
lh_ical_dates(PG_FUNCTION_ARGS)
{
	Reader		reader = {.at = text_to_cstring(PG_GETARG_TEXT_PP(0)), .next_line = 1, .text = ""};
	DateADT		until = PG_GETARG_DATEADT(1);
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int			calendars = 0;
	bool		inside = false;

	if (DATE_NOT_FINITE(until) || until > date2j(9999, 12, 31) - POSTGRES_EPOCH_JDATE)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("date out of range"),
				 errdetail("What happens every year is wanted up to some date.")));
	if (strncmp(reader.at, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
		reader.at += strlen(BYTE_ORDER_MARK);
	InitMaterializedSRF(fcinfo, 0);
	while (next_property(&reader))
	{
		if (is(&reader, "BEGIN", "VCALENDAR") && !inside)
		{
			inside = true;
			calendars++;
		}
		else if (is(&reader, "END", "VCALENDAR") && inside)
			inside = false;
		else if (!inside || is_named(&reader, "END"))
			unreadable(&reader);
		else if (is(&reader, "BEGIN", "VEVENT"))
			read_event(&reader, rsinfo, until + POSTGRES_EPOCH_JDATE);
		else if (is_named(&reader, "BEGIN"))
			skip_component(&reader);
	}
	if (inside || calendars == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid iCalendar text"),
				 errdetail("It has no BEGIN:VCALENDAR, or no END:VCALENDAR.")));
	return (Datum) 0;
}
