-- A person is erased: no table knows anything of him any more, nothing brings him back, and what was counted
-- and logged still adds up. Whatever belongs to him has "canary" in it.
begin;
set local client_min_messages = warning;
set local lead_handoff.inline_limit = 0;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.add_rep('ana', 'Ana', 'sdr', crm_id => 'u1');
    perform handoff.add_rep('bob', 'Bob', 'ae', crm_id => 'u2');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    insert into handoff.route (contract_id, name, ord, leg, criteria, target_kind, target, key_field)
    values (1, 'by_zip', 1, 'mql_to_sdr', null, 'territory', 'zip', 'postal_code');
    insert into handoff.territory (map, kind, key, pool) values ('zip', 'exact', 'canaryzip', 'sdr'), ('zip', 'exact', 'friendzip', 'sdr');
    perform handoff.publish();
    perform handoff.subscribe('mail');
end $$;
set local timezone = 'UTC';

create schema crm;
create table crm.lead (
    id text primary key, email text, company text, country text, industry text, seniority text, employees int, postal_code text,
    account text, contact text, opportunity text, status text, owner text, is_deleted boolean, master text, merged text[], updated_at timestamptz
);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, page text, direction text);
create table crm.acc (id text primary key, name text, tier text);
create table crm.opp (id text primary key, amount numeric, created_at timestamptz, is_won boolean, is_closed boolean);
create table crm.role (id text primary key, lead_key text, opportunity_key text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', mapping => '{"account_key": "account", "converted_contact": "contact",
        "converted_opportunity": "opportunity", "deleted": "is_deleted", "merged_into": "master", "merged_keys": "merged", "version": "updated_at",
        "crm_status": "status", "crm_owner": "owner"}');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
    perform handoff.attach('crm.acc', 'account');
    perform handoff.attach('crm.opp', 'opportunity');
    perform handoff.attach('crm.role', 'link');
end $$;
create function pg_temp.add_lead(key text, email text) returns void language sql as $$
    insert into crm.lead (id, email, company, country, industry, seniority, employees, postal_code, is_deleted, updated_at)
    select key, email, initcap(c) || ' Ltd', 'DE', 'Software', 'C-Level', 500, c || 'zip', false, '2026-03-02 08:00'
    from substring(key from 'canary|other|friend') c
$$;
-- where a text stands in schema handoff: table and number of rows
create function pg_temp.found(needle text) returns table (tab text, n bigint) language plpgsql as $$
begin
    for tab in select c.relname from pg_class c where c.relnamespace = 'handoff'::regnamespace and c.relkind = 'r' order by 1 loop
        execute format('select count(*) from handoff.%I t where t::text ilike $1', tab) using '%' || needle || '%' into n;
        if n > 0 then
            return next;
        end if;
    end loop;
end $$;

-- his leads: one handed over, recycled, handed over again; one that has joined it; one merged into it. A stranger's
-- lead was once his.
insert into crm.acc values ('acc1', 'Canary Ltd', '1');
select pg_temp.add_lead(v.key, v.email)
from (values ('canary-1', 'Canary@acme.de'), ('canary-2', 'canary@acme.de'), ('canary-3', 'canary.old@acme.de'),
             ('other', 'canary@acme.de'), ('friend', 'friend@acme.de')) v (key, email) \g /dev/null
update crm.lead set account = 'acc1' where id = 'canary-1';
update crm.lead set updated_at = '2026-03-02 08:01' where id = 'other';
insert into crm.act select 'canary-a' || k, k, '2026-03-02 08:30', 'form', '/demo', null from unnest('{canary-1,canary-3}'::text[]) k;
do $$ begin perform handoff.tick('2026-03-02 09:00'); end $$;
insert into crm.act values ('canary-b', 'other', '2026-03-02 09:10', 'form', '/demo', null), ('canary-c', 'canary-2', '2026-03-02 09:11', 'form', '/demo', null),
    ('friend-a', 'friend', '2026-03-02 09:12', 'form', '/demo', null), ('canary-orphan', 'canary-nobody', '2026-03-02 09:12', 'form', '/demo', null);
do $$ begin perform handoff.tick('2026-03-02 09:12'); end $$;
select is((select string_agg(lead_key || ' ' || gate_code, ', ' order by lead_key) from handoff.lead where duplicate_of = 'canary-1'),
          'canary-2 joined, other joined', 'two leads of his have joined his handoff');
update crm.lead set email = 'other@acme.de', updated_at = '2026-03-02 09:20' where id = 'other';
update crm.lead set contact = 'canary-contact', opportunity = 'opp1', updated_at = '2026-03-02 09:20' where id = 'canary-1';
update crm.lead set is_deleted = true, master = 'canary-1', updated_at = '2026-03-02 09:20' where id = 'canary-3';
insert into crm.act values ('canary-d', 'canary-contact', '2026-03-02 09:15', 'call', null, 'outbound');
insert into crm.opp values ('opp1', 100, '2026-03-02 09:20', false, false), ('opp2', 200, '2026-03-02 09:20', false, false);
insert into crm.role values ('canary-role', 'canary-1', 'opp2');
update crm.lead set status = 'Closed - Converted', updated_at = '2026-03-02 09:20' where id = 'canary-2';
insert into crm.lead (id, email, employees) values ('bad', 'x', 1);
do $$ begin perform handoff.tick('2026-03-02 09:21'); end $$;
select handoff.accept('canary-1', p_now => '2026-03-02 09:30');
select handoff.qualify('canary-1', 'canary wants it', p_now => '2026-03-02 09:40');
insert into handoff.quarantine values ('crm.lead', 'canary-1', '22P02', 'invalid input: canary', now(), now(), 1);
insert into handoff.scan (scan_id, source, purpose, reason, requested_at, finished_at, after_key)
values (gen_random_uuid(), 'crm.lead', 'reconcile', 'test', now(), now(), 'canary-1');
insert into handoff.intent_checkpoint (lead_key, at, contract_id, groups, heats) values ('canary-2', '2026-03-01', 1, '{}', '{}');
update handoff.lead set purged_to = '2026-03-01' where lead_key = 'canary-2';
insert into handoff.absence values ('crm.lead', 'canary-2', now());
update handoff.delivery set state = 'done', done_at = now(), last_error = 'canary refused' where lead_key = 'canary-1' and seq < 9;
update crm.lead set company = 'Canary Inc' where id = 'canary-2';

select set_eq('select handoff.leads_of_person(''canary-2'')', '{canary-1,canary-2,canary-3}'::text[], 'leads_of_person(): all that are he');
select set_eq('select handoff.leads_of_person(''canary-contact'')', '{canary-1,canary-2,canary-3}'::text[], '.. by another key too');
select cmp_ok((select count(*)::int from pg_temp.found('canary')), '>=', 14, 'he stands in many tables');
select is(array(select t.tab from (select distinct e.tab from handoff.erasure() e where e.how <> 'keep') t
                except select f.tab from pg_temp.found('canary') f), '{}', 'in all that forget() clears');

create temp table before as
select (select jsonb_agg(k order by k.month, k.leg, k.cycle) from handoff.kpi_month k) as kpi, (select count(*) from handoff.handoff) as handoffs,
       (select count(*) from handoff.event) as events, (select count(*) from handoff.stage_history) as stays;
create temp table told as
select distinct o.id from handoff.outbox o where o.lead_key = 'canary-1';

-- forget
create temp table token as select * from unnest(handoff.forget('canary-contact', 'eva', '2026-03-02 10:00')) with ordinality t (token, n);
select is((select count(*)::int from token), 3, 'forget() returns a token a lead');
select is(array(select format('%s: %s', tab, n) from pg_temp.found('canary') where tab not in ('account', 'account_match_key', 'territory', 'operation_log', 'activity', 'event')), '{}',
          'nothing of him is left');
select is((select string_agg(activity_key, ' ' order by activity_key) from handoff.activity where activity::text like '%canary%'), 'canary-b canary-orphan', '.. but what strangers did');
select set_eq($$ select lead_key, type from handoff.event where event::text ilike '%canary%' $$, $$ values ('other', 'created'), ('other', 'fields') $$,
              '.. and the address that the stranger had before');
select is_empty($$ select from handoff.event where detail ->> 'lead' like 'canary%' $$, 'no log of another lead names him');
select isnt_empty($$ select from handoff.event e where lead_key = 'other' and e.type = 'joined' and detail ->> 'lead' in (select token from token) $$,
                  '.. but a token where it did');
select is((select count(*)::int from handoff.lead where lead_key in (select token from token) and forgotten_at = '2026-03-02 10:00' and deleted_at is not null), 3,
          'his leads stay as tokens, deleted');
select is((select string_agg(outcome || ' ' || code, ', ') from handoff.handoff h join token t on t.token = h.lead_key where h.closed_at >= '2026-03-02 10:00'), 'withdrawn forgotten',
          'the open handoff was withdrawn');
select is((select actor from handoff.event where type = 'forgotten' limit 1), 'eva', 'the log says who had him forgotten');
select is_empty('select * from handoff.verify()', 'the log folds to the state, of him and of all others');
select is_empty($$ select * from handoff.doctor() where severity = 'error' $$, 'doctor() is content');
select isnt_empty(format('select * from handoff.history(%L)', (select token from token where n = 1)), 'history() of a token');
select lives_ok(format('select * from handoff.explain(%L)', (select token from token where n = 1)), 'explain() of a token');
select lives_ok(format('select * from handoff.explain(%L, %L)', (select token from token where n = 1), '2026-03-02 09:35'), '.. as of a moment before');

-- counts
select is((select count(*) from handoff.handoff), (select handoffs from before), 'every handoff is still there');
select is((select count(*) from handoff.stage_history), (select stays from before), '.. every stay');
select is((select kpi from before) -> 0 -> 'accepted_num', to_jsonb(k) -> 'accepted_num', 'what was accepted still counts')
from (select * from handoff.kpi_month order by month, leg, cycle limit 1) k;

-- who has heard of him
select is((select array_agg(m order by m) from handoff.outbox o join token t on t.token = o.lead_key, jsonb_array_elements_text(o.payload -> 'messages') m
           where o.type = 'lead.forgotten' and m::uuid in (select id from told)),
          (select array_agg(id::text order by id::text) from told), 'lead.forgotten names the messages that told of him');
select is((select count(*)::int from handoff.outbox where type = 'lead.forgotten'), 3, 'one a lead');
select set_eq($$ select distinct o.type from handoff.delivery d join handoff.outbox o using (lead_key, seq, n) join token t on t.token = d.lead_key where d.state <> 'done' $$,
              '{lead.forgotten}'::text[], 'nothing else of him will be delivered');
select is_empty($$ select from handoff.outbox o join token t on t.token = o.lead_key where o.payload ? 'fields' or o.aggregateid <> t.token $$, 'payloads are blank');

-- nothing brings him back: the rows are still there, and come again
update crm.lead set employees = employees + 1;
update crm.act set page = '/pricing';
insert into crm.act values ('canary-e', 'canary-contact', '2026-03-02 10:10', 'form', '/demo', null);
insert into crm.role values ('canary-role2', 'canary-2', 'opp2');
select pg_temp.add_lead('canary-new', ' CANARY@acme.de ') \g /dev/null
update crm.opp set is_won = true, is_closed = true;
do $$ begin perform handoff.tick('2026-03-02 10:15'); end $$;
create function pg_temp.is_away(how text) returns setof text language plpgsql as $$ begin
    perform handoff.tick('2026-03-02 12:00');
    return next is_empty($q$ select lead_key from handoff.lead where lead_key like 'canary%' union all
        select lead_key from handoff.activity where lead_key like 'canary%' and lead_key <> 'canary-nobody' union all
        select lead_key from handoff.opportunity_link where lead_key like 'canary%' union all
        select alias_key from handoff.alias union all select raw_key from handoff.inbox $q$, how || ': he stays away');
    return next is_empty($q$ select * from handoff.doctor() where severity = 'error' $q$, how || ': doctor() is content');
end $$;
select pg_temp.is_away('rows that change');
select is((select forgotten from handoff.source_health where name = 'crm.lead'), 4::bigint, 'leads that were left out are counted');
select cmp_ok((select forgotten from handoff.source_health where name = 'crm.act'), '>=', 5::bigint, '.. activities');
select is((select forgotten from handoff.source_health where name = 'crm.role'), 1::bigint, '.. links');
select is((select count(*)::int from handoff.lead where lead_key in ('other', 'friend') and (fields ->> 'employees')::int = 501), 2, 'others are taken in');
select results_eq(format('select queued, gone, finished from handoff.reconcile(%L)', s), 'values (0::bigint, 0::bigint, true)', 'reconcile finds nothing to do in ' || s)
from unnest('{crm.lead,crm.act,crm.role}'::text[]) s;
update crm.act set lead_key = 'canary-1' where id = 'friend-a';
delete from handoff.inbox where raw_key = 'friend-a';
select is((select queued from handoff.reconcile('crm.act')), 1::bigint, '.. but an activity of a stranger that has become his');
select pg_temp.is_away('reconcile');
select is((select count(*)::int from handoff.opportunity_link k join token t on t.token = k.lead_key), 2, 'his opportunities still know that there was a lead');
do $$ begin perform handoff.detach('crm.lead');
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', mapping => '{"account_key": "account", "converted_contact": "contact",
        "converted_opportunity": "opportunity", "deleted": "is_deleted", "merged_into": "master", "merged_keys": "merged", "version": "updated_at"}'); end $$;
select pg_temp.is_away('a source that is attached anew');
-- a merge, each way, and a conversion
update crm.lead set merged = '{canary-1,canary-contact}', updated_at = '2026-03-02 13:00' where id = 'other';
update crm.lead set contact = 'canary-contact', master = 'canary-2', updated_at = '2026-03-02 13:00' where id = 'friend';
select pg_temp.is_away('merges');
select is((select count(*)::int from handoff.lead where lead_key in ('other', 'friend') and deleted_at is null), 2, '.. of nobody');
select throws_ok($$ select handoff.merge_lead('other', 'canary-1') $$, 'LH040', null, 'not by hand either');
select throws_ok($$ select handoff.accept('canary-1') $$, 'LH040', 'there is no lead "canary-1"', 'he can''t be worked');
-- a known lead that becomes he
update crm.lead set email = 'canary@acme.de', updated_at = '2026-03-02 13:10' where id = 'friend';
select pg_temp.is_away('a stranger who becomes he');
select is((select person_key from handoff.lead where lead_key = 'friend'), 'friend@acme.de', '.. stays who he was');
update crm.lead set email = 'corrected@acme.de', updated_at = '2026-03-02 13:20' where id in ('friend', 'canary-new');
do $$ begin perform handoff.tick('2026-03-02 13:20'); end $$;
select set_eq($$ select lead_key from handoff.lead where person_key = 'corrected@acme.de' $$, '{friend,canary-new}'::text[], 'a row with another address is taken in');
select handoff.forget('canary-new') \g /dev/null

-- again, by a key without a lead, and by one that nobody knows
select is(handoff.forget('canary-1'), '{}', 'forgotten already: nothing to do');
select is(handoff.forget('canary-nobody'), '{}', 'a key that is no lead yet');
select is_empty($$ select from handoff.activity where lead_key = 'canary-nobody' $$, '.. its activities go');
select pg_temp.add_lead('canary-nobody', 'nobody@acme.de') \g /dev/null
update crm.act set page = '/x' where id = 'canary-orphan';
select pg_temp.is_away('.. and its row');
select throws_ok($$ select handoff.forget('nobody') $$, 'LH040', 'there is no lead "nobody"', 'an unknown key');
select throws_ok($$ select handoff.forget(null) $$, '22004', null, 'none');
select throws_ok($$ select handoff.forget('other', p_now => 'infinity') $$, '22008', null, 'at no moment');

-- without source or contract
do $$ begin perform handoff.detach('crm.lead'); perform handoff.retire(1); end $$;
select is(cardinality(handoff.forget('other', p_now => '2026-03-02 15:00')), 1, 'of a source that is gone, without a contract in force');
select is_empty('select * from handoff.verify()', '.. the log still folds');
select is_empty($$ select * from pg_temp.found('canary-1') $$, 'and what the log of the other said of him is gone as well');

-- every column of every table that has something of a lead is in the list
select is_empty($$
    select c.relname, a.attname
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join handoff.erasure() e on e.tab = c.relname and (e.how = 'delete' or a.attname = any (e.cols))
    where c.relnamespace = 'handoff'::regnamespace and c.relkind in ('r', 'p') and e.tab is null
      and (exists (select from handoff.erasure() t where t.tab = c.relname)
           or exists (select from pg_attribute k where k.attrelid = c.oid
                      and k.attname in ('lead_key', 'raw_key', 'alias_key', 'person_key', 'duplicate_of', 'fields', 'payload', 'detail', 'note', 'email')))
      -- companies, people of sales, contracts and calendars
      and c.relname not in ('account', 'crm_user', 'rep', 'account_domain', 'contract', 'approval', 'calendar', 'calendar_exception', 'rep_away')
$$, 'erasure() knows every column: say there what forget() is to do with a new one');
select is_empty($$
    select e.tab, col from handoff.erasure() e cross join unnest(e.cols) col
    where not exists (select from pg_attribute a where a.attrelid = to_regclass('handoff.' || e.tab) and a.attname = col and not a.attisdropped)
    union all
    select e.tab, col from handoff.erasure() e cross join unnest(e.cols) col group by 1, 2 having count(*) > 1
$$, '.. and no other, none twice');

-- doctor()
create function pg_temp.ill() returns setof text language sql as $$ select what from handoff.doctor() where invariant = 14 order by what $$;
update handoff.event set detail = detail || '{"note": "x"}' where type = 'forgotten' and lead_key = (select token from token where n = 1);
update handoff.lead set fields = '{"email": "x"}' where lead_key = (select token from token where n = 2);
update handoff.outbox set payload = payload || '{"fields": {}}' where type = 'lead.forgotten' and lead_key = (select token from token where n = 3);
select is((select count(*)::int from pg_temp.ill()), 3, 'doctor() finds what is left of him');
insert into handoff.alias values ('canary-1', 'friend', 'converted');
select is((select count(*)::int from pg_temp.ill() w where w = '"canary-1" was forgotten, and is there'), 1, '.. and what came back');

-- who may
create role lh_forget_admin;
create role lh_forget_operator;
do $$ begin perform handoff.grant_access('lh_forget_admin', 'admin'); perform handoff.grant_access('lh_forget_operator', 'operator'); end $$;
select is(array(select r from unnest('{lh_forget_admin,lh_forget_operator}'::text[]) r where has_function_privilege(r, 'handoff.forget(text, text, timestamptz)', 'execute')),
          '{lh_forget_admin}', 'an admin may forget, an operator may not');
select is(array(select r from unnest('{lh_forget_admin,lh_forget_operator}'::text[]) r where has_table_privilege(r, 'handoff.secret', 'select, insert, update, delete')),
          '{}', 'nobody may read the secret');
set local role lh_forget_operator;
select lives_ok('select count(*) from handoff.forgotten', 'an operator reads the tombstones');
select throws_ok('select key from handoff.secret', '42501', null, '.. not the secret');
select is((select count(*)::int from handoff.doctor() where invariant = 14), 4, '.. and doctor() can tell him who has come back');
set local role lh_forget_admin;
select is(cardinality(handoff.forget('bad')), 1, 'an admin forgets');
reset role;

select * from finish();
rollback;
