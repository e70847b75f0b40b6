/*
 * src/learn/metrics.c
 *
 * How good are scores or probabilities, given what came of it: aggregates auc(), lift() and calibration().
 *
 * All three are sums over the distinct scores in order (learn/tally.c counts them), so they are exact and
 * don't depend on the order of the rows.
 *
 * Rows of one score have no order, yet a bucket of a given size may end among them.  Then each bucket gets
 * the share that it would get on average over all orders: of 10 rows of one score, 3 of them positive, 4
 * rows bring 1.2 positives.  That is how auc() counts ties too (half a point: the mean of both orders), and
 * how ROC curves are drawn (Fawcett, An introduction to ROC analysis, Pattern Recognition Letters 27, 2006,
 * section 4.1).  Numbers of positives in a bucket need not be whole, therefore.
 */
#include "lead_handoff.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "learn/tally.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#define MAX_BUCKETS			10000
#define MAX_COLUMNS			12

/* The rows of one score. */
typedef struct Score
{
	double		score;
	int64		n;
	int64		positives;
} Score;

/* The rows between two ranks. */
typedef struct Bucket
{
	int			number;			/* 1 has the highest scores */
	int64		n;
	double		positives;
	double		sum;			/* of scores */
	double		highest;
	double		lowest;
	int64		upto_n;			/* with all buckets before it */
	double		upto_positives;
} Bucket;

/* All rows, highest scores first, and cut into buckets. */
typedef struct Cut
{
	const LhTally *tally;
	Score	   *scores;
	int			nbuckets;
	Bucket	   *buckets;
} Cut;

/* A composite value in the making: its columns in order. */
typedef struct Row
{
	TupleDesc	desc;
	int			ncolumns;
	Datum		values[MAX_COLUMNS];
	bool		nulls[MAX_COLUMNS];
} Row;

typedef void (*FillRow) (Row *row, const LhTally *tally, const Bucket *bucket);

PG_FUNCTION_INFO_V1(lh_auc_step);
PG_FUNCTION_INFO_V1(lh_auc_final);
PG_FUNCTION_INFO_V1(lh_lift_step);
PG_FUNCTION_INFO_V1(lh_lift_final);
PG_FUNCTION_INFO_V1(lh_calibration_step);
PG_FUNCTION_INFO_V1(lh_calibration_final);

/* ---------- counting scores ---------- */

/* The state after a row of (state, score, outcome, ..); a row with a NULL counts for nothing. */
static Datum
count_score(FunctionCallInfo fcinfo, double option, double least, double most)
{
	double		score;
	LhTally    *tally;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	score = PG_GETARG_FLOAT8(1);
	if (isnan(score))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("a score must be a number")));
	if (score < least || score > most)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("not a probability: %g", score),
				 errhint("Calibration compares probabilities, from 0 to 1, with what happened; lift() and auc() take any score.")));
	tally = lh_tally_state(fcinfo, 1, option);
	lh_tally_add(tally, &score, PG_GETARG_BOOL(2));
	PG_RETURN_DATUM(EOHPGetRWDatum(&tally->header));
}

static int
buckets_argument(FunctionCallInfo fcinfo)
{
	int			buckets = PG_ARGISNULL(3) ? 0 : PG_GETARG_INT32(3);

	if (buckets < 1 || buckets > MAX_BUCKETS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the number of buckets must be between 1 and %d", MAX_BUCKETS)));
	return buckets;
}

Datum
lh_auc_step(PG_FUNCTION_ARGS)
{
	return count_score(fcinfo, 0, -INFINITY, INFINITY);
}

Datum
lh_lift_step(PG_FUNCTION_ARGS)
{
	return count_score(fcinfo, buckets_argument(fcinfo), -INFINITY, INFINITY);
}

Datum
lh_calibration_step(PG_FUNCTION_ARGS)
{
	return count_score(fcinfo, buckets_argument(fcinfo), 0, 1);
}

/* The state that a final function is given; NULL: no rows. */
static const LhTally *
counted_scores(FunctionCallInfo fcinfo, double least_option, double most_option)
{
	const LhTally *tally = lh_tally_final(fcinfo);

	if (tally != NULL && (tally->width != 1 || tally->option < least_option || tally->option > most_option))
		lh_tally_broken();
	return tally;
}

/* ---------- in order ---------- */

#define ST_SORT sort_descending
#define ST_ELEMENT_TYPE Score
#define ST_COMPARE(a, b) (((a)->score < (b)->score) - ((a)->score > (b)->score))
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* The distinct scores with their counts, side by side: following pointers to the tally's rows is slow. */
static Score *
sorted_scores(const LhTally *tally)
{
	Score	   *scores = MemoryContextAllocHuge(CurrentMemoryContext, tally->nrows * sizeof(Score));

	for (uint32 i = 0; i < tally->nrows; i++)
	{
		const LhTallyRow *row = lh_tally_row(tally, i);

		scores[i].score = lh_tally_values(row)[0];
		scores[i].n = row->n;
		scores[i].positives = row->positives;
	}
	sort_descending(scores, tally->nrows);
	return scores;
}

/* Take up to n rows of a score, of which so many are left, into a bucket; how many were taken. */
static int64
take_rows(Bucket *bucket, const Score *score, int64 left, int64 n)
{
	n = Min(n, left);
	if (bucket->n == 0)
		bucket->highest = score->score;
	bucket->lowest = score->score;
	bucket->n += n;
	bucket->positives += n == score->n ? score->positives : (double) score->positives * n / score->n;
	bucket->sum += n * score->score;
	return n;
}

/*
 * The rows in buckets of equal size; the first ones have one more if the division leaves a rest, and there
 * are no empty ones, as with ntile().
 */
static Cut
cut_rows(const LhTally *tally)
{
	Cut			cut = {tally, sorted_scores(tally), (int) Min((int64) tally->option, tally->n)};
	const Score *score = cut.scores;
	int64		left = score->n;
	int64		n = 0;
	double		positives = 0;

	cut.buckets = palloc0(cut.nbuckets * sizeof(Bucket));
	for (int i = 0; i < cut.nbuckets; i++)
	{
		Bucket	   *bucket = &cut.buckets[i];
		int64		missing = tally->n / cut.nbuckets + (i < tally->n % cut.nbuckets);

		CHECK_FOR_INTERRUPTS();
		while (missing > 0)
		{
			int64		taken;

			if (left == 0)
				left = (++score)->n;
			taken = take_rows(bucket, score, left, missing);
			left -= taken;
			missing -= taken;
		}
		bucket->number = i + 1;
		n += bucket->n;
		positives += bucket->positives;
		bucket->upto_n = n;
		bucket->upto_positives = positives;
	}
	return cut;
}

/* ---------- composite values ---------- */

static void
put(Row *row, Datum value)
{
	row->nulls[row->ncolumns] = false;
	row->values[row->ncolumns++] = value;
}

/* a / b, NULL if b is 0 */
static void
put_ratio(Row *row, double a, double b)
{
	row->nulls[row->ncolumns] = b == 0;
	row->values[row->ncolumns++] = Float8GetDatum(b == 0 ? 0 : a / b);
}

static Datum
finish_row(Row *row)
{
	Assert(row->ncolumns == row->desc->natts);
	return HeapTupleGetDatum(heap_form_tuple(row->desc, row->values, row->nulls));
}

/* An array of a composite type: a row for each bucket. */
static Datum
bucket_array(Oid array_type, const Cut *cut, FillRow fill)
{
	Oid			type = get_element_type(array_type);
	Datum	   *elements = palloc(cut->nbuckets * sizeof(Datum));
	Row			row;

	row.desc = lookup_rowtype_tupdesc_copy(type, -1);
	for (int i = 0; i < cut->nbuckets; i++)
	{
		row.ncolumns = 0;
		fill(&row, cut->tally, &cut->buckets[i]);
		elements[i] = finish_row(&row);
	}
	return PointerGetDatum(construct_array(elements, cut->nbuckets, type, -1, false, TYPALIGN_DOUBLE));
}

/* ---------- auc ---------- */

/*
 * auc(score, outcome): the share of pairs of a positive and a negative row in which the positive one has
 * the higher score, pairs of equal score counting half (the Mann-Whitney U over its greatest value).
 */
Datum
lh_auc_final(PG_FUNCTION_ARGS)
{
	const LhTally *tally = counted_scores(fcinfo, 0, 0);
	const Score *scores;
	double		won = 0;		/* pairs, in halves: exact up to 2^53 */
	int64		above = 0;		/* positives of higher scores */

	if (tally == NULL || tally->positives == 0 || tally->positives == tally->n)
		PG_RETURN_NULL();
	scores = sorted_scores(tally);
	for (uint32 i = 0; i < tally->nrows; i++)
	{
		won += (double) (scores[i].n - scores[i].positives) * (2 * above + scores[i].positives);
		above += scores[i].positives;
	}
	PG_RETURN_FLOAT8(won / 2 / tally->positives / (tally->n - tally->positives));
}

/* ---------- lift ---------- */

static void
fill_lift(Row *row, const LhTally *tally, const Bucket *bucket)
{
	double		base = (double) tally->positives / tally->n;

	put(row, Int32GetDatum(bucket->number));
	put(row, Int64GetDatum(bucket->n));
	put(row, Float8GetDatum(bucket->positives));
	put(row, Float8GetDatum(bucket->highest));
	put(row, Float8GetDatum(bucket->lowest));
	put_ratio(row, bucket->positives, bucket->n);
	put_ratio(row, bucket->positives / bucket->n, base);
	put(row, Int64GetDatum(bucket->upto_n));
	put(row, Float8GetDatum(bucket->upto_positives));
	put_ratio(row, bucket->upto_positives / bucket->upto_n, base);
	put_ratio(row, bucket->upto_positives, tally->positives);
}

/* lift(score, outcome, buckets): the array of handoff.lift_bucket */
Datum
lh_lift_final(PG_FUNCTION_ARGS)
{
	const LhTally *tally = counted_scores(fcinfo, 1, MAX_BUCKETS);
	Cut			cut;

	if (tally == NULL)
		PG_RETURN_NULL();
	cut = cut_rows(tally);
	PG_RETURN_DATUM(bucket_array(get_func_rettype(fcinfo->flinfo->fn_oid), &cut, fill_lift));
}

/* ---------- calibration ---------- */

static void
fill_calibration(Row *row, const LhTally *tally, const Bucket *bucket)
{
	put(row, Int32GetDatum(bucket->number));
	put(row, Int64GetDatum(bucket->n));
	put(row, Float8GetDatum(bucket->positives));
	put(row, Float8GetDatum(bucket->highest));
	put(row, Float8GetDatum(bucket->lowest));
	put_ratio(row, bucket->sum, bucket->n);
	put_ratio(row, bucket->positives, bucket->n);
}

/* Mean squared difference of prediction and outcome (Brier 1950). */
static double
brier_score(const Cut *cut)
{
	double		sum = 0;

	for (uint32 i = 0; i < cut->tally->nrows; i++)
	{
		const Score *score = &cut->scores[i];
		double		p = score->score;

		sum += (score->n - score->positives) * p * p + score->positives * (1 - p) * (1 - p);
	}
	return sum / cut->tally->n;
}

/* What a bucket adds to the Hosmer-Lemeshow statistic: squared deviation by variance. */
static double
deviation(const Bucket *bucket)
{
	double		difference = bucket->positives - bucket->sum;
	double		variance = bucket->sum * Max(1 - bucket->sum / bucket->n, 0);

	return difference == 0 ? 0 : difference * difference / variance;
}

/* calibration(score, outcome, buckets): a handoff.calibration_result */
Datum
lh_calibration_final(PG_FUNCTION_ARGS)
{
	const LhTally *tally = counted_scores(fcinfo, 1, MAX_BUCKETS);
	double		predicted = 0;
	double		error = 0;
	double		statistic = 0;
	Cut			cut;
	Row			row = {0};

	if (tally == NULL)
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &row.desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "calibration has no composite type");
	cut = cut_rows(tally);
	for (int i = 0; i < cut.nbuckets; i++)
	{
		predicted += cut.buckets[i].sum;
		error += fabs(cut.buckets[i].positives - cut.buckets[i].sum);
		statistic += deviation(&cut.buckets[i]);
	}
	put(&row, Int64GetDatum(tally->n));
	put(&row, Int64GetDatum(tally->positives));
	put_ratio(&row, predicted, tally->n);
	put_ratio(&row, tally->positives, tally->n);
	put(&row, Float8GetDatum(brier_score(&cut)));
	put_ratio(&row, error, tally->n);
	put(&row, Float8GetDatum(statistic));
	put(&row, bucket_array(TupleDescAttr(row.desc, row.ncolumns)->atttypid, &cut, fill_calibration));
	PG_RETURN_DATUM(finish_row(&row));
}
