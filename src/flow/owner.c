/*
 * src/flow/owner.c
 *
 * Who loses a handoff: because the CRM has another owner now, because the lead has booked a meeting with
 * somebody else, or because he has left.
 *
 * The CRM's owner is taken as he is, whatever routes and capacities say; a queue, an integration user or
 * anybody else who is no rep means that nobody has the lead.  Only a change counts: until our own
 * choice has been written back, the CRM goes on naming whom it named before.  And what was written back
 * returns as a change, perhaps after the lead has gone on to somebody else.  So of each assignment we
 * remember whether the CRM knows it; the first time that it names somebody who had the handoff by us and
 * whom it didn't know, that is the echo, and changes nothing.
 *
 * Who hosts the meeting that a lead has booked gets the lead, if that was after its owner got it: whoever
 * has named another owner since knew better.
 *
 * Of a rep who has left, what he has not touched is routed anew; what he has worked on goes to his
 * delegate, else to his manager.
 *
 * An assignment that ends is written before owners are sought: who has lost a lead in this batch has room
 * again.  Some endings give back the turn in the pool, up to the pool's limit a month.
 */
#include "flow/batch.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* The handoff that a change of owner is about, if this decision leaves it as it was; or NULL. */
static LhLeadHandoff *
settled_handoff(const LhBatchLead *slot)
{
	LhLeadHandoff *open = slot->decide ? lh_open_handoff(&slot->lead) : NULL;

	if (open == NULL || open->is_new || open->owner_gone)
		return NULL;
	return open->seek == NULL || strcmp(open->seek, "waiting") == 0 ? open : NULL;
}

static void
release(LhBatchLead *slot, LhLeadHandoff *open, const char *why, const char *prefer)
{
	LhRelease	release = {.why = why,.prefer = prefer,.actor = strcmp(why, "crm") == 0 ? "crm" : "contract"};

	lh_release(&slot->decision, open, &release);
}

/* The rep who takes leads at u.at and has that CRM id, or is that user of another CRM, or else what the condition says. */
#define REP_OF(crm_id, otherwise) \
	" select r.rep from handoff.rep r left join handoff.crm_user c " \
	"   on c.crm_id = " crm_id " and c.rep = r.rep and c.human and c.deleted_at is null" \
	" where (r.crm_id = " crm_id " or c.rep is not null or " otherwise ") and r.active and r.takes_leads" \
	"   and r.valid_from <= u.at and u.at < r.valid_to" \
	" order by r.crm_id is distinct from " crm_id ", c.rep nulls last limit 1"

/* The CRM's owner ---------------------------------------------------------------------------- */

/*
 * One row a lead whose owner has changed: the rep he is, by his own CRM id or as the user of another CRM, and
 * which assignment of his the CRM doesn't know yet.
 */
static LhStatement read_crm_owners = {
	"select u.lead_key, r.rep, a.n from unnest($1, $2, $3, $4) as u(lead_key, handoff_no, crm_owner, at) "
	"left join lateral (" REP_OF("u.crm_owner", "false") ") r on true "
	"left join lateral ("
	" select a.n from handoff.assignment a where a.lead_key = u.lead_key and a.handoff_no = u.handoff_no"
	"   and a.rep = r.rep and not a.known_to_crm order by a.n desc limit 1) a on true",
	4, {TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID}
};

static LhStatement mark_known = {
	"update handoff.assignment a set known_to_crm = true from unnest($1, $2, $3) as u(lead_key, handoff_no, n) "
	"where a.lead_key = u.lead_key and a.handoff_no = u.handoff_no and a.n <= u.n and not a.known_to_crm",
	3, {TEXTARRAYOID, INT4ARRAYOID, INT4ARRAYOID}
};

/* Row of the last answer: what the CRM says of one lead; echoes are noted, to be marked. */
static void
take_crm_owner(LhBatch *batch, uint64 row, LhRows *echoes)
{
	LhBatchLead *slot = lh_batch_lead(batch, lh_get_text(row, 1));
	LhLeadHandoff *open = settled_handoff(slot);
	char	   *rep = lh_get_text(row, 2);
	int			unknown_n = lh_get_int(row, 3, 0);
	Datum		values[3] = {
		CStringGetTextDatum(slot->lead_key), Int32GetDatum((int32) open->h.handoff_no), Int32GetDatum(unknown_n)
	};

	if (unknown_n > 0)
		lh_rows_add(echoes, values, NULL);
	else if (rep == NULL)
		release(slot, open, "crm", NULL);
	else if (open->h.rep == NULL || strcmp(open->h.rep, rep) != 0)
		release(slot, open, "crm", rep);
}

static void
take_crm_owners(LhBatch *batch)
{
	LhRows		changed;
	LhRows		echoes;
	uint64		n;

	lh_rows_begin(&changed, &read_crm_owners);
	lh_rows_begin(&echoes, &mark_known);
	for (int i = 0; i < batch->nleads; i++)
	{
		LhBatchLead *slot = &batch->leads[i];
		LhLeadHandoff *open = slot->decision.crm_owner_changed ? settled_handoff(slot) : NULL;
		char	   *crm_owner = open == NULL ? NULL : lh_get_text_field(&slot->decision, "crm_owner");
		Datum		values[4] = {
			CStringGetTextDatum(slot->lead_key), 0, lh_text_datum(crm_owner), TimestampTzGetDatum(batch->now)
		};
		bool		isnull[4] = {false, false, crm_owner == NULL, false};

		if (open == NULL)
			continue;
		values[1] = Int32GetDatum((int32) open->h.handoff_no);
		lh_rows_add(&changed, values, isnull);
	}
	n = lh_rows_flush(&changed);
	for (uint64 i = 0; i < n; i++)
		take_crm_owner(batch, i, &echoes);
	lh_rows_flush(&echoes);
}

/* The host of a meeting ---------------------------------------------------------------------- */

/* One row a lead that was booked after its owner, if it has one, got it: by whom, if he is a rep. */
static LhStatement read_hosts = {
	"select u.lead_key, r.rep from unnest($1, $2, $3, $4, $5) as u(lead_key, handoff_no, host, booked_at, at) "
	"cross join lateral (" REP_OF("u.host", "r.rep = u.host") ") r "
	"left join handoff.assignment a on a.lead_key = u.lead_key and a.handoff_no = u.handoff_no and a.ended_at is null "
	"where a.n is null or (a.at < u.booked_at and a.rep <> r.rep)",
	5, {TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID}
};

/* The newest booking of a meeting while a handoff was open that says who hosts it; NULL: none. */
static const LhActivity *
newest_booking(const LhBatchLead *slot, const LhHandoff *h)
{
	const LhInput *input = &slot->input;

	for (int i = input->nactivities - 1; i >= 0 && input->activities[i].at >= h->handed_at; i--)
	{
		const LhActivity *activity = &input->activities[i];
		int			rep = lh_fieldset_find(activity->row->set, "rep");

		if (activity->at <= slot->decision.now && !activity->row->isnull[rep] &&
			lh_activity_means(&slot->decision, activity, LH_MEANS_BOOKED))
			return activity;
	}
	return NULL;
}

static void
take_hosts(LhBatch *batch)
{
	LhRows		booked;
	uint64		n;

	lh_rows_begin(&booked, &read_hosts);
	for (int i = 0; i < batch->nleads; i++)
	{
		LhBatchLead *slot = &batch->leads[i];
		LhLeadHandoff *open = settled_handoff(slot);
		const LhActivity *booking = open == NULL || open->h.booked_at == LH_NOT_YET ? NULL :
			newest_booking(slot, &open->h);
		Datum		values[5];

		if (booking == NULL)
			continue;
		values[0] = CStringGetTextDatum(slot->lead_key);
		values[1] = Int32GetDatum((int32) open->h.handoff_no);
		values[2] = booking->row->values[lh_fieldset_find(booking->row->set, "rep")];
		values[3] = TimestampTzGetDatum(booking->at);
		values[4] = TimestampTzGetDatum(batch->now);
		lh_rows_add(&booked, values, NULL);
	}
	n = lh_rows_flush(&booked);
	for (uint64 i = 0; i < n; i++)
	{
		LhBatchLead *slot = lh_batch_lead(batch, lh_get_text(i, 1));

		release(slot, settled_handoff(slot), "booked", lh_get_text(i, 2));
	}
}

/* Who has left ------------------------------------------------------------------------------- */

static LhStatement read_left = {
	"select r.rep, case when a.rep is null then 'rep_left' else 'away' end, handoff.heir_of(r.rep, $2) from handoff.rep r "
	"left join lateral (select w.rep from handoff.rep_away w where w.rep = r.rep and w.reassign "
	"and w.away_from <= $2 and $2 < w.away_to limit 1) a on r.active "
	"where r.rep = any($1) and (a.rep is not null or not r.active or $2 < r.valid_from or $2 >= r.valid_to)",
	2, {TEXTARRAYOID, TIMESTAMPTZOID}
};

/* Has anybody of sales done anything about it? */
static bool
is_worked(const LhHandoff *h)
{
	return h->touches > 0 || h->accepted_at != LH_NOT_YET;
}

static void
take_from(LhBatch *batch, const char *rep, const char *why, const char *heir)
{
	for (int i = 0; i < batch->nleads; i++)
	{
		LhBatchLead *slot = &batch->leads[i];
		LhLeadHandoff *open = settled_handoff(slot);

		if (open != NULL && open->h.rep != NULL && strcmp(open->h.rep, rep) == 0)
			release(slot, open, why, is_worked(&open->h) ? heir : NULL);
	}
}

static void
take_from_those_who_left(LhBatch *batch)
{
	char	  **reps = palloc_array(char *, batch->nleads + 1);
	int			nreps = 0;
	Datum		values[2];
	uint64		n;

	for (int i = 0; i < batch->nleads; i++)
	{
		const LhLeadHandoff *open = settled_handoff(&batch->leads[i]);

		if (open != NULL && open->h.rep != NULL)
			reps[nreps++] = open->h.rep;
	}
	if (nreps == 0)
		return;
	nreps = lh_sort_unique(reps, nreps);
	values[0] = lh_text_array(reps, nreps);
	values[1] = TimestampTzGetDatum(batch->now);
	n = lh_run(&read_left, values, NULL);
	for (uint64 i = 0; i < n; i++)
		take_from(batch, lh_get_text(i, 1), lh_get_text(i, 2), lh_get_text(i, 3));
}

/* Assignments that go on ------------------------------------------------------------------------ */

/* What had ended them is taken back: with them the turn that was given back for it. */
static LhStatement resume_assignments = {
	"with resumed as ("
	"select a.lead_key, a.handoff_no, a.n, a.pool, a.rep, a.turn_returned, h.band from unnest($1, $2) as u(lead_key, handoff_no) "
	"join handoff.handoff h on h.lead_key = u.lead_key and h.handoff_no = u.handoff_no "
	"join handoff.assignment a on a.lead_key = u.lead_key and a.handoff_no = u.handoff_no and a.n = h.assignments), "
	"opened as ("
	"update handoff.assignment a set ended_at = null, end_reason = null, turn_returned = false from resumed r "
	"where a.lead_key = r.lead_key and a.handoff_no = r.handoff_no and a.n = r.n) "
	"insert into handoff.pool_turn_due (pool, band, rep, turns) "
	"select r.pool, case when p.per_band then coalesce(r.band, '') else '' end, r.rep, -1 "
	"from resumed r join handoff.pool p on p.pool = r.pool where r.turn_returned",
	2, {TEXTARRAYOID, INT4ARRAYOID}
};

static void
resume_all_assignments(LhBatch *batch)
{
	LhRows		resumed;

	lh_rows_begin(&resumed, &resume_assignments);
	for (int i = 0; i < batch->nleads; i++)
	{
		const LhBatchLead *slot = &batch->leads[i];
		const LhLeadHandoff *open = slot->decide ? lh_open_handoff(&slot->lead) : NULL;
		Datum		values[2] = {CStringGetTextDatum(slot->lead_key)};

		if (open == NULL || !open->owner_back)
			continue;
		values[1] = Int32GetDatum((int32) open->h.handoff_no);
		lh_rows_add(&resumed, values, NULL);
	}
	lh_rows_flush(&resumed);
}

/* Assignments that end ----------------------------------------------------------------------- */

static LhStatement end_assignments = {
	"update handoff.assignment a set ended_at = u.ended_at, end_reason = u.end_reason "
	"from unnest($1, $2, $3, $4) as u(lead_key, handoff_no, ended_at, end_reason) "
	"where a.lead_key = u.lead_key and a.handoff_no = u.handoff_no and a.ended_at is null",
	4, {TEXTARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID}
};

/* the last assignment of each, if a pool gave it and the rep has turns to get back this month */
static LhStatement return_turns = {
	"with ended as ("
	"select a.lead_key, a.handoff_no, a.n, a.pool, a.rep, p.max_returned, "
	"case when p.per_band then coalesce(h.band, '') else '' end as band, "
	"row_number() over (partition by a.pool, a.rep order by a.lead_key) + (select count(*) from handoff.assignment b "
	"where b.rep = a.rep and b.pool = a.pool and b.turn_returned and b.ended_at >= date_trunc('month', u.ended_at)) as nth "
	"from unnest($1, $2, $3) as u(lead_key, handoff_no, ended_at) "
	"join handoff.handoff h on h.lead_key = u.lead_key and h.handoff_no = u.handoff_no "
	"join handoff.assignment a on a.lead_key = u.lead_key and a.handoff_no = u.handoff_no and a.n = h.assignments "
	"join handoff.pool p on p.pool = a.pool where not a.turn_returned), "
	"returned as ("
	"update handoff.assignment a set turn_returned = true from ended e "
	"where a.lead_key = e.lead_key and a.handoff_no = e.handoff_no and a.n = e.n and e.nth <= e.max_returned "
	"returning e.pool, e.band, e.rep) "
	"insert into handoff.pool_turn_due (pool, band, rep, turns) select r.pool, r.band, r.rep, 1 from returned r",
	3, {TEXTARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID}
};

static void
end_assignment_of(const LhBatchLead *slot, const LhLeadHandoff *handoff, LhRows *ended, LhRows *returned)
{
	bool		goes_on = handoff->h.closed_at == LH_NOT_YET && handoff->seek != NULL;
	Datum		values[4] = {
		CStringGetTextDatum(slot->lead_key), Int32GetDatum((int32) handoff->h.handoff_no),
		TimestampTzGetDatum(slot->decision.now),
		CStringGetTextDatum(goes_on ? handoff->seek : "closed")
	};

	lh_rows_add(ended, values, NULL);
	if (handoff->returns_turn)
		lh_rows_add(returned, values, NULL);
}

static void
end_all_assignments(LhBatch *batch)
{
	LhRows		ended;
	LhRows		returned;

	lh_rows_begin(&ended, &end_assignments);
	lh_rows_begin(&returned, &return_turns);
	for (int i = 0; i < batch->nleads; i++)
	{
		const LhBatchLead *slot = &batch->leads[i];
		ListCell   *lc;

		foreach(lc, slot->decide ? slot->lead.handoffs : NIL)
			if (((LhLeadHandoff *) lfirst(lc))->owner_gone)
				end_assignment_of(slot, lfirst(lc), &ended, &returned);
	}
	lh_rows_flush(&ended);
	lh_rows_flush(&returned);
}

void
lh_batch_owners(LhBatch *batch)
{
	resume_all_assignments(batch);
	take_crm_owners(batch);
	take_hosts(batch);
	take_from_those_who_left(batch);
	end_all_assignments(batch);
}
