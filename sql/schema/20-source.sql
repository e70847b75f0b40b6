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
    id_format       text not null default 'plain' check (id_format in ('plain', 'salesforce')),
    mapping         jsonb not null default '{}' check (jsonb_typeof(mapping) = 'object'),
    since           timestamptz not null,
    capture         text not null check (capture in ('statement', 'row', 'poll')),
    capture_asked   text not null check (capture_asked in ('auto', 'statement', 'row', 'poll')),
    capture_reason  text not null,
    contract        text,
    key_indexed     boolean not null,
    attached_at     timestamptz not null,
    table_ids       bigint[] not null default '{}',
    table_files     bigint[] not null default '{}',
    table_columns   text not null default '',
    guard_columns   text[],
    fault           text,
    delete_grace    interval not null check (delete_grace >= '0'),
    deletes_held_at timestamptz,
    leavers_held_at timestamptz,
    poll_interval   interval not null check (poll_interval >= '0'),
    polled_at       timestamptz,
    polled_version  timestamptz,
    paused_at       timestamptz,
    link            text check (strpos(link, '{key}') > 0),
    unique (schema_name, table_name)
);
create index source_kind on handoff.source (kind);
comment on table handoff.source is 'A synced table that is watched. Made by handoff.attach(), never by hand.';
comment on column handoff.source.name is 'Name of the source: schema.table as it was attached.';
comment on column handoff.source.kind is 'What a row is: lead, activity, account, opportunity, link, rep.';
comment on column handoff.source.schema_name is 'Schema of the table. Text, not an oid: sync tools drop and rename tables.';
comment on column handoff.source.table_name is 'Name of the table in that schema, exactly as stored.';
comment on column handoff.source.key_columns is 'Columns that make the key of a row, in order.';
comment on column handoff.source.key_prefix is 'Put before the row''s key (before an activity''s lead key) to make the lead key; keeps two CRMs apart.';
comment on column handoff.source.id_format is 'How its ids are written: plain, or salesforce (15 or 18 characters; lead_key and other keys have 18).';
comment on column handoff.source.mapping is 'Target name -> entry: a column''s name, or an object or list that says more (docs/mapping.md). Targets: the contract''s fields of this kind, the built-in mapped ones, version, deleted, is_current, loaded_at.';
comment on column handoff.source.since is 'Leads older than this are scored and kept, but pass no leg until something newer happens.';
comment on column handoff.source.capture is 'How changes are noticed: statement (triggers with transition tables), row (triggers), poll (the table is read at intervals).';
comment on column handoff.source.capture_asked is 'What attach() was asked for: auto or one of them.';
comment on column handoff.source.capture_reason is 'Why it is this one.';
comment on column handoff.source.contract is 'Name of the contract that decides its leads; NULL: the only one in force.';
comment on column handoff.source.key_indexed is 'An index begins with the key columns, as the last tick found it. Without one, rows are decided by tick() only.';
comment on column handoff.source.attached_at is 'When the table was attached, by attach() or anew by tick() (clock time).';
comment on column handoff.source.table_ids is 'Numbers that the table, its partitions and children had then, sorted: others mean that it was replaced. No dependency: the table can be dropped.';
comment on column handoff.source.table_files is 'Numbers of their files when they were last compared with what is known, sorted: others mean that their rows were rewritten.';
comment on column handoff.source.table_columns is 'Place, name and type that the columns that are read or make the key had then: others mean that rows may read differently.';
comment on column handoff.source.guard_columns is 'Columns that the mapping reads: an update that changes none of them is not captured. NULL: every update is. Changed only while nobody writes to the table.';
comment on column handoff.source.fault is 'What keeps its changes from being noticed, as the last tick() left it; NULL: nothing.';
comment on column handoff.source.delete_grace is 'How long a row must be gone to count as deleted.';
comment on column handoff.source.deletes_held_at is 'Since when deletions are held since too many rows were gone at once (p_now of that tick); NULL: they are not.';
comment on column handoff.source.leavers_held_at is 'Since when reps stay active whose CRM users have gone, since those were too many at once (p_now of that tick); NULL: they do not.';
comment on column handoff.source.poll_interval is 'How often capture by poll looks.';
comment on column handoff.source.polled_at is 'When it last looked (p_now of that tick); NULL: never.';
comment on column handoff.source.polled_version is 'Newest version that it has seen; NULL: none, or no version is mapped.';
comment on column handoff.source.link is 'Address of a record in the CRM, {key} in place of its key; see handoff.set_link(). NULL: not known.';
comment on column handoff.source.paused_at is 'Since when its rows wait, by pause(source) (clock time); NULL: they don''t.';

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
comment on column handoff.inbox.op is 'I inserted, U updated, D deleted, B backfill (was there when the table was attached), R decide again, H somebody has heard of its assignment, X gone for good (its grace period is over), T its whole table is to be compared (raw_key is empty): it was truncated, or changed where the keys could not be told.';
comment on column handoff.inbox.xid is 'Transaction that captured the row.';
comment on column handoff.inbox.at is 'When it was captured (clock time).';

create table handoff.scan (
    scan_id      uuid primary key,
    source       text not null,
    purpose      text not null check (purpose in ('backfill', 'reconcile', 'poll')),
    reason       text not null,
    requested_at timestamptz not null,
    started_at   timestamptz,
    stepped_at   timestamptz,
    finished_at  timestamptz,
    phase        text not null default 'table' check (phase in ('table', 'known')),
    at_table     bigint,
    at_file      bigint,
    at_block     bigint,
    after_key    text,
    after_version timestamptz,
    blocks       bigint not null default 0,
    blocks_read  bigint not null default 0,
    seen         bigint not null default 0,
    queued       bigint not null default 0,
    gone         bigint not null default 0,
    error        text
);
create index scan_source on handoff.scan (source, requested_at);
comment on table handoff.scan is 'Reading a whole table bit by bit: its rows when it was attached (backfill), what differs from what we know (reconcile), what is new (poll). Worked on by tick(), in order; of the finished ones the newest is kept.';
comment on column handoff.scan.scan_id is 'Random; the order of requests is (requested_at, scan_id).';
comment on column handoff.scan.source is 'handoff.source.name.';
comment on column handoff.scan.purpose is 'backfill: queue every row. reconcile: queue rows that differ from what is known, and known rows that are gone. poll: queue rows that differ, from the newest version seen on.';
comment on column handoff.scan.reason is 'Who asked for it: attach, reconcile(), or what was wrong with the source.';
comment on column handoff.scan.requested_at is 'When it was asked for (clock time).';
comment on column handoff.scan.started_at is 'When it began (clock time); NULL: not yet.';
comment on column handoff.scan.stepped_at is 'When it last made progress (clock time); NULL: not yet.';
comment on column handoff.scan.finished_at is 'When it was through (clock time); NULL: it is not.';
comment on column handoff.scan.phase is 'table: the table is being read. known: what we know is being looked up in it.';
comment on column handoff.scan.at_table is 'Number of the table or partition that is being read.';
comment on column handoff.scan.at_file is 'Number of its file: after VACUUM FULL or TRUNCATE it is another, and reading begins anew.';
comment on column handoff.scan.at_block is 'Block of it to go on with.';
comment on column handoff.scan.after_key is 'Key to go on after, of what is read in order of key.';
comment on column handoff.scan.after_version is 'Version to go on after (poll); NULL: all.';
comment on column handoff.scan.blocks is 'Blocks of the table and its partitions when it began; 0: not read by blocks.';
comment on column handoff.scan.blocks_read is 'Blocks read.';
comment on column handoff.scan.seen is 'Rows read.';
comment on column handoff.scan.queued is 'Rows put into the inbox.';
comment on column handoff.scan.gone is 'Known rows that are not in the table any more, among those queued.';
comment on column handoff.scan.error is 'What the last step failed with, to be tried again; NULL: it did not.';

create table handoff.absence (
    source  text not null,
    raw_key text not null,
    gone_at timestamptz not null,
    primary key (source, raw_key)
);
comment on table handoff.absence is 'Known rows that were found gone from their table. They count as deleted when they still are after source.delete_grace, unless too many of the source are gone at once.';
comment on column handoff.absence.source is 'handoff.source.name.';
comment on column handoff.absence.raw_key is 'Key of the row, as in inbox.';
comment on column handoff.absence.gone_at is 'When it was last found gone (p_now of that decision).';

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
