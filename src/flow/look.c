/*
 * src/flow/look.c
 *
 * Reading a lead for a decision that is thrown away: explain(), work_status().
 */
#include "flow/look.h"

#include "flow/scorer.h"
#include "sql.h"
#include "utils/timestamp.h"

static void
no_such_lead(const char *lead_key)
{
	ereport(ERROR,
			(errcode(ERRCODE_LH_UNKNOWN_LEAD),
			 errmsg("there is no lead \"%s\"", lead_key),
			 errhint("A lead's key is its source's key prefix and its row's key; see handoff.lead, handoff.inbox and handoff.quarantine.")));
}

/* A lead as it is now, and the version that decides it: that of its open handoff, else the one in force for it. */
static void
find_lead(const char *lead_key, LhLook *look)
{
	char	   *key = unconstify(char *, lead_key);
	LhLead	   *lead = &look->lead;
	LhLead	   *found;
	LhLeadHandoff *open;

	if (lh_leads_read(&key, 1, LH_LOCK_NONE, &found) == 0)
		no_such_lead(lead_key);
	*lead = *found;
	look->source = lh_source_load(lead->source);
	if (look->source == NULL || look->source->contract == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_LH_NO_CONTRACT),
				 errmsg("no contract in force decides lead \"%s\"", lead_key),
				 errdetail("Its source is \"%s\".", lead->source),
				 errhint("Publish a contract with handoff.publish().")));
	look->part = lh_part_of(look->source, &(LhShared) {
		.account_key = lead->account_key,.person_key = lead->person_key,.lead_key = lead->lead_key,.fields = lead->fields
	});
	open = lh_open_handoff(lead);
	look->contract = open == NULL ? look->part.contract : lh_contract(open->h.contract_id);
	look->input.challenge = open == NULL ? look->part.challenge : 0;
}

static void
find_lead_as_of(const char *lead_key, TimestampTz as_of, LhLook *look)
{
	char	   *key = unconstify(char *, lead_key);
	char	   *existing;

	if (!lh_lead_as_of(lead_key, as_of, &look->lead))
	{
		if (lh_leads_existing(&key, 1, &existing) == 0)
			no_such_lead(lead_key);
		ereport(ERROR,
				(errcode(ERRCODE_LH_UNKNOWN_LEAD),
				 errmsg("lead \"%s\" was not known yet at %s", lead_key, timestamptz_to_str(as_of)),
				 errhint("handoff.history() shows when it was first seen.")));
	}
	look->contract = lh_contract(look->lead.contract_id);
	look->source = lh_source_load(look->lead.source);
}

void
lh_look_at(const char *lead_key, TimestampTz as_of, LhLook *look)
{
	char	   *key = unconstify(char *, lead_key);
	LhInput    *input = &look->input;
	LhHoursAsked asked = {0};
	const LhSource *source;

	memset(look, 0, sizeof(*look));
	look->now = as_of == DT_NOEND ? lh_view_time_now() : as_of;
	if (as_of == DT_NOEND)
		find_lead(lead_key, look);
	else
		find_lead_as_of(lead_key, as_of, look);
	lh_set_zone(look->contract->zone);
	lh_contract_set_now(look->contract, look->now);
	lh_lead_bind(&look->lead, look->contract);
	input->version = DT_NOBEGIN;
	input->anew = true;
	input->activity_at = DT_NOBEGIN;
	input->changed_since = DT_NOEND;
	input->activities_since = look->lead.checkpoint == NULL ? DT_NOBEGIN : look->lead.checkpoint->at;
	source = look->source;
	input->since = source == NULL ? DT_NOBEGIN : source->since;
	input->key_prefix = source == NULL ? NULL : source->key_prefix;
	input->nactivities = lh_activities_of(lh_activities_read(&key, &input->activities_since, 1, as_of),
										  lead_key, look->contract, &input->activities);
	input->nopportunities = lh_opportunities_of(lh_opportunities_read(&key, 1, &key, lh_asks_account(look->contract, &look->lead)),
												lead_key,
												&input->opportunities);
	lh_read_person(&look->lead, as_of, input);
	lh_opportunities_as_of(input->opportunities, &input->nopportunities, as_of);
	lh_ask_hours(&asked, look->contract, &look->lead, &look->input);
	lh_read_hours(&asked);
	lh_give_hours(&asked, look->contract, &look->lead, input);
}
