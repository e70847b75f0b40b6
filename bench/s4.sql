-- bench/s4.sql: deciding :rows new leads, against the same rows written by plain statements and against the same
-- contract written as PL/pgSQL row triggers. One round; needs bench.rows and an attached bench.lead.

-- Ours: tick until nothing waits. Before it, what capture costs. An emptied table is compared with what is known of
-- it by the tick after next, which is not what is measured.
call bench.empty();
select handoff.tick();
select handoff.tick();
checkpoint;
call bench.start();
insert into bench.lead select * from bench.rows;
call bench.stop('s4 insert');
checkpoint;
call bench.start();
call bench.tick_all();
call bench.stop('s4 drain');

-- The floor: what the drain has written, from copies without an index into tables with the same ones.
call bench.copy_written();
checkpoint;
call bench.start();
call bench.write_floor();
call bench.stop('s4 floor');

truncate bench.bare;
checkpoint;
call bench.start();
insert into bench.bare select * from bench.rows;
call bench.stop('s4 bare');

-- The peers: the trigger decides row by row what the same INSERT brings. With rules as data it costs so much
-- that a sample must do.
truncate bench.peer_data, bench.peer_lead, bench.peer_event, bench.peer_stage_history, bench.peer_clock;
checkpoint;
call bench.start();
insert into bench.peer_data select * from bench.rows limit :sample;
call bench.stop('s4 peer data');

truncate bench.peer_fixed, bench.peer_lead, bench.peer_event, bench.peer_stage_history, bench.peer_clock;
checkpoint;
call bench.start();
insert into bench.peer_fixed select * from bench.rows;
call bench.stop('s4 peer fixed');
