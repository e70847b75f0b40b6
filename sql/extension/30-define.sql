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
        'score_rule', 'band', 'activity_rule', 'route', 'sla', 'escalation', 'work_standard',
        'cadence_step', 'recycle_path', 'disposition', 'collision', 'target', 'message_template'
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
           or a.attname not in ('status', 'checksum', 'traffic_share', 'effective', 'created_at',
                                'published_at', 'published_by', 'note'))
    order by a.attnum
$$;
comment on function handoff.definition_columns(text) is
    'Columns of a definition table that belong to the definition: not contract_id, and of contract nothing that may change after publishing. Internal.';

create function handoff.definition_key(tab text) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select format('concat_ws('' '', %s)', string_agg(format('t.%I', c.col), ', '))
    from handoff.definition_columns(tab) c
    where c.is_key
$$;
comment on function handoff.definition_key(text) is
    'SQL expression that names a row (alias t) of a definition table within its contract. Internal.';

create function handoff.known_fields(version int) returns table (of text, name text, type text, step int)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select b.of, b.name, b.type, b.step from handoff.builtin_fields() b
    union all
    select 'lead', d.field, 'text', 1 from handoff.derived d where d.contract_id = $1 group by d.field
    union all
    select f.of, f.name, f.type, 0 from handoff.field f where f.contract_id = $1 and f.of <> 'account'
    union all
    select 'lead', 'account.' || f.name, f.type, 0 from handoff.field f where f.contract_id = $1 and f.of = 'account'
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
        ' known as (select v.contract_id, f.of, array_agg(f.name) as names, array_agg(f.type) as types, array_agg(f.step) as steps'
        ' from (select distinct contract_id from rule) v, handoff.known_fields(v.contract_id) f group by 1, 2)'
        ' select format(''%%s "%%s"%%s'', %L, r.key, nullif('', '' || r.col, '', criteria'')) as object,'
        ' r.key, r.of, r.criteria, k.names, k.types, k.steps'
        ' from rule r join known k using (contract_id, of)',
        query, replace(tab, '_', ' '))
    from rule
    where query is not null
$$;
comment on function handoff.definition_criteria(text, text) is
    'Query for the criteria among rows_from of a definition table: object (for messages), key, of, criteria, and names, types and steps of the fields it may name. NULL: the table has no criteria. Internal.';

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
                                  'SELECT * FROM handoff.known_fields(VERSION) lists all fields with their types.');
end
$$;
comment on function handoff.keep_definition() is
    'Statement trigger of every definition table: only drafts change (LH010), no field takes a built-in name (LH011), criteria name known fields in a way that fits their types (LH002, LH003).';

create function handoff.keep_contract() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    may_change constant text[] := '{status,checksum,traffic_share,effective,published_at,published_by,note}';
begin
    if old.status <> 'draft' then
        if tg_op = 'DELETE' then
            raise exception 'contract % is %, it can''t be deleted', old.contract_id, old.status
                using errcode = 'LH010',
                      detail = 'Decisions were made under it and name it.',
                      hint = 'Take it out of force with handoff.retire().';
        elsif new.status = 'draft' or to_jsonb(new) - may_change <> to_jsonb(old) - may_change then
            perform handoff.keep_editable(old.contract_id);
        end if;
    end if;
    return case tg_op when 'DELETE' then old else new end;
end
$$;
comment on function handoff.keep_contract() is
    'Row trigger of handoff.contract: once not a draft, a contract is never deleted, never a draft again, and changes only in status, share, effective, checksum, published_at, published_by and note (LH010).';

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

revoke all on function handoff.definition_tables() from public;
revoke all on function handoff.definition_columns(text) from public;
revoke all on function handoff.definition_key(text) from public;
revoke all on function handoff.definition_criteria(text, text) from public;
revoke all on function handoff.known_fields(int) from public;
revoke all on function handoff.keep_editable(int) from public;
revoke all on function handoff.keep_definition() from public;
revoke all on function handoff.keep_contract() from public;
revoke all on function handoff.keep_truncated() from public;
