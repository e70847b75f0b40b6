-- sql/schema/50-notify.sql: what the outside must hear of, and who has heard it.
--
-- An event is written in the transaction that decided it, so there is never one without the other.
-- Who decides many leads at once writes their events with two statements, in this order:
--
--     insert into handoff.outbox (lead_key, seq, n, aggregatetype, aggregateid, type, payload, created_at)
--     select o.lead_key, o.seq, o.n, 'lead', o.lead_key, o.type, o.payload, $6
--     from unnest($1::text[], $2::bigint[], $3::int[], $4::text[], $5::jsonb[])
--          as o (lead_key, seq, n, type, payload);
--
--     insert into handoff.delivery (lead_key, seq, n, destination)
--     select distinct o.lead_key, o.seq, o.n, s.destination
--     from unnest($1::text[], $2::bigint[], $3::int[], $4::text[]) as o (lead_key, seq, n, type)
--     join handoff.subscription s on o.type like s.type_pattern
--     order by o.lead_key, o.seq, o.n, s.destination;
--
-- The second reads its parameters and not the outbox, so a destination that subscribes between the
-- two hears the whole batch. The lead's lock makes seq rise with commit order, which is what lets
-- lease() keep the order of a lead's events.

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
    primary key (lead_key, seq, n),
    constraint outbox_id_once unique (id)
);
comment on table handoff.outbox is 'What the outside must hear of, one row an event; only ever inserted. The columns id, aggregatetype, aggregateid, type and payload are those of Debezium''s outbox router.';
comment on column handoff.outbox.lead_key is 'Lead.';
comment on column handoff.outbox.seq is 'Number of the log entry (handoff.event.seq) that it tells of; rises with each event of a lead.';
comment on column handoff.outbox.n is 'Number among the events of that log entry, from 1.';
comment on column handoff.outbox.id is 'Key of the event for its receivers: the same at every delivery, so that a repeated one can be dropped.';
comment on column handoff.outbox.aggregatetype is 'Kind of thing it is about: lead.';
comment on column handoff.outbox.aggregateid is 'Key of that thing: the lead''s key.';
comment on column handoff.outbox.type is 'handoff.created, handoff.assigned, handoff.unassigned, handoff.disposed, lead.blocked ..: docs/notify.md lists them.';
comment on column handoff.outbox.payload is 'What a receiver needs to act on it, with the brief; by type in docs/notify.md.';
comment on column handoff.outbox.created_at is 'When it happened: the decision''s now.';
comment on column handoff.outbox.expires_at is 'From when it is not worth sending any more; NULL: always worth it.';

create table handoff.subscription (
    destination  text not null,
    type_pattern text not null,
    created_at   timestamptz not null default clock_timestamp(),
    primary key (destination, type_pattern),
    constraint subscription_destination check (destination <> ''),
    -- the drain must not fail because of it, and a lone backslash at the end makes LIKE fail
    constraint subscription_type_pattern check (type_pattern <> '' and strpos(type_pattern, '\') = 0)
);
comment on table handoff.subscription is 'Which destinations hear of which types of events. Made by handoff.subscribe().';
comment on column handoff.subscription.destination is 'Name of the destination, for example slack.';
comment on column handoff.subscription.type_pattern is 'LIKE pattern over handoff.outbox.type, without escapes; % is every event.';
comment on column handoff.subscription.created_at is 'When it was made (clock time); earlier events are not delivered.';

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
    primary key (lead_key, seq, n, destination),
    constraint delivery_state check (state in ('pending', 'leased', 'done', 'dead')),
    constraint delivery_leased check ((state = 'leased') = (leased_until is not null)),
    constraint delivery_done check ((state = 'done') = (done_at is not null))
);
create index delivery_waiting on handoff.delivery (destination, visible_at) where state in ('pending', 'leased');
comment on table handoff.delivery is 'One row an event and destination: how far its delivery has come. Fanned out from the subscriptions of the moment; moved on by handoff.lease(), ack() and nack().';
comment on column handoff.delivery.lead_key is 'Lead.';
comment on column handoff.delivery.seq is 'handoff.outbox.seq.';
comment on column handoff.delivery.n is 'handoff.outbox.n.';
comment on column handoff.delivery.destination is 'Destination.';
comment on column handoff.delivery.state is 'pending, leased (somebody is at it), done (acknowledged) or dead (given up, or expired before it was sent).';
comment on column handoff.delivery.attempts is 'How often it was leased.';
comment on column handoff.delivery.visible_at is 'From when it may be leased, or leased again (clock time); the end of the lease while it is leased.';
comment on column handoff.delivery.token is 'Proof of the newest lease: only who holds it may acknowledge. NULL: none, or it was given back.';
comment on column handoff.delivery.leased_until is 'Until when the lease holds (clock time); NULL: not leased.';
comment on column handoff.delivery.leased_by is 'Worker that leased it last, by its own name.';
comment on column handoff.delivery.last_error is 'What the worker said when it gave it back, or expired.';
comment on column handoff.delivery.done_at is 'When it was first acknowledged (clock time); NULL: it wasn''t.';
