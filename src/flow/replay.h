/*
 * src/flow/replay.h
 *
 * A lead decided anew, moment by moment, over what its history tells: see replay.c.
 *
 *		history.c		what happened: the log, activities
 *		replay_step.c	the log cut into decisions, and what each of them was told
 *		replay_input.c	what each was told besides: by what was known then
 *		replay.c		the same told to another version
 *		replay_rows.c	what was and what would be, beside each other
 *		backtest.c		all leads, one after the other
 */
#ifndef LH_REPLAY_H
#define LH_REPLAY_H

#include "flow/assign.h"
#include "flow/history.h"
#include "flow/journey.h"

/* One backtest: what is asked, and what all leads share. */
typedef struct LhBacktest
{
	LhContract *candidate;		/* NULL: each decision by the version that made it */
	char	   *contract_name;
	TimestampTz since;
	TimestampTz until;
	TimestampTz known_to;		/* clocks of ours go on up to then */
	int64		tick_every;		/* microseconds */
	bool		all_rows;
	MemoryContext mcxt;
	List	   *versions;		/* of LhContract *, loaded for us */
	LhAssign	assign;			/* people and pools, as they are now */
	const char *zone;			/* the session's at the moment; NULL: not ours yet */
} LhBacktest;

/* A version, loaded once, without what a replay has no use for: clocks of SLAs, escalation, cadence. */
extern LhContract *lh_backtest_version(LhBacktest *test, int contract_id);

/* Events of one decision, and what it was told. */
typedef struct LhReplayStep
{
	TimestampTz at;
	int			first;			/* of the events */
	int			end;
	bool		reads_row;
	bool		gone;			/* the row is, or stands for another lead */
	const char *merged_into;
	const char *crm_status;		/* NULL: none is set */
	const LhPastEvent *account; /* an account was found, or is none any more; NULL: nothing about it */
	const LhPastEvent *mapped;	/* publish(stage_map) has moved it; NULL: it has not */
	LhAction	action;			/* LH_DO_NOTHING: nobody did anything */
	LhRefusal  *refusal;
} LhReplayStep;

/* replay_step.c: the decision that begins with an event, those before are past. */
extern void lh_next_replay_step(LhBacktest *test, const LhHistory *history, int first, LhReplayStep *step);

/* Somebody did something, through the API. */
extern bool lh_is_by_hand(const LhReplayStep *step);

struct LhReplay;

/* replay_input.c: all that a decision needs to know; step NULL: a clock is due, or it is decided for what has come. */
extern void lh_give_input(struct LhReplay *replay, const LhContract *contract, LhReplayStep *step, TimestampTz at, LhInput *input);

/* A route that matched a handoff under the other version. */
typedef struct LhWouldRoute
{
	const char *route;
	const char *target;			/* pool or rep, see lh_target_text() */
	const char *against;		/* structural, by people and maps as they are now; NULL: nothing */
} LhWouldRoute;

/* A handoff that would be; its routes by order. */
typedef struct LhWouldHandoff
{
	int64		handoff_no;
	const char *stage;			/* that it was passed into */
	int			nroutes;
	LhWouldRoute *routes;
} LhWouldHandoff;

/* A first difference. */
typedef struct LhDifference
{
	TimestampTz at;				/* DT_NOEND: there is none */
	int64		was_score;
	int64		would_score;
	const char *was_band;
	const char *would_band;
	const char *was_stage;
	const char *would_stage;
	List	   *reasons;		/* of char * */
} LhDifference;

typedef enum LhDiffers
{
	LH_DIFFERS_SCORE,
	LH_DIFFERS_BAND,
	LH_DIFFERS_STAGE
} LhDiffers;

#define LH_NDIFFERS	(LH_DIFFERS_STAGE + 1)

/* One lead under replay. */
typedef struct LhReplay
{
	LhBacktest *test;
	const LhHistory *history;
	LhLogFold	was;
	LhLead		would;
	bool		begun;
	bool		frozen;			/* handed over, while history has not: what follows isn't known */
	TimestampTz frozen_at;
	const char *why;			/* it can't be compared any more; NULL: it can */
	TimestampTz stopped_at;		/* since then; DT_NOEND: it can */

	int			next;			/* event that comes next */
	int			ntimes;			/* when activities came, changed or went */
	TimestampTz *times;
	int			next_time;
	TimestampTz passed;			/* newest moment at which history decided */
	TimestampTz known_at;		/* a decision sees the activities that were known then */
	TimestampTz taken_to;		/* activities known up to then have been seen */
	TimestampTz decided_at;		/* newest moment that was decided */
	bool		owes_row;		/* the row, or the account, has changed since that */
	const LhPastEvent *owes_account;
	List	   *bound;			/* activities as versions have them */
	LhUndo	   *undo;			/* how it was before its last handoff ended; NULL: none has */

	const LhContract *contract; /* of the newest decision */
	LhScore    *score;
	Jsonb	   *moved;			/* detail of the newest "stage" */
	List	   *handoffs;		/* of LhWouldHandoff * */
	int64		ndecided;
	LhDifference first[LH_NDIFFERS];
} LhReplay;

/* Replay one lead, in the current context. */
extern void lh_replay(LhReplay *replay, LhBacktest *test, const LhHistory *history);

/* The k-th handoff of a leg of a lead, from 1; NULL: there are fewer. */
extern LhLeadHandoff *lh_handoff_of_leg(const LhLead *lead, const char *leg, int k);
extern int	lh_place_in_leg(const LhLead *lead, const LhLeadHandoff *handoff);
extern const char *lh_target_text(const char *pool, const char *rep);	/* NULL: neither */

/* replay_rows.c */
typedef struct LhSide
{
	TimestampTz at;				/* DT_NOEND: it was not, or would not be, handed over */
	const char *stage;
	const char *band;
	bool		has_score;
	int64		score;
	const char *route;
	const char *target;
} LhSide;

typedef struct LhBacktestRow
{
	const char *lead_key;
	const char *what;			/* score, band, stage, handoff, lead */
	TimestampTz at;
	const char *leg;
	int64		cycle;			/* 0: none */
	LhSide		was;
	LhSide		would;
	int			accepted;		/* -1: not known */
	int			won;
	bool		comparable;
	List	   *reasons;
} LhBacktestRow;

extern void lh_note_differences(LhReplay *replay, TimestampTz at);
extern List *lh_replay_rows(const LhReplay *replay);	/* of LhBacktestRow * */

#endif							/* LH_REPLAY_H */
