/*
 * src/flow/scan.h
 *
 * Reading a whole table bit by bit: backfill, reconcile, poll.
 */
#ifndef LH_SCAN_H
#define LH_SCAN_H

#include "flow/source.h"
#include "nodes/pg_list.h"

/* What the scans of a call have done, for a line to whoever called. */
typedef struct LhScans
{
	List	   *busy;			/* names of sources that can't be read now */
	List	   *touched;		/* scan_id of those that made progress */
} LhScans;

/*
 * Make the next step of a scan that waits, of one source or (NULL) of any; what it finds is in the inbox.
 * False: there was nothing to do.
 */
extern bool lh_scan_step(LhScans *scans, const char *source_name);

/*
 * SQL for the version of a row (alias t) of a source that is locked, if it is a plain column whose value
 * can be had without anybody's code; NULL: there is no version to go by.
 */
extern char *lh_scan_version(const LhSource *source);

extern Datum lh_scan_names(const List *list);	/* as text[] */

/* reconcile.c.  NOTICE lines: how far the scans of this call are. */
extern void lh_scan_report(const LhScans *scans);

#endif							/* LH_SCAN_H */
