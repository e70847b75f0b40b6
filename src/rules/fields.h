/*
 * src/rules/fields.h
 *
 * Named, typed values about one thing (a lead, an activity): what criteria are evaluated over.
 * A LhFieldSet says which names exist, with their types; a LhFields is one row of values for it.
 */
#ifndef LH_FIELDS_H
#define LH_FIELDS_H

#include "lead_handoff.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"

typedef enum LhType
{
	LH_TEXT,
	LH_BOOLEAN,
	LH_BIGINT,
	LH_NUMERIC,
	LH_DATE,
	LH_TIMESTAMPTZ,
	LH_TEXT_ARRAY
} LhType;

typedef struct LhFieldDef
{
	char	   *name;
	LhType		type;
	const struct LhStatistics *statistics;	/* NULL: nothing is known of its values */
} LhFieldDef;

/* Lives in the memory context it was created in; fields keep their index for ever. */
typedef struct LhFieldSet
{
	MemoryContext mcxt;
	int			nfields;
	int			maxfields;
	LhFieldDef *fields;
	HTAB	   *by_name;
	int			njson;			/* fields in json_order; of another number, it is out of date */
	int		   *json_order;		/* fields in the order in which jsonb keeps its keys */
} LhFieldSet;

/* One row; values[i] belongs to set->fields[i].  Plain arrays: fill them directly. */
typedef struct LhFields
{
	const LhFieldSet *set;
	Datum	   *values;
	bool	   *isnull;
} LhFields;

/* types */
extern Oid	lh_type_oid(LhType type);
extern const char *lh_type_name(LhType type);
extern bool lh_type_from_name(const char *name, LhType *type);
extern bool lh_type_equal(LhType type, Datum a, Datum b);

/* sets */
extern LhFieldSet *lh_fieldset_create(MemoryContext mcxt);
extern int	lh_fieldset_add(LhFieldSet *set, const char *name, LhType type);
extern int	lh_fieldset_find(const LhFieldSet *set, const char *name);	/* -1: none */
extern const char *lh_fieldset_closest(const LhFieldSet *set, const char *name);	/* for a hint, or NULL */

/* rows */
extern LhFields *lh_fields_create(const LhFieldSet *set);	/* all null, in CurrentMemoryContext */
extern void lh_fields_set(LhFields *row, int field, Datum value);
extern void lh_fields_set_null(LhFields *row, int field);

/*
 * JSON form: a null field is absent; bigint and numeric are numbers, NaN and infinities the strings
 * PostgreSQL prints; date and timestamptz ISO strings, the latter in UTC; text[] an array.
 * Reading ignores names outside [first, last) of the set, and fails on a value that is not of the
 * field's type (ERRCODE_LH_FIELD_TYPE).
 */
extern Jsonb *lh_fields_to_jsonb(const LhFields *row, int first, int last);
extern void lh_fields_from_jsonb(LhFields *row, Jsonb *doc, int first, int last);
extern void lh_value_to_json(JsonbValue *out, LhType type, Datum value);
extern Datum lh_value_from_json(const char *field, LhType type, const JsonbValue *in);

/*
 * The fields every contract has without declaring them.  "mapped" ones are filled by a source's
 * mapping, the others by the extension itself.  step says when a decision knows them, so that
 * validate() can refuse a rule that looks ahead: see LhStep.
 */
typedef enum LhStep
{
	LH_STEP_INPUT,				/* known before anything is computed */
	LH_STEP_DERIVED,
	LH_STEP_FIT,
	LH_STEP_INTENT,				/* intent and signals */
	LH_STEP_SCORE,
	LH_STEP_BAND
} LhStep;

typedef struct LhBuiltinField
{
	const char *of;				/* "lead", "activity", "opportunity" or "link" */
	const char *name;
	LhType		type;
	bool		mapped;
	LhStep		step;
	const char *description;
} LhBuiltinField;

extern const LhBuiltinField lh_builtin_fields[];	/* ends with of == NULL */

#endif							/* LH_FIELDS_H */
