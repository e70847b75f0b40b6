-- sql/extension/30-define.sql: the contract as a document: edit, check, publish, compare, carry.
--
-- What treats all definition tables alike (copy, export, import, diff, the triggers) works from one
-- list, definition_tables(), and from the catalog: the primary key without contract_id is a row's
-- key, columns of type handoff.criteria are its criteria. A new column is carried everywhere without
-- a line here. It follows that a column which may be NULL must have no default: in a document an
-- absent value means the default, and NULL only where there is none.
--
-- Functions named check_.., keep_.. and definition_.. are internal.

-- What a contract consists of ---------------------------------------------------------------------

create function handoff.definition_tables() returns text[]
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select array[
        'field', 'derived', 'stage', 'leg', 'transition', 'gate', 'validation', 'score_group',
        'score_rule', 'band', 'activity_rule', 'route', 'sla', 'escalation', 'channel', 'work_standard',
        'cadence_step', 'recycle_path', 'disposition', 'crm_status', 'collision', 'target', 'message_template'
    ]
$$;
comment on function handoff.definition_tables() is
    'Tables of schema handoff that define a contract, in an order in which their rows can be inserted. Internal.';

create function handoff.definition_columns(tab text)
    returns table (col text, type regtype, is_key boolean, value_if_absent text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select a.attname,
           a.atttypid::regtype,
           coalesce(a.attnum = any (i.indkey), false),
           coalesce(pg_get_expr(d.adbin, d.adrelid), 'null')
    from pg_attribute a
    left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = format('handoff.%I', tab)::regclass
      and a.attnum > 0
      and not a.attisdropped
      and a.attname <> 'contract_id'
      and (tab <> 'contract'
           or a.attname not in ('status', 'checksum', 'traffic_share', 'effective', 'challenging', 'in_force', 'created_at',
                                'published_at', 'published_by', 'note'))
    order by a.attnum
$$;
comment on function handoff.definition_columns(text) is
    'Columns of a definition table that belong to the definition: not contract_id, and of contract nothing that may change after publishing. Internal.';

create function handoff.definition_key(tab text) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select 'concat_ws('' '', ' || string_agg(format('t.%I', c.col), ', ') || ')'
    from handoff.definition_columns(tab) c
    where c.is_key
$$;
comment on function handoff.definition_key(text) is
    'SQL expression that names a row (alias t) of a definition table within its contract. Internal.';

create function handoff.known_fields(version int) returns table (of text, name text, type text, step int)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select b.of, b.name, b.type, b.step from handoff.builtin_fields() b where b.of <> 'account'
    union all
    select 'lead', 'account.' || b.name, b.type, b.step from handoff.builtin_fields() b where b.of = 'account'
    union all
    select 'lead', d.field, 'text', 1 from handoff.derived d where d.contract_id = $1 group by d.field
    union all
    select f.of, f.name, f.type, 0 from handoff.field f where f.contract_id = $1 and f.of <> 'account'
    union all
    select 'lead', 'account.' || f.name, f.type, 0
    from handoff.field f where f.contract_id = $1 and f.of = 'account'
$$;
comment on function handoff.known_fields(int) is
    'Fields that criteria of a contract may name: built-in, derived and declared ones. step: when a decision knows the field, as in builtin_fields().';

create function handoff.definition_criteria(tab text, rows_from text) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with rule (query) as (
        select string_agg(
            format('select t.contract_id, %s, %L, t.%I, %s from %s t where t.%I is not null',
                   coalesce(handoff.definition_key(tab), 't.name'), c.col, c.col,
                   case tab
                       when 'activity_rule' then '''activity'''
                       when 'score_rule' then '(select case g.kind when ''fit'' then ''lead'' else ''activity'' end'
                           ' from handoff.score_group g where (g.contract_id, g.name) = (t.contract_id, t.score_group))'
                       else '''lead'''
                   end,
                   rows_from, c.col),
            ' union all ')
        from handoff.definition_columns(tab) c
        where c.type = 'handoff.criteria'::regtype
    )
    select format(
        'with rule (contract_id, key, col, criteria, of) as (%s),'
        ' known as (select v.contract_id, f.of, array_agg(f.name) as names, array_agg(f.type) as types'
        ' from (select distinct contract_id from rule) v'
        ' cross join lateral (select distinct on (k.of, k.name) k.* from handoff.known_fields(v.contract_id) k'
        ' order by k.of, k.name, k.step) f group by 1, 2)'
        ' select format(''%%s "%%s"%%s'', %L, r.key, nullif('', '' || r.col, '', criteria'')) as object,'
        ' r.contract_id, r.key, r.of, r.criteria, k.names, k.types'
        ' from rule r join known k using (contract_id, of)',
        query, replace(tab, '_', ' '))
    from rule
    where query is not null
$$;
comment on function handoff.definition_criteria(text, text) is
    'Query for the criteria among rows_from of a definition table: object (for messages), contract_id, key, of, criteria, and names and types of the fields it may name. NULL: the table has no criteria. Internal.';

-- A definition stays as it was published ----------------------------------------------------------

create function handoff.keep_editable(version int) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    now_is text;
begin
    -- the row lock makes publish() wait for edits under way, and edits for a publish
    select c.status into now_is from handoff.contract c where c.contract_id = version for share;
    if now_is <> 'draft' then
        raise exception 'contract % is %, its definitions can''t be changed', version, now_is
            using errcode = 'LH010',
                  detail = 'Every decision names the version it was made under, so that version must stay as it was.',
                  hint = format('Make a draft with SELECT handoff.draft(%s), change that and publish it.', version);
    end if;
end
$$;
comment on function handoff.keep_editable(int) is
    'Raises LH010 unless the contract is a draft, or is gone (a draft''s rows are deleted with it). Internal.';

create function handoff.keep_definition() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    rule record;
    builtin text;
    problem text;
    problem_detail text;
    problem_hint text;
begin
    if tg_op <> 'INSERT' then
        perform handoff.keep_editable(o.contract_id) from (select distinct contract_id from old_row) o;
    end if;
    if tg_op = 'DELETE' then
        return null;
    end if;
    perform handoff.keep_editable(n.contract_id) from (select distinct contract_id from new_row) n;

    if tg_table_name in ('field', 'derived') then
        select b.name into builtin
        from (select to_jsonb(r) as doc from new_row r) n
        join handoff.builtin_fields() b
          on b.of = coalesce(n.doc ->> 'of', 'lead') and b.name = coalesce(n.doc ->> 'field', n.doc ->> 'name')
        limit 1;
        if found then
            raise exception 'field "%" is built in', builtin
                using errcode = 'LH011',
                      hint = 'Choose another name; SELECT * FROM handoff.builtin_fields() lists the built-in ones.';
        end if;
    end if;

    for rule in execute coalesce(handoff.definition_criteria(tg_table_name, 'new_row'),
                                 'select null as object where false') loop
        perform handoff.check_criteria(rule.criteria, rule.names, rule.types);
    end loop;
    return null;
exception
    when sqlstate 'LH002' or sqlstate 'LH003' then
        get stacked diagnostics problem = message_text,
                                problem_detail = pg_exception_detail,
                                problem_hint = pg_exception_hint;
        raise exception '%: %', rule.object, problem
            using errcode = sqlstate,
                  detail = coalesce(nullif(problem_detail, ''), format('The criteria is: %s', rule.criteria)),
                  hint = coalesce(nullif(problem_hint, ''),
                                  format('SELECT * FROM handoff.known_fields(%s) lists all fields with their types.',
                                         rule.contract_id));
end
$$;
comment on function handoff.keep_definition() is
    'Statement trigger of every definition table: only drafts change (LH010), no field takes a built-in name (LH011), criteria name known fields in a way that fits their types (LH002, LH003).';

create function handoff.keep_contract() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    may_change constant text[] := '{status,checksum,traffic_share,effective,challenging,in_force,published_at,published_by,note}';
begin
    if old.status <> 'draft' then
        if tg_op = 'DELETE' then
            raise exception 'contract % is %, it can''t be deleted', old.contract_id, old.status
                using errcode = 'LH010',
                      detail = 'Decisions were made under it and name it.',
                      hint = 'Take it out of force with handoff.retire().';
        elsif new.status = 'draft' or to_jsonb(new) - may_change <> to_jsonb(old) - may_change then
            perform handoff.keep_editable(old.contract_id);
        elsif new.traffic_share is distinct from old.traffic_share and new.published_at is not distinct from old.published_at then
            raise exception 'the share of contract % is not changed by hand', old.contract_id
                using errcode = 'LH010',
                      detail = 'The leads whose version it changes must be decided anew.',
                      hint = format('SELECT handoff.publish(%s, traffic_share => ..) does both.', old.contract_id);
        end if;
    end if;
    return case tg_op when 'DELETE' then old else new end;
end
$$;
comment on function handoff.keep_contract() is
    'Row trigger of handoff.contract: once not a draft, a contract is never deleted, never a draft again, and changes only in status, effective, challenging, checksum, published_at, published_by and note, and by publish() in its share (LH010).';

create function handoff.keep_truncated() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (select from handoff.contract c where c.status <> 'draft') then
        raise exception 'table "%" holds published definitions, it can''t be truncated', tg_table_name
            using errcode = 'LH010',
                  detail = 'Every decision names the version it was made under, so that version must stay as it was.',
                  hint = 'Delete the rows of a draft instead.';
    end if;
    return null;
end
$$;
comment on function handoff.keep_truncated() is
    'Statement trigger: refuses TRUNCATE while any contract is not a draft (LH010).';

-- Which version -----------------------------------------------------------------------------------

create function handoff.in_force(contract text default null) returns int
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    found_id int[];
begin
    found_id := array(select c.contract_id from handoff.contract c
                      where c.in_force and c.name = coalesce(contract, c.name));
    if cardinality(found_id) > 1 then
        raise exception 'several contracts are in force'
            using errcode = 'LH012', hint = 'Name the contract or its version.';
    end if;
    return found_id[1];
end
$$;
comment on function handoff.in_force(text) is
    'Version in force of the contract of that name; without a name of the only one; not a challenger. NULL: none. LH012: several contracts are in force and none was named.';

create function handoff.chosen_version(version int) returns int
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    draft int[];
    chosen int;
begin
    if version is not null then
        select c.contract_id into chosen from handoff.contract c where c.contract_id = version;
        if not found then
            raise exception 'contract % does not exist', version
                using errcode = 'LH012', hint = 'SELECT contract_id, name, status FROM handoff.contract lists the versions.';
        end if;
        return chosen;
    end if;
    draft := array(select c.contract_id from handoff.contract c where c.status = 'draft');
    chosen := case when cardinality(draft) = 1 then draft[1] else handoff.in_force() end;
    if chosen is null then
        raise exception 'there is %, and no contract is in force',
                        case when draft = '{}' then 'no draft' else 'more than one draft' end
            using errcode = 'LH012',
                  hint = case when draft = '{}' then 'Begin with SELECT handoff.load_template(''b2b_saas'').'
                              else 'Name the version.' end;
    end if;
    return chosen;
end
$$;
comment on function handoff.chosen_version(int) is
    'The version itself if it exists (else LH012); for NULL the draft if there is exactly one, else the version in force.';

create function handoff.contract_at(t timestamptz, contract text default null) returns int
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    found_id int[];
begin
    found_id := array(select c.contract_id from handoff.contract c
                      where c.effective @> t and c.name = coalesce(contract, c.name));
    if cardinality(found_id) > 1 then
        raise exception 'several contracts were in force at that time'
            using errcode = 'LH012', hint = 'Name the contract.';
    end if;
    return found_id[1];
end
$$;
comment on function handoff.contract_at(timestamptz, text) is
    'Version that was in force at t, by name of the contract (default: the only one). NULL: none. LH012: several, and none was named.';

-- Drafts, documents -------------------------------------------------------------------------------

create function handoff.new_contract_id() returns int
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    lock table handoff.contract in share row exclusive mode;
    return (select coalesce(max(c.contract_id), 0) + 1 from handoff.contract c);
end
$$;
comment on function handoff.new_contract_id() is
    'The next version number; a table lock makes whoever else numbers or publishes wait until this transaction ends. Internal.';

create function handoff.draft(from_version int default null) returns int
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    made int := handoff.new_contract_id();
    source int;
    tab text;
    cols text;
begin
    source := case when from_version is null then handoff.in_force() else handoff.chosen_version(from_version) end;
    if source is null then
        insert into handoff.contract (contract_id) values (made);
        return made;
    end if;
    foreach tab in array array['contract'] || handoff.definition_tables() loop
        select string_agg(quote_ident(c.col), ', ') into cols from handoff.definition_columns(tab) c;
        execute format('insert into handoff.%I (contract_id, %s) select $1, %s from handoff.%I where contract_id = $2',
                       tab, cols, cols, tab)
            using made, source;
    end loop;
    update handoff.contract c set scope = null where c.contract_id = made;
    return made;
end
$$;
comment on function handoff.draft(int) is
    'Makes a draft: a copy of from_version (default: the version in force) without the scope of a challenger, or an empty one if there is none. Returns its version. LH012: no such version.';

create function handoff.export(version int default null) returns jsonb
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    set intervalstyle = iso_8601
    set datestyle = iso
as $$
declare
    chosen int := handoff.chosen_version(version);
    doc jsonb := jsonb_build_object('format', 1);
    tab text;
    cols text[];
    sorted_by text;
    items jsonb;
begin
    foreach tab in array array['contract'] || handoff.definition_tables() loop
        select array_agg(c.col),
               string_agg(format('t.%I', c.col) || case c.type when 'text'::regtype then ' collate "C"' else '' end, ', ')
                   filter (where c.is_key)
        into cols, sorted_by
        from handoff.definition_columns(tab) c;
        execute format('select jsonb_agg((select jsonb_object_agg(e.key, e.value) from jsonb_each(to_jsonb(t)) e'
                       ' where e.key = any ($2) and e.value <> ''null'') order by %s)'
                       ' from handoff.%I t where t.contract_id = $1',
                       coalesce(sorted_by, '1'), tab)
            into items
            using chosen, cols;
        if items is not null then
            doc := jsonb_set(doc, array[tab], case tab when 'contract' then items -> 0 else items end);
        end if;
    end loop;
    return doc;
end
$$;
comment on function handoff.export(int) is
    'A contract as one JSON document, made to be kept in git: key format, the contract''s own values, and for each definition table its rows in the order of their keys, without version numbers and whatever changes after publishing. Absent: NULL. Intervals are ISO 8601 durations. LH012: no such version.';

create function handoff.definition_checksum(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select encode(sha256(convert_to(handoff.export(version)::text, 'UTF8')), 'hex')
$$;
comment on function handoff.definition_checksum(int) is
    'SHA-256, in hex, of the text of export(version) in UTF-8: what contract.checksum holds once published.';

create function handoff.check_document(doc jsonb) returns void
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    tables constant text[] := handoff.definition_tables();
    tab text;
    bad text;
begin
    if jsonb_typeof(doc) is distinct from 'object' or jsonb_typeof(doc -> 'contract') is distinct from 'object' then
        raise exception 'the document is not a contract'
            using errcode = 'LH011',
                  hint = 'It is an object with the keys "format" and "contract", as handoff.export() writes it.';
    end if;
    if doc -> 'format' is distinct from '1' then
        raise exception 'the document''s format is %, not 1', coalesce(doc ->> 'format', 'missing')
            using errcode = 'LH011', hint = 'This release reads format 1.';
    end if;
    select k into bad
    from jsonb_object_keys(doc) k
    where k <> all (tables || '{format,contract}'::text[])
    order by k collate "C"
    limit 1;
    if found then
        raise exception 'unknown key "%" in the document', bad
            using errcode = 'LH011', hint = format('Known keys: format, contract, %s.', array_to_string(tables, ', '));
    end if;
    foreach tab in array array['contract'] || tables loop
        if tab <> 'contract' and (jsonb_typeof(doc -> tab) <> 'array' or exists (
            select from jsonb_array_elements(case jsonb_typeof(doc -> tab) when 'array' then doc -> tab end) e
            where jsonb_typeof(e) <> 'object')) then
            raise exception 'key "%" of the document is not an array of objects', tab using errcode = 'LH011';
        end if;
        select k into bad
        from jsonb_array_elements(case tab when 'contract' then jsonb_build_array(doc -> tab) else doc -> tab end) e,
             jsonb_object_keys(e) k
        where k not in (select c.col from handoff.definition_columns(tab) c)
        order by k collate "C"
        limit 1;
        if found then
            raise exception 'unknown key "%" in "%" of the document', bad, tab
                using errcode = 'LH011',
                      hint = format('Known keys: %s.', (select string_agg(c.col, ', ')
                                                        from handoff.definition_columns(tab) c));
        end if;
    end loop;
end
$$;
comment on function handoff.check_document(jsonb) is
    'Raises LH011 when doc has not the form that export() writes: wrong format, unknown key, not an array of objects. Internal.';

create function handoff.import(doc jsonb) returns int
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    made int := handoff.new_contract_id();
    tab text;
    cols text;
    vals text;
    problem text;
    problem_detail text;
    problem_hint text;
begin
    perform handoff.check_document(doc);
    foreach tab in array array['contract'] || handoff.definition_tables() loop
        continue when not doc ? tab;
        select string_agg(quote_ident(c.col), ', '),
               string_agg(format('case when e.item ? %L then t.%I else %s end', c.col, c.col, c.value_if_absent), ', ')
        into cols, vals
        from handoff.definition_columns(tab) c;
        execute format('insert into handoff.%I (contract_id, %s) select $1, %s'
                       ' from jsonb_array_elements($2) with ordinality e (item, n)'
                       ' cross join lateral jsonb_populate_record(null::handoff.%I, e.item) t order by e.n',
                       tab, cols, vals, tab)
            using made, case tab when 'contract' then jsonb_build_array(doc -> tab) else doc -> tab end;
    end loop;
    return made;
exception
    -- LH010 and up are our own and say where; what PostgreSQL says about a value does not
    when data_exception or integrity_constraint_violation or sqlstate 'LH001' then
        get stacked diagnostics problem = message_text,
                                problem_detail = pg_exception_detail,
                                problem_hint = pg_exception_hint;
        raise exception '"%" of the document: %', tab, problem
            using errcode = sqlstate,
                  detail = coalesce(nullif(problem_detail, ''), 'Nothing was imported.'),
                  hint = coalesce(nullif(problem_hint, ''), 'Correct the document and import it again.');
end
$$;
comment on function handoff.import(jsonb) is
    'Makes a draft from a document of export() and returns its version; importing what was exported and exporting it again gives the same document. An absent key means the column''s default. LH011: unknown key or form; other errors name the part of the document they lie in.';

create function handoff.load_template(template text) returns int
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    doc jsonb := handoff.template(template);
begin
    with made as (
        insert into handoff.calendar as c
        select t.* from jsonb_populate_recordset(null::handoff.calendar, doc -> 'calendar') t
        on conflict do nothing
        returning c.name, to_jsonb(c) as row
    )
    insert into handoff.operation_log (object, name, new) select 'calendar', m.name, m.row from made m;

    with made as (
        insert into handoff.pool as p (pool, policy, per_band, counted_stages, respect_schedule, calendar)
        select t.pool,
               coalesce(t.policy, 'weighted'),
               coalesce(t.per_band, false),
               coalesce(t.counted_stages, '{}'),
               coalesce(t.respect_schedule, true),
               t.calendar
        from jsonb_populate_recordset(null::handoff.pool, doc -> 'pool') t
        on conflict do nothing
        returning p.pool as name, to_jsonb(p) as row
    )
    insert into handoff.operation_log (object, name, new) select 'pool', m.name, m.row from made m;

    return handoff.import(doc -> 'definition');
end
$$;
comment on function handoff.load_template(text) is
    'Makes a draft from a template that comes with the extension, for example b2b_saas, and returns its version. Also makes the pools and calendars that the template brings, where missing.';

-- Compare -----------------------------------------------------------------------------------------

create function handoff.diff(a int, b int) returns table (object text, key text, what text, old jsonb, new jsonb)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    set intervalstyle = iso_8601
    set datestyle = iso
as $$
#variable_conflict use_column
declare
    ids constant int[] := array[handoff.chosen_version(a), handoff.chosen_version(b)];
    docs constant jsonb[] := array[handoff.export(ids[1]), handoff.export(ids[2])];
    tab text;
begin
    return query
        select 'contract', k.key,
               case when not x ? k.key then 'added' when not y ? k.key then 'removed' else 'changed' end,
               x -> k.key, y -> k.key
        from (values (docs[1] -> 'contract', docs[2] -> 'contract')) d (x, y),
             jsonb_object_keys(x || y) k (key)
        where x -> k.key is distinct from y -> k.key
        order by 2;
    foreach tab in array handoff.definition_tables() loop
        return query execute format(
            'with side as ('
            '    select t.contract_id, jsonb_build_array(%s) as id, %s as key, to_jsonb(t) - ''contract_id'' as row'
            '    from handoff.%I t'
            '), pair as ('
            '    select id, key, x.row as x, y.row as y'
            '    from (select id, key, row from side where contract_id = $1) x'
            '    full join (select id, key, row from side where contract_id = $2) y using (id, key)'
            '    where x.row is distinct from y.row'
            ')'
            ' select %L, key, case when x is null then ''added'' when y is null then ''removed'' else ''changed'' end,'
            '    case when y is null then jsonb_strip_nulls(x)'
            '         else (select jsonb_object_agg(e.key, e.value) from jsonb_each(x) e where y -> e.key <> e.value) end,'
            '    case when x is null then jsonb_strip_nulls(y)'
            '         else (select jsonb_object_agg(e.key, e.value) from jsonb_each(y) e where x -> e.key <> e.value) end'
            ' from pair order by id',
            (select string_agg(format('t.%I', c.col), ', ') from handoff.definition_columns(tab) c where c.is_key),
            handoff.definition_key(tab), tab, tab)
            using ids[1], ids[2];
    end loop;
end
$$;
comment on function handoff.diff(int, int) is
    'What differs between two versions, one row each: object (table, or contract), key (of the row, or the contract''s column), what (added, removed, changed), and the old and new values: of a changed row only those that differ. LH012: no such version.';

revoke all on function handoff.definition_tables() from public;
revoke all on function handoff.definition_columns(text) from public;
revoke all on function handoff.definition_key(text) from public;
revoke all on function handoff.known_fields(int) from public;
revoke all on function handoff.definition_criteria(text, text) from public;
revoke all on function handoff.keep_editable(int) from public;
revoke all on function handoff.keep_definition() from public;
revoke all on function handoff.keep_contract() from public;
revoke all on function handoff.keep_truncated() from public;
revoke all on function handoff.in_force(text) from public;
revoke all on function handoff.chosen_version(int) from public;
revoke all on function handoff.contract_at(timestamptz, text) from public;
revoke all on function handoff.new_contract_id() from public;
revoke all on function handoff.draft(int) from public;
revoke all on function handoff.export(int) from public;
revoke all on function handoff.definition_checksum(int) from public;
revoke all on function handoff.check_document(jsonb) from public;
revoke all on function handoff.import(jsonb) from public;
revoke all on function handoff.load_template(text) from public;
revoke all on function handoff.diff(int, int) from public;
