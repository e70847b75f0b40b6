/*
 * src/flow/cadences.c
 *
 * The cadence of handoffs: reading its steps, planning and judging them with each decision, writing them.
 *
 * A step is a clock of kind "cadence" that tick() does not look at: nothing happens when it is due, and views
 * need no tick to say that it was missed.  There are steps once there is an owner.  What is owed is planned
 * anew by every decision, as the clocks of SLAs are.
 */
#include "flow/batch.h"

#include "catalog/pg_type.h"
#include "sql.h"
#include "time/calendar.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Reading ------------------------------------------------------------------------------------ */

static LhStatement read_steps = {
	"select lead_key, handoff_no, n, name, started_at, due_at, stopped_at, verdict from handoff.clock "
	"where lead_key = any($1) and kind = 'cadence' order by lead_key collate \"C\", handoff_no, due_at, n",
	1, {TEXTARRAYOID}
};

/* The steps of leads in byte order of key. */
void
lh_cadences_read(LhLead *const *leads, int n)
{
	char	  **keys = palloc_array(char *, n + 1);
	int			at = 0;
	Datum		value;

	for (int i = 0; i < n; i++)
		keys[i] = leads[i]->lead_key;
	value = lh_text_array(keys, n);
	lh_run(&read_steps, &value, NULL);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		char	   *lead_key = lh_get_text(row, 1);
		LhStepClock *step = palloc0_object(LhStepClock);

		while (at < n && strcmp(keys[at], lead_key) < 0)
			at++;
		if (at == n || strcmp(keys[at], lead_key) != 0)
			continue;
		step->handoff_no = lh_get_int(row, 2, 0);
		step->step = lh_get_int(row, 3, 0);
		step->channel = lh_get_text(row, 4);
		step->started_at = lh_get_time(row, 5, 0);
		step->due_at = lh_get_time(row, 6, 0);
		step->stopped_at = lh_get_time(row, 7, LH_NOT_YET);
		step->verdict = lh_get_text(row, 8);
		leads[at]->cadence = lappend(leads[at]->cadence, step);
	}
}

void
lh_batch_read_cadences(LhBatch *batch)
{
	LhLead	  **leads = palloc_array(LhLead *, batch->nleads + 1);
	int			n = 0;

	for (int i = 0; i < batch->nleads; i++)
	{
		LhBatchLead *slot = &batch->leads[i];

		if (slot->decide && slot->contract->ncadence > 0 && slot->lead.handoffs != NIL)
			leads[n++] = &slot->lead;
	}
	if (n > 0)
		lh_cadences_read(leads, n);
}

/* Judging ------------------------------------------------------------------------------------ */

/* The steps of a handoff, in the order in which they are due. */
static LhStepClock **
steps_of(const LhLead *lead, const LhHandoff *h, int *n)
{
	LhStepClock **steps = palloc_array(LhStepClock *, list_length(lead->cadence) + 1);
	ListCell   *lc;

	*n = 0;
	foreach(lc, lead->cadence)
	{
		LhStepClock *step = lfirst(lc);

		if (step->handoff_no == h->handoff_no)
			steps[(*n)++] = step;
	}
	qsort(steps, *n, sizeof(LhStepClock *), lh_compare_steps);
	return steps;
}

/* The step's clock; one that is not there yet is made, without a due time. */
static LhStepClock *
clock_of(LhLead *lead, const LhHandoff *h, const LhCadenceStep *planned)
{
	LhStepClock *step;
	ListCell   *lc;

	foreach(lc, lead->cadence)
	{
		step = lfirst(lc);
		if (step->handoff_no == h->handoff_no && step->step == planned->step)
			return step;
	}
	step = palloc0_object(LhStepClock);
	step->handoff_no = h->handoff_no;
	step->step = planned->step;
	step->channel = planned->channel;
	step->started_at = h->handed_at;
	step->due_at = LH_NOT_YET;
	step->stopped_at = LH_NOT_YET;
	step->is_new = true;
	lead->cadence = lappend(lead->cadence, step);
	return step;
}

/* What is owed is due by the hours of whoever owes it, as they are now. */
static void
plan(LhDecision *decision, const LhHandoff *h, LhCalendar *hours)
{
	const LhContract *contract = decision->contract;
	int			leg = lh_contract_leg(contract, h->leg);

	hours = lh_calendar_or_dates(hours, contract->zone);
	for (int i = 0; i < contract->ncadence; i++)
	{
		const LhCadenceStep *planned = &contract->cadence[i];
		LhStepClock *step;
		TimestampTz due_at;

		if (planned->leg != leg || !lh_step_due(planned, h->handed_at, hours, &due_at))
			continue;
		step = clock_of(decision->lead, h, planned);
		if (step->stopped_at != LH_NOT_YET || step->due_at == due_at)
			continue;
		step->due_at = due_at;
		step->changed = true;
	}
}

static void
judge(const LhDecision *decision, const LhHandoff *h)
{
	int			n;
	LhStepClock **steps = steps_of(decision->lead, h, &n);
	LhTouch    *touches;
	int			ntouches;

	if (n == 0)
		return;
	ntouches = lh_touches_of(decision, h, &touches);
	lh_judge_cadence(decision->contract, h, steps, n, touches, ntouches, decision->lead->row, decision->now);
}

void
lh_keep_cadence(LhDecision *decision)
{
	ListCell   *lc;

	if (decision->contract->ncadence == 0)
		return;
	foreach(lc, decision->lead->handoffs)
	{
		const LhLeadHandoff *handoff = lfirst(lc);
		const LhHandoff *h = &handoff->h;

		if (!lh_is_counted(decision, h))
			continue;
		judge(decision, h);
		if (h->closed_at != LH_NOT_YET || h->rep == NULL)
			continue;
		plan(decision, h, handoff->assignment != NULL ? handoff->assignment->hours : decision->input->owner_hours);
		judge(decision, h);
	}
}

/* Writing ------------------------------------------------------------------------------------ */

static LhStatement insert_steps = {
	"insert into handoff.clock (lead_key, handoff_no, kind, name, n, started_at, due_at, stopped_at, verdict) "
	"select u.lead_key, u.handoff_no, u.kind, u.name, u.n, u.started_at, u.due_at, u.stopped_at, u.verdict "
	"from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) as u(lead_key, handoff_no, kind, name, n, started_at, due_at, stopped_at, verdict)",
	9,
	{
		TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID,
		TIMESTAMPTZARRAYOID, TEXTARRAYOID
	},
	.plain = true
};

static LhStatement update_steps = {
	"update handoff.clock k set due_at = u.due_at, stopped_at = u.stopped_at, verdict = u.verdict "
	"from unnest($1, $2, $3, $4, $5, $6, $7) as u(lead_key, handoff_no, name, n, due_at, stopped_at, verdict) "
	"where k.lead_key = u.lead_key and k.handoff_no = u.handoff_no and k.kind = 'cadence' and k.name = u.name and k.n = u.n",
	7,
	{
		TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID
	}
};

static void
add_step(LhRows *rows, const LhLead *lead, const LhStepClock *step)
{
	LhRow		row = {0};

	lh_put_text(&row, lead->lead_key);
	lh_put_int(&row, step->handoff_no);
	if (step->is_new)
		lh_put_text(&row, "cadence");
	lh_put_text(&row, step->channel);
	lh_put_int(&row, step->step);
	if (step->is_new)
		lh_put_time(&row, step->started_at);
	lh_put_time(&row, step->due_at);
	lh_put_time_unless(&row, step->stopped_at, LH_NOT_YET);
	lh_put_text(&row, step->verdict);
	lh_rows_put(rows, &row);
}

void
lh_batch_write_cadences(LhBatch *batch)
{
	LhRows		inserted;
	LhRows		updated;

	lh_rows_begin(&inserted, &insert_steps);
	lh_rows_begin(&updated, &update_steps);
	for (int i = 0; i < batch->nleads; i++)
	{
		const LhLead *lead = &batch->leads[i].lead;
		ListCell   *lc;

		foreach(lc, lead->cadence)
		{
			const LhStepClock *step = lfirst(lc);

			if (step->changed)
				add_step(step->is_new ? &inserted : &updated, lead, step);
		}
	}
	lh_rows_flush(&inserted);
	lh_rows_flush(&updated);
}
