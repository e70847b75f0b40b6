/*
 * src/flow/tombstone.h
 *
 * What is left of who was forgotten: keyed hashes, by which his rows are known when a sync delivers them again.
 */
#ifndef LH_TOMBSTONE_H
#define LH_TOMBSTONE_H

#include "flow/intake.h"

/* Kinds of what is hashed. */
#define LH_TOMB_LEAD	"lead"	/* a lead's key, or another key of it */
#define LH_TOMB_ROW		"row"	/* the row of a source that it came from: lh_row_name() */
#define LH_TOMB_PERSON	"person"	/* who stood behind it: lead.person_key */
#define LH_TOMB_LEFT	"left"	/* a row that was left out for its person: it is read again each time */

extern char *lh_row_name(const char *source, const char *raw_key);

/* Which of n values (NULL: none) have a tombstone, as of now; how many. */
extern int	lh_which_are_forgotten(const char *kind, char *const *values, int n, bool *forgotten);
extern bool lh_is_forgotten(const char *kind, char *value);

/* Tombstones to be written. */
extern void lh_tombs_begin(LhRows *tombs);
extern void lh_tombs_add(LhRows *tombs, const char *kind, const char *value, TimestampTz at);

/* Rows of a source that were left out are counted, for source_health. */
extern void lh_count_forgotten(const LhSource *source, int n);

/* Rows of leads: take those out of the group whose key is that of a lead that was forgotten. */
extern void lh_leave_forgotten(LhBatch *batch, LhSourceItems *group);

/* After the persons they become are held: which of them are somebody who was forgotten. */
extern bool *lh_forgotten_persons(const LhBatch *batch, const LhSourceItems *group, const LhMerging *merging);

/* The same of rows that were only read, of any kind of source; how many. */
extern int	lh_which_rows_are_forgotten(const LhSource *source, char *const *keys, const LhSourceRow *rows, int n, bool *forgotten);

#endif							/* LH_TOMBSTONE_H */
