/*
 * src/flow/intake.h
 *
 * What a row of each kind of source means, kind by kind:
 *
 *		intake_lead.c			its own lead; its converted contact becomes an alias, its opportunity a link
 *		merge.c					leads that the CRM has merged into another
 *		intake_named.c			activities and links: the lead they name, and the one that has them so far
 *		intake_opportunity.c	the leads linked to it
 *		intake_account.c		the leads of it and those that may be, which are queued
 *		crm_user.c				no lead; the rep who the user is
 *
 * Each kind has two halves: which leads a row concerns, before they are locked, and what is kept of it,
 * after.  intake.c calls them by kind and has what they share.
 */
#ifndef LH_INTAKE_H
#define LH_INTAKE_H

#include "flow/batch.h"

/* intake.c */
extern void lh_add_lead_key(LhItem *item, char *key);	/* NULL: none */
extern char *lh_row_text(const LhSourceRow *row, const char *field);	/* NULL: null or not there */
extern char *lh_prefixed(const LhSource *source, const char *key);	/* NULL stays NULL */
extern void lh_add_gone(LhRows *rows, const char *key, const LhSourceRow *row, TimestampTz now);
extern void lh_keep_held(LhBatch *batch, LhSourceItems *group);
extern void lh_keep_locked(LhSourceItems *group, const char *kind);

/* (key, value) pairs, by key. */
typedef struct LhPair
{
	char	   *key;
	char	   *value;
} LhPair;

typedef struct LhPairs
{
	int			n;
	LhPair	   *pairs;
} LhPairs;

extern LhPairs lh_answer_pairs(uint64 n);	/* the first two columns of the last answer */
extern char *lh_pair_value(const LhPairs *all, const char *key);	/* NULL: none */
extern const LhPair *lh_pair_first(const LhPairs *all, const char *key, int *n);	/* all of a key */

/* merge.c */
extern LhPairs lh_aliases_of(char *const *keys, int n); /* key: the lead that it is another key of */
extern void lh_aliases_begin(LhRows *aliases);
extern void lh_aliases_add(LhRows *aliases, const char *key, const char *lead_key, const char *kind);
extern void lh_aliases_write(LhRows *aliases, TimestampTz now);

/* What becomes of the rows of a group. */
typedef struct LhMerging
{
	char	  **stands_for;		/* by item: the lead its row belongs to; another than its own if that was merged */
	bool	   *waits;			/* by item: it needs a lead that is busy */
	List	   *merges;			/* of LhMerge *: to be done now */
} LhMerging;

extern void lh_find_merges(LhSourceItems *group);
extern LhMerging lh_begin_merging(const LhBatch *batch, const LhSourceItems *group, const LhSourceRow *rows);
extern void lh_merge(LhBatch *batch, const List *merges, const char *by);

/* crm_user.c: what is kept of a user's row, column by column. */
#define LH_USER_COLUMNS	9
extern void lh_user_values(const LhSource *source, const char *raw_key, const LhSourceRow *row,
						   Datum *values, bool *isnull);

/* person.c */
extern void lh_join_persons(LhBatch *batch, const LhSourceItems *group, const LhSourceRow *rows, LhMerging *merging);

/* The kinds. */
extern void lh_find_of_leads(LhSourceItems *group);
extern void lh_take_leads(LhBatch *batch, LhSourceItems *group);
extern void lh_find_of_named(LhSourceItems *group);
extern void lh_take_activities(LhBatch *batch, LhSourceItems *group);
extern void lh_take_links(LhBatch *batch, LhSourceItems *group);
extern void lh_take_accounts(LhBatch *batch, LhSourceItems *group);
extern void lh_take_users(LhBatch *batch, LhSourceItems *group);
extern void lh_find_of_opportunities(LhSourceItems *group);
extern void lh_take_opportunities(LhBatch *batch, LhSourceItems *group);

#endif							/* LH_INTAKE_H */
