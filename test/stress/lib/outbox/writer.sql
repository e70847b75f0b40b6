-- a writer: some leads, shared and his own, come, change, are accepted or disposed of; a quarter is rolled back
\set before random(0, 15000)
\set between random(0, 15000)
\set after random(0, 40000)
\set dice random(1, 100)
begin;
select stress.turn(:client_id, 'a');
\sleep :before us
select stress.turn(:client_id, 'b');
\sleep :between us
\if :dice <= 25
rollback;
\else
commit;
\endif
\sleep :after us
