-- sql/extension/88-keep.sql: what the views of KPIs showed at a moment, kept in tables.
--
-- A view counts whenever it is read, so it is right, and over a million handoffs takes seconds. Table kept_X has the rows
-- that view X had at kept_at, for whoever may read X. There is none until keep_kpis() is called; it writes them anew
-- in one transaction: readers never wait, and see the old rows or the new ones.

create function handoff.kept_views() returns text[]
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
return array[
    'challenge', 'error_rate', 'error_rate_rep', 'follow_up_depth', 'funnel', 'journey', 'kpi_band', 'kpi_leg', 'kpi_match', 'kpi_month',
    'kpi_pool', 'kpi_rep', 'kpi_route', 'kpi_segment', 'kpi_source', 'kpi_version', 'maturity', 'on_cadence', 'pipeline_attribution',
    'pipeline_influence', 'recycle_conversion', 'rejection_reason', 'rep_consistency', 'response_split', 'sla_attainment', 'sla_attainment_rep',
    'speed_to_lead', 'speed_to_lead_rep', 'stage_consistency', 'target_attainment', 'time_in_stage', 'violations', 'win_rate', 'win_rate_rep'
];
comment on function handoff.kept_views() is 'Views that keep_kpis() can keep: those that count, and name no lead.';

create function handoff.keep_kpis(views text[] default handoff.kept_views()) returns bigint
    language c volatile strict
    as 'MODULE_PATHNAME', 'lh_keep_kpis';
comment on function handoff.keep_kpis(text[]) is
    'Writes what views of KPIs show now, at handoff.view_time(), into tables handoff.kept_ and their name, with a column kept_at: for dashboards over so many handoffs that the views take too long. To be called whenever they should be as new as that. Whoever may read a view may read its table; who reads one doesn''t wait. Returns how many rows were written. Errors: 22023 (no such view), 2BP01 (the view has other columns since an update, and something depends on its table).';

create function handoff.keep_views(views text[]) returns bigint
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    strange   text;
    view_name text;
    n         bigint := 0;
begin
    select v.name into strange from unnest(views) v (name) where v.name is null or v.name <> all (handoff.kept_views());
    if found then
        raise exception 'view "%" can''t be kept', strange
            using errcode = '22023', hint = format('Those that can: %s.', array_to_string(handoff.kept_views(), ', '));
    end if;
    -- in one order: two callers wait for each other, and not in a circle
    for view_name in select distinct v.name from unnest(views) v (name) order by 1 loop
        perform handoff.lock_kept(view_name);
        if not handoff.kept_fits(view_name) then
            execute format('drop table handoff.%I', 'kept_' || view_name);
        end if;
        if handoff.kept_fits(view_name) is null then
            perform handoff.make_kept(view_name);
        end if;
        n := n + handoff.fill_kept(view_name);
    end loop;
    return n;
end
$$;
comment on function handoff.keep_views(text[]) is 'What keep_kpis() does, as the owner of schema handoff. Internal.';

create function handoff.lock_kept(view_name text) returns void
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    select pg_advisory_xact_lock(19544, hashtext($1))
$$;
comment on function handoff.lock_kept(text) is
    'Waits until nobody else writes or drops the kept table of a view, whether there is one or not, and keeps it so until the transaction ends. Internal.';

create function handoff.kept_fits(view_name text) returns boolean
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with col as (
        select a.attrelid, array_agg(format('%s %s', a.attname, format_type(a.atttypid, a.atttypmod)) order by a.attnum) as names
        from pg_attribute a
        where a.attrelid = any (array[to_regclass(format('handoff.%I', $1)), to_regclass(format('handoff.%I', 'kept_' || $1))]) and a.attnum > 0 and not a.attisdropped
        group by a.attrelid
    )
    select t.names = v.names || '{kept_at timestamp with time zone}'
    from col t
    join col v on v.attrelid = to_regclass(format('handoff.%I', $1))
    where t.attrelid = to_regclass(format('handoff.%I', 'kept_' || $1))
$$;
comment on function handoff.kept_fits(text) is 'Has the kept table of a view the view''s columns? An update of the extension can change these. NULL: there is no such table. Internal.';

create function handoff.make_kept(view_name text) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    kept      text := 'kept_' || view_name;
    about     text := obj_description(format('handoff.%I', view_name)::regclass);
    role_name text;
begin
    execute format('create table handoff.%I (like handoff.%I including comments, kept_at timestamptz not null)', kept, view_name);
    execute format('comment on table handoff.%I is %L', kept, format('View %s as it was at kept_at, by keep_kpis(). %s', view_name, about));
    execute format('comment on column handoff.%I.kept_at is %L', kept, 'When it was so: handoff.view_time() of the keep_kpis() that wrote it.');
    for role_name in
        select distinct case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
        from pg_class c
        cross join aclexplode(c.relacl) a
        where c.oid = format('handoff.%I', view_name)::regclass and a.privilege_type = 'SELECT' and a.grantee <> c.relowner
    loop
        execute format('grant select on handoff.%I to %s', kept, role_name);
    end loop;
end
$$;
comment on function handoff.make_kept(text) is 'Makes the kept table of a view, empty, for those who may read the view. Internal.';

create function handoff.fill_kept(view_name text) returns bigint
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    kept  text := 'kept_' || view_name;
    shown jsonb;
    n     bigint;
begin
    -- not INSERT .. SELECT, of which no plan is parallel
    execute format('select jsonb_agg(to_jsonb(v) || jsonb_build_object(''kept_at'', (select handoff.view_time()))) from handoff.%I v', view_name) into shown;
    execute format('delete from handoff.%I', kept);
    execute format('insert into handoff.%1$I select r.* from jsonb_populate_recordset(null::handoff.%1$I, $1) r', kept) using shown;
    get diagnostics n = row_count;
    return n;
end
$$;
comment on function handoff.fill_kept(text) is 'Writes what a view shows now into its kept table, in place of what is there. How many rows. Internal.';

create function handoff.kept()
    returns table (view_name text, kept_at timestamptz, up_to_date boolean)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    for view_name in select v.name from unnest(handoff.kept_views()) v (name) where handoff.kept_fits(v.name) is not null order by 1 loop
        execute format('select max(k.kept_at) from handoff.%I k', 'kept_' || view_name) into kept_at;
        up_to_date := handoff.kept_fits(view_name);
        return next;
    end loop;
end
$$;
comment on function handoff.kept() is
    'The kept tables there are, by their view, and of when they are (NULL: the view had no rows). up_to_date: they have the columns of the view; if not, keep_kpis() makes them anew.';

create function handoff.drop_kept(views text[] default handoff.kept_views()) returns int
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    view_name text;
    n         int := 0;
begin
    for view_name in select distinct v.name from unnest(views) v (name) where v.name = any (handoff.kept_views()) order by 1 loop
        perform handoff.lock_kept(view_name);
        if handoff.kept_fits(view_name) is not null then
            execute format('drop table handoff.%I', 'kept_' || view_name);
            n := n + 1;
        end if;
    end loop;
    return n;
end
$$;
comment on function handoff.drop_kept(text[]) is 'Drops kept tables. How many there were. Errors: 42501 (they are not the caller''s), 2BP01 (something depends on them).';

revoke all on function handoff.keep_kpis(text[]) from public;
revoke all on function handoff.keep_views(text[]) from public;
revoke all on function handoff.kept_views() from public;
revoke all on function handoff.lock_kept(text) from public;
revoke all on function handoff.kept_fits(text) from public;
revoke all on function handoff.make_kept(text) from public;
revoke all on function handoff.fill_kept(text) from public;
revoke all on function handoff.kept() from public;
revoke all on function handoff.drop_kept(text[]) from public;
