-- Jobs: what acts by itself, and where.
begin;
set local client_min_messages = warning;
select no_plan();
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
    perform handoff.setup();
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

select * from finish();
rollback;
