/*
 * src/flow/clock_hours.c
 *
 * Whose open time the clocks of leads count: looked up before a decision, so that it needs no SQL.
 *
 * A clock that is somebody's counts by his hours, else by the calendar of the pool that he was picked from,
 * else, as all others do, by that of the contract: see lh_people_hours().
 */
#include "flow/lead.h"

#include "time/calendar.h"
#include "utils/timestamp.h"

static void
ask_for(LhHoursAsked *asked, const char *rep, const char *pool)
{
	asked->reps = lappend(asked->reps, unconstify(char *, rep));
	if (pool != NULL)
		asked->pools = lappend(asked->pools, unconstify(char *, pool));
}

/* Does anything count by the hours of whoever has the open handoff: clocks, or the cadence? */
static bool
asks_for_owner(const LhContract *contract, const LhLeadHandoff *open)
{
	return (contract->owner_slas || contract->ncadence > 0) && open != NULL && open->h.rep != NULL;
}

void
lh_ask_hours(LhHoursAsked *asked, const LhContract *contract, const LhLead *lead, const LhInput *input)
{
	const LhLeadHandoff *open = lh_handoff_to_be(lead, input);
	ListCell   *lc;

	foreach(lc, lead->slas)
	{
		const LhSlaClock *clock = lfirst(lc);

		if (clock->rep != NULL)
			ask_for(asked, clock->rep, clock->pool);
	}
	if (asks_for_owner(contract, open))
		ask_for(asked, open->h.rep, open->h.pool);
}

static int
names_of(const List *list, char ***names)
{
	int			n = 0;
	ListCell   *lc;

	*names = palloc_array(char *, list_length(list) + 1);
	foreach(lc, list)
		(*names)[n++] = lfirst(lc);
	return lh_sort_unique(*names, n);
}

void
lh_read_hours(LhHoursAsked *asked)
{
	char	  **reps;
	char	  **pools;
	int			nreps = names_of(asked->reps, &reps);
	int			npools = names_of(asked->pools, &pools);

	if (nreps > 0)
		lh_people_read_hours(&asked->people, reps, nreps, pools, npools);
}

static LhCalendar *
hours_of(LhHoursAsked *asked, const char *rep, const char *pool, const char *otherwise)
{
	const LhRep *row = lh_people_rep(&asked->people, rep);
	const LhCrew *crew = lh_people_crew(&asked->people, pool);

	if (crew != NULL && crew->calendar != NULL)
		otherwise = crew->calendar;
	if (row != NULL)
		return lh_people_hours(&asked->people, row, otherwise);
	return otherwise == NULL ? NULL : lh_calendar_named(otherwise);
}

void
lh_give_hours(LhHoursAsked *asked, const LhContract *contract, LhLead *lead, LhInput *input)
{
	const LhLeadHandoff *open = lh_handoff_to_be(lead, input);
	ListCell   *lc;

	input->hours = hours_of(asked, NULL, NULL, contract->calendar);
	input->owner_hours = input->hours;
	if (asks_for_owner(contract, open))
		input->owner_hours = hours_of(asked, open->h.rep, open->h.pool, contract->calendar);
	foreach(lc, lead->slas)
	{
		LhSlaClock *clock = lfirst(lc);

		clock->hours = hours_of(asked, clock->rep, clock->pool, contract->calendar);
	}
}
