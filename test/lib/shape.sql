-- test/lib/shape.sql: what all KPI views have in common. \set views '{..}' before: table mine has them, col their columns.
create temp table mine as
select ('handoff.' || v)::regclass::oid as oid, v as view_name from unnest(:'views'::text[]) v;
create temp table col as
select m.view_name, a.attname::text as name, a.atttypid::regtype as type, a.attnum
from mine m join pg_attribute a on a.attrelid = m.oid and a.attnum > 0;
select is_empty($$ select view_name from mine where obj_description(oid, 'pg_class') is null $$, 'each view has a comment');
select is_empty($$ select view_name, name from mine join col using (view_name) where col_description(oid, attnum) is null $$, 'and every column');
select is_empty($$ select * from col where type in ('interval'::regtype, 'jsonb', 'json') or name like '%seconds' and type <> 'numeric'::regtype
                      or exists (select from pg_type t where t.oid = type and t.typcategory in ('A', 'R')) $$,
    'no interval, JSON, array or range; seconds are numeric');
select is_empty($$
    select r.* from col r join col n on n.view_name = r.view_name and n.name = r.name || '_num'
    where not exists (select from col d join col o using (view_name)
                      where d.view_name = r.view_name
                        and (d.name, o.name) = (r.name || '_den', r.name || '_open')
                        and (n.attnum, d.attnum, o.attnum) = (r.attnum + 1, r.attnum + 2, r.attnum + 3)
                        and (r.type, n.type, n.type, n.type) = ('numeric'::regtype, d.type, o.type, case when r.name ~ '^amount' then 'numeric' else 'bigint' end::regtype))
$$, 'a rate is four columns in a row, amounts or counts');
select is_empty($$ select * from col where view_name = any (handoff.reader_views()) and name in ('lead_key', 'rep', 'note', 'opportunity_key', 'account_key') $$,
    'what readers may see names nobody');
