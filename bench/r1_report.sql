-- bench/r1_report.sql: figures of R1; :rows leads were decided.

select bench.judge('R1', format('drain of %s leads by a map of 42,655 keys, of one by 50 rules', :rows), bench.ratio('r1 map', 'r1 rules'), '<=', 1.2, ' x',
                   format('map %s, rules %s a lead; CPU %s x', bench.per_row('r1 map', :rows), bench.per_row('r1 rules', :rows),
                          round(bench.ratio('r1 map', 'r1 rules', 'cpu')::numeric, 2)));
select bench.tell('R1', 'handed over, to the reps of 10,000 named accounts, and leads that the rules send elsewhere',
                  format('%s %%, %s %%, %s', round(100.0 * count(*) / :rows, 1), round(100.0 * count(*) filter (where h.route = 'named') / :rows, 1),
                         count(*) filter (where m.pool is distinct from h.pool)), '')
from bench.by_map m full join handoff.handoff h using (lead_key);
select bench.judge('R1', 'COPY of 42,555 keys into a map', bench.median('r1 copy') / 1000, '<', 2, ' s',
                   format('CPU %s s; into a bare table %s s', round((bench.median('r1 copy', 'cpu') / 1000)::numeric, 2),
                          round((bench.median('r1 bare copy') / 1000)::numeric, 2)));
select bench.tell('R1', 'load_territory() of the same keys, and with a hundredth changed',
                  format('%s s, %s s', round((bench.median('r1 same') / 1000)::numeric, 2), round((bench.median('r1 hundredth') / 1000)::numeric, 2)), '');
