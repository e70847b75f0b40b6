-- test/pgtap/schema.sql: what holds for everything in schema handoff, whatever the step.
begin;
select plan(10);
\set QUIET 1
set client_min_messages = warning;
select handoff.teardown(true);
select handoff.setup();

select is_empty($$
    select c.relname from pg_class c
    where c.relnamespace = 'handoff'::regnamespace and c.relkind in ('r', 'v', 'p')
      and obj_description(c.oid, 'pg_class') is null
$$, 'every table and view says what it is for');

select is_empty($$
    select c.relname, a.attname from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = 'handoff'::regnamespace and c.relkind in ('r', 'v', 'p', 'c')
      and col_description(c.oid, a.attnum) is null
$$, 'every column says what it means');

select is_empty($$
    select p.oid::regprocedure from pg_proc p
    where p.pronamespace = 'handoff'::regnamespace and obj_description(p.oid, 'pg_proc') is null
$$, 'every function says what it does');

select is_empty($$
    select t.oid::regtype from pg_type t
    left join pg_class c on c.oid = t.typrelid
    where t.typnamespace = 'handoff'::regnamespace
      and (t.typtype = 'b' and t.typelem = 0 or c.relkind = 'c')
      and obj_description(t.oid, 'pg_type') is null
$$, 'every type says what it is');

select is_empty($$
    select o.oid::regoperator from pg_operator o
    where o.oprnamespace = 'handoff'::regnamespace and obj_description(o.oid, 'pg_operator') is null
$$, 'every operator says what it does');

select is_empty($$
    select p.oid::regprocedure from pg_proc p
    join pg_language l on l.oid = p.prolang
    where p.pronamespace = 'handoff'::regnamespace and l.lanname in ('sql', 'plpgsql')
      and not coalesce(p.proconfig @> array['search_path=pg_catalog, pg_temp'], false)
$$, 'every SQL and PL/pgSQL function pins its search_path');

select is_empty($$
    select p.oid::regprocedure from pg_proc p
    join pg_language l on l.oid = p.prolang
    where p.pronamespace = 'handoff'::regnamespace and l.lanname = 'c' and p.proconfig is not null
$$, 'no C function has a SET clause');

select is_empty($$
    select p.oid::regprocedure from pg_proc p
    where p.pronamespace = 'handoff'::regnamespace and p.prosecdef
$$, 'no function is SECURITY DEFINER');

select is_empty($$
    select a.attrelid::regclass, a.attname from pg_attribute a
    join pg_class c on c.oid = a.attrelid
    where c.relnamespace = 'handoff'::regnamespace and c.relkind = 'r' and a.attnum > 0
      and (a.attidentity <> '' or a.atttypid in ('oid'::regtype, 'regclass'::regtype, 'regproc'::regtype, 'regrole'::regtype))
$$, 'no identity column, and no object identifier as data');

-- a lead's own tables can be distributed by its key
select is_empty($$
    select c.relname from pg_class c
    join pg_attribute f on f.attrelid = c.oid and f.attname = 'lead_key'
    join pg_index i on i.indrelid = c.oid and i.indisprimary
    where c.relnamespace = 'handoff'::regnamespace and c.relkind = 'r'
      and c.relname <> 'alias' and i.indkey[0] <> f.attnum
$$, 'the primary key of a lead''s own table begins with lead_key');

select * from finish();
rollback;
