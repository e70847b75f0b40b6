/*
 * src/flow/undoable.c
 *
 * What the log says of a lead's newest disposition, for those of a batch where it may be taken back: where the
 * lead came from, and how it was before.
 */
#include "flow/batch.h"

#include "catalog/pg_type.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/*
 * One row a lead of which a handoff has ended, and which has left a stage by that.  A disposition ends its
 * handoff before it moves the lead, and opens another one again after that.  What one decision has written has one
 * recorded_at; two may have the same now.
 */
static LhStatement read_undos = {
	"select u.lead_key, h.handoff_no, c.actor, b.stage, b.seq, b.entered_at, i.since, "
	"h.rep is null or exists (select from handoff.rep r where r.rep = h.rep and r.active and r.valid_from <= $2 and $2 < r.valid_to), "
	"not exists (select from handoff.event e where e.lead_key = u.lead_key and e.type = 'stage' and e.seq > c.seq and e.recorded_at <> c.recorded_at), "
	"o.columns "
	"from unnest($1) as u(lead_key) "
	"cross join lateral ("
	" select e.seq, e.actor, e.recorded_at, (e.detail ->> 'handoff')::int as handoff_no from handoff.event e"
	" where e.lead_key = u.lead_key and e.type = 'closed' order by e.seq desc limit 1) c "
	"join handoff.handoff h on h.lead_key = u.lead_key and h.handoff_no = c.handoff_no "
	"cross join lateral ("
	" select e.seq from handoff.event e where e.lead_key = u.lead_key and e.type = 'stage' and e.seq > c.seq order by e.seq limit 1) s "
	"cross join lateral ("
	" select n.seq, n.stage, n.entered_at from handoff.stage_history n"
	" where n.lead_key = u.lead_key and n.seq < s.seq and not n.undone order by n.seq desc limit 1) b "
	"left join lateral ("
	" select case e.type when 'reset' then e.at else (e.detail ->> 'intent_since')::timestamptz end as since from handoff.event e"
	" where e.lead_key = u.lead_key and e.seq < c.seq and (e.type = 'reset' or e.type = 'undisposed' and e.detail ? 'intent_since')"
	" order by e.seq desc limit 1) i on true "
	"left join lateral ("
	" select jsonb_object_agg(n.key, n.value) as columns from ("
	"  select distinct on (d.key) d.key, d.value from ("
	"   select (e.detail ->> 'handoff')::int as handoff_no, e.seq from handoff.event e"
	"   where e.lead_key = u.lead_key and e.type = 'reopened' and e.seq > c.seq order by e.seq limit 1) r"
	"  join handoff.event e on e.lead_key = u.lead_key and e.seq < r.seq and (e.detail ->> 'handoff')::int = r.handoff_no"
	"  cross join lateral jsonb_each(e.detail -> 'set') d order by d.key, e.seq desc) n) o on true "
	"order by u.lead_key collate \"C\"",
	2, {TEXTARRAYOID, TIMESTAMPTZOID}
};

/* Has the lead come where it is by the end of a handoff? */
static bool
rests(const LhLead *lead)
{
	ListCell   *lc;

	foreach(lc, lead->handoffs)
		if (((LhLeadHandoff *) lfirst(lc))->h.closed_at == lead->stage_since)
			return true;
	return false;
}

static bool
may_be_taken_back(const LhBatchLead *slot)
{
	const LhInput *input = &slot->input;

	if (!slot->decide || !slot->exists || slot->lead.deleted_at != DT_NOEND)
		return false;
	return (input->action != NULL && input->action->kind == LH_DO_UNDISPOSE) ||
		(input->crm_status != NULL && rests(&slot->lead));
}

static LhUndo *
take_undo(uint64 row)
{
	LhUndo	   *undo = palloc0_object(LhUndo);
	Jsonb	   *before = lh_get_jsonb(row, 10);

	undo->handoff_no = lh_get_int(row, 2, 0);
	undo->by = lh_get_text(row, 3);
	undo->stage = lh_get_text(row, 4);
	undo->stay = lh_get_bigint(row, 5, 0);
	undo->entered_at = lh_get_time(row, 6, DT_NOBEGIN);
	undo->intent_since = lh_get_time(row, 7, DT_NOBEGIN);
	undo->owner_there = lh_get_bool(row, 8);
	undo->rests = lh_get_bool(row, 9);
	if (before != NULL)
	{
		undo->before = palloc_object(LhHandoff);
		lh_handoff_from_jsonb(undo->before, before);
	}
	return undo;
}

void
lh_batch_undos(LhBatch *batch)
{
	char	  **keys = palloc_array(char *, batch->nleads + 1);
	int			n = 0;
	Datum		values[2];

	for (int i = 0; i < batch->nleads; i++)
		if (may_be_taken_back(&batch->leads[i]))
			keys[n++] = batch->leads[i].lead_key;
	if (n == 0)
		return;
	values[0] = lh_text_array(keys, n);
	values[1] = TimestampTzGetDatum(batch->now);
	n = lh_run(&read_undos, values, NULL);
	for (int i = 0; i < n; i++)
		lh_batch_lead(batch, lh_get_text(i, 1))->input.undo = take_undo(i);
}
