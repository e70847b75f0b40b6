/*
 * src/flow/history.h
 *
 * What the log and the activities tell of leads: everything that was decided about them, in order, and
 * all that was known at each moment.
 */
#ifndef LH_HISTORY_H
#define LH_HISTORY_H

#include "flow/lead.h"

/* An event of the log. */
typedef struct LhPastEvent
{
	TimestampTz at;
	TimestampTz recorded_at;	/* one for all that a decision has written, and no other's of the lead */
	const char *type;
	int			contract_id;
	int			cycle;
	const char *leg;			/* NULL: none */
	const char *actor;
	Jsonb	   *detail;
} LhPastEvent;

/* An activity as it was known in [from, to); one whose row was gone is known until after the moment at which it went. */
typedef struct LhPastActivity
{
	LhActivity	activity;		/* without a row: no contract has judged it */
	Jsonb	   *fields;
	TimestampTz from;
	TimestampTz to;				/* DT_NOEND: it still is */
	bool		gone;
	bool		is_touch;		/* somebody of sales did it, by the version that judged it */
} LhPastActivity;

typedef struct LhHistory
{
	char	   *lead_key;
	char	   *source;
	char	   *raw_key;
	char	   *person_key;		/* now; NULL: nobody knows */
	char	   *key_prefix;		/* of its source */
	TimestampTz since;			/* likewise: older leads pass no leg */
	TimestampTz trigger_at;		/* of its newest input */
	TimestampTz purged_to;		/* DT_NOBEGIN: all its activities are there */
	int			nevents;
	LhPastEvent *events;
	int			nactivities;
	LhPastActivity *activities; /* in order of (at, source, key) */
	int			nopportunities;
	LhOpportunity *opportunities;
	TimestampTz *told_at;		/* by opportunity: when the log first has it, and its end */
	TimestampTz *end_told_at;
	int			nothers;
	const LhOther *others;		/* handoffs of other leads of the person, as they are now */
} LhHistory;

/*
 * The next leads after a key ("": from the beginning), in the order of the primary key, whose sources
 * have a contract of that name; of what was decided before a moment.  All is read by the query's own
 * snapshot.  Returns how many; *last is the key to go on with.
 */
extern int	lh_histories_read(const char *after, const char *contract_name, TimestampTz until, int limit,
							  LhHistory **histories, char **last);

/* Did activities come, change or go in (after, to]? */
extern bool lh_has_news(const LhHistory *history, TimestampTz after, TimestampTz to);

/* person.c: handoffs of all leads of those persons that have several, by person. */
extern int	lh_others_read(char **person_keys, int n, LhOther **others);

/* Who got a handoff first, and the routes that were passed over for that. */
typedef struct LhFirstOwner
{
	const char *route;
	const char *pool;			/* NULL: not from one */
	const char *rep;
	Jsonb	   *routes;			/* name -> code; NULL: none */
} LhFirstOwner;

/*
 * A lead as the log says it was, one event after the other.  Begun with lh_fold_begin(); the lead that it
 * comes to has no row and no clocks.
 */
typedef struct LhLogFold
{
	LhLead		lead;
	Jsonb	   *scored;			/* detail of the newest "scored"; NULL: none yet */
	Jsonb	   *moved;			/* of the newest "stage" */
	const char *blocked_leg;	/* before which it is blocked; NULL: before none */
	List	   *columns;		/* of Jsonb *, by handoff */
	List	   *owners;			/* of LhFirstOwner *, by handoff; NULL: nobody has had it */
} LhLogFold;

extern void lh_fold_begin(LhLogFold *fold, const LhHistory *history);
extern void lh_fold_add(LhLogFold *fold, const LhPastEvent *event);

#endif							/* LH_HISTORY_H */
