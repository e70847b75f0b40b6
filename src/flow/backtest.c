/*
 * src/flow/backtest.c
 *
 * backtest(version): all leads replayed, some at a time in the order of their keys, without effects.
 *
 * The logs and activities of some leads are read at once, each lead is replayed in a memory of its own, and its
 * rows are kept until they are returned; so what is held at any time is what some leads have.  Everything is
 * read by the snapshot of the query.  The versions are loaded for us: between two calls a tick under
 * another now may happen in the session.
 *
 * In FROM the whole answer goes into the tuplestore that PostgreSQL would make anyway; in the list of a SELECT
 * rows are returned one a call.
 */
#include "flow/replay.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "flow/scorer.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_backtest);
PG_FUNCTION_INFO_V1(lh_backtest_as_decided);

#define LEADS_AT_ONCE	100
#define TELL_EVERY		(10 * USECS_PER_SEC)

/* One call, until its last row. */
typedef struct Backtesting
{
	LhBacktest	test;
	char	   *after;			/* key of the last lead that was read */
	bool		at_end;
	int64		nleads;
	TimestampTz told_at;
	MemoryContext leads_cxt;	/* reset before leads are read */
	List	   *rows;			/* of LhBacktestRow *, in leads_cxt */
	int			next;
} Backtesting;

/* Arguments ------------------------------------------------------------------------------------ */

static LhStatement read_known_to = {
	"select coalesce((select m.tick_now from handoff.meta m), handoff.view_time()), exists (select from handoff.event)", 0
};

static TimestampTz
time_arg(FunctionCallInfo fcinfo, int i, TimestampTz if_null)
{
	return PG_ARGISNULL(i) ? if_null : PG_GETARG_TIMESTAMPTZ(i);
}

static void
take_range(LhBacktest *test, FunctionCallInfo fcinfo, int since, int until, int tick_every)
{
	Interval   *every = PG_ARGISNULL(tick_every) ? NULL : PG_GETARG_INTERVAL_P(tick_every);

	test->since = time_arg(fcinfo, since, DT_NOBEGIN);
	test->until = time_arg(fcinfo, until, DT_NOEND);
	if (test->since >= test->until)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("since must be earlier than until"),
				 errdetail("From %s to %s there is no time.", pstrdup(timestamptz_to_str(test->since)),
						   pstrdup(timestamptz_to_str(test->until)))));
	test->tick_every = every == NULL || every->month != 0 ? 0 : every->day * USECS_PER_DAY + every->time;
	if (test->tick_every < USECS_PER_SEC || test->tick_every > 366 * USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tick_every must be from a second to 366 days, without months"),
				 errhint("It says how often tick() came, for example '1 minute'.")));
	lh_run(&read_known_to, NULL, NULL);
	test->known_to = lh_get_time(0, 1, DT_NOEND);
	if (!lh_get_bool(0, 2))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no history to decide anew"),
				 errdetail("handoff.event is empty."),
				 errhint("Attach sources with handoff.attach(), and let handoff.tick() decide their leads.")));
}

/* The version that is asked about, loaded for us; before anything is decided by it, it must be whole. */
static void
take_version(LhBacktest *test, FunctionCallInfo fcinfo, int arg)
{
	static LhStatement count_errors = {
		"select count(*), min(f.object || ': ' || f.message) from handoff.validate($1) f where f.severity = 'error'", 1, {INT4OID}
	};
	int			version = PG_ARGISNULL(arg) ? 0 : PG_GETARG_INT32(arg);
	Datum		value;

	version = lh_chosen_version(PG_ARGISNULL(arg) ? NULL : &version, NULL);
	value = Int32GetDatum(version);
	lh_run(&count_errors, &value, NULL);
	if (lh_get_bigint(0, 1, 0) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_LH_INVALID_CONTRACT),
				 errmsg("contract %d has errors", version),
				 errdetail("%s", lh_get_text(0, 2)),
				 errhint("SELECT * FROM handoff.validate(%d) lists them.", version)));
	test->candidate = lh_backtest_version(test, version);
	test->contract_name = test->candidate->name;
}

/* Leads ---------------------------------------------------------------------------------------- */

static void
tell(Backtesting *backtesting)
{
	TimestampTz now = GetCurrentTimestamp();

	if (now < backtesting->told_at + TELL_EVERY)
		return;
	backtesting->told_at = now;
	ereport(NOTICE,
			(errcode(ERRCODE_SUCCESSFUL_COMPLETION),
			 errmsg("backtest: " INT64_FORMAT " leads so far, up to \"%s\"", backtesting->nleads, backtesting->after)));
}

/* The replay's rows, copied out of its memory by being formed as tuples. */
static Datum
form_row(const LhBacktestRow *row, TupleDesc desc)
{
	const LhSide *was = &row->was;
	const LhSide *would = &row->would;
	LhRow		columns = {0};
	char	  **reasons = palloc_array(char *, list_length(row->reasons) + 1);
	ListCell   *lc;

	foreach(lc, row->reasons)
		reasons[foreach_current_index(lc)] = lfirst(lc);
	lh_put_text(&columns, row->lead_key);
	lh_put_text(&columns, row->what);
	lh_put_time_unless(&columns, row->at, DT_NOEND);
	lh_put_text(&columns, row->leg);
	lh_put(&columns, Int32GetDatum((int32) row->cycle), row->cycle == 0);
	lh_put_time_unless(&columns, was->at, DT_NOEND);
	lh_put_time_unless(&columns, would->at, DT_NOEND);
	lh_put_text(&columns, was->stage);
	lh_put_text(&columns, would->stage);
	lh_put_text(&columns, was->band);
	lh_put_text(&columns, would->band);
	lh_put(&columns, Int64GetDatum(was->score), !was->has_score);
	lh_put(&columns, Int64GetDatum(would->score), !would->has_score);
	lh_put_text(&columns, was->route);
	lh_put_text(&columns, would->route);
	lh_put_text(&columns, was->target);
	lh_put_text(&columns, would->target);
	lh_put(&columns, BoolGetDatum(row->accepted == 1), row->accepted < 0);
	lh_put(&columns, BoolGetDatum(row->won == 1), row->won < 0);
	lh_put(&columns, BoolGetDatum(row->comparable), false);
	lh_put(&columns, lh_text_array(reasons, list_length(row->reasons)), row->reasons == NIL);
	return HeapTupleGetDatum(heap_form_tuple(desc, columns.values, columns.isnull));
}

static void
replay_lead(Backtesting *backtesting, const LhHistory *history, TupleDesc desc)
{
	MemoryContext lead_cxt = AllocSetContextCreate(CurrentMemoryContext, "lead_handoff replay", ALLOCSET_DEFAULT_SIZES);
	MemoryContext save = MemoryContextSwitchTo(lead_cxt);
	LhReplay	replay;
	List	   *rows;
	ListCell   *lc;

	lh_replay(&replay, &backtesting->test, history);
	rows = lh_replay_rows(&replay);
	MemoryContextSwitchTo(save);
	foreach(lc, rows)
		backtesting->rows = lappend(backtesting->rows, DatumGetPointer(form_row(lfirst(lc), desc)));
	MemoryContextDelete(lead_cxt);
}

/* The next leads; their rows replace those before. */
static void
replay_some(Backtesting *backtesting, TupleDesc desc)
{
	LhBacktest *test = &backtesting->test;
	MemoryContext save = MemoryContextSwitchTo(backtesting->leads_cxt);
	LhHistory  *histories;
	char	   *last = "";
	char	   *after = pstrdup(backtesting->after);
	LhWorld		world;
	int			n;

	lh_enter(&world, true);
	lh_plan_by_key();
	SPI_connect();
	MemoryContextSwitchTo(backtesting->leads_cxt);
	test->zone = NULL;
	n = lh_histories_read(after, test->contract_name, test->until, LEADS_AT_ONCE, &histories, &last);
	for (int i = 0; i < n; i++)
		replay_lead(backtesting, &histories[i], desc);
	SPI_finish();
	lh_leave(&world);
	MemoryContextSwitchTo(save);
	if (n > 0)
		backtesting->after = MemoryContextStrdup(test->mcxt, last);
	backtesting->nleads += n;
	backtesting->at_end = n < LEADS_AT_ONCE;
	if (!backtesting->at_end)
		tell(backtesting);
}

/* False: there is none any more. */
static bool
have_row(Backtesting *backtesting, TupleDesc desc)
{
	while (backtesting->next == list_length(backtesting->rows) && !backtesting->at_end)
	{
		backtesting->rows = NIL;
		backtesting->next = 0;
		MemoryContextReset(backtesting->leads_cxt);
		replay_some(backtesting, desc);
	}
	return backtesting->next < list_length(backtesting->rows);
}

/* The call ------------------------------------------------------------------------------------- */

/* Name of the contract whose versions have decided. */
static void
take_name(LhBacktest *test, FunctionCallInfo fcinfo, int arg)
{
	static LhStatement find_name = {
		"select c.name from handoff.contract c where c.status <> 'draft' and c.name = coalesce($1, "
		"(select n.name from handoff.contract n where n.contract_id = handoff.in_force())) limit 1", 1, {TEXTOID}
	};
	bool		isnull = PG_ARGISNULL(arg);
	Datum		value = isnull ? 0 : PG_GETARG_DATUM(arg);

	if (lh_run(&find_name, &value, &isnull) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_LH_NO_CONTRACT),
				 isnull ? errmsg("no contract is in force, or several are and none is named") :
				 errmsg("no version of a contract \"%s\" has been published", text_to_cstring(DatumGetTextPP(value))),
				 errhint("See table handoff.contract.")));
	test->contract_name = lh_get_text(0, 1);
}

/* Everything up to the first lead, in the current context. */
static Backtesting *
begin(FunctionCallInfo fcinfo, bool as_decided)
{
	Backtesting *backtesting = palloc0_object(Backtesting);
	LhBacktest *test = &backtesting->test;
	LhWorld		world;

	test->mcxt = CurrentMemoryContext;
	backtesting->after = "";
	backtesting->told_at = GetCurrentTimestamp();
	backtesting->leads_cxt = AllocSetContextCreate(CurrentMemoryContext, "lead_handoff backtest", ALLOCSET_DEFAULT_SIZES);
	lh_enter(&world, true);
	SPI_connect();
	MemoryContextSwitchTo(test->mcxt);
	if (as_decided)
		take_name(test, fcinfo, 0);
	else
		take_version(test, fcinfo, 0);
	take_range(test, fcinfo, 1, 2, 4);
	test->all_rows = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	lh_people_read(&test->assign.people, test->known_to);
	SPI_finish();
	lh_leave(&world);
	MemoryContextSwitchTo(test->mcxt);
	return backtesting;
}

static Datum
return_all(FunctionCallInfo fcinfo, bool as_decided)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Backtesting *backtesting;

	InitMaterializedSRF(fcinfo, 0);
	backtesting = begin(fcinfo, as_decided);
	while (have_row(backtesting, rsinfo->setDesc))
	{
		HeapTupleHeader header = (HeapTupleHeader) list_nth(backtesting->rows, backtesting->next++);
		HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header),.t_data = header};

		tuplestore_puttuple(rsinfo->setResult, &tuple);
	}
	return (Datum) 0;
}

static Datum
return_next(FunctionCallInfo fcinfo, bool as_decided)
{
	FuncCallContext *call;
	Backtesting *backtesting;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext save;
		TupleDesc	desc;

		call = SRF_FIRSTCALL_INIT();
		save = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "backtest() returns no rows");
		call->tuple_desc = BlessTupleDesc(desc);
		call->user_fctx = begin(fcinfo, as_decided);
		MemoryContextSwitchTo(save);
	}
	call = SRF_PERCALL_SETUP();
	backtesting = call->user_fctx;
	if (have_row(backtesting, call->tuple_desc))
		SRF_RETURN_NEXT(call, PointerGetDatum(list_nth(backtesting->rows, backtesting->next++)));
	SRF_RETURN_DONE(call);
}

static Datum
backtest(FunctionCallInfo fcinfo, bool as_decided)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	return rsinfo != NULL && IsA(rsinfo, ReturnSetInfo) && (rsinfo->allowedModes & SFRM_Materialize_Preferred) ?
		return_all(fcinfo, as_decided) : return_next(fcinfo, as_decided);
}

/* backtest(version int, since timestamptz, until timestamptz, all_rows boolean, tick_every interval) */
Datum
lh_backtest(PG_FUNCTION_ARGS)
{
	return backtest(fcinfo, false);
}

/* backtest_as_decided(contract text, since .. as above) */
Datum
lh_backtest_as_decided(PG_FUNCTION_ARGS)
{
	return backtest(fcinfo, true);
}
