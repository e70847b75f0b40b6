-- Jobs: what acts by itself, and where.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.add_rep('ana', 'Ana', 'sdr');
    perform handoff.publish();
end $$;
set local timezone = 'UTC';

create function pg_temp.faults() returns setof text language sql as $$
    select d.severity || ': ' || d.what from handoff.doctor() d where d.invariant = 13
$$;

-- Where the tables are at home -----------------------------------------------------------------------

select is(handoff.system_identifier(), (select system_identifier from pg_control_system()), 'system_identifier() is that of the server');
select is((select (system_identifier, database_name)::text from handoff.meta), (handoff.system_identifier(), current_database())::text, 'setup() notes where it ran');
select is_empty('select pg_temp.faults()', 'here is home');
select lives_ok('select handoff.tick()', 'so tick() works');
select lives_ok($$ select handoff.lease('outside') $$, '.. and lease()');

update handoff.meta set system_identifier = 1, database_name = 'shop';
select throws_ok('select handoff.tick()', 'LH031', 'tick() does nothing in a copy', 'another system: tick() refuses');
select throws_ok($$ select handoff.lease('outside') $$, 'LH031', 'lease() does nothing in a copy', '.. lease() too');
select set_eq('select pg_temp.faults()', array['error: this is a copy: the tables belong to database "shop" of system 1'], '.. and doctor() says so');
update handoff.meta set system_identifier = handoff.system_identifier();
select throws_ok('select handoff.tick()', 'LH031', null, 'another database of this system: refused');
update handoff.meta set system_identifier = 1, database_name = current_database();
select throws_ok('select handoff.tick()', 'LH031', null, 'a database of that name in another system: refused');
select handoff.setup();
select throws_ok('select handoff.tick()', 'LH031', null, 'setup() adopts nothing');
select handoff.adopt_instance();
select lives_ok('select handoff.tick()', 'an adopted copy goes on');
select is_empty('select pg_temp.faults()', '.. and is well');
select handoff.adopt_instance();
select is((select array_agg(old ->> 'system_identifier') from handoff.operation_log where object = 'instance'), '{1}', 'adopting is logged, once');

-- Switched off ---------------------------------------------------------------------------------------

update handoff.meta set tick_clock = '2000-01-01', tick_now = '2000-01-01', tick_last = '2000-01-01';
set local lead_handoff.enabled = off;
select is((select tick::text from handoff.tick()), '(0,0,0,0,0)', 'off: tick() does nothing');
select is((select tick_clock from handoff.meta), '2000-01-01', '.. no heartbeat either');
select is_empty($$ select handoff.lease('outside') $$, '.. lease() gives nothing');
select set_eq('select pg_temp.faults()', array['warning: lead_handoff.enabled is off'], '.. doctor() says so');
set local lead_handoff.enabled = on;
create role somebody;
set local role somebody;
select throws_ok('set local lead_handoff.enabled = off', '42501', null, 'not everybody switches it');
reset role;

-- The clock ------------------------------------------------------------------------------------------

select handoff.tick('2026-03-02 12:00');
select handoff.tick('2026-03-02 11:59:30');
select is_empty('select pg_temp.faults()', 'half a minute back is no news');
select handoff.tick('2026-03-02 11:00');
select is((select (tick_now, tick_last)::text from handoff.meta), '("2026-03-02 12:00:00+00","2026-03-02 11:00:00+00")', 'an hour back: what was worked off stays worked off');
select set_eq('select pg_temp.faults()',
    array['warning: the clock went back: the newest tick was at 2026-03-02 11:00:00+00, when time had been worked off up to 2026-03-02 12:00:00+00'], '.. and doctor() says so');
select handoff.tick('2026-03-02 12:01');
select is_empty('select pg_temp.faults()', 'until time has caught up');

-- What schedule_jobs() needs -------------------------------------------------------------------------

create role jobs_super superuser login;
create role jobs_nologin;
create role jobs_operator login;
create role jobs_nobody login;
select handoff.grant_access('jobs_operator', 'operator');

select is(handoff.cron_schedule(i), s, format('every %s: %s', i, coalesce(s, 'no schedule'))) from (values
    (interval '1 second', '1 seconds'), ('59 seconds', '59 seconds'), ('1 minute', '* * * * *'), ('90 seconds', null), ('5 minutes', '*/5 * * * *'),
    ('7 minutes', null), ('30 minutes', '*/30 * * * *'), ('1 hour', '0 * * * *'), ('2 hours', null), ('0', null), ('-1 minute', null), ('1.5 seconds', null),
    ('1 month', null)) v (i, s);

-- pg_cron works from another database here, or is not there at all
select is((select count(*)::int from pg_extension where extname = 'pg_cron'), 0, 'no pg_cron in this database');
select throws_ok($$ select handoff.schedule_jobs('jobs_operator') $$, 'LH032', null, 'schedule_jobs() without it is an error');
do $$
declare
    hint text;
    home text := current_setting('cron.database_name', true);
begin
    perform handoff.schedule_jobs('jobs_operator');
exception when sqlstate 'LH032' then
    get stacked diagnostics hint = pg_exception_hint;
    if hint not like '%schedule_jobs(run_by => ''other'')%' or home <> '' and hint not like '%schedule_in_database(%' then
        raise exception 'no way out in hint: %', hint;
    end if;
end $$;
select throws_ok($$ select handoff.schedule_jobs(run_by => 'magic') $$, '22023', 'unknown way to run jobs "magic"', 'only by pg_cron or other');
select throws_ok($$ select handoff.schedule_jobs(run_by => 'other', every => '-1 minute') $$, '22023', null, 'no time travel');
select is(handoff.unschedule_jobs(), 0, 'nothing to unschedule');
select throws_ok($$ select handoff.need_job_role('nobody at all') $$, '42704', 'role "nobody at all" does not exist', 'a role that is not there');
select throws_ok($$ select handoff.need_job_role('jobs_super') $$, 'LH032', 'role "jobs_super" is a superuser', 'a superuser');
select throws_ok($$ select handoff.need_job_role('jobs_nologin') $$, 'LH032', 'role "jobs_nologin" is not permitted to log in', 'who can''t log in');
select throws_ok($$ select handoff.need_job_role('jobs_nobody') $$, 'LH032', 'role "jobs_nobody" may not call tick() and maintain()', 'who may not');
select lives_ok($$ select handoff.need_job_role('jobs_operator') $$, 'an operator');
select throws_ok($$ select handoff.need_job_role(current_user) $$, 'LH032', null, 'the superuser who asks, for himself');
set local role jobs_operator;
select throws_ok($$ select handoff.need_job_role('jobs_nologin') $$, 'LH032', 'role "jobs_nologin" is not permitted to log in', 'the fault of the role comes first');
reset role;
select handoff.grant_access('jobs_nobody', 'operator');
set local role jobs_operator;
select throws_ok($$ select handoff.need_job_role('jobs_nobody') $$, 'LH032', 'only a superuser schedules jobs for another role', 'not for others');
select lives_ok($$ select handoff.need_job_role('jobs_operator') $$, '.. but for oneself');
reset role;

update handoff.meta set database_name = 'shop';
select throws_ok($$ select handoff.schedule_jobs(run_by => 'other') $$, 'LH031', 'schedule_jobs() does nothing in a copy', 'nor in a copy');
select handoff.adopt_instance();

-- Called from outside --------------------------------------------------------------------------------

create schema crm;
create table crm.lead (id text primary key, email text);
select handoff.attach('crm.lead', 'lead', since => '-infinity');
insert into crm.lead values ('a', 'a@x.example');
create function pg_temp.waiting() returns setof text language sql as $$
    select regexp_replace(d.what, ' since .*', '') from handoff.doctor() d where d.invariant = 11
$$;
update handoff.inbox set at = clock_timestamp() - interval '1 hour';
select is_empty('select pg_temp.waiting()', 'nobody promised a tick');

set local role jobs_operator;
select is_empty($$ select handoff.schedule_jobs(run_by => 'other', every => '2 minutes') $$, 'an operator notes that something outside calls');
select results_eq('select job, run_by, runs_as, jobid, schedule from handoff.schedule_status()',
    $$ values ('tick', 'other', null::text, null::bigint, '00:02:00'), ('maintain', 'other', null, null, '1 day') $$, 'schedule_status() says so');
reset role;
select is_empty('select pg_temp.faults()', 'all is well: it has just begun');
create function pg_temp.ago(span interval) returns timestamptz language sql as $$ select clock_timestamp() - span $$;
create function pg_temp.short() returns setof text language sql as $$ select regexp_replace(f, ' (at|since) \d.*', '') from pg_temp.faults() f $$;
update handoff.meta set jobs_since = pg_temp.ago('1 year'), tick_clock = pg_temp.ago('8 minutes'), tick_last = tick_now, maintain_clock = pg_temp.ago('1 day');
create or replace function handoff.up_since() returns timestamptz language sql set search_path = pg_catalog, pg_temp as $$ select clock_timestamp() $$;
select is_empty('select pg_temp.short()', 'a server that has just been started has not missed a call');
create or replace function handoff.up_since() returns timestamptz language sql set search_path = pg_catalog, pg_temp as $$ select '-infinity'::timestamptz $$;
set local lead_handoff.enabled = off;
select set_eq('select pg_temp.faults()', array['warning: lead_handoff.enabled is off'], 'calls that would do nothing are not missed');
select is_empty('select pg_temp.waiting()', '.. nor does a row wait for them');
set local lead_handoff.enabled = on;
select set_eq('select pg_temp.short()', array['error: tick() was last called'], 'three calls missed');
select set_eq('select pg_temp.waiting()', array['1 rows wait in the inbox, the oldest'], '.. and a row waits');
select is((select faults from handoff.schedule_status() where job = 'tick'), array(select what from handoff.doctor() where invariant = 13), 'schedule_status() has it');
select is((select faults from handoff.schedule_status() where job = 'maintain'), '{}', '.. where it belongs');
update handoff.meta set tick_clock = pg_temp.ago('5 minutes');
select is_empty('select pg_temp.short()', 'two calls missed: may happen');
update handoff.inbox set at = pg_temp.ago('3 minutes');
select is_empty('select pg_temp.waiting()', 'a row waits for two ticks');
update handoff.inbox set at = pg_temp.ago('5 minutes');
select set_eq('select pg_temp.waiting()', array['1 rows wait in the inbox, the oldest'], '.. and no longer');
select handoff.pause();
select is_empty('select pg_temp.waiting()', '.. unless all is paused');
select handoff.resume();
select handoff.pause('crm.lead');
select is_empty('select pg_temp.waiting()', '.. or its source');
select handoff.resume('crm.lead');
update handoff.meta set tick_clock = null;
select set_eq('select pg_temp.faults()', array['error: tick() was last called at no time'], 'never called');
select handoff.tick();
select is_empty('select pg_temp.faults() union all select pg_temp.waiting()', 'called: all is well');
update handoff.meta set maintain_clock = pg_temp.ago('50 hours');
select set_eq('select pg_temp.short()', array['warning: maintain() was last called'], 'maintain() has not been called');
select handoff.maintain();
select is_empty('select pg_temp.faults()', '.. until it is');
update handoff.meta set tick_clock = clock_timestamp() + interval '8 hours';
select set_eq('select pg_temp.short()', array['error: the clock was set back: the newest tick() was called'], 'the clock of the machine was set back');
select handoff.tick();

-- what schedule_jobs() of pg_cron would have noted, without pg_cron
update handoff.meta set jobs_by = 'pg_cron', jobs_role = 'jobs_operator';
select set_eq('select pg_temp.faults()', array['error: pg_cron is gone'], 'pg_cron was dropped');
select throws_ok($$ update handoff.meta set jobs_role = null $$, '23514', null, 'jobs of pg_cron have a role');
set local role jobs_operator;
select is(handoff.unschedule_jobs(), 0, 'forgotten');
reset role;
select is((select (jobs_by, jobs_role, jobs_every, jobs_since)::text from handoff.meta), '(,,,)', '.. all of it');
update handoff.meta set tick_clock = pg_temp.ago('1 year');
select is_empty('select pg_temp.faults()', 'nobody promised anything any more');

-- maintain() -----------------------------------------------------------------------------------------

select handoff.tick();
select throws_ok($$ select handoff.maintain('infinity') $$, '22008', null, 'p_now is finite');
update handoff.meta set database_name = 'shop';
select throws_ok('select handoff.maintain()', 'LH031', 'maintain() does nothing in a copy', 'not in a copy');
select handoff.adopt_instance();
set local lead_handoff.enabled = off;
select is((select maintain::text from handoff.maintain()), '(0,0,0,0,0)', 'not while it is off');
set local lead_handoff.enabled = on;

select handoff.subscribe('outside');
create table crm.task (id text primary key, lead_id text, type text, page text, at timestamptz);
select handoff.attach('crm.task', 'activity', since => '-infinity', mapping => '{"lead_key": "lead_id", "kind": "type", "page": "page", "at": "at"}');
alter table crm.lead add company text, add country text, add industry text, add title text, add employees int;
select handoff.attach('crm.lead', 'lead', since => '-infinity');
insert into crm.lead select 'm' || g, format('m%s@m%1$s.example', g), 'Acme', 'DE', 'Software', 'CEO', 500 from generate_series(1, 5) g;
insert into crm.task select 'd' || g, 'm' || g, 'form', '/demo', '2026-03-02 12:30' from generate_series(1, 5) g;
select handoff.tick('2026-03-02 13:00');
create function pg_temp.left_over() returns text language sql as $$
    select format('%s messages, %s deliveries, %s activities', (select count(*) from handoff.outbox), (select count(*) from handoff.delivery),
                  (select count(*) from handoff.activity))
$$;
create function pg_temp.broken() returns setof text language sql as $$ select d.what from handoff.doctor() d where d.severity = 'error' $$;
select is(pg_temp.left_over(), '10 messages, 10 deliveries, 5 activities', 'five handoffs');
-- of the first lead all was heard, of the second one message was given up, the others wait
update handoff.delivery set state = 'done', done_at = '2026-03-02 13:05' where lead_key = 'm1';
update handoff.delivery set state = 'dead', visible_at = '2026-03-02 13:05' where lead_key = 'm2' and seq = (select min(seq) from handoff.delivery where lead_key = 'm2');

create function pg_temp.maintained(p_now timestamptz) returns text language sql as $$
    select format('%s activities, %s deliveries, %s messages', m.activities, m.deliveries, m.messages) from handoff.maintain(p_now) m
$$;
select is(pg_temp.maintained('2026-05-31 13:05'), '0 activities, 0 deliveries, 0 messages', 'ninety days: deliveries are kept');
select is(pg_temp.maintained('2026-05-31 13:05:01'), '0 activities, 3 deliveries, 0 messages', '.. and no longer; what waits stays');
select is(pg_temp.left_over(), '10 messages, 7 deliveries, 5 activities', 'messages and activities for ever');
update handoff.retention set keep = '30 days' where what = 'outbox';
select is(pg_temp.maintained('2026-06-01'), '0 activities, 0 deliveries, 3 messages', 'unless otherwise said: those of which no delivery is left');
select is_empty('select pg_temp.broken()', 'doctor() knows why they are missing');
select is(pg_temp.maintained('2026-06-01'), '0 activities, 0 deliveries, 0 messages', 'once');
update handoff.delivery set state = 'done', done_at = '2026-05-02';
select is(pg_temp.maintained('2026-06-01'), '0 activities, 0 deliveries, 0 messages', 'a message stays as long as its deliveries');
update handoff.delivery set state = 'done', done_at = '2026-03-02';
select is(pg_temp.maintained('2026-06-01'), '0 activities, 7 deliveries, 7 messages', '.. and goes with them');
select is_empty('select pg_temp.broken()', 'doctor() is content');
update handoff.meta set outbox_purged_to = '2026-03-02 12:59';
select is((select count(*) from handoff.doctor() where invariant = 7 and what like '%no message in the outbox'), 10::bigint, 'a message that was not purged is missed');
update handoff.meta set outbox_purged_to = '2026-05-02';
insert into handoff.outbox (lead_key, seq, aggregateid, type, payload, created_at) values ('m1', 1, 'm1', 'handoff.created', '{}', '2026-03-02');
select is((select what from handoff.doctor() where invariant = 7), 'lead "m1", event 1 (handoff.created): an unasked message in the outbox', 'one that nobody asked for is found whenever it is of');
delete from handoff.outbox;

select is((select m.activities from handoff.maintain('2027-06-01') m), 0::bigint, 'activities stay');
update handoff.retention set keep = '400 days' where what = 'activity';
select handoff.tick('2027-06-01');
select is((select m.activities from handoff.maintain('2027-06-01') m), 5::bigint, 'unless otherwise said');
select is_empty('select pg_temp.broken()', '.. by purge_activities(), which keeps what they gave');
select throws_ok($$ update handoff.retention set keep = '1 hour' where what = 'activity' $$, '23514', null, 'at least a day');
select throws_ok($$ insert into handoff.retention values ('event', '1 year') $$, '23514', null, 'the log is not purged');

set local role jobs_operator;
select lives_ok('select handoff.maintain()', 'an operator may');
select throws_ok('delete from handoff.delivery', '42501', null, '.. though the tables are not his');
select throws_ok('select handoff.adopt_instance()', '42501', null, '.. and a copy is not his to adopt');
reset role;

select * from finish();
rollback;
