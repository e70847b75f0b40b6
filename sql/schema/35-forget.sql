-- sql/schema/35-forget.sql: who was forgotten.
--
-- Nothing here tells who it was: of each key there is a hash, under a secret that no role but the owner of
-- the tables may read, whatever handoff.grant_access() gives it.

create table handoff.secret (
    id         boolean primary key default true check (id),
    key        bytea not null,
    made_at    timestamptz not null default clock_timestamp()
);
comment on table handoff.secret is 'What the hashes of handoff.tombstone are keyed with; one row. Not to be read by anybody, not to be changed: without it nobody who was forgotten is known again.';
comment on column handoff.secret.id is 'Always true: there is one row.';
comment on column handoff.secret.key is '32 random bytes, made by setup().';
comment on column handoff.secret.made_at is 'When (clock time).';
insert into handoff.secret (key) values (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

create table handoff.tombstone (
    digest       text collate "C" primary key,
    kind         text not null check (kind in ('lead', 'row', 'person', 'left')),
    forgotten_at timestamptz not null
);
comment on table handoff.tombstone is 'Keys of people who were forgotten, hashed: what a sync delivers of them is left out. Written by handoff.forget(); kept for ever.';
comment on column handoff.tombstone.digest is 'HMAC-SHA-256 of kind and key under handoff.secret, hexadecimal.';
comment on column handoff.tombstone.kind is 'What was hashed: lead (key of a lead, or another key of it), row (source and key of its row), person (lead.person_key), left (source and key of a row that was left out because of its person).';
comment on column handoff.tombstone.forgotten_at is 'When (p_now of forget(), or of the decision that left the row out).';

create table handoff.forgotten_drop (
    id      uuid primary key,
    source  text not null,
    rows    bigint not null,
    last_at timestamptz not null
);
comment on table handoff.forgotten_drop is 'How many rows were left out because they are of somebody who was forgotten; several rows of a source add up. Shown by source_health.forgotten.';
comment on column handoff.forgotten_drop.id is 'Key of the row.';
comment on column handoff.forgotten_drop.source is 'handoff.source.name.';
comment on column handoff.forgotten_drop.rows is 'Rows that were left out; one that is delivered again counts again.';
comment on column handoff.forgotten_drop.last_at is 'When the last of them was (clock time).';

create view handoff.forgotten as
select t.digest,
       t.kind,
       t.forgotten_at,
       (select handoff.secret_mark()) as secret_mark
from handoff.tombstone t;
comment on view handoff.forgotten is 'Tombstones as they can be kept outside, and given to reapply_forgotten() of a restored copy: they tell nothing of anybody.';
comment on column handoff.forgotten.digest is 'handoff.tombstone.digest.';
comment on column handoff.forgotten.kind is 'handoff.tombstone.kind.';
comment on column handoff.forgotten.forgotten_at is 'handoff.tombstone.forgotten_at.';
comment on column handoff.forgotten.secret_mark is 'Which secret the digest was made with: a digest of a constant under it.';
