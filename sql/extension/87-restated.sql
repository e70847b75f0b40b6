-- sql/extension/87-restated.sql: history under today's definitions, beside as it was reported.
--
-- A KPI falls because leads have become worse, or because the contract has changed: the two look alike in kpi_month. Here each
-- month stands beside itself as the version in question would have made it, by backtest(). Of a handoff that both made,
-- what came of it is known, and is what history says. Of one that only the version would have made, nobody knows what
-- sales would have said; nor whether one that history made after its lead could not be followed any more would
-- have been. Those are counted, and the rate is an interval: as if none of them were positive, and as if all were. Nothing
-- is guessed.

create function handoff.restated_kpis() returns text[]
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
return '{handed,acceptance,contact_rate,meeting_rate,opportunity_30,opportunity_60,opportunity_90,won_30,won_60,won_90}'::text[];
comment on function handoff.restated_kpis() is 'KPIs that restated() knows.';

create function handoff.restated(
    kpi        text,
    version    int default null,
    since      timestamptz default null,
    until      timestamptz default null,
    tick_every interval default '1 minute'
)
    returns table (month date, leg text, reported numeric, reported_num bigint, reported_den bigint, reported_open bigint,
                   restated numeric, restated_num bigint, restated_den bigint, restated_open bigint,
                   unknown bigint, not_followed bigint, low numeric, high numeric)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
#variable_conflict use_column
declare
    chosen constant int := handoff.chosen_version(coalesce($2, handoff.in_force()));
    named  text;
    zone   text;
begin
    if kpi is null or kpi <> all (handoff.restated_kpis()) then
        raise exception 'there is no KPI "%" to be restated', coalesce(kpi, 'NULL')
            using errcode = '22023', hint = format('It is one of %s.', array_to_string(handoff.restated_kpis(), ', '));
    end if;
    select c.name, c.reporting_zone into named, zone from handoff.contract c where c.contract_id = chosen;
    return query
    with made as materialized (
        select r.lead_key, r.leg, r.was_at, r.would_at, r.comparable from handoff.backtest(chosen, $3, $4, true, $5) r where r.what = 'handoff'
    ), fact as (
        select f.*,
               case $1 when 'handed' then true when 'acceptance' then f.accepted when 'contact_rate' then f.contacted when 'meeting_rate' then f.booked
                   when 'opportunity_30' then f.mature_30 and f.opportunity_30 when 'opportunity_60' then f.mature_60 and f.opportunity_60 when 'opportunity_90' then f.mature_90 and f.opportunity_90
                   when 'won_30' then f.mature_30 and f.won_30 when 'won_60' then f.mature_60 and f.won_60 else f.mature_90 and f.won_90 end as positive,
               case when $1 = 'acceptance' then f.accepted or f.rejected when $1 in ('opportunity_30', 'won_30') then f.mature_30
                   when $1 in ('opportunity_60', 'won_60') then f.mature_60 when $1 in ('opportunity_90', 'won_90') then f.mature_90 else true end as counts,
               case when $1 = 'acceptance' then f.undecided when $1 = 'contact_rate' then f.is_open and not f.contacted when $1 = 'meeting_rate' then f.is_open and not f.booked
                   when $1 in ('opportunity_30', 'won_30') then not f.mature_30 when $1 in ('opportunity_60', 'won_60') then not f.mature_60
                   when $1 in ('opportunity_90', 'won_90') then not f.mature_90 else false end as may_change
        from handoff.fact_handoff f
        join handoff.contract c on c.contract_id = f.contract_id and c.name = named
    ), was as (
        select f.month, f.leg, count(*) filter (where f.positive) as num, count(*) filter (where f.counts) as den, count(*) filter (where f.may_change) as still_open
        from fact f
        where f.counted and f.handed_at >= coalesce($3, '-infinity') and f.handed_at < coalesce($4, 'infinity')
        group by 1, 2
    ), would as (
        select date_trunc('month', case when m.comparable then m.would_at else m.was_at end at time zone zone)::date as month, m.leg,
               count(*) filter (where m.comparable and f.positive) as num,
               count(*) filter (where m.comparable and f.counts) as den,
               count(*) filter (where m.comparable and f.may_change or a.is_young) as still_open,
               count(*) filter (where m.comparable and f.lead_key is null and not a.is_young) as unknown,
               count(*) filter (where not m.comparable and not a.is_young) as not_followed
        from made m
        left join fact f on f.lead_key = m.lead_key and f.leg = m.leg and f.handed_at = m.was_at
        -- of what is too young nothing is asked, and nothing unknown
        cross join lateral (
            select (not m.comparable or f.lead_key is null)
                   and coalesce(case when m.comparable then m.would_at else m.was_at end
                                > handoff.view_time() - substring($1 from '^(?:opportunity|won)_(\d+)$')::int * interval '24 hours', false) as is_young
        ) a
        where (m.would_at is not null or not m.comparable) and f.counted is distinct from false
        group by 1, 2
    )
    select coalesce(w.month, v.month), coalesce(w.leg, v.leg),
           case when $1 = 'handed' then coalesce(w.num, 0) else round(w.num::numeric / nullif(w.den, 0), 4) end,
           coalesce(w.num, 0), case when $1 <> 'handed' then coalesce(w.den, 0) end, coalesce(w.still_open, 0),
           case when $1 = 'handed' then coalesce(v.num + v.unknown, 0) else round(v.num::numeric / nullif(v.den, 0), 4) end,
           case when $1 = 'handed' then coalesce(v.num + v.unknown, 0) else coalesce(v.num, 0) end,
           case when $1 <> 'handed' then coalesce(v.den, 0) end, coalesce(v.still_open, 0),
           coalesce(v.unknown, 0), coalesce(v.not_followed, 0),
           case when $1 = 'handed' then coalesce(v.num + v.unknown, 0) else round(v.num::numeric / nullif(v.den + v.unknown + v.not_followed, 0), 4) end,
           case when $1 = 'handed' then coalesce(v.num + v.unknown + v.not_followed, 0)
                else round((v.num + v.unknown + v.not_followed)::numeric / nullif(v.den + v.unknown + v.not_followed, 0), 4) end
    from was w
    full join would v on v.month = w.month and v.leg = w.leg
    order by 1, 2;
end
$$;
comment on function handoff.restated(text, int, timestamptz, timestamptz, interval) is
    'A KPI (of restated_kpis()) month by month and by leg: as it was reported (kpi_month, all cycles, of handoffs of the version''s contract), and as it would have been had the version (default: the one in force) been in force since since, by backtest(). restated: of the handoffs that both made, by the month in which the version makes them, with what came of them in history; unknown: handoffs that it alone makes; not_followed: handoffs that history made of leads that could not be followed any more; low, high: if of these two none were positive, or all. handed: a number; restated includes unknown, high also not_followed. Rates as in kpi_month: NULL of nothing, open could still change them. Errors: 22023 (no such KPI), else those of backtest().';

revoke all on function handoff.restated_kpis() from public;
revoke all on function handoff.restated(text, int, timestamptz, timestamptz, interval) from public;
