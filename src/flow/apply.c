/*
 * src/flow/apply.c
 *
 * Effects become rows: one statement a table for the whole batch.
 *
 * The leads are locked, so nothing here can meet another writer.  Rows go in order of lead key (a
 * batch is sorted), and every constant, the time included, is a parameter.  Values that are arrays
 * themselves travel as text, since arrays of unequal length don't nest.
 */
#include "flow/batch.h"

#include "catalog/pg_type.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

/* The lead's row ----------------------------------------------------------------------------- */

#define LEAD_COLUMNS \
	"lead_key, source, raw_key, person_key, account_key, contract_id, stage, stage_since, fields, fit, " \
	"half_life, score, band, cycle, cycle_since, trigger, trigger_at, version, blocked_since, gate_code, " \
	"first_seen_at, decided_at, deleted_at, last_seq, intent, group_heat, signals, blocked_fields"

static LhStatement write_leads = {
	"insert into handoff.lead (" LEAD_COLUMNS ") "
	"select u.lead_key, u.source, u.raw_key, u.person_key, u.account_key, u.contract_id, u.stage, u.stage_since, "
	"u.fields, u.fit, u.half_life, u.score, u.band, u.cycle, u.cycle_since, u.trigger, u.trigger_at, u.version, "
	"u.blocked_since, u.gate_code, u.first_seen_at, u.decided_at, u.deleted_at, u.last_seq, "
	"u.intent::handoff.heat, u.group_heat::handoff.heat[], u.signals::text[], u.blocked_fields::text[] "
	"from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, "
	"$21, $22, $23, $24, $25, $26, $27, $28) as u(" LEAD_COLUMNS ") "
	"on conflict (lead_key) do update set "
	"source = excluded.source, raw_key = excluded.raw_key, "
	"person_key = excluded.person_key, account_key = excluded.account_key, contract_id = excluded.contract_id, "
	"stage = excluded.stage, stage_since = excluded.stage_since, fields = excluded.fields, fit = excluded.fit, "
	"half_life = excluded.half_life, score = excluded.score, band = excluded.band, cycle = excluded.cycle, "
	"cycle_since = excluded.cycle_since, trigger = excluded.trigger, trigger_at = excluded.trigger_at, "
	"version = excluded.version, blocked_since = excluded.blocked_since, gate_code = excluded.gate_code, "
	"decided_at = excluded.decided_at, deleted_at = excluded.deleted_at, last_seq = excluded.last_seq, "
	"intent = excluded.intent, group_heat = excluded.group_heat, signals = excluded.signals, "
	"blocked_fields = excluded.blocked_fields",
	28,
	{
		TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID,
		TIMESTAMPTZARRAYOID, JSONBARRAYOID, INT8ARRAYOID,
		INTERVALARRAYOID, INT8ARRAYOID, TEXTARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID,
		TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID,
		TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID,
		TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID
	}
};

/* One row of parameters, filled from left to right. */
typedef struct RowBuilder
{
	int			n;
	Datum		values[LH_MAX_PARAMS];
	bool		isnull[LH_MAX_PARAMS];
} RowBuilder;

static void
put(RowBuilder *row, Datum value, bool isnull)
{
	row->values[row->n] = value;
	row->isnull[row->n++] = isnull;
}

static void
put_text(RowBuilder *row, const char *text)
{
	put(row, lh_text_datum(text), text == NULL);
}

static void
put_int(RowBuilder *row, int value)
{
	put(row, Int32GetDatum(value), false);
}

static void
put_bigint(RowBuilder *row, int64 value)
{
	put(row, Int64GetDatum(value), false);
}

static void
put_time(RowBuilder *row, TimestampTz value)
{
	put(row, TimestampTzGetDatum(value), false);
}

static void
put_time_unless(RowBuilder *row, TimestampTz value, TimestampTz none)
{
	put(row, TimestampTzGetDatum(value), value == none);
}

/* The text form of a text[]; none is NULL if null_if_empty. */
static void
put_texts(RowBuilder *row, char *const *texts, int n, bool null_if_empty)
{
	if (n == 0 && null_if_empty)
		put(row, (Datum) 0, true);
	else
		put_text(row, OidOutputFunctionCall(F_ARRAY_OUT, lh_text_array(texts, n)));
}

static void
put_heats(RowBuilder *row, const LhHeat *heats, int n)
{
	char	  **texts = palloc_array(char *, Max(n, 1));

	for (int i = 0; i < n; i++)
		texts[i] = lh_heat_text(heats[i]);
	put_texts(row, texts, n, false);
}

static void
add(LhRows *rows, RowBuilder *row)
{
	Assert(row->n == rows->statement->nparams);
	lh_rows_add(rows, row->values, row->isnull);
}

static void
add_lead(LhRows *rows, const LhLead *lead, const LhContract *contract)
{
	RowBuilder	row = {0};

	put_text(&row, lead->lead_key);
	put_text(&row, lead->source);
	put_text(&row, lead->raw_key);
	put_text(&row, lead->person_key);
	put_text(&row, lead->account_key);
	put_int(&row, lead->contract_id);
	put_text(&row, lead->stage);
	put_time(&row, lead->stage_since);
	put(&row, JsonbPGetDatum(lead->fields), false);
	put_bigint(&row, lead->fit);
	put(&row, IntervalPGetDatum(contract->half_life_interval), contract->half_life_interval == NULL);
	put_bigint(&row, lead->score);
	put_text(&row, lead->band);
	put_int(&row, lead->cycle);
	put_time(&row, lead->cycle_since);
	put_text(&row, lead->trigger);
	put_time(&row, lead->trigger_at);
	put_time_unless(&row, lead->version, DT_NOBEGIN);
	put_time_unless(&row, lead->blocked_since, DT_NOEND);
	put_text(&row, lead->gate_code);
	put_time(&row, lead->first_seen_at);
	put_time(&row, lead->decided_at);
	put_time_unless(&row, lead->deleted_at, DT_NOEND);
	put_bigint(&row, lead->last_seq);
	put_text(&row, lh_heat_text(lead->intent));
	put_heats(&row, lead->group_heat, lead->ngroups);
	put_texts(&row, lead->signals, lead->nsignals, false);
	put_texts(&row, lead->blocked_fields, lead->nblocked, true);
	add(rows, &row);
}

/* Events and stays --------------------------------------------------------------------------- */

static LhStatement write_events = {
	"insert into handoff.event (lead_key, seq, at, recorded_at, type, contract_id, cycle, leg, actor, detail) "
	"select u.lead_key, u.seq, u.at, u.recorded_at, u.type, u.contract_id, u.cycle, u.leg, u.actor, u.detail "
	"from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
	"as u(lead_key, seq, at, recorded_at, type, contract_id, cycle, leg, actor, detail)",
	10,
	{
		TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID,
		INT4ARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID
	}
};

static LhStatement end_stays = {
	"update handoff.stage_history h set left_at = u.left_at "
	"from unnest($1, $2) as u(lead_key, left_at) where h.lead_key = u.lead_key and h.left_at is null",
	2, {TEXTARRAYOID, TIMESTAMPTZARRAYOID}
};

static LhStatement begin_stays = {
	"insert into handoff.stage_history (lead_key, seq, stage, owner, entered_at, left_at, consistent) "
	"select u.lead_key, u.seq, u.stage, u.owner, u.entered_at, u.left_at, u.consistent "
	"from unnest($1, $2, $3, $4, $5, $6, $7) as u(lead_key, seq, stage, owner, entered_at, left_at, consistent)",
	7,
	{
		TEXTARRAYOID, INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID,
		TIMESTAMPTZARRAYOID, BOOLARRAYOID
	}
};

static void
add_events(LhRows *rows, const LhBatchLead *slot, TimestampTz recorded_at)
{
	ListCell   *lc;

	foreach(lc, slot->effects.events)
	{
		const LhEvent *event = lfirst(lc);
		RowBuilder	row = {0};

		put_text(&row, slot->lead_key);
		put_bigint(&row, event->seq);
		put_time(&row, event->at);
		put_time(&row, recorded_at);
		put_text(&row, event->type);
		put_int(&row, slot->lead.contract_id);
		put_int(&row, slot->lead.cycle);
		put_text(&row, event->leg);
		put_text(&row, event->actor);
		put(&row, JsonbPGetDatum(event->detail), false);
		add(rows, &row);
	}
}

/* The stay that was open ends with the first new one; each new one ends with the next. */
static void
add_stays(LhRows *ended, LhRows *begun, const LhBatchLead *slot)
{
	ListCell   *lc;

	foreach(lc, slot->effects.stays)
	{
		const LhStay *stay = lfirst(lc);
		const LhStay *following = lnext(slot->effects.stays, lc) == NULL ? NULL :
			lfirst(lnext(slot->effects.stays, lc));
		RowBuilder	row = {0};

		put_text(&row, slot->lead_key);
		if (slot->exists && lc == list_head(slot->effects.stays))
		{
			RowBuilder	end = row;

			put_time(&end, stay->entered_at);
			add(ended, &end);
		}
		put_bigint(&row, stay->seq);
		put_text(&row, stay->stage);
		put_text(&row, stay->owner);
		put_time(&row, stay->entered_at);
		put_time_unless(&row, following == NULL ? DT_NOEND : following->entered_at, DT_NOEND);
		put(&row, BoolGetDatum(stay->consistent), false);
		add(begun, &row);
	}
}

/* Clocks ------------------------------------------------------------------------------------- */

static LhStatement drop_clocks = {
	"delete from handoff.clock c using unnest($1, $2, $3) as u(lead_key, kind, name) "
	"where c.lead_key = u.lead_key and c.handoff_no = 0 and c.kind = u.kind and c.name = u.name",
	3, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

static LhStatement write_clocks = {
	"insert into handoff.clock (lead_key, kind, name, started_at, due_at, next_at) "
	"select u.lead_key, u.kind, u.name, u.started_at, u.due_at, u.due_at "
	"from unnest($1, $2, $3, $4, $5) as u(lead_key, kind, name, started_at, due_at) "
	"on conflict (lead_key, handoff_no, kind, name, n) do update "
	"set started_at = excluded.started_at, due_at = excluded.due_at, next_at = excluded.next_at",
	5, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID}
};

static void
add_clocks(LhRows *dropped, LhRows *written, const LhBatchLead *slot)
{
	for (int k = 0; k < LH_NCLOCKS; k++)
	{
		const LhClock *before = &slot->clocks_before[k];
		const LhClock *clock = &slot->lead.clocks[k];
		bool		same_name = strcmp(before->name, clock->name) == 0;
		RowBuilder	row = {0};

		if (before->due_at == clock->due_at && same_name)
			continue;
		if (before->due_at != DT_NOEND && (clock->due_at == DT_NOEND || !same_name))
		{
			put_text(&row, slot->lead_key);
			put_text(&row, lh_clock_kind(k));
			put_text(&row, before->name);
			add(dropped, &row);
		}
		if (clock->due_at == DT_NOEND)
			continue;
		row.n = 0;
		put_text(&row, slot->lead_key);
		put_text(&row, lh_clock_kind(k));
		put_text(&row, clock->name);
		put_time(&row, clock->started_at);
		put_time(&row, clock->due_at);
		add(written, &row);
	}
}

/* Activities --------------------------------------------------------------------------------- */

static LhStatement judge_activities = {
	"update handoff.activity a set meanings = u.meanings::text[], points = u.points, contract_id = u.contract_id "
	"from unnest($1, $2, $3, $4, $5, $6) as u(lead_key, source, activity_key, meanings, points, contract_id) "
	"where a.lead_key = u.lead_key and a.source = u.source and a.activity_key = u.activity_key",
	6, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT4ARRAYOID, INT4ARRAYOID}
};

/* What an activity means, by its rules in order: each meaning once, a signal by its name. */
static int
meanings_of(const LhContract *contract, const LhActivity *activity, char **meanings)
{
	int			n = 0;

	for (int i = 0; i < contract->meaning.n; i++)
	{
		const LhActivityRule *rule = &contract->meaning_rules[i];
		char	   *meaning = rule->is_signal ? psprintf("signal:%s", rule->name) : rule->meaning;
		bool		known = !activity->means[i];

		for (int j = 0; j < n && !known; j++)
			known = strcmp(meanings[j], meaning) == 0;
		if (!known)
			meanings[n++] = meaning;
	}
	return n;
}

static bool
same_judgement(const LhContract *contract, const LhActivity *activity,
			   char *const *meanings, int nmeanings)
{
	if (activity->stored_contract != contract->contract_id ||
		activity->stored_points != activity->points ||
		activity->nstored_meanings != nmeanings)
		return false;
	for (int i = 0; i < nmeanings; i++)
		if (strcmp(activity->stored_meanings[i], meanings[i]) != 0)
			return false;
	return true;
}

static void
add_judgements(LhRows *rows, const LhBatchLead *slot)
{
	const LhContract *contract = slot->source->contract;
	char	  **meanings = palloc_array(char *, Max(contract->meaning.n, 1));

	for (int i = 0; i < slot->input.nactivities; i++)
	{
		const LhActivity *activity = &slot->input.activities[i];
		int			n;
		RowBuilder	row = {0};

		if (activity->means == NULL)
			continue;			/* the decision ended before it came to activities */
		n = meanings_of(contract, activity, meanings);
		if (same_judgement(contract, activity, meanings, n))
			continue;
		put_text(&row, slot->lead_key);
		put_text(&row, activity->source);
		put_text(&row, activity->key);
		put_texts(&row, meanings, n, false);
		put_int(&row, activity->points);
		put_int(&row, contract->contract_id);
		add(rows, &row);
	}
}

void
lh_batch_apply(LhBatch *batch)
{
	LhRows		leads;
	LhRows		events;
	LhRows		stays_ended;
	LhRows		stays_begun;
	LhRows		clocks_dropped;
	LhRows		clocks;
	LhRows		judgements;
	TimestampTz recorded_at = GetCurrentTimestamp();

	lh_rows_begin(&leads, &write_leads);
	lh_rows_begin(&events, &write_events);
	lh_rows_begin(&stays_ended, &end_stays);
	lh_rows_begin(&stays_begun, &begin_stays);
	lh_rows_begin(&clocks_dropped, &drop_clocks);
	lh_rows_begin(&clocks, &write_clocks);
	lh_rows_begin(&judgements, &judge_activities);
	for (int i = 0; i < batch->nleads; i++)
	{
		const LhBatchLead *slot = &batch->leads[i];

		if (!slot->decide)
			continue;
		if (slot->effects.changed)
			add_lead(&leads, &slot->lead, slot->source->contract);
		add_events(&events, slot, recorded_at);
		add_stays(&stays_ended, &stays_begun, slot);
		add_clocks(&clocks_dropped, &clocks, slot);
		add_judgements(&judgements, slot);
	}
	lh_rows_flush(&leads);
	lh_rows_flush(&events);
	lh_rows_flush(&stays_ended);
	lh_rows_flush(&stays_begun);
	lh_rows_flush(&clocks_dropped);
	lh_rows_flush(&clocks);
	lh_rows_flush(&judgements);
}
