/*
 * src/flow/apply_handoff.c
 *
 * What a decision has made of the handoffs of its leads becomes rows: handoffs, assignments, and the clocks of
 * their SLAs.  What is new is inserted as it is, without the executor; what has changed is an upsert.
 */
#include "flow/batch.h"

#include "catalog/pg_type.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Handoffs ----------------------------------------------------------------------------------- */

#define HANDOFF_COLUMNS \
	"lead_key, handoff_no, cycle, leg, contract_id, origin, stage_from, band, fit, intent, score, segment, lead_source, account_method, trigger, " \
	"trigger_at, seen_at, handed_at, month, incomplete, route, pool, rep, assigned_at, owner_since, by_last_route, assignments, reroutes, hops, fallback_at, unassigned_reason, delivered_at, " \
	"touches, contacts, channels, first_touch_at, first_touch_business_seconds, first_contact_at, booked_at, meeting_held_at, no_show, accepted_at, " \
	"accepted_how, qualified_at, disposed_at, outcome, code, note, override_reason, recycle_due_at, closed_at, undone, undone_at, undone_stage, held_at, signal_at, reengaged_at, joined_activities, opportunity_at, won_at, lost_at"

static LhStatement write_handoffs = {
	"insert into handoff.handoff (" HANDOFF_COLUMNS ") "
	"select " HANDOFF_COLUMNS " from unnest($1) as u(doc) "
	"cross join lateral jsonb_populate_record(null::handoff.handoff, u.doc) "
	"on conflict (lead_key, handoff_no) do update set "
	"cycle = excluded.cycle, route = excluded.route, pool = excluded.pool, rep = excluded.rep, "
	"assigned_at = excluded.assigned_at, owner_since = excluded.owner_since, by_last_route = excluded.by_last_route, assignments = excluded.assignments, reroutes = excluded.reroutes, hops = excluded.hops, fallback_at = excluded.fallback_at, "
	"unassigned_reason = excluded.unassigned_reason, delivered_at = excluded.delivered_at, "
	"touches = excluded.touches, contacts = excluded.contacts, channels = excluded.channels, "
	"first_touch_at = excluded.first_touch_at, first_touch_business_seconds = excluded.first_touch_business_seconds, first_contact_at = excluded.first_contact_at, "
	"booked_at = excluded.booked_at, meeting_held_at = excluded.meeting_held_at, no_show = excluded.no_show, "
	"accepted_at = excluded.accepted_at, accepted_how = excluded.accepted_how, qualified_at = excluded.qualified_at, "
	"disposed_at = excluded.disposed_at, outcome = excluded.outcome, code = excluded.code, note = excluded.note, "
	"override_reason = excluded.override_reason, "
	"recycle_due_at = excluded.recycle_due_at, closed_at = excluded.closed_at, undone = excluded.undone, undone_at = excluded.undone_at, undone_stage = excluded.undone_stage, held_at = excluded.held_at, signal_at = excluded.signal_at, reengaged_at = excluded.reengaged_at, "
	"joined_activities = excluded.joined_activities, "
	"opportunity_at = excluded.opportunity_at, won_at = excluded.won_at, lost_at = excluded.lost_at",
	1, {JSONBARRAYOID}
};

/* Its columns are those that a handoff knows it has.  An array travels as text. */
static LhStatement *
insert_handoffs(void)
{
	static LhStatement statement = {.plain = true};
	StringInfoData names;
	StringInfoData values;
	StringInfoData params;
	const char *name;
	Oid			type;

	if (statement.sql != NULL)
		return &statement;
	initStringInfo(&names);
	initStringInfo(&values);
	initStringInfo(&params);
	for (int i = -1; (name = i < 0 ? "lead_key" : lh_handoff_column(i, &type)) != NULL; i++)
	{
		const char *comma = i < 0 ? "" : ", ";
		bool		is_array = i >= 0 && type == TEXTARRAYOID;

		appendStringInfo(&names, "%s%s", comma, name);
		appendStringInfo(&values, "%s%s%s", comma, name, is_array ? "::text[]" : "");
		appendStringInfo(&params, "%s$%d", comma, i + 2);
		statement.types[i + 1] = i < 0 || is_array ? TEXTARRAYOID : get_array_type(type);
		statement.nparams = i + 2;
	}
	statement.sql = MemoryContextStrdup(TopMemoryContext,
										psprintf("insert into handoff.handoff (%s) select %s from unnest(%s) as u(%s)",
												 names.data, values.data, params.data, names.data));
	return &statement;
}

static void
add_new_handoff(LhRows *rows, const LhHandoff *handoff, const char *lead_key)
{
	LhRow		row = {0};
	Oid			type;

	lh_put_text(&row, lead_key);
	for (int i = 0; lh_handoff_column(i, &type) != NULL; i++)
	{
		Datum		value;
		bool		notnull = lh_handoff_value(handoff, i, &value);

		if (notnull && type == TEXTARRAYOID)
			value = CStringGetTextDatum(OidOutputFunctionCall(F_ARRAY_OUT, value));
		lh_put(&row, value, !notnull);
	}
	lh_rows_put(rows, &row);
}

static LhStatement write_assignments = {
	"insert into handoff.assignment (lead_key, handoff_no, n, route, pool, rep, reason, at, passed_over, known_to_crm) "
	"select u.lead_key, u.handoff_no, u.n, u.route, u.pool, u.rep, u.reason, u.at, u.passed_over, u.known_to_crm "
	"from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
	"as u(lead_key, handoff_no, n, route, pool, rep, reason, at, passed_over, known_to_crm)",
	10,
	{
		TEXTARRAYOID, INT4ARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
		TIMESTAMPTZARRAYOID, JSONBARRAYOID, BOOLARRAYOID
	},
	.plain = true
};

static void
add_assignment(LhRows *rows, const LhBatchLead *slot, const LhLeadHandoff *handoff)
{
	const LhAssignment *assignment = handoff->assignment;
	LhRow		row = {0};

	lh_put_text(&row, slot->lead_key);
	lh_put_int(&row, handoff->h.handoff_no);
	lh_put_int(&row, assignment->n);
	lh_put_text(&row, assignment->route);
	lh_put_text(&row, assignment->pool);
	lh_put_text(&row, assignment->rep);
	lh_put_text(&row, assignment->reason);
	lh_put_time(&row, assignment->at);
	lh_put(&row, JsonbPGetDatum(assignment->passed_over), false);
	lh_put(&row, BoolGetDatum(assignment->known_to_crm), false);
	lh_rows_put(rows, &row);
}

/* Clocks of SLAs ----------------------------------------------------------------------------- */

static LhStatement write_slas = {
	"insert into handoff.clock (lead_key, handoff_no, kind, name, n, rep, pool, started_at, due_at, stopped_at, verdict, "
	"business_seconds, pauses, paused, next_step, next_at) "
	"select u.lead_key, u.handoff_no, 'sla', u.name, u.n, u.rep, u.pool, u.started_at, u.due_at, u.stopped_at, u.verdict, "
	"u.time_run / 1000000.0, coalesce(u.pauses, '{}')::tstzmultirange, u.paused, u.next_step, u.next_at "
	"from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) "
	"as u(lead_key, handoff_no, name, n, rep, pool, started_at, due_at, stopped_at, verdict, time_run, pauses, paused, next_step, next_at) "
	"on conflict (lead_key, handoff_no, kind, name, n) do update "
	"set started_at = excluded.started_at, due_at = excluded.due_at, stopped_at = excluded.stopped_at, "
	"verdict = excluded.verdict, business_seconds = excluded.business_seconds, pauses = excluded.pauses, "
	"paused = excluded.paused, next_step = excluded.next_step, next_at = excluded.next_at",
	15,
	{
		TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID,
		TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TEXTARRAYOID, BOOLARRAYOID, INT4ARRAYOID,
		TIMESTAMPTZARRAYOID
	}
};

static LhStatement insert_slas = {
	"insert into handoff.clock (lead_key, handoff_no, kind, name, n, rep, pool, started_at, due_at, next_step, next_at) "
	"select u.lead_key, u.handoff_no, u.kind, u.name, u.n, u.rep, u.pool, u.started_at, u.due_at, u.next_step, u.next_at "
	"from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
	"as u(lead_key, handoff_no, kind, name, n, rep, pool, started_at, due_at, next_step, next_at)",
	11,
	{
		TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
		TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID
	},
	.plain = true
};

/* As text, {["from","to"),["from",)}; none is NULL. */
static void
put_pauses(LhRow *row, const LhSlaClock *clock)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < clock->npauses; i++)
	{
		const LhPause *pause = &clock->pauses[i];

		appendStringInfo(&text, "%s[\"%s\",", i == 0 ? "{" : ",", timestamptz_to_str(pause->from));
		if (pause->to != LH_NOT_YET)
			appendStringInfo(&text, "\"%s\"", timestamptz_to_str(pause->to));
		appendStringInfoChar(&text, ')');
	}
	appendStringInfoChar(&text, '}');
	lh_put_text(row, clock->npauses == 0 ? NULL : text.data);
}

static void
add_sla(LhRows *rows, const char *lead_key, const LhSlaClock *clock)
{
	LhRow		row = {0};

	lh_put_text(&row, lead_key);
	lh_put_int(&row, clock->handoff_no);
	lh_put_text(&row, clock->name);
	lh_put_int(&row, clock->n);
	lh_put_text(&row, clock->rep);
	lh_put_text(&row, clock->pool);
	lh_put_time(&row, clock->started_at);
	lh_put_time_unless(&row, clock->due_at, LH_NOT_YET);
	lh_put_time_unless(&row, clock->stopped_at, LH_NOT_YET);
	lh_put_text(&row, clock->verdict);
	lh_put(&row, Int64GetDatum(clock->time_run), clock->stopped_at == LH_NOT_YET);
	put_pauses(&row, clock);
	lh_put(&row, BoolGetDatum(lh_sla_paused(clock)), false);
	lh_put_int(&row, clock->next_step);
	lh_put_time_unless(&row, clock->next_at, LH_NOT_YET);
	lh_rows_put(rows, &row);
}

/* It runs, and has not stood still yet. */
static void
add_new_sla(LhRows *rows, const char *lead_key, const LhSlaClock *clock)
{
	LhRow		row = {0};

	lh_put_text(&row, lead_key);
	lh_put_int(&row, clock->handoff_no);
	lh_put_text(&row, "sla");
	lh_put_text(&row, clock->name);
	lh_put_int(&row, clock->n);
	lh_put_text(&row, clock->rep);
	lh_put_text(&row, clock->pool);
	lh_put_time(&row, clock->started_at);
	lh_put_time_unless(&row, clock->due_at, LH_NOT_YET);
	lh_put_int(&row, clock->next_step);
	lh_put_time_unless(&row, clock->next_at, LH_NOT_YET);
	lh_rows_put(rows, &row);
}

/* The clock of a handoff that is new has no row yet. */
static bool
is_new(const LhLead *lead, const LhSlaClock *clock)
{
	ListCell   *lc;

	if (clock->stopped_at != LH_NOT_YET || clock->npauses > 0)
		return false;
	foreach(lc, lead->handoffs)
	{
		const LhLeadHandoff *handoff = lfirst(lc);

		if (handoff->h.handoff_no == clock->handoff_no)
			return handoff->is_new;
	}
	return false;
}

/* All of a batch ----------------------------------------------------------------------------- */

void
lh_handoff_rows_begin(LhHandoffRows *rows)
{
	lh_rows_begin(&rows->new_handoffs, insert_handoffs());
	lh_rows_begin(&rows->handoffs, &write_handoffs);
	lh_rows_begin(&rows->assignments, &write_assignments);
	lh_rows_begin(&rows->new_slas, &insert_slas);
	lh_rows_begin(&rows->slas, &write_slas);
}

void
lh_handoff_rows_add(LhHandoffRows *rows, const LhBatchLead *slot)
{
	ListCell   *lc;

	foreach(lc, slot->lead.handoffs)
	{
		const LhLeadHandoff *handoff = lfirst(lc);

		if (handoff->is_new)
			add_new_handoff(&rows->new_handoffs, &handoff->h, slot->lead_key);
		else if (!lh_handoff_equal(&handoff->h, &handoff->stored))
		{
			Datum		doc = JsonbPGetDatum(lh_handoff_to_jsonb(&handoff->h, slot->lead_key));

			lh_rows_add(&rows->handoffs, &doc, NULL);
		}
		if (handoff->assignment != NULL)
			add_assignment(&rows->assignments, slot, handoff);
	}
	foreach(lc, slot->lead.slas)
	{
		const LhSlaClock *clock = lfirst(lc);

		if (!clock->changed)
			continue;
		if (is_new(&slot->lead, clock))
			add_new_sla(&rows->new_slas, slot->lead_key, clock);
		else
			add_sla(&rows->slas, slot->lead_key, clock);
	}
}

void
lh_handoff_rows_flush(LhHandoffRows *rows)
{
	lh_rows_flush(&rows->new_handoffs);
	lh_rows_flush(&rows->handoffs);
	lh_rows_flush(&rows->assignments);
	lh_rows_flush(&rows->new_slas);
	lh_rows_flush(&rows->slas);
}
