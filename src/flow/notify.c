/*
 * src/flow/notify.c
 *
 * Messages for the outside: an outbox row for every event that says so, with a brief, in the same
 * transaction; and a delivery for each destination that has subscribed.
 *
 * The brief is what a rep needs to act without opening anything: who, why now, the last three actions,
 * until when, what for.
 */
#include "flow/batch.h"

#include "catalog/pg_type.h"
#include "json.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

static LhStatement write_outbox = {
	"insert into handoff.outbox (lead_key, aggregateid, seq, type, payload, created_at, expires_at, id) "
	"select o.lead_key, o.aggregateid, o.seq, o.type, o.payload, o.created_at, o.expires_at, o.id "
	"from unnest($1, $2, $3, $4, $5, $6, $7, $8) as o (lead_key, aggregateid, seq, type, payload, created_at, expires_at, id)",
	8,
	{
		TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TEXTARRAYOID, JSONBARRAYOID, TIMESTAMPTZARRAYOID,
		TIMESTAMPTZARRAYOID, UUIDARRAYOID
	},
	.plain = true
};

static LhIndex subscriptions = {"subscription", "subscription_pkey", 0};

static LhStatement write_deliveries = {
	"insert into handoff.delivery (lead_key, seq, n, destination) "
	"select distinct o.lead_key, o.seq, 1, s.destination "
	"from unnest($1, $2, $3) as o (lead_key, seq, type) "
	"join handoff.subscription s on o.type like s.type_pattern "
	"order by o.lead_key, o.seq, s.destination",
	3, {TEXTARRAYOID, INT8ARRAYOID, TEXTARRAYOID}
};

/* The last three things that happened, newest first, one line each. */
static void
add_actions(LhJson *json, const LhInput *input)
{
	char	   *lines[3];
	int			n = 0;

	for (int i = input->nactivities - 1; i >= 0 && n < 3; i--)
	{
		const LhActivity *activity = &input->activities[i];
		int			kind = lh_fieldset_find(activity->row->set, "kind");

		lines[n++] = psprintf("%s %s", timestamptz_to_str(activity->at),
							  activity->row->isnull[kind] ? "activity" :
							  TextDatumGetCString(activity->row->values[kind]));
	}
	lh_json_texts(json, "last_actions", lines, n);
}

/* The earliest clock that runs for the handoff, and what stops it. */
static void
add_due(LhJson *json, const LhBatchLead *slot, const LhHandoff *h)
{
	const LhSlaClock *first = NULL;
	ListCell   *lc;

	foreach(lc, slot->lead.slas)
	{
		const LhSlaClock *clock = lfirst(lc);

		if (clock->handoff_no == h->handoff_no && clock->stopped_at == LH_NOT_YET &&
			(first == NULL || clock->due_at < first->due_at))
			first = clock;
	}
	if (first == NULL)
		return;
	lh_json_time(json, "due_at", first->due_at);
	lh_json_text(json, "due_for", first->name);
}

static void
add_handoff(LhJson *json, const LhBatchLead *slot, const LhHandoff *h)
{
	lh_json_int(json, "handoff", h->handoff_no);
	lh_json_text(json, "leg", h->leg);
	lh_json_text(json, "origin", h->origin);
	lh_json_text(json, "why", h->trigger);
	lh_json_time(json, "why_at", h->trigger_at);
	lh_json_text(json, "rep", h->rep);
	lh_json_text(json, "pool", h->pool);
	lh_json_text(json, "unassigned_reason", h->unassigned_reason);
	lh_json_text(json, "outcome", h->outcome);
	lh_json_text(json, "code", h->code);
	lh_json_text(json, "note", h->note);
	add_due(json, slot, h);
}

static Jsonb *
brief(const LhBatchLead *slot, const LhEvent *event)
{
	const LhLead *lead = &slot->lead;
	LhJson		json;

	lh_json_begin(&json);
	lh_json_text(&json, "lead_key", slot->lead_key);
	lh_json_text(&json, "event", event->type);
	lh_json_time(&json, "at", event->at);
	lh_json_text(&json, "stage", lead->stage);
	lh_json_int(&json, "score", lead->score);
	lh_json_text(&json, "band", lead->band);
	lh_json_texts(&json, "signals", lead->signals, lead->nsignals);
	lh_json_jsonb(&json, "fields", lead->fields);
	if (lead->nblocked > 0)
		lh_json_texts(&json, "blocked_fields", lead->blocked_fields, lead->nblocked);
	if (event->handoff != NULL)
		add_handoff(&json, slot, &event->handoff->h);
	/* another lead of the person; a step of escalation */
	if (strcmp(event->type, "collision") == 0 || strcmp(event->type, "reengaged") == 0 ||
		strcmp(event->type, "escalated") == 0)
		lh_json_jsonb(&json, "about", event->detail);
	add_actions(&json, &slot->input);
	return lh_json_end(&json);
}

static void
add_message(LhRows *outbox, const LhBatchLead *slot, const LhEvent *event)
{
	LhRow		row = {0};

	lh_put_text(&row, slot->lead_key);
	lh_put_text(&row, slot->lead_key);
	lh_put_bigint(&row, event->seq);
	lh_put_text(&row, event->notify);
	lh_put(&row, JsonbPGetDatum(brief(slot, event)), false);
	lh_put_time(&row, event->at);
	lh_put_time_unless(&row, event->expires_at, LH_NOT_YET);
	lh_put(&row, OidFunctionCall0(F_GEN_RANDOM_UUID), false);
	lh_rows_put(outbox, &row);
}

static void
add_delivery(LhRows *deliveries, const LhBatchLead *slot, const LhEvent *event)
{
	LhRow		row = {0};

	lh_put_text(&row, slot->lead_key);
	lh_put_bigint(&row, event->seq);
	lh_put_text(&row, event->notify);
	lh_rows_put(deliveries, &row);
}

void
lh_batch_notify(LhBatch *batch)
{
	LhRows		outbox;
	LhRows		deliveries;

	lh_rows_begin(&outbox, &write_outbox);
	lh_rows_begin(&deliveries, &write_deliveries);
	for (int i = 0; i < batch->nleads; i++)
	{
		const LhBatchLead *slot = &batch->leads[i];
		ListCell   *lc;

		foreach(lc, slot->decide ? slot->effects.events : NIL)
		{
			const LhEvent *event = lfirst(lc);

			if (event->notify == NULL)
				continue;
			add_message(&outbox, slot, event);
			add_delivery(&deliveries, slot, event);
		}
	}
	lh_rows_flush(&outbox);
	if (deliveries.n > 0 && lh_is_there(&subscriptions, NULL))
		lh_rows_flush(&deliveries);
}
