/*
 * src/rules/statistics.c
 *
 * Guessing from statistics what share of rows has a value, or has one in a range.
 *
 * The most common values are known with their shares.  Of the others there are ndistinct, equally
 * common for all we know, and bounds that cut them into parts of one size; within a part, a bound
 * may be anywhere, so the middle stands for it.
 */
#include "rules/rulebook_index.h"
#include "rules/statistics.h"

/* Nothing is so rare that rows never have it. */
#define LEAST_SHARE		1e-6

/* Where a value is among the common ones, or would be. */
static int
find_common(const LhStatistics *statistics, Comparison comparison, Datum value, bool *found)
{
	int			low = 0;
	int			high = statistics->ncommon;

	*found = false;
	while (low < high)
	{
		int			middle = (low + high) / 2;
		int			order = lh_compare(comparison, value, statistics->common[middle].value);

		*found |= order == 0;
		if (order <= 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

double
lh_share_of(const LhStatistics *statistics, LhType type, Datum value)
{
	bool		found;
	int			i = find_common(statistics, lh_own_comparison(type), value, &found);
	double		share = found ? statistics->common[i].share :
		statistics->rest / Max(statistics->ndistinct - statistics->ncommon, 1);

	return Max(share, LEAST_SHARE);
}

/* The share of rows with a common value below one, or up to it. */
static double
common_below(const LhStatistics *statistics, Comparison comparison, Datum value, bool up_to)
{
	const LhCommonValue *common = statistics->common;
	bool		found;
	int			i = find_common(statistics, comparison, value, &found);

	if (i < statistics->ncommon)
		return common[i].below + (found && up_to ? common[i].share : 0);
	return i == 0 ? 0 : common[i - 1].below + common[i - 1].share;
}

/* The share of the less common values that lie below one. */
static double
part_below(const LhStatistics *statistics, Comparison comparison, Datum value)
{
	int			low = 0;
	int			high = statistics->nbounds;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (lh_compare(comparison, statistics->bounds[middle], value) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || low == statistics->nbounds)
		return low == 0 ? 0 : 1;
	return (low - 0.5) / (statistics->nbounds - 1);
}

double
lh_share_between(const LhStatistics *statistics, LhType type, const Datum *low, const Datum *high)
{
	Comparison	comparison = lh_own_comparison(type);
	double		common = 0;
	double		rest = 1;

	if (high)
		common += common_below(statistics, comparison, *high, true);
	else if (statistics->ncommon > 0)
		common += statistics->common[statistics->ncommon - 1].below +
			statistics->common[statistics->ncommon - 1].share;
	if (low)
		common -= common_below(statistics, comparison, *low, false);
	if (statistics->nbounds > 1 && high)
		rest = part_below(statistics, comparison, *high);
	if (statistics->nbounds > 1 && low)
		rest -= part_below(statistics, comparison, *low);
	return Max(common + statistics->rest * Max(rest, 0), LEAST_SHARE);
}
