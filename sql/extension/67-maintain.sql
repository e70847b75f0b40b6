-- sql/extension/67-maintain.sql: what grows, and how long it is kept.
--
-- The log of a lead is never purged. What is deleted here is what no decision and no count asks for any
-- more, as handoff.retention says, so much a call that none takes long: the next one goes on. Rows and
-- tables that somebody holds are stepped over; only for handoff.meta it waits, as long as a tick may hold it.

create function handoff.maintain(
    p_now          timestamptz default clock_timestamp(),
    out activities bigint,
    out deliveries bigint,
    out messages   bigint,
    out analyzed   bigint,
    out job_runs   bigint
) returns record
    language c volatile strict
    as 'MODULE_PATHNAME', 'lh_maintain';
comment on function handoff.maintain(timestamptz) is
    'To be called once a day: deletes what has been kept for longer than handoff.retention says at p_now, and analyzes tables that have changed much. Bounded: what is left over goes with the next call. Returns how many activities, deliveries, messages of the outbox and, of the caller''s, runs of our jobs in pg_cron''s list went, and how many tables were analyzed. Does nothing, and says so, while lead_handoff.enabled is off. Errors: LH031 (this is a copy), 22008 (p_now not finite), LH030 (run setup()).';

create function handoff.maintain_tables(
    p_now          timestamptz,
    out activities bigint,
    out deliveries bigint,
    out messages   bigint,
    out analyzed   bigint
)
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    most   constant int := 100000;    -- rows of a table a call
    before timestamptz;
    tab    record;
begin
    select p_now - r.keep into before from handoff.retention r where r.what = 'activity';
    activities := case when before is null then 0 else handoff.purge_activities(before, 10000, p_now) end;

    select p_now - r.keep into before from handoff.retention r where r.what = 'delivery';
    delete from handoff.delivery d
    where d.ctid = any (array(
        select old.ctid from handoff.delivery old
        where old.state in ('done', 'dead', 'expired') and coalesce(old.done_at, old.visible_at) < before
        limit most for update skip locked));
    get diagnostics deliveries = row_count;

    select p_now - r.keep into before from handoff.retention r where r.what = 'outbox';
    delete from handoff.outbox o
    where o.ctid = any (array(
        select old.ctid from handoff.outbox old
        where old.created_at < before
          and not exists (select from handoff.delivery d where d.lead_key = old.lead_key and d.seq = old.seq and d.n = old.n)
        limit most for update skip locked));
    get diagnostics messages = row_count;
    if messages > 0 then
        update handoff.meta m set outbox_purged_to = greatest(m.outbox_purged_to, before);
    end if;

    -- autovacuum does it as well, where it is on and keeps up
    analyzed := 0;
    for tab in
        select s.relname from pg_stat_all_tables s
        where s.schemaname = 'handoff'
          and s.n_mod_since_analyze > 1000 + case when greatest(s.last_analyze, s.last_autoanalyze) is null then 0 else s.n_live_tup / 5 end
        order by s.relname
    loop
        execute format('analyze (skip_locked) handoff.%I', tab.relname);
        analyzed := analyzed + 1;
    end loop;
end
$$;
comment on function handoff.maintain_tables(timestamptz) is
    'What handoff.maintain() does with the tables of schema handoff, as their owner. Internal.';

create function handoff.purge_job_runs(before timestamptz) returns bigint
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    purged bigint := 0;
begin
    if handoff.sees_cron() then
        execute 'delete from cron.job_run_details d where d.ctid = any (array('
            'select old.ctid from cron.job_run_details old'
            ' where old.username = current_user and old.database = current_database() and old.end_time < $1'
            ' and old.command in (select command from handoff.job_commands()) limit 100000))'
            using before;
        get diagnostics purged = row_count;
    end if;
    return purged;
end
$$;
comment on function handoff.purge_job_runs(timestamptz) is
    'Deletes what pg_cron noted of runs of tick() and maintain() that ended before a moment; of the caller''s own jobs. How many. Internal to maintain().';

revoke all on function handoff.maintain(timestamptz) from public;
revoke all on function handoff.maintain_tables(timestamptz) from public;
revoke all on function handoff.purge_job_runs(timestamptz) from public;
