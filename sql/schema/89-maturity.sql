-- sql/schema/89-maturity.sql: how mature the handoff is: six capabilities, each with its owner, a level that is measured
-- and not felt, a KPI beside what was promised, and the next step.
--
-- A level is how many checks of a capability hold, from the first on: the next step is the first that does not. The first
-- two are about what the contract says, the others about what was done, over the 90 days before handoff.view_time() where
-- nothing else is said. Targets are those of handoff.target without a segment whose period holds today.

create view handoff.maturity as
with contract as (
    select c.contract_id, c.name, c.parties, c.half_life, c.reporting_zone, t.now, (t.now at time zone c.reporting_zone)::date as today
    from handoff.contract c
    cross join lateral (select (select handoff.view_time()) as now) t
    where c.in_force
), version as (
    select c.name as contract, v.contract_id, v.published_at
    from contract c
    join handoff.contract v on v.name = c.name and v.status <> 'draft'
), defined as (
    select c.*,
           -- Definition
           not exists (select from handoff.transition t join handoff.stage s on s.contract_id = t.contract_id and s.name = t.to_stage
                       where t.contract_id = c.contract_id and t.leg is not null and t.event = 'scored'
                         and (s.entry is null or cardinality(s.required) = 0)) as ready_is_defined,
           c.parties @> '{marketing,sales}' and not exists (
               select from unnest(c.parties) p
               where not exists (select from handoff.approval a where a.contract_id = c.contract_id and a.party = p)) as agreed,
           (select count(distinct t.owner) filter (where t.owner in ('marketing', 'sales')) from handoff.target t
            where t.contract_id = c.contract_id and t.period @> c.today) = 2 as promised,
           -- Scoring
           exists (select from handoff.score_group g join handoff.score_rule r on r.contract_id = g.contract_id and r.score_group = g.name
                   where g.contract_id = c.contract_id and g.kind = 'fit') as has_fit,
           c.half_life is not null and exists (select from handoff.score_group g join handoff.score_rule r on r.contract_id = g.contract_id and r.score_group = g.name
                   where g.contract_id = c.contract_id and g.kind = 'intent') as has_intent,
           -- Routing
           not exists (select from handoff.leg g where g.contract_id = c.contract_id
                       and (select count(*) from handoff.route r where r.contract_id = c.contract_id and r.leg = g.name) < 2) as routes_choose,
           not exists (select from handoff.route r where r.contract_id = c.contract_id and r.target_kind = 'pool'
                       and not exists (select from handoff.pool_member m join handoff.rep p on p.rep = m.rep and p.active
                                           and p.valid_from <= c.now and c.now < p.valid_to
                                       where m.pool = r.target and m.valid_from <= c.now and c.now < m.valid_to)) as pools_staffed,
           -- Response
           not exists (select from handoff.leg g cross join unnest('{accept,first_touch}'::text[]) m
                       where g.contract_id = c.contract_id
                         and not exists (select from handoff.sla s where s.contract_id = c.contract_id and s.leg = g.name and s.metric = m)) as has_slas,
           exists (select from handoff.escalation e where e.contract_id = c.contract_id and e.action in ('reassign', 'fallback', 'recycle')) as takes_away,
           -- Disposition
           (select count(distinct d.outcome) = 2 from handoff.disposition d where d.contract_id = c.contract_id and d.outcome in ('recycle', 'disqualified'))
               and exists (select from handoff.disposition d where d.contract_id = c.contract_id and d.recycle_path is not null) as has_reasons,
           exists (select from handoff.disposition d where d.contract_id = c.contract_id and d.no_response and d.needs_work is not null) as asks_for_work,
           -- Learning
           exists (select from handoff.activity_rule r where r.contract_id = c.contract_id and r.meaning = 'marketing') as knows_marketing,
           (select count(*) from version v where v.contract = c.name and v.published_at > c.now - interval '4320 hours' and v.published_at <= c.now
                and v.contract_id > (select min(o.contract_id) from version o where o.contract = c.name)) > 0 as revised,
           exists (select from handoff.review_decision d join version v on v.contract_id = d.contract_id
                   where v.contract = c.name and d.month >= date_trunc('month', c.today - interval '2 months')::date) as reviewed
    from contract c
), done as (
    select v.contract, sum(f.handed) as handed, sum(f.accepted) as accepted, sum(f.decided) as decided, sum(f.assigned) as assigned,
           sum(f.handed) filter (where f.route = l.last) as fallback, sum(f.given_up) as given_up, sum(f.given_up_coded) as given_up_coded
    from version v
    join (
        select f.contract_id,
               f.leg,
               f.route,
               count(*) as handed,
               count(*) filter (where f.accepted) as accepted,
               count(*) filter (where f.accepted or f.rejected) as decided,
               count(*) filter (where f.assigned) as assigned,
               count(*) filter (where f.outcome in ('recycle', 'disqualified', 'returned')) as given_up,
               count(*) filter (where f.outcome in ('recycle', 'disqualified', 'returned') and f.code is not null) as given_up_coded
        from handoff.fact_handoff f
        where f.counted and f.handed_at > (select handoff.view_time() - interval '2160 hours') and f.handed_at <= (select handoff.view_time())
        group by f.contract_id, f.leg, f.route
    ) f on f.contract_id = v.contract_id
    left join lateral (
        select r.name as last from handoff.route r where r.contract_id = f.contract_id and r.leg = f.leg order by r.ord desc limit 1
    ) l on true
    group by v.contract
), stays as (
    select v.contract, sum(h.entered) as entered, sum(h.consistent) as consistent
    from version v
    join (
        select h.contract_id, count(*) as entered, count(*) filter (where h.consistent) as consistent
        from handoff.stage_history h
        where not h.undone and h.entered_at > (select handoff.view_time() - interval '2160 hours') and h.entered_at <= (select handoff.view_time())
        group by h.contract_id
    ) h on h.contract_id = v.contract_id
    group by v.contract
), banded as (
    -- the best band and the worst, of those that are known well enough
    select distinct v.contract, first_value(b.share) over best > last_value(b.share) over best as tells, count(*) over (partition by v.contract) as bands
    from (select distinct contract from version) v
    join (
        select r.contract, f.band, min(b.ord) as ord, count(*) filter (where f.accepted)::numeric / count(*) as share
        from version r
        join handoff.fact_handoff f on f.contract_id = r.contract_id
        join handoff.band b on b.contract_id = f.contract_id and b.name = f.band
        where f.counted and (f.accepted or f.rejected) and f.handed_at > (select handoff.view_time() - interval '4320 hours') and f.handed_at <= (select handoff.view_time())
        group by r.contract, f.band
        having count(*) >= 30
    ) b on b.contract = v.contract
    window best as (partition by v.contract order by b.ord rows between unbounded preceding and unbounded following)
), kept as (
    select v.contract, sum(k.met) as met, sum(k.judged) as judged
    from version v
    join (
        select k.contract_id, count(*) filter (where k.verdict = 'met') as met, count(*) filter (where k.verdict in ('met', 'missed')) as judged
        from handoff.fact_clock k
        where k.counted and k.started_at > (select handoff.view_time() - interval '2160 hours') and k.started_at <= (select handoff.view_time())
        group by k.contract_id
    ) k on k.contract_id = v.contract_id
    group by v.contract
), deals as (
    select count(*) as opportunities, count(*) filter (where o.reached <> 'no_lead') as known
    from handoff.fact_opportunity o
    where o.created_at > (select handoff.view_time() - interval '2160 hours') and o.created_at <= (select handoff.view_time())
), capability as (
    select d.name as contract, d.contract_id, d.today, c.*
    from defined d
    left join done n on n.contract = d.name
    left join stays s on s.contract = d.name
    left join banded b on b.contract = d.name
    left join kept k on k.contract = d.name
    cross join deals o
    cross join lateral (values
        (1, 'definition', 'both', 'stage_consistency', s.consistent, s.entered,
         array[d.ready_is_defined, d.agreed, d.promised, s.consistent >= 0.95 * s.entered],
         array['Give the stage that a lead is handed over in an entry criteria and required fields.', 'Name marketing and sales as parties of the contract, and have both approve it.',
               'Let both sides promise something: rows of handoff.target.', 'Find out who moves leads past the definition: stage_consistency.']),
        (2, 'scoring', 'marketing', 'acceptance', n.accepted, n.decided,
         array[d.has_fit, d.has_intent, b.bands > 1, b.tells],
         array['Score who a lead is: rules in a group of kind fit.', 'Score what it does: rules in a group of kind intent, with a half-life.',
               'Have at least 30 decided handoffs in two bands in half a year: kpi_band.', 'The best band is accepted no more often than the worst: fit the points anew.']),
        (3, 'routing', 'sales', 'assigned', n.assigned, n.handed,
         array[d.routes_choose, d.pools_staffed, n.assigned >= 0.98 * n.handed, coalesce(n.fallback, 0) <= 0.1 * n.handed],
         array['Give each leg routes besides its last one.', 'Put active reps into every pool that routes name.',
               'See who stays without an owner, and why: unassigned.', 'One in ten is found by the last route only: see kpi_route.']),
        (4, 'response', 'sales', 'sla_attainment', k.met, k.judged,
         array[d.has_slas, d.takes_away, k.judged > 0, k.met >= 0.9 * k.judged],
         array['Promise a time for acceptance and first touch on every leg.', 'Let escalation take a lead away from who lets it lie.',
               'No clock was judged: is the source of activities attached?', 'One clock in ten is missed: see sla_attainment.']),
        (5, 'disposition', 'sales', 'coded', n.given_up_coded, n.given_up,
         array[d.has_reasons, d.asks_for_work, n.given_up_coded > 0, n.given_up_coded >= 0.95 * n.given_up],
         array['Have codes for recycling and disqualifying, and a path for what is recycled.', 'Ask for work before a lead is given up as no response: disposition.needs_work.',
               'Nothing was given up with a code: do reps use them?', 'Leads are given up without a code: they age out of their stage.']),
        (6, 'learning', 'both', 'opportunities_known', o.known, o.opportunities,
         array[d.knows_marketing, d.revised, o.known >= 0.5 * nullif(o.opportunities, 0), d.reviewed],
         array['Say which activities are marketing touches: activity_rule of meaning marketing.', 'Publish a version that improves the one before, twice a year at least.',
               'Attach opportunities and their contact roles: of most no lead is known.', 'Review each month what was learned: rows of handoff.review_decision.'])
    ) c (position, capability, owner, kpi, num, den, checks, steps)
)
select c.contract,
       c.contract_id,
       c.position,
       c.capability,
       c.owner,
       l.level,
       c.kpi,
       round(c.num::numeric / nullif(c.den, 0), 4) as kpi_value,
       coalesce(c.num, 0)::bigint as kpi_value_num,
       coalesce(c.den, 0)::bigint as kpi_value_den,
       0::bigint as kpi_value_open,
       t.value as target,
       c.num::numeric / nullif(c.den, 0) >= t.value as on_target,
       c.steps[l.level + 1] as next_step
from capability c
cross join lateral (
    select coalesce(min(k.n) filter (where k.holds is not true) - 1, 4)::int as level from unnest(c.checks) with ordinality k (holds, n)
) l
left join lateral (
    select t.value from handoff.target t
    where t.contract_id = c.contract_id and t.metric = c.kpi and t.segment = '' and t.period @> c.today
    order by case when isfinite(lower(t.period)) and isfinite(upper(t.period)) then upper(t.period) - lower(t.period) end nulls last
    limit 1
) t on true;
comment on view handoff.maturity is 'How mature the handoff is, one row a contract in force and capability: owner, level as measured from contract and data, KPI beside its target, next step. What the checks are: docs/learn.md.';
comment on column handoff.maturity.contract is 'Name of the contract.';
comment on column handoff.maturity.contract_id is 'Version in force.';
comment on column handoff.maturity.position is 'Order of the capabilities, from 1.';
comment on column handoff.maturity.capability is 'definition, scoring, routing, response, disposition or learning.';
comment on column handoff.maturity.owner is 'Side that owns it: marketing, sales or both.';
comment on column handoff.maturity.level is '0 to 4: how many of its checks hold, from the first on.';
comment on column handoff.maturity.kpi is 'What it is measured by, named as metrics of handoff.target: stage_consistency (entries that meet the definition), acceptance (of decided), assigned (of handed), sla_attainment, coded (of given up), opportunities_known (those with a lead).';
comment on column handoff.maturity.kpi_value is 'Share, 0 to 1, over what began in the 90 days (of 24 hours) before handoff.view_time(), of all versions of the contract. NULL: there is nothing to measure.';
comment on column handoff.maturity.kpi_value_num is 'Numerator.';
comment on column handoff.maturity.kpi_value_den is 'Denominator.';
comment on column handoff.maturity.kpi_value_open is 'What could still change it, not counted here: see the view of the KPI. Always 0.';
comment on column handoff.maturity.target is 'What is promised of it today for all segments, by the shortest period; NULL: nothing.';
comment on column handoff.maturity.on_target is 'The promise is kept; NULL: there is none, or nothing to measure.';
comment on column handoff.maturity.next_step is 'The first check that does not hold, as a thing to do; NULL: all do.';
