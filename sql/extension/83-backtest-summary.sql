-- sql/extension/83-backtest-summary.sql: backtests added up, and two versions beside each other.

create function handoff.compare(
    a          int,
    b          int default null,
    since      timestamptz default null,
    until      timestamptz default null,
    all_rows   boolean default false,
    tick_every interval default '1 minute'
) returns setof handoff.backtest_row
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with one as materialized (
        select t.*, row_number() over (partition by t.lead_key, t.what, t.leg order by t.n) as place
        from handoff.backtest($1, $3, $4, true, $6) with ordinality as t (
            lead_key, what, at, leg, cycle, was_at, would_at, was_stage, would_stage, was_band, would_band, was_score, would_score,
            was_route, would_route, was_target, would_target, accepted, won, comparable, reasons, n)
        where t.what in ('handoff', 'lead')
    ), other as materialized (
        select t.*, row_number() over (partition by t.lead_key, t.what, t.leg order by t.n) as place
        from handoff.backtest($2, $3, $4, true, $6) with ordinality as t (
            lead_key, what, at, leg, cycle, was_at, would_at, was_stage, would_stage, was_band, would_band, was_score, would_score,
            was_route, would_route, was_target, would_target, accepted, won, comparable, reasons, n)
        where t.what in ('handoff', 'lead')
    ), paired as (
        select coalesce(x.lead_key, y.lead_key) as lead_key, coalesce(x.what, y.what) as what,
               case when coalesce(x.what, y.what) = 'lead' then least(x.at, y.at) else least(x.would_at, y.would_at) end as at,
               coalesce(x.leg, y.leg) as leg, coalesce(x.cycle, y.cycle) as cycle,
               x.would_at as a_at, y.would_at as b_at, x.would_stage as a_stage, y.would_stage as b_stage,
               x.would_band as a_band, y.would_band as b_band, x.would_score as a_score, y.would_score as b_score,
               x.would_route as a_route, y.would_route as b_route, x.would_target as a_target, y.would_target as b_target,
               coalesce(x.accepted, y.accepted) as accepted, coalesce(x.won, y.won) as won,
               coalesce(x.comparable, true) and coalesce(y.comparable, true) as comparable,
               nullif(coalesce(x.reasons, '{}') || coalesce(y.reasons, '{}'), '{}') as reasons
        from one x
        full join other y on y.lead_key = x.lead_key and y.what = x.what and y.leg is not distinct from x.leg and y.place = x.place
    )
    select p.*
    from paired p
    where (p.what = 'lead' or p.a_at is not null or p.b_at is not null)
      and ($5 or not p.comparable
           or (p.what = 'lead' and (p.a_stage, p.a_band) is distinct from (p.b_stage, p.b_band))
           or (p.what = 'handoff'
               and (p.a_at, p.a_band, p.a_score, p.a_route, p.a_target) is distinct from (p.b_at, p.b_band, p.b_score, p.b_route, p.b_target)))
    order by p.lead_key collate "C", p.what, p.at, p.leg
$$;
comment on function handoff.compare(int, int, timestamptz, timestamptz, boolean, interval) is
    'Two versions over the same history, beside each other: what backtest() says of a (the columns was_*) and of b (would_*; default: the draft being edited, else the one in force). Rows handoff: by leg, the first with the first; rows lead: where both come to. accepted and won are history''s, where it had the handoff. Without all_rows only what differs, or can''t be compared. Decides all history twice and keeps both answers until they are paired. Errors: those of backtest(); NULL a is the default of backtest() too.';

create function handoff.backtest_summary(
    version    int default null,
    since      timestamptz default null,
    until      timestamptz default null,
    against    int default null,
    tick_every interval default '1 minute'
) returns table (
        measure    text,
        leg        text,
        month      date,
        value      text,
        was        numeric,
        would      numeric,
        was_low    numeric,
        was_high   numeric,
        would_low  numeric,
        would_high numeric,
        was_n      bigint,
        would_n    bigint,
        simulated  boolean
    )
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    zone constant text := (select c.reporting_zone from handoff.contract c where c.contract_id = handoff.chosen_version($1));
begin
    return query
    with row as materialized (
        select t.* from handoff.backtest($1, $2, $3, true, $5) t where $4 is null
        union all
        select t.* from handoff.compare($4, $1, $2, $3, true, $5) t where $4 is not null
    ), lead as (
        select r.* from row r where r.what = 'lead'
    ), handed as (
        select r.*, date_trunc('month', r.was_at at time zone zone)::date as was_month, date_trunc('month', r.would_at at time zone zone)::date as would_month
        from row r
        where r.what = 'handoff' and r.comparable
    ), side as (
        -- each handoff once a side
        select h.leg, 'was' as of, h.was_month as month, h.was_score as score, h.was_target as target, h.accepted, h.won, h.lead_key, h.was_at as at
        from handed h where h.was_at is not null
        union all
        select h.leg, 'would', h.would_month, h.would_score, h.would_target, h.accepted, h.won, h.lead_key, h.would_at
        from handed h where h.would_at is not null
    ), ended as (
        select l.lead_key, 'was' as of, l.was_stage as stage, l.was_band as band from lead l where l.comparable
        union all
        select l.lead_key, 'would', l.would_stage, l.would_band from lead l where l.comparable
    ), outcome as (
        select s.leg, s.of, o.what, o.happened, s.score from side s cross join lateral (values ('accepted', s.accepted), ('won', s.won)) o (what, happened)
    ), rate as (
        select o.leg, o.of, o.what, count(*) filter (where o.happened) as yes, count(o.happened) as known, count(*) as n
        from outcome o group by 1, 2, 3
    ), both_handed as (
        -- the same handoffs on both sides, so that the scores are asked the same question
        select h.leg, o.what, h.was_score::double precision as was_score, h.would_score::double precision as would_score, o.happened
        from handed h cross join lateral (values ('accepted', h.accepted), ('won', h.won)) o (what, happened)
        where h.was_at is not null and h.would_at is not null and o.happened is not null
    ), load as (
        select s.of, t.rep, sum(t.share) as share
        from side s
        cross join lateral (
            select substr(s.target, 5) as rep, 1::numeric as share where s.target like 'rep %'
            union all
            select m.rep, m.weight::numeric / sum(m.weight) over ()
            from handoff.pool_member m
            where m.pool = substr(s.target, 6) and s.target like 'pool %' and m.valid_from <= s.at and s.at < m.valid_to
        ) t
        group by 1, 2
    )
    select 'leads', null::text, null::date, null::text, count(*)::numeric, count(*)::numeric, null::numeric, null::numeric, null::numeric, null::numeric,
           null::bigint, null::bigint, false
    from lead
    union all
    select 'not_comparable', null, null, e.reason, count(*), count(*), null, null, null, null, null, null, false
    from lead l cross join lateral unnest(l.reasons) e (reason) where not l.comparable group by e.reason
    union all
    select 'stage', null, null, e.stage, count(*) filter (where e.of = 'was'), count(*) filter (where e.of = 'would'), null, null, null, null, null, null, false
    from ended e group by e.stage
    union all
    select 'band', null, null, e.band, count(*) filter (where e.of = 'was'), count(*) filter (where e.of = 'would'), null, null, null, null, null, null, false
    from ended e group by e.band
    union all
    select 'handed', s.leg, s.month, null, count(*) filter (where s.of = 'was'), count(*) filter (where s.of = 'would'), null, null, null, null, null, null, false
    from side s group by s.leg, s.month
    union all
    select 'target', s.leg, null, s.target, count(*) filter (where s.of = 'was'), count(*) filter (where s.of = 'would'), null, null, null, null, null, null, false
    from side s group by s.leg, s.target
    union all
    select r.what, r.leg, null, null,
           round(max(r.yes::numeric / nullif(r.known, 0)) filter (where r.of = 'was'), 4),
           round(max(r.yes::numeric / nullif(r.known, 0)) filter (where r.of = 'would'), 4),
           round(max(r.yes::numeric / r.n) filter (where r.of = 'was'), 4), round(max((r.yes + r.n - r.known)::numeric / r.n) filter (where r.of = 'was'), 4),
           round(max(r.yes::numeric / r.n) filter (where r.of = 'would'), 4), round(max((r.yes + r.n - r.known)::numeric / r.n) filter (where r.of = 'would'), 4),
           coalesce(max(r.known) filter (where r.of = 'was'), 0), coalesce(max(r.known) filter (where r.of = 'would'), 0), false
    from rate r group by r.what, r.leg
    union all
    select 'auc', b.leg, null, b.what, round(handoff.auc(b.was_score, b.happened)::numeric, 4), round(handoff.auc(b.would_score, b.happened)::numeric, 4),
           null, null, null, null, count(*), count(*), false
    from both_handed b group by b.leg, b.what
    union all
    select 'lift', b.leg, null, b.what, round((handoff.lift(b.was_score, b.happened, 5))[1].lift::numeric, 4),
           round((handoff.lift(b.would_score, b.happened, 5))[1].lift::numeric, 4), null, null, null, null, count(*), count(*), false
    from both_handed b group by b.leg, b.what
    union all
    select 'load', null, null, l.rep, round(coalesce(max(l.share) filter (where l.of = 'was'), 0), 1),
           round(coalesce(max(l.share) filter (where l.of = 'would'), 0), 1), null, null, null, null, null, null, true
    from load l group by l.rep
    order by 1, 2, 3, 4;
end
$$;
comment on function handoff.backtest_summary(int, timestamptz, timestamptz, int, interval) is
    'What backtest(version, since, until) comes to beside history (was), or beside another version (against). measure: leads decided; not_comparable by reason (value); stage and band by name, leads that were followed to the end; handed by leg and month (reporting zone); target by leg; accepted and won by leg: rate among handoffs whose outcome is known (was_n, would_n of them), and low and high: if of the others (still open, or never handed over) none or all were; auc and lift (of the best fifth) by leg and outcome (value), of the scores at handoff, over handoffs on both sides whose outcome is known (n of them); load by rep: handoffs first meant for him, those of a pool as his share of its weight, simulated. Rates from 0 to 1, NULL: nothing is known. Errors: those of backtest().';

revoke all on function handoff.compare(int, int, timestamptz, timestamptz, boolean, interval) from public;
revoke all on function handoff.backtest_summary(int, timestamptz, timestamptz, int, interval) from public;
