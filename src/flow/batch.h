/*
 * src/flow/batch.h
 *
 * A batch: keys that something happened to, the leads they belong to, and what is decided for them.
 * drain.c claims and retries, batch.c locks, reads and decides, apply.c writes.
 */
#ifndef LH_BATCH_H
#define LH_BATCH_H

#include "flow/lead.h"
#include "flow/source.h"
#include "storage/itemptr.h"

/* A key that waits: all inbox rows of one (source, key), or a lead whose clock is due. */
typedef struct LhItem
{
	char	   *source;
	char	   *raw_key;
	char	   *lead_key;		/* of a due clock; else NULL until the batch finds it */
	bool		is_clock;
	bool		backfill;		/* only op B: it was there before the source was attached */
	TimestampTz at;				/* newest capture */
	int			ntids;
	ItemPointerData *tids;		/* its rows in the inbox */
	bool		clock_due[LH_NCLOCKS];
	bool		table_busy;		/* set by lh_batch_run(): its table is locked, gone or no table */
	bool		done;			/* set by lh_batch_run(): its inbox rows can go */
} LhItem;

/* A lead of the batch, locked by us. */
typedef struct LhBatchLead
{
	char	   *lead_key;
	bool		exists;			/* false: new, or not known yet */
	bool		decide;			/* false: only its activities are kept, until it is known */
	LhLead		lead;
	LhSource   *source;
	LhInput		input;
	LhClock		clocks_before[LH_NCLOCKS];
	LhEffects	effects;
} LhBatchLead;

typedef struct LhBatch
{
	TimestampTz now;
	int			nitems;
	LhItem	  **items;
	List	   *sources;		/* of LhSource *, loaded in this batch */
	int			nleads;
	LhBatchLead *leads;			/* by lead_key */
	int64		decided;
} LhBatch;

/*
 * Lock, read, decide, apply.  Items whose lead or table is busy stay not done.  Everything is
 * allocated in the current context; SPI is connected.
 */
extern void lh_batch_run(LhBatch *batch);

/* apply.c */
extern void lh_batch_apply(LhBatch *batch);

#endif							/* LH_BATCH_H */
