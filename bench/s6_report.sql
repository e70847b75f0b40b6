-- bench/s6_report.sql: figures of S6, by CPU time: what the tick works on is the same rows, wherever they lie.

select bench.judge('S6', format('tick with %s due of %s open clocks, of %s', :due, :many, :few), bench.median('s6 many', 'cpu') / bench.median('s6 few', 'cpu'), '<=', 1.2, ' x',
                   format('%s and %s a step: a reminder, its event and message; wall %s x', bench.per_row('s6 many', :due), bench.per_row('s6 few', :due),
                          round((bench.median('s6 many') / bench.median('s6 few'))::numeric, 2)));
select bench.judge('S6', format('tick with nothing due of %s open clocks, of %s', :many, :few), bench.median('s6 many idle', 'cpu') / bench.median('s6 few idle', 'cpu'), '<=', 1.2, ' x',
                   format('CPU %s and %s ms', round(bench.median('s6 many idle', 'cpu')::numeric, 1), round(bench.median('s6 few idle', 'cpu')::numeric, 1)));
