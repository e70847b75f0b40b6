/*
 * src/work/handoff.c
 *
 * The columns of a handoff: see handoff.h.
 */
#include "work/handoff.h"

#include <math.h>

#include "sql.h"
#include "utils/array.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

typedef struct HandoffColumn
{
	const char *name;
	LhType		type;
	size_t		offset;
	bool		is_int;			/* in the table; bigint here */
	bool		zero_is_null;	/* there: it is a number of something */
} HandoffColumn;

#define COLUMN(name, type) {#name, type, offsetof(LhHandoff, name)}
#define INT_COLUMN(name) {#name, LH_BIGINT, offsetof(LhHandoff, name), true}

static const HandoffColumn columns[] = {
	INT_COLUMN(handoff_no),
	INT_COLUMN(cycle),
	COLUMN(leg, LH_TEXT),
	INT_COLUMN(contract_id),
	{"challenge", LH_BIGINT, offsetof(LhHandoff, challenge), true, true},
	COLUMN(origin, LH_TEXT),
	COLUMN(stage_from, LH_TEXT),
	COLUMN(band, LH_TEXT),
	COLUMN(fit, LH_BIGINT),
	COLUMN(intent, LH_NUMERIC),
	COLUMN(score, LH_BIGINT),
	COLUMN(segment, LH_TEXT),
	COLUMN(lead_source, LH_TEXT),
	COLUMN(account_method, LH_TEXT),
	COLUMN(trigger, LH_TEXT),
	COLUMN(trigger_at, LH_TIMESTAMPTZ),
	COLUMN(seen_at, LH_TIMESTAMPTZ),
	COLUMN(handed_at, LH_TIMESTAMPTZ),
	COLUMN(month, LH_DATE),
	COLUMN(incomplete, LH_BOOLEAN),
	COLUMN(route, LH_TEXT),
	COLUMN(pool, LH_TEXT),
	COLUMN(rep, LH_TEXT),
	COLUMN(assigned_at, LH_TIMESTAMPTZ),
	COLUMN(owner_since, LH_TIMESTAMPTZ),
	COLUMN(by_last_route, LH_BOOLEAN),
	INT_COLUMN(assignments),
	INT_COLUMN(reroutes),
	INT_COLUMN(hops),
	COLUMN(fallback_at, LH_TIMESTAMPTZ),
	COLUMN(unassigned_reason, LH_TEXT),
	COLUMN(delivered_at, LH_TIMESTAMPTZ),
	INT_COLUMN(touches),
	INT_COLUMN(contacts),
	COLUMN(channels, LH_TEXT_ARRAY),
	COLUMN(first_touch_at, LH_TIMESTAMPTZ),
	COLUMN(first_touch_business_seconds, LH_NUMERIC),
	COLUMN(first_contact_at, LH_TIMESTAMPTZ),
	COLUMN(booked_at, LH_TIMESTAMPTZ),
	COLUMN(meeting_held_at, LH_TIMESTAMPTZ),
	COLUMN(no_show, LH_BOOLEAN),
	COLUMN(accepted_at, LH_TIMESTAMPTZ),
	COLUMN(accepted_how, LH_TEXT),
	COLUMN(qualified_at, LH_TIMESTAMPTZ),
	COLUMN(disposed_at, LH_TIMESTAMPTZ),
	COLUMN(outcome, LH_TEXT),
	COLUMN(code, LH_TEXT),
	COLUMN(note, LH_TEXT),
	COLUMN(override_reason, LH_TEXT),
	COLUMN(recycle_due_at, LH_TIMESTAMPTZ),
	COLUMN(closed_at, LH_TIMESTAMPTZ),
	INT_COLUMN(undone),
	COLUMN(undone_at, LH_TIMESTAMPTZ),
	COLUMN(undone_stage, LH_TEXT),
	COLUMN(held_at, LH_TIMESTAMPTZ),
	COLUMN(signal_at, LH_TIMESTAMPTZ),
	COLUMN(reengaged_at, LH_TIMESTAMPTZ),
	INT_COLUMN(joined_activities),
	COLUMN(opportunity_at, LH_TIMESTAMPTZ),
	COLUMN(won_at, LH_TIMESTAMPTZ),
	COLUMN(lost_at, LH_TIMESTAMPTZ),
};

/* they and lead_key are written by one statement */
StaticAssertDecl(lengthof(columns) < LH_MAX_PARAMS, "too many columns for a statement");

static inline void *
member(const LhHandoff *handoff, const HandoffColumn *column)
{
	return (char *) handoff + column->offset;
}

/* The value of a column; false if it is null. */
static bool
get(const LhHandoff *handoff, const HandoffColumn *column, Datum *value)
{
	void	   *at = member(handoff, column);

	switch (column->type)
	{
		case LH_TEXT:
			*value = lh_text_datum(*(char **) at);
			return *(char **) at != NULL;
		case LH_BOOLEAN:
			*value = BoolGetDatum(*(bool *) at);
			return true;
		case LH_BIGINT:
			*value = Int64GetDatum(*(int64 *) at);
			return !column->zero_is_null || *(int64 *) at != 0;
		case LH_NUMERIC:
			*value = DirectFunctionCall1(float8_numeric, Float8GetDatum(*(double *) at));
			return !isnan(*(double *) at);
		case LH_TIMESTAMPTZ:
			*value = TimestampTzGetDatum(*(TimestampTz *) at);
			return *(TimestampTz *) at != LH_NOT_YET;
		case LH_DATE:
			*value = DateADTGetDatum(*(DateADT *) at);
			return *(DateADT *) at != DATEVAL_NOEND;
		case LH_TEXT_ARRAY:
			*value = lh_text_array(((LhTexts *) at)->values, ((LhTexts *) at)->n);
			return true;
		default:
			elog(ERROR, "handoff column \"%s\" has unexpected type", column->name);
	}
	return false;
}

const char *
lh_handoff_column(int i, Oid *type)
{
	if (i >= lengthof(columns))
		return NULL;
	*type = columns[i].is_int ? INT4OID : lh_type_oid(columns[i].type);
	return columns[i].name;
}

bool
lh_handoff_value(const LhHandoff *handoff, int i, Datum *value)
{
	bool		notnull = get(handoff, &columns[i], value);

	if (columns[i].is_int)
		*value = Int32GetDatum((int32) DatumGetInt64(*value));
	return notnull;
}

static void
set(LhHandoff *handoff, const HandoffColumn *column, Datum value)
{
	void	   *at = member(handoff, column);
	Datum	   *elements;
	LhTexts    *texts = at;

	switch (column->type)
	{
		case LH_TEXT:
			*(char **) at = TextDatumGetCString(value);
			break;
		case LH_BOOLEAN:
			*(bool *) at = DatumGetBool(value);
			break;
		case LH_BIGINT:
			*(int64 *) at = DatumGetInt64(value);
			break;
		case LH_NUMERIC:
			*(double *) at = DatumGetFloat8(DirectFunctionCall1(numeric_float8, value));
			break;
		case LH_TIMESTAMPTZ:
			*(TimestampTz *) at = DatumGetTimestampTz(value);
			break;
		case LH_DATE:
			*(DateADT *) at = DatumGetDateADT(value);
			break;
		case LH_TEXT_ARRAY:
			deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT,
							  &elements, NULL, &texts->n);
			texts->values = palloc_array(char *, Max(texts->n, 1));
			for (int i = 0; i < texts->n; i++)
				texts->values[i] = TextDatumGetCString(elements[i]);
			break;
		default:
			elog(ERROR, "handoff column \"%s\" has unexpected type", column->name);
	}
}

void
lh_handoff_init(LhHandoff *handoff)
{
	memset(handoff, 0, sizeof(*handoff));
	for (int i = 0; i < lengthof(columns); i++)
	{
		if (columns[i].type == LH_TIMESTAMPTZ)
			*(TimestampTz *) member(handoff, &columns[i]) = LH_NOT_YET;
		if (columns[i].type == LH_DATE)
			*(DateADT *) member(handoff, &columns[i]) = DATEVAL_NOEND;
		if (columns[i].type == LH_NUMERIC)
			*(double *) member(handoff, &columns[i]) = get_float8_nan();
	}
}

void
lh_handoff_from_jsonb(LhHandoff *handoff, Jsonb *doc)
{
	lh_handoff_init(handoff);
	for (int i = 0; i < lengthof(columns); i++)
	{
		JsonbValue	buffer;
		JsonbValue *value = getKeyJsonValueFromContainer(&doc->root, columns[i].name,
														 strlen(columns[i].name), &buffer);

		if (value != NULL && value->type != jbvNull)
			set(handoff, &columns[i], lh_value_from_json(columns[i].name, columns[i].type, value));
	}
}

static void
add_column(LhJson *json, const HandoffColumn *column, bool notnull, Datum value)
{
	JsonbValue	element;

	if (notnull)
		lh_value_to_json(&element, column->type, value);
	else
		element.type = jbvNull;
	lh_json_value(json, column->name, &element);
}

Jsonb *
lh_handoff_to_jsonb(const LhHandoff *handoff, const char *lead_key)
{
	LhJson		json;

	lh_json_begin(&json);
	lh_json_text(&json, "lead_key", lead_key);
	for (int i = 0; i < lengthof(columns); i++)
	{
		Datum		value;

		if (get(handoff, &columns[i], &value))
			add_column(&json, &columns[i], true, value);
	}
	return lh_json_end(&json);
}

static bool
same(const HandoffColumn *column, const LhHandoff *a, const LhHandoff *b)
{
	Datum		left;
	Datum		right;
	bool		has_left = get(a, column, &left);
	bool		has_right = get(b, column, &right);

	return has_left == has_right &&
		(!has_left || lh_type_equal(column->type, left, right));
}

bool
lh_handoff_equal(const LhHandoff *a, const LhHandoff *b)
{
	for (int i = 0; i < lengthof(columns); i++)
		if (!same(&columns[i], a, b))
			return false;
	return true;
}

void
lh_handoff_set(LhJson *json, const LhHandoff *before, const LhHandoff *after)
{
	lh_json_open(json, "set");
	for (int i = 0; i < lengthof(columns); i++)
	{
		Datum		value;
		bool		notnull = get(after, &columns[i], &value);

		/* a handoff that is not in the log yet is logged whole */
		if (before->handoff_no == 0 ? notnull : !same(&columns[i], before, after))
			add_column(json, &columns[i], notnull, value);
	}
	lh_json_close(json);
}
