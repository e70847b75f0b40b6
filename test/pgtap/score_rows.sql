-- score_rows(): every row of a table whose columns are of all sorts scores what the decision about it
-- made of it, and what score() says of its fields; under two versions, with intent and without decay and
-- with it, whatever the session's settings.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
end $$;

-- Contracts: rules over fields of every type, over derived fields and over the time -----------------

create temp table field (name text, type text);
insert into field values ('f_text', 'text'), ('f_padded', 'text'), ('f_long', 'text'), ('f_json', 'text'), ('f_bool', 'boolean'), ('f_small', 'bigint'),
    ('f_big', 'bigint'), ('f_parsed', 'bigint'), ('f_num', 'numeric'), ('f_float', 'numeric'), ('f_jnum', 'numeric'), ('f_date', 'date'),
    ('f_at', 'timestamptz'), ('f_plain', 'timestamptz'), ('f_spoken', 'timestamptz'), ('f_day', 'date'), ('f_tags', 'text[]'), ('f_none', 'text');
create temp table rule (name text, points int, criteria text);
insert into rule
select format('r%s', lpad(row_number() over ()::text, 3, '0')), 1 + (row_number() over ())::int * 7 % 90, c
from (
    select format(c, v) as c from unnest(array['f_text = %L', 'f_text like %L || ''%%''', 'f_padded = %L', 'f_json = %L', 'f_long like ''%%'' || %L', '%L = any(f_tags)', 'email_domain = %L || ''.de''']) c,
        unnest('{a,b,ab}'::text[]) v where c not like '%||%'
    union all
    select format('%s %s %s', f, op, v) from unnest('{f_small,f_big,f_parsed,f_num,f_float,f_jnum}'::text[]) f, unnest('{<,>=,=}'::text[]) op, unnest('{0,3,2.5}'::text[]) v
    union all
    select format('%s %s %s', f, op, v) from unnest('{f_date,f_at,f_plain,f_spoken,f_day}'::text[]) f, unnest('{<,>=}'::text[]) op,
        unnest(array['date ''2026-03-05''', 'current_date', 'now() - interval ''2 days''']) v
    union all
    select format('%s is null', name) from field
    union all
    select unnest(array['f_bool', 'f_bool is not true', 'f_long like ''%ab''', 'f_text ilike ''%B''', 'email_domain = ''b.de''', 'email_domain is null', 'f_tags && array[''a'', ''b'']',
                        'kind_of = ''early''', 'kind_of is null', 'mix = ''both''', 'stage = ''lead'' and cycle = 1', 'touches = 0 and not open_opportunity', 'owner is null'])
) c;
do $$ begin
    delete from handoff.score_rule where contract_id = 1;
    delete from handoff.score_group where contract_id = 1 and kind = 'fit';
    insert into handoff.field (contract_id, of, name, type) select 1, 'lead', name, type from field;
    insert into handoff.derived (contract_id, field, ord, value, criteria)
    values (1, 'kind_of', 10, 'early', 'f_at < timestamptz ''2026-03-05 00:00+00'''), (1, 'kind_of', 20, 'late', 'f_at is not null'),
           (1, 'mix', 30, 'both', 'kind_of = ''late'' and f_small > 2'), (1, 'unused', 40, 'x', 'phone is not null');
    insert into handoff.score_group (contract_id, name, kind, min_points, max_points) values (1, 'one', 'fit', -10, 900), (1, 'two', 'fit', null, 1200), (1, 'act', 'intent', 0, 60);
    insert into handoff.score_rule (contract_id, name, score_group, points, criteria)
    select 1, name, case when points % 3 = 0 then 'one' else 'two' end, points - 30, criteria::handoff.criteria from rule;
    insert into handoff.score_rule (contract_id, name, score_group, points, criteria) values (1, 'any', 'act', 13, 'kind = ''form'''), (1, 'less', 'act', -4, 'kind = ''call''');
    update handoff.contract set reporting_zone = 'America/New_York', min_fit = -500, max_fit = 5000, max_intent = 50 where contract_id = 1;
    update handoff.band set min_fit = 600, min_intent = 20 where contract_id = 1 and name = 'A';
    update handoff.band set min_fit = 400 where contract_id = 1 and name = 'B';
    update handoff.band set min_score = 300 where contract_id = 1 and name = 'C';
    update handoff.stage set entry = 'fit > 100000' where contract_id = 1 and name = 'mql';
    perform handoff.publish();
    -- another version: with decay, other points, and a draft that is never in force
    perform handoff.draft();
    update handoff.contract set half_life = '3 days', reporting_zone = 'Asia/Kolkata' where contract_id = 2;
    update handoff.score_rule set points = -points where contract_id = 2 and points % 2 = 0;
end $$;

-- The table -----------------------------------------------------------------------------------------

create schema crm;
create domain crm.short as varchar(20) check (length(value) < 20);
create type crm.mood as enum ('a', 'b', 'ab');
create table crm.row (
    dropped int, a text, b int, "f_text" crm.mood, f_padded char(5), f_long text, f_json jsonb, f_bool int, f_small int2, f_big int, f_parsed text, f_num numeric,
    f_float float4, f_jnum json, f_date date, f_at timestamptz, f_plain timestamp, f_spoken varchar(40), f_day text, f_tags crm.short[], email crm.short,
    phone text, primary key (b, a)
);
alter table crm.row alter f_long set storage external;
alter table crm.row drop column dropped;
create table crm.act (id text primary key, who text, at timestamptz, kind text);

create function pg_temp.pick(i int, k int, choices text[]) returns text language sql immutable as $$
    select choices[1 + abs(hashint8extended(i, k) % cardinality(choices))]
$$;
do $$ begin
    perform handoff.attach('crm.row', 'lead', key => '{a,b}', since => '-infinity', key_prefix => 'k:', delete_grace => '0');
    perform handoff.attach('crm.act', 'activity', since => '-infinity', mapping => '{"lead_key": "who", "at": "at", "kind": "kind"}', delete_grace => '0');
end $$;
insert into crm.row
select 'key "' || i, i % 7, pg_temp.pick(i, 1, '{null,a,b,ab}')::crm.mood, pg_temp.pick(i, 2, '{null,a,b,ab,""}'),
       case i % 5 when 0 then null when 1 then repeat('x', 9000) || 'ab' else pg_temp.pick(i, 3, '{a,ab,xab}') end,
       pg_temp.pick(i, 4, '{null,"null","\"a\"","\"ab\"",3,"{\"a\": 1}",true}')::jsonb, pg_temp.pick(i, 5, '{null,0,1,2}')::int,
       pg_temp.pick(i, 6, '{null,-32768,0,2,3,32767}')::int2, pg_temp.pick(i, 7, '{null,-1,0,3,2147483647}')::int,
       pg_temp.pick(i, 8, '{null," 3 ",0,-9223372036854775808,9223372036854775807}'),
       pg_temp.pick(i, 9, '{null,NaN,Infinity,-Infinity,0,2.5,2.50000,3,-0.0000001,1e100}')::numeric, pg_temp.pick(i, 10, '{null,NaN,0,2.5,3,-1e30}')::float4,
       pg_temp.pick(i, 11, '{null,2.5,"null",3,"\"0\"",-1e3}')::json, pg_temp.pick(i, 12, '{null,2026-03-04,2026-03-05,2026-03-10,infinity,-infinity}')::date,
       pg_temp.pick(i, 13, '{null,2026-03-04 23:59:59.999999+00,2026-03-05 00:00+00,2026-03-05 04:59+00,2026-03-05 05:00+00,2026-03-10 12:00+00,infinity}')::timestamptz,
       pg_temp.pick(i, 14, '{null,2026-03-05 00:00,2026-03-05 05:00,2026-03-08 02:30,-infinity}')::timestamp,
       pg_temp.pick(i, 15, '{null,2026-03-05 00:00,2026-03-04 23:59,2026-03-08 10:00+05:30,infinity}'), pg_temp.pick(i, 16, '{null,2026-03-05,2026-03-10,-infinity}'),
       pg_temp.pick(i, 17, '{null,"{}","{a}","{ab,NULL,b}","{{a,b},{c,d}}"}')::text[]::crm.short[], pg_temp.pick(i, 18, '{null," Jo@B.de ",jo@a.de,nobody,x@}'), 'unused'
from generate_series(1, 900) i;
insert into crm.act select 'A' || i, format('k:["key \"%s","%s"]', i % 400, i % 400 % 7), timestamptz '2026-03-01' + i % 170 * interval '1 hour', pg_temp.pick(i, 20, '{form,form,call,page}')
from generate_series(1, 2000) i;

set local timezone = 'Pacific/Auckland';
set local datestyle = 'SQL, DMY';
set local extra_float_digits = 0;
do $$ begin perform handoff.tick('2026-03-08 11:00+00'); end $$;
select is((select string_agg(message, '; ') from handoff.quarantine), null, 'every row can be read');
select results_eq($$ select count(*), count(distinct fit) > 200, count(distinct band) from handoff.lead where source = 'crm.row' $$,
                  $$ values (900::bigint, true, 4::bigint) $$, 'leads of every kind');

-- What differs --------------------------------------------------------------------------------------

-- between the rows of a version and the leads, which that version has decided at that moment
create function pg_temp.differences(version int, at timestamptz) returns setof text language sql as $$
    select format('%s: fit %s, not %s; intent %s, not %s; score %s, not %s; band %s, not %s', coalesce(s.lead_key, l.lead_key),
                  s.fit, l.fit, s.intent, i.intent, s.score, l.score, s.band, l.band)
    from handoff.score_rows('crm.row', $1, $2) s
    full join (select * from handoff.lead where source = 'crm.row' and deleted_at is null) l using (lead_key)
    cross join lateral (select round(least(50, handoff.points(l.intent, $2, l.half_life))::numeric, 6) as intent) i
    where (s.fit, s.score, s.band, s.intent) is distinct from (l.fit, l.score, l.band, i.intent)
$$;
-- between score_rows and score() of the fields that the lead is known by; a time of day was read in the zone of
-- the version that decided it
create function pg_temp.what_if_differences(version int, at timestamptz, same_zone boolean default true) returns setof text language sql as $$
    select format('%s: %s, not %s', s.lead_key, (s.fit, s.intent, s.score, s.band), (w.fit, w.intent, w.score, w.band))
    from handoff.score_rows('crm.row', $1, $2) s
    join handoff.lead l using (lead_key)
    cross join lateral handoff.score(l.fields || jsonb_build_object('intent', s.intent), $1, $2) w
    where ($3 or not l.fields ? 'f_spoken') and s.intent is not null and (s.fit, s.intent, s.score, s.band) is distinct from (w.fit, w.intent, w.score, w.band)
$$;
select is_empty($$ select pg_temp.differences(1, '2026-03-08 11:00+00') $$, 'rows as the decision has them');
select is_empty($$ select pg_temp.what_if_differences(1, '2026-03-08 11:00+00') $$, 'rows as score() has them');
select is_empty($$ select pg_temp.what_if_differences(2, '2026-03-08 11:00+00', false) $$, 'the same under the draft');
select is_empty($$ select pg_temp.what_if_differences(1, '2026-03-05 04:59:59+00') $$, 'at another moment');
select isnt_empty($$ select from handoff.score_rows('crm.row', 1) a join handoff.score_rows('crm.row', 2) b using (lead_key) where a.fit <> b.fit $$, 'the draft differs');
select results_eq($$ select count(*) filter (where s.intent is null and l.intent operator(handoff.<>) '0' and s.score is null and s.band is null and s.fit is not null) > 200,
                            count(*) filter (where s.intent = 0 and l.intent operator(handoff.=) '0' and s.score = s.fit) > 200, bool_and(s.intent is null or s.intent = 0)
                     from handoff.score_rows('crm.row', 2) s join handoff.lead l using (lead_key) $$,
                  $$ values (true, true, true) $$, 'intent of another half-life is not told');
select is_empty($$ select * from (select (s).* from (select handoff.score_rows('crm.row', 1, '2026-03-08 11:00+00') s offset 0) q) a
                   except select * from handoff.score_rows('crm.row', 1, '2026-03-08 11:00+00') $$, 'row by row and at once alike');

-- The rules by PostgreSQL itself, over the rows as its own casts read them
create temp table as_cast as
select a, b, f_text::text as f_text, f_padded::text as f_padded, f_long, f_json #>> '{}' as f_json, f_bool::boolean as f_bool, f_small::bigint as f_small, f_big::bigint as f_big,
       f_parsed::bigint as f_parsed, f_num, f_float::numeric as f_float, (f_jnum #>> '{}')::numeric as f_jnum, f_date, f_at, f_plain at time zone 'UTC' as f_plain,
       null::timestamptz as f_spoken, f_day::date as f_day, f_tags::text[] as f_tags, null::text as f_none
from crm.row;
set local timezone = 'America/New_York';
set local datestyle = iso;
update as_cast c set f_spoken = r.f_spoken::timestamptz from crm.row r where (r.a, r.b) = (c.a, c.b);
create function pg_temp.holds(criteria text, lead as_cast) returns boolean language plpgsql as $$
declare
    answer boolean;
begin
    execute format('select (%s) from (select ($1).*) r', replace(replace(criteria, 'now()', '$2'), 'current_date', '($2::date)')) into answer using lead, timestamptz '2026-03-08 11:00+00';
    return coalesce(answer, false);
end $$;
select is_empty($$
    select r.name, r.criteria, c.a from rule r cross join (select * from as_cast order by a limit 60) c
    join handoff.lead l on l.lead_key = format('k:[%s,"%s"]', to_json(c.a), c.b)
    cross join lateral handoff.score(l.fields, 1, '2026-03-08 11:00+00') w
    where r.criteria !~ 'email|kind_of|mix|stage|touches|owner' and (r.name = any (w.rules)) <> pg_temp.holds(r.criteria, c::as_cast)
$$, 'each rule as PostgreSQL says');

-- The other version in force, and rows that are changed, deleted and back
do $$ begin
    perform handoff.publish(2);
    delete from crm.row where b = 3;
    update crm.row set f_small = 3, f_text = 'ab' where b = 5;
    delete from crm.act where id like '%7';
    perform handoff.tick('2026-03-09 11:00+00', 100);
    -- by now every lead is the new version's
    insert into handoff.inbox (source, raw_key, op, xid, at) select source, raw_key, 'R', pg_current_xact_id(), now() from handoff.lead where source = 'crm.row';
    perform handoff.tick('2026-03-09 11:00+00');
end $$;
select is_empty($$ select pg_temp.differences(2, '2026-03-09 11:00+00') $$, 'as decided by the version with decay');
select is_empty($$ select pg_temp.what_if_differences(2, '2026-03-09 11:00+00') $$, 'and as score() has them');
select results_eq($$ select count(*), count(*) filter (where intent > 0) > 50 from handoff.score_rows('crm.row', at => '2026-03-09 11:00+00') $$,
                  $$ select count(*), true from crm.row $$, 'all rows, many with intent');
select * from finish();
rollback;
