/*
 * src/route/people.c
 *
 * Reading reps and pools, and the locks of groups.
 *
 * Pools that share reps form a group: a pick from one changes what a pick from another may do.  So the
 * picks of a group go through one lock at a time, the advisory locks of all its pools, which are tried
 * in order of name and never waited for; a change of members waits for the same locks.
 */
#include "route/people.h"

#include "catalog/pg_type.h"
#include "route/turns.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Who is back within that time may be given a lead for then. */
#define AHEAD	(16 * USECS_PER_HOUR)

/* Reading ------------------------------------------------------------------------------------ */

static LhIndex all_reps = {"rep", "rep_pkey", 0};
static LhIndex absences_by_rep = {"rep_away", "rep_away_pkey", 1, {"rep"}};
static LhIndex all_pools = {"pool", "pool_pkey", 0};
static LhIndex all_members = {"pool_member", "pool_member_pkey", 0};

static bool
is_true(const LhSearch *row, const char *column)
{
	bool		isnull;
	Datum		value = lh_search_get(row, column, &isnull);

	return !isnull && DatumGetBool(value);
}

static bool
is_within(const LhSearch *row, const char *from, const char *to, TimestampTz now)
{
	bool		isnull;

	return DatumGetTimestampTz(lh_search_get(row, from, &isnull)) <= now &&
		now < DatumGetTimestampTz(lh_search_get(row, to, &isnull));
}

static void
take_rep(LhPeople *people, const LhSearch *row)
{
	LhRep	   *rep = &people->reps[people->nreps++];
	bool		isnull;
	Datum		schedule = lh_search_get(row, "schedule", &isnull);

	rep->schedule = isnull ? NULL : (LhSchedule *) PG_DETOAST_DATUM_COPY(schedule);
	rep->rep = lh_search_text(row, "rep");
	rep->crm_id = lh_search_text(row, "crm_id");
	rep->manager = lh_search_text(row, "manager");
	rep->active = is_true(row, "active") && is_within(row, "valid_from", "valid_to", people->now);
	rep->calendar = lh_search_text(row, "calendar");
	rep->zone = lh_search_text(row, "zone");
	rep->delegate = lh_search_text(row, "delegate");
	rep->away_until = DT_NOBEGIN;
}

/* Of several absences the one that lasts longest. */
static void
give_absence(const LhPeople *people, LhRep *rep, LhSearch *absences)
{
	Datum		key = CStringGetTextDatum(rep->rep);
	char	   *delegate = NULL;

	for (bool more = lh_search(absences, &key); more; more = lh_search_next(absences))
	{
		bool		isnull;
		TimestampTz until = DatumGetTimestampTz(lh_search_get(absences, "away_to", &isnull));

		if (until <= rep->away_until || !is_within(absences, "away_from", "away_to", people->now))
			continue;
		rep->away_until = until;
		delegate = lh_search_text(absences, "delegate");
	}
	if (delegate != NULL)
		rep->delegate = delegate;
}

static int
compare_first(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static void
read_all_reps(LhPeople *people)
{
	LhSearch	search;
	int			room = 16;

	people->nreps = 0;
	people->reps = palloc_array(LhRep, room);
	lh_search_begin(&search, &all_reps);
	for (bool more = lh_search(&search, NULL); more; more = lh_search_next(&search))
	{
		if (!is_true(&search, "takes_leads"))
			continue;
		if (people->nreps == room)
			people->reps = repalloc_array(people->reps, LhRep, room *= 2);
		take_rep(people, &search);
	}
	lh_search_end(&search);
	qsort(people->reps, people->nreps, sizeof(LhRep), compare_first);
	lh_search_begin(&search, &absences_by_rep);
	for (int i = 0; i < people->nreps; i++)
		give_absence(people, &people->reps[i], &search);
	lh_search_end(&search);
}

static void
take_pool(LhPeople *people, const LhSearch *row)
{
	LhCrew	   *crew = &people->crews[people->ncrews++];

	memset(crew, 0, sizeof(*crew));
	crew->pool = lh_search_text(row, "pool");
	crew->respect_schedule = is_true(row, "respect_schedule");
	crew->calendar = lh_search_text(row, "calendar");
	crew->counts_direct = is_true(row, "counts_direct");
}

/* Whoever was a member more than once counts once. */
static void
unite_members(LhCrew *crew)
{
	int			kept = 0;

	qsort(crew->reps, crew->nreps, sizeof(char *), compare_first);
	for (int i = 0; i < crew->nreps; i++)
		if (kept == 0 || strcmp(crew->reps[i], crew->reps[kept - 1]) != 0)
			crew->reps[kept++] = crew->reps[i];
	crew->nreps = kept;
}

static void
read_members(const LhPeople *people)
{
	LhSearch	search;

	lh_search_begin(&search, &all_members);
	for (bool more = lh_search(&search, NULL); more; more = lh_search_next(&search))
	{
		LhCrew	   *crew = lh_people_crew(people, lh_search_text(&search, "pool"));

		if (crew == NULL)
			continue;
		if (crew->nreps == crew->room)
			crew->reps = crew->room == 0 ? palloc_array(char *, crew->room = 8) :
				repalloc_array(crew->reps, char *, crew->room *= 2);
		crew->reps[crew->nreps++] = lh_search_text(&search, "rep");
	}
	lh_search_end(&search);
	for (int i = 0; i < people->ncrews; i++)
		unite_members(&people->crews[i]);
}

void
lh_people_read_pools(LhPeople *people, TimestampTz now)
{
	LhSearch	search;
	int			room = 16;

	people->now = now;
	people->ncrews = 0;
	people->crews = palloc_array(LhCrew, room);
	lh_search_begin(&search, &all_pools);
	for (bool more = lh_search(&search, NULL); more; more = lh_search_next(&search))
	{
		if (people->ncrews == room)
			people->crews = repalloc_array(people->crews, LhCrew, room *= 2);
		take_pool(people, &search);
	}
	lh_search_end(&search);
	qsort(people->crews, people->ncrews, sizeof(LhCrew), compare_first);
	read_members(people);
}

void
lh_people_read(LhPeople *people, TimestampTz now)
{
	people->hours = NIL;
	lh_people_read_pools(people, now);
	read_all_reps(people);
}

static LhStatement read_hours_of_reps = {
	"select rep, schedule, calendar, zone from handoff.rep where rep = any($1) order by rep collate \"C\"",
	1, {TEXTARRAYOID}
};

static LhStatement read_hours_of_pools = {
	"select pool, calendar from handoff.pool where pool = any($1) order by pool collate \"C\"", 1, {TEXTARRAYOID}
};

/* A schedule of the last answer; NULL: it is null. */
static LhSchedule *
get_schedule(uint64 row, int col)
{
	bool		isnull;
	Datum		value = lh_get(row, col, &isnull);

	return isnull ? NULL : (LhSchedule *) PG_DETOAST_DATUM(value);
}

void
lh_people_read_hours(LhPeople *people, char *const *reps, int nreps, char *const *pools, int npools)
{
	Datum		value = lh_text_array(reps, nreps);

	people->nreps = lh_run(&read_hours_of_reps, &value, NULL);
	people->reps = palloc0_array(LhRep, people->nreps + 1);
	for (int i = 0; i < people->nreps; i++)
	{
		LhRep	   *rep = &people->reps[i];

		rep->rep = lh_get_text(i, 1);
		rep->schedule = get_schedule(i, 2);
		rep->calendar = lh_get_text(i, 3);
		rep->zone = lh_get_text(i, 4);
	}
	if (npools == 0)
		return;
	value = lh_text_array(pools, npools);
	people->ncrews = lh_run(&read_hours_of_pools, &value, NULL);
	people->crews = palloc0_array(LhCrew, people->ncrews + 1);
	for (int i = 0; i < people->ncrews; i++)
	{
		people->crews[i].pool = lh_get_text(i, 1);
		people->crews[i].calendar = lh_get_text(i, 2);
	}
}

LhRep *
lh_people_rep(const LhPeople *people, const char *rep)
{
	return rep == NULL || people->nreps == 0 ? NULL :
		bsearch(&rep, people->reps, people->nreps, sizeof(LhRep), compare_first);
}

/* A person may be several users: of one CRM he has the id, the others are known by their rows. */
static LhStatement read_user = {
	"select rep from handoff.crm_user where crm_id = $1 and human and deleted_at is null and rep is not null",
	1, {TEXTOID}
};

LhRep *
lh_people_crm(const LhPeople *people, const char *crm_id)
{
	Datum		value;

	if (crm_id == NULL)
		return NULL;
	for (int i = 0; i < people->nreps; i++)
		if (people->reps[i].crm_id != NULL && strcmp(people->reps[i].crm_id, crm_id) == 0)
			return &people->reps[i];
	value = CStringGetTextDatum(crm_id);
	return lh_run(&read_user, &value, NULL) == 0 ? NULL : lh_people_rep(people, lh_get_text(0, 1));
}

LhCrew *
lh_people_crew(const LhPeople *people, const char *pool)
{
	return pool == NULL || people->ncrews == 0 ? NULL :
		bsearch(&pool, people->crews, people->ncrews, sizeof(LhCrew), compare_first);
}

/* Groups ------------------------------------------------------------------------------------- */

static bool
share_a_rep(const LhCrew *a, const LhCrew *b)
{
	for (int i = 0; i < a->nreps; i++)
		for (int j = 0; j < b->nreps; j++)
			if (strcmp(a->reps[i], b->reps[j]) == 0)
				return true;
	return false;
}

void
lh_people_mark_group(const LhPeople *people, const LhCrew *crew, bool *marked)
{
	if (marked[crew - people->crews])
		return;
	marked[crew - people->crews] = true;
	for (int i = 0; i < people->ncrews; i++)
		if (!marked[i] && share_a_rep(crew, &people->crews[i]))
			lh_people_mark_group(people, &people->crews[i], marked);
}

/* A group of which we have some pools, but not all, is not ours.  A lead holds few of many: start from these. */
static void
give_up_open_groups(LhPeople *people)
{
	bool	   *seen = palloc0_array(bool, people->ncrews + 1);

	for (int i = 0; i < people->ncrews; i++)
	{
		bool	   *group;
		bool		ours = true;

		if (!people->crews[i].locked || seen[i])
			continue;
		group = palloc0_array(bool, people->ncrews);
		lh_people_mark_group(people, &people->crews[i], group);
		for (int j = 0; j < people->ncrews; j++)
			ours = ours && (!group[j] || people->crews[j].locked);
		for (int j = 0; j < people->ncrews; j++)
		{
			if (!group[j])
				continue;
			seen[j] = true;
			people->crews[j].locked = ours;
		}
	}
}

void
lh_people_lock(LhPeople *people, const bool *marked)
{
	char	  **locked = palloc_array(char *, people->ncrews + 1);
	int			nlocked = 0;

	for (int i = 0; i < people->ncrews; i++)
		if (marked[i] && lh_pool_lock(people->crews[i].pool, false))
			locked[nlocked++] = people->crews[i].pool;
	lh_people_read(people, people->now);
	for (int i = 0; i < nlocked; i++)
	{
		LhCrew	   *crew = lh_people_crew(people, locked[i]);

		if (crew != NULL)
			crew->locked = true;
	}
	give_up_open_groups(people);
}

/* Hours -------------------------------------------------------------------------------------- */

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static LhCalendar *
find_hours(LhPeople *people, const char *name, const LhSchedule *schedule, const char *zone)
{
	LhHours    *hours;
	ListCell   *lc;

	foreach(lc, people->hours)
	{
		hours = lfirst(lc);
		if (hours->schedule == schedule && same(hours->name, name) && same(hours->zone, zone))
			return hours->calendar;
	}
	hours = palloc_object(LhHours);
	hours->name = name;
	hours->schedule = schedule;
	hours->zone = zone;
	hours->calendar = lh_calendar_for(name, schedule, zone);
	people->hours = lappend(people->hours, hours);
	return hours->calendar;
}

LhCalendar *
lh_people_hours(LhPeople *people, const LhRep *rep, const char *otherwise)
{
	if (rep->schedule != NULL)
		return find_hours(people, rep->calendar, rep->schedule, NULL);
	if (rep->calendar != NULL)
		otherwise = rep->calendar;
	return otherwise == NULL ? NULL : find_hours(people, otherwise, NULL, rep->zone);
}

const char *
lh_rep_absence(const LhRep *rep, LhCalendar *hours, TimestampTz now, bool ahead, TimestampTz *from)
{
	TimestampTz back = Max(now, rep->away_until);

	if (hours != NULL && back != DT_NOEND && !lh_business_next_open(hours, back, &back))
		back = DT_NOEND;
	*from = ahead && back != DT_NOEND ? back - AHEAD : back;
	if (*from <= now)
		return NULL;
	return rep->away_until > now ? "away" : "off_shift";
}

void
lh_people_mark_absent(LhPeople *people, const LhCrew *crew, const char *calendar, LhPool *pool)
{
	if (crew->calendar != NULL)
		calendar = crew->calendar;
	for (int i = 0; i < pool->turns.nmembers; i++)
	{
		const LhRep *rep = lh_people_rep(people, pool->turns.members[i].rep);
		LhSeat	   *seat = &pool->seats[i];
		LhCalendar *hours;

		if (rep == NULL)
		{
			/* put into the pool past set_member(), and takes no leads yet */
			if (seat->gone == NULL)
				seat->gone = "inactive";
			continue;
		}
		hours = crew->respect_schedule ? lh_people_hours(people, rep, calendar) : NULL;
		for (int ahead = 0; ahead < 2; ahead++)
			seat->absent[ahead] = lh_rep_absence(rep, hours, people->now, ahead, &seat->from[ahead]);
	}
}
