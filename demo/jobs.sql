-- Who calls tick() and maintain() from now on: pg_cron.

-- every minute, and once a night: as a role that may do no more than this
create extension pg_cron;
create role handoff_jobs login;
grant usage on schema cron to handoff_jobs;
select handoff.grant_access('handoff_jobs', 'operator');
select job, jobid, schedule, command from handoff.schedule_jobs('handoff_jobs');
