/*
 * src/flow/take_account.c
 *
 * Whose lead it is: the account that its CRM names, else the one that was found for it (match.c).
 *
 * lead.fields has what the CRM says, and only that; lead.account_key what holds.  An event "account" says when
 * a found account comes, changes or goes, also when it goes because the CRM names one: then the CRM's answer
 * wins, and the log has both.
 */
#include "flow/decide.h"

#include "json.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

static const char by_crm[] = "crm";

bool
lh_is_matched(const LhLead *lead)
{
	return lead->account_method != NULL && strcmp(lead->account_method, by_crm) != 0;
}

static bool
same_json(const Jsonb *a, const Jsonb *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return compareJsonbContainers(&unconstify(Jsonb *, a)->root, &unconstify(Jsonb *, b)->root) == 0;
}

/* What holds now of an account's key, method, detail and the keys that it is looked for by. */
static LhFoundAccount
account_now(const LhDecision *decision)
{
	const LhLead *lead = decision->lead;
	const LhInput *input = decision->input;
	const char *key = lh_get_text_field(decision, "account_key");
	LhFoundAccount now = {0};

	if (key != NULL)
	{
		now.account_key = psprintf("%s%s", input->key_prefix, key);
		now.method = by_crm;
	}
	else if (input->found != NULL)
		now = *input->found;
	else if (lh_is_matched(lead))
	{
		now.account_key = lead->account_key;
		now.method = lead->account_method;
		now.detail = lead->account_match;
		now.nkeys = lead->nmatch_keys;
		now.keys = lead->match_keys;
	}
	return now;
}

static Jsonb *
change_detail(const LhLead *lead, const LhFoundAccount *now)
{
	LhJson		json;
	JsonbIterator *it;
	JsonbValue	value;
	JsonbIteratorToken token;

	lh_json_begin(&json);
	lh_json_text(&json, "from", lead->account_key);
	lh_json_text(&json, "to", now->account_key);
	lh_json_text(&json, "method", now->method);
	if (now->detail != NULL)
	{
		it = JsonbIteratorInit(&now->detail->root);
		while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
		{
			char	   *name;

			if (token != WJB_KEY)
				continue;
			name = pnstrdup(value.val.string.val, value.val.string.len);
			(void) JsonbIteratorNext(&it, &value, true);
			lh_json_value(&json, name, &value);
		}
	}
	return lh_json_end(&json);
}

/* The lead's row, which is kept by now, may name an account; if not, take the one found. */
void
lh_take_account(LhDecision *decision)
{
	LhLead	   *lead = decision->lead;
	LhFoundAccount now = account_now(decision);
	bool		was_matched = lh_is_matched(lead);

	if (!lh_same_texts(lead->match_keys, lead->nmatch_keys, now.keys, now.nkeys))
	{
		lead->match_keys = now.keys;
		lead->nmatch_keys = now.nkeys;
		decision->effects->changed = true;
	}
	if (lh_same_text(lead->account_key, now.account_key) && lh_same_text(lead->account_method, now.method) &&
		same_json(lead->account_match, now.detail))
		return;
	if (was_matched || (now.method != NULL && now.method != by_crm))
		lh_decision_event(decision, "account", NULL, "contract", change_detail(lead, &now));
	/* opportunities of its new account were not read for this decision */
	if (decision->contract->opportunity_window != NULL && !lh_same_text(lead->account_key, now.account_key))
		decision->valid_until = Min(decision->valid_until, decision->now + USECS_PER_SEC);
	lead->account_key = now.account_key;
	lead->account_method = now.method == NULL ? NULL : pstrdup(now.method);
	lead->account_match = now.detail;
	decision->effects->changed = true;
}

static char *
detail_text(const Jsonb *detail, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(&unconstify(Jsonb *, detail)->root, name, strlen(name), &buffer);

	if (value == NULL || value->type == jbvBinary)
		return "";
	return value->type == jbvNumeric ?
		DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric))) :
		pnstrdup(value->val.string.val, value->val.string.len);
}

static void
trace_account(const LhDecision *decision)
{
	const LhLead *lead = decision->lead;
	char	   *note = lead->account_key;

	if (decision->trace == NULL || lead->account_key == NULL)
		return;
	if (lead->account_match != NULL)
		note = psprintf("%s by %s, %s of %s", lead->account_key, detail_text(lead->account_match, "by"),
						detail_text(lead->account_match, "why"), detail_text(lead->account_match, "found"));
	lh_trace_add(decision->trace, "account", lead->account_method, NULL, LH_TRUE, note);
}

/* What rules ask of: the account that holds, under the key that its CRM has for it. */
void
lh_set_account_fields(LhDecision *decision)
{
	const LhLead *lead = decision->lead;
	const char *prefix = decision->input->key_prefix;
	const char *key = lead->account_key;

	if (key != NULL && prefix != NULL && strncmp(key, prefix, strlen(prefix)) == 0)
		key += strlen(prefix);
	lh_set_text_field(decision, "account_key", key);
	lh_set_text_field(decision, "account_method", lead->account_method);
	trace_account(decision);
}
