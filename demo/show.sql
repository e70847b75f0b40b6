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

\echo == what has changed, and why: select handoff.monthly_review_markdown( '''2026-05-01''' )
\pset format unaligned
\pset tuples_only on
select handoff.monthly_review_markdown('2026-05-01');

-- Too many for too little? What half of the leads of band B would have meant, before anybody decides it. tick_every is at most
-- how often the demo ticks: a lead that only waits for the clock would be decided at these times.
\pset format aligned
\pset tuples_only off
\echo == a proposal: band B asks for 10 points of intent more. A draft, select * from handoff.diff( 1, draft )
select handoff.draft() as draft \gset
update handoff.band set min_intent = min_intent + 10 where contract_id = :draft and name = 'B';
select object, key, what, old, new from handoff.diff(1, :draft);

\echo == the half year decided anew by it: handoff.backtest_summary( draft, tick_every => '''4 hours''' )
select measure, coalesce(value, '') as value, was, would, would_low as low, would_high as high, would_n as known
from (
    select measure, value, sum(was) as was, sum(would) as would, min(would_low) as would_low, max(would_high) as would_high, max(would_n) as would_n
    from handoff.backtest_summary(:draft, tick_every => '4 hours')
    where (leg = 'mql_to_sdr' and measure in ('handed', 'accepted', 'won', 'auc')) or measure in ('leads', 'band')
    group by measure, value
) s
order by array_position(array['leads', 'handed', 'accepted', 'won', 'auc', 'band'], measure), value;

\echo == lead by lead: handoff.backtest( draft, all_rows => true, tick_every => '''4 hours''' )
create temp table retried as
select *, case when would_at is null then 'not by the draft' when was_at is null then 'by the draft alone'
               when was_at < would_at then 'later by the draft' else 'by both alike' end as handed
from handoff.backtest(:draft, all_rows => true, tick_every => '4 hours');
select handed, count(*) as handoffs, count(*) filter (where accepted) as accepted, count(accepted) as decided,
       count(*) filter (where won) as won, count(won) as "won or lost"
from retried
where what = 'handoff' and leg = 'mql_to_sdr' and comparable
group by handed
order by min(array_position(array['by both alike', 'later by the draft', 'not by the draft', 'by the draft alone'], handed));

\echo == some that differ, and why
select r.lead_key, to_char(r.at, 'YYYY-MM-DD HH24:MI') as at, r.was_stage, r.would_stage, r.was_band, r.would_band, r.was_score as score, r.reasons
from retried r
where r.what = 'stage'
order by r.lead_key
limit 5;

\pset tuples_only on
\pset format unaligned
select format(e'Of %s handoffs to SDRs the draft would have made %s. It leaves out %s.\n'
              'Accepted, of those decided: %s %% of what it leaves out, %s %% of what it keeps.\n'
              'Won, of those of which it is known: %s %% (%s) of what it leaves out, %s %% (%s) of what it keeps.\n'
              'What it can''t know: whether those left out would have come later by more interest, nor what sales would have done with\n'
              'the time. Nothing has changed so far: select handoff.publish(%s) would put it in force.',
              count(*) filter (where was_at is not null), count(*) filter (where would_at is not null), count(*) filter (where would_at is null),
              round(100.0 * count(*) filter (where would_at is null and accepted) / nullif(count(accepted) filter (where would_at is null), 0), 1),
              round(100.0 * count(*) filter (where would_at is not null and accepted) / nullif(count(accepted) filter (where would_at is not null), 0), 1),
              round(100.0 * count(*) filter (where would_at is null and won) / nullif(count(won) filter (where would_at is null), 0), 1),
              count(*) filter (where would_at is null and won),
              round(100.0 * count(*) filter (where would_at is not null and won) / nullif(count(won) filter (where would_at is not null), 0), 1),
              count(*) filter (where would_at is not null and won), :draft)
from retried
where what = 'handoff' and leg = 'mql_to_sdr' and comparable;
\pset tuples_only off
\pset format aligned
drop table retried;

\echo == is everything as it should be: select * from handoff.doctor()
select * from handoff.doctor();
