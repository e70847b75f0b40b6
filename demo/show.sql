-- What came of it.
\pset border 1
\pset footer off

\echo
\echo == where the leads are: handoff.journey
select stage, owner, leads, entered, left_it, round(median_stay_seconds / 86400.0, 1) as median_days
from handoff.journey
order by position;

\echo == leads by stage and band
select stage,
       count(*) filter (where band = 'A') as "A",
       count(*) filter (where band = 'B') as "B",
       count(*) filter (where band = 'C') as "C",
       count(*) filter (where band = 'D') as "D",
       count(*) as leads
from handoff.lead
group by stage
order by min((select j.position from handoff.journey j where j.stage = lead.stage));

\echo == the handoff to SDRs, month by month: handoff.kpi_month
select month, handed,
       acceptance_of_decided as accepted,
       sla_accept as accepted_in_time,
       contact_rate as reached,
       recycle_rate as recycled,
       opportunity_60,
       opportunity_60_open as too_young
from handoff.kpi_month
where leg = 'mql_to_sdr' and cycle = 'all' and month < '2026-07-01'
order by month;

\echo == who takes them how: the handoffs of each SDR
select rep,
       count(*) as handoffs,
       count(accepted_at) as accepted,
       count(first_touch_at) as touched,
       round(avg(touches), 1) as touches,
       count(qualified_at) as qualified,
       round((percentile_cont(0.5) within group (order by extract(epoch from first_touch_at - assigned_at)) / 3600)::numeric, 1) as median_hours
from handoff.handoff
where leg = 'mql_to_sdr' and rep is not null
group by rep
order by median_hours;

\echo == from lead to customer: handoff.funnel
select coalesce(leg, '') as leg, step, leads, of_leads, of_handed from handoff.funnel order by leg nulls first, position;

\echo == how fast they are touched, pool by pool: handoff.speed_to_lead
select leg, pool, handed, touched, within_1h, within_24h,
       round(median_seconds / 3600.0, 1) as median_hours, round(p90_seconds / 3600.0, 1) as p90_hours
from handoff.speed_to_lead
order by leg, pool;

\echo == why they are rejected: handoff.rejection_reason
select leg, outcome, code, rejection_rate as rate, rejection_rate_num as handoffs
from handoff.rejection_reason
order by leg, handoffs desc;

\echo == what the feed knows beside what the extension has counted
select * from demo.check_counts;

-- a deal with a history
select l.lead_key
from handoff.lead l
join handoff.event e using (lead_key)
where l.deleted_at is null
group by l.lead_key
order by count(*) between 12 and 24 desc,
         l.stage = 'customer' desc,
         bool_or(e.type = 'unblocked') or bool_or(e.type = 'reopened') desc,
         count(distinct e.type) desc,
         l.lead_key
limit 1 \gset

\echo == what happened to one of them: select * from handoff.history( :'lead_key' )
select seq, to_char(at, 'YYYY-MM-DD HH24:MI') as at, type, what from handoff.history(:'lead_key');

\echo == why it stands where it stands: select * from handoff.explain( :'lead_key' )
select step, name, points, left(criteria, 50) as criteria, note
from handoff.explain(:'lead_key')
where result and step <> 'activity';

\echo == is everything as it should be: select * from handoff.doctor()
select * from handoff.doctor();
