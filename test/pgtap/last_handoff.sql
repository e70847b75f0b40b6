-- The last handoff: the one that is open, else the one that ended last. After a return that is the SDR's, although the AE's
-- has the greater number; whatever goes by a lead's last handoff goes by his.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    delete from handoff.escalation;
    -- what the template leaves alone: meetings move a lead, an opportunity may come at any time
    insert into handoff.transition (contract_id, ord, from_stage, to_stage, event, leg, guard) values
        (1, 72, 'sal', 'sql', 'meeting', 'sdr_to_ae', null), (1, 74, 'sal', 'opportunity', 'opportunity', null, 'email <> ''aged@aged.de'''), (1, 76, 'sal', 'lost', 'lost', null, null), (1, 205, 'recycled', 'opportunity', 'opportunity', null, null);
    update handoff.transition set guard = 'email <> ''lost_before@lost_before.de''' where event = 'opportunity' and from_stage in ('sal', 'sql') and guard is null;
    insert into handoff.crm_status (contract_id, value, ord, code, stages) values (1, 'No Money', 50, 'no_budget', '{}');
    delete from handoff.score_rule where score_group in ('firmographic', 'role');
    insert into handoff.score_group (contract_id, name, kind) values (1, 'past', 'fit');
    insert into handoff.score_rule (contract_id, name, score_group, points, criteria) values
        (1, 'no_money', 'past', 1, 'last_reason = ''no_budget'''), (1, 'was_anas', 'past', 2, 'last_rep = ''ana'''), (1, 'rested', 'past', 4, 'days_since_recycle >= 2');
    perform handoff.add_rep('ana', 'Ana', 'sdr', schedule => '24x7 @ UTC', crm_id => 'u-ana');
    perform handoff.add_rep('eva', 'Eva', 'ae', schedule => '24x7 @ UTC', crm_id => 'u-eva');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback', schedule => '24x7 @ UTC');
    perform handoff.publish();
end $$;
set local timezone = 'UTC';
create schema crm;
create table crm.lead (id text primary key, email text, company text, country text, industry text, seniority text, employees int, status text, updated_at timestamptz);
create table crm.act (id int generated always as identity primary key, lead_key text, at timestamptz, kind text, page text, outcome text);
create table crm.opp (id text primary key, created_at timestamptz, closed_at timestamptz, is_won boolean, is_closed boolean);
create table crm.role (id text primary key, opportunity_key text, lead_key text);
create function pg_temp.leads() returns text[] language sql as $$ select '{recycled,signals,gone,gone_resting,echo,against,met,met_before,aged,deal,lost_before,given_up,open,soon,same_time}'::text[] $$;
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', mapping => '{"crm_status": "status"}', delete_grace => '0');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
    perform handoff.attach('crm.opp', 'opportunity', since => '-infinity');
    perform handoff.attach('crm.role', 'link', since => '-infinity');
    insert into crm.lead select k, k || '@' || k || '.de', 'Acme', 'DE', 'Software', 'C-Level', 500, 'Open - Not Contacted', '2026-03-02' from unnest(pg_temp.leads()) k;
    insert into crm.act (lead_key, at, kind, page) select k, '2026-03-02', 'form', '/demo' from unnest(pg_temp.leads()) k;
    perform handoff.tick('2026-03-02');
    perform handoff.accept(k, p_now => '2026-03-02 06:00') from unnest(pg_temp.leads()) k;
    -- one was met by the SDR, which is how it came to the AE
    insert into crm.act (lead_key, at, kind, outcome) values ('met_before', '2026-03-02 12:00', 'meeting', 'Held');
    perform handoff.tick('2026-03-02 12:00');
    perform handoff.qualify(k, p_now => '2026-03-03') from unnest(pg_temp.leads()) k where k <> 'met_before';
    -- of one a deal was made and lost while the AE had it: too early for its stage
    insert into crm.opp values ('o-lost_before', '2026-03-01', '2026-03-04', false, true);
    insert into crm.role values ('r-lost_before', 'o-lost_before', 'lost_before');
    perform handoff.tick('2026-03-04');
    perform handoff.return_lead(k, 'not_qualified', 'no project', p_now => '2026-03-10') from unnest(pg_temp.leads()) k;
end $$;
create function pg_temp.broken() returns setof text language sql as $$
    select d.invariant || ' ' || d.what from handoff.doctor() d where d.severity = 'error'
    union all
    select concat_ws(' ', v.lead_key, v.what, v.by_log, v.by_state) from handoff.verify() v
$$;
-- stage; how each handoff ended, or who has it
create function pg_temp.state(lead text) returns text language sql as $$
    select concat_ws(' ', l.stage, '[' || string_agg(case when h.outcome is null then h.rep else concat_ws('/', h.outcome, h.code) end, ' ' order by h.handoff_no) || ']')
    from handoff.lead l join handoff.handoff h using (lead_key) where l.lead_key = lead group by l.lead_key
$$;
create function pg_temp.acts(lead text, at timestamptz, kind text, page text default null, outcome text default null) returns void language plpgsql as $$ begin
    insert into crm.act (lead_key, at, kind, page, outcome) values (lead, acts.at, acts.kind, acts.page, acts.outcome);
    perform handoff.tick(acts.at);
end $$;
create function pg_temp.deal(lead text, made timestamptz, lost timestamptz, at timestamptz) returns void language plpgsql as $$ begin
    insert into crm.opp values ('o-' || lead, made, lost, false, lost is not null) on conflict (id) do update set closed_at = lost, is_closed = lost is not null;
    insert into crm.role values ('r-' || lead, 'o-' || lead, lead) on conflict do nothing;
    perform handoff.tick(deal.at);
end $$;

select is(pg_temp.state('open'), 'sal [ana returned/not_qualified]', 'an AE has given it back: the SDR has it');
select is((select owner from handoff.writeback where lead_key = 'open'), 'u-ana', 'so the CRM is told');

-- What it was given up for, and by whom ------------------------------------------------------------------

do $$ begin
    perform handoff.recycle('recycled', 'no_budget', p_now => '2026-03-12');
    perform handoff.tick('2026-03-12 01:00');
end $$;
select is((select fit from handoff.lead where lead_key = 'recycled'), 3::bigint, 'last_reason and last_rep are those of the SDR');
do $$ begin perform handoff.tick('2026-03-14 01:00'); end $$;
select is((select fit from handoff.lead where lead_key = 'recycled'), 7::bigint, '.. and so is days_since_recycle');
select is(handoff.brief('recycled') ->> 'code', 'no_budget', '.. and the brief');

-- What it listens to ----------------------------------------------------------------------------------------

do $$ begin
    perform handoff.recycle('signals', 'no_budget', p_now => '2026-03-12');
    perform pg_temp.acts('signals', timestamptz '2026-03-20' + n * interval '1 hour', 'page_view', '/pricing') from generate_series(1, 3) n;
end $$;
select is(pg_temp.state('signals'), 'recycled [recycle/no_budget returned/not_qualified]', 'a signal that its path does not name leaves it where it rests');
do $$ begin perform pg_temp.acts('signals', '2026-03-21', 'form', '/demo'); end $$;
select matches(pg_temp.state('signals'), '^mql .*ana.$', 'one that it names brings it back');

-- Its row is gone, and is back ------------------------------------------------------------------------------

do $$ begin
    perform handoff.recycle('gone_resting', 'no_budget', p_now => '2026-03-12');
    delete from crm.lead where id in ('gone', 'gone_resting');
    perform handoff.tick('2026-03-22');
end $$;
select is(pg_temp.state('gone'), 'sal [withdrawn/deleted returned/not_qualified]', 'gone');
do $$ begin
    insert into crm.lead select k, k || '@' || k || '.de', 'Acme', 'DE', 'Software', 'C-Level', 500, 'Working - Contacted', '2026-03-23' from unnest('{gone,gone_resting}'::text[]) k;
    perform handoff.tick('2026-03-23');
    perform handoff.tick('2026-03-23 01:00');
end $$;
select is(pg_temp.state('gone'), 'sal [ana returned/not_qualified]', 'back: the handoff that was interrupted goes on');
select is((select due_at from handoff.clock where lead_key = 'gone_resting' and kind = 'recycle' and stopped_at is null),
    (select recycle_due_at from handoff.handoff where lead_key = 'gone_resting' and handoff_no = 1), 'one that rests comes back when its path says');

-- What the CRM says -------------------------------------------------------------------------------------------

do $$ begin
    perform handoff.recycle('echo', 'no_budget', p_now => '2026-03-24');
    update crm.lead set status = 'No Money', updated_at = '2026-03-24 01:00' where id = 'echo';
    perform handoff.recycle('against', 'no_budget', p_now => '2026-03-24');
    update crm.lead set status = 'Closed - Converted', updated_at = '2026-03-24 01:00' where id = 'against';
    perform handoff.tick('2026-03-24 01:00');
end $$;
select is_empty($$ select * from handoff.violation where lead_key = 'echo' $$, 'the code that it was given up for is an echo');
select results_eq($$ select rule, handoff_no, rep from handoff.violation where lead_key = 'against' $$, $$ values ('no_open_handoff', 1, 'ana') $$, 'a violation is about who had it last');

-- Meetings ------------------------------------------------------------------------------------------------------

select is(pg_temp.state('met_before'), 'sal [ana returned/not_qualified]', 'the meeting that led to the AE leads there once');
do $$ begin perform pg_temp.acts(k, '2026-03-25', 'meeting', null, 'Held') from unnest('{met,met_before}'::text[]) k; end $$;
select is(pg_temp.state('met'), 'sql [next_leg returned/not_qualified eva]', 'a meeting with the SDR who has it again');
select is(pg_temp.state('met_before'), 'sql [next_leg returned/not_qualified eva]', '.. leads there again');

-- Opportunities ---------------------------------------------------------------------------------------------------

select is(pg_temp.state('lost_before'), 'sal [ana returned/not_qualified]', 'what was lost before the return is over');
do $$ begin perform pg_temp.deal('deal', '2026-03-26', null, '2026-03-26'); end $$;
select is(pg_temp.state('deal'), 'opportunity [ana returned/not_qualified]', 'an opportunity of the SDR''s');
do $$ begin perform pg_temp.deal('deal', '2026-03-26', '2026-03-27', '2026-03-27'); end $$;
select is(pg_temp.state('deal'), 'lost [lost/lost returned/not_qualified]', 'is lost');
do $$ begin perform pg_temp.deal('deal', '2026-03-26', null, '2026-03-28'); end $$;
select is(pg_temp.state('deal'), 'opportunity [ana returned/not_qualified]', '.. and is not: his handoff goes on');
do $$ begin
    perform handoff.recycle('given_up', 'no_budget', p_now => '2026-03-28');
    perform pg_temp.deal('given_up', '2026-03-29', null, '2026-03-29');
    perform pg_temp.deal('aged', '2026-03-29', null, '2026-03-29');
end $$;
select is(pg_temp.state('given_up'), 'opportunity [recycle/no_budget returned/not_qualified]', 'what was given up for a reason comes back for a deal');

-- Lists of the week --------------------------------------------------------------------------------------------------

do $$ begin
    perform set_config('lead_handoff.view_time', '2026-04-06 12:00+00', true);
end $$;
select results_eq($$ select rep, lead_key, handoff_no, what from handoff.weekly_review() where kind = 'expiring' and lead_key in ('open', 'soon') $$,
    $$ values ('ana', 'open', 1, 'its time in stage sal is over soon'), ('ana', 'soon', 1, 'its time in stage sal is over soon') $$, 'its stay in the stage is over soon: it is the SDR''s');

-- Ended at the moment of the return ----------------------------------------------------------------------------------

do $$ begin
    perform handoff.qualify('same_time', p_now => '2026-03-30');
    perform handoff.return_lead('same_time', 'not_qualified', 'no', p_now => '2026-04-01');
    perform handoff.recycle('same_time', 'no_budget', p_now => '2026-04-01');
    perform handoff.tick('2026-04-01 01:00');
end $$;
select is((select count(distinct closed_at) from handoff.handoff where lead_key = 'same_time' and handoff_no in (1, 3)), 1::bigint, 'given back and given up at once');
select is((select fit from handoff.lead where lead_key = 'same_time'), 3::bigint, 'given up came later');

-- Aged ----------------------------------------------------------------------------------------------------------------

do $$ begin perform handoff.tick('2026-04-10'); end $$;
select is(pg_temp.state('aged'), 'recycled [recycle/due returned/not_qualified]', 'ended by its age: a deal that was open all the time does not bring it back');
do $$ begin perform pg_temp.deal('soon', '2026-04-11', null, '2026-04-11'); end $$;
select is(pg_temp.state('soon'), 'opportunity [recycle/due returned/not_qualified]', '.. one that is made later does, where the contract has a transition for it');

do $$ begin
    perform handoff.disqualify('met', 'competitor', p_now => '2026-03-30');
    perform pg_temp.deal('met', '2026-04-12', null, '2026-04-12');
end $$;
select is(pg_temp.state('met'), 'disqualified [next_leg returned/not_qualified disqualified/competitor]', 'without a transition a deal leaves it where it is');
select is((select opportunity_at from handoff.handoff where lead_key = 'met' and handoff_no = 3), '2026-04-12 00:00+00', '.. and counts for its last handoff');

select is_empty('select pg_temp.broken()', 'all is well in the end');
select * from finish();
rollback;
