/*
 * src/flow/differ.h
 *
 * Is a row of a source as we know it?
 */
#ifndef LH_DIFFER_H
#define LH_DIFFER_H

#include "flow/source.h"

/* Keys that are to be decided, among those that were looked at. */
typedef struct LhDiffering
{
	bool		only_gone;		/* asked for: rows that are there are left out, whatever they hold */
	int			n;
	char	  **keys;			/* room for two a key looked at */
	int			ngone;			/* of them, those of rows that are not there any more */
} LhDiffering;

/*
 * Compare the rows of n keys with what we know of them; the source is locked and has a contract.  Rows
 * that can't be read differ, unless they are in quarantine for it.
 */
extern void lh_find_differing(LhSource *source, char **keys, int n, LhDiffering *found);

#endif							/* LH_DIFFER_H */
