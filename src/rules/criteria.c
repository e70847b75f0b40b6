/*
 * src/rules/criteria.c
 *
 * The type handoff.criteria: a condition over named fields, whose text is a safe subset of SQL.
 * This file has its input and output, equality, hash, and the functions that look into one.
 *
 * A datum is a flat tree.  All offsets count from its first byte; everything is aligned to 4 bytes
 * and every byte that carries nothing is zero, so equality and hash are over the bytes.
 *
 *     +---------+---------+---------+---------------+-----------------+----------------+
 *     | vl_len_ | version | nnodes  |  LhNode x n   |  names, then    |  LhLiterals    |
 *     |    4    | 1 + 3   |    4    |   16 each     |  zeros up to 4  |                |
 *     +---------+---------+---------+---------------+-----------------+----------------+
 *
 * Nodes are in prefix order; node.nodes counts the subtree, so the next sibling of node i is
 * i + nodes[i].nodes.  A field node points at its name, each name is stored once.  A literal, the
 * interval of a now() and the items of a list point at LhLiterals, the items one after another.
 *
 *     stage = 'mql' and score >= 50
 *
 *     0  AND  nodes 7
 *     1    COMPARE  =  nodes 3
 *     2      FIELD     stage
 *     3      LITERAL   string mql
 *     4    COMPARE  >=  nodes 3
 *     5      FIELD     score
 *     6      LITERAL   number 50
 *
 * Literals keep their type and text; what a field's type makes of them is decided when the criteria
 * is bound to fields (criteria_eval.c).  The output is canonical: SQL that PostgreSQL reads to the
 * same truth whatever the session's settings, and that we read to the same bytes.
 */
#include "rules/criteria_tree.h"

#include "common/hashfn.h"
#include "common/keywords.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

typedef struct Printer
{
	const Criteria *criteria;
	StringInfoData buf;
	int			wanted;			/* node whose place in the text is wanted; -1: none */
	int			place;			/* where it begins, in bytes */
} Printer;

static void print_condition(Printer *printer, int i);

/* ---------- output ---------- */

/* As quote_identifier() does it, but whatever quote_all_identifiers says. */
static void
print_identifier(StringInfo buf, const char *name, int len)
{
	char	   *ident = pnstrdup(name, len);
	bool		safe = (ident[0] >= 'a' && ident[0] <= 'z') || ident[0] == '_';
	int			keyword;

	for (int i = 0; i < len && safe; i++)
		safe = (ident[i] >= 'a' && ident[i] <= 'z') || (ident[i] >= '0' && ident[i] <= '9') ||
			ident[i] == '_';
	if (safe)
	{
		keyword = ScanKeywordLookup(ident, &ScanKeywords);
		safe = (keyword < 0 || ScanKeywordCategories[keyword] == UNRESERVED_KEYWORD);
	}
	if (safe)
		appendBinaryStringInfo(buf, ident, len);
	else
	{
		appendStringInfoChar(buf, '"');
		for (int i = 0; i < len; i++)
		{
			if (ident[i] == '"')
				appendStringInfoChar(buf, '"');
			appendStringInfoChar(buf, ident[i]);
		}
		appendStringInfoChar(buf, '"');
	}
	pfree(ident);
}

/* A string with a backslash is written as E'..': that reads the same under any setting. */
static void
print_string(StringInfo buf, const char *string, int len)
{
	bool		escape = (memchr(string, '\\', len) != NULL);

	appendStringInfoString(buf, escape ? "E'" : "'");
	for (int i = 0; i < len; i++)
	{
		if (string[i] == '\'' || string[i] == '\\')
			appendStringInfoChar(buf, string[i]);
		appendStringInfoChar(buf, string[i]);
	}
	appendStringInfoChar(buf, '\'');
}

static void
print_literal(StringInfo buf, const LhLiteral *literal)
{
	switch ((LhLiteralType) literal->type)
	{
		case LH_LIT_NULL:
			appendStringInfoString(buf, "null");
			return;
		case LH_LIT_NUMBER:
		case LH_LIT_BOOLEAN:
			appendBinaryStringInfo(buf, literal->text, literal->len);
			return;
		case LH_LIT_STRING:
			break;
		case LH_LIT_DATE:
			appendStringInfoString(buf, "date ");
			break;
		case LH_LIT_TIMESTAMPTZ:
			appendStringInfoString(buf, "timestamptz ");
			break;
		case LH_LIT_INTERVAL:
			appendStringInfoString(buf, "interval ");
			break;
	}
	print_string(buf, literal->text, literal->len);
}

/* "account.industry" is a qualified name: no identifier has a dot in it. */
static void
print_field(StringInfo buf, const char *name, int len)
{
	const char *dot = memchr(name, '.', len);

	if (dot != NULL)
	{
		print_identifier(buf, name, dot - name);
		appendStringInfoChar(buf, '.');
		len -= dot + 1 - name;
		name = dot + 1;
	}
	print_identifier(buf, name, len);
}

static void
print_clock(Printer *printer, const LhNode *node)
{
	appendStringInfoString(&printer->buf, node->kind == LH_NODE_NOW ? "now()" : "current_date");
	if (node->count > 0)
	{
		appendStringInfoString(&printer->buf, node->negated ? " - " : " + ");
		print_literal(&printer->buf, lh_node_literal(printer->criteria, node));
	}
}

static void
print_list(Printer *printer, const LhNode *node)
{
	const LhLiteral *item = lh_node_literal(printer->criteria, node);

	for (uint32 i = 0; i < node->count; i++, item = lh_literal_next(item))
	{
		if (i > 0)
			appendStringInfoString(&printer->buf, ", ");
		print_literal(&printer->buf, item);
	}
}

/* Print the operand i and return the next sibling. */
static int
print_operand(Printer *printer, int i)
{
	const LhNode *node = &printer->criteria->nodes[i];

	if (i == printer->wanted)
		printer->place = printer->buf.len;
	switch ((LhNodeKind) node->kind)
	{
		case LH_NODE_FIELD:
			print_field(&printer->buf, (const char *) printer->criteria + node->offset, node->count);
			break;
		case LH_NODE_LITERAL:
			print_literal(&printer->buf, lh_node_literal(printer->criteria, node));
			break;
		case LH_NODE_LIST:
			print_list(printer, node);
			break;
		case LH_NODE_NOW:
		case LH_NODE_TODAY:
			print_clock(printer, node);
			break;
		default:
			elog(ERROR, "unexpected node %d in criteria", node->kind);
	}
	return i + node->nodes;
}

/* A child condition; in parentheses where the meaning or the reader needs them. */
static int
print_member(Printer *printer, int i, bool parentheses)
{
	if (parentheses)
		appendStringInfoChar(&printer->buf, '(');
	print_condition(printer, i);
	if (parentheses)
		appendStringInfoChar(&printer->buf, ')');
	return i + printer->criteria->nodes[i].nodes;
}

static void
print_bool_expr(Printer *printer, int i)
{
	const LhNode *nodes = printer->criteria->nodes;
	int			end = i + nodes[i].nodes;
	int			child = i + 1;

	if (nodes[i].kind == LH_NODE_NOT)
	{
		uint8		kind = nodes[child].kind;

		appendStringInfoString(&printer->buf, "not ");
		print_member(printer, child,
					 kind != LH_NODE_FIELD && kind != LH_NODE_LITERAL && kind != LH_NODE_NOT);
		return;
	}
	while (child < end)
	{
		if (child > i + 1)
			appendStringInfoString(&printer->buf, nodes[i].kind == LH_NODE_AND ? " and " : " or ");
		child = print_member(printer, child,
							 nodes[i].kind == LH_NODE_AND && nodes[child].kind == LH_NODE_OR);
	}
}

static const char *
comparison_sign(uint8 op)
{
	switch ((LhCompareOp) op)
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
	elog(ERROR, "unexpected operator %d in criteria", op);
	return NULL;
}

static void
print_predicate(Printer *printer, int i)
{
	const LhNode *node = &printer->criteria->nodes[i];
	StringInfo	buf = &printer->buf;
	const char *not = node->negated ? "not " : "";
	int			child = i + 1;

	if (node->kind == LH_NODE_ANY)
	{
		print_operand(printer, child + 1);
		appendStringInfoString(buf, " = any (");
		print_operand(printer, child);
		appendStringInfoChar(buf, ')');
		return;
	}
	child = print_operand(printer, child);
	switch ((LhNodeKind) node->kind)
	{
		case LH_NODE_COMPARE:
			appendStringInfo(buf, " %s ", comparison_sign(node->op));
			print_operand(printer, child);
			break;
		case LH_NODE_DISTINCT:
			appendStringInfo(buf, " is %sdistinct from ", not);
			print_operand(printer, child);
			break;
		case LH_NODE_BETWEEN:
			appendStringInfo(buf, " %sbetween ", not);
			child = print_operand(printer, child);
			appendStringInfoString(buf, " and ");
			print_operand(printer, child);
			break;
		case LH_NODE_IN:
			appendStringInfo(buf, " %sin (", not);
			print_operand(printer, child);
			appendStringInfoChar(buf, ')');
			break;
		case LH_NODE_LIKE:
		case LH_NODE_ILIKE:
			appendStringInfo(buf, " %s%s ", not, node->kind == LH_NODE_LIKE ? "like" : "ilike");
			print_operand(printer, child);
			break;
		case LH_NODE_IS_NULL:
			appendStringInfo(buf, " is %snull", not);
			break;
		case LH_NODE_IS:
			appendStringInfo(buf, " is %s%s", not,
							 node->op == LH_TRUE ? "true" : node->op == LH_FALSE ? "false" : "unknown");
			break;
		case LH_NODE_OVERLAP:
		case LH_NODE_CONTAINS:
			appendStringInfoString(buf, node->kind == LH_NODE_OVERLAP ? " && array[" : " @> array[");
			print_operand(printer, child);
			appendStringInfoChar(buf, ']');
			break;
		default:
			elog(ERROR, "unexpected node %d in criteria", node->kind);
	}
}

static void
print_condition(Printer *printer, int i)
{
	check_stack_depth();
	if (i == printer->wanted)
		printer->place = printer->buf.len;
	switch ((LhNodeKind) printer->criteria->nodes[i].kind)
	{
		case LH_NODE_AND:
		case LH_NODE_OR:
		case LH_NODE_NOT:
			print_bool_expr(printer, i);
			break;
		case LH_NODE_FIELD:
		case LH_NODE_LITERAL:
			print_operand(printer, i);
			break;
		default:
			print_predicate(printer, i);
			break;
	}
}

static void
print_criteria(Printer *printer, const Criteria *criteria, int wanted)
{
	lh_criteria_check_version(criteria);
	printer->criteria = criteria;
	printer->wanted = wanted;
	printer->place = 0;
	initStringInfo(&printer->buf);
	print_condition(printer, 0);
}

/* The datum may have been written by another version of this library. */
void
lh_criteria_check_version(const Criteria *criteria)
{
	if (criteria->version != LH_CRITERIA_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("unsupported criteria version %d", criteria->version)));
}

char *
lh_criteria_out(const Criteria *criteria)
{
	Printer		printer;

	print_criteria(&printer, criteria, -1);
	return printer.buf.data;
}

int
lh_criteria_errposition(const Criteria *criteria, int node)
{
	Printer		printer;

	print_criteria(&printer, criteria, node);
	internalerrquery(printer.buf.data);
	return internalerrposition(pg_mbstrlen_with_len(printer.buf.data, printer.place) + 1);
}

/* Whether it names that field. */
bool
lh_criteria_uses(const Criteria *criteria, const char *name)
{
	size_t		len = strlen(name);

	for (int i = 0; i < criteria->nnodes; i++)
	{
		const LhNode *node = &criteria->nodes[i];

		if (node->kind == LH_NODE_FIELD && node->count == len &&
			memcmp((const char *) criteria + node->offset, name, len) == 0)
			return true;
	}
	return false;
}

/* ---------- the type ---------- */

PG_FUNCTION_INFO_V1(lh_criteria_in);
PG_FUNCTION_INFO_V1(lh_criteria_out_sql);
PG_FUNCTION_INFO_V1(lh_criteria_send);
PG_FUNCTION_INFO_V1(lh_criteria_recv);
PG_FUNCTION_INFO_V1(lh_criteria_eq);
PG_FUNCTION_INFO_V1(lh_criteria_ne);
PG_FUNCTION_INFO_V1(lh_criteria_hash);
PG_FUNCTION_INFO_V1(lh_criteria_hash_extended);
PG_FUNCTION_INFO_V1(lh_criteria_fields);

Datum
lh_criteria_in(PG_FUNCTION_ARGS)
{
	Criteria   *criteria = lh_criteria_parse(PG_GETARG_CSTRING(0), fcinfo->context);

	if (criteria == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(criteria);
}

Datum
lh_criteria_out_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(lh_criteria_out(PG_GETARG_CRITERIA_P(0)));
}

/* A version byte and the text: the bytes of the tree never leave the server. */
Datum
lh_criteria_send(PG_FUNCTION_ARGS)
{
	StringInfoData buf;
	char	   *text = lh_criteria_out(PG_GETARG_CRITERIA_P(0));

	pq_begintypsend(&buf);
	pq_sendint8(&buf, LH_CRITERIA_VERSION);
	pq_sendtext(&buf, text, strlen(text));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
lh_criteria_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			version = pq_getmsgbyte(buf);
	int			len;

	if (version != LH_CRITERIA_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("unsupported criteria version %d", version)));
	PG_RETURN_POINTER(lh_criteria_parse(pq_getmsgtext(buf, buf->len - buf->cursor, &len), NULL));
}

static bool
same_bytes(const Criteria *a, const Criteria *b)
{
	return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
}

Datum
lh_criteria_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(same_bytes(PG_GETARG_CRITERIA_P(0), PG_GETARG_CRITERIA_P(1)));
}

Datum
lh_criteria_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!same_bytes(PG_GETARG_CRITERIA_P(0), PG_GETARG_CRITERIA_P(1)));
}

Datum
lh_criteria_hash(PG_FUNCTION_ARGS)
{
	Criteria   *criteria = PG_GETARG_CRITERIA_P(0);

	return hash_any((unsigned char *) VARDATA(criteria), VARSIZE(criteria) - VARHDRSZ);
}

Datum
lh_criteria_hash_extended(PG_FUNCTION_ARGS)
{
	Criteria   *criteria = PG_GETARG_CRITERIA_P(0);

	return hash_any_extended((unsigned char *) VARDATA(criteria), VARSIZE(criteria) - VARHDRSZ,
							 PG_GETARG_INT64(1));
}

/* The names in a criteria, each once, in the order they come in the tree. */
Datum
lh_criteria_fields(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Criteria   *criteria = PG_GETARG_CRITERIA_P(0);
	uint32		last = 0;

	lh_criteria_check_version(criteria);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < criteria->nnodes; i++)
	{
		LhNode	   *node = &criteria->nodes[i];
		Datum		value;
		bool		isnull = false;

		/* names are stored in order of first use, so a new one lies behind all seen */
		if (node->kind != LH_NODE_FIELD || node->offset <= last)
			continue;
		last = node->offset;
		value = CStringGetTextDatum(lh_node_name(criteria, node));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &isnull);
	}
	return (Datum) 0;
}
