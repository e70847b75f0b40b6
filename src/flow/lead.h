/*
 * src/flow/lead.h
 *
 * A lead's state as it stands in the tables, read for a decision.
 */
#ifndef LH_LEAD_H
#define LH_LEAD_H

#include "flow/decide.h"
#include "route/people.h"
#include "utils/multirangetypes.h"

typedef enum LhLock
{
	LH_LOCK_NONE,
	LH_LOCK_TRY,				/* rows that somebody else has locked are left out */
	LH_LOCK_WAIT
} LhLock;

/*
 * Rows of handoff.lead for the keys given, in byte order of key, with their clocks and handoffs.
 * Returns how many; *leads is an array.
 */
extern int	lh_leads_read(char *const *lead_keys, int n, LhLock lock, LhLead **leads);

/* Keys among those given that have a row, as seen by a new statement. */
extern int	lh_leads_existing(char *const *lead_keys, int n, char **existing);	/* in their order */

extern int	lh_pauses_from_multirange(MultirangeType *value, LhPause **pauses);	/* how many */

/* Give a lead its fields, under the contract that is to decide it. */
extern void lh_lead_bind(LhLead *lead, const LhContract *contract);
extern void lh_lead_init(LhLead *lead, const char *lead_key, const char *source, const char *raw_key);

/*
 * Activities of one lead, in order of (at, source, key), bound to the contract.  lh_activities_read()
 * reads those of many leads at once, of each those after a moment of its own that decisions up to
 * taken_by knew; a lead's are then taken by its key.
 */
typedef struct LhActivities LhActivities;

extern LhActivities *lh_activities_read(char *const *lead_keys, const TimestampTz *since, int n,
										TimestampTz taken_by);
extern int	lh_activities_of(const LhActivities *all, const char *lead_key,
							 const LhContract *contract, LhActivity **activities);

/* Opportunities that leads stand behind, in the same way. */
typedef struct LhOpportunities LhOpportunities;

extern LhOpportunities *lh_opportunities_read(char *const *lead_keys, int n, char *const *by_account, int nby_account);
extern bool lh_asks_account(const LhContract *contract, const LhLead *lead);
extern int	lh_opportunities_of(const LhOpportunities *all, const char *lead_key,
								LhOpportunity **opportunities);

/*
 * clock_hours.c: whose open time clocks count.  Begun with {0}, and told of all leads, it reads at once who they
 * are; then each lead is given what a decision needs.
 */
typedef struct LhHoursAsked
{
	List	   *reps;			/* of char * */
	List	   *pools;
	LhPeople	people;
} LhHoursAsked;

extern void lh_ask_hours(LhHoursAsked *asked, const LhContract *contract, const LhLead *lead, const LhInput *input);
extern void lh_read_hours(LhHoursAsked *asked);
extern void lh_give_hours(LhHoursAsked *asked, const LhContract *contract, LhLead *lead, LhInput *input);
/* cadences.c: the steps of the cadence of leads in byte order of key. */
extern void lh_cadences_read(LhLead *const *leads, int n);

/* as_of.c: the same as it was; false: there was no such lead yet. */
extern bool lh_lead_as_of(const char *lead_key, TimestampTz as_of, LhLead *lead);
extern void lh_opportunities_as_of(LhOpportunity *opportunities, int *n, TimestampTz as_of);

extern int	lh_compare_keys(const void *a, const void *b);	/* qsort of char * */
extern int	lh_sort_unique(char **keys, int n);

#endif							/* LH_LEAD_H */
