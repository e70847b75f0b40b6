-- sql/schema/30-score.sql: what is known of a lead: its state, its log, its activities.
--
-- Every key begins with lead_key, so that the tables can be distributed by it. Nothing here refers to
-- another lead, nor to a synced table.

create table handoff.lead (
    lead_key       text primary key,
    source         text not null,
    raw_key        text not null,
    person_key     text,
    account_key    text,
    contract_id    int not null,
    stage          text not null,
    stage_since    timestamptz not null,
    fields         jsonb not null,
    fit            bigint not null,
    half_life      interval,
    intent         handoff.heat not null,
    group_heat     handoff.heat[] not null,
    score          bigint not null,
    band           text,
    signals        text[] not null,
    cycle          int not null,
    cycle_since    timestamptz not null,
    intent_since   timestamptz not null default '-infinity',
    folded_at      timestamptz,
    booked_at      timestamptz,
    trigger        text not null,
    trigger_at     timestamptz not null,
    seen_at        timestamptz,
    version        timestamptz,
    blocked_since  timestamptz,
    blocked_fields text[],
    gate_code      text,
    duplicate_of   text,
    duplicate_handoff int,
    duplicate_at   timestamptz,
    first_seen_at  timestamptz not null,
    decided_at     timestamptz not null,
    deleted_at     timestamptz,
    last_seq       bigint not null,
    handoffs       int not null default 0,
    purged_to      timestamptz,
    account_method text,
    account_match  jsonb,
    match_keys     text[],
    forgotten_at   timestamptz
) with (fillfactor = 80);
create index lead_source on handoff.lead (source, raw_key);
create index lead_stage on handoff.lead (stage);
-- who is hot: heats are in order within one half-life, at any moment (handoff.hot_leads())
create index lead_intent on handoff.lead (half_life, intent);
-- who else stands behind a lead, and who has joined one
create index lead_person on handoff.lead (person_key) where person_key is not null;
create index lead_duplicate on handoff.lead (duplicate_of) where duplicate_of is not null;
create index lead_account on handoff.lead (account_key) where account_key is not null;
-- which leads a new account may be matched to; entries at once: a list of pending ones would be read by every look-up
create index lead_match on handoff.lead using gin (match_keys) with (fastupdate = off) where match_keys is not null;
comment on table handoff.lead is 'One row a lead: its state now. Written by the drain only; the event log folds to the same.';
comment on column handoff.lead.lead_key is 'Key of the lead: the source''s key prefix and the row''s key.';
comment on column handoff.lead.source is 'handoff.source.name it came from.';
comment on column handoff.lead.raw_key is 'Key of the row in that source.';
comment on column handoff.lead.person_key is 'Who stands behind it: the mapped person_key, else the e-mail address, trimmed and in lower case; NULL: nobody knows. Leads of the same key are one person.';
comment on column handoff.lead.account_key is 'Account it belongs to, a key of handoff.account: the one that the CRM names, with the source''s key prefix, else the one that was found; NULL: none.';
comment on column handoff.lead.contract_id is 'Version of the contract that decided it last.';
comment on column handoff.lead.stage is 'Lifecycle stage.';
comment on column handoff.lead.stage_since is 'When it entered that stage (the decision''s now).';
comment on column handoff.lead.fields is 'Mapped fields as last read: JSON numbers, ISO dates, times in UTC; a NULL field is absent.';
comment on column handoff.lead.fit is 'Fit points: groups clamped, then the sum clamped to the contract''s limits.';
comment on column handoff.lead.half_life is 'Half-life that intent was folded with; NULL: points stand still.';
comment on column handoff.lead.intent is 'Intent as a decaying amount; handoff.points(intent, at, half_life) gives points at a moment.';
comment on column handoff.lead.group_heat is 'Intent by score group, in order of the intent groups'' names.';
comment on column handoff.lead.score is 'fit + intent, rounded half up, at decided_at.';
comment on column handoff.lead.band is 'First band whose minimums hold; NULL: none.';
comment on column handoff.lead.signals is 'Names of the signal rules that hold, in order of name.';
comment on column handoff.lead.cycle is 'Number of the present run through the journey; rises when a recycled lead passes the first leg again.';
comment on column handoff.lead.cycle_since is 'When that cycle began.';
comment on column handoff.lead.intent_since is 'Activities up to then give no intent: a recycle reset it; -infinity: all do.';
comment on column handoff.lead.folded_at is 'Time of the newest activity that group_heat has points of; newer ones can be added to it, older ones make it be folded anew. -infinity: there are none; NULL: it is to be folded anew.';
comment on column handoff.lead.booked_at is 'Newest booking of a meeting among its activities; NULL: none.';
comment on column handoff.lead.trigger is 'What the newest input was: row, activity, review, contract.';
comment on column handoff.lead.trigger_at is 'Time of the newest input: the activity''s time, else the row''s version, else its capture.';
comment on column handoff.lead.seen_at is 'When that input was captured (clock time); of a touch recorded by API its now. NULL: not known.';
comment on column handoff.lead.version is 'Newest version time seen of the source row, if one is mapped. Older rows are ignored.';
comment on column handoff.lead.blocked_since is 'Since when only missing or invalid fields keep it from its next stage.';
comment on column handoff.lead.blocked_fields is 'Those fields, in order of name.';
comment on column handoff.lead.gate_code is 'Code of the gate that holds it before a leg; joined or duplicate: another lead of the same person does; NULL: none.';
comment on column handoff.lead.duplicate_of is 'That other lead; NULL: none holds it.';
comment on column handoff.lead.duplicate_handoff is 'Number of that lead''s handoff.';
comment on column handoff.lead.duplicate_at is 'When it last gave that handoff something new: when it joined, or with its newest signal since; before the handoff began: nothing, it came from another one of the person. NULL: never.';
comment on column handoff.lead.first_seen_at is 'When its first row was captured (clock time).';
comment on column handoff.lead.decided_at is 'The now of the newest decision.';
comment on column handoff.lead.deleted_at is 'When its row was found gone; NULL: it is there.';
comment on column handoff.lead.last_seq is 'Number of its newest event.';
comment on column handoff.lead.handoffs is 'How many handoffs it has had.';
comment on column handoff.lead.purged_to is 'Its activities up to then have been purged, handoff.intent_checkpoint has what they gave; NULL: none.';
comment on column handoff.lead.account_method is 'How the account is known: crm (the CRM names it), or found by email_domain, web_domain, name or close_name; NULL: it has none. See handoff.match_account().';
comment on column handoff.lead.account_match is 'Of an account that was found: by (the domain or name), why (only, narrowed, named, owned, oldest, first), found (how many candidates), candidates (the first 10, the chosen one first). NULL: none was.';
comment on column handoff.lead.match_keys is 'What it is matched to accounts by (handoff.account_match_key.key); NULL: nothing, or the CRM names its account, or there are no accounts.';
comment on column handoff.lead.forgotten_at is 'When its person was forgotten (p_now of forget()): its keys are tokens since, its fields empty; NULL: he was not.';

create table handoff.event (
    lead_key    text not null,
    seq         bigint not null,
    at          timestamptz not null,
    recorded_at timestamptz not null,
    type        text not null,
    contract_id int not null,
    cycle       int not null,
    leg         text,
    actor       text not null,
    detail      jsonb not null,
    primary key (lead_key, seq)
);
comment on table handoff.event is 'The append-only log: everything that happened to a lead, in order of seq, without holes. Types and details: docs/events.md.';
comment on column handoff.event.lead_key is 'Lead.';
comment on column handoff.event.seq is 'Number within the lead, from 1.';
comment on column handoff.event.at is 'When it happened: the decision''s now, or the time of what caused it.';
comment on column handoff.event.recorded_at is 'When it was written (clock time).';
comment on column handoff.event.type is 'What happened.';
comment on column handoff.event.contract_id is 'Version of the contract under which it was decided.';
comment on column handoff.event.cycle is 'Cycle of the lead at that moment.';
comment on column handoff.event.leg is 'Leg that was passed, where one was.';
comment on column handoff.event.actor is 'Who did it: contract for what the contract decided, source for what a synced row said, else a name.';
comment on column handoff.event.detail is 'What exactly, by type.';

-- whose logs name a lead: forget() puts a token there
create index event_names_lead on handoff.event ((coalesce(detail ->> 'lead', detail ->> 'into')))
    where type in ('gated', 'joined', 'collision', 'reengaged', 'merged');

create table handoff.stage_history (
    lead_key   text not null,
    seq        bigint not null,
    stage      text not null,
    owner      text not null,
    contract_id int not null,
    entered_at timestamptz not null,
    month      date not null,
    left_at    timestamptz,
    consistent boolean not null,
    undone     boolean not null default false,
    primary key (lead_key, seq)
);
comment on table handoff.stage_history is 'One row a stay of a lead in a stage.';
comment on column handoff.stage_history.lead_key is 'Lead.';
comment on column handoff.stage_history.seq is 'Number of the event that began the stay.';
comment on column handoff.stage_history.stage is 'Stage.';
comment on column handoff.stage_history.owner is 'Who owned leads in that stage under the contract then in force.';
comment on column handoff.stage_history.contract_id is 'That version of it.';
comment on column handoff.stage_history.entered_at is 'When the stay began.';
comment on column handoff.stage_history.month is 'First day of the month of entered_at in the reporting zone of that contract.';
comment on column handoff.stage_history.left_at is 'When it ended; NULL: still there.';
comment on column handoff.stage_history.consistent is 'The stage''s entry criteria and required fields held at entry.';

comment on column handoff.stage_history.undone is 'A disposition that was taken back had led to it: it counts nowhere. The stay before it goes on as if it had not ended.';

create table handoff.activity (
    lead_key     text not null,
    source       text not null,
    activity_key text not null,
    at           timestamptz not null,
    seen_at      timestamptz not null,
    taken_at     timestamptz not null,
    fields       jsonb not null,
    meanings     text[] not null default '{}',
    points       int not null default 0,
    contract_id  int,
    primary key (lead_key, source, activity_key)
);
create index activity_lead_at on handoff.activity (lead_key, at);
create index activity_source_key on handoff.activity (source, activity_key);
-- how far a source has told what happened: the newest that had happened when it was taken in
create index activity_newest on handoff.activity (source, at) where taken_at >= at;
comment on table handoff.activity is 'What a lead did and what was done with it, one row an activity; kept also before its lead is known.';
comment on column handoff.activity.lead_key is 'Lead it belongs to.';
comment on column handoff.activity.source is 'handoff.source.name it came from.';
comment on column handoff.activity.activity_key is 'Key of its row in that source.';
comment on column handoff.activity.at is 'When it happened, by the source.';
comment on column handoff.activity.seen_at is 'When it was captured (clock time).';
comment on column handoff.activity.taken_at is 'The now of the decision that it was first known to (p_now of the tick, else clock time).';
comment on column handoff.activity.fields is 'Its fields: at, kind, channel, direction, rep and those the contract declares; a NULL field is absent.';
comment on column handoff.activity.meanings is 'Meanings of the activity rules it matches; a signal as signal:name.';
comment on column handoff.activity.points is 'Intent points of the rules it matches, before caps and decay.';
comment on column handoff.activity.contract_id is 'Version that gave meanings and points; NULL: not judged yet.';

create table handoff.activity_past (
    lead_key     text not null,
    source       text not null,
    activity_key text not null,
    ended_at     timestamptz not null,
    taken_at     timestamptz not null check (taken_at < ended_at),
    at           timestamptz not null,
    fields       jsonb not null,
    meanings     text[] not null,
    gone         boolean not null,
    primary key (lead_key, source, activity_key, ended_at)
);
comment on table handoff.activity_past is 'Activities as they were before they changed, were deleted, or became another lead''s: what decisions of then knew. One row a version that is past; explain() of a moment and backtest() read it.';
comment on column handoff.activity_past.lead_key is 'Lead it belonged to.';
comment on column handoff.activity_past.source is 'handoff.source.name it came from.';
comment on column handoff.activity_past.activity_key is 'Key of its row in that source.';
comment on column handoff.activity_past.ended_at is 'The now of the decision that no longer knew it so.';
comment on column handoff.activity_past.taken_at is 'The now of the decision that it was first known to like this.';
comment on column handoff.activity_past.at is 'When it happened, as the source said then.';
comment on column handoff.activity_past.fields is 'Its fields then.';
comment on column handoff.activity_past.meanings is 'Meanings of the activity rules it matched, as handoff.activity.meanings.';
comment on column handoff.activity_past.gone is 'Its row was gone: of one tick that is what is decided after all that has come.';

create table handoff.intent_checkpoint (
    lead_key    text primary key,
    at          timestamptz not null,
    contract_id int not null,
    half_life   interval,
    groups      text[] not null,
    heats       handoff.heat[] not null
);
comment on table handoff.intent_checkpoint is 'What purged activities had given a lead; its intent is folded from here on. Written by handoff.purge_activities().';
comment on column handoff.intent_checkpoint.lead_key is 'Lead.';
comment on column handoff.intent_checkpoint.at is 'Activities up to then are in it; one that comes later with a time up to then is kept but doesn''t count.';
comment on column handoff.intent_checkpoint.contract_id is 'Version they were folded under.';
comment on column handoff.intent_checkpoint.half_life is 'Its half-life; NULL: points stand still.';
comment on column handoff.intent_checkpoint.groups is 'Names of its intent groups. A later version takes over groups of the same name.';
comment on column handoff.intent_checkpoint.heats is 'What each group had come to.';
