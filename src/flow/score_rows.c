/*
 * src/flow/score_rows.c
 *
 * score_rows(source): every row of a synced table scored, in a query, by any version of the contract.
 *
 * Fit comes from the row, read as the caller (stream.c).  Intent hangs on activities, and is what the
 * lead's newest decision left: those of the source's leads that have any are loaded into a hash table
 * at the start, as points at the moment asked about.  Points folded with another half-life than the
 * version's can't be told: such a lead's intent is null, and so are score and band.
 *
 * In FROM the whole answer goes into the tuplestore that PostgreSQL would make anyway.  In the list of
 * a SELECT rows are returned one a call, and read from the table some at a time: entering the world of
 * a decision and the executor costs more than a row.
 *
 * Between two calls anything may happen in the session, such as a tick under another now.  So the
 * stream has a contract of its own and not the one that the session keeps.
 */
#include "flow/scorer.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "flow/score_accounts.h"
#include "flow/stream.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "sql.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_score_rows);

/* Rows read at once when they are returned one a call: few at first, for there may be a LIMIT. */
#define FIRST_ROWS		64
#define ROWS_AT_ONCE	1024

/* Leads read at once from handoff.lead. */
#define LEADS_AT_ONCE	1000

/* The points of one lead. */
typedef struct Intent
{
	const char *lead_key;		/* NULL: a free entry */
	uint32		hash;
	char		status;
	bool		known;			/* folded with the half-life of the version asked for */
	double		points;
} Intent;

#define SH_PREFIX intent
#define SH_ELEMENT_TYPE Intent
#define SH_KEY_TYPE const char *
#define SH_KEY lead_key
#define SH_HASH_KEY(tb, key) hash_bytes((const unsigned char *) key, strlen(key))
#define SH_EQUAL(tb, a, b) (strcmp(a, b) == 0)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, entry) (entry)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* One row of the answer. */
typedef struct ScoredRow
{
	Datum		lead_key;
	int64		fit;
	bool		has_intent;
	double		intent;
	int64		score;
	int			band;
} ScoredRow;

/* One call of score_rows(), until its last row. */
typedef struct Scoring
{
	LhSource   *source;
	LhContract *contract;
	LhScorer   *scorer;
	int			nfields;		/* that are read */
	int		   *fields;			/* their positions among a lead's */
	intent_hash *intents;
	LhAccountTable *accounts;	/* NULL: no rule asks for any */
	Datum	   *bands;			/* their names */
	Datum		no_intent;		/* 0 as numeric */
	LhStream   *stream;

	/* in FROM */
	ReturnSetInfo *all;			/* NULL: one row a call */

	/* one row a call */
	MemoryContext rows_cxt;		/* reset before rows are read */
	ScoredRow	rows[ROWS_AT_ONCE];
	int			nrows;
	int			next;
	int			at_once;		/* how many are to be read next */
} Scoring;

/* Intent ----------------------------------------------------------------------------------- */

static void
take_intents(Scoring *scoring, MemoryContext mcxt)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *lead_key = lh_get_text(i, 1);
		bool		known = lh_get_bool(i, 2);
		bool		isnull;
		Datum		points = lh_get(i, 3, &isnull);
		bool		found;
		Intent	   *intent;

		CHECK_FOR_INTERRUPTS();
		intent = intent_insert(scoring->intents, MemoryContextStrdup(mcxt, lead_key), &found);
		intent->known = known;
		intent->points = DatumGetFloat8(points);
		pfree(lead_key);
	}
}

/* Points of the source's leads that have any, seen by the snapshot of the query around us. */
static void
load_intents(Scoring *scoring, TimestampTz at)
{
	static const char sql[] =
		"select lead_key, half_life is not distinct from $2, handoff.points(intent, $3, half_life) "
		"from handoff.lead where source = $1 and intent operator(handoff.<>) '0' and deleted_at is null";
	Oid			types[3] = {TEXTOID, INTERVALOID, TIMESTAMPTZOID};
	Datum		values[3] = {
		CStringGetTextDatum(scoring->source->name),
		IntervalPGetDatum(scoring->contract->half_life_interval),
		TimestampTzGetDatum(at)
	};
	char		nulls[4] = {' ', scoring->contract->half_life_interval == NULL ? 'n' : ' ', ' ', '\0'};
	MemoryContext mcxt = CurrentMemoryContext;
	Portal		portal = SPI_cursor_open_with_args(NULL, sql, 3, types, values, nulls, true, 0);

	scoring->intents = intent_create(mcxt, 64, NULL);
	do
	{
		SPI_cursor_fetch(portal, true, LEADS_AT_ONCE);
		take_intents(scoring, mcxt);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	MemoryContextSwitchTo(mcxt);
	if (scoring->intents->members == 0)
		scoring->intents = NULL;
}

/* The lead's points; false: they can't be told. */
static bool
intent_of(const Scoring *scoring, const char *lead_key, double *points)
{
	const Intent *intent = scoring->intents == NULL ? NULL : intent_lookup(scoring->intents, lead_key);

	*points = intent == NULL ? 0 : intent->points;
	return intent == NULL || intent->known;
}

/* Rows ------------------------------------------------------------------------------------- */

/*
 * A value as rules find it quickest.  They take any, and copy one that is toasted or, of a number, packed;
 * that is better done once than by each rule that asks.
 */
static Datum
unpacked(LhType type, Datum value)
{
	switch (type)
	{
		case LH_TEXT:
			return PointerGetDatum(PG_DETOAST_DATUM_PACKED(value));
		case LH_NUMERIC:
		case LH_TEXT_ARRAY:
			return PointerGetDatum(PG_DETOAST_DATUM(value));
		default:
			return value;
	}
}

static void
read_fields(Scoring *scoring, const Datum *values, const bool *isnull)
{
	LhFields   *row = scoring->scorer->row;

	for (int i = 0; i < scoring->nfields; i++)
	{
		int			field = scoring->fields[i];

		row->isnull[field] = isnull[i];
		if (!isnull[i])
			row->values[field] = unpacked(row->set->fields[field].type, values[i]);
	}
}

static void
form_values(const Scoring *scoring, const ScoredRow *row, Datum *values, bool *isnull)
{
	memset(isnull, false, 5 * sizeof(bool));
	values[0] = row->lead_key;
	values[1] = Int64GetDatum(row->fit);
	isnull[2] = isnull[3] = !row->has_intent;
	values[2] = row->intent == 0 ? scoring->no_intent :
		DirectFunctionCall1(float8_numeric, Float8GetDatum(row->intent));
	values[3] = Int64GetDatum(row->score);
	isnull[4] = !row->has_intent || row->band < 0;
	values[4] = row->band < 0 ? (Datum) 0 : scoring->bands[row->band];
}

static Datum
key_datum(const Scoring *scoring, const char *raw_key, MemoryContext mcxt)
{
	Size		prefix = strlen(scoring->source->key_prefix);
	Size		len;
	text	   *key;

	if (scoring->source->salesforce_ids)
		raw_key = lh_source_id(scoring->source, raw_key);
	len = strlen(raw_key);
	key = MemoryContextAlloc(mcxt, VARHDRSZ + prefix + len);
	SET_VARSIZE(key, VARHDRSZ + prefix + len);
	memcpy(VARDATA(key), scoring->source->key_prefix, prefix);
	memcpy(VARDATA(key) + prefix, raw_key, len);
	return PointerGetDatum(key);
}

/* A LhStreamTaker: values[0] tells whether the row is marked deleted, behind it are the fields. */
static void
take_row(void *arg, const char *raw_key, const Datum *values, const bool *isnull)
{
	Scoring    *scoring = arg;
	const LhScore *score = scoring->scorer->score;
	MemoryContext mcxt = scoring->all ? CurrentMemoryContext : scoring->rows_cxt;
	ScoredRow	row;
	double		points = 0;

	/* what the drain would not take for a lead is none here */
	if (raw_key == NULL || (!isnull[0] && DatumGetBool(values[0])))
		return;
	row.lead_key = key_datum(scoring, raw_key, mcxt);
	row.has_intent = scoring->intents == NULL ||
		intent_of(scoring, TextDatumGetCString(row.lead_key), &points);
	read_fields(scoring, values + 1, isnull + 1);
	if (scoring->accounts != NULL)
		lh_account_table_fill(scoring->accounts, row.lead_key, scoring->scorer->row);
	lh_scorer_run(scoring->scorer, points);
	row.fit = score->fit;
	row.intent = score->intent_points;
	row.score = score->score;
	row.band = score->band;
	if (scoring->all)
	{
		Datum		result[5];
		bool		nulls[5];

		form_values(scoring, &row, result, nulls);
		tuplestore_putvalues(scoring->all->setResult, scoring->all->setDesc, result, nulls);
	}
	else
		scoring->rows[scoring->nrows++] = row;
}

/* The call --------------------------------------------------------------------------------- */

static LhSource *
find_source(const char *name)
{
	LhSource   *source = lh_source_load(name);

	if (source == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("source \"%s\" does not exist", name),
				 errhint("SELECT name FROM handoff.source WHERE kind = 'lead' lists those that can be scored.")));
	if (!lh_source_is(source, "lead"))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("source \"%s\" has no leads to score", name),
				 errdetail("Its rows are of kind %s.", source->kind)));
	return source;
}

static void
find_fields(Scoring *scoring)
{
	const LhContract *contract = scoring->contract;

	scoring->fields = palloc_array(int, Max(contract->nmapped, 1));
	for (int i = 0; i < contract->nmapped; i++)
	{
		if (scoring->scorer->asked[i])
			scoring->fields[scoring->nfields++] = i;
	}
	scoring->bands = palloc_array(Datum, Max(contract->nbands, 1));
	for (int i = 0; i < contract->nbands; i++)
		scoring->bands[i] = CStringGetTextDatum(contract->bands[i].name);
	scoring->no_intent = NumericGetDatum(int64_to_numeric(0));
}

/* Everything up to the first row, in the current context: our tables as ourselves, then his as him. */
static Scoring *
begin_scoring(FunctionCallInfo fcinfo)
{
	Scoring    *scoring = palloc0_object(Scoring);
	MemoryContext mcxt = CurrentMemoryContext;
	int			version = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT32(1);
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	TimestampTz at;
	LhWorld		world;

	lh_enter(&world, true);
	SPI_connect();
	MemoryContextSwitchTo(mcxt);
	at = PG_ARGISNULL(2) ? lh_view_time_now() : PG_GETARG_TIMESTAMPTZ(2);
	scoring->source = find_source(name);
	version = lh_chosen_version(PG_ARGISNULL(1) ? NULL : &version, scoring->source->contract_name);
	scoring->contract = lh_contract_load(version);
	scoring->source->contract = scoring->contract;
	lh_set_zone(scoring->contract->zone);
	scoring->scorer = lh_scorer_create(scoring->contract, at);
	find_fields(scoring);
	load_intents(scoring, at);
	if (scoring->scorer->asks_account)
		scoring->accounts = lh_account_table_load(scoring->contract, scoring->source);
	SPI_finish();
	lh_leave(&world);
	MemoryContextSwitchTo(mcxt);

	scoring->stream = lh_stream_open(scoring->source, scoring->scorer->asked, scoring->contract->zone,
									 take_row, scoring);
	return scoring;
}

static Datum
score_all(FunctionCallInfo fcinfo)
{
	Scoring    *scoring;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	scoring = begin_scoring(fcinfo);
	scoring->all = (ReturnSetInfo *) fcinfo->resultinfo;
	lh_stream_pull(scoring->stream, 0);
	lh_stream_close(scoring->stream);
	return (Datum) 0;
}

static void
end_scoring(Datum arg)
{
	Scoring    *scoring = (Scoring *) DatumGetPointer(arg);

	lh_stream_close(scoring->stream);
}

static void
first_call(FunctionCallInfo fcinfo, FuncCallContext *call)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext save = MemoryContextSwitchTo(call->multi_call_memory_ctx);
	TupleDesc	desc;
	Scoring    *scoring;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "score_rows() returns no rows");
	call->tuple_desc = BlessTupleDesc(desc);
	scoring = begin_scoring(fcinfo);
	scoring->rows_cxt = AllocSetContextCreate(CurrentMemoryContext, "lead_handoff scored rows",
											  ALLOCSET_DEFAULT_SIZES);
	scoring->at_once = FIRST_ROWS;
	call->user_fctx = scoring;
	RegisterExprContextCallback(rsinfo->econtext, end_scoring, PointerGetDatum(scoring));
	MemoryContextSwitchTo(save);
}

/* Read on until there is a row to return; false: there is none any more. */
static bool
have_row(Scoring *scoring)
{
	bool		more = true;

	while (scoring->next == scoring->nrows && more)
	{
		MemoryContextReset(scoring->rows_cxt);
		scoring->nrows = scoring->next = 0;
		more = lh_stream_pull(scoring->stream, scoring->at_once);
		scoring->at_once = Min(scoring->at_once * 2, ROWS_AT_ONCE);
	}
	return scoring->next < scoring->nrows;
}

Datum
lh_score_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FuncCallContext *call;
	Scoring    *scoring;

	if (rsinfo != NULL && IsA(rsinfo, ReturnSetInfo) && (rsinfo->allowedModes & SFRM_Materialize_Preferred))
		return score_all(fcinfo);

	if (SRF_IS_FIRSTCALL())
	{
		call = SRF_FIRSTCALL_INIT();
		if (!PG_ARGISNULL(0))
			first_call(fcinfo, call);
	}
	call = SRF_PERCALL_SETUP();
	scoring = call->user_fctx;
	if (scoring != NULL && have_row(scoring))
	{
		Datum		values[5];
		bool		isnull[5];

		form_values(scoring, &scoring->rows[scoring->next++], values, isnull);
		SRF_RETURN_NEXT(call, HeapTupleGetDatum(heap_form_tuple(call->tuple_desc, values, isnull)));
	}
	if (scoring != NULL)
	{
		UnregisterExprContextCallback(rsinfo->econtext, end_scoring, PointerGetDatum(scoring));
		lh_stream_close(scoring->stream);
	}
	SRF_RETURN_DONE(call);
}
