/*
 * src/flow/source.h
 *
 * A synced table, read safely: as its owner, under a lock, and only if it is still a table.
 */
#ifndef LH_SOURCE_H
#define LH_SOURCE_H

#include "define/contract.h"
#include "sql.h"
#include "utils/relcache.h"

typedef struct LhSource
{
	char	   *name;
	char	   *kind;			/* lead, activity .. */
	char	   *schema_name;
	char	   *table_name;
	int			nkeys;
	char	  **key_columns;
	char	   *key_prefix;
	Jsonb	   *mapping;
	TimestampTz since;
	char	   *contract_name;	/* NULL: the only one in force */
	bool		key_indexed;
	TimestampTz attached_at;
	bool		polled;			/* read at intervals: may be a view or a foreign table */
	bool		delete_grace;	/* a row that is gone is not deleted at once */
	bool		absences;		/* some of its rows were found gone and wait */
	bool		merges;			/* leads have been merged, of whatever source */
	bool		accounts;		/* there are some, or a source of them */
	bool		salesforce_ids; /* of 15 or 18 characters; we keep 18 */
	const LhContract *contract;	/* in force now; NULL: none */
	const LhContract *challenger;	/* decides a part of the leads beside it; NULL: there is none */
	double		share;			/* of the leads, that the challenger has */

	Oid			relid;			/* while locked */
	Oid			owner;
} LhSource;

/* One row, or the news that there is none. */
typedef struct LhSourceRow
{
	bool		present;		/* there, current, and not marked deleted */
	bool		past;			/* of a history table: not current */
	TimestampTz version;		/* DT_NOBEGIN: not mapped or null */
	TimestampTz loaded_at;		/* the same */
	LhFields   *row;			/* mapped fields; NULL if there is none */
} LhSourceRow;

/* The version that it tells of its record: a past state tells none. */
#define LH_ROW_VERSION(r)	((r)->past ? DT_NOBEGIN : (r)->version)

/* By name; NULL if there is no such source (any more). */
extern LhSource *lh_source_load(const char *name);

/* Lock it without waiting, for the rest of the transaction; false: busy, or no table of that name. */
extern bool lh_source_lock(LhSource *source);

/* Read the rows of n keys; the source is locked.  Runs as the table's owner. */
extern LhSourceRow *lh_source_read(LhSource *source, char *const *raw_keys, int n);

/* Text of a statement that reads all rows: key columns, deleted, the mapped fields asked for. */
extern char *lh_source_select(const LhSource *source, Relation rel, const bool *asked);

/* An id of a record in the spelling that we keep. */
extern char *lh_source_id(const LhSource *source, const char *id);

extern bool lh_source_is(const LhSource *source, const char *kind);

/* source_sql.c: the statement that reads rows by key, one text[] a key column, or one row, a text; and its columns. */
enum
{
	LH_READ_ORD = 1,
	LH_READ_DELETED,
	LH_READ_CURRENT,
	LH_READ_VERSION,
	LH_READ_LOADED_AT,
	LH_READ_FIRST_FIELD
};

extern LhStatement *lh_source_statement(const LhSource *source, bool one);
extern const LhFieldSet *lh_source_fields(const LhSource *source);
extern int	lh_source_nfields(const LhSource *source);

#endif							/* LH_SOURCE_H */
