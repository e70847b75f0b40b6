-- bench/n1.sql: one round of N1 by one session, each way in turn.
call bench.work_off('n1 all ' || :'size', 'all', :turns);
call bench.work_off('n1 queue ' || :'size', 'queue', :turns);
call bench.work_off('n1 one ' || :'size', 'one', :turns);
call bench.work_off('n1 kept ' || :'size', 'kept', :turns);
