-- Route: hours, absence, limits, delegates, turns given back; by hand, by the CRM, by leaving.
begin;
set local client_min_messages = warning;
set local timezone = 'UTC';
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.add_calendar('office', 'mon-fri 09:00-17:00 @ UTC');
    perform handoff.add_pool(p) from unnest('{ahead,next,both,turns,fallback}'::text[]) p;
    perform handoff.add_pool('anytime', respect_schedule => false);
    perform handoff.add_pool('direct');
    update handoff.pool set counts_direct = true where pool = 'direct';
    perform handoff.add_rep('day', 'Day', 'ahead', schedule => 'mon-fri 09:00-17:00 @ UTC', crm_id => '005D');
    perform handoff.set_member('next', 'day');
    perform handoff.set_member('anytime', 'day');
    perform handoff.add_rep('own', 'Own', schedule => 'mon-fri 09:00-17:00 @ UTC', crm_id => '005O');
    perform handoff.add_rep('boss', 'Boss', schedule => '24x7 @ UTC');
    perform handoff.add_rep('dele', 'Delegate', schedule => '24x7 @ UTC');
    update handoff.rep set manager = 'boss' where rep = 'own';
    perform handoff.add_rep('b' || i, 'B', 'both', schedule => '24x7 @ UTC', capacity => 100) from generate_series(1, 2) i;
    perform handoff.add_rep('t' || i, 'T', 'turns', schedule => '24x7 @ UTC', crm_id => '005T' || i) from generate_series(1, 2) i;
    perform handoff.add_rep('d' || i, 'D', 'direct', schedule => '24x7 @ UTC') from generate_series(1, 2) i;
    perform handoff.add_rep('zoe', 'Zoe', 'fallback', schedule => '24x7 @ UTC');
    perform handoff.import($json${
"format": 1,
"contract": {"reporting_zone": "UTC", "calendar": "office"},
"field": [{"of": "lead", "name": "country", "type": "text"}, {"of": "lead", "name": "size", "type": "bigint"}],
"score_group": [{"name": "g", "kind": "fit"}],
"score_rule": [{"name": "big", "score_group": "g", "criteria": "size > 10", "points": 10}],
"band": [{"ord": 1, "name": "A", "min_fit": 10}, {"ord": 2, "name": "B"}],
"activity_rule": [{"name": "call", "meaning": "touch", "criteria": "kind = 'call'"}],
"stage": [
    {"name": "lead", "position": 10, "owner": "marketing", "is_default": true},
    {"name": "mql", "position": 20, "owner": "sales", "max_age": "1 year", "max_age_to": "lost"},
    {"name": "sal", "position": 30, "owner": "sales", "max_age": "1 year", "max_age_to": "lost"},
    {"name": "rest", "position": 50, "owner": "marketing"},
    {"name": "lost", "position": 60, "is_terminal": true}],
"leg": [{"name": "mql_to_sdr", "ord": 1, "owner_from": "marketing", "owner_to": "sdr"}],
"transition": [
    {"ord": 10, "from_stage": "lead", "event": "scored", "to_stage": "mql", "leg": "mql_to_sdr"},
    {"ord": 20, "from_stage": "mql", "event": "accepted", "to_stage": "sal"},
    {"ord": 30, "from_stage": "mql", "event": "recycled", "to_stage": "rest"},
    {"ord": 40, "from_stage": "rest", "event": "due", "to_stage": "lead"}],
"recycle_path": [{"name": "later", "delay": "1 year", "to_stage": "lead"}],
"disposition": [
    {"code": "ok", "outcome": "accepted", "reason": "Yes"},
    {"code": "later", "outcome": "recycle", "reason": "Later", "recycle_path": "later"},
    {"code": "junk", "outcome": "recycle", "reason": "Not a lead", "recycle_path": "later", "returns_turn": true},
    {"code": "not_mine", "outcome": "reroute", "reason": "Somebody else's"}],
"route": [
    {"name": "owner", "leg": "mql_to_sdr", "ord": 10, "criteria": "country = 'OWNER'", "target_kind": "account_owner"},
    {"name": "team", "leg": "mql_to_sdr", "ord": 20, "criteria": "country = 'TEAM'", "target_kind": "account_team", "target": "sdr"},
    {"name": "deleg", "leg": "mql_to_sdr", "ord": 30, "criteria": "country = 'DELEGATE'", "target_kind": "rep", "target": "own", "if_unavailable": "delegate"},
    {"name": "ahead", "leg": "mql_to_sdr", "ord": 40, "criteria": "country = 'AHEAD'", "target_kind": "pool", "target": "ahead"},
    {"name": "hold", "leg": "mql_to_sdr", "ord": 50, "criteria": "country = 'HOLD'", "target_kind": "pool", "target": "ahead", "if_unavailable": "hold"},
    {"name": "next", "leg": "mql_to_sdr", "ord": 60, "criteria": "country = 'NEXT'", "target_kind": "pool", "target": "next", "if_unavailable": "next"},
    {"name": "anytime", "leg": "mql_to_sdr", "ord": 70, "criteria": "country = 'ANY'", "target_kind": "pool", "target": "anytime", "if_unavailable": "hold"},
    {"name": "both", "leg": "mql_to_sdr", "ord": 80, "criteria": "country = 'BOTH'", "target_kind": "pool", "target": "both"},
    {"name": "turns", "leg": "mql_to_sdr", "ord": 90, "criteria": "country = 'TURNS'", "target_kind": "pool", "target": "turns"},
    {"name": "direct", "leg": "mql_to_sdr", "ord": 100, "criteria": "country = 'DIRECT'", "target_kind": "pool", "target": "direct"},
    {"name": "d1", "leg": "mql_to_sdr", "ord": 110, "criteria": "country = 'D1'", "target_kind": "rep", "target": "d1"},
    {"name": "fallback", "leg": "mql_to_sdr", "ord": 999, "target_kind": "pool", "target": "fallback"}]
}$json$);
    perform handoff.publish();
end $$;
create schema crm;
create table crm.lead (id text primary key, country text, size int, crm_owner text, account_key text, updated_at timestamptz);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, rep text);
create table crm.acc (id text primary key, owner text);
set local lead_handoff.inline_limit = 0;
select handoff.attach('crm.lead', 'lead', mapping => '{"version": "updated_at"}', since => '-infinity') <> '',
       handoff.attach('crm.act', 'activity', since => '-infinity') <> '',
       handoff.attach('crm.acc', 'account', mapping => '{"owner": "owner"}') <> '';

create function pg_temp.come(country text, first int, last int, at timestamptz) returns void language plpgsql as $$
begin
    insert into crm.lead (id, country, updated_at)
    select country || i, country, at + (i - first) * interval '1 second' from generate_series(first, last) i;
    perform handoff.tick(at + (last - first) * interval '1 second');
end $$;
create function pg_temp.who(lead text) returns text language sql as $$
    select concat_ws(' ', coalesce(h.unassigned_reason, h.rep), h.route, h.pool) from handoff.handoff h
    where h.lead_key = lead order by h.handoff_no desc limit 1
$$;
create function pg_temp.passed(lead text) returns text language sql as $$
    select concat_ws('; ', (select string_agg(r.key || ' ' || r.value, ', ' order by r.key) from jsonb_each_text(e.detail -> 'passed_over' -> 'routes') r
                            where r.value <> 'no_match'),
                           (select string_agg(r.key || ' ' || r.value, ', ' order by r.key) from jsonb_each_text(e.detail -> 'passed_over' -> 'reps') r))
    from handoff.event e where e.lead_key = lead and e.type in ('assigned', 'unassigned') order by e.seq desc limit 1
$$;
-- the log of a lead's owners
create function pg_temp.owners(lead text) returns text language sql as $$
    select string_agg(concat_ws(' ', a.rep, a.route, a.reason, case when a.ended_at is null then 'has it' end), ', ' order by a.handoff_no, a.n)
    from handoff.assignment a where a.lead_key = lead
$$;
create function pg_temp.error_of(statement text) returns text language plpgsql as $$
begin
    execute statement;
    return 'no error';
exception when others then
    return sqlstate || ' ' || sqlerrm;
end $$;

-- Hours ---------------------------------------------------------------------------------------------
-- 2026-03-06 is a Friday

do $$ begin perform pg_temp.come(c, 1, 1, '2026-03-06 10:00') from unnest('{AHEAD,HOLD,NEXT,ANY}'::text[]) c; end $$;
select results_eq($$ select c, pg_temp.who(c || 1) from unnest('{AHEAD,HOLD,NEXT,ANY}'::text[]) c $$,
    $$ values ('AHEAD', 'day ahead ahead'), ('HOLD', 'day hold ahead'), ('NEXT', 'day next next'), ('ANY', 'day anytime anytime') $$, 'in his hours he gets all');
do $$ begin perform pg_temp.come(c, 2, 2, '2026-03-05 18:00') from unnest('{AHEAD,HOLD,NEXT,ANY}'::text[]) c; end $$;
select results_eq($$ select c, pg_temp.who(c || 2), pg_temp.passed(c || 2) from unnest('{AHEAD,HOLD,NEXT,ANY}'::text[]) c $$,
    $$ values ('AHEAD', 'day ahead ahead', ''), ('HOLD', 'nobody_on_shift hold ahead', 'hold nobody_on_shift; day off_shift'),
              ('NEXT', 'zoe fallback fallback', 'next nobody_on_shift; day off_shift'), ('ANY', 'day anytime anytime', '') $$,
    'in the evening: he is back within 16 hours, which counts if the route says so; one pool takes no notice of hours');
-- a tick now and then, as time goes by
do $$ begin perform handoff.tick(t) from generate_series(timestamptz '2026-03-06 08:55', '2026-03-06 09:10', '5 minutes') t; end $$;
select is((select pg_temp.who('HOLD2') || ' at ' || (assigned_at at time zone 'UTC') from handoff.handoff where lead_key = 'HOLD2'), 'day hold ahead at 2026-03-06 09:00:00', 'held until he opens');
do $$ begin perform pg_temp.come('AHEAD', 3, 3, '2026-03-06 18:00'); end $$;
select is(pg_temp.who('AHEAD3'), 'nobody_on_shift ahead ahead', 'Friday evening: not for 63 hours');
do $$ begin perform handoff.tick(t) from generate_series(timestamptz '2026-03-08 16:45', '2026-03-08 17:05', '5 minutes') t; end $$;
select is((select pg_temp.who('AHEAD3') || ' at ' || (assigned_at at time zone 'UTC') from handoff.handoff where lead_key = 'AHEAD3'), 'day ahead ahead at 2026-03-08 17:00:00', 'sixteen hours before Monday');
select is((select count(*) from handoff.event where lead_key = 'AHEAD3' and type = 'unassigned'), 1::bigint, 'said once');

-- Absence -------------------------------------------------------------------------------------------

select is(pg_temp.error_of($$ select handoff.add_away('nobody', '2026-01-01', '2026-01-02') $$), '42704 there is no rep "nobody"', 'add_away: no such rep');
select is(pg_temp.error_of($$ select handoff.add_away('day', '2026-01-02', '2026-01-02') $$), '22023 an absence must end after it begins', 'add_away: times');
select is(pg_temp.error_of($$ select handoff.add_away('day', '2026-01-01', '2026-01-02', 'day') $$), '22023 rep "day" can''t stand in for himself', 'add_away: himself');
select is(pg_temp.error_of($$ select handoff.remove_away('day', '2026-01-01') $$), '42704 rep "day" has no absence from 2026-01-01 00:00:00+00', 'remove_away: none');
select handoff.add_away('day', '2026-03-10', '2026-03-20 12:00', note => 'holiday') is not null;
do $$ begin perform pg_temp.come('AHEAD', 4, 5, '2026-03-10 10:00'); end $$;
select is(pg_temp.who('AHEAD4'), 'all_away ahead ahead', 'away');
select is(pg_temp.passed('AHEAD4'), 'ahead all_away; day away', 'with the reason');
do $$ begin perform handoff.remove_away('day', '2026-03-10'); perform handoff.tick('2026-03-11 10:00'); end $$;
select is(pg_temp.who('AHEAD4'), 'day ahead ahead', 'he came back sooner: the next tick knows');
-- delegates
do $$ begin
    perform handoff.add_away('own', '2026-03-10', '2026-03-20', delegate => 'dele');
    perform pg_temp.come('DELEGATE', 1, 1, '2026-03-09 10:00');
    perform pg_temp.come('DELEGATE', 2, 2, '2026-03-12 10:00');
end $$;
select is(pg_temp.who('DELEGATE1'), 'own deleg', 'he is there');
select is(pg_temp.who('DELEGATE2'), 'dele deleg', 'away: his delegate');
select is(pg_temp.passed('DELEGATE2'), 'own away', 'with the reason');
do $$ begin
    perform handoff.deactivate_rep('dele');
    perform pg_temp.come('DELEGATE', 3, 3, '2026-03-12 11:00');
    perform handoff.activate_rep('dele');
end $$;
select is(pg_temp.who('DELEGATE3'), 'away deleg', 'his delegate has left: it waits');

-- Accounts ------------------------------------------------------------------------------------------

insert into crm.acc values ('acme', '005O'), ('none', null), ('rep', 'boss');
insert into handoff.account_team (account_key, role, rep, valid_from) values ('acme', 'sdr', 'own', '2026-01-01'), ('acme', 'sdr', 'boss', '2026-03-01'), ('acme', 'ae', 'dele', '2026-01-01');
insert into crm.lead (id, country, account_key, updated_at) values
    ('o1', 'OWNER', 'acme', '2026-03-25 10:00'), ('o2', 'OWNER', 'none', '2026-03-25 10:00'), ('o3', 'OWNER', null, '2026-03-25 10:00'),
    ('o4', 'OWNER', 'rep', '2026-03-25 10:00'), ('m1', 'TEAM', 'acme', '2026-03-25 10:00'), ('m2', 'TEAM', 'none', '2026-03-25 10:00'), ('m3', 'TEAM', null, '2026-03-25 10:00');
select handoff.tick('2026-03-25 10:00') is not null;
select results_eq($$ select l, pg_temp.who(l), pg_temp.passed(l) from unnest('{o1,o2,o3,o4,m1,m2,m3}'::text[]) l $$, $$ values
    ('o1', 'own owner', ''), ('o2', 'zoe fallback fallback', 'owner account_unowned'), ('o3', 'zoe fallback fallback', 'owner no_account'),
    ('o4', 'boss owner', ''), ('m1', 'boss team', ''), ('m2', 'zoe fallback fallback', 'team account_unowned'), ('m3', 'zoe fallback fallback', 'team no_account') $$,
    'owners of accounts, and their teams as of that day');

-- Limits --------------------------------------------------------------------------------------------

select is(pg_temp.error_of($$ select handoff.set_limits('b1', -1) $$), '22023 a limit of -1 leads is below 0', 'set_limits: below 0');
do $$ begin
    perform handoff.set_limits('b1', per_day => 2, per_week => 3);
    perform handoff.set_limits('b2', per_month => 5);
    perform pg_temp.come('BOTH', 1, 3, '2026-03-30 10:00');
    perform pg_temp.come('BOTH', 4, 10, '2026-03-30 11:00');
end $$;
select results_eq($$ select rep, count(*) from handoff.assignment where pool = 'both' group by 1 order by 1 $$, $$ values ('b1', 2::bigint), ('b2', 5) $$, 'two of the day, five of the month, in one batch and over several');
select is(pg_temp.who('BOTH8'), 'period_limit both both', 'nobody is left');
do $$ begin perform handoff.tick(t) from generate_series(timestamptz '2026-03-30 23:00', '2026-03-31 01:00', '30 minutes') t; end $$;
select results_eq($$ select rep, count(*), max(at) from handoff.assignment where pool = 'both' group by 1 order by 1 $$,
    $$ values ('b1', 3::bigint, timestamptz '2026-03-31 00:00'), ('b2', 5, '2026-03-30 11:00:06') $$, 'the next day one more, then the week is full');
do $$ begin perform handoff.tick(t) from generate_series(timestamptz '2026-03-31 23:00', '2026-04-01 01:00', '30 minutes') t; end $$;
select results_eq($$ select rep, count(*) from handoff.assignment where pool = 'both' group by 1 order by 1 $$, $$ values ('b1', 3::bigint), ('b2', 7) $$, 'the next month');

-- Turns ---------------------------------------------------------------------------------------------

do $$ begin
    perform pg_temp.come('TURNS', 1, 4, '2026-04-10 10:00');
    perform handoff.recycle(lead_key, 'junk', p_now => '2026-04-10 11:00') from handoff.handoff where rep = 't1';
    perform pg_temp.come('TURNS', 5, 8, '2026-04-10 12:00');
end $$;
select results_eq($$ select rep, count(*), count(*) filter (where turn_returned) from handoff.assignment where pool = 'turns' group by 1 order by 1 $$,
    $$ values ('t1', 5::bigint, 2::bigint), ('t2', 3, 0) $$, 'two were no leads: he gets two more');
select is((select count(*) from handoff.pool_turn_due), 0::bigint, 'which are settled');
do $$ begin
    update handoff.pool set max_returned = 2 where pool = 'turns';
    perform handoff.recycle(lead_key, 'junk', p_now => '2026-04-11') from handoff.handoff where rep = 't1' and closed_at is null;
    perform pg_temp.come('TURNS', 9, 12, '2026-04-12');
end $$;
select results_eq($$ select rep, count(*) from handoff.assignment where pool = 'turns' and at >= '2026-04-12' group by 1 order by 1 $$, $$ values ('t1', 2::bigint), ('t2', 2) $$, 'no more than the month''s');
do $$ begin
    perform pg_temp.come('D1', 1, 2, '2026-04-13');
    perform pg_temp.come('DIRECT', 1, 1, '2026-04-13 01:00');
    perform pg_temp.come('D1', 3, 4, '2026-04-13 02:00');
    perform pg_temp.come('DIRECT', 2, 5, '2026-04-13 03:00');
end $$;
select results_eq($$ select rep, count(*) from handoff.assignment where pool = 'direct' and at > '2026-04-13 02:00' group by 1 order by 1 $$, $$ values ('d2', 4::bigint) $$, 'leads past the pool count as turns, where the pool says so');

-- By hand -------------------------------------------------------------------------------------------

do $$ begin perform pg_temp.come('TURNS', 21, 22, '2026-05-04 10:00'); end $$;
select is(pg_temp.error_of($$ select handoff.reassign('TURNS21', 'nobody') $$), '42704 there is no rep "nobody"', 'reassign: no such rep');
select handoff.deactivate_rep('dele') is not null;
select is(pg_temp.error_of($$ select handoff.reassign('TURNS21', 'dele') $$), '55000 rep "dele" is not active', 'reassign: not active');
select handoff.activate_rep('dele') is not null;
select is(pg_temp.error_of($$ select handoff.reassign('nothing', 'boss') $$), 'LH040 there is no lead "nothing"', 'reassign: no such lead');
select is(handoff.reassign('TURNS21', 'boss', 'key account', p_now => '2026-05-04 10:30'), 'mql', 'by hand');
select is(pg_temp.owners('TURNS21'), (select min(rep) from handoff.assignment where lead_key = 'TURNS21' and n = 1) || ' turns handoff, boss manual manual has it', 'he has it');
select is((select detail ->> 'note' from handoff.event where lead_key = 'TURNS21' and type = 'taken_away'), 'key account', 'and why');
select is(pg_temp.error_of($$ select handoff.reassign('TURNS21', 'boss', p_now => '2026-05-04 10:31') $$), 'LH041 rep "boss" has lead "TURNS21" already', 'reassign: his already');
select is(pg_temp.error_of($$ select handoff.claim('TURNS21', 'dele', p_now => '2026-05-04 10:31') $$), 'LH041 lead "TURNS21" has an owner', 'claim: not what somebody has');
do $$ begin perform pg_temp.come('OTHER', 1, 1, '2026-05-04 11:00'); end $$;
select is(handoff.claim('OTHER1', 'dele', p_now => '2026-05-04 11:01'), 'mql', 'what fell to the last route can be claimed');
select is(pg_temp.owners('OTHER1'), 'zoe fallback handoff, dele claim claim has it', 'once');
select is(pg_temp.error_of($$ select handoff.claim('OTHER1', 'boss', p_now => '2026-05-04 11:02') $$), 'LH041 lead "OTHER1" has an owner', 'who comes second');

-- By the CRM ----------------------------------------------------------------------------------------

create function pg_temp.crm(lead_key text, owner text, at timestamptz) returns void language plpgsql as $$
begin
    update crm.lead set crm_owner = owner, updated_at = at where id = lead_key;
    perform handoff.tick(at);
end $$;
insert into crm.lead (id, country, crm_owner, updated_at) select 'crm' || i, 'TURNS', 'integration', '2026-05-05 10:00' from generate_series(1, 2) i;
select handoff.tick('2026-05-05 10:00') is not null;
create temp table first_owner as select lead_key, rep, (select crm_id from handoff.rep r where r.rep = h.rep) as crm_id from handoff.handoff h where lead_key ~ '^crm';
create temp table seqs as select lead_key, last_seq from handoff.lead;
do $$ begin perform pg_temp.crm('crm1', (select crm_id from first_owner where lead_key = 'crm1'), '2026-05-05 11:00'); end $$;
select is(pg_temp.owners('crm1'), (select rep from first_owner where lead_key = 'crm1') || ' turns handoff has it', 'what was written back returns: nothing happens');
select is((select string_agg(type, ',') from handoff.event join seqs using (lead_key) where seq > last_seq and lead_key = 'crm1'), 'fields', 'but that the field is another');
do $$ begin perform pg_temp.crm('crm1', '005O', '2026-05-05 12:00'); end $$;
select is(pg_temp.owners('crm1'), (select rep from first_owner where lead_key = 'crm1') || ' turns handoff, own crm crm has it', 'another owner in the CRM is taken as he is');
do $$ begin perform pg_temp.crm('crm1', (select crm_id from first_owner where lead_key = 'crm1'), '2026-05-05 13:00'); end $$;
select is(pg_temp.owners('crm1'), (select rep || ' turns handoff, own crm crm, ' || rep || ' crm crm has it' from first_owner where lead_key = 'crm1'), 'back to him: that is no echo any more');
do $$ begin perform pg_temp.crm('crm1', '005Q', '2026-05-05 14:00'); end $$;
select matches(pg_temp.owners('crm1'), ', \w+ \w+ crm has it$', 'a queue: nobody''s, so the routes find somebody');
-- a user of another CRM is the same person
do $$ begin
    insert into handoff.crm_user (crm_id, source, raw_key, name, rep, human, active, seen_at) values ('hub-7', 'hub', '7', 'Own', 'own', true, true, '2026-05-01');
    perform pg_temp.crm('crm1', 'hub-7', '2026-05-05 15:00');
end $$;
select matches(pg_temp.owners('crm1'), ', own crm crm has it$', 'his user of another CRM is he');
delete from handoff.crm_user;
-- the echo comes after the lead has gone on
do $$ begin
    perform handoff.reassign('crm2', 'boss', p_now => '2026-05-05 10:30');
    perform pg_temp.crm('crm2', (select crm_id from first_owner where lead_key = 'crm2'), '2026-05-05 11:00');
end $$;
select is(pg_temp.owners('crm2'), (select rep from first_owner where lead_key = 'crm2') || ' turns handoff, boss manual manual has it', 'a late echo takes the lead from nobody');

-- Who leaves ----------------------------------------------------------------------------------------

do $$ begin
    perform handoff.add_rep('gone', 'Gone', schedule => '24x7 @ UTC');
    update handoff.rep set manager = 'boss', delegate = 'dele' where rep = 'gone';
    perform pg_temp.come('OTHER', 11, 14, '2026-06-01 10:00');
    perform handoff.reassign('OTHER' || i, 'gone', p_now => '2026-06-01 10:10') from generate_series(11, 14) i;
    insert into crm.act values ('a12', 'OTHER12', '2026-06-01 10:20', 'call', 'gone');
    perform handoff.tick('2026-06-01 10:21');
    perform handoff.accept('OTHER13', p_now => '2026-06-01 10:30');
end $$;
select results_eq($$ select lead_key, touches, goes_to from handoff.leaving('gone') $$,
    $$ values ('OTHER11', 0, null), ('OTHER12', 1, 'dele'), ('OTHER13', 0, 'dele'), ('OTHER14', 0, null) $$, 'leaving() tells it before');
select is(pg_temp.error_of($$ select * from handoff.leaving('nobody') $$), '42704 there is no rep "nobody"', 'leaving: no such rep');
do $$ begin perform handoff.deactivate_rep('gone'); perform handoff.tick('2026-06-02 10:00'); end $$;
select results_eq($$ select lead_key, coalesce(goes_to, 'zoe') from (values ('OTHER11', null), ('OTHER12', 'dele'), ('OTHER13', 'dele'), ('OTHER14', null)) v (lead_key, goes_to) $$,
    $$ select lead_key, rep from handoff.handoff where lead_key ~ '^OTHER1[1-4]$' order by 1 $$, 'and so it goes');
select is(pg_temp.owners('OTHER11'), 'zoe fallback handoff, gone manual manual, zoe fallback rep_left has it', 'untouched: by its routes');
select is(pg_temp.owners('OTHER12'), 'zoe fallback handoff, gone manual manual, dele rep_left rep_left has it', 'worked: to his delegate');
select is_empty($$ select * from handoff.leaving('gone') $$, 'nothing is left');
-- away, and what he has goes to others
do $$ begin
    perform handoff.reassign('OTHER11', 'own', p_now => '2026-06-03 10:00');
    perform handoff.reassign('OTHER12', 'own', p_now => '2026-06-03 10:00');
    perform handoff.add_away('own', '2026-06-04', '2026-09-01', reassign => true);
    perform handoff.tick('2026-06-03 23:00');
end $$;
select is((select count(*) from handoff.handoff where rep = 'own' and closed_at is null and lead_key ~ '^OTHER'), 2::bigint, 'not before it begins');
do $$ begin perform handoff.tick('2026-06-04 01:00'); end $$;
select is((select count(*) from handoff.handoff where rep = 'own' and closed_at is null), 0::bigint, 'then all he has');
select is(pg_temp.owners('OTHER12') ~ 'boss away away has it$', true, 'worked: no delegate, so his manager');

-- Waiting -------------------------------------------------------------------------------------------

do $$ begin
    perform handoff.set_limits('b1'), handoff.set_limits('b2');
    perform handoff.recycle(lead_key, 'later', p_now => '2026-07-01') from handoff.handoff where pool = 'both' and closed_at is null;
    perform handoff.set_capacity('b1', 0), handoff.set_capacity('b2', 0);
    insert into crm.lead (id, country, size, updated_at) select 'w' || i, 'BOTH', case when i in (4, 6) then 100 end, timestamptz '2026-07-01 10:00' + i * interval '1 second' from generate_series(1, 6) i;
    perform handoff.tick('2026-07-01 11:00');
    perform handoff.set_capacity('b1', 3);
    perform handoff.tick('2026-07-01 12:00');
end $$;
select results_eq($$ select lead_key, pg_temp.who(lead_key) from handoff.lead where lead_key ~ '^w' order by 1 $$, $$ values
    ('w1', 'b1 both both'), ('w2', 'all_at_capacity both both'), ('w3', 'all_at_capacity both both'), ('w4', 'b1 both both'), ('w5', 'all_at_capacity both both'), ('w6', 'b1 both both') $$,
    'room for three: best band first, then first come');
select is(handoff.pool_room('both', '2026-07-01 12:00'), 0::bigint, 'no room');
select handoff.set_capacity('b2', 7) is not null;
select is(handoff.pool_room('both', '2026-07-01 12:00'), 7::bigint, 'room for seven');
select is(handoff.pool_room('nowhere'), 0::bigint, 'no such pool, no room');

-- To look at ----------------------------------------------------------------------------------------

set local lead_handoff.view_time = '2026-07-01 12:00';
create temp table before_looking as select (select sum(last_seq) from handoff.lead) as seqs, (select sum(picks) from handoff.pool_turn_member) as picks;
select results_eq($$ select rep, load, capacity, picks_left, reason, next_at from handoff.pool_capacity('both', '2026-07-01 12:00') $$,
    $$ values ('b1', 3, 3, null::int, 'at_capacity', null::timestamptz), ('b2', 0, 7, null, null, '2026-07-01 12:00') $$, 'pool_capacity: full, and with room');
select results_eq($$ select reason, next_at from handoff.pool_capacity('ahead', '2026-07-03 18:00') $$, $$ values ('off_shift', timestamptz '2026-07-05 17:00') $$, 'over the weekend: asked again 16 hours before Monday');
select handoff.add_away('day', '2026-07-01', '2026-07-10 12:00') is not null, handoff.set_limits('b2', per_week => 0) is not null;
select results_eq($$ select reason, next_at from handoff.pool_capacity('ahead', '2026-07-03 18:00') $$, $$ values ('away', timestamptz '2026-07-09 20:00') $$, 'away until Friday noon');
select results_eq($$ select reason, picks_left, next_at from handoff.pool_capacity('both', '2026-07-01 12:00') where rep = 'b2' $$, $$ values ('period_limit', 0, timestamptz '2026-07-06') $$, 'no more this week');
select results_eq($$ select * from handoff.pool_forecast('2026-07-01 12:00') where pool in ('both', 'ahead', 'anytime') $$, $$ values
    ('ahead', 1, 0, 1000000::bigint, 0::bigint, timestamptz '2026-07-09 20:00'), ('anytime', 1, 0, 1000000, 0, '2026-07-09 20:00'), ('both', 2, 0, 7, 3, '2026-07-06') $$, 'pool_forecast');
select is(pg_temp.error_of($$ select * from handoff.pool_capacity('nowhere') $$), '42704 there is no pool "nowhere"', 'pool_capacity: no such pool');
-- who would get it
create function pg_temp.preview(fields jsonb, at timestamptz) returns setof text language sql as $$
    select concat_ws(' ', p.route, p.code, p.pool, p.rep, nullif(p.reps, '{}')) from handoff.route_preview(fields, at => at) p where p.code <> 'no_match'
$$;
select results_eq($$ select * from pg_temp.preview('{"country": "HOLD"}', '2026-07-01 12:00') $$, $$ values ('hold all_away {"day": "away"}') $$, 'route_preview: it would wait');
select results_eq($$ select * from pg_temp.preview('{"country": "NEXT"}', '2026-07-01 12:00') $$, $$ values ('next all_away'), ('fallback taken fallback zoe {"day": "away"}') $$, 'or go on');
select results_eq($$ select * from pg_temp.preview('{"country": "OWNER", "account_key": "rep"}', '2026-07-01 12:00') $$, $$ values ('owner account_unowned'), ('fallback taken fallback zoe') $$, 'account.owner has to be given as a field');
select results_eq($$ select * from pg_temp.preview('{"country": "OWNER", "account_key": "x", "account.owner": "boss"}', '2026-07-01 12:00') $$, $$ values ('owner taken boss') $$, 'like this');
select results_eq($$ select rep from handoff.route_preview('{"country": "DIRECT"}', at => '2026-07-01 12:00') where code = 'taken' $$, $$ select rep from handoff.next_picks('direct', 1, '', '2026-07-01 12:00') $$, 'whose turn it is');
select is((select count(*) from handoff.route_preview('{"country": "NEXT"}', at => '2026-07-01 12:00')), 12::bigint, 'every route up to the one that takes it');
select is_empty($$ select * from handoff.route_preview(null) $$, 'no fields, no answer');
select is(pg_temp.error_of($$ select * from handoff.route_preview('{}', leg => 'nowhere') $$), '42704 contract 1 has no leg "nowhere"', 'route_preview: no such leg');
select is(pg_temp.error_of($$ select * from handoff.route_preview('{"contry": "DE"}') $$), 'LH002 unknown field "contry"', 'route_preview: no such field');
select results_eq($$ select (select sum(last_seq) from handoff.lead), (select sum(picks) from handoff.pool_turn_member) $$, $$ select * from before_looking $$, 'nothing has changed');
-- shares
set local lead_handoff.view_time = '2026-04-12 12:00';
select results_eq($$ select rep, weight, expected_share::text, picks_30_days, returned_30_days, round(actual_share_30_days, 2)::text, owed between -1 and 1 from handoff.fairness where pool = 'turns' order by rep $$,
    $$ values ('t1', 1, '0.50000000000000000000', 7::bigint, 2::bigint, '0.50', true), ('t2', 1, '0.50000000000000000000', 5, 0, '0.50', true) $$, 'fairness: turns given back don''t count');
select is((select round(sum(expected_share), 6) || ' ' || round(sum(actual_share_30_days), 6) || ' ' || bool_and(abs(owed) < 1) from handoff.fairness where pool = 'turns'), '1.000000 1.000000 true', 'fairness: shares add up, nobody is a lead behind');
set local lead_handoff.view_time = '2026-07-01 12:00';

-- put into a pool by hand, though he takes no leads yet
do $$ begin
    insert into handoff.rep (rep, name, takes_leads) values ('user', 'User', false);
    insert into handoff.pool_member (pool, rep, weight) values ('fallback', 'user', 1000);
    perform pg_temp.come('OTHER', 51, 54, '2026-07-01 12:00');
end $$;
select is((select string_agg(distinct rep, ' ') from handoff.handoff where lead_key ~ '^OTHER5[1-4]$'), 'zoe', 'a member who takes no leads gets none');

select is_empty($$ select * from handoff.doctor() where severity = 'error' $$, 'doctor');
select is_empty($$ select * from handoff.verify() $$, 'verify');
\i test/lib/routed.sql
select * from finish();
rollback;
