/*
 * src/flow/milestones.c
 *
 * What activities and opportunities make of a lead's journey: acceptance read from the work done,
 * meetings, opportunities, signals.
 */
#include "flow/journey.h"

/* Handoffs ----------------------------------------------------------------------------------- */

/* An acceptance that the contract reads from what was done. */
static void
accept_by_work(Journey *journey)
{
	LhDecision *decision = journey->decision;
	const LhContract *contract = decision->contract;
	LhLeadHandoff *handoff = lh_open_handoff(decision->lead);
	const LhHandoff *h;

	if (handoff == NULL || handoff->h.accepted_at != LH_NOT_YET)
		return;
	h = &handoff->h;
	if (contract->accept_on_first_touch && h->first_touch_at != LH_NOT_YET)
		lh_accept(decision, handoff, "first_touch", h->first_touch_at, "contract");
	else if (contract->accept_on_meeting && h->meeting_held_at != LH_NOT_YET)
		lh_accept(decision, handoff, "meeting", h->meeting_held_at, "contract");
	else if (contract->accept_on_opportunity && h->opportunity_at != LH_NOT_YET)
		lh_accept(decision, handoff, "opportunity", Max(h->opportunity_at, h->handed_at), "contract");
	else
		return;
	lh_fire(journey, LH_ACCEPTED, NULL);
}

/* Ended by its stage's age, though nothing was lost: an opportunity that was open then isn't open again. */
static bool
has_aged(const LhHandoff *last)
{
	return last->closed_at != LH_NOT_YET && last->opportunity_at <= last->closed_at &&
		last->code != NULL && strcmp(last->code, lh_cause_name(LH_DUE)) == 0;
}

/* A meeting was held.  The one that had led on to a handoff which was returned leads nowhere twice. */
static bool
has_met(const LhDecision *decision, const LhHandoff *last)
{
	TimestampTz since = lh_goes_on_since(decision->lead, last);
	const LhActivity **activities;
	int			n;

	if (last->meeting_held_at == LH_NOT_YET || since == last->handed_at)
		return last->meeting_held_at != LH_NOT_YET;
	activities = lh_activities_within(decision, last, &n);
	for (int i = 0; i < n; i++)
		if (activities[i]->at > since && lh_activity_means(decision, activities[i], LH_MEANS_MEETING_HELD))
			return true;
	return false;
}

/*
 * Opportunities of the cycle of the last handoff: one that was made before an AE got the lead counts
 * for the SDR's handoff alone, and moves the lead all the same, unless it was lost by then, or by when the AE
 * returned it.
 *
 * Where the lead ends up does not depend on how often it was looked at: the way to what is won or lost leads
 * through the opportunity while sales has the lead.  Later only what says otherwise than its stage moves it:
 * one that is open again though all were lost, or the one that was won turns out not to be.
 */
static void
follow_opportunities(Journey *journey, const LhHandoff *last)
{
	bool		any = false;
	bool		is_open = false;
	bool		is_won = false;
	TimestampTz since = lh_goes_on_since(journey->decision->lead, last);
	ListCell   *lc;

	foreach(lc, journey->decision->lead->handoffs)
	{
		const LhHandoff *h = &((LhLeadHandoff *) lfirst(lc))->h;

		if (h->cycle != last->cycle || h->opportunity_at == LH_NOT_YET ||
			(h->lost_at != LH_NOT_YET && h->lost_at < since))
			continue;
		any = true;
		is_won = is_won || h->won_at != LH_NOT_YET;
		is_open = is_open || h->lost_at == LH_NOT_YET;
	}
	if (any && (lh_open_handoff(journey->decision->lead) != NULL || (is_open && !is_won && !has_aged(last))))
		lh_fire(journey, LH_OPPORTUNITY, NULL);
	if (is_won)
		lh_fire(journey, LH_WON, NULL);
	else if (any && !is_open)
		lh_fire(journey, LH_LOST, NULL);
}

/*
 * Meetings and opportunities are facts, not wishes: what the contract has a transition for, it lets
 * happen as often as one is due from where the lead is; the rest is recorded all the same.
 */
void
lh_follow_milestones(Journey *journey)
{
	LhLeadHandoff *last = lh_last_handoff(journey->decision->lead);

	if (last == NULL)
		return;
	accept_by_work(journey);
	if (has_met(journey->decision, &last->h))
		lh_fire(journey, LH_MEETING, NULL);
	follow_opportunities(journey, &last->h);
}

/* Signals ------------------------------------------------------------------------------------ */

/*
 * Does a lead listen to a signal?  One that sales has just given up does to those that its disposition
 * names; in the nurture stage that follows the last cycle, as in any other stage, all count.
 */
static bool
listens_to(const LhDecision *decision, const char *signal)
{
	const LhContract *contract = decision->contract;
	const LhLead *lead = decision->lead;
	const LhLeadHandoff *last = lh_last_handoff(lead);
	const LhDisposition *disposition;
	const LhRecyclePath *path;

	if (last == NULL || last->h.closed_at != lead->stage_since)
		return true;
	disposition = lh_disposition_of(contract, last->h.code, last->h.outcome);
	if (disposition == NULL)
		return true;
	if (strcmp(disposition->outcome, "disqualified") == 0)
		return lh_is_among(signal, disposition->reopen_on, disposition->nreopen_on);
	path = lh_resting_path(decision);
	return path == NULL || lh_is_among(signal, path->reenter_on, path->nreenter_on);
}

void
lh_follow_signals(Journey *journey, bool was_held)
{
	LhDecision *decision = journey->decision;

	/* a signal that was held up is tried again until it gets through or ends */
	for (int i = 0; i < decision->contract->meaning.n; i++)
		if ((decision->entered[i] || (was_held && decision->score->signals[i])) &&
			listens_to(decision, decision->contract->meaning_rules[i].name))
			lh_fire(journey, LH_SIGNAL, NULL);
}

/* Names of the signals that the lead has given now. */
static int
new_signals(const LhDecision *decision, char **names)
{
	const LhContract *contract = decision->contract;
	int			n = 0;

	for (int i = 0; i < contract->meaning.n; i++)
		if (decision->entered[i])
			names[n++] = contract->meaning_rules[i].name;
	return n;
}

/*
 * A lead that sales has asks again, itself or by another lead of its person that has joined it: its owner is
 * told, and is to answer.
 */
void
lh_follow_reengagement(Journey *journey)
{
	LhDecision *decision = journey->decision;
	LhLeadHandoff *open = lh_open_handoff(decision->lead);
	bool		reengaged = lh_hear_joiners(decision);
	char	  **names = palloc_array(char *, Max(decision->contract->meaning.n, 1));
	int			n = new_signals(decision, names);
	LhJson		extra;

	if (open != NULL && n > 0 &&
		(decision->deaf_since != LH_NOT_YET || decision->input->activity_at > open->h.handed_at))
	{
		open->h.signal_at = decision->now;
		lh_json_begin(&extra);
		lh_json_texts(&extra, "signals", names, n);
		lh_handoff_event(decision, open, "reengaged", "source", &extra)->notify = "handoff.reengaged";
		reengaged = true;
	}
	if (!reengaged)
		return;
	lh_start_response(decision, open);
	lh_fire(journey, LH_REENGAGED, NULL);
}
