/*
 * src/define/trace.h
 *
 * What a decision looked at, line by line, for explain().  Every step of a decision takes a LhTrace
 * and adds to it unless it is NULL, as it is in the drain.
 */
#ifndef LH_TRACE_H
#define LH_TRACE_H

#include "rules/criteria.h"

#include "nodes/pg_list.h"

typedef struct LhTraceRow
{
	const char *step;
	const char *name;
	const Criteria *criteria;	/* NULL: none, always true */
	LhTruth		truth;
	bool		has_points;
	int64		points;
	const char *note;
} LhTraceRow;

typedef struct LhTrace
{
	List	   *rows;			/* of LhTraceRow * */
} LhTrace;

extern LhTraceRow *lh_trace_add(LhTrace *trace, const char *step, const char *name,
								const Criteria *criteria, LhTruth truth, const char *note);

#endif							/* LH_TRACE_H */
