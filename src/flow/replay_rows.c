/*
 * src/flow/replay_rows.c
 *
 * What was and what would be, beside each other: where the two first differ and why, each handoff of either,
 * and where both come to.
 */
#include "flow/replay.h"

#include "json.h"
#include "utils/builtins.h"

/* Reasons -------------------------------------------------------------------------------------- */

static void
add_reason(List **reasons, char *reason)
{
	*reasons = lappend(*reasons, reason);
}

/* Fit rules that hold on one side only, or give other points there. */
static void
compare_fit(const LhReplay *replay, List **reasons)
{
	const LhContract *contract = replay->contract;
	Jsonb	   *was = replay->was.scored == NULL ? NULL : lh_json_object(replay->was.scored, "rules");
	JsonbIterator *it;
	JsonbValue	value;
	JsonbIteratorToken token;

	for (int i = 0; i < replay->score->nhits; i++)
	{
		const LhScoreRule *rule = &contract->fit_rules[replay->score->hits[i]];
		JsonbValue	buffer;
		bool		held = was != NULL &&
			getKeyJsonValueFromContainer(&was->root, rule->name, strlen(rule->name), &buffer) != NULL;
		int64		points = held ? lh_json_get_int(was, rule->name) : 0;

		if (!held)
			add_reason(reasons, psprintf("fit %s: none -> %d", rule->name, rule->points));
		else if (points != rule->points)
			add_reason(reasons, psprintf("fit %s: " INT64_FORMAT " -> %d", rule->name, points, rule->points));
	}
	if (was == NULL)
		return;
	it = JsonbIteratorInit(&was->root);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		char	   *name;
		bool		holds = false;

		if (token != WJB_KEY)
			continue;
		name = pnstrdup(value.val.string.val, value.val.string.len);
		for (int i = 0; i < replay->score->nhits; i++)
			holds = holds || strcmp(contract->fit_rules[replay->score->hits[i]].name, name) == 0;
		if (!holds)
			add_reason(reasons, psprintf("fit %s: " INT64_FORMAT " -> none", name, lh_json_get_int(was, name)));
	}
}

/* Groups whose intent is another one. */
static void
compare_intent(const LhReplay *replay, List **reasons)
{
	const LhContract *contract = replay->contract;
	Jsonb	   *was = replay->was.scored == NULL ? NULL : lh_json_object(replay->was.scored, "groups");

	for (int i = 0; i < contract->nintent_groups; i++)
	{
		char	   *before = was == NULL ? NULL : lh_json_get_text(was, contract->intent_groups[i].name);

		if (before == NULL || strcmp(before, lh_heat_text(replay->score->fold.heats[i])) != 0)
			add_reason(reasons, psprintf("intent %s", contract->intent_groups[i].name));
	}
}

static void
compare_signals(const LhReplay *replay, List **reasons)
{
	const LhLead *was = &replay->was.lead;
	const LhLead *would = &replay->would;

	for (int i = 0; i < would->nsignals; i++)
		if (!lh_is_among(would->signals[i], was->signals, was->nsignals))
			add_reason(reasons, psprintf("signal %s: no -> yes", would->signals[i]));
	for (int i = 0; i < was->nsignals; i++)
		if (!lh_is_among(was->signals[i], would->signals, would->nsignals))
			add_reason(reasons, psprintf("signal %s: yes -> no", was->signals[i]));
}

/* "lead -> mql on scored", of the newest move. */
static char *
move_text(Jsonb *moved)
{
	return moved == NULL ? "none" :
		psprintf("%s -> %s on %s", lh_json_get_text(moved, "from"), lh_json_get_text(moved, "to"),
				 lh_json_get_text(moved, "event"));
}

static void
compare_journey(const LhReplay *replay, List **reasons)
{
	const LhLead *was = &replay->was.lead;
	const LhLead *would = &replay->would;
	ListCell   *lc;

	if (!lh_same_text(was->gate_code, would->gate_code))
		add_reason(reasons, psprintf("gate %s -> %s", was->gate_code == NULL ? "none" : was->gate_code,
									 would->gate_code == NULL ? "none" : would->gate_code));
	for (int i = 0; i < would->nblocked; i++)
		add_reason(reasons, psprintf("required %s", would->blocked_fields[i]));
	if (strcmp(move_text(replay->was.moved), move_text(replay->moved)) != 0)
		add_reason(reasons, psprintf("moved %s; would: %s", move_text(replay->was.moved), move_text(replay->moved)));
	foreach(lc, would->handoffs)
	{
		const LhHandoff *h = &((LhLeadHandoff *) lfirst(lc))->h;

		if (lh_handoff_of_leg(was, h->leg, lh_place_in_leg(would, lfirst(lc))) == NULL)
			add_reason(reasons, psprintf("handed over at leg %s", h->leg));
	}
}

static List *
reasons_of(const LhReplay *replay, LhDiffers what)
{
	List	   *reasons = NIL;

	if (replay->score != NULL)
	{
		compare_fit(replay, &reasons);
		compare_intent(replay, &reasons);
		compare_signals(replay, &reasons);
	}
	if (what == LH_DIFFERS_STAGE)
		compare_journey(replay, &reasons);
	if (reasons == NIL)
		add_reason(&reasons, what == LH_DIFFERS_STAGE ? "criteria of the journey" : "limits of groups or bands");
	return reasons;
}

/* First differences ---------------------------------------------------------------------------- */

static void
note(LhReplay *replay, LhDiffers what, TimestampTz at)
{
	LhDifference *first = &replay->first[what];

	if (first->at != DT_NOEND)
		return;
	*first = (LhDifference) {
		.at = at,.was_score = replay->was.lead.score,.would_score = replay->would.score,
		.was_band = replay->was.lead.band,.would_band = replay->would.band,
		.was_stage = replay->was.lead.stage,.would_stage = replay->would.stage,
		.reasons = reasons_of(replay, what)
	};
}

void
lh_note_differences(LhReplay *replay, TimestampTz at)
{
	const LhLead *was = &replay->was.lead;
	const LhLead *would = &replay->would;

	if (was->score != would->score)
		note(replay, LH_DIFFERS_SCORE, at);
	if (!lh_same_text(was->band, would->band))
		note(replay, LH_DIFFERS_BAND, at);
	if (!lh_same_text(was->stage, would->stage))
		note(replay, LH_DIFFERS_STAGE, at);
}

/* Rows ----------------------------------------------------------------------------------------- */

const char *
lh_target_text(const char *pool, const char *rep)
{
	return pool != NULL ? psprintf("pool %s", pool) : rep != NULL ? psprintf("rep %s", rep) : NULL;
}

static LhBacktestRow *
new_row(const LhReplay *replay, const char *what)
{
	LhBacktestRow *row = palloc0_object(LhBacktestRow);

	row->lead_key = replay->history->lead_key;
	row->what = what;
	row->at = row->was.at = row->would.at = DT_NOEND;
	row->accepted = row->won = -1;
	row->comparable = true;
	return row;
}

static List *
add_differences(const LhReplay *replay, List *rows)
{
	static const char *const names[LH_NDIFFERS] = {"score", "band", "stage"};

	for (int i = 0; i < LH_NDIFFERS; i++)
	{
		const LhDifference *first = &replay->first[i];
		LhBacktestRow *row;

		if (first->at == DT_NOEND)
			continue;
		row = new_row(replay, names[i]);
		row->at = first->at;
		row->was = (LhSide) {DT_NOEND, first->was_stage, first->was_band, true, first->was_score};
		row->would = (LhSide) {DT_NOEND, first->would_stage, first->would_band, true, first->would_score};
		row->reasons = first->reasons;
		rows = lappend(rows, row);
	}
	return rows;
}

/* What sales made of it: by an answer, or by what became of it. */
static void
find_outcome(const LhHandoff *h, LhBacktestRow *row)
{
	bool		refused = h->outcome != NULL &&
		(strcmp(h->outcome, "recycle") == 0 || strcmp(h->outcome, "disqualified") == 0 || strcmp(h->outcome, "returned") == 0);

	if (h->accepted_at != LH_NOT_YET)
		row->accepted = 1;
	else if (refused)
		row->accepted = 0;
	if (h->won_at != LH_NOT_YET)
		row->won = 1;
	else if (h->lost_at != LH_NOT_YET || refused)
		row->won = 0;
}

static LhSide
side_of(const LhHandoff *h)
{
	LhSide		side = {.at = h->handed_at,.band = h->band,.has_score = true,.score = h->score};

	return side;
}

/* The stage that history's handoff was passed into. */
static const char *
stage_at(const LhReplay *replay, TimestampTz at, const char *leg)
{
	for (int i = 0; i < replay->history->nevents; i++)
	{
		const LhPastEvent *event = &replay->history->events[i];

		if (event->at == at && event->leg != NULL && strcmp(event->leg, leg) == 0 && strcmp(event->type, "stage") == 0)
			return lh_json_get_text(event->detail, "to");
	}
	return NULL;
}

/*
 * The first route that nothing structural speaks against: by what history noted of the routes it passed over
 * then, else by people as they are now.
 */
static void
find_target(const LhReplay *replay, const LhLeadHandoff *handoff, const LhFirstOwner *owner, LhSide *side)
{
	ListCell   *lc;

	foreach(lc, replay->handoffs)
	{
		const LhWouldHandoff *would = lfirst(lc);

		if (would->handoff_no != handoff->h.handoff_no)
			continue;
		side->stage = would->stage;
		for (int i = 0; i < would->nroutes; i++)
		{
			const LhWouldRoute *route = &would->routes[i];
			char	   *code = owner == NULL || owner->routes == NULL ? NULL : lh_json_get_text(owner->routes, route->route);
			bool		was_taken = owner != NULL && strcmp(owner->route, route->route) == 0;

			if (!was_taken && (code != NULL && strcmp(code, "no_match") != 0 ? true : route->against != NULL))
				continue;
			side->route = route->route;
			side->target = route->target;
			return;
		}
	}
}

/* Whom a handoff that nobody has had yet is for is not known. */
static bool
same_side(const LhSide *was, const LhSide *would)
{
	return was->at == would->at && lh_same_text(was->band, would->band) && was->score == would->score &&
		(was->target == NULL || (lh_same_text(was->route, would->route) && lh_same_text(was->target, would->target)));
}

static List *
add_handoff(const LhReplay *replay, const LhLeadHandoff *was, const LhLeadHandoff *would, List *rows)
{
	const LhHandoff *h = was != NULL ? &was->h : &would->h;
	LhBacktestRow *row = new_row(replay, "handoff");
	const LhFirstOwner *owner = NULL;

	row->leg = h->leg;
	row->cycle = h->cycle;
	if (was != NULL)
	{
		owner = list_nth(replay->was.owners, was->h.handoff_no - 1);
		row->was = side_of(&was->h);
		row->was.stage = stage_at(replay, was->h.handed_at, was->h.leg);
		row->was.route = owner == NULL ? NULL : owner->route;
		row->was.target = owner == NULL ? NULL : lh_target_text(owner->pool, owner->rep);
		find_outcome(&was->h, row);
	}
	if (would != NULL)
	{
		row->would = side_of(&would->h);
		find_target(replay, would, owner, &row->would);
	}
	row->at = Min(row->was.at, row->would.at);
	row->comparable = would != NULL || was->h.handed_at <= replay->stopped_at;
	if (!replay->test->all_rows && same_side(&row->was, &row->would))
		return rows;
	return lappend(rows, row);
}

static List *
add_handoffs(const LhReplay *replay, List *rows)
{
	const LhLead *was = &replay->was.lead;
	const LhLead *would = &replay->would;
	ListCell   *lc;

	foreach(lc, was->handoffs)
	{
		LhLeadHandoff *handoff = lfirst(lc);

		if (handoff->h.handed_at >= replay->test->since)
			rows = add_handoff(replay, handoff, lh_handoff_of_leg(would, handoff->h.leg, lh_place_in_leg(was, handoff)), rows);
	}
	foreach(lc, would->handoffs)
	{
		LhLeadHandoff *handoff = lfirst(lc);

		if (lh_handoff_of_leg(was, handoff->h.leg, lh_place_in_leg(would, handoff)) == NULL)
			rows = add_handoff(replay, NULL, handoff, rows);
	}
	return rows;
}

static LhSide
end_of(const LhLead *lead)
{
	LhSide		side = {.at = DT_NOEND,.stage = lead->stage,.band = lead->band,.has_score = true,.score = lead->score};

	return side;
}

/* Where both come to; of one that can't be compared to the end, where the other one stopped. */
static List *
add_end(const LhReplay *replay, List *rows)
{
	LhBacktestRow *row = new_row(replay, "lead");

	row->was = end_of(&replay->was.lead);
	if (replay->begun && replay->would.exists)
		row->would = end_of(&replay->would);
	row->comparable = replay->why == NULL;
	row->at = replay->stopped_at;
	if (replay->why != NULL)
		add_reason(&row->reasons, pstrdup(replay->why));
	if (!replay->test->all_rows && row->comparable && lh_same_text(row->was.stage, row->would.stage) &&
		lh_same_text(row->was.band, row->would.band))
		return rows;
	return lappend(rows, row);
}

List *
lh_replay_rows(const LhReplay *replay)
{
	List	   *rows = NIL;

	if (!replay->was.lead.exists || (!replay->begun && replay->why == NULL))
		return NIL;
	rows = add_differences(replay, rows);
	rows = add_handoffs(replay, rows);
	return add_end(replay, rows);
}
