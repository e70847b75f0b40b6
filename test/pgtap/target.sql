-- Learn, promises: what came of each, counted handoff by handoff, clock by clock and day by day, beside view target_attainment; what
-- validate() says of them, and the lines of the review.
begin;
set local client_min_messages = warning;
set local timezone = 'UTC';
set local jit = off;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    delete from handoff.sla where metric not in ('accept', 'first_touch');
    update handoff.contract set reporting_zone = 'Asia/Tokyo' where contract_id = 1;
    perform handoff.publish(1);
end $$;
set local lead_handoff.view_time = '2026-06-11 18:00+00';

create function pg_temp.u(i int, k int) returns float8 language sql immutable as $$ select (hashint8extended(i, k) & 1048575) / 1048576.0::float8 $$;
create function pg_temp.p(i int, k int, percent int) returns boolean language sql immutable as $$ select pg_temp.u(i, k) * 100 < percent $$;

-- Nothing is promised --------------------------------------------------------------------------------

select is_empty('select * from handoff.target_attainment', 'nothing is promised');
select is_empty($$ select * from handoff.monthly_review('2026-05-01') where section = 'targets' $$, 'and the review says nothing of it');

-- Promises of everything that can be measured, of segments, legs, and periods of every sort ------------

do $$
declare
    v int := handoff.draft();
begin
    update handoff.contract set reporting_zone = 'America/Los_Angeles' where contract_id = v;
    insert into handoff.target (contract_id, metric, segment, period, value, owner)
    select v, m.metric || l.leg, s.segment, p.period, case when m.metric = 'handed' then 60 when m.is_volume then 15 else 0.4 end, case when m.metric in ('handed', 'completeness') then 'marketing' else 'sales' end
    from handoff.target_metrics() m
    cross join (values (''), (' of mql_to_sdr'), (' of sdr_to_ae')) l (leg)
    cross join (values (''), ('big')) s (segment)
    cross join (values (daterange '(,)'), ('[2026-04-10,)'), ('(,2026-05-20)'), ('[2026-04-01,2026-07-01)'), ('[2026-05-01,2026-06-01)'), ('[2026-07-01,2026-08-01)'), ('[-infinity,2026-03-05)')) p (period)
    where (m.by_segment or (l.leg, s.segment) = ('', ''))
      -- of all combinations a third, and those that are asked for below
      and (pg_temp.p(hashtext(concat(m.metric, l.leg, s.segment, p.period)), 1, 33) or (l.leg, s.segment) = ('', '')
           or s.segment = 'big' and (m.metric, l.leg) in (('handed', ''), ('acceptance', ' of mql_to_sdr')));
    insert into handoff.target (contract_id, metric, period, value, owner) values (v, 'satisfaction', '[2026-05-01,2026-06-01)', 0.9, 'sales');
    perform handoff.publish(v);
end $$;

do $$
declare
    t timestamptz;
    closed timestamptz;
begin
    for i in 1 .. 500 loop
        t := timestamptz '2026-02-10 00:00+00' + pg_temp.u(i, 1) * interval '121 days';
        -- at the turn of a day and of a month somewhere, and exactly so old
        t := case i % 12 when 0 then timestamptz '2026-04-30 15:00+00' + (i % 5) * interval '4 hours' when 1 then timestamptz '2026-06-11 18:00+00' - (1 + i % 3) * interval '720 hours' else t end;
        closed := case when pg_temp.p(i, 2, 60) then t + pg_temp.u(i, 3) * interval '30 days' end;
        insert into handoff.handoff
        select r.*
        from jsonb_populate_record(null::handoff.handoff, jsonb_strip_nulls(jsonb_build_object(
            'lead_key', 'L' || i, 'handoff_no', 1, 'cycle', 1, 'leg', case when pg_temp.p(i, 4, 60) then 'mql_to_sdr' else 'sdr_to_ae' end,
            'contract_id', 1 + (i % 2), 'origin', case when pg_temp.p(i, 5, 90) then 'contract' else 'manual' end, 'stage_from', 'lead', 'fit', 0, 'intent', 0, 'score', 0,
            'segment', (array['big', 'small', null])[1 + i % 3], 'trigger', 'activity', 'trigger_at', t, 'handed_at', t, 'month', date_trunc('month', t), 'incomplete', pg_temp.p(i, 6, 20),
            'assigned_at', case when pg_temp.p(i, 7, 85) then t end, 'first_contact_at', case when pg_temp.p(i, 8, 40) then t end, 'booked_at', case when pg_temp.p(i, 9, 40) then t end,
            'account_method', case when pg_temp.p(i, 10, 50) then 'crm' end,
            'accepted_at', case when pg_temp.p(i, 11, 60) then t + pg_temp.u(i, 12) * interval '10 days' end,
            'qualified_at', case when pg_temp.p(i, 13, 40) then t + pg_temp.u(i, 14) * interval '20 days' end,
            'opportunity_at', case when pg_temp.p(i, 15, 40) then t + pg_temp.u(i, 16) * interval '70 days' end,
            'won_at', case when pg_temp.p(i, 17, 30) then t + pg_temp.u(i, 18) * interval '80 days' end,
            'closed_at', closed, 'outcome', case when closed is not null then (array['recycle', 'disqualified', 'withdrawn', 'next_leg', 'returned', 'won'])[1 + i % 6] end,
            'code', case when closed is not null and pg_temp.p(i, 19, 70) then 'timing' end,
            'assignments', 0, 'touches', 0, 'contacts', 0, 'channels', '[]'::jsonb, 'no_show', false, 'joined_activities', 0, 'undone', 0, 'hops', 0, 'by_last_route', false, 'reroutes', 0))) r;
        insert into handoff.stage_history (lead_key, seq, stage, owner, contract_id, entered_at, month, consistent, undone)
        values ('L' || i, 1, 'mql', 'sales', 1 + (i % 2), t, date_trunc('month', t), pg_temp.p(i, 20, 80), pg_temp.p(i, 21, 10));
        insert into handoff.opportunity (opportunity_key, source, created_at, is_won, is_closed, seen_at) values ('O' || i, 'crm', t + interval '7 hours', false, false, t);
        if pg_temp.p(i, 22, 50) then
            insert into handoff.lead (lead_key, source, raw_key, contract_id, stage, stage_since, fields, fit, intent, group_heat, score, signals, cycle, cycle_since, trigger, trigger_at, first_seen_at, decided_at, last_seq)
            values ('L' || i, 'crm', 'L' || i, 2, 'lead', t, '{}', 0, '0', '{}', 0, '{}', 1, t, 'row', t, t, t, 1);
            insert into handoff.opportunity_link values ('L' || i, 'O' || i, 'crm', 'k' || i, 'contact_role');
        end if;
    end loop;
    insert into handoff.clock (lead_key, handoff_no, kind, name, started_at, due_at, stopped_at, verdict)
    select h.lead_key, 1, 'sla', s.name, h.handed_at + interval '1 hour', h.handed_at + interval '2 days', case when i % 4 > 0 then h.handed_at + interval '90 minutes' end,
           (array[null, 'met', 'missed', 'void'])[1 + i % 4]
    from (select h.*, (row_number() over (order by h.lead_key))::int as i from handoff.handoff h) h
    join handoff.sla s on s.contract_id = h.contract_id and s.leg = h.leg and s.ord = 10;
end $$;

-- Counted promise by promise: for each day that one is for, whatever happened on it ----------------------

create temp table happened (kpi text, leg text, segment text, day date, num int, den int, still_open int);
do $$
declare
    h    handoff.handoff;
    k    record;
    day  date;
    age  numeric;
    open boolean;
    days int;
begin
    for h in select * from handoff.handoff loop
        continue when h.origin = 'manual' or coalesce(h.outcome, '') = 'withdrawn';
        day := h.handed_at at time zone (array['Asia/Tokyo', 'America/Los_Angeles'])[h.contract_id];
        age := extract(epoch from timestamptz '2026-06-11 18:00+00' - h.handed_at) / 86400;
        open := h.closed_at is null;
        insert into happened values
            ('handed', h.leg, h.segment, day, 1, 0, 0), ('completeness', h.leg, h.segment, day, (not h.incomplete)::int, 1, 0),
            ('assigned', h.leg, h.segment, day, (h.assigned_at is not null)::int, 1, (open and h.assigned_at is null)::int),
            ('acceptance', h.leg, h.segment, day, (h.accepted_at is not null)::int,
                (h.accepted_at is not null or coalesce(h.outcome = any ('{recycle,disqualified,returned}'), false))::int, (open and h.accepted_at is null)::int),
            ('contact_rate', h.leg, h.segment, day, (h.first_contact_at is not null)::int, 1, (open and h.first_contact_at is null)::int),
            ('meeting_rate', h.leg, h.segment, day, (h.booked_at is not null)::int, 1, (open and h.booked_at is null)::int),
            ('match_rate', h.leg, h.segment, day, (h.account_method is not null)::int, 1, 0),
            ('coded', h.leg, h.segment, day, coalesce(h.outcome = any ('{recycle,disqualified,returned}') and h.code is not null, false)::int,
                coalesce(h.outcome = any ('{recycle,disqualified,returned}'), false)::int, 0);
        foreach days in array array[30, 60, 90] loop
            insert into happened values
                ('opportunity_' || days, h.leg, h.segment, day, (age >= days and coalesce(extract(epoch from h.opportunity_at - h.handed_at) <= 86400 * days, false))::int, (age >= days)::int, (age < days)::int),
                ('won_' || days, h.leg, h.segment, day, (age >= days and coalesce(extract(epoch from h.won_at - h.handed_at) <= 86400 * days, false))::int, (age >= days)::int, (age < days)::int);
        end loop;
        for k in select e.* from (values ('accepted', h.accepted_at), ('opportunities', h.opportunity_at), ('won', h.won_at),
                                         ('qualified', case when h.accepted_at is not null then least(h.qualified_at, case when h.outcome = 'next_leg' then h.closed_at end) end)) e (kpi, at) where e.at is not null loop
            insert into happened values (k.kpi, h.leg, h.segment, k.at at time zone (array['Asia/Tokyo', 'America/Los_Angeles'])[h.contract_id], 1, 0, 0);
        end loop;
        for k in select * from handoff.clock c where c.lead_key = h.lead_key and c.verdict is distinct from 'void' loop
            insert into happened values ('sla_attainment', h.leg, h.segment, k.started_at at time zone (array['Asia/Tokyo', 'America/Los_Angeles'])[h.contract_id],
                (k.verdict = 'met') is true::int, (k.verdict is not null or k.due_at < '2026-06-11 18:00+00')::int, (k.verdict is null and k.due_at >= '2026-06-11 18:00+00')::int);
        end loop;
    end loop;
    insert into happened select 'stage_consistency', null, null, s.entered_at at time zone (array['Asia/Tokyo', 'America/Los_Angeles'])[s.contract_id], s.consistent::int, 1, 0 from handoff.stage_history s where not s.undone;
    insert into happened select 'opportunities_known', null, null, o.created_at at time zone 'America/Los_Angeles', (l.lead_key is not null)::int, 1, 0
    from handoff.opportunity o left join handoff.opportunity_link l using (opportunity_key);
end $$;
create temp table attained as select * from handoff.target_attainment;
create temp table expected as
with span as (
    -- the days a promise is for, one by one, cut into months where it is open
    select t.metric, t.segment, t.period, case when bounded then '' else to_char(d, 'YYYY-MM') end as part, min(d::date) as first_day, max(d::date) as last_day
    from (select t.*, isfinite(lower(period)) is true and isfinite(upper(period)) is true as bounded from handoff.target t where t.contract_id = 2) t
    cross join generate_series(timestamp '2026-02-01', timestamp '2026-12-31', interval '1 day') d
    -- the oldest handoff is of February
    where d::date <@ t.period and (bounded or d < '2026-07-01')
    group by 1, 2, 3, 4
)
select s.metric, s.segment, s.first_day, s.last_day, count(h.*) filter (where h.num is not null) as facts, coalesce(sum(h.num), 0) as num, coalesce(sum(h.den), 0) as den, coalesce(sum(h.still_open), 0) as still_open
from span s
left join happened h on h.kpi = split_part(s.metric, ' of ', 1) and h.day between s.first_day and s.last_day and (s.segment = '' or h.segment = s.segment)
    and case split_part(s.metric, ' of ', 2) when '' then s.metric not in ('handed', 'accepted', 'qualified', 'opportunities', 'won', 'completeness') or h.leg = 'mql_to_sdr'
                                             else h.leg = split_part(s.metric, ' of ', 2) end
group by 1, 2, 3, 4, s.period;
select cmp_ok((select count(*) from expected), '>', 400::bigint, 'many promises');
select cmp_ok((select count(distinct metric) from expected where num > 0 and (den > num or den = 0)), '>', 30::bigint, 'of which things came');
select bag_eq($$ select metric, segment, first_day, last_day, actual_num, coalesce(actual_den, 0), actual_open from attained where metric <> 'satisfaction' $$,
    $$ select metric, segment, first_day, last_day, num::bigint, den::bigint, still_open::bigint from expected where metric <> 'satisfaction' $$, 'each as counted day by day');
select is_empty($$
    select * from attained
    where actual is distinct from case when is_volume then actual_num else round(actual_num::numeric / nullif(actual_den, 0), 4) end
       or share is distinct from round(actual / target, 4)
       or is_volume <> (actual_den is null) and metric <> 'satisfaction' $$, 'a rate is its numerator by its denominator, its share that of what was promised');
select results_eq($$ select state, actual, actual_num, actual_den, actual_open, on_course from attained where metric = 'satisfaction' $$,
    $$ values ('over', null::numeric, null::bigint, null::bigint, null::bigint, null::boolean) $$, 'what nothing measures is not known');

-- Time that is over, and what should be there by now -------------------------------------------------------

select results_eq($$ select distinct first_day, last_day, state, round(elapsed, 3) from attained where metric = 'handed' and segment = '' and first_day >= '2026-04-01' and last_day <> '2026-05-19' order by 1, 2 $$, $$ values
    (date '2026-04-01', date '2026-04-30', 'over', 1.000), ('2026-04-01', '2026-06-30', 'running', round((extract(epoch from timestamp '2026-06-11 11:00' - timestamp '2026-04-01') / 86400 / 91)::numeric, 3)),
    ('2026-04-10', '2026-04-30', 'over', 1), ('2026-05-01', '2026-05-31', 'over', 1), ('2026-06-01', '2026-06-30', 'running', round((10 + 11 / 24.0) / 30, 3)), ('2026-07-01', '2026-07-31', 'future', 0) $$,
    'in the reporting zone of the version in force: it is 11 in the morning');
select is_empty($$
    select * from attained
    where state <> case when first_day > '2026-06-11' then 'future' when last_day < '2026-06-11' then 'over' else 'running' end
       or expected is distinct from round(case when is_volume then target * elapsed else target end, 3) and abs(expected - case when is_volume then target * elapsed else target end) > 0.01
       or on_course is distinct from case when state = 'future' then null when is_volume and abs(actual - expected) < 0.01 then on_course when actual >= expected then true when actual < expected then false end $$,
    'a number grows with the time, a share doesn''t');
select cmp_ok((select count(distinct (state, is_volume, on_course)) from attained), '>=', 9::bigint, 'kept, not kept, on course, behind');
select set_eq($$ select distinct promised_from is null or promised_to is null from attained where first_day = '2026-06-01' $$, '{true}'::boolean[], 'months of what is open');
select set_eq($$ select distinct promised_from, promised_to from attained where last_day = '2026-06-30' and first_day = '2026-04-01' $$, $$ values (date '2026-04-01', date '2026-06-30') $$, 'a quarter is one');

-- The review --------------------------------------------------------------------------------------------------

create temp table line as select * from handoff.monthly_review('2026-05-07') where section = 'targets';
select is((select count(*) from line), (select count(*) from attained where first_day < '2026-06-01' and last_day >= '2026-05-01'), 'a line a promise about the month');
select is((select count(distinct finding) from line), (select count(*) from line), 'each with its own name');
select results_eq($$ select leg, subject, num, den, share, still_open, likely_cause from line where finding = 'target acceptance of mql_to_sdr, segment big, 2026-04-01 to 2026-06-30' $$,
    $$ select 'mql_to_sdr', 'big', actual_num, actual_den, actual, actual_open, 'sales promised 40.0 %, 2026-04-01 to 2026-06-30; 79 % of the time is over' from attained
       where metric = 'acceptance of mql_to_sdr' and segment = 'big' and first_day = '2026-04-01' and last_day = '2026-06-30' $$, 'numbers as the view has them');
select set_eq($$ select distinct regexp_replace(proposal, '[0-9]+[0-9.]*( %)?', 'N') from line $$, array['Kept.', 'Not kept: ask sales what was in the way, or whether it can be promised.', 'On course.', 'Nothing here measures it.', 'There is nothing to measure so far.',
    'Not kept: ask marketing what was in the way, or whether it can be promised.', 'Behind: N were to be expected by now.'], 'and what came of it');
select matches(handoff.monthly_review_markdown('2026-05-01'), E'\n## What was promised\n\n\\| Finding \\| Month \\| Before \\| Change \\| Promise \\| Outcome \\|\n', 'a section of the page');
select lives_ok($$ select handoff.record_decision('2026-05-01', 'target handed, segment big, 2026-05-01 to 2026-05-31', 'fewer, but better') $$, 'a decision about a promise');

-- validate() --------------------------------------------------------------------------------------------------

select set_eq($$ select message from handoff.validate(2) where object like 'target%' $$, '{is of a metric that nothing here measures}'::text[], 'what nothing measures is told');
do $$
declare
    v int := handoff.draft();
begin
    delete from handoff.target where contract_id = v;
    insert into handoff.target (contract_id, metric, segment, period, value, owner) values
        (v, 'acceptance', '', '(,)', 1.01, 'sales'), (v, 'acceptance of nowhere', '', '(,)', 0.5, 'sales'), (v, 'stage_consistency', 'big', '(,)', 0.5, 'sales'), (v, 'opportunities_known of mql_to_sdr', '', '(,)', 0.5, 'sales'), (v, 'handed', '', '(,)', 1000, 'marketing');
end $$;
select set_eq($$ select object, message from handoff.validate() where object like 'target%' $$, $$ values
    ('target "acceptance (,)"', 'promises more than all'), ('target "acceptance of nowhere (,)"', 'is of leg "nowhere", which the contract doesn''t have'),
    ('target "stage_consistency big (,)"', 'is of a part of what is only measured as a whole'), ('target "opportunities_known of mql_to_sdr (,)"', 'is of a part of what is only measured as a whole') $$, 'and what can''t be meant');
do $$ begin delete from handoff.derived where contract_id = 3 and field = 'segment'; end $$;
select set_eq($$ select object from handoff.validate() where message like 'is of a segment, and%' $$, $$ values ('target "stage_consistency big (,)"') $$, 'a segment that nothing derives');
select is_empty($$ select metric from handoff.target_metrics() m where not exists (select from attained a where a.metric = m.metric and a.actual_num is not null) $$, 'the view knows what the list has');

-- a challenger: promises are the champion's
do $$ begin
    delete from handoff.contract where contract_id = 3;
    perform handoff.publish(handoff.draft(), traffic_share => 0.5);
end $$;
select results_eq('select distinct contract_id from handoff.target_attainment', 'values (2)', 'what its copy says is not promised twice');

select * from finish();
rollback;
