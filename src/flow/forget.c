/*
 * src/flow/forget.c
 *
 * forget(lead_key): a person is erased, and what was counted stays.
 *
 * All leads of the person go: those of one person_key, and those merged into one another.  They are decided once
 * more, as leads whose rows are gone: what sales has of them is withdrawn, clocks end, others of the person or
 * of whom they held are decided anew, destinations hear of it.  Then their keys get tombstones (tombstone.c),
 * and every table in which they stand a token in place of the key (handoff.blank_forgotten()).
 *
 * All in one transaction, under the locks that whoever decides these leads holds: their rows, their persons,
 * and the stripes of all keys that may come to mean them.  Rows first and stripes then, as everybody who waits
 * does; the drain tries only, and leaves its rows for later.  A lead that has become one of the person before we
 * had his stripe was not locked: then we let go and begin again.
 */
#include "flow/tombstone.h"

#include "catalog/pg_type.h"
#include "flow/drain.h"
#include "miscadmin.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* How often we begin again before it is an error. */
#define TRIES	10

static LhStatement find_leads = {
	"select p from handoff.leads_of_person($1) p order by p collate \"C\"", 1, {TEXTOID}
};

/* Besides their own those that say they are held by one of them. */
static LhStatement lock_leads = {
	"select from handoff.lead l where l.lead_key = any(array(select d.lead_key from handoff.lead d "
	"where d.lead_key = any($1) or d.duplicate_of = any($1))) order by l.lead_key collate \"C\" for update",
	1, {TEXTARRAYOID}
};

static LhStatement read_names = {
	"select n.kind, n.name from handoff.names_of_leads($1) n order by n.kind, n.name collate \"C\"", 1, {TEXTARRAYOID}
};

static LhStatement known_without_lead = {
	"select handoff.is_known_without_lead($1)", 1, {TEXTOID}
};

static LhStatement blank = {
	"select handoff.blank_forgotten($1, $2, $3)", 3, {TEXTOID, TEXTARRAYOID, TIMESTAMPTZOID}
};

typedef struct KeyOf
{
	char	   *kind;			/* LH_TOMB_LEAD .. */
	char	   *value;
} KeyOf;

typedef struct Forgetting
{
	char	   *asked;
	const char *actor;
	TimestampTz now;
	int			nkeys;
	char	  **keys;			/* of the person's leads */
	int			nnames;
	KeyOf	   *names;
	Datum		tokens;
} Forgetting;

static int
leads_of(const char *key, char ***keys)
{
	Datum		value = CStringGetTextDatum(key);
	int			n = lh_run(&find_leads, &value, NULL);

	*keys = palloc_array(char *, n + 1);
	for (int i = 0; i < n; i++)
		(*keys)[i] = lh_get_text(i, 1);
	return n;
}

/* All that is to be known again, the key that was asked for among it. */
static void
find_names(Forgetting *this)
{
	Datum		keys = lh_text_array(this->keys, this->nkeys);
	int			n = lh_run(&read_names, &keys, NULL);

	this->names = palloc_array(KeyOf, n + 1);
	this->nnames = n + 1;
	for (int i = 0; i < n; i++)
		this->names[i] = (KeyOf) {lh_get_text(i, 1), lh_get_text(i, 2)};
	this->names[n] = (KeyOf) {LH_TOMB_LEAD, this->asked};
}

static void
wait_for_names(const Forgetting *this)
{
	for (int i = 0; i < this->nnames; i++)
	{
		const KeyOf *name = &this->names[i];

		if (strcmp(name->kind, LH_TOMB_PERSON) == 0)
			lh_wait_for_stripe(psprintf("person %s", name->value));
		else if (strcmp(name->kind, LH_TOMB_LEAD) == 0)
			lh_wait_for_stripe(name->value);
	}
}

/* Lock the person's leads and names; an error to begin again by, if they are not who they were. */
static void
lock_person(Forgetting *this)
{
	char	  **before;
	Datum		keys;
	int			n;

	this->nkeys = leads_of(this->asked, &this->keys);
	keys = lh_text_array(this->keys, this->nkeys);
	lh_run(&lock_leads, &keys, NULL);
	find_names(this);
	wait_for_names(this);

	before = this->keys;
	n = this->nkeys;
	this->nkeys = leads_of(this->asked, &this->keys);
	for (int i = 0; i < n && n == this->nkeys; i++)
		if (strcmp(before[i], this->keys[i]) != 0)
			n = -1;
	if (n != this->nkeys)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the leads of the person of lead \"%s\" change all the time", this->asked),
				 errhint("Call forget() again.")));
}

/* Decide them for the last time. */
static void
decide_leads(const Forgetting *this)
{
	LhItem	   *items = palloc0_array(LhItem, this->nkeys);
	LhItem	  **refs = palloc_array(LhItem *, this->nkeys);
	LhBatch		batch = {
		.now = this->now,.nitems = this->nkeys,.items = refs,.wait = true,.forgets = true,.actor = this->actor
	};

	for (int i = 0; i < this->nkeys; i++)
	{
		items[i].is_lead = true;
		items[i].lead_key = this->keys[i];
		refs[i] = &items[i];
	}
	lh_batch_run(&batch);
}

static void
write_tombstones(const Forgetting *this)
{
	LhRows		tombs;

	lh_tombs_begin(&tombs);
	for (int i = 0; i < this->nnames; i++)
		lh_tombs_add(&tombs, this->names[i].kind, this->names[i].value, this->now);
	lh_rows_flush(&tombs);
}

static bool
is_known_without_lead(const Forgetting *this)
{
	Datum		key = CStringGetTextDatum(this->asked);

	lh_run(&known_without_lead, &key, NULL);
	return lh_get_bool(0, 1);
}

static void
attempt(void *arg)
{
	Forgetting *this = arg;
	Datum		values[3];
	bool		isnull;

	lock_person(this);
	if (this->nkeys == 0 && !is_known_without_lead(this))
	{
		if (!lh_is_forgotten(LH_TOMB_LEAD, this->asked))
			lh_unknown_lead(this->asked);
		this->tokens = lh_text_array(NULL, 0);
		return;
	}
	if (this->nkeys > 0)
		decide_leads(this);
	write_tombstones(this);
	values[0] = CStringGetTextDatum(this->asked);
	values[1] = lh_text_array(this->keys, this->nkeys);
	values[2] = TimestampTzGetDatum(this->now);
	lh_run(&blank, values, NULL);
	this->tokens = lh_get(0, 1, &isnull);
}

Datum
lh_forget_person(char *lead_key, const char *actor, TimestampTz now)
{
	Forgetting	this = {.asked = lead_key,.actor = actor,.now = now};
	ErrorData  *error;

	lh_wait_to_forget();
	for (int i = 1; (error = lh_attempt(attempt, &this)) != NULL; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i == TRIES || (error->sqlerrcode != ERRCODE_T_R_SERIALIZATION_FAILURE &&
						   error->sqlerrcode != ERRCODE_T_R_DEADLOCK_DETECTED))
			ReThrowError(error);
		FreeErrorData(error);
	}
	return this.tokens;
}
