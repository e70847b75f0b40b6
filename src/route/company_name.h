/*
 * src/route/company_name.h
 *
 * Names of companies, compared as people mean them.
 */
#ifndef LH_COMPANY_NAME_H
#define LH_COMPANY_NAME_H

#include "postgres.h"

/* What is left of a name without case, accents, punctuation and legal form; NULL: nothing that tells a company. */
extern char *lh_company_name_key(const char *name);

/* The three-letter pieces of a key, sorted; similarity is the share of them that two keys have in common. */
typedef struct LhTrigrams
{
	int			n;
	uint64	   *pieces;
} LhTrigrams;

extern LhTrigrams lh_trigrams(const char *key);
extern float4 lh_similarity(const LhTrigrams *a, const LhTrigrams *b);

#endif							/* LH_COMPANY_NAME_H */
