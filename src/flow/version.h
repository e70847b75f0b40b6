/*
 * src/flow/version.h
 *
 * Which version of a contract decides a lead that has no open handoff.
 */
#ifndef LH_VERSION_H
#define LH_VERSION_H

#include "flow/source.h"

/* Who a lead is to a split, and what its scope is asked of. */
typedef struct LhShared
{
	const char *account_key;	/* NULL: none */
	const char *person_key;		/* NULL: none */
	const char *lead_key;
	const LhFields *row;		/* its row as it was read, in the fields of any version; NULL: it was not */
	Jsonb	   *fields;			/* what is kept of it, if it was not; NULL: nothing */
	bool		account_read;
	Jsonb	   *account;		/* then, instead of what is kept: fields of its account; NULL: it has none */
} LhShared;

typedef struct LhTrafficPart
{
	const LhContract *contract;
	int			challenge;		/* version of the challenger that shares the lead; 0: none does */
	const char *by;				/* what it is shared by: account, person, lead */
	const char *key;			/* .. and its key */
	double		bucket;
} LhTrafficPart;

extern LhTrafficPart lh_part_of(const LhSource *source, const LhShared *lead);

/* A row in the fields of another version: by name, where the type is the same. */
extern LhFields *lh_carry_over(const LhFields *from, const LhContract *contract);

#endif							/* LH_VERSION_H */
