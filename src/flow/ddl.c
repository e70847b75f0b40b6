/*
 * src/flow/ddl.c
 *
 * The event trigger that handoff.watch_ddl() makes: a table that was made, renamed or moved to the name
 * of a source is watched at once, inside the transaction that did it, so that nothing written to it later
 * is missed.  It runs in a stranger's command, whatever role and settings he has, and must never fail it:
 * all is done in a subtransaction as the owner of schema handoff, and an error becomes a warning.  tick()
 * does the same for every source, so nothing is lost by that.
 *
 * What it does is DDL too (ALTER TABLE .. ENABLE ALWAYS TRIGGER) and comes back here: that is left alone.
 */
#include "lead_handoff.h"

#include "commands/event_trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "sql.h"

PG_FUNCTION_INFO_V1(lh_ddl_done);

/*
 * Sources whose table, or a partition or child of it, the command has made or altered.  Not those that this
 * transaction is just attaching: that alters the table too.
 */
static LhStatement check_sources = {
	"select handoff.check_source(m.name) from ("
	"select distinct s.name from pg_event_trigger_ddl_commands() d join handoff.source s on d.command_tag = 'ALTER SCHEMA' "
	"or s.xmin <> pg_current_xact_id()::xid and d.classid = 'pg_class'::regclass and handoff.source_table(s.name) in ("
	"with recursive above (oid) as (select d.objid union "
	"select i.inhparent from above join pg_inherits i on i.inhrelid = above.oid) select above.oid from above) "
	"order by 1) m",
	0
};

static bool at_work = false;

static void
check(void *arg)
{
	LhWorld		world;

	lh_enter(&world, true);
	SPI_connect();
	lh_run(&check_sources, NULL, NULL);
	SPI_finish();
	lh_leave(&world);
}

Datum
lh_ddl_done(PG_FUNCTION_ARGS)
{
	ErrorData  *error;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by the event trigger manager", "ddl_done")));
	if (at_work)
		return (Datum) 0;

	at_work = true;
	error = lh_attempt(check, NULL);
	at_work = false;
	if (error == NULL)
		return (Datum) 0;
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
		ReThrowError(error);
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("sources could not be looked after: %s", error->message),
			 errhint("handoff.tick() does it.")));
	FreeErrorData(error);
	return (Datum) 0;
}
