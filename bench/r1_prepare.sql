-- bench/r1_prepare.sql: routing by a territory map and by rules, to the same 50 pools.
--
-- Postal codes are five digits; each 2,000 of them belong to a pool of four reps. The map says so with 42,555
-- keys of their own and a prefix for each thousand of the others, the rules with a range each. Before that both ask a map
-- of 10,000 named accounts, to which every sixth lead belongs, for a rep. Every lead that no gate stops is handed over.

create table bench.map (key text primary key, pool text not null);
insert into bench.map
select code, 'pool' || code::int / 2000
from (select lpad(i::text, 5, '0') as code from generate_series(0, 99999) i order by hashint4(i) limit 42555) c;

-- Which pool each lead got when the map was asked.
create table bench.by_map (lead_key text primary key, pool text);

do $$
declare
    v int := handoff.draft();
begin
    perform handoff.add_pool('pool' || i), handoff.add_rep('rep' || i || 'a', 'Rep', 'pool' || i, schedule => '24x7 @ UTC'),
            handoff.add_rep('rep' || i || 'b', 'Rep', 'pool' || i, schedule => '24x7 @ UTC'),
            handoff.add_rep('rep' || i || 'c', 'Rep', 'pool' || i, schedule => '24x7 @ UTC'),
            handoff.add_rep('rep' || i || 'd', 'Rep', 'pool' || i, schedule => '24x7 @ UTC')
    from generate_series(0, 49) i;
    insert into handoff.field (contract_id, of, name, type) values (v, 'lead', 'postal_code', 'text');
    update handoff.stage set entry = null where contract_id = v and name = 'mql';
    delete from handoff.route where contract_id = v and leg = 'mql_to_sdr';
    insert into handoff.route (contract_id, leg, name, ord, criteria, target_kind, target, key_field) values
        (v, 'mql_to_sdr', 'named', -1, 'account_key is not null', 'territory', 'named', 'account_key'),
        (v, 'mql_to_sdr', 'by_map', 0, null, 'territory', 'zip', 'postal_code'), (v, 'mql_to_sdr', 'rest', 1, null, 'pool', 'fallback', null);
    perform handoff.publish(v);
    v := handoff.draft();
    delete from handoff.route where contract_id = v and name = 'by_map';
    update handoff.route set ord = 100 where contract_id = v and name = 'rest';
    insert into handoff.route (contract_id, leg, name, ord, criteria, target_kind, target)
    select v, 'mql_to_sdr', 'rule' || i, i,
           format('postal_code between %L and %L', lpad((i * 2000)::text, 5, '0'), lpad((i * 2000 + 1999)::text, 5, '0'))::handoff.criteria, 'pool', 'pool' || i
    from generate_series(0, 49) i;
    perform handoff.publish(v);
end
$$;

-- Decide all leads; label names the version in force.
create procedure bench.drain_r1() language plpgsql as $$
declare
    label text := case when exists (select from handoff.route r join handoff.contract c using (contract_id) where c.status = 'published' and r.name = 'by_map')
                       then 'r1 map' else 'r1 rules' end;
begin
    call bench.empty();
    truncate handoff.pool_turn, handoff.pool_turn_member;
    insert into bench.lead select * from bench.rows;
    commit;
    call bench.start();
    call bench.tick_all();
    call bench.stop(label);
    if label = 'r1 map' then
        truncate bench.by_map;
        insert into bench.by_map select lead_key, pool from handoff.handoff;
    end if;
end
$$;
