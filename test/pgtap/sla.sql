-- Clocks of handoffs: open time of rep, pool and contract, pauses, the six metrics, what comes late, and changes
-- of hours while they run.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.add_rep('ana', 'Ana', 'sdr', schedule => 'mon-fri 10:00-14:00 @ UTC');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.add_rep('eva', 'Eva', 'ae');
    insert into handoff.field (contract_id, of, name, type) values (1, 'lead', 'waits', 'boolean');
    delete from handoff.sla where leg = 'mql_to_sdr';
    insert into handoff.sla (contract_id, name, ord, leg, metric, scope, target, clock, pause_when) values
        (1, 'take', 1, 'mql_to_sdr', 'accept', 'assignment', '4 hours', 'business', null),
        (1, 'touch', 1, 'mql_to_sdr', 'first_touch', 'lead', '2 hours', 'business', 'waits is true'),
        (1, 'again', 1, 'mql_to_sdr', 'next_touch', 'lead', '1 day', 'elapsed', null),
        (1, 'answer', 1, 'mql_to_sdr', 'response', 'lead', '1 hour', 'business', null),
        (1, 'decide', 1, 'mql_to_sdr', 'decision', 'lead', '3 days', 'business', 'waits is true'),
        (1, 'meet', 1, 'mql_to_sdr', 'meeting_held', 'lead', '10 days', 'elapsed', null);
    update handoff.pool set respect_schedule = false;
    perform handoff.publish();
end $$;
set local timezone = 'UTC';

create schema crm;
create table crm.lead (id text primary key, email text, company text, country text, industry text, seniority text, employees int,
                       waits boolean, updated_at timestamptz);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, page text, channel text, outcome text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', delete_grace => '0');
    perform handoff.attach('crm.act', 'activity', since => '-infinity', delete_grace => '0');
end $$;

create function pg_temp.broken() returns setof text language sql as $$
    select d.invariant || ' ' || d.what from handoff.doctor() d where d.severity = 'error'
    union all
    select concat_ws(' ', v.lead_key, v.what, v.by_log, v.by_state) from handoff.verify() v
$$;
-- does something at a time, or corrects it, and lets a tick see it then
create function pg_temp.act(lead text, id text, at timestamptz, kind text, more jsonb default '{}', seen timestamptz default null) returns void language plpgsql as $$ begin
    insert into crm.act select r.* from jsonb_populate_record(null::crm.act, jsonb_build_object('id', lead || ' ' || id, 'lead_key', lead, 'at', at, 'kind', kind) || more) r
    on conflict on constraint act_pkey do update set at = excluded.at, kind = excluded.kind, outcome = excluded.outcome;
    perform handoff.tick(coalesce(seen, at));
end $$;
-- a lead that asks for a demo, and is handed over then
create function pg_temp.comes(lead text, at timestamptz) returns void language plpgsql as $$ begin
    insert into crm.lead values (lead, lead || '@acme.de', 'Acme', 'DE', 'Software', 'C-Level', 500, null, at - interval '1 hour');
    perform pg_temp.act(lead, 'demo', at, 'form', '{"page": "/demo"}');
end $$;
create function pg_temp.waits(key text, is_so boolean, at timestamptz) returns void language plpgsql as $$ begin
    update crm.lead set waits = is_so, updated_at = waits.at where id = key;
    perform handoff.tick(at);
end $$;
create function pg_temp.clocks(lead text, sla text default null) returns text language sql as $$
    select string_agg(concat_ws(' ', c.name || case when c.n > 1 then '.' || c.n else '' end, to_char(c.due_at, 'DD HH24:MI'), case when c.paused then 'paused' end,
                                coalesce(to_char(c.stopped_at, '"at" DD HH24:MI'), 'runs'), c.verdict), ', ' order by c.name, c.n)
    from handoff.clock c where c.lead_key = lead and c.kind = 'sla' and c.name = coalesce(sla, c.name)
$$;
create function pg_temp.log(lead text, like_type text, sla text default null) returns text language sql as $$
    select string_agg(h.what, '; ' order by h.seq) from handoff.history(lead) h
    where h.type ~ like_type and (sla is null or h.detail ->> 'sla' = sla)
$$;

-- Whose hours ---------------------------------------------------------------------------------------

-- Friday 17:30 in Berlin, whose office closes at 18:00; ana works from 10:00 to 14:00 UTC
select pg_temp.comes('a', '2026-03-06 16:30');
select is(pg_temp.clocks('a'), 'take 09 14:00 runs, touch 09 09:30 runs', 'the owner''s clock by his hours, the buyer''s wait by the contract''s');
select is((select string_agg(name || ' ' || coalesce(rep, 'nobody''s'), ', ' order by name) from handoff.clock where kind = 'sla'), 'take ana, touch nobody''s', 'and whose they are');
select throws_ok($$ select handoff.set_hours('bob') $$, '42704', null, 'nobody''s hours');
select throws_ok($$ select handoff.set_hours('ana', calendar => 'none') $$, '42704', null, 'no such calendar');
select throws_ok($$ select handoff.set_hours('ana', 'mon 9-17') $$, '22P02', null, 'no schedule');
select throws_ok($$ select handoff.set_hours('ana', zone => 'Mars/Olympus') $$, '22023', null, 'no such zone');
select throws_ok($$ select handoff.set_pool_hours('none') $$, '42704', null, 'no such pool');
select handoff.add_exception('office_berlin', '2026-03-09', 'closed');
select is((select count(*) from handoff.misplanned()), 1::bigint, 'a holiday: one is due too early');
select is_empty('select * from pg_temp.broken()', 'which a tick will see');
select handoff.tick('2026-03-06 17:00');
select is(pg_temp.clocks('a'), 'take 09 14:00 runs, touch 10 09:30 runs', '.. and is planned anew by the next tick');
select is_empty('select * from handoff.misplanned()', 'only that one');
select handoff.set_hours('ana', 'mon-fri 13:00-18:00 @ UTC');
select handoff.tick('2026-03-06 17:01');
select is(pg_temp.clocks('a'), 'take 09 15:30 runs, touch 10 09:30 runs', 'he works at other hours: an hour and a half of Friday is left to him');
do $$ begin
    perform handoff.set_hours('ana');
    perform handoff.add_calendar('sdr_hours', 'mon-fri 08:00-09:00 @ UTC');
    perform handoff.set_pool_hours('sdr', 'sdr_hours', false);
end $$;
select handoff.tick('2026-03-06 17:02');
select is(pg_temp.clocks('a', 'take'), 'take 12 09:00 runs', 'he has no hours of his own: those of the pool');
update handoff.calendar set schedule = 'closed @ UTC' where name = 'sdr_hours';
select isnt_empty('select * from pg_temp.broken()', 'a table changed by hand: doctor() says so');
select handoff.replan();
select handoff.tick('2026-03-06 17:03');
select is(pg_temp.clocks('a', 'take'), 'take runs', 'hours that never open: never due');
select is_empty('select * from pg_temp.broken()', 'nothing is broken');
do $$ begin
    perform handoff.set_pool_hours('sdr', null, false);
    perform handoff.tick('2026-03-06 17:04');
end $$;
select is(pg_temp.clocks('a', 'take'), 'take 10 11:30 runs', 'no hours at all: those of the contract');

-- Verdicts ------------------------------------------------------------------------------------------

select pg_temp.act('a', 'late', '2026-03-10 09:30:01', 'call');
select is(pg_temp.clocks('a', 'touch'), 'touch 10 09:30 at 10 09:30 missed', 'a second late');
select is((select business_seconds from handoff.clock where lead_key = 'a' and name = 'touch'), 7201::numeric, 'and the open time that it took');
select is((select first_touch_business_seconds from handoff.handoff where lead_key = 'a'), 7201::numeric, 'which the handoff has too');
select pg_temp.act('a', 'first', '2026-03-06 16:55', 'email', seen => '2026-03-11 09:00');
select is(pg_temp.clocks('a', 'touch'), 'touch 10 09:30 at 06 16:55 met', 'a touch that is known late makes it right');
select is((select first_touch_business_seconds from handoff.handoff where lead_key = 'a'), 1500::numeric, 'and the time it took');
select is(pg_temp.log('a', 'verdict', 'touch'), 'SLA touch missed; SLA touch met, not missed as thought before', 'the log has both');
delete from crm.act where id in ('a first', 'a late');
select handoff.tick('2026-03-11 09:10');
select is(pg_temp.clocks('a', 'touch'), 'touch 10 09:30 runs', 'neither was true: it runs, overdue');
select is((select string_agg(metric || ' ' || verdict, ', ' order by metric) from handoff.fact_clock where lead_key = 'a' and metric < 'g' and verdict <> 'void'), 'accept missed, first_touch missed', 'and counts as missed');
-- a calendar that changes does not touch what is over
do $$ begin
    perform pg_temp.comes('b', '2026-03-12 08:00');
    perform pg_temp.act('b', 'call', '2026-03-12 10:30', 'call');
    perform handoff.add_exception('office_berlin', '2026-03-12', 'closed');
    perform handoff.tick('2026-03-12 11:00');
    perform pg_temp.act('b', 'note', '2026-03-12 11:00', 'page_view', '{"page": "/"}');
end $$;
select is(pg_temp.clocks('b', 'touch'), 'touch 12 10:00 at 12 10:30 missed', 'what is over keeps its due time');
select handoff.remove_exception('office_berlin', '2026-03-12');

-- Pauses --------------------------------------------------------------------------------------------

do $$ begin
    perform pg_temp.comes('p', '2026-03-16 09:00');
    perform pg_temp.waits('p', true, '2026-03-16 10:00');
end $$;
select is(pg_temp.clocks('p', 'touch'), 'touch 16 11:00 paused runs', 'it stands still');
select handoff.tick('2026-03-17 08:00');
select is((select count(*) from handoff.at_risk where lead_key = 'p' and metric = 'first_touch'), 0::bigint, 'and is not at risk');
select pg_temp.waits('p', false, '2026-03-17 08:30');
select is(pg_temp.clocks('p', 'touch'), 'touch 17 09:30 runs', 'it runs on: the hour that was left');
do $$ begin
    perform pg_temp.waits('p', true, '2026-03-17 09:00');
    perform pg_temp.act('p', 'call', '2026-03-17 16:00', 'call');
end $$;
select is(pg_temp.clocks('p', 'touch'), 'touch 17 16:30 at 17 16:00 met', 'stopped while it stood still: in time');
select is((select business_seconds from handoff.clock where lead_key = 'p' and name = 'touch'), 5400::numeric, 'it has run for an hour and a half');
select is((select pauses::text from handoff.clock where lead_key = 'p' and name = 'touch'),
          '{["2026-03-16 10:00:00+00","2026-03-17 08:30:00+00"),["2026-03-17 09:00:00+00","2026-03-17 16:00:00+00")}', 'and was paused twice');
select is(pg_temp.log('p', 'paused|resumed', 'touch'), 'SLA touch stands still; SLA touch runs on; SLA touch stands still', 'as the log has it');
-- overdue before the pause stays it
do $$ begin
    perform pg_temp.comes('q', '2026-03-16 09:00');
    perform pg_temp.waits('q', true, '2026-03-16 12:00');
    perform handoff.tick('2026-03-16 12:10');
end $$;
set local lead_handoff.view_time = '2026-03-16 13:00';
select is((select verdict from handoff.fact_clock where lead_key = 'q' and metric = 'first_touch'), 'missed', 'what was overdue before the pause stays missed');
reset lead_handoff.view_time;

-- Answers -------------------------------------------------------------------------------------------

do $$ begin
    perform pg_temp.comes('r', '2026-03-17 09:00');
    perform pg_temp.act('r', 'call', '2026-03-17 09:10', 'call');
    perform pg_temp.act('r', 'demo2', '2026-03-17 11:00', 'form', '{"page": "/demo"}');
end $$;
select is(pg_temp.clocks('r', 'answer'), 'answer 17 12:00 runs', 'asked again: to be answered');
select is(pg_temp.log('r', 'reengaged'), 'gives a sign of life: demo_request', 'the owner is told');
select is((select count(*) from handoff.outbox where lead_key = 'r' and type = 'handoff.reengaged'), 1::bigint, 'by a message');
select pg_temp.act('r', 'demo3', '2026-03-17 11:30', 'form', '{"page": "/demo"}');
select is(pg_temp.clocks('r', 'answer'), 'answer 17 12:00 runs', 'and again: the wait is that of the first');
select pg_temp.act('r', 'mail', '2026-03-17 11:40', 'email');
select pg_temp.act('r', 'demo4', '2026-03-17 16:30', 'form', '{"page": "/demo"}');
select is(pg_temp.clocks('r', 'answer'), 'answer 17 12:00 at 17 11:40 met, answer.2 18 08:30 runs', 'answered; the next one has its own clock');
select is_empty('select * from pg_temp.broken()', 'nothing is broken');

-- From touch to touch, and meetings -----------------------------------------------------------------

do $$ begin
    perform pg_temp.comes('t', '2026-03-17 09:00');
    perform pg_temp.act('t', '1', '2026-03-17 09:10', 'call');
    perform pg_temp.act('t', '2', '2026-03-18 09:11', 'call');
end $$;
select is(pg_temp.clocks('t', 'again'), 'again 18 09:10 at 18 09:11 missed, again.2 19 09:11 runs', 'each touch owes the next');
select pg_temp.act('t', '1b', '2026-03-17 19:00', 'email', seen => '2026-03-18 09:20');
select is(pg_temp.clocks('t', 'again'), 'again 18 09:10 at 17 19:00 met, again.2 18 19:00 at 18 09:11 met, again.3 19 09:11 runs', 'one in between, known late');
select pg_temp.act('t', 'book', '2026-03-18 10:00', 'meeting', '{"outcome": "Booked"}');
select is(pg_temp.clocks('t', 'again') || '; ' || pg_temp.clocks('t', 'meet'),
          'again 18 09:10 at 17 19:00 met, again.2 18 19:00 at 18 09:11 met, again.3 19 09:11 at 18 10:00 void; meet 28 10:00 runs', 'a meeting is booked: nothing else is owed');
select pg_temp.act('t', 'gone', '2026-03-20 10:00', 'meeting', '{"outcome": "No Show"}');
select is(pg_temp.clocks('t', 'meet') || '; ' || (select pg_temp.clocks('t', 'again') ~ 'again.4 21 10:00 runs'), 'meet 28 10:00 at 20 10:00 void; true', 'a no-show excuses, and it is work again');
select pg_temp.act('t', 'held', '2026-03-24 10:00', 'meeting', '{"outcome": "Held"}');
select is(pg_temp.clocks('t', 'meet'), 'meet 28 10:00 at 20 10:00 void', 'held without a new booking: no clock of its own');
delete from crm.act where id in ('t 1b', 't gone');
select handoff.tick('2026-03-24 11:00');
select is(pg_temp.clocks('t', 'meet'), 'meet 28 10:00 at 24 10:00 met', 'there was no no-show: held in time');
select is(pg_temp.clocks('t', 'again'), 'again 18 09:10 at 18 09:11 missed, again.2 19 09:11 at 18 10:00 void, again.3 25 10:00 runs, again.4 21 10:00 at 24 11:00 void, again.5 25 10:00 at 24 11:00 void',
          'spans that don''t exist any more are void');
-- booked before anybody touched it
do $$ begin
    perform pg_temp.comes('m', '2026-03-17 09:00');
    perform pg_temp.act('m', 'book', '2026-03-17 09:30', 'meeting', '{"outcome": "Booked"}');
end $$;
select is(pg_temp.clocks('m', 'touch') || '; ' || pg_temp.clocks('m', 'meet'), 'touch 17 11:00 at 17 09:30 void; meet 27 09:30 runs', 'a booking swaps the clock of the first touch for the meeting''s');

-- Decisions -----------------------------------------------------------------------------------------

do $$ begin
    perform pg_temp.comes('d', '2026-03-19 09:00');
    perform handoff.accept('d', p_now => '2026-03-19 10:00');
end $$;
select is(pg_temp.clocks('d', 'decide'), 'decide 24 10:00 runs', 'accepted on Thursday: three business days');
do $$ begin
    perform pg_temp.waits('d', true, '2026-03-20 10:00');
    perform pg_temp.waits('d', false, '2026-03-23 10:00');
end $$;
select is(pg_temp.clocks('d', 'decide'), 'decide 25 10:00 runs', 'less the open time of a pause over the weekend');
select handoff.qualify('d', p_now => '2026-03-25 10:00');
select is(pg_temp.clocks('d', 'decide'), 'decide 25 10:00 at 25 10:00 met', 'qualified at the last moment');
do $$ begin
    perform pg_temp.comes('w', '2026-03-19 09:00');
    perform handoff.accept('w', p_now => '2026-03-19 10:00');
    update crm.lead set id = 'gone' where id = 'w';
    perform handoff.tick('2026-03-26 10:00');
    perform handoff.tick('2026-03-26 10:01');
end $$;
select is(pg_temp.clocks('w', 'decide'), 'decide 24 10:00 at 26 10:00 void', 'withdrawn: void, though it was late');

select is_empty('select * from pg_temp.broken()', 'nothing is broken');
select is_empty('select * from handoff.misplanned()', 'all is planned');

select * from finish();
rollback;
