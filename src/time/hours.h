/*
 * src/time/hours.h
 *
 * Hours of a day: 09:00-12:30 13:30-18:00.
 */
#ifndef LH_HOURS_H
#define LH_HOURS_H

#include "lead_handoff.h"
#include "lib/stringinfo.h"

#define LH_DAY_MINUTES	1440

/* Hours of one day; past midnight they still belong to the day they begin. */
typedef struct LhSpan
{
	uint16		from;			/* minutes since midnight, or since Monday 00:00 in a schedule */
	uint16		length;			/* minutes, 1 to 1440 */
} LhSpan;

/* Which minutes of a day and of the night after it are open. */
typedef bool LhDayMinutes[2 * LH_DAY_MINUTES];

#define LH_MAX_DAY_SPANS	(LH_DAY_MINUTES / 2)

/* Read "09:00-17:00" into minutes; NULL, or what is wrong with it. */
extern char *lh_hours_read(const char *word, LhDayMinutes open);

/* The spans of a day, in order, merged where they overlap or touch; -1: one is longer than 24 hours. */
extern int	lh_hours_merge(const LhDayMinutes open, LhSpan *spans);

/* Read the hours of a day.  Error 22P02 if they aren't any. */
extern int	lh_hours_parse(const char *text, LhSpan *spans);

/* Print a span as " 09:00-17:00"; from is in minutes since its day's midnight. */
extern void lh_hours_append(StringInfo buf, int from, int length);

/* Cut off the first word; NULL at the end. */
extern char *lh_next_word(char **rest, const char *separators);

#endif							/* LH_HOURS_H */
