-- sql/schema/90-views.sql: views over everything, for people and BI tools.
--
-- A view may only get new columns, at its end; a function that a view calls is frozen.

create view handoff.source_health as
select s.name,
       s.kind,
       s.capture,
       s.attached_at,
       rel.oid is not null as table_exists,
       (select count(*) from pg_catalog.pg_trigger t
        where t.tgrelid = rel.oid and starts_with(t.tgname, 'lh_capture_')
          and not t.tgisinternal and t.tgenabled = 'A')::int as triggers,
       s.key_indexed,
       (select count(*) from handoff.contract c
        where c.status = 'published' and c.name = coalesce(s.contract, c.name)) = 1 as contract_in_force,
       (select count(*) from handoff.inbox i where i.source = s.name) as waiting,
       (select min(i.at) from handoff.inbox i where i.source = s.name) as waiting_since,
       (select count(*) from handoff.quarantine q where q.source = s.name) as quarantined,
       case s.kind
           when 'lead' then (select count(*) from handoff.lead l where l.source = s.name)
           when 'activity' then (select count(*) from handoff.activity a where a.source = s.name)
       end as known_rows
from handoff.source s
-- by the catalog: to_regclass() asks for usage of the schema
left join (pg_catalog.pg_class rel join pg_catalog.pg_namespace n on n.oid = rel.relnamespace)
    on n.nspname = s.schema_name and rel.relname = s.table_name and rel.relkind in ('r', 'p');
comment on view handoff.source_health is 'How each attached table is doing: is it there, is it watched, what waits. One row a source.';
comment on column handoff.source_health.name is 'handoff.source.name.';
comment on column handoff.source_health.kind is 'lead, activity ..';
comment on column handoff.source_health.capture is 'statement or row triggers.';
comment on column handoff.source_health.attached_at is 'When it was attached.';
comment on column handoff.source_health.table_exists is 'A table of that name is there.';
comment on column handoff.source_health.triggers is 'Capture triggers that are enabled always: 4 for statement capture, 2 for row capture.';
comment on column handoff.source_health.key_indexed is 'An index begins with its key.';
comment on column handoff.source_health.contract_in_force is 'One contract is in force that decides its leads; otherwise its rows wait.';
comment on column handoff.source_health.waiting is 'Rows in the inbox.';
comment on column handoff.source_health.waiting_since is 'Capture time of the oldest of them; NULL: none.';
comment on column handoff.source_health.quarantined is 'Rows in quarantine.';
comment on column handoff.source_health.known_rows is 'Leads or activities that came from it.';

create view handoff.journey as
select c.name as contract,
       s.position,
       s.name as stage,
       s.owner,
       (select string_agg(format('%s -> %s%s', t.event, t.to_stage, coalesce(' (leg ' || t.leg || ')', '')), ', ' order by t.ord)
        from handoff.transition t
        where t.contract_id = s.contract_id and t.from_stage = s.name) as ways_out,
       (select count(*) from handoff.lead l
        where l.stage = s.name and l.deleted_at is null
          and l.contract_id in (select v.contract_id from handoff.contract v where v.name = c.name)) as leads,
       coalesce(h.entered, 0) as entered,
       coalesce(h.left_it, 0) as left_it,
       h.median_stay_seconds
from handoff.contract c
join handoff.stage s on s.contract_id = c.contract_id
left join lateral (
    select count(*) as entered,
           count(h.left_at) as left_it,
           extract(epoch from percentile_cont(0.5) within group (order by h.left_at - h.entered_at)
                   filter (where h.left_at is not null))::numeric(20, 0) as median_stay_seconds
    from handoff.stage_history h
    where h.stage = s.name
) h on true
where c.status = 'published';
comment on view handoff.journey is 'The map of each contract in force: one row a stage, with who owns it, where it leads, who is there.';
comment on column handoff.journey.contract is 'Name of the contract.';
comment on column handoff.journey.position is 'Place of the stage in the journey.';
comment on column handoff.journey.stage is 'Stage.';
comment on column handoff.journey.owner is 'Who owns leads there: marketing, sales, none.';
comment on column handoff.journey.ways_out is 'Transitions out of it: event -> stage, with the leg that is passed.';
comment on column handoff.journey.leads is 'Leads in it now.';
comment on column handoff.journey.entered is 'Stays begun in it, ever.';
comment on column handoff.journey.left_it is 'Stays that have ended.';
comment on column handoff.journey.median_stay_seconds is 'Median length in seconds of the stays that have ended; NULL: none has.';
