-- bench/r1.sql: one round of R1. The map comes in by COPY and, once more without a change and with one of a
-- hundredth, by load_territory(); then all leads are decided by the map and by the rules.

set client_min_messages = warning;
delete from handoff.territory;
create table if not exists bench.bare_map (map text not null, kind text not null default 'exact', key text not null, high text not null default '', pool text, rep text,
    valid_from timestamptz not null default '-infinity', valid_to timestamptz not null default 'infinity', primary key (map, kind, key, high, valid_from));
truncate bench.bare_map;
copy (select 'zip', key, pool from bench.map) to :'file';
checkpoint;
call bench.start();
copy bench.bare_map (map, key, pool) from :'file';
call bench.stop('r1 bare copy');
call bench.start();
copy handoff.territory (map, key, pool) from :'file';
call bench.stop('r1 copy');

call bench.start();
select from handoff.load_territory('zip', 'bench.map');
call bench.stop('r1 same');
create temp table changed as select key, case when hashtext(key) % 100 = 0 then 'pool0' else pool end as pool from bench.map;
call bench.start();
select from handoff.load_territory('zip', 'changed');
call bench.stop('r1 hundredth');
select from handoff.load_territory('zip', 'bench.map');
insert into handoff.territory (map, kind, key, pool) select 'zip', 'prefix', lpad(i::text, 2, '0'), 'pool' || i / 2 from generate_series(0, 99) i;
insert into handoff.territory (map, key, rep)
select 'named', '0015g0000' || n, 'rep' || n / 2 % 50 || substr('abcd', 1 + n / 2 % 4, 1) from generate_series(0, 19999, 2) n;
analyze handoff.territory;

-- the version with the rules was published last
call bench.empty();
select handoff.rollback();
checkpoint;
call bench.drain_r1();
call bench.empty();
select handoff.rollback();
checkpoint;
call bench.drain_r1();
