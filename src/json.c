/*
 * src/json.c
 *
 * A jsonb object, key by key, over PostgreSQL's own builder: see json.h.
 */
#include "json.h"

#include "utils/builtins.h"
#include "utils/numeric.h"

void
lh_json_begin(LhJson *json)
{
	json->state = NULL;
	pushJsonbValue(&json->state, WJB_BEGIN_OBJECT, NULL);
}

Jsonb *
lh_json_end(LhJson *json)
{
	return JsonbValueToJsonb(pushJsonbValue(&json->state, WJB_END_OBJECT, NULL));
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

	pushJsonbValue(&json->state, WJB_KEY, &value);
}

void
lh_json_value(LhJson *json, const char *key, const JsonbValue *value)
{
	JsonbValue	copy = *value;

	push_key(json, key);
	pushJsonbValue(&json->state, WJB_VALUE, &copy);
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
lh_json_int(LhJson *json, const char *key, int64 value)
{
	lh_json_numeric(json, key, NumericGetDatum(int64_to_numeric(value)));
}

void
lh_json_texts(LhJson *json, const char *key, char *const *values, int n)
{
	push_key(json, key);
	pushJsonbValue(&json->state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < n; i++)
	{
		JsonbValue	string = string_value(values[i]);

		pushJsonbValue(&json->state, WJB_ELEM, &string);
	}
	pushJsonbValue(&json->state, WJB_END_ARRAY, NULL);
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
	pushJsonbValue(&json->state, WJB_BEGIN_OBJECT, NULL);
}

void
lh_json_close(LhJson *json)
{
	pushJsonbValue(&json->state, WJB_END_OBJECT, NULL);
}
