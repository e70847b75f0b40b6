/*
 * src/work/handoff.h
 *
 * A handoff in memory, and its columns as a table: reading, writing and logging a handoff are loops
 * over lh_handoff_columns, so that a new column is one line there.
 */
#ifndef LH_HANDOFF_H
#define LH_HANDOFF_H

#include "json.h"
#include "rules/fields.h"
#include "utils/date.h"

/* A moment that has not come: NULL in the table, as is a number that is NaN. */
#define LH_NOT_YET	DT_NOEND

typedef struct LhTexts
{
	int			n;
	char	  **values;
} LhTexts;

typedef struct LhHandoff
{
	int64		handoff_no;
	int64		cycle;
	char	   *leg;
	int64		contract_id;
	int64		challenge;		/* version of the challenger that its lead was shared with; 0: none was */
	char	   *origin;
	char	   *stage_from;
	char	   *band;
	int64		fit;
	double		intent;
	int64		score;
	char	   *segment;
	char	   *lead_source;
	char	   *account_method;
	char	   *trigger;
	TimestampTz trigger_at;
	TimestampTz seen_at;
	TimestampTz handed_at;
	DateADT		month;			/* its first day; DATEVAL_NOEND: not handed over yet */
	bool		incomplete;
	char	   *route;
	char	   *pool;
	char	   *rep;
	TimestampTz assigned_at;
	TimestampTz owner_since;
	bool		by_last_route;	/* the first owner was found by it */
	int64		assignments;
	int64		reroutes;
	int64		hops;
	TimestampTz fallback_at;
	char	   *unassigned_reason;
	TimestampTz delivered_at;
	int64		touches;
	int64		contacts;
	LhTexts		channels;
	TimestampTz first_touch_at;
	double		first_touch_business_seconds;	/* NaN: untouched */
	TimestampTz first_contact_at;
	TimestampTz booked_at;
	TimestampTz meeting_held_at;
	bool		no_show;
	TimestampTz accepted_at;
	char	   *accepted_how;
	TimestampTz qualified_at;
	TimestampTz disposed_at;
	char	   *outcome;
	char	   *code;
	char	   *note;
	char	   *override_reason;
	TimestampTz recycle_due_at;
	TimestampTz closed_at;
	int64		undone;
	TimestampTz undone_at;
	char	   *undone_stage;
	TimestampTz held_at;
	TimestampTz signal_at;
	TimestampTz reengaged_at;
	int64		joined_activities;
	TimestampTz opportunity_at;
	TimestampTz won_at;
	TimestampTz lost_at;
} LhHandoff;

/* Its columns in order, without lead_key, as the table has them: name and type of one (NULL: no more), and its value (false: null). */
extern const char *lh_handoff_column(int i, Oid *type);
extern bool lh_handoff_value(const LhHandoff *handoff, int i, Datum *value);

extern void lh_handoff_init(LhHandoff *handoff);
extern void lh_handoff_from_jsonb(LhHandoff *handoff, Jsonb *doc);
extern Jsonb *lh_handoff_to_jsonb(const LhHandoff *handoff, const char *lead_key);

/* Adds "set": {column: new value} to json, for the columns in which after differs from before. */
extern void lh_handoff_set(LhJson *json, const LhHandoff *before, const LhHandoff *after);
extern bool lh_handoff_equal(const LhHandoff *a, const LhHandoff *b);

#endif							/* LH_HANDOFF_H */
