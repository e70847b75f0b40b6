-- Escalation: what happens around the due time of a clock, whom it tells, from whom it takes a lead, and when it must not.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    -- elapsed time, acceptance and first touch only
    delete from handoff.sla where metric not in ('accept', 'first_touch');
    update handoff.sla set clock = 'elapsed', target = case when metric = 'accept' or name = 'ae_first_touch' then interval '24 hours' else target end;
    perform handoff.add_rep('ana', 'Ana', 'sdr');
    perform handoff.add_rep('ben', 'Ben', 'sdr');
    perform handoff.add_rep('cem', 'Cem', 'sdr');
    perform handoff.add_rep('eva', 'Eva', 'ae');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.add_rep('mia', 'Mia');
    perform handoff.add_calendar('late_shift', 'mon-fri 14:00-18:00 @ UTC');
    update handoff.rep set manager = 'mia' where rep = 'ana';
    update handoff.rep set manager = 'boss@example.com' where rep = 'ben';
    -- one lead after the other is given in this order
    update handoff.pool set respect_schedule = false;
end $$;
set local timezone = 'UTC';

create schema crm;
create table crm.lead (id text primary key, email text, company text, country text, industry text, seniority text, employees int,
                       crm_status text, opted_out boolean);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, page text, rep text);

-- Versions: each part of this file has its own steps. All leads of one are hot: 15 minutes for the first touch, a day to accept.
create function pg_temp.steps(steps text, more text default '') returns int language plpgsql as $$
declare
    version int := case when exists (select from handoff.contract where status = 'published') then handoff.draft() else 1 end;
begin
    delete from handoff.escalation where contract_id = version;
    execute format('insert into handoff.escalation (contract_id, sla, step, offset_from_due, action, recipient, criteria, in_hours, code, max_hops, sync_wait)
        select %s, s, n, o::interval, a, r, c::handoff.criteria, h, d, m, w::interval from (values %s) v (s, n, o, a, r, c, h, d, m, w)', version, steps);
    if more <> '' then
        execute format(more, version);
    end if;
    return handoff.publish(version);
end $$;
create function pg_temp.broken() returns setof text language sql as $$
    select d.invariant || ' ' || d.what from handoff.doctor() d where d.severity = 'error'
    union all
    select concat_ws(' ', v.lead_key, v.what, v.by_log, v.by_state) from handoff.verify() v
$$;
create function pg_temp.act(lead text, at timestamptz, kind text, more jsonb default '{}') returns void language sql as $$
    insert into crm.act select r.* from jsonb_populate_record(null::crm.act, jsonb_build_object(
        'id', lead || ' ' || kind || ' ' || at, 'lead_key', lead, 'at', at, 'kind', kind) || more) r
$$;
-- leads that ask for a demo at 9 on the 2nd of March, for Ana, Ben, Cem in turn
create function pg_temp.come(leads text[], employees int default 500) returns void language plpgsql as $$
declare
    lead text;
begin
    foreach lead in array leads loop
        insert into crm.lead values (lead, lead || '@acme.de', 'Acme', 'DE', 'Software', 'C-Level', employees);
        perform pg_temp.act(lead, '2026-03-02 09:00', 'form', '{"page": "/demo"}');
        perform handoff.tick('2026-03-02 09:00');
    end loop;
end $$;
-- the sync has told what happened up to then
create function pg_temp.sync(at timestamptz) returns void language plpgsql as $$ begin
    delete from crm.act a where a.lead_key = 'somebody else' and a.at >= sync.at;
    perform pg_temp.act('somebody else', at, 'page_view');
    perform handoff.tick(at);
end $$;
-- what was done: step, action, whom, by day and time
create function pg_temp.done(lead text) returns text language sql as $$
    select string_agg(concat_ws(' ', d.n || '.' || d.step, d.action, d.recipient, to_char(d.at, 'HH24:MI'), d.skipped, case when d.sync_late then 'late' end),
                      ', ' order by d.at, d.due_at, d.name, d.n, d.step)
    from handoff.escalation_done d where d.lead_key = lead
$$;
create function pg_temp.owners(lead text) returns text language sql as $$
    select string_agg(concat_ws(' ', a.rep, a.reason, a.end_reason), ', ' order by a.handoff_no, a.n) from handoff.assignment a where a.lead_key = lead
$$;
create function pg_temp.looks(lead text) returns text language sql as $$
    select string_agg(concat_ws(' ', c.name, c.n, c.next_step, to_char(c.next_at, 'HH24:MI')), ', ' order by c.name, c.n)
    from handoff.clock c where c.lead_key = lead and c.kind = 'sla'
$$;

-- Whom it may tell ----------------------------------------------------------------------------------

select lives_ok($$ select handoff.set_recipient('chief', 'U0123', 'late_shift') $$, 'a name for an address');
select lives_ok($$ select handoff.set_recipient('chief', 'U0123', 'late_shift'), handoff.set_recipient('chief', 'U0124', 'late_shift') $$, 'again, and another');
select results_eq($$ select old ->> 'address', new ->> 'address' from handoff.operation_log where object = 'recipient' order by at $$,
    $$ values (null, 'U0123'), ('U0123', 'U0124') $$, 'logged when it changed');
select throws_ok($$ select handoff.set_recipient('ana', 'x') $$, '22023', 'a recipient can''t have the name "ana"');
select throws_ok($$ select handoff.set_recipient('pool_lead', 'x') $$, '22023', 'a recipient can''t have the name "pool_lead"');
select throws_ok($$ select handoff.set_recipient('', 'x') $$, '22023', 'a recipient needs a name and an address');
select throws_ok($$ select handoff.set_recipient('x', null) $$, '22023', 'a recipient needs a name and an address');
select throws_ok($$ select handoff.set_recipient('x', 'y', 'never') $$, '42704', 'there is no calendar "never"');
select throws_ok($$ select handoff.remove_recipient('x') $$, '42704', 'there is no recipient "x"');
do $$ begin perform handoff.set_recipient('x', 'y'); perform handoff.remove_recipient('x'); end $$;
select is((select count(*) from handoff.recipient), 1::bigint, 'removed');

-- One step after the other --------------------------------------------------------------------------

select is(pg_temp.steps($$
    ('sdr_first_touch_hot', 1, '-5 minutes', 'remind', null, null, false, null, 2, '1 hour'),
    ('sdr_first_touch_hot', 2, '0', 'notify', 'manager', null, false, null, 2, '1 hour'),
    ('sdr_first_touch_hot', 3, '10 minutes', 'notify', 'chief', 'employees >= 1000', false, null, 2, '1 hour'),
    ('sdr_first_touch_hot', 4, '15 minutes', 'reassign', null, null, false, null, 1, '30 minutes'),
    ('sdr_first_touch_hot', 5, '1 hour', 'fallback', null, null, false, null, 2, '30 minutes'),
    ('sdr_first_touch_hot', 6, '2 hours', 'recycle', null, null, false, 'no_response', 2, '30 minutes')$$), 1, 'six steps');
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', delete_grace => '0');
    perform handoff.attach('crm.act', 'activity', since => '-infinity', delete_grace => '0');
    perform handoff.subscribe('chat', 'handoff.%');
    perform pg_temp.come('{a,b,c}');
end $$;
select is(pg_temp.looks('a'), 'sdr_accept 1 1, sdr_first_touch_hot 1 1 09:10', 'tick() is to look at the clock that has steps');
do $$ begin perform handoff.tick('2026-03-02 09:09:59.999999'); end $$;
select is(pg_temp.done('a'), null, 'nothing before its time');
select results_eq($$ select due from handoff.tick('2026-03-02 09:10') $$, $$ values (3::bigint) $$, 'then all three');
select is(pg_temp.done('a'), '1.1 remind ana 09:10', 'the owner is reminded');
select results_eq($$ select due from handoff.tick('2026-03-02 09:10') $$, $$ values (0::bigint) $$, 'once');
select results_eq($$ select o.type, o.expires_at, o.payload -> 'about' ->> 'recipient', o.payload ->> 'rep', o.payload -> 'about' ->> 'sla', (o.payload -> 'about' ->> 'due_at')::timestamptz
    from handoff.outbox o where o.lead_key = 'a' and o.type ~ 'remind|escal' $$,
    $$ values ('handoff.reminder', timestamptz '2026-03-02 09:15', 'ana', 'ana', 'sdr_first_touch_hot', timestamptz '2026-03-02 09:15') $$, 'a message, of no use once it is overdue');
-- b is touched in time, c too late
do $$ begin perform pg_temp.act('b', '2026-03-02 09:12', 'call'); perform handoff.tick('2026-03-02 09:15'); end $$;
select is(pg_temp.done('a'), '1.1 remind ana 09:10, 1.2 notify mia 09:15', 'overdue: the manager is told');
select is(pg_temp.done('b'), '1.1 remind ben 09:10', 'done in time: nobody is');
select results_eq($$ select verdict, next_at from handoff.clock where lead_key = 'b' and name = 'sdr_first_touch_hot' $$, $$ values ('met', null::timestamptz) $$, 'nobody looks at that clock any more');
select is(pg_temp.done('c'), '1.1 remind cem 09:10, 1.2 notify 09:15', 'Cem has no manager, his pool no lead: nobody in particular');
do $$ begin perform pg_temp.act('c', '2026-03-02 09:20', 'call'); perform handoff.tick('2026-03-02 09:25'); end $$;
select is(pg_temp.done('a'), '1.1 remind ana 09:10, 1.2 notify mia 09:15, 1.3 notify 09:25 criteria', 'a step for other leads is passed over');
select is((select count(*) from handoff.event where lead_key = 'a' and type = 'escalated'), 2::bigint, 'without an event');
-- Ana loses it, but not before the sources have told what was done by then
do $$ begin perform handoff.tick('2026-03-02 09:30'); end $$;
select is(pg_temp.done('a'), '1.1 remind ana 09:10, 1.2 notify mia 09:15, 1.3 notify 09:25 criteria', 'the sync has come to 9:20: perhaps Ana has called');
select is(pg_temp.looks('a'), 'sdr_accept 1 1, sdr_first_touch_hot 1 4 09:31', 'a minute later');
do $$ begin perform pg_temp.sync('2026-03-02 09:32'); end $$;
select is(pg_temp.done('a'), '1.1 remind ana 09:10, 1.2 notify mia 09:15, 1.3 notify 09:25 criteria, 1.4 reassign ana 09:32', 'she has not');
select matches(pg_temp.owners('a'), '^ana handoff silence, (ben|cem) silence$', 'somebody else has it');
select results_eq($$ select hops, fallback_at from handoff.handoff where lead_key = 'a' $$, $$ values (1, null::timestamptz) $$, 'the first hop');
select results_eq($$ select a.passed_over -> 'reps' ->> 'ana' from handoff.assignment a where lead_key = 'a' and n = 2 $$, $$ values ('excluded') $$, 'Ana is not asked again');
select results_eq($$ select name, n::int, started_at, stopped_at, verdict from handoff.clock where lead_key = 'a' and kind = 'sla' order by name, n $$,
    $$ values ('sdr_accept', 1, timestamptz '2026-03-02 09:00', timestamptz '2026-03-02 09:32', 'void'), ('sdr_accept', 2, '2026-03-02 09:32', null, null),
              ('sdr_first_touch_hot', 1, '2026-03-02 09:00', null, null) $$, 'the buyer''s wait goes on, the owner''s clock is another one');
do $$ begin perform pg_temp.sync('2026-03-02 10:16'); end $$;
select matches(pg_temp.done('a'), '1.5 fallback (ben|cem) 10:16$', 'an hour overdue');
select matches(pg_temp.owners('a'), '^ana handoff silence, (ben|cem) silence fallback, zoe fallback$', 'the last route');
select results_eq($$ select a.route, a.passed_over -> 'routes' ->> 'sdr_team' from handoff.assignment a where lead_key = 'a' and n = 3 $$, $$ values ('sdr_fallback', 'escalated') $$, 'and no other');
do $$ begin perform handoff.tick('2026-03-02 11:15'); end $$;
select doesnt_match(pg_temp.done('a'), 'recycle', 'not yet ..');
do $$ begin perform pg_temp.sync('2026-03-02 11:20'); end $$;
select matches(pg_temp.done('a'), '1.6 recycle zoe 11:20$', 'two hours overdue');
select results_eq($$ select l.stage, h.outcome, h.code, h.closed_at, h.recycle_due_at from handoff.handoff h join handoff.lead l using (lead_key) where lead_key = 'a' $$,
    $$ values ('recycled', 'recycle', 'no_response', timestamptz '2026-03-02 11:20', timestamptz '2026-05-01 10:20') $$, 'by the path of its disposition, without the work it asks of people');
select results_eq($$ select name, n::int, stopped_at, verdict, next_at from handoff.clock where lead_key = 'a' and kind = 'sla' and stopped_at > '2026-03-02 10:16' order by name, n $$,
    $$ values ('sdr_accept', 3, timestamptz '2026-03-02 11:20', 'met', null::timestamptz), ('sdr_first_touch_hot', 1, '2026-03-02 11:20', 'missed', null) $$, 'all clocks have ended');
select results_eq($$ select action, what from handoff.history('a') h, jsonb_to_record(h.detail) d (action text) where h.type = 'escalated' order by seq offset 2 $$,
    $$ values ('reassign', 'step 4 of SLA sdr_first_touch_hot: reassign ana'),
              ('fallback', (select 'step 5 of SLA sdr_first_touch_hot: fallback ' || rep from handoff.assignment where lead_key = 'a' and n = 2)),
              ('recycle', 'step 6 of SLA sdr_first_touch_hot: recycle zoe') $$, 'history() tells');
select is(pg_temp.done('c'), '1.1 remind cem 09:10, 1.2 notify 09:15', 'what was done late ends it as well');
select is_empty($$ select pg_temp.broken() $$, 'all is well');

-- Late: one tick does what many would have done, in the same order ----------------------------------

do $$ begin perform pg_temp.come('{late,big}', 500); update crm.lead set employees = 2000 where id = 'big'; perform pg_temp.sync('2026-03-02 15:00'); end $$;
select matches(pg_temp.done('late'), '^1.1 remind (...) 15:00, 1.2 notify( \S+)? 15:00, 1.3 notify 15:00 criteria, 1.4 reassign \1 15:00, 1.5 fallback 15:00, 1.6 recycle 15:00$', 'in order, once each');
select results_eq($$ select array_agg(d.due_at order by d.step) from handoff.escalation_done d where lead_key = 'late' $$,
    $$ select array_agg(d.due_at order by d.step) from handoff.escalation_done d where lead_key = 'a' $$, 'with the moments they should have had');
select matches(pg_temp.done('big'), '1.3 notify U0124 15:00', 'the chief hears of big ones, by his address');

-- Sources that say nothing --------------------------------------------------------------------------

do $$ begin
    delete from crm.act where at > '2026-03-02 09:00' and lead_key = 'somebody else';
    perform handoff.tick('2026-03-02 09:00');
    perform pg_temp.come('{d,e,f,g}');
    delete from crm.act where lead_key in ('b', 'c') and kind = 'call';
    perform handoff.tick('2026-03-02 09:59:59');
end $$;
select matches(pg_temp.done('d'), '1.3 notify 09:59 criteria$', 'they wait');
select matches(pg_temp.looks('d'), 'hot 1 4 10:00$', 'not longer than sync_wait');
do $$ begin perform handoff.tick('2026-03-02 10:00'); end $$;
select matches(pg_temp.done('d'), '1.4 reassign ... 10:00 late$', 'half an hour after its moment it is done all the same');
select is((select detail ->> 'sync_late' from handoff.event where lead_key = 'd' and type = 'escalated' and detail ->> 'action' = 'reassign'), 'true', 'and says so');
-- now the source tells that d was called in time: the verdict is right, what was done is history
do $$ begin perform pg_temp.act('d', '2026-03-02 09:14', 'call'); perform handoff.tick('2026-03-02 10:20'); end $$;
select results_eq($$ select verdict, stopped_at from handoff.clock where lead_key = 'd' and name = 'sdr_first_touch_hot' $$, $$ values ('met', timestamptz '2026-03-02 09:14') $$, 'the SLA was met');
select results_eq($$ select type, what from handoff.history('d') where type in ('escalated', 'verdict') and at >= '2026-03-02 10:00' $$,
    $$ select 'escalated', format('step 4 of SLA sdr_first_touch_hot: reassign %s, without word from the sources', rep) from handoff.assignment where lead_key = 'd' and n = 1
       union all values ('verdict', 'SLA sdr_first_touch_hot met') $$, 'history tells both');
do $$ begin perform pg_temp.sync('2026-03-02 12:00'); end $$;
select matches(pg_temp.done('d'), '1.4 reassign ... 10:00 late$', 'and nothing more happens');
-- the touch was a mistake: the clock runs again, and goes on with the step that is next
do $$ begin delete from crm.act where lead_key = 'd' and kind = 'call'; perform pg_temp.sync('2026-03-02 12:30'); end $$;
select matches(pg_temp.done('d'), '1.4 reassign ... 10:00 late, 1.5 fallback ... 12:30, 1.6 recycle 12:30$', 'taken back: the rest follows');
-- what is planned for later tells nothing of now
do $$ begin
    delete from crm.act where at > '2026-03-02 09:00' and lead_key = 'somebody else';
    perform pg_temp.act('somebody else', '2026-03-02 09:31', 'call');
    perform handoff.tick('2026-03-02 09:00');
    perform pg_temp.come('{plan}');
    perform handoff.tick('2026-03-02 09:40');
end $$;
select matches(pg_temp.done('plan'), '1.3 notify 09:40 criteria$', 'an activity that was there before it happened is no word from the source');

-- What ends it --------------------------------------------------------------------------------------

do $$ begin
    perform pg_temp.come('{j,k,l,m}');
    perform handoff.tick('2026-03-02 09:12');
    perform handoff.disqualify('j', 'competitor', p_now => '2026-03-02 09:13');
    perform handoff.set_stage('k', 'nurture', 'a partner', p_now => '2026-03-02 09:13');
    delete from crm.lead where id = 'l';
    perform handoff.tick('2026-03-02 09:13');
    perform handoff.reassign('m', 'eva', 'knows them', p_now => '2026-03-02 09:13');
    perform pg_temp.sync('2026-03-02 15:00');
end $$;
select is(pg_temp.done(k), '1.1 remind ' || (select rep from handoff.assignment where lead_key = k and n = 1) || ' 09:12', k || ': it has ended')
from unnest('{j,k,l}'::text[]) k;
select is_empty($$ select * from handoff.clock where lead_key in ('j', 'k', 'l') and kind = 'sla' and next_at is not null $$, 'no tick looks there');
select matches(pg_temp.done('m'), '1.4 reassign eva 15:00', 'the buyer''s wait counts for whoever has the lead');
-- the manager, who was told, gives it to Eva: she has as long as Ana was to have
do $$ begin
    perform pg_temp.come('{given,owned}');
    perform handoff.tick('2026-03-02 09:15');
    perform handoff.reassign('given', 'eva', 'knows them', p_now => '2026-03-02 09:26');
    perform pg_temp.sync('2026-03-02 09:31');
end $$;
select matches(pg_temp.done('owned'), '1.4 reassign ... 09:31$', 'half an hour after he got it');
select matches(pg_temp.done('given'), '1.3 notify 09:31 criteria$', 'Eva got it five minutes ago');
select matches(pg_temp.looks('given'), 'hot 1 4 09:56$', 'half an hour is up at four to ten');
do $$ begin perform pg_temp.sync('2026-03-02 09:55'); perform pg_temp.sync('2026-03-02 09:56'); end $$;
select matches(pg_temp.done('given'), '1.4 reassign eva 09:56$', 'then she loses it');
select is_empty($$ select pg_temp.broken() $$, 'all is well');

-- Nobody's ------------------------------------------------------------------------------------------

do $$ begin
    perform handoff.set_capacity(r, 0) from unnest('{ana,ben,cem}'::text[]) r;
    perform pg_temp.come('{n}');
    perform pg_temp.sync('2026-03-02 09:31');
end $$;
select is(pg_temp.done('n'), '1.1 remind 09:31 no_owner, 1.2 notify 09:31, 1.3 notify 09:31 criteria, 1.4 reassign 09:31 no_owner', 'nobody to remind, nobody to take it from');
do $$ begin perform pg_temp.sync('2026-03-02 10:15'); end $$;
select is(pg_temp.owners('n'), 'zoe fallback', 'it waited for a full pool: the last route takes it');
do $$ begin
    perform handoff.deactivate_rep('zoe');
    perform pg_temp.come('{o}');
    perform pg_temp.sync('2026-03-02 10:15');
end $$;
select results_eq($$ select rep, unassigned_reason from handoff.handoff where lead_key = 'o' $$, $$ values (null::text, 'pool_empty') $$, 'nobody there either: unassigned, with its reason');
do $$ begin
    perform handoff.set_capacity(r, null) from unnest('{ana,ben,cem}'::text[]) r;
    perform handoff.tick('2026-03-02 10:20');
end $$;
select is((select rep from handoff.handoff where lead_key = 'o'), null, 'that others have room again is too late');
do $$ begin perform handoff.activate_rep('zoe'); perform handoff.tick('2026-03-02 10:21'); end $$;
select is(pg_temp.owners('o'), 'zoe handoff', 'Zoe is back');

-- Hops ----------------------------------------------------------------------------------------------

select is(pg_temp.steps($$
    ('sdr_accept', 1, '-23 hours', 'reassign', null, null, false, null, 2, '0')$$), 2, 'every owner has an hour');
do $$ begin
    perform handoff.tick('2026-03-02 09:00');
    perform pg_temp.come('{p}');
    perform pg_temp.sync('2026-03-02 10:00');
    perform pg_temp.sync('2026-03-02 10:59');
end $$;
select matches(pg_temp.done('p'), '^1.1 reassign ... 10:00$', 'the first has had his hour');
do $$ begin perform pg_temp.sync('2026-03-02 11:00'); perform pg_temp.sync('2026-03-02 12:00'); end $$;
select matches(pg_temp.done('p'), '^1.1 reassign ... 10:00, 2.1 reassign ... 11:00, 3.1 fallback ... 12:00$', 'after two hops it falls to the last route');
select matches(pg_temp.owners('p'), '^... handoff silence, ... silence silence, ... silence fallback, zoe fallback$', 'to Zoe');
select is((select count(distinct rep) from handoff.assignment where lead_key = 'p'), 4::bigint, 'nobody twice');
do $$ begin perform pg_temp.sync('2026-03-02 13:00'); end $$;
select matches(pg_temp.done('p'), '4.1 reassign 13:00 last_route$', 'from there it goes nowhere');
select is((select rep from handoff.handoff where lead_key = 'p'), 'zoe', 'Zoe keeps it');
select is_empty($$ select pg_temp.broken() $$, 'all is well');

-- In hours, and pauses ------------------------------------------------------------------------------

select is(pg_temp.steps($$
    ('sdr_first_touch_hot', 1, '0', 'notify', 'chief', null, true, null, 2, '1 hour'),
    ('sdr_first_touch_hot', 2, '30 minutes', 'notify', '#sdr', null, false, null, 2, '1 hour')$$,
    $$update handoff.sla set pause_when = 'crm_status = ''On Hold''' where contract_id = %s and name = 'sdr_first_touch_hot'$$), 3, 'the chief works from two to six');
do $$ begin
    perform handoff.tick('2026-03-02 09:00');
    perform pg_temp.come('{q,r}');
    update crm.lead set crm_status = 'On Hold' where id = 'r';
    perform handoff.tick('2026-03-02 09:10');
    perform handoff.tick('2026-03-02 09:15');
end $$;
select is(pg_temp.done('q'), null, 'he sleeps');
select matches(pg_temp.looks('q'), 'hot 1 1 14:00$', 'at two');
do $$ begin perform handoff.tick('2026-03-02 13:59'); end $$;
select is(pg_temp.done('q'), null, 'not a minute earlier');
do $$ begin perform handoff.tick('2026-03-02 14:00'); end $$;
select is(pg_temp.done('q'), '1.1 notify U0124 14:00, 1.2 notify #sdr 14:00', 'then, and what comes after it');
select is(pg_temp.looks('r'), 'sdr_accept 1 1, sdr_first_touch_hot 1 1', 'r is on hold: nobody looks');
do $$ begin
    update crm.lead set crm_status = 'Open' where id = 'r';
    perform handoff.tick('2026-03-02 15:00');
end $$;
select is(pg_temp.done('r'), null, 'its clock goes on at 15:00, with five minutes left');
do $$ begin perform handoff.tick('2026-03-02 15:04:59'); perform handoff.tick('2026-03-02 15:05'); end $$;
select is(pg_temp.done('r'), '1.1 notify U0124 15:05', 'which are over');
select is_empty($$ select pg_temp.broken() $$, 'all is well');

-- A warning that nobody has fetched in time is not sent
do $$ begin
    while (select count(handoff.ack('chat', l.id, l.token)) from handoff.lease('chat', 1000, '1 minute', 'w') l) > 0 loop end loop;
end $$;
select isnt_empty($$ select from handoff.delivery d join handoff.outbox o using (lead_key, seq, n) where o.type = 'handoff.reminder' and d.last_error = 'expired' $$, 'reminders of the past are dead');
select is_empty($$ select from handoff.delivery d join handoff.outbox o using (lead_key, seq, n) where o.type = 'handoff.escalated' and d.last_error = 'expired' $$, 'the rest is sent');

-- What doctor() finds -------------------------------------------------------------------------------

create function pg_temp.after(change text) returns setof text language plpgsql as $$
declare
    findings text[];
begin
    execute change;
    findings := array(select concat_ws(' ', severity, invariant, what) from handoff.doctor() where invariant in (6, 8) order by 1);
    raise exception using errcode = 'ZZ000';
exception when sqlstate 'ZZ000' then
    return query select unnest(findings);
end $$;
select results_eq($$ select pg_temp.after('delete from handoff.escalation_done where lead_key = ''q'' and step = 1') $$,
    $$ values ('error 6 lead "q", handoff 1: step 1 of "sdr_first_touch_hot" is an event and not done') $$, 'a row is missing');
select results_eq($$ select pg_temp.after('delete from handoff.event where lead_key = ''q'' and type = ''escalated'' and detail ->> ''step'' = ''2''') $$,
    $$ values ('error 6 lead "q", handoff 1: step 2 of "sdr_first_touch_hot" is done without an event') $$, 'an event is missing');
select results_eq($$ select pg_temp.after('update handoff.clock set next_at = ''2026-03-02 14:10'' where lead_key = ''q'' and name = ''sdr_first_touch_hot''') $$,
    $$ values ('warning 6 1 clocks wait for escalation since 2026-03-02 14:10:00+00') $$, 'one was overlooked');
select results_eq($$ select pg_temp.after('update handoff.escalation_done set at = ''2026-03-02 12:00'' where lead_key = ''r''') $$,
    $$ values ('error 8 lead "r", handoff 1: step 1 of "sdr_first_touch_hot" was done at 2026-03-02 12:00:00+00, while its clock stood still') $$, 'done in a pause');
select results_eq($$ select pg_temp.after('update handoff.escalation_done set at = ''2026-03-02 11:21'' where lead_key = ''a'' and step = 6') $$,
    $$ values ('error 8 lead "a", handoff 1: step 6 of "sdr_first_touch_hot" was done at 2026-03-02 11:21:00+00, and it had ended at 2026-03-02 11:20:00+00') $$, 'done after the end');
select results_eq($$ select pg_temp.after('delete from handoff.handoff where lead_key = ''q''') $$,
    $$ values ('error 8 lead "q", handoff 1: step 1 of "sdr_first_touch_hot" was done at 2026-03-02 14:00:00+00, and there is no such handoff'),
              ('error 8 lead "q", handoff 1: step 2 of "sdr_first_touch_hot" was done at 2026-03-02 14:00:00+00, and there is no such handoff') $$, 'of what is not there');
select is_empty($$ select pg_temp.broken() $$, 'and nothing otherwise');

-- Who is told: by the functions made for it
select throws_ok($$ select handoff.set_manager('ana', 'ana') $$, '22023', null, 'nobody is his own manager');
select throws_ok($$ select handoff.set_manager('nobody', 'ana') $$, '42704', null, 'no such rep');
select throws_ok($$ select handoff.set_pool_lead('sdr', 'nobody') $$, '42704', null, 'no such lead');
select throws_ok($$ select handoff.set_pool_lead('nothing', 'ana') $$, '42704', null, 'no such pool');
do $$ begin
    perform handoff.set_manager('ana', 'vp@ourselves.example');
    perform handoff.set_pool_lead('sdr', 'ben');
    perform handoff.set_pool_lead('sdr', 'ben');
end $$;
select is((select manager from handoff.rep where rep = 'ana') || ' ' || (select lead_rep from handoff.pool where pool = 'sdr'), 'vp@ourselves.example ben', 'a manager, a lead');
select is((select count(*) from handoff.operation_log where object = 'pool' and name = 'sdr' and new ->> 'lead_rep' = 'ben'), 1::bigint, 'logged, once');

\i test/lib/routed.sql
select * from finish();
rollback;
