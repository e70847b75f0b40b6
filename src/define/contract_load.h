/*
 * src/define/contract_load.h
 *
 * What the files that read a contract share.
 */
#ifndef LH_CONTRACT_LOAD_H
#define LH_CONTRACT_LOAD_H

#include "define/contract.h"

#include "catalog/pg_type.h"
#include "sql.h"

/* Run a statement of the contract's id: QUERY(contract, "select .. where contract_id = $1"). */
extern void lh_load_query(LhStatement *statement, int contract_id);

#define QUERY(contract, text) \
	do { \
		static LhStatement statement_ = {text, 1, {INT4OID}, NULL}; \
		lh_load_query(&statement_, (contract)->contract_id); \
	} while (0)

/* Compile the criteria in column col of all rows of the last answer. */
extern void lh_load_rules(LhContract *contract, LhRules *rules, const LhFieldSet *set, int col);

/* Raises LH011: the contract names what isn't there. */
extern void lh_unknown_name(const LhContract *contract, const char *what, const char *name);

/* Position of a leg; NULL stands for every leg: -1. */
extern int	lh_leg_named(const LhContract *contract, const char *name);

/* Position of name in a list of words; the words are those of the tables' checks. */
extern int	lh_word(const LhContract *contract, const char *what, const char *const *words, int n,
					const char *name);

#define WORD(contract, what, words, name) \
	lh_word(contract, what, words, lengthof(words), name)

/* contract_standard.c: legs are loaded. */
extern void lh_load_standards(LhContract *contract);

/* contract_escalation.c: SLAs and dispositions are loaded. */
extern void lh_load_escalations(LhContract *contract);

#endif							/* LH_CONTRACT_LOAD_H */
