-- bench/s8_prepare.sql: a calendar with a lunch break, Saturdays and twelve holidays a year; :rows moments of one year, each
-- with one a month later and one almost ten years later; and what would be written without us: a row an opening.
select handoff.add_calendar('office', 'mon-fri 09:00-12:30 13:30-18:00; sat 10:00-14:00 @ Europe/Berlin');
select handoff.add_holidays('office', array(select (date '2020-01-01' + i * 30 + bench.pick(i, 1, 25)) from generate_series(0, 250) i));
create unlogged table bench.moment as
select at, at + interval '30 days' * (bench.pick(i, 3, 1000) / 1000.0) as later, at + interval '3600 days' as far
from (select i, timestamptz '2026-01-01Z' + bench.pick(i, 2, 31536000) * interval '1 second' as at from generate_series(1, :rows) i) m;
create table bench.opening (opens timestamptz, closes timestamptz);
insert into bench.opening
select (d + h.opens) at time zone 'Europe/Berlin', (d + h.closes) at time zone 'Europe/Berlin'
from generate_series(timestamp '2025-12-01', '2037-01-01', '1 day') d
join (values (int4range(1, 6), interval '9 h', interval '12.5 h'), (int4range(1, 6), '13.5 h', '18 h'), (int4range(6, 7), '10 h', '14 h')) h (days, opens, closes) on extract(isodow from d)::int <@ h.days
where not exists (select from handoff.calendar_exception e where e.on_date = d::date);
create index on bench.opening (closes);
vacuum analyze bench.moment;
vacuum analyze bench.opening;
