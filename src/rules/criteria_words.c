/*
 * src/rules/criteria_words.c
 *
 * A criteria in words, for those who sign a contract and read no SQL.
 *
 * A rule matches when its criteria is true, so the words say when that is: "country <> 'DE'" is true
 * only of a country that is known, and says so.  What has no short words that are exactly right is
 * left to the canonical text, as a whole: NOT over a group (unknown stays unknown there), patterns with
 * "_" or "%" inside, the order of texts, lists with a null, values that words could be mistaken about.
 */
#include "rules/criteria_tree.h"

#include "fmgr.h"
#include "markdown.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(lh_criteria_words);

typedef struct Words
{
	const Criteria *criteria;
	StringInfoData buf;
} Words;

static bool say_condition(Words *words, int i);

static const LhNode *
node_at(const Words *words, int i)
{
	return &words->criteria->nodes[i];
}

/* Operands ----------------------------------------------------------------------------------- */

static void
say_field(Words *words, int i)
{
	const LhNode *node = node_at(words, i);

	lh_markdown_code(&words->buf, (const char *) words->criteria + node->offset, node->count);
}

/* A text in quotes; not one that hides in them. */
static bool
say_text(Words *words, const char *text, int len)
{
	if (len == 0 || text[0] == ' ' || text[len - 1] == ' ')
		return false;
	for (int i = 0; i < len; i++)
		if (text[i] == '"' || (unsigned char) text[i] < ' ' || text[i] == '\x7f' ||
			(text[i] == ' ' && text[i + 1] == ' '))
			return false;
	appendStringInfoChar(&words->buf, '"');
	lh_markdown_text(&words->buf, text, len);
	appendStringInfoChar(&words->buf, '"');
	return true;
}

static bool
say_literal(Words *words, const LhLiteral *literal)
{
	switch ((LhLiteralType) literal->type)
	{
		case LH_LIT_NULL:
			return false;
		case LH_LIT_STRING:
			return say_text(words, literal->text, literal->len);
		case LH_LIT_BOOLEAN:
			appendStringInfoString(&words->buf, literal->text[0] == 't' ? "yes" : "no");
			return true;
		default:
			lh_markdown_text(&words->buf, literal->text, literal->len);
			return true;
	}
}

/* A span that is written with a colon, as 01:30:00, is no word. */
static bool
say_moment(Words *words, const LhNode *node)
{
	bool		today = node->kind == LH_NODE_TODAY;
	const LhLiteral *span;

	if (node->count == 0)
	{
		appendStringInfoString(&words->buf, today ? "today" : "now");
		return true;
	}
	span = lh_node_literal(words->criteria, node);
	if (memchr(span->text, ':', span->len) != NULL || !say_literal(words, span))
		return false;
	appendStringInfoString(&words->buf, node->negated ? (today ? " before today" : " ago") :
						   today ? " after today" : " from now");
	return true;
}

static bool
say_list(Words *words, const LhNode *node)
{
	const LhLiteral *item = lh_node_literal(words->criteria, node);

	for (uint32 i = 0; i < node->count; i++, item = lh_literal_next(item))
	{
		if (i > 0)
			appendStringInfoString(&words->buf, ", ");
		if (!say_literal(words, item))
			return false;
	}
	return true;
}

/* Comparisons -------------------------------------------------------------------------------- */

static const char *
order_words(LhCompareOp op, bool of_time)
{
	switch (op)
	{
		case LH_OP_LT:
			return of_time ? " is before " : " is below ";
		case LH_OP_LE:
			return of_time ? " is not after " : " is at most ";
		case LH_OP_GT:
			return of_time ? " is after " : " is above ";
		case LH_OP_GE:
			return of_time ? " is not before " : " is at least ";
		default:
			return op == LH_OP_EQ ? " is " : " is known and not ";
	}
}

static bool
say_compare(Words *words, int i)
{
	const LhNode *operand = node_at(words, i + 2);
	LhCompareOp op = node_at(words, i)->op;
	bool		of_time = operand->kind == LH_NODE_NOW || operand->kind == LH_NODE_TODAY;
	const LhLiteral *literal;

	if (operand->kind == LH_NODE_FIELD)
	{
		if (op != LH_OP_EQ)
			return false;
		say_field(words, i + 1);
		appendStringInfoString(&words->buf, " is the same as ");
		say_field(words, i + 2);
		return true;
	}
	if (of_time)
	{
		say_field(words, i + 1);
		appendStringInfoString(&words->buf, order_words(op, true));
		return say_moment(words, operand);
	}
	literal = lh_node_literal(words->criteria, operand);
	of_time = literal->type == LH_LIT_DATE || literal->type == LH_LIT_TIMESTAMPTZ;
	if (op != LH_OP_EQ && op != LH_OP_NE && !of_time && literal->type != LH_LIT_NUMBER)
		return false;
	say_field(words, i + 1);
	appendStringInfoString(&words->buf, order_words(op, of_time));
	return say_literal(words, literal);
}

static bool
say_distinct(Words *words, int i)
{
	const LhNode *operand = node_at(words, i + 2);

	if (operand->kind != LH_NODE_LITERAL)
		return false;
	say_field(words, i + 1);
	appendStringInfoString(&words->buf, node_at(words, i)->negated ? " is " : " is anything but ");
	return say_literal(words, lh_node_literal(words->criteria, operand));
}

static bool
say_between(Words *words, int i)
{
	for (int side = 0; side < 2; side++)
	{
		const LhNode *operand = node_at(words, i + 2 + side);

		if (operand->kind != LH_NODE_LITERAL ||
			lh_node_literal(words->criteria, operand)->type == LH_LIT_STRING)
			return false;
	}
	say_field(words, i + 1);
	appendStringInfoString(&words->buf, node_at(words, i)->negated ? " is known and not from " : " is from ");
	(void) say_literal(words, lh_node_literal(words->criteria, node_at(words, i + 2)));
	appendStringInfoString(&words->buf, " to ");
	return say_literal(words, lh_node_literal(words->criteria, node_at(words, i + 3)));
}

static bool
say_in(Words *words, int i)
{
	const LhNode *list = node_at(words, i + 2);

	say_field(words, i + 1);
	appendStringInfo(&words->buf, " is %s%s", node_at(words, i)->negated ? "known and not " : "",
					 list->count > 1 ? "one of " : "");
	return say_list(words, list);
}

/* 'x%', '%x', '%x%' or 'x'. */
static bool
say_like(Words *words, int i)
{
	const LhNode *node = node_at(words, i);
	const LhLiteral *literal = lh_node_literal(words->criteria, node_at(words, i + 2));
	const char *text = literal->text;
	int			len = literal->len;
	bool		open_left = len > 0 && text[0] == '%';
	bool		open_right = len > 1 && text[len - 1] == '%';

	text += open_left;
	len -= open_left + open_right;
	for (int c = 0; c < len; c++)
		if (text[c] == '%' || text[c] == '_' || text[c] == '\\')
			return false;
	say_field(words, i + 1);
	if (node->negated)
		appendStringInfo(&words->buf, " is known and %s", open_left || open_right ? "does not " : "not ");
	else if (!open_left && !open_right)
		appendStringInfoString(&words->buf, " is ");
	else
		appendStringInfoChar(&words->buf, ' ');
	if (open_left || open_right)
		appendStringInfo(&words->buf, "%s%s ", open_left && open_right ? "contain" : open_right ? "begin" : "end",
						 node->negated ? (open_left && open_right ? "" : " with") :
						 open_left && open_right ? "s" : "s with");
	if (!say_text(words, text, len))
		return false;
	if (node->kind == LH_NODE_ILIKE)
		appendStringInfoString(&words->buf, " in upper or lower case");
	return true;
}

static bool
say_is(Words *words, int i)
{
	const LhNode *node = node_at(words, i);

	say_field(words, i + 1);
	if (node->kind == LH_NODE_IS_NULL || node->op == LH_UNKNOWN)
		appendStringInfoString(&words->buf, node->negated ? " is known" : " is not known");
	else
		appendStringInfo(&words->buf, " is %s%s", node->negated ? "not " : "", node->op == LH_TRUE ? "yes" : "no");
	return true;
}

static bool
say_has(Words *words, int i)
{
	const LhNode *node = node_at(words, i);
	const LhNode *operand = node_at(words, i + 2);

	say_field(words, i + 1);
	appendStringInfoString(&words->buf, " has ");
	if (node->kind == LH_NODE_ANY)
		return say_literal(words, lh_node_literal(words->criteria, operand));
	if (operand->count > 1)
		appendStringInfoString(&words->buf, node->kind == LH_NODE_OVERLAP ? "one of " : "all of ");
	return say_list(words, operand);
}

/* Conditions --------------------------------------------------------------------------------- */

static bool
say_group(Words *words, int i)
{
	const LhNode *nodes = words->criteria->nodes;
	int			end = i + nodes[i].nodes;

	for (int child = i + 1; child < end; child += nodes[child].nodes)
	{
		bool		group = nodes[child].kind == LH_NODE_AND || nodes[child].kind == LH_NODE_OR;

		if (child > i + 1)
			appendStringInfoString(&words->buf, nodes[i].kind == LH_NODE_AND ? " and " : " or ");
		if (group)
			appendStringInfoChar(&words->buf, '(');
		if (!say_condition(words, child))
			return false;
		if (group)
			appendStringInfoChar(&words->buf, ')');
	}
	return true;
}

static bool
say_condition(Words *words, int i)
{
	check_stack_depth();
	switch ((LhNodeKind) node_at(words, i)->kind)
	{
		case LH_NODE_AND:
		case LH_NODE_OR:
			return say_group(words, i);
		case LH_NODE_COMPARE:
			return say_compare(words, i);
		case LH_NODE_DISTINCT:
			return say_distinct(words, i);
		case LH_NODE_BETWEEN:
			return say_between(words, i);
		case LH_NODE_IN:
			return say_in(words, i);
		case LH_NODE_LIKE:
		case LH_NODE_ILIKE:
			return say_like(words, i);
		case LH_NODE_IS_NULL:
		case LH_NODE_IS:
			return say_is(words, i);
		case LH_NODE_ANY:
		case LH_NODE_OVERLAP:
		case LH_NODE_CONTAINS:
			return say_has(words, i);
		case LH_NODE_FIELD:
			say_field(words, i);
			appendStringInfoString(&words->buf, " is yes");
			return true;
		default:
			return false;
	}
}

/* criteria_words(criteria) returns text */
Datum
lh_criteria_words(PG_FUNCTION_ARGS)
{
	Words		words = {.criteria = PG_GETARG_CRITERIA_P(0)};
	char	   *text;

	lh_criteria_check_version(words.criteria);
	initStringInfo(&words.buf);
	if (!say_condition(&words, 0))
	{
		text = lh_criteria_out(words.criteria);
		resetStringInfo(&words.buf);
		lh_markdown_code(&words.buf, text, strlen(text));
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(words.buf.data, words.buf.len));
}
