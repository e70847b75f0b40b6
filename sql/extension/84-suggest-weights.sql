-- sql/extension/84-suggest-weights.sql: weights of pool members from what becomes of what they accept.
--
-- A rep's share of accepted handoffs that he qualifies is known from few cases, so it is drawn toward the pool's: empirical
-- Bayes, with a beta prior whose strength comes from how much reps differ beyond chance (Kleinman 1973, by moments). With y of n, mean
-- m = sum(y) / sum(n) over R reps, N = sum(n), and S = sum(n * (y / n - m)^2),
--
--     rho = (S / (m * (1 - m)) - (R - 1)) / (N - sum(n^2) / N - (R - 1)), 0 to 1        strength k = 1 / rho - 1
--     share = (y + k * m) / (n + k)
--
-- so where reps differ no more than chance would have it, all have the pool's share, and weights stay as they are. The new weight is
-- today's times share / m. Open load takes part one way only: who has more open than his weight explains gets less, nobody
-- gets more for having less open, because whoever gives up quickest has least. How fast somebody is counts nowhere.
--
-- Weights are people's, not the contract's: proposals are rows, and set_member() is for whoever takes them.

create function handoff.suggest_weights(
    leg    text default null,
    since  timestamptz default '-infinity',
    until  timestamptz default 'infinity',
    within interval default '30 days'
)
    returns table (pool text, rep text, today int, suggested int, scale int, n bigint, positives bigint, share numeric, shrunk numeric,
                   open_load bigint, expected_load numeric, note text)
    language sql stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    with now as (
        select handoff.view_time() as at
    ), member as (
        select m.pool, m.rep, m.weight, w.at
        from handoff.pool_member m
        join handoff.rep r on r.rep = m.rep and r.active and r.takes_leads
        cross join now w
        where m.valid_from <= w.at and w.at < m.valid_to
    ), counted as (
        select m.pool, m.rep, m.weight, count(f.lead_key) as n,
               count(f.lead_key) filter (where f.qualified_at <= f.accepted_at + $4) as y
        from member m
        left join handoff.fact_handoff f
          on f.counted and f.rep = m.rep and f.pool = m.pool and f.accepted and ($1 is null or f.leg = $1)
         and f.handed_at >= $2 and f.handed_at < $3 and f.accepted_at + $4 <= m.at
        group by 1, 2, 3
    ), loaded as (
        select c.*, l.open_load, sum(l.open_load) over w * c.weight / sum(c.weight) over w as expected_load,
               c.n >= 30 as is_known
        from counted c
        cross join lateral (select count(*) as open_load from handoff.assignment a where a.rep = c.rep and a.pool = c.pool and a.ended_at is null) l
        window w as (partition by c.pool)
    ), pool as (
        select l.pool, count(*) as reps, sum(l.n) as n, sum(l.y)::float8 / sum(l.n) as mean, sum(l.n::float8 ^ 2) as squares
        from loaded l
        where l.is_known
        group by l.pool
    ), spread as (
        select p.*, least(greatest((s.s / nullif(p.mean * (1 - p.mean), 0) - (p.reps - 1)) / nullif(p.n - p.squares / p.n - (p.reps - 1), 0), 0), 1) as rho
        from pool p
        cross join lateral (select sum(l.n * (l.y::float8 / l.n - p.mean) ^ 2) as s from loaded l where l.is_known and l.pool = p.pool) s
    ), drawn as (
        select l.*, p.reps, p.mean, p.rho,
               -- (y + k m) / (n + k) with k = (1 - rho) / rho, without dividing by rho
               (p.rho * l.y + (1 - p.rho) * p.mean) / (p.rho * l.n + 1 - p.rho) as shrunk,
               -- more than three standard deviations of a Poisson count above what his weight explains
               l.open_load > l.expected_load + 3 * sqrt(l.expected_load) as is_loaded,
               case when min(l.weight) over (partition by l.pool) < 10 then 10 else 1 end as scale
        from loaded l
        left join spread p on p.pool = l.pool
    ), factor as (
        select d.*, (d.is_known and d.reps > 1 and d.mean > 0 and d.mean < 1) is true as is_told,
               d.shrunk / nullif(d.mean, 0) as by_share,
               case when d.is_loaded then d.expected_load / d.open_load else 1 end as by_load
        from drawn d
    )
    select f.pool, f.rep, f.weight,
           case when f.is_told then least(greatest(round((f.weight * f.scale * f.by_share * f.by_load)::numeric), 1), 1000)::int else f.weight * f.scale end,
           f.scale, f.n, f.y, round(f.y::numeric / nullif(f.n, 0), 4), round(case when f.is_told then f.shrunk end::numeric, 4),
           f.open_load, round(f.expected_load::numeric, 1),
           concat_ws('; ',
               case when not f.is_known then 'kept: fewer than 30 accepted that long ago'
                    when f.reps < 2 then 'kept: nobody to compare him with'
                    when not f.is_told then 'kept: all or none of the pool''s were qualified'
                    when f.rho = 0 then 'no more difference than chance: the pool''s share' end,
               case when f.is_told and f.is_loaded then 'has more open than his weight explains' end,
               case when f.scale > 1 then format('for weights of the whole pool times %s', f.scale) end)
    from factor f
    order by f.pool collate "C", f.rep collate "C"
$$;
comment on function handoff.suggest_weights(text, timestamptz, timestamptz, interval) is
    'Weights of pool members as outcomes would have them, as a proposal: nothing is written, set_member() is for whoever takes it, for all of a pool together. n: handoffs of a leg (NULL: any) that KPIs count, of that pool and with him as their (last) owner, handed over from since and before until, accepted at least within ago; positives: those qualified within that time of acceptance. share is drawn toward the pool''s (shrunk, empirical Bayes); suggested = today * scale * shrunk / the pool''s share, less if he has more open (open_load) than his weight explains (expected_load) by over three standard deviations. Kept where fewer than 30 are known, or of one rep only. scale: 10 where whole weights of today are too coarse. Speed counts nowhere. Formulas: docs/learn.md.';

revoke all on function handoff.suggest_weights(text, timestamptz, timestamptz, interval) from public;
