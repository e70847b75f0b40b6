/*
 * src/score/score.h
 *
 * Points: how well a lead fits, and how much it wants.  Pure functions over a loaded contract; every
 * one lowers *valid_until to the moment its answer may change by time alone.
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

typedef struct LhScore
{
	int64		fit;
	int			nhits;
	int		   *hits;			/* fit rules that matched */
	LhHeat		intent;
	LhHeat	   *group_heat;		/* by intent group */
	double		intent_points;	/* at now, to a millionth, within the contract's limits */
	bool	   *signals;		/* by activity rule; true only for signals */
	int64		score;
	int			band;			/* -1: none */
} LhScore;

extern LhScore *lh_score_create(const LhContract *contract);

extern void lh_judge_activity(const LhContract *contract, LhActivity *activity,
							  TimestampTz *valid_until);
extern void lh_score_fit(const LhContract *contract, const LhFields *row, LhScore *score,
						 TimestampTz *valid_until, LhTrace *trace);

/* Activities in order of (at, source, key); only those after since give points. */
extern void lh_score_intent(const LhContract *contract, const LhActivity *activities, int n,
							TimestampTz since, TimestampTz now, LhScore *score,
							TimestampTz *valid_until, LhTrace *trace);
extern void lh_score_signals(const LhContract *contract, const LhActivity *activities, int n,
							 TimestampTz now, TimestampTz cycle_since, LhScore *score,
							 TimestampTz *valid_until, LhTrace *trace);
extern void lh_score_band(const LhContract *contract, LhScore *score, LhTrace *trace);

#endif							/* LH_SCORE_H */
