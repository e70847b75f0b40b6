/*
 * src/flow/as_of.c
 *
 * A lead as it was at a moment: its log up to then, added up.  What is not logged because it follows
 * from the rest (owner, touches by activity, signals' windows) the decision works out again.
 */
#include "flow/lead.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "json.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static LhStatement read_folded = {
	"select l.source, l.raw_key, f.contract_id, f.cycle, f.cycle_since, f.stage, f.stage_since, f.intent_since, f.gate_code, f.duplicate_of, f.duplicate_handoff, f.fields, "
	"array(select jsonb_array_elements_text(f.scored -> 'signals')), f.is_deleted, "
	"case when f.fields ? 'account_key' then coalesce(s.key_prefix, '') || (f.fields ->> 'account_key') else f.account ->> 'to' end, "
	"case when f.fields ? 'account_key' then 'crm' else f.account ->> 'method' end, f.account - array['from', 'to', 'method'] "
	"from handoff.folded($1, $2) f join handoff.lead l on l.lead_key = f.lead_key "
	"left join handoff.source s on s.name = l.source",
	2, {TEXTOID, TIMESTAMPTZOID}
};

static LhStatement read_folded_handoffs = {
	"select columns from handoff.folded_handoffs($1, $2) order by handoff_no", 2, {TEXTOID, TIMESTAMPTZOID}
};

bool
lh_lead_as_of(const char *lead_key, TimestampTz as_of, LhLead *lead)
{
	Datum		values[2] = {CStringGetTextDatum(lead_key), TimestampTzGetDatum(as_of)};
	int			n;

	if (lh_run(&read_folded, values, NULL) == 0)
		return false;
	lh_lead_init(lead, lead_key, lh_get_text(0, 1), lh_get_text(0, 2));
	lead->exists = true;
	lead->contract_id = lh_get_int(0, 3, 0);
	lead->cycle = lh_get_int(0, 4, 1);
	lead->cycle_since = lh_get_time(0, 5, DT_NOBEGIN);
	lead->stage = lh_get_text(0, 6);
	lead->stage_since = lh_get_time(0, 7, DT_NOBEGIN);
	lead->intent_since = lh_get_time(0, 8, DT_NOBEGIN);
	lead->gate_code = lh_get_text(0, 9);
	lead->duplicate_of = lh_get_text(0, 10);
	lead->duplicate_handoff = lh_get_int(0, 11, 0);
	lead->fields = lh_get_jsonb(0, 12);
	lead->nsignals = lh_get_texts(0, 13, &lead->signals);
	if (lh_get_bool(0, 14))
		lead->deleted_at = as_of;
	lead->person_key = lh_person_key(lh_json_get_text(lead->fields, "person_key"), lh_json_get_text(lead->fields, "email"));
	lead->account_key = lh_get_text(0, 15);
	lead->account_method = lh_get_text(0, 16);
	lead->account_match = lh_get_jsonb(0, 17);
	/* never earlier than the source's: whether it was too old to pass a leg is not logged */
	lead->trigger = "row";
	lead->trigger_at = as_of;
	lead->seen_at = as_of;

	n = lh_run(&read_folded_handoffs, values, NULL);
	for (int i = 0; i < n; i++)
	{
		LhLeadHandoff *handoff = palloc0_object(LhLeadHandoff);

		lh_handoff_from_jsonb(&handoff->h, lh_get_jsonb(i, 1));
		handoff->logged = handoff->h;
		handoff->stored = handoff->h;
		lead->handoffs = lappend(lead->handoffs, handoff);
	}
	return true;
}

/* What was not known at a moment has not happened then. */
void
lh_opportunities_as_of(LhOpportunity *opportunities, int *n, TimestampTz as_of)
{
	int			known = 0;

	for (int i = 0; i < *n; i++)
	{
		LhOpportunity *opportunity = &opportunities[i];

		if (opportunity->created_at > as_of)
			continue;
		if (opportunity->closed_at > as_of)
		{
			opportunity->closed_at = LH_NOT_YET;
			opportunity->is_won = false;
		}
		opportunities[known++] = *opportunity;
	}
	*n = known;
}
