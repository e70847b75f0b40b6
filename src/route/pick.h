/*
 * src/route/pick.h
 *
 * Whose turn it is in a pool: earliest eligible virtual deadline first.  Pure: the caller has read the
 * members under the pool's lock, says who is available, and writes back what changed.
 */
#ifndef LH_PICK_H
#define LH_PICK_H

#include "lead_handoff.h"

/* One member of a pool, as one pick sees him. */
typedef struct LhMember
{
	const char *rep;
	int			weight;
	int			ord;			/* breaks the last ties */
	const char *unavailable;	/* coded reason, e.g. "at_capacity", "excluded"; NULL: available */

	/* his place in the turns, kept in handoff.pool_turn_member */
	bool		known;			/* false: he has joined since the last pick */
	bool		present;		/* he was available at the last pick */
	double		start;
	TimestampTz last_at;		/* DT_NOBEGIN: never picked */
	int64		picks;
	int			load;			/* for policy least_loaded */
} LhMember;

typedef struct LhTurns
{
	double		v;
	int			nmembers;
	LhMember   *members;
	bool		least_loaded;	/* policy: fewest open assignments by weight, turns break ties */
} LhTurns;

/*
 * Pick one, at now: updates the members' places and v.  -1: nobody is available (places are updated
 * all the same: who left has left).
 */
extern int	lh_pick(LhTurns *turns, TimestampTz now);

#endif							/* LH_PICK_H */
