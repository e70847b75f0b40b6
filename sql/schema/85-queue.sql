-- sql/schema/85-queue.sql: what a rep does next, and how well the cadence is kept.

create view handoff.my_queue with (security_invoker = true) as
with owed as (
    select a.rep,
           h.lead_key,
           h.handoff_no,
           h.leg,
           l.stage,
           h.band,
           h.score,
           b.ord as band_ord,
           h.handed_at,
           h.trigger_at,
           h.accepted_at is null as unanswered,
           clock.sla,
           clock.metric,
           clock.due_at as clock_due_at,
           step.n as step,
           step.channel,
           step.due_at as step_due_at,
           case
               when clock.due_at < t.now then 1
               -- an outcome is not the next thing to be done, until time is short
               when clock.metric not in ('decision', 'meeting_held') or (clock.due_at - t.now) * 4 <= clock.due_at - clock.started_at then 2
               when coalesce(step.due_at, clock.due_at) is not null then 3
               else 4
           end as urgency,
           t.now
    from handoff.assignment a
    join handoff.handoff h on h.lead_key = a.lead_key and h.handoff_no = a.handoff_no and h.closed_at is null
    join handoff.lead l on l.lead_key = a.lead_key
    left join handoff.band b on b.contract_id = h.contract_id and b.name = h.band
    left join lateral (
        select k.name as sla, s.metric, k.started_at, k.due_at
        from handoff.clock k
        join handoff.sla s on s.contract_id = h.contract_id and s.name = k.name
        where k.lead_key = h.lead_key and k.handoff_no = h.handoff_no and k.kind = 'sla'
          and k.stopped_at is null and not k.paused
        order by k.due_at, s.ord, k.name
        limit 1
    ) clock on true
    left join lateral (
        select k.n, k.name as channel, k.due_at
        from handoff.clock k
        where k.lead_key = h.lead_key and k.handoff_no = h.handoff_no and k.kind = 'cadence' and k.stopped_at is null
        order by k.due_at, k.n
        limit 1
    ) step on true
    cross join lateral (select (select handoff.view_time()) as now) t
    where a.ended_at is null
), next as (
    select o.*,
           o.urgency < 3 or (o.clock_due_at <= o.step_due_at) is true or o.step is null and o.sla is not null as by_clock
    from owed o
), act as (
    select n.*,
           case
               when n.by_clock and n.metric in ('accept', 'first_touch', 'next_touch', 'response', 'decision', 'meeting_held') then
                   case n.metric when 'accept' then 'accept' when 'decision' then 'decide' when 'meeting_held' then 'meet' else 'touch' end
               when n.step is not null then 'touch'
               when n.unanswered then 'accept'
               else 'decide'
           end as what,
           case when n.by_clock then n.clock_due_at else n.step_due_at end as due_at
    from next n
)
select c.rep,
       row_number() over (partition by c.rep order by c.urgency, c.due_at, c.band_ord, c.score desc, c.trigger_at, c.lead_key collate "C") as position,
       c.lead_key,
       c.handoff_no,
       c.leg,
       c.stage,
       c.band,
       c.score,
       c.what,
       case when c.what = 'touch' then c.channel end as channel,
       case when c.by_clock then c.sla end as sla,
       case when c.what = 'touch' then c.step end as step,
       c.due_at,
       (c.due_at < c.now) is true as overdue,
       round(extract(epoch from c.due_at - c.now)) as remaining_seconds,
       c.handed_at,
       c.trigger_at
from act c
order by c.rep, position;
comment on view handoff.my_queue is 'What reps do next: the open handoffs of each rep, what burns first at the top. First SLA clocks that are overdue, then those that run (of a decision or meeting: once less than a quarter of its time is left), then steps of the cadence and other clocks, each by due time; then the rest by band and score. Paused clocks don''t count. Filter by rep. Names leads and reps.';
comment on column handoff.my_queue.rep is 'Owner.';
comment on column handoff.my_queue.position is 'Place in his queue, from 1.';
comment on column handoff.my_queue.lead_key is 'Lead.';
comment on column handoff.my_queue.handoff_no is 'Handoff of the lead.';
comment on column handoff.my_queue.leg is 'Leg.';
comment on column handoff.my_queue.stage is 'Stage that the lead is in.';
comment on column handoff.my_queue.band is 'Band at handed_at; NULL: none.';
comment on column handoff.my_queue.score is 'Score at handed_at, in points.';
comment on column handoff.my_queue.what is 'What is to be done: accept (or reject), touch, meet (hold the meeting) or decide (qualify, recycle, disqualify).';
comment on column handoff.my_queue.channel is 'Where to touch it: channel of the next step of its cadence. NULL: no step is owed, or it is not to be touched now.';
comment on column handoff.my_queue.sla is 'SLA that asks for it; NULL: none does.';
comment on column handoff.my_queue.step is 'Number of that step; NULL as channel.';
comment on column handoff.my_queue.due_at is 'When it is due: by the SLA, else at the end of the step''s business day. NULL: never.';
comment on column handoff.my_queue.overdue is 'That is in the past, seen from handoff.view_time().';
comment on column handoff.my_queue.remaining_seconds is 'Elapsed time from handoff.view_time() to due_at in whole seconds; negative when overdue, NULL without due_at.';
comment on column handoff.my_queue.handed_at is 'When the leg was passed.';
comment on column handoff.my_queue.trigger_at is 'Time of the input that qualified it.';

create view handoff.fact_step as
select f.lead_key,
       f.handoff_no,
       f.leg,
       f.cycle,
       f.counted,
       f.month,
       f.band,
       f.segment,
       f.pool,
       f.rep,
       f.is_open,
       k.n as step,
       k.name as channel,
       k.due_at,
       k.stopped_at,
       case when k.verdict is not null then k.verdict
            when (select handoff.view_time()) > k.due_at then 'missed'
            else 'owed' end as verdict
from handoff.clock k
join handoff.fact_handoff f on f.lead_key = k.lead_key and f.handoff_no = k.handoff_no
where k.kind = 'cadence';
comment on view handoff.fact_step is 'One row a step of the cadence of a handoff: the dimensions of its handoff, and whether it was done in time. Holds lead keys.';
comment on column handoff.fact_step.lead_key is 'Lead.';
comment on column handoff.fact_step.handoff_no is 'Handoff of the lead.';
comment on column handoff.fact_step.leg is 'Leg of the handoff.';
comment on column handoff.fact_step.cycle is 'Cycle of the lead, from 1.';
comment on column handoff.fact_step.counted is 'KPIs count the handoff, see fact_handoff.counted.';
comment on column handoff.fact_step.month is 'Cohort of the handoff, see fact_handoff.month.';
comment on column handoff.fact_step.band is 'Band of the handoff; NULL: none.';
comment on column handoff.fact_step.segment is 'Segment of the handoff; NULL: none.';
comment on column handoff.fact_step.pool is 'Pool that the handoff''s present owner was picked from; NULL: none.';
comment on column handoff.fact_step.rep is 'Present owner of the handoff; NULL: nobody.';
comment on column handoff.fact_step.is_open is 'The handoff is open.';
comment on column handoff.fact_step.step is 'Number of the step within the leg.';
comment on column handoff.fact_step.channel is 'Its channel.';
comment on column handoff.fact_step.due_at is 'End of its business day in the owner''s hours.';
comment on column handoff.fact_step.stopped_at is 'When it was done, or asked for no more; NULL: it is owed.';
comment on column handoff.fact_step.verdict is 'met (done by due_at), missed (done later, or not, though due_at is past), void (asked for no more before it was due, or its channel is forbidden for the lead) or owed.';

create view handoff.on_cadence as
select f.month,
       f.leg,
       f.pool,
       f.step,
       f.channel,
       round(count(*) filter (where f.verdict = 'met')::numeric / nullif(count(*) filter (where f.verdict in ('met', 'missed')), 0), 4) as on_cadence,
       count(*) filter (where f.verdict = 'met') as on_cadence_num,
       count(*) filter (where f.verdict in ('met', 'missed')) as on_cadence_den,
       count(*) filter (where f.verdict = 'owed') as on_cadence_open
from handoff.fact_step f
where f.counted
group by f.month, f.leg, f.pool, f.step, f.channel;
comment on view handoff.on_cadence is 'How well the cadence is kept, by month, leg, pool and step. Formulas: docs/learn.md.';
comment on column handoff.on_cadence.month is 'Cohort: first day of the month of handed_at in the reporting zone of the handoff''s contract.';
comment on column handoff.on_cadence.leg is 'Leg.';
comment on column handoff.on_cadence.pool is 'Pool that the present owner was picked from; NULL: none.';
comment on column handoff.on_cadence.step is 'Number of the step within the leg.';
comment on column handoff.on_cadence.channel is 'Its channel.';
comment on column handoff.on_cadence.on_cadence is 'Share, 0 to 1: steps done by the end of their business day / steps done or past it. NULL: there are none of the latter.';
comment on column handoff.on_cadence.on_cadence_num is 'Numerator: steps done by the end of their business day.';
comment on column handoff.on_cadence.on_cadence_den is 'Denominator: steps done, and those not done though their business day is over (void ones left out).';
comment on column handoff.on_cadence.on_cadence_open is 'What could still change it: steps owed whose business day is not over, not in the denominator.';
