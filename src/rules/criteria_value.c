/*
 * src/rules/criteria_value.c
 *
 * The operands of a leaf: literals become values of the field's type, clocks and other fields are
 * noted, and what doesn't fit is refused with the field's name, its type, and the operator.
 *
 * Field and literal need not be of one type.  Numbers are compared by value: a bigint against 10.5 is
 * compared with 10 and a bias, never as a double.  Dates and moments are compared as PostgreSQL's
 * operators across these types do it.
 */
#include "rules/criteria_bind.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "rules/literal.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/numeric.h"

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
void
lh_type_clash(Binder *binder, int node, int field, const char *other)
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

int
lh_bind_field(Binder *binder, int node)
{
	char	   *name = lh_node_name(binder->criteria, &binder->criteria->nodes[node]);
	int			field = lh_fieldset_find(binder->set, name);
	const char *closest;

	if (field > PG_INT16_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many fields")));
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
			lh_type_clash(binder, node, field, "a string");
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
				leaf->right = RIGHT_CLOCK;
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
	lh_type_clash(binder, node, field, literal_kind(literal));
}

/* ---------- other operands ---------- */

static void
bind_clock(Binder *binder, int node, int field, LhLeaf *leaf)
{
	const LhNode *n = &binder->criteria->nodes[node];
	LhType		type = binder->set->fields[field].type;
	LhClock    *clock = palloc0(sizeof(LhClock));

	if (type != LH_DATE && type != LH_TIMESTAMPTZ)
		lh_type_clash(binder, node, field, n->kind == LH_NODE_NOW ? "a timestamptz" : "a date");
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
	leaf->right = RIGHT_CLOCK;
	leaf->clock = clock;
	leaf->comparison = type == LH_DATE ? COMPARE_DATE : COMPARE_TIMESTAMPTZ;
}

static void
bind_other_field(Binder *binder, int node, int field, LhLeaf *leaf)
{
	int			other = lh_bind_field(binder, node);
	LhType		left = binder->set->fields[field].type;
	LhType		right = binder->set->fields[other].type;

	leaf->right = RIGHT_FIELD;
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
		lh_type_clash(binder, node, field,
				   psprintf("field \"%s\" of type %s", binder->set->fields[other].name,
							lh_type_name(right)));
}

void
lh_bind_operand(Binder *binder, int node, int field, LhLeaf *leaf)
{
	const LhNode *n = &binder->criteria->nodes[node];

	if (n->kind == LH_NODE_FIELD)
		bind_other_field(binder, node, field, leaf);
	else if (n->kind == LH_NODE_LITERAL)
		bind_literal(binder, node, field, lh_node_literal(binder->criteria, n), false, leaf);
	else
		bind_clock(binder, node, field, leaf);
}

static LhList *
make_list(int n)
{
	LhList	   *list = palloc(offsetof(LhList, items) + n * sizeof(Datum));

	list->nitems = 0;
	list->has_null = false;
	return list;
}

static int
compare_items(const void *a, const void *b, void *comparison)
{
	return lh_compare(*(Comparison *) comparison, *(const Datum *) a, *(const Datum *) b);
}

/* The items of a list, without nulls and without what no value can equal; sorted. */
void
lh_bind_list(Binder *binder, int node, int field, LhLeaf *leaf)
{
	const LhNode *n = &binder->criteria->nodes[node];
	const LhLiteral *literal = lh_node_literal(binder->criteria, n);
	Comparison	comparison = COMPARE_TEXT;
	LhLeaf		item = {0};

	leaf->list = make_list(n->count);
	for (uint32 i = 0; i < n->count; i++, literal = lh_literal_next(literal))
	{
		CHECK_FOR_INTERRUPTS();
		if (literal->type == LH_LIT_NULL)
		{
			leaf->list->has_null = true;
			continue;
		}
		bind_literal(binder, node, field, literal, true, &item);
		comparison = item.comparison;
		if (item.bias == 0)
			leaf->list->items[leaf->list->nitems++] = item.operand;
	}
	leaf->comparison = comparison;
	qsort_arg(leaf->list->items, leaf->list->nitems, sizeof(Datum), compare_items, &comparison);
}

/* The strings of array[..], as they are. */
void
lh_bind_strings(Binder *binder, int node, LhLeaf *leaf)
{
	const LhNode *n = &binder->criteria->nodes[node];
	const LhLiteral *literal = lh_node_literal(binder->criteria, n);

	leaf->list = make_list(n->count);
	for (uint32 i = 0; i < n->count; i++, literal = lh_literal_next(literal))
	{
		if (literal->type == LH_LIT_NULL)
			leaf->list->has_null = true;
		else
			leaf->list->items[leaf->list->nitems++] =
				PointerGetDatum(cstring_to_text_with_len(literal->text, literal->len));
	}
}
