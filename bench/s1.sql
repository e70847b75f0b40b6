-- bench/s1.sql: one round of S1: every row of bench.rows scored, and its alternatives; the slow ones on :sample
-- rows. In the list of a select rows come one by one; in FROM they are collected first.

-- a new session meets every page of the shared buffers for the first time: at nobody's expense
select count(note) from bench.rows;

call bench.start();
select count((s).fit) from (select handoff.score_rows('bench.rows') as s offset 0) q;
call bench.stop('s1 stream');

call bench.start();
select sum(h) from bench.hashed;
call bench.stop('s1 hash');

call bench.start();
select count(competitor_tool) from bench.rows;
call bench.stop('s1 deform');

call bench.start();
select count(fit) from bench.cased;
call bench.stop('s1 case');

call bench.start();
select count(fit) from handoff.score_rows('bench.rows');
call bench.stop('s1 from');

call bench.start();
select count(bench.fit_by_loop(r)) from (select * from bench.rows limit :sample / 10) r;
call bench.stop('s1 loop');

call bench.start();
select count(fit) from bench.by_path;
call bench.stop('s1 path');
