-- sql/schema/88-axis.sql: what numbers are looked at by: the dimensions of a star schema whose facts are the views
-- fact_... One row a value, named as the facts name it.
--
-- Definitions change with versions of a contract, and names stay: an axis has each name that any version but a draft
-- has, as the newest of these says (by contract_id).

create view handoff.axis_date as
select d.date,
       extract(isodow from d.date)::int as weekday,
       extract(isodow from d.date) > 5 as is_weekend,
       date_trunc('week', d.date)::date as week,
       to_char(d.date, 'IYYY"-W"IW') as week_name,
       date_trunc('month', d.date)::date as month,
       to_char(d.date, 'YYYY-MM') as month_name,
       date_trunc('quarter', d.date)::date as quarter,
       to_char(d.date, 'YYYY"-Q"Q') as quarter_name,
       extract(year from d.date)::int as year,
       handoff.open_seconds(c.calendar, null, null, d.date::timestamp at time zone c.zone, (d.date + 1)::timestamp at time zone c.zone)::numeric as business_seconds,
       c.today - d.date as days_ago
from (
    select coalesce(v.reporting_zone, 'UTC') as zone, v.calendar, ((select handoff.view_time()) at time zone coalesce(v.reporting_zone, 'UTC'))::date as today
    from (values (true)) one
    left join (select * from handoff.contract where in_force order by name limit 1) v on true
) c
cross join lateral (
    select g::date as date
    from generate_series(
        date_trunc('year', least(c.today, (select min(h.month) from handoff.stage_history h),
                                 (select min(h.handed_at) from handoff.handoff h) at time zone c.zone - interval '1 day',
                                 (select min(o.created_at) from handoff.opportunity o) at time zone c.zone)::timestamp),
        date_trunc('year', greatest(c.today, (select max(h.handed_at) from handoff.handoff h) at time zone c.zone + interval '1 day')::timestamp) + interval '23 months 30 days',
        interval '1 day') g
) d;
comment on view handoff.axis_date is 'Calendar dates in the reporting zone of the contract in force (of several the first by name, of none UTC), from the first day of the year of the earliest fact to the last day of the year after the latest one.';
comment on column handoff.axis_date.date is 'The date: what fact_handoff.handed_date is joined with.';
comment on column handoff.axis_date.weekday is '1 (Monday) to 7 (Sunday).';
comment on column handoff.axis_date.is_weekend is 'Saturday or Sunday.';
comment on column handoff.axis_date.week is 'Monday of its week.';
comment on column handoff.axis_date.week_name is 'ISO 8601 week, for example 2026-W07; its year may be another than that of the date.';
comment on column handoff.axis_date.month is 'First day of its month: what month of all views is joined with (together with date = month).';
comment on column handoff.axis_date.month_name is 'For example 2026-02.';
comment on column handoff.axis_date.quarter is 'First day of its quarter.';
comment on column handoff.axis_date.quarter_name is 'For example 2026-Q1.';
comment on column handoff.axis_date.year is 'Year.';
comment on column handoff.axis_date.business_seconds is 'Open time of that date by the calendar of the contract in force, in seconds; 0: a day off. Without a calendar all of it.';
comment on column handoff.axis_date.days_ago is 'Days from it to the date of handoff.view_time(); negative: it is to come.';

create view handoff.axis_version as
select c.contract_id,
       c.name as contract,
       c.status,
       c.published_at,
       lower(c.effective) as effective_from,
       case when not upper_inf(c.effective) then upper(c.effective) end as effective_to,
       c.effective @> (select handoff.view_time()) as in_force,
       c.reporting_zone,
       c.calendar
from handoff.contract c
where c.status <> 'draft';
comment on view handoff.axis_version is 'Versions of contracts that have been published, one row each.';
comment on column handoff.axis_version.contract_id is 'The version.';
comment on column handoff.axis_version.contract is 'Name of the contract.';
comment on column handoff.axis_version.status is 'published, shadow or retired.';
comment on column handoff.axis_version.published_at is 'When it was last published.';
comment on column handoff.axis_version.effective_from is 'When it was first in force; NULL: never.';
comment on column handoff.axis_version.effective_to is 'Until when it was last, not included; NULL: it is, or never was. Others may have been in force between.';
comment on column handoff.axis_version.in_force is 'It is in force at handoff.view_time().';
comment on column handoff.axis_version.reporting_zone is 'Time zone of its days and months.';
comment on column handoff.axis_version.calendar is 'Its calendar; NULL: none.';

create view handoff.axis_stage as
select distinct on (s.name)
       s.name as stage,
       s.position,
       s.owner,
       s.is_default,
       s.is_terminal,
       s.contract_id
from handoff.stage s
join handoff.contract c on c.contract_id = s.contract_id and c.status <> 'draft'
order by s.name, s.contract_id desc;
comment on view handoff.axis_stage is 'Stages, one row a name.';
comment on column handoff.axis_stage.stage is 'Stage.';
comment on column handoff.axis_stage.position is 'Place in the journey, to sort by.';
comment on column handoff.axis_stage.owner is 'Side that owns a lead there: marketing, sales or none.';
comment on column handoff.axis_stage.is_default is 'New leads begin there.';
comment on column handoff.axis_stage.is_terminal is 'The journey may end there.';
comment on column handoff.axis_stage.contract_id is 'Newest version that has it, and says so.';

create view handoff.axis_leg as
select distinct on (g.name)
       g.name as leg,
       g.ord,
       g.owner_from,
       g.owner_to,
       g.contract_id
from handoff.leg g
join handoff.contract c on c.contract_id = g.contract_id and c.status <> 'draft'
order by g.name, g.contract_id desc;
comment on view handoff.axis_leg is 'Legs, one row a name.';
comment on column handoff.axis_leg.leg is 'Leg.';
comment on column handoff.axis_leg.ord is 'Its order, to sort by.';
comment on column handoff.axis_leg.owner_from is 'Team that hands over.';
comment on column handoff.axis_leg.owner_to is 'Team that takes over.';
comment on column handoff.axis_leg.contract_id is 'Newest version that has it, and says so.';

create view handoff.axis_band as
select distinct on (b.name)
       b.name as band,
       b.ord,
       b.min_fit,
       b.min_intent,
       b.min_score,
       b.contract_id
from handoff.band b
join handoff.contract c on c.contract_id = b.contract_id and c.status <> 'draft'
order by b.name, b.contract_id desc;
comment on view handoff.axis_band is 'Bands, one row a name.';
comment on column handoff.axis_band.band is 'Band.';
comment on column handoff.axis_band.ord is 'Its order, the best first, to sort by.';
comment on column handoff.axis_band.min_fit is 'Least fit, in points; NULL: any.';
comment on column handoff.axis_band.min_intent is 'Least intent, in points; NULL: any.';
comment on column handoff.axis_band.min_score is 'Least score, in points; NULL: any.';
comment on column handoff.axis_band.contract_id is 'Newest version that has it, and says so.';

create view handoff.axis_route as
select distinct on (r.name)
       r.name as route,
       r.leg,
       r.ord,
       r.target_kind,
       case when r.target_kind <> 'rep' then r.target end as target,
       r.ord = (select max(o.ord) from handoff.route o where o.contract_id = r.contract_id and o.leg = r.leg) as is_fallback,
       r.contract_id
from handoff.route r
join handoff.contract c on c.contract_id = r.contract_id and c.status <> 'draft'
order by r.name, r.contract_id desc;
comment on view handoff.axis_route is 'Routes, one row a name.';
comment on column handoff.axis_route.route is 'Route.';
comment on column handoff.axis_route.leg is 'Leg that it routes.';
comment on column handoff.axis_route.ord is 'Order within the leg, to sort by.';
comment on column handoff.axis_route.target_kind is 'rep, pool, account_owner, account_team, territory, previous_owner, crm_owner or booked_host.';
comment on column handoff.axis_route.target is 'Pool, role or map that it leads to; NULL: the kind says all, or it is a rep, who is not named here.';
comment on column handoff.axis_route.is_fallback is 'It is the last one of its leg.';
comment on column handoff.axis_route.contract_id is 'Newest version that has it, and says so.';

create view handoff.axis_code as
select distinct on (d.code)
       d.code,
       d.outcome,
       d.reason,
       d.leg,
       d.no_response,
       d.needs_work is not null as needs_work,
       d.recycle_path,
       d.contract_id
from handoff.disposition d
join handoff.contract c on c.contract_id = d.contract_id and c.status <> 'draft'
order by d.code, d.contract_id desc;
comment on view handoff.axis_code is 'Codes of dispositions, one row each.';
comment on column handoff.axis_code.code is 'Code.';
comment on column handoff.axis_code.outcome is 'accepted, recycle, disqualified, reroute, returned or withdrawn.';
comment on column handoff.axis_code.reason is 'The reason in plain words.';
comment on column handoff.axis_code.leg is 'Leg that it is allowed on; NULL: every one.';
comment on column handoff.axis_code.no_response is 'The buyer never answered.';
comment on column handoff.axis_code.needs_work is 'A work standard must be met first.';
comment on column handoff.axis_code.recycle_path is 'Path that the lead takes; NULL: none.';
comment on column handoff.axis_code.contract_id is 'Newest version that has it, and says so.';

create view handoff.axis_segment as
select s.segment, min(s.ord) as ord
from (
    select d.value as segment, d.ord
    from handoff.derived d
    join handoff.contract c on c.contract_id = d.contract_id and c.status <> 'draft'
    where d.field = 'segment'
    union all
    select h.segment, null
    from (select distinct h.segment from handoff.handoff h where h.segment is not null) h
) s
group by s.segment;
comment on view handoff.axis_segment is 'Segments that a version derives, or a handoff has.';
comment on column handoff.axis_segment.segment is 'Segment.';
comment on column handoff.axis_segment.ord is 'Lowest order in which any version tries it, to sort by; NULL: none derives it.';

create view handoff.axis_source as
select h.lead_source, count(*) as handoffs
from handoff.handoff h
where h.lead_source is not null
group by h.lead_source;
comment on view handoff.axis_source is 'Lead sources that handoffs have.';
comment on column handoff.axis_source.lead_source is 'Field lead_source of the lead at handed_at.';
comment on column handoff.axis_source.handoffs is 'Handoffs of any origin that have it.';

create view handoff.axis_pool as
select p.pool,
       p.policy,
       p.per_band,
       (select count(*) from handoff.pool_member m
        join handoff.rep r on r.rep = m.rep and r.active
        where m.pool = p.pool and m.valid_from <= t.now and t.now < m.valid_to) as members
from handoff.pool p
cross join lateral (select (select handoff.view_time()) as now) t;
comment on view handoff.axis_pool is 'Pools, one row each.';
comment on column handoff.axis_pool.pool is 'Pool.';
comment on column handoff.axis_pool.policy is 'weighted or least_loaded.';
comment on column handoff.axis_pool.per_band is 'Turns are counted per band.';
comment on column handoff.axis_pool.members is 'Active members at handoff.view_time().';

create view handoff.axis_rep as
select r.rep,
       r.name,
       r.manager,
       r.active and r.valid_from <= t.now and t.now < r.valid_to as active,
       (select string_agg(m.pool, ', ' order by m.pool collate "C") from handoff.pool_member m
        where m.rep = r.rep and m.valid_from <= t.now and t.now < m.valid_to) as pools,
       r.capacity
from handoff.rep r
cross join lateral (select (select handoff.view_time()) as now) t;
comment on view handoff.axis_rep is 'Reps, one row each. Names them.';
comment on column handoff.axis_rep.rep is 'Rep.';
comment on column handoff.axis_rep.name is 'Name in full.';
comment on column handoff.axis_rep.manager is 'Rep key of the manager, or an address; NULL: none.';
comment on column handoff.axis_rep.active is 'Takes leads at handoff.view_time().';
comment on column handoff.axis_rep.pools is 'Pools that he is a member of then, in order of name; NULL: none.';
comment on column handoff.axis_rep.capacity is 'Most open handoffs that picks give him; NULL: no limit.';
