/*
 * src/lead_handoff.h
 *
 * What every room of the extension may use: the SQLSTATE class, the settings, and the door every
 * entry point goes through (lh_enter/lh_leave).
 *
 * Layering (an include may only point down):
 *
 *     flow  ->  score, route, work, dispose, learn  ->  define  ->  rules, time  ->  this file
 */
#ifndef LEAD_HANDOFF_H
#define LEAD_HANDOFF_H

#include "postgres.h"

#include "compat.h"
#include "datatype/timestamp.h"
#include "utils/errcodes.h"

/*
 * SQLSTATE class LH: what a caller may want to tell apart.  Listed with cause and cure in
 * docs/errors.md; a test there compares the two lists.
 */
#define ERRCODE_LH_CRITERIA			MAKE_SQLSTATE('L','H','0','0','1')	/* not a criteria */
#define ERRCODE_LH_UNKNOWN_FIELD	MAKE_SQLSTATE('L','H','0','0','2')	/* field not declared */
#define ERRCODE_LH_FIELD_TYPE		MAKE_SQLSTATE('L','H','0','0','3')	/* operator does not fit type */
#define ERRCODE_LH_IMMUTABLE		MAKE_SQLSTATE('L','H','0','1','0')	/* published definitions stay */
#define ERRCODE_LH_INVALID_CONTRACT	MAKE_SQLSTATE('L','H','0','1','1')	/* validate() has errors */
#define ERRCODE_LH_NO_CONTRACT		MAKE_SQLSTATE('L','H','0','1','2')	/* none (in force, by that id) */
#define ERRCODE_LH_ATTACH			MAKE_SQLSTATE('L','H','0','2','0')	/* table can't be a source */
#define ERRCODE_LH_MAPPING			MAKE_SQLSTATE('L','H','0','2','1')	/* mapping names what isn't there */
#define ERRCODE_LH_SOURCE_CHANGED	MAKE_SQLSTATE('L','H','0','2','2')	/* source no longer a table */
#define ERRCODE_LH_DELETES_HELD		MAKE_SQLSTATE('L','H','0','2','3')	/* too many rows gone at once */
#define ERRCODE_LH_LEAVERS_HELD		MAKE_SQLSTATE('L','H','0','2','4')	/* too many reps gone at once */
#define ERRCODE_LH_SETUP			MAKE_SQLSTATE('L','H','0','3','0')	/* setup() missing or outdated */
#define ERRCODE_LH_WRONG_INSTANCE	MAKE_SQLSTATE('L','H','0','3','1')	/* a copy does not act */
#define ERRCODE_LH_JOBS				MAKE_SQLSTATE('L','H','0','3','2')	/* jobs can't be scheduled so */
#define ERRCODE_LH_UNKNOWN_LEAD		MAKE_SQLSTATE('L','H','0','4','0')	/* no such lead */
#define ERRCODE_LH_NOT_ALLOWED		MAKE_SQLSTATE('L','H','0','4','1')	/* the contract forbids it */
#define ERRCODE_LH_NOT_YOURS		MAKE_SQLSTATE('L','H','0','4','2')	/* another rep's lead */
#define ERRCODE_LH_DEADLINE			MAKE_SQLSTATE('L','H','0','5','0')	/* inline drain ran out of time */
#define ERRCODE_LH_NO_FIT			MAKE_SQLSTATE('L','H','0','6','0')	/* no single best model */
#define ERRCODE_LH_TOO_FEW			MAKE_SQLSTATE('L','H','0','6','1')	/* outcomes to learn from */

/* Version of what setup() makes; a change of tables or views raises it and adds a migration. */
#define LH_SCHEMA_VERSION	1

/* settings (lead_handoff.*), registered in lead_handoff.c */
extern int	lh_inline_limit;
extern bool lh_enabled;
extern bool lh_notify;

/*
 * The world of one entry point: who we are and which settings hold.  lh_enter() makes names resolve
 * to pg_catalog only, dates print and read as ISO, and, if asked, the current user the owner of
 * schema handoff; lh_leave() puts everything back.  An error needs no lh_leave(): the transaction's
 * abort restores both (a subtransaction that is rolled back does too).
 */
typedef struct LhWorld
{
	int			guc_nest;
	Oid			save_userid;
	int			save_sec_context;
	bool		switched;
} LhWorld;

extern void lh_enter(LhWorld *world, bool as_owner);
extern void lh_leave(LhWorld *world);
extern void lh_set_local(const char *name, const char *value);
extern void lh_set_zone(const char *zone);
extern void lh_plan_by_key(void);
extern Oid	lh_schema_oid(void);
extern Oid	lh_owner(void);

/*
 * Run work in a subtransaction.  NULL, or the error that has rolled it back, in the current context; it is
 * up to the caller what becomes of a cancel.
 */
extern ErrorData *lh_attempt(void (*work) (void *arg), void *arg);

#endif							/* LEAD_HANDOFF_H */
