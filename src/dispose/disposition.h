/*
 * src/dispose/disposition.h
 *
 * Which disposition a code names, what it asks for before it may be used, and why something that is
 * asked for is not allowed: a value, since what the API raises as an error, a CRM's status that can't be
 * refused leaves behind as a violation.
 */
#ifndef LH_DISPOSITION_H
#define LH_DISPOSITION_H

#include "define/contract.h"
#include "work/standard.h"

/* The contract's rule against it, in the words of an error. */
typedef struct LhRefusal
{
	const char *rule;			/* its name in handoff.violation, and as the error's constraint */
	char	   *message;
	char	   *detail;			/* NULL: none */
	char	   *hint;			/* NULL: none */
} LhRefusal;

extern LhRefusal *lh_refusal(const char *rule, char *message, char *detail, char *hint);

/* Raises LH041. */
lh_noreturn extern void lh_raise_refusal(const LhRefusal *refusal);

/* By code (NULL: the only one with that outcome); NULL if there is none, or several: *refusal says so. */
extern const LhDisposition *lh_disposition(const LhContract *contract, const char *code,
										   const char *outcome, const char *leg,
										   LhRefusal **refusal);

/* NULL if the note that it needs is there; if the work was done that it needs. */
extern LhRefusal *lh_check_note(const LhDisposition *disposition, const char *note);
extern LhRefusal *lh_check_work(const LhContract *contract, const LhDisposition *disposition,
								const LhHandoff *handoff, const LhWork *work, const LhFields *row);

#endif							/* LH_DISPOSITION_H */
