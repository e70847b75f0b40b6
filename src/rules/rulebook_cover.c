/*
 * src/rules/rulebook_cover.c
 *
 * Under which keys to file a rule: a set of keys of which a row has at least one if the rule is true
 * of it, as few rows as possible having one otherwise.
 *
 * A set of leaves covers a rule if every way through its program that ends in YES passes one of them
 * with a yes; their keys (rulebook_key.c) together are the rule's.  That is the known rule "of AND the
 * cheapest member, of OR all members", asked of the program instead of the tree, so NOT and nesting
 * need no thought here.
 *
 * To find one: take all leaves that have keys, and drop the dearest again, as long as the rest is a
 * cover.  What remains can't spare a leaf.
 */
#include "rules/rulebook_index.h"

#include "miscadmin.h"

LhCover *
lh_cover_create(const LhFieldSet *set, LhArena *arena, LhIndex *index)
{
	LhCover    *cover = palloc0(sizeof(LhCover));

	cover->set = set;
	cover->arena = arena;
	cover->index = index;
	cover->probe = lh_fields_create(set);
	cover->values = palloc0(set->nfields * sizeof(hyperLogLogState *));
	cover->share = palloc0(set->nfields * sizeof(double));
	return cover;
}

static void
begin_rule(LhCover *cover, const LhProgram *program)
{
	cover->program = program;
	cover->keys = NULL;
	memset(cover->guards, 0, sizeof(cover->guards));
	if (program->nleaves <= cover->maxleaves)
		return;
	cover->maxleaves = Max(program->nleaves, 64);
	cover->cost = palloc(cover->maxleaves * sizeof(double));
	cover->chosen = palloc(cover->maxleaves * sizeof(bool));
	cover->reached = palloc(cover->maxleaves * sizeof(bool));
	cover->run = palloc(cover->maxleaves * sizeof(int));
	cover->order = palloc(cover->maxleaves * sizeof(int));
}

/* ---------- runs ---------- */

/*
 * Leaves of one run are members of one AND and nothing else leads between them: each is asked only
 * after the one before it said yes, and a no goes the same way from all.  So a yes of one helps only
 * with those of all, and ranges of one field within a run are one range.  run[i]: where i's begins.
 */
static void
find_runs(LhCover *cover)
{
	const LhLeaf *leaves = cover->program->leaves;
	int			n = cover->program->nleaves;
	int		   *ways = cover->order;	/* not in use yet: jumps that lead to each leaf */

	memset(ways, 0, n * sizeof(int));
	for (int i = 0; i < n; i++)
	{
		for (int answer = 0; answer < 2; answer++)
		{
			if (leaves[i].jump[0][answer] >= 0)
				ways[leaves[i].jump[0][answer]]++;
		}
	}
	for (int i = 0; i < n; i++)
	{
		bool		goes_on = i > 0 && leaves[i - 1].jump[0][true] == i && ways[i] == 1 &&
			leaves[i - 1].jump[0][false] == leaves[i].jump[0][false];

		cover->run[i] = goes_on ? cover->run[i - 1] : i;
	}
}

/* ---------- the cover ---------- */

static inline bool
reach(LhCover *cover, int target)
{
	if (target >= 0)
		cover->reached[target] = true;
	return target == JUMP_YES;
}

/* Whether every way to YES passes a chosen leaf with a yes. */
static bool
is_cover(LhCover *cover)
{
	const LhLeaf *leaves = cover->program->leaves;
	int			n = cover->program->nleaves;

	memset(cover->reached, false, n * sizeof(bool));
	cover->reached[0] = true;
	for (int i = 0; i < n; i++)
	{
		const LhLeaf *leaf = &leaves[i];
		bool		may_yes = !cover->chosen[i];
		bool		may_no = true;

		if (!cover->reached[i])
			continue;
		if (leaf->kind == LEAF_CONSTANT)
		{
			may_yes = DatumGetBool(leaf->operand) != leaf->negated;
			may_no = !may_yes;
		}
		if ((may_yes && reach(cover, leaf->jump[0][true])) ||
			(may_no && reach(cover, leaf->jump[0][false])))
			return false;
	}
	return true;
}

static int
dearest_first(const void *a, const void *b, void *arg)
{
	const double *cost = arg;
	int			i = *(const int *) a;
	int			j = *(const int *) b;

	if (cost[i] != cost[j])
		return cost[i] > cost[j] ? -1 : 1;
	return j - i;
}

static bool
choose(LhCover *cover)
{
	int			n = cover->program->nleaves;
	int			nkeyed = 0;

	find_runs(cover);
	for (int i = 0; i < n; i++)
	{
		cover->cost[i] = lh_leaf_cost(cover, i);
		cover->chosen[i] = cover->cost[i] >= 0;
	}
	if (!is_cover(cover))
		return false;
	if (n == 1)
		return true;
	for (int i = 0; i < n; i++)
	{
		if (cover->chosen[i])
			cover->order[nkeyed++] = i;
	}
	qsort_arg(cover->order, nkeyed, sizeof(int), dearest_first, cover->cost);
	for (int i = 0; i < nkeyed; i++)
	{
		CHECK_FOR_INTERRUPTS();
		cover->chosen[cover->order[i]] = false;
		if (!is_cover(cover))
			cover->chosen[cover->order[i]] = true;
	}
	return true;
}

/* Whether the rule is one range of one field and nothing else. */
static bool
is_one_range(const LhCover *cover)
{
	const LhProgram *program = cover->program;

	for (int i = 0; i < program->nleaves; i++)
	{
		if (cover->run[i] != 0 || program->leaves[i].field != program->leaves[0].field ||
			!lh_leaf_is_range(cover, &program->leaves[i]))
			return false;
	}
	return true;
}

/*
 * The keys of a rule; none if it can't be true.  Where each leaf leads straight to YES, the rule is an
 * OR of them, and a key that says all about its leaf says all about the rule; so does the common range
 * of leaves that are nothing but ranges of one field.
 */
LhKey *
lh_cover_keys(LhCover *cover, const LhProgram *program, uint32 rule)
{
	bool		exact = true;

	begin_rule(cover, program);
	cover->rule = rule;
	if (program->nleaves == 0)
		return lh_cover_add_key(cover, LH_KEY_NONE, 0, true, (Datum) 0);
	if (!choose(cover))
		return lh_cover_add_key(cover, LH_KEY_NONE, 0, false, (Datum) 0);
	for (int i = 0; i < program->nleaves; i++)
		exact &= program->leaves[i].jump[0][true] == JUMP_YES;
	exact |= is_one_range(cover);
	for (int i = 0; i < program->nleaves; i++)
	{
		if (!cover->chosen[i])
			continue;
		lh_leaf_guards(cover, i);
		lh_leaf_keys(cover, i, exact);
	}
	return cover->keys;
}
