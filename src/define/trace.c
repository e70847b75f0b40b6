/*
 * src/define/trace.c
 *
 * The lines of an explanation: see trace.h.
 */
#include "define/trace.h"

LhTraceRow *
lh_trace_add(LhTrace *trace, const char *step, const char *name,
			 const Criteria *criteria, LhTruth truth, const char *note)
{
	static LhTraceRow nowhere;
	LhTraceRow *row = &nowhere;

	if (trace != NULL)
	{
		row = palloc0_object(LhTraceRow);
		trace->rows = lappend(trace->rows, row);
	}
	row->step = step;
	row->name = name;
	row->criteria = criteria;
	row->truth = truth;
	row->note = note;
	return row;
}
