/*
 * src/flow/intake_account.c
 *
 * Rows of a source of accounts.  Each is kept in handoff.account, with the keys that leads find it by, and
 * queues the leads that it concerns: its own, and those whose CRM names no account and that have one of
 * its keys, before or now.
 *
 * Whoever writes an account holds it and all these keys alone, or the row waits; see account.c and match.c for
 * those who read them.  So what is stored of an account stands still between the first statement here and
 * the last.
 */
#include "flow/intake.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "route/account_match.h"
#include "route/domain.h"
#include "sql.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* An account whose row was read, with what is stored of it. */
typedef struct TakenAccount
{
	LhItem	   *item;
	const LhSourceRow *row;		/* not present: it is gone, and so are its keys */
	char	   *account_key;
	char	   *name_key;
	int			nkeys;
	char	  **keys;			/* sorted, each once */

	TimestampTz version;		/* DT_NOBEGIN: none */
	char	   *name_key_before;
	int			nkeys_before;
	char	  **keys_before;	/* the same */
	bool		changed;
} TakenAccount;

/* What it is found by ---------------------------------------------------------------------------- */

static LhStatement read_stored = {
	"select a.account_key, a.version, a.name_key, array(select m.key from handoff.account_match_key m "
	"where m.account_key = a.account_key order by m.key collate \"C\") "
	"from handoff.account a where a.account_key = any($1)",
	1, {TEXTARRAYOID}
};

static LhStatement read_said = {
	"select account_key, domain, owns from handoff.account_domain where account_key = any($1)", 1, {TEXTARRAYOID}
};

static LhStatement read_listed = {
	"select domain from handoff.mail_domain where domain = any($1)", 1, {TEXTARRAYOID}
};

static int
compare_taken(const void *a, const void *b)
{
	return strcmp(((const TakenAccount *) a)->account_key, ((const TakenAccount *) b)->account_key);
}

static TakenAccount *
taken_of(TakenAccount *taken, int n, char *account_key)
{
	TakenAccount key = {.account_key = account_key};

	return bsearch(&key, taken, n, sizeof(TakenAccount), compare_taken);
}

static Datum
account_keys(const TakenAccount *taken, int n)
{
	char	  **keys = palloc_array(char *, n + 1);

	for (int i = 0; i < n; i++)
		keys[i] = taken[i].account_key;
	return lh_text_array(keys, n);
}

static void
read_what_is_stored(TakenAccount *taken, int n)
{
	Datum		keys = account_keys(taken, n);
	uint64		found = lh_run(&read_stored, &keys, NULL);

	for (uint64 i = 0; i < found; i++)
	{
		TakenAccount *account = taken_of(taken, n, lh_get_text(i, 1));

		account->version = lh_get_time(i, 2, DT_NOBEGIN);
		account->name_key_before = lh_get_text(i, 3);
		account->nkeys_before = lh_get_texts(i, 4, &account->keys_before);
	}
}

static void
add_key(TakenAccount *account, const char *kind, char *value)
{
	if (value == NULL)
		return;
	account->keys = account->keys == NULL ? palloc_array(char *, 1) :
		repalloc_array(account->keys, char *, account->nkeys + 1);
	account->keys[account->nkeys++] = psprintf("%s%s", kind, value);
}

/* Domains that its row names; they are looked at once more, when we know which are listed. */
static void
add_domains(TakenAccount *account)
{
	const LhSourceRow *row = account->row;
	int			field = lh_fieldset_find(row->row->set, "domains");
	Datum	   *domains;
	int			n = 0;

	add_key(account, LH_KEY_DOMAIN, lh_registrable_domain(lh_match_text(row->row, "domain")));
	add_key(account, LH_KEY_DOMAIN, lh_registrable_domain(lh_match_text(row->row, "website")));
	if (!row->row->isnull[field])
		deconstruct_array(DatumGetArrayTypeP(row->row->values[field]), TEXTOID, -1, false, TYPALIGN_INT,
						  &domains, NULL, &n);
	for (int i = 0; i < n; i++)
		add_key(account, LH_KEY_DOMAIN, lh_registrable_domain(TextDatumGetCString(domains[i])));
}

/* A domain that anybody can have an address at is the account's own only if it is called like it. */
static void
set_listed_apart(TakenAccount *taken, int n)
{
	char	  **domains;
	int			ndomains = 0;
	int			nlisted;
	char	  **listed;
	Datum		value;

	for (int i = 0; i < n; i++)
		ndomains += taken[i].nkeys;
	domains = palloc_array(char *, ndomains + 1);
	ndomains = 0;
	for (int i = 0; i < n; i++)
		for (int k = 0; k < taken[i].nkeys; k++)
			domains[ndomains++] = taken[i].keys[k] + strlen(LH_KEY_DOMAIN);
	value = lh_text_array(domains, lh_sort_unique(domains, ndomains));
	nlisted = ndomains == 0 ? 0 : lh_run(&read_listed, &value, NULL);
	listed = palloc_array(char *, nlisted + 1);
	for (int i = 0; i < nlisted; i++)
		listed[i] = lh_get_text(i, 1);
	qsort(listed, nlisted, sizeof(char *), lh_compare_keys);
	for (int i = 0; i < n && nlisted > 0; i++)
		for (int k = 0; k < taken[i].nkeys; k++)
		{
			char	   *domain = taken[i].keys[k] + strlen(LH_KEY_DOMAIN);

			if (bsearch(&domain, listed, nlisted, sizeof(char *), lh_compare_keys) != NULL &&
				!lh_is_named_after(domain, taken[i].name_key))
				taken[i].keys[k] = psprintf("%s%s", LH_KEY_LISTED, domain);
		}
}

/* What handoff.account_domain says counts more than the row. */
static void
add_what_is_said(TakenAccount *taken, int n)
{
	Datum		keys = account_keys(taken, n);
	uint64		found = lh_run(&read_said, &keys, NULL);

	for (uint64 i = 0; i < found; i++)
	{
		TakenAccount *account = taken_of(taken, n, lh_get_text(i, 1));
		char	   *domain = lh_get_text(i, 2);
		char	   *key = psprintf("%s%s", LH_KEY_DOMAIN, domain);
		int			kept = 0;

		if (!account->row->present)
			continue;
		for (int k = 0; k < account->nkeys; k++)
			if (strcmp(account->keys[k], key) != 0 &&
				strcmp(account->keys[k], psprintf("%s%s", LH_KEY_LISTED, domain)) != 0)
				account->keys[kept++] = account->keys[k];
		account->nkeys = kept;
		if (lh_get_bool(i, 3))
			add_key(account, LH_KEY_DOMAIN, domain);
	}
}

static void
find_keys(TakenAccount *taken, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (!taken[i].row->present)
			continue;
		taken[i].name_key = lh_company_name_key(lh_match_text(taken[i].row->row, "name"));
		add_domains(&taken[i]);
	}
	set_listed_apart(taken, n);
	add_what_is_said(taken, n);
	for (int i = 0; i < n; i++)
	{
		TakenAccount *account = &taken[i];

		if (account->name_key != NULL)
		{
			add_key(account, LH_KEY_NAME, account->name_key);
			add_key(account, LH_KEY_PHONE, lh_phone_key(lh_match_text(account->row->row, "phone")));
			add_key(account, LH_KEY_POSTAL, lh_postal_key(lh_match_text(account->row->row, "postal_code")));
		}
		if (account->nkeys > 0)
			account->nkeys = lh_sort_unique(account->keys, account->nkeys);
	}
}

/* Which rows ------------------------------------------------------------------------------------- */

static bool
lock_keys(char *const *keys, int n)
{
	for (int i = 0; i < n; i++)
		if (!lh_lock_match_key(keys[i], true))
			return false;
	return true;
}

/*
 * The accounts of a group that are to be written, in order of key: not those whose row is older than what
 * is stored, nor those with a key of which a lead is being decided by somebody else.
 */
static TakenAccount *
take_group(LhBatch *batch, LhSourceItems *group, int *ntaken)
{
	LhSourceRow *rows;
	TakenAccount *taken;
	int			n = 0;

	lh_keep_locked(group, "account");
	rows = lh_read_group(batch, group);
	taken = palloc0_array(TakenAccount, group->n + 1);
	for (int i = 0; i < group->n; i++)
	{
		taken[i].item = group->items[i];
		taken[i].row = &rows[i];
		taken[i].account_key = lh_prefixed(group->source, group->raw_keys[i]);
		taken[i].version = DT_NOBEGIN;
	}
	qsort(taken, group->n, sizeof(TakenAccount), compare_taken);
	read_what_is_stored(taken, group->n);
	find_keys(taken, group->n);
	for (int i = 0; i < group->n; i++)
	{
		TakenAccount *account = &taken[i];

		if (LH_ROW_VERSION(account->row) != DT_NOBEGIN && account->row->version < account->version)
			account->item->done = true;
		else if (lock_keys(account->keys_before, account->nkeys_before) && lock_keys(account->keys, account->nkeys))
		{
			account->item->done = true;
			taken[n++] = *account;
		}
	}
	*ntaken = n;
	return taken;
}

/* Writing ---------------------------------------------------------------------------------------- */

static LhStatement upsert_accounts = {
	"insert into handoff.account as a (account_key, source, raw_key, fields, version, seen_at, name_key) "
	"select u.account_key, u.source, u.raw_key, u.fields, u.version, u.seen_at, u.name_key "
	"from unnest($1, $2, $3, $4, $5, $6, $7) as u(account_key, source, raw_key, fields, version, seen_at, name_key) "
	"on conflict (account_key) do update set source = excluded.source, raw_key = excluded.raw_key, fields = excluded.fields, "
	"version = excluded.version, deleted_at = null, name_key = excluded.name_key "
	"where (a.version is null or excluded.version is null or excluded.version >= a.version) "
	"and (a.fields <> excluded.fields or a.deleted_at is not null or a.version is distinct from excluded.version "
	"or a.name_key is distinct from excluded.name_key) "
	"returning a.account_key",
	7, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID}
};

/* Of a row that is marked as deleted the version counts as that of any other. */
static LhStatement delete_accounts = {
	"update handoff.account a set deleted_at = coalesce(a.deleted_at, u.at), version = greatest(a.version, u.version) "
	"from unnest($1, $2, $3) as u(account_key, version, at) where a.account_key = u.account_key "
	"and (a.deleted_at is null or u.version > a.version) returning a.account_key",
	3, {TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID}
};

static LhStatement delete_keys = {
	"delete from handoff.account_match_key m using unnest($1, $2) as u(key, account_key) "
	"where m.key = u.key and m.account_key = u.account_key",
	2, {TEXTARRAYOID, TEXTARRAYOID}
};

static LhStatement insert_keys = {
	"insert into handoff.account_match_key (key, account_key) select u.key, u.account_key "
	"from unnest($1, $2) as u(key, account_key) on conflict do nothing",
	2, {TEXTARRAYOID, TEXTARRAYOID}
};

static void
mark_changed(TakenAccount *taken, int n, uint64 answered)
{
	for (uint64 i = 0; i < answered; i++)
		taken_of(taken, n, lh_get_text(i, 1))->changed = true;
}

static void
write_accounts(LhBatch *batch, const LhSource *source, TakenAccount *taken, int n)
{
	LhRows		kept;
	LhRows		gone;

	lh_rows_begin(&kept, &upsert_accounts);
	lh_rows_begin(&gone, &delete_accounts);
	for (int i = 0; i < n; i++)
	{
		const LhSourceRow *row = taken[i].row;
		bool		isnull[7] = {false};
		Datum		values[7];

		if (!row->present)
		{
			lh_add_gone(&gone, taken[i].account_key, row, batch->now);
			continue;
		}
		values[0] = CStringGetTextDatum(taken[i].account_key);
		values[1] = CStringGetTextDatum(source->name);
		values[2] = CStringGetTextDatum(taken[i].item->raw_key);
		values[3] = PointerGetDatum(lh_fields_to_jsonb(row->row, 0, row->row->set->nfields));
		values[4] = TimestampTzGetDatum(row->version);
		isnull[4] = row->version == DT_NOBEGIN;
		values[5] = TimestampTzGetDatum(taken[i].item->at);
		values[6] = lh_text_datum(taken[i].name_key);
		isnull[6] = taken[i].name_key == NULL;
		lh_rows_add(&kept, values, isnull);
	}
	mark_changed(taken, n, lh_rows_flush(&kept));
	mark_changed(taken, n, lh_rows_flush(&gone));
}

/* Keys that only the first of two lists has. */
static bool
add_others(LhRows *rows, const TakenAccount *account, char *const *keys, int n, char *const *other, int nother)
{
	bool		any = false;

	for (int i = 0; i < n; i++)
	{
		Datum		values[2];

		if (nother > 0 && bsearch(&keys[i], other, nother, sizeof(char *), lh_compare_keys) != NULL)
			continue;
		values[0] = CStringGetTextDatum(keys[i]);
		values[1] = CStringGetTextDatum(account->account_key);
		lh_rows_add(rows, values, NULL);
		any = true;
	}
	return any;
}

static void
write_keys(TakenAccount *taken, int n)
{
	LhRows		gone;
	LhRows		fresh;

	lh_rows_begin(&gone, &delete_keys);
	lh_rows_begin(&fresh, &insert_keys);
	for (int i = 0; i < n; i++)
	{
		TakenAccount *account = &taken[i];

		account->changed |= add_others(&gone, account, account->keys_before, account->nkeys_before,
									   account->keys, account->nkeys);
		account->changed |= add_others(&fresh, account, account->keys, account->nkeys,
									   account->keys_before, account->nkeys_before);
	}
	lh_rows_flush(&gone);
	lh_rows_flush(&fresh);
}

/* Leads that it concerns ------------------------------------------------------------------------- */

static LhStatement queue_leads = {
	"insert into handoff.inbox (source, raw_key, op, xid, at) "
	"select l.source, l.raw_key, 'R', pg_current_xact_id(), $3 from handoff.lead l "
	"where (l.account_key = any($1) or l.match_keys && $2) and l.deleted_at is null",
	3, {TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID}
};

/* Of those with its number or postal code only what has a close name. */
static LhStatement queue_close_leads = {
	"insert into handoff.inbox (source, raw_key, op, xid, at) "
	"select l.source, l.raw_key, 'R', pg_current_xact_id(), $3 "
	"from unnest($1, $2) as u(key, name_key) cross join lateral ("
	"select l.source, l.raw_key, l.match_keys from handoff.lead l "
	"where l.match_keys && array[u.key] and l.deleted_at is null offset 0) l "
	"where exists (select from unnest(l.match_keys) m(key) where starts_with(m.key, '" LH_KEY_NAME "') "
	"and handoff.name_key_similarity(substr(m.key, length('" LH_KEY_NAME "') + 1), u.name_key) >= $4)",
	4, {TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID, FLOAT4OID}
};

typedef struct Concerned
{
	int			nkeys;
	char	  **keys;			/* that make a match by themselves */
	int			nclose;
	char	  **close;			/* that do with a close name */
	char	  **names;			/* by these */
} Concerned;

static void
add_concerned(Concerned *all, char *const *keys, int n, char *name_key)
{
	for (int i = 0; i < n; i++)
	{
		if (lh_matches_alone(keys[i]))
			all->keys[all->nkeys++] = keys[i];
		else if (name_key != NULL && strncmp(keys[i], LH_KEY_LISTED, strlen(LH_KEY_LISTED)) != 0)
		{
			all->close[all->nclose] = keys[i];
			all->names[all->nclose++] = name_key;
		}
	}
}

static void
queue_concerned(const TakenAccount *taken, int n)
{
	Concerned	all = {0};
	char	  **changed = palloc_array(char *, n + 1);
	int			nchanged = 0;
	int			room = 1;
	Datum		values[4];

	for (int i = 0; i < n; i++)
		room += taken[i].nkeys + taken[i].nkeys_before;
	all.keys = palloc_array(char *, room);
	all.close = palloc_array(char *, room);
	all.names = palloc_array(char *, room);
	for (int i = 0; i < n; i++)
	{
		if (!taken[i].changed)
			continue;
		changed[nchanged++] = taken[i].account_key;
		add_concerned(&all, taken[i].keys_before, taken[i].nkeys_before, taken[i].name_key_before);
		add_concerned(&all, taken[i].keys, taken[i].nkeys, taken[i].name_key);
	}
	if (nchanged == 0)
		return;
	values[0] = lh_text_array(changed, nchanged);
	values[1] = lh_text_array(all.keys, lh_sort_unique(all.keys, all.nkeys));
	values[2] = TimestampTzGetDatum(GetCurrentTimestamp());
	lh_run(&queue_leads, values, NULL);
	if (all.nclose == 0)
		return;
	values[0] = lh_text_array(all.close, all.nclose);
	values[1] = lh_text_array(all.names, all.nclose);
	values[3] = Float4GetDatum((float4) LH_CLOSE_NAME);
	lh_run(&queue_close_leads, values, NULL);
}

void
lh_take_accounts(LhBatch *batch, LhSourceItems *group)
{
	TakenAccount *taken;
	int			n;

	taken = take_group(batch, group, &n);
	if (n == 0)
		return;
	write_accounts(batch, group->source, taken, n);
	write_keys(taken, n);
	queue_concerned(taken, n);
}
