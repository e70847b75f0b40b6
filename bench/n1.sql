-- bench/n1.sql: what a session pays that leases and acknowledges, each way in turn; :size says how many wait. A worker lives long: what
-- it plans at first is not counted.
select format('call bench.work_off(%L, %L, 8)', 'n1 warm', way) from unnest('{all,queue,one,kept}'::text[]) way \gexec
select format('call bench.work_off(%L, %L, %s)', format('n1 %s %s', way, :'size'), way, :turns) from generate_series(1, :rounds), unnest('{all,queue,one,kept}'::text[]) way \gexec
-- pages that a lease and its acknowledgement touch; the statistics have them when the session is idle
select pg_stat_force_next_flush() \g /dev/null
select blks_hit + blks_read as pages from pg_stat_database where datname = current_database() \gset
call bench.work_off('n1 pages', 'one', :turns);
select pg_stat_force_next_flush() \g /dev/null
insert into bench.sent
select 'pages ' || :'size', blks_hit + blks_read - :pages, -1 from pg_stat_database where datname = current_database();
