-- Learn, maturity: each capability climbs from level to level as each of its checks comes true, in contracts and data that
-- are made so; its KPI beside what was promised.
begin;
set local client_min_messages = warning;
set local timezone = 'UTC';
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    -- as little as may be published
    update handoff.stage set entry = null where contract_id = 1 and name = 'mql';
    delete from handoff.score_rule r using handoff.score_group g where r.contract_id = 1 and g.contract_id = 1 and g.name = r.score_group and g.kind = 'fit';
    delete from handoff.route r where r.contract_id = 1 and r.ord < (select max(o.ord) from handoff.route o where o.contract_id = 1 and o.leg = r.leg);
    delete from handoff.sla where contract_id = 1 and name = 'ae_first_touch';
    delete from handoff.activity_rule where contract_id = 1 and meaning = 'marketing';
    update handoff.contract set half_life = null where contract_id = 1;
    delete from handoff.escalation where contract_id = 1 and action <> 'remind';
    update handoff.crm_status set code = null where contract_id = 1 and code = 'no_response';
    delete from handoff.disposition where contract_id = 1 and no_response;
    perform handoff.publish(1);
    -- a day on, so that what is published now has been
    perform set_config('lead_handoff.view_time', (date_trunc('day', now()) + interval '36 hours')::text, true);
end $$;
create function pg_temp.level(which text) returns text language sql as $$ select concat_ws(' ', level, next_step) from handoff.maturity where capability = which $$;
create function pg_temp.better(what text) returns void language plpgsql as $$
declare
    v int := handoff.draft();
begin
    execute replace(what, '$v', v::text);
    perform handoff.publish(v);
end $$;
create function pg_temp.ago(days numeric) returns timestamptz language sql as $$ select handoff.view_time() - days * interval '24 hours' $$;

select results_eq($$ select position, capability, owner, level, kpi, kpi_value, kpi_value_num, kpi_value_den, target, on_target from handoff.maturity order by position $$, $$ values
    (1, 'definition', 'both', 0, 'stage_consistency', null::numeric, 0::bigint, 0::bigint, null::numeric, null::boolean),
    (2, 'scoring', 'marketing', 0, 'acceptance', null, 0, 0, null, null),
    (3, 'routing', 'sales', 0, 'assigned', null, 0, 0, null, null),
    (4, 'response', 'sales', 0, 'sla_attainment', null, 0, 0, null, null),
    (5, 'disposition', 'sales', 1, 'coded', null, 0, 0, null, null),
    (6, 'learning', 'both', 0, 'opportunities_known', null, 0, 0, null, null) $$, 'nothing yet');

-- what contracts say -----------------------------------------------------------------------------------

select matches(pg_temp.level('definition'), '^0 Give the stage', 'who is ready is not defined');
do $$ begin perform pg_temp.better('update handoff.stage set entry = ''band = ''''A'''''' where contract_id = $v and name = ''mql'''); end $$;
select matches(pg_temp.level('definition'), '^1 Name marketing and sales as parties', 'now it is');
select matches(pg_temp.level('scoring'), '^0 Score who', 'nothing about who it is');
do $$ begin perform pg_temp.better('insert into handoff.score_rule (contract_id, name, score_group, criteria, points) values ($v, ''big'', ''firmographic'', ''employees > 99'', 30)'); end $$;
select matches(pg_temp.level('scoring'), '^1 Score what', 'points that stand still for ever');
do $$ begin perform pg_temp.better('update handoff.contract set half_life = ''14 days'' where contract_id = $v'); end $$;
select matches(pg_temp.level('scoring'), '^2 Have at least 30', 'the contract has done its part');
select matches(pg_temp.level('routing'), '^0 Give each leg', 'one route');
do $$ begin perform pg_temp.better('insert into handoff.route (contract_id, name, ord, leg, criteria, target_kind, target) values ($v, ''one'', 1, ''mql_to_sdr'', ''country = ''''DE'''''', ''pool'', ''sdr''),
    ($v, ''two'', 1, ''sdr_to_ae'', ''country = ''''DE'''''', ''pool'', ''sdr'')'); end $$;
select matches(pg_temp.level('routing'), '^1 Put active reps', 'pools are empty');
do $$ begin perform handoff.add_rep('ana', 'Ana', 'sdr'); perform handoff.add_rep('ben', 'Ben', 'fallback'); end $$;
select matches(pg_temp.level('routing'), '^2 See who stays', 'not any more');
do $$ begin update handoff.rep set active = false where rep = 'ben'; end $$;
select matches(pg_temp.level('routing'), '^1 Put active reps', 'but for who has left');
do $$ begin update handoff.rep set active = true, valid_to = pg_temp.ago(1) where rep = 'ben'; end $$;
select matches(pg_temp.level('routing'), '^1 Put active reps', '.. also by his date');
do $$ begin update handoff.rep set valid_to = default where rep = 'ben'; end $$;
select matches(pg_temp.level('response'), '^0 Promise a time', 'a leg without a promise');
do $$ begin perform pg_temp.better('insert into handoff.sla (contract_id, name, ord, leg, metric, target) values ($v, ''ae_touch'', 10, ''sdr_to_ae'', ''first_touch'', ''1 day'')'); end $$;
select matches(pg_temp.level('response'), '^1 Let escalation take', 'and nobody takes the lead away');
do $$ begin perform pg_temp.better('insert into handoff.escalation (contract_id, sla, step, offset_from_due, action) values ($v, ''ae_touch'', 1, ''1 day'', ''reassign'')'); end $$;
select matches(pg_temp.level('response'), '^2 No clock was judged', 'somebody does');
select matches(pg_temp.level('disposition'), '^1 Ask for work', 'no answer is no reason here');
do $$ begin perform pg_temp.better('insert into handoff.disposition (contract_id, code, outcome, reason, no_response, needs_work, recycle_path)
    select $v, ''silent'', ''recycle'', ''Never answered'', true, (select min(w.name) from handoff.work_standard w where w.contract_id = $v), ''no_response'''); end $$;
select matches(pg_temp.level('disposition'), '^2 Nothing was given up', 'and if it were, it would be work');
select matches(pg_temp.level('learning'), '^0 Say which', 'marketing does nothing that is known');
do $$ begin perform pg_temp.better('insert into handoff.activity_rule (contract_id, name, meaning, criteria) values ($v, ''ads'', ''marketing'', ''kind = ''''ad'''''')'); end $$;
select matches(pg_temp.level('learning'), '^2 Attach opportunities', 'it does, and versions were published');
do $$ begin
    perform pg_temp.better('update handoff.contract set parties = ''{marketing,sales}'' where contract_id = $v;
        insert into handoff.target (contract_id, metric, period, value, owner) values ($v, ''acceptance'', ''(,)'', 0.7, ''sales''), ($v, ''acceptance'', ''[2020-01-01,2040-01-01)'', 0.6, ''sales''), ($v, ''acceptance'', ''[2020-01-01,2021-01-01)'', 0.1, ''sales''), ($v, ''acceptance'', ''[2020-01-01,infinity)'', 0.2, ''sales'');
        insert into handoff.target (contract_id, metric, segment, period, value, owner) values ($v, ''acceptance'', ''enterprise'', ''[2020-01-01,2030-01-01)'', 0.9, ''marketing'');
        insert into handoff.approval (contract_id, party, actor, checksum) select $v, p, p, handoff.definition_checksum($v) from unnest(''{marketing,sales}''::text[]) p');
end $$;
select matches(pg_temp.level('definition'), '^3 Find out who', 'both approve and promise');

-- what was done --------------------------------------------------------------------------------------

create function pg_temp.hand(i int, days numeric, more jsonb) returns void language sql as $$
    insert into handoff.handoff
    select r.*
    from jsonb_populate_record(null::handoff.handoff, jsonb_build_object(
        'lead_key', 'L' || i, 'handoff_no', 1, 'cycle', 1, 'leg', 'mql_to_sdr', 'contract_id', 1 + i % 2, 'origin', 'contract', 'stage_from', 'lead',
        'fit', 0, 'intent', 0, 'score', 0, 'trigger', 'activity', 'trigger_at', pg_temp.ago(days), 'handed_at', pg_temp.ago(days), 'month', date_trunc('month', pg_temp.ago(days)), 'incomplete', false,
        'assignments', 0, 'hops', 0, 'by_last_route', false, 'reroutes', 0, 'touches', 0, 'contacts', 0, 'channels', '[]'::jsonb, 'no_show', false, 'joined_activities', 0, 'undone', 0) || more) r
$$;
-- 100 in time; those before it and those that don't count change nothing. Of A 40 of 50 are accepted, of C 20 of 50; 3 had no owner
do $$ begin
    perform pg_temp.hand(i, i / 2.0, jsonb_strip_nulls(jsonb_build_object('band', case when i <= 50 then 'A' else 'C' end, 'accepted_at', case when i <= 40 or i > 80 then pg_temp.ago(0) end,
        'outcome', case when i > 40 and i <= 80 then 'recycle' end, 'closed_at', case when i > 40 and i <= 80 then pg_temp.ago(0) end, 'code', case when i > 40 and i <= 75 then 'silent' end,
        'assigned_at', case when i > 3 then pg_temp.ago(1) end, 'route', case when i > 95 then 'sdr_fallback' else 'one' end)))
    from generate_series(1, 100) i;
    perform pg_temp.hand(200 + i, 91 + 100 * (i % 2), '{"band": "C", "outcome": "recycle"}' || jsonb_build_object('closed_at', pg_temp.ago(1))) from generate_series(1, 20) i;
    perform pg_temp.hand(300 + i, 2, '{"origin": "manual"}') from generate_series(1, 20) i;
    perform pg_temp.hand(400 + i, -3, '{"band": "C"}' || jsonb_build_object('accepted_at', pg_temp.ago(-4))) from generate_series(1, 200) i;
end $$;
select results_eq($$ select capability, level, kpi_value, kpi_value_num, kpi_value_den, target, on_target from handoff.maturity where capability in ('scoring', 'routing', 'disposition') order by position $$, $$ values
    ('scoring', 4, 0.6000, 60::bigint, 100::bigint, 0.6, true), ('routing', 2, 0.9700, 97, 100, null, null), ('disposition', 3, 0.8750, 35, 40, null, null) $$, 'counted; the narrowest promise for all segments counts');
do $$ begin update handoff.handoff set assigned_at = handed_at where lead_key in ('L1', 'L2'); end $$;
select matches(pg_temp.level('routing'), '^4$', 'one in a hundred');
do $$ begin update handoff.handoff set route = 'sdr_fallback' where lead_key in ('L10', 'L11', 'L12', 'L13', 'L14', 'L15'); end $$;
select matches(pg_temp.level('routing'), '^3 One in ten', 'eleven by the last route');
do $$ begin update handoff.handoff set route = 'one' where route = 'sdr_fallback'; end $$;
select matches(pg_temp.level('routing'), '^4$', 'none at all');
do $$ begin update handoff.handoff set code = 'bad_data' where lead_key in ('L76', 'L77', 'L78'); end $$;
select matches(pg_temp.level('disposition'), '^4$', '38 of 40');
do $$ begin update handoff.handoff set accepted_at = null where lead_key ~ '^L([1-9]|[1-3].)$' and accepted_at is not null; end $$;
select matches(pg_temp.level('scoring'), '^2 Have', 'nothing is decided of them then');
do $$ begin update handoff.handoff set outcome = 'disqualified', closed_at = handed_at where lead_key ~ '^L([1-9]|[1-3].)$' and accepted_at is null; end $$;
select matches(pg_temp.level('scoring'), '^3 The best band', 'the best band is the worst');

do $$ begin
    insert into handoff.clock (lead_key, handoff_no, kind, name, started_at, due_at, stopped_at, verdict)
    select 'L' || i, 1, 'sla', 'sdr_accept', pg_temp.ago(i / 2.0), pg_temp.ago(i / 2.0 - 0.1), pg_temp.ago(i / 2.0), case when i > 9 then 'met' else 'missed' end from generate_series(1, 100) i;
end $$;
select matches(pg_temp.level('response'), '^4$', '91 of 100 kept');
do $$ begin update handoff.clock set verdict = 'missed' where lead_key in ('L98', 'L99'); end $$;
select matches(pg_temp.level('response'), '^3 One clock in ten', '89');

do $$ begin
    insert into handoff.stage_history (lead_key, seq, stage, owner, contract_id, entered_at, month, consistent, undone)
    select 'L' || i, 1, 'mql', 'sales', 1, pg_temp.ago(d), date_trunc('month', pg_temp.ago(d)), i > 5 and d < 90, i > 100 from generate_series(1, 120) i, lateral (select case when i > 110 then 91 else i / 1.2 end as d) a where d < 90 or i > 110;
end $$;
select is(pg_temp.level('definition'), (select case when avg(consistent::int) >= 0.95 then '4' else '3 Find out who moves leads past the definition: stage_consistency.' end from handoff.stage_history where not undone and entered_at > pg_temp.ago(90)), 'as many as belong where they are');
do $$ begin update handoff.stage_history set consistent = true; end $$;
select matches(pg_temp.level('definition'), '^4$', 'all do');

do $$ begin
    insert into handoff.opportunity (opportunity_key, source, created_at, is_won, is_closed, seen_at) select 'O' || i, 'crm', pg_temp.ago(i), false, false, pg_temp.ago(i) from generate_series(1, 4) i;
    insert into handoff.lead (lead_key, source, raw_key, contract_id, stage, stage_since, fields, fit, intent, group_heat, score, signals, cycle, cycle_since, trigger, trigger_at, first_seen_at, decided_at, last_seq)
    values ('L1', 'crm', 'L1', 1, 'lead', '2026-01-01', '{}', 0, '0', '{}', 0, '{}', 1, '2026-01-01', 'row', '2026-01-01', '2026-01-01', '2026-01-01', 1);
    insert into handoff.opportunity_link values ('L1', 'O1', 'crm', 'k1', 'contact_role');
end $$;
select matches(pg_temp.level('learning'), '^2 Attach', 'of one in four the lead is known');
do $$ begin insert into handoff.opportunity_link values ('L1', 'O2', 'crm', 'k2', 'contact_role'); end $$;
select matches(pg_temp.level('learning'), '^3 Review', 'of two');
do $$ begin insert into handoff.review_decision (contract_id, month, finding, decision) values (1, date_trunc('month', handoff.view_time() - interval '1 month'), 'f', 'd'); end $$;
select matches(pg_temp.level('learning'), '^4$', 'and somebody looks at it');

-- two codes, but both for the same
do $$ begin
    perform pg_temp.better('delete from handoff.crm_status s using handoff.disposition d where s.contract_id = $v and d.contract_id = $v and d.code = s.code and d.outcome = ''disqualified'';
        delete from handoff.disposition where contract_id = $v and outcome = ''disqualified'';
        update handoff.contract set parties = ''{}'' where contract_id = $v');
end $$;
select matches(pg_temp.level('disposition'), '^0 Have codes', 'several codes to recycle are none to disqualify');

select * from finish();
rollback;
