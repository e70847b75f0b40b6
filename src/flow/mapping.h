/*
 * src/flow/mapping.h
 *
 * What a source's mapping says, as SQL over its table.
 *
 *		mapping.c				entries: columns, paths, zones, value maps, defaults
 *		mapping_expression.c	expressions: what is allowed in them, and their qualified text
 *		crm_id.c				ids as CRMs write them
 */
#ifndef LH_MAPPING_H
#define LH_MAPPING_H

#include "lead_handoff.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/relcache.h"

/*
 * SQL for a target's value, of that type, over the table under the alias t; NULL: the target is not
 * mapped, or its columns are gone.  Names of columns that are gone are added to *missing (char *).
 * Everything in it is qualified, so it means the same under any search_path.  Error LH021: the entry is
 * not one, or its expression is not allowed or does not fit the table.
 */
extern char *lh_mapping_sql(const Jsonb *mapping, const char *target, Relation rel, Oid type,
							List **missing);

/* Columns that an entry reads, whether they are there or not (char *); without those of a table. */
extern List *lh_mapping_columns(const char *target, const JsonbValue *entry);

/* An expression that was read: its qualified text over alias t, and the columns it reads (char *). */
typedef struct LhExpression
{
	const char *text;
	char	   *sql;
	List	   *columns;
} LhExpression;

extern LhExpression *lh_expression_read(const char *target, const char *text);

/* Its type over a table that has its columns.  Error LH021: it does not fit, or isn't immutable. */
extern Oid	lh_expression_type(const char *target, const LhExpression *expression, Relation rel);

/* The id with 18 characters of a Salesforce record; anything else as it is. */
extern char *lh_salesforce_id(const char *id);

#endif							/* LH_MAPPING_H */
