-- Territory maps: what their rows may say, who changes them how, and which row has a key, against a plain
-- reading of the rules. All in one transaction that is rolled back.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
begin;
set local client_min_messages = warning;
set local timezone = 'UTC';
set local datestyle = 'ISO, YMD';
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
    perform handoff.setup();
    perform handoff.add_pool(p) from unnest('{west,east,north}'::text[]) p;
    perform handoff.add_rep('ana', 'Ana', 'west'), handoff.add_rep('ben', 'Ben', 'east'), handoff.add_rep('cem', 'Cem');
    perform handoff.deactivate_rep('cem');
end $$;

-- what a statement fails with, or that it doesn't
create function pg_temp.fails(statement text) returns text language plpgsql as $$
declare
    detail text;
    hint text;
begin
    execute statement;
    return 'no error';
exception when others then
    get stacked diagnostics hint = pg_exception_hint, detail = pg_exception_detail;
    return sqlstate || ': ' || sqlerrm
        || case when sqlstate in ('23P01', '25001') then E'\n  ' || detail else '' end || coalesce(E'\n  ' || nullif(hint, ''), '');
end $$;

--
-- Rows
--
select pg_temp.fails($$insert into handoff.territory (map, key, pool) values ('', '1', 'west')$$);
select pg_temp.fails($$insert into handoff.territory (map, key, pool) values ('zip', '', 'west')$$);
select pg_temp.fails($$insert into handoff.territory (map, key, pool) values ('zip', repeat('1', 201), 'west')$$);
select pg_temp.fails($$insert into handoff.territory (map, kind, key, pool) values ('zip', 'prefix', repeat('1', 101), 'west')$$);
select pg_temp.fails($$insert into handoff.territory (map, kind, key, pool) values ('zip', 'suffix', '1', 'west')$$);
select pg_temp.fails($$insert into handoff.territory (map, key) values ('zip', '1')$$);
select pg_temp.fails($$insert into handoff.territory (map, key, pool, rep) values ('zip', '1', 'west', 'ana')$$);
select pg_temp.fails($$insert into handoff.territory (map, key, pool) values ('zip', '1', 'south')$$);
select pg_temp.fails($$insert into handoff.territory (map, key, rep) values ('zip', '1', 'dov')$$);
select pg_temp.fails($$insert into handoff.territory (map, key, high, pool) values ('zip', '1', '2', 'west')$$);
select pg_temp.fails($$insert into handoff.territory (map, kind, key, pool) values ('zip', 'range', '1', 'west')$$);
select pg_temp.fails($$insert into handoff.territory (map, kind, key, high, pool) values ('zip', 'range', '1', '10', 'west')$$);
select pg_temp.fails($$insert into handoff.territory (map, kind, key, high, pool) values ('zip', 'range', '2', '1', 'west')$$);
select pg_temp.fails($$insert into handoff.territory (map, kind, key, high, pool) values ('size', 'number', '10', '9', 'west')$$);
select pg_temp.fails($$insert into handoff.territory (map, kind, key, high, pool) values ('size', 'number', '-1', '9', 'west')$$);
select pg_temp.fails($$insert into handoff.territory (map, kind, key, high, pool) values ('size', 'number', '1', '9.', 'west')$$);
select pg_temp.fails($$insert into handoff.territory (map, kind, key, high, pool) values ('size', 'number', '1', '1e3', 'west')$$);
select pg_temp.fails($$insert into handoff.territory (map, key, pool, valid_from, valid_to) values ('zip', '1', 'west', '2026-01-01', '2026-01-01')$$);
select count(*) from handoff.territory;

-- rows that contradict each other
insert into handoff.territory (map, kind, key, high, pool, rep, valid_from, valid_to) values
    ('zip', 'exact', '94110', '', 'west', null, '-infinity', 'infinity'),
    ('zip', 'prefix', '941', '', 'east', null, '-infinity', 'infinity'),
    ('zip', 'range', '90000', '96199', 'east', null, '-infinity', 'infinity'),
    ('zip', 'range', '94200', '94299', null, 'ana', '-infinity', '2027-01-01'),
    ('size', 'number', '0', '49', 'west', null, '-infinity', 'infinity'),
    ('size', 'number', '50', 'infinity', 'east', null, '-infinity', 'infinity');
select pg_temp.fails($$insert into handoff.territory (map, key, pool) values ('zip', '94110', 'west')$$);
select pg_temp.fails($$insert into handoff.territory (map, key, rep, valid_from) values ('zip', '94110', 'ana', '2026-05-01')$$);
select pg_temp.fails($$insert into handoff.territory (map, kind, key, pool, valid_to) values ('zip', 'prefix', '941', 'west', '2026-05-01')$$);
select pg_temp.fails($$insert into handoff.territory (map, kind, key, high, pool) values ('zip', 'range', '96000', '97000', 'west')$$);
select pg_temp.fails($$insert into handoff.territory (map, kind, key, high, pool, valid_from) values ('zip', 'range', '90000', '96199', 'west', '2026-05-01')$$);
select pg_temp.fails($$insert into handoff.territory (map, kind, key, high, pool) values ('size', 'number', '49.0', '49.5', 'west')$$);
select pg_temp.fails($$insert into handoff.territory (map, kind, key, high, pool) values ('size', 'number', '00', '49.0', 'west')$$);
select pg_temp.fails($$update handoff.territory set key = '89990' where key = '94200'$$);
select pg_temp.fails($$insert into handoff.territory (map, kind, key, high, pool) values ('zip', 'range', '10', '20', 'west'), ('zip', 'range', '15', '25', 'west')$$);
-- rows that don't: another map or length, one within the other, after the other, the same but of another kind
insert into handoff.territory (map, kind, key, high, pool, valid_from) values
    ('zip2', 'exact', '94110', '', 'west', '-infinity'),
    ('zip', 'range', '9000', '9619', 'west', '-infinity'),
    ('zip', 'range', '94200', '94209', 'west', '-infinity'),
    ('zip', 'range', '94200', '94299', 'west', '2027-01-01'),
    ('zip', 'prefix', '94110', '', 'west', '-infinity'),
    ('size', 'number', '49.01', '49.99', 'west', '-infinity'),
    ('size', 'number', '100', '200', 'west', '-infinity');
select * from handoff.territory_findings();
select map, kind, matched, pool, rep, valid_from, valid_to
from (values (1, 'zip', '94110'), (2, 'zip', '94111'), (3, 'zip', '94200'), (4, 'zip', '94210'), (5, 'zip', '94300'), (6, 'zip', '9420'),
             (7, 'zip', '942'), (8, 'zip', '94110-1234'), (9, 'zip', '89999'), (10, 'size', '49'), (11, 'size', '49.5'), (12, 'size', '49.995'),
             (13, 'size', '0150'), (14, 'size', '50.00'), (15, 'size', '1e3'), (16, 'size', ''), (17, 'size', '-1'), (18, 'none', '1')) k (n, map, key)
left join lateral handoff.territory_for(map, key, '2026-06-01') on true order by n;
select matched, pool, rep from handoff.territory_for('zip', '94250', '2026-12-31 23:59:59Z');
select matched, pool, rep from handoff.territory_for('zip', '94250', '2027-01-01Z');
select count(*) from handoff.territory_for(null, '1');

-- every change is in the log, also those of a TRUNCATE; what changes nothing isn't
truncate handoff.operation_log;
insert into handoff.territory (map, key, pool) values ('log', '1', 'west'), ('log', '2', 'west');
update handoff.territory set pool = 'east' where map = 'log' and key = '1';
update handoff.territory set pool = pool where map = 'log';
update handoff.territory set key = '3' where map = 'log' and key = '2';
delete from handoff.territory where map = 'log' and key = '1';
delete from handoff.territory where map <> 'log';
truncate handoff.territory;
select object, name, old - '{map,kind,high,rep,valid_from,valid_to}'::text[], new - '{map,kind,high,rep,valid_from,valid_to}'::text[]
from (select *, row_number() over () as n from handoff.operation_log) l where name ~ '^log' order by n;
select name from handoff.operation_log where name ~ '942' order by 1;

--
-- set_territory()
--
truncate handoff.operation_log;
select pg_temp.fails($$select handoff.set_territory('zip', '1', 'west', 'ana')$$);
select pg_temp.fails($$select handoff.set_territory('zip', '1', 'south')$$);
select pg_temp.fails($$select handoff.set_territory('zip', '1', rep => 'dov')$$);
select pg_temp.fails($$select handoff.set_territory('zip', '1', 'west', p_from => 'infinity')$$);
select pg_temp.fails($$select handoff.set_territory('zip', null, 'west')$$);
select pg_temp.fails($$select handoff.set_territory('zip', '1', 'west', kind => 'suffix')$$);
select handoff.set_territory('zip', '1', 'west'), handoff.set_territory('zip', '1', 'west'), handoff.set_territory('zip', '2');
select kind, key, pool, rep, valid_from, valid_to from handoff.territory;
select handoff.set_territory('zip', '1', rep => 'ana', p_from => '2030-01-01Z'), handoff.set_territory('zip', '1', 'east', p_from => '2028-01-01Z'),
       handoff.set_territory('zip', '1', 'north', p_from => '2028-01-01Z'), handoff.set_territory('zip', '1', p_from => '2029-01-01Z');
select handoff.set_territory('zip', '10', 'west', high => '19', p_from => '2028-01-01Z'), handoff.set_territory('zip', '9', 'west', kind => 'prefix', p_from => '2028-01-01Z');
select kind, key, high, pool, rep, valid_from, valid_to from handoff.territory order by kind, key, valid_from;
select pg_temp.fails($$select handoff.set_territory('zip', '15', 'west', high => '25')$$);
select name, old ->> 'valid_to', new ->> 'valid_from', new ->> 'valid_to' from (select *, row_number() over () as n from handoff.operation_log) l order by n;

--
-- load_territory()
--
create temp table empty (key text, pool text);
create temp table no_key (zip text, pool text);
create temp table no_owner (key text);
create temp table twice (key text, pool text);
insert into twice values ('1', 'west'), ('1', 'east');
create temp table crossed (kind text, key text, high text, pool text);
insert into crossed values ('range', '10', '20', 'west'), ('range', '15', '25', 'west');
create temp table lost (key text, pool text);
insert into lost values ('1', 'south');
select pg_temp.fails(format($$select handoff.load_territory('plz', '%s')$$, t)) from unnest('{empty,no_key,no_owner,twice,crossed,lost,nowhere}'::text[]) t;
create temp table staging (kind text, key int, high int, pool text, rep text);
insert into staging values (null, 1, null, 'west', null), (null, 2, null, null, 'ana'), ('range', 10, 19, 'east', null);
select * from handoff.load_territory('plz', 'staging');
select kind, key, high, pool, rep, valid_from, valid_to from handoff.territory where map = 'plz' order by kind, key;
select * from handoff.load_territory('plz', 'staging');
-- what a later load is to change, and an earlier one that takes its place
update staging set pool = 'north' where key = 1;
delete from staging where key = 2;
insert into staging values ('prefix', 3, null, 'west', null);
select * from handoff.load_territory('plz', 'staging', '2030-01-01Z');
select kind, key, high, pool, rep, valid_from, valid_to from handoff.territory where map = 'plz' order by kind, key, valid_from;
select * from handoff.load_territory('plz', 'staging', '2030-01-01Z');
select * from handoff.load_territory('plz', 'staging', '2029-01-01Z');
select kind, key, high, pool, rep, valid_from, valid_to from handoff.territory where map = 'plz' order by kind, key, valid_from;
-- ended before it ends anyway, and wanted on
update handoff.territory set valid_to = '2035-01-01' where map = 'plz' and kind = 'prefix';
select * from handoff.load_territory('plz', 'staging', '2031-01-01Z');
select valid_from, valid_to from handoff.territory where map = 'plz' and kind = 'prefix';
select pg_temp.fails($$select handoff.load_territory('plz', 'staging', '-infinity')$$);

--
-- What is wrong with a map
--
set local lead_handoff.view_time = '2028-01-01';
delete from handoff.territory;
insert into handoff.territory (map, kind, key, high, pool, rep, valid_from, valid_to) values
    ('zip', 'exact', '1', '', null, 'cem', '-infinity', 'infinity'), ('zip', 'exact', '2', '', null, 'cem', '-infinity', '2027-01-01'),
    ('zip', 'exact', '3', '', 'north', null, '-infinity', 'infinity'),
    ('zip', 'prefix', '94', '', 'west', null, '2026-01-01', '2030-01-01'),
    ('zip', 'range', '94100', '94199', 'west', null, '2026-01-01', '2030-01-01'), ('zip', 'range', '94200', '94299', 'west', null, '2026-01-01', '2031-01-01'),
    ('zip', 'range', '93000', '94999', 'west', null, '2026-01-01', '2030-01-01'),
    ('fine', 'exact', '1', '', 'west', null, '-infinity', 'infinity');
select * from handoff.territory_findings();
select count(*) from handoff.territory_findings('fine');
set local session_replication_role = replica;
insert into handoff.territory (map, key, pool, valid_from) values ('fine', '1', 'east', '2029-01-01');
set local session_replication_role = origin;
select * from handoff.territory_findings('fine');
select invariant, severity, what from handoff.doctor() where invariant = 17;

--
-- Against a plain reading of the rules: random maps, of which every row is taken or refused, and random keys.
-- make stress asks more.
--
delete from handoff.territory;
select setseed(0.42);
\i test/stress/lib/territory.sql
call make_maps(6, 300);
call try_rows();
select kind, count(*) filter (where taken) > 30 as some_taken, count(*) filter (where not taken) > 30 as some_refused from tried group by kind order by kind collate "C";
select count(*) from tried a join tried b on a.n < b.n and a.taken and b.taken and clash(a, b);
select count(*) from tried a where not taken and not exists (select from tried b where b.n < a.n and b.taken and clash(a, b));
select maps, wrong from whole_maps();
select count(*) from handoff.territory_findings() where severity = 'error';
call ask_maps(200);
select coalesce(plain_kind, 'none'), count(*) > 40 as often from answer group by 1 order by coalesce(plain_kind, 'none') collate "C";
select * from answer where (kind, matched, pool) is distinct from (plain_kind, plain_matched, plain_pool) limit 5;

-- a pool that gets another name keeps its territories; one that has some can't go
update handoff.pool set pool = 'south' where pool = 'west';
select count(*) filter (where pool = 'west') as west, count(*) filter (where pool = 'south') > 100 as south from handoff.territory;
select pg_temp.fails($$delete from handoff.pool where pool = 'south'$$);

rollback;

-- changes of a map are refused where others' could not be seen
begin isolation level repeatable read;
set local client_min_messages = warning;
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
    perform handoff.setup();
end $$;
do $$ begin
    delete from handoff.territory;
exception when others then
    raise warning '%: %', sqlstate, sqlerrm;
end $$;
do $$ begin
    perform handoff.set_territory('zip', '1');
exception when others then
    raise warning '%: %', sqlstate, sqlerrm;
end $$;
rollback;
