-- bench/s4_report.sql: figures of S4; :rows were decided, :sample by the slow peer.

select set_config('bench.ours', (bench.median('s4 insert') + bench.median('s4 drain'))::text, false) as ours,
       1000 * bench.median('s4 peer fixed') / :rows as fixed_us,
       1000 * bench.median('s4 peer data') / :sample as data_us,
       1000 * (bench.median('s4 insert') + bench.median('s4 drain')) / :rows as ours_us \gset

select bench.judge('S4', format('drain of %s new leads, of the INSERTs of the same rows', :rows),
                   bench.ratio('s4 drain', 's4 floor'), '<=', 2, ' x',
                   format('drain %s, floor %s a lead; CPU %s x; 1,000 routes, 20 reps',
                          bench.per_row('s4 drain', :rows), bench.per_row('s4 floor', :rows),
                          round(bench.ratio('s4 drain', 's4 floor', 'cpu')::numeric, 2)));
select bench.judge('S4', 'row triggers with rules as data, of INSERT and drain', :data_us / :ours_us, '>=', 10, ' x',
                   format('triggers %s, ours %s us a lead (bare insert %s); triggers on %s rows', round((:data_us)::numeric, 1),
                          round((:ours_us)::numeric, 1), bench.per_row('s4 bare', :rows), :sample));
select bench.judge('S4', 'row triggers with rules in their text, of INSERT and drain', :fixed_us / :ours_us, '>=', 10, ' x',
                   format('triggers %s us a lead, without derived fields, intent, time, events of routing',
                          round((:fixed_us)::numeric, 1)));
select bench.tell('S4', 'handed over, and leads that the peers decide otherwise',
                  format('%s %%, %s', round(100.0 * count(*) filter (where l.stage = 'mql') / count(*), 1),
                         count(*) filter (where (l.fit, l.band, l.stage) is distinct from (p.fit, p.band, p.stage))), '')
from handoff.lead l full join bench.peer_lead p using (lead_key);
