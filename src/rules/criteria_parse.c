/*
 * src/rules/criteria_parse.c
 *
 * From text to a criteria: PostgreSQL's own raw parser reads it, a white list decides what may stay.
 *
 * The raw parser is asked for a PL/pgSQL expression, which is what SELECT takes without the word
 * SELECT: nothing is wrapped around the user's text, so nothing in it can close a parenthesis or open
 * a comment that was ours, and its error positions are right as they are.  What is left to check is
 * that no part of a SELECT but one unnamed expression is there.  Raw parsing looks up no name and
 * runs no code.
 *
 * Every node that is not expected is refused, so a new kind of expression in a later PostgreSQL is
 * refused too.  What stays is written at once as a flat tree in prefix order, in canonical form: a
 * field stands on the left, nested AND or OR of one kind are one node, a literal has one spelling.
 *
 * The result must not depend on the session: the settings that change how the parser reads a string
 * or an interval are forced while we read (they are plain variables; no GUC machinery is needed).
 *
 * Our own complaints are soft errors where the server knows them; those of the raw parser are not.
 */
#include "rules/criteria_reader.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parser.h"
#include "utils/memutils.h"

static bool read_condition(Reader *reader, Node *expr, int depth);

/*
 * The position of an error within the criteria.  The outer query, if any, has its own idea of the
 * position (the whole literal), so ours goes into the fields for an inner query; error_position.c
 * puts the two together.
 */
static void
position_callback(void *arg)
{
	Reader	   *reader = arg;
	int			position = geterrposition();

	if (position <= 0 && reader->location >= 0)
		position = pg_mbstrlen_with_len(reader->text, reader->location) + 1;
	if (position <= 0)
		return;
	errposition(0);
	internalerrposition(position);
	internalerrquery(reader->text);
}

/* ---------- conditions ---------- */

/* A predicate over two operands, both already in canonical order. */
static bool
add_predicate(Reader *reader, LhNodeKind kind, int op, bool negated,
			  const Operand *left, const Operand *right, int location)
{
	int			node = lh_build_begin(reader, kind, location);

	if (node < 0)
		return false;
	reader->nodes[node].op = op;
	reader->nodes[node].negated = negated;
	if (!lh_build_operand(reader, left) || (right && !lh_build_operand(reader, right)))
		return false;
	lh_build_end(reader, node);
	return true;
}

/* Put a field on the left and say whether that took a swap; a complaint if there is none. */
static bool
field_first(Reader *reader, Operand *left, Operand *right, bool *swapped)
{
	Operand		tmp = *left;

	*swapped = false;
	if (left->kind == LH_NODE_FIELD)
		return true;
	if (right->kind != LH_NODE_FIELD)
		refuse(reader, left->location, errmsg("a comparison needs a field"));
	*left = *right;
	*right = tmp;
	*swapped = true;
	return true;
}

static bool
read_comparison(Reader *reader, A_Expr *expr)
{
	static const struct
	{
		const char *name;
		LhCompareOp op,
					turned;
	}			ops[] = {
		{"=", LH_OP_EQ, LH_OP_EQ},
		{"<>", LH_OP_NE, LH_OP_NE},
		{"<", LH_OP_LT, LH_OP_GT},
		{"<=", LH_OP_LE, LH_OP_GE},
		{">", LH_OP_GT, LH_OP_LT},
		{">=", LH_OP_GE, LH_OP_LE},
	};
	Operand		left,
				right;
	bool		swapped;

	for (int i = 0; i < lengthof(ops); i++)
	{
		if (!lh_is_operator(expr, ops[i].name) || expr->lexpr == NULL)
			continue;
		if (!lh_read_comparand(reader, expr->lexpr, &left) ||
			!lh_read_comparand(reader, expr->rexpr, &right) ||
			!field_first(reader, &left, &right, &swapped))
			return false;
		return add_predicate(reader, LH_NODE_COMPARE, swapped ? ops[i].turned : ops[i].op, false,
							 &left, &right, expr->location);
	}
	refuse(reader, expr->location,
		   errmsg("operator %s is not allowed in criteria", strVal(llast(expr->name))));
}

static bool
read_distinct(Reader *reader, A_Expr *expr)
{
	Operand		left,
				right;
	bool		swapped;

	if (!lh_read_comparand(reader, expr->lexpr, &left) ||
		!lh_read_comparand(reader, expr->rexpr, &right) ||
		!field_first(reader, &left, &right, &swapped))
		return false;
	return add_predicate(reader, LH_NODE_DISTINCT, 0, expr->kind == AEXPR_NOT_DISTINCT,
						 &left, &right, expr->location);
}

static bool
read_between(Reader *reader, A_Expr *expr)
{
	List	   *bounds = castNode(List, expr->rexpr);
	Operand		field,
				low,
				high;
	int			node;

	if (!lh_read_field_operand(reader, expr->lexpr, &field, "between") ||
		!lh_read_comparand(reader, linitial(bounds), &low) ||
		!lh_read_comparand(reader, lsecond(bounds), &high))
		return false;
	node = lh_build_begin(reader, LH_NODE_BETWEEN, expr->location);
	if (node < 0)
		return false;
	reader->nodes[node].negated = (expr->kind == AEXPR_NOT_BETWEEN);
	if (!lh_build_operand(reader, &field) || !lh_build_operand(reader, &low) || !lh_build_operand(reader, &high))
		return false;
	lh_build_end(reader, node);
	return true;
}

/* The literals of in (..) or array[..], as the last child of a predicate. */
static bool
add_list(Reader *reader, List *items, bool strings, int location)
{
	int			node = lh_build_begin(reader, LH_NODE_LIST, location);
	ListCell   *lc;

	if (node < 0)
		return false;
	if (list_length(items) > LH_MAX_LIST)
		refuse_limit(reader, location,
					 errmsg("list in criteria is too long"),
					 errdetail("It has %d items, the most are %d.", list_length(items), LH_MAX_LIST));
	if (items == NIL)
		refuse(reader, location, errmsg("an empty array is not allowed in criteria"));
	foreach(lc, items)
	{
		Operand		item;
		uint32		offset;

		if (!lh_read_operand(reader, lfirst(lc), &item))
			return false;
		if (item.kind != LH_NODE_LITERAL)
			refuse(reader, item.location, errmsg("a list in criteria holds literals only"));
		if (strings && item.type != LH_LIT_STRING && item.type != LH_LIT_NULL)
			refuse(reader, item.location, errmsg("an array in criteria holds strings only"));
		offset = lh_build_literal(reader, item.type, item.text);
		if (lc == list_head(items))
			reader->nodes[node].offset = offset;
	}
	reader->nodes[node].count = list_length(items);
	return true;
}

static bool
read_in(Reader *reader, A_Expr *expr)
{
	Operand		field;
	int			node;

	if (!lh_read_field_operand(reader, expr->lexpr, &field, "in"))
		return false;
	node = lh_build_begin(reader, LH_NODE_IN, expr->location);
	if (node < 0)
		return false;
	reader->nodes[node].negated = lh_is_operator(expr, "<>");
	if (!lh_build_operand(reader, &field) ||
		!add_list(reader, castNode(List, expr->rexpr), false, expr->location))
		return false;
	lh_build_end(reader, node);
	return true;
}

/* field && array[..], array[..] && field, field @> array[..] */
static bool
read_array_operator(Reader *reader, A_Expr *expr)
{
	bool		overlap = lh_is_operator(expr, "&&");
	Node	   *left = expr->lexpr;
	Node	   *right = expr->rexpr;
	Operand		field;
	int			node;

	if (overlap && left != NULL && IsA(left, A_ArrayExpr))
	{
		left = expr->rexpr;
		right = expr->lexpr;
	}
	if (left == NULL || !IsA(right, A_ArrayExpr))
		refuse(reader, expr->location,
			   errmsg("operator %s needs a field and array[..]", overlap ? "&&" : "@>"));
	if (!lh_read_field_operand(reader, left, &field, overlap ? "&&" : "@>"))
		return false;
	node = lh_build_begin(reader, overlap ? LH_NODE_OVERLAP : LH_NODE_CONTAINS, expr->location);
	if (node < 0 || !lh_build_operand(reader, &field) ||
		!add_list(reader, ((A_ArrayExpr *) right)->elements, true, exprLocation(right)))
		return false;
	lh_build_end(reader, node);
	return true;
}

/* 'x' = any(field) */
static bool
read_any(Reader *reader, A_Expr *expr)
{
	Operand		field,
				item;

	if (!lh_is_operator(expr, "="))
		refuse(reader, expr->location, errmsg("only = is allowed with any(..) in criteria"));
	if (!lh_read_string_operand(reader, expr->lexpr, &item, "= any(..)") ||
		!lh_read_field_operand(reader, expr->rexpr, &field, "any(..)"))
		return false;
	return add_predicate(reader, LH_NODE_ANY, 0, false, &field, &item, expr->location);
}

/* A pattern that ends in an escape with nothing to escape raises an error when it is matched. */
static bool
ends_in_escape(const char *pattern)
{
	int			backslashes = 0;

	for (const char *p = pattern; *p; p++)
		backslashes = (*p == '\\') ? backslashes + 1 : 0;
	return backslashes % 2 == 1;
}

static bool
read_like(Reader *reader, A_Expr *expr)
{
	bool		ilike = (expr->kind == AEXPR_ILIKE);
	Operand		field,
				pattern;

	if (IsA(expr->rexpr, FuncCall))
		refuse(reader, expr->location,
			   errmsg("escape is not allowed in criteria"),
			   errhint("The escape character is the backslash."));
	if (!lh_read_field_operand(reader, expr->lexpr, &field, ilike ? "ilike" : "like") ||
		!lh_read_string_operand(reader, expr->rexpr, &pattern, ilike ? "ilike" : "like"))
		return false;
	if (ends_in_escape(pattern.text))
		refuse(reader, pattern.location,
			   errmsg("pattern \"%s\" ends in a lone backslash", pattern.text),
			   errhint("A backslash that is meant is written as two."));
	return add_predicate(reader, ilike ? LH_NODE_ILIKE : LH_NODE_LIKE, 0,
						 lh_is_operator(expr, "!~~") || lh_is_operator(expr, "!~~*"),
						 &field, &pattern, expr->location);
}

static bool
read_a_expr(Reader *reader, A_Expr *expr)
{
	switch (expr->kind)
	{
		case AEXPR_OP:
			if (lh_is_operator(expr, "&&") || lh_is_operator(expr, "@>"))
				return read_array_operator(reader, expr);
			return read_comparison(reader, expr);
		case AEXPR_OP_ANY:
			return read_any(reader, expr);
		case AEXPR_DISTINCT:
		case AEXPR_NOT_DISTINCT:
			return read_distinct(reader, expr);
		case AEXPR_IN:
			return read_in(reader, expr);
		case AEXPR_LIKE:
		case AEXPR_ILIKE:
			return read_like(reader, expr);
		case AEXPR_BETWEEN:
		case AEXPR_NOT_BETWEEN:
			return read_between(reader, expr);
		case AEXPR_BETWEEN_SYM:
		case AEXPR_NOT_BETWEEN_SYM:
			refuse(reader, expr->location, errmsg("between symmetric is not allowed in criteria"));
		case AEXPR_SIMILAR:
			refuse(reader, expr->location, errmsg("similar to is not allowed in criteria"));
		case AEXPR_OP_ALL:
			refuse(reader, expr->location, errmsg("all(..) is not allowed in criteria"));
		default:
			refuse(reader, expr->location, errmsg("this expression is not allowed in criteria"));
	}
}

static bool
read_null_test(Reader *reader, NullTest *test)
{
	Operand		field;

	if (!lh_read_field_operand(reader, (Node *) test->arg, &field, "is null"))
		return false;
	return add_predicate(reader, LH_NODE_IS_NULL, 0, test->nulltesttype == IS_NOT_NULL,
						 &field, NULL, test->location);
}

static bool
read_boolean_test(Reader *reader, BooleanTest *test)
{
	LhTruth		truth = LH_UNKNOWN;
	bool		negated = false;
	Operand		field;

	switch (test->booltesttype)
	{
		case IS_NOT_TRUE:
			negated = true;
			/* FALLTHROUGH */
		case IS_TRUE:
			truth = LH_TRUE;
			break;
		case IS_NOT_FALSE:
			negated = true;
			/* FALLTHROUGH */
		case IS_FALSE:
			truth = LH_FALSE;
			break;
		case IS_NOT_UNKNOWN:
			negated = true;
			/* FALLTHROUGH */
		case IS_UNKNOWN:
			break;
	}
	if (!lh_read_field_operand(reader, (Node *) test->arg, &field, "is true, is false, is unknown"))
		return false;
	return add_predicate(reader, LH_NODE_IS, truth, negated, &field, NULL, test->location);
}

/* The children of an AND or OR; one of the same kind among them gives its children instead. */
static bool
read_members(Reader *reader, BoolExpr *expr, int depth)
{
	ListCell   *lc;

	check_stack_depth();
	foreach(lc, expr->args)
	{
		Node	   *arg = lfirst(lc);

		if (IsA(arg, BoolExpr) && ((BoolExpr *) arg)->boolop == expr->boolop)
		{
			if (!read_members(reader, (BoolExpr *) arg, depth))
				return false;
		}
		else if (!read_condition(reader, arg, depth + 1))
			return false;
	}
	return true;
}

static bool
read_bool_expr(Reader *reader, BoolExpr *expr, int depth)
{
	LhNodeKind	kind = LH_NODE_NOT;
	int			node;

	if (expr->boolop == AND_EXPR)
		kind = LH_NODE_AND;
	else if (expr->boolop == OR_EXPR)
		kind = LH_NODE_OR;
	node = lh_build_begin(reader, kind, expr->location);
	if (node < 0)
		return false;
	if (kind == LH_NODE_NOT)
	{
		if (!read_condition(reader, linitial(expr->args), depth + 1))
			return false;
	}
	else if (!read_members(reader, expr, depth))
		return false;
	lh_build_end(reader, node);
	return true;
}

/* A field or literal that stands alone as a condition. */
static bool
read_bare(Reader *reader, Node *expr)
{
	Operand		operand;

	if (!lh_read_operand(reader, expr, &operand))
		return false;
	if (operand.kind != LH_NODE_FIELD &&
		!(operand.kind == LH_NODE_LITERAL && operand.type == LH_LIT_BOOLEAN))
		refuse(reader, operand.location, errmsg("criteria must be a condition"));
	return lh_build_operand(reader, &operand);
}

static bool
read_condition(Reader *reader, Node *expr, int depth)
{
	CHECK_FOR_INTERRUPTS();
	if (depth > LH_MAX_DEPTH)
		refuse_limit(reader, exprLocation(expr),
					 errmsg("criteria is nested too deeply"),
					 errdetail("The deepest nesting allowed is %d.", LH_MAX_DEPTH));
	switch (nodeTag(expr))
	{
		case T_BoolExpr:
			return read_bool_expr(reader, (BoolExpr *) expr, depth);
		case T_A_Expr:
			return read_a_expr(reader, (A_Expr *) expr);
		case T_NullTest:
			return read_null_test(reader, (NullTest *) expr);
		case T_BooleanTest:
			return read_boolean_test(reader, (BooleanTest *) expr);
		default:
			return read_bare(reader, expr);
	}
}

/* ---------- the whole ---------- */

/* The one expression of a SELECT that is nothing else; NULL after a complaint. */
static Node *
only_expression(Reader *reader, SelectStmt *stmt)
{
	ResTarget  *target;

	if (stmt->targetList != NIL)
	{
		target = linitial_node(ResTarget, stmt->targetList);
		if (list_length(stmt->targetList) == 1 && target->name == NULL &&
			stmt->distinctClause == NIL && stmt->intoClause == NULL && stmt->fromClause == NIL &&
			stmt->whereClause == NULL && stmt->groupClause == NIL && stmt->havingClause == NULL &&
			stmt->windowClause == NIL && stmt->sortClause == NIL && stmt->limitOffset == NULL &&
			stmt->limitCount == NULL && stmt->lockingClause == NIL && stmt->withClause == NULL &&
			stmt->op == SETOP_NONE)
			return target->val;
	}
	reader->location = -1;
	errsave(reader->escontext,
			(errcode(ERRCODE_LH_CRITERIA),
			 stmt->targetList == NIL ? errmsg("criteria is empty") :
			 errmsg("criteria must be one expression")));
	return NULL;
}

static bool
read_text(Reader *reader)
{
	List	   *statements;
	Node	   *expr;

	statements = raw_parser(reader->text, RAW_PARSE_PLPGSQL_EXPR);
	expr = only_expression(reader, castNode(SelectStmt, linitial_node(RawStmt, statements)->stmt));
	return expr != NULL && read_condition(reader, expr, 1);
}

/* read_text() in a world where strings and intervals mean the same in every session. */
static bool
read_in_fixed_world(Reader *reader)
{
	bool		save_strings = standard_conforming_strings;
	bool		save_warning = escape_string_warning;
	int			save_quote = backslash_quote;
	int			save_interval = IntervalStyle;
	bool		ok;

	PG_TRY();
	{
		standard_conforming_strings = true;
		escape_string_warning = false;
		backslash_quote = BACKSLASH_QUOTE_OFF;
		IntervalStyle = INTSTYLE_POSTGRES;
		ok = read_text(reader);
	}
	PG_FINALLY();
	{
		standard_conforming_strings = save_strings;
		escape_string_warning = save_warning;
		backslash_quote = save_quote;
		IntervalStyle = save_interval;
	}
	PG_END_TRY();
	return ok;
}

/* read_in_fixed_world(), with the position of an error as the user sees it. */
static bool
read_with_position(Reader *reader, MemoryContext caller)
{
	ErrorContextCallback callback;
	bool		ok;

	callback.callback = position_callback;
	callback.arg = reader;
	callback.previous = error_context_stack;
	PG_TRY();
	{
		error_context_stack = &callback;
		ok = read_in_fixed_world(reader);
		error_context_stack = callback.previous;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		lh_transpose_position(error, reader->text);
		ReThrowError(error);
	}
	PG_END_TRY();
	return ok;
}

static bool
check_length(const char *text, const char *what, Node *escontext)
{
	if (strlen(text) <= LH_MAX_TEXT)
		return true;
	errsave(escontext,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("criteria is too long"),
			 errdetail("%s has %zu bytes, the most are %d.", what, strlen(text), LH_MAX_TEXT)));
	return false;
}

/*
 * Read a criteria.  The result is allocated in the current context, everything else is gone on
 * success.  NULL after a soft error.
 */
Criteria *
lh_criteria_parse(const char *text, Node *escontext)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext work;
	Reader		reader = {0};
	Criteria   *criteria = NULL;

	if (!check_length(text, "The text", escontext))
		return NULL;
	work = AllocSetContextCreate(caller, "lead_handoff criteria", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(work);

	reader.text = text;
	reader.location = -1;
	reader.escontext = escontext;
	reader.maxnodes = 16;
	reader.nodes = palloc(reader.maxnodes * sizeof(LhNode));
	initStringInfo(&reader.names);
	initStringInfo(&reader.literals);

	if (read_with_position(&reader, caller))
		criteria = lh_build_finish(&reader, caller);

	/* a dump holds the canonical text, and must load */
	if (criteria != NULL && !check_length(lh_criteria_out(criteria), "The canonical text", escontext))
		criteria = NULL;

	MemoryContextSwitchTo(caller);
	if (criteria != NULL)
		MemoryContextDelete(work);	/* else the details of a soft error are in it */
	return criteria;
}
