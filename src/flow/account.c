/*
 * src/flow/account.c
 *
 * How a lead comes to know its account: the one that the CRM names, else the one that match.c finds.
 *
 * When an account changes, its leads are queued to be decided anew (intake_account.c).  Of a lead
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

static LhStatement read_accounts = {
	LH_READ_ACCOUNTS "where a.account_key = any($1) and a.deleted_at is null",
	1, {TEXTARRAYOID}
};

static LhStatement queue_again = {
	"insert into handoff.inbox (source, raw_key, op, xid, at) "
	"select u.source, u.raw_key, 'R', pg_current_xact_id(), u.at from unnest($1, $2, $3) as u(source, raw_key, at)",
	3, {TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID}
};

/* Key of the account that a lead has now: by its row if that was read, else as it was last decided. */
static char *
account_of(const LhBatchLead *slot)
{
	const LhInput *input = &slot->input;
	int			field;

	if (input->found != NULL)
		return input->found->account_key;
	if (!input->row_read || !input->row_present)
		return slot->lead.account_key;
	field = lh_fieldset_find(input->row->set, "account_key");
	if (!input->row->isnull[field])
		return lh_prefixed(slot->source, TextDatumGetCString(input->row->values[field]));
	return lh_is_matched(&slot->lead) ? slot->lead.account_key : NULL;
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

	lh_batch_match(batch);
	lh_rows_begin(&again, &queue_again);
	for (int i = 0; i < batch->nleads; i++)
	{
		LhBatchLead *slot = &batch->leads[i];
		char	   *key;

		if (!slot->decide)
			continue;
		slot->input.account_read = true;
		key = account_of(slot);
		if (key != NULL && !lh_lock_stripe_shared(psprintf("account %s", key)))
			slot->account_busy = true;
		if (slot->account_busy)
		{
			Datum		values[3] = {CStringGetTextDatum(slot->lead.source),
			CStringGetTextDatum(slot->lead.raw_key), TimestampTzGetDatum(GetCurrentTimestamp())};

			lh_rows_add(&again, values, NULL);
		}
		if (key == NULL)
			continue;
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
