-- bench/b1_report.sql: figures of B1.

create function pg_temp.per_second(label text, what text) returns text language sql
return round((select count(*) from handoff.lead) / bench.median(label, what)::numeric * 1000)::text;

select bench.judge('B1', format('leads of %s that backtest_as_decided() decides otherwise', (select count(*) from handoff.lead)),
                   (select count(*) from handoff.backtest_as_decided(tick_every => '4 hours')), '<=', 0, '',
                   format('%s events, %s activities', (select count(*) from handoff.event), (select count(*) from handoff.activity)));
select bench.tell('B1', format('backtest() of a %s over them', what), pg_temp.per_second(label, 'wall') || ' leads/s',
                  format('CPU %s leads/s', pg_temp.per_second(label, 'cpu')))
from (values ('version of then', 'b1 as decided'), ('draft', 'b1 draft')) v (what, label);
select bench.tell('B1', 'backtest() of a draft, of verify(), which adds up the same log', round(bench.ratio('b1 draft', 'b1 verify')::numeric, 1) || ' x',
                  format('CPU %s x', round(bench.ratio('b1 draft', 'b1 verify', 'cpu')::numeric, 1)));
