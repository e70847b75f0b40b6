/*
 * src/flow/api.c
 *
 * The door for people: act() does one thing with one lead, in the same way as the drain decides, only
 * that it waits for the lead's lock and raises its errors.  The SQL functions accept(), recycle() ..
 * are words for it.
 */
#include "flow/drain.h"
#include "flow/intake.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "json.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "sql.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_act_on_lead);
PG_FUNCTION_INFO_V1(lh_touch_lead);
PG_FUNCTION_INFO_V1(lh_merge_lead);
PG_FUNCTION_INFO_V1(lh_forget);

/* How far p_now may be from the clock without being another moment. */
#define NOW_TOLERANCE	USECS_PER_MINUTE

/* Only who may call tick() may say that it is another time, or that somebody else acts. */
static void
check_trusted(TimestampTz now, const char *actor)
{
	const char *me = GetUserNameFromId(GetSessionUserId(), false);
	TimestampTz clock = GetCurrentTimestamp();
	Oid			argtypes[2] = {TIMESTAMPTZOID, INT4OID};
	Oid			tick;

	if (now > clock - NOW_TOLERANCE && now < clock + NOW_TOLERANCE && strcmp(actor, me) == 0)
		return;
	tick = LookupFuncName(list_make2(makeString("handoff"), makeString("tick")), 2, argtypes, false);
	if (!lh_may_execute(tick))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only an operator may name another time or another actor"),
				 errhint("Leave p_now and actor out.")));
}

/* Less work than the contract asks for lets be who may call override_work(), and says why. */
static void
check_override(const LhAction *action)
{
	bool		overrides = strcmp(action->name, "override_work") == 0;
	Oid			argtypes[7] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID};
	Oid			function;

	if (!overrides && action->override_reason == NULL)
		return;
	function = LookupFuncName(list_make2(makeString("handoff"), makeString("override_work")), 7, argtypes, false);
	if (!lh_may_execute(function))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to override work standards"),
				 errhint("It takes the right to call handoff.override_work().")));
	if (overrides && (action->override_reason == NULL || strspn(action->override_reason, " \t\n") == strlen(action->override_reason)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an override needs a reason")));
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

	lh_check_schema();
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
	LhWorld		world;

	if (lead_key == NULL || PG_ARGISNULL(11) || action.name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("lead_key and p_now must not be null")));
	now = PG_GETARG_TIMESTAMPTZ(11);
	action.kind = kind_named(action.name);
	if ((action.kind == LH_DO_HAND_OVER && action.leg == NULL) ||
		(action.kind == LH_DO_SET_STAGE && action.stage == NULL) ||
		(action.kind == LH_DO_REASSIGN && action.rep == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", action.kind == LH_DO_HAND_OVER ? "leg" : action.kind == LH_DO_SET_STAGE ? "stage" : "rep")));
	if (!PG_ARGISNULL(9) && TIMESTAMP_NOT_FINITE(action.until))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("until must be finite")));
	if (action.actor == NULL)
		action.actor = GetUserNameFromId(GetSessionUserId(), false);
	check_trusted(now, action.actor);
	check_override(&action);

	lh_enter(&world, true);
	lh_plan_by_key();
	SPI_connect();
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
	"values ($1, 'api', gen_random_uuid()::text, $2, $3, $4, $5)",
	5, {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, JSONBOID}
};

/* touch_lead(lead_key, fields, at, p_now) returns text */
Datum
lh_touch_lead(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	char	   *lead_key = text_arg(fcinfo, 0);
	char	   *actor = GetUserNameFromId(GetSessionUserId(), false);
	Datum		values[5];
	TimestampTz now;
	TimestampTz at;
	char	   *stage;
	LhWorld		world;

	if (lead_key == NULL || PG_ARGISNULL(1) || PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("lead_key, fields and p_now must not be null")));
	now = PG_GETARG_TIMESTAMPTZ(3);
	at = PG_ARGISNULL(2) ? now : PG_GETARG_TIMESTAMPTZ(2);
	check_trusted(now, actor);
	if (TIMESTAMP_NOT_FINITE(at) || at > now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("at must not be later than now")));

	lh_enter(&world, true);
	lh_plan_by_key();
	SPI_connect();
	values[0] = CStringGetTextDatum(lead_key);
	if (lh_run(&lock_lead, values, NULL) == 0)
		lh_unknown_lead(lead_key);
	values[1] = TimestampTzGetDatum(at);
	values[2] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[3] = TimestampTzGetDatum(now);
	values[4] = PG_GETARG_DATUM(1);
	lh_run(&write_touch, values, NULL);
	stage = MemoryContextStrdup(caller, decide_for(lead_key, now, NULL, at));
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

	lh_check_schema();
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
	char	   *actor = text_arg(fcinfo, 2);
	char	   *stage;
	LhWorld		world;

	if (merge.loser == NULL || merge.survivor == NULL || PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("loser, survivor and p_now must not be null")));
	if (strcmp(merge.loser, merge.survivor) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("lead \"%s\" can't be merged into itself", merge.loser)));
	if (actor == NULL)
		actor = GetUserNameFromId(GetSessionUserId(), false);
	check_trusted(PG_GETARG_TIMESTAMPTZ(3), actor);

	lh_enter(&world, true);
	lh_plan_by_key();
	SPI_connect();
	stage = MemoryContextStrdup(caller, merge_leads(&merge, actor, PG_GETARG_TIMESTAMPTZ(3)));
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
	char	   *actor = text_arg(fcinfo, 1);
	Datum		tokens;
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
	if (actor == NULL)
		actor = GetUserNameFromId(GetSessionUserId(), false);
	check_trusted(PG_GETARG_TIMESTAMPTZ(2), actor);

	lh_enter(&world, true);
	lh_plan_by_key();
	SPI_connect();
	lh_check_schema();
	MemoryContextSwitchTo(caller);
	tokens = lh_forget_person(lead_key, actor, PG_GETARG_TIMESTAMPTZ(2));
	SPI_finish();
	lh_leave(&world);
	PG_RETURN_DATUM(tokens);
}
