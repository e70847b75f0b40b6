-- auc(), lift(), calibration() and logistic_fit(): exact cases, the same by plain SQL, partial states, errors.
\set SHOW_CONTEXT never
set extra_float_digits = 0;
select setseed(0.42);

-- what an error looks like, on one line
create function pg_temp.fails(query text) returns text language plpgsql as $$
declare
	detail text;
	hint text;
begin
	execute query;
	return 'no error';
exception when others then
	get stacked diagnostics detail = pg_exception_detail, hint = pg_exception_hint;
	return concat_ws(' | ', sqlstate, sqlerrm, nullif(detail, ''), nullif(hint, ''));
end $$;

--
-- auc: exact cases
--
select name, handoff.auc(score, outcome)
from (values
	('perfect', array[1, 2, 3, 4], '{f,f,t,t}'::boolean[]),
	('reversed', array[1, 2, 3, 4], '{t,t,f,f}'),
	('all tied', array[5, 5, 5, 5], '{t,f,f,t}'),
	('3 of 4', array[1, 2, 3, 4], '{f,t,f,t}'),
	('3.5 of 4', array[1, 2, 2, 3], '{f,f,t,t}'),
	('one class', array[1, 2], '{t,t}'),
	('infinite', array['-Infinity', '0', 'Infinity']::float8[]::float8[], '{f,t,t}')) c(name, scores, outcomes),
	unnest(scores::float8[], outcomes) u(score, outcome)
group by name order by name;
select handoff.auc(score, outcome) as no_rows from (values (1.0, true)) v(score, outcome) where false;
select handoff.auc(score, outcome) as nulls_are_left_out
from (values (1, false), (2, true), (null, true), (0, null), (null, null)) v(score, outcome);
select handoff.auc(score, outcome) as minus_zero_is_zero from (values (-0.0::float8, true), (0.0, false)) v(score, outcome);
-- Fawcett 2006, figure 3: 20 rows; 68 of 100 pairs are in order
select handoff.auc(score, outcome)
from unnest('{.9,.8,.7,.6,.55,.54,.53,.52,.51,.505,.4,.39,.38,.37,.36,.35,.34,.33,.30,.1}'::float8[],
	'{t,t,f,t,t,t,f,f,t,f,t,f,t,f,f,f,t,f,t,f}'::boolean[]) u(score, outcome);

--
-- lift: exact cases
--
select bucket, n, positives, highest, lowest, rate, round(lift::numeric, 6) as lift, cumulative_n, cumulative_positives,
	round(cumulative_lift::numeric, 6) as cumulative_lift, round(gain::numeric, 6) as gain
from unnest((select handoff.lift(score, outcome, 3)
	from unnest(array[9, 8, 7, 6, 5, 4, 3, 2, 1, 0], '{t,t,f,t,f,f,t,f,f,f}'::boolean[]) u(score, outcome)));
-- ten rows of one score, four of them positive: each bucket has its share
select bucket, n, positives, highest, lowest, rate, lift, gain
from unnest((select handoff.lift(7, i <= 4, 4) from generate_series(1, 10) i));
-- more buckets than rows; nobody positive; no rows
select bucket, n, positives, lift, gain from unnest((select handoff.lift(i, false, 5) from generate_series(1, 2) i));
select handoff.lift(i, true, 5) is null as no_rows from generate_series(1, 0) i;
-- a score without limits has an order all the same
select bucket, highest, lowest, rate from unnest((select handoff.lift(s, s > 0, 3) from unnest('{-Infinity,1,Infinity}'::float8[]) s));

--
-- calibration: exact cases
--
select n, positives, predicted, observed, brier, ece, hosmer_lemeshow, buckets
from (select (handoff.calibration(p, y, 2)).*
	from (values (0.75, true), (0.75, true), (0.75, false), (0.75, true), (0.25, false), (0.25, true)) v(p, y)) c;
-- certain and right; certain and wrong
select name, round(brier::numeric, 6) as brier, ece, hosmer_lemeshow
from (select name, (handoff.calibration(p, y, 10)).*
	from (values ('right', 1, true), ('right', 0, false), ('wrong', 1, false), ('wrong', 1, true)) v(name, p, y) group by name) c order by name;

--
-- The same by plain SQL, over scores with ties and without
--
create table metrics_row as
select g as id, round((random() * 1000)::numeric) / 1000 as tied, random() as untied, g % 3 as part, random() < 0.3 as outcome
from generate_series(1, 3000) g;
update metrics_row set outcome = outcome or random() < untied / 2;

-- all pairs
select abs(handoff.auc(tied, outcome) - (select avg(case when p.tied > n.tied then 1 when p.tied = n.tied then 0.5 else 0 end)
	from metrics_row p, metrics_row n where p.outcome and not n.outcome)) < 1e-12 as tied,
	abs(handoff.auc(untied, outcome) - (select avg((p.untied > n.untied)::int)
	from metrics_row p, metrics_row n where p.outcome and not n.outcome)) < 1e-12 as untied
from metrics_row;

-- without ties the buckets are those of ntile()
with b as (
	select ntile(7) over (order by untied desc) as bucket, untied, outcome from metrics_row
), expected as (
	select bucket, count(*) as n, count(*) filter (where outcome) as positives, max(untied) as highest, min(untied) as lowest,
		avg(outcome::int) as rate, avg(outcome::int) / (select avg(outcome::int) from metrics_row) as lift, avg(untied) as predicted
	from b group by bucket
)
select count(*) as buckets,
	bool_and((l.n, l.positives, l.highest, l.lowest) = (e.n, e.positives, e.highest, e.lowest)
		and abs(l.rate - e.rate) < 1e-12 and abs(l.lift - e.lift) < 1e-12) as lift,
	bool_and((c.n, c.positives, c.highest, c.lowest) = (e.n, e.positives, e.highest, e.lowest)
		and abs(c.predicted - e.predicted) < 1e-12 and abs(c.observed - e.rate) < 1e-12) as calibration
from expected e
join unnest((select handoff.lift(untied, outcome, 7) from metrics_row)) l using (bucket)
join unnest((select (handoff.calibration(untied, outcome, 7)).buckets from metrics_row)) c using (bucket);

-- with ties: rows of a score spread over the ranks they take, each rank with the score's rate
with s as (
	select tied, count(*) as n, count(*) filter (where outcome) as positives,
		sum(count(*)) over (order by tied desc) - count(*) as first
	from metrics_row group by tied
), b as (
	select i as bucket, (i - 1) * 3000 / 8 as first, i * 3000 / 8 as next from generate_series(1, 8) i
), expected as (
	select bucket, sum(least(b.next, s.first + s.n) - greatest(b.first, s.first)) as n,
		sum((least(b.next, s.first + s.n) - greatest(b.first, s.first)) * s.positives::float8 / s.n) as positives,
		sum((least(b.next, s.first + s.n) - greatest(b.first, s.first)) * s.tied) as predicted
	from b join s on s.first < b.next and s.first + s.n > b.first group by bucket
)
select count(*) as buckets, bool_and(l.n = e.n and abs(l.positives - e.positives) < 1e-9) as lift,
	bool_and(c.n = e.n and abs(c.positives - e.positives) < 1e-9 and abs(c.predicted - e.predicted / e.n) < 1e-9) as calibration,
	bool_or(e.positives <> round(e.positives)) as split
from expected e
join unnest((select handoff.lift(tied, outcome, 8) from metrics_row)) l using (bucket)
join unnest((select (handoff.calibration(tied, outcome, 8)).buckets from metrics_row)) c using (bucket);

with c as (select handoff.calibration(tied, outcome, 8) as c from metrics_row), b as (select unnest((c.c).buckets) as b from c)
select abs((c.c).brier - (select avg((tied - outcome::int) ^ 2) from metrics_row)) < 1e-12 as brier,
	abs((c.c).predicted - (select avg(tied) from metrics_row)) < 1e-12 as predicted,
	abs((c.c).observed - (select avg(outcome::int) from metrics_row)) < 1e-12 as observed,
	abs((c.c).ece - (select sum((b.b).n * abs((b.b).predicted - (b.b).observed)) / 3000 from b)) < 1e-12 as ece,
	abs((c.c).hosmer_lemeshow / (select sum((b.b).n * ((b.b).predicted - (b.b).observed) ^ 2 / ((b.b).predicted * (1 - (b.b).predicted))) from b) - 1) < 1e-9 as hosmer_lemeshow
from c;

-- any order of rows, any part of them
select handoff.auc(tied, outcome) = handoff.auc(tied, outcome order by random()) as auc,
	handoff.lift(tied, outcome, 9) = handoff.lift(tied, outcome, 9 order by random()) as lift,
	handoff.calibration(tied, outcome, 9) = handoff.calibration(tied, outcome, 9 order by random()) as calibration
from metrics_row;
select bool_and(by_group = by_filter) as groups
from (select part, handoff.auc(tied, outcome) as by_group,
		(select handoff.auc(tied, outcome) filter (where r.part = g.part) from metrics_row r) as by_filter
	from metrics_row g group by part) g;
select id, round(running::numeric, 6) as running, running = (select handoff.auc(tied, outcome) from metrics_row s where s.id <= w.id) as as_alone
from (select id, handoff.auc(tied, outcome) over (order by id) as running from metrics_row where id <= 300) w
where id in (50, 100, 200, 300) order by id;

--
-- In parts: parallel workers, and states that are stored and put together elsewhere
--
create table metrics_serial as
select handoff.auc(untied, outcome) as auc, handoff.lift(untied, outcome, 9) as lift, handoff.calibration(tied, outcome, 9) as calibration,
	(handoff.logistic_fit(outcome, array[tied, untied, part], 0.5)).coefficients as wide,
	(handoff.logistic_fit(outcome, array[part, part / 2], 0.5)).coefficients as mixed,
	(handoff.logistic_fit(outcome, array[part % 2, part / 2], 0.5)).coefficients as packed
from metrics_row;
set parallel_setup_cost = 0;
set parallel_tuple_cost = 0;
set min_parallel_table_scan_size = 0;
explain (costs off) select handoff.auc(untied, outcome) from metrics_row;
select p.auc = s.auc as auc, p.lift = s.lift as lift, p.calibration = s.calibration as calibration,
	(select max(abs(a - b)) < 1e-9 from unnest(p.wide, s.wide) u(a, b)) as wide,
	(select max(abs(a - b)) < 1e-9 from unnest(p.mixed, s.mixed) u(a, b)) as mixed,
	(select max(abs(a - b)) < 1e-9 from unnest(p.packed, s.packed) u(a, b)) as packed
from metrics_serial s,
	(select handoff.auc(untied, outcome) as auc, handoff.lift(untied, outcome, 9) as lift, handoff.calibration(tied, outcome, 9) as calibration,
		(handoff.logistic_fit(outcome, array[tied, untied, part], 0.5)).coefficients as wide,
		(handoff.logistic_fit(outcome, array[part, part / 2], 0.5)).coefficients as mixed,
		(handoff.logistic_fit(outcome, array[part % 2, part / 2], 0.5)).coefficients as packed
	from metrics_row) p;
reset parallel_setup_cost;
reset parallel_tuple_cost;
reset min_parallel_table_scan_size;

create aggregate pg_temp.auc_state(float8, boolean) (sfunc = handoff.auc_step, stype = bytea);
create aggregate pg_temp.auc_of(bytea) (sfunc = handoff.tally_combine, stype = bytea, finalfunc = handoff.auc_final);
create aggregate pg_temp.lift_state(float8, boolean, int) (sfunc = handoff.lift_step, stype = bytea);
create aggregate pg_temp.lift_of(bytea) (sfunc = handoff.tally_combine, stype = bytea, finalfunc = handoff.lift_final);
create aggregate pg_temp.fit_state(boolean, float8[], float8) (sfunc = handoff.logistic_step, stype = bytea);
create aggregate pg_temp.fit_of(bytea) (sfunc = handoff.tally_combine, stype = bytea, finalfunc = handoff.logistic_final);
create table metrics_state as
select part, pg_temp.auc_state(tied, outcome) as auc, pg_temp.lift_state(tied, outcome, 9) as lift,
	pg_temp.fit_state(outcome, array[id % 2, (id % 5 = 1)::int, case when part = 1 then tied else id % 3 % 2 end], 0) as fit
from metrics_row group by part;
select pg_temp.auc_of(s.auc) = (select handoff.auc(tied, outcome) from metrics_row) as auc,
	pg_temp.lift_of(s.lift) = (select handoff.lift(tied, outcome, 9) from metrics_row) as lift,
	(select max(abs(a - b)) < 1e-9 from unnest((pg_temp.fit_of(s.fit)).coefficients,
		(select (handoff.logistic_fit(outcome, array[id % 2, (id % 5 = 1)::int, case when part = 1 then tied else id % 3 % 2 end], 0)).coefficients from metrics_row)) u(a, b)) as fit
from metrics_state s;
select handoff.auc_final(auc) = (select handoff.auc(tied, outcome) from metrics_row r where r.part = s.part) as final_of_stored from metrics_state s order by part;

-- what is no state: cut anywhere, any byte changed
create table metrics_small as
select pg_temp.auc_state(id % 4, outcome) as auc, pg_temp.fit_state(outcome, array[id % 2, part / 2, 1], 0) as packed from metrics_row where id <= 30;
select what, count(*) > 100 as many, array_agg(distinct left(outcome, 5) order by left(outcome, 5)) as outcomes
from (
	select 'cut' as what, pg_temp.fails(format('select pg_temp.auc_of(%L)', substr(auc, 1, i))) as outcome from metrics_small, generate_series(0, length(auc) - 1) i
	union all
	select 'changed', pg_temp.fails(format('select pg_temp.auc_of(%L)', set_byte(auc, i, get_byte(auc, i) # b))) from metrics_small, generate_series(0, 27) i, unnest(array[1, 128, 255]) b
	union all
	select 'packed changed', pg_temp.fails(format('select pg_temp.fit_of(%L)', set_byte(packed, i, get_byte(packed, i) # b))) from metrics_small, generate_series(0, 27) i, unnest(array[1, 128, 255]) b
	union all
	select 'rows changed', pg_temp.fails(format('select pg_temp.auc_of(%L)', set_byte(auc, i, get_byte(auc, i) # b))) from metrics_small, generate_series(28, length(auc) - 1) i, unnest(array[1, 128, 255]) b
) s group by what order by what;
-- that of another aggregate
select pg_temp.fails('select handoff.lift_final(auc) from metrics_small') as auc_as_lift, pg_temp.fails('select handoff.calibration_final(auc) from metrics_small') as auc_as_calibration,
	pg_temp.fails('select handoff.auc_final(packed) from metrics_small') as model_as_auc, pg_temp.fails('select handoff.logistic_final(auc) from metrics_small') as auc_as_model;
-- NaN as a score; more positives than rows; a sum out of range
select pg_temp.fails(format('select handoff.auc_final(%L)', overlay(auc placing nan from 29 + 16))) as nan,
	pg_temp.fails(format('select handoff.auc_final(%L)', overlay(auc placing most from 29 + 8))) as too_positive,
	pg_temp.fails(format('select pg_temp.auc_of(s) from (values (%L::bytea), (%1$L)) v(s)', overlay(auc placing most from 29))) as too_many
from metrics_small, (select case when get_byte(substr(pg_temp.auc_state(1, true), 29, 8), 0) = 1 then '\x000000000000f87f'::bytea else '\x7ff8000000000000' end as nan,
	case when get_byte(substr(pg_temp.auc_state(1, true), 29, 8), 0) = 1 then '\xffffffffffffff7f'::bytea else '\x7fffffffffffffff' end as most) e;
select pg_temp.fails($$select handoff.auc_step(null, 1, true)$$);
select pg_temp.fails($$select handoff.tally_combine(auc, auc) from metrics_small$$);
select pg_temp.fails($$select pg_temp.auc_of(s) from metrics_small, unnest(array[auc, packed]) s$$);

--
-- logistic_fit: closed forms
--
create function pg_temp.rounded(handoff.logistic_model) returns text language sql as $$
	select format('b %s se %s n %s positives %s ridge %s ll %s', array(select round(b::numeric, 6) from unnest($1.coefficients) b),
		array(select round(b::numeric, 6) from unnest($1.standard_errors) b), $1.n, $1.positives, $1.ridge, round($1.log_likelihood::numeric, 6))
$$;
-- no feature: the log odds, with error 1 / sqrt(n p (1 - p))
select pg_temp.rounded(handoff.logistic_fit(i <= 3, '{}', 0)), round(ln(3.0 / 7), 6) as b, round(1 / sqrt(2.1), 6) as se, round(3 * ln(0.3) + 7 * ln(0.7), 6) as ll
from generate_series(1, 10) i;
-- one that is 0 or 1: the log odds ratio of the table (12, 5; 3, 20), with the root of the sum of inverses
with t as (select i <= 17 as exposed, i <= 12 or i between 18 and 20 as outcome from generate_series(1, 40) i)
select pg_temp.rounded(handoff.logistic_fit(outcome, array[exposed::int], 0)), round(ln(3.0 / 20), 6) as b0, round(ln(12.0 * 20 / 5 / 3), 6) as b1,
	round(sqrt(1.0 / 12 + 1.0 / 5 + 1.0 / 3 + 1.0 / 20), 6) as se1
from t;
-- Space shuttle O-rings by temperature (Dalal, Fowlkes, Hoadley, JASA 84, 1989): 15.043 (7.379), -0.232 (0.108)
create table oring as
select * from unnest('{66,70,69,68,67,72,73,70,57,63,70,78,67,53,67,75,70,81,76,79,75,76,58}'::float8[],
	'{f,t,f,f,f,f,f,f,t,t,t,f,f,t,f,f,f,f,f,f,t,f,t}'::boolean[]) u(temperature, distress);
select pg_temp.rounded(handoff.logistic_fit(distress, array[temperature], 0)) from oring;
-- other units of a feature, a shifted one: the same model
select round((c[2] * 9 / 5)::numeric, 9) = round(f[2]::numeric, 9) as scaled, round((f[1] + f[2] * -32 * 5 / 9)::numeric, 9) = round(c[1]::numeric, 9) as shifted
from (select (handoff.logistic_fit(distress, array[temperature], 0)).coefficients as c,
	(handoff.logistic_fit(distress, array[(temperature - 32) * 5 / 9], 0)).coefficients as f from oring) s;
select round(handoff.logistic_predict(coefficients, array[31])::numeric, 6) as at_31, round(handoff.logistic_predict(coefficients, array[75])::numeric, 6) as at_75
from (select (handoff.logistic_fit(distress, array[temperature], 0)).* from oring) m;

-- At the maximum the residuals and the penalty balance for each feature, by SQL's own sums; packed and
-- wide rows, in words of 64 bits and past them, with and without a ridge.
create table metrics_feature as
select r.id, r.outcome, array[r.part, r.tied::float8, r.untied * 10 - 3] as few,
	(select array_agg(((r.id * 2654435761 >> (i % 17)) % (i + 3) = 0)::int::float8 order by i) from generate_series(1, 70) i) as bits
from metrics_row r;
create function pg_temp.imbalance(features text, ridge float8) returns table (most float8, likelihood_off float8, iterations int) language plpgsql as $$
begin
	return query execute format($q$
		with m as (select (handoff.logistic_fit(outcome, %1$I, %2$L)).* from metrics_feature),
		r as (select outcome, array[1::float8] || %1$I as x, handoff.logistic_predict(m.coefficients, %1$I) as p from metrics_feature, m),
		g as (select i, sum((outcome::int - p) * v) as pull from r, unnest(x) with ordinality u(v, i) group by i)
		select (select max(abs(pull - case when i = 1 then 0 else %2$L::float8 * coefficients[i] end)) from g),
			abs(log_likelihood - (select sum(ln(case when outcome then p else 1 - p end)) from r)), iterations from m $q$, features, ridge);
end $$;
select features, ridge, most < 1e-8 as balanced, likelihood_off < 1e-8 as likelihood, iterations < 10 as quick
from unnest(array['few', 'bits']) features, unnest(array[0, 0.01, 1, 1000]::float8[]) ridge, pg_temp.imbalance(features, ridge) order by 1, 2;
-- bits are the same model when they are stored wide (twice as large, so half the coefficients, ridge four times)
select (select max(abs(a - 2 * b)) < 1e-9 from unnest(packed[2:], wide[2:]) u(a, b)) as coefficients, abs(packed[1] - wide[1]) < 1e-9 as intercept,
	(select max(abs(a - 2 * b)) < 1e-9 from unnest(packed_se[2:], wide_se[2:]) u(a, b)) as errors
from (select p.coefficients as packed, p.standard_errors as packed_se, w.coefficients as wide, w.standard_errors as wide_se
	from (select (handoff.logistic_fit(outcome, bits, 1)).* from metrics_feature) p,
		(select (handoff.logistic_fit(outcome, array(select v * 2 from unnest(bits) with ordinality u(v, i) order by i), 4)).* from metrics_feature) w) s;
-- rows that stop being bits halfway
select max(abs(a - b)) < 1e-9 as widened
from (select (handoff.logistic_fit(outcome, array[id % 2, case when id > 1500 then untied else part / 2 end], 0 order by id)).coefficients as late,
		(handoff.logistic_fit(outcome, array[id % 2, case when id > 1500 then untied else part / 2 end], 0 order by id desc)).coefficients as early
	from metrics_row) s, unnest(late, early) u(a, b);
-- a ridge without end leaves the intercept
select round(coefficients[1]::numeric, 6) = round(ln(positives::numeric / (n - positives)), 6) as intercept, round(coefficients[2]::numeric, 6) as nothing
from (select (handoff.logistic_fit(outcome, array[untied], 1e12)).* from metrics_row) m;
-- rows that count for nothing, and too few outcomes
select (handoff.logistic_fit(outcome, features, 0)).n
from (values (true, array[1.0, 2.0]), (false, array[1.5, 3.0]), (true, array[2.0, 2.5]), (false, array[1.0, 2.0]), (false, array[3.0, 1.0]), (true, array[3.0, 1.0]),
	(null, array[1.0, 1.0]), (true, null), (true, array[null, 1.0])) v(outcome, features);
select handoff.logistic_fit(true, array[id], 0) is null as one_outcome, handoff.logistic_fit(null, array[id], 0) is null as no_outcome from metrics_row;

-- what has no single maximum, and what a ridge makes of it
select what, left(pg_temp.fails(format('select handoff.logistic_fit(%s, %s, 0) from metrics_row', outcome, features)), 150) as ridge_0,
	left(pg_temp.fails(format('select handoff.logistic_fit(%s, %s, 0.1) from metrics_row', outcome, features)), 150) as ridge_above
from (values ('constant', 'outcome', 'array[tied, 3]'), ('never', 'outcome', 'array[0, part]'), ('sum of others', 'outcome', 'array[tied, untied, tied * 2 - untied + 1]'),
	('all of three', 'outcome', 'array[(part = 0)::int, (part = 1)::int, (part = 2)::int]'), ('separated', 'untied > 0.5', 'array[untied, tied]'),
	('separated in part', 'outcome or part = 2', 'array[(part = 2)::int, tied]'), ('separated bits', 'outcome or part = 2', 'array[(part = 2)::int, id % 2]'),
	('first rows', 'id <= 7', 'array[id]')) v(what, outcome, features);

--
-- Errors
--
select call, pg_temp.fails(format('select handoff.%s from metrics_row where id <= 20', call))
from unnest(array['auc(''NaN'', outcome)', 'lift(''NaN'', outcome, 2)', 'lift(untied, outcome, 0)', 'lift(untied, outcome, null)', 'lift(untied, outcome, 10001)',
	'lift(untied, outcome, id)', 'calibration(untied, outcome, 0)', 'calibration(1.5, outcome, 2)', 'calibration(-1e-9, outcome, 2)', 'calibration(''NaN'', outcome, 2)',
	'logistic_fit(outcome, array[untied], -1)', 'logistic_fit(outcome, array[untied], null)', 'logistic_fit(outcome, array[untied], ''NaN'')',
	'logistic_fit(outcome, array[untied], ''Infinity'')', 'logistic_fit(outcome, array[untied], id)', 'logistic_fit(outcome, array[1, ''NaN''::float8], 0)',
	'logistic_fit(outcome, array[1, ''-Infinity''::float8], 0)', 'logistic_fit(outcome, array[[untied]], 0)',
	'logistic_fit(outcome, case when id > 5 then array[untied] else array[untied, 2] end, 0)', 'logistic_fit(outcome, array_fill(1::float8, array[1001]), 0)',
	'logistic_predict(array[1, 2], array[1, 2])', 'logistic_predict(array[[1, 2]], array[1])']) call;
select handoff.logistic_predict(array[1, null], array[1]) is null as null_coefficient, handoff.logistic_predict(array[1, 2], array[null]::float8[]) is null as null_feature,
	handoff.logistic_predict(null, array[1]) is null as no_model, handoff.logistic_predict(array[0], '{}') as nothing_known,
	handoff.logistic_predict(array[0, 1e308], array[-1e308]) as never, handoff.logistic_predict(array[0, 1e308], array[1e308]) as always;
-- memory is bounded: distinct scores and rows count, not their number
set maintenance_work_mem = '1MB';
select pg_temp.fails($$select handoff.auc(sqrt(g), true) from generate_series(1, 100000) g$$);
select pg_temp.fails($$select handoff.logistic_fit(g % 2 = 0, array[g, sqrt(g)], 0) from generate_series(1, 100000) g$$);
select pg_temp.fails($$select handoff.logistic_fit(g % 3 = 0, array[g & 1, g & 2, g & 4], 0) from generate_series(1, 100000) g$$);
select pg_temp.fails($$select handoff.auc(round(sqrt(g)), g % 3 = 0) from generate_series(1, 100000) g$$);
reset maintenance_work_mem;

drop table metrics_row, metrics_serial, metrics_state, metrics_small, oring, metrics_feature;
