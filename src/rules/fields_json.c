/*
 * src/rules/fields_json.c
 *
 * Fields as JSON and back: a null field is absent, numbers are JSON numbers, NaN and infinities the
 * strings that PostgreSQL prints, dates and times ISO strings (in UTC), text[] an array.  It is what
 * lead.fields and the event log store, built and read value by value, without a detour through text,
 * because every decided lead passes here.
 */
#include "rules/fields.h"

#include "catalog/pg_type.h"
#include "json.h"
#include "rules/literal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* ---------- to JSON ---------- */

static void
string_to_json(JsonbValue *out, const char *string, int len)
{
	out->type = jbvString;
	out->val.string.val = (char *) string;
	out->val.string.len = len;
}

static void
text_array_to_json(JsonbValue *out, ArrayType *array)
{
	JsonbParseState *state = NULL;
	JsonbValue	element;
	Jsonb	   *document;
	Datum	   *items;
	bool	   *nulls;
	int			nitems;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls, &nitems);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < nitems; i++)
	{
		if (nulls[i])
			element.type = jbvNull;
		else
			string_to_json(&element, VARDATA_ANY(DatumGetPointer(items[i])),
						   VARSIZE_ANY_EXHDR(DatumGetPointer(items[i])));
		pushJsonbValue(&state, WJB_ELEM, &element);
	}
	document = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
	out->type = jbvBinary;
	out->val.binary.data = &document->root;
	out->val.binary.len = VARSIZE(document) - VARHDRSZ;
}

/* The value may point into the datum. */
void
lh_value_to_json(JsonbValue *out, LhType type, Datum value)
{
	char	   *string;

	switch (type)
	{
		case LH_TEXT:
			{
				text	   *t = DatumGetTextPP(value);

				string_to_json(out, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
				return;
			}
		case LH_BOOLEAN:
			out->type = jbvBool;
			out->val.boolean = DatumGetBool(value);
			return;
		case LH_BIGINT:
			out->type = jbvNumeric;
			out->val.numeric = int64_to_numeric(DatumGetInt64(value));
			return;
		case LH_NUMERIC:
			if (numeric_is_nan(DatumGetNumeric(value)) || numeric_is_inf(DatumGetNumeric(value)))
			{
				string = DatumGetCString(DirectFunctionCall1(numeric_out, value));
				string_to_json(out, string, strlen(string));
				return;
			}
			out->type = jbvNumeric;
			out->val.numeric = DatumGetNumeric(value);
			return;
		case LH_DATE:
			string = JsonEncodeDateTime(NULL, value, DATEOID, NULL);
			string_to_json(out, string, strlen(string));
			return;
		case LH_TIMESTAMPTZ:
			{
				int			utc = 0;

				string = JsonEncodeDateTime(NULL, value, TIMESTAMPTZOID, &utc);
				string_to_json(out, string, strlen(string));
				return;
			}
		case LH_TEXT_ARRAY:
			text_array_to_json(out, DatumGetArrayTypeP(value));
			return;
	}
	elog(ERROR, "unknown field type %d", (int) type);
}

/* jsonb keeps shorter keys first, and keys of one length by their bytes. */
static int
compare_names(const void *a, const void *b, void *fields)
{
	const char *left = ((const LhFieldDef *) fields)[*(const int *) a].name;
	const char *right = ((const LhFieldDef *) fields)[*(const int *) b].name;
	size_t		left_len = strlen(left);
	size_t		right_len = strlen(right);

	if (left_len != right_len)
		return left_len < right_len ? -1 : 1;
	return memcmp(left, right, left_len);
}

/* The fields of a set in the order of keys; worked out once for all of its rows. */
static const int *
json_order(LhFieldSet *set)
{
	if (set->njson == set->nfields)
		return set->json_order;
	if (set->json_order != NULL)
		pfree(set->json_order);
	set->json_order = MemoryContextAlloc(set->mcxt, set->nfields * sizeof(int));
	for (int i = 0; i < set->nfields; i++)
		set->json_order[i] = i;
	qsort_arg(set->json_order, set->nfields, sizeof(int), compare_names, set->fields);
	set->njson = set->nfields;
	return set->json_order;
}

Jsonb *
lh_fields_to_jsonb(const LhFields *row, int first, int last)
{
	const int  *order = json_order(unconstify(LhFieldSet *, row->set));
	LhJsonPair *pairs = palloc_array(LhJsonPair, Max(last - first, 1));
	const LhJsonPair **sorted = palloc_array(const LhJsonPair *, Max(last - first, 1));
	int			n = 0;
	Jsonb	   *result;

	for (int k = 0; k < row->set->nfields; k++)
	{
		int			i = order[k];

		if (i < first || i >= last || row->isnull[i])
			continue;
		pairs[n].key = row->set->fields[i].name;
		pairs[n].length = strlen(row->set->fields[i].name);
		lh_value_to_json(&pairs[n].value, row->set->fields[i].type, row->values[i]);
		sorted[n] = &pairs[n];
		n++;
	}
	result = lh_json_write(sorted, n);
	pfree(sorted);
	pfree(pairs);
	return result;
}

/* ---------- from JSON ---------- */

static void
refuse_json(const char *field, LhType type, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_LH_FIELD_TYPE),
			 errmsg("value of field \"%s\" is not of type %s", field, lh_type_name(type)),
			 detail ? errdetail("%s", detail) : 0));
}

static Datum
bigint_from_json(const char *field, Numeric number)
{
	char	   *string = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));
	char	   *end;
	int64		value;

	errno = 0;
	value = strtoi64(string, &end, 10);
	if (errno != 0 || end == string)
		refuse_json(field, LH_BIGINT, psprintf("%s is out of range.", string));
	if (*end == '.')
		end += 1 + strspn(end + 1, "0");
	if (*end != '\0')
		refuse_json(field, LH_BIGINT, psprintf("%s is not a whole number.", string));
	return Int64GetDatum(value);
}

/* Numbers that JSON can't write come as the strings PostgreSQL prints. */
static Datum
numeric_from_json(const char *field, const char *string)
{
	if (strcmp(string, "NaN") != 0 && strcmp(string, "Infinity") != 0 &&
		strcmp(string, "-Infinity") != 0)
		refuse_json(field, LH_NUMERIC, NULL);
	return DirectFunctionCall3(numeric_in, CStringGetDatum(string),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

static Datum
array_from_json(const char *field, const JsonbValue *in)
{
	ArrayBuildState *state = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	JsonbContainer *container;
	JsonbIterator *it;
	JsonbValue	v;
	JsonbIteratorToken token;

	if (in->type == jbvBinary)
		container = in->val.binary.data;
	else
		container = &JsonbValueToJsonb((JsonbValue *) in)->root;
	it = JsonbIteratorInit(container);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_BEGIN_ARRAY || token == WJB_END_ARRAY)
			continue;
		if (token != WJB_ELEM || (v.type != jbvString && v.type != jbvNull))
			refuse_json(field, LH_TEXT_ARRAY, "Every element must be a string or null.");
		if (v.type == jbvNull)
			accumArrayResult(state, (Datum) 0, true, TEXTOID, CurrentMemoryContext);
		else
			accumArrayResult(state,
							 PointerGetDatum(cstring_to_text_with_len(v.val.string.val,
																	  v.val.string.len)),
							 false, TEXTOID, CurrentMemoryContext);
	}
	return makeArrayResult(state, CurrentMemoryContext);
}

static Datum
string_from_json(const char *field, LhType type, const JsonbValue *in)
{
	char	   *string = pnstrdup(in->val.string.val, in->val.string.len);
	LhRead		read = LH_READ_OK;
	DateADT		date = 0;
	TimestampTz moment = 0;

	switch (type)
	{
		case LH_TEXT:
			return PointerGetDatum(cstring_to_text(string));
		case LH_NUMERIC:
			return numeric_from_json(field, string);
		case LH_DATE:
			read = lh_read_date(string, &date);
			break;
		case LH_TIMESTAMPTZ:
			read = lh_read_timestamptz(string, &moment);
			break;
		default:
			refuse_json(field, type, NULL);
	}
	if (read != LH_READ_OK)
		refuse_json(field, type, lh_read_problem(read));
	return type == LH_DATE ? DateADTGetDatum(date) : TimestampTzGetDatum(moment);
}

/* in must not be a JSON null: that is a null field.  field names the value in errors. */
Datum
lh_value_from_json(const char *field, LhType type, const JsonbValue *in)
{
	switch (in->type)
	{
		case jbvString:
			return string_from_json(field, type, in);
		case jbvBool:
			if (type == LH_BOOLEAN)
				return BoolGetDatum(in->val.boolean);
			break;
		case jbvNumeric:
			if (type == LH_BIGINT)
				return bigint_from_json(field, in->val.numeric);
			if (type == LH_NUMERIC)
				return datumCopy(NumericGetDatum(in->val.numeric), false, -1);
			break;
		case jbvArray:
		case jbvBinary:
			if (type == LH_TEXT_ARRAY &&
				(in->type == jbvArray || JsonContainerIsArray(in->val.binary.data)))
				return array_from_json(field, in);
			break;
		default:
			break;
	}
	refuse_json(field, type, NULL);
	return (Datum) 0;
}

/* A field absent from the document keeps the value it has in the row. */
void
lh_fields_from_jsonb(LhFields *row, Jsonb *doc, int first, int last)
{
	JsonbIterator *it;
	JsonbValue	v;
	JsonbIteratorToken token;

	if (!JB_ROOT_IS_OBJECT(doc))
		ereport(ERROR,
				(errcode(ERRCODE_LH_FIELD_TYPE),
				 errmsg("fields must be given as a JSON object")));
	it = JsonbIteratorInit(&doc->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		char	   *name;
		int			field;

		if (token != WJB_KEY)
			continue;
		name = pnstrdup(v.val.string.val, v.val.string.len);
		(void) JsonbIteratorNext(&it, &v, true);
		field = lh_fieldset_find(row->set, name);
		if (field >= first && field < last)
		{
			if (v.type == jbvNull)
				lh_fields_set_null(row, field);
			else
				lh_fields_set(row, field,
							  lh_value_from_json(name, row->set->fields[field].type, &v));
		}
		pfree(name);
	}
}
