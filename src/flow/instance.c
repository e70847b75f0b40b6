/*
 * src/flow/instance.c
 *
 * Is this the database that is to act?  A dump carries the inbox, the clocks and the jobs, so a copy that
 * is restored for a test would, a minute later, take leads from people and tell the world.  Tables
 * therefore remember in handoff.meta where they were made: the system identifier of the server, which
 * initdb draws, and the name of the database.  Elsewhere nothing acts by itself until
 * handoff.adopt_instance() says that elsewhere is home.
 *
 * A physical clone has the identifier of its origin, so nothing in it can tell: for it there is the setting
 * lead_handoff.enabled.  A standby that is promoted is meant to go on, and does.
 *
 * What people ask for is done anywhere: the work API, publish() or attach() in a copy harm nobody.
 */
#include "flow/instance.h"

#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "flow/drain.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "sql.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(lh_system_identifier);
PG_FUNCTION_INFO_V1(lh_acts_here_sql);

static LhStatement home = {
	"select system_identifier, database_name from handoff.meta", 0
};

/* Are we where the tables were made, or adopted?  If not, where is that. */
static bool
at_home(int64 *identifier, char **database)
{
	if (lh_read_latest(&home, NULL, NULL) == 0)
		elog(ERROR, "handoff.meta is empty");
	*identifier = lh_get_bigint(0, 1, 0);
	*database = lh_get_text(0, 2);
	return *identifier == (int64) GetSystemIdentifier() &&
		strcmp(*database, get_database_name(MyDatabaseId)) == 0;
}

/*
 * May a commit decide?  Looked up once a session: a session can't leave its server, nor its database be renamed under it.
 * For the opposite answer it looks again, since somebody may adopt the copy.
 */
bool
lh_may_decide_at_commit(void)
{
	static bool known = false;
	int64		identifier;
	char	   *database;

	if (!known)
		known = at_home(&identifier, &database);
	return known && lh_enabled;
}

/* May caller act?  False, and said, while that is switched off; an error in a copy. */
bool
lh_acts_here(const char *caller)
{
	bool		is_home;
	int64		identifier;
	char	   *database;
	LhWorld		world;

	if (!lh_enabled)
	{
		ereport(NOTICE,
				(errmsg("%s does nothing: lead_handoff.enabled is off", caller)));
		return false;
	}
	lh_enter(&world, true);
	SPI_connect();
	lh_check_schema();
	is_home = at_home(&identifier, &database);
	if (!is_home)
		ereport(ERROR,
				(errcode(ERRCODE_LH_WRONG_INSTANCE),
				 errmsg("%s does nothing in a copy", caller),
				 errdetail("The tables of schema \"handoff\" belong to database \"%s\" of system %llu; this is \"%s\" of system %llu.",
						   database, (unsigned long long) identifier,
						   get_database_name(MyDatabaseId), (unsigned long long) GetSystemIdentifier()),
				 errhint("If this database is to decide, escalate and deliver from now on: SELECT handoff.adopt_instance().")));
	SPI_finish();
	lh_leave(&world);
	return true;
}

/* acts_here(caller text) returns boolean */
Datum
lh_acts_here_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(lh_acts_here(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

/* system_identifier() returns bigint */
Datum
lh_system_identifier(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64((int64) GetSystemIdentifier());
}
