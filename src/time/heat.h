/*
 * src/time/heat.h
 *
 * The type handoff.heat: an amount of points that halves every half-life, in 8 bytes by value.
 * heat.c explains the representation.
 */
#ifndef LH_HEAT_H
#define LH_HEAT_H

#include "lead_handoff.h"

typedef int64 LhHeat;			/* 0 is no points */

#define DatumGetHeat(d)		((LhHeat) DatumGetInt64(d))
#define HeatGetDatum(h)		Int64GetDatum(h)

/*
 * half_life is in microseconds; 0 means that points don't decay.  Heats are comparable and additive
 * only within one half-life.
 */
extern LhHeat lh_heat_of(double points, TimestampTz at, int64 half_life);
extern double lh_heat_points(LhHeat heat, TimestampTz at, int64 half_life);
extern LhHeat lh_heat_add(LhHeat a, LhHeat b);

/* When a positive heat falls to points (DT_NOEND if it never does). */
extern TimestampTz lh_heat_falls_to(LhHeat heat, double points, int64 half_life);

/* An interval as a half-life in microseconds; refuses months and less than an hour. NULL datum = 0. */
extern int64 lh_half_life(const Interval *half_life);

#endif							/* LH_HEAT_H */
