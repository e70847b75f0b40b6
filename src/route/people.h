/*
 * src/route/people.h
 *
 * Reps and pools as they are at one moment: who works when, who stands in for whom, which pools share
 * reps.  Whose turn it is in a pool is read apart, under the pool's lock: see turns.h.
 */
#ifndef LH_PEOPLE_H
#define LH_PEOPLE_H

#include "route/turns.h"
#include "time/calendar.h"

#include "nodes/pg_list.h"

typedef struct LhRep
{
	char	   *rep;
	char	   *crm_id;
	char	   *manager;		/* NULL: none, or an address */
	bool		active;			/* and within his validity */
	LhSchedule *schedule;		/* his own hours; NULL: those of a calendar */
	char	   *calendar;		/* his own; NULL: the pool's or the contract's */
	char	   *zone;			/* in which a calendar's hours are meant for him; NULL: in its own */
	TimestampTz away_until;		/* DT_NOBEGIN: he is there */
	char	   *delegate;		/* who stands in for him while he is away; NULL: nobody */
} LhRep;

/* A pool as far as locking and hours go. */
typedef struct LhCrew
{
	char	   *pool;
	bool		locked;			/* by us */
	bool		respect_schedule;
	bool		counts_direct;	/* a lead that a member gets past the pool counts as a turn */
	char	   *calendar;		/* NULL: the contract's */
	int			nreps;
	int			room;			/* for reps */
	char	  **reps;			/* members now or at any other time */
} LhCrew;

/* A calendar that somebody works by, looked up once. */
typedef struct LhHours
{
	const char *name;
	const LhSchedule *schedule;
	const char *zone;
	LhCalendar *calendar;
} LhHours;

typedef struct LhPeople
{
	TimestampTz now;
	int			nreps;
	LhRep	   *reps;			/* by rep */
	int			ncrews;
	LhCrew	   *crews;			/* by pool */
	List	   *hours;			/* of LhHours * */
} LhPeople;

/* Reads everybody, in new statements; needs an SPI connection. */
extern void lh_people_read(LhPeople *people, TimestampTz now);

/* Only the pools: enough to say which to lock. */
extern void lh_people_read_pools(LhPeople *people, TimestampTz now);

/* Only when these reps work, and the calendars of these pools: enough for lh_people_hours(). */
extern void lh_people_read_hours(LhPeople *people, char *const *reps, int nreps, char *const *pools, int npools);

/* NULL: there is none, or rep, crm_id, pool is NULL. */
extern LhRep *lh_people_rep(const LhPeople *people, const char *rep);
extern LhRep *lh_people_crm(const LhPeople *people, const char *crm_id);
extern LhCrew *lh_people_crew(const LhPeople *people, const char *pool);

/* Mark the crew and all that are connected with it by shared reps; marked is by position. */
extern void lh_people_mark_group(const LhPeople *people, const LhCrew *crew, bool *marked);

/*
 * Try the locks of the crews marked, in order of name, and read everybody: members may have
 * changed before the locks were ours.  A group of which one pool is not ours is not locked at all.
 */
extern void lh_people_lock(LhPeople *people, const bool *marked);

/*
 * When a rep works: in his own hours, with the exceptions of his own calendar; else by that calendar, else
 * by the one given (NULL: none).  NULL: at any time.
 */
extern LhCalendar *lh_people_hours(LhPeople *people, const LhRep *rep, const char *otherwise);

/*
 * Why a rep takes no leads now: "away", "off_shift"; NULL: he does.  hours: when he works; NULL: at any
 * time.  ahead: who is back within 16 hours counts as present.  *from: when he would be asked again;
 * DT_NOEND: never.
 */
extern const char *lh_rep_absence(const LhRep *rep, LhCalendar *hours, TimestampTz now, bool ahead,
								  TimestampTz *from);

/* Who of a pool is not there at this hour, in its seats; the contract's calendar counts where the crew has none. */
extern void lh_people_mark_absent(LhPeople *people, const LhCrew *crew, const char *calendar, LhPool *pool);

#endif							/* LH_PEOPLE_H */
