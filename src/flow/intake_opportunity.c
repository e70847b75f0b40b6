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

/*
 * Leads that an opportunity may count for by its account alone, the one that it had before included.  Only
 * those that have been handed over: see worked.c.
 */
static LhStatement find_of_accounts = {
	"select a.opportunity_key, l.lead_key from (select u.opportunity_key, u.account_key from unnest($1, $2) "
	"as u(opportunity_key, account_key) union select o.opportunity_key, o.account_key from handoff.opportunity o "
	"where o.opportunity_key = any($1)) a join handoff.lead l on l.account_key = a.account_key "
	"join handoff.contract c on c.contract_id = l.contract_id and c.opportunity_window is not null "
	"where exists (select from handoff.handoff h where h.lead_key = l.lead_key)",
	2, {TEXTARRAYOID, TEXTARRAYOID}
};

static LhStatement ask_windows = {
	"select from handoff.contract where opportunity_window is not null and status <> 'draft' limit 1", 0
};

/*
 * What the row doesn't tell: it was created when we first saw it, or, if it was closed before that, then; it was
 * closed when this version of the row was written.  Without versions that is when we first saw it closed.
 */
static LhStatement upsert_opportunities = {
	"insert into handoff.opportunity as o (opportunity_key, source, account_key, owner, created_at, closed_at, "
	"amount, currency, amount_reporting, is_won, is_closed, version, seen_at) "
	"select u.opportunity_key, u.source, u.account_key, u.owner, coalesce(u.created_at, "
	"least(coalesce(k.seen_at, u.seen_at), case when u.is_closed then u.closed_at end)), "
	"coalesce(u.closed_at, case when u.is_closed then coalesce(u.version, "
	"case when k.is_closed and k.is_won = u.is_won then k.closed_at end, u.seen_at) end), "
	"u.amount, u.currency, u.amount_reporting, u.is_won, u.is_closed, u.version, u.seen_at "
	"from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) as u(opportunity_key, source, account_key, "
	"owner, created_at, closed_at, amount, currency, amount_reporting, is_won, is_closed, version, seen_at) "
	"left join handoff.opportunity k on k.opportunity_key = u.opportunity_key "
	"on conflict (opportunity_key) do update set account_key = excluded.account_key, owner = excluded.owner, "
	"created_at = excluded.created_at, closed_at = excluded.closed_at, amount = excluded.amount, "
	"currency = excluded.currency, amount_reporting = excluded.amount_reporting, is_won = excluded.is_won, "
	"is_closed = excluded.is_closed, version = excluded.version, deleted_at = null "
	"where o.version is null or excluded.version is null or excluded.version >= o.version",
	13,
	{
		TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID,
		NUMERICARRAYOID, TEXTARRAYOID, NUMERICARRAYOID, BOOLARRAYOID, BOOLARRAYOID, TIMESTAMPTZARRAYOID,
		TIMESTAMPTZARRAYOID
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

static void
add_found(LhSourceItems *group, char *const *keys, LhPairs found)
{
	for (int i = 0; i < group->n; i++)
	{
		int			n;
		const LhPair *pair = lh_pair_first(&found, keys[i], &n);

		for (int k = 0; k < n; k++)
			lh_add_lead_key(group->items[i], pair[k].value);
	}
}

/* Leads of the accounts that the rows name, or named before. */
static void
find_by_account(LhSourceItems *group, char *const *keys)
{
	LhSourceRow *rows = lh_source_read(group->source, group->raw_keys, group->n);
	char	  **accounts = palloc_array(char *, group->n + 1);
	Datum		values[2];

	for (int i = 0; i < group->n; i++)
	{
		char	   *account = rows[i].present ? lh_prefixed(group->source, lh_row_text(&rows[i], "account_key")) : NULL;

		accounts[i] = account == NULL ? "" : account;
	}
	values[0] = lh_text_array(keys, group->n);
	values[1] = lh_text_array(accounts, group->n);
	add_found(group, keys, lh_answer_pairs(lh_run(&find_of_accounts, values, NULL)));
}

/* The leads that the opportunities of a group count for become those that its items concern. */
void
lh_find_of_opportunities(LhSourceItems *group)
{
	char	  **keys = opportunity_keys(group);
	Datum		value = lh_text_array(keys, group->n);

	for (int i = 0; i < group->n; i++)
		group->items[i]->nkeys = 0;
	add_found(group, keys, lh_answer_pairs(lh_run(&find_linked, &value, NULL)));
	if (lh_run(&ask_windows, NULL, NULL) > 0)
		find_by_account(group, keys);
}

static void
add_opportunity(LhRows *rows, const LhSource *source, const char *key, const LhSourceRow *row,
				TimestampTz seen_at)
{
	const char *const fields[] = {
		"account_key", "owner", "created_at", "closed_at", "amount", "currency", "amount_reporting", "is_won", "is_closed"
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
	values[9] = BoolGetDatum(!isnull[9] && DatumGetBool(values[9]));
	values[10] = BoolGetDatum(DatumGetBool(values[9]) || (!isnull[10] && DatumGetBool(values[10])));
	isnull[9] = isnull[10] = false;
	values[11] = TimestampTzGetDatum(row->version);
	isnull[11] = row->version == DT_NOBEGIN;
	values[12] = TimestampTzGetDatum(seen_at);
	lh_rows_add(rows, values, isnull);
}

void
lh_take_opportunities(LhBatch *batch, LhSourceItems *group)
{
	LhSourceRow *rows;
	LhRows		kept;
	LhRows		gone;

	/* a link that was written while we looked for the first time is seen now; one that is written later sees us */
	lh_keep_locked(group, "opportunity");
	lh_find_of_opportunities(group);
	lh_keep_held(batch, group);
	rows = lh_read_group(batch, group);
	lh_rows_begin(&kept, &upsert_opportunities);
	lh_rows_begin(&gone, &delete_opportunities);
	for (int i = 0; i < group->n; i++)
	{
		LhItem	   *item = group->items[i];
		char	   *key = lh_prefixed(group->source, item->raw_key);

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
