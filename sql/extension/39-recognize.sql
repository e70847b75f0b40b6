-- sql/extension/39-recognize.sql: what a synced table looks like.
--
-- Mapping templates (installed files; docs/mapping.md) say by which columns a sync tool and an object of
-- a CRM are known, and how the object is mapped. What no template says is guessed by the columns' names.

create function handoff.mapping_templates() returns setof jsonb
    language c stable
    as 'MODULE_PATHNAME', 'lh_mapping_templates';
comment on function handoff.mapping_templates() is
    'The mapping templates that come with the extension, one document a CRM and sync tool.';

create function handoff.column_names(rel regclass) returns text[]
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(a.attname::text order by a.attnum), '{}')
    from pg_attribute a
    where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
$$;
comment on function handoff.column_names(regclass) is 'The columns of a table, in order.';

create function handoff.recognized(rel regclass, kind text,
    out crm text, out tool text, out object text, out kind_of text, out key text[], out id_format text,
    out mapping jsonb, out reason text) returns record
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    -- a row in any case: a record without one can't be asked for its parts
    select f.* from (values (true)) always left join lateral (
        select d.doc ->> 'crm', d.doc ->> 'tool', o.object ->> 'object', o.object ->> 'kind', k.key,
               d.doc ->> 'id_format',
               o.object -> 'mapping',
               format('%s by %s (columns %s), object %s (columns %s)', d.doc ->> 'crm', d.doc ->> 'tool',
                      array_to_string(of_tool.columns, ', '), o.object ->> 'object', array_to_string(of_object.columns, ', '))
        from pg_class c
        cross join handoff.column_names(c.oid) n (present)
        cross join handoff.mapping_templates() d (doc)
        cross join jsonb_array_elements(d.doc -> 'objects') o (object)
        cross join lateral (select array(select jsonb_array_elements_text(d.doc -> 'tool_columns'))) of_tool (columns)
        cross join lateral (select array(select jsonb_array_elements_text(o.object -> 'columns'))) of_object (columns)
        cross join lateral (select array(select jsonb_array_elements_text(o.object -> 'key'))) k (key)
        where c.oid = $1
          and n.present @> of_tool.columns and n.present @> of_object.columns and n.present @> k.key
          and (o.object -> 'by_name' is null or (o.object -> 'tables') ? lower(c.relname))
          and o.object ->> 'kind' = coalesce($2, o.object ->> 'kind')
        order by (o.object -> 'tables') ? lower(c.relname) desc, cardinality(of_object.columns) desc, 1, 2, 3
        limit 1
    ) f on true
$$;
comment on function handoff.recognized(regclass, text) is
    'The template that fits a table best (of a kind, if one is given), with why; NULLs: none. Internal.';

create function handoff.recognize(tab text,
    out crm text, out tool text, out object text, out kind text, out key text[], out id_format text, out reason text) returns record
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select r.crm, r.tool, r.object, r.kind_of, r.key, r.id_format, r.reason from handoff.recognized($1::regclass, null) r
$$;
comment on function handoff.recognize(text) is
    'Which object of which CRM a table (schema-qualified) is, synced by which tool, and by which columns that was seen; what attach() takes from it: kind, key, id_format. NULLs: no mapping template fits.';

create function handoff.present_entry(target text, entry jsonb, present text[]) returns jsonb
    language sql immutable
    set search_path = pg_catalog, pg_temp
as $$
    select case when count(*) > 1 then jsonb_agg(e.entry order by e.n) else (array_agg(e.entry))[1] end
    from jsonb_array_elements(case jsonb_typeof($2) when 'array' then $2 else jsonb_build_array($2) end) with ordinality e (entry, n)
    where $3 @> handoff.mapping_columns($1, e.entry)
$$;
comment on function handoff.present_entry(text, jsonb, text[]) is
    'A template''s entry without what reads columns that are not there; NULL: nothing is left. Internal to suggest_mapping().';

create function handoff.guess_mapping(rel regclass, kind text, contract text) returns jsonb
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with column_name as (
        select a.name, a.n from unnest(handoff.column_names($1)) with ordinality a (name, n)
    ), known as (
        select distinct on (t.target) t.target, t.synonyms from handoff.mapping_targets($2, $3) t order by t.target
    ), by_name as (
        select distinct on (t.target) t.target, to_jsonb(a.name) as entry
        from known t
        join column_name a on handoff.plain_name(a.name) = any(t.synonyms)
        order by t.target, array_position(t.synonyms, handoff.plain_name(a.name)), a.n
    ), by_template as (
        -- null: not mapped, whatever the names say
        select e.key as target, case e.value when 'null' then null else handoff.present_entry(e.key, e.value, handoff.column_names($1)) end as entry,
               e.value = 'null' as unmapped
        from handoff.recognized($1, $2) r
        cross join jsonb_each(r.mapping) e
        where exists (select from known t where t.target = e.key)
    )
    select coalesce(jsonb_object_agg(coalesce(t.target, n.target), coalesce(t.entry, n.entry))
                    filter (where t.unmapped is not true and coalesce(t.entry, n.entry) is not null), '{}')
    from by_name n
    full join by_template t on t.target = n.target
$$;
comment on function handoff.guess_mapping(regclass, text, text) is
    'What suggest_mapping() says, of a table that is known already: it asks for no right to its schema. Internal.';

create function handoff.suggest_mapping(tab text, kind text default null, contract text default null) returns jsonb
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    rel   regclass := tab::regclass;
    known record := handoff.recognized(rel, kind);
begin
    if kind is null and known.kind_of is null then
        raise exception 'it can''t be told what the rows of table % are', rel
            using errcode = 'LH021', detail = 'No mapping template fits it.',
                  hint = 'Say it: kind => ''lead'', ''activity'', ''account'', ''opportunity'', ''link'' or ''rep''.';
    end if;
    return handoff.guess_mapping(rel, coalesce(kind, known.kind_of), contract);
end
$$;
comment on function handoff.suggest_mapping(text, text, text) is
    'What the columns of a table (schema-qualified) mean for a source of a kind (default: that of the mapping template that fits): target -> entry, by the template, and by names what it doesn''t say. Error LH021: no kind is given and no template fits.';

revoke all on function handoff.mapping_templates() from public;
revoke all on function handoff.column_names(regclass) from public;
revoke all on function handoff.recognized(regclass, text) from public;
revoke all on function handoff.recognize(text) from public;
revoke all on function handoff.present_entry(text, jsonb, text[]) from public;
revoke all on function handoff.guess_mapping(regclass, text, text) from public;
revoke all on function handoff.suggest_mapping(text, text, text) from public;
