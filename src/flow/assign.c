/*
 * src/flow/assign.c
 *
 * Who gets the handoffs that seek an owner.
 *
 * A handoff may have its owner named already: who gets it back, whom somebody has chosen, whom the CRM
 * has made the owner, the host of a booked meeting.  Any other follows the contract's routes (follow.c).
 *
 * Picks of one group of pools (pools that share reps) go through one lock at a time, see people.c.  Leads
 * of a busy pool wait for the next tick and keep their place: best band first, then by the time of what
 * qualified them.  Pools, reps, turns and loads are read after the locks, in new statements; assignments
 * that end in this batch have been ended before.
 */
#include "flow/assign.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Reading ------------------------------------------------------------------------------------ */

/* Look up in the maps of territories what the seekers' routes ask for, all at once. */
static void
read_territories(LhAssign *assign)
{
	ListCell   *lc;

	foreach(lc, assign->seekers)
	{
		const LhSeeker *seeker = lfirst(lc);
		const LhContract *contract = seeker->slot->contract;

		if (contract->nterritory_routes == 0)
			continue;
		lh_set_zone(contract->zone);
		lh_territories_ask_routes(&assign->territories, contract,
								  lh_contract_leg(contract, seeker->handoff->h.leg), seeker->slot->lead.row);
	}
	lh_territories_read(&assign->territories, assign->people.now);
}

void
lh_assign_read(LhAssign *assign, TimestampTz now)
{
	lh_people_read(&assign->people, now);
	read_territories(assign);
}

/* Locking ------------------------------------------------------------------------------------ */

static void
want_pool(const LhAssign *assign, const char *name, bool *wanted)
{
	const LhCrew *crew = lh_people_crew(&assign->people, name);

	if (crew != NULL)
		lh_people_mark_group(&assign->people, crew, wanted);
}

/*
 * Pools that the seekers' routes may pick from, and all that share reps with them.  Routes whose criteria don't
 * hold are left out: leads of different pools, decided at the same moment, don't keep each other waiting.
 */
static bool *
wanted_pools(const LhAssign *assign)
{
	bool	   *wanted = palloc0_array(bool, assign->people.ncrews + 1);
	ListCell   *lc;

	foreach(lc, assign->seekers)
	{
		LhSeeker   *seeker = lfirst(lc);
		const LhContract *contract = seeker->slot->contract;

		lh_set_zone(contract->zone);
		lh_match_routes(seeker);
		for (int m = 0; m < seeker->nmatches; m++)
		{
			const LhRoute *route = &contract->routes[seeker->matches[m]];

			if (route->target_kind == LH_TO_POOL)
				want_pool(assign, route->target, wanted);
		}
	}
	for (int i = 0; i < assign->territories.n; i++)
		want_pool(assign, assign->territories.asked[i].pool, wanted);
	return wanted;
}

/* Turns -------------------------------------------------------------------------------------- */

/* What this batch has given before the turns were read counts too. */
LhPool *
lh_turns_of(LhAssign *assign, const LhCrew *crew, const LhSeeker *seeker)
{
	const char *band = seeker->handoff->h.band == NULL ? "" : seeker->handoff->h.band;
	LhPool	   *pool;
	ListCell   *lc;

	foreach(lc, assign->turns)
	{
		pool = lfirst(lc);
		if (strcmp(pool->pool, crew->pool) == 0 &&
			(pool->band[0] == '\0' || strcmp(pool->band, band) == 0))
			return pool;
	}
	pool = lh_pool_read(crew->pool, band, assign->people.now);
	lh_people_mark_absent(&assign->people, crew, seeker->slot->contract->calendar, pool);
	foreach(lc, assign->given)
	{
		const LhGiven *given = lfirst(lc);

		lh_pool_add_load(pool, given->rep, given->picked);
	}
	assign->turns = lappend(assign->turns, pool);
	return pool;
}

static LhStatement write_turns = {
	"insert into handoff.pool_turn (pool, band, v) select u.pool, u.band, u.v from unnest($1, $2, $3) as u(pool, band, v) "
	"on conflict (pool, band) do update set v = excluded.v",
	3, {TEXTARRAYOID, TEXTARRAYOID, FLOAT8ARRAYOID}
};

static LhStatement write_places = {
	"insert into handoff.pool_turn_member (pool, band, rep, start, present, last_at, picks) "
	"select u.pool, u.band, u.rep, u.start, u.present, u.last_at, u.picks "
	"from unnest($1, $2, $3, $4, $5, $6, $7) as u(pool, band, rep, start, present, last_at, picks) "
	"on conflict (pool, band, rep) do update set start = excluded.start, present = excluded.present, "
	"last_at = excluded.last_at, picks = excluded.picks",
	7, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, FLOAT8ARRAYOID, BOOLARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID}
};

static void
keep_turns(const LhPool *pool, LhRows *all_turns, LhRows *places)
{
	Datum		values[7] = {
		CStringGetTextDatum(pool->pool), CStringGetTextDatum(pool->band),
		Float8GetDatum(pool->turns.v)
	};

	lh_rows_add(all_turns, values, NULL);
	for (int i = 0; i < pool->turns.nmembers; i++)
	{
		const LhMember *member = &pool->turns.members[i];
		bool		isnull[7] = {false, false, false, false, false, member->last_at == DT_NOBEGIN, false};

		if (!member->known)
			continue;
		values[2] = CStringGetTextDatum(member->rep);
		values[3] = Float8GetDatum(member->start);
		values[4] = BoolGetDatum(member->present);
		values[5] = TimestampTzGetDatum(member->last_at);
		values[6] = Int64GetDatum(member->picks);
		lh_rows_add(places, values, isnull);
	}
}

static LhStatement delete_settled = {
	"delete from handoff.pool_turn_due where id = any($1::text[]::uuid[])", 1, {TEXTARRAYOID}
};

static void
write_all_turns(const LhAssign *assign)
{
	LhRows		all_turns;
	LhRows		places;
	char	  **settled;
	int			n = 0;
	ListCell   *lc;
	ListCell   *id;
	Datum		value;

	lh_rows_begin(&all_turns, &write_turns);
	lh_rows_begin(&places, &write_places);
	foreach(lc, assign->turns)
	{
		keep_turns(lfirst(lc), &all_turns, &places);
		n += list_length(((LhPool *) lfirst(lc))->settled);
	}
	lh_rows_flush(&all_turns);
	lh_rows_flush(&places);
	if (n == 0)
		return;
	settled = palloc_array(char *, n);
	n = 0;
	foreach(lc, assign->turns)
		foreach(id, ((LhPool *) lfirst(lc))->settled)
			settled[n++] = lfirst(id);
	value = lh_text_array(settled, n);
	lh_run(&delete_settled, &value, NULL);
}

static LhStatement write_dues = {
	"insert into handoff.pool_turn_due (pool, band, rep, turns) "
	"select p.pool, case when p.per_band then u.band else '' end, u.rep, u.turns "
	"from unnest($1, $2, $3, $4) as u(pool, band, rep, turns) join handoff.pool p on p.pool = u.pool",
	4, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT4ARRAYOID}
};

static void
write_all_dues(const LhAssign *assign)
{
	LhRows		dues;
	ListCell   *lc;

	lh_rows_begin(&dues, &write_dues);
	foreach(lc, assign->dues)
	{
		const LhTurnDue *due = lfirst(lc);
		Datum		values[4] = {
			CStringGetTextDatum(due->pool), CStringGetTextDatum(due->band), CStringGetTextDatum(due->rep),
			Int32GetDatum(due->turns)
		};

		lh_rows_add(&dues, values, NULL);
	}
	lh_rows_flush(&dues);
}

/* Giving ------------------------------------------------------------------------------------- */

static Jsonb *
passed_over(LhSeeker *seeker)
{
	LhJson		json;

	lh_json_begin(&json);
	lh_json_jsonb(&json, "routes", lh_json_end(&seeker->routes));
	lh_json_jsonb(&json, "reps", lh_json_end(&seeker->reps));
	if (seeker->slot->contract->nterritory_routes > 0)
		lh_json_jsonb(&json, "territories", lh_json_end(&seeker->territories));
	return lh_json_end(&json);
}

/*
 * Pools that count leads which a member gets past them: those that say so, and all if he hosts the lead's
 * meeting.
 */
static void
count_direct(LhAssign *assign, const LhSeeker *seeker, const LhChoice *choice)
{
	const char *rep = choice->rep->rep;

	for (int i = 0; i < assign->people.ncrews; i++)
	{
		const LhCrew *crew = &assign->people.crews[i];
		bool		counts = crew->counts_direct || choice->hosts;

		for (int m = 0; counts && m < crew->nreps; m++)
		{
			LhTurnDue  *due;

			if (strcmp(crew->reps[m], rep) != 0)
				continue;
			due = palloc_object(LhTurnDue);
			due->pool = crew->pool;
			due->band = seeker->handoff->h.band == NULL ? "" : seeker->handoff->h.band;
			due->rep = rep;
			due->turns = -1;
			assign->dues = lappend(assign->dues, due);
		}
	}
}

/* By which his clocks count. */
static LhCalendar *
hours_of(LhAssign *assign, const LhSeeker *seeker, const LhChoice *choice)
{
	const LhCrew *crew = lh_people_crew(&assign->people, choice->pool);

	return lh_people_hours(&assign->people, choice->rep,
						   crew != NULL && crew->calendar != NULL ? crew->calendar : seeker->slot->contract->calendar);
}

static void
give(LhAssign *assign, LhSeeker *seeker, const LhChoice *choice)
{
	LhLeadHandoff *handoff = seeker->handoff;
	LhAssignment *assignment = palloc0_object(LhAssignment);
	LhGiven    *given = palloc_object(LhGiven);
	const char *crm_owner = lh_get_text_field(&seeker->slot->decision, "crm_owner");
	ListCell   *lc;

	assignment->n = handoff->h.assignments + 1;
	assignment->route = choice->route;
	assignment->pool = choice->pool;
	assignment->rep = choice->rep->rep;
	assignment->reason = strcmp(handoff->seek, "waiting") == 0 ? "handoff" : handoff->seek;
	assignment->at = seeker->slot->decision.now;
	assignment->passed_over = passed_over(seeker);
	assignment->hours = hours_of(assign, seeker, choice);
	assignment->known_to_crm = crm_owner != NULL && choice->rep->crm_id != NULL &&
		strcmp(crm_owner, choice->rep->crm_id) == 0;
	lh_assigned(&seeker->slot->decision, handoff, assignment);

	/* he has one more, wherever he is a member */
	given->rep = choice->rep->rep;
	given->picked = choice->pool != NULL;
	assign->given = lappend(assign->given, given);
	foreach(lc, assign->turns)
		lh_pool_add_load(lfirst(lc), given->rep, given->picked);
	if (!given->picked)
		count_direct(assign, seeker, choice);
}

/* One seeker --------------------------------------------------------------------------------- */

static LhStatement read_given_away = {
	"select rep from handoff.assignment where lead_key = $1 and handoff_no = $2 and end_reason in ('reroute', 'silence', 'fallback')",
	2, {TEXTOID, INT4OID}
};

/* Who has had it, and said that it isn't his or let it lie, is not asked again. */
static void
find_excluded(LhSeeker *seeker)
{
	const LhHandoff *h = &seeker->handoff->h;
	Datum		values[2] = {CStringGetTextDatum(seeker->slot->lead_key), Int32GetDatum((int32) h->handoff_no)};

	if (h->assignments == 0)
		return;
	seeker->excluded.n = lh_run(&read_given_away, values, NULL);
	seeker->excluded.values = palloc_array(char *, seeker->excluded.n + 1);
	for (int i = 0; i < seeker->excluded.n; i++)
		seeker->excluded.values[i] = lh_get_text(i, 1);
}

/*
 * Who is meant by the rep whom a handoff prefers; NULL: the routes find somebody.  Nobody has chosen him anew where
 * the lead only goes back to him (returned, reopened): while he is away that is his delegate.
 */
static LhRep *
preferred(const LhAssign *assign, LhSeeker *seeker)
{
	const LhLeadHandoff *handoff = seeker->handoff;
	bool		goes_back = strcmp(handoff->seek, "returned") == 0 || strcmp(handoff->seek, "reopened") == 0;
	LhRep	   *rep = lh_people_rep(&assign->people, handoff->prefer);

	if (goes_back && rep != NULL && rep->active && rep->away_until > assign->people.now)
	{
		lh_json_text(&seeker->reps, rep->rep, "away");
		rep = lh_people_rep(&assign->people, rep->delegate);
		if (rep != NULL && rep->away_until > assign->people.now)
			rep = NULL;
	}
	return rep != NULL && rep->active ? rep : NULL;
}

/* Whom somebody has named; the word for it stands in place of a route. */
static bool
is_named(const LhAssign *assign, LhSeeker *seeker, LhChoice *choice)
{
	const LhLeadHandoff *handoff = seeker->handoff;

	choice->pool = NULL;
	choice->hosts = strcmp(handoff->seek, "booked") == 0;
	choice->route = strcmp(handoff->seek, "handoff") == 0 ? "same_owner" : handoff->seek;
	choice->rep = preferred(assign, seeker);
	if (choice->rep != NULL)
		return true;
	if (strcmp(handoff->h.origin, "self_booked") != 0 || handoff->h.assignments > 0)
		return false;
	choice->hosts = true;
	choice->route = "booked_host";
	choice->rep = lh_people_crm(&assign->people, lh_get_text_field(&seeker->slot->decision, "crm_owner"));
	return choice->rep != NULL && choice->rep->active;
}

static void
find_owner(LhAssign *assign, LhSeeker *seeker)
{
	LhDecision *decision = &seeker->slot->decision;
	LhChoice	choice;

	lh_json_begin(&seeker->routes);
	lh_json_begin(&seeker->reps);
	if (seeker->slot->contract->nterritory_routes > 0)
		lh_json_begin(&seeker->territories);
	if (is_named(assign, seeker, &choice))
	{
		give(assign, seeker, &choice);
		return;
	}
	find_excluded(seeker);
	if (lh_follow_routes(assign, seeker, &choice))
	{
		give(assign, seeker, &choice);
		return;
	}
	lh_not_assigned(decision, seeker->handoff, seeker->reason, seeker->route, seeker->pool,
					passed_over(seeker));
	if (seeker->retry_at < decision->valid_until)
		lh_set_clock(decision, LH_CLOCK_REVIEW, "", seeker->retry_at);
}

/* The batch ---------------------------------------------------------------------------------- */

/* Bands are in order, best first; a version may have lost the one that it was handed over with. */
static int
band_order(const LhSeeker *seeker)
{
	const LhContract *contract = seeker->slot->contract;
	const char *band = seeker->handoff->h.band;

	for (int i = 0; band != NULL && i < contract->nbands; i++)
		if (strcmp(contract->bands[i].name, band) == 0)
			return i;
	return contract->nbands;
}

/* Best band first, then first come, first served: by the time of what qualified them, then by key. */
static int
compare_seekers(const ListCell *a, const ListCell *b)
{
	const LhSeeker *left = lfirst(a);
	const LhSeeker *right = lfirst(b);

	if (band_order(left) != band_order(right))
		return band_order(left) - band_order(right);
	if (left->handoff->h.trigger_at != right->handoff->h.trigger_at)
		return left->handoff->h.trigger_at < right->handoff->h.trigger_at ? -1 : 1;
	return strcmp(left->slot->lead_key, right->slot->lead_key);
}

static List *
find_seekers(LhBatch *batch)
{
	List	   *seekers = NIL;

	for (int i = 0; i < batch->nleads; i++)
	{
		LhBatchLead *slot = &batch->leads[i];
		LhLeadHandoff *open = slot->decide ? lh_open_handoff(&slot->lead) : NULL;
		LhSeeker   *seeker;

		if (open == NULL || open->seek == NULL)
			continue;
		seeker = palloc0_object(LhSeeker);
		seeker->slot = slot;
		seeker->handoff = open;
		seekers = lappend(seekers, seeker);
	}
	list_sort(seekers, compare_seekers);
	return seekers;
}

void
lh_batch_assign(LhBatch *batch)
{
	LhAssign	assign = {.batch = batch,.seekers = find_seekers(batch)};
	ListCell   *lc;

	if (assign.seekers == NIL)
		return;
	lh_people_read_pools(&assign.people, batch->now);
	read_territories(&assign);
	lh_people_lock(&assign.people, wanted_pools(&assign));
	foreach(lc, assign.seekers)
	{
		LhSeeker   *seeker = lfirst(lc);

		lh_set_zone(seeker->slot->contract->zone);
		find_owner(&assign, seeker);
	}
	write_all_turns(&assign);
	write_all_dues(&assign);
}
