/*
 * src/flow/intake_lead.c
 *
 * Rows of a source of leads.  Each is its own lead; besides, the contact that it was converted to is
 * another key of it from then on (an alias), and the opportunity that it was converted to is linked.
 */
#include "flow/intake.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

void
lh_find_of_leads(LhSourceItems *group)
{
	for (int i = 0; i < group->n; i++)
	{
		LhItem	   *item = group->items[i];

		item->lead_key = lh_prefixed(group->source, item->raw_key);
		lh_add_lead_key(item, item->lead_key);
	}
}

static LhStatement write_aliases = {
	"insert into handoff.alias as a (alias_key, lead_key) select u.alias_key, u.lead_key from unnest($1, $2) as u(alias_key, lead_key) "
	"on conflict (alias_key) do update set lead_key = excluded.lead_key where a.lead_key <> excluded.lead_key "
	"returning a.alias_key, a.lead_key",
	2, {TEXTARRAYOID, TEXTARRAYOID}
};

static LhStatement move_activities = {
	"update handoff.activity a set lead_key = u.lead_key, contract_id = null from unnest($1, $2) as u(alias_key, lead_key) "
	"where a.lead_key = u.alias_key",
	2, {TEXTARRAYOID, TEXTARRAYOID}
};

static LhStatement move_links = {
	"update handoff.opportunity_link k set lead_key = u.lead_key from unnest($1, $2) as u(alias_key, lead_key) "
	"where k.lead_key = u.alias_key",
	2, {TEXTARRAYOID, TEXTARRAYOID}
};

static LhStatement drop_converted = {
	"delete from handoff.opportunity_link k using unnest($1, $2) as u(lead_key, opportunity_key) "
	"where k.lead_key = u.lead_key and k.link_kind = 'converted' and k.opportunity_key <> u.opportunity_key",
	2, {TEXTARRAYOID, TEXTARRAYOID}
};

static LhStatement write_converted = {
	"insert into handoff.opportunity_link (lead_key, opportunity_key, source, link_key, link_kind) "
	"select u.lead_key, u.opportunity_key, u.source, u.lead_key, 'converted' "
	"from unnest($1, $2, $3) as u(lead_key, opportunity_key, source) on conflict do nothing",
	3, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

/* What was kept of a lead's field before; NULL: nothing. */
static char *
stored_text(const LhBatchLead *slot, const char *field)
{
	JsonbValue	buffer;
	JsonbValue *value;

	if (!slot->exists || slot->lead.fields == NULL)
		return NULL;
	value = getKeyJsonValueFromContainer(&slot->lead.fields->root, field, strlen(field), &buffer);
	return value == NULL || value->type != jbvString ? NULL :
		pnstrdup(value->val.string.val, value->val.string.len);
}

/* The field's new value, if it is there and has changed. */
static char *
changed_text(const LhBatchLead *slot, const LhSourceRow *row, const char *field)
{
	char	   *now = row->present ? lh_row_text(row, field) : NULL;
	char	   *before = stored_text(slot, field);

	return now == NULL || (before != NULL && strcmp(now, before) == 0) ? NULL : now;
}

static void
write_conversions(LhRows *aliases, LhRows *dropped, LhRows *converted)
{
	uint64		n = lh_rows_flush(aliases);

	if (n > 0)
	{
		LhPairs		fresh = lh_answer_pairs(n);
		char	  **keys = palloc_array(char *, n);
		char	  **leads = palloc_array(char *, n);
		Datum		values[2];

		for (int i = 0; i < n; i++)
		{
			keys[i] = fresh.pairs[i].key;
			leads[i] = fresh.pairs[i].value;
		}
		values[0] = lh_text_array(keys, n);
		values[1] = lh_text_array(leads, n);
		lh_run(&move_activities, values, NULL);
		lh_run(&move_links, values, NULL);
	}
	lh_rows_flush(dropped);
	lh_rows_flush(converted);
}

void
lh_take_leads(LhBatch *batch, LhSourceItems *group)
{
	LhSourceRow *rows;
	LhRows		aliases;
	LhRows		dropped;
	LhRows		converted;

	lh_keep_held(batch, group);
	rows = lh_read_group(batch, group);
	lh_rows_begin(&aliases, &write_aliases);
	lh_rows_begin(&dropped, &drop_converted);
	lh_rows_begin(&converted, &write_converted);
	for (int i = 0; i < group->n; i++)
	{
		LhItem	   *item = group->items[i];
		LhBatchLead *slot = lh_batch_lead(batch, item->lead_key);
		char	   *contact = lh_prefixed(group->source, changed_text(slot, &rows[i], "converted_contact"));
		char	   *opportunity = lh_prefixed(group->source, changed_text(slot, &rows[i], "converted_opportunity"));
		Datum		values[3];

		if ((contact != NULL && !lh_lock_stripe(contact)) ||
			(opportunity != NULL && !lh_lock_stripe(psprintf("opportunity %s", opportunity))))
			continue;
		if (contact != NULL)
		{
			values[0] = CStringGetTextDatum(contact);
			values[1] = CStringGetTextDatum(item->lead_key);
			lh_rows_add(&aliases, values, NULL);
			slot->input.changed_since = DT_NOBEGIN; /* the contact's activities become its own */
		}
		if (opportunity != NULL)
		{
			values[0] = CStringGetTextDatum(item->lead_key);
			values[1] = CStringGetTextDatum(opportunity);
			values[2] = CStringGetTextDatum(group->source->name);
			lh_rows_add(&dropped, values, NULL);
			lh_rows_add(&converted, values, NULL);
		}
		else if (rows[i].present && lh_row_text(&rows[i], "converted_opportunity") == NULL &&
				 stored_text(slot, "converted_opportunity") != NULL)
		{
			/* taken back: whatever it was is none of its any more */
			values[0] = CStringGetTextDatum(item->lead_key);
			values[1] = CStringGetTextDatum("");
			lh_rows_add(&dropped, values, NULL);
		}
		if (!slot->exists)
			lh_lead_init(&slot->lead, item->lead_key, group->source->name, item->raw_key);
		else if (strcmp(slot->lead.source, group->source->name) != 0)
		{
			/* the table was detached, and attached again under another name */
			slot->lead.source = group->source->name;
			slot->lead.raw_key = item->raw_key;
			slot->effects.changed = true;
		}
		slot->source = group->source;
		slot->decide = true;
		slot->input.row_read = true;
		slot->input.row_present = rows[i].present;
		slot->input.row = rows[i].row;
		slot->input.version = rows[i].version;
		slot->input.crm_status = slot->exists ? changed_text(slot, &rows[i], "crm_status") : NULL;
		slot->input.backfill = item->backfill && !slot->exists;
		slot->input.seen_at = item->at;
		item->done = true;
	}
	write_conversions(&aliases, &dropped, &converted);
}
