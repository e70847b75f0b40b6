-- bench/n1_report.sql: figures of N1: CPU of the session that leases and acknowledges. :keys says how the leads are numbered.
create view bench.cost as
select label, sum(cpu) / sum(n) as us, sum(wall) / sum(n) as wall_us
from (select r.label, r.n as i, 1000 * r.cpu as cpu, 1000 * r.wall as wall, row_number() over (partition by r.label order by r.n) as round from bench.run r where r.label like 'n1 %') r
join (select label, n, row_number() over (partition by label order by ctid) as round from bench.sent where seconds = 0) s using (label, round)
where label not in ('n1 pages', 'n1 warm')
group by label;

select bench.judge('N1', format('lease and ack a message of %s that wait, of %s; keys %s', :'many', :'few', :'keys'), m.us / f.us, '<=', 1.2, ' x',
                   format('CPU %s and %s us, a hundred at once; one message a lead', round(m.us::numeric), round(f.us::numeric)))
from bench.cost m, bench.cost f where m.label = 'n1 one many' and f.label = 'n1 one few';
select bench.judge('N1', 'pages touched, of the same; keys ' || :'keys', m.n / f.n, '<=', 1.2, ' x', format('%s and %s a message', round(m.n / 100 / :turns), round(f.n / 100 / :turns)))
from (select avg(n) as n from bench.sent where label = 'pages many') m, (select avg(n) as n from bench.sent where label = 'pages few') f;
select bench.judge('N1', 'CPU with two messages of each lead, one after the other; keys ' || :'keys', m.us / f.us, '<=', 1.2, ' x',
                   format('CPU %s and %s us', round(m.us::numeric), round(f.us::numeric)))
from bench.cost m, bench.cost f where m.label = 'n1 all many' and f.label = 'n1 all few';
select bench.tell('N1', format('the same of a plain queue that %s', case m.label when 'n1 queue many' then 'deletes' else 'keeps its rows' end),
                  round(m.us::numeric) || ' us', format('CPU; ours %s x; with %s that wait %s us', round((o.us / m.us)::numeric, 1), :'few', round(f.us::numeric)))
from bench.cost m join bench.cost f on f.label = replace(m.label, 'many', 'few'), bench.cost o
where m.label in ('n1 queue many', 'n1 kept many') and o.label = 'n1 one many' order by m.label desc;
