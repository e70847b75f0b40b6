/*
 * src/flow/api.c
 *
 * The door for people: act() does one thing with one lead, in the same way as the drain decides, only
 * that it waits for the lead's lock and raises its errors.  The SQL functions accept(), recycle() ..
 * are words for it.
 */
#include "flow/access.h"
#include "flow/drain.h"
#include "flow/intake.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "json.h"
#include "miscadmin.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_act_on_lead);
PG_FUNCTION_INFO_V1(lh_touch_lead);
PG_FUNCTION_INFO_V1(lh_link_opportunity);
PG_FUNCTION_INFO_V1(lh_merge_lead);
PG_FUNCTION_INFO_V1(lh_forget);

/* Less work than the contract asks for lets be who may call override_work(), and says why. */
static void
check_override(const LhAction *action)
{
	bool		overrides = strcmp(action->name, "override_work") == 0;

	if (!overrides && action->override_reason == NULL)
		return;
	lh_check_may_call("override_work");
	if (overrides && (action->override_reason == NULL || strspn(action->override_reason, " \t\n") == strlen(action->override_reason)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an override needs a reason"),
				 errhint("It is kept with the handoff, and counted.")));
}

static char *
text_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

void
lh_unknown_lead(const char *lead_key)
{
	LhPairs		merged = lh_aliases_of((char *const *) &lead_key, 1);
	char	   *into = lh_pair_value(&merged, lead_key);

	ereport(ERROR,
			(errcode(ERRCODE_LH_UNKNOWN_LEAD),
			 errmsg("there is no lead \"%s\"", lead_key),
			 into == NULL ? 0 : errdetail("It is a key of lead \"%s\".", into),
			 errhint("A lead's key is its source's key prefix and its row's key; see handoff.lead.")));
}

static void
check_decided(const LhBatchLead *slot)
{
	if (!slot->decide)
		ereport(ERROR,
				(errcode(ERRCODE_LH_NO_CONTRACT),
				 errmsg("no contract in force decides lead \"%s\"", slot->lead_key),
				 errhint("Publish a contract with handoff.publish().")));
}

/* Decide one lead for the API; its stage afterwards. */
static char *
decide_for(const char *lead_key, TimestampTz now, const LhAction *action, TimestampTz activity_at)
{
	LhItem		item = {.is_lead = true,.lead_key = pstrdup(lead_key)};
	LhItem	   *items[1] = {&item};
	LhBatch		batch = {
		.now = now,.nitems = 1,.items = items,.wait = true,.action = action,.activity_at = activity_at
	};

	lh_batch_run(&batch);
	if (batch.nleads == 0 || batch.leads[0].lead.deleted_at != DT_NOEND)
		lh_unknown_lead(lead_key);
	check_decided(&batch.leads[0]);
	return batch.leads[0].lead.stage;
}

static LhActionKind
kind_named(const char *name)
{
	static const struct
	{
		const char *name;
		LhActionKind kind;
	}			kinds[] = {
		{"accept", LH_DO_ACCEPT}, {"qualify", LH_DO_QUALIFY}, {"hand_over", LH_DO_HAND_OVER},
		{"set_stage", LH_DO_SET_STAGE}, {"reassign", LH_DO_REASSIGN}, {"claim", LH_DO_REASSIGN},
		{"undispose", LH_DO_UNDISPOSE}
	};

	for (int i = 0; i < lengthof(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return kinds[i].kind;
	return LH_DO_DISPOSE;
}

/* Somebody active; and who takes a lead takes it for himself, or for a rep of his. */
static void
find_new_owner(const LhCaller *who, LhAction *action)
{
	static LhStatement need_active = {"select handoff.need_active_rep($1)", 1, {TEXTOID}};
	bool		claims = strcmp(action->name, "claim") == 0;
	Datum		rep;

	if (action->rep == NULL && claims)
		action->rep = who->rep;
	if (action->rep == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("rep must not be null"),
				 errhint("Say who is to have it; handoff.rep lists who there is.")));
	rep = CStringGetTextDatum(action->rep);
	lh_run(&need_active, &rep, NULL);
	if (claims)
		(void) lh_actor(who, action->rep);
}

/* act(lead_key, name, outcome, code, note, override_reason, leg, stage, rep, until, actor, p_now) returns text */
Datum
lh_act_on_lead(PG_FUNCTION_ARGS)
{
	LhAction	action = {
		.name = text_arg(fcinfo, 1),
		.outcome = text_arg(fcinfo, 2),
		.code = text_arg(fcinfo, 3),
		.note = text_arg(fcinfo, 4),
		.override_reason = text_arg(fcinfo, 5),
		.leg = text_arg(fcinfo, 6),
		.stage = text_arg(fcinfo, 7),
		.rep = text_arg(fcinfo, 8),
		.until = PG_ARGISNULL(9) ? LH_NOT_YET : PG_GETARG_TIMESTAMPTZ(9),
		.actor = text_arg(fcinfo, 10),
		.how = "explicit",
	};
	MemoryContext caller = CurrentMemoryContext;
	char	   *lead_key = text_arg(fcinfo, 0);
	TimestampTz now;
	char	   *stage;
	LhCaller	who;
	LhWorld		world;

	if (lead_key == NULL || PG_ARGISNULL(11) || action.name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("lead_key and p_now must not be null")));
	now = PG_GETARG_TIMESTAMPTZ(11);
	action.kind = kind_named(action.name);
	if ((action.kind == LH_DO_HAND_OVER && action.leg == NULL) ||
		(action.kind == LH_DO_SET_STAGE && action.stage == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", action.kind == LH_DO_HAND_OVER ? "leg" : "stage")));
	if (!PG_ARGISNULL(9) && TIMESTAMP_NOT_FINITE(action.until))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("until must be finite"),
				 errhint("Leave it out, and the recycle path says when it comes back.")));
	lh_check_may_call(action.name);
	check_override(&action);
	lh_who_calls(&who);
	lh_check_time(&who, now);

	lh_enter_for(&who, &world);
	action.actor = lh_actor(&who, action.actor);
	action.limited = !who.trusted;
	lh_must_work(&who, lead_key, action.name);
	if (action.kind == LH_DO_REASSIGN)
		find_new_owner(&who, &action);
	stage = MemoryContextStrdup(caller, decide_for(lead_key, now, &action, 0));
	SPI_finish();
	lh_leave(&world);
	PG_RETURN_TEXT_P(cstring_to_text(stage));
}

static LhStatement lock_lead = {
	"select lead_key from handoff.lead where lead_key = $1 and deleted_at is null for update", 1, {TEXTOID}
};

static LhStatement write_touch = {
	"insert into handoff.activity (lead_key, source, activity_key, at, seen_at, taken_at, fields) "
	"values ($1, 'api', gen_random_uuid()::text, $2, $3, $4, $5 || jsonb_build_object('rep', $6))",
	6, {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, JSONBOID, TEXTOID}
};

/* Who has touched the lead, as activities name reps: by whatever id, if who calls is trusted. */
static const char *
touched_by(const LhCaller *who, const char *rep)
{
	return rep != NULL && who->trusted ? rep : lh_actor(who, rep);
}

/* touch_lead(lead_key, fields, at, p_now, rep) returns text */
Datum
lh_touch_lead(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	char	   *lead_key = text_arg(fcinfo, 0);
	char	   *rep = text_arg(fcinfo, 4);
	Datum		values[6];
	TimestampTz now;
	TimestampTz at;
	char	   *stage;
	LhCaller	who;
	LhWorld		world;

	if (lead_key == NULL || PG_ARGISNULL(1) || PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("lead_key, fields and p_now must not be null")));
	now = PG_GETARG_TIMESTAMPTZ(3);
	at = PG_ARGISNULL(2) ? now : PG_GETARG_TIMESTAMPTZ(2);
	lh_check_may_call("touch");
	lh_who_calls(&who);
	lh_check_time(&who, now);
	if (TIMESTAMP_NOT_FINITE(at) || at > now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("at must not be later than now"),
				 errdetail("It is %s, and now %s.", pstrdup(timestamptz_to_str(at)), pstrdup(timestamptz_to_str(now))),
				 errhint("What is planned is no touch yet.")));

	lh_enter_for(&who, &world);
	lh_must_work(&who, lead_key, "touch");
	values[0] = CStringGetTextDatum(lead_key);
	if (lh_run(&lock_lead, values, NULL) == 0)
		lh_unknown_lead(lead_key);
	values[1] = TimestampTzGetDatum(at);
	values[2] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[3] = TimestampTzGetDatum(now);
	values[4] = PG_GETARG_DATUM(1);
	values[5] = CStringGetTextDatum(touched_by(&who, rep));
	lh_run(&write_touch, values, NULL);
	stage = MemoryContextStrdup(caller, decide_for(lead_key, now, NULL, at));
	SPI_finish();
	lh_leave(&world);
	PG_RETURN_TEXT_P(cstring_to_text(stage));
}

static LhStatement write_link = {
	"insert into handoff.opportunity_link (lead_key, opportunity_key, source, link_key, link_kind) "
	"select $1, $2, 'api', gen_random_uuid()::text, 'manual' where not exists (select from handoff.opportunity_link k "
	"where k.lead_key = $1 and k.opportunity_key = $2 and k.link_kind = 'manual')",
	2, {TEXTOID, TEXTOID}
};

static LhStatement drop_link = {
	"delete from handoff.opportunity_link where lead_key = $1 and opportunity_key = $2 and link_kind = 'manual' returning lead_key",
	2, {TEXTOID, TEXTOID}
};

/* Says that a lead stands behind an opportunity, or takes that back; see intake_opportunity.c for the stripe. */
static void
write_manual_link(const char *lead_key, const char *opportunity_key, bool linked)
{
	Datum		values[2] = {CStringGetTextDatum(lead_key), CStringGetTextDatum(opportunity_key)};

	if (lh_run(&lock_lead, values, NULL) == 0)
		lh_unknown_lead(lead_key);
	lh_wait_for_stripe(psprintf("opportunity %s", opportunity_key));
	if (linked)
		lh_run(&write_link, values, NULL);
	else if (lh_run(&drop_link, values, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("nobody has linked lead \"%s\" to opportunity \"%s\"", lead_key, opportunity_key),
				 errhint("Only what handoff.link_opportunity() said is taken back; the other links are the CRM's. See handoff.opportunity_link.")));
}

/* set_opportunity_link(lead_key, opportunity_key, linked, p_now) returns text */
Datum
lh_link_opportunity(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	char	   *lead_key = text_arg(fcinfo, 0);
	char	   *opportunity_key = text_arg(fcinfo, 1);
	char	   *stage;
	LhCaller	who;
	LhWorld		world;

	if (lead_key == NULL || opportunity_key == NULL || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("lead_key, opportunity_key and p_now must not be null")));
	lh_who_calls(&who);
	lh_check_time(&who, PG_GETARG_TIMESTAMPTZ(3));

	lh_enter_for(&who, &world);
	lh_must_work(&who, lead_key, "link_opportunity");
	write_manual_link(lead_key, opportunity_key, PG_GETARG_BOOL(2));
	stage = MemoryContextStrdup(caller, decide_for(lead_key, PG_GETARG_TIMESTAMPTZ(3), NULL, 0));
	SPI_finish();
	lh_leave(&world);
	PG_RETURN_TEXT_P(cstring_to_text(stage));
}

/* Merge and decide both leads; the survivor's stage. */
static char *
merge_leads(const LhMerge *merge, const char *actor, TimestampTz now)
{
	LhItem		loser = {.is_lead = true,.lead_key = merge->loser};
	LhItem		survivor = {.is_lead = true,.lead_key = merge->survivor};
	LhItem	   *items[2] = {&loser, &survivor};
	LhBatch		batch = {
		.now = now,.nitems = 2,.items = items,.wait = true,.merge = merge,.actor = actor
	};

	lh_batch_run(&batch);
	for (int i = 0; i < batch.nleads; i++)
		check_decided(&batch.leads[i]);
	return lh_batch_lead(&batch, merge->survivor)->lead.stage;
}

/* merge_lead(loser, survivor, actor, p_now) returns text */
Datum
lh_merge_lead(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	LhMerge		merge = {.loser = text_arg(fcinfo, 0),.survivor = text_arg(fcinfo, 1)};
	char	   *stage;
	LhCaller	who;
	LhWorld		world;

	if (merge.loser == NULL || merge.survivor == NULL || PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("loser, survivor and p_now must not be null")));
	if (strcmp(merge.loser, merge.survivor) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("lead \"%s\" can't be merged into itself", merge.loser),
				 errhint("Name the lead that goes first, then the one that stays.")));
	lh_who_calls(&who);
	lh_check_time(&who, PG_GETARG_TIMESTAMPTZ(3));

	lh_enter_for(&who, &world);
	lh_must_work(&who, merge.loser, "merge_lead");
	lh_must_work(&who, merge.survivor, "merge_lead");
	stage = MemoryContextStrdup(caller, merge_leads(&merge, lh_actor(&who, text_arg(fcinfo, 2)), PG_GETARG_TIMESTAMPTZ(3)));
	SPI_finish();
	lh_leave(&world);
	PG_RETURN_TEXT_P(cstring_to_text(stage));
}

/* forget(lead_key, actor, p_now) returns text[] */
Datum
lh_forget(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	char	   *lead_key = text_arg(fcinfo, 0);
	Datum		tokens;
	LhCaller	who;
	LhWorld		world;

	if (lead_key == NULL || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("lead_key and p_now must not be null")));
	if (TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(2)))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("p_now must be finite")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("forget() needs isolation level read committed"),
				 errdetail("In a higher level it would leave out what others have written since the transaction began."),
				 errhint("Call it in a transaction of its own.")));
	lh_who_calls(&who);
	lh_check_time(&who, PG_GETARG_TIMESTAMPTZ(2));

	lh_enter_for(&who, &world);
	lh_must_work(&who, lead_key, "forget");
	MemoryContextSwitchTo(caller);
	tokens = lh_forget_person(lead_key, lh_actor(&who, text_arg(fcinfo, 1)), PG_GETARG_TIMESTAMPTZ(2));
	SPI_finish();
	lh_leave(&world);
	PG_RETURN_DATUM(tokens);
}
