-- Work: what activities say about a handoff, the clocks they stop and with which verdict; handoffs from
-- the first to the last row; what the outside is told.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    -- elapsed time, acceptance and first touch only
    delete from handoff.sla where metric not in ('accept', 'first_touch');
    update handoff.sla set clock = 'elapsed', target = case when metric = 'accept' or name = 'ae_first_touch' then interval '24 hours' else target end;
    delete from handoff.escalation;
    perform handoff.add_rep('ana', 'Ana', 'sdr', crm_id => '005A');
    perform handoff.add_rep('ben', 'Ben', 'sdr', crm_id => '005B');
    perform handoff.add_rep('eva', 'Eva', 'ae');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.publish();
    perform handoff.subscribe('slack', 'handoff.%');
    perform handoff.subscribe('slack', 'handoff.created');
    perform handoff.subscribe('crm', 'lead.blocked');
end $$;
set local timezone = 'UTC';

create schema crm;
create table crm.lead (id text primary key, email text, company text, country text, industry text, seniority text, employees int,
                       crm_owner text, opted_out boolean, updated_at timestamptz);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, page text, channel text, direction text,
                      status text, outcome text, is_automatic boolean);
create table crm.opp (id text primary key, created_at timestamptz, closed_at timestamptz, is_won boolean, is_closed boolean);
create table crm.role (id text primary key, opportunity_key text, lead_key text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', delete_grace => '0');
    perform handoff.attach('crm.act', 'activity', since => '-infinity', delete_grace => '0');
    perform handoff.attach('crm.opp', 'opportunity', since => '-infinity', delete_grace => '0');
    perform handoff.attach('crm.role', 'link', since => '-infinity', delete_grace => '0');
end $$;

create function pg_temp.broken() returns setof text language sql as $$
    select d.invariant || ' ' || d.what from handoff.doctor() d where d.severity = 'error'
    union all
    select concat_ws(' ', v.lead_key, v.what, v.by_log, v.by_state) from handoff.verify() v
$$;
create function pg_temp.act(lead text, id text, at timestamptz, kind text, more jsonb default '{}') returns void language sql as $$
    insert into crm.act select r.* from jsonb_populate_record(null::crm.act, jsonb_build_object('id', lead || ' ' || id, 'lead_key', lead, 'at', at, 'kind', kind) || more) r
    on conflict (id) do update set at = excluded.at, kind = excluded.kind, status = excluded.status, outcome = excluded.outcome
$$;
-- a lead that asks for a demo at 9 on the 2nd of March
create function pg_temp.comes(lead text, more jsonb default '{}') returns void language plpgsql as $$ begin
    insert into crm.lead select r.* from jsonb_populate_record(null::crm.lead, jsonb_build_object(
        'id', lead, 'email', lead || '@acme.de', 'company', 'Acme', 'country', 'DE', 'industry', 'Software', 'seniority', 'C-Level',
        'employees', 500, 'updated_at', '2026-03-02 08:00') || more) r;
    perform pg_temp.act(lead, 'demo', '2026-03-02 09:00', 'form', '{"page": "/demo"}');
    perform handoff.tick('2026-03-02 09:00');
end $$;
-- the newest handoff's touches/contacts, channels, first touch, first contact and so on, by day and time
create function pg_temp.done(lead text) returns text language sql as $$
    select concat_ws(' ', h.touches || '/' || h.contacts, h.channels, 'first ' || to_char(h.first_touch_at, 'DD HH24:MI'),
                     'contact ' || to_char(h.first_contact_at, 'DD HH24:MI'), 'booked ' || to_char(h.booked_at, 'DD HH24:MI'),
                     'held ' || to_char(h.meeting_held_at, 'DD HH24:MI'), case when h.no_show then 'no show' end)
    from handoff.handoff h where h.lead_key = lead order by handoff_no desc limit 1
$$;
-- its clocks: how long they were given, and the verdict
create function pg_temp.clocks(lead text) returns text language sql as $$
    select string_agg(concat_ws(' ', c.handoff_no || '.' || c.n, c.name, to_char(c.due_at, 'DD HH24:MI'),
                                case when c.stopped_at is null then 'runs' else 'stopped ' || to_char(c.stopped_at, 'DD HH24:MI') end, c.verdict),
                      ', ' order by c.handoff_no, c.name, c.n)
    from handoff.clock c where c.lead_key = lead and c.kind = 'sla'
$$;

-- What counts ---------------------------------------------------------------------------------------

do $$ begin
    perform pg_temp.act('a', 'early', '2026-03-02 08:59', 'call');
    perform pg_temp.comes('a');
end $$;
select is(pg_temp.done('a'), '0/0 {}', 'what was done before is not the work of this handoff');
select is(pg_temp.clocks('a'), '1.1 sdr_accept 03 09:00 runs, 1.1 sdr_first_touch_hot 02 09:15 runs', 'its clocks');
do $$ begin
    perform pg_temp.act('a', 'planned', '2026-03-02 09:05', 'call', '{"status": "Open"}');
    perform pg_temp.act('a', 'sequence', '2026-03-02 09:06', 'email', '{"is_automatic": true}');
    perform pg_temp.act('a', 'auto-reply', '2026-03-02 09:07', 'email', '{"direction": "inbound", "is_automatic": true}');
    perform pg_temp.act('a', 'visit', '2026-03-02 09:08', 'page_view', '{"page": "/"}');
    perform pg_temp.act('a', 'later', '2026-03-02 12:00', 'call');
    perform handoff.tick('2026-03-02 10:00');
end $$;
select is(pg_temp.done('a'), '0/0 {}', 'planned, automatic, the lead''s own, and still to come: no touch');
do $$ begin
    perform pg_temp.act('a', 'call', '2026-03-02 10:30', 'call', '{"status": "Completed", "outcome": "No Answer"}');
    perform pg_temp.act('a', 'mail', '2026-03-02 10:40', 'email', '{"channel": "mail", "direction": "outbound"}');
    perform handoff.tick('2026-03-02 11:00');
end $$;
select is(pg_temp.done('a'), '2/0 {call,email} first 02 10:30', 'a call, and a mail; a channel is its channel, else its kind');
do $$ begin
    perform pg_temp.act('a', 'reply', '2026-03-02 11:30', 'email', '{"direction": "inbound"}');
    perform pg_temp.act('a', 'talk', '2026-03-02 11:40', 'call', '{"outcome": "Connected"}');
    perform handoff.tick('2026-03-02 11:59:59');
end $$;
select is(pg_temp.done('a'), '4/2 {call,email} first 02 10:30 contact 02 11:30', 'two-way ones are touches and contacts');
do $$ begin perform handoff.tick('2026-03-02 12:00'); end $$;
select is(pg_temp.done('a'), '5/2 {call,email} first 02 10:30 contact 02 11:30', 'the time of the one to come has come');
do $$ begin
    perform pg_temp.act('a', 'booked', '2026-03-02 12:10', 'meeting', '{"outcome": "Booked"}');
    perform pg_temp.act('a', 'missed', '2026-03-04 10:00', 'meeting', '{"outcome": "No Show"}');
    perform handoff.tick('2026-03-04 11:00');
end $$;
select is(pg_temp.done('a'), '5/2 {call,email} first 02 10:30 contact 02 11:30 booked 02 12:10 no show', 'a meeting that did not come about');
do $$ begin
    perform pg_temp.act('a', 'held', '2026-03-05 10:00', 'meeting', '{"outcome": "Held"}');
    perform handoff.tick('2026-03-05 11:00');
end $$;
select is(pg_temp.done('a'), '5/2 {call,email} first 02 10:30 contact 02 11:30 booked 02 12:10 held 05 10:00', 'and one that did');
do $$ begin
    delete from crm.act where id in ('a call', 'a reply', 'a later', 'a held');
    perform handoff.tick('2026-03-05 12:00');
end $$;
select is(pg_temp.done('a'), '2/1 {call,email} first 02 10:40 contact 02 11:40 booked 02 12:10 no show', 'deleted ones are taken back');
do $$ begin
    perform pg_temp.act('a', 'talk', '2026-03-02 11:45', 'call', '{"outcome": "No Answer"}');
    perform handoff.tick('2026-03-05 12:30');
end $$;
select is(pg_temp.done('a'), '2/0 {call,email} first 02 10:40 booked 02 12:10 no show', 'and so is what a changed one no longer means');
do $$ begin perform handoff.recycle('a', 'no_budget', p_now => '2026-03-06'); perform pg_temp.act('a', 'after', '2026-03-07', 'call');
    perform pg_temp.act('a', 'late', '2026-03-05 13:00', 'linkedin'); perform handoff.tick('2026-03-08'); end $$;
select is(pg_temp.done('a'), '3/0 {call,email,linkedin} first 02 10:40 booked 02 12:10 no show', 'after the end nothing counts but what was done before and told late');

-- Verdicts ------------------------------------------------------------------------------------------

do $$ begin
    perform pg_temp.comes('b');
    perform pg_temp.act('b', 'call', '2026-03-02 09:15', 'call');
    perform handoff.tick('2026-03-03');
    perform handoff.accept('b', p_now => '2026-03-03 09:00');
end $$;
select is(pg_temp.clocks('b'), '1.1 sdr_accept 03 09:00 stopped 03 09:00 met, 1.1 sdr_first_touch_hot 02 09:15 stopped 02 09:15 met', 'at the due moment: met');
do $$ begin perform pg_temp.act('b', 'call', '2026-03-02 09:15:00.000001', 'call'); perform handoff.tick('2026-03-03 10:00'); end $$;
select matches(pg_temp.clocks('b'), 'hot 02 09:15 stopped 02 09:15 missed', 'a microsecond later: missed');
do $$ begin perform pg_temp.act('b', 'late', '2026-03-02 09:10', 'email'); perform handoff.tick('2026-03-03 11:00'); end $$;
select matches(pg_temp.clocks('b'), 'hot 02 09:15 stopped 02 09:10 met', 'one told late corrects the verdict');
do $$ begin delete from crm.act where id = 'b late'; perform handoff.tick('2026-03-03 12:00'); end $$;
select matches(pg_temp.clocks('b'), 'hot 02 09:15 stopped 02 09:15 missed', 'deleted: takes it back');
do $$ begin delete from crm.act where id = 'b call'; perform handoff.tick('2026-03-03 13:00'); end $$;
select matches(pg_temp.clocks('b'), 'hot 02 09:15 runs$', 'the last one deleted: the clock runs again');
do $$ begin perform pg_temp.comes('c'); end $$;
do $$ begin perform handoff.accept('c', p_now => '2026-03-03 09:00:00.000001'); end $$;
select matches(pg_temp.clocks('c'), 'sdr_accept 03 09:00 stopped 03 09:00 missed', 'accepted a microsecond too late');

-- how a handoff ends, and what that makes of clocks that nothing has stopped
do $$ begin
    perform pg_temp.comes(l) from unnest('{withdrawn,unfit,unfit2,soon,late,gone}'::text[]) l;
    perform handoff.dispose('withdrawn', 'merged', p_now => '2026-03-04');
    perform handoff.disqualify('unfit', 'student', p_now => '2026-03-04');
    perform pg_temp.act('unfit2', 'call', '2026-03-04', 'call');
    perform handoff.tick('2026-03-04');
    perform handoff.disqualify('unfit2', 'student', p_now => '2026-03-04');
    perform handoff.recycle('soon', 'no_budget', p_now => '2026-03-02 09:10');
    perform handoff.recycle('late', 'no_budget', p_now => '2026-03-04');
    delete from crm.lead where id = 'gone';
    perform handoff.tick('2026-03-04');
end $$;
select results_eq($$ select l, pg_temp.clocks(l) from unnest('{withdrawn,unfit,unfit2,soon,late,gone}'::text[]) l order by l $$, $$ values
    ('gone', '1.1 sdr_accept 03 09:00 stopped 04 00:00 void, 1.1 sdr_first_touch_hot 02 09:15 stopped 04 00:00 void'),
    ('late', '1.1 sdr_accept 03 09:00 stopped 04 00:00 missed, 1.1 sdr_first_touch_hot 02 09:15 stopped 04 00:00 missed'),
    ('soon', '1.1 sdr_accept 03 09:00 stopped 02 09:10 met, 1.1 sdr_first_touch_hot 02 09:15 stopped 02 09:10 void'),
    ('unfit', '1.1 sdr_accept 03 09:00 stopped 04 00:00 missed, 1.1 sdr_first_touch_hot 02 09:15 stopped 04 00:00 void'),
    ('unfit2', '1.1 sdr_accept 03 09:00 stopped 04 00:00 missed, 1.1 sdr_first_touch_hot 02 09:15 stopped 04 00:00 missed'),
    ('withdrawn', '1.1 sdr_accept 03 09:00 stopped 04 00:00 void, 1.1 sdr_first_touch_hot 02 09:15 stopped 04 00:00 void')
$$, 'a rejection is an answer; untouched and withdrawn, disqualified or in time: void; else missed');
select results_eq($$ select outcome, code, closed_at, rep is not null from handoff.handoff where lead_key = 'gone' $$,
    $$ values ('withdrawn', 'deleted', timestamptz '2026-03-04', true) $$, 'gone: a deleted lead''s handoff is withdrawn');

-- owners change: a clock of scope assignment is fresh for each, one of scope lead runs on
do $$ begin
    perform pg_temp.comes('d');
    perform handoff.dispose('d', 'wrong_territory', p_now => '2026-03-02 09:10');
end $$;
select is(pg_temp.clocks('d'), '1.1 sdr_accept 03 09:00 stopped 02 09:10 void, 1.2 sdr_accept 03 09:10 runs, 1.1 sdr_first_touch_hot 02 09:15 runs', 'rerouted in time');
do $$ begin perform handoff.dispose('d', 'wrong_territory', p_now => '2026-03-03 09:11'); end $$;
select is(pg_temp.clocks('d'), '1.1 sdr_accept 03 09:00 stopped 02 09:10 void, 1.2 sdr_accept 03 09:10 stopped 03 09:11 missed, 1.3 sdr_accept 04 09:11 runs, 1.1 sdr_first_touch_hot 02 09:15 runs', 'too late');
do $$ begin perform handoff.accept('d', p_now => '2026-03-03 10:00'); perform handoff.touch('d', 'call', p_now => '2026-03-03 10:05'); end $$;
select is(pg_temp.clocks('d'), '1.1 sdr_accept 03 09:00 stopped 02 09:10 void, 1.2 sdr_accept 03 09:10 stopped 03 09:11 missed, 1.3 sdr_accept 04 09:11 stopped 03 10:00 met, 1.1 sdr_first_touch_hot 02 09:15 stopped 03 10:05 missed', 'what the third does is not the second''s');

-- the AE returns it: no second clock for an acceptance that is there
do $$ begin
    perform pg_temp.comes('e');
    perform handoff.accept('e', p_now => '2026-03-02 09:05');
    perform handoff.touch('e', 'call', p_now => '2026-03-02 09:06');
    perform handoff.qualify('e', p_now => '2026-03-02 10:00');
    perform handoff.dispose('e', 'not_qualified', 'no', p_now => '2026-03-02 11:00');
end $$;
select is(pg_temp.clocks('e'), '1.1 sdr_accept 03 09:00 stopped 02 09:05 met, 1.1 sdr_first_touch_hot 02 09:15 stopped 02 09:06 met, 2.1 ae_accept 03 10:00 stopped 02 11:00 met, 2.1 ae_first_touch 03 10:00 stopped 02 11:00 void', 'returned');
do $$ begin perform handoff.qualify('e', p_now => '2026-03-02 12:00'); end $$;
select matches(pg_temp.clocks('e'), ', 3.1 ae_accept 03 12:00 runs, 3.1 ae_first_touch 03 12:00 runs$', 'and handed on again: the AE''s clocks are new');
select results_eq($$ select handoff_no, cycle, leg, outcome, rep is not null, assignments from handoff.handoff where lead_key = 'e' order by 1 $$, $$ values
    (1, 1, 'mql_to_sdr', 'next_leg', true, 2), (2, 1, 'sdr_to_ae', 'returned', true, 1), (3, 1, 'sdr_to_ae', null, true, 1) $$, 'three handoffs');

-- nobody there at first: the buyer's wait began all the same
do $$ begin
    perform handoff.set_capacity(r, 0) from unnest('{ana,ben}'::text[]) r;
    perform pg_temp.comes('f');
end $$;
select is(pg_temp.clocks('f'), '1.1 sdr_first_touch_hot 02 09:15 runs', 'nobody has room: nobody''s clock');
do $$ begin perform handoff.set_capacity(r, null) from unnest('{ana,ben}'::text[]) r; perform handoff.tick('2026-03-02 10:00'); end $$;
select is(pg_temp.clocks('f'), '1.1 sdr_accept 03 10:00 runs, 1.1 sdr_first_touch_hot 02 09:15 runs', 'assigned an hour later');

-- other leads have other promises: the first SLA whose criteria holds
do $$ begin
    insert into crm.lead values ('g', 'g@acme.de', 'Acme', 'DE', 'Software', 'C-Level', 500, null, null, '2026-03-02 08:00');
    perform pg_temp.act('g', 'trial', '2026-03-02 09:00', 'trial');
    perform handoff.tick('2026-03-02 09:00');
end $$;
select is(pg_temp.clocks('g'), '1.1 sdr_accept 03 09:00 runs, 1.1 sdr_first_touch 02 13:00 runs', 'not hot: four hours');
set local lead_handoff.view_time = '2026-03-02 11:59:59';
select is_empty($$ select * from handoff.at_risk where lead_key = 'g' $$, 'not at risk yet');
set local lead_handoff.view_time = '2026-03-02 12:00';
select results_eq($$ select sla, overdue, remaining_seconds from handoff.at_risk where lead_key = 'g' $$, $$ values ('sdr_first_touch', false, 3600::numeric) $$, 'in its last quarter');
set local lead_handoff.view_time = '2026-03-02 13:00:01';
select results_eq($$ select sla, overdue, remaining_seconds from handoff.at_risk where lead_key = 'g' $$, $$ values ('sdr_first_touch', true, -1::numeric) $$, 'overdue, before any sweep');
do $$ begin perform handoff.touch('g', 'email', '2026-03-02 12:55', p_now => '2026-03-02 13:10'); end $$;
select is_empty($$ select * from handoff.at_risk where lead_key = 'g' $$, 'done in time, told after');

-- touch() -------------------------------------------------------------------------------------------

select results_eq($$ select source, at, fields from handoff.activity where lead_key = 'g' and source = 'api' $$,
    $$ values ('api', timestamptz '2026-03-02 12:55', jsonb_build_object('kind', 'email', 'rep', session_user)) $$, 'kept as an activity of its own source');
select is(handoff.touch('g', 'call', channel => 'phone', direction => 'outbound', outcome => 'Connected', rep => 'ben', p_now => '2026-03-02 13:20'), 'mql', 'its stage');
select is(pg_temp.done('g'), '2/1 {call,email} first 02 12:55 contact 02 13:20', 'counted at once');

-- Origins -------------------------------------------------------------------------------------------

do $$ begin
    -- books a meeting with Ben before anybody has it
    insert into crm.lead values ('h', 'h@acme.de', 'Acme', 'DE', 'Software', 'C-Level', 500, '005B', null, '2026-03-02 08:00');
    perform pg_temp.act('h', 'booked', '2026-03-02 08:50', 'meeting', '{"outcome": "Booked"}');
    perform pg_temp.act('h', 'demo', '2026-03-02 09:00', 'form', '{"page": "/demo"}');
    insert into crm.lead values ('i', 'i@acme.de', 'Acme', 'DE', 'Software', 'Staff', 10, null, null, '2026-03-02 08:00');
    insert into crm.lead values ('j', 'j@acme.de', 'Acme', 'DE', 'Software', 'Staff', 10, null, true, '2026-03-02 08:00');
    perform handoff.tick('2026-03-02 09:00');
end $$;
select results_eq($$ select origin, rep, route, pool, booked_at from handoff.handoff where lead_key = 'h' $$,
    $$ values ('self_booked', 'ben', 'booked_host', null, timestamptz '2026-03-02 08:50') $$, 'who has booked goes to the host');
select is(handoff.hand_over('i', 'mql_to_sdr', 'met at a fair', p_now => '2026-03-02 10:00'), 'mql', 'handed over by hand, whatever its score');
select results_eq($$ select origin, stage_from, band, rep is not null from handoff.handoff where lead_key = 'i' $$, $$ values ('manual', 'lead', 'C', true) $$, 'of origin manual');
select throws_ok($$ select handoff.hand_over('j', 'mql_to_sdr', 'met at a fair', p_now => '2026-03-02 10:00') $$, 'LH041', 'gate "opt_out" holds lead "j"', 'gates count by hand too');
do $$ begin perform pg_temp.comes('k'); end $$;
select results_eq($$ select origin, band, fit, intent, score, segment, trigger, trigger_at, handed_at, incomplete, contract_id from handoff.handoff where lead_key = 'k' $$,
    $$ values ('contract', 'A', 80::bigint, 40::numeric, 120::bigint, 'mid_market', 'activity', timestamptz '2026-03-02 09:00', timestamptz '2026-03-02 09:00', false, 1) $$, 'as it was at that moment');
select results_eq($$ select h.lead_key, h.seen_at = h.handed_at, l.seen_at = a.seen_at from handoff.handoff h join handoff.lead l using (lead_key) join handoff.activity a using (lead_key)
                     where lead_key = 'k' and a.at = h.trigger_at $$, $$ values ('k', true, true) $$, 'when its trigger was seen, not after it was handed over');
-- set by hand: the open handoff is withdrawn
select is(handoff.set_stage('k', 'nurture', 'a partner', p_now => '2026-03-02 12:00'), 'nurture', 'an override');
select results_eq($$ select outcome, closed_at from handoff.handoff where lead_key = 'k' $$, $$ values ('withdrawn', timestamptz '2026-03-02 12:00') $$, 'ends it as withdrawn');

-- blocked: handed over incomplete when the wait is over
do $$ begin
    insert into crm.lead values ('l', null, 'Acme', 'DE', 'Software', 'C-Level', 500, null, null, '2026-03-02 08:00');
    perform pg_temp.act('l', 'demo', '2026-03-02 09:00', 'form', '{"page": "/demo"}');
    perform handoff.tick('2026-03-02 09:00');
    perform handoff.tick('2026-03-05 08:59');
end $$;
select is((select stage || blocked_fields::text from handoff.lead where lead_key = 'l'), 'lead{email}', 'waits for an e-mail address');
do $$ begin perform handoff.tick('2026-03-05 09:00'); end $$;
select results_eq($$ select incomplete, handed_at from handoff.handoff where lead_key = 'l' $$, $$ values (true, timestamptz '2026-03-05 09:00') $$, 'handed over without after three days');

-- Accepted by work ----------------------------------------------------------------------------------

create function pg_temp.accept_on(how text) returns int language plpgsql as $$
declare
    version int := handoff.draft();
begin
    update handoff.contract set accept_on = array[how] where contract_id = version;
    return handoff.publish(version);
end $$;
select is(pg_temp.accept_on('first_touch'), 2, 'a contract that accepts with the first touch');
do $$ begin
    perform handoff.tick('2026-03-02 09:00');
    perform pg_temp.comes('m');
    perform handoff.touch('m', 'call', '2026-03-02 09:10', p_now => '2026-03-02 09:30');
    -- handed over before: under its own version still
    perform handoff.touch('f', 'call', p_now => '2026-03-03');
end $$;
select results_eq($$ select l.stage, h.contract_id, h.accepted_at, h.accepted_how from handoff.handoff h join handoff.lead l using (lead_key) where lead_key in ('m', 'f') order by lead_key $$,
    $$ values ('mql', 1, null::timestamptz, null), ('sal', 2, '2026-03-02 09:10', 'first_touch') $$, 'accepted at the touch; an open handoff keeps its version');
select matches(pg_temp.clocks('m'), 'sdr_accept 03 09:00 stopped 02 09:10 met', 'which stops the clock');
do $$ begin perform handoff.recycle('f', 'no_budget', p_now => '2026-03-04'); end $$;
select results_eq($$ select op, raw_key from handoff.inbox where source = 'crm.lead' $$, $$ values ('R'::"char", 'f') $$, 'free again, it is queued');
do $$ begin perform handoff.tick('2026-03-04'); end $$;
select results_eq($$ select contract_id, stage from handoff.lead where lead_key = 'f' $$, $$ values (2, 'recycled') $$, 'for the version in force');
do $$ begin perform handoff.tick('2026-09-01'); perform pg_temp.act('f', 'again', '2026-09-02', 'form', '{"page": "/demo"}'); perform handoff.tick('2026-09-02'); end $$;
select results_eq($$ select contract_id, cycle from handoff.handoff where lead_key = 'f' order by handoff_no $$, $$ values (1, 1), (2, 2) $$, 'which hands it over next');
select is(pg_temp.accept_on('meeting'), 3, 'with the meeting');
do $$ begin
    perform handoff.tick('2026-03-02 09:00');
    perform pg_temp.comes('n');
    perform pg_temp.act('n', 'held', '2026-03-03 10:00', 'meeting', '{"outcome": "Held"}');
    perform handoff.tick('2026-03-03 11:00');
end $$;
select results_eq($$ select l.stage, h.accepted_at, h.accepted_how from handoff.handoff h join handoff.lead l using (lead_key) where lead_key = 'n' $$,
    $$ values ('sal', timestamptz '2026-03-03 10:00', 'meeting') $$, 'accepted when it was held');
select is(pg_temp.accept_on('opportunity'), 4, 'with an opportunity');
do $$ begin
    perform handoff.tick('2026-03-02 09:00');
    perform pg_temp.comes('o');
    insert into crm.opp values ('deal', '2026-03-02 12:00');
    insert into crm.role values ('r', 'deal', 'o');
    perform handoff.tick('2026-03-02 13:00');
end $$;
select results_eq($$ select l.stage, h.accepted_at, h.accepted_how, h.opportunity_at from handoff.handoff h join handoff.lead l using (lead_key) where lead_key = 'o' $$,
    $$ values ('sal', timestamptz '2026-03-02 12:00', 'opportunity', timestamptz '2026-03-02 12:00') $$, 'accepted when it was made');

-- What the outside is told --------------------------------------------------------------------------

select is_empty($$
    select coalesce(e.lead_key, o.lead_key), coalesce(e.seq, o.seq), e.type, o.type
    from (select lead_key, seq, case type when 'handoff' then 'handoff.created' when 'assigned' then 'handoff.assigned'
                                          when 'unassigned' then 'handoff.unassigned' when 'blocked' then 'lead.blocked' else 'handoff.disposed' end as type
          from handoff.event
          where type in ('handoff', 'assigned', 'unassigned', 'blocked', 'accepted', 'rerouted')
             or type = 'closed' and detail -> 'set' ->> 'outcome' <> 'next_leg') e
    full join handoff.outbox o on o.lead_key = e.lead_key and o.seq = e.seq and o.type = e.type
    where e.seq is null or o.seq is null
$$, 'one message for each event that demands one, and no other');
select set_eq('select distinct type from handoff.outbox', $$ values ('handoff.created'), ('handoff.assigned'), ('handoff.unassigned'), ('handoff.disposed'), ('lead.blocked') $$, 'of every type');
select is_empty($$
    select o.lead_key, o.seq, o.type, d.destination from handoff.outbox o
    full join handoff.delivery d on d.lead_key = o.lead_key and d.seq = o.seq and d.n = o.n
    group by o.lead_key, o.seq, o.type, d.destination
    having count(*) <> 1 or d.destination is distinct from case o.type when 'lead.blocked' then 'crm' else 'slack' end
$$, 'each for those who have subscribed, once');
select results_eq($$ select payload - 'fields' from handoff.outbox where lead_key = 'd' order by seq limit 2 $$, $$ values
    ('{"lead_key": "d", "event": "handoff", "at": "2026-03-02T09:00:00+00:00", "stage": "mql", "score": 120, "band": "A", "signals": ["demo_request"],
       "handoff": 1, "leg": "mql_to_sdr", "origin": "contract", "why": "activity", "why_at": "2026-03-02T09:00:00+00:00"}'::jsonb
     || (select payload from handoff.outbox where lead_key = 'd' and type = 'handoff.created') - '{fields,lead_key,event,at,stage,score,band,signals,handoff,leg,origin,why,why_at}'::text[]),
    ((select payload - 'fields' from handoff.outbox where lead_key = 'd' and type = 'handoff.assigned' order by seq limit 1)) $$, 'a brief: who, why, what');
select results_eq($$
    select payload ->> 'rep' is not null, payload ->> 'due_for', payload ->> 'due_at', payload -> 'last_actions' ->> 0 like '%form', payload -> 'fields' ->> 'company'
    from handoff.outbox where lead_key = 'd' and type = 'handoff.assigned' order by seq limit 1
$$, $$ values (true, 'sdr_first_touch_hot', '2026-03-02T09:15:00+00:00', true, 'Acme') $$, 'who has it, until when what, the last actions');
select results_eq($$ select payload ->> 'outcome', payload ->> 'code', payload ->> 'note' from handoff.outbox where lead_key = 'e' and type = 'handoff.disposed' and payload ->> 'handoff' = '2' $$,
    $$ values ('returned', 'not_qualified', 'no') $$, 'how it ended, and why');
select results_eq($$ select payload -> 'blocked_fields' from handoff.outbox where lead_key = 'l' and type = 'lead.blocked' $$, $$ values ('["email"]'::jsonb) $$, 'what is missing');
select is_empty($$ select lead_key from handoff.handoff group by lead_key having count(*) filter (where closed_at is null) > 1 $$, 'never two open ones');
select is_empty('select pg_temp.broken()', 'all is well');

select * from finish();
rollback;
