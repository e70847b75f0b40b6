/*
 * src/define/contract_escalation.c
 *
 * Reading the steps of escalation of a contract's SLAs.
 */
#include "define/contract_load.h"

#include "catalog/pg_type.h"
#include "sql.h"

const char *const lh_step_actions[LH_STEP_RECYCLE + 1] = {"remind", "notify", "reassign", "fallback", "recycle"};

static LhStatement read_steps = {
	"select sla, step, offset_from_due, action, recipient, in_hours, code, max_hops, sync_wait, criteria "
	"from handoff.escalation where contract_id = $1 order by sla collate \"C\", step",
	1, {INT4OID}
};

static int
sla_named(const LhContract *contract, const char *name)
{
	for (int i = 0; i < contract->sla.n; i++)
		if (strcmp(contract->slas[i].name, name) == 0)
			return i;
	lh_unknown_name(contract, "sla", name);
	return -1;
}

/* NULL: none is named. */
static const LhDisposition *
disposition_coded(const LhContract *contract, const char *code)
{
	if (code == NULL)
		return NULL;
	for (int i = 0; i < contract->ndispositions; i++)
		if (strcmp(contract->dispositions[i].code, code) == 0)
			return &contract->dispositions[i];
	lh_unknown_name(contract, "disposition", code);
	return NULL;
}

void
lh_load_escalations(LhContract *contract)
{
	Datum		value = Int32GetDatum(contract->contract_id);
	int			n = lh_run(&read_steps, &value, NULL);

	contract->steps = palloc_array(LhEscalationStep, n + 1);
	for (int i = 0; i < n; i++)
	{
		LhEscalationStep	   *step = &contract->steps[i];

		step->sla = sla_named(contract, lh_get_text(i, 1));
		step->step = lh_get_int(i, 2, 0);
		step->offset = lh_get_interval(i, 3);
		step->action = WORD(contract, "action", lh_step_actions, lh_get_text(i, 4));
		step->recipient = lh_get_text(i, 5);
		step->in_hours = lh_get_bool(i, 6);
		step->disposition = disposition_coded(contract, lh_get_text(i, 7));
		step->max_hops = lh_get_int(i, 8, 0);
		step->sync_wait = lh_get_interval(i, 9);
	}
	lh_load_rules(contract, &contract->escalation, contract->lead_set, 10);
}
