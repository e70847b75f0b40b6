-- test/truth/00-base.sql: what the queries of this folder share. Each of them counts a view of KPIs anew, from the tables alone and by
-- docs/learn.md, into table truth.<view>, with the view's columns; kpis_are_true() of test/t/LeadHandoff.pm compares the two row by row,
-- whatever the data. They call no function of schema handoff and read no view of it.

create schema truth;

create function truth.now() returns timestamptz language sql stable return current_setting('lead_handoff.view_time')::timestamptz;
create function truth.share(num numeric, den numeric) returns numeric language sql immutable return round(num / nullif(den, 0), 4);

-- Kaplan and Meier step by step, with 50 digits: after which time no more than 1 - share still wait, in whole seconds, rounded up
create function truth.kaplan_meier(seconds numeric[], happened boolean[], share numeric) returns numeric language plpgsql immutable as $$
declare
    waits   numeric(60, 50) := 1;
    at_risk int := cardinality(seconds);
    moment  record;
begin
    for moment in select x as seconds, count(*) filter (where h) as ends, count(*) as n from unnest(seconds, happened) u (x, h) group by x order by x loop
        waits := waits * (1 - moment.ends::numeric(60, 50) / at_risk);
        if moment.ends > 0 and waits <= 1 - share + 1e-40 then
            return ceil(moment.seconds);
        end if;
        at_risk := at_risk - moment.n;
    end loop;
    return null;
end $$;

-- Weekly hours by their text: a row a day of the week and span, in minutes from its midnight; those that end on the next day end after 1440.
create function truth.weekly(schedule text) returns table (day int, opens int, closes int) language sql immutable as $$
    with part as (
        select trim(p) as part from regexp_split_to_table(split_part(schedule, ' @ ', 1), ';') p
    ), span as (
        select case when part = '24x7' then 'mon-sun' else split_part(part, ' ', 1) end as days,
               regexp_split_to_table(case when part = '24x7' then '00:00-24:00' else substr(part, strpos(part, ' ') + 1) end, ' ') as hours
        from part where part <> 'closed'
    ), named as (
        select array_position('{mon,tue,wed,thu,fri,sat,sun}'::text[], split_part(d, '-', 1)) as first,
               array_position('{mon,tue,wed,thu,fri,sat,sun}'::text[], case when strpos(d, '-') > 0 then split_part(d, '-', 2) else d end) as last, hours
        from span, regexp_split_to_table(days, ',') d
    ), minutes as (
        select n.first, n.last, 60 * left(hours, 2)::int + substr(hours, 4, 2)::int as opens, 60 * substr(hours, 7, 2)::int + right(hours, 2)::int as closes from named n
    )
    select g, m.opens, m.closes + case when m.closes <= m.opens then 1440 else 0 end
    from minutes m, generate_series(m.first, m.last) g
$$;

-- Every opening of every hours there are, with how many seconds were open before it. Hours are named by their calendar, by their schedule,
-- by both where a rep has hours of his own and the holidays of a calendar, or by calendar and zone where he has its hours in his own zone.
-- A date that is closed has none, another may have hours of its own; a break is cut out of whatever is open. From before the first
-- handoff and stay until after the last due time.
create table truth.opening (hours text, opens timestamptz, closes timestamptz, before numeric);
insert into truth.opening
with times as (
    select date_trunc('week', least(truth.now(), (select min(trigger_at) from handoff.handoff), (select min(entered_at) from handoff.stage_history)) at time zone 'UTC' - interval '1 week') as first,
           greatest(truth.now(), (select max(due_at) from handoff.clock where kind = 'sla')) at time zone 'UTC' + interval '1 week' as last
), hours as (
    select k.name as hours, k.schedule::text as schedule, k.name as calendar from handoff.calendar k
    union select concat_ws(' but ', r.schedule::text, r.calendar), r.schedule::text, r.calendar from handoff.rep r where r.schedule is not null
    union select k.name || ' in ' || r.zone, split_part(k.schedule::text, ' @ ', 1) || ' @ ' || r.zone, k.name
          from handoff.calendar k join handoff.rep r on r.schedule is null and r.zone is not null
), daily as (
    select h.hours, split_part(h.schedule, ' @ ', 2) as zone, 'open' as kind, d, w.*
    from hours h
    cross join times s
    cross join generate_series(s.first, s.last, interval '1 day') d
    join lateral truth.weekly(h.schedule) w on w.day = extract(isodow from d)
    where not exists (select from handoff.calendar_exception e where e.calendar = h.calendar and e.on_date = d and e.kind in ('closed', 'open'))
    union all
    select h.hours, split_part(h.schedule, ' @ ', 2), e.kind, e.on_date, w.*
    from hours h
    join handoff.calendar_exception e on e.calendar = h.calendar and e.kind in ('open', 'break')
    join lateral truth.weekly('mon-sun ' || e.hours) w on w.day = extract(isodow from e.on_date)
    where not exists (select from handoff.calendar_exception x where x.calendar = h.calendar and x.on_date = e.on_date and x.kind = 'closed')
), whole as (
    select hours, kind, range_agg(tstzrange((d + opens * interval '1 minute') at time zone zone, (d + closes * interval '1 minute') at time zone zone)) as spans
    from daily
    group by hours, kind
)
select o.hours, lower(r), upper(r), coalesce(sum(extract(epoch from upper(r) - lower(r))) over (partition by o.hours order by r rows between unbounded preceding and 1 preceding), 0)
from whole o
left join whole b on b.hours = o.hours and b.kind = 'break'
cross join lateral unnest(o.spans - coalesce(b.spans, '{}')) r
where o.kind = 'open';
create index on truth.opening (hours, opens desc) include (closes, before);
analyze truth.opening;

-- Open seconds of hours until a moment, and from one to another; hours NULL: all time is open.
create function truth.open_until(hours text, at timestamptz) returns numeric language sql stable as $$
    select coalesce((select o.before + extract(epoch from least(at, o.closes) - o.opens) from truth.opening o where o.hours = $1 and o.opens <= $2 order by o.opens desc limit 1), 0)
$$;
create function truth.open_seconds(hours text, a timestamptz, b timestamptz) returns numeric language sql stable as $$
    select case when b <= a then 0 when hours is null then extract(epoch from b - a) when b > a then truth.open_until(hours, b) - truth.open_until(hours, a) end
$$;

-- Handoffs that KPIs count, with what each counts for; months by the zone of their contract.
create table truth.handoff as
select h.*, h.lead_key || '/' || h.handoff_no as id, h.closed_at is null as open, h.accepted_at is not null as accepted,
       h.closed_at is not null and h.accepted_at is null and h.outcome = any ('{recycle,disqualified,returned}') as rejected,
       to_char(h.handed_at at time zone c.reporting_zone, 'YYYY-MM-01')::date as cohort,
       extract(epoch from truth.now()) - extract(epoch from h.handed_at) as age
from handoff.handoff h
join handoff.contract c using (contract_id)
where h.origin = any ('{contract,self_booked}') and coalesce(h.outcome, '') <> 'withdrawn';
analyze truth.handoff;
