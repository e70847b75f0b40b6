/*
 * src/rules/statistics.h
 *
 * What is known of a field's values before any row is seen, as shares of all rows.  A rulebook files
 * its rules by it; no answer depends on it.
 */
#ifndef LH_STATISTICS_H
#define LH_STATISTICS_H

#include "rules/fields.h"

#include "access/attnum.h"

typedef struct LhCommonValue
{
	Datum		value;
	double		share;
	double		below;			/* shares of all common values below it */
} LhCommonValue;

/* Values are of the field's type, those of an array its elements; lists of them ascend. */
typedef struct LhStatistics
{
	double		nulls;			/* share of rows without a value */
	double		ndistinct;		/* different values; 0: not known */
	int			ncommon;		/* the most common values */
	LhCommonValue *common;
	double		rest;			/* share of rows with another value */
	int			nbounds;		/* of parts of those others, all of one size; 0: not known */
	Datum	   *bounds;
} LhStatistics;

/* Columns as fields (columns.c) */
extern bool lh_column_type(Oid type, LhType *result);
extern Datum lh_column_value(Oid type, Datum value);
extern LhStatistics *lh_column_statistics(Oid relid, AttrNumber attnum, LhType type);

/* statistics.c; a low or high of NULL: no end there */
extern double lh_share_of(const LhStatistics *statistics, LhType type, Datum value);
extern double lh_share_between(const LhStatistics *statistics, LhType type,
							   const Datum *low, const Datum *high);

#endif							/* LH_STATISTICS_H */
