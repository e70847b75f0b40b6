-- test/stress/40-heat.sql: heat against sums in exact numbers, over random histories that arrive in any order:
-- in the order of time, backwards, by chance, and as partial sums that are added up.
set timezone = 'UTC';
select setseed(:seed);
set search_path = handoff, public;

create table half_life as
select i::interval as half_life, extract(epoch from i::interval) * 1000000 as us
from unnest(array['1 hour', '1 day 03:07:11.000013', '30 days', '365 days', '4000 days', null]) i;

-- what a point is worth in 2026, in numbers of 50 digits
create function weight(at timestamptz, us numeric) returns numeric language sql immutable as
$$ select case when us is null then 1 else exp(-0.69314718055994530941723212145817656807550013436 * ((extract(epoch from timestamptz '2026-01-01Z') - extract(epoch from at)) * 1000000)::numeric(60, 40) / us) end $$;

create table event as
select h.history, h.half_life, h.us, h.mixed,
    round((10 ^ (random() * 8 - 3))::numeric, 5) * (case when h.mixed and random() < 0.45 then -1 else 1 end) as points,
    -- half of them at once, as a campaign's clicks are
    timestamptz '2026-01-01Z' - case when random() < 0.5 then h.span * 0.3 else random() * h.span end as at,
    (random() * 20)::int as batch
from (select row_number() over () as history, * from half_life, unnest(array['3 days', '365 days', '10957 days']::interval[]) span, unnest(array[false, true]) mixed,
        generate_series(1, greatest(1, (20 * :scale)::int)) n) h,
    generate_series(1, 2000);

create table summed as
select history, half_life, count(*) as n, sum(points * weight(at, us)) as exact, sum(abs(points) * weight(at, us)) as magnitude,
    sum(heat(points::float8, at, half_life) order by at) as in_order, sum(heat(points::float8, at, half_life) order by at desc) as backwards,
    sum(heat(points::float8, at, half_life) order by hashint8((points * 1e5)::bigint)) as by_chance
from event group by history, half_life;
alter table summed add partial heat;
update summed s set partial = p.sum
from (select history, sum(part order by batch) from (select history, batch, sum(heat(points::float8, at, half_life)) as part from event group by 1, 2) p group by 1) p
where p.history = s.history;

create view error as
select o.arrival, s.n, abs(points(o.heat, '2026-01-01Z', s.half_life)::numeric - s.exact) / s.magnitude as error
from summed s, lateral (values ('in order', in_order), ('backwards', backwards), ('by chance', by_chance), ('partial sums', partial)) o (arrival, heat);
select verdict(count(*) > 0 and max(error) < 1e-9, format('heat, %s: %s histories of %s, within %s of the exact sum', arrival, count(*), min(n), to_char(max(error), '9.9EEEE')))
from error group by arrival order by arrival;
