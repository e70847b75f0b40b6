
-- sql/extension/21-schedule.sql: handoff.schedule, weekly hours in a time zone; src/time/schedule.c
-- says what they mean where clocks change.

create type handoff.schedule;

create function handoff.schedule_in(cstring) returns handoff.schedule
    language c immutable strict parallel safe as 'MODULE_PATHNAME', 'lh_schedule_in';
comment on function handoff.schedule_in(cstring) is
    'Reads a schedule such as mon-fri 09:00-12:30 13:30-18:00; sat 10:00-14:00 @ Europe/Berlin, 24x7 @ UTC, closed @ UTC. The zone needs an IANA name; whether this server knows it is not looked at. Error 22P02: not a schedule; the detail says why.';

create function handoff.schedule_out(handoff.schedule) returns cstring
    language c immutable strict parallel safe as 'MODULE_PATHNAME', 'lh_schedule_out';
comment on function handoff.schedule_out(handoff.schedule) is
    'Prints a schedule in its one form: days in order, days of equal hours together, hours that overlap or touch merged.';

create function handoff.schedule_recv(internal) returns handoff.schedule
    language c immutable strict parallel safe as 'MODULE_PATHNAME', 'lh_schedule_recv';
comment on function handoff.schedule_recv(internal) is
    'Binary input of a schedule: a version byte (1) and its text. Errors: 22P03 (version), 22P02 (text).';

create function handoff.schedule_send(handoff.schedule) returns bytea
    language c immutable strict parallel safe as 'MODULE_PATHNAME', 'lh_schedule_send';
comment on function handoff.schedule_send(handoff.schedule) is
    'Binary output of a schedule: a version byte (1) and its text.';

create type handoff.schedule (
    input = handoff.schedule_in,
    output = handoff.schedule_out,
    receive = handoff.schedule_recv,
    send = handoff.schedule_send,
    internallength = variable,
    alignment = int4,
    storage = extended
);
comment on type handoff.schedule is
    'Weekly hours with their time zone, for example mon-fri 09:00-12:30 13:30-18:00; sat 10:00-14:00 @ Europe/Berlin. Days that are not named are closed. Hours run to the minute from their beginning to before their end, which may be 24:00 or lie on the next day (22:00-06:00); they belong to the day they begin. 24x7 and closed stand for the whole week.';

create function handoff.schedule_eq(handoff.schedule, handoff.schedule) returns boolean
    language c immutable strict parallel safe as 'MODULE_PATHNAME', 'lh_schedule_eq';
comment on function handoff.schedule_eq(handoff.schedule, handoff.schedule) is
    'Do two schedules name the same hours in the same zone? Zones are compared by name.';

create function handoff.schedule_ne(handoff.schedule, handoff.schedule) returns boolean
    language c immutable strict parallel safe as 'MODULE_PATHNAME', 'lh_schedule_ne';
comment on function handoff.schedule_ne(handoff.schedule, handoff.schedule) is
    'Do two schedules differ in hours or zone?';

create operator handoff.= (
    leftarg = handoff.schedule,
    rightarg = handoff.schedule,
    function = handoff.schedule_eq,
    commutator = operator(handoff.=),
    negator = operator(handoff.<>),
    restrict = pg_catalog.eqsel,
    join = pg_catalog.eqjoinsel
);
comment on operator handoff.= (handoff.schedule, handoff.schedule) is 'same hours and zone';

create operator handoff.<> (
    leftarg = handoff.schedule,
    rightarg = handoff.schedule,
    function = handoff.schedule_ne,
    commutator = operator(handoff.<>),
    negator = operator(handoff.=),
    restrict = pg_catalog.neqsel,
    join = pg_catalog.neqjoinsel
);
comment on operator handoff.<> (handoff.schedule, handoff.schedule) is 'other hours or zone';

create function handoff.zone(schedule handoff.schedule) returns text
    language c immutable strict parallel safe as 'MODULE_PATHNAME', 'lh_schedule_zone_of';
comment on function handoff.zone(handoff.schedule) is 'The name of a schedule''s time zone.';

revoke all on function handoff.zone(handoff.schedule) from public;
