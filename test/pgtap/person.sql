-- Leads of one person: sales has one of them at a time and leg, and what becomes of the others: join,
-- same_owner, notify, block; whoever changes what another one depends on has it decided anew.
begin;
set local client_min_messages = warning;
set local lead_handoff.inline_limit = 0;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    -- elapsed time, acceptance and first touch only
    delete from handoff.sla where metric not in ('accept', 'first_touch');
    update handoff.sla set clock = 'elapsed', target = case when metric = 'accept' or name = 'ae_first_touch' then interval '24 hours' else target end;
    delete from handoff.escalation;
    perform handoff.add_rep('ana', 'Ana', 'sdr');
    perform handoff.add_rep('ben', 'Ben', 'sdr');
    perform handoff.add_rep('eva', 'Eva', 'ae');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.publish();
end $$;
set local timezone = 'UTC';

create schema crm;
create table crm.lead (
    id text primary key, email text, person text, company text, country text, industry text, seniority text, employees int,
    is_deleted boolean default false, master text, updated_at timestamptz
);
create table crm.act (id int generated always as identity primary key, lead_key text, at timestamptz, kind text, page text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', delete_grace => '0',
        mapping => '{"person_key": "person", "deleted": "is_deleted", "merged_into": "master", "version": "updated_at"}');
    perform handoff.attach('crm.act', 'activity', since => '-infinity', mapping => '{"lead_key": "lead_key", "at": "at", "kind": "kind", "page": "page"}');
end $$;

-- a lead that fits; it is handed over once it asks for a demo
create function pg_temp.add(key text, email text, at timestamptz, person text default null) returns void language sql as $$
    insert into crm.lead values (key, email, person, 'Acme', 'DE', 'Software', 'C-Level', 500, false, null, at)
$$;
create function pg_temp.demo(key text, at timestamptz) returns void language sql as $$
    insert into crm.act (lead_key, at, kind, page) values (key, at, 'form', '/demo')
$$;
-- what one tick leaves for the next is done, too
create function pg_temp.tick(at timestamptz) returns void language plpgsql as $$ begin
    perform handoff.tick(at);
    perform handoff.tick(at);
end $$;
-- stage; what holds it; its last handoff: leg, owner and how it ended
create function pg_temp.state(lead text) returns text language sql as $$
    select concat_ws(' ', case when l.deleted_at is null then l.stage else 'gone' end, l.gate_code, l.duplicate_of || '/' || l.duplicate_handoff,
                     '| ' || h.leg, h.rep, h.outcome, h.code)
    from handoff.lead l
    left join lateral (select * from handoff.handoff h where h.lead_key = l.lead_key order by handoff_no desc limit 1) h on true
    where l.lead_key = lead
$$;
create function pg_temp.log(lead text, since timestamptz) returns text language sql as $$
    select string_agg(h.type || ': ' || h.what, '; ' order by h.seq) from handoff.history(lead) h
    where h.at >= since and h.type not in ('fields', 'scored', 'worked', 'verdict')
$$;
create function pg_temp.rep(lead text) returns text language sql as $$
    select h.rep from handoff.handoff h where h.lead_key = lead order by handoff_no desc limit 1
$$;
create function pg_temp.publish(act text, span interval default '30 days') returns void language plpgsql as $$
declare version int := handoff.draft();
begin
    delete from handoff.collision where contract_id = version;
    insert into handoff.collision select version, 'person', span, act where act is not null;
    perform handoff.publish(version);
end $$;

-- a document says what collisions there are: one a scope, and no other actions
select throws_ok($$ select handoff.import(jsonb_set(handoff.export(1), '{collision}', '[{"scope": "person", "within": "P1D", "action": "merge"}]')) $$,
    '23514', null, 'an unknown action');
select throws_ok($$ select handoff.import(jsonb_set(handoff.export(1), '{collision}',
    '[{"scope": "person", "within": "P1D", "action": "join"}, {"scope": "person", "within": "P2D", "action": "block"}]')) $$, '23505', null, 'two of a scope');
create temp table made as select handoff.import(jsonb_set(handoff.export(1), '{collision}', '[{"scope": "account", "within": "P1D", "action": "join"}]')) as version;
select results_eq($$ select v.severity, v.object, v.message from made, handoff.validate(made.version) v where v.object like 'collision%' $$,
    $$ values ('warning', 'collision "account"', 'is not acted on yet') $$, 'accounts are reserved');
delete from handoff.contract where contract_id = (select version from made);

-- who is who
select is_empty($$ select * from handoff.validate() where severity = 'error' or object like 'collision%' $$, 'the template has nothing to complain of');
select pg_temp.add(k, e, '2026-03-01', p)
from (values ('k1', ' Eve@Example.COM ', null), ('k2', 'n/a', null), ('k3', '@example.com', null), ('k4', 'eve@', null), ('k5', '', null),
             ('k6', null, null), ('k7', 'eve@example.com', ' M-1 '), ('k8', 'eve@example.com', ''), ('k9', null, 'm-1'),
             ('k10', repeat('x', 1000) || '@example.com', null), ('k11', 'É@example.com', null)) v (k, e, p);
select pg_temp.tick('2026-03-01');
select results_eq($$ select lead_key, person_key from handoff.lead where lead_key like 'k%' order by length(lead_key), lead_key $$,
    $$ values ('k1', 'eve@example.com'), ('k2', null), ('k3', null), ('k4', null), ('k5', null), ('k6', null), ('k7', 'M-1'), ('k8', null),
              ('k9', 'm-1'), ('k10', null), ('k11', 'é@example.com') $$,
    'a mapped key as it is, even none; else the address in lower case; what is no address is nobody''s');
select is((select note from handoff.explain('k2', '2026-03-01 12:00') where step = 'field' and name = 'duplicate_open'), 'f', 'a lead of nobody is explained, too');
update crm.lead set email = 'eva@example.com', updated_at = '2026-03-02' where id = 'k1';
update crm.lead set person = null, updated_at = '2026-03-02' where id = 'k7';
select pg_temp.tick('2026-03-02');
select results_eq($$ select lead_key, person_key from handoff.lead where lead_key in ('k1', 'k7') order by 1 $$,
    $$ values ('k1', 'eva@example.com'), ('k7', 'eve@example.com') $$, 'it changes with the fields');

create table crm.form (id text primary key, email text);
select handoff.attach('crm.form', 'lead', key_prefix => 'f:', since => '-infinity',
    mapping => '{"person_key": {"expression": "regexp_replace(lower(email), ''\\+[^@]*@'', ''@'')"}}') is not null as attached;
insert into crm.form values ('1', 'Eve+news@Example.com'), ('2', null);
select pg_temp.tick('2026-03-02');
select results_eq($$ select lead_key, person_key from handoff.lead where source = 'crm.form' order by 1 $$, $$ values ('f:1', 'eve@example.com'), ('f:2', null) $$,
    'an expression folds more, where somebody wants it');

-- join: one open handoff, the other lead belongs to it
select pg_temp.add('a1', 'ann@acme.de', '2026-03-02 08:00');
select pg_temp.demo('a1', '2026-03-02 08:30');
select pg_temp.tick('2026-03-02 09:00');
select pg_temp.add('a2', ' Ann@ACME.de', '2026-03-02 09:30');
select pg_temp.demo('a2', '2026-03-02 09:40');
select pg_temp.tick('2026-03-02 10:00');
select is(pg_temp.state('a1'), 'mql | mql_to_sdr ' || pg_temp.rep('a1'), 'the first is with sales');
select is(pg_temp.state('a2'), 'lead joined a1/1', 'the second joins it, in the stage it is in');
select matches(pg_temp.log('a2', '2026-03-02 10:00'), 'joined: joins handoff 1 of lead a1, the same person$', '.. as its log says');
select matches(pg_temp.log('a1', '2026-03-02 10:00'), '^reengaged: lead a2, the same person, gives a sign of life: demo_request$', 'the first hears of it');
select is((select count(*) from handoff.outbox where lead_key = 'a1' and type = 'handoff.reengaged'), 1::bigint, '.. and so does its owner');
select is((select reengaged_at from handoff.handoff where lead_key = 'a1'), '2026-03-02 10:00', '.. its handoff knows when');
select results_eq($$ select name, result, note from handoff.explain('a2', '2026-03-02 10:30') where step = 'collision' $$,
    $$ values ('a1', true, 'same person, handoff 1 of leg mql_to_sdr open: join, joins it') $$, 'explain() tells why it is not handed over');
select matches((select note from handoff.explain('a2', '2026-03-02 10:30') where step = 'transition' and result is false and note like '%person%' limit 1),
    'another lead of the same person', '.. and which transition does not fire');
select is_empty($$ select * from handoff.explain('a1', '2026-03-02 10:30') where step = 'collision' $$, 'nothing is in the way of the first');
select pg_temp.demo('a2', '2026-03-02 11:00');
select pg_temp.tick('2026-03-02 11:00');
select matches(pg_temp.log('a1', '2026-03-02 10:30'), '^reengaged: lead a2, the same person, gives a sign of life: demo_request$', 'a new signal: once more');
-- what is done with the one is done with the other
create function pg_temp.worked(lead text, no int) returns text language sql as $$
    select concat_ws(' ', h.touches, h.joined_activities, to_char(h.first_touch_at, 'HH24:MI'), h.channels,
        (select string_agg(c.name || ' ' || coalesce(c.verdict, 'runs'), ', ' order by c.name) from handoff.clock c
         where c.lead_key = h.lead_key and c.handoff_no = h.handoff_no and c.name like '%touch%'))
    from handoff.handoff h where h.lead_key = lead and h.handoff_no = no
$$;
insert into crm.act (lead_key, at, kind) values ('a2', '2026-03-02 09:20', 'call'), ('a2', '2026-03-02 08:50', 'email');
select pg_temp.tick('2026-03-02 11:05');
select is(pg_temp.worked('a1', 1), '1 1 09:20 {call} sdr_first_touch_hot missed', 'a call that was logged with the second counts for the first, from when that was handed over');
insert into crm.act (lead_key, at, kind) values ('a1', '2026-03-02 09:15', 'email');
select pg_temp.tick('2026-03-02 11:06');
select is(pg_temp.worked('a1', 1), '2 1 09:15 {call,email} sdr_first_touch_hot met', '.. beside its own');
update crm.lead set company = 'Acme AG', updated_at = '2026-03-02 11:10' where id = 'a2';
select pg_temp.tick('2026-03-02 11:10');
select is(pg_temp.log('a1', '2026-03-02 11:05'), null, 'a field is no sign of life');
select is(pg_temp.log('a2', '2026-03-02 11:05'), null, '.. and no reason to join again');
select throws_ok($$ select handoff.hand_over('a2', 'mql_to_sdr', 'please') $$, 'LH041', 'lead "a2" is the same person as lead "a1"', 'by hand neither');
select is((select detail ->> 'lead' from handoff.event where lead_key = 'a2' and type = 'joined'), 'a1', 'the event names the lead');

-- the next leg: it follows
select handoff.accept('a1', p_now => '2026-03-02 12:00');
select handoff.qualify('a1', p_now => '2026-03-02 12:30');
select pg_temp.tick('2026-03-02 12:30');
select is(pg_temp.state('a1'), 'sql | sdr_to_ae eva', 'the first is qualified');
select is(pg_temp.state('a2'), 'lead joined a1/2', 'the second has joined the handoff of the next leg');

select is(pg_temp.worked('a1', 1), '2 1 09:15 {call,email} sdr_first_touch_hot met', 'what counted stays with the handoff that is over');
insert into crm.act (lead_key, at, kind) values ('a1', '2026-03-02 09:10', 'email'), ('a2', '2026-03-02 13:00', 'call');
select pg_temp.tick('2026-03-02 13:00');
select is(pg_temp.worked('a1', 1), '2 1 09:15 {call,email} sdr_first_touch_hot met', '.. also when more comes late');
select is(split_part(pg_temp.worked('a1', 2), ' ', 1), '1', 'and a new call counts for the next one');

-- sales' answer is the answer to both; what happens after it is something new
select handoff.recycle('a1', 'timing', 'later', p_now => '2026-03-03 09:00');
select pg_temp.tick('2026-03-03 09:00');
select is(pg_temp.state('a1'), 'recycled | sdr_to_ae eva recycle timing', 'given back');
select is(pg_temp.state('a2'), 'lead joined a1/2', 'the second is not handed over in its place');
select pg_temp.tick('2026-03-03 12:00');
select is(pg_temp.log('a2', '2026-03-03 09:00'), null, '.. and nothing goes on happening');
select pg_temp.demo('a2', '2026-03-04 09:00');
select pg_temp.tick('2026-03-04 09:00');
select is(pg_temp.state('a2'), 'mql | mql_to_sdr ' || (select rep from handoff.handoff where lead_key = 'a1' and handoff_no = 1),
    'a new request is never swallowed, and goes to who knows the person');
select is((select route from handoff.handoff where lead_key = 'a2'), 'same_owner', '.. by no route');
select is((select concat_ws(' ', detail ->> 'action', detail ->> 'lead', detail ->> 'of_handoff') from handoff.event where lead_key = 'a2' and type = 'collision'),
    'join a1 2', '.. and the log says that sales knows it');
select pg_temp.demo('a1', '2026-03-05 09:00');
select pg_temp.tick('2026-03-05 09:00');
select is(pg_temp.state('a1'), 'lead joined a2/1 | sdr_to_ae eva recycle timing', 'now the first is the second');

-- and "within" ends
select handoff.recycle('a2', 'timing', 'later', p_now => '2026-03-06 09:00');
select pg_temp.tick('2026-03-06 09:00');
select is(pg_temp.state('a1'), 'lead joined a2/1 | sdr_to_ae eva recycle timing', 'held by one that has ended');
select pg_temp.tick(t) from generate_series(timestamptz '2026-03-07 09:00', '2026-04-04 09:00', '1 day') t;
select pg_temp.tick('2026-04-05 07:59');
select is(pg_temp.state('a1'), 'lead joined a2/1 | sdr_to_ae eva recycle timing', 'to the end of the 30th day, at the same time of day in Berlin');
select pg_temp.tick('2026-04-05 08:00');
select is((select concat_ws(' ', stage, gate_code) from handoff.lead where lead_key = 'a1'), 'mql', 'then it does not count any more');

-- several at once: one is handed over, whatever their number
select pg_temp.add('b' || n, 'bob@acme.de', '2026-05-04 08:00') from generate_series(1, 5) n;
select pg_temp.demo('b' || n, '2026-05-04 08:30') from generate_series(1, 5) n;
select pg_temp.tick('2026-05-04 09:00');
select results_eq($$ select coalesce(gate_code, stage), count(*) from handoff.lead where lead_key like 'b%' group by 1 order by 1 $$,
    $$ values ('joined', 4::bigint), ('mql', 1::bigint) $$, 'five leads of one person in one batch: one handoff');
select is((select count(*) from handoff.event where type = 'reengaged' and lead_key like 'b%'), 4::bigint, 'which hears of the four');

-- the one that sales has is gone: another one's turn
delete from crm.lead where id = 'b1';
select pg_temp.tick('2026-05-04 10:00');
select is(pg_temp.state('b1'), 'gone | mql_to_sdr ' || pg_temp.rep('b1') || ' withdrawn deleted', 'deleted');
select is((select count(*) from handoff.handoff where lead_key like 'b%' and closed_at is null), 1::bigint, 'one takes its place');
insert into crm.lead values ('b1', 'bob@acme.de', null, 'Acme', 'DE', 'Software', 'C-Level', 500, false, null, '2026-05-04 11:00');
select pg_temp.tick('2026-05-04 11:00');
select matches(pg_temp.state('b1'), '^lead joined b', 'it is back, and joins');
select is((select count(*) from handoff.handoff where lead_key like 'b%' and closed_at is null), 1::bigint, 'still one');
-- gone and come again under another key, in one transaction
select pg_temp.add('c1', 'cat@acme.de', '2026-05-04 08:00');
select pg_temp.demo('c1', '2026-05-04 08:30');
select pg_temp.tick('2026-05-04 11:00');
delete from crm.lead where id = 'c1';
select pg_temp.add('c0', 'cat@acme.de', '2026-05-04 11:20'), pg_temp.demo('c0', '2026-05-04 11:20');
select handoff.tick('2026-05-04 11:30') is not null as ticked;
select matches(pg_temp.state('c0'), '^mql \| mql_to_sdr', 'who goes makes room at once');

-- leads that become one person
select pg_temp.add('d' || n, 'dan' || n || '@acme.de', '2026-05-04 08:00'), pg_temp.demo('d' || n, '2026-05-04 08:30') from generate_series(1, 3) n;
select pg_temp.tick('2026-05-04 12:00');
select is((select count(*) from handoff.handoff where lead_key like 'd%' and closed_at is null), 3::bigint, 'three strangers');
update crm.lead set email = 'dan1@acme.de', updated_at = '2026-05-04 13:00' where id = 'd2';
select pg_temp.tick('2026-05-04 13:00');
select is(pg_temp.state('d2'), 'lead joined d1/1 | mql_to_sdr ' || pg_temp.rep('d2') || ' withdrawn duplicate', 'who becomes another''s duplicate gives way');
select matches(pg_temp.log('d2', '2026-05-04 13:00'), 'closed: handoff 1 ended, withdrawn: duplicate; stage: mql -> lead on scored; joined: joins handoff 1 of lead d1',
    '.. begins anew and joins it');
update crm.lead set email = 'dan1@acme.de', updated_at = '2026-05-04 14:00' where id in ('d1', 'd3');
select pg_temp.tick('2026-05-04 14:00');
select is((select string_agg(lead_key, ' ') from handoff.handoff where lead_key like 'd%' and closed_at is null), 'd1', 'and again');
update crm.lead set email = 'dan4@acme.de', updated_at = '2026-05-04 15:00' where id in ('d1');
select pg_temp.tick('2026-05-04 15:00');
select is((select count(*) from handoff.handoff where lead_key in ('d2', 'd3') and closed_at is null), 1::bigint, 'whom it leaves has its turn');

-- who leaves takes its calls along
select pg_temp.add(k, 'dora@acme.de', '2026-05-04 08:00'), pg_temp.demo(k, '2026-05-04 08:30') from unnest('{m1,m2}'::text[]) k;
select pg_temp.tick('2026-05-04 15:10');
insert into crm.act (lead_key, at, kind) values ('m2', '2026-05-04 15:20', 'call');
select pg_temp.tick('2026-05-04 15:20');
select is((select touches from handoff.handoff where lead_key = 'm1'), 1, 'a call');
update crm.lead set email = 'dorothy@acme.de', updated_at = '2026-05-04 15:30' where id = 'm2';
select pg_temp.tick('2026-05-04 15:30');
select is((select string_agg(lead_key || ' ' || touches, ', ' order by lead_key) from handoff.handoff where lead_key in ('m1', 'm2')), 'm1 0, m2 0', 'none, of neither handoff');

-- merges: at most one stays open, whichever key comes first
select pg_temp.add(k, 'merge' || right(k, 1) || '@acme.de', '2026-05-04 08:00'), pg_temp.demo(k, '2026-05-04 08:30') from unnest('{e1,f1,e2,f2}'::text[]) k;
select pg_temp.tick('2026-05-04 16:00');
select is((select string_agg(lead_key, ' ' order by 1) from handoff.handoff where lead_key ~ '^[ef]' and closed_at is null), 'e1 e2', 'two of four');
select is(handoff.merge_lead('e1', 'f1', p_now => '2026-05-04 16:30'), 'mql', 'the survivor takes the place of the loser');
select is(handoff.merge_lead('f2', 'e2', p_now => '2026-05-04 16:30'), 'mql', '.. or keeps its own');
select is((select string_agg(lead_key, ' ' order by 1) from handoff.handoff where lead_key ~ '^[ef]' and closed_at is null), 'e2 f1', 'still two');

-- same_owner: an own handoff, to the same rep, but never two of a leg
do $$ begin perform pg_temp.publish('same_owner'); end $$;
select pg_temp.add(k, 'gus@acme.de', '2026-06-01 08:00'), pg_temp.demo(k, '2026-06-01 08:30') from unnest('{g1,g2}'::text[]) k;
select pg_temp.tick('2026-06-01 09:00');
select is(pg_temp.state('g2'), 'lead joined g1/1', 'the same leg: joined');
select handoff.accept('g1', p_now => '2026-06-01 10:00');
select handoff.qualify('g1', p_now => '2026-06-01 11:00');
select pg_temp.tick('2026-06-01 11:00');
select is(pg_temp.state('g2'), 'mql | mql_to_sdr ' || (select rep from handoff.handoff where lead_key = 'g1' and handoff_no = 1), 'another leg: handed over, to the same rep');
select throws_ok($$ select handoff.dispose('g1', 'not_qualified', 'no', p_now => '2026-06-01 12:00') $$, 'LH041', 'lead "g1" is the same person as lead "g2"',
    'the first can''t be returned to a leg in which sales has the second');
select is((select count(*) from handoff.handoff where lead_key in ('g1', 'g2') and closed_at is null), 2::bigint, 'two handoffs, of two legs');

-- notify: handed over, and the owner is told
do $$ begin perform pg_temp.publish('notify'); end $$;
select pg_temp.add(k, 'hal@acme.de', '2026-06-02 08:00'), pg_temp.demo(k, '2026-06-02 08:30') from unnest('{h1,h2}'::text[]) k;
select pg_temp.tick('2026-06-02 09:00');
select is(pg_temp.state('h2'), 'lead joined h1/1', 'the same leg: joined');
select handoff.recycle('h1', 'timing', 'later', p_now => '2026-06-02 10:00');
select pg_temp.tick('2026-06-02 10:00');
select is(pg_temp.state('h2'), 'mql | mql_to_sdr ' || pg_temp.rep('h2'), 'handed over after its end');
select results_eq($$ select payload -> 'about' ->> 'lead', payload -> 'about' ->> 'of_rep' from handoff.outbox where lead_key = 'h2' and type = 'handoff.collision' $$,
    $$ values ('h1', pg_temp.rep('h1')) $$, 'with a message that names the other and its rep');
select is((select detail ->> 'of_rep' from handoff.event where lead_key = 'h2' and type = 'collision'), pg_temp.rep('h1'), 'that names who had the other');

-- block: one after the other
do $$ begin perform pg_temp.publish('block'); end $$;
select pg_temp.add(k, 'ida@acme.de', '2026-06-03 08:00'), pg_temp.demo(k, '2026-06-03 08:30') from unnest('{i1,i2}'::text[]) k;
select pg_temp.tick('2026-06-03 09:00');
select is(pg_temp.state('i2'), 'lead duplicate i1/1', 'blocked');
select is(pg_temp.log('i1', '2026-06-03 09:01'), null, 'it brings the other nothing');
select matches(pg_temp.log('i2', '2026-06-03 09:00'), 'gated: held before mql_to_sdr: duplicate of lead i1, whose handoff 1 is open$', 'its log says by what');
select handoff.recycle('i1', 'timing', 'later', p_now => '2026-06-03 10:00');
select pg_temp.tick('2026-06-03 10:00');
select is(pg_temp.state('i2'), 'mql | mql_to_sdr ' || pg_temp.rep('i2'), 'released when that one ends');
select matches(pg_temp.log('i2', '2026-06-03 10:00'), 'released: no longer held: duplicate', '.. as its log says');

-- without a row: join, and no memory
do $$ begin perform pg_temp.publish(null); end $$;
select pg_temp.add(k, 'jon@acme.de', '2026-06-04 08:00'), pg_temp.demo(k, '2026-06-04 08:30') from unnest('{j1,j2}'::text[]) k;
select pg_temp.tick('2026-06-04 09:00');
select is(pg_temp.state('j2'), 'lead joined j1/1', 'joined');
select handoff.recycle('j1', 'timing', 'later', p_now => '2026-06-04 10:00');
select pg_temp.tick('2026-06-04 10:00');
select is(pg_temp.state('j2'), 'mql | mql_to_sdr ' || pg_temp.rep('j2'), 'until it ends');

-- duplicate_open: a rule that hangs on another lead follows it
do $$ declare version int := handoff.draft(); begin
    insert into handoff.gate (contract_id, ord, criteria, action, code) values (version, 5, 'duplicate_open', 'suppress', 'sales_has_it');
    perform handoff.publish(version);
end $$;
select is_empty($$ select * from handoff.validate() where message like '%duplicate_open%' $$, 'duplicate_open is filled');
select pg_temp.add(k, 'kim@acme.de', '2026-06-05 08:00') from unnest('{l1,l2}'::text[]) k;
select pg_temp.demo('l2', '2026-06-05 08:30');
select pg_temp.tick('2026-06-05 09:00');
select pg_temp.demo('l1', '2026-06-05 09:30');
select pg_temp.tick('2026-06-05 10:00');
select is(pg_temp.state('l1'), 'lead sales_has_it', 'the gate holds it');
select handoff.recycle('l2', 'timing', 'later', p_now => '2026-06-05 11:00');
select pg_temp.tick('2026-06-05 11:00');
select is(pg_temp.state('l1'), 'mql | mql_to_sdr ' || pg_temp.rep('l1'), 'and lets it go when the other ends');
select is((select e.note from handoff.explain('l2', '2026-06-05 11:30') e where step = 'field' and name = 'duplicate_open'), 't', 'now the other has one that is open');

-- a conclusion, then a wrong state
select is_empty($$ select l.person_key, h.leg from handoff.handoff h join handoff.lead l using (lead_key) where closed_at is null group by 1, 2 having count(*) > 1 $$,
    'nobody is with sales twice');
select is_empty($$ select * from handoff.verify() $$, 'the log adds up to the state');
select is_empty($$ select * from handoff.doctor() where severity = 'error' $$, 'all is well');
update handoff.lead set person_key = 'ida@acme.de' where lead_key = 'l1';
select results_eq($$ select invariant, what from handoff.doctor() where severity = 'error' $$,
    $$ values (2, 'leads "i2", "l1" are one person and have 2 open handoffs of leg "mql_to_sdr"') $$, 'doctor() sees two open handoffs of a person');

select * from finish();
rollback;
