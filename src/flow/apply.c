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
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* The lead's row ----------------------------------------------------------------------------- */

#define LEAD_COLUMNS \
	"lead_key, source, raw_key, person_key, account_key, contract_id, stage, stage_since, fields, fit, " \
	"half_life, score, band, cycle, cycle_since, intent_since, folded_at, booked_at, trigger, trigger_at, seen_at, version, blocked_since, gate_code, " \
	"duplicate_of, duplicate_handoff, duplicate_at, " \
	"first_seen_at, decided_at, deleted_at, last_seq, handoffs, intent, group_heat, signals, blocked_fields, " \
	"account_method, account_match, match_keys"

#define LEAD_ROWS \
	"from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, " \
	"$21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39) as u(" LEAD_COLUMNS ")"

#define LEAD_TYPES \
	{ \
		TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID, \
		TIMESTAMPTZARRAYOID, JSONBARRAYOID, INT8ARRAYOID, \
		INTERVALARRAYOID, INT8ARRAYOID, TEXTARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, \
		TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, \
		TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID, \
		TEXTARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID, \
		TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, INT4ARRAYOID, \
		TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID, TEXTARRAYOID \
	}

/* Not one upsert for both: it costs a new lead a second look into the index, and all a larger plan. */
static LhStatement insert_leads = {
	"insert into handoff.lead (" LEAD_COLUMNS ") "
	"select u.lead_key, u.source, u.raw_key, u.person_key, u.account_key, u.contract_id, u.stage, u.stage_since, "
	"u.fields, u.fit, u.half_life, u.score, u.band, u.cycle, u.cycle_since, u.intent_since, u.folded_at, u.booked_at, u.trigger, u.trigger_at, u.seen_at, u.version, "
	"u.blocked_since, u.gate_code, u.duplicate_of, u.duplicate_handoff, u.duplicate_at, u.first_seen_at, u.decided_at, u.deleted_at, u.last_seq, u.handoffs, "
	"u.intent::handoff.heat, u.group_heat::handoff.heat[], u.signals::text[], u.blocked_fields::text[], "
	"u.account_method, u.account_match, u.match_keys::text[] "
	LEAD_ROWS,
	39, LEAD_TYPES, .plain = true
};

static LhStatement update_leads = {
	"update handoff.lead l set "
	"source = u.source, raw_key = u.raw_key, person_key = u.person_key, account_key = u.account_key, "
	"contract_id = u.contract_id, stage = u.stage, stage_since = u.stage_since, fields = u.fields, fit = u.fit, "
	"half_life = u.half_life, score = u.score, band = u.band, cycle = u.cycle, cycle_since = u.cycle_since, "
	"intent_since = u.intent_since, folded_at = u.folded_at, booked_at = u.booked_at, trigger = u.trigger, trigger_at = u.trigger_at, seen_at = u.seen_at, version = u.version, "
	"blocked_since = u.blocked_since, gate_code = u.gate_code, duplicate_of = u.duplicate_of, "
	"duplicate_handoff = u.duplicate_handoff, duplicate_at = u.duplicate_at, decided_at = u.decided_at, "
	"deleted_at = u.deleted_at, last_seq = u.last_seq, handoffs = u.handoffs, intent = u.intent::handoff.heat, "
	"group_heat = u.group_heat::handoff.heat[], signals = u.signals::text[], blocked_fields = u.blocked_fields::text[], "
	"account_method = u.account_method, account_match = u.account_match, match_keys = u.match_keys::text[] "
	LEAD_ROWS " where l.lead_key = u.lead_key",
	39, LEAD_TYPES
};

static void
put_heats(LhRow *row, const LhHeat *heats, int n)
{
	char	  **texts = palloc_array(char *, Max(n, 1));

	for (int i = 0; i < n; i++)
		texts[i] = lh_heat_text(heats[i]);
	lh_put_texts(row, texts, n, false);
}

static void
add_lead(LhRows *rows, const LhLead *lead, const LhContract *contract)
{
	LhRow		row = {0};

	lh_put_text(&row, lead->lead_key);
	lh_put_text(&row, lead->source);
	lh_put_text(&row, lead->raw_key);
	lh_put_text(&row, lead->person_key);
	lh_put_text(&row, lead->account_key);
	lh_put_int(&row, lead->contract_id);
	lh_put_text(&row, lead->stage);
	lh_put_time(&row, lead->stage_since);
	lh_put(&row, JsonbPGetDatum(lead->fields), false);
	lh_put_bigint(&row, lead->fit);
	lh_put(&row, IntervalPGetDatum(contract->half_life_interval), contract->half_life_interval == NULL);
	lh_put_bigint(&row, lead->score);
	lh_put_text(&row, lead->band);
	lh_put_int(&row, lead->cycle);
	lh_put_time(&row, lead->cycle_since);
	lh_put_time(&row, lead->intent_since);
	lh_put_time_unless(&row, lead->fold.at, DT_NOEND);
	lh_put_time_unless(&row, lead->booked_at, DT_NOBEGIN);
	lh_put_text(&row, lead->trigger);
	lh_put_time(&row, lead->trigger_at);
	lh_put_time_unless(&row, lead->seen_at, LH_NOT_YET);
	lh_put_time_unless(&row, lead->version, DT_NOBEGIN);
	lh_put_time_unless(&row, lead->blocked_since, DT_NOEND);
	lh_put_text(&row, lead->gate_code);
	lh_put_text(&row, lead->duplicate_of);
	lh_put(&row, Int32GetDatum((int32) lead->duplicate_handoff), lead->duplicate_of == NULL);
	lh_put_time_unless(&row, lead->duplicate_at, DT_NOBEGIN);
	lh_put_time(&row, lead->first_seen_at);
	lh_put_time(&row, lead->decided_at);
	lh_put_time_unless(&row, lead->deleted_at, DT_NOEND);
	lh_put_bigint(&row, lead->last_seq);
	lh_put_int(&row, list_length(lead->handoffs));
	lh_put_text(&row, lh_heat_text(lead->intent));
	put_heats(&row, lead->fold.heats, lead->ngroups);
	lh_put_texts(&row, lead->signals, lead->nsignals, false);
	lh_put_texts(&row, lead->blocked_fields, lead->nblocked, true);
	lh_put_text(&row, lead->account_method);
	lh_put(&row, lead->account_match == NULL ? (Datum) 0 : JsonbPGetDatum(lead->account_match), lead->account_match == NULL);
	lh_put_texts(&row, lead->match_keys, lead->nmatch_keys, true);
	lh_rows_put(rows, &row);
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
	},
	.plain = true
};

static LhStatement end_stays = {
	"update handoff.stage_history h set left_at = u.left_at "
	"from unnest($1, $2) as u(lead_key, left_at) where h.lead_key = u.lead_key and h.left_at is null",
	2, {TEXTARRAYOID, TIMESTAMPTZARRAYOID}
};

/* The stay goes on, and those that have followed it don't count. */
static LhStatement resume_stays = {
	"update handoff.stage_history h set undone = h.undone or h.seq > u.seq, "
	"left_at = case when h.seq > u.seq then coalesce(h.left_at, u.at) end "
	"from unnest($1, $2, $3) as u(lead_key, seq, at) where h.lead_key = u.lead_key and h.seq >= u.seq",
	3, {TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID}
};

static LhStatement begin_stays = {
	"insert into handoff.stage_history (lead_key, seq, stage, owner, contract_id, entered_at, month, left_at, consistent) "
	"select u.lead_key, u.seq, u.stage, u.owner, u.contract_id, u.entered_at, u.month, u.left_at, u.consistent "
	"from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) "
	"as u(lead_key, seq, stage, owner, contract_id, entered_at, month, left_at, consistent)",
	9,
	{
		TEXTARRAYOID, INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID, DATEARRAYOID,
		TIMESTAMPTZARRAYOID, BOOLARRAYOID
	},
	.plain = true
};

/* An event "violation" is a row of its own besides. */
static LhStatement write_violations = {
	"insert into handoff.violation (lead_key, seq, at, rule, asked, code, wanted, action, taken, handoff_no, rep) "
	"select u.lead_key, u.seq, u.at, d.rule, d.status, d.code, coalesce(d.wanted, d.message), d.action, d.taken, d.handoff, d.rep "
	"from unnest($1, $2, $3, $4) as u(lead_key, seq, at, detail) cross join lateral jsonb_to_record(u.detail) "
	"as d(rule text, status text, code text, wanted text, message text, action text, taken boolean, handoff int, rep text)",
	4, {TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, JSONBARRAYOID}
};

static void
add_violation(LhRows *rows, const LhBatchLead *slot, const LhEvent *event)
{
	LhRow		row = {0};

	if (strcmp(event->type, "violation") != 0)
		return;
	lh_put_text(&row, slot->lead_key);
	lh_put_bigint(&row, event->seq);
	lh_put_time(&row, event->at);
	lh_put(&row, JsonbPGetDatum(event->detail), false);
	lh_rows_put(rows, &row);
}

static void
add_events(LhRows *rows, LhRows *violations, const LhBatchLead *slot, TimestampTz recorded_at)
{
	ListCell   *lc;

	foreach(lc, slot->effects.events)
	{
		const LhEvent *event = lfirst(lc);
		LhRow		row = {0};

		lh_put_text(&row, slot->lead_key);
		lh_put_bigint(&row, event->seq);
		lh_put_time(&row, event->at);
		lh_put_time(&row, recorded_at);
		lh_put_text(&row, event->type);
		lh_put_int(&row, slot->lead.contract_id);
		lh_put_int(&row, slot->lead.cycle);
		lh_put_text(&row, event->leg);
		lh_put_text(&row, event->actor);
		lh_put(&row, JsonbPGetDatum(event->detail), false);
		lh_rows_put(rows, &row);
		add_violation(violations, slot, event);
	}
}

/* The stay that was open ends with the first new one; each new one ends with the next. */
static void
add_stays(LhRows *resumed, LhRows *ended, LhRows *begun, const LhBatchLead *slot)
{
	ListCell   *lc;

	if (slot->effects.stay_resumed != 0)
	{
		LhRow		row = {0};

		lh_put_text(&row, slot->lead_key);
		lh_put_bigint(&row, slot->effects.stay_resumed);
		lh_put_time(&row, slot->decision.now);
		lh_rows_put(resumed, &row);
	}

	foreach(lc, slot->effects.stays)
	{
		const LhStay *stay = lfirst(lc);
		const LhStay *following = lnext(slot->effects.stays, lc) == NULL ? NULL :
			lfirst(lnext(slot->effects.stays, lc));
		LhRow		row = {0};

		lh_put_text(&row, slot->lead_key);
		if (slot->exists && lc == list_head(slot->effects.stays))
		{
			LhRow		end = row;

			lh_put_time(&end, stay->entered_at);
			lh_rows_put(ended, &end);
		}
		lh_put_bigint(&row, stay->seq);
		lh_put_text(&row, stay->stage);
		lh_put_text(&row, stay->owner);
		lh_put_int(&row, stay->contract_id);
		lh_put_time(&row, stay->entered_at);
		lh_put(&row, DateADTGetDatum(stay->month), false);
		lh_put_time_unless(&row, following == NULL ? DT_NOEND : following->entered_at, DT_NOEND);
		lh_put(&row, BoolGetDatum(stay->consistent), false);
		lh_rows_put(begun, &row);
	}
}

/* Clocks ------------------------------------------------------------------------------------- */

#define WRITE_CLOCKS \
	"insert into handoff.clock (lead_key, kind, name, started_at, due_at, next_at) " \
	"select u.lead_key, u.kind, u.name, u.started_at, u.due_at, u.next_at " \
	"from unnest($1, $2, $3, $4, $5, $6) as u(lead_key, kind, name, started_at, due_at, next_at) "

#define CLOCK_TYPES \
	{TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID}

static LhStatement write_clocks = {
	WRITE_CLOCKS "on conflict (lead_key, handoff_no, kind, name, n) do update "
	"set started_at = excluded.started_at, due_at = excluded.due_at, next_at = excluded.next_at",
	6, CLOCK_TYPES
};

/* Of leads that are new: there are none that stopped and begin again. */
static LhStatement insert_clocks = {WRITE_CLOCKS, 6, CLOCK_TYPES, .plain = true};

/*
 * The clocks of a kind that end, or go on under another name.  A lead has one of a kind at most, so its
 * key is enough: a join with their names would read all clocks for each of its rows, while the planner
 * knows nothing of the table.
 */
static void
drop_clocks(const LhBatch *batch, LhClockKind kind)
{
	static LhStatement statement = {
		"delete from handoff.clock where lead_key = any($1) and handoff_no = 0 and kind = $2",
		2, {TEXTARRAYOID, TEXTOID}
	};
	char	  **lead_keys = palloc_array(char *, Max(batch->nleads, 1));
	int			n = 0;
	Datum		values[2];

	for (int i = 0; i < batch->nleads; i++)
	{
		const LhBatchLead *slot = &batch->leads[i];
		const LhClock *before = &slot->clocks_before[kind];
		const LhClock *clock = &slot->lead.clocks[kind];

		if (slot->decide && before->due_at != DT_NOEND &&
			(clock->due_at == DT_NOEND || strcmp(before->name, clock->name) != 0))
			lead_keys[n++] = slot->lead_key;
	}
	if (n == 0)
		return;
	values[0] = lh_text_array(lead_keys, n);
	values[1] = CStringGetTextDatum(lh_clock_kind(kind));
	lh_run(&statement, values, NULL);
}

static void
add_clocks(LhRows *written, const LhBatchLead *slot)
{
	for (int k = 0; k < LH_NCLOCKS; k++)
	{
		const LhClock *before = &slot->clocks_before[k];
		const LhClock *clock = &slot->lead.clocks[k];
		LhRow		row = {0};

		if (clock->due_at == DT_NOEND ||
			(before->due_at == clock->due_at && strcmp(before->name, clock->name) == 0))
			continue;
		lh_put_text(&row, slot->lead_key);
		lh_put_text(&row, lh_clock_kind(k));
		lh_put_text(&row, clock->name);
		lh_put_time(&row, clock->started_at);
		lh_put_time(&row, clock->due_at);
		lh_put_time(&row, clock->due_at);
		lh_rows_put(written, &row);
	}
}

/* Leads that wait ---------------------------------------------------------------------------- */

/* A lead that is free again is decided anew, with a fresh row, by the version that is in force for it. */
static LhStatement requeue = {
	"insert into handoff.inbox (source, raw_key, op, xid, at) "
	"select u.source, u.raw_key, 'R', pg_current_xact_id(), $3 from unnest($1, $2) as u(source, raw_key)",
	3, {TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID}
};

static void
requeue_outdated(LhBatch *batch, TimestampTz at)
{
	char	  **sources = palloc_array(char *, batch->nleads + 1);
	char	  **raw_keys = palloc_array(char *, batch->nleads + 1);
	int			n = 0;
	Datum		values[3];

	for (int i = 0; i < batch->nleads; i++)
	{
		const LhBatchLead *slot = &batch->leads[i];

		if (!slot->decide || slot->contract == slot->in_force ||
			slot->lead.deleted_at != DT_NOEND || lh_open_handoff(&slot->lead) != NULL)
			continue;
		sources[n] = slot->lead.source;
		raw_keys[n++] = slot->lead.raw_key;
	}
	if (n == 0)
		return;
	values[0] = lh_text_array(sources, n);
	values[1] = lh_text_array(raw_keys, n);
	values[2] = TimestampTzGetDatum(at);
	lh_run(&requeue, values, NULL);
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
		char	   *meaning = rule->meaning == LH_MEANS_SIGNAL ? psprintf("signal:%s", rule->name) :
			pstrdup(lh_meaning_name(rule->meaning));
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
	const LhContract *contract = slot->contract;
	char	  **meanings = palloc_array(char *, Max(contract->meaning.n, 1));

	for (int i = 0; i < slot->input.nactivities; i++)
	{
		const LhActivity *activity = &slot->input.activities[i];
		int			n;
		LhRow		row = {0};

		if (activity->means == NULL)
			continue;			/* the decision ended before it came to activities */
		n = meanings_of(contract, activity, meanings);
		if (same_judgement(contract, activity, meanings, n))
			continue;
		lh_put_text(&row, slot->lead_key);
		lh_put_text(&row, activity->source);
		lh_put_text(&row, activity->key);
		lh_put_texts(&row, meanings, n, false);
		lh_put_int(&row, activity->points);
		lh_put_int(&row, contract->contract_id);
		lh_rows_put(rows, &row);
	}
}

/* They are locked and so must be found, unless this transaction's snapshot is older than they are. */
static void
update_all(LhRows *leads)
{
	uint64		n = leads->n;

	if (lh_rows_flush(leads) != n)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update")));
}

void
lh_batch_apply(LhBatch *batch)
{
	LhRows		new_leads;
	LhRows		leads;
	LhRows		events;
	LhRows		violations;
	LhRows		stays_resumed;
	LhRows		stays_ended;
	LhRows		stays_begun;
	LhRows		clocks;
	LhRows		new_clocks;
	LhRows		judgements;
	LhHandoffRows handoffs;
	TimestampTz recorded_at = GetCurrentTimestamp();
	MemoryContext batch_mcxt = CurrentMemoryContext;
	MemoryContext lead_mcxt = AllocSetContextCreate(batch_mcxt, "lead_handoff rows of a lead",
													ALLOCSET_DEFAULT_SIZES);

	lh_rows_begin(&new_leads, &insert_leads);
	lh_rows_begin(&leads, &update_leads);
	lh_rows_begin(&events, &write_events);
	lh_rows_begin(&violations, &write_violations);
	lh_rows_begin(&stays_resumed, &resume_stays);
	lh_rows_begin(&stays_ended, &end_stays);
	lh_rows_begin(&stays_begun, &begin_stays);
	lh_rows_begin(&clocks, &write_clocks);
	lh_rows_begin(&new_clocks, &insert_clocks);
	lh_rows_begin(&judgements, &judge_activities);
	lh_handoff_rows_begin(&handoffs);
	for (int i = 0; i < batch->nleads; i++)
	{
		const LhBatchLead *slot = &batch->leads[i];

		if (!slot->decide)
			continue;
		MemoryContextReset(lead_mcxt);
		MemoryContextSwitchTo(lead_mcxt);
		if (slot->effects.changed)
			add_lead(slot->exists ? &leads : &new_leads, &slot->lead, slot->contract);
		add_events(&events, &violations, slot, recorded_at);
		add_stays(&stays_resumed, &stays_ended, &stays_begun, slot);
		add_clocks(slot->exists ? &clocks : &new_clocks, slot);
		add_judgements(&judgements, slot);
		lh_handoff_rows_add(&handoffs, slot);
	}
	MemoryContextSwitchTo(batch_mcxt);
	MemoryContextDelete(lead_mcxt);
	lh_rows_flush(&new_leads);
	update_all(&leads);
	lh_rows_flush(&events);
	lh_rows_flush(&violations);
	lh_rows_flush(&stays_resumed);
	lh_rows_flush(&stays_ended);
	lh_rows_flush(&stays_begun);
	for (int k = 0; k < LH_NCLOCKS; k++)
		drop_clocks(batch, k);
	lh_rows_flush(&clocks);
	lh_rows_flush(&new_clocks);
	lh_rows_flush(&judgements);
	lh_handoff_rows_flush(&handoffs);
	requeue_outdated(batch, recorded_at);
}
