-- bench/b2.sql: B2: all leads of a source decided anew under a draft, once.

set client_min_messages = warning;
call bench.start();
select count(*) from handoff.backtest(2);
call bench.stop('b2');
select bench.tell('B2', format('backtest() of a draft over %s leads', (select count(*) from handoff.lead)),
                  round((select count(*) from handoff.lead) / bench.median('b2')::numeric * 1000) || ' leads/s',
                  format('CPU %s leads/s; %s events; memory of the session %s MB', round((select count(*) from handoff.lead) / bench.median('b2', 'cpu')::numeric * 1000),
                         (select count(*) from handoff.event), round(substring(pg_read_file('/proc/self/status') from 'RssAnon:\s*(\d+) kB')::numeric / 1024)));
