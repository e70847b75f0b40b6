-- Learn, stages and what comes back: the views of 86-stage.sql against the same numbers counted in another way, row by
-- row, over made-up stays and handoffs with every odd case among them; who is blocked or gated of leads that are fed.
begin;
set local client_min_messages = warning;
set local timezone = 'UTC';
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.add_exception('office_berlin', '2026-05-14', 'closed');
    perform handoff.publish(1);
    perform handoff.draft(1);
    update handoff.contract set reporting_zone = 'America/Los_Angeles', calendar = null where contract_id = 2;
    update handoff.disposition set reason = 'Later' where contract_id = 2 and code = 'timing';
    perform handoff.publish(2);
end $$;
set local lead_handoff.view_time = '2026-07-01 12:00+00';

-- Shape -------------------------------------------------------------------------------------------

\set views '{time_in_stage,stage_consistency,recycle_conversion,blocked,gated}'
\i test/lib/shape.sql
select is((select count(*) from col where name ~ '_den$'), 8::bigint, 'eight rates');
select set_eq($$ select view_name from mine where view_name = any (handoff.reader_views()) $$, '{time_in_stage,stage_consistency,recycle_conversion}'::text[], 'what readers may see');

-- Facts -------------------------------------------------------------------------------------------

\i test/lib/made_up.sql
create temp table zone as select contract_id, reporting_zone as zone, calendar from handoff.contract;

do $$
declare
    t    timestamptz;
    till timestamptz;
begin
    for i in 1 .. 250 loop
        insert into handoff.lead (lead_key, source, raw_key, contract_id, stage, stage_since, fields, fit, intent, group_heat, score, signals,
                                  cycle, cycle_since, trigger, trigger_at, first_seen_at, decided_at, deleted_at, last_seq)
        values ('L' || i, 'crm', 'L' || i, 1, 'lead', '2026-01-01', '{}', 0, '0', '{}', 0, '{}', 1, '2026-01-01', 'row', '2026-01-01', '2026-01-01', '2026-01-01',
                case when i % 13 = 0 then timestamptz '2026-06-20 10:00+00' end, 1);
        -- four stays, of which the last goes on, and one that was taken back
        t := timestamptz '2026-04-01 00:00+00' + pg_temp.u(i, 1) * interval '60 days';
        t := case i % 10 when 0 then timestamptz '2026-05-01 03:00+00' else t end;     -- another month by another zone
        for n in 1 .. 4 loop
            till := t + pg_temp.u(i, 10 + n) ^ 3 * interval '20 days';
            insert into handoff.stage_history (lead_key, seq, stage, owner, contract_id, entered_at, month, left_at, consistent, undone)
            select 'L' || i, n, (array['lead', 'mql', 'sal', 'recycled'])[n], case when n in (2, 3) then 'sales' when i % 7 = 0 then 'none' else 'marketing' end,
                   z.contract_id, t, to_char(t at time zone z.zone, 'YYYY-MM-01')::date, case when n < 4 then till end, pg_temp.p(i, 20 + n, 80), n = 3 and i % 11 = 0
            from zone z where z.contract_id = 1 + ((i + n) % 3 = 0)::int;
            exit when n = 2 and i % 5 = 0 or n = 1 and i % 9 = 0;
            t := till;
        end loop;
    end loop;
    -- those that end early stay there
    update handoff.stage_history h set left_at = null
    where not exists (select from handoff.stage_history n where n.lead_key = h.lead_key and n.seq > h.seq) and hashtext(h.lead_key) % 2 = 0;
    -- recycled and handed over again, up to four cycles; of some the cycles after are no longer counted
    for i in 1 .. 200 loop
        t := timestamptz '2025-09-01 00:00+00' + pg_temp.u(i, 40) * interval '250 days';
        t := case i % 15 when 0 then timestamptz '2026-07-01 12:00+00' - interval '2160 hours' - interval '10 days' else t end;
        for n in 1 .. 1 + i % 4 loop
            till := case i % 15 when 0 then t + interval '10 days' else t + pg_temp.u(i, 50 + n) * interval '30 days' end;
            insert into handoff.handoff
            select r.*
            from jsonb_populate_record(null::handoff.handoff, jsonb_strip_nulls(jsonb_build_object(
                'lead_key', 'R' || i, 'handoff_no', n, 'cycle', case when i % 17 = 0 then 1 else n end, 'leg', case when pg_temp.p(i, 60 + n, 70) then 'mql_to_sdr' else 'sdr_to_ae' end,
                'contract_id', 1 + ((i + n) % 3 = 0)::int, 'origin', case when pg_temp.p(i, 70 + n, 85) then 'contract' else 'manual' end, 'stage_from', 'lead',
                'fit', 0, 'intent', 0, 'score', 0, 'trigger', 'activity', 'trigger_at', t, 'handed_at', t, 'month', '1970-01-01', 'incomplete', false,
                'assignments', 0, 'touches', 0, 'contacts', 0, 'channels', '[]'::jsonb, 'no_show', false, 'joined_activities', 0, 'undone', 0, 'hops', 0, 'by_last_route', false, 'reroutes', 0,
                'accepted_at', case when pg_temp.p(i, 80 + n, 60) then t + interval '1 day' end,
                'opportunity_at', case when pg_temp.p(i, 90 + n, 40) then case i % 15 when 0 then t + interval '2160 hours' - interval '1 day' else t + interval '20 days' end end,
                'outcome', case when n <= i % 4 then case when pg_temp.p(i, 100 + n, 80) then 'recycle' else 'disqualified' end end,
                'code', case when n <= i % 4 then (array['timing', 'no_response', 'no longer known', null, 'due'])[1 + (i + n) % 5] end,
                'closed_at', case when n <= i % 4 then till end))) r;
            t := till + case i % 15 when 0 then interval '1 day' else pg_temp.u(i, 110 + n) * interval '200 days' end;
        end loop;
    end loop;
end $$;
select results_eq($$
    select bool_or(undone), bool_or(left_at is null), count(distinct owner) = 3, bool_or(month <> date_trunc('month', entered_at)), bool_or(left_at = entered_at) is not null,
           bool_or(exists (select from handoff.lead l where l.lead_key = h.lead_key and l.deleted_at is not null) and left_at is null and not undone)
    from handoff.stage_history h
$$, 'values (true, true, true, true, true, true)', 'every odd case of a stay is among them');

-- Stays, one by one -----------------------------------------------------------------------------------

create function pg_temp.open_time(calendar text, a timestamptz, b timestamptz) returns numeric language sql as $$
    select case when b <= a then 0 when calendar is null then extract(epoch from b - a) else (
        select coalesce(sum(extract(epoch from least(b, s.closes) - greatest(a, s.opens))), 0)
        from generate_series(a::date - 2, b::date + 2, interval '1 day') d,
             lateral (select (d::date + time '09:00') at time zone 'Europe/Berlin' as opens, (d::date + time '18:00') at time zone 'Europe/Berlin' as closes) s
        where extract(isodow from d) <= 5 and d::date <> '2026-05-14' and greatest(a, s.opens) < least(b, s.closes)) end
$$;
\i test/lib/kaplan_meier.sql
create temp table stay as
select to_char(h.entered_at at time zone z.zone, 'YYYY-MM-01')::date as month, h.stage, h.owner, h.left_at is not null as gone, h.consistent,
       h.left_at is null and l.deleted_at is null as there,
       extract(epoch from e.until - h.entered_at) as wall, pg_temp.open_time(z.calendar, h.entered_at, e.until) as business
from handoff.stage_history h
join zone z using (contract_id)
join handoff.lead l using (lead_key)
cross join lateral (select coalesce(h.left_at, l.deleted_at, '2026-07-01 12:00+00') as until) e
where h.undone is not true;
select bag_eq('select * from handoff.time_in_stage', $$
    select month, stage, owner, count(*) as entered, round(avg(gone::int), 4) as left_it, sum(gone::int) as num, count(*) as den, sum(there::int) as still,
           pg_temp.kaplan_meier(array_agg(wall), array_agg(gone), 0.5) as median, pg_temp.kaplan_meier(array_agg(wall), array_agg(gone), 0.9) as p90,
           pg_temp.kaplan_meier(array_agg(business), array_agg(gone), 0.5) as business_median, pg_temp.kaplan_meier(array_agg(business), array_agg(gone), 0.9) as business_p90
    from stay group by month, stage, owner $$, 'time_in_stage');
select bag_eq('select * from handoff.stage_consistency', $$
    select month, stage, owner, round(avg(consistent::int), 4) as rate, sum(consistent::int) as num, count(*) as den, 0::bigint as still from stay group by month, stage, owner $$, 'stage_consistency');

-- What came back, recycle by recycle ------------------------------------------------------------------

create temp table recycle (month date, leg text, code text, reason text, track text, age numeric, back numeric, accepted numeric, opportunity numeric);
do $$
declare
    r handoff.handoff;
    n handoff.handoff;
    o recycle;
begin
    for r in select * from handoff.handoff where outcome = 'recycle' and origin = 'contract' loop
        o := null;
        o.month := to_char(r.closed_at at time zone (select z.zone from zone z where z.contract_id = r.contract_id), 'YYYY-MM-01');
        o.leg := r.leg;
        o.code := r.code;
        select d.reason into o.reason from handoff.disposition d where d.contract_id = r.contract_id and d.code = r.code;
        -- what aged out goes the way of who never answered
        o.track := case r.code when 'timing' then 'stay_in_touch' when 'no_response' then 'wake_up' when 'due' then 'wake_up' end;
        o.age := extract(epoch from timestamptz '2026-07-01 12:00+00') - extract(epoch from r.closed_at);
        for n in select * from handoff.handoff h where h.lead_key = r.lead_key and h.cycle = r.cycle + 1 and h.origin = 'contract' loop
            o.back := least(o.back, extract(epoch from n.handed_at - r.closed_at));
            o.accepted := least(o.accepted, extract(epoch from n.accepted_at - r.closed_at));
            o.opportunity := least(o.opportunity, extract(epoch from n.opportunity_at - r.closed_at));
        end loop;
        insert into recycle values (o.*);
    end loop;
end $$;
create function pg_temp.share(num bigint, den bigint) returns numeric language sql as $$ select case den when 0 then null else round(num::numeric / den, 4) end $$;
select bag_eq('select * from handoff.recycle_conversion', $$
    select month, leg, code, reason, track, count(*) as n, count(back) as b, count(accepted) as a, count(opportunity) as o,
           pg_temp.share(sum((d90 and coalesce(back <= 7776000, false))::int), sum(d90::int)) as b90, sum((d90 and coalesce(back <= 7776000, false))::int) as b90n, sum(d90::int) as b90d, sum((not d90)::int) as b90o,
           pg_temp.share(sum((d90 and coalesce(accepted <= 7776000, false))::int), sum(d90::int)) as a90, sum((d90 and coalesce(accepted <= 7776000, false))::int) as a90n, sum(d90::int) as a90d, sum((not d90)::int) as a90o,
           pg_temp.share(sum((d90 and coalesce(opportunity <= 7776000, false))::int), sum(d90::int)) as o90, sum((d90 and coalesce(opportunity <= 7776000, false))::int) as o90n, sum(d90::int) as o90d, sum((not d90)::int) as o90o,
           pg_temp.share(sum((d180 and coalesce(back <= 15552000, false))::int), sum(d180::int)) as b180, sum((d180 and coalesce(back <= 15552000, false))::int) as b180n, sum(d180::int) as b180d, sum((not d180)::int) as b180o,
           pg_temp.share(sum((d180 and coalesce(accepted <= 15552000, false))::int), sum(d180::int)) as a180, sum((d180 and coalesce(accepted <= 15552000, false))::int) as a180n, sum(d180::int) as a180d, sum((not d180)::int) as a180o,
           pg_temp.share(sum((d180 and coalesce(opportunity <= 15552000, false))::int), sum(d180::int)) as o180, sum((d180 and coalesce(opportunity <= 15552000, false))::int) as o180n, sum(d180::int) as o180d, sum((not d180)::int) as o180o
    from (select *, age >= 7776000 as d90, age >= 15552000 as d180 from recycle) r group by month, leg, code, reason, track $$, 'recycle_conversion');
select results_eq($$ select count(*) > 100, count(back) > 30, count(accepted) > 10, count(opportunity) > 10, bool_or(age = 7776000), bool_or(opportunity = 7776000 + 0 * age), bool_or(back > 7776000), count(distinct track) = 2, bool_or(code = 'due') from recycle $$,
    'values (true, true, true, true, true, true, true, true, true)', 'of all sorts');
select is((select sum(recycled) from handoff.recycle_conversion), (select sum(recycle_rate_num) from handoff.kpi_leg where cycle = 'all'), 'as many as the kpi_ views have');

-- Who does not go on --------------------------------------------------------------------------------

do $$ begin
    perform handoff.teardown(really => true);
    perform handoff.setup();
    perform handoff.load_template('b2b_saas');
    perform handoff.publish();
end $$;
create schema crm;
create table crm.lead (id text primary key, email text, company text, seniority text, industry text, country text, employees int, status text, opted_out boolean, lead_source text, updated_at timestamptz);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, page text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
end $$;
insert into crm.lead select 'l' || i, case when i % 5 > 0 then 'p' || case i when 11 then 7 else i end || '@c' || i || '.example' end, case when i % 7 > 0 then 'C' || i end, 'C-Level', 'Software', 'DE', 500,
                            case when i % 4 = 0 then 'On Hold' else 'Open' end, i % 6 = 0, (array['web', 'event', null])[1 + i % 3], '2026-06-01' from generate_series(1, 60) i;
do $$ begin perform handoff.tick('2026-06-01 10:00+00'); end $$;
insert into crm.act select 'a' || i, 'l' || i, '2026-06-01 10:30+00', 'form', '/demo' from generate_series(1, 60) i;
do $$ begin perform handoff.tick('2026-06-01 11:00+00'); end $$;
set local lead_handoff.view_time = '2026-06-02 11:00:10+00';
create temp table held as
select l.lead_key, l.stage, l.gate_code, l.blocked_since, l.blocked_fields, c.i % 6 = 0 as opted_out, c.i % 4 = 0 as on_hold, c.i % 5 > 0 as has_email, c.i % 7 > 0 as has_company
from handoff.lead l, lateral (select substr(l.lead_key, 2)::int as i) c;
select results_eq($$ select count(*) filter (where gate_code is not null) > 10, count(*) filter (where blocked_since is not null) > 10, count(*) filter (where stage = 'mql') > 10 from held $$,
    'values (true, true, true)', 'some of each sort');
select bag_eq('select lead_key, stage, leg, fields, missing, blocked_since, waiting_seconds, due_at, remaining_seconds, next_action from handoff.blocked', $$
    select lead_key, 'lead' as s, 'mql_to_sdr' as l, (not has_email)::int + (not has_company)::int as n, concat_ws(', ', case when not has_company then 'company' end, case when not has_email then 'email' end) as m,
           timestamptz '2026-06-01 11:00+00' as t, 86410::numeric as w, timestamptz '2026-06-04 11:00+00' as d, 172790::numeric as r, 'hand_over' as then
    from held where not opted_out and not on_hold and not (has_email and has_company) $$, 'blocked: who lacks a field');
select bag_eq('select lead_key, stage, leg, code, action, duplicate_of, gated_since, waiting_seconds, review_at from handoff.gated', $$
    select lead_key, 'lead' as s, 'mql_to_sdr' as l, case when opted_out then 'opt_out' else 'on_hold' end as c, case when opted_out then 'suppress' else 'hold' end as a, null::text as d,
           timestamptz '2026-06-01 11:00+00' as t, 86410::numeric as w, (select k.next_at from handoff.clock k where k.lead_key = held.lead_key and k.kind = 'review')
    from held where opted_out or on_hold $$, 'gated: who opted out or is on hold');
select is_empty($$ select lead_key from handoff.gated where action = 'hold' and review_at is distinct from '2026-06-02 11:00+00' $$, 'what is on hold is looked at again after a day');
select bag_eq('select lead_key, lead_source from handoff.handoff', $$ select l.lead_key, c.lead_source from held l join crm.lead c on c.id = l.lead_key where l.stage = 'mql' $$, 'what was handed over came from');
select is_empty($$ select d.what from handoff.doctor() d where d.severity = 'error' $$, 'doctor finds nothing');

-- fields of those names that are no text are none
do $$ begin
    perform handoff.draft(1);
    delete from handoff.derived where contract_id = 2 and field = 'segment';
    delete from handoff.score_rule where contract_id = 2 and criteria::text ~ 'segment';
    update handoff.route set criteria = null where contract_id = 2 and criteria::text ~ 'segment';
    insert into handoff.field (contract_id, of, name, type) values (2, 'lead', 'segment', 'bigint');
    update handoff.field set type = 'boolean' where contract_id = 2 and name = 'lead_source';
    perform handoff.publish(2);
    update handoff.source set mapping = mapping - 'lead_source' || '{"lead_source": "opted_out", "segment": "employees"}' where kind = 'lead';
end $$;
insert into crm.lead values ('l70', 'p70@c70.example', 'C70', 'C-Level', 'Software', 'DE', 500, 'Open', false, 'web', '2026-06-02 11:00+00');
insert into crm.act values ('a70', 'l70', '2026-06-02 10:30+00', 'form', '/demo');
do $$ begin perform handoff.tick('2026-06-30 22:00+00'); end $$;
select results_eq($$ select contract_id, lead_source, segment, month from handoff.handoff where lead_key = 'l70' $$, $$ values (2, null::text, null::text, date '2026-07-01') $$,
    'neither text nor date of the session are taken for what they are not');
update handoff.handoff set month = '2026-06-01' where lead_key = 'l70';
update handoff.stage_history set month = '2026-06-01' where lead_key = 'l70' and stage = 'mql';
select bag_eq('select invariant, what from handoff.doctor() where severity = ''error'' and invariant = 21', $$ values
    (21, 'lead "l70": the month of handoff 1 is 2026-06-01, not 2026-07-01'), (21, 'lead "l70": the month of its stay in "mql" is 2026-06-01, not 2026-07-01') $$, 'doctor sees a wrong month');

select * from finish();
rollback;
