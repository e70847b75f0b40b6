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
			 err_generic_string(PG_DIAG_CONSTRAINT_NAME, refusal->rule),
			 errmsg("%s", refusal->message),
			 refusal->detail == NULL ? 0 : errdetail("%s", refusal->detail),
			 refusal->hint == NULL ? 0 : errhint("%s", refusal->hint)));
}

/* Finding it --------------------------------------------------------------------------------- */

/* Nobody gives what follows a lost opportunity. */
static bool
fits(const LhContract *contract, const LhDisposition *disposition, const char *outcome,
	 const char *leg)
{
	return strcmp(disposition->outcome, "lost") != 0 &&
		(outcome == NULL || strcmp(disposition->outcome, outcome) == 0) &&
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

LhRefusal *
lh_check_note(const LhDisposition *disposition, const char *note)
{
	if (!disposition->needs_note || (note != NULL && note[0] != '\0'))
		return NULL;
	return lh_refusal("note", psprintf("disposition \"%s\" needs a note", disposition->code), NULL,
					  pstrdup("Say why: note => '...'."));
}

/* "3 of 6 touches, 1 of 2 channels, 2 of 5 business days." */
static char *
tell_owed(const LhOwed *owed)
{
	static const char *const words[LH_NPARTS] = {"touches", "channels", "contacts", "business days"};
	StringInfoData text;

	initStringInfo(&text);
	for (int part = 0; part < LH_NPARTS; part++)
		if (owed[part].needs > 0)
			appendStringInfo(&text, "%s%d of %d %s", text.len > 0 ? ", " : "", owed[part].has,
							 owed[part].needs, words[part]);
	appendStringInfoChar(&text, '.');
	return text.data;
}

LhRefusal *
lh_check_work(const LhContract *contract, const LhDisposition *disposition, const LhHandoff *handoff,
			  const LhWork *work, const LhFields *row)
{
	const LhWorkStandard *standard = disposition->needs_work == NULL ? NULL :
		lh_work_standard(contract, disposition->needs_work, handoff->leg, row);
	LhOwed		owed[LH_NPARTS];

	if (standard == NULL || lh_work_owed(contract, standard, handoff, work, row, owed))
		return NULL;
	return lh_refusal("work", psprintf("disposition \"%s\" needs more work", disposition->code),
					  tell_owed(owed),
					  psprintf("Work standard \"%s\" of contract %d asks for it; handoff.work_status() shows what is owed.",
							   standard->name, contract->contract_id));
}
