-- bench/r3_prepare.sql: leads that all are handed over, to :pools pools by their postal code.
--
-- A pool has ten reps of weights 1 to 5, the last of whom takes 20 leads and no more. bench.seat has the same for the naive
-- ways, with a load that they keep up to date.

select set_config('bench.pools', :'pools', false);

create table bench.seat (rep text primary key, pool text not null, weight int not null, capacity int, load int not null default 0) with (fillfactor = 50);
create index on bench.seat (pool);
insert into bench.seat (rep, pool, weight, capacity)
select format('rep%s_%s', p, i), 'pool' || p, 1 + i / 2, case when i = 9 then 20 end
from generate_series(0, :pools - 1) p, generate_series(0, 9) i;

do $$
declare
    v     int := handoff.draft();
    pools int := current_setting('bench.pools');
begin
    perform handoff.add_pool('pool' || p) from generate_series(0, pools - 1) p;
    perform handoff.add_rep(rep, rep, pool, schedule => '24x7 @ UTC', capacity => capacity, weight => weight) from bench.seat;
    insert into handoff.field (contract_id, of, name, type) values (v, 'lead', 'postal_code', 'text');
    update handoff.stage set entry = null where contract_id = v and name = 'mql';
    delete from handoff.gate where contract_id = v;
    delete from handoff.route where contract_id = v and leg = 'mql_to_sdr';
    insert into handoff.route (contract_id, leg, name, ord, criteria, target_kind, target)
    select v, 'mql_to_sdr', 'route' || p, p,
           format('postal_code between %L and %L', lpad((p * 100000 / pools)::text, 5, '0'), lpad(((p + 1) * 100000 / pools - 1)::text, 5, '0'))::handoff.criteria,
           'pool', 'pool' || p
    from generate_series(0, pools - 1) p;
    insert into handoff.route (contract_id, leg, name, ord, target_kind, target) values (v, 'mql_to_sdr', 'rest', pools, 'pool', 'fallback');
    perform handoff.publish(v);
end
$$;

-- What came of each way.
create table bench.given (
    n         bigint generated always as identity,
    way       text not null,
    clients   int not null,
    seconds   float8 not null,      -- of the clients, and of the ticks that gave out what still waited
    tick      float8 not null,      -- of the ticks alone
    leads     bigint not null,
    given     bigint not null,
    at_commit bigint not null,      -- of ours: given by the transaction that brought the lead
    failed    bigint not null,      -- transactions
    above     bigint not null,      -- picks above a capacity
    unfair    float8 not null       -- largest distance of a rep without a capacity from his share by weight, in leads
);

create procedure bench.empty_r3() language plpgsql as $$
begin
    call bench.empty();
    truncate handoff.pool_turn, handoff.pool_turn_member, handoff.pool_turn_due;
    create temp table seat as select rep, pool, weight, capacity from bench.seat;
    truncate bench.seat;
    insert into bench.seat (rep, pool, weight, capacity) select rep, pool, weight, capacity from seat order by rep;
    drop table seat;
end
$$;

create procedure bench.keep_r3(way text, clients int, seconds float8, failed bigint) language plpgsql as $$
declare
    ours      boolean := way in ('ours', 'ours_10', 'tick');
    at_commit bigint := (select count(*) from handoff.assignment);
    begun     timestamptz := clock_timestamp();
    tick      float8;
begin
    if ours then
        for i in 1 .. 100 loop
            call bench.tick_all();
            exit when not exists (select from handoff.handoff where rep is null);
        end loop;
    end if;
    tick := extract(epoch from clock_timestamp() - begun);
    insert into bench.given (way, clients, seconds, tick, leads, given, at_commit, failed, above, unfair)
    with a as (
        select rep from handoff.assignment where ours union all select rep from bench.plain_assignment where not ours
    ), had as (
        select s.pool, s.capacity, s.weight, count(a.rep) as n
        from bench.seat s left join a using (rep) group by s.rep
    ), apart as (
        select abs(n - weight * sum(n) over (partition by pool) / sum(weight) over (partition by pool)) as by from had where capacity is null
    )
    select way, clients, seconds + tick, tick, (select count(*) from bench.single) + (select count(*) from bench.plain),
           (select count(*) from a join bench.seat using (rep)), at_commit, failed,
           (select sum(greatest(n - capacity, 0)) from had), (select max(by) from apart);
end
$$;
