/*
 * src/flow/escalated.c
 *
 * Steps of escalation that a batch has taken become rows.
 *
 * The key says once, and it is no wish: which step is next stands with the clock, under the lead's lock.  A row
 * that is there already is a mistake of ours, and ends the batch.
 */
#include "flow/batch.h"

#include "catalog/pg_type.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static LhStatement write_steps = {
	"insert into handoff.escalation_done (lead_key, handoff_no, name, n, step, action, recipient, skipped, due_at, at, sync_late) "
	"select u.lead_key, u.handoff_no, u.name, u.n, u.step, u.action, u.recipient, u.skipped, u.due_at, u.at, u.sync_late "
	"from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
	"as u(lead_key, handoff_no, name, n, step, action, recipient, skipped, due_at, at, sync_late)",
	11,
	{
		TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID, INT4ARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
		TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, BOOLARRAYOID
	}
};

static void
add_step(LhRows *rows, const char *lead_key, const LhStepTaken *taken)
{
	Datum		values[11] = {
		CStringGetTextDatum(lead_key),
		Int32GetDatum((int32) taken->clock->handoff_no),
		CStringGetTextDatum(taken->clock->name),
		Int32GetDatum((int32) taken->clock->n),
		Int32GetDatum(taken->step),
		CStringGetTextDatum(lh_step_actions[taken->action]),
		lh_text_datum(taken->recipient),
		lh_text_datum(taken->skipped),
		TimestampTzGetDatum(taken->due_at),
		TimestampTzGetDatum(taken->at),
		BoolGetDatum(taken->sync_late)
	};
	bool		isnull[11] = {false};

	isnull[6] = taken->recipient == NULL;
	isnull[7] = taken->skipped == NULL;
	lh_rows_add(rows, values, isnull);
}

void
lh_batch_escalated(LhBatch *batch)
{
	LhRows		rows;

	lh_rows_begin(&rows, &write_steps);
	for (int i = 0; i < batch->nleads; i++)
	{
		const LhBatchLead *slot = &batch->leads[i];
		ListCell   *lc;

		foreach(lc, slot->decide ? slot->effects.steps : NIL)
			add_step(&rows, slot->lead_key, lfirst(lc));
	}
	lh_rows_flush(&rows);
}
