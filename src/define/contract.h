/*
 * src/define/contract.h
 *
 * A contract in memory: the rows of one contract_id, names resolved to positions, criteria compiled.
 * Positions are stable within one loaded contract: rule i of a book is entry i of the array beside it.
 */
#ifndef LH_CONTRACT_H
#define LH_CONTRACT_H

#include "rules/rulebook.h"
#include "time/heat.h"

/* What makes a lead move: the events that transitions name. */
typedef enum LhCause
{
	LH_SCORED,
	LH_SIGNAL,
	LH_ACCEPTED,
	LH_QUALIFIED,
	LH_RECYCLED,
	LH_DISQUALIFIED,
	LH_RETURNED,
	LH_MEETING,
	LH_OPPORTUNITY,
	LH_WON,
	LH_LOST,
	LH_DUE,
	LH_REENGAGED
} LhCause;

#define LH_NCAUSES	(LH_REENGAGED + 1)

extern const char *const lh_cause_names[LH_NCAUSES];
extern const char *lh_cause_name(LhCause cause);

typedef struct LhDerived
{
	int			field;			/* position in lead_set */
	Datum		value;			/* text */
} LhDerived;

typedef struct LhStage
{
	char	   *name;
	char	   *owner;
	bool		is_default;
	bool		is_terminal;
	int			nrequired;
	int		   *required;		/* positions in lead_set */
	Interval   *max_age;		/* NULL: none */
	int			max_age_to;		/* stage, -1: none */
} LhStage;

typedef struct LhLeg
{
	char	   *name;
	Interval   *blocked_max;	/* NULL: waits for ever */
	bool		blocked_hand_over;	/* then: hand over, else recycle */
} LhLeg;

typedef enum LhTargetKind
{
	LH_TO_REP,
	LH_TO_POOL,
	LH_TO_ACCOUNT_OWNER,
	LH_TO_ACCOUNT_TEAM,
	LH_TO_TERRITORY,
	LH_TO_PREVIOUS_OWNER,
	LH_TO_CRM_OWNER,
	LH_TO_BOOKED_HOST
} LhTargetKind;

/* What if the right target can't take a lead now. */
typedef enum LhElse
{
	LH_ELSE_ASSIGN_AHEAD,
	LH_ELSE_HOLD,
	LH_ELSE_DELEGATE,
	LH_ELSE_NEXT
} LhElse;

typedef struct LhRoute
{
	char	   *name;
	int			leg;
	LhTargetKind target_kind;
	char	   *target;			/* rep, pool, role or map; NULL for the others */
	int			key_field;		/* position in lead_set that is looked up in the map; -1: none */
	LhElse		if_unavailable;
	bool		ahead;			/* by that: who is back soon counts as present */
} LhRoute;

typedef enum LhMetric
{
	LH_SLA_ACCEPT,
	LH_SLA_FIRST_TOUCH,
	LH_SLA_NEXT_TOUCH,
	LH_SLA_RESPONSE,
	LH_SLA_DECISION,
	LH_SLA_MEETING_HELD
} LhMetric;

typedef struct LhSla
{
	char	   *name;
	int			leg;
	LhMetric	metric;
	bool		per_assignment;	/* scope assignment: fresh for each owner */
	Interval   *target;
	bool		business;		/* target is open time; else elapsed time */
	bool		pauses;			/* it has a pause_when: rule of that number in contract->pause */
} LhSla;

typedef struct LhWorkStandard
{
	char	   *name;
	int			leg;			/* -1: every leg */
	int			min_touches;
	int			min_channels;
	int			min_contacts;
	int			min_business_days;
	Interval   *min_gap;		/* touches closer than that are one; NULL: each counts */
	bool		counts_predecessor; /* what earlier owners of the handoff have done counts */
} LhWorkStandard;

/* A way to touch a lead, under all its names; its rule says who must not be touched in it. */
typedef struct LhChannel
{
	char	   *name;
	int			nalso;
	char	  **also;
} LhChannel;

/* A touch that is asked for at its time, in order of business_day, then step. */
typedef struct LhCadenceStep
{
	int			leg;
	int			step;
	int			business_day;
	char	   *channel;
} LhCadenceStep;

typedef struct LhRecyclePath
{
	char	   *name;
	Interval   *delay;			/* NULL: only a date or a signal brings it back */
	int			to_stage;		/* where to */
	bool		reset_intent;
	int			max_cycles;		/* INT_MAX: no limit */
	int			exhausted_to;	/* stage; -1: none */
	char	   *nurture_track;
	int			nreenter_on;
	char	  **reenter_on;		/* signals that bring it back before its time */
} LhRecyclePath;

typedef struct LhDisposition
{
	char	   *code;
	int			leg;			/* -1: every leg */
	char	   *outcome;
	char	   *reason;
	bool		no_response;
	bool		needs_note;
	char	   *needs_work;		/* name of a work standard; NULL: none */
	int			recycle_path;	/* -1: none */
	bool		returns_turn;	/* its owner gets his turn in the pool back */
	int			nreopen_on;
	char	  **reopen_on;		/* signals that reopen what it has disqualified */
	char	   *on_violation;	/* record, hold or revert, when a CRM's status gives it unlawfully */
} LhDisposition;

/* A status in the CRM, and what it asks for when somebody sets it there. */
typedef struct LhCrmStatus
{
	char	   *value;
	char	   *code;			/* of the disposition given; NULL: none */
	bool		qualifies;
	int			nstages;
	int		   *stages;			/* in which a lead has it */
} LhCrmStatus;

typedef enum LhStepAction
{
	LH_STEP_REMIND,
	LH_STEP_NOTIFY,
	LH_STEP_REASSIGN,			/* from here on the lead is taken away */
	LH_STEP_FALLBACK,
	LH_STEP_RECYCLE
} LhStepAction;

extern const char *const lh_step_actions[LH_STEP_RECYCLE + 1];

#define LH_TAKES_AWAY(action)	((action) >= LH_STEP_REASSIGN)

/* A step of escalation, around the due time of an SLA. */
typedef struct LhEscalationStep
{
	int			sla;
	int			step;			/* its number within the SLA */
	Interval   *offset;			/* from the due time, in the SLA's own clock */
	LhStepAction action;
	char	   *recipient;		/* of notify */
	bool		in_hours;
	const LhDisposition *disposition;	/* of recycle */
	int			max_hops;		/* of reassign */
	Interval   *sync_wait;		/* longest wait for the sources, of what takes the lead away */
} LhEscalationStep;

typedef struct LhTransition
{
	int			ord;
	int			from;
	int			to;
	LhCause		cause;
	int			leg;			/* -1: none */
} LhTransition;

typedef enum LhGateAction
{
	LH_SUPPRESS,
	LH_DIVERT,
	LH_HOLD,
	LH_REJECT
} LhGateAction;

typedef struct LhGate
{
	int			ord;
	int			leg;			/* -1: every leg */
	LhGateAction action;
	char	   *code;
	Interval   *review_after;
} LhGate;

typedef struct LhValidation
{
	int			field;
	char	   *message;
} LhValidation;

/* A lead is to be handed over while sales has, or had not long ago, another lead of the same person. */
typedef enum LhCollisionAction
{
	LH_JOIN,
	LH_SAME_OWNER,
	LH_NOTIFY,
	LH_BLOCK
} LhCollisionAction;

extern const char *const lh_collision_actions[LH_BLOCK + 1];

/* Limits are INT_MIN and INT_MAX where the contract gives none. */
typedef struct LhGroup
{
	char	   *name;
	int			min_points;
	int			max_points;
} LhGroup;

typedef struct LhScoreRule
{
	char	   *name;
	int			group;
	int			points;
} LhScoreRule;

typedef struct LhBand
{
	char	   *name;
	int			min_fit;
	int			min_intent;
	int			min_score;
} LhBand;

/*
 * A value of intent or score that decides something: a band's minimum, an operand in the criteria of a
 * stage, transition, gate or validation.  Whoever decays past it is to be decided again.
 */
typedef struct LhThreshold
{
	bool		of_score;		/* else of intent */
	bool		above;			/* it is passed on leaving the value itself, else on coming below it */
	int			field;			/* position in lead_set that has the value; -1: it is the number */
	double		value;
} LhThreshold;

typedef enum LhMeaning
{
	LH_MEANS_SIGNAL,
	LH_MEANS_TOUCH,
	LH_MEANS_CONTACT,
	LH_MEANS_BOOKED,
	LH_MEANS_MEETING_HELD,
	LH_MEANS_NO_SHOW,
	LH_MEANS_MARKETING
} LhMeaning;

#define LH_NMEANINGS	(LH_MEANS_MARKETING + 1)

extern const char *const lh_meaning_names[LH_NMEANINGS];
extern const char *lh_meaning_name(LhMeaning meaning);

typedef struct LhActivityRule
{
	char	   *name;
	LhMeaning	meaning;
	int			min_count;
	Interval   *within;			/* NULL: since the cycle began */
} LhActivityRule;

/* Rows of one kind with their criteria: entry i is judged by rule i of the book. */
typedef struct LhRules
{
	int			n;
	LhRulebook *book;
	const Criteria **criteria;	/* NULL: always true */
} LhRules;

typedef struct LhContract
{
	int			contract_id;
	char	   *name;
	char	   *checksum;		/* NULL: a draft, never cached */
	MemoryContext mcxt;
	Interval   *half_life_interval;
	int64		half_life;		/* microseconds, 0: none */
	char	   *zone;
	char	   *calendar;		/* NULL: none */
	int			min_fit;
	int			max_fit;
	int			min_intent;
	int			max_intent;

	/*
	 * Fields of a lead: what a source maps comes first, [0, nmapped), then those of its account, up to
	 * nkept; these are what lead.fields keeps.  Then the state's own, then derived ones.
	 */
	LhFieldSet *lead_set;
	int			nmapped;
	int			nkept;
	LhFieldSet *account_set;
	LhFieldSet *activity_set;
	LhFieldSet *opportunity_set;
	LhFieldSet *link_set;
	LhFieldSet *rep_set;

	LhRules		scope;			/* rule 0: is a lead one of those that a challenger shares; none: all are */
	LhRules		derived;
	LhDerived  *derived_rows;
	LhRules		fit;
	LhScoreRule *fit_rules;
	int			nfit_groups;
	LhGroup    *fit_groups;
	LhRules		intent;
	LhScoreRule *intent_rules;
	int			nintent_groups;
	LhGroup    *intent_groups;
	LhRules		meaning;
	LhActivityRule *meaning_rules;
	int			nbands;
	LhBand	   *bands;
	int			nthresholds;
	LhThreshold *thresholds;

	int			nstages;
	LhStage    *stages;
	LhRules		entry;			/* rule i: may stage i be entered */
	LhRules		exit;			/* rule i: may stage i be left */
	int			nlegs;
	LhLeg	   *legs;
	LhRules		guard;
	LhTransition *transitions;
	LhRules		gate;
	LhGate	   *gates;
	LhRules		validation;
	LhValidation *validations;

	LhRules		route;
	LhRoute    *routes;
	int			nterritory_routes;
	int		   *territory_routes;	/* positions of those that target a map */
	LhRules		sla;
	LhSla	   *slas;
	LhRules		pause;			/* rule i: does a clock of SLA i stand still, if it pauses at all */
	bool		owner_slas;		/* there are some of other metrics than accept and first_touch */
	LhRules		escalation;
	LhEscalationStep *steps;	/* by SLA, those of one in order of step */
	LhRules		standard;
	LhWorkStandard *standards;
	LhRules		forbidden;		/* rule i: must the lead not be touched in channel i */
	LhChannel  *channels;
	int			ncadence;
	LhCadenceStep *cadence;
	int			npaths;
	LhRecyclePath *paths;
	int			ndispositions;
	LhDisposition *dispositions;
	int			nstatuses;
	LhCrmStatus *statuses;
	LhCollisionAction on_person;
	Interval   *person_within;	/* how long a handoff that has ended counts there; NULL: it does not */
	Interval   *undispose_within;	/* how long a disposition may be taken back */
	Interval   *opportunity_window; /* after a handoff, in which opportunities of the account count; NULL: they don't */
	bool		accept_on_first_touch;
	bool		accept_on_meeting;
	bool		accept_on_opportunity;
	bool		counts_recycle_days;	/* a rule asks for days_since_recycle, which changes daily */
	bool		asks_duplicate_open;	/* a rule asks for duplicate_open, which hangs on other leads */
	bool		clocked_activities; /* what an activity gives may change by time alone */
} LhContract;

/* The contract of that id; error LH012 if there is none. Lives until the session ends or it changes. */
extern const LhContract *lh_contract(int contract_id);

/* threshold.c: fill in the thresholds; everything else is loaded. */
extern void lh_contract_find_thresholds(LhContract *contract);

/* contract_load.c: read it anew, into a context of its own below the current one. */
extern LhContract *lh_contract_load(int contract_id);

/* What is in force under a name. */
typedef struct LhInForce
{
	const LhContract *champion; /* NULL: nothing is */
	const LhContract *challenger;	/* decides a part of the leads beside it; NULL: there is none */
	double		share;			/* of the leads, that the challenger has */
} LhInForce;

/* Of that name (NULL: of the only name there is). */
extern LhInForce lh_contract_in_force(const char *name);

/* split.c: where a key stands among all keys, from 0 up to 1; it hangs on nothing but the name and the key. */
extern double lh_traffic_bucket(const char *contract_name, const char *key);

/* Tell every rulebook of the contract what now is; the session's TimeZone must be the contract's. */
extern void lh_contract_set_now(const LhContract *contract, TimestampTz now);

extern int	lh_contract_stage(const LhContract *contract, const char *name);	/* -1: none */
extern int	lh_contract_leg(const LhContract *contract, const char *name);	/* -1: none */
extern int	lh_contract_channel(const LhContract *contract, const char *name);	/* by any of its names; -1: none */
extern int	lh_contract_default_stage(const LhContract *contract);

/* Where the fields that handoff.activity.fields keeps begin: behind lead_key and at, which are columns. */
#define LH_ACTIVITY_FIELDS_FIRST	2

#endif							/* LH_CONTRACT_H */
