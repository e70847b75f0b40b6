-- what pg_cron does
select handoff.tick();
\sleep 50 ms
