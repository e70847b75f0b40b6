/*
 * src/flow/work_status.c
 *
 * work_status(lead_key): the decision is made once more, with the question what may be done in place of an
 * action, and thrown away.  So it asks the code that a disposition is checked by, at the same point.
 */
#include "flow/access.h"
#include "flow/look.h"

#include "executor/spi.h"
#include "funcapi.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_work_status);

#define NCOLUMNS	8

/* The step of the open handoff's cadence that is owed first, and how many there are; NULL: none is owed. */
static const LhStepClock *
next_step(const LhLead *lead, int *done, int *all)
{
	const LhLeadHandoff *open = lh_open_handoff(lead);
	const LhStepClock *next = NULL;
	ListCell   *lc;

	*done = 0;
	*all = 0;
	foreach(lc, lead->cadence)
	{
		const LhStepClock *step = lfirst(lc);

		if (open == NULL || step->handoff_no != open->h.handoff_no ||
			(step->verdict != NULL && strcmp(step->verdict, "void") == 0))
			continue;
		(*all)++;
		if (step->stopped_at != LH_NOT_YET)
			(*done)++;
		else if (next == NULL || lh_compare_steps(&step, &next) < 0)
			next = step;
	}
	return next;
}

static void
put_status(ReturnSetInfo *rsinfo, const LhWorkStatus *status)
{
	Datum		values[NCOLUMNS] = {0};
	bool		isnull[NCOLUMNS] = {false};

	values[0] = CStringGetTextDatum(status->disposition->code);
	values[1] = CStringGetTextDatum(status->disposition->outcome);
	values[2] = lh_text_datum(status->part);
	values[3] = Int32GetDatum(status->has);
	values[4] = Int32GetDatum(status->needs);
	values[5] = BoolGetDatum(status->has >= status->needs);
	isnull[2] = isnull[3] = isnull[4] = status->part == NULL;
	isnull[6] = isnull[7] = true;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, isnull);
}

static void
put_cadence(ReturnSetInfo *rsinfo, const LhLead *lead)
{
	int			done;
	int			all;
	const LhStepClock *next = next_step(lead, &done, &all);
	Datum		values[NCOLUMNS] = {0};
	bool		isnull[NCOLUMNS] = {true, true};

	if (all == 0)
		return;
	values[2] = CStringGetTextDatum("cadence");
	values[3] = Int32GetDatum(done);
	values[4] = Int32GetDatum(all);
	values[5] = BoolGetDatum(next == NULL);
	isnull[6] = isnull[7] = next == NULL;
	if (next != NULL)
	{
		values[6] = CStringGetTextDatum(next->channel);
		values[7] = TimestampTzGetDatum(next->due_at);
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, isnull);
}

static void
put_all(ReturnSetInfo *rsinfo, const char *lead_key)
{
	List	   *answer = NIL;
	LhAction	action = {.kind = LH_DO_ASK,.name = "work_status",.actor = "contract",.answer = &answer};
	LhEffects	effects = {0};
	LhLead	   *lead;
	LhLook		look;
	ListCell   *lc;

	lh_look_at(lead_key, DT_NOEND, &look);
	lead = &look.lead;
	look.input.action = &action;
	if (look.contract->ncadence > 0)
		lh_cadences_read(&lead, 1);
	lh_decide(look.contract, lead, &look.input, look.now, &effects, NULL);
	foreach(lc, answer)
		put_status(rsinfo, lfirst(lc));
	put_cadence(rsinfo, lead);
}

/* work_status(lead_key) returns setof (disposition, outcome, part, has, needs, met, channel, due_at) */
Datum
lh_work_status(PG_FUNCTION_ARGS)
{
	char	   *lead_key;
	LhWorld		world;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("lead_key must not be null")));
	lead_key = text_to_cstring(PG_GETARG_TEXT_PP(0));
	InitMaterializedSRF(fcinfo, 0);
	lh_enter_to_show(lead_key, &world);
	put_all((ReturnSetInfo *) fcinfo->resultinfo, lead_key);
	SPI_finish();
	lh_leave(&world);
	return (Datum) 0;
}
