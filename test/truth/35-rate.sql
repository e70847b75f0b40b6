-- test/truth/35-rate.sql: how mature the handoff is, what came of promises, and champions beside challengers, by docs/learn.md; what the CRM has
-- set against the contract. Numerators and denominators of handoffs are those of 10-kpi.sql.

-- What happened, day by day in the zone of its contract's version: by metric as in handoff.target, contract, leg and segment. Clocks lie on the day they
-- started, stays on that of the entry, opportunities on that of their creation, numbers on that of the event, all else on that of the handoff.
create table truth.happened (metric text, name text, leg text, segment text, at timestamptz, day date, num int, den int, still int);
do $$
declare
    r record;
begin
    for r in select v.metric, k.num, k.den, k.still
             from (values ('acceptance', 'acceptance_of_decided'), ('contact_rate', 'contact_rate'), ('meeting_rate', 'meeting_rate'), ('match_rate', 'match_rate'), ('opportunity_30', 'opportunity_30'),
                          ('opportunity_60', 'opportunity_60'), ('opportunity_90', 'opportunity_90'), ('won_30', 'won_30'), ('won_60', 'won_60'), ('won_90', 'won_90')) v (metric, rate)
             join truth.rate k using (rate)
             union all values ('handed', 'true', 'false', 'false'), ('assigned', 'assigned_at is not null', 'true', 'open and assigned_at is null'), ('completeness', 'not incomplete', 'true', 'false'),
                              ('coded', 'given_up and code is not null', 'given_up', 'false'), ('last route', 'k.route = (select o.name from handoff.route o where o.contract_id = k.contract_id and o.leg = k.leg order by o.ord desc limit 1)', 'true', 'false') loop
        execute format('insert into truth.happened
                        select %L, c.name, k.leg, k.segment, k.handed_at, k.handed_at at time zone c.reporting_zone, ((%s) is true)::int, ((%s) is true)::int, ((%s) is true)::int
                        from truth.counted k join handoff.contract c using (contract_id) where k.clock is null', r.metric, r.num, r.den, r.still);
    end loop;
end $$;
insert into truth.happened
select v.metric, c.name, h.leg, h.segment, v.at, v.at at time zone c.reporting_zone, 1, 0, 0
from truth.counted h
join handoff.contract c using (contract_id)
cross join lateral (values ('accepted', h.accepted_at), ('qualified', case when h.accepted then h.qualified end), ('opportunities', h.opportunity_at), ('won', h.won_at)) v (metric, at)
where h.clock is null and v.at is not null
union all
select 'sla_attainment', c.name, h.leg, h.segment, k.started_at, k.started_at at time zone c.reporting_zone, (k.state = 'met')::int, (k.state in ('met', 'missed'))::int, (k.state = 'running')::int
from truth.sla_clock k join truth.handoff h using (lead_key, handoff_no) join handoff.contract c using (contract_id)
union all
select 'stage_consistency', c.name, null, null, s.entered_at, s.entered_at at time zone c.reporting_zone, s.consistent::int, 1, 0
from handoff.stage_history s join handoff.contract c using (contract_id) where not s.undone
union all
select 'opportunities_known', c.name, null, null, m.created_at, m.created_at at time zone c.reporting_zone, m.known::int, 1, 0 from truth.made m join handoff.contract c on c.in_force;
create table truth.daily as select metric, name, leg, segment, day, sum(num) as num, sum(den) as den, sum(still) as still from truth.happened group by 1, 2, 3, 4, 5;
create index on truth.daily (metric, day);
analyze truth.daily;

-- Capabilities: what contracts say, and what was done in the 90 days before now under all their versions.
create table truth.done as
select c.contract_id, v.metric, coalesce(sum(h.num), 0) as num, coalesce(sum(h.den), 0) as den
from handoff.contract c
cross join unnest('{stage_consistency,acceptance,assigned,last route,sla_attainment,coded,opportunities_known}'::text[]) v (metric)
left join truth.happened h on h.name = c.name and h.metric = v.metric and h.at <= truth.now() and extract(epoch from truth.now()) - extract(epoch from h.at) < 90 * 86400
where c.in_force
group by c.contract_id, v.metric;

create table truth.maturity as
with force as (
    select c.*, (truth.now() at time zone c.reporting_zone)::date as today from handoff.contract c where c.in_force
), d as (
    select contract_id, jsonb_object_agg(metric, num) as num, jsonb_object_agg(metric, den) as den from truth.done group by contract_id
), band as (
    -- of two bands at least 30 decided handoffs each: the best of them, and the worst
    select c.contract_id, (array_agg(k.share order by b.ord))[1] as best, (array_agg(k.share order by b.ord desc))[1] as worst
    from force c
    join lateral (select h.band, avg(h.accepted::int) as share from truth.handoff h join handoff.contract o using (contract_id)
                  where o.name = c.name and (h.accepted or h.rejected) and h.age < 180 * 86400 and h.age >= 0 group by h.band having count(*) >= 30) k on true
    join handoff.band b on b.contract_id = c.contract_id and b.name = k.band
    group by c.contract_id having count(*) >= 2
), checked as (
    select c.contract_id, 1 as position, 'definition' as capability, 'both' as owner, 'stage_consistency' as kpi, array[
        not exists (select from handoff.transition t join handoff.stage s on s.contract_id = t.contract_id and s.name = t.to_stage
                    where t.contract_id = c.contract_id and t.leg is not null and t.event = 'scored' and (s.entry is null or s.required = '{}')),
        c.parties @> '{marketing,sales}' and (select count(distinct a.party) from handoff.approval a where a.contract_id = c.contract_id and a.checksum = c.checksum and a.party in ('marketing', 'sales')) = 2,
        (select count(distinct t.owner) from handoff.target t where t.contract_id = c.contract_id and t.period @> c.today and t.owner in ('marketing', 'sales')) = 2,
        (d.num ->> 'stage_consistency')::int >= 0.95 * nullif((d.den ->> 'stage_consistency')::int, 0)] as holds, array[
        'Give the stage that a lead is handed over in an entry criteria and required fields.', 'Name marketing and sales as parties of the contract, and have both approve it.',
        'Let both sides promise something: rows of handoff.target.', 'Find out who moves leads past the definition: stage_consistency.'] as todo
    from force c join d using (contract_id)
    union all
    select c.contract_id, 2, 'scoring', 'marketing', 'acceptance', array[
        exists (select from handoff.score_rule r join handoff.score_group g on g.contract_id = r.contract_id and g.name = r.score_group where r.contract_id = c.contract_id and g.kind = 'fit'),
        c.half_life is not null and exists (select from handoff.score_rule r join handoff.score_group g on g.contract_id = r.contract_id and g.name = r.score_group where r.contract_id = c.contract_id and g.kind = 'intent'),
        b.contract_id is not null, b.best > b.worst], array[
        'Score who a lead is: rules in a group of kind fit.', 'Score what it does: rules in a group of kind intent, with a half-life.',
        'Have at least 30 decided handoffs in two bands in half a year: kpi_band.', 'The best band is accepted no more often than the worst: fit the points anew.']
    from force c left join band b using (contract_id)
    union all
    select c.contract_id, 3, 'routing', 'sales', 'assigned', array[
        not exists (select from handoff.leg g where g.contract_id = c.contract_id and (select count(*) from handoff.route r where r.contract_id = g.contract_id and r.leg = g.name) < 2),
        not exists (select from handoff.route r where r.contract_id = c.contract_id and r.target_kind = 'pool' and not exists (
                        select from handoff.pool_member m join handoff.rep p using (rep)
                        where m.pool = r.target and p.active and p.takes_leads and tstzrange(m.valid_from, m.valid_to) * tstzrange(p.valid_from, p.valid_to) @> truth.now())),
        (d.num ->> 'assigned')::int >= 0.98 * nullif((d.den ->> 'assigned')::int, 0), (d.num ->> 'last route')::int <= 0.1 * nullif((d.den ->> 'last route')::int, 0)], array[
        'Give each leg routes besides its last one.', 'Put active reps into every pool that routes name.', 'See who stays without an owner, and why: unassigned.', 'One in ten is found by the last route only: see kpi_route.']
    from force c join d using (contract_id)
    union all
    select c.contract_id, 4, 'response', 'sales', 'sla_attainment', array[
        not exists (select from handoff.leg g cross join unnest('{accept,first_touch}'::text[]) m
                    where g.contract_id = c.contract_id and not exists (select from handoff.sla s where s.contract_id = c.contract_id and s.leg = g.name and s.metric = m)),
        exists (select from handoff.escalation e where e.contract_id = c.contract_id and e.action in ('reassign', 'fallback', 'recycle')),
        (d.den ->> 'sla_attainment')::int > 0, (d.num ->> 'sla_attainment')::int >= 0.9 * (d.den ->> 'sla_attainment')::int], array[
        'Promise a time for acceptance and first touch on every leg.', 'Let escalation take a lead away from who lets it lie.',
        'No clock was judged: is the source of activities attached?', 'One clock in ten is missed: see sla_attainment.']
    from force c join d using (contract_id)
    union all
    select c.contract_id, 5, 'disposition', 'sales', 'coded', array[
        exists (select from handoff.disposition x where x.contract_id = c.contract_id and x.outcome = 'recycle') and exists (select from handoff.disposition x where x.contract_id = c.contract_id and x.outcome = 'disqualified')
            and exists (select from handoff.recycle_path p where p.contract_id = c.contract_id),
        (select bool_and(x.needs_work is not null) from handoff.disposition x where x.contract_id = c.contract_id and x.no_response),
        (d.num ->> 'coded')::int > 0, (d.num ->> 'coded')::int >= 0.95 * (d.den ->> 'coded')::int], array[
        'Have codes for recycling and disqualifying, and a path for what is recycled.', 'Ask for work before a lead is given up as no response: disposition.needs_work.',
        'Nothing was given up with a code: do reps use them?', 'Leads are given up without a code: they age out of their stage.']
    from force c join d using (contract_id)
    union all
    select c.contract_id, 6, 'learning', 'both', 'opportunities_known', array[
        exists (select from handoff.activity_rule a where a.contract_id = c.contract_id and a.meaning = 'marketing'),
        exists (select from handoff.contract v join handoff.contract o on o.name = v.name and o.contract_id < v.contract_id and o.status <> 'draft'
                where v.name = c.name and v.status <> 'draft' and v.published_at <= truth.now() and extract(epoch from truth.now()) - extract(epoch from v.published_at) < 180 * 86400),
        (d.num ->> 'opportunities_known')::int >= 0.5 * nullif((d.den ->> 'opportunities_known')::int, 0),
        exists (select from handoff.review_decision r join handoff.contract v using (contract_id)
                where v.name = c.name and r.month between date_trunc('month', c.today) - interval '2 months' and c.today)], array[
        'Say which activities are marketing touches: activity_rule of meaning marketing.', 'Publish a version that improves the one before, twice a year at least.',
        'Attach opportunities and their contact roles: of most no lead is known.', 'Review each month what was learned: rows of handoff.review_decision.']
    from force c join d using (contract_id)
)
-- the level is before the first check that does not hold; of several promises the one of the shortest period counts
select c.name as contract, c.contract_id, k.position, k.capability, k.owner, l.level, k.kpi, truth.share(n.num, n.den) as kpi_value, n.num::bigint as kpi_value_num, n.den::bigint as kpi_value_den, 0::bigint as kpi_value_open,
       t.value as target, n.num::numeric / nullif(n.den, 0) >= t.value as on_target, k.todo[l.level + 1] as next_step
from checked k
join force c using (contract_id)
join truth.done n on n.contract_id = k.contract_id and n.metric = k.kpi
cross join lateral (select coalesce(min(i), 5)::int - 1 as level from unnest(k.holds) with ordinality u (holds, i) where holds is not true) l
left join lateral (select t.value from handoff.target t where t.contract_id = c.contract_id and t.metric = k.kpi and t.segment = '' and t.period @> c.today
                   order by case when isfinite(lower(t.period)) and isfinite(upper(t.period)) then upper(t.period) - lower(t.period) end limit 1) t on true;

-- Promises of the versions in force: a row, or of a period that is open at an end a row a calendar month, from the first of which anything is known to the
-- present one. Numbers and completeness of no leg in particular are those of the first leg; of a number so much is expected as of its time is over.
create table truth.target_attainment as
with promise as (
    select c.name, c.contract_id, c.reporting_zone as zone, t.metric, t.segment, t.owner, t.value, (truth.now() at time zone c.reporting_zone)::date as today,
           split_part(t.metric, ' of ', 1) as kpi, split_part(t.metric, ' of ', 1) = any ('{handed,accepted,qualified,opportunities,won}') as is_volume,
           case when isfinite(lower(t.period)) then lower(t.period) end as lo, case when isfinite(upper(t.period)) then upper(t.period) - 1 end as hi,
           coalesce(nullif(split_part(t.metric, ' of ', 2), ''), case when t.metric = any ('{handed,accepted,qualified,opportunities,won,completeness}')
               then (select g.name from handoff.leg g where g.contract_id = c.contract_id order by g.ord limit 1) end) as leg
    from handoff.target t join handoff.contract c using (contract_id) where c.in_force
), part as (
    select p.*, p.lo as first_day, p.hi as last_day from promise p where p.lo is not null and p.hi is not null
    union all
    select p.*, greatest(p.lo, m::date), least(p.hi, (m + interval '1 month')::date - 1)
    from promise p
    cross join lateral generate_series(date_trunc('month', coalesce((select min(day) from truth.daily h where h.metric = 'handed' and h.name = p.name), p.today)::timestamp), p.today, interval '1 month') m
    where (p.lo is null or p.hi is null) and daterange(p.lo, p.hi, '[]') && daterange(m::date, (m + interval '1 month')::date)
), came as (
    select p.*, x.num, x.den, x.still, k.known
    from part p
    cross join lateral (select p.kpi = any ('{handed,accepted,qualified,opportunities,won,completeness,assigned,acceptance,contact_rate,meeting_rate,match_rate,
        opportunity_30,opportunity_60,opportunity_90,won_30,won_60,won_90,coded,sla_attainment,stage_consistency,opportunities_known}') as known) k
    cross join lateral (select coalesce(sum(h.num), 0) as num, coalesce(sum(h.den), 0) as den, coalesce(sum(h.still), 0) as still from truth.daily h
                        where h.metric = p.kpi and h.name = p.name and h.day between p.first_day and p.last_day and (p.leg is null or h.leg = p.leg) and (p.segment = '' or h.segment = p.segment)) x
), timed as (
    select c.*, case when c.first_day > c.today then 'future' when c.last_day < c.today then 'over' else 'running' end as state,
           least(greatest(extract(epoch from truth.now() - a.begins) / extract(epoch from a.ends - a.begins), 0), 1) as elapsed,
           case when not c.known then null when c.is_volume then c.num else truth.share(c.num, c.den) end as actual
    from came c
    cross join lateral (select c.first_day::timestamp at time zone c.zone as begins, (c.last_day + 1)::timestamp at time zone c.zone as ends) a
)
select name as contract, contract_id, metric, segment, owner, first_day, last_day, lo as promised_from, hi as promised_to, state, round(elapsed, 4) as elapsed, is_volume,
       value as target, actual, case when known then num end as actual_num, case when known and not is_volume then den end as actual_den, case when known then still end as actual_open,
       round(actual / nullif(value, 0), 4) as share, round(case when is_volume then value * elapsed else value end, 4) as expected,
       case when state <> 'future' then actual >= case when is_volume then value * elapsed else value end end as on_course
from timed;

-- Who challenged whom: the last version that was in force while it did, and since when both were.
create table truth.challenge_run as
select h.name as contract, f.contract_id as champion, h.contract_id as challenger, h.traffic_share, f.since, case when not upper_inf(h.challenging) then upper(h.challenging) end as ended_at
from handoff.contract h
cross join lateral (select c.contract_id, lower(u) as since from handoff.contract c cross join lateral unnest(c.effective * h.challenging) u
                    where c.name = h.name and c.contract_id <> h.contract_id order by lower(u) desc limit 1) f;

-- Of each run, version and leg each rate but those of clocks: of handoffs at least 30 days old, handed over since both ran.
create table truth.challenge_tally (contract text, champion int, challenger int, traffic_share numeric, since timestamptz, ended_at timestamptz, contract_id int, leg text, handed bigint, kpi text,
    higher_is_better boolean, num bigint, den bigint);
do $$
declare
    r record;
begin
    for r in select * from truth.rate where rate !~ '^sla_' loop
        execute format('insert into truth.challenge_tally
                        select u.contract, u.champion, u.challenger, u.traffic_share, u.since, u.ended_at, k.contract_id, k.leg, count(*), %L, %L,
                               count(*) filter (where age >= 30 * 86400 and (%s)), count(*) filter (where age >= 30 * 86400 and (%s))
                        from truth.challenge_run u
                        join truth.counted k on k.challenge = u.challenger and k.contract_id in (u.champion, u.challenger) and k.handed_at >= u.since
                        group by u.contract, u.champion, u.challenger, u.traffic_share, u.since, u.ended_at, k.contract_id, k.leg',
            r.rate, r.rate <> all ('{incomplete_rate,unassigned_rate,reroute_rate,fallback_rate,recycle_rate,override_rate,undone_rate}'), r.num, r.den);
    end loop;
end $$;

-- 1 - erf(z / sqrt(2)), by the series of positive terms: erf(x) = 2 / sqrt(pi) exp(-x^2) (x + 2 x^3 / 3 + 4 x^5 / (3 5) + ..); beyond 6 nothing is left of it
create function truth.two_sided(z numeric) returns numeric language plpgsql immutable as $$
declare
    x    numeric(60, 40) := least(abs(z) / sqrt(2::numeric(60, 40)), 6);
    term numeric(60, 40) := x * exp(-x * x);
    sum  numeric(60, 40) := 0;
    n    int := 0;
begin
    while term > 1e-35 loop
        sum := sum + term;
        n := n + 1;
        term := term * 2 * x * x / (2 * n + 1);
    end loop;
    return 1 - 2 / sqrt(3.1415926535897932384626433832795028842) * sum;
end $$;

-- x of n of the challenger, y of m of the champion: Wilson's intervals, Newcombe's of the difference, p of equal shares, how many more are needed.
create table truth.challenge as
with pair as (
    select t.contract, t.champion, t.challenger, t.traffic_share, t.since, t.ended_at, t.leg, t.kpi, bool_and(t.higher_is_better) as high,
           coalesce(sum(handed) filter (where contract_id = champion), 0)::bigint as champion_handed, coalesce(sum(handed) filter (where contract_id = challenger), 0)::bigint as challenger_handed,
           coalesce(sum(num) filter (where contract_id = challenger), 0) as x, coalesce(sum(den) filter (where contract_id = challenger), 0) as n,
           coalesce(sum(num) filter (where contract_id = champion), 0) as y, coalesce(sum(den) filter (where contract_id = champion), 0) as m
    from truth.challenge_tally t group by 1, 2, 3, 4, 5, 6, 7, 8
), share as (
    select *, x / nullif(n, 0) as p, y / nullif(m, 0) as q, x / nullif(n, 0) - y / nullif(m, 0) as d, (x + y) / nullif(n + m, 0) as r, m / nullif(n, 0) as k, 1.959963984540054 as z from pair
), wilson as (
    select *, (p + z * z / (2 * n) - z * sqrt(p * (1 - p) / nullif(n, 0) + z * z / (4 * n * n))) / (1 + z * z / n) as l, (p + z * z / (2 * n) + z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n) as u,
           (q + z * z / (2 * m) - z * sqrt(q * (1 - q) / m + z * z / (4 * m * m))) / (1 + z * z / m) as ql, (q + z * z / (2 * m) + z * sqrt(q * (1 - q) / m + z * z / (4 * m * m))) / (1 + z * z / m) as qu
    from (select s.contract, s.champion, s.challenger, s.traffic_share, s.since, s.ended_at, s.leg, s.kpi, s.high, s.champion_handed, s.challenger_handed, s.x, s.y, s.n as dn, s.m as dm,
                 nullif(s.n, 0) as n, nullif(s.m, 0) as m, s.p, s.q, s.d, s.r, s.k, s.z from share s) s
), told as (
    select *, d - sqrt((p - l) ^ 2 + (qu - q) ^ 2) as low, d + sqrt((u - p) ^ 2 + (q - ql) ^ 2) as high_end, ((p + k * q) / (1 + k)) as s,
           case when r > 0 and r < 1 then truth.two_sided(d / sqrt(r * (1 - r) * (1 / n + 1 / m))) end as p_value,
           coalesce(least(n * r, n * (1 - r), m * r, m * (1 - r)) < 5 or n is null or m is null, true) as too_few
    from wilson
), needed as (
    select *, case when d <> 0 and k > 0 then ((z * sqrt((1 + 1 / k) * s * (1 - s)) + 0.8416212335729143 * sqrt(p * (1 - p) + q * (1 - q) / k)) / d) ^ 2 end as halves from told
), more as (
    select *, greatest(ceil(halves) + ceil(k * halves) - n - m, 1)::bigint as more_needed, case when d < 0 then -high_end else low end as near, case when d < 0 then -low else high_end end as far from needed
)
select contract, champion, challenger, traffic_share, since, ended_at, leg, kpi, champion_handed, challenger_handed,
       round(q, 4) as champion_rate, y::bigint as champion_rate_num, dm::bigint as champion_rate_den, round(ql, 4) as champion_low, round(qu, 4) as champion_high,
       round(p, 4) as challenger_rate, x::bigint as challenger_rate_num, dn::bigint as challenger_rate_den, round(l, 4) as challenger_low, round(u, 4) as challenger_high,
       round(d, 4) as difference, round(low, 4) as difference_low, round(high_end, 4) as difference_high, round(p_value, 6) as p_value, case when halves is not null then more_needed end as more_needed,
       case when too_few then format('too few: %s of the champion, %s of the challenger', dm, dn)
            when near > 0 then format('%s better by %s points (%s to %s)', case when (d > 0) = high then 'challenger' else 'champion' end, round(100 * abs(d), 1), round(100 * near, 1), round(100 * far, 1))
            when halves is null then 'not yet distinguishable, no difference so far'
            else format('not yet distinguishable, %s more handoffs needed', more_needed) end as verdict
from more;

-- Statuses that the CRM has against the contract. One that was not taken is settled once the CRM has or had another, the lead is gone or is where it says, or
-- the handoff that it held is held no more.
create table truth.violations as
select to_char(v.at at time zone c.reporting_zone, 'YYYY-MM-01')::date as month, l.source, h.leg, v.rep, v.rule, v.asked, v.code, v.action, count(*) as violations,
       truth.share(count(*) filter (where v.taken), count(*)) as taken_rate, count(*) filter (where v.taken) as taken_rate_num, count(*) as taken_rate_den, 0::bigint as taken_rate_open,
       truth.share(count(*) filter (where not v.taken and s.settled), count(*) filter (where not v.taken)) as settled_rate, count(*) filter (where not v.taken and s.settled) as settled_rate_num,
       count(*) filter (where not v.taken) as settled_rate_den, count(*) filter (where not v.taken and not s.settled) as settled_rate_open
from (select v.*, v.seq < max(v.seq) over (partition by v.lead_key) as replaced from handoff.violation v) v
join handoff.lead l using (lead_key)
left join handoff.handoff h on h.lead_key = v.lead_key and h.handoff_no = v.handoff_no
join handoff.contract c on c.contract_id = coalesce(h.contract_id, l.contract_id)
cross join lateral (select l.fields ->> 'crm_status' is distinct from v.asked or l.deleted_at is not null or v.action = 'hold' and h.held_at is null or v.replaced
                           or exists (select from handoff.crm_status m where m.contract_id = l.contract_id and m.value = v.asked and l.stage = any (m.stages)) as settled) s
group by 1, 2, 3, 4, 5, 6, 7, 8;
