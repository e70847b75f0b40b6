/*
 * src/rules/rulebook.c
 *
 * A list of criteria compiled for one set of fields, and the answers: which rules are true, which is
 * the first.  Rules are checked one after another in their order.
 */
#include "rules/rulebook.h"

#include "miscadmin.h"
#include "rules/criteria_eval.h"
#include "utils/memutils.h"

struct LhRulebook
{
	MemoryContext mcxt;
	int			nrules;
	LhProgram **programs;		/* NULL: always true */
	bool		has_clock;		/* some answer depends on the time, or on the zone */
	bool		has_now;		/* lh_rulebook_set_now() was called */
};

/*
 * The book is built under the caller's context and moved to its parent when it is whole, so a bad
 * rule leaves nothing behind.
 */
LhRulebook *
lh_rulebook_compile(MemoryContext parent, const LhFieldSet *set, int n, const Criteria *const *criteria)
{
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "lead_handoff rulebook",
											   ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(mcxt);
	LhRulebook *book = palloc0(sizeof(LhRulebook));

	book->mcxt = mcxt;
	book->nrules = n;
	book->programs = palloc0(Max(n, 1) * sizeof(LhProgram *));
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (criteria[i] == NULL)
			continue;
		book->programs[i] = lh_criteria_bind(criteria[i], set);
		book->has_clock |= book->programs[i]->has_clock;
	}
	MemoryContextSwitchTo(caller);
	MemoryContextSetParent(mcxt, parent);
	return book;
}

void
lh_rulebook_set_now(LhRulebook *book, TimestampTz now)
{
	book->has_now = true;
	if (!book->has_clock)
		return;
	for (int i = 0; i < book->nrules; i++)
	{
		if (book->programs[i] && book->programs[i]->has_clock)
			lh_program_set_now(book->programs[i], now);
	}
}

static inline bool
rule_is_true(const LhRulebook *book, int rule, const LhFields *row, TimestampTz *valid_until)
{
	const LhProgram *program = book->programs[rule];

	return program == NULL || lh_program_is_true(program, row, valid_until);
}

LhTruth
lh_rulebook_test(const LhRulebook *book, int rule, const LhFields *row, TimestampTz *valid_until)
{
	Assert(book->has_now);
	if (rule_is_true(book, rule, row, valid_until))
		return LH_TRUE;
	return lh_program_is_false(book->programs[rule], row, valid_until) ? LH_FALSE : LH_UNKNOWN;
}

int
lh_rulebook_first(const LhRulebook *book, const LhFields *row, TimestampTz *valid_until)
{
	Assert(book->has_now);
	for (int i = 0; i < book->nrules; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (rule_is_true(book, i, row, valid_until))
			return i;
	}
	return -1;
}

int
lh_rulebook_all(const LhRulebook *book, const LhFields *row, int *matches, TimestampTz *valid_until)
{
	int			n = 0;

	Assert(book->has_now);
	for (int i = 0; i < book->nrules; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (rule_is_true(book, i, row, valid_until))
			matches[n++] = i;
	}
	return n;
}
