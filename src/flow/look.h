/*
 * src/flow/look.h
 *
 * A lead with all that a decision about it would know, to look at: nothing is locked, nothing written.
 */
#ifndef LH_LOOK_H
#define LH_LOOK_H

#include "flow/batch.h"
#include "flow/version.h"

typedef struct LhLook
{
	LhLead		lead;
	const LhContract *contract;	/* that decides it */
	const LhSource *source;		/* NULL: gone */
	LhTrafficPart part;			/* as it is now: shared with a challenger, or not */
	LhInput		input;
	TimestampTz now;
} LhLook;

/*
 * As it is now, at handoff.view_time() (as_of DT_NOEND), or as decisions up to as_of had it.  The session's zone
 * is the contract's afterwards.  Errors: LH040 (no such lead, or not yet), LH012 (no contract in force).
 */
extern void lh_look_at(const char *lead_key, TimestampTz as_of, LhLook *look);

#endif							/* LH_LOOK_H */
