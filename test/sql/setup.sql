-- setup(), teardown(), template(): tables are made once, mended, and dropped only by who means it.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
set client_min_messages = warning;
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
end $$;

-- without tables
select count(*) from pg_class where relnamespace = 'handoff'::regnamespace and relkind in ('r', 'v');
select * from handoff.tick();
\echo :LAST_ERROR_SQLSTATE
select handoff.attach('pg_catalog.pg_class', 'lead', delete_grace => '0');
\echo :LAST_ERROR_SQLSTATE

-- made, and made again: the same tables with the same rows
select handoff.setup();
create schema setup;
create table setup.made as
select c.oid, c.relname, c.relkind from pg_class c where c.relnamespace = 'handoff'::regnamespace;
insert into handoff.rep (rep, name) values ('ana', 'Ana');
select handoff.setup();
select count(*) from setup.made m full join (select c.oid from pg_class c where c.relnamespace = 'handoff'::regnamespace) c using (oid)
where m.oid is null or c.oid is null;
select name from handoff.rep;
select schema_version from handoff.meta;
-- none of them belongs to the extension
select count(*) from pg_depend d join setup.made m on m.oid = d.objid where d.classid = 'pg_class'::regclass and d.deptype = 'e';
-- all are described, with every column
select m.relname from setup.made m where m.relkind in ('r', 'v') and obj_description(m.oid, 'pg_class') is null order by 1;
select m.relname, a.attname from setup.made m join pg_attribute a on a.attrelid = m.oid and a.attnum > 0 and not a.attisdropped
where m.relkind in ('r', 'v') and col_description(m.oid, a.attnum) is null order by 1, 2;
select p.oid::regprocedure from pg_proc p
where p.pronamespace = 'handoff'::regnamespace and obj_description(p.oid, 'pg_proc') is null order by 1;

-- mended: triggers that a data-only restore has left enabled, but not always
create table setup.lead (id int primary key);
select handoff.attach('setup.lead', 'lead', delete_grace => '0');
alter table setup.lead disable trigger lh_capture_insert;
alter table setup.lead enable trigger lh_capture_update;
alter table handoff.wake enable trigger drain_at_commit;
select count(*) from handoff.doctor() where severity = 'error';
select handoff.setup();
select what from handoff.doctor() where severity = 'error';
-- also where the captured rows of the same transaction still wait for its commit
begin;
insert into setup.lead values (1);
select handoff.setup();
commit;

-- tables of another version than the code's
update handoff.meta set schema_version = 99;
select handoff.setup();
\echo :LAST_ERROR_SQLSTATE
update handoff.meta set schema_version = 1;

-- the extension can't go while there are tables, and teardown() must be meant
\set VERBOSITY terse
drop extension lead_handoff;
\set VERBOSITY default
\echo :LAST_ERROR_SQLSTATE
begin;
do $$ begin
    perform handoff.teardown();
exception when sqlstate 'LH030' then
    raise warning '%', regexp_replace(sqlerrm, '\d+', 'N');
end $$;
rollback;
select count(*) from handoff.rep;
select handoff.teardown(really => true);
select count(*) from pg_class where relnamespace = 'handoff'::regnamespace and relkind in ('r', 'v');
select count(*) from pg_trigger where tgrelid = 'setup.lead'::regclass;
select handoff.teardown(really => true);

-- made again in the same session: other tables, other contracts, the same numbers; nothing old is remembered
select handoff.setup();
select handoff.import('{"format": 1, "contract": {}, "stage": [{"name": "first", "position": 1, "is_default": true, "is_terminal": true}]}');
select handoff.publish();
select handoff.attach('setup.lead', 'lead', delete_grace => '0');
select decided from handoff.tick();
select lead_key, stage from handoff.lead;
select handoff.teardown(really => true);
select handoff.setup();
select handoff.import('{"format": 1, "contract": {}, "stage": [{"name": "second", "position": 1, "is_default": true, "is_terminal": true}]}');
select handoff.publish();
select handoff.attach('setup.lead', 'lead', delete_grace => '0');
insert into setup.lead values (2);
select decided from handoff.tick();
select lead_key, stage from handoff.lead order by 1;
-- what is rolled back never was
begin;
select handoff.teardown(really => true);
rollback;
insert into setup.lead values (3);
select lead_key, stage from handoff.lead order by 1;
select what from handoff.doctor() where severity = 'error';

-- templates
select jsonb_typeof(handoff.template('b2b_saas') -> 'definition');
do $$ declare hint text; begin
    perform handoff.template('no_such');
exception when undefined_object then
    get stacked diagnostics hint = pg_exception_hint;
    raise warning '%, b2b_saas is named: %', sqlerrm, hint like '%"b2b_saas"%';
end $$;
\set VERBOSITY terse
select handoff.template('no_such');
\echo :LAST_ERROR_SQLSTATE
select handoff.template('../templates/b2b_saas');
\echo :LAST_ERROR_SQLSTATE
select handoff.template('');
\echo :LAST_ERROR_SQLSTATE
select handoff.load_template('no_such');
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default

-- nobody but the owner
create role setup_stranger;
grant usage on schema handoff to setup_stranger;
set role setup_stranger;
select handoff.setup();
\echo :LAST_ERROR_SQLSTATE
select handoff.teardown(true);
\echo :LAST_ERROR_SQLSTATE
select handoff.template('b2b_saas');
\echo :LAST_ERROR_SQLSTATE
reset role;
revoke usage on schema handoff from setup_stranger;
drop role setup_stranger;

-- without tables the extension comes and goes
select handoff.teardown(really => true);
drop extension lead_handoff;
select count(*) from pg_namespace where nspname = 'handoff';
create extension lead_handoff;
select handoff.setup();
select handoff.teardown(really => true);
drop schema setup cascade;
