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
 *
 * Field and literal need not be of one type.  Numbers are compared by value: a bigint against 10.5 is
 * compared with 10 and a bias, never as a double.  Dates and moments are compared as PostgreSQL's
 * operators across these types do it.
 */
#include "rules/criteria_eval.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "rules/literal.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/numeric.h"

typedef struct Binder
{
	const Criteria *criteria;
	const LhFieldSet *set;
	LhProgram  *program;
	int			predicate;		/* node being bound, for its operator's name in errors */
} Binder;

/* Where to go on, for the questions "is it true" and "is it false". */
typedef struct Targets
{
	int16		no;
	int16		yes;
} Targets;

/* ---------- complaints ---------- */

static const char *
operator_name(const LhNode *node)
{
	switch ((LhNodeKind) node->kind)
	{
		case LH_NODE_COMPARE:
			switch ((LhCompareOp) node->op)
			{
				case LH_OP_EQ:
					return "=";
				case LH_OP_NE:
					return "<>";
				case LH_OP_LT:
					return "<";
				case LH_OP_LE:
					return "<=";
				case LH_OP_GT:
					return ">";
				case LH_OP_GE:
					return ">=";
			}
			break;
		case LH_NODE_DISTINCT:
			return "is distinct from";
		case LH_NODE_BETWEEN:
			return "between";
		case LH_NODE_IN:
			return "in";
		case LH_NODE_LIKE:
			return "like";
		case LH_NODE_ILIKE:
			return "ilike";
		case LH_NODE_IS_NULL:
			return "is null";
		case LH_NODE_IS:
			return node->op == LH_UNKNOWN ? "is unknown" : node->op == LH_TRUE ? "is true" : "is false";
		case LH_NODE_ANY:
			return "= any";
		case LH_NODE_OVERLAP:
			return "&&";
		case LH_NODE_CONTAINS:
			return "@>";
		default:
			break;
	}
	elog(ERROR, "unexpected node %d in criteria", node->kind);
	return NULL;
}

/* other says what stands on the other side, NULL if that doesn't matter. */
static void
type_clash(Binder *binder, int node, int field, const char *other)
{
	const LhFieldDef *def = &binder->set->fields[field];

	ereport(ERROR,
			(errcode(ERRCODE_LH_FIELD_TYPE),
			 errmsg("operator %s does not fit field \"%s\" of type %s",
					operator_name(&binder->criteria->nodes[binder->predicate]), def->name,
					lh_type_name(def->type)),
			 other ? errdetail("The other side is %s.", other) : 0,
			 lh_criteria_errposition(binder->criteria, node)));
}

static void
bad_value(Binder *binder, int node, int field, const char *text, const char *hint)
{
	const LhFieldDef *def = &binder->set->fields[field];

	ereport(ERROR,
			(errcode(ERRCODE_LH_FIELD_TYPE),
			 errmsg("operator %s can't compare field \"%s\" of type %s with \"%s\"",
					operator_name(&binder->criteria->nodes[binder->predicate]), def->name,
					lh_type_name(def->type), text),
			 hint ? errhint("%s", hint) : 0,
			 lh_criteria_errposition(binder->criteria, node)));
}

static const char *
literal_kind(const LhLiteral *literal)
{
	switch ((LhLiteralType) literal->type)
	{
		case LH_LIT_NULL:
			return "null";
		case LH_LIT_NUMBER:
			return "a number";
		case LH_LIT_STRING:
			return "a string";
		case LH_LIT_BOOLEAN:
			return "a boolean";
		case LH_LIT_DATE:
			return "a date";
		case LH_LIT_TIMESTAMPTZ:
			return "a timestamptz";
		case LH_LIT_INTERVAL:
			return "an interval";
	}
	return "a literal";
}

static int
bind_field(Binder *binder, int node)
{
	char	   *name = lh_node_name(binder->criteria, &binder->criteria->nodes[node]);
	int			field = lh_fieldset_find(binder->set, name);
	const char *closest;

	if (field >= 0)
		return field;
	closest = lh_fieldset_closest(binder->set, name);
	ereport(ERROR,
			(errcode(ERRCODE_LH_UNKNOWN_FIELD),
			 errmsg("unknown field \"%s\"", name),
			 closest ? errhint("Perhaps you meant \"%s\".", closest) : 0,
			 lh_criteria_errposition(binder->criteria, node)));
	return -1;
}

/* ---------- literals ---------- */

static Datum
numeric_from_text(const char *text)
{
	return DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
}

/* A number against a bigint: the whole number below it, and which way "equal" leans. */
static void
bind_number_for_bigint(const char *text, LhLeaf *leaf)
{
	Datum		number = numeric_from_text(text);
	Datum		whole = DirectFunctionCall1(numeric_floor, number);
	Datum		lowest = NumericGetDatum(int64_to_numeric(PG_INT64_MIN));
	Datum		highest = NumericGetDatum(int64_to_numeric(PG_INT64_MAX));

	leaf->comparison = COMPARE_BIGINT;
	leaf->bias = 0;
	if (lh_compare(COMPARE_NUMERIC, whole, lowest) < 0)
	{
		leaf->operand = Int64GetDatum(PG_INT64_MIN);
		leaf->bias = 1;
		return;
	}
	if (lh_compare(COMPARE_NUMERIC, whole, highest) > 0)
	{
		leaf->operand = Int64GetDatum(PG_INT64_MAX);
		leaf->bias = -1;
		return;
	}
	leaf->operand = DirectFunctionCall1(numeric_int8, whole);
	if (lh_compare(COMPARE_NUMERIC, number, whole) != 0)
		leaf->bias = -1;
}

static bool
read_bigint(const char *text, int64 *value)
{
	char	   *end;

	errno = 0;
	*value = strtoi64(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && !isspace((unsigned char) *text);
}

/* Whether text is a number as criteria write them, or one of the words that numeric knows. */
static bool
is_numeric(const char *text)
{
	const char *p = text + (*text == '-' || *text == '+');
	size_t		digits;

	if (pg_strcasecmp(p, "infinity") == 0 || pg_strcasecmp(text, "nan") == 0)
		return true;
	digits = strspn(p, "0123456789");
	p += digits;
	if (*p == '.')
	{
		size_t		fraction = strspn(p + 1, "0123456789");

		p += 1 + fraction;
		digits += fraction;
	}
	return digits > 0 && *p == '\0' && strlen(text) <= LH_MAX_DIGITS;
}

/* A string literal takes the type of the field, as in SQL. */
static void
bind_string(Binder *binder, int node, int field, const char *text, LhLeaf *leaf)
{
	LhType		type = binder->set->fields[field].type;
	const char *hint = NULL;
	LhRead		read = LH_READ_OK;
	int64		integer = 0;
	bool		boolean = false;
	DateADT		date = 0;
	TimestampTz moment = 0;

	switch (type)
	{
		case LH_TEXT:
			leaf->comparison = COMPARE_TEXT;
			leaf->operand = PointerGetDatum(cstring_to_text(text));
			return;
		case LH_BOOLEAN:
			leaf->comparison = COMPARE_BOOLEAN;
			if (!parse_bool(text, &boolean))
				break;
			leaf->operand = BoolGetDatum(boolean);
			return;
		case LH_BIGINT:
			leaf->comparison = COMPARE_BIGINT;
			if (!read_bigint(text, &integer))
				break;
			leaf->operand = Int64GetDatum(integer);
			return;
		case LH_NUMERIC:
			leaf->comparison = COMPARE_NUMERIC;
			if (!is_numeric(text))
				break;
			leaf->operand = numeric_from_text(text);
			return;
		case LH_DATE:
			leaf->comparison = COMPARE_DATE;
			read = lh_read_date(text, &date);
			leaf->operand = DateADTGetDatum(date);
			break;
		case LH_TIMESTAMPTZ:
			leaf->comparison = COMPARE_TIMESTAMPTZ;
			read = lh_read_timestamptz(text, &moment);
			leaf->operand = TimestampTzGetDatum(moment);
			break;
		case LH_TEXT_ARRAY:
			type_clash(binder, node, field, "a string");
	}
	if (type == LH_DATE || type == LH_TIMESTAMPTZ)
	{
		if (read == LH_READ_OK)
			return;
		hint = lh_read_problem(read);
	}
	bad_value(binder, node, field, text, hint);
}

/* The literal as an operand for the field; in_list: a list holds values of the field's own type. */
static void
bind_literal(Binder *binder, int node, int field, const LhLiteral *literal, bool in_list, LhLeaf *leaf)
{
	LhType		type = binder->set->fields[field].type;
	char	   *text = lh_literal_text(literal);
	DateADT		date = 0;
	TimestampTz moment = 0;

	leaf->bias = 0;
	switch ((LhLiteralType) literal->type)
	{
		case LH_LIT_STRING:
			bind_string(binder, node, field, text, leaf);
			return;
		case LH_LIT_NUMBER:
			if (type == LH_BIGINT)
				bind_number_for_bigint(text, leaf);
			else if (type == LH_NUMERIC)
			{
				leaf->comparison = COMPARE_NUMERIC;
				leaf->operand = numeric_from_text(text);
			}
			else
				break;
			return;
		case LH_LIT_BOOLEAN:
			if (type != LH_BOOLEAN)
				break;
			leaf->comparison = COMPARE_BOOLEAN;
			leaf->operand = BoolGetDatum(text[0] == 't');
			return;
		case LH_LIT_DATE:
			(void) lh_read_date(text, &date);
			leaf->operand = DateADTGetDatum(date);
			if (type == LH_DATE)
				leaf->comparison = COMPARE_DATE;
			else if (type == LH_TIMESTAMPTZ && !in_list)
			{
				leaf->comparison = COMPARE_TIMESTAMPTZ_DATE;
				leaf->clock = palloc0(sizeof(LhClock));
				leaf->clock->base = CLOCK_DATE;
				leaf->clock->date = date;
			}
			else
				break;
			return;
		case LH_LIT_TIMESTAMPTZ:
			(void) lh_read_timestamptz(text, &moment);
			leaf->operand = TimestampTzGetDatum(moment);
			if (type == LH_TIMESTAMPTZ)
				leaf->comparison = COMPARE_TIMESTAMPTZ;
			else if (type == LH_DATE && !in_list)
				leaf->comparison = COMPARE_DATE_TIMESTAMPTZ;
			else
				break;
			return;
		case LH_LIT_NULL:
		case LH_LIT_INTERVAL:
			break;
	}
	type_clash(binder, node, field, literal_kind(literal));
}

/* ---------- other operands ---------- */

static void
bind_clock(Binder *binder, int node, int field, LhLeaf *leaf)
{
	const LhNode *n = &binder->criteria->nodes[node];
	LhType		type = binder->set->fields[field].type;
	LhClock    *clock = palloc0(sizeof(LhClock));

	if (type != LH_DATE && type != LH_TIMESTAMPTZ)
		type_clash(binder, node, field, n->kind == LH_NODE_NOW ? "a timestamptz" : "a date");
	clock->base = n->kind == LH_NODE_NOW ? CLOCK_NOW : CLOCK_TODAY;
	if (n->count > 0)
	{
		char	   *text = lh_literal_text(lh_node_literal(binder->criteria, n));

		/* in canonical form, which reads the same under any IntervalStyle */
		clock->span = *DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(text),
															 ObjectIdGetDatum(InvalidOid),
															 Int32GetDatum(-1)));
		clock->has_span = true;
		if (n->negated)
		{
			clock->span.month = -clock->span.month;
			clock->span.day = -clock->span.day;
			clock->span.time = -clock->span.time;
		}
	}
	clock->type = type;
	leaf->clock = clock;
	leaf->comparison = type == LH_DATE ? COMPARE_DATE : COMPARE_TIMESTAMPTZ;
}

static void
bind_other_field(Binder *binder, int node, int field, LhLeaf *leaf)
{
	int			other = bind_field(binder, node);
	LhType		left = binder->set->fields[field].type;
	LhType		right = binder->set->fields[other].type;

	leaf->other = other;
	if (left == LH_TEXT && right == LH_TEXT)
		leaf->comparison = COMPARE_TEXT;
	else if (left == LH_BOOLEAN && right == LH_BOOLEAN)
		leaf->comparison = COMPARE_BOOLEAN;
	else if (left == LH_BIGINT && right == LH_BIGINT)
		leaf->comparison = COMPARE_BIGINT;
	else if (left == LH_BIGINT && right == LH_NUMERIC)
		leaf->comparison = COMPARE_BIGINT_NUMERIC;
	else if (left == LH_NUMERIC && right == LH_NUMERIC)
		leaf->comparison = COMPARE_NUMERIC;
	else if (left == LH_NUMERIC && right == LH_BIGINT)
		leaf->comparison = COMPARE_NUMERIC_BIGINT;
	else if (left == LH_DATE && right == LH_DATE)
		leaf->comparison = COMPARE_DATE;
	else if (left == LH_DATE && right == LH_TIMESTAMPTZ)
		leaf->comparison = COMPARE_DATE_TIMESTAMPTZ;
	else if (left == LH_TIMESTAMPTZ && right == LH_TIMESTAMPTZ)
		leaf->comparison = COMPARE_TIMESTAMPTZ;
	else if (left == LH_TIMESTAMPTZ && right == LH_DATE)
		leaf->comparison = COMPARE_TIMESTAMPTZ_DATE;
	else
		type_clash(binder, node, field,
				   psprintf("field \"%s\" of type %s", binder->set->fields[other].name,
							lh_type_name(right)));
}

static void
bind_operand(Binder *binder, int node, int field, LhLeaf *leaf)
{
	const LhNode *n = &binder->criteria->nodes[node];

	if (n->kind == LH_NODE_FIELD)
		bind_other_field(binder, node, field, leaf);
	else if (n->kind == LH_NODE_LITERAL)
		bind_literal(binder, node, field, lh_node_literal(binder->criteria, n), false, leaf);
	else
		bind_clock(binder, node, field, leaf);
}

static int
compare_items(const void *a, const void *b, void *comparison)
{
	return lh_compare(*(Comparison *) comparison, *(const Datum *) a, *(const Datum *) b);
}

/* The items of a list, without nulls and without what no value can equal; sorted. */
static void
bind_list(Binder *binder, int node, int field, LhLeaf *leaf)
{
	const LhNode *n = &binder->criteria->nodes[node];
	const LhLiteral *literal = lh_node_literal(binder->criteria, n);
	Comparison	comparison = COMPARE_TEXT;
	LhLeaf		item = {0};

	leaf->items = palloc(n->count * sizeof(Datum));
	for (uint32 i = 0; i < n->count; i++, literal = lh_literal_next(literal))
	{
		CHECK_FOR_INTERRUPTS();
		if (literal->type == LH_LIT_NULL)
		{
			leaf->has_null = true;
			continue;
		}
		bind_literal(binder, node, field, literal, true, &item);
		comparison = item.comparison;
		if (item.bias == 0)
			leaf->items[leaf->nitems++] = item.operand;
	}
	leaf->comparison = comparison;
	qsort_arg(leaf->items, leaf->nitems, sizeof(Datum), compare_items, &comparison);
}

/* The strings of array[..], as they are. */
static void
bind_strings(Binder *binder, int node, LhLeaf *leaf)
{
	const LhNode *n = &binder->criteria->nodes[node];
	const LhLiteral *literal = lh_node_literal(binder->criteria, n);

	leaf->items = palloc(n->count * sizeof(Datum));
	for (uint32 i = 0; i < n->count; i++, literal = lh_literal_next(literal))
	{
		if (literal->type == LH_LIT_NULL)
			leaf->has_null = true;
		else
			leaf->items[leaf->nitems++] =
				PointerGetDatum(cstring_to_text_with_len(literal->text, literal->len));
	}
}

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

static void
need_type(Binder *binder, int node, int field, LhType type)
{
	if (binder->set->fields[field].type != type)
		type_clash(binder, node, field, NULL);
}

/* Add a leaf with its jumps.  negated has the NOTs above it counted in. */
static LhLeaf *
add_leaf(Binder *binder, LeafKind kind, bool negated, const Targets *targets)
{
	LhLeaf	   *leaf = &binder->program->leaves[binder->program->nleaves++];

	leaf->kind = kind;
	leaf->negated = negated;
	leaf->other = -1;
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
	leaf->field = bind_field(binder, node);
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
	leaf->field = bind_field(binder, node + 1);
	switch ((LhNodeKind) n->kind)
	{
		case LH_NODE_COMPARE:
			leaf->accept = accepted(n->op);
			bind_operand(binder, right, leaf->field, leaf);
			break;
		case LH_NODE_DISTINCT:
			leaf->accept = ACCEPT_LESS | ACCEPT_GREATER;
			bind_operand(binder, right, leaf->field, leaf);
			break;
		case LH_NODE_IN:
			if (binder->set->fields[leaf->field].type == LH_TEXT_ARRAY)
				type_clash(binder, node + 1, leaf->field, NULL);
			bind_list(binder, right, leaf->field, leaf);
			break;
		case LH_NODE_LIKE:
		case LH_NODE_ILIKE:
			need_type(binder, node + 1, leaf->field, LH_TEXT);
			bind_operand(binder, right, leaf->field, leaf);
			if (n->kind == LH_NODE_ILIKE)
				lh_fold_ascii(VARDATA(DatumGetPointer(leaf->operand)),
							  VARSIZE(DatumGetPointer(leaf->operand)) - VARHDRSZ);
			break;
		case LH_NODE_IS_NULL:
			break;
		case LH_NODE_IS:
			need_type(binder, node + 1, leaf->field, LH_BOOLEAN);
			leaf->operand = Int32GetDatum(n->op);
			break;
		case LH_NODE_ANY:
			need_type(binder, node + 1, leaf->field, LH_TEXT_ARRAY);
			bind_strings(binder, right, leaf);
			break;
		case LH_NODE_OVERLAP:
		case LH_NODE_CONTAINS:
			need_type(binder, node + 1, leaf->field, LH_TEXT_ARRAY);
			bind_strings(binder, right, leaf);
			break;
		default:
			elog(ERROR, "unexpected node %d in criteria", n->kind);
	}
	binder->program->has_clock |= (leaf->clock != NULL);
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
		leaf->field = bind_field(binder, node + 1);
		leaf->accept = accepted(bound == 0 ? LH_OP_GE : LH_OP_LE);
		bind_operand(binder, node + 2 + bound, leaf->field, leaf);
		binder->program->has_clock |= (leaf->clock != NULL);
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
