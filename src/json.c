/*
 * src/json.c
 *
 * A jsonb object, key by key: see json.h.
 *
 * Documents are in everything that is written, and PostgreSQL's builder takes a third of a decision for them: it
 * pushes each key and value through a state machine, sorts, takes apart what is put in as a whole, and
 * copies twice.  So we write the format ourselves, in one pass, as utils/jsonb.h describes it: a header,
 * an entry for each key and then each value, which has its type and length (every 32nd its end instead), and
 * their bytes in the same order; numbers and containers begin at multiples of four.  A container within one is
 * its bytes.  A test compares what is written with what PostgreSQL makes of its text, byte by byte.
 */
#include "json.h"

#include "utils/timestamp.h"
#include "rules/fields.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

/* Writing ------------------------------------------------------------------------------------ */

typedef struct Writer
{
	char	   *start;			/* of the whole document */
	char	   *at;
	JEntry	   *entry;
	int			nentries;
	uint32		length;			/* of what the entries stand for, so far */
} Writer;

static void
align(Writer *writer)
{
	while ((writer->at - writer->start) % sizeof(uint32) != 0)
		*writer->at++ = 0;
}

static void
copy(Writer *writer, const void *bytes, int length)
{
	memcpy(writer->at, bytes, length);
	writer->at += length;
}

/* One more entry, whose bytes have been written from there on. */
static void
enter(Writer *writer, uint32 type, const char *from)
{
	uint32		length = writer->at - from;

	writer->length += length;
	*writer->entry++ = type | (writer->nentries++ % JB_OFFSET_STRIDE == 0 ? JENTRY_HAS_OFF | writer->length : length);
}

static void
write_string(Writer *writer, const char *string, int length)
{
	char	   *from = writer->at;

	copy(writer, string, length);
	enter(writer, JENTRY_ISSTRING, from);
}

static void
write_value(Writer *writer, const JsonbValue *value)
{
	char	   *from = writer->at;

	switch (value->type)
	{
		case jbvNull:
			enter(writer, JENTRY_ISNULL, from);
			break;
		case jbvBool:
			enter(writer, value->val.boolean ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE, from);
			break;
		case jbvString:
			write_string(writer, value->val.string.val, value->val.string.len);
			break;
		case jbvNumeric:
			align(writer);
			copy(writer, value->val.numeric, VARSIZE_ANY(value->val.numeric));
			enter(writer, JENTRY_ISNUMERIC, from);
			break;
		case jbvBinary:
			align(writer);
			copy(writer, value->val.binary.data, value->val.binary.len);
			enter(writer, JENTRY_ISCONTAINER, from);
			break;
		default:
			elog(ERROR, "unexpected type %d of a jsonb value", (int) value->type);
	}
}

/* At most so many bytes, with what aligns them. */
static Size
size_of(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return value->val.string.len;
		case jbvNumeric:
			return VARSIZE_ANY(value->val.numeric) + sizeof(uint32);
		case jbvBinary:
			return value->val.binary.len + sizeof(uint32);
		default:
			return 0;
	}
}

/* Room for a document of so many entries, whose bytes are so many at most; its header is written. */
static Writer
begin_writing(uint32 header, int nentries, Size size)
{
	Writer		writer = {0};
	Jsonb	   *document;

	if (size > JENTRY_OFFLENMASK)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("total size of jsonb object elements exceeds the maximum of %u bytes", JENTRY_OFFLENMASK)));
	document = palloc(offsetof(Jsonb, root) + offsetof(JsonbContainer, children) + sizeof(JEntry) * nentries + size);
	document->root.header = header;
	writer.start = (char *) document;
	writer.entry = document->root.children;
	writer.at = (char *) (document->root.children + nentries);
	return writer;
}

static Jsonb *
end_writing(Writer *writer)
{
	SET_VARSIZE(writer->start, writer->at - writer->start);
	return (Jsonb *) writer->start;
}

Jsonb *
lh_json_write(const LhJsonPair *const *pairs, int n)
{
	Size		size = 0;
	Writer		writer;

	for (int i = 0; i < n; i++)
		size += pairs[i]->length + size_of(&pairs[i]->value);
	writer = begin_writing(JB_FOBJECT | n, n * 2, size);
	for (int i = 0; i < n; i++)
		write_string(&writer, pairs[i]->key, pairs[i]->length);
	for (int i = 0; i < n; i++)
		write_value(&writer, &pairs[i]->value);
	return end_writing(&writer);
}

static Jsonb *
write_texts(char *const *values, int n)
{
	Size		size = 0;
	Writer		writer;

	for (int i = 0; i < n; i++)
		size += strlen(values[i]);
	writer = begin_writing(JB_FARRAY | n, n, size);
	for (int i = 0; i < n; i++)
		write_string(&writer, values[i], strlen(values[i]));
	return end_writing(&writer);
}

/* Objects ------------------------------------------------------------------------------------ */

void
lh_json_begin(LhJson *json)
{
	json->n = 0;
	json->room = 16;
	json->pairs = palloc_array(LhJsonPair, json->room);
	json->depth = 0;
}

/* In the order of jsonb; of one key, the one that came first is first. */
static int
compare_pairs(const void *a, const void *b)
{
	const LhJsonPair *left = *(LhJsonPair *const *) a;
	const LhJsonPair *right = *(LhJsonPair *const *) b;
	int			order = left->length - right->length;

	if (order == 0)
		order = memcmp(left->key, right->key, left->length);
	return order != 0 ? order : (left > right) - (left < right);
}

static bool
same_key(const LhJsonPair *a, const LhJsonPair *b)
{
	return a->length == b->length && memcmp(a->key, b->key, a->length) == 0;
}

/* The object of the pairs from the first on, which are taken away.  Of a key that came twice, the last value counts. */
static Jsonb *
take_object(LhJson *json, int first)
{
	const LhJsonPair **sorted = palloc_array(const LhJsonPair *, json->n - first + 1);
	int			n = 0;
	Jsonb	   *object;

	for (int i = first; i < json->n; i++)
		sorted[i - first] = &json->pairs[i];
	qsort(sorted, json->n - first, sizeof(LhJsonPair *), compare_pairs);
	for (int i = 0; i < json->n - first; i++)
	{
		if (n > 0 && same_key(sorted[n - 1], sorted[i]))
			n--;
		sorted[n++] = sorted[i];
	}
	object = lh_json_write(sorted, n);
	pfree(sorted);
	json->n = first;
	return object;
}

Jsonb *
lh_json_end(LhJson *json)
{
	Jsonb	   *object = take_object(json, 0);

	Assert(json->depth == 0);
	pfree(json->pairs);
	return object;
}

void
lh_json_value(LhJson *json, const char *key, const JsonbValue *value)
{
	if (json->n == json->room)
	{
		json->room *= 2;
		json->pairs = repalloc_array(json->pairs, LhJsonPair, json->room);
	}
	json->pairs[json->n++] = (LhJsonPair) {key, strlen(key), *value};
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

static void
add_document(LhJson *json, const char *key, Jsonb *document)
{
	JsonbValue	binary;

	binary.type = jbvBinary;
	binary.val.binary.data = &document->root;
	binary.val.binary.len = VARSIZE(document) - VARHDRSZ;
	lh_json_value(json, key, &binary);
}

void
lh_json_texts(LhJson *json, const char *key, char *const *values, int n)
{
	add_document(json, key, write_texts(values, n));
}

void
lh_json_jsonb(LhJson *json, const char *key, Jsonb *value)
{
	if (value != NULL)
		add_document(json, key, value);
}

void
lh_json_open(LhJson *json, const char *key)
{
	if (json->depth == LH_JSON_DEPTH)
		elog(ERROR, "too many objects within one");
	json->open[json->depth].key = key;
	json->open[json->depth++].first = json->n;
}

void
lh_json_close(LhJson *json)
{
	json->depth--;
	add_document(json, json->open[json->depth].key, take_object(json, json->open[json->depth].first));
}

/* Reading ------------------------------------------------------------------------------------ */

static JsonbValue *
member(const Jsonb *object, const char *key, JsonbValue *buffer)
{
	return getKeyJsonValueFromContainer(&unconstify(Jsonb *, object)->root, key, strlen(key), buffer);
}

char *
lh_json_get_text(const Jsonb *object, const char *key)
{
	JsonbValue	buffer;
	JsonbValue *value = member(object, key, &buffer);

	return value == NULL || value->type != jbvString ? NULL : pnstrdup(value->val.string.val, value->val.string.len);
}

int64
lh_json_get_int(const Jsonb *object, const char *key)
{
	JsonbValue	buffer;
	JsonbValue *value = member(object, key, &buffer);

	return value == NULL || value->type != jbvNumeric ? 0 :
		DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value->val.numeric)));
}

TimestampTz
lh_json_get_time(const Jsonb *object, const char *key, TimestampTz if_none)
{
	JsonbValue	buffer;
	JsonbValue *value = member(object, key, &buffer);

	return value == NULL || value->type != jbvString ? if_none :
		DatumGetTimestampTz(lh_value_from_json(key, LH_TIMESTAMPTZ, value));
}

int
lh_json_get_texts(const Jsonb *object, const char *key, char ***values)
{
	JsonbValue	buffer;
	JsonbValue *array = member(object, key, &buffer);
	int			n = array == NULL || array->type != jbvBinary || !JsonContainerIsArray(array->val.binary.data) ? 0 :
		JsonContainerSize(array->val.binary.data);

	*values = palloc_array(char *, Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(array->val.binary.data, i);

		(*values)[i] = pnstrdup(element->val.string.val, element->type == jbvString ? element->val.string.len : 0);
	}
	return n;
}

Jsonb *
lh_json_object(const Jsonb *object, const char *key)
{
	JsonbValue	buffer;
	JsonbValue *value = member(object, key, &buffer);

	return value == NULL || value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data) ? NULL :
		JsonbValueToJsonb(value);
}
