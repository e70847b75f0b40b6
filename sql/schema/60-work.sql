-- sql/schema/60-work.sql: business time, and the log of operations.

create table handoff.calendar (
    name     text not null,
    schedule text not null,
    note     text,
    primary key (name),
    constraint calendar_name_not_empty check (name <> '')
);

comment on table handoff.calendar is 'Calendars that business time is counted in.';
comment on column handoff.calendar.name is 'Name, for example office_berlin.';
comment on column handoff.calendar.schedule is 'Weekly hours with their time zone, for example mon-fri 09:00-18:00 @ Europe/Berlin.';
comment on column handoff.calendar.note is 'Free text.';

create table handoff.operation_log (
    at     timestamptz not null default clock_timestamp(),
    actor  text not null default session_user,
    object text not null,
    name   text not null,
    old    jsonb,
    new    jsonb
);

create index operation_log_object on handoff.operation_log (object, name, at);

-- no key of its own: a publication of all tables could not carry its deletes otherwise
alter table handoff.operation_log replica identity full;

comment on table handoff.operation_log is 'Every change of reps, pools, calendars and the like: what it was, what it became, by whom.';
comment on column handoff.operation_log.at is 'When.';
comment on column handoff.operation_log.actor is 'Who, by default the role that was logged in.';
comment on column handoff.operation_log.object is 'Kind of thing, for example pool.';
comment on column handoff.operation_log.name is 'Which one.';
comment on column handoff.operation_log.old is 'The row before; NULL: it was made.';
comment on column handoff.operation_log.new is 'The row after; NULL: it was removed.';
