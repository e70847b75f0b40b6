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
