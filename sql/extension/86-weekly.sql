-- sql/extension/86-weekly.sql: the weekly review: which leads a team must speak about.
--
-- It reads tables and views that show a manager his own leads, so that he can call it for his team. What is said is as of
-- view_time(); what has happened is that of the week.

create function handoff.weekly_review(team text default null, week date default null)
    returns table (rep text, pool text, kind text, lead_key text, handoff_no int, leg text, band text, what text, since timestamptz, due_at timestamptz, todo text)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    now     constant timestamptz := handoff.view_time();
    zone    text;
    monday  date;
    week_begins timestamptz;
    week_ends   timestamptz;
begin
    if team is not null then
        perform handoff.need_pool(team);
    end if;
    select c.reporting_zone into zone from handoff.contract c where c.in_force order by c.name limit 1;
    zone := coalesce(zone, 'UTC');
    monday := date_trunc('week', coalesce(week, (now at time zone zone)::date)::timestamp)::date;
    week_begins := monday::timestamp at time zone zone;
    week_ends := (monday + 7)::timestamp at time zone zone;
    return query
    with handed as (
        select h.*
        from handoff.handoff h
        where team is null or h.pool = team or exists (
            select from handoff.pool_member m where m.pool = team and m.rep = h.rep and m.valid_from <= now and now < m.valid_to)
    ), newest as (
        select distinct on (h.lead_key) h.* from handed h order by h.lead_key, h.closed_at desc nulls first, h.outcome is not distinct from 'returned', h.handoff_no desc
    ), found (ord, rep, pool, kind, lead_key, handoff_no, leg, band, what, since, due_at, todo) as (
        select 1, coalesce(k.rep, h.rep), coalesce(k.pool, h.pool), 'breached', h.lead_key, h.handoff_no, h.leg, h.band,
               k.sla || case when k.stopped_at is null then ', still running' else ', done since' end, k.started_at, k.due_at,
               case when k.stopped_at is null then 'Do it now, or give it to somebody who can.' else 'Ask what was in the way.' end
        from handoff.my_clock k
        join handed h on h.lead_key = k.lead_key and h.handoff_no = k.handoff_no
        where k.verdict = 'missed' and k.due_at >= week_begins and k.due_at < week_ends
        union all
        select 2, h.rep, h.pool, 'unaccepted', h.lead_key, h.handoff_no, h.leg, h.band,
               case when h.first_touch_at is null then 'not touched' else format('touched %s times', h.touches) end, h.handed_at,
               (select min(k.due_at) from handoff.my_clock k
                where k.lead_key = h.lead_key and k.handoff_no = h.handoff_no and k.metric = 'accept' and k.stopped_at is null),
               case when h.rep is null then 'Find it an owner.' else 'Accept it, or give it back with a reason.' end
        from handed h
        where h.closed_at is null and h.accepted_at is null and h.handed_at < week_ends
        union all
        select 3, n.rep, n.pool, 'blocked', l.lead_key, n.handoff_no, n.leg, l.band, 'missing ' || array_to_string(l.blocked_fields, ', '), l.blocked_since,
               (select min(k.due_at) from handoff.clock k where k.lead_key = l.lead_key and k.kind = 'blocked' and k.stopped_at is null),
               'Fill these fields.'
        from handoff.lead l
        left join newest n on n.lead_key = l.lead_key and n.closed_at is null
        where l.blocked_since < week_ends and l.deleted_at is null and (team is null or n.lead_key is not null)
        union all
        select 4, n.rep, n.pool, 'disputed', v.lead_key, n.handoff_no, n.leg, n.band,
               format('the CRM says %s, against rule %s: %s', v.asked, v.rule, v.wanted), v.at, null,
               case when v.taken then 'Agree whether that was right.' else 'Do what is owed, or correct the status.' end
        from handoff.violation v
        left join newest n on n.lead_key = v.lead_key
        where v.at >= week_begins and v.at < week_ends and (team is null or n.lead_key is not null)
        union all
        select 4, h.rep, h.pool, 'disputed', h.lead_key, h.handoff_no, h.leg, h.band,
               case when d.taken_back then 'given up, and that was taken back'
                    else format('rejected%s, and %s since', coalesce(' as ' || h.code, ''), d.since_then) end, d.at, null,
               'Speak about why it was given up.'
        from handed h
        cross join lateral (
            select true as taken_back, h.undone_at as at, null as since_then where h.undone > 0
            union all
            select false, h.won_at, 'won' where h.won_at > h.closed_at
            union all
            select false, h.opportunity_at, 'an opportunity' where h.opportunity_at > h.closed_at
        ) d
        where d.at >= week_begins and d.at < week_ends
          and (d.taken_back or h.accepted_at is null and h.outcome in ('recycle', 'disqualified', 'returned'))
        union all
        select 5, n.rep, n.pool, 'expiring', k.lead_key, n.handoff_no, n.leg, n.band,
               format('its time in stage %s is over soon', l.stage), l.stage_since, k.due_at, 'Move it on, or it goes back.'
        from handoff.clock k
        join handoff.lead l on l.lead_key = k.lead_key and l.deleted_at is null
        join newest n on n.lead_key = k.lead_key and n.closed_at is null
        where k.handoff_no = 0 and k.kind = 'stage_age' and k.stopped_at is null and k.due_at >= now and k.due_at < now + interval '7 days'
    )
    select f.rep, f.pool, f.kind, f.lead_key, f.handoff_no, f.leg, f.band, f.what, f.since, f.due_at, f.todo
    from found f
    order by f.rep collate "C" nulls last, f.ord, f.due_at nulls last, f.since, f.lead_key collate "C", f.handoff_no;
end
$$;
comment on function handoff.weekly_review(text, date) is
    'The leads that a team (a pool: handed over to it, or to a member of it; NULL: all) must speak about, by owner: breached (SLA clocks missed that were due in the week), unaccepted (open, handed over before its end), blocked (missing or invalid fields; without a team also those that nobody has), disputed (statuses against the contract, dispositions taken back, rejected leads with an opportunity since, that week), expiring (the longest stay in their stage ends within 7 days), each with since when, until when, and what to do. week: any day of it, Monday to Sunday in the reporting zone of the contract in force; NULL: that of view_time(). Names leads: for operators and admins, and of their own leads for managers. Error 42704: no such pool.';
revoke all on function handoff.weekly_review(text, date) from public;
