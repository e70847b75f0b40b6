-- sql/schema/42-territory.sql: maps of territories: which pool or rep a key belongs to.
--
-- A map is there as long as it has rows. Rows of one map that hold at the same time never contradict each
-- other: triggers refuse that once a statement, so that a COPY of a whole map is checked as one.

create table handoff.territory (
    map        text collate "C" not null,
    kind       text collate "C" not null default 'exact',
    key        text collate "C" not null,
    high       text collate "C" not null default '',
    pool       text references handoff.pool on update cascade,
    rep        text references handoff.rep on update cascade,
    valid_from timestamptz not null default '-infinity',
    valid_to   timestamptz not null default 'infinity',
    span       handoff.key_range generated always as (
                   case when handoff.territory_place(map, kind, key) <= handoff.territory_place(map, kind, nullif(high, '')) collate "C"
                        then handoff.key_range(handoff.territory_place(map, kind, key), handoff.territory_place(map, kind, high), '[]') end
               ) stored,
    primary key (map, kind, key, high, valid_from),
    constraint territory_map check (map <> '' and char_length(map) <= 100),
    constraint territory_kind check (kind in ('exact', 'prefix', 'range', 'number')),
    constraint territory_key check (key <> '' and char_length(key) <= case kind when 'prefix' then 100 else 200 end),
    constraint territory_high check ((high <> '') = (kind in ('range', 'number'))),
    constraint territory_range check (kind <> 'range' or char_length(high) = char_length(key)),
    constraint territory_order check ((span is not null) = (kind in ('range', 'number'))),
    constraint territory_target check (num_nonnulls(pool, rep) = 1),
    constraint territory_validity check (valid_from < valid_to)
);

create index territory_span on handoff.territory using gist (span) where span is not null;
create index territory_valid_from on handoff.territory (valid_from) where valid_from > '-infinity';

comment on table handoff.territory is 'Maps of territories: which pool or rep a key (a postal code, a country, a number of employees) belongs to. The first row by kind (exact, prefix, range, number), then the longest prefix or the narrowest range, has a key. Load many with COPY, or with handoff.load_territory().';
comment on column handoff.territory.map is 'Map, as routes name it.';
comment on column handoff.territory.kind is 'exact (this key), prefix (keys that begin with it), range (keys of the same length from key to high, compared by bytes), number (numbers from key to high).';
comment on column handoff.territory.key is 'The key; its beginning; the first of the range.';
comment on column handoff.territory.high is 'range, number: the last key, included; of a number also infinity. Empty for the others.';
comment on column handoff.territory.pool is 'Pool it belongs to; NULL: the rep.';
comment on column handoff.territory.rep is 'Rep it belongs to; NULL: the pool.';
comment on column handoff.territory.valid_from is 'From when; may lie in the future.';
comment on column handoff.territory.valid_to is 'Until when, not included.';
comment on column handoff.territory.span is 'Of range and number: the places from first to last key, as territory_place() puts them in order. NULL for the others.';

create trigger territory_lock
    before insert or update or delete or truncate on handoff.territory
    for each statement execute function handoff.territory_changing();
create trigger territory_inserted
    after insert on handoff.territory referencing new table as new_row
    for each statement execute function handoff.territory_changed();
create trigger territory_updated
    after update on handoff.territory referencing old table as old_row new table as new_row
    for each statement execute function handoff.territory_changed();
create trigger territory_deleted
    after delete on handoff.territory referencing old table as old_row
    for each statement execute function handoff.territory_changed();
