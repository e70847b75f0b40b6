/*
 * src/define/contract_load.h
 *
 * What the files that read a contract share.
 */
#ifndef LH_CONTRACT_LOAD_H
#define LH_CONTRACT_LOAD_H

#include "define/contract.h"

/* Compile the criteria in column col of all rows of the last answer. */
extern void lh_load_rules(LhContract *contract, LhRules *rules, const LhFieldSet *set, int col);

/* Raises LH011: the contract names what isn't there. */
extern void lh_unknown_name(const LhContract *contract, const char *what, const char *name);

/* Position of name in a list of words; the words are those of the tables' checks. */
extern int	lh_word(const LhContract *contract, const char *what, const char *const *words, int n,
					const char *name);

#define WORD(contract, what, words, name) \
	lh_word(contract, what, words, lengthof(words), name)

/* contract_escalation.c: SLAs and dispositions are loaded. */
extern void lh_load_escalations(LhContract *contract);

#endif							/* LH_CONTRACT_LOAD_H */
