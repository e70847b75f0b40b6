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
    people_seen    timestamptz not null default '-infinity'
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
