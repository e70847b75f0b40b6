--
-- kaplan_meier(): exact cases, what is refused, and states in parts
--
create function pg_temp.fails(query text) returns text language plpgsql as $$
begin
	execute query;
	return 'nothing';
exception when others then
	return sqlstate || ' ' || sqlerrm;
end $$;

-- nobody is lost from sight: percentile_disc(), whatever the order
select handoff.kaplan_meier(x, true, '{0.25,0.5,0.9,1}'), percentile_disc('{0.25,0.5,0.9,1}'::float8[]) within group (order by x)
from unnest('{3,1,4,1,5,9,2,6,5,3}'::float8[]) x;
select n, count(*) filter (where k <> p) as other
from (select n, handoff.kaplan_meier(x, true, array_agg) as k, percentile_disc(array_agg) within group (order by x) as p
	from generate_series(1, 60) n, lateral (select array_agg(i / 20.0::float8) from generate_series(1, 20) i) a (array_agg),
		lateral (select (hashint8extended(n, i) & 15)::float8 from generate_series(1, n) i) v (x)
	group by n, array_agg) s group by n having count(*) filter (where k <> p) > 0;

-- Freireich et al. (1963): weeks in remission, + still so; published medians 23 and 8
select what, handoff.kaplan_meier(rtrim(w, '+')::float8, w !~ '\+', '{0.1,0.25,0.5,0.9}') as seconds
from (values ('6-MP', '6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+'),
	('placebo', '1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23')) d (what, weeks), string_to_table(weeks, ' ') w
group by what order by what;

-- who is lost at a time was at risk until then; those lost before the first one change nothing
select handoff.kaplan_meier(x, h, '{0.5}') as half, handoff.kaplan_meier(x, h, '{1}') as all_of_them
from (values (1, 2.0::float8, true), (1, 2, false), (2, 2, true), (2, 1, false), (3, 0, false), (3, 0, true), (4, 5, false)) v (i, x, h) group by i order by i;
select handoff.kaplan_meier(x, h, '{0.5,0.9}') from (values ('infinity'::float8, false), ('infinity', false), (3, true), (0, true)) v (x, h);

-- rows with a null count for nothing, and no rows give null
select handoff.kaplan_meier(x, h, '{0.5}') from (values (null::float8, true), (1, null), (7, true)) v (x, h);
select handoff.kaplan_meier(x, h, '{0.5}') from (values (null::float8, true)) v (x, h);
select handoff.kaplan_meier(1, true, '{0.5}') where false;

-- a million rows, each lost or not: what is left is rounded far less than one row
select handoff.kaplan_meier(i, true, '{0.5,0.9}') from generate_series(1, 1000000) i;
select handoff.kaplan_meier(i, i % 2 = 0, '{0.5}') = array[(select min(i) from (select i, sum(ln(1 - 1.0 / (100001 - i))) over (order by i) as l from generate_series(1, 99999) i where i % 2 = 0) s where l <= ln(0.5))::float8]
	from generate_series(1, 100000) i;

-- as a window, the later rows are not known yet
select i, handoff.kaplan_meier(x, true, '{0.5}') over (order by i) as so_far from unnest('{9,1,5,3}'::float8[]) with ordinality v (x, i);

-- refused
select pg_temp.fails(q) from unnest(array[
	'select handoff.kaplan_meier(-1, true, ''{0.5}'')',
	'select handoff.kaplan_meier(''nan'', true, ''{0.5}'')',
	'select handoff.kaplan_meier(1, true, null)',
	'select handoff.kaplan_meier(1, true, ''{}'')',
	'select handoff.kaplan_meier(1, true, ''{0}'')',
	'select handoff.kaplan_meier(1, true, ''{0.5,1.1}'')',
	'select handoff.kaplan_meier(1, true, ''{0.5,nan}'')',
	'select handoff.kaplan_meier(1, true, ''{0.5,null}'')',
	'select handoff.kaplan_meier(1, true, ''{{0.5},{0.6}}'')',
	'select handoff.kaplan_meier(1, true, array_fill(0.5::float8, array[101]))',
	'select handoff.kaplan_meier(1, true, s) from unnest(array[0.5, 0.6]) u, lateral (select array[u::float8]) a (s)',
	'select handoff.kaplan_meier(1, true, s) from (values (''{0.5}''::float8[]), (''{0.5,0.9}'')) v (s)',
	'select handoff.kaplan_meier_step(null, 1, true, ''{0.5}'')',
	'select handoff.kaplan_meier_combine(null, null)']) with ordinality u (q, i) order by i;

--
-- In parts: parallel workers, and states that are stored and put together elsewhere
--
create table waited as select i, (hashint8extended(i, 1) & 65535) / 7.0::float8 as x, hashint8extended(i, 2) % 10 > 2 as h from generate_series(1, 20000) i;
analyze waited;
create table waited_serial as select handoff.kaplan_meier(x, h, '{0.1,0.5,0.9}') as k from waited;
set parallel_setup_cost = 0;
set parallel_tuple_cost = 0;
set min_parallel_table_scan_size = 0;
explain (costs off) select handoff.kaplan_meier(x, h, '{0.1,0.5,0.9}') from waited;
select handoff.kaplan_meier(x, h, '{0.1,0.5,0.9}') = (select k from waited_serial) from waited;
reset parallel_setup_cost;
reset parallel_tuple_cost;
reset min_parallel_table_scan_size;
create aggregate pg_temp.state(float8, boolean, float8[]) (sfunc = handoff.kaplan_meier_step, stype = bytea);
create aggregate pg_temp.of_states(bytea) (sfunc = handoff.kaplan_meier_combine, stype = bytea, finalfunc = handoff.kaplan_meier_final);
create table waited_state as select i % 7 as part, pg_temp.state(x, h, '{0.1,0.5,0.9}') as s from waited group by 1 union all select 8, null;
select pg_temp.of_states(s) = (select k from waited_serial) from waited_state;
-- what is no state: cut anywhere, any byte changed
create table waited_small as select pg_temp.state(i, i % 2 = 0, '{0.5,0.9}') as s from generate_series(1, 6) i;
select what, count(*) > 60 as many, array_agg(distinct left(outcome, 5) order by left(outcome, 5)) as outcomes
from (
	select 'cut' as what, pg_temp.fails(format('select pg_temp.of_states(%L)', substr(s, 1, i))) as outcome from waited_small, generate_series(0, length(s) - 1) i
	union all
	select 'changed', pg_temp.fails(format('select pg_temp.of_states(%L)', set_byte(s, i, get_byte(s, i) # b))) from waited_small, generate_series(0, length(s) - 1) i, unnest(array[1, 128, 255]) b
) f group by what order by what;
create aggregate pg_temp.auc_state(float8, boolean) (sfunc = handoff.auc_step, stype = bytea);
create aggregate pg_temp.auc_of(bytea) (sfunc = handoff.tally_combine, stype = bytea, finalfunc = handoff.auc_final);
select pg_temp.fails('select handoff.kaplan_meier_final(s) from (select pg_temp.auc_state(i, i % 2 = 0) as s from generate_series(1, 6) i) a') as auc_as_times,
	pg_temp.fails('select handoff.auc_final(s) from waited_small') as times_as_auc,
	pg_temp.fails('select pg_temp.of_states(s) from (select pg_temp.state(1, true, array[p]) as s from unnest(array[0.5, 0.6]::float8[]) p group by p) a') as other_shares;

drop table waited, waited_serial, waited_state, waited_small;
