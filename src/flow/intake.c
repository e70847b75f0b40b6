/*
 * src/flow/intake.c
 *
 * What a row of each kind of source means: which leads it concerns, before they are locked, and what
 * is kept of it, after.
 *
 *		lead			its own lead; its converted contact becomes an alias, its opportunity a link
 *		activity		the lead it names, and the one that has it so far
 *		opportunity		the leads linked to it
 *		link			the lead it names, and the one that it linked so far
 *
 * A key that names no lead may be an alias: the contact that a lead was converted to.
 *
 * An opportunity and its links come in any order, perhaps in two transactions at once that don't see
 * each other; so both hold the opportunity's stripe while they are at work.
 */
#include "flow/batch.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Small things ------------------------------------------------------------------------------- */

static void
add_lead_key(LhItem *item, char *key)
{
	if (key == NULL)
		return;
	if (item->keys == NULL)
		item->keys = palloc_array(char *, 4);
	else if (item->nkeys >= 4)
		item->keys = repalloc_array(item->keys, char *, item->nkeys + 1);
	item->keys[item->nkeys++] = key;
}

/* A text field of a row that was read; NULL: null or not there. */
static char *
text_of(const LhSourceRow *row, const char *field)
{
	int			i = row->row == NULL ? -1 : lh_fieldset_find(row->row->set, field);

	return i < 0 || row->row->isnull[i] ? NULL : TextDatumGetCString(row->row->values[i]);
}

static char *
prefixed(const LhSource *source, const char *key)
{
	return key == NULL ? NULL : psprintf("%s%s", source->key_prefix, key);
}

/* (key, value) pairs, by key. */
typedef struct Pair
{
	char	   *key;
	char	   *value;
} Pair;

typedef struct Pairs
{
	int			n;
	Pair	   *pairs;
} Pairs;

static Pairs
answer_pairs(uint64 n)
{
	Pairs		all = {n, palloc_array(Pair, Max(n, 1))};

	for (int i = 0; i < n; i++)
	{
		all.pairs[i].key = lh_get_text(i, 1);
		all.pairs[i].value = lh_get_text(i, 2);
	}
	qsort(all.pairs, n, sizeof(Pair), lh_compare_keys);
	return all;
}

static char *
pair_value(const Pairs *all, const char *key)
{
	const Pair *found = all->n == 0 ? NULL :
		bsearch(&key, all->pairs, all->n, sizeof(Pair), lh_compare_keys);

	return found == NULL ? NULL : found->value;
}

/* Keep only the items whose leads we hold. */
static void
keep_held(LhBatch *batch, LhSourceItems *group)
{
	int			n = 0;

	for (int i = 0; i < group->n; i++)
		if (lh_batch_holds(batch, group->items[i]))
		{
			group->raw_keys[n] = group->raw_keys[i];
			group->items[n++] = group->items[i];
		}
	group->n = n;
}

/* Leads ("lead") ----------------------------------------------------------------------------- */

static void
find_of_leads(LhSourceItems *group)
{
	for (int i = 0; i < group->n; i++)
	{
		LhItem	   *item = group->items[i];

		item->lead_key = prefixed(group->source, item->raw_key);
		add_lead_key(item, item->lead_key);
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

/* The field's new value as a key, if it is there and has changed. */
static char *
changed_key(const LhBatchLead *slot, const LhSource *source, const LhSourceRow *row,
			const char *field)
{
	char	   *now = row->present ? text_of(row, field) : NULL;
	char	   *before = stored_text(slot, field);

	if (now == NULL || (before != NULL && strcmp(now, before) == 0))
		return NULL;
	return prefixed(source, now);
}

static void
write_conversions(LhRows *aliases, LhRows *dropped, LhRows *converted)
{
	uint64		n = lh_rows_flush(aliases);

	if (n > 0)
	{
		Pairs		fresh = answer_pairs(n);
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

static void
take_leads(LhBatch *batch, LhSourceItems *group)
{
	LhSourceRow *rows;
	LhRows		aliases;
	LhRows		dropped;
	LhRows		converted;

	keep_held(batch, group);
	rows = lh_source_read(group->source, group->raw_keys, group->n);
	lh_rows_begin(&aliases, &write_aliases);
	lh_rows_begin(&dropped, &drop_converted);
	lh_rows_begin(&converted, &write_converted);
	for (int i = 0; i < group->n; i++)
	{
		LhItem	   *item = group->items[i];
		LhBatchLead *slot = lh_batch_lead(batch, item->lead_key);
		char	   *contact = changed_key(slot, group->source, &rows[i], "converted_contact");
		char	   *opportunity = changed_key(slot, group->source, &rows[i], "converted_opportunity");
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
		else if (rows[i].present && text_of(&rows[i], "converted_opportunity") == NULL &&
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
		slot->input.backfill = item->backfill && !slot->exists;
		slot->input.seen_at = item->at;
		item->done = true;
	}
	write_conversions(&aliases, &dropped, &converted);
}

/* What names its lead: activities and links -------------------------------------------------- */

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

static LhStatement find_aliases = {
	"select alias_key, lead_key from handoff.alias where alias_key = any($1)", 1, {TEXTARRAYOID}
};

/* Which leads have the rows of a group so far. */
static Pairs
holders_of(const LhSourceItems *group)
{
	Datum		values[2] = {CStringGetTextDatum(group->source->name),
	lh_text_array(group->raw_keys, group->n)};

	return answer_pairs(lh_run(lh_source_is(group->source, "activity") ? &find_activities : &find_links,
							   values, NULL));
}

/* Has an activity happened, does a link link? */
static bool
is_complete(const LhSource *source, const LhSourceRow *row)
{
	int			at;

	if (!row->present || text_of(row, "lead_key") == NULL)
		return false;
	if (!lh_source_is(source, "activity"))
		return text_of(row, "opportunity_key") != NULL;
	at = lh_fieldset_find(row->row->set, "at");
	return !row->row->isnull[at] && !TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(row->row->values[at]));
}

/* Which lead each row names, aliases followed; NULL: none. */
static char **
named_leads(const LhSourceItems *group, const LhSourceRow *rows)
{
	char	  **keys = palloc_array(char *, group->n + 1);
	char	  **asked = palloc_array(char *, group->n + 1);
	int			nasked = 0;
	Pairs		aliases;
	Datum		value;

	for (int i = 0; i < group->n; i++)
	{
		keys[i] = is_complete(group->source, &rows[i]) ?
			prefixed(group->source, text_of(&rows[i], "lead_key")) : NULL;
		if (keys[i] != NULL)
			asked[nasked++] = keys[i];
	}
	value = lh_text_array(asked, nasked);
	aliases = answer_pairs(lh_run(&find_aliases, &value, NULL));
	for (int i = 0; i < group->n; i++)
	{
		char	   *lead = keys[i] == NULL ? NULL : pair_value(&aliases, keys[i]);

		if (lead != NULL)
			keys[i] = lead;
	}
	return keys;
}

static void
find_of_named(LhSourceItems *group)
{
	LhSourceRow *rows = lh_source_read(group->source, group->raw_keys, group->n);
	char	  **named = named_leads(group, rows);
	Pairs		holders = holders_of(group);

	for (int i = 0; i < group->n; i++)
	{
		LhItem	   *item = group->items[i];

		item->lead_key = named[i];
		add_lead_key(item, named[i]);
		add_lead_key(item, pair_value(&holders, item->raw_key));
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
	"returning a.lead_key, a.at, a.activity_key",
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
		slot->input.activity_at = Max(slot->input.activity_at, at);
	}
}

/* Leads with an activity that is gone, or, where those in the answer were held before, has changed. */
static void
take_changed_activities(LhBatch *batch, uint64 n, const Pairs *held)
{
	take_changed(batch, n);
	for (uint64 i = 0; i < n; i++)
	{
		LhBatchLead *slot = lh_batch_lead(batch, lh_get_text(i, 1));
		TimestampTz at = lh_get_time(i, 2, DT_NOBEGIN);

		if (slot == NULL)
			continue;
		if (held != NULL && pair_value(held, lh_get_text(i, 3)) != NULL)
			at = DT_NOBEGIN;	/* it may have been earlier */
		slot->input.changed_since = Min(slot->input.changed_since, at);
	}
}

/* Still the same lead as before the locks, and all that it concerns is ours? */
static bool
is_settled(LhBatch *batch, LhItem *item, const char *named, const char *holder)
{
	if ((named == NULL) != (item->lead_key == NULL) ||
		(named != NULL && strcmp(named, item->lead_key) != 0))
		return false;
	return lh_batch_holds(batch, item) &&
		(holder == NULL || lh_batch_lead(batch, holder) != NULL);
}

static void
take_activities(LhBatch *batch, LhSourceItems *group)
{
	LhSourceRow *rows = lh_source_read(group->source, group->raw_keys, group->n);
	char	  **named = named_leads(group, rows);
	Pairs		holders = holders_of(group);
	LhRows		kept;
	LhRows		gone;

	lh_rows_begin(&kept, &upsert_activities);
	lh_rows_begin(&gone, &delete_activities);
	for (int i = 0; i < group->n; i++)
	{
		LhItem	   *item = group->items[i];
		char	   *holder = pair_value(&holders, item->raw_key);
		Datum		values[7];

		if (!is_settled(batch, item, named[i], holder))
			continue;
		item->done = true;
		values[1] = CStringGetTextDatum(group->source->name);
		values[2] = CStringGetTextDatum(item->raw_key);
		if (holder != NULL && (named[i] == NULL || strcmp(holder, named[i]) != 0))
		{
			values[0] = CStringGetTextDatum(holder);
			lh_rows_add(&gone, values, NULL);
		}
		if (named[i] == NULL)
			continue;
		values[0] = CStringGetTextDatum(named[i]);
		values[3] = rows[i].row->values[lh_fieldset_find(rows[i].row->set, "at")];
		values[4] = TimestampTzGetDatum(item->at);
		values[5] = TimestampTzGetDatum(batch->now);
		values[6] = PointerGetDatum(lh_fields_to_jsonb(rows[i].row, LH_ACTIVITY_FIELDS_FIRST,
													   rows[i].row->set->nfields));
		lh_rows_add(&kept, values, NULL);
	}
	take_changed_activities(batch, lh_rows_flush(&gone), NULL);
	take_changed_activities(batch, lh_rows_flush(&kept), &holders);
}

static void
take_links(LhBatch *batch, LhSourceItems *group)
{
	LhSourceRow *rows = lh_source_read(group->source, group->raw_keys, group->n);
	char	  **named = named_leads(group, rows);
	Pairs		holders = holders_of(group);
	LhRows		kept;
	LhRows		gone;

	lh_rows_begin(&kept, &insert_links);
	lh_rows_begin(&gone, &delete_links);
	for (int i = 0; i < group->n; i++)
	{
		LhItem	   *item = group->items[i];
		char	   *opportunity = named[i] == NULL ? NULL :
			prefixed(group->source, text_of(&rows[i], "opportunity_key"));
		bool		isnull[4] = {named[i] == NULL, false, false, named[i] == NULL};
		Datum		values[4];

		if (!is_settled(batch, item, named[i], pair_value(&holders, item->raw_key)) ||
			(opportunity != NULL && !lh_lock_stripe(psprintf("opportunity %s", opportunity))))
			continue;
		item->done = true;
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
}

/* Opportunities ------------------------------------------------------------------------------ */

static LhStatement find_linked = {
	"select opportunity_key, lead_key from handoff.opportunity_link where opportunity_key = any($1)",
	1, {TEXTARRAYOID}
};

static LhStatement upsert_opportunities = {
	"insert into handoff.opportunity as o (opportunity_key, source, account_key, owner, created_at, closed_at, "
	"amount, currency, is_won, is_closed, version, seen_at, deleted_at) "
	"select u.opportunity_key, u.source, u.account_key, u.owner, u.created_at, u.closed_at, u.amount, u.currency, "
	"u.is_won, u.is_closed, u.version, u.seen_at, u.deleted_at "
	"from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) as u(opportunity_key, source, account_key, "
	"owner, created_at, closed_at, amount, currency, is_won, is_closed, version, seen_at, deleted_at) "
	"on conflict (opportunity_key) do update set account_key = excluded.account_key, owner = excluded.owner, "
	"created_at = excluded.created_at, closed_at = excluded.closed_at, amount = excluded.amount, "
	"currency = excluded.currency, is_won = excluded.is_won, is_closed = excluded.is_closed, "
	"version = excluded.version, deleted_at = excluded.deleted_at "
	"where o.version is null or excluded.version is null or excluded.version >= o.version",
	13,
	{
		TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID,
		NUMERICARRAYOID, TEXTARRAYOID, BOOLARRAYOID, BOOLARRAYOID, TIMESTAMPTZARRAYOID,
		TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID
	}
};

static LhStatement delete_opportunities = {
	"update handoff.opportunity set deleted_at = $2 where opportunity_key = any($1) and deleted_at is null",
	2, {TEXTARRAYOID, TIMESTAMPTZOID}
};

static char **
opportunity_keys(const LhSourceItems *group)
{
	char	  **keys = palloc_array(char *, group->n + 1);

	for (int i = 0; i < group->n; i++)
		keys[i] = prefixed(group->source, group->raw_keys[i]);
	return keys;
}

static void
find_of_opportunities(LhSourceItems *group)
{
	char	  **keys = opportunity_keys(group);
	Datum		value = lh_text_array(keys, group->n);
	Pairs		linked = answer_pairs(lh_run(&find_linked, &value, NULL));

	for (int i = 0; i < group->n; i++)
		for (int k = 0; k < linked.n; k++)
			if (strcmp(linked.pairs[k].key, keys[i]) == 0)
				add_lead_key(group->items[i], linked.pairs[k].value);
}

static void
add_opportunity(LhRows *rows, const LhSource *source, const char *key, const LhSourceRow *row,
				TimestampTz seen_at)
{
	const char *const fields[] = {
		"account_key", "owner", "created_at", "closed_at", "amount", "currency", "is_won", "is_closed"
	};
	Datum		values[13] = {CStringGetTextDatum(key), CStringGetTextDatum(source->name)};
	bool		isnull[13] = {false};

	for (int i = 0; i < lengthof(fields); i++)
	{
		int			field = lh_fieldset_find(row->row->set, fields[i]);

		values[i + 2] = row->row->values[field];
		isnull[i + 2] = row->row->isnull[field];
	}
	if (isnull[4])
		values[4] = TimestampTzGetDatum(seen_at);
	values[8] = BoolGetDatum(!isnull[8] && DatumGetBool(values[8]));
	values[9] = BoolGetDatum(DatumGetBool(values[8]) || (!isnull[9] && DatumGetBool(values[9])));
	if (DatumGetBool(values[9]) && isnull[5])
	{
		values[5] = TimestampTzGetDatum(row->version != DT_NOBEGIN ? row->version : seen_at);
		isnull[5] = false;
	}
	isnull[4] = isnull[8] = isnull[9] = false;
	values[10] = TimestampTzGetDatum(row->version);
	isnull[10] = row->version == DT_NOBEGIN;
	values[11] = TimestampTzGetDatum(seen_at);
	isnull[12] = true;
	lh_rows_add(rows, values, isnull);
}

static void
take_opportunities(LhBatch *batch, LhSourceItems *group)
{
	LhSourceRow *rows;
	LhRows		kept;
	char	  **gone = palloc_array(char *, group->n + 1);
	int			ngone = 0;

	keep_held(batch, group);
	rows = lh_source_read(group->source, group->raw_keys, group->n);
	lh_rows_begin(&kept, &upsert_opportunities);
	for (int i = 0; i < group->n; i++)
	{
		LhItem	   *item = group->items[i];
		char	   *key = prefixed(group->source, item->raw_key);

		if (!lh_lock_stripe(psprintf("opportunity %s", key)))
			continue;
		if (rows[i].present)
			add_opportunity(&kept, group->source, key, &rows[i], item->at);
		else
			gone[ngone++] = key;
		for (int k = 0; k < item->nkeys; k++)
		{
			LhBatchLead *slot = lh_batch_lead(batch, item->keys[k]);

			slot->decide = slot->decide || slot->exists;
		}
		item->done = true;
	}
	lh_rows_flush(&kept);
	if (ngone > 0)
	{
		Datum		values[2] = {lh_text_array(gone, ngone), TimestampTzGetDatum(batch->now)};

		lh_run(&delete_opportunities, values, NULL);
	}
}

/* By kind ------------------------------------------------------------------------------------ */

void
lh_find_leads(LhBatch *batch, LhSourceItems *group)
{
	if (lh_source_is(group->source, "lead"))
		find_of_leads(group);
	else if (lh_source_is(group->source, "opportunity"))
		find_of_opportunities(group);
	else
		find_of_named(group);
}

void
lh_take_rows(LhBatch *batch, LhSourceItems *group)
{
	if (lh_source_is(group->source, "lead"))
		take_leads(batch, group);
	else if (lh_source_is(group->source, "opportunity"))
		take_opportunities(batch, group);
	else if (lh_source_is(group->source, "link"))
		take_links(batch, group);
	else
		take_activities(batch, group);
}
