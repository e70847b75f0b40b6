-- test/truth/40-clock.sql: promises of time and steps of the cadence, clock by clock.

-- SLA clocks of handoffs of any origin. A clock counts the hours of whose it is: his own, else those of his calendar, the pool's or the
-- contract's (in his zone); one that is nobody's counts the contract's. For pool and rep, that one is the handoff's.
create table truth.timed_clock as
with clock as (
    select k.*, s.metric, s.clock as counts, h.leg, h.cycle, h.band, h.segment, h.contract_id, h.closed_at, coalesce(k.rep, h.rep) as whose_rep,
           case when k.rep is null then h.pool else k.pool end as whose_pool, coalesce(k.stopped_at, truth.now()) as until,
           case when r.schedule is not null then concat_ws(' but ', r.schedule::text, r.calendar)
                else coalesce(r.calendar, p.calendar, c.calendar) || coalesce(' in ' || r.zone, '') end as hours
    from handoff.clock k
    join handoff.handoff h using (lead_key, handoff_no)
    join handoff.contract c using (contract_id)
    join handoff.sla s on s.contract_id = h.contract_id and s.name = k.name
    left join handoff.rep r on r.rep = k.rep
    left join handoff.pool p on p.pool = k.pool
    where k.kind = 'sla'
), with_pauses as (
    -- how long it has stood still until it was stopped (which may have become known when the next pause was there), else now, and how long
    -- before it was due, in pauses that have ended; what was overdue before a pause stays it
    select k.*, p.elapsed, p.business, case counts when 'elapsed' then p.ended_elapsed else p.ended_business end as ended,
           k.stopped_at is null and k.due_at < truth.now() and (not k.paused or p.since >= k.due_at) as overdue
    from clock k
    cross join lateral (
        select coalesce(sum(extract(epoch from x.b - x.a)), 0) as elapsed, coalesce(sum(truth.open_seconds(k.hours, x.a, x.b)), 0) as business,
               coalesce(sum(extract(epoch from x.b - x.a)) filter (where x.has_ended and x.before), 0) as ended_elapsed,
               coalesce(sum(truth.open_seconds(k.hours, x.a, x.b)) filter (where x.has_ended and x.before), 0) as ended_business, max(x.a) filter (where not x.has_ended) as since
        from (select least(lower(r), k.until) as a, least(upper(r), k.until) as b, not upper_inf(r) as has_ended, lower(r) < k.due_at as before from unnest(k.pauses) r) x
    ) p
)
select lead_key, handoff_no, name as sla, n, metric, leg, cycle, band, segment, contract_id, whose_rep as rep, whose_pool as pool, counts as clock, started_at, due_at, stopped_at,
       closed_at is null as is_open, paused, overdue, next_step, next_at,
       case when overdue then 'missed' when stopped_at is null then 'running' else verdict end as verdict,
       extract(epoch from until - started_at) - elapsed as elapsed,
       -- what has ended keeps the hours it was counted by
       case when stopped_at is null then truth.open_seconds(hours, started_at, until) - business else business_seconds end as business,
       case when stopped_at is null then case counts when 'elapsed' then extract(epoch from due_at - started_at) else truth.open_seconds(hours, started_at, due_at) end - ended end as target,
       case when stopped_at is null then extract(epoch from due_at - truth.now()) end as remaining,
       case when stopped_at is null then truth.open_seconds(hours, truth.now(), due_at) - truth.open_seconds(hours, due_at, truth.now()) end as remaining_business
from with_pauses;
analyze truth.timed_clock;

-- met / (met + missed), those that run and are overdue missed; durations are those of clocks met and missed, and end when they were stopped
create table truth.attained as
with judged as (
    select h.cohort as month, k.leg, k.sla, k.metric, d.dimension, d.value, k.verdict, k.overdue, k.paused, k.stopped_at is not null as stopped, k.elapsed, k.business,
           k.verdict in ('met', 'missed') as judged
    from truth.timed_clock k
    join truth.handoff h using (lead_key, handoff_no)
    cross join lateral (values ('all', null), ('pool', k.pool), ('band', k.band), ('segment', k.segment), ('version', k.contract_id::text), ('rep', k.rep)) d (dimension, value)
)
select month, leg, sla, metric, dimension, value,
       truth.share(count(*) filter (where verdict = 'met'), count(*) filter (where judged)) as attainment,
       count(*) filter (where verdict = 'met') as attainment_num,
       count(*) filter (where judged) as attainment_den,
       count(*) filter (where verdict = 'running') as attainment_open,
       count(*) filter (where verdict = 'missed') as missed,
       count(*) filter (where overdue) as overdue,
       count(*) filter (where verdict = 'running' and paused) as paused,
       count(*) filter (where verdict = 'void') as void,
       truth.kaplan_meier(array_agg(elapsed) filter (where judged), array_agg(stopped) filter (where judged), 0.5) as median_seconds,
       truth.kaplan_meier(array_agg(elapsed) filter (where judged), array_agg(stopped) filter (where judged), 0.9) as p90_seconds,
       truth.kaplan_meier(array_agg(business) filter (where judged), array_agg(stopped) filter (where judged), 0.5) as median_business_seconds,
       truth.kaplan_meier(array_agg(business) filter (where judged), array_agg(stopped) filter (where judged), 0.9) as p90_business_seconds
from judged
group by month, leg, sla, metric, dimension, value;

create table truth.sla_attainment as select * from truth.attained where dimension <> 'rep';
create table truth.sla_attainment_rep as select * from truth.attained where dimension = 'rep';
alter table truth.sla_attainment_rep drop dimension;
alter table truth.sla_attainment_rep rename value to rep;

-- Clocks of open handoffs that are overdue, or have a quarter of their target left, in their own time; one that stands still is not, unless it was overdue before.
create table truth.at_risk as
select k.lead_key, k.handoff_no, k.leg, k.cycle, k.band, k.pool, k.rep, k.sla, k.n, k.metric, k.clock, k.started_at, k.due_at, k.paused, k.overdue,
       round(k.remaining) as remaining_seconds, round(k.remaining_business) as remaining_business_seconds, round(k.target) as target_seconds,
       truth.share(o.own, k.target) as share_left,
       case when k.next_at is not null then k.next_step end as next_step,
       case when k.next_at is not null then e.action end as next_action,
       k.next_at
from truth.timed_clock k
cross join lateral (select case k.clock when 'elapsed' then k.remaining else k.remaining_business end as own) o
left join handoff.escalation e on e.contract_id = k.contract_id and e.sla = k.sla and e.step = k.next_step
where k.is_open and k.stopped_at is null and (k.overdue or not k.paused and o.own <= k.target / 4);

-- Steps done by the end of their business day / steps done or past it; void ones count nowhere.
create table truth.on_cadence as
with step as (
    select h.cohort as month, h.leg, h.pool, k.n as step, k.name as channel, coalesce(k.verdict, case when k.due_at < truth.now() then 'missed' else 'owed' end) as verdict
    from handoff.clock k
    join truth.handoff h using (lead_key, handoff_no)
    where k.kind = 'cadence'
)
select month, leg, pool, step, channel,
       truth.share(count(*) filter (where verdict = 'met'), count(*) filter (where verdict in ('met', 'missed'))) as on_cadence,
       count(*) filter (where verdict = 'met') as on_cadence_num,
       count(*) filter (where verdict in ('met', 'missed')) as on_cadence_den,
       count(*) filter (where verdict = 'owed') as on_cadence_open
from step
group by month, leg, pool, step, channel;
