/*
 * src/route/turns.h
 *
 * A pool as its turns need it: read from the tables, with the lock that guards them.
 */
#ifndef LH_TURNS_H
#define LH_TURNS_H

#include "route/pick.h"

typedef struct LhPool
{
	const char *pool;
	const char *band;			/* whose turns; empty: the pool counts all bands together */
	bool		respect_schedule;
	const char *calendar;		/* NULL: the contract's */
	LhTurns		turns;
	int		   *capacity;		/* of each member; -1: no limit */
} LhPool;

/*
 * A pool with its members' places and loads, in the current memory context; NULL: no such pool.  Who
 * is no member at that moment, is inactive or has no room is marked unavailable ("not_member",
 * "inactive", "at_capacity"); working hours are the caller's business.  Those who have a place but are
 * no members any more are among them, so that a pick takes note that they have left.  Needs an SPI
 * connection.
 */
extern LhPool *lh_pool_read(const char *pool, const char *band, TimestampTz at);

/* One more open assignment for a member, which may leave him no room. */
extern void lh_pool_add_load(LhPool *pool, int member);

/*
 * The lock of a pool's turns and members, until the end of the transaction.  wait false: only try;
 * false if somebody else has it.
 */
extern bool lh_pool_lock(const char *pool, bool wait);

#endif							/* LH_TURNS_H */
