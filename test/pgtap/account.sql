-- Accounts: a lead knows the fields of its own, whichever of the two comes first and whatever changes.
begin;
set local client_min_messages = warning;
set local timezone = 'UTC';
select plan(16);
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    insert into handoff.field (contract_id, of, name, type) values (1, 'account', 'seats', 'bigint');
    update handoff.field set type = 'bigint' where contract_id = 1 and of = 'account' and name = 'postal_code'; -- nothing is matched by that
    insert into handoff.derived (contract_id, field, ord, value, criteria) values (1, 'size_of_account', 100, 'big', 'account.seats >= 100');
    insert into handoff.score_rule (contract_id, name, score_group, criteria, points)
    select 1, 'key_account', min(name), 'named_account and account.tier = ''A''', 7 from handoff.score_group where contract_id = 1 and kind = 'fit';
    perform handoff.add_rep('ana', 'Ana', 'sdr');
    perform handoff.add_rep('abe', 'Abe', 'ae');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.publish();
end $$;

create schema crm;
create table crm.lead (id text primary key, email text, account_key text);
create table crm.account (id text primary key, name text, website text, is_named boolean, tier text, seats int, updated_at timestamptz, is_deleted boolean, postal_code int default 10115);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', key_prefix => 'sf:', since => '-infinity');
    perform handoff.attach('crm.account', 'account', key_prefix => 'sf:');
end $$;
select is((select mapping ->> 'domain' || ' ' || (mapping ->> 'named') || ' ' || (mapping ->> 'deleted') from handoff.source where kind = 'account'),
    'website is_named is_deleted', 'columns are found by their names');

insert into crm.lead values ('1', 'a@acme.com', 'X'), ('2', 'b@elsewhere.com', 'X'), ('3', 'c@other.com', null);
do $$ begin perform handoff.tick('2026-03-01'); end $$;
select is((select string_agg(lead_key || ' ' || coalesce(account_key, '-'), ', ' order by lead_key) from handoff.lead), 'sf:1 sf:X, sf:2 sf:X, sf:3 -', 'the key has its prefix');
insert into crm.account values ('X', 'Acme', 'acme.com', true, 'A', 120, '2026-03-01', false);
do $$ begin perform handoff.tick('2026-03-02'); perform handoff.tick('2026-03-02'); end $$;
select is((select string_agg(lead_key || ' ' || coalesce(fields ->> 'account.tier', '-') || ' ' || fit, ', ' order by lead_key) from handoff.lead), 'sf:1 A 7, sf:2 A 7, sf:3 - 0', 'an account that comes later makes its leads be decided anew');
select is((select detail -> 'new' ->> 'account.name' from handoff.event where lead_key = 'sf:1' and type = 'fields'), 'Acme', 'the log has what changed');
select is((select note from handoff.explain('sf:1') where step = 'field' and name = 'size_of_account'), 'big', 'derived fields may use it');
select is((select array_agg(note order by name) from handoff.explain('sf:1') where step = 'field' and name in ('named_account', 'account_tier', 'customer')), '{A,t}', 'and the built-in fields do');
select is((select count(*) from handoff.explain('sf:1', '2026-03-01 12:00') where step = 'field' and name like 'account.%'), 0::bigint, 'as of then it had no account');
select is((select string_agg(lead_key || ' ' || fit, ', ' order by lead_key) from handoff.score_rows('crm.lead')), 'sf:1 7, sf:2 7, sf:3 0',
    'score_rows() knows accounts');

update crm.account set tier = 'B', updated_at = '2026-02-01' where id = 'X';
do $$ begin perform handoff.tick('2026-03-03'); perform handoff.tick('2026-03-03'); end $$;
select is((select fields ->> 'account.tier' from handoff.lead where lead_key = 'sf:1'), 'A', 'an older version counts for nothing');
update crm.account set tier = 'B', updated_at = '2026-03-03' where id = 'X';
update crm.lead set account_key = 'X' where id = '3';
update crm.lead set account_key = null where id = '2';
do $$ begin perform handoff.tick('2026-03-04'); perform handoff.tick('2026-03-04'); end $$;
select is((select string_agg(lead_key || ' ' || coalesce(fields ->> 'account.tier', '-') || ' ' || fit, ', ' order by lead_key) from handoff.lead), 'sf:1 B 0, sf:2 - 0, sf:3 B 0', 'account and leads change together');

-- nothing new: no trace
create temp table before as select lead_key, last_seq from handoff.lead;
update crm.account set tier = tier;
insert into handoff.inbox (source, raw_key, op, xid, at) select source, raw_key, 'R', pg_current_xact_id(), now() from handoff.lead;
do $$ begin perform handoff.tick('2026-03-05'); perform handoff.tick('2026-03-05'); end $$;
select is_empty($$ select lead_key, last_seq from handoff.lead except select * from before $$, 'no change, no event');

update crm.account set is_deleted = true;
do $$ begin perform handoff.tick('2026-03-06'); perform handoff.tick('2026-03-06'); end $$;
select is((select count(*) from handoff.lead where fields ? 'account.tier'), 0::bigint, 'an account that is gone is gone for its leads');
update crm.account set is_deleted = false, tier = 'A', updated_at = '2026-03-06';
do $$ begin perform handoff.tick('2026-03-07'); perform handoff.tick('2026-03-07'); end $$;
select is((select string_agg(lead_key || ' ' || coalesce(fields ->> 'account.tier', '-'), ', ' order by lead_key) from handoff.lead), 'sf:1 A, sf:2 -, sf:3 A', 'and comes back');

-- a version without the field forgets it, and one with it takes it up again
do $$ begin
    perform handoff.draft();
    delete from handoff.derived where contract_id = 2 and field = 'size_of_account';
    delete from handoff.field where contract_id = 2 and name = 'seats';
    perform handoff.publish(2);
    perform handoff.tick('2026-03-08');
end $$;
update crm.lead set email = 'new@acme.com' where id = '1';
do $$ begin perform handoff.tick('2026-03-09'); end $$;
select is((select fields ? 'account.seats' from handoff.lead where lead_key = 'sf:1'), false, 'a field that the version does not declare is forgotten with the next change');
select is((select string_agg(account_key || ' ' || raw_key, ', ') from handoff.account where deleted_at is null), 'sf:X X', 'one account');
select is_empty($$ select d.what from handoff.doctor() d where d.severity = 'error' union all select v.lead_key || ' ' || v.what from handoff.verify() v $$, 'all is well');
select * from finish();
rollback;
