/*
 * src/flow/mapping.c
 *
 * Entries of a mapping, and the SQL that reads a target's value by them.
 *
 * An entry is a column's name, or an object that says more (see docs/mapping.md), or a list of those,
 * of which the first that is not null counts.  The same text is run by the drain, row by row of keys,
 * and by score_rows() over the whole table under somebody else's search_path; so every name in it is
 * qualified and nothing of schema handoff is called (the table's owner, as whom it runs, has no rights
 * there).
 *
 * Steps of a value, each optional: take it (column or expression), follow a path into JSON, split,
 * look it up in a value map, cast it to the target's type, fill in the default.
 */
#include "flow/mapping.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "access/relation.h"
#include "lib/stringinfo.h"
#include "parser/parse_coerce.h"
#include "pgtime.h"
#include "storage/lockdefs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "sql.h"

PG_FUNCTION_INFO_V1(lh_sql_mapping_sql);
PG_FUNCTION_INFO_V1(lh_sql_mapping_columns);

/* What an entry says, but for lists. */
typedef struct Entry
{
	const char *target;
	char	   *column;			/* this or */
	char	   *expression;		/* this */
	int			npath;
	char	  **path;
	char	   *zone;
	char	   *split;
	Jsonb	   *values;
	bool		has_else;
	char	   *otherwise;		/* "else"; NULL: null */
	char	   *if_null;		/* "default" */
} Entry;

/* A value on its way. */
typedef struct Value
{
	char	   *sql;
	Oid			type;
} Value;

/* Reading entries ---------------------------------------------------------------------------- */

static void
complain(const char *target, const char *what, const JsonbValue *is)
{
	ereport(ERROR,
			(errcode(ERRCODE_LH_MAPPING),
			 errmsg("mapping of \"%s\": %s", target, what),
			 is == NULL ? 0 : errdetail("It is %s.", JsonbToCString(NULL, &JsonbValueToJsonb(unconstify(JsonbValue *, is))->root, 0)),
			 errhint("An entry is a column's name, or an object with \"column\" or \"expression\", and with it \"path\", \"zone\", \"split\", \"values\", \"else\" and \"default\".")));
}

/* The text of a scalar; null gives NULL. */
static char *
scalar_text(const char *target, const char *what, const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return NULL;
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return value->val.boolean ? "true" : "false";
		default:
			complain(target, what, value);
			return NULL;
	}
}

static char *
nonempty_text(const char *target, const char *what, const JsonbValue *value)
{
	if (value->type != jbvString || value->val.string.len == 0)
		complain(target, what, value);
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* {"path": "a.b"} or {"path": ["a", "b"]} */
static void
read_path(Entry *entry, const JsonbValue *value)
{
	const char *what = "\"path\" is not a dotted text or an array of keys";

	if (value->type == jbvString && value->val.string.len > 0)
	{
		char	   *rest = pnstrdup(value->val.string.val, value->val.string.len);

		entry->path = palloc_array(char *, value->val.string.len + 1);
		for (char *dot; (dot = strchr(rest, '.')) != NULL; rest = dot + 1)
		{
			*dot = '\0';
			entry->path[entry->npath++] = rest;
		}
		entry->path[entry->npath++] = rest;
		return;
	}
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data) ||
		JsonContainerSize(value->val.binary.data) == 0)
		complain(entry->target, what, value);
	entry->path = palloc_array(char *, JsonContainerSize(value->val.binary.data));
	for (uint32 i = 0; i < JsonContainerSize(value->val.binary.data); i++)
	{
		char	   *key = scalar_text(entry->target, what,
									  getIthJsonbValueFromContainer(value->val.binary.data, i));

		if (key == NULL)
			complain(entry->target, what, value);
		entry->path[entry->npath++] = key;
	}
}

static void
read_values(Entry *entry, const JsonbValue *value)
{
	JsonbIterator *it;
	JsonbValue	item;
	JsonbIteratorToken token;

	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		complain(entry->target, "\"values\" is not an object", value);
	entry->values = JsonbValueToJsonb(unconstify(JsonbValue *, value));
	it = JsonbIteratorInit(&entry->values->root);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
		if (token == WJB_VALUE)
			(void) scalar_text(entry->target, "a value of \"values\" is not a text, number, boolean or null", &item);
}

static void
read_zone(Entry *entry, const JsonbValue *value)
{
	pg_tz	   *zone;

	entry->zone = nonempty_text(entry->target, "\"zone\" is not a text", value);
	zone = pg_tzset(entry->zone);
	/* 'UTC+5' is a zone to POSIX, five hours west */
	if (zone == NULL || strpbrk(entry->zone, "+-<,") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_LH_MAPPING),
				 errmsg("mapping of \"%s\": time zone \"%s\" is not known", entry->target, entry->zone),
				 errhint("Zones are named as in pg_timezone_names, for example Europe/Berlin.")));
}

static void
read_part(Entry *entry, const char *name, const JsonbValue *value)
{
	if (strcmp(name, "column") == 0)
		entry->column = nonempty_text(entry->target, "\"column\" is not a column's name", value);
	else if (strcmp(name, "expression") == 0)
		entry->expression = nonempty_text(entry->target, "\"expression\" is not a text", value);
	else if (strcmp(name, "path") == 0)
		read_path(entry, value);
	else if (strcmp(name, "zone") == 0)
		read_zone(entry, value);
	else if (strcmp(name, "split") == 0)
		entry->split = nonempty_text(entry->target, "\"split\" is not a text", value);
	else if (strcmp(name, "values") == 0)
		read_values(entry, value);
	else if (strcmp(name, "else") == 0)
	{
		entry->has_else = true;
		entry->otherwise = scalar_text(entry->target, "\"else\" is not a text, number, boolean or null", value);
	}
	else if (strcmp(name, "default") == 0)
		entry->if_null = scalar_text(entry->target, "\"default\" is not a text, number, boolean or null", value);
	else
		complain(entry->target, psprintf("an entry has no part \"%s\"", name), NULL);
}

static Entry *
read_entry(const char *target, const JsonbValue *value)
{
	Entry	   *entry = palloc0_object(Entry);
	JsonbIterator *it;
	JsonbValue	item;
	JsonbIteratorToken token;
	char	   *name = NULL;

	entry->target = target;
	if (value->type == jbvString)
	{
		entry->column = pnstrdup(value->val.string.val, value->val.string.len);
		return entry;
	}
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		complain(target, "it is not a column's name", value);
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE)
			read_part(entry, name, &item);
	}
	if ((entry->column == NULL) == (entry->expression == NULL))
		complain(target, "it needs either \"column\" or \"expression\"", value);
	if (entry->has_else && entry->values == NULL)
		complain(target, "\"else\" needs \"values\"", value);
	return entry;
}

/* An entry as a list of Entry *; of null, an empty one. */
static List *
read_entries(const char *target, const JsonbValue *value)
{
	List	   *entries = NIL;

	if (value->type == jbvNull)
		return NIL;
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		return list_make1(read_entry(target, value));
	for (uint32 i = 0; i < JsonContainerSize(value->val.binary.data); i++)
		entries = lappend(entries, read_entry(target, getIthJsonbValueFromContainer(value->val.binary.data, i)));
	return entries;
}

/* Taking the value --------------------------------------------------------------------------- */

/* Does the table have it?  If not, it is noted. */
static bool
has_column(Relation rel, const char *column, List **missing)
{
	if (get_attnum(RelationGetRelid(rel), column) > 0)
		return true;
	*missing = lappend(*missing, pstrdup(column));
	return false;
}

static bool
take_expression(Value *value, const Entry *entry, Relation rel, List **missing)
{
	LhExpression *expression = lh_expression_read(entry->target, entry->expression);
	ListCell   *lc;
	bool		all = true;

	foreach(lc, expression->columns)
		all = has_column(rel, lfirst(lc), missing) && all;
	if (!all)
		return false;
	value->sql = psprintf("(%s)", expression->sql);
	value->type = lh_expression_type(entry->target, expression, rel);
	return true;
}

/* The value as the table has it; false: its columns are gone. */
static bool
take_value(Value *value, const Entry *entry, Relation rel, List **missing)
{
	if (entry->expression != NULL)
		return take_expression(value, entry, rel, missing);
	if (!has_column(rel, entry->column, missing))
		return false;
	value->sql = psprintf("t.%s", quote_identifier(entry->column));
	value->type = getBaseType(get_atttype(RelationGetRelid(rel), get_attnum(RelationGetRelid(rel), entry->column)));
	return true;
}

static char *
text_array_literal(char *const *texts, int n)
{
	Oid			out;
	bool		varlena;

	getTypeOutputInfo(TEXTARRAYOID, &out, &varlena);
	return psprintf("%s::pg_catalog.text[]", quote_literal_cstr(OidOutputFunctionCall(out, lh_text_array(texts, n))));
}

static bool
is_json(Oid type)
{
	return type == JSONBOID || type == JSONOID;
}

/* Out of a JSON document: a list for a target that is one, else text. */
static void
follow_path(Value *value, const Entry *entry, Oid target_type)
{
	bool		list = target_type == TEXTARRAYOID && entry->split == NULL && entry->values == NULL;

	if (entry->npath > 0 && !is_json(value->type))
	{
		value->sql = psprintf("%s::pg_catalog.text::pg_catalog.jsonb", value->sql);
		value->type = JSONBOID;
	}
	if (!is_json(value->type) || (list && entry->npath == 0))
		return;
	value->sql = psprintf("(%s operator(pg_catalog.%s) %s)", value->sql, list ? "#>" : "#>>",
						  entry->npath == 0 ? "'{}'" : text_array_literal(entry->path, entry->npath));
	value->type = list ? value->type : TEXTOID;
}

/* Changing it -------------------------------------------------------------------------------- */

/* By the value map: what is in it becomes what it says, anything else what "else" says, or stays. */
static void
look_up(Value *value, const Entry *entry)
{
	char	   *map = quote_literal_cstr(JsonbToCString(NULL, &entry->values->root, 0));
	char	   *text = psprintf("%s::pg_catalog.text", value->sql);
	const char *otherwise = !entry->has_else ? text :
		entry->otherwise == NULL ? "null" : quote_literal_cstr(entry->otherwise);

	value->sql = psprintf("(case when %s::pg_catalog.jsonb operator(pg_catalog.?) %s "
						  "then %s::pg_catalog.jsonb operator(pg_catalog.->>) %s when %s is not null then %s end)",
						  map, text, map, text, text, otherwise);
	value->type = TEXTOID;
}

static bool
has_cast(Oid from, Oid to)
{
	Oid			function;

	return from == to ||
		find_coercion_pathway(to, from, COERCION_EXPLICIT, &function) != COERCION_PATH_NONE;
}

/*
 * A time of a zone.  A timestamp without one is taken for UTC, which is what sync tools write.  A text
 * may say its offset behind the time of day; one that doesn't counts in the zone given, if one is, else
 * by the setting TimeZone, which is the contract's zone whenever a source is read.
 */
static char *
as_time(const Value *value, const Entry *entry)
{
	const char *zone = quote_literal_cstr(entry->zone != NULL ? entry->zone : "UTC");

	if (value->type == TIMESTAMPOID)
		return psprintf("pg_catalog.timezone(%s, %s)", zone, value->sql);
	if (value->type == DATEOID && entry->zone != NULL)
		return psprintf("pg_catalog.timezone(%s, %s::pg_catalog.timestamp)", zone, value->sql);
	if (value->type == TEXTOID && entry->zone != NULL)
		return psprintf("(case when %s operator(pg_catalog.~) '[0-9]:[0-9]{2}.*([zZ]|[+-][0-9])' then %s::pg_catalog.timestamptz "
						"when %s operator(pg_catalog.<>) '' then pg_catalog.timezone(%s, %s::pg_catalog.timestamp) end)",
						value->sql, value->sql, value->sql, zone, value->sql);
	return NULL;
}

/*
 * A JSON array as text[]: PostgreSQL's own conversion, of which jsonb_populate_record() is the form that
 * needs no subquery.  It fills a column of that type of any row type; this one has only three.
 */
static char *
json_as_list(const Value *value)
{
	return psprintf("(pg_catalog.jsonb_populate_record(null::pg_catalog.pg_db_role_setting, "
					"pg_catalog.jsonb_build_object('setconfig', %s))).setconfig", value->sql);
}

/* The value as one of the target's type: by the cast there is, else through text. */
static char *
cast_value(const Value *value, const Entry *entry, Oid type)
{
	const char *type_name = format_type_be_qualified(type);
	char	   *time = type == TIMESTAMPTZOID ? as_time(value, entry) : NULL;
	bool		is_text = value->type == TEXTOID || value->type == VARCHAROID || value->type == BPCHAROID;

	if (time != NULL)
		return time;
	if (is_json(value->type) && type == TEXTARRAYOID)
		return json_as_list(value);
	/* some CRMs write an empty text for no number, date or boolean */
	if (is_text && type != TEXTOID && type != TEXTARRAYOID)
		return psprintf("(case when %s operator(pg_catalog.<>) '' then %s::%s end)", value->sql, value->sql, type_name);
	if (has_cast(value->type, type))
		return psprintf("%s::%s", value->sql, type_name);
	return psprintf("%s::pg_catalog.text::%s", value->sql, type_name);
}

/* SQL of an entry that is no list; NULL: its columns are gone. */
static char *
entry_sql(const Entry *entry, Relation rel, Oid type, List **missing)
{
	Value		value;
	char	   *sql;

	if (!take_value(&value, entry, rel, missing))
		return entry->if_null == NULL ? NULL :
			psprintf("%s::%s", quote_literal_cstr(entry->if_null), format_type_be_qualified(type));
	follow_path(&value, entry, type);
	if (entry->split != NULL)
	{
		value.sql = psprintf("pg_catalog.string_to_array(%s::pg_catalog.text, %s)", value.sql,
							 quote_literal_cstr(entry->split));
		value.type = TEXTARRAYOID;
	}
	if (entry->values != NULL)
		look_up(&value, entry);
	sql = cast_value(&value, entry, type);
	return entry->if_null == NULL ? sql :
		psprintf("coalesce(%s, %s::%s)", sql, quote_literal_cstr(entry->if_null), format_type_be_qualified(type));
}

static char *
entries_sql(const char *target, const JsonbValue *value, Relation rel, Oid type, List **missing)
{
	StringInfoData sql;
	int			n = 0;
	ListCell   *lc;

	initStringInfo(&sql);
	foreach(lc, read_entries(target, value))
	{
		char	   *one = entry_sql(lfirst(lc), rel, type, missing);

		if (one != NULL)
			appendStringInfo(&sql, "%s%s", n++ == 0 ? "" : ", ", one);
	}
	return n == 0 ? NULL : n == 1 ? sql.data : psprintf("coalesce(%s)", sql.data);
}

char *
lh_mapping_sql(const Jsonb *mapping, const char *target, Relation rel, Oid type, List **missing)
{
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(unconstify(JsonbContainer *, &mapping->root), target,
													 strlen(target), &buffer);

	return value == NULL ? NULL : entries_sql(target, value, rel, type, missing);
}

List *
lh_mapping_columns(const char *target, const JsonbValue *value)
{
	List	   *columns = NIL;
	ListCell   *lc;

	foreach(lc, read_entries(target, value))
	{
		const Entry *entry = lfirst(lc);

		columns = entry->column != NULL ? lappend(columns, entry->column) :
			list_concat(columns, lh_expression_read(target, entry->expression)->columns);
	}
	return columns;
}

/* For SQL ------------------------------------------------------------------------------------ */

/* A jsonb as a value of a document, which may be a scalar. */
static JsonbValue *
as_value(Jsonb *doc)
{
	JsonbValue *value = palloc0_object(JsonbValue);

	if (JB_ROOT_IS_SCALAR(doc))
		return getIthJsonbValueFromContainer(&doc->root, 0);
	value->type = jbvBinary;
	value->val.binary.data = &doc->root;
	value->val.binary.len = VARSIZE_ANY_EXHDR(doc);
	return value;
}

/* mapping_sql(rel regclass, target text, entry jsonb, type regtype) returns text: NULL, a column is gone */
Datum
lh_sql_mapping_sql(PG_FUNCTION_ARGS)
{
	Relation	rel = relation_open(PG_GETARG_OID(0), AccessShareLock);
	List	   *missing = NIL;
	char	   *sql = entries_sql(text_to_cstring(PG_GETARG_TEXT_PP(1)), as_value(PG_GETARG_JSONB_P(2)), rel,
								  PG_GETARG_OID(3), &missing);

	relation_close(rel, NoLock);
	if (sql == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(sql));
}

/* mapping_columns(target text, entry jsonb) returns text[] */
Datum
lh_sql_mapping_columns(PG_FUNCTION_ARGS)
{
	List	   *columns = lh_mapping_columns(text_to_cstring(PG_GETARG_TEXT_PP(0)), as_value(PG_GETARG_JSONB_P(1)));
	char	  **names = palloc_array(char *, list_length(columns) + 1);

	for (int i = 0; i < list_length(columns); i++)
		names[i] = list_nth(columns, i);
	PG_RETURN_DATUM(lh_text_array(names, list_length(columns)));
}
