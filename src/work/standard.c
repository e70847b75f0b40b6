/*
 * src/work/standard.c
 *
 * Work standards: what was done about a handoff, counted as a standard counts.
 *
 *	touches			that count: each at least min_gap after the last one that counts
 *	channels		different ones, without those forbidden for the lead
 *	contacts		two-way touches, all of them
 *	business_days	different dates, open in the contract's calendar, with a touch
 *
 * No more channels are asked for than the contract names and the lead allows.  A lead that may not be
 * touched in any of them is owed nothing.
 */
#include "work/standard.h"

#include <limits.h>

#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

const char *const lh_part_names[LH_NPARTS] = {"touches", "channels", "contacts", "business_days"};

const LhWorkStandard *
lh_work_standard(const LhContract *contract, const char *name, const char *leg, const LhFields *row)
{
	for (int i = 0; i < contract->standard.n; i++)
	{
		const LhWorkStandard *standard = &contract->standards[i];

		if (strcmp(standard->name, name) == 0 &&
			(standard->leg < 0 || strcmp(contract->legs[standard->leg].name, leg) == 0) &&
			lh_rulebook_test(contract->standard.book, i, row, NULL) == LH_TRUE)
			return standard;
	}
	return NULL;
}

bool
lh_is_forbidden(const LhContract *contract, const char *channel, const LhFields *row)
{
	int			i = channel == NULL ? -1 : lh_contract_channel(contract, channel);

	return i >= 0 && lh_rulebook_test(contract->forbidden.book, i, row, NULL) == LH_TRUE;
}

/* How many channels can be asked for. */
static int
most_channels(const LhContract *contract, const LhFields *row)
{
	int			n = 0;

	if (contract->forbidden.n == 0)
		return INT_MAX;			/* it names none, and so forbids none */
	for (int i = 0; i < contract->forbidden.n; i++)
		if (lh_rulebook_test(contract->forbidden.book, i, row, NULL) != LH_TRUE)
			n++;
	return n;
}

/* Is it at least so much later? */
static bool
is_past(TimestampTz at, TimestampTz last, const Interval *gap)
{
	return at >= DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
														 TimestampTzGetDatum(last), IntervalPGetDatum(gap)));
}

static int
count_touches(const LhTouch *touches, int n, const Interval *gap)
{
	const LhTouch *last = NULL;
	int			count = 0;

	for (int i = 0; i < n; i++)
	{
		if (last != NULL && gap != NULL && !is_past(touches[i].at, last->at, gap))
			continue;
		last = &touches[i];
		count++;
	}
	return count;
}

static bool
is_new_channel(const LhTouch *touches, int i)
{
	for (int j = 0; j < i; j++)
		if (touches[j].channel != NULL && strcmp(touches[j].channel, touches[i].channel) == 0)
			return false;
	return true;
}

static int
count_channels(const LhContract *contract, const LhTouch *touches, int n, const LhFields *row)
{
	int			count = 0;

	for (int i = 0; i < n; i++)
		if (touches[i].channel != NULL && is_new_channel(touches, i) &&
			!lh_is_forbidden(contract, touches[i].channel, row))
			count++;
	return count;
}

static int
count_contacts(const LhTouch *touches, int n)
{
	int			count = 0;

	for (int i = 0; i < n; i++)
		count += touches[i].is_contact;
	return count;
}

/* Touches come by time, and so do their business days. */
static int
count_business_days(const LhTouch *touches, int n, LhCalendar *hours)
{
	TimestampTz last = DT_NOBEGIN;
	int			count = 0;

	for (int i = 0; i < n; i++)
	{
		TimestampTz day;

		if (!lh_business_day(hours, touches[i].at, &day) || day <= last)
			continue;
		last = day;
		count++;
	}
	return count;
}

bool
lh_work_owed(const LhContract *contract, const LhWorkStandard *standard, const LhHandoff *handoff,
			 const LhWork *work, const LhFields *row, LhOwed *owed)
{
	int			most = most_channels(contract, row);
	const LhTouch *touches = work->touches;
	int			n = work->n;
	bool		enough = true;

	if (!standard->counts_predecessor && handoff->owner_since != LH_NOT_YET)
		for (; n > 0 && touches->at < handoff->owner_since; n--)
			touches++;
	owed[LH_PART_TOUCHES] = (LhOwed) {count_touches(touches, n, standard->min_gap), standard->min_touches};
	owed[LH_PART_CHANNELS] = (LhOwed) {count_channels(contract, touches, n, row), Min(standard->min_channels, most)};
	owed[LH_PART_CONTACTS] = (LhOwed) {count_contacts(touches, n), standard->min_contacts};
	owed[LH_PART_BUSINESS_DAYS] = (LhOwed) {
		standard->min_business_days == 0 ? 0 : count_business_days(touches, n, work->hours), standard->min_business_days
	};
	for (int part = 0; part < LH_NPARTS; part++)
	{
		if (most == 0)
			owed[part].needs = 0;
		enough = enough && owed[part].has >= owed[part].needs;
	}
	return enough;
}
