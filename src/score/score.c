/*
 * src/score/score.c
 *
 * Fit, intent, signals, band.
 *
 * Fit is a sum over the rules that match the lead as it is.  Intent is a fold over its activities in
 * order of (at, source, key): each adds its points to its rules' groups at its own time, each group is
 * clamped to its limits at that moment, and decays in between.
 *
 * The fold is one of heats, step by step: what it has come to after any activity is all that the next
 * one needs.  So a decision may go on from where the one before stopped, if all that is new is newer;
 * and one that starts from the beginning, because an activity came late, changed or is gone, comes to
 * the same bits.
 */
#include "score/score.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

/* Points are compared and rounded to a millionth: far above the error of a heat, far below a point. */
#define MILLION	1000000.0

LhScore *
lh_score_create(const LhContract *contract)
{
	LhScore    *score = palloc0_object(LhScore);

	score->hits = palloc0_array(int, Max(contract->fit.n, 1));
	score->group_sums = palloc0_array(int64, Max(contract->nfit_groups, 1));
	score->fold.heats = palloc0_array(LhHeat, Max(contract->nintent_groups, 1));
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

/* The account ------------------------------------------------------------------------------------ */

static const struct
{
	const char *field;
	const char *of_account;
}			account_fields[] = {
	{"named_account", "account.named"}, {"account_tier", "account.tier"}, {"customer", "account.customer"}
};

void
lh_score_account(const LhContract *contract, LhFields *row)
{
	for (int i = 0; i < lengthof(account_fields); i++)
	{
		int			to = lh_fieldset_find(row->set, account_fields[i].field);
		int			from = lh_fieldset_find(row->set, account_fields[i].of_account);

		row->values[to] = row->values[from];
		row->isnull[to] = row->isnull[from];
	}
}

void
lh_ask_account(const LhContract *contract, bool *asked)
{
	bool		any = false;

	for (int i = 0; i < lengthof(account_fields); i++)
		if (asked[lh_fieldset_find(contract->lead_set, account_fields[i].field)])
			asked[lh_fieldset_find(contract->lead_set, account_fields[i].of_account)] = true;
	for (int i = contract->nmapped; i < contract->nkept; i++)
		any = any || asked[i];
	if (any || asked[lh_fieldset_find(contract->lead_set, "account_method")])
		asked[lh_fieldset_find(contract->lead_set, "account_key")] = true;
}

/* Derived fields ----------------------------------------------------------------------------- */

void
lh_score_derived(const LhContract *contract, LhFields *row, const bool *asked,
				 TimestampTz *valid_until, LhTrace *trace)
{
	for (int i = 0; i < contract->derived.n; i++)
		lh_fields_set_null(row, contract->derived_rows[i].field);
	for (int i = 0; i < contract->derived.n; i++)
	{
		const LhDerived *derived = &contract->derived_rows[i];
		LhTruth		truth;

		if (!row->isnull[derived->field] || (asked != NULL && !asked[derived->field]))
			continue;
		truth = lh_rulebook_test(contract->derived.book, i, row, valid_until);
		if (truth == LH_TRUE)
			lh_fields_set(row, derived->field, derived->value);
		if (trace != NULL)
			lh_trace_add(trace, "derived", contract->lead_set->fields[derived->field].name,
						 contract->derived.criteria[i], truth, TextDatumGetCString(derived->value));
	}
}

/* Fit ---------------------------------------------------------------------------------------- */

void
lh_score_fit(const LhContract *contract, const LhFields *row, LhScore *score,
			 TimestampTz *valid_until, LhTrace *trace)
{
	int64	   *sums = score->group_sums;
	int64		fit = 0;

	memset(sums, 0, contract->nfit_groups * sizeof(int64));
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
		lh_trace_fit(contract, row, sums, score, trace);
}

/* Activities --------------------------------------------------------------------------------- */

/* A touch is one by a person, whatever the rule says of the activity. */
static bool
needs_human(const LhActivityRule *rule)
{
	return rule->meaning == LH_MEANS_TOUCH || rule->meaning == LH_MEANS_CONTACT;
}

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
		activity->means[matches[i]] = !activity->automated || !needs_human(&contract->meaning_rules[matches[i]]);

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

/* A heat in points; what does not decay is whole, and stays so. */
static double
points_at(LhHeat heat, TimestampTz at, int64 half_life)
{
	double		points = lh_heat_points(heat, at, half_life);

	return half_life == 0 ? rint(points) : points;
}

LhHeat
lh_add_points(const LhContract *contract, int group, LhHeat heat, TimestampTz at, int points)
{
	const LhGroup *limits = &contract->intent_groups[group];
	double		amount = points_at(heat, at, contract->half_life) + points;

	return lh_heat_of(clamp_double(amount, limits->min_points, limits->max_points), at,
					  contract->half_life);
}

/* What a group has come to, from start on; *at is raised to the newest activity that gave it points. */
static LhHeat
fold_group(const LhContract *contract, int group, const LhActivity *activities, int n,
		   const LhFold *start, TimestampTz *at)
{
	LhHeat		heat = start->heats == NULL ? 0 : start->heats[group];

	for (int i = 0; i < n; i++)
	{
		const LhActivity *activity = &activities[i];

		if (activity->group_points[group] == 0 || activity->at <= start->at)
			continue;
		heat = lh_add_points(contract, group, heat, activity->at, activity->group_points[group]);
		*at = Max(*at, activity->at);
	}
	return heat;
}

double
lh_score_intent_points(const LhContract *contract, double points)
{
	return rint(clamp_double(points, contract->min_intent, contract->max_intent) * MILLION) / MILLION;
}

void
lh_score_intent(const LhContract *contract, const LhActivity *activities, int n,
				const LhFold *start, TimestampTz now, LhScore *score, LhTrace *trace)
{
	int			nall = n;
	double		total = 0;

	/* what is dated later has not happened yet */
	while (n > 0 && activities[n - 1].at > now)
		n--;
	score->fold.at = start->at;
	for (int i = 0; i < contract->nintent_groups; i++)
	{
		LhHeat		heat = fold_group(contract, i, activities, n, start, &score->fold.at);

		score->fold.heats[i] = heat;
		score->intent = lh_heat_add(score->intent, heat);
		total += points_at(heat, now, contract->half_life);
	}
	score->intent_points = lh_score_intent_points(contract, total);
	if (trace != NULL)
		lh_trace_intent(contract, activities, nall, start, now, score, trace);
}

/* Signals ------------------------------------------------------------------------------------ */

static TimestampTz
add_interval(TimestampTz at, const Interval *span, int sign)
{
	PGFunction	operator = sign > 0 ? timestamptz_pl_interval : timestamptz_mi_interval;

	return DatumGetTimestampTz(DirectFunctionCall2(operator, TimestampTzGetDatum(at),
												   IntervalPGetDatum(span)));
}

TimestampTz
lh_signal_since(const LhActivityRule *rule, TimestampTz now, TimestampTz cycle_since)
{
	return rule->within == NULL ? cycle_since : add_interval(now, rule->within, -1);
}

/*
 * Does signal rule hold: min_count matching activities in (since, now]?  It stops to hold when the
 * oldest of the newest min_count leaves the window; one still to come may make it hold.
 */
static bool
signal_holds(const LhActivityRule *rule, int r, const LhActivity *activities, int n,
			 TimestampTz now, TimestampTz cycle_since, TimestampTz *valid_until)
{
	TimestampTz since = lh_signal_since(rule, now, cycle_since);
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
	LhTraceRow *line;

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
		if (trace != NULL)
			lh_trace_band(band, holds, trace);
	}
	line = lh_trace_add(trace, "score", "fit + intent", NULL, LH_TRUE, NULL);
	line->has_points = true;
	line->points = score->score;
}

/* Decay -------------------------------------------------------------------------------------- */

/* The number that a threshold stands for, on the scale of intent; false: none for this row. */
static bool
threshold_value(const LhThreshold *threshold, const LhFields *row, int64 fit, double *value)
{
	*value = threshold->value;
	if (threshold->field >= 0)
	{
		LhType		type = row->set->fields[threshold->field].type;
		Datum		datum = row->values[threshold->field];

		if (row->isnull[threshold->field])
			return false;
		*value = type == LH_BIGINT ? (double) DatumGetInt64(datum) :
			DatumGetFloat8(DirectFunctionCall1(numeric_float8, datum));
		if (!isfinite(*value))
			return false;
	}
	/* the score is fit and intent, rounded half up: from 9.5 on it is 10 */
	if (threshold->of_score)
		*value = (threshold->above ? floor(*value) + 1 : ceil(*value)) - fit - 0.5;
	return true;
}

/*
 * Decisions see intent in millionths.  A threshold is passed by what rounds to a millionth beyond it,
 * and the moment is for a place clearly inside that one: a quarter of a millionth off its edge.
 */
void
lh_watch_decay(const LhContract *contract, const LhFields *row, const LhScore *score,
			   TimestampTz now, TimestampTz *valid_until)
{
	bool		falls = score->intent > 0;	/* else it rises, from below 0 */
	LhHeat		heat = falls ? score->intent : -score->intent;
	double		points = lh_heat_points(heat, now, contract->half_life);

	if (contract->half_life == 0 || heat == 0)
		return;
	for (int i = 0; i < contract->nthresholds; i++)
	{
		const LhThreshold *threshold = &contract->thresholds[i];
		bool		above = threshold->above && !threshold->of_score;
		double		value;
		double		passed;

		if (!threshold_value(threshold, row, score->fit, &value))
			continue;
		if (falls)
			passed = value + (above ? 0.25 : -0.75) / MILLION;
		else
			passed = -value + (above ? -0.75 : 0.25) / MILLION;
		if (passed > 0 && passed <= points)
			*valid_until = Min(*valid_until,
							   Max(lh_heat_falls_to(heat, passed, contract->half_life),
								   now + USECS_PER_SEC));
	}
}
