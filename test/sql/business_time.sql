-- Business time: calendars with their exceptions, and what is open between two moments.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
set timezone = 'UTC';
set datestyle = 'ISO, YMD';
set intervalstyle = 'postgres';
set client_min_messages = warning;

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

begin;
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
    perform handoff.setup();
end $$;

--
-- Calendars and exceptions, each change logged
--
select handoff.add_calendar('office', 'mon-fri 9:00-17:00 @ Europe/Berlin', 'Berlin');
select handoff.add_exception('office', '2026-12-25', 'closed', note => 'Christmas');
select handoff.add_exception('office', '2026-12-24', 'open', '9:00-12:00');
select handoff.add_exception('office', '2026-12-26', 'open', '10:00-11:00 22:00-02:00 11:00-12:00');
select handoff.add_exception('office', '2026-12-24', 'break', '10:00-10:30, 11:50-13:00');
select handoff.add_holidays('office', '{2026-12-25,2027-01-01,2027-01-01,NULL,2027-01-06}', 'holiday');
select handoff.set_calendar('office', 'mon-fri 09:00-17:00 @ Europe/Berlin');
select handoff.set_calendar('office', 'mon-fri 09:00-18:00 @ Europe/Berlin');
select handoff.set_calendar('office', 'mon-fri 09:00-17:00 @ Europe/Berlin');
select handoff.remove_exception('office', '2027-01-06'), handoff.remove_exception('office', '2027-01-06'), handoff.remove_exception('office', '2026-12-24', 'closed');
select on_date, kind, hours, note from handoff.calendar_exception order by on_date, kind;
select object, name, old, new from handoff.operation_log order by at, name;

select pg_temp.fails(q) from unnest(array[
    $$select handoff.add_calendar('', '24x7 @ UTC')$$, $$select handoff.add_calendar('x', null)$$, $$select handoff.add_calendar('office', '24x7 @ UTC')$$,
    $$select handoff.add_calendar('x', '24x7')$$, $$select handoff.add_calendar('x', '24x7 @ Mars/Base')$$,
    $$select handoff.set_calendar('moon', '24x7 @ UTC')$$, $$select handoff.set_calendar('office', '24x7 @ Mars/Base')$$,
    $$select handoff.add_exception('moon', '2026-01-01', 'closed')$$, $$select handoff.add_exception('office', null, 'closed')$$,
    $$select handoff.add_exception('office', 'infinity', 'closed')$$, $$select handoff.add_exception('office', '2026-01-01', 'shut')$$,
    $$select handoff.add_exception('office', '2026-01-01', null)$$, $$select handoff.add_exception('office', '2026-01-01', 'closed', '10:00-11:00')$$,
    $$select handoff.add_exception('office', '2026-01-01', 'open')$$, $$select handoff.add_exception('office', '2026-12-25', 'closed')$$,
    $$select handoff.add_exception('office', '2026-01-01', 'open', '')$$, $$select handoff.add_exception('office', '2026-01-01', 'break', '10-11')$$,
    $$select handoff.add_exception('office', '2026-01-01', 'open', '08:00-07:00 06:00-09:00')$$, $$select handoff.add_exception('office', '2026-01-01', 'open', 'mon 10:00-11:00')$$,
    $$select handoff.remove_exception('moon', '2026-01-01')$$, $$select handoff.add_holidays('moon', '{}')$$, $$select handoff.add_holidays('office', '{infinity}')$$,
    $$insert into handoff.calendar_exception values ('office', '2026-01-01', 'closed', '10:00-11:00')$$,
    $$insert into handoff.calendar_exception values ('office', '2026-01-01', 'open', '9:00-11:00')$$,
    $$insert into handoff.calendar_exception values ('office', '2026-01-01', 'open', 'all day')$$]) q;
-- questions that have no answer
select f, pg_temp.fails(format($$select handoff.%s$$, f))
from unnest(array[
    $$is_open('moon', now())$$, $$business_add('moon', now(), '1 h')$$,
    $$next_open('office', 'infinity')$$, $$next_close('office', '-infinity')$$, $$business_between('office', '-infinity', now())$$, $$business_between('office', now(), 'infinity')$$,
    $$business_add('office', 'infinity', '1 h')$$, $$business_sub('office', '-infinity', '1 d')$$, $$business_add('office', 'infinity', '20 years')$$, $$business_add('office', '-infinity', '99999999 h')$$,
    $$business_add('office', now(), '1 month')$$, $$business_sub('office', now(), '-1 year 12 mons 1 mon')$$, $$business_add('24x7 @ UTC'::handoff.schedule, now(), '1 year')$$,
    $$is_open('24x7 @ Mars/Base'::handoff.schedule, now())$$, $$business_add('24x7 @ Mars/Base'::handoff.schedule, now(), '1 h')$$]) f;
select handoff.business_add(null::text, now(), '1 h') is null, handoff.business_add('office', null, '1 h') is null, handoff.business_between('office', now(), null) is null;

-- Thursday is short, has breaks, one of which goes on to its end; Friday closed; Saturday's hours go into Sunday
select t, handoff.is_open('office', t) as open, handoff.next_open('office', t), handoff.next_close('office', t)
from unnest(array['2026-12-23 15:59:59.999999Z', '2026-12-23 16:00Z', '2026-12-24 07:59:59.999999Z', '2026-12-24 08:00Z', '2026-12-24 09:00Z', '2026-12-24 09:30Z',
                  '2026-12-24 10:50Z', '2026-12-25 12:00Z', '2026-12-26 09:00Z', '2026-12-26 11:00Z', '2026-12-26 21:00Z', '2026-12-27 00:59Z', '2026-12-27 01:00Z']::timestamptz[]) t;
select handoff.business_between('office', '2026-12-23 16:00Z', '2026-12-28 08:00Z');
-- closing time, opening time, the microsecond around them
select span, handoff.business_add('office', '2026-12-23 14:00Z', span), handoff.business_sub('office', '2026-12-28 10:00Z', span)
from unnest(array['0', '1 h 59 min 59.999999 s', '2 h', '2 h 0.000001 s', '2 h 20 min', '4 h', '10 h', '1 day', '2 days', '3 days', '1 day 2 h', '1 day -2 h', '-2 h', '-1 day', '-1 day -1 h', '-1 day 1 h']::interval[]) span;
-- nothing added, nothing taken away
select t, handoff.business_add('office', t, '0'), handoff.business_sub('office', t, '0')
from unnest(array['2026-03-02 07:00Z', '2026-03-02 08:00Z', '2026-03-02 12:00Z', '2026-03-02 16:00Z', '2026-03-02 18:00Z']::timestamptz[]) t;
-- not later: nothing
select handoff.business_between('office', '2026-03-03', '2026-03-02'), handoff.business_between('office', '2026-03-02 10:00Z', '2026-03-02 10:00Z');
-- dates: wherever in the day one begins; from a closed moment the whole next date
select t, handoff.business_add('office', t, '1 day'), handoff.business_add('office', t, '3 days'), handoff.business_sub('office', t, '1 day'), handoff.business_sub('office', t, '3 days')
from unnest(array['2026-03-06 08:00Z', '2026-03-06 11:00Z', '2026-03-06 16:00Z', '2026-03-07 12:00Z', '2026-03-09 07:59Z', '2026-03-09 08:00:01Z']::timestamptz[]) t;

--
-- Where clocks change
--
-- midnight is left out in Cairo on 2025-04-25, and 23:30 comes twice on 2025-10-30
select s, t, handoff.is_open(s, t), handoff.business_between(s, t, t + interval '1 d'), handoff.next_close(s, t)
from unnest(array['mon-sun 00:00-08:00 @ Africa/Cairo', 'mon-sun 00:30-01:30 @ Africa/Cairo', 'mon-sun 23:30-24:00 @ Africa/Cairo', '24x7 @ Africa/Cairo']::handoff.schedule[]) s,
     unnest(array['2025-04-24 21:00Z', '2025-10-30 19:00Z']::timestamptz[]) t;
-- half an hour in Lord Howe: 02:15 is 02:45
select s, handoff.business_between(s, '2025-10-04 13:30Z', '2025-10-05 13:00Z'), handoff.business_add(s, '2025-10-04 13:30Z', '15 min'), handoff.business_between(s, '2026-04-04 13:00Z', '2026-04-05 13:30Z')
from unnest(array['mon-sun 02:15-05:00 @ Australia/Lord_Howe', 'mon-sun 01:15-02:15 @ Australia/Lord_Howe', 'mon-sun 01:45-02:00 @ Australia/Lord_Howe']::handoff.schedule[]) s;
-- 2011-12-30, a Friday, was left out in Apia
select s, handoff.business_between(s, '2011-12-29 10:00Z', '2012-01-02 10:00Z'), handoff.business_add(s, '2011-12-30 09:00Z', '2 h'), handoff.business_add(s, '2011-12-29 20:00Z', '1 day')
from unnest(array['mon-sat 09:00-17:00 @ Pacific/Apia', 'fri 09:00-17:00 @ Pacific/Apia', 'thu 22:00-06:00 @ Pacific/Apia', '24x7 @ Pacific/Apia']::handoff.schedule[]) s;
-- nights over both changes
select t, handoff.business_between(s, t, t + interval '16 h'), handoff.business_add(s, t, '1 day'), handoff.business_sub(s, t + interval '16 h', '1 day')
from (values ('mon-sun 22:00-06:00 @ Europe/Berlin'::handoff.schedule)) v (s), unnest(array['2026-03-28 17:00Z', '2026-10-24 16:00Z', '2026-06-01 16:00Z']::timestamptz[]) t;
-- New York's days of 23 and 25 hours; a shift that begins, one that ends at a time that comes twice
select s, t, handoff.business_between(s, t, t + interval '26 h')
from unnest(array['24x7 @ America/New_York', 'sun 00:00-24:00 @ America/New_York', 'sun 01:30-05:00 @ America/New_York', 'sun 00:00-01:30 @ America/New_York', 'sun 02:30-03:30 @ America/New_York']::handoff.schedule[]) s,
     unnest(array['2025-03-09 05:00Z', '2025-11-02 04:00Z', '2025-11-09 05:00Z']::timestamptz[]) t;
-- at the midnight between two weeks, by UTC in the week before or the one after
select s, t, handoff.business_between(s, t - interval '24 h', t), handoff.business_between(s, t, t + interval '24 h'), handoff.next_close(s, t)
from (values ('sun-mon 09:00-10:00 20:00-24:00 @ Asia/Tehran'::handoff.schedule, timestamptz '2021-03-21 20:30Z'), ('sun-mon 09:00-10:00 20:00-24:00 @ Asia/Tehran', '2020-09-20 20:30Z'),
             ('sun-mon 09:00-10:00 20:00-24:00 @ America/Asuncion', '1985-04-01 04:00Z'), ('sun-mon 09:00-10:00 20:00-24:00 @ America/Sao_Paulo', '1997-10-06 03:00Z')) v (s, t);
-- a holiday closes the hours that begin on its date, not last night's; a break cuts last night's too
select handoff.add_calendar('night', 'mon-sun 22:00-06:00 @ Europe/Berlin');
select handoff.add_exception('night', '2026-05-01', 'closed');
select handoff.add_exception('night', '2026-05-04', 'break', '02:00-03:00');
select handoff.next_close('night', '2026-04-30 21:00Z'), handoff.next_open('night', '2026-05-01 04:00Z'), handoff.next_close('night', '2026-05-03 23:00Z'), handoff.next_open('night', '2026-05-04 00:00Z');
-- what a Sunday's exception does to the week behind it
select handoff.add_exception('night', '2026-06-07', 'closed');
select handoff.add_exception('night', '2026-06-14', 'break', '23:00-02:00');
select handoff.add_exception('night', '2026-06-21', 'open', '20:00-09:00');
select d, handoff.business_between('night', d - interval '4 h', d), handoff.business_between('night', d, d + interval '12 h'), handoff.business_add('night', d, '7 h'), handoff.next_close('night', d)
from unnest(array['2026-06-01', '2026-06-08', '2026-06-15', '2026-06-22']::date[]) u (day), lateral (select day::timestamp at time zone 'Europe/Berlin' as d) d;
-- hours of two days over each other count once, for the first date; a date whose hours are all broken does not count
select handoff.add_calendar('both', 'mon 22:00-06:00; tue 05:00-07:00; wed 10:00-11:00 @ UTC');
select handoff.business_between('both', '2026-03-02', '2026-03-04'), handoff.business_add('both', '2026-03-02', '1 day'), handoff.business_add('both', '2026-03-02', '2 days');
select handoff.add_exception('both', '2026-03-03', 'break', '05:30-12:00');
select handoff.business_add('both', '2026-03-02', '2 days'), handoff.business_sub('both', '2026-03-05', '2 days');

--
-- What is never open, never closed, or far away
--
select handoff.add_calendar('never', 'closed @ UTC');
select handoff.add_calendar('always', '24x7 @ Europe/Berlin');
select handoff.add_calendar('shut', 'mon-fri 09:00-17:00 @ UTC');
insert into handoff.calendar_exception (calendar, on_date, kind) select 'shut', d, 'closed' from generate_series(date '2026-01-01', date '2036-12-31', '1 day') d;
select c, handoff.is_open(c, t), handoff.next_open(c, t), handoff.next_close(c, t), handoff.business_add(c, t, '1 h'), handoff.business_sub(c, t, '1 h'), handoff.business_add(c, t, '1 day'),
       handoff.business_add(c, t, '0'), handoff.business_sub(c, t, '0'), handoff.business_between(c, t, t + interval '11 years')
from unnest(array['never', 'always', 'shut']) c, unnest(array['2026-06-01 12:00Z']::timestamptz[]) t;
-- once, nine and eleven years from now
select handoff.add_calendar('once', 'closed @ Europe/Berlin');
select handoff.add_exception('once', '2035-06-02', 'open', '10:00-12:00');
select t, handoff.next_open('once', t), handoff.next_close('once', t), handoff.business_add('once', t, '1 h'), handoff.business_add('once', t, '1 day'), handoff.business_add('once', t, '2 days')
from unnest(array['2026-06-01', '2024-06-01', '2035-06-02 08:30', '2025-06-01 10:00', '2025-06-01 08:00']::timestamptz[]) t;
select handoff.business_sub('once', '2045-06-01', '2 h'), handoff.business_sub('once', '2045-07-01', '2 h'), handoff.business_sub('once', '2036-01-01', '1 day'), handoff.business_sub('once', '2036-01-01', '121 min');
-- ten years of 24x7 are elapsed time
select span, handoff.business_add('always', '2026-06-01 12:00Z', span) from unnest(array['87671 h', '87673 h', '99999999 h', '-87671 h', '-87673 h', '3652 days', '3655 days']::interval[]) span;
-- the ends of time
select t, handoff.is_open(s, t), handoff.next_open(s, t), handoff.next_close(s, t), handoff.business_add(s, t, '1 h'), handoff.business_sub(s, t, '1 h'), handoff.business_between(s, t, t)
from (values ('mon-fri 09:00-17:00 @ Europe/Berlin'::handoff.schedule)) v (s), unnest(array['4713-01-01 12:00 BC Z', '294276-12-31 23:59:59.999999Z', '1883-11-18 12:00Z']::timestamptz[]) t;
select handoff.business_between('24x7 @ Europe/Berlin'::handoff.schedule, '2000-01-01Z', '3000-01-01Z') = timestamptz '3000-01-01Z' - timestamptz '2000-01-01Z' as seconds;

--
-- Properties, over calendars that have everything
--
create temp table place (name text, at timestamptz);
insert into place select c, timestamptz '2024-01-01Z' + i * interval '67 h 13 min 7.000123 s' from unnest(array['office', 'night', 'both', 'always']) c, generate_series(0, 400) i;
create temp table span (span interval);
insert into span select make_interval(secs => s) from unnest(array[0.000001, 1, 59.5, 3600, 28800, 100000.25, 1e6, 2.5e7]) s;
select count(*) as asked,
       count(*) filter (where handoff.business_between(name, at, due) is distinct from span) as between_is_what_was_added,
       count(*) filter (where handoff.business_between(name, at, due - interval '1 us') is distinct from span - interval '1 us') as and_not_earlier,
       count(*) filter (where handoff.business_sub(name, due, span) is distinct from handoff.next_open(name, at)) as sub_goes_back,
       count(*) filter (where handoff.business_add(name, at, -span) is distinct from handoff.business_sub(name, at, span)) as negative,
       count(*) filter (where due > handoff.business_add(name, at, span + interval '1 us')) as monotonic,
       count(*) filter (where due > handoff.business_add(name, at + interval '1 us', span)) as monotonic_in_time,
       count(*) filter (where handoff.business_add(name, due, '2 h') is distinct from handoff.business_add(name, at, span + interval '2 h')) as additive,
       count(*) filter (where due - at < span) as faster_than_time
from (select *, handoff.business_add(name, at, span) as due from place, span) s
-- ten years don't hold so much of ten hours a week
where name <> 'both' or span < interval '5000 h';
select count(*) as asked,
       count(*) filter (where handoff.business_between(a.name, a.at, b.at) + handoff.business_between(a.name, b.at, c.at) <> handoff.business_between(a.name, a.at, c.at)) as additive,
       count(*) filter (where handoff.business_between(a.name, a.at, c.at) > c.at - a.at) as more_than_time
from place a
join place b on b.name = a.name and b.at between a.at and a.at + interval '70 d'
join place c on c.name = a.name and c.at between b.at and b.at + interval '700 d' and extract(day from c.at) = 7;
-- a schedule is a calendar without exceptions
select count(*), count(*) filter (where (handoff.is_open(name, at), handoff.next_open(name, at), handoff.next_close(name, at), handoff.business_add(name, at, '9 h'), handoff.business_sub(name, at, '1 day'),
                                         handoff.business_between(name, at, at + interval '30 d'))
                  is distinct from (handoff.is_open(schedule, at), handoff.next_open(schedule, at), handoff.next_close(schedule, at), handoff.business_add(schedule, at, '9 h'), handoff.business_sub(schedule, at, '1 day'),
                                    handoff.business_between(schedule, at, at + interval '30 d'))) as differ
from place join handoff.calendar using (name) where name = 'always' or at < '2026-01-01';
-- years one by one, and all at once, in any order
select sum(handoff.business_between('office', make_timestamptz(y, 7, 1, 0, 0, 0), make_timestamptz(y + 1, 7, 1, 0, 0, 0))) = handoff.business_between('office', '1700-07-01', '2700-07-01')
from generate_series(1700, 2699) y;
select sum(handoff.business_between('night', make_timestamptz(y, 7, 1, 0, 0, 0), make_timestamptz(y + 20, 7, 1, 0, 0, 0))) = handoff.business_between('night', '1700-07-01', '2700-07-01')
from (select 1700 + 20 * ((i * 37) % 50) as y from generate_series(0, 49) i) y;

--
-- What is changed counts at once, also within a statement
--
select handoff.is_open('office', '2026-03-02 10:00Z');
select handoff.add_exception('office', '2026-03-02', 'closed');
select handoff.is_open('office', '2026-03-02 10:00Z');
create function pg_temp.shut(d date) returns text language plpgsql as $$
declare
    before boolean;
begin
    before := handoff.is_open('office', d + time '10:00');
    perform handoff.add_exception('office', d, 'closed');
    return format('%s, then %s', before, handoff.is_open('office', d + time '10:00'));
end $$;
select pg_temp.shut(d) from unnest(array['2026-03-03', '2026-03-04']::date[]) d;
savepoint s;
select handoff.set_calendar('office', 'closed @ UTC'), handoff.is_open('office', '2026-03-05 10:00Z');
select handoff.is_open('office', '2026-03-05 10:00Z');
rollback to s;
select handoff.is_open('office', '2026-03-05 10:00Z');
update handoff.calendar set name = 'berlin' where name = 'office';
select pg_temp.fails($$select handoff.is_open('office', now())$$);
select handoff.is_open('berlin', '2026-03-02 10:00Z');
delete from handoff.calendar where name = 'berlin';
select count(*) from handoff.calendar_exception where calendar in ('office', 'berlin');

-- more calendars than are kept
do $$ begin
    for i in 1 .. 700 loop
        perform handoff.business_add(format('mon-fri 09:00-17:00; sat 10:%s-%s:%s @ UTC', lpad((i % 60)::text, 2, '0'), 11 + i / 60, '00')::handoff.schedule, '2026-03-02Z', '60 h');
    end loop;
end $$;
select count(*) > 600 as all_of_this_transaction from pg_backend_memory_contexts where name = 'lead_handoff calendar';
rollback;
begin;
select handoff.business_add('mon-fri 09:00-17:00 @ UTC'::handoff.schedule, '2026-03-02Z', '60 h');
select count(*) as of_the_next_one from pg_backend_memory_contexts where name = 'lead_handoff calendar';
-- centuries, which take more room than a window has
select handoff.business_between('mon-fri 09:00-17:00 @ Europe/Berlin'::handoff.schedule, '0001-01-01', '9999-01-01');
select sum(total_bytes) < 2000000 as bounded from pg_backend_memory_contexts where name = 'lead_handoff calendar window';
rollback;

--
-- Minute by minute
--
begin;
select handoff.setup() \g /dev/null
\set ECHO none
\i test/stress/lib/business_time.sql
\set ECHO all
select setseed(0.3) \g /dev/null
delete from handoff.calendar;
delete from zone where extract(month from around) not in (7, 10, 12) and zone not in ('Asia/Tehran', 'Africa/Cairo');
call make_subjects(1);
call count_minutes(2);
select what, asked > 1000 as many, wrong, example from compare(2, 2000) order by what collate "C";

-- parallel queries ask the same
set local parallel_setup_cost = 0;
set local parallel_tuple_cost = 0;
set local min_parallel_table_scan_size = 0;
create table public.moment_of as select 'c' || id as name, t from passed where extract(minute from t) = 30;
analyze public.moment_of;
do $$
declare
    line text;
    parallel boolean := false;
begin
    for line in explain select sum(handoff.business_between(name, t, t + interval '90 h')) from public.moment_of loop
        parallel := parallel or line ~ 'Gather';
    end loop;
    assert parallel, 'not planned in parallel';
end $$;
create temp table sums as select sum(handoff.business_between(name, t, t + interval '90 h')) as by_workers from public.moment_of;
set local max_parallel_workers_per_gather = 0;
select by_workers = sum(handoff.business_between(name, t, t + interval '90 h')) from public.moment_of, sums group by by_workers;
rollback;
