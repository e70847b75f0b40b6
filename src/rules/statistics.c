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

double
lh_share_of(const LhStatistics *statistics, LhType type, Datum value)
{
	Comparison	comparison = lh_own_comparison(type);
	int			low = 0;
	int			high = statistics->ncommon;

	while (low < high)
	{
		int			middle = (low + high) / 2;
		int			order = lh_compare(comparison, value, statistics->common[middle].value);

		if (order == 0)
			return Max(statistics->common[middle].share, LEAST_SHARE);
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return Max(statistics->rest / Max(statistics->ndistinct - statistics->ncommon, 1), LEAST_SHARE);
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
	double		above = 0;
	double		below = 1;
	double		share = 0;

	for (int i = 0; i < statistics->ncommon; i++)
	{
		Datum		value = statistics->common[i].value;

		if ((low == NULL || lh_compare(comparison, value, *low) >= 0) &&
			(high == NULL || lh_compare(comparison, value, *high) <= 0))
			share += statistics->common[i].share;
	}
	if (statistics->nbounds > 1)
	{
		above = low == NULL ? 0 : part_below(statistics, comparison, *low);
		below = high == NULL ? 1 : part_below(statistics, comparison, *high);
	}
	share += statistics->rest * Max(below - above, 0);
	return Max(share, LEAST_SHARE);
}
