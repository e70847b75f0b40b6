-- test/fuzz/functions.sql: the fuzz targets as SQL functions, and the rows that criteria are asked of.
-- Variable module: path of lh_fuzz.so.
create schema fuzz;
create function fuzz.replay(target text, input bytea) returns text language c strict as :'module', 'lh_fuzz_replay';
comment on function fuzz.replay(text, bytea) is 'What becomes of an input: accepted, the error that refused it, or finding: with what is wrong.';
set client_min_messages = warning;
select handoff.setup() \g /dev/null
\i test/stress/lib/criteria.sql
select setseed(0.5) \g /dev/null
call fill_rows();
delete from truth where ctid not in (select ctid from truth limit 30);
