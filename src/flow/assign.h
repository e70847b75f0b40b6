/*
 * src/flow/assign.h
 *
 * Seeking owners: what assign.c, which goes through a batch, and follow.c, which follows the routes of one
 * handoff, share.
 */
#ifndef LH_ASSIGN_H
#define LH_ASSIGN_H

#include "flow/batch.h"
#include "json.h"
#include "route/people.h"
#include "route/territory.h"
#include "route/turns.h"

/* A lead given in this batch. */
typedef struct LhGiven
{
	const char *rep;
	bool		picked;			/* from a pool */
} LhGiven;

/* Somebody of an account's team. */
typedef struct LhTeamRow
{
	char	   *account_key;
	char	   *role;
	char	   *rep;
} LhTeamRow;

typedef struct LhAssign
{
	LhBatch    *batch;
	List	   *seekers;		/* of LhSeeker *, in the order in which they are served */
	LhPeople	people;
	List	   *turns;			/* of LhPool *: pools picked from, one a band */
	List	   *given;			/* of LhGiven * */
	List	   *dues;			/* of LhTurnDue *: turns taken past the pool */
	bool		teams_read;
	int			nteams;
	LhTeamRow  *teams;
	LhTerritories territories;	/* that the seekers' routes look up */
} LhAssign;

/* A turn that somebody has had, or has given back, outside a pool's picks. */
typedef struct LhTurnDue
{
	const char *pool;
	const char *band;			/* as the handoff's; what counts is up to the pool */
	const char *rep;
	int			turns;
} LhTurnDue;

/* A handoff that seeks an owner, and what was found on the way. */
typedef struct LhSeeker
{
	LhBatchLead *slot;
	LhLeadHandoff *handoff;
	int		   *matches;		/* routes of its leg whose criteria hold, by position; NULL: not looked up yet */
	int			nmatches;
	LhJson		routes;			/* passed over: name -> code */
	LhJson		reps;
	LhJson		territories;	/* name of a route to a map -> the row it found; if the contract has any */
	LhTexts		excluded;		/* reps who had it, and said that it isn't theirs or let it lie */

	/* of the last route that could not take it */
	const char *reason;
	const char *route;			/* that it waits for; NULL: none, all were passed over */
	const char *pool;			/* likewise */
	TimestampTz retry_at;		/* when it is worth another try; DT_NOEND: when a place is free */
} LhSeeker;

/* Who gets it, and how. */
typedef struct LhChoice
{
	const char *route;
	const char *pool;			/* NULL: not by turns */
	const LhRep *rep;
	bool		hosts;			/* the meeting that the lead has booked */
} LhChoice;

/* assign.c: people, pools and territories as they are, for what the seekers' routes ask. */
extern void lh_assign_read(LhAssign *assign, TimestampTz now);

/* follow.c: look up which routes match, once; needs the contract's zone. */
extern void lh_match_routes(LhSeeker *seeker);

/* follow.c: the first route that can take it; false: none, see the seeker for why. */
extern bool lh_follow_routes(LhAssign *assign, LhSeeker *seeker, LhChoice *choice);

/* follow.c: whom a route means, as far as that is structural; see there. */
extern const char *lh_route_means(LhAssign *assign, const LhSeeker *seeker, const LhRoute *route,
								  const char **pool, const LhRep **rep);

/* follow.c: the reason against one named rep, NULL: none; *from: when it may be over. */
extern const char *lh_against_rep(LhAssign *assign, const LhSeeker *seeker, const LhRep *rep,
								  bool ahead, TimestampTz *from);

/* assign.c: the turns of a pool for a handoff's band, read once a batch. */
extern LhPool *lh_turns_of(LhAssign *assign, const LhCrew *crew, const LhSeeker *seeker);

#endif							/* LH_ASSIGN_H */
