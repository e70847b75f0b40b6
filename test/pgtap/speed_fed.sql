-- Learn, time, of leads that are really fed: five weeks in which leads ask for a demo by day and night and are called, or
-- not, under SLAs in business hours with a holiday, escalated meanwhile; and the views against what the feed alone says.
begin;
set local client_min_messages = warning;
set local timezone = 'UTC';
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.add_rep('ana', 'Ana', 'sdr', schedule => 'mon-fri 08:00-12:00 @ Europe/London');
    perform handoff.add_rep('ben', 'Ben', 'sdr');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.add_exception('office_berlin', '2024-05-30', 'closed');
    perform handoff.publish();
end $$;
create schema crm;
create table crm.lead (id text primary key, email text, company text, country text, industry text, seniority text, employees int, updated_at timestamptz);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, page text, status text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', delete_grace => '0');
    perform handoff.attach('crm.act', 'activity', since => '-infinity', delete_grace => '0');
end $$;

-- The feed: 90 leads, their request, and up to three calls --------------------------------------------------

\i test/lib/made_up.sql
create temp table feed as
select i, 'L' || i as lead, l.at, l.at + pg_temp.u(i, 2) ^ 5 * interval '4 days' + interval '61 seconds' as call,
       case when pg_temp.u(i, 3) < 0.3 then 0 else ceil(pg_temp.u(i, 4) * 3)::int end as calls
from generate_series(1, 90) i,
     lateral (select date_trunc('second', timestamptz '2024-05-20 00:00+00' + pg_temp.u(i, 1) * interval '33 days') as at) l;
update feed set call = date_trunc('second', call);
do $$
declare
    last timestamptz := '2024-05-20 00:00+00';
    now  timestamptz;
    n    int := 0;
begin
    while last < '2024-06-26' loop
        now := last + interval '10 minutes' + pg_temp.u(n, 9) * interval '6 hours';
        now := least(date_trunc('second', now), timestamptz '2024-06-26');
        insert into crm.lead select lead, lead || '@' || lead || '.example', lead, 'DE', 'Software', 'C-Level', 500, at - interval '1 hour' from feed where at > last and at <= now;
        insert into crm.act select lead || ' demo', lead, at, 'form', '/demo', null from feed where at > last and at <= now;
        insert into crm.act select lead || ' ' || k, lead, call + (k - 1) * interval '1 hour', 'call', null, 'Completed' from feed, generate_series(1, calls) k
            where call + (k - 1) * interval '1 hour' > last and call + (k - 1) * interval '1 hour' <= now;
        perform handoff.tick(now);
        last := now;
        n := n + 1;
    end loop;
end $$;
set local lead_handoff.view_time = '2024-06-26 00:00+00';
select is_empty($$ select d.what from handoff.doctor() d where d.severity = 'error' $$, 'doctor finds nothing');
select is_empty('select * from handoff.verify()', 'nor does the log');
select results_eq($$ select count(*) > 10, count(distinct action) >= 2 from handoff.escalation_done $$, 'values (true, true)', 'it was escalated, in several ways');

-- By the feed alone ------------------------------------------------------------------------------------------

create function pg_temp.open_time(a timestamptz, b timestamptz) returns numeric language sql as $$
    select coalesce(sum(extract(epoch from least(b, s.closes) - greatest(a, s.opens))), 0)
    from generate_series(a::date - 2, b::date + 2, interval '1 day') d,
         lateral (select (d::date + time '09:00') at time zone 'Europe/Berlin' as opens, (d::date + time '18:00') at time zone 'Europe/Berlin' as closes) s
    where extract(isodow from d) <= 5 and d::date <> '2024-05-30' and greatest(a, s.opens) < least(b, s.closes)
$$;
\i test/lib/kaplan_meier.sql
-- calls before the handoff are none of its touches; the newest of what was known then is its trigger
create temp table known as
select f.lead, f.at as asked_at, f.calls, f.call, c.at, h.handed_at, h.closed_at, h.outcome, h.code, h.leg, date_trunc('month', h.handed_at at time zone 'Europe/Berlin')::date as month, c.touch, c.touches
from feed f
join handoff.handoff h on h.lead_key = f.lead and h.handoff_no = 1
cross join lateral (select greatest(f.at, max(t) filter (where t < h.handed_at)) as at,
                           min(t) filter (where t >= h.handed_at and (h.closed_at is null or t <= h.closed_at)) as touch,
                           count(t) filter (where t >= h.handed_at and (h.closed_at is null or t <= h.closed_at)) as touches
                    from generate_series(1, f.calls) k, lateral (select f.call + (k - 1) * interval '1 hour') v (t)) c;
select is((select count(*) from handoff.handoff h join known k on k.lead = h.lead_key and k.at = h.trigger_at and h.handoff_no = 1), 90::bigint, 'each was handed over, because of the newest that was known of it');
alter table known add wall numeric, add business numeric;
update known set wall = extract(epoch from coalesce(touch, closed_at, '2024-06-26') - at), business = pg_temp.open_time(at, coalesce(touch, closed_at, '2024-06-26'));

select results_eq($$ select month, leg, handed, touched, within_5m_num, within_1h_num, within_24h_num, median_seconds, p90_seconds,
                            within_5m_business_num, within_1h_business_num, within_24h_business_num, median_business_seconds, p90_business_seconds
                     from handoff.speed_to_lead where dimension = 'all' and leg = 'mql_to_sdr' order by month $$, $$
    select month, leg, count(*), count(touch), count(touch) filter (where wall <= 300), count(touch) filter (where wall <= 3600), count(touch) filter (where wall <= 86400),
           pg_temp.kaplan_meier(array_agg(wall), array_agg(touch is not null), 0.5), pg_temp.kaplan_meier(array_agg(wall), array_agg(touch is not null), 0.9),
           count(touch) filter (where business <= 300), count(touch) filter (where business <= 3600), count(touch) filter (where business <= 86400),
           pg_temp.kaplan_meier(array_agg(business), array_agg(touch is not null), 0.5), pg_temp.kaplan_meier(array_agg(business), array_agg(touch is not null), 0.9)
    from known group by month, leg order by month $$, 'speed_to_lead');
select is((select bool_and(business <= wall) and bool_or(business < wall / 2) and bool_or(business = 0) from known), true, 'nights and weekends are not counted, some calls came before the hours began');

-- 15 minutes of open time since it was handed over; done in time: just before, they were not used up
select results_eq($$ select month, attainment_num, attainment_den, attainment_open, overdue, void from handoff.sla_attainment
                     where dimension = 'all' and sla = 'sdr_first_touch_hot' order by month $$, $$
    select month, sum((done)::int), sum((done or late or now_late)::int), sum((not done and not late and not now_late and closed_at is null)::int), sum((now_late)::int),
           sum((not done and not late and not now_late and closed_at is not null)::int)
    from (select *, touch is not null and pg_temp.open_time(handed_at, touch - interval '1 us') < 900 as done,
                 coalesce(pg_temp.open_time(handed_at, coalesce(touch, closed_at) - interval '1 us') >= 900, false) as late,
                 touch is null and closed_at is null and pg_temp.open_time(handed_at, timestamptz '2024-06-26' - interval '1 us') >= 900 as now_late
          from known) k
    group by month order by month $$, 'sla_attainment of calls within 15 open minutes');
select results_eq($$ select month, occurred.median_seconds, handed.median_seconds, occurred.p90_seconds, touched.begun, touched.ended
                     from handoff.response_split occurred
                     join handoff.response_split handed using (month, leg) join handoff.response_split touched using (month, leg)
                     where leg = 'mql_to_sdr' and occurred.hop = 'occurred_to_seen' and handed.hop = 'seen_to_handed' and touched.hop = 'assigned_to_touched' order by month $$, $$
    select month, pg_temp.kaplan_meier(array_agg(extract(epoch from handed_at - k.at)), array_agg(true), 0.5), 0::numeric,
           pg_temp.kaplan_meier(array_agg(extract(epoch from handed_at - k.at)), array_agg(true), 0.9), count(a.at), count(touch) filter (where a.at is not null)
    from known k left join handoff.assignment a on (a.lead_key, a.handoff_no, a.n) = (k.lead, 1, 1) group by month order by month $$,
    'response_split: seen by the next tick, which decided at once');
select set_eq($$ select month, outcome, code, handed, touches_0, touches_1, touches_2, touches_3, touches_4 + touches_5 + touches_6_up as more from handoff.follow_up_depth where leg = 'mql_to_sdr' $$, $$
    select month, outcome, code, count(*) as n, count(*) filter (where touches = 0) as t0, count(*) filter (where touches = 1) as t1, count(*) filter (where touches = 2) as t2,
           count(*) filter (where touches = 3) as t3, 0::bigint as more
    from known group by month, outcome, code $$, 'follow_up_depth');

-- The same feed by month, and what the log says of stages: each stay from the event that began it to the next.
select results_eq($$ select month, handed, contact_of_touched_den, contact_rate_num, meeting_rate_num, incomplete_rate_num, recycle_rate_num, undone_rate_den from handoff.kpi_month
                     where leg = 'mql_to_sdr' and cycle = 'first' order by month $$, $$
    select month, count(*), count(touch), 0::bigint, 0::bigint, 0::bigint, count(*) filter (where outcome = 'recycle'), count(*) filter (where outcome in ('recycle', 'disqualified', 'returned'))
    from known group by month order by month $$, 'kpi_month');
select results_eq($$ select handed, sla_first_touch_den from handoff.kpi_source where lead_source is null and cycle = 'first' and leg = 'mql_to_sdr' $$,
    $$ select sum(handed)::bigint, sum(sla_first_touch_den)::bigint from handoff.kpi_month where cycle = 'first' and leg = 'mql_to_sdr' $$, 'kpi_source: the feed names none');
create temp table logged as
select to_char(s.at at time zone 'Europe/Berlin', 'YYYY-MM-01')::date as month, s.stage, g.owner, s.until is not null as gone,
       extract(epoch from coalesce(s.until, '2024-06-26') - s.at) as wall, pg_temp.open_time(s.at, coalesce(s.until, '2024-06-26')) as business
from (select e.lead_key, coalesce(e.detail ->> 'to', e.detail ->> 'stage') as stage, e.at, lead(e.at) over (partition by e.lead_key order by e.seq) as until
      from handoff.event e where e.type in ('created', 'stage')) s
join handoff.stage g on g.contract_id = 1 and g.name = s.stage;
select bag_eq('select month, stage, owner, entered, left_it_num, left_it_open, median_seconds, p90_seconds, median_business_seconds, p90_business_seconds from handoff.time_in_stage', $$
    select month, stage, owner, count(*) as n, count(*) filter (where gone) as l, count(*) filter (where not gone) as o,
           pg_temp.kaplan_meier(array_agg(wall), array_agg(gone), 0.5) as m, pg_temp.kaplan_meier(array_agg(wall), array_agg(gone), 0.9) as p,
           pg_temp.kaplan_meier(array_agg(business), array_agg(gone), 0.5) as bm, pg_temp.kaplan_meier(array_agg(business), array_agg(gone), 0.9) as bp
    from logged group by month, stage, owner $$, 'time_in_stage, by the log');
select cmp_ok((select count(*) from handoff.time_in_stage where left_it_num > 0), '>', 3::bigint, 'of several stages');
select results_eq('select sum(consistency_num), sum(consistency_den) from handoff.stage_consistency', 'select count(*)::numeric, count(*)::numeric from logged', 'stage_consistency: the contract alone moved them');

-- What burned, at any moment: three quarters of the 15 minutes are used up. Of a handoff that was untouched and open to the end, whose clock
-- has not changed since, a view of the past tells the truth.
create temp table moment as
select m.at from (select generate_series(timestamptz '2024-06-13 15:00+00', '2024-06-26 00:00+00', interval '157 minutes') as at) m;
create temp table burnt (at timestamptz, lead text, overdue boolean, remaining numeric);
do $$
declare
    m timestamptz;
begin
    for m in select at from moment loop
        perform set_config('lead_handoff.view_time', m::text, true);
        insert into burnt select m, lead_key, overdue, remaining_business_seconds from handoff.at_risk where sla = 'sdr_first_touch_hot' and started_at <= m;
    end loop;
end $$;
select bag_eq('select * from burnt where not overdue', $$
    select m.at, k.lead, false as overdue, 900 - pg_temp.open_time(k.handed_at, m.at) as remaining from moment m join known k on k.handed_at <= m.at and k.touch is null and k.closed_at is null
    where pg_temp.open_time(k.handed_at, m.at) >= 675 and pg_temp.open_time(k.handed_at, m.at - interval '1 us') < 900 $$, 'at_risk: what was about to be late at some moment');
select bag_eq('select at, lead from burnt where overdue', $$
    select m.at, k.lead from moment m join known k on k.handed_at <= m.at and k.touch is null and k.closed_at is null
    where pg_temp.open_time(k.handed_at, m.at - interval '1 us') >= 900 $$,
    'and what was late');
select cmp_ok((select count(*) from burnt where overdue), '>', 50::bigint, 'many of these');

-- Who is where, and for how long they stayed: a lead at a time.
select set_eq('select stage, leads, entered, left_it, median_stay_seconds from handoff.journey', $$
    select s.name,
           (select count(*) from handoff.lead l where l.stage = s.name and l.deleted_at is null) as leads,
           (select count(*) from handoff.stage_history h where h.stage = s.name) as entered,
           (select count(*) from handoff.stage_history h where h.stage = s.name and h.left_at is not null) as left_it,
           (select pg_temp.kaplan_meier(array_agg(g.wall), array_agg(g.gone), 0.5) from logged g where g.stage = s.name)
    from handoff.stage s where s.contract_id = 1 $$, 'journey: each stage has what its leads say');
select cmp_ok((select count(*) from handoff.journey where entered > 0), '>', 2::bigint, 'of several stages');

select * from finish();
rollback;
