/*
 * src/rules/criteria_bind.c
 *
 * From a criteria to a program over a set of fields: names become indexes, literals become values of
 * the fields' types, and/or/not become jumps.  All that can be wrong between a criteria and the
 * fields is found here (ERRCODE_LH_UNKNOWN_FIELD, ERRCODE_LH_FIELD_TYPE), so that evaluation raises
 * nothing.
 *
 * The program.  SQL's logic has three values, but two questions suffice: is it true, and if not, is
 * it false?  By De Morgan, which holds with unknowns too, either is a matter of the leaves alone:
 * "a and b" is true when a is true and b is true, false when a is false or b is false.  So each leaf
 * has two pairs of jumps, one for each question, and evaluation is a loop that asks leaf after leaf
 * "are you what I want?" and goes where the answer says.  NOT leaves no trace but a flag on leaves.
 *
 * Leaves that depend on the time come last among their siblings: where another one decides, the
 * answer doesn't depend on the time, and nobody need look again.  No leaf can raise an error, so the
 * order is free.
 */
#include "rules/criteria_bind.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

/* Where to go on, for the questions "is it true" and "is it false". */
typedef struct Targets
{
	int16		no;
	int16		yes;
} Targets;

/* ---------- leaves ---------- */

static uint8
accepted(LhCompareOp op)
{
	switch (op)
	{
		case LH_OP_EQ:
			return ACCEPT_EQUAL;
		case LH_OP_NE:
			return ACCEPT_LESS | ACCEPT_GREATER;
		case LH_OP_LT:
			return ACCEPT_LESS;
		case LH_OP_LE:
			return ACCEPT_LESS | ACCEPT_EQUAL;
		case LH_OP_GT:
			return ACCEPT_GREATER;
		case LH_OP_GE:
			return ACCEPT_GREATER | ACCEPT_EQUAL;
	}
	elog(ERROR, "unexpected operator %d in criteria", (int) op);
	return 0;
}

/* In most encodings of several bytes a literal's could also lie across two characters. */
static bool
is_infix(Datum pattern)
{
	const char *data = VARDATA_ANY(DatumGetPointer(pattern));
	int			len = VARSIZE_ANY_EXHDR(DatumGetPointer(pattern));

	if (GetDatabaseEncoding() != PG_UTF8 && pg_database_encoding_max_length() > 1)
		return false;
	if (len < 2 || data[0] != '%' || data[len - 1] != '%')
		return false;
	for (int i = 1; i < len - 1; i++)
	{
		if (data[i] == '%' || data[i] == '_' || data[i] == '\\')
			return false;
	}
	return true;
}

static void
need_type(Binder *binder, int node, int field, LhType type)
{
	if (binder->set->fields[field].type != type)
		lh_type_clash(binder, node, field, NULL);
}

/* Add a leaf with its jumps.  negated has the NOTs above it counted in. */
static LhLeaf *
add_leaf(Binder *binder, LeafKind kind, bool negated, const Targets *targets)
{
	LhLeaf	   *leaf = &binder->program->leaves[binder->program->nleaves++];

	leaf->kind = kind;
	leaf->negated = negated;
	for (int question = 0; question < 2; question++)
	{
		leaf->jump[question][false] = targets[question].no;
		leaf->jump[question][true] = targets[question].yes;
	}
	return leaf;
}

/* A field, or true or false, that stands alone. */
static void
bind_bare(Binder *binder, int node, bool negated, const Targets *targets)
{
	const LhNode *n = &binder->criteria->nodes[node];
	LhLeaf	   *leaf;

	if (n->kind == LH_NODE_LITERAL)
	{
		leaf = add_leaf(binder, LEAF_CONSTANT, negated, targets);
		leaf->operand = BoolGetDatum(lh_node_literal(binder->criteria, n)->text[0] == 't');
		return;
	}
	leaf = add_leaf(binder, LEAF_BOOLEAN, negated, targets);
	leaf->field = lh_bind_field(binder, node);
	if (binder->set->fields[leaf->field].type != LH_BOOLEAN)
		ereport(ERROR,
				(errcode(ERRCODE_LH_FIELD_TYPE),
				 errmsg("field \"%s\" of type %s is no condition by itself",
						binder->set->fields[leaf->field].name,
						lh_type_name(binder->set->fields[leaf->field].type)),
				 errhint("Only a boolean field is."),
				 lh_criteria_errposition(binder->criteria, node)));
}

static void
bind_predicate(Binder *binder, int node, bool negated, const Targets *targets)
{
	static const LeafKind kinds[] = {
		[LH_NODE_COMPARE] = LEAF_COMPARE,
		[LH_NODE_DISTINCT] = LEAF_DISTINCT,
		[LH_NODE_IN] = LEAF_IN,
		[LH_NODE_LIKE] = LEAF_LIKE,
		[LH_NODE_ILIKE] = LEAF_ILIKE,
		[LH_NODE_IS_NULL] = LEAF_NULL,
		[LH_NODE_IS] = LEAF_IS,
		[LH_NODE_ANY] = LEAF_ANY,
		[LH_NODE_OVERLAP] = LEAF_OVERLAP,
		[LH_NODE_CONTAINS] = LEAF_CONTAINS,
	};
	const LhNode *n = &binder->criteria->nodes[node];
	LhLeaf	   *leaf = add_leaf(binder, kinds[n->kind], negated ^ n->negated, targets);
	int			right = node + 2;

	binder->predicate = node;
	leaf->field = lh_bind_field(binder, node + 1);
	switch ((LhNodeKind) n->kind)
	{
		case LH_NODE_COMPARE:
			leaf->accept = accepted(n->op);
			lh_bind_operand(binder, right, leaf->field, leaf);
			break;
		case LH_NODE_DISTINCT:
			leaf->accept = ACCEPT_LESS | ACCEPT_GREATER;
			lh_bind_operand(binder, right, leaf->field, leaf);
			break;
		case LH_NODE_IN:
			if (binder->set->fields[leaf->field].type == LH_TEXT_ARRAY)
				lh_type_clash(binder, node + 1, leaf->field, NULL);
			lh_bind_list(binder, right, leaf->field, leaf);
			break;
		case LH_NODE_LIKE:
		case LH_NODE_ILIKE:
			need_type(binder, node + 1, leaf->field, LH_TEXT);
			lh_bind_operand(binder, right, leaf->field, leaf);
			if (n->kind == LH_NODE_ILIKE)
				lh_fold_ascii(VARDATA(DatumGetPointer(leaf->operand)),
							  VARSIZE(DatumGetPointer(leaf->operand)) - VARHDRSZ);
			if (is_infix(leaf->operand))
				leaf->accept = PATTERN_INFIX;
			break;
		case LH_NODE_IS_NULL:
			break;
		case LH_NODE_IS:
			need_type(binder, node + 1, leaf->field, LH_BOOLEAN);
			leaf->operand = Int32GetDatum(n->op);
			break;
		case LH_NODE_ANY:
			need_type(binder, node + 1, leaf->field, LH_TEXT_ARRAY);
			lh_bind_strings(binder, right, leaf);
			break;
		case LH_NODE_OVERLAP:
		case LH_NODE_CONTAINS:
			need_type(binder, node + 1, leaf->field, LH_TEXT_ARRAY);
			lh_bind_strings(binder, right, leaf);
			break;
		default:
			elog(ERROR, "unexpected node %d in criteria", n->kind);
	}
	binder->program->has_clock |= leaf->right == RIGHT_CLOCK;
}

/* ---------- and, or, not ---------- */

static int
count_leaves(const Criteria *criteria, int node)
{
	const LhNode *n = &criteria->nodes[node];
	int			leaves = 0;

	switch ((LhNodeKind) n->kind)
	{
		case LH_NODE_AND:
		case LH_NODE_OR:
		case LH_NODE_NOT:
			for (int child = node + 1; child < node + n->nodes; child += criteria->nodes[child].nodes)
				leaves += count_leaves(criteria, child);
			return leaves;
		case LH_NODE_BETWEEN:
			return 2;
		default:
			return 1;
	}
}

static bool
depends_on_time(const Criteria *criteria, int node)
{
	for (int i = node; i < node + criteria->nodes[node].nodes; i++)
	{
		if (criteria->nodes[i].kind == LH_NODE_NOW || criteria->nodes[i].kind == LH_NODE_TODAY)
			return true;
	}
	return false;
}

/*
 * Where a member of AND or OR goes on.  Asked whether it is true, AND goes on while the answer is
 * yes, OR while it is no; asked whether it is false, or under NOT, the other way round.  The last
 * member goes where the whole goes.
 */
static void
member_targets(bool is_and, bool negated, bool last, int next, const Targets *whole, Targets *member)
{
	for (int question = 0; question < 2; question++)
	{
		bool		all = is_and ^ negated ^ (question == 1);

		member[question] = whole[question];
		if (last)
			continue;
		if (all)
			member[question].yes = next;
		else
			member[question].no = next;
	}
}

/* x between a and b is x >= a and x <= b */
static void
bind_between(Binder *binder, int node, bool negated, const Targets *targets)
{
	const LhNode *n = &binder->criteria->nodes[node];
	bool		not_between = negated ^ n->negated;

	binder->predicate = node;
	for (int bound = 0; bound < 2; bound++)
	{
		Targets		member[2];
		LhLeaf	   *leaf;

		member_targets(true, not_between, bound == 1, binder->program->nleaves + 1, targets, member);
		leaf = add_leaf(binder, LEAF_COMPARE, not_between, member);
		leaf->field = lh_bind_field(binder, node + 1);
		leaf->accept = accepted(bound == 0 ? LH_OP_GE : LH_OP_LE);
		lh_bind_operand(binder, node + 2 + bound, leaf->field, leaf);
		binder->program->has_clock |= leaf->right == RIGHT_CLOCK;
	}
}

static void
bind_condition(Binder *binder, int node, bool negated, const Targets *targets)
{
	const LhNode *nodes = binder->criteria->nodes;
	int			end = node + nodes[node].nodes;
	int			last_leaf;

	check_stack_depth();
	switch ((LhNodeKind) nodes[node].kind)
	{
		case LH_NODE_NOT:
			bind_condition(binder, node + 1, !negated, targets);
			return;
		case LH_NODE_BETWEEN:
			bind_between(binder, node, negated, targets);
			return;
		case LH_NODE_FIELD:
		case LH_NODE_LITERAL:
			bind_bare(binder, node, negated, targets);
			return;
		case LH_NODE_AND:
		case LH_NODE_OR:
			break;
		default:
			bind_predicate(binder, node, negated, targets);
			return;
	}

	last_leaf = binder->program->nleaves + count_leaves(binder->criteria, node);
	for (int timed = 0; timed < 2; timed++)
	{
		for (int child = node + 1; child < end; child += nodes[child].nodes)
		{
			Targets		member[2];
			int			next;

			if (depends_on_time(binder->criteria, child) != timed)
				continue;
			next = binder->program->nleaves + count_leaves(binder->criteria, child);
			member_targets(nodes[node].kind == LH_NODE_AND, negated, next == last_leaf, next,
						   targets, member);
			bind_condition(binder, child, negated, member);
		}
	}
}

LhProgram *
lh_criteria_bind(const Criteria *criteria, const LhFieldSet *set)
{
	static const Targets whole[2] = {{JUMP_NO, JUMP_YES}, {JUMP_NO, JUMP_YES}};
	Binder		binder = {0};

	lh_criteria_check_version(criteria);
	binder.criteria = criteria;
	binder.set = set;
	binder.program = palloc0(sizeof(LhProgram));
	binder.program->leaves = palloc0(count_leaves(criteria, 0) * sizeof(LhLeaf));
	bind_condition(&binder, 0, false, whole);
	return binder.program;
}
