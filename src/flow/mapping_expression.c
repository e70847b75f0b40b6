/*
 * src/flow/mapping_expression.c
 *
 * Expressions in a mapping: what may stand in one, and the text of it that we run.
 *
 * An expression comes from whoever attached a table and is run with every batch as the table's owner, so
 * it must be plain arithmetic over the row at hand: no look at another table, no setting, no clock, no
 * code of a user's.  It is taken in two steps.
 *
 * First PostgreSQL's own raw parser reads it (as criteria_parse.c does, nothing is wrapped around the
 * text), every node that is not on the white list is refused, and what stays is written anew: columns
 * under the alias t, functions, operators and types of pg_catalog by their qualified names.  Syntax
 * that looks up an operator without a way to name its schema (IN, BETWEEN, NULLIF, CASE x WHEN, IS
 * DISTINCT FROM ..) is written as what it stands for.  So the text means the same under any
 * search_path, and an operator or cast that somebody puts in the way is not found.
 *
 * Then PostgreSQL's analyzer binds that text to the table as it is now, and every function it calls
 * must be built in, immutable, and no aggregate or set-returning one.  Casts are the exception: text to
 * timestamptz is stable, by the time zone, which is the contract's whenever a source is read.
 */
#include "flow/mapping.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "parser/parse_type.h"
#include "parser/parser.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

typedef struct Writer
{
	const char *target;
	const char *text;			/* the expression, as it was given */
	int			location;		/* byte in it that a complaint is about; -1: none */
	StringInfoData sql;
	List	   *columns;
} Writer;

static void write_node(Writer *writer, Node *node);

#define refuse(writer, where, ...) \
	do { \
		(writer)->location = (where); \
		ereport(ERROR, \
				(errcode(ERRCODE_LH_MAPPING), __VA_ARGS__, \
				 errdetail("It stands in the mapping of \"%s\".", (writer)->target), \
				 errhint("Allowed are columns, literals, casts, CASE, and built-in operators and immutable functions."))); \
	} while (0)

/* The position of a complaint is one within the expression, not within the statement that brings it. */
static void
complaint_callback(void *arg)
{
	Writer	   *writer = arg;
	int			position = geterrposition();

	if (geterrcode() == ERRCODE_SYNTAX_ERROR)
		errcode(ERRCODE_LH_MAPPING);
	if (position <= 0 && writer->location >= 0)
		position = pg_mbstrlen_with_len(writer->text, writer->location) + 1;
	errcontext("mapping of \"%s\"", writer->target);
	if (position <= 0)
		return;
	errposition(0);
	internalerrposition(position);
	internalerrquery(writer->text);
}

/* Names ------------------------------------------------------------------------------------- */

/* The last part of a name that is plain or of pg_catalog; NULL: it is another schema's. */
static const char *
catalog_name(List *names)
{
	if (list_length(names) == 1)
		return strVal(linitial(names));
	if (list_length(names) == 2 && strcmp(strVal(linitial(names)), "pg_catalog") == 0)
		return strVal(lsecond(names));
	return NULL;
}

static void
write_operator(Writer *writer, const char *name)
{
	appendStringInfo(&writer->sql, " operator(pg_catalog.%s) ", name);
}

static void
write_column(Writer *writer, ColumnRef *ref)
{
	char	   *name;

	if (list_length(ref->fields) != 1 || !IsA(linitial(ref->fields), String))
		refuse(writer, ref->location, errmsg("only a plain column name is allowed in a mapping"));
	name = strVal(linitial(ref->fields));
	appendStringInfo(&writer->sql, "t.%s", quote_identifier(name));
	writer->columns = lappend(writer->columns, name);
}

static void
write_constant(Writer *writer, A_Const *constant)
{
	if (constant->isnull)
		appendStringInfoString(&writer->sql, "null");
	else if (IsA(&constant->val, Integer))
		appendStringInfo(&writer->sql, "(%d)", intVal(&constant->val));
	else if (IsA(&constant->val, Float))
		appendStringInfo(&writer->sql, "(%s)", castNode(Float, &constant->val)->fval);
	else if (IsA(&constant->val, Boolean))
		appendStringInfoString(&writer->sql, boolVal(&constant->val) ? "true" : "false");
	else if (IsA(&constant->val, String))
		appendStringInfoString(&writer->sql, quote_literal_cstr(strVal(&constant->val)));
	else
		refuse(writer, constant->location, errmsg("bit strings are not allowed in a mapping"));
}

/* Types that a cast may name: plain values, nothing that looks something up. */
static bool
is_castable(Oid type)
{
	Oid			element = get_element_type(type);

	switch (OidIsValid(element) ? element : type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case INTERVALOID:
		case UUIDOID:
		case JSONOID:
		case JSONBOID:
			return true;
		default:
			return false;
	}
}

static void
write_cast(Writer *writer, TypeCast *cast)
{
	TypeName   *name = cast->typeName;
	const char *type_name = catalog_name(name->names);
	Oid			type = InvalidOid;

	if (type_name != NULL && !name->setof && !name->pct_type)
		type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(type_name),
							   ObjectIdGetDatum(PG_CATALOG_NAMESPACE));
	if (!OidIsValid(type) || !is_castable(type))
		refuse(writer, name->location, errmsg("a cast to %s is not allowed in a mapping", TypeNameToString(name)));
	appendStringInfoChar(&writer->sql, '(');
	write_node(writer, cast->arg);
	appendStringInfo(&writer->sql, ")::pg_catalog.%s", quote_identifier(type_name));
	for (int i = 0; i < list_length(name->typmods); i++)
	{
		A_Const    *modifier = list_nth(name->typmods, i);

		if (!IsA(modifier, A_Const) || !IsA(&modifier->val, Integer))
			refuse(writer, name->location, errmsg("a cast to %s is not allowed in a mapping", TypeNameToString(name)));
		appendStringInfo(&writer->sql, "%s%d%s", i == 0 ? "(" : ", ", intVal(&modifier->val),
						 i == list_length(name->typmods) - 1 ? ")" : "");
	}
	if (name->arrayBounds != NIL)
		appendStringInfoString(&writer->sql, "[]");
}

/* Lists, conditions, functions --------------------------------------------------------------- */

static void
write_list(Writer *writer, List *nodes, const char *between)
{
	ListCell   *lc;

	foreach(lc, nodes)
	{
		if (lc != list_head(nodes))
			appendStringInfoString(&writer->sql, between);
		write_node(writer, lfirst(lc));
	}
}

static void
write_operation(Writer *writer, Node *left, const char *name, Node *right)
{
	appendStringInfoChar(&writer->sql, '(');
	if (left != NULL)
		write_node(writer, left);
	write_operator(writer, name);
	write_node(writer, right);
	appendStringInfoChar(&writer->sql, ')');
}

/* x in (a, b): (x = a or x = b) */
static void
write_in(Writer *writer, A_Expr *expr)
{
	const char *name = strVal(linitial(expr->name));
	ListCell   *lc;

	appendStringInfoChar(&writer->sql, '(');
	foreach(lc, castNode(List, expr->rexpr))
	{
		if (lc != list_head((List *) expr->rexpr))
			appendStringInfoString(&writer->sql, strcmp(name, "=") == 0 ? " or " : " and ");
		write_operation(writer, expr->lexpr, name, lfirst(lc));
	}
	appendStringInfoChar(&writer->sql, ')');
}

/* x between a and b, symmetric or not, negated or not */
static void
write_between(Writer *writer, A_Expr *expr)
{
	Node	   *low = linitial(castNode(List, expr->rexpr));
	Node	   *high = lsecond(castNode(List, expr->rexpr));
	bool		symmetric = expr->kind == AEXPR_BETWEEN_SYM || expr->kind == AEXPR_NOT_BETWEEN_SYM;

	if (expr->kind == AEXPR_NOT_BETWEEN || expr->kind == AEXPR_NOT_BETWEEN_SYM)
		appendStringInfoString(&writer->sql, "(not ");
	appendStringInfoString(&writer->sql, "((");
	write_operation(writer, expr->lexpr, ">=", low);
	appendStringInfoString(&writer->sql, " and ");
	write_operation(writer, expr->lexpr, "<=", high);
	appendStringInfoChar(&writer->sql, ')');
	if (symmetric)
	{
		appendStringInfoString(&writer->sql, " or (");
		write_operation(writer, expr->lexpr, ">=", high);
		appendStringInfoString(&writer->sql, " and ");
		write_operation(writer, expr->lexpr, "<=", low);
		appendStringInfoChar(&writer->sql, ')');
	}
	appendStringInfoChar(&writer->sql, ')');
	if (expr->kind == AEXPR_NOT_BETWEEN || expr->kind == AEXPR_NOT_BETWEEN_SYM)
		appendStringInfoChar(&writer->sql, ')');
}

/* IS [NOT] DISTINCT FROM: equal, or both null */
static void
write_distinct(Writer *writer, A_Expr *expr)
{
	appendStringInfoString(&writer->sql, expr->kind == AEXPR_DISTINCT ? "(not (" : "((");
	write_operation(writer, expr->lexpr, "=", expr->rexpr);
	appendStringInfoString(&writer->sql, " is true or (");
	write_node(writer, expr->lexpr);
	appendStringInfoString(&writer->sql, " is null and ");
	write_node(writer, expr->rexpr);
	appendStringInfoString(&writer->sql, " is null)))");
}

static void
write_expr(Writer *writer, A_Expr *expr)
{
	const char *name = catalog_name(expr->name);

	if (name == NULL)
		refuse(writer, expr->location, errmsg("an operator of another schema is not allowed in a mapping"));
	switch (expr->kind)
	{
		case AEXPR_OP:
		case AEXPR_LIKE:
		case AEXPR_ILIKE:
			write_operation(writer, expr->lexpr, name, expr->rexpr);
			break;
		case AEXPR_OP_ANY:
		case AEXPR_OP_ALL:
			appendStringInfoChar(&writer->sql, '(');
			write_node(writer, expr->lexpr);
			write_operator(writer, name);
			appendStringInfoString(&writer->sql, expr->kind == AEXPR_OP_ANY ? "any (" : "all (");
			write_node(writer, expr->rexpr);
			appendStringInfoString(&writer->sql, "))");
			break;
		case AEXPR_DISTINCT:
		case AEXPR_NOT_DISTINCT:
			write_distinct(writer, expr);
			break;
		case AEXPR_NULLIF:
			appendStringInfoString(&writer->sql, "(case when ");
			write_operation(writer, expr->lexpr, "=", expr->rexpr);
			appendStringInfoString(&writer->sql, " then null else ");
			write_node(writer, expr->lexpr);
			appendStringInfoString(&writer->sql, " end)");
			break;
		case AEXPR_IN:
			write_in(writer, expr);
			break;
		case AEXPR_BETWEEN:
		case AEXPR_NOT_BETWEEN:
		case AEXPR_BETWEEN_SYM:
		case AEXPR_NOT_BETWEEN_SYM:
			write_between(writer, expr);
			break;
		default:
			refuse(writer, expr->location, errmsg("operator %s is not allowed in a mapping", name));
	}
}

static void
write_bool(Writer *writer, BoolExpr *expr)
{
	appendStringInfoString(&writer->sql, expr->boolop == NOT_EXPR ? "(not " : "(");
	write_list(writer, expr->args, expr->boolop == AND_EXPR ? " and " : " or ");
	appendStringInfoChar(&writer->sql, ')');
}

static void
write_case(Writer *writer, CaseExpr *expr)
{
	ListCell   *lc;

	appendStringInfoString(&writer->sql, "(case");
	foreach(lc, expr->args)
	{
		CaseWhen   *when = lfirst_node(CaseWhen, lc);

		appendStringInfoString(&writer->sql, " when ");
		if (expr->arg != NULL)
			write_operation(writer, (Node *) expr->arg, "=", (Node *) when->expr);
		else
			write_node(writer, (Node *) when->expr);
		appendStringInfoString(&writer->sql, " then ");
		write_node(writer, (Node *) when->result);
	}
	if (expr->defresult != NULL)
	{
		appendStringInfoString(&writer->sql, " else ");
		write_node(writer, (Node *) expr->defresult);
	}
	appendStringInfoString(&writer->sql, " end)");
}

static void
write_call(Writer *writer, FuncCall *call)
{
	const char *name = catalog_name(call->funcname);

	if (name == NULL)
		refuse(writer, call->location, errmsg("function %s is not built in", NameListToString(call->funcname)));
	if (call->agg_star || call->agg_distinct || call->agg_within_group || call->agg_order != NIL ||
		call->agg_filter != NULL || call->over != NULL || call->func_variadic)
		refuse(writer, call->location, errmsg("function %s can only be called plainly in a mapping", name));
	appendStringInfo(&writer->sql, "pg_catalog.%s(", quote_identifier(name));
	write_list(writer, call->args, ", ");
	appendStringInfoChar(&writer->sql, ')');
}

static void
write_test(Writer *writer, Node *arg, const char *test)
{
	appendStringInfoChar(&writer->sql, '(');
	write_node(writer, arg);
	appendStringInfo(&writer->sql, " %s)", test);
}

static void
write_boolean_test(Writer *writer, BooleanTest *test)
{
	static const char *const tests[] = {
		[IS_TRUE] = "is true",[IS_NOT_TRUE] = "is not true",
		[IS_FALSE] = "is false",[IS_NOT_FALSE] = "is not false",
		[IS_UNKNOWN] = "is unknown",[IS_NOT_UNKNOWN] = "is not unknown"
	};

	write_test(writer, (Node *) test->arg, tests[test->booltesttype]);
}

/* An element of an array. */
static void
write_subscripts(Writer *writer, A_Indirection *node)
{
	ListCell   *lc;

	appendStringInfoChar(&writer->sql, '(');
	write_node(writer, node->arg);
	appendStringInfoChar(&writer->sql, ')');
	foreach(lc, node->indirection)
	{
		A_Indices  *index = lfirst(lc);

		if (!IsA(index, A_Indices) || index->is_slice)
			refuse(writer, exprLocation(node->arg), errmsg("only single elements of an array are allowed in a mapping"));
		appendStringInfoChar(&writer->sql, '[');
		write_node(writer, index->uidx);
		appendStringInfoChar(&writer->sql, ']');
	}
}

static void
write_wrapped(Writer *writer, const char *before, List *nodes, const char *after)
{
	appendStringInfoString(&writer->sql, before);
	write_list(writer, nodes, ", ");
	appendStringInfoString(&writer->sql, after);
}

static void
write_node(Writer *writer, Node *node)
{
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	switch (nodeTag(node))
	{
		case T_ColumnRef:
			write_column(writer, (ColumnRef *) node);
			break;
		case T_A_Const:
			write_constant(writer, (A_Const *) node);
			break;
		case T_TypeCast:
			write_cast(writer, (TypeCast *) node);
			break;
		case T_A_Expr:
			write_expr(writer, (A_Expr *) node);
			break;
		case T_BoolExpr:
			write_bool(writer, (BoolExpr *) node);
			break;
		case T_CaseExpr:
			write_case(writer, (CaseExpr *) node);
			break;
		case T_FuncCall:
			write_call(writer, (FuncCall *) node);
			break;
		case T_CoalesceExpr:
			write_wrapped(writer, "coalesce(", ((CoalesceExpr *) node)->args, ")");
			break;
		case T_MinMaxExpr:
			write_wrapped(writer, ((MinMaxExpr *) node)->op == IS_GREATEST ? "greatest(" : "least(",
						  ((MinMaxExpr *) node)->args, ")");
			break;
		case T_A_ArrayExpr:
			write_wrapped(writer, "array[", ((A_ArrayExpr *) node)->elements, "]");
			break;
		case T_A_Indirection:
			write_subscripts(writer, (A_Indirection *) node);
			break;
		case T_NullTest:
			write_test(writer, (Node *) ((NullTest *) node)->arg,
					   ((NullTest *) node)->nulltesttype == IS_NULL ? "is null" : "is not null");
			break;
		case T_BooleanTest:
			write_boolean_test(writer, (BooleanTest *) node);
			break;
		case T_SubLink:
			refuse(writer, exprLocation(node), errmsg("a subquery is not allowed in a mapping"));
			break;
		default:
			refuse(writer, exprLocation(node), errmsg("this expression is not allowed in a mapping"));
	}
}

/* Reading ------------------------------------------------------------------------------------ */

/* The one expression that a text is; the raw parser takes it as a SELECT without the word. */
static Node *
only_expression(Writer *writer, List *statements)
{
	SelectStmt *select = NULL;
	ResTarget  *target;

	if (list_length(statements) == 1)
		select = (SelectStmt *) linitial_node(RawStmt, statements)->stmt;
	if (select == NULL || !IsA(select, SelectStmt) || select->op != SETOP_NONE ||
		list_length(select->targetList) != 1 || select->distinctClause != NIL || select->intoClause != NULL ||
		select->fromClause != NIL || select->whereClause != NULL || select->groupClause != NIL ||
		select->havingClause != NULL || select->windowClause != NIL || select->valuesLists != NIL ||
		select->sortClause != NIL || select->limitOffset != NULL || select->limitCount != NULL ||
		select->lockingClause != NIL || select->withClause != NULL)
		refuse(writer, -1, errmsg("\"%s\" is not an expression", writer->text));
	target = linitial_node(ResTarget, select->targetList);
	if (target->name != NULL || target->indirection != NIL)
		refuse(writer, -1, errmsg("\"%s\" is not an expression", writer->text));
	return target->val;
}

LhExpression *
lh_expression_read(const char *target, const char *text)
{
	LhExpression *expression = palloc0_object(LhExpression);
	Writer		writer = {.target = target,.text = text,.location = -1};
	ErrorContextCallback callback = {.callback = complaint_callback,.arg = &writer,.previous = error_context_stack};
	bool		save_escape = standard_conforming_strings;

	initStringInfo(&writer.sql);
	error_context_stack = &callback;
	standard_conforming_strings = true; /* a plain variable: the next statement reads the setting anew */
	PG_TRY();
	{
		write_node(&writer, only_expression(&writer, raw_parser(text, RAW_PARSE_PLPGSQL_EXPR)));
	}
	PG_FINALLY();
	{
		standard_conforming_strings = save_escape;
	}
	PG_END_TRY();
	error_context_stack = callback.previous;
	expression->text = text;
	expression->sql = writer.sql.data;
	expression->columns = writer.columns;
	return expression;
}

/* Binding to a table -------------------------------------------------------------------------- */

/* Is it a function that a mapping must not call? */
static bool
is_forbidden(Oid function, bool is_cast)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	bool		forbidden;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	forbidden = function >= FirstNormalObjectId || form->prokind != PROKIND_FUNCTION || form->proretset ||
		(form->provolatile != PROVOLATILE_IMMUTABLE && !(is_cast && form->provolatile == PROVOLATILE_STABLE));
	for (int i = 0; i < form->pronargs; i++)
		if (form->proargtypes.values[i] == INTERNALOID || form->proargtypes.values[i] == ANYOID)
			forbidden = true;
	ReleaseSysCache(tuple);
	return forbidden;
}

typedef struct Search
{
	const char *what;			/* what is not allowed; NULL: nothing found */
	bool		is_cast;
} Search;

static bool
is_forbidden_call(Oid function, void *context)
{
	Search	   *search = context;

	if (!is_forbidden(function, search->is_cast))
		return false;
	search->what = psprintf("function %s", format_procedure(function));
	return true;
}

static bool
find_forbidden(Node *node, void *context)
{
	Search	   *search = context;

	if (node == NULL)
		return false;
	if (IsA(node, Aggref) || IsA(node, WindowFunc) || IsA(node, GroupingFunc))
	{
		search->what = "an aggregate or window function";
		return true;
	}
	if (IsA(node, CoerceToDomain) || IsA(node, NextValueExpr) || IsA(node, SubLink))
	{
		search->what = "this expression";
		return true;
	}
	/* a coercion through text calls functions of the types alone, which cast() has looked at */
	search->is_cast = IsA(node, CoerceViaIO) || IsA(node, ArrayCoerceExpr) ||
		(IsA(node, FuncExpr) && ((FuncExpr *) node)->funcformat != COERCE_EXPLICIT_CALL &&
		 ((FuncExpr *) node)->funcformat != COERCE_SQL_SYNTAX);
	if (!IsA(node, CoerceViaIO) && check_functions_in_node(node, is_forbidden_call, search))
		return true;
	return expression_tree_walker(node, find_forbidden, context);
}

/* Positions in our own text say nothing to whoever wrote the expression. */
static void
binding_callback(void *arg)
{
	Writer	   *writer = arg;

	errposition(0);
	if (geterrcode() != ERRCODE_QUERY_CANCELED)
		errcode(ERRCODE_LH_MAPPING);
	errcontext("mapping of \"%s\": %s", writer->target, writer->text);
}

Oid
lh_expression_type(const char *target, const LhExpression *expression, Relation rel)
{
	Writer		writer = {.target = target,.text = expression->text,.location = -1};
	ErrorContextCallback callback = {.callback = binding_callback,.arg = &writer,.previous = error_context_stack};
	ParseState *pstate = make_parsestate(NULL);
	ParseNamespaceItem *item;
	Search		search = {0};
	List	   *statements;
	Node	   *expr;
	Oid			type;

	error_context_stack = &callback;
	item = addRangeTableEntryForRelation(pstate, rel, AccessShareLock, makeAlias("t", NIL), false, true);
	addNSItemToQuery(pstate, item, true, true, true);
	statements = raw_parser(expression->sql, RAW_PARSE_PLPGSQL_EXPR);
	expr = transformExpr(pstate, only_expression(&writer, statements), EXPR_KIND_SELECT_TARGET);
	assign_expr_collations(pstate, expr);
	if (find_forbidden(expr, &search))
		refuse(&writer, -1, errmsg("%s is not allowed in a mapping", search.what));
	type = exprType(expr);
	free_parsestate(pstate);
	error_context_stack = callback.previous;
	return type == UNKNOWNOID ? TEXTOID : type;
}
