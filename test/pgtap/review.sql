-- The monthly review: its numbers are those of the KPI views, its decomposition adds up, a planted change is named with its
-- cause and nothing else is, a dead rule is found, and decisions are followed up.
begin;
set local client_min_messages = warning;
set local timezone = 'UTC';
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    delete from handoff.sla where metric not in ('accept', 'first_touch');
    insert into handoff.gate (contract_id, ord, criteria, action, code) values (1, 900, 'country = ''Atlantis''', 'suppress', 'planted_gate');
    insert into handoff.score_rule values (1, 'planted_dead', (select min(name) from handoff.score_group where contract_id = 1 and kind = 'fit'), 'country = ''Atlantis''', 5),
                                          (1, 'planted_alive', (select min(name) from handoff.score_group where contract_id = 1 and kind = 'fit'), 'country = ''DE''', 5);
    perform handoff.publish(1);
end $$;
update handoff.contract set effective = '{[2025-01-01 00:00+00,)}' where contract_id = 1;
set local lead_handoff.view_time = '2026-07-01 12:00+00';

\i test/lib/made_up.sql
create function pg_temp.pick(i int, k int, variadic names text[]) returns text language sql immutable as $$ select names[1 + floor(pg_temp.u(i, k) * cardinality(names))::int] $$;
create temp table made (i int, month date, handed_at timestamptz, lead_source text, band text, segment text, pool text, route text, rep text, accepts float8);
insert into made
select i, date_trunc('month', t)::date, t, pg_temp.pick(i, 2, 'webinar', 'referral', 'ads', 'organic'), pg_temp.pick(i, 3, 'A', 'B', 'C'), pg_temp.pick(i, 4, 'smb', 'enterprise'),
       pg_temp.pick(i, 5, 'sdr', 'fallback'), pg_temp.pick(i, 6, 'sdr_team', 'enterprise', 'other'), pg_temp.pick(i, 7, 'ana', 'ben', 'cy', 'dee'), 0.6
from generate_series(1, 2400) i, lateral (select timestamptz '2026-02-01 12:00+00' + pg_temp.u(i, 1) * interval '119 days' as t) v;

-- acceptance by the probability accepts, refusals by one of two codes, an opportunity for a quarter
create function pg_temp.hand_over() returns void language plpgsql as $$
begin
    truncate handoff.handoff, handoff.clock;
    insert into handoff.handoff
    select h.*
    from made m
    cross join lateral (select pg_temp.u(m.i, 10) < m.accepts as yes, pg_temp.u(m.i, 11) < 0.9 as decided) d
    cross join lateral jsonb_populate_record(null::handoff.handoff, jsonb_strip_nulls(jsonb_build_object(
        'lead_key', 'L' || m.i, 'handoff_no', 1, 'cycle', 1, 'leg', 'mql_to_sdr', 'contract_id', 1, 'origin', 'contract', 'stage_from', 'lead', 'month', m.month,
        'fit', 0, 'intent', 0, 'score', 0, 'trigger', 'activity', 'trigger_at', m.handed_at, 'handed_at', m.handed_at, 'incomplete', false, 'assignments', 1, 'touches', 0,
        'contacts', 0, 'channels', '[]'::jsonb, 'no_show', false, 'joined_activities', 0, 'undone', 0, 'hops', 0, 'by_last_route', false, 'reroutes', 0, 'band', m.band, 'segment', m.segment, 'lead_source', m.lead_source,
        'pool', m.pool, 'route', m.route, 'rep', m.rep, 'assigned_at', m.handed_at,
        'accepted_at', case when d.decided and d.yes then m.handed_at + interval '1 hour' end,
        'closed_at', case when d.decided and not d.yes then m.handed_at + interval '2 days' end, 'outcome', case when d.decided and not d.yes then 'recycle' end,
        'disposed_at', case when d.decided and not d.yes then m.handed_at + interval '2 days' end,
        'code', case when d.decided and not d.yes then pg_temp.pick(m.i, 12, 'timing', 'no_budget') end,
        'opportunity_at', case when pg_temp.u(m.i, 13) < 0.25 then m.handed_at + interval '10 days' end))) h;
    insert into handoff.clock
    select k.*
    from made m
    cross join lateral jsonb_populate_record(null::handoff.clock, jsonb_build_object('lead_key', 'L' || m.i, 'handoff_no', 1, 'kind', 'sla',
        'name', (select min(name) from handoff.sla where contract_id = 1 and metric = 'accept'), 'n', 1, 'started_at', m.handed_at, 'due_at', m.handed_at + interval '1 day',
        'stopped_at', m.handed_at + interval '1 hour', 'verdict', case when pg_temp.u(m.i, 14) < 0.8 then 'met' else 'missed' end, 'paused', false, 'pauses', '{}', 'next_step', 1, 'rep', m.rep, 'pool', m.pool)) k;
end $$;

-- Nothing planted -----------------------------------------------------------------------------------

select pg_temp.hand_over();
create temp table calm as select * from handoff.monthly_review('2026-05-01');
select cmp_ok((select count(*) from calm), '>', 10::bigint, 'there are findings');
select is((select max(month) from made), date '2026-05-01', 'of months that are over');
select results_eq($$ select num, den, still_open, share from calm where finding = 'acceptance of mql_to_sdr' $$,
    $$ select acceptance_of_decided_num, acceptance_of_decided_den, acceptance_of_decided_open, acceptance_of_decided from handoff.kpi_month
       where month = '2026-05-01' and leg = 'mql_to_sdr' and cycle = 'all' $$, 'acceptance: as kpi_month');
select results_eq($$ select was_num, was_den from calm where finding = 'acceptance of mql_to_sdr' $$,
    $$ select sum(acceptance_of_decided_num)::bigint, sum(acceptance_of_decided_den)::bigint from handoff.kpi_month
       where month in ('2026-02-01', '2026-03-01', '2026-04-01') and leg = 'mql_to_sdr' and cycle = 'all' $$, 'and the three months before it');
select results_eq($$ select num, den, still_open from calm where section = 'conversion' $$,
    $$ select opportunity_30_num, opportunity_30_den, opportunity_30_open from handoff.kpi_month where month = '2026-05-01' and cycle = 'all' $$, 'conversion: as kpi_month');
select results_eq($$ select num, den, still_open from calm where section = 'sla' $$,
    $$ select attainment_num, attainment_den, attainment_open from handoff.sla_attainment where month = '2026-05-01' and dimension = 'all' $$, 'SLA: as sla_attainment');
select set_eq($$ select subject, num, den from calm where section = 'rejection' $$,
    $$ select code, count(*) as num, (select count(*) from handoff.fact_handoff where month = '2026-05-01' and (accepted or rejected)) as den
       from handoff.fact_handoff where month = '2026-05-01' and rejected group by code $$, 'rejection by code');
select set_eq($$ select subject, num, den from calm where finding like 'share of band %' $$,
    $$ select band, count(*) as num, (select count(*) from handoff.fact_handoff where month = '2026-05-01') as den from handoff.fact_handoff where month = '2026-05-01' group by band $$, 'shares of bands');
select set_eq($$ select subject, num, den from calm where finding like 'acceptance of band %' $$,
    $$ select band, count(*) filter (where accepted) as num, count(*) filter (where accepted or rejected) as den from handoff.fact_handoff where month = '2026-05-01' group by band $$, 'acceptance of bands');
select is_empty($$ select finding, likely_cause from calm where not changed and section <> 'backlog' and likely_cause is not null $$, 'what has not changed has no cause');

-- The decomposition ---------------------------------------------------------------------------------

select is_empty($$
    select a.measure, a.leg, d.dimension
    from handoff.change_parts('2026-05-01') a
    join (select measure, leg, dimension, sum(mix_effect + rate_effect) as effect, sum(num) as num, sum(den) as den from handoff.change_parts('2026-05-01')
          where mix_effect is not null group by 1, 2, 3) d using (measure, leg)
    where a.dimension = 'all'
      and (abs(a.num::float8 / a.den - a.was_num::float8 / a.was_den - d.effect) > 1e-12 or d.dimension <> 'rep' and (a.num, a.den) is distinct from (d.num, d.den)) $$,
    'over each dimension mix and rate add up to the change, its counts to those of all');
select set_eq($$ select distinct dimension from handoff.change_parts('2026-05-01') where measure = 'acceptance' $$, $$ select unnest('{all,band,segment,lead_source,route,pool,version,rep}'::text[]) $$,
    'all dimensions are there');
-- by hand: 60 of 100 were 50 + 10 of 80 and 20; 45 of 100 are 25 + 20 of 40 and 60
select is((select (round(low::numeric, 4), round(high::numeric, 4))::text from handoff.wilson_interval(81, 263)), '(0.2553,0.3662)', 'Wilson: 81 of 263, as in Newcombe 1998 (I)');
select is((select (round(low::numeric, 4), round(high::numeric, 4))::text from handoff.change_interval(56, 70, 48, 80)), '(0.0524,0.3339)', 'Newcombe: 56/70 - 48/80, as in Newcombe 1998 (II)');
select is((select (low, high)::text from handoff.change_interval(0, 0, 1, 2)), '(,)', 'of nothing: nothing');

-- Planted: a source's acceptance drops ---------------------------------------------------------------

update made set accepts = 0.15 where lead_source = 'webinar' and month = '2026-05-01';
select pg_temp.hand_over();
select is((select changed and change < 0 and change_high < 0 from handoff.monthly_review('2026-05-15') where finding = 'acceptance of mql_to_sdr'), true, 'acceptance has dropped');
select matches((select likely_cause from handoff.monthly_review('2026-05-15') where finding = 'acceptance of mql_to_sdr'), '^lead source webinar: ', 'the source is named as the likely cause');
select matches((select proposal from handoff.monthly_review('2026-05-15') where finding = 'acceptance of mql_to_sdr'), 'webinar', 'the proposal is about it');
select matches(handoff.monthly_review_markdown('2026-05-01'), E'\n## What has changed\n\n(- .*\n)*- acceptance of mql\\\\_to\\\\_sdr: .*Likely cause: lead source webinar: ', 'the page says so');

-- Planted: all have become stricter: no slice is blamed ---------------------------------------------

update made set accepts = case month when '2026-05-01' then 0.35 else 0.6 end;
select pg_temp.hand_over();
select matches((select likely_cause from handoff.monthly_review('2026-05-15') where finding = 'acceptance of mql_to_sdr'), '^no single slice', 'what is common to all is nobody''s');

-- Planted: mix. Sources differ and stay as they are, the poorer one has come to be most of them ------

update made set accepts = case lead_source when 'ads' then 0.1 else 0.8 end;
update made set lead_source = 'ads', accepts = 0.1 where month = '2026-05-01' and pg_temp.u(i, 20) < 0.7;
select pg_temp.hand_over();
select matches((select likely_cause from handoff.monthly_review('2026-05-15') where finding = 'acceptance of mql_to_sdr'), '^mix of lead source: ads was ', 'a change of mix is told from one of rate');

-- Small numbers --------------------------------------------------------------------------------------

update made set accepts = 0.6;
delete from made where month = '2026-05-01' and i % 40 <> 0;
update made set accepts = 0.3 where month = '2026-05-01';
select pg_temp.hand_over();
select is((select small from handoff.monthly_review('2026-05-15') where finding = 'acceptance of mql_to_sdr'), true, 'few are said to be few');
select results_eq($$ select count(*), count(share) from handoff.monthly_review('2031-01-01') where section in ('acceptance', 'sla', 'bands') $$, 'values (0::bigint, 0::bigint)', 'of a month without handoffs nothing is said');
select matches(handoff.monthly_review_markdown('2031-01-01'), 'Nothing has changed', 'nor on the page');

-- Dead rules -----------------------------------------------------------------------------------------

insert into handoff.lead (lead_key, source, raw_key, contract_id, stage, stage_since, fields, fit, intent, group_heat, score, signals,
                          cycle, cycle_since, trigger, trigger_at, first_seen_at, decided_at, last_seq, gate_code, band)
select 'L' || i, 'crm', 'L' || i, 1, 'lead', '2026-06-01', jsonb_build_object('country', case when i % 3 = 0 then 'DE' else 'FR' end), 0, '0', '{}', 0, '{}', 1, '2026-06-01', 'row', '2026-06-01', '2026-06-01',
       '2026-06-01', 1, null, 'A' from generate_series(1, 50) i;
select set_has('select object, name from handoff.dead_rules()', $$ values ('score_rule', 'planted_dead'), ('gate', 'planted_gate') $$, 'planted dead rules are found');
select set_hasnt('select object, name from handoff.dead_rules()', $$ values ('score_rule', 'planted_alive'), ('band', 'A'), ('disposition', 'timing') $$, 'those that are alive are not');
create function pg_temp.reads_of_log() returns bigint language plpgsql as $$
declare
    before bigint := pg_stat_get_xact_numscans('handoff.event'::regclass);
begin
    perform from handoff.dead_rules();
    return pg_stat_get_xact_numscans('handoff.event'::regclass) - before;
end $$;
select cmp_ok((select count(*) from handoff.dead_rules() where object in ('gate', 'disposition')), '>', 2::bigint, 'of several gates and dispositions');
select is(pg_temp.reads_of_log(), 1::bigint, 'the log says nothing, read once');
insert into handoff.event (lead_key, seq, at, recorded_at, type, contract_id, cycle, actor, detail)
select 'L2', 1, '2026-06-01', '2026-06-01', 'gated', 1, 1, 'contract', '{"code": "planted_gate"}';
select set_hasnt('select object, name from handoff.dead_rules()', $$ values ('gate', 'planted_gate') $$, 'a gate that only the log knows of is alive');
delete from handoff.event where lead_key = 'L2';
update handoff.lead set fields = '{"country": "Atlantis"}' where lead_key = 'L1';
select set_hasnt('select object, name from handoff.dead_rules()', $$ values ('score_rule', 'planted_dead') $$, 'one lead brings it to life');
select is((select count(*) from handoff.dead_rules('2 years')), 0::bigint, 'of a version younger than that nothing is said');
select set_has('select section, subject from handoff.monthly_review(''2026-05-01'')', $$ values ('dead rules', 'planted_gate') $$, 'the review lists them');

-- Decisions ------------------------------------------------------------------------------------------

update made set accepts = case month when '2026-04-01' then 0.2 when '2026-05-01' then 0.9 else 0.6 end;
insert into made select i + 5000, date '2026-05-01', timestamptz '2026-05-10 00:00+00', 'ads', 'A', 'smb', 'sdr', 'sdr_team', 'ana', 0.9 from generate_series(1, 200) i;
select pg_temp.hand_over();
select lives_ok($$ select handoff.record_decision('2026-04-01', 'acceptance of mql_to_sdr', 'raise B to 60', 'mia', '2026-05-15') $$, 'a decision is noted');
select results_eq($$ select section, num, den, was_num, was_den, changed, likely_cause, proposal from handoff.monthly_review('2026-05-01') where section = 'decisions' $$,
    $$ select 'decisions', n.num, n.den, t.num, t.den, true, 'raise B to 60, owner mia, due 2026-05-15', 'It has changed since.'
       from handoff.monthly_review('2026-05-01') n, handoff.monthly_review('2026-04-01') t
       where n.finding = 'acceptance of mql_to_sdr' and t.finding = n.finding and n.section = 'acceptance' and t.section = 'acceptance' $$, 'the next review sets the value then beside the value now');
select is_empty($$ select 1 from handoff.monthly_review('2026-04-01') where section = 'decisions' $$, 'that of the month itself does not');
select throws_ok($$ select handoff.record_decision('2026-04-01', 'no such thing', 'x') $$, '22023', null, 'only findings are decided on');
select throws_ok($$ select handoff.record_decision('2026-04-01', null, 'x') $$, '22004', null, 'NULL is refused');

-- Readers --------------------------------------------------------------------------------------------

create temp table all_of_it as select * from handoff.monthly_review('2026-05-01');
create role review_reader;
select handoff.grant_access('review_reader', 'reader');
set local role review_reader;
create temp table readable as select * from handoff.monthly_review('2026-05-01');
select lives_ok($$ select handoff.monthly_review_markdown('2026-05-01') $$, 'readers read the page');
select throws_ok('select * from handoff.dead_rules()', '42501', null, 'and not the tables behind it');
reset role;
select results_eq($$ select section, finding, num, den, changed from readable order by ord $$,
    $$ select section, finding, num, den, changed from all_of_it where section not in ('backlog', 'dead rules', 'decisions') order by ord $$, 'readers get the same, without rules, leads and decisions');

select * from finish();
rollback;
