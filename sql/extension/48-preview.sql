-- sql/extension/48-preview.sql: who would get a lead, and how much room the pools have. Nothing is changed.

create function handoff.route_preview(
    fields  jsonb,
    version int default null,
    at      timestamptz default null,
    leg     text default null
) returns table (ord int, route text, code text, pool text, rep text, reps jsonb)
    language c stable
    as 'MODULE_PATHNAME', 'lh_route_preview';
comment on function handoff.route_preview(jsonb, int, timestamptz, text) is
    'Who would get a lead with these fields (as score() takes them) on passing a leg (NULL: the first), under a version (NULL: the draft being edited, else the one in force), with people, pools, turns and territories as they are now, at a moment (NULL: now). One row a route in their order up to the one that takes it or that it would wait for: code is taken, no_match (in contracts of up to 100 routes) or why it is passed over; the last row has who gets it and reps, those passed over with their codes. NULL fields give no row. Errors: LH012 (no such version), LH002 (unknown field), 22023 (computed field), 42704 (no such leg).';

create function handoff.pool_capacity(pool text, p_now timestamptz default clock_timestamp())
    returns table (rep text, weight int, load int, capacity int, picks_left int, reason text, next_at timestamptz)
    language c stable strict
    as 'MODULE_PATHNAME', 'lh_pool_capacity';
comment on function handoff.pool_capacity(text, timestamptz) is
    'The members of a pool at p_now, one row each: open handoffs that count as load (counted up to the capacity only), capacity (NULL: no limit), picks left to him of the day, week and month (NULL: no limit), why he can take no lead now (inactive, away, off_shift, at_capacity, period_limit; NULL: he can), and from when on he could by calendar and absences (NULL: unknown, somebody must first dispose of something, or the limit''s period end). Who is off shift but back within 16 hours can. Error 42704: no such pool.';

create function handoff.pool_forecast(p_now timestamptz default clock_timestamp())
    returns table (pool text, members int, available int, room bigint, waiting bigint, next_free_at timestamptz)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select p.pool,
           count(c.rep)::int,
           count(c.rep) filter (where c.reason is null)::int,
           handoff.pool_room(p.pool, $1),
           (select count(*) from handoff.handoff h
            where h.closed_at is null and h.rep is null and h.pool = p.pool and h.handed_at <= $1),
           min(case when c.reason is null then $1 else c.next_at end)
    from handoff.pool p
    left join lateral handoff.pool_capacity(p.pool, $1) c on true
    group by p.pool
    order by p.pool
$$;
comment on function handoff.pool_forecast(timestamptz) is
    'How much the pools can take, one row each: members at p_now, how many of them can take a lead now, room (as pool_room()), handoffs that wait for it, and the next moment at which somebody could take one by calendar, absences and limits of a period: p_now itself if somebody can; NULL: not before somebody disposes of something.';

revoke all on function handoff.route_preview(jsonb, int, timestamptz, text) from public;
revoke all on function handoff.pool_capacity(text, timestamptz) from public;
revoke all on function handoff.pool_forecast(timestamptz) from public;
