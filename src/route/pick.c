/*
 * src/route/pick.c
 *
 * Whose turn it is in a pool: earliest eligible virtual deadline first (EEVDF: Stoica and Abdel-Wahab,
 * 1995), with people who come and go.
 *
 * Virtual time V counts how many leads each unit of weight has had.  A member's next lead is his due
 * from `start` on and should be his by `start + 1 / weight`, the deadline.  The rule:
 *
 *   - whoever joins or returns starts at V; each lead moves his start on by 1 / weight;
 *   - V rises by 1 / (weight of those available) a lead, and by
 *     weight * (V - start) / (weight of the rest) when somebody becomes unavailable, so that the
 *     others share what he was still owed;
 *   - of those whose start has come (start <= V), the earliest deadline wins; ties go to the one who
 *     was picked least recently, then to member order.
 *
 * Counts then deviate from the shares by weight by less than 1 while nobody comes or goes, else by
 * less than 2 among those available throughout.  (The earliest deadline alone, without "whose start
 * has come", deviates by more with unequal weights: 7 for a weight of 10 beside 40 of 1.)
 *
 * V needs no bookkeeping: it is the mean of the starts of those present, by weight.  A lead adds
 * 1 / weight to one start and so 1 / (sum of weights) to the mean; one who joins at the mean leaves it
 * where it is; and the mean of those who stay differs from the mean of all by just what the rule says.
 * So the sum of weight * (V - start), what all are owed together, is 0 and stays 0, also when rows
 * were edited by hand or a weight was changed, and somebody's start has always come.  The stored V
 * counts only when nobody is present.
 *
 * The numbers stay small for ever: when V passes a whole number, that number is taken off V and off
 * the starts, which is exact.  Starts are then sums of 1 / weight of about 1, right to some 1e-16 a
 * lead, and never nearer to each other than that by chance: members of equal weight who began
 * together do the same sums and tie exactly, and three leads at weight 3 tie with one at weight 1
 * within EPSILON for more leads than a person works through in a lifetime.  What errors add up to
 * until then can only order a tie, never move a share.
 */
#include "route/pick.h"

#include <math.h>

#include "utils/timestamp.h"

/* Two moments of virtual time nearer than this are the same; 1 / weight is at least 1e-3. */
#define EPSILON		1e-9

static double
deadline(const LhMember *member)
{
	return member->start + 1.0 / member->weight;
}

/* V: the mean start of those present, by weight. */
static double
virtual_time(const LhTurns *turns)
{
	double		sum = 0;
	double		weight = 0;

	for (int i = 0; i < turns->nmembers; i++)
	{
		const LhMember *member = &turns->members[i];

		if (member->present)
		{
			sum += member->weight * member->start;
			weight += member->weight;
		}
	}
	return weight > 0 ? sum / weight : turns->v;
}

/* Who can't take a lead now leaves, then who can and wasn't here joins. */
static void
come_and_go(LhTurns *turns)
{
	for (int i = 0; i < turns->nmembers; i++)
	{
		LhMember   *member = &turns->members[i];

		if (!member->known || member->unavailable != NULL)
			member->present = false;
	}
	turns->v = virtual_time(turns);
	for (int i = 0; i < turns->nmembers; i++)
	{
		LhMember   *member = &turns->members[i];

		if (!member->present)
			member->start = turns->v;
		member->known = true;
		member->present = member->unavailable == NULL;
	}
}

/* Is a's load by weight lower (-1), the same or higher than b's?  Exact. */
static int
compare_load(const LhMember *a, const LhMember *b)
{
	int64		left = (int64) a->load * b->weight;
	int64		right = (int64) b->load * a->weight;

	return left < right ? -1 : left > right;
}

/* One with the least load by weight among those present.  NULL: load doesn't count, or nobody is present. */
static const LhMember *
least_loaded(const LhTurns *turns)
{
	const LhMember *least = NULL;

	if (!turns->least_loaded)
		return NULL;
	for (int i = 0; i < turns->nmembers; i++)
	{
		const LhMember *member = &turns->members[i];

		if (member->present && (least == NULL || compare_load(member, least) < 0))
			least = member;
	}
	return least;
}

static bool
is_candidate(const LhMember *member, const LhMember *least)
{
	return member->present && (least == NULL || compare_load(member, least) == 0);
}

/* Of two whose deadlines tie. */
static bool
goes_before(const LhMember *a, const LhMember *b)
{
	if (a->last_at != b->last_at)
		return a->last_at < b->last_at;
	if (a->ord != b->ord)
		return a->ord < b->ord;
	return strcmp(a->rep, b->rep) < 0;
}

/*
 * The winner among those present (and least loaded, if that counts).  -1: there are none.
 *
 * Among all present somebody's start has always come; among the least loaded perhaps not, then it is
 * as if V had risen to their lowest start.
 */
static int
choose(const LhTurns *turns)
{
	const LhMember *least = least_loaded(turns);
	double		lowest = HUGE_VAL;
	double		earliest = HUGE_VAL;
	double		begun;
	int			best = -1;

	for (int i = 0; i < turns->nmembers; i++)
		if (is_candidate(&turns->members[i], least))
			lowest = Min(lowest, turns->members[i].start);
	begun = Max(turns->v, lowest) + EPSILON;

	for (int i = 0; i < turns->nmembers; i++)
		if (is_candidate(&turns->members[i], least) && turns->members[i].start <= begun)
			earliest = Min(earliest, deadline(&turns->members[i]));

	for (int i = 0; i < turns->nmembers; i++)
	{
		const LhMember *member = &turns->members[i];

		if (is_candidate(member, least) && member->start <= begun && deadline(member) <= earliest + EPSILON &&
			(best < 0 || goes_before(member, &turns->members[best])))
			best = i;
	}
	return best;
}

/*
 * A moment later than every pick so far, at now if that is one: "least recent" then means the order of
 * picks also within one batch, which has one now.
 */
static TimestampTz
moment_of_pick(const LhTurns *turns, TimestampTz now)
{
	TimestampTz moment = now;

	for (int i = 0; i < turns->nmembers; i++)
		if (turns->members[i].last_at >= moment && !TIMESTAMP_IS_NOEND(turns->members[i].last_at))
			moment = turns->members[i].last_at + 1;
	return moment;
}

/* Take the whole number off V and the starts.  Starts of absent members mean nothing. */
static void
rebase(LhTurns *turns)
{
	double		whole = trunc(turns->v);

	if (whole == 0)
		return;
	turns->v -= whole;
	for (int i = 0; i < turns->nmembers; i++)
		if (turns->members[i].present)
			turns->members[i].start -= whole;
}

int
lh_pick(LhTurns *turns, TimestampTz now)
{
	LhMember   *member;
	int			best;

	come_and_go(turns);
	best = choose(turns);
	if (best < 0)
		return -1;

	member = &turns->members[best];
	member->start = deadline(member);
	member->last_at = moment_of_pick(turns, now);
	member->picks++;
	turns->v = virtual_time(turns);
	rebase(turns);
	return best;
}
