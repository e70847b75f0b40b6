-- bench/s9_prepare.sql: :rows rows of 50 features and an outcome, and the same as 50 rules that hold or not.

select setseed(0.5);
create unlogged table bench.sample as
select g as id, x, random() < 1 / (1 + exp(2 - x[1] - 2 * x[2] + x[3] / 2 - x[4] * x[5])) as y
from (select g, array(select random() * 2 - 1 + 0 * g from generate_series(1, 50)) as x from generate_series(1, :rows) g) s;
create unlogged table bench.sample_rule as
select id, y, array(select (v > 0.6)::int::float8 from unnest(x) with ordinality u(v, i) order by i) as x from bench.sample;

create table bench.claim (who text, what text, auc float8, coefficients float8[]);
vacuum analyze;
