/*
 * src/learn/shares.c
 *
 * difference_p(): can two shares be told apart?  The test of equal proportions with a pooled variance and without
 * Yates' correction (Pearson, 1900): z = (p - q) / sqrt(r (1 - r) (1/n + 1/m)), r the share of both together, whose
 * square is the chi-squared statistic of the 2 x 2 table.  It stands in C for the normal distribution: SQL has had
 * erfc() since PostgreSQL 16 only.
 */
#include "lead_handoff.h"

#include <math.h>

#include "fmgr.h"

PG_FUNCTION_INFO_V1(lh_difference_p);

static void
check_share(int64 num, int64 den)
{
	if (num < 0 || num > den)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%lld of %lld is no share", (long long) num, (long long) den),
				 errhint("A numerator is from 0 to its denominator.")));
}

Datum
lh_difference_p(PG_FUNCTION_ARGS)
{
	double		x = PG_GETARG_INT64(0);
	double		n = PG_GETARG_INT64(1);
	double		y = PG_GETARG_INT64(2);
	double		m = PG_GETARG_INT64(3);
	double		pooled = (x + y) / (n + m);
	double		z;

	check_share(PG_GETARG_INT64(0), PG_GETARG_INT64(1));
	check_share(PG_GETARG_INT64(2), PG_GETARG_INT64(3));
	if (n == 0 || m == 0 || x + y == 0 || x + y == n + m)
		PG_RETURN_NULL();
	z = (x / n - y / m) / sqrt(pooled * (1 - pooled) * (1 / n + 1 / m));
	PG_RETURN_FLOAT8(erfc(fabs(z) / sqrt(2.0)));
}
