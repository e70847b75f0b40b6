-- sql/extension/42-requeue.sql: what publish() asks of sources and leads.

create function handoff.refresh_mappings(contract text) returns void
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    update handoff.source s
    set mapping = found.mapping || s.mapping,
        guard_columns = null -- until tick() has seen to it that nobody writes
    from (
        select o.name, handoff.guess_mapping(handoff.source_table(o.name), o.kind, o.contract) as mapping
        from handoff.source o
        where coalesce(o.contract, $1) = $1
    ) found
    where found.name = s.name and found.mapping || s.mapping <> s.mapping
$$;
comment on function handoff.refresh_mappings(text) is
    'Maps columns of attached tables to what a contract declares and nothing was mapped to yet, by their names. Internal to publish().';

create function handoff.requeue_leads(contract text, from_share numeric default 0, to_share numeric default 1) returns bigint
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.refresh_mappings($1);
    with again as (
        insert into handoff.inbox (source, raw_key, op, xid, at)
        select l.source, l.raw_key, 'R', pg_current_xact_id(), clock_timestamp()
        from handoff.lead l
        join handoff.source s on s.name = l.source
        cross join lateral (select handoff.traffic_bucket($1, coalesce(l.account_key, l.person_key, l.lead_key)) as bucket) b
        where l.deleted_at is null and coalesce(s.contract, $1) = $1
          and (($2 = 0 and $3 = 1)
               or (b.bucket >= $2 and b.bucket < $3))
        returning 1
    )
    select count(*) from again
$$;
comment on function handoff.requeue_leads(text, numeric, numeric) is
    'Queues every lead that a contract decides to be decided again, or those whose traffic_bucket() is from from_share up to to_share; how many.';

create function handoff.map_stages(version int, stage_map jsonb) returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    moment timestamptz := clock_timestamp();
    moved  bigint;
begin
    with moving as (
        select l.lead_key, l.stage as from_stage, s.name as to_stage, s.owner, s.max_age, c.reporting_zone,
               greatest(moment, l.decided_at) as at
        from handoff.lead l
        join handoff.contract old on old.contract_id = l.contract_id
        join handoff.contract c on c.contract_id = map_stages.version and c.name = old.name
        join handoff.stage s on s.contract_id = map_stages.version and s.name = stage_map ->> l.stage
        where l.deleted_at is null and s.name <> l.stage
        order by l.lead_key
        for update of l
    ), lead_moved as (
        update handoff.lead l
        set stage = m.to_stage, stage_since = m.at, decided_at = m.at, last_seq = l.last_seq + 1
        from moving m where m.lead_key = l.lead_key
        returning l.lead_key, l.last_seq, l.contract_id, l.cycle, m.from_stage, m.to_stage, m.owner, m.max_age, m.reporting_zone, m.at
    ), logged as (
        insert into handoff.event (lead_key, seq, at, recorded_at, type, contract_id, cycle, actor, detail)
        select lead_key, last_seq, at, moment, 'stage', contract_id, cycle, 'contract',
               jsonb_build_object('from', from_stage, 'to', to_stage, 'event', 'contract')
        from lead_moved
    ), ended as (
        update handoff.stage_history h set left_at = m.at
        from lead_moved m where h.lead_key = m.lead_key and h.left_at is null
    ), begun as (
        insert into handoff.stage_history (lead_key, seq, stage, owner, contract_id, entered_at, month, consistent)
        select lead_key, last_seq, to_stage, owner, map_stages.version, at, date_trunc('month', at at time zone reporting_zone)::date, true
        from lead_moved
    ), stopped as (
        delete from handoff.clock k using lead_moved m
        where k.lead_key = m.lead_key and k.handoff_no = 0 and k.kind = 'stage_age' and k.name <> m.to_stage
    ), started as (
        insert into handoff.clock (lead_key, kind, name, started_at, due_at, next_at)
        select lead_key, 'stage_age', to_stage, at, d.due_at, d.due_at
        from lead_moved,
             lateral (select (at at time zone reporting_zone + max_age) at time zone reporting_zone as due_at) d
        where max_age is not null
        on conflict (lead_key, handoff_no, kind, name, n) do update
        set started_at = excluded.started_at, due_at = excluded.due_at, next_at = excluded.next_at
    )
    select count(*) into moved from lead_moved;
    return moved;
end
$$;
comment on function handoff.map_stages(int, jsonb) is
    'Moves leads out of stages that a new version does not have: {"old stage": "new stage"}. Each move is an event. Returns how many.';

revoke all on function handoff.refresh_mappings(text) from public;
revoke all on function handoff.requeue_leads(text, numeric, numeric) from public;
revoke all on function handoff.map_stages(int, jsonb) from public;
