/*
 * src/rules/criteria_eval.h
 *
 * A criteria bound to a set of fields: its inside, for the files that bind it, tell it the time and
 * evaluate it.  Everybody else sees a rulebook.
 */
#ifndef LH_CRITERIA_EVAL_H
#define LH_CRITERIA_EVAL_H

#include "rules/criteria_tree.h"
#include "utils/date.h"
#include "utils/timestamp.h"

typedef enum LeafKind
{
	LEAF_CONSTANT,				/* operand is the boolean */
	LEAF_BOOLEAN,				/* a boolean field by itself */
	LEAF_IS,					/* operand is the LhTruth asked for */
	LEAF_NULL,
	LEAF_COMPARE,
	LEAF_DISTINCT,				/* is distinct from */
	LEAF_IN,
	LEAF_LIKE,
	LEAF_ILIKE,
	LEAF_ANY,
	LEAF_OVERLAP,
	LEAF_CONTAINS
} LeafKind;

/* How to compare: type of the field, type of the operand where it is another one. */
typedef enum Comparison
{
	COMPARE_TEXT,
	COMPARE_BOOLEAN,
	COMPARE_BIGINT,
	COMPARE_BIGINT_NUMERIC,
	COMPARE_NUMERIC,
	COMPARE_NUMERIC_BIGINT,
	COMPARE_DATE,
	COMPARE_DATE_TIMESTAMP,
	COMPARE_DATE_TIMESTAMPTZ,
	COMPARE_TIMESTAMPTZ,
	COMPARE_TIMESTAMPTZ_DATE
} Comparison;

/* What an ordering comparison accepts: bits for less, equal, greater. */
#define ACCEPT_LESS		1
#define ACCEPT_EQUAL	2
#define ACCEPT_GREATER	4

/* A pattern is '%literal%', and bytes of the literal can't be found across characters. */
#define PATTERN_INFIX	1

/* Where the operand of a comparison is. */
typedef enum RightSide
{
	RIGHT_VALUE,				/* in the leaf */
	RIGHT_FIELD,				/* in another field of the row */
	RIGHT_CLOCK					/* it moves with the time */
} RightSide;

typedef struct LhList
{
	int			nitems;
	bool		has_null;		/* besides them */
	Datum		items[FLEXIBLE_ARRAY_MEMBER];	/* sorted for LEAF_IN */
} LhList;

/*
 * An operand that only the time tells.  criteria_clock.c computes it for one now and knows how it
 * moves from there.
 */
typedef struct LhClock
{
	enum
	{
		CLOCK_NOW,				/* now(), moved by span */
		CLOCK_TODAY,			/* current_date, moved by span */
		CLOCK_DATE				/* a date against moments: stands still, but depends on the zone */
	}			base;
	LhType		type;			/* of the field */
	bool		has_span;
	Interval	span;
	DateADT		date;			/* of CLOCK_DATE */

	/* set by lh_program_set_now() */
	Datum		operand;
	TimestampTz now;
	int64		moment;			/* the operand, in microseconds of the frame it is compared in */
	TimestampTz until;			/* until then it moves evenly (CLOCK_NOW) or not (CLOCK_TODAY) */
	int64		slack;			/* later on it may be off an even movement by as much */
} LhClock;

/* 24 bytes: a large book is made of them, and a search must fetch them. */
typedef struct LhLeaf
{
	uint8		kind;			/* LeafKind */
	uint8		comparison;		/* Comparison */
	uint8		accept;			/* of LEAF_COMPARE and LEAF_DISTINCT; LIKE: PATTERN_INFIX or 0 */
	int8		bias;			/* stands for "equal": the operand lies beside the value stored */
	uint8		right;			/* RightSide */
	bool		negated;
	int16		jump[2][2];		/* where to go: [asking for false][answer is what was asked] */
	int16		field;
	union
	{
		Datum		operand;	/* RIGHT_VALUE */
		int			other;		/* RIGHT_FIELD */
		LhClock    *clock;		/* RIGHT_CLOCK */
		LhList	   *list;		/* of IN, ANY, && and @> */
	};
} LhLeaf;

#define JUMP_YES	(-1)
#define JUMP_NO		(-2)

typedef struct LhProgram
{
	LhLeaf	   *leaves;
	int			nleaves;
	bool		has_clock;
} LhProgram;

/* A text as it lies there; only a toasted one is copied.  As DatumGetTextPP(), without a call. */
static inline text *
lh_plain_text(Datum value)
{
	Pointer		p = DatumGetPointer(value);

	if (unlikely(VARATT_IS_COMPRESSED(p) || VARATT_IS_EXTERNAL(p)))
		return pg_detoast_datum_packed((struct varlena *) p);
	return (text *) p;
}

/* criteria_bind.c; allocates in the current context */
extern LhProgram *lh_criteria_bind(const Criteria *criteria, const LhFieldSet *set);

/* criteria_clock.c */
extern void lh_program_set_now(LhProgram *program, TimestampTz now);
extern TimestampTz lh_leaf_valid_until(const LhLeaf *leaf, Datum value);

/* criteria_eval.c */
extern void lh_fold_ascii(char *string, int len);
extern int	lh_compare(Comparison comparison, Datum left, Datum right);
extern bool lh_program_is_true(const LhProgram *program, const LhFields *row, TimestampTz *valid_until);
extern bool lh_program_is_false(const LhProgram *program, const LhFields *row, TimestampTz *valid_until);

#endif							/* LH_CRITERIA_EVAL_H */
