/*
 * src/flow/follow.c
 *
 * The routes of one handoff, in order, until one takes it.
 *
 * The first route that matches names the right target.  Only what is structural lets it be passed over:
 * there is no such account, nobody owns it, the rep has left, the pool has no members, everybody in it
 * has said that the lead isn't his.  When the right target is there but can't take it now, the route says what then:
 *
 *	assign_ahead	who is back within 16 hours counts as present; else it waits
 *	hold			it waits until somebody is present
 *	delegate		of a rep who is away, his delegate; else as assign_ahead
 *	next			the next route
 *
 * Each route and each rep passed over leaves a coded reason.
 */
#include "flow/assign.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Contracts of more routes keep with an assignment only those that matched. */
#define MOST_NO_MATCH	100

/* People and pools change without telling us: what nobody could take is tried again after that time. */
#define TRY_AGAIN		(5 * USECS_PER_MINUTE)
#define LONGEST_WAIT	USECS_PER_HOUR

/* What lets the next route be tried. */
static bool
is_structural(const char *reason)
{
	static const char *const reasons[] = {
		"no_account", "account_unowned", "no_territory_row", "pool_empty", "rep_inactive", "excluded"
	};

	for (int i = 0; i < lengthof(reasons); i++)
		if (strcmp(reasons[i], reason) == 0)
			return true;
	return false;
}

/* Named reps --------------------------------------------------------------------------------- */

static bool
is_excluded(const LhSeeker *seeker, const char *rep)
{
	for (int i = 0; i < seeker->excluded.n; i++)
		if (strcmp(seeker->excluded.values[i], rep) == 0)
			return true;
	return false;
}

const char *
lh_against_rep(LhAssign *assign, const LhSeeker *seeker, const LhRep *rep, bool ahead,
			   TimestampTz *from)
{
	if (rep == NULL)
		return "account_unowned";
	if (!rep->active)
		return "rep_inactive";
	if (is_excluded(seeker, rep->rep))
		return "excluded";
	return lh_rep_absence(rep, lh_people_hours(&assign->people, rep, seeker->slot->contract->calendar),
						  assign->people.now, ahead, from);
}

static LhStatement read_teams = {
	"select t.account_key, t.role, t.rep from handoff.account_team t "
	"where t.account_key = any($1) and t.valid_from <= $2 and $2 < t.valid_to "
	"order by t.account_key, t.role, t.valid_from desc, t.rep collate \"C\"",
	2, {TEXTARRAYOID, TIMESTAMPTZOID}
};

/* The teams of all accounts that the batch's seekers belong to. */
static void
read_all_teams(LhAssign *assign)
{
	char	  **keys = palloc_array(char *, list_length(assign->seekers) + 1);
	int			n = 0;
	Datum		values[2];
	ListCell   *lc;

	assign->teams_read = true;
	foreach(lc, assign->seekers)
	{
		char	   *key = ((LhSeeker *) lfirst(lc))->slot->lead.account_key;

		if (key != NULL)
			keys[n++] = key;
	}
	values[0] = lh_text_array(keys, n);
	values[1] = TimestampTzGetDatum(assign->people.now);
	assign->nteams = lh_run(&read_teams, values, NULL);
	assign->teams = palloc_array(LhTeamRow, assign->nteams + 1);
	for (int i = 0; i < assign->nteams; i++)
	{
		assign->teams[i].account_key = lh_get_text(i, 1);
		assign->teams[i].role = lh_get_text(i, 2);
		assign->teams[i].rep = lh_get_text(i, 3);
	}
}

/* Who has a role in the account's team. */
static LhRep *
team_member(LhAssign *assign, const char *account_key, const char *role)
{
	if (!assign->teams_read)
		read_all_teams(assign);
	for (int i = 0; i < assign->nteams; i++)
		if (strcmp(assign->teams[i].account_key, account_key) == 0 &&
			strcmp(assign->teams[i].role, role) == 0)
			return lh_people_rep(&assign->people, assign->teams[i].rep);
	return NULL;
}

/* The account's owner, as its source names him: a user of the CRM, or a rep. */
static LhRep *
account_owner(const LhAssign *assign, const LhSeeker *seeker)
{
	const char *owner = lh_get_text_field(&seeker->slot->decision, "account.owner");
	LhRep	   *rep = lh_people_crm(&assign->people, owner);

	return rep != NULL ? rep : lh_people_rep(&assign->people, owner);
}

/* Who had the newest earlier handoff of that leg. */
static LhRep *
previous_owner(const LhAssign *assign, const LhSeeker *seeker)
{
	LhLeadHandoff *before = NULL;
	ListCell   *lc;

	foreach(lc, seeker->slot->lead.handoffs)
	{
		LhLeadHandoff *handoff = lfirst(lc);

		if (handoff != seeker->handoff && handoff->h.rep != NULL &&
			strcmp(handoff->h.leg, seeker->handoff->h.leg) == 0)
			before = handoff;
	}
	return before == NULL ? NULL : lh_people_rep(&assign->people, before->h.rep);
}

/* The rep whom a route names for this lead; NULL and a reason: there is none. */
static LhRep *
named_rep(LhAssign *assign, const LhSeeker *seeker, const LhRoute *route, const char **reason)
{
	const char *account_key = seeker->slot->lead.account_key;
	LhRep	   *rep = NULL;

	*reason = "account_unowned";
	switch (route->target_kind)
	{
		case LH_TO_REP:
			*reason = "rep_inactive";
			rep = lh_people_rep(&assign->people, route->target);
			break;
		case LH_TO_CRM_OWNER:
		case LH_TO_BOOKED_HOST:
			rep = lh_people_crm(&assign->people, lh_get_text_field(&seeker->slot->decision, "crm_owner"));
			break;
		case LH_TO_PREVIOUS_OWNER:
			rep = previous_owner(assign, seeker);
			break;
		case LH_TO_ACCOUNT_OWNER:
			if (account_key == NULL)
				*reason = "no_account";
			else
				rep = account_owner(assign, seeker);
			break;
		case LH_TO_ACCOUNT_TEAM:
			if (account_key == NULL)
				*reason = "no_account";
			else
				rep = team_member(assign, account_key, route->target);
			break;
		case LH_TO_TERRITORY:
		case LH_TO_POOL:
			break;				/* not by name */
	}
	return rep;
}

/* Targets that the CRM has made the owner already, whatever the hour. */
static bool
is_owner_already(const LhRoute *route)
{
	return route->target_kind == LH_TO_CRM_OWNER || route->target_kind == LH_TO_BOOKED_HOST;
}

/* One rep, or his delegate; rep is NULL: there is none, for the reason given. */
static const LhRep *
take_rep(LhAssign *assign, LhSeeker *seeker, const LhRoute *route, const LhRep *rep,
		 const char **reason)
{
	const LhRep *delegate;
	TimestampTz from = DT_NOEND;
	TimestampTz ignored;

	if (rep == NULL)
		return NULL;
	*reason = lh_against_rep(assign, seeker, rep, route->ahead, &from);
	if (*reason != NULL && !is_structural(*reason) && is_owner_already(route))
		*reason = NULL;
	if (*reason == NULL)
		return rep;
	if (is_structural(*reason))
		return NULL;
	lh_json_text(&seeker->reps, rep->rep, *reason);
	if (route->if_unavailable == LH_ELSE_DELEGATE && strcmp(*reason, "away") == 0)
	{
		delegate = lh_people_rep(&assign->people, rep->delegate);
		if (delegate != NULL && lh_against_rep(assign, seeker, delegate, true, &ignored) == NULL)
		{
			*reason = NULL;
			return delegate;
		}
	}
	seeker->retry_at = from;
	return NULL;
}

/* Pools -------------------------------------------------------------------------------------- */

/* How near a rep is to taking a lead: the nearest in a pool says why the pool doesn't. */
static const struct
{
	const char *of_rep;
	const char *of_pool;
}			nearness[] = {
	{"at_capacity", "all_at_capacity"},
	{"period_limit", "period_limit"},
	{"off_shift", "nobody_on_shift"},
	{"away", "all_away"},
	{"excluded", "excluded"}
};

static const char *
reason_of_pool(const LhTurns *turns)
{
	for (int r = 0; r < lengthof(nearness); r++)
		for (int i = 0; i < turns->nmembers; i++)
			if (turns->members[i].unavailable != NULL &&
				strcmp(turns->members[i].unavailable, nearness[r].of_rep) == 0)
				return nearness[r].of_pool;
	return "pool_empty";
}

/* Who can't take this lead, with a reason each; and the moment at which the next one is back. */
static TimestampTz
mark_unavailable(LhPool *pool, LhSeeker *seeker, bool ahead)
{
	TimestampTz next = DT_NOEND;

	for (int i = 0; i < pool->turns.nmembers; i++)
	{
		LhMember   *member = &pool->turns.members[i];

		member->unavailable = lh_seat_unavailable(pool, i, ahead);
		if (pool->seats[i].gone == NULL && is_excluded(seeker, member->rep))
			member->unavailable = "excluded";
		if (member->unavailable == NULL)
			continue;
		if (pool->seats[i].absent[ahead] == member->unavailable)
			next = Min(next, pool->seats[i].from[ahead]);
		if (strcmp(member->unavailable, "not_member") != 0)
			lh_json_text(&seeker->reps, member->rep, member->unavailable);
	}
	return next;
}

/* Whose turn it is; NULL and a reason if nobody can. */
static const LhRep *
take_turn(LhAssign *assign, LhSeeker *seeker, const LhCrew *crew, bool ahead, const char **reason)
{
	LhPool	   *pool;
	TimestampTz next;
	int			picked;

	if (crew == NULL || crew->nreps == 0)
		*reason = "pool_empty";
	else if (!crew->locked)
		*reason = "pool_busy";
	else
		*reason = NULL;
	if (*reason != NULL)
		return NULL;

	pool = lh_turns_of(assign, crew, seeker);
	next = mark_unavailable(pool, seeker, ahead);
	picked = lh_pick(&pool->turns, seeker->slot->decision.now);
	if (picked >= 0)
		return lh_people_rep(&assign->people, pool->turns.members[picked].rep);
	*reason = reason_of_pool(&pool->turns);
	seeker->retry_at = next;
	return NULL;
}

/* Routes ------------------------------------------------------------------------------------- */

/* Whom a route finds for this lead, by turns if *crew is set; NULL: nobody, and why. */
static const LhRep *
target_of(LhAssign *assign, LhSeeker *seeker, const LhRoute *route, const LhCrew **crew,
		  const char **reason)
{
	const LhTerritory *territory = NULL;
	const char *pool = route->target_kind == LH_TO_POOL ? route->target : NULL;
	const LhRep *rep;

	if (route->target_kind == LH_TO_TERRITORY)
	{
		char	   *key = lh_route_key(route, seeker->slot->lead.row);

		territory = lh_territories_get(&assign->territories, route->target, key);
		lh_json_jsonb(&seeker->territories, route->name, lh_territory_jsonb(route->target, key, territory));
		pool = territory == NULL ? NULL : territory->pool;
	}
	if (route->target_kind == LH_TO_POOL || pool != NULL)
	{
		*crew = lh_people_crew(&assign->people, pool);
		return take_turn(assign, seeker, *crew, route->ahead, reason);
	}
	if (route->target_kind != LH_TO_TERRITORY)
		rep = named_rep(assign, seeker, route, reason);
	else
	{
		rep = territory == NULL ? NULL : lh_people_rep(&assign->people, territory->rep);
		*reason = territory == NULL ? "no_territory_row" : "rep_inactive";
	}
	return take_rep(assign, seeker, route, rep, reason);
}

/* Whom a route means for a lead, whether or not they can take it now: a pool, or a rep; NULL, or the structural reason why nobody. */
const char *
lh_route_means(LhAssign *assign, const LhSeeker *seeker, const LhRoute *route, const char **pool, const LhRep **rep)
{
	const LhTerritory *territory = NULL;
	const LhCrew *crew;
	const char *reason = "rep_inactive";

	*rep = NULL;
	*pool = route->target_kind == LH_TO_POOL ? route->target : NULL;
	if (route->target_kind == LH_TO_TERRITORY)
	{
		territory = lh_territories_get(&assign->territories, route->target, lh_route_key(route, seeker->slot->lead.row));
		if (territory == NULL)
			return "no_territory_row";
		*pool = territory->pool;
	}
	if (*pool != NULL)
	{
		crew = lh_people_crew(&assign->people, *pool);
		return crew == NULL || crew->nreps == 0 ? "pool_empty" : NULL;
	}
	*rep = territory != NULL ? lh_people_rep(&assign->people, territory->rep) : named_rep(assign, seeker, route, &reason);
	return *rep == NULL ? reason : (*rep)->active ? NULL : "rep_inactive";
}

/* Routes of the leg from one position up to another whose criteria don't hold; in contracts of few. */
static void
note_no_match(LhSeeker *seeker, int leg, int from, int to)
{
	const LhContract *contract = seeker->slot->contract;

	if (contract->route.n > MOST_NO_MATCH)
		return;
	for (int i = from; i < to; i++)
		if (contract->routes[i].leg == leg)
			lh_json_text(&seeker->routes, contract->routes[i].name, "no_match");
}

/*
 * When it is worth another try.  Where a place or a lock is all that is missing tick() knows by itself;
 * calendars tell when somebody is back, but may be changed until then.
 */
static TimestampTz
try_again(const LhSeeker *seeker)
{
	TimestampTz now = seeker->slot->decision.now;

	if (strcmp(seeker->reason, "pool_busy") == 0 || strcmp(seeker->reason, "all_at_capacity") == 0)
		return DT_NOEND;
	if (seeker->route == NULL || seeker->retry_at == DT_NOEND)
		return now + TRY_AGAIN;
	return Min(Max(seeker->retry_at, now + USECS_PER_SEC), now + LONGEST_WAIT);
}

/* Can it go on to the next route?  If not, it waits for this one. */
static bool
pass_over(LhSeeker *seeker, const LhRoute *route, const char *pool, const char *reason)
{
	lh_json_text(&seeker->routes, route->name, reason);
	seeker->reason = reason;
	if (is_structural(reason) ||
		(route->if_unavailable == LH_ELSE_NEXT && strcmp(reason, "pool_busy") != 0))
		return true;
	seeker->route = route->name;
	seeker->pool = pool;
	return false;
}

void
lh_match_routes(LhSeeker *seeker)
{
	const LhContract *contract = seeker->slot->contract;
	int			leg = lh_contract_leg(contract, seeker->handoff->h.leg);
	int			n;

	if (seeker->matches != NULL)
		return;
	seeker->matches = palloc_array(int, Max(contract->route.n, 1));
	n = lh_rulebook_all(contract->route.book, seeker->slot->lead.row, seeker->matches, NULL);
	for (int m = 0; m < n; m++)
		if (contract->routes[seeker->matches[m]].leg == leg)
			seeker->matches[seeker->nmatches++] = seeker->matches[m];
}

/* Escalation has given it to the last route of its leg: the others don't count any more. */
static bool
counts_no_more(const LhSeeker *seeker, int leg, int route)
{
	const LhContract *contract = seeker->slot->contract;

	if (seeker->handoff->h.fallback_at == LH_NOT_YET)
		return false;
	for (int i = route + 1; i < contract->route.n; i++)
		if (contract->routes[i].leg == leg)
			return true;
	return false;
}

bool
lh_follow_routes(LhAssign *assign, LhSeeker *seeker, LhChoice *choice)
{
	const LhContract *contract = seeker->slot->contract;
	int			leg = lh_contract_leg(contract, seeker->handoff->h.leg);
	int			next = 0;

	lh_match_routes(seeker);
	seeker->reason = "no_match";
	for (int m = 0; m < seeker->nmatches; m++)
	{
		const LhRoute *route = &contract->routes[seeker->matches[m]];
		const LhCrew *crew = NULL;
		const char *reason;

		note_no_match(seeker, leg, next, seeker->matches[m]);
		next = seeker->matches[m] + 1;
		if (counts_no_more(seeker, leg, seeker->matches[m]))
		{
			lh_json_text(&seeker->routes, route->name, "escalated");
			continue;
		}
		seeker->retry_at = DT_NOEND;
		choice->rep = target_of(assign, seeker, route, &crew, &reason);
		choice->route = route->name;
		choice->pool = crew == NULL ? NULL : crew->pool;
		choice->hosts = route->target_kind == LH_TO_BOOKED_HOST;
		if (reason == NULL)
			return true;
		if (!pass_over(seeker, route, choice->pool, reason))
			break;
	}
	if (seeker->route == NULL)
		note_no_match(seeker, leg, next, contract->route.n);
	seeker->retry_at = try_again(seeker);
	return false;
}
