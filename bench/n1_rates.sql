-- bench/n1_rates.sql: figures of N1: messages a second of several workers.
select bench.judge('N1', format('messages leased and acked a second, of a plain queue that keeps its rows; %s', replace(replace(o.label, 'one ', ''), '1 workers', '1 worker')), o.rate / k.rate, '>=', 0.5, ' x',
                   format('%s and %s /s; one that deletes %s /s; two messages of each lead %s /s; of %s that wait', round(o.rate::numeric), round(k.rate::numeric), round(q.rate::numeric), round(a.rate::numeric), :'many'))
from (select label, sum(n) / sum(seconds) as rate from bench.sent where seconds > 0 group by 1) o
join (select label, sum(n) / sum(seconds) as rate from bench.sent where seconds > 0 group by 1) k on k.label = replace(o.label, 'one', 'kept')
join (select label, sum(n) / sum(seconds) as rate from bench.sent where seconds > 0 group by 1) q on q.label = replace(o.label, 'one', 'queue')
join (select label, sum(n) / sum(seconds) as rate from bench.sent where seconds > 0 group by 1) a on a.label = replace(o.label, 'one', 'all')
where o.label like 'one %' order by o.label;
