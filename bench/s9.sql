-- bench/s9.sql: one round of S9: a model, and how good it is.

set client_min_messages = warning;
set maintenance_work_mem = '2GB';

-- a new session meets every page of the shared buffers for the first time: at nobody's expense
select count(x[50]) from bench.sample;

call bench.start();
insert into bench.claim (who, what, coefficients) select 'ours', 'fit', (handoff.logistic_fit(y, x, 0)).coefficients from bench.sample;
call bench.stop('s9 fit');

call bench.start();
insert into bench.claim (who, what, coefficients) select 'ours', 'rules', (handoff.logistic_fit(y, x, 1)).coefficients from bench.sample_rule;
call bench.stop('s9 rules');

drop table if exists bench.predicted;
create unlogged table bench.predicted as
select y, handoff.logistic_predict(c.coefficients, x) as p from (select coefficients from bench.claim where what = 'fit' limit 1) c, bench.sample;
vacuum analyze bench.predicted;

call bench.start();
insert into bench.claim (who, what, auc) select 'ours', 'auc', handoff.auc(p, y) from bench.predicted;
call bench.stop('s9 auc');

call bench.start();
insert into bench.claim (who, what, auc) select 'ours', 'points', handoff.auc(round(100 * p), y) from bench.predicted;
call bench.stop('s9 points');

-- the same without us
call bench.start();
insert into bench.claim (who, what, auc)
select 'SQL', 'auc', (sum(r) filter (where y) - count(*) filter (where y) * (count(*) filter (where y) + 1.0) / 2)
    / count(*) filter (where y) / count(*) filter (where not y)
from (select y, rank() over (order by p) + (count(*) over (partition by p) - 1) / 2.0 as r from bench.predicted) s;
call bench.stop('s9 rank');
