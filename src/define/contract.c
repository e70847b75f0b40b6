/*
 * src/define/contract.c
 *
 * Loaded contracts, and how long they live.
 *
 * A published definition never changes, so it is kept for the session under its contract_id and known
 * by its checksum; a draft has none, and is loaded anew each time, into the caller's memory.  A
 * contract is built in a context below the caller's and moved under CacheMemoryContext only when it is
 * complete: an error half-way leaves nothing behind.  An entry whose checksum has changed (the
 * database was restored under us) is replaced but not freed, since a caller further up may still hold
 * it.
 */
#include "define/contract.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

const char *const lh_cause_names[LH_NCAUSES] = {
	"scored", "signal", "accepted", "qualified", "recycled", "disqualified", "returned",
	"meeting", "opportunity", "won", "lost", "due", "reengaged"
};

const char *const lh_meaning_names[LH_NMEANINGS] = {
	"signal", "touch", "contact", "booked", "meeting_held", "no_show", "marketing"
};

const char *
lh_cause_name(LhCause cause)
{
	return lh_cause_names[cause];
}

const char *
lh_meaning_name(LhMeaning meaning)
{
	return lh_meaning_names[meaning];
}

int
lh_contract_stage(const LhContract *contract, const char *name)
{
	for (int i = 0; i < contract->nstages; i++)
		if (strcmp(contract->stages[i].name, name) == 0)
			return i;
	return -1;
}

int
lh_contract_default_stage(const LhContract *contract)
{
	for (int i = 0; i < contract->nstages; i++)
		if (contract->stages[i].is_default)
			return i;
	elog(ERROR, "contract %d has no default stage", contract->contract_id);
	return -1;
}

int
lh_contract_leg(const LhContract *contract, const char *name)
{
	for (int i = 0; i < contract->nlegs; i++)
		if (strcmp(contract->legs[i].name, name) == 0)
			return i;
	return -1;
}

/* Feeds write them as they like: Call, call. */
int
lh_contract_channel(const LhContract *contract, const char *name)
{
	for (int i = 0; i < contract->forbidden.n; i++)
	{
		const LhChannel *channel = &contract->channels[i];

		if (pg_strcasecmp(channel->name, name) == 0)
			return i;
		for (int k = 0; k < channel->nalso; k++)
			if (pg_strcasecmp(channel->also[k], name) == 0)
				return i;
	}
	return -1;
}

/* The cache ---------------------------------------------------------------------------------- */

typedef struct CacheEntry
{
	int			contract_id;
	LhContract *contract;
} CacheEntry;

static CacheEntry *
cache_entry(int contract_id)
{
	static HTAB *cache = NULL;
	bool		found;
	CacheEntry *entry;

	if (cache == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(int), .entrysize = sizeof(CacheEntry)};

		cache = hash_create("lead_handoff contracts", 8, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(cache, &contract_id, HASH_ENTER, &found);
	if (!found)
		entry->contract = NULL;
	return entry;
}

/* The checksum that the contract has now; NULL for a draft, and for one that isn't there. */
static char *
checksum_now(int contract_id)
{
	static LhStatement statement = {
		"select checksum from handoff.contract where contract_id = $1 and status <> 'draft'",
		1, {INT4OID}
	};

	Datum		value = Int32GetDatum(contract_id);

	if (lh_run(&statement, &value, NULL) == 0)
		return NULL;
	return lh_get_text(0, 1);
}

/* The contract with that checksum, loaded once a session. */
static const LhContract *
kept_contract(int contract_id, const char *checksum)
{
	CacheEntry *entry = cache_entry(contract_id);

	if (entry->contract == NULL || strcmp(entry->contract->checksum, checksum) != 0)
	{
		LhContract *contract = lh_contract_load(contract_id);

		MemoryContextSetParent(contract->mcxt, CacheMemoryContext);
		entry->contract = contract;
	}
	return entry->contract;
}

const LhContract *
lh_contract(int contract_id)
{
	char	   *checksum = checksum_now(contract_id);

	return checksum == NULL ? lh_contract_load(contract_id) : kept_contract(contract_id, checksum);
}

static LhIndex published_by_name = {"contract", "contract_in_force", 1, {"name"}};
static LhIndex published = {"contract", "contract_in_force", 0};

/* A version found in force. */
typedef struct Found
{
	int			n;
	int			contract_id;
	char	   *checksum;
} Found;

static void
take_found(Found *found, const LhSearch *row)
{
	bool		isnull;

	found->contract_id = DatumGetInt32(lh_search_get(row, "contract_id", &isnull));
	found->checksum = lh_search_text(row, "checksum");
	found->n++;
}

/* Of several contracts that are in force it is none: nobody has said which is meant. */
LhInForce
lh_contract_in_force(const char *name)
{
	Datum		key = lh_text_datum(name);
	LhInForce	in_force = {0};
	Found		champion = {0};
	Found		challenger = {0};
	LhSearch	search;

	lh_search_begin(&search, name == NULL ? &published : &published_by_name);
	for (bool more = lh_search(&search, &key); more; more = lh_search_next(&search))
	{
		Datum		share;
		bool		isnull;

		if (strcmp(lh_search_text(&search, "status"), "published") != 0)
			continue;
		share = lh_search_get(&search, "traffic_share", &isnull);
		if (isnull)
		{
			take_found(&champion, &search);
			continue;
		}
		take_found(&challenger, &search);
		in_force.share = DatumGetFloat8(DirectFunctionCall1(numeric_float8, share));
	}
	lh_search_end(&search);
	if (champion.n != 1)
		return in_force;
	in_force.champion = kept_contract(champion.contract_id, champion.checksum);
	if (challenger.n == 1)
		in_force.challenger = kept_contract(challenger.contract_id, challenger.checksum);
	return in_force;
}

void
lh_contract_set_now(const LhContract *contract, TimestampTz now)
{
	lh_rulebook_set_now(contract->scope.book, now);
	lh_rulebook_set_now(contract->derived.book, now);
	lh_rulebook_set_now(contract->fit.book, now);
	lh_rulebook_set_now(contract->intent.book, now);
	lh_rulebook_set_now(contract->meaning.book, now);
	lh_rulebook_set_now(contract->entry.book, now);
	lh_rulebook_set_now(contract->exit.book, now);
	lh_rulebook_set_now(contract->guard.book, now);
	lh_rulebook_set_now(contract->gate.book, now);
	lh_rulebook_set_now(contract->validation.book, now);
	lh_rulebook_set_now(contract->route.book, now);
	lh_rulebook_set_now(contract->sla.book, now);
	lh_rulebook_set_now(contract->pause.book, now);
	lh_rulebook_set_now(contract->escalation.book, now);
	lh_rulebook_set_now(contract->standard.book, now);
	lh_rulebook_set_now(contract->forbidden.book, now);
}
