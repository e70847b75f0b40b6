/*
 * src/learn/tally.h
 *
 * The state of the aggregates that judge and fit predictions: how often each distinct row of numbers was
 * seen, and how often with a positive outcome.  tally.c explains the representation.
 */
#ifndef LH_TALLY_H
#define LH_TALLY_H

#include "lead_handoff.h"

#include "fmgr.h"
#include "utils/expandeddatum.h"

#define LH_TALLY_MAX_WIDTH	1000	/* numbers a row */

/* A distinct row: its numbers as doubles, or one bit each while all numbers of the tally are 0 or 1. */
typedef struct LhTallyRow
{
	int64		n;				/* times seen */
	int64		positives;		/* of them with a positive outcome */
	uint64		key[FLEXIBLE_ARRAY_MEMBER];
} LhTallyRow;

typedef struct LhTally
{
	ExpandedObjectHeader header;
	int			width;			/* numbers a row */
	double		option;			/* the aggregate's argument that is the same in all rows */
	bool		packed;			/* one bit a number */
	int64		n;				/* of all rows */
	int64		positives;

	Size		stride;			/* bytes a distinct row */
	uint32		nrows;
	uint32		capacity;
	char	   *rows;
	struct slots_hash *slots;	/* row number by its numbers */
} LhTally;

static inline LhTallyRow *
lh_tally_row(const LhTally *tally, uint32 i)
{
	return (LhTallyRow *) (tally->rows + i * tally->stride);
}

static inline const double *
lh_tally_values(const LhTallyRow *row)	/* not of a packed one */
{
	return (const double *) row->key;
}

static inline int
lh_tally_words(int width)			/* of a packed row */
{
	return (width + 63) / 64;
}

/* Where the state of an aggregate lives; an error if none is being computed. */
extern MemoryContext lh_aggregate_context(FunctionCallInfo fcinfo);

/* The tally that an argument holds, or a new one where it is NULL, in the aggregate's context. */
extern LhTally *lh_tally_state(FunctionCallInfo fcinfo, int width, double option);

/*
 * The tally that a final function is given; NULL: there were no rows.  It may have come in from outside and
 * be that of another aggregate; lh_tally_broken() raises the error that says so.
 */
extern const LhTally *lh_tally_final(FunctionCallInfo fcinfo);
lh_noreturn extern void lh_tally_broken(void);

/* Count a row.  The numbers must not be NaN; -0 counts as 0. */
extern void lh_tally_add(LhTally *tally, const double *values, bool positive);

#endif							/* LH_TALLY_H */
