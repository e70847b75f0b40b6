/*
 * src/json.c
 *
 * A jsonb object, key by key, over PostgreSQL's own builder: see json.h.
 *
 * The builder takes some ten times the memory of its result, which would pile up over a batch of
 * leads.  So each object is built in a small context of its own, and only the result leaves it.
 */
#include "json.h"

#include "rules/fields.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

static JsonbValue *
push(LhJson *json, JsonbIteratorToken token, JsonbValue *value)
{
	MemoryContext save = MemoryContextSwitchTo(json->mcxt);
	JsonbValue *object = pushJsonbValue(&json->state, token, value);

	MemoryContextSwitchTo(save);
	return object;
}

void
lh_json_begin(LhJson *json)
{
	json->state = NULL;
	json->mcxt = AllocSetContextCreate(CurrentMemoryContext, "lead_handoff json", ALLOCSET_DEFAULT_SIZES);
	push(json, WJB_BEGIN_OBJECT, NULL);
}

Jsonb *
lh_json_end(LhJson *json)
{
	JsonbValue *object = push(json, WJB_END_OBJECT, NULL);
	MemoryContext save = MemoryContextSwitchTo(json->mcxt);
	Jsonb	   *built = JsonbValueToJsonb(object);
	Jsonb	   *result;

	MemoryContextSwitchTo(save);
	result = palloc(VARSIZE(built));
	memcpy(result, built, VARSIZE(built));
	MemoryContextDelete(json->mcxt);
	return result;
}

static JsonbValue
string_value(const char *text)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, text);
	value.val.string.len = strlen(text);
	return value;
}

static void
push_key(LhJson *json, const char *key)
{
	JsonbValue	value = string_value(key);

	push(json, WJB_KEY, &value);
}

void
lh_json_value(LhJson *json, const char *key, const JsonbValue *value)
{
	JsonbValue	copy = *value;

	push_key(json, key);
	push(json, WJB_VALUE, &copy);
}

void
lh_json_text(LhJson *json, const char *key, const char *value)
{
	JsonbValue	string;

	if (value == NULL)
		return;
	string = string_value(value);
	lh_json_value(json, key, &string);
}

void
lh_json_numeric(LhJson *json, const char *key, Datum value)
{
	JsonbValue	number;

	number.type = jbvNumeric;
	number.val.numeric = DatumGetNumeric(value);
	lh_json_value(json, key, &number);
}

void
lh_json_time(LhJson *json, const char *key, TimestampTz at)
{
	JsonbValue	value;

	if (TIMESTAMP_NOT_FINITE(at))
		return;
	lh_value_to_json(&value, LH_TIMESTAMPTZ, TimestampTzGetDatum(at));
	lh_json_value(json, key, &value);
}

void
lh_json_int(LhJson *json, const char *key, int64 value)
{
	lh_json_numeric(json, key, NumericGetDatum(int64_to_numeric(value)));
}

void
lh_json_texts(LhJson *json, const char *key, char *const *values, int n)
{
	push_key(json, key);
	push(json, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
	{
		JsonbValue	string = string_value(values[i]);

		push(json, WJB_ELEM, &string);
	}
	push(json, WJB_END_ARRAY, NULL);
}

void
lh_json_jsonb(LhJson *json, const char *key, Jsonb *value)
{
	JsonbValue	binary;

	if (value == NULL)
		return;
	binary.type = jbvBinary;
	binary.val.binary.data = &value->root;
	binary.val.binary.len = VARSIZE(value) - VARHDRSZ;
	lh_json_value(json, key, &binary);
}

void
lh_json_open(LhJson *json, const char *key)
{
	push_key(json, key);
	push(json, WJB_BEGIN_OBJECT, NULL);
}

void
lh_json_close(LhJson *json)
{
	push(json, WJB_END_OBJECT, NULL);
}
