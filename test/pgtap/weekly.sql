-- The weekly review: each kind with leads just inside and just outside of it, by team, in the week of the reporting zone.
begin;
set local client_min_messages = warning;
set local timezone = 'UTC';
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.add_rep('ana', 'Ana', 'sdr');
    perform handoff.add_rep('ben', 'Ben', 'ae');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    update handoff.contract set reporting_zone = 'Europe/Berlin';
    perform handoff.publish(1);
end $$;
update handoff.pool_member set valid_from = '2026-01-01';
-- a Wednesday; its week begins on Sunday at 22:00 UTC
set local lead_handoff.view_time = '2026-06-17 12:00+00';

create function pg_temp.lead(key text, more jsonb default '{}') returns void language sql as $$
    insert into handoff.lead
    select r.* from jsonb_populate_record(null::handoff.lead, jsonb_build_object('lead_key', key, 'source', 'crm', 'raw_key', key, 'contract_id', 1, 'stage', 'mql', 'stage_since', '2026-06-10',
        'fields', '{}'::jsonb, 'fit', 0, 'intent', '0', 'group_heat', '{}', 'intent_since', '-infinity', 'handoffs', 0, 'score', 0, 'signals', '[]'::jsonb, 'cycle', 1, 'cycle_since', '2026-01-01', 'trigger', 'row', 'trigger_at', '2026-01-01',
        'first_seen_at', '2026-01-01', 'decided_at', '2026-06-10', 'last_seq', 1) || more) r
$$;
create function pg_temp.hand(key text, rep text, pool text, more jsonb default '{}') returns void language sql as $$
    insert into handoff.handoff
    select r.* from jsonb_populate_record(null::handoff.handoff, jsonb_build_object('lead_key', key, 'handoff_no', 1, 'cycle', 1, 'leg', 'mql_to_sdr', 'contract_id', 1, 'origin', 'contract',
        'stage_from', 'lead', 'month', '2026-06-01', 'fit', 0, 'intent', 0, 'score', 0, 'trigger', 'activity', 'trigger_at', '2026-06-10 10:00+00', 'handed_at', '2026-06-10 10:00+00',
        'incomplete', false, 'assignments', 1, 'touches', 0, 'contacts', 0, 'channels', '[]'::jsonb, 'no_show', false, 'joined_activities', 0, 'undone', 0, 'hops', 0, 'by_last_route', false, 'reroutes', 0, 'band', 'A',
        'rep', rep, 'pool', pool, 'assigned_at', '2026-06-10 10:00+00') || more) r
$$;
create function pg_temp.clock(key text, kind text, name text, due_at timestamptz, more jsonb default '{}') returns void language sql as $$
    insert into handoff.clock
    select r.* from jsonb_populate_record(null::handoff.clock, jsonb_build_object('lead_key', key, 'handoff_no', case kind when 'sla' then 1 else 0 end, 'kind', kind, 'name', name, 'n', 1,
        'started_at', due_at - interval '1 day', 'due_at', due_at, 'pauses', '{}', 'paused', false, 'next_step', 1) || more) r
$$;
do $$ begin
    perform pg_temp.lead(k, case when k like 'blocked%' then '{"blocked_since": "2026-06-16 00:00+00", "blocked_fields": ["company", "email"]}'::jsonb else '{}' end)
    from unnest('{waits,new,taken,done,late,late_done,late_before,blocked_sdr,blocked_nobody,says,said,undone,won,expires,stays,ae}'::text[]) k;
    perform pg_temp.hand('waits', 'ana', 'sdr', '{"touches": 2, "first_touch_at": "2026-06-11 10:00+00"}');
    perform pg_temp.hand('new', null, null, '{"handed_at": "2026-06-22 10:00+00"}');
    perform pg_temp.hand('taken', 'ana', 'sdr', '{"accepted_at": "2026-06-11 10:00+00"}');
    perform pg_temp.hand('done', 'ana', 'sdr', '{"closed_at": "2026-06-11 10:00+00", "outcome": "recycle", "code": "timing"}');
    perform pg_temp.hand(k, 'ana', 'sdr', '{"accepted_at": "2026-06-11 10:00+00"}') from unnest('{late,late_done,late_before,blocked_sdr,says,said,expires,stays}'::text[]) k;
    perform pg_temp.hand('undone', 'ana', 'sdr', '{"accepted_at": "2026-06-11 10:00+00", "undone": 1, "undone_at": "2026-06-15 10:00+00"}');
    perform pg_temp.hand('won', 'ana', 'sdr', '{"closed_at": "2026-06-11 10:00+00", "outcome": "disqualified", "code": "bad_data", "won_at": "2026-06-14 22:00+00"}');
    perform pg_temp.hand('ae', 'ben', 'ae');
    perform pg_temp.clock('waits', 'sla', 'sdr_accept', '2026-06-19 10:00+00');
    perform pg_temp.clock('late', 'sla', 'sdr_decision', '2026-06-14 22:00+00');
    perform pg_temp.clock('late_done', 'sla', 'sdr_decision', '2026-06-16 10:00+00', '{"stopped_at": "2026-06-17 10:00+00", "verdict": "missed"}');
    perform pg_temp.clock('late_before', 'sla', 'sdr_decision', '2026-06-14 21:59:59+00');
    perform pg_temp.clock('expires', 'stage_age', 'mql', '2026-06-24 11:59+00');
    perform pg_temp.clock('stays', 'stage_age', 'mql', '2026-06-24 12:00+00');
    perform pg_temp.clock('blocked_sdr', 'blocked', 'sdr_to_ae', '2026-06-18 00:00+00');
    insert into handoff.violation values ('says', 9, '2026-06-16 10:00+00', 'work', 'Closed', 'no_response', '3 of 6 touches', 'record', false),
                                         ('said', 9, '2026-06-07 10:00+00', 'work', 'Closed', 'no_response', '3 of 6 touches', 'record', true);
end $$;

select results_eq($$ select rep, pool, kind, lead_key, what, due_at from handoff.weekly_review('sdr') $$, $$ values
    ('ana', 'sdr', 'breached', 'late', 'sdr_decision, still running', timestamptz '2026-06-14 22:00+00'),
    ('ana', 'sdr', 'breached', 'late_done', 'sdr_decision, done since', '2026-06-16 10:00+00'),
    ('ana', 'sdr', 'unaccepted', 'waits', 'touched 2 times', '2026-06-19 10:00+00'),
    ('ana', 'sdr', 'blocked', 'blocked_sdr', 'missing company, email', '2026-06-18 00:00+00'),
    ('ana', 'sdr', 'disputed', 'won', 'rejected as bad_data, and won since', null),
    ('ana', 'sdr', 'disputed', 'undone', 'given up, and that was taken back', null),
    ('ana', 'sdr', 'disputed', 'says', 'the CRM says Closed, against rule work: 3 of 6 touches', null),
    ('ana', 'sdr', 'expiring', 'expires', 'its time in stage mql is over soon', '2026-06-24 11:59+00') $$, 'the week of a team') ;
select results_eq($$ select distinct kind from handoff.weekly_review('sdr') except select distinct kind from handoff.weekly_review('sdr', '2026-06-21') $$, 'select ''x'' where false', 'any day of the week is that week');
select results_eq($$ select kind, lead_key from handoff.weekly_review('ae') $$, $$ values ('unaccepted', 'ae') $$, 'another team');
select is_empty($$ select * from handoff.weekly_review('fallback') $$, 'a team that has nothing');
select results_eq($$ select rep, kind, lead_key, todo from handoff.weekly_review() where rep is distinct from 'ana' $$, $$ values
    ('ben', 'unaccepted', 'ae', 'Accept it, or give it back with a reason.'), (null, 'blocked', 'blocked_nobody', 'Fill these fields.') $$, 'all: also what nobody has');
select results_eq($$ select kind, lead_key from handoff.weekly_review(null, '2026-06-22') where rep is null order by 2 $$, $$ values ('blocked', 'blocked_nobody'), ('unaccepted', 'new') $$, 'handed over by the end of that week');
select results_eq($$ select kind, lead_key from handoff.weekly_review('sdr', '2026-06-14') where kind in ('breached', 'disputed') $$, $$ values ('breached', 'late_before') $$,
    'the week before ends where this one begins, in the reporting zone');
select throws_ok($$ select * from handoff.weekly_review('nobody') $$, '42704', null, 'an unknown team');
-- who hands over to a pool is told of its members too
update handoff.handoff set pool = null where lead_key = 'waits';
select is((select count(*) from handoff.weekly_review('sdr') where lead_key = 'waits'), 1::bigint, 'what a member got otherwise is the team''s');

-- Who may
create role weekly_reader;
create role weekly_manager;
select handoff.grant_access('weekly_reader', 'reader');
select handoff.grant_access('weekly_manager', 'manager');
insert into handoff.assignment (lead_key, handoff_no, n, route, rep, reason, at, passed_over) select 'ae', 1, 1, 'ae_team', 'ben', 'handoff', '2026-06-10 10:00+00', '{}';
select handoff.set_rep_role('ben', 'weekly_manager');
set local role weekly_reader;
select throws_ok($$ select * from handoff.weekly_review() $$, '42501', null, 'readers may not: it names leads');
set local role weekly_manager;
select results_eq($$ select kind, lead_key from handoff.weekly_review() $$, $$ values ('unaccepted', 'ae') $$, 'a manager sees the leads of his reps');
reset role;

select * from finish();
rollback;
