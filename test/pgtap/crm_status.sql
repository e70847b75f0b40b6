-- A status that somebody sets in the CRM: what it means happens as if the API had been called; what the
-- contract forbids leaves a violation, and then record, hold or revert; an echo changes nothing. And
-- what view writeback would write.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    delete from handoff.escalation;
    update handoff.disposition set on_violation = 'revert' where code = 'no_response';
    update handoff.disposition set on_violation = 'hold' where code = 'timing';
    insert into handoff.crm_status (contract_id, value, ord, code, stages)
    values (1, 'No Response', 50, 'no_response', '{}'), (1, 'Later', 60, 'timing', '{}'), (1, 'Later still', 61, 'timing', '{}'), (1, 'Closed - Competitor', 70, 'competitor', '{disqualified}');
    perform handoff.add_rep('ana', 'Ana', 'sdr', crm_id => 'u-ana');
    perform handoff.add_rep('eva', 'Eva', 'ae', crm_id => 'u-eva');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.add_rep('mia', 'Mia');
    perform handoff.set_manager('ana', 'mia');
    perform handoff.publish();
end $$;
set local timezone = 'UTC';

create schema crm;
create table crm.lead (
    id text primary key, email text, company text, country text, industry text, seniority text, employees int,
    status text, owner_id text, updated_at timestamptz
);
create table crm.act (id int generated always as identity primary key, lead_key text, at timestamptz, kind text, page text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', mapping => '{"crm_status": "status", "crm_owner": "owner_id"}');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
end $$;

-- leads that fit and ask for a demo: MQLs
insert into crm.lead
select 'l' || n, 'l' || n || '@acme' || n || '.de', 'Acme', 'DE', 'Software', 'C-Level', 500, 'Open - Not Contacted', 'q', '2026-03-02 08:00'
from unnest(array[1, 2, 3, 4, 5, 6, 7, 8, 9, 11]) n;
insert into crm.act (lead_key, at, kind, page) select 'l' || n, '2026-03-02 08:30', 'form', '/demo' from unnest(array[1, 2, 3, 4, 5, 6, 7, 8, 11]) n;
do $$ begin perform handoff.tick('2026-03-02 09:00'); end $$;

create function pg_temp.sets(key text, value text, at timestamptz) returns void language plpgsql as $$ begin
    update crm.lead set status = value, updated_at = at where id = key;
    perform handoff.tick(at);
end $$;
-- stage, and the last handoff: how it was accepted, how it ended
create function pg_temp.state(lead text) returns text language sql as $$
    select concat_ws(' ', l.stage, h.accepted_how, h.outcome, h.code)
    from handoff.lead l
    left join lateral (select * from handoff.handoff h where h.lead_key = l.lead_key order by handoff_no desc limit 1) h on true
    where l.lead_key = lead
$$;
create function pg_temp.log(lead text, since timestamptz) returns text language sql as $$
    select string_agg(e.type || ' by ' || e.actor, ', ' order by e.seq) from handoff.event e where e.lead_key = lead and e.at >= since
$$;
create function pg_temp.violations(lead text) returns setof text language sql as $$
    select concat_ws('|', v.rule, v.asked, v.code, v.wanted, v.action, v.taken) from handoff.violation v where v.lead_key = lead order by v.seq
$$;
create function pg_temp.back(lead text) returns text language sql as $$
    select concat_ws('|', w.owner, w.stage, w.band, w.score > 0, coalesce(w.status, 'leave')) from handoff.writeback w where w.lead_key = lead
$$;

select is(pg_temp.state('l1'), 'mql', 'handed over');
select is(pg_temp.back('l1'), 'u-ana|mql|A|t|Open - Not Contacted', 'writeback: owner and score; the status fits');

-- as the API would
select pg_temp.sets('l1', 'Working - Contacted', '2026-03-02 10:00');
select is(pg_temp.state('l1'), 'sal crm', 'a status accepts');
select is(pg_temp.log('l1', '2026-03-02 10:00'), 'fields by source, accepted by crm, stage by crm, verdict by contract', 'the CRM did it');
select pg_temp.sets('l1', 'Closed - Converted', '2026-03-02 11:00');
select is(pg_temp.state('l1'), 'sql', 'a status qualifies: the next leg is passed');
select is(pg_temp.back('l1'), 'u-eva|sql|A|t|Closed - Converted', 'writeback: the next owner');
select is_empty($$ select pg_temp.violations('l1') $$, 'all of it lawful');

-- echoes of our own write-back
do $$ begin perform handoff.accept('l2', p_now => '2026-03-02 10:00'); end $$;
select is(pg_temp.back('l2'), 'u-ana|sal|A|t|Working - Contacted', 'accepted by API: the status is to be written');
create temp table written as select * from handoff.writeback where lead_key = 'l2';
update crm.lead l set status = w.status, owner_id = w.owner, updated_at = '2026-03-02 10:05' from handoff.writeback w where w.lead_key = l.id and l.id = 'l2';
do $$ begin perform handoff.tick('2026-03-02 10:06'); end $$;
select is(pg_temp.log('l2', '2026-03-02 10:05'), 'fields by source', 'its echo is a change of fields, nothing else');
select results_eq($$ select * from handoff.writeback where lead_key = 'l2' $$, $$ select * from written $$, 'and there is nothing new to write');
update crm.lead set updated_at = '2026-03-02 10:07' where id = 'l2';
do $$ begin perform handoff.tick('2026-03-02 10:08'); end $$;
select is(pg_temp.log('l2', '2026-03-02 10:07'), null, 'the echo once more: no event');

-- a disposition given by API, whose status the tool then writes
insert into crm.act (lead_key, at, kind) select 'l3', '2026-03-02 09:00'::timestamptz + n * interval '1 day', (array['call', 'email', 'linkedin'])[1 + n % 3] from generate_series(1, 9) n;
do $$ begin
    perform handoff.tick('2026-03-12 09:00');
    perform handoff.disqualify('l3', 'competitor', p_now => '2026-03-12 10:00');
end $$;
select is(pg_temp.back('l3'), 'disqualified|A|t|Closed - Competitor', 'the status of the code it was closed with comes first');

-- violations: record takes it all the same
select pg_temp.sets('l4', 'Closed - Not Converted', '2026-03-02 10:00');
select is(pg_temp.state('l4'), 'disqualified disqualified closed_in_crm', 'closed without any work: recorded and taken');
select set_eq($$ select pg_temp.violations('l4') $$, array['work|Closed - Not Converted|closed_in_crm|0 of 1 touches.|record|t'], 'with what was wanted');
select is(pg_temp.log('l4', '2026-03-02 10:00'), 'fields by source, violation by crm, closed by crm, stage by crm, verdict by contract', 'and logged');

-- hold: not taken, the outside is told
select pg_temp.sets('l5', 'Later', '2026-03-02 10:00');
select is(pg_temp.state('l5'), 'mql', 'hold: not taken');
select set_eq($$ select pg_temp.violations('l5') $$, array['note|Later|timing|disposition "timing" needs a note|hold|f'], 'a violation');
select is((select count(*)::int from handoff.outbox where lead_key = 'l5' and type = 'lead.violation'), 1, 'the outside is told');
select is(pg_temp.back('l5'), 'u-ana|mql|A|t|Later', 'and nothing is written over it');
select results_eq($$ select payload #>> '{about,status}', payload #>> '{about,rule}', payload #>> '{about,recipient}', payload ->> 'rep' from handoff.outbox where lead_key = 'l5' and type = 'lead.violation' $$,
    $$ values ('Later', 'note', 'mia', 'ana') $$, 'what is told: to the manager of the owner');
select is((select handoff.message_text(id) from handoff.outbox where lead_key = 'l5' and type = 'lead.violation'),
    'Lead l5 (Acme): the CRM has set status "Later", which the contract forbids: disposition "timing" needs a note.', 'in words');
select results_eq($$ select bool_and(c.paused), bool_and(c.pauses = tstzmultirange(tstzrange('2026-03-02 10:00', null))), count(*) > 1 from handoff.clock c where c.lead_key = 'l5' and c.kind = 'sla' $$,
    $$ values (true, true, true) $$, 'its clocks stand still');
select is((select h.held_at from handoff.handoff h where h.lead_key = 'l5'), '2026-03-02 10:00', 'since then');
-- sixteen hours later nothing is due; another forbidden status doesn't end it, nor does work
select pg_temp.sets('l5', 'Later still', '2026-03-03 02:00');
select is((select h.held_at from handoff.handoff h where h.lead_key = 'l5'), '2026-03-02 10:00', 'still held');
select is((select count(*)::int from handoff.outbox where lead_key = 'l5' and type = 'lead.violation'), 2, 'told again');
select is_empty($$ select * from handoff.fact_clock where lead_key = 'l5' and verdict <> 'running' and due_at > '2026-03-02 10:00' $$, 'none is missed');
select pg_temp.sets('l5', 'Working - Contacted', '2026-03-03 10:00');
select is(pg_temp.state('l5'), 'sal crm', 'a lawful status settles it');
select is(pg_temp.log('l5', '2026-03-03 10:00'), 'fields by source, accepted by crm, stage by crm, settled by crm, verdict by contract, resumed by contract', 'the clocks run on');
select results_eq($$ select s.metric, c.verdict, c.paused, to_char(c.due_at, 'MM-DD HH24:MI') from handoff.clock c join handoff.sla s on s.contract_id = 1 and s.name = c.name where c.lead_key = 'l5' and c.kind = 'sla' and s.metric in ('accept', 'first_touch') order by 1 $$,
    $$ values ('accept', 'met', false, '03-03 17:00'), ('first_touch', null, false, '03-02 09:15') $$, 'what was overdue before stays it');
-- the manager settles it by the API
select pg_temp.sets('l11', 'Later', '2026-03-02 11:00');
select is((select h.held_at from handoff.handoff h where h.lead_key = 'l11'), '2026-03-02 11:00', 'held');
do $$ begin perform handoff.tick('2026-03-02 12:00'); perform handoff.recycle('l11', 'timing', 'in autumn', actor => 'mia', p_now => '2026-03-02 12:00'); end $$;
select is(pg_temp.state('l11'), 'recycled recycle timing', 'given by somebody who may');
select results_eq($$ select held_at, (select count(*) from handoff.clock c where c.lead_key = 'l11' and paused) from handoff.handoff where lead_key = 'l11' $$, $$ values (null::timestamptz, 0::bigint) $$, 'held no more');

-- revert: not taken, and written back
create temp table before as select * from handoff.writeback where lead_key = 'l6';
select pg_temp.sets('l6', 'No Response', '2026-03-02 10:00');
select is(pg_temp.state('l6'), 'mql', 'revert: not taken');
select set_eq($$ select pg_temp.violations('l6') $$, array['work|No Response|no_response|0 of 8 touches, 0 of 3 channels, 0 of 8 business days.|revert|f'], 'a violation');
select is(pg_temp.back('l6'), 'u-ana|mql|A|t|Open - Not Contacted', 'writeback says what it should be');
select ok((select w.updated_at > b.updated_at from handoff.writeback w, before b where w.lead_key = 'l6'), 'and that there is something to write');
select pg_temp.sets('l6', 'Open - Not Contacted', '2026-03-02 10:10');
select is(pg_temp.log('l6', '2026-03-02 10:10'), 'fields by source', 'the reverted status comes back: an echo');

-- no way at all: nothing can be taken
select pg_temp.sets('l9', 'Working - Contacted', '2026-03-02 10:00');
select is(pg_temp.state('l9'), 'lead', 'never handed over, so not accepted');
select set_eq($$ select pg_temp.violations('l9') $$, array['no_open_handoff|Working - Contacted|accepted|It is in stage "lead".|record|f'], 'but on record');

-- what the contract doesn't know is the CRM's own business
select pg_temp.sets('l7', 'Legal Hold', '2026-03-02 10:00');
select is(pg_temp.log('l7', '2026-03-02 10:00'), 'fields by source', 'a status that is not mapped: fields only');
select is(pg_temp.back('l7'), 'u-ana|mql|A|t|leave', 'and none of ours to write');

-- an older row, delivered late, and a new lead that comes with a status
update crm.lead set status = 'Working - Contacted', updated_at = '2026-03-01 10:00' where id = 'l8';
do $$ begin perform handoff.tick('2026-03-02 12:00'); end $$;
select is(pg_temp.state('l8'), 'mql', 'an older row sets nothing');
insert into crm.lead values ('l10', 'l10@acme10.de', 'Acme', 'DE', 'Software', 'C-Level', 500, 'Closed - Not Converted', 'q', '2026-03-02 12:00');
do $$ begin perform handoff.tick('2026-03-02 12:00'); end $$;
select is(pg_temp.log('l10', '-infinity'), 'created by source, scored by contract', 'a new lead has its status, nobody has set it');

-- counted
set local lead_handoff.view_time = '2026-03-15';
select results_eq($$ select month::text, source, leg, rep, rule, asked, code, action, violations::int, taken_rate, settled_rate, settled_rate_num::int, settled_rate_den::int, settled_rate_open::int
                     from handoff.violations order by asked, rule, rep, action $$, $$ values
    ('2026-03-01', 'crm.lead', 'mql_to_sdr', 'ana', 'work', 'Closed - Not Converted', 'closed_in_crm', 'record', 1, 1.0000, null, 0, 0, 0),
    ('2026-03-01', 'crm.lead', 'mql_to_sdr', 'ana', 'note', 'Later', 'timing', 'hold', 2, 0.0000, 1.0000, 2, 2, 0),
    ('2026-03-01', 'crm.lead', 'mql_to_sdr', 'ana', 'note', 'Later still', 'timing', 'hold', 1, 0.0000, 1.0000, 1, 1, 0),
    ('2026-03-01', 'crm.lead', 'mql_to_sdr', 'ana', 'work', 'No Response', 'no_response', 'revert', 1, 0.0000, 1.0000, 1, 1, 0),
    ('2026-03-01', 'crm.lead', null, null, 'no_open_handoff', 'Working - Contacted', 'accepted', 'record', 1, 0.0000, 0.0000, 0, 1, 1) $$,
    'view violations: asked, against which rule, how handled, what still stands');
select is((select sum(violations) from handoff.violations), (select count(*)::numeric from handoff.violation), 'each is counted once');
savepoint emptied;
update handoff.lead set fields = fields - 'crm_status' where lead_key = 'l9';
select results_eq($$ select settled_rate_num, settled_rate_den, settled_rate_open from handoff.violations where rule = 'no_open_handoff' $$, 'values (1::bigint, 1::bigint, 0::bigint)', 'no status is another one');
rollback to emptied;

-- validate() knows codes and stages
select is(handoff.draft(), 2, 'a draft');
update handoff.crm_status set code = 'nonsense', qualifies = false, stages = '{nowhere}' where contract_id = 2 and value = 'Closed - Converted';
delete from handoff.crm_status where contract_id = 2 and stages && '{mql,sal}';
select results_eq($$ select severity, message from handoff.validate(2) where object = 'crm status "Closed - Converted"' order by 2 $$,
    $$ values ('error', 'unknown disposition "nonsense"'), ('error', 'unknown stage "nowhere"') $$, 'unknown code and stage are errors');
select is((select severity from handoff.validate(2) where object = 'disposition "no_response"'), 'warning', 'nothing to revert to is a warning');

select is_empty($$ select * from handoff.verify() $$, 'the log folds to the state');
select is_empty($$ select invariant, what from handoff.doctor() where severity = 'error' $$, 'no invariant is broken');
select * from finish();
rollback;
