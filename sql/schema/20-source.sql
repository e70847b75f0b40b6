-- sql/schema/20-source.sql: where rows come from, and what waits to be decided.
--
-- inbox and wake are what capture writes inside a sync's transaction: their columns are frozen, and
-- neither has a unique key, since ON CONFLICT would wait for other writers.

create table handoff.source (
    name            text primary key,
    kind            text not null check (kind in ('lead', 'activity', 'account', 'opportunity', 'link', 'rep')),
    schema_name     text not null,
    table_name      text not null,
    key_columns     text[] not null check (cardinality(key_columns) > 0),
    key_prefix      text not null default '',
    mapping         jsonb not null default '{}' check (jsonb_typeof(mapping) = 'object'),
    since           timestamptz not null,
    capture         text not null default 'statement' check (capture in ('statement', 'row')),
    contract        text,
    key_indexed     boolean not null,
    attached_at     timestamptz not null,
    unique (schema_name, table_name)
);
comment on table handoff.source is 'A synced table that is watched. Made by handoff.attach(), never by hand.';
comment on column handoff.source.name is 'Name of the source: schema.table as it was attached.';
comment on column handoff.source.kind is 'What a row is: lead, activity, account, opportunity, link, rep.';
comment on column handoff.source.schema_name is 'Schema of the table. Text, not an oid: sync tools drop and rename tables.';
comment on column handoff.source.table_name is 'Name of the table in that schema, exactly as stored.';
comment on column handoff.source.key_columns is 'Columns that make the key of a row, in order.';
comment on column handoff.source.key_prefix is 'Put before the row''s key (before an activity''s lead key) to make the lead key; keeps two CRMs apart.';
comment on column handoff.source.mapping is 'Target name -> column name. Targets: the contract''s fields of this kind, the built-in mapped ones, version, deleted.';
comment on column handoff.source.since is 'Leads older than this are scored and kept, but pass no leg until something newer happens.';
comment on column handoff.source.capture is 'How changes are noticed: statement (transition tables) or row triggers.';
comment on column handoff.source.contract is 'Name of the contract that decides its leads; NULL: the only one in force.';
comment on column handoff.source.key_indexed is 'An index begins with the key columns. Without one, rows are decided by tick() only.';
comment on column handoff.source.attached_at is 'When the table was attached (clock time).';

create table handoff.inbox (
    source   text not null,
    raw_key  text not null,
    op       "char" not null,
    xid      xid8 not null,
    at       timestamptz not null
);
alter table handoff.inbox replica identity full;
alter table handoff.inbox set (autovacuum_vacuum_scale_factor = 0.02);
create index inbox_xid on handoff.inbox (xid);
comment on table handoff.inbox is 'Keys of changed rows that wait for a decision. Written by capture in the sync''s transaction, emptied by the drain.';
comment on column handoff.inbox.source is 'handoff.source.name.';
comment on column handoff.inbox.raw_key is 'The row''s key as text; a key of several columns as a JSON array of texts.';
comment on column handoff.inbox.op is 'I inserted, U updated, D deleted, B backfill (was there when the table was attached), R decide again.';
comment on column handoff.inbox.xid is 'Transaction that captured the row.';
comment on column handoff.inbox.at is 'When it was captured (clock time).';

create unlogged table handoff.wake (
    xid xid8 not null
);
comment on table handoff.wake is 'One row while a transaction that captured something commits: its deferred trigger decides small transactions at their own commit.';
comment on column handoff.wake.xid is 'The transaction.';
create constraint trigger drain_at_commit
    after insert on handoff.wake
    deferrable initially deferred
    for each row execute function handoff.drain_at_commit();
alter table handoff.wake enable always trigger drain_at_commit;

create table handoff.quarantine (
    source   text not null,
    raw_key  text not null,
    sqlstate text not null,
    message  text not null,
    first_at timestamptz not null,
    last_at  timestamptz not null,
    attempts int not null,
    primary key (source, raw_key)
);
comment on table handoff.quarantine is 'Rows that could not be read or decided. Everything else goes on; handoff.retry_quarantine() tries them again, and so does the row''s next change.';
comment on column handoff.quarantine.source is 'handoff.source.name.';
comment on column handoff.quarantine.raw_key is 'Key of the row, as in inbox; of one longer than 1000 bytes the beginning and two dots.';
comment on column handoff.quarantine.sqlstate is 'SQLSTATE of the newest error.';
comment on column handoff.quarantine.message is 'Message of the newest error.';
comment on column handoff.quarantine.first_at is 'When it first failed (clock time).';
comment on column handoff.quarantine.last_at is 'When it last failed (clock time).';
comment on column handoff.quarantine.attempts is 'How often it failed.';
