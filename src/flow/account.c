/*
 * src/flow/account.c
 *
 * Accounts: what is kept of them, and how a lead comes to know its own.
 *
 * An account's row is kept in handoff.account, and its leads are queued to be decided anew.  Of a lead
 * that is being decided in another transaction at that moment, neither sees what the other writes.  So
 * whoever writes an account holds its stripe alone, and whoever decides one of its leads holds it
 * together with others; a lead whose account is being written is decided, and queued once more.
 */
#include "flow/intake.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Rows of a source of accounts --------------------------------------------------------------- */

static LhStatement upsert_accounts = {
	"insert into handoff.account as a (account_key, source, raw_key, fields, version, seen_at) "
	"select u.account_key, u.source, u.raw_key, u.fields, u.version, u.seen_at "
	"from unnest($1, $2, $3, $4, $5, $6) as u(account_key, source, raw_key, fields, version, seen_at) "
	"on conflict (account_key) do update set source = excluded.source, raw_key = excluded.raw_key, fields = excluded.fields, "
	"version = excluded.version, deleted_at = null "
	"where (a.version is null or excluded.version is null or excluded.version >= a.version) "
	"and (a.fields <> excluded.fields or a.deleted_at is not null or a.version is distinct from excluded.version) "
	"returning a.account_key",
	6, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID}
};

static LhStatement delete_accounts = {
	"update handoff.account set deleted_at = $2 where account_key = any($1) and deleted_at is null returning account_key",
	2, {TEXTARRAYOID, TIMESTAMPTZOID}
};

static LhStatement queue_leads = {
	"insert into handoff.inbox (source, raw_key, op, xid, at) "
	"select l.source, l.raw_key, 'R', pg_current_xact_id(), $2 from handoff.lead l "
	"where l.account_key = any($1) and l.deleted_at is null",
	2, {TEXTARRAYOID, TIMESTAMPTZOID}
};

/* The leads of the accounts that the last answer names. */
static void
queue_leads_of(uint64 n)
{
	char	  **keys = palloc_array(char *, n + 1);
	Datum		values[2];

	if (n == 0)
		return;
	for (uint64 i = 0; i < n; i++)
		keys[i] = lh_get_text(i, 1);
	values[0] = lh_text_array(keys, n);
	values[1] = TimestampTzGetDatum(GetCurrentTimestamp());
	lh_run(&queue_leads, values, NULL);
}

void
lh_take_accounts(LhBatch *batch, LhSourceItems *group)
{
	const LhSource *source = group->source;
	LhSourceRow *rows;
	LhRows		kept;
	char	  **gone = palloc_array(char *, group->n + 1);
	int			ngone = 0;

	lh_keep_locked(group, "account");
	rows = lh_read_group(batch, group);
	lh_rows_begin(&kept, &upsert_accounts);
	for (int i = 0; i < group->n; i++)
	{
		char	   *key = lh_prefixed(source, group->raw_keys[i]);
		bool		isnull[6] = {false};
		Datum		values[6];

		group->items[i]->done = true;
		if (!rows[i].present)
		{
			gone[ngone++] = key;
			continue;
		}
		values[0] = CStringGetTextDatum(key);
		values[1] = CStringGetTextDatum(source->name);
		values[2] = CStringGetTextDatum(group->raw_keys[i]);
		values[3] = PointerGetDatum(lh_fields_to_jsonb(rows[i].row, 0, rows[i].row->set->nfields));
		values[4] = TimestampTzGetDatum(rows[i].version);
		isnull[4] = rows[i].version == DT_NOBEGIN;
		values[5] = TimestampTzGetDatum(group->items[i]->at);
		lh_rows_add(&kept, values, isnull);
	}
	queue_leads_of(lh_rows_flush(&kept));
	if (ngone > 0)
	{
		Datum		values[2] = {lh_text_array(gone, ngone), TimestampTzGetDatum(batch->now)};

		queue_leads_of(lh_run(&delete_accounts, values, NULL));
	}
}

/* The accounts of the leads that are decided ------------------------------------------------- */

static LhStatement read_accounts = {
	LH_READ_ACCOUNTS "where a.account_key = any($1) and a.deleted_at is null",
	1, {TEXTARRAYOID}
};

static LhStatement queue_again = {
	"insert into handoff.inbox (source, raw_key, op, xid, at) "
	"select u.source, u.raw_key, 'R', pg_current_xact_id(), u.at from unnest($1, $2, $3) as u(source, raw_key, at)",
	3, {TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID}
};

/* Key of the account that a lead has now: by its row if that was read. */
static char *
account_of(const LhBatchLead *slot)
{
	const LhInput *input = &slot->input;
	int			field;

	if (!input->row_read || !input->row_present)
		return slot->lead.account_key;
	field = lh_fieldset_find(input->row->set, "account_key");
	return input->row->isnull[field] ? NULL :
		lh_prefixed(slot->source, TextDatumGetCString(input->row->values[field]));
}

typedef struct LeadAccount
{
	const char *key;
	LhBatchLead *slot;
} LeadAccount;

static int
compare_lead_accounts(const void *a, const void *b)
{
	return strcmp(((const LeadAccount *) a)->key, ((const LeadAccount *) b)->key);
}

/* Hand each lead the account it belongs to; the answer's rows are in any order. */
static void
give_accounts(LeadAccount *of, int n, uint64 found)
{
	qsort(of, n, sizeof(LeadAccount), compare_lead_accounts);
	for (uint64 i = 0; i < found; i++)
	{
		LeadAccount key = {.key = lh_get_text(i, 1)};
		LeadAccount *at = bsearch(&key, of, n, sizeof(LeadAccount), compare_lead_accounts);
		Jsonb	   *fields = lh_get_jsonb(i, 2);

		while (at > of && strcmp(at[-1].key, key.key) == 0)
			at--;
		for (; at < of + n && strcmp(at->key, key.key) == 0; at++)
			at->slot->input.account = fields;
	}
}

/* What the leads to be decided know of their accounts. */
void
lh_batch_accounts(LhBatch *batch)
{
	LeadAccount *of = palloc_array(LeadAccount, batch->nleads + 1);
	char	  **keys = palloc_array(char *, batch->nleads + 1);
	LhRows		again;
	Datum		value;
	int			n = 0;

	lh_rows_begin(&again, &queue_again);
	for (int i = 0; i < batch->nleads; i++)
	{
		LhBatchLead *slot = &batch->leads[i];
		char	   *key;

		if (!slot->decide)
			continue;
		slot->input.account_read = true;
		key = account_of(slot);
		if (key == NULL)
			continue;
		if (!lh_lock_stripe_shared(psprintf("account %s", key)))
		{
			Datum		values[3] = {CStringGetTextDatum(slot->lead.source),
			CStringGetTextDatum(slot->lead.raw_key), TimestampTzGetDatum(GetCurrentTimestamp())};

			lh_rows_add(&again, values, NULL);
		}
		of[n].key = key;
		of[n].slot = slot;
		keys[n++] = key;
	}
	lh_rows_flush(&again);
	if (n == 0)
		return;
	value = lh_text_array(keys, lh_sort_unique(keys, n));
	give_accounts(of, n, lh_run(&read_accounts, &value, NULL));
}
