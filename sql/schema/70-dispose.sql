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
    amount_reporting numeric,
    is_won          boolean not null,
    is_closed       boolean not null,
    version         timestamptz,
    seen_at         timestamptz not null,
    deleted_at      timestamptz
);
create index opportunity_account on handoff.opportunity (account_key, created_at) where account_key is not null;
comment on table handoff.opportunity is 'One row an opportunity, as its source has it now.';
comment on column handoff.opportunity.opportunity_key is 'Key of its row, with the source''s key prefix.';
comment on column handoff.opportunity.source is 'handoff.source.name it came from; api: handed in by a function.';
comment on column handoff.opportunity.account_key is 'Account that the CRM names, with the source''s key prefix.';
comment on column handoff.opportunity.owner is 'Its owner by the CRM.';
comment on column handoff.opportunity.created_at is 'When it was created, by the source; where that doesn''t say, when it was first captured.';
comment on column handoff.opportunity.closed_at is 'When it was closed, by the source, of an open one when that is expected; where it doesn''t say when it was closed, the version of the row, else when that was captured.';
comment on column handoff.opportunity.amount is 'Its amount as given, in its own currency.';
comment on column handoff.opportunity.currency is 'That currency, as given.';
comment on column handoff.opportunity.amount_reporting is 'Its amount in the reporting currency, where the CRM converts it itself; NULL: it doesn''t, see handoff.exchange_rate.';
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

create view handoff.opportunity_lead as
select k.lead_key,
       k.opportunity_key,
       ('{converted,contact_role,manual,account}'::text[])[min(array_position('{converted,contact_role,manual,account}'::text[], k.link_kind))] as link_kind
from (
    select lead_key, opportunity_key, link_kind
    from handoff.opportunity_link
    union all
    select l.lead_key, o.opportunity_key, 'account'
    from handoff.contract c
    join handoff.lead l on l.contract_id = c.contract_id and l.deleted_at is null
    join handoff.opportunity o on o.account_key = l.account_key and o.deleted_at is null
    where c.opportunity_window is not null
      and exists (select from handoff.handoff h
                  where h.lead_key = l.lead_key and h.handed_at <= o.created_at
                    and o.created_at <= (h.handed_at at time zone c.reporting_zone + c.opportunity_window) at time zone c.reporting_zone)
) k
group by k.lead_key, k.opportunity_key
-- who then looks something up of each lead finds it beside what he found last
order by k.lead_key, k.opportunity_key;
comment on view handoff.opportunity_lead is 'Which leads stand behind an opportunity, each pair once, by the strongest of the ways in which that is known: those of handoff.opportunity_link, and the account.';
comment on column handoff.opportunity_lead.lead_key is 'Lead, or a contact''s key until its lead is known.';
comment on column handoff.opportunity_lead.opportunity_key is 'Opportunity, possibly not captured yet.';
comment on column handoff.opportunity_lead.link_kind is 'converted, contact_role, manual, as in handoff.opportunity_link; account (no row says so: it is an opportunity of the lead''s account that was created within handoff.contract.opportunity_window after a handoff of the lead).';

create table handoff.alias (
    alias_key text primary key,
    lead_key  text not null,
    kind      text not null check (kind in ('converted', 'merged'))
);
create index alias_lead on handoff.alias (lead_key);
create index alias_merged on handoff.alias (alias_key) where kind = 'merged';
comment on table handoff.alias is 'Another key under which a lead is meant: of the contact it was converted to, of a lead that was merged into it.';
comment on column handoff.alias.alias_key is 'The other key.';
comment on column handoff.alias.lead_key is 'Lead; never a key that is an alias itself.';
comment on column handoff.alias.kind is 'converted: the contact that it was converted to. merged: a lead that was merged into it.';

create table handoff.violation (
    lead_key text not null,
    seq      bigint not null,
    at       timestamptz not null,
    rule     text not null,
    asked    text not null,
    code     text,
    wanted   text not null,
    action   text not null check (action in ('record', 'hold', 'revert')),
    taken    boolean not null,
    handoff_no int,
    rep      text,
    primary key (lead_key, seq)
);
comment on table handoff.violation is 'Statuses that somebody set in the CRM although the contract forbids what they mean. A sync can''t be refused; here it stands. Each is an event "violation" too.';
comment on column handoff.violation.lead_key is 'Lead.';
comment on column handoff.violation.seq is 'Number of the event.';
comment on column handoff.violation.at is 'When it was decided.';
comment on column handoff.violation.rule is 'What is against it: no_open_handoff, no_transition, criteria, required_fields, gate, note, work, unknown_code, no_recycle_path, not_handed_on, no_owner.';
comment on column handoff.violation.asked is 'The status that was set.';
comment on column handoff.violation.code is 'Disposition that it means; NULL: it qualifies.';
comment on column handoff.violation.wanted is 'What the contract asks for, in words, for example 3 of 6 touches.';
comment on column handoff.violation.action is 'What the disposition says of it: record, hold or revert.';
comment on column handoff.violation.taken is 'True: the disposition was given all the same.';
comment on column handoff.violation.handoff_no is 'Handoff that was open, else the one that had ended last; NULL: the lead was never handed over.';
comment on column handoff.violation.rep is 'Who had it, or had it last; NULL: nobody.';

create view handoff.writeback as
select l.lead_key,
       l.source,
       l.raw_key,
       r.crm_id as owner,
       l.stage,
       h.band,
       h.score,
       case
           when l.fields ->> 'crm_status' is not null and own.value is null then null
           when l.stage = any (own.stages) then own.value
           when v.action <> 'revert' and v.asked = own.value and v.at >= l.stage_since then own.value
           else ours.value
       end as status,
       greatest(l.stage_since, h.handed_at, h.closed_at, a.at, case v.action when 'revert' then v.at end) as updated_at
from handoff.lead l
left join lateral (
    -- the last one: open, else the one that ended last; where two ended at once, not the one that was returned
    select * from handoff.handoff n where n.lead_key = l.lead_key
    order by n.closed_at desc nulls first, n.outcome is not distinct from 'returned', n.handoff_no desc
    limit 1
) h on true
left join handoff.rep r on r.rep = h.rep and h.closed_at is null
left join lateral (
    select greatest(max(n.at), max(n.ended_at)) as at
    from handoff.assignment n where n.lead_key = h.lead_key and n.handoff_no = h.handoff_no
) a on true
left join lateral (
    select n.at, n.asked, n.action from handoff.violation n where n.lead_key = l.lead_key order by n.seq desc limit 1
) v on true
left join handoff.crm_status own on own.contract_id = l.contract_id and own.value = l.fields ->> 'crm_status'
left join lateral (
    select n.value
    from handoff.crm_status n
    where n.contract_id = l.contract_id and l.stage = any (n.stages)
    order by n.code is distinct from case when h.closed_at is not null then h.code end, n.ord
    limit 1
) ours on true
where l.deleted_at is null;
comment on view handoff.writeback is 'What a tool may write back into the CRM, one row a lead that is there. No value changes by the passing of time alone.';
comment on column handoff.writeback.lead_key is 'Lead.';
comment on column handoff.writeback.source is 'handoff.source.name it came from.';
comment on column handoff.writeback.raw_key is 'Key of its row there, which is its id in the CRM.';
comment on column handoff.writeback.owner is 'CRM id of the rep who has its open handoff; NULL: nobody has, or he has no CRM id.';
comment on column handoff.writeback.stage is 'Lifecycle stage.';
comment on column handoff.writeback.band is 'Band at its last handoff; NULL: none.';
comment on column handoff.writeback.score is 'Score at its last handoff, in points; NULL: never handed over.';
comment on column handoff.writeback.status is 'Status that fits the stage by handoff.crm_status: the CRM''s own where that does, or where a violation was left as it is. NULL: none fits, or the CRM has one that the contract doesn''t know, which is not ours to overwrite.';
comment on column handoff.writeback.updated_at is 'When stage, owner or handoff last changed, or a status was last to be reverted; never earlier than before.';
