-- bench/s9_report.sql: figures of S9; R's are there if R is.

select bench.judge('S9', format('R''s glm, of logistic_fit(), %s rows of 50 features', :rows), bench.ratio('s9 glm', 's9 fit'), '>=', 5, ' x',
                   format('%s s, glm.fit alone %s s; ours %s s; CPU %s x', round(bench.median('s9 glm')::numeric / 1000, 1), round(bench.median('s9 glm.fit')::numeric / 1000, 1),
                          round(bench.median('s9 fit')::numeric / 1000, 2), round(bench.ratio('s9 glm', 's9 fit', 'cpu')::numeric, 1)))
where exists (select from bench.claim where who = 'R');
select bench.judge('S9', 'AUC, of what R''s ranks give for R''s model', 1e9 * abs(o.auc - r.auc), '<=', 1000, ' e-9', format('%s; coefficients differ by %s at most', r.auc,
                   (select max(abs(a - b)) from unnest(r.coefficients, f.coefficients) u(a, b))))
from bench.claim r,
     (select * from bench.claim where who = 'ours' and what = 'auc' limit 1) o,
     (select * from bench.claim where who = 'ours' and what = 'fit' limit 1) f
where r.who = 'R';
select bench.tell('S9', format('logistic_fit(), %s rows of 50 features', :rows), round(bench.median('s9 fit')::numeric / 1000, 2) || ' s', 'R not installed')
where not exists (select from bench.claim where who = 'R');
select bench.tell('S9', format('logistic_fit(), %s rows of 50 rules, each true of a fifth', :rows), round(bench.median('s9 rules')::numeric / 1000, 2) || ' s', bench.per_row('s9 rules', :rows) || ' a row; all rows differ');
select bench.tell('S9', 'rank() in SQL, of auc()', round(bench.ratio('s9 rank', 's9 auc')::numeric, 2) || ' x',
                  format('%s a row, all scores distinct; of 101 scores %s', bench.per_row('s9 auc', :rows), bench.per_row('s9 points', :rows)));
select bench.tell('S9', 'auc() differs from rank() in SQL by', max(abs(o.auc - s.auc))::text, '')
from bench.claim o, bench.claim s where o.who = 'ours' and o.what = 'auc' and s.who = 'SQL';
