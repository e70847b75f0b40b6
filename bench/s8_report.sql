-- bench/s8_report.sql: figures of S8; :rows moments. Speed by the CPU time of the backend, the scan of the moments included.
select bench.judge('S8', format('business_%s, a second', q.what), :rows / bench.median(q.label, 'cpu') / 1000, '>=', 1, ' M',
                   format('%s, of it the scan %s', bench.per_row(q.label, :rows), bench.per_row('s8 scan', :rows)))
from (values (1, 'add(), 4 hours', 's8 add hours'), (2, 'add(), 20,000 hours', 's8 add years'), (3, 'add(), 3 days', 's8 add days'),
             (4, 'between(), up to 30 days', 's8 between'), (5, 'between(), 3,600 days', 's8 between years')) q (n, what, label)
order by q.n;
select bench.judge('S8', 'business_add(), 20,000 hours, of 4 hours', bench.ratio('s8 add years', 's8 add hours', 'cpu'), '<=', 1.5, ' x', 'the same steps, whatever the span');
select bench.judge('S8', 'business_between(), 3,600 days, of up to 30 days', bench.ratio('s8 between years', 's8 between', 'cpu'), '<=', 1.5, ' x', '');
select bench.tell('S8', 'is_open()', bench.per_row('s8 open', :rows), '');
select bench.tell('S8', 'sums over a table of openings, of between()', round((100 * bench.median('s8 sql', 'cpu') / bench.median('s8 between', 'cpu'))::numeric, 1) || ' x', bench.per_row('s8 sql', :rows / 100));
select bench.tell('S8', 'a calendar that is new to the session', round((bench.median('s8 new', 'cpu') / 400)::numeric, 3) || ' ms', 'no exceptions');
-- both count the same
select bench.tell('S8', 'answers that differ from the sums', count(*)::text, 'of ' || :rows / 100)
from (select * from bench.moment limit :rows / 100) m,
lateral (select coalesce(sum(least(o.closes, m.later) - greatest(o.opens, m.at)), '0') as passed from bench.opening o where o.closes > m.at and o.opens < m.later and o.closes < m.later + interval '1 day') s
where extract(epoch from s.passed) <> extract(epoch from handoff.business_between('office', m.at, m.later));
