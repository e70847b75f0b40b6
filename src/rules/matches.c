/*
 * src/rules/matches.c
 *
 * Criteria asked from SQL: matches() and valid_until() over a row of any table, their like for a list
 * of rules, and check_criteria() against a list of fields.
 *
 * matches(C, R, at) is what "select (C) from R" gives when now() is at: the fields are the row's
 * columns, their types those of the columns.  What was compiled for the row's type is kept from call
 * to call; a call site has one row type and, nearly always, one criteria or list of rules.
 */
#include "lead_handoff.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "pgtime.h"
#include "rules/criteria_tree.h"
#include "rules/rulebook.h"
#include "rules/statistics.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

/* What a call site keeps.  Everything is in mcxt, which is replaced as a whole. */
typedef struct Site
{
	MemoryContext mcxt;
	struct varlena *source;		/* the first argument: a criteria, or an array of them */
	int			nrules;
	const Criteria **rules;		/* of source; NULL: always true */
	Oid			type;
	int32		typmod;
	uint64		type_version;	/* of the row's type: see assign_record_type_identifier() */
	TupleDesc	desc;
	LhFieldSet *set;
	AttrNumber *attnums;		/* of the set's fields; 0: no rule uses it */
	LhRulebook *book;
	LhFields   *row;
	int		   *matches;		/* room for all of them */
	bool		has_now;
	TimestampTz now;
	pg_tz	   *zone;
} Site;

/* ---------- the row's columns as fields ---------- */

static bool
some_rule_uses(const Site *site, const char *name)
{
	for (int i = 0; i < site->nrules; i++)
	{
		if (site->rules[i] && lh_criteria_uses(site->rules[i], name))
			return true;
	}
	return false;
}

/* Every column that criteria can read is a field; one that it names and can't is an error. */
static void
add_columns(Site *site)
{
	Oid			relid = site->nrules > 1 ? get_typ_typrelid(site->type) : InvalidOid;

	site->attnums = palloc0(site->desc->natts * sizeof(AttrNumber));
	for (int i = 0; i < site->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(site->desc, i);
		char	   *name = NameStr(att->attname);
		bool		used = some_rule_uses(site, name);
		LhType		type;

		if (att->attisdropped || lh_fieldset_find(site->set, name) >= 0)
			continue;
		if (lh_column_type(att->atttypid, &type))
		{
			int			field = lh_fieldset_add(site->set, name, type);

			site->attnums[field] = used ? att->attnum : 0;
			if (used && OidIsValid(relid))
				site->set->fields[field].statistics = lh_column_statistics(relid, att->attnum, type);
		}
		else if (used)
			ereport(ERROR,
					(errcode(ERRCODE_LH_FIELD_TYPE),
					 errmsg("column \"%s\" of type %s can't be a field",
							name, format_type_be(att->atttypid)),
					 errhint("Fields are text, boolean, integer, numeric, date, timestamptz or text[]; cast the column.")));
	}
}

static void
read_row(Site *site, HeapTupleHeader record)
{
	HeapTupleData tuple;

	tuple.t_len = HeapTupleHeaderGetDatumLength(record);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = record;
	for (int i = 0; i < site->set->nfields; i++)
	{
		AttrNumber	attnum = site->attnums[i];
		bool		isnull;
		Datum		value;

		if (attnum == 0)
			continue;
		value = heap_getattr(&tuple, attnum, site->desc, &isnull);
		if (isnull)
			lh_fields_set_null(site->row, i);
		else
			lh_fields_set(site->row, i,
						  lh_column_value(TupleDescAttr(site->desc, attnum - 1)->atttypid, value));
	}
}

/* ---------- the call site ---------- */

/* The rules in an array of criteria; a null stands for one that is always true. */
static void
unpack_rules(Site *site)
{
	ArrayType  *array = (ArrayType *) site->source;
	Datum	   *items;
	bool	   *nulls;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &items, &nulls,
					  &site->nrules);
	site->rules = palloc(Max(site->nrules, 1) * sizeof(Criteria *));
	for (int i = 0; i < site->nrules; i++)
		site->rules[i] = nulls[i] ? NULL : DatumGetCriteriaP(items[i]);
}

static Site *
build_site(FmgrInfo *flinfo, struct varlena *source, bool is_list, HeapTupleHeader record)
{
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "lead_handoff matches",
											   ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(mcxt);
	Site	   *site = palloc0(sizeof(Site));
	TupleDesc	desc;

	site->mcxt = mcxt;
	site->type = HeapTupleHeaderGetTypeId(record);
	site->typmod = HeapTupleHeaderGetTypMod(record);
	site->type_version = assign_record_type_identifier(site->type, site->typmod);
	desc = lookup_rowtype_tupdesc(site->type, site->typmod);
	site->desc = CreateTupleDescCopy(desc);
	ReleaseTupleDesc(desc);
	site->source = palloc(VARSIZE(source));
	memcpy(site->source, source, VARSIZE(source));
	if (is_list)
		unpack_rules(site);
	else
	{
		site->nrules = 1;
		site->rules = palloc(sizeof(Criteria *));
		site->rules[0] = (const Criteria *) site->source;
	}
	site->set = lh_fieldset_create(mcxt);
	add_columns(site);
	site->book = lh_rulebook_compile(mcxt, site->set, site->nrules, site->rules);
	site->row = lh_fields_create(site->set);
	site->matches = palloc(Max(site->nrules, 1) * sizeof(int));

	MemoryContextSwitchTo(caller);
	MemoryContextSetParent(mcxt, flinfo->fn_mcxt);
	if (flinfo->fn_extra)
		MemoryContextDelete(((Site *) flinfo->fn_extra)->mcxt);
	flinfo->fn_extra = site;
	return site;
}

/* The site for this call, told what now is and what the row holds. */
static Site *
get_site(FunctionCallInfo fcinfo, bool is_list)
{
	struct varlena *source = PG_DETOAST_DATUM(PG_GETARG_DATUM(0));
	HeapTupleHeader record = PG_GETARG_HEAPTUPLEHEADER(1);
	TimestampTz now = PG_GETARG_TIMESTAMPTZ(2);
	Oid			type = HeapTupleHeaderGetTypeId(record);
	int32		typmod = HeapTupleHeaderGetTypMod(record);
	Site	   *site = fcinfo->flinfo->fn_extra;

	if (site == NULL || site->type != type || site->typmod != typmod ||
		site->type_version != assign_record_type_identifier(type, typmod) ||
		VARSIZE(site->source) != VARSIZE(source) ||
		memcmp(site->source, source, VARSIZE(source)) != 0)
		site = build_site(fcinfo->flinfo, source, is_list, record);
	if (!site->has_now || site->now != now || site->zone != session_timezone)
	{
		lh_rulebook_set_now(site->book, now);
		site->has_now = true;
		site->now = now;
		site->zone = session_timezone;
	}
	PG_FREE_IF_COPY(source, 0);
	read_row(site, record);
	return site;
}

PG_FUNCTION_INFO_V1(lh_matches);
PG_FUNCTION_INFO_V1(lh_valid_until);
PG_FUNCTION_INFO_V1(lh_matching_rules);
PG_FUNCTION_INFO_V1(lh_first_rule);
PG_FUNCTION_INFO_V1(lh_rules_valid_until);
PG_FUNCTION_INFO_V1(lh_check_criteria);

Datum
lh_matches(PG_FUNCTION_ARGS)
{
	Site	   *site = get_site(fcinfo, false);

	switch (lh_rulebook_test(site->book, 0, site->row, NULL))
	{
		case LH_TRUE:
			PG_RETURN_BOOL(true);
		case LH_FALSE:
			PG_RETURN_BOOL(false);
		case LH_UNKNOWN:
			break;
	}
	PG_RETURN_NULL();
}

Datum
lh_valid_until(PG_FUNCTION_ARGS)
{
	Site	   *site = get_site(fcinfo, false);
	TimestampTz valid_until = DT_NOEND;

	(void) lh_rulebook_test(site->book, 0, site->row, &valid_until);
	PG_RETURN_TIMESTAMPTZ(valid_until);
}

/* Positions of rules count from 1, as those of array elements do. */
Datum
lh_matching_rules(PG_FUNCTION_ARGS)
{
	Site	   *site = get_site(fcinfo, true);
	int			n = lh_rulebook_all(site->book, site->row, site->matches, NULL);
	Datum	   *positions = palloc(Max(n, 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		positions[i] = Int32GetDatum(site->matches[i] + 1);
	PG_RETURN_ARRAYTYPE_P(construct_array(positions, n, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

Datum
lh_first_rule(PG_FUNCTION_ARGS)
{
	Site	   *site = get_site(fcinfo, true);
	int			rule = lh_rulebook_first(site->book, site->row, NULL);

	if (rule < 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(rule + 1);
}

Datum
lh_rules_valid_until(PG_FUNCTION_ARGS)
{
	Site	   *site = get_site(fcinfo, true);
	TimestampTz valid_until = DT_NOEND;

	if (PG_GETARG_BOOL(3))
		(void) lh_rulebook_first(site->book, site->row, &valid_until);
	else
		(void) lh_rulebook_all(site->book, site->row, site->matches, &valid_until);
	PG_RETURN_TIMESTAMPTZ(valid_until);
}

/* ---------- checking against declared fields ---------- */

static char **
text_items(ArrayType *array, int *n)
{
	Datum	   *items;
	bool	   *nulls;
	char	  **result;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls, n);
	result = palloc(Max(*n, 1) * sizeof(char *));
	for (int i = 0; i < *n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("names and types of fields must not be null")));
		result[i] = TextDatumGetCString(items[i]);
	}
	return result;
}

Datum
lh_check_criteria(PG_FUNCTION_ARGS)
{
	const Criteria *criteria = PG_GETARG_CRITERIA_P(0);
	LhFieldSet *set = lh_fieldset_create(CurrentMemoryContext);
	int			nnames,
				ntypes;
	char	  **names = text_items(PG_GETARG_ARRAYTYPE_P(1), &nnames);
	char	  **types = text_items(PG_GETARG_ARRAYTYPE_P(2), &ntypes);

	if (nnames != ntypes)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%d names of fields, but %d types", nnames, ntypes)));
	for (int i = 0; i < nnames; i++)
	{
		LhType		type;

		if (!lh_type_from_name(types[i], &type))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" is not a type of fields", types[i]),
					 errhint("The types are text, boolean, bigint, numeric, date, timestamptz and text[].")));
		(void) lh_fieldset_add(set, names[i], type);
	}
	(void) lh_rulebook_compile(CurrentMemoryContext, set, 1, &criteria);
	PG_RETURN_VOID();
}
