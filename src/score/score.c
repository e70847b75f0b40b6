/*
 * src/score/score.c
 *
 * Fit, intent, signals, band.
 *
 * Fit is a sum over the rules that match the lead as it is.  Intent is a fold over its activities in
 * order of (at, source, key): each adds its points to its rules' groups at its own time, each group is
 * clamped to its limits at that moment, and decays in between.  The fold works on plain amounts, so
 * that whole points stay whole; heats are made of them at the end.  Since it always starts from the
 * beginning, activities that come late, changed, twice or not at all any more give the same value as
 * if they had come in order.
 */
#include "score/score.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Points are compared and rounded to a millionth: far above the error of a heat, far below a point. */
#define MILLION	1000000.0

LhScore *
lh_score_create(const LhContract *contract)
{
	LhScore    *score = palloc0_object(LhScore);

	score->hits = palloc0_array(int, Max(contract->fit.n, 1));
	score->group_heat = palloc0_array(LhHeat, Max(contract->nintent_groups, 1));
	score->signals = palloc0_array(bool, Max(contract->meaning.n, 1));
	score->band = -1;
	return score;
}

static int64
clamp_int(int64 value, int min, int max)
{
	return Max(Min(value, max), min);
}

static double
clamp_double(double value, int min, int max)
{
	if (min != PG_INT32_MIN && value < min)
		return min;
	if (max != PG_INT32_MAX && value > max)
		return max;
	return value;
}

/* Fit ---------------------------------------------------------------------------------------- */

static void
trace_fit(const LhContract *contract, const LhFields *row, const int64 *sums, LhTrace *trace)
{
	for (int i = 0; i < contract->fit.n; i++)
	{
		const LhScoreRule *rule = &contract->fit_rules[i];
		LhTraceRow *line = lh_trace_add(trace, "fit", rule->name, contract->fit.criteria[i],
										lh_rulebook_test(contract->fit.book, i, row, NULL),
										psprintf("group %s", contract->fit_groups[rule->group].name));

		line->has_points = true;
		line->points = rule->points;
	}
	for (int i = 0; i < contract->nfit_groups; i++)
	{
		const LhGroup *group = &contract->fit_groups[i];
		LhTraceRow *line = lh_trace_add(trace, "fit group", group->name, NULL, LH_TRUE,
										psprintf("sum " INT64_FORMAT ", clamped", sums[i]));

		line->has_points = true;
		line->points = clamp_int(sums[i], group->min_points, group->max_points);
	}
}

void
lh_score_fit(const LhContract *contract, const LhFields *row, LhScore *score,
			 TimestampTz *valid_until, LhTrace *trace)
{
	int64	   *sums = palloc0_array(int64, Max(contract->nfit_groups, 1));
	int64		fit = 0;

	score->nhits = lh_rulebook_all(contract->fit.book, row, score->hits, valid_until);
	for (int i = 0; i < score->nhits; i++)
	{
		const LhScoreRule *rule = &contract->fit_rules[score->hits[i]];

		sums[rule->group] += rule->points;
	}
	for (int i = 0; i < contract->nfit_groups; i++)
		fit += clamp_int(sums[i], contract->fit_groups[i].min_points,
						 contract->fit_groups[i].max_points);
	score->fit = clamp_int(fit, contract->min_fit, contract->max_fit);
	if (trace != NULL)
		trace_fit(contract, row, sums, trace);
	pfree(sums);
}

/* Activities --------------------------------------------------------------------------------- */

void
lh_judge_activity(const LhContract *contract, LhActivity *activity, TimestampTz *valid_until)
{
	int		   *matches = palloc_array(int, Max(Max(contract->intent.n, contract->meaning.n), 1));
	int			n;

	activity->means = palloc0_array(bool, Max(contract->meaning.n, 1));
	activity->group_points = palloc0_array(int, Max(contract->nintent_groups, 1));
	activity->points = 0;

	n = lh_rulebook_all(contract->meaning.book, activity->row, matches, valid_until);
	for (int i = 0; i < n; i++)
		activity->means[matches[i]] = true;

	n = lh_rulebook_all(contract->intent.book, activity->row, matches, valid_until);
	for (int i = 0; i < n; i++)
	{
		const LhScoreRule *rule = &contract->intent_rules[matches[i]];

		activity->group_points[rule->group] += rule->points;
		activity->points += rule->points;
	}
	pfree(matches);
}

/* Intent ------------------------------------------------------------------------------------- */

/* What is left of an amount after span microseconds. */
static double
decay(double amount, int64 span, int64 half_life)
{
	if (half_life == 0 || amount == 0)
		return amount;
	return amount * exp2(-(double) span / (double) half_life);
}

/* The amount of one group when its newest activity had been added, and when that was. */
static double
fold_group(const LhContract *contract, int group, const LhActivity *activities, int n,
		   TimestampTz since, TimestampTz *at)
{
	const LhGroup *limits = &contract->intent_groups[group];
	double		amount = 0;

	*at = 0;
	for (int i = 0; i < n; i++)
	{
		if (activities[i].group_points[group] == 0 || activities[i].at <= since)
			continue;
		amount = decay(amount, activities[i].at - *at, contract->half_life);
		amount = clamp_double(amount + activities[i].group_points[group],
							  limits->min_points, limits->max_points);
		*at = activities[i].at;
	}
	return amount;
}

static void
trace_intent(const LhContract *contract, const LhActivity *activities, int n,
			 const double *points, LhTrace *trace)
{
	for (int i = 0; i < n; i++)
	{
		LhTraceRow *line = lh_trace_add(trace, "activity", activities[i].key, NULL,
										activities[i].points != 0 ? LH_TRUE : LH_FALSE,
										psprintf("at %s", timestamptz_to_str(activities[i].at)));

		line->has_points = true;
		line->points = activities[i].points;
	}
	for (int i = 0; i < contract->nintent_groups; i++)
		lh_trace_add(trace, "intent group", contract->intent_groups[i].name, NULL, LH_TRUE,
					 psprintf("%.2f points now", points[i]));
}

/*
 * The score changes with every half point that intent passes on its way down.  Decisions see intent in
 * millionths: the clock is for the moment at which that is below the half point, not at it.
 */
static void
watch_decay(const LhContract *contract, const LhScore *score, TimestampTz now,
			TimestampTz *valid_until)
{
	double		points = lh_heat_points(score->intent, now, contract->half_life);
	double		next;
	TimestampTz at;

	if (contract->half_life == 0 || points <= 0)
		return;
	next = floor(rint(points * MILLION) / MILLION * 2) / 2;
	if (next <= 0)
		return;
	at = lh_heat_falls_to(score->intent, next - 0.75 / MILLION, contract->half_life);
	*valid_until = Min(*valid_until, Max(at, now + USECS_PER_SEC));
}

void
lh_score_intent(const LhContract *contract, const LhActivity *activities, int n,
				TimestampTz since, TimestampTz now, LhScore *score,
				TimestampTz *valid_until, LhTrace *trace)
{
	double	   *points = palloc0_array(double, Max(contract->nintent_groups, 1));
	double		total = 0;

	/* what is dated later has not happened yet */
	while (n > 0 && activities[n - 1].at > now)
		n--;
	for (int i = 0; i < contract->nintent_groups; i++)
	{
		TimestampTz at;
		double		amount = fold_group(contract, i, activities, n, since, &at);

		score->group_heat[i] = lh_heat_of(amount, at, contract->half_life);
		score->intent = lh_heat_add(score->intent, score->group_heat[i]);
		points[i] = decay(amount, now - at, contract->half_life);
		total += points[i];
	}
	score->intent_points = rint(clamp_double(total, contract->min_intent, contract->max_intent) *
								MILLION) / MILLION;
	watch_decay(contract, score, now, valid_until);
	if (trace != NULL)
		trace_intent(contract, activities, n, points, trace);
	pfree(points);
}

/* Signals ------------------------------------------------------------------------------------ */

static TimestampTz
add_interval(TimestampTz at, const Interval *span, int sign)
{
	PGFunction	operator = sign > 0 ? timestamptz_pl_interval : timestamptz_mi_interval;

	return DatumGetTimestampTz(DirectFunctionCall2(operator, TimestampTzGetDatum(at),
												   IntervalPGetDatum(span)));
}

/*
 * Does signal rule hold: min_count matching activities in (since, now]?  It stops to hold when the
 * oldest of the newest min_count leaves the window; one still to come may make it hold.
 */
static bool
signal_holds(const LhActivityRule *rule, int r, const LhActivity *activities, int n,
			 TimestampTz now, TimestampTz cycle_since, TimestampTz *valid_until)
{
	TimestampTz since = rule->within == NULL ? cycle_since : add_interval(now, rule->within, -1);
	int			count = 0;

	for (int i = n - 1; i >= 0; i--)
	{
		if (!activities[i].means[r])
			continue;
		if (activities[i].at > now)
		{
			*valid_until = Min(*valid_until, activities[i].at);
			continue;
		}
		if (activities[i].at <= since)
			return false;
		if (++count == rule->min_count)
		{
			if (rule->within != NULL)
				*valid_until = Min(*valid_until,
								   Max(add_interval(activities[i].at, rule->within, 1),
									   now + USECS_PER_SEC));
			return true;
		}
	}
	return false;
}

void
lh_score_signals(const LhContract *contract, const LhActivity *activities, int n,
				 TimestampTz now, TimestampTz cycle_since, LhScore *score,
				 TimestampTz *valid_until, LhTrace *trace)
{
	for (int i = 0; i < contract->meaning.n; i++)
	{
		const LhActivityRule *rule = &contract->meaning_rules[i];

		if (rule->meaning != LH_MEANS_SIGNAL)
			continue;
		score->signals[i] = signal_holds(rule, i, activities, n, now, cycle_since, valid_until);
		lh_trace_add(trace, "signal", rule->name, contract->meaning.criteria[i],
					 score->signals[i] ? LH_TRUE : LH_FALSE, NULL);
	}
}

/* Score and band ----------------------------------------------------------------------------- */

void
lh_score_band(const LhContract *contract, LhScore *score, LhTrace *trace)
{
	score->score = score->fit + (int64) floor(score->intent_points + 0.5);
	score->band = -1;
	for (int i = 0; i < contract->nbands; i++)
	{
		const LhBand *band = &contract->bands[i];
		bool		holds = score->fit >= band->min_fit &&
			score->intent_points >= band->min_intent &&
			score->score >= band->min_score;

		if (holds && score->band < 0)
			score->band = i;
		lh_trace_add(trace, "band", band->name, NULL, holds ? LH_TRUE : LH_FALSE, NULL);
	}
}
