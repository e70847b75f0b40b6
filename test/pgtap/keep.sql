-- Learn, kept tables: whoever reads what, what is new and what is not, and what the doctor says of it. That all of them have the rows of
-- their views: test/t/demo.pl.
begin;
set local client_min_messages = warning;
set local timezone = 'UTC';
set local jit = off;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.publish(1);
end $$;
\i test/lib/handed.sql
create role keep_reader;
create role keep_late;
create role keep_manager;
create role keep_operator;
create role keep_rep;
select handoff.grant_access('keep_reader', 'reader'), handoff.grant_access('keep_operator', 'operator');
grant select on handoff.kpi_rep to keep_manager;
set local lead_handoff.view_time = '2026-06-01 12:00+00';
select pg_temp.hand(1, 'mql_to_sdr', '{"handed_at": "2026-05-05 10:00+00", "rep": "ana"}'), pg_temp.hand(2, 'mql_to_sdr', '{"handed_at": "2026-05-06 10:00+00", "rep": "ben"}');

-- Made, by whoever may -----------------------------------------------------------------------------------------

select is_empty('select * from handoff.kept()', 'nothing is kept until somebody asks');
set local role keep_operator;
select is(handoff.keep_kpis('{kpi_month,kpi_rep,kpi_month}'), 6::bigint, 'an operator keeps two views: a month and two reps, of all cycles and the first');
reset role;
select results_eq('select * from handoff.kept()', $$ values ('kpi_month', timestamptz '2026-06-01 12:00+00', true), ('kpi_rep', '2026-06-01 12:00+00', true) $$, 'kept() has them');
select is((select relowner from pg_class where oid = 'handoff.kept_kpi_rep'::regclass), (select relowner from pg_class where oid = 'handoff.kpi_rep'::regclass), 'they are ours');
prepare as_view as
    select m.*, timestamptz '2026-06-01 12:00+00' as kept_at from handoff.kpi_month m;
select bag_eq('table handoff.kept_kpi_month', 'as_view', 'with the rows of the view, and of when they are');
select is(handoff.keep_kpis(), (select sum(n) from (select (xpath('/row/n/text()', query_to_xml(format('select count(*) as n from handoff.%I', v), false, true, '')))[1]::text::bigint as n
                                                     from unnest(handoff.kept_views()) v) c)::bigint, 'all of them: as many rows as the views');
select results_eq('select view_name from handoff.kept()', 'select v from unnest(handoff.kept_views()) v order by 1', 'there are all of them');
select is_empty($$
    select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
    where c.relnamespace = 'handoff'::regnamespace and starts_with(c.relname, 'kept_') and (col_description(c.oid, a.attnum) is null or obj_description(c.oid) is null)
$$, 'with their comments');
select is(col_description('handoff.kept_kpi_month'::regclass, a.attnum), col_description('handoff.kpi_month'::regclass, a.attnum), 'and these say the same')
from pg_attribute a where a.attrelid = 'handoff.kpi_month'::regclass and a.attname = 'contact_rate';

-- Old until they are kept anew ------------------------------------------------------------------------------------

select pg_temp.hand(3, 'mql_to_sdr', '{"handed_at": "2026-05-07 10:00+00", "rep": "ben"}');
select results_eq($$ select handed from handoff.kpi_month where cycle = 'all' union all select handed from handoff.kept_kpi_month where cycle = 'all' $$, '{3,2}'::bigint[], 'what comes is in the view');
set local lead_handoff.view_time = '2026-06-01 13:00+00';
select handoff.keep_kpis('{kpi_month}');
select results_eq($$ select handed, kept_at from handoff.kept_kpi_month where cycle = 'all' $$, $$ values (3::bigint, timestamptz '2026-06-01 13:00+00') $$, 'and in the table when it is kept again');
select results_eq($$ select sum(handed), max(kept_at) from handoff.kept_kpi_rep where cycle = 'all' $$, $$ values (2::numeric, timestamptz '2026-06-01 12:00+00') $$, 'that one, and no other');
delete from handoff.handoff;
select is(handoff.keep_kpis('{kpi_month}'), 0::bigint, 'of a view without rows none are kept');
select is_empty('table handoff.kept_kpi_month', 'and none are left');
select results_eq($$ select kept_at, up_to_date from handoff.kept() where view_name = 'kpi_month' $$, $$ values (null::timestamptz, true) $$, 'when that was, nothing says');

-- For those who may read the view ----------------------------------------------------------------------------------

create function pg_temp.readers(tab text) returns text language sql as $$
    select string_agg(r, ' ' order by r) from unnest('{keep_reader,keep_late,keep_manager,keep_operator}'::text[]) r where has_table_privilege(r, 'handoff.' || tab, 'select')
$$;
select is_empty($$ select v, pg_temp.readers(v), pg_temp.readers('kept_' || v) from unnest(handoff.kept_views()) v where pg_temp.readers(v) <> pg_temp.readers('kept_' || v) $$, 'whoever reads a view reads its table');
select is(pg_temp.readers('kept_kpi_month') || ', ' || pg_temp.readers('kept_kpi_rep'), 'keep_operator keep_reader, keep_manager keep_operator', 'and nobody else');
select handoff.grant_access('keep_late', 'reader');
select is(pg_temp.readers('kept_kpi_month') || ', ' || pg_temp.readers('kept_kpi_rep'), 'keep_late keep_operator keep_reader, keep_manager keep_operator', 'also who comes later');
select is_empty($$ select v from unnest(handoff.kept_views()) v where pg_temp.readers(v) <> pg_temp.readers('kept_' || v) $$, 'to all of them');
select handoff.grant_access('keep_rep', 'rep');
select is(has_table_privilege('keep_rep', 'handoff.kept_journey', 'select') and not has_table_privilege('keep_rep', 'handoff.kept_kpi_month', 'select'), true, 'a rep to what he reads of the views');
select handoff.revoke_access('keep_late');
select is(pg_temp.readers('kept_kpi_month'), 'keep_operator keep_reader', 'until he goes');
select is_empty($$ select c.relname, r from pg_class c cross join unnest('{keep_reader,keep_operator,keep_manager}'::text[]) r
                   where starts_with(c.relname, 'kept_') and has_table_privilege(r, c.oid, 'insert, update, delete, truncate') $$, 'nobody writes them');
set local role keep_reader;
select throws_ok('select handoff.keep_kpis()', '42501', null, 'a reader does not keep');
select throws_ok('select handoff.drop_kept()', '42501', null, 'nor drop');
set local role keep_operator;
select throws_ok('select handoff.drop_kept()', '42501', null, 'an operator does not drop what is not his');
reset role;

-- What is not a view of KPIs --------------------------------------------------------------------------------------

select throws_ok($$ select handoff.keep_kpis('{kpi_month,at_risk}') $$, '22023', 'view "at_risk" can''t be kept', 'lists of leads are not kept');
select throws_ok($$ select handoff.keep_kpis('{null}') $$, '22023', 'view "<NULL>" can''t be kept', 'nor is nothing');
select is(handoff.keep_kpis('{}'), 0::bigint, 'of none none');
select is_empty($$
    select v.relname from pg_class v
    where v.relnamespace = 'handoff'::regnamespace and v.relkind = 'v' and not v.relname = any (handoff.kept_views())
      and exists (select from pg_attribute a where a.attrelid = v.oid and a.attname like '%\_den')
      and not exists (select from pg_attribute a where a.attrelid = v.oid and a.attname in ('lead_key', 'account_key', 'opportunity_key'))
$$, 'all views with rates can be kept, unless they name a lead');
select is_empty($$ select v from unnest(handoff.kept_views()) v join pg_attribute a on a.attrelid = ('handoff.' || v)::regclass
                   where a.attname in ('lead_key', 'account_key', 'opportunity_key') $$, 'and none that do');

-- An update that changes a view ------------------------------------------------------------------------------------

select is_empty($$ select * from handoff.doctor() where what ~ 'kept_' $$, 'the doctor is content');
alter table handoff.kept_kpi_month drop column show_rate;
select results_eq($$ select view_name from handoff.kept() where not up_to_date $$, '{kpi_month}'::text[], 'a table that lacks a column of the view is not up to date');
select results_eq($$ select invariant, severity, what from handoff.doctor() where what ~ 'kept_' $$, $$ values (0, 'warning', 'kept_kpi_month has not the columns of its view') $$, 'says the doctor');
select pg_temp.hand(1, 'mql_to_sdr', '{"handed_at": "2026-05-05 10:00+00", "rep": "ana"}');
select is(handoff.keep_kpis('{kpi_month}'), 2::bigint, 'it is kept all the same');
select is((select up_to_date from handoff.kept() where view_name = 'kpi_month'), true, 'anew, with that column');
select is(pg_temp.readers('kept_kpi_month'), 'keep_operator keep_reader', 'for the same people');
alter table handoff.kept_kpi_month alter column handed type int;
create view public.on_top as select month, handed from handoff.kept_kpi_month;
select throws_ok($$ select handoff.keep_kpis('{kpi_month}') $$, '2BP01', null, 'unless somebody has built on it');
drop view public.on_top;
select lives_ok($$ select handoff.keep_kpis('{kpi_month}') $$, 'who has to let go');

-- Nobody keeps it any more -----------------------------------------------------------------------------------------

select handoff.keep_kpis();
set local lead_handoff.view_time = '2026-06-03 13:00+00';
select handoff.keep_kpis('{kpi_rep}');
select is_empty($$ select * from handoff.doctor() where what ~ 'kept_' $$, 'two days are fine');
set local lead_handoff.view_time = '2026-06-03 13:00:01+00';
select cmp_ok((select count(*) from handoff.kept() where kept_at < '2026-06-03'), '>', 10::bigint, 'all that have rows but one');
select results_eq($$ select invariant, severity, what from handoff.doctor() where what ~ 'kept_' $$,
    $$ select 0, 'warning', format('%s kept tables of KPIs are older than two days, kept_follow_up_depth is of 2026-06-01 13:00:00+00', count(*)) from handoff.kept() where kept_at < '2026-06-03' $$,
    'the doctor says how many are older');
select is(handoff.drop_kept('{kpi_month,kpi_month,at_risk}'), 1, 'dropped');
select is(to_regclass('handoff.kept_kpi_month'), null, 'it is gone');
select is(handoff.drop_kept(), cardinality(handoff.kept_views()) - 1, 'and so are all others');
select is(handoff.drop_kept(), 0, 'once');
select handoff.keep_kpis('{kpi_month}');
select handoff.teardown(really => true);
select is(to_regclass('handoff.kept_kpi_month'), null, 'teardown() takes it along');

select * from finish();
rollback;
