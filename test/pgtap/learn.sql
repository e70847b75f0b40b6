-- Learn: every KPI view against the same numbers counted in another way, row by row, over a few hundred
-- handoffs with every odd case among them, and against small sums done by hand. Views of time: speed.sql.
begin;
set local client_min_messages = warning;
select plan(32);
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    -- elapsed time, acceptance and first touch only
    delete from handoff.sla where metric not in ('accept', 'first_touch');
    update handoff.sla set clock = 'elapsed', target = case when metric = 'accept' or name = 'ae_first_touch' then interval '24 hours' else target end;
    perform handoff.publish(1);
    perform handoff.draft(1);
    update handoff.contract set reporting_zone = 'America/Los_Angeles' where contract_id = 2;
    update handoff.disposition set reason = 'Later' where contract_id = 2 and code = 'timing';
    perform handoff.publish(2);
end $$;
set local lead_handoff.view_time = '2026-07-01 12:00+00';

-- Shape -------------------------------------------------------------------------------------------

\set views '{fact_handoff,fact_clock,kpi_month,kpi_band,kpi_pool,kpi_rep,kpi_route,kpi_source,kpi_segment,kpi_version,kpi_match,kpi_leg,rejection_reason,funnel,unassigned}'
\i test/lib/shape.sql
select is((select count(*) from col where view_name ~ '^kpi_' and name ~ '_open$'), 260::bigint, 'twenty-six rates a kpi_ view');
select is_empty($$
    select distinct m.view_name, p.oid::regprocedure
    from mine m
    join pg_rewrite w on w.ev_class = m.oid
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_proc'::regclass
    join pg_proc p on p.oid = d.refobjid
    where p.proname not in ('view_time', 'open_seconds')
$$, 'no function of ours but view_time() and open_seconds()');
select is_empty($$ select view_name from mine where pg_get_viewdef(oid) ~* '(now|timestamp|timeofday)\(|current_(date|time)|localtime' $$,
    'no other clock');

-- Facts -------------------------------------------------------------------------------------------

\i test/lib/made_up.sql
\i test/lib/handed.sql
create function pg_temp.lead(key text, stage text, deleted_at timestamptz) returns void language sql as $$
    insert into handoff.lead (lead_key, source, raw_key, contract_id, stage, stage_since, fields, fit, intent, group_heat, score, signals,
                              cycle, cycle_since, trigger, trigger_at, first_seen_at, decided_at, deleted_at, last_seq)
    values (key, 'crm', key, 1, stage, '2026-01-01', '{}', 0, '0', '{}', 0, '{}', 1, '2026-01-01', 'row', '2026-01-01', '2026-01-01', '2026-01-01', deleted_at, 1)
$$;

do $$
declare
    t      timestamptz;
    closed timestamptz;
    sla    record;
begin
    -- 300 leads, 420 handoffs
    for i in 1 .. 420 loop
        t := timestamptz '2026-01-20 00:00+00' + pg_temp.u(i, 1) * interval '164 days';
        -- some at the turn of a month, some exactly 30, 60 or 90 days old
        t := case i % 20
                 when 0 then timestamptz '2026-03-01 03:00+00' + (i % 3) * interval '31 days'
                 when 1 then timestamptz '2026-07-01 12:00+00' - (1 + i % 3) * interval '720 hours'
                 else t
             end;
        closed := case when pg_temp.p(i, 2, 55) then t + pg_temp.u(i, 3) * interval '40 days' end;
        perform pg_temp.hand(1 + i % 300, case when pg_temp.p(i, 4, 60) then 'mql_to_sdr' else 'sdr_to_ae' end, jsonb_strip_nulls(jsonb_build_object(
            'handoff_no', 1 + i / 300,
            'cycle', 1 + (pg_temp.p(i, 5, 25))::int,
            'contract_id', 1 + (pg_temp.p(i, 6, 30))::int,
            'origin', case when pg_temp.p(i, 7, 70) then 'contract'
                           else (array['self_booked', 'manual', 'pulled_by_sales', 'crm', 'adopted', 'reconstructed'])[1 + i % 6] end,
            'band', (array['A', 'B', 'C', null])[1 + i % 4],
            'segment', (array['big', 'small', null])[1 + i % 3],
            'lead_source', (array['web', 'event', null, 'partner', 'web'])[1 + i % 5],
            'route', (array['by_account', 'sdr_team', null])[1 + i / 2 % 3],
            'incomplete', pg_temp.p(i, 25, 10),
            'account_method', (array['crm', 'crm', null, 'email_domain', 'close_name'])[1 + i / 5 % 5],
            'by_last_route', pg_temp.p(i, 28, 15),
            'reroutes', case when pg_temp.p(i, 29, 15) then 1 + i % 3 else 0 end,
            'qualified_at', case when pg_temp.p(i, 26, 40) then t + case i % 8 when 0 then interval '1440 hours' else pg_temp.u(i, 27) * interval '100 days' end end,
            'pool', case when pg_temp.p(i, 8, 80) then (array['sdr', 'ae'])[1 + i % 2] end,
            'rep', case when pg_temp.p(i, 9, 85) then (array['ana', 'ben'])[1 + i / 3 % 2] end,
            'unassigned_reason', 'pool_empty',
            'trigger_at', t - pg_temp.u(i, 10) * interval '2 hours',
            'handed_at', t,
            'assigned_at', case when pg_temp.p(i, 9, 90) then t + interval '1 minute' end,
            'first_touch_at', case when pg_temp.p(i, 11, 70) then t + pg_temp.u(i, 12) ^ 4 * interval '6 days' end,
            'first_contact_at', case when pg_temp.p(i, 13, 40) then t + interval '6 days' end,
            'booked_at', case when pg_temp.p(i, 14, 40) then t + interval '7 days' end,
            'meeting_held_at', case when pg_temp.p(i, 15, 25) then t + interval '9 days' end,
            'no_show', pg_temp.p(i, 16, 20),
            'accepted_at', case when pg_temp.p(i, 17, 50)
                                then t + case when i % 9 = 0 then interval '720 hours' else pg_temp.u(i, 18) * interval '35 days' end end,
            'outcome', case when closed is not null then
                (array['recycle', 'disqualified', 'returned', 'withdrawn', 'next_leg', 'recycle', 'lost', 'won', 'disqualified'])[1 + i % 9] end,
            'code', case when closed is not null then (array['timing', 'no_budget', 'bad_data', null, 'no longer known'])[1 + i % 5] end,
            'override_reason', case when closed is not null and pg_temp.p(i, 23, 30) then 'why' end,
            'closed_at', closed,
            'undone', case when pg_temp.p(i, 24, 20) then 1 + i % 2 else 0 end,
            'opportunity_at', case when pg_temp.p(i, 19, 40)
                                   then t + case when i % 7 < 3 then (1 + i % 7) * interval '720 hours' else pg_temp.u(i, 20) * interval '120 days' end end,
            'won_at', case when pg_temp.p(i, 21, 30)
                           then t + case when i % 11 < 3 then (1 + i % 11) * interval '720 hours' else pg_temp.u(i, 22) * interval '120 days' end end)));
    end loop;
    insert into handoff.assignment (lead_key, handoff_no, n, route, rep, reason, at, ended_at, passed_over)
    select h.lead_key, h.handoff_no, n, 'sdr_team', 'ben', 'handoff', h.handed_at, h.handed_at + n * interval '1 hour', '{}'
    from handoff.handoff h, generate_series(1, abs(hashtextextended(h.lead_key, 1) % 3)) n;
    -- clocks of every kind: met, missed, void, judged or not yet, running, overdue, paused; exactly due now; two of an SLA
    for sla in
        select h.lead_key, h.handoff_no, h.handed_at, h.closed_at, s.name, n, (row_number() over (order by h.lead_key, h.handoff_no, s.name, n))::int as i
        from handoff.handoff h
        join handoff.sla s on s.contract_id = h.contract_id and s.leg = h.leg
        cross join generate_series(1, 2) n
        where hashtextextended(h.lead_key || s.name, n) % 3 = 0
    loop
        t := case when pg_temp.p(sla.i, 1, 50) then sla.handed_at
                  else timestamptz '2026-07-01 12:00+00' - pg_temp.u(sla.i, 2) * interval '30 hours' end;
        closed := case when pg_temp.p(sla.i, 3, 40) then t + pg_temp.u(sla.i, 4) * interval '48 hours' end;
        insert into handoff.clock (lead_key, handoff_no, kind, name, n, started_at, due_at, stopped_at, verdict, pauses, paused)
        values (sla.lead_key, sla.handoff_no, 'sla', sla.name, sla.n, t,
                case sla.i % 10 when 0 then timestamptz '2026-07-01 12:00+00' + (sla.i % 3) * (timestamptz '2026-07-01 12:00+00' - t) / 3
                                else t + interval '24 hours' end,
                closed,
                case when closed is null then case when sla.i % 12 = 0 then 'missed' end
                     when sla.i % 6 = 0 then 'void'
                     when sla.i % 6 > 1 then case when closed > t + interval '24 hours' then 'missed' else 'met' end end,
                case when pg_temp.p(sla.i, 5, 15) then tstzmultirange(tstzrange(t, null)) else '{}' end,
                pg_temp.p(sla.i, 5, 15));
    end loop;
    -- what is no SLA clock of a handoff counts nowhere
    insert into handoff.clock (lead_key, handoff_no, kind, name, started_at, due_at)
    select h.lead_key, k.no, k.kind, k.name, '2026-01-01', '2026-01-02'
    from handoff.handoff h,
         lateral (values (h.handoff_no, 'recycle', 'sdr_accept'), (h.handoff_no, 'sla', 'no longer known'), (0, 'sla', 'sdr_accept')) k (no, kind, name)
    on conflict do nothing;
    perform pg_temp.lead('L' || i, (array['lead', 'mql', 'sal', 'customer', 'disqualified'])[1 + i % 5], case when i % 13 = 0 then timestamptz '2026-06-01' end)
    from generate_series(1, 350) i;
end $$;
select results_eq($$
    select count(*) > 400, count(distinct origin) = 7,
           bool_or(closed_at is null), bool_or(outcome = 'withdrawn' and accepted_at is not null), bool_or(cycle > 1), bool_or(band is null), bool_or(pool is null),
           bool_or(handed_at + interval '720 hours' = handoff.view_time()), bool_or(handed_at + interval '2160 hours' = handoff.view_time()),
           bool_or(accepted_at is null and closed_at is not null and outcome = 'next_leg'), bool_or(no_show and meeting_held_at is not null),
           bool_or(accepted_at = handed_at + interval '720 hours'), bool_or(opportunity_at = handed_at + interval '2160 hours'),
           bool_or(contract_id = 2 and extract(month from handed_at at time zone 'Europe/Berlin') <> extract(month from handed_at at time zone 'America/Los_Angeles'))
    from handoff.handoff
$$, $$ values (true, true, true, true, true, true, true, true, true, true, true, true, true, true) $$, 'every odd case of a handoff is among them');
select results_eq($$
    select bool_or(stopped_at is null and verdict is null and due_at < handoff.view_time() and not paused),
           bool_or(stopped_at is null and verdict is null and due_at < handoff.view_time() and paused),
           bool_or(stopped_at is null and verdict is null and due_at = handoff.view_time()), bool_or(stopped_at is null and verdict is null and due_at > handoff.view_time()),
           bool_or(stopped_at is null and verdict = 'missed'), bool_or(stopped_at > due_at and verdict is null), bool_or(stopped_at < due_at and verdict is null), bool_or(verdict = 'void')
    from handoff.clock where kind = 'sla'
$$, $$ values (true, true, true, true, true, true, true, true) $$, 'and of a clock');

-- KPIs, counted handoff by handoff ------------------------------------------------------------------

create temp table tally (h handoff.handoff, rate text, num int, den int, still_open int);
create function pg_temp.count_one(h handoff.handoff, rate text, num boolean, den boolean, still_open boolean) returns void language sql as $$
    insert into tally values (h, rate, num::int, den::int, still_open::int)
$$;
do $$
declare
    h        handoff.handoff;
    k        record;
    age      numeric;
    since    numeric;
    qualified timestamptz;
    days     int;
    accepted boolean;
    rejected boolean;
    open     boolean;
begin
    for h in select * from handoff.handoff loop
        continue when h.origin = any ('{manual,pulled_by_sales,crm,adopted,reconstructed}') or h.outcome = 'withdrawn';
        open := h.closed_at is null;
        accepted := h.accepted_at is not null;
        rejected := not open and not accepted and h.outcome <> all ('{next_leg,won,lost}');
        age := extract(epoch from timestamptz '2026-07-01 12:00+00') - extract(epoch from h.handed_at);
        perform pg_temp.count_one(h, 'handed', true, true, open);
        perform pg_temp.count_one(h, 'acceptance_of_decided', accepted, accepted or rejected, open and not accepted);
        perform pg_temp.count_one(h, 'contact_rate', h.first_contact_at is not null, true, open and h.first_contact_at is null);
        perform pg_temp.count_one(h, 'contact_of_touched', h.first_contact_at is not null, coalesce(h.first_touch_at, h.first_contact_at) is not null,
                                  open and h.first_touch_at is not null and h.first_contact_at is null);
        perform pg_temp.count_one(h, 'meeting_rate', h.booked_at is not null, true, open and h.booked_at is null);
        perform pg_temp.count_one(h, 'show_rate', h.meeting_held_at is not null, h.no_show or h.meeting_held_at is not null,
                                  open and h.booked_at is not null and h.meeting_held_at is null and not h.no_show);
        perform pg_temp.count_one(h, 'recycle_rate', not open and h.outcome = 'recycle', accepted or rejected, open);
        perform pg_temp.count_one(h, 'override_rate', h.override_reason is not null and h.outcome = any ('{recycle,disqualified,returned}'),
                                  h.outcome = any ('{recycle,disqualified,returned}'), open);
        perform pg_temp.count_one(h, 'undone_rate', h.undone <> 0, h.undone <> 0 or coalesce(h.outcome, '') = any ('{recycle,disqualified,returned}'),
                                  open and h.undone = 0);
        perform pg_temp.count_one(h, 'acceptance_of_handed',
            age >= 2592000 and accepted and extract(epoch from h.accepted_at) - extract(epoch from h.handed_at) <= 2592000, age >= 2592000, age < 2592000);
        foreach days in array array[30, 60, 90] loop
            perform pg_temp.count_one(h, 'opportunity_' || days,
                age >= 86400 * days and coalesce(extract(epoch from h.opportunity_at) - extract(epoch from h.handed_at) <= 86400 * days, false),
                age >= 86400 * days, age < 86400 * days);
            perform pg_temp.count_one(h, 'won_' || days,
                age >= 86400 * days and coalesce(extract(epoch from h.won_at) - extract(epoch from h.handed_at) <= 86400 * days, false),
                age >= 86400 * days, age < 86400 * days);
        end loop;
        perform pg_temp.count_one(h, 'incomplete_rate', h.incomplete, true, false);
        perform pg_temp.count_one(h, 'reroute_rate', h.reroutes <> 0, true, open and h.reroutes = 0);
        perform pg_temp.count_one(h, 'fallback_rate', h.by_last_route, true, open and h.assigned_at is null);
        perform pg_temp.count_one(h, 'match_rate', coalesce(h.account_method, '') <> '', true, false);
        perform pg_temp.count_one(h, 'found_rate', coalesce(h.account_method, '') = any ('{email_domain,close_name}'), coalesce(h.account_method, '') <> 'crm', false);
        perform pg_temp.count_one(h, 'unassigned_rate', h.assigned_at is null, true, open and h.assigned_at is null);
        since := extract(epoch from timestamptz '2026-07-01 12:00+00') - extract(epoch from h.accepted_at);
        qualified := h.qualified_at;
        if h.outcome = 'next_leg' and (qualified is null or qualified > h.closed_at) then
            qualified := h.closed_at;
        end if;
        foreach days in array array[30, 60, 90] loop
            perform pg_temp.count_one(h, 'qualified_' || days,
                accepted and since >= 86400 * days and coalesce(extract(epoch from qualified) - extract(epoch from h.accepted_at) <= 86400 * days, false),
                accepted and since >= 86400 * days, accepted and since < 86400 * days);
        end loop;
        perform pg_temp.count_one(h, 'sla_accept', false, false, false);
        perform pg_temp.count_one(h, 'sla_first_touch', false, false, false);
        for k in
            select c.*, (select s.metric from handoff.sla s where s.contract_id = h.contract_id and s.name = c.name) as metric
            from handoff.clock c
            where c.lead_key = h.lead_key and c.handoff_no = h.handoff_no and c.kind = 'sla'
        loop
            continue when k.metric is null or k.verdict = 'void';
            if k.verdict is null then
                k.verdict := case
                    when k.stopped_at <= k.due_at then 'met'
                    when k.stopped_at is not null then 'missed'
                    when k.due_at < '2026-07-01 12:00+00' and not k.paused then 'missed'
                end;
            end if;
            perform pg_temp.count_one(h, 'sla_' || k.metric, coalesce(k.verdict = 'met', false), k.verdict is not null, k.verdict is null);
        end loop;
    end loop;
end $$;
create temp table dimension (view_name text, dimension text);
insert into dimension values ('kpi_month', 'month'), ('kpi_band', 'band'), ('kpi_pool', 'pool'), ('kpi_rep', 'rep'), ('kpi_route', 'route'),
    ('kpi_source', 'lead_source'), ('kpi_segment', 'segment'), ('kpi_version', 'contract_id'), ('kpi_match', 'account_method'), ('kpi_leg', null);
create temp table expected as
select view_name, dim, leg, cycle,
       jsonb_object_agg(name, value) as rates
from (
    select t.view_name, t.dim, t.leg, t.cycle, v.name, v.value
    from (select d.view_name,
                 case d.dimension when 'month' then to_char((h).handed_at at time zone (array['Europe/Berlin', 'America/Los_Angeles'])[(h).contract_id], 'YYYY-MM-"01"')
                                  else to_jsonb(h) ->> d.dimension end as dim,
                 (h).leg, y.cycle, rate, sum(num) as num, sum(den) as den, sum(still_open) as still_open
          from tally
          cross join dimension d
          cross join lateral unnest(case (h).cycle when 1 then '{first,all}' else '{all}' end::text[]) y (cycle)
          group by 1, 2, 3, 4, 5) t
    cross join lateral (values
        (t.rate, case when t.den > 0 then to_jsonb(round(t.num::numeric / t.den, 4)) else 'null' end),
        (t.rate || '_num', to_jsonb(t.num)), (t.rate || '_den', to_jsonb(t.den)), (t.rate || '_open', to_jsonb(t.still_open))) v (name, value)
    where t.rate <> 'handed' or v.name = 'handed_num'
) e
group by 1, 2, 3, 4;
create temp table found (view_name text, dim text, leg text, cycle text, rates jsonb);
do $$
declare
    d record;
begin
    for d in select * from dimension loop
        execute format('insert into found select %L, %s, leg, cycle, to_jsonb(k) - array[%L, ''leg'', ''cycle'', ''handed''] || jsonb_build_object(''handed_num'', handed) from handoff.%I k',
                       d.view_name, coalesce(d.dimension || '::text', 'null'), coalesce(d.dimension, 'leg'), d.view_name);
    end loop;
end $$;
select bag_eq(format('select dim, leg, cycle, rates from found where view_name = %L', view_name),
    format('select dim, leg, cycle, rates from expected where view_name = %L', view_name), view_name) from dimension;
select cmp_ok((select count(*) from handoff.kpi_month), '>=', 20::bigint, 'over many months');
select is((select count(*) from (select month, leg, cycle from handoff.kpi_month group by 1, 2, 3 having count(*) > 1) d), 0::bigint, 'one row each');
select is((select sum(handed) from handoff.kpi_month where cycle = 'all'), (select count(*)::numeric from handoff.fact_handoff where counted), 'nobody is lost');
select cmp_ok((select count(*) from handoff.kpi_month where opportunity_90 is null and opportunity_90_den = 0 and opportunity_90_open > 0), '>', 0::bigint,
    'a month of which nothing is old enough has no rate');

-- Why not -------------------------------------------------------------------------------------------

select set_eq('select leg, outcome, code, reason, rejection_rate, rejection_rate_num, rejection_rate_den, rejection_rate_open from handoff.rejection_reason', $$
    with h as (
        select h.*, (select d.reason from handoff.disposition d where (d.contract_id, d.code) = (h.contract_id, h.code)) as reason,
               h.closed_at is not null and h.accepted_at is null and h.outcome = any ('{recycle,disqualified,returned}') as rejected
        from handoff.handoff h
        where h.origin in ('self_booked', 'contract') and coalesce(h.outcome, '') <> 'withdrawn'
    )
    select distinct on (leg, outcome, code, reason) leg, outcome, code, reason, round(n / d.decided, 4) as rate, n::bigint, d.decided::bigint, d.undecided
    from (select *, sum(1) over (partition by leg, outcome, code, reason)::numeric as n from h where rejected) r
    cross join lateral (select sum((accepted_at is not null or rejected)::int)::numeric as decided,
                               sum((accepted_at is null and closed_at is null)::int) as undecided from h where h.leg = r.leg) d $$, 'rejection_reason');
select results_eq('select leg, sum(rejection_rate_num) from handoff.rejection_reason group by leg order by leg',
    'select leg, (sum(acceptance_of_decided_den) - sum(acceptance_of_decided_num)) from handoff.kpi_month where cycle = ''all'' group by leg order by leg',
    'reasons add up to the rejections');

-- How far ---------------------------------------------------------------------------------------------

create temp table reached as
select l.lead_key, l.stage in ('customer', 'disqualified') as over, h.leg, h.closed_at is null as open, s.step
from handoff.lead l
left join handoff.handoff h on h.lead_key = l.lead_key and h.origin in ('self_booked', 'contract') and coalesce(h.outcome, '') <> 'withdrawn'
left join lateral unnest(array_remove(array['handed', case when h.assigned_at is not null then 'assigned' end, case when h.first_touch_at is not null then 'touched' end,
    case when h.first_contact_at is not null then 'contacted' end, case when h.accepted_at is not null then 'accepted' end, case when h.booked_at is not null then 'booked' end,
    case when h.meeting_held_at is not null then 'held' end, case when h.opportunity_at is not null then 'opportunity' end, case when h.won_at is not null then 'won' end], null)) s (step) on true
where l.deleted_at is null;
select results_eq('select * from handoff.funnel order by position', $$
    select 1, null::text, 'lead'::text, count(distinct lead_key), 1.0000, count(distinct lead_key), count(distinct lead_key), 0::bigint, null::numeric, null::bigint, null::bigint, null::bigint
    from reached
    union all
    select s.pos, s.leg, s.step, n.leads, round(n.leads::numeric / a.leads, 4), n.leads, a.leads,
           (select count(distinct lead_key) from reached where not over and lead_key not in (select lead_key from reached where (leg, step) = (s.leg, s.step))),
           round(n.leads::numeric / h.leads, 4), n.leads, h.leads,
           (select count(distinct lead_key) from reached where leg = s.leg and open and lead_key not in (select lead_key from reached where (leg, step) = (s.leg, s.step)))
    from (values (2, 'mql_to_sdr', 'handed'), (3, 'mql_to_sdr', 'assigned'), (4, 'mql_to_sdr', 'touched'), (5, 'mql_to_sdr', 'contacted'), (6, 'mql_to_sdr', 'accepted'),
                 (7, 'mql_to_sdr', 'booked'), (8, 'mql_to_sdr', 'held'), (9, 'mql_to_sdr', 'opportunity'), (10, 'mql_to_sdr', 'won'),
                 (11, 'sdr_to_ae', 'handed'), (12, 'sdr_to_ae', 'assigned'), (13, 'sdr_to_ae', 'touched'), (14, 'sdr_to_ae', 'contacted'), (15, 'sdr_to_ae', 'accepted'),
                 (16, 'sdr_to_ae', 'booked'), (17, 'sdr_to_ae', 'held'), (18, 'sdr_to_ae', 'opportunity'), (19, 'sdr_to_ae', 'won')) s (pos, leg, step),
         lateral (select count(distinct lead_key) as leads from reached where (leg, step) = (s.leg, s.step)) n,
         lateral (select count(distinct lead_key) as leads from reached where (leg, step) = (s.leg, 'handed')) h,
         (select count(distinct lead_key) as leads from reached) a
    order by 1 $$, 'funnel');

-- What burns --------------------------------------------------------------------------------------------

select bag_eq('select lead_key, handoff_no, reason, waiting_since, waiting_seconds from handoff.unassigned', $$
    select h.lead_key, h.handoff_no, 'pool_empty', w.since, round(extract(epoch from timestamptz '2026-07-01 12:00+00') - extract(epoch from w.since))
    from handoff.handoff h
    left join handoff.assignment a on (a.lead_key, a.handoff_no) = (h.lead_key, h.handoff_no)
        and not exists (select from handoff.assignment b where (b.lead_key, b.handoff_no) = (a.lead_key, a.handoff_no) and b.n > a.n),
    lateral (select case when a.n is null then h.handed_at else a.ended_at end as since) w
    where h.rep is null and h.closed_at is null $$, 'unassigned');

-- Small sums by hand ----------------------------------------------------------------------------------

truncate handoff.handoff, handoff.clock, handoff.assignment, handoff.lead;
select results_eq('select (select count(*) from handoff.kpi_month), (select count(*) from handoff.rejection_reason)',
    'values (0::bigint, 0::bigint)', 'nothing from nothing');
select results_eq('select leads, of_leads, of_leads_den, of_handed from handoff.funnel where position in (1, 2) order by position',
    'values (0::bigint, null::numeric, 0::bigint, null::numeric), (0, null, 0, null)', 'an empty funnel has its rows and no rates');

truncate handoff.handoff;
do $$
begin
    -- six accepted, two rejected (one recycled), one open, one closed without either; the withdrawn and the manual one don't count
    perform pg_temp.hand(i, 'mql_to_sdr', '{"handed_at": "2026-05-10 09:00+00", "accepted_at": "2026-05-11 09:00+00"}') from generate_series(1, 6) i;
    perform pg_temp.hand(7, 'mql_to_sdr', '{"handed_at": "2026-05-10 09:00+00", "closed_at": "2026-05-12 09:00+00", "outcome": "recycle"}');
    perform pg_temp.hand(8, 'mql_to_sdr', '{"handed_at": "2026-05-10 09:00+00", "closed_at": "2026-05-12 09:00+00", "outcome": "disqualified", "cycle": 2}');
    perform pg_temp.hand(9, 'mql_to_sdr', '{"handed_at": "2026-05-31 22:00+00", "booked_at": "2026-06-02 09:00+00"}');
    perform pg_temp.hand(10, 'mql_to_sdr', '{"handed_at": "2026-06-29 09:00+00", "closed_at": "2026-06-30 09:00+00", "outcome": "won", "won_at": "2026-06-30 09:00+00", "opportunity_at": "2026-06-30 09:00+00"}');
    perform pg_temp.hand(11, 'mql_to_sdr', '{"handed_at": "2026-05-10 09:00+00", "closed_at": "2026-05-12 09:00+00", "outcome": "withdrawn", "accepted_at": "2026-05-11 09:00+00"}');
    perform pg_temp.hand(12, 'mql_to_sdr', '{"handed_at": "2026-05-10 09:00+00", "origin": "manual", "accepted_at": "2026-05-11 09:00+00"}');
    insert into handoff.clock (lead_key, handoff_no, kind, name, n, started_at, due_at, stopped_at, verdict) values
        ('L1', 1, 'sla', 'sdr_accept', 1, '2026-05-10 09:00+00', '2026-05-11 09:00+00', '2026-05-11 09:00+00', null),
        ('L2', 1, 'sla', 'sdr_accept', 1, '2026-05-10 09:00+00', '2026-05-11 09:00+00', '2026-05-12 09:00+00', 'missed'),
        ('L3', 1, 'sla', 'sdr_accept', 1, '2026-05-10 09:00+00', '2026-05-11 09:00+00', '2026-05-10 10:00+00', 'void'),
        ('L7', 1, 'sla', 'sdr_accept', 1, '2026-05-10 09:00+00', '2026-05-11 09:00+00', null, null),
        ('L12', 1, 'sla', 'sdr_accept', 1, '2026-05-10 09:00+00', '2026-05-11 09:00+00', null, null);
end $$;
select results_eq($$
    select month, cycle, handed, acceptance_of_decided, acceptance_of_decided_num, acceptance_of_decided_den, acceptance_of_decided_open,
           acceptance_of_handed, acceptance_of_handed_den, acceptance_of_handed_open, sla_accept, sla_accept_num, sla_accept_den, recycle_rate, won_30, won_30_open, show_rate, show_rate_open
    from handoff.kpi_month order by 1, 2 $$, $$ values
    (date '2026-05-01', 'all', 8::bigint, 0.7500, 6::bigint, 8::bigint, 0::bigint, 0.7500, 8::bigint, 0::bigint, 0.3333, 1::bigint, 3::bigint, 0.1250, 0.0000, 0::bigint, null::numeric, 0::bigint),
    ('2026-05-01', 'first', 7, 0.8571, 6, 7, 0, 0.8571, 7, 0, 0.3333, 1, 3, 0.1429, 0.0000, 0, null, 0),
    ('2026-06-01', 'all', 2, null, 0, 0, 1, 0.0000, 1, 1, null, 0, 0, null, 0.0000, 1, null, 1),
    ('2026-06-01', 'first', 2, null, 0, 0, 1, 0.0000, 1, 1, null, 0, 0, null, 0.0000, 1, null, 1) $$, 'sums done by hand');

-- time is what view_time says it is
set local lead_handoff.view_time = '2026-07-29 09:00+00';
select results_eq($$ select acceptance_of_handed, acceptance_of_handed_den, won_30, won_30_num from handoff.kpi_month where month = '2026-06-01' and cycle = 'all' $$,
    'values (0.0000, 2::bigint, 0.5000, 1::bigint)', 'a month later they are all old enough');

select * from finish();
rollback;
