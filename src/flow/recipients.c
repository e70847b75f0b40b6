/*
 * src/flow/recipients.c
 *
 * What steps of escalation have to know besides the lead, looked up at once for those of a batch for which one
 * may be due (whom they tell, in which hours), whom a status of the CRM that is held is told, and up to when the sources of activities have told what was done.
 *
 * The sources.  A sync delivers what has happened, so what it delivered last says how far it has come: the
 * newest activity that had happened when it was taken in (a task that is planned for tomorrow says nothing).
 * The tables of one schema are taken to come by one sync, of which any may speak.  What was captured and is
 * not decided yet counts as not told.
 */
#include "flow/batch.h"
#include "flow/escalate.h"

#include "catalog/pg_type.h"
#include "sql.h"
#include "time/calendar.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* A schema that has told nothing yet is not waited for. */
static LhStatement read_known_to = {
	"select least(min(k.known_to), (select i.at - interval '1 microsecond' from handoff.inbox i "
	" join handoff.source s on s.name = i.source and s.kind = 'activity' and coalesce(s.contract, $2) = $2 order by i.xid limit 1)) "
	"from (select max(a.at) as known_to from handoff.source s cross join lateral ("
	" select a.at from handoff.activity a where a.source = s.name and a.at <= $1 and a.taken_at >= a.at order by a.at desc limit 1) a"
	" where s.kind = 'activity' and coalesce(s.contract, $2) = $2 group by s.schema_name) k",
	2, {TIMESTAMPTZOID, TEXTOID}
};

static LhStatement read_pool_leads = {
	"select pool, lead_rep from handoff.pool where lead_rep is not null order by pool collate \"C\"", 0
};

static LhStatement read_recipients = {
	"select name, address, calendar from handoff.recipient order by name collate \"C\"", 0
};

/* What the recipient of a name stands for. */
typedef struct Named
{
	const char *name;
	const char *address;
	const char *calendar;
} Named;

typedef struct Lookup
{
	LhPeople	people;
	int			npool_leads;
	Named	   *pool_leads;		/* name: the pool, address: the rep */
	int			nnamed;
	Named	   *named;
	List	   *contracts;		/* of const LhContract * .. */
	List	   *known_to;		/* .. and of TimestampTz * */
} Lookup;

/*
 * May a step of the lead be due?  Not while there is other news of it: who has a new owner in the CRM, or a
 * meeting, is settled first, by owner.c.  tick() comes to its clocks after that.
 */
static bool
is_asked(const LhBatchLead *slot, TimestampTz now)
{
	const LhInput *input = &slot->input;
	ListCell   *lc;

	if (!slot->decide || slot->contract->escalation.n == 0 || input->row_read || input->action != NULL ||
		input->activity_at != DT_NOBEGIN)
		return false;
	foreach(lc, slot->lead.slas)
	{
		const LhSlaClock *clock = lfirst(lc);

		if (clock->stopped_at == LH_NOT_YET && clock->next_at <= now)
			return true;
	}
	return false;
}

static Named *
take_named(uint64 n, bool has_calendar)
{
	Named	   *named = palloc0_array(Named, n + 1);

	for (uint64 i = 0; i < n; i++)
	{
		named[i].name = lh_get_text(i, 1);
		named[i].address = lh_get_text(i, 2);
		named[i].calendar = has_calendar ? lh_get_text(i, 3) : NULL;
	}
	return named;
}

static void
read_all(Lookup *lookup, TimestampTz now)
{
	lh_people_read(&lookup->people, now);
	lookup->npool_leads = lh_run(&read_pool_leads, NULL, NULL);
	lookup->pool_leads = take_named(lookup->npool_leads, false);
	lookup->nnamed = lh_run(&read_recipients, NULL, NULL);
	lookup->named = take_named(lookup->nnamed, true);
}

/* NULL: there is none of that name. */
static const Named *
find_named(const Named *named, int n, const char *name)
{
	for (int i = 0; name != NULL && i < n; i++)
		if (strcmp(named[i].name, name) == 0)
			return &named[i];
	return NULL;
}

static TimestampTz
activities_known_to(Lookup *lookup, const LhContract *contract, TimestampTz now)
{
	TimestampTz *known_to;
	Datum		values[2] = {TimestampTzGetDatum(now), CStringGetTextDatum(contract->name)};
	ListCell   *lc;
	ListCell   *lk;

	forboth(lc, lookup->contracts, lk, lookup->known_to)
		if (lfirst(lc) == contract)
			return *(TimestampTz *) lfirst(lk);
	lh_run(&read_known_to, values, NULL);
	known_to = palloc_object(TimestampTz);
	*known_to = lh_get_time(0, 1, LH_NOT_YET);
	lookup->contracts = lappend(lookup->contracts, unconstify(LhContract *, contract));
	lookup->known_to = lappend(lookup->known_to, known_to);
	return *known_to;
}

/* When a rep works, or an address that is nobody's: by the calendar given (NULL: any time). */
static LhCalendar *
hours_of(Lookup *lookup, const char *to, const char *calendar)
{
	const LhRep *rep = lh_people_rep(&lookup->people, to);

	if (rep != NULL)
		return lh_people_hours(&lookup->people, rep, calendar);
	return calendar == NULL ? NULL : lh_calendar_named(calendar);
}

static void
add(Lookup *lookup, LhRecipient *recipient, const char *name, const char *to, const char *calendar)
{
	recipient->name = name;
	recipient->to = to;
	recipient->hours = hours_of(lookup, to, calendar);
}

static bool
is_known(const LhRecipient *recipients, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(recipients[i].name, name) == 0)
			return true;
	return false;
}

/* All that the steps of its contract may tell, for a lead. */
static int
find_recipients(Lookup *lookup, const LhBatchLead *slot, LhRecipient **recipients)
{
	const LhContract *contract = slot->contract;
	const LhLeadHandoff *open = lh_open_handoff(&slot->lead);
	const char *owner = open == NULL ? NULL : open->h.rep;
	const LhRep *rep = lh_people_rep(&lookup->people, owner);
	const LhCrew *crew = open == NULL ? NULL : lh_people_crew(&lookup->people, open->h.pool);
	const Named *pool_lead = open == NULL ? NULL : find_named(lookup->pool_leads, lookup->npool_leads, open->h.pool);
	const char *lead_rep = pool_lead == NULL ? NULL : pool_lead->address;
	const char *calendar = crew != NULL && crew->calendar != NULL ? crew->calendar : contract->calendar;
	int			n = 0;

	*recipients = palloc_array(LhRecipient, contract->escalation.n + 3);
	add(lookup, &(*recipients)[n++], LH_TO_OWNER, owner, calendar);
	add(lookup, &(*recipients)[n++], "manager", rep != NULL && rep->manager != NULL ? rep->manager : lead_rep,
		contract->calendar);
	add(lookup, &(*recipients)[n++], "pool_lead", lead_rep, calendar);
	for (int i = 0; i < contract->escalation.n; i++)
	{
		const char *name = contract->steps[i].recipient;
		const Named *named = find_named(lookup->named, lookup->nnamed, name);

		if (name == NULL || is_known(*recipients, n, name))
			continue;
		add(lookup, &(*recipients)[n++], name, named == NULL ? name : named->address,
			named != NULL && named->calendar != NULL ? named->calendar : contract->calendar);
	}
	return n;
}

static LhStatement read_named = {
	"select a.lead_key, a.at from handoff.assignment a where a.lead_key = any($1) and a.ended_at is null "
	"and a.reason not in ('handoff', 'reroute', 'silence', 'fallback') order by a.lead_key collate \"C\"",
	1, {TEXTARRAYOID}
};

/* When somebody gave leads to those who have them. */
static void
find_named_owners(LhBatch *batch, char *const *keys, int n)
{
	Datum		value = lh_text_array(keys, n);

	n = lh_run(&read_named, &value, NULL);
	for (int i = 0; i < n; i++)
		lh_batch_lead(batch, lh_get_text(i, 1))->input.owner_named_at = lh_get_time(i, 2, DT_NOBEGIN);
}

void
lh_batch_recipients(LhBatch *batch)
{
	Lookup		lookup = {0};
	char	  **keys = palloc_array(char *, batch->nleads + 1);
	int			n = 0;

	for (int i = 0; i < batch->nleads; i++)
		if (is_asked(&batch->leads[i], batch->now))
			keys[n++] = batch->leads[i].lead_key;
	if (n == 0)
		return;
	read_all(&lookup, batch->now);
	for (int i = 0; i < n; i++)
	{
		LhBatchLead *slot = lh_batch_lead(batch, keys[i]);
		LhRecipient *recipients;

		slot->input.recipients_read = true;
		slot->input.nrecipients = find_recipients(&lookup, slot, &recipients);
		slot->input.recipients = recipients;
		slot->input.activities_known_to = activities_known_to(&lookup, slot->contract, batch->now);
		slot->input.owner_named_at = DT_NOBEGIN;
	}
	find_named_owners(batch, keys, n);
}

/* The CRM's status ---------------------------------------------------------------------------- */

static LhStatement read_managers = {
	"select u.lead_key, coalesce(r.manager, p.lead_rep) from unnest($1, $2, $3) as u(lead_key, rep, pool) "
	"left join handoff.rep r on r.rep = u.rep left join handoff.pool p on p.pool = u.pool",
	3, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

static bool
holds_statuses(const LhContract *contract)
{
	for (int i = 0; i < contract->ndispositions; i++)
		if (strcmp(contract->dispositions[i].on_violation, "hold") == 0)
			return true;
	return false;
}

void
lh_batch_managers(LhBatch *batch)
{
	LhRows		owners;
	uint64		n;

	lh_rows_begin(&owners, &read_managers);
	for (int i = 0; i < batch->nleads; i++)
	{
		LhBatchLead *slot = &batch->leads[i];
		const LhLeadHandoff *open = lh_open_handoff(&slot->lead);
		LhRow		row = {0};

		if (!slot->decide || slot->input.crm_status == NULL || open == NULL || !holds_statuses(slot->contract))
			continue;
		lh_put_text(&row, slot->lead_key);
		lh_put_text(&row, open->h.rep);
		lh_put_text(&row, open->h.pool);
		lh_rows_put(&owners, &row);
	}
	n = lh_rows_flush(&owners);
	for (uint64 i = 0; i < n; i++)
		lh_batch_lead(batch, lh_get_text(i, 1))->input.manager = lh_get_text(i, 2);
}
