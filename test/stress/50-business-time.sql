-- test/stress/50-business-time.sql: business time in random calendars around changes of clocks, against a count of
-- their open minutes one by one.
set timezone = 'UTC';
set client_min_messages = warning;
select handoff.setup() \g /dev/null
\i test/stress/lib/business_time.sql
select setseed(:seed) \g /dev/null
call make_subjects(greatest(1, (8 * :scale)::int));
call count_minutes(7);
select verdict(wrong = 0 and asked > 0, format('business time, %s: %s asked in %s calendars, %s wrong%s', what, asked, (select count(*) from subject), wrong, ': ' || example))
from compare(7, greatest(2000, (100000 * :scale)::int)) order by what collate "C";
