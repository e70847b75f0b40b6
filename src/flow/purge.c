/*
 * src/flow/purge.c
 *
 * purge_activities(older_than): activities that nothing will ask for again go; what they gave to the
 * intent of their lead stays as a checkpoint.
 *
 * A lead is purged under its lock, and only as far as no signal, open handoff or booking needs its
 * activities (horizon.c).  Nothing that has been decided changes by it: the fold goes on from the
 * checkpoint to the same bits.
 */
#include "flow/batch.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "flow/drain.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define CHUNK	200				/* leads locked and read together */

PG_FUNCTION_INFO_V1(lh_purge_activities);

static LhStatement find_old = {
	"select l.lead_key from handoff.lead l where l.lead_key > $2 and exists "
	"(select from handoff.activity a where a.lead_key = l.lead_key and a.at <= $1 and a.at > coalesce(l.purged_to, '-infinity')) "
	"order by l.lead_key limit $3",
	3, {TIMESTAMPTZOID, TEXTOID, INT8OID}
};

static LhStatement write_checkpoints = {
	"insert into handoff.intent_checkpoint (lead_key, at, contract_id, half_life, groups, heats) "
	"select u.lead_key, u.at, u.contract_id, u.half_life, u.groups::text[], u.heats::handoff.heat[] "
	"from unnest($1, $2, $3, $4, $5, $6) as u(lead_key, at, contract_id, half_life, groups, heats) "
	"on conflict (lead_key) do update set at = excluded.at, contract_id = excluded.contract_id, "
	"half_life = excluded.half_life, groups = excluded.groups, heats = excluded.heats",
	6, {TEXTARRAYOID, TIMESTAMPTZARRAYOID, INT4ARRAYOID, INTERVALARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

static LhStatement mark_purged = {
	"update handoff.lead l set purged_to = u.at from unnest($1, $2) as u(lead_key, at) where l.lead_key = u.lead_key",
	2, {TEXTARRAYOID, TIMESTAMPTZARRAYOID}
};

static LhStatement delete_old = {
	"delete from handoff.activity a using unnest($1, $2) as u(lead_key, at) "
	"where a.lead_key = u.lead_key and a.at <= u.at",
	2, {TEXTARRAYOID, TIMESTAMPTZARRAYOID}
};

static LhStatement delete_past = {
	"delete from handoff.activity_past p using unnest($1, $2) as u(lead_key, at) "
	"where p.lead_key = u.lead_key and p.at <= u.at",
	2, {TEXTARRAYOID, TIMESTAMPTZARRAYOID}
};

typedef struct Purge
{
	TimestampTz older_than;
	TimestampTz now;
	LhRows		checkpoints;
	LhRows		marks;
	LhRows		past;
	LhRows		deletes;
} Purge;

static Datum
array_text(Oid type, Datum *values, int n)
{
	return CStringGetTextDatum(OidOutputFunctionCall(F_ARRAY_OUT, lh_array(type, values, n)));
}

/* Fold the activities of a lead up to a moment, and note what is to be written. */
static void
purge_lead(Purge *purge, LhLead *lead, const LhActivities *all)
{
	const LhContract *contract = lh_contract(lead->contract_id);
	LhScore    *score = lh_score_create(contract);
	LhFold		start = lh_fold_anew(contract, lead);
	TimestampTz never = DT_NOEND;
	TimestampTz to;
	LhActivity *activities;
	Datum	   *groups = palloc_array(Datum, Max(contract->nintent_groups, 1));
	Datum	   *heats = palloc_array(Datum, Max(contract->nintent_groups, 1));
	Datum		values[6];
	bool		isnull[6] = {false};
	int			n;

	lh_set_zone(contract->zone);
	lh_contract_set_now(contract, purge->now);
	to = Min(purge->older_than, lh_purgeable_to(contract, lead, Max(purge->now, lead->decided_at)));
	n = lh_activities_of(all, lead->lead_key, contract, &activities);
	while (n > 0 && activities[n - 1].at > to)
		n--;
	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
		lh_judge_activity(contract, &activities[i], &never);
	lh_score_intent(contract, activities, n, &start, to, score, NULL);

	for (int g = 0; g < contract->nintent_groups; g++)
	{
		groups[g] = CStringGetTextDatum(contract->intent_groups[g].name);
		heats[g] = CStringGetTextDatum(lh_heat_text(score->fold.heats[g]));
	}
	values[0] = CStringGetTextDatum(lead->lead_key);
	values[1] = TimestampTzGetDatum(to);
	lh_rows_add(&purge->marks, values, NULL);
	lh_rows_add(&purge->past, values, NULL);
	lh_rows_add(&purge->deletes, values, NULL);
	values[2] = Int32GetDatum(contract->contract_id);
	values[3] = IntervalPGetDatum(contract->half_life_interval);
	isnull[3] = contract->half_life_interval == NULL;
	values[4] = array_text(TEXTOID, groups, contract->nintent_groups);
	values[5] = array_text(TEXTOID, heats, contract->nintent_groups);
	lh_rows_add(&purge->checkpoints, values, isnull);
}

/* Purge the leads named, as far as nobody else holds them; how many activities went. */
static int64
purge_chunk(Purge *purge, char *const *keys, int n)
{
	LhLead	   *leads;
	int			nleads = lh_leads_read(keys, n, LH_LOCK_TRY, &leads);
	char	  **locked = palloc_array(char *, nleads + 1);
	TimestampTz *since = palloc_array(TimestampTz, nleads + 1);
	LhActivities *all;

	for (int i = 0; i < nleads; i++)
	{
		locked[i] = leads[i].lead_key;
		since[i] = leads[i].checkpoint == NULL ? DT_NOBEGIN : leads[i].checkpoint->at;
	}
	all = lh_activities_read(locked, since, nleads, DT_NOEND);
	lh_rows_begin(&purge->checkpoints, &write_checkpoints);
	lh_rows_begin(&purge->marks, &mark_purged);
	lh_rows_begin(&purge->past, &delete_past);
	lh_rows_begin(&purge->deletes, &delete_old);
	for (int i = 0; i < nleads; i++)
	{
		CHECK_FOR_INTERRUPTS();
		purge_lead(purge, &leads[i], all);
	}
	lh_rows_flush(&purge->checkpoints);
	lh_rows_flush(&purge->marks);
	lh_rows_flush(&purge->past);
	return lh_rows_flush(&purge->deletes);
}

static int64
purge_all(Purge *purge, int64 qty)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext mcxt = AllocSetContextCreate(caller, "lead_handoff purge", ALLOCSET_DEFAULT_SIZES);
	char	   *last = pstrdup("");
	int64		purged = 0;
	int			n = CHUNK;

	while (n == CHUNK && qty > 0)
	{
		Datum		values[3];
		char	  **keys;

		MemoryContextReset(mcxt);
		MemoryContextSwitchTo(mcxt);
		values[0] = TimestampTzGetDatum(purge->older_than);
		values[1] = CStringGetTextDatum(last);
		values[2] = Int64GetDatum(Min(qty, CHUNK));
		n = lh_run(&find_old, values, NULL);
		keys = palloc_array(char *, n + 1);
		for (int i = 0; i < n; i++)
			keys[i] = lh_get_text(i, 1);
		qty -= n;
		if (n > 0)
		{
			last = MemoryContextStrdup(caller, keys[n - 1]);
			purged += purge_chunk(purge, keys, lh_sort_unique(keys, n));
		}
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(mcxt);
	return purged;
}

/* purge_activities(older_than timestamptz, qty int, p_now timestamptz) returns bigint */
Datum
lh_purge_activities(PG_FUNCTION_ARGS)
{
	Purge		purge = {.older_than = PG_GETARG_TIMESTAMPTZ(0),.now = PG_GETARG_TIMESTAMPTZ(2)};
	int			qty = PG_GETARG_INT32(1);
	int64		purged = 0;
	LhWorld		world;

	if (TIMESTAMP_NOT_FINITE(purge.older_than) || TIMESTAMP_NOT_FINITE(purge.now))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("older_than and p_now must be finite")));
	if (qty < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("qty must be positive")));
	lh_enter(&world, true);
	lh_plan_by_key();
	SPI_connect();
	lh_check_schema();
	if (lh_lock_deciding())
		purged = purge_all(&purge, qty);
	SPI_finish();
	lh_leave(&world);
	PG_RETURN_INT64(purged);
}
