-- sql/schema/89-target.sql: what was promised, and what came of it.
--
-- Promises are those of the versions in force. One with both ends is for all of its days together; one that is open is of each
-- calendar month, cut off at its end: 20 handoffs "always" are 20 a month. Rates are cohorts, by the day that the
-- handoff, clock or stay began; volumes go by the day of the event. Days are those of the reporting zone of the fact's own version.

create view handoff.target_attainment as
with contract as (
    select c.contract_id, c.name, c.reporting_zone, t.now, t.day,
           -- since when there is something to keep a promise in
           least((select min(lower(v.effective)) from handoff.contract v where v.name = c.name),
                 (select min(h.handed_at) from handoff.handoff h), t.now) as since
    from handoff.contract c
    cross join lateral (select (select handoff.view_time()) as now, ((select handoff.view_time()) at time zone c.reporting_zone)::date as day) t
    where c.in_force
), bounds as (
    select c.*, t.metric, t.segment, t.owner, t.value, t.period, split_part(t.metric, ' of ', 1) as kpi, nullif(split_part(t.metric, ' of ', 2), '') as leg,
           case when isfinite(lower(t.period)) then lower(t.period) end as lower_day,
           case when isfinite(upper(t.period)) then upper(t.period) end as upper_day
    from contract c
    join handoff.target t on t.contract_id = c.contract_id
), promise as (
    select b.*, d.first_day, d.end_day,
           b.kpi in ('handed', 'accepted', 'qualified', 'opportunities', 'won') as is_volume,
           b.kpi in ('handed', 'accepted', 'qualified', 'opportunities', 'won', 'completeness', 'assigned', 'acceptance', 'contact_rate', 'meeting_rate',
                     'match_rate', 'opportunity_30', 'opportunity_60', 'opportunity_90', 'won_30', 'won_60', 'won_90', 'coded', 'sla_attainment')
               or b.kpi in ('stage_consistency', 'opportunities_known') and b.segment = '' and b.leg is null as is_known
    from bounds b
    cross join lateral (
        select b.lower_day as first_day, b.upper_day as end_day
        where b.lower_day is not null and b.upper_day is not null
        union all
        select greatest(m::date, b.lower_day), least((m + interval '1 month')::date, b.upper_day)
        from generate_series(date_trunc('month', greatest((b.since at time zone b.reporting_zone)::date, b.lower_day)::timestamp),
                             date_trunc('month', least(b.day, b.upper_day - 1)::timestamp), interval '1 month') m
        where b.lower_day is null or b.upper_day is null
    ) d
), version as (
    select v.contract_id, c.name as contract, v.reporting_zone, l.name as leg,
           l.ord = min(l.ord) over (partition by l.contract_id) as first_leg
    from contract c
    join handoff.contract v on v.name = c.name and v.status <> 'draft'
    left join handoff.leg l on l.contract_id = v.contract_id
), handed as (
    select v.contract, f.leg, f.segment, v.first_leg, f.handed_date as day,
           count(*) as handed,
           count(*) filter (where not f.incomplete) as complete,
           count(*) filter (where f.assigned) as assigned,
           count(*) filter (where f.is_open and not f.assigned) as assigned_open,
           count(*) filter (where f.accepted) as accepted,
           count(*) filter (where f.accepted or f.rejected) as decided,
           count(*) filter (where f.undecided) as undecided,
           count(*) filter (where f.contacted) as contacted,
           count(*) filter (where f.is_open and not f.contacted) as contacted_open,
           count(*) filter (where f.booked) as booked,
           count(*) filter (where f.is_open and not f.booked) as booked_open,
           count(*) filter (where f.account_method is not null) as matched,
           count(*) filter (where f.mature_30) as mature_30,
           count(*) filter (where f.mature_60) as mature_60,
           count(*) filter (where f.mature_90) as mature_90,
           count(*) filter (where f.mature_30 and f.opportunity_30) as opportunity_30,
           count(*) filter (where f.mature_60 and f.opportunity_60) as opportunity_60,
           count(*) filter (where f.mature_90 and f.opportunity_90) as opportunity_90,
           count(*) filter (where f.mature_30 and f.won_30) as won_30,
           count(*) filter (where f.mature_60 and f.won_60) as won_60,
           count(*) filter (where f.mature_90 and f.won_90) as won_90,
           count(*) filter (where f.outcome in ('recycle', 'disqualified', 'returned')) as given_up,
           count(*) filter (where f.outcome in ('recycle', 'disqualified', 'returned') and f.code is not null) as coded
    from handoff.fact_handoff f
    join version v on v.contract_id = f.contract_id and v.leg = f.leg
    where f.counted and exists (select from promise)
    group by 1, 2, 3, 4, 5
), happened as (
    select v.contract, f.leg, f.segment, v.first_leg, e.kpi, (e.at at time zone v.reporting_zone)::date as day, count(*) as num
    from handoff.fact_handoff f
    join version v on v.contract_id = f.contract_id and v.leg = f.leg
    cross join lateral (values ('accepted', f.accepted_at), ('qualified', f.qualified_at), ('opportunities', f.opportunity_at), ('won', f.won_at)) e (kpi, at)
    where f.counted and e.at is not null and (select bool_or(p.kpi = any ('{accepted,qualified,opportunities,won}')) from promise p)
    group by 1, 2, 3, 4, 5, 6
), clock as (
    select v.contract, k.leg, k.segment, (k.started_at at time zone v.reporting_zone)::date as day,
           count(*) filter (where k.verdict = 'met') as met,
           count(*) filter (where k.verdict in ('met', 'missed')) as judged,
           count(*) filter (where k.verdict = 'running') as running
    from handoff.fact_clock k
    join version v on v.contract_id = k.contract_id and v.leg = k.leg
    where k.counted and (select bool_or(p.kpi = 'sla_attainment') from promise p)
    group by 1, 2, 3, 4
), stay as (
    select v.contract, (h.entered_at at time zone v.reporting_zone)::date as day, count(*) as entered, count(*) filter (where h.consistent) as consistent
    from handoff.stage_history h
    join (select distinct contract_id, contract, reporting_zone from version) v on v.contract_id = h.contract_id
    where not h.undone and (select bool_or(p.kpi = 'stage_consistency') from promise p)
    group by 1, 2
), deal as (
    select c.name as contract, (o.created_at at time zone c.reporting_zone)::date as day, count(*) as opportunities,
           count(k.opportunity_key) as known
    from handoff.opportunity o
    cross join contract c
    left join (
        select distinct k.opportunity_key from handoff.opportunity_lead k join handoff.lead l on l.lead_key = k.lead_key
    ) k on k.opportunity_key = o.opportunity_key
    where o.created_at is not null and o.deleted_at is null and (select bool_or(p.kpi = 'opportunities_known') from promise p)
    group by 1, 2
), fact (contract, leg, segment, first_leg, kpi, day, num, den, still_open) as (
    select h.contract, h.leg, h.segment, h.first_leg, m.kpi, h.day, m.num, m.den, m.still_open
    from handed h
    cross join lateral (values
        ('handed', h.handed, null::bigint, 0::bigint),
        ('completeness', h.complete, h.handed, 0),
        ('assigned', h.assigned, h.handed, h.assigned_open),
        ('acceptance', h.accepted, h.decided, h.undecided),
        ('contact_rate', h.contacted, h.handed, h.contacted_open),
        ('meeting_rate', h.booked, h.handed, h.booked_open),
        ('match_rate', h.matched, h.handed, 0),
        ('opportunity_30', h.opportunity_30, h.mature_30, h.handed - h.mature_30),
        ('opportunity_60', h.opportunity_60, h.mature_60, h.handed - h.mature_60),
        ('opportunity_90', h.opportunity_90, h.mature_90, h.handed - h.mature_90),
        ('won_30', h.won_30, h.mature_30, h.handed - h.mature_30),
        ('won_60', h.won_60, h.mature_60, h.handed - h.mature_60),
        ('won_90', h.won_90, h.mature_90, h.handed - h.mature_90),
        ('coded', h.coded, h.given_up, 0)) m (kpi, num, den, still_open)
    union all
    select h.contract, h.leg, h.segment, h.first_leg, h.kpi, h.day, h.num, null, 0 from happened h
    union all
    select k.contract, k.leg, k.segment, true, 'sla_attainment', k.day, k.met, k.judged, k.running from clock k
    union all
    select s.contract, null, null, true, 'stage_consistency', s.day, s.consistent, s.entered, 0 from stay s
    union all
    select d.contract, null, null, true, 'opportunities_known', d.day, d.known, d.opportunities, 0 from deal d
), tally as (
    select p.contract_id, p.metric, p.segment, p.period, p.first_day, sum(f.num)::bigint as num, sum(f.den)::bigint as den, sum(f.still_open)::bigint as still_open
    from promise p
    join fact f on f.contract = p.name and f.kpi = p.kpi
    where f.day >= p.first_day and f.day < p.end_day and (p.segment = '' or f.segment = p.segment)
      -- numbers, and what marketing fills in, are those of the first leg unless one is named: over several a lead would count for each
      and case when p.leg is not null then f.leg = p.leg else f.first_leg or not (p.is_volume or p.kpi = 'completeness') end
    group by 1, 2, 3, 4, 5
), measured as (
    select p.*, coalesce(a.num, 0) as num, coalesce(a.den, 0) as den, coalesce(a.still_open, 0) as still_open,
           case when p.day < p.first_day then 0 when p.day >= p.end_day then 1
                else extract(epoch from p.now - p.first_day::timestamp at time zone p.reporting_zone)
                     / extract(epoch from p.end_day::timestamp at time zone p.reporting_zone - p.first_day::timestamp at time zone p.reporting_zone) end as elapsed
    from promise p
    left join tally a using (contract_id, metric, segment, period, first_day)
), valued as (
    select m.*, case when not m.is_known then null when m.is_volume then m.num else round(m.num::numeric / nullif(m.den, 0), 4) end as actual
    from measured m
)
select v.name as contract,
       v.contract_id,
       v.metric,
       v.segment,
       v.owner,
       v.first_day,
       v.end_day - 1 as last_day,
       v.lower_day as promised_from,
       v.upper_day - 1 as promised_to,
       case when v.day < v.first_day then 'future' when v.day < v.end_day then 'running' else 'over' end as state,
       round(v.elapsed, 4) as elapsed,
       v.is_volume,
       v.value as target,
       v.actual,
       case when v.is_known then v.num end as actual_num,
       case when v.is_known and not v.is_volume then v.den end as actual_den,
       case when v.is_known then v.still_open end as actual_open,
       round(v.actual / nullif(v.value, 0), 4) as share,
       round(case when v.is_volume then v.value * v.elapsed else v.value end, 4) as expected,
       case when v.day >= v.first_day then v.actual >= case when v.is_volume then v.value * v.elapsed else v.value end end as on_course
from valued v;
comment on view handoff.target_attainment is 'What each side has promised (handoff.target of the versions in force) beside what came of it: a row a promise with both ends, and a row a calendar month of one without. Formulas: docs/learn.md.';
comment on column handoff.target_attainment.contract is 'Name of the contract.';
comment on column handoff.target_attainment.contract_id is 'Version in force, whose promise it is; what came of it is of all versions.';
comment on column handoff.target_attainment.metric is 'What is promised, as in handoff.target: of target_metrics(), perhaps of one leg.';
comment on column handoff.target_attainment.segment is 'Segment of the handoffs that count; empty: all.';
comment on column handoff.target_attainment.owner is 'Side that promises it.';
comment on column handoff.target_attainment.first_day is 'First day, in the reporting zone.';
comment on column handoff.target_attainment.last_day is 'Last day.';
comment on column handoff.target_attainment.promised_from is 'First day that the promise is for; NULL: it is open there, so it is of each calendar month, and this row of one.';
comment on column handoff.target_attainment.promised_to is 'Last day that it is for; NULL: likewise.';
comment on column handoff.target_attainment.state is 'future, running or over, at handoff.view_time().';
comment on column handoff.target_attainment.elapsed is 'Share of its time that is over, 0 to 1: elapsed time, not open hours.';
comment on column handoff.target_attainment.is_volume is 'A number is promised, not a share.';
comment on column handoff.target_attainment.target is 'What is promised: a number, or a share from 0 to 1.';
comment on column handoff.target_attainment.actual is 'What it is so far, in the same unit. NULL: there is nothing to measure, or nothing here measures such a metric.';
comment on column handoff.target_attainment.actual_num is 'Numerator, or the number itself. NULL: nothing here measures it.';
comment on column handoff.target_attainment.actual_den is 'Denominator; NULL of a number.';
comment on column handoff.target_attainment.actual_open is 'What could still change it: as of the KPI of that name; of a number 0.';
comment on column handoff.target_attainment.share is 'actual / target. NULL: one of them is not known, or 0 is promised.';
comment on column handoff.target_attainment.expected is 'What it should be by now: of a number target * elapsed, of a share target.';
comment on column handoff.target_attainment.on_course is 'actual is at least what it should be by now; of one that is over: it was kept. NULL: it is still to come, or there is nothing to measure.';
