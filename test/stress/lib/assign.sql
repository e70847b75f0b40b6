-- test/stress/lib/assign.sql: pools, a contract, a synced table, and what the clients of 50-assign do.
--
-- Pools by their names: `one`, `tight`; and g1 .. g40, four to a group that shares reps. What may happen to the people of
-- a pool says its kind:
--
--  ample  no limits, nobody comes or goes, no lead is given back: shares are exact
--  moving one member comes and goes, turns are given back, leads are somebody else's
--  full   capacities that leads fill at once and that change, as do limits a day
--  few    one rep, who is a member of all pools of his group, with a capacity, comes and goes
\set ON_ERROR_STOP 1
set client_min_messages = warning;
select handoff.setup();

create schema stress;
create table stress.pool (n int primary key, pool text not null unique, kind text not null, grp int not null);
insert into stress.pool values (1, 'one', 'ample', -1), (2, 'tight', 'full', -2);
insert into stress.pool
select 2 + i, 'g' || i, (array['ample', 'moving', 'full', 'few'])[1 + (i - 1) / 4 % 4], (i - 1) / 4 from generate_series(1, 40) i;
create table stress.rep (n serial primary key, rep text not null unique, kind text not null, grp int not null, weight int not null);

-- whose members come, go and change as the kind says
create procedure stress.make_people() language plpgsql as $$
declare
    p stress.pool;
    w int;
begin
    for p in select * from stress.pool order by n loop
        perform handoff.add_pool(p.pool);
        continue when p.kind = 'few';
        foreach w in array array[1, 2, 5] loop
            insert into stress.rep (rep, kind, grp, weight) values (p.pool || '-' || w, p.kind, p.grp, w);
            perform handoff.add_rep(p.pool || '-' || w, 'Member', p.pool, weight => w, crm_id => '005-' || p.pool || '-' || w,
                                    capacity => case when p.kind = 'full' then 3 * w end);
        end loop;
    end loop;
    -- one rep in all pools of a group
    for p in select distinct on (grp) * from stress.pool where grp >= 0 order by grp, n loop
        insert into stress.rep (rep, kind, grp, weight) values ('shared-' || p.grp, p.kind, p.grp, 2);
        perform handoff.add_rep('shared-' || p.grp, 'Shared', schedule => '24x7 @ UTC', crm_id => '005-shared-' || p.grp,
                                capacity => case p.kind when 'full' then 8 when 'few' then 30 end);
        perform handoff.set_member(m.pool, 'shared-' || p.grp, 2) from stress.pool m where m.grp = p.grp;
    end loop;
end $$;
call stress.make_people();

select handoff.import(jsonb_set($json${
"format": 1,
"contract": {"reporting_zone": "UTC"},
"field": [{"of": "lead", "name": "pool", "type": "text"}],
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
    {"code": "not_mine", "outcome": "reroute", "reason": "Somebody else's"}]
}$json$::jsonb, '{route}', (
    select jsonb_agg(jsonb_build_object('name', p.pool, 'leg', 'mql_to_sdr', 'ord', 10 * p.n, 'target_kind', 'pool', 'target', p.pool)
                     || case when p.n < 42 then jsonb_build_object('criteria', format('pool = %L', p.pool)) else '{}' end order by p.n)
    from stress.pool p))::jsonb);
select handoff.publish();

create table stress.lead (id text primary key, pool text, crm_owner text, updated_at timestamptz);
create sequence stress.id;
select handoff.attach('stress.lead', 'lead', mapping => '{"version": "updated_at"}', since => '-infinity');

-- What the clients do ---------------------------------------------------------------------------------

create function stress.pool_between(low int, high int) returns stress.pool language sql volatile as $$
    select p from (select low + floor(random() * (high - low + 1))::int as n) r join stress.pool p using (n)
$$;

create function stress.come(low int, high int, leads int) returns void language sql volatile as $$
    insert into stress.lead
    select 'L' || nextval('stress.id'), (stress.pool_between(low, high)).pool, null, clock_timestamp() from generate_series(1, leads)
$$;

-- one of the last leads
create function stress.some_lead() returns text language sql volatile as $$
    select 'L' || greatest(1, (select last_value from stress.id) - floor(random() * 400)::bigint)
$$;

-- one that a rep of these pools has
create function stress.owned_lead(low int, high int) returns text language sql volatile as $$
    select a.lead_key from handoff.assignment a
    where a.ended_at is null
      and a.rep = (select r.rep from stress.rep r where r.grp in (select p.grp from stress.pool p where p.n between low and high) order by random() limit 1)
    order by random() limit 1
$$;

-- What a rep says of a lead, one a transaction. That it has been closed or given away meanwhile is no failure.
create function stress.work(low int, high int, codes text[]) returns void language plpgsql volatile as $$
declare
    lead text := case when random() < 0.3 then stress.some_lead() else stress.owned_lead(low, high) end;
    code text := codes[1 + floor(random() * cardinality(codes))::int];
begin
    if lead is null or code = any ('{junk,not_mine}') and not exists (
        select from stress.lead l join stress.pool p using (pool) where l.id = lead and p.kind <> 'ample') then
        return;
    end if;
    perform handoff.dispose(lead, code);
exception when sqlstate 'LH040' or sqlstate 'LH041' then null;
end $$;

-- The CRM names another owner: a rep, or a queue.
create function stress.new_owner() returns void language sql volatile as $$
    update stress.lead l
    set crm_owner = case when random() < 0.3 then '005Q' else '005-' || (select r.rep from stress.rep r where r.n = s.n) end, updated_at = clock_timestamp()
    from (select stress.some_lead() as id, 1 + floor(random() * (select max(n) from stress.rep))::int as n) s where l.id = s.id
$$;

create function stress.some_rep(wanted text) returns text language sql volatile as $$
    select r.rep from stress.rep r where r.kind = wanted order by random() limit 1
$$;
create function stress.new_capacity() returns void language sql volatile as $$
    select handoff.set_capacity(stress.some_rep('full'), floor(random() * 20)::int)
$$;
-- no more today, or as many as there is room for
create function stress.new_limits() returns void language sql volatile as $$
    select handoff.set_limits(stress.some_rep('full'), per_day => case when random() < 0.5 then 0 end)
$$;
-- the member of weight 5 of each moving pool, and the only rep of few
create function stress.come_and_go() returns void language plpgsql volatile as $$
declare
    one text := (select r.rep from stress.rep r where r.kind = 'few' or r.kind = 'moving' and r.weight = 5 order by random() limit 1);
begin
    if random() < 0.5 then
        perform handoff.deactivate_rep(one);
    else
        perform handoff.activate_rep(one);
    end if;
end $$;

-- Who looks on ----------------------------------------------------------------------------------------

-- Every pick is judged within its transaction, while that holds the pool: what it sees of capacities and people is
-- what is in force, for changes wait for the pool. Owners whom the CRM names take no notice of capacities, so
-- only picks are counted.
create table stress.wrong (at timestamptz default clock_timestamp(), what text, lead_key text, rep text, pool text, load bigint, capacity int);
create function stress.judge() returns trigger language plpgsql as $$
declare
    r handoff.rep := (select r from handoff.rep r where r.rep = new.rep);
    load bigint := (select count(*) from handoff.assignment a where a.rep = new.rep and a.ended_at is null and a.pool is not null);
begin
    if load > r.capacity then
        insert into stress.wrong (what, lead_key, rep, pool, load, capacity) values ('above his capacity', new.lead_key, new.rep, new.pool, load, r.capacity);
    end if;
    if not r.active then
        insert into stress.wrong (what, lead_key, rep, pool) values ('not active', new.lead_key, new.rep, new.pool);
    end if;
    if not exists (select from handoff.pool_member m where m.pool = new.pool and m.rep = new.rep) then
        insert into stress.wrong (what, lead_key, rep, pool) values ('no member', new.lead_key, new.rep, new.pool);
    end if;
    return null;
end $$;
create trigger judge after insert on handoff.assignment for each row when (new.pool is not null) execute function stress.judge();

-- Who waits for whom, ten times a second: the longest of each client's calls, and how often behind the idle transaction.
create table stress.waits (call text, longest interval, lock text, behind text);
create table stress.looks (samples int, behind_idle bigint);
create procedure stress.watch(seconds double precision, idle int) language plpgsql as $$
declare
    until timestamptz := clock_timestamp() + seconds * interval '1 second';
    behind bigint := 0;
    samples int := 0;
begin
    while clock_timestamp() < until loop
        perform pg_stat_clear_snapshot();
        insert into stress.waits
        select substring(a.query from '(?:stress|handoff)[.]\w+'), clock_timestamp() - l.waitstart, l.locktype || coalesce(' ' || l.relation::regclass::text, ''),
               (select string_agg(left(b.query, 60), '; ') from pg_stat_activity b where b.pid = any (pg_blocking_pids(a.pid)))
        from pg_locks l join pg_stat_activity a using (pid) where not l.granted and l.waitstart is not null;
        behind := behind + (select count(*) from pg_stat_activity a where idle = any (pg_blocking_pids(a.pid)));
        samples := samples + 1;
        perform pg_sleep(0.1);
    end loop;
    insert into stress.looks values (samples, behind);
end $$;
