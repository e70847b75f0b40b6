/*
 * src/rules/criteria_eval.c
 *
 * Evaluation: whether a leaf is true, false or unknown for a row, and the loop over a program's
 * leaves (criteria_bind.c explains the program).
 *
 * Every answer is the one of PostgreSQL's operator of that name over collation "C": text compares
 * byte by byte, NaN equals itself and is above all numbers, a null makes a comparison unknown and an
 * element of an array match nothing.  Nothing here raises an error that depends on data.
 *
 * Values are used where they lie; only a toasted one is copied, into the current context.
 */
#include "rules/criteria_eval.h"

#include "access/tupmacs.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/numeric.h"

/* ---------- comparing ---------- */

static inline int
compare_int64(int64 a, int64 b)
{
	return (a > b) - (a < b);
}

static int
compare_text(Datum left, Datum right)
{
	text	   *a = lh_plain_text(left);
	text	   *b = lh_plain_text(right);
	int			alen = VARSIZE_ANY_EXHDR(a);
	int			blen = VARSIZE_ANY_EXHDR(b);
	int			result = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(alen, blen));

	return result != 0 ? result : alen - blen;
}

static int
compare_numeric(Datum left, Datum right)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, left, right));
}

/* Less than, equal to, or greater than zero, as left is to right. */
int
lh_compare(Comparison comparison, Datum left, Datum right)
{
	switch (comparison)
	{
		case COMPARE_TEXT:
			return compare_text(left, right);
		case COMPARE_BOOLEAN:
			return (int) DatumGetBool(left) - (int) DatumGetBool(right);
		case COMPARE_BIGINT:
		case COMPARE_TIMESTAMPTZ:
			return compare_int64(DatumGetInt64(left), DatumGetInt64(right));
		case COMPARE_BIGINT_NUMERIC:
			left = NumericGetDatum(int64_to_numeric(DatumGetInt64(left)));
			return compare_numeric(left, right);
		case COMPARE_NUMERIC_BIGINT:
			right = NumericGetDatum(int64_to_numeric(DatumGetInt64(right)));
			return compare_numeric(left, right);
		case COMPARE_NUMERIC:
			return compare_numeric(left, right);
		case COMPARE_DATE:
			return compare_int64(DatumGetDateADT(left), DatumGetDateADT(right));
		case COMPARE_DATE_TIMESTAMP:
			return date_cmp_timestamp_internal(DatumGetDateADT(left), DatumGetTimestamp(right));
		case COMPARE_DATE_TIMESTAMPTZ:
			return date_cmp_timestamptz_internal(DatumGetDateADT(left), DatumGetTimestampTz(right));
		case COMPARE_TIMESTAMPTZ_DATE:
			return -date_cmp_timestamptz_internal(DatumGetDateADT(right), DatumGetTimestampTz(left));
	}
	elog(ERROR, "unexpected comparison %d", (int) comparison);
	return 0;
}

static inline LhTruth
truth_of(bool value)
{
	return value ? LH_TRUE : LH_FALSE;
}

static LhTruth
eval_comparison(const LhLeaf *leaf, Datum value, Datum operand)
{
	int			order;

	/* most rules ask whether a text is equal; most answers are known from the length */
	if (leaf->comparison == COMPARE_TEXT && leaf->accept == ACCEPT_EQUAL)
	{
		text	   *a = lh_plain_text(value);
		text	   *b = lh_plain_text(operand);
		int			len = VARSIZE_ANY_EXHDR(a);

		return truth_of(len == VARSIZE_ANY_EXHDR(b) &&
						memcmp(VARDATA_ANY(a), VARDATA_ANY(b), len) == 0);
	}
	order = lh_compare(leaf->comparison, value, operand);
	if (order == 0)
		order = leaf->bias;
	return truth_of(leaf->accept & (order < 0 ? ACCEPT_LESS : order > 0 ? ACCEPT_GREATER : ACCEPT_EQUAL));
}

/* One of the two is null. */
static LhTruth
eval_null_comparison(const LhLeaf *leaf, bool left_null, bool right_null)
{
	if (leaf->kind == LEAF_DISTINCT)
		return truth_of(left_null != right_null);
	return LH_UNKNOWN;
}

static bool
find_item(const LhLeaf *leaf, Datum value)
{
	const LhList *list = leaf->list;
	int			low = 0;
	int			high = list->nitems;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;
		int			order = lh_compare(leaf->comparison, value, list->items[middle]);

		if (order == 0)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

/* ---------- patterns ---------- */

void
lh_fold_ascii(char *string, int len)
{
	for (int i = 0; i < len; i++)
	{
		if (string[i] >= 'A' && string[i] <= 'Z')
			string[i] += 'a' - 'A';
	}
}

static inline char
fold_char(char c, bool fold)
{
	return fold && c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* '%literal%', which no index finds: asked of every row, so without a call or a copy. */
static LhTruth
contains(Datum value, Datum pattern, bool fold)
{
	text	   *t = lh_plain_text(value);
	const char *data = VARDATA_ANY(t);
	const char *part = VARDATA_ANY(DatumGetPointer(pattern)) + 1;
	int			npart = VARSIZE_ANY_EXHDR(DatumGetPointer(pattern)) - 2;
	const char *last = data + VARSIZE_ANY_EXHDR(t) - npart;

	for (; data <= last; data++)
	{
		int			i = 0;

		while (i < npart && fold_char(data[i], fold) == part[i])
			i++;
		if (i == npart)
			return LH_TRUE;
	}
	return LH_FALSE;
}

static LhTruth
like(Datum value, Datum pattern)
{
	return truth_of(DatumGetBool(DirectFunctionCall2Coll(textlike, C_COLLATION_OID, value, pattern)));
}

/* ILIKE of collation "C" is LIKE of both sides folded; the pattern was folded when it was bound. */
static LhTruth
ilike(Datum value, Datum pattern)
{
	text	   *t = DatumGetTextPP(value);
	int			len = VARSIZE_ANY_EXHDR(t);
	union
	{
		int32		align;
		char		data[512];
	}			buffer;
	text	   *folded = (text *) buffer.data;
	LhTruth		truth;

	if (len + VARHDRSZ > sizeof(buffer))
		folded = palloc(len + VARHDRSZ);
	SET_VARSIZE(folded, len + VARHDRSZ);
	memcpy(VARDATA(folded), VARDATA_ANY(t), len);
	lh_fold_ascii(VARDATA(folded), len);
	truth = like(PointerGetDatum(folded), pattern);
	if (folded != (text *) buffer.data)
		pfree(folded);
	return truth;
}

/* ---------- arrays ---------- */

/* A walk over the elements of a text array, whatever its dimensions. */
typedef struct Walk
{
	char	   *next;
	bits8	   *nulls;
	int			element;
	int			nelements;
} Walk;

static void
walk_start(Walk *walk, ArrayType *array)
{
	walk->next = ARR_DATA_PTR(array);
	walk->nulls = ARR_NULLBITMAP(array);
	walk->element = 0;
	walk->nelements = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
}

static bool
walk_next(Walk *walk, Datum *value, bool *isnull)
{
	if (walk->element == walk->nelements)
		return false;
	*isnull = walk->nulls && att_isnull(walk->element, walk->nulls);
	walk->element++;
	if (!*isnull)
	{
		walk->next = (char *) att_align_pointer(walk->next, TYPALIGN_INT, -1, walk->next);
		*value = PointerGetDatum(walk->next);
		walk->next += VARSIZE_ANY(walk->next);
	}
	return true;
}

static bool
array_has(ArrayType *array, Datum item, bool *saw_null)
{
	Walk		walk;
	Datum		value;
	bool		isnull;

	walk_start(&walk, array);
	while (walk_next(&walk, &value, &isnull))
	{
		if (isnull)
			*saw_null = true;
		else if (compare_text(value, item) == 0)
			return true;
	}
	return false;
}

static LhTruth
eval_array(const LhLeaf *leaf, ArrayType *array)
{
	const LhList *list = leaf->list;
	bool		saw_null = false;

	switch ((LeafKind) leaf->kind)
	{
		case LEAF_ANY:
			if (array_has(array, list->items[0], &saw_null))
				return LH_TRUE;
			return saw_null ? LH_UNKNOWN : LH_FALSE;
		case LEAF_OVERLAP:
			for (int i = 0; i < list->nitems; i++)
			{
				if (array_has(array, list->items[i], &saw_null))
					return LH_TRUE;
			}
			return LH_FALSE;
		default:
			for (int i = 0; i < list->nitems; i++)
			{
				if (!array_has(array, list->items[i], &saw_null))
					return LH_FALSE;
			}
			return truth_of(!list->has_null);
	}
}

/* ---------- leaves and programs ---------- */

static LhTruth
eval_compare_leaf(const LhLeaf *leaf, const LhFields *row, TimestampTz *valid_until)
{
	Datum		value = row->values[leaf->field];
	bool		isnull = row->isnull[leaf->field];
	LhTruth		truth;

	if (leaf->right == RIGHT_FIELD)
	{
		if (isnull || row->isnull[leaf->other])
			return eval_null_comparison(leaf, isnull, row->isnull[leaf->other]);
		return eval_comparison(leaf, value, row->values[leaf->other]);
	}
	if (isnull)
		return eval_null_comparison(leaf, true, false);
	if (leaf->right == RIGHT_VALUE)
		return eval_comparison(leaf, value, leaf->operand);
	truth = eval_comparison(leaf, value, leaf->clock->operand);
	if (valid_until)
	{
		TimestampTz until = lh_leaf_valid_until(leaf, value);

		*valid_until = Min(*valid_until, until);
	}
	return truth;
}

static LhTruth
eval_leaf(const LhLeaf *leaf, const LhFields *row, TimestampTz *valid_until)
{
	Datum		value;
	bool		isnull;

	if (leaf->kind == LEAF_CONSTANT)
		return truth_of(DatumGetBool(leaf->operand));
	if (leaf->kind == LEAF_COMPARE || leaf->kind == LEAF_DISTINCT)
		return eval_compare_leaf(leaf, row, valid_until);

	value = row->values[leaf->field];
	isnull = row->isnull[leaf->field];
	if (leaf->kind == LEAF_NULL)
		return truth_of(isnull);
	if (leaf->kind == LEAF_IS)
		return truth_of(DatumGetInt32(leaf->operand) ==
						(isnull ? LH_UNKNOWN : truth_of(DatumGetBool(value))));
	if (isnull)
		return LH_UNKNOWN;
	switch ((LeafKind) leaf->kind)
	{
		case LEAF_BOOLEAN:
			return truth_of(DatumGetBool(value));
		case LEAF_IN:
			if (find_item(leaf, value))
				return LH_TRUE;
			return leaf->list->has_null ? LH_UNKNOWN : LH_FALSE;
		case LEAF_LIKE:
			if (leaf->accept == PATTERN_INFIX)
				return contains(value, leaf->operand, false);
			return like(value, leaf->operand);
		case LEAF_ILIKE:
			if (leaf->accept == PATTERN_INFIX)
				return contains(value, leaf->operand, true);
			return ilike(value, leaf->operand);
		case LEAF_ANY:
		case LEAF_OVERLAP:
		case LEAF_CONTAINS:
			return eval_array(leaf, DatumGetArrayTypeP(value));
		default:
			break;
	}
	elog(ERROR, "unexpected leaf %d", leaf->kind);
	return LH_UNKNOWN;
}

/* question: 0 is it true, 1 is it false */
static inline bool
run(const LhProgram *program, int question, const LhFields *row, TimestampTz *valid_until)
{
	int			i = 0;

	while (i >= 0)
	{
		const LhLeaf *leaf = &program->leaves[i];
		LhTruth		wanted = truth_of(leaf->negated == question);

		i = leaf->jump[question][eval_leaf(leaf, row, valid_until) == wanted];
	}
	return i == JUMP_YES;
}

bool
lh_program_is_true(const LhProgram *program, const LhFields *row, TimestampTz *valid_until)
{
	return run(program, 0, row, valid_until);
}

bool
lh_program_is_false(const LhProgram *program, const LhFields *row, TimestampTz *valid_until)
{
	return run(program, 1, row, valid_until);
}
