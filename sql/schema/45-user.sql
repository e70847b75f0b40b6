-- sql/schema/45-user.sql: users of the CRM, who may be reps.

create table handoff.crm_user (
    crm_id         text primary key,
    source         text not null,
    raw_key        text not null,
    name           text,
    email          text,
    zone           text,
    active         boolean not null,
    manager        text,
    chat_id        text,
    human          boolean not null,
    version        timestamptz,
    seen_at        timestamptz not null,
    deleted_at     timestamptz,
    rep            text references handoff.rep on delete set null on update cascade,
    applied        jsonb not null default '{}',
    leaving_since  timestamptz,
    deactivated_at timestamptz
);
create index crm_user_source on handoff.crm_user (source, raw_key);
create index crm_user_rep on handoff.crm_user (rep) where rep is not null;
create index crm_user_manager on handoff.crm_user (manager) where manager is not null;
create index crm_user_automated on handoff.crm_user (crm_id) where not human;
create index crm_user_leaving on handoff.crm_user (source) where leaving_since is not null;
comment on table handoff.crm_user is 'One row a user of a CRM, as its source of kind rep has it now; also those who are no reps.';
comment on column handoff.crm_user.crm_id is 'Key of its row: what owners and activities name. Has no key prefix.';
comment on column handoff.crm_user.source is 'handoff.source.name it came from.';
comment on column handoff.crm_user.raw_key is 'Key of the row in that source.';
comment on column handoff.crm_user.name is 'Name in full.';
comment on column handoff.crm_user.email is 'E-mail address.';
comment on column handoff.crm_user.zone is 'Time zone as the CRM names it.';
comment on column handoff.crm_user.active is 'Whether the CRM lets him in; true if it doesn''t say.';
comment on column handoff.crm_user.manager is 'CRM id of the manager.';
comment on column handoff.crm_user.chat_id is 'Key in the chat tool.';
comment on column handoff.crm_user.human is 'A person who may work leads; true if the CRM doesn''t say. False: never made a rep, and what he does is no touch.';
comment on column handoff.crm_user.version is 'Version time of the row, if one is mapped. Older rows are ignored.';
comment on column handoff.crm_user.seen_at is 'When it was first captured (clock time).';
comment on column handoff.crm_user.deleted_at is 'When its row was found gone; NULL: it is there.';
comment on column handoff.crm_user.rep is 'The rep who he is; NULL: none, or it can''t be told which.';
comment on column handoff.crm_user.applied is 'What of it the rep was given last: only what is another since is given to him again, so what somebody has changed by hand stays.';
comment on column handoff.crm_user.leaving_since is 'Since when his rep is to become inactive (p_now of that decision), at the next tick unless held; -infinity: somebody let it happen; NULL: he is not.';
comment on column handoff.crm_user.deactivated_at is 'When his rep was made inactive for it (p_now of that tick), -infinity: after it had been held; NULL: he was not, or is active again.';
