-- sql/extension/55-score.sql: who is hot at a moment.
--
-- Points fall all the time, heats do not: index lead_intent (half_life, intent) is in the order of the
-- points at any moment, within one half-life. Leads of several half-lives are in use together while a
-- contract with another one takes over. So hot_leads() steps from half-life to half-life (each step a
-- look into the index for the next larger one), and reads of each the end of the index that is hot.

create function handoff.hot_leads(min_points double precision, at timestamptz default handoff.view_time())
    returns table (
        lead_key    text,
        points      double precision,
        fit         bigint,
        band        text,
        stage       text,
        rep         text,
        account_key text,
        half_life   interval,
        decided_at  timestamptz
    )
    language sql stable strict
    set search_path = pg_catalog, pg_temp
    -- The planner takes "intent >= x" for a share of all leads, whatever their half-life. Where those of
    -- another one are all above x it would read the whole table, or compile a query of milliseconds.
    set enable_seqscan = off
    set jit = off
as $$
    with recursive used(half_life) as (
        select min(l.half_life) from handoff.lead l
        union all
        select (select min(l.half_life) from handoff.lead l where l.half_life > u.half_life)
        from used u
        where u.half_life is not null
    ), hot as (
        -- half a millionth less: decisions round to a millionth; offset 0 keeps it a look-up for each half-life
        select l.*
        from used u
        cross join lateral (
            select l.* from handoff.lead l
            where l.half_life = u.half_life
              and l.intent operator(handoff.>=) handoff.heat(min_points - 0.0000005, at, u.half_life)
            offset 0
        ) l
        where u.half_life is not null
        union all
        select l.*
        from handoff.lead l
        where l.half_life is null
          and l.intent operator(handoff.>=) handoff.heat(min_points - 0.0000005, at, null)
    )
    select l.lead_key, p.points, l.fit, l.band, l.stage,
           (select h.rep from handoff.handoff h where h.lead_key = l.lead_key and h.closed_at is null),
           l.account_key, l.half_life, l.decided_at
    from hot l
    cross join lateral (
        select round(handoff.points(l.intent, at, l.half_life)::numeric, 6)::double precision as points
    ) p
    where l.deleted_at is null
    order by p.points desc, l.lead_key collate "C"
$$;
comment on function handoff.hot_leads(double precision, timestamptz) is
    'Leads whose intent is worth min_points or more at a moment, best first, then by key: points (rounded to a millionth), fit, band and stage as last decided (decided_at), owner of the open handoff (NULL: nobody), account, half-life. Deleted leads are left out. Reads the hot end of index lead_intent only. A later moment is a forecast for the case that nothing more happens; an earlier one is not history, for what came since is counted. Differs from the intent of decisions in one thing: the contract''s min_intent and max_intent are not applied, so points go on above max_intent, and below 0 where activities count against a lead; min_points of 0 or less is an ordinary limit. NULL: no rows. Errors: 22003 (min_points not finite), 22008 (at not finite).';

create function handoff.hot_accounts(min_points double precision, at timestamptz default handoff.view_time())
    returns table (
        account_key     text,
        points          double precision,
        leads           bigint,
        hottest_lead    text,
        hottest_points  double precision,
        last_trigger_at timestamptz
    )
    language sql stable strict
    set search_path = pg_catalog, pg_temp
as $$
    select a.account_key, a.points, a.leads, a.hottest_lead, a.hottest_points, a.last_trigger_at
    from (
        select l.account_key,
               round(sum(p.points)::numeric, 6)::double precision as points,
               count(*) as leads,
               (array_agg(l.lead_key order by p.rounded desc, l.lead_key collate "C"))[1] as hottest_lead,
               max(p.rounded)::double precision as hottest_points,
               max(l.trigger_at) as last_trigger_at
        from handoff.lead l
        cross join lateral (
            select w.points, round(w.points::numeric, 6) as rounded
            from (select handoff.points(l.intent, at, l.half_life) as points) w
        ) p
        where l.account_key is not null and l.deleted_at is null
        group by l.account_key
    ) a
    where a.points >= min_points
    order by a.points desc, a.account_key collate "C"
$$;
comment on function handoff.hot_accounts(double precision, timestamptz) is
    'Accounts whose leads'' intent adds up to min_points or more at a moment, best first, then by key: points (rounded to a millionth; leads of different half-lives are added as points), leads, the hottest of them with its points, time of the newest input of any. Deleted leads are left out, and so are leads without an account. A sum may be high where no single lead is, so this reads every lead that has an account. Limits of the contract are not applied; see handoff.hot_leads() for that and for other moments. NULL: no rows. Errors: 22008 (at not finite), 22003 (points beyond a double).';

revoke all on function handoff.hot_leads(double precision, timestamptz) from public;
revoke all on function handoff.hot_accounts(double precision, timestamptz) from public;
