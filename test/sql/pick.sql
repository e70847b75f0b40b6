-- Reps, pools, and whose turn it is. All in one transaction that is rolled back.
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

rollback;
