/*
 * src/flow/intake.c
 *
 * Rows of sources, by kind, and what the kinds share.  See intake.h.
 */
#include "flow/intake.h"

#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Small things ------------------------------------------------------------------------------- */

void
lh_add_lead_key(LhItem *item, char *key)
{
	if (key == NULL)
		return;
	if (item->keys == NULL)
		item->keys = palloc_array(char *, 4);
	else if (item->nkeys >= 4)
		item->keys = repalloc_array(item->keys, char *, item->nkeys + 1);
	item->keys[item->nkeys++] = key;
}

/* A text field of a row that was read; NULL: null or not there. */
char *
lh_row_text(const LhSourceRow *row, const char *field)
{
	int			i = row->row == NULL ? -1 : lh_fieldset_find(row->row->set, field);

	return i < 0 || row->row->isnull[i] ? NULL : TextDatumGetCString(row->row->values[i]);
}

char *
lh_prefixed(const LhSource *source, const char *key)
{
	return key == NULL ? NULL : psprintf("%s%s", source->key_prefix, lh_source_id(source, key));
}

/* A row that is gone or marked as deleted, for a statement that takes key, version and moment. */
void
lh_add_gone(LhRows *rows, const char *key, const LhSourceRow *row, TimestampTz now)
{
	TimestampTz version = LH_ROW_VERSION(row);
	Datum		values[3] = {CStringGetTextDatum(key), TimestampTzGetDatum(version), TimestampTzGetDatum(now)};
	bool		isnull[3] = {false, version == DT_NOBEGIN, false};

	lh_rows_add(rows, values, isnull);
}

LhPairs
lh_answer_pairs(uint64 n)
{
	LhPairs		all = {n, palloc_array(LhPair, Max(n, 1))};

	for (int i = 0; i < n; i++)
	{
		all.pairs[i].key = lh_get_text(i, 1);
		all.pairs[i].value = lh_get_text(i, 2);
	}
	qsort(all.pairs, n, sizeof(LhPair), lh_compare_keys);
	return all;
}

char *
lh_pair_value(const LhPairs *all, const char *key)
{
	const LhPair *found = all->n == 0 ? NULL :
		bsearch(&key, all->pairs, all->n, sizeof(LhPair), lh_compare_keys);

	return found == NULL ? NULL : found->value;
}

const LhPair *
lh_pair_first(const LhPairs *all, const char *key, int *n)
{
	const LhPair *found = all->n == 0 ? NULL :
		bsearch(&key, all->pairs, all->n, sizeof(LhPair), lh_compare_keys);
	const LhPair *end = found;

	*n = 0;
	if (found == NULL)
		return NULL;
	while (found > all->pairs && strcmp(found[-1].key, key) == 0)
		found--;
	while (end < all->pairs + all->n && strcmp(end->key, key) == 0)
		end++;
	*n = end - found;
	return found;
}

/* Keep only the items whose leads we hold. */
void
lh_keep_held(LhBatch *batch, LhSourceItems *group)
{
	int			n = 0;

	for (int i = 0; i < group->n; i++)
		if (lh_batch_holds(batch, group->items[i]))
		{
			group->raw_keys[n] = group->raw_keys[i];
			group->items[n++] = group->items[i];
		}
	group->n = n;
}

/* Keep only the items whose stripe we got; the others wait. */
void
lh_keep_locked(LhSourceItems *group, const char *kind)
{
	int			n = 0;

	for (int i = 0; i < group->n; i++)
	{
		if (!lh_lock_stripe(psprintf("%s %s", kind, lh_prefixed(group->source, group->raw_keys[i]))))
			continue;
		group->raw_keys[n] = group->raw_keys[i];
		group->items[n++] = group->items[i];
	}
	group->n = n;
}

/* By kind ------------------------------------------------------------------------------------ */

void
lh_find_leads(LhBatch *batch, LhSourceItems *group)
{
	if (lh_source_is(group->source, "lead"))
		lh_find_of_leads(group);
	else if (lh_source_is(group->source, "opportunity"))
		lh_find_of_opportunities(group);
	else if (!lh_source_is(group->source, "account") && !lh_source_is(group->source, "rep"))
		lh_find_of_named(group);
}

void
lh_take_rows(LhBatch *batch, LhSourceItems *group)
{
	if (lh_source_is(group->source, "lead"))
		lh_take_leads(batch, group);
	else if (lh_source_is(group->source, "opportunity"))
		lh_take_opportunities(batch, group);
	else if (lh_source_is(group->source, "account"))
		lh_take_accounts(batch, group);
	else if (lh_source_is(group->source, "rep"))
		lh_take_users(batch, group);
	else if (lh_source_is(group->source, "link"))
		lh_take_links(batch, group);
	else
		lh_take_activities(batch, group);
}
