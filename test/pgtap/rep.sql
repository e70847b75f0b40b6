-- CRM users as a source: who they are among our reps, what changes with them, who leaves and who only seems to.
begin;
set local client_min_messages = error;
set local timezone = 'UTC';
select plan(57);
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.add_rep('ana', 'Ana', 'sdr', schedule => '24x7 @ UTC', crm_id => 'U1');
    perform handoff.add_rep('ben', 'Ben', 'sdr', email => 'Ben@Acme.com');
    perform handoff.add_rep('cat', 'Cat', 'sdr', schedule => '24x7 @ UTC', email => 'twin@acme.com');
    perform handoff.add_rep('dan', 'Dan', 'ae', schedule => '24x7 @ UTC', email => 'twin@acme.com');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.publish();
end $$;
create schema crm;
create table crm.users (id text primary key, name text, email text, time_zone text, is_active boolean, manager_id text, is_human boolean, updated_at timestamptz, is_deleted boolean);
do $$ begin perform handoff.attach('crm.users', 'rep', delete_grace => '10 minutes'); end $$;
select is((select string_agg(key || ' ' || value, ', ' order by key) from handoff.source, jsonb_each_text(mapping) where kind = 'rep'),
    'active is_active, deleted is_deleted, email email, human is_human, manager manager_id, name name, version updated_at, zone time_zone', 'columns are found by their names');
create function pg_temp.rep(key text) returns text language sql as $$
    select format('%s|%s|%s|%s|%s|%s', name, crm_id, email, zone, manager, active) from handoff.rep where rep = key $$;
create function pg_temp.tick(p_now timestamptz) returns bigint language sql as $$ select decided from handoff.tick(p_now) $$;
create function pg_temp.broken() returns setof text language sql as $$ select d.what from handoff.doctor() d where d.severity = 'error' $$;
create temp table log as select * from handoff.operation_log;
create function pg_temp.logged() returns bigint language sql as $$ select count(*) from handoff.operation_log where actor = 'source' $$;

-- who is who
insert into crm.users values
    ('U1', 'Ana Ruiz', 'ana@acme.com', 'Europe/Madrid', true, 'U9', true, '2026-03-01', false),
    ('U2', 'Ben Bo', 'ben@acme.com', 'America/New_York', true, 'U1', null, '2026-03-01', false),
    ('U3', 'Twin', 'twin@acme.com', null, true, null, true, '2026-03-01', false),
    ('U4', 'Eve', 'eve@acme.com', 'Not/AZone', null, 'U9', true, '2026-03-01', false),
    ('U5', 'Old', 'old@acme.com', null, false, null, true, '2026-03-01', false),
    ('U6', 'Integration', 'ana@acme.com', null, true, null, false, '2026-03-01', false),
    ('U7', 'Gone', 'gone@acme.com', null, true, null, true, '2026-03-01', true),
    ('U9', 'Boss', 'boss@acme.com', 'UTC', true, null, true, '2026-03-01', false);
select pg_temp.tick('2026-03-01 10:00');
select is(pg_temp.rep('ana'), 'Ana Ruiz|U1|ana@acme.com|Europe/Madrid|U9|t', 'the rep with his CRM id takes what the CRM says');
select is(pg_temp.rep('ben'), 'Ben Bo|U2|ben@acme.com|America/New_York|ana|t', 'else the one with his address, whatever its case; his manager is a rep');
select is(pg_temp.rep('U4'), 'Eve|U4|eve@acme.com||U9|t', 'else one is made, under his CRM id; a time zone that there is not is not taken');
select is((select takes_leads from handoff.rep where rep = 'U4'), false, 'who takes no leads');
select is((select array_agg(rep order by rep) from handoff.rep), '{U4,U9,ana,ben,cat,dan,zoe}', 'nobody is made of the inactive, of machines, of who is gone, nor of one who may be two');
select is((select string_agg(crm_id || ' ' || coalesce(rep, '-'), ', ' order by crm_id) from handoff.crm_user), 'U1 ana, U2 ben, U3 -, U4 U4, U5 -, U6 -, U9 U9', 'but they are known');
select is((select array_agg(what order by what collate "C") from handoff.doctor() where severity = 'warning'),
    '{"CRM user \"U3\" (twin@acme.com) may be any of the reps cat, dan","CRM user \"U4\" has the time zone \"Not/AZone\", which this server doesn''t know"}', 'what can''t be told is said');
select is((select count(*) from handoff.operation_log where actor = 'source' and object = 'rep' and name = 'ana'), 1::bigint, 'one change of ana');
select is((select string_agg(distinct k.key, ' ' order by k.key) from handoff.operation_log o, jsonb_each(o.new) k where o.actor = 'source' and o.name = 'ana' and k.value <> o.old -> k.key),
    'email manager name zone', 'of what differs');
select is((select queued from handoff.reconcile('crm.users')), 0::bigint, 'a reconcile has nothing to do');
select is((select known_rows from handoff.source_health where name = 'crm.users'), 7::bigint, 'source_health counts them');
select is_empty('select * from pg_temp.broken()', 'all is well');

-- what repeats or is old changes nothing; what was changed by hand stays until the CRM has news
create temp table logged as select pg_temp.logged() as n;
update handoff.rep set name = 'Ana R.' where rep = 'ana';
update crm.users set name = name;
update crm.users set updated_at = '2026-03-01 11:00' where id = 'U1';
update crm.users set name = 'Older', updated_at = '2026-02-01' where id = 'U2';
insert into handoff.inbox (source, raw_key, op, xid, at) select 'crm.users', id, 'R', pg_current_xact_id(), now() from crm.users;
select pg_temp.tick('2026-03-01 11:00');
select is((select pg_temp.logged() - n from logged), 0::bigint, 'no news, no change');
select is(pg_temp.rep('ana'), 'Ana R.|U1|ana@acme.com|Europe/Madrid|U9|t', 'our name stays');
select is(pg_temp.rep('ben'), 'Ben Bo|U2|ben@acme.com|America/New_York|ana|t', 'an older row counts for nothing');
update crm.users set email = 'ana.ruiz@acme.com', manager_id = null, updated_at = '2026-03-01 12:00' where id = 'U1';
update crm.users set name = 'Ben Bow', updated_at = '2026-03-01 12:00' where id = 'U2';
select pg_temp.tick('2026-03-01 12:00');
select is(pg_temp.rep('ana'), 'Ana R.|U1|ana.ruiz@acme.com|Europe/Madrid|U9|t', 'only what is new is taken, and what is not said is kept');
select is(pg_temp.rep('ben'), 'Ben Bow|U2|ben@acme.com|America/New_York|ana|t', 'a new name is');

-- leads: not to whom nobody has put into a pool, not to a machine
do $$ begin
    perform handoff.draft();
    update handoff.route set ord = ord + 10 where contract_id = 2;
    insert into handoff.route (contract_id, ord, name, leg, target_kind) values (2, 1, 'as the CRM says', 'mql_to_sdr', 'crm_owner');
    perform handoff.publish(2);
end $$;
create table crm.lead (id text primary key, email text, company text, country text, industry text, seniority text, employees int, owner_id text);
create table crm.task (id text primary key, lead_id text, completed_at timestamptz, kind text, page text, channel text, direction text, owner_id text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity');
    perform handoff.attach('crm.task', 'activity', mapping => '{"at": "completed_at"}');
end $$;
create function pg_temp.comes(key text, owner text, at timestamptz) returns void language sql as $$
    insert into crm.lead values (key, key || '@x.com', 'X', 'DE', 'Software', 'C-Level', 500, owner);
    insert into crm.task values ('demo ' || key, key, at, 'form', '/demo', 'web', 'inbound', 'U6') $$;
create function pg_temp.owner(key text) returns text language sql as $$
    select coalesce(a.rep, h.unassigned_reason) || ' ' || coalesce(a.passed_over -> 'routes' ->> 'as the CRM says', '-') from handoff.handoff h
    left join handoff.assignment a on a.lead_key = h.lead_key and a.ended_at is null where h.lead_key = key and h.closed_at is null $$;
select pg_temp.comes(id, owner, '2026-03-01 13:00') from (values ('1', 'U2'), ('2', 'U4'), ('3', 'U6'), ('4', 'U3')) t (id, owner);
select pg_temp.tick('2026-03-01 13:00');
select is(pg_temp.owner('1'), 'ben -', 'the user who is a rep gets what the CRM gives him');
select alike(pg_temp.owner('2'), '% account_unowned', 'who takes no leads doesn''t');
select alike(pg_temp.owner('3'), '% account_unowned', 'nor does a machine');
select alike(pg_temp.owner('4'), '% account_unowned', 'nor who may be two');
do $$ begin perform handoff.set_member('sdr', 'U4'); end $$;
select is((select takes_leads from handoff.rep where rep = 'U4'), true, 'from a pool on he does');
select pg_temp.comes('5', 'U4', '2026-03-01 14:00');
select pg_temp.tick('2026-03-01 14:00');
select is(pg_temp.owner('5'), 'U4 -', 'and gets leads');

-- what a machine does is no touch, also if that turns out later
insert into crm.task values ('t1', '1', '2026-03-01 14:10', 'call', null, 'phone', 'outbound', 'U6'), ('t2', '5', '2026-03-01 14:10', 'call', null, 'phone', 'outbound', 'U8');
select pg_temp.tick('2026-03-01 14:11');
select is((select string_agg(lead_key || ' ' || touches, ', ' order by lead_key) from handoff.handoff where lead_key in ('1', '5')), '1 0, 5 1', 'a touch is by a person');
select is((select signals from handoff.lead where lead_key = '1'), '{demo_request}', 'a signal is not');
insert into crm.users values ('U8', 'Sequencer', null, null, true, null, false, '2026-03-01', false);
select pg_temp.tick('2026-03-01 14:12');
select is((select string_agg(lead_key || ' ' || touches, ', ' order by lead_key) from handoff.handoff where lead_key in ('1', '5')), '1 0, 5 0', 'who was found to be a machine has touched nobody');
select is_empty($$ select * from handoff.verify() $$, 'the log says so too');
update crm.users set is_human = true, updated_at = '2026-03-02' where id = 'U8';
select pg_temp.tick('2026-03-01 14:13');
select is((select string_agg(lead_key || ' ' || touches, ', ' order by lead_key) from handoff.handoff where lead_key in ('1', '5')), '1 0, 5 1', 'and back');

-- one person leaves
update crm.users set is_active = false, updated_at = '2026-03-03' where id = 'U2';
select pg_temp.comes('6', 'U2', '2026-03-03');
select pg_temp.tick('2026-03-03 10:00');
select is((select active from handoff.rep where rep = 'ben'), false, 'a rep whose user is inactive is');
select alike(pg_temp.owner('6'), '% rep_inactive', 'and gets none of the leads that come with it');
select isnt((select rep from handoff.assignment where lead_key = '1' and ended_at is null), 'ben', 'what he has goes to others');
update crm.users set is_active = true, updated_at = '2026-03-04' where id = 'U2';
select pg_temp.tick('2026-03-03 12:00');
select is((select active from handoff.rep where rep = 'ben'), true, 'he comes back with his user');
do $$ begin perform handoff.deactivate_rep('ben'); end $$;
update crm.users set is_active = false, updated_at = '2026-03-05' where id = 'U2';
select pg_temp.tick('2026-03-03 13:00');
update crm.users set is_active = true, updated_at = '2026-03-06' where id = 'U2';
select pg_temp.tick('2026-03-03 14:00');
select is((select active from handoff.rep where rep = 'ben'), false, 'whom we made inactive stays so');
update handoff.rep set active = true where rep = 'ben';

-- a row that is gone: after the grace period, and in the log
delete from crm.users where id = 'U4';
select pg_temp.tick('2026-03-04 10:00');
select is((select active from handoff.rep where rep = 'U4'), true, 'a row that is gone may come back');
select pg_temp.tick('2026-03-04 10:10');
select is((select active::text || ' ' || (select deleted_at is not null from handoff.crm_user where crm_id = 'U4') from handoff.rep where rep = 'U4'), 'false true', 'after the grace period he has left');
select is((select old ->> 'active' || ' ' || (new ->> 'active') from handoff.operation_log where actor = 'source' and name = 'U4' order by at desc limit 1), 'true false', 'which is logged');
insert into crm.users values ('U4', 'Eve', 'eve@acme.com', null, true, null, true, '2026-03-05', false);
select pg_temp.tick('2026-03-04 10:20');
select is((select active from handoff.rep where rep = 'U4'), true, 'and comes back with it');

-- many at once: held
do $$ begin
    for i in 10 .. 19 loop
        perform handoff.add_rep('r' || i, 'R' || i, 'sdr', crm_id => 'U' || i);
    end loop;
end $$;
insert into crm.users select 'U' || i, 'R' || i, 'r' || i || '@acme.com', null, true, 'U9', true, '2026-03-05', false from generate_series(10, 19) i;
select pg_temp.tick('2026-03-05 10:00');
create function pg_temp.inactive() returns text language sql as $$ select coalesce(string_agg(rep, ' ' order by rep), '') from handoff.rep where not active $$;
update crm.users set is_active = false, updated_at = '2026-03-06' where id in ('U10', 'U11', 'U12', 'U13');
select pg_temp.tick('2026-03-05 11:00');
select is(pg_temp.inactive(), '', 'four of sixteen at once: nobody');
select is((select leavers || ' ' || leavers_held_at from handoff.source_health where name = 'crm.users'), '4 2026-03-05 11:00:00+00', 'source_health says so');
select is((select what from handoff.doctor() where what like '%held%'), '4 reps of source "crm.users" are to become inactive, held since 2026-03-05 11:00:00+00', 'and doctor()');
update crm.users set is_active = true, updated_at = '2026-03-07' where id in ('U12', 'U13');
select pg_temp.tick('2026-03-05 11:01');
select is(pg_temp.inactive(), 'r10 r11', 'as soon as they are few they go');
select is((select leavers || ' ' || (leavers_held_at is null) from handoff.source_health where name = 'crm.users'), '0 true', 'and nothing is held');
update crm.users set is_active = false, updated_at = '2026-03-08' where id in ('U14', 'U15');
select pg_temp.tick('2026-03-05 11:30');
select is(pg_temp.inactive(), 'r10 r11', 'one after the other within an hour is at once');
select is(handoff.release_leavers('crm.users'), 2::bigint, 'somebody lets it happen');
select is((select count(*) from handoff.source where leavers_held_at is not null), 0::bigint, 'and nothing is held');
select pg_temp.tick('2026-03-05 11:31');
select is(pg_temp.inactive(), 'r10 r11 r14 r15', 'it does at the next tick');
delete from crm.users where id in ('U16', 'U17', 'U18');
select pg_temp.tick('2026-03-05 14:00');
select pg_temp.tick('2026-03-05 14:10');
select is(pg_temp.inactive(), 'r10 r11 r14 r15', 'rows that are gone are held as well');
select is(handoff.forget_leavers('crm.users'), 3::bigint, 'somebody keeps them');
select pg_temp.tick('2026-03-05 14:20');
select is(pg_temp.inactive(), 'r10 r11 r14 r15', 'they stay');
select throws_ok($$ select handoff.release_leavers('crm.nobody') $$, 'LH020', 'there is no source "crm.nobody"', 'no such source');

-- managers in a circle hang nothing
update crm.users set manager_id = case id when 'U1' then 'U2' when 'U2' then 'U9' when 'U9' then 'U1' else id end, updated_at = '2026-03-09';
select pg_temp.tick('2026-03-06 10:00');
select is((select string_agg(rep || ' ' || manager, ', ' order by rep) from handoff.rep where rep in ('ana', 'ben', 'U9', 'r19')), 'U9 ana, ana ben, ben U9, r19 U9', 'a circle is kept as it is, one''s own manager is nobody');
select is((select count(*) from handoff.doctor() where what like '%his own manager%'), 3::bigint, 'doctor() sees it');

-- under a key of one's own
do $$ begin perform handoff.add_rep('boss', 'The Boss', 'ae', crm_id => 'U9', schedule => 'mon-fri 09:00-17:00 @ Europe/Berlin'); end $$;
select is((select array_agg(rep || ' ' || takes_leads order by rep) from handoff.rep where crm_id = 'U9'), '{"boss true"}', 'who was made of a user can be added under another key');
select is((select string_agg(coalesce(u.rep, '-') || ' ' || (select manager from handoff.rep where rep = 'ben'), '') from handoff.crm_user u where crm_id = 'U9'), 'boss boss', 'and is meant by it everywhere');
do $$ begin perform handoff.add_rep('kim', 'Kim', 'sdr'); update handoff.rep set zone = 'Asia/Tokyo', calendar = (select name from handoff.calendar limit 1) where rep = 'kim'; end $$;
select is((select handoff.rep_schedule('boss')::text || ' / ' || (handoff.rep_schedule('kim')::text = regexp_replace(schedule::text, '@ .*', '@ Asia/Tokyo')) || ' / ' || coalesce(handoff.rep_schedule('zoe')::text, 'none') from handoff.calendar limit 1),
    'mon-fri 09:00-17:00 @ Europe/Berlin / true / none', 'hours: his own, else the calendar''s in his time zone');
select is_empty('select * from pg_temp.broken()', 'all is well');
select * from finish();
rollback;
