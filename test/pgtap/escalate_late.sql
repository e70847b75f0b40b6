-- Escalation does not hang on how often somebody looks: a tick each minute, every ten, one after ten hours, five in each minute
-- give the same but for when the steps were taken, and who was there to take the lead at that moment.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    delete from handoff.escalation;
    delete from handoff.sla;
    insert into handoff.sla (contract_id, name, ord, leg, metric, scope, criteria, target, clock) values
        (1, 'big', 1, 'mql_to_sdr', 'first_touch', 'lead', 'employees >= 1000', '45 minutes', 'elapsed'),
        (1, 'touch', 2, 'mql_to_sdr', 'first_touch', 'lead', null, '1 hour', 'elapsed'),
        (1, 'accept', 1, 'mql_to_sdr', 'accept', 'lead', null, '2 hours', 'elapsed');
    insert into handoff.escalation (contract_id, sla, step, offset_from_due, action, recipient, criteria, code, sync_wait) values
        (1, 'big', 1, '0', 'notify', 'chief@example.com', null, null, '0'), (1, 'big', 2, '30 minutes', 'fallback', null, null, null, '0'),
        (1, 'touch', 1, '-10 minutes', 'remind', null, null, null, '0'), (1, 'touch', 2, '0', 'notify', 'manager', 'cycle > 1', null, '0'),
        (1, 'touch', 3, '20 minutes', 'reassign', null, null, null, '0'), (1, 'accept', 1, '0', 'notify', 'pool_lead', null, null, '0'),
        (1, 'accept', 2, '40 minutes', 'recycle', null, 'employees < 300', 'no_response', '0');
    perform handoff.add_rep(r, r, 'sdr') from unnest('{ana,ben,cem,dan}'::text[]) r;
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    update handoff.pool set respect_schedule = false;
    perform handoff.publish();
end $$;
set local timezone = 'UTC';
select setseed(coalesce(nullif(current_setting('lh_test.seed', true), '')::float8, 0.42));

create schema crm;
create table crm.lead (id text primary key, email text, company text, country text, industry text, seniority text, employees int);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, page text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', delete_grace => '0');
    perform handoff.attach('crm.act', 'activity', since => '-infinity', delete_grace => '0');
end $$;

-- 30 leads come within two hours; a third is touched, or answered, before anything is due; each of these moments has its own tick
create temp table op as
with lead as materialized (
    select n, timestamptz '2026-03-02 09:00' + floor(random() * 120) * interval '1 minute' as at, (array[100, 500, 2000])[1 + floor(random() * 3)::int] as size,
           random() as fate, (1 + floor(random() * 30)) * interval '1 minute' as later
    from generate_series(1, 30) n
)
select at, 1 as ord, n, format('insert into crm.lead values (%L, %L, ''Acme'', ''DE'', ''Software'', ''C-Level'', %s)', 'l' || n, 'l' || n || '@acme.de', size) as sql from lead
union all
select at, 2, n, format('insert into crm.act values (%L, %L, %L, ''form'', ''/demo'')', 'd' || n, 'l' || n, at) from lead
union all
select at + later, 3, n, case when fate < 0.2 then format('insert into crm.act values (%L, %L, %L, ''call'')', 'c' || n, 'l' || n, at + later)
                              when fate < 0.3 then format('select handoff.accept(%L, p_now => %L)', 'l' || n, at + later)
                              else format('select handoff.disqualify(%L, ''competitor'', p_now => %L)', 'l' || n, at + later) end
from lead where fate < 0.4;

create function pg_temp.clear() returns void language plpgsql as $$
declare
    tab text;
begin
    delete from crm.lead;
    delete from crm.act;
    foreach tab in array array['inbox', 'wake', 'absence', 'quarantine', 'lead', 'event', 'stage_history', 'activity', 'clock', 'handoff', 'assignment',
                               'escalation_done', 'outbox', 'delivery', 'pool_turn', 'pool_turn_member'] loop
        execute format('delete from handoff.%I', tab);
    end loop;
end $$;
create temp table outcome (variant text, lead_key text, what text);
create temp table trouble (variant text, what text);
create function pg_temp.live(variant text, every interval, times int) returns void language plpgsql as $$
declare
    moment record;
    step   record;
begin
    perform pg_temp.clear();
    for moment in
        select at, bool_or(is_op) as is_op
        from (select o.at, true from op o union all
              select t, false from generate_series(timestamptz '2026-03-02 09:00', '2026-03-02 14:00', every) t union all
              select timestamptz '2026-03-02 14:00', false) m (at, is_op)
        group by at order by at
    loop
        for step in select sql from op where at = moment.at order by ord, n loop
            execute step.sql;
        end loop;
        for i in 1 .. times loop
            perform handoff.tick(moment.at);
        end loop;
    end loop;
    insert into outcome
    select variant, l.lead_key, concat_ws(' ', l.stage, l.cycle, h.outcome, h.code, 'hops', h.hops, case when h.fallback_at is not null then 'fell back' end,
        case when h.closed_at is null then 'route ' || h.route end, 'touches', h.touches,
        (select string_agg(concat_ws(' ', c.name, c.n, c.started_at, c.due_at, c.next_step, c.next_at, c.verdict), ', ' order by c.name, c.n)
         from handoff.clock c where c.lead_key = l.lead_key and c.kind = 'sla'),
        (select string_agg(concat_ws(' ', d.name, d.n, d.step, d.action, d.skipped, d.due_at, case when d.at < d.due_at then 'early' end), ', ' order by d.name, d.n, d.step)
         from handoff.escalation_done d where d.lead_key = l.lead_key),
        (select string_agg(o.type || ' ' || o.n, ', ' order by o.type, o.n) from handoff.outbox o where o.lead_key = l.lead_key and o.type in ('handoff.reminder', 'handoff.escalated')))
    from handoff.lead l join handoff.handoff h using (lead_key);
    insert into trouble
    select variant, concat_ws(' ', d.severity, d.invariant, d.what) from handoff.doctor() d where d.severity = 'error' or d.invariant in (6, 8)
    union all
    select variant, v.lead_key || ' ' || v.what from handoff.verify() v;
end $$;

do $$ begin
    perform pg_temp.live('each minute', '1 minute', 1);
    perform pg_temp.live('every ten', '10 minutes', 1);
    perform pg_temp.live('after ten hours', '10 hours', 1);
    perform pg_temp.live('five times', '6 minutes', 5);
end $$;
select is((select count(*) from outcome where variant = 'each minute'), 30::bigint, 'all have come');
select ok((select count(distinct action || coalesce(skipped, '')) from handoff.escalation_done) >= 5, 'and much has happened');
select is_empty(format($$ select lead_key, a.what as each_minute, b.what from outcome a full join (select * from outcome where variant = %L) b using (lead_key)
    where a.variant = 'each minute' and a.what is distinct from b.what $$, v), v || ': the same') from unnest('{every ten,after ten hours,five times}'::text[]) v;
select is_empty('select * from trouble', 'doctor() and verify() are content with each');

select * from finish();
rollback;
