-- sql/schema/00-meta.sql: what setup() itself has to remember.

create table handoff.meta (
    id             boolean primary key default true check (id),
    schema_version int not null,
    set_up_at      timestamptz not null default clock_timestamp(),
    paused_at      timestamptz,
    system_identifier bigint not null,
    database_name  text not null,
    tick_now       timestamptz,
    tick_last      timestamptz,
    tick_clock     timestamptz,
    people_seen    timestamptz not null default '-infinity',
    event_source   text not null default '/lead_handoff',
    maintain_clock timestamptz,
    outbox_purged_to timestamptz not null default '-infinity',
    jobs_by        text check (jobs_by in ('pg_cron', 'other')),
    jobs_role      text,
    jobs_every     interval,
    jobs_maintain_at time,
    jobs_since     timestamptz,
    reporting_currency text check (reporting_currency = upper(btrim(reporting_currency)) and reporting_currency <> ''),
    assumed_currency   text check (assumed_currency = upper(btrim(assumed_currency)) and assumed_currency <> ''),
    constraint meta_jobs check ((jobs_by is null) = (jobs_since is null) and (jobs_by is null) = (jobs_every is null)
                                and (jobs_by is not distinct from 'pg_cron') = (jobs_role is not null))
);
comment on table handoff.meta is 'One row: the version of the tables and the state of the extension as a whole.';
comment on column handoff.meta.id is 'Always true: there is one row.';
comment on column handoff.meta.schema_version is 'Version of tables and views. The drain refuses to work on another one than it was built for; handoff.setup() migrates.';
comment on column handoff.meta.set_up_at is 'When setup() first ran.';
comment on column handoff.meta.paused_at is 'Since when decisions are paused (capture goes on); NULL: not paused.';
comment on column handoff.meta.system_identifier is 'System identifier of the server on which these tables act by themselves; elsewhere they are a copy that does not. See handoff.adopt_instance().';
comment on column handoff.meta.database_name is 'Name of the database in which these tables act by themselves.';
comment on column handoff.meta.tick_now is 'The latest p_now of all ticks: how far time has been worked off.';
comment on column handoff.meta.tick_last is 'The p_now of the newest tick; earlier than tick_now: the clock went back.';
comment on column handoff.meta.tick_clock is 'Wall-clock time of the newest tick: the heartbeat.';
comment on column handoff.meta.people_seen is 'Changes of people, pools and territories up to then (clock time) have been acted upon: waiting handoffs were tried again.';
comment on column handoff.meta.event_source is 'Who speaks, in CloudEvents: a URI reference; see handoff.set_event_source().';
comment on column handoff.meta.maintain_clock is 'Wall-clock time of the newest handoff.maintain().';
comment on column handoff.meta.outbox_purged_to is 'Messages of events up to then may have been purged from the outbox.';
comment on column handoff.meta.jobs_by is 'Who calls handoff.tick() and handoff.maintain(): pg_cron, by jobs of handoff.schedule_jobs(), or other, something outside; NULL: nothing was scheduled.';
comment on column handoff.meta.jobs_role is 'Role as which pg_cron runs the jobs; NULL: it runs none.';
comment on column handoff.meta.jobs_every is 'How often tick() is to be called.';
comment on column handoff.meta.jobs_maintain_at is 'Time of day of maintain(), in GMT or cron.timezone; NULL: not by pg_cron.';
comment on column handoff.meta.jobs_since is 'When it was scheduled (clock time).';

comment on column handoff.meta.reporting_currency is 'Currency that amounts are summed up in; NULL: none, only amounts that name no currency are. See handoff.set_reporting_currency().';
comment on column handoff.meta.assumed_currency is 'Currency of amounts that name none; NULL: it is not known.';

create table handoff.retention (
    what text primary key check (what in ('activity', 'delivery', 'outbox', 'job_run')),
    keep interval check (keep >= interval '1 day')
);
insert into handoff.retention values ('activity', null), ('delivery', '90 days'), ('outbox', null), ('job_run', '7 days');
comment on table handoff.retention is 'How long what grows is kept before handoff.maintain() deletes it; one row each, to be updated.';
comment on column handoff.retention.what is 'activity: activities that no decision needs any more, by handoff.purge_activities(). delivery: deliveries that are done, dead or expired. outbox: messages of which no delivery is left. job_run: what pg_cron noted of our jobs.';
comment on column handoff.retention.keep is 'How long, at least a day; NULL: for ever.';
