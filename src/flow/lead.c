/*
 * src/flow/lead.c
 *
 * Reading a lead's state: its row, its clocks, its activities.
 *
 * Everything is read for many leads at once, by "= any($1)", and put together here by key.  Keys are
 * compared by bytes throughout, whatever the database's collation.
 */
#include "flow/lead.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "sql.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/multirangetypes.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#define LEAD_COLUMNS \
	"select lead_key, source, raw_key, person_key, account_key, contract_id, stage, stage_since, fields, " \
	"fit, intent, group_heat, score, band, signals, cycle, cycle_since, intent_since, folded_at, booked_at, trigger, trigger_at, seen_at, version, " \
	"blocked_since, blocked_fields, gate_code, duplicate_of, duplicate_handoff, duplicate_at, first_seen_at, decided_at, deleted_at, last_seq, handoffs, purged_to, " \
	"account_method, account_match, match_keys " \
	"from handoff.lead where lead_key = any($1) order by lead_key collate \"C\""

static LhStatement read_leads = {LEAD_COLUMNS, 1, {TEXTARRAYOID}};
static LhStatement try_leads = {LEAD_COLUMNS " for update skip locked", 1, {TEXTARRAYOID}};
static LhStatement lock_leads = {LEAD_COLUMNS " for update", 1, {TEXTARRAYOID}};

static LhIndex leads_by_key = {"lead", "lead_pkey", 1, {"lead_key"}};
static LhIndex activities_by_lead = {"activity", "activity_lead_at", 1, {"lead_key"}};
static LhIndex links_by_lead = {"opportunity_link", "opportunity_link_pkey", 1, {"lead_key"}};

/* Stopped ones too: asked for next_at, the server would read every clock that runs. */
static LhStatement read_clocks = {
	"select lead_key, next_at is null, kind, name, started_at, due_at from handoff.clock "
	"where lead_key = any($1) and handoff_no = 0 order by lead_key collate \"C\"",
	1, {TEXTARRAYOID}
};

static LhStatement read_handoffs = {
	"select h.lead_key, to_jsonb(h) from handoff.handoff h "
	"where h.lead_key = any($1) order by h.lead_key collate \"C\", h.handoff_no",
	1, {TEXTARRAYOID}
};

static LhStatement read_slas = {
	"select lead_key, handoff_no, name, n, rep, pool, started_at, due_at, stopped_at, verdict, next_step, next_at, "
	"nullif(pauses, '{}') from handoff.clock "
	"where lead_key = any($1) and kind = 'sla' order by lead_key collate \"C\", handoff_no, name collate \"C\", n",
	1, {TEXTARRAYOID}
};

static LhStatement read_checkpoints = {
	"select lead_key, at, half_life, groups, heats from handoff.intent_checkpoint "
	"where lead_key = any($1) order by lead_key collate \"C\"",
	1, {TEXTARRAYOID}
};

static LhStatement read_opportunities = {
	"select distinct on (k.lead_key collate \"C\", o.created_at, o.opportunity_key) "
	"k.lead_key, o.created_at, case when o.is_closed then greatest(o.closed_at, o.created_at) end, o.is_won, null "
	"from handoff.opportunity_link k join handoff.opportunity o on o.opportunity_key = k.opportunity_key "
	"where k.lead_key = any($1) and o.deleted_at is null "
	"order by k.lead_key collate \"C\", o.created_at, o.opportunity_key",
	1, {TEXTARRAYOID}
};

/* Which of them count is for the decision to say: it knows the lead's account. */
static LhStatement read_opportunities_of_accounts = {
	"select l.lead_key, o.created_at, case when o.is_closed then greatest(o.closed_at, o.created_at) end, o.is_won, o.account_key "
	"from handoff.lead l join handoff.opportunity o on o.account_key = l.account_key "
	"and o.created_at >= (select min(h.handed_at) from handoff.handoff h where h.lead_key = l.lead_key) "
	"where l.lead_key = any($1) and o.deleted_at is null and not exists (select from handoff.opportunity_link k "
	"where k.lead_key = l.lead_key and k.opportunity_key = o.opportunity_key) "
	"order by l.lead_key collate \"C\", o.created_at, o.opportunity_key",
	1, {TEXTARRAYOID}
};

#define ACTIVITY_COLUMNS \
	"select a.lead_key, a.source, a.activity_key, a.at, a.fields, a.meanings, a.points, a.contract_id, " \
	"exists (select from handoff.crm_user c where c.crm_id = a.fields ->> 'rep' and not c.human) "
#define ACTIVITY_ORDER \
	"order by a.lead_key collate \"C\", a.at, a.source collate \"C\", a.activity_key collate \"C\""

static LhStatement read_activities = {
	ACTIVITY_COLUMNS "from unnest($1, $2) as u(lead_key, since) "
	"join handoff.activity a on a.lead_key = u.lead_key and a.at > u.since " ACTIVITY_ORDER,
	2, {TEXTARRAYOID, TIMESTAMPTZARRAYOID}
};

static LhStatement read_past_activities = {
	ACTIVITY_COLUMNS "from unnest($1, $2) as u(lead_key, since) "
	"join handoff.activity_versions($1) a on a.lead_key = u.lead_key and a.at > u.since "
	"and a.taken_at <= $3 and $3 < a.ended_at " ACTIVITY_ORDER,
	3, {TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZOID}
};

/* Keys --------------------------------------------------------------------------------------- */

int
lh_compare_keys(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

int
lh_sort_unique(char **keys, int n)
{
	int			kept = 0;

	qsort(keys, n, sizeof(char *), lh_compare_keys);
	for (int i = 0; i < n; i++)
		if (kept == 0 || strcmp(keys[kept - 1], keys[i]) != 0)
			keys[kept++] = keys[i];
	return kept;
}

/* Columns of the answer, read one after the other -------------------------------------------- */

typedef struct Reader
{
	uint64		row;
	int			col;
} Reader;

static Reader
reader_of(uint64 row)
{
	Reader		reader = {row, 0};

	return reader;
}

static char *
next_text(Reader *reader)
{
	return lh_get_text(reader->row, ++reader->col);
}

static int64
next_bigint(Reader *reader)
{
	return lh_get_bigint(reader->row, ++reader->col, 0);
}

static int
next_int(Reader *reader)
{
	return lh_get_int(reader->row, ++reader->col, 0);
}

static bool
next_bool(Reader *reader)
{
	return lh_get_bool(reader->row, ++reader->col);
}

static TimestampTz
next_time(Reader *reader, TimestampTz if_null)
{
	return lh_get_time(reader->row, ++reader->col, if_null);
}

static Jsonb *
next_jsonb(Reader *reader)
{
	return lh_get_jsonb(reader->row, ++reader->col);
}

static Interval *
next_interval(Reader *reader)
{
	return lh_get_interval(reader->row, ++reader->col);
}

static int
next_texts(Reader *reader, char ***texts)
{
	return lh_get_texts(reader->row, ++reader->col, texts);
}

static int
next_heats(Reader *reader, LhHeat **heats)
{
	bool		isnull;
	ArrayType  *array = DatumGetArrayTypeP(lh_get(reader->row, ++reader->col, &isnull));
	int			n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

	*heats = palloc_array(LhHeat, Max(n, 1));
	memcpy(*heats, ARR_DATA_PTR(array), sizeof(LhHeat) * n);
	return n;
}

int
lh_pauses_from_multirange(MultirangeType *value, LhPause **pauses)
{
	TypeCacheEntry *cache = lookup_type_cache(TSTZRANGEOID, TYPECACHE_RANGE_INFO);
	RangeType **ranges;
	int			n;

	multirange_deserialize(cache, value, &n, &ranges);
	*pauses = palloc_array(LhPause, Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		RangeBound	from;
		RangeBound	to;
		bool		empty;

		range_deserialize(cache, ranges[i], &from, &to, &empty);
		(*pauses)[i].from = DatumGetTimestampTz(from.val);
		(*pauses)[i].to = to.infinite ? LH_NOT_YET : DatumGetTimestampTz(to.val);
	}
	return n;
}

/* NULL: there are none. */
static void
next_pauses(Reader *reader, LhSlaClock *clock)
{
	bool		isnull;
	Datum		value = lh_get(reader->row, ++reader->col, &isnull);

	if (!isnull)
		clock->npauses = lh_pauses_from_multirange(DatumGetMultirangeTypeP(value), &clock->pauses);
}

/* Leads -------------------------------------------------------------------------------------- */

static void
no_clocks(LhLead *lead)
{
	for (int i = 0; i < LH_NCLOCKS; i++)
	{
		lead->clocks[i].name = "";
		lead->clocks[i].due_at = DT_NOEND;
	}
}

/* A lead that has no row yet. */
void
lh_lead_init(LhLead *lead, const char *lead_key, const char *source, const char *raw_key)
{
	memset(lead, 0, sizeof(*lead));
	lead->lead_key = pstrdup(lead_key);
	lead->source = pstrdup(source);
	lead->raw_key = pstrdup(raw_key);
	lead->fold.at = DT_NOEND;
	lead->booked_at = DT_NOBEGIN;
	lead->version = DT_NOBEGIN;
	lead->blocked_since = DT_NOEND;
	lead->duplicate_at = DT_NOBEGIN;
	lead->deleted_at = DT_NOEND;
	lead->decided_at = DT_NOBEGIN;
	no_clocks(lead);
}

static void
take_lead(LhLead *lead, uint64 row, bool *has_handoffs, bool *is_purged)
{
	Reader		reader = reader_of(row);

	memset(lead, 0, sizeof(*lead));
	lead->exists = true;
	lead->lead_key = next_text(&reader);
	lead->source = next_text(&reader);
	lead->raw_key = next_text(&reader);
	lead->person_key = next_text(&reader);
	lead->account_key = next_text(&reader);
	lead->contract_id = next_int(&reader);
	lead->stage = next_text(&reader);
	lead->stage_since = next_time(&reader, 0);
	lead->fields = next_jsonb(&reader);
	lead->fit = next_bigint(&reader);
	lead->intent = next_bigint(&reader);
	lead->ngroups = next_heats(&reader, &lead->fold.heats);
	lead->score = next_bigint(&reader);
	lead->band = next_text(&reader);
	lead->nsignals = next_texts(&reader, &lead->signals);
	lead->cycle = next_int(&reader);
	lead->cycle_since = next_time(&reader, DT_NOBEGIN);
	lead->intent_since = next_time(&reader, DT_NOBEGIN);
	lead->fold.at = next_time(&reader, DT_NOEND);
	lead->booked_at = next_time(&reader, DT_NOBEGIN);
	lead->trigger = next_text(&reader);
	lead->trigger_at = next_time(&reader, DT_NOBEGIN);
	lead->seen_at = next_time(&reader, LH_NOT_YET);
	lead->version = next_time(&reader, DT_NOBEGIN);
	lead->blocked_since = next_time(&reader, DT_NOEND);
	lead->nblocked = next_texts(&reader, &lead->blocked_fields);
	lead->gate_code = next_text(&reader);
	lead->duplicate_of = next_text(&reader);
	lead->duplicate_handoff = next_int(&reader);
	lead->duplicate_at = next_time(&reader, DT_NOBEGIN);
	lead->first_seen_at = next_time(&reader, 0);
	lead->decided_at = next_time(&reader, DT_NOBEGIN);
	lead->deleted_at = next_time(&reader, DT_NOEND);
	lead->last_seq = next_bigint(&reader);
	/* each column is read, whatever is known by now */
	*has_handoffs |= next_int(&reader) > 0;
	*is_purged |= next_time(&reader, DT_NOBEGIN) != DT_NOBEGIN;
	lead->account_method = next_text(&reader);
	lead->account_match = next_jsonb(&reader);
	lead->nmatch_keys = next_texts(&reader, &lead->match_keys);
	no_clocks(lead);
}

/* The lead of the next row of an answer that is in order of lead_key; NULL: it is not among ours. */
static LhLead *
lead_of_row(LhLead *leads, int n, int *at, const char *lead_key)
{
	while (*at < n && strcmp(leads[*at].lead_key, lead_key) < 0)
		(*at)++;
	return *at < n && strcmp(leads[*at].lead_key, lead_key) == 0 ? &leads[*at] : NULL;
}

static void
take_clocks(LhLead *leads, int n)
{
	int			at = 0;

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Reader		reader = reader_of(i);
		LhLead	   *lead = lead_of_row(leads, n, &at, next_text(&reader));
		bool		stopped = next_bool(&reader);
		char	   *kind = next_text(&reader);

		if (lead == NULL || stopped)
			continue;
		for (int k = 0; k < LH_NCLOCKS; k++)
		{
			LhClock    *clock = &lead->clocks[k];

			if (strcmp(lh_clock_kind(k), kind) != 0)
				continue;
			clock->name = next_text(&reader);
			clock->started_at = next_time(&reader, 0);
			clock->due_at = next_time(&reader, DT_NOEND);
		}
	}
}

static void
take_handoffs(LhLead *leads, int n)
{
	int			at = 0;

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Reader		reader = reader_of(i);
		LhLead	   *lead = lead_of_row(leads, n, &at, next_text(&reader));
		LhLeadHandoff *handoff = palloc0_object(LhLeadHandoff);

		if (lead == NULL)
			continue;
		lh_handoff_from_jsonb(&handoff->h, next_jsonb(&reader));
		handoff->logged = handoff->h;
		handoff->stored = handoff->h;
		lead->handoffs = lappend(lead->handoffs, handoff);
	}
}

static void
take_slas(LhLead *leads, int n)
{
	int			at = 0;

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Reader		reader = reader_of(i);
		LhLead	   *lead = lead_of_row(leads, n, &at, next_text(&reader));
		LhSlaClock *clock = palloc0_object(LhSlaClock);

		if (lead == NULL)
			continue;
		clock->handoff_no = next_int(&reader);
		clock->name = next_text(&reader);
		clock->n = next_int(&reader);
		clock->rep = next_text(&reader);
		clock->pool = next_text(&reader);
		clock->started_at = next_time(&reader, 0);
		clock->due_at = next_time(&reader, LH_NOT_YET);
		clock->stopped_at = next_time(&reader, LH_NOT_YET);
		clock->verdict = next_text(&reader);
		clock->logged_verdict = clock->verdict;
		clock->next_step = next_int(&reader);
		clock->next_at = next_time(&reader, LH_NOT_YET);
		next_pauses(&reader, clock);
		lead->slas = lappend(lead->slas, clock);
	}
}

static void
take_checkpoints(LhLead *leads, int n)
{
	int			at = 0;

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Reader		reader = reader_of(i);
		LhLead	   *lead = lead_of_row(leads, n, &at, next_text(&reader));
		LhCheckpoint *checkpoint = palloc0_object(LhCheckpoint);

		if (lead == NULL)
			continue;
		checkpoint->at = next_time(&reader, 0);
		checkpoint->half_life = lh_half_life(next_interval(&reader));
		checkpoint->ngroups = next_texts(&reader, &checkpoint->groups);
		next_heats(&reader, &checkpoint->heats);
		lead->checkpoint = checkpoint;
	}
}

int
lh_leads_read(char *const *lead_keys, int n, LhLock lock, LhLead **leads)
{
	Datum		keys = lh_text_array(lead_keys, n);
	LhStatement *statement = lock == LH_LOCK_NONE ? &read_leads :
		lock == LH_LOCK_TRY ? &try_leads : &lock_leads;
	int			found = n == 0 ? 0 : lh_run(statement, &keys, NULL);
	bool		has_handoffs = false;
	bool		is_purged = false;

	*leads = palloc_array(LhLead, Max(found, 1));
	for (int i = 0; i < found; i++)
		take_lead(&(*leads)[i], i, &has_handoffs, &is_purged);
	if (found > 0)
	{
		lh_run(&read_clocks, &keys, NULL);
		take_clocks(*leads, found);
	}
	if (has_handoffs)
	{
		lh_run(&read_handoffs, &keys, NULL);
		take_handoffs(*leads, found);
		lh_run(&read_slas, &keys, NULL);
		take_slas(*leads, found);
	}
	if (is_purged)
	{
		lh_run(&read_checkpoints, &keys, NULL);
		take_checkpoints(*leads, found);
	}
	return found;
}

int
lh_leads_existing(char *const *lead_keys, int n, char **existing)
{
	return lh_which_are_there(&leads_by_key, lead_keys, n, existing);
}

static void
bind_sla(LhSlaClock *clock, const LhContract *contract)
{
	for (int i = 0; i < contract->sla.n; i++)
		if (strcmp(contract->slas[i].name, clock->name) == 0)
			clock->sla = &contract->slas[i];
}

void
lh_lead_bind(LhLead *lead, const LhContract *contract)
{
	ListCell   *lc;

	lead->row = lh_fields_create(contract->lead_set);
	if (lead->fields != NULL)
		lh_fields_from_jsonb(lead->row, lead->fields, 0, contract->nkept);
	foreach(lc, lead->slas)
		bind_sla(lfirst(lc), contract);
}

/* Activities --------------------------------------------------------------------------------- */

typedef struct StoredActivity
{
	char	   *lead_key;
	LhActivity	activity;
	Jsonb	   *fields;
} StoredActivity;

struct LhActivities
{
	int			n;
	StoredActivity *rows;		/* by lead_key, at, source, key */
};

/* Those since then of leads that have any: of one that is new, as most are that come in bulk, there are none. */
static int
run_read_activities(char *const *lead_keys, const TimestampTz *since, int n, TimestampTz taken_by)
{
	char	  **keys = palloc_array(char *, n + 1);
	TimestampTz *times = palloc_array(TimestampTz, n + 1);
	int			nthere;
	Datum		values[3];

	if (taken_by != DT_NOEND)
	{
		values[0] = lh_text_array(lead_keys, n);
		values[1] = lh_time_array(since, n);
		values[2] = TimestampTzGetDatum(taken_by);
		return lh_run(&read_past_activities, values, NULL);
	}
	nthere = lh_which_are_there(&activities_by_lead, lead_keys, n, keys);
	if (nthere == 0)
		return 0;
	for (int i = 0, at = 0; i < n && at < nthere; i++)
		if (lead_keys[i] == keys[at])
			times[at++] = since[i];
	values[0] = lh_text_array(keys, nthere);
	values[1] = lh_time_array(times, nthere);
	return lh_run(&read_activities, values, NULL);
}

LhActivities *
lh_activities_read(char *const *lead_keys, const TimestampTz *since, int n, TimestampTz taken_by)
{
	LhActivities *all = palloc_object(LhActivities);

	all->n = run_read_activities(lead_keys, since, n, taken_by);
	all->rows = palloc0_array(StoredActivity, Max(all->n, 1));
	for (int i = 0; i < all->n; i++)
	{
		StoredActivity *stored = &all->rows[i];
		LhActivity *activity = &stored->activity;
		Reader		reader = reader_of(i);

		stored->lead_key = next_text(&reader);
		activity->source = next_text(&reader);
		activity->key = next_text(&reader);
		activity->at = next_time(&reader, 0);
		stored->fields = next_jsonb(&reader);
		activity->nstored_meanings = next_texts(&reader, &activity->stored_meanings);
		activity->stored_points = next_int(&reader);
		activity->stored_contract = next_int(&reader);
		activity->automated = next_bool(&reader);
	}
	return all;
}

/* Index of the first row of a lead, or of where it would be. */
static int
first_of(const LhActivities *all, const char *lead_key)
{
	int			low = 0;
	int			high = all->n;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (strcmp(all->rows[middle].lead_key, lead_key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int
lh_activities_of(const LhActivities *all, const char *lead_key,
				 const LhContract *contract, LhActivity **activities)
{
	const LhFieldSet *set = contract->activity_set;
	int			first = first_of(all, lead_key);
	int			n = 0;

	while (first + n < all->n && strcmp(all->rows[first + n].lead_key, lead_key) == 0)
		n++;
	*activities = palloc_array(LhActivity, Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		const StoredActivity *stored = &all->rows[first + i];
		LhActivity *activity = &(*activities)[i];

		*activity = stored->activity;
		activity->row = lh_fields_create(set);
		lh_fields_from_jsonb(activity->row, stored->fields, LH_ACTIVITY_FIELDS_FIRST, set->nfields);
		lh_fields_set(activity->row, lh_fieldset_find(set, "lead_key"), CStringGetTextDatum(lead_key));
		lh_fields_set(activity->row, lh_fieldset_find(set, "at"), TimestampTzGetDatum(activity->at));
	}
	return n;
}

/* Opportunities ------------------------------------------------------------------------------ */

typedef struct StoredOpportunity
{
	char	   *lead_key;
	LhOpportunity opportunity;
} StoredOpportunity;

struct LhOpportunities
{
	int			n;
	StoredOpportunity *rows;	/* of each lead by created_at, those of its account last */
};

static void
add_opportunities(LhOpportunities *all, LhStatement *statement, char *const *lead_keys, int n)
{
	Datum		keys = lh_text_array(lead_keys, n);
	int			nfound = n == 0 ? 0 : lh_run(statement, &keys, NULL);

	if (nfound == 0)
		return;
	all->rows = all->rows == NULL ? palloc_array(StoredOpportunity, nfound) :
		repalloc_array(all->rows, StoredOpportunity, all->n + nfound);
	for (int i = 0; i < nfound; i++)
	{
		StoredOpportunity *stored = &all->rows[all->n++];
		Reader		reader = reader_of(i);

		stored->lead_key = next_text(&reader);
		stored->opportunity.created_at = next_time(&reader, 0);
		stored->opportunity.closed_at = next_time(&reader, LH_NOT_YET);
		stored->opportunity.is_won = next_bool(&reader);
		stored->opportunity.account_key = next_text(&reader);
	}
}

/* Of some of the leads, those of their accounts too. */
LhOpportunities *
lh_opportunities_read(char *const *lead_keys, int n, char *const *by_account, int nby_account)
{
	LhOpportunities *all = palloc0_object(LhOpportunities);
	char	  **linked = palloc_array(char *, n + 1);
	int			nlinked = lh_which_are_there(&links_by_lead, lead_keys, n, linked);

	add_opportunities(all, &read_opportunities, linked, nlinked);
	add_opportunities(all, &read_opportunities_of_accounts, by_account, nby_account);
	return all;
}

/* May opportunities of its account count for a lead? */
bool
lh_asks_account(const LhContract *contract, const LhLead *lead)
{
	return contract->opportunity_window != NULL && lead->account_key != NULL && lead->handoffs != NIL;
}

int
lh_opportunities_of(const LhOpportunities *all, const char *lead_key,
					LhOpportunity **opportunities)
{
	int			n = 0;

	*opportunities = palloc_array(LhOpportunity, all->n + 1);
	for (int i = 0; i < all->n; i++)
		if (strcmp(all->rows[i].lead_key, lead_key) == 0)
			(*opportunities)[n++] = all->rows[i].opportunity;
	return n;
}
