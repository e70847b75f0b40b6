-- handoff.heat: points that halve every half-life.
\set SHOW_CONTEXT never
set timezone = 'UTC';
set intervalstyle = 'postgres';
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

-- the eight bytes as a number, whose order is the order of the points
create function pg_temp.raw(h handoff.heat) returns bigint language sql immutable as $$
	select ('x' || encode(substr(handoff.heat_send(h), 2), 'hex'))::bit(64)::bigint
$$;

--
-- Input and output
--
select handoff.heat(50, '2000-01-01 00:00Z', '30 days') as at_epoch,
	handoff.heat(50, '2000-01-31 00:00Z', '30 days') as a_half_life_on,
	handoff.heat(50, '1999-12-02 00:00Z', '30 days') as a_half_life_before,
	handoff.heat(50, '2026-07-01 00:00Z', null) as no_decay;
select handoff.heat(1, '2000-01-01 00:00Z', '1 hour') as one,
	handoff.heat(-0.125, '2000-01-01 00:00Z', '1 hour') as minus_an_eighth,
	handoff.heat(0, '2000-01-01 00:00Z', '1 hour') as zero,
	handoff.heat(-0.0, '2000-01-01 00:00Z', '1 hour') as minus_zero;

-- text -> heat -> text: canonical form, last bit, ties and limits
select t, t::handoff.heat
from unnest(array['0', '2^0', '2^-0', '-2^-0.0', '2^5.50', '2^005', '2^0.0000000000005', '2^0.000000000001',
	'2^-0.000000000000909494', '2^0.999999999999', '2^0.9999999999999', '2^0.333333333333333333',
	'2^4194303.999999999999', '-2^4194303.999999999999', '2^-4194303.999999999999']) t;

select t, pg_temp.fails(format('select %L::handoff.heat', t))
from unnest(array['', ' ', '1', '-0', '+2^1', '2^', '2^-', '2^.5', '2^5.', '2^--5', '2^5e3', '2^5 ', ' 2^5', '3^5',
	'2^NaN', '2^1.1234567890123456789', '2^4194304', '-2^-4194304', '2^4194303.9999999999999',
	'2^99999999999999999999999999']) t;

-- what isn't a half-life, a number of points, a moment
select i, pg_temp.fails(format('select handoff.heat(1, now(), %L)', i))
from unnest(array['59 minutes 59.999999 seconds', '0', '-30 days', '1 month', '1 year -12 months 1 second', '1 mon -29 days',
	'2147483647 days 1000000000 hours']) i;
select handoff.heat(8, '2000-01-01 01:00Z', '2 days -47 hours') as shortest_half_life,
	handoff.heat(8, '294276-12-31 23:59Z', '106751990 days') as longest_half_life;
-- only newer servers have them: soft errors (16), infinite intervals (17)
select pg_temp.fails(case when current_setting('server_version_num')::int >= 160000
	then $$select 1 / (not pg_input_is_valid('2^', 'handoff.heat') and not pg_input_is_valid('2^4194304', 'handoff.heat'))::int$$ else '' end) as soft_errors,
	pg_temp.fails(case when current_setting('server_version_num')::int >= 170000
	then $$select handoff.heat(1, now(), 'infinity')$$ else 'select 1 / 0' end) ~ '^(22023|22012) ' as infinite_half_life;
select pg_temp.fails($$select handoff.points('2^1', now(), '59 minutes')$$);
select pg_temp.fails($$select handoff.falls_to('2^1', 1, '1 month')$$);
select p, pg_temp.fails(format('select handoff.heat(%L, now(), null)', p)) as heat,
	pg_temp.fails(format('select handoff.falls_to(%L, %L, null)', '2^1', p)) as falls_to
from unnest(array['NaN', 'Infinity', '-Infinity']) p;
select t, pg_temp.fails(format('select handoff.heat(1, %L, null)', t)) as heat,
	pg_temp.fails(format('select handoff.points(%L, %L, %L)', '2^1', t, '1 day')) as points
from unnest(array['infinity', '-infinity']) t;

-- NULL
select handoff.heat(null, now(), '1 day') is null and handoff.heat(1, null, '1 day') is null
	and handoff.points(null, now(), '1 day') is null and handoff.points('2^1', null, '1 day') is null
	and handoff.falls_to(null, 1, '1 day') is null and handoff.falls_to('2^1', null, '1 day') is null
	and '2^1' operator(handoff.+) null::handoff.heat is null
	and (select handoff.sum(h) from unnest(array[]::handoff.heat[]) h) is null as nulls;

-- the ends of the range: too small is 0, too large stays at the largest; a double overflows to infinity
select handoff.heat(1, '1521-01-01Z', '1 hour') as too_small,
	handoff.heat(1, '2479-01-01Z', '1 hour') as too_large,
	handoff.heat(-1, '294276-12-31 23:59:59.999999Z', '1 hour') as far_too_large,
	handoff.heat(1, '4713-01-01 BC Z', '1 hour') as far_too_small;
select h, h operator(handoff.+) h as twice,
	handoff.points(h, '2000-01-01Z', '1 hour') as points
from unnest(array['2^4194303.999999999999', '-2^4194303.5', '2^-4194303.9']::handoff.heat[]) h;
select handoff.heat(5e-324, '2000-01-01Z', null) as tiny,
	handoff.points(handoff.heat(5e-324, '2000-01-01Z', null), '2000-01-01Z', null) = 5e-324 as tiny_points,
	handoff.heat(1.7976931348623157e308, '2000-01-01Z', null) as huge;

--
-- A few numbers anyone can check
--
select handoff.points(handoff.heat(64, '2026-03-01 10:00Z', '14 days'), '2026-03-01 10:00Z'::timestamptz + d * interval '1 day', '14 days') as points, d
from unnest(array[-14, 0, 14, 28, 84, 98]) d;
select handoff.points(handoff.heat(64, '2026-03-01 10:00Z', null), '2126-03-01 10:00Z', null) as stands_still;
select handoff.points(handoff.heat(64, '2026-03-01Z', '1 day') operator(handoff.+) handoff.heat(-16, '2026-03-02Z', '1 day'), '2026-03-02Z', '1 day') as sixteen_left,
	handoff.heat(64, '2026-03-01Z', '1 day') operator(handoff.+) handoff.heat(-32, '2026-03-02Z', '1 day') as nothing_left;
select handoff.falls_to(handoff.heat(64, '2026-03-01 10:00Z', '14 days'), 16, '14 days') as falls_to,
	handoff.falls_to(handoff.heat(64, '2026-03-01 10:00Z', '1 day'), 256, '1 day') as in_the_past,
	handoff.falls_to(handoff.heat(64, '2026-03-01 10:00Z', null), 16, null) as no_decay,
	handoff.falls_to(handoff.heat(-64, '2026-03-01 10:00Z', '1 day'), 16, '1 day') as negative,
	handoff.falls_to(handoff.heat(64, '2026-03-01 10:00Z', '1 day'), 0, '1 day') as zero,
	handoff.falls_to('2^4194303', 1, '365 days') as after_the_end_of_time,
	handoff.falls_to('2^-4194303', 1, '365 days') as before_its_beginning;
-- the longest half-life, and more than one of it between the fractions (found by make fuzz)
select handoff.falls_to(handoff.heat(0.75, '2000-01-01Z', '106751990 days'), 0.55, '106751990 days') as far_away;

--
-- Against exact numbers. Half-lives of an hour to a year and none; moments over 30 years.
--
create temp table half_life as
select i::interval as half_life, extract(epoch from i::interval) * 1000000 as us
from unnest(array['1 hour', '1 day 03:07:11.000013', '30 days', '365 days', null]) i;

-- half-lives from 2000 to a moment, to 30 decimals; 0 without decay
create function pg_temp.half_lives(at timestamptz, us numeric) returns numeric language sql immutable as $$
	select coalesce(((extract(epoch from at) - 946684800) * 1000000)::numeric(50, 30) / us, 0)
$$;
create function pg_temp.log2(x numeric) returns numeric language sql immutable as $$
	select ln(x::numeric(50, 30)) / ln(2::numeric(50, 30))
$$;

create temp table sample as
select row_number() over (order by half_life, at, points) as n, e.*, handoff.heat(points::float8, at, half_life) as heat
from (select half_life, us,
		(round((10 ^ (random() * 9 - 4))::numeric, 6) + 0.000001) * (case when random() < 0.3 then -1 else 1 end) as points,
		timestamptz '1996-01-01Z' + random() * interval '10957 days' as at
	from half_life, generate_series(1, 1000)) e;

-- the level is log2(points) + time / half-life, right to half a bit, and the text to another half
select count(*) > 2000 as samples,
	max(abs(substring(heat::text from '\^(.*)')::numeric - pg_temp.log2(abs(points)) - pg_temp.half_lives(at, us))) < 9.2e-13 as level
from sample;

-- the sign, and the points at the moment they were given
select bool_and((pg_temp.raw(heat) < 0) = (points < 0)) as sign,
	max(abs(handoff.points(heat, at, half_life) / points::float8 - 1)) < 1e-12 as given
from sample;

-- text and binary lead back to the same bits; no shorter text does
select bool_and(heat operator(handoff.=) heat::text::handoff.heat) as same,
	bool_and(heat::text::handoff.heat::text = heat::text) as canonical,
	max(length(split_part(heat::text, '.', 2))) as most_decimals
from sample;
select count(*) > 2000 as samples,
	bool_and(shorter::handoff.heat operator(handoff.<>) heat) as none_shorter
from sample,
	lateral (select substring(heat::text from '^-?2\^-?') as sign, substring(heat::text from '[0-9.]+$')::numeric as level) l,
	lateral (select sign || round(level, scale(level) - 1) as shorter) s
where scale(level) > 0;

\copy (select heat from sample order by n) to 'results/heat.bin' with (format binary)
create temp table sample_copy (n bigint generated always as identity, heat handoff.heat);
\copy sample_copy (heat) from 'results/heat.bin' with (format binary)
select count(*) = (select count(*) from sample) as all_back,
	bool_and(c.heat operator(handoff.=) s.heat) as binary_same
from sample_copy c join sample s using (n);

-- malformed binary: an unknown version, no magnitude, too short, too long
\copy (select '\x020000000000000000'::bytea) to 'results/heat.bin' with (format binary)
\copy sample_copy (heat) from 'results/heat.bin' with (format binary)
\copy (select '\x018000000000000000'::bytea) to 'results/heat.bin' with (format binary)
\copy sample_copy (heat) from 'results/heat.bin' with (format binary)
\copy (select '\x0100'::bytea) to 'results/heat.bin' with (format binary)
\copy sample_copy (heat) from 'results/heat.bin' with (format binary)
\copy (select '\x01000000000000000000'::bytea) to 'results/heat.bin' with (format binary)
\copy sample_copy (heat) from 'results/heat.bin' with (format binary)

-- order: who has more points has more whenever one looks
select count(*) > 2000 as pairs,
	bool_and(sign(pg_temp.raw(a.heat)::numeric - pg_temp.raw(b.heat)) = sign(handoff.points(a.heat, t, a.half_life) - handoff.points(b.heat, t, b.half_life))) as same_order
from sample a
	join sample b on b.n = a.n + 1 and b.half_life is not distinct from a.half_life,
	lateral (select a.at + (random() * 20 - 10) * least(b.at - a.at, 40 * coalesce(a.half_life, '1 day')) as t) m;

--
-- Order
--
-- of one half-life, that of the exact points: their logarithm grows with the level, whatever the moment.
-- Where two are closer than the last bit, either order will do.
create temp table exact as
select n, half_life, heat, points, at,
	case when points < 0 then -1 else 1 end * (pg_temp.log2(abs(points)) + pg_temp.half_lives(at, us) + 4194304) as level
from sample;
select count(*) > 2000 as samples,
	bool_and(by_heat is null or by_heat <= level + 1e-12) as order_of_exact_points
from (select *, lag(level) over (partition by half_life order by heat) as by_heat from exact) e;

-- each operator, against the numbers: samples of all sizes, the ends, neighbours of one bit, equal ones
create temp table edge as
select row_number() over (order by heat) as n, heat, pg_temp.raw(heat) as raw
from (select heat from sample where n % 40 = 0
	union all select unnest(array['0', '0', '2^0', '2^0.000000000001', '2^-0.000000000001', '-2^0', '-2^0.000000000001',
		'2^4194303.999999999999', '-2^4194303.999999999999', '2^-4194303.999999999999', '-2^-4194303.999999999999',
		'2^5.5', '2^5.5', '-2^5.5', '-2^5.5']::handoff.heat[])) h;
create function pg_temp.wrong(a handoff.heat, b handoff.heat, x bigint, y bigint) returns text language sql immutable as $$
	select nullif(concat_ws(' ',
		case when (a operator(handoff.<) b) <> (x < y) then '<' end,
		case when (a operator(handoff.<=) b) <> (x <= y) then '<=' end,
		case when (a operator(handoff.=) b) <> (x = y) then '=' end,
		case when (a operator(handoff.<>) b) <> (x <> y) then '<>' end,
		case when (a operator(handoff.>=) b) <> (x >= y) then '>=' end,
		case when (a operator(handoff.>) b) <> (x > y) then '>' end,
		case when sign(handoff.heat_cmp(a, b)) <> case when x < y then -1 when x > y then 1 else 0 end then 'cmp' end,
		case when handoff.heat_smaller(a, b) operator(handoff.<>) case when x < y then a else b end then 'smaller' end,
		case when handoff.heat_larger(a, b) operator(handoff.<>) case when x > y then a else b end then 'larger' end,
		case when x = y and (handoff.heat_hash(a) <> handoff.heat_hash(b)
			or handoff.heat_hash_extended(a, 7) <> handoff.heat_hash_extended(b, 7)) then 'hash' end,
		case when handoff.heat_hash_extended(a, 0) & 4294967295 <> handoff.heat_hash(a)::bigint & 4294967295 then 'hash extended' end), '')
$$;
select count(*) > 10000 as pairs, count(pg_temp.wrong(a.heat, b.heat, a.raw, b.raw)) as wrong
from edge a, edge b;
select bool_and((a operator(handoff.<) b) is null and (a operator(handoff.=) b) is null and handoff.heat_cmp(a, b) is null) as nulls
from (values ('2^1'::handoff.heat, null::handoff.heat), (null, '2^1')) v (a, b);

-- sorting, either way; what text and binary bring back sorts the same
select bool_and(a = b and a = c and a = d) as sorted
from (select row_number() over (order by heat, n) as a, row_number() over (order by pg_temp.raw(heat), n) as b,
		count(*) over () + 1 - row_number() over (order by heat desc, n desc) as c,
		row_number() over (order by heat::text::handoff.heat, n) as d from sample) o;
select bool_and(s.place = c.place) as copied_order
from (select n, row_number() over (order by heat, n) as place from sample) s
	join (select n, row_number() over (order by heat, n) as place from sample_copy) c using (n);

-- the plans that the operator classes make possible: all give what the numbers give
create function pg_temp.plan_has(what text, query text) returns boolean language plpgsql as $$
declare
	line text;
begin
	for line in execute 'explain (costs off) ' || query loop
		if position(what in line) > 0 then
			return true;
		end if;
	end loop;
	return false;
end $$;
create table heat_order as
select n, half_life, heat, pg_temp.raw(heat) as raw from sample
union all select -n, half_life, heat, pg_temp.raw(heat) from sample where n % 3 = 0;
create index heat_order_btree on heat_order (half_life, heat);
create index heat_order_only on heat_order (heat);
create index heat_order_hash on heat_order using hash (heat);
analyze heat_order;
create extension amcheck;
select bt_index_parent_check('heat_order_btree', true), bt_index_parent_check('heat_order_only', true);

create function pg_temp.answer(query text, want text, variadic off text[]) returns table (planned boolean, answer text) language plpgsql as $$
declare
	setting text;
begin
	foreach setting in array off loop
		perform set_config('enable_' || setting, 'off', true);
	end loop;
	planned := pg_temp.plan_has(want, query);
	execute query into answer;
	foreach setting in array off loop
		perform set_config('enable_' || setting, 'on', true);
	end loop;
	return next;
end $$;
select method, planned, answer = numbers as right
from (select count(*)::text as numbers from heat_order a join heat_order b on a.raw = b.raw) n,
	(values ('hash', 'Hash Join', '{mergejoin,nestloop}'), ('merge', 'Merge Join', '{hashjoin,nestloop}'), ('loop', 'Nested Loop', '{hashjoin,mergejoin}')) m (method, want, off),
	pg_temp.answer('select count(*) from heat_order a join heat_order b on a.heat operator(handoff.=) b.heat', want, variadic off::text[]);
select method, planned, answer = numbers as right
from (select string_agg(k || ':' || n, ' ' order by k) as numbers from (select k, count(*) as n from (select count(*) as k from heat_order group by raw) g group by k) h) n,
	(values ('hash', 'HashAggregate', '{sort,indexscan,indexonlyscan}'), ('sort', 'GroupAggregate', '{hashagg}')) m (method, want, off),
	pg_temp.answer($$select string_agg(k || ':' || n, ' ' order by k) from (select k, count(*) as n from (select count(*) as k from heat_order group by heat offset 0) g group by k) h$$, want, variadic off::text[]);
select bool_and(planned) as btree, bool_and(answer = numbers) as right, count(*)
from (select heat, half_life, (select count(*)::text from heat_order o where o.raw >= pg_temp.raw(s.heat) and o.half_life is not distinct from s.half_life) as numbers
	from sample s where n % 50 = 0) n,
	pg_temp.answer(format('select count(*) from heat_order where heat operator(handoff.>=) %L and half_life %s', heat, coalesce('= ' || quote_literal(half_life), 'is null')),
		'heat_order_btree', 'seqscan');
select f, planned, answer::handoff.heat operator(handoff.=) heat as right
from (select case f when 'min' then (select heat from heat_order order by raw limit 1) else (select heat from heat_order order by raw desc limit 1) end as heat, f
	from unnest(array['min', 'max']) f) n,
	pg_temp.answer(format('select handoff.%I(heat) from heat_order', f), 'Index Only Scan', 'seqscan');

drop index heat_order_only;
select bool_and(planned) as hash_index, bool_and(answer = numbers) as right, count(*)
from (select heat, (select count(*)::text from heat_order o where o.raw = pg_temp.raw(s.heat)) as numbers from sample s where n % 50 = 0) n,
	pg_temp.answer(format('select count(*) from heat_order where heat operator(handoff.=) %L', heat), 'heat_order_hash', 'seqscan', 'indexonlyscan');

-- an index range of one half-life is what points() filters, at any moment, to the last bits of a limit
select bool_and(by_index = by_points) as same, count(*) as questions, max(by_index) > 100 as some, min(by_index) as none
from (select at, lim, half_life from half_life, unnest(array['1990-01-01Z', '2011-05-05 05:05Z', '2026-07-01Z', '2060-01-01Z']::timestamptz[]) at,
		unnest(array[-300, -0.01, 0.001, 1, 25, 4000]) lim) q,
	lateral (select count(*) as by_index from heat_order o
		where o.half_life is not distinct from q.half_life and o.heat operator(handoff.>=) handoff.heat(lim, q.at, q.half_life)) i,
	lateral (select count(*) as by_points from heat_order o
		where o.half_life is not distinct from q.half_life and handoff.points(o.heat, q.at, o.half_life) >= lim) p;

-- a hash partition finds its rows again: the extended hash
create table heat_part (heat handoff.heat) partition by hash (heat);
create table heat_part_0 partition of heat_part for values with (modulus 2, remainder 0);
create table heat_part_1 partition of heat_part for values with (modulus 2, remainder 1);
insert into heat_part select heat from sample;
select (select count(*) from heat_part_0) > 1000 and (select count(*) from heat_part_1) > 1000 as spread,
	bool_and(exists (select from heat_part p where p.heat operator(handoff.=) s.heat)) as found
from sample s;

-- equal heats are kept once (deduplicated)
create table heat_same as select '2^5.5'::handoff.heat as heat from generate_series(1, 20000);
create index heat_same_btree on heat_same (heat);
create index heat_same_each on heat_same (heat) with (deduplicate_items = off);
select pg_relation_size('heat_same_btree') * 2 < pg_relation_size('heat_same_each') as deduplicated;
drop table heat_order, heat_part, heat_same;

-- falls_to: the first microsecond below, and where the formula says, to half a bit of the heat
create temp table fall as
select s.*, handoff.falls_to(heat, threshold::float8, half_life) as falls
from (select *, round((10 ^ (random() * 6 - 3))::numeric, 6) + 0.000001 as threshold from sample where points > 0 and us > 0) s;
select count(*) > 1000 as samples,
	bool_and(handoff.points(heat, falls, half_life) < threshold::float8) as below,
	bool_and(handoff.points(heat, falls - interval '1 microsecond', half_life) >= threshold::float8) as not_before,
	max(abs((extract(epoch from falls) - extract(epoch from at)) * 1000000
		- us * (pg_temp.log2(points) - pg_temp.log2(threshold))) / (2 + us / 2 ^ 41::numeric)) < 1 as right_moment
from fall;

-- sums: histories of 1,000 events each, in any order, over 3 days, a year, 30 years, with or without negative points
create table heat_event as
select h.history, h.half_life, round((10 ^ (random() * 5 - 2))::numeric, 4) * (case when h.mixed and random() < 0.4 then -1 else 1 end) as points,
	timestamptz '2026-01-01Z' - random() * h.span as at, h.us, random() as arrival
from (select row_number() over () as history, * from half_life,
		unnest(array['3 days', '365 days', '10957 days']::interval[]) span,
		unnest(array[false, true]) mixed) h,
	generate_series(1, 1000);

-- what a point given then is worth in 2026
create function pg_temp.weight(at timestamptz, us numeric) returns numeric language sql immutable as $$
	select exp(-0.693147180559945309417232121458176568 * (pg_temp.half_lives('2026-01-01Z', us) - pg_temp.half_lives(at, us)))
$$;

create temp table summed as
select history, half_life, count(*) as n,
	handoff.sum(handoff.heat(points::float8, at, half_life) order by arrival) as got,
	handoff.sum(handoff.heat(points::float8, at, half_life) order by at) as in_order,
	sum(points * pg_temp.weight(at, us)) as exact,
	sum(abs(points) * pg_temp.weight(at, us)) as magnitude
from heat_event
group by history, half_life;

select count(*) as histories, min(n) as events,
	max(abs(handoff.points(got, '2026-01-01Z', half_life)::numeric - exact) / magnitude) < 1e-9 as any_order,
	max(abs(handoff.points(in_order, '2026-01-01Z', half_life)::numeric - exact) / magnitude) < 1e-9 as in_order,
	max(abs(handoff.points(got, '2026-01-01Z', half_life)::numeric - exact) / magnitude) < 1e-10 as tenfold
from summed;

-- a small heat added 100,000 times to a large one: no rounding piles up
select abs(handoff.points(handoff.sum(handoff.heat(case n when 0 then 1e6 else 1e-6 end, '2026-01-01Z', null) order by n), '2026-01-01Z', null)
	/ (1e6 + 0.1) - 1) < 1e-9 as many_small
from generate_series(0, 100000) n;

-- addition is commutative to the last bit, and 0 adds nothing
select bool_and((a.heat operator(handoff.+) b.heat) operator(handoff.=) (b.heat operator(handoff.+) a.heat)) as commutative,
	bool_and((a.heat operator(handoff.+) '0') operator(handoff.=) a.heat) as zero
from sample a join sample b on b.n = a.n + 1;

-- parallel partial sums
set max_parallel_workers_per_gather = 2;
set min_parallel_table_scan_size = 0;
set parallel_setup_cost = 0;
set parallel_tuple_cost = 0;
select pg_temp.plan_has('Partial Aggregate', $$select handoff.sum(handoff.heat(points::float8, at, '30 days')) from heat_event$$) as parallel;
select abs(handoff.points(handoff.sum(handoff.heat(points::float8, at, '30 days')), '2026-01-01Z', '30 days')::numeric
	- sum(points * pg_temp.weight(at, 2592000000000))) / sum(abs(points) * pg_temp.weight(at, 2592000000000)) < 1e-9 as partial_sums
from heat_event;

drop table heat_event;
