/*
 * src/flow/stream.h
 *
 * The rows of a table, one after another, read as the caller: see stream.c.
 */
#ifndef LH_STREAM_H
#define LH_STREAM_H

#include "flow/source.h"

typedef struct LhStream LhStream;

/*
 * Takes one row: its key (NULL: a part of it is null), and the values that the statement has behind the
 * key columns.  Called in a context that is reset with each row.
 */
typedef void (*LhStreamTaker) (void *arg, const char *raw_key, const Datum *values, const bool *isnull);

/*
 * Begin to read a source's whole table: the fields asked for, see lh_source_select().  In the current
 * context, which must live until the stream is closed; needs an active snapshot.
 */
extern LhStream *lh_stream_open(const LhSource *source, const bool *asked, const char *zone,
								LhStreamTaker take, void *arg);

/* Take n more rows, or all (0); false: there are no more. */
extern bool lh_stream_pull(LhStream *stream, uint64 n);

extern void lh_stream_close(LhStream *stream);

#endif							/* LH_STREAM_H */
