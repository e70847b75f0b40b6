-- sql/schema/60-work.sql: business time, and the log of operations.

create table handoff.calendar (
    name     text not null,
    schedule handoff.schedule not null,
    note     text,
    primary key (name),
    constraint calendar_name_not_empty check (name <> '')
);

comment on table handoff.calendar is 'Calendars that business time is counted in.';
comment on column handoff.calendar.name is 'Name, for example office_berlin.';
comment on column handoff.calendar.schedule is 'Weekly hours with their time zone, for example mon-fri 09:00-18:00 @ Europe/Berlin.';
comment on column handoff.calendar.note is 'Free text.';

create table handoff.calendar_exception (
    calendar text not null references handoff.calendar on delete cascade on update cascade,
    on_date  date not null,
    kind     text not null,
    hours    text,
    note     text,
    primary key (calendar, on_date, kind),
    constraint calendar_exception_date check (isfinite(on_date)),
    constraint calendar_exception_kind check (kind in ('closed', 'open', 'break')),
    constraint calendar_exception_hours check ((kind = 'closed') = (hours is null) and (hours is null or hours = handoff.canonical_hours(hours)))
);

comment on table handoff.calendar_exception is 'Dates on which a calendar is not open as every week.';
comment on column handoff.calendar_exception.calendar is 'Calendar.';
comment on column handoff.calendar_exception.on_date is 'Date by the wall clock of the calendar''s zone.';
comment on column handoff.calendar_exception.kind is 'closed (no hours begin on the date, whatever else is said of it), open (these hours instead of those of the weekday), break (these hours are cut out of what is open).';
comment on column handoff.calendar_exception.hours is 'Hours that begin on the date, in canonical form, for example 10:00-12:00 13:00-15:00; they may end on the next day. NULL: closed.';
comment on column handoff.calendar_exception.note is 'Free text, for example the name of the holiday.';

create trigger calendars_changed
    after insert or update or delete on handoff.calendar
    for each statement execute function handoff.calendars_changed();
alter table handoff.calendar enable always trigger calendars_changed;
create trigger calendars_changed
    after insert or update or delete on handoff.calendar_exception
    for each statement execute function handoff.calendars_changed();
alter table handoff.calendar_exception enable always trigger calendars_changed;

create table handoff.operation_log (
    at     timestamptz not null default clock_timestamp(),
    actor  text not null default session_user,
    object text not null,
    name   text not null,
    old    jsonb,
    new    jsonb
);

create index operation_log_object on handoff.operation_log (object, name, at);
create index operation_log_at on handoff.operation_log (at);

-- no key of its own: a publication of all tables could not carry its deletes otherwise
alter table handoff.operation_log replica identity full;

comment on table handoff.operation_log is 'Every change of reps, pools, calendars and the like: what it was, what it became, by whom.';
comment on column handoff.operation_log.at is 'When.';
comment on column handoff.operation_log.actor is 'Who, by default the role that was logged in.';
comment on column handoff.operation_log.object is 'Kind of thing, for example pool.';
comment on column handoff.operation_log.name is 'Which one.';
comment on column handoff.operation_log.old is 'The row before; NULL: it was made.';
comment on column handoff.operation_log.new is 'The row after; NULL: it was removed.';

create table handoff.recipient (
    name     text not null,
    address  text not null,
    calendar text references handoff.calendar on update cascade,
    primary key (name),
    constraint recipient_not_empty check (name <> '' and address <> '')
);
comment on table handoff.recipient is 'Whom escalation may tell besides reps: names that contracts use, and what they stand for. Made by handoff.set_recipient().';
comment on column handoff.recipient.name is 'Name, as in handoff.escalation.recipient.';
comment on column handoff.recipient.address is 'An e-mail address, the key of a chat channel or whatever the destination understands; messages carry it.';
comment on column handoff.recipient.calendar is 'Calendar in whose hours a step with in_hours waits for it; NULL: the contract''s.';

create table handoff.clock (
    lead_key   text not null,
    handoff_no int not null default 0,
    kind       text not null check (kind in ('sla', 'cadence', 'review', 'recycle', 'stage_age', 'blocked')),
    name       text not null default '',
    n          int not null default 1,
    rep        text,
    pool       text,
    started_at timestamptz not null,
    due_at     timestamptz,
    stopped_at timestamptz,
    verdict    text check (verdict in ('met', 'missed', 'void')),
    business_seconds numeric,
    pauses     tstzmultirange not null default '{}',
    paused     boolean not null default false,
    next_step  int not null default 1,
    next_at    timestamptz,
    primary key (lead_key, handoff_no, kind, name, n)
);
create index clock_next on handoff.clock (next_at) where next_at is not null;
comment on table handoff.clock is 'Every moment at which something is due for a lead: the one table that tick() looks at.';
comment on column handoff.clock.lead_key is 'Lead.';
comment on column handoff.clock.handoff_no is 'Handoff of the lead it belongs to; 0: none.';
comment on column handoff.clock.kind is 'sla, cadence (a step of the cadence), review (the decision may change by time alone), recycle, stage_age (too long in a stage), blocked (too long blocked).';
comment on column handoff.clock.name is 'Name of the SLA, of the step''s channel (cadence), of the stage (stage_age), of the leg (blocked); empty for review.';
comment on column handoff.clock.n is 'Number of the clock of that name; cadence: of the step.';
comment on column handoff.clock.rep is 'Kind sla: whose it is, the owner when it started; NULL: the handoff''s, whoever has it (scope lead).';
comment on column handoff.clock.pool is 'Kind sla: the pool that he was picked from; NULL: none.';
comment on column handoff.clock.started_at is 'When it started.';
comment on column handoff.clock.due_at is 'When it is due. Of an SLA: its target after started_at, in the hours of the rep, else of the pool, else of the contract''s calendar, as they are now while it runs; pauses that have ended are left out. NULL: never, its hours don''t open within ten years. Of a step of the cadence: the end of its business day, in the same hours.';
comment on column handoff.clock.stopped_at is 'When it was stopped: what it waited for was done, or is asked for no more; NULL: it runs.';
comment on column handoff.clock.verdict is 'met, missed or void; NULL while it runs and for clocks that judge nothing.';
comment on column handoff.clock.business_seconds is 'Kind sla: open time of its hours from started_at to stopped_at without pauses, in seconds; NULL: it runs.';
comment on column handoff.clock.pauses is 'Kind sla: when it stood still, since the SLA''s pause_when held; without an end while it does.';
comment on column handoff.clock.paused is 'It stands still now.';
comment on column handoff.clock.next_step is 'Next escalation step.';
comment on column handoff.clock.next_at is 'When tick() must look at it; NULL: never again.';

create table handoff.handoff (
    lead_key          text not null,
    handoff_no        int not null,
    cycle             int not null,
    leg               text not null,
    contract_id       int not null,
    challenge         int,
    origin            text not null check (origin in ('contract', 'self_booked', 'manual', 'pulled_by_sales', 'crm', 'adopted', 'reconstructed')),
    stage_from        text not null,
    band              text,
    fit               bigint not null,
    intent            numeric not null,
    score             bigint not null,
    segment           text,
    lead_source       text,
    account_method    text,
    trigger           text not null,
    trigger_at        timestamptz not null,
    seen_at           timestamptz,
    handed_at         timestamptz not null,
    month             date not null,
    incomplete        boolean not null,
    route             text,
    pool              text,
    rep               text,
    assigned_at       timestamptz,
    owner_since       timestamptz,
    by_last_route     boolean not null default false,
    assignments       int not null,
    reroutes          int not null default 0,
    hops              int not null default 0,
    fallback_at       timestamptz,
    unassigned_reason text,
    delivered_at      timestamptz,
    touches           int not null,
    contacts          int not null,
    channels          text[] not null,
    first_touch_at    timestamptz,
    first_touch_business_seconds numeric,
    first_contact_at  timestamptz,
    booked_at         timestamptz,
    meeting_held_at   timestamptz,
    no_show           boolean not null,
    accepted_at       timestamptz,
    accepted_how      text,
    qualified_at      timestamptz,
    disposed_at       timestamptz,
    outcome           text,
    code              text,
    note              text,
    override_reason   text,
    recycle_due_at    timestamptz,
    closed_at         timestamptz,
    undone            int not null default 0,
    undone_at         timestamptz,
    undone_stage      text,
    held_at           timestamptz,
    signal_at         timestamptz,
    reengaged_at      timestamptz,
    joined_activities int not null default 0,
    opportunity_at    timestamptz,
    won_at            timestamptz,
    lost_at           timestamptz,
    primary key (lead_key, handoff_no)
) with (fillfactor = 80);
create index handoff_handed_at on handoff.handoff (handed_at);
create index handoff_open on handoff.handoff (handed_at) where closed_at is null;
create index handoff_waiting on handoff.handoff (pool, trigger_at) where closed_at is null and rep is null;
comment on table handoff.handoff is 'One row a handoff: one pass of a leg by a lead, with every milestone that followed. Written by the drain and the API; the event log folds to the same.';
comment on column handoff.handoff.lead_key is 'Lead.';
comment on column handoff.handoff.handoff_no is 'Number within the lead, from 1.';
comment on column handoff.handoff.cycle is 'Cycle of the lead that it belongs to.';
comment on column handoff.handoff.leg is 'Leg that was passed.';
comment on column handoff.handoff.contract_id is 'Version of the contract that it was handed over under, and is worked under until it closes.';
comment on column handoff.handoff.challenge is 'Version of the challenger that its lead was shared with then, whichever of the two versions decided it; a later leg has that of the one before. NULL: none, or the lead was out of its scope, or had a handoff of before.';
comment on column handoff.handoff.origin is 'How it came about: contract (the rules), self_booked (the lead booked a meeting itself), manual or pulled_by_sales (somebody did it by hand), crm, adopted, reconstructed. KPIs count contract and self_booked.';
comment on column handoff.handoff.stage_from is 'Stage the lead was in.';
comment on column handoff.handoff.band is 'Its band at that moment; NULL: none.';
comment on column handoff.handoff.fit is 'Its fit at that moment, in points.';
comment on column handoff.handoff.intent is 'Its intent at that moment, in points.';
comment on column handoff.handoff.score is 'Its score at that moment, in points.';
comment on column handoff.handoff.segment is 'Its derived field segment at that moment; NULL: none.';
comment on column handoff.handoff.lead_source is 'Its field lead_source at that moment; NULL: it had none, or its contract declares no such text field.';
comment on column handoff.handoff.account_method is 'How its account was known at that moment: crm, email_domain, web_domain, name or close_name; NULL: it had none.';
comment on column handoff.handoff.trigger is 'What qualified it: row, activity, review, contract, manual.';
comment on column handoff.handoff.trigger_at is 'Time of that input: where speed-to-lead begins. Of a row that was there before its source was attached, and has neither created_at nor version: when it was captured.';
comment on column handoff.handoff.seen_at is 'When that input was captured (clock time); of a cycle that began by itself, when it began; not after handed_at. NULL: not known.';
comment on column handoff.handoff.handed_at is 'When the leg was passed (the decision''s now). The cohort of the handoff in KPIs.';
comment on column handoff.handoff.month is 'That cohort: first day of the month of handed_at in the reporting zone of the contract.';
comment on column handoff.handoff.incomplete is 'Handed over although required fields were missing, after the longest wait.';
comment on column handoff.handoff.route is 'Route that found the present owner; while nobody has it, the one it waits for (NULL: all were passed over).';
comment on column handoff.handoff.pool is 'Pool that the present owner was picked from, NULL: none; while nobody has it, the one it waits for.';
comment on column handoff.handoff.rep is 'Present owner, after closing the last one; NULL: nobody.';
comment on column handoff.handoff.assigned_at is 'When the first owner was found.';
comment on column handoff.handoff.owner_since is 'When the present (after closing the last) owner got it; while nobody has it, when the one before did.';
comment on column handoff.handoff.by_last_route is 'The first owner was found by the last route of its leg, past others that could have had it.';
comment on column handoff.handoff.assignments is 'How many owners it has had.';
comment on column handoff.handoff.reroutes is 'How many owners have said that it is not theirs (dispositions of outcome reroute).';
comment on column handoff.handoff.hops is 'How many owners have lost it because they let it lie (escalation, action reassign).';
comment on column handoff.handoff.fallback_at is 'When escalation gave it to the last route of its leg, the only one that counts for it from then on; NULL: it didn''t.';
comment on column handoff.handoff.unassigned_reason is 'Why nobody has it: code of the last obstacle (docs/route.md); NULL: somebody has.';
comment on column handoff.handoff.delivered_at is 'When the news of the assignment was first acknowledged by a destination.';
comment on column handoff.handoff.touches is 'Human touches since handed_at (two-way contacts included).';
comment on column handoff.handoff.contacts is 'Two-way contacts among them.';
comment on column handoff.handoff.channels is 'Channels of the touches, each once, sorted.';
comment on column handoff.handoff.first_touch_at is 'Time of the first touch since handed_at.';
comment on column handoff.handoff.first_touch_business_seconds is 'Open time of the contract''s calendar, as it was then, from trigger_at to first_touch_at, in seconds; elapsed time if it names none. NULL: untouched.';
comment on column handoff.handoff.first_contact_at is 'Time of the first two-way contact since handed_at.';
comment on column handoff.handoff.booked_at is 'Time a meeting was booked.';
comment on column handoff.handoff.meeting_held_at is 'Time a meeting was held.';
comment on column handoff.handoff.no_show is 'A booked meeting was missed by the lead, and none held since.';
comment on column handoff.handoff.accepted_at is 'When sales accepted it.';
comment on column handoff.handoff.accepted_how is 'How: explicit, first_touch, meeting, opportunity, crm (a status set there).';
comment on column handoff.handoff.qualified_at is 'When the SDR qualified it for the next leg.';
comment on column handoff.handoff.disposed_at is 'When its outcome was given.';
comment on column handoff.handoff.outcome is 'recycle, disqualified, returned, withdrawn, next_leg, won, lost; NULL: open.';
comment on column handoff.handoff.code is 'Code of the disposition that closed it; where none did, what did: due (too long in its stage), won, lost, deleted .. NULL: open, or it passed the next leg.';
comment on column handoff.handoff.note is 'Note given with it.';
comment on column handoff.handoff.override_reason is 'Why somebody let a disposition be given though its work standard asked for more; NULL: nobody did.';
comment on column handoff.handoff.recycle_due_at is 'When a recycled lead comes back.';
comment on column handoff.handoff.closed_at is 'When it ended; NULL: open.';
comment on column handoff.handoff.undone is 'How many dispositions that had ended it were taken back; they count nowhere else.';
comment on column handoff.handoff.undone_at is 'When the last of them was; NULL: none was.';
comment on column handoff.handoff.undone_stage is 'Stage that the last of them had led to, where the CRM may still come to say so; NULL: it had said so by then, or none was.';
comment on column handoff.handoff.held_at is 'Since when its SLA clocks stand still because the CRM has a status that the contract forbids, with on_violation hold; NULL: they don''t for that.';
comment on column handoff.handoff.joined_activities is 'Touches, meetings and bookings that count in it though they were made with leads that had joined it. Where there are some, they stand as they were when it ended.';
comment on column handoff.handoff.signal_at is 'When the lead itself gave its newest signal while it was open (p_now of that decision); NULL: none.';
comment on column handoff.handoff.reengaged_at is 'Newest sign of life that another lead of the same person, which has joined it, has given while it was open; NULL: none.';
comment on column handoff.handoff.opportunity_at is 'Creation of the first opportunity that is counted for it.';
comment on column handoff.handoff.won_at is 'When such an opportunity was won.';
comment on column handoff.handoff.lost_at is 'When the last of them was lost, if none was won or is open.';

create table handoff.assignment (
    lead_key    text not null,
    handoff_no  int not null,
    n           int not null,
    route       text not null,
    pool        text,
    rep         text not null,
    reason      text not null,
    at          timestamptz not null,
    ended_at    timestamptz,
    passed_over jsonb not null,
    known_to_crm  boolean not null default false,
    turn_returned boolean not null default false,
    end_reason    text,
    primary key (lead_key, handoff_no, n)
);
create index assignment_open on handoff.assignment (rep) where ended_at is null;
create index assignment_rep on handoff.assignment (rep, at);
comment on table handoff.assignment is 'One row an owner that a handoff has had. Open ones are the load.';
comment on column handoff.assignment.lead_key is 'Lead.';
comment on column handoff.assignment.handoff_no is 'Handoff of the lead.';
comment on column handoff.assignment.n is 'Number within the handoff, from 1.';
comment on column handoff.assignment.route is 'Route that found the rep; or in its place how he was named: returned, reopened, manual, claim, crm, booked_host, booked, rep_left, away.';
comment on column handoff.assignment.pool is 'Pool he was picked from; NULL: not from a pool.';
comment on column handoff.assignment.rep is 'Rep.';
comment on column handoff.assignment.reason is 'Why a rep was sought: handoff, reroute (not mine), returned (AE to SDR), manual, claim, crm (another owner there), reopened (an opportunity that was over is not), rep_left, away, booked (he hosts the meeting), silence (the owner before let it lie), fallback (by escalation).';
comment on column handoff.assignment.at is 'When he got it.';
comment on column handoff.assignment.ended_at is 'When he lost it or the handoff closed; NULL: he has it.';
comment on column handoff.assignment.known_to_crm is 'The CRM has named him as the owner since: what was written back has returned.';
comment on column handoff.assignment.turn_returned is 'His turn in the pool was given back.';
comment on column handoff.assignment.end_reason is 'Why it ended: closed (the handoff did), or why another rep was sought, as in reason; NULL: he has it.';
comment on column handoff.assignment.passed_over is 'Routes and candidates that were passed over, each with a coded reason: {"routes": {name: code}, "reps": {rep: code}}; in contracts with routes to territories also which row of a map was found: {"territories": {route: {"map", "key", "row"}}}.';

create table handoff.escalation_done (
    lead_key   text not null,
    handoff_no int not null,
    name       text not null,
    n          int not null,
    step       int not null,
    action     text not null,
    recipient  text,
    skipped    text,
    due_at     timestamptz not null,
    at         timestamptz not null,
    sync_late  boolean not null,
    primary key (lead_key, handoff_no, name, n, step),
    constraint escalation_done_action check (action in ('remind', 'notify', 'reassign', 'fallback', 'recycle'))
);
comment on table handoff.escalation_done is 'Steps of escalation whose turn has come, one row a clock and step: each once. What was done is an event escalated too.';
comment on column handoff.escalation_done.lead_key is 'Lead.';
comment on column handoff.escalation_done.handoff_no is 'Handoff of the lead.';
comment on column handoff.escalation_done.name is 'SLA whose clock it was.';
comment on column handoff.escalation_done.n is 'Number of that clock.';
comment on column handoff.escalation_done.step is 'Number of the step within the SLA.';
comment on column handoff.escalation_done.action is 'What was done: remind, notify, reassign, fallback (also a reassign beyond max_hops), recycle.';
comment on column handoff.escalation_done.recipient is 'Rep or address that was told; of an action that takes the lead away, from whom. NULL: nobody.';
comment on column handoff.escalation_done.skipped is 'Why nothing was done: criteria (not true then), no_owner, last_route (it is there already), or the rule against recycling it; NULL: it was done.';
comment on column handoff.escalation_done.due_at is 'The step''s moment.';
comment on column handoff.escalation_done.at is 'When it was done or passed over (p_now of that decision).';
comment on column handoff.escalation_done.sync_late is 'The lead was taken away though the sources of activities had not told what was done up to the step''s moment: sync_wait was over.';
