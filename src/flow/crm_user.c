/*
 * src/flow/crm_user.c
 *
 * Users of the CRM, and what becomes of them: reps.
 *
 * A user's row is kept in handoff.crm_user.  What it changes for the rep who the user is, if he is one,
 * is written by follow_users(): people are few, and every change of theirs is in operation_log.  That a
 * rep becomes inactive is not decided row by row: confirm_leavers() looks at all whose users have gone
 * since, and holds it if they are too many, since a sync that lost its filter looks like everybody
 * leaving at once.
 *
 * Who is no person (an integration, an automated process) is kept too: so his touches don't count.
 */
#include "flow/intake.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static LhStatement upsert_users = {
	"insert into handoff.crm_user as c (crm_id, name, email, zone, active, manager, chat_id, human, version, source, raw_key, seen_at) "
	"select u.crm_id, u.name, u.email, u.zone, u.active, u.manager, u.chat_id, u.human, u.version, u.source, u.raw_key, u.seen_at "
	"from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "
	"as u(crm_id, name, email, zone, active, manager, chat_id, human, version, source, raw_key, seen_at) "
	"on conflict (crm_id) do update set name = excluded.name, email = excluded.email, zone = excluded.zone, "
	"active = excluded.active, manager = excluded.manager, chat_id = excluded.chat_id, human = excluded.human, "
	"version = excluded.version, source = excluded.source, raw_key = excluded.raw_key, deleted_at = null "
	"where (c.version is null or excluded.version is null or excluded.version >= c.version) "
	"and (c.deleted_at is not null or (c.name, c.email, c.zone, c.active, c.manager, c.chat_id, c.human, c.version) is distinct from "
	"(excluded.name, excluded.email, excluded.zone, excluded.active, excluded.manager, excluded.chat_id, excluded.human, excluded.version))",
	12,
	{
		TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, BOOLARRAYOID, TEXTARRAYOID, TEXTARRAYOID, BOOLARRAYOID,
		TIMESTAMPTZARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID
	}
};

/* Of a row that is marked as deleted the version counts as that of any other. */
static LhStatement delete_users = {
	"update handoff.crm_user c set deleted_at = coalesce(c.deleted_at, u.at), version = greatest(c.version, u.version) "
	"from unnest($1, $2, $3) as u(crm_id, version, at) where c.crm_id = u.crm_id "
	"and (c.version is null or u.version is null or u.version >= c.version)",
	3, {TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID}
};

static LhStatement follow_users = {
	"select handoff.follow_users($1, $2)", 2, {TEXTARRAYOID, TIMESTAMPTZOID}
};

static LhStatement confirm_leavers = {
	"select handoff.confirm_leavers($1)", 1, {TIMESTAMPTZOID}
};

/* crm_id, name, email, zone, active, manager, chat_id, human, version; who says nothing is an active person */
void
lh_user_values(const LhSource *source, const char *raw_key, const LhSourceRow *row, Datum *values, bool *isnull)
{
	static const char *const fields[] = {
		"name", "email", "zone", "active", "manager", "chat_id", "human"
	};

	values[0] = CStringGetTextDatum(lh_source_id(source, raw_key));
	isnull[0] = false;
	for (int i = 0; i < lengthof(fields); i++)
	{
		int			field = lh_fieldset_find(row->row->set, fields[i]);

		values[i + 1] = row->row->values[field];
		isnull[i + 1] = row->row->isnull[field];
		if (isnull[i + 1] && row->row->set->fields[field].type == LH_BOOLEAN)
		{
			values[i + 1] = BoolGetDatum(true);
			isnull[i + 1] = false;
		}
	}
	values[8] = TimestampTzGetDatum(row->version);
	isnull[8] = row->version == DT_NOBEGIN;
}

void
lh_take_users(LhBatch *batch, LhSourceItems *group)
{
	const LhSource *source = group->source;
	LhSourceRow *rows;
	LhRows		kept;
	LhRows		gone;
	char	  **keys;
	Datum		values[2] = {0, TimestampTzGetDatum(batch->now)};

	lh_keep_locked(group, "user");
	rows = lh_read_group(batch, group);
	keys = palloc_array(char *, group->n + 1);
	lh_rows_begin(&kept, &upsert_users);
	lh_rows_begin(&gone, &delete_users);
	for (int i = 0; i < group->n; i++)
	{
		Datum		user[LH_USER_COLUMNS + 3];
		bool		isnull[LH_USER_COLUMNS + 3] = {false};

		group->items[i]->done = true;
		keys[i] = lh_source_id(source, group->raw_keys[i]);
		if (!rows[i].present)
		{
			lh_add_gone(&gone, keys[i], &rows[i], batch->now);
			continue;
		}
		lh_user_values(source, group->raw_keys[i], &rows[i], user, isnull);
		user[LH_USER_COLUMNS] = CStringGetTextDatum(source->name);
		user[LH_USER_COLUMNS + 1] = CStringGetTextDatum(group->raw_keys[i]);
		user[LH_USER_COLUMNS + 2] = TimestampTzGetDatum(group->items[i]->at);
		lh_rows_add(&kept, user, isnull);
	}
	lh_rows_flush(&kept);
	lh_rows_flush(&gone);
	if (group->n == 0)
		return;
	values[0] = lh_text_array(keys, group->n);
	lh_run(&follow_users, values, NULL);
	batch->users = true;
}

void
lh_confirm_leavers(TimestampTz now)
{
	Datum		value = TimestampTzGetDatum(now);

	lh_run(&confirm_leavers, &value, NULL);
}
