-- bench/s8.sql: one round of S8: each question asked of every moment, by the tables of openings of a hundredth of them.

-- a new session meets every page of the shared buffers for the first time, and works its calendar out
select count(handoff.business_add('office', at, '20000 h')) from bench.moment;

call bench.start();
select count(at) from bench.moment;
call bench.stop('s8 scan');

call bench.start();
select count(handoff.business_add('office', at, '4 h')) from bench.moment;
call bench.stop('s8 add hours');

call bench.start();
select count(handoff.business_add('office', at, '20000 h')) from bench.moment;
call bench.stop('s8 add years');

call bench.start();
select count(handoff.business_add('office', at, '3 days')) from bench.moment;
call bench.stop('s8 add days');

call bench.start();
select count(handoff.business_between('office', at, later)) from bench.moment;
call bench.stop('s8 between');

call bench.start();
select count(handoff.business_between('office', at, far)) from bench.moment;
call bench.stop('s8 between years');

call bench.start();
select count(handoff.is_open('office', at)) from bench.moment;
call bench.stop('s8 open');

call bench.start();
select count(s.passed) from (select * from bench.moment limit :rows / 100) m,
lateral (select sum(least(o.closes, m.later) - greatest(o.opens, m.at)) as passed from bench.opening o where o.closes > m.at and o.opens < m.later and o.closes < m.later + interval '1 day') s;
call bench.stop('s8 sql');

-- 400 calendars that are new to the session, asked about one moment each
call bench.start();
select count(handoff.business_add((format('mon-fri %s:%s-18:00 @ ', 8 + i / 60, 10 + i % 49) || (array['Europe/Berlin', 'America/New_York', 'Asia/Tokyo'])[1 + i % 3])::handoff.schedule, '2026-03-02Z', '4 h'))
from generate_series(0, 399) i;
call bench.stop('s8 new');
