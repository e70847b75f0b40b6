/*
 * src/rules/literal.h
 *
 * Dates and moments as text that means one thing in every session.
 */
#ifndef LH_LITERAL_H
#define LH_LITERAL_H

#include "lead_handoff.h"
#include "utils/date.h"

typedef enum LhRead
{
	LH_READ_OK,
	LH_READ_SYNTAX,				/* not in the accepted form */
	LH_READ_RANGE,				/* well formed, but no such day or moment */
	LH_READ_NO_OFFSET			/* a moment without an offset from UTC */
} LhRead;

extern LhRead lh_read_date(const char *text, DateADT *date);
extern LhRead lh_read_timestamptz(const char *text, TimestampTz *moment);

extern const char *lh_read_problem(LhRead read);	/* a DETAIL or HINT: what is wrong */

extern char *lh_print_date(DateADT date);
extern char *lh_print_timestamptz(TimestampTz moment);	/* in UTC */
extern char *lh_print_interval(const Interval *span);	/* in the style "postgres" */

#endif							/* LH_LITERAL_H */
