-- score() and score_rows(): what they answer, every error, whose rights count, and how a stream of rows
-- begins, pauses and ends. That the numbers are those of decisions is shown by test/pgtap/score_rows.sql.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
set client_min_messages = warning;
set timezone = 'UTC';
set lead_handoff.inline_limit = 0;
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
    perform handoff.setup();
end $$;
create schema sc;

-- a query, and what it says: its rows, or its error
create function sc.try(query text) returns setof text language plpgsql as $$
declare
    state   text;
    message text;
    detail  text;
    hint    text;
    context text;
begin
    return query execute format('select q::text from (%s) q', query);
exception when others then
    get stacked diagnostics state = returned_sqlstate, message = message_text, detail = pg_exception_detail,
                            hint = pg_exception_hint, context = pg_exception_context;
    return next state || ' ' || message;
    if detail <> '' then
        return next '  detail: ' || detail;
    end if;
    if hint <> '' then
        return next '  hint: ' || hint;
    end if;
    if context ~ '^row ' then
        return next '  context: ' || split_part(context, E'\n', 1);
    end if;
end $$;

-- No version to choose ----------------------------------------------------------------------------
select sc.try($$ select * from handoff.score('{}') $$);
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.publish();
end $$;

-- score() -----------------------------------------------------------------------------------------
select f, s from unnest(array[
    '{}', null, '[]', '"fit"',
    '{"title": "VP Sales", "employees": 500, "email": "Jo@GMAIL.com "}',
    '{"title": "VP Sales", "employees": 500, "email": "jo@acme.de", "country": "Germany"}',
    '{"title": null, "employees": 5e2, "annual_revenue": "NaN"}',
    '{"intent": 29.5}', '{"intent": 29.49}', '{"intent": 0.0000004}', '{"intent": 1e9}', '{"intent": -3}',
    '{"stage": "mql", "owner": "ana", "cycle": 7, "touches": 3, "customer": true}'
    ]::jsonb[]) f, lateral sc.try(format('select (handoff.score(%L)).*', f)) s;
select sc.try($$ select * from handoff.score('{"employes": 5}') $$);
select sc.try($$ select * from handoff.score('{"shoe_size": 46}') $$);
select sc.try($$ select * from handoff.score('{"employees": "many"}') $$);
select sc.try($$ select * from handoff.score('{"employees": 5.5}') $$);
select sc.try($$ select * from handoff.score('{"title": 5}') $$);
select sc.try($$ select * from handoff.score('{"created_at": "yesterday"}') $$);
select sc.try(format($$ select * from handoff.score('{"%s": 1}') $$, f)) from unnest('{fit,score,band,signals,size_band}'::text[]) f;
select sc.try($$ select * from handoff.score('{"intent": "NaN"}') $$);
select sc.try($$ select * from handoff.score('{"intent": 1e300}') $$);
select sc.try($$ select * from handoff.score('{}', 7) $$);
select sc.try($$ select * from handoff.score('{}', 0) $$);

-- the draft being edited is the default; rules over now() are asked at the moment given, in the contract's zone
do $$ begin
    perform handoff.draft();
    update handoff.contract set reporting_zone = 'Asia/Tokyo' where contract_id = 2;
    insert into handoff.score_rule (contract_id, name, score_group, points, criteria)
    select 2, v.name, min(g.name), v.points, v.criteria::handoff.criteria
    from handoff.score_group g, (values ('new_lead', 7, 'created_at > now() - interval ''7 days'''), ('made_today', 9, 'created_at >= current_date')) v (name, points, criteria)
    where g.contract_id = 2 and g.kind = 'fit' group by v.name, v.points, v.criteria;
end $$;
select a, s.fit, s.rules from unnest('{2026-03-04 14:59,2026-03-04 15:01,2026-03-12}'::timestamptz[]) a,
    handoff.score('{"created_at": "2026-03-04T14:30:00Z", "title": "Intern"}', at => a) s;
select s.fit, s.rules from handoff.score('{"created_at": "2026-03-04T14:30:00Z", "title": "Intern"}', 1, '2026-03-04 15:00') s;
set lead_handoff.view_time = '2026-03-04 14:59';
select s.fit, s.rules from handoff.score('{"created_at": "2026-03-04T14:30:00Z", "title": "Intern"}') s;
reset lead_handoff.view_time;

-- score_rows() ------------------------------------------------------------------------------------
create table sc.lead (id text primary key, email text, title varchar(40), employees int, created_at timestamp, gone text, secret text);
create table sc.act (id int primary key, lead_key text, at timestamptz, kind text);
insert into sc.lead
select 'L' || i, 'x@acme' || i || '.de', (array['VP Sales', 'Intern', 'CTO'])[1 + i % 3], i * 50, '2026-03-04 14:30', case i when 4 then 'yes' end
from generate_series(1, 5) i;
do $$ begin
    perform handoff.attach('sc.lead', 'lead', key_prefix => 'x:', since => '-infinity',
        mapping => '{"email": "email", "title": "title", "employees": "employees", "created_at": "created_at", "deleted": "gone"}');
    perform handoff.attach('sc.act', 'activity', key_prefix => 'x:', since => '-infinity');
end $$;
select * from handoff.score_rows('sc.lead', 1);
select * from handoff.score_rows('sc.lead', at => '2026-03-05');
select (s).lead_key, (s).fit from (select handoff.score_rows('sc.lead', 2, '2026-03-12') s offset 0) q;
select handoff.score_rows(null);
select * from handoff.score_rows(null);
select sc.try($$ select * from handoff.score_rows('sc.nothing') $$);
select sc.try($$ select * from handoff.score_rows('sc.act') $$);
select sc.try($$ select * from handoff.score_rows('sc.lead', 7) $$);
select sc.try($$ select handoff.score_rows('sc.lead', 7) $$);

-- a key of two columns, one of them char(n); a null in it is no key
create table sc.pair (a char(6), b int, title text);
insert into sc.pair values ('a"b', 1, 'CTO'), ('null', null, 'CTO'), ('', 2, 'Intern');
do $$ begin perform handoff.attach('sc.pair', 'lead', key => '{a,b}', since => '-infinity'); end $$;
select * from handoff.score_rows('sc.pair', 1);

-- a row that can't be read is an error that names it
insert into sc.lead values ('L6', null, 'CTO', 5, null, 'perhaps');
select sc.try($$ select count(*) from handoff.score_rows('sc.lead', 1) $$);
select sc.try($$ select count(s) from (select handoff.score_rows('sc.lead', 1) s offset 0) q $$);
update sc.lead set gone = null where id = 'L6';
-- a mapped column that is gone reads null
begin;
alter table sc.lead rename title to headline;
select lead_key, fit from handoff.score_rows('sc.lead', 1) limit 2;
rollback;
begin;
alter table sc.lead rename to other;
select sc.try($$ select * from handoff.score_rows('sc.lead', 1) $$);
-- a view in its place is read as any view
create view sc.lead as select * from sc.other where id < 'L3';
select lead_key, fit from handoff.score_rows('sc.lead', 1);
rollback;

-- Intent is what the lead's last decision left ----------------------------------------------------
insert into sc.act values (1, 'L1', '2026-03-01', 'trial'), (2, 'L2', '2026-03-01', 'form');
do $$ begin
    perform handoff.publish(2);
    perform handoff.draft();
    update handoff.contract set half_life = '7 days' where contract_id = 3;
    perform handoff.tick('2026-03-08');
end $$;
select * from handoff.score_rows('sc.lead', 2, '2026-03-08');
-- folded without decay: what a version with one would make of it can't be told
select * from handoff.score_rows('sc.lead', 3, '2026-03-08');
do $$ begin
    perform handoff.publish(3);
    insert into handoff.inbox select 'sc.lead', id, 'R', pg_current_xact_id(), now() from sc.lead;
    perform handoff.tick('2026-03-09');
end $$;
select l.lead_key, round(handoff.points(l.intent, '2026-03-15', l.half_life)::numeric, 3), s.intent, s.score
from handoff.score_rows('sc.lead', 3, '2026-03-15') s join handoff.lead l using (lead_key) where s.intent <> 0;

-- Rights ------------------------------------------------------------------------------------------
create role sc_reader;
select handoff.grant_access('sc_reader', 'operator');
create role sc_nobody;
grant usage on schema handoff, sc to sc_nobody;
grant usage on schema sc to sc_reader;
-- the table's are the caller's own, though ours are not
grant execute on function sc.try(text) to public;
set role sc_nobody;
select sc.try($$ select * from handoff.score_rows('sc.lead') $$);
select sc.try($$ select * from handoff.score('{}') $$);
set role sc_reader;
select sc.try($$ select * from handoff.score_rows('sc.lead') $$);
select sc.try($$ select handoff.score_rows('sc.lead') $$);
reset role;
-- only the columns that rules use are read
grant select (id, email, title, employees, created_at) on sc.lead to sc_reader;
set role sc_reader;
select sc.try($$ select * from handoff.score_rows('sc.lead', 1) $$);
reset role;
grant select (gone) on sc.lead to sc_reader;
set role sc_reader;
select count(*) from handoff.score_rows('sc.lead', 1);
reset role;
-- a policy whose function relies on the search_path of the session
set search_path = sc, public;
create function mine() returns text[] language sql as 'select array[''L1'', ''L3'']';
create function is_mine(id text) returns boolean language sql as 'select id = any (mine())';
reset search_path;
grant execute on all functions in schema sc to sc_reader;
alter table sc.lead enable row level security;
create policy mine on sc.lead for select using (sc.is_mine(id));
set role sc_reader;
set search_path = sc, public;
select lead_key from handoff.score_rows('sc.lead', 1);
select (s).lead_key from (select handoff.score_rows('sc.lead', 1) s offset 0) q;
reset search_path;
reset role;
alter table sc.lead disable row level security;

-- How a stream of rows goes -------------------------------------------------------------------------
insert into sc.lead select 'M' || i, null, 'CTO', i % 900, '2026-03-04' from generate_series(1, 1000) i;
-- of one page, then of several; early ends leave nothing open (a leak would warn)
select count(*), sum((s).fit) from (select handoff.score_rows('sc.lead', 1) s offset 0) q;
select count(*), sum(fit) from handoff.score_rows('sc.lead', 1);
select count(*) from (select handoff.score_rows('sc.lead', 1) limit 0) q;
select count(*) from (select handoff.score_rows('sc.lead', 1) limit 3) q;
select count(*) from (select handoff.score_rows('sc.lead', 1) limit 64) q;
select count(*) from (select handoff.score_rows('sc.lead', 1) limit 65) q;
select count(*) from (select handoff.score_rows('sc.lead', 1) offset 1004) q;
-- a row that can't be read, behind those that are asked for
begin;
update sc.lead set gone = 'perhaps' where id = 'M1000';
select count(*) from (select handoff.score_rows('sc.lead', 1) limit 65) q;
rollback;
-- again and again, and two at once at different moments
select i, (select count(*) from (select handoff.score_rows('sc.lead', 1) limit i * 50) q) from generate_series(1, 3) i;
select i, (select sum(fit) from handoff.score_rows('sc.lead', i)) from generate_series(1, 2) i;
select count(*) filter (where (a).lead_key <> (b).lead_key), sum((a).fit), sum((b).fit), sum((c).fit)
from (select handoff.score_rows('sc.lead', 2, '2026-03-04 14:59') a, handoff.score_rows('sc.lead', 2, '2026-03-12') b,
             handoff.score_rows('sc.lead', 2, '2026-03-04 14:59') c offset 0) q;
-- a cursor reads the table as it was when it was opened, whatever happens between its fetches
begin;
declare c cursor for select handoff.score_rows('sc.lead', 2, '2026-03-04 14:59');
fetch 2 from c;
insert into sc.lead values ('N1', null, 'CTO', 5, '2026-03-04');
select fit, rules from handoff.score('{"title": "CTO", "created_at": "2029-12-31T23:00:00Z"}', 2, '2030-01-01');
savepoint s;
fetch 1 from c;
move 200 from c;
rollback to s;
fetch 1 from c;
move all from c;
declare d cursor for select handoff.score_rows('sc.lead', 1);
move 3 from d;
savepoint s;
close d;
rollback to s;
declare h cursor with hold for select handoff.score_rows('sc.lead', 1);
move 3 from h;
commit;
fetch 1 from h;
move all from h;
close h;
-- given up by an error in the middle
select sc.try($$ select 1 / (1002 - row_number() over ()) from (select handoff.score_rows('sc.lead', 1) offset 0) q offset 1000 $$);
-- read only; inside functions
begin read only;
select count(*) from handoff.score_rows('sc.lead', 1);
select count(*) from (select handoff.score_rows('sc.lead', 1) limit 100) q;
rollback;
create function sc.loop() returns bigint language plpgsql as $$
declare
    total bigint := 0;
    row   record;
begin
    for row in select (s).fit from (select handoff.score_rows('sc.lead', 1) s offset 0) q loop
        total := total + row.fit;
        exit when total > 500;
    end loop;
    return total;
end $$;
select sc.loop();
create function sc.sql() returns setof bigint language sql as 'select (s).fit from (select handoff.score_rows(''sc.lead'', 1) s offset 0) q';
select count(*) from (select sc.sql() limit 70) q;
-- beside parallel workers
set parallel_setup_cost = 0;
set parallel_tuple_cost = 0;
set min_parallel_table_scan_size = 0;
alter table sc.lead set (parallel_workers = 2);
select count(*), sum((handoff.score(jsonb_build_object('employees', employees), 1)).fit) from sc.lead where employees > 5;
select count(*) from handoff.score_rows('sc.lead', 1) s join sc.lead l on s.lead_key = 'x:' || l.id;
select count(*) from sc.lead l where exists (select from (select handoff.score_rows('sc.lead', 1) s limit 10) q where (s).lead_key = 'x:' || l.id);

select * from handoff.doctor() where severity = 'error';
drop schema sc cascade;
drop owned by sc_reader, sc_nobody;
drop role sc_reader, sc_nobody;
