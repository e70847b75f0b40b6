/*
 * src/learn/kaplan_meier.c
 *
 * kaplan_meier(): after how long has it happened to half of them, or to nine in ten?
 *
 * A median over those it has happened to is too short: it leaves out who still waits.  Of them we know that
 * it takes longer than they have waited so far, and Kaplan and Meier's estimate (Nonparametric estimation
 * from incomplete observations, JASA 53, 1958) uses just that.  At each time at which it has happened to d of
 * the n who have waited at least as long, the share that still waits is multiplied by 1 - d / n.
 *
 * Between two times at which somebody was lost from sight the product telescopes: what is left is
 * (at risk now) / (at risk then), which is how it is computed, so that it is rounded once and not once a row.
 *
 * The state is two lists of times, in no order.  Like that of the other aggregates (learn/tally.c) it is an
 * expanded object of type bytea, so that parts of it can be computed elsewhere; its flat form:
 *
 *     | varlena length 4 | magic 4 | shares 8 | happened 8 | waiting 8 |  then these numbers, a double each
 *
 * in the machine's own byte order.  A flat form may come from anywhere, so what is read from it is checked.
 */
#include "learn/tally.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/memutils.h"

#define FLAT_MAGIC		0x4c484b01	/* "LHK", version 1 */
#define FIRST_TIMES		8
#define MAX_SHARES		100

/* What counts as equal to a share: far above rounding, far below one in a million. */
#define SLACK			1e-9

typedef struct Times
{
	uint64		n;
	uint64		capacity;
	double	   *values;			/* seconds */
} Times;

typedef struct Waits
{
	ExpandedObjectHeader header;
	uint64		nshares;
	double	   *shares;			/* the aggregate's argument that is the same in all rows */
	Times		happened;
	Times		waiting;		/* it has not happened up to then, and more isn't known */
} Waits;

typedef struct FlatWaits
{
	int32		vl_len_;
	uint32		magic;
	uint64		nshares;
	uint64		nhappened;
	uint64		nwaiting;
} FlatWaits;

PG_FUNCTION_INFO_V1(lh_kaplan_meier_step);
PG_FUNCTION_INFO_V1(lh_kaplan_meier_combine);
PG_FUNCTION_INFO_V1(lh_kaplan_meier_final);

static Size flat_size(ExpandedObjectHeader *header);
static void flatten(ExpandedObjectHeader *header, void *result, Size size);

static const ExpandedObjectMethods methods = {flat_size, flatten};

/* ---------- the state ---------- */

static Waits *
make_waits(MemoryContext parent, const double *shares, uint64 nshares)
{
	MemoryContext context = AllocSetContextCreate(parent, "lead_handoff waits", ALLOCSET_START_SMALL_SIZES);
	Waits	   *waits = MemoryContextAllocZero(context, sizeof(Waits));

	EOH_init_header(&waits->header, &methods, context);
	waits->nshares = nshares;
	waits->shares = MemoryContextAlloc(context, nshares * sizeof(double));
	memcpy(waits->shares, shares, nshares * sizeof(double));
	return waits;
}

static void
make_room(Waits *waits, Times *times, uint64 n)
{
	uint64		capacity = Max(times->capacity, FIRST_TIMES);

	if (times->n + n <= times->capacity)
		return;
	while (capacity < times->n + n)
		capacity *= 2;
	if (!AllocHugeSizeIsValid(capacity * sizeof(double)))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many rows for one aggregate")));
	if (times->values == NULL)
		times->values = MemoryContextAllocHuge(waits->header.eoh_context, capacity * sizeof(double));
	else
		times->values = repalloc_huge(times->values, capacity * sizeof(double));
	times->capacity = capacity;
}

static void
add_time(Waits *waits, Times *times, double seconds)
{
	make_room(waits, times, 1);
	times->values[times->n++] = seconds;
}

/* ---------- the flat form ---------- */

static Size
flat_size(ExpandedObjectHeader *header)
{
	Waits	   *waits = (Waits *) header;
	Size		size = sizeof(FlatWaits) + (waits->nshares + waits->happened.n + waits->waiting.n) * sizeof(double);

	if (!AllocSizeIsValid(size))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many rows to be passed between processes"),
				 errdetail("Their times take more than 1 GB."),
				 errhint("Set max_parallel_workers_per_gather to 0.")));
	return size;
}

static char *
put_numbers(char *at, const double *numbers, uint64 n)
{
	if (n > 0)
		memcpy(at, numbers, n * sizeof(double));
	return at + n * sizeof(double);
}

static void
flatten(ExpandedObjectHeader *header, void *result, Size size)
{
	Waits	   *waits = (Waits *) header;
	FlatWaits	flat = {0, FLAT_MAGIC, waits->nshares, waits->happened.n, waits->waiting.n};
	char	   *at = (char *) result + sizeof(flat);

	Assert(size == flat_size(header));
	SET_VARSIZE(&flat, size);
	memcpy(result, &flat, sizeof(flat));
	at = put_numbers(at, waits->shares, waits->nshares);
	at = put_numbers(at, waits->happened.values, waits->happened.n);
	(void) put_numbers(at, waits->waiting.values, waits->waiting.n);
}

lh_noreturn static void
broken(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("invalid state of an aggregate over times")));
	pg_unreachable();
}

static bool
is_share(double share)
{
	return share > 0 && share <= 1;
}

static bool
is_time(double seconds)
{
	return seconds >= 0;		/* and no NaN */
}

static const char *
take_times(Waits *waits, Times *times, const char *from, uint64 n)
{
	make_room(waits, times, n);
	for (uint64 i = 0; i < n; i++, from += sizeof(double))
	{
		double		seconds;

		memcpy(&seconds, from, sizeof(seconds));
		if (!is_time(seconds))
			broken();
		times->values[times->n++] = seconds;
	}
	return from;
}

static void
must_agree(const Waits *waits, const double *shares, uint64 nshares)
{
	if (waits->nshares != nshares || memcmp(waits->shares, shares, nshares * sizeof(double)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the shares must be the same in all rows")));
}

/* Add all that a flat form holds, to a new state if there is none. */
static Waits *
absorb(Waits *waits, const struct varlena *state, MemoryContext context)
{
	FlatWaits	flat;
	Size		size = VARSIZE(state);
	uint64		numbers = (size - Min(size, sizeof(flat))) / sizeof(double);
	const char *next = (const char *) state + sizeof(flat);
	double		shares[MAX_SHARES];

	if (size < sizeof(flat))
		broken();
	memcpy(&flat, state, sizeof(flat));	/* it need not be aligned */
	if (flat.magic != FLAT_MAGIC || flat.nshares < 1 || flat.nshares > MAX_SHARES ||
		flat.nhappened > numbers || flat.nwaiting > numbers ||
		size != sizeof(flat) + (flat.nshares + flat.nhappened + flat.nwaiting) * sizeof(double))
		broken();
	memcpy(shares, next, flat.nshares * sizeof(double));
	for (uint64 i = 0; i < flat.nshares; i++)
		if (!is_share(shares[i]))
			broken();
	if (waits == NULL)
		waits = make_waits(context, shares, flat.nshares);
	must_agree(waits, shares, flat.nshares);
	next = take_times(waits, &waits->happened, next + flat.nshares * sizeof(double), flat.nhappened);
	(void) take_times(waits, &waits->waiting, next, flat.nwaiting);
	return waits;
}

/* ---------- arguments ---------- */

/* The state as it is in our memory; see lh_tally_state(). */
static Waits *
state_of(FunctionCallInfo fcinfo, MemoryContext context)
{
	struct varlena *state = (struct varlena *) PG_GETARG_POINTER(0);

	if (VARATT_IS_EXTERNAL_EXPANDED(state))
	{
		ExpandedObjectHeader *header = DatumGetEOHP(PointerGetDatum(state));

		if (header->eoh_methods != &methods)
			broken();
		return (Waits *) header;
	}
	return absorb(NULL, pg_detoast_datum(state), context);
}

/* The shares that the last argument names. */
static const double *
shares_argument(FunctionCallInfo fcinfo, uint64 *nshares)
{
	ArrayType  *array = PG_ARGISNULL(3) ? NULL : PG_GETARG_ARRAYTYPE_P(3);
	bool		valid = array != NULL && ARR_NDIM(array) == 1 && !array_contains_nulls(array) &&
		ARR_DIMS(array)[0] <= MAX_SHARES;
	const double *shares = valid ? (const double *) ARR_DATA_PTR(array) : NULL;

	*nshares = valid ? ARR_DIMS(array)[0] : 0;
	for (uint64 i = 0; i < *nshares; i++)
		valid = valid && is_share(shares[i]);
	if (!valid)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("shares must be an array of 1 to %d numbers above 0 and up to 1", MAX_SHARES)));
	return shares;
}

/* kaplan_meier_step(state, seconds, happened, shares); a row with a NULL in seconds or happened counts for nothing */
Datum
lh_kaplan_meier_step(PG_FUNCTION_ARGS)
{
	MemoryContext context = lh_aggregate_context(fcinfo);
	uint64		nshares;
	const double *shares;
	double		seconds;
	Waits	   *waits;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	seconds = PG_GETARG_FLOAT8(1);
	if (!is_time(seconds))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("not a time that can have passed: %g", seconds)));
	shares = shares_argument(fcinfo, &nshares);
	waits = PG_ARGISNULL(0) ? make_waits(context, shares, nshares) : state_of(fcinfo, context);
	must_agree(waits, shares, nshares);
	add_time(waits, PG_GETARG_BOOL(2) ? &waits->happened : &waits->waiting, seconds);
	PG_RETURN_DATUM(EOHPGetRWDatum(&waits->header));
}

/* kaplan_meier_combine(state, other): both together */
Datum
lh_kaplan_meier_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = lh_aggregate_context(fcinfo);
	Waits	   *waits = PG_ARGISNULL(0) ? NULL : state_of(fcinfo, context);

	if (!PG_ARGISNULL(1))
		waits = absorb(waits, (struct varlena *) PG_DETOAST_DATUM(PG_GETARG_DATUM(1)), context);
	if (waits == NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(EOHPGetRWDatum(&waits->header));
}

/* ---------- the estimate ---------- */

#define ST_SORT sort_times
#define ST_ELEMENT_TYPE double
#define ST_COMPARE(a, b) ((*(a) > *(b)) - (*(a) < *(b)))
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* The first time after which no more than a share still waits; false: there is none.  Times are in order. */
static bool
falls_to(const Waits *waits, double left, double *seconds)
{
	const Times *happened = &waits->happened;
	const Times *waiting = &waits->waiting;
	uint64		at_risk = happened->n + waiting->n;
	uint64		since = at_risk;	/* at risk when somebody was last lost from sight */
	double		share = 1;		/* still waiting then */
	uint64		lost = 0;

	for (uint64 i = 0; i < happened->n;)
	{
		*seconds = happened->values[i];
		if (lost < waiting->n && waiting->values[lost] < *seconds)
		{
			share *= (double) at_risk / since;
			for (; lost < waiting->n && waiting->values[lost] < *seconds; lost++)
				at_risk--;
			since = at_risk;
		}
		for (; i < happened->n && happened->values[i] == *seconds; i++)
			at_risk--;
		if (share * at_risk / since <= left * (1 + SLACK))
			return true;
	}
	return false;
}

/* kaplan_meier_final(state): for each share the time, NULL where it has not happened to so many */
Datum
lh_kaplan_meier_final(PG_FUNCTION_ARGS)
{
	Waits	   *waits = PG_ARGISNULL(0) ? NULL : state_of(fcinfo, CurrentMemoryContext);
	Datum		values[MAX_SHARES];
	bool		nulls[MAX_SHARES];
	int			n;
	int			lower = 1;

	if (waits == NULL)
		PG_RETURN_NULL();
	/* the lists have no order, so that this changes nothing that a later row could see */
	sort_times(waits->happened.values, waits->happened.n);
	sort_times(waits->waiting.values, waits->waiting.n);
	n = (int) waits->nshares;
	for (int i = 0; i < n; i++)
	{
		double		seconds = 0;

		nulls[i] = !falls_to(waits, 1 - waits->shares[i], &seconds);
		values[i] = Float8GetDatum(seconds);
	}
	PG_RETURN_ARRAYTYPE_P(construct_md_array(values, nulls, 1, &n, &lower, FLOAT8OID, sizeof(float8),
											 FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}
