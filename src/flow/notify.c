/*
 * src/flow/notify.c
 *
 * Messages for the outside: an outbox row for every event that says so, with a brief, in the same
 * transaction; and a delivery for each destination that has subscribed.
 *
 * Whoever waits for them may be woken with an empty NOTIFY, one a transaction, if lead_handoff.notify is on.
 * Where transactions can be prepared, only tick() does: PREPARE TRANSACTION refuses one that has notified, and
 * the sync whose commit we are in may be about to do just that.
 */
#include "flow/batch.h"
#include "flow/brief.h"
#include "flow/subscription.h"

#include "access/twophase.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "json.h"
#include "sql.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

bool		lh_notify = false;

static LhStatement write_outbox = {
	"insert into handoff.outbox (lead_key, aggregateid, seq, type, payload, created_at, expires_at, id, xid) "
	"select o.lead_key, o.aggregateid, o.seq, o.type, o.payload, o.created_at, o.expires_at, o.id, o.xid "
	"from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) as o (lead_key, aggregateid, seq, type, payload, created_at, expires_at, id, xid)",
	9,
	{
		TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TEXTARRAYOID, JSONBARRAYOID, TIMESTAMPTZARRAYOID,
		TIMESTAMPTZARRAYOID, UUIDARRAYOID, XID8ARRAYOID
	},
	.plain = true
};

static LhStatement write_deliveries = {
	"insert into handoff.delivery (lead_key, seq, n, destination, digest_for, visible_at) "
	"select o.lead_key, o.seq, 1, o.destination, o.digest_for, coalesce(o.digest_due, clock_timestamp()) "
	"from unnest($1, $2, $3, $4, $5) as o (lead_key, seq, destination, digest_for, digest_due)",
	5, {TEXTARRAYOID, INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID}
};

typedef struct Messages
{
	LhBriefs	briefs;
	LhSubscriptions subscriptions;
	LhDelivery *room;			/* one for each subscription */
	LhRows		outbox;
	LhRows		deliveries;
} Messages;

static const LhHandoff *
handoff_of(const LhEvent *event)
{
	return event->handoff == NULL ? NULL : &event->handoff->h;
}

/* What events say in a message besides the brief: of another lead of the person, of a step of escalation, of a status of the CRM. */
static bool
is_about_more(const LhEvent *event)
{
	return strcmp(event->type, "collision") == 0 || strcmp(event->type, "reengaged") == 0 ||
		strcmp(event->type, "escalated") == 0 || strcmp(event->type, "violation") == 0;
}

static Jsonb *
payload(const Messages *messages, const LhBatchLead *slot, const LhEvent *event)
{
	LhJson		json;

	lh_json_begin(&json);
	lh_json_text(&json, "event", event->type);
	lh_json_time(&json, "at", event->at);
	lh_brief_add(&messages->briefs, &json, slot->contract, &slot->lead, &slot->input, handoff_of(event));
	if (is_about_more(event))
		lh_json_jsonb(&json, "about", event->detail);
	return lh_json_end(&json);
}

/* For whom a message is, so that his are put together: whom a step or a held status tells, else the owner; else nobody. */
static char *
addressee(const LhEvent *event)
{
	JsonbValue	buffer;
	JsonbValue *recipient = NULL;

	if (strcmp(event->type, "escalated") == 0 || strcmp(event->type, "violation") == 0)
		recipient = getKeyJsonValueFromContainer(&event->detail->root, "recipient", strlen("recipient"), &buffer);
	if (recipient != NULL && recipient->type == jbvString)
		return pnstrdup(recipient->val.string.val, recipient->val.string.len);
	return event->handoff == NULL || event->handoff->h.rep == NULL ? pstrdup("") : event->handoff->h.rep;
}

static void
add_deliveries(Messages *messages, const LhBatchLead *slot, const LhEvent *event, TimestampTz now)
{
	int			n = lh_subscriptions_match(&messages->subscriptions, event->notify, slot->contract, &slot->lead,
										   now, messages->room);

	for (int i = 0; i < n; i++)
	{
		const LhDelivery *delivery = &messages->room[i];
		LhRow		row = {0};

		lh_put_text(&row, slot->lead_key);
		lh_put_bigint(&row, event->seq);
		lh_put_text(&row, delivery->destination);
		lh_put_text(&row, delivery->digest_due == LH_NOT_YET ? NULL : addressee(event));
		lh_put_time_unless(&row, delivery->digest_due, LH_NOT_YET);
		lh_rows_put(&messages->deliveries, &row);
	}
}

static void
add_message(Messages *messages, const LhBatchLead *slot, const LhEvent *event, TimestampTz now)
{
	LhRow		row = {0};

	lh_put_text(&row, slot->lead_key);
	lh_put_text(&row, slot->lead_key);
	lh_put_bigint(&row, event->seq);
	lh_put_text(&row, event->notify);
	lh_put(&row, JsonbPGetDatum(payload(messages, slot, event)), false);
	lh_put_time(&row, event->at);
	lh_put_time_unless(&row, event->expires_at, LH_NOT_YET);
	lh_put(&row, OidFunctionCall0(F_GEN_RANDOM_UUID), false);
	lh_put(&row, FullTransactionIdGetDatum(GetTopFullTransactionId()), false);
	lh_rows_put(&messages->outbox, &row);
	add_deliveries(messages, slot, event, now);
}

/* True: there are messages to write. */
static bool
begin_messages(LhBatch *batch, Messages *messages)
{
	bool		any = false;
	ListCell   *lc;

	for (int i = 0; i < batch->nleads; i++)
		foreach(lc, batch->leads[i].decide ? batch->leads[i].effects.events : NIL)
		{
			const LhEvent *event = lfirst(lc);

			if (event->notify == NULL)
				continue;
			any = true;
			lh_briefs_ask(&messages->briefs, &batch->leads[i].lead, handoff_of(event));
		}
	if (!any)
		return false;
	lh_briefs_read(&messages->briefs);
	lh_subscriptions_read(&messages->subscriptions);
	messages->room = palloc_array(LhDelivery, Max(messages->subscriptions.n, 1));
	lh_rows_begin(&messages->outbox, &write_outbox);
	lh_rows_begin(&messages->deliveries, &write_deliveries);
	return true;
}

/* At commit there is no portal any more. */
static void
wake_workers(void)
{
	if (lh_notify && (ActivePortal != NULL || max_prepared_xacts == 0))
		Async_Notify("lead_handoff", "");
}

void
lh_batch_notify(LhBatch *batch)
{
	Messages	messages = {0};
	const LhContract *zone_of = NULL;
	ListCell   *lc;

	if (!begin_messages(batch, &messages))
		return;
	for (int i = 0; i < batch->nleads; i++)
	{
		const LhBatchLead *slot = &batch->leads[i];

		foreach(lc, slot->decide ? slot->effects.events : NIL)
		{
			const LhEvent *event = lfirst(lc);

			if (event->notify == NULL)
				continue;
			if (slot->contract != zone_of)
				lh_set_zone(slot->contract->zone);	/* in which criteria count days */
			zone_of = slot->contract;
			add_message(&messages, slot, event, batch->now);
		}
	}
	lh_rows_flush(&messages.outbox);
	if (lh_rows_flush(&messages.deliveries) > 0)
		wake_workers();
}
