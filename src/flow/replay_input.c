/*
 * src/flow/replay_input.c
 *
 * What a decision of a replay is told: the row as it was then, activities that were known, opportunities,
 * the person's other leads.
 */
#include "flow/replay.h"

#include "json.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Activities as a version has them; rows[i] belongs to history->activities[i]. */
typedef struct Bound
{
	const LhContract *contract;
	LhActivity *activities;
} Bound;

/* All activities of the lead as a version has them, bound once. */
static LhActivity *
bind_activities(LhReplay *replay, const LhContract *contract)
{
	const LhHistory *history = replay->history;
	const LhFieldSet *set = contract->activity_set;
	Bound	   *bound;
	ListCell   *lc;

	foreach(lc, replay->bound)
	{
		bound = lfirst(lc);
		if (bound->contract == contract)
			return bound->activities;
	}
	bound = palloc_object(Bound);
	bound->contract = contract;
	bound->activities = palloc_array(LhActivity, history->nactivities + 1);
	for (int i = 0; i < history->nactivities; i++)
	{
		LhActivity *activity = &bound->activities[i];

		*activity = history->activities[i].activity;
		activity->row = lh_fields_create(set);
		lh_fields_from_jsonb(activity->row, history->activities[i].fields, LH_ACTIVITY_FIELDS_FIRST, set->nfields);
		lh_fields_set(activity->row, lh_fieldset_find(set, "lead_key"), CStringGetTextDatum(history->lead_key));
		lh_fields_set(activity->row, lh_fieldset_find(set, "at"), TimestampTzGetDatum(activity->at));
	}
	replay->bound = lappend(replay->bound, bound);
	return bound->activities;
}

/* What is new among the activities, as the drain would say it. */
static void
find_new(const LhReplay *replay, LhInput *input)
{
	const LhHistory *history = replay->history;
	TimestampTz at = replay->known_at;

	for (int i = 0; i < history->nactivities; i++)
	{
		const LhPastActivity *past = &history->activities[i];

		if (past->to > replay->taken_to && past->to <= at)
			input->changed_since = DT_NOBEGIN;
		if (past->from <= replay->taken_to || past->from > at || past->to <= at)
			continue;
		input->changed_since = Min(input->changed_since, past->activity.at);
		if (past->activity.at > input->activity_at)
		{
			input->activity_at = past->activity.at;
			input->activity_seen_at = past->from;
		}
	}
}

static void
give_activities(LhReplay *replay, const LhContract *contract, LhInput *input)
{
	const LhHistory *history = replay->history;
	TimestampTz at = replay->known_at;
	int			first = 0;
	int			end = history->nactivities;
	LhActivity *bound = bind_activities(replay, contract);

	/* they are in order of time */
	while (first < end)
	{
		int			middle = first + (end - first) / 2;

		if (bound[middle].at > input->activities_since)
			end = middle;
		else
			first = middle + 1;
	}
	input->activities = palloc_array(LhActivity, history->nactivities - first + 1);
	for (int i = first; i < history->nactivities; i++)
	{
		const LhPastActivity *past = &history->activities[i];

		if (past->from <= at && at < past->to)
			input->activities[input->nactivities++] = bound[i];
	}
}

/* Other leads of the person, as they were: within one moment leads are decided in the order of their keys. */
static void
give_others(const LhReplay *replay, LhInput *input, TimestampTz at)
{
	const LhHistory *history = replay->history;

	input->others = history->nothers == 0 ? NULL : palloc_array(LhOther, history->nothers);
	for (int i = 0; i < history->nothers; i++)
	{
		LhOther		other = history->others[i];
		bool		before_us = strcmp(other.lead_key, history->lead_key) < 0;

		if (strcmp(other.lead_key, history->lead_key) == 0 || other.handed_at > at ||
			(other.handed_at == at && !before_us))
			continue;
		if (other.closed_at > at || (other.closed_at == at && !before_us))
			other.closed_at = LH_NOT_YET;
		input->others[input->nothers++] = other;
	}
}

static void
give_opportunities(const LhReplay *replay, LhInput *input, TimestampTz at)
{
	const LhHistory *history = replay->history;

	input->opportunities = palloc_array(LhOpportunity, history->nopportunities + 1);
	for (int i = 0; i < history->nopportunities; i++)
	{
		LhOpportunity *opportunity = &input->opportunities[input->nopportunities];

		if (history->told_at[i] > at)
			continue;
		*opportunity = history->opportunities[i];
		input->nopportunities++;
		if (history->end_told_at[i] <= at)
			continue;
		opportunity->closed_at = LH_NOT_YET;
		opportunity->is_won = false;
	}
}

/* The row as it is after those events; whether it was older than its source's since is not logged. */
static void
give_row(const LhReplay *replay, const LhContract *contract, const LhReplayStep *step, LhInput *input)
{
	const LhHistory *history = replay->history;
	Jsonb	   *fields = replay->was.lead.fields;
	int			created_at = lh_fieldset_find(contract->lead_set, "created_at");

	input->row_read = true;
	input->row_present = step == NULL || !step->gone;
	input->merged_into = step == NULL ? NULL : step->merged_into;
	input->merged_by = "source";
	input->row = lh_fields_create(contract->lead_set);
	lh_fields_from_jsonb(input->row, fields, 0, contract->nmapped);
	input->account_read = true;
	input->account = fields;
	input->crm_status = step == NULL || !replay->would.exists ? NULL : step->crm_status;
	input->backfill = !replay->would.exists && history->since != DT_NOBEGIN &&
		(history->trigger_at < history->since ||
		 (!input->row->isnull[created_at] &&
		  DatumGetTimestampTz(input->row->values[created_at]) < history->since));
}

static void
give_account(const LhPastEvent *event, LhInput *input)
{
	LhFoundAccount *found;

	if (event == NULL)
		return;
	found = palloc0_object(LhFoundAccount);
	found->account_key = lh_json_get_text(event->detail, "to");
	found->method = lh_json_get_text(event->detail, "method");
	if (found->method == NULL || strcmp(found->method, "crm") != 0)
		input->found = found;
}

void
lh_give_input(LhReplay *replay, const LhContract *contract, LhReplayStep *step, TimestampTz at, LhInput *input)
{
	const LhHistory *history = replay->history;

	memset(input, 0, sizeof(*input));
	input->version = DT_NOBEGIN;
	input->seen_at = at;
	input->since = history->since;
	input->key_prefix = history->key_prefix;
	input->activity_at = DT_NOBEGIN;
	input->changed_since = DT_NOEND;
	if (replay->owes_row || (step != NULL && step->reads_row))
		give_row(replay, contract, step, input);
	give_account(step != NULL && step->account != NULL ? step->account : replay->owes_account, input);
	if (step != NULL && step->action.kind != LH_DO_NOTHING)
	{
		step->action.refusal = &step->refusal;
		input->action = &step->action;
	}
	if (input->crm_status != NULL || (input->action != NULL && input->action->kind == LH_DO_UNDISPOSE))
		input->undo = replay->undo;
	find_new(replay, input);
	give_opportunities(replay, input, at);
	give_others(replay, input, at);
	lh_find_horizon(contract, &replay->would, input, at);
	give_activities(replay, contract, input);
}
