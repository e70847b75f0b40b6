/*
 * src/flow/crm_id.c
 *
 * Ids as CRMs write them.
 *
 * Salesforce has two spellings of a record's id: 15 characters in which case matters, and 18, the same
 * with three more that tell which of the letters are capitals (five to a character), for programs that
 * lose case.  A table may have one and refer to the other.  We keep the longer one.
 */
#include "flow/mapping.h"

#include "fmgr.h"
#include "utils/builtins.h"

#define SHORT_ID	15

PG_FUNCTION_INFO_V1(lh_sql_salesforce_id);

static bool
is_short_id(const char *id)
{
	if (strlen(id) != SHORT_ID)
		return false;
	for (int i = 0; i < SHORT_ID; i++)
		if (!(id[i] >= '0' && id[i] <= '9') && !(id[i] >= 'A' && id[i] <= 'Z') && !(id[i] >= 'a' && id[i] <= 'z'))
			return false;
	return true;
}

char *
lh_salesforce_id(const char *id)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
	char	   *longer;

	if (!is_short_id(id))
		return pstrdup(id);
	longer = palloc(SHORT_ID + 4);
	memcpy(longer, id, SHORT_ID);
	for (int part = 0; part < 3; part++)
	{
		int			capitals = 0;

		for (int i = 0; i < 5; i++)
			if (id[part * 5 + i] >= 'A' && id[part * 5 + i] <= 'Z')
				capitals |= 1 << i;
		longer[SHORT_ID + part] = digits[capitals];
	}
	longer[SHORT_ID + 3] = '\0';
	return longer;
}

/* salesforce_id(id text) returns text */
Datum
lh_sql_salesforce_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(lh_salesforce_id(text_to_cstring(PG_GETARG_TEXT_PP(0)))));
}
