/*
 * src/score/score.h
 *
 * Points: how well a lead fits, and how much it wants.  Pure functions over a loaded contract; those
 * that take a valid_until lower it to the moment their answer may change by time alone.
 */
#ifndef LH_SCORE_H
#define LH_SCORE_H

#include "define/contract.h"
#include "define/trace.h"

/* One activity of a lead, and what the contract makes of it. */
typedef struct LhActivity
{
	char	   *source;
	char	   *key;
	TimestampTz at;
	LhFields   *row;
	bool		automated;		/* done by a CRM user who is no person */

	/* judged by lh_judge_activity() */
	bool	   *means;			/* by activity rule */
	int		   *group_points;	/* by intent group */
	int			points;			/* their sum */

	/* as it stands in the table */
	int			stored_contract;	/* 0: not judged yet */
	int			stored_points;
	int			nstored_meanings;
	char	  **stored_meanings;
} LhActivity;

/* What activities up to a moment, in order of (at, source, key), have given each intent group. */
typedef struct LhFold
{
	TimestampTz at;				/* of the newest of them; later ones can be added */
	LhHeat	   *heats;			/* NULL: nothing */
} LhFold;

typedef struct LhScore
{
	int64		fit;
	int			nhits;
	int		   *hits;			/* fit rules that matched */
	int64	   *group_sums;		/* by fit group, before its limits */
	LhHeat		intent;
	LhFold		fold;			/* by intent group */
	double		intent_points;	/* at now, to a millionth, within the contract's limits */
	bool	   *signals;		/* by activity rule; true only for signals */
	int64		score;
	int			band;			/* -1: none */
} LhScore;

extern LhScore *lh_score_create(const LhContract *contract);

/* Derived fields, in their order; asked says which are wanted (NULL: all). */
/* Fields of the lead that say what its account's do; and which of those are asked for then. */
extern void lh_score_account(const LhContract *contract, LhFields *row);
extern void lh_ask_account(const LhContract *contract, bool *asked);
extern void lh_score_derived(const LhContract *contract, LhFields *row, const bool *asked,
							 TimestampTz *valid_until, LhTrace *trace);
extern void lh_judge_activity(const LhContract *contract, LhActivity *activity,
							  TimestampTz *valid_until);
extern void lh_score_fit(const LhContract *contract, const LhFields *row, LhScore *score,
						 TimestampTz *valid_until, LhTrace *trace);

/* Activities in order of (at, source, key); those after start->at give points, from what it has on. */
extern void lh_score_intent(const LhContract *contract, const LhActivity *activities, int n,
							const LhFold *start, TimestampTz now, LhScore *score, LhTrace *trace);
/* Intent as decisions see it: within the contract's limits, to a millionth. */
extern double lh_score_intent_points(const LhContract *contract, double points);
/* Activities up to the moment returned don't count for a signal. */
extern TimestampTz lh_signal_since(const LhActivityRule *rule, TimestampTz now,
								   TimestampTz cycle_since);
extern void lh_score_signals(const LhContract *contract, const LhActivity *activities, int n,
							 TimestampTz now, TimestampTz cycle_since, LhScore *score,
							 TimestampTz *valid_until, LhTrace *trace);
extern void lh_score_band(const LhContract *contract, LhScore *score, LhTrace *trace);

/* What a group comes to by points given at a moment, its limits applied. */
extern LhHeat lh_add_points(const LhContract *contract, int group, LhHeat heat, TimestampTz at,
							int points);

/* score_trace.c: for explain() */
extern void lh_trace_fit(const LhContract *contract, const LhFields *row, const int64 *sums,
						 const LhScore *score, LhTrace *trace);
extern void lh_trace_intent(const LhContract *contract, const LhActivity *activities, int n,
							const LhFold *start, TimestampTz now, const LhScore *score,
							LhTrace *trace);
extern void lh_trace_band(const LhBand *band, bool holds, LhTrace *trace);

/* When intent, by decay alone, passes the next value that something in the contract asks for. */
extern void lh_watch_decay(const LhContract *contract, const LhFields *row, const LhScore *score,
						   TimestampTz now, TimestampTz *valid_until);

#endif							/* LH_SCORE_H */
