/*
 * src/flow/intake_opportunity.c
 *
 * Rows of a source of opportunities.  An opportunity and its links come in any order, perhaps in two
 * transactions at once that don't see each other; so both hold the opportunity's stripe while they are
 * at work.
 */
#include "flow/intake.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

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

/* Of a row that is marked as deleted the version counts as that of any other. */
static LhStatement delete_opportunities = {
	"update handoff.opportunity o set deleted_at = coalesce(o.deleted_at, u.at), version = greatest(o.version, u.version) "
	"from unnest($1, $2, $3) as u(opportunity_key, version, at) where o.opportunity_key = u.opportunity_key "
	"and (o.version is null or u.version is null or u.version >= o.version)",
	3, {TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID}
};

static char **
opportunity_keys(const LhSourceItems *group)
{
	char	  **keys = palloc_array(char *, group->n + 1);

	for (int i = 0; i < group->n; i++)
		keys[i] = lh_prefixed(group->source, group->raw_keys[i]);
	return keys;
}

/* The leads linked to the opportunities of a group become those that its items concern. */
void
lh_find_of_opportunities(LhSourceItems *group)
{
	char	  **keys = opportunity_keys(group);
	Datum		value = lh_text_array(keys, group->n);
	LhPairs		linked = lh_answer_pairs(lh_run(&find_linked, &value, NULL));

	for (int i = 0; i < group->n; i++)
		group->items[i]->nkeys = 0;
	for (int i = 0; i < group->n; i++)
		for (int k = 0; k < linked.n; k++)
			if (strcmp(linked.pairs[k].key, keys[i]) == 0)
				lh_add_lead_key(group->items[i], linked.pairs[k].value);
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
	if (!isnull[2])
		values[2] = CStringGetTextDatum(lh_prefixed(source, TextDatumGetCString(values[2])));
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

void
lh_take_opportunities(LhBatch *batch, LhSourceItems *group)
{
	LhSourceRow *rows;
	LhRows		kept;
	LhRows		gone;

	lh_find_of_opportunities(group);	/* a lead may have been merged before we had the lock */
	lh_keep_held(batch, group);
	rows = lh_read_group(batch, group);
	lh_rows_begin(&kept, &upsert_opportunities);
	lh_rows_begin(&gone, &delete_opportunities);
	for (int i = 0; i < group->n; i++)
	{
		LhItem	   *item = group->items[i];
		char	   *key = lh_prefixed(group->source, item->raw_key);

		if (!lh_lock_stripe(psprintf("opportunity %s", key)))
			continue;
		if (rows[i].present)
			add_opportunity(&kept, group->source, key, &rows[i], item->at);
		else
			lh_add_gone(&gone, key, &rows[i], batch->now);
		for (int k = 0; k < item->nkeys; k++)
		{
			LhBatchLead *slot = lh_batch_lead(batch, item->keys[k]);

			slot->decide = slot->decide || slot->exists;
		}
		item->done = true;
	}
	lh_rows_flush(&kept);
	lh_rows_flush(&gone);
}
