/*
 * src/route/turns.h
 *
 * A pool as its turns need it: read from the tables, with the lock that guards them.
 */
#ifndef LH_TURNS_H
#define LH_TURNS_H

#include "route/pick.h"

#include "nodes/pg_list.h"

/* What limits a member besides his turn. */
typedef struct LhSeat
{
	int			capacity;		/* most open assignments; -1: no limit */
	int			left;			/* picks left to him of the day, week and month; INT_MAX: no limit */
	const char *gone;			/* not_member, inactive; NULL: neither */
	const char *absent[2];		/* away, off_shift, by whether one who is back soon counts; NULL: present */
	TimestampTz from[2];		/* when he would be present */
} LhSeat;

typedef struct LhPool
{
	const char *pool;
	const char *band;			/* whose turns; empty: the pool counts all bands together */
	LhTurns		turns;
	LhSeat	   *seats;			/* of each member */
	List	   *settled;		/* ids of rows of pool_turn_due that the places have taken in */
} LhPool;

/*
 * A pool with its members' places and loads, in the current memory context; NULL: no such pool.  at:
 * the moment at which they are members.  Those who have a place but are no members any more are among
 * them, so that a pick takes note that they have left.  Working hours are the caller's business: who is
 * there is present until its seat says otherwise.  Needs an SPI connection; the session's TimeZone says
 * when a day begins.
 */
extern LhPool *lh_pool_read(const char *pool, const char *band, TimestampTz at);

/*
 * Why a member can take no lead: not_member, inactive, away, off_shift, at_capacity, period_limit; NULL:
 * he can.  ahead: one who is back soon counts as present.
 */
extern const char *lh_seat_unavailable(const LhPool *pool, int member, bool ahead);

/* A rep has one more open assignment; picked: from a pool, whichever. */
extern void lh_pool_add_load(LhPool *pool, const char *rep, bool picked);

/*
 * The lock of a pool's turns and members, until the end of the transaction.  wait false: only try;
 * false if somebody else has it.
 */
extern bool lh_pool_lock(const char *pool, bool wait);

#endif							/* LH_TURNS_H */
