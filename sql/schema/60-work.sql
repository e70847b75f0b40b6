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

create table handoff.clock (
    lead_key   text not null,
    handoff_no int not null default 0,
    kind       text not null check (kind in ('sla', 'review', 'recycle', 'stage_age', 'blocked')),
    name       text not null default '',
    n          int not null default 1,
    started_at timestamptz not null,
    due_at     timestamptz not null,
    stopped_at timestamptz,
    verdict    text check (verdict in ('met', 'missed', 'void')),
    paused     boolean not null default false,
    next_step  int not null default 1,
    next_at    timestamptz,
    primary key (lead_key, handoff_no, kind, name, n)
);
create index clock_next on handoff.clock (next_at) where next_at is not null;
comment on table handoff.clock is 'Every moment at which something is due for a lead: the one table that tick() looks at.';
comment on column handoff.clock.lead_key is 'Lead.';
comment on column handoff.clock.handoff_no is 'Handoff of the lead it belongs to; 0: none.';
comment on column handoff.clock.kind is 'sla, review (the decision may change by time alone), recycle, stage_age (too long in a stage), blocked (too long blocked).';
comment on column handoff.clock.name is 'Name of the SLA, of the stage (stage_age), of the leg (blocked); empty for review.';
comment on column handoff.clock.n is 'Number of the clock of that name.';
comment on column handoff.clock.started_at is 'When it started.';
comment on column handoff.clock.due_at is 'When it is due.';
comment on column handoff.clock.stopped_at is 'When it was stopped; NULL: it runs.';
comment on column handoff.clock.verdict is 'met, missed or void; NULL while it runs and for clocks that judge nothing.';
comment on column handoff.clock.paused is 'It stands still.';
comment on column handoff.clock.next_step is 'Next escalation step.';
comment on column handoff.clock.next_at is 'When tick() must look at it; NULL: never again.';
