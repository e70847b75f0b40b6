/*
 * src/rules/fields.c
 *
 * Named, typed values: the types a field can have, sets of fields, rows of values, their JSON form,
 * and the fields that every contract has without declaring them.
 *
 * A set hands out indexes and never takes one back, so a compiled rule holds plain array indexes.
 * The JSON form is what lead.fields and the event log store; it is built and read value by value,
 * without a detour through text, because every decided lead passes here.
 */
#include "rules/fields.h"

#include "json.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "rules/literal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/json.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

/* "account." and an identifier */
#define FIELD_NAME_LEN	(NAMEDATALEN + 16)

typedef struct FieldEntry
{
	char		name[FIELD_NAME_LEN];
	int			field;
} FieldEntry;

static const struct
{
	LhType		type;
	Oid			oid;
	const char *name;
}			types[] = {
	{LH_TEXT, TEXTOID, "text"},
	{LH_BOOLEAN, BOOLOID, "boolean"},
	{LH_BIGINT, INT8OID, "bigint"},
	{LH_NUMERIC, NUMERICOID, "numeric"},
	{LH_DATE, DATEOID, "date"},
	{LH_TIMESTAMPTZ, TIMESTAMPTZOID, "timestamptz"},
	{LH_TEXT_ARRAY, TEXTARRAYOID, "text[]"},
};

const LhBuiltinField lh_builtin_fields[] = {
	{"lead", "created_at", LH_TIMESTAMPTZ, true, LH_STEP_INPUT,
	"When the CRM created the lead."},
	{"lead", "email", LH_TEXT, true, LH_STEP_INPUT,
	"E-mail address."},
	{"lead", "person_key", LH_TEXT, true, LH_STEP_INPUT,
	"Key of the person behind the lead, where the e-mail address is not to be it."},
	{"lead", "crm_owner", LH_TEXT, true, LH_STEP_INPUT,
	"Owner in the CRM: a user's or a queue's CRM id."},
	{"lead", "crm_status", LH_TEXT, true, LH_STEP_INPUT,
	"Status in the CRM, as it is written there."},
	{"lead", "account_key", LH_TEXT, true, LH_STEP_INPUT,
	"Key of the account the lead belongs to."},
	{"lead", "converted_opportunity", LH_TEXT, true, LH_STEP_INPUT,
	"Key of the opportunity the CRM converted the lead to."},
	{"lead", "converted_contact", LH_TEXT, true, LH_STEP_INPUT,
	"Key of the contact the CRM converted the lead to."},
	{"lead", "merged_into", LH_TEXT, true, LH_STEP_INPUT,
	"Key of the record that the CRM merged this one into."},
	{"lead", "merged_keys", LH_TEXT_ARRAY, true, LH_STEP_INPUT,
	"Keys of the records that the CRM merged into this one."},
	{"lead", "stage", LH_TEXT, false, LH_STEP_INPUT,
	"Stage of the journey before this decision."},
	{"lead", "cycle", LH_BIGINT, false, LH_STEP_INPUT,
	"1 from the start, one more whenever a recycled or reopened lead passes the first leg again."},
	{"lead", "touches", LH_BIGINT, false, LH_STEP_INPUT,
	"Human touches in the open handoff."},
	{"lead", "owner", LH_TEXT, false, LH_STEP_INPUT,
	"Rep the lead is assigned to."},
	{"lead", "account_method", LH_TEXT, false, LH_STEP_INPUT,
	"How the lead's account is known: crm, email_domain, web_domain, name, close_name."},
	{"lead", "account_tier", LH_TEXT, false, LH_STEP_INPUT,
	"Tier of the lead's account."},
	{"lead", "named_account", LH_BOOLEAN, false, LH_STEP_INPUT,
	"Whether the lead's account is a named one."},
	{"lead", "customer", LH_BOOLEAN, false, LH_STEP_INPUT,
	"Whether the lead's account is a customer."},
	{"lead", "open_opportunity", LH_BOOLEAN, false, LH_STEP_INPUT,
	"Whether the lead or its account has an open opportunity."},
	{"lead", "opportunity_owner", LH_TEXT, false, LH_STEP_INPUT,
	"Owner of that opportunity."},
	{"lead", "last_reason", LH_TEXT, false, LH_STEP_INPUT,
	"Reason of the last disposition."},
	{"lead", "last_rep", LH_TEXT, false, LH_STEP_INPUT,
	"Rep of the last assignment that ended."},
	{"lead", "days_since_recycle", LH_BIGINT, false, LH_STEP_INPUT,
	"Whole days since the lead was last recycled."},
	{"lead", "email_domain", LH_TEXT, false, LH_STEP_INPUT,
	"Part of the e-mail address after the @, in lower case."},
	{"lead", "duplicate_open", LH_BOOLEAN, false, LH_STEP_INPUT,
	"Whether another lead of the same person has an open handoff."},
	{"lead", "fit", LH_BIGINT, false, LH_STEP_FIT,
	"Fit: points of the fit rules that hold, groups and sum clamped."},
	{"lead", "intent", LH_NUMERIC, false, LH_STEP_INTENT,
	"Intent: decayed points of the activities, as of the decision."},
	{"lead", "intent_since_recycle", LH_NUMERIC, false, LH_STEP_INTENT,
	"Intent of the activities since the lead was last recycled."},
	{"lead", "signals", LH_TEXT_ARRAY, false, LH_STEP_INTENT,
	"Names of the signal rules that hold."},
	{"lead", "score", LH_BIGINT, false, LH_STEP_SCORE,
	"Score: fit plus intent, rounded half up."},
	{"lead", "band", LH_TEXT, false, LH_STEP_BAND,
	"First band whose thresholds hold."},
	{"activity", "lead_key", LH_TEXT, true, LH_STEP_INPUT,
	"Key of the lead the activity belongs to."},
	{"activity", "at", LH_TIMESTAMPTZ, true, LH_STEP_INPUT,
	"When it happened."},
	{"activity", "kind", LH_TEXT, true, LH_STEP_INPUT,
	"What it was: demo_request, call, e-mail sent ..., as the mapping names it."},
	{"activity", "channel", LH_TEXT, true, LH_STEP_INPUT,
	"Channel: phone, email, chat, web ..."},
	{"activity", "direction", LH_TEXT, true, LH_STEP_INPUT,
	"inbound (by the buyer) or outbound (by us)."},
	{"activity", "rep", LH_TEXT, true, LH_STEP_INPUT,
	"Rep who did it."},
	{"account", "name", LH_TEXT, true, LH_STEP_INPUT,
	"Name of the company."},
	{"account", "domain", LH_TEXT, true, LH_STEP_INPUT,
	"Its web domain, as it is written there."},
	{"account", "domains", LH_TEXT_ARRAY, true, LH_STEP_INPUT,
	"Further domains of its."},
	{"account", "owner", LH_TEXT, true, LH_STEP_INPUT,
	"Its owner's CRM id."},
	{"account", "named", LH_BOOLEAN, true, LH_STEP_INPUT,
	"Whether it is a named account."},
	{"account", "tier", LH_TEXT, true, LH_STEP_INPUT,
	"Its tier."},
	{"account", "customer", LH_BOOLEAN, true, LH_STEP_INPUT,
	"Whether it is a customer."},
	{"account", "created_at", LH_TIMESTAMPTZ, true, LH_STEP_INPUT,
	"When the CRM created it."},
	{"opportunity", "account_key", LH_TEXT, true, LH_STEP_INPUT,
	"Key of the account it belongs to."},
	{"opportunity", "owner", LH_TEXT, true, LH_STEP_INPUT,
	"Its owner's CRM id."},
	{"opportunity", "created_at", LH_TIMESTAMPTZ, true, LH_STEP_INPUT,
	"When it was created."},
	{"opportunity", "closed_at", LH_TIMESTAMPTZ, true, LH_STEP_INPUT,
	"When it was closed, or is expected to be."},
	{"opportunity", "amount", LH_NUMERIC, true, LH_STEP_INPUT,
	"Its amount, in its own currency."},
	{"opportunity", "currency", LH_TEXT, true, LH_STEP_INPUT,
	"That currency."},
	{"opportunity", "is_won", LH_BOOLEAN, true, LH_STEP_INPUT,
	"Whether it was won."},
	{"opportunity", "is_closed", LH_BOOLEAN, true, LH_STEP_INPUT,
	"Whether it is closed, won or lost."},
	{"link", "lead_key", LH_TEXT, true, LH_STEP_INPUT,
	"Key of the lead, or of the contact it was converted to."},
	{"link", "opportunity_key", LH_TEXT, true, LH_STEP_INPUT,
	"Key of the opportunity."},
	{"rep", "name", LH_TEXT, true, LH_STEP_INPUT,
	"Name in full."},
	{"rep", "email", LH_TEXT, true, LH_STEP_INPUT,
	"E-mail address."},
	{"rep", "zone", LH_TEXT, true, LH_STEP_INPUT,
	"Time zone, an IANA name."},
	{"rep", "active", LH_BOOLEAN, true, LH_STEP_INPUT,
	"Whether the user may log in."},
	{"rep", "manager", LH_TEXT, true, LH_STEP_INPUT,
	"CRM id of the manager."},
	{"rep", "chat_id", LH_TEXT, true, LH_STEP_INPUT,
	"Key in the chat tool."},
	{"rep", "human", LH_BOOLEAN, true, LH_STEP_INPUT,
	"Whether it is a person who may work leads: false of integration, automated and portal users."},
	{NULL, NULL, LH_TEXT, false, LH_STEP_INPUT, NULL},
};

/* ---------- types ---------- */

Oid
lh_type_oid(LhType type)
{
	return types[type].oid;
}

const char *
lh_type_name(LhType type)
{
	return types[type].name;
}

bool
lh_type_from_name(const char *name, LhType *type)
{
	for (int i = 0; i < lengthof(types); i++)
	{
		if (strcmp(types[i].name, name) == 0)
		{
			*type = types[i].type;
			return true;
		}
	}
	return false;
}

/* Arrays are lists of elements here: dimensions and lower bounds are not kept in JSON either. */
static bool
same_elements(ArrayType *a, ArrayType *b)
{
	Datum	   *aitems,
			   *bitems;
	bool	   *anulls,
			   *bnulls;
	int			an,
				bn;

	deconstruct_array(a, TEXTOID, -1, false, TYPALIGN_INT, &aitems, &anulls, &an);
	deconstruct_array(b, TEXTOID, -1, false, TYPALIGN_INT, &bitems, &bnulls, &bn);
	if (an != bn)
		return false;
	for (int i = 0; i < an; i++)
	{
		if (anulls[i] != bnulls[i] || (!anulls[i] && !datum_image_eq(aitems[i], bitems[i], false, -1)))
			return false;
	}
	return true;
}

/* Whether two values are the same to a reader of the log: they have one JSON form, or one value. */
bool
lh_type_equal(LhType type, Datum a, Datum b)
{
	switch (type)
	{
		case LH_TEXT:
			return datum_image_eq(a, b, false, -1);
		case LH_TEXT_ARRAY:
			return same_elements(DatumGetArrayTypeP(a), DatumGetArrayTypeP(b));
		case LH_NUMERIC:
			return DatumGetBool(DirectFunctionCall2(numeric_eq, a, b));
		case LH_BOOLEAN:
			return DatumGetBool(a) == DatumGetBool(b);
		case LH_DATE:
			return DatumGetDateADT(a) == DatumGetDateADT(b);
		case LH_BIGINT:
		case LH_TIMESTAMPTZ:
			return DatumGetInt64(a) == DatumGetInt64(b);
	}
	elog(ERROR, "unknown field type %d", (int) type);
	return false;
}

/* ---------- sets ---------- */

LhFieldSet *
lh_fieldset_create(MemoryContext mcxt)
{
	LhFieldSet *set = MemoryContextAllocZero(mcxt, sizeof(LhFieldSet));
	HASHCTL		ctl;

	set->mcxt = mcxt;
	set->maxfields = 32;
	set->fields = MemoryContextAlloc(mcxt, set->maxfields * sizeof(LhFieldDef));
	ctl.keysize = FIELD_NAME_LEN;
	ctl.entrysize = sizeof(FieldEntry);
	ctl.hcxt = mcxt;
	set->by_name = hash_create("lead_handoff fields", 64, &ctl,
							   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	return set;
}

/* Add a field and return its index; a name can be added once. */
int
lh_fieldset_add(LhFieldSet *set, const char *name, LhType type)
{
	FieldEntry *entry;
	bool		found;

	if (strlen(name) >= FIELD_NAME_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("field name \"%s\" is too long", name)));
	entry = hash_search(set->by_name, name, HASH_ENTER, &found);
	if (found)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("field \"%s\" exists twice", name)));

	if (set->nfields == set->maxfields)
	{
		set->maxfields *= 2;
		set->fields = repalloc(set->fields, set->maxfields * sizeof(LhFieldDef));
	}
	entry->field = set->nfields++;
	set->fields[entry->field].name = MemoryContextStrdup(set->mcxt, name);
	set->fields[entry->field].type = type;
	set->fields[entry->field].statistics = NULL;
	return entry->field;
}

int
lh_fieldset_find(const LhFieldSet *set, const char *name)
{
	FieldEntry *entry;

	if (strlen(name) >= FIELD_NAME_LEN)
		return -1;
	entry = hash_search(set->by_name, name, HASH_FIND, NULL);
	return entry ? entry->field : -1;
}

/* The name that was probably meant: at most a third of the letters differ.  NULL if none is near. */
const char *
lh_fieldset_closest(const LhFieldSet *set, const char *name)
{
	const char *closest = NULL;
	int			len = strlen(name);
	int			best = Max(len / 3, 1);

	if (len >= FIELD_NAME_LEN)
		return NULL;
	for (int i = 0; i < set->nfields; i++)
	{
		const char *candidate = set->fields[i].name;
		int			distance;

		distance = varstr_levenshtein_less_equal(name, len, candidate, strlen(candidate),
												 1, 1, 1, best, true);
		if (distance < best || (distance == best && closest == NULL))
		{
			closest = candidate;
			best = distance;
		}
	}
	return closest;
}

/* ---------- rows ---------- */

LhFields *
lh_fields_create(const LhFieldSet *set)
{
	LhFields   *row = palloc(sizeof(LhFields));
	int			n = Max(set->nfields, 1);

	row->set = set;
	row->values = palloc0(n * sizeof(Datum));
	row->isnull = palloc(n * sizeof(bool));
	memset(row->isnull, true, n * sizeof(bool));
	return row;
}

void
lh_fields_set(LhFields *row, int field, Datum value)
{
	row->values[field] = value;
	row->isnull[field] = false;
}

void
lh_fields_set_null(LhFields *row, int field)
{
	row->values[field] = (Datum) 0;
	row->isnull[field] = true;
}

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
	*out = *pushJsonbValue(&state, WJB_END_ARRAY, NULL);
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

Jsonb *
lh_fields_to_jsonb(const LhFields *row, int first, int last)
{
	LhJson		json;

	lh_json_begin(&json);
	for (int i = first; i < last; i++)
	{
		const LhFieldDef *field = &row->set->fields[i];
		JsonbValue	value;

		if (row->isnull[i])
			continue;
		lh_value_to_json(&value, field->type, row->values[i]);
		lh_json_value(&json, field->name, &value);
	}
	return lh_json_end(&json);
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

/* ---------- the built-in fields, for SQL ---------- */

PG_FUNCTION_INFO_V1(lh_sql_builtin_fields);

Datum
lh_sql_builtin_fields(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (const LhBuiltinField *field = lh_builtin_fields; field->of != NULL; field++)
	{
		Datum		values[6];
		bool		nulls[6] = {false};

		values[0] = CStringGetTextDatum(field->of);
		values[1] = CStringGetTextDatum(field->name);
		values[2] = CStringGetTextDatum(lh_type_name(field->type));
		values[3] = BoolGetDatum(field->mapped);
		values[4] = Int32GetDatum((int32) field->step);
		values[5] = CStringGetTextDatum(field->description);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
