/*
 * src/flow/decide.h
 *
 * The pure core: a lead, what is new about it, a contract and a moment give the lead's new state and
 * the effects.  No SQL, no clock, no session settings: the drain, the API, the clock sweep, explain()
 * and backtest all call lh_decide() and differ only in what they do with its answer.
 */
#ifndef LH_DECIDE_H
#define LH_DECIDE_H

#include "define/contract.h"
#include "define/trace.h"
#include "score/score.h"

/* Clocks that a decision sets. */
typedef enum LhClockKind
{
	LH_CLOCK_REVIEW,
	LH_CLOCK_STAGE_AGE,
	LH_CLOCK_BLOCKED
} LhClockKind;

#define LH_NCLOCKS	3

extern const char *lh_clock_kind(LhClockKind kind);

typedef struct LhClock
{
	const char *name;
	TimestampTz started_at;
	TimestampTz due_at;			/* DT_NOEND: it is not set */
} LhClock;

/* A lead as handoff.lead and handoff.clock hold it. */
typedef struct LhLead
{
	char	   *lead_key;
	char	   *source;
	char	   *raw_key;
	bool		exists;			/* there is a row already */

	int			contract_id;
	char	   *stage;
	TimestampTz stage_since;
	Jsonb	   *fields;			/* the mapped ones, as stored */
	LhFields   *row;			/* all fields, mapped ones filled from fields */
	char	   *person_key;
	char	   *account_key;

	int64		fit;
	LhHeat		intent;
	int			ngroups;
	LhHeat	   *group_heat;
	int64		score;
	char	   *band;			/* NULL: none */
	int			nsignals;
	char	  **signals;

	int			cycle;
	TimestampTz cycle_since;	/* DT_NOBEGIN in the first cycle */
	char	   *trigger;
	TimestampTz trigger_at;
	TimestampTz version;		/* DT_NOBEGIN: none seen */
	TimestampTz blocked_since;	/* DT_NOEND: not blocked */
	int			nblocked;
	char	  **blocked_fields;
	char	   *gate_code;		/* NULL: none */
	TimestampTz first_seen_at;
	TimestampTz decided_at;
	TimestampTz deleted_at;		/* DT_NOEND: it is there */
	int64		last_seq;
	LhClock		clocks[LH_NCLOCKS];
} LhLead;

/* What is new. */
typedef struct LhInput
{
	/* the source's row, if it was read */
	bool		row_read;
	bool		row_present;	/* false: it is gone (or marked deleted) */
	bool		backfill;		/* it was there before the source was attached */
	LhFields   *row;			/* only the mapped range counts */
	TimestampTz version;		/* DT_NOBEGIN: not mapped or null */
	TimestampTz seen_at;
	TimestampTz since;			/* of the source: older leads pass no leg */

	/* all activities of the lead, in order of (at, source, key) */
	int			nactivities;
	LhActivity *activities;
	TimestampTz activity_at;	/* newest that is new to this decision; DT_NOBEGIN: none */

	bool		clock_due[LH_NCLOCKS];
} LhInput;

typedef struct LhEvent
{
	int64		seq;
	TimestampTz at;
	const char *type;
	const char *leg;			/* NULL: none */
	const char *actor;
	Jsonb	   *detail;
} LhEvent;

/* A stay in a stage that begins; the one before ends at the same moment. */
typedef struct LhStay
{
	int64		seq;
	const char *stage;
	const char *owner;
	TimestampTz entered_at;
	bool		consistent;
} LhStay;

typedef struct LhEffects
{
	bool		changed;		/* the lead's row must be written */
	List	   *events;			/* of LhEvent * */
	List	   *stays;			/* of LhStay * */
} LhEffects;

/* One decision under way; what the rooms of flow share. */
typedef struct LhDecision
{
	const LhContract *contract;
	LhLead	   *lead;
	const LhInput *input;
	TimestampTz now;
	LhEffects  *effects;
	LhTrace    *trace;			/* NULL: nobody asks */
	TimestampTz valid_until;	/* when the decision may change by time alone */
	int			stage;			/* position of lead->stage */
	LhScore    *score;
	bool	   *entered;		/* by activity rule: a signal that did not hold before */
} LhDecision;

extern void lh_decide(const LhContract *contract, LhLead *lead, const LhInput *input,
					  TimestampTz now, LhEffects *effects, LhTrace *trace);

/* decide.c: used by journey.c */
extern void lh_decision_event(LhDecision *decision, const char *type, const char *leg,
							  const char *actor, Jsonb *detail);
extern void lh_set_clock(LhDecision *decision, LhClockKind kind, const char *name,
						 TimestampTz due_at);
extern TimestampTz lh_after(TimestampTz at, const Interval *span);

/* journey.c: stages, transitions, gates */
extern void lh_enter_first_stage(LhDecision *decision);
extern void lh_journey(LhDecision *decision);

#endif							/* LH_DECIDE_H */
