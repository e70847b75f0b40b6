/*
 * src/flow/version.c
 *
 * Champion and challenger: which version decides a lead that has no open handoff.
 *
 * All leads of an account are in one part, since sales speaks to the account and not to each lead; of leads
 * without an account those of a person are.  So a lead's part hangs on what is known of it now, and on nothing
 * that was stored for the purpose: whoever asks again gets the same answer, and a lead that turns out to belong
 * to another account goes where that is.
 *
 * The scope is asked of the fields that a source maps and those of the account, which are the same in both
 * versions (publish() sees to it).  It may name no others: they are made by deciding, under one version or the
 * other.  Nor may it ask what time it is: nothing would decide the lead anew when the answer changes.
 */
#include "flow/version.h"

LhFields *
lh_carry_over(const LhFields *from, const LhContract *contract)
{
	LhFields   *to;

	if (from == NULL || from->set == contract->lead_set)
		return unconstify(LhFields *, from);
	to = lh_fields_create(contract->lead_set);
	for (int i = 0; i < contract->nmapped; i++)
	{
		int			other = lh_fieldset_find(from->set, contract->lead_set->fields[i].name);

		if (other >= 0 && !from->isnull[other] &&
			from->set->fields[other].type == contract->lead_set->fields[i].type)
			lh_fields_set(to, i, from->values[other]);
	}
	return to;
}

/* What is known of a lead, in the fields of a version. */
static LhFields *
fields_of(const LhContract *contract, const LhShared *lead)
{
	LhFields   *fields = lh_fields_create(contract->lead_set);
	const LhFields *row = lh_carry_over(lead->row, contract);

	if (lead->fields != NULL)
		lh_fields_from_jsonb(fields, lead->fields, 0, contract->nkept);
	for (int i = 0; row != NULL && i < contract->nmapped; i++)
	{
		fields->values[i] = row->values[i];
		fields->isnull[i] = row->isnull[i];
	}
	if (!lead->account_read)
		return fields;
	for (int i = contract->nmapped; i < contract->nkept; i++)
		lh_fields_set_null(fields, i);
	if (lead->account != NULL)
		lh_fields_from_jsonb(fields, lead->account, contract->nmapped, contract->nkept);
	return fields;
}

static bool
is_in_scope(const LhContract *challenger, const LhShared *lead)
{
	if (challenger->scope.n == 0)
		return true;
	lh_set_zone(challenger->zone);
	return lh_rulebook_test(challenger->scope.book, 0, fields_of(challenger, lead), NULL) == LH_TRUE;
}

LhTrafficPart
lh_part_of(const LhSource *source, const LhShared *lead)
{
	LhTrafficPart part = {.contract = source->contract};

	if (source->challenger == NULL || !is_in_scope(source->challenger, lead))
		return part;
	part.challenge = source->challenger->contract_id;
	part.by = lead->account_key != NULL ? "account" : lead->person_key != NULL ? "person" : "lead";
	part.key = lead->account_key != NULL ? lead->account_key : lead->person_key != NULL ? lead->person_key : lead->lead_key;
	part.bucket = lh_traffic_bucket(source->contract->name, part.key);
	if (part.bucket < source->share)
		part.contract = source->challenger;
	return part;
}
