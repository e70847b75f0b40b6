/*
 * src/flow/batch.c
 *
 * From keys to decisions.  The order of the steps is what makes it right under concurrency:
 *
 *	1. Find the lead keys.  A lead's own row gives its key; an activity must be read to know its lead,
 *	   and the lead that has it so far counts too (it may have moved).
 *	2. Lock the leads without waiting: existing rows FOR UPDATE SKIP LOCKED; keys without a row by an
 *	   advisory lock.  What somebody else holds stays in the inbox.
 *	3. Only then read the sources, in new statements.  Were they read before the lock, a drain that
 *	   read early and locked late could overwrite a newer row with an older one, for good.
 *	4. Decide, contract by contract; find owners; apply.
 *
 * New leads.  An advisory lock stands for a stripe of keys, of which there are STRIPES: that bounds
 * the lock table however many leads a tick takes in, and costs a few keys of another transaction a
 * wait until the next tick.  After the try locks the rows are looked up again: a key that got its row
 * meanwhile goes on as an existing lead.
 *
 * Contracts.  A lead with an open handoff is decided by the version it was handed over under, any
 * other by the one in force, or where a challenger shares the leads by the one of its part (version.c).
 * A row is read with the fields of the version in force, and carried over by name.
 */
#include "flow/batch.h"
#include "flow/escalate.h"
#include "flow/version.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#define STRIPES			1024
#define DECIDING		STRIPES /* the key after the last stripe; handoff.lock_contract() knows it */
#define MATCH_KEYS		(DECIDING + 1)	/* the first of the keys that accounts are matched by */
#define MATCH_STRIPES	256
#define FORGETTING		(MATCH_KEYS + MATCH_STRIPES)	/* held by who forgets a person */
#define STRIPE_CLASS	0x4c48	/* "LH": first half of the advisory lock's key */

/* Sources ------------------------------------------------------------------------------------ */

/* A source of this batch by name, loaded once; NULL if it is gone. */
static LhSource *
batch_source(LhBatch *batch, const char *name)
{
	LhSource   *source;
	ListCell   *lc;

	foreach(lc, batch->sources)
	{
		source = lfirst(lc);
		if (strcmp(source->name, name) == 0)
			return source;
	}
	source = lh_source_load(name);
	if (source != NULL)
		batch->sources = lappend(batch->sources, source);
	return source;
}

static LhSourceItems *
items_of(List **groups, LhSource *source, int room)
{
	LhSourceItems *group;
	ListCell   *lc;

	foreach(lc, *groups)
	{
		group = lfirst(lc);
		if (group->source == source)
			return group;
	}
	group = palloc0_object(LhSourceItems);
	group->source = source;
	group->items = palloc_array(LhItem *, room);
	group->raw_keys = palloc_array(char *, room);
	*groups = lappend(*groups, group);
	return group;
}

/*
 * Which items can go on, by source.  Those of a source that is detached are done with; those of one
 * without a contract in force, or whose table is busy or gone, wait.
 */
static List *
group_items(LhBatch *batch)
{
	List	   *groups = NIL;
	List	   *locked = NIL;
	ListCell   *lc;

	for (int i = 0; i < batch->nitems; i++)
	{
		LhItem	   *item = batch->items[i];
		LhSource   *source = item->is_lead ? NULL : batch_source(batch, item->source);
		LhSourceItems *group;

		if (item->is_lead)
			continue;
		/* an earlier try may have left what lived in its memory */
		item->lead_key = NULL;
		item->nkeys = 0;
		item->keys = NULL;
		if (source == NULL)
			item->done = true;
		else if (source->contract != NULL)
		{
			group = items_of(&groups, source, batch->nitems);
			group->raw_keys[group->n] = item->raw_key;
			group->items[group->n++] = item;
		}
	}
	foreach(lc, groups)
	{
		LhSourceItems *group = lfirst(lc);
		bool		got = lh_source_lock(group->source);

		for (int i = 0; i < group->n; i++)
			group->items[i]->table_busy = !got;
		if (got)
			locked = lappend(locked, group);
	}
	return locked;
}

/* Locking ------------------------------------------------------------------------------------ */

/* Try to be the only one at work on a key that has no row to lock; true if we are. */
bool
lh_lock_deciding(void)
{
	return DatumGetBool(DirectFunctionCall2(pg_try_advisory_xact_lock_shared_int4,
											Int32GetDatum(STRIPE_CLASS), Int32GetDatum(DECIDING)));
}

bool
lh_lock_stripe(const char *key)
{
	uint32		stripe = hash_bytes((const unsigned char *) key, strlen(key)) % STRIPES;

	return DatumGetBool(DirectFunctionCall2(pg_try_advisory_xact_lock_int4,
											Int32GetDatum(STRIPE_CLASS), Int32GetDatum((int32) stripe)));
}

bool
lh_lock_stripe_shared(const char *key)
{
	uint32		stripe = hash_bytes((const unsigned char *) key, strlen(key)) % STRIPES;

	return DatumGetBool(DirectFunctionCall2(pg_try_advisory_xact_lock_shared_int4,
											Int32GetDatum(STRIPE_CLASS), Int32GetDatum((int32) stripe)));
}

/* A key that leads find accounts by; they hold it together, who writes an account with it alone. */
bool
lh_lock_match_key(const char *key, bool alone)
{
	uint32		stripe = hash_bytes((const unsigned char *) key, strlen(key)) % MATCH_STRIPES;

	return DatumGetBool(DirectFunctionCall2(alone ? pg_try_advisory_xact_lock_int4 : pg_try_advisory_xact_lock_shared_int4,
											Int32GetDatum(STRIPE_CLASS), Int32GetDatum(MATCH_KEYS + (int32) stripe)));
}

void
lh_wait_for_stripe(const char *key)
{
	uint32		stripe = hash_bytes((const unsigned char *) key, strlen(key)) % STRIPES;

	DirectFunctionCall2(pg_advisory_xact_lock_int4, Int32GetDatum(STRIPE_CLASS), Int32GetDatum((int32) stripe));
}

/* One at a time: they write to each other's leads where the log of one names another. */
void
lh_wait_to_forget(void)
{
	DirectFunctionCall2(pg_advisory_xact_lock_int4, Int32GetDatum(STRIPE_CLASS), Int32GetDatum(FORGETTING));
}

static bool
contains(char *const *keys, int n, const char *key)
{
	return n > 0 && bsearch(&key, keys, n, sizeof(char *), lh_compare_keys) != NULL;
}

static int
compare_batch_leads(const void *a, const void *b)
{
	return strcmp(((const LhBatchLead *) a)->lead_key, ((const LhBatchLead *) b)->lead_key);
}

LhBatchLead *
lh_batch_lead(const LhBatch *batch, const char *lead_key)
{
	LhBatchLead key = {.lead_key = unconstify(char *, lead_key)};

	if (batch->nleads == 0)
		return NULL;
	return bsearch(&key, batch->leads, batch->nleads, sizeof(LhBatchLead), compare_batch_leads);
}

/* Do we hold every lead that the item concerns? */
bool
lh_batch_holds(const LhBatch *batch, const LhItem *item)
{
	for (int i = 0; i < item->nkeys; i++)
		if (lh_batch_lead(batch, item->keys[i]) == NULL)
			return false;
	return true;
}

/*
 * Which of the keys, sorted, have a row, and which are new and their lock ours.  Looked up again after the
 * locks: a key may have got its row before we had its lock.
 */
static void
tell_new(char **keys, int n, char **known, int *nknown, char **fresh, int *nfresh)
{
	char	  **appeared = palloc_array(char *, n + 1);
	int			nappeared;
	int			kept = 0;

	*nknown = lh_leads_existing(keys, n, known);
	*nfresh = 0;
	for (int i = 0; i < n; i++)
		if (!contains(known, *nknown, keys[i]) && lh_lock_stripe(keys[i]))
			fresh[(*nfresh)++] = keys[i];
	nappeared = lh_leads_existing(fresh, *nfresh, appeared);
	for (int i = 0; i < *nfresh; i++)
		if (!contains(appeared, nappeared, fresh[i]))
			fresh[kept++] = fresh[i];
	*nfresh = kept;
	memcpy(known + *nknown, appeared, sizeof(char *) * nappeared);
	*nknown += nappeared;
}

static void
lock_leads(LhBatch *batch, char **keys, int n)
{
	char	  **known = palloc_array(char *, n + 1);
	char	  **fresh = palloc_array(char *, n + 1);
	int			nknown = n;
	int			nfresh = 0;
	int			nlocked;
	LhLead	   *leads;

	if (batch->wait)
		known = keys;
	else
		tell_new(keys, n, known, &nknown, fresh, &nfresh);
	nlocked = lh_leads_read(known, nknown, batch->wait ? LH_LOCK_WAIT : LH_LOCK_TRY, &leads);
	batch->leads = palloc0_array(LhBatchLead, nlocked + nfresh + 1);
	for (int i = 0; i < nlocked; i++)
	{
		LhBatchLead *slot = &batch->leads[batch->nleads++];

		slot->lead_key = leads[i].lead_key;
		slot->exists = true;
		slot->lead = leads[i];
	}
	for (int i = 0; i < nfresh; i++)
		batch->leads[batch->nleads++].lead_key = fresh[i];
	qsort(batch->leads, batch->nleads, sizeof(LhBatchLead), compare_batch_leads);
	for (int i = 0; i < batch->nleads; i++)
	{
		batch->leads[i].input.version = DT_NOBEGIN;
		batch->leads[i].input.activity_at = batch->activity_at == 0 ? DT_NOBEGIN : batch->activity_at;
		batch->leads[i].input.activity_seen_at = batch->now;
		batch->leads[i].input.changed_since = batch->activity_at == 0 ? DT_NOEND : batch->activity_at;
		batch->leads[i].input.action = batch->action;
	}
}

static void
lock_all(LhBatch *batch, List *groups)
{
	char	  **keys;
	int			n = 0;
	ListCell   *lc;

	foreach(lc, groups)
		lh_find_leads(batch, lfirst(lc));
	for (int i = 0; i < batch->nitems; i++)
		n += batch->items[i]->is_lead ? 1 : batch->items[i]->nkeys;
	keys = palloc_array(char *, n + 1);
	n = 0;
	for (int i = 0; i < batch->nitems; i++)
	{
		LhItem	   *item = batch->items[i];

		if (item->is_lead)
			keys[n++] = item->lead_key;
		for (int k = 0; k < item->nkeys; k++)
			keys[n++] = item->keys[k];
	}
	lock_leads(batch, keys, lh_sort_unique(keys, n));
	lh_lock_persons(batch);
}

/* Deciding ----------------------------------------------------------------------------------- */

/* Leads that are decided for their own sake: a clock is due, an owner is sought, the API acts. */
static void
take_named_leads(LhBatch *batch)
{
	for (int i = 0; i < batch->nitems; i++)
	{
		LhItem	   *item = batch->items[i];
		LhBatchLead *slot = item->is_lead ? lh_batch_lead(batch, item->lead_key) : NULL;

		if (slot == NULL || !slot->exists)
			continue;
		/* a clock may have been stopped or moved before we had the lock */
		for (int k = 0; k < LH_NCLOCKS; k++)
			if (item->clock_due[k] && slot->lead.clocks[k].due_at <= batch->now)
				slot->input.clock_due[k] = true;
		slot->decide = true;
		item->done = true;
	}
}

static void
take_forgotten(LhBatch *batch)
{
	for (int i = 0; i < batch->nleads; i++)
	{
		LhInput    *input = &batch->leads[i].input;

		input->row_read = true;
		input->row_present = false;
		input->forgotten_by = batch->actor;
	}
}

/* A version by its id, looked up once a batch. */
static const LhContract *
version_of(const List *known, int contract_id)
{
	ListCell   *lc;

	foreach(lc, known)
		if (((const LhContract *) lfirst(lc))->contract_id == contract_id)
			return lfirst(lc);
	return lh_contract(contract_id);
}

/* What a lead can be forgotten by, if its source is detached or no contract is in force: that of its last decision. */
static void
decide_all_the_same(LhBatchLead *slot)
{
	if (slot->source == NULL)
	{
		slot->source = palloc0_object(LhSource);
		slot->source->name = slot->lead.source;
		slot->source->key_prefix = pstrdup("");
		slot->source->since = DT_NOBEGIN;
	}
	if (slot->source->contract == NULL)
		slot->source->contract = lh_contract(slot->lead.contract_id);
}

/* The handoff whose version decides the lead; NULL: there is none, the version in force does. */
static LhLeadHandoff *
deciding_handoff(const LhBatchLead *slot)
{
	const LhLead *lead = &slot->lead;
	const LhAction *action = slot->input.action;
	LhLeadHandoff *open = lh_open_handoff(lead);
	LhLeadHandoff *to_be = action != NULL && action->kind == LH_DO_UNDISPOSE ? lh_handoff_to_be(lead, &slot->input) : NULL;

	/* a disposition that is taken back; a lead that was moved since may be where its version has no stage */
	if (to_be != NULL && to_be->h.closed_at == lead->stage_since)
		return to_be;
	if (open == NULL && lead->deleted_at != DT_NOEND)
		return lh_interrupted_handoff(lead);	/* open again, if the row is back */
	return open;
}

/* Source of every lead that is to be decided; one that no contract in force decides, waits. */
static void
find_sources(LhBatch *batch)
{
	for (int i = 0; i < batch->nleads; i++)
	{
		LhBatchLead *slot = &batch->leads[i];

		if (!slot->decide)
			continue;
		if (slot->source == NULL)
			slot->source = batch_source(batch, slot->lead.source);
		if (batch->forgets)
			decide_all_the_same(slot);
		slot->decide = slot->source != NULL && slot->source->contract != NULL;
	}
}

/* Who the lead is to be shared by, and by what, with a challenger. */
static LhTrafficPart
part_of(const LhBatchLead *slot)
{
	const LhInput *input = &slot->input;
	bool		row_there = input->row_read && input->row_present;
	LhShared	lead = {
		.account_key = lh_account_of(slot),
		.person_key = row_there ? lh_person_of(input->row) : slot->lead.person_key,
		.lead_key = slot->lead_key,
		.row = row_there ? input->row : NULL,
		.fields = slot->lead.fields,
		.account_read = input->account_read,
		.account = input->account
	};

	return lh_part_of(slot->source, &lead);
}

/* Contract of every lead that is to be decided. */
static void
find_contracts(LhBatch *batch, List **contracts)
{
	for (int i = 0; i < batch->nleads; i++)
	{
		LhBatchLead *slot = &batch->leads[i];
		LhTrafficPart part = {0};
		LhLeadHandoff *handoff;

		if (!slot->decide)
			continue;
		slot->in_force = slot->source->contract;
		if (slot->source->challenger != NULL)
		{
			part = part_of(slot);
			slot->in_force = part.contract;
		}
		slot->contract = slot->in_force;
		handoff = deciding_handoff(slot);
		if (handoff == NULL)
			slot->input.challenge = part.challenge;
		else if (handoff->h.contract_id != slot->contract->contract_id)
			slot->contract = version_of(*contracts, handoff->h.contract_id);
		slot->input.since = slot->source->since;
		slot->input.key_prefix = slot->source->key_prefix;
		slot->input.row = lh_carry_over(slot->input.row, slot->contract);
		*contracts = list_append_unique_ptr(*contracts, unconstify(LhContract *, slot->contract));
	}
}

static void
decide_lead(LhBatch *batch, LhBatchLead *slot, const LhActivities *activities,
			const LhOpportunities *opportunities)
{
	LhInput    *input = &slot->input;

	memcpy(slot->clocks_before, slot->lead.clocks, sizeof(slot->clocks_before));
	lh_lead_bind(&slot->lead, slot->contract);
	input->nactivities = lh_activities_of(activities, slot->lead_key, slot->contract,
										  &input->activities);
	input->nopportunities = lh_opportunities_of(opportunities, slot->lead_key,
												&input->opportunities);
	lh_give_person(batch, slot);
	slot->decision = lh_decide(slot->contract, &slot->lead, input, batch->now, &slot->effects, NULL);
	batch->decided++;
}

/* Whose open time their clocks count. */
static void
find_hours(LhBatch *batch)
{
	LhHoursAsked asked = {0};

	for (int i = 0; i < batch->nleads; i++)
		if (batch->leads[i].decide)
			lh_ask_hours(&asked, batch->leads[i].contract, &batch->leads[i].lead, &batch->leads[i].input);
	lh_read_hours(&asked);
	for (int i = 0; i < batch->nleads; i++)
		if (batch->leads[i].decide)
			lh_give_hours(&asked, batch->leads[i].contract, &batch->leads[i].lead, &batch->leads[i].input);
}

/*
 * Leads of which an activity has changed, but that nothing decides now: what is kept of their activities
 * is not true any more.
 */
static void
forget_folds(LhBatch *batch)
{
	static LhStatement statement = {
		"update handoff.lead set folded_at = null where lead_key = any($1)", 1, {TEXTARRAYOID}
	};
	char	  **keys = palloc_array(char *, batch->nleads + 1);
	int			n = 0;
	Datum		value;

	for (int i = 0; i < batch->nleads; i++)
		if (!batch->leads[i].decide && batch->leads[i].input.changed_since != DT_NOEND)
			keys[n++] = batch->leads[i].lead_key;
	if (n == 0)
		return;
	value = lh_text_array(keys, n);
	lh_run(&statement, &value, NULL);
}

/* The leads that a contract decides, and from when on it needs their activities. */
static int
need_activities(LhBatch *batch, const LhContract *contract, char **keys, TimestampTz *since)
{
	int			n = 0;

	lh_set_zone(contract->zone);
	for (int i = 0; i < batch->nleads; i++)
	{
		LhBatchLead *slot = &batch->leads[i];

		if (!slot->decide || slot->contract != contract)
			continue;
		lh_find_horizon(contract, &slot->lead, &slot->input, batch->now);
		keys[n] = slot->lead_key;
		since[n++] = slot->input.activities_since;
	}
	return n;
}

/* Those of accounts too, of leads whose contract lets them count. */
static LhOpportunities *
read_opportunities(LhBatch *batch, char *const *keys, int n)
{
	char	  **by_account = palloc_array(char *, n + 1);
	int			nby_account = 0;

	for (int i = 0; i < batch->nleads; i++)
	{
		LhBatchLead *slot = &batch->leads[i];

		if (slot->decide && lh_asks_account(slot->contract, &slot->lead))
			by_account[nby_account++] = slot->lead_key;
	}
	return lh_opportunities_read(keys, n, by_account, nby_account);
}

/* Leads whose rows are gone, or all the others. */
static void
decide_some(LhBatch *batch, const LhContract *contract, bool gone, const LhActivities *activities,
			const LhOpportunities *opportunities)
{
	for (int i = 0; i < batch->nleads; i++)
	{
		LhBatchLead *slot = &batch->leads[i];

		CHECK_FOR_INTERRUPTS();
		if (slot->decide && slot->contract == contract && (slot->input.row_read && !slot->input.row_present) == gone)
			decide_lead(batch, slot, activities, opportunities);
	}
}

static void
decide_all(LhBatch *batch)
{
	char	  **keys = palloc_array(char *, batch->nleads + 1);
	TimestampTz *since = palloc_array(TimestampTz, batch->nleads + 1);
	int			n = 0;
	List	   *contracts = NIL;
	LhActivities *activities;
	LhOpportunities *opportunities;
	ListCell   *lc;

	lh_batch_undos(batch);
	find_sources(batch);
	lh_batch_accounts(batch);
	find_contracts(batch, &contracts);
	forget_folds(batch);
	lh_batch_delivered(batch);
	lh_batch_persons(batch);
	find_hours(batch);
	lh_batch_recipients(batch);
	lh_batch_managers(batch);
	foreach(lc, contracts)
		n += need_activities(batch, lfirst(lc), keys + n, since + n);
	if (n == 0)
		return;
	lh_batch_read_cadences(batch);
	activities = lh_activities_read(keys, since, n, DT_NOEND);
	opportunities = read_opportunities(batch, keys, n);
	foreach(lc, contracts)
	{
		const LhContract *contract = lfirst(lc);

		lh_set_zone(contract->zone);
		lh_contract_set_now(contract, batch->now);
		/* who goes makes room for another lead of the person */
		decide_some(batch, contract, true, activities, opportunities);
		decide_some(batch, contract, false, activities, opportunities);
	}
}

/* An owner who was found, or has gone, since the decision: his clocks have started, or end. */
static void
judge_anew(LhBatch *batch)
{
	for (int i = 0; i < batch->nleads; i++)
	{
		LhBatchLead *slot = &batch->leads[i];
		const LhLeadHandoff *open = slot->decide ? lh_open_handoff(&slot->lead) : NULL;

		if (open == NULL || (open->assignment == NULL && !open->owner_gone))
			continue;
		lh_set_zone(slot->contract->zone);
		lh_judge_slas(&slot->decision);
		lh_plan_steps(&slot->decision);
		lh_keep_cadence(&slot->decision);
	}
}

void
lh_batch_run(LhBatch *batch)
{
	List	   *groups = group_items(batch);
	ListCell   *lc;

	lock_all(batch, groups);
	foreach(lc, groups)
		lh_take_rows(batch, lfirst(lc));
	take_named_leads(batch);
	if (batch->merge != NULL)
		lh_merge_by_hand(batch);
	if (batch->forgets)
		take_forgotten(batch);
	decide_all(batch);
	lh_batch_owners(batch);
	lh_batch_assign(batch);
	judge_anew(batch);
	lh_batch_apply(batch);
	lh_batch_escalated(batch);
	lh_batch_write_cadences(batch);
	lh_queue_persons(batch);
	lh_batch_notify(batch);
}
