/*
 * src/rules/criteria.h
 *
 * The type handoff.criteria: a condition over named fields, a safe subset of SQL.  criteria.c holds
 * the type and draws the layout of a datum; criteria_parse.c reads the text with PostgreSQL's own
 * parser; criteria_eval.c answers true, false or unknown for a row of fields.
 */
#ifndef LH_CRITERIA_H
#define LH_CRITERIA_H

#include "rules/fields.h"

typedef struct Criteria Criteria;	/* a varlena; layout in criteria.c */

#define DatumGetCriteriaP(d)		((Criteria *) PG_DETOAST_DATUM(d))
#define PG_GETARG_CRITERIA_P(n)		DatumGetCriteriaP(PG_GETARG_DATUM(n))

typedef enum LhTruth
{
	LH_FALSE,
	LH_TRUE,
	LH_UNKNOWN
} LhTruth;

/* The canonical text: a SQL boolean expression that parses back to the same datum. */
extern char *lh_criteria_out(const Criteria *criteria);

extern bool lh_criteria_uses(const Criteria *criteria, const char *field);

#endif							/* LH_CRITERIA_H */
