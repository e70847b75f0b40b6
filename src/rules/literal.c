/*
 * src/rules/literal.c
 *
 * Reading and printing dates and moments so that a text means one thing in every session.
 *
 * PostgreSQL's own input functions take much more: "02/03/24" in the order of DateStyle, "today" as
 * of now, a moment without offset in the session's TimeZone, the offset of a zone's abbreviation.
 * A rule is written once and read for years by other sessions, so only ISO 8601 is read here, and a
 * moment must say its offset.  What is read here, PostgreSQL reads to the same value in any session.
 *
 *     date       YYYY-MM-DD [BC]
 *     moment     YYYY-MM-DD (T| )hh:mm[:ss[.ffffff]][ ](Z|(+|-)hh[mm|:mm[:ss]])[ BC]
 *     either     infinity, -infinity
 */
#include "rules/literal.h"

#include "miscadmin.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

/* Read up to max digits; false if there are fewer than min. */
static bool
read_digits(const char **p, int min, int max, int *value)
{
	int			n;

	*value = 0;
	for (n = 0; n < max && **p >= '0' && **p <= '9'; n++, (*p)++)
		*value = *value * 10 + (**p - '0');
	return n >= min;
}

static bool
read_char(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

static bool
read_ymd(const char **p, struct pg_tm *tm)
{
	return read_digits(p, 4, 7, &tm->tm_year) && read_char(p, '-') &&
		read_digits(p, 2, 2, &tm->tm_mon) && read_char(p, '-') &&
		read_digits(p, 2, 2, &tm->tm_mday);
}

/* The rest of the text: nothing, or the era.  Years count 1 BC as 0 from here on. */
static bool
read_era(const char *p, struct pg_tm *tm)
{
	if (strcmp(p, " BC") == 0)
		tm->tm_year = 1 - tm->tm_year;
	else if (*p != '\0')
		return false;
	return true;
}

static bool
is_day(const struct pg_tm *tm, bool bc)
{
	if (!bc && tm->tm_year == 0)
		return false;
	if (tm->tm_mon < 1 || tm->tm_mon > MONTHS_PER_YEAR || tm->tm_mday < 1)
		return false;
	return tm->tm_mday <= day_tab[isleap(tm->tm_year)][tm->tm_mon - 1] &&
		IS_VALID_JULIAN(tm->tm_year, tm->tm_mon, tm->tm_mday);
}

static bool
ends_bc(const char *text)
{
	size_t		len = strlen(text);

	return len > 3 && strcmp(text + len - 3, " BC") == 0;
}

LhRead
lh_read_date(const char *text, DateADT *date)
{
	struct pg_tm tm = {0};
	const char *p = text;

	if (pg_strcasecmp(text, "infinity") == 0)
	{
		DATE_NOEND(*date);
		return LH_READ_OK;
	}
	if (pg_strcasecmp(text, "-infinity") == 0)
	{
		DATE_NOBEGIN(*date);
		return LH_READ_OK;
	}
	if (!read_ymd(&p, &tm) || !read_era(p, &tm))
		return LH_READ_SYNTAX;
	if (!is_day(&tm, ends_bc(text)))
		return LH_READ_RANGE;
	*date = date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE;
	return IS_VALID_DATE(*date) ? LH_READ_OK : LH_READ_RANGE;
}

/* hh:mm[:ss[.ffffff]] */
static bool
read_time(const char **p, struct pg_tm *tm, fsec_t *fsec)
{
	*fsec = 0;
	if (!read_digits(p, 2, 2, &tm->tm_hour) || !read_char(p, ':') ||
		!read_digits(p, 2, 2, &tm->tm_min))
		return false;
	if (!read_char(p, ':'))
		return true;
	if (!read_digits(p, 2, 2, &tm->tm_sec))
		return false;
	if (read_char(p, '.'))
	{
		const char *start = *p;
		int			digits;

		if (!read_digits(p, 1, 6, fsec))
			return false;
		for (digits = *p - start; digits < 6; digits++)
			*fsec *= 10;
	}
	return true;
}

/* Z or an offset, as PostgreSQL counts it internally: seconds west of Greenwich. */
static LhRead
read_offset(const char **p, int *west)
{
	int			hours,
				minutes = 0,
				seconds = 0;
	bool		east;

	*west = 0;
	if (**p == ' ' && ((*p)[1] == '+' || (*p)[1] == '-' || (*p)[1] == 'Z'))
		(*p)++;
	if (read_char(p, 'Z'))
		return LH_READ_OK;
	if (**p == '\0' || strcmp(*p, " BC") == 0)
		return LH_READ_NO_OFFSET;
	east = (**p == '+');
	if (!read_char(p, '+') && !read_char(p, '-'))
		return LH_READ_SYNTAX;
	if (!read_digits(p, 2, 2, &hours))
		return LH_READ_SYNTAX;
	if (read_char(p, ':'))
	{
		if (!read_digits(p, 2, 2, &minutes))
			return LH_READ_SYNTAX;
		if (read_char(p, ':') && !read_digits(p, 2, 2, &seconds))
			return LH_READ_SYNTAX;
	}
	else if (**p >= '0' && **p <= '9' && !read_digits(p, 2, 2, &minutes))
		return LH_READ_SYNTAX;
	if (hours > MAX_TZDISP_HOUR || minutes >= MINS_PER_HOUR || seconds >= SECS_PER_MINUTE)
		return LH_READ_RANGE;
	*west = hours * SECS_PER_HOUR + minutes * SECS_PER_MINUTE + seconds;
	if (east)
		*west = -*west;
	return LH_READ_OK;
}

LhRead
lh_read_timestamptz(const char *text, TimestampTz *moment)
{
	struct pg_tm tm = {0};
	fsec_t		fsec;
	int			west;
	LhRead		offset;
	const char *p = text;

	if (pg_strcasecmp(text, "infinity") == 0)
	{
		TIMESTAMP_NOEND(*moment);
		return LH_READ_OK;
	}
	if (pg_strcasecmp(text, "-infinity") == 0)
	{
		TIMESTAMP_NOBEGIN(*moment);
		return LH_READ_OK;
	}
	if (!read_ymd(&p, &tm))
		return LH_READ_SYNTAX;
	if (*p == '\0' || strcmp(p, " BC") == 0)
		return LH_READ_NO_OFFSET;
	if (!(read_char(&p, 'T') || read_char(&p, ' ')) || !read_time(&p, &tm, &fsec))
		return LH_READ_SYNTAX;
	offset = read_offset(&p, &west);
	if (offset != LH_READ_OK)
		return offset;
	if (!read_era(p, &tm))
		return LH_READ_SYNTAX;
	if (!is_day(&tm, ends_bc(text)) || tm.tm_hour >= HOURS_PER_DAY ||
		tm.tm_min >= MINS_PER_HOUR || tm.tm_sec >= SECS_PER_MINUTE ||
		tm2timestamp(&tm, fsec, &west, moment) != 0)
		return LH_READ_RANGE;
	return LH_READ_OK;
}

const char *
lh_read_problem(LhRead read)
{
	switch (read)
	{
		case LH_READ_OK:
			break;
		case LH_READ_SYNTAX:
			return "Write a date as YYYY-MM-DD and a moment as YYYY-MM-DD hh:mm:ss with an offset from UTC, like 2026-03-01 09:00:00+01.";
		case LH_READ_RANGE:
			return "There is no such day or moment.";
		case LH_READ_NO_OFFSET:
			return "Give the offset from UTC, like 2026-03-01 09:00:00+01, so that every session reads the same moment.";
	}
	return NULL;
}

char *
lh_print_date(DateADT date)
{
	char		buf[MAXDATELEN + 1];
	struct pg_tm tm;

	if (DATE_NOT_FINITE(date))
		EncodeSpecialDate(date, buf);
	else
	{
		j2date(date + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
		EncodeDateOnly(&tm, USE_ISO_DATES, buf);
	}
	return pstrdup(buf);
}

char *
lh_print_timestamptz(TimestampTz moment)
{
	char		buf[MAXDATELEN + 1];
	struct pg_tm tm;
	fsec_t		fsec;

	if (TIMESTAMP_NOT_FINITE(moment))
		EncodeSpecialTimestamp(moment, buf);
	else
	{
		if (timestamp2tm(moment, NULL, &tm, &fsec, NULL, NULL) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
					 errmsg("timestamp out of range")));
		tm.tm_isdst = 0;
		EncodeDateTime(&tm, fsec, true, 0, NULL, USE_ISO_DATES, buf);
	}
	return pstrdup(buf);
}

char *
lh_print_interval(const Interval *span)
{
	char		buf[MAXDATELEN + 1];
	struct pg_itm itm;

	interval2itm(*span, &itm);
	EncodeInterval(&itm, INTSTYLE_POSTGRES, buf);
	return pstrdup(buf);
}
