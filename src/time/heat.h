/*
 * src/time/heat.h
 *
 * The type handoff.heat: an amount of points that halves every half-life, in 8 bytes by value.
 * heat.c explains the representation.
 */
#ifndef LH_HEAT_H
#define LH_HEAT_H

#include "lead_handoff.h"

typedef int64 LhHeat;			/* 0 is no points; int64 order is the order of the points */

#define DatumGetHeat(d)		((LhHeat) DatumGetInt64(d))
#define HeatGetDatum(h)		Int64GetDatum(h)

/*
 * half_life is in microseconds; 0 means that points don't decay.  Heats are comparable and additive
 * only within one half-life.  Points that are not a number or infinite, and a moment that is
 * infinite, raise an error; a sum too large for the type stays at the largest heat, and points too
 * large for a double are infinite.
 */
extern LhHeat lh_heat_of(double points, TimestampTz at, int64 half_life);
extern double lh_heat_points(LhHeat heat, TimestampTz at, int64 half_life);
extern char *lh_heat_text(LhHeat heat);	/* as the type prints it */
extern LhHeat lh_heat_add(LhHeat a, LhHeat b);

/*
 * The first microsecond at which lh_heat_points() is below points: who looks again then finds the
 * change, and who looks a microsecond earlier does not.  DT_NOEND if that never happens: no decay,
 * no positive heat, or points <= 0.
 */
extern TimestampTz lh_heat_falls_to(LhHeat heat, double points, int64 half_life);

/*
 * An interval as a half-life in microseconds, a day being 24 hours; NULL is 0.  Refuses months,
 * infinity and less than an hour.
 */
extern int64 lh_half_life(const Interval *half_life);

#endif							/* LH_HEAT_H */
