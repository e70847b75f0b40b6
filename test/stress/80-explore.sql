-- test/stress/80-explore.sql: the machines of both templates, walked far: all moves lead on, states are told apart by more.
set client_min_messages = warning;
select greatest(60, (300 * :scale)::int) as states \gset
begin;
select handoff.setup() \g /dev/null
\set template b2b_saas
\i test/stress/lib/explore.sql
select pg_temp.explore(:states, true) \g /dev/null
select verdict(good, what) from pg_temp.verdicts();
rollback;
begin;
select handoff.setup() \g /dev/null
\set template enterprise_abm
\i test/stress/lib/explore.sql
select pg_temp.explore(:states, true) \g /dev/null
select verdict(good, what) from pg_temp.verdicts();
rollback;
