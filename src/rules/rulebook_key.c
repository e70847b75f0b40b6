/*
 * src/rules/rulebook_key.c
 *
 * The keys of a leaf: what a row must have for the leaf to be what its program asks for, and what
 * share of rows that may be.
 *
 * "domain = 'acme.com'" needs that value, a list one of its values, a pattern its literal beginning or
 * end.  Not all leaves have keys: <> needs too little, the order of text is not kept, and a comparison
 * with now() must not be found by what the time was when the book was made.
 *
 * What a key costs is a guess at the share of rows that have it: by the table's statistics, if the
 * field has any; else by the number of different values that the book's rules ask the field for; by
 * the form of the comparison where that says nothing.  A bad guess costs time, never an answer.
 */
#include "rules/rulebook_index.h"
#include "rules/statistics.h"

#include "port/pg_bitutils.h"

/* Guesses, as shares of all rows. */
#define COST_BOOLEAN		0.4
#define COST_NULL			0.3
#define COST_POINT			0.01
#define COST_BETWEEN		0.1
#define COST_ONE_SIDED		0.5

/* ---------- what a leaf asks for ---------- */

/* How values of a type compare with each other. */
Comparison
lh_own_comparison(LhType type)
{
	switch (type)
	{
		case LH_TEXT:
		case LH_TEXT_ARRAY:
			return COMPARE_TEXT;
		case LH_BOOLEAN:
			return COMPARE_BOOLEAN;
		case LH_BIGINT:
			return COMPARE_BIGINT;
		case LH_NUMERIC:
			return COMPARE_NUMERIC;
		case LH_DATE:
			return COMPARE_DATE;
		case LH_TIMESTAMPTZ:
			return COMPARE_TIMESTAMPTZ;
	}
	elog(ERROR, "unknown field type %d", (int) type);
	return COMPARE_TEXT;
}

static LhType
field_type(const LhCover *cover, const LhLeaf *leaf)
{
	return cover->set->fields[leaf->field].type;
}

/* A comparison with a value of the field's own type: the only ones that have keys. */
static bool
is_plain(const LhCover *cover, const LhLeaf *leaf)
{
	return leaf->kind != LEAF_CONSTANT && leaf->right == RIGHT_VALUE &&
		(leaf->kind != LEAF_DISTINCT || leaf->negated) &&
		((leaf->kind != LEAF_COMPARE && leaf->kind != LEAF_DISTINCT) ||
		 leaf->comparison == lh_own_comparison(field_type(cover, leaf)));
}

/* What a comparison must find to be what its program asks for; see eval_comparison(). */
static int
wanted_order(const LhLeaf *leaf)
{
	int			accept = leaf->accept;

	if (leaf->bias != 0)
	{
		bool		equal = accept & (leaf->bias < 0 ? ACCEPT_LESS : ACCEPT_GREATER);

		accept = (accept & ~ACCEPT_EQUAL) | (equal ? ACCEPT_EQUAL : 0);
	}
	return leaf->negated ? accept ^ (ACCEPT_LESS | ACCEPT_EQUAL | ACCEPT_GREATER) : accept;
}

static bool
is_comparison(const LhLeaf *leaf)
{
	return leaf->kind == LEAF_COMPARE || leaf->kind == LEAF_DISTINCT;
}

/* The field's values are on one shelf by value, not by place on a line. */
static bool
is_hashed(LhType type)
{
	return type == LH_TEXT || type == LH_BIGINT || type == LH_BOOLEAN || type == LH_TEXT_ARRAY;
}

bool
lh_leaf_is_range(const LhCover *cover, const LhLeaf *leaf)
{
	int			wanted;

	if (!is_comparison(leaf) || !is_plain(cover, leaf))
		return false;
	wanted = wanted_order(leaf);
	switch (field_type(cover, leaf))
	{
		case LH_BIGINT:
			return wanted != ACCEPT_EQUAL && wanted != 0 &&
				(wanted & (ACCEPT_LESS | ACCEPT_GREATER)) != (ACCEPT_LESS | ACCEPT_GREATER);
		case LH_NUMERIC:
		case LH_DATE:
		case LH_TIMESTAMPTZ:
			return wanted != 0 &&
				(wanted & (ACCEPT_LESS | ACCEPT_GREATER)) != (ACCEPT_LESS | ACCEPT_GREATER);
		default:
			return false;
	}
}

/*
 * The values that a leaf asks a field for, if it asks for some of few: their number, or -1.  For @>
 * one of them will do.
 */
static int
asked_values(const LhCover *cover, const LhLeaf *leaf, const Datum **values)
{
	if (!is_plain(cover, leaf) || !is_hashed(field_type(cover, leaf)))
		return -1;
	switch ((LeafKind) leaf->kind)
	{
		case LEAF_COMPARE:
		case LEAF_DISTINCT:
			*values = &leaf->operand;
			return wanted_order(leaf) == ACCEPT_EQUAL ? 1 : wanted_order(leaf) == 0 ? 0 : -1;
		case LEAF_IN:
		case LEAF_ANY:
		case LEAF_OVERLAP:
			*values = leaf->list->items;
			return leaf->negated ? -1 : leaf->list->nitems;
		case LEAF_CONTAINS:
			if (leaf->negated)
				return -1;
			*values = leaf->list->items;
			return leaf->list->has_null ? 0 : leaf->list->nitems > 0 ? 1 : -1;
		default:
			return -1;
	}
}

/*
 * The literal before the first wildcard of a pattern, or after the last one, into buffer.  Returns its
 * length; wildcards says how many there are.
 */
static int
pattern_affix(const LhLeaf *leaf, bool suffix, char *buffer, int *wildcards)
{
	const char *pattern = VARDATA_ANY(DatumGetPointer(leaf->operand));
	const char *end = pattern + VARSIZE_ANY_EXHDR(DatumGetPointer(leaf->operand));
	int			len = 0;

	*wildcards = 0;
	for (; pattern < end; pattern++)
	{
		if (*pattern == '%' || *pattern == '_')
		{
			(*wildcards)++;
			if (suffix)
				len = 0;
			continue;
		}
		if (*pattern == '\\' && pattern + 1 < end)
			pattern++;
		if (suffix || *wildcards == 0)
			buffer[len++] = *pattern;
	}
	return len;
}

static bool
is_pattern(const LhLeaf *leaf)
{
	return (leaf->kind == LEAF_LIKE || leaf->kind == LEAF_ILIKE) && !leaf->negated;
}

/* ---------- booleans ---------- */

/* Which of false, true and null (bits 0, 1, 2) are what the leaf's program asks for. */
static int
boolean_states(LhCover *cover, const LhLeaf *leaf)
{
	LhLeaf		alone = *leaf;
	LhProgram	program = {0};
	int			states = 0;

	alone.jump[0][false] = JUMP_NO;
	alone.jump[0][true] = JUMP_YES;
	program.leaves = &alone;
	program.nleaves = 1;
	for (int state = 0; state < 3; state++)
	{
		if (state < 2)
			lh_fields_set(cover->probe, leaf->field, BoolGetDatum(state));
		else
			lh_fields_set_null(cover->probe, leaf->field);
		if (lh_program_is_true(&program, cover->probe, NULL))
			states |= 1 << state;
	}
	return states;
}

/* ---------- ranges ---------- */

/* Narrow a range to what the leaf leaves of it.  Returns false if nothing is left. */
static bool
narrow(const LhCover *cover, const LhLeaf *leaf, LhKey *key)
{
	Comparison	comparison = leaf->comparison;
	int			wanted = wanted_order(leaf);
	int			end = wanted & ACCEPT_EQUAL ? LH_END_ON : LH_END_BESIDE;
	int			order;

	if (!(wanted & ACCEPT_LESS))
	{
		order = key->low_end == LH_END_OPEN ? 1 : lh_compare(comparison, leaf->operand, key->value);
		if (order > 0 || (order == 0 && end == LH_END_BESIDE))
		{
			key->value = leaf->operand;
			key->low_end = end;
		}
	}
	if (!(wanted & ACCEPT_GREATER))
	{
		order = key->high_end == LH_END_OPEN ? -1 : lh_compare(comparison, leaf->operand, key->high);
		if (order < 0 || (order == 0 && end == LH_END_BESIDE))
		{
			key->high = leaf->operand;
			key->high_end = end;
		}
	}
	if (key->low_end == LH_END_OPEN || key->high_end == LH_END_OPEN)
		return true;
	order = lh_compare(comparison, key->value, key->high);
	return order < 0 || (order == 0 && key->low_end == LH_END_ON && key->high_end == LH_END_ON);
}

/* The range of a leaf's field within its run; false if it is empty. */
static bool
run_range(const LhCover *cover, int i, LhKey *range)
{
	const LhLeaf *leaves = cover->program->leaves;
	bool		any = true;

	memset(range, 0, sizeof(LhKey));
	for (int j = cover->run[i]; j < cover->program->nleaves && cover->run[j] == cover->run[i]; j++)
	{
		if (leaves[j].field == leaves[i].field && lh_leaf_is_range(cover, &leaves[j]))
			any &= narrow(cover, &leaves[j], range);
	}
	return any;
}

/* ---------- costs ---------- */

/* Take note of the values that a rule asks for. */
void
lh_cover_learn(LhCover *cover, const LhProgram *program)
{
	for (int i = 0; i < program->nleaves; i++)
	{
		const LhLeaf *leaf = &program->leaves[i];
		const Datum *values;
		int			n = asked_values(cover, leaf, &values);

		if (n > 0 && cover->values[leaf->field] == NULL)
		{
			cover->values[leaf->field] = palloc(sizeof(hyperLogLogState));
			initHyperLogLog(cover->values[leaf->field], 10);
		}
		for (int v = 0; v < n; v++)
			addHyperLogLog(cover->values[leaf->field],
						   lh_hash_value(field_type(cover, leaf), values[v]));
	}
}

/*
 * What the table's statistics say of the leaf's field, or NULL.  Not of a rule that depends on the
 * time: whether it is asked decides until when an answer is said to hold, and that must not be
 * another moment after each ANALYZE.
 */
static const LhStatistics *
known(const LhCover *cover, const LhLeaf *leaf)
{
	return cover->program->has_clock ? NULL : cover->set->fields[leaf->field].statistics;
}

/* One of some values.  Without statistics, those that the rules ask for are all there are. */
static double
values_cost(LhCover *cover, const LhLeaf *leaf, const Datum *values, int n)
{
	int			field = leaf->field;
	double		sum = 0;

	if (known(cover, leaf))
	{
		for (int i = 0; i < n; i++)
			sum += lh_share_of(known(cover, leaf), field_type(cover, leaf), values[i]);
		return sum;
	}
	if (cover->share[field] == 0)
		cover->share[field] = 1.0 / (1.5 + estimateHyperLogLog(cover->values[field]));
	return n * cover->share[field];
}

static double
boolean_cost(const LhCover *cover, const LhLeaf *leaf, int states)
{
	const LhStatistics *statistics = known(cover, leaf);
	double		share = 0;

	if (states == 7)
		return LH_NO_KEY;
	if (statistics == NULL)
		return COST_BOOLEAN * pg_number_of_ones[states];
	for (int state = 0; state < 2; state++)
	{
		if (states & (1 << state))
			share += lh_share_of(statistics, LH_BOOLEAN, BoolGetDatum(state));
	}
	return states & 4 ? share + statistics->nulls : share;
}

static double
pattern_cost(const LhCover *cover, const LhLeaf *leaf)
{
	char	   *buffer = palloc(VARSIZE_ANY_EXHDR(DatumGetPointer(leaf->operand)) + 1);
	int			wildcards;
	int			len = Max(pattern_affix(leaf, false, buffer, &wildcards),
						  pattern_affix(leaf, true, buffer, &wildcards));

	pfree(buffer);
	if (len == 0)
		return LH_NO_KEY;
	return (known(cover, leaf) ? 1 - known(cover, leaf)->nulls : 1) / (2 + 4 * len);
}

static double
range_cost(const LhCover *cover, int i)
{
	const LhLeaf *leaf = &cover->program->leaves[i];
	LhKey		range;

	if (!run_range(cover, i, &range))
		return 0;
	if (known(cover, leaf) && wanted_order(leaf) == ACCEPT_EQUAL)
		return lh_share_of(known(cover, leaf), field_type(cover, leaf), leaf->operand);
	if (known(cover, leaf))
		return lh_share_between(known(cover, leaf), field_type(cover, leaf),
								range.low_end == LH_END_OPEN ? NULL : &range.value,
								range.high_end == LH_END_OPEN ? NULL : &range.high);
	if (wanted_order(leaf) == ACCEPT_EQUAL)
		return COST_POINT;
	return range.low_end == LH_END_OPEN || range.high_end == LH_END_OPEN ? COST_ONE_SIDED : COST_BETWEEN;
}

/* Leaf i of the rule at hand: the share of rows that have one of its keys, or LH_NO_KEY. */
double
lh_leaf_cost(LhCover *cover, int i)
{
	const LhLeaf *leaf = &cover->program->leaves[i];
	const Datum *values;
	int			n;

	if (!is_plain(cover, leaf))
		return LH_NO_KEY;
	if (field_type(cover, leaf) == LH_BOOLEAN)
		return boolean_cost(cover, leaf, boolean_states(cover, leaf));
	if (leaf->kind == LEAF_NULL)
		return leaf->negated ? LH_NO_KEY : known(cover, leaf) ? known(cover, leaf)->nulls : COST_NULL;
	n = asked_values(cover, leaf, &values);
	if (n >= 0)
		return n == 0 ? 0 : values_cost(cover, leaf, values, n);
	if (is_pattern(leaf))
		return pattern_cost(cover, leaf);
	if (leaf->kind == LEAF_IN && !leaf->negated)
		return known(cover, leaf) ?
			values_cost(cover, leaf, leaf->list->items, leaf->list->nitems) :
			leaf->list->nitems * COST_POINT;
	if (lh_leaf_is_range(cover, leaf))
		return range_cost(cover, i);
	if (is_comparison(leaf) && !is_hashed(field_type(cover, leaf)) && wanted_order(leaf) == 0)
		return 0;
	return LH_NO_KEY;
}

/* ---------- guards ---------- */

/* The number of a guarded field, from 1; 0: there are too many. */
static int
guarded_number(LhIndex *index, int field)
{
	int			i = 0;

	while (i < index->nguarded && index->guarded[i] != field)
		i++;
	if (i == LH_MAX_GUARDED)
		return 0;
	if (i == index->nguarded)
		index->guarded[index->nguarded++] = field;
	return i + 1;
}

/* Whether a leaf asks a text or a number for one value. */
static bool
can_guard(const LhCover *cover, const LhLeaf *leaf, Datum *value)
{
	LhType		type = field_type(cover, leaf);
	const Datum *values;

	if ((type != LH_TEXT && type != LH_BIGINT) || asked_values(cover, leaf, &values) != 1)
		return false;
	*value = values[0];
	return true;
}

/*
 * The guards of leaf i's keys: other leaves of its run, which must say yes too for a yes of leaf i to
 * help, that ask a field for one value; the two rarest.
 */
void
lh_leaf_guards(LhCover *cover, int i)
{
	const LhLeaf *leaves = cover->program->leaves;
	int			taken = -1;

	memset(cover->guards, 0, sizeof(cover->guards));
	for (int guard = 0; guard < lengthof(cover->guards); guard++)
	{
		Datum		value = (Datum) 0;
		int			best = -1;
		int			number;

		for (int j = cover->run[i]; j < cover->program->nleaves && cover->run[j] == cover->run[i]; j++)
		{
			if (j != i && j != taken && cover->cost[j] >= 0 &&
				(best < 0 || cover->cost[j] < cover->cost[best]) &&
				can_guard(cover, &leaves[j], &value))
				best = j;
		}
		if (best < 0 || (number = guarded_number(cover->index, leaves[best].field)) == 0)
			return;
		(void) can_guard(cover, &leaves[best], &value);
		cover->guards[guard] = lh_guard(number, lh_hash_value(field_type(cover, &leaves[best]), value));
		taken = best;
	}
}

/* ---------- keys ---------- */

LhKey *
lh_cover_add_key(LhCover *cover, LhKeyKind kind, int field, bool exact, Datum value)
{
	LhKey	   *key = palloc0(sizeof(LhKey));

	key->kind = kind;
	key->field = field;
	key->rule = cover->rule | (exact ? LH_POSTING_EXACT : 0);
	if (!exact)
		memcpy(key->guards, cover->guards, sizeof(key->guards));
	key->value = value;
	key->next = cover->keys;
	cover->keys = key;
	return key;
}

static void
add_boolean(LhCover *cover, const LhLeaf *leaf, bool exact)
{
	int			states = boolean_states(cover, leaf);

	for (int state = 0; state < 2; state++)
	{
		if (states & (1 << state))
			lh_cover_add_key(cover, LH_KEY_VALUE, leaf->field, exact, BoolGetDatum(state));
	}
	if (states & 4)
		lh_cover_add_key(cover, LH_KEY_NULL, leaf->field, exact, (Datum) 0);
}

/*
 * Without wildcard, LIKE is equality.  With one, the longer end of the pattern is the key.  Only
 * 'literal%' asks nothing else: a suffix must also begin where a character does.
 */
static void
add_pattern(LhCover *cover, const LhLeaf *leaf, bool exact)
{
	int			size = VARSIZE_ANY_EXHDR(DatumGetPointer(leaf->operand));
	char	   *prefix = palloc(size + 1);
	char	   *suffix = palloc(size + 1);
	bool		folded = leaf->kind == LEAF_ILIKE;
	int			wildcards;
	int			prefix_len = pattern_affix(leaf, false, prefix, &wildcards);
	int			suffix_len = pattern_affix(leaf, true, suffix, &wildcards);
	bool		open_end = size > 0 &&
		VARDATA_ANY(DatumGetPointer(leaf->operand))[size - 1] == '%' && suffix_len == 0;

	if (wildcards == 0 && !folded)
		lh_cover_add_key(cover, LH_KEY_VALUE, leaf->field, exact,
				lh_arena_text(cover->arena, prefix, prefix_len));
	else if (prefix_len >= suffix_len)
		lh_cover_add_key(cover, folded ? LH_KEY_FOLDED_PREFIX : LH_KEY_PREFIX, leaf->field,
				exact && wildcards == 1 && open_end,
				lh_arena_text(cover->arena, prefix, prefix_len));
	else
		lh_cover_add_key(cover, folded ? LH_KEY_FOLDED_SUFFIX : LH_KEY_SUFFIX, leaf->field, false,
				lh_arena_text(cover->arena, suffix, suffix_len));
	pfree(prefix);
	pfree(suffix);
}

static void
add_points(LhCover *cover, const LhLeaf *leaf, bool exact)
{
	for (int i = 0; i < leaf->list->nitems; i++)
	{
		LhKey	   *key = lh_cover_add_key(cover, LH_KEY_RANGE, leaf->field, exact, leaf->list->items[i]);

		key->low_end = key->high_end = LH_END_ON;
		key->high = leaf->list->items[i];
	}
}

static void
add_range(LhCover *cover, int i, bool exact)
{
	LhKey		range;
	LhKey	   *key;

	if (!run_range(cover, i, &range))
		return;
	key = lh_cover_add_key(cover, LH_KEY_RANGE, cover->program->leaves[i].field,
				  exact, range.value);
	key->high = range.high;
	key->low_end = range.low_end;
	key->high_end = range.high_end;
}

/* Add the keys of leaf i; exact: the rule asks for nothing else than one leaf of its cover. */
void
lh_leaf_keys(LhCover *cover, int i, bool exact)
{
	const LhLeaf *leaf = &cover->program->leaves[i];
	const Datum *values;
	int			n;

	if (field_type(cover, leaf) == LH_BOOLEAN)
		add_boolean(cover, leaf, exact);
	else if (leaf->kind == LEAF_NULL)
		lh_cover_add_key(cover, LH_KEY_NULL, leaf->field, exact, (Datum) 0);
	else if ((n = asked_values(cover, leaf, &values)) >= 0)
	{
		exact &= leaf->kind != LEAF_CONTAINS || leaf->list->nitems == 1;
		for (int v = 0; v < n; v++)
			lh_cover_add_key(cover, LH_KEY_VALUE, leaf->field, exact, values[v]);
	}
	else if (is_pattern(leaf))
		add_pattern(cover, leaf, exact);
	else if (leaf->kind == LEAF_IN)
		add_points(cover, leaf, exact);
	else if (lh_leaf_is_range(cover, leaf))
		add_range(cover, i, exact);
}
