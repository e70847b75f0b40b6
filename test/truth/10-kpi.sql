-- test/truth/10-kpi.sql: the rates of docs/learn.md, each said once of a handoff, and summed by each dimension; why handoffs were rejected, how far
-- leads have come, and who waits for an owner.

-- A clock of SLA is met, missed, running or void. A verdict that was given stands; one that runs is missed once it is overdue, unless it
-- stood still by then and still does.
create table truth.sla_clock as
select c.*, s.metric, case
           when c.verdict is not null then c.verdict
           when c.stopped_at <= c.due_at then 'met'
           when c.stopped_at is not null or c.due_at < truth.now() and not (c.paused and (select max(lower(p)) from unnest(c.pauses) p) < c.due_at) then 'missed'
           else 'running' end as state
from handoff.clock c
join handoff.handoff h using (lead_key, handoff_no)
join handoff.sla s on s.contract_id = h.contract_id and s.name = c.name
where c.kind = 'sla';
analyze truth.sla_clock;

-- What is counted: handoffs, and beside them their clocks. A clock is its own rep's and pool's where it is somebody's, else those of the handoff.
-- Qualified: by its date, or when it passed over into the next leg. Given up: closed in a way that needs work.
create table truth.counted as
select h.*, coalesce(h.outcome, '') = any ('{recycle,disqualified,returned}') as given_up, h.undone > 0 as taken_back, h.meeting_held_at is not null as held,
       coalesce(h.first_touch_at, h.first_contact_at) is not null as touched, coalesce(h.account_method, '') as known_by,
       least(h.qualified_at, case when h.outcome = 'next_leg' then h.closed_at end) as qualified, extract(epoch from truth.now()) - extract(epoch from h.accepted_at) as accepted_age,
       null as clock, null as state
from truth.handoff h;
insert into truth.counted (lead_key, handoff_no, cycle, leg, contract_id, band, segment, lead_source, account_method, route, cohort, pool, rep, clock, state)
select h.lead_key, h.handoff_no, h.cycle, h.leg, h.contract_id, h.band, h.segment, h.lead_source, h.account_method, h.route, h.cohort,
       case when k.rep is null then h.pool else k.pool end, coalesce(k.rep, h.rep), k.metric, k.state
from truth.handoff h
join truth.sla_clock k using (lead_key, handoff_no)
where k.metric in ('accept', 'first_touch');
analyze truth.counted;

-- What of a handoff is in the numerator, in the denominator, and could still change the rate. A day has 86400 seconds.
create table truth.rate (rate text primary key, num text, den text, still text);
insert into truth.rate (rate, num, den, still) values
    ('acceptance_of_decided', 'accepted', 'accepted or rejected', 'open and not accepted'),
    ('acceptance_of_handed', 'extract(epoch from accepted_at) - extract(epoch from handed_at) <= 30 * 86400 and age >= 30 * 86400', 'age >= 30 * 86400', 'age < 30 * 86400'),
    ('contact_rate', 'first_contact_at is not null', 'true', 'open and first_contact_at is null'),
    ('contact_of_touched', 'first_contact_at is not null', 'touched', 'open and touched and first_contact_at is null'),
    ('meeting_rate', 'booked_at is not null', 'true', 'open and booked_at is null'),
    ('show_rate', 'held', 'held or no_show', 'open and booked_at is not null and not held and not no_show'),
    ('incomplete_rate', 'incomplete', 'true', 'false'),
    ('unassigned_rate', 'assigned_at is null', 'true', 'open and assigned_at is null'),
    ('reroute_rate', 'reroutes > 0', 'true', 'open and reroutes = 0'),
    ('fallback_rate', 'by_last_route', 'true', 'open and assigned_at is null'),
    ('match_rate', 'known_by <> ''''', 'true', 'false'),
    ('found_rate', 'known_by not in ('''', ''crm'')', 'known_by <> ''crm''', 'false'),
    ('recycle_rate', 'outcome = ''recycle'' and not open', 'accepted or rejected', 'open'),
    ('override_rate', 'given_up and override_reason is not null', 'given_up', 'open'),
    ('undone_rate', 'taken_back', 'taken_back or given_up', 'open and not taken_back');
insert into truth.rate (rate, num, den, still)
select format('%s_%s', e.event, d.days), format('%s and extract(epoch from %s) - extract(epoch from %s) <= %s * 86400', old, e.happened, e.since, d.days), old, format('%s < %s * 86400', e.age, d.days)
from (values ('qualified', 'qualified', 'accepted_at', 'accepted_age'), ('opportunity', 'opportunity_at', 'handed_at', 'age'), ('won', 'won_at', 'handed_at', 'age')) e (event, happened, since, age)
cross join unnest('{30,60,90}'::int[]) d (days)
cross join lateral format('%s >= %s * 86400', e.age, d.days) old;

update truth.rate set num = format('clock is null and (%s)', num), den = format('clock is null and (%s)', den), still = format('clock is null and (%s)', still);
insert into truth.rate (rate, num, den, still)
select 'sla_' || m, format('clock = %L and state = ''met''', m), format('clock = %L and state in (''met'', ''missed'')', m), format('clock = %L and state = ''running''', m)
from unnest('{accept,first_touch}'::text[]) m;

-- In the order of the view's columns, a row a value of the dimension, leg and cycle.
do $$
declare
    d record;
begin
    for d in select * from (values ('kpi_month', 'cohort as month, '), ('kpi_band', 'band, '), ('kpi_pool', 'pool, '), ('kpi_rep', 'rep, '), ('kpi_route', 'route, '), ('kpi_source', 'lead_source, '),
                                   ('kpi_segment', 'segment, '), ('kpi_version', 'contract_id, '), ('kpi_match', 'account_method, '), ('kpi_leg', '')) v (view, dimension) loop
        execute format('create table truth.%I as select %s leg, y.cycle, count(*) filter (where clock is null) as handed, %s from truth.counted c
                            cross join lateral unnest(case c.cycle when 1 then ''{all,first}'' else ''{all}'' end::text[]) y (cycle) group by %s leg, y.cycle',
            d.view, d.dimension, (select string_agg(format('truth.share(count(*) filter (where %2$s), count(*) filter (where %3$s)) as %1$s, count(*) filter (where %2$s) as %1$s_num,
                                                            count(*) filter (where %3$s) as %1$s_den, count(*) filter (where %4$s) as %1$s_open', rate, num, den, still), ', ' order by a.attnum)
                                  from truth.rate r join pg_attribute a on a.attrelid = ('handoff.' || d.view)::regclass and a.attname = r.rate),
            regexp_replace(d.dimension, ' as month', ''));
    end loop;
end $$;

-- By leg, outcome, code and what it means in the contract of the handoff: rejected for it, of what is decided on the leg.
create table truth.rejection_reason as
with leg as (select leg, count(*) filter (where accepted or rejected) as decided, count(*) filter (where open and not accepted) as still from truth.handoff group by leg)
select h.leg, h.outcome, h.code, d.reason, truth.share(count(*), l.decided) as rejection_rate, count(*) as rejection_rate_num, l.decided, l.still,
       count(h.override_reason) as overridden
from truth.handoff h
join leg l on l.leg = h.leg
left join handoff.disposition d on d.contract_id = h.contract_id and d.code = h.code
where h.rejected
group by h.leg, h.outcome, h.code, d.reason, l.decided, l.still;

-- Legs in their order, as the newest published version that has them says; nine steps each, of leads that are there.
create table truth.funnel as
with lead as (
    select l.lead_key, exists (select from handoff.stage s where s.contract_id = l.contract_id and s.name = l.stage and s.is_terminal) as over from handoff.lead l where l.deleted_at is null
), leg as (
    select name as leg, row_number() over (order by ord, name) as nth
    from (select distinct on (g.name) g.name, g.ord from handoff.leg g join handoff.contract c using (contract_id) where c.status <> 'draft' order by g.name, g.contract_id desc) newest
), reached as (
    select lead_key, leg, array[true, bool_or(assigned_at is not null), bool_or(first_touch_at is not null), bool_or(first_contact_at is not null), bool_or(accepted), bool_or(booked_at is not null),
                                bool_or(meeting_held_at is not null), bool_or(opportunity_at is not null), bool_or(won_at is not null)] as steps, bool_or(open) as open
    from truth.handoff join lead using (lead_key) group by lead_key, leg
), total as (
    select count(*) as leads, count(*) filter (where not over) as under_way from lead
), counted as (
    select g.nth, g.leg, s.i, s.step, count(r.lead_key) as handed, count(*) filter (where r.steps[s.i]) as leads, count(*) filter (where r.steps[s.i] and not l.over) as leads_under_way,
           count(*) filter (where r.open and not r.steps[s.i]) as still
    from leg g
    cross join unnest('{handed,assigned,touched,contacted,accepted,booked,held,opportunity,won}'::text[]) with ordinality s (step, i)
    left join reached r on r.leg = g.leg
    left join lead l on l.lead_key = r.lead_key
    group by g.nth, g.leg, s.i, s.step
)
select 1 as position, null::text as leg, 'lead' as step, leads, truth.share(leads, leads) as of_leads, leads as of_leads_num, leads as of_leads_den, 0::bigint as of_leads_open,
       null::numeric as of_handed, null::bigint as of_handed_num, null::bigint as of_handed_den, null::bigint as of_handed_open from total
union all
select (1 + 9 * (c.nth - 1) + c.i)::int, c.leg, c.step, c.leads, truth.share(c.leads, t.leads), c.leads, t.leads, t.under_way - c.leads_under_way, truth.share(c.leads, c.handed), c.leads, c.handed, c.still
from counted c, total t;

-- Open and nobody's, whatever its origin: since its last owner lost it, or it was handed over.
create table truth.unassigned as
select h.lead_key, h.handoff_no, h.leg, h.cycle, h.band, h.unassigned_reason as reason, h.trigger_at, h.handed_at, w.since as waiting_since,
       greatest(round(extract(epoch from truth.now()) - extract(epoch from w.since)), 0) as waiting_seconds
from handoff.handoff h
left join (select lead_key, handoff_no, max(ended_at) as lost_at from handoff.assignment group by lead_key, handoff_no) a using (lead_key, handoff_no)
cross join lateral (select coalesce(a.lost_at, h.handed_at) as since) w
where h.rep is null and h.closed_at is null;
