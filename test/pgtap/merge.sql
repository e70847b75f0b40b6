-- Leads that are one: merged by the loser's row, by the survivor's, by hand; and whatever order the rows
-- of a lead, its activities, account, opportunity and merge come in, they end in the same state.
begin;
set local client_min_messages = warning;
set local lead_handoff.inline_limit = 0;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    delete from handoff.escalation;
    perform handoff.add_rep('ana', 'Ana', 'sdr');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.publish();
end $$;
set local timezone = 'UTC';

create schema crm;
create table crm.lead (
    id text primary key, email text, company text, country text, industry text, seniority text, employees int,
    account text, contact text, opportunity text, is_deleted boolean, master text, merged text[], updated_at timestamptz
);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, page text);
create table crm.acc (id text primary key, name text, tier text);
create table crm.opp (id text primary key, amount numeric, created_at timestamptz, is_won boolean, is_closed boolean);
create table crm.role (id text primary key, lead_key text, opportunity_key text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', mapping => '{"account_key": "account", "converted_contact": "contact",
        "converted_opportunity": "opportunity", "deleted": "is_deleted", "merged_into": "master", "merged_keys": "merged", "version": "updated_at"}');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
    perform handoff.attach('crm.acc', 'account');
    perform handoff.attach('crm.opp', 'opportunity');
    perform handoff.attach('crm.role', 'link');
end $$;

create function pg_temp.add_lead(key text) returns void language sql as $$
    insert into crm.lead values (key, key || '@acme.de', 'Acme', 'DE', 'Software', 'C-Level', 500, null, null, null, false, null, null, '2026-03-02 08:00')
$$;
create function pg_temp.tick(at timestamptz) returns void language plpgsql as $$ begin perform handoff.tick(at); end $$;
-- is it there, its stage, and its last handoff
create function pg_temp.state(lead text) returns text language sql as $$
    select concat_ws(' ', case when l.deleted_at is null then l.stage else 'gone' end, h.rep, h.outcome, h.code)
    from handoff.lead l
    left join lateral (select * from handoff.handoff h where h.lead_key = l.lead_key order by handoff_no desc limit 1) h on true
    where l.lead_key = lead
$$;
create function pg_temp.log(lead text, since timestamptz) returns text language sql as $$
    select string_agg(concat_ws(' ', e.type, 'by', e.actor, e.detail ->> 'into'), ', ' order by e.seq)
    from handoff.event e where e.lead_key = lead and e.at >= since
$$;
create function pg_temp.activities(lead text) returns text language sql as $$
    select string_agg(a.activity_key, ' ' order by a.activity_key) from handoff.activity a where a.lead_key = lead
$$;

-- the loser's row names the survivor
select pg_temp.add_lead(k) from unnest('{l1,s1,l2,s2,l3,s3,l4,s4,x4}'::text[]) k;
insert into crm.act select 'a-' || k, k, '2026-03-02 08:30', 'form', '/demo' from unnest('{l1,l2,l3,l4}'::text[]) k;
select pg_temp.tick('2026-03-02 09:00');
select is(pg_temp.state('l1'), 'mql ana', 'handed over');
select is(pg_temp.state('s1'), 'lead', 'the survivor is not');
update crm.lead set is_deleted = true, master = 's1', updated_at = '2026-03-02 10:00' where id = 'l1';
select pg_temp.tick('2026-03-02 10:00');
select is(pg_temp.state('l1'), 'gone ana withdrawn merged', 'the loser is gone, its handoff withdrawn');
select is(pg_temp.log('l1', '2026-03-02 10:00'), 'merged by source s1, closed by source', 'its log says so, and stays');
select is(pg_temp.state('s1'), 'mql ana', 'the survivor has what the loser did');
select is(pg_temp.activities('s1'), 'a-l1', '.. its activities');
select is(pg_temp.activities('l1'), null, '.. all of them');
select results_eq($$ select alias_key, lead_key, kind from handoff.alias $$, $$ values ('l1', 's1', 'merged') $$, 'its key is an alias');

-- the key goes on to mean the survivor
insert into crm.act values ('b-l1', 'l1', '2026-03-02 10:30', 'call', null);
select pg_temp.tick('2026-03-02 10:31');
select is(pg_temp.activities('s1'), 'a-l1 b-l1', 'a later activity that names the loser is the survivor''s');
select is((select touches from handoff.handoff where lead_key = 's1'), 1, 'and counts for its handoff');
update crm.lead set is_deleted = false, email = 'other@acme.de', updated_at = '2026-03-02 10:40' where id = 'l1';
select pg_temp.tick('2026-03-02 10:41');
select is(pg_temp.log('l1', '2026-03-02 10:30'), null, 'a row of the loser brings nothing back');

-- the survivor's row lists the losers, one of them never seen
insert into crm.act values ('a-never', 'never', '2026-03-02 08:30', 'form', '/demo');
update crm.lead set merged = '{l2,never,s2,"",NULL}', updated_at = '2026-03-02 10:00' where id = 's2';
select pg_temp.tick('2026-03-02 11:00');
select is(pg_temp.state('l2'), 'gone ana withdrawn merged', 'listed: gone');
select is(pg_temp.activities('s2'), 'a-l2 a-never', 'the survivor has the activities of both');
select is((select lead_key from handoff.alias where alias_key = 's2'), null, 'it is not merged into itself');
update crm.lead set updated_at = '2026-03-02 11:10' where id = 's2';
select pg_temp.tick('2026-03-02 11:10');
select is(pg_temp.log('s2', '2026-03-02 11:10'), null, 'delivered again: nothing happens');
select is(pg_temp.log('l2', '2026-03-02 11:10'), null, '.. to neither');

-- by hand
select is(handoff.merge_lead('l3', 's3', 'eva', '2026-03-02 12:00'), 'mql', 'merge_lead() returns the survivor''s stage');
select is(pg_temp.log('l3', '2026-03-02 12:00'), 'merged by eva s3, closed by eva', 'somebody did it');
select is(pg_temp.activities('s3'), 'a-l3', 'its activities move');
select throws_ok($$ select handoff.merge_lead('l3', 's1') $$, 'LH040', 'there is no lead "l3"', 'merged away already');
select throws_ok($$ select handoff.merge_lead('s3', 'l3') $$, 'LH040', 'there is no lead "l3"', 'in a circle');
select throws_ok($$ select handoff.merge_lead('s3', 's3') $$, '22023', 'lead "s3" can''t be merged into itself', 'into itself');
select throws_ok($$ select handoff.merge_lead('nobody', 's3') $$, 'LH040', 'there is no lead "nobody"', 'an unknown loser');
select throws_ok($$ select handoff.merge_lead('s3', 'nobody') $$, 'LH040', 'there is no lead "nobody"', 'an unknown survivor');
select throws_ok($$ select handoff.merge_lead(null, 's3') $$, '22004', null, 'none');
select throws_ok($$ select handoff.accept('l3') $$, 'LH040', 'there is no lead "l3"', 'the loser can''t be worked');

-- chains: of one batch, and of several
update crm.lead set is_deleted = true, master = 's4', updated_at = '2026-03-02 13:00' where id = 'l4';
update crm.lead set is_deleted = true, master = 'x4', updated_at = '2026-03-02 13:00' where id = 's4';
select pg_temp.tick('2026-03-02 13:00');
select is(pg_temp.activities('x4'), 'a-l4', 'a chain ends at the last');
select is(pg_temp.log('l4', '2026-03-02 13:00'), 'merged by source x4, closed by source', 'the log says at which');
update crm.lead set is_deleted = true, master = 'x4', updated_at = '2026-03-02 14:00' where id = 's3';
select pg_temp.tick('2026-03-02 14:00');
select set_eq($$ select alias_key from handoff.alias where lead_key = 'x4' $$, '{l4,s4,l3,s3}'::text[], 'aliases are flat');
select is_empty($$ select * from handoff.alias a join handoff.alias b on b.alias_key = a.lead_key $$, 'none leads to another');
select is((select sum(handed)::int from handoff.kpi_month where cycle = 'all'), 3, 'withdrawn handoffs are not counted');

-- what one batch can't know: rows that contradict each other
select pg_temp.add_lead(k) from unnest('{c1,c2}'::text[]) k;
select pg_temp.tick('2026-03-02 14:30');
update crm.lead set master = case id when 'c1' then 'c2' else 'c1' end, updated_at = '2026-03-02 14:40' where id in ('c1', 'c2');
select pg_temp.tick('2026-03-02 14:40');
select results_eq($$ select alias_key, lead_key from handoff.alias where alias_key in ('c1', 'c2') $$, $$ values ('c1', 'c2') $$, 'a circle: the first word counts');

-- any order: A is converted and then merged into B, whose row also lists X
create temp table delivery (n int, step int, ord int);
insert into delivery
select n, step, row_number() over (partition by n order by case n when 1 then step when 2 then -step else hashtext(n || '.' || step) end)
from generate_series(1, 60) n, generate_series(1, 10) step;
create function pg_temp.deliver(n int, step int) returns void language plpgsql as $$
declare
    p text := 'p' || n || '-';
begin
    case step
        when 1 then
            insert into crm.lead values (p || 'A', p || '@a.de', 'Acme', 'DE', 'Software', 'C-Level', 500, null, null, null, false, null, null, '2026-03-02 08:00')
            on conflict do nothing;
        when 2 then
            insert into crm.lead values (p || 'B', p || '@b.de', 'Acme', 'DE', 'Software', 'VP', 50, p || 'K', null, null, false, null, array[p || 'X'], '2026-03-02 08:10');
        when 3 then
            insert into crm.lead values (p || 'A', p || '@a.de', 'Acme', 'DE', 'Software', 'C-Level', 500, null, p || 'C', p || 'O', true, p || 'B', null, '2026-03-02 08:20')
            on conflict (id) do update set contact = excluded.contact, opportunity = excluded.opportunity, is_deleted = true, master = excluded.master, updated_at = excluded.updated_at;
        when 4 then
            insert into crm.act values (p || '1', p || 'A', '2026-03-02 08:30', 'form', '/demo');
        when 5 then
            insert into crm.act values (p || '2', p || 'C', '2026-03-02 08:40', 'form', '/pricing');
        when 6 then
            insert into crm.act values (p || '3', p || 'X', '2026-03-02 08:50', 'email', null);
        when 7 then
            insert into crm.role values (p || 'R', p || 'C', p || 'P');
        when 8 then
            insert into crm.opp values (p || 'O', 100, '2026-03-02 09:00', false, false);
        when 9 then
            insert into crm.opp values (p || 'P', 200, '2026-03-02 09:10', false, false);
        when 10 then
            insert into crm.acc values (p || 'K', 'Konzern', '1');
    end case;
end $$;
do $$
begin
    for o in 1 .. 10 loop
        perform pg_temp.deliver(n, step) from delivery where ord = o;
        perform handoff.tick('2026-03-03 09:00');
    end loop;
    perform handoff.tick('2026-03-03 09:00'); -- leads that their account queued
end $$;
create function pg_temp.digest(n int) returns text language sql as $$
    select replace(concat_ws(E'\n',
        (select string_agg(concat_ws(' ', l.lead_key, l.stage, l.fit, l.score, l.band, l.signals, l.account_key, l.fields), E'\n' order by l.lead_key)
         from handoff.lead l where l.lead_key like 'p' || n || '-%' and l.deleted_at is null),
        (select string_agg(concat_ws(' ', h.lead_key, h.leg, h.band, h.opportunity_at), E'\n') from handoff.handoff h
         where h.lead_key like 'p' || n || '-%' and h.closed_at is null),
        (select string_agg(concat_ws(' ', a.lead_key, a.activity_key), E'\n' order by a.activity_key) from handoff.activity a where a.activity_key like 'p' || n || '-%'),
        (select string_agg(concat_ws(' ', k.lead_key, k.opportunity_key, k.link_key, k.link_kind), E'\n' order by k.opportunity_key)
         from handoff.opportunity_link k where k.opportunity_key like 'p' || n || '-%'),
        (select string_agg(concat_ws(' ', s.alias_key, s.lead_key, s.kind), E'\n' order by s.alias_key) from handoff.alias s where s.alias_key like 'p' || n || '-%')),
        'p' || n || '-', '')
$$;
select results_eq($$ select pg_temp.digest(n) from generate_series(2, 60) n $$, $$ select pg_temp.digest(1) from generate_series(2, 60) n $$,
                  'sixty orders of delivery end in the same state');
select is((select count(*)::int from handoff.activity where lead_key like 'p%-B'), 180, 'every activity is the survivor''s');

-- nothing is left to do, and all is in order
select is_empty($$ select * from handoff.reconcile('crm.lead') where queued > 0 $$, 'reconcile finds nothing to do');
select is_empty($$ select * from handoff.reconcile('crm.act') where queued > 0 $$, '.. among activities');
select is_empty($$ select * from handoff.reconcile('crm.role') where queued > 0 $$, '.. and links');
select is_empty('select * from handoff.verify()', 'the log folds to the state');
select is_empty($$ select * from handoff.doctor() where severity = 'error' $$, 'doctor() is content');
select * from finish();
rollback;
