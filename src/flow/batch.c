/*
 * src/flow/batch.c
 *
 * From keys to decisions.  The order of the steps is what makes it right under concurrency:
 *
 *	1. Find the lead keys.  A lead's own row gives its key; an activity must be read to know its lead,
 *	   and the lead that handoff.activity has for it counts too (it may have moved).
 *	2. Lock the leads without waiting: existing rows FOR UPDATE SKIP LOCKED; keys without a row by an
 *	   advisory lock.  What somebody else holds stays in the inbox.
 *	3. Only then read the sources, in new statements.  Were they read before the lock, a drain that
 *	   read early and locked late could overwrite a newer row with an older one, for good.
 *	4. Decide, contract by contract, and apply.
 *
 * New leads.  An advisory lock stands for a stripe of keys, of which there are STRIPES: that bounds
 * the lock table however many leads a tick takes in, and costs a few keys of another transaction a
 * wait until the next tick.  After the try locks the rows are looked up again: a key that got its row
 * meanwhile goes on as an existing lead.
 */
#include "flow/batch.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#define STRIPES			1024
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

/* The items of one kind of source, put together by source: all of a source are read at once. */
typedef struct SourceItems
{
	LhSource   *source;
	int			n;
	LhItem	  **items;
	char	  **raw_keys;
	LhSourceRow *rows;
} SourceItems;

static SourceItems *
items_of(List **groups, LhSource *source, int room)
{
	SourceItems *group;
	ListCell   *lc;

	foreach(lc, *groups)
	{
		group = lfirst(lc);
		if (group->source == source)
			return group;
	}
	group = palloc0_object(SourceItems);
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

	for (int i = 0; i < batch->nitems; i++)
	{
		LhItem	   *item = batch->items[i];
		LhSource   *source = batch_source(batch, item->source);
		SourceItems *group;

		if (source == NULL)
			item->done = true;
		else if (source->contract != NULL && !item->is_clock)
		{
			group = items_of(&groups, source, batch->nitems);
			group->raw_keys[group->n] = item->raw_key;
			group->items[group->n++] = item;
		}
	}
	return groups;
}

static List *
lock_sources(List *groups)
{
	List	   *locked = NIL;
	ListCell   *lc;

	foreach(lc, groups)
	{
		SourceItems *group = lfirst(lc);
		bool		got = lh_source_lock(group->source);

		for (int i = 0; i < group->n; i++)
			group->items[i]->table_busy = !got;
		if (got)
			locked = lappend(locked, group);
	}
	return locked;
}

/* Lead keys ---------------------------------------------------------------------------------- */

/* Which lead an activity's row names; NULL: none, or it has not happened (it has no time). */
static char *
lead_of_row(const LhSource *source, const LhSourceRow *row)
{
	const LhFieldSet *set = source->contract->activity_set;
	int			lead_key = lh_fieldset_find(set, "lead_key");
	int			at = lh_fieldset_find(set, "at");

	if (!row->present || row->row->isnull[lead_key] || row->row->isnull[at] ||
		TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(row->row->values[at])))
		return NULL;
	return psprintf("%s%s", source->key_prefix, TextDatumGetCString(row->row->values[lead_key]));
}

/* Which leads hold the activities now: (activity_key, lead_key), by activity_key. */
typedef struct Holder
{
	char	   *activity_key;
	char	   *lead_key;
} Holder;

static int
find_holders(const SourceItems *group, Holder **holders)
{
	/* offset 0: key by key through the index, even if source alone looks selective (no statistics yet) */
	static LhStatement statement = {
		"select a.activity_key, a.lead_key from unnest($2) k (key) "
		"cross join lateral (select activity_key, lead_key from handoff.activity "
		"where source = $1 and activity_key = k.key offset 0) a order by a.activity_key collate \"C\"",
		2, {TEXTOID, TEXTARRAYOID}
	};
	Datum		values[2] = {CStringGetTextDatum(group->source->name),
	lh_text_array(group->raw_keys, group->n)};
	int			n = lh_run(&statement, values, NULL);

	*holders = palloc_array(Holder, Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		(*holders)[i].activity_key = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
		(*holders)[i].lead_key = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2);
	}
	return n;
}

static char *
holder_of(const Holder *holders, int n, const char *activity_key)
{
	const Holder *found = bsearch(&activity_key, holders, n, sizeof(Holder), lh_compare_keys);

	return found == NULL ? NULL : found->lead_key;
}

/* All lead keys that the batch concerns, sorted. */
static int
collect_lead_keys(LhBatch *batch, List *groups, char ***lead_keys)
{
	int			n = 0;
	ListCell   *lc;

	*lead_keys = palloc_array(char *, batch->nitems * 2 + 1);
	for (int i = 0; i < batch->nitems; i++)
		if (batch->items[i]->is_clock)
			(*lead_keys)[n++] = batch->items[i]->lead_key;
	foreach(lc, groups)
	{
		SourceItems *group = lfirst(lc);
		bool		is_activity = lh_source_is(group->source, "activity");
		Holder	   *holders;
		int			nholders = 0;

		if (is_activity)
		{
			group->rows = lh_source_read(group->source, group->raw_keys, group->n);
			nholders = find_holders(group, &holders);
		}
		for (int i = 0; i < group->n; i++)
		{
			LhItem	   *item = group->items[i];
			char	   *holder;

			item->lead_key = is_activity ? lead_of_row(group->source, &group->rows[i]) :
				psprintf("%s%s", group->source->key_prefix, item->raw_key);
			if (item->lead_key != NULL)
				(*lead_keys)[n++] = item->lead_key;
			holder = is_activity ? holder_of(holders, nholders, item->raw_key) : NULL;
			if (holder != NULL)
				(*lead_keys)[n++] = holder;
		}
	}
	return lh_sort_unique(*lead_keys, n);
}

/* Locking ------------------------------------------------------------------------------------ */

static bool
lock_stripe(const char *lead_key)
{
	int32		stripe = hash_bytes((const unsigned char *) lead_key, strlen(lead_key)) % STRIPES;

	return DatumGetBool(DirectFunctionCall2(pg_try_advisory_xact_lock_int4,
											Int32GetDatum(STRIPE_CLASS), Int32GetDatum(stripe)));
}

static bool
contains(char *const *keys, int n, const char *key)
{
	return n > 0 && bsearch(&key, keys, n, sizeof(char *), lh_compare_keys) != NULL;
}

/* Keys without a row of which we got the lock; keys is sorted. */
static int
lock_new(char *const *keys, int n, char **got)
{
	char	  **existing;
	int			nexisting = lh_leads_existing(keys, n, &existing);
	int			ngot = 0;

	for (int i = 0; i < n; i++)
		if (!contains(existing, nexisting, keys[i]) && lock_stripe(keys[i]))
			got[ngot++] = keys[i];
	return ngot;
}

static int
compare_batch_leads(const void *a, const void *b)
{
	return strcmp(((const LhBatchLead *) a)->lead_key, ((const LhBatchLead *) b)->lead_key);
}

static LhBatchLead *
find_lead(const LhBatch *batch, const char *lead_key)
{
	LhBatchLead key = {.lead_key = unconstify(char *, lead_key)};

	if (batch->nleads == 0)
		return NULL;
	return bsearch(&key, batch->leads, batch->nleads, sizeof(LhBatchLead), compare_batch_leads);
}

static void
lock_leads(LhBatch *batch, char *const *keys, int n)
{
	char	  **fresh = palloc_array(char *, Max(n, 1));
	int			nfresh = lock_new(keys, n, fresh);
	LhLead	   *leads;
	int			nlocked = lh_leads_read(keys, n, true, &leads);
	char	  **existing;
	int			nexisting = 0;

	batch->leads = palloc0_array(LhBatchLead, nlocked + nfresh + 1);
	for (int i = 0; i < nlocked; i++)
	{
		LhBatchLead *slot = &batch->leads[batch->nleads++];

		slot->lead_key = leads[i].lead_key;
		slot->exists = true;
		slot->lead = leads[i];
	}
	/* a fresh key may have got its row before our lock, and be locked by its drain's successor */
	if (nfresh > 0)
		nexisting = lh_leads_existing(fresh, nfresh, &existing);
	for (int i = 0; i < nfresh; i++)
		if (nexisting == 0 || !contains(existing, nexisting, fresh[i]))
			batch->leads[batch->nleads++].lead_key = fresh[i];
	qsort(batch->leads, batch->nleads, sizeof(LhBatchLead), compare_batch_leads);
	for (int i = 0; i < batch->nleads; i++)
	{
		batch->leads[i].input.version = DT_NOBEGIN;
		batch->leads[i].input.activity_at = DT_NOBEGIN;
	}
}

/* Reading ------------------------------------------------------------------------------------ */

static void
read_lead_rows(LhBatch *batch, SourceItems *group)
{
	int			n = 0;

	/* only what we hold; the others stay in the inbox */
	for (int i = 0; i < group->n; i++)
		if (find_lead(batch, group->items[i]->lead_key) != NULL)
		{
			group->raw_keys[n] = group->items[i]->raw_key;
			group->items[n++] = group->items[i];
		}
	group->n = n;
	group->rows = lh_source_read(group->source, group->raw_keys, n);
	for (int i = 0; i < n; i++)
	{
		LhItem	   *item = group->items[i];
		LhBatchLead *slot = find_lead(batch, item->lead_key);

		if (!slot->exists)
			lh_lead_init(&slot->lead, item->lead_key, group->source->name, item->raw_key);
		else if (strcmp(slot->lead.source, group->source->name) != 0)
		{
			/* the table was detached, and attached again under another name */
			slot->lead.source = group->source->name;
			slot->lead.raw_key = item->raw_key;
			slot->effects.changed = true;
		}
		slot->source = group->source;
		slot->decide = true;
		slot->input.row_read = true;
		slot->input.row_present = group->rows[i].present;
		slot->input.row = group->rows[i].row;
		slot->input.version = group->rows[i].version;
		slot->input.backfill = item->backfill && !slot->exists;
		slot->input.seen_at = item->at;
		item->done = true;
	}
}

static LhStatement upsert_activities = {
	"insert into handoff.activity as a (lead_key, source, activity_key, at, seen_at, fields) "
	"select u.lead_key, $1, u.activity_key, u.at, u.seen_at, u.fields "
	"from unnest($2, $3, $4, $5, $6) as u(lead_key, activity_key, at, seen_at, fields) "
	"on conflict (lead_key, source, activity_key) do update "
	"set at = excluded.at, fields = excluded.fields, contract_id = null "
	"where (a.at, a.fields) is distinct from (excluded.at, excluded.fields) "
	"returning a.lead_key, a.at",
	6, {TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, JSONBARRAYOID}
};

static LhStatement delete_activities = {
	"delete from handoff.activity a using unnest($2, $3) as u(lead_key, activity_key) "
	"where a.lead_key = u.lead_key and a.source = $1 and a.activity_key = u.activity_key "
	"returning a.lead_key",
	3, {TEXTOID, TEXTARRAYOID, TEXTARRAYOID}
};

/* Leads in the answer have new activities (or lost some): they are to be decided. */
static void
take_changed(LhBatch *batch, bool has_time)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		LhBatchLead *slot = find_lead(batch, SPI_getvalue(tuple, SPI_tuptable->tupdesc, 1));
		TimestampTz at = DT_NOBEGIN;
		bool		isnull;

		if (has_time)
			at = DatumGetTimestampTz(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &isnull));
		slot->decide = slot->decide || slot->exists;
		slot->input.activity_at = Max(slot->input.activity_at, at);
	}
}

/* The columns of one change of handoff.activity, gathered. */
typedef struct ActivityRows
{
	int			n;
	Datum	   *lead_key;
	Datum	   *activity_key;
	Datum	   *at;
	Datum	   *seen_at;
	Datum	   *fields;
} ActivityRows;

static void
begin_rows(ActivityRows *rows, int room)
{
	rows->n = 0;
	rows->lead_key = palloc_array(Datum, room + 1);
	rows->activity_key = palloc_array(Datum, room + 1);
	rows->at = palloc_array(Datum, room + 1);
	rows->seen_at = palloc_array(Datum, room + 1);
	rows->fields = palloc_array(Datum, room + 1);
}

static void
write_activities(LhBatch *batch, const LhSource *source, const ActivityRows *kept,
				 const ActivityRows *gone)
{
	Datum		values[6];

	values[0] = CStringGetTextDatum(source->name);
	if (gone->n > 0)
	{
		values[1] = lh_array(TEXTOID, gone->lead_key, gone->n);
		values[2] = lh_array(TEXTOID, gone->activity_key, gone->n);
		lh_run(&delete_activities, values, NULL);
		take_changed(batch, false);
	}
	if (kept->n > 0)
	{
		values[1] = lh_array(TEXTOID, kept->lead_key, kept->n);
		values[2] = lh_array(TEXTOID, kept->activity_key, kept->n);
		values[3] = lh_array(TIMESTAMPTZOID, kept->at, kept->n);
		values[4] = lh_array(TIMESTAMPTZOID, kept->seen_at, kept->n);
		values[5] = lh_array(JSONBOID, kept->fields, kept->n);
		lh_run(&upsert_activities, values, NULL);
		take_changed(batch, true);
	}
}

/*
 * Read a source's activities again under the leads' locks and keep them.  One whose lead has changed
 * between the two reads, or whose leads we don't hold, stays in the inbox.
 */
static void
read_activity_rows(LhBatch *batch, SourceItems *group)
{
	const LhFieldSet *set = group->source->contract->activity_set;
	int			at = lh_fieldset_find(set, "at");
	Holder	   *holders;
	int			nholders = find_holders(group, &holders);
	ActivityRows kept;
	ActivityRows gone;

	begin_rows(&kept, group->n);
	begin_rows(&gone, group->n);
	group->rows = lh_source_read(group->source, group->raw_keys, group->n);
	for (int i = 0; i < group->n; i++)
	{
		LhItem	   *item = group->items[i];
		char	   *lead_key = lead_of_row(group->source, &group->rows[i]);
		char	   *holder = holder_of(holders, nholders, item->raw_key);

		if ((lead_key == NULL) != (item->lead_key == NULL) ||
			(lead_key != NULL && strcmp(lead_key, item->lead_key) != 0) ||
			(lead_key != NULL && find_lead(batch, lead_key) == NULL) ||
			(holder != NULL && find_lead(batch, holder) == NULL))
			continue;
		item->done = true;
		if (holder != NULL && (lead_key == NULL || strcmp(holder, lead_key) != 0))
		{
			gone.lead_key[gone.n] = CStringGetTextDatum(holder);
			gone.activity_key[gone.n++] = CStringGetTextDatum(item->raw_key);
		}
		if (lead_key == NULL)
			continue;
		kept.lead_key[kept.n] = CStringGetTextDatum(lead_key);
		kept.activity_key[kept.n] = CStringGetTextDatum(item->raw_key);
		kept.at[kept.n] = group->rows[i].row->values[at];
		kept.seen_at[kept.n] = TimestampTzGetDatum(item->at);
		kept.fields[kept.n++] = PointerGetDatum(lh_fields_to_jsonb(group->rows[i].row,
																   LH_ACTIVITY_FIELDS_FIRST,
																   set->nfields));
	}
	write_activities(batch, group->source, &kept, &gone);
}

static void
take_due_clocks(LhBatch *batch)
{
	for (int i = 0; i < batch->nitems; i++)
	{
		LhItem	   *item = batch->items[i];
		LhBatchLead *slot = item->is_clock ? find_lead(batch, item->lead_key) : NULL;

		if (slot == NULL || !slot->exists)
			continue;
		/* the clock may have been stopped or moved before we had the lock */
		for (int k = 0; k < LH_NCLOCKS; k++)
			if (item->clock_due[k] && slot->lead.clocks[k].due_at <= batch->now)
			{
				slot->input.clock_due[k] = true;
				slot->decide = true;
			}
		item->done = true;
	}
}

/* Deciding ----------------------------------------------------------------------------------- */

/* Give every lead that is to be decided its source, if the batch did not read its row. */
static void
find_sources(LhBatch *batch)
{
	for (int i = 0; i < batch->nleads; i++)
	{
		LhBatchLead *slot = &batch->leads[i];
		LhSource   *source;

		if (!slot->decide || slot->source != NULL)
			continue;
		source = batch_source(batch, slot->lead.source);
		if (source == NULL || source->contract == NULL)
			slot->decide = false;
		slot->source = source;
	}
}

static void
decide_under(LhBatch *batch, const LhContract *contract, const LhActivities *activities)
{
	lh_set_zone(contract->zone);
	lh_contract_set_now(contract, batch->now);
	for (int i = 0; i < batch->nleads; i++)
	{
		LhBatchLead *slot = &batch->leads[i];

		if (!slot->decide || slot->source->contract != contract)
			continue;
		CHECK_FOR_INTERRUPTS();
		slot->input.since = slot->source->since;
		memcpy(slot->clocks_before, slot->lead.clocks, sizeof(slot->clocks_before));
		lh_lead_bind(&slot->lead, contract);
		slot->input.nactivities = lh_activities_of(activities, slot->lead_key, contract,
												   &slot->input.activities);
		lh_decide(contract, &slot->lead, &slot->input, batch->now, &slot->effects, NULL);
		batch->decided++;
	}
}

static void
decide_all(LhBatch *batch)
{
	char	  **keys = palloc_array(char *, batch->nleads + 1);
	int			n = 0;
	List	   *contracts = NIL;
	LhActivities *activities;
	ListCell   *lc;

	for (int i = 0; i < batch->nleads; i++)
		if (batch->leads[i].decide)
		{
			keys[n++] = batch->leads[i].lead_key;
			contracts = list_append_unique_ptr(contracts,
											   unconstify(LhContract *, batch->leads[i].source->contract));
		}
	if (n == 0)
		return;
	activities = lh_activities_read(keys, n);
	foreach(lc, contracts)
		decide_under(batch, lfirst(lc), activities);
}

void
lh_batch_run(LhBatch *batch)
{
	List	   *groups = lock_sources(group_items(batch));
	char	  **lead_keys;
	int			nlead_keys = collect_lead_keys(batch, groups, &lead_keys);
	ListCell   *lc;

	lock_leads(batch, lead_keys, nlead_keys);
	foreach(lc, groups)
	{
		SourceItems *group = lfirst(lc);

		if (lh_source_is(group->source, "activity"))
			read_activity_rows(batch, group);
		else
			read_lead_rows(batch, group);
	}
	take_due_clocks(batch);
	find_sources(batch);
	decide_all(batch);
	lh_batch_apply(batch);
}
