/*
 * src/define/threshold.c
 *
 * Which values of intent and score decide something under a contract: the minimums of its bands, and
 * what its criteria compare intent and score with.  Points decay by themselves; a lead needs another
 * decision when they pass one of these, and not before.
 *
 * Criteria are read as trees, whatever the place of the comparison in them: a value that turns out to
 * decide nothing costs a decision that changes nothing.  Routes, SLAs and work standards are left out:
 * they are asked at a moment that something else brings about.
 */
#include "define/contract.h"

#include <math.h>

#include "rules/criteria_tree.h"
#include "utils/builtins.h"

static void
add_threshold(LhContract *contract, bool of_score, bool above, int field, double value)
{
	LhThreshold *last;

	for (int i = 0; i < contract->nthresholds; i++)
	{
		const LhThreshold *known = &contract->thresholds[i];

		if (known->of_score == of_score && known->above == above &&
			known->field == field && known->value == value)
			return;
	}
	contract->thresholds = contract->thresholds == NULL ? palloc_array(LhThreshold, 1) :
		repalloc_array(contract->thresholds, LhThreshold, contract->nthresholds + 1);
	last = &contract->thresholds[contract->nthresholds++];
	last->of_score = of_score;
	last->above = above;
	last->field = field;
	last->value = value;
}

/* A comparison under way: of what, and at which sides of an operand it changes. */
typedef struct Comparing
{
	LhContract *contract;
	bool		of_score;
	bool		at;				/* on coming below the operand */
	bool		above;			/* on leaving it */
	int			skip;			/* the field itself, once */
} Comparing;

static void
add_operand(const Comparing *comparing, int field, double value)
{
	if (!isfinite(value))
		return;
	if (comparing->at)
		add_threshold(comparing->contract, comparing->of_score, false, field, value);
	if (comparing->above)
		add_threshold(comparing->contract, comparing->of_score, true, field, value);
}

static void
add_literals(const Comparing *comparing, const Criteria *criteria, const LhNode *node)
{
	const LhLiteral *literal = lh_node_literal(criteria, node);

	for (int i = 0; i < node->count; i++, literal = lh_literal_next(literal))
		if (literal->type == LH_LIT_NUMBER || literal->type == LH_LIT_STRING)
			add_operand(comparing, -1, strtod(lh_literal_text(literal), NULL));
}

static void
add_operands(Comparing *comparing, const Criteria *criteria, const LhNode *leaf)
{
	for (int i = 1; i < leaf->nodes; i++)
	{
		const LhNode *node = leaf + i;
		int			field;

		if (node->kind == LH_NODE_LITERAL || node->kind == LH_NODE_LIST)
			add_literals(comparing, criteria, node);
		if (node->kind != LH_NODE_FIELD)
			continue;
		field = lh_fieldset_find(comparing->contract->lead_set, lh_node_name(criteria, node));
		if (field == comparing->skip)
			comparing->skip = -1;
		else if (field >= 0)
			add_operand(comparing, field, 0);
	}
}

/* An order says at which side of the operand the answer changes; all else may change at both. */
static void
set_sides(Comparing *comparing, const LhNode *leaf, bool field_is_first)
{
	comparing->at = true;
	comparing->above = true;
	if (leaf->kind != LH_NODE_COMPARE || !field_is_first)
		return;
	if (leaf->op == LH_OP_GE || leaf->op == LH_OP_LT)
		comparing->above = false;
	else if (leaf->op == LH_OP_GT || leaf->op == LH_OP_LE)
		comparing->at = false;
}

static bool
asks_for(const LhContract *contract, const Criteria *criteria, const LhNode *leaf, int field,
		 bool *is_first)
{
	for (int i = 1; i < leaf->nodes; i++)
		if (leaf[i].kind == LH_NODE_FIELD &&
			lh_fieldset_find(contract->lead_set, lh_node_name(criteria, &leaf[i])) == field)
		{
			*is_first = i == 1;
			return true;
		}
	return false;
}

static void
scan_criteria(LhContract *contract, const Criteria *criteria)
{
	int			fields[2] = {lh_fieldset_find(contract->lead_set, "intent"),
	lh_fieldset_find(contract->lead_set, "score")};

	for (int i = 0; i < criteria->nnodes; i++)
	{
		const LhNode *leaf = &criteria->nodes[i];

		if (leaf->kind < LH_NODE_COMPARE || leaf->kind > LH_NODE_IN)
			continue;
		for (int f = 0; f < lengthof(fields); f++)
		{
			Comparing	comparing = {.contract = contract,.of_score = f == 1,.skip = fields[f]};
			bool		is_first;

			if (!asks_for(contract, criteria, leaf, fields[f], &is_first))
				continue;
			set_sides(&comparing, leaf, is_first);
			add_operands(&comparing, criteria, leaf);
		}
	}
}

static void
scan_rules(LhContract *contract, const LhRules *rules)
{
	for (int i = 0; i < rules->n; i++)
		if (rules->criteria[i] != NULL)
			scan_criteria(contract, rules->criteria[i]);
}

void
lh_contract_find_thresholds(LhContract *contract)
{
	for (int i = 0; i < contract->nbands; i++)
	{
		if (contract->bands[i].min_intent != PG_INT32_MIN)
			add_threshold(contract, false, false, -1, contract->bands[i].min_intent);
		if (contract->bands[i].min_score != PG_INT32_MIN)
			add_threshold(contract, true, false, -1, contract->bands[i].min_score);
	}
	scan_rules(contract, &contract->entry);
	scan_rules(contract, &contract->exit);
	scan_rules(contract, &contract->guard);
	scan_rules(contract, &contract->gate);
	scan_rules(contract, &contract->validation);
}
