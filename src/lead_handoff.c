/*
 * src/lead_handoff.c
 *
 * The module itself: magic block, settings, and lh_enter()/lh_leave(), the door of every entry
 * point that runs SQL.
 *
 * Why a door: our functions run inside sessions we don't own, under any search_path, DateStyle or
 * TimeZone, often as a user without any right on our tables.  A SET clause on the function would do
 * the same 6-7 times slower; a GUC nest level opened by hand costs next to nothing when the session
 * already has the value.
 */
#include "lead_handoff.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/syscache.h"

LH_MODULE_MAGIC;

void		_PG_init(void);

int			lh_inline_limit = 200;
bool		lh_enabled = true;
static char *lh_view_time = NULL;

void
_PG_init(void)
{
	DefineCustomIntVariable("lead_handoff.inline_limit",
							"Largest number of captured rows that a transaction decides at its own commit.",
							"0 leaves every decision to handoff.tick().",
							&lh_inline_limit, 200, 0, 10000, PGC_USERSET, 0,
							NULL, NULL, NULL);

	DefineCustomBoolVariable("lead_handoff.enabled",
							 "Whether anything is decided, escalated or delivered without somebody asking for it.",
							 "Off for a physical clone; changes are captured all the same.",
							 &lh_enabled, true, PGC_SUSET, 0,
							 NULL, NULL, NULL);

	DefineCustomBoolVariable("lead_handoff.notify",
							 "Whether new deliveries are announced by an empty NOTIFY lead_handoff.",
							 "At commit only where max_prepared_transactions is 0; else by handoff.tick() alone.",
							 &lh_notify, false, PGC_SUSET, 0,
							 NULL, NULL, NULL);

	DefineCustomStringVariable("lead_handoff.view_time",
							   "The moment that views take for now.",
							   "Empty means statement_timestamp().",
							   &lh_view_time, "", PGC_USERSET, 0,
							   NULL, NULL, NULL);

	MarkGUCPrefixReserved("lead_handoff");
}

/* Set one setting until lh_leave(), unless the session has that value already. */
void
lh_set_local(const char *name, const char *value)
{
	const char *now = GetConfigOption(name, false, false);

	if (strcmp(now, value) != 0)
		(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
								 true, 0, false);
}

void
lh_enter(LhWorld *world, bool as_owner)
{
	world->switched = as_owner;
	GetUserIdAndSecContext(&world->save_userid, &world->save_sec_context);
	if (as_owner)
		SetUserIdAndSecContext(lh_owner(),
							   world->save_sec_context | SECURITY_LOCAL_USERID_CHANGE);

	world->guc_nest = NewGUCNestLevel();
	lh_set_local("search_path", "pg_catalog, pg_temp");
	lh_set_local("DateStyle", "ISO, YMD");
	lh_set_local("IntervalStyle", "postgres");
	lh_set_local("extra_float_digits", "1");
	lh_set_local("standard_conforming_strings", "on");
}

void
lh_leave(LhWorld *world)
{
	AtEOXact_GUC(true, world->guc_nest);
	if (world->switched)
		SetUserIdAndSecContext(world->save_userid, world->save_sec_context);
}

/* Make zone the session's until lh_leave(): intervals of days and months are counted in it. */
void
lh_set_zone(const char *zone)
{
	lh_set_local("TimeZone", zone);
}

/*
 * Plan the statements that follow, until lh_leave(), for finding rows by key.  Their plans are kept for
 * the life of the session, and the first ones are made while our tables are empty or not analyzed
 * yet: a sequential scan, which is right then, would be run for every batch of the first million rows.
 */
void
lh_plan_by_key(void)
{
	lh_set_local("enable_seqscan", "off");
	lh_set_local("jit", "off");
}

Oid
lh_schema_oid(void)
{
	return get_namespace_oid("handoff", false);
}

/* The owner of schema handoff, as whom state is written. */
Oid
lh_owner(void)
{
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(lh_schema_oid()));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for schema \"handoff\"");
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}
