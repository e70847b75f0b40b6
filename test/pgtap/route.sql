-- Route: which route takes a lead, who gets it, what was passed over; shares, capacity, waiting.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.add_pool(p) from unnest('{main,weighted,empty,fallback,ae}'::text[]) p;
    perform handoff.add_pool('tiny', counted_stages => '{mql}');
    perform handoff.add_pool('fair', 'least_loaded');
    perform handoff.add_rep('ann', 'Ann', 'main', crm_id => '005A');
    perform handoff.add_rep('bob', 'Bob', 'main');
    perform handoff.add_rep('cat', 'Cat', 'main');
    perform handoff.add_rep('w1', 'One', 'weighted', weight => 1);
    perform handoff.add_rep('w2', 'Two', 'weighted', weight => 2);
    perform handoff.add_rep('w5', 'Five', 'weighted', weight => 5);
    perform handoff.add_rep('t1', 'Tim', 'tiny', capacity => 2, crm_id => '005T');
    perform handoff.add_rep('t2', 'Tom', 'tiny', capacity => 1);
    perform handoff.add_rep('f1', 'Fay', 'fair');
    perform handoff.add_rep('f2', 'Flo', 'fair');
    perform handoff.add_rep('ida', 'Ida');
    perform handoff.add_rep('old', 'Old', crm_id => '005O');
    perform handoff.deactivate_rep('old');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.add_rep('eva', 'Eva', 'ae');
    perform handoff.import($json${
"format": 1,
"contract": {"reporting_zone": "UTC"},
"field": [{"of": "lead", "name": "country", "type": "text"}],
"stage": [
    {"name": "lead", "position": 10, "owner": "marketing", "is_default": true},
    {"name": "mql", "position": 20, "owner": "sales", "max_age": "1 year", "max_age_to": "lost"},
    {"name": "sal", "position": 30, "owner": "sales", "max_age": "1 year", "max_age_to": "lost"},
    {"name": "sql", "position": 40, "owner": "sales", "max_age": "1 year", "max_age_to": "lost"},
    {"name": "rest", "position": 50, "owner": "marketing"},
    {"name": "lost", "position": 60, "is_terminal": true}],
"leg": [{"name": "mql_to_sdr", "ord": 1, "owner_from": "marketing", "owner_to": "sdr"},
        {"name": "sdr_to_ae", "ord": 2, "owner_from": "sdr", "owner_to": "ae"}],
"transition": [
    {"ord": 10, "from_stage": "lead", "event": "scored", "to_stage": "mql", "leg": "mql_to_sdr"},
    {"ord": 20, "from_stage": "mql", "event": "accepted", "to_stage": "sal"},
    {"ord": 30, "from_stage": "mql", "event": "recycled", "to_stage": "rest"},
    {"ord": 40, "from_stage": "rest", "event": "due", "to_stage": "lead"},
    {"ord": 50, "from_stage": "sal", "event": "qualified", "to_stage": "sql", "leg": "sdr_to_ae"},
    {"ord": 60, "from_stage": "sql", "event": "returned", "to_stage": "sal"}],
"recycle_path": [{"name": "later", "delay": "1 day", "to_stage": "lead"}],
"disposition": [
    {"code": "ok", "outcome": "accepted", "reason": "Yes"},
    {"code": "later", "outcome": "recycle", "reason": "Later", "recycle_path": "later"},
    {"code": "not_mine", "outcome": "reroute", "reason": "Somebody else's"},
    {"code": "back", "leg": "sdr_to_ae", "outcome": "returned", "reason": "Not ready"}],
"route": [
    {"name": "previous", "leg": "mql_to_sdr", "ord": 10, "criteria": "cycle > 1", "target_kind": "previous_owner"},
    {"name": "vip", "leg": "mql_to_sdr", "ord": 20, "criteria": "country = 'VIP'", "target_kind": "rep", "target": "ida"},
    {"name": "veteran", "leg": "mql_to_sdr", "ord": 30, "criteria": "country = 'VET'", "target_kind": "rep", "target": "old"},
    {"name": "crm", "leg": "mql_to_sdr", "ord": 40, "criteria": "crm_owner is not null", "target_kind": "crm_owner"},
    {"name": "account", "leg": "mql_to_sdr", "ord": 50, "criteria": "account_key is not null", "target_kind": "account_owner"},
    {"name": "tiny_or_next", "leg": "mql_to_sdr", "ord": 60, "criteria": "country = 'AT'", "target_kind": "pool", "target": "tiny", "if_unavailable": "next"},
    {"name": "tiny", "leg": "mql_to_sdr", "ord": 70, "criteria": "country = 'DE'", "target_kind": "pool", "target": "tiny"},
    {"name": "empty", "leg": "mql_to_sdr", "ord": 80, "criteria": "country = 'CH'", "target_kind": "pool", "target": "empty"},
    {"name": "main", "leg": "mql_to_sdr", "ord": 90, "criteria": "country = 'US'", "target_kind": "pool", "target": "main"},
    {"name": "weighted", "leg": "mql_to_sdr", "ord": 100, "criteria": "country = 'UK'", "target_kind": "pool", "target": "weighted"},
    {"name": "fair", "leg": "mql_to_sdr", "ord": 110, "criteria": "country = 'FR'", "target_kind": "pool", "target": "fair"},
    {"name": "fallback", "leg": "mql_to_sdr", "ord": 999, "target_kind": "pool", "target": "fallback"},
    {"name": "ae_all", "leg": "sdr_to_ae", "ord": 10, "target_kind": "pool", "target": "ae"}]
}$json$);
    perform handoff.publish();
end $$;
set local timezone = 'UTC';
create schema crm;
create table crm.lead (id text primary key, country text, crm_owner text, account_key text, updated_at timestamptz);
do $$ begin perform handoff.attach('crm.lead', 'lead', since => '-infinity', delete_grace => '0'); end $$;

create function pg_temp.broken() returns setof text language sql as $$
    select d.invariant || ' ' || d.what from handoff.doctor() d where d.severity = 'error'
    union all
    select concat_ws(' ', v.lead_key, v.what, v.by_log, v.by_state) from handoff.verify() v
$$;
-- leads of a country that come a minute apart; all are decided when the last one is there
create function pg_temp.come(country text, first int, last int, at timestamptz) returns void language plpgsql as $$ begin
    insert into crm.lead (id, country, updated_at)
    select country || i, country, at + (i - first) * interval '1 minute' from generate_series(first, last) i;
    perform handoff.tick(at + (last - first) * interval '1 minute');
end $$;
-- who has it, by which route; or why nobody
create function pg_temp.who(lead text) returns text language sql as $$
    select coalesce(h.unassigned_reason, concat_ws(' ', h.rep, h.route, h.pool)) from handoff.handoff h
    where h.lead_key = lead order by h.handoff_no desc limit 1
$$;
-- what the newest assignment, or failure to assign, has passed over: routes that might have taken it, and reps
create function pg_temp.passed(lead text) returns text language sql as $$
    select concat_ws('; ', (select string_agg(r.key || ' ' || r.value, ', ' order by r.key) from jsonb_each_text(e.detail -> 'passed_over' -> 'routes') r
                            where r.value <> 'no_match'),
                           (select string_agg(r.key || ' ' || r.value, ', ' order by r.key) from jsonb_each_text(e.detail -> 'passed_over' -> 'reps') r))
    from handoff.event e where e.lead_key = lead and e.type in ('assigned', 'unassigned') order by e.seq desc limit 1
$$;

-- Which route ---------------------------------------------------------------------------------------

insert into crm.lead (id, country, crm_owner, account_key, updated_at) values
    ('vip', 'VIP', null, null, '2026-03-02'),
    ('vet', 'VET', null, null, '2026-03-02'),
    ('crm', 'US', '005A', null, '2026-03-02'),
    ('crm of nobody', 'US', '005X', null, '2026-03-02'),
    ('crm of old', 'XX', '005O', null, '2026-03-02'),
    ('account', 'XX', null, 'acme', '2026-03-02'),
    ('swiss', 'CH', null, null, '2026-03-02'),
    ('other', 'XX', null, null, '2026-03-02');
select handoff.tick('2026-03-02') is not null;
select results_eq($$ select lead_key, pg_temp.who(lead_key), pg_temp.passed(lead_key) from handoff.lead order by 1 $$, $$ values
    ('account', 'zoe fallback fallback', 'account account_unowned'),
    ('crm', 'ann crm', ''),
    ('crm of nobody', 'ann main main', 'crm account_unowned'),
    ('crm of old', 'zoe fallback fallback', 'crm rep_inactive'),
    ('other', 'zoe fallback fallback', ''),
    ('swiss', 'zoe fallback fallback', 'empty pool_empty'),
    ('vet', 'zoe fallback fallback', 'veteran rep_inactive'),
    ('vip', 'ida vip', '') $$, 'the first route that can take it, and why not those before');
select results_eq($$ select e.detail -> 'passed_over' -> 'routes' from handoff.event e where lead_key = 'swiss' and type = 'assigned' $$,
    $$ values ('{"previous": "no_match", "vip": "no_match", "veteran": "no_match", "crm": "no_match", "account": "no_match", "tiny_or_next": "no_match",
                 "tiny": "no_match", "empty": "pool_empty", "main": "no_match", "weighted": "no_match", "fair": "no_match"}'::jsonb) $$, 'every route before it has its code');
select results_eq($$ select rep, route, pool, reason, at, ended_at, n from handoff.assignment where lead_key = 'crm' $$,
    $$ values ('ann', 'crm', null, 'handoff', timestamptz '2026-03-02', null::timestamptz, 1) $$, 'an assignment');
select is_empty($$ select * from handoff.pool_turn_member where pool = 'main' and rep = 'ann' and picks > 1 $$, 'a lead that is his by the CRM costs him no turn');

-- Shares --------------------------------------------------------------------------------------------

-- after each tick nobody is further than one lead from his share
create function pg_temp.shares(country text, pool text, leads int) returns setof text language plpgsql as $$
declare
    n     int := 0;
    start int := (select count(*) from handoff.assignment a where a.pool = shares.pool);
    worst float8 := 0;
begin
    while n < leads loop
        perform pg_temp.come(country, n + 1, n + 1 + n % 12, timestamptz '2026-04-01' + n * interval '1 hour');
        n := n + 1 + n % 12;
        worst := greatest(worst, (
            select max(abs(c.got - (n + start) * c.weight::float8 / c.total))
            from (select m.weight, sum(m.weight) over () as total,
                         (select count(*) from handoff.assignment a where a.pool = m.pool and a.rep = m.rep) as got
                  from handoff.pool_member m where m.pool = shares.pool) c));
    end loop;
    return next ok(worst < 1, format('%s: %s leads, at most %s from the share', pool, n, round(worst::numeric, 2)));
    return next is((select count(*) from handoff.assignment a where a.pool = shares.pool), (n + start)::bigint, pool || ': everybody was given to somebody');
end $$;
select pg_temp.shares('US', 'main', 200);
select pg_temp.shares('UK', 'weighted', 200);
select results_eq($$ select rep, count(*) from handoff.assignment where pool = 'weighted' and lead_key in (select 'UK' || i from generate_series(1, 160) i) group by rep order by rep $$,
    $$ values ('w1', 20::bigint), ('w2', 40), ('w5', 100) $$, 'weights 1, 2 and 5: exactly');
-- in one batch too
do $$ begin perform pg_temp.come('US', 10001, 10300, '2026-05-01'); end $$;
select results_eq($$ select count(*) from handoff.assignment where lead_key ~ '^US1....$' group by rep $$, $$ values (100::bigint), (100), (100) $$, '300 at once: a hundred each');
do $$ begin perform pg_temp.come('FR', 1, 20, '2026-05-01'); end $$;
select results_eq($$ select rep, count(*) from handoff.assignment where pool = 'fair' group by rep order by rep $$, $$ values ('f1', 10::bigint), ('f2', 10) $$, 'the least loaded');
do $$ begin
    perform handoff.recycle('FR' || i, 'later', p_now => '2026-05-02') from generate_series(1, 20) i
    where exists (select from handoff.assignment a where a.lead_key = 'FR' || i and a.rep = 'f1');
    insert into crm.lead (id, country, updated_at) select 'fr' || i, 'FR', '2026-05-02 01:00' from generate_series(1, 10) i;
    perform handoff.tick('2026-05-02 01:00');
end $$;
select results_eq($$ select rep, count(*) from handoff.assignment where lead_key ~ '^fr' group by rep $$, $$ values ('f1', 10::bigint) $$, 'whose load went down gets the next ones');

-- Capacity and waiting ------------------------------------------------------------------------------

do $$ begin perform pg_temp.come('DE', 1, 6, '2026-06-01'); end $$;
select is((select array_agg(pg_temp.who('DE' || i) order by i) from generate_series(1, 6) i)::text[] @> '{all_at_capacity}', true, 'more leads than room');
select set_eq($$ select 'DE' || i, pg_temp.who('DE' || i) from generate_series(4, 6) i $$, $$ values ('DE4', 'all_at_capacity'), ('DE5', 'all_at_capacity'), ('DE6', 'all_at_capacity') $$,
    'first come, first served; the others wait, and don''t fall through');
select is(pg_temp.passed('DE4'), 'tiny all_at_capacity; t1 at_capacity, t2 at_capacity', 'with the reason of each');
set local lead_handoff.view_time = '2026-06-01 12:00';
select results_eq($$ select lead_key, reason from handoff.unassigned order by trigger_at $$, $$ values ('DE4', 'all_at_capacity'), ('DE5', 'all_at_capacity'), ('DE6', 'all_at_capacity') $$, 'to be seen');
do $$ begin perform pg_temp.come('AT', 1, 1, '2026-06-02'); end $$;
select is(pg_temp.who('AT1'), 'zoe fallback fallback', 'a route that says next goes on when its pool is full');
select is(pg_temp.passed('AT1'), 'tiny_or_next all_at_capacity; t1 at_capacity, t2 at_capacity', 'with reasons');
create temp table before_ticks as select lead_key, last_seq from handoff.lead;
do $$ begin perform handoff.tick('2026-06-03'); perform handoff.tick('2026-06-04'); end $$;
select is_empty($$ select l.lead_key from handoff.lead l join before_ticks b using (lead_key) where l.last_seq <> b.last_seq and lead_key like 'DE%' $$, 'waiting longer is no news');
-- room by a disposition, by a stage that doesn't count, by a new rep, by more capacity
do $$ begin perform handoff.recycle('DE1', 'later', p_now => '2026-06-05'); perform handoff.tick('2026-06-05 00:01'); end $$;
select isnt(pg_temp.who('DE4'), 'all_at_capacity', 'one is recycled: the next in line gets the room');
select results_eq($$ select pg_temp.who('DE5'), pg_temp.who('DE6') $$, $$ values ('all_at_capacity', 'all_at_capacity') $$, 'and nobody else');
select results_eq($$ select handed_at, assigned_at from handoff.handoff where lead_key = 'DE4' $$, $$ values (timestamptz '2026-06-01 00:05', timestamptz '2026-06-05 00:01') $$, 'assigned later');
do $$ begin perform handoff.accept('DE2', p_now => '2026-06-05 01:00'); perform handoff.tick('2026-06-05 01:01'); end $$;
select isnt(pg_temp.who('DE5'), 'all_at_capacity', 'one is accepted: that stage is no load in this pool');
do $$ begin perform handoff.set_capacity('t1', 0); perform handoff.recycle('DE3', 'later', p_now => '2026-06-05 02:00');
    perform handoff.recycle('DE4', 'later', p_now => '2026-06-05 02:00'); perform handoff.set_capacity('t2', 1); perform handoff.tick('2026-06-05 02:01'); end $$;
select matches(pg_temp.who('DE6'), '^(t2 tiny tiny|all_at_capacity)$', 'capacity 0 gets nothing');
do $$ begin perform handoff.set_capacity('t2', 5); perform handoff.tick('2026-06-05 03:00'); end $$;
select is(pg_temp.who('DE6'), 't2 tiny tiny', 'more capacity: he gets it');
-- a lead that is his by the CRM may exceed it, and counts
insert into crm.lead (id, country, crm_owner, updated_at) select 'crm' || i, 'DE', '005T', '2026-06-06' from generate_series(1, 3) i;
select handoff.tick('2026-06-06') is not null;
select is((select count(*) from handoff.handoff where rep = 't1' and lead_key ~ '^crm'), 3::bigint, 'the CRM''s owner gets it though he has no room');
-- the room of a lead that goes in a batch is there for one that comes in it
do $$ begin
    perform handoff.set_capacity('t2', (select count(*) from handoff.assignment a join handoff.lead l using (lead_key) where a.rep = 't2' and a.ended_at is null and l.stage = 'mql')::int);
    delete from crm.lead where id = 'DE6';
    insert into crm.lead (id, country, updated_at) values ('DE7', 'DE', '2026-06-07');
    perform handoff.tick('2026-06-07');
end $$;
select is(pg_temp.who('DE7'), 't2 tiny tiny', 'one is deleted while another one comes');

-- Again ---------------------------------------------------------------------------------------------

do $$ begin
    perform pg_temp.come('US', 20001, 20001, '2026-07-01');
end $$;
create temp table owner as select 1 as turn, h.rep from handoff.handoff h where lead_key = 'US20001';
select is(handoff.dispose('US20001', 'not_mine', 'no', p_now => '2026-07-01 01:00'), 'mql', 'not mine: the stage stays');
insert into owner select 2, h.rep from handoff.handoff h where lead_key = 'US20001';
select is(handoff.dispose('US20001', 'not_mine', 'no', p_now => '2026-07-01 02:00'), 'mql', 'nor mine');
insert into owner select 3, h.rep from handoff.handoff h where lead_key = 'US20001';
select results_eq('select count(distinct rep) from owner', $$ values (3::bigint) $$, 'each time another one');
select is(pg_temp.passed('US20001'), (select string_agg(rep || ' excluded', ', ' order by rep) from owner where turn < 3), 'those who gave it away are passed over');
select is(handoff.dispose('US20001', 'not_mine', 'no', p_now => '2026-07-01 03:00'), 'mql', 'nobody''s');
select is(pg_temp.who('US20001'), 'zoe fallback fallback', 'when all have given it away: the fallback');
select results_eq($$ select n, reason, ended_at from handoff.assignment where lead_key = 'US20001' order by n $$,
    $$ values (1, 'handoff', timestamptz '2026-07-01 01:00'), (2, 'reroute', '2026-07-01 02:00'), (3, 'reroute', '2026-07-01 03:00'), (4, 'reroute', null) $$, 'one assignment an owner');
select results_eq($$ select assignments, outcome, closed_at from handoff.handoff where lead_key = 'US20001' $$, $$ values (4, null::text, null::timestamptz) $$, 'one handoff');

-- previous owner, and one who is there no more
do $$ begin
    perform pg_temp.come('US', 20002, 20004, '2026-07-02');
    perform handoff.recycle('US20002', 'later', p_now => '2026-07-02 01:00');
    perform handoff.recycle('US20003', 'later', p_now => '2026-07-02 01:00');
    perform handoff.deactivate_rep((select rep from handoff.handoff where lead_key = 'US20003'));
    perform handoff.tick('2026-07-03 01:00');
end $$;
select results_eq($$ select cycle, rep, route, origin from handoff.handoff where lead_key = 'US20002' order by handoff_no $$,
    $$ select c, h.rep, case c when 1 then 'main' else 'previous' end, 'contract' from handoff.handoff h, generate_series(1, 2) c where h.lead_key = 'US20002' and h.cycle = 1 $$,
    'the next cycle goes to who had it before');
select is(pg_temp.passed('US20003'), 'previous rep_inactive; ' || (select rep from handoff.handoff where lead_key = 'US20003' and cycle = 1) || ' inactive',
    'unless he is gone');
select isnt((select rep from handoff.handoff where lead_key = 'US20003' and cycle = 2), (select rep from handoff.handoff where lead_key = 'US20003' and cycle = 1), 'then it is somebody else''s');

-- returned to an SDR who is gone meanwhile: the routes
do $$ begin
    perform handoff.accept('US20004', p_now => '2026-07-04');
    perform handoff.qualify('US20004', p_now => '2026-07-04');
    perform handoff.deactivate_rep((select rep from handoff.handoff where lead_key = 'US20004' and leg = 'mql_to_sdr'));
    perform handoff.dispose('US20004', 'back', p_now => '2026-07-05');
end $$;
select results_eq($$ select a.n, a.route, a.reason, r.active from handoff.assignment a join handoff.rep r using (rep) where lead_key = 'US20004' and handoff_no = 1 order by n $$,
    $$ values (1, 'main', 'handoff', false), (2, 'main', 'returned', true) $$, 'returned, but he has left: by the routes');

-- nobody at all
do $$ begin
    perform handoff.deactivate_rep('zoe');
    perform pg_temp.come('XX', 1, 1, '2026-08-01');
end $$;
select is(pg_temp.who('XX1'), 'pool_empty', 'nobody in the fallback: unassigned, never lost');
do $$ begin perform handoff.add_rep('zac', 'Zac', 'fallback'); perform handoff.tick('2026-08-02'); end $$;
select is(pg_temp.who('XX1'), 'zac fallback fallback', 'until there is somebody');
do $$ begin perform handoff.deactivate_rep('zac'); perform pg_temp.come('XX', 2, 2, '2026-08-03'); update crm.lead set country = 'VIP', updated_at = '2026-08-04' where id = 'XX2'; perform handoff.tick('2026-08-04'); end $$;
select is(pg_temp.who('XX2'), 'ida vip', 'or until a route matches that didn''t');

-- no pick has ever exceeded the capacity then in force (t1 and t2 began with 2 and 1, and were changed on the 5th)
select is_empty($$
    select a.rep, a.at, count(distinct (b.lead_key, b.n)) from handoff.assignment a
    join handoff.assignment b on b.rep = a.rep and b.at <= a.at and (b.ended_at is null or b.ended_at > a.at)
    where a.pool = 'tiny' and a.at < '2026-06-05'
    group by a.rep, a.at having count(distinct (b.lead_key, b.n)) > case a.rep when 't1' then 2 else 1 end
$$, 'no pick exceeded a capacity');
select is_empty('select pg_temp.broken()', 'all is well');

\i test/lib/routed.sql
select * from finish();
rollback;
