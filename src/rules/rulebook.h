/*
 * src/rules/rulebook.h
 *
 * A rulebook is a list of criteria compiled for one set of fields.  Its answers are those of checking
 * every rule in order; how it gets there is nobody else's business (an index for large books, a plain loop for small ones).
 *
 * Names and types are checked at compile time (ERRCODE_LH_UNKNOWN_FIELD, ERRCODE_LH_FIELD_TYPE);
 * matching raises nothing that depends on data.
 */
#ifndef LH_RULEBOOK_H
#define LH_RULEBOOK_H

#include "rules/criteria.h"

typedef struct LhRulebook LhRulebook;

/*
 * Compile n criteria; NULL stands for one that is always true.  Everything lives in a context of the
 * book's own, a child of parent.  The field set must live at least as long.
 */
extern LhRulebook *lh_rulebook_compile(MemoryContext parent, const LhFieldSet *set,
									   int n, const Criteria *const *criteria);

/*
 * Say what now is, before matching and whenever it changes: now() and current_date become constants
 * here, by PostgreSQL's own operators in the session's TimeZone.
 */
extern void lh_rulebook_set_now(LhRulebook *book, TimestampTz now);

/* Does any rule ask for now() or current_date? */
extern bool lh_rulebook_has_clock(const LhRulebook *book);

/*
 * Match.  valid_until, if not NULL, is lowered to the first moment at which an answer given here may
 * change by time alone; the caller starts it at DT_NOEND.  It may be early, never late.
 */
extern LhTruth lh_rulebook_test(const LhRulebook *book, int rule, const LhFields *row,
								TimestampTz *valid_until);
extern int	lh_rulebook_first(const LhRulebook *book, const LhFields *row,
							  TimestampTz *valid_until);	/* -1: none is true */
extern int	lh_rulebook_all(const LhRulebook *book, const LhFields *row, int *matches,
							TimestampTz *valid_until);	/* fills matches[n], returns how many */

#endif							/* LH_RULEBOOK_H */
