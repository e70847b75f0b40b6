/*
 * src/work/standard.h
 *
 * Work that is owed to a lead before it may be given up.  Pure: touches and calendar are handed in, so
 * that the check of a disposition and what a rep is told beforehand are one computation.
 */
#ifndef LH_STANDARD_H
#define LH_STANDARD_H

#include "define/contract.h"
#include "time/business_time.h"
#include "work/handoff.h"

/* One touch of a lead by a human. */
typedef struct LhTouch
{
	TimestampTz at;
	const char *channel;		/* NULL: it has none */
	bool		is_contact;		/* two-way */
} LhTouch;

/* What was done about a handoff so far. */
typedef struct LhWork
{
	int			n;
	const LhTouch *touches;		/* by time */
	LhCalendar *hours;			/* its dates are business days */
} LhWork;

typedef enum LhPart
{
	LH_PART_TOUCHES,
	LH_PART_CHANNELS,
	LH_PART_CONTACTS,
	LH_PART_BUSINESS_DAYS
} LhPart;

#define LH_NPARTS	(LH_PART_BUSINESS_DAYS + 1)

extern const char *const lh_part_names[LH_NPARTS];

/* What a standard asks of one part (0: nothing), and what there is of it. */
typedef struct LhOwed
{
	int			has;
	int			needs;
} LhOwed;

/* The first standard of that name whose leg and criteria fit; NULL: nothing is asked. */
extern const LhWorkStandard *lh_work_standard(const LhContract *contract, const char *name,
											  const char *leg, const LhFields *row);

/* Fills owed[LH_NPARTS], by part; true: nothing is missing. */
extern bool lh_work_owed(const LhContract *contract, const LhWorkStandard *standard,
						 const LhHandoff *handoff, const LhWork *work, const LhFields *row,
						 LhOwed *owed);

/* Must the lead not be touched in that channel? */
extern bool lh_is_forbidden(const LhContract *contract, const char *channel, const LhFields *row);

#endif							/* LH_STANDARD_H */
