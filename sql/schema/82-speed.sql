-- sql/schema/82-speed.sql: what is learned of time: how fast leads are answered, whether promises are kept,
-- where the time goes, how often is tried, and what burns.
--
-- Durations of what has not happened yet are not left out (that would flatter): until the handoff closed, or
-- until now, we know that it took longer. Medians and p90 are therefore handoff.kaplan_meier(), in whole
-- seconds, rounded up. docs/learn.md tells all of it in prose.
--
-- speed_to_lead and sla_attainment stand once, with their comments, as a query over one dimension. Each
-- of the two is made of it twice: a view of all dimensions that name nobody, one branch a dimension, of
-- which the planner drops those that a condition on dimension excludes; and one by rep.

do $views$
declare
    dimensions constant text[] := '{all,null::text,pool,f.pool,band,f.band,segment,f.segment,version,f.contract_id::text}';
    subject    record;
    branches   text;
    view_name  text;
    comments   text;
begin
    for subject in
        select *
        from (values
            ('speed_to_lead',
             'How fast a human answers, by month, leg and %s: time from trigger_at to the first touch over all counted handoffs, the untouched ones included.',
             -- %1$s dimension and value, %2$s names of the grouping columns beside month and leg
             $q$
select g.month, g.leg, %1$s, g.handed, g.touched,
       round(g.within_5m::numeric / g.handed, 4) as within_5m, g.within_5m as within_5m_num, g.handed as within_5m_den, g.within_5m_open,
       round(g.within_1h::numeric / g.handed, 4) as within_1h, g.within_1h as within_1h_num, g.handed as within_1h_den, g.within_1h_open,
       round(g.within_24h::numeric / g.handed, 4) as within_24h, g.within_24h as within_24h_num, g.handed as within_24h_den, g.within_24h_open,
       ceil(g.wall[1])::numeric as median_seconds,
       ceil(g.wall[2])::numeric as p90_seconds,
       round(g.business_5m::numeric / g.handed, 4) as within_5m_business, g.business_5m as within_5m_business_num,
       g.handed as within_5m_business_den, g.business_5m_open as within_5m_business_open,
       round(g.business_1h::numeric / g.handed, 4) as within_1h_business, g.business_1h as within_1h_business_num,
       g.handed as within_1h_business_den, g.business_1h_open as within_1h_business_open,
       round(g.business_24h::numeric / g.handed, 4) as within_24h_business, g.business_24h as within_24h_business_num,
       g.handed as within_24h_business_den, g.business_24h_open as within_24h_business_open,
       ceil(g.business[1])::numeric as median_business_seconds,
       ceil(g.business[2])::numeric as p90_business_seconds
from (
    select f.month, f.leg, f.value,
           count(*) as handed,
           count(*) filter (where f.touched) as touched,
           count(*) filter (where f.first_touch_at <= f.trigger_at + interval '300 seconds') as within_5m,
           count(*) filter (where f.waits and f.trigger_at + interval '300 seconds' >= f.now) as within_5m_open,
           count(*) filter (where f.first_touch_at <= f.trigger_at + interval '3600 seconds') as within_1h,
           count(*) filter (where f.waits and f.trigger_at + interval '3600 seconds' >= f.now) as within_1h_open,
           count(*) filter (where f.first_touch_at <= f.trigger_at + interval '86400 seconds') as within_24h,
           count(*) filter (where f.waits and f.trigger_at + interval '86400 seconds' >= f.now) as within_24h_open,
           handoff.kaplan_meier(greatest(date_part('epoch', coalesce(f.first_touch_at, f.closed_at, f.now) - f.trigger_at), 0), f.touched, '{0.5,0.9}') as wall,
           count(*) filter (where f.touched and f.response_business_seconds <= 300) as business_5m,
           count(*) filter (where f.waits and f.response_business_seconds <= 300) as business_5m_open,
           count(*) filter (where f.touched and f.response_business_seconds <= 3600) as business_1h,
           count(*) filter (where f.waits and f.response_business_seconds <= 3600) as business_1h_open,
           count(*) filter (where f.touched and f.response_business_seconds <= 86400) as business_24h,
           count(*) filter (where f.waits and f.response_business_seconds <= 86400) as business_24h_open,
           handoff.kaplan_meier(greatest(f.response_business_seconds::double precision, 0), f.touched, '{0.5,0.9}') as business
    from (
        select f.month, f.leg, %2$s as value, f.touched, f.is_open and not f.touched as waits,
               f.trigger_at, f.first_touch_at, f.closed_at, f.response_business_seconds, (select handoff.view_time()) as now
        from handoff.fact_handoff f
        where f.counted
    ) f
    group by f.month, f.leg, f.value
) g
             $q$,
             array[
                 'handed', 'Handoffs.',
                 'touched', 'Those with a human touch.',
                 'within_5m', 'Share, 0 to 1: handoffs touched within 5 minutes of elapsed time / all handoffs.',
                 'within_5m_num', 'Numerator: handoffs touched within 5 minutes.',
                 'within_5m_den', 'Denominator: all handoffs.',
                 'within_5m_open', 'What could still change it: open untouched handoffs within their first 5 minutes, in the denominator.',
                 'within_1h', 'Share, 0 to 1: handoffs touched within an hour of elapsed time / all handoffs.',
                 'within_1h_num', 'Numerator: handoffs touched within an hour.',
                 'within_1h_den', 'Denominator: all handoffs.',
                 'within_1h_open', 'What could still change it: open untouched handoffs within their first hour, in the denominator.',
                 'within_24h', 'Share, 0 to 1: handoffs touched within 24 hours of elapsed time / all handoffs.',
                 'within_24h_num', 'Numerator: handoffs touched within 24 hours.',
                 'within_24h_den', 'Denominator: all handoffs.',
                 'within_24h_open', 'What could still change it: open untouched handoffs within their first 24 hours, in the denominator.',
                 'median_seconds', 'Kaplan-Meier estimate of the elapsed time after which half of all handoffs have been touched: one that is untouched counts as longer than its time until closed_at, else handoff.view_time(). NULL: fewer are known to have been.',
                 'p90_seconds', 'The same for nine in ten.',
                 'within_5m_business', 'Share, 0 to 1: handoffs touched within 5 minutes of open time of their contract''s calendar / all handoffs. A calendar that opens at nine sees a lead of the night wait from nine on.',
                 'within_5m_business_num', 'Numerator: handoffs touched within 5 minutes of open time.',
                 'within_5m_business_den', 'Denominator: all handoffs.',
                 'within_5m_business_open', 'What could still change it: open untouched handoffs within their first 5 minutes of open time, in the denominator.',
                 'within_1h_business', 'The same for an hour of open time.',
                 'within_1h_business_num', 'Numerator: handoffs touched within an hour of open time.',
                 'within_1h_business_den', 'Denominator: all handoffs.',
                 'within_1h_business_open', 'What could still change it: open untouched handoffs within their first hour of open time, in the denominator.',
                 'within_24h_business', 'The same for 24 hours of open time.',
                 'within_24h_business_num', 'Numerator: handoffs touched within 24 hours of open time.',
                 'within_24h_business_den', 'Denominator: all handoffs.',
                 'within_24h_business_open', 'What could still change it: open untouched handoffs within their first 24 hours of open time, in the denominator.',
                 'median_business_seconds', 'Kaplan-Meier estimate of the open time of the contract''s calendar after which half of all handoffs have been touched. NULL: fewer are known to have been.',
                 'p90_business_seconds', 'The same for nine in ten.'
             ]),
            ('sla_attainment',
             'Whether promises of time are kept, by month of the handoff, leg, SLA and %s: one count a clock of a counted handoff. A clock that runs and is overdue is missed, whether anybody has noticed or not.',
             $q$
select g.month, g.leg, g.sla, g.metric, %1$s,
       round(g.met::numeric / nullif(g.met + g.missed, 0), 4) as attainment,
       g.met as attainment_num,
       g.met + g.missed as attainment_den,
       g.running as attainment_open,
       g.missed, g.overdue, g.paused, g.void,
       ceil(g.wall[1])::numeric as median_seconds,
       ceil(g.wall[2])::numeric as p90_seconds,
       ceil(g.business[1])::numeric as median_business_seconds,
       ceil(g.business[2])::numeric as p90_business_seconds
from (
    select f.month, f.leg, f.sla, f.metric, f.value,
           count(*) filter (where f.verdict = 'met') as met,
           count(*) filter (where f.verdict = 'missed') as missed,
           count(*) filter (where f.verdict = 'missed' and not f.stopped) as overdue,
           count(*) filter (where f.verdict = 'running') as running,
           count(*) filter (where f.verdict = 'running' and f.paused) as paused,
           count(*) filter (where f.verdict = 'void') as void,
           handoff.kaplan_meier(greatest(case when f.was_paused then f.elapsed_seconds::double precision
                                              else date_part('epoch', coalesce(f.stopped_at, f.now) - f.started_at) end, 0), f.stopped, '{0.5,0.9}')
               filter (where f.verdict in ('met', 'missed')) as wall,
           handoff.kaplan_meier(greatest(f.business_seconds::double precision, 0), f.stopped, '{0.5,0.9}')
               filter (where f.verdict in ('met', 'missed')) as business
    from (
        select f.month, f.leg, f.sla, f.metric, %2$s as value, f.verdict, f.paused, f.stopped_at is not null as stopped,
               f.started_at, f.stopped_at, f.was_paused, f.elapsed_seconds, f.business_seconds, (select handoff.view_time()) as now
        from handoff.fact_clock f
        where f.counted
    ) f
    group by f.month, f.leg, f.sla, f.metric, f.value
) g
             $q$,
             array[
                 'sla', 'Name of the SLA.',
                 'metric', 'What it measures: accept, first_touch, next_touch, response, decision or meeting_held.',
                 'attainment', 'Share, 0 to 1: clocks met / clocks met or missed. NULL: there are none of the latter.',
                 'attainment_num', 'Numerator: clocks that were met.',
                 'attainment_den', 'Denominator: clocks met or missed; those that run and are overdue are missed, void ones are left out.',
                 'attainment_open', 'What could still change it: clocks that run and are not overdue, paused ones included, not in the denominator.',
                 'missed', 'Clocks that were missed, those included that run and are overdue.',
                 'overdue', 'Clocks that run and are overdue.',
                 'paused', 'Clocks that stand still and were not overdue before, among attainment_open.',
                 'void', 'Clocks that judge nothing: what they waited for was taken away in time (withdrawn, disqualified untouched, another owner).',
                 'median_seconds', 'Kaplan-Meier estimate of the elapsed time without pauses in which half of the clocks met or missed were stopped; one that runs counts as longer than its time so far. NULL: fewer are known to have been.',
                 'p90_seconds', 'The same for nine in ten.',
                 'median_business_seconds', 'The same as median_seconds, in open time of the clock''s hours: the rep''s, else the pool''s, else the contract''s calendar; elapsed time if there are none.',
                 'p90_business_seconds', 'The same for nine in ten.'
             ])
        ) s (name, about, query, columns)
    loop
        branches := '';
        for i in 1 .. array_length(dimensions, 1) by 2 loop
            branches := branches || case when i > 1 then ' union all ' else '' end
                || format(subject.query, format('%L::text as dimension, g.value', dimensions[i]), dimensions[i + 1]);
        end loop;
        execute format('create view handoff.%I as %s', subject.name, branches);
        execute format('create view handoff.%I as %s', subject.name || '_rep', format(subject.query, 'g.value as rep', 'f.rep'));

        execute format('comment on view handoff.%I is %L', subject.name, format(subject.about, 'dimension') || ' Formulas: docs/learn.md.');
        execute format('comment on view handoff.%I is %L', subject.name || '_rep', format(subject.about, 'rep')
                       || ' Columns as in ' || subject.name || '. Names reps.');
        comments := '';
        for i in 1 .. array_length(subject.columns, 1) by 2 loop
            comments := comments || format('comment on column handoff.%%1$I.%I is %L;', subject.columns[i], subject.columns[i + 1]);
        end loop;
        foreach view_name in array array[subject.name, subject.name || '_rep'] loop
            execute format(comments, view_name);
            execute format(
                'comment on column handoff.%1$I.month is ''Cohort: first day of the month of handed_at in the reporting zone of the handoff''''s contract.'';'
                'comment on column handoff.%1$I.leg is ''Leg.'';', view_name);
        end loop;
        execute format(
            'comment on column handoff.%1$I.dimension is ''all (one row for all of them), pool, band, segment or version: pick one, each has all handoffs.'';'
            'comment on column handoff.%1$I.value is ''Value of the dimension; version: the contract_id. NULL: it has none, or dimension is all.'';'
            'comment on column handoff.%1$I_rep.rep is %2$L;', subject.name,
            case subject.name when 'speed_to_lead' then 'Present owner of the handoff, after closing the last one; NULL: nobody.'
                              else 'Whose clock it is, else the present owner of the handoff; NULL: nobody.' end);
    end loop;
end
$views$;

-- Where the time goes. Each hop begins for those who have reached its first end; who has not reached the
-- second one has taken longer than until now.

create view handoff.response_split as
with hop as (
    select f.month,
           f.leg,
           count(*) as handed,
           count(f.seen_at) as seen,
           count(f.assigned_at) as assigned,
           count(f.delivered_at) as delivered,
           count(f.delivered_at) filter (where f.assigned) as assigned_delivered,
           count(*) filter (where f.assigned and f.touched) as assigned_touched,
           count(*) filter (where f.delivered_at is not null and f.touched) as delivered_touched,
           handoff.kaplan_meier(greatest(date_part('epoch', f.seen_at - f.trigger_at), 0), true, '{0.5,0.9}')
               filter (where f.seen_at is not null) as occurred_to_seen,
           handoff.kaplan_meier(greatest(date_part('epoch', f.handed_at - f.seen_at), 0), true, '{0.5,0.9}')
               filter (where f.seen_at is not null) as seen_to_handed,
           handoff.kaplan_meier(greatest(date_part('epoch', coalesce(f.assigned_at, f.until) - f.handed_at), 0), f.assigned,
                                '{0.5,0.9}') as handed_to_assigned,
           handoff.kaplan_meier(greatest(date_part('epoch', coalesce(f.delivered_at, f.until) - f.assigned_at), 0),
                                f.delivered_at is not null, '{0.5,0.9}')
               filter (where f.assigned) as assigned_to_delivered,
           handoff.kaplan_meier(greatest(date_part('epoch', coalesce(f.first_touch_at, f.until) - f.delivered_at), 0), f.touched,
                                '{0.5,0.9}')
               filter (where f.delivered_at is not null) as delivered_to_touched,
           handoff.kaplan_meier(greatest(date_part('epoch', coalesce(f.first_touch_at, f.until) - f.assigned_at), 0), f.touched,
                                '{0.5,0.9}')
               filter (where f.assigned) as assigned_to_touched
    from (
        select f.*, coalesce(f.closed_at, (select handoff.view_time())) as until
        from handoff.fact_handoff f
        where f.counted
    ) f
    group by f.month, f.leg
)
select p.month,
       p.leg,
       h.position,
       h.hop,
       p.handed,
       h.begun,
       h.ended,
       ceil(h.seconds[1])::numeric as median_seconds,
       ceil(h.seconds[2])::numeric as p90_seconds
from hop p
cross join lateral (values
    (1, 'occurred_to_seen', p.seen, p.seen, p.occurred_to_seen),
    (2, 'seen_to_handed', p.seen, p.seen, p.seen_to_handed),
    (3, 'handed_to_assigned', p.handed, p.assigned, p.handed_to_assigned),
    (4, 'assigned_to_delivered', p.assigned, p.assigned_delivered, p.assigned_to_delivered),
    (5, 'delivered_to_touched', p.delivered, p.delivered_touched, p.delivered_to_touched),
    (6, 'assigned_to_touched', p.assigned, p.assigned_touched, p.assigned_to_touched)
) h (position, hop, begun, ended, seconds);
comment on view handoff.response_split is 'Where the time of speed-to-lead goes, hop by hop: occurred > seen > handed > assigned > delivered > touched, by month and leg, over all counted handoffs. Medians of the hops don''t add up to that of the whole. Formulas: docs/learn.md.';
comment on column handoff.response_split.month is 'Cohort: first day of the month of handed_at in the reporting zone of the handoff''s contract.';
comment on column handoff.response_split.leg is 'Leg.';
comment on column handoff.response_split.position is 'Order of the hops, from 1.';
comment on column handoff.response_split.hop is 'occurred_to_seen (from trigger_at until it was captured: the sync''s delay), seen_to_handed (until the decision), handed_to_assigned (until somebody had it), assigned_to_delivered (until the first destination acknowledged the news), delivered_to_touched; and assigned_to_touched, which is the last two together and known without a destination.';
comment on column handoff.response_split.handed is 'Handoffs.';
comment on column handoff.response_split.begun is 'Handoffs that have reached the first end of the hop, as far as is known; all counts below are of these.';
comment on column handoff.response_split.ended is 'Those that have reached its second end too.';
comment on column handoff.response_split.median_seconds is 'Kaplan-Meier estimate of the elapsed time after which half of those who began the hop have ended it: who has not counts as longer than until closed_at, else handoff.view_time(). A hop whose second end came before the first took no time. NULL: fewer are known to have ended it.';
comment on column handoff.response_split.p90_seconds is 'The same for nine in ten.';

create view handoff.follow_up_depth as
select f.month,
       f.leg,
       f.outcome,
       f.code,
       count(*) as handed,
       count(*) filter (where f.touches = 0) as touches_0,
       count(*) filter (where f.touches = 1) as touches_1,
       count(*) filter (where f.touches = 2) as touches_2,
       count(*) filter (where f.touches = 3) as touches_3,
       count(*) filter (where f.touches = 4) as touches_4,
       count(*) filter (where f.touches = 5) as touches_5,
       count(*) filter (where f.touches >= 6) as touches_6_up,
       round(avg(f.touches), 4) as average_touches,
       count(*) filter (where f.channels = 0) as channels_0,
       count(*) filter (where f.channels = 1) as channels_1,
       count(*) filter (where f.channels = 2) as channels_2,
       count(*) filter (where f.channels >= 3) as channels_3_up,
       round(avg(f.channels), 4) as average_channels,
       count(*) filter (where f.contacts = 0) as contacts_0,
       count(*) filter (where f.contacts = 1) as contacts_1,
       count(*) filter (where f.contacts = 2) as contacts_2,
       count(*) filter (where f.contacts >= 3) as contacts_3_up,
       round(avg(f.contacts), 4) as average_contacts,
       round(count(*) filter (where f.touches >= 6)::numeric / count(*), 4) as six_touches,
       count(*) filter (where f.touches >= 6) as six_touches_num,
       count(*) as six_touches_den,
       count(*) filter (where f.touches < 6 and f.is_open) as six_touches_open,
       round(count(*) filter (where f.touches = 0)::numeric / count(*), 4) as never_touched,
       count(*) filter (where f.touches = 0) as never_touched_num,
       count(*) as never_touched_den,
       count(*) filter (where f.touches = 0 and f.is_open) as never_touched_open
from handoff.fact_handoff f
where f.counted
group by f.month, f.leg, f.outcome, f.code;
comment on view handoff.follow_up_depth is 'How often somebody tried before a handoff ended, or has so far, by month, leg, outcome and code of the disposition, over all counted handoffs. Formulas: docs/learn.md.';
comment on column handoff.follow_up_depth.month is 'Cohort: first day of the month of handed_at in the reporting zone of the handoff''s contract.';
comment on column handoff.follow_up_depth.leg is 'Leg.';
comment on column handoff.follow_up_depth.outcome is 'recycle, disqualified, returned, next_leg, won or lost; NULL: open.';
comment on column handoff.follow_up_depth.code is 'Code of the disposition that closed it; where none did, what did: due, won, lost .. NULL: it is open, or it passed the next leg.';
comment on column handoff.follow_up_depth.handed is 'Handoffs.';
comment on column handoff.follow_up_depth.touches_0 is 'Those without a human touch.';
comment on column handoff.follow_up_depth.touches_1 is 'Those with one touch (two-way contacts are touches too).';
comment on column handoff.follow_up_depth.touches_2 is 'Those with two touches.';
comment on column handoff.follow_up_depth.touches_3 is 'Those with three touches.';
comment on column handoff.follow_up_depth.touches_4 is 'Those with four touches.';
comment on column handoff.follow_up_depth.touches_5 is 'Those with five touches.';
comment on column handoff.follow_up_depth.touches_6_up is 'Those with six touches or more.';
comment on column handoff.follow_up_depth.average_touches is 'Mean number of touches.';
comment on column handoff.follow_up_depth.channels_0 is 'Those touched over no channel that is known.';
comment on column handoff.follow_up_depth.channels_1 is 'Those touched over one channel.';
comment on column handoff.follow_up_depth.channels_2 is 'Those touched over two channels.';
comment on column handoff.follow_up_depth.channels_3_up is 'Those touched over three channels or more.';
comment on column handoff.follow_up_depth.average_channels is 'Mean number of channels.';
comment on column handoff.follow_up_depth.contacts_0 is 'Those without a two-way contact.';
comment on column handoff.follow_up_depth.contacts_1 is 'Those with one two-way contact.';
comment on column handoff.follow_up_depth.contacts_2 is 'Those with two.';
comment on column handoff.follow_up_depth.contacts_3_up is 'Those with three or more.';
comment on column handoff.follow_up_depth.average_contacts is 'Mean number of two-way contacts.';
comment on column handoff.follow_up_depth.six_touches is 'Share, 0 to 1: handoffs with six touches or more / all handoffs.';
comment on column handoff.follow_up_depth.six_touches_num is 'Numerator: handoffs with six touches or more.';
comment on column handoff.follow_up_depth.six_touches_den is 'Denominator: all handoffs.';
comment on column handoff.follow_up_depth.six_touches_open is 'What could still change it: open handoffs with fewer touches so far, in the denominator.';
comment on column handoff.follow_up_depth.never_touched is 'Share, 0 to 1: handoffs without a human touch / all handoffs.';
comment on column handoff.follow_up_depth.never_touched_num is 'Numerator: handoffs without a human touch.';
comment on column handoff.follow_up_depth.never_touched_den is 'Denominator: all handoffs.';
comment on column handoff.follow_up_depth.never_touched_open is 'What could still change it: open handoffs without one so far, in the denominator.';

-- What burns. It names leads and reps, whatever the origin of the handoff.

create view handoff.at_risk with (security_invoker = true) as
select f.lead_key,
       f.handoff_no,
       f.leg,
       f.cycle,
       f.band,
       f.pool,
       f.rep,
       f.sla,
       f.n,
       f.metric,
       f.clock,
       f.started_at,
       f.due_at,
       f.paused,
       f.verdict = 'missed' as overdue,
       round(f.remaining_seconds) as remaining_seconds,
       round(f.remaining_business_seconds) as remaining_business_seconds,
       round(f.target_seconds) as target_seconds,
       round(f.own_seconds / nullif(f.target_seconds, 0), 4) as share_left,
       f.next_step,
       e.action as next_action,
       f.next_at
from (
    select f.*, case f.clock when 'business' then f.remaining_business_seconds else f.remaining_seconds end as own_seconds
    from handoff.my_clock f
    where f.is_open and f.stopped_at is null
) f
left join handoff.escalation e on e.contract_id = f.contract_id and e.sla = f.sla and e.step = f.next_step
where f.verdict = 'missed'
   or (f.verdict = 'running' and not f.paused and f.own_seconds * 4 <= f.target_seconds);
comment on view handoff.at_risk is 'SLA clocks of open handoffs that are overdue or have less than a quarter of their target left (or just that), counted in their own time, one row each. A clock of business hours does not run down at night. Clocks that are paused are not at risk, unless they were overdue before.';
comment on column handoff.at_risk.lead_key is 'Lead.';
comment on column handoff.at_risk.handoff_no is 'Handoff of the lead.';
comment on column handoff.at_risk.leg is 'Leg.';
comment on column handoff.at_risk.cycle is 'Cycle of the lead, from 1.';
comment on column handoff.at_risk.band is 'Band at handed_at; NULL: none.';
comment on column handoff.at_risk.pool is 'Pool that the rep was picked from; NULL: none.';
comment on column handoff.at_risk.rep is 'Whose clock it is, else the owner of the handoff; NULL: nobody.';
comment on column handoff.at_risk.sla is 'Name of the SLA.';
comment on column handoff.at_risk.n is 'Number among the handoff''s clocks of that SLA.';
comment on column handoff.at_risk.metric is 'accept, first_touch, next_touch, response, decision or meeting_held.';
comment on column handoff.at_risk.clock is 'business or elapsed: which time the target is.';
comment on column handoff.at_risk.started_at is 'When the clock started.';
comment on column handoff.at_risk.due_at is 'When it is due.';
comment on column handoff.at_risk.paused is 'It stands still; it was overdue before.';
comment on column handoff.at_risk.overdue is 'due_at is in the past, seen from handoff.view_time().';
comment on column handoff.at_risk.remaining_seconds is 'Elapsed time from handoff.view_time() to due_at in whole seconds; negative when overdue.';
comment on column handoff.at_risk.remaining_business_seconds is 'The same in open time of the clock''s hours: the rep''s, else the pool''s, else the contract''s calendar; elapsed time if there are none.';
comment on column handoff.at_risk.target_seconds is 'The SLA''s target in its own time, in whole seconds.';
comment on column handoff.at_risk.share_left is 'Share of the target that is left, in the clock''s own time; 0.25 or less, negative when overdue. NULL: the target is nothing.';
comment on column handoff.at_risk.next_step is 'Next step of its escalation; NULL: there is none left.';
comment on column handoff.at_risk.next_action is 'What that does: remind, notify, reassign, fallback or recycle.';
comment on column handoff.at_risk.next_at is 'When it comes.';
