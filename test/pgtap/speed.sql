-- Learn, time: every view of 82-speed.sql against the same numbers counted in another way, row by row, over some
-- hundred handoffs and clocks with hours, holidays, zones and pauses of all kinds; open time added up day by day in
-- plain SQL, Kaplan and Meier step by step with exact fractions; and leads that are really fed, over a weekend.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.add_calendar('berlin', 'mon-fri 09:00-17:00 @ Europe/Berlin');
    perform handoff.add_exception('berlin', '2026-06-04', 'closed');
    perform handoff.add_exception('berlin', '2026-06-29', 'closed');
    perform handoff.add_calendar('la', 'mon-sat 08:00-12:00 @ America/Los_Angeles');
    delete from handoff.sla;
    insert into handoff.sla (contract_id, name, ord, leg, metric, scope, target, clock)
    select 1, l.name || '_' || m.metric, m.ord, l.name, m.metric, 'lead', interval '8 hours', case m.ord % 2 when 0 then 'elapsed' else 'business' end
    from handoff.leg l, unnest('{accept,first_touch,next_touch,response,decision,meeting_held}'::text[]) with ordinality m (metric, ord);
    insert into handoff.escalation (contract_id, sla, step, offset_from_due, action, recipient) values
        (1, 'mql_to_sdr_accept', 1, '-1 hour', 'remind', null), (1, 'mql_to_sdr_accept', 2, '0', 'notify', 'manager'), (1, 'sdr_to_ae_accept', 1, '1 hour', 'reassign', null);
    update handoff.contract set calendar = 'berlin' where contract_id = 1;
    perform handoff.publish(1);
    perform handoff.draft(1);
    update handoff.contract set reporting_zone = 'America/Los_Angeles', calendar = null where contract_id = 2;
    perform handoff.publish(2);
    update handoff.pool set calendar = 'la' where pool = 'ae';
    insert into handoff.rep (rep, name, schedule, calendar, zone) values
        ('own', 'Own hours', 'mon-thu 10:00-14:00 @ Europe/London', null, 'Asia/Tokyo'),
        ('days_off', 'Own hours, holidays of a calendar', 'mon-sun 07:30-19:00 @ Europe/Berlin', 'berlin', null),
        ('calendar', 'Those of a calendar', null, 'la', null),
        ('zone', 'Those of a calendar, in his own zone', null, 'berlin', 'Asia/Tokyo'),
        ('far', 'Those of whom he works for, in his own zone', null, null, 'Asia/Tokyo'),
        ('none', 'Those of whom he works for', null, null, null);
end $$;
set local lead_handoff.view_time = '2026-07-01 12:00+00';

-- Shape -------------------------------------------------------------------------------------------

\set views '{speed_to_lead,speed_to_lead_rep,sla_attainment,sla_attainment_rep,response_split,follow_up_depth,at_risk}'
\i test/lib/shape.sql
select is_empty($$
    select distinct m.view_name, p.oid::regprocedure
    from mine m
    join pg_rewrite w on w.ev_class = m.oid
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_proc'::regclass
    join pg_proc p on p.oid = d.refobjid
    where p.proname not in ('view_time', 'kaplan_meier')
$$, 'no function of ours but view_time() and kaplan_meier()');
select set_eq($$ select view_name from mine where view_name = any (handoff.reader_views()) $$,
    '{speed_to_lead,sla_attainment,response_split,follow_up_depth}'::text[], 'which those are');

-- Facts -------------------------------------------------------------------------------------------

\i test/lib/made_up.sql
\i test/lib/handed.sql

do $$
declare
    t      timestamptz;
    closed timestamptz;
    touch  timestamptz;
    k      record;
    due    timestamptz;
    stop   timestamptz;
    hold   tstzmultirange;
begin
    for i in 1 .. 500 loop
        t := timestamptz '2026-05-20 00:00+00' + pg_temp.u(i, 1) * interval '42 days';
        t := case i % 20
                 when 0 then timestamptz '2026-06-01 03:00+00' + (i % 3) * interval '30 days'    -- another month by another zone
                 when 1 then timestamptz '2026-07-01 12:00+00' - (i / 20 % 4) * interval '5 minutes'  -- just now
                 else t
             end;
        closed := case when pg_temp.p(i, 2, 50) then least(t + pg_temp.u(i, 3) * interval '20 days', timestamptz '2026-07-01 11:59+00') end;
        touch := case when pg_temp.p(i, 11, 65) then t + case i % 10 when 2 then interval '4 minutes' else pg_temp.u(i, 12) ^ 4 * interval '6 days' end end;
        perform pg_temp.hand(i, case when pg_temp.p(i, 4, 60) then 'mql_to_sdr' else 'sdr_to_ae' end, jsonb_strip_nulls(jsonb_build_object(
            'contract_id', 1 + (pg_temp.p(i, 6, 30))::int,
            'origin', case when pg_temp.p(i, 7, 80) then 'contract' else (array['self_booked', 'manual', 'crm'])[1 + i % 3] end,
            'band', (array['A', 'B', 'C', null])[1 + i % 4],
            'segment', (array['small', 'big', null])[1 + i % 3],
            'pool', case when pg_temp.p(i, 8, 80) then (array['sdr', 'ae'])[1 + i % 2] end,
            'rep', case when pg_temp.p(i, 9, 85) then (array['own', 'days_off', 'calendar', 'zone', 'far', 'none'])[1 + i % 6] end,
            'trigger_at', t - case i % 20 when 1 then interval '0' else pg_temp.u(i, 10) * interval '2 hours' end,
            'seen_at', case when pg_temp.p(i, 13, 90) then t - pg_temp.u(i, 14) * interval '1 hour' end,
            'handed_at', t,
            'assigned_at', case when pg_temp.p(i, 9, 90) then t + pg_temp.u(i, 15) ^ 2 * interval '1 day' end,
            'delivered_at', case when pg_temp.p(i, 9, 60) then t + pg_temp.u(i, 15) ^ 2 * interval '1 day' + interval '9 seconds' end,
            'first_touch_at', touch,
            -- of some as it was found then, of the others not
            'first_touch_business_seconds', case when touch is not null and pg_temp.p(i, 16, 50) then round(pg_temp.u(i, 17)::numeric ^ 3 * 100000, 6) end,
            'touches', case when touch is not null then 1 + floor(pg_temp.u(i, 18) * 8) else 0 end,
            'contacts', case when touch is not null then floor(pg_temp.u(i, 19) * 5) else 0 end,
            'channels', case when touch is not null then to_jsonb(('{call,email,linkedin,sms}'::text[])[1:floor(pg_temp.u(i, 20) * 5)::int]) else '[]' end,
            'outcome', case when closed is not null then (array['recycle', 'disqualified', 'withdrawn', 'next_leg', 'won'])[1 + i % 5] end,
            'code', case when closed is not null then (array['timing', 'no_budget', null])[1 + i % 3] end,
            'closed_at', closed)));
    end loop;
    -- clocks of every kind
    for k in
        select h.lead_key, h.handoff_no, h.handed_at, h.rep, h.pool, s.name, n, (row_number() over (order by h.lead_key, s.name, n))::int as i
        from handoff.handoff h
        join handoff.sla s on s.contract_id = h.contract_id and s.leg = h.leg
        cross join generate_series(1, 2) n
        where hashtextextended(h.lead_key || s.name, n) % 4 = 0
    loop
        t := case when pg_temp.p(k.i, 1, 50) then k.handed_at else timestamptz '2026-07-01 12:00+00' - pg_temp.u(k.i, 2) * interval '4 days' end;
        due := t + case k.i % 10 when 0 then interval '0' when 1 then timestamptz '2026-07-01 12:00+00' - t else pg_temp.u(k.i, 3) * interval '5 days' end;
        stop := case when pg_temp.p(k.i, 4, 50) then least(t + pg_temp.u(k.i, 5) * interval '6 days', timestamptz '2026-07-01 11:00+00') end;
        continue when stop < t;
        hold := case when pg_temp.p(k.i, 6, 70) then '{}'
                     when stop is null and pg_temp.p(k.i, 7, 50)
                         then tstzmultirange(tstzrange(t + pg_temp.u(k.i, 8) * (timestamptz '2026-07-01 12:00+00' - t), null))
                     else tstzmultirange(tstzrange(t + interval '1 hour', t + interval '20 hours'), tstzrange(t + interval '30 hours', t + interval '50 hours'))
                          * tstzmultirange(tstzrange(null, coalesce(stop, timestamptz '2026-07-01 12:00+00'))) end;
        insert into handoff.clock (lead_key, handoff_no, kind, name, n, rep, pool, started_at, due_at, stopped_at, verdict, business_seconds, pauses, paused, next_step, next_at)
        values (k.lead_key, k.handoff_no, 'sla', k.name, k.n,
                case when pg_temp.p(k.i, 9, 70) then (array['own', 'days_off', 'calendar', 'zone', 'far', 'none', 'long gone'])[1 + k.i % 7] end,
                case when pg_temp.p(k.i, 9, 70) then (array['sdr', 'ae', null])[1 + k.i % 3] end,
                t, case when k.i % 29 > 0 then due end, stop,
                case when stop is null then null when k.i % 6 = 0 then 'void' when stop > due then 'missed' else 'met' end,
                case when stop is not null then round(pg_temp.u(k.i, 10)::numeric * 50000, 6) end, hold, upper_inf(hold),
                1 + k.i % 3, case when k.i % 3 < 2 then due end);
    end loop;
end $$;
select results_eq($$
    select count(*) = 500, bool_or(seen_at is null), bool_or(assigned_at > first_touch_at), bool_or(first_touch_at is not null and first_touch_business_seconds is null),
           bool_or(handed_at = handoff.view_time()), bool_or(touches = 0), bool_or(touches > 6), bool_or(touches = 6), bool_or(outcome = 'withdrawn'),
           bool_or(contract_id = 2 and extract(month from handed_at at time zone 'Europe/Berlin') <> extract(month from handed_at at time zone 'America/Los_Angeles'))
    from handoff.handoff
$$, $$ values (true, true, true, true, true, true, true, true, true, true) $$, 'every odd case of a handoff is among them');
select results_eq($$
    select bool_or(stopped_at is null and due_at < handoff.view_time() and not paused), bool_or(paused and due_at <= lower(pauses)), bool_or(paused and due_at > lower(pauses)),
           bool_or(stopped_at is null and due_at = handoff.view_time()), bool_or(due_at is null), bool_or(verdict = 'void'), bool_or(rep is null), bool_or(due_at = started_at),
           bool_or(stopped_at is not null and pauses <> '{}'), bool_or(stopped_at is null and not paused and pauses <> '{}')
    from handoff.clock where kind = 'sla'
$$, $$ values (true, true, true, true, true, true, true, true, true, true) $$, 'and of a clock');

-- Open time, day by day -----------------------------------------------------------------------------

create temp table hours (name text, zone text, days int[], opens time, closes time, holidays date[]);
insert into hours values
    ('berlin', 'Europe/Berlin', '{1,2,3,4,5}', '09:00', '17:00', '{2026-06-04,2026-06-29}'),
    ('la', 'America/Los_Angeles', '{1,2,3,4,5,6}', '08:00', '12:00', '{}'),
    ('own', 'Europe/London', '{1,2,3,4}', '10:00', '14:00', '{}'),
    ('days_off', 'Europe/Berlin', '{1,2,3,4,5,6,7}', '07:30', '19:00', '{2026-06-04,2026-06-29}'),
    ('berlin in Tokyo', 'Asia/Tokyo', '{1,2,3,4,5}', '09:00', '17:00', '{2026-06-04,2026-06-29}'),
    ('la in Tokyo', 'Asia/Tokyo', '{1,2,3,4,5,6}', '08:00', '12:00', '{}');
create function pg_temp.open_time(which text, a timestamptz, b timestamptz) returns numeric language sql as $$
    select case
        when b <= a then 0
        when which is null then extract(epoch from b - a)
        else (select coalesce(sum(extract(epoch from least(b, s.closes) - greatest(a, s.opens))), 0)
              from hours h,
                   generate_series(a::date - 2, b::date + 2, interval '1 day') d,
                   lateral (select (d::date + h.opens) at time zone h.zone as opens, (d::date + h.closes) at time zone h.zone as closes) s
              where h.name = which and extract(isodow from d) = any (h.days) and d::date <> all (h.holidays) and greatest(a, s.opens) < least(b, s.closes))
    end
$$;
-- whose hours count: his own, else those of his calendar, of the pool's, of the contract's; the latter in his zone
create function pg_temp.hours_of(rep text, pool text, contract text) returns text language sql as $$
    select case rep
        when 'own' then 'own'
        when 'days_off' then 'days_off'
        when 'calendar' then 'la'
        when 'zone' then 'berlin in Tokyo'
        when 'far' then coalesce(case pool when 'ae' then 'la' end, contract) || ' in Tokyo'
        else coalesce(case pool when 'ae' then 'la' end, contract)
    end
$$;
create function pg_temp.contract_hours(contract int) returns text language sql as $$ select case contract when 1 then 'berlin' end $$;

\i test/lib/kaplan_meier.sql

-- Speed to lead ---------------------------------------------------------------------------------------

create temp table wait as
select h.*, date_trunc('month', h.handed_at at time zone c.reporting_zone)::date as cohort,
       h.first_touch_at is not null as touched, h.closed_at is null and h.first_touch_at is null as waits,
       greatest(extract(epoch from coalesce(h.first_touch_at, h.closed_at, '2026-07-01 12:00+00') - h.trigger_at), 0) as wall,
       coalesce(h.first_touch_business_seconds,
                pg_temp.open_time(pg_temp.contract_hours(h.contract_id), h.trigger_at, coalesce(h.first_touch_at, h.closed_at, '2026-07-01 12:00+00'))) as business
from handoff.handoff h
join handoff.contract c using (contract_id)
where h.origin in ('self_booked', 'contract') and coalesce(h.outcome, '') <> 'withdrawn';
alter table wait drop month;
alter table wait rename cohort to month;
select bag_eq('select lead_key, handoff_no, response_seconds, round(response_business_seconds, 6) from handoff.fact_handoff where counted',
    'select lead_key, handoff_no, wall, round(business, 6) from wait', 'how long each has waited, by both clocks');

create temp table waits as
select w.month, w.leg, d.dimension, d.value, w.touched, w.waits, w.wall, w.business
from wait w
cross join lateral (values ('all', null), ('pool', pool), ('band', band), ('segment', segment), ('version', contract_id::text), ('rep', rep)) d (dimension, value);
create temp view speed as
select month, leg, dimension, value, count(*) as handed, sum(touched::int) as touched,
       round(avg((touched and wall <= 300)::int), 4) as within_5m, sum((touched and wall <= 300)::int) as within_5m_num, sum((waits and wall <= 300)::int) as within_5m_open,
       round(avg((touched and wall <= 3600)::int), 4) as within_1h, sum((touched and wall <= 3600)::int) as within_1h_num, sum((waits and wall <= 3600)::int) as within_1h_open,
       round(avg((touched and wall <= 86400)::int), 4) as within_24h, sum((touched and wall <= 86400)::int) as within_24h_num, sum((waits and wall <= 86400)::int) as within_24h_open,
       pg_temp.kaplan_meier(array_agg(wall), array_agg(touched), 0.5) as median, pg_temp.kaplan_meier(array_agg(wall), array_agg(touched), 0.9) as p90,
       round(avg((touched and business <= 300)::int), 4) as business_5m, sum((touched and business <= 300)::int) as business_5m_num, sum((waits and business <= 300)::int) as business_5m_open,
       round(avg((touched and business <= 3600)::int), 4) as business_1h, sum((touched and business <= 3600)::int) as business_1h_num, sum((waits and business <= 3600)::int) as business_1h_open,
       round(avg((touched and business <= 86400)::int), 4) as business_24h, sum((touched and business <= 86400)::int) as business_24h_num, sum((waits and business <= 86400)::int) as business_24h_open,
       pg_temp.kaplan_meier(array_agg(business), array_agg(touched), 0.5) as business_median, pg_temp.kaplan_meier(array_agg(business), array_agg(touched), 0.9) as business_p90
from waits group by month, leg, dimension, value;
create function pg_temp.speed_columns() returns text language sql as $$ select
    'handed, touched, within_5m, within_5m_num, within_5m_open, within_1h, within_1h_num, within_1h_open, within_24h, within_24h_num, within_24h_open, median_seconds, p90_seconds,'
    'within_5m_business, within_5m_business_num, within_5m_business_open, within_1h_business, within_1h_business_num, within_1h_business_open,'
    'within_24h_business, within_24h_business_num, within_24h_business_open, median_business_seconds, p90_business_seconds' $$;
select bag_eq('select month, leg, dimension, value, ' || pg_temp.speed_columns() || ' from handoff.speed_to_lead', $$ select * from speed where dimension <> 'rep' $$, 'speed_to_lead');
select bag_eq('select month, leg, ''rep'', rep, ' || pg_temp.speed_columns() || ' from handoff.speed_to_lead_rep', $$ select * from speed where dimension = 'rep' $$, 'speed_to_lead_rep');
select is_empty($$ select * from handoff.speed_to_lead where handed <> all (array[within_5m_den, within_1h_den, within_24h_den, within_5m_business_den, within_1h_business_den, within_24h_business_den]) $$,
    'of all handoffs');
select results_eq($$ select dimension, sum(handed) from handoff.speed_to_lead group by 1 order by 1 $$,
    $$ select d, (select count(*) from wait)::numeric from unnest('{all,band,pool,segment,version}'::text[]) d order by 1 $$, 'each dimension has them all');
select results_eq($$ select bool_or(median_seconds is null), bool_or(median_seconds is not null), bool_or(p90_business_seconds is null), bool_or(p90_business_seconds is not null),
                            bool_or(within_5m_open > 0), bool_or(within_24h_business_open > within_24h_open), bool_or(median_business_seconds < median_seconds) from handoff.speed_to_lead $$,
    'values (true, true, true, true, true, true, true)', 'of all sorts');

-- SLAs ----------------------------------------------------------------------------------------------

create temp table truth (lead_key text, handoff_no int, sla text, n int, month date, leg text, metric text, counted boolean, band text, segment text, version text, rep text, pool text,
                         clock text, verdict text, stopped boolean, paused boolean, elapsed numeric, business numeric, target numeric, remaining numeric, remaining_business numeric,
                         is_open boolean);
do $$
declare
    k      record;
    now    timestamptz := '2026-07-01 12:00+00';
    mine   text;
    upto   timestamptz;
    pause  tstzrange;
    lost   numeric;
    closed numeric;
    before numeric;
    since  timestamptz;
    v      text;
begin
    for k in
        select c.*, s.metric, s.clock as counts, h.leg, h.contract_id, h.band, h.segment, h.rep as owner, h.pool as owners_pool, h.closed_at,
               h.origin in ('self_booked', 'contract') and coalesce(h.outcome, '') <> 'withdrawn' as counted,
               date_trunc('month', h.handed_at at time zone t.reporting_zone)::date as month
        from handoff.clock c
        join handoff.handoff h on (h.lead_key, h.handoff_no) = (c.lead_key, c.handoff_no)
        join handoff.contract t on t.contract_id = h.contract_id
        join handoff.sla s on (s.contract_id, s.name) = (h.contract_id, c.name)
        where c.kind = 'sla'
    loop
        mine := pg_temp.hours_of(k.rep, k.pool, pg_temp.contract_hours(k.contract_id));
        upto := coalesce(k.stopped_at, now);
        lost := 0; closed := 0; before := 0; since := null;
        foreach pause in array array(select unnest(k.pauses)) loop
            lost := lost + extract(epoch from least(coalesce(upper(pause), 'infinity'), upto) - lower(pause));
            closed := closed + pg_temp.open_time(mine, lower(pause), least(coalesce(upper(pause), 'infinity'), upto));
            if upper(pause) is null then
                since := lower(pause);
            elsif lower(pause) < k.due_at then
                before := before + case k.counts when 'elapsed' then extract(epoch from upper(pause) - lower(pause)) else pg_temp.open_time(mine, lower(pause), upper(pause)) end;
            end if;
        end loop;
        v := k.verdict;
        if k.stopped_at is null then
            v := case when k.due_at < now and (since is null or since >= k.due_at) then 'missed' else 'running' end;
        end if;
        insert into truth values (k.lead_key, k.handoff_no, k.name, k.n, k.month, k.leg, k.metric, k.counted, k.band, k.segment, k.contract_id::text,
            coalesce(k.rep, k.owner), case when k.rep is null then k.owners_pool else k.pool end,
            k.counts, v, k.stopped_at is not null, k.paused, extract(epoch from upto - k.started_at) - lost,
            coalesce(k.business_seconds, pg_temp.open_time(mine, k.started_at, upto) - closed),
            case when k.due_at is not null then
                case k.counts when 'elapsed' then extract(epoch from k.due_at - k.started_at) else pg_temp.open_time(mine, k.started_at, k.due_at) end - before end,
            case when k.stopped_at is null then extract(epoch from k.due_at - now) end,
            case when k.stopped_at is null and k.due_at is not null then pg_temp.open_time(mine, now, k.due_at) - pg_temp.open_time(mine, k.due_at, now) end,
            k.closed_at is null);
    end loop;
end $$;
select bag_eq($$ select lead_key, handoff_no, sla, n, month, leg, metric, counted, band, segment, contract_id::text, rep, pool, clock, verdict, stopped_at is not null as stopped, paused,
                        elapsed_seconds, round(business_seconds, 6) as b, round(target_seconds, 6) as t, remaining_seconds, round(remaining_business_seconds, 6) as r, is_open from handoff.fact_clock $$,
    'select lead_key, handoff_no, sla, n, month, leg, metric, counted, band, segment, version, rep, pool, clock, verdict, stopped, paused,
            elapsed, round(business, 6) as b, round(target, 6) as t, remaining, round(remaining_business, 6) as r, is_open from truth', 'each clock');
create temp view attained as
select month, leg, sla, metric, d.dimension, d.value,
       round(sum((verdict = 'met')::int)::numeric / nullif(sum((verdict in ('met', 'missed'))::int), 0), 4) as attainment,
       sum((verdict = 'met')::int) as met, sum((verdict in ('met', 'missed'))::int) as judged, sum((verdict = 'running')::int) as running,
       sum((verdict = 'missed')::int) as missed, sum((verdict = 'missed' and not stopped)::int) as overdue, sum((verdict = 'running' and paused)::int) as paused,
       sum((verdict = 'void')::int) as void,
       pg_temp.kaplan_meier(array_agg(elapsed) filter (where verdict in ('met', 'missed')), array_agg(stopped) filter (where verdict in ('met', 'missed')), 0.5) as median,
       pg_temp.kaplan_meier(array_agg(elapsed) filter (where verdict in ('met', 'missed')), array_agg(stopped) filter (where verdict in ('met', 'missed')), 0.9) as p90,
       pg_temp.kaplan_meier(array_agg(business) filter (where verdict in ('met', 'missed')), array_agg(stopped) filter (where verdict in ('met', 'missed')), 0.5) as business_median,
       pg_temp.kaplan_meier(array_agg(business) filter (where verdict in ('met', 'missed')), array_agg(stopped) filter (where verdict in ('met', 'missed')), 0.9) as business_p90
from truth
cross join lateral (values ('all', null), ('pool', pool), ('band', band), ('segment', segment), ('version', version), ('rep', rep)) d (dimension, value)
where counted group by month, leg, sla, metric, d.dimension, d.value;
create function pg_temp.sla_columns() returns text language sql as $$ select
    'attainment, attainment_num, attainment_den, attainment_open, missed, overdue, paused, void, median_seconds, p90_seconds, median_business_seconds, p90_business_seconds' $$;
select bag_eq('select month, leg, sla, metric, dimension, value, ' || pg_temp.sla_columns() || ' from handoff.sla_attainment', $$ select * from attained where dimension <> 'rep' $$, 'sla_attainment');
select bag_eq('select month, leg, sla, metric, ''rep'', rep, ' || pg_temp.sla_columns() || ' from handoff.sla_attainment_rep', $$ select * from attained where dimension = 'rep' $$, 'sla_attainment_rep');
select results_eq($$ select bool_or(attainment is null), bool_or(overdue > 0), bool_or(paused > 0), bool_or(void > 0), bool_or(median_seconds is null and attainment_den > 0), count(distinct metric) from handoff.sla_attainment $$,
    'values (true, true, true, true, true, 6::bigint)', 'of all sorts');

-- What burns --------------------------------------------------------------------------------------------

select bag_eq($$ select lead_key, handoff_no, sla, n, metric, rep, pool, clock, overdue, paused, remaining_seconds, remaining_business_seconds, target_seconds, share_left from handoff.at_risk $$, $$
    select lead_key, handoff_no, sla, n, metric, rep, pool, clock, verdict = 'missed' as overdue, paused, round(remaining) as r, round(remaining_business) as b, round(target) as t,
           round(own / nullif(target, 0), 4) as share
    from truth, lateral (select case clock when 'elapsed' then remaining else remaining_business end as own) o
    where is_open and not stopped and (verdict = 'missed' or (verdict = 'running' and not paused and own <= target / 4)) $$, 'at_risk');
select results_eq($$ select bool_or(overdue), bool_or(not overdue), bool_or(remaining_seconds = 0 and not overdue), bool_or(paused), count(distinct metric), bool_or(clock = 'business'), bool_or(clock = 'elapsed'),
                            bool_or(share_left is null), bool_or(remaining_business_seconds <> remaining_seconds) from handoff.at_risk $$,
    'values (true, true, true, true, 6::bigint, true, true, true, true)', 'overdue, soon, and due just now, of every metric');
select bag_eq($$ select lead_key, sla, n, next_step, next_action, next_at from handoff.at_risk $$, $$
    select r.lead_key, r.sla, r.n, case when c.next_at is not null then c.next_step end as step,
           case when c.next_at is not null then case c.name || c.next_step when 'mql_to_sdr_accept1' then 'remind' when 'mql_to_sdr_accept2' then 'notify' when 'sdr_to_ae_accept1' then 'reassign' end end as action,
           c.next_at
    from handoff.at_risk r join handoff.clock c on (c.lead_key, c.name, c.n) = (r.lead_key, r.sla, r.n) and c.kind = 'sla' $$, 'and what comes next');
select cmp_ok((select count(distinct next_action) from handoff.at_risk), '>=', 2::bigint, 'of several kinds');

-- Where the time goes -----------------------------------------------------------------------------------

select bag_eq('select month, leg, position, hop, handed, begun, ended, median_seconds, p90_seconds from handoff.response_split', $$
    select month, leg, position, hop, count(*) as handed, sum((a is not null)::int) as begun, sum((a is not null and b is not null)::int) as ended,
           pg_temp.kaplan_meier(array_agg(greatest(extract(epoch from coalesce(b, closed_at, '2026-07-01 12:00+00') - a), 0)) filter (where a is not null),
                                array_agg(b is not null) filter (where a is not null), 0.5) as median,
           pg_temp.kaplan_meier(array_agg(greatest(extract(epoch from coalesce(b, closed_at, '2026-07-01 12:00+00') - a), 0)) filter (where a is not null),
                                array_agg(b is not null) filter (where a is not null), 0.9) as p90
    from wait
    cross join lateral (values
        (1, 'occurred_to_seen', case when seen_at is not null then trigger_at end, seen_at),
        (2, 'seen_to_handed', seen_at, handed_at),
        (3, 'handed_to_assigned', handed_at, assigned_at),
        (4, 'assigned_to_delivered', assigned_at, delivered_at),
        (5, 'delivered_to_touched', delivered_at, first_touch_at),
        (6, 'assigned_to_touched', assigned_at, first_touch_at)) s (position, hop, a, b)
    group by month, leg, position, hop $$, 'response_split');

-- How often somebody tried ------------------------------------------------------------------------------

select bag_eq('select * from handoff.follow_up_depth', $$
    select month, leg, outcome, code, sum(1) as n, t[1] as t0, t[2] as t1, t[3] as t2, t[4] as t3, t[5] as t4, t[6] as t5, t[7] as t6, round(sum(touches)::numeric / sum(1), 4) as touches,
           c[1] as c0, c[2] as c1, c[3] as c2, c[4] as c3, round(sum(cardinality(channels))::numeric / sum(1), 4) as channels,
           n[1] as n0, n[2] as n1, n[3] as n2, n[4] as n3, round(sum(contacts)::numeric / sum(1), 4) as contacts,
           round(t[7]::numeric / sum(1), 4) as six, t[7] as six_num, sum(1) as six_den, sum((touches < 6 and closed_at is null)::int) as six_open,
           round(t[1]::numeric / sum(1), 4) as never, t[1] as never_num, sum(1) as never_den, sum((touches = 0 and closed_at is null)::int) as never_open
    from wait
    join lateral (select array_agg((select count(*) from wait x where (x.month, x.leg) = (wait.month, wait.leg) and (x.outcome, x.code) is not distinct from (wait.outcome, wait.code)
                                      and least(x.touches, 6) = i) order by i) as t from generate_series(0, 6) i) t on true
    join lateral (select array_agg((select count(*) from wait x where (x.month, x.leg) = (wait.month, wait.leg) and (x.outcome, x.code) is not distinct from (wait.outcome, wait.code)
                                      and least(cardinality(x.channels), 3) = i) order by i) as c from generate_series(0, 3) i) c on true
    join lateral (select array_agg((select count(*) from wait x where (x.month, x.leg) = (wait.month, wait.leg) and (x.outcome, x.code) is not distinct from (wait.outcome, wait.code)
                                      and least(x.contacts, 3) = i) order by i) as n from generate_series(0, 3) i) n on true
    group by month, leg, outcome, code, t, c, n $$, 'follow_up_depth');
select results_eq('select bool_or(six_touches_num > 0), bool_or(never_touched_open > 0), bool_or(outcome is null), bool_or(code is not null), bool_or(channels_3_up > 0) from handoff.follow_up_depth',
    'values (true, true, true, true, true)', 'of all sorts');

-- Who may ------------------------------------------------------------------------------------------------

do $$ begin create role speed_reader; perform handoff.grant_access('speed_reader', 'reader'); end $$;
create temp table told as select (select count(*) from handoff.speed_to_lead) + (select count(*) from handoff.sla_attainment) + (select count(*) from handoff.response_split) + (select count(*) from handoff.follow_up_depth) as n,
    (select jsonb_agg(to_jsonb(s) order by to_jsonb(s)) from handoff.sla_attainment s) as attained;
grant select on told to speed_reader;
set local role speed_reader;
create temp view untold as select (select count(*) from handoff.speed_to_lead) + (select count(*) from handoff.sla_attainment) + (select count(*) from handoff.response_split) + (select count(*) from handoff.follow_up_depth) as n,
    (select jsonb_agg(to_jsonb(s) order by to_jsonb(s)) from handoff.sla_attainment s) as attained;
do $$ begin
    assert (select t.n = u.n and t.attained = u.attained from told t, untold u), 'a reader reads the same';
    begin
        perform from handoff.sla_attainment_rep;
        assert false, 'a reader must not read what names reps';
    exception when insufficient_privilege then
        null;
    end;
end $$;
reset role;
select pass('a reader sees the same numbers, and nobody''s name');

-- Small sums by hand ----------------------------------------------------------------------------------

truncate handoff.handoff, handoff.clock;
select results_eq('select (select count(*) from handoff.speed_to_lead), (select count(*) from handoff.sla_attainment), (select count(*) from handoff.response_split), (select count(*) from handoff.follow_up_depth), (select count(*) from handoff.at_risk)',
    'values (0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint)', 'nothing from nothing');

-- remission of leukaemia in weeks (Freireich et al. 1963), + = still in remission: with 6-MP
-- 6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+, median 23; with placebo
-- 1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23, median 8. A week is a minute here.
do $$
begin
    perform pg_temp.hand(ord::int, 'mql_to_sdr', jsonb_build_object('pool', pool, 'handed_at', '2026-06-08 10:00+00') || case
        when week like '%+' then jsonb_build_object('outcome', 'lost', 'closed_at', timestamptz '2026-06-08 10:00+00' + rtrim(week, '+')::int * interval '1 minute')
        else jsonb_build_object('first_touch_at', timestamptz '2026-06-08 10:00+00' + week::int * interval '1 minute') end)
    from (values (0, '6-MP', '6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+'),
                 (100, 'placebo', '1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23')) d (base, pool, weeks),
         unnest(string_to_array(weeks, ' ')) with ordinality w (week, nr),
         lateral (select base + nr as ord) o;
end $$;
select results_eq($$ select value, handed, touched, median_seconds / 60, p90_seconds / 60, median_business_seconds / 60, within_5m_num from handoff.speed_to_lead where dimension = 'pool' order by value $$,
    $$ values ('6-MP', 21::bigint, 9::bigint, 23::numeric, null::numeric, 23::numeric, 0::bigint), ('placebo', 21, 21, 8, 17, 8, 9) $$, 'medians as published');

truncate handoff.handoff;
-- over a weekend: due on Monday at 10:00 after 8 hours that began on Friday at 10:00 in Berlin
do $$ begin
    perform pg_temp.hand(1, 'mql_to_sdr', '{"handed_at": "2026-06-05 08:00+00"}');
    insert into handoff.clock (lead_key, handoff_no, kind, name, n, started_at, due_at, paused) values ('L1', 1, 'sla', 'mql_to_sdr_accept', 1, '2026-06-05 08:00+00', '2026-06-08 08:00+00', false);
end $$;
create function pg_temp.risk(at timestamptz) returns text language plpgsql as $$ begin
    perform set_config('lead_handoff.view_time', at::text, true);
    return (select concat_ws(' ', remaining_seconds / 3600, remaining_business_seconds / 3600, share_left, overdue) from handoff.at_risk);
end $$;
select is(pg_temp.risk('2026-06-05 13:59+00'), null, 'a minute before two of the eight hours are left');
select is(regexp_replace(pg_temp.risk('2026-06-05 14:00+00'), '\.0+ ', ' ', 'g'), '66 2 0.2500 f', 'on Friday at 16:00');
select is(regexp_replace(pg_temp.risk('2026-06-06 12:00+00'), '\.0+ ', ' ', 'g'), '44 1 0.1250 f', 'all weekend an hour');
select is(regexp_replace(pg_temp.risk('2026-06-08 07:30+00'), '\.50+ ', '.5 ', 'g'), '0.5 0.5 0.0625 f', 'on Monday it runs on');
select is(regexp_replace(pg_temp.risk('2026-06-08 17:00+00'), '\.0+ ', ' ', 'g'), '-9 -7 -0.8750 t', 'and is overdue, the evening not counted');

select * from finish();
rollback;
