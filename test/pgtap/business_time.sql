-- Business time against answers computed elsewhere: 10,800 cases that the Ruby gem biz and Python's zoneinfo
-- agree on, what other products' own tests expect, and their pauses.
\set cases `cat "$LH_DATA/oracle/business_hours_cases.csv" 2>/dev/null`
\set calendars `cat "$LH_DATA/oracle/calendars.json" 2>/dev/null`
\set peer_cases `cat "$LH_DATA/peer_cases/business_time_cases.csv" 2>/dev/null`
\set peer_calendars `cat "$LH_DATA/peer_cases/calendars.json" 2>/dev/null`
\set pause_cases `cat "$LH_DATA/peer_cases/sla_pause_cases.csv" 2>/dev/null`
select (:'cases' = '' or :'calendars' = '' or :'peer_cases' = '' or :'peer_calendars' = '' or :'pause_cases' = '')::text as absent \gset

begin;
set local timezone = 'UTC';
select plan(16);
\set QUIET 1
set client_min_messages = warning;
select handoff.teardown(true);
select handoff.setup();

\if :absent
select skip('LH_DATA has no oracle', 16);
\else

-- their calendars: week {day: [[from, to], ..]}, holidays, date_overrides and breaks {date: [[from, to], ..]}
create function pg_temp.hours(spans jsonb) returns text language sql immutable
return (select string_agg((h ->> 0) || '-' || (h ->> 1), ' ') from jsonb_array_elements(spans) h);
create temp table theirs as
select c.key as name, c.value as doc
from (select * from jsonb_each(:'calendars'::jsonb) union all select * from jsonb_each(:'peer_calendars'::jsonb)) c;
select handoff.add_calendar(t.name, (select coalesce(string_agg(d.key || ' ' || pg_temp.hours(d.value), '; ') filter (where d.value <> '[]'), 'closed')
                                     from jsonb_each(t.doc -> 'week') d) || ' @ ' || (t.doc ->> 'time_zone'))
from theirs t;
select handoff.add_holidays(t.name, array(select h::date from jsonb_array_elements_text(t.doc -> 'holidays') h), 'public holiday')
from theirs t;
select handoff.add_exception(t.name, e.key::date, 'open', pg_temp.hours(e.value)) from theirs t, jsonb_each(t.doc -> 'date_overrides') e;
select handoff.add_exception(t.name, e.key::date, 'break', pg_temp.hours(e.value)) from theirs t, jsonb_each(t.doc -> 'breaks') e;
select is((select count(*) from handoff.operation_log where object = 'calendar_exception'), (select count(*) from handoff.calendar_exception),
          'every exception is logged');

create temp table asked as
select f[1]::int as n, f[2] as calendar, f[3] as op, f[4]::timestamptz as at, f[5] as arg, f[6] as expected, f[7] as expected_if_next_open
from (select string_to_array(line, ',') as f from regexp_split_to_table(:'cases', E'\r?\n') line) l
where f[1] ~ '^\d+$';
select is((select count(*) from asked), 10800::bigint, 'there are 10,800 cases');
select is_empty($$
    select * from asked
    where op = 'add' and handoff.business_add(calendar, at, (arg || ' minutes')::interval) is distinct from expected::timestamptz
$$, 'add: as computed elsewhere');
select is_empty($$
    select * from asked
    where op = 'add' and expected_if_next_open <> ''
      and handoff.next_open(calendar, expected::timestamptz) is distinct from expected_if_next_open::timestamptz
$$, 'add: to the next opening, where they say it too');
select is_empty($$
    select * from asked
    where op = 'between' and extract(epoch from handoff.business_between(calendar, at, arg::timestamptz)) is distinct from expected::numeric
$$, 'between: as computed elsewhere');
select is_empty($$
    select * from asked where op = 'in_hours' and handoff.is_open(calendar, at) is distinct from expected::boolean
$$, 'open or closed: as computed elsewhere');
-- and back: what was added is taken away, but for a start when it was closed
select is_empty($$
    select a.*, handoff.business_sub(calendar, expected::timestamptz, (arg || ' minutes')::interval) as sub
    from asked a
    where op = 'add' and arg::int > 0
      and handoff.business_sub(calendar, expected::timestamptz, (arg || ' minutes')::interval) is distinct from handoff.next_open(calendar, at)
$$, 'sub: the way back');

-- what other products' tests expect
create temp table peer as
select f[1]::int as n, f[2] as source, f[3] as calendar, f[4] as op, f[5]::timestamptz as at, f[6] as arg, f[7] as expected
from (select string_to_array(line, ',') as f from regexp_split_to_table(:'peer_cases', E'\r?\n') line) l
where f[1] ~ '^\d+$';
select cmp_ok((select count(*) from peer), '>=', 70::bigint, 'there are cases of other products');
-- case 37 goes on to the next opening where we stop at closing time
select is_empty($$
    select p.* from peer p, lateral (select (arg || ' seconds')::interval as span where op ~ 'seconds') s,
    lateral (select case op when 'add_seconds' then handoff.business_add(calendar, at, span) else handoff.business_sub(calendar, at, span) end as ours) o
    where (case n when 37 then handoff.next_open(calendar, ours) else ours end) is distinct from expected::timestamptz
$$, 'seconds on and back');
select is_empty($$
    select * from peer
    where op = 'between' and extract(epoch from handoff.business_between(calendar, at, arg::timestamptz)) is distinct from expected::numeric
$$, 'time between');
select is_empty($$select * from peer where op = 'in_hours' and handoff.is_open(calendar, at) is distinct from expected::boolean$$, 'open or closed');
-- they stop at opening time where we stop at closing time, with the same open time behind both
select is_empty($$
    select p.*, ours from peer p, lateral (select (arg || ' days')::interval as span where op ~ 'business_days') s,
    lateral (select case op when 'add_business_days' then handoff.business_add(calendar, at, span) else handoff.business_sub(calendar, at, span) end as ours) o
    where ours is null
       or handoff.business_between(calendar, least(ours, expected::timestamptz), greatest(ours, expected::timestamptz)) <> interval '0'
$$, 'business days on and back');

-- pauses: the due moment is that of the target and of the business time paused until then
create temp table paused as
select f[1]::int as n, f[3] as calendar, f[4]::timestamptz as at, f[7]::int as target, nullif(f[8], '')::timestamptz as due,
       nullif(f[9], '')::timestamptz as done, nullif(f[10], '')::int as worked, nullif(f[11], '')::int as margin,
       array(select tstzrange(split_part(p, '/', 1)::timestamptz, split_part(p, '/', 2)::timestamptz)
             from unnest(string_to_array(nullif(f[5], ''), ' ')) p) as pauses
from (select string_to_array(line, ',') as f from regexp_split_to_table(:'pause_cases', E'\r?\n') line) l
where f[1] ~ '^\d+$' and f[7] <> '';
create function pg_temp.worked(calendar text, a timestamptz, b timestamptz, pauses tstzrange[]) returns interval language sql
return handoff.business_between(calendar, a, b)
    - coalesce((select sum(handoff.business_between(calendar, greatest(lower(p), a), least(upper(p), b))) from unnest(pauses) p), '0');
select cmp_ok((select count(*) from paused), '>=', 10::bigint, 'there are cases of pauses');
select is_empty($$
    with recursive due as (
        select p.*, handoff.business_add(calendar, at, make_interval(mins => target)) as found, 0 as round from paused p
        union all
        select n, calendar, at, target, due, done, worked, margin, pauses,
               handoff.business_add(calendar, found, make_interval(mins => target) - pg_temp.worked(calendar, at, found, pauses)), round + 1
        from due where round < 9 and pg_temp.worked(calendar, at, found, pauses) < make_interval(mins => target)
    )
    select * from (select distinct on (n) * from due order by n, round desc) d where due is not null and found <> due
$$, 'due when the target is worked, pauses left out');
select is_empty($$
    select * from paused
    where due is not null and due is distinct from
          handoff.clock_due(at, make_interval(mins => target), true, calendar, null, null, (select coalesce(range_agg(r), '{}') from unnest(pauses) r), 'UTC')
$$, 'and so is a clock');
select is_empty($$
    select * from paused
    where worked is not null and pg_temp.worked(calendar, at, done, pauses) is distinct from make_interval(mins => worked)
       or margin is not null and make_interval(mins => target) - pg_temp.worked(calendar, at, done, pauses) is distinct from make_interval(mins => margin)
$$, 'worked until done, and the margin');
\endif

select * from finish();
rollback;
