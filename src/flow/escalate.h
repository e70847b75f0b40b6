/*
 * src/flow/escalate.h
 *
 * Steps of escalation: what a decision takes part in (escalate.c), and what is looked up for it beforehand
 * (recipients.c).
 */
#ifndef LH_ESCALATE_H
#define LH_ESCALATE_H

#include "flow/decide.h"

/* Whom a step tells that names nobody: the owner, also where the lead is taken from him. */
#define LH_TO_OWNER	"owner"

/* Take the steps that are due; the clocks have been judged. */
extern void lh_escalate(LhDecision *decision);

/* When tick() is to look at each clock, after some have started or ended. */
extern void lh_plan_steps(LhDecision *decision);

#endif							/* LH_ESCALATE_H */
