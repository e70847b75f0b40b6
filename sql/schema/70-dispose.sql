-- sql/schema/70-dispose.sql: what became of it: opportunities, and who is meant by a key.

create table handoff.opportunity (
    opportunity_key text primary key,
    source          text not null,
    account_key     text,
    owner           text,
    created_at      timestamptz not null,
    closed_at       timestamptz,
    amount          numeric,
    currency        text,
    is_won          boolean not null,
    is_closed       boolean not null,
    version         timestamptz,
    seen_at         timestamptz not null,
    deleted_at      timestamptz
);
comment on table handoff.opportunity is 'One row an opportunity, as its source has it now.';
comment on column handoff.opportunity.opportunity_key is 'Key of its row, with the source''s key prefix.';
comment on column handoff.opportunity.source is 'handoff.source.name it came from; api: handed in by a function.';
comment on column handoff.opportunity.account_key is 'Account that the CRM names.';
comment on column handoff.opportunity.owner is 'Its owner by the CRM.';
comment on column handoff.opportunity.created_at is 'When it was created, by the source.';
comment on column handoff.opportunity.closed_at is 'When it was closed, by the source.';
comment on column handoff.opportunity.amount is 'Its amount as given, in its own currency.';
comment on column handoff.opportunity.currency is 'That currency, as given.';
comment on column handoff.opportunity.is_won is 'It was won.';
comment on column handoff.opportunity.is_closed is 'It is closed, won or lost.';
comment on column handoff.opportunity.version is 'Version time of the row, if one is mapped.';
comment on column handoff.opportunity.seen_at is 'When it was first captured (clock time).';
comment on column handoff.opportunity.deleted_at is 'When its row was found gone; NULL: it is there.';

create table handoff.opportunity_link (
    lead_key        text not null,
    opportunity_key text not null,
    source          text not null,
    link_key        text not null,
    link_kind       text not null check (link_kind in ('converted', 'contact_role', 'manual')),
    primary key (lead_key, opportunity_key, source, link_key)
);
create index opportunity_link_opportunity on handoff.opportunity_link (opportunity_key);
create index opportunity_link_key on handoff.opportunity_link (source, link_key);
comment on table handoff.opportunity_link is 'Which leads stand behind an opportunity, and how that is known; one row for each way it is known.';
comment on column handoff.opportunity_link.lead_key is 'Lead, or a contact''s key until its lead is known.';
comment on column handoff.opportunity_link.opportunity_key is 'Opportunity, possibly not captured yet.';
comment on column handoff.opportunity_link.source is 'handoff.source.name that says so.';
comment on column handoff.opportunity_link.link_key is 'Key of the row that says so.';
comment on column handoff.opportunity_link.link_kind is 'converted (the lead names it), contact_role (a row of a source of kind link), manual.';

create table handoff.alias (
    alias_key text primary key,
    lead_key  text not null
);
create index alias_lead on handoff.alias (lead_key);
comment on table handoff.alias is 'Another key under which the CRM means a lead: the contact it was converted to.';
comment on column handoff.alias.alias_key is 'The other key.';
comment on column handoff.alias.lead_key is 'Lead.';
