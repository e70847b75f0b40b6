/*
 * src/flow/scorer.c
 *
 * What a decision computes of a lead before its journey, for rows that no decision is made about:
 * e-mail domain, derived fields, fit, intent given, score, band; by the same functions.
 *
 * Such a lead is taken for one seen for the first time: in the default stage, in its first cycle,
 * nobody's, untouched.  Whoever knows better sets the fields.
 */
#include "flow/scorer.h"

#include "catalog/pg_type.h"
#include "flow/decide.h"
#include "rules/criteria_tree.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* Which fields ----------------------------------------------------------------------------- */

static void
ask_for(LhScorer *scorer, const Criteria *criteria)
{
	for (int i = 0; criteria != NULL && i < criteria->nnodes; i++)
	{
		if (criteria->nodes[i].kind == LH_NODE_FIELD)
			scorer->asked[lh_fieldset_find(scorer->contract->lead_set,
										   lh_node_name(criteria, &criteria->nodes[i]))] = true;
	}
}

/* The fields of all fit rules, and those that these are made of: a derived one uses earlier ones only. */
static void
find_asked_fields(LhScorer *scorer)
{
	const LhContract *contract = scorer->contract;

	scorer->asked = palloc0_array(bool, contract->lead_set->nfields);
	for (int i = 0; i < contract->fit.n; i++)
		ask_for(scorer, contract->fit.criteria[i]);
	for (int i = contract->derived.n - 1; i >= 0; i--)
	{
		if (scorer->asked[contract->derived_rows[i].field])
			ask_for(scorer, contract->derived.criteria[i]);
	}
	lh_ask_account(contract, scorer->asked);
	if (scorer->asked[scorer->email_domain])
		scorer->asked[scorer->email] = true;
}

/* Scoring ---------------------------------------------------------------------------------- */

static void
set(LhScorer *scorer, const char *field, Datum value)
{
	lh_fields_set(scorer->row, lh_fieldset_find(scorer->contract->lead_set, field), value);
}

LhScorer *
lh_scorer_create(const LhContract *contract, TimestampTz at)
{
	LhScorer   *scorer = palloc0_object(LhScorer);
	const char *stage = contract->stages[lh_contract_default_stage(contract)].name;

	scorer->contract = contract;
	scorer->email = lh_fieldset_find(contract->lead_set, "email");
	scorer->email_domain = lh_fieldset_find(contract->lead_set, "email_domain");
	scorer->row = lh_fields_create(contract->lead_set);
	scorer->score = lh_score_create(contract);
	find_asked_fields(scorer);
	for (int i = contract->nmapped; i < contract->nkept; i++)
		scorer->asks_account = scorer->asks_account || scorer->asked[i];
	scorer->asks_account = scorer->asks_account || scorer->asked[lh_fieldset_find(contract->lead_set, "account_key")];

	lh_rulebook_set_now(contract->derived.book, at);
	lh_rulebook_set_now(contract->fit.book, at);
	set(scorer, "stage", CStringGetTextDatum(stage));
	set(scorer, "cycle", Int64GetDatum(1));
	set(scorer, "touches", Int64GetDatum(0));
	set(scorer, "open_opportunity", BoolGetDatum(false));
	return scorer;
}

void
lh_scorer_ask_all(LhScorer *scorer)
{
	memset(scorer->asked, true, scorer->contract->lead_set->nfields);
	scorer->asks_account = true;
}

static void
set_email_domain(LhScorer *scorer)
{
	LhFields   *row = scorer->row;
	char	   *domain = row->isnull[scorer->email] ? NULL :
		lh_domain_of(lh_address_of(TextDatumGetCString(row->values[scorer->email])));

	if (domain == NULL)
		lh_fields_set_null(row, scorer->email_domain);
	else
		lh_fields_set(row, scorer->email_domain, CStringGetTextDatum(domain));
}

void
lh_scorer_run(LhScorer *scorer, double intent)
{
	const LhContract *contract = scorer->contract;
	LhScore    *score = scorer->score;

	if (scorer->asked[scorer->email_domain])
		set_email_domain(scorer);
	if (scorer->asks_account)
		lh_score_account(contract, scorer->row);
	lh_score_derived(contract, scorer->row, scorer->asked, NULL, NULL);
	lh_score_fit(contract, scorer->row, score, NULL, NULL);
	score->intent_points = lh_score_intent_points(contract, intent);
	lh_score_band(contract, score, NULL);
}

void
lh_scorer_show(LhScorer *scorer)
{
	const char *band = lh_scorer_band(scorer);

	set(scorer, "fit", Int64GetDatum(scorer->score->fit));
	set(scorer, "score", Int64GetDatum(scorer->score->score));
	set(scorer, "intent",
		DirectFunctionCall1(float8_numeric, Float8GetDatum(scorer->score->intent_points)));
	if (band != NULL)
		set(scorer, "band", CStringGetTextDatum(band));
}

const char *
lh_scorer_band(const LhScorer *scorer)
{
	int			band = scorer->score->band;

	return band < 0 ? NULL : scorer->contract->bands[band].name;
}

/* Arguments -------------------------------------------------------------------------------- */

int
lh_chosen_version(const int *version, const char *contract_name)
{
	static LhStatement statement = {
		"select handoff.chosen_version(coalesce($1, "
		"(select min(c.contract_id) from handoff.contract c where c.status = 'draft' and c.name = $2 having count(*) = 1), "
		"case when $2 is not null then handoff.in_force($2) end))",
		2, {INT4OID, TEXTOID}
	};
	Datum		values[2] = {Int32GetDatum(version == NULL ? 0 : *version), lh_text_datum(contract_name)};
	bool		isnull[2] = {version == NULL, contract_name == NULL};

	lh_run(&statement, values, isnull);
	return lh_get_int(0, 1, 0);
}

TimestampTz
lh_view_time_now(void)
{
	static LhStatement statement = {"select handoff.view_time()", 0};

	lh_run(&statement, NULL, NULL);
	return lh_get_time(0, 1, 0);
}
