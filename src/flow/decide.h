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
#include "work/cadence.h"
#include "work/handoff.h"

/* Clocks that a decision sets. */
typedef enum LhClockKind
{
	LH_CLOCK_REVIEW,
	LH_CLOCK_STAGE_AGE,
	LH_CLOCK_BLOCKED,
	LH_CLOCK_RECYCLE
} LhClockKind;

#define LH_NCLOCKS	4

extern const char *lh_clock_kind(LhClockKind kind);

typedef struct LhClock
{
	const char *name;
	TimestampTz started_at;
	TimestampTz due_at;			/* DT_NOEND: it is not set */
} LhClock;

typedef struct LhPause
{
	TimestampTz from;
	TimestampTz to;				/* LH_NOT_YET: it lasts */
} LhPause;

/* A clock of one SLA for one handoff; see sla.c. */
typedef struct LhSlaClock
{
	int64		handoff_no;
	char	   *name;
	int64		n;				/* of the assignment, for an SLA of that scope; else one after the other */
	char	   *rep;			/* whose it is; NULL: whoever has the lead */
	char	   *pool;			/* that he was picked from; NULL: none */
	TimestampTz started_at;
	TimestampTz due_at;			/* LH_NOT_YET: never */
	TimestampTz stopped_at;		/* LH_NOT_YET: it runs */
	const char *verdict;		/* met, missed, void; NULL while it runs */
	int			npauses;
	LhPause    *pauses;			/* by time */
	int64		time_run;		/* open time until it stopped, in microseconds */
	int			next_step;		/* of its escalation: none before that number is to come */
	TimestampTz next_at;		/* when tick() is to look at it; LH_NOT_YET: need not */
	bool		step_waits;		/* the step that is due waits until next_at */

	const LhSla *sla;			/* NULL: this version has none of that name */
	LhCalendar *hours;			/* whose open time it counts; NULL: all time is */
	const char *logged_verdict; /* as the log has it so far */
	bool		changed;
} LhSlaClock;

/* An owner found for a handoff. */
typedef struct LhAssignment
{
	int64		n;
	const char *route;
	const char *pool;			/* NULL: not from a pool */
	const char *rep;
	const char *reason;
	TimestampTz at;
	Jsonb	   *passed_over;
	bool		known_to_crm;	/* the CRM names him as the lead's owner already */
	LhCalendar *hours;			/* when he works, as far as his clocks go; NULL: at any time */
} LhAssignment;

/* A handoff of the lead, and what this decision does to it. */
typedef struct LhLeadHandoff
{
	LhHandoff	h;
	LhHandoff	logged;			/* as the log has it so far */
	LhHandoff	stored;			/* as the table has it */
	bool		is_new;
	bool		owner_gone;		/* the present assignment ends in this decision */
	bool		returns_turn;	/* and its turn in the pool is given back */
	bool		owner_back;		/* the assignment that had ended goes on; a turn given back is taken again */
	const char *seek;			/* why an owner is sought: see handoff.assignment.reason; NULL: none is */
	const char *prefer;			/* the rep to ask first; NULL: nobody */
	LhAssignment *assignment;	/* found in this decision */
} LhLeadHandoff;

/* Why an owner loses a handoff that goes on. */
typedef struct LhRelease
{
	const char *why;			/* reroute, manual, claim, crm, rep_left, away, booked, silence, fallback */
	const char *prefer;			/* the rep to ask first; NULL: nobody */
	const char *code;			/* of a disposition; NULL: none */
	const char *note;
	const char *actor;
} LhRelease;

/* Somebody whom a step of escalation tells. */
typedef struct LhRecipient
{
	const char *name;			/* as the contract says: owner, manager, pool_lead, or whom it names */
	const char *to;				/* rep or address; NULL: nobody */
	LhCalendar *hours;			/* NULL: any time */
} LhRecipient;

/* A step of escalation whose turn has come. */
typedef struct LhStepTaken
{
	const LhSlaClock *clock;
	int			step;
	LhStepAction action;		/* what was done: at the limit of hops a reassign is a fallback */
	const char *recipient;		/* told, or from whom it was taken; NULL: nobody */
	const char *skipped;		/* why it was passed over; NULL: it was done */
	TimestampTz due_at;			/* its moment */
	TimestampTz at;
	bool		sync_late;		/* sources had not told enough by then */
} LhStepTaken;

/* An opportunity that the lead stands behind, or of its account. */
typedef struct LhOpportunity
{
	const char *account_key;	/* nothing but the account says that it is the lead's; NULL: a row does */
	TimestampTz created_at;
	TimestampTz closed_at;		/* LH_NOT_YET: open */
	bool		is_won;
} LhOpportunity;

/* A handoff of another lead of the same person. */
typedef struct LhOther
{
	const char *person_key;
	const char *lead_key;
	int64		handoff_no;
	const char *leg;
	const char *rep;			/* NULL: nobody has had it */
	TimestampTz handed_at;
	TimestampTz closed_at;		/* LH_NOT_YET: open */
	TimestampTz reengaged_at;	/* LH_NOT_YET: nothing was brought yet */
	const char *outcome;
} LhOther;

/* Another lead of the same person that has joined a handoff of this one. */
typedef struct LhJoiner
{
	const char *of;				/* this one */
	const char *lead_key;
	int64		handoff_no;
	TimestampTz at;				/* of the newest that it has brought */
	int			nsignals;
	char	  **signals;
} LhJoiner;

/* What somebody wants done with the lead, through the API. */
typedef enum LhActionKind
{
	LH_DO_NOTHING,
	LH_DO_ACCEPT,
	LH_DO_QUALIFY,
	LH_DO_DISPOSE,
	LH_DO_HAND_OVER,
	LH_DO_SET_STAGE,
	LH_DO_REASSIGN,
	LH_DO_UNDISPOSE,
	LH_DO_ASK					/* what may be done, and what is owed; nothing is */
} LhActionKind;

typedef struct LhAction
{
	LhActionKind kind;
	const char *name;			/* of the function called, for messages */
	const char *outcome;		/* the disposition must have it; NULL: any */
	const char *code;
	const char *note;
	const char *leg;
	const char *stage;
	const char *rep;			/* who is to have it */
	const char *override_reason;	/* why it may be given with less work; NULL: it may not */
	const char *actor;
	const char *how;			/* an acceptance comes about: explicit, crm */
	TimestampTz until;			/* LH_NOT_YET: not given */
	bool		limited;		/* who calls may not learn of other leads */
	List	  **answer;			/* LH_DO_ASK: of LhWorkStatus * */

	/* of one that is replayed: why it can't be done, instead of an error; note and work don't count.  Else NULL */
	struct LhRefusal **refusal;
} LhAction;

/* A line of the answer: one thing that a disposition asks for. */
typedef struct LhWorkStatus
{
	const LhDisposition *disposition;
	const char *part;			/* NULL: it asks for nothing */
	int			has;
	int			needs;
} LhWorkStatus;

/* How a lead was before the newest ending of one of its handoffs, by its log; see undo.c. */
typedef struct LhUndo
{
	int64		handoff_no;		/* that ended */
	char	   *by;				/* who ended it */
	char	   *stage;			/* that the lead left by it */
	int64		stay;			/* in that stage, its seq */
	TimestampTz entered_at;		/* beginning of the stay */
	TimestampTz intent_since;
	bool		rests;			/* it has not moved since then */
	bool		owner_there;	/* whoever had it can have it again, or nobody had */
	LhHandoff  *before;			/* handoff that was opened again in its place, as it was; NULL: none was */
} LhUndo;

/* What purged activities had given: intent by the name of the group, when they were purged. */
typedef struct LhCheckpoint
{
	TimestampTz at;
	int64		half_life;
	int			ngroups;
	char	  **groups;
	LhHeat	   *heats;
} LhCheckpoint;

/* The account that a lead was found to belong to, where its CRM names none; see match.c. */
typedef struct LhFoundAccount
{
	char	   *account_key;	/* NULL: none */
	const char *method;
	Jsonb	   *detail;
	int			nkeys;			/* what it was looked for by */
	char	  **keys;
} LhFoundAccount;

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
	char	   *account_method; /* crm: the CRM names it; else how we found it; NULL: it has none */
	Jsonb	   *account_match;	/* how, in detail; NULL: we didn't */
	int			nmatch_keys;	/* what it is looked for by; none if the CRM names its account */
	char	  **match_keys;

	int64		fit;
	LhHeat		intent;
	int			ngroups;
	LhFold		fold;			/* what intent is made of; at DT_NOEND: fold it anew */
	LhCheckpoint *checkpoint;	/* NULL: nothing has been purged */
	TimestampTz booked_at;		/* newest booking of a meeting; DT_NOBEGIN: none */
	int64		score;
	char	   *band;			/* NULL: none */
	int			nsignals;
	char	  **signals;

	int			cycle;
	TimestampTz cycle_since;	/* DT_NOBEGIN in the first cycle */
	TimestampTz intent_since;	/* activities up to then give no intent; DT_NOBEGIN: all do */
	char	   *trigger;
	TimestampTz trigger_at;
	TimestampTz seen_at;		/* when that was captured; LH_NOT_YET: it isn't known */
	TimestampTz version;		/* DT_NOBEGIN: none seen */
	TimestampTz blocked_since;	/* DT_NOEND: not blocked */
	int			nblocked;
	char	  **blocked_fields;
	char	   *gate_code;		/* NULL: none */
	char	   *duplicate_of;	/* other lead of the same person that holds it; NULL: none */
	int64		duplicate_handoff;	/* of that lead */
	TimestampTz duplicate_at;	/* when it last brought that handoff something; DT_NOBEGIN: never */
	TimestampTz first_seen_at;
	TimestampTz decided_at;
	TimestampTz deleted_at;		/* DT_NOEND: it is there */
	int64		last_seq;
	LhClock		clocks[LH_NCLOCKS];
	List	   *handoffs;		/* of LhLeadHandoff *, by handoff_no */
	List	   *slas;			/* of LhSlaClock * */
	List	   *cadence;		/* of LhStepClock *, by handoff_no; if its contract has a cadence */
} LhLead;

/* Since when the news of a handoff's assignment has reached somebody. */
typedef struct LhDelivered
{
	int64		handoff_no;
	TimestampTz at;
} LhDelivered;

/* What is new. */
typedef struct LhInput
{
	/* the source's row, if it was read */
	bool		row_read;
	bool		row_present;	/* false: it is gone (or marked deleted) */
	const char *merged_into;	/* the lead it has just been merged into; NULL: it has not */
	const char *merged_by;		/* who says so */
	const char *forgotten_by;	/* who has it forgotten; NULL: nobody */
	bool		backfill;		/* it was there before the source was attached */
	LhFields   *row;			/* only the mapped range counts */
	const char *manager;		/* of its owner, read if the CRM's status may be held; NULL: he has none */
	const char *crm_status;		/* of a known lead, if it is another than before; else NULL */
	bool		owner_is_ours;	/* the CRM's owner is another than before, and one we gave it to */
	const char *stage_then;		/* at the row's version, with a status that is older than the stage; or NULL */
	bool		account_read;
	Jsonb	   *account;		/* fields of its account as a lead names them; NULL: it has none */
	LhFoundAccount *found;		/* NULL: it was not looked for */
	const char *key_prefix;		/* of the lead's source */
	TimestampTz version;		/* DT_NOBEGIN: not mapped or null */
	TimestampTz seen_at;
	TimestampTz since;			/* of the source: older leads pass no leg */
	int			challenge;		/* version of the challenger that shares the lead, of which this decision is part; 0: none */

	/* activities of the lead after activities_since, in order of (at, source, key); see horizon.c */
	bool		anew;			/* they are all there are, and all is made of them */
	TimestampTz activities_since;
	int			nactivities;
	LhActivity *activities;
	TimestampTz activity_at;	/* newest that is new to this decision; DT_NOBEGIN: none */
	TimestampTz activity_seen_at;	/* when that one was captured */
	TimestampTz changed_since;	/* earliest that is new, changed or gone; DT_NOEND: none is */

	int			nopportunities;
	LhOpportunity *opportunities;

	int			ndelivered;
	LhDelivered *delivered;		/* handoffs of which it was noted just now, or before */

	/* of the person that the lead was and of the one that it becomes, where they have other leads */
	int			nothers;
	LhOther    *others;
	int			njoiners;
	LhJoiner   *joiners;		/* by time */
	int64		shared_with;	/* handoff that what was done with the joined leads counts for; 0: it isn't known */
	int			nshared;
	LhActivity *shared;			/* theirs since then, in any order */

	LhCalendar *hours;			/* of the contract; NULL: all time counts */
	LhCalendar *owner_hours;	/* of who has the open handoff; read only if the contract asks for it */

	/* for steps of escalation, read if some are due; see recipients.c */
	bool		recipients_read;
	int			nrecipients;
	const LhRecipient *recipients;
	TimestampTz activities_known_to;	/* sources have told what was done up to then; LH_NOT_YET: there are none */
	TimestampTz owner_named_at; /* when somebody gave it to its owner; DT_NOBEGIN: nobody, he was found */

	const LhUndo *undo;			/* read if a disposition may be taken back; NULL: none has ended a handoff */
	bool		clock_due[LH_NCLOCKS];
	const LhAction *action;		/* NULL: none */
} LhInput;

typedef struct LhEvent
{
	int64		seq;
	TimestampTz at;
	const char *type;
	const char *leg;			/* NULL: none */
	const char *actor;
	Jsonb	   *detail;
	const char *notify;			/* type of the message for the outside; NULL: none */
	TimestampTz expires_at;		/* from when that is not worth sending; LH_NOT_YET: it always is */
	LhLeadHandoff *handoff;		/* that it is about; NULL: none */
} LhEvent;

/* A stay in a stage that begins; the one before ends at the same moment. */
typedef struct LhStay
{
	int64		seq;
	const char *stage;
	const char *owner;
	int			contract_id;
	TimestampTz entered_at;
	DateADT		month;			/* of that, its first day */
	bool		consistent;
} LhStay;

typedef struct LhEffects
{
	bool		changed;		/* the lead's row must be written */
	List	   *events;			/* of LhEvent * */
	List	   *stays;			/* of LhStay * */
	int64		stay_resumed;	/* seq of a stay that goes on, those after it don't count; 0: none does */
	List	   *steps;			/* of LhStepTaken * */
	const char *brings_to;		/* lead with whose handoff it has something new for; NULL: none */
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
	bool		restored;		/* the lead's row was gone and is back */
	TimestampTz deaf_since;		/* its handoff had ended then, by a disposition that is taken back; LH_NOT_YET: none is */
	const char *crm_status;		/* that the CRM has set now; NULL: none */
	bool		crm_owner_changed;
	LhScore    *score;
	bool	   *entered;		/* by activity rule: a signal that did not hold before, or anew */
} LhDecision;

extern LhDecision lh_decide(const LhContract *contract, LhLead *lead, const LhInput *input,
							TimestampTz now, LhEffects *effects, LhTrace *trace);

/* decide.c: for the rooms of flow that take part in a decision */
extern LhEvent *lh_decision_event(LhDecision *decision, const char *type, const char *leg,
								  const char *actor, Jsonb *detail);
extern void lh_set_clock(LhDecision *decision, LhClockKind kind, const char *name,
						 TimestampTz due_at);
extern TimestampTz lh_after(TimestampTz at, const Interval *span);
extern void lh_set_text_field(LhDecision *decision, const char *field, const char *value);
extern void lh_set_bigint_field(LhDecision *decision, const char *field, int64 value);
extern char *lh_get_text_field(const LhDecision *decision, const char *field);
extern DateADT lh_first_of_month(TimestampTz at);
extern bool lh_same_text(const char *a, const char *b); /* NULL is the same as NULL only */
extern bool lh_is_among(const char *name, char *const *names, int n);
extern bool lh_same_texts(char *const *a, int na, char *const *b, int nb);

/* person_key.c: who stands behind a lead, by its fields person_key and email; NULL: nobody knows */
extern char *lh_person_key(const char *mapped, const char *email);
extern char *lh_address_of(const char *email);
extern char *lh_domain_of(const char *address);

/* take_account.c: whose lead it is */
extern bool lh_is_matched(const LhLead *lead);	/* we have found its account ourselves */
extern void lh_take_account(LhDecision *decision);
extern void lh_set_account_fields(LhDecision *decision);

/* take.c: what is new about the lead itself; false: there is nothing to decide any more */
extern bool lh_take_row(LhDecision *decision);
extern void lh_take_newest(LhLead *lead, const char *trigger, TimestampTz at, TimestampTz seen_at);

/* crm_status.c: what a status of the CRM means (NULL: nothing), whether it stands for a stage */
extern const LhCrmStatus *lh_status_named(const LhContract *contract, const char *value);
extern bool lh_status_is_of(const LhContract *contract, const LhCrmStatus *status, const char *stage);

/* ... is the lead where that status of the CRM says it is? */
extern bool lh_status_says_what_is(const LhDecision *decision, const char *value);

/* horizon.c: which activities a decision needs */
extern void lh_find_horizon(const LhContract *contract, const LhLead *lead, LhInput *input,
							TimestampTz now);
extern TimestampTz lh_purgeable_to(const LhContract *contract, const LhLead *lead, TimestampTz now);
extern LhFold lh_fold_anew(const LhContract *contract, const LhLead *lead);
extern bool lh_knows_activities(const LhDecision *decision, const LhHandoff *h);

/*
 * collision.c: the same person, another lead.  Of the handoffs of others at most one is told, the one
 * that counts most.
 */
typedef struct LhCollision
{
	const LhOther *other;		/* NULL: none counts */
	bool		holds;			/* the leg is not passed */
	bool		joins;			/* ... since the lead has joined the other's handoff */
} LhCollision;

extern LhCollision lh_collision(LhDecision *decision, int leg);
extern const char *lh_collision_code(const LhCollision *collision); /* NULL: it holds nothing */
extern const LhOther *lh_other_open(const LhDecision *decision, const char *leg);	/* NULL: of any leg */
extern void lh_note_collision(LhDecision *decision, int leg);
extern bool lh_hear_joiners(LhDecision *decision);

/* undo.c: the handoff that is open, or would be if its end were taken back; NULL: none */
extern LhLeadHandoff *lh_handoff_to_be(const LhLead *lead, const LhInput *input);
extern void lh_take_back(LhDecision *decision);

/* handover.c: a handoff's life */
extern LhLeadHandoff *lh_open_handoff(const LhLead *lead);	/* NULL: none */
extern LhLeadHandoff *lh_last_handoff(const LhLead *lead);
extern LhLeadHandoff *lh_last_ended(const LhLead *lead, const char *leg);
extern TimestampTz lh_goes_on_since(const LhLead *lead, const LhHandoff *h);
extern LhLeadHandoff *lh_interrupted_handoff(const LhLead *lead);
extern bool lh_is_last_resort(const LhContract *contract, const LhLeadHandoff *handoff);
extern bool lh_has_fallen(const LhContract *contract, const LhLeadHandoff *handoff);
extern LhEvent *lh_handoff_event(LhDecision *decision, LhLeadHandoff *handoff, const char *type,
								 const char *actor, LhJson *extra);
extern void lh_hand_over(LhDecision *decision, int leg, const char *stage_from, const char *origin,
						 bool incomplete);
extern void lh_accept(LhDecision *decision, LhLeadHandoff *handoff, const char *how,
					  TimestampTz at, const char *actor);
extern void lh_close_handoff(LhDecision *decision, LhLeadHandoff *handoff, const char *outcome,
							 const char *code, const char *note, const char *actor);
extern void lh_reopen_handoff(LhDecision *decision, LhLeadHandoff *handoff, const char *why);
extern void lh_correct_outcome(LhDecision *decision, LhLeadHandoff *handoff, const char *outcome, const char *actor);
extern void lh_release(LhDecision *decision, LhLeadHandoff *handoff, const LhRelease *release);
extern void lh_assigned(LhDecision *decision, LhLeadHandoff *handoff, LhAssignment *assignment);
extern void lh_not_assigned(LhDecision *decision, LhLeadHandoff *handoff, const char *reason,
							const char *route, const char *pool, Jsonb *passed_over);

/* delivered.c */
extern void lh_note_delivered(LhDecision *decision);

/* worked.c: what activities and opportunities say about handoffs */
extern void lh_worked(LhDecision *decision);
extern bool lh_is_counted(const LhDecision *decision, const LhHandoff *h);
extern const LhActivity **lh_activities_within(const LhDecision *decision, const LhHandoff *h, int *n);
extern bool lh_activity_means(const LhDecision *decision, const LhActivity *activity, LhMeaning meaning);
extern bool lh_is_touch(const LhDecision *decision, const LhActivity *activity);

/* The touches that count for a handoff, by time; how many. */
extern int	lh_touches_of(const LhDecision *decision, const LhHandoff *h, LhTouch **touches);

/* sla.c: the clocks of handoffs */
extern void lh_start_slas(LhDecision *decision, LhLeadHandoff *handoff, bool per_assignment);
extern void lh_start_response(LhDecision *decision, LhLeadHandoff *handoff);
extern void lh_judge_slas(LhDecision *decision);
extern bool lh_sla_paused(const LhSlaClock *clock);

extern TimestampTz lh_sla_due(const LhSlaClock *clock);	/* as it is now; LH_NOT_YET: never */

/* The due time moved by an offset, negative or not, in the clock's own time; LH_NOT_YET: never. */
extern TimestampTz lh_sla_moment(const LhSlaClock *clock, const Interval *offset);

/* Open time in [from, to), in microseconds; without a calendar all of it. */
extern int64 lh_open_time(LhCalendar *hours, TimestampTz from, TimestampTz to);
/* cadences.c: the cadence */
extern void lh_keep_cadence(LhDecision *decision);

#endif							/* LH_DECIDE_H */
