-- sql/schema/00-meta.sql: what setup() itself has to remember.

create table handoff.meta (
    id             boolean primary key default true check (id),
    schema_version int not null,
    set_up_at      timestamptz not null default clock_timestamp(),
    paused_at      timestamptz,
    tick_now       timestamptz,
    tick_clock     timestamptz,
    people_seen    timestamptz not null default '-infinity'
);
comment on table handoff.meta is 'One row: the version of the tables and the state of the extension as a whole.';
comment on column handoff.meta.id is 'Always true: there is one row.';
comment on column handoff.meta.schema_version is 'Version of tables and views. The drain refuses to work on another one than it was built for; handoff.setup() migrates.';
comment on column handoff.meta.set_up_at is 'When setup() first ran.';
comment on column handoff.meta.paused_at is 'Since when decisions are paused (capture goes on); NULL: not paused.';
comment on column handoff.meta.tick_now is 'The p_now of the newest tick: how far time has been worked off.';
comment on column handoff.meta.tick_clock is 'Wall-clock time of the newest tick: the heartbeat.';
comment on column handoff.meta.people_seen is 'Changes of people, pools and territories up to then (clock time) have been acted upon: waiting handoffs were tried again.';
