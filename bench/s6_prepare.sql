-- bench/s6_prepare.sql: leads with clocks that escalation looks at. :seeds of them are made as any others, the rest are
-- copies, row by row, in the tables that a tick reads.

set client_min_messages = warning;
set lead_handoff.inline_limit = 0;
create table bench.clocked (id text primary key, email text, company text);
do $$
declare
    v int := handoff.load_template('b2b_saas');
begin
    delete from handoff.escalation where contract_id = v;
    delete from handoff.sla where contract_id = v;
    insert into handoff.sla (contract_id, name, ord, leg, metric, target, clock) values (v, 'accept', 1, 'mql_to_sdr', 'accept', '1 day', 'elapsed');
    insert into handoff.escalation (contract_id, sla, step, offset_from_due, action, recipient) values
        (v, 'accept', 1, '-4 hours', 'remind', null), (v, 'accept', 2, '0', 'notify', 'manager');
    update handoff.stage set entry = null, required = '{}' where contract_id = v and name = 'mql';
    delete from handoff.gate where contract_id = v;
    delete from handoff.route where contract_id = v and leg = 'mql_to_sdr' and name <> 'sdr_fallback';
    update handoff.route set target = 'sdr' where contract_id = v and name = 'sdr_fallback';
    update handoff.pool set respect_schedule = false;
    perform handoff.add_rep('rep' || i, 'Rep ' || i, pool => 'sdr') from generate_series(0, 19) i;
    perform handoff.publish(v);
    perform handoff.attach('bench.clocked', 'lead', since => '-infinity');
end $$;
insert into bench.clocked select 'seed ' || i, 'seed' || i || '@example.com', 'Company ' || i from generate_series(1, :seeds) i;
select handoff.tick('2026-03-02 09:00+00');
-- none of them is due when the copies are
update handoff.clock set next_at = next_at + interval '1 day' where next_at is not null;

-- Copies number n to m of each seed, their clocks a day later.
create procedure bench.copy_seeds(n int, m int) language plpgsql as $$
declare
    tab     text;
    columns text;
begin
    foreach tab in array array['lead', 'handoff', 'assignment', 'clock'] loop
        select string_agg(case a.attname
                              when 'lead_key' then 's.lead_key || '' '' || i'
                              when 'raw_key' then 's.raw_key || '' '' || i'
                              when 'person_key' then 's.person_key || i'
                              when 'next_at' then 's.next_at + interval ''1 day'''
                              else format('s.%I', a.attname) end, ', ' order by a.attnum)
            into columns
        from pg_attribute a where a.attrelid = format('handoff.%I', tab)::regclass and a.attnum > 0 and not a.attisdropped;
        execute format('insert into handoff.%I select %s from generate_series(%s, %s) i cross join handoff.%I s where s.lead_key like ''seed %%'' and s.lead_key not like ''%% %% %%''',
                       tab, columns, n, m, tab);
    end loop;
end
$$;

-- :due of them are due: those of neighbouring copies, as leads mostly are that were handed over at the same hour, or
-- spread over all. Then a tick, which is undone.
create procedure bench.due_tick(label text, due int, copies int, spread boolean) language plpgsql as $$
declare
    seeds   int := (select count(*) from bench.clocked);
    started timestamptz;
    took    float8;
    cpu     float8;
    found   bigint;
begin
    update handoff.clock c set next_at = '2026-03-04 05:00+00' where c.next_at = '2026-03-03 05:00+00';
    update handoff.clock c set next_at = '2026-03-03 05:00+00'
    from generate_series(1, seeds) s, generate_series(1, due / seeds) d
    where c.lead_key = format('seed %s %s', s, case when spread then d * (copies / (due / seeds)) else copies / 2 - due / seeds / 2 + d end) and c.handoff_no = 1 and c.kind = 'sla' and c.name = 'accept' and c.n = 1;
    commit;
    -- the sweep before is not what is measured
    begin
        cpu := bench.cpu();
        started := clock_timestamp();
        -- one is enough, but on a machine that has other things to do, where it leaves the rest to the next
        loop
            select t.due into found from handoff.tick('2026-03-03 05:00+00') t;
            exit when found = 0 or (select count(*) from handoff.escalation_done) >= due;
        end loop;
        took := 1000 * extract(epoch from clock_timestamp() - started);
        cpu := bench.cpu() - cpu;
        if (select count(*) from handoff.escalation_done) <> due then
            raise 'escalated % of %', (select count(*) from handoff.escalation_done), due;
        end if;
        raise exception using errcode = 'ZZ000';
    exception when sqlstate 'ZZ000' then
        null;
    end;
    insert into bench.run (label, wall, cpu, wal) values (label, took, cpu, 0);
    commit;
end
$$;
