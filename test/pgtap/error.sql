-- Learn, mistakes: what sales turned down and somebody bought, what was never handed over, and whether reps judge alike,
-- against the same numbers counted in another way, row by row; and the axes that numbers are looked at by.
begin;
set local client_min_messages = warning;
set local timezone = 'UTC';
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.publish(1);
    perform handoff.draft(1);
    update handoff.contract set reporting_zone = 'America/Los_Angeles' where contract_id = 2;
    update handoff.stage set position = 35 where contract_id = 2 and name = 'sal';
    insert into handoff.stage (contract_id, name, position, is_terminal) values (2, 'limbo', 99, true);
    insert into handoff.route (contract_id, name, ord, leg, criteria, target_kind, target) values (2, 'zoe', 15, 'sdr_to_ae', 'country = ''DE''', 'rep', 'zoe');
    perform handoff.add_rep('zoe', 'Zoe', 'ae');
    perform handoff.add_rep('ana', 'Ana', 'sdr', capacity => 7);
    perform handoff.set_member('fallback', 'ana');
    perform handoff.publish(2);
    perform handoff.draft(2);
    update handoff.stage set position = 36 where contract_id = 3 and name = 'sal';
end $$;
set local lead_handoff.view_time = '2026-07-01 12:00+00';

-- Shape -------------------------------------------------------------------------------------------

\set views '{error_rate,error_rate_rep,rep_consistency,fact_rejection,fact_miss,axis_date,axis_version,axis_stage,axis_leg,axis_band,axis_route,axis_code,axis_segment,axis_source,axis_pool,axis_rep}'
\i test/lib/shape.sql
select set_eq($$ select view_name from mine where view_name <> all (handoff.reader_views()) $$,
    '{error_rate_rep,rep_consistency,fact_rejection,fact_miss,axis_rep}'::text[], 'what readers may not see');

-- Facts -------------------------------------------------------------------------------------------

\i test/lib/made_up.sql
create temp table zone as select contract_id, reporting_zone as zone from handoff.contract;

do $$
declare
    t      timestamptz;
    closed timestamptz;
begin
    for i in 1 .. 300 loop
        insert into handoff.lead (lead_key, source, raw_key, contract_id, stage, stage_since, fields, fit, intent, group_heat, score, signals,
                                  cycle, cycle_since, trigger, trigger_at, first_seen_at, decided_at, last_seq)
        values ('L' || i, 'crm', 'L' || i, 1, 'lead', '2026-01-01', '{}', 0, '0', '{}', 0, '{}', 1, '2026-01-01', 'row', '2026-01-01', '2026-01-01', '2026-01-01', 1);
        t := timestamptz '2024-10-01 00:00+00' + pg_temp.u(i, 1) * interval '600 days';
        t := case i % 10 when 0 then timestamptz '2025-07-01 12:00+00' - interval '3 days' else t end;
        for n in 1 .. (i % 3) loop
            closed := case when i % 10 = 0 and n = 1 then t + interval '3 days' when pg_temp.p(i, 10 + n, 70) then t + pg_temp.u(i, 20 + n) * interval '20 days' end;
            insert into handoff.handoff
            select r.*
            from zone z, jsonb_populate_record(null::handoff.handoff, jsonb_strip_nulls(jsonb_build_object(
                'lead_key', 'L' || i, 'handoff_no', n, 'cycle', n, 'leg', case when pg_temp.p(i, 30 + n, 70) then 'mql_to_sdr' else 'sdr_to_ae' end,
                'contract_id', z.contract_id, 'origin', case when pg_temp.p(i, 40 + n, 85) then 'contract' else 'crm' end, 'stage_from', 'lead',
                'fit', 0, 'intent', 0, 'score', 0, 'trigger', 'activity', 'trigger_at', t, 'handed_at', t, 'month', to_char(t at time zone z.zone, 'YYYY-MM-01'), 'incomplete', false,
                'assignments', 0, 'touches', 0, 'contacts', 0, 'channels', '[]'::jsonb, 'no_show', false, 'joined_activities', 0, 'undone', 0, 'hops', 0, 'by_last_route', false, 'reroutes', 0,
                'band', (array['A', 'B', 'C', null])[1 + i % 4], 'segment', (array['big', 'odd', null])[1 + i / 4 % 3], 'pool', (array['sdr', 'ae', null])[1 + (i + n) % 3], 'rep', (array['ana', 'ben', 'zoe', null])[1 + i / 2 % 4],
                'lead_source', (array['web', 'event', null])[1 + i / 3 % 3],
                'accepted_at', case when pg_temp.p(i, 50 + n, 40) and i % 10 > 0 then t + interval '1 day' end,
                'outcome', case when closed is not null then (array['recycle', 'disqualified', 'returned', 'withdrawn', 'next_leg', 'recycle'])[1 + (i + n) % 6] end,
                'code', case when closed is not null then (array['timing', 'no_budget', null])[1 + (i + n) % 3] end,
                'closed_at', closed,
                'won_at', case when i % 10 = 0 and n = 1 then t + interval '3 days' + interval '8760 hours' when pg_temp.p(i, 60 + n, 40) then t + pg_temp.u(i, 70 + n) * interval '500 days' end))) r
            where z.contract_id = 1 + ((i + n) % 3 = 0)::int;
            t := coalesce(closed, t) + pg_temp.u(i, 80 + n) * interval '200 days';
        end loop;
        -- what the log says of it, and whether it was held
        insert into handoff.event (lead_key, seq, at, recorded_at, type, contract_id, cycle, actor, detail)
        select 'L' || i, row_number() over (order by e.at, e.type), e.at, e.at, e.type, 1, 1, 'contract', e.detail
        from (select timestamptz '2025-06-01 00:00+00' + pg_temp.u(i, 90 + k) * interval '300 days' as at,
                     (array['scored', 'gated', 'released', 'blocked', 'unblocked', 'joined', 'scored'])[1 + (i + k * 5) % 7] as type,
                     jsonb_build_object('band', (array['A', 'B', null])[1 + (i + k) % 3], 'code', (array['opt_out', 'on_hold', 'duplicate'])[1 + (i + k) % 3]) as detail
              from generate_series(1, i % 6) k) e;
    end loop;
    -- one of whom nothing is known yet
    insert into handoff.handoff
    select r.* from jsonb_populate_record((select h from handoff.handoff h where h.lead_key = 'L1'), '{"lead_key": "L301", "rep": "new", "origin": "contract", "accepted_at": null, "closed_at": null, "outcome": null, "won_at": null}') r;
    for i in 1 .. 200 loop
        t := timestamptz '2025-08-01 00:00+00' + pg_temp.u(i, 100) * interval '300 days';
        insert into handoff.opportunity (opportunity_key, source, created_at, amount, is_won, is_closed, seen_at)
        values ('O' || i, 'crm', t, i, i % 3 = 0, i % 3 = 0, t);
        insert into handoff.opportunity_link (lead_key, opportunity_key, source, link_key, link_kind)
        select 'L' || 1 + (i * 7 + n * 3) % 302, 'O' || i, 'crm', 'k' || i || '/' || n, 'contact_role' from generate_series(1, i % 4) n;
    end loop;
end $$;

-- Turned down, and bought: handoff by handoff -----------------------------------------------------------

create temp table rejection (handoff_id text, month date, leg text, code text, band text, pool text, rep text, mature boolean, wrong boolean);
do $$
declare
    h   handoff.handoff;
    won timestamptz;
begin
    for h in select * from handoff.handoff loop
        continue when h.origin <> 'contract' or h.accepted_at is not null or h.closed_at is null or h.outcome not in ('recycle', 'disqualified', 'returned');
        select min(x.won_at) into won from handoff.handoff x where x.lead_key = h.lead_key and x.won_at > h.closed_at;
        insert into rejection values (h.lead_key || '/' || h.handoff_no, to_char(h.handed_at at time zone (select z.zone from zone z where z.contract_id = h.contract_id), 'YYYY-MM-01')::date,
            h.leg, h.code, h.band, h.pool, h.rep, timestamptz '2026-07-01 12:00+00' - h.closed_at >= interval '8760 hours', coalesce(won - h.closed_at <= interval '8760 hours', false));
    end loop;
end $$;
select results_eq('select count(*) > 50, bool_or(wrong and mature), bool_or(wrong and not mature), bool_or(mature and not wrong), bool_or(rep is null) from rejection', 'values (true, true, true, true, true)', 'of all sorts');
select bag_eq('select handoff_id, mature, false_rejection from handoff.fact_rejection', 'select handoff_id, mature, wrong from rejection', 'fact_rejection');
select is((select count(*) from handoff.fact_rejection r join handoff.handoff h using (lead_key, handoff_no) where r.false_rejection and r.won_at = h.closed_at + interval '8760 hours' and r.closed_at = '2025-07-01 12:00+00') > 0,
    true, 'to the second of the 365th day');
create function pg_temp.share(num bigint, den bigint) returns numeric language sql as $$ select case den when 0 then null else round(num::numeric / den, 4) end $$;
create temp table miss as
select o.opportunity_key, to_char(o.created_at at time zone 'America/Los_Angeles', 'YYYY-MM-01')::date as month, count(l.lead_key) as leads,
       bool_or(exists (select from handoff.handoff h where h.lead_key = l.lead_key and coalesce(h.outcome, '') <> 'withdrawn')) as handed
from handoff.opportunity o
left join handoff.opportunity_link k using (opportunity_key)
left join handoff.lead l using (lead_key)
group by o.opportunity_key, o.created_at;
-- why: each event before it in turn
update miss set handed = null where leads = 0;
alter table miss add why text, add gate text, add band text, add lead_key text;
do $$
declare
    m    record;
    k    record;
    e    handoff.event;
    why  text;
    gate text;
    band text;
    stop boolean;
    seen boolean;
    held boolean;
    best int;
begin
    for m in select miss.*, o.created_at from miss join handoff.opportunity o using (opportunity_key) where not handed loop
        best := 9;
        for k in select distinct lead_key from handoff.opportunity_link join handoff.lead using (lead_key) where opportunity_key = m.opportunity_key order by 1 loop
            seen := false; held := false; stop := false; gate := null; band := null;
            for e in select * from handoff.event v where v.lead_key = k.lead_key and v.at <= m.created_at order by v.seq loop
                case e.type when 'scored' then seen := true; band := e.detail ->> 'band';
                            when 'gated', 'joined' then held := true; gate := e.detail ->> 'code';
                            when 'released' then held := false;
                            when 'blocked' then stop := true;
                            when 'unblocked' then stop := false; end case;
            end loop;
            why := case when not seen then 'unknown' when held then 'gate' when stop then 'blocked' else 'below' end;
            if array_position('{gate,blocked,below,unknown}'::text[], why) < best then
                best := array_position('{gate,blocked,below,unknown}'::text[], why);
                update miss set why = v.why, gate = v.gate, band = v.band, lead_key = v.lead_key
                from (values (why, case when why = 'gate' then gate end, band, k.lead_key)) v (why, gate, band, lead_key) where opportunity_key = m.opportunity_key;
            end if;
        end loop;
    end loop;
end $$;
select results_eq('select count(distinct why), bool_or(handed), bool_or(leads = 0), count(gate) > 3 from miss', 'values (4::bigint, true, true, true)', 'missed for every reason');
select bag_eq('select opportunity_key, lead_key, created_month, why, gate, band from handoff.fact_miss', 'select opportunity_key, lead_key, month, why, gate, band from miss where not handed', 'fact_miss');
create temp table expected as
select r.month, 'sales' as side, r.leg, d.dimension, d.value, pg_temp.share(sum((wrong and mature)::int), sum(mature::int)) as rate, sum((wrong and mature)::int) as num, sum(mature::int) as den,
       sum((not mature)::int) as still, sum(wrong::int) as so_far
from rejection r, lateral (values ('all', null), ('reason', r.code), ('band', r.band), ('pool', r.pool), ('rep', r.rep)) d (dimension, value)
group by 1, 2, 3, 4, 5
union all
select t.month, 'marketing', null, d.dimension, d.value, pg_temp.share(d.n, t.n), d.n, t.n, t.no_lead, d.n
from (select month, sum((leads > 0)::int) as n, sum((leads = 0)::int) as no_lead from miss group by month) t,
     lateral (select 'all' as dimension, null as value, count(*) as n from miss m where m.month = t.month and not m.handed
              union all select 'reason', m.why, count(*) from miss m where m.month = t.month and not m.handed group by m.why
              union all select 'band', m.band, count(*) from miss m where m.month = t.month and not m.handed group by m.band
              union all select 'gate', m.gate, count(*) from miss m where m.month = t.month and not m.handed group by m.gate) d;
select bag_eq('select month, side, leg, dimension, value, error_rate, error_rate_num, error_rate_den, error_rate_open, so_far from handoff.error_rate', $$ select * from expected where dimension <> 'rep' $$, 'error_rate');
select bag_eq('select month, side, leg, rep, error_rate, error_rate_num, error_rate_den, error_rate_open, so_far from handoff.error_rate_rep',
    $$ select month, side, leg, value, rate, num, den, still, so_far from expected where dimension = 'rep' $$, 'error_rate_rep');

-- Reps, by Wilson's formula as he wrote it: the roots of (p - x)^2 = z^2 x (1 - x) / n ----------------------

create temp table judged as
select h.leg, h.rep, coalesce(h.band, '') as band, (h.accepted_at is not null)::int as accepted, (h.closed_at is null and h.accepted_at is null)::int as still,
       (h.accepted_at is not null or h.outcome in ('recycle', 'disqualified', 'returned')) as decided
from handoff.handoff h where h.origin = 'contract' and coalesce(h.outcome, '') <> 'withdrawn' and h.rep is not null;
create temp table rated as select r.*, coalesce(known, 0) as expected from (
select g.leg, g.rep, coalesce(sum(accepted) filter (where decided), 0) as a, count(*) filter (where decided) as n, sum(still) as still,
       sum((select avg(x.accepted) from judged x where (x.leg, x.band) = (g.leg, g.band) and x.decided)) filter (where decided) as known
from judged g group by g.leg, g.rep) r;
select bag_eq('select leg, rep, acceptance_of_decided, acceptance_of_decided_num, acceptance_of_decided_den, acceptance_of_decided_open, expected, ratio from handoff.rep_consistency',
    $$ select leg, rep, round(a::numeric / nullif(n, 0), 4) as p, a, n, still, round(expected, 4) as e, round(a / nullif(expected, 0), 4) as r from rated $$, 'rep_consistency');
select is_empty($$
    select * from handoff.rep_consistency c join rated r using (leg, rep),
         lateral (select x * r.expected / nullif(r.n, 0) as share from unnest(array[c.ratio_low, c.ratio_high]) x) b
    where abs(power(r.a::numeric / nullif(r.n, 0) - b.share, 2) - power(1.959964, 2) * b.share * (1 - b.share) / nullif(r.n, 0)) > 0.0002 $$, 'its interval solves the equation');
select is_empty($$ select * from handoff.rep_consistency where not (0 <= ratio_low and ratio_low <= ratio and ratio <= ratio_high) $$, 'around the ratio');
select is((select count(*) from handoff.rep_consistency), 7::bigint, 'of each rep and leg, and one who has decided nothing');

-- Axes ---------------------------------------------------------------------------------------------

select results_eq('select date, weekday, is_weekend, week, week_name, month, month_name, quarter, quarter_name, year, business_seconds, days_ago from handoff.axis_date order by date', $$
    select d::date, (array[7, 1, 2, 3, 4, 5, 6])[1 + extract(dow from d)::int], extract(dow from d) in (0, 6), d::date - (extract(dow from d)::int + 6) % 7,
           extract(isoyear from d) || '-W' || lpad(extract(week from d)::text, 2, '0'), (extract(year from d) || '-' || extract(month from d) || '-1')::date,
           extract(year from d) || '-' || lpad(extract(month from d)::text, 2, '0'), (extract(year from d) || '-' || 3 * extract(quarter from d) - 2 || '-1')::date,
           extract(year from d) || '-Q' || extract(quarter from d), extract(year from d)::int, case when extract(dow from d) in (0, 6) then 0 else 32400 end::numeric, date '2026-07-01' - d::date
    from generate_series(timestamp '2024-01-01', '2027-12-31', '1 day') d $$, 'axis_date: the years of all facts and the next, office hours of Berlin');
select is_empty('select handoff_id from handoff.fact_handoff where handed_date not in (select date from handoff.axis_date) or month not in (select date from handoff.axis_date)', 'every handoff has its day there');
select bag_eq('select stage, position, contract_id from handoff.axis_stage', $$
    select s.name, s.position, s.contract_id from handoff.stage s where s.contract_id = 2 $$, 'axis_stage: as the newest published version says');
select is_empty($$ select stage from handoff.stage_history except select stage from handoff.axis_stage $$, 'all that there are');
select bag_eq('select contract_id, contract, status, in_force from handoff.axis_version', $$ values (1, 'default', 'retired', false), (2, 'default', 'published', (select effective @> timestamptz '2026-07-01 12:00+00' from handoff.contract where contract_id = 2)) $$, 'axis_version');
select bag_eq('select leg, ord, owner_from, owner_to from handoff.axis_leg', $$ values ('mql_to_sdr', 1, 'marketing', 'sdr'), ('sdr_to_ae', 2, 'sdr', 'ae') $$, 'axis_leg');
select bag_eq('select band, min_fit, min_intent, min_score from handoff.axis_band', 'select name, min_fit, min_intent, min_score from handoff.band where contract_id = 2', 'axis_band');
select bag_eq('select route, target_kind, target, is_fallback from handoff.axis_route', $$
    select name, target_kind, case when name <> 'zoe' then target end as target, name in ('sdr_fallback', 'ae_fallback') as last from handoff.route where contract_id = 2 $$, 'axis_route names no rep');
select bag_eq('select code, outcome, reason from handoff.axis_code', 'select code, outcome, reason from handoff.disposition where contract_id = 1', 'axis_code');
select bag_eq('select segment, ord from handoff.axis_segment', $$ values ('out_of_market', 11), ('enterprise', 12), ('mid_market', 13), ('small_business', 14), ('big', null), ('odd', null) $$, 'axis_segment');
select bag_eq('select lead_source, handoffs from handoff.axis_source', $$ select lead_source, sum(1)::bigint as n from handoff.handoff where lead_source <> '' group by 1 $$, 'axis_source');
select bag_eq('select pool, members from handoff.axis_pool', $$ values ('sdr', 1::bigint), ('ae', 1), ('fallback', 1) $$, 'axis_pool');
set local lead_handoff.view_time = '2027-01-01';
select bag_eq('select rep, name, active, pools, capacity from handoff.axis_rep', $$ values ('ana', 'Ana', true, 'fallback, sdr', 7), ('zoe', 'Zoe', true, 'ae', null) $$, 'axis_rep');

-- Who may read what: each view that is granted runs with nothing but what is granted
create role lh_kpi_reader;
do $$ begin perform handoff.grant_access('lh_kpi_reader', 'reader'); end $$;
create temp table seen (view_name text, rows bigint, error text);
grant insert on seen to lh_kpi_reader;
do $$
declare
    v    text;
    n    bigint;
    all_ text[] := handoff.reader_views() || '{error_rate_rep,fact_handoff}'::text[];
begin
    set local role lh_kpi_reader;
    foreach v in array all_ loop
        begin
            execute format('select count(*) from (select * from handoff.%I offset 0) x', v) into n;
            insert into seen values (v, n, null);
        exception when others then
            insert into seen values (v, null, sqlstate);
        end;
    end loop;
    reset role;
end $$;
select bag_eq('select view_name, error from seen where error is not null', $$ values ('error_rate_rep', '42501'), ('fact_handoff', '42501') $$, 'a reader reads all of his views, and no others');
select cmp_ok((select count(*) from seen where rows > 0), '>', 25::bigint, 'most of them have something to show');

select * from finish();
rollback;
