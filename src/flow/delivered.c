/*
 * src/flow/delivered.c
 *
 * When the news of an assignment has reached somebody.
 *
 * A worker's ack() must neither wait for a lead nor decide it, and a handoff's row is the fold of its events.  So
 * ack() only leaves a note in the inbox, and whoever works that off, with the lead's lock, finds out here since when
 * it is so, and the decision says it by an event.
 */
#include "flow/batch.h"

#include "catalog/pg_type.h"
#include "sql.h"
#include "utils/timestamp.h"

static LhStatement read_delivered = {
	"select o.lead_key, (o.payload ->> 'handoff')::bigint, min(d.done_at) "
	"from handoff.outbox o join handoff.delivery d on d.lead_key = o.lead_key and d.seq = o.seq and d.n = o.n "
	"where o.lead_key = any($1) and o.type = 'handoff.assigned' and d.done_at is not null "
	"group by 1, 2",
	1, {TEXTARRAYOID}
};

/* Leads of which it was noted; nobody else is asked for. */
void
lh_batch_delivered(LhBatch *batch)
{
	char	  **keys = palloc_array(char *, Max(batch->nitems, 1));
	int			n = 0;
	Datum		value;

	for (int i = 0; i < batch->nitems; i++)
		if (batch->items[i]->heard && batch->items[i]->lead_key != NULL)
			keys[n++] = batch->items[i]->lead_key;
	if (n == 0)
		return;
	value = lh_text_array(keys, n);
	n = lh_run(&read_delivered, &value, NULL);
	for (int i = 0; i < n; i++)
	{
		LhBatchLead *slot = lh_batch_lead(batch, lh_get_text(i, 1));
		LhInput    *input;

		if (slot == NULL)
			continue;
		input = &slot->input;
		if (input->ndelivered == 0)
			input->delivered = palloc_array(LhDelivered, n);
		input->delivered[input->ndelivered].handoff_no = lh_get_bigint(i, 2, 0);
		input->delivered[input->ndelivered++].at = lh_get_time(i, 3, LH_NOT_YET);
	}
}

/* Later assignments don't count: as with assigned_at it is the first that does. */
void
lh_note_delivered(LhDecision *decision)
{
	const LhInput *input = decision->input;
	ListCell   *lc;

	foreach(lc, decision->lead->handoffs)
	{
		LhLeadHandoff *handoff = lfirst(lc);

		for (int i = 0; i < input->ndelivered && handoff->h.delivered_at == LH_NOT_YET; i++)
			if (input->delivered[i].handoff_no == handoff->h.handoff_no)
			{
				handoff->h.delivered_at = input->delivered[i].at;
				lh_handoff_event(decision, handoff, "delivered", "contract", NULL);
			}
	}
}
