-- bench/s3_load.sql: COPY, INSERT .. SELECT and a rewrite that changes nothing, into bench.:table.

truncate bench.:table, handoff.inbox;
checkpoint;
call bench.start();
copy bench.:table from :'file';
call bench.stop('s3 copy ' || :'table');

truncate bench.:table, handoff.inbox;
checkpoint;
call bench.start();
insert into bench.:table select * from bench.rows;
call bench.stop('s3 insert ' || :'table');

truncate handoff.inbox;
checkpoint;
call bench.start();
update bench.:table set system_modstamp = system_modstamp;
call bench.stop('s3 rewrite ' || :'table');
