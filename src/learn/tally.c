/*
 * src/learn/tally.c
 *
 * The state of auc(), lift(), calibration() and logistic_fit(): a multiset of rows of numbers, each with an
 * outcome, kept as its distinct rows with counts.  None of these answers needs more: they don't depend on
 * the order of rows, and what is scored by points, or described by rules that hold or don't, has few
 * distinct rows whatever its size.
 *
 * An aggregate can be computed in parts, by parallel workers or by nodes of a distributed engine, only if
 * its state can be shipped, and engines ship what has a type of its own, not internal.  So the state is a
 * bytea.  A bytea that is written anew for each row would be useless, which is what expanded objects are
 * for (utils/expandeddatum.h): in the aggregate's memory it is a struct with a hash table, to be changed in
 * place; whoever wants to store or ship it gets the flat form:
 *
 *     | varlena length 4 | magic 4 | width 4 | packed 4 | option 8 | rows 8 |   then each distinct row:
 *     | n 8 | positives 8 | numbers: a double each, or if packed a bit each in words of 8 |
 *
 * in the machine's own byte order, which the magic number shows.  A flat form may come from anywhere, so
 * all that is read from it is checked.
 *
 * While all numbers are 0 or 1 a row is packed; the first other number widens all rows.  A packed row of 50
 * rules takes 24 bytes and a wide one 416, and hash, comparison and matrix products gain in proportion.
 *
 * A row to be counted is written behind the last one; if the hash table knows its numbers already it is
 * left there to be overwritten.  Slots hold row numbers, since rows move as their array grows.
 *
 * The memory for rows and slots is bounded by maintenance_work_mem, in each process by itself.
 */
#include "learn/tally.h"

#include <math.h>

#include "common/hashfn.h"
#include "common/int.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#define FLAT_MAGIC		0x4c485401	/* "LHT", version 1 */
#define FIRST_ROWS		16
#define MAX_ROWS		PG_UINT32_MAX

typedef struct FlatTally
{
	int32		vl_len_;
	uint32		magic;
	uint32		width;
	uint32		packed;
	double		option;
	uint64		nrows;
} FlatTally;

typedef struct Slot
{
	uint32		row;
	uint32		hash;
	char		status;
} Slot;

static uint32 hash_row(const LhTally *tally, uint32 i);
static bool equal_rows(const LhTally *tally, uint32 a, uint32 b);

#define SH_PREFIX slots
#define SH_ELEMENT_TYPE Slot
#define SH_KEY_TYPE uint32
#define SH_KEY row
#define SH_HASH_KEY(tb, key) hash_row((tb)->private_data, key)
#define SH_EQUAL(tb, a, b) equal_rows((tb)->private_data, a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, slot) (slot)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static Size flat_size(ExpandedObjectHeader *header);
static void flatten(ExpandedObjectHeader *header, void *result, Size size);

static const ExpandedObjectMethods methods = {flat_size, flatten};

PG_FUNCTION_INFO_V1(lh_tally_combine);

/* ---------- rows ---------- */

static Size
key_size(int width, bool packed)
{
	return sizeof(uint64) * (packed ? lh_tally_words(width) : width);
}

static uint32
hash_row(const LhTally *tally, uint32 i)
{
	return hash_bytes((const unsigned char *) lh_tally_row(tally, i)->key, key_size(tally->width, tally->packed));
}

static bool
equal_rows(const LhTally *tally, uint32 a, uint32 b)
{
	return memcmp(lh_tally_row(tally, a)->key, lh_tally_row(tally, b)->key, key_size(tally->width, tally->packed)) == 0;
}

static Size
memory_limit(void)
{
	return (Size) maintenance_work_mem * 1024;
}

lh_noreturn static void
out_of_bounds(const LhTally *tally)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("too many distinct rows for one aggregate"),
			 errdetail("%u distinct rows fill maintenance_work_mem (%d kB).", tally->nrows, maintenance_work_mem),
			 errhint("Round the numbers so that more rows are equal, or raise maintenance_work_mem.")));
	pg_unreachable();
}

/* Room for one more row behind the last one. */
static void
make_room(LhTally *tally)
{
	Size		slots = tally->slots->size * sizeof(Slot);
	Size		capacity;

	if (tally->slots->members >= tally->slots->grow_threshold)
	{
		slots *= 2;				/* the next new row doubles the table */
		if (slots + tally->nrows * tally->stride > memory_limit())
			out_of_bounds(tally);
	}
	if (tally->nrows < tally->capacity)
		return;

	capacity = Min(2 * (Size) tally->capacity, MAX_ROWS);
	if (slots + capacity * tally->stride > memory_limit())
		capacity = memory_limit() > slots ? (memory_limit() - slots) / tally->stride : 0;
	if (capacity <= tally->nrows)
		out_of_bounds(tally);
	tally->rows = repalloc_huge(tally->rows, capacity * tally->stride);
	tally->capacity = capacity;
}

/* Empty rows and slots, of the present kind. */
static void
make_rows(LhTally *tally)
{
	MemoryContext context = tally->header.eoh_context;

	tally->stride = offsetof(LhTallyRow, key) + key_size(tally->width, tally->packed);
	tally->nrows = 0;
	tally->capacity = FIRST_ROWS;
	tally->rows = MemoryContextAlloc(context, FIRST_ROWS * tally->stride);
	tally->slots = slots_create(context, FIRST_ROWS, tally);
}

static LhTally *
make_tally(MemoryContext parent, int width, double option)
{
	MemoryContext context = AllocSetContextCreate(parent, "lead_handoff tally", ALLOCSET_START_SMALL_SIZES);
	LhTally    *tally = MemoryContextAllocZero(context, sizeof(LhTally));

	EOH_init_header(&tally->header, &methods, context);
	tally->width = width;
	tally->option = option;
	tally->packed = width > 1;	/* a single bit would take a word too */
	make_rows(tally);
	return tally;
}

/* Count the row that stands behind the last one, for which make_room() was called. */
static void
count_row(LhTally *tally, int64 n, int64 positives)
{
	LhTallyRow *row;
	bool		found;

	row = lh_tally_row(tally, slots_insert(tally->slots, tally->nrows, &found)->row);
	if (!found)
	{
		row->n = row->positives = 0;
		tally->nrows++;
	}
	row->n += n;
	row->positives += positives;
	tally->n += n;
	tally->positives += positives;
}

static void
unpack(const uint64 *bits, int width, double *values)
{
	for (int i = 0; i < width; i++)
		values[i] = bits[i / 64] >> (i % 64) & 1;
}

/* From bits to doubles. */
static void
widen(LhTally *tally)
{
	LhTally		old = *tally;

	tally->packed = false;
	tally->n = tally->positives = 0;
	make_rows(tally);
	for (uint32 i = 0; i < old.nrows; i++)
	{
		const LhTallyRow *row = lh_tally_row(&old, i);

		CHECK_FOR_INTERRUPTS();
		make_room(tally);
		unpack(row->key, tally->width, (double *) lh_tally_row(tally, tally->nrows)->key);
		count_row(tally, row->n, row->positives);
	}
	slots_destroy(old.slots);
	pfree(old.rows);
}

/* Write numbers as bits; false if one is neither 0 nor 1. */
static bool
pack(const double *values, int width, uint64 *bits)
{
	memset(bits, 0, key_size(width, true));
	for (int i = 0; i < width; i++)
	{
		if (values[i] == 1)
			bits[i / 64] |= UINT64CONST(1) << (i % 64);
		else if (values[i] != 0)
			return false;
	}
	return true;
}

static void
add_row(LhTally *tally, const double *values, int64 n, int64 positives)
{
	make_room(tally);
	if (tally->packed && !pack(values, tally->width, lh_tally_row(tally, tally->nrows)->key))
	{
		widen(tally);
		make_room(tally);
	}
	if (!tally->packed)
	{
		double	   *key = (double *) lh_tally_row(tally, tally->nrows)->key;

		for (int i = 0; i < tally->width; i++)
			key[i] = values[i] + 0.0;	/* makes -0 0, and so equal bytes of equal numbers */
	}
	count_row(tally, n, positives);
}

void
lh_tally_add(LhTally *tally, const double *values, bool positive)
{
	add_row(tally, values, 1, positive ? 1 : 0);
}

/* ---------- the flat form ---------- */

static Size
flat_size(ExpandedObjectHeader *header)
{
	LhTally    *tally = (LhTally *) header;
	Size		size = sizeof(FlatTally) + tally->nrows * tally->stride;

	if (!AllocSizeIsValid(size))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many distinct rows to be passed between processes"),
				 errdetail("%u distinct rows take more than 1 GB.", tally->nrows),
				 errhint("Set max_parallel_workers_per_gather to 0.")));
	return size;
}

static void
flatten(ExpandedObjectHeader *header, void *result, Size size)
{
	LhTally    *tally = (LhTally *) header;
	FlatTally	flat = {0, FLAT_MAGIC, tally->width, tally->packed, tally->option, tally->nrows};

	Assert(size == flat_size(header));
	SET_VARSIZE(&flat, size);
	memcpy(result, &flat, sizeof(flat));
	memcpy((char *) result + sizeof(flat), tally->rows, tally->nrows * tally->stride);
}

void
lh_tally_broken(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("invalid state of an aggregate over scores or features")));
	pg_unreachable();
}

/* The head of a flat form whose length fits; it need not be aligned. */
static FlatTally
read_head(const struct varlena *state)
{
	FlatTally	flat;
	Size		size = VARSIZE(state);
	Size		stride;

	if (size < sizeof(flat))
		lh_tally_broken();
	memcpy(&flat, state, sizeof(flat));
	if (flat.magic != FLAT_MAGIC || flat.width > LH_TALLY_MAX_WIDTH || flat.packed > 1 || isnan(flat.option))
		lh_tally_broken();
	stride = offsetof(LhTallyRow, key) + key_size(flat.width, flat.packed);
	if (flat.nrows > size / stride || size != sizeof(flat) + flat.nrows * stride)
		lh_tally_broken();
	return flat;
}

/* Are these the counts and numbers of a row that a tally could hold, and the sums still in range? */
static bool
is_row(const LhTally *tally, const LhTallyRow *row, const double *values, int width)
{
	int64		n;

	if (row->n < 1 || row->positives < 0 || row->positives > row->n ||
		pg_add_s64_overflow(tally->n, row->n, &n))
		return false;
	for (int i = 0; i < width; i++)
	{
		if (isnan(values[i]))
			return false;
	}
	return true;
}

static void
must_agree(const LhTally *tally, int width, double option)
{
	if (tally->width != width)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("rows have different numbers of features"),
				 errdetail("One has %d, another %d.", tally->width, width)));
	if (tally->option != option)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the last argument must be the same in all rows"),
				 errdetail("It is %g in one, %g in another.", tally->option, option)));
}

/* Count all rows of a flat form, in a new tally if there is none. */
static LhTally *
absorb(LhTally *tally, const struct varlena *state, MemoryContext context)
{
	FlatTally	flat = read_head(state);
	Size		size = key_size(flat.width, flat.packed);
	const char *next = (const char *) state + sizeof(flat);
	LhTallyRow *row = palloc(offsetof(LhTallyRow, key) + size);
	double	   *values = palloc(sizeof(double) * (flat.width + 1));

	if (tally == NULL)
		tally = make_tally(context, flat.width, flat.option);
	must_agree(tally, flat.width, flat.option);
	for (uint64 i = 0; i < flat.nrows; i++)
	{
		CHECK_FOR_INTERRUPTS();
		memcpy(row, next, offsetof(LhTallyRow, key) + size);
		next += offsetof(LhTallyRow, key) + size;
		if (flat.packed)
			unpack(row->key, flat.width, values);
		else
			memcpy(values, row->key, size);
		if (!is_row(tally, row, values, flat.width))
			lh_tally_broken();
		add_row(tally, values, row->n, row->positives);
	}
	pfree(values);
	pfree(row);
	return tally;
}

/* ---------- arguments ---------- */

MemoryContext
lh_aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("only an aggregate may call this function")));
	return context;
}

/*
 * The state as it is in our memory.  An engine that kept it flat hands that in.
 */
static LhTally *
state_of(FunctionCallInfo fcinfo, MemoryContext context)
{
	struct varlena *state = (struct varlena *) PG_GETARG_POINTER(0);

	if (VARATT_IS_EXTERNAL_EXPANDED(state))
	{
		ExpandedObjectHeader *header = DatumGetEOHP(PointerGetDatum(state));

		if (header->eoh_methods != &methods)
			lh_tally_broken();
		return (LhTally *) header;
	}
	return absorb(NULL, pg_detoast_datum(state), context);
}

LhTally *
lh_tally_state(FunctionCallInfo fcinfo, int width, double option)
{
	MemoryContext context = lh_aggregate_context(fcinfo);
	LhTally    *tally;

	if (PG_ARGISNULL(0))
		return make_tally(context, width, option);
	tally = state_of(fcinfo, context);
	must_agree(tally, width, option);
	return tally;
}

const LhTally *
lh_tally_final(FunctionCallInfo fcinfo)
{
	LhTally    *tally = PG_ARGISNULL(0) ? NULL : state_of(fcinfo, CurrentMemoryContext);

	return tally == NULL || tally->n == 0 ? NULL : tally;
}

/* tally_combine(state, other): both counted together */
Datum
lh_tally_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = lh_aggregate_context(fcinfo);
	LhTally    *tally = PG_ARGISNULL(0) ? NULL : state_of(fcinfo, context);

	if (!PG_ARGISNULL(1))
		tally = absorb(tally, (struct varlena *) PG_DETOAST_DATUM(PG_GETARG_DATUM(1)), context);
	if (tally == NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(EOHPGetRWDatum(&tally->header));
}
