-- Score: fit, intent, signals, score and band of the template's rules, against the same rules run by
-- PostgreSQL itself, over made-up people whose rows and activities come late, twice, changed, in any
-- order and are deleted again. Without decay, then with it.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    -- everybody stays where he is: a lead that was handed over would keep its version
    update handoff.stage set entry = 'fit > 1000' where name = 'mql';
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.publish();
end $$;
set local timezone = 'UTC';

create schema crm;
create table crm.person (
    id text primary key, email text, title text, seniority text, department text, employees bigint, annual_revenue numeric,
    industry text, country text, updated_at timestamptz
);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, page text, direction text, outcome text, is_automatic boolean);
do $$ begin
    perform handoff.attach('crm.person', 'lead', since => '-infinity', delete_grace => '0');
    perform handoff.attach('crm.act', 'activity', since => '-infinity', delete_grace => '0');
end $$;

-- What comes ----------------------------------------------------------------------------------------

-- one of several, the same for the same numbers always
create function pg_temp.pick(i int, k int, choices text[]) returns text language sql immutable as $$
    select choices[1 + abs(hashint8extended(i, k) % cardinality(choices))]
$$;
create function pg_temp.person(i int, k int) returns crm.person language sql immutable as $$
    select row('P' || i,
        case i % 9 when 0 then null else pg_temp.pick(i, k + 1, '{Jo@gmail.com, jo@ACME.de ,x@web.de,nobody,"a@b@acme.com"}') end,
        pg_temp.pick(i, k + 2, '{null,"Chief Cook",CTO,"VP Sales","Head of Ops","Office Manager",Intern,"Freelance Writer","Co-Founder"}'),
        pg_temp.pick(i, k + 3, '{null,C-Level,VP,Director,Manager,Staff,Student}'),
        pg_temp.pick(i, k + 4, '{null,Sales,Marketing,Legal}'),
        pg_temp.pick(i, k + 5, '{null,1,4,5,19,20,199,200,999,1000,100000}')::bigint,
        pg_temp.pick(i, k + 6, '{null,0,49999999.99,50000000,500000000}')::numeric,
        pg_temp.pick(i, k + 7, '{null,Software,Media,Farming}'),
        pg_temp.pick(i, k + 8, '{null,Germany,DE,US,KP,Syria}'),
        timestamptz '2026-03-01' + k * interval '1 hour')::crm.person
$$;
create function pg_temp.act(i int, k int) returns crm.act language sql immutable as $$
    select row('A' || i, 'P' || abs(hashint8extended(i, k) % 160),
        -- many at the same time
        timestamptz '2026-03-01' + (abs(hashint8extended(i, k + 1) % 1000)) * interval '1 hour',
        pg_temp.pick(i, k + 2, '{page_view,page_view,page_view,form,form,download,webinar,event,trial,chat,unsubscribe,email_click,email,call,null}'),
        pg_temp.pick(i, k + 3, '{null,/,/pricing,/pricing/all,/demo,/contact,/careers/it}'),
        pg_temp.pick(i, k + 4, '{null,inbound,outbound}'),
        pg_temp.pick(i, k + 5, '{null,attended,Connected}'),
        pg_temp.pick(i, k + 6, '{null,t,f}')::boolean)::crm.act
$$;
-- batches: some are first versions that are corrected later; activities before their people; some go
do $$ begin
    for batch in 0 .. 3 loop
        insert into crm.act select (pg_temp.act(i, 100)).* from generate_series(1, 1600) i where i % 4 = batch;
        insert into crm.person select (pg_temp.person(i, 0)).* from generate_series(1, 150) i where i % 4 = (batch + 2) % 4;
        perform handoff.tick('2026-04-15');
    end loop;
    update crm.person p set (email, title, seniority, department, employees, annual_revenue, industry, country, updated_at)
        = (select email, title, seniority, department, employees, annual_revenue, industry, country, updated_at from pg_temp.person(substr(p.id, 2)::int, 50))
    where substr(p.id, 2)::int % 3 = 0;
    update crm.act a set (lead_key, at, kind, page, direction, outcome, is_automatic)
        = (select lead_key, at, kind, page, direction, outcome, is_automatic from pg_temp.act(substr(a.id, 2)::int, 200))
    where substr(a.id, 2)::int % 5 = 0;
    update crm.act set kind = kind;
    delete from crm.act where substr(id, 2)::int % 7 = 0;
    perform handoff.tick('2026-04-15', 7);
    insert into crm.act select (pg_temp.act(i, 100)).* from generate_series(1, 1600) i where i % 49 = 0;
    perform handoff.tick('2026-04-15');
end $$;

-- The same by PostgreSQL ------------------------------------------------------------------------------

create temp table person as
select p.*, reverse(split_part(reverse(lower(btrim(p.email, ' '))), '@', 1)) as email_domain, null::text as size_band, null::text as segment, null::bigint as fit
from crm.person p;
update person set email_domain = null where strpos(email, '@') = 0;
create temp table fit_hit (id text, score_group text, points int);
create temp table act as select * from crm.act;
create temp table intent_hit (id text, score_group text, points int);
create temp table signal_hit (id text, name text);
do $$
declare
    rule record;
begin
    for rule in select field, value, criteria from handoff.derived order by ord loop
        execute format('update person set %1$I = %2$L where %1$I is null and (%3$s)', rule.field, rule.value, coalesce(rule.criteria::text, 'true'));
    end loop;
    for rule in select r.score_group, r.points, r.criteria, g.kind from handoff.score_rule r
                join handoff.score_group g on g.contract_id = r.contract_id and g.name = r.score_group loop
        execute format('insert into %I select id, %L, %s from %I where (%s)', rule.kind || '_hit', rule.score_group, rule.points,
                       case rule.kind when 'fit' then 'person' else 'act' end, coalesce(rule.criteria::text, 'true'));
    end loop;
    for rule in select name, criteria from handoff.activity_rule where meaning = 'signal' loop
        execute format('insert into signal_hit select id, %L from act where (%s)', rule.name, rule.criteria);
    end loop;
end $$;
update person p set fit = least(100, greatest(-50, (
    select coalesce(sum(least(g.max_points, greatest(g.min_points, coalesce((select sum(h.points) from fit_hit h where h.id = p.id and h.score_group = g.name), 0)))), 0)
    from handoff.score_group g where g.kind = 'fit')));

-- intent of a person at a moment: group by group, activity by activity
create function pg_temp.intent(person text, until timestamptz, half_life interval) returns float8 language plpgsql as $$
declare
    g      record;
    a      record;
    amount float8;
    last   timestamptz;
    total  float8 := 0;
    factor constant float8 := coalesce(1 / extract(epoch from half_life), 0);
begin
    for g in select distinct name, min_points, max_points from handoff.score_group where kind = 'intent' loop
        amount := 0;
        last := until;
        for a in
            select act.at, sum(h.points) as points from act join intent_hit h on h.id = act.id and h.score_group = g.name
            where act.lead_key = person and act.at <= until group by act.id, act.at having sum(h.points) <> 0 order by act.at, act.id collate "C"
        loop
            amount := amount * 2 ^ (- factor * greatest(extract(epoch from a.at - last)::float8, 0));
            amount := least(g.max_points, greatest(g.min_points, amount + a.points));
            last := a.at;
        end loop;
        total := total + amount * 2 ^ (- factor * extract(epoch from until - last)::float8);
    end loop;
    return least(100, greatest(0, total));
end $$;
-- what every lead should be at a moment
create function pg_temp.expected(until timestamptz, half_life interval)
    returns table (lead_key text, fit bigint, intent float8, score bigint, band text, signals text[]) language sql as $$
    select p.id, p.fit, i.intent, s.score,
           case when p.fit >= 50 and i.intent >= 30 then 'A' when p.fit >= 25 and i.intent >= 20 then 'B' when s.score >= 30 then 'C' else 'D' end,
           array(select r.name from handoff.activity_rule r
                 where r.contract_id = 1 and r.meaning = 'signal'
                   and (select count(*) from act join signal_hit h on h.id = act.id and h.name = r.name
                        where act.lead_key = p.id and act.at <= until and act.at > until - r.within) >= r.min_count
                 order by r.name)
    from person p
    cross join lateral (select pg_temp.intent(p.id, until, half_life) as intent) i
    cross join lateral (select p.fit + floor(i.intent + 0.5)::bigint as score) s
$$;

create function pg_temp.differences(until timestamptz, half_life interval) returns setof text language sql as $$
    select format('%s: fit %s, not %s; intent %s, not %s; score %s, not %s; band %s, not %s; signals %s, not %s', lead_key, l.fit, e.fit,
                  i.intent, e.intent, l.score, e.score, l.band, e.band, l.signals, e.signals)
    from pg_temp.expected(until, half_life) e
    left join handoff.lead l using (lead_key)
    cross join lateral (select least(100, greatest(0, handoff.points(l.intent, until, l.half_life))) as intent) i
    where (l.fit, l.score, l.band, array(select unnest(l.signals) order by 1)) is distinct from (e.fit, e.score, e.band, e.signals)
       or abs(i.intent - e.intent) > 1e-6 or i.intent is null
$$;
select is_empty($$ select pg_temp.differences('2026-04-15', null) $$, 'all as PostgreSQL says');
select results_eq($$ select count(*), count(distinct fit) > 25, count(distinct score) > 40, count(distinct band) from handoff.lead $$, $$ values (150::bigint, true, true, 4::bigint) $$, 'of every kind');

-- with decay: another version, then a week goes by with nothing but time
do $$ begin
    perform handoff.draft();
    update handoff.contract set half_life = '7 days' where contract_id = 2;
    perform handoff.publish(2);
    perform handoff.tick('2026-04-15 12:00');
end $$;
select is_empty($$ select pg_temp.differences('2026-04-15 12:00', '7 days') $$, 'with a half-life of seven days');
do $$ begin
    insert into crm.act select 'B' || i, 'P' || i, '2026-04-16', (array['form', 'trial', 'page_view'])[1 + i % 3], (array['/demo', '/contact'])[1 + i % 2] from generate_series(1, 150) i;
    insert into crm.act select 'C' || i || '/' || n, 'P' || i, timestamptz '2026-04-16' + n * interval '1 hour', 'page_view', '/pricing' from generate_series(1, 150, 10) i, generate_series(1, 3) n;
    perform handoff.tick('2026-04-17');
end $$;
truncate act, intent_hit, signal_hit;
insert into act select * from crm.act;
do $$
declare
    rule record;
begin
    for rule in select r.score_group, r.points, r.criteria from handoff.score_rule r
                join handoff.score_group g on g.contract_id = r.contract_id and g.name = r.score_group and g.kind = 'intent' where r.contract_id = 1 loop
        execute format('insert into intent_hit select id, %L, %s from act where (%s)', rule.score_group, rule.points, coalesce(rule.criteria::text, 'true'));
    end loop;
    for rule in select name, criteria from handoff.activity_rule where meaning = 'signal' and contract_id = 1 loop
        execute format('insert into signal_hit select id, %L from act where (%s)', rule.name, rule.criteria);
    end loop;
end $$;
select is_empty($$ select pg_temp.differences('2026-04-17', '7 days') $$, 'new activities on top of old ones');
select is((select count(distinct s) from handoff.lead, unnest(signals) s), 4::bigint, 'with every signal');
do $$ begin
    for n in 1 .. 40 loop
        perform handoff.tick(timestamptz '2026-04-17' + n * interval '12 hours');
    end loop;
end $$;
select is_empty($$ select lead_key, l.band, e.band, l.signals, e.signals, i.intent, e.intent
                   from handoff.lead l join pg_temp.expected('2026-05-07', '7 days') e using (lead_key)
                   cross join lateral (select least(100, greatest(0, handoff.points(l.intent, '2026-05-07', l.half_life))) as intent) i
                   where (l.band, array(select unnest(l.signals) order by 1)) is distinct from (e.band, e.signals) or abs(i.intent - e.intent) > 1e-6 $$,
    'three weeks later, with nothing but clocks: bands and signals have come down in time');
select is_empty($$ select l.lead_key, l.score, l.decided_at from handoff.lead l
                   where l.score <> l.fit + floor(least(100, greatest(0, handoff.points(l.intent, l.decided_at, l.half_life))) + 0.5) $$,
    'and the score that is kept is that of the newest decision');
-- a lead that stays above 30 points for long is not looked at each time it loses one
select cmp_ok((select count(*) from handoff.event where type = 'scored' and at > '2026-04-17' and at <= '2026-05-07'), '<', 600::bigint,
    'decided only when something depends on it');
-- what is kept of a lead's activities is what they come to when they are folded anew
create temp table kept as select lead_key, intent, group_heat, folded_at, booked_at, last_seq from handoff.lead;
do $$ begin
    update handoff.lead set folded_at = null;
    insert into handoff.inbox (source, raw_key, op, xid, at) select source, raw_key, 'R', pg_current_xact_id(), '2026-05-07' from handoff.lead;
    perform handoff.tick('2026-05-07');
end $$;
select is((select count(*) from kept where folded_at > '-infinity'), 150::bigint, 'every lead has a fold');
select is_empty($$ select lead_key from kept except select l.lead_key from kept k join handoff.lead l using (lead_key)
                   where (l.intent::text, l.group_heat::text, l.booked_at) is not distinct from (k.intent::text, k.group_heat::text, k.booked_at) $$,
    'folded one by one or all at once: the same to the last bit');
select is_empty($$ select d.what from handoff.doctor() d where d.severity = 'error' union all select v.lead_key || ' ' || v.what from handoff.verify() v $$, 'all is well');

select * from finish();
rollback;
