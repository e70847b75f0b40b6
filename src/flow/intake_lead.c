/*
 * src/flow/intake_lead.c
 *
 * Rows of a source of leads.  Each is its own lead; besides, the contact that it was converted to is
 * another key of it from then on (an alias), and the opportunity that it was converted to is linked.  The
 * row of a lead that was merged into another is as good as gone, but what it was converted to is the
 * survivor's (merge.c).  The row of a lead that was forgotten is left out, by its key or its person (tombstone.c).
 */
#include "flow/intake.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "flow/tombstone.h"
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
	lh_find_merges(group);
}

static LhStatement drop_converted = {
	"delete from handoff.opportunity_link k using unnest($1, $2, $3, $4) as u(lead_key, opportunity_key, source, link_key) "
	"where k.source = u.source and k.link_key = u.link_key and k.opportunity_key <> u.opportunity_key "
	"and k.link_kind = 'converted'",
	4, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

static LhStatement write_converted = {
	"insert into handoff.opportunity_link (lead_key, opportunity_key, source, link_key, link_kind) "
	"select u.lead_key, u.opportunity_key, u.source, u.link_key, 'converted' "
	"from unnest($1, $2, $3, $4) as u(lead_key, opportunity_key, source, link_key) on conflict do nothing",
	4, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
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

/* The field's new value, if the row tells one and it has changed. */
static char *
changed_text(const LhBatchLead *slot, const LhSourceRow *row, bool told, const char *field)
{
	char	   *now = told ? lh_row_text(row, field) : NULL;
	char	   *before = stored_text(slot, field);

	return now == NULL || (before != NULL && strcmp(now, before) == 0) ? NULL : now;
}

typedef struct Conversions
{
	LhRows		aliases;
	LhRows		dropped;
	LhRows		converted;
} Conversions;

static void
begin_conversions(Conversions *conversions)
{
	lh_aliases_begin(&conversions->aliases);
	lh_rows_begin(&conversions->dropped, &drop_converted);
	lh_rows_begin(&conversions->converted, &write_converted);
}

/* An older row than the lead knows, delivered late: what it says is over. */
static bool
is_stale(const LhBatchLead *slot, const LhSourceRow *row)
{
	return slot->exists && row->version != DT_NOBEGIN && row->version < slot->lead.version;
}

/* What a row's lead was converted to belongs to the lead it stands for; false: that is busy. */
static bool
add_conversion(Conversions *conversions, LhBatch *batch, const LhSource *source, const LhSourceRow *row,
			   const LhBatchLead *slot, char *stands_for)
{
	bool		told = (row->present || stands_for != slot->lead_key) && !is_stale(slot, row);
	char	   *contact = lh_prefixed(source, changed_text(slot, row, told, "converted_contact"));
	char	   *opportunity = lh_prefixed(source, changed_text(slot, row, told, "converted_opportunity"));
	Datum		values[4];

	if ((contact != NULL && !lh_lock_stripe(contact)) ||
		(opportunity != NULL && !lh_lock_stripe(psprintf("opportunity %s", opportunity))))
		return false;
	if (contact != NULL && !lh_is_forgotten(LH_TOMB_LEAD, contact))
	{
		lh_aliases_add(&conversions->aliases, contact, stands_for, "converted");
		/* the contact's activities become its own */
		lh_batch_lead(batch, stands_for)->input.changed_since = DT_NOBEGIN;
	}
	values[0] = CStringGetTextDatum(stands_for);
	values[1] = CStringGetTextDatum(opportunity == NULL ? "" : opportunity);
	values[2] = CStringGetTextDatum(source->name);
	values[3] = CStringGetTextDatum(slot->lead_key);
	/* taken back: whatever it was is none of its any more */
	if (opportunity != NULL || (row->present && told && lh_row_text(row, "converted_opportunity") == NULL &&
								stored_text(slot, "converted_opportunity") != NULL))
		lh_rows_add(&conversions->dropped, values, NULL);
	if (opportunity != NULL)
		lh_rows_add(&conversions->converted, values, NULL);
	return true;
}

static void
write_conversions(Conversions *conversions, TimestampTz now)
{
	lh_aliases_write(&conversions->aliases, now);
	lh_rows_flush(&conversions->dropped);
	lh_rows_flush(&conversions->converted);
}

/* Echoes of what we have written into the CRM ---------------------------------------------------- */

/* the owner is one whom the handoff was given to; the lead has gone on since, perhaps */
static LhStatement ours = {
	"select u.lead_key from unnest($1, $2, $3) as u(lead_key, handoff_no, crm_id) "
	"join handoff.rep r on r.crm_id = u.crm_id where exists (select from handoff.assignment a "
	"where a.lead_key = u.lead_key and a.handoff_no = u.handoff_no and a.rep = r.rep)",
	3, {TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID}
};

static LhStatement stages_then = {
	"select u.lead_key, s.stage from unnest($1, $2) as u(lead_key, at) cross join lateral ("
	" select h.stage from handoff.stage_history h where h.lead_key = u.lead_key"
	"   and h.entered_at <= u.at and u.at < h.left_at order by h.seq desc limit 1) s",
	2, {TEXTARRAYOID, TIMESTAMPTZARRAYOID}
};

typedef struct Echoes
{
	LhRows		owners;
	LhRows		statuses;
} Echoes;

static void
begin_echoes(Echoes *echoes)
{
	lh_rows_begin(&echoes->owners, &ours);
	lh_rows_begin(&echoes->statuses, &stages_then);
}

/* A change of a known lead that may be one; a status is older than the lead's stage then. */
static void
add_echoes(Echoes *echoes, const LhBatchLead *slot, const LhSourceRow *row)
{
	const LhLeadHandoff *open = lh_open_handoff(&slot->lead);
	char	   *owner = open == NULL ? NULL : changed_text(slot, row, row->present, "crm_owner");
	bool		is_back = open != NULL && open->h.undone_at != LH_NOT_YET;
	TimestampTz stage_since = is_back ? Max(slot->lead.stage_since, open->h.undone_at) : slot->lead.stage_since;
	Datum		values[3] = {CStringGetTextDatum(slot->lead_key)};

	if (owner != NULL)
	{
		values[1] = Int32GetDatum((int32) open->h.handoff_no);
		values[2] = CStringGetTextDatum(owner);
		lh_rows_add(&echoes->owners, values, NULL);
	}
	if (slot->input.crm_status != NULL && row->version != DT_NOBEGIN && row->version < stage_since)
	{
		values[1] = TimestampTzGetDatum(row->version);
		lh_rows_add(&echoes->statuses, values, NULL);
	}
}

static void
find_echoes(LhBatch *batch, Echoes *echoes)
{
	uint64		n = lh_rows_flush(&echoes->owners);

	for (uint64 i = 0; i < n; i++)
		lh_batch_lead(batch, lh_get_text(i, 1))->input.owner_is_ours = true;
	n = lh_rows_flush(&echoes->statuses);
	for (uint64 i = 0; i < n; i++)
		lh_batch_lead(batch, lh_get_text(i, 1))->input.stage_then = lh_get_text(i, 2);
}

void
lh_take_leads(LhBatch *batch, LhSourceItems *group)
{
	LhSourceRow *rows;
	LhMerging	merging;
	Conversions conversions;
	Echoes		echoes;
	bool	   *forgotten;

	lh_keep_held(batch, group);
	lh_leave_forgotten(batch, group);
	rows = lh_read_group(batch, group);
	merging = lh_begin_merging(batch, group, rows);
	lh_join_persons(batch, group, rows, &merging);
	forgotten = lh_forgotten_persons(batch, group, &merging);
	begin_conversions(&conversions);
	begin_echoes(&echoes);
	for (int i = 0; i < group->n; i++)
	{
		LhItem	   *item = group->items[i];
		LhBatchLead *slot = lh_batch_lead(batch, item->lead_key);
		char	   *stands_for = merging.stands_for[i];

		item->done = forgotten[i];
		if (forgotten[i] || merging.waits[i] ||
			!add_conversion(&conversions, batch, group->source, &rows[i], slot, stands_for))
			continue;
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
		slot->input.row_present = rows[i].present && stands_for == slot->lead_key;
		slot->input.row = rows[i].row;
		slot->input.version = LH_ROW_VERSION(&rows[i]);
		slot->input.crm_status = slot->exists ? changed_text(slot, &rows[i], rows[i].present, "crm_status") : NULL;
		if (slot->exists)
			add_echoes(&echoes, slot, &rows[i]);
		slot->input.backfill = item->backfill && !slot->exists;
		slot->input.seen_at = item->at;
		item->done = true;
	}
	write_conversions(&conversions, batch->now);
	find_echoes(batch, &echoes);
	lh_merge(batch, merging.merges, "source");
}
