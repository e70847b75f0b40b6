-- bench/s1_report.sql: figures of S1; :rows were scored, :sample by jsonpath, a tenth of it by the loop.

select bench.judge('S1', format('score_rows(), 100 rules, %s rows, of reading their columns', :rows), bench.ratio('s1 stream', 's1 hash'), '<=', 2, ' x',
                   format('%s a row; 15 columns hashed %s; CPU %s x', bench.per_row('s1 stream', :rows), bench.per_row('s1 hash', :rows),
                          round(bench.ratio('s1 stream', 's1 hash', 'cpu')::numeric, 2)));
select bench.judge('S1', 'CASE sum, of score_rows()', bench.ratio('s1 case', 's1 stream'), '>=', 5, ' x',
                   format('CASE %s a row; CPU %s x', bench.per_row('s1 case', :rows), round(bench.ratio('s1 case', 's1 stream', 'cpu')::numeric, 2)));
select bench.judge('S1', 'PL/pgSQL loop that EXECUTEs rules, of score_rows()', bench.median('s1 loop', 'cpu') / (:sample / 10) / (bench.median('s1 stream', 'cpu') / :rows), '>=', 50, ' x',
                   format('%s a row, on %s rows; CPU', bench.per_row('s1 loop', :sample / 10), :sample / 10));
select bench.tell('S1', 'other ways, of score_rows()', format('jsonpath %s x, in FROM %s x', round((bench.median('s1 path', 'cpu') / :sample / (bench.median('s1 stream', 'cpu') / :rows))::numeric, 1),
                                                               round(bench.ratio('s1 from', 's1 stream')::numeric, 2)),
                  format('jsonpath %s a row, jsonb ready; CPU', bench.per_row('s1 path', :sample)));
select bench.tell('S1', 'score_rows(), of finding the last column of each row', round(bench.ratio('s1 stream', 's1 deform')::numeric, 2) || ' x',
                  format('count(competitor_tool), column 38: %s a row; CPU %s x', bench.per_row('s1 deform', :rows), round(bench.ratio('s1 stream', 's1 deform', 'cpu')::numeric, 2)));
-- 100 looks on the way; the first of them after the contract is loaded
select bench.judge('S1', 'memory that grows while rows are streamed', max(m) - min(m), '<', 1, ' MB', format('%s looks, from %s MB on', count(*), round(min(m)::numeric, 1)))
from (select bench.own_memory() as m from (select handoff.score_rows('bench.rows') as s offset 0) q where hashtext((s).lead_key) % greatest(:rows / 100, 1) = 0) looks;
