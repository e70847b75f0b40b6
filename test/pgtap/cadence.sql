-- Cadence: business days and their ends; which step a touch does, against SQL over random histories; what
-- becomes of steps when owners, leads and activities change; a rep's queue; how well the cadence is kept.
begin;
set local client_min_messages = warning;
set local timezone = 'UTC';
set local lead_handoff.inline_limit = 0;
select no_plan();
\set QUIET 1
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
end $$;

-- the same number between 0 and 1 for the same two numbers
create function pg_temp.u(i int, k int) returns float8 language sql immutable as $$
    select (hashint8extended(i, k) & 1048575) / 1048576.0::float8
$$;

-- Business days --------------------------------------------------------------------------------------

do $$ begin
    perform handoff.add_calendar('split', 'mon-thu 08:30-12:00 13:00-17:15; fri 08:30-14:00; sun 10:00-11:00 @ America/New_York');
    perform handoff.add_calendar('late', 'mon-sat 12:00-24:00 @ Asia/Kolkata');
    perform handoff.add_calendar('always', '24x7 @ Australia/Lord_Howe');
    perform handoff.add_calendar('night', 'mon,tue,fri 22:00-06:00 @ Europe/Berlin');
    perform handoff.add_calendar('shut', 'closed @ UTC');
    perform handoff.add_exception(c, d, 'closed') from unnest('{split,late,office_berlin}'::text[]) c, unnest('{2026-03-09,2026-04-06,2026-10-26}'::date[]) d;
    perform handoff.add_exception(c, d, 'open', '09:15-09:45 20:00-21:00') from unnest('{split,office_berlin}'::text[]) c, unnest('{2026-03-07,2026-11-01}'::date[]) d;
    perform handoff.add_exception('late', '2026-03-11', 'open', '00:30-01:00 23:00-24:00');
    perform handoff.add_exception('split', '2026-03-12', 'break', '08:00-12:30');
    perform handoff.add_exception('office_berlin', '2026-03-13', 'break', '08:00-18:30');
end $$;
create temp table moment as
select c.name as calendar, handoff.zone(c.schedule) as zone, m.at,
       (m.at at time zone handoff.zone(c.schedule))::date as on_date, m.days
from (select * from handoff.calendar where name in ('office_berlin', 'split', 'late', 'always')) c
cross join (select timestamptz '2026-03-01' + pg_temp.u(i, 1) * interval '35 days' + case when i % 3 = 0 then interval '225 days' else '0' end as at, (pg_temp.u(i, 2) ^ 3 * 30)::int as days
            from generate_series(1, 400) i
            union all select timestamptz '2026-03-02 08:00' + i * interval '15 min', i % 4 from generate_series(0, 700) i) m;
-- each date opens at its first open moment, and closes at its last one
create temp table day as
select *, row_number() over (partition by calendar order by on_date) as n
from (select c.calendar, d::date as on_date, handoff.next_open(c.calendar, d at time zone c.zone) as opening,
             handoff.business_sub(c.calendar, (d + interval '1 day') at time zone c.zone, '0') as closing, c.zone
      from (select distinct calendar, zone from moment) c, generate_series(timestamp '2026-02-20', '2027-01-20', '1 day') d) x
where (opening at time zone zone)::date = on_date;
select is_empty($$
    select m.* from moment m left join day d using (calendar, on_date)
    where handoff.business_day(m.calendar, m.at) is distinct from d.opening
$$, 'business_day(): the opening of the local date, if it has one');
select is_empty($$
    select m.calendar, m.at, m.days from moment m
    cross join lateral (select d.n from day d where d.calendar = m.calendar and d.closing > m.at order by d.n limit 1) f
    join day d on d.calendar = m.calendar and d.n = f.n + m.days
    where handoff.business_day_end(m.calendar, m.at, m.days) is distinct from d.closing
$$, 'business_day_end(): the closing of the date that comes so many open ones later');
select cmp_ok((select count(*) from moment), '>', 4000::bigint, 'over thousands of moments');
select results_eq($$
    select handoff.business_day('night', t), handoff.business_day_end('night', t, 1)
    from unnest('{2026-03-06 20:59+00,2026-03-06 21:00+00,2026-03-07 04:59+00,2026-03-07 05:00+00,2026-03-07 20:00+00,2026-03-09 01:00+00,2026-03-09 12:00+00,2026-03-10 04:00+00}'::timestamptz[]) t
$$, $$ values
    ('2026-03-06 21:00+00'::timestamptz, '2026-03-10 05:00+00'::timestamptz),
    ('2026-03-06 21:00+00', '2026-03-10 05:00+00'),
    ('2026-03-06 21:00+00', '2026-03-10 05:00+00'),
    (null, '2026-03-11 05:00+00'),
    (null, '2026-03-11 05:00+00'),
    ('2026-03-09 21:00+00', '2026-03-11 05:00+00'),
    ('2026-03-09 21:00+00', '2026-03-11 05:00+00'),
    ('2026-03-09 21:00+00', '2026-03-11 05:00+00') $$, 'a night belongs to the day on which it begins');
select results_eq($$ select handoff.business_day('shut', now()), handoff.business_day_end('shut', now(), 0), handoff.business_day('always', null), handoff.business_day_end('always', '2026-03-01', 5000) $$,
    $$ values (null::timestamptz, null::timestamptz, null::timestamptz, null::timestamptz) $$, 'never, or not within ten years: NULL');
select throws_ok($$ select handoff.business_day_end('always', now(), -1) $$, '22023', 'days must not be negative', 'not back');
select throws_ok($$ select handoff.business_day('nonsense', now()) $$, '42704', 'there is no calendar "nonsense"', 'no such calendar');
select throws_ok($$ select handoff.business_day('always', 'infinity') $$, '22008', 'timestamp out of range', 'not for ever');
select is(handoff.business_day('mon-fri 09:00-17:00 @ UTC'::handoff.schedule, '2026-03-06 20:00'), '2026-03-06 09:00', 'of a schedule too');
select is(handoff.business_day_end('mon-fri 09:00-17:00 @ UTC'::handoff.schedule, '2026-03-06 20:00', 1), '2026-03-10 17:00', 'its end likewise');

-- Steps and touches ----------------------------------------------------------------------------------

do $$ begin
    perform handoff.set_calendar('late', 'mon-fri 12:00-24:00 @ Asia/Kolkata');
    perform handoff.add_rep('own', 'Own', 'sdr', schedule => 'mon-thu 10:00-15:00 @ Europe/London');   -- his own hours
    perform handoff.add_rep('cal', 'Cal', 'sdr');                                                      -- his own calendar
    update handoff.rep set calendar = 'split' where rep = 'cal';
    perform handoff.add_rep('plain', 'Plain', 'sdr');                                                  -- the pool's, by default
    perform handoff.add_rep('eva', 'Eva', 'ae');                                                       -- the contract's
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    update handoff.pool set respect_schedule = false, calendar = case pool when 'sdr' then 'late' end;
    update handoff.stage set max_age = '100 days' where owner = 'sales';
    -- clocks of our own, that take nobody's lead away
    delete from handoff.sla;
    insert into handoff.sla (contract_id, name, ord, leg, metric, scope, target, clock) values
        (1, 'answer', 1, 'mql_to_sdr', 'accept', 'assignment', '24 hours', 'elapsed'), (1, 'call', 1, 'mql_to_sdr', 'first_touch', 'lead', '15 minutes', 'elapsed'),
        (1, 'decide', 1, 'mql_to_sdr', 'decision', 'lead', '10 days', 'elapsed');
    perform handoff.publish();
end $$;
create schema crm;
create table crm.lead (id text primary key, email text, company text, country text, industry text, seniority text, employees int,
                       do_not_call boolean, opted_out boolean, updated_at timestamptz);
create table crm.act (id int generated always as identity primary key, lead_key text, at timestamptz, kind text, channel text, direction text, outcome text, page text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity');
    perform handoff.attach('crm.act', 'activity', since => '-infinity', delete_grace => '0');
end $$;
create function pg_temp.comes(lead text, at timestamptz) returns void language plpgsql as $$ begin
    insert into crm.lead values (lead, lead || '@' || lead || '.de', 'Acme', 'DE', 'Software', 'C-Level', 500, null, null, at);
    insert into crm.act (lead_key, at, kind, page) values (lead, at, 'form', '/demo');
end $$;
create function pg_temp.touches(lead text, kind text, at timestamptz, outcome text default null) returns void language plpgsql as $$ begin
    insert into crm.act (lead_key, at, kind, outcome) values (lead, at, kind, outcome);
    perform handoff.tick(at);
end $$;

-- 120 leads over a week and its weekend, up to 15 touches each, some answers, bookings and ends
do $$ begin
    perform pg_temp.comes('L' || i, timestamptz '2026-03-04 06:00' + pg_temp.u(i, 1) * interval '6 days') from generate_series(1, 120) i;
    perform handoff.tick(t) from generate_series(timestamptz '2026-03-04 07:00', '2026-03-10 07:00', '1 hour') t;
    insert into crm.act (lead_key, at, kind, channel, direction, outcome)
    select 'L' || i, timestamptz '2026-03-04 06:00' + pg_temp.u(i, 1) * interval '6 days' + pg_temp.u(n, 2) ^ 2 * interval '14 days',
           (array['call', 'Call', 'email', 'email', 'linkedin', 'meeting', 'fax'])[1 + floor(pg_temp.u(n, 3) * 7)::int],
           (array[null, null, null, 'phone', 'Mail'])[1 + floor(pg_temp.u(n, 4) * 5)::int],
           case when pg_temp.u(n, 5) < 0.03 then 'inbound' end, case when pg_temp.u(n, 6) < 0.1 then 'Booked' when pg_temp.u(n, 6) < 0.12 then 'No Show' end
    from generate_series(1, 120) i, lateral (select i * 1000 + g as n from generate_series(1, (pg_temp.u(i, 7) * 15)::int) g) x order by pg_temp.u(n, 8);
    perform handoff.tick('2026-03-15 12:00');
    perform handoff.accept(lead_key, p_now => '2026-03-15 12:00') from handoff.handoff where pg_temp.u(substr(lead_key, 2)::int, 9) < 0.3;
    perform handoff.qualify(lead_key, p_now => '2026-03-16 09:30') from handoff.handoff where pg_temp.u(substr(lead_key, 2)::int, 9) < 0.15;
    perform handoff.recycle(lead_key, 'no_budget', p_now => '2026-03-17 16:00') from handoff.handoff where pg_temp.u(substr(lead_key, 2)::int, 9) between 0.25 and 0.4;
    update crm.lead set do_not_call = true, updated_at = '2026-03-18' where pg_temp.u(substr(id, 2)::int, 10) < 0.2;
    perform handoff.tick('2026-03-20 12:00');
end $$;
select cmp_ok((select count(*) from handoff.handoff), '>', 130::bigint, 'handoffs of two legs');
select is_empty($$ select h.lead_key, h.handoff_no from handoff.handoff h
    where (select count(*) from handoff.clock k where k.lead_key = h.lead_key and k.handoff_no = h.handoff_no and k.kind = 'cadence')
        <> (select count(*) from handoff.cadence_step s where s.leg = h.leg) $$, 'each has all steps of its leg');

-- whose hours count, and what they say
create function pg_temp.due(rep text, pool text, handed_at timestamptz, days int) returns timestamptz language sql as $$
    select case when r.schedule is not null then handoff.business_day_end(r.schedule, $3, $4)
                else handoff.business_day_end(coalesce(r.calendar, p.calendar, 'office_berlin'), $3, $4) end
    from handoff.rep r left join handoff.pool p on p.pool = $2 where r.rep = $1
$$;
select is_empty($$
    select h.lead_key, h.handoff_no, h.rep, h.pool, k.n, h.handed_at, k.due_at, pg_temp.due(h.rep, h.pool, h.handed_at, s.business_day)
    from handoff.handoff h
    join handoff.clock k on k.lead_key = h.lead_key and k.handoff_no = h.handoff_no and k.kind = 'cadence'
    join handoff.cadence_step s on s.leg = h.leg and s.step = k.n
    where k.due_at is distinct from pg_temp.due(h.rep, h.pool, h.handed_at, s.business_day) or k.name <> s.channel
$$, 'due at the end of its business day: of the rep''s hours, his calendar, the pool''s, the contract''s');
select is((select count(distinct h.rep) from handoff.handoff h), 4::bigint, 'of each kind');

-- the k-th touch of a channel does its k-th step, until the cadence ends
create temp table history as
select h.lead_key, h.handoff_no, h.rep, h.closed_at, h.outcome, least(h.closed_at, h.first_contact_at, case when not h.no_show then h.booked_at end) as ended_at,
       coalesce((l.fields ->> 'do_not_call')::boolean, false) as no_calls, h.handed_at, h.touches
from handoff.handoff h join handoff.lead l using (lead_key);
create temp table judged as
with touch as (
    select h.lead_key, h.handoff_no, a.at, c.name as channel,
           row_number() over (partition by h.lead_key, h.handoff_no, c.name order by a.at) as k
    from history h
    join handoff.activity a on a.lead_key = h.lead_key and a.meanings && '{touch,contact}' and a.at >= h.handed_at
        and a.at <= coalesce(h.ended_at, 'infinity') and a.at <= '2026-03-20 12:00'
    join handoff.channel c on lower(coalesce(a.fields ->> 'channel', a.fields ->> 'kind')) = any (c.name || c.also)
), step as (
    select k.*, row_number() over (partition by k.lead_key, k.handoff_no, k.name order by k.due_at, k.n) as k from handoff.clock k where k.kind = 'cadence'
)
select s.lead_key, s.handoff_no, s.n, s.name, s.due_at, s.stopped_at, s.verdict, t.at as done_at, h.ended_at, h.no_calls, h.touches, h.outcome, h.closed_at
from step s
join history h using (lead_key, handoff_no)
left join touch t on t.lead_key = s.lead_key and t.handoff_no = s.handoff_no and t.channel = s.name and t.k = s.k;
select is_empty($$ select * from judged where done_at is not null and (stopped_at is distinct from done_at or verdict is distinct from case when done_at <= due_at then 'met' else 'missed' end) $$,
    'a step is done by its touch: in time, also early, or late');
select is_empty($$ select * from judged where done_at is null and ended_at is not null
    and (stopped_at is distinct from ended_at or verdict is distinct from
         case when closed_at is not null and outcome = 'disqualified' and touches = 0 then 'void' when due_at < ended_at then 'missed' else 'void' end) $$, 'what the cadence ended without was missed, or is void');
select is_empty($$ select * from judged where done_at is null and ended_at is null
    and (verdict is distinct from case when no_calls and name = 'call' then 'void' end or (stopped_at is null) <> (verdict is null)) $$, 'the rest is owed, but for forbidden channels');
select set_eq($$ select distinct coalesce(verdict, 'owed') || case when done_at is null then '' else ', done' end from judged $$,
    array['met, done', 'missed, done', 'missed', 'void', 'owed'], 'all of which has happened');

-- How well it is kept ---------------------------------------------------------------------------------

set local lead_handoff.view_time = '2026-03-20 12:00';
select set_eq('select * from handoff.on_cadence', $$
    select date '2026-03-01', h.leg, h.pool, k.n, k.name, round(sum(met)::numeric / nullif(sum(met + missed), 0), 4) as rate, sum(met) as num,
           sum(met + missed) as den, sum((met + missed + void = 0)::int) as open
    from handoff.clock k
    join handoff.handoff h on h.lead_key = k.lead_key and h.handoff_no = k.handoff_no
    cross join lateral (select coalesce(k.verdict = 'met', false)::int as met, coalesce(k.verdict = 'void', false)::int as void,
                               (coalesce(k.verdict = 'missed', false) or k.verdict is null and k.due_at < '2026-03-20 12:00')::int as missed) v
    where k.kind = 'cadence' and h.origin in ('contract', 'self_booked')
    group by 2, 3, 4, 5
$$, 'on_cadence: done in time of those done or past their day');
select cmp_ok((select count(*) from handoff.on_cadence where on_cadence between 0.01 and 0.99), '>=', 5::bigint, 'some rates');
set local lead_handoff.view_time = '2026-03-01';
update handoff.clock set stopped_at = null, verdict = null where kind = 'cadence' and n = 8;
select set_eq($$ select on_cadence, on_cadence_num, on_cadence_den, on_cadence_open > 0 from handoff.on_cadence where step = 8 $$, $$ values (null::numeric, 0::bigint, 0::bigint, true) $$, 'NULL where nothing was due');
set local lead_handoff.view_time = '2026-03-20 12:00';
select is((select sum(on_cadence_num) from handoff.on_cadence), (select count(*)::numeric from handoff.fact_step where verdict = 'met' and counted), 'fact_step says the same');

-- One lead, told from top to bottom -------------------------------------------------------------------

do $$ begin
    perform handoff.set_capacity('cal', 0);
    perform handoff.set_capacity('own', 0);
    perform pg_temp.comes('one', '2026-04-02 07:00');
    perform handoff.tick('2026-04-02 07:00');
end $$;
create function pg_temp.steps(lead text) returns text language sql as $$
    select string_agg(k.n || ' ' || k.name || ' ' || to_char(k.due_at, 'DD HH24:MI') || coalesce(' ' || k.verdict || ' ' || to_char(k.stopped_at, 'DD HH24:MI'), ''), ', ' order by k.n)
    from handoff.clock k where k.lead_key = lead and k.kind = 'cadence'
      and k.handoff_no = (select max(h.handoff_no) from handoff.handoff h where h.lead_key = lead)
$$;
select is(pg_temp.steps('one'), '1 call 02 18:30, 2 email 02 18:30, 3 call 03 18:30, 4 linkedin 07 18:30, 5 call 09 18:30, 6 email 13 18:30, 7 call 16 18:30, 8 email 16 18:30',
    'Plain''s hours, the pool''s: to midnight in Kolkata, Easter Monday closed');
set local lead_handoff.view_time = '2026-04-02 08:00';
select results_eq($$ select part, has, needs, met, channel, due_at from handoff.work_status('one') where part = 'cadence' $$, $$ values ('cadence', 0, 8, false, 'call', timestamptz '2026-04-02 18:30') $$, 'work_status() tells the next one');
do $$ begin
    perform pg_temp.touches('one', 'call', '2026-04-02 09:00');
    perform pg_temp.touches('one', 'Call', '2026-04-02 10:00');
    perform pg_temp.touches('one', 'email', '2026-04-03 10:00');
    perform pg_temp.touches('one', 'fax', '2026-04-03 11:00');
end $$;
select is(pg_temp.steps('one'), '1 call 02 18:30 met 02 09:00, 2 email 02 18:30 missed 03 10:00, 3 call 03 18:30 met 02 10:00, 4 linkedin 07 18:30, 5 call 09 18:30, 6 email 13 18:30, 7 call 16 18:30, 8 email 16 18:30',
    'a second call does tomorrow''s; the mail is late; a fax does nothing');
do $$ begin
    delete from crm.act where lead_key = 'one' and at = '2026-04-02 09:00';
    perform handoff.tick('2026-04-04');
end $$;
select matches(pg_temp.steps('one'), '^1 call 02 18:30 met 02 10:00, .*, 3 call 03 18:30, ', 'a call that was none: the other one moves up');
-- another owner: what is owed is due by his hours, from the handoff on
do $$ begin perform handoff.reassign('one', 'own', p_now => '2026-04-06 08:00'); end $$;
select is(pg_temp.steps('one'), '1 call 02 18:30 met 02 10:00, 2 email 02 18:30 missed 03 10:00, 3 call 06 14:00, 4 linkedin 07 14:00, 5 call 09 14:00, 6 email 14 14:00, 7 call 20 14:00, 8 email 20 14:00',
    'by hours from Monday to Thursday');
-- his hours change: so do the due times, with the next tick; past the functions made for it when asked to
do $$ begin
    perform handoff.set_hours('own', 'mon-thu 10:00-16:30 @ Europe/London');
    perform handoff.tick('2026-04-06 08:30');
end $$;
select is(pg_temp.steps('one'), '1 call 02 18:30 met 02 10:00, 2 email 02 18:30 missed 03 10:00, 3 call 06 15:30, 4 linkedin 07 15:30, 5 call 09 15:30, 6 email 14 15:30, 7 call 20 15:30, 8 email 20 15:30',
    'with other hours');
update handoff.rep set schedule = 'mon-thu 10:00-15:00 @ Europe/London' where rep = 'own';
select is((select count(*) from handoff.misplanned() where lead_key = 'one'), 6::bigint, 'what is owed');
do $$ begin
    perform handoff.replan();
    perform handoff.tick('2026-04-06 09:30');
end $$;
select is_empty('select * from handoff.misplanned()', 'is planned anew');
-- a channel is forbidden, and allowed again
update crm.lead set do_not_call = true, updated_at = '2026-04-07 08:00' where id = 'one';
do $$ begin perform handoff.tick('2026-04-07 08:00'); end $$;
select is(pg_temp.steps('one'), '1 call 02 18:30 met 02 10:00, 2 email 02 18:30 missed 03 10:00, 3 call 06 14:00 void 07 08:00, 4 linkedin 07 14:00, 5 call 09 14:00 void 07 08:00, 6 email 14 14:00, 7 call 20 14:00 void 07 08:00, 8 email 20 14:00',
    'no calls: no steps of calls');
set local lead_handoff.view_time = '2026-04-07 15:00';
select results_eq($$ select has, needs, met, channel, due_at from handoff.work_status('one') where part = 'cadence' $$, $$ values (2, 5, false, 'linkedin', timestamptz '2026-04-07 14:00') $$, 'nor does anybody ask for them');
do $$ begin perform pg_temp.touches('one', 'linkedin', '2026-04-07 13:00'); end $$;
update crm.lead set do_not_call = false, updated_at = '2026-04-08 08:00' where id = 'one';
do $$ begin perform handoff.tick('2026-04-08 08:00'); end $$;
select matches(pg_temp.steps('one'), ', 3 call 06 14:00, 4 linkedin 07 14:00 met 07 13:00, 5 call 09 14:00, ', 'allowed again: owed again');
-- the lead answers
do $$ begin perform pg_temp.touches('one', 'call', '2026-04-08 09:00', 'Connected'); end $$;
select is(pg_temp.steps('one'), '1 call 02 18:30 met 02 10:00, 2 email 02 18:30 missed 03 10:00, 3 call 06 14:00 missed 08 09:00, 4 linkedin 07 14:00 met 07 13:00, 5 call 09 14:00 void 08 09:00, 6 email 14 14:00 void 08 09:00, 7 call 20 14:00 void 08 09:00, 8 email 20 14:00 void 08 09:00',
    'an answer ends it');
-- nobody is there: no steps; who comes later owes what was due since
do $$ begin
    perform handoff.set_capacity(r, 0) from unnest('{cal,own,plain}'::text[]) r;
    perform pg_temp.comes('waits', '2026-04-14 07:00');
    perform handoff.tick('2026-04-14 07:00');
end $$;
select is(pg_temp.steps('waits'), null, 'nobody''s steps');
do $$ begin
    perform pg_temp.touches('waits', 'email', '2026-04-14 08:00');
    perform handoff.set_capacity('plain', null);
    perform handoff.tick('2026-04-15 07:00');
end $$;
select is(pg_temp.steps('waits'), '1 call 14 18:30, 2 email 14 18:30 met 14 08:00, 3 call 15 18:30, 4 linkedin 16 18:30, 5 call 20 18:30, 6 email 22 18:30, 7 call 27 18:30, 8 email 27 18:30', 'from the handoff on, whoever touched it meanwhile');
-- back from the AE: what was void is owed again
do $$ begin
    perform handoff.accept('waits', p_now => '2026-04-15 08:00');
    perform handoff.qualify('waits', p_now => '2026-04-15 09:00');
end $$;
select is((select string_agg(coalesce(verdict, 'owed'), ' ' order by n) from handoff.clock where lead_key = 'waits' and handoff_no = 1 and kind = 'cadence'), 'missed met void void void void void void', 'handed on');
select is(pg_temp.steps('waits'), '1 email 15 16:00, 2 call 16 16:00, 3 call 20 16:00', 'the AE''s steps, by the contract''s hours');
do $$ begin perform handoff.dispose('waits', 'not_qualified', 'no', p_now => '2026-04-16 09:00'); end $$;
select is((select string_agg(coalesce(verdict, 'owed'), ' ' order by n) from handoff.clock where lead_key = 'waits' and handoff_no = 1 and kind = 'cadence'), 'owed met owed owed owed owed owed owed', 'and back');

-- What to do next -------------------------------------------------------------------------------------

set local lead_handoff.view_time = '2026-03-20 12:00';
select set_eq($$ select rep, lead_key, handoff_no from handoff.my_queue $$, $$ select rep, lead_key, handoff_no from handoff.handoff where closed_at is null and rep is not null $$, 'what everybody has');
select is_empty($$ select rep from handoff.my_queue group by rep having min(position) <> 1 or max(position) <> count(*) or count(distinct position) <> count(*) $$, 'each in his order');
select is_empty($$ select * from handoff.my_queue where what not in ('accept', 'touch', 'decide') or (channel is null) <> (step is null)
    or overdue is distinct from ((due_at < '2026-03-20 12:00') is true) or remaining_seconds is distinct from round(extract(epoch from due_at - timestamptz '2026-03-20 12:00')) $$, 'what, where, until when');
do $$ begin
    perform handoff.add_rep('kim', 'Kim', 'sdr');
    perform handoff.set_capacity(r, 0) from unnest('{cal,own,plain}'::text[]) r;
    perform pg_temp.comes(l, t) from (values ('q late', timestamptz '2026-05-04 05:00'), ('q new', '2026-05-04 10:50'), ('q taken', '2026-05-04 05:30'), ('q done', '2026-05-04 06:00'), ('q idle', '2026-05-04 06:30')) v (l, t);
    perform handoff.tick(t) from (select distinct at as t from crm.act where lead_key like 'q %' order by 1) x;
    perform handoff.accept(l, p_now => '2026-05-04 07:00') from unnest('{q taken,q done,q idle}'::text[]) l;
    perform pg_temp.touches(l, 'call', '2026-05-04 08:00') from unnest('{q taken,q done,q idle}'::text[]) l;
    perform pg_temp.touches('q done', 'call', '2026-05-04 08:30', 'Connected');
    perform handoff.tick('2026-05-04 10:50');
end $$;
set local lead_handoff.view_time = '2026-05-04 11:00';
select results_eq($$ select position::int, lead_key, what, channel, sla, step, due_at, overdue, remaining_seconds from handoff.my_queue where rep = 'kim' $$, $$ values
    (1, 'q late', 'touch', 'call', 'call', 1, timestamptz '2026-05-04 05:15', true, -20700::numeric),
    (2, 'q new', 'touch', 'call', 'call', 1, timestamptz '2026-05-04 11:05', false, 300),
    (3, 'q taken', 'touch', 'email', null, 2, timestamptz '2026-05-04 18:30', false, 27000),
    (4, 'q idle', 'touch', 'email', null, 2, timestamptz '2026-05-04 18:30', false, 27000),
    (5, 'q done', 'decide', null, 'decide', null, '2026-05-14 07:00', false, 849600) $$, 'overdue, about to be, a step, nothing but a decision');
select results_eq($$ select * from handoff.next_lead('kim') $$, $$ values ('q late', 'touch', 'call', timestamptz '2026-05-04 05:15', true, -20700::numeric) $$, 'next_lead(): the first of them');
select is_empty($$ select * from handoff.next_lead('nobody') $$, 'nobody has nothing');
do $$ begin perform pg_temp.touches('q late', 'call', '2026-05-04 11:00'); end $$;
select results_eq($$ select lead_key, what, sla from handoff.my_queue where rep = 'kim' order by position limit 2 $$, $$ values ('q new', 'touch', 'call'), ('q late', 'accept', 'answer') $$, 'touched: to be accepted still');
set local lead_handoff.view_time = '2026-05-06';
select is((select string_agg(lead_key || case when overdue then '!' else '' end, ', ' order by position) from handoff.my_queue where rep = 'kim'), 'q new!, q late!, q taken!, q idle!, q done', 'two days on');

-- A contract without calendar: days are dates in its zone ----------------------------------------------

do $$ begin
    perform handoff.draft();
    update handoff.contract set calendar = null, reporting_zone = 'America/New_York' where contract_id = 2;
    delete from handoff.channel where contract_id = 2;
    perform handoff.publish(2);
    update handoff.pool set calendar = null;
    perform pg_temp.comes('dates', '2026-10-31 03:00');
    perform handoff.tick('2026-10-31 03:00');
end $$;
select is(pg_temp.steps('dates'), '1 call 31 04:00, 2 email 31 04:00, 3 call 01 04:00, 4 linkedin 02 05:00, 5 call 04 05:00, 6 email 06 05:00, 7 call 09 05:00, 8 email 09 05:00', 'to midnight in New York, where summer time ends');
do $$ begin perform pg_temp.touches('dates', 'Call', '2026-10-31 03:30'); end $$;
select matches(pg_temp.steps('dates'), '^1 call 31 04:00 met 31 03:30, ', 'upper and lower case are the same in a cadence');

select is_empty($$ select * from handoff.verify() $$, 'log and state agree');
select is_empty($$ select * from handoff.doctor() where severity = 'error' $$, 'the doctor is content');
update handoff.clock set verdict = case verdict when 'met' then 'missed' else 'met' end where kind = 'cadence' and lead_key = 'one' and n in (1, 2);
update handoff.clock set stopped_at = '2026-04-02' where kind = 'cadence' and lead_key = 'waits' and handoff_no = 1 and n = 3;
select is((select count(*) from handoff.doctor() where invariant = 9 and severity = 'error'), 3::bigint, 'until somebody writes to its tables');
select * from finish();
rollback;
