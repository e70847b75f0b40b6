/*
 * src/flow/journey.h
 *
 * Moving a lead between stages: what journey.c offers to act.c, crm_status.c and milestones.c.
 */
#ifndef LH_JOURNEY_H
#define LH_JOURNEY_H

#include "dispose/disposition.h"
#include "flow/decide.h"

/* Why a lead stays where it is, as far as this decision has found. */
typedef struct Journey
{
	LhDecision *decision;
	bool	   *visited;		/* by stage */
	const LhGate *gate;			/* first gate that held, or NULL */
	int			gate_leg;
	LhCollision collision;		/* the first that held, likewise */
	int			collision_leg;
	bool		is_blocked;
	int			blocked_leg;	/* leg of the blocked transition; -1: it has none */
	int			nmissing;
	char	  **missing;		/* in order of name */
	bool		pass_incomplete;	/* blocked for too long: hand over all the same */
	bool		returns;		/* it moves where a recycle path says */
	const char *origin;			/* of handoffs made now */
	const char *actor;			/* who moves it */
} Journey;

/* Something happened: the first transition that may fire, fires; false: none did. */
extern bool lh_fire(Journey *journey, LhCause cause, const char *code);

/* Would one?  Nothing happens; if not, *probe says what keeps the lead. */
extern bool lh_can_fire(const Journey *journey, LhCause cause, Journey *probe);

/* Is there a transition for it from the stage the lead is in, whatever its criteria say? */
extern bool lh_has_way(const LhDecision *decision, LhCause cause);

/* Move without a transition; leg -1: none is passed. */
extern void lh_move(Journey *journey, int to, LhCause cause, int leg, const char *code);

/* The gate that closes a leg to the lead now, or NULL. */
extern const LhGate *lh_closed_gate(Journey *journey, int leg);

/* decide.c calls these in turn. */
extern void lh_enter_first_stage(LhDecision *decision);
extern void lh_resume_stay(LhDecision *decision, int to, int64 stay, TimestampTz since);
extern void lh_start_stage_age(LhDecision *decision, TimestampTz since);
extern void lh_journey(LhDecision *decision);

/* The contract recycles a lead that nobody works, by a disposition: what is against it (NULL: nothing)?  Do it. */
extern const LhRefusal *lh_may_give_up(LhDecision *decision, const LhDisposition *disposition);
extern void lh_give_up(LhDecision *decision, const LhDisposition *disposition);

/* The path on which a recycled lead rests, until its time or a signal comes; NULL: on none. */
extern const LhRecyclePath *lh_resting_path(const LhDecision *decision);

/* The disposition that says what follows a handoff of that code and outcome; NULL: none does. */
extern const LhDisposition *lh_disposition_of(const LhContract *contract, const char *code,
											  const char *outcome);

/*
 * act.c: may it be done (NULL: yes)?  Leniently: the note and the work that it asks for don't count.
 * Then do it.
 */
extern LhRefusal *lh_may_act(Journey *journey, const LhAction *action, bool leniently);
extern void lh_act(Journey *journey, const LhAction *action);

/* It can't be: an error, or what a replayed action hears instead. */
extern void lh_refuse(const LhAction *action, LhRefusal *refusal);
extern void lh_start_recycle(Journey *journey, LhLeadHandoff *handoff, int path,
							 TimestampTz until);

extern LhRefusal *lh_is_duplicate(const LhDecision *decision, const LhAction *action, const LhOther *other);

/* held.c: what keeps the lead where it is, as far as the journey has found. */
extern void lh_note_held(Journey *journey);
extern void lh_note_blocked(Journey *journey);

/* crm_status.c: the CRM has set a status. */
extern void lh_follow_crm_status(Journey *journey);

/* What the CRM has set against the contract is held no more. */
extern void lh_settle(LhDecision *decision, const char *actor);

/* milestones.c: what was done, and signals. */
extern void lh_follow_milestones(Journey *journey);
extern void lh_follow_signals(Journey *journey, bool was_held);
extern void lh_follow_reengagement(Journey *journey);

#endif							/* LH_JOURNEY_H */
