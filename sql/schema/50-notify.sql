-- sql/schema/50-notify.sql: what the outside must hear of, and who has heard it.
--
-- A message is written in the transaction that decided what it tells of, so there is never one without the
-- other; and with it, by src/flow/notify.c, a delivery for each destination that has subscribed. The lead's
-- lock makes seq rise with commit order, which is what lets lease() keep the order of a lead's messages.

create table handoff.outbox (
    lead_key      text not null,
    seq           bigint not null,
    n             int not null default 1,
    id            uuid not null default gen_random_uuid(),
    aggregatetype text not null default 'lead',
    aggregateid   text not null,
    type          text not null,
    payload       jsonb not null,
    created_at    timestamptz not null,
    expires_at    timestamptz,
    xid           xid8 not null default pg_current_xact_id(),
    primary key (lead_key, seq, n),
    constraint outbox_id_once unique (id)
);
create index outbox_xid on handoff.outbox (xid);
comment on table handoff.outbox is 'What the outside must hear of, one row a message; only ever inserted. The columns id, aggregatetype, aggregateid, type and payload are those of Debezium''s outbox router.';
comment on column handoff.outbox.lead_key is 'Lead.';
comment on column handoff.outbox.seq is 'Number of the log entry (handoff.event.seq) that it tells of; rises with each event of a lead.';
comment on column handoff.outbox.n is 'Number among the messages of that log entry, from 1.';
comment on column handoff.outbox.id is 'Key of the message for its receivers: the same at every delivery, so that a repeated one can be dropped.';
comment on column handoff.outbox.aggregatetype is 'Kind of thing it is about: lead.';
comment on column handoff.outbox.aggregateid is 'Key of that thing: the lead''s key.';
comment on column handoff.outbox.type is 'handoff.created, handoff.assigned, handoff.unassigned, handoff.disposed, lead.blocked ..: docs/notify.md lists them.';
comment on column handoff.outbox.payload is 'What a receiver needs to act on it, with the brief; by type in docs/schemas.';
comment on column handoff.outbox.created_at is 'When it happened: the decision''s now.';
comment on column handoff.outbox.expires_at is 'From when it is not worth sending any more; NULL: always worth it.';
comment on column handoff.outbox.xid is 'Transaction that wrote it: see handoff.outbox_settled.';

create table handoff.destination (
    destination  text primary key check (destination <> ''),
    max_attempts int not null default 15 check (max_attempts >= 1),
    backoff      interval not null default '10 seconds' check (backoff > '0'),
    max_backoff  interval not null default '1 hour',
    send_stale   boolean not null default false,
    constraint destination_backoff check (max_backoff >= backoff)
);
comment on table handoff.destination is 'How messages are delivered to a destination: made by handoff.subscribe() with these defaults, changed by handoff.set_destination().';
comment on column handoff.destination.destination is 'Name of the destination, for example slack.';
comment on column handoff.destination.max_attempts is 'After so many leases that did not end with an ack() a message is dead.';
comment on column handoff.destination.backoff is 'How long after the first failure it is tried again; doubled with each further one.';
comment on column handoff.destination.max_backoff is 'At most so long.';
comment on column handoff.destination.send_stale is 'Whether messages are sent that are overtaken by what has happened since (docs/notify.md): for a destination that keeps a record, not for one that asks people to act.';

create table handoff.subscription (
    destination  text not null,
    type_pattern text not null,
    criteria     handoff.criteria,
    digest       interval,
    created_at   timestamptz not null default clock_timestamp(),
    primary key (destination, type_pattern),
    constraint subscription_destination check (destination <> ''),
    -- the drain must not fail because of it, and a lone backslash at the end makes LIKE fail
    constraint subscription_type_pattern check (type_pattern <> '' and strpos(type_pattern, '\') = 0),
    constraint subscription_digest check (digest >= interval '1 second' and extract(year from digest) = 0 and extract(month from digest) = 0)
);
comment on table handoff.subscription is 'Which destinations hear of which types of messages. Made by handoff.subscribe().';
comment on column handoff.subscription.destination is 'Name of the destination, for example slack.';
comment on column handoff.subscription.type_pattern is 'LIKE pattern over handoff.outbox.type, without escapes; % is every message.';
comment on column handoff.subscription.criteria is 'Of which leads, by their fields when it happens; NULL: of all. Under a contract that does not know its fields it leaves none out.';
comment on column handoff.subscription.digest is 'Messages are collected for so long, by whom they are for, and delivered as one; NULL: each alone. Periods are counted from Monday, 3 January 2000, 00:00 UTC.';
comment on column handoff.subscription.created_at is 'When it was made (clock time); earlier messages are not delivered.';

create table handoff.delivery (
    lead_key     text not null,
    seq          bigint not null,
    n            int not null,
    destination  text not null,
    state        text not null default 'pending',
    attempts     int not null default 0,
    visible_at   timestamptz not null default clock_timestamp(),
    token        uuid,
    leased_until timestamptz,
    leased_by    text,
    last_error   text,
    done_at      timestamptz,
    digest_for   text,
    digest       uuid,
    primary key (lead_key, seq, n, destination),
    constraint delivery_state check (state in ('pending', 'leased', 'done', 'dead', 'expired')),
    constraint delivery_leased check ((state = 'leased') = (leased_until is not null)),
    constraint delivery_done check ((state = 'done') = (done_at is not null)),
    constraint delivery_digest check (digest is null or digest_for is not null)
);
-- who is next, of all leads; what comes before, within a lead; the same of digests, where a period ends for many at once
create index delivery_waiting on handoff.delivery (destination, visible_at) where state in ('pending', 'leased') and digest_for is null;
create index delivery_lead on handoff.delivery (destination, lead_key, seq, n) where state in ('pending', 'leased') and digest_for is null;
create index delivery_digests on handoff.delivery (destination, digest_for, digest, visible_at, lead_key, seq, n) where state in ('pending', 'leased') and digest_for is not null;
create index delivery_digest_id on handoff.delivery (digest) where digest is not null;
create index delivery_dead on handoff.delivery (destination) where state = 'dead';
comment on table handoff.delivery is 'One row a message and destination: how far its delivery has come. Fanned out from the subscriptions of the moment; moved on by handoff.lease(), ack() and nack().';
comment on column handoff.delivery.lead_key is 'Lead.';
comment on column handoff.delivery.seq is 'handoff.outbox.seq.';
comment on column handoff.delivery.n is 'handoff.outbox.n.';
comment on column handoff.delivery.destination is 'Destination.';
comment on column handoff.delivery.state is 'pending, leased (somebody is at it), done (acknowledged), dead (given up: see handoff.dead_letter) or expired (not worth sending any more before it was sent).';
comment on column handoff.delivery.attempts is 'How often it was leased, since it was made or requeued.';
comment on column handoff.delivery.visible_at is 'From when it may be leased, or leased again (clock time); the end of the lease while it is leased. One that an earlier message of its lead keeps waiting is moved to the end of that one''s wait, and when that is over back to when it was made. Of one that is dead or expired: since when.';
comment on column handoff.delivery.token is 'Proof of the newest lease: only who holds it may acknowledge. NULL: none, or it was given back.';
comment on column handoff.delivery.leased_until is 'Until when the lease holds (clock time); NULL: not leased.';
comment on column handoff.delivery.leased_by is 'Worker that leased it last, by its own name.';
comment on column handoff.delivery.last_error is 'What the worker said when it gave it back; expired, superseded.';
comment on column handoff.delivery.done_at is 'When it was first acknowledged (clock time); NULL: it wasn''t.';
comment on column handoff.delivery.digest_for is 'It is delivered together with others for the same rep or address (empty: for nobody in particular); NULL: alone.';
comment on column handoff.delivery.digest is 'Key of the digest that it was first leased with, the same at every delivery of that digest; NULL: of none yet.';
