
-- sql/extension/84-suggest.sql: points from outcomes.
--
-- suggest() asks of the handoffs that have had their time: which of the contract's rules told the good ones
-- apart? What held at the handoff is read from the log (event scored, before event handoff), never from the
-- lead as it is now: what sales filled in afterwards explains every outcome and foretells none.
--
-- A row's features are 1 or 0 for each fit rule, and for each intent group the points it was worth at the
-- handoff. The log keeps groups, not single activities' points, so the rules of an intent group are scaled
-- together. Log odds become points by one factor: the sum of points then spreads over the earlier handoffs
-- as much as today's does, so points stay in the range that people know.
--
-- Two temporary tables hold what is asked several times; they go with the call.

create function handoff.suggest_basis(version int) returns jsonb
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select jsonb_build_array(
        c.name,
        c.half_life,
        (select jsonb_agg(jsonb_build_array(r.name, g.kind, r.criteria, case g.kind when 'intent' then jsonb_build_array(g.name, r.points) end)
                          order by r.name)
         from handoff.score_rule r
         join handoff.score_group g on (g.contract_id, g.name) = (r.contract_id, r.score_group)
         where r.contract_id = c.contract_id),
        (select jsonb_agg(jsonb_build_array(g.name, g.min_points, g.max_points) order by g.name)
         from handoff.score_group g
         where g.contract_id = c.contract_id and g.kind = 'intent'),
        (select jsonb_agg(jsonb_build_array(d.field, d.ord, d.value, d.criteria) order by d.field, d.ord, d.value)
         from handoff.derived d
         where d.contract_id = c.contract_id))
    from handoff.contract c
    where c.contract_id = version
$$;
comment on function handoff.suggest_basis(int) is
    'What must be the same in two versions for what the log says of rules and groups under one to hold under the other: rules with their criteria, derived fields, and whatever makes intent. Points of fit rules may differ. Internal to suggest().';

create function handoff.suggest_alike(version int) returns int[]
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select array(select c.contract_id from handoff.contract c where handoff.suggest_basis(c.contract_id) = handoff.suggest_basis(version))
$$;
comment on function handoff.suggest_alike(int) is
    'Versions with the same suggest_basis() as that one, which is among them. Internal to suggest().';

create function handoff.suggest_sums(x double precision[], weights double precision[], groups text[], lowest double precision[],
                                     highest double precision[], limits int[]) returns double precision[]
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select array[f.fit, f.intent, floor(f.fit + f.intent + 0.5)]
    from (
        -- greatest() and least() pass over NULL: no limit
        select greatest(limits[1], least(limits[2], coalesce(sum(s.points) filter (where left(s.of, 4) = 'fit '), 0))) as fit,
               greatest(limits[3], least(limits[4], coalesce(sum(s.points) filter (where left(s.of, 4) <> 'fit '), 0))) as intent
        from (
            select u.of, greatest(min(u.lowest), least(min(u.highest), sum(u.x * u.weight))) as points
            from unnest(x, weights, groups, lowest, highest) u (x, weight, of, lowest, highest)
            group by u.of
        ) s
    ) f
$$;
comment on function handoff.suggest_sums(double precision[], double precision[], text[], double precision[], double precision[], int[]) is
    'Fit, intent and score (rounded half up) of features at points each: sums of groups (named fit or intent, a space, the name) within their limits, and their sums within min_fit, max_fit, min_intent and max_intent of limits. Internal to suggest().';

create function handoff.suggest_variables(version int)
    returns table (ord int, kind text, name text, score_group text, points int, min_points int, max_points int)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select (row_number() over (order by v.kind, v.name collate "C"))::int, v.*
    from (
        select 'fit' as kind, r.name, g.name as score_group, r.points, g.min_points, g.max_points
        from handoff.score_rule r
        join handoff.score_group g on (g.contract_id, g.name) = (r.contract_id, r.score_group)
        where r.contract_id = version and g.kind = 'fit'
        union all
        select 'intent', g.name, g.name, 1, g.min_points, g.max_points
        from handoff.score_group g
        where g.contract_id = version and g.kind = 'intent'
    ) v
$$;
comment on function handoff.suggest_variables(int) is
    'The features of a version in order: its fit rules and its intent groups (which weigh 1 today). Internal to suggest().';

-- What happened -----------------------------------------------------------------------------------

create function handoff.suggest_gather(version int, outcome text, since timestamptz, until timestamptz, within interval, at_leg text, holdout numeric)
    returns bigint
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    alike   constant int[] := handoff.suggest_alike(version);
    kinds   text[];
    names   text[];
    skipped bigint;
begin
    create temp table suggest_variable on commit drop as
    select v.*, v.points::float8 as weight, null::float8 as coefficient, null::float8 as standard_error, 1::float8 as unit,
           false as varies, 0::bigint as n, 0::bigint as positives
    from handoff.suggest_variables(version) v;
    select array_agg(v.kind order by v.ord), array_agg(v.name order by v.ord) into kinds, names from pg_temp.suggest_variable v;

    -- handed_at + within, not the time since: a handoff that won after that is not what was asked for
    create temp table suggest_row on commit drop as
    select f.lead_key, f.handoff_no, e.seq, f.handed_at, false as later, s.contract_id = any (alike) as is_alike,
           coalesce(case suggest_gather.outcome when 'accepted' then h.accepted_at when 'qualified' then h.qualified_at
                                 when 'opportunity' then h.opportunity_at else h.won_at end <= h.handed_at + within, false) as positive,
           handoff.suggest_features(kinds, names, s.detail, f.handed_at, c.half_life) as x
    from handoff.fact_handoff f
    join handoff.handoff h using (lead_key, handoff_no)
    join lateral (
        select e.seq from handoff.event e
        where e.lead_key = f.lead_key and e.type = 'handoff' and (e.detail ->> 'handoff')::int = f.handoff_no
        limit 1
    ) e on true
    join lateral (
        select s.detail, s.contract_id from handoff.event s
        where s.lead_key = f.lead_key and s.seq < e.seq and s.type = 'scored'
        order by s.seq desc limit 1
    ) s on s.detail ? 'rules'
    join handoff.contract c on c.contract_id = s.contract_id
    where f.counted and f.leg = at_leg and f.handed_at >= since and f.handed_at < until
      and f.handed_at + within <= handoff.view_time()
      and c.name = (select o.name from handoff.contract o where o.contract_id = version);
    delete from pg_temp.suggest_row r where not r.is_alike;
    get diagnostics skipped = row_count;
    update pg_temp.suggest_row r set later = true
    where r.handed_at > (select percentile_disc(1 - holdout::float8) within group (order by a.handed_at) from pg_temp.suggest_row a);
    return skipped;
end
$$;
comment on function handoff.suggest_gather(int, text, timestamptz, timestamptz, interval, text, numeric) is
    'Makes the temporary tables suggest_variable (the features) and suggest_row (handoffs with what held then and what came of it; later: held out). Returns how many handoffs were left out since other rules were in force. Internal to suggest().';

create function handoff.suggest_features(kinds text[], names text[], scored jsonb, at timestamptz, half_life interval) returns double precision[]
    language sql immutable
    set search_path = pg_catalog, pg_temp
as $$
    select array_agg(case f.kind
                         when 'fit' then (scored -> 'rules' ? f.name)::int
                         else coalesce(handoff.points((scored -> 'groups' ->> f.name)::handoff.heat, at, half_life), 0)
                     end order by f.ord)
    from unnest(kinds, names) with ordinality f (kind, name, ord)
$$;
comment on function handoff.suggest_features(text[], text[], jsonb, timestamptz, interval) is
    'The features of one event scored, at a moment: 1 or 0 for a fit rule, points for an intent group. Internal to suggest().';

create function handoff.suggest_fit(ridge double precision) returns double precision[]
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    model  handoff.logistic_model;
    chosen int[];
    units  float8[];
    spread float8[];
begin
    update pg_temp.suggest_variable v
    set n = s.n, positives = s.positives, varies = s.deviation > 0,
        unit = case when v.kind = 'intent' and s.deviation > 0 then s.deviation else 1 end
    from (
        select u.ord, count(*) filter (where u.x <> 0) as n, count(*) filter (where u.x <> 0 and r.positive) as positives,
               stddev_pop(u.x) as deviation
        from pg_temp.suggest_row r, unnest(r.x) with ordinality u (x, ord)
        where not r.later
        group by u.ord
    ) s
    where s.ord = v.ord;
    select array_agg(v.ord order by v.ord), array_agg(v.unit order by v.ord) into chosen, units
    from pg_temp.suggest_variable v where v.varies;
    if chosen is null then
        raise exception 'no rule tells one handoff from another'
            using errcode = 'LH060', detail = 'Each rule held for all of the handoffs or for none.',
                  hint = 'Ask about a longer time, or about another leg.';
    end if;

    -- a ridge bears on features of one size alike: points of a group in units of their deviation
    -- offset 0 keeps the fit from being made once for each of its columns
    select (m.fit).* into model
    from (
        select handoff.logistic_fit(r.positive, array(select r.x[o.ord] / o.unit from unnest(chosen, units) with ordinality o (ord, unit, i) order by o.i), ridge) as fit
        from pg_temp.suggest_row r where not r.later
        offset 0
    ) m;
    update pg_temp.suggest_variable v
    set coefficient = model.coefficients[o.i + 1] / v.unit, standard_error = model.standard_errors[o.i + 1] / v.unit
    from unnest(chosen) with ordinality o (ord, i)
    where o.ord = v.ord;
    -- today's spread over the model's, of what the same features give
    select array[stddev_pop(s.today), stddev_pop(s.model)] into spread
    from (
        select sum(r.x[v.ord] * v.points) as today, sum(r.x[v.ord] * v.coefficient) as model
        from pg_temp.suggest_row r, pg_temp.suggest_variable v
        where v.varies and not r.later
        group by r.lead_key, r.handoff_no
    ) s;
    if not spread[2] > 0 then
        raise exception 'no rule tells good handoffs from others'
            using errcode = 'LH060', hint = 'Use a smaller ridge, or ask about a longer time.';
    end if;
    -- without points today: 20 double the odds, as in credit scorecards
    update pg_temp.suggest_variable v
    set weight = case v.kind when 'fit' then greatest(v.min_points, least(v.max_points, round(w.weight::numeric))) else w.weight end
    from (
        select o.ord, o.coefficient * case when spread[1] > 0 then spread[1] / spread[2] else 20 / ln(2) end as weight
        from pg_temp.suggest_variable o where o.varies
    ) w
    where w.ord = v.ord;
    return model.coefficients;
end
$$;
comment on function handoff.suggest_fit(double precision) is
    'Fits the earlier rows and writes coefficient, standard_error and weight (points, or the factor of an intent group) into suggest_variable. Returns the model''s coefficients: intercept, and one for each feature that varies, in units of suggest_variable.unit. Internal to suggest().';

-- What follows --------------------------------------------------------------------------------------

create function handoff.suggest_bands(version int, volume numeric)
    returns table (band text, of text, today int, suggested int, leads bigint, reached bigint)
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    kinds text[];
    names text[];
    points float8[];
    changed float8[];
    groups text[];
    lowest float8[];
    highest float8[];
    limits int[];
    alike int[] := handoff.suggest_alike(version);
begin
    select array_agg(v.kind order by v.ord), array_agg(v.name order by v.ord), array_agg(v.points::float8 order by v.ord),
           array_agg(v.weight order by v.ord), array_agg(v.kind || ' ' || v.score_group order by v.ord),
           array_agg(v.min_points::float8 order by v.ord), array_agg(v.max_points::float8 order by v.ord)
    into kinds, names, points, changed, groups, lowest, highest
    from pg_temp.suggest_variable v;
    select array[c.min_fit, c.max_fit, c.min_intent, c.max_intent] into limits from handoff.contract c where c.contract_id = version;

    -- offset 0: features are made once, though both scores ask for them
    create temp table suggest_lead on commit drop as
    select handoff.suggest_sums(s.x, points, groups, lowest, highest, limits) as today,
           handoff.suggest_sums(s.x, changed, groups, lowest, highest, limits) as changed
    from handoff.lead l
    join lateral (
        select e.detail, e.at, e.contract_id from handoff.event e
        where e.lead_key = l.lead_key and e.type = 'scored' order by e.seq desc limit 1
    ) e on e.detail ? 'rules'
    join handoff.contract c on c.contract_id = e.contract_id
    cross join lateral (select handoff.suggest_features(kinds, names, e.detail, e.at, c.half_life) as x offset 0) s
    where l.deleted_at is null and e.contract_id = any (alike);

    -- at least as many leads as wanted reach the limit, and no fewer than they must
    return query
        select t.name, t.of, t.least, w.suggested, w.leads,
               (select count(*) from pg_temp.suggest_lead a where floor(a.changed[t.n] + 0.5) >= w.suggested)
        from (
            select b.name, b.ord, o.* from handoff.band b
            cross join lateral (values ('min_fit', 1, b.min_fit), ('min_intent', 2, b.min_intent), ('min_score', 3, b.min_score)) o (of, n, least)
            where b.contract_id = version and o.least is not null
        ) t
        cross join lateral (
            select k.leads, (select floor(a.changed[t.n] + 0.5)::int from pg_temp.suggest_lead a
                             order by a.changed[t.n] desc offset greatest(least(k.leads * volume, k.all_leads), 1)::bigint - 1 limit 1) as suggested
            from (select count(*) filter (where floor(a.today[t.n] + 0.5) >= t.least) as leads, count(*) as all_leads from pg_temp.suggest_lead a) k
            where k.leads > 0
        ) w
        where w.suggested is not null
        order by t.ord, t.n;
    drop table pg_temp.suggest_lead;
end
$$;
comment on function handoff.suggest_bands(int, numeric) is
    'For each limit of each band the one that volume times as many leads reach with the suggested points as reach it with today''s, among all leads as they were last scored (leads: today, reached: then; more where several have the same points). Internal to suggest().';

create function handoff.suggest_delays(version int, since timestamptz, until timestamptz)
    returns table (path text, code text, today numeric, suggested numeric, recycled bigint, came_back bigint)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select p.name, h.code, extract(epoch from p.delay) / 86400,
           case when count(b.at) > 0
                then greatest(ceil(percentile_cont(0.5) within group (order by extract(epoch from b.at - h.closed_at)) / 86400)::numeric, 1) end,
           count(*), count(b.at)
    from handoff.recycle_path p
    join handoff.disposition d on (d.contract_id, d.recycle_path) = (p.contract_id, p.name)
    join handoff.handoff h on h.code = d.code and h.outcome = 'recycle'
    join handoff.contract c on c.contract_id = h.contract_id
     and c.name = (select o.name from handoff.contract o where o.contract_id = p.contract_id)
    left join lateral (
        -- the first move since by which it left where recycling had put it, if something it did was the reason
        select case when m.detail ->> 'event' in ('signal', 'scored', 'reengaged') then m.at end as at
        from (
            select e.seq from handoff.event e
            where e.lead_key = h.lead_key and e.type = 'recycled' and (e.detail ->> 'handoff')::int = h.handoff_no
            order by e.seq desc limit 1
        ) r
        join handoff.event m on m.lead_key = h.lead_key and m.seq > r.seq and m.type = 'stage' and m.detail ->> 'event' <> 'recycled'
        order by m.seq limit 1
    ) b on true
    where p.contract_id = version and p.delay is not null and h.closed_at >= since and h.closed_at < until
    group by grouping sets ((p.name, p.delay), (p.name, p.delay, h.code))
    order by p.name collate "C", h.code collate "C" nulls first
$$;
comment on function handoff.suggest_delays(int, timestamptz, timestamptz) is
    'By recycle path (code NULL) and by code: its delay in days, and the median of the days, rounded up, until leads did something that brought them back before that, of those who did. Internal to suggest().';

create function handoff.suggest_leaks(version int, within interval)
    returns table (field text, changed bigint, changed_positives bigint, handoffs bigint, positives bigint)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    with recursive used (name) as (
        select f.name
        from pg_temp.suggest_variable v
        join handoff.score_rule r on (r.contract_id, r.name) = (version, v.name)
        cross join lateral handoff.criteria_fields(r.criteria) f (name)
        where v.kind = 'fit'
        union
        select f.name
        from used u
        join handoff.derived d on (d.contract_id, d.field) = (version, u.name)
        cross join lateral handoff.criteria_fields(d.criteria) f (name)
    )
    select u.name, count(*), count(*) filter (where r.positive), a.handoffs, a.positives
    from (select count(*) as handoffs, count(*) filter (where r.positive) as positives from pg_temp.suggest_row r) a
    cross join used u
    join pg_temp.suggest_row r on exists (
        select from handoff.event e
        where e.lead_key = r.lead_key and e.seq > r.seq and e.type = 'fields' and e.at <= r.handed_at + within and e.detail -> 'new' ? u.name)
    group by u.name, a.handoffs, a.positives
    order by u.name collate "C";
end
$$;
comment on function handoff.suggest_leaks(int, interval) is
    'Fields that fit rules hang on, derived ones seen through, which were set or changed within that time after a handoff: after how many, and after how many of the positive ones. Internal to suggest().';

-- The whole -----------------------------------------------------------------------------------------

create function handoff.suggest_check(outcome text, since timestamptz, until timestamptz, within interval, volume numeric, holdout numeric) returns void
    language plpgsql immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if outcome is null or outcome not in ('accepted', 'qualified', 'opportunity', 'won') then
        raise exception 'there is no outcome "%"', coalesce(outcome, 'NULL')
            using errcode = '22023', hint = 'It is accepted, qualified, opportunity or won.';
    elsif (since < until) is not true then
        raise exception 'since must be before until' using errcode = '22023', hint = 'Handoffs count from since on and before until.';
    elsif (within > interval '0') is not true then
        raise exception 'within must be above 0' using errcode = '22023', hint = 'It is the time in which the outcome must come, such as 30 days.';
    elsif (volume > 0) is not true then
        raise exception 'volume must be above 0' using errcode = '22023', hint = '1 keeps as many leads above each limit as there are today.';
    elsif (holdout > 0 and holdout < 1) is not true then
        raise exception 'holdout must be between 0 and 1' using errcode = '22023', hint = '0.25 holds the latest quarter out.';
    end if;
end
$$;
comment on function handoff.suggest_check(text, timestamptz, timestamptz, interval, numeric, numeric) is
    'Raises 22023 for arguments of suggest() that make no sense. Internal.';

create function handoff.suggest_enough(skipped bigint) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    least constant int := 50;     -- of each outcome
    have bigint;
    good bigint;
    lone bigint;
begin
    select count(*), count(*) filter (where r.positive), least(count(*) filter (where r.positive and not r.later), count(*) filter (where not r.positive and not r.later))
    into have, good, lone from pg_temp.suggest_row r;
    if good < least or have - good < least or lone = 0 then
        raise exception 'too few outcomes to learn from: % positive, % negative', good, have - good
            using errcode = 'LH061',
                  detail = format('Needed are %s of each, and some of both before those held out. %s handoffs were made under versions with other rules and don''t count.', least, skipped),
                  hint = 'Ask about a longer time, a shorter within or an outcome that comes sooner.';
    end if;
end
$$;
comment on function handoff.suggest_enough(bigint) is
    'Raises LH061 if suggest_row has fewer than 50 handoffs of an outcome, or all of one sort before those held out. Internal to suggest().';

create function handoff.suggest_aucs(version int, model double precision[])
    returns table (name text, today numeric, suggested numeric, handoffs bigint, positives bigint)
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    points float8[];
    changed float8[];
    groups text[];
    lowest float8[];
    highest float8[];
    limits int[];
    chosen int[];
    units float8[];
begin
    select array_agg(v.points::float8 order by v.ord), array_agg(v.weight order by v.ord), array_agg(v.kind || ' ' || v.score_group order by v.ord),
           array_agg(v.min_points::float8 order by v.ord), array_agg(v.max_points::float8 order by v.ord),
           array_agg(v.ord order by v.ord) filter (where v.varies), array_agg(v.unit order by v.ord) filter (where v.varies)
    into points, changed, groups, lowest, highest, chosen, units
    from pg_temp.suggest_variable v;
    select array[c.min_fit, c.max_fit, c.min_intent, c.max_intent] into limits from handoff.contract c where c.contract_id = version;
    return query
        select n.name, round(j.today::numeric, 4), round(case n.name when 'points' then j.points else j.model end::numeric, 4), j.n, j.good
        from (
            select handoff.auc((handoff.suggest_sums(r.x, points, groups, lowest, highest, limits))[3], r.positive) as today,
                   handoff.auc((handoff.suggest_sums(r.x, changed, groups, lowest, highest, limits))[3], r.positive) as points,
                   handoff.auc(handoff.logistic_predict(model, array(
                       select r.x[o.ord] / o.unit from unnest(chosen, units) with ordinality o (ord, unit, i) order by o.i)), r.positive) as model,
                   count(*) as n, count(*) filter (where r.positive) as good
            from pg_temp.suggest_row r where r.later
        ) j
        cross join (values ('points'), ('model')) n (name);
end
$$;
comment on function handoff.suggest_aucs(int, double precision[]) is
    'AUC on the handoffs held out: today''s points beside the suggested ones (name points), and beside the probability of the model before it became points (name model). Internal to suggest().';

create function handoff.suggest_write(version int, draft int, volume numeric, since timestamptz, until timestamptz)
    returns table (object text, name text, today numeric, suggested numeric, coefficient double precision, standard_error double precision,
                   n bigint, positives bigint, note text)
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    found record;
begin
    update handoff.score_rule r
    set points = v.weight
    from pg_temp.suggest_variable v
    where r.contract_id = suggest_write.draft and v.kind = 'fit' and r.name = v.name and r.points <> v.weight;
    update handoff.score_rule r
    set points = greatest(v.min_points, least(v.max_points, round((r.points * v.weight)::numeric)))
    from pg_temp.suggest_variable v
    where r.contract_id = suggest_write.draft and v.kind = 'intent' and v.varies and r.score_group = v.name;
    return query
        select case v.kind when 'fit' then 'score_rule' else 'score_group' end, v.name, v.points::numeric, round(v.weight::numeric, 3),
               v.coefficient, v.standard_error, v.n, v.positives,
               case when not v.varies then 'kept: it was the same at every handoff'
                    when v.kind = 'intent' then 'factor for the points of its rules'
                    when v.weight in (v.min_points, v.max_points) then 'held by the limit of its group' end
        from pg_temp.suggest_variable v order by v.ord;

    for found in select b.* from handoff.suggest_bands(version, volume) b loop
        execute format('update handoff.band set %I = $1 where (contract_id, name) = ($2, $3)', found.of)
            using found.suggested, suggest_write.draft, found.band;
        return query select 'band', found.band || ' ' || found.of, found.today::numeric, found.suggested::numeric, null::float8, null::float8,
                            found.reached, null::bigint, format('%s leads reach it today', found.leads);
    end loop;

    for found in select d.* from handoff.suggest_delays(version, since, until) d loop
        if found.code is null and found.came_back >= 10 then
            update handoff.recycle_path p
            set delay = make_interval(days => found.suggested::int)
            where (p.contract_id, p.name) = (suggest_write.draft, found.path);
        end if;
        return query select 'recycle_path', concat_ws(' ', found.path, found.code), found.today, found.suggested, null::float8, null::float8,
                            found.recycled, found.came_back,
                            case when found.came_back < 10 then 'kept: fewer than 10 came back by themselves'
                                 when found.code is null then 'days; positives came back before their time'
                                 else 'days; of this code alone, not in the draft' end;
    end loop;
end
$$;
comment on function handoff.suggest_write(int, int, numeric, timestamptz, timestamptz) is
    'Writes points, limits of bands and delays into a draft, and returns them as rows of suggest(). Internal to it.';

create function handoff.suggest(
    version int default null,
    outcome text default 'accepted',
    since   timestamptz default '-infinity',
    until   timestamptz default 'infinity',
    ridge   double precision default 1,
    within  interval default '30 days',
    leg     text default null,
    volume  numeric default 1,
    holdout numeric default 0.25
)
    returns table (
        draft          int,
        object         text,
        name           text,
        today          numeric,
        suggested      numeric,
        coefficient    double precision,
        standard_error double precision,
        n              bigint,
        positives      bigint,
        note           text
    )
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    base    constant int := handoff.chosen_version(coalesce(version, handoff.in_force()));
    at_leg  text;
    skipped bigint;
    model   float8[];
    made    int;
    events  numeric;
    found   record;
begin
    perform handoff.suggest_check(outcome, since, until, within, volume, holdout);
    select l.name into at_leg from handoff.leg l
    where l.contract_id = base and l.name = coalesce(suggest.leg, l.name) order by l.ord limit 1;
    if at_leg is null then
        raise exception 'contract % has no leg "%"', base, suggest.leg
            using errcode = '22023', hint = 'SELECT name FROM handoff.leg lists them.';
    end if;
    skipped := handoff.suggest_gather(base, outcome, since, until, within, at_leg, holdout);
    perform handoff.suggest_enough(skipped);
    model := handoff.suggest_fit(ridge);

    select least(count(*) filter (where r.positive), count(*) filter (where not r.positive))::numeric / (cardinality(model) - 1)
    into events from pg_temp.suggest_row r where not r.later;
    if events < 10 then
        raise warning 'there are % outcomes of the rarer sort for each rule', round(events, 1)
            using detail = 'With fewer than 10, points are mostly chance (Peduzzi et al., Journal of Clinical Epidemiology 49, 1996).',
                  hint = 'Use a larger ridge, a longer time or fewer rules, and look at the standard errors.';
    end if;
    made := handoff.draft(base);
    update handoff.contract c
    set note = format('suggested from version %s: %s within %s, %s handoffs of leg %s, ridge %s', base, outcome, within,
                      (select count(*) from pg_temp.suggest_row), at_leg, ridge)
    where c.contract_id = made;
    return query select made, 'model', 'outcomes a rule', null::numeric, round(events, 1), null::float8, null::float8, r.n, r.good,
                        case when events < 10 then 'fewer than 10: points are mostly chance' end
                 from (select count(*) as n, count(*) filter (where a.positive) as good from pg_temp.suggest_row a where not a.later) r;
    for found in
        select k.*, k.changed_positives::numeric / k.positives as p, (k.changed - k.changed_positives)::numeric / (k.handoffs - k.positives) as q
        from handoff.suggest_leaks(base, within) k
    loop
        draft := made; object := 'field'; name := found.field; n := found.changed; positives := found.changed_positives;
        note := format('set or changed after the handoff: %s %% of positive ones, %s %% of others', round(100 * found.p, 1), round(100 * found.q, 1));
        if found.p > 0.05 or found.q > 0.05 then
            raise warning 'field "%" is %', found.field, note
                using detail = 'What is filled in afterwards may tell of the outcome, not foretell it. Here each handoff counts with what was known at it.',
                      hint = 'Don''t judge rules over this field by the table as it is now.';
        end if;
        return next;
    end loop;

    return query select made, s.* from handoff.suggest_write(base, made, volume, since, until) s;
    return query
        select made, 'pool_weight', w.pool || ' ' || w.rep, w.today::numeric, w.suggested::numeric, null::float8, null::float8, w.n, w.positives,
               concat_ws('; ', 'not in the draft', nullif(w.note, ''))
        from handoff.suggest_weights(at_leg, since, until, within) w
        where w.n > 0;
    return query
        select made, 'auc', a.name, a.today, a.suggested, null::float8, null::float8, a.handoffs, a.positives,
               format('on the handoffs held out, the latest %s %%', round(100 * holdout))
        from handoff.suggest_aucs(base, model) a;
    if skipped > 0 then
        raise notice '% handoffs were left out: they were made under versions with other rules', skipped;
    end if;
    drop table pg_temp.suggest_row, pg_temp.suggest_variable;
end
$$;
comment on function handoff.suggest(int, text, timestamptz, timestamptz, double precision, interval, text, numeric, numeric) is
    'Points as the outcomes of handoffs would have them, in a new draft of version (default: the one in force) that nobody publishes but you: SELECT * FROM handoff.diff(version, draft). Counted are handoffs that KPIs count, of a leg (default: the first), from since and before until, that are older than within; positive is one that was accepted, qualified, became an opportunity or was won (outcome) within that time. Features are what held at the handoff, by the log. A ridge logistic regression (handoff.logistic_fit) is fitted to the earlier handoffs, the latest share holdout judges. Rows by object: score_rule (points today and suggested; coefficient in log odds, and its standard error; n earlier handoffs it held at, positives of them), score_group (of intent: the factor for the points of its rules, coefficient a point), band (limits that volume times as many leads reach as today; n reach it), recycle_path (days; n recycled, positives came back), pool_weight (of pool and rep, by suggest_weights(); weights are no part of a contract, so it is not in the draft), field (set or changed after n handoffs), model (outcomes of the rarer sort for each rule: below 10, points are mostly chance), auc (held out: n handoffs, positives of them). Warnings (01000): fewer than 10 outcomes a rule; a field of the rules that is filled in after handoffs. Errors: LH061 (too few outcomes), LH060 (no model, or no rule that tells handoffs apart), LH012 (no such version), 22023 (arguments), 42501 (no right to make temporary tables).';

revoke all on function handoff.suggest_basis(int) from public;
revoke all on function handoff.suggest_alike(int) from public;
revoke all on function handoff.suggest_sums(double precision[], double precision[], text[], double precision[], double precision[], int[]) from public;
revoke all on function handoff.suggest_variables(int) from public;
revoke all on function handoff.suggest_gather(int, text, timestamptz, timestamptz, interval, text, numeric) from public;
revoke all on function handoff.suggest_features(text[], text[], jsonb, timestamptz, interval) from public;
revoke all on function handoff.suggest_fit(double precision) from public;
revoke all on function handoff.suggest_bands(int, numeric) from public;
revoke all on function handoff.suggest_delays(int, timestamptz, timestamptz) from public;
revoke all on function handoff.suggest_leaks(int, interval) from public;
revoke all on function handoff.suggest_check(text, timestamptz, timestamptz, interval, numeric, numeric) from public;
revoke all on function handoff.suggest_enough(bigint) from public;
revoke all on function handoff.suggest_aucs(int, double precision[]) from public;
revoke all on function handoff.suggest_write(int, int, numeric, timestamptz, timestamptz) from public;
revoke all on function handoff.suggest(int, text, timestamptz, timestamptz, double precision, interval, text, numeric, numeric) from public;
