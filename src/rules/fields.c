/*
 * src/rules/fields.c
 *
 * Named, typed values: the types a field can have, sets of fields, rows of values, and the fields that
 * every contract has without declaring them.  Their JSON form is in fields_json.c.
 *
 * A set hands out indexes and never takes one back, so a compiled rule holds plain array indexes.
 */
#include "rules/fields.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "rules/literal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
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
	{"opportunity", "amount_reporting", LH_NUMERIC, true, LH_STEP_INPUT,
	"Its amount in the reporting currency, where the CRM converts it itself."},
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
	set->njson = 0;
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
