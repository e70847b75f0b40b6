-- Swap: what sync tools do to the tables themselves, and that it never stops them nor loses a row. Every
-- case ends with a reconcile that finds nothing to do, and a doctor without errors.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
set client_min_messages = error;
set timezone = 'UTC';
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
    perform handoff.setup();
    perform handoff.import('{"format": 1, "contract": {"reporting_zone": "UTC"},
        "field": [{"of": "lead", "name": "company", "type": "text"}, {"of": "lead", "name": "employees", "type": "bigint"}],
        "stage": [{"name": "lead", "position": 1, "is_default": true, "is_terminal": true}]}');
    perform handoff.publish();
end $$;
create schema swap;
create schema staging;
set lead_handoff.inline_limit = 0;
-- two ticks, as a tool's swap needs them: one puts the triggers anew, one compares
create function swap.ticks() returns text language plpgsql as $$
declare
    fault text := (select string_agg((handoff.capture_fault(s.name)).fault, '; ' order by s.name) from handoff.source s);
begin
    perform handoff.tick();
    perform handoff.tick();
    return coalesce(fault, 'no fault');
end $$;
create function swap.leads() returns setof text language sql as $$
    select format('%s %s%s', l.lead_key, l.fields ->> 'company', case when l.deleted_at is not null then ' deleted' end)
    from handoff.lead l order by l.lead_key collate "C"
$$;
-- what a reconcile from scratch finds, and what doctor says
create function swap.wrong() returns setof text language sql as $$
    select format('%s: %s queued, %s gone%s', s.name, r.queued, r.gone, case when not r.finished then ', not finished' end)
    from handoff.source s, handoff.reconcile(s.name) r
    where r.queued > 0 or not r.finished
    union all
    select d.what from handoff.doctor() d where d.severity = 'error'
$$;
create function swap.captured() returns setof text language plpgsql as $$ begin
    return query
        select format('%s %s %s', i.source, i.raw_key, string_agg(i.op::text, '' order by i.op::text))
        from handoff.inbox i group by i.source, i.raw_key order by i.source collate "C", i.raw_key collate "C";
    delete from handoff.inbox;
end $$;

create function swap.clear() returns void language plpgsql as $$
declare
    tab text;
begin
    perform handoff.detach(name) from handoff.source where name <> 'swap.lead';
    foreach tab in array array['lead', 'event', 'stage_history', 'inbox'] loop
        execute format('delete from handoff.%I', tab);
    end loop;
end $$;
create table swap.lead (id int primary key, company text, employees bigint, synced_at timestamptz);
insert into swap.lead values (1, 'a', 10), (2, 'b', 20), (3, 'c', 30);
select handoff.attach('swap.lead', 'lead', delete_grace => '0');
select swap.ticks();
select swap.leads();
select swap.wrong();

-- which updates are captured -----------------------------------------------------------------------------
update swap.lead set synced_at = now();
select swap.captured();
update swap.lead set company = company, employees = employees;
select swap.captured();
update swap.lead set employees = employees + (id = 2)::int;
select swap.captured();
-- keys that move, and rows that change places
update swap.lead set id = id + 10 where id = 3;
select swap.captured();
update swap.lead set id = 3 where id = 13;
select count(*) from swap.captured();
update swap.lead set company = case id when 1 then null when 2 then '' else 'c' end;
select swap.captured();
-- large values, stored apart
update swap.lead set company = repeat(md5('x'), 3000) where id = 1;
select swap.captured();
alter table swap.lead alter company set storage external;
update swap.lead set company = repeat(md5('y'), 3000) where id = 1;
select count(*) from swap.captured();
update swap.lead set synced_at = now() where id = 1;
select swap.captured();
update swap.lead set company = repeat(md5('y'), 3000) || '';
select swap.captured();
update swap.lead set company = left(company, 95999) || '!' where id = 1;
select swap.captured();
update swap.lead set company = 'a' where id = 1;
-- when in doubt, it is: a mapped column is gone, the mapping has changed
alter table swap.lead drop employees;
update swap.lead set synced_at = now() where id = 2;
select count(*) from swap.captured();
alter table swap.lead add employees bigint;
update swap.lead set synced_at = now() where id = 2;
select swap.captured();
-- a new version maps another column: until tick() has held the table, every update counts
alter table swap.lead add title text;
select handoff.draft();
insert into handoff.field (contract_id, of, name, type) values (2, 'lead', 'title', 'text');
select handoff.publish();
select mapping ->> 'title', guard_columns from handoff.source;
delete from handoff.inbox;
update swap.lead set synced_at = now() where id = 2;
select count(*) from swap.captured();
select swap.ticks();
select guard_columns from handoff.source;
update swap.lead set synced_at = now() where id = 2;
select swap.captured();
update swap.lead set title = 'CEO' where id = 2;
select swap.captured();
insert into swap.lead (id) select id from swap.lead where false;
delete from swap.lead where false;
update swap.lead set title = 'CEO' where id = 2;
select swap.captured();
-- equal keys without a constraint: what the table holds of a key counts, not which row has it
create table swap.twice (id int, company text, v timestamptz);
insert into swap.twice values (1, 'x', '2026-01-01'), (1, 'y', '2026-01-02');
select handoff.attach('swap.twice', 'lead', key => '{id}', key_prefix => 't:', mapping => '{"version": "v"}');
select count(*) from swap.captured();
update swap.twice set company = company;
select swap.captured();
update swap.twice set v = v + interval '1 day' where company = 'x';
select swap.captured();
update swap.twice set company = case company when 'x' then 'y' else 'x' end;
select swap.captured();
select handoff.detach('swap.twice');

-- the tool's own statements ----------------------------------------------------------------------------
update swap.lead set company = 'a' || id;
select swap.ticks();
select swap.leads();
-- Airbyte: drop and rename
begin;
create table swap.lead_tmp (like swap.lead including all);
insert into swap.lead_tmp (id, company) values (1, 'a1'), (2, 'B'), (4, 'd');
drop table swap.lead;
alter table swap.lead_tmp rename to lead;
commit;
select fault from handoff.source_health;
select invariant, severity, what, hint from handoff.doctor() where severity = 'error';
select swap.ticks();
select swap.leads();
select swap.wrong();
insert into swap.lead (id, company) values (5, 'e');
select swap.captured();
delete from swap.lead where id = 5;
-- the same, and rows written after it, before the next tick
begin;
create table swap.lead_tmp (id text primary key, company varchar(20));
insert into swap.lead_tmp values ('1', 'a1'), ('6', 'f');
drop table swap.lead;
alter table swap.lead_tmp rename to lead;
commit;
insert into swap.lead values ('7', 'g');
select swap.captured();
select swap.ticks();
select swap.leads();
select swap.wrong();
-- dlt: drop, and another schema's table takes the place
create table staging.lead (id int primary key, company text);
insert into staging.lead values (1, 'a1'), (8, 'h');
drop table swap.lead;
alter table staging.lead set schema swap;
create table staging.lead (like swap.lead including all);
select swap.ticks();
select swap.leads();
select swap.wrong();
-- datamill: rename, rename, drop; the old one still has our triggers until then
create table swap.lead_new (id int primary key, company text);
insert into swap.lead_new select id, upper(company) from swap.lead;
alter table swap.lead rename to lead_old;
alter table swap.lead_new rename to lead;
select swap.ticks();
select tgrelid::regclass, count(*) from pg_trigger where starts_with(tgname, 'lh_capture') group by 1 order by 1::text;
drop table swap.lead_old;
select swap.leads();
select swap.wrong();
-- two sources that change places keep nothing of each other
create table swap.other (id int primary key, company text);
insert into swap.other values (50, 'other');
select handoff.attach('swap.other', 'lead', key_prefix => 'o:', delete_grace => '0');
select handoff.tick();
alter table swap.other rename to x;
alter table swap.lead rename to other;
alter table swap.x rename to lead;
select swap.ticks();
select swap.leads();
select swap.wrong();
update swap.lead set company = 'changed';
select swap.captured();
alter table swap.other rename to x;
alter table swap.lead rename to other;
alter table swap.x rename to lead;
select swap.ticks();
select swap.clear();
drop table swap.other;
select queued, gone, finished from handoff.reconcile('swap.lead');
-- columns come, go, and change their type
alter table swap.lead add "Odd ""Name" text, alter company type varchar(200), alter id type bigint;
select swap.ticks();
select swap.leads();
alter table swap.lead drop company;
select swap.ticks();
select swap.leads();
select swap.wrong();
alter table swap.lead add company varchar(200);
update swap.lead set company = 'back';
select swap.ticks();
select swap.wrong();
alter table swap.lead rename column company to firm;
select swap.ticks();
select swap.wrong();
alter table swap.lead rename column firm to company;
update swap.lead set company = company || '!';
select swap.ticks();
select swap.leads();
-- a schema that is renamed, a table that is gone for a while
-- a rewrite that keeps the type is noticed by the table's file
alter table swap.lead alter company type varchar(200) using company || '?';
select swap.ticks();
select queued from handoff.reconcile('swap.lead');
select swap.ticks();
select swap.leads();
alter schema swap rename to swapped;
select swapped.ticks();
select name, table_exists, fault from handoff.source_health;
select invariant, severity, what from handoff.doctor() where severity = 'error';
alter schema swapped rename to swap;
select swap.ticks();
select fault from handoff.source_health;
-- a view in its place is not read, and comes to nothing
alter table swap.lead rename to lead_table;
create view swap.lead as select 1 / 0 as id, 'no'::text as company;
select swap.ticks();
select fault from handoff.source_health;
select * from handoff.reconcile('swap.lead');
drop view swap.lead;
alter table swap.lead_table rename to lead;
select swap.ticks();
select swap.wrong();
-- VACUUM FULL, CLUSTER: the same rows
vacuum full swap.lead;
cluster swap.lead using lead_new_pkey;
select swap.ticks();
select swap.wrong();
-- triggers that somebody has dropped, disabled, or left to the replication role
drop trigger lh_capture_insert on swap.lead;
insert into swap.lead (id, company) values (20, 'unseen');
select swap.ticks();
alter table swap.lead disable trigger user;
insert into swap.lead (id, company) values (21, 'unseen');
select swap.ticks();
alter table swap.lead enable trigger lh_capture_update;
select swap.ticks();
select swap.ticks();
select swap.leads();
select swap.wrong();
drop table swap.lead;
select swap.ticks();
select handoff.detach('swap.lead');
select swap.clear();

-- partitions, children ------------------------------------------------------------------------------------
create table swap.part (id int, region text, company text, primary key (id, region)) partition by list (region);
create table swap.part_eu partition of swap.part for values in ('eu');
insert into swap.part values (1, 'eu', 'a');
select handoff.attach('swap.part', 'lead', key => '{id}', delete_grace => '0');
select capture, capture_reason from handoff.source_health;
select swap.ticks();
insert into swap.part_eu values (2, 'eu', 'b');
update swap.part_eu set company = company;
select swap.captured();
create table swap.part_us (id int, region text, company text, primary key (id, region));
insert into swap.part_us values (3, 'us', 'c');
alter table swap.part attach partition swap.part_us for values in ('us');
select swap.ticks();
select swap.leads();
select swap.wrong();
truncate swap.part_us;
select swap.captured();
insert into handoff.inbox values ('swap.part', '', 'T', pg_current_xact_id(), now());
select swap.ticks();
alter table swap.part detach partition swap.part_eu;
insert into swap.part_eu values (9, 'eu', 'not ours');
select swap.ticks();
select swap.leads();
select swap.wrong();
drop table swap.part, swap.part_eu;
select swap.clear();
create table swap.parent (id int primary key, company text);
create table swap.child (more text, primary key (id)) inherits (swap.parent);
create table swap.grandchild (primary key (id)) inherits (swap.child);
insert into swap.grandchild values (1, 'a');
select handoff.attach('swap.parent', 'lead', delete_grace => '0');
select capture, capture_reason from handoff.source_health;
select swap.ticks();
insert into swap.child values (2, 'b');
insert into swap.grandchild values (3, 'c');
update swap.parent set company = company || '!' where id < 3;
truncate only swap.grandchild;
select swap.captured();
insert into handoff.inbox select 'swap.parent', k, op::"char", pg_current_xact_id(), now() from (values ('', 'T'), ('2', 'I')) v (k, op);
alter table swap.grandchild no inherit swap.child;
select swap.ticks();
select swap.leads();
select swap.wrong();
drop table swap.parent, swap.child, swap.grandchild;
select swap.clear();

-- without waiting for tick: an event trigger ------------------------------------------------------------------
create role swap_tool;
grant create, usage on schema swap to swap_tool;
create role swap_nobody;
grant usage on schema handoff to swap_nobody;
select handoff.grant_access('swap_nobody', 'admin');
set role swap_nobody;
select handoff.watch_ddl();
\echo :LAST_ERROR_SQLSTATE
reset role;
select handoff.watch_ddl();
select handoff.watch_ddl();
select evtname, evtevent, evtenabled, evttags from pg_event_trigger;
set role swap_tool;
create table swap.tool (id int primary key, company text);
reset role;
select handoff.attach('swap.tool', 'lead', delete_grace => '0');
set role swap_tool;
set session_replication_role = replica; -- refused
begin;
create table swap.tool_tmp (like swap.tool including all);
drop table swap.tool;
alter table swap.tool_tmp rename to tool;
insert into swap.tool values (1, 'captured');
commit;
select current_user;
reset role;
set session_replication_role = replica;
insert into swap.tool values (2, 'captured');
drop table swap.tool;
create table swap.tool (id int primary key, company text);
insert into swap.tool values (3, 'captured');
reset session_replication_role;
select swap.captured();
select reason from handoff.scan where finished_at is null order by requested_at;
select swap.ticks();
select swap.leads();
select swap.wrong();
create table swap.tool_ctas as select 4 as id, 'd' as company;
drop table swap.tool;
create table swap.tool as select * from swap.tool_ctas;
alter schema swap rename to swapped;
alter schema swapped rename to swap;
insert into swap.tool values (5, 'captured');
select swap.captured();
-- it fails nobody
alter table handoff.scan rename to hidden;
set client_min_messages = warning;
drop table swap.tool;
create table swap.tool (id int primary key, company text);
alter table handoff.hidden rename to scan;
select handoff.capture_fault('swap.tool') is not null;
set client_min_messages = error;
select handoff.unwatch_ddl();
select handoff.unwatch_ddl();
select count(*) from pg_event_trigger;
select swap.ticks();
select swap.wrong();
create function swap.called() returns void language plpgsql as $$ begin perform handoff.ddl_done(); end $$;
select swap.called();
\echo :LAST_ERROR_SQLSTATE

select handoff.teardown(really => true);
drop schema swap cascade;
drop schema staging cascade;
revoke all on schema handoff from swap_nobody;
do $$ begin
    execute (select 'revoke all on function ' || string_agg(p.oid::regprocedure::text, ', ') || ' from swap_nobody'
             from pg_proc p where p.pronamespace = 'handoff'::regnamespace);
end $$;
drop role swap_tool, swap_nobody;
