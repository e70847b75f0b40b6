-- Holidays from iCalendar text.
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
-- a calendar of events, each given as its properties
create function pg_temp.ics(variadic events text[]) returns text language sql immutable
return E'BEGIN:VCALENDAR\r\nVERSION:2.0\r\n' || (select string_agg(E'BEGIN:VEVENT\r\n' || replace(e, '|', E'\r\n') || E'\r\nEND:VEVENT\r\n', '' order by n) from unnest(events) with ordinality u (e, n)) || E'END:VCALENDAR\r\n';
create function pg_temp.dates(event text, until date default '2030-12-31') returns text language sql stable
return (select string_agg(on_date::text, ' ' order by on_date) from handoff.ical_dates(pg_temp.ics(event), until));

-- days, from DTSTART to before DTEND
select e, pg_temp.dates(e)
from unnest(array['DTSTART;VALUE=DATE:20261225', 'DTSTART:20261225|DTEND:20261225', 'DTSTART;VALUE=DATE:20261225|DTEND;VALUE=DATE:20261227', 'DTSTART:20261230|DURATION:P3D', 'DTSTART:20261230|DURATION:P1W',
                  'dtstart:20240228|dtend:20240302', 'DTSTART:20261225|RDATE:20260501,20261001|EXDATE:20261001', 'DTSTART:20261225|STATUS:CANCELLED', 'DTSTART:20261225|STATUS:CONFIRMED|TRANSP:TRANSPARENT',
                  'DTSTART:20261225|BEGIN:VALARM|TRIGGER:-PT15M|DTSTART:20200101|END:VALARM', 'DTSTART:20310101']) e;
-- every year
select e, pg_temp.dates(e, '2029-06-30')
from unnest(array['DTSTART:20251225|RRULE:FREQ=YEARLY', 'DTSTART:20251225|DTEND:20251227|RRULE:FREQ=YEARLY;COUNT=2', 'DTSTART:20251225|RRULE:FREQ=YEARLY;UNTIL=20271224T235959Z', 'DTSTART:20251225|RRULE:FREQ=YEARLY;INTERVAL=2;WKST=MO',
                  'DTSTART:20240229|RRULE:FREQ=YEARLY', 'DTSTART:20251127|RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH', 'DTSTART:20250526|RRULE:FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO|EXDATE:20270531',
                  'DTSTART:20250101|RRULE:FREQ=YEARLY;BYMONTH=1,7;BYMONTHDAY=1,-1', 'DTSTART:20250106|RRULE:FREQ=YEARLY;BYDAY=1MO,-1FR', 'DTSTART:20260213|RRULE:FREQ=YEARLY;BYMONTHDAY=13;BYDAY=FR',
                  'DTSTART:20251120|RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=WE;BYMONTHDAY=16,17,18,19,20,21,22', 'DTSTART:20260704|RRULE:FREQ=YEARLY|RDATE:20260703']) e;
-- Thanksgiving, by the calendar of SQL
select string_agg(t.d::text, ' ' order by t.d) = pg_temp.dates('DTSTART:20001123|RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH', '2099-12-31')
from (select (array_agg(d::date order by d))[4] as d from generate_series(timestamp '2000-11-01', '2099-11-30', '1 day') d
      where extract(month from d) = 11 and extract(isodow from d) = 4 group by extract(year from d)) t;
-- names: escaped, folded, none; in the byte order of the database
select on_date, summary
from handoff.ical_dates(E'\uFEFFBEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nBEGIN:STANDARD\nDTSTART:19701025T030000\nEND:STANDARD\nEND:VTIMEZONE\n\nBEGIN:VEVENT\nSUMMARY;LANGUAGE="de:AT;x":Heilige\n  drei\\, K\\nönige\n\t\\; \\\\\nDTST\n ART;VALUE=DATE:20270106\nEND:VEVENT\nBEGIN:VEVENT\nDTSTART:20270107\nEND:VEVENT\nEND:VCALENDAR', '2030-01-01');

-- what isn't read is refused, with its line
select e, pg_temp.fails(format('select pg_temp.dates(%L)', e))
from unnest(array['DTSTART:20261225T090000Z', 'DTSTART;TZID=Europe/Berlin:20261225T090000', 'DTSTART:20261225|DTEND:20261226T000000', 'DTSTART:20261225|DURATION:PT1H', 'DTSTART:20261225|RRULE:FREQ=WEEKLY',
                  'DTSTART:20261225|RRULE:FREQ=YEARLY;BYSETPOS=1', 'DTSTART:20261225|RRULE:FREQ=YEARLY|RRULE:FREQ=YEARLY', 'DTSTART:20261225|RECURRENCE-ID:20261225', 'DTSTART:20261225|EXRULE:FREQ=YEARLY', 'DTSTART:20261225|EXDATE:20261225T090000Z',
                  'DTSTART:20260230', 'DTSTART:2026-12-25', 'DTSTART:20261225|DTEND:20261224', 'SUMMARY:no date', 'DTSTART', 'DTSTART:20261225|RRULE:COUNT=2', 'DTSTART:20261225|RRULE:FREQ=YEARLY;COUNT=0', 'DTSTART:20261225|RRULE:FREQ=YEARLY;COUNT',
                  'DTSTART:20261225|RRULE:FREQ=YEARLY;BYMONTH=13', 'DTSTART:20261225|RRULE:FREQ=YEARLY;BYMONTHDAY=0', 'DTSTART:20261225|RRULE:FREQ=YEARLY;BYDAY=0MO', 'DTSTART:20261225|RRULE:FREQ=YEARLY;BYDAY=XX', 'DTSTART:20261225|RRULE:FREQ=YEARLY;BYDAY=',
                  'DTSTART:20261225|RRULE:FREQ=YEARLY;INTERVAL=99999', 'DTSTART:20261225|DURATION:P', 'DTSTART:20261225|DURATION:1D', 'DTSTART:20261225|DURATION:P1M', 'DTSTART:20261225|BEGIN:VALARM', 'DTSTART:20261225|END:VALARM']) e;
select pg_temp.fails(format('select handoff.ical_dates(%L, %L)', t, u))
from (values ('', '2030-01-01'), ('Mon 09:00', '2030-01-01'), (E'BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261225\n', '2030-01-01'), (E'BEGIN:VCALENDAR\n', '2030-01-01'), (E'BEGIN:VEVENT\nDTSTART:20261225\nEND:VEVENT\n', '2030-01-01'),
             (E'BEGIN:VCALENDAR\nEND:VEVENT\n', '2030-01-01'), (E'BEGIN:VCALENDAR\nEND:VCALENDAR\n', 'infinity'), (E'BEGIN:VCALENDAR\nEND:VCALENDAR\n', '10000-01-01'), (E'BEGIN:VCALENDAR\nEND:VCALENDAR\n', '9999-12-31')) v (t, u);

--
-- Into a calendar
--
begin;
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
    perform handoff.setup();
end $$;
select handoff.add_calendar('office', 'mon-fri 09:00-17:00 @ Europe/Berlin');
select handoff.add_exception('office', '2026-12-25', 'closed', note => 'by hand');
select handoff.add_exception('office', '2026-12-26', 'open', '10:00-12:00');
create temp table feed as
select pg_temp.ics('DTSTART:20251225|DTEND:20251227|SUMMARY:Christmas|RRULE:FREQ=YEARLY', 'DTSTART:20270101|SUMMARY:New Year', 'DTSTART:20270101|SUMMARY:Feiertag') as ics;
select handoff.import_holidays('office', ics, '2027-06-30'), handoff.import_holidays('office', ics, '2027-06-30') from feed;
select on_date, kind, note from handoff.calendar_exception order by on_date, kind;
select name, new ->> 'note' from handoff.operation_log where object = 'calendar_exception' order by name collate "C";
select handoff.business_add('office', '2026-12-24 08:00Z', '2 days');
-- again, and further: ten years are the default
select handoff.import_holidays('office', ics) > 0 as more, (select count(*) from handoff.calendar_exception where on_date > current_date + 3653) as beyond from feed;
select pg_temp.fails($$select handoff.import_holidays('moon', '')$$);
select pg_temp.fails($$select handoff.import_holidays('office', '')$$);
rollback;
