/*
 * src/flow/drain.h
 *
 * Emptying the inbox: at commit for a transaction's own few rows, at tick() for the rest.
 */
#ifndef LH_DRAIN_H
#define LH_DRAIN_H

#include "flow/batch.h"

/* How long somebody's lock is waited for, where it can't be tried. */
#define LH_LOCK_TIMEOUT	"50ms"

typedef struct LhDrainResult
{
	int64		claimed;		/* keys taken up */
	int64		decided;		/* leads decided */
	int64		waiting;		/* keys left for the next time: lead or table busy */
	int64		quarantined;
	bool		users;			/* rows of CRM users were taken */
} LhDrainResult;

/*
 * Decide n items in batches, each in a subtransaction; an item that fails alone goes to quarantine,
 * and everything else goes on.  Items that are done lose their inbox rows.
 */
extern void lh_drain_items(LhItem **items, int n, TimestampTz now, int batch_size,
						   LhDrainResult *result);

/* Work off the inbox until it is empty, or until the clock says stop. */
extern void lh_drain_inbox(TimestampTz now, int batch_size, TimestampTz stop,
						   LhDrainResult *result);

/* May what failed with this error pass by itself?  Then no row is to blame. */
extern bool lh_is_transient(int sqlerrcode);

/* Names of the sources whose rows can be decided now, as text[]: none while paused or publishing. */
extern Datum lh_ready_sources(void);

/* Error unless the tables are of the version this code was built for; false: everything is paused. */
extern bool lh_check_schema(void);

#endif							/* LH_DRAIN_H */
