-- Champion and challenger: the split, what changes it, and that each version decides its part as if it were alone.
--
-- Each run is a transaction of its own: what a session has cached of tables holds until its transaction ends.
set client_min_messages = warning;
set timezone = 'UTC';
set lead_handoff.inline_limit = 0;
set check_function_bodies = off;
set jit = off;
select no_plan();

create schema crm;
create table crm.person (id text primary key, email text, title text, seniority text, employees int, country text, company text, created_at timestamptz);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, page text, direction text, rep text);
create table crm.firm (id text primary key, name text, domain text);
create function pg_temp.chance(variadic seeds text[]) returns float8 language sql immutable as
    $$ select (hashtextextended(array_to_string(seeds, '/'), 23) & 1023)::float8 / 1024 $$;

-- an empty house: the template in force, and version 2, which gives other points that fade sooner
create function pg_temp.house() returns void language plpgsql as $$
begin
    if to_regclass('handoff.contract') is not null then
        set constraints all immediate;
        perform handoff.teardown(really => true);
        set constraints all deferred;
    end if;
    truncate crm.person, crm.act, crm.firm;
    perform handoff.setup();
    perform handoff.load_template('b2b_saas');
    update handoff.contract set half_life = '9 days';
    perform handoff.add_rep('ana', 'Ana', 'sdr');
    perform handoff.add_rep('ben', 'Ben', 'sdr');
    perform handoff.add_rep('abe', 'Abe', 'ae');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.publish();
    perform handoff.draft();
    update handoff.contract set half_life = '5 days' where contract_id = 2;
    update handoff.score_rule set points = points + 7 where contract_id = 2;
    update handoff.recycle_path set delay = '2 days' where contract_id = 2 and delay is not null;
    perform handoff.attach('crm.firm', 'account', since => '-infinity');
    perform handoff.attach('crm.person', 'lead', since => '-infinity');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
    insert into crm.firm select 'F' || i, 'Firm ' || i, format('firm%s.com', i) from generate_series(0, 96, 2) i;
end $$;

-- half a day: people come, two leads of one person now and then, change, and do things
create function pg_temp.half_day(n int) returns void language plpgsql as $$
declare
    now constant timestamptz := timestamptz '2026-02-01 00:00' + n * interval '12 hours';
begin
    insert into crm.person
    select t.tag || i, 'p' || i || '@firm' || i % 97 || '.com', (array['VP Sales', 'Engineer', null, 'Head of Marketing'])[1 + i % 4],
           (array['vp', 'individual', null, 'director'])[1 + i % 4], 2 * i, (array['DE', 'US', null])[1 + i % 3], null, now - interval '3 hours'
    from generate_series(1, 240) i, unnest(case when i % 20 = 0 then '{P,Q}' else '{P}' end::text[]) t (tag) where i % 8 = n;
    update crm.person set employees = employees + n, title = case when pg_temp.chance('title', email, n::text) < 0.5 then 'CEO' else title end
    where pg_temp.chance('change', email, n::text) < 0.05;
    -- another address: another person, and another account
    update crm.person set email = format('new%s@firm%s.com', id, 1 + n) where pg_temp.chance('moves', id, n::text) < 0.01;
    insert into crm.act
    select format('A%s/%s/%s', n, p.id, k), p.id, now - pg_temp.chance('at', p.id, n::text, k::text) * interval '50 hours',
           (array['form', 'page_view', 'trial', 'email_click', 'page_view'])[1 + floor(5 * pg_temp.chance('kind', p.id, n::text, k::text))::int],
           (array['/demo', '/pricing', '/contact', '/pricing', '/blog'])[1 + floor(5 * pg_temp.chance('page', p.id, n::text, k::text))::int], 'inbound', null
    from crm.person p, generate_series(1, 2) k where pg_temp.chance('does', p.id, n::text, k::text) < 0.16;
    perform handoff.tick(now);
end $$;

create function pg_temp.sales(n int) returns void language plpgsql as $$
declare
    now constant timestamptz := timestamptz '2026-02-01 00:00' + n * interval '12 hours' + interval '2 hours';
    l   record;
    c   float8;
begin
    for l in select h.lead_key, h.accepted_at, h.leg from handoff.handoff h where h.closed_at is null and h.rep is not null order by 1 loop
        c := pg_temp.chance('sales', l.lead_key, n::text);
        begin
        if c < 0.2 then
            insert into crm.act values (format('S%s/%s', n, l.lead_key), l.lead_key, now - interval '10 minutes', 'call', null, 'outbound', 'ana');
        elsif l.leg = 'sdr_to_ae' then
            continue;
        elsif l.accepted_at is null and c < 0.5 then
            perform handoff.accept(l.lead_key, p_now => now);
        elsif l.accepted_at is not null and c < 0.4 then
            perform handoff.recycle(l.lead_key, 'timing', 'later', p_now => now);
        elsif l.accepted_at is not null and c < 0.5 then
            perform handoff.disqualify(l.lead_key, 'competitor', 'is one', p_now => now);
        elsif l.accepted_at is not null and c < 0.6 then
            perform handoff.qualify(l.lead_key, 'good', p_now => now);
        end if;
        exception when sqlstate 'LH041' then null;
        end;
    end loop;
end $$;

-- what lead and handoffs have come to, but for who has them: that hangs on all leads
create function pg_temp.what_is() returns table (lead_key text, version int, what jsonb) language sql as $$
    select l.lead_key, l.contract_id,
           jsonb_build_object('stage', l.stage, 'stage_since', l.stage_since, 'fit', l.fit, 'intent', l.intent, 'score', l.score, 'band', l.band, 'cycle', l.cycle,
                              'signals', l.signals, 'gate', l.gate_code, 'duplicate_of', l.duplicate_of, 'account', l.account_key, 'person', l.person_key,
                              'handoffs', (select jsonb_agg(jsonb_build_array(h.handoff_no, h.leg, h.cycle, h.band, h.fit, h.intent, h.score, h.route, h.outcome, h.code,
                                                                              h.handed_at, h.closed_at, h.touches, h.recycle_due_at) order by h.handoff_no)
                                           from handoff.handoff h where h.lead_key = l.lead_key))
    from handoff.lead l
$$;
create function pg_temp.parts() returns table (contract_id int, leads bigint) language sql as
    $$ select contract_id, count(*) from handoff.lead where deleted_at is null group by 1 order by 1 $$;
create function pg_temp.content() returns setof text language sql as
    $$ select format('%s: %s', severity, what) from handoff.doctor() where severity = 'error' union all select format('verify: %s', v) from handoff.verify() v $$;

-- The bucket -----------------------------------------------------------------------------------------

begin;
\i test/lib/fresh.sql
-- computed elsewhere (Python's hashlib)
select results_eq($$ select handoff.traffic_bucket(contract, key) from (values
        ('default', '001A0000'), ('default', 'ana@example.com'), ('b2b', '001A0000'), ('naïve', 'Zoë Müller'), ('', '')) v (contract, key) $$,
    $$ values (0.8227173998258515::float8), (0.4442711072596168), (0.5845242222089766), (0.38287095137528127), (0.006748622698108164) $$,
    'buckets are what they are, for ever');
select results_eq($$ select handoff.traffic_bucket(null, 'a'), handoff.traffic_bucket('a', null) $$, $$ values (null::float8, null::float8) $$, 'NULL of NULL');
create temp table bucket as
select k, handoff.traffic_bucket('default', 'key ' || k) as b, sha256(convert_to(E'default\nkey ' || k, 'UTF8')) as digest from generate_series(1, 100000) k;
select is_empty($$ select k from bucket
                   where b <> (get_byte(digest, 0)::numeric * 2 ^ 40::numeric + get_byte(digest, 1)::numeric * 2 ^ 32::numeric + get_byte(digest, 2)::numeric * 2 ^ 24::numeric
                               + get_byte(digest, 3) * 65536 + get_byte(digest, 4) * 256 + get_byte(digest, 5))::float8 / 2 ^ 48::float8 $$,
    'it is the first 48 bits of SHA-256 as a fraction');
select is_empty($$ select hundredth, part from (select h + 1 as hundredth, sum(count(*)) over (order by h) / 100000 as part from bucket, floor(b * 100) h group by h) p
                   where abs(part - hundredth / 100) > 0.005 $$, 'of 100,000 keys every share has its part, to half a point');
select ok((select count(distinct b) = 100000 and min(b) >= 0 and max(b) < 1 from bucket), 'each its own, from 0 up to 1');
-- another contract draws lots of its own
select ok((select abs(corr(b, handoff.traffic_bucket('other', 'key ' || k))) < 0.02 from bucket), 'the lots of two contracts have nothing to do with each other');
rollback;

-- Shares of a running challenge ------------------------------------------------------------------------

do $$ begin
    perform pg_temp.house();
    for n in 0 .. 7 loop
        perform pg_temp.half_day(n);
    end loop;
end $$;
select results_eq('select * from pg_temp.parts()', 'values (1, 252::bigint)', 'all are decided by the version in force');
create temp table lot as
select lead_key, account_key, person_key, handoff.traffic_bucket('default', coalesce(account_key, person_key, lead_key)) as b from handoff.lead;
select ok((select count(*) > 80 from handoff.lead where account_key is not null) and (select count(*) > 80 from handoff.lead where account_key is null),
          'with an account, and without');
create temp table open_then as select lead_key from handoff.handoff where closed_at is null;

-- errors
select throws_ok($$ select handoff.publish(2, traffic_share => 0) $$, '22023', 'traffic_share 0 is no share', 'a share is above 0');
select throws_ok($$ select handoff.publish(2, traffic_share => 1.5) $$, '22023', 'traffic_share 1.5 is no share', '.. and not above 1');
select throws_ok($$ select handoff.publish(2, scope => 'country = ''DE''') $$, 'LH011', 'contract 2 has 1 error(s)', 'a scope needs a share');
select throws_ok($$ select handoff.publish(2, traffic_share => 0.3, scope => 'band = ''A''') $$, 'LH011', 'contract 2 has 1 error(s)', 'it asks of what a source maps');
select throws_ok($$ select handoff.publish(2, traffic_share => 0.3, scope => 'created_at > now() - interval ''1 day''') $$, 'LH011', 'contract 2 has 1 error(s)',
    'and not what time it is');
select throws_ok($$ select handoff.publish(2, '{"mql": "lead"}', traffic_share => 0.3) $$, '22023', 'a challenger has no stage_map', 'stages are those of the champion');
select throws_ok($$ select handoff.publish(1, traffic_share => 0.3) $$, '55000', 'contract 1 is published, not a draft', 'the version in force is not made a challenger');
begin;
insert into handoff.field (contract_id, of, name, type) values (2, 'activity', 'lane', 'text');
delete from handoff.field where contract_id = 2 and of = 'lead' and name = 'title';
delete from handoff.score_rule where contract_id = 2 and 'title' in (select handoff.criteria_fields(criteria));
delete from handoff.derived where contract_id = 2 and 'title' in (select handoff.criteria_fields(criteria));
update handoff.stage set name = 'engaged' where contract_id = 2 and is_default;
update handoff.contract set traffic_share = 0.3 where contract_id = 2;
select results_eq($$ select message from handoff.check_challenge(2) order by message $$, $$ values
    ('contract 1 has field lead.title text, contract 2 has not; a lead may pass from one to the other'),
    ('contract 1 has stage "lead", contract 2 has not; a lead may pass from one to the other'),
    ('contract 2 has field activity.lane text, contract 1 has not; a lead may pass from one to the other'),
    ('contract 2 has stage "engaged", contract 1 has not; a lead may pass from one to the other') $$, 'both have the same fields and stages');
select throws_ok('select handoff.publish(2)', 'LH011', null, 'else it is refused');
rollback;
begin;
update handoff.contract set name = 'other', traffic_share = 0.3 where contract_id = 2;
select results_eq('select severity, message from handoff.check_challenge(2)', $$ values ('error', 'challenges nobody: no version of its name is in force') $$, 'there is a champion');
rollback;

-- it begins
select is(handoff.publish(2, traffic_share => 0.3), 2, 'a draft with a share becomes the challenger');
select results_eq($$ select status, traffic_share, isempty(effective), not isempty(challenging), checksum = handoff.definition_checksum(2) from handoff.contract where contract_id = 2 $$,
    $$ values ('published', 0.3, true, true, true) $$, 'published, and not in force');
select results_eq('select handoff.in_force(), handoff.chosen_version(null), handoff.contract_at(clock_timestamp())', 'values (1, 1, 1)', 'the version in force is the champion');
select throws_ok($$ update handoff.contract set traffic_share = 0.4 where contract_id = 2 $$, 'LH010', 'the share of contract 2 is not changed by hand', 'publish() changes the share');
select throws_ok($$ update handoff.contract set scope = 'true is true' where contract_id = 2 $$, 'LH001', null, 'a scope is a criteria');
select throws_ok($$ update handoff.contract set scope = 'country = ''DE''' where contract_id = 2 $$, 'LH010', null, 'which stays as it was');
select is((select count(*) from handoff.inbox i join lot l on l.lead_key = i.raw_key where i.op = 'R'), (select count(*) from lot where b < 0.3), 'the leads of its part are queued, no others');
select is_empty('select * from pg_temp.content()', 'meanwhile all is well');
do $$ begin perform handoff.tick('2026-02-04 13:00'); end $$;
create function pg_temp.wrong(share float8) returns setof text language sql as $$
    select l.lead_key from handoff.lead l join lot using (lead_key)
    where l.contract_id <> case when b < share and lead_key not in (select lead_key from open_then) then 2 else 1 end
$$;
select is_empty('select pg_temp.wrong(0.3)', 'leads of the part are decided by the challenger, but for those that sales had');
select ok((select count(*) > 30 from handoff.lead where contract_id = 2) and exists (select from open_then o join lot l using (lead_key) where l.b < 0.3), 'there are some of both');
select is_empty('select * from pg_temp.content()', 'all is well');
select is_empty($$ select account_key from handoff.lead l where not exists (select from open_then o where o.lead_key = l.lead_key)
                   group by account_key having account_key is not null and count(distinct contract_id) > 1 $$, 'leads of one account are in one part');
select is_empty($$ select person_key from handoff.lead l where not exists (select from open_then o where o.lead_key = l.lead_key)
                   group by person_key having count(distinct contract_id) > 1 $$, 'and so are those of one person');
-- handoffs know
select results_eq('select distinct contract_id, challenge from handoff.handoff where lead_key in (select lead_key from open_then)', 'values (1, null::int)', 'handoffs of before are in no challenge');

-- explain() says which and why
select results_eq($$ select e.name, e.result, e.note ~ case when b < 0.3 then '^challenger: bucket 0\.\d{6} of (account|person) "[^"]+" < 0.3$' else '^champion: bucket 0\.\d{6} of (account|person) "[^"]+" >= 0.3$' end
                     from (select distinct on (b < 0.3, account_key is null) * from lot where lead_key not in (select lead_key from open_then) order by b < 0.3, account_key is null, lead_key) l
                     cross join lateral handoff.explain(lead_key) e where e.step = 'version' order by b < 0.3, account_key is null $$,
    $$ values ('1', true, true), ('1', true, true), ('2', true, true), ('2', true, true) $$, 'explain() says which version decides, and why');
select is((select e.note from open_then o cross join lateral handoff.explain(o.lead_key) e where e.step = 'version' limit 1), 'it has an open handoff, which keeps its version', 'or that it is kept');

-- a second one
do $$ begin perform handoff.draft(); end $$;
select throws_ok($$ select handoff.publish(3, traffic_share => 0.1) $$, '55000', 'contract 1 is challenged by contract 2 already', 'one at a time');
select throws_ok('select handoff.retire(1)', '55000', 'contract 1 has a challenger, contract 2', 'the champion does not go first');
select throws_ok('select handoff.publish(2)', '55000', 'contract 2 is a challenger already', 'what it becomes must be said');

-- its share grows: who is in stays in
create temp table was as select lead_key, contract_id from handoff.lead;
select is(handoff.publish(2, traffic_share => 0.55), 2, 'another share');
select is((select count(*) from handoff.inbox i join lot l on l.lead_key = i.raw_key), (select count(*) from lot where b >= 0.3 and b < 0.55), 'those between the two are queued');
do $$ begin perform handoff.tick('2026-02-04 14:00'); end $$;
select is_empty('select pg_temp.wrong(0.55)', 'the part grows');
select is_empty($$ select lead_key from was w join handoff.lead l using (lead_key) where w.contract_id = 2 and l.contract_id <> 2 $$, 'who was in is in');
select is_empty('select * from pg_temp.content()', 'all is well');
-- and shrinks
do $$ begin perform handoff.publish(2, traffic_share => 0.1); perform handoff.tick('2026-02-04 15:00'); end $$;
select is_empty('select pg_temp.wrong(0.1)', 'it shrinks');
select is_empty('select * from pg_temp.content()', 'all is well');

-- it is retired; the champion decides all
begin;
do $$ begin perform handoff.retire(2); end $$;
select results_eq($$ select status, upper_inf(challenging) from handoff.contract where contract_id = 2 $$, $$ values ('retired', false) $$, 'retired');
select is_empty('select lead_key from lot where b < 0.1 and lead_key not in (select raw_key from handoff.inbox)', 'its leads are queued');
do $$ begin perform handoff.tick('2026-02-04 16:00'); end $$;
select results_eq('select * from pg_temp.parts()', 'values (1, 252::bigint)', 'all are decided by the champion');
select is_empty('select * from pg_temp.content()', 'all is well');
select throws_ok('select handoff.rollback()', 'LH012', 'contract 1 has no predecessor', 'a challenger was never in force');
select is(handoff.publish(3, traffic_share => 0.2), 3, 'the next one');
rollback;

-- it becomes the champion
do $$ begin perform handoff.publish(2, traffic_share => 1); end $$;
select results_eq($$ select contract_id, status, traffic_share, upper_inf(effective), upper_inf(challenging) from handoff.contract where contract_id < 3 order by 1 $$,
    $$ values (1, 'retired', null::numeric, false, false), (2, 'published', null, true, false) $$, 'it is in force, its rival retired');
select results_eq($$ select contract, champion, challenger, traffic_share, ended_at is not null from handoff.challenge_run $$, $$ values ('default', 1, 2, null::numeric, true) $$, 'which is known of the challenge');
do $$ begin perform handoff.tick('2026-02-04 16:00'); end $$;
select results_eq('select contract_id, leads = (select count(*) from open_then) from pg_temp.parts()', 'values (1, true), (2, false)', 'and decides all but what sales had');
select is_empty('select * from pg_temp.content()', 'all is well');
-- with a challenger of its own; the champion is taken back under it
do $$ begin perform handoff.publish(3, traffic_share => 0.2); perform handoff.tick('2026-02-04 17:00'); end $$;
select is(handoff.rollback(), 1, 'rollback() puts the former champion in force');
do $$ begin perform handoff.tick('2026-02-04 18:00'); end $$;
select results_eq($$ select contract_id, status, traffic_share from handoff.contract order by 1 $$, $$ values (1, 'published', null::numeric), (2, 'retired', null), (3, 'published', 0.2) $$,
    'its challenger stays');
select is_empty($$ select lead_key from handoff.lead l join lot using (lead_key)
                   where l.contract_id <> case when lead_key in (select lead_key from open_then) then 1 when b < 0.2 then 3 else 1 end $$, 'each has its part');
select is_empty('select * from pg_temp.content()', 'all is well');
-- a champion that the challenger does not suit
begin;
do $$ begin perform handoff.draft(); end $$;
insert into handoff.stage (contract_id, name, position, is_terminal) values (4, 'partner', 77, true);
select throws_ok('select handoff.publish(4)', 'LH011', null, 'a champion must suit the challenger');
select results_eq($$ select hint from handoff.check_challenge(4) $$, $$ values ('Have the same stages in both. Or take the challenger out of force with handoff.retire(3).') $$, 'and is told what to do');
rollback;
begin;
set local session_replication_role = replica;
insert into handoff.stage (contract_id, name, position, is_terminal) values (2, 'partner', 77, true);
set local session_replication_role = origin;
select throws_ok('select handoff.rollback()', 'LH011', 'contract 2 can''t be in force beside contract 3', 'rollback() too');
rollback;
-- the doctor sees what was done by hand
begin;
set local session_replication_role = replica;
update handoff.lead set contract_id = 1 where lead_key = (select min(lead_key) from handoff.lead where contract_id = 3);
select results_eq($$ select what ~ '^1 leads, ".*" among them, were decided by another version than that of their part$' from handoff.doctor() where invariant = 22 $$, 'values (true)',
    'a lead that is decided by the wrong version');
update handoff.contract set status = 'retired' where contract_id = 1;
select results_eq($$ select what from handoff.doctor() where invariant = 22 $$, $$ values ('contract 3 challenges nobody') $$, 'a challenger alone');
rollback;

-- rights
begin;
create role challenge_reader;
create role challenge_operator;
select handoff.grant_access('challenge_reader', 'reader'), handoff.grant_access('challenge_operator', 'operator');
set local role challenge_reader;
select lives_ok('select * from handoff.challenge', 'readers may see how it stands');
select throws_ok('select handoff.publish(2, traffic_share => 0.1)', '42501', null, 'and change nothing');
reset role;
rollback;

-- Scope ------------------------------------------------------------------------------------------------

do $$ begin
    perform pg_temp.house();
    for n in 0 .. 3 loop
        perform pg_temp.half_day(n);
    end loop;
end $$;
truncate lot, open_then;
insert into open_then select lead_key from handoff.handoff where closed_at is null;
do $$ begin
    perform handoff.publish(2, traffic_share => 0.5, scope => 'country = ''DE'' and account.name is null');
    for n in 4 .. 13 loop
        perform pg_temp.half_day(n);
    end loop;
end $$;
create function pg_temp.wrong_scope() returns setof text language sql as $$
    select l.lead_key from handoff.lead l join crm.person p on p.id = l.lead_key
    where not exists (select from handoff.handoff h where h.lead_key = l.lead_key and h.closed_at is null)
      and l.contract_id <> case when p.country = 'DE' and l.account_key is null
                                 and handoff.traffic_bucket('default', coalesce(l.person_key, l.lead_key)) < 0.5 then 2 else 1 end
$$;
select is_empty('select pg_temp.wrong_scope()', 'only leads of the scope are shared');
select ok((select count(*) filter (where contract_id = 2) > 10 and count(*) filter (where contract_id = 1) > 100 from handoff.lead), 'there are some of both');
select is_empty('select * from pg_temp.content()', 'all is well');
select is_empty($$ select h.lead_key from handoff.handoff h join crm.person p on p.id = h.lead_key join handoff.lead l on l.lead_key = h.lead_key
                   where h.challenge is not null and (p.country is distinct from 'DE' or l.account_key is not null) $$, 'handoffs of others are in no challenge');
select ok((select count(*) > 3 from handoff.handoff where challenge = 2 and contract_id = 2) and (select count(*) > 3 from handoff.handoff where challenge = 2 and contract_id = 1),
          'those of the scope are, by whichever version');
select is((select e.note from crm.person p cross join lateral handoff.explain(p.id) e where e.step = 'version' and p.country = 'US' and p.id not in (select lead_key from handoff.handoff) limit 1),
          'champion: the lead is out of the scope of challenger 2', 'explain() says who is out');
-- who leaves the scope, or comes into it
do $$ begin
    update crm.person set country = case country when 'DE' then 'US' else 'DE' end where id < 'P2';
    perform handoff.tick('2026-02-08 14:00');
end $$;
select is_empty('select pg_temp.wrong_scope()', 'a lead follows its fields');
-- its account comes to be known: it is out
do $$ begin
    insert into crm.firm select 'F' || i, 'Firm ' || i, format('firm%s.com', i) from generate_series(1, 95, 4) i;
    perform handoff.tick('2026-02-08 15:00');
    perform handoff.tick('2026-02-08 15:01');
end $$;
select is_empty('select pg_temp.wrong_scope()', '.. and its account');
select is_empty('select * from pg_temp.content()', 'all is well');
-- a copy is for all
do $$ begin perform handoff.draft(2); end $$;
select ok((select scope is null from handoff.contract where contract_id = 3), 'a draft of a challenger has no scope');

-- Each as if it were alone ------------------------------------------------------------------------------

create temp table outcome (house text, lead_key text, version int, what jsonb);
create function pg_temp.run(house text) returns void language plpgsql as $$
begin
    for n in 0 .. 13 loop
        perform pg_temp.half_day(n);
        perform pg_temp.sales(n);
    end loop;
    insert into outcome select house, w.* from pg_temp.what_is() w;
end $$;
do $$ begin
    perform pg_temp.house();
    perform handoff.publish(2, traffic_share => 0.5);
    perform pg_temp.run('both');
    create temp table handed as select lead_key, handoff_no, contract_id, challenge from handoff.handoff;
end $$;
select is_empty('select * from pg_temp.content()', 'all is well');
-- of two leads of a person, both decided by one tick, it tells who was first as it likes
select is_empty($$ select * from handoff.backtest_as_decided(tick_every => '12 hours') where substr(lead_key, 2)::int % 20 <> 0 $$,
    'the backtest of what was decided finds nothing');
do $$ begin
    perform pg_temp.house();
    perform pg_temp.run('champion');
end $$;
do $$ begin
    perform pg_temp.house();
    perform handoff.publish(2);
    perform pg_temp.run('challenger');
end $$;
-- a lead that changed parts on its way (another address) is compared with neither
create temp table settled as
select b.* from outcome b
where b.house = 'both'
  and not exists (select from crm.person p where p.id = b.lead_key and p.email like 'new%')
  and not exists (select from crm.person p join crm.person q on q.id = b.lead_key where p.email like 'new%' and p.id <> q.id and substr(p.id, 2) = substr(q.id, 2));
select is_empty($$ select b.lead_key, b.version, b.what, o.what from settled b
                   join outcome o on o.lead_key = b.lead_key and o.house = case b.version when 2 then 'challenger' else 'champion' end
                   where b.what <> o.what limit 3 $$, 'leads of each part come to what they come to where their version is alone');
select ok((select count(*) filter (where version = 1) > 80 and count(*) filter (where version = 2) > 80 from settled)
          and (select count(*) > 100 from outcome a join outcome b using (lead_key) where a.house = 'champion' and b.house = 'challenger' and a.what <> b.what)
          and (select count(*) filter (where contract_id = 1) > 20 and count(*) filter (where contract_id = 2) > 20 from handed), 'of which there are many, that differ between the two');
select is_empty('select lead_key from handed where challenge is distinct from 2', 'every handoff is in the challenge');

do $$ begin
    perform handoff.teardown(really => true);
    drop schema crm cascade;
end $$;
select * from finish();
