-- sql/schema/86-stage.sql: what is learned of stages and of what comes back: how long leads stay, whether they
-- belong where they are, what keeps them from going on, and what recycling yields.
--
-- A stay in a stage that a disposition had led to which was taken back counts nowhere. What is not over is not
-- left out: it has lasted longer than until now (or until the lead was deleted), as in 82-speed.sql.

create view handoff.time_in_stage as
select g.month,
       g.stage,
       g.owner,
       g.entered,
       round(g.left_it::numeric / g.entered, 4) as left_it,
       g.left_it as left_it_num,
       g.entered as left_it_den,
       g.entered - g.left_it - g.deleted as left_it_open,
       ceil(g.wall[1])::numeric as median_seconds,
       ceil(g.wall[2])::numeric as p90_seconds,
       ceil(g.business[1])::numeric as median_business_seconds,
       ceil(g.business[2])::numeric as p90_business_seconds
from (
    select h.month,
           h.stage,
           h.owner,
           count(*) as entered,
           count(h.left_at) as left_it,
           count(*) filter (where h.left_at is null and d.deleted_at is not null) as deleted,
           handoff.kaplan_meier(greatest(date_part('epoch', coalesce(h.left_at, d.deleted_at, t.now) - h.entered_at), 0),
                                h.left_at is not null, '{0.5,0.9}') as wall,
           handoff.kaplan_meier(greatest(handoff.open_seconds(c.calendar, null, null, h.entered_at, coalesce(h.left_at, d.deleted_at, t.now)), 0),
                                h.left_at is not null, '{0.5,0.9}') as business
    from handoff.stage_history h
    join handoff.contract c on c.contract_id = h.contract_id
    left join handoff.lead d on d.lead_key = h.lead_key and d.deleted_at is not null and h.left_at is null
    cross join lateral (select (select handoff.view_time()) as now) t
    where not h.undone
    group by h.month, h.stage, h.owner
) g;
comment on view handoff.time_in_stage is 'How long leads stay in a stage, by month in which they entered it, stage and owner. All leads, those deleted since included. Formulas: docs/learn.md.';
comment on column handoff.time_in_stage.month is 'First day of the month in which the stays began, in the reporting zone of the contract then in force.';
comment on column handoff.time_in_stage.stage is 'Stage.';
comment on column handoff.time_in_stage.owner is 'Side that owned leads there then: marketing, sales or none.';
comment on column handoff.time_in_stage.entered is 'Stays that began.';
comment on column handoff.time_in_stage.left_it is 'Share, 0 to 1: stays that have ended with another stage / all stays.';
comment on column handoff.time_in_stage.left_it_num is 'Numerator: stays that have ended with another stage.';
comment on column handoff.time_in_stage.left_it_den is 'Denominator: all stays.';
comment on column handoff.time_in_stage.left_it_open is 'What could still change it: leads that are still there and not deleted, in the denominator.';
comment on column handoff.time_in_stage.median_seconds is 'Kaplan-Meier estimate of the elapsed time after which half of the stays have ended: one that has not counts as longer than until handoff.view_time(), of a deleted lead until it was deleted. NULL: fewer are known to have.';
comment on column handoff.time_in_stage.p90_seconds is 'The same for nine in ten.';
comment on column handoff.time_in_stage.median_business_seconds is 'The same as median_seconds, in open time of the calendar of the contract then in force; elapsed time if it names none.';
comment on column handoff.time_in_stage.p90_business_seconds is 'The same for nine in ten.';

create view handoff.stage_consistency as
select h.month,
       h.stage,
       h.owner,
       round(count(*) filter (where h.consistent)::numeric / count(*), 4) as consistency,
       count(*) filter (where h.consistent) as consistency_num,
       count(*) as consistency_den,
       0::bigint as consistency_open
from handoff.stage_history h
where not h.undone
group by h.month, h.stage, h.owner;
comment on view handoff.stage_consistency is 'Whether leads meet the definition of the stages they are in, by month in which they entered, stage and owner: whoever put them there, the contract, somebody by hand or the CRM. Whether a SAL becomes an SQL stands as qualified_30 .. in the kpi_ views. Formulas: docs/learn.md.';
comment on column handoff.stage_consistency.month is 'First day of the month in which the stays began, in the reporting zone of the contract then in force.';
comment on column handoff.stage_consistency.stage is 'Stage.';
comment on column handoff.stage_consistency.owner is 'Side that owned leads there then: marketing, sales or none.';
comment on column handoff.stage_consistency.consistency is 'Share, 0 to 1: entries at which the stage''s entry criteria and required fields held / all entries.';
comment on column handoff.stage_consistency.consistency_num is 'Numerator: entries at which they held.';
comment on column handoff.stage_consistency.consistency_den is 'Denominator: all entries.';
comment on column handoff.stage_consistency.consistency_open is 'What could still change it: none, it is known at once.';

-- What comes back ------------------------------------------------------------------------------------------
--
-- What the next cycle of a recycled lead came to, as far as KPIs count its handoffs, is owed to the recycle that
-- ended the cycle before, and to no earlier one. One query makes the windows alike.

do $views$
declare
    what     record;
    days     int;
    rates    text := '';
    comments text := '';
begin
    foreach days in array array[90, 180] loop
        for what in
            select * from (values ('returned', 'handed_at', 'handed over again'), ('accepted', 'accepted_at', 'accepted in their next cycle'),
                                  ('opportunity', 'opportunity_at', 'with an opportunity created in their next cycle')) w (name, moment, words)
        loop
            rates := rates || format(
                ', round(count(*) filter (where r.now - %3$s >= r.closed_at and n.%2$s <= r.closed_at + %3$s)::numeric'
                '        / nullif(count(*) filter (where r.now - %3$s >= r.closed_at), 0), 4) as %1$s_%4$s'
                ', count(*) filter (where r.now - %3$s >= r.closed_at and n.%2$s <= r.closed_at + %3$s) as %1$s_%4$s_num'
                ', count(*) filter (where r.now - %3$s >= r.closed_at) as %1$s_%4$s_den'
                ', count(*) filter (where r.now - %3$s < r.closed_at) as %1$s_%4$s_open',
                what.name, what.moment, format('interval ''%s hours''', 24 * days), days);
            comments := comments
                || format('comment on column handoff.recycle_conversion.%1$s_%2$s is ''Share, 0 to 1: recycled handoffs whose lead was %3$s within %2$s days (of 24 hours) of it / recycled at least %2$s days ago. NULL: there are none of the latter.'';',
                          what.name, days, what.words)
                || format('comment on column handoff.recycle_conversion.%1$s_%2$s_num is ''Numerator: those among the latter whose lead was %3$s within %2$s days.'';', what.name, days, what.words)
                || format('comment on column handoff.recycle_conversion.%1$s_%2$s_den is ''Denominator: handoffs recycled at least %2$s days ago.'';', what.name, days)
                || format('comment on column handoff.recycle_conversion.%1$s_%2$s_open is ''What could still change it: handoffs recycled since, not in the denominator.'';', what.name, days);
        end loop;
    end loop;
    execute format($q$
create view handoff.recycle_conversion as
select r.month, r.leg, r.code, d.reason, p.nurture_track,
       count(*) as recycled,
       count(*) filter (where n.handed_at is not null) as returned_so_far,
       count(*) filter (where n.accepted_at is not null) as accepted_so_far,
       count(*) filter (where n.opportunity_at is not null) as opportunity_so_far %s
from (
    select f.lead_key, f.cycle, f.contract_id, f.leg, f.code, f.closed_at,
           date_trunc('month', f.closed_at at time zone c.reporting_zone)::date as month,
           (select handoff.view_time()) as now
    from handoff.fact_handoff f
    join handoff.contract c on c.contract_id = f.contract_id
    where f.counted and f.recycled
) r
left join handoff.disposition d on d.contract_id = r.contract_id and d.code = r.code
-- what aged out goes the way of those who never answered
left join (
    select n.contract_id, (array_agg(n.recycle_path order by n.code collate "C"))[1] as recycle_path
    from handoff.disposition n
    where n.outcome = 'recycle' and n.no_response and n.recycle_path is not null
    group by n.contract_id
) a on a.contract_id = r.contract_id and r.code = 'due'
left join handoff.recycle_path p on p.contract_id = r.contract_id and p.name = coalesce(a.recycle_path, d.recycle_path)
left join (
    select f.lead_key, f.cycle, min(f.handed_at) as handed_at, min(f.accepted_at) as accepted_at, min(f.opportunity_at) as opportunity_at
    from handoff.fact_handoff f
    where f.counted and f.cycle > 1
    group by f.lead_key, f.cycle
) n on n.lead_key = r.lead_key and n.cycle = r.cycle + 1
group by r.month, r.leg, r.code, d.reason, p.nurture_track
    $q$, rates);
    execute comments;
end
$views$;
comment on view handoff.recycle_conversion is 'What recycling yields: what became of counted handoffs that were recycled in the next cycle of their lead, by month of the recycle, leg, code, reason and nurture track. There is no standard formula; this one owes a success to the last recycle before it. Formulas: docs/learn.md.';
comment on column handoff.recycle_conversion.month is 'First day of the month in which they were recycled, in the reporting zone of the handoff''s contract.';
comment on column handoff.recycle_conversion.leg is 'Leg of the recycled handoff.';
comment on column handoff.recycle_conversion.code is 'Code of the disposition that recycled it; due: it aged out of its stage. NULL: there is none.';
comment on column handoff.recycle_conversion.reason is 'What the code means in the contract of the handoff; NULL: no code, or the contract has none such, as due.';
comment on column handoff.recycle_conversion.nurture_track is 'Nurture track of the path that the lead took, of one that aged out that of those who never answered; NULL: none.';
comment on column handoff.recycle_conversion.recycled is 'Recycled handoffs.';
comment on column handoff.recycle_conversion.returned_so_far is 'Those whose lead has been handed over again in its next cycle, whenever that was; only handoffs that KPIs count.';
comment on column handoff.recycle_conversion.accepted_so_far is 'Those whose lead has been accepted in it, whenever.';
comment on column handoff.recycle_conversion.opportunity_so_far is 'Those whose lead has had an opportunity in it, whenever.';

-- Who does not go on: they name leads ---------------------------------------------------------------------

create view handoff.blocked as
select l.lead_key,
       l.contract_id,
       l.stage,
       e.leg,
       l.band,
       l.score,
       cardinality(l.blocked_fields) as fields,
       array_to_string(l.blocked_fields, ', ') as missing,
       l.blocked_since,
       round(greatest(extract(epoch from t.now - l.blocked_since), 0)) as waiting_seconds,
       k.due_at,
       round(extract(epoch from k.due_at - t.now)) as remaining_seconds,
       case when k.due_at is not null then g.blocked_then end as next_action
from handoff.lead l
left join lateral (
    select e.detail ->> 'leg' as leg from handoff.event e where e.lead_key = l.lead_key and e.type = 'blocked' order by e.seq desc limit 1
) e on true
left join handoff.leg g on g.contract_id = l.contract_id and g.name = e.leg
left join handoff.clock k on k.lead_key = l.lead_key and k.handoff_no = 0 and k.kind = 'blocked' and k.stopped_at is null
cross join lateral (select (select handoff.view_time()) as now) t
where l.blocked_since is not null and l.deleted_at is null;
comment on view handoff.blocked is 'Leads that would go on to their next stage but for missing or invalid fields, one row each. Names leads.';
comment on column handoff.blocked.lead_key is 'Lead.';
comment on column handoff.blocked.contract_id is 'Version of the contract that decided so.';
comment on column handoff.blocked.stage is 'Stage that it is in.';
comment on column handoff.blocked.leg is 'Leg that it would pass; NULL: none.';
comment on column handoff.blocked.band is 'Its band now; NULL: none.';
comment on column handoff.blocked.score is 'Its score as last decided, in points.';
comment on column handoff.blocked.fields is 'How many fields are missing or invalid.';
comment on column handoff.blocked.missing is 'Which, in order of name.';
comment on column handoff.blocked.blocked_since is 'Since when.';
comment on column handoff.blocked.waiting_seconds is 'Elapsed time from blocked_since to handoff.view_time() in whole seconds, not below 0.';
comment on column handoff.blocked.due_at is 'When its longest wait is over (leg.blocked_max); NULL: never.';
comment on column handoff.blocked.remaining_seconds is 'Elapsed time from handoff.view_time() to due_at in whole seconds; negative when past. NULL: never.';
comment on column handoff.blocked.next_action is 'What follows then: hand_over (flagged incomplete) or recycle; NULL: nothing.';

create view handoff.gated as
select l.lead_key,
       l.contract_id,
       l.stage,
       e.leg,
       l.band,
       l.score,
       l.gate_code as code,
       g.action,
       l.duplicate_of,
       e.at as gated_since,
       round(greatest(extract(epoch from (select handoff.view_time()) - e.at), 0)) as waiting_seconds,
       k.next_at as review_at
from handoff.lead l
left join lateral (
    select e.detail ->> 'leg' as leg, e.at from handoff.event e where e.lead_key = l.lead_key and e.type in ('gated', 'joined') order by e.seq desc limit 1
) e on true
left join lateral (
    select g.action
    from handoff.gate g
    where g.contract_id = l.contract_id and g.code = l.gate_code and (g.leg is null or g.leg = e.leg)
    order by g.ord
    limit 1
) g on l.duplicate_of is null
left join handoff.clock k on k.lead_key = l.lead_key and k.handoff_no = 0 and k.kind = 'review' and k.name = ''
where l.gate_code is not null and l.deleted_at is null;
comment on view handoff.gated is 'Leads that are ready for a leg and held before it, by a gate of the contract or by another lead of the same person, one row each. Names leads.';
comment on column handoff.gated.lead_key is 'Lead.';
comment on column handoff.gated.contract_id is 'Version of the contract that decided so.';
comment on column handoff.gated.stage is 'Stage that it is in.';
comment on column handoff.gated.leg is 'Leg that it would pass.';
comment on column handoff.gated.band is 'Its band now; NULL: none.';
comment on column handoff.gated.score is 'Its score as last decided, in points.';
comment on column handoff.gated.code is 'Code of the gate; joined (its activity counts in the handoff of another lead of the person) or duplicate (that one has to end first).';
comment on column handoff.gated.action is 'suppress (while the gate''s criteria holds), hold (the same, looked at again at review_at) or divert; NULL: no gate holds it, or the contract has none such.';
comment on column handoff.gated.duplicate_of is 'The other lead; NULL: a gate holds it.';
comment on column handoff.gated.gated_since is 'Since when.';
comment on column handoff.gated.waiting_seconds is 'Elapsed time from gated_since to handoff.view_time() in whole seconds, not below 0.';
comment on column handoff.gated.review_at is 'When it is decided anew at the latest, whatever happens; NULL: only when something happens.';
