-- sql/extension/22-business-time.sql: business time, and the calendars that it is counted in; src/time/business_time.c
-- says what it means. Each function is there twice: for the name of a calendar, and for a schedule without exceptions.

create function handoff.is_open(calendar text, at timestamptz) returns boolean
    language c stable strict parallel safe as 'MODULE_PATHNAME', 'lh_sql_is_open';
comment on function handoff.is_open(text, timestamptz) is
    'Is a moment within the open hours of a calendar? From the moment it opens on, to before the one at which it closes. Errors: 42704 (no such calendar), 22023 (this server doesn''t know the zone), 22008 (a moment is not finite).';

create function handoff.is_open(schedule handoff.schedule, at timestamptz) returns boolean
    language c stable strict parallel safe as 'MODULE_PATHNAME', 'lh_sql_is_open';
comment on function handoff.is_open(handoff.schedule, timestamptz) is
    'Is a moment within the open hours of a schedule? From the moment it opens on, to before the one at which it closes. Errors: 22023 (this server doesn''t know the zone), 22008 (a moment is not finite).';

create function handoff.next_open(calendar text, at timestamptz) returns timestamptz
    language c stable strict parallel safe as 'MODULE_PATHNAME', 'lh_sql_next_open';
comment on function handoff.next_open(text, timestamptz) is
    'The first open moment of a calendar from at on: at itself if it is open. NULL: none within ten years. Errors: 42704 (no such calendar), 22023 (this server doesn''t know the zone), 22008 (a moment is not finite).';

create function handoff.next_open(schedule handoff.schedule, at timestamptz) returns timestamptz
    language c stable strict parallel safe as 'MODULE_PATHNAME', 'lh_sql_next_open';
comment on function handoff.next_open(handoff.schedule, timestamptz) is
    'The first open moment of a schedule from at on: at itself if it is open. NULL: none within ten years. Errors: 22023 (this server doesn''t know the zone), 22008 (a moment is not finite).';

create function handoff.next_close(calendar text, at timestamptz) returns timestamptz
    language c stable strict parallel safe as 'MODULE_PATHNAME', 'lh_sql_next_close';
comment on function handoff.next_close(text, timestamptz) is
    'When the opening of a calendar ends that next_open() finds: the first moment behind it that is not open. NULL: none within ten years. Errors: 42704 (no such calendar), 22023 (this server doesn''t know the zone), 22008 (a moment is not finite).';

create function handoff.next_close(schedule handoff.schedule, at timestamptz) returns timestamptz
    language c stable strict parallel safe as 'MODULE_PATHNAME', 'lh_sql_next_close';
comment on function handoff.next_close(handoff.schedule, timestamptz) is
    'When the opening of a schedule ends that next_open() finds: the first moment behind it that is not open. NULL: none within ten years. Errors: 22023 (this server doesn''t know the zone), 22008 (a moment is not finite).';

create function handoff.business_add(calendar text, at timestamptz, span interval) returns timestamptz
    language c stable strict parallel safe as 'MODULE_PATHNAME', 'lh_sql_business_add';
comment on function handoff.business_add(text, timestamptz, interval) is
    'The first moment by which a calendar has been open for span since at; closing time if span is used up there. Days come first and are dates, each counted with its own open time, from the date of the (next) open moment on; hours are open time. Nothing added gives the next open moment, a negative span goes back. NULL: not within ten years. Errors: 42704 (no such calendar), 22023 (this server doesn''t know the zone), 22008 (a moment is not finite), 22023 (months).';

create function handoff.business_add(schedule handoff.schedule, at timestamptz, span interval) returns timestamptz
    language c stable strict parallel safe as 'MODULE_PATHNAME', 'lh_sql_business_add';
comment on function handoff.business_add(handoff.schedule, timestamptz, interval) is
    'The first moment by which a schedule has been open for span since at; closing time if span is used up there. Days come first and are dates, each counted with its own open time, from the date of the (next) open moment on; hours are open time. Nothing added gives the next open moment, a negative span goes back. NULL: not within ten years. Errors: 22023 (this server doesn''t know the zone), 22008 (a moment is not finite), 22023 (months).';

create function handoff.business_sub(calendar text, at timestamptz, span interval) returns timestamptz
    language c stable strict parallel safe as 'MODULE_PATHNAME', 'lh_sql_business_sub';
comment on function handoff.business_sub(text, timestamptz, interval) is
    'The last moment from which on a calendar is open for span until at; opening time if span is used up there. Days come first and are dates, each counted with its own open time, back from the date of the (last) open moment; hours are open time. Nothing taken away gives the last moment up to which it was open, a negative span goes on. NULL: not within ten years. Errors: 42704 (no such calendar), 22023 (this server doesn''t know the zone), 22008 (a moment is not finite), 22023 (months).';

create function handoff.business_sub(schedule handoff.schedule, at timestamptz, span interval) returns timestamptz
    language c stable strict parallel safe as 'MODULE_PATHNAME', 'lh_sql_business_sub';
comment on function handoff.business_sub(handoff.schedule, timestamptz, interval) is
    'The last moment from which on a schedule is open for span until at; opening time if span is used up there. Days come first and are dates, each counted with its own open time, back from the date of the (last) open moment; hours are open time. Nothing taken away gives the last moment up to which it was open, a negative span goes on. NULL: not within ten years. Errors: 22023 (this server doesn''t know the zone), 22008 (a moment is not finite), 22023 (months).';

create function handoff.business_between(calendar text, a timestamptz, b timestamptz) returns interval
    language c stable strict parallel safe as 'MODULE_PATHNAME', 'lh_sql_business_between';
comment on function handoff.business_between(text, timestamptz, timestamptz) is
    'How long a calendar is open from a to b, in hours, minutes and seconds of real time; 0 if b is not later. Errors: 42704 (no such calendar), 22023 (this server doesn''t know the zone), 22008 (a moment is not finite).';

create function handoff.business_between(schedule handoff.schedule, a timestamptz, b timestamptz) returns interval
    language c stable strict parallel safe as 'MODULE_PATHNAME', 'lh_sql_business_between';
comment on function handoff.business_between(handoff.schedule, timestamptz, timestamptz) is
    'How long a schedule is open from a to b, in hours, minutes and seconds of real time; 0 if b is not later. Errors: 22023 (this server doesn''t know the zone), 22008 (a moment is not finite).';

create function handoff.business_day(calendar text, at timestamptz) returns timestamptz
    language c stable strict parallel safe as 'MODULE_PATHNAME', 'lh_sql_business_day';
comment on function handoff.business_day(text, timestamptz) is
    'The business day of a moment by a calendar, as the moment at which it opens: the day whose hours the moment lies in; outside of all hours that of its local date. NULL: on that date it does not open. Errors: 42704 (no such calendar), 22023 (this server doesn''t know the zone), 22008 (at is not finite).';

create function handoff.business_day_end(calendar text, at timestamptz, days int default 0) returns timestamptz
    language c stable strict parallel safe as 'MODULE_PATHNAME', 'lh_sql_business_day_end';
comment on function handoff.business_day_end(text, timestamptz, int) is
    'When the business day closes that comes so many days after that of the first open moment from at on, by a calendar: the due time of a step of a cadence. NULL: there is none within ten years. Errors: 42704 (no such calendar), 22023 (days is negative; this server doesn''t know the zone), 22008 (at is not finite).';

create function handoff.business_day(schedule handoff.schedule, at timestamptz) returns timestamptz
    language c stable strict parallel safe as 'MODULE_PATHNAME', 'lh_sql_business_day';
comment on function handoff.business_day(handoff.schedule, timestamptz) is
    'The business day of a moment by a schedule, as the moment at which it opens: the day whose hours the moment lies in; outside of all hours that of its local date. NULL: on that date it does not open. Errors: 22023 (this server doesn''t know the zone), 22008 (at is not finite).';

create function handoff.business_day_end(schedule handoff.schedule, at timestamptz, days int default 0) returns timestamptz
    language c stable strict parallel safe as 'MODULE_PATHNAME', 'lh_sql_business_day_end';
comment on function handoff.business_day_end(handoff.schedule, timestamptz, int) is
    'When the business day closes that comes so many days after that of the first open moment from at on, by a schedule: the due time of a step of a cadence. NULL: there is none within ten years. Errors: 22023 (days is negative; this server doesn''t know the zone), 22008 (at is not finite).';

create function handoff.open_seconds(calendar text, hours handoff.schedule, zone text, a timestamptz, b timestamptz) returns double precision
    language c stable parallel safe as 'MODULE_PATHNAME', 'lh_sql_open_seconds';
comment on function handoff.open_seconds(text, handoff.schedule, text, timestamptz, timestamptz) is
    'Seconds of open time from a to b as clocks of SLAs count it: of a calendar (NULL, or there is none of that name: no holidays) with other weekly hours (NULL: its own), which are meant in another time zone (NULL: in theirs); elapsed time where there are no hours at all. 0 if b is not later; NULL if a or b is NULL or not finite. Error 22023: this server doesn''t know the zone. Internal to views.';

create function handoff.open_seconds(calendar text, hours handoff.schedule, zone text, a timestamptz, b timestamptz, pauses tstzmultirange) returns double precision
    language c stable parallel safe as 'MODULE_PATHNAME', 'lh_sql_open_seconds';
comment on function handoff.open_seconds(text, handoff.schedule, text, timestamptz, timestamptz, tstzmultirange) is
    'The same without what lies in pauses, of which the last may go on. Internal to views.';

create function handoff.canonical_hours(hours text) returns text
    language c immutable strict parallel safe as 'MODULE_PATHNAME', 'lh_canonical_hours';
comment on function handoff.canonical_hours(text) is
    'Hours of a day such as 09:00-12:30 13:30-18:00 in their one form: in order, those that overlap or touch merged. They may end at 24:00 or on the next day (22:00-06:00). Error 22P02: not hours, none, or together longer than 24 hours.';

create function handoff.need_calendar(calendar text) returns void
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from handoff.calendar c where c.name = need_calendar.calendar) then
        raise exception 'there is no calendar "%"', calendar
            using errcode = '42704', hint = 'Make it with handoff.add_calendar(); handoff.calendar lists those there are.';
    end if;
end
$$;
comment on function handoff.need_calendar(text) is 'Error 42704 unless there is such a calendar. Internal.';

create function handoff.calendars_changed() returns trigger
    language c as 'MODULE_PATHNAME', 'lh_calendars_changed';
comment on function handoff.calendars_changed() is
    'Trigger of calendar and calendar_exception: tells all sessions that calendars are to be read anew. Internal.';

create function handoff.never_opens(calendar text) returns boolean
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return handoff.next_open(calendar, clock_timestamp()) is null;
exception when invalid_parameter_value then
    -- whether the zone exists is asked elsewhere
    return false;
end
$$;
comment on function handoff.never_opens(text) is
    'Has a calendar no open hours within ten years from now? False if this server doesn''t know its zone. Error 42704: no such calendar. Internal to validate() and doctor().';

create function handoff.add_calendar(name text, schedule text, note text default null) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    made jsonb;
begin
    if name = '' or name is null or schedule is null then
        raise exception 'a calendar needs a name and a schedule' using errcode = '22023';
    end if;
    -- fails here, not at the first lead, if this server doesn't know the zone
    perform handoff.is_open(schedule::handoff.schedule, clock_timestamp());
    insert into handoff.calendar as c (name, schedule, note)
    values (add_calendar.name, add_calendar.schedule::handoff.schedule, add_calendar.note)
    on conflict on constraint calendar_pkey do nothing
    returning to_jsonb(c) into made;
    if not found then
        raise exception 'there is already a calendar "%"', name
            using errcode = '23505', hint = 'handoff.set_calendar() gives it another schedule.';
    end if;
    perform handoff.log_operation('calendar', name, null, made);
end
$$;
comment on function handoff.add_calendar(text, text, text) is
    'Makes a calendar from weekly hours with their time zone, for example mon-fri 09:00-18:00 @ Europe/Berlin. Errors: 23505 (exists), 22023 (no name or schedule, zone), 22P02 (schedule).';

create function handoff.set_calendar(name text, schedule text) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    old jsonb;
    new jsonb;
begin
    perform handoff.need_calendar(name);
    perform handoff.is_open(schedule::handoff.schedule, clock_timestamp());
    select to_jsonb(c) into old from handoff.calendar c where c.name = set_calendar.name for update;
    update handoff.calendar c set schedule = set_calendar.schedule::handoff.schedule
    where c.name = set_calendar.name and c.schedule operator(handoff.<>) set_calendar.schedule::handoff.schedule
    returning to_jsonb(c) into new;
    if found then
        perform handoff.log_operation('calendar', name, old, new);
    end if;
end
$$;
comment on function handoff.set_calendar(text, text) is
    'Gives a calendar other weekly hours; its exceptions stay. NULL changes nothing. Errors: 42704 (no such calendar), 22023 (zone), 22P02 (schedule).';

create function handoff.add_exception(calendar text, on_date date, kind text, hours text default null, note text default null)
    returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    made jsonb;
begin
    perform handoff.need_calendar(calendar);
    if on_date is null or not isfinite(on_date) then
        raise exception 'an exception is for one date' using errcode = '22023';
    end if;
    if kind is null or kind not in ('closed', 'open', 'break') then
        raise exception 'unknown kind of exception "%"', kind
            using errcode = '22023', hint = 'A date is closed, or has other open hours, or a break.';
    end if;
    if (kind = 'closed') <> (hours is null) then
        raise exception '%', case when hours is null then format('an exception "%s" needs hours', kind) else 'a closed date has no hours' end
            using errcode = '22023', hint = 'Hours are written like 10:00-12:00 13:00-15:00.';
    end if;
    insert into handoff.calendar_exception as e (calendar, on_date, kind, hours, note)
    values (add_exception.calendar, add_exception.on_date, add_exception.kind,
            handoff.canonical_hours(add_exception.hours), add_exception.note)
    on conflict on constraint calendar_exception_pkey do nothing
    returning to_jsonb(e) into made;
    if not found then
        raise exception 'calendar "%" has already an exception "%" for %', calendar, kind, on_date
            using errcode = '23505', hint = 'Several hours go into one exception; handoff.remove_exception() makes place for another.';
    end if;
    perform handoff.log_operation('calendar_exception', format('%s/%s/%s', calendar, on_date, kind), null, made);
end
$$;
comment on function handoff.add_exception(text, date, text, text, text) is
    'Says what is not as every week on a date: closed (wins over all), open (these hours replace those of the weekday), break (these hours are cut out of whatever is open then, the night before included). hours: for example 10:00-12:00 13:00-15:00, by the wall clock of the calendar''s zone. Errors: 42704 (no such calendar), 23505 (exists), 22023 (no date, kind, hours missing or too many), 22P02 (hours).';

create function handoff.remove_exception(calendar text, on_date date, kind text default null) returns int
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    gone int;
begin
    perform handoff.need_calendar(calendar);
    with removed as (
        delete from handoff.calendar_exception e
        where e.calendar = remove_exception.calendar and e.on_date = remove_exception.on_date
          and e.kind = coalesce(remove_exception.kind, e.kind)
        returning e.kind, to_jsonb(e) as row
    ), logged as (
        insert into handoff.operation_log (object, name, old)
        select 'calendar_exception', format('%s/%s/%s', remove_exception.calendar, remove_exception.on_date, r.kind), r.row
        from removed r
    )
    select count(*) into gone from removed;
    return gone;
end
$$;
comment on function handoff.remove_exception(text, date, text) is
    'Makes a date of a calendar usual again; kind NULL: whatever it was. Returns how many exceptions it had. Error 42704: no such calendar.';

create function handoff.add_holidays(calendar text, dates date[], note text default null) returns int
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    made int;
begin
    perform handoff.need_calendar(calendar);
    with added as (
        insert into handoff.calendar_exception as e (calendar, on_date, kind, note)
        select add_holidays.calendar, d.on_date, 'closed', add_holidays.note
        from (select distinct unnest(dates) as on_date) d
        where d.on_date is not null
        order by d.on_date
        on conflict on constraint calendar_exception_pkey do nothing
        returning e.on_date, to_jsonb(e) as row
    ), logged as (
        insert into handoff.operation_log (object, name, new)
        select 'calendar_exception', format('%s/%s/closed', add_holidays.calendar, a.on_date), a.row
        from added a
    )
    select count(*) into made from added;
    return made;
end
$$;
comment on function handoff.add_holidays(text, date[], text) is
    'Closes dates of a calendar; those that are closed already stay as they are. Returns how many are new. From a query: add_holidays(''office'', array(select ..)). Errors: 42704 (no such calendar), 23514 (a date is not finite).';

create function handoff.ical_dates(ics text, until date) returns table (on_date date, summary text)
    language c immutable strict parallel safe as 'MODULE_PATHNAME', 'lh_ical_dates';
comment on function handoff.ical_dates(text, date) is
    'The dates of the events of an iCalendar text (RFC 5545) up to a date: whole days from DTSTART to before DTEND, once, or every year by RRULE (FREQ=YEARLY with INTERVAL, COUNT, UNTIL, BYMONTH, BYMONTHDAY, BYDAY), with RDATE and without EXDATE and cancelled ones. A date of two events comes twice. Errors: 22P02 (not iCalendar), 0A000 (a time of day, another recurrence, a changed instance), 22008 (until not finite or after 9999).';

create function handoff.import_holidays(calendar text, ics text, until date default (current_date + 3653)) returns int
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    made int;
begin
    perform handoff.need_calendar(calendar);
    with added as (
        insert into handoff.calendar_exception as e (calendar, on_date, kind, note)
        select import_holidays.calendar, d.on_date, 'closed', string_agg(distinct d.summary, ', ')
        from handoff.ical_dates(ics, until) d
        group by d.on_date
        order by d.on_date
        on conflict on constraint calendar_exception_pkey do nothing
        returning e.on_date, to_jsonb(e) as row
    ), logged as (
        insert into handoff.operation_log (object, name, new)
        select 'calendar_exception', format('%s/%s/closed', import_holidays.calendar, a.on_date), a.row
        from added a
    )
    select count(*) into made from added;
    return made;
end
$$;
comment on function handoff.import_holidays(text, text, date) is
    'Closes the dates of an iCalendar text, as published for public holidays, in a calendar; what comes every year up to a date, by default ten years from now. Dates that are closed already stay as they are, so a feed may be imported again. Returns how many are new. Errors: 42704 (no such calendar), and those of ical_dates().';

revoke all on function handoff.is_open(text, timestamptz) from public;
revoke all on function handoff.is_open(handoff.schedule, timestamptz) from public;
revoke all on function handoff.next_open(text, timestamptz) from public;
revoke all on function handoff.next_open(handoff.schedule, timestamptz) from public;
revoke all on function handoff.next_close(text, timestamptz) from public;
revoke all on function handoff.next_close(handoff.schedule, timestamptz) from public;
revoke all on function handoff.business_add(text, timestamptz, interval) from public;
revoke all on function handoff.business_add(handoff.schedule, timestamptz, interval) from public;
revoke all on function handoff.business_sub(text, timestamptz, interval) from public;
revoke all on function handoff.business_sub(handoff.schedule, timestamptz, interval) from public;
revoke all on function handoff.business_between(text, timestamptz, timestamptz) from public;
revoke all on function handoff.business_between(handoff.schedule, timestamptz, timestamptz) from public;
revoke all on function handoff.business_day(text, timestamptz) from public;
revoke all on function handoff.business_day_end(text, timestamptz, int) from public;
revoke all on function handoff.business_day(handoff.schedule, timestamptz) from public;
revoke all on function handoff.business_day_end(handoff.schedule, timestamptz, int) from public;
revoke all on function handoff.open_seconds(text, handoff.schedule, text, timestamptz, timestamptz) from public;
revoke all on function handoff.open_seconds(text, handoff.schedule, text, timestamptz, timestamptz, tstzmultirange) from public;
revoke all on function handoff.canonical_hours(text) from public;
revoke all on function handoff.need_calendar(text) from public;
revoke all on function handoff.calendars_changed() from public;
revoke all on function handoff.never_opens(text) from public;
revoke all on function handoff.add_calendar(text, text, text) from public;
revoke all on function handoff.set_calendar(text, text) from public;
revoke all on function handoff.add_exception(text, date, text, text, text) from public;
revoke all on function handoff.remove_exception(text, date, text) from public;
revoke all on function handoff.add_holidays(text, date[], text) from public;
revoke all on function handoff.ical_dates(text, date) from public;
revoke all on function handoff.import_holidays(text, text, date) from public;
