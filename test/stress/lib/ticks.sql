-- test/stress/lib/ticks.sql: leads whose acceptance is due, all at once, and what the clients of 55-ticks do.
\set ON_ERROR_STOP 1
set client_min_messages = warning;
select handoff.setup();
create schema stress;
create table stress.lead (id text primary key, email text, company text);
do $$
declare
    v int := handoff.load_template('b2b_saas');
begin
    delete from handoff.escalation where contract_id = v;
    delete from handoff.sla where contract_id = v;
    insert into handoff.sla (contract_id, name, ord, leg, metric, scope, target, clock) values (v, 'accept', 1, 'mql_to_sdr', 'accept', 'assignment', '1 day', 'elapsed');
    insert into handoff.escalation (contract_id, sla, step, offset_from_due, action, recipient, sync_wait) values
        (v, 'accept', 1, '-4 hours', 'remind', null, '0'), (v, 'accept', 2, '0', 'notify', '#sales', '0'), (v, 'accept', 3, '1 hour', 'reassign', null, '0');
    update handoff.stage set entry = null, required = '{}' where contract_id = v and name = 'mql';
    delete from handoff.gate where contract_id = v;
    delete from handoff.route where contract_id = v and leg = 'mql_to_sdr' and name <> 'sdr_fallback';
    update handoff.route set target = 'sdr' where contract_id = v and name = 'sdr_fallback';
    update handoff.pool set respect_schedule = false;
    perform handoff.add_rep('rep' || i, 'Rep ' || i, pool => 'sdr') from generate_series(1, 20) i;
    perform handoff.publish(v);
    perform handoff.attach('stress.lead', 'lead', since => '-infinity');
end $$;
-- who accepts at that moment: the answer of each, a lead that is somebody else's by now included
create table stress.accepted (lead_key text primary key, at timestamptz not null);
create procedure stress.accept(first int, last int, p_at timestamptz) language plpgsql as $$
begin
    for i in first .. last loop
        perform handoff.accept('l' || i, p_now => p_at);
        insert into stress.accepted values ('l' || i, p_at);
        commit;
    end loop;
end $$;
