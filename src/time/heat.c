/*
 * src/time/heat.c
 *
 * The type handoff.heat: points that halve every half-life, held so that nothing has to be updated
 * as time passes.
 *
 * p points given at time t are worth p * 2^(-(now - t) / half_life) now.  Their logarithm is
 *
 *     log2(p) + t / half_life - now / half_life
 *
 * where the last term is the same for all heats of one half-life.  So we store the rest, the level
 *
 *     L = log2(|points|) + (at - 2000-01-01 00:00 UTC) / half_life
 *
 * together with the sign.  Two heats keep their order for ever, and adding two needs no clock.  (The
 * technique is forward decay: Cormode, Shkapenyuk, Srivastava, Xu, ICDE 2009.)
 *
 * A heat is one int64: 0 for no points, else
 *
 *     sign * (L + 2^22) in fixed point with 40 fractional bits
 *
 *     |s| whole half-lives + 2^22 (23 bits) | fraction (40 bits) |
 *
 * The bias makes the magnitude positive, so int64 order is the order of the points.  Fixed point and
 * not floating: L grows by one a half-life (260,000 in 30 years of one hour each), and a double
 * would lose what the fraction needs.  The last bit, 2^-40 half-lives, is 6.3e-13 of the points.
 *
 * An addition has to round, and to nearest would be wrong: a small heat added to a large one a hundred
 * thousand times can be rounded the same way each time, and the errors pile up (2.6e-8 of the sum
 * where the small one is a bit and a half).  So a sum is rounded up or down by chance in proportion to
 * what is cut off, the chance being a hash of the two heats: the same heats always give the same sum,
 * in either order, and errors cancel: n additions err by about the root of n bits.
 *
 * L reaches from -2^22 to 2^22 half-lives: with the shortest half-life, an hour, that is 478 years
 * on both sides of 2000.  What is smaller is 0, what is larger stays at the largest heat: a bad date
 * in somebody's data must not stop the drain.
 */
#include "lead_handoff.h"

#include <math.h>

#include "common/hashfn.h"
#include "common/int.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "time/heat.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define FRACTION_BITS	40
#define ONE				(INT64CONST(1) << FRACTION_BITS)	/* one half-life */
#define FRACTION_MASK	(ONE - 1)
#define BIAS_WHOLE		(INT64CONST(1) << 22)
#define BIAS			(BIAS_WHOLE << FRACTION_BITS)
#define LARGEST_HEAT	PG_INT64_MAX

#define MAX_DECIMALS	18		/* accepted; we never print more than 13 */
#define BINARY_VERSION	1

PG_FUNCTION_INFO_V1(lh_heat_in);
PG_FUNCTION_INFO_V1(lh_heat_out);
PG_FUNCTION_INFO_V1(lh_heat_recv);
PG_FUNCTION_INFO_V1(lh_heat_send);
PG_FUNCTION_INFO_V1(lh_heat_make);
PG_FUNCTION_INFO_V1(lh_heat_get_points);
PG_FUNCTION_INFO_V1(lh_heat_get_falls_to);
PG_FUNCTION_INFO_V1(lh_heat_plus);

/* ---------- arithmetic ---------- */

static inline int64
magnitude(LhHeat heat)
{
	return heat < 0 ? -heat : heat;
}

static inline LhHeat
with_sign(int64 size, bool negative)
{
	return negative ? -size : size;
}

static inline int64
to_fixed(double half_lives)
{
	return (int64) rint(ldexp(half_lives, FRACTION_BITS));
}

/*
 * Half-lives from the epoch to a moment, as the whole ones (rounded down) and a fraction.  Only the
 * remainder is divided as a double, so the fraction is right to 2^-53 however far away the moment is.
 */
static int64
half_lives_until(TimestampTz at, int64 half_life, double *fraction)
{
	int64		whole;
	int64		rest;

	*fraction = 0;
	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("points need a finite moment")));
	if (half_life == 0)
		return 0;

	whole = at / half_life;
	rest = at % half_life;
	if (rest < 0)
	{
		rest += half_life;
		whole--;
	}
	*fraction = (double) rest / (double) half_life;
	return whole;
}

static void
check_points(double points)
{
	if (isnan(points) || isinf(points))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("points must be a finite number")));
}

LhHeat
lh_heat_of(double points, TimestampTz at, int64 half_life)
{
	int64		whole;
	double		fraction;
	int			exponent;
	int64		level;

	check_points(points);
	whole = half_lives_until(at, half_life, &fraction);
	if (points == 0)
		return 0;

	/* log2 of the points in two parts as well; the fractions add up to between -1 and 1 */
	fraction += log2(frexp(fabs(points), &exponent));
	level = to_fixed(fraction);
	whole += exponent + (level >> FRACTION_BITS);

	if (whole < -BIAS_WHOLE)
		return 0;
	if (whole >= BIAS_WHOLE)
		return with_sign(LARGEST_HEAT, points < 0);
	return with_sign(((whole + BIAS_WHOLE) << FRACTION_BITS) | (level & FRACTION_MASK), points < 0);
}

/* The level of a heat as whole half-lives and a fraction from 0 to 1. */
static int64
level_of(LhHeat heat, double *fraction)
{
	int64		level = magnitude(heat) - BIAS;

	*fraction = ldexp((double) (level & FRACTION_MASK), -FRACTION_BITS);
	return level >> FRACTION_BITS;
}

double
lh_heat_points(LhHeat heat, TimestampTz at, int64 half_life)
{
	int64		until;
	int64		level;
	double		until_fraction;
	double		level_fraction;
	double		points;

	until = half_lives_until(at, half_life, &until_fraction);
	if (heat == 0)
		return 0;

	/* ldexp takes an int; beyond +-2000 the answer is infinity or 0 anyhow */
	level = level_of(heat, &level_fraction) - until;
	level = Max(Min(level, 2000), -2000);
	points = ldexp(exp2(level_fraction - until_fraction), (int) level);
	return heat < 0 ? -points : points;
}

/* To fixed point, up or down by the chance of two heats (see the head of this file). */
static int64
to_fixed_fairly(double half_lives, LhHeat large, LhHeat small)
{
	const LhHeat pair[2] = {large, small};
	uint64		hash = hash_bytes_extended((const unsigned char *) pair, sizeof(pair), 0);
	double		bits = ldexp(half_lives, FRACTION_BITS);
	double		down = floor(bits);
	double		chance = ldexp((double) (hash >> 11), -53);

	return (int64) down + (chance < bits - down);
}

/*
 * The larger magnitude counts, the smaller one corrects it: log2(x +- y) is
 * log2(x) + log2(1 +- 2^-d) with d = log2(x) - log2(y).
 */
LhHeat
lh_heat_add(LhHeat a, LhHeat b)
{
	LhHeat		large = magnitude(a) >= magnitude(b) ? a : b;
	LhHeat		small = large == a ? b : a;
	int64		size = magnitude(large);
	double		distance;
	double		correction;

	if (small == 0)
		return large;

	distance = ldexp((double) (size - magnitude(small)), -FRACTION_BITS);
	if ((a < 0) == (b < 0))
		correction = log1p(exp2(-distance)) / M_LN2;
	else if (distance == 0)
		return 0;
	else
		correction = log2(-expm1(-distance * M_LN2));

	if (pg_add_s64_overflow(size, to_fixed_fairly(correction, large, small), &size))
		size = LARGEST_HEAT;
	return with_sign(Max(size, 0), large < 0);
}

/*
 * The moment follows from the levels, give or take a microsecond or (half-lives of centuries) the last
 * bits of a double.  The last steps are a search with the function that the caller will ask.
 */
TimestampTz
lh_heat_falls_to(LhHeat heat, double points, int64 half_life)
{
	int64		slack = (half_life >> 50) + 2;
	int64		level;
	double		fraction;
	int			exponent;
	TimestampTz moment;
	TimestampTz early;
	TimestampTz late;

	check_points(points);
	if (half_life == 0 || heat <= 0 || points <= 0)
		return DT_NOEND;

	level = level_of(heat, &fraction);
	fraction -= log2(frexp(points, &exponent));
	level -= exponent;
	if (fraction >= 1)
	{
		/* two half-lives of the longest would not fit */
		fraction -= 1;
		level++;
	}
	if (pg_mul_s64_overflow(level, half_life, &moment) ||
		pg_add_s64_overflow(moment, (int64) (fraction * half_life), &moment) ||
		!IS_VALID_TIMESTAMP(moment))
		return level >= 0 ? DT_NOEND : DT_NOBEGIN;

	early = moment - slack;
	late = moment + slack;
	while (late - early > 1)
	{
		moment = early + (late - early) / 2;
		if (lh_heat_points(heat, moment, half_life) < points)
			late = moment;
		else
			early = moment;
	}
	return late;
}

int64
lh_half_life(const Interval *half_life)
{
	int64		length;

	if (half_life == NULL)
		return 0;

	if (half_life->month != 0 ||
		pg_mul_s64_overflow(half_life->day, USECS_PER_DAY, &length) ||
		pg_add_s64_overflow(length, half_life->time, &length) ||
		length < USECS_PER_HOUR)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid half-life: \"%s\"",
						DatumGetCString(DirectFunctionCall1(interval_out,
															IntervalPGetDatum(half_life)))),
				 errdetail("A half-life is at least an hour, finite, and has no months or years."),
				 errhint("Use days or hours, such as interval '30 days', or NULL for points that never decay.")));
	return length;
}

/* ---------- text ----------
 *
 * "0", or the points at the epoch as a signed power of two: "2^5.643856189775", "-2^-1.5".
 */

/*
 * Append a fraction with the fewest digits that read back as the same 40 bits: digits are made one
 * by one until what is left out is less than half a bit (Steele and White, 1990).  All in units of
 * half a bit, so that 13 decimals at most fit an int64.
 */
static void
append_fraction(StringInfo buf, int64 fraction)
{
	const int64 whole = ONE * 2;
	int64		rest = fraction * 2;
	int64		margin = 1;
	int64		digit;
	bool		low,
				high;

	if (rest == 0)
		return;

	appendStringInfoChar(buf, '.');
	do
	{
		rest *= 10;
		margin *= 10;
		digit = rest / whole;
		rest %= whole;
		low = rest < margin;
		high = rest > whole - margin;
		if (high && (!low || rest * 2 >= whole))
			digit++;
		appendStringInfoChar(buf, '0' + digit);
	} while (!low && !high);
}

/*
 * Read digits with an optional fraction as a fixed-point number, rounded to nearest. Long division
 * in binary: exact, and the numbers stay below 2^61.
 */
static bool
parse_fixed(const char *str, int64 *result)
{
	int64		whole = 0;
	int64		rest = 0;
	int64		unit = 1;
	const char *s = str;

	for (; *s >= '0' && *s <= '9'; s++)
		whole = Min(whole * 10 + (*s - '0'), BIAS_WHOLE);
	if (s == str)
		return false;

	if (*s == '.')
	{
		const char *decimals = ++s;

		for (; *s >= '0' && *s <= '9' && s - decimals < MAX_DECIMALS; s++)
		{
			rest = rest * 10 + (*s - '0');
			unit *= 10;
		}
		if (s == decimals)
			return false;
	}
	if (*s != '\0')
		return false;

	for (int i = 0; i < FRACTION_BITS; i++)
	{
		rest *= 2;
		whole = whole * 2 + (rest >= unit);
		if (rest >= unit)
			rest -= unit;
	}
	*result = whole + (rest * 2 >= unit);
	return true;
}

Datum
lh_heat_in(PG_FUNCTION_ARGS)
{
	const char *str = PG_GETARG_CSTRING(0);
	const char *s = str;
	bool		negative;
	bool		inverse;
	int64		level;

	if (strcmp(s, "0") == 0)
		PG_RETURN_DATUM(HeatGetDatum(0));

	negative = *s == '-';
	if (negative)
		s++;
	if (strncmp(s, "2^", 2) == 0)
		s += 2;
	else
		s = "";
	inverse = *s == '-';
	if (inverse)
		s++;

	if (!parse_fixed(s, &level))
		ereturn(fcinfo->context, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: \"%s\"", "heat", str),
				 errhint("A heat is written as 0 or as a power of two, such as 2^5.5 or -2^3; handoff.heat() makes one from points.")));
	if (level >= BIAS)
		ereturn(fcinfo->context, (Datum) 0,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("value \"%s\" is out of range for type %s", str, "heat")));

	PG_RETURN_DATUM(HeatGetDatum(with_sign(inverse ? BIAS - level : BIAS + level, negative)));
}

char *
lh_heat_text(LhHeat heat)
{
	int64		level = magnitude(heat) - BIAS;
	StringInfoData buf;

	if (heat == 0)
		return pstrdup("0");

	initStringInfo(&buf);
	appendStringInfo(&buf, "%s2^%s", heat < 0 ? "-" : "", level < 0 ? "-" : "");
	level = level < 0 ? -level : level;
	appendStringInfo(&buf, INT64_FORMAT, level >> FRACTION_BITS);
	append_fraction(&buf, level & FRACTION_MASK);
	return buf.data;
}

Datum
lh_heat_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(lh_heat_text(DatumGetHeat(PG_GETARG_DATUM(0))));
}

/* ---------- binary: a version byte and the int64 ---------- */

Datum
lh_heat_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			version = pq_getmsgbyte(buf);
	LhHeat		heat;

	if (version != BINARY_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("unsupported heat version number: %d", version)));

	/* every other number is a heat, but the smallest one has no magnitude */
	heat = pq_getmsgint64(buf);
	if (heat == PG_INT64_MIN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary heat")));
	PG_RETURN_DATUM(HeatGetDatum(heat));
}

Datum
lh_heat_send(PG_FUNCTION_ARGS)
{
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendbyte(&buf, BINARY_VERSION);
	pq_sendint64(&buf, DatumGetHeat(PG_GETARG_DATUM(0)));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* ---------- what SQL calls; a NULL half-life means no decay, so none of these is strict ---------- */

static int64
half_life_arg(FunctionCallInfo fcinfo, int n)
{
	return lh_half_life(PG_ARGISNULL(n) ? NULL : PG_GETARG_INTERVAL_P(n));
}

Datum
lh_heat_make(PG_FUNCTION_ARGS)
{
	int64		half_life = half_life_arg(fcinfo, 2);

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(HeatGetDatum(lh_heat_of(PG_GETARG_FLOAT8(0), PG_GETARG_TIMESTAMPTZ(1), half_life)));
}

Datum
lh_heat_get_points(PG_FUNCTION_ARGS)
{
	int64		half_life = half_life_arg(fcinfo, 2);

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(lh_heat_points(DatumGetHeat(PG_GETARG_DATUM(0)), PG_GETARG_TIMESTAMPTZ(1), half_life));
}

Datum
lh_heat_get_falls_to(PG_FUNCTION_ARGS)
{
	int64		half_life = half_life_arg(fcinfo, 2);

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(lh_heat_falls_to(DatumGetHeat(PG_GETARG_DATUM(0)), PG_GETARG_FLOAT8(1), half_life));
}

/* Strict. */
Datum
lh_heat_plus(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(HeatGetDatum(lh_heat_add(DatumGetHeat(PG_GETARG_DATUM(0)),
											 DatumGetHeat(PG_GETARG_DATUM(1)))));
}
