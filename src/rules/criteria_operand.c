/*
 * src/rules/criteria_operand.c
 *
 * What stands in a condition: fields, literals, now() and current_date.  Literals become the text
 * that means the same in every session; everything that is none of these is refused here, by name
 * where the user may wonder.
 */
#include "rules/criteria_reader.h"

#include "nodes/nodeFuncs.h"
#include "rules/literal.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

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

bool
lh_is_operator(A_Expr *expr, const char *name)
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
	out->minus = lh_is_operator(expr, "-");
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

bool
lh_read_operand(Reader *reader, Node *expr, Operand *out)
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
				(lh_is_operator((A_Expr *) expr, "+") || lh_is_operator((A_Expr *) expr, "-")))
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
bool
lh_read_comparand(Reader *reader, Node *expr, Operand *out)
{
	if (!lh_read_operand(reader, expr, out))
		return false;
	if (out->kind == LH_NODE_LITERAL && out->type == LH_LIT_NULL)
		refuse(reader, out->location,
			   errmsg("null can't be compared in criteria"),
			   errhint("Use is null or is not null."));
	return true;
}

bool
lh_read_field_operand(Reader *reader, Node *expr, Operand *out, const char *what)
{
	if (!lh_read_operand(reader, expr, out))
		return false;
	if (out->kind != LH_NODE_FIELD)
		refuse(reader, out->location, errmsg("%s needs a field", what));
	return true;
}

bool
lh_read_string_operand(Reader *reader, Node *expr, Operand *out, const char *what)
{
	if (!lh_read_operand(reader, expr, out))
		return false;
	if (out->kind != LH_NODE_LITERAL || out->type != LH_LIT_STRING)
		refuse(reader, out->location, errmsg("%s needs a string literal", what));
	return true;
}
