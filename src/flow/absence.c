/*
 * src/flow/absence.c
 *
 * Rows that are gone.  Many sync tools delete what they are about to write again: a reload empties the
 * table, a merge is DELETE and INSERT.  So a known row that is not there when its lead is decided is
 * only noted in handoff.absence, and leaves the batch as if nothing had happened.  If it is back before
 * its source's grace period is over, the note goes; if not, tick() queues its key once more as gone
 * (handoff.confirm_absences(), which also holds what looks like a mass delete), and the row that is
 * still not there then is deleted.
 *
 * A row that is there and marked as deleted needs none of this: the CRM has said so.
 */
#include "flow/batch.h"

#include "catalog/pg_type.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Of a source without a grace period so many at once are deleted without further ado. */
#define FEW		10

static LhStatement note_absences = {
	"insert into handoff.absence as a (source, raw_key, gone_at) select $1, k, $3 from handoff.known_among($1, $2) k "
	"on conflict (source, raw_key) do update set gone_at = excluded.gone_at returning a.raw_key",
	3, {TEXTOID, TEXTARRAYOID, TIMESTAMPTZOID}
};

/* Notes that somebody else has in hand. */
static LhStatement held_absences = {
	"select a.raw_key from handoff.absence a where a.source = $1 and a.raw_key = any($2) and a.ctid <> all(array("
	"select h.ctid from handoff.absence h where h.source = $1 and h.raw_key = any($2) for update skip locked))",
	2, {TEXTOID, TEXTARRAYOID}
};

static LhStatement drop_absences = {
	"delete from handoff.absence where ctid = any(array("
	"select ctid from handoff.absence where source = $1 and raw_key = any($2) for update skip locked))",
	2, {TEXTOID, TEXTARRAYOID}
};

static bool
is_among(const char *key, char *const *sorted, int n)
{
	return n > 0 && bsearch(&key, sorted, n, sizeof(char *), lh_compare_keys) != NULL;
}

/* Take the items that are marked out of the group, with their rows. */
static void
leave_group(LhSourceItems *group, LhSourceRow *rows, const bool *leaves)
{
	int			n = 0;

	for (int i = 0; i < group->n; i++)
	{
		if (leaves[i])
			continue;
		group->items[n] = group->items[i];
		group->raw_keys[n] = group->raw_keys[i];
		rows[n++] = rows[i];
	}
	group->n = n;
}

/* Which of the keys have a note that is not ours to touch now, sorted. */
static int
find_held(const LhSource *source, char **absent, int n, char ***held)
{
	Datum		values[2] = {CStringGetTextDatum(source->name), lh_text_array(absent, n)};
	int			nheld = lh_run(&held_absences, values, NULL);

	*held = palloc_array(char *, nheld + 1);
	for (int i = 0; i < nheld; i++)
		(*held)[i] = lh_get_text(i, 1);
	return lh_sort_unique(*held, nheld);
}

/* Those that we may note as absent; the others wait. */
static int
try_notes(const LhSourceItems *group, const LhSourceRow *rows, char **absent, bool *leaves)
{
	char	  **held = NULL;
	int			nheld = 0;
	int			n = 0;

	for (int i = 0; i < group->n; i++)
		if (rows[i].row == NULL && !group->items[i]->confirmed)
			absent[n++] = group->raw_keys[i];
	if (n > 0 && group->source->absences)
		nheld = find_held(group->source, absent, n, &held);
	n = 0;
	for (int i = 0; i < group->n; i++)
	{
		char	   *raw_key = group->raw_keys[i];

		if (rows[i].row != NULL || group->items[i]->confirmed)
			continue;
		/* who notes the same key in another batch would have to wait for us */
		if (!is_among(raw_key, held, nheld) && lh_lock_stripe(psprintf("absence %s", raw_key)))
			absent[n++] = raw_key;
		else
			leaves[i] = true;
	}
	return n;
}

/* Note those of the absent keys that we know; which they are, sorted. */
static int
note(const LhBatch *batch, const LhSource *source, char **absent, int n, char ***noted)
{
	Datum		values[3] = {CStringGetTextDatum(source->name), lh_text_array(absent, n),
	TimestampTzGetDatum(batch->now)};
	int			nnoted = lh_run(&note_absences, values, NULL);

	*noted = palloc_array(char *, nnoted + 1);
	for (int i = 0; i < nnoted; i++)
		(*noted)[i] = lh_get_text(i, 1);
	return lh_sort_unique(*noted, nnoted);
}

/* Those of the group that are there again, or for good not, are absent no more. */
static void
forget(const LhSourceItems *group)
{
	Datum		values[2] = {CStringGetTextDatum(group->source->name), lh_text_array(group->raw_keys, group->n)};

	if (group->source->absences && group->n > 0)
		lh_run(&drop_absences, values, NULL);
}

LhSourceRow *
lh_read_group(LhBatch *batch, LhSourceItems *group)
{
	LhSourceRow *rows = lh_source_read(group->source, group->raw_keys, group->n);
	char	  **absent = palloc_array(char *, group->n + 1);
	bool	   *leaves = palloc0_array(bool, group->n + 1);
	char	  **noted;
	int			nnoted;
	int			n = try_notes(group, rows, absent, leaves);

	if (n > 0 && (group->source->delete_grace || n > FEW))
	{
		nnoted = note(batch, group->source, absent, n, &noted);
		for (int i = 0; i < group->n; i++)
			if (!leaves[i] && rows[i].row == NULL && is_among(group->raw_keys[i], noted, nnoted))
				leaves[i] = group->items[i]->done = true;
	}
	leave_group(group, rows, leaves);
	forget(group);
	return rows;
}
