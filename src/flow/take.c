/*
 * src/flow/take.c
 *
 * The first step of a decision: what is new about the lead itself.  Its row may have come, changed or
 * gone, and so may its account; what is kept of both is compared field by field, and what differs is an
 * event.
 */
#include "flow/journey.h"

#include "json.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

void
lh_take_newest(LhLead *lead, const char *trigger, TimestampTz at, TimestampTz seen_at)
{
	if (lead->trigger == NULL || at > lead->trigger_at)
	{
		lead->trigger = pstrdup(trigger);
		lead->trigger_at = at;
		lead->seen_at = seen_at;
	}
}

/* Fields that are kept with the lead from an older version, and that this one doesn't know. */
static bool
forgotten_fields(const LhDecision *decision, LhJson *json, bool as_old)
{
	JsonbIterator *it;
	JsonbValue	v;
	JsonbIteratorToken token;
	bool		any = false;

	if (decision->lead->fields == NULL)
		return false;
	it = JsonbIteratorInit(&decision->lead->fields->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		char	   *name;
		int			field;

		if (token != WJB_KEY)
			continue;
		name = pnstrdup(v.val.string.val, v.val.string.len);
		(void) JsonbIteratorNext(&it, &v, true);
		field = lh_fieldset_find(decision->contract->lead_set, name);
		if (field >= 0 && field < decision->contract->nkept)
			continue;
		any = true;
		if (!as_old)
			v.type = jbvNull;
		lh_json_value(json, name, &v);
	}
	return any;
}

static bool
same_value(const LhFieldSet *set, int field, const LhFields *a, const LhFields *b)
{
	return a->isnull[field] == b->isnull[field] &&
		(a->isnull[field] || lh_type_equal(set->fields[field].type, a->values[field], b->values[field]));
}

/* Old and new values of the mapped fields that differ, as the detail of a "fields" event. */
static Jsonb *
field_differences(const LhDecision *decision, const LhFields *before, const LhFields *after)
{
	const LhFieldSet *set = decision->contract->lead_set;
	LhJson		json;
	JsonbValue	value;
	bool		any = false;

	lh_json_begin(&json);
	for (int pass = 0; pass < 2; pass++)
	{
		const LhFields *row = pass == 0 ? before : after;

		lh_json_open(&json, pass == 0 ? "old" : "new");
		for (int i = 0; i < decision->contract->nkept; i++)
		{
			if (same_value(set, i, before, after))
				continue;
			any = true;
			if (row->isnull[i])
				value.type = jbvNull;
			else
				lh_value_to_json(&value, set->fields[i].type, row->values[i]);
			lh_json_value(&json, set->fields[i].name, &value);
		}
		any |= forgotten_fields(decision, &json, pass == 0);
		lh_json_close(&json);
	}
	return any ? lh_json_end(&json) : NULL;
}

/* What is kept of the source's row and of the account's, as it is now; take_row: the row is new. */
static LhFields *
fields_now(const LhDecision *decision, bool take_row)
{
	const LhContract *contract = decision->contract;
	const LhInput *input = decision->input;
	const LhFields *before = decision->lead->row;
	LhFields   *now = lh_fields_create(contract->lead_set);

	for (int i = 0; i < contract->nkept; i++)
	{
		const LhFields *from = i >= contract->nmapped || !take_row ? before : input->row;

		now->values[i] = from->values[i];
		now->isnull[i] = from->isnull[i];
	}
	if (!input->account_read)
		return now;
	for (int i = contract->nmapped; i < contract->nkept; i++)
		lh_fields_set_null(now, i);
	if (input->account != NULL)
		lh_fields_from_jsonb(now, input->account, contract->nmapped, contract->nkept);
	return now;
}

static void
keep_fields(LhDecision *decision, const LhFields *now)
{
	LhLead	   *lead = decision->lead;

	for (int i = 0; i < decision->contract->nkept; i++)
	{
		lead->row->values[i] = now->values[i];
		lead->row->isnull[i] = now->isnull[i];
	}
	lead->fields = lh_fields_to_jsonb(lead->row, 0, decision->contract->nkept);
	lead->person_key = lh_person_key(lh_get_text_field(decision, "person_key"),
									 lh_get_text_field(decision, "email"));
}

static void
create_lead(LhDecision *decision)
{
	LhLead	   *lead = decision->lead;
	LhJson		json;

	keep_fields(decision, fields_now(decision, true));
	lead->contract_id = decision->contract->contract_id;
	lead->cycle = 1;
	lead->cycle_since = DT_NOBEGIN;
	lead->intent_since = DT_NOBEGIN;
	lead->first_seen_at = decision->input->seen_at;
	decision->stage = lh_contract_default_stage(decision->contract);

	lh_json_begin(&json);
	lh_json_text(&json, "source", lead->source);
	lh_json_text(&json, "raw_key", lead->raw_key);
	lh_json_text(&json, "stage", decision->contract->stages[decision->stage].name);
	lh_json_jsonb(&json, "new", lead->fields);
	lh_decision_event(decision, "created", NULL, "source", lh_json_end(&json));
	lh_take_account(decision);
	lh_enter_first_stage(decision);
}

/* Has this field become what view writeback says, so that it may be ourselves who wrote it? */
static bool
is_echo(const LhDecision *decision, int field, const LhFields *now)
{
	const char *name = decision->contract->lead_set->fields[field].name;

	if (now->isnull[field])
		return false;
	if (strcmp(name, "crm_owner") == 0)
		return decision->input->owner_is_ours;
	return strcmp(name, "crm_status") == 0 &&
		lh_status_says_what_is(decision, TextDatumGetCString(now->values[field]));
}

/* Is anything among what differs that is not an echo of our own? */
static bool
is_news(const LhDecision *decision, const LhFields *before, const LhFields *now)
{
	for (int i = 0; i < decision->contract->nkept; i++)
		if (!same_value(decision->contract->lead_set, i, before, now) && !is_echo(decision, i, now))
			return true;
	return false;
}

/* True: there is news, of a row that somebody else has written. */
static bool
change_fields(LhDecision *decision, bool take_row)
{
	const LhFieldSet *set = decision->contract->lead_set;
	LhFields   *now = fields_now(decision, take_row);
	Jsonb	   *differences = field_differences(decision, decision->lead->row, now);
	bool		news;

	if (differences == NULL)
		return false;
	decision->crm_owner_changed = !same_value(set, lh_fieldset_find(set, "crm_owner"), decision->lead->row, now);
	news = is_news(decision, decision->lead->row, now);
	keep_fields(decision, now);
	lh_decision_event(decision, "fields", NULL, "source", differences);
	return news;
}

static Jsonb *
empty_object(void)
{
	LhJson		json;

	lh_json_begin(&json);
	return lh_json_end(&json);
}

/*
 * The time of a row that is new: its version if one is mapped, else its capture.  A row that was
 * there before the source was attached is as old as its lead, or, if that isn't known, older than
 * everything.
 */
static TimestampTz
row_time(const LhDecision *decision)
{
	const LhInput *input = decision->input;
	int			created_at = lh_fieldset_find(decision->contract->lead_set, "created_at");

	if (input->backfill)
		return input->row->isnull[created_at] ? DT_NOBEGIN :
			DatumGetTimestampTz(input->row->values[created_at]);
	return input->version != DT_NOBEGIN ? input->version : input->seen_at;
}

/* Kept even if nothing else has changed: it decides which row is older. */
static void
take_version(LhDecision *decision)
{
	if (decision->input->version != decision->lead->version)
		decision->effects->changed = true;
	decision->lead->version = decision->input->version;
}

/* The lead's row is gone, or it has been merged into another lead, or it is to be forgotten. */
static void
take_absence(LhDecision *decision)
{
	LhLead	   *lead = decision->lead;
	const LhInput *input = decision->input;
	bool		merged = input->merged_into != NULL;
	bool		forgotten = input->forgotten_by != NULL;
	const char *why = merged ? "merged" : forgotten ? "forgotten" : "deleted";
	const char *actor = merged ? input->merged_by : forgotten ? input->forgotten_by : "source";
	LhEvent    *event;
	LhJson		json;

	if (!lead->exists || (lead->deleted_at != DT_NOEND && !merged && !forgotten))
		return;
	lh_json_begin(&json);
	lh_json_text(&json, "into", input->merged_into);
	event = lh_decision_event(decision, merged ? "merged" : forgotten ? "forgotten" : "deleted", NULL, actor, lh_json_end(&json));
	if (forgotten)
		event->notify = "lead.forgotten";
	if (lead->deleted_at != DT_NOEND)
		return;
	lead->deleted_at = decision->now;
	if (lh_open_handoff(lead) != NULL)
		lh_close_handoff(decision, lh_open_handoff(lead), "withdrawn", why, NULL, actor);
	for (int i = 0; i < LH_NCLOCKS; i++)
		lh_set_clock(decision, i, "", DT_NOEND);
}

/* The source's row as it is now; false if there is nothing to decide any more. */
bool
lh_take_row(LhDecision *decision)
{
	LhLead	   *lead = decision->lead;
	const LhInput *input = decision->input;
	bool		news;

	if (!input->row_read)
	{
		if (!lead->exists || lead->deleted_at != DT_NOEND)
			return false;
		change_fields(decision, false);
		return true;
	}
	if (input->merged_into == NULL && input->version != DT_NOBEGIN && input->version < lead->version)
		return lead->deleted_at == DT_NOEND;	/* an older row, delivered late */
	if (!input->row_present)
	{
		if (lead->exists && input->version != DT_NOBEGIN)
			take_version(decision);
		take_absence(decision);
		return false;
	}
	take_version(decision);
	if (!lead->exists)
	{
		lh_take_newest(lead, "row", row_time(decision), input->seen_at);
		create_lead(decision);
		return true;
	}
	if (lead->deleted_at != DT_NOEND)
	{
		lead->deleted_at = DT_NOEND;
		decision->restored = true;
		lh_decision_event(decision, "restored", NULL, "source", empty_object());
	}
	news = change_fields(decision, true);
	lh_take_account(decision);
	decision->crm_status = input->crm_status;
	if (news || decision->restored)
		lh_take_newest(lead, "row", row_time(decision), input->seen_at);
	return true;
}
