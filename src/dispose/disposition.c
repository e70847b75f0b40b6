/*
 * src/dispose/disposition.c
 *
 * Dispositions, and the work standard that a rejection needs.  Every refusal names the rule.
 */
#include "dispose/disposition.h"

#include "lib/stringinfo.h"

LhRefusal *
lh_refusal(const char *rule, char *message, char *detail, char *hint)
{
	LhRefusal  *refusal = palloc_object(LhRefusal);

	refusal->rule = rule;
	refusal->message = message;
	refusal->detail = detail;
	refusal->hint = hint;
	return refusal;
}

void
lh_raise_refusal(const LhRefusal *refusal)
{
	ereport(ERROR,
			(errcode(ERRCODE_LH_NOT_ALLOWED),
			 errmsg("%s", refusal->message),
			 refusal->detail == NULL ? 0 : errdetail("%s", refusal->detail),
			 refusal->hint == NULL ? 0 : errhint("%s", refusal->hint)));
}

/* Finding it --------------------------------------------------------------------------------- */

static bool
fits(const LhContract *contract, const LhDisposition *disposition, const char *outcome,
	 const char *leg)
{
	return (outcome == NULL || strcmp(disposition->outcome, outcome) == 0) &&
		(disposition->leg < 0 || leg == NULL ||
		 strcmp(contract->legs[disposition->leg].name, leg) == 0);
}

static char *
codes_that_fit(const LhContract *contract, const char *outcome, const char *leg)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < contract->ndispositions; i++)
		if (fits(contract, &contract->dispositions[i], outcome, leg))
			appendStringInfo(&list, "%s\"%s\"", list.len > 0 ? ", " : "",
							 contract->dispositions[i].code);
	return list.len > 0 ? list.data : "none";
}

static LhRefusal *
no_disposition(const LhContract *contract, const char *code, const char *outcome, const char *leg,
			   bool several)
{
	char	   *codes = codes_that_fit(contract, outcome, leg);

	if (code == NULL && outcome == NULL)
		return lh_refusal("no_code", pstrdup("a disposition needs a code"), NULL,
						  psprintf("Codes are %s.", codes));
	if (code == NULL)
		return lh_refusal("no_code",
						  psprintf("the contract has %s disposition with outcome \"%s\"",
								   several ? "more than one" : "no", outcome),
						  psprintf("Codes are %s.", codes), pstrdup("Give the code."));
	return lh_refusal("unknown_code",
					  psprintf("the contract has no such disposition \"%s\"", code),
					  outcome == NULL ? NULL :
					  psprintf("It must have outcome \"%s\"%s%s.", outcome,
							   leg == NULL ? "" : " and be for leg ", leg == NULL ? "" : leg),
					  psprintf("Codes are %s.", codes));
}

const LhDisposition *
lh_disposition(const LhContract *contract, const char *code, const char *outcome, const char *leg,
			   LhRefusal **refusal)
{
	const LhDisposition *found = NULL;
	int			n = 0;

	for (int i = 0; i < contract->ndispositions; i++)
	{
		const LhDisposition *disposition = &contract->dispositions[i];

		if (!fits(contract, disposition, outcome, leg) ||
			(code != NULL && strcmp(disposition->code, code) != 0))
			continue;
		found = disposition;
		n++;
	}
	if (n == 1)
		return found;
	*refusal = no_disposition(contract, code, outcome, leg, n > 0);
	return NULL;
}

/* What it asks for --------------------------------------------------------------------------- */

/* The first standard of that name whose leg and criteria fit, or NULL: nothing is asked. */
static const LhWorkStandard *
find_standard(const LhContract *contract, const char *name, const char *leg, const LhFields *row)
{
	for (int i = 0; i < contract->standard.n; i++)
	{
		const LhWorkStandard *standard = &contract->standards[i];

		if (strcmp(standard->name, name) == 0 &&
			(standard->leg < 0 || strcmp(contract->legs[standard->leg].name, leg) == 0) &&
			lh_rulebook_test(contract->standard.book, i, row, NULL) == LH_TRUE)
			return standard;
	}
	return NULL;
}

static bool
add_part(StringInfo text, int64 has, int needs, const char *of)
{
	if (needs > 0)
		appendStringInfo(text, "%s" INT64_FORMAT " of %d %s", text->len > 0 ? ", " : "", has, needs, of);
	return has >= needs;
}

static LhRefusal *
check_work(const LhContract *contract, const LhDisposition *disposition, const LhHandoff *handoff,
		   const LhFields *row, int days_touched)
{
	const LhWorkStandard *standard = find_standard(contract, disposition->needs_work,
												   handoff->leg, row);
	StringInfoData parts;
	bool		enough = true;

	if (standard == NULL)
		return NULL;
	initStringInfo(&parts);
	enough = add_part(&parts, handoff->touches, standard->min_touches, "touches") && enough;
	enough = add_part(&parts, handoff->channels.n, standard->min_channels, "channels") && enough;
	enough = add_part(&parts, handoff->contacts, standard->min_contacts, "contacts") && enough;
	enough = add_part(&parts, days_touched, standard->min_days, "days") && enough;
	return enough ? NULL :
		lh_refusal("work", psprintf("disposition \"%s\" needs more work", disposition->code),
				   psprintf("%s.", parts.data),
				   psprintf("Work standard \"%s\" of contract %d asks for it.", standard->name,
							contract->contract_id));
}

LhRefusal *
lh_check_disposition(const LhContract *contract, const LhDisposition *disposition,
					 const LhHandoff *handoff, const LhFields *row, const char *note,
					 int days_touched)
{
	if (disposition->needs_note && (note == NULL || note[0] == '\0'))
		return lh_refusal("note", psprintf("disposition \"%s\" needs a note", disposition->code), NULL,
						  pstrdup("Say why: note => '...'."));
	if (disposition->needs_work != NULL && handoff != NULL)
		return check_work(contract, disposition, handoff, row, days_touched);
	return NULL;
}
