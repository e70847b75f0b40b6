/*
 * src/flow/inbox.h
 *
 * Writing captured keys into handoff.inbox, many at once.
 */
#ifndef LH_INBOX_H
#define LH_INBOX_H

#include "lead_handoff.h"

/* At most so many keys a call. */
#define LH_INBOX_KEYS	1000

/* Values of column op that mean more than "look at this key". */
#define LH_INBOX_BACKFILL	'B' /* it was there before the source was attached */
#define LH_INBOX_AGAIN		'R' /* asked for by us, not by a change */
#define LH_INBOX_HEARD		'H' /* somebody has heard of its assignment: see delivered.c */
#define LH_INBOX_GONE		'X' /* its grace period is over: deleted, if it is still gone */
#define LH_INBOX_TRUNCATED	'T' /* the whole table was, or we can't tell; no key */

/* What the rows of one capture have in common. */
typedef struct LhInboxRow
{
	const char *source;
	char		op;
	TimestampTz at;				/* the xid is that of the transaction */
} LhInboxRow;

/* Insert a row for each of n keys; we are the owner of schema handoff. */
extern void lh_inbox_insert(const LhInboxRow *row, char *const *keys, int n);

#endif							/* LH_INBOX_H */
