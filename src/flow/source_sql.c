/*
 * src/flow/source_sql.c
 *
 * The statement that reads rows of a synced table by their keys.
 *
 * It is built from the mapping and the table's present columns, and kept with its plan under the
 * source's name until one of them changes.  A mapped column that is gone reads NULL.  The parameters are
 * cast to the key columns' types, never the columns, so that their index serves.
 */
#include "flow/source.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "flow/mapping.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* The fields of a row of its kind. */
const LhFieldSet *
lh_source_fields(const LhSource *source)
{
	const LhContract *contract = source->contract;

	if (lh_source_is(source, "activity"))
		return contract->activity_set;
	if (lh_source_is(source, "account"))
		return contract->account_set;
	if (lh_source_is(source, "opportunity"))
		return contract->opportunity_set;
	if (lh_source_is(source, "link"))
		return contract->link_set;
	if (lh_source_is(source, "rep"))
		return contract->rep_set;
	return contract->lead_set;
}

/* How many of them, from the first, the mapping fills. */
int
lh_source_nfields(const LhSource *source)
{
	return lh_source_is(source, "lead") ? source->contract->nmapped : lh_source_fields(source)->nfields;
}

/* SQL for a target's value; what is not mapped or gone reads NULL. */
static void
append_value(StringInfo sql, const LhSource *source, Relation rel, const char *target, Oid type, List **missing)
{
	char	   *value = lh_mapping_sql(source->mapping, target, rel, type, missing);

	if (value != NULL)
		appendStringInfoString(sql, value);
	else
		appendStringInfo(sql, "null::%s", format_type_be_qualified(type));
}

static void
append_field(StringInfo sql, const LhSource *source, Relation rel, int i, List **missing)
{
	const LhFieldDef *field = &lh_source_fields(source)->fields[i];

	appendStringInfoString(sql, ", ");
	append_value(sql, source, rel, field->name, lh_type_oid(field->type), missing);
}

/* The type of a key column, as a parameter is cast to it. */
static char *
key_type(const LhSource *source, Relation rel, const char *column)
{
	AttrNumber	attnum = get_attnum(source->relid, column);

	if (attnum <= 0)
		elog(ERROR, "source \"%s\" has no key column \"%s\"", source->name, column);	/* lh_source_lock() looks */
	return format_type_extended(TupleDescAttr(RelationGetDescr(rel), attnum - 1)->atttypid, -1,
								FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

/* The columns of the answer, but for the first. */
static void
append_columns(StringInfo sql, const LhSource *source, Relation rel, List **missing)
{
	append_value(sql, source, rel, "deleted", BOOLOID, missing);
	appendStringInfoString(sql, ", ");
	append_value(sql, source, rel, "is_current", BOOLOID, missing);
	appendStringInfoString(sql, ", ");
	append_value(sql, source, rel, "version", TIMESTAMPTZOID, missing);
	appendStringInfoString(sql, ", ");
	append_value(sql, source, rel, "loaded_at", TIMESTAMPTZOID, missing);
	for (int i = 0; i < lh_source_nfields(source); i++)
		append_field(sql, source, rel, i, missing);
}

/* Rows by their keys, with the position of each key. */
static char *
build_for_many(const LhSource *source, Relation rel, const char *columns)
{
	StringInfoData sql;
	StringInfoData keys;

	initStringInfo(&sql);
	initStringInfo(&keys);
	appendStringInfo(&sql, "select k.ord, %s from unnest(", columns);
	for (int i = 0; i < source->nkeys; i++)
	{
		appendStringInfo(&sql, "%s$%d::pg_catalog.text[]::%s[]", i == 0 ? "" : ", ", i + 1,
						 key_type(source, rel, source->key_columns[i]));
		appendStringInfo(&keys, "%st.%s = k.k%d", i == 0 ? "" : " and ",
						 quote_identifier(source->key_columns[i]), i + 1);
	}
	appendStringInfoString(&sql, ") with ordinality as k(");
	for (int i = 0; i < source->nkeys; i++)
		appendStringInfo(&sql, "k%d, ", i + 1);
	appendStringInfo(&sql, "ord) join %s t on %s",
					 quote_qualified_identifier(source->schema_name, source->table_name), keys.data);
	return sql.data;
}

/* The rows of one key: half of the work, and what is decided at commit is mostly one. */
static char *
build_for_one(const LhSource *source, Relation rel, const char *columns)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "select 1::pg_catalog.int8, %s from %s t where ", columns,
					 quote_qualified_identifier(source->schema_name, source->table_name));
	for (int i = 0; i < source->nkeys; i++)
		appendStringInfo(&sql, "%st.%s = $%d::pg_catalog.text::%s", i == 0 ? "" : " and ",
						 quote_identifier(source->key_columns[i]), i + 1,
						 key_type(source, rel, source->key_columns[i]));
	return sql.data;
}

/*
 * The whole table as lh_score_rows() reads it: the key columns, whether the row is marked deleted or
 * past, and the mapped fields asked for; each value as the drain reads it.
 */
char *
lh_source_select(const LhSource *source, Relation rel, const bool *asked)
{
	StringInfoData sql;
	List	   *missing = NIL;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "select ");
	for (int i = 0; i < source->nkeys; i++)
		appendStringInfo(&sql, "t.%s, ", quote_identifier(source->key_columns[i]));
	appendStringInfoString(&sql, "(");
	append_value(&sql, source, rel, "deleted", BOOLOID, &missing);
	appendStringInfoString(&sql, " is true or ");
	append_value(&sql, source, rel, "is_current", BOOLOID, &missing);
	appendStringInfoString(&sql, " is false)");
	for (int i = 0; i < lh_source_nfields(source); i++)
		if (asked[i])
			append_field(&sql, source, rel, i, &missing);
	appendStringInfo(&sql, " from %s t",
					 quote_qualified_identifier(source->schema_name, source->table_name));
	return sql.data;
}

/*
 * The statements of a source, with what they were built from: the source as attached, the contract's
 * fields, and the table as it was then (and the casts), of which the server tells us changes.
 */
typedef struct ReadPlan
{
	char		name[NAMEDATALEN * 2 + 2];
	LhStatement many;			/* no text: none yet */
	LhStatement one;
	TimestampTz attached_at;
	int			contract_id;
	Oid			relid;
	bool		outdated;
	char	   *missing;		/* mapped columns that it has not, as told; NULL: nothing told yet */
	bool		lacking;		/* it lacks some now */
} ReadPlan;

static HTAB *read_plans = NULL;

static void
outdate_plans(Oid relid)
{
	HASH_SEQ_STATUS status;
	ReadPlan   *plan;

	hash_seq_init(&status, read_plans);
	while ((plan = hash_seq_search(&status)) != NULL)
		if (!OidIsValid(relid) || plan->relid == relid)
			plan->outdated = true;
}

static void
table_changed(Datum arg, Oid relid)
{
	outdate_plans(relid);
}

static void
cast_changed(Datum arg, int cache, uint32 hash)
{
	outdate_plans(InvalidOid);
}

static void
make_read_plans(void)
{
	HASHCTL		ctl = {.keysize = sizeof(((ReadPlan *) NULL)->name), .entrysize = sizeof(ReadPlan)};

	read_plans = hash_create("lead_handoff sources", 16, &ctl, HASH_ELEM | HASH_STRINGS);
	CacheRegisterRelcacheCallback(table_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(CASTSOURCETARGET, cast_changed, (Datum) 0);
}

/* Take a new text for a source's statement; the plan stays if it is the same text. */
static void
renew(LhStatement *statement, const LhSource *source, Oid type, const char *sql)
{
	if (statement->sql != NULL && strcmp(statement->sql, sql) != 0)
	{
		lh_lookup_forget(statement);
		if (statement->plan != NULL)
			SPI_freeplan(statement->plan);
		pfree(unconstify(char *, statement->sql));
		statement->sql = NULL;
	}
	if (statement->sql == NULL)
	{
		memset(statement, 0, sizeof(*statement));
		statement->sql = MemoryContextStrdup(TopMemoryContext, sql);
		statement->nparams = source->nkeys;
		for (int i = 0; i < source->nkeys; i++)
			statement->types[i] = type;
	}
}

/* Make the statements anew; which mapped columns the table lacks. */
static List *
renew_plan(ReadPlan *plan, const LhSource *source)
{
	Relation	rel = relation_open(source->relid, NoLock);
	List	   *missing = NIL;
	StringInfoData columns;

	initStringInfo(&columns);
	append_columns(&columns, source, rel, &missing);
	renew(&plan->many, source, TEXTARRAYOID, build_for_many(source, rel, columns.data));
	renew(&plan->one, source, TEXTOID, build_for_one(source, rel, columns.data));
	relation_close(rel, NoLock);
	return missing;
}

/*
 * A column that is gone is news once, not with every batch nor with every change of the table.  The view
 * source_health and doctor() go on saying it.
 */
static void
warn_of_missing(ReadPlan *plan, const LhSource *source, List *missing)
{
	StringInfoData names;
	ListCell   *lc;

	initStringInfo(&names);
	foreach(lc, missing)
		appendStringInfo(&names, "%s\"%s\"", names.len == 0 ? "" : ", ", (char *) lfirst(lc));
	if (names.len > 0 && (plan->missing == NULL || strcmp(plan->missing, names.data) != 0))
		ereport(WARNING,
				(errcode(ERRCODE_LH_SOURCE_CHANGED),
				 errmsg("the table of source \"%s\" lacks mapped columns; they read null", source->name),
				 errdetail("They are %s.", names.data),
				 errhint("Attach it again with another mapping, or wait for the sync to put them back.")));
	if (plan->missing != NULL)
		pfree(plan->missing);
	plan->missing = MemoryContextStrdup(TopMemoryContext, names.data);
}

/*
 * Rows read while a column is away must be read again when it is back, also if tick(), which watches the
 * columns, comes only then: forget what they were when it last looked.
 */
static void
forget_columns(const LhSource *source)
{
	static LhStatement statement = {
		"update handoff.source s set table_columns = '' where s.name in ("
		"select o.name from handoff.source o where o.name = $1 and o.table_columns <> '' "
		"and o.table_columns <> handoff.table_columns($2, o.mapping, o.key_columns) for update skip locked)",
		2, {TEXTOID, REGCLASSOID}
	};
	Datum		values[2] = {CStringGetTextDatum(source->name), ObjectIdGetDatum(source->relid)};

	if (!XactReadOnly)
		lh_run(&statement, values, NULL);
}

/* Are a source's statements what they would be if they were made now? */
static bool
is_current(const ReadPlan *plan, const LhSource *source)
{
	return plan->many.sql != NULL && plan->one.sql != NULL && !plan->outdated && plan->relid == source->relid &&
		plan->contract_id == source->contract->contract_id && plan->attached_at == source->attached_at;
}

static ReadPlan *
plan_of(const char *source)
{
	char		name[sizeof(((ReadPlan *) NULL)->name)];
	ReadPlan   *plan;
	bool		found;

	if (read_plans == NULL)
		make_read_plans();
	strlcpy(name, source, sizeof(name));
	plan = hash_search(read_plans, name, HASH_ENTER, &found);
	if (!found)
		memset((char *) plan + sizeof(name), 0, sizeof(*plan) - sizeof(name));
	return plan;
}

LhStatement *
lh_source_statement(const LhSource *source, bool one)
{
	ReadPlan   *plan = plan_of(source->name);
	List	   *missing;

	if (plan->lacking)
		forget_columns(source);
	if (!is_current(plan, source))
	{
		/* a change that we learn of meanwhile counts, and so does an error */
		plan->attached_at = DT_NOBEGIN;
		plan->outdated = false;
		plan->relid = source->relid;
		missing = renew_plan(plan, source);
		warn_of_missing(plan, source, missing);
		plan->lacking = missing != NIL;
		if (plan->lacking)
			forget_columns(source);
		plan->contract_id = source->contract->contract_id;
		plan->attached_at = source->attached_at;
	}
	return one ? &plan->one : &plan->many;
}
