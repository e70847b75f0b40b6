/*
 * src/flow/scorer.h
 *
 * Scoring without deciding: what score() and score_rows() share.
 */
#ifndef LH_SCORER_H
#define LH_SCORER_H

#include "score/score.h"

typedef struct LhScorer
{
	const LhContract *contract;
	bool	   *asked;			/* by field of a lead: the fit hangs on it */
	bool		asks_account;	/* ... on any of its account's */
	LhFields   *row;			/* to be filled: mapped fields, and any of the state's own */
	LhScore    *score;			/* the answer */
	int			email;			/* positions of fields */
	int			email_domain;
} LhScorer;

/* The contract must be the caller's own or stay as it is: its rulebooks are told what now is. */
extern LhScorer *lh_scorer_create(const LhContract *contract, TimestampTz at);

/* Score the row with that intent, in points. Allocates in the current context. */
extern void lh_scorer_run(LhScorer *scorer, double intent);

/* Every field is asked for, not only what the fit hangs on; before it is filled. */
extern void lh_scorer_ask_all(LhScorer *scorer);

/* what_if.c: fill the row with fields that somebody gives, and score it; errors LH.. and 22023, 22003. */
extern void lh_scorer_fill(LhScorer *scorer, Jsonb *fields);

/* Set the fields of the row that a score gives. */
extern void lh_scorer_show(LhScorer *scorer);

/* Name of the score's band; NULL: none. */
extern const char *lh_scorer_band(const LhScorer *scorer);

/*
 * The version that an argument means; NULL: the draft being edited, else the one in force.  The name of
 * a contract narrows that down (NULL: any).
 */
extern int	lh_chosen_version(const int *version, const char *contract_name);

/* handoff.view_time() */
extern TimestampTz lh_view_time_now(void);

#endif							/* LH_SCORER_H */
