-- Scan: whole tables, bit by bit: backfill, reconcile both ways, poll; rows that are gone for now, for
-- good, or too many at once; sources that are paused.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
set client_min_messages = error;
set timezone = 'UTC';
set datestyle = iso;
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
    perform handoff.setup();
    perform handoff.import('{"format": 1, "contract": {"reporting_zone": "UTC"},
        "field": [{"of": "lead", "name": "n", "type": "bigint"}],
        "stage": [{"name": "lead", "position": 1, "is_default": true, "is_terminal": true}]}');
    perform handoff.publish();
end $$;
create schema scan;
set lead_handoff.inline_limit = 0;
create function scan.counts(out leads bigint, out deleted bigint, out waiting bigint, out noted bigint) language sql as $$
    select (select count(*) from handoff.lead where deleted_at is null), (select count(*) from handoff.lead where deleted_at is not null),
           (select count(*) from handoff.inbox), (select count(*) from handoff.absence)
$$;
create function scan.errors() returns setof text language sql as $$ select what from handoff.doctor() where severity = 'error' $$;
create function scan.warnings() returns setof text language sql as $$
    select regexp_replace(d.what, '\d{4}-\S+ \S+', 'then') from handoff.doctor() d where d.severity = 'warning' and d.invariant <> 13
$$;
create function scan.clear() returns void language plpgsql as $$
declare
    tab text;
begin
    perform handoff.detach(name) from handoff.source;
    foreach tab in array array['lead', 'event', 'stage_history', 'inbox', 'activity', 'opportunity', 'opportunity_link', 'alias', 'quarantine'] loop
        execute format('delete from handoff.%I', tab);
    end loop;
end $$;

-- reconcile ----------------------------------------------------------------------------------------------
create table scan.lead (id int primary key, n text, v timestamptz, is_deleted boolean);
insert into scan.lead select g, g from generate_series(1, 500) g;
select handoff.attach('scan.lead', 'lead', delete_grace => '0', mapping => '{"version": "v"}');
select decided from handoff.tick();
set client_min_messages = notice;
select * from handoff.reconcile('scan.lead');
set client_min_messages = error;
select purpose, reason, phase, percent, seen, queued, gone, finished_at >= started_at from handoff.reconcile_progress;
-- what no trigger has seen: new rows, other values, rows marked deleted, a row that is gone, one that can't be read, and one that is older
alter table scan.lead disable trigger all;
insert into scan.lead values (501, '501'), (502, null);
update scan.lead set n = '-1' where id in (1, 2);
update scan.lead set is_deleted = true where id = 3;
delete from scan.lead where id = 4;
update scan.lead set n = 'many' where id in (5, 250);
update scan.lead set v = '2030-01-01' where id = 7;
alter table scan.lead enable trigger all;
select handoff.always_capture('scan.lead');
select * from handoff.reconcile('scan.lead');
select source, raw_key, op from handoff.inbox order by raw_key::int;
select decided, quarantined from handoff.tick();
select scan.counts();
select raw_key, sqlstate from handoff.quarantine order by 1;
-- once more: nothing to do, and rows in quarantine are left there until they can be read
select * from handoff.reconcile('scan.lead');
alter table scan.lead disable trigger all;
update scan.lead set n = '5', v = null where id in (5, 7);
update scan.lead set v = '2029-01-01', n = '0' where id = 7;
update scan.lead set n = '0' where n = 'many';
alter table scan.lead enable trigger all;
select handoff.always_capture('scan.lead');
select * from handoff.reconcile('scan.lead');
select quarantined from handoff.tick();
select count(*) from handoff.quarantine;
select fields from handoff.lead where raw_key = '7';
select * from handoff.reconcile('scan.lead');
select scan.errors();
-- calls that make no sense
select * from handoff.reconcile('scan.nowhere');
\echo :LAST_ERROR_SQLSTATE
select * from handoff.reconcile('scan.lead', 'half');
\echo :LAST_ERROR_SQLSTATE
begin isolation level repeatable read;
select * from handoff.reconcile('scan.lead');
\echo :LAST_ERROR_SQLSTATE
rollback;
select * from handoff.reconcile('scan.lead', 'watermark');
update scan.lead set v = '2031-01-01' where id = 8;
delete from handoff.inbox;
select * from handoff.reconcile('scan.lead', 'watermark');
select scan.clear();

-- every kind of source
create table scan.act (id int primary key, lead_key text, at timestamptz, kind text);
create table scan.opp (id text primary key, account_id text, is_won boolean, is_closed boolean, amount numeric, close_date date);
create table scan.role (id int primary key, contact_id text, opportunity_id text);
insert into scan.act select g, g % 50, timestamptz '2026-01-01' + g * interval '1 hour', 'call' from generate_series(1, 200) g;
insert into scan.opp select 'o' || g, g, g % 2 = 0, null, g / 3.0, case when g % 3 = 0 then date '2026-02-01' end from generate_series(1, 30) g;
insert into scan.role select g, g % 50, 'o' || g from generate_series(1, 30) g;
select handoff.attach('scan.lead', 'lead', delete_grace => '0');
select handoff.attach('scan.act', 'activity', delete_grace => '0');
select handoff.attach('scan.opp', 'opportunity', delete_grace => '0');
select handoff.attach('scan.role', 'link', delete_grace => '0');
select quarantined from handoff.tick();
select s.name, r.* from handoff.source s, handoff.reconcile(s.name) r order by 1;
alter table scan.act disable trigger all;
alter table scan.opp disable trigger all;
alter table scan.role disable trigger all;
delete from scan.act where id = 1;
update scan.act set lead_key = null where id = 2;
update scan.act set lead_key = '7' where id = 3;
update scan.act set at = 'infinity' where id = 4;
update scan.act set kind = 'mail' where id = 5;
insert into scan.act values (201, '1', null, 'planned'), (202, '1', now(), 'call');
delete from scan.opp where id = 'o1';
update scan.opp set is_closed = true where id in ('o2', 'o3');
update scan.opp set amount = 1.00 where id in ('o3', 'o4');
update scan.opp set close_date = '2026-03-01' where id in ('o5', 'o6');
delete from scan.role where id = 1;
update scan.role set opportunity_id = 'o9' where id = 2;
update scan.role set contact_id = null where id = 3;
select s.name, r.* from handoff.source s, handoff.reconcile(s.name) r order by 1;
select source, string_agg(raw_key, ' ' order by raw_key collate "C") from handoff.inbox group by 1 order by 1;
select quarantined from handoff.tick();
select s.name, r.* from handoff.source s, handoff.reconcile(s.name) r order by 1;
-- those triggers are put anew, in the meantime
select reason, count(*) from handoff.scan where finished_at is null group by 1 order by 1;
select quarantined from handoff.tick();
select scan.errors();
select scan.clear();
drop table scan.act, scan.opp, scan.role;

-- backfill -------------------------------------------------------------------------------------------------
create table scan.big (id int primary key, n text, filler text);
alter table scan.big alter filler set storage plain;
insert into scan.big select g, g, repeat('x', 3000) from generate_series(1, 4000) g;
set client_min_messages = notice;
select handoff.attach('scan.big', 'lead', delete_grace => '0', mapping => '{"created_at": null}');
set client_min_messages = error;
select scan.counts();
select percent, seen, finished_at is null from handoff.backfill;
-- what is rolled back is done again
begin;
select handoff.tick();
select scan.counts();
rollback;
select scan.counts();
-- while it is going on rows move, come and go; its file changes
update handoff.scan set started_at = now(), at_table = 'scan.big'::regclass::oid::bigint, at_file = pg_relation_filenode('scan.big'), at_block = 1999, blocks = 2000, blocks_read = 1999;
select percent from handoff.backfill;
vacuum full scan.big;
update scan.big set n = 0 where id = 1;
delete from scan.big where id = 2;
insert into scan.big values (4001, '4001');
select claimed, decided, quarantined from handoff.tick();
select scan.counts();
select percent, seen, queued from handoff.backfill;
select count(*) from scan.big b where not exists (select from handoff.lead l where l.raw_key = b.id::text and l.fields ->> 'n' = b.n);
select queued, finished from handoff.reconcile('scan.big');
select scan.errors();
-- truncated and loaded again: nothing is left of it
select last_seq, count(*) from handoff.lead group by 1 order by 1;
begin;
create temp table copy as select * from scan.big;
truncate scan.big;
insert into scan.big select * from copy;
commit;
select op, count(*) from handoff.inbox group by 1 order by 1;
select quarantined from handoff.tick();
select last_seq, count(*) from handoff.lead group by 1 order by 1;
select scan.clear();
drop table scan.big;

-- rows that are gone -----------------------------------------------------------------------------------------
delete from scan.lead where id > 100;
update scan.lead set is_deleted = null, v = null;
select handoff.attach('scan.lead', 'lead');
select delete_grace from handoff.source;
select decided from handoff.tick('2026-03-01 10:00');
select scan.counts();
delete from scan.lead where id <= 5;
select decided from handoff.tick('2026-03-01 10:01');
select scan.counts();
select gone, deletes_held_at from handoff.source_health;
-- a reconcile knows that they are gone
select * from handoff.reconcile('scan.lead');
insert into scan.lead values (1, '1'), (2, '22');
select decided from handoff.tick('2026-03-01 10:10');
select scan.counts();
select decided from handoff.tick('2026-03-01 10:15:59');
select scan.counts();
select decided from handoff.tick('2026-03-01 10:16');
select scan.counts();
select type, count(*) from handoff.event group by 1 order by 1;
-- back after that: restored
insert into scan.lead values (3, '3');
select decided from handoff.tick('2026-03-01 10:20');
select scan.counts();
-- delete and insert: no trace
begin;
delete from scan.lead;
insert into scan.lead select g, g from generate_series(1, 98) g;
commit;
select quarantined from handoff.tick('2026-03-01 10:30');
select scan.counts();
select type, count(*) from handoff.event group by 1 order by 1;
-- more than a fifth at once
delete from scan.lead where id <= 25;
set client_min_messages = warning;
select decided from handoff.tick('2026-03-01 11:00');
select decided from handoff.tick('2026-03-01 11:30');
select decided from handoff.tick('2026-03-01 12:30');
set client_min_messages = error;
select gone, deletes_held_at from handoff.source_health;
select scan.warnings();
select scan.counts();
-- enough of them come back: the rest goes
insert into scan.lead select g, g from generate_series(1, 15) g;
select decided from handoff.tick('2026-03-01 12:31');
select gone, deletes_held_at from handoff.source_health;
select scan.counts();
-- truncated: all of it, held, forgotten, found again, released
truncate scan.lead;
select decided from handoff.tick('2026-03-02 11:00');
select decided from handoff.tick('2026-03-02 11:30');
select scan.counts();
select handoff.forget_deletes('scan.lead');
select gone, deletes_held_at from handoff.source_health;
select decided from handoff.tick('2026-03-02 12:30');
select scan.counts();
select queued, gone from handoff.reconcile('scan.lead');
select decided from handoff.tick('2026-03-02 13:00');
select handoff.release_deletes('scan.lead');
select decided from handoff.tick('2026-03-02 13:01');
select scan.counts();
select scan.errors();
select handoff.release_deletes('scan.nowhere');
\echo :LAST_ERROR_SQLSTATE
select handoff.forget_deletes(null);
\echo :LAST_ERROR_SQLSTATE
-- without grace, but too many: the same; a row marked deleted needs no grace
select handoff.attach('scan.lead', 'lead', delete_grace => '0');
insert into scan.lead select g, g from generate_series(1, 40) g;
select decided from handoff.tick('2026-03-03');
delete from scan.lead where id <= 20;
update scan.lead set is_deleted = true where id > 30;
select decided from handoff.tick('2026-03-03 00:01');
select scan.counts();
select deletes_held_at from handoff.source_health;
select handoff.attach('scan.lead', 'lead', delete_grace => '-1 minute');
\echo :LAST_ERROR_SQLSTATE
select scan.clear();

-- paused -----------------------------------------------------------------------------------------------------
truncate scan.lead;
create table scan.second (id int primary key, n text);
select handoff.attach('scan.lead', 'lead');
select handoff.attach('scan.second', 'lead', key_prefix => 's:');
select handoff.pause('scan.lead');
select handoff.pause('scan.lead');
reset lead_handoff.inline_limit;
insert into scan.lead values (1, '1');
insert into scan.second values (1, '1');
select scan.counts();
select decided from handoff.tick();
select name, waiting, paused_at is not null from handoff.source_health order by 1;
update handoff.source set paused_at = paused_at - interval '2 days' where paused_at is not null;
select scan.warnings();
select handoff.resume('scan.lead');
select decided from handoff.tick();
select name, waiting, paused_at from handoff.source_health order by 1;
select handoff.pause('scan.nowhere');
\echo :LAST_ERROR_SQLSTATE
set lead_handoff.inline_limit = 0;
select scan.clear();
drop table scan.second;

-- poll ------------------------------------------------------------------------------------------------------
truncate scan.lead;
insert into scan.lead select g, g, timestamptz '2026-01-01' + g * interval '1 day' from generate_series(1, 50) g;
create view scan.view as select id::text || '/x' as id, n, v from scan.lead;
create materialized view scan.matview as select id, n from scan.lead;
select handoff.attach('scan.view', 'lead');
\echo :LAST_ERROR_SQLSTATE
select handoff.attach('scan.view', 'lead', capture => 'row');
\echo :LAST_ERROR_SQLSTATE
select handoff.attach('scan.view', 'lead', capture => 'poll', mapping => '{"version": "v"}', delete_grace => '0');
select handoff.attach('scan.matview', 'lead', capture => 'poll', key => '{id}', key_prefix => 'm:', poll_interval => '1 hour', delete_grace => '0');
select name, capture, capture_reason, table_exists, triggers from handoff.source_health order by 1;
select quarantined from handoff.tick('2026-03-01 10:00');
select scan.counts();
select scan.errors();
update scan.lead set n = 0, v = '2026-02-25' where id = 1;
insert into scan.lead values (51, '51', '2026-02-20'), (52, '52', '2026-01-02'), (53, '53', null);
delete from scan.lead where id = 2;
refresh materialized view scan.matview;
select claimed, quarantined from handoff.tick('2026-03-01 10:04');
select claimed, quarantined from handoff.tick('2026-03-01 10:05');
select claimed, quarantined from handoff.tick('2026-03-01 10:10');
select polled_version from handoff.source order by name;
select claimed, quarantined from handoff.tick('2026-03-01 11:00');
-- what a poll can't see a reconcile does
select queued, gone, finished from handoff.reconcile('scan.view');
select queued, gone, finished from handoff.reconcile('scan.matview');
select claimed, quarantined from handoff.tick('2026-03-01 11:01');
select queued, gone, finished from handoff.reconcile('scan.view');
select scan.counts();
-- a view that fails keeps its rows where they are, and everybody else goes on
create or replace view scan.view as select id::text || '/x' as id, (1 / (id - 5))::text as n, v from scan.lead;
update scan.lead set v = '2026-02-27' where id = 6;
create table scan.fine (id int primary key, n text);
select handoff.attach('scan.fine', 'lead', key_prefix => 'f:');
insert into scan.fine values (1, '1');
select claimed, quarantined from handoff.tick('2026-03-01 12:00');
select count(*) from handoff.lead where source = 'scan.fine';
-- one that can't be read at all neither
create or replace view scan.view as select (1 / (id - 5))::text as id, n, v from scan.lead;
update scan.lead set v = '2026-02-28' where id = 7;
insert into scan.fine values (2, '2');
set client_min_messages = warning;
select claimed, quarantined from handoff.tick('2026-03-01 13:00');
select * from handoff.reconcile('scan.view');
set client_min_messages = error;
select count(*) from handoff.lead where source = 'scan.fine';
select purpose, error from handoff.reconcile_progress where source = 'scan.view' order by requested_at;
update handoff.scan set requested_at = requested_at - interval '2 hours', stepped_at = null where finished_at is null;
select scan.warnings();
drop view scan.view;
select claimed, quarantined from handoff.tick('2026-03-01 14:00');
select name, table_exists, fault from handoff.source_health where name = 'scan.view';

select handoff.teardown(really => true);
drop schema scan cascade;
