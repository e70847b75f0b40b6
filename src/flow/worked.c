/*
 * src/flow/worked.c
 *
 * What a lead's activities and opportunities say about its handoffs: touches, contacts, meetings,
 * milestones.
 *
 * All of it is computed anew from what is known now, so that something that comes late, or is
 * corrected, corrects the handoff too, also a closed one: an event "worked" says so.
 */
#include "flow/decide.h"

#include "flow/lead.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/timestamp.h"

/* Touches ------------------------------------------------------------------------------------ */

bool
lh_activity_means(const LhDecision *decision, const LhActivity *activity, LhMeaning meaning)
{
	for (int r = 0; r < decision->contract->meaning.n; r++)
		if (activity->means[r] && decision->contract->meaning_rules[r].meaning == meaning)
			return true;
	return false;
}

bool
lh_is_touch(const LhDecision *decision, const LhActivity *activity)
{
	return lh_activity_means(decision, activity, LH_MEANS_TOUCH) || lh_activity_means(decision, activity, LH_MEANS_CONTACT);
}

static bool
is_within(const LhActivity *activity, const LhHandoff *h)
{
	return activity->at >= h->handed_at && (h->closed_at == LH_NOT_YET || activity->at <= h->closed_at);
}

/* By the name that the contract has for it, if it has one. */
static char *
channel_of(const LhDecision *decision, const LhActivity *activity)
{
	const LhContract *contract = decision->contract;
	int			field = lh_fieldset_find(contract->activity_set, "channel");
	char	   *name;
	int			channel;

	if (activity->row->isnull[field])
		field = lh_fieldset_find(contract->activity_set, "kind");
	if (activity->row->isnull[field])
		return NULL;
	name = TextDatumGetCString(activity->row->values[field]);
	channel = lh_contract_channel(contract, name);
	return channel < 0 ? name : contract->channels[channel].name;
}

/*
 * What was done with leads that have joined a handoff counts for it.  Of one that is over this is not known
 * any more: then it stays as it is.
 */
bool
lh_is_counted(const LhDecision *decision, const LhHandoff *h)
{
	return lh_knows_activities(decision, h) &&
		(h->joined_activities == 0 || h->handoff_no == decision->input->shared_with);
}

static int
nshared(const LhDecision *decision, const LhHandoff *h)
{
	return h->handoff_no == decision->input->shared_with ? decision->input->nshared : 0;
}

/* Activity i of a handoff: the lead's own come first. */
static const LhActivity *
activity_of(const LhInput *input, int i)
{
	return i < input->nactivities ? &input->activities[i] : &input->shared[i - input->nactivities];
}

static int
compare_times(const void *a, const void *b)
{
	const LhActivity *left = *(const LhActivity *const *) a;
	const LhActivity *right = *(const LhActivity *const *) b;

	return left->at < right->at ? -1 : left->at > right->at;
}

/* Those of a handoff that have happened by now, by time. */
const LhActivity **
lh_activities_within(const LhDecision *decision, const LhHandoff *h, int *n)
{
	const LhInput *input = decision->input;
	int			nall = input->nactivities + nshared(decision, h);
	const LhActivity **activities = palloc_array(const LhActivity *, Max(nall, 1));

	*n = 0;
	for (int i = 0; i < nall; i++)
	{
		const LhActivity *activity = activity_of(input, i);

		if (is_within(activity, h) && activity->at <= decision->now)
			activities[(*n)++] = activity;
	}
	if (nall > input->nactivities)
		qsort(activities, *n, sizeof(LhActivity *), compare_times);
	return activities;
}

static bool
is_work(const LhDecision *decision, const LhActivity *activity)
{
	return lh_is_touch(decision, activity) || lh_activity_means(decision, activity, LH_MEANS_BOOKED) ||
		lh_activity_means(decision, activity, LH_MEANS_NO_SHOW) || lh_activity_means(decision, activity, LH_MEANS_MEETING_HELD);
}

/* Count one activity for a handoff that was just handed over, and nothing of it yet. */
static void
count(LhDecision *decision, LhHandoff *h, const LhActivity *activity)
{
	char	   *channel;

	if (lh_activity_means(decision, activity, LH_MEANS_BOOKED))
		h->booked_at = Min(h->booked_at, activity->at);
	if (lh_activity_means(decision, activity, LH_MEANS_NO_SHOW))
		h->no_show = true;
	if (lh_activity_means(decision, activity, LH_MEANS_MEETING_HELD))
	{
		h->meeting_held_at = Min(h->meeting_held_at, activity->at);
		h->no_show = false;
	}
	if (!lh_is_touch(decision, activity))
		return;
	h->touches++;
	h->first_touch_at = Min(h->first_touch_at, activity->at);
	channel = channel_of(decision, activity);
	if (channel != NULL)
		h->channels.values[h->channels.n++] = channel;
	if (!lh_activity_means(decision, activity, LH_MEANS_CONTACT))
		return;
	h->contacts++;
	h->first_contact_at = Min(h->first_contact_at, activity->at);
}

static void
count_touches(LhDecision *decision, LhHandoff *h)
{
	const LhInput *input = decision->input;
	int			n = input->nactivities + nshared(decision, h);

	h->touches = 0;
	h->contacts = 0;
	h->joined_activities = 0;
	h->channels.n = 0;
	h->channels.values = palloc_array(char *, Max(n, 1));
	h->first_touch_at = LH_NOT_YET;
	h->first_contact_at = LH_NOT_YET;
	h->meeting_held_at = LH_NOT_YET;
	h->no_show = false;
	if (h->booked_at >= h->handed_at)
		h->booked_at = LH_NOT_YET;	/* an earlier booking is what made the handoff */
	for (int i = 0; i < n; i++)
	{
		const LhActivity *activity = activity_of(input, i);

		if (!is_within(activity, h))
			continue;
		if (activity->at > decision->now)
		{
			/* from a clock that is ahead of ours: it counts when its time comes */
			decision->valid_until = Min(decision->valid_until, activity->at);
			continue;
		}
		count(decision, h, activity);
		if (i >= input->nactivities && is_work(decision, activity))
			h->joined_activities++;
	}
	h->channels.n = lh_sort_unique(h->channels.values, h->channels.n);
}

int
lh_touches_of(const LhDecision *decision, const LhHandoff *h, LhTouch **touches)
{
	int			n;
	const LhActivity **activities = lh_activities_within(decision, h, &n);
	int			found = 0;

	*touches = palloc_array(LhTouch, n + 1);
	for (int i = 0; i < n; i++)
		if (lh_is_touch(decision, activities[i]))
			(*touches)[found++] = (LhTouch) {
				activities[i]->at, channel_of(decision, activities[i]),
				lh_activity_means(decision, activities[i], LH_MEANS_CONTACT)
			};
	return found;
}

/* Opportunities ------------------------------------------------------------------------------ */

/* The last handoff before an opportunity was created, else the first. */
static LhHandoff *
handoff_before(const LhLead *lead, const LhOpportunity *opportunity)
{
	LhHandoff  *found = &((LhLeadHandoff *) linitial(lead->handoffs))->h;
	ListCell   *lc;

	foreach(lc, lead->handoffs)
	{
		LhHandoff  *h = &((LhLeadHandoff *) lfirst(lc))->h;

		if (h->handed_at <= opportunity->created_at)
			found = h;
	}
	return found;
}

/* Is h the handoff of its leg that led to the handoff found? */
static bool
leads_to(const LhLead *lead, const LhHandoff *h, const LhHandoff *found)
{
	ListCell   *lc;

	if (h->cycle != found->cycle || h->handoff_no > found->handoff_no)
		return false;
	foreach(lc, lead->handoffs)
	{
		const LhHandoff *other = &((LhLeadHandoff *) lfirst(lc))->h;

		if (other->handoff_no > h->handoff_no && other->handoff_no <= found->handoff_no &&
			strcmp(other->leg, h->leg) == 0)
			return false;
	}
	return true;
}

/*
 * Does it count for the lead?  One that nothing but the account says is the lead's does if it was created soon
 * enough after a handoff of the lead.
 */
static bool
is_ours(const LhDecision *decision, const LhOpportunity *opportunity)
{
	const Interval *window = decision->contract->opportunity_window;
	ListCell   *lc;

	if (opportunity->account_key == NULL)
		return true;
	if (window == NULL || !lh_same_text(opportunity->account_key, decision->lead->account_key))
		return false;
	foreach(lc, decision->lead->handoffs)
	{
		const LhHandoff *h = &((LhLeadHandoff *) lfirst(lc))->h;

		if (h->handed_at <= opportunity->created_at && opportunity->created_at <= lh_after(h->handed_at, window))
			return true;
	}
	return false;
}

static void
mark(LhHandoff *h, const LhOpportunity *opportunity, bool *any_open)
{
	h->opportunity_at = Min(h->opportunity_at, opportunity->created_at);
	if (opportunity->closed_at == LH_NOT_YET)
		*any_open = true;
	else if (opportunity->is_won)
		h->won_at = Min(h->won_at, opportunity->closed_at);
	else if (h->lost_at == LH_NOT_YET || h->lost_at < opportunity->closed_at)
		h->lost_at = opportunity->closed_at;
}

/*
 * An opportunity counts for the last handoff before it was created, and, in the same cycle, for the
 * last one of each earlier leg: what the SDR handed on became it too.
 */
static void
count_opportunities(LhDecision *decision)
{
	LhLead	   *lead = decision->lead;
	ListCell   *lc;

	foreach(lc, lead->handoffs)
	{
		LhHandoff  *h = &((LhLeadHandoff *) lfirst(lc))->h;
		bool		any_open = false;

		h->opportunity_at = LH_NOT_YET;
		h->won_at = LH_NOT_YET;
		h->lost_at = LH_NOT_YET;
		for (int i = 0; i < decision->input->nopportunities; i++)
		{
			const LhOpportunity *opportunity = &decision->input->opportunities[i];

			if (is_ours(decision, opportunity) && leads_to(lead, h, handoff_before(lead, opportunity)))
				mark(h, opportunity, &any_open);
		}
		if (h->won_at != LH_NOT_YET || any_open)
			h->lost_at = LH_NOT_YET;
	}
}

/* Speed to lead in open time; what was found for a first touch stays as it is. */
static void
measure_first_touch(const LhDecision *decision, LhHandoff *h, TimestampTz before)
{
	if (h->first_touch_at == LH_NOT_YET)
		h->first_touch_business_seconds = get_float8_nan();
	else if (h->first_touch_at != before)
		h->first_touch_business_seconds = (double)
			lh_open_time(decision->input->hours, h->trigger_at, h->first_touch_at) / USECS_PER_SEC;
}

/* Recompute all handoffs; what changed is an event each. */
void
lh_worked(LhDecision *decision)
{
	ListCell   *lc;

	if (decision->lead->handoffs == NIL)
		return;
	foreach(lc, decision->lead->handoffs)
	{
		LhHandoff  *h = &((LhLeadHandoff *) lfirst(lc))->h;
		TimestampTz first_touch_at = h->first_touch_at;

		if (!lh_is_counted(decision, h))
			continue;
		count_touches(decision, h);
		measure_first_touch(decision, h, first_touch_at);
	}
	count_opportunities(decision);
	foreach(lc, decision->lead->handoffs)
	{
		LhLeadHandoff *handoff = lfirst(lc);

		if (!lh_handoff_equal(&handoff->h, &handoff->logged))
			lh_handoff_event(decision, handoff, "worked", "source", NULL);
	}
}
