/*
 * src/flow/tombstone.c
 *
 * Who was forgotten must not come back with the next sync, and nothing may be kept that tells who he was.  So of
 * each of his keys there is a tombstone: HMAC-SHA-256 (RFC 2104) of the kind of key and the key, under a secret
 * that only the owner of the tables can read.  Without the secret a list of addresses can't be tried on it;
 * with it one can only ask whether a key that one has is among them.
 *
 * Whoever takes in a row asks after he has locked what the row concerns, in a new look at the table; forget()
 * writes the tombstones while it holds the same locks.  So a row is either taken in before, and forgotten with
 * the rest, or left out.
 *
 * While nobody was forgotten, asking costs one look into an empty index.  Leads that are known are not asked about.
 */
#include "flow/tombstone.h"

#include "catalog/pg_type.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "executor/spi.h"
#include "flow/drain.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_forgotten_among);
PG_FUNCTION_INFO_V1(lh_secret_mark);

static LhIndex secret_row = {"secret", "secret_pkey", 0};
static LhIndex any_tombstone = {"tombstone", "tombstone_pkey", 0};
static LhIndex tombstone_by_digest = {"tombstone", "tombstone_pkey", 1, {"digest"}};

static LhStatement write_tombstones = {
	"insert into handoff.tombstone (digest, kind, forgotten_at) "
	"select u.digest, u.kind, u.forgotten_at from unnest($1, $2, $3) as u(digest, kind, forgotten_at) on conflict do nothing",
	3, {TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID}
};

/* One row a source, mostly: what somebody else has in hand is added to another time. */
static LhStatement count_drops = {
	"with counted as (delete from handoff.forgotten_drop where ctid = any(array(select d.ctid from handoff.forgotten_drop d "
	"where d.source = $1 for update skip locked)) returning rows) "
	"insert into handoff.forgotten_drop (id, source, rows, last_at) "
	"select gen_random_uuid(), $1, $2 + coalesce(sum(c.rows), 0), $3 from counted c",
	3, {TEXTOID, INT8OID, TIMESTAMPTZOID}
};

/* Digests ------------------------------------------------------------------------------------ */

static bytea *
read_secret(void)
{
	LhSearch	search;
	bytea	   *secret = NULL;
	bool		isnull;

	lh_search_begin_latest(&search, &secret_row);
	if (lh_search(&search, NULL))
		secret = DatumGetByteaPCopy(lh_search_get(&search, "key", &isnull));
	lh_search_end(&search);
	if (secret == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_LH_SETUP),
				 errmsg("table \"handoff.secret\" is empty"),
				 errdetail("Without its row nobody can be told who was forgotten."),
				 errhint("Restore it from a backup.")));
	return secret;
}

typedef struct Hasher
{
	bytea	   *secret;
	pg_hmac_ctx *ctx;			/* for one key after the other */
} Hasher;

static Hasher
begin_hashing(void)
{
	Hasher		hasher = {read_secret(), pg_hmac_create(PG_SHA256)};

	if (hasher.ctx == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return hasher;
}

static void
end_hashing(Hasher *hasher)
{
	pg_hmac_free(hasher->ctx);
}

/* The digest of a key, as hexadecimal text; the kind with its end, so that no two (kind, value) are the same bytes. */
static char *
digest_of(Hasher *hasher, const char *kind, const char *value)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char	   *text = palloc(PG_SHA256_DIGEST_LENGTH * 2 + 1);
	const uint8 *key = (const uint8 *) VARDATA_ANY(hasher->secret);

	if (pg_hmac_init(hasher->ctx, key, VARSIZE_ANY_EXHDR(hasher->secret)) < 0 ||
		pg_hmac_update(hasher->ctx, (const uint8 *) kind, strlen(kind) + 1) < 0 ||
		pg_hmac_update(hasher->ctx, (const uint8 *) value, strlen(value)) < 0 ||
		pg_hmac_final(hasher->ctx, digest, sizeof(digest)) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute a digest: %s", pg_hmac_error(hasher->ctx))));
	text[hex_encode((const char *) digest, sizeof(digest), text)] = '\0';
	return text;
}

char *
lh_row_name(const char *source, const char *raw_key)
{
	return psprintf("%zu %s %s", strlen(source), source, raw_key);
}

/* Asking ------------------------------------------------------------------------------------- */

static bool
any_tombstones(void)
{
	LhSearch	search;
	bool		any;

	lh_search_begin_latest(&search, &any_tombstone);
	any = lh_search(&search, NULL);
	lh_search_end(&search);
	return any;
}

int
lh_which_are_forgotten(const char *kind, char *const *values, int n, bool *forgotten)
{
	LhSearch	search;
	Hasher		hasher;
	int			found = 0;

	memset(forgotten, false, sizeof(bool) * n);
	if (n == 0 || !any_tombstones())
		return 0;
	hasher = begin_hashing();
	lh_search_begin_latest(&search, &tombstone_by_digest);
	for (int i = 0; i < n; i++)
	{
		char	   *digest;
		Datum		key;

		CHECK_FOR_INTERRUPTS();
		if (values[i] == NULL)
			continue;
		digest = digest_of(&hasher, kind, values[i]);
		key = CStringGetTextDatum(digest);
		forgotten[i] = lh_search(&search, &key);
		found += forgotten[i];
		pfree(DatumGetPointer(key));
		pfree(digest);
	}
	lh_search_end(&search);
	end_hashing(&hasher);
	return found;
}

bool
lh_is_forgotten(const char *kind, char *value)
{
	bool		forgotten;

	return lh_which_are_forgotten(kind, &value, 1, &forgotten) > 0;
}

/* forgotten_among(kind text, keys text[]) returns text[] */
Datum
lh_forgotten_among(PG_FUNCTION_ARGS)
{
	char	   *kind = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	  **keys;
	int			n = lh_texts_of(PG_GETARG_DATUM(1), &keys);
	bool	   *forgotten = palloc_array(bool, n + 1);
	int			found = 0;
	LhWorld		world;

	lh_enter(&world, true);
	lh_which_are_forgotten(kind, keys, n, forgotten);
	for (int i = 0; i < n; i++)
		if (forgotten[i])
			keys[found++] = keys[i];
	lh_leave(&world);
	PG_RETURN_DATUM(lh_text_array(keys, found));
}

/* secret_mark() returns text */
Datum
lh_secret_mark(PG_FUNCTION_ARGS)
{
	LhWorld		world;
	Hasher		hasher;
	char	   *mark;

	lh_enter(&world, true);
	hasher = begin_hashing();
	mark = digest_of(&hasher, "secret", "");
	end_hashing(&hasher);
	lh_leave(&world);
	PG_RETURN_TEXT_P(cstring_to_text(mark));
}

/* Writing ------------------------------------------------------------------------------------ */

void
lh_tombs_begin(LhRows *tombs)
{
	lh_rows_begin(tombs, &write_tombstones);
}

void
lh_tombs_add(LhRows *tombs, const char *kind, const char *value, TimestampTz at)
{
	Hasher		hasher = begin_hashing();
	Datum		values[3] = {CStringGetTextDatum(digest_of(&hasher, kind, value)), CStringGetTextDatum(kind),
	TimestampTzGetDatum(at)};

	end_hashing(&hasher);
	lh_rows_add(tombs, values, NULL);
}

void
lh_count_forgotten(const LhSource *source, int n)
{
	Datum		values[3] = {CStringGetTextDatum(source->name), Int64GetDatum(n),
	TimestampTzGetDatum(GetCurrentTimestamp())};

	if (n > 0)
		lh_run(&count_drops, values, NULL);
}

/* Rows of leads ------------------------------------------------------------------------------ */

/* A key that has a lead is none that was forgotten. */
void
lh_leave_forgotten(LhBatch *batch, LhSourceItems *group)
{
	char	  **keys = palloc0_array(char *, group->n + 1);
	char	  **rows = palloc0_array(char *, group->n + 1);
	bool	   *by_key = palloc_array(bool, group->n + 1);
	bool	   *by_row = palloc_array(bool, group->n + 1);
	int			nfresh = 0;
	int			n = 0;

	for (int i = 0; i < group->n; i++)
	{
		LhItem	   *item = group->items[i];

		if (lh_batch_lead(batch, item->lead_key)->exists)
			continue;
		keys[i] = item->lead_key;
		rows[i] = lh_row_name(group->source->name, item->raw_key);
		nfresh++;
	}
	if (nfresh == 0 ||
		lh_which_are_forgotten(LH_TOMB_LEAD, keys, group->n, by_key) +
		lh_which_are_forgotten(LH_TOMB_ROW, rows, group->n, by_row) == 0)
		return;
	for (int i = 0; i < group->n; i++)
	{
		if (by_key[i] || by_row[i])
		{
			group->items[i]->done = true;
			continue;
		}
		group->raw_keys[n] = group->raw_keys[i];
		group->items[n++] = group->items[i];
	}
	lh_count_forgotten(group->source, group->n - n);
	group->n = n;
}

/* A row left out so is known to be so: nobody is to look for it among the leads. */
static void
note_left(const LhSourceItems *group, const LhBatch *batch, const bool *forgotten)
{
	LhRows		tombs;

	lh_tombs_begin(&tombs);
	for (int i = 0; i < group->n; i++)
		if (forgotten[i] && !lh_batch_lead(batch, group->items[i]->lead_key)->exists)
			lh_tombs_add(&tombs, LH_TOMB_LEFT, lh_row_name(group->source->name, group->items[i]->raw_key), batch->now);
	lh_rows_flush(&tombs);
}

bool *
lh_forgotten_persons(const LhBatch *batch, const LhSourceItems *group, const LhMerging *merging)
{
	char	  **persons = palloc0_array(char *, group->n + 1);
	bool	   *forgotten = palloc0_array(bool, group->n + 1);
	int			nbecome = 0;
	int			n;

	for (int i = 0; i < group->n; i++)
	{
		const LhBatchLead *slot = lh_batch_lead(batch, group->items[i]->lead_key);

		if (merging->waits[i] || slot->person_to_be == NULL)
			continue;
		persons[i] = unconstify(char *, slot->person_to_be);
		nbecome++;
	}
	n = nbecome == 0 ? 0 : lh_which_are_forgotten(LH_TOMB_PERSON, persons, group->n, forgotten);
	if (n > 0)
	{
		note_left(group, batch, forgotten);
		lh_count_forgotten(group->source, n);
	}
	return forgotten;
}

/* Rows that are only read ------------------------------------------------------------------- */

int
lh_which_rows_are_forgotten(const LhSource *source, char *const *keys, const LhSourceRow *rows, int n, bool *forgotten)
{
	bool		of_leads = lh_source_is(source, "lead");
	char	  **leads = palloc0_array(char *, n + 1);
	char	  **names = palloc0_array(char *, n + 1);
	char	  **persons = palloc0_array(char *, n + 1);
	bool	   *by_name = palloc0_array(bool, n + 1);
	bool	   *by_person = palloc0_array(bool, n + 1);
	int			found;

	memset(forgotten, false, sizeof(bool) * n);
	if (!any_tombstones())
		return 0;
	for (int i = 0; i < n; i++)
	{
		leads[i] = lh_prefixed(source, of_leads ? keys[i] : lh_row_text(&rows[i], "lead_key"));
		names[i] = of_leads ? lh_row_name(source->name, keys[i]) : NULL;
		persons[i] = of_leads ? lh_person_key(lh_row_text(&rows[i], "person_key"), lh_row_text(&rows[i], "email")) : NULL;
	}
	found = lh_which_are_forgotten(LH_TOMB_LEAD, leads, n, forgotten) + lh_which_are_forgotten(LH_TOMB_ROW, names, n, by_name) +
		lh_which_are_forgotten(LH_TOMB_PERSON, persons, n, by_person);
	for (int i = 0; i < n; i++)
		forgotten[i] = forgotten[i] || by_name[i] || by_person[i];
	return found;
}
