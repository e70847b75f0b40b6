-- bench/s7_report.sql: figures of S7; :rows handoffs. Ratios by the CPU time of one process; beside them the wall clock of two.
select bench.judge('S7', format('%s, of a query by hand', q.name), bench.ratio(format('s7 %s view one', q.name), format('s7 %s hand one', q.name), 'cpu'), '<=', 1.3, ' x',
                   format('CPU %s s; two cores %s s, by hand %s s', round((bench.median(format('s7 %s view one', q.name), 'cpu') / 1000)::numeric, 2),
                          round((bench.median(format('s7 %s view two', q.name)) / 1000)::numeric, 2), round((bench.median(format('s7 %s hand two', q.name)) / 1000)::numeric, 2))
                   || coalesce('; ' || nullif(q.note, ''), ''))
from bench.question q where q.hand is not null order by q.n;
select bench.tell('S7', q.name, round((bench.median(format('s7 %s view one', q.name), 'cpu') / 1000)::numeric, 2) || ' s',
                  format('of CPU; two cores %s s', round((bench.median(format('s7 %s view two', q.name)) / 1000)::numeric, 2)))
from bench.question q where q.hand is null order by q.n;
select bench.tell('S7', 'keep_kpis(), two cores', round((bench.median('s7 keep') / 1000)::numeric, 1) || ' s', 'all views, of every dimension');
select bench.judge('S7', format('slowest kept view, %s handoffs', :rows), max(bench.median('s7 kept ' || k.view_name)), '<', 1000, ' ms',
                   (array_agg(k.view_name order by bench.median('s7 kept ' || k.view_name) desc))[1])
from handoff.kept() k;
select bench.judge('S7', format('slowest view on two cores, %s handoffs', :rows), max(bench.median(format('s7 %s view two', q.name)) / 1000), '<', 1, ' s',
                   (array_agg(q.name order by bench.median(format('s7 %s view two', q.name)) desc))[1])
from bench.question q;
