/*
 * src/flow/horizon.c
 *
 * Which of a lead's activities a decision has to see.
 *
 * From all of them everything can be made anew, and sometimes must be.  But most decisions come of one
 * activity that is newer than all the others, about a lead that may have thousands.  What the older
 * ones gave is kept with the lead: the fold of its intent and its newest booking; and of handoffs that
 * are over, counts and verdicts.  Then only those activities are read that are newer than the fold,
 * may still make a signal hold, or belong to a handoff that is open or that something new belongs to.
 *
 * By the same reasoning old activities can be purged (purge.c): what they gave is kept as a checkpoint,
 * from which the fold then begins.
 */
#include "flow/decide.h"

#include "utils/timestamp.h"

/* Is what is kept with the lead of use: by this version, and older than all that is new? */
static bool
can_go_on(const LhContract *contract, const LhLead *lead, const LhInput *input)
{
	return lead->exists && lead->deleted_at == DT_NOEND &&
		lead->contract_id == contract->contract_id &&
		lead->ngroups == contract->nintent_groups &&
		!contract->clocked_activities &&
		lead->fold.at != DT_NOEND && input->changed_since > lead->fold.at &&
		input->action == NULL && input->crm_status == NULL; /* they may open again what is over */
}

static TimestampTz
signals_need_since(const LhContract *contract, const LhLead *lead, TimestampTz now)
{
	TimestampTz since = DT_NOEND;

	for (int i = 0; i < contract->meaning.n; i++)
		if (contract->meaning_rules[i].meaning == LH_MEANS_SIGNAL)
			since = Min(since, lh_signal_since(&contract->meaning_rules[i], now, lead->cycle_since));
	return since;
}

static TimestampTz
handoffs_need_since(const LhLead *lead, TimestampTz changed_since)
{
	TimestampTz since = DT_NOEND;
	ListCell   *lc;

	foreach(lc, lead->handoffs)
	{
		const LhHandoff *h = &((LhLeadHandoff *) lfirst(lc))->h;

		if (h->closed_at == LH_NOT_YET || h->closed_at >= changed_since)
			since = Min(since, h->handed_at - 1);
	}
	return since;
}

void
lh_find_horizon(const LhContract *contract, const LhLead *lead, LhInput *input, TimestampTz now)
{
	TimestampTz since = lead->fold.at;

	input->anew = !can_go_on(contract, lead, input);
	if (input->anew)
	{
		input->activities_since = lead->checkpoint == NULL ? DT_NOBEGIN : lead->checkpoint->at;
		return;
	}
	now = Max(now, lead->decided_at);
	since = Min(since, signals_need_since(contract, lead, now));
	input->activities_since = Min(since, handoffs_need_since(lead, input->changed_since));
}

/* Activities up to then will never be asked for again, but for the points they gave. */
TimestampTz
lh_purgeable_to(const LhContract *contract, const LhLead *lead, TimestampTz now)
{
	TimestampTz to = Min(signals_need_since(contract, lead, now),
						 handoffs_need_since(lead, DT_NOEND));

	if (lead->booked_at != DT_NOBEGIN)
		to = Min(to, lead->booked_at - 1);
	return Min(to, now);
}

/*
 * Where a fold of all activities that there are begins: with nothing, or with what those that were
 * purged had given.  Another version may have other groups: of the same name is the same group.
 */
LhFold
lh_fold_anew(const LhContract *contract, const LhLead *lead)
{
	const LhCheckpoint *checkpoint = lead->checkpoint;
	LhFold		fold = {.at = lead->intent_since};

	if (checkpoint == NULL || checkpoint->at <= lead->intent_since)
		return fold;
	fold.at = checkpoint->at;
	fold.heats = palloc0_array(LhHeat, Max(contract->nintent_groups, 1));
	for (int g = 0; g < contract->nintent_groups; g++)
		for (int i = 0; i < checkpoint->ngroups; i++)
		{
			if (strcmp(contract->intent_groups[g].name, checkpoint->groups[i]) != 0)
				continue;
			fold.heats[g] = checkpoint->half_life == contract->half_life ? checkpoint->heats[i] :
				lh_heat_of(lh_heat_points(checkpoint->heats[i], checkpoint->at, checkpoint->half_life),
						   checkpoint->at, contract->half_life);
		}
	return fold;
}

/* Has the decision seen all activities of a handoff? */
bool
lh_knows_activities(const LhDecision *decision, const LhHandoff *h)
{
	return h->handed_at > decision->input->activities_since;
}
