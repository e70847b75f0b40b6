-- sql/extension/41-capture.sql: the triggers on synced tables, and that they stay there.
--
-- Statement triggers are the cheapest, but they see nothing of what a subscription applies, nor of rows
-- written to a partition or an inheritance child by its own name; row triggers do. attach() chooses,
-- and capture_fault() says when the choice, the table or its triggers are not what they were: tick()
-- then calls reattach(), which puts the triggers anew and asks for a reconcile.
--
-- Nothing here depends on a synced table: its name is text, and what it was is kept as numbers. Row
-- triggers have names of their own for each source's table: a partition gets a clone of its parent's, and
-- ATTACH PARTITION of a table that has one of that name already would fail.

create function handoff.capture() returns trigger
    language c
    as 'MODULE_PATHNAME', 'lh_capture';
comment on function handoff.capture() is
    'Trigger of a synced table, made by handoff.attach(): writes the keys of changed rows to handoff.inbox. Arguments: the source''s name, then its key columns. Warns LH020 on a table that is not that source.';

create function handoff.drain_at_commit() returns trigger
    language c
    as 'MODULE_PATHNAME', 'lh_drain_at_commit';
comment on function handoff.drain_at_commit() is
    'Deferred trigger of handoff.wake: decides what a small transaction captured at its own commit. Whatever fails leaves the rows to handoff.tick() and never fails the transaction.';

create function handoff.table_tree(rel regclass) returns table (tab regclass, is_partition boolean)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with recursive tree (oid) as (
        select $1::oid
        union
        select i.inhrelid from tree join pg_inherits i on i.inhparent = tree.oid
    )
    select c.oid::regclass, c.relispartition and c.oid <> $1
    from tree
    join pg_class c on c.oid = tree.oid
$$;
comment on function handoff.table_tree(regclass) is
    'A table with all that hold rows of it: its partitions and inheritance children.';

create function handoff.choose_capture(rel regclass, asked text, out capture text, out reason text) returns record
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select case when $2 <> 'auto' then $2 when o.is_parent or o.is_subscribed then 'row' else 'statement' end,
           case when $2 <> 'auto' then 'as asked'
               when o.is_subscribed then 'a subscription writes into it'
               when c.relkind = 'p' then 'its partitions may be written by their own names'
               when o.is_parent then 'its inheritance children may be written by their own names'
               else 'an ordinary table' end
    from pg_class c
    cross join lateral (
        select c.relkind = 'p' or exists (select from pg_inherits i where i.inhparent = c.oid) as is_parent,
               exists (select from pg_subscription_rel r where r.srrelid in (select t.tab from handoff.table_tree(c.oid) t)) as is_subscribed
    ) o
    where c.oid = $1
$$;
comment on function handoff.choose_capture(regclass, text) is
    'How changes of a table are noticed if one asks for statement, row, poll, or auto (statement triggers, or row triggers where those don''t see all), and why.';

create function handoff.guard_columns(mapping jsonb) returns text[]
    language sql immutable
    set search_path = pg_catalog, pg_temp
as $$
    select array_agg(distinct c.name order by c.name)
    from jsonb_each($1) m
    cross join unnest(handoff.mapping_columns(m.key, m.value)) c (name)
    -- it only ranks several rows of a key, which come by INSERT
    where m.key <> 'loaded_at'
$$;
comment on function handoff.guard_columns(jsonb) is
    'The columns that a mapping reads: an update that changes none of them is not captured. NULL: it can''t be told, every update is.';

create function handoff.wanted_triggers(rel regclass, capture text)
    returns table (tab regclass, name text, event text, kind int, is_clone boolean)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    -- kind as pg_trigger.tgtype has it
    select $1, 'lh_capture_' || e.event, e.event, e.kind, false
    from (values ('insert', 4), ('update', 16), ('delete', 8), ('truncate', 32)) e (event, kind)
    where $2 = 'statement'
    union all
    -- a partition has a clone of the row trigger of its root
    select t.tab, format('lh_capture_%s_%s', e.event, $1::oid), e.event, e.kind, t.is_partition and e.event = 'row'
    from handoff.table_tree($1) t
    cross join (values ('row', 1 + 4 + 8 + 16), ('truncate', 32)) e (event, kind)
    where $2 = 'row'
$$;
comment on function handoff.wanted_triggers(regclass, text) is
    'The capture triggers that a table and its partitions and children should have. None for capture by poll. A trigger of another name that does the same will do: a restored dump has such.';

create function handoff.trigger_arguments(source text, key text[]) returns bytea
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select string_agg(convert_to(a.text, getdatabaseencoding()) || decode('00', 'hex'), '' order by a.n)
    from unnest($1 || $2) with ordinality a (text, n)
$$;
comment on function handoff.trigger_arguments(text, text[]) is
    'Arguments of a capture trigger as the catalog keeps them: the source''s name and its key columns.';

create function handoff.is_wanted_elsewhere(trigger_id oid, source text) returns boolean
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select from pg_trigger t
        join handoff.source o on o.name <> $2 and t.tgargs = handoff.trigger_arguments(o.name, o.key_columns)
        cross join lateral handoff.wanted_triggers(handoff.source_table(o.name), o.capture) w
        where t.oid = $1 and w.tab = t.tgrelid and w.kind = t.tgtype and w.is_clone = (t.tgparentid <> 0))
$$;
comment on function handoff.is_wanted_elsewhere(oid, text) is
    'Is a capture trigger one that another source than this should have? A partition can be a source too.';

create function handoff.put_triggers(rel regclass, source text, key text[], capture text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    arguments text := (select string_agg(quote_literal(a), ', ') from unnest(source || key) a);
    wanted    record;
begin
    -- a lock that lets readers go on; those of another kind of capture need a stronger one to go
    for wanted in
        select t.tgrelid::regclass as tab, t.tgname as name
        from handoff.table_tree(rel) r
        join pg_trigger t on t.tgrelid = r.tab
        where starts_with(t.tgname, 'lh_capture_') and not t.tgisinternal and t.tgparentid = 0
          and not exists (select from handoff.wanted_triggers(rel, capture) w where w.tab = t.tgrelid and not w.is_clone
                          and (w.name = t.tgname or w.kind = t.tgtype and t.tgargs = handoff.trigger_arguments(source, key)))
          and not handoff.is_wanted_elsewhere(t.oid, source)
    loop
        execute format('drop trigger %I on %s', wanted.name, wanted.tab);
    end loop;
    for wanted in
        select w.* from handoff.wanted_triggers(rel, capture) w
        where not w.is_clone
          and not exists (select from pg_trigger t where t.tgrelid = w.tab and t.tgfoid = 'handoff.capture()'::regprocedure and t.tgparentid = 0
                          and t.tgtype = w.kind and t.tgargs = handoff.trigger_arguments(source, key))
    loop
        execute format('create or replace trigger %I after %s on %s %s execute function handoff.capture(%s)',
            wanted.name, case wanted.event when 'row' then 'insert or update or delete' else wanted.event end, wanted.tab,
            case wanted.event
                when 'row' then 'for each row'
                when 'truncate' then 'for each statement'
                when 'insert' then 'referencing new table as lh_new for each statement'
                when 'update' then 'referencing old table as lh_old new table as lh_new for each statement'
                else 'referencing old table as lh_old for each statement' end,
            arguments);
    end loop;
    perform handoff.always_capture(rel);
end
$$;
comment on function handoff.put_triggers(regclass, text, text[], text) is
    'Puts the capture triggers of a source on its table, its partitions and children, instead of those that are there.';

create function handoff.always_capture(rel regclass) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    tab  regclass;
    name text;
begin
    -- a row trigger of a partitioned table has a clone on each partition, enabled on its own
    for tab, name in
        select t.tgrelid, t.tgname from handoff.table_tree(rel) r join pg_trigger t on t.tgrelid = r.tab
        where t.tgenabled <> 'A' and t.tgfoid in ('handoff.capture()'::regprocedure, 'handoff.drain_at_commit()'::regprocedure)
    loop
        execute format('alter table %s enable always trigger %I', tab, name);
    end loop;
end
$$;
comment on function handoff.always_capture(regclass) is
    'Makes our triggers of a table (a source with its partitions and children, or handoff.wake) fire under any session_replication_role.';

create function handoff.drop_triggers(rel regclass, source text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    tab  regclass;
    name text;
begin
    for tab, name in
        select t.tgrelid, t.tgname from handoff.table_tree(rel) r join pg_trigger t on t.tgrelid = r.tab
        where starts_with(t.tgname, 'lh_capture_') and not t.tgisinternal and t.tgparentid = 0
          and not handoff.is_wanted_elsewhere(t.oid, source)
    loop
        execute format('drop trigger %I on %s', name, tab);
    end loop;
end
$$;
comment on function handoff.drop_triggers(regclass, text) is
    'Drops the capture triggers of a source from its table, its partitions and children.';

create function handoff.table_ids(rel regclass) returns bigint[]
    language sql stable
    set search_path = pg_catalog, pg_temp
return array(select t.tab::oid::bigint from handoff.table_tree($1) t order by 1);
comment on function handoff.table_ids(regclass) is
    'Numbers of a table, its partitions and children: by them a table that was replaced is told from the one that was attached.';

create function handoff.table_files(rel regclass) returns bigint[]
    language sql stable
    set search_path = pg_catalog, pg_temp
return array(select pg_relation_filenode(t.tab)::bigint from handoff.table_tree($1) t where pg_relation_filenode(t.tab) is not null order by 1);
comment on function handoff.table_files(regclass) is
    'Numbers of the files of a table, its partitions and children: what rewrites all rows and fires no trigger (ALTER COLUMN .. TYPE .. USING) gives it another one.';

create function handoff.missing_columns(rel regclass, columns text[]) returns text[]
    language sql stable
    set search_path = pg_catalog, pg_temp
return array(select c.name from unnest($2) c (name)
             where not exists (select from pg_attribute a where a.attrelid = $1 and a.attname = c.name
                               and a.attnum > 0 and not a.attisdropped));
comment on function handoff.missing_columns(regclass, text[]) is
    'Those of some columns that a table has not.';

create function handoff.table_columns(rel regclass, mapping jsonb, key text[]) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    -- the mapping is taken apart once, not for each column
    with guard (columns) as materialized (select handoff.guard_columns($2))
    select coalesce(string_agg(format('%s %s %s', a.attnum, a.attname, format_type(a.atttypid, a.atttypmod)), ', ' order by a.attnum), '')
    from guard g cross join pg_attribute a
    where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
      and (g.columns is null or a.attname = any (g.columns || $3))
$$;
comment on function handoff.table_columns(regclass, jsonb, text[]) is
    'Place, name and type of the columns of a table that make its key or that a mapping reads: what an ALTER TABLE may have changed in all rows, firing no trigger.';

create function handoff.capture_fault(source_name text, out rel regclass, out fault text) returns record
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    source  handoff.source;
    chosen  record;
    kind    "char";
    missing text[];
begin
    select s.* into source from handoff.source s where s.name = source_name;
    select c.oid, c.relkind into rel, kind
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = source.schema_name and c.relname = source.table_name
      and c.relkind in ('r', 'p', 'v', 'm', 'f');
    if rel is null then
        fault := 'its table is not there';
        return;
    end if;
    if kind in ('v', 'm', 'f') and source.capture <> 'poll' then
        fault := format('there is %s in place of its table',
                        case kind when 'v' then 'a view' when 'm' then 'a materialized view' else 'a foreign table' end);
        rel := null;
        return;
    end if;
    missing := handoff.missing_columns(rel, source.key_columns);
    if cardinality(missing) > 0 then
        fault := format('its table has no key column "%s"', missing[1]);
        rel := null;
        return;
    end if;
    select case when t.oid is null then 'its capture triggers are missing'
                else format('trigger %s of %s is not enabled always', t.tgname, w.tab) end into fault
    from handoff.wanted_triggers(rel, source.capture) w
    left join pg_trigger t on t.tgrelid = w.tab and t.tgtype = w.kind and w.is_clone = (t.tgparentid <> 0) and t.tgfoid = 'handoff.capture()'::regprocedure
        and t.tgargs = handoff.trigger_arguments(source.name, source.key_columns)
    where t.oid is null or t.tgenabled <> 'A'
    order by t.oid is null desc, w.tab::oid, w.name
    limit 1;
    chosen := handoff.choose_capture(rel, source.capture_asked);
    fault := case
        when chosen.capture <> source.capture then
            format('capture is by %s, and must be by %s: %s', source.capture, chosen.capture, chosen.reason)
        when fault is not null then fault
        when source.table_ids <> handoff.table_ids(rel) then
            case when rel::oid::bigint = any (source.table_ids) then 'partitions or children of its table came or went'
                else 'its table was replaced' end
        when source.capture <> 'poll' and source.guard_columns is distinct from handoff.guard_columns(source.mapping) then
            'its mapping has changed'
        when source.table_columns <> handoff.table_columns(rel, source.mapping, source.key_columns) then
            'columns that it is read by have changed'
    end;
end
$$;
comment on function handoff.capture_fault(text) is
    'What keeps changes of a source from being noticed, in words; NULL: nothing. rel: its table, if something can be done about it.';

create function handoff.watch(source_name text, rel regclass) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    source handoff.source;
begin
    select s.* into source from handoff.source s where s.name = source_name;
    perform handoff.put_triggers(rel, source.name, source.key_columns, source.capture);
    -- nobody writes while we hold the table: from here on the columns of this mapping count
    if source.capture <> 'poll' then
        execute format('lock table %s in share row exclusive mode', rel);
    end if;
    update handoff.source s
    set table_ids = handoff.table_ids(rel), table_files = handoff.table_files(rel), table_columns = handoff.table_columns(rel, s.mapping, s.key_columns),
        guard_columns = handoff.guard_columns(s.mapping), fault = null
    where s.name = source_name;
end
$$;
comment on function handoff.watch(text, regclass) is
    'Puts the triggers of a source on its table and keeps what the table is now, to tell later whether it was replaced. Needs the rights of the table''s owner.';

create function handoff.reattach(source_name text) returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    found  record := handoff.capture_fault(source_name);
    chosen record;
begin
    if found.rel is not null and found.fault is not null then
        update handoff.source s
        set (capture, capture_reason) = (select c.capture, c.reason from handoff.choose_capture(found.rel, s.capture_asked) c),
            attached_at = clock_timestamp()
        where s.name = source_name;
        perform handoff.watch(source_name, found.rel);
        perform handoff.request_scan(source_name, 'reconcile', found.fault);
    end if;
    return found.fault;
end
$$;
comment on function handoff.reattach(text) is
    'If changes of a source are not noticed as they should, puts its triggers anew and asks for a reconcile. Returns what was wrong; NULL: nothing. Needs the rights of the table''s owner.';

create function handoff.check_source(source_name text) returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '50ms'
as $$
#variable_conflict use_column
declare
    fault   text;
    message text;
    rel     regclass := handoff.source_table(source_name);
    indexed boolean := (select handoff.key_is_indexed(rel, s.key_columns) from handoff.source s where s.name = source_name);
    files   bigint[] := handoff.table_files(rel);
begin
    begin
        fault := handoff.reattach(source_name);
        message := case when (handoff.capture_fault(source_name)).fault is not null then fault end;
        if fault is null and rel is not null and files <> (select s.table_files from handoff.source s where s.name = source_name) then
            perform handoff.request_scan(source_name, 'reconcile', 'its table was rewritten');
        end if;
    exception when lock_not_available then
        message := format('%s; the table is busy, the next tick tries again', (handoff.capture_fault(source_name)).fault);
    when others then
        message := format('%s; it could not be attached again: %s', (handoff.capture_fault(source_name)).fault, sqlerrm);
    end;
    -- somebody may be at work on the source, pausing it say
    update handoff.source s
    set fault = message, table_files = case when rel is null then s.table_files else files end, key_indexed = coalesce(indexed, s.key_indexed)
    where s.name in (
        select o.name from handoff.source o
        where o.name = source_name
          and (o.fault is distinct from message or rel is not null and (o.table_files <> files or o.key_indexed <> indexed))
        for update skip locked);
    return message;
end
$$;
comment on function handoff.check_source(text) is
    'What tick() does for each source: puts its triggers anew if need be, waiting 50 ms for its table at most, and notes in handoff.source whether its key has an index, and what could not be mended (fault). Returns that; NULL: all is well.';

create function handoff.ddl_done() returns event_trigger
    language c
    as 'MODULE_PATHNAME', 'lh_ddl_done';
comment on function handoff.ddl_done() is
    'Event trigger made by handoff.watch_ddl(): a table that was made, renamed or moved to the name of a source is watched at once. Never fails the command.';

create function handoff.watch_ddl() returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from pg_event_trigger where evtname = 'lead_handoff_ddl') then
        create event trigger lead_handoff_ddl on ddl_command_end
            when tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'ALTER SCHEMA')
            execute function handoff.ddl_done();
    end if;
    -- sync tools play replica
    alter event trigger lead_handoff_ddl enable always;
end
$$;
comment on function handoff.watch_ddl() is
    'Makes an event trigger that watches a replaced table at once, in the transaction that replaces it, instead of at the next tick(). Error 42501: only a superuser can.';

create function handoff.unwatch_ddl() returns void
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    drop event trigger if exists lead_handoff_ddl
$$;
comment on function handoff.unwatch_ddl() is
    'Drops the event trigger that handoff.watch_ddl() has made.';

-- A partition's clone of a trigger is made by whoever makes the partition, who needs this right; nobody else can
-- do anything with it: it is no function to call, and writes nothing for a table that is not the source.
grant execute on function handoff.capture() to public;
revoke all on function handoff.drain_at_commit() from public;
revoke all on function handoff.table_tree(regclass) from public;
revoke all on function handoff.choose_capture(regclass, text) from public;
revoke all on function handoff.guard_columns(jsonb) from public;
revoke all on function handoff.wanted_triggers(regclass, text) from public;
revoke all on function handoff.trigger_arguments(text, text[]) from public;
revoke all on function handoff.is_wanted_elsewhere(oid, text) from public;
revoke all on function handoff.put_triggers(regclass, text, text[], text) from public;
revoke all on function handoff.always_capture(regclass) from public;
revoke all on function handoff.drop_triggers(regclass, text) from public;
revoke all on function handoff.table_ids(regclass) from public;
revoke all on function handoff.table_files(regclass) from public;
revoke all on function handoff.missing_columns(regclass, text[]) from public;
revoke all on function handoff.table_columns(regclass, jsonb, text[]) from public;
revoke all on function handoff.capture_fault(text) from public;
revoke all on function handoff.watch(text, regclass) from public;
revoke all on function handoff.reattach(text) from public;
revoke all on function handoff.check_source(text) from public;
revoke all on function handoff.ddl_done() from public;
revoke all on function handoff.watch_ddl() from public;
revoke all on function handoff.unwatch_ddl() from public;
