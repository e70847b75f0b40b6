-- sql/schema/55-messages.sql: messages as others read them.
--
-- A view may only get new columns, at its end; a function that a view calls is frozen.

create view handoff.outbox_cloudevents as
select o.id,
       (select m.event_source from handoff.meta m) as source,
       '1.0' as specversion,
       'io.lead-handoff.' || o.type || '.v1' as type,
       o.lead_key as subject,
       o.created_at as time,
       'application/json' as datacontenttype,
       'urn:lead-handoff:' || o.type || ':v1' as dataschema,
       o.payload as data,
       o.lead_key as partitionkey,
       handoff.sequence_of(o.seq, o.n) as sequence,
       o.expires_at as expirytime,
       o.xid,
       handoff.cloudevent(o.id, o.type, o.lead_key, o.created_at, o.payload, handoff.sequence_of(o.seq, o.n), o.expires_at) as event
from handoff.outbox o;
comment on view handoff.outbox_cloudevents is 'The outbox as CloudEvents 1.0, one row a message: its attributes as columns, and the whole as a document.';
comment on column handoff.outbox_cloudevents.id is 'handoff.outbox.id.';
comment on column handoff.outbox_cloudevents.source is 'This installation: handoff.meta.event_source.';
comment on column handoff.outbox_cloudevents.specversion is 'Version of CloudEvents.';
comment on column handoff.outbox_cloudevents.type is 'io.lead-handoff., the type in handoff.outbox, and .v1.';
comment on column handoff.outbox_cloudevents.subject is 'Lead.';
comment on column handoff.outbox_cloudevents.time is 'When it happened: the decision''s now.';
comment on column handoff.outbox_cloudevents.datacontenttype is 'application/json.';
comment on column handoff.outbox_cloudevents.dataschema is 'The $id of the JSON Schema of data: docs/schemas.';
comment on column handoff.outbox_cloudevents.data is 'handoff.outbox.payload.';
comment on column handoff.outbox_cloudevents.partitionkey is 'Lead: messages of one lead have an order.';
comment on column handoff.outbox_cloudevents.sequence is 'That order, as a text that sorts that way.';
comment on column handoff.outbox_cloudevents.expirytime is 'From when it is not worth sending; NULL: it always is.';
comment on column handoff.outbox_cloudevents.xid is 'Transaction that wrote it.';
comment on column handoff.outbox_cloudevents.event is 'The event as a document (structured mode).';

create view handoff.outbox_settled as
select o.*
from handoff.outbox o
-- of a transaction that the snapshot doesn't know yet it could only be in the server that a dump came from
where (o.xid < pg_snapshot_xmin(pg_current_snapshot()) or o.xid >= pg_snapshot_xmax(pg_current_snapshot()))
  and o.xid is distinct from pg_current_xact_id_if_assigned();
comment on view handoff.outbox_settled is 'Messages of transactions before which none is still running: whoever reads them in order of (xid, lead_key, seq, n) and goes on after the last one misses none, also of transactions that commit late. In a database restored from a dump numbers begin anew: read from the beginning there.';
comment on column handoff.outbox_settled.lead_key is 'Lead.';
comment on column handoff.outbox_settled.seq is 'handoff.outbox.seq.';
comment on column handoff.outbox_settled.n is 'handoff.outbox.n.';
comment on column handoff.outbox_settled.id is 'Key of the message.';
comment on column handoff.outbox_settled.aggregatetype is 'lead.';
comment on column handoff.outbox_settled.aggregateid is 'Lead.';
comment on column handoff.outbox_settled.type is 'Type of the message.';
comment on column handoff.outbox_settled.payload is 'What it says.';
comment on column handoff.outbox_settled.created_at is 'When it happened: the decision''s now.';
comment on column handoff.outbox_settled.expires_at is 'From when it is not worth sending; NULL: it always is.';
comment on column handoff.outbox_settled.xid is 'Transaction that wrote it: where a reader has got to.';

create view handoff.dead_letter as
select d.destination,
       coalesce(d.digest, o.id) as id,
       o.type,
       d.lead_key,
       d.seq,
       d.n,
       d.attempts,
       d.last_error,
       d.leased_by,
       d.visible_at as given_up_at,
       o.created_at,
       o.payload
from handoff.delivery d
join handoff.outbox o on o.lead_key = d.lead_key and o.seq = d.seq and o.n = d.n
where d.state = 'dead';
comment on view handoff.dead_letter is 'Messages that were given up: a worker did, or they failed too often. handoff.requeue() tries them again.';
comment on column handoff.dead_letter.destination is 'Destination.';
comment on column handoff.dead_letter.id is 'For handoff.requeue(): key of the message, or of the digest that it was part of.';
comment on column handoff.dead_letter.type is 'Type of the message.';
comment on column handoff.dead_letter.lead_key is 'Lead.';
comment on column handoff.dead_letter.seq is 'handoff.outbox.seq.';
comment on column handoff.dead_letter.n is 'handoff.outbox.n.';
comment on column handoff.dead_letter.attempts is 'How often it was leased.';
comment on column handoff.dead_letter.last_error is 'What the worker said last.';
comment on column handoff.dead_letter.leased_by is 'Worker that had it last.';
comment on column handoff.dead_letter.given_up_at is 'When it was given up (clock time).';
comment on column handoff.dead_letter.created_at is 'When what it tells of happened.';
comment on column handoff.dead_letter.payload is 'What it says.';
