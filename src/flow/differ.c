/*
 * src/flow/differ.c
 *
 * Is a row of a source as we know it?  A batch of keys is read as the drain reads it, by mapping and
 * cast, and compared with what the drain would make of it: the fields of a lead, an activity with its
 * lead, an opportunity, a link.  Whatever differs is put into the inbox by the caller, and decided like
 * any other change; so a row that is found to differ by mistake does no harm, it is decided to no effect.
 * A row must not be found equal by mistake.  What the drain ignores must not differ, or a reconcile would
 * never find its source in order: a version older than the one known, a row without a key to its lead.
 *
 * Rows of kinds that have no comparison here always differ.
 *
 * A row that can't be read is found by halving its batch, each half in a subtransaction of its own.
 */
#include "flow/differ.h"

#include "catalog/pg_type.h"
#include "flow/drain.h"
#include "flow/intake.h"
#include "flow/lead.h"
#include "flow/tombstone.h"
#include "miscadmin.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static void
add_key(LhDiffering *found, char *key)
{
	found->keys[found->n++] = key;
}

static void
add_answer(LhDiffering *found, uint64 n)
{
	for (uint64 i = 0; i < n; i++)
		add_key(found, lh_get_text(i, 1));
}

/* Rows that are gone, or say too little to be kept --------------------------------------------- */

#define OLDER_THAN_KNOWN(relation, key) { \
	"select u.n from unnest($1, $2) with ordinality as u(key, version, n) " \
	"join handoff." relation " r on r." key " = u.key and r.version > u.version", \
	2, {TEXTARRAYOID, TIMESTAMPTZARRAYOID} \
}

static struct
{
	const char *kind;
	LhStatement statement;
}			older[] = {
	{"lead", OLDER_THAN_KNOWN("lead", "lead_key")},
	{"opportunity", OLDER_THAN_KNOWN("opportunity", "opportunity_key")},
	{"account", OLDER_THAN_KNOWN("account", "account_key")},
	{"rep", OLDER_THAN_KNOWN("crm_user", "crm_id")}
};

/* A row that is marked as deleted in a version older than the one known is old news: its record is kept. */
static void
keep_older(const LhSource *source, char *const *keys, const LhSourceRow *rows, int n, bool *kept)
{
	LhStatement *statement = NULL;
	char	  **marked = palloc_array(char *, n + 1);
	TimestampTz *versions = palloc_array(TimestampTz, n + 1);
	int		   *places = palloc_array(int, n + 1);
	int			nmarked = 0;
	Datum		values[2];
	uint64		nolder;

	for (int i = 0; i < n; i++)
	{
		if (kept[i] || rows[i].row == NULL || LH_ROW_VERSION(&rows[i]) == DT_NOBEGIN)
			continue;
		marked[nmarked] = lh_source_is(source, "rep") ? lh_source_id(source, keys[i]) : lh_prefixed(source, keys[i]);
		versions[nmarked] = rows[i].version;
		places[nmarked++] = i;
	}
	for (int i = 0; i < lengthof(older); i++)
		if (lh_source_is(source, older[i].kind))
			statement = &older[i].statement;
	if (statement == NULL || nmarked == 0)
		return;
	values[0] = lh_text_array(marked, nmarked);
	values[1] = lh_time_array(versions, nmarked);
	nolder = lh_run(statement, values, NULL);
	for (uint64 i = 0; i < nolder; i++)
		kept[places[lh_get_bigint(i, 1, 1) - 1]] = true;
}

/* What was noted as gone is known to be gone already. */
static LhStatement known_among = {
	"select k from handoff.known_among($1, $2) k "
	"where not exists (select from handoff.absence a where a.source = $1 and a.raw_key = k)",
	2, {TEXTOID, TEXTARRAYOID}
};

static void
add_known(const LhSource *source, char *const *keys, int n, LhDiffering *found)
{
	Datum		values[2] = {CStringGetTextDatum(source->name), lh_text_array(keys, n)};

	if (n > 0)
		add_answer(found, lh_run(&known_among, values, NULL));
}

/* A row that is back must be decided, if only to drop the note. */
static LhStatement noted_among = {
	"select a.raw_key from handoff.absence a where a.source = $1 and a.raw_key = any($2)",
	2, {TEXTOID, TEXTARRAYOID}
};

static void
add_noted(const LhSource *source, char *const *keys, int n, LhDiffering *found)
{
	Datum		values[2] = {CStringGetTextDatum(source->name), lh_text_array(keys, n)};

	if (source->absences && n > 0)
		add_answer(found, lh_run(&noted_among, values, NULL));
}

/* Leads -------------------------------------------------------------------------------------- */

static LhStatement stored_leads = {
	"select u.n, l.lead_key is not null, l.source = $1, l.deleted_at is not null, l.version, l.fields, a.lead_key is not null "
	"from unnest($2) with ordinality u (key, n) left join handoff.lead l on l.lead_key = u.key "
	"left join handoff.alias a on a.alias_key = u.key and a.kind = 'merged'",
	2, {TEXTOID, TEXTARRAYOID}
};

/* A field of a row: its place, -1 if it is null or there is none. */
static int
filled(const LhSourceRow *row, const char *field)
{
	int			i = row->row == NULL ? -1 : lh_fieldset_find(row->row->set, field);

	return i < 0 || row->row->isnull[i] ? -1 : i;
}

static bool
same_fields(const LhContract *contract, const LhFields *row, Jsonb *doc)
{
	LhFields   *stored = lh_fields_create(contract->lead_set);

	lh_fields_from_jsonb(stored, doc, 0, contract->nmapped);
	for (int i = 0; i < contract->nmapped; i++)
		if (row->isnull[i] != stored->isnull[i] ||
			(!row->isnull[i] && !lh_type_equal(contract->lead_set->fields[i].type, row->values[i],
											   stored->values[i])))
			return false;
	return true;
}

static void
compare_leads(const LhSource *source, char **keys, const LhSourceRow *rows, int n, LhDiffering *found)
{
	char	  **lead_keys = palloc_array(char *, n + 1);
	Datum		values[2] = {CStringGetTextDatum(source->name)};
	uint64		nstored;

	for (int i = 0; i < n; i++)
		lead_keys[i] = lh_prefixed(source, keys[i]);
	values[1] = lh_text_array(lead_keys, n);
	nstored = lh_run(&stored_leads, values, NULL);
	for (uint64 i = 0; i < nstored; i++)
	{
		int			k = lh_get_bigint(i, 1, 0) - 1;
		TimestampTz version = lh_get_time(i, 5, DT_NOBEGIN);

		CHECK_FOR_INTERRUPTS();
		if (lh_get_bool(i, 7))
			continue;			/* merged: its row says nothing any more */
		if (!rows[k].present)
		{
			/* a lead that is gone already, but not known as merged */
			if (filled(&rows[k], "merged_into") >= 0 && (!lh_get_bool(i, 2) || lh_get_bool(i, 4)))
				add_key(found, keys[k]);
			continue;
		}
		if (!lh_get_bool(i, 2) || !lh_get_bool(i, 3))
			add_key(found, keys[k]);
		else if (rows[k].version != DT_NOBEGIN && rows[k].version < version)
			continue;
		else if (lh_get_bool(i, 4) || rows[k].version != version ||
				 !same_fields(source->contract, rows[k].row, lh_get_jsonb(i, 6)))
			add_key(found, keys[k]);
	}
}

/* Whatever is kept as it comes ----------------------------------------------------------------- */

static LhStatement differing_activities = {
	"select u.key from unnest($1, $2, $3, $4, $5) as u(source, key, lead_key, at, fields) "
	"left join handoff.alias s on s.alias_key = u.lead_key where not exists ("
	"select from handoff.activity a where a.source = u.source and a.activity_key = u.key "
	"and a.lead_key = coalesce(s.lead_key, u.lead_key) and a.at = u.at and a.fields = u.fields) "
	"or exists (select from handoff.activity a where a.source = u.source and a.activity_key = u.key "
	"and a.lead_key <> coalesce(s.lead_key, u.lead_key))",
	5, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, JSONBARRAYOID}
};

static LhStatement differing_links = {
	"select u.key from unnest($1, $2, $3, $4) as u(source, key, lead_key, opportunity_key) "
	"left join handoff.alias s on s.alias_key = u.lead_key where not exists ("
	"select from handoff.opportunity_link k where k.source = u.source and k.link_key = u.key "
	"and k.lead_key = coalesce(s.lead_key, u.lead_key) and k.opportunity_key = u.opportunity_key) "
	"or exists (select from handoff.opportunity_link k where k.source = u.source and k.link_key = u.key "
	"and k.lead_key <> coalesce(s.lead_key, u.lead_key))",
	4, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

/* Times that the row doesn't tell were filled in when it was taken. */
static LhStatement differing_opportunities = {
	"select u.key from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) as u(key, opportunity_key, account_key, owner, "
	"created_at, closed_at, amount, currency, amount_reporting, is_won, is_closed, version) where not exists ("
	"select from handoff.opportunity o where o.opportunity_key = u.opportunity_key and (o.version > u.version or "
	"o.deleted_at is null and (o.account_key, o.owner, o.amount, o.currency, o.amount_reporting, o.version) "
	"is not distinct from (u.account_key, u.owner, u.amount, u.currency, u.amount_reporting, u.version) "
	"and o.is_won = coalesce(u.is_won, false) and o.is_closed = (coalesce(u.is_won, false) or coalesce(u.is_closed, false)) "
	"and (u.created_at is null or u.created_at = o.created_at) and (u.closed_at is null or u.closed_at = o.closed_at)))",
	12,
	{
		TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID,
		NUMERICARRAYOID, TEXTARRAYOID, NUMERICARRAYOID, BOOLARRAYOID, BOOLARRAYOID, TIMESTAMPTZARRAYOID
	}
};

static LhStatement differing_accounts = {
	"select u.key from unnest($1, $2, $3, $4) as u(key, account_key, fields, version) where not exists ("
	"select from handoff.account a where a.account_key = u.account_key and (a.version > u.version or "
	"a.deleted_at is null and a.fields = u.fields and a.version is not distinct from u.version))",
	4, {TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID, TIMESTAMPTZARRAYOID}
};

static LhStatement differing_users = {
	"select u.raw_key from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
	"as u(crm_id, name, email, zone, active, manager, chat_id, human, version, raw_key) where not exists ("
	"select from handoff.crm_user c where c.crm_id = u.crm_id and (c.version > u.version or c.deleted_at is null "
	"and (c.name, c.email, c.zone, c.active, c.manager, c.chat_id, c.human, c.version) is not distinct from "
	"(u.name, u.email, u.zone, u.active, u.manager, u.chat_id, u.human, u.version)))",
	LH_USER_COLUMNS + 1,
	{
		TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, BOOLARRAYOID, TEXTARRAYOID, TEXTARRAYOID, BOOLARRAYOID,
		TIMESTAMPTZARRAYOID, TEXTARRAYOID
	}
};

/* The key that a field names, with the source's prefix; false: none. */
static bool
named_key(const LhSource *source, const LhSourceRow *row, const char *field, Datum *key)
{
	int			i = filled(row, field);

	if (i < 0)
		return false;
	*key = CStringGetTextDatum(lh_prefixed(source, TextDatumGetCString(row->row->values[i])));
	return true;
}

static bool
add_activity(const LhSource *source, char *key, const LhSourceRow *row, LhRows *rows)
{
	Datum		values[5] = {CStringGetTextDatum(source->name), CStringGetTextDatum(key)};
	int			at = filled(row, "at");

	if (!row->present || at < 0 || TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(row->row->values[at])) ||
		!named_key(source, row, "lead_key", &values[2]))
		return false;
	values[3] = row->row->values[at];
	values[4] = PointerGetDatum(lh_fields_to_jsonb(row->row, LH_ACTIVITY_FIELDS_FIRST, row->row->set->nfields));
	lh_rows_add(rows, values, NULL);
	return true;
}

static bool
add_link(const LhSource *source, char *key, const LhSourceRow *row, LhRows *rows)
{
	Datum		values[4] = {CStringGetTextDatum(source->name), CStringGetTextDatum(key)};

	if (!row->present || !named_key(source, row, "lead_key", &values[2]) ||
		!named_key(source, row, "opportunity_key", &values[3]))
		return false;
	lh_rows_add(rows, values, NULL);
	return true;
}

static bool
add_opportunity(const LhSource *source, char *key, const LhSourceRow *row, LhRows *rows)
{
	static const char *const fields[] = {
		"account_key", "owner", "created_at", "closed_at", "amount", "currency", "amount_reporting", "is_won", "is_closed"
	};
	Datum		values[12] = {CStringGetTextDatum(key),
	CStringGetTextDatum(lh_prefixed(source, key))};
	bool		isnull[12] = {false};

	if (!row->present)
		return false;
	for (int i = 0; i < lengthof(fields); i++)
	{
		int			field = filled(row, fields[i]);

		isnull[i + 2] = field < 0;
		values[i + 2] = field < 0 ? (Datum) 0 : row->row->values[field];
	}
	isnull[2] = !named_key(source, row, "account_key", &values[2]);
	values[11] = TimestampTzGetDatum(row->version);
	isnull[11] = row->version == DT_NOBEGIN;
	lh_rows_add(rows, values, isnull);
	return true;
}

static bool
add_account(const LhSource *source, char *key, const LhSourceRow *row, LhRows *rows)
{
	Datum		values[4] = {CStringGetTextDatum(key),
	CStringGetTextDatum(lh_prefixed(source, key))};
	bool		isnull[4] = {false, false, false, row->version == DT_NOBEGIN};

	if (!row->present)
		return false;
	values[2] = PointerGetDatum(lh_fields_to_jsonb(row->row, 0, row->row->set->nfields));
	values[3] = TimestampTzGetDatum(row->version);
	lh_rows_add(rows, values, isnull);
	return true;
}

static bool
add_user(const LhSource *source, char *key, const LhSourceRow *row, LhRows *rows)
{
	Datum		values[LH_USER_COLUMNS + 1];
	bool		isnull[LH_USER_COLUMNS + 1];

	if (!row->present)
		return false;
	lh_user_values(source, key, row, values, isnull);
	values[LH_USER_COLUMNS] = CStringGetTextDatum(key);
	isnull[LH_USER_COLUMNS] = false;
	lh_rows_add(rows, values, isnull);
	return true;
}

/* By kind ------------------------------------------------------------------------------------ */

typedef struct Comparison
{
	const char *kind;
	LhStatement *statement;
	bool		(*add) (const LhSource *source, char *key, const LhSourceRow *row, LhRows *rows);
} Comparison;

static const Comparison comparisons[] = {
	{"activity", &differing_activities, add_activity},
	{"link", &differing_links, add_link},
	{"opportunity", &differing_opportunities, add_opportunity},
	{"account", &differing_accounts, add_account},
	{"rep", &differing_users, add_user}
};

/* Compare by a statement; rows that say too little to be kept are left to the caller. */
static void
compare_rows(const Comparison *comparison, const LhSource *source, char **keys, const LhSourceRow *rows,
			 int n, bool *kept, LhDiffering *found)
{
	LhRows		batch;

	lh_rows_begin(&batch, comparison->statement);
	for (int i = 0; i < n; i++)
		kept[i] = comparison->add(source, keys[i], &rows[i], &batch);
	add_answer(found, lh_rows_flush(&batch));
}

/* Compare the rows that are there; which of them would be kept. */
static void
compare_present(const LhSource *source, char **keys, const LhSourceRow *rows, int n, bool *kept,
				LhDiffering *found)
{
	for (int i = 0; i < lengthof(comparisons); i++)
		if (lh_source_is(source, comparisons[i].kind))
		{
			compare_rows(&comparisons[i], source, keys, rows, n, kept, found);
			return;
		}
	for (int i = 0; i < n; i++)
		kept[i] = rows[i].present;
	if (lh_source_is(source, "lead"))
		compare_leads(source, keys, rows, n, found);
	else
		for (int i = 0; i < n; i++)
			if (kept[i])
				add_key(found, keys[i]);
}

/* Without rows of somebody who was forgotten, which the drain leaves out: what they name is none of their lead's. */
static int
set_aside_forgotten(const LhSource *source, char **keys, LhSourceRow *rows, int n, LhDiffering *found)
{
	bool	   *forgotten = palloc_array(bool, n + 1);
	char	  **aside = palloc_array(char *, n + 1);
	int			naside = 0;
	int			kept = 0;

	if (lh_which_rows_are_forgotten(source, keys, rows, n, forgotten) == 0)
		return n;
	for (int i = 0; i < n; i++)
	{
		if (forgotten[i])
		{
			aside[naside++] = keys[i];
			continue;
		}
		keys[kept] = keys[i];
		rows[kept++] = rows[i];
	}
	/* a lead that comes to be he stays as it was; an activity that comes to be his is nobody's */
	if (!lh_source_is(source, "lead"))
		add_known(source, aside, naside, found);
	return kept;
}

static void
compare(LhSource *source, char *const *all_keys, int n, LhDiffering *found)
{
	char	  **keys = memcpy(palloc_array(char *, n), all_keys, sizeof(char *) * n);
	LhSourceRow *rows = lh_source_read(source, keys, n);
	bool	   *kept = palloc0_array(bool, n);
	char	  **there = palloc_array(char *, n);
	char	  **others = palloc_array(char *, n);
	int			nthere = 0;
	int			nothers = 0;
	int			before;

	if (found->only_gone)
		for (int i = 0; i < n; i++)
			kept[i] = rows[i].row != NULL;
	else
	{
		n = set_aside_forgotten(source, keys, rows, n, found);
		compare_present(source, keys, rows, n, kept, found);
		keep_older(source, keys, rows, n, kept);
	}
	for (int i = 0; i < n; i++)
		if (kept[i])
			there[nthere++] = keys[i];
		else
			others[nothers++] = keys[i];
	if (!found->only_gone)
		add_noted(source, there, nthere, found);
	before = found->n;
	add_known(source, others, nothers, found);
	found->ngone += found->n - before;
}

/* Errors ------------------------------------------------------------------------------------- */

typedef struct Attempt
{
	LhSource   *source;
	char	  **keys;
	int			n;
	LhDiffering *found;
} Attempt;

static void
attempt(void *arg)
{
	Attempt    *this = arg;

	compare(this->source, this->keys, this->n, this->found);
}

static LhStatement in_quarantine = {
	"select from handoff.quarantine where source = $1 and raw_key = $2", 2, {TEXTOID, TEXTOID}
};

void
lh_find_differing(LhSource *source, char **keys, int n, LhDiffering *found)
{
	Attempt		this = {source, keys, n, found};
	LhDiffering before = *found;
	ErrorData  *error = n == 0 ? NULL : lh_attempt(attempt, &this);

	CHECK_FOR_INTERRUPTS();
	if (error == NULL)
		return;
	*found = before;
	if (lh_is_transient(error->sqlerrcode))
		ReThrowError(error);
	if (n > 1)
	{
		lh_find_differing(source, keys, n / 2, found);
		lh_find_differing(source, keys + n / 2, n - n / 2, found);
	}
	else
	{
		Datum		values[2] = {CStringGetTextDatum(source->name), CStringGetTextDatum(keys[0])};

		/* it is there, at least */
		if (!found->only_gone && lh_run(&in_quarantine, values, NULL) == 0)
			add_key(found, keys[0]);
	}
	FreeErrorData(error);
}
