/*
 * src/rules/criteria_tree.h
 *
 * The inside of a criteria datum, for the files that build, print and compile it.  criteria.c draws
 * the layout.
 */
#ifndef LH_CRITERIA_TREE_H
#define LH_CRITERIA_TREE_H

#include "rules/criteria.h"

#define LH_CRITERIA_VERSION		1

/* limits, checked on input; the text limit holds for the canonical text too */
#define LH_MAX_TEXT				65536	/* bytes */
#define LH_MAX_NODES			4096
#define LH_MAX_DEPTH			64
#define LH_MAX_LIST				10000	/* items of in (..) or array[..] */
#define LH_MAX_DIGITS			1000	/* characters of a number */
#define LH_MAX_SPAN_MONTHS		(1000 * MONTHS_PER_YEAR)	/* an interval: a thousand years ... */
#define LH_MAX_SPAN_DAYS		(1000 * 366)				/* ... in each of its parts */

/* Never renumber: the values are on disk. */
typedef enum LhNodeKind
{
	LH_NODE_AND = 1,			/* children: two or more conditions */
	LH_NODE_OR = 2,				/* children: two or more conditions */
	LH_NODE_NOT = 3,			/* child: one condition */
	LH_NODE_COMPARE = 4,		/* children: field, operand; op */
	LH_NODE_DISTINCT = 5,		/* children: field, operand; negated = is not distinct from */
	LH_NODE_BETWEEN = 6,		/* children: field, low, high */
	LH_NODE_IN = 7,				/* children: field, list */
	LH_NODE_LIKE = 8,			/* children: field, string literal */
	LH_NODE_ILIKE = 9,			/* children: field, string literal */
	LH_NODE_IS_NULL = 10,		/* child: field */
	LH_NODE_IS = 11,			/* child: field; op is an LhTruth */
	LH_NODE_ANY = 12,			/* children: field, string literal: 'x' = any(field) */
	LH_NODE_OVERLAP = 13,		/* children: field, list: field && array[..] */
	LH_NODE_CONTAINS = 14,		/* children: field, list: field @> array[..] */
	LH_NODE_FIELD = 20,			/* offset, count: the name and its length */
	LH_NODE_LITERAL = 21,		/* offset: one literal; count 1 */
	LH_NODE_LIST = 22,			/* offset, count: literals */
	LH_NODE_NOW = 23,			/* now(); count 1: an interval at offset; negated: minus */
	LH_NODE_TODAY = 24			/* current_date, likewise */
} LhNodeKind;

typedef enum LhCompareOp
{
	LH_OP_EQ = 1,
	LH_OP_NE = 2,
	LH_OP_LT = 3,
	LH_OP_LE = 4,
	LH_OP_GT = 5,
	LH_OP_GE = 6
} LhCompareOp;

typedef enum LhLiteralType
{
	LH_LIT_NULL = 1,			/* in lists only */
	LH_LIT_NUMBER = 2,
	LH_LIT_STRING = 3,
	LH_LIT_BOOLEAN = 4,			/* "true" or "false" */
	LH_LIT_DATE = 5,
	LH_LIT_TIMESTAMPTZ = 6,
	LH_LIT_INTERVAL = 7
} LhLiteralType;

typedef struct LhNode
{
	uint8		kind;
	uint8		op;
	uint8		negated;
	uint8		reserved;		/* 0 */
	uint32		nodes;			/* nodes of this subtree, itself included */
	uint32		offset;			/* in bytes from the start of the datum; 0: none */
	uint32		count;
} LhNode;

/* A literal: this head, then len bytes of text, then zeros up to a multiple of 4. */
typedef struct LhLiteral
{
	uint8		type;
	uint8		reserved[3];	/* 0 */
	uint32		len;
	char		text[FLEXIBLE_ARRAY_MEMBER];
} LhLiteral;

struct Criteria
{
	int32		vl_len_;
	uint8		version;
	uint8		reserved[3];	/* 0 */
	uint32		nnodes;
	LhNode		nodes[FLEXIBLE_ARRAY_MEMBER];
};

#define LH_LITERAL_SIZE(len)	INTALIGN(offsetof(LhLiteral, text) + (len))

static inline const LhLiteral *
lh_node_literal(const Criteria *criteria, const LhNode *node)
{
	return (const LhLiteral *) ((const char *) criteria + node->offset);
}

static inline const LhLiteral *
lh_literal_next(const LhLiteral *literal)
{
	return (const LhLiteral *) ((const char *) literal + LH_LITERAL_SIZE(literal->len));
}

/* The name of a field node, or the text of a literal, as a string of its own. */
static inline char *
lh_node_name(const Criteria *criteria, const LhNode *node)
{
	return pnstrdup((const char *) criteria + node->offset, node->count);
}

static inline char *
lh_literal_text(const LhLiteral *literal)
{
	return pnstrdup(literal->text, literal->len);
}

/* criteria_parse.c; NULL after a soft error */
extern Criteria *lh_criteria_parse(const char *text, struct Node *escontext);

extern void lh_criteria_check_version(const Criteria *criteria);

/*
 * criteria.c: a position within the canonical text as the position of the error being raised, for
 * complaints about a datum whose own text is gone.
 */
extern int	lh_criteria_errposition(const Criteria *criteria, int node);

#endif							/* LH_CRITERIA_TREE_H */
