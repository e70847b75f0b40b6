-- sql/extension/40-source.sql: watching a synced table.
--
-- attach() finds out what a table's columns are good for, puts capture triggers on it (41-capture.sql)
-- and queues the rows that are there, or leaves that to a backfill (43-scan.sql). It runs with the
-- caller's rights: who attaches a table must own it.

create function handoff.attachable(tab text, capture text) returns regclass
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
    if rel.relkind not in ('r', 'p', 'v', 'm', 'f') or what is not null and capture <> 'poll' or rel.relpersistence = 't' then
        raise exception '% can''t be attached: it is %', rel.oid::regclass, coalesce(what, 'a temporary table')
            using errcode = 'LH020', detail = 'Changes are noticed by triggers, which need a permanent table.',
                  hint = case when rel.relkind in ('v', 'm', 'f') and rel.relpersistence <> 't'
                      then 'Attach the table that the sync writes, or have this read at intervals: capture => ''poll''.'
                      else 'Attach the table that the sync writes.' end;
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
comment on function handoff.attachable(text, text) is
    'The table of that name, if it can be attached with that capture. Errors: 42P01 (no such table), LH020 (not a table), 42501 (not its owner).';

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

create function handoff.key_is_indexed(rel regclass, key text[]) returns boolean
    language sql stable strict
    set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select from pg_index i
        where i.indrelid = $1 and i.indisvalid and i.indpred is null
          and (select array_agg(a.attname::text order by a.attname)
               from pg_attribute a
               where a.attrelid = $1 and a.attnum = any((i.indkey::int2[])[0:cardinality($2) - 1]))
              = (select array_agg(k order by k) from unnest($2) k))
$$;
comment on function handoff.key_is_indexed(regclass, text[]) is
    'Does an index of a table begin with its key columns, in any order?';

create function handoff.attach(
    tab        text,
    kind       text,
    key        text[] default null,
    mapping    jsonb default null,
    since      timestamptz default null,
    key_prefix text default '',
    capture    text default 'auto',
    contract   text default null,
    delete_grace  interval default null,
    poll_interval interval default null,
    id_format  text default null
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
    rel     regclass := handoff.attachable(tab, capture);
    known   record := handoff.recognized(rel, kind);
    keys    text[] := handoff.source_key(rel, coalesce(key, known.key));
    prefix  constant text := coalesce(key_prefix, '');
    mapped  jsonb;
    at_schema text;
    at_table text;
    named   text;
    indexed boolean;
    missing text;
    chosen  record := handoff.choose_capture(rel, capture);
begin
    if to_regclass('handoff.source') is null then
        raise exception 'schema "handoff" has no tables'
            using errcode = 'LH030', hint = 'Run SELECT handoff.setup().';
    end if;
    kind := coalesce(kind, known.kind_of);
    id_format := coalesce(id_format, known.id_format, 'plain');
    if kind is null or kind not in ('lead', 'activity', 'account', 'opportunity', 'link', 'rep') then
        raise exception 'a source can''t be of kind "%"', kind
            using errcode = 'LH020', hint = 'Kinds are lead, activity, account, opportunity, link and rep.';
    end if;
    if id_format not in ('plain', 'salesforce') then
        raise exception 'unknown format of ids "%"', id_format
            using errcode = 'LH020', hint = 'Formats are plain and salesforce.';
    end if;
    if capture is null or capture not in ('auto', 'statement', 'row', 'poll') then
        raise exception 'unknown way of capture "%"', capture
            using errcode = 'LH020', hint = 'Ways of capture are auto, statement, row and poll.';
    end if;
    if delete_grace < '0' or poll_interval < '0' then
        raise exception 'delete_grace and poll_interval can''t be negative'
            using errcode = 'LH020', hint = 'Give them as intervals: ''15 minutes''.';
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
    indexed := handoff.key_is_indexed(rel, keys);
    if not indexed and chosen.capture <> 'poll' then
        raise warning 'no index of table % begins with its key', rel
            using detail = 'Its rows are decided by tick() only, and each batch reads the whole table.',
                  hint = format('CREATE INDEX ON %s (%s);', rel, (select string_agg(quote_ident(k), ', ') from unnest(keys) k));
    end if;

    if kind = 'account' and not exists (select from handoff.source s where s.kind = 'account') then
        -- leads decided so far were not matched to any: none is decided meanwhile, and all are then
        perform pg_advisory_xact_lock(19528, 1024);
        perform handoff.queue_unmatched();
    end if;
    insert into handoff.source as s (name, kind, schema_name, table_name, key_columns, key_prefix, id_format, mapping, since, capture,
                                     capture_asked, capture_reason, contract, key_indexed, attached_at, delete_grace, poll_interval)
    values (named, kind, at_schema, at_table, keys, prefix, id_format, mapped, coalesce(since, clock_timestamp()), chosen.capture,
            capture, chosen.reason, contract, indexed, clock_timestamp(),
            coalesce(delete_grace, '15 minutes'), coalesce(poll_interval, '5 minutes'))
    on conflict on constraint source_pkey do update
    set kind = excluded.kind, key_columns = excluded.key_columns, key_prefix = excluded.key_prefix, id_format = excluded.id_format,
        mapping = excluded.mapping, since = coalesce(attach.since, s.since), capture = excluded.capture,
        capture_asked = excluded.capture_asked, capture_reason = excluded.capture_reason,
        contract = excluded.contract, key_indexed = excluded.key_indexed, attached_at = excluded.attached_at,
        delete_grace = coalesce(attach.delete_grace, s.delete_grace), poll_interval = coalesce(attach.poll_interval, s.poll_interval);
    perform handoff.watch(named, rel);
    perform handoff.queue_rows(named, rel);

    select string_agg(t.target, ', ' order by t.target) into missing
    from handoff.mapping_targets(kind, contract) t
    where mapped ->> t.target is null and t.target not in ('is_current', 'loaded_at');
    if known.reason is not null then
        raise notice '% is %', named, known.reason;
    end if;
    raise notice 'attached %: key %, mapped %, not mapped: %', named, array_to_string(keys, ', '),
        (select string_agg(format('%s <- %s', e.key, e.value), ', ' order by e.key) from jsonb_each_text(mapped) e where e.value is not null),
        coalesce(missing, 'nothing');
    return named;
end
$$;
comment on function handoff.attach(text, text, text[], jsonb, timestamptz, text, text, text, interval, interval, text) is
    'Watches a synced table (schema-qualified, quoted where needed) as a source of kind lead, activity, account, opportunity, link or rep (default: what a mapping template says of it), and queues the rows it has, those of a big table bit by bit (view backfill); attach it again to change how. key: its key columns (default: the template''s, primary key, sfid or Id). mapping: target -> entry (docs/mapping.md), over what handoff.suggest_mapping() says, also for fields of later versions; null leaves a target unmapped. since: older leads pass no leg until something newer happens (default: now). key_prefix: put before lead keys, needed by a second CRM. capture: auto (statement triggers, or row triggers where those don''t see everything), statement, row, or poll (no trigger; for views and foreign tables too). contract: its name, if there are several. delete_grace: how long a row must be gone to count as deleted (default 15 minutes). poll_interval: how often capture by poll looks (default 5 minutes). id_format: plain, or salesforce (ids of 15 characters are kept as those of 18; default: the template''s). Returns the source''s name. Errors: 42P01, 42501, LH020 (can''t be a source), LH021 (mapping).';

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
        perform handoff.drop_triggers(rel, known.name);
    end if;
    delete from handoff.scan c where c.source = detach.source;
    delete from handoff.absence a where a.source = detach.source;
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

revoke all on function handoff.attachable(text, text) from public;
revoke all on function handoff.source_key(regclass, text[]) from public;
revoke all on function handoff.key_is_indexed(regclass, text[]) from public;
revoke all on function handoff.key_expression(regclass, text[]) from public;
revoke all on function handoff.attach(text, text, text[], jsonb, timestamptz, text, text, text, interval, interval, text) from public;
revoke all on function handoff.detach(text) from public;
revoke all on function handoff.retry_quarantine(text) from public;
