-- test/stress/65-forget.sql: people are forgotten while a sync writes their rows, ticks and commits decide them, reps accept
-- them and messages go out: ten sessions at once. Nobody fails, and nothing of anybody is left or comes back.
set timezone = 'UTC';
set client_min_messages = warning;
select handoff.setup() \g /dev/null
\i test/stress/lib/forget/setup.sql
select greatest(5, (60 * :scale)::int) as seconds \gset
\setenv LH_SECONDS :seconds
\! cd test/stress/lib/forget && pgbench -n -d stress -c 10 -j 2 --random-seed=$LH_SEED -T $LH_SECONDS -f sync.sql@10 -f activity.sql@6 -f tick.sql@2 -f forget.sql@1 -f accept.sql@2 -f deliver.sql@3 >/dev/null 2>pgbench.err && echo "ok - forget: nobody fails" || { echo "not ok - forget: nobody fails"; sed 's/^/#   /' pgbench.err; }
select verdict(deadlocks = 0, 'forget: no deadlock') from pg_stat_database where datname = current_database();
update crm.lead set employees = employees + 1;
update crm.act set page = '/pricing';
select handoff.tick() from generate_series(1, 5) \g /dev/null
select verdict(count(*) > 20, format('forget: %s leads are forgotten', count(*))) from handoff.lead where forgotten_at is not null;
select verdict(count(*) = 0, format('forget: %s keys have come back', count(*))) from handoff.tombstoned_keys();
select verdict(sum(forgotten) > 0, format('forget: %s rows were left out', sum(forgotten))) from handoff.source_health;
select verdict(count(*) = 0, 'forget: doctor() is content' || coalesce(': ' || min(what), '')) from handoff.doctor() where severity = 'error';
