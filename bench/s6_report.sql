-- bench/s6_report.sql: figures of S6.

select bench.judge('S6', format('tick with %s due of %s open clocks, of %s', :due, :many, :few), bench.median('s6 many') / bench.median('s6 few'), '<=', 1.2, ' x',
                   format('%s and %s a step: a reminder, its event and message', bench.per_row('s6 many', :due), bench.per_row('s6 few', :due)));
select bench.judge('S6', format('tick with nothing due of %s open clocks, of %s', :many, :few), bench.median('s6 many idle') / bench.median('s6 few idle'), '<=', 1.2, ' x',
                   format('%s and %s ms', round(bench.median('s6 many idle')::numeric, 1), round(bench.median('s6 few idle')::numeric, 1)));
