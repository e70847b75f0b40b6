/*
 * src/score/score_trace.c
 *
 * What explain() shows of a score: every rule, whether it holds and what it gives; every activity, what
 * it added to which group at its time and where the group's limit cut it off; what is left of it now.
 */
#include "score/score.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "utils/timestamp.h"

static void
set_points(LhTraceRow *row, int64 points)
{
	row->has_points = true;
	row->points = points;
}

/* " within -50 to 100"; a side without a limit is left open. */
static char *
limits_text(int min, int max)
{
	StringInfoData text;

	initStringInfo(&text);
	if (min == PG_INT32_MIN && max == PG_INT32_MAX)
		return text.data;
	appendStringInfoString(&text, ", within ");
	if (min != PG_INT32_MIN)
		appendStringInfo(&text, "%d ", min);
	appendStringInfoString(&text, "to");
	if (max != PG_INT32_MAX)
		appendStringInfo(&text, " %d", max);
	return text.data;
}

/* Fit ---------------------------------------------------------------------------------------- */

void
lh_trace_fit(const LhContract *contract, const LhFields *row, const int64 *sums,
			 const LhScore *score, LhTrace *trace)
{
	int64		sum = 0;

	for (int i = 0; i < contract->fit.n; i++)
	{
		const LhScoreRule *rule = &contract->fit_rules[i];

		set_points(lh_trace_add(trace, "fit", rule->name, contract->fit.criteria[i],
								lh_rulebook_test(contract->fit.book, i, row, NULL),
								psprintf("group %s", contract->fit_groups[rule->group].name)),
				   rule->points);
	}
	for (int i = 0; i < contract->nfit_groups; i++)
	{
		const LhGroup *group = &contract->fit_groups[i];
		int64		points = Max(Min(sums[i], group->max_points), group->min_points);

		sum += points;
		set_points(lh_trace_add(trace, "fit group", group->name, NULL, LH_TRUE,
								psprintf("sum " INT64_FORMAT "%s", sums[i],
										 limits_text(group->min_points, group->max_points))),
				   points);
	}
	set_points(lh_trace_add(trace, "fit", "sum of groups", NULL, LH_TRUE,
							psprintf("sum " INT64_FORMAT "%s", sum,
									 limits_text(contract->min_fit, contract->max_fit))),
			   score->fit);
}

/* Intent ------------------------------------------------------------------------------------- */

/* Rules over activities: how many of them each one holds for. */
static void
trace_activity_rules(const LhRules *rules, int i, const char *step, const char *name,
					 const LhActivity *activities, int n, LhTrace *trace, LhTraceRow **line)
{
	int			count = 0;

	for (int a = 0; a < n; a++)
		count += lh_rulebook_test(rules->book, i, activities[a].row, NULL) == LH_TRUE;
	*line = lh_trace_add(trace, step, name, rules->criteria[i], count > 0 ? LH_TRUE : LH_FALSE,
						 psprintf("%d of %d activities", count, n));
}

/* What one activity does to the groups, which are moved on by it. */
static char *
activity_text(const LhContract *contract, const LhActivity *activity, LhHeat *heats)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "at %s", timestamptz_to_str(activity->at));
	for (int i = 0; i < contract->intent.n; i++)
		if (lh_rulebook_test(contract->intent.book, i, activity->row, NULL) == LH_TRUE)
			appendStringInfo(&text, "; %s %+d", contract->intent_rules[i].name,
							 contract->intent_rules[i].points);
	for (int g = 0; g < contract->nintent_groups; g++)
	{
		int			points = activity->group_points[g];
		double		before;
		double		after;

		if (points == 0)
			continue;
		before = lh_heat_points(heats[g], activity->at, contract->half_life);
		heats[g] = lh_add_points(contract, g, heats[g], activity->at, points);
		after = lh_heat_points(heats[g], activity->at, contract->half_life);
		appendStringInfo(&text, "; %s %.2f %+d = %.2f%s", contract->intent_groups[g].name,
						 before, points, after,
						 fabs(before + points - after) > 0.005 ? " (limit)" : "");
	}
	return text.data;
}

static void
trace_activities(const LhContract *contract, const LhActivity *activities, int n,
				 const LhFold *start, TimestampTz now, LhTrace *trace)
{
	LhHeat	   *heats = palloc0_array(LhHeat, Max(contract->nintent_groups, 1));

	if (start->heats != NULL)
		memcpy(heats, start->heats, sizeof(LhHeat) * contract->nintent_groups);
	for (int i = 0; i < n; i++)
	{
		const LhActivity *activity = &activities[i];
		char	   *note;

		if (activity->at > now)
			note = psprintf("at %s: not yet", timestamptz_to_str(activity->at));
		else if (activity->at <= start->at)
			note = psprintf("at %s: before intent was reset", timestamptz_to_str(activity->at));
		else
			note = activity_text(contract, activity, heats);
		set_points(lh_trace_add(trace, "activity", activity->key, NULL,
								activity->points != 0 ? LH_TRUE : LH_FALSE, note),
				   activity->points);
	}
}

void
lh_trace_intent(const LhContract *contract, const LhActivity *activities, int n,
				const LhFold *start, TimestampTz now, const LhScore *score, LhTrace *trace)
{
	LhTraceRow *line;

	for (int i = 0; i < contract->intent.n; i++)
	{
		trace_activity_rules(&contract->intent, i, "intent", contract->intent_rules[i].name,
							 activities, n, trace, &line);
		set_points(line, contract->intent_rules[i].points);
	}
	for (int i = 0; i < contract->meaning.n; i++)
		if (contract->meaning_rules[i].meaning != LH_MEANS_SIGNAL)
			trace_activity_rules(&contract->meaning, i,
								 lh_meaning_name(contract->meaning_rules[i].meaning),
								 contract->meaning_rules[i].name, activities, n, trace, &line);
	trace_activities(contract, activities, n, start, now, trace);
	for (int i = 0; i < contract->nintent_groups; i++)
	{
		const LhGroup *group = &contract->intent_groups[i];
		double		points = lh_heat_points(score->fold.heats[i], now, contract->half_life);

		set_points(lh_trace_add(trace, "intent group", group->name, NULL, LH_TRUE,
								psprintf("%.2f now%s", points,
										 limits_text(group->min_points, group->max_points))),
				   (int64) floor(points + 0.5));
	}
	set_points(lh_trace_add(trace, "intent", "sum of groups", NULL, LH_TRUE,
							psprintf("%.6f now%s", score->intent_points,
									 limits_text(contract->min_intent, contract->max_intent))),
			   (int64) floor(score->intent_points + 0.5));
}

/* Bands -------------------------------------------------------------------------------------- */

void
lh_trace_band(const LhBand *band, bool holds, LhTrace *trace)
{
	StringInfoData note;

	initStringInfo(&note);
	if (band->min_fit != PG_INT32_MIN)
		appendStringInfo(&note, "fit from %d ", band->min_fit);
	if (band->min_intent != PG_INT32_MIN)
		appendStringInfo(&note, "intent from %d ", band->min_intent);
	if (band->min_score != PG_INT32_MIN)
		appendStringInfo(&note, "score from %d ", band->min_score);
	if (note.len > 0)
		note.data[--note.len] = '\0';
	lh_trace_add(trace, "band", band->name, NULL, holds ? LH_TRUE : LH_FALSE,
				 note.len > 0 ? note.data : "whatever the points");
}
