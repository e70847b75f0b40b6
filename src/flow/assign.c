/*
 * src/flow/assign.c
 *
 * Who gets the handoffs that seek an owner.
 *
 * The contract's routes name targets; the first that can take the lead does.  Only what is structural
 * lets a route be passed over (an inactive rep, an empty pool, nobody the CRM names); who is merely
 * full makes the lead wait, unless the route says "next".  Every route and rep passed over leaves a
 * coded reason with the assignment.
 *
 * Picks of one group of pools (pools that share reps) go through one lock at a time: the advisory
 * locks of all its pools, tried in order of name and never waited for.  Leads of a busy pool wait for
 * the next tick and keep their place by trigger time.  Pools, reps, turns and loads are read after the
 * locks, in new statements; assignments that end in this batch have been ended before.
 */
#include "flow/batch.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "json.h"
#include "route/territory.h"
#include "route/turns.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

/* Contracts of more routes keep with an assignment only those that matched. */
#define MOST_NO_MATCH	100

typedef struct Rep
{
	char	   *rep;
	char	   *crm_id;
	bool		active;
} Rep;

/* A pool as far as locking goes: which reps connect it with others. */
typedef struct Pool
{
	char	   *pool;
	bool		locked;
	int			nreps;
	char	  **reps;
} Pool;

typedef struct Assign
{
	LhBatch    *batch;
	int			nreps;
	Rep		   *reps;			/* by rep */
	int			npools;
	Pool	   *pools;			/* by pool */
	List	   *turns;			/* of LhPool *: pools picked from, one a band */
	List	   *given;			/* names of reps who got a lead in this batch */
	LhTerritories territories;	/* that the seekers' routes look up */
} Assign;

/* A handoff that seeks an owner, and what was found on the way. */
typedef struct Seeker
{
	LhBatchLead *slot;
	LhLeadHandoff *handoff;
	LhJson		routes;			/* passed over: name -> code */
	LhJson		reps;
	LhJson		territories;	/* name of a route to a map -> the row it found; if the contract has any */
	const char *last_reason;
	LhTexts		excluded;		/* reps who had it before and gave it away */
} Seeker;

/* Reading ------------------------------------------------------------------------------------ */

static LhStatement read_reps = {
	"select rep, crm_id, active and valid_from <= $1 and $1 < valid_to from handoff.rep where takes_leads order by rep collate \"C\"",
	1, {TIMESTAMPTZOID}
};

static LhStatement read_pools = {
	"select p.pool, array_agg(distinct m.rep) filter (where m.rep is not null) from handoff.pool p "
	"left join handoff.pool_member m on m.pool = p.pool group by p.pool order by p.pool collate \"C\"",
	0
};

static int
compare_first(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static Rep *
find_rep(const Assign *assign, const char *rep)
{
	return rep == NULL || assign->nreps == 0 ? NULL :
		bsearch(&rep, assign->reps, assign->nreps, sizeof(Rep), compare_first);
}

/* A person may be several users: of one CRM he has the id, the others are known by their rows. */
static LhStatement read_user = {
	"select rep from handoff.crm_user where crm_id = $1 and human and deleted_at is null and rep is not null",
	1, {TEXTOID}
};

static Rep *
rep_of_crm(const Assign *assign, const char *crm_id)
{
	Datum		value;

	if (crm_id == NULL)
		return NULL;
	for (int i = 0; i < assign->nreps; i++)
		if (assign->reps[i].crm_id != NULL && strcmp(assign->reps[i].crm_id, crm_id) == 0)
			return &assign->reps[i];
	value = CStringGetTextDatum(crm_id);
	return lh_run(&read_user, &value, NULL) == 0 ? NULL : find_rep(assign, lh_get_text(0, 1));
}

static Pool *
find_pool(const Assign *assign, const char *pool)
{
	return assign->npools == 0 ? NULL :
		bsearch(&pool, assign->pools, assign->npools, sizeof(Pool), compare_first);
}

static void
read_people(Assign *assign)
{
	Datum		now = TimestampTzGetDatum(assign->batch->now);

	assign->nreps = lh_run(&read_reps, &now, NULL);
	assign->reps = palloc0_array(Rep, assign->nreps + 1);
	for (int i = 0; i < assign->nreps; i++)
	{
		assign->reps[i].rep = lh_get_text(i, 1);
		assign->reps[i].crm_id = lh_get_text(i, 2);
		assign->reps[i].active = lh_get_bool(i, 3);
	}

	assign->npools = lh_run(&read_pools, NULL, NULL);
	assign->pools = palloc0_array(Pool, assign->npools + 1);
	for (int i = 0; i < assign->npools; i++)
	{
		assign->pools[i].pool = lh_get_text(i, 1);
		assign->pools[i].nreps = lh_get_texts(i, 2, &assign->pools[i].reps);
	}
}

/* Look up in the maps of territories what the seekers' routes ask for, all at once. */
static void
read_territories(Assign *assign, const List *seekers)
{
	ListCell   *lc;

	foreach(lc, seekers)
	{
		const Seeker *seeker = lfirst(lc);
		const LhContract *contract = seeker->slot->contract;

		if (contract->nterritory_routes == 0)
			continue;
		lh_set_zone(contract->zone);
		lh_territories_ask_routes(&assign->territories, contract, lh_contract_leg(contract, seeker->handoff->h.leg),
								  seeker->slot->lead.row);
	}
	lh_territories_read(&assign->territories, assign->batch->now);
}

/* Locking ------------------------------------------------------------------------------------ */

static bool
share_a_rep(const Pool *a, const Pool *b)
{
	for (int i = 0; i < a->nreps; i++)
		for (int j = 0; j < b->nreps; j++)
			if (strcmp(a->reps[i], b->reps[j]) == 0)
				return true;
	return false;
}

/* Mark every pool of the group that pool belongs to. */
static void
mark_group(const Assign *assign, int pool, bool *marked)
{
	marked[pool] = true;
	for (int i = 0; i < assign->npools; i++)
		if (!marked[i] && share_a_rep(&assign->pools[pool], &assign->pools[i]))
			mark_group(assign, i, marked);
}

static void
want_pool(const Assign *assign, const char *name, bool *wanted)
{
	Pool	   *pool = name == NULL ? NULL : find_pool(assign, name);

	if (pool != NULL && !wanted[pool - assign->pools])
		mark_group(assign, pool - assign->pools, wanted);
}

/* Pools that a route of the seekers' legs may pick from, and all that share reps with them. */
static bool *
wanted_pools(const Assign *assign, const List *seekers)
{
	bool	   *wanted = palloc0_array(bool, assign->npools + 1);
	const LhContract *contract = NULL;
	int			leg = -1;
	ListCell   *lc;

	foreach(lc, seekers)
	{
		const Seeker *seeker = lfirst(lc);
		int			its_leg = lh_contract_leg(seeker->slot->contract, seeker->handoff->h.leg);

		if (seeker->slot->contract == contract && its_leg == leg)
			continue;			/* as the one before */
		contract = seeker->slot->contract;
		leg = its_leg;
		for (int i = 0; i < contract->route.n; i++)
			if (contract->routes[i].leg == leg && contract->routes[i].target_kind == LH_TO_POOL)
				want_pool(assign, contract->routes[i].target, wanted);
	}
	for (int i = 0; i < assign->territories.n; i++)
		want_pool(assign, assign->territories.asked[i].pool, wanted);
	return wanted;
}

/* A group of which one pool is not ours is busy as a whole. */
static void
give_up_open_groups(Assign *assign)
{
	for (int i = 0; i < assign->npools; i++)
	{
		bool	   *group;

		if (assign->pools[i].locked)
			continue;
		group = palloc0_array(bool, assign->npools);
		mark_group(assign, i, group);
		for (int j = 0; j < assign->npools; j++)
			if (group[j])
				assign->pools[j].locked = false;
	}
}

/*
 * Lock the pools and read them again: membership may have changed before the locks were ours, and
 * brought in a pool that is not.
 */
static void
lock_pools(Assign *assign, const bool *wanted)
{
	char	  **locked = palloc_array(char *, assign->npools + 1);
	int			nlocked = 0;

	for (int i = 0; i < assign->npools; i++)
		if (wanted[i] && lh_pool_lock(assign->pools[i].pool, false))
			locked[nlocked++] = assign->pools[i].pool;
	read_people(assign);
	for (int i = 0; i < nlocked; i++)
	{
		Pool	   *pool = find_pool(assign, locked[i]);

		if (pool != NULL)
			pool->locked = true;
	}
	give_up_open_groups(assign);
}

/* Turns -------------------------------------------------------------------------------------- */

static void
add_load(LhPool *pool, const char *rep)
{
	for (int i = 0; i < pool->turns.nmembers; i++)
		if (strcmp(pool->turns.members[i].rep, rep) == 0)
			lh_pool_add_load(pool, i);
}

/* The turns of a locked pool, read once; what this batch has given since counts too. */
static LhPool *
turns_of(Assign *assign, const Pool *pool, const char *band)
{
	LhPool	   *turns;
	ListCell   *lc;

	foreach(lc, assign->turns)
	{
		turns = lfirst(lc);
		if (strcmp(turns->pool, pool->pool) == 0 &&
			(turns->band[0] == '\0' || strcmp(turns->band, band) == 0))
			return turns;
	}
	turns = lh_pool_read(pool->pool, band, assign->batch->now);
	foreach(lc, assign->given)
		add_load(turns, lfirst(lc));
	assign->turns = lappend(assign->turns, turns);
	return turns;
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

static void
write_all_turns(const Assign *assign)
{
	LhRows		all_turns;
	LhRows		places;
	ListCell   *lc;

	lh_rows_begin(&all_turns, &write_turns);
	lh_rows_begin(&places, &write_places);
	foreach(lc, assign->turns)
		keep_turns(lfirst(lc), &all_turns, &places);
	lh_rows_flush(&all_turns);
	lh_rows_flush(&places);
}

/* One seeker --------------------------------------------------------------------------------- */

static bool
is_excluded(const Seeker *seeker, const char *rep)
{
	for (int i = 0; i < seeker->excluded.n; i++)
		if (strcmp(seeker->excluded.values[i], rep) == 0)
			return true;
	return false;
}

static void
pass_over(Seeker *seeker, const char *route, const char *reason)
{
	lh_json_text(&seeker->routes, route, reason);
	seeker->last_reason = reason;
}

/* Routes of the leg from one position up to another whose criteria don't hold; in contracts of few. */
static void
note_no_match(Seeker *seeker, int from, int to)
{
	const LhContract *contract = seeker->slot->contract;
	int			leg = lh_contract_leg(contract, seeker->handoff->h.leg);

	if (contract->route.n > MOST_NO_MATCH)
		return;
	for (int i = from; i < to; i++)
		if (contract->routes[i].leg == leg)
			lh_json_text(&seeker->routes, contract->routes[i].name, "no_match");
}

/* Structural reasons against one named rep; NULL: none. */
static const char *
why_not_rep(const Seeker *seeker, const Rep *rep)
{
	if (rep == NULL)
		return "account_unowned";
	if (!rep->active)
		return "rep_inactive";
	if (is_excluded(seeker, rep->rep))
		return "excluded";
	return NULL;
}

static Rep *
named_rep(const Assign *assign, const Seeker *seeker, const LhRoute *route)
{
	const LhLead *lead = &seeker->slot->lead;
	LhLeadHandoff *before = NULL;
	ListCell   *lc;

	switch (route->target_kind)
	{
		case LH_TO_REP:
			return find_rep(assign, route->target);
		case LH_TO_CRM_OWNER:
		case LH_TO_BOOKED_HOST:
			return rep_of_crm(assign, lh_get_text_field(&seeker->slot->decision, "crm_owner"));
		case LH_TO_PREVIOUS_OWNER:
			foreach(lc, lead->handoffs)
			{
				LhLeadHandoff *handoff = lfirst(lc);

				if (handoff != seeker->handoff && handoff->h.rep != NULL &&
					strcmp(handoff->h.leg, seeker->handoff->h.leg) == 0)
					before = handoff;
			}
			return before == NULL ? NULL : find_rep(assign, before->h.rep);
		default:
			return NULL;
	}
}

/* Pick from a pool; NULL and a reason if nobody can be. */
static Rep *
pick_from(Assign *assign, Seeker *seeker, const Pool *pool, const char **reason)
{
	LhPool	   *turns = turns_of(assign, pool, seeker->handoff->h.band == NULL ? "" : seeker->handoff->h.band);
	int			nmembers = turns->turns.nmembers;
	const char **unavailable = palloc_array(const char *, nmembers + 1);
	bool		any_active = false;
	int			picked;

	for (int i = 0; i < nmembers; i++)
	{
		LhMember   *member = &turns->turns.members[i];

		unavailable[i] = member->unavailable;
		if (is_excluded(seeker, member->rep))
			member->unavailable = "excluded";
		any_active = any_active || member->unavailable == NULL ||
			strcmp(member->unavailable, "at_capacity") == 0;
		if (member->unavailable != NULL && strcmp(member->unavailable, "not_member") != 0)
			lh_json_text(&seeker->reps, member->rep, member->unavailable);
	}
	picked = lh_pick(&turns->turns, seeker->slot->decision.now);
	for (int i = 0; i < nmembers; i++)
		turns->turns.members[i].unavailable = unavailable[i];
	if (picked >= 0)
		return find_rep(assign, turns->turns.members[picked].rep);
	*reason = any_active ? "all_at_capacity" : "pool_empty";
	return NULL;
}

static Jsonb *
passed_over(Seeker *seeker)
{
	LhJson		json;

	lh_json_begin(&json);
	lh_json_jsonb(&json, "routes", lh_json_end(&seeker->routes));
	lh_json_jsonb(&json, "reps", lh_json_end(&seeker->reps));
	if (seeker->slot->contract->nterritory_routes > 0)
		lh_json_jsonb(&json, "territories", lh_json_end(&seeker->territories));
	return lh_json_end(&json);
}

static void
give(Assign *assign, Seeker *seeker, const char *route, const Pool *pool, const Rep *rep)
{
	LhLeadHandoff *handoff = seeker->handoff;
	LhAssignment *assignment = palloc0_object(LhAssignment);
	ListCell   *lc;

	assignment->n = handoff->h.assignments + 1;
	assignment->route = route;
	assignment->pool = pool == NULL ? NULL : pool->pool;
	assignment->rep = rep->rep;
	assignment->reason = strcmp(handoff->seek, "waiting") == 0 ? "handoff" : handoff->seek;
	assignment->at = seeker->slot->decision.now;
	assignment->passed_over = passed_over(seeker);
	lh_assigned(&seeker->slot->decision, handoff, assignment);

	/* he has one more, wherever he is a member */
	foreach(lc, assign->turns)
		add_load(lfirst(lc), rep->rep);
	assign->given = lappend(assign->given, rep->rep);
}

/* Whose turn it is in the pool of that name; NULL: nobody's, and why. */
static Rep *
rep_of_pool(Assign *assign, Seeker *seeker, const char *name, Pool **pool, const char **reason)
{
	*pool = find_pool(assign, name);
	if (*pool == NULL || (*pool)->nreps == 0)
		*reason = "pool_empty";
	else if (!(*pool)->locked)
		*reason = "pool_busy";
	else
		return pick_from(assign, seeker, *pool, reason);
	return NULL;
}

/* The pool or rep that the map has for the lead's key. */
static Rep *
rep_of_territory(Assign *assign, Seeker *seeker, const LhRoute *route, Pool **pool, const char **reason)
{
	char	   *key = lh_route_key(route, seeker->slot->lead.row);
	const LhTerritory *found = lh_territories_get(&assign->territories, route->target, key);
	Rep		   *rep;

	lh_json_jsonb(&seeker->territories, route->name, lh_territory_jsonb(route->target, key, found));
	if (found == NULL)
	{
		*reason = "no_territory_row";
		return NULL;
	}
	if (found->pool != NULL)
		return rep_of_pool(assign, seeker, found->pool, pool, reason);
	rep = find_rep(assign, found->rep);
	*reason = rep == NULL ? "rep_inactive" : why_not_rep(seeker, rep);
	return rep;
}

/* The target of a route for this lead: a rep, or the reason why not. */
static Rep *
target_of(Assign *assign, Seeker *seeker, const LhRoute *route, Pool **pool, const char **reason)
{
	Rep		   *rep;

	switch (route->target_kind)
	{
		case LH_TO_POOL:
			return rep_of_pool(assign, seeker, route->target, pool, reason);
		case LH_TO_TERRITORY:
			return rep_of_territory(assign, seeker, route, pool, reason);
		case LH_TO_ACCOUNT_OWNER:
		case LH_TO_ACCOUNT_TEAM:
			*reason = "no_account";
			return NULL;
		default:
			rep = named_rep(assign, seeker, route);
			*reason = why_not_rep(seeker, rep);
			return rep;
	}
}

/* The true routes of its leg, in order, until one takes it, or its target is there and can't now. */
static bool
follow_routes(Assign *assign, Seeker *seeker)
{
	const LhContract *contract = seeker->slot->contract;
	int			leg = lh_contract_leg(contract, seeker->handoff->h.leg);
	int		   *matches = palloc_array(int, Max(contract->route.n, 1));
	int			nmatches = lh_rulebook_all(contract->route.book, seeker->slot->lead.row, matches, NULL);
	int			next = 0;

	for (int m = 0; m < nmatches; m++)
	{
		const LhRoute *route = &contract->routes[matches[m]];
		Pool	   *pool = NULL;
		Rep		   *rep;
		const char *reason = NULL;

		if (route->leg != leg)
			continue;
		note_no_match(seeker, next, matches[m]);
		next = matches[m] + 1;
		rep = target_of(assign, seeker, route, &pool, &reason);
		if (reason == NULL)
		{
			give(assign, seeker, route->name, pool, rep);
			return true;
		}
		pass_over(seeker, route->name, reason);
		if (strcmp(reason, "pool_busy") == 0 ||
			(strcmp(reason, "all_at_capacity") == 0 && !route->next_if_unavailable))
			return false;
	}
	note_no_match(seeker, next, contract->route.n);
	return false;
}

static LhStatement read_given_away = {
	"select rep from handoff.assignment where lead_key = $1 and handoff_no = $2 and ended_at is not null",
	2, {TEXTOID, INT4OID}
};

/* After a reroute, who has had it is not asked again. */
static void
find_excluded(Seeker *seeker)
{
	const LhHandoff *h = &seeker->handoff->h;
	Datum		values[2] = {CStringGetTextDatum(seeker->slot->lead_key), Int32GetDatum((int32) h->handoff_no)};

	if (h->assignments == 0 || seeker->handoff->prefer != NULL)
		return;
	seeker->excluded.n = lh_run(&read_given_away, values, NULL);
	seeker->excluded.values = palloc_array(char *, seeker->excluded.n + 1);
	for (int i = 0; i < seeker->excluded.n; i++)
		seeker->excluded.values[i] = lh_get_text(i, 1);
}

static void
find_owner(Assign *assign, Seeker *seeker)
{
	LhLeadHandoff *handoff = seeker->handoff;
	Rep		   *preferred = find_rep(assign, handoff->prefer);
	Rep		   *booked = strcmp(handoff->h.origin, "self_booked") == 0 && handoff->h.assignments == 0 ?
		rep_of_crm(assign, lh_get_text_field(&seeker->slot->decision, "crm_owner")) : NULL;

	lh_json_begin(&seeker->routes);
	lh_json_begin(&seeker->reps);
	if (seeker->slot->contract->nterritory_routes > 0)
		lh_json_begin(&seeker->territories);
	seeker->last_reason = "no_match";
	find_excluded(seeker);
	if (preferred != NULL && preferred->active)
		give(assign, seeker, "returned", NULL, preferred);
	else if (booked != NULL && booked->active)
		give(assign, seeker, "booked_host", NULL, booked);
	else if (!follow_routes(assign, seeker))
		lh_not_assigned(&seeker->slot->decision, handoff, seeker->last_reason, passed_over(seeker));
}

/* The batch ---------------------------------------------------------------------------------- */

/* First come, first served: by the time of what qualified them, then by key. */
static int
compare_seekers(const ListCell *a, const ListCell *b)
{
	const Seeker *left = lfirst(a);
	const Seeker *right = lfirst(b);

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
		Seeker	   *seeker;

		if (open == NULL || open->seek == NULL)
			continue;
		seeker = palloc0_object(Seeker);
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
	Assign		assign = {.batch = batch};
	List	   *seekers = find_seekers(batch);
	ListCell   *lc;

	if (seekers == NIL)
		return;
	read_people(&assign);
	read_territories(&assign, seekers);
	lock_pools(&assign, wanted_pools(&assign, seekers));
	foreach(lc, seekers)
	{
		Seeker	   *seeker = lfirst(lc);

		lh_set_zone(seeker->slot->contract->zone);
		find_owner(&assign, seeker);
	}
	write_all_turns(&assign);
}
