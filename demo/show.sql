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

\echo == how fast they are touched, month by month: handoff.speed_to_lead
select month, handed, touched, within_1h, within_1h_business as within_open_hour,
       round(median_seconds / 3600, 1) as median_hours, round(median_business_seconds / 3600, 1) as median_open_hours,
       round(p90_business_seconds / 3600, 1) as p90_open_hours
from handoff.speed_to_lead
where leg = 'mql_to_sdr' and dimension = 'all' and month < '2026-07-01'
order by month;

\echo == are promises of time kept: handoff.sla_attainment
select sla, sum(attainment_num) as met, sum(missed) as missed, sum(void) as void, sum(attainment_open) as running,
       round(sum(attainment_num) / nullif(sum(attainment_den), 0), 4) as attainment
from handoff.sla_attainment
where dimension = 'all'
group by leg, sla
order by leg, sla;

\echo == how often they try, by outcome: handoff.follow_up_depth
select coalesce(outcome, 'open') as outcome, sum(handed) as handed, sum(touches_0) as "0", sum(touches_1) as "1", sum(touches_2) as "2",
       sum(touches_3) as "3", sum(touches_4) as "4", sum(touches_5) as "5", sum(touches_6_up) as "6 and more"
from handoff.follow_up_depth
where leg = 'mql_to_sdr'
group by outcome
order by handed desc;

\echo == promises kept, in business time: the clocks of handoff.fact_clock
select leg, metric, count(*) as clocks,
       count(*) filter (where verdict = 'met') as met,
       count(*) filter (where verdict = 'missed') as missed,
       count(*) filter (where verdict = 'void') as void,
       round(count(*) filter (where verdict = 'met')::numeric / nullif(count(*) filter (where verdict in ('met', 'missed')), 0), 3) as attainment
from handoff.fact_clock
where counted
group by leg, metric
order by leg, array_position(array['accept', 'first_touch', 'next_touch', 'response', 'decision', 'meeting_held'], metric);

\echo == what was done about those that were late: handoff.escalation_done
select name as sla, step, action, count(*) filter (where skipped is null) as done, count(skipped) as passed_over, count(distinct recipient) as told
from handoff.escalation_done
group by name, step, action
order by name, step;

\echo == from whom leads were taken since nothing was done
select rep, count(*) as assignments, count(*) filter (where end_reason in ('silence', 'fallback')) as taken_away
from handoff.assignment
group by rep
having count(*) filter (where end_reason in ('silence', 'fallback')) > 0
order by taken_away desc, rep;

\echo == clocks that stood still while the lead was on hold
select name as sla, count(*) as clocks, round(avg(extract(epoch from p.paused) / 86400)::numeric, 1) as days
from handoff.clock k
cross join lateral (select sum(coalesce(upper(r), k.stopped_at, handoff.view_time()) - lower(r)) as paused from unnest(k.pauses) r) p
where p.paused is not null
group by name
order by name;

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

\echo == what happened to it: select * from handoff.history( :'lead_key' )
select seq, to_char(at, 'YYYY-MM-DD HH24:MI') as at, type, what from handoff.history(:'lead_key');

\echo == why it stands where it stands: select * from handoff.explain( :'lead_key' )
select step, name, points, left(criteria, 50) as criteria, note
from handoff.explain(:'lead_key')
where result and step <> 'activity';

-- one that was taken from somebody, and what became of it
select h.lead_key
from handoff.handoff h
join handoff.event e on e.lead_key = h.lead_key
where h.hops > 0
group by h.lead_key, h.handoff_no
order by bool_or(e.type = 'paused') desc, bool_or(h.qualified_at is not null) desc, count(*), h.lead_key
limit 1 \gset

\echo == one that was taken from a rep who let it lie: select * from handoff.history( :'lead_key' )
select seq, to_char(at, 'YYYY-MM-DD HH24:MI') as at, type, what from handoff.history(:'lead_key');

\echo == is everything as it should be: select * from handoff.doctor()
select * from handoff.doctor();

\echo == what has changed, and why: select handoff.monthly_review_markdown( '2026-05-01' )
\pset format unaligned
\pset tuples_only on
select handoff.monthly_review_markdown('2026-05-01');
