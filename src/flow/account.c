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

static LhIndex accounts_by_key = {"account", "account_pkey", 1, {"account_key"}};

static LhStatement queue_again = {
	"insert into handoff.inbox (source, raw_key, op, xid, at) "
	"select u.source, u.raw_key, 'R', pg_current_xact_id(), u.at from unnest($1, $2, $3) as u(source, raw_key, at)",
	3, {TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID}
};

char *
lh_account_of(const LhBatchLead *slot)
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

Jsonb *
lh_account_as_lead_fields(Jsonb *fields)
{
	JsonbIterator *it = JsonbIteratorInit(&fields->root);
	JsonbParseState *state = NULL;
	JsonbValue *named = NULL;
	JsonbValue	value;
	JsonbIteratorToken token;

	if (JB_ROOT_COUNT(fields) == 0)
		return NULL;
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			value.val.string.val = psprintf("account.%.*s", value.val.string.len, value.val.string.val);
			value.val.string.len = strlen(value.val.string.val);
		}
		named = pushJsonbValue(&state, token, token < WJB_BEGIN_ARRAY ? &value : NULL);
	}
	return JsonbValueToJsonb(named);
}

/* NULL: it is not there, or nothing is known of it. */
static Jsonb *
read_account(LhSearch *accounts, const char *key)
{
	Datum		value = CStringGetTextDatum(key);
	bool		isnull;

	if (!lh_search(accounts, &value))
		return NULL;
	lh_search_get(accounts, "deleted_at", &isnull);
	return isnull ? lh_account_as_lead_fields(DatumGetJsonbPCopy(lh_search_get(accounts, "fields", &isnull))) : NULL;
}

/* Hand each lead what is known of the account it belongs to. */
static void
give_accounts(LeadAccount *of, int n)
{
	LhSearch	accounts;
	Jsonb	   *fields = NULL;

	qsort(of, n, sizeof(LeadAccount), compare_lead_accounts);
	lh_search_begin(&accounts, &accounts_by_key);
	for (int i = 0; i < n; i++)
	{
		if (i == 0 || strcmp(of[i].key, of[i - 1].key) != 0)
			fields = read_account(&accounts, of[i].key);
		of[i].slot->input.account = fields;
	}
	lh_search_end(&accounts);
}

/* What the leads to be decided know of their accounts. */
void
lh_batch_accounts(LhBatch *batch)
{
	LeadAccount *of = palloc_array(LeadAccount, batch->nleads + 1);
	LhRows		again;
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
		key = lh_account_of(slot);
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
		of[n++].slot = slot;
	}
	lh_rows_flush(&again);
	if (n > 0)
		give_accounts(of, n);
}
