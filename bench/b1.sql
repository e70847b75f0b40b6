-- bench/b1.sql: one round of B1: the history of the demo's leads, decided anew.

set client_min_messages = warning;
call bench.start();
select count(*) from handoff.backtest_as_decided(tick_every => '4 hours');
call bench.stop('b1 as decided');
call bench.start();
select count(*) from handoff.backtest(2, tick_every => '4 hours');
call bench.stop('b1 draft');
call bench.start();
select count(*) from handoff.verify();
call bench.stop('b1 verify');
