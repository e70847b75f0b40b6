/*
 * src/work/cadence.h
 *
 * The cadence of a handoff: touches that are asked for, each in its channel by the end of its business day.
 * Pure, as standard.h.
 */
#ifndef LH_CADENCE_H
#define LH_CADENCE_H

#include "work/standard.h"

/* A step of the cadence of one handoff, as handoff.clock holds it. */
typedef struct LhStepClock
{
	int64		handoff_no;
	int			step;
	char	   *channel;
	TimestampTz started_at;
	TimestampTz due_at;
	TimestampTz stopped_at;		/* done, or asked for no more; LH_NOT_YET: it is owed */
	const char *verdict;		/* met, missed, void; NULL: it is owed */
	bool		is_new;			/* it has no row yet */
	bool		changed;
} LhStepClock;

/* When a step is due of a handoff whose owner works in those hours; false: they never open. */
extern bool lh_step_due(const LhCadenceStep *step, TimestampTz handed_at, LhCalendar *hours,
						TimestampTz *due_at);

/*
 * Which steps the touches of a handoff have done, and what is to be said of the others.  steps: all of the
 * handoff, in the order in which they are due.
 */
extern void lh_judge_cadence(const LhContract *contract, const LhHandoff *handoff, LhStepClock **steps, int n,
							 const LhTouch *touches, int ntouches, const LhFields *row, TimestampTz now);

/* The order of steps: by due time, then number; for qsort of LhStepClock *. */
extern int	lh_compare_steps(const void *a, const void *b);

#endif							/* LH_CADENCE_H */
