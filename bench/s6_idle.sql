-- bench/s6_idle.sql: a tick that finds nothing to do, as minutes mostly do.

select handoff.tick('2026-03-03 04:00+00');
call bench.start();
select handoff.tick('2026-03-03 04:00+00');
call bench.stop('s6 ' || :'size' || ' idle');
