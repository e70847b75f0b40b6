-- Reps, pools, and whose turn it is: the functions that change them, the rule against a simulation
-- with exact numbers, and what it promises. All in one transaction that is rolled back.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
begin;
set local client_min_messages = warning;
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
    perform handoff.setup();
end $$;

-- what a statement fails with, or that it doesn't
create function pg_temp.fails(statement text) returns text language plpgsql as $$
declare
    hint text;
begin
    execute statement;
    return 'no error';
exception when others then
    get stacked diagnostics hint = pg_exception_hint;
    return sqlstate || ': ' || sqlerrm || coalesce(E'\n  ' || nullif(hint, ''), '');
end $$;
-- the next picks in one word
create function pg_temp.turns(pool text, qty int default 10, band text default '', at timestamptz default '2026-03-02 10:00Z')
    returns text language sql as $$
    select string_agg(rep, ' ' order by n) from handoff.next_picks(pool, qty, band, at)
$$;

--
-- Pools and people
--
select pg_temp.fails($$select handoff.add_pool('')$$);
select pg_temp.fails($$select handoff.add_pool('sdr', policy => 'random')$$);
select pg_temp.fails($$select handoff.add_pool('sdr', calendar => 'moon')$$);
select pg_temp.fails($$select handoff.add_pool('sdr', lead_rep => 'ana')$$);
select pg_temp.fails($$select handoff.add_rep('ana', 'Ana', pool => 'sdr')$$);
select handoff.add_pool('sdr');
select pg_temp.fails($$select handoff.add_pool('sdr')$$);
select pg_temp.fails($$select handoff.add_rep('ana', 'Ana', pool => 'sales')$$);
select pg_temp.fails($$select handoff.add_rep('', 'Ana')$$);
select pg_temp.fails($$select handoff.add_rep('ana', null)$$);
select pg_temp.fails($$select handoff.add_rep('ana', 'Ana', capacity => -1)$$);
select pg_temp.fails($$select handoff.add_rep('ana', 'Ana', pool => 'sdr', weight => 0)$$);
select pg_temp.fails($$select handoff.add_rep('ana', 'Ana', pool => 'sdr', weight => 1001)$$);
select count(*) from handoff.rep;
select handoff.add_rep('ana', 'Ana', pool => 'sdr', schedule => 'mon-fri 09:00-17:00 @ Europe/Berlin', capacity => 40,
                       crm_id => '005A', email => 'ana@example.com');
select pg_temp.fails($$select handoff.add_rep('ana', 'Ana')$$);
select pg_temp.fails($$select handoff.add_rep('bea', 'Bea', crm_id => '005A')$$);
select handoff.add_rep('bea', 'Bea', pool => 'sdr', weight => 2), handoff.add_rep('cem', 'Cem');
select pg_temp.fails($$select handoff.set_member('sdr', 'dov')$$);
select pg_temp.fails($$select handoff.set_member('ae', 'cem')$$);
select pg_temp.fails($$select handoff.set_member('sdr', 'cem', -1)$$);
select pg_temp.fails($$select handoff.set_capacity('dov', 1)$$);
select pg_temp.fails($$select handoff.set_capacity('ana', -1)$$);
select pg_temp.fails($$select handoff.deactivate_rep('dov')$$);
select pg_temp.fails($$select * from handoff.next_picks('ae')$$);
select count(*) from handoff.next_picks('sdr', 0);

-- membership has a history; doing it again changes nothing
select handoff.set_member('sdr', 'cem', p_now => '2026-01-01Z'), handoff.set_member('sdr', 'cem', 1, '2026-01-02Z');
select handoff.set_member('sdr', 'cem', 5, '2026-02-01Z'), handoff.set_member('sdr', 'cem', 7, '2026-02-01Z');
select handoff.set_member('sdr', 'cem', null, '2026-03-01Z'), handoff.set_member('sdr', 'cem', null, '2026-03-02Z');
select handoff.set_member('sdr', 'cem', 2, '2026-05-01Z'), handoff.set_member('sdr', 'cem', 3, '2026-04-01Z');
set local timezone = 'UTC';
set local datestyle = 'ISO, YMD';
select weight, valid_from, valid_to from handoff.pool_member where rep = 'cem' order by valid_from;
select handoff.set_capacity('ana', null), handoff.set_capacity('ana', null), handoff.set_capacity('bea', 3);
select handoff.deactivate_rep('cem'), handoff.deactivate_rep('cem');
select object, name, old - array['valid_from', 'valid_to'] as old, new - array['valid_from', 'valid_to'] as new
from (select *, row_number() over () as n from handoff.operation_log) l where object = 'pool_member' order by n;
select object, name, old ->> 'capacity' as old_capacity, new ->> 'capacity' as new_capacity, old -> 'active' as was_active, new -> 'active' as active
from (select *, row_number() over () as n from handoff.operation_log) l where object <> 'pool_member' order by n;
select bool_and(actor = session_user) from handoff.operation_log;

-- the pool's lock, and that of the pools connected with it
select handoff.add_pool('ae'), handoff.add_pool('other'), handoff.set_member('ae', 'bea');
select count(*) from pg_locks where locktype = 'advisory' and classid = 19536 and pid = pg_backend_pid();
select handoff.lock_pool('other');
select count(*), min(objsubid) from pg_locks where locktype = 'advisory' and classid = 19536 and pid = pg_backend_pid();

--
-- Turns that anyone can check
--
select handoff.add_pool('abc');
select handoff.add_rep('a', 'A', 'abc'), handoff.add_rep('b', 'B', 'abc'), handoff.add_rep('c', 'C', 'abc');
select pg_temp.turns('abc');
update handoff.pool_member set ord = -1 where rep = 'c';
select pg_temp.turns('abc');
select handoff.set_member('abc', 'b', 3, '2026-03-01Z');
select pg_temp.turns('abc'), pg_temp.turns('abc', at => '2026-02-28Z');
select handoff.set_capacity('b', 1);
select pg_temp.turns('abc');
select handoff.set_capacity('a', 2), handoff.set_capacity('c', 3);
select pg_temp.turns('abc');
select handoff.deactivate_rep('c');
select pg_temp.turns('abc');
update handoff.rep set valid_to = '2026-03-02 10:00Z' where rep = 'a';
select pg_temp.turns('abc'), pg_temp.turns('abc', at => '2026-03-02 09:59Z');
select handoff.set_capacity('b', 0);
select count(*) from handoff.next_picks('abc');

-- per band: each has its turns; a pool that doesn't count bands ignores the band
select handoff.add_pool('banded', per_band => true);
select handoff.add_rep('x', 'X', 'banded'), handoff.add_rep('y', 'Y', 'banded');
insert into handoff.pool_turn values ('banded', 'hot', 0.5);
insert into handoff.pool_turn_member values ('banded', 'hot', 'x', 1, true, '2026-03-01Z', 1), ('banded', 'hot', 'y', 0, true, null, 0);
select pg_temp.turns('banded', 3, 'hot'), pg_temp.turns('banded', 3, 'warm');
update handoff.pool set per_band = false where pool = 'banded';
select pg_temp.turns('banded', 3, 'hot');

-- load: open assignments in the stages that count, from all pools
create function pg_temp.give(lead text, stage text, rep text) returns void language sql as $$
    insert into handoff.lead (lead_key, source, raw_key, contract_id, stage, stage_since, fields, fit, intent, group_heat, score,
                              signals, cycle, cycle_since, trigger, trigger_at, first_seen_at, decided_at, last_seq)
    values (lead, 's', lead, 1, stage, now(), '{}', 0, '0', '{}', 0, '{}', 1, now(), 'row', now(), now(), now(), 1);
    insert into handoff.assignment values (lead, 1, 1, 'r', null, rep, 'handoff', now(), null, '{}');
$$;
select handoff.add_pool('busy', counted_stages => '{mql,sal}');
select handoff.add_rep('p', 'P', 'busy', capacity => 2), handoff.add_rep('q', 'Q', 'busy', capacity => 2);
select pg_temp.give('l1', 'mql', 'p'), pg_temp.give('l2', 'sql', 'p');
select pg_temp.turns('busy');
update handoff.pool set counted_stages = '{}' where pool = 'busy';
select pg_temp.turns('busy');
update handoff.assignment set ended_at = now() where lead_key = 'l1';
select pg_temp.turns('busy');

-- least loaded: 1 open each by weight, then turns
select handoff.add_pool('least', policy => 'least_loaded');
select handoff.add_rep('k', 'K', 'least'), handoff.add_rep('m', 'M', 'least', weight => 2), handoff.add_rep('n', 'N', 'least');
select pg_temp.give('l3', 'mql', 'k'), pg_temp.give('l4', 'mql', 'k');
select pg_temp.turns('least');


--
-- The rule as it is written down, step by step and with numbers to 40 decimals (lh_pick() takes a mean
-- of doubles). Members join, leave, change weight, run full and get room again between chains of picks
-- that must come out the same. The first three members are always there.
--
create function pg_temp.simulate(policy text, weights int[], epochs int, out picks int, out same boolean, out ran_full int, out off_share numeric)
    language plpgsql as $$
declare
    least    constant boolean := policy = 'least_loaded';
    tiny     constant numeric := 1e-20;
    epoch    constant timestamptz := '2026-01-01Z';
    size     int := 3;
    weight   int[] := weights;
    step     numeric[] := array(select 1::numeric(50, 40) / w from unnest(weights) with ordinality u (w, n) order by n);
    member   boolean[] := array_fill(true, array[9]);
    present  boolean[] := array_fill(false, array[9]);
    start    numeric[] := array_fill(0, array[9]);
    last     int[] := array_fill(0, array[9]);
    cap      int[] := array_fill(1000000, array[9]);
    load     int[] := array_fill(0, array[9]);
    got      int[] := array_fill(0, array[9]);
    v        numeric := 0;
    given    int[];
    wanted   int[];
    begun    numeric;
    earliest numeric;
    least_of int;
    best     int;
    total    int;
    i        int;
    core     int := weights[1] + weights[2] + weights[3];
    off      int := 0;
begin
    picks := 0; same := true; ran_full := 0;
    delete from handoff.assignment where route = 'sim';
    delete from handoff.pool_turn where pool = 'sim';
    delete from handoff.pool_turn_member where pool = 'sim';
    delete from handoff.pool where pool = 'sim';
    delete from handoff.rep where rep ~ '^[1-9]$';
    perform handoff.add_pool('sim', policy => simulate.policy);
    perform handoff.add_rep(r::text, 'R', 'sim', weight => weights[r]) from generate_series(1, size) r;

    for n in 1 .. epochs loop
        i := 4 + floor(random() * (size - 3));
        case floor(random() * 6)
            when 0 then                          -- one more
                if size < 9 then
                    size := size + 1;
                    perform handoff.add_rep(size::text, 'R', 'sim', weight => weights[size]);
                end if;
            when 1 then                          -- leaves, or is taken in again
                if i <= size then
                    member[i] := not member[i];
                    perform handoff.set_member('sim', i::text, case when member[i] then weight[i] end, epoch + picks * interval '1 s');
                end if;
            when 2 then                          -- another weight: leaves and returns
                if i <= size and member[i] then
                    total := (select sum(w) from unnest(weight, present) u (w, p) where p) - weight[i];
                    if present[i] and total > 0 then
                        v := v + weight[i] * (v - start[i]) / total;
                    end if;
                    present[i] := false;
                    weight[i] := weight[i] % 1000 + 1;
                    step[i] := 1::numeric(50, 40) / weight[i];
                    perform handoff.set_member('sim', i::text, weight[i], epoch + picks * interval '1 s');
                end if;
            when 3 then                          -- gets a limit that he will reach
                if i <= size then
                    cap[i] := floor(random() * 6);
                    perform handoff.set_capacity(i::text, cap[i]);
                end if;
            else                                 -- nothing happens
        end case;

        given := array(select rep::int from handoff.next_picks('sim', 1 + floor(random() * 60)::int, p_now => epoch + picks * interval '1 s') p order by p.n);
        wanted := '{}';
        while cardinality(wanted) < cardinality(given) loop
            picks := picks + 1;
            for m in 1 .. size loop
                if present[m] and not (member[m] and load[m] < cap[m]) then
                    present[m] := false;
                    total := (select sum(w) from unnest(weight, present) u (w, p) where p);
                    if total > 0 then
                        v := v + weight[m] * (v - start[m]) / total;
                    end if;
                    ran_full := ran_full + 1;
                end if;
            end loop;
            least_of := null;
            for m in 1 .. size loop
                if not present[m] and member[m] and load[m] < cap[m] then
                    present[m] := true;
                    start[m] := v;
                end if;
                if least and present[m] and (least_of is null or load[m] * weight[least_of] < load[least_of] * weight[m]) then
                    least_of := m;
                end if;
            end loop;
            begun := null;
            for m in 1 .. size loop
                if present[m] and (least_of is null or load[m] * weight[least_of] = load[least_of] * weight[m]) then
                    begun := least(begun, start[m]);
                end if;
            end loop;
            begun := greatest(begun, v);
            if not least then
                v := begun;
            end if;
            best := null;
            for m in 1 .. size loop
                if present[m] and (least_of is null or load[m] * weight[least_of] = load[least_of] * weight[m]) and start[m] <= begun + tiny then
                    if best is null or start[m] + step[m] < earliest - tiny
                       or (start[m] + step[m] < earliest + tiny and last[m] < last[best]) then
                        best := m;
                        earliest := start[m] + step[m];
                    end if;
                end if;
            end loop;
            total := 0;
            for m in 1 .. size loop
                if present[m] then
                    total := total + weight[m];
                end if;
            end loop;
            v := v + 1::numeric(50, 40) / total;
            start[best] := earliest;
            last[best] := picks;
            load[best] := load[best] + 1;
            got[best] := got[best] + 1;
            wanted := wanted || best;
            for m in 1 .. 3 loop
                off := greatest(off, abs(got[m] * core - (got[1] + got[2] + got[3]) * weight[m]));
            end loop;
        end loop;
        if given is distinct from wanted then
            raise warning 'epoch % of % %: % instead of %', n, policy, weights, given, wanted;
            same := false;
            return;
        end if;

        -- some leads are done, all where it doesn't matter; the tables learn how things stand
        for m in 1 .. size loop
            load[m] := case when least or cap[m] < 1000000 then floor(load[m] * random()) else 0 end;
        end loop;
        delete from handoff.assignment where route = 'sim';
        insert into handoff.assignment
        select format('sim %s %s', m, g), 1, 1, 'sim', 'sim', m::text, 'handoff', epoch, null, '{}'
        from generate_series(1, size) m, generate_series(1, load[m]) g;
        delete from handoff.pool_turn where pool = 'sim';
        insert into handoff.pool_turn values ('sim', '', v - floor(v));
        delete from handoff.pool_turn_member where pool = 'sim';
        insert into handoff.pool_turn_member
        select 'sim', '', m::text, start[m] - floor(v), present[m], case when last[m] > 0 then epoch + last[m] * interval '1 s' end, got[m]
        from generate_series(1, size) m where last[m] > 0 or present[m];
    end loop;
    off_share := off::numeric / core;
end $$;
select setseed(0.23);
create temp table run as
select r.policy, weights, (pg_temp.simulate(r.policy, weights, epochs)).*
from (values ('weighted', array_fill(1, '{9}'), 70),
             ('weighted', '{1,3,2,5,3,1,7,2,4}', 70),
             ('weighted', '{1000,1,40,10,999,7,3,600,2}', 70),
             ('weighted', '{10,1,1,1,1,1,1,1,1}', 70),
             ('least_loaded', array_fill(1, '{9}'), 45),
             ('least_loaded', '{1,3,2,5,3,1,7,2,4}', 45)) r (policy, weights, epochs);
select policy, weights, same, picks > 1000 as long, ran_full > 10 as ran_full from run;
select sum(picks) >= 10000 from run;
-- the promise about those who are always there, while others come and go
select weights, off_share < 2 from run where policy = 'weighted';

--
-- While nobody comes or goes: less than 1 off, at every moment
--
create function pg_temp.most_off(weights int[], qty int) returns numeric language plpgsql as $$
begin
    delete from handoff.pool where pool = 'fair';
    perform handoff.add_pool('fair');
    insert into handoff.rep (rep, name) select 'f' || n, 'F' from generate_series(1, cardinality(weights)) n on conflict do nothing;
    insert into handoff.pool_member (pool, rep, weight, ord) select 'fair', 'f' || n, w, n from unnest(weights) with ordinality u (w, n);
    return (
        with picked as (
            select n, rep, count(*) over (partition by rep order by n) as got from handoff.next_picks('fair', qty)
        ), share as (
            select rep, weight::numeric / sum(weight) over () as share from handoff.pool_member where pool = 'fair'
        )
        -- a member is furthest off right before and right after a pick of his
        select max(greatest(abs(got - n * share), abs(got - 1 - (n - 1) * share))) from picked join share using (rep)
    );
end $$;
select weights, pg_temp.most_off(weights, 5000) < 1
from (values (array_fill(1, '{7}')), ('{1,3}'), ('{10}' || array_fill(1, '{40}')), ('{1000,1,1,1,999}'), ('{2,3,5,7,11,13}')) w (weights);
select count(*), count(*) filter (where pg_temp.most_off(weights, 500) >= 1) as off_by_1
from (select array_agg(1 + floor(random() ^ 3 * 1000)::int) as weights, n
      from generate_series(1, 60) n, generate_series(1, 2 + n % 9) m group by n) w;

-- whole numbers are taken off V: a hundred thousand leads on, 1 and 3 still tie
select handoff.add_pool('long'), handoff.set_member('long', 'a'), handoff.set_member('long', 'c', 3);
update handoff.rep set active = true, capacity = null, valid_to = 'infinity' where rep in ('a', 'c');
select turn, count(*) from (select string_agg(rep, '' order by n) as turn from handoff.next_picks('long', 100000) group by (n - 1) / 4) t group by turn;

-- ties: all are there for one lead a day; the oldest member has no more than the others
do $$ begin
    perform handoff.add_pool('daily');
    for r in 1 .. 5 loop
        perform handoff.add_rep('d' || r, 'D', 'daily');
    end loop;
    for day in 1 .. 30 loop
        insert into handoff.pool_turn_member
        select 'daily', '', rep, 0, false, timestamptz '2026-01-01Z' + day * interval '1 day', 1
        from handoff.next_picks('daily', 1)
        on conflict (pool, band, rep) do update set last_at = excluded.last_at, picks = pool_turn_member.picks + 1;
    end loop;
end $$;
select rep, picks from handoff.pool_turn_member where pool = 'daily' order by rep;

-- asking changes nothing, asking for more begins with the same, and the order of rows doesn't matter
create temp table asked as select pg_temp.turns('sim', 50) as turns;
update handoff.pool_member set ord = ord where pool = 'sim' and rep in ('2', '5');
update handoff.pool_turn_member set picks = picks where pool = 'sim' and rep in ('1', '4');
select turns = pg_temp.turns('sim', 50), turns like pg_temp.turns('sim', 20) || '%' from asked;
rollback;
