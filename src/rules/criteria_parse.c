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
#include "rules/criteria_tree.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "rules/literal.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

typedef struct Reader
{
	const char *text;
	int			location;		/* byte in text that a complaint is about; -1: none */
	Node	   *escontext;

	LhNode	   *nodes;			/* offsets still count from the start of names or literals */
	int			nnodes;
	int			maxnodes;
	StringInfoData names;
	StringInfoData literals;
} Reader;

/* What stands on one side of an operator. */
typedef struct Operand
{
	LhNodeKind	kind;			/* FIELD, LITERAL, NOW or TODAY */
	LhLiteralType type;			/* of a literal */
	char	   *text;			/* the name, the literal, or the interval (NULL: none) */
	bool		minus;			/* the interval is subtracted */
	int			location;
} Operand;

/*
 * Complain about the text at a location and leave the function: all readers return false after a
 * complaint.  position_callback() adds the position.
 */
#define refuse(reader, where, ...) \
	do { \
		(reader)->location = (where); \
		errsave((reader)->escontext, (errcode(ERRCODE_LH_CRITERIA), __VA_ARGS__)); \
		return false; \
	} while (0)

#define refuse_limit(reader, where, ...) \
	do { \
		(reader)->location = (where); \
		errsave((reader)->escontext, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), __VA_ARGS__)); \
		return false; \
	} while (0)

static bool read_condition(Reader *reader, Node *expr, int depth);

/*
 * The position of an error within the criteria.  The outer query, if any, has its own idea of the
 * position (the whole literal), so ours goes into the fields for an inner query.
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

/* ---------- building the tree ---------- */

/* Add a node; its size is set by end_node().  -1 after a complaint. */
static int
begin_node(Reader *reader, LhNodeKind kind, int location)
{
	LhNode	   *node;

	if (reader->nnodes == LH_MAX_NODES)
	{
		reader->location = location;
		errsave(reader->escontext,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("criteria is too large"),
				 errdetail("It has more than %d parts.", LH_MAX_NODES)));
		return -1;
	}
	if (reader->nnodes == reader->maxnodes)
	{
		reader->maxnodes *= 2;
		reader->nodes = repalloc(reader->nodes, reader->maxnodes * sizeof(LhNode));
	}
	node = &reader->nodes[reader->nnodes];
	memset(node, 0, sizeof(LhNode));
	node->kind = kind;
	node->nodes = 1;
	return reader->nnodes++;
}

static void
end_node(Reader *reader, int node)
{
	reader->nodes[node].nodes = reader->nnodes - node;
}

/* Offset of a name in names; one that was used before is stored once. */
static uint32
intern_name(Reader *reader, const char *name, int len)
{
	uint32		offset;

	for (int i = 0; i < reader->nnodes; i++)
	{
		LhNode	   *node = &reader->nodes[i];

		if (node->kind == LH_NODE_FIELD && node->count == len &&
			memcmp(reader->names.data + node->offset, name, len) == 0)
			return node->offset;
	}
	offset = reader->names.len;
	appendBinaryStringInfo(&reader->names, name, len);
	return offset;
}

static uint32
add_literal(Reader *reader, LhLiteralType type, const char *text)
{
	static const char zeros[4] = {0};
	uint32		offset = reader->literals.len;
	LhLiteral	head = {0};
	int			len = strlen(text);

	head.type = type;
	head.len = len;
	appendBinaryStringInfo(&reader->literals, (char *) &head, offsetof(LhLiteral, text));
	appendBinaryStringInfo(&reader->literals, text, len);
	appendBinaryStringInfo(&reader->literals, zeros,
						   LH_LITERAL_SIZE(len) - offsetof(LhLiteral, text) - len);
	return offset;
}

static bool
add_operand(Reader *reader, const Operand *operand)
{
	int			i = begin_node(reader, operand->kind, operand->location);
	uint32		offset = 0;
	uint32		count = 0;

	if (i < 0)
		return false;
	if (operand->kind == LH_NODE_FIELD)
	{
		count = strlen(operand->text);
		reader->nodes[i].kind = 0;	/* don't find the new node itself */
		offset = intern_name(reader, operand->text, count);
		reader->nodes[i].kind = LH_NODE_FIELD;
	}
	else if (operand->text != NULL)
	{
		count = 1;
		offset = add_literal(reader, operand->type, operand->text);
	}
	reader->nodes[i].offset = offset;
	reader->nodes[i].count = count;
	reader->nodes[i].negated = operand->minus;
	return true;
}

static Criteria *
assemble(Reader *reader, MemoryContext mcxt)
{
	Size		names = offsetof(Criteria, nodes) + reader->nnodes * sizeof(LhNode);
	Size		literals = names + INTALIGN(reader->names.len);
	Size		size = literals + reader->literals.len;
	Criteria   *criteria = MemoryContextAllocZero(mcxt, size);

	SET_VARSIZE(criteria, size);
	criteria->version = LH_CRITERIA_VERSION;
	criteria->nnodes = reader->nnodes;
	for (int i = 0; i < reader->nnodes; i++)
	{
		LhNode	   *node = &reader->nodes[i];

		if (node->kind == LH_NODE_FIELD)
			node->offset += names;
		else if (node->count > 0)
			node->offset += literals;
	}
	memcpy(criteria->nodes, reader->nodes, reader->nnodes * sizeof(LhNode));
	memcpy((char *) criteria + names, reader->names.data, reader->names.len);
	memcpy((char *) criteria + literals, reader->literals.data, reader->literals.len);
	return criteria;
}

/* ---------- literals ---------- */

/* Call a type's input function, softly where the server can. */
static bool
call_input(Reader *reader, PGFunction input, const char *text, Datum *value)
{
	LOCAL_FCINFO(fcinfo, 3);

	InitFunctionCallInfoData(*fcinfo, NULL, 3, InvalidOid, reader->escontext, NULL);
	fcinfo->args[0].value = CStringGetDatum(text);
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = ObjectIdGetDatum(InvalidOid);
	fcinfo->args[1].isnull = false;
	fcinfo->args[2].value = Int32GetDatum(-1);
	fcinfo->args[2].isnull = false;
	*value = input(fcinfo);
	return !SOFT_ERROR_OCCURRED(reader->escontext);
}

static bool
read_number(Reader *reader, const char *text, Operand *out)
{
	Datum		value;

	out->type = LH_LIT_NUMBER;
	reader->location = out->location;
	if (!call_input(reader, numeric_in, text, &value))
		return false;
	out->text = DatumGetCString(DirectFunctionCall1(numeric_out, value));
	if (strlen(out->text) > LH_MAX_DIGITS)
		refuse_limit(reader, out->location,
					 errmsg("number in criteria is too long"),
					 errdetail("Written out, it has more than %d characters.", LH_MAX_DIGITS));
	return true;
}

static bool
read_time_literal(Reader *reader, const char *text, Operand *out)
{
	LhRead		read;
	DateADT		date;
	TimestampTz moment;
	const char *type = out->type == LH_LIT_DATE ? "date" : "timestamptz";

	if (out->type == LH_LIT_DATE)
		read = lh_read_date(text, &date);
	else
		read = lh_read_timestamptz(text, &moment);
	if (read != LH_READ_OK)
		refuse(reader, out->location,
			   errmsg("invalid %s literal \"%s\" in criteria", type, text),
			   errhint("%s", lh_read_problem(read)));
	out->text = out->type == LH_LIT_DATE ? lh_print_date(date) : lh_print_timestamptz(moment);
	return true;
}

static bool
within(int64 value, int64 limit)
{
	return value >= -limit && value <= limit;
}

static bool
read_interval(Reader *reader, const char *text, Operand *out)
{
	Datum		value;
	Interval   *span;

	reader->location = out->location;
	if (!call_input(reader, interval_in, text, &value))
		return false;
	span = DatumGetIntervalP(value);
	if (!within(span->month, LH_MAX_SPAN_MONTHS) || !within(span->day, LH_MAX_SPAN_DAYS) ||
		!within(span->time, LH_MAX_SPAN_DAYS * USECS_PER_DAY))
		refuse_limit(reader, out->location,
					 errmsg("interval \"%s\" in criteria is too long", text),
					 errdetail("The longest is a thousand years."));
	out->text = lh_print_interval(span);
	return true;
}

/* A typed literal: date '..', timestamptz '..', interval '..'; as a cast it looks the same. */
static bool
read_typed_literal(Reader *reader, TypeCast *cast, Operand *out)
{
	A_Const    *constant = (A_Const *) cast->arg;
	char	   *type = strVal(llast(cast->typeName->names));

	out->kind = LH_NODE_LITERAL;
	if (!IsA(constant, A_Const) || constant->isnull || !IsA(&constant->val, String) ||
		cast->typeName->arrayBounds != NIL || cast->typeName->setof)
		refuse(reader, out->location, errmsg("casts are not allowed in criteria"));
	if (cast->typeName->typmods != NIL)
		refuse(reader, out->location,
			   errmsg("precision and units of a literal's type are not allowed in criteria"),
			   errhint("Write the unit within the literal, like interval '7 days'."));
	if (strcmp(type, "interval") == 0)
	{
		out->type = LH_LIT_INTERVAL;
		return read_interval(reader, strVal(&constant->val), out);
	}
	if (strcmp(type, "date") == 0)
		out->type = LH_LIT_DATE;
	else if (strcmp(type, "timestamptz") == 0)
		out->type = LH_LIT_TIMESTAMPTZ;
	else
		refuse(reader, out->location,
			   errmsg("casts to type %s are not allowed in criteria", type),
			   errhint("Literals with a type are date '..', timestamptz '..' and interval '..'."));
	return read_time_literal(reader, strVal(&constant->val), out);
}

static bool
read_constant(Reader *reader, A_Const *constant, Operand *out)
{
	out->kind = LH_NODE_LITERAL;
	if (constant->isnull)
	{
		out->type = LH_LIT_NULL;
		out->text = "";
		return true;
	}
	switch (nodeTag(&constant->val))
	{
		case T_Integer:
			return read_number(reader, psprintf("%d", intVal(&constant->val)), out);
		case T_Float:
			return read_number(reader, castNode(Float, &constant->val)->fval, out);
		case T_Boolean:
			out->type = LH_LIT_BOOLEAN;
			out->text = boolVal(&constant->val) ? "true" : "false";
			return true;
		case T_String:
			out->type = LH_LIT_STRING;
			out->text = strVal(&constant->val);
			return true;
		default:
			refuse(reader, out->location, errmsg("bit strings are not allowed in criteria"));
	}
}

/* ---------- operands ---------- */

static bool
read_field(Reader *reader, ColumnRef *ref, Operand *out)
{
	char	   *name;
	ListCell   *lc;

	out->kind = LH_NODE_FIELD;
	foreach(lc, ref->fields)
	{
		if (!IsA(lfirst(lc), String))
			refuse(reader, out->location, errmsg("\"*\" is not allowed in criteria"));
		if (strchr(strVal(lfirst(lc)), '.') != NULL)
			refuse(reader, out->location,
				   errmsg("field name \"%s\" contains a dot", strVal(lfirst(lc))));
	}
	name = strVal(llast(ref->fields));
	if (list_length(ref->fields) == 1)
		out->text = name;
	else if (list_length(ref->fields) == 2 && strcmp(strVal(linitial(ref->fields)), "account") == 0)
		out->text = psprintf("account.%s", name);
	else
		refuse(reader, out->location,
			   errmsg("field \"%s\" is qualified by something other than account", name),
			   errhint("A field is written as its name, one of the lead's account as account.name."));
	return true;
}

static bool
is_operator(A_Expr *expr, const char *name)
{
	return list_length(expr->name) == 1 && strcmp(strVal(linitial(expr->name)), name) == 0;
}

/* now() or current_date, without interval; says nothing if it is neither. */
static bool
is_clock(Node *expr, Operand *out)
{
	if (IsA(expr, SQLValueFunction) && ((SQLValueFunction *) expr)->op == SVFOP_CURRENT_DATE)
		out->kind = LH_NODE_TODAY;
	else if (IsA(expr, FuncCall))
	{
		FuncCall   *call = (FuncCall *) expr;

		if (list_length(call->funcname) != 1 || strcmp(strVal(linitial(call->funcname)), "now") != 0 ||
			call->args != NIL || call->agg_order != NIL || call->agg_filter != NULL ||
			call->over != NULL || call->agg_star || call->agg_distinct || call->func_variadic)
			return false;
		out->kind = LH_NODE_NOW;
	}
	else
		return false;
	return true;
}

static bool
read_clock_arithmetic(Reader *reader, A_Expr *expr, Operand *out)
{
	Operand		span = {0};

	span.location = exprLocation(expr->rexpr);
	if (expr->lexpr == NULL || !is_clock(expr->lexpr, out) || !IsA(expr->rexpr, TypeCast))
		refuse(reader, out->location,
			   errmsg("this arithmetic is not allowed in criteria"),
			   errhint("Only now() and current_date may be moved, by an interval: now() - interval '7 days'."));
	if (!read_typed_literal(reader, (TypeCast *) expr->rexpr, &span))
		return false;
	if (span.type != LH_LIT_INTERVAL)
		refuse(reader, span.location,
			   errmsg("now() and current_date can only be moved by an interval"),
			   errhint("Write it as interval '7 days'."));
	out->type = LH_LIT_INTERVAL;
	out->text = span.text;
	out->minus = is_operator(expr, "-");
	return true;
}

static bool
refuse_operand(Reader *reader, Node *expr, int location)
{
	switch (nodeTag(expr))
	{
		case T_FuncCall:
			refuse(reader, location,
				   errmsg("function %s() is not allowed in criteria",
						  strVal(llast(((FuncCall *) expr)->funcname))),
				   errhint("The only one is now(), without arguments."));
		case T_SQLValueFunction:
			refuse(reader, location,
				   errmsg("only now() and current_date give the time in criteria"));
		case T_SubLink:
			refuse(reader, location, errmsg("subqueries are not allowed in criteria"));
		case T_ParamRef:
			refuse(reader, location, errmsg("parameters are not allowed in criteria"));
		case T_CaseExpr:
			refuse(reader, location, errmsg("case is not allowed in criteria"));
		case T_A_ArrayExpr:
			refuse(reader, location,
				   errmsg("array[..] is not allowed here in criteria"),
				   errhint("Use it as field && array[..] or field @> array[..]."));
		case T_BoolExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_A_Expr:
			refuse(reader, location,
				   errmsg("a condition can't be compared in criteria"),
				   errhint("Compare fields, and join conditions by and, or, not."));
		default:
			refuse(reader, location, errmsg("this expression is not allowed in criteria"));
	}
}

static bool
read_operand(Reader *reader, Node *expr, Operand *out)
{
	memset(out, 0, sizeof(*out));
	out->location = exprLocation(expr);
	switch (nodeTag(expr))
	{
		case T_ColumnRef:
			return read_field(reader, (ColumnRef *) expr, out);
		case T_A_Const:
			return read_constant(reader, (A_Const *) expr, out);
		case T_TypeCast:
			if (!read_typed_literal(reader, (TypeCast *) expr, out))
				return false;
			if (out->type == LH_LIT_INTERVAL)
				refuse(reader, out->location,
					   errmsg("an interval stands alone in criteria"),
					   errhint("Write it as now() - interval '7 days'."));
			return true;
		case T_A_Expr:
			if (((A_Expr *) expr)->kind == AEXPR_OP &&
				(is_operator((A_Expr *) expr, "+") || is_operator((A_Expr *) expr, "-")))
				return read_clock_arithmetic(reader, (A_Expr *) expr, out);
			break;
		default:
			if (is_clock(expr, out))
				return true;
			break;
	}
	return refuse_operand(reader, expr, out->location);
}

/* An operand that is compared: NULL there is never what was meant. */
static bool
read_comparand(Reader *reader, Node *expr, Operand *out)
{
	if (!read_operand(reader, expr, out))
		return false;
	if (out->kind == LH_NODE_LITERAL && out->type == LH_LIT_NULL)
		refuse(reader, out->location,
			   errmsg("null can't be compared in criteria"),
			   errhint("Use is null or is not null."));
	return true;
}

static bool
read_field_operand(Reader *reader, Node *expr, Operand *out, const char *what)
{
	if (!read_operand(reader, expr, out))
		return false;
	if (out->kind != LH_NODE_FIELD)
		refuse(reader, out->location, errmsg("%s needs a field", what));
	return true;
}

static bool
read_string_operand(Reader *reader, Node *expr, Operand *out, const char *what)
{
	if (!read_operand(reader, expr, out))
		return false;
	if (out->kind != LH_NODE_LITERAL || out->type != LH_LIT_STRING)
		refuse(reader, out->location, errmsg("%s needs a string literal", what));
	return true;
}

/* ---------- conditions ---------- */

/* A predicate over two operands, both already in canonical order. */
static bool
add_predicate(Reader *reader, LhNodeKind kind, int op, bool negated,
			  const Operand *left, const Operand *right, int location)
{
	int			node = begin_node(reader, kind, location);

	if (node < 0)
		return false;
	reader->nodes[node].op = op;
	reader->nodes[node].negated = negated;
	if (!add_operand(reader, left) || (right && !add_operand(reader, right)))
		return false;
	end_node(reader, node);
	return true;
}

/* Put a field on the left; false (and a complaint) if there is none.  Returns whether it swapped. */
static bool
field_first(Reader *reader, Operand *left, Operand *right, bool *swapped)
{
	*swapped = false;
	if (left->kind == LH_NODE_FIELD)
		return true;
	if (right->kind != LH_NODE_FIELD)
		refuse(reader, left->location, errmsg("a comparison needs a field"));
	{
		Operand		tmp = *left;

		*left = *right;
		*right = tmp;
	}
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
		if (!is_operator(expr, ops[i].name) || expr->lexpr == NULL)
			continue;
		if (!read_comparand(reader, expr->lexpr, &left) ||
			!read_comparand(reader, expr->rexpr, &right) ||
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

	if (!read_comparand(reader, expr->lexpr, &left) ||
		!read_comparand(reader, expr->rexpr, &right) ||
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

	if (!read_field_operand(reader, expr->lexpr, &field, "between") ||
		!read_comparand(reader, linitial(bounds), &low) ||
		!read_comparand(reader, lsecond(bounds), &high))
		return false;
	node = begin_node(reader, LH_NODE_BETWEEN, expr->location);
	if (node < 0)
		return false;
	reader->nodes[node].negated = (expr->kind == AEXPR_NOT_BETWEEN);
	if (!add_operand(reader, &field) || !add_operand(reader, &low) || !add_operand(reader, &high))
		return false;
	end_node(reader, node);
	return true;
}

/* The literals of in (..) or array[..], as the last child of a predicate. */
static bool
add_list(Reader *reader, List *items, bool strings, int location)
{
	int			node = begin_node(reader, LH_NODE_LIST, location);
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

		if (!read_operand(reader, lfirst(lc), &item))
			return false;
		if (item.kind != LH_NODE_LITERAL)
			refuse(reader, item.location, errmsg("a list in criteria holds literals only"));
		if (strings && item.type != LH_LIT_STRING && item.type != LH_LIT_NULL)
			refuse(reader, item.location, errmsg("an array in criteria holds strings only"));
		offset = add_literal(reader, item.type, item.text);
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

	if (!read_field_operand(reader, expr->lexpr, &field, "in"))
		return false;
	node = begin_node(reader, LH_NODE_IN, expr->location);
	if (node < 0)
		return false;
	reader->nodes[node].negated = is_operator(expr, "<>");
	if (!add_operand(reader, &field) ||
		!add_list(reader, castNode(List, expr->rexpr), false, expr->location))
		return false;
	end_node(reader, node);
	return true;
}

/* field && array[..], array[..] && field, field @> array[..] */
static bool
read_array_operator(Reader *reader, A_Expr *expr)
{
	bool		overlap = is_operator(expr, "&&");
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
	if (!read_field_operand(reader, left, &field, overlap ? "&&" : "@>"))
		return false;
	node = begin_node(reader, overlap ? LH_NODE_OVERLAP : LH_NODE_CONTAINS, expr->location);
	if (node < 0 || !add_operand(reader, &field) ||
		!add_list(reader, ((A_ArrayExpr *) right)->elements, true, exprLocation(right)))
		return false;
	end_node(reader, node);
	return true;
}

/* 'x' = any(field) */
static bool
read_any(Reader *reader, A_Expr *expr)
{
	Operand		field,
				item;

	if (!is_operator(expr, "="))
		refuse(reader, expr->location, errmsg("only = is allowed with any(..) in criteria"));
	if (!read_string_operand(reader, expr->lexpr, &item, "= any(..)") ||
		!read_field_operand(reader, expr->rexpr, &field, "any(..)"))
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
	if (!read_field_operand(reader, expr->lexpr, &field, ilike ? "ilike" : "like") ||
		!read_string_operand(reader, expr->rexpr, &pattern, ilike ? "ilike" : "like"))
		return false;
	if (ends_in_escape(pattern.text))
		refuse(reader, pattern.location,
			   errmsg("pattern \"%s\" ends in a lone backslash", pattern.text),
			   errhint("A backslash that is meant is written as two."));
	return add_predicate(reader, ilike ? LH_NODE_ILIKE : LH_NODE_LIKE, 0,
						 is_operator(expr, "!~~") || is_operator(expr, "!~~*"),
						 &field, &pattern, expr->location);
}

static bool
read_a_expr(Reader *reader, A_Expr *expr)
{
	switch (expr->kind)
	{
		case AEXPR_OP:
			if (is_operator(expr, "&&") || is_operator(expr, "@>"))
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

	if (!read_field_operand(reader, (Node *) test->arg, &field, "is null"))
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
	if (!read_field_operand(reader, (Node *) test->arg, &field, "is true, is false, is unknown"))
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
	node = begin_node(reader, kind, expr->location);
	if (node < 0)
		return false;
	if (kind == LH_NODE_NOT)
	{
		if (!read_condition(reader, linitial(expr->args), depth + 1))
			return false;
	}
	else if (!read_members(reader, expr, depth))
		return false;
	end_node(reader, node);
	return true;
}

/* A field or literal that stands alone as a condition. */
static bool
read_bare(Reader *reader, Node *expr)
{
	Operand		operand;

	if (!read_operand(reader, expr, &operand))
		return false;
	if (operand.kind != LH_NODE_FIELD &&
		!(operand.kind == LH_NODE_LITERAL && operand.type == LH_LIT_BOOLEAN))
		refuse(reader, operand.location, errmsg("criteria must be a condition"));
	return add_operand(reader, &operand);
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
 * Read a criteria.  The result is allocated in the current context; everything else is gone on
 * return.  NULL after a soft error.
 */
Criteria *
lh_criteria_parse(const char *text, Node *escontext)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext work;
	ErrorContextCallback callback;
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

	callback.callback = position_callback;
	callback.arg = &reader;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	if (read_in_fixed_world(&reader))
		criteria = assemble(&reader, caller);
	error_context_stack = callback.previous;

	/* a dump holds the canonical text, and must load */
	if (criteria != NULL && !check_length(lh_criteria_out(criteria), "The canonical text", escontext))
		criteria = NULL;

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
	return criteria;
}
