/*
 * src/learn/logistic.c
 *
 * logistic_fit(outcome, features, ridge): logistic regression with a ridge penalty, as an aggregate; and
 * logistic_predict(coefficients, features), the probability that a model gives.
 *
 * The model says that log(p / (1 - p)) = b0 + b1 x1 + .. + bk xk.  Wanted are the b that maximize
 *
 *     log-likelihood(b) - ridge / 2 * (b1^2 + .. + bk^2)
 *
 * in which the intercept b0 is not penalized (Hastie, Tibshirani, Friedman, The Elements of Statistical
 * Learning, 2nd ed., 4.4.1 and 4.4.4; le Cessie and van Houwelingen, Applied Statistics 41, 1992).  It is
 * concave, so Newton's method finds the maximum, a step being halved while it overshoots (this is what
 * iteratively reweighted least squares is, too).  Each step is one pass over the distinct rows that
 * learn/tally.c has kept:
 *
 *     gradient = X'(y - np) - ridge b          minus the Hessian = X'WX + ridge I,  W = np(1 - p)
 *
 * Nearly all of the time goes into X'WX.  Wide rows are taken four at a time, so that an element of the
 * matrix is loaded and stored once for four products, in a loop that a compiler turns into vector
 * instructions; packed ones visit pairs of bits that are set.  A matrix of up to 1001 columns is then
 * factored by Cholesky's method: forty lines, which is no reason to depend on LAPACK.
 *
 * What has no maximum, or no single one, must not come back as numbers:
 *
 * - Features that are constant or linear combinations of others make the matrix singular at any b.  It is
 *   seen in the first step, where all weights p(1 - p) are equal: a pivot loses all but a 10^-12th of its column.
 * - Where features separate the outcomes, the likelihood rises for ever as coefficients grow.  Newton's
 *   steps then move b by about 1 in units of log odds, again and again, while they gain less and less:
 *   neither does the step vanish, as it does at a maximum, nor do pivots keep their size.
 *
 * A ridge above 0 cures both.
 */
#include "lead_handoff.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "learn/tally.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/array.h"

#define TILE				4	/* rows taken together */
#define LEAST_PIVOT			1e-12	/* of the column's square */
#define SHIFT_AT_REST		1e-6	/* log odds; the step after is its square */
#define GAIN_AT_REST		1e-10	/* log-likelihood */
#define MOST_SHIFT_AT_REST	1e-2	/* a step that gains nothing and still moves more never ends */
#define MAX_STEPS			100
#define MAX_HALVINGS		30
#define RESULT_COLUMNS		7

typedef struct Fit
{
	const LhTally *tally;
	double		ridge;
	int			p;				/* coefficients: the intercept, and one a feature */
	double	   *b;
	double	   *step;
	double	   *range;			/* largest absolute value of each feature, 1 for the intercept */

	/* at the b of the last pass */
	double	   *gradient;
	double	   *hessian;		/* its negative, p x p, only the lower triangle */
	double	   *factor;			/* of that, by Cholesky; after invert() the inverse of the factor */
	double		log_likelihood;
	double		objective;		/* less the penalty */
} Fit;

/* What a row brings at some b: the weight of its products, and the difference of outcome and prediction. */
typedef struct Pull
{
	double		weight;
	double		residual;
} Pull;

PG_FUNCTION_INFO_V1(lh_logistic_step);
PG_FUNCTION_INFO_V1(lh_logistic_final);
PG_FUNCTION_INFO_V1(lh_logistic_predict);

/* ---------- one pass over the rows ---------- */

/* By exp(-|log odds|), which can't overflow and loses nothing where p is near 1. */
static Pull
pull_of(Fit *fit, const LhTallyRow *row, double log_odds)
{
	double		e = exp(-fabs(log_odds));
	double		likely = 1 / (1 + e);
	double		unlikely = e / (1 + e);
	double		p = log_odds >= 0 ? likely : unlikely;
	double		q = log_odds >= 0 ? unlikely : likely;
	double		negatives = row->n - row->positives;
	Pull		pull = {row->n * likely * unlikely, row->positives * q - negatives * p};

	fit->log_likelihood += row->positives * Min(log_odds, 0) - negatives * Max(log_odds, 0) - row->n * log1p(e);
	return pull;
}

/* The log odds that b gives four rows. */
static void
predict_tile(const double *restrict b, int width, const double *const *x, double *log_odds)
{
	const double *restrict x0 = x[0];
	const double *restrict x1 = x[1];
	const double *restrict x2 = x[2];
	const double *restrict x3 = x[3];
	double		sum0 = b[0];
	double		sum1 = b[0];
	double		sum2 = b[0];
	double		sum3 = b[0];

	for (int j = 0; j < width; j++)
	{
		sum0 += b[j + 1] * x0[j];
		sum1 += b[j + 1] * x1[j];
		sum2 += b[j + 1] * x2[j];
		sum3 += b[j + 1] * x3[j];
	}
	log_odds[0] = sum0;
	log_odds[1] = sum1;
	log_odds[2] = sum2;
	log_odds[3] = sum3;
}

/* sums += a leading 1 and the first n numbers of four rows, each row times a factor of its own */
static inline void
add_multiples(double *restrict sums, int n, const double *const *x, double a0, double a1, double a2, double a3)
{
	const double *restrict x0 = x[0];
	const double *restrict x1 = x[1];
	const double *restrict x2 = x[2];
	const double *restrict x3 = x[3];

	sums[0] += a0 + a1 + a2 + a3;
	sums++;
	for (int j = 0; j < n; j++)
		sums[j] += a0 * x0[j] + a1 * x1[j] + a2 * x2[j] + a3 * x3[j];
}

/* Four rows' part of gradient and Hessian. */
static void
add_tile(Fit *fit, const double *const *x, const Pull *pulls)
{
	int			width = fit->tally->width;
	double		w0 = pulls[0].weight;
	double		w1 = pulls[1].weight;
	double		w2 = pulls[2].weight;
	double		w3 = pulls[3].weight;

	add_multiples(fit->gradient, width, x, pulls[0].residual, pulls[1].residual, pulls[2].residual, pulls[3].residual);
	add_multiples(fit->hessian, 0, x, w0, w1, w2, w3);
	for (int i = 0; i < width; i++)
		add_multiples(fit->hessian + (Size) (i + 1) * fit->p, i + 1, x, w0 * x[0][i], w1 * x[1][i], w2 * x[2][i], w3 * x[3][i]);
}

static void
add_wide_rows(Fit *fit, const double *b)
{
	const LhTally *tally = fit->tally;
	double	   *nothing = palloc0(fit->p * sizeof(double));

	for (uint32 first = 0; first < tally->nrows; first += TILE)
	{
		int			n = Min(TILE, tally->nrows - first);
		const double *x[TILE];
		double		log_odds[TILE];
		Pull		pulls[TILE] = {{0}};

		CHECK_FOR_INTERRUPTS();
		for (int t = 0; t < TILE; t++)
			x[t] = t < n ? lh_tally_values(lh_tally_row(tally, first + t)) : nothing;
		predict_tile(b, tally->width, x, log_odds);
		for (int t = 0; t < n; t++)
			pulls[t] = pull_of(fit, lh_tally_row(tally, first + t), log_odds[t]);
		add_tile(fit, x, pulls);
	}
	pfree(nothing);
}

/* Numbers of the coefficients that a packed row has a 1 for, ascending; how many. */
static int
set_bits(const LhTallyRow *row, int width, int *set)
{
	int			n = 0;

	set[n++] = 0;				/* the intercept */
	for (int w = 0; w < lh_tally_words(width); w++)
	{
		for (uint64 bits = row->key[w]; bits != 0; bits &= bits - 1)
			set[n++] = 1 + w * 64 + pg_rightmost_one_pos64(bits);
	}
	return n;
}

static void
add_packed_rows(Fit *fit, const double *b)
{
	int		   *set = palloc(fit->p * sizeof(int));

	for (uint32 r = 0; r < fit->tally->nrows; r++)
	{
		const LhTallyRow *row = lh_tally_row(fit->tally, r);
		int			n = set_bits(row, fit->tally->width, set);
		double		log_odds = 0;
		Pull		pull;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < n; i++)
			log_odds += b[set[i]];
		pull = pull_of(fit, row, log_odds);
		for (int i = 0; i < n; i++)
		{
			double	   *h = fit->hessian + (Size) set[i] * fit->p;

			fit->gradient[set[i]] += pull.residual;
			for (int j = 0; j <= i; j++)
				h[set[j]] += pull.weight;
		}
	}
	pfree(set);
}

/* Likelihood, gradient and Hessian at b, with the penalty. */
static void
evaluate(Fit *fit, const double *b)
{
	memset(fit->gradient, 0, fit->p * sizeof(double));
	memset(fit->hessian, 0, (Size) fit->p * fit->p * sizeof(double));
	fit->log_likelihood = 0;
	if (fit->tally->packed)
		add_packed_rows(fit, b);
	else
		add_wide_rows(fit, b);

	fit->objective = fit->log_likelihood;
	for (int j = 1; j < fit->p; j++)
	{
		fit->gradient[j] -= fit->ridge * b[j];
		fit->hessian[(Size) j * fit->p + j] += fit->ridge;
		fit->objective -= fit->ridge / 2 * b[j] * b[j];
	}
}

/* ---------- linear algebra ---------- */

/* factor factor' = hessian, the factor being a lower triangle.  -1, or the number of a column whose pivot is lost. */
static int
factorize(Fit *fit)
{
	int			p = fit->p;

	for (int i = 0; i < p; i++)
	{
		double	   *row = fit->factor + (Size) i * p;
		const double *given = fit->hessian + (Size) i * p;
		double		pivot = given[i];

		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < i; j++)
		{
			const double *other = fit->factor + (Size) j * p;
			double		sum = given[j];

			for (int k = 0; k < j; k++)
				sum -= row[k] * other[k];
			row[j] = sum / other[j];
			pivot -= row[j] * row[j];
		}
		if (!(pivot > LEAST_PIVOT * given[i]))	/* nor NaN */
			return i;
		row[i] = sqrt(pivot);
	}
	return -1;
}

/* step = the inverse of the Hessian times the gradient */
static void
solve(Fit *fit)
{
	int			p = fit->p;
	double	   *x = fit->step;

	for (int i = 0; i < p; i++)
	{
		const double *row = fit->factor + (Size) i * p;

		x[i] = fit->gradient[i];
		for (int k = 0; k < i; k++)
			x[i] -= row[k] * x[k];
		x[i] /= row[i];
	}
	for (int i = p - 1; i >= 0; i--)
	{
		for (int k = i + 1; k < p; k++)
			x[i] -= fit->factor[(Size) k * p + i] * x[k];
		x[i] /= fit->factor[(Size) i * p + i];
	}
}

/* factor = its own inverse, a column at a time from the right: what is still needed is to the left */
static void
invert(Fit *fit)
{
	int			p = fit->p;
	double	   *l = fit->factor;

	for (int j = p - 1; j >= 0; j--)
	{
		double		diagonal = 1 / l[(Size) j * p + j];

		CHECK_FOR_INTERRUPTS();
		for (int i = p - 1; i > j; i--)
		{
			double		sum = 0;

			for (int k = j + 1; k <= i; k++)
				sum += l[(Size) i * p + k] * l[(Size) k * p + j];
			l[(Size) i * p + j] = -sum * diagonal;
		}
		l[(Size) j * p + j] = diagonal;
	}
}

/* ---------- Newton's method ---------- */

lh_noreturn static void
no_fit(const char *detail, int feature)
{
	ereport(ERROR,
			(errcode(ERRCODE_LH_NO_FIT),
			 errmsg("no logistic model fits these rows best"),
			 feature > 0 ? errdetail("Feature %d is constant or a linear combination of those before it.", feature) :
			 errdetail("%s", detail),
			 errhint("Leave features out, or use a larger ridge, such as 1.")));
	pg_unreachable();
}

static void
find_ranges(Fit *fit)
{
	fit->range[0] = 1;
	for (int j = 1; j < fit->p; j++)
		fit->range[j] = fit->tally->packed ? 1 : 0;
	for (uint32 r = 0; r < fit->tally->nrows && !fit->tally->packed; r++)
	{
		const double *x = lh_tally_values(lh_tally_row(fit->tally, r));

		for (int j = 1; j < fit->p; j++)
			fit->range[j] = Max(fit->range[j], fabs(x[j - 1]));
	}
}

/* Go along the step, half as far as often as needed for the objective not to fall. */
static void
go(Fit *fit)
{
	double	   *b = palloc(fit->p * sizeof(double));
	double		before = fit->objective;
	double		noise = 1e-12 * fabs(before);
	double		share = 1;

	for (int i = 0; i <= MAX_HALVINGS; i++)
	{
		for (int j = 0; j < fit->p; j++)
			b[j] = fit->b[j] + share * fit->step[j];
		evaluate(fit, b);
		if (fit->objective >= before - noise)
			break;
		share /= 2;
	}
	memcpy(fit->b, b, fit->p * sizeof(double));
	pfree(b);
}

/* From the logarithm of the odds of all rows to the maximum; the number of steps. */
static int
maximize(Fit *fit)
{
	static const char *separated = "Features separate positive outcomes from negative ones: coefficients grow without end.";

	fit->b[0] = log((double) fit->tally->positives / (fit->tally->n - fit->tally->positives));
	evaluate(fit, fit->b);
	for (int steps = 1; steps <= MAX_STEPS; steps++)
	{
		int			lost = factorize(fit);
		double		gain = 0;	/* twice what the step promises */
		double		shift = 0;

		if (lost >= 0)
			no_fit(separated, steps == 1 ? lost : 0);
		solve(fit);
		for (int j = 0; j < fit->p; j++)
		{
			gain += fit->step[j] * fit->gradient[j];
			shift = Max(shift, fabs(fit->step[j]) * fit->range[j]);
		}
		if (gain <= GAIN_AT_REST && shift > MOST_SHIFT_AT_REST)
			no_fit(separated, 0);
		go(fit);
		if (shift <= SHIFT_AT_REST || gain <= GAIN_AT_REST)
			return steps;
	}
	no_fit(separated, 0);
}

/* ---------- SQL ---------- */

/* The numbers of a one-dimensional array; NULL if one of them is NULL. */
static const double *
numbers_of(ArrayType *array, int *n)
{
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("coefficients and features are arrays of one dimension")));
	*n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	return array_contains_nulls(array) ? NULL : (const double *) ARR_DATA_PTR(array);
}

static double
ridge_argument(FunctionCallInfo fcinfo)
{
	double		ridge = PG_ARGISNULL(3) ? -1 : PG_GETARG_FLOAT8(3);

	if (!(ridge >= 0) || isinf(ridge))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the ridge must be a finite number, 0 or more")));
	return ridge;
}

/* logistic_step(state, outcome, features, ridge) */
Datum
lh_logistic_step(PG_FUNCTION_ARGS)
{
	double		ridge = ridge_argument(fcinfo);
	const double *values = NULL;
	int			n = 0;
	LhTally    *tally;

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
		values = numbers_of(PG_GETARG_ARRAYTYPE_P(2), &n);
	if (values == NULL)
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	if (n > LH_TALLY_MAX_WIDTH)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than %d features", LH_TALLY_MAX_WIDTH)));
	for (int i = 0; i < n; i++)
	{
		if (!isfinite(values[i]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("feature %d is not a finite number", i + 1)));
	}
	tally = lh_tally_state(fcinfo, n, ridge);
	lh_tally_add(tally, values, PG_GETARG_BOOL(1));
	PG_RETURN_DATUM(EOHPGetRWDatum(&tally->header));
}

static Datum
number_array(double *numbers, int n)
{
	Datum	   *elements = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		elements[i] = Float8GetDatum(numbers[i]);
	return PointerGetDatum(construct_array(elements, n, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Roots of the diagonal of the inverse of the Hessian. */
static Datum
standard_errors(Fit *fit)
{
	double	   *errors = palloc0(fit->p * sizeof(double));

	if (factorize(fit) >= 0)
		no_fit("Rounding hides how certain the coefficients are.", 0);
	invert(fit);
	for (int i = 0; i < fit->p; i++)
	{
		for (int j = 0; j <= i; j++)
			errors[j] += fit->factor[(Size) i * fit->p + j] * fit->factor[(Size) i * fit->p + j];
	}
	for (int j = 0; j < fit->p; j++)
		errors[j] = sqrt(errors[j]);
	return number_array(errors, fit->p);
}

/* logistic_final(state): a handoff.logistic_model */
Datum
lh_logistic_final(PG_FUNCTION_ARGS)
{
	const LhTally *tally = lh_tally_final(fcinfo);
	Fit			fit = {tally};
	TupleDesc	desc;
	Datum		values[RESULT_COLUMNS];
	bool		nulls[RESULT_COLUMNS] = {0};
	Size		p;
	int			steps;

	if (tally == NULL || tally->positives == 0 || tally->positives == tally->n)
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "logistic_fit has no composite type");
	if (tally->option < 0)
		lh_tally_broken();
	fit.ridge = tally->option;
	fit.p = p = tally->width + 1;
	fit.b = palloc0(p * sizeof(double));
	fit.step = palloc(p * sizeof(double));
	fit.range = palloc(p * sizeof(double));
	fit.gradient = palloc(p * sizeof(double));
	fit.hessian = palloc(p * p * sizeof(double));
	fit.factor = palloc0(p * p * sizeof(double));
	find_ranges(&fit);
	steps = maximize(&fit);

	values[0] = number_array(fit.b, fit.p);
	values[1] = standard_errors(&fit);
	values[2] = Int64GetDatum(tally->n);
	values[3] = Int64GetDatum(tally->positives);
	values[4] = Float8GetDatum(fit.ridge);
	values[5] = Float8GetDatum(fit.log_likelihood);
	values[6] = Int32GetDatum(steps);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/* logistic_predict(coefficients, features) */
Datum
lh_logistic_predict(PG_FUNCTION_ARGS)
{
	int			p;
	int			n;
	const double *b = numbers_of(PG_GETARG_ARRAYTYPE_P(0), &p);
	const double *x = numbers_of(PG_GETARG_ARRAYTYPE_P(1), &n);
	double		log_odds;

	if (p != n + 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%d coefficients don't fit %d features", p, n),
				 errdetail("The first coefficient is the intercept, each other one is a feature's.")));
	if (b == NULL || x == NULL)
		PG_RETURN_NULL();
	log_odds = b[0];
	for (int i = 0; i < n; i++)
		log_odds += b[i + 1] * x[i];
	PG_RETURN_FLOAT8(1 / (1 + exp(-log_odds)));
}
