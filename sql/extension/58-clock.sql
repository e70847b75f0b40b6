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

create function handoff.misplanned(qty int default 2147483647)
    returns table (lead_key text, handoff_no int, name text, n int, due_at timestamptz, planned timestamptz)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select k.lead_key, k.handoff_no, k.name, k.n, k.due_at, d.due
    from handoff.clock k
    join handoff.handoff h on h.lead_key = k.lead_key and h.handoff_no = k.handoff_no and h.closed_at is null
    join handoff.sla s on s.contract_id = h.contract_id and s.name = k.name
    join handoff.contract c on c.contract_id = h.contract_id
    left join handoff.rep r on r.rep = k.rep
    left join handoff.pool p on p.pool = k.pool
    cross join lateral handoff.clock_due(
        k.started_at, s.target, s.clock = 'business',
        case when r.schedule is null then coalesce(r.calendar, p.calendar, c.calendar) else r.calendar end,
        r.schedule, case when r.schedule is null then r.zone end, k.pauses, c.reporting_zone) d (due)
    where k.kind = 'sla' and k.stopped_at is null and k.due_at is distinct from d.due
    limit qty
$$;
comment on function handoff.misplanned(int) is
    'Clocks that run and whose due_at is not what their hours say now, qty of them at most: when planned, when they should be. After a change of calendars, reps or pools the next tick plans them anew, so none are left; after a change of the server''s time-zone data maintain() finds them. Error 22023: a zone that the server doesn''t know.';

create function handoff.replan() returns void
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    update handoff.meta set people_seen = '-infinity'
$$;
comment on function handoff.replan() is
    'Lets the next tick plan all clocks that run anew, and try all handoffs that wait: after changes of calendars, reps or pools past the functions made for it, or of the server''s time-zone data.';

revoke all on function handoff.clock_due(timestamptz, interval, boolean, text, handoff.schedule, text, tstzmultirange, text) from public;
revoke all on function handoff.misplanned(int) from public;
revoke all on function handoff.replan() from public;
