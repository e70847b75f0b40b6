/*
 * src/flow/source.c
 *
 * Reading a synced table.
 *
 * The table belongs to somebody else, who may have put anything in its place: a view that runs his
 * code, columns of another type.  So it is locked first (a rename or drop must then wait), checked to
 * be a table, and read as its owner in a security-restricted operation: code that hides in a cast or a
 * policy runs with his rights, not with ours.  The statement is made by source_sql.c.
 *
 * A key may have several rows: an append-only sync leaves every version, a history table the past ones.
 * One counts: a current row before a past one (target is_current), then the newest version, then the one
 * written last (loaded_at), then one that is not marked deleted, and so that the answer never depends on
 * the order of rows, at last the one whose fields come last as JSON.
 */
#include "flow/source.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "flow/mapping.h"
#include "miscadmin.h"
#include "sql.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_present_rows);

/* Rows that lh_present_rows() reads in one go. */
#define ROWS_AT_ONCE	1000

/* An id that its rows are referred to by, in the one spelling that we keep. */
char *
lh_source_id(const LhSource *source, const char *id)
{
	return source->salesforce_ids ? lh_salesforce_id(id) : pstrdup(id);
}

bool
lh_source_is(const LhSource *source, const char *kind)
{
	return strcmp(source->kind, kind) == 0;
}

/* Loading ------------------------------------------------------------------------------------ */

static LhIndex sources_by_name = {"source", "source_pkey", 1, {"name"}};
static LhIndex sources_by_kind = {"source", "source_kind", 1, {"kind"}};
static LhIndex absences_by_source = {"absence", "absence_pkey", 1, {"source"}};
static LhIndex merged_aliases = {"alias", "alias_merged", 0};
static LhIndex all_accounts = {"account", "account_pkey", 0};

static bool
has_text(const LhSearch *row, const char *column, const char *text)
{
	char	   *value = lh_search_text(row, column);
	bool		same = value != NULL && strcmp(value, text) == 0;

	if (value != NULL)
		pfree(value);
	return same;
}

/* Is there a row with that text in a column? */
static bool
any_has(LhIndex *rows, const char *column, const char *text)
{
	LhSearch	search;
	bool		found = false;

	lh_search_begin(&search, rows);
	for (bool more = lh_search(&search, NULL); more && !found; more = lh_search_next(&search))
		found = has_text(&search, column, text);
	lh_search_end(&search);
	return found;
}

static void
take_source(LhSource *source, const LhSearch *row)
{
	Interval	none = {0};
	Datum	   *keys;
	bool		isnull;

	source->name = lh_search_text(row, "name");
	source->kind = lh_search_text(row, "kind");
	source->schema_name = lh_search_text(row, "schema_name");
	source->table_name = lh_search_text(row, "table_name");
	deconstruct_array(DatumGetArrayTypePCopy(lh_search_get(row, "key_columns", &isnull)),
					  TEXTOID, -1, false, TYPALIGN_INT, &keys, NULL, &source->nkeys);
	source->key_columns = palloc_array(char *, source->nkeys);
	for (int i = 0; i < source->nkeys; i++)
		source->key_columns[i] = TextDatumGetCString(keys[i]);
	source->key_prefix = lh_search_text(row, "key_prefix");
	source->mapping = DatumGetJsonbPCopy(lh_search_get(row, "mapping", &isnull));
	source->since = DatumGetTimestampTz(lh_search_get(row, "since", &isnull));
	source->contract_name = lh_search_text(row, "contract");
	source->key_indexed = DatumGetBool(lh_search_get(row, "key_indexed", &isnull));
	source->attached_at = DatumGetTimestampTz(lh_search_get(row, "attached_at", &isnull));
	source->polled = has_text(row, "capture", "poll");
	source->delete_grace = DatumGetBool(DirectFunctionCall2(interval_gt, lh_search_get(row, "delete_grace", &isnull),
															IntervalPGetDatum(&none)));
	source->salesforce_ids = has_text(row, "id_format", "salesforce");
}

LhSource *
lh_source_load(const char *name)
{
	Datum		key = CStringGetTextDatum(name);
	Datum		account = CStringGetTextDatum("account");
	LhSource   *source = NULL;
	LhInForce	in_force;
	LhSearch	search;

	lh_search_begin(&search, &sources_by_name);
	if (lh_search(&search, &key))
	{
		source = palloc0_object(LhSource);
		take_source(source, &search);
	}
	lh_search_end(&search);
	if (source == NULL)
		return NULL;
	source->absences = lh_is_there(&absences_by_source, &key);
	source->merges = any_has(&merged_aliases, "kind", "merged");
	source->accounts = lh_is_there(&sources_by_kind, &account) || lh_is_there(&all_accounts, NULL);
	in_force = lh_contract_in_force(source->contract_name);
	source->contract = in_force.champion;
	source->challenger = in_force.challenger;
	source->share = in_force.share;
	return source;
}

/* Locking ------------------------------------------------------------------------------------ */

static Oid
find_table(const LhSource *source)
{
	Oid			schema = get_namespace_oid(source->schema_name, true);

	return OidIsValid(schema) ? get_relname_relid(source->table_name, schema) : InvalidOid;
}

/* Of a kind that can be read, with its key?  If not, say so: its rows wait. */
static bool
is_readable(const LhSource *source, char relkind)
{
	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE &&
		!(source->polled && (relkind == RELKIND_VIEW || relkind == RELKIND_MATVIEW || relkind == RELKIND_FOREIGN_TABLE)))
	{
		ereport(WARNING,
				(errcode(ERRCODE_LH_SOURCE_CHANGED),
				 errmsg("source \"%s\" is not a table any more; its rows wait", source->name),
				 errhint("Put the table back, or detach the source with handoff.detach().")));
		return false;
	}
	for (int i = 0; i < source->nkeys; i++)
		if (get_attnum(source->relid, source->key_columns[i]) <= 0)
		{
			ereport(WARNING,
					(errcode(ERRCODE_LH_SOURCE_CHANGED),
					 errmsg("source \"%s\" has no key column \"%s\" any more; its rows wait",
							source->name, source->key_columns[i]),
					 errhint("Put the column back, or attach the table again with handoff.attach().")));
			return false;
		}
	return true;
}

/*
 * Lock what a plan reads besides the table, without waiting: its partitions and children, and the indexes
 * of all.  Somebody may hold one of them alone: TRUNCATE of a partition, REINDEX.
 */
static bool
lock_parts(Oid relid)
{
	List	   *parts = find_all_inheritors(relid, NoLock, NULL);
	ListCell   *lc;

	foreach(lc, parts)
	{
		Relation	part;
		List	   *indexes;
		ListCell   *index;
		bool		got = true;

		if (!ConditionalLockRelationOid(lfirst_oid(lc), AccessShareLock))
			return false;
		part = try_relation_open(lfirst_oid(lc), NoLock);
		if (part == NULL)
			continue;
		indexes = RelationGetIndexList(part);
		foreach(index, indexes)
			got = got && ConditionalLockRelationOid(lfirst_oid(index), AccessShareLock);
		list_free(indexes);
		relation_close(part, NoLock);
		if (!got)
			return false;
	}
	return true;
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
	return is_readable(source, relkind) && lock_parts(relid);
}

/* Reading ------------------------------------------------------------------------------------ */

/* Values of a key column, as the statement has them: one alone as it is. */
static Datum
key_values(char *const *parts, int n)
{
	return n == 1 ? CStringGetTextDatum(parts[0]) : lh_text_array(parts, n);
}

/* The key columns of raw keys, column by column. */
static void
split_keys(const LhSource *source, char *const *raw_keys, int n, Datum *values)
{
	char	  **parts = palloc_array(char *, Max(n, 1));

	if (source->nkeys == 1)
	{
		values[0] = key_values(raw_keys, n);
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
		values[k] = key_values(parts, n);
	}
}

/* Fields that hold ids of records of the CRM. */
static bool
is_key_field(const char *name)
{
	static const char *const names[] = {
		"lead_key", "account_key", "opportunity_key", "converted_contact", "converted_opportunity", "merged_into",
		"merged_keys", "crm_owner", "owner", "rep", "manager", "parent"
	};

	for (int i = 0; i < lengthof(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static Datum
same_ids(const LhSource *source, LhType type, Datum value)
{
	Datum	   *ids;
	int			n;

	if (type == LH_TEXT)
		return CStringGetTextDatum(lh_source_id(source, TextDatumGetCString(value)));
	if (type != LH_TEXT_ARRAY)
		return value;
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &ids, NULL, &n);
	for (int i = 0; i < n; i++)
		ids[i] = CStringGetTextDatum(lh_source_id(source, TextDatumGetCString(ids[i])));
	return lh_array(TEXTOID, ids, n);
}

/* The fields of an answer's row, whose columns have been taken apart. */
static LhFields *
read_fields(const LhSource *source, TupleDesc desc, const Datum *values, const bool *isnull)
{
	const LhFieldSet *set = lh_source_fields(source);
	LhFields   *fields = lh_fields_create(set);
	int			nfields = lh_source_nfields(source);

	for (int i = 0; i < nfields; i++)
	{
		int			column = LH_READ_FIRST_FIELD + i - 1;
		Form_pg_attribute att = TupleDescAttr(desc, column);
		Datum		value;

		if (isnull[column])
			continue;
		value = att->attlen == -1 ? PointerGetDatum(PG_DETOAST_DATUM_COPY(values[column])) :
			datumCopy(values[column], att->attbyval, att->attlen);
		if (source->salesforce_ids && is_key_field(set->fields[i].name))
			value = same_ids(source, set->fields[i].type, value);
		lh_fields_set(fields, i, value);
	}
	return fields;
}

static int
compare_times(TimestampTz a, TimestampTz b)
{
	return a < b ? -1 : a > b;
}

/* Does row a of a key count rather than b? */
static bool
counts_before(const LhSourceRow *a, const LhSourceRow *b)
{
	int			order = (int) b->past - (int) a->past;

	if (order == 0)
		order = compare_times(a->version, b->version);
	if (order == 0)
		order = compare_times(a->loaded_at, b->loaded_at);
	if (order == 0)
		order = (int) a->present - (int) b->present;
	if (order == 0)
		order = compareJsonbContainers(&lh_fields_to_jsonb(a->row, 0, a->row->set->nfields)->root,
									   &lh_fields_to_jsonb(b->row, 0, b->row->set->nfields)->root);
	return order > 0;
}

/* The columns of an answer, row by row. */
typedef struct Answer
{
	TupleDesc	desc;
	Datum	   *values;
	bool	   *isnull;
} Answer;

static TimestampTz
time_column(const Answer *answer, int col)
{
	return answer->isnull[col - 1] ? DT_NOBEGIN : DatumGetTimestampTz(answer->values[col - 1]);
}

static bool
bool_column(const Answer *answer, int col, bool if_null)
{
	return answer->isnull[col - 1] ? if_null : DatumGetBool(answer->values[col - 1]);
}

static void
take_answer_row(const LhSource *source, const Answer *answer, LhSourceRow *rows)
{
	LhSourceRow *row = &rows[DatumGetInt64(answer->values[LH_READ_ORD - 1]) - 1];
	LhSourceRow fresh;

	fresh.past = !bool_column(answer, LH_READ_CURRENT, true);
	fresh.present = !fresh.past && !bool_column(answer, LH_READ_DELETED, false);
	fresh.version = time_column(answer, LH_READ_VERSION);
	fresh.loaded_at = time_column(answer, LH_READ_LOADED_AT);
	fresh.row = read_fields(source, answer->desc, answer->values, answer->isnull);
	if (row->row == NULL || counts_before(&fresh, row))
		*row = fresh;
}

static void
take_answer(const LhSource *source, LhSourceRow *rows)
{
	Answer		answer = {SPI_tuptable->tupdesc};

	answer.values = palloc_array(Datum, answer.desc->natts);
	answer.isnull = palloc_array(bool, answer.desc->natts);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		heap_deform_tuple(SPI_tuptable->vals[i], answer.desc, answer.values, answer.isnull);
		take_answer_row(source, &answer, rows);
	}
}

/* The rows of one key, which the drain at commit mostly has; false: look them up by the statement. */
static bool
look_up(const LhSource *source, LhStatement *statement, const Datum *values, LhSourceRow *row)
{
	LhLookupScan scan;
	TupleTableSlot *slot;

	if (!lh_lookup_begin(&scan, statement, values))
		return false;
	while ((slot = lh_lookup_next(&scan)) != NULL)
	{
		Answer		answer = {slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull};

		take_answer_row(source, &answer, row);
	}
	lh_lookup_end(&scan);
	return true;
}

LhSourceRow *
lh_source_read(LhSource *source, char *const *raw_keys, int n)
{
	LhSourceRow *rows = palloc0_array(LhSourceRow, Max(n, 1));
	LhStatement *statement = lh_source_statement(source, n == 1);
	Datum		values[LH_MAX_PARAMS];
	Oid			save_userid;
	int			save_sec_context;
	int			guc_nest;

	split_keys(source, raw_keys, n, values);
	for (int i = 0; i < n; i++)
		rows[i].version = DT_NOBEGIN;

	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(source->owner, save_sec_context | SECURITY_RESTRICTED_OPERATION);
	guc_nest = NewGUCNestLevel();
	lh_set_zone(source->contract->zone);	/* a time of day in text is meant there */
	if (n != 1 || !look_up(source, statement, values, rows))
	{
		lh_run(statement, values, NULL);
		take_answer(source, rows);
	}
	AtEOXact_GUC(false, guc_nest);	/* what his code has set, search_path say, ends here */
	SetUserIdAndSecContext(save_userid, save_sec_context);
	return rows;
}

/* present_rows(source_name text, keys text[]) returns text[] */
Datum
lh_present_rows(PG_FUNCTION_ARGS)
{
	LhWorld		world;
	MemoryContext caller = CurrentMemoryContext;
	LhSource   *source;
	LhSourceRow *rows;
	Datum	   *parts;
	char	  **keys;
	int			n = 0;
	int			npresent = 0;
	Datum		present;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_DATUM(lh_text_array(NULL, 0));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &parts, NULL, &n);
	keys = palloc_array(char *, n + 1);
	for (int i = 0; i < n; i++)
		keys[i] = TextDatumGetCString(parts[i]);
	lh_enter(&world, true);
	SPI_connect();
	source = lh_source_load(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (source == NULL || source->contract == NULL || !lh_source_lock(source))
		n = 0;
	for (int from = 0; from < n; from += ROWS_AT_ONCE)
	{
		int			count = Min(ROWS_AT_ONCE, n - from);

		rows = lh_source_read(source, keys + from, count);
		for (int i = 0; i < count; i++)
			if (rows[i].present)
				keys[npresent++] = keys[from + i];
	}
	MemoryContextSwitchTo(caller);
	present = lh_text_array(keys, npresent);
	SPI_finish();
	lh_leave(&world);
	PG_RETURN_DATUM(present);
}
