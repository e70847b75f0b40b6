-- bench/r3.sql: writes the pgbench scripts of R3 into the current folder.
--
-- ours inserts one row into an attached table. The naive ways insert the same row into a plain one, then the rows that a
-- decision of ours writes for it, those of handoff and assignment with the rep whom they pick. Whoever finds nobody writes ''.
-- The pick comes as late as it can.

select lead_key from handoff.assignment order by lead_key limit 1 \gset

-- The pick: the least loaded by weight who has room.
create table bench.pick_by (way text primary key, before text, pick text);
insert into bench.pick_by
select way, before, format('select coalesce((select rep from bench.seat s %s where pool = ''pool'' || bench.pick(:g::bigint, 19, 99999) / %s and (capacity is null or %s < capacity) order by (%3$s + 1.0) / weight, rep limit 1 %s), '''') as rep \gset',
       counted, 100000 / :pools, load, lock)
from (values
    ('for_update', null, '', 'load', 'for update'),
    ('skip_locked', null, '', 'load', 'for update skip locked'),
    ('advisory', 'select pg_advisory_xact_lock(1, bench.pick(:g::bigint, 19, 99999) / ' || 100000 / :pools || ');', '', 'load', ''),
    ('counted', null, 'cross join lateral (select count(*) as has from bench.plain_assignment a where a.rep = s.rep and a.ended_at is null) c', 'has', 'for update of s')
) w (way, before, counted, load, lock);

create function bench.naive_lead(by text) returns setof text language sql stable
begin atomic
    with line (t) as (select bench.plain_inserts(current_setting('bench.lead_key'), ':rep'))
    select bench.next_key()
    union all select bench.insert_row('plain')
    union all select t from line where t !~ '^insert into bench.plain_(handoff|assignment) '
    union all select before from bench.pick_by where way = by and before is not null
    union all select pick from bench.pick_by where way = by
    union all select t from line where t ~ '^insert into bench.plain_(handoff|assignment) '
    union all select 'update bench.seat set load = load + 1 where rep = :rep;' where by <> 'counted';
end;
select set_config('bench.lead_key', :'lead_key', false);

\o r3_ours.pgbench
select bench.next_key() union all select bench.insert_row('single');
\o r3_tick.pgbench
select bench.next_key() union all select bench.insert_row('single');
\o r3_for_update.pgbench
select 'begin;' union all select bench.naive_lead('for_update') union all select 'commit;';
\o r3_skip_locked.pgbench
select 'begin;' union all select bench.naive_lead('skip_locked') union all select 'commit;';
\o r3_advisory.pgbench
select 'begin;' union all select bench.naive_lead('advisory') union all select 'commit;';
\o r3_counted.pgbench
select 'begin;' union all select bench.naive_lead('counted') union all select 'commit;';
-- ten leads a transaction, as a sync delivers them
\o r3_ours_10.pgbench
select 'begin;' union all select line from generate_series(1, 10), lateral (select bench.next_key() union all select bench.insert_row('single')) l (line) union all select 'commit;';
\o r3_for_update_10.pgbench
select 'begin;' union all select line from generate_series(1, 10), bench.naive_lead('for_update') line union all select 'commit;';
\o r3_advisory_10.pgbench
select 'begin;' union all select line from generate_series(1, 10), bench.naive_lead('advisory') line union all select 'commit;';
\o
