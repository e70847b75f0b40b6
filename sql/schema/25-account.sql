-- sql/schema/25-account.sql: the companies that leads belong to, as the CRM has them.

create table handoff.account (
    account_key text primary key,
    source      text not null,
    raw_key     text not null,
    fields      jsonb not null,
    version     timestamptz,
    seen_at     timestamptz not null,
    deleted_at  timestamptz
);
create index account_source on handoff.account (source, raw_key);
comment on table handoff.account is 'One row an account, as its source has it now.';
comment on column handoff.account.account_key is 'Key of its row, with the source''s key prefix; what handoff.lead.account_key names.';
comment on column handoff.account.source is 'handoff.source.name it came from.';
comment on column handoff.account.raw_key is 'Key of the row in that source.';
comment on column handoff.account.fields is 'Its fields: name, domain, owner, named, tier, customer and those the contract declares for accounts; a NULL field is absent. A lead has them as account.x.';
comment on column handoff.account.version is 'Version time of the row, if one is mapped. Older rows are ignored.';
comment on column handoff.account.seen_at is 'When it was first captured (clock time).';
comment on column handoff.account.deleted_at is 'When its row was found gone; NULL: it is there.';
