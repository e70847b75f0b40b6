/*
 * src/flow/access.h
 *
 * Who calls, and which leads are his: the rule that the work API, explain() and its like, and the policies of
 * row security go by.
 */
#ifndef LH_ACCESS_H
#define LH_ACCESS_H

#include "flow/decide.h"

typedef struct LhCaller
{
	const char *role;			/* that asks */
	const char *login;			/* as whom the session was opened */
	bool		trusted;		/* may call tick(): any lead, any actor, any time */
	bool		is_manager;		/* may call my_team(): his reps' leads too */
	char	   *rep;			/* whom the role stands for; NULL: nobody */
	char	  **reps;			/* whose leads are his */
	int			nreps;
	char	  **pools;			/* that these are members of, or lead: whose waiting leads they may claim */
	int			npools;
} LhCaller;

/*
 * First who calls: it asks what the role may that is now the current one.  Then go on as our owner, if the tables are ours
 * (LH030), with the rest known about him.
 */
extern void lh_who_calls(LhCaller *caller);
extern void lh_enter_for(LhCaller *caller, LhWorld *world);

/* Both, for a function that shows a lead: error LH040 unless whoever calls may see it. */
extern void lh_enter_to_show(const char *lead_key, LhWorld *world);

/* Error 42501 unless he may call the function of that name: who may call act() may not do everything by it. */
extern void lh_check_may_call(const char *name);

/* Error 42501 if he names another time than the clock's and is not trusted. */
extern void lh_check_time(const LhCaller *caller, TimestampTz now);

/* The actor to log; given: as named by him, NULL: he says nothing.  Error 42501: he may not act as that one. */
extern const char *lh_actor(const LhCaller *caller, const char *given);

/* Whom a key, e-mail address, CRM or chat id names, if one; *several: more than one. */
extern char *lh_rep_named(const char *name, bool *several);

/* Error LH040 unless he may see the lead; LH042 unless it is his to work.  It is locked then. */
extern void lh_must_work(const LhCaller *caller, const char *lead_key, const char *what);

#endif							/* LH_ACCESS_H */
