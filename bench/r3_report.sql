-- bench/r3_report.sql: figures of R3, of one number of pools.

insert into bench.figure (item, what, measured, target, verdict, note)
select 'R3', format('%s, %s clients, %s pools', g.way, clients, p.pools), round(case when way = 'tick' then given / tick else given / seconds end) || ' /s', '', '',
       format('%s of %s leads given%s; %s transactions failed, %s picks above capacity, unfair by %s', given, leads,
              case when way like 'ours%' then format(', %s %% at commit', round(100.0 * at_commit / greatest(given, 1), 1)) end,
              failed, above, round(unfair::numeric, 1))
from bench.given g, (select count(distinct pool) as pools from bench.seat) p order by g.n;
