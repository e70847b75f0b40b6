/*
 * src/flow/source.c
 *
 * Reading a synced table.
 *
 * The table belongs to somebody else, who may have put anything in its place: a view that runs his
 * code, columns of another type.  So it is locked first (a rename or drop must then wait), checked to
 * be a table, and read as its owner in a security-restricted operation: code that hides in a cast or a
 * policy runs with his rights, not with ours.
 *
 * The statement is built from the mapping and the table's present columns, and kept with its plan under
 * the source's name until one of them changes.  A mapped column that is gone reads NULL.  The
 * parameters are cast to the key columns' types, never the columns, so that their index serves.
 */
#include "flow/source.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "sql.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* Columns of the reading statement before the mapped fields. */
enum
{
	READ_ORD = 1,
	READ_DELETED,
	READ_VERSION,
	READ_FIRST_FIELD
};

bool
lh_source_is(const LhSource *source, const char *kind)
{
	return strcmp(source->kind, kind) == 0;
}

/* Loading ------------------------------------------------------------------------------------ */

static char *
own_text(int col)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, col, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

LhSource *
lh_source_load(const char *name)
{
	static LhStatement statement = {
		"select name, kind, schema_name, table_name, key_columns, key_prefix, mapping, since, contract, key_indexed, "
		"attached_at, capture = 'poll', delete_grace > '0', "
		"exists (select from handoff.absence where source = $1) from handoff.source where name = $1",
		1, {TEXTOID}
	};
	Datum		value = CStringGetTextDatum(name);
	LhSource   *source;
	HeapTuple	tuple;
	TupleDesc	desc;
	Datum	   *keys;
	bool		isnull;
	int			id;

	if (lh_run(&statement, &value, NULL) == 0)
		return NULL;
	tuple = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	source = palloc0_object(LhSource);
	source->name = own_text(1);
	source->kind = own_text(2);
	source->schema_name = own_text(3);
	source->table_name = own_text(4);
	deconstruct_array(DatumGetArrayTypePCopy(SPI_getbinval(tuple, desc, 5, &isnull)),
					  TEXTOID, -1, false, TYPALIGN_INT, &keys, NULL, &source->nkeys);
	source->key_columns = palloc_array(char *, source->nkeys);
	for (int i = 0; i < source->nkeys; i++)
		source->key_columns[i] = TextDatumGetCString(keys[i]);
	source->key_prefix = own_text(6);
	source->mapping = DatumGetJsonbPCopy(SPI_getbinval(tuple, desc, 7, &isnull));
	source->since = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 8, &isnull));
	source->contract_name = own_text(9);
	source->key_indexed = DatumGetBool(SPI_getbinval(tuple, desc, 10, &isnull));
	source->attached_at = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 11, &isnull));
	source->polled = DatumGetBool(SPI_getbinval(tuple, desc, 12, &isnull));
	source->delete_grace = DatumGetBool(SPI_getbinval(tuple, desc, 13, &isnull));
	source->absences = DatumGetBool(SPI_getbinval(tuple, desc, 14, &isnull));

	id = lh_contract_in_force(source->contract_name);
	source->contract = id == 0 ? NULL : lh_contract(id);
	return source;
}

/* Locking ------------------------------------------------------------------------------------ */

static Oid
find_table(const LhSource *source)
{
	Oid			schema = get_namespace_oid(source->schema_name, true);

	return OidIsValid(schema) ? get_relname_relid(source->table_name, schema) : InvalidOid;
}

bool
lh_source_lock(LhSource *source)
{
	Oid			relid = find_table(source);
	Relation	rel;
	char		relkind;

	if (!OidIsValid(relid) || !ConditionalLockRelationOid(relid, AccessShareLock))
		return false;
	/* it may have been swapped away before we had the lock */
	if (find_table(source) != relid)
		return false;
	rel = relation_open(relid, NoLock);
	relkind = rel->rd_rel->relkind;
	source->relid = relid;
	source->owner = rel->rd_rel->relowner;
	relation_close(rel, NoLock);

	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE &&
		!(source->polled && (relkind == RELKIND_VIEW || relkind == RELKIND_MATVIEW || relkind == RELKIND_FOREIGN_TABLE)))
	{
		ereport(WARNING,
				(errcode(ERRCODE_LH_SOURCE_CHANGED),
				 errmsg("source \"%s\" is not a table any more; its rows wait", source->name),
				 errhint("Put the table back, or detach the source with handoff.detach().")));
		return false;
	}
	return true;
}

/* The reading statement ---------------------------------------------------------------------- */

/* The column that a target is mapped to; NULL: none, or it is gone. */
static char *
mapped_column(const LhSource *source, const char *target)
{
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(&source->mapping->root, target,
													 strlen(target), &buffer);

	if (value == NULL || value->type != jbvString)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static bool
has_cast(Oid from, Oid to)
{
	Oid			function;

	return from == to ||
		find_coercion_pathway(to, from, COERCION_EXPLICIT, &function) != COERCION_PATH_NONE;
}

/*
 * SQL for a column as a value of type: by the cast there is, else through text.  A timestamp without
 * time zone is taken for UTC, which is what sync tools write.
 */
static void
append_value(StringInfo sql, Relation rel, const char *column, Oid type)
{
	AttrNumber	attnum = column == NULL ? InvalidAttrNumber : get_attnum(RelationGetRelid(rel), column);
	const char *type_name = format_type_be_qualified(type);
	const char *quoted;
	Oid			from;

	if (attnum <= 0)
	{
		appendStringInfo(sql, "null::%s", type_name);
		return;
	}
	quoted = quote_identifier(column);
	from = getBaseType(TupleDescAttr(RelationGetDescr(rel), attnum - 1)->atttypid);
	if (from == JSONBOID || from == JSONOID)
		appendStringInfo(sql, "(t.%s operator(pg_catalog.#>>) '{}')::%s", quoted, type_name);
	else if (from == TIMESTAMPOID && type == TIMESTAMPTZOID)
		appendStringInfo(sql, "(t.%s at time zone 'UTC')", quoted);
	else if (has_cast(from, type))
		appendStringInfo(sql, "t.%s::%s", quoted, type_name);
	else
		appendStringInfo(sql, "t.%s::pg_catalog.text::%s", quoted, type_name);
}

/* The fields of a row of its kind. */
static const LhFieldSet *
field_set(const LhSource *source)
{
	const LhContract *contract = source->contract;

	if (lh_source_is(source, "activity"))
		return contract->activity_set;
	if (lh_source_is(source, "opportunity"))
		return contract->opportunity_set;
	if (lh_source_is(source, "link"))
		return contract->link_set;
	if (lh_source_is(source, "account"))
		return contract->account_set;
	return contract->lead_set;
}

static int
nmapped(const LhSource *source)
{
	return lh_source_is(source, "lead") ? source->contract->nmapped : field_set(source)->nfields;
}

static char *
build_statement(const LhSource *source, Relation rel)
{
	const LhFieldSet *set = field_set(source);
	StringInfoData sql;
	StringInfoData keys;

	initStringInfo(&sql);
	initStringInfo(&keys);
	appendStringInfoString(&sql, "select k.ord, ");
	append_value(&sql, rel, mapped_column(source, "deleted"), BOOLOID);
	appendStringInfoString(&sql, ", ");
	append_value(&sql, rel, mapped_column(source, "version"), TIMESTAMPTZOID);
	for (int i = 0; i < nmapped(source); i++)
	{
		appendStringInfoString(&sql, ", ");
		append_value(&sql, rel, mapped_column(source, set->fields[i].name),
					 lh_type_oid(set->fields[i].type));
	}

	appendStringInfoString(&sql, " from unnest(");
	for (int i = 0; i < source->nkeys; i++)
	{
		AttrNumber	attnum = get_attnum(source->relid, source->key_columns[i]);
		Oid			type;

		if (attnum <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_LH_SOURCE_CHANGED),
					 errmsg("source \"%s\" has no key column \"%s\" any more",
							source->name, source->key_columns[i]),
					 errhint("Attach the table again with handoff.attach().")));
		type = TupleDescAttr(RelationGetDescr(rel), attnum - 1)->atttypid;
		appendStringInfo(&sql, "%s$%d::pg_catalog.text[]::%s[]", i == 0 ? "" : ", ", i + 1,
						 format_type_extended(type, -1, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
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

/*
 * The whole table as lh_score_rows() reads it: the key columns, whether the row is marked deleted, and
 * the mapped fields asked for; each value as the drain reads it.
 */
char *
lh_source_select(const LhSource *source, Relation rel, const bool *asked)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "select ");
	for (int i = 0; i < source->nkeys; i++)
		appendStringInfo(&sql, "t.%s, ", quote_identifier(source->key_columns[i]));
	append_value(&sql, rel, mapped_column(source, "deleted"), BOOLOID);
	for (int i = 0; i < nmapped(source); i++)
	{
		if (!asked[i])
			continue;
		appendStringInfoString(&sql, ", ");
		append_value(&sql, rel, mapped_column(source, field_set(source)->fields[i].name),
					 lh_type_oid(field_set(source)->fields[i].type));
	}
	appendStringInfo(&sql, " from %s t",
					 quote_qualified_identifier(source->schema_name, source->table_name));
	return sql.data;
}

/*
 * The statement of a source, with what it was built from: the source as attached, the contract's
 * fields, and the table as it was then (and the casts), of which the server tells us changes.
 */
typedef struct ReadPlan
{
	char		name[NAMEDATALEN * 2 + 2];
	char	   *sql;			/* NULL: none yet */
	LhStatement statement;
	TimestampTz attached_at;
	int			contract_id;
	Oid			relid;
	bool		outdated;
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
renew_plan(ReadPlan *plan, const LhSource *source, const char *sql)
{
	if (plan->sql != NULL && strcmp(plan->sql, sql) != 0)
	{
		if (plan->statement.plan != NULL)
			SPI_freeplan(plan->statement.plan);
		pfree(plan->sql);
		plan->sql = NULL;
	}
	if (plan->sql == NULL)
	{
		memset(&plan->statement, 0, sizeof(plan->statement));
		plan->sql = MemoryContextStrdup(TopMemoryContext, sql);
		plan->statement.sql = plan->sql;
		plan->statement.nparams = source->nkeys;
		for (int i = 0; i < source->nkeys; i++)
			plan->statement.types[i] = TEXTARRAYOID;
	}
}

static LhStatement *
read_statement(const LhSource *source)
{
	char		name[sizeof(((ReadPlan *) NULL)->name)];
	ReadPlan   *plan;
	Relation	rel;
	bool		found;

	if (read_plans == NULL)
		make_read_plans();
	strlcpy(name, source->name, sizeof(name));
	plan = hash_search(read_plans, name, HASH_ENTER, &found);
	if (!found)
		plan->sql = NULL;
	if (plan->sql != NULL && !plan->outdated && plan->relid == source->relid &&
		plan->contract_id == source->contract->contract_id &&
		plan->attached_at == source->attached_at)
		return &plan->statement;

	/* a change that we learn of meanwhile counts, and so does an error */
	plan->attached_at = DT_NOBEGIN;
	plan->outdated = false;
	plan->relid = source->relid;
	rel = relation_open(source->relid, NoLock);
	renew_plan(plan, source, build_statement(source, rel));
	relation_close(rel, NoLock);
	plan->contract_id = source->contract->contract_id;
	plan->attached_at = source->attached_at;
	return &plan->statement;
}

/* Reading ------------------------------------------------------------------------------------ */

/* The key columns of raw keys, column by column. */
static void
split_keys(const LhSource *source, char *const *raw_keys, int n, Datum *arrays)
{
	char	  **parts = palloc_array(char *, Max(n, 1));

	if (source->nkeys == 1)
	{
		arrays[0] = lh_text_array(raw_keys, n);
		return;
	}
	for (int k = 0; k < source->nkeys; k++)
	{
		for (int i = 0; i < n; i++)
		{
			Jsonb	   *key = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
															 CStringGetDatum(raw_keys[i])));
			JsonbValue *part = getIthJsonbValueFromContainer(&key->root, k);

			if (part == NULL || part->type != jbvString)
				elog(ERROR, "malformed key \"%s\" of source \"%s\"", raw_keys[i], source->name);
			parts[i] = pnstrdup(part->val.string.val, part->val.string.len);
		}
		arrays[k] = lh_text_array(parts, n);
	}
}

static void
take_answer_row(const LhSource *source, HeapTuple tuple, TupleDesc desc, LhSourceRow *rows)
{
	const LhFieldSet *set = field_set(source);
	bool		isnull;
	LhSourceRow *row = &rows[DatumGetInt64(SPI_getbinval(tuple, desc, READ_ORD, &isnull)) - 1];
	Datum		value = SPI_getbinval(tuple, desc, READ_VERSION, &isnull);
	TimestampTz version = isnull ? DT_NOBEGIN : DatumGetTimestampTz(value);

	/* several rows of one key, as an append-only sync leaves them: the newest version counts */
	if (row->row != NULL && version < row->version)
		return;
	value = SPI_getbinval(tuple, desc, READ_DELETED, &isnull);
	row->present = isnull || !DatumGetBool(value);
	row->version = version;
	row->row = lh_fields_create(set);
	for (int i = 0; i < nmapped(source); i++)
	{
		LhType		type = set->fields[i].type;
		Oid			oid = lh_type_oid(type);
		int16		len;
		bool		byval;

		value = SPI_getbinval(tuple, desc, READ_FIRST_FIELD + i, &isnull);
		if (isnull)
			continue;
		get_typlenbyval(oid, &len, &byval);
		lh_fields_set(row->row, i, len == -1 ? PointerGetDatum(PG_DETOAST_DATUM_COPY(value)) :
					  datumCopy(value, byval, len));
	}
}

LhSourceRow *
lh_source_read(LhSource *source, char *const *raw_keys, int n)
{
	LhSourceRow *rows = palloc0_array(LhSourceRow, Max(n, 1));
	LhStatement *statement = read_statement(source);
	Datum		arrays[LH_MAX_PARAMS];
	Oid			save_userid;
	int			save_sec_context;
	int			guc_nest;

	split_keys(source, raw_keys, n, arrays);
	for (int i = 0; i < n; i++)
		rows[i].version = DT_NOBEGIN;

	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(source->owner, save_sec_context | SECURITY_RESTRICTED_OPERATION);
	guc_nest = NewGUCNestLevel();
	lh_set_zone(source->contract->zone);	/* a time of day in text is meant there */
	lh_run(statement, arrays, NULL);
	AtEOXact_GUC(false, guc_nest);	/* what his code has set, search_path say, ends here */
	SetUserIdAndSecContext(save_userid, save_sec_context);

	for (uint64 i = 0; i < SPI_processed; i++)
		take_answer_row(source, SPI_tuptable->vals[i], SPI_tuptable->tupdesc, rows);
	return rows;
}
