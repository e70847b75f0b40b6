/*
 * src/flow/intake_named.c
 *
 * Rows that name their lead: activities and links.  They concern the lead they name and the one that
 * has them so far; or all that have them: of a row that is new, and moves to another lead while the drain
 * that takes it in is under way, another drain sees neither row nor holder, and both leads get it.  doctor()
 * and reconcile() find such rows, and what takes the row again takes it from all but the one.  A key that names no lead may be an alias: the contact that a lead was converted to, or
 * a lead that was merged into another.
 */
#include "flow/intake.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "flow/tombstone.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* offset 0: key by key through the index, even if source alone looks selective (no statistics yet) */
static LhStatement find_activities = {
	"select a.activity_key, a.lead_key from unnest($2) k (key) "
	"cross join lateral (select activity_key, lead_key from handoff.activity "
	"where source = $1 and activity_key = k.key offset 0) a",
	2, {TEXTOID, TEXTARRAYOID}
};

static LhStatement find_links = {
	"select l.link_key, l.lead_key from unnest($2) k (key) "
	"cross join lateral (select link_key, lead_key from handoff.opportunity_link "
	"where source = $1 and link_key = k.key offset 0) l",
	2, {TEXTOID, TEXTARRAYOID}
};

/* Which leads have the rows of a group so far. */
static LhPairs
holders_of(const LhSourceItems *group)
{
	Datum		values[2] = {CStringGetTextDatum(group->source->name),
	lh_text_array(group->raw_keys, group->n)};

	return lh_answer_pairs(lh_run(lh_source_is(group->source, "activity") ? &find_activities : &find_links,
							   values, NULL));
}

/* Has an activity happened, does a link link? */
static bool
is_complete(const LhSource *source, const LhSourceRow *row)
{
	int			at;

	if (!row->present || lh_row_text(row, "lead_key") == NULL)
		return false;
	if (!lh_source_is(source, "activity"))
		return lh_row_text(row, "opportunity_key") != NULL;
	at = lh_fieldset_find(row->row->set, "at");
	return !row->row->isnull[at] && !TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(row->row->values[at]));
}

/* Which lead each row names, aliases followed; NULL: none, or one that was forgotten: those are told apart. */
static char **
named_leads(const LhSourceItems *group, const LhSourceRow *rows, bool *forgotten)
{
	char	  **keys = palloc_array(char *, group->n + 1);
	char	  **asked = palloc_array(char *, group->n + 1);
	int			nasked = 0;
	LhPairs		aliases;

	for (int i = 0; i < group->n; i++)
	{
		keys[i] = is_complete(group->source, &rows[i]) ?
			lh_prefixed(group->source, lh_row_text(&rows[i], "lead_key")) : NULL;
		if (keys[i] != NULL)
			asked[nasked++] = keys[i];
	}
	aliases = lh_aliases_of(asked, nasked);
	for (int i = 0; i < group->n; i++)
	{
		char	   *lead = keys[i] == NULL ? NULL : lh_pair_value(&aliases, keys[i]);

		if (lead != NULL)
			keys[i] = lead;
	}
	if (lh_which_are_forgotten(LH_TOMB_LEAD, keys, group->n, forgotten) > 0)
		for (int i = 0; i < group->n; i++)
			if (forgotten[i])
				keys[i] = NULL;
	return keys;
}

void
lh_find_of_named(LhSourceItems *group)
{
	LhSourceRow *rows = lh_source_read(group->source, group->raw_keys, group->n);
	bool	   *forgotten = palloc_array(bool, group->n + 1);
	char	  **named = named_leads(group, rows, forgotten);
	LhPairs		holders = holders_of(group);

	for (int i = 0; i < group->n; i++)
	{
		LhItem	   *item = group->items[i];

		int			nholders;
		const LhPair *holder = lh_pair_first(&holders, item->raw_key, &nholders);

		item->lead_key = named[i];
		lh_add_lead_key(item, named[i]);
		for (int k = 0; k < nholders; k++)
			lh_add_lead_key(item, holder[k].value);
	}
}

/* The columns of a table's change that take_named() gathers. */
static LhStatement upsert_activities = {
	"insert into handoff.activity as a (lead_key, source, activity_key, at, seen_at, taken_at, fields) "
	"select u.lead_key, u.source, u.activity_key, u.at, u.seen_at, u.taken_at, u.fields "
	"from unnest($1, $2, $3, $4, $5, $6, $7) as u(lead_key, source, activity_key, at, seen_at, taken_at, fields) "
	"on conflict (lead_key, source, activity_key) do update "
	"set at = excluded.at, fields = excluded.fields, contract_id = null "
	"where (a.at, a.fields) is distinct from (excluded.at, excluded.fields) "
	"returning a.lead_key, a.at, a.seen_at, a.activity_key",
	7,
	{
		TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID,
		JSONBARRAYOID
	}
};

static LhStatement delete_activities = {
	"delete from handoff.activity a using unnest($1, $2, $3) as u(lead_key, source, activity_key) "
	"where a.lead_key = u.lead_key and a.source = u.source and a.activity_key = u.activity_key "
	"returning a.lead_key, '-infinity'::pg_catalog.timestamptz",
	3, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

/* An activity that changes, or goes (at is null), as it has been; what came and went within one moment nobody has known. */
static LhStatement keep_past = {
	"insert into handoff.activity_past (lead_key, source, activity_key, ended_at, taken_at, at, fields, meanings, gone) "
	"select a.lead_key, a.source, a.activity_key, u.ended_at, t.taken_at, a.at, a.fields, a.meanings, u.gone "
	"from unnest($1, $2, $3, $4, $5, $6, $7) as u(lead_key, source, activity_key, ended_at, at, fields, gone) "
	"join handoff.activity a on a.lead_key = u.lead_key and a.source = u.source and a.activity_key = u.activity_key "
	"cross join lateral (select coalesce(max(p.ended_at), a.taken_at) as taken_at from handoff.activity_past p "
	"where p.lead_key = a.lead_key and p.source = a.source and p.activity_key = a.activity_key and p.ended_at >= a.taken_at) t "
	"where (a.at, a.fields) is distinct from (u.at, u.fields) and t.taken_at < u.ended_at on conflict do nothing",
	7, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, JSONBARRAYOID, BOOLARRAYOID}
};

static LhStatement insert_links = {
	"insert into handoff.opportunity_link as k (lead_key, source, link_key, opportunity_key, link_kind) "
	"select u.lead_key, u.source, u.link_key, u.opportunity_key, 'contact_role' "
	"from unnest($1, $2, $3, $4) as u(lead_key, source, link_key, opportunity_key) on conflict do nothing "
	"returning k.lead_key, '-infinity'::pg_catalog.timestamptz",
	4, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

static LhStatement delete_links = {
	"delete from handoff.opportunity_link k using unnest($1, $2, $3, $4) as u(lead_key, source, link_key, opportunity_key) "
	"where k.source = u.source and k.link_key = u.link_key "
	"and (k.lead_key, k.opportunity_key) is distinct from (u.lead_key, u.opportunity_key) "
	"returning k.lead_key, '-infinity'::pg_catalog.timestamptz",
	4, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

/* Leads in the answer have something new, or lost something: they are to be decided. */
static void
take_changed(LhBatch *batch, uint64 n)
{
	for (uint64 i = 0; i < n; i++)
	{
		LhBatchLead *slot = lh_batch_lead(batch, lh_get_text(i, 1));
		TimestampTz at = lh_get_time(i, 2, DT_NOBEGIN);

		if (slot == NULL)
			continue;
		slot->decide = slot->decide || slot->exists;
		if (at > slot->input.activity_at)
		{
			slot->input.activity_at = at;
			slot->input.activity_seen_at = lh_get_time(i, 3, DT_NOBEGIN);
		}
	}
}

/* Leads with an activity that is gone, or, where those in the answer were held before, has changed. */
static void
take_changed_activities(LhBatch *batch, uint64 n, const LhPairs *held)
{
	take_changed(batch, n);
	for (uint64 i = 0; i < n; i++)
	{
		LhBatchLead *slot = lh_batch_lead(batch, lh_get_text(i, 1));
		TimestampTz at = lh_get_time(i, 2, DT_NOBEGIN);

		if (slot == NULL)
			continue;
		if (held != NULL && lh_pair_value(held, lh_get_text(i, 4)) != NULL)
			at = DT_NOBEGIN;	/* it may have been earlier */
		slot->input.changed_since = Min(slot->input.changed_since, at);
	}
}

/* Still the same lead as before the locks, and all that it concerns is ours? */
static bool
is_settled(LhBatch *batch, LhItem *item, const char *named, const LhPairs *holders)
{
	int			n;
	const LhPair *holder = lh_pair_first(holders, item->raw_key, &n);

	if ((named == NULL) != (item->lead_key == NULL) ||
		(named != NULL && strcmp(named, item->lead_key) != 0))
		return false;
	for (int k = 0; k < n; k++)
		if (lh_batch_lead(batch, holder[k].value) == NULL)
			return false;
	return lh_batch_holds(batch, item);
}

/* Take an activity from the leads that have it, but the one that it names. */
static void
take_from_holders(const LhPairs *holders, const LhSourceItems *group, const LhItem *item,
				  const char *named, bool present, TimestampTz now, LhRows *gone, LhRows *past)
{
	static const bool isnull[7] = {false, false, false, false, true, true, false};
	int			n;
	const LhPair *holder = lh_pair_first(holders, item->raw_key, &n);

	for (int k = 0; k < n; k++)
	{
		Datum		values[7] = {
			CStringGetTextDatum(holder[k].value), CStringGetTextDatum(group->source->name),
			CStringGetTextDatum(item->raw_key), TimestampTzGetDatum(now), 0, 0, BoolGetDatum(!present)
		};

		if (named != NULL && strcmp(holder[k].value, named) == 0)
			continue;
		lh_rows_add(past, values, isnull);
		lh_rows_add(gone, values, NULL);
	}
}

/* Is it one that its lead has already? */
static bool
is_held(const LhPairs *holders, const LhItem *item, const char *named)
{
	int			n;
	const LhPair *holder = lh_pair_first(holders, item->raw_key, &n);

	for (int k = 0; k < n; k++)
		if (strcmp(holder[k].value, named) == 0)
			return true;
	return false;
}

/* As it is before it becomes what is kept. */
static void
add_past(LhRows *past, const Datum *kept)
{
	Datum		values[7] = {kept[0], kept[1], kept[2], kept[5], kept[3], kept[6], BoolGetDatum(false)};

	lh_rows_add(past, values, NULL);
}

void
lh_take_activities(LhBatch *batch, LhSourceItems *group)
{
	LhSourceRow *rows = lh_read_group(batch, group);
	bool	   *forgotten = palloc_array(bool, group->n + 1);
	char	  **named = named_leads(group, rows, forgotten);
	LhPairs		holders = holders_of(group);
	LhRows		past;
	LhRows		kept;
	LhRows		gone;
	int			nforgotten = 0;

	lh_rows_begin(&past, &keep_past);
	lh_rows_begin(&kept, &upsert_activities);
	lh_rows_begin(&gone, &delete_activities);
	for (int i = 0; i < group->n; i++)
	{
		LhItem	   *item = group->items[i];
		Datum		values[7];

		if (!is_settled(batch, item, named[i], &holders))
			continue;
		item->done = true;
		nforgotten += forgotten[i];
		take_from_holders(&holders, group, item, named[i], rows[i].present, batch->now, &gone, &past);
		if (named[i] == NULL)
			continue;
		values[0] = CStringGetTextDatum(named[i]);
		values[1] = CStringGetTextDatum(group->source->name);
		values[2] = CStringGetTextDatum(item->raw_key);
		values[3] = rows[i].row->values[lh_fieldset_find(rows[i].row->set, "at")];
		values[4] = TimestampTzGetDatum(item->at);
		values[5] = TimestampTzGetDatum(batch->now);
		values[6] = PointerGetDatum(lh_fields_to_jsonb(rows[i].row, LH_ACTIVITY_FIELDS_FIRST,
													   rows[i].row->set->nfields));
		lh_rows_add(&kept, values, NULL);
		if (is_held(&holders, item, named[i]))
			add_past(&past, values);
	}
	lh_rows_flush(&past);
	take_changed_activities(batch, lh_rows_flush(&gone), NULL);
	take_changed_activities(batch, lh_rows_flush(&kept), &holders);
	lh_count_forgotten(group->source, nforgotten);
}

void
lh_take_links(LhBatch *batch, LhSourceItems *group)
{
	LhSourceRow *rows = lh_read_group(batch, group);
	bool	   *forgotten = palloc_array(bool, group->n + 1);
	char	  **named = named_leads(group, rows, forgotten);
	LhPairs		holders = holders_of(group);
	LhRows		kept;
	LhRows		gone;
	int			nforgotten = 0;

	lh_rows_begin(&kept, &insert_links);
	lh_rows_begin(&gone, &delete_links);
	for (int i = 0; i < group->n; i++)
	{
		LhItem	   *item = group->items[i];
		char	   *opportunity = named[i] == NULL ? NULL :
			lh_prefixed(group->source, lh_row_text(&rows[i], "opportunity_key"));
		bool		isnull[4] = {named[i] == NULL, false, false, named[i] == NULL};
		Datum		values[4];

		if (!is_settled(batch, item, named[i], &holders) ||
			(opportunity != NULL && !lh_lock_stripe(psprintf("opportunity %s", opportunity))))
			continue;
		item->done = true;
		nforgotten += forgotten[i];
		values[0] = lh_text_datum(named[i]);
		values[1] = CStringGetTextDatum(group->source->name);
		values[2] = CStringGetTextDatum(item->raw_key);
		values[3] = lh_text_datum(opportunity);
		lh_rows_add(&gone, values, isnull);
		if (named[i] != NULL)
			lh_rows_add(&kept, values, NULL);
	}
	take_changed(batch, lh_rows_flush(&gone));
	take_changed(batch, lh_rows_flush(&kept));
	lh_count_forgotten(group->source, nforgotten);
}
