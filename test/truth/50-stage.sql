-- test/truth/50-stage.sql: stays in stages, what came back, and who does not go on.

-- Stays; one that a disposition had led to which was taken back counts nowhere. One that has not ended lasts until now, of a deleted lead
-- until it was deleted.
create table truth.stay as
select to_char(h.entered_at at time zone c.reporting_zone, 'YYYY-MM-01')::date as month, c.name as contract, h.stage, h.owner, h.consistent, h.left_at is not null as gone,
       h.left_at is null and l.deleted_at is null as still_there, extract(epoch from e.until - h.entered_at) as seconds,
       truth.open_seconds(c.calendar, h.entered_at, e.until) as business_seconds
from handoff.stage_history h
join handoff.contract c using (contract_id)
left join handoff.lead l using (lead_key)
cross join lateral (select coalesce(h.left_at, l.deleted_at, truth.now()) as until) e
where h.undone is not true;

create table truth.time_in_stage as
select month, stage, owner,
       count(*) as entered,
       truth.share(count(*) filter (where gone), count(*)) as left_it,
       count(*) filter (where gone) as left_it_num,
       count(*) as left_it_den,
       count(*) filter (where still_there) as left_it_open,
       truth.kaplan_meier(array_agg(seconds), array_agg(gone), 0.5) as median_seconds,
       truth.kaplan_meier(array_agg(seconds), array_agg(gone), 0.9) as p90_seconds,
       truth.kaplan_meier(array_agg(business_seconds), array_agg(gone), 0.5) as median_business_seconds,
       truth.kaplan_meier(array_agg(business_seconds), array_agg(gone), 0.9) as p90_business_seconds
from truth.stay
group by month, stage, owner;

-- Entries at which the stage's definition held / all entries, whoever made them; none can still change.
create table truth.stage_consistency as
select month, stage, owner, truth.share(count(*) filter (where consistent), count(*)) as consistency, count(*) filter (where consistent) as consistency_num,
       count(*) as consistency_den, 0::bigint as consistency_open
from truth.stay
group by month, stage, owner;

-- The stages of contracts in force: leads that are there, and stays of all versions of the contract
create table truth.journey as
select c.name as contract, s.position, s.name as stage, s.owner,
       (select string_agg(t.event || ' -> ' || t.to_stage || coalesce(' (leg ' || t.leg || ')', ''), ', ' order by t.ord)
        from handoff.transition t where t.contract_id = c.contract_id and t.from_stage = s.name) as ways_out,
       (select count(*) from handoff.lead l join handoff.contract v using (contract_id) where v.name = c.name and l.stage = s.name and l.deleted_at is null) as leads,
       coalesce(y.entered, 0) as entered, coalesce(y.left_it, 0) as left_it, y.median_stay_seconds
from handoff.contract c
join handoff.stage s using (contract_id)
left join (
    select contract, stage, count(*) as entered, count(*) filter (where gone) as left_it, truth.kaplan_meier(array_agg(seconds), array_agg(gone), 0.5) as median_stay_seconds
    from truth.stay
    group by contract, stage
) y on y.contract = c.name and y.stage = s.name
where c.in_force;

-- Recycled handoffs, and how long it took from the recycle until the lead was handed over, accepted, had an opportunity in its next
-- cycle. The path is the one that the log says the lead took last.
create table truth.recycle as
with path as (
    select distinct on (e.lead_key, d.handoff_no) e.lead_key, d.handoff_no, e.detail ->> 'nurture_track' as nurture_track
    from handoff.event e, lateral (select (e.detail ->> 'handoff')::int as handoff_no) d
    where e.type = 'recycled'
    order by e.lead_key, d.handoff_no, e.seq desc
), next as (
    select r.id, min(n.handed_at) as returned_at, min(n.accepted_at) as accepted_at, min(n.opportunity_at) as opportunity_at
    from truth.handoff r
    join truth.handoff n on n.lead_key = r.lead_key and n.cycle = r.cycle + 1
    where r.outcome = 'recycle'
    group by r.id
)
select to_char(h.closed_at at time zone c.reporting_zone, 'YYYY-MM-01')::date as month, h.leg, h.code, d.reason, p.nurture_track,
       extract(epoch from truth.now()) - extract(epoch from h.closed_at) as age,
       extract(epoch from n.returned_at - h.closed_at) as returned, extract(epoch from n.accepted_at - h.closed_at) as accepted, extract(epoch from n.opportunity_at - h.closed_at) as opportunity
from truth.handoff h
join handoff.contract c using (contract_id)
left join handoff.disposition d on d.contract_id = h.contract_id and d.code = h.code
left join path p using (lead_key, handoff_no)
left join next n using (id)
where h.outcome = 'recycle';

create table truth.recycle_conversion as
with tally as (
    -- num, den and open of six rates: in 90 and in 180 days returned, accepted, opportunity
    select r.month, r.leg, r.code, r.reason, r.nurture_track, count(*) as recycled, count(returned) as returned, count(accepted) as accepted, count(opportunity) as opportunity,
           array[count(*) filter (where age >= 7776000 and returned <= 7776000), count(*) filter (where age >= 7776000 and accepted <= 7776000),
                 count(*) filter (where age >= 7776000 and opportunity <= 7776000), count(*) filter (where age >= 15552000 and returned <= 15552000),
                 count(*) filter (where age >= 15552000 and accepted <= 15552000), count(*) filter (where age >= 15552000 and opportunity <= 15552000)] as num,
           count(*) filter (where age >= 7776000) as d90, count(*) filter (where age < 7776000) as o90,
           count(*) filter (where age >= 15552000) as d180, count(*) filter (where age < 15552000) as o180
    from truth.recycle r
    group by r.month, r.leg, r.code, r.reason, r.nurture_track
)
select month, leg, code, reason, nurture_track, recycled, returned as returned_so_far, accepted as accepted_so_far, opportunity as opportunity_so_far,
       truth.share(num[1], d90) as returned_90, num[1] as returned_90_num, d90 as returned_90_den, o90 as returned_90_open,
       truth.share(num[2], d90) as accepted_90, num[2] as accepted_90_num, d90 as accepted_90_den, o90 as accepted_90_open,
       truth.share(num[3], d90) as opportunity_90, num[3] as opportunity_90_num, d90 as opportunity_90_den, o90 as opportunity_90_open,
       truth.share(num[4], d180) as returned_180, num[4] as returned_180_num, d180 as returned_180_den, o180 as returned_180_open,
       truth.share(num[5], d180) as accepted_180, num[5] as accepted_180_num, d180 as accepted_180_den, o180 as accepted_180_open,
       truth.share(num[6], d180) as opportunity_180, num[6] as opportunity_180_num, d180 as opportunity_180_den, o180 as opportunity_180_open
from tally;

-- Before which leg a lead is held, and since when, as the log says: by its newest event of the sort
create table truth.held as
select distinct on (e.lead_key, h.how) e.lead_key, h.how, coalesce(e.detail ->> 'leg', e.leg) as leg, e.at
from handoff.event e
cross join lateral (select case when e.type in ('blocked', 'unblocked') then 'blocked' else 'gated' end as how) h
where e.type in ('blocked', 'unblocked', 'gated', 'joined', 'released')
order by e.lead_key, h.how, e.seq desc;

create table truth.blocked as
select l.lead_key, l.contract_id, l.stage, h.leg, l.band, l.score, cardinality(l.blocked_fields) as fields,
       (select string_agg(f, ', ' order by f) from unnest(l.blocked_fields) f) as missing, l.blocked_since,
       round(greatest(extract(epoch from truth.now() - l.blocked_since), 0)) as waiting_seconds,
       d.due_at, round(extract(epoch from d.due_at - truth.now())) as remaining_seconds,
       case when d.due_at is not null then g.blocked_then end as next_action
from handoff.lead l
left join truth.held h on h.lead_key = l.lead_key and h.how = 'blocked'
left join handoff.leg g on g.contract_id = l.contract_id and g.name = h.leg
cross join lateral (select l.blocked_since + extract(epoch from g.blocked_max) * interval '1 second' as due_at) d
where l.blocked_since is not null and l.deleted_at is null;

create table truth.gated as
select l.lead_key, l.contract_id, l.stage, h.leg, l.band, l.score, l.gate_code as code,
       (select g.action from handoff.gate g where g.contract_id = l.contract_id and g.code = l.gate_code and coalesce(g.leg, h.leg) is not distinct from h.leg order by g.ord limit 1) as action,
       l.duplicate_of, h.at as gated_since, round(greatest(extract(epoch from truth.now() - h.at), 0)) as waiting_seconds,
       (select min(k.next_at) from handoff.clock k where k.lead_key = l.lead_key and k.kind = 'review' and k.stopped_at is null) as review_at
from handoff.lead l
left join truth.held h on h.lead_key = l.lead_key and h.how = 'gated'
where l.gate_code is not null and l.deleted_at is null;
