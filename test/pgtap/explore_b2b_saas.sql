-- The machine of template b2b_saas, walked: from the states that between them show all of it, every move there is
-- (test/stress/lib/explore.sql). `make stress` goes on from there, 80-explore.
begin;
set local client_min_messages = warning;
select plan(3);
\i test/lib/fresh.sql
\set template b2b_saas
\i test/stress/lib/explore.sql
do $$ begin perform pg_temp.explore(30, false); end $$;
select ok(good, what) from pg_temp.verdicts();
select * from finish();
rollback;
