/*
 * src/flow/history.c
 *
 * Reading what happened to leads, many at once, and adding up the log of one.
 *
 * handoff.folded() does the same in SQL for a lead at one moment (as_of.c); here a backtest comes by every
 * moment of every lead, so the log is read once and folded event by event.
 */
#include "flow/history.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "json.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

/* Reading ------------------------------------------------------------------------------------ */

static LhStatement read_keys = {
	"select l.lead_key, l.source, l.raw_key, l.person_key, coalesce(s.key_prefix, ''), coalesce(s.since, '-infinity'), "
	"l.trigger_at, coalesce(l.purged_to, '-infinity') from handoff.lead l left join handoff.source s on s.name = l.source "
	"where l.lead_key > $1 and l.forgotten_at is null and coalesce(s.contract, $2) = $2 order by l.lead_key limit $3",
	3, {TEXTOID, TEXTOID, INT4OID}
};

static LhStatement read_log = {
	"select e.lead_key, e.at, e.type, e.contract_id, e.cycle, e.leg, e.actor, e.detail, e.recorded_at from handoff.event e "
	"where e.lead_key = any($1) and e.at < $2 order by e.lead_key collate \"C\", e.seq",
	2, {TEXTARRAYOID, TIMESTAMPTZOID}
};

static LhStatement read_activities = {
	"select a.lead_key, a.source, a.activity_key, a.at, a.fields, a.taken_at, a.ended_at, "
	"exists (select from handoff.crm_user c where c.crm_id = a.fields ->> 'rep' and not c.human), "
	"a.meanings && '{touch,contact,booked,meeting_held,no_show}', a.gone "
	"from handoff.activity_versions($1) a where a.taken_at < $2 "
	"order by a.lead_key collate \"C\", a.at, a.source collate \"C\", a.activity_key collate \"C\"",
	2, {TEXTARRAYOID, TIMESTAMPTZOID}
};

static int
compare_histories(const void *a, const void *b)
{
	return strcmp(((const LhHistory *) a)->lead_key, ((const LhHistory *) b)->lead_key);
}

bool
lh_has_news(const LhHistory *history, TimestampTz after, TimestampTz to)
{
	for (int i = 0; i < history->nactivities; i++)
	{
		const LhPastActivity *past = &history->activities[i];

		if ((past->from > after && past->from <= to) || (past->to > after && past->to <= to))
			return true;
	}
	return false;
}

/* The lead of the next row of an answer that is in order of lead_key. */
static LhHistory *
history_of_row(LhHistory *histories, int *at, uint64 row)
{
	char	   *lead_key = lh_get_text(row, 1);

	while (strcmp(histories[*at].lead_key, lead_key) != 0)
		(*at)++;
	pfree(lead_key);
	return &histories[*at];
}

/* How many rows of an answer each lead has, so that they can lie side by side. */
static void
take_events(LhHistory *histories, uint64 n)
{
	LhPastEvent *events = palloc_array(LhPastEvent, n + 1);
	int			at = 0;

	for (uint64 i = 0; i < n; i++)
	{
		LhHistory  *history = history_of_row(histories, &at, i);
		LhPastEvent *event = &events[i];

		if (history->nevents++ == 0)
			history->events = event;
		event->at = lh_get_time(i, 2, 0);
		event->type = lh_get_text(i, 3);
		event->contract_id = lh_get_int(i, 4, 0);
		event->cycle = lh_get_int(i, 5, 0);
		event->leg = lh_get_text(i, 6);
		event->actor = lh_get_text(i, 7);
		event->detail = lh_get_jsonb(i, 8);
		event->recorded_at = lh_get_time(i, 9, 0);
	}
}

static void
take_activities(LhHistory *histories, uint64 n)
{
	LhPastActivity *activities = palloc0_array(LhPastActivity, n + 1);
	int			at = 0;

	for (uint64 i = 0; i < n; i++)
	{
		LhHistory  *history = history_of_row(histories, &at, i);
		LhPastActivity *past = &activities[i];

		if (history->nactivities++ == 0)
			history->activities = past;
		past->activity.source = lh_get_text(i, 2);
		past->activity.key = lh_get_text(i, 3);
		past->activity.at = lh_get_time(i, 4, 0);
		past->fields = lh_get_jsonb(i, 5);
		past->from = lh_get_time(i, 6, 0);
		past->to = lh_get_time(i, 7, DT_NOEND);
		past->activity.automated = lh_get_bool(i, 8);
		past->is_touch = lh_get_bool(i, 9);
		past->gone = lh_get_bool(i, 10);
		if (past->gone)
			past->to++;			/* what has come at that moment is decided first */
	}
}

/* When the log first says that a handoff has an opportunity of that time, under any of these names; else that time. */
static TimestampTz
told_at(const LhHistory *history, TimestampTz time, const char *const *columns, int n)
{
	if (TIMESTAMP_NOT_FINITE(time))
		return time;
	for (int i = 0; i < history->nevents; i++)
	{
		Jsonb	   *set = strcmp(history->events[i].type, "worked") == 0 ?
			lh_json_object(history->events[i].detail, "set") : NULL;

		for (int c = 0; set != NULL && c < n; c++)
			if (lh_json_get_time(set, columns[c], DT_NOEND) == time)
				return history->events[i].at;
	}
	return time;
}

static void
find_told(LhHistory *history)
{
	static const char *const created[] = {"opportunity_at"};
	static const char *const ended[] = {"won_at", "lost_at"};

	history->told_at = palloc_array(TimestampTz, history->nopportunities + 1);
	history->end_told_at = palloc_array(TimestampTz, history->nopportunities + 1);
	for (int i = 0; i < history->nopportunities; i++)
	{
		const LhOpportunity *opportunity = &history->opportunities[i];

		history->told_at[i] = told_at(history, opportunity->created_at, created, lengthof(created));
		history->end_told_at[i] = told_at(history, opportunity->closed_at, ended, lengthof(ended));
	}
}

static void
take_others(LhHistory *histories, int n)
{
	char	  **keys = palloc_array(char *, n + 1);
	int			nkeys = 0;
	LhOther    *others;
	int			nothers;

	for (int i = 0; i < n; i++)
		if (histories[i].person_key != NULL)
			keys[nkeys++] = histories[i].person_key;
	nothers = lh_others_read(keys, nkeys, &others);
	for (int i = 0; i < n && nothers > 0; i++)
	{
		LhHistory  *history = &histories[i];
		int			first = 0;

		if (history->person_key == NULL)
			continue;
		while (first < nothers && strcmp(others[first].person_key, history->person_key) < 0)
			first++;
		history->others = &others[first];
		while (first < nothers && strcmp(others[first].person_key, history->person_key) == 0)
		{
			history->nothers++;
			first++;
		}
	}
}

static int
take_keys(LhHistory *histories, char **last)
{
	int			n = SPI_processed;

	for (int i = 0; i < n; i++)
	{
		LhHistory  *history = &histories[i];

		history->lead_key = lh_get_text(i, 1);
		history->source = lh_get_text(i, 2);
		history->raw_key = lh_get_text(i, 3);
		history->person_key = lh_get_text(i, 4);
		history->key_prefix = lh_get_text(i, 5);
		history->since = lh_get_time(i, 6, DT_NOBEGIN);
		history->trigger_at = lh_get_time(i, 7, DT_NOBEGIN);
		history->purged_to = lh_get_time(i, 8, DT_NOBEGIN);
		*last = history->lead_key;
	}
	return n;
}

int
lh_histories_read(const char *after, const char *contract_name, TimestampTz until, int limit,
				  LhHistory **histories, char **last)
{
	Datum		range[3] = {CStringGetTextDatum(after), CStringGetTextDatum(contract_name), Int32GetDatum(limit)};
	Datum		values[2];
	char	  **keys = palloc_array(char *, limit + 1);
	LhOpportunities *opportunities;
	int			n;

	*histories = palloc0_array(LhHistory, limit + 1);
	lh_read_active(&read_keys, range, NULL);
	n = take_keys(*histories, last);
	qsort(*histories, n, sizeof(LhHistory), compare_histories);
	for (int i = 0; i < n; i++)
		keys[i] = (*histories)[i].lead_key;
	if (n == 0)
		return 0;
	values[0] = lh_text_array(keys, n);
	values[1] = TimestampTzGetDatum(until);
	take_events(*histories, lh_read_active(&read_log, values, NULL));
	take_activities(*histories, lh_read_active(&read_activities, values, NULL));
	opportunities = lh_opportunities_read(keys, n, keys, n);	/* decisions take of those of its account what they may */
	for (int i = 0; i < n; i++)
	{
		(*histories)[i].nopportunities = lh_opportunities_of(opportunities, keys[i], &(*histories)[i].opportunities);
		find_told(&(*histories)[i]);
	}
	take_others(*histories, n);
	return n;
}

/* Adding up ---------------------------------------------------------------------------------- */

static Jsonb *
merged(Jsonb *before, Jsonb *changes)
{
	return before == NULL ? changes :
		DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(before), JsonbPGetDatum(changes)));
}

void
lh_fold_begin(LhLogFold *fold, const LhHistory *history)
{
	memset(fold, 0, sizeof(*fold));
	lh_lead_init(&fold->lead, history->lead_key, history->source, history->raw_key);
	fold->lead.person_key = history->person_key;
	fold->lead.cycle = 1;
	fold->lead.cycle_since = DT_NOBEGIN;
	fold->lead.intent_since = DT_NOBEGIN;
}

/* Its mapped fields: at first all that are not null, then those that changed. */
static void
add_fields(LhLogFold *fold, const LhPastEvent *event)
{
	Jsonb	   *changes = lh_json_object(event->detail, "new");

	if (changes != NULL)
		fold->lead.fields = merged(fold->lead.fields, changes);
}

static void
add_scored(LhLogFold *fold, const LhPastEvent *event)
{
	LhLead	   *lead = &fold->lead;

	fold->scored = event->detail;
	lead->fit = lh_json_get_int(event->detail, "fit");
	lead->score = lh_json_get_int(event->detail, "score");
	lead->band = lh_json_get_text(event->detail, "band");
	lead->nsignals = lh_json_get_texts(event->detail, "signals", &lead->signals);
}

static void
add_stage(LhLogFold *fold, const LhPastEvent *event)
{
	LhLead	   *lead = &fold->lead;

	fold->moved = event->detail;
	lead->stage = lh_json_get_text(event->detail, "to");
	lead->stage_since = lh_json_get_time(event->detail, "since", event->at);
}

static LhFirstOwner *
first_owner(const LhHandoff *h, const LhPastEvent *event)
{
	Jsonb	   *passed_over = lh_json_object(event->detail, "passed_over");
	LhFirstOwner *owner = palloc_object(LhFirstOwner);

	owner->route = h->route;
	owner->pool = h->pool;
	owner->rep = h->rep;
	owner->routes = passed_over == NULL ? NULL : lh_json_object(passed_over, "routes");
	return owner;
}

/* Of a handoff: what changed of its columns. */
static void
add_handoff(LhLogFold *fold, const LhPastEvent *event, Jsonb *set)
{
	int			no = lh_json_get_int(event->detail, "handoff");
	LhLeadHandoff *handoff;
	ListCell   *columns;

	while (list_length(fold->columns) < no)
	{
		fold->columns = lappend(fold->columns, NULL);
		fold->owners = lappend(fold->owners, NULL);
		handoff = palloc0_object(LhLeadHandoff);
		lh_handoff_init(&handoff->h);
		fold->lead.handoffs = lappend(fold->lead.handoffs, handoff);
	}
	columns = list_nth_cell(fold->columns, no - 1);
	lfirst(columns) = merged(lfirst(columns), set);
	handoff = list_nth(fold->lead.handoffs, no - 1);
	lh_handoff_from_jsonb(&handoff->h, lfirst(columns));
	if (strcmp(event->type, "assigned") == 0 && list_nth(fold->owners, no - 1) == NULL)
		lfirst(list_nth_cell(fold->owners, no - 1)) = first_owner(&handoff->h, event);
}

static void
add_reset(LhLogFold *fold, const LhPastEvent *event)
{
	if (strcmp(event->type, "reset") == 0)
		fold->lead.intent_since = event->at;
	else
		fold->lead.intent_since = lh_json_get_time(event->detail, "intent_since", fold->lead.intent_since);
}

static void
add_account(LhLogFold *fold, const LhPastEvent *event)
{
	LhLead	   *lead = &fold->lead;

	lead->account_key = lh_json_get_text(event->detail, "to");
	lead->account_method = lh_json_get_text(event->detail, "method");
}

static void
add_absence(LhLogFold *fold, const LhPastEvent *event)
{
	fold->lead.deleted_at = strcmp(event->type, "restored") == 0 ? DT_NOEND : event->at;
}

static void
add_gate(LhLogFold *fold, const LhPastEvent *event)
{
	fold->lead.gate_code = strcmp(event->type, "released") == 0 ? NULL : lh_json_get_text(event->detail, "code");
}

static void
add_blocked(LhLogFold *fold, const LhPastEvent *event)
{
	LhLead	   *lead = &fold->lead;
	bool		goes_on = lead->blocked_since != DT_NOEND;

	lead->nblocked = lh_json_get_texts(event->detail, "fields", &lead->blocked_fields);
	if (lead->nblocked == 0)
		lead->blocked_since = DT_NOEND;
	else if (!goes_on)
		lead->blocked_since = event->at;
	fold->blocked_leg = lead->nblocked == 0 ? NULL : event->leg;
}

static void
add_created(LhLogFold *fold, const LhPastEvent *event)
{
	fold->lead.exists = true;
	fold->lead.stage = lh_json_get_text(event->detail, "stage");
	fold->lead.stage_since = event->at;
	add_fields(fold, event);
}

void
lh_fold_add(LhLogFold *fold, const LhPastEvent *event)
{
	static const struct
	{
		const char *type;
		void		(*add) (LhLogFold *fold, const LhPastEvent *event);
	}			kinds[] = {
		{"created", add_created}, {"fields", add_fields}, {"scored", add_scored}, {"stage", add_stage},
		{"reset", add_reset}, {"undisposed", add_reset}, {"account", add_account},
		{"deleted", add_absence}, {"merged", add_absence}, {"forgotten", add_absence}, {"restored", add_absence},
		{"gated", add_gate}, {"joined", add_gate}, {"released", add_gate},
		{"blocked", add_blocked}, {"unblocked", add_blocked}
	};
	Jsonb	   *set = lh_json_object(event->detail, "set");

	fold->lead.contract_id = event->contract_id;
	fold->lead.decided_at = event->at;
	if (event->cycle > fold->lead.cycle)
	{
		fold->lead.cycle = event->cycle;
		fold->lead.cycle_since = event->at;
	}
	for (int i = 0; i < lengthof(kinds); i++)
		if (strcmp(kinds[i].type, event->type) == 0)
			kinds[i].add(fold, event);
	if (set != NULL)
		add_handoff(fold, event, set);
}
