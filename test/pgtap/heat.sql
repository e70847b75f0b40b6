-- Who is hot: hot_leads(), hot_accounts() and account_intent against sums of points taken lead by lead;
-- what they read; and that they agree with what was decided.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
set local timezone = 'UTC';
select setseed(0.29);

-- Made-up leads: three half-lives (one printed in two ways) and none, points below 0, none at all, ties
-- exactly at a limit, deleted ones. What each is worth is known exactly: given points at a given time.
create temp table truth (lead_key text, half_life interval, points numeric, at timestamptz, account_key text, deleted boolean);
insert into truth
select 'L' || n,
       (array['30 days', '720 hours', '1 day', '7 days', null])[1 + n % 5]::interval,
       round((random() * 140 - 40)::numeric, 2),
       timestamptz '2026-06-30 12:00' - random() ^ 2 * interval '60 days',
       case when n % 3 > 0 then 'A' || n % 300 end,
       n % 11 = 0
from generate_series(1, 20000) n;
update truth set points = 0 where hashtext(lead_key) % 10 = 0;
-- worth exactly 32 points on 1 July: given so, or twice as much a half-life before
update truth set points = case when half_life is null then 32 else 64 end, at = timestamptz '2026-07-01' - coalesce(half_life, '1 day')
where hashtext(lead_key) % 40 = 1;

-- keys sort otherwise in most languages
update truth set lead_key = lower(lead_key) where hashtext(lead_key) % 3 = 0;
insert into handoff.lead (lead_key, source, raw_key, account_key, contract_id, stage, stage_since, fields, fit, half_life, intent, group_heat,
                          score, band, signals, cycle, cycle_since, trigger, trigger_at, first_seen_at, decided_at, deleted_at, last_seq)
select lead_key, 'crm.lead', lead_key, account_key, 1, 'lead', at, '{}', 7, half_life, handoff.heat(points::float8, at, half_life), '{}',
       0, 'B', '{}', 1, at, 'activity', at, at, at, case when deleted then at end, 1
from truth;
insert into handoff.handoff (lead_key, handoff_no, cycle, leg, contract_id, origin, stage_from, fit, intent, score, trigger, trigger_at, handed_at, month,
                             incomplete, rep, assignments, touches, contacts, channels, no_show, closed_at)
select lead_key, n, 1, 'mql_to_sdr', 1, 'contract', 'lead', 7, 0, 0, 'activity', at, at, date_trunc('month', at), false, (array['ana', 'bob'])[n], 1, 0, 0, '{}', false,
       case when n = 1 then at end
from truth, generate_series(1, 2) n where hashtext(lead_key) % 4 = 0 and n <= 1 + abs(hashtext(lead_key)) % 2;
analyze handoff.lead;

create function pg_temp.worth(points numeric, given timestamptz, half_life interval, at timestamptz) returns numeric language sql immutable as $$
    select points * coalesce(0.5 ^ (extract(epoch from at - given) / extract(epoch from half_life)), 1)
$$;
create function pg_temp.expected(min_points numeric, at timestamptz)
    returns table (lead_key text, points numeric, rep text, account_key text, half_life interval) language sql as $$
    select t.lead_key, w.points, case when hashtext(t.lead_key) % 4 = 0 and abs(hashtext(t.lead_key)) % 2 = 1 then 'bob' end, t.account_key, t.half_life
    from truth t cross join lateral (select round(pg_temp.worth(t.points, t.at, t.half_life, $2), 6) as points) w
    where not t.deleted and w.points >= min_points
    order by w.points desc, t.lead_key collate "C"
$$;

-- hot_leads ------------------------------------------------------------------------------------------------

select results_eq(
    format('select lead_key, points::numeric, rep, account_key, half_life from handoff.hot_leads(%s, %L)', min_points, at),
    format('select * from pg_temp.expected(%s, %L)', min_points, at),
    format('at least %s points on %s: the leads, best first', min_points, at))
from unnest(array[99, 32, 32.000001, 5, 0.000001, 0, -0.000001, -20, -1000]) min_points,
     unnest(array['2026-07-01', '2026-07-12 03:04:05']::timestamptz[]) at;
select results_eq($$ select count(distinct half_life), bool_or(half_life is null), min(points) = 32, count(*) filter (where points = 32) > 100 from handoff.hot_leads(32, '2026-07-01') $$,
    $$ values (3::bigint, true, true, true) $$, '.. of every half-life, with those exactly at the limit');
select results_eq($$ select distinct fit, band, stage from handoff.hot_leads(50, '2026-07-01') $$, $$ values (7::bigint, 'B', 'lead') $$, '.. as decided');
set local lead_handoff.view_time = '2026-07-12 03:04:05';
select results_eq($$ select * from handoff.hot_leads(20) $$, $$ select * from handoff.hot_leads(20, '2026-07-12 03:04:05') $$, 'the moment is view_time() by default');
select is_empty($$ select * from handoff.hot_leads(null) $$, 'no limit: no rows');
select throws_ok(format($$ select handoff.hot_leads(%L) $$, p), '22003', 'points must be a finite number', format('not a limit: %s', p)) from unnest('{NaN,Infinity,-Infinity}'::text[]) p;
select throws_ok($$ select handoff.hot_leads(1, 'infinity') $$, '22008', 'points need a finite moment', 'not a moment');

-- What it reads: the hot end of the index for each half-life, and the leads found there; nothing else.
select n_read.before, pg_stat_get_xact_numscans('handoff.lead'::regclass) as seq_before, pg_stat_get_xact_numscans('handoff.lead_intent'::regclass) as index_before
from (select pg_stat_get_xact_tuples_returned('handoff.lead_intent'::regclass) as before) n_read \gset
select count(*) as found from handoff.hot_leads(98, '2026-07-01') \gset
select cmp_ok(:found, '>', 5, 'few leads are that hot');
select is(pg_stat_get_xact_numscans('handoff.lead'::regclass), :seq_before::bigint, '.. the table is not scanned for them');
select is(pg_stat_get_xact_numscans('handoff.lead_intent'::regclass) - :index_before,
    (4 + 4)::bigint, '.. the index is: for each half-life, and for none, a step and a range');
-- three of the steps find one; the ranges hold deleted leads, too
select is(pg_stat_get_xact_tuples_returned('handoff.lead_intent'::regclass) - :before,
    3 + (select count(*) from truth where pg_temp.worth(points, at, half_life, '2026-07-01') >= 98), '.. and no entry is read that is not hot');
-- the index serves a query of one's own
create function pg_temp.plan(query text) returns text language plpgsql as $$
declare
    line text;
    plan text := '';
begin
    for line in execute 'explain (costs off) ' || query loop
        plan := plan || line || E'\n';
    end loop;
    return plan;
end $$;
select matches(pg_temp.plan(format($$
    select lead_key from handoff.lead
    where half_life = '30 days' and intent operator(handoff.>=) handoff.heat(%s, '2026-07-01', '30 days') order by intent desc limit 10 $$, p)),
    '(?n)Limit\n.*Index Scan Backward using lead_intent on lead\n +Index Cond: .*half_life = .*intent ', format('the hottest ten above %s by hand: the end of the index', p))
from unnest(array[1, 50, 98]) p;

-- Accounts -------------------------------------------------------------------------------------------------

select results_eq($$
    select account_key, half_life, leads, warm_leads, hottest_lead, hottest_points::numeric, last_trigger_at from handoff.account_intent order by 1, 2
$$, $$
    select t.account_key, t.half_life, count(*), count(*) filter (where w.points > 0),
           (array_agg(t.lead_key order by w.points desc, t.lead_key collate "C"))[1], round(max(w.points), 6), max(t.at)
    from truth t cross join lateral (select pg_temp.worth(t.points, t.at, t.half_life, '2026-07-12 03:04:05') as points) w
    where not t.deleted and t.account_key is not null
    group by t.account_key, t.half_life order by 1, 2
$$, 'account_intent: a row an account and half-life');
-- sums to 1e-9 of the magnitudes, so to the last of six decimals here
create temp view exact_account as
select t.account_key, t.half_life, round(sum(w.points), 6) as points
from truth t cross join lateral (select pg_temp.worth(t.points, t.at, t.half_life, '2026-07-12 03:04:05') as points) w
where not t.deleted and t.account_key is not null
group by t.account_key, t.half_life;
select is_empty($$
    select a.account_key, e.account_key, a.points, e.points, handoff.points(a.intent, '2026-07-12 03:04:05', a.half_life)
    from handoff.account_intent a full join exact_account e on (a.account_key, coalesce(a.half_life, '0')) = (e.account_key, coalesce(e.half_life, '0'))
    where (abs(a.points::numeric - e.points) <= 0.000001
           and abs(handoff.points(a.intent, '2026-07-12 03:04:05', a.half_life)::numeric - e.points) < 0.000001) is not true
$$, '.. whose intent is the sum of its people''s');
select results_eq(format($$ select account_key, points::numeric, leads from handoff.hot_accounts(%s) $$, p), format($$
    select t.account_key, round(sum(w.points), 6), count(*)
    from truth t cross join lateral (select pg_temp.worth(t.points, t.at, t.half_life, '2026-07-12 03:04:05') as points) w
    where not t.deleted and t.account_key is not null
    group by t.account_key having round(sum(w.points), 6) >= %s order by 2 desc, t.account_key collate "C" $$, p),
    format('hot_accounts(%s): points of all half-lives, best first', p))
from unnest(array[1000, 700, 0, -100000]) p;
select results_eq($$ select account_key, hottest_lead, hottest_points::numeric, last_trigger_at from handoff.hot_accounts(-100000) order by 1 $$, $$
    select distinct on (t.account_key) t.account_key, t.lead_key, w.points, max(t.at) over (partition by t.account_key)
    from truth t cross join lateral (select round(pg_temp.worth(t.points, t.at, t.half_life, '2026-07-12 03:04:05'), 6) as points) w
    where not t.deleted and t.account_key is not null
    order by t.account_key, w.points desc, t.lead_key collate "C"
$$, '.. and its hottest lead');
select matches(pg_temp.plan($$ select * from handoff.account_intent where account_key = 'A7' $$), 'lead_account', 'one account is found by the index');

-- What was decided -----------------------------------------------------------------------------------------

-- A contract of 7 days takes over from one of 30; who is handed over stays with the old one. Its limit of
-- intent is one that many pass.
reset lead_handoff.view_time;
do $$ begin
    delete from handoff.lead;
    delete from handoff.handoff;
    perform handoff.load_template('b2b_saas');
    update handoff.contract set half_life = '30 days', max_intent = 15;
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.publish();
end $$;
create schema crm;
create table crm.person (id text primary key, email text, title text, company text, account_id text);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, page text);
do $$ begin
    perform handoff.attach('crm.person', 'lead', since => '-infinity', mapping => '{"email": "email", "title": "title", "company": "company", "account_key": "account_id"}', delete_grace => '0');
    perform handoff.attach('crm.act', 'activity', since => '-infinity', delete_grace => '0');
    insert into crm.person select 'P' || n, 'p' || n || '@acme.com', 'Head of Ops', 'Acme', 'ACME' from generate_series(1, 60) n;
    insert into crm.act
    select 'A' || n, 'P' || n % 55, timestamptz '2026-06-01' + n * interval '1 hour', (array['form', 'download', 'page_view'])[1 + n % 3],
           case when n % 3 = 0 and n % 20 > 4 then '/blog' when n % 3 = 0 then '/demo' else '/pricing' end
    from generate_series(1, 300) n;
    perform handoff.tick('2026-06-20');
    perform handoff.draft();
    update handoff.contract set half_life = '7 days' where contract_id = 2;
    perform handoff.publish(2);
    perform handoff.tick('2026-06-21');
    delete from crm.person where id in ('P1', 'P2', 'P3');
    perform handoff.tick('2026-06-22');
end $$;
select results_eq($$ select half_life, count(*) > 5 from handoff.lead group by 1 order by 1 $$,
    $$ values (interval '7 days', true), ('30 days', true) $$, 'leads of two contracts');
select set_eq($$ select h.lead_key from handoff.hot_leads(-1000, '2026-06-22') h $$, $$ select lead_key from handoff.lead where deleted_at is null $$,
    'no limit to speak of: every lead that was not deleted');
select results_eq($$ select count(*), count(*) filter (where h.points > 15) > 3, count(*) filter (where h.points = 0) > 3
                     from handoff.lead l, handoff.hot_leads(-1000, l.decided_at) h where h.lead_key = l.lead_key $$,
    $$ values (57::bigint, true, true) $$, '.. some beyond the contract''s limit, some without intent');
select is_empty($$
    select l.lead_key, l.score, l.fit, h.points from handoff.lead l, handoff.hot_leads(-1000, l.decided_at) h
    where h.lead_key = l.lead_key and l.score <> l.fit + floor(least(15, h.points) + 0.5)
$$, 'the score of a decision is fit plus these points within the contract''s limits');
select set_eq($$ select lead_key, rep from handoff.hot_leads(10, '2026-06-22') $$, $$
    select l.lead_key, h.rep from handoff.lead l left join handoff.handoff h on h.lead_key = l.lead_key and h.closed_at is null
    where l.deleted_at is null and handoff.points(l.intent, '2026-06-22', l.half_life) > 9.9999995 $$, 'with their owners');
select results_eq($$ select account_key, leads, hottest_lead from handoff.hot_accounts(1, '2026-06-22') $$, $$
    select 'ACME'::text, 57::bigint, (select lead_key from handoff.hot_leads(1, '2026-06-22') limit 1) $$, 'and their account');

select * from finish();
rollback;
