-- backtest(version): history decided anew. The versions that were in force then come to what was, lead by lead;
-- another version comes to what happens when the same feed is run under it.
--
-- Each run is a transaction of its own: what a session has cached of tables holds until its transaction ends.
set client_min_messages = warning;
set timezone = 'UTC';
set lead_handoff.inline_limit = 0;
select no_plan();

create schema crm;
create table crm.person (id text primary key, email text, title text, seniority text, employees int, country text, company text, created_at timestamptz);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, page text, direction text, rep text);
create table crm.gone (p crm.person);
create function pg_temp.chance(variadic seeds text[]) returns float8 language sql immutable as
    $$ select (hashtextextended(array_to_string(seeds, '/'), 23) & 1023)::float8 / 1024 $$;

-- an empty house with the template, changed by some statements
create function pg_temp.house(variadic changes text[] default '{}') returns void language plpgsql as $$
declare
    change text;
begin
    if to_regclass('handoff.contract') is not null then
        set constraints all immediate;
        perform handoff.teardown(really => true);
        set constraints all deferred;
    end if;
    truncate crm.person, crm.act, crm.gone;
    perform handoff.setup();
    perform handoff.load_template('b2b_saas');
    update handoff.contract set half_life = '9 days';
    update handoff.recycle_path set reset_intent = true where name = (select min(name) from handoff.recycle_path);
    perform handoff.add_rep('ana', 'Ana', 'sdr');
    perform handoff.add_rep('ben', 'Ben', 'sdr');
    perform handoff.add_rep('abe', 'Abe', 'ae');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    foreach change in array changes loop
        execute change;
    end loop;
    perform handoff.publish();
    perform handoff.attach('crm.person', 'lead', since => '-infinity');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
end $$;

-- half a day: people come, change, go and come back, do things, some of which are told late, corrected, taken back or somebody else's;
-- ticks come at noon and midnight
create function pg_temp.half_day(n int) returns void language plpgsql as $$
declare
    now constant timestamptz := timestamptz '2026-02-01 00:00' + n * interval '12 hours';
begin
    insert into crm.person
    select 'P' || i, 'p' || i || '@firm' || i % 97 || '.com', (array['VP Sales', 'Engineer', null, 'Head of Marketing'])[1 + i % 4],
           (array['vp', 'individual', null, 'director'])[1 + i % 4], 2 * i, (array['DE', 'US', null])[1 + i % 3], case when i % 5 > 0 then 'Firm ' || i end, now - interval '3 hours'
    from generate_series(1, 300) i where i % 12 = n;
    update crm.person set employees = employees + n, title = case when pg_temp.chance('title', id, n::text) < 0.5 then 'CEO' else title end,
           country = coalesce(country, case when pg_temp.chance('country', id, n::text) < 0.5 then 'FR' end)
    where pg_temp.chance('change', id, n::text) < 0.05;
    insert into crm.gone select p from crm.person p where pg_temp.chance('left', id, n::text) < 0.006;
    delete from crm.person where pg_temp.chance('left', id, n::text) < 0.006;
    insert into crm.person
    select distinct on ((g.p).id) (g.p).* from crm.gone g
    where pg_temp.chance('back', (g.p).id, n::text) < 0.1 and not exists (select from crm.person x where x.id = (g.p).id);
    update crm.act set page = '/pricing', at = at - interval '1 hour' where pg_temp.chance('corrected', id, n::text) < 0.02;
    delete from crm.act where pg_temp.chance('gone', id, n::text) < 0.02;
    update crm.act set lead_key = 'P' || 1 + floor(300 * pg_temp.chance('whose', id, n::text)) where pg_temp.chance('moved', id, n::text) < 0.01;
    insert into crm.act
    select format('A%s/%s/%s', n, p.id, k), p.id, now - pg_temp.chance('at', p.id, n::text, k::text) * interval '50 hours',
           (array['form', 'page_view', 'trial', 'email_click', 'page_view'])[1 + floor(5 * pg_temp.chance('kind', p.id, n::text, k::text))::int],
           (array['/demo', '/pricing', '/contact', '/pricing', '/blog'])[1 + floor(5 * pg_temp.chance('page', p.id, n::text, k::text))::int], 'inbound', null
    from crm.person p, generate_series(1, 2) k where pg_temp.chance('does', p.id, n::text, k::text) < 0.06;
    perform handoff.tick(now);
end $$;

-- sales answers: calls, accepts, qualifies, gives up, takes back
create function pg_temp.sales(n int) returns void language plpgsql as $$
declare
    now constant timestamptz := timestamptz '2026-02-01 00:00' + n * interval '12 hours' + interval '2 hours';
    l   record;
    c   float8;
begin
    for l in
        select h.lead_key, h.accepted_at, h.leg, h.handoff_no from handoff.handoff h where h.closed_at is null and h.rep is not null order by 1
    loop
        c := pg_temp.chance('sales', l.lead_key, n::text);
        begin
        if c < 0.2 then
            insert into crm.act values (format('S%s/%s', n, l.lead_key), l.lead_key, now - interval '10 minutes', 'call', null, 'outbound', 'ana');
        elsif l.leg = 'sdr_to_ae' and c < 0.3 then
            perform handoff.dispose(l.lead_key, 'not_qualified', 'too early', p_now => now);
        elsif l.leg = 'sdr_to_ae' then
            continue;
        elsif l.accepted_at is null and c < 0.5 then
            perform handoff.accept(l.lead_key, p_now => now);
        elsif l.accepted_at is not null and c < 0.4 then
            perform handoff.recycle(l.lead_key, 'timing', 'later', p_now => now);
        elsif l.accepted_at is not null and c < 0.5 then
            perform handoff.disqualify(l.lead_key, 'competitor', 'is one', p_now => now);
        elsif l.accepted_at is not null and c < 0.6 then
            perform handoff.qualify(l.lead_key, 'good', p_now => now);
        elsif c < 0.65 then
            perform handoff.dispose(l.lead_key, 'wrong_territory', 'not mine', p_now => now);
        end if;
        exception when sqlstate 'LH041' then null;
        end;
    end loop;
    for l in
        select h.lead_key from handoff.handoff h where h.closed_at = now and h.outcome = 'recycle' and pg_temp.chance('undo', h.lead_key, n::text) < 0.2 order by 1
    loop
        begin
            perform handoff.undispose(l.lead_key, 'a slip', p_now => now + interval '10 minutes');
        exception when sqlstate 'LH041' then null;
        end;
    end loop;
end $$;

-- As it was ------------------------------------------------------------------------------------------

do $$ begin perform pg_temp.house(); end $$;
select throws_ok($$ select * from handoff.backtest() $$, '55000', 'there is no history to decide anew', 'nothing was decided yet');
select throws_ok($$ select * from handoff.backtest(7) $$, 'LH012', null, 'no such version');
select throws_ok($$ select * from handoff.backtest(since => '2026-02-02', until => '2026-02-01') $$, '22023', 'since must be earlier than until', 'reversed');
select throws_ok($$ select * from handoff.backtest(since => '2026-02-02', until => '2026-02-02') $$, '22023', null, 'or empty');
select throws_ok($$ select * from handoff.backtest(tick_every => '0') $$, '22023', null, 'no time between ticks');
select throws_ok($$ select * from handoff.backtest(tick_every => '1 month') $$, '22023', null, 'months differ');
select throws_ok($$ select * from handoff.backtest_as_decided('nobody''s') $$, 'LH012', 'no version of a contract "nobody''s" has been published', 'no such contract');
do $$ begin
    perform handoff.draft();
    delete from handoff.route where contract_id = 2;
end $$;
select throws_ok($$ select * from handoff.backtest(2) $$, 'LH011', 'contract 2 has errors', 'a draft that could not be published');
begin;
create role backtest_operator;
create role backtest_reader;
select handoff.grant_access('backtest_operator', 'operator'), handoff.grant_access('backtest_reader', 'reader');
select results_eq($$ select p.oid::regprocedure::text, has_function_privilege('public', p.oid, 'execute'), has_function_privilege('backtest_reader', p.oid, 'execute'),
                            has_function_privilege('backtest_operator', p.oid, 'execute')
                     from pg_proc p where p.pronamespace = 'handoff'::regnamespace and p.proname in ('backtest', 'backtest_as_decided', 'backtest_summary', 'compare', 'activity_versions')
                       and p.prokind = 'f' order by p.proname $$,
    $$ values ('handoff.activity_versions(text[])', false, false, true), ('handoff.backtest(integer,timestamp with time zone,timestamp with time zone,boolean,interval)', false, false, true),
              ('handoff.backtest_as_decided(text,timestamp with time zone,timestamp with time zone,boolean,interval)', false, false, true),
              ('handoff.backtest_summary(integer,timestamp with time zone,timestamp with time zone,integer,interval)', false, false, true),
              ('handoff.compare(integer,integer,timestamp with time zone,timestamp with time zone,boolean,interval)', false, false, true) $$,
    'for operators, not for readers: rows name leads');
rollback;

do $$ begin
    perform pg_temp.house('update handoff.recycle_path set delay = ''3 days'' where delay is not null',
                          'update handoff.stage set max_age = ''4 days'' where max_age is not null');
    for n in 0 .. 31 loop
        perform pg_temp.half_day(n);
        perform pg_temp.sales(n);
        if n in (13, 15, 18, 20) then
            perform handoff.merge_lead('P' || n * 7 + 1, 'P' || n * 7 + 2, p_now => timestamptz '2026-02-01 03:00' + n * interval '12 hours');
        end if;
        if n = 14 then
            perform handoff.draft();
            update handoff.score_rule set points = points + 7 where contract_id = 2;
            update handoff.contract set half_life = '6 days' where contract_id = 2;
            perform handoff.publish(2);
        end if;
    end loop;
end $$;
select results_eq($$ select what, comparable, count(*) from handoff.backtest_as_decided(all_rows => true, tick_every => '12 hours') group by 1, 2 order by 1 $$,
    $$ values ('handoff', true, (select count(*) from handoff.handoff)), ('lead', true, (select count(*) from handoff.lead)) $$,
    'every lead and every handoff is decided anew');
select is_empty($$ select * from handoff.backtest_as_decided(tick_every => '12 hours') $$, 'and nothing differs: score, band, stage, moment, route and target');
select ok((select count(*) > 60 from handoff.event where type = 'handoff') and (select count(*) > 10 from handoff.lead where cycle > 1)
          and (select count(*) > 3 from handoff.event where type = 'undisposed') and (select count(*) > 3 from handoff.event where type = 'reopened')
          and (select count(*) > 50 from handoff.event where type = 'contract') and (select count(*) > 5 from handoff.event where type = 'stage' and detail ->> 'event' = 'due')
          and (select count(*) > 20 from handoff.event where type = 'gated' or type = 'blocked')
          and (select count(*) > 10 from handoff.event where type = 'restored') and (select count(*) = 4 from handoff.event where type = 'merged')
          and (select count(*) > 50 from handoff.activity_past), 'although much has happened');
select is_empty($$ select * from handoff.backtest_as_decided(since => '2026-02-11', tick_every => '12 hours') where what <> 'lead' limit 5 $$,
    'nor does anything if it begins in the middle');
-- what activities were before they changed follows one after the other
select is_empty($$ select what from handoff.doctor() where invariant = 18 $$, 'the doctor is content');
begin;
insert into handoff.activity_past
select lead_key, source, activity_key, ended_at + interval '1 day', taken_at, at, fields, meanings, gone from handoff.activity_past order by ended_at desc limit 1;
select is((select count(*) from handoff.doctor() where invariant = 18 and what like '%was known in two ways at%'), 1::bigint, 'he knows when it does not');
rollback;

-- one row a call gives the same as all at once, and an end that is not asked for is not read
select results_eq($$ select (handoff.backtest(1, all_rows => true, tick_every => '12 hours')).lead_key $$,
                  $$ select lead_key from handoff.backtest(1, all_rows => true, tick_every => '12 hours') $$, 'one by one or all at once');
select is((select count(*) from (select handoff.backtest(1, all_rows => true) limit 5) q), 5::bigint, 'stops where it is told to');
-- until: nothing later counts
select is_empty($$ select * from handoff.backtest(1, until => '2026-02-05', all_rows => true) where greatest(at, was_at, would_at) >= '2026-02-05' $$,
    'what came later has not happened');
-- reasons name rules
select ok(exists (select from handoff.backtest(1, tick_every => '12 hours') where what = 'score' and 'fit role_leader: 32 -> 25' = any (reasons)),
    'the rule whose points differ is named');

-- Added up ------------------------------------------------------------------------------------------

-- of the version that decided it all, both sides are the same, and are what the tables say
do $$ begin
    perform pg_temp.house();
    for n in 0 .. 21 loop
        perform pg_temp.half_day(n);
        perform pg_temp.sales(n);
    end loop;
end $$;
create temp table sum as select * from handoff.backtest_summary(1, tick_every => '12 hours');
select is_empty($$ select * from sum where was is distinct from would or was_low is distinct from would_low or was_high is distinct from would_high or was_n is distinct from would_n $$,
    'both sides are the same');
select results_eq($$ select value, was from sum where measure = 'stage' order by value collate "C" $$,
                  $$ select stage, count(*)::numeric from handoff.lead group by 1 order by stage collate "C" $$, 'stages');
select results_eq($$ select value, was from sum where measure = 'band' order by value $$,
                  $$ select band, count(*)::numeric from handoff.lead group by 1 order by 1 $$, 'bands');
select results_eq($$ select leg, month, was from sum where measure = 'handed' order by 1, 2 $$,
                  $$ select leg, date_trunc('month', handed_at at time zone 'Europe/Berlin')::date, count(*)::numeric from handoff.handoff group by 1, 2 order by 1, 2 $$, 'handoffs');
select results_eq($$ select leg, was, was_n, was_low, was_high from sum where measure = 'accepted' order by 1 $$,
    $$ select leg, round(count(accepted_at)::numeric / nullif(count(*) filter (where d), 0), 4), count(*) filter (where d),
              round(count(accepted_at)::numeric / count(*), 4), round((count(*) - count(*) filter (where d and accepted_at is null))::numeric / count(*), 4)
       from (select *, accepted_at is not null or outcome in ('recycle', 'disqualified', 'returned') as d from handoff.handoff) h group by 1 order by 1 $$,
    'acceptance, of what is known and within what could be');
select results_eq($$ select leg, value, was from sum where measure = 'auc' and value = 'accepted' order by 1 $$,
    $$ select leg, 'accepted', round(handoff.auc(score, accepted_at is not null)::numeric, 4) from handoff.handoff
       where accepted_at is not null or outcome in ('recycle', 'disqualified', 'returned') group by 1 order by 1 $$, 'AUC of scores at handoff');
select results_eq($$ select was from sum where measure = 'load' and value in ('ana', 'ben') and simulated $$,
    $$ select round(w.pool / 2.0 + w.own, 1) from unnest('{ana,ben}'::text[]) r (rep)
       cross join lateral (select count(*) filter (where a.pool = 'sdr') as pool, count(*) filter (where a.pool is null and a.rep = r.rep) as own
                           from handoff.assignment a where a.n = 1) w $$, 'load: his own, and his share of the pool''s');
select is_empty($$ select * from handoff.compare(1, 1, tick_every => '12 hours') $$, 'a version beside itself');

-- two versions: what one backtest each says
do $$ begin
    perform handoff.draft();
    update handoff.score_rule set points = points - 6 where contract_id = 2 and points > 10;
    update handoff.route set target = 'fallback' where contract_id = 2 and target = 'sdr';
    perform handoff.draft(1);
    update handoff.score_rule set points = points + 4 where contract_id = 3 and points > 0;
end $$;
create temp table two as select * from handoff.compare(2, 3, all_rows => true, tick_every => '12 hours');
select ok((select count(*) filter (where was_at is null) > 0 and count(*) filter (where was_target <> would_target) > 20 from two where what = 'handoff')
          and (select count(*) filter (where was_band <> would_band) > 20 and count(*) filter (where not comparable) > 5 from two where what = 'lead'), 'they differ');
select set_eq($$ select lead_key, leg, was_at, was_band, was_score, was_target from two where what = 'handoff' and was_at is not null $$,
    $$ select lead_key, leg, would_at, would_band, would_score, would_target from handoff.backtest(2, all_rows => true, tick_every => '12 hours') where what = 'handoff' and would_at is not null $$,
    'one side');
select set_eq($$ select lead_key, leg, would_at, would_band, would_score, would_target from two where what = 'handoff' and would_at is not null $$,
    $$ select lead_key, leg, would_at, would_band, would_score, would_target from handoff.backtest(3, all_rows => true, tick_every => '12 hours') where what = 'handoff' and would_at is not null $$,
    'the other');
select results_eq($$ select value, was, would from handoff.backtest_summary(3, against => 2, tick_every => '12 hours') where measure in ('handed', 'leads') order by measure, leg, month $$,
    $$ (select null::text, count(was_at)::numeric, count(would_at)::numeric from two where what = 'handoff' and comparable group by leg order by leg)
       union all select null, count(*), count(*) from two where what = 'lead' $$, 'and added up beside each other');

-- As it will be --------------------------------------------------------------------------------------

-- another version over the history of the first one; then the same feed is run under it
do $$ begin
    perform pg_temp.house();
    for n in 0 .. 17 loop
        perform pg_temp.half_day(n);
    end loop;
    perform handoff.draft();
    update handoff.score_rule set points = points - 6 where contract_id = 2 and points > 10;
    update handoff.band set min_fit = min_fit + 5 where contract_id = 2 and min_fit is not null;
end $$;
create temp table predicted as select * from handoff.backtest(2, all_rows => true, tick_every => '12 hours');
create temp table before as
select lead_key, l.stage, l.band, h.handed_at from handoff.lead l left join handoff.handoff h using (lead_key) where coalesce(h.handoff_no, 1) = 1;
do $$ begin
    perform pg_temp.house('update handoff.score_rule set points = points - 6 where points > 10',
                          'update handoff.band set min_fit = min_fit + 5 where min_fit is not null');
    for n in 0 .. 17 loop
        perform pg_temp.half_day(n);
    end loop;
end $$;
select ok((select count(*) filter (where h.handed_at is null and b.handed_at is not null) > 5 and count(*) filter (where l.band <> b.band) > 20
           from before b join handoff.lead l using (lead_key) left join handoff.handoff h on h.lead_key = b.lead_key and h.handoff_no = 1),
    'the other version does differ: other bands, fewer handoffs');
select is_empty($$
    select p.*, h.lead_key, h.handed_at, h.band, h.score
    from (select * from predicted where what = 'handoff' and would_at is not null and cycle = 1 and leg = 'mql_to_sdr') p
    full join (select * from handoff.handoff where leg = 'mql_to_sdr' and cycle = 1) h using (lead_key)
    where (p.would_at, p.would_band, p.would_score) is distinct from (h.handed_at, h.band, h.score) $$,
    'each lead is handed over when, and with the band and score, that were predicted');
select is_empty($$
    select p.lead_key, p.would_route, p.would_target, a.route, a.pool, a.rep
    from predicted p join handoff.assignment a using (lead_key)
    where p.what = 'handoff' and p.would_at is not null and p.cycle = 1 and a.handoff_no = 1 and a.n = 1
      and (p.would_route, p.would_target) is distinct from (a.route, coalesce('pool ' || a.pool, 'rep ' || a.rep)) $$,
    'and to whom');
select is_empty($$
    select p.lead_key, p.would_stage, p.would_band, l.stage, l.band
    from predicted p join handoff.lead l using (lead_key)
    where p.what = 'lead' and p.comparable and l.handoffs = 0 and (p.would_stage, p.would_band) is distinct from (l.stage, l.band) $$,
    'those that are not handed over are where they were predicted to be');

do $$ begin
    perform handoff.teardown(really => true);
    drop schema crm cascade;
end $$;
select * from finish();
