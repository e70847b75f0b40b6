/*
 * src/time/hours.c
 *
 * Hours of a day, such as 09:00-12:30 13:30-18:00: what a schedule gives each day of the week, and what
 * an exception gives a date.  They begin at a minute and end before one; 22:00-06:00 ends on the next
 * day, 08:00-08:00 are 24 hours.  Those that overlap or touch are one, so that they have one form.
 */
#include "time/hours.h"

#include <ctype.h>

#include "fmgr.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(lh_canonical_hours);

char *
lh_next_word(char **rest, const char *separators)
{
	char	   *word = *rest + strspn(*rest, separators);

	if (*word == '\0')
		return NULL;
	*rest = word + strcspn(word, separators);
	if (**rest != '\0')
		*(*rest)++ = '\0';
	return word;
}

/* "9:00", "09:00", "24:00": minutes, and where it ends; -1 if it isn't a time of day. */
static int
read_time(const char **s)
{
	int			hours = 0;
	int			minutes = 0;
	int			n;

	for (n = 0; n < 2 && isdigit((unsigned char) **s); n++)
		hours = hours * 10 + *(*s)++ - '0';
	if (n == 0 || *(*s)++ != ':')
		return -1;
	for (n = 0; n < 2 && isdigit((unsigned char) **s); n++)
		minutes = minutes * 10 + *(*s)++ - '0';
	if (n != 2 || minutes > 59 || hours * 60 + minutes > LH_DAY_MINUTES)
		return -1;
	return hours * 60 + minutes;
}

char *
lh_hours_read(const char *word, LhDayMinutes open)
{
	const char *s = word;
	int			from = read_time(&s);
	int			to = from >= 0 && *s++ == '-' ? read_time(&s) : -1;

	if (to < 0 || *s != '\0' || from == LH_DAY_MINUTES)
		return psprintf("\"%s\" are not hours such as 09:00-17:00, 13:30-24:00 or 22:00-06:00.", word);
	if (to <= from)
		to += LH_DAY_MINUTES;
	memset(&open[from], true, to - from);
	return NULL;
}

int
lh_hours_merge(const LhDayMinutes open, LhSpan *spans)
{
	int			n = 0;

	for (int from = 0; from < 2 * LH_DAY_MINUTES; from++)
	{
		int			to = from;

		while (to < 2 * LH_DAY_MINUTES && open[to])
			to++;
		if (to == from)
			continue;
		if (to - from > LH_DAY_MINUTES)
			return -1;
		spans[n].from = from;
		spans[n].length = to - from;
		n++;
		from = to;
	}
	return n;
}

lh_noreturn static void
refuse(const char *text, char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid hours: \"%s\"", text),
			 errdetail("%s", detail),
			 errhint("Write them like 09:00-12:30 13:30-18:00.")));
}

int
lh_hours_parse(const char *text, LhSpan *spans)
{
	LhDayMinutes open = {false};
	char	   *rest = pstrdup(text);
	char	   *word;
	int			n;

	while ((word = lh_next_word(&rest, " \t\r\n\f\v,")) != NULL)
	{
		char	   *detail = lh_hours_read(word, open);

		if (detail != NULL)
			refuse(text, detail);
	}
	n = lh_hours_merge(open, spans);
	if (n == 0)
		refuse(text, "There are none.");
	if (n < 0)
		refuse(text, "Together, they last longer than 24 hours.");
	return n;
}

void
lh_hours_append(StringInfo buf, int from, int length)
{
	int			to = from + length;

	if (to > LH_DAY_MINUTES)
		to -= LH_DAY_MINUTES;
	appendStringInfo(buf, " %02d:%02d-%02d:%02d", from / 60, from % 60, to / 60, to % 60);
}

Datum
lh_canonical_hours(PG_FUNCTION_ARGS)
{
	LhSpan		spans[LH_MAX_DAY_SPANS];
	int			n = lh_hours_parse(text_to_cstring(PG_GETARG_TEXT_PP(0)), spans);
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
		lh_hours_append(&buf, spans[i].from, spans[i].length);
	PG_RETURN_TEXT_P(cstring_to_text(buf.data + 1));
}
