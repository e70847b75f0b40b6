-- Define: the shape of the contract's tables and functions, and that documents carry every column.
begin;
set local client_min_messages = warning;
select plan(16);
\i test/lib/fresh.sql

create temp table mine as
select c.oid, c.relname as tab
from pg_class c
where c.oid in (select ('handoff.' || t)::regclass
                from unnest(handoff.definition_tables() || '{contract,approval,review_decision,rep,pool,pool_member,calendar,operation_log}'::text[]) t);

-- tables
select is((select count(*) from mine), 31::bigint, 'all tables of the room are there');
select is_empty($$
    select tab from mine where obj_description(oid, 'pg_class') is null
$$, 'every table has a comment');
select is_empty($$
    select tab, attname from mine join pg_attribute a on a.attrelid = oid and attnum > 0 and not attisdropped
    where col_description(oid, attnum) is null
$$, 'every column has a comment');
select is_empty($$
    select tab from unnest(handoff.definition_tables()) tab
    where not exists (select from pg_index i where i.indrelid = ('handoff.' || tab)::regclass and i.indisprimary
        and i.indkey[0] = (select attnum from pg_attribute a where a.attrelid = i.indrelid and a.attname = 'contract_id'))
$$, 'every definition''s key begins with contract_id');
select is_empty($$
    select tab from unnest(handoff.definition_tables()) tab
    where not exists (select from pg_constraint k where k.conrelid = ('handoff.' || tab)::regclass
        and k.confrelid = 'handoff.contract'::regclass and k.contype = 'f' and k.confdeltype = 'c')
$$, 'definitions go with their draft');
select is_empty($$
    select tab from unnest(handoff.definition_tables()) tab
    where (select array_agg(t.tgname::text order by t.tgname collate "C") from pg_trigger t
           where t.tgrelid = ('handoff.' || tab)::regclass and not t.tgisinternal)
          is distinct from '{keep_deleted,keep_inserted,keep_truncated,keep_updated}'::text[]
$$, 'definitions are kept against every kind of statement');
select is_empty($$
    select tab, attname from unnest(handoff.definition_tables() || '{contract}'::text[]) tab, pg_attribute a
    where a.attrelid = ('handoff.' || tab)::regclass and a.attnum > 0 and not a.attnotnull and a.atthasdef
$$, 'no column has a default and may be NULL: a document could not tell the two apart');
select is_empty($$
    select m.tab from mine m join pg_class c on c.oid = m.oid
    where c.relreplident <> 'f'
      and not exists (select from pg_index i where i.indrelid = m.oid and i.indisprimary and i.indimmediate)
$$, 'every table has a replica identity');

-- functions
create temp table function as
select p.oid, p.oid::regprocedure as signature, p.proacl, p.proconfig, p.prosecdef
from pg_proc p join pg_language l on l.oid = p.prolang
where p.pronamespace = 'handoff'::regnamespace and l.lanname in ('sql', 'plpgsql')
  and p.proname ~ '^(definition_|keep_|check_(?!criteria)|known_fields|in_force|chosen_version|contract_at|new_contract_id|draft|export|import|load_template|diff|unfed_fields|validate|approve|lock_contract|put_in_force|publish|rollback|retire)';
select cmp_ok((select count(*) from function), '>=', 34::bigint, 'functions are there');
select is_empty('select signature from function where obj_description(oid, ''pg_proc'') is null', 'every function has a comment');
select is_empty('select signature from function where prosecdef', 'every function runs with the caller''s rights');
select is_empty($$
    select signature from function where proacl is null or exists (select from aclexplode(proacl) where grantee = 0)
$$, 'PUBLIC may call none');
select is_empty($$
    select signature from function where not 'search_path=pg_catalog, pg_temp' = any (proconfig)
$$, 'every function has a pinned search_path');

-- Documents carry every column: a contract that uses them all, out and in again.
do $$ begin perform handoff.load_template('b2b_saas'); end $$;
update handoff.contract
set scope = 'country = ''DE''', half_life = '7 days', max_per_day = 100, parties = '{sales}', opportunity_window = '30 days';
insert into handoff.field (contract_id, of, name, type) values (1, 'account', 'level', 'text');
insert into handoff.target values (1, 'handed', 'enterprise', '[2026-01-01,2026-02-01)', 100.5, 'marketing');
insert into handoff.message_template values (1, 'assigned', 'en', 'Hello');
update handoff.stage set exit = 'owner is not null' where name = 'mql';
update handoff.transition set guard = 'fit >= 0' where ord = 10;
update handoff.route set target_kind = 'territory', target = 'emea', key_field = 'country' where name = 'ae_team';
update handoff.sla set pause_when = 'crm_status = ''On Hold''' where name = 'ae_accept';
update handoff.escalation set criteria = 'band = ''A''' where sla = 'sdr_accept' and step = 2;
insert into handoff.escalation (contract_id, sla, step, offset_from_due, action, code) values (1, 'ae_accept', 3, '5 days', 'recycle', 'timing');
update handoff.work_standard set leg = 'mql_to_sdr', min_contacts = 1 where name = 'looked_at';

create temp table document as select handoff.export(1) as doc;
select is_empty($$
    select tab, c.col
    from document, unnest(handoff.definition_tables() || '{contract}'::text[]) tab, handoff.definition_columns(tab) c
    where not exists (select from jsonb_array_elements(case tab when 'contract' then jsonb_build_array(doc -> tab) else doc -> tab end) item
                      where item ? c.col)
$$, 'every column of every definition is exported');
do $$ begin perform handoff.import(doc) from document; end $$;
select is((select handoff.export(2)::text), (select doc::text from document), 'what is imported exports the same, byte for byte');
do $$ begin insert into handoff.contract (contract_id, name) values (3, 'empty'); end $$;
select is((select count(*) from handoff.diff(3, 1) where what = 'added' and object <> 'contract'),
          (select sum(jsonb_array_length(value))::bigint from document, jsonb_each(doc) where jsonb_typeof(value) = 'array'),
          'diff() names every row');

select * from finish();
rollback;
