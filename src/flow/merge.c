/*
 * src/flow/merge.c
 *
 * Leads that are one.  A CRM merges a lead into another: the loser's row names the survivor (Salesforce),
 * or the survivor's lists the keys that it has taken over (HubSpot); merge_lead() does it by hand.
 *
 * Nothing is deleted.  The loser's key becomes an alias of the survivor: what names it means the
 * survivor from then on.  Its activities and opportunities move over, its open handoff is withdrawn and
 * itself counts as gone; its log stays.  The survivor is then decided with what it has gained.  Since
 * the alias stands, a row of the loser that a sync delivers later brings nothing back, and the order in
 * which rows come doesn't matter.
 *
 * Aliases are flat: those of the loser are turned to the survivor, and a survivor that was merged away
 * itself stands for the one that is left.  Of two rows that contradict each other, the first word counts.
 *
 * Which leads a merge concerns is read before they are locked and once more after; a merge of which we
 * don't hold both leads waits, with its row.
 */
#include "flow/intake.h"

#include "catalog/pg_type.h"
#include "flow/tombstone.h"
#include "miscadmin.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Aliases ------------------------------------------------------------------------------------ */

static LhStatement read_aliases = {
	"select alias_key, lead_key from handoff.alias where alias_key = any($1)", 1, {TEXTARRAYOID}
};

static LhStatement read_merged = {
	"select alias_key, lead_key from handoff.alias where alias_key = any($1) and kind = 'merged'", 1, {TEXTARRAYOID}
};

static LhStatement write_aliases = {
	"insert into handoff.alias as a (alias_key, lead_key, kind) "
	"select u.alias_key, u.lead_key, u.kind from unnest($1, $2, $3) as u(alias_key, lead_key, kind) "
	"on conflict (alias_key) do update set lead_key = excluded.lead_key "
	"where a.lead_key <> excluded.lead_key and a.kind = excluded.kind returning a.alias_key, a.lead_key",
	3, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

static LhStatement turn_aliases = {
	"update handoff.alias a set lead_key = u.lead_key from unnest($1, $2) as u(alias_key, lead_key) "
	"where a.lead_key = u.alias_key",
	2, {TEXTARRAYOID, TEXTARRAYOID}
};

/* Their old lead has had them so far, the new one has them from now on. */
static LhStatement keep_moved = {
	"insert into handoff.activity_past (lead_key, source, activity_key, ended_at, taken_at, at, fields, meanings, gone) "
	"select a.lead_key, a.source, a.activity_key, $2, t.taken_at, a.at, a.fields, a.meanings, false from handoff.activity a "
	"cross join lateral (select coalesce(max(p.ended_at), a.taken_at) as taken_at from handoff.activity_past p "
	"where p.lead_key = a.lead_key and p.source = a.source and p.activity_key = a.activity_key and p.ended_at >= a.taken_at) t "
	"where a.lead_key = any($1) and t.taken_at < $2 on conflict do nothing",
	2, {TEXTARRAYOID, TIMESTAMPTZOID}
};

static LhStatement move_activities = {
	"update handoff.activity a set lead_key = u.lead_key, contract_id = null, taken_at = greatest(a.taken_at, $3) "
	"from unnest($1, $2) as u(alias_key, lead_key) where a.lead_key = u.alias_key",
	3, {TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID}
};

static LhStatement move_links = {
	"update handoff.opportunity_link k set lead_key = u.lead_key from unnest($1, $2) as u(alias_key, lead_key) "
	"where k.lead_key = u.alias_key",
	2, {TEXTARRAYOID, TEXTARRAYOID}
};

static LhIndex aliases_by_key = {"alias", "alias_pkey", 1, {"alias_key"}};

/* What those of the keys stand for that stand for a lead, by one of the statements above. */
static LhPairs
run_read(LhStatement *statement, char *const *keys, int n)
{
	char	  **there = palloc_array(char *, n + 1);
	int			nthere = lh_which_are_there(&aliases_by_key, keys, n, there);
	Datum		value = lh_text_array(there, nthere);

	return lh_answer_pairs(nthere == 0 ? 0 : lh_run(statement, &value, NULL));
}

LhPairs
lh_aliases_of(char *const *keys, int n)
{
	return run_read(&read_aliases, keys, n);
}

void
lh_aliases_begin(LhRows *aliases)
{
	lh_rows_begin(aliases, &write_aliases);
}

void
lh_aliases_add(LhRows *aliases, const char *key, const char *lead_key, const char *kind)
{
	Datum		values[3] = {CStringGetTextDatum(key), CStringGetTextDatum(lead_key), CStringGetTextDatum(kind)};

	lh_rows_add(aliases, values, NULL);
}

/* What is known under a key that is new moves to its lead. */
void
lh_aliases_write(LhRows *aliases, TimestampTz now)
{
	uint64		n = lh_rows_flush(aliases);
	LhPairs		fresh = lh_answer_pairs(n);
	char	  **keys = palloc_array(char *, n + 1);
	char	  **leads = palloc_array(char *, n + 1);
	Datum		values[3];
	Datum		past[2];

	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
	{
		keys[i] = fresh.pairs[i].key;
		leads[i] = fresh.pairs[i].value;
	}
	values[0] = lh_text_array(keys, n);
	values[1] = lh_text_array(leads, n);
	values[2] = past[1] = TimestampTzGetDatum(now);
	past[0] = values[0];
	lh_run(&turn_aliases, values, NULL);
	lh_run(&keep_moved, past, NULL);
	lh_run(&move_activities, values, NULL);
	lh_run(&move_links, values, NULL);
}

/* Who is merged into whom -------------------------------------------------------------------- */

static bool
is_mapped(const LhSource *source, const char *target)
{
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(&source->mapping->root, target, strlen(target),
													 &buffer);

	return value != NULL && value->type != jbvNull;
}

static bool
names_merges(const LhSource *source)
{
	return is_mapped(source, "merged_into") || is_mapped(source, "merged_keys");
}

static List *
add_named(List *merges, int item, char *loser, char *survivor)
{
	LhMerge    *merge = palloc0_object(LhMerge);

	merge->item = item;
	merge->loser = loser;
	merge->survivor = survivor;
	return lappend(merges, merge);
}

/*
 * What the rows of a group say, as they say it.  A row that is marked as deleted counts too: Salesforce
 * deletes the loser.
 */
static List *
merges_named(const LhSourceItems *group, const LhSourceRow *rows)
{
	List	   *merges = NIL;

	for (int i = 0; i < group->n; i++)
	{
		char	   *own = lh_prefixed(group->source, group->raw_keys[i]);
		char	   *into = lh_row_text(&rows[i], "merged_into");
		int			keys = rows[i].row == NULL ? -1 : lh_fieldset_find(rows[i].row->set, "merged_keys");
		Datum	   *losers;
		bool	   *isnull;
		int			n;

		if (into != NULL && into[0] != '\0')
			merges = add_named(merges, i, own, lh_prefixed(group->source, into));
		if (!rows[i].present || keys < 0 || rows[i].row->isnull[keys])
			continue;
		deconstruct_array(DatumGetArrayTypeP(rows[i].row->values[keys]), TEXTOID, -1, false, TYPALIGN_INT,
						  &losers, &isnull, &n);
		for (int k = 0; k < n; k++)
			if (!isnull[k] && VARSIZE_ANY_EXHDR(DatumGetPointer(losers[k])) > 0)
				merges = add_named(merges, i, lh_prefixed(group->source, TextDatumGetCString(losers[k])), own);
	}
	return merges;
}

/* The merge in which a key loses; NULL: in none. */
static const LhMerge *
lost_in(const List *merges, const char *key)
{
	ListCell   *lc;

	foreach(lc, merges)
		if (strcmp(((const LhMerge *) lfirst(lc))->loser, key) == 0)
			return lfirst(lc);
	return NULL;
}

/*
 * The lead that a key stands for once these merges are done.  It comes to an end: each loses to one that
 * has not lost in those before.
 */
static char *
last_survivor(const List *merges, char *key)
{
	const LhMerge *merge;

	while ((merge = lost_in(merges, key)) != NULL)
		key = merge->survivor;
	return key;
}

/* Without those of a lead that was forgotten: nobody becomes him, and what he was is nobody's. */
static List *
without_forgotten(List *named, char *const *keys)
{
	bool	   *forgotten = palloc_array(bool, list_length(named) * 2 + 1);
	List	   *kept = NIL;
	ListCell   *lc;

	if (lh_which_are_forgotten(LH_TOMB_LEAD, keys, list_length(named) * 2, forgotten) == 0)
		return named;
	foreach(lc, named)
	{
		int			i = foreach_current_index(lc) * 2;

		if (!forgotten[i] && !forgotten[i + 1])
			kept = lappend(kept, lfirst(lc));
	}
	return kept;
}

/* Those of the merges named that are not done yet, each with the survivor that is left at the end. */
static List *
new_merges(List *named)
{
	char	  **keys = palloc_array(char *, list_length(named) * 2 + 1);
	List	   *merges = NIL;
	LhPairs		aliases;
	ListCell   *lc;
	int			n = 0;

	foreach(lc, named)
	{
		keys[n++] = ((LhMerge *) lfirst(lc))->loser;
		keys[n++] = ((LhMerge *) lfirst(lc))->survivor;
	}
	named = without_forgotten(named, keys);
	aliases = lh_aliases_of(keys, n);
	foreach(lc, named)
	{
		LhMerge    *merge = lfirst(lc);
		char	   *left = lh_pair_value(&aliases, merge->survivor);

		CHECK_FOR_INTERRUPTS();
		merge->survivor = last_survivor(merges, left == NULL ? merge->survivor : left);
		/* a CRM may list the key that stays, too */
		if (lh_pair_value(&aliases, merge->loser) == NULL && lost_in(merges, merge->loser) == NULL &&
			strcmp(merge->loser, merge->survivor) != 0)
			merges = lappend(merges, merge);
	}
	foreach(lc, merges)
	{
		LhMerge    *merge = lfirst(lc);

		merge->survivor = last_survivor(merges, merge->survivor);
	}
	return merges;
}

/* Leads that have been merged away among some keys, and what they stand for. */
static LhPairs
merged_among(char *const *keys, int n)
{
	return run_read(&read_merged, keys, n);
}

/* Before the locks: leads that a group of lead rows concerns besides those whose rows they are. */
void
lh_find_merges(LhSourceItems *group)
{
	char	  **keys = palloc_array(char *, group->n + 1);
	LhPairs		merged;
	ListCell   *lc;

	for (int i = 0; i < group->n; i++)
		keys[i] = group->items[i]->lead_key;
	if (group->source->merges)
	{
		merged = merged_among(keys, group->n);
		for (int i = 0; i < group->n; i++)
			lh_add_lead_key(group->items[i], lh_pair_value(&merged, keys[i]));
	}
	if (!names_merges(group->source))
		return;
	foreach(lc, new_merges(merges_named(group, lh_source_read(group->source, group->raw_keys, group->n))))
	{
		LhMerge    *merge = lfirst(lc);

		lh_add_lead_key(group->items[merge->item], merge->loser);
		lh_add_lead_key(group->items[merge->item], merge->survivor);
	}
}

/* Merging ------------------------------------------------------------------------------------ */

/* After the locks: which rows are those of merged leads, and what is to be merged; see LhMerging. */
LhMerging
lh_begin_merging(const LhBatch *batch, const LhSourceItems *group, const LhSourceRow *rows)
{
	LhMerging	merging = {palloc_array(char *, group->n + 1), palloc0_array(bool, group->n + 1), NIL};
	char	  **asked = palloc_array(char *, group->n + 1);
	int			nasked = 0;
	LhPairs		merged;
	ListCell   *lc;

	for (int i = 0; i < group->n; i++)
	{
		LhBatchLead *slot = lh_batch_lead(batch, group->items[i]->lead_key);

		merging.stands_for[i] = slot->lead_key;
		if (!slot->exists || slot->lead.deleted_at != DT_NOEND) /* another has not been merged */
			asked[nasked++] = slot->lead_key;
	}
	merged = merged_among(asked, nasked);
	foreach(lc, names_merges(group->source) ? new_merges(merges_named(group, rows)) : NIL)
	{
		LhMerge    *merge = lfirst(lc);

		if (lh_batch_lead(batch, merge->loser) != NULL && lh_batch_lead(batch, merge->survivor) != NULL &&
			lh_lock_stripe(merge->loser))
			merging.merges = lappend(merging.merges, merge);
		else
			merging.waits[merge->item] = true;
	}
	for (int i = 0; i < group->n; i++)
	{
		char	   *left = lh_pair_value(&merged, merging.stands_for[i]);

		merging.stands_for[i] = last_survivor(merging.merges, left == NULL ? merging.stands_for[i] : left);
		if (lh_batch_lead(batch, merging.stands_for[i]) == NULL)
			merging.waits[i] = true;
	}
	return merging;
}

/* We hold all their leads; those that have a row are decided afterwards. */
void
lh_merge(LhBatch *batch, const List *merges, const char *by)
{
	LhRows		aliases;
	ListCell   *lc;

	lh_aliases_begin(&aliases);
	foreach(lc, merges)
	{
		const LhMerge *merge = lfirst(lc);
		LhBatchLead *loser = lh_batch_lead(batch, merge->loser);
		LhBatchLead *survivor = lh_batch_lead(batch, merge->survivor);

		CHECK_FOR_INTERRUPTS();
		lh_aliases_add(&aliases, merge->loser, merge->survivor, "merged");
		survivor->decide = survivor->decide || survivor->exists;
		survivor->input.changed_since = DT_NOBEGIN;
		if (!loser->exists)
			continue;
		loser->decide = true;
		loser->input.row_read = true;
		loser->input.row_present = false;
		loser->input.merged_into = merge->survivor;
		loser->input.merged_by = by;
	}
	lh_aliases_write(&aliases, batch->now);
}

/* By hand: both leads are locked, so what is found now holds. */
void
lh_merge_by_hand(LhBatch *batch)
{
	const LhMerge *merge = batch->merge;
	char	   *keys[2] = {merge->loser, merge->survivor};
	LhPairs		aliases = lh_aliases_of(keys, 2);

	for (int i = 0; i < 2; i++)
	{
		LhBatchLead *slot = lh_batch_lead(batch, keys[i]);
		char	   *into = lh_pair_value(&aliases, keys[i]);

		if (slot == NULL || into != NULL || (i == 1 && slot->lead.deleted_at != DT_NOEND))
			ereport(ERROR,
					(errcode(ERRCODE_LH_UNKNOWN_LEAD),
					 errmsg("there is no lead \"%s\"", keys[i]),
					 into == NULL ? 0 : errdetail("It is a key of lead \"%s\".", into),
					 errhint("A lead's key is its source's key prefix and its row's key; see handoff.lead.")));
	}
	lh_merge(batch, list_make1(unconstify(LhMerge *, merge)), batch->actor);
}
