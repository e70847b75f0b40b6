-- bench/s7.sql: one round of S7: every view and its query by hand, in turn: by one process, whose CPU time counts, and by two;
-- then what is kept of them.

set client_min_messages = warning;
set lead_handoff.view_time = '2026-07-01 00:00+02';
set work_mem = '64MB';
\o /dev/null
-- a new session meets every page of the shared buffers for the first time: at nobody's expense
select count(*) from handoff.handoff, lateral (select handoff.outcome) o;
select count(rep) from handoff.clock;
select count(owner) from handoff.stage_history;
select count(stage) from handoff.lead;
select c.command
from bench.question q
cross join (values (0, 'one'), (1, 'two')) w (workers, way)
cross join (values (1, 'view', true), (2, 'hand', false)) a (ord, who, is_view)
cross join lateral (values
    (1, format('set max_parallel_workers_per_gather = %s', w.workers)),
    (2, 'call bench.start()'),
    (3, case when a.is_view then q.view else q.hand end),
    (4, format('call bench.stop(%L)', format('s7 %s %s %s', q.name, a.who, w.way)))) c (step, command)
where a.is_view or q.hand is not null
order by q.n, w.workers, a.ord, c.step \gexec
-- and what is kept of them, all rows of each
set max_parallel_workers_per_gather = 2;
call bench.start();
select handoff.keep_kpis();
call bench.stop('s7 keep');
select c.command
from handoff.kept() k
cross join lateral (values (1, 'call bench.start()'), (2, format('table handoff.%I', 'kept_' || k.view_name)), (3, format('call bench.stop(%L)', 's7 kept ' || k.view_name))) c (step, command)
order by k.view_name, c.step \gexec
