/*
 * src/flow/route_preview.c
 *
 * route_preview(fields): who would get a lead with these fields, and what would be passed over?  The
 * routes are followed as in a decision, by the same functions, on people and pools as they are now; no
 * lock is taken, no turn is used, nothing is written.
 */
#include "flow/assign.h"
#include "flow/scorer.h"

#include "executor/spi.h"
#include "funcapi.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_route_preview);

/* A lead that there isn't, about to pass the leg. */
static LhSeeker *
make_seeker(LhScorer *scorer, int leg, TimestampTz now)
{
	const LhContract *contract = scorer->contract;
	LhSeeker   *seeker = palloc0_object(LhSeeker);
	LhBatchLead *slot = palloc0_object(LhBatchLead);

	slot->contract = contract;
	slot->lead_key = pstrdup("");
	slot->lead.row = scorer->row;
	slot->decision.contract = contract;
	slot->decision.lead = &slot->lead;
	slot->decision.now = now;
	slot->lead.account_key = lh_get_text_field(&slot->decision, "account_key");
	seeker->slot = slot;
	seeker->handoff = palloc0_object(LhLeadHandoff);
	lh_handoff_init(&seeker->handoff->h);
	seeker->handoff->h.leg = contract->legs[leg].name;
	seeker->handoff->h.band = unconstify(char *, lh_scorer_band(scorer));
	lh_json_begin(&seeker->routes);
	lh_json_begin(&seeker->reps);
	lh_json_begin(&seeker->territories);
	return seeker;
}

/* The code of a route among those passed over; NULL: it is not among them. */
static char *
code_of(Jsonb *routes, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *code = getKeyJsonValueFromContainer(&routes->root, name, strlen(name), &buffer);

	return code == NULL ? NULL : pnstrdup(code->val.string.val, code->val.string.len);
}

/* One row a route that was looked at: its code, and of the one that takes the lead who gets it. */
static void
put_routes(ReturnSetInfo *rsinfo, LhSeeker *seeker, const LhChoice *choice)
{
	const LhContract *contract = seeker->slot->contract;
	int			leg = lh_contract_leg(contract, seeker->handoff->h.leg);
	Jsonb	   *routes = lh_json_end(&seeker->routes);
	Jsonb	   *reps = lh_json_end(&seeker->reps);
	int			ord = 0;

	for (int i = 0; i < contract->route.n; i++)
	{
		const LhRoute *route = &contract->routes[i];
		bool		taken = choice != NULL && strcmp(choice->route, route->name) == 0;
		const char *code = taken ? "taken" : code_of(routes, route->name);
		bool		last = taken || (code != NULL && seeker->route != NULL && strcmp(seeker->route, route->name) == 0);
		Datum		values[6] = {0};
		bool		isnull[6] = {false, false, false, !taken || choice->pool == NULL, !taken, !last};

		if (route->leg != leg || code == NULL)
			continue;
		values[0] = Int32GetDatum(++ord);
		values[1] = CStringGetTextDatum(route->name);
		values[2] = CStringGetTextDatum(code);
		values[3] = taken ? lh_text_datum(choice->pool) : 0;
		values[4] = taken ? CStringGetTextDatum(choice->rep->rep) : 0;
		values[5] = JsonbPGetDatum(reps);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, isnull);
		if (last)
			break;
	}
}

/* The leg named, or the contract's first. */
static int
chosen_leg(const LhContract *contract, const char *name)
{
	int			leg = name == NULL ? 0 : lh_contract_leg(contract, name);

	if (leg < 0 || contract->nlegs == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("contract %d has no leg \"%s\"", contract->contract_id, name == NULL ? "" : name),
				 errhint("See table handoff.leg.")));
	return leg;
}

static void
preview(ReturnSetInfo *rsinfo, LhScorer *scorer, int leg, TimestampTz now)
{
	LhSeeker   *seeker = make_seeker(scorer, leg, now);
	LhAssign	assign = {.seekers = list_make1(seeker)};
	LhChoice	choice;
	bool		found;

	lh_rulebook_set_now(scorer->contract->route.book, now);
	lh_assign_read(&assign, now);
	for (int i = 0; i < assign.people.ncrews; i++)
		assign.people.crews[i].locked = true;	/* whoever is picking now will have done so by then */
	found = lh_follow_routes(&assign, seeker, &choice);
	put_routes(rsinfo, seeker, found ? &choice : NULL);
}

/* route_preview(fields, version, at, leg) returns table (ord, route, code, pool, rep, reps) */
Datum
lh_route_preview(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	int			version = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT32(1);
	const LhContract *contract;
	LhScorer   *scorer;
	TimestampTz at;
	LhWorld		world;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	lh_enter(&world, true);
	SPI_connect();
	MemoryContextSwitchTo(caller);
	at = PG_ARGISNULL(2) ? lh_view_time_now() : PG_GETARG_TIMESTAMPTZ(2);
	contract = lh_contract(lh_chosen_version(PG_ARGISNULL(1) ? NULL : &version, NULL));
	lh_set_zone(contract->zone);
	scorer = lh_scorer_create(contract, at);
	lh_scorer_ask_all(scorer);
	lh_scorer_fill(scorer, PG_GETARG_JSONB_P(0));
	lh_scorer_show(scorer);
	preview((ReturnSetInfo *) fcinfo->resultinfo, scorer,
			chosen_leg(contract, PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3))), at);
	SPI_finish();
	lh_leave(&world);
	return (Datum) 0;
}
