/*
 * src/setup.c
 *
 * setup(): the tables and views, from the .sql files installed beside the extension's script; template():
 * a contract from the .json files there; mapping_templates(): how tables of CRMs are mapped, from others.
 *
 * The files of schema/ together make version LH_SCHEMA_VERSION of the tables.  They run in order of
 * name, as the owner of schema handoff, in the caller's transaction: either all is there or nothing.
 */
#include "lead_handoff.h"

#include <ctype.h>

#include "common/string.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(lh_setup);
PG_FUNCTION_INFO_V1(lh_template);
PG_FUNCTION_INFO_V1(lh_mapping_templates);

/* What setup() runs over an existing installation: what a data-only restore may have undone. */
static const char repair[] =
"select handoff.always_capture('handoff.wake'); "
"select handoff.enable_row_security(); "
"select handoff.always_capture(t.oid) from handoff.source s "
"join pg_catalog.pg_class t on t.oid = pg_catalog.to_regclass(pg_catalog.format('%I.%I', s.schema_name, s.table_name))";

static char *
share_path(const char *folder)
{
	char		share[MAXPGPATH];

	get_share_path(my_exec_path, share);
	return psprintf("%s/extension/lead_handoff/%s", share, folder);
}

static char *
read_text_file(const char *path)
{
	StringInfoData text;
	FILE	   *file = AllocateFile(path, PG_BINARY_R);
	char		chunk[8192];
	size_t		n;

	if (file == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path),
				 errhint("Is lead_handoff installed on this server?")));
	initStringInfo(&text);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		appendBinaryStringInfo(&text, chunk, n);
	if (ferror(file))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", path)));
	FreeFile(file);
	(void) pg_verify_mbstr(PG_UTF8, text.data, text.len, false);
	return pg_any_to_server(text.data, text.len, PG_UTF8);
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/* Names in a folder that end in suffix, sorted. */
static List *
files_of(const char *folder, const char *suffix)
{
	DIR		   *dir = AllocateDir(folder);
	struct dirent *entry;
	List	   *names = NIL;

	while ((entry = ReadDir(dir, folder)) != NULL)
		if (pg_str_endswith(entry->d_name, suffix))
			names = lappend(names, pstrdup(entry->d_name));
	FreeDir(dir);
	list_sort(names, compare_names);
	return names;
}

static void
run(const char *sql)
{
	int			rc = SPI_execute(sql, false, 0);

	if (rc < 0)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(rc));
}

/* Version of the tables that are there, 0 if there are none. */
static int
present_version(void)
{
	bool		isnull;

	run("select 1 from pg_catalog.pg_class where relnamespace = 'handoff'::pg_catalog.regnamespace and relname = 'meta'");
	if (SPI_processed == 0)
		return 0;
	run("select schema_version from handoff.meta");
	if (SPI_processed == 0)
		return 0;
	return DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

static void
create_all(void)
{
	char	   *folder = share_path("schema");
	ListCell   *lc;

	foreach(lc, files_of(folder, ".sql"))
		run(read_text_file(psprintf("%s/%s", folder, (char *) lfirst(lc))));
	run(psprintf("insert into handoff.meta (schema_version, system_identifier, database_name) "
				 "values (%d, handoff.system_identifier(), pg_catalog.current_database())", LH_SCHEMA_VERSION));
}

/* setup() returns int: the version of the tables, after making or mending them. */
Datum
lh_setup(PG_FUNCTION_ARGS)
{
	LhWorld		world;
	int			version;

	lh_enter(&world, true);
	SPI_connect();
	version = present_version();
	if (version == 0)
		create_all();
	else if (version != LH_SCHEMA_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_LH_SETUP),
				 errmsg("tables of schema \"handoff\" have version %d, this extension knows version %d",
						version, LH_SCHEMA_VERSION),
				 errhint("Run ALTER EXTENSION lead_handoff UPDATE, in every database that has it.")));
	else
		run(repair);
	SPI_finish();
	lh_leave(&world);
	PG_RETURN_INT32(LH_SCHEMA_VERSION);
}

/* mapping_templates() returns setof jsonb: how objects of CRMs are mapped, as sync tools write them. */
Datum
lh_mapping_templates(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *folder = share_path("templates/mapping");
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	foreach(lc, files_of(folder, ".json"))
	{
		char	   *text = read_text_file(psprintf("%s/%s", folder, (char *) lfirst(lc)));
		Datum		value = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
		bool		isnull = false;

		tuplestore_putvalues(result->setResult, result->setDesc, &value, &isnull);
	}
	return (Datum) 0;
}

/* template(name text) returns jsonb: a contract that comes with the extension. */
Datum
lh_template(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *folder = share_path("templates");
	List	   *known = files_of(folder, ".json");
	StringInfoData hint;
	ListCell   *lc;

	initStringInfo(&hint);
	foreach(lc, known)
	{
		char	   *file = lfirst(lc);

		file[strlen(file) - strlen(".json")] = '\0';
		if (strcmp(file, name) == 0)
			PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in,
												CStringGetDatum(read_text_file(psprintf("%s/%s.json", folder, name)))));
		appendStringInfo(&hint, "%s\"%s\"", hint.len ? ", " : "", file);
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("there is no template \"%s\"", name),
			 errhint("Templates are %s.", hint.data)));
}
