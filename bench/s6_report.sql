-- bench/s6_report.sql: figures of S6, by CPU time: a neighbour on the machine disturbs that less.

select bench.judge('S6', format('tick with %s due of %s open clocks, of %s', :due, :many, :few),
                   bench.median('s6 many false', 'cpu') / bench.median('s6 few false', 'cpu'), '<=', 1.2, ' x',
                   format('%s and %s a step: a reminder, its event and message; wall %s x', bench.per_row('s6 many false', :due), bench.per_row('s6 few false', :due),
                          round((bench.median('s6 many false') / bench.median('s6 few false'))::numeric, 2)));
select bench.tell('S6', 'the same, with those that are due spread over all',
                  round((bench.median('s6 many true', 'cpu') / bench.median('s6 few true', 'cpu'))::numeric, 2) || ' x',
                  format('each has pages of its own; %s and %s a step', bench.per_row('s6 many true', :due), bench.per_row('s6 few true', :due)));
select bench.judge('S6', format('tick with nothing due of %s open clocks, of %s', :many, :few), bench.median('s6 many idle', 'cpu') / bench.median('s6 few idle', 'cpu'), '<=', 1.2, ' x',
                   format('CPU %s and %s ms', round(bench.median('s6 many idle', 'cpu')::numeric, 1), round(bench.median('s6 few idle', 'cpu')::numeric, 1)));
