-- Attaching tables: what can't be a source and what the error says, keys and names of every sort,
-- and that capture notices each change under its key.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
set client_min_messages = warning;
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
    perform handoff.setup();
end $$;
create schema src;
-- what a statement fails with, or what it gives
create function src.try(statement text) returns text language plpgsql as $$
declare
    state text; message text; detail text; hint text; result text;
begin
    execute statement into result;
    return 'ok: ' || result;
exception when others then
    get stacked diagnostics state = returned_sqlstate, message = message_text,
        detail = pg_exception_detail, hint = pg_exception_hint;
    return state || ': ' || message || coalesce(E'\n  ' || nullif(detail, ''), '') || coalesce(E'\n  ' || nullif(hint, ''), '');
end $$;
-- what capture wrote since the last call: source, key, operations
create function src.captured() returns setof text language plpgsql as $$ begin
    return query
        select format('%s %s %s', i.source, i.raw_key, string_agg(i.op::text, '' order by i.op::text))
        from handoff.inbox i group by i.source, i.raw_key order by i.source collate "C", i.raw_key collate "C";
    delete from handoff.inbox;
end $$;
set lead_handoff.inline_limit = 0;

-- can't be attached -----------------------------------------------------------------------------------
create table src.plain (id bigint primary key, email text, "CreatedDate" timestamptz);
create table src.keyless (a int, b int);
create view src.view as select * from src.plain;
create materialized view src.matview as select * from src.plain;
create foreign data wrapper src_fdw;
create server src_server foreign data wrapper src_fdw;
create foreign table src.remote (id int) server src_server;
create temp table fleeting (id int primary key);
create sequence src.seq;
create index keyless_a on src.keyless (a);
create type src.composite as (id int);

select src.try($$select handoff.attach('src.nowhere', 'lead')$$);
select src.try($$select handoff.attach('nowhere.plain', 'lead')$$);
select src.try($$select handoff.attach('plain', 'lead')$$);
select src.try($$select handoff.attach(null, 'lead')$$);
select src.try($$select handoff.attach('src.view', 'lead')$$);
select src.try($$select handoff.attach('src.matview', 'lead')$$);
select src.try($$select handoff.attach('src.remote', 'lead')$$);
select src.try($$select handoff.attach('src.seq', 'lead')$$);
select src.try($$select handoff.attach('src.keyless_a', 'lead')$$);
select src.try($$select handoff.attach('src.composite', 'lead')$$);
select src.try($$select handoff.attach('fleeting', 'lead')$$);
select src.try($$select handoff.attach('handoff.lead', 'lead')$$);
select src.try($$select handoff.attach('pg_catalog.pg_class', 'lead')$$);
select src.try($$select handoff.attach('src.keyless', 'lead')$$);
select src.try($$select handoff.attach('src.plain', 'lead', key => '{uuid}')$$);
select src.try($$select handoff.attach('src.plain', 'lead', key => '{ID}')$$);
select src.try($$select handoff.attach('src.plain', 'lead', key => '{id,ctid}')$$);
select src.try($$select handoff.attach('src.plain', 'lead', key => '{}')$$);
select src.try($$select handoff.attach('src.plain', 'lead', key => '{NULL}')$$);
select src.try($$select handoff.attach('src.plain', 'lead', key => '{id,id,id,id,id,id,id,id,id}')$$);
select src.try($$select handoff.attach('src.plain', 'contact')$$);
select src.try($$select handoff.attach('src.plain', null)$$);
select src.try($$select handoff.attach('src.plain', 'lead', capture => 'wal')$$);
select src.try($$select handoff.attach('src.plain', 'lead', capture => null)$$);
-- the mapping
select src.try($$select handoff.attach('src.plain', 'lead', mapping => '{"shoe_size": "id"}')$$);
select src.try($$select handoff.attach('src.plain', 'lead', mapping => '{"email": "Email"}')$$);
select src.try($$select handoff.attach('src.plain', 'lead', mapping => '{"email": "ctid"}')$$);
select src.try($$select handoff.attach('src.plain', 'lead', mapping => '{"email": 3}')$$);
select src.try($$select handoff.attach('src.plain', 'lead', mapping => '["email"]')$$);
select src.try($$select handoff.attach('src.plain', 'activity')$$);
select src.try($$select handoff.attach('src.plain', 'activity', mapping => '{"lead_key": "id", "at": null}')$$);
-- nothing is left behind
select count(*) from handoff.source;
select count(*) from pg_trigger where tgrelid = 'src.plain'::regclass;

-- not the owner
create role src_sync;
create role src_admin;
grant usage on schema src to src_sync, src_admin;
create table src.theirs (id int primary key);
alter table src.theirs owner to src_sync;
select handoff.grant_access('src_admin', 'admin');
set role src_sync;
select src.try($$select handoff.attach('src.theirs', 'lead')$$);
set role src_admin;
select src.try($$select handoff.attach('src.theirs', 'lead')$$);
reset role;
grant src_sync to src_admin;
set role src_admin;
select src.try($$select handoff.attach('src.theirs', 'lead')$$);
reset role;
set role src_sync;
insert into src.theirs values (1);
reset role;
select src.captured();
select handoff.detach('src.theirs');

-- keys, names, guesses ----------------------------------------------------------------------------------
set client_min_messages = notice;
create table src."Lead__c" ("Id" char(18), "Email" text, "CreatedDate" timestamptz, "OwnerId" text, "Status" text,
    "SystemModstamp" timestamptz, "IsDeleted" boolean, "Company_Name__c" text);
insert into src."Lead__c" values ('00Q000000000001AAA'), (null);
select handoff.attach('src."Lead__c"', 'lead', since => '2030-01-01', delete_grace => '0');
create table src.contacts (id bigint, property_createdate text, property_email text, properties_hs_lead_status text,
    associatedcompanyid text, _fivetran_deleted boolean, updated_at timestamp, primary key (id));
select handoff.attach('src.contacts', 'lead', key_prefix => 'hs:', mapping => '{"crm_status": null}', delete_grace => '0');
create table src."Task" ("Id" text primary key, "WhoId" text, "ActivityDate" date, "CompletedDateTime" timestamptz,
    "TaskSubtype" text, "Type" text, "OwnerId" text);
select handoff.attach('src."Task"', 'activity', delete_grace => '0');
set client_min_messages = warning;
select name, kind, key_columns, key_prefix, mapping, key_indexed from handoff.source order by name collate "C";
select since from handoff.source where name = 'src.Lead__c';
select src.captured();
-- a second source of leads needs a prefix of its own
select src.try($$select handoff.attach('src.plain', 'lead')$$);
select src.try($$select handoff.attach('src.plain', 'lead', key_prefix => 'hs:')$$);
-- attached again: what changed changes, since and name stay, all rows are queued anew
select handoff.attach('src."Lead__c"', 'lead', capture => 'row', mapping => '{"email": null}', delete_grace => '0');
select since, capture, mapping ->> 'email' from handoff.source where name = 'src.Lead__c';
select regexp_replace(tgname, '\d+$', 'N'), tgenabled from pg_trigger where tgrelid = 'src."Lead__c"'::regclass order by 1;
select src.captured();
select handoff.attach('src."Lead__c"', 'lead', delete_grace => '0');
select tgname, tgenabled from pg_trigger where tgrelid = 'src."Lead__c"'::regclass order by 1;
-- detached
select src.try($$select handoff.detach('src.nowhere')$$);
select handoff.detach(name) from handoff.source;
select count(*) from handoff.source;
select count(*) from pg_trigger where tgname like 'lh%' and tgrelid::regclass::text like 'src.%';
select src.captured();

-- a key is the same text however it comes: queued by attach, captured, looked up by the drain
insert into handoff.rep (rep, name) values ('ana', 'Ana');
insert into handoff.pool (pool) values ('sdr');
select handoff.import('{"format": 1, "contract": {"reporting_zone": "Asia/Kathmandu"},
    "stage": [{"name": "lead", "position": 1, "is_default": true, "is_terminal": true}]}');
select handoff.publish();
create domain src.code as text check (value <> '');
create type src.mood as enum ('good', 'bad');
create function src.round_trip(key_type text, first text, second text) returns setof text language plpgsql as $$ begin
    set local client_min_messages = error;
    execute format('create table src.k (id %s, part int default 7, email text, primary key (id), unique (id, part))', key_type);
    execute format('insert into src.k (id, email) values (%L, ''before'')', first);
    perform handoff.attach('src.k', 'lead', delete_grace => '0');
    execute format('insert into src.k (id, email) values (%L, ''one'')', second);
    update src.k set email = 'two';
    return query select format('%s: %s %s', key_type, i.raw_key, string_agg(i.op::text, '' order by i.op::text))
        from handoff.inbox i group by i.raw_key order by 1;
    perform handoff.tick();
    return query select format('%s: %s %s', key_type, l.lead_key, l.fields) from handoff.lead l order by l.lead_key collate "C";
    delete from src.k;
    perform handoff.tick();
    return query select format('%s: %s of %s gone', key_type, count(*) filter (where deleted_at is not null), count(*)) from handoff.lead;
    drop table src.k;
    perform handoff.detach('src.k');
    delete from handoff.lead; delete from handoff.event; delete from handoff.stage_history; delete from handoff.handoff; delete from handoff.assignment; delete from handoff.outbox; delete from handoff.clock;
    return query select format('quarantined: %s %s', raw_key, message) from handoff.quarantine;
end $$;
set timezone = 'America/New_York';
set datestyle = 'German';
select src.round_trip('bigint', '1', '-9223372036854775808');
select src.round_trip('uuid', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11');
select src.round_trip('char(8)', 'abc', ' x');
select src.round_trip('varchar(8)', 'abc', 'abc ');
select src.round_trip('text', '', 'a"b''c\d ,{}Ñ');
select src.round_trip('timestamptz', '2030-03-10 08:30:00.000001+00', 'infinity');
select src.round_trip('timestamp', '2030-03-10 02:30:00', '2030-03-10 03:30:00');
select src.round_trip('date', '2030-03-10', '0044-03-15 BC');
select src.round_trip('numeric', '1.50', 'NaN');
select src.round_trip('double precision', '0.1', '1e-300');
select src.round_trip('src.code', 'a', 'b');
select src.round_trip('src.mood', 'good', 'bad');
select src.round_trip('boolean', 'f', 't');
select src.round_trip('bytea', '\x00ff', 'a');
reset timezone;
reset datestyle;
-- keys of several columns; a part that is null has no name
create table src.multi ("Org" text, "No" int, at timestamptz, note text, primary key ("Org", "No"));
insert into src.multi values ('a"b', 1), ('a,b', 2), ('[x]', 3);
select handoff.attach('src.multi', 'lead', mapping => '{"email": "note"}', key_prefix => null, delete_grace => '0');
insert into src.multi values (E'new\nline', 4), (E'tab\t\\', 5);
update src.multi set note = 'n', "No" = 10 where "No" = 1;
select src.try('select count(*) from handoff.inbox');
select decided, quarantined from handoff.tick();
select lead_key, fields from handoff.lead order by lead_key collate "C";
select handoff.detach('src.multi');
select handoff.attach('src.multi', 'lead', key => '{No,Org}', key_prefix => 'again:', delete_grace => '0');
select src.captured();
select handoff.detach('src.multi');
alter table src.multi drop constraint multi_pkey, alter "Org" drop not null, alter "No" drop not null;
insert into src.multi values (null, 7);
select handoff.attach('src.multi', 'lead', key => '{Org,No}', key_prefix => 'again:', delete_grace => '0');
insert into src.multi values (null, 8), ('x', null);
update src.multi set "No" = null where "No" = 2;
select src.captured();
select what from handoff.doctor() where severity = 'error' and what not like '%not known';
select handoff.detach('src.multi');
-- no index: a warning that says how, and the rows wait for tick()
set lead_handoff.inline_limit = 200;
create table src.bare (id int, email text);
select handoff.attach('src.bare', 'lead', key_prefix => 'bare:', delete_grace => '0');
insert into src.bare values (1, 'x'), (1, 'y');
select src.try('select count(*) from handoff.inbox');
select decided from handoff.tick();
select lead_key from handoff.lead where source = 'src.bare';
create index on src.bare (email, id);
select handoff.attach('src.bare', 'lead', key_prefix => 'bare:', delete_grace => '0');
create index on src.bare (id) where id > 0;
select handoff.attach('src.bare', 'lead', key_prefix => 'bare:', delete_grace => '0');
create index on src.bare (id, email);
select handoff.attach('src.bare', 'lead', key_prefix => 'bare:', delete_grace => '0');
select handoff.detach('src.bare');

-- names that need quoting everywhere
create function src.nasty(schema_name text, table_name text, column_name text) returns setof text language plpgsql as $$
declare
    q text := format('%I.%I', schema_name, table_name);
    n text;
begin
    set local client_min_messages = error;
    execute format('create schema %I', schema_name);
    execute format('create table %s (%I text primary key, "E ""m" text)', q, column_name);
    execute format('insert into %s values (''old'')', q);
    n := handoff.attach(q, 'lead', mapping => '{"email": "E \"m"}', key_prefix => 'n:', delete_grace => '0');
    execute format('insert into %s values (''new'', ''e@x'')', q);
    perform handoff.tick();
    perform handoff.setup();
    return query select format('%s: %s %s', n, l.raw_key, l.fields) from handoff.lead l where l.source = n order by 1;
    perform from handoff.doctor() d where d.severity = 'error' and d.what like '%' || n || '%';
    if found then return next 'doctor complains'; end if;
    execute format('truncate %s', q);
    perform handoff.tick();
    return query select format('%s gone', count(*)) from handoff.lead l where l.source = n and l.deleted_at is not null;
    perform handoff.detach(n);
    execute format('drop schema %I cascade', schema_name);
end $$;
select src.nasty('Mixed Case', 'Lead', 'Id');
select src.nasty('a"b', 'a''b', 'a\b');
select src.nasty('sélect', '表', 'ключ');
select src.nasty('%I', '$1', '%s');
select src.nasty(repeat('s', 63), repeat('t', 63), repeat('c', 63));
select src.nasty(repeat('ü', 31), repeat('語', 21), repeat('é', 31) || 'x');
-- a dot in a name does not make two tables one source
create schema "src.a";
create table "src.a".b (id int primary key);
create table src."a.b" (id int primary key);
select handoff.attach('"src.a".b', 'lead', key_prefix => 'dot:', delete_grace => '0');
select src.try($$select handoff.attach('src."a.b"', 'lead', key_prefix => 'dotdot:')$$);
select handoff.detach('src.a.b');
drop schema "src.a" cascade;

-- what capture notices ----------------------------------------------------------------------------------
set lead_handoff.inline_limit = 0;
create table src.seen (id int primary key, v text);
select handoff.attach('src.seen', 'lead', key_prefix => 'seen:', delete_grace => '0');
insert into src.seen select g, 'x' from generate_series(1, 4) g;
select src.captured();
update src.seen set v = 'y' where id <= 2;
select src.captured();
-- a key that changes, a row that goes
update src.seen set id = id + 10 where id = 4;
delete from src.seen where id = 3;
select src.captured();
insert into src.seen values (1, 'z'), (5, 'z') on conflict (id) do update set v = excluded.v;
select src.captured();
copy src.seen from stdin;
6	copied
\.
select src.captured();
with gone as (delete from src.seen where id = 6 returning id) insert into src.seen select id + 1 from gone;
select src.captured();
merge into src.seen t using (values (1), (9)) s (id) on t.id = s.id
when matched then update set v = 'merged' when not matched then insert values (s.id, 'merged');
select src.captured();
update src.seen set v = v where false;
delete from src.seen where false;
select src.captured();
select decided from handoff.tick();
-- truncate: every key that is known
update src.seen set v = 'q';
select decided from handoff.tick();
truncate src.seen;
select src.captured();

-- a table that was renamed away is no longer the source, one in its place is not watched yet
delete from handoff.lead; delete from handoff.event; delete from handoff.stage_history; delete from handoff.handoff; delete from handoff.assignment; delete from handoff.outbox;
alter table src.seen rename to seen_old;
create table src.seen (id int primary key, v text);
insert into src.seen_old values (1);
insert into src.seen values (1);
select src.captured();
select what from handoff.doctor() where severity = 'error' order by 1;
select handoff.attach('src.seen', 'lead', key_prefix => 'seen:', delete_grace => '0');
insert into src.seen values (2);
select src.captured();
-- a table that moved for good: detached and attached by its new name, its leads are the same
alter table src.seen_old rename to seen_new;
select handoff.detach('src.seen');
select handoff.attach('src.seen_new', 'lead', key_prefix => 'seen:', delete_grace => '0');
insert into src.seen_new values (14);
select decided from handoff.tick();
select handoff.detach('src.seen_new');
alter table src.seen_new rename to seen_old;
select handoff.attach('src.seen_old', 'lead', key_prefix => 'seen:', delete_grace => '0');
select decided from handoff.tick();
select lead_key, source, last_seq from handoff.lead order by 1;
select what from handoff.doctor() where severity = 'error' order by 1;
select handoff.detach('src.seen_old');
select handoff.attach('src.seen', 'lead', key_prefix => 'seen:', delete_grace => '0');
-- a key column that is gone
alter table src.seen rename id to key;
insert into src.seen values (3);
select src.captured();
alter table src.seen rename key to id;
-- a mapped column that is gone reads NULL
alter table src.seen add email text default 'e@x';
select handoff.attach('src.seen', 'lead', key_prefix => 'seen:', delete_grace => '0');
select quarantined from handoff.tick();
select fields from handoff.lead where raw_key = '1';
alter table src.seen drop email;
update src.seen set v = 'w';
select quarantined from handoff.tick();
select fields from handoff.lead where raw_key = '1';
-- a column that changes its type
alter table src.seen alter id type bigint;
update src.seen set v = 'v';
select quarantined from handoff.tick();
select handoff.detach('src.seen');
drop table src.seen, src.seen_old;
delete from handoff.lead; delete from handoff.event; delete from handoff.stage_history; delete from handoff.handoff; delete from handoff.assignment; delete from handoff.outbox;

-- partitions: through the parent by statement, written directly by row
create table src.parts (id int, region text, email text, primary key (id, region)) partition by list (region);
create table src.parts_eu partition of src.parts for values in ('eu');
create table src.parts_us (email text, region text not null, id int not null);
alter table src.parts attach partition src.parts_us for values in ('us');
select handoff.attach('src.parts', 'lead', key => '{id}', key_prefix => 'p:', delete_grace => '0');
insert into src.parts values (1, 'eu', 'a'), (2, 'us', 'b');
update src.parts set region = 'us' where id = 1;
select src.captured();
insert into src.parts_eu values (3, 'eu', 'c');
select src.captured();
select handoff.attach('src.parts', 'lead', key => '{id}', key_prefix => 'p:', capture => 'row', delete_grace => '0');
select src.captured();
insert into src.parts_eu values (4, 'eu', 'd');
insert into src.parts_us values ('e', 'us', 5);
update src.parts set region = 'eu' where id = 5;
create table src.parts_asia partition of src.parts for values in ('jp', 'cn') partition by list (region);
create table src.parts_jp partition of src.parts_asia for values in ('jp');
insert into src.parts_jp values (6, 'jp', 'f');
delete from src.parts_us;
select src.captured();
select handoff.attach('src.parts', 'lead', key => '{id}', key_prefix => 'p:', capture => 'row', delete_grace => '0');
select decided, quarantined from handoff.tick();
select lead_key, fields from handoff.lead order by 1;
alter table src.parts detach partition src.parts_eu;
insert into src.parts_eu values (7, 'eu', 'g');
select src.captured();
select handoff.detach('src.parts');

-- the trigger function by itself
create table src.own (id int primary key);
select src.try($$select handoff.capture()$$);
create trigger mine before insert on src.own for each row execute function handoff.capture('x', 'id');
insert into src.own values (1);
\echo :LAST_ERROR_SQLSTATE
drop trigger mine on src.own;
create trigger mine after insert on src.own for each row execute function handoff.capture('x');
insert into src.own values (1);
\echo :LAST_ERROR_SQLSTATE
drop trigger mine on src.own;
create trigger mine after insert on src.own for each statement execute function handoff.capture('x', 'id');
insert into src.own values (1);
\echo :LAST_ERROR_SQLSTATE
drop trigger mine on src.own;
create trigger mine after insert on src.own for each row execute function handoff.capture('x', 'id');
insert into src.own values (1);
select src.captured();

select handoff.teardown(really => true);
drop schema src cascade;
drop server src_server cascade;
drop foreign data wrapper src_fdw;
revoke all on schema handoff from src_admin;
do $$ begin
    execute (select 'revoke all on function ' || string_agg(p.oid::regprocedure::text, ', ') || ' from src_admin'
             from pg_proc p where p.pronamespace = 'handoff'::regnamespace);
end $$;
drop role src_sync, src_admin;
