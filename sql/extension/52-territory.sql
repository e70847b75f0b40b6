-- sql/extension/52-territory.sql: maps of territories.
--
-- Whoever changes a map waits for whoever else does: two changes that contradict each other would not see
-- one another. Routing never waits for either; it reads the map as it was committed.

create type handoff.key_range as range (subtype = text, collation = "C", multirange_type_name = handoff.key_multirange);
comment on type handoff.key_range is 'Texts from one to another, compared by bytes: the keys that a range of a territory map stands for.';
comment on type handoff.key_multirange is 'Several handoff.key_range.';
comment on function handoff.key_range(text, text) is 'The texts from the first up to the second, not included.';
comment on function handoff.key_range(text, text, text) is 'The same with bounds, for example [].';
comment on function handoff.key_multirange() is 'No range at all.';
comment on function handoff.key_multirange(handoff.key_range) is 'One range.';
comment on function handoff.key_multirange(handoff.key_range[]) is 'Several ranges.';

create function handoff.territory_place(map text, kind text, key text) returns text
    language c immutable strict parallel safe
    as 'MODULE_PATHNAME', 'lh_territory_place';
comment on function handoff.territory_place(text, text, text) is
    'Where a key of a map stands among those that a range (kind range or number) may have, as a text that is compared by bytes; NULL: another kind, or not a number. src/route/territory.c says how. Frozen: a column of handoff.territory is made by it.';

create function handoff.lock_territories() returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'territory maps can''t be changed in a % transaction', current_setting('transaction_isolation')
            using errcode = '25001',
                  detail = 'It must see changes that end while it waits for them.',
                  hint = 'Use READ COMMITTED.';
    end if;
    perform pg_advisory_xact_lock(19540, 0);
end
$$;
comment on function handoff.lock_territories() is
    'Waits for other changes of territory maps, and makes them wait until this transaction ends. 25001: not in READ COMMITTED. Internal.';

create function handoff.territory_name(kind text, key text, high text) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
return kind || ' ' || key || coalesce('..' || nullif(high, ''), '');
comment on function handoff.territory_name(text, text, text) is
    'How a row of a territory map is called: prefix 941, range 94110..94119. Internal.';

create function handoff.territory_changing() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform handoff.lock_territories();
    if tg_op = 'TRUNCATE' then
        insert into handoff.operation_log (object, name, old)
        select 'territory', t.map || '/' || handoff.territory_name(t.kind, t.key, t.high), to_jsonb(t) - 'span' from handoff.territory t;
    end if;
    return null;
end
$$;
comment on function handoff.territory_changing() is
    'Lets one transaction at a time change territory maps; logs what a TRUNCATE removes. Trigger function.';

create function handoff.territory_clashes(rows_from text) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
return format($query$
    select t.map, n.kind, n.key, n.high, n.valid_from, n.pool, n.rep,
           t.key as other_key, t.high as other_high, t.valid_from as other_valid_from, t.pool as other_pool, t.rep as other_rep,
           greatest(t.valid_from, n.valid_from) as since
    from %1$s n
    join handoff.territory t
        on t.map = n.map and t.kind = n.kind and t.key = n.key and t.high = n.high and t.valid_from <> n.valid_from
        and t.valid_from < n.valid_to and n.valid_from < t.valid_to
    union all
    select t.map, n.kind, n.key, n.high, n.valid_from, n.pool, n.rep, t.key, t.high, t.valid_from, t.pool, t.rep,
           greatest(t.valid_from, n.valid_from)
    from %1$s n
    join handoff.territory t
        on t.span && n.span and (t.key, t.high) <> (n.key, n.high)
        and (t.span = n.span or not (t.span @> n.span or n.span @> t.span))
        and t.valid_from < n.valid_to and n.valid_from < t.valid_to
    where n.span is not null
$query$, rows_from);
comment on function handoff.territory_clashes(text) is
    'The query for rows of territory maps, among those of a table of that shape, that contradict others: the same key at the same time, or ranges that overlap and neither lies within the other. Internal.';

create function handoff.territory_changed() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set jit = off
    set enable_nestloop = on
as $$
declare
    clash record;
begin
    if tg_op <> 'DELETE' then
        -- planned for each statement: one row or a whole map
        execute handoff.territory_clashes('new_row') || ' limit 1' into clash;
        if clash.map is not null then
            raise exception 'territory map "%": % (%) and % (%) hold at the same time', clash.map,
                            handoff.territory_name(clash.kind, clash.key, clash.high), coalesce('pool ' || clash.pool, 'rep ' || clash.rep),
                            handoff.territory_name(clash.kind, clash.other_key, clash.other_high),
                            coalesce('pool ' || clash.other_pool, 'rep ' || clash.other_rep)
                using errcode = '23P01',
                      detail = format('Both hold from %s on.', clash.since),
                      hint = 'End one before the other begins, or let one range lie within the other.';
        end if;
    end if;
    if tg_op = 'INSERT' then
        insert into handoff.operation_log (object, name, new)
        select 'territory', n.map || '/' || n.kind || ' ' || n.key || coalesce('..' || nullif(n.high, ''), ''), to_jsonb(n) - 'span' from new_row n;
    elsif tg_op = 'DELETE' then
        insert into handoff.operation_log (object, name, old)
        select 'territory', o.map || '/' || o.kind || ' ' || o.key || coalesce('..' || nullif(o.high, ''), ''), to_jsonb(o) - 'span' from old_row o;
    else
        insert into handoff.operation_log (object, name, old, new)
        select 'territory', c.map || '/' || c.kind || ' ' || c.key || coalesce('..' || nullif(c.high, ''), ''), c.old, c.new
        from (
            select coalesce(n.map, o.map) as map, coalesce(n.kind, o.kind) as kind, coalesce(n.key, o.key) as key, coalesce(n.high, o.high) as high,
                   to_jsonb(o) - 'span' as old, to_jsonb(n) - 'span' as new
            from old_row o
            full join new_row n on n.map = o.map and n.kind = o.kind and n.key = o.key and n.high = o.high and n.valid_from = o.valid_from
        ) c
        where c.old is distinct from c.new;
    end if;
    return null;
end
$$;
comment on function handoff.territory_changed() is
    'Refuses rows of territory maps that contradict others (23P01), once a statement, and logs the change. Trigger function.';

create function handoff.set_territory(
    map    text,
    key    text,
    pool   text default null,
    rep    text default null,
    kind   text default null,
    high   text default null,
    p_from timestamptz default null
) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    row_kind text := coalesce(kind, case when high is null then 'exact' else 'range' end);
    row_high text := coalesce(high, '');
    start_at timestamptz := coalesce(p_from, clock_timestamp());
    before   handoff.territory;
    known    boolean;
begin
    if pool is not null and rep is not null then
        raise exception 'a territory belongs to a pool or to a rep, not to both' using errcode = '22023';
    end if;
    if not isfinite(start_at) then
        raise exception 'p_from must be finite' using errcode = '22008';
    end if;
    perform handoff.need_pool(pool) where pool is not null;
    perform handoff.need_rep(rep) where rep is not null;
    perform handoff.lock_territories();

    known := exists (select from handoff.territory t
                     where (t.map, t.kind, t.key, t.high) = (set_territory.map, row_kind, set_territory.key, row_high));
    select t.* into before from handoff.territory t
    where (t.map, t.kind, t.key, t.high) = (set_territory.map, row_kind, set_territory.key, row_high)
      and t.valid_from <= start_at and start_at < t.valid_to;
    if (before.pool, before.rep) is not distinct from (set_territory.pool, set_territory.rep) then
        return;
    end if;

    -- the past stays as it was
    if before.valid_from = start_at then
        delete from handoff.territory t
        where (t.map, t.kind, t.key, t.high, t.valid_from) = (before.map, before.kind, before.key, before.high, before.valid_from);
    elsif before.map is not null then
        update handoff.territory t set valid_to = start_at
        where (t.map, t.kind, t.key, t.high, t.valid_from) = (before.map, before.kind, before.key, before.high, before.valid_from);
    end if;
    if num_nonnulls(pool, rep) = 1 then
        insert into handoff.territory (map, kind, key, high, pool, rep, valid_from, valid_to)
        values (set_territory.map, row_kind, set_territory.key, row_high, set_territory.pool, set_territory.rep,
                case when known or p_from is not null then start_at else '-infinity' end,
                coalesce(before.valid_to,
                         (select min(f.valid_from) from handoff.territory f
                          where (f.map, f.kind, f.key, f.high) = (set_territory.map, row_kind, set_territory.key, row_high)
                            and f.valid_from > start_at),
                         'infinity'));
    end if;
end
$$;
comment on function handoff.set_territory(text, text, text, text, text, text, timestamptz) is
    'Gives a key, prefix or range of a territory map to a pool or a rep from p_from on (NULL: from now on), or (neither named) takes it out. kind: exact, prefix, range or number; NULL: exact, or with high range. What was never in the map is there for all times past too, unless p_from is given; rows of the past and of the future stay. Assigned leads stay where they are. Errors: 42704 (no such pool or rep), 22023 (both named), 22008 (p_from not finite), 23P01 (it contradicts another row), 23514 (kind, key or high not as the kind asks), 23502 (no map or key), 25001 (not in READ COMMITTED).';

create function handoff.staged_territories(staging regclass) returns text
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    has text[] := array(select a.attname from pg_attribute a where a.attrelid = staging and a.attnum > 0 and not a.attisdropped);
begin
    if not has @> '{key}' or not has && '{pool,rep}' then
        raise exception '% has no column %', staging, case when has @> '{key}' then 'pool or rep' else 'key' end
            using errcode = '42703', hint = 'Columns are key, pool or rep, and where needed kind and high.';
    end if;
    return format('select $1, %s, s.key::text, %s, %s, %s, null, null, null from %s s',
                  case when has @> '{kind}' then 'coalesce(s.kind, ''exact'')' else '''exact''' end,
                  case when has @> '{high}' then 'coalesce(s.high::text, '''')' else '''''' end,
                  case when has @> '{pool}' then 's.pool' else 'null' end,
                  case when has @> '{rep}' then 's.rep' else 'null' end, staging);
end
$$;
comment on function handoff.staged_territories(regclass) is
    'The query that reads a staging table as rows of a map, $1. Error 42703: a column is missing. Internal to load_territory().';

create function handoff.load_territory(
    map       text,
    staging   regclass,
    p_from    timestamptz default null,
    out added bigint,
    out ended bigint,
    out kept  bigint
) returns record
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    set jit = off
    set enable_nestloop = off
as $$
declare
    start_at timestamptz := coalesce(p_from, clock_timestamp());
    staged   handoff.territory[];
    twice    text;
    known    boolean;
    gone     bigint;
begin
    if not isfinite(start_at) then
        raise exception 'p_from must be finite' using errcode = '22008';
    end if;
    perform handoff.lock_territories();
    execute format('select array_agg(row(s.*)::handoff.territory) from (%s) s', handoff.staged_territories(staging)) into staged using map;
    if staged is null then
        raise exception '% is empty', staging
            using errcode = '22023', hint = 'To do away with a whole map, delete its rows from handoff.territory.';
    end if;
    select handoff.territory_name(s.kind, s.key, s.high) into twice
    from unnest(staged) s group by s.kind, s.key, s.high having count(*) > 1
    order by s.kind, s.key, s.high limit 1;
    if found then
        raise exception '% has "%" twice', staging, twice
            using errcode = '23505', hint = 'Leave one of the two.';
    end if;
    known := exists (select from handoff.territory t where t.map = load_territory.map);

    delete from handoff.territory t
    where t.map = load_territory.map and t.valid_from >= start_at
      and not (t.valid_from = start_at and exists (
          select from unnest(staged) s
          where (s.kind, s.key, s.high, coalesce(s.pool, ''), coalesce(s.rep, '')) = (t.kind, t.key, t.high, coalesce(t.pool, ''), coalesce(t.rep, ''))));
    get diagnostics gone = row_count;
    update handoff.territory t set valid_to = start_at
    where t.map = load_territory.map and t.valid_from < start_at and start_at < t.valid_to
      and not exists (
          select from unnest(staged) s
          where (s.kind, s.key, s.high, coalesce(s.pool, ''), coalesce(s.rep, '')) = (t.kind, t.key, t.high, coalesce(t.pool, ''), coalesce(t.rep, '')));
    get diagnostics ended = row_count;
    ended := ended + gone;
    -- what holds still is to hold on
    update handoff.territory t set valid_to = 'infinity'
    where t.map = load_territory.map and t.valid_from <= start_at and start_at < t.valid_to and t.valid_to < 'infinity';
    insert into handoff.territory (map, kind, key, high, pool, rep, valid_from)
    select s.map, s.kind, s.key, s.high, s.pool, s.rep, case when known or p_from is not null then start_at else '-infinity' end
    from unnest(staged) s
    where not exists (
        select from handoff.territory t
        where t.map = load_territory.map and (t.kind, t.key, t.high) = (s.kind, s.key, s.high) and t.valid_from <= start_at and start_at < t.valid_to);
    get diagnostics added = row_count;
    kept := cardinality(staged) - added;
end
$$;
comment on function handoff.load_territory(text, regclass, timestamptz) is
    'Makes a territory map, from p_from on (NULL: from now on), what a table or view of yours says, in columns key, pool or rep, and where needed kind (NULL, or no such column: exact) and high. Rows that stay as they are are not touched; those that are not in it end at p_from, also those that were to begin later; the others are added. A map that was not there holds for all times past too, unless p_from is given. Returns how many. Reads staging with the caller''s rights. Errors: 42703 (a column is missing), 22023 (staging is empty), 23505 (a row is there twice), 23503 (no such pool or rep), 23P01 (rows contradict each other), 23514 (kind, key or high not as the kind asks), 22008 (p_from not finite), 25001 (not in READ COMMITTED).';

create function handoff.territory_for(
    map text,
    of_key text,
    at  timestamptz default handoff.view_time()
) returns table (kind text, matched text, pool text, rep text, valid_from timestamptz, valid_to timestamptz)
    language c stable strict rows 1
    as 'MODULE_PATHNAME', 'lh_territory_for';
comment on function handoff.territory_for(text, text, timestamptz) is
    'The row of a territory map that has a key at a moment (default: view_time()): its kind, its key or first and last key, pool or rep, validity. No row: none has.';

create function handoff.territory_findings(map text default null)
    returns table (severity text, map_name text, what text, hint text)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
begin
    return query execute format($query$
        select 'error', c.map, format('%%s (%%s) and %%s (%%s) hold at the same time, from %%s on',
                   handoff.territory_name(c.kind, c.key, c.high), coalesce('pool ' || c.pool, 'rep ' || c.rep),
                   handoff.territory_name(c.kind, c.other_key, c.other_high), coalesce('pool ' || c.other_pool, 'rep ' || c.other_rep), c.since),
               'It was written while triggers were off. Delete one of the two.'
        from (%s) c
        where (c.key, c.high, c.valid_from) < (c.other_key, c.other_high, c.other_valid_from)
    $query$, handoff.territory_clashes('(select * from handoff.territory t where t.map = coalesce($1, t.map))'))
        using territory_findings.map;
    return query
    select 'warning', t.map::text, format('%s is never asked for: %s is', handoff.territory_name(t.kind, t.key, t.high),
                                          handoff.territory_name(p.kind, p.key, '')),
           'Exact rows and prefixes come before ranges.'
    from handoff.territory t
    cross join lateral generate_series(1, char_length(t.key)) n
    join handoff.territory p
        on p.map = t.map and p.kind = 'prefix' and p.key = left(t.key, n)
        and p.valid_from <= t.valid_from and t.valid_to <= p.valid_to
    where t.kind = 'range' and starts_with(t.high, p.key) and t.map = coalesce(territory_findings.map, t.map);
    return query
    select 'warning', t.map::text, format('%s of its rows belong to %s, which %s', count(*), t.owner, t.why), 'Leads of these keys are passed over.'
    from (
        select t.map, 'rep ' || r.rep as owner, case when not r.active then 'is not active' when not r.takes_leads then 'takes no leads' else 'is not valid at this time' end as why
        from handoff.territory t
        join handoff.rep r on r.rep = t.rep and (not r.active or not r.takes_leads or r.valid_from > handoff.view_time() or r.valid_to <= handoff.view_time())
        where t.valid_to > handoff.view_time()
        union all
        select t.map, 'pool ' || t.pool, 'has no active member'
        from handoff.territory t
        where t.valid_to > handoff.view_time() and not exists (
            select from handoff.pool_member m
            join handoff.rep r on r.rep = m.rep and r.active and r.valid_from <= handoff.view_time() and handoff.view_time() < r.valid_to
            where m.pool = t.pool and m.valid_from <= handoff.view_time() and handoff.view_time() < m.valid_to)
          and t.pool is not null
    ) t
    where t.map = coalesce(territory_findings.map, t.map)
    group by t.map, t.owner, t.why
    order by t.map, t.owner;
end
$$;
comment on function handoff.territory_findings(text) is
    'What is wrong with a territory map (NULL: with any), at view_time(): rows that contradict each other (error), ranges that a prefix hides, reps and pools that can''t take a lead (warnings). No row: nothing.';

create function handoff.territory_gaps(version int default null, at timestamptz default handoff.view_time())
    returns table (route text, map text, of_key text, leads bigint)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select a.name, a.target, a.key, a.leads
    from (
        select r.name, r.target, r.ord, l.fields ->> r.key_field as key, count(*) as leads
        from handoff.route r
        cross join handoff.lead l
        where r.contract_id = handoff.chosen_version($1) and r.target_kind = 'territory' and l.deleted_at is null
          and not exists (select from handoff.derived d where d.contract_id = r.contract_id and d.field = r.key_field)
        group by r.name, r.target, r.ord, l.fields ->> r.key_field
    ) a
    where not exists (select from handoff.territory_for(a.target, coalesce(a.key, ''), $2))
    order by a.ord, a.leads desc, a.key collate "C"
$$;
comment on function handoff.territory_gaps(int, timestamptz) is
    'Keys of leads that no row of the map has at a moment (default: view_time()), for each route of a version (default: the draft being edited, else the one in force) that targets a territory map, with the number of leads, whatever the route''s criteria. A null key: the leads without one. Routes by a derived field are left out: its value is not kept. Error LH012: no such version, or none to choose.';

create function handoff.check_territories(version int)
    returns table (severity text, object text, message text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select 'error', format('route "%s"', r.name), format('looks up "%s", which is of type %s', r.key_field, f.type),
           'A key is a text, bigint or numeric.'
    from handoff.route r
    join handoff.known_fields($1) f on f.of = 'lead' and f.name = r.key_field
    where r.contract_id = $1 and f.type not in ('text', 'bigint', 'numeric')
    union all
    select 'warning', format('route "%s"', r.name), format('territory map "%s" has no rows', r.target),
           'Load it with handoff.load_territory() or handoff.set_territory(); until then the route is passed over.'
    from handoff.route r
    where r.contract_id = $1 and r.target_kind = 'territory'
      and not exists (select from handoff.territory t where t.map = r.target)
    union all
    select 'warning', format('territory map "%s"', t.map_name), t.what, t.hint
    from (select distinct r.target from handoff.route r where r.contract_id = $1 and r.target_kind = 'territory') r
    cross join lateral handoff.territory_findings(r.target) t
    where t.severity = 'warning'
$$;
comment on function handoff.check_territories(int) is
    'Findings about routes to territory maps and about the maps. Internal.';

revoke all on function handoff.key_range(text, text) from public;
revoke all on function handoff.key_range(text, text, text) from public;
revoke all on function handoff.key_multirange() from public;
revoke all on function handoff.key_multirange(handoff.key_range) from public;
revoke all on function handoff.key_multirange(handoff.key_range[]) from public;
revoke all on function handoff.territory_place(text, text, text) from public;
revoke all on function handoff.lock_territories() from public;
revoke all on function handoff.territory_name(text, text, text) from public;
revoke all on function handoff.territory_changing() from public;
revoke all on function handoff.territory_clashes(text) from public;
revoke all on function handoff.territory_changed() from public;
revoke all on function handoff.set_territory(text, text, text, text, text, text, timestamptz) from public;
revoke all on function handoff.staged_territories(regclass) from public;
revoke all on function handoff.load_territory(text, regclass, timestamptz) from public;
revoke all on function handoff.territory_for(text, text, timestamptz) from public;
revoke all on function handoff.territory_findings(text) from public;
revoke all on function handoff.territory_gaps(int, timestamptz) from public;
revoke all on function handoff.check_territories(int) from public;
