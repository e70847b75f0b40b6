/*
 * src/define/contract_standard.c
 *
 * Reading work standards, channels and cadence.
 */
#include "define/contract_load.h"

static void
load_work(LhContract *contract)
{
	QUERY(contract, "select name, leg, min_touches, min_channels, min_contacts, min_business_days, min_gap, counts_predecessor, criteria "
		  "from handoff.work_standard where contract_id = $1 order by name collate \"C\", ord");
	contract->standards = palloc_array(LhWorkStandard, Max(SPI_processed, 1));
	for (int i = 0; i < SPI_processed; i++)
	{
		LhWorkStandard *standard = &contract->standards[i];

		standard->name = lh_get_text(i, 1);
		standard->leg = lh_leg_named(contract, lh_get_text(i, 2));
		standard->min_touches = lh_get_int(i, 3, 0);
		standard->min_channels = lh_get_int(i, 4, 0);
		standard->min_contacts = lh_get_int(i, 5, 0);
		standard->min_business_days = lh_get_int(i, 6, 0);
		standard->min_gap = lh_get_interval(i, 7);
		standard->counts_predecessor = lh_get_bool(i, 8);
	}
	lh_load_rules(contract, &contract->standard, contract->lead_set, 9);
}

/* Where it isn't said who must not be touched, nobody is: false, not true as elsewhere. */
static void
load_channels(LhContract *contract)
{
	QUERY(contract, "select name, also, coalesce(forbidden_when, 'false') from handoff.channel "
		  "where contract_id = $1 order by name collate \"C\"");
	contract->channels = palloc_array(LhChannel, Max(SPI_processed, 1));
	for (int i = 0; i < SPI_processed; i++)
	{
		LhChannel  *channel = &contract->channels[i];

		channel->name = lh_get_text(i, 1);
		channel->nalso = lh_get_texts(i, 2, &channel->also);
	}
	lh_load_rules(contract, &contract->forbidden, contract->lead_set, 3);
}

static void
load_cadence(LhContract *contract)
{
	QUERY(contract, "select leg, step, business_day, channel from handoff.cadence_step "
		  "where contract_id = $1 order by leg collate \"C\", business_day, step");
	contract->ncadence = SPI_processed;
	contract->cadence = palloc_array(LhCadenceStep, Max(SPI_processed, 1));
	for (int i = 0; i < SPI_processed; i++)
	{
		LhCadenceStep *step = &contract->cadence[i];
		int			channel;

		step->leg = lh_leg_named(contract, lh_get_text(i, 1));
		step->step = lh_get_int(i, 2, 0);
		step->business_day = lh_get_int(i, 3, 0);
		step->channel = lh_get_text(i, 4);
		channel = lh_contract_channel(contract, step->channel);
		if (channel >= 0)
			step->channel = contract->channels[channel].name;
	}
}

void
lh_load_standards(LhContract *contract)
{
	load_channels(contract);
	load_work(contract);
	load_cadence(contract);
}
