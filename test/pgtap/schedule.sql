-- Weekly hours against answers computed elsewhere (the Ruby gem biz and Python's zoneinfo agree on them):
-- is a moment within the hours of a calendar, and at which moment does a local time first occur.
\set cases `cat "$LH_DATA/oracle/business_hours_cases.csv" 2>/dev/null`
\set calendars `cat "$LH_DATA/oracle/calendars.json" 2>/dev/null`
\set changes `cat "$LH_DATA/oracle/local_time_gap_overlap.csv" 2>/dev/null`
select (:'cases' = '' or :'calendars' = '' or :'changes' = '')::text as absent \gset

begin;
set local timezone = 'UTC';
select plan(3);

\if :absent
select skip('LH_DATA has no oracle', 3);
\else

-- its calendars: week {day: [[from, to], ..]}, and dates that are not as every week
create temp table calendar as
select c.key as name, c.value ->> 'time_zone' as zone, c.value as doc,
       (select string_agg(d.key || ' ' || (select string_agg((h ->> 0) || '-' || (h ->> 1), ' ') from jsonb_array_elements(d.value) h), '; ')
        from jsonb_each(c.value -> 'week') d where d.value <> '[]') || ' @ ' || (c.value ->> 'time_zone') as schedule
from jsonb_each(:'calendars'::jsonb) c;
create temp table asked as
select split_part(line, ',', 2) as calendar, split_part(line, ',', 4)::timestamptz as at, split_part(line, ',', 6)::boolean as expected
from regexp_split_to_table(:'cases', E'\r?\n') line
where split_part(line, ',', 3) = 'in_hours';
create temp table usable as
select a.*, c.schedule::handoff.schedule as schedule
from asked a
join calendar c on c.name = a.calendar
where not (c.doc -> 'holidays' ? (a.at at time zone c.zone)::date::text
           or c.doc -> 'date_overrides' ? (a.at at time zone c.zone)::date::text
           or c.doc -> 'breaks' ? (a.at at time zone c.zone)::date::text);

select cmp_ok((select count(*) from usable), '>=', 1000::bigint, 'enough cases without exceptions');
select is_empty($$select calendar, at, expected from usable where handoff.is_open(schedule, at) <> expected$$,
                'open and closed as computed elsewhere');
-- a day of hours that begins at a local time; the date that Apia left out has no hours with us
create temp table change as
select split_part(line, ',', 1) as zone, split_part(line, ',', 2)::timestamp as local, split_part(line, ',', 6)::timestamptz as moment
from regexp_split_to_table(:'changes', E'\r?\n') with ordinality l (line, n)
where n > 1 and line <> '' and split_part(line, ',', 3) <> 'whole day skipped';
select is_empty($$
    select c.* from change c,
    lateral (select (to_char(local, 'dy HH24:MI-HH24:MI') || ' @ ' || zone)::handoff.schedule as schedule) s
    where not handoff.is_open(schedule, moment) or handoff.is_open(schedule, moment - interval '1 us')
$$, 'a local time that comes twice or never is the moment computed elsewhere');
\endif

select * from finish();
rollback;
