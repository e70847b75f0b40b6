/*
 * src/flow/match.c
 *
 * Leads whose CRM names no account, and the accounts that are theirs by domain or name.
 *
 * What a lead is looked for by is kept with it (lead.match_keys), what accounts are found by in
 * handoff.account_match_key: a batch finds the accounts of all its leads in one statement, and an account that
 * comes or changes finds the leads that it may concern (intake_account.c).
 *
 * Of a lead and an account that are written in two transactions at the same moment, neither sees the other.
 * So whoever decides a lead holds the locks of its keys together with others, and whoever writes an account
 * those of its keys alone; a lead whose keys an account is being written with is decided, and queued again.
 */
#include "route/account_match.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "flow/batch.h"
#include "funcapi.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_match_account);

/* Finding ---------------------------------------------------------------------------------------- */

/* offset 0: key by key through the index, however many the planner thinks there are */
static LhStatement find_accounts = {
	"select m.key, a.account_key, a.name_key, coalesce((a.fields ->> 'named')::bool, false), "
	"coalesce(a.fields ->> 'owner', '') <> '', (a.fields ->> 'created_at')::timestamptz "
	"from unnest($1) k (key) cross join lateral (select key, account_key from handoff.account_match_key "
	"where key = k.key offset 0) m join handoff.account a on a.account_key = m.account_key "
	"where a.deleted_at is null",
	1, {TEXTARRAYOID}
};

static int
compare_hits(const void *a, const void *b)
{
	const LhMatchHit *left = a;
	const LhMatchHit *right = b;
	int			order = strcmp(left->key, right->key);

	return order != 0 ? order : strcmp(left->account->account_key, right->account->account_key);
}

static int
compare_accounts(const void *a, const void *b)
{
	return strcmp((*(LhMatchAccount *const *) a)->account_key, (*(LhMatchAccount *const *) b)->account_key);
}

/* An account has a row of the answer for each key: one of them stands for all. */
static void
unite_accounts(LhMatchHit *hits, int n)
{
	LhMatchAccount **accounts = palloc_array(LhMatchAccount *, n + 1);
	int			kept = 0;

	for (int i = 0; i < n; i++)
		accounts[i] = hits[i].account;
	qsort(accounts, n, sizeof(LhMatchAccount *), compare_accounts);
	for (int i = 0; i < n; i++)
		if (kept == 0 || compare_accounts(&accounts[kept - 1], &accounts[i]) != 0)
			accounts[kept++] = accounts[i];
	for (int i = 0; i < n; i++)
		hits[i].account = *(LhMatchAccount **) bsearch(&hits[i].account, accounts, kept, sizeof(LhMatchAccount *),
													   compare_accounts);
}

/* The accounts that have any of the keys. */
static LhMatchHit *
find_hits(char **keys, int nkeys, int *nhits)
{
	Datum		value = lh_text_array(keys, lh_sort_unique(keys, nkeys));
	int			n = lh_run(&find_accounts, &value, NULL);
	LhMatchHit *hits = palloc_array(LhMatchHit, n + 1);

	for (int i = 0; i < n; i++)
	{
		LhMatchAccount *account = palloc0_object(LhMatchAccount);

		account->account_key = lh_get_text(i, 2);
		account->name_key = lh_get_text(i, 3);
		account->named = lh_get_bool(i, 4);
		account->owned = lh_get_bool(i, 5);
		account->created_at = lh_get_time(i, 6, DT_NOEND);
		hits[i].key = lh_get_text(i, 1);
		hits[i].account = account;
	}
	unite_accounts(hits, n);
	qsort(hits, n, sizeof(LhMatchHit), compare_hits);
	*nhits = n;
	return hits;
}

/* Of a batch ------------------------------------------------------------------------------------- */

/* Is it ours to find the lead's account: it was read, and names none? */
static bool
is_sought(const LhBatchLead *slot)
{
	const LhInput *input = &slot->input;

	return slot->decide && input->row_read && input->row_present && slot->source->accounts &&
		input->row->isnull[lh_fieldset_find(input->row->set, "account_key")];
}

static void
seek(LhBatchLead *slot, LhMatchKeys *keys)
{
	LhFoundAccount *found = palloc0_object(LhFoundAccount);

	*keys = lh_match_keys(slot->input.row);
	found->keys = palloc_array(char *, LH_MAX_MATCH_KEYS);
	found->nkeys = lh_match_key_list(keys, found->keys);
	slot->input.found = found;
	for (int i = 0; i < found->nkeys; i++)
		if (!lh_lock_match_key(found->keys[i], false))
			slot->account_busy = true;
}

/*
 * One pass over the leads that seek: with the accounts that have their domains and names; or, of those for which
 * that settled nothing, with all that have any of their keys.  Numbers and postal codes are shared by many
 * accounts, and few leads need them.
 */
static void
match_leads(LhBatch *batch, const LhMatchKeys *keys, LhMatch *matches, bool last)
{
	char	  **all = palloc_array(char *, batch->nleads * LH_MAX_MATCH_KEYS + 1);
	int			n = 0;
	LhMatchHit *hits;
	int			nhits;

	for (int i = 0; i < batch->nleads; i++)
	{
		const LhFoundAccount *found = batch->leads[i].input.found;

		for (int k = 0; found != NULL && !matches[i].settled && k < found->nkeys; k++)
			if (last || lh_matches_alone(found->keys[k]))
				all[n++] = found->keys[k];
	}
	if (n == 0)
		return;
	hits = find_hits(all, n, &nhits);
	for (int i = 0; i < batch->nleads; i++)
		if (batch->leads[i].input.found != NULL && !matches[i].settled)
			matches[i] = lh_match(&keys[i], hits, nhits);
}

void
lh_batch_match(LhBatch *batch)
{
	LhMatchKeys *keys = palloc_array(LhMatchKeys, batch->nleads + 1);
	LhMatch    *matches = palloc0_array(LhMatch, batch->nleads + 1);

	for (int i = 0; i < batch->nleads; i++)
		if (is_sought(&batch->leads[i]))
			seek(&batch->leads[i], &keys[i]);
	match_leads(batch, keys, matches, false);
	match_leads(batch, keys, matches, true);
	for (int i = 0; i < batch->nleads; i++)
	{
		LhFoundAccount *found = batch->leads[i].input.found;

		if (found == NULL)
			continue;
		found->account_key = matches[i].account == NULL ? NULL : matches[i].account->account_key;
		found->method = matches[i].method;
		found->detail = lh_match_detail(&matches[i]);
	}
}

/* By hand ---------------------------------------------------------------------------------------- */

static LhMatch
match_of(Jsonb *fields, LhMatchKeys *keys)
{
	static const char *const names[] = {"email", "website", "company", "phone", "postal_code"};
	LhFieldSet *set = lh_fieldset_create(CurrentMemoryContext);
	LhFields   *row;
	char	   *list[LH_MAX_MATCH_KEYS];
	LhMatchHit *hits;
	int			nhits;

	for (int i = 0; i < lengthof(names); i++)
		lh_fieldset_add(set, names[i], LH_TEXT);
	row = lh_fields_create(set);
	lh_fields_from_jsonb(row, fields, 0, set->nfields);
	*keys = lh_match_keys(row);
	hits = find_hits(list, lh_match_key_list(keys, list), &nhits);
	return lh_match(keys, hits, nhits);
}

Datum
lh_match_account(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	LhMatchKeys keys;
	LhMatch		match;
	LhWorld		world;

	InitMaterializedSRF(fcinfo, 0);
	lh_enter(&world, true);
	lh_plan_by_key();
	SPI_connect();
	match = match_of(PG_GETARG_JSONB_P(0), &keys);
	for (int i = 0; i < match.ncandidates; i++)
	{
		bool		isnull[5] = {false};
		Datum		values[5] = {
			CStringGetTextDatum(match.candidates[i]->account_key), BoolGetDatum(i == 0),
			CStringGetTextDatum(match.method), CStringGetTextDatum(match.by), lh_text_datum(i == 0 ? match.why : NULL)
		};

		isnull[4] = i > 0;
		tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
	}
	SPI_finish();
	lh_leave(&world);
	return (Datum) 0;
}
