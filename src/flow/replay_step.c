/*
 * src/flow/replay_step.c
 *
 * The log of a lead cut into the decisions that wrote it, and what each of them was told: that the row or the
 * account has changed, what somebody did.
 *
 * Events of one decision have one recorded_at, and no two decisions of a lead have the same; their moment (at) may
 * be, as when a tick takes a row and then a clock is due.
 */
#include "flow/replay.h"

#include "json.h"
#include "utils/timestamp.h"

/* Somebody did it, through the API: neither we, nor the CRM by a row that was read. */
static bool
by_hand(const LhPastEvent *event)
{
	return strcmp(event->actor, "contract") != 0 && strcmp(event->actor, "crm") != 0 && strcmp(event->actor, "source") != 0;
}

static bool
is(const LhPastEvent *event, const char *type)
{
	return strcmp(event->type, type) == 0;
}

/* The event beside another one of the same decision; NULL: there is none. */
static const LhPastEvent *
beside(const LhHistory *history, int i, int offset)
{
	int			other = i + offset;

	return other < 0 || other >= history->nevents || history->events[other].recorded_at != history->events[i].recorded_at ?
		NULL : &history->events[other];
}

/* A handoff ended by an answer of sales, also one that escalation has given in its place? */
static bool
is_disposal(const LhHistory *history, int i)
{
	const LhPastEvent *before = beside(history, i, -1);
	const LhPastEvent *after = beside(history, i, 1);

	if (before != NULL && (is(before, "merged") || is(before, "forgotten") || is(before, "deleted")))
		return false;
	if (after != NULL && is(after, "undisposed"))
		return false;			/* it had only been opened in the other's place */
	if (by_hand(&history->events[i]))
		return true;
	return before != NULL && is(before, "escalated") &&
		strcmp(lh_json_get_text(before->detail, "action"), lh_step_actions[LH_STEP_RECYCLE]) == 0;
}

/* A move that no transition has made, or one that somebody's disposition has. */
static LhActionKind
kind_of_move(const LhHistory *history, int i)
{
	const LhPastEvent *event = &history->events[i];
	const LhPastEvent *after = beside(history, i, 1);
	char	   *override = lh_json_get_text(event->detail, "override");
	char	   *cause = lh_json_get_text(event->detail, "event");

	if (!by_hand(event))
		return LH_DO_NOTHING;
	if (override != NULL && strcmp(override, "manual") == 0)
		return after != NULL && is(after, "handoff") ? LH_DO_HAND_OVER : LH_DO_SET_STAGE;
	return strcmp(cause, lh_cause_name(LH_DISQUALIFIED)) == 0 ? LH_DO_DISPOSE : LH_DO_NOTHING;
}

bool
lh_is_by_hand(const LhReplayStep *step)
{
	return step->action.kind != LH_DO_NOTHING && strcmp(step->action.actor, "contract") != 0;
}

/* What somebody did, if this event says so first. */
static LhActionKind
kind_of(const LhHistory *history, int i)
{
	const LhPastEvent *event = &history->events[i];

	if (is(event, "stage"))
		return kind_of_move(history, i);
	if (is(event, "closed"))
		return is_disposal(history, i) ? LH_DO_DISPOSE : LH_DO_NOTHING;
	if (!by_hand(event))
		return LH_DO_NOTHING;
	if (is(event, "accepted"))
		return LH_DO_ACCEPT;
	if (is(event, "qualified"))
		return LH_DO_QUALIFY;
	if (is(event, "rerouted"))
		return LH_DO_DISPOSE;
	return is(event, "undisposed") ? LH_DO_UNDISPOSE : LH_DO_NOTHING;
}

static bool
is_input(const LhPastEvent *event)
{
	return is(event, "created") || is(event, "fields") || is(event, "restored") || is(event, "account") ||
		is(event, "deleted") || is(event, "merged");
}

/* When a recycled lead was to come back, if somebody said so: by its path it would be another time. */
static TimestampTz
until_of(LhBacktest *test, const LhHistory *history, int i)
{
	const LhPastEvent *event = &history->events[i];
	const LhContract *contract = lh_backtest_version(test, event->contract_id);

	for (int k = 1; beside(history, i, k) != NULL; k++)
	{
		const LhPastEvent *recycled = beside(history, i, k);
		char	   *name = is(recycled, "recycled") ? lh_json_get_text(recycled->detail, "path") : NULL;
		TimestampTz due = name == NULL ? LH_NOT_YET :
			lh_json_get_time(lh_json_object(recycled->detail, "set"), "recycle_due_at", LH_NOT_YET);

		for (int p = 0; name != NULL && p < contract->npaths; p++)
		{
			const LhRecyclePath *path = &contract->paths[p];

			if (strcmp(path->name, name) == 0)
				return path->delay != NULL && lh_after(event->at, path->delay) == due ? LH_NOT_YET : due;
		}
	}
	return LH_NOT_YET;
}

static void
take_disposal(LhBacktest *test, const LhHistory *history, int i, LhAction *action)
{
	const LhPastEvent *event = &history->events[i];
	Jsonb	   *set = lh_json_object(event->detail, "set");

	action->code = lh_json_get_text(is(event, "closed") ? set : event->detail, "code");
	action->outcome = is(event, "closed") ? lh_json_get_text(set, "outcome") :
		is(event, "rerouted") ? "reroute" : NULL;
	action->until = until_of(test, history, i);
}

static void
take_action(LhBacktest *test, const LhHistory *history, int i, LhActionKind kind, LhAction *action)
{
	const LhPastEvent *event = &history->events[i];

	action->kind = kind;
	action->name = "backtest";
	action->actor = event->actor;
	action->how = "explicit";
	action->until = LH_NOT_YET;
	if (kind == LH_DO_DISPOSE)
		take_disposal(test, history, i, action);
	else if (kind == LH_DO_HAND_OVER)
		action->leg = event->leg;
	else if (kind == LH_DO_SET_STAGE)
		action->stage = lh_json_get_text(event->detail, "to");
	if (kind == LH_DO_HAND_OVER || kind == LH_DO_SET_STAGE)
		action->note = lh_json_get_text(event->detail, "code");
}

static void
take_input(const LhPastEvent *event, LhReplayStep *step)
{
	Jsonb	   *changes = is(event, "fields") ? lh_json_object(event->detail, "new") : NULL;

	step->reads_row = true;
	if (changes != NULL)
		step->crm_status = lh_json_get_text(changes, "crm_status");
	if (is(event, "account"))
		step->account = event;
	if (is(event, "deleted") || is(event, "merged"))
		step->gone = true;
	if (is(event, "merged"))
		step->merged_into = lh_json_get_text(event->detail, "into");
}

void
lh_next_replay_step(LhBacktest *test, const LhHistory *history, int first, LhReplayStep *step)
{
	memset(step, 0, sizeof(*step));
	step->at = history->events[first].at;
	step->first = first;
	for (step->end = first; step->end < history->nevents; step->end++)
	{
		const LhPastEvent *event = &history->events[step->end];
		LhActionKind kind = kind_of(history, step->end);

		if (event->recorded_at != history->events[first].recorded_at)
			break;
		if (is_input(event))
			take_input(event, step);
		else if (kind != LH_DO_NOTHING && step->action.kind == LH_DO_NOTHING)
			take_action(test, history, step->end, kind, &step->action);
		if (is(event, "stage") && strcmp(lh_json_get_text(event->detail, "event"), "contract") == 0)
			step->mapped = event;
	}
}
