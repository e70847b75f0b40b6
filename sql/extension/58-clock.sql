-- sql/extension/58-clock.sql: the clocks of handoffs, looked at as a whole.

create function handoff.clock_due(
    started_at     timestamptz,
    target         interval,
    open_time      boolean,
    calendar       text,
    hours          handoff.schedule,
    zone           text,
    pauses         tstzmultirange,
    reporting_zone text
) returns timestamptz
    language c stable
    as 'MODULE_PATHNAME', 'lh_clock_due';
comment on function handoff.clock_due(timestamptz, interval, boolean, text, handoff.schedule, text, tstzmultirange, text) is
    'When a clock is due, with what every pause before that has taken: target after started_at, in the open time of a calendar (with other hours, or meant in another time zone), else in elapsed time, whose days are those of reporting_zone. NULL: never. Internal to misplanned().';

create function handoff.step_due(
    handed_at      timestamptz,
    business_day   int,
    calendar       text,
    hours          handoff.schedule,
    zone           text,
    reporting_zone text
) returns timestamptz
    language c stable
    as 'MODULE_PATHNAME', 'lh_sql_step_due';
comment on function handoff.step_due(timestamptz, int, text, handoff.schedule, text, text) is
    'When a step of a cadence is due: business_day_end() in a calendar (with other hours, or meant in another time zone), else by dates of reporting_zone. NULL: never. Internal to misplanned().';

create function handoff.misplanned(qty int default 2147483647)
    returns table (lead_key text, handoff_no int, name text, n int, due_at timestamptz, planned timestamptz)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select k.lead_key, k.handoff_no, k.name, k.n, k.due_at, d.due
    from handoff.clock k
    join handoff.handoff h on h.lead_key = k.lead_key and h.handoff_no = k.handoff_no and h.closed_at is null
    join handoff.contract c on c.contract_id = h.contract_id
    left join handoff.sla s on k.kind = 'sla' and s.contract_id = h.contract_id and s.name = k.name
    left join handoff.cadence_step t on k.kind = 'cadence' and t.contract_id = h.contract_id and t.leg = h.leg and t.step = k.n
    left join handoff.rep r on r.rep = case when k.kind = 'sla' then k.rep else h.rep end
    left join handoff.pool p on p.pool = case when k.kind = 'sla' then k.pool else h.pool end
    cross join lateral (select case when r.schedule is null then coalesce(r.calendar, p.calendar, c.calendar) else r.calendar end as calendar,
                               r.schedule as hours, case when r.schedule is null then r.zone end as zone) o
    cross join lateral (select case when s.name is not null then
            handoff.clock_due(k.started_at, s.target, s.clock = 'business', o.calendar, o.hours, o.zone, k.pauses, c.reporting_zone)
        else handoff.step_due(h.handed_at, t.business_day, o.calendar, o.hours, o.zone, c.reporting_zone) end) d (due)
    where k.stopped_at is null and (s.name is not null or d.due is not null and h.rep is not null) and k.due_at is distinct from d.due
    limit qty
$$;
comment on function handoff.misplanned(int) is
    'Clocks that run, and steps of cadences that are owed, whose due_at is not what their hours say now, qty of them at most: when planned, when they should be. After a change of calendars, reps or pools the next tick plans them anew, so none are left; after a change of the server''s time-zone data maintain() finds them. Error 22023: a zone that the server doesn''t know.';

create function handoff.replan() returns void
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    update handoff.meta set people_seen = '-infinity'
$$;
comment on function handoff.replan() is
    'Lets the next tick plan all clocks that run anew, and try all handoffs that wait: after changes of calendars, reps or pools past the functions made for it, or of the server''s time-zone data.';

revoke all on function handoff.clock_due(timestamptz, interval, boolean, text, handoff.schedule, text, tstzmultirange, text) from public;
revoke all on function handoff.step_due(timestamptz, int, text, handoff.schedule, text, text) from public;
revoke all on function handoff.misplanned(int) from public;
revoke all on function handoff.replan() from public;
