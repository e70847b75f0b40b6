-- sql/extension/40-source.sql: watching a synced table.
--
-- attach() finds out what a table's columns are good for, puts capture triggers on it and queues the
-- rows that are there. It runs with the caller's rights: who attaches a table must own it.

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

create function handoff.attachable(tab text) returns regclass
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    rel  pg_class;
    what text;
begin
    select c.* into rel from pg_class c where c.oid = to_regclass(tab);
    if rel.oid is null then
        raise exception 'table "%" does not exist', tab
            using errcode = '42P01', hint = 'Name it with its schema and quotes where needed: ''crm."Lead"''.';
    end if;
    what := case rel.relkind when 'r' then null when 'p' then null when 'v' then 'a view'
        when 'm' then 'a materialized view' when 'f' then 'a foreign table' else 'not a table' end;
    if what is not null or rel.relpersistence = 't' then
        raise exception '% can''t be attached: it is %', rel.oid::regclass, coalesce(what, 'a temporary table')
            using errcode = 'LH020', detail = 'Changes are noticed by triggers, which need a permanent table.',
                  hint = 'Attach the table that the sync writes.';
    end if;
    if rel.relnamespace = 'handoff'::regnamespace then
        raise exception '% can''t be attached: it belongs to lead_handoff', rel.oid::regclass
            using errcode = 'LH020', hint = 'Attach the table that the sync writes.';
    end if;
    if not pg_has_role(rel.relowner, 'USAGE') then
        raise exception 'must be owner of table %', rel.oid::regclass
            using errcode = '42501', detail = format('It belongs to %s.', rel.relowner::regrole),
                  hint = 'Attach it as its owner, a member of that role, or a superuser.';
    end if;
    return rel.oid;
end
$$;
comment on function handoff.attachable(text) is
    'The table of that name, if it can be attached. Errors: 42P01 (no such table), LH020 (not a table), 42501 (not its owner).';

create function handoff.source_key(rel regclass, key text[]) returns text[]
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    found   text[];
    missing text;
begin
    if key is not null then
        select coalesce(k, '') into missing from unnest(key) k
        where not exists (select from pg_attribute a where a.attrelid = rel and a.attnum > 0
                          and not a.attisdropped and a.attname = k)
        limit 1;
        if missing is not null or cardinality(key) = 0 then
            raise exception 'table % has no key column "%"', rel, coalesce(missing, '')
                using errcode = 'LH020', hint = 'Column names are taken exactly as they are stored, upper and lower case included.';
        end if;
        if cardinality(key) > 8 then
            raise exception 'the key of table % has % columns', rel, cardinality(key)
                using errcode = 'LH020', detail = 'A key has at most 8 columns.';
        end if;
        return key;
    end if;
    select array_agg(a.attname order by k.n) into found
    from pg_index i
    cross join unnest(i.indkey) with ordinality k (attnum, n)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where i.indrelid = rel and i.indisprimary;
    if found is null then
        select array[a.attname] into found
        from pg_attribute a
        where a.attrelid = rel and a.attnum > 0 and not a.attisdropped
          and handoff.plain_name(a.attname) = any(array['sfid', 'id'])
        order by array_position(array['sfid', 'id'], handoff.plain_name(a.attname))
        limit 1;
    end if;
    if found is null then
        raise exception 'table % has no key', rel
            using errcode = 'LH020', detail = 'It has no primary key and no column named Id or sfid.',
                  hint = 'Name the columns that identify a row: key => ''{column}''.';
    end if;
    return found;
end
$$;
comment on function handoff.source_key(regclass, text[]) is
    'Key columns of a table: those given, else its primary key, else sfid or Id. Error LH020: none, or a column that is not there.';

create function handoff.key_expression(rel regclass, key text[]) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with part as (
        select k.n, case a.atttypid when 'bpchar'::regtype then format('rtrim(format(''%%s'', t.%I), '' '')', a.attname)
                        else format('format(''%%s'', t.%I)', a.attname) end as text
        from unnest($2) with ordinality k (attname, n)
        join pg_attribute a on a.attrelid = $1 and a.attname = k.attname
    )
    select case count(*) when 1 then min(text)
               else '''['' || ' || string_agg(format('to_json(%s)::text', text), ' || '','' || ' order by n) || ' || '']''' end
    from part
$$;
comment on function handoff.key_expression(regclass, text[]) is
    'SQL for the text of a row''s key (alias t), as capture() writes it. It calls output functions, never a cast, which the table''s owner could have made.';

create function handoff.put_triggers(rel regclass, source text, key text[], capture text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    arguments text := (select string_agg(quote_literal(a), ', ') from unnest(source || key) a);
    event     text;
begin
    perform handoff.drop_triggers(rel);
    if capture = 'row' then
        execute format('create trigger lh_capture_row after insert or update or delete on %s'
            ' for each row execute function handoff.capture(%s)', rel, arguments);
    else
        foreach event in array array['insert', 'update', 'delete'] loop
            execute format('create trigger %I after %s on %s referencing %s'
                ' for each statement execute function handoff.capture(%s)',
                'lh_capture_' || event, event, rel,
                case event when 'insert' then 'new table as lh_new'
                    when 'update' then 'old table as lh_old new table as lh_new'
                    else 'old table as lh_old' end,
                arguments);
        end loop;
    end if;
    execute format('create trigger lh_capture_truncate after truncate on %s'
        ' for each statement execute function handoff.capture(%s)', rel, arguments);
    perform handoff.always_capture(rel);
end
$$;
comment on function handoff.put_triggers(regclass, text, text[], text) is
    'Puts the capture triggers of a source on its table, instead of those that are there.';

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
        select tgrelid, tgname from pg_trigger
        where (tgrelid = rel or tgrelid in (select p.relid from pg_partition_tree(rel) p)) and tgenabled <> 'A'
          and tgfoid in ('handoff.capture()'::regprocedure, 'handoff.drain_at_commit()'::regprocedure)
    loop
        execute format('alter table %s enable always trigger %I', tab, name);
    end loop;
end
$$;
comment on function handoff.always_capture(regclass) is
    'Makes our triggers of a table (a source with its partitions, or handoff.wake) fire under any session_replication_role.';

create function handoff.drop_triggers(rel regclass) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    name text;
begin
    for name in
        select tgname from pg_trigger
        where tgrelid = rel and starts_with(tgname, 'lh_capture_') and not tgisinternal
    loop
        execute format('drop trigger %I on %s', name, rel);
    end loop;
end
$$;
comment on function handoff.drop_triggers(regclass) is
    'Drops the capture triggers of a table.';

create function handoff.attach(
    tab        text,
    kind       text,
    key        text[] default null,
    mapping    jsonb default null,
    since      timestamptz default null,
    key_prefix text default '',
    capture    text default 'statement',
    contract   text default null
) returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set datestyle = iso
    set intervalstyle = postgres
    set timezone = 'UTC'
    set extra_float_digits = 1
as $$
#variable_conflict use_variable
declare
    rel     regclass := handoff.attachable(tab);
    keys    text[] := handoff.source_key(rel, key);
    prefix  constant text := coalesce(key_prefix, '');
    mapped  jsonb;
    at_schema text;
    at_table text;
    named   text;
    indexed boolean;
    missing text;
begin
    if to_regclass('handoff.source') is null then
        raise exception 'schema "handoff" has no tables'
            using errcode = 'LH030', hint = 'Run SELECT handoff.setup().';
    end if;
    if kind is null or kind not in ('lead', 'activity', 'opportunity', 'link') then
        raise exception 'a source can''t be of kind "%"', kind
            using errcode = 'LH020', hint = 'Kinds are lead, activity, opportunity and link.';
    end if;
    if capture is null or capture not in ('statement', 'row') then
        raise exception 'unknown way of capture "%"', capture
            using errcode = 'LH020', hint = 'Ways of capture are statement and row.';
    end if;
    select n.nspname, c.relname into at_schema, at_table
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = rel;
    named := at_schema || '.' || at_table;
    if exists (select from handoff.source s where s.name = named
               and (s.schema_name, s.table_name) <> (at_schema, at_table)) then
        raise exception 'another table is source "%" already', named
            using errcode = 'LH020', detail = 'A dot in its name makes it look like the table of another schema.',
                  hint = 'Rename the table.';
    end if;
    if kind = 'lead' and exists (select from handoff.source s where s.kind = 'lead'
                                 and s.key_prefix = prefix and s.name <> named) then
        raise exception 'another source of leads has the key prefix "%" already', prefix
            using errcode = 'LH020', hint = 'Give this one a prefix of its own, for example key_prefix => ''hs:''.';
    end if;
    mapped := case when jsonb_typeof(mapping) <> 'object' then mapping
        else handoff.guess_mapping(rel, kind, contract) || coalesce(mapping, '{}') end;
    perform handoff.check_mapping(rel, kind, mapped, contract);
    indexed := exists (
        select from pg_index i
        where i.indrelid = rel and i.indisvalid and i.indpred is null
          and (select array_agg(a.attname::text order by a.attname)
               from pg_attribute a
               where a.attrelid = rel and a.attnum = any((i.indkey::int2[])[0:cardinality(keys) - 1]))
              = (select array_agg(k order by k) from unnest(keys) k));
    if not indexed then
        raise warning 'no index of table % begins with its key', rel
            using detail = 'Its rows are decided by tick() only, and each batch reads the whole table.',
                  hint = format('CREATE INDEX ON %s (%s);', rel, (select string_agg(quote_ident(k), ', ') from unnest(keys) k));
    end if;

    insert into handoff.source as s (name, kind, schema_name, table_name, key_columns, key_prefix, mapping,
                                     since, capture, contract, key_indexed, attached_at)
    values (named, kind, at_schema, at_table, keys, prefix, mapped,
            coalesce(since, clock_timestamp()), capture, contract, indexed, clock_timestamp())
    on conflict on constraint source_pkey do update
    set kind = excluded.kind, key_columns = excluded.key_columns, key_prefix = excluded.key_prefix,
        mapping = excluded.mapping, since = coalesce(attach.since, s.since), capture = excluded.capture,
        contract = excluded.contract, key_indexed = excluded.key_indexed, attached_at = excluded.attached_at;

    perform handoff.put_triggers(rel, named, keys, capture);
    -- tablesample is refused for a view: whoever swaps one in must not have us run his code
    execute format(
        'insert into handoff.inbox (source, raw_key, op, xid, at)'
        ' select $1, %s, ''B'', pg_current_xact_id(), clock_timestamp() from %s t tablesample system (100) where %s',
        handoff.key_expression(rel, keys), rel,
        (select string_agg(format('t.%I is not null', k), ' and ') from unnest(keys) k))
        using named;

    select string_agg(t.target, ', ' order by t.target) into missing
    from handoff.mapping_targets(kind, contract) t where mapped ->> t.target is null;
    raise notice 'attached %: key %, mapped %, not mapped: %', named, array_to_string(keys, ', '),
        (select string_agg(format('%s <- %s', e.key, e.value), ', ' order by e.key) from jsonb_each_text(mapped) e where e.value is not null),
        coalesce(missing, 'nothing');
    return named;
end
$$;
comment on function handoff.attach(text, text, text[], jsonb, timestamptz, text, text, text) is
    'Watches a synced table (schema-qualified, quoted where needed) as a source of kind lead, activity, opportunity or link, and queues the rows it has; attach it again to change how. key: its key columns (default: primary key, sfid or Id). mapping: target -> column, over what the names suggest, also for fields of later versions; null leaves a target unmapped. since: older leads pass no leg until something newer happens (default: now). key_prefix: put before lead keys, needed by a second CRM. capture: statement or row triggers. contract: its name, if there are several. Returns the source''s name. Errors: 42P01, 42501, LH020 (can''t be a source), LH021 (mapping).';

create function handoff.detach(source text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    known handoff.source;
    rel   regclass;
begin
    select s.* into known from handoff.source s where s.name = detach.source;
    if known.name is null then
        raise exception 'there is no source "%"', detach.source
            using errcode = 'LH020', hint = 'See table handoff.source.';
    end if;
    rel := to_regclass(format('%I.%I', known.schema_name, known.table_name));
    if rel is not null then
        perform handoff.drop_triggers(rel);
    end if;
    delete from handoff.inbox i where i.source = detach.source;
    delete from handoff.quarantine q where q.source = detach.source;
    delete from handoff.source s where s.name = detach.source;
end
$$;
comment on function handoff.detach(text) is
    'Stops watching a source: its triggers, inbox rows and quarantine go, its leads and activities stay as they are. Error LH020: no such source.';

create function handoff.retry_quarantine(source text default null) returns bigint
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    with again as (
        insert into handoff.inbox (source, raw_key, op, xid, at)
        select q.source, q.raw_key, 'R', pg_current_xact_id(), clock_timestamp()
        from handoff.quarantine q
        where q.source = coalesce($1, q.source)
        returning 1
    )
    select count(*) from again
$$;
comment on function handoff.retry_quarantine(text) is
    'Queues the rows in quarantine (of one source, or all) to be tried again by the next tick; how many.';

revoke all on function handoff.capture() from public;
revoke all on function handoff.drain_at_commit() from public;
revoke all on function handoff.attachable(text) from public;
revoke all on function handoff.source_key(regclass, text[]) from public;
revoke all on function handoff.key_expression(regclass, text[]) from public;
revoke all on function handoff.put_triggers(regclass, text, text[], text) from public;
revoke all on function handoff.always_capture(regclass) from public;
revoke all on function handoff.drop_triggers(regclass) from public;
revoke all on function handoff.attach(text, text, text[], jsonb, timestamptz, text, text, text) from public;
revoke all on function handoff.detach(text) from public;
revoke all on function handoff.retry_quarantine(text) from public;
