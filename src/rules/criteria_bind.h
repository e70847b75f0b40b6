/*
 * src/rules/criteria_bind.h
 *
 * What the two files that bind a criteria to fields share: criteria_bind.c (jumps and leaves) and
 * criteria_value.c (the operands of a leaf).
 */
#ifndef LH_CRITERIA_BIND_H
#define LH_CRITERIA_BIND_H

#include "rules/criteria_eval.h"

typedef struct Binder
{
	const Criteria *criteria;
	const LhFieldSet *set;
	LhProgram  *program;
	int			predicate;		/* node being bound, for its operator's name in errors */
} Binder;

extern void lh_type_clash(Binder *binder, int node, int field, const char *other);
extern int	lh_bind_field(Binder *binder, int node);
extern void lh_bind_operand(Binder *binder, int node, int field, LhLeaf *leaf);
extern void lh_bind_list(Binder *binder, int node, int field, LhLeaf *leaf);
extern void lh_bind_strings(Binder *binder, int node, LhLeaf *leaf);

#endif							/* LH_CRITERIA_BIND_H */
