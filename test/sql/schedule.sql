-- handoff.schedule: weekly hours in a time zone.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
set timezone = 'UTC';
set datestyle = 'ISO, YMD';
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

--
-- Text
--
create temp table sample as
select t, t::handoff.schedule as s
from unnest(array[
    'mon-fri 09:00-12:30 13:30-18:00; sat 10:00-14:00 @ Europe/Berlin',
    '24x7 @ UTC', 'CLOSED@UTC', '  24X7  @  Asia/Kolkata  ',
    'sun-sat 0:00-24:00 @ UTC', 'mon-sun 00:00-00:00 @ UTC',
    'Tue 9:00-17:00 @ America/New_York', 'tue,thu 9:00-17:00; mon,wed 09:00-17:00 @ America/Argentina/Buenos_Aires',
    'sat-mon 10:00-11:00 @ Africa/Porto-Novo', 'mon, wed fri 10:00-11:00 @ Etc/GMT+5', 'mon 10:00-11:00 @ Etc/GMT',
    'mon 22:00-06:00 @ UTC', 'mon 13:00-17:00 09:00-12:00 11:00-13:00 @ UTC', 'mon 09:00-10:00; mon 10:00-11:00 @ UTC',
    'mon 22:00-24:00; tue 00:00-06:00 @ UTC', 'mon-sun 08:00-20:00 20:00-08:00 @ UTC', 'mon 23:59-00:00 00:00-00:01 @ UTC',
    'mon 22:00-06:00 23:00-07:00 05:00-06:30 @ UTC', E'mon\t09:00-10:00\n;\ntue 09:00-10:00\n@ UTC']) t;
select t, s from sample;
-- what is printed reads back as the same, as text and as binary
select bool_and(s::text::handoff.schedule operator(handoff.=) s), bool_and(s::text::handoff.schedule::text = s::text) from sample;
create temp table received (s handoff.schedule);
do $$
declare
    file text := current_setting('data_directory') || '/schedule.bin';
begin
    execute format('copy (select s from sample) to %L (format binary)', file);
    execute format('copy received from %L (format binary)', file);
end $$;
select count(*) = (select count(*) from sample)
from sample join received on sample.s operator(handoff.=) received.s and sample.s::text = received.s::text
where sample.ctid = received.ctid;
select a.s operator(handoff.=) b.s as same, a.s operator(handoff.<>) b.s as different, count(*)
from sample a, sample b where (a.s::text = b.s::text) = (a.s operator(handoff.=) b.s) group by 1, 2 order by 1;
select handoff.zone(s), count(*) from sample group by handoff.zone(s) order by handoff.zone(s) collate "C";

-- what isn't a schedule
select t, pg_temp.fails(format('select %L::handoff.schedule', t))
from unnest(array['', 'mon 09:00-17:00', 'mon 09:00-17:00 @', '@ UTC', ' ; mon 09:00-10:00 @ UTC', 'mon 09:00-10:00; @ UTC', 'mon @ UTC', 'mon; tue 09:00-10:00 @ UTC',
    '09:00-17:00 @ UTC', 'monday 09:00-17:00 @ UTC', 'mon-fr 09:00-17:00 @ UTC', 'mon-tue-wed 09:00-17:00 @ UTC', 'mon- 09:00-17:00 @ UTC',
    'mon 9-17 @ UTC', 'mon 09:00 @ UTC', 'mon 09:00-17:60 @ UTC', 'mon 09:00-24:01 @ UTC', 'mon 24:00-09:00 @ UTC', 'mon 09:00-25:00 @ UTC', 'mon 009:00-17:00 @ UTC',
    'mon 09:0-17:00 @ UTC', 'mon 09:00-17:00h @ UTC', 'mon 09:00 - 17:00 @ UTC', 'mon 09:00-17:00 tue 09:00-17:00 @ UTC', 'mon 10:00-09:00 08:00-11:00 @ UTC', 'always @ UTC', '24x7 closed @ UTC']) t;
select t, pg_temp.fails(format('select %L::handoff.schedule', '24x7 @ ' || t))
from unnest(array['EST', 'CET', 'utc', 'Z', 'GMT', 'Japan', 'EST5EDT', 'UTC+5', '+02', '<+03>-3', 'Europe', 'europe/berlin', 'Europe/', '/Berlin', 'Europe//Berlin', 'Europe/Ber lin',
    'Europe/Berlin1', 'Foo/Bar+5', 'Foo/Bar5', 'Etc/GMT+15', 'Etc/GMT+', 'Etc/GMT+5:30', 'Etc/GMT+005', '../Europe/Berlin', 'Europe/../UTC', 'Europe/-Berlin', 'Europe/Berlin; UTC',
    'Europe/' || repeat('x', 260)]) t;
select pg_temp.fails($$select null::handoff.schedule$$);
-- every zone of this server with an area or as UTC can be named, but those that begin with another word for a folder
select name from pg_timezone_names
where (name like '%/%' or name = 'UTC') and name !~ '^(posix|right|SystemV)/'
  and pg_temp.fails(format('select %L::handoff.schedule', '24x7 @ ' || name)) <> 'no error'
order by name collate "C";
-- soft errors are there from 16 on
select pg_temp.fails(case when current_setting('server_version_num')::int >= 160000
    then $$select 1 / (not pg_input_is_valid('mon 9-17 @ UTC', 'handoff.schedule') and not pg_input_is_valid('x', 'handoff.schedule')
                       and not pg_input_is_valid('mon 10:00-09:00 08:00-11:00 @ UTC', 'handoff.schedule') and pg_input_is_valid('24x7 @ UTC', 'handoff.schedule'))::int$$ else '' end) as soft_errors;

--
-- Open or not
--
select at, handoff.is_open('mon-fri 09:00-17:00 @ Europe/Berlin'::handoff.schedule, at),
       handoff.next_open('mon-fri 09:00-17:00 @ Europe/Berlin'::handoff.schedule, at)
from unnest(array['2026-03-02 07:59:59.999999Z', '2026-03-02 08:00Z', '2026-03-02 15:59:59.999999Z', '2026-03-02 16:00Z', '2026-03-06 16:00Z',
                  '1969-12-31 07:59:59.999999Z', '1969-12-31 08:00Z', '4713-01-01 12:00 BC Z', '294276-12-31 23:59:59.999999Z']::timestamptz[]) at;
select handoff.is_open('closed @ UTC'::handoff.schedule, now()), handoff.next_open('closed @ UTC'::handoff.schedule, now()) is null;
select pg_temp.fails($$select handoff.is_open('24x7 @ Europe/Atlantis'::handoff.schedule, now())$$);
select pg_temp.fails($$select handoff.next_open('mon 09:00-10:00 @ Mars/Base'::handoff.schedule, now())$$);
select pg_temp.fails(format($$select handoff.is_open('24x7 @ UTC'::handoff.schedule, %L)$$, i)) from unnest(array['infinity', '-infinity']) i;
-- the night before clocks change belongs to the day it begins, however long it gets
select n, handoff.is_open('sat 22:00-06:00 @ Europe/Berlin'::handoff.schedule, t - interval '1 us') as before,
       handoff.is_open('sat 22:00-06:00 @ Europe/Berlin'::handoff.schedule, t) as at
from (values ('spring begins', timestamptz '2026-03-28 21:00Z'), ('spring ends', '2026-03-29 04:00Z'),
             ('autumn begins', '2026-10-24 20:00Z'), ('autumn ends', '2026-10-25 05:00Z')) v (n, t);
-- a whole date was left out: Friday 2011-12-30 in Apia; Thursday's night goes on into Saturday
select at, handoff.is_open('fri 00:00-24:00 @ Pacific/Apia'::handoff.schedule, at) as friday,
       handoff.is_open('thu 22:00-06:00 @ Pacific/Apia'::handoff.schedule, at) as thursday_night,
       handoff.is_open('24x7 @ Pacific/Apia'::handoff.schedule, at) as always
from unnest(array['2011-12-30 09:59:59.999999Z', '2011-12-30 10:00Z', '2011-12-30 15:59:59.999999Z', '2011-12-30 16:00Z']::timestamptz[]) at;

--
-- Minute by minute against SQL: moments of each day's hours by AT TIME ZONE, which moves what is left
-- out forward as we do, and whose second occurrences are put back.
--
create temp table hours (name text, dow int[], opens interval, closes interval);
insert into hours values
    ('24x7', '{1,2,3,4,5,6,7}', '0:00', '24:00'),
    ('mon-fri 09:00-12:30 13:30-18:00; sat 10:00-14:00', '{1,2,3,4,5}', '9:00', '12:30'),
    ('mon-fri 09:00-12:30 13:30-18:00; sat 10:00-14:00', '{1,2,3,4,5}', '13:30', '18:00'),
    ('mon-fri 09:00-12:30 13:30-18:00; sat 10:00-14:00', '{6}', '10:00', '14:00'),
    ('mon-sun 22:00-06:00', '{1,2,3,4,5,6,7}', '22:00', '30:00'),
    ('mon-sun 01:30-05:00', '{1,2,3,4,5,6,7}', '1:30', '5:00'),
    ('mon-sun 00:00-01:30 02:15-02:45 23:15-23:45', '{1,2,3,4,5,6,7}', '0:00', '1:30'),
    ('mon-sun 00:00-01:30 02:15-02:45 23:15-23:45', '{1,2,3,4,5,6,7}', '2:15', '2:45'),
    ('mon-sun 00:00-01:30 02:15-02:45 23:15-23:45', '{1,2,3,4,5,6,7}', '23:15', '23:45'),
    ('fri 08:00-08:00', '{5}', '8:00', '32:00');
create temp table change (zone text, around timestamptz);
insert into change values
    ('America/New_York', '2025-03-09 07:00Z'), ('America/New_York', '2025-11-02 06:00Z'),
    ('Europe/Berlin', '2026-03-29 01:00Z'), ('Europe/Berlin', '2026-10-25 01:00Z'),
    ('Africa/Cairo', '2025-04-24 22:00Z'), ('Africa/Cairo', '2025-10-30 21:00Z'),
    ('Australia/Lord_Howe', '2025-10-04 15:30Z'), ('Australia/Lord_Howe', '2026-04-04 15:00Z'),
    ('America/St_Johns', '2006-10-29 02:31Z'), ('Pacific/Apia', '2011-12-30 10:00Z'), ('Asia/Kolkata', '2026-01-01 00:00Z');

create function pg_temp.moment(local timestamp, zone text) returns timestamptz language sql stable as $$
    select coalesce(min(t), local at time zone zone)
    from generate_series((local at time zone zone) - interval '3 h', (local at time zone zone) + interval '3 h', interval '30 min') t
    where t at time zone zone = local
$$;
create temp table opening as
select h.name, c.zone, c.around,
       pg_temp.moment(d + h.opens, c.zone) as opens, pg_temp.moment(d + h.closes, c.zone) as closes
from hours h, change c, generate_series((c.around - interval '4 d')::date::timestamp, (c.around + interval '10 d')::date, interval '1 d') d
where extract(isodow from d) = any (h.dow)
  -- the date was there
  and exists (select from generate_series(d::timestamptz - interval '16 h', d::timestamptz + interval '40 h', interval '30 min') t
              where (t at time zone c.zone)::date = d::date);
delete from opening where closes <= opens;
create index on opening (name, zone, around, opens);
analyze opening;

with question as materialized (
    select n.name, c.zone, c.around, (n.name || ' @ ' || c.zone)::handoff.schedule as s
    from (select distinct name from hours) n, change c
), asked as (
    select q.*, t.t
    from question q, generate_series(q.around - interval '15 h', q.around + interval '15 h', interval '1 min') t (t)
), answer as (
    select a.*, handoff.is_open(a.s, a.t) as is_open, handoff.next_open(a.s, a.t) as next_open,
           o.opens is not null and o.opens <= a.t as should_be_open, greatest(a.t, o.opens) as should_next_open
    from asked a
    cross join lateral (select min(o.opens) as opens from opening o
                        where (o.name, o.zone, o.around) = (a.name, a.zone, a.around) and o.closes > a.t) o
)
select name, count(*) as minutes, count(*) filter (where is_open) > 0 as some_open, count(*) filter (where not is_open) > 0 as some_closed,
       count(*) filter (where is_open <> should_be_open) as wrong, count(*) filter (where next_open is distinct from should_next_open) as wrong_next
from answer group by name order by name collate "C";

--
-- In tables
--
begin;
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
    perform handoff.setup();
end $$;
insert into handoff.calendar values ('office', 'mon-fri 09:00-17:00 @ Europe/Berlin');
select handoff.is_open('office', '2026-03-02 08:00Z'), handoff.is_open('office', '2026-03-02 16:00Z');
select pg_temp.fails($$select handoff.is_open('moon', '2026-03-02 08:00Z')$$);
select pg_temp.fails($$insert into handoff.calendar values ('x', 'mon 9-17 @ UTC')$$);
select pg_temp.fails($$select handoff.add_rep('ana', 'Ana', schedule => 'mon 9-17 @ UTC')$$);
select pg_temp.fails($$select handoff.add_rep('ana', 'Ana', schedule => '24x7 @ Mars/Base')$$);
select handoff.add_rep('ana', 'Ana', schedule => 'tue,mon 9:00-17:00 @ Europe/Berlin');
select schedule from handoff.rep;
select new ->> 'schedule' from handoff.operation_log where object = 'rep';
-- validate() finds zones that this server doesn't know
select handoff.load_template('b2b_saas');
insert into handoff.calendar values ('atlantis', '24x7 @ Europe/Atlantis');
update handoff.rep set schedule = '24x7 @ Mars/Base';
select severity, object, message, hint from handoff.validate() where message like '%zone%' order by object;
select invariant, severity, what, hint from handoff.doctor() where what like '%zone%' order by what;
-- and calendars that never open: an error where an SLA counts on one
select handoff.set_calendar(calendar, 'closed @ UTC') from handoff.contract;
select handoff.add_calendar('never', 'closed @ UTC');
select severity, object, message, hint from handoff.validate() where message like '%does not open%' order by object;
update handoff.sla set clock = 'business';
select distinct severity, message from handoff.validate() where message like '%does not open%' order by message;
select invariant, severity, what, hint from handoff.doctor() where what like '%does not open%' order by what;
rollback;
