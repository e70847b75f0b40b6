-- bench/s7_questions.sql: the views as a dashboard asks for them, and beside each what somebody who knows the tables would write
-- for the same numbers. Medians of what has not happened yet have no query by hand: plain percentiles of what has stand there.
--
-- Where a view has a hand that counts less than it does, the note says so.

-- the kpi_ views: every rate of one dimension
do $$
declare
    rate     record;
    counts   text := '';
    clocks   text := '';
    sums     text := '';
    dim      text;
    kept     constant text := 'h.origin in (''contract'', ''self_booked'') and h.outcome is distinct from ''withdrawn''';
    rejected constant text := '(h.accepted_at is null and h.closed_at is not null and h.outcome in (''recycle'', ''disqualified'', ''returned''))';
begin
    for rate in
        select * from (values
            ('acceptance_of_decided', 'h.accepted_at is not null', 'h.accepted_at is not null or ' || rejected, 'h.accepted_at is null and h.closed_at is null'),
            ('acceptance_of_handed', 'h.handed_at <= t.now - interval ''720 hours'' and h.accepted_at <= h.handed_at + interval ''720 hours''', 'h.handed_at <= t.now - interval ''720 hours''', 'h.handed_at > t.now - interval ''720 hours'''),
            ('contact_rate', 'h.first_contact_at is not null', 'true', 'h.closed_at is null and h.first_contact_at is null'),
            ('contact_of_touched', 'h.first_contact_at is not null', 'h.first_touch_at is not null or h.first_contact_at is not null', 'h.closed_at is null and h.first_touch_at is not null and h.first_contact_at is null'),
            ('meeting_rate', 'h.booked_at is not null', 'true', 'h.closed_at is null and h.booked_at is null'),
            ('show_rate', 'h.meeting_held_at is not null', 'h.meeting_held_at is not null or h.no_show', 'h.closed_at is null and h.booked_at is not null and h.meeting_held_at is null and not h.no_show'),
            ('qualified_30', 'h.accepted_at <= t.now - interval ''720 hours'' and least(h.qualified_at, case h.outcome when ''next_leg'' then h.closed_at end) <= h.accepted_at + interval ''720 hours''', 'h.accepted_at <= t.now - interval ''720 hours''', 'h.accepted_at > t.now - interval ''720 hours'''),
            ('qualified_60', 'h.accepted_at <= t.now - interval ''1440 hours'' and least(h.qualified_at, case h.outcome when ''next_leg'' then h.closed_at end) <= h.accepted_at + interval ''1440 hours''', 'h.accepted_at <= t.now - interval ''1440 hours''', 'h.accepted_at > t.now - interval ''1440 hours'''),
            ('qualified_90', 'h.accepted_at <= t.now - interval ''2160 hours'' and least(h.qualified_at, case h.outcome when ''next_leg'' then h.closed_at end) <= h.accepted_at + interval ''2160 hours''', 'h.accepted_at <= t.now - interval ''2160 hours''', 'h.accepted_at > t.now - interval ''2160 hours'''),
            ('incomplete_rate', 'h.incomplete', 'true', 'false'),
            ('unassigned_rate', 'h.assigned_at is null', 'true', 'h.closed_at is null and h.assigned_at is null'),
            ('recycle_rate', 'h.outcome = ''recycle''', 'h.accepted_at is not null or ' || rejected, 'h.closed_at is null'),
            ('opportunity_30', 'h.handed_at <= t.now - interval ''720 hours'' and h.opportunity_at <= h.handed_at + interval ''720 hours''', 'h.handed_at <= t.now - interval ''720 hours''', 'h.handed_at > t.now - interval ''720 hours'''),
            ('opportunity_60', 'h.handed_at <= t.now - interval ''1440 hours'' and h.opportunity_at <= h.handed_at + interval ''1440 hours''', 'h.handed_at <= t.now - interval ''1440 hours''', 'h.handed_at > t.now - interval ''1440 hours'''),
            ('opportunity_90', 'h.handed_at <= t.now - interval ''2160 hours'' and h.opportunity_at <= h.handed_at + interval ''2160 hours''', 'h.handed_at <= t.now - interval ''2160 hours''', 'h.handed_at > t.now - interval ''2160 hours'''),
            ('won_30', 'h.handed_at <= t.now - interval ''720 hours'' and h.won_at <= h.handed_at + interval ''720 hours''', 'h.handed_at <= t.now - interval ''720 hours''', 'h.handed_at > t.now - interval ''720 hours'''),
            ('won_60', 'h.handed_at <= t.now - interval ''1440 hours'' and h.won_at <= h.handed_at + interval ''1440 hours''', 'h.handed_at <= t.now - interval ''1440 hours''', 'h.handed_at > t.now - interval ''1440 hours'''),
            ('won_90', 'h.handed_at <= t.now - interval ''2160 hours'' and h.won_at <= h.handed_at + interval ''2160 hours''', 'h.handed_at <= t.now - interval ''2160 hours''', 'h.handed_at > t.now - interval ''2160 hours'''),
            ('override_rate', 'h.outcome in (''recycle'', ''disqualified'', ''returned'') and h.override_reason is not null', 'h.outcome in (''recycle'', ''disqualified'', ''returned'')', 'h.closed_at is null'),
            ('undone_rate', 'h.undone > 0', 'h.undone > 0 or h.outcome in (''recycle'', ''disqualified'', ''returned'')', 'h.closed_at is null and h.undone = 0')) r (name, num, den, still)
    loop
        counts := counts || format(', count(*) filter (where %2$s) as %1$s_num, count(*) filter (where %3$s) as %1$s_den, count(*) filter (where %4$s) as %1$s_open', rate.name, rate.num, rate.den, rate.still);
        sums := sums || format(', round(sum(h.%1$s_num) / nullif(sum(h.%1$s_den), 0), 4) as %1$s, sum(h.%1$s_num)::bigint as %1$s_num, sum(h.%1$s_den)::bigint as %1$s_den, sum(h.%1$s_open)::bigint as %1$s_open', rate.name);
    end loop;
    foreach dim in array '{accept,first_touch}'::text[] loop
        clocks := clocks || format(', count(*) filter (where k.metric = %2$L and k.verdict = ''met'') as %1$s_num, count(*) filter (where k.metric = %2$L and k.verdict in (''met'', ''missed'')) as %1$s_den,
            count(*) filter (where k.metric = %2$L and k.verdict is null) as %1$s_open', 'sla_' || dim, dim);
        sums := sums || format(', round(sum(k.%1$s_num) / nullif(sum(k.%1$s_den), 0), 4) as %1$s, sum(k.%1$s_num)::bigint as %1$s_num, sum(k.%1$s_den)::bigint as %1$s_den, sum(k.%1$s_open)::bigint as %1$s_open', 'sla_' || dim);
    end loop;
    foreach dim in array '{month,pool,lead_source,rep}'::text[] loop
        insert into bench.question (name, view, hand)
        select v.name, format('select * from handoff.%s', v.name), format($q$
with h as (
    select h.%1$I as dim, h.leg, h.cycle = 1 as is_first, count(*) as handed %2$s
    from handoff.handoff h cross join (select timestamptz '2026-07-01 00:00+02' as now) t
    where %4$s
    group by 1, 2, 3
), k as (
    select %6$s as dim, k.leg, k.cycle = 1 as is_first %3$s
    from (select k.rep, h.month, h.pool, h.lead_source, h.rep as owner, h.leg, h.cycle, s.metric,
                 case when k.verdict is null and k.due_at < t.now and not k.paused then 'missed' else k.verdict end as verdict
          from handoff.clock k
          join handoff.handoff h on h.lead_key = k.lead_key and h.handoff_no = k.handoff_no
          join handoff.sla s on s.contract_id = h.contract_id and s.name = k.name
          cross join (select timestamptz '2026-07-01 00:00+02' as now) t
          where k.kind = 'sla' and s.metric in ('accept', 'first_touch') and %4$s) k
    group by 1, 2, 3
)
select h.dim, h.leg, c.cycle, sum(h.handed)::bigint as handed %5$s
from h left join k on k.dim is not distinct from h.dim and k.leg = h.leg and k.is_first = h.is_first
join (values ('all'), ('first')) c (cycle) on c.cycle = 'all' or h.is_first
group by 1, 2, 3
            $q$, dim, counts, clocks, kept, sums, case dim when 'rep' then 'coalesce(k.rep, k.owner)' else 'k.' || dim end)
        from (values ('month', 'kpi_month'), ('pool', 'kpi_pool'), ('lead_source', 'kpi_source'), ('rep', 'kpi_rep')) v (dimension, name)
        where v.dimension = dim;
    end loop;
end $$;

insert into bench.question (name, view, hand, note) values
('speed_to_lead', $$select * from handoff.speed_to_lead where dimension = 'all'$$, $$
select h.month, h.leg, count(*), count(h.first_touch_at),
       count(*) filter (where wall <= 300), count(*) filter (where wall <= 3600), count(*) filter (where wall <= 86400),
       count(*) filter (where h.first_touch_at is null and h.closed_at is null and h.trigger_at + interval '1 day' >= timestamptz '2026-07-01 00:00+02'),
       percentile_cont('{0.5,0.9}'::float8[]) within group (order by wall),
       count(*) filter (where h.first_touch_business_seconds <= 300), count(*) filter (where h.first_touch_business_seconds <= 3600), count(*) filter (where h.first_touch_business_seconds <= 86400),
       percentile_cont('{0.5,0.9}'::float8[]) within group (order by h.first_touch_business_seconds::float8)
from (select h.*, date_part('epoch', h.first_touch_at - h.trigger_at) as wall from handoff.handoff h) h
where h.origin in ('contract', 'self_booked') and h.outcome is distinct from 'withdrawn'
group by h.month, h.leg$$, 'the query leaves out who still waits, and open time so far'),
('sla_attainment', $$select * from handoff.sla_attainment where dimension = 'all'$$, $$
select h.month, h.leg, k.name, s.metric,
       count(*) filter (where k.verdict = 'met'), count(*) filter (where k.verdict = 'missed' or k.verdict is null and k.due_at < '2026-07-01 00:00+02' and not k.paused),
       count(*) filter (where k.verdict is null and k.due_at < '2026-07-01 00:00+02' and not k.paused), count(*) filter (where k.verdict is null and k.due_at >= '2026-07-01 00:00+02'),
       count(*) filter (where k.verdict is null and k.paused), count(*) filter (where k.verdict = 'void'),
       percentile_cont('{0.5,0.9}'::float8[]) within group (order by date_part('epoch', k.stopped_at - k.started_at)) filter (where k.verdict in ('met', 'missed')),
       percentile_cont('{0.5,0.9}'::float8[]) within group (order by k.business_seconds::float8) filter (where k.verdict in ('met', 'missed'))
from handoff.clock k
join handoff.handoff h on h.lead_key = k.lead_key and h.handoff_no = k.handoff_no
join handoff.sla s on s.contract_id = h.contract_id and s.name = k.name
where k.kind = 'sla' and h.origin in ('contract', 'self_booked') and h.outcome is distinct from 'withdrawn'
group by h.month, h.leg, k.name, s.metric$$, 'the query knows no pauses and no hours of who is still late'),
('response_split', 'select * from handoff.response_split', $$
select h.month, h.leg, count(*), count(h.seen_at), count(h.assigned_at), count(h.delivered_at), count(h.first_touch_at),
       percentile_cont('{0.5,0.9}'::float8[]) within group (order by date_part('epoch', h.seen_at - h.trigger_at)),
       percentile_cont('{0.5,0.9}'::float8[]) within group (order by date_part('epoch', h.handed_at - h.seen_at)),
       percentile_cont('{0.5,0.9}'::float8[]) within group (order by date_part('epoch', h.assigned_at - h.handed_at)),
       percentile_cont('{0.5,0.9}'::float8[]) within group (order by date_part('epoch', h.delivered_at - h.assigned_at)),
       percentile_cont('{0.5,0.9}'::float8[]) within group (order by date_part('epoch', h.first_touch_at - h.delivered_at)),
       percentile_cont('{0.5,0.9}'::float8[]) within group (order by date_part('epoch', h.first_touch_at - h.assigned_at))
from handoff.handoff h
where h.origin in ('contract', 'self_booked') and h.outcome is distinct from 'withdrawn'
group by h.month, h.leg$$, 'the query leaves out who still waits'),
('follow_up_depth', 'select * from handoff.follow_up_depth', $$
select h.month, h.leg, h.outcome, h.code, count(*), count(*) filter (where h.touches = 0), count(*) filter (where h.touches = 1), count(*) filter (where h.touches = 2), count(*) filter (where h.touches = 3),
       count(*) filter (where h.touches = 4), count(*) filter (where h.touches = 5), count(*) filter (where h.touches >= 6), avg(h.touches),
       count(*) filter (where cardinality(h.channels) = 0), count(*) filter (where cardinality(h.channels) = 1), count(*) filter (where cardinality(h.channels) = 2), count(*) filter (where cardinality(h.channels) >= 3),
       avg(cardinality(h.channels)), count(*) filter (where h.contacts = 0), count(*) filter (where h.contacts = 1), count(*) filter (where h.contacts = 2), count(*) filter (where h.contacts >= 3), avg(h.contacts),
       count(*) filter (where h.touches < 6 and h.closed_at is null), count(*) filter (where h.touches = 0 and h.closed_at is null)
from handoff.handoff h
where h.origin in ('contract', 'self_booked') and h.outcome is distinct from 'withdrawn'
group by h.month, h.leg, h.outcome, h.code$$, ''),
('rejection_reason', 'select * from handoff.rejection_reason', $$
select r.*, d.* from (
    select h.leg, h.outcome, h.code, d.reason, count(*), count(h.override_reason)
    from handoff.handoff h left join handoff.disposition d on d.contract_id = h.contract_id and d.code = h.code
    where h.origin in ('contract', 'self_booked') and h.accepted_at is null and h.outcome in ('recycle', 'disqualified', 'returned') group by 1, 2, 3, 4
) r join (
    select h.leg, count(*) filter (where h.accepted_at is not null or h.outcome in ('recycle', 'disqualified', 'returned')), count(*) filter (where h.accepted_at is null and h.closed_at is null)
    from handoff.handoff h where h.origin in ('contract', 'self_booked') and h.outcome is distinct from 'withdrawn' group by 1
) d using (leg)$$, ''),
('funnel', 'select * from handoff.funnel', $$
with l as (select l.lead_key, s.is_terminal from handoff.lead l join handoff.stage s on s.contract_id = l.contract_id and s.name = l.stage where l.deleted_at is null),
p as (select h.leg, h.lead_key, l.is_terminal, bool_or(h.closed_at is null) as still, bool_or(h.assigned_at is not null) as a, bool_or(h.first_touch_at is not null) as t, bool_or(h.first_contact_at is not null) as c,
             bool_or(h.accepted_at is not null) as y, bool_or(h.booked_at is not null) as b, bool_or(h.meeting_held_at is not null) as m, bool_or(h.opportunity_at is not null) as o, bool_or(h.won_at is not null) as w
      from handoff.handoff h join l using (lead_key) where h.origin in ('contract', 'self_booked') and h.outcome is distinct from 'withdrawn' group by 1, 2, 3)
select (select count(*) from l), (select count(*) from l where not is_terminal), leg, count(*),
       count(*) filter (where a), count(*) filter (where t), count(*) filter (where c), count(*) filter (where y), count(*) filter (where b), count(*) filter (where m), count(*) filter (where o), count(*) filter (where w),
       count(*) filter (where a and not is_terminal), count(*) filter (where t and not is_terminal), count(*) filter (where c and not is_terminal), count(*) filter (where y and not is_terminal),
       count(*) filter (where b and not is_terminal), count(*) filter (where m and not is_terminal), count(*) filter (where o and not is_terminal), count(*) filter (where w and not is_terminal),
       count(*) filter (where not a and still), count(*) filter (where not t and still), count(*) filter (where not c and still), count(*) filter (where not y and still), count(*) filter (where not b and still),
       count(*) filter (where not m and still), count(*) filter (where not o and still), count(*) filter (where not w and still)
from p group by leg$$, ''),
('recycle_conversion', 'select * from handoff.recycle_conversion', $$
select date_trunc('month', h.closed_at at time zone c.reporting_zone), h.leg, h.code, d.reason, p.nurture_track, count(*), count(n.handed_at), count(n.accepted_at), count(n.opportunity_at),
       count(*) filter (where h.closed_at <= timestamptz '2026-04-02'), count(*) filter (where h.closed_at <= timestamptz '2026-01-02'),
       count(*) filter (where h.closed_at <= timestamptz '2026-04-02' and n.handed_at <= h.closed_at + interval '2160 hours'), count(*) filter (where h.closed_at <= timestamptz '2026-04-02' and n.accepted_at <= h.closed_at + interval '2160 hours'),
       count(*) filter (where h.closed_at <= timestamptz '2026-04-02' and n.opportunity_at <= h.closed_at + interval '2160 hours'),
       count(*) filter (where h.closed_at <= timestamptz '2026-01-02' and n.handed_at <= h.closed_at + interval '4320 hours'), count(*) filter (where h.closed_at <= timestamptz '2026-01-02' and n.accepted_at <= h.closed_at + interval '4320 hours'),
       count(*) filter (where h.closed_at <= timestamptz '2026-01-02' and n.opportunity_at <= h.closed_at + interval '4320 hours')
from handoff.handoff h
join handoff.contract c on c.contract_id = h.contract_id
left join handoff.disposition d on d.contract_id = h.contract_id and d.code = h.code
left join handoff.recycle_path p on p.contract_id = h.contract_id and p.name = d.recycle_path
left join (select lead_key, cycle, min(handed_at) as handed_at, min(accepted_at) as accepted_at, min(opportunity_at) as opportunity_at from handoff.handoff
           where cycle > 1 and origin in ('contract', 'self_booked') and outcome is distinct from 'withdrawn' group by 1, 2) n on n.lead_key = h.lead_key and n.cycle = h.cycle + 1
where h.origin in ('contract', 'self_booked') and h.outcome = 'recycle'
group by 1, 2, 3, 4, 5$$, ''),
('stage_consistency', 'select * from handoff.stage_consistency', $$
select month, stage, owner, count(*), count(*) filter (where consistent) from handoff.stage_history where not undone group by 1, 2, 3$$, ''),
('time_in_stage', 'select * from handoff.time_in_stage', $$
select h.month, h.stage, h.owner, count(*), count(h.left_at), count(*) filter (where h.left_at is null and l.deleted_at is null),
       percentile_cont('{0.5,0.9}'::float8[]) within group (order by date_part('epoch', h.left_at - h.entered_at)),
       percentile_cont('{0.5,0.9}'::float8[]) within group (order by handoff.open_seconds(c.calendar, null, null, h.entered_at, h.left_at))
from handoff.stage_history h
join handoff.contract c on c.contract_id = h.contract_id
join handoff.lead l on l.lead_key = h.lead_key
where not h.undone group by 1, 2, 3$$, 'the query leaves out who is still there'),
('error_rate', $$select * from handoff.error_rate where dimension = 'all'$$, $$
select h.month, h.leg, count(*) filter (where h.closed_at <= timestamptz '2025-07-01'), count(*) filter (where h.closed_at <= timestamptz '2025-07-01' and w.won_at <= h.closed_at + interval '8760 hours'),
       count(*) filter (where h.closed_at > timestamptz '2025-07-01'), null
from handoff.handoff h
left join lateral (select min(x.won_at) as won_at from handoff.handoff x where x.lead_key = h.lead_key and x.won_at > h.closed_at) w on true
where h.origin in ('contract', 'self_booked') and h.accepted_at is null and h.outcome in ('recycle', 'disqualified', 'returned')
group by 1, 2
union all
select date_trunc('month', o.created_at at time zone 'Europe/Berlin'), null, count(*) filter (where o.leads > 0), count(*) filter (where o.leads > 0 and not o.handed), count(*) filter (where o.leads = 0), null
from (select o.created_at, count(l.lead_key) as leads, bool_or(exists (select from handoff.handoff h where h.lead_key = l.lead_key and h.outcome is distinct from 'withdrawn')) as handed
      from handoff.opportunity o left join handoff.opportunity_link k using (opportunity_key) left join handoff.lead l using (lead_key)
      where o.deleted_at is null group by o.opportunity_key) o
group by 1$$, ''),
('rep_consistency', 'select * from handoff.rep_consistency', $$
with d as (select leg, rep, band, count(accepted_at) as a, count(*) filter (where accepted_at is not null or outcome in ('recycle', 'disqualified', 'returned')) as n,
                  count(*) filter (where accepted_at is null and closed_at is null) as still
           from handoff.handoff where origin in ('contract', 'self_booked') and outcome is distinct from 'withdrawn' and rep is not null group by 1, 2, 3)
select leg, rep, sum(a), sum(n), sum(still), sum(n * (select sum(x.a) / nullif(sum(x.n), 0) from d x where x.leg = d.leg and x.band is not distinct from d.band)) from d group by 1, 2$$, ''),
('on_cadence', 'select * from handoff.on_cadence', $$
select h.month, h.leg, h.pool, k.n, k.name, count(*) filter (where k.verdict = 'met'), count(*) filter (where k.verdict in ('met', 'missed') or k.verdict is null and k.due_at < '2026-07-01 00:00+02'),
       count(*) filter (where k.verdict is null and k.due_at >= '2026-07-01 00:00+02')
from handoff.clock k join handoff.handoff h on h.lead_key = k.lead_key and h.handoff_no = k.handoff_no
where k.kind = 'cadence' and h.origin in ('contract', 'self_booked') and h.outcome is distinct from 'withdrawn' group by 1, 2, 3, 4, 5$$, ''),
('at_risk', 'select * from handoff.at_risk', $$
select k.*, h.leg, h.cycle, h.band, h.pool, h.rep, s.metric, s.clock, k.due_at - timestamptz '2026-07-01 00:00+02' from handoff.clock k
join handoff.handoff h on h.lead_key = k.lead_key and h.handoff_no = k.handoff_no
join handoff.sla s on s.contract_id = h.contract_id and s.name = k.name
where k.kind = 'sla' and k.stopped_at is null and h.closed_at is null and k.due_at - timestamptz '2026-07-01 00:00+02' < (k.due_at - k.started_at) / 4$$, 'the query knows no hours'),
('unassigned', 'select * from handoff.unassigned', null, ''),
('blocked', 'select * from handoff.blocked', $$
select l.*, (select e.detail ->> 'leg' from handoff.event e where e.lead_key = l.lead_key and e.type = 'blocked' order by e.seq desc limit 1), k.due_at
from handoff.lead l left join handoff.clock k on k.lead_key = l.lead_key and k.handoff_no = 0 and k.kind = 'blocked' where l.blocked_since is not null and l.deleted_at is null$$, ''),
('gated', 'select * from handoff.gated', $$
select l.*, e.* from handoff.lead l left join lateral (select e.at, e.detail from handoff.event e where e.lead_key = l.lead_key and e.type in ('gated', 'joined') order by e.seq desc limit 1) e on true
where l.gate_code is not null and l.deleted_at is null$$, ''),
('win_rate', $$select * from handoff.win_rate where dimension = 'all'$$, null, ''),
('pipeline_influence', 'select * from handoff.pipeline_influence', null, ''),
('fairness', 'select * from handoff.fairness', null, ''),
('journey', 'select * from handoff.journey', null, ''),
('maturity', 'select * from handoff.maturity', null, ''),
('axis_date', 'select * from handoff.axis_date', null, ''),
('axis_source', 'select * from handoff.axis_source', null, '');
