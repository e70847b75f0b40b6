-- sql/extension/85-review.sql: the monthly review: what has changed, what explains it, what was decided.
--
-- A month is compared with the three before it together. A change is called one only if Newcombe's 95 % interval of the difference of
-- two shares (1998, method 10, of two Wilson intervals) leaves out 0. Which slice explains it is told by Kitagawa's decomposition
-- (1955): over the values of a dimension, with share w of the denominator and rate r, now and before,
--
--     change = sum((w - w0) * ((r + r0) / 2 - (R + R0) / 2)) + sum((w + w0) / 2 * (r - r0))
--
-- of which the first part is the mix, the second the rate; R is the rate of all. A slice is named only where the change is its own: where
-- it changed otherwise than the rest did. Everybody has a large share in whatever is common to all. All numbers come from two views
-- that name nobody, so that readers get the review too; what concerns reps, rules and leads is there only for who may read these.

create function handoff.wilson_interval(num bigint, den bigint, out low double precision, out high double precision)
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select greatest(x.middle - x.half, 0), least(x.middle + x.half, 1)
    from (select (p + z * z / (2 * n)) / (1 + z * z / n) as middle, z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n) as half
          from (select $1::double precision / $2 as p, $2::double precision as n, 1.959964::double precision as z where $2 > 0) v) x
$$;
comment on function handoff.wilson_interval(bigint, bigint) is
    'Wilson''s 95 % interval (1927) of a share num / den: low and high, 0 to 1; NULL of nothing.';

create function handoff.change_interval(num bigint, den bigint, was_num bigint, was_den bigint, out low double precision, out high double precision)
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select d - sqrt((p - n.low) ^ 2 + (o.high - q) ^ 2), d + sqrt((n.high - p) ^ 2 + (q - o.low) ^ 2)
    from (select $1::double precision / $2 as p, $3::double precision / $4 as q, $1::double precision / $2 - $3::double precision / $4 as d
          where $2 > 0 and $4 > 0) v
    cross join handoff.wilson_interval($1, $2) n
    cross join handoff.wilson_interval($3, $4) o
$$;
comment on function handoff.change_interval(bigint, bigint, bigint, bigint) is
    'Newcombe''s 95 % interval (1998, method 10) of a difference of shares, num / den - was_num / was_den: low and high; NULL of nothing. Where it leaves out 0 the two can be told apart.';

create function handoff.review_reps(month date)
    returns table (cell_month date, leg text, rep text, handed bigint, accepted bigint, rejected bigint, mature_30 bigint, opportunity_30 bigint)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select f.month, f.leg, f.rep, count(*), count(*) filter (where f.accepted), count(*) filter (where f.rejected),
           count(*) filter (where f.mature_30), count(*) filter (where f.mature_30 and f.opportunity_30)
    from handoff.fact_handoff f
    where f.counted and f.month > $1 - interval '4 months' and f.month <= $1
    group by 1, 2, 3
$$;
comment on function handoff.review_reps(date) is 'As view review_cell, by rep. Internal to change_parts().';

create function handoff.review_tally(month date, with_reps boolean)
    returns table (measure text, leg text, dimension text, value text, num bigint, den bigint, still_open bigint, was_num bigint, was_den bigint)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with counted (month, measure, leg, dimension, value, num, den, still_open) as (
        select c.month, m.measure, c.leg, d.dimension, d.value, sum(m.num), sum(m.den), sum(m.still_open)
        from handoff.review_cell c
        cross join lateral (values
            ('all', null), ('band', c.band), ('segment', c.segment), ('lead_source', c.lead_source), ('route', c.route), ('pool', c.pool),
            ('version', c.contract_id::text), ('code', c.code)) d (dimension, value)
        cross join lateral (values
            ('acceptance', c.accepted, case when c.rejected then c.handed else c.accepted end, c.undecided),
            ('rejection', case when c.rejected then c.handed else 0 end, case when c.rejected then c.handed else c.accepted end, c.undecided),
            ('opportunity_30', c.opportunity_30, c.mature_30, c.handed - c.mature_30),
            ('unassigned', c.unassigned, c.handed, 0),
            ('incomplete', c.incomplete, c.handed, 0),
            ('handed', c.handed, c.handed, 0)) m (measure, num, den, still_open)
        where c.month > $1 - interval '4 months' and c.month <= $1
          and case d.dimension when 'code' then m.measure = 'rejection' and c.rejected else m.measure <> 'rejection' or d.dimension = 'all' end
        group by 1, 2, 3, 4, 5
        union all
        select c.month, 'sla ' || c.sla, c.leg, d.dimension, d.value, sum(c.met), sum(c.met + c.missed), sum(c.running)
        from handoff.review_clock c
        cross join lateral (values
            ('all', null), ('band', c.band), ('segment', c.segment), ('lead_source', c.lead_source), ('route', c.route), ('pool', c.pool),
            ('version', c.contract_id::text)) d (dimension, value)
        where c.month > $1 - interval '4 months' and c.month <= $1
        group by 1, 2, 3, 4, 5
        union all
        select c.cell_month, m.measure, c.leg, 'rep', c.rep, m.num, m.den, 0
        from (select $1 as month where $2) w
        cross join lateral handoff.review_reps(w.month) c
        cross join lateral (values
            ('acceptance', c.accepted, c.accepted + c.rejected),
            ('opportunity_30', c.opportunity_30, c.mature_30)) m (measure, num, den)
    )
    select c.measure, c.leg, c.dimension, c.value,
           coalesce(sum(c.num) filter (where c.month = $1), 0)::bigint,
           coalesce(sum(c.den) filter (where c.month = $1), 0)::bigint,
           coalesce(sum(c.still_open) filter (where c.month = $1), 0)::bigint,
           coalesce(sum(c.num) filter (where c.month < $1), 0)::bigint,
           coalesce(sum(c.den) filter (where c.month < $1), 0)::bigint
    from counted c
    group by 1, 2, 3, 4
$$;
comment on function handoff.review_tally(date, boolean) is
    'Numerators and denominators of a month and of the three before it, by measure, leg, and dimension with its value. Internal to change_parts().';

create function handoff.change_parts(month date)
    returns table (measure text, leg text, dimension text, value text, num bigint, den bigint, still_open bigint, was_num bigint, was_den bigint,
                   mix_effect double precision, rate_effect double precision, own_change double precision, own_z double precision)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with tally as materialized (
        select t.* from handoff.review_tally($1, has_table_privilege('handoff.fact_handoff', 'select')) t
    ), paired as (
        select t.*, a.num as all_num, a.den as all_den, a.was_num as all_was_num, a.was_den as all_was_den
        from tally t
        join tally a on a.measure = t.measure and a.leg = t.leg and a.dimension = 'all'
    ), rated as (
        select b.*,
               b.den::double precision / nullif(b.all_den, 0) as w1, b.was_den::double precision / nullif(b.all_was_den, 0) as w0,
               -- what was not there at one time is all mix
               coalesce(b.num::double precision / nullif(b.den, 0), b.was_num::double precision / nullif(b.was_den, 0)) as r1,
               coalesce(b.was_num::double precision / nullif(b.was_den, 0), b.num::double precision / nullif(b.den, 0)) as r0,
               (b.all_num::double precision / nullif(b.all_den, 0) + b.all_was_num::double precision / nullif(b.all_was_den, 0)) / 2 as middle,
               -- shares of the slice and of the rest, a case added on either side so that none is 0 or 1
               (b.num + 1) / (b.den + 2.0::double precision) as s1, (b.was_num + 1) / (b.was_den + 2.0::double precision) as s0,
               (b.all_num - b.num + 1) / (b.all_den - b.den + 2.0::double precision) as o1,
               (b.all_was_num - b.was_num + 1) / (b.all_was_den - b.was_den + 2.0::double precision) as o0
        from paired b
    )
    select r.measure, r.leg, r.dimension, r.value, r.num, r.den, r.still_open, r.was_num, r.was_den,
           case when r.dimension not in ('all', 'code') then (r.w1 - r.w0) * ((r.r1 + r.r0) / 2 - r.middle) end,
           case when r.dimension not in ('all', 'code') then (r.w1 + r.w0) / 2 * (r.r1 - r.r0) end,
           o.change,
           o.change / sqrt(r.s1 * (1 - r.s1) / (r.den + 2) + r.s0 * (1 - r.s0) / (r.was_den + 2)
                           + r.o1 * (1 - r.o1) / (r.all_den - r.den + 2) + r.o0 * (1 - r.o0) / (r.all_was_den - r.was_den + 2))
    from rated r
    left join lateral (
        select (r.s1 - r.s0) - (r.o1 - r.o0) as change
        where r.dimension not in ('all', 'code') and r.den > 0 and r.was_den > 0 and r.all_den > r.den and r.all_was_den > r.was_den
    ) o on true
$$;
comment on function handoff.change_parts(date) is
    'What the changes of a month (its first day) against the three months before it, together, are made of: by measure (acceptance, opportunity_30, sla and its name ..), leg, and dimension with its value, the numerators and denominators of both, and the effects of mix and rate by Kitagawa (1955), which over a dimension add up to the change of the rate; own_change: how much more the slice has changed than the rest, own_z: the same in standard errors, NULL where there is no rest. Dimension all: the whole; code: of rejections; rep only for who may read fact_handoff. Formulas: docs/review.md.';

create function handoff.review_causes(month date)
    returns table (measure text, leg text, dimension text, value text, num bigint, den bigint, still_open bigint, was_num bigint, was_den bigint,
                   kind text, cause_dimension text, cause_value text, cause_num bigint, cause_den bigint, cause_was_num bigint, cause_was_den bigint, explained double precision)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with part as materialized (
        select p.* from handoff.change_parts($1) p
    ), changed as (
        select a.*, a.num::double precision / nullif(a.den, 0) - a.was_num::double precision / nullif(a.was_den, 0) as change,
               (select count(*) from part p where p.measure = a.measure and p.leg = a.leg and p.own_z is not null) as tried
        from part a
        cross join handoff.change_interval(a.num, a.den, a.was_num, a.was_den) i
        where a.dimension = 'all' and (i.low > 0 or i.high < 0)
    ), candidate as (
        -- rate: its own part is a third of the change, and it is not chance, however many were looked at (Bonferroni; the
        -- tail of the normal distribution is less than its density / z)
        select c.measure, c.leg, 1 as rank, 'rate' as kind, p.dimension, p.value, p.num, p.den, p.was_num, p.was_den, p.rate_effect / c.change as explained, abs(p.own_z) as weight
        from changed c
        join part p using (measure, leg)
        where p.rate_effect / c.change >= 1 / 3.0 and sign(p.own_z) = sign(c.change) and abs(p.own_z) > 1
          and 2 * exp(-(p.own_z ^ 2) / 2) / (abs(p.own_z) * sqrt(2 * pi())) * c.tried <= 0.05
        union all
        -- mix: that of the whole dimension is half of the change; named is the value with the largest part, whose share has changed
        select c.measure, c.leg, 2, 'mix', p.dimension, p.value, p.den, c.den, p.was_den, c.was_den, m.mix / c.change, m.mix / c.change
        from changed c
        cross join lateral (select p.dimension, sum(p.mix_effect) as mix from part p
                            where p.measure = c.measure and p.leg = c.leg and p.mix_effect is not null group by p.dimension) m
        cross join lateral (select p.* from part p where p.measure = c.measure and p.leg = c.leg and p.dimension = m.dimension
                            order by p.mix_effect / c.change desc, p.value collate "C" limit 1) p
        cross join handoff.change_interval(p.den, c.den, p.was_den, c.was_den) i
        where m.mix / c.change >= 0.5 and (i.low > 0 or i.high < 0)
    )
    select a.measure, a.leg, a.dimension, a.value, a.num, a.den, a.still_open, a.was_num, a.was_den,
           k.kind, k.dimension, k.value, k.num, k.den, k.was_num, k.was_den, k.explained
    from part a
    left join lateral (
        select * from candidate k where k.measure = a.measure and k.leg = a.leg and a.dimension = 'all'
        order by k.rank, k.weight desc, array_position('{lead_source,segment,band,version,route,pool,rep}'::text[], k.dimension), k.value collate "C" limit 1
    ) k on true
    where a.dimension = 'all' or a.measure = 'handed' and a.dimension = 'band' or a.measure = 'acceptance' and a.dimension = 'band' or a.dimension = 'code'
$$;
comment on function handoff.review_causes(date) is 'The measures of monthly_review(), each with the slice that explains its change, if one does. Internal.';

create function handoff.dead_rules(since interval default '90 days')
    returns table (object text, name text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with version as (
        select c.contract_id, t.now - $1 as since, t.now
        from handoff.contract c
        cross join (select handoff.view_time() as now) t
        -- a version must have had the time
        where c.in_force and lower(c.effective) <= t.now - $1
    ), silent (object, name, hint) as materialized (
        -- codes that neither a lead nor a handoff has
        select distinct 'gate', g.code, 'It has held nobody back: correct the criteria, or delete the gate.'
        from version v
        join handoff.gate g on g.contract_id = v.contract_id
        where not exists (select from handoff.lead l where l.gate_code = g.code and l.deleted_at is null)
        union all
        select distinct 'disposition', d.code, 'Nobody has given this answer: delete it, or tell sales what it is for.'
        from version v
        join handoff.disposition d on d.contract_id = v.contract_id
        where not exists (select from handoff.handoff h where h.disposed_at >= v.since and h.code = d.code)
    )
    select 'score_rule', r.name, 'No lead that was decided since then has such fields: correct the criteria, or delete the rule.'
    from version v
    join handoff.score_rule r on r.contract_id = v.contract_id
    join handoff.score_group g on g.contract_id = r.contract_id and g.name = r.score_group and g.kind = 'fit'
    where r.criteria is not null
      -- what is stored with leads: fields that are computed are not
      and not exists (select from handoff.criteria_fields(r.criteria) f (name)
                      where f.name not in (select d.name from handoff.field d where d.contract_id = v.contract_id and d.of = 'lead'))
      and not exists (select from handoff.lead l
                      where l.decided_at >= v.since and l.deleted_at is null and handoff.matches(r.criteria, l.fields, v.contract_id, v.now))
    union all
    select 'activity_rule', r.name, 'No lead has given this signal: correct the criteria, or delete the rule.'
    from version v
    join handoff.activity_rule r on r.contract_id = v.contract_id and r.meaning = 'signal'
    where not exists (select from handoff.activity a where a.taken_at >= v.since and 'signal:' || r.name = any (a.meanings))
    union all
    select 'route', r.name, 'It has found nobody an owner: correct the criteria, or delete the route.'
    from version v
    join handoff.route r on r.contract_id = v.contract_id
    where r.criteria is not null and not exists (select from handoff.assignment a where a.at >= v.since and a.route = r.name)
    union all
    select s.object, s.name, s.hint
    from silent s
    -- the log is read once for all of them, and not at all if there are none
    where (s.object, s.name) not in (
        select o.object, e.detail ->> 'code'
        from handoff.event e
        cross join (values ('gate'), ('disposition')) o (object)
        where e.at >= (select min(v.since) from version v) and e.detail ->> 'code' is not null
          and (o.object = 'disposition' or e.type in ('gated', 'disqualified')))
    union all
    select 'band', b.name, 'No handoff was in it: its minimums are out of reach, or it is not handed over.'
    from version v
    join handoff.band b on b.contract_id = v.contract_id
    where not exists (select from handoff.lead l where l.band = b.name and l.deleted_at is null)
      and not exists (select from handoff.handoff h where h.handed_at >= v.since and h.band = b.name)
    order by 1, 2
$$;
comment on function handoff.dead_rules(interval) is
    'Rules of versions in force that nobody has matched for so long, at view_time(): fit rules over declared fields (computed fields are not stored), signals, routes with criteria, gates, bands, dispositions. Of a version that has been in force for a shorter time: none. A rule of intent leaves only its points behind, so it is not told. Each rule that is alive costs one look, a dead fit rule one over all leads decided since; the log is read once for all gates and dispositions of which nothing else tells.';

create function handoff.review_decisions(month date)
    returns table (decided_month date, finding text, decision text, owner text, due date, version int, num bigint, den bigint)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select d.month, d.finding, d.decision, d.owner, d.due, d.version, d.num, d.den
    from handoff.review_decision d
    where d.month < $1 and d.month >= $1 - interval '12 months'
$$;
comment on function handoff.review_decisions(date) is 'Decisions of the reviews of the twelve months before a month. Internal to monthly_review().';

create function handoff.review_backlog() returns table (finding text, subject text, qty bigint, oldest numeric, proposal text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select 'blocked', b.missing, count(*), max(b.waiting_seconds), 'Ask for these fields before a lead is ready, or fill them from another source.'
    from handoff.blocked b
    group by b.missing
    union all
    select 'unassigned', u.reason, count(*), max(u.waiting_seconds), 'Give the pool members or hours, or a route below it.'
    from handoff.unassigned u
    group by u.reason
$$;
comment on function handoff.review_backlog() is 'Blocked and unassigned leads now, counted. Internal to monthly_review().';

create function handoff.review_targets(month date)
    returns table (finding text, leg text, segment text, num bigint, den bigint, share numeric, still_open bigint, small boolean, promise text, outcome text)
    language sql stable
    set search_path = pg_catalog, pg_temp
    set datestyle = iso
    set jit = off
as $$
    select concat('target ', t.metric, ', segment ' || nullif(t.segment, ''),
                  case when t.promised_to is null then ', since ' || t.promised_from when t.promised_from is null then ', until ' || t.promised_to
                       else format(', %s to %s', t.promised_from, t.promised_to) end,
                  case when min(t.contract) over () <> max(t.contract) over () then ' of contract ' || t.contract end),
           nullif(split_part(t.metric, ' of ', 2), ''), nullif(t.segment, ''), t.actual_num, t.actual_den, case when not t.is_volume then t.actual end, t.actual_open,
           (t.actual_den < 30) is true,
           format('%s promised %s, %s to %s%s', t.owner, w.target, t.first_day, t.last_day,
                  case when t.state = 'running' then format('; %s %% of the time is over', round(100 * t.elapsed)) end),
           case when t.on_course is null and t.actual_num is null then 'Nothing here measures it.'
                when t.on_course is null then 'There is nothing to measure so far.'
                when t.state = 'over' and t.on_course then 'Kept.'
                when t.state = 'over' then 'Not kept: ask ' || t.owner || ' what was in the way, or whether it can be promised.'
                when t.on_course then 'On course.'
                else format('Behind: %s were to be expected by now.', w.expected) end
    from handoff.target_attainment t
    cross join lateral (select case when t.is_volume then trim_scale(t.target)::text else round(100 * t.target, 1) || ' %' end as target,
                               case when t.is_volume then trim_scale(round(t.expected, 1))::text else round(100 * t.expected, 1) || ' %' end as expected) w
    where t.state <> 'future' and t.last_day >= $1 and t.first_day < $1 + interval '1 month'
$$;
comment on function handoff.review_targets(date) is 'Promises of handoff.target_attainment that are about a month (its first day) or a part of it, as they stand now. Internal to monthly_review().';

create function handoff.review_proposal(measure text, kind text, dimension text, value text, worse boolean) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
return case
    when not $5 then 'Find out what was done, and keep it.'
    when $2 = 'mix' then format('More of other leads have come: ask marketing about %s %s; thresholds per %s, if it is to stay.', replace($3, '_', ' '), $4, replace($3, '_', ' '))
    when $3 = 'band' then format('Raise the minimums of band %s in a draft, and compare the two before publishing.', $4)
    when $3 = 'lead_source' then format('Look at what comes from %s: fewer points for it, or a gate, in a draft.', $4)
    when $3 = 'segment' then format('Look at the rules for segment %s: fit, and the route that it takes.', $4)
    when $3 = 'version' then format('Read diff() of version %s and the one before it; rollback() if it was not meant.', $4)
    when $3 = 'route' then format('Look at route %s: who it leads to, and whether they have room.', $4)
    when $3 = 'pool' then format('Look at pool %s: hours, absences, capacity (pool_capacity()).', $4)
    when $3 = 'rep' then format('Speak with %s and his manager.', $4)
    when $1 like 'sla %' then 'Look at at_risk by pool, and at hours and capacity.'
    when $1 = 'unassigned' then 'Look at view unassigned for the reasons: pools without members, hours or room.'
    when $1 = 'incomplete' then 'Ask for the required fields before a lead is ready.'
    else 'No slice stands out: speak with sales about examples, by reason of rejection.'
end;
comment on function handoff.review_proposal(text, text, text, text, boolean) is 'What could be done about a change, in words. Internal to monthly_review().';

create function handoff.monthly_review(month date default null)
    returns table (section text, ord int, finding text, leg text, subject text, num bigint, den bigint, share numeric, still_open bigint,
                   was_num bigint, was_den bigint, was_share numeric, change numeric, change_low numeric, change_high numeric,
                   changed boolean, small boolean, likely_cause text, proposal text)
    language sql stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    with asked as (
        select date_trunc('month', coalesce($1, (handoff.view_time() at time zone 'UTC')::date - interval '1 month'))::date as month
    ), part as materialized (
        select c.* from asked a cross join lateral handoff.review_causes(a.month) c
    ), whole as (
        select * from part where dimension = 'all'
    ), known (section, place, finding, leg, subject, num, den, still_open, was_num, was_den, good, kind, cause_dimension, cause_value,
              cause_num, cause_den, cause_was_num, cause_was_den, explained, measure) as (
        select case when w.measure = 'acceptance' then 'acceptance' when w.measure = 'opportunity_30' then 'conversion'
                    when w.measure like 'sla %' then 'sla' else 'quality' end,
               case when w.measure = 'acceptance' then 1 when w.measure = 'opportunity_30' then 2 when w.measure like 'sla %' then 4 else 6 end,
               format('%s of %s', w.measure, w.leg), w.leg, null, w.num, w.den, w.still_open, w.was_num, w.was_den,
               case when w.measure in ('unassigned', 'incomplete') then -1 else 1 end,
               w.kind, w.cause_dimension, coalesce(w.cause_value, 'none'), w.cause_num, w.cause_den, w.cause_was_num, w.cause_was_den, w.explained, w.measure
        from whole w
        where w.measure not in ('handed', 'rejection')
        union all
        select 'rejection', 3, format('rejection of %s, code %s', p.leg, coalesce(p.value, 'none')), p.leg, coalesce(p.value, 'none'),
               p.num, w.den, w.still_open, p.was_num, w.was_den, -1, null, null, null, null, null, null, null, null, 'rejection'
        from part p
        join whole w on w.measure = p.measure and w.leg = p.leg
        where p.dimension = 'code'
        union all
        select 'bands', 5, format('share of band %s in %s', coalesce(p.value, 'none'), p.leg), p.leg, coalesce(p.value, 'none'),
               p.num, w.num, 0, p.was_num, w.was_num, 0, null, null, null, null, null, null, null, null, 'share'
        from part p
        join whole w on w.measure = p.measure and w.leg = p.leg
        where p.measure = 'handed' and p.dimension = 'band'
        union all
        select 'bands', 5, format('acceptance of band %s in %s', coalesce(p.value, 'none'), p.leg), p.leg, coalesce(p.value, 'none'),
               p.num, p.den, p.still_open, p.was_num, p.was_den, 1, null, null, null, null, null, null, null, null, 'acceptance'
        from part p
        where p.measure = 'acceptance' and p.dimension = 'band'
    ), rated as (
        select k.*, round(k.num::numeric / nullif(k.den, 0), 4) as share, round(k.was_num::numeric / nullif(k.was_den, 0), 4) as was_share,
               i.low, i.high, (i.low > 0 or i.high < 0) is true as changed, least(k.den, k.was_den) < 30 as small,
               k.num::double precision / nullif(k.den, 0) - k.was_num::double precision / nullif(k.was_den, 0) as change
        from known k
        cross join handoff.change_interval(k.num, k.den, k.was_num, k.was_den) i
        where k.den > 0 or k.was_den > 0
    ), finding as (
        select r.section, r.place, r.finding, r.leg, r.subject, r.num, r.den, r.share, r.still_open, r.was_num, r.was_den, r.was_share,
               round(r.change::numeric, 4) as change, round(r.low::numeric, 4) as change_low, round(r.high::numeric, 4) as change_high, r.changed, r.small,
               case when not r.changed or r.section in ('rejection', 'bands') then null
                    when r.kind = 'rate' then format('%s %s: %s, before %s; %s %% of the change', replace(r.cause_dimension, '_', ' '), r.cause_value,
                        handoff.share_words(r.cause_num, r.cause_den), handoff.share_words(r.cause_was_num, r.cause_was_den), round(100 * r.explained::numeric))
                    when r.kind = 'mix' then format('mix of %s: %s was %s, before %s; %s %% of the change', replace(r.cause_dimension, '_', ' '), r.cause_value,
                        handoff.share_words(r.cause_num, r.cause_den), handoff.share_words(r.cause_was_num, r.cause_was_den), round(100 * r.explained::numeric))
                    else 'no single slice: it has changed alike everywhere, or too few are known to tell' end as likely_cause,
               case when not r.changed then null
                    when r.section = 'rejection' then case when r.change > 0 then format('Look at examples of %s: is it the definition, or the wait before such leads come back?', r.subject) end
                    when r.section = 'bands' and r.measure = 'share' then format('More or fewer leads reach band %s: look at its minimums and at what gives points, in a draft.', r.subject)
                    when r.section = 'bands' then handoff.review_proposal('acceptance', 'rate', 'band', r.subject, r.change < 0)
                    else handoff.review_proposal(r.measure, r.kind, r.cause_dimension, r.cause_value, r.change * r.good < 0) end as proposal
        from rated r
        union all
        select 'targets', 0, t.finding, t.leg, t.segment, t.num, t.den, t.share, t.still_open, null, null, null, null, null, null, false, t.small, t.promise, t.outcome
        from asked a
        cross join lateral handoff.review_targets(a.month) t
        union all
        select 'backlog', 7, format('%s: %s', b.finding, coalesce(b.subject, 'none')), null, coalesce(b.subject, 'none'), b.qty, null, null, null, null, null, null,
               null, null, null, false, false, 'the oldest waits for ' || handoff.rounded_span_words(b.oldest), b.proposal
        from (select where has_table_privilege('handoff.blocked', 'select') and has_table_privilege('handoff.unassigned', 'select')) may
        cross join lateral handoff.review_backlog() b
        union all
        select 'dead rules', 8, format('%s %s', d.object, d.name), null, d.name, 0, null, null, null, null, null, null,
               null, null, null, false, false, null, d.hint
        from (select where has_table_privilege('handoff.score_rule', 'select') and has_table_privilege('handoff.lead', 'select')) may
        cross join lateral handoff.dead_rules() d
    )
    select f.section, row_number() over (order by f.place, f.leg collate "C", f.finding collate "C")::int, f.finding, f.leg, f.subject, f.num, f.den, f.share, f.still_open,
           f.was_num, f.was_den, f.was_share, f.change, f.change_low, f.change_high, f.changed, f.small, f.likely_cause, f.proposal
    from (
        select f.* from finding f
        union all
        -- what became of what was decided: the same finding then and now
        select 'decisions', 9, format('%s, %s', to_char(d.decided_month, 'YYYY-MM'), d.finding), n.leg, n.subject, n.num, n.den, n.share, n.still_open,
               d.num, d.den, round(d.num::numeric / nullif(d.den, 0), 4),
               round((n.num::double precision / nullif(n.den, 0) - d.num::double precision / nullif(d.den, 0))::numeric, 4),
               round(i.low::numeric, 4), round(i.high::numeric, 4), (i.low > 0 or i.high < 0) is true, (least(n.den, d.den) < 30) is true,
               concat_ws(', ', d.decision, 'owner ' || d.owner, 'due ' || to_char(d.due, 'YYYY-MM-DD'), 'version ' || d.version),
               case when n.finding is null then 'It is no finding any more.'
                    when d.den is null then 'It is still one.'
                    when (i.low > 0 or i.high < 0) is true then 'It has changed since.' else 'No effect can be told so far.' end
        from asked a
        cross join lateral (select where has_table_privilege('handoff.review_decision', 'select')) may
        cross join lateral handoff.review_decisions(a.month) d
        left join finding n on n.finding = d.finding
        left join lateral handoff.change_interval(n.num, n.den, d.num, d.den) i on true
    ) f
$$;
comment on function handoff.monthly_review(date) is
    'The review of a month (any day of it; NULL: the month before that of view_time() in UTC) of handoffs by cohort, against the three months before it together, one row a finding: what was promised (targets: as it stands now), acceptance, conversion, rejection by code, SLA attainment, quality, drift of bands; blocked and unassigned leads now, rules that matched nobody in 90 days, and what became of earlier decisions. share = num / den (decided, mature ..), still_open could change it; change with Newcombe''s 95 % interval; changed: it leaves out 0; small: fewer than 30 of one of the two; likely_cause: the slice that explains it, by rate or mix. Which leads, nowhere. Readers get what the KPI views say; reps are named as causes only to who may read fact_handoff. Formulas: docs/review.md.';

create function handoff.record_decision(month date, finding text, decision text, owner text default null, due date default null, version int default null)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    first_day constant date := date_trunc('month', month)::date;
    found_row record;
begin
    if month is null or finding is null or decision is null then
        raise exception 'month, finding and decision must not be null' using errcode = '22004';
    end if;
    select r.num, r.den into found_row from handoff.monthly_review(first_day) r where r.finding = record_decision.finding;
    if not found then
        raise exception 'the review of % has no finding "%"', to_char(first_day, 'YYYY-MM'), finding
            using errcode = '22023', hint = format('SELECT finding FROM handoff.monthly_review(%L) lists them.', first_day);
    end if;
    insert into handoff.review_decision (contract_id, month, finding, decision, owner, due, version, num, den)
    values (coalesce(handoff.in_force(), handoff.chosen_version(null)), first_day, finding, decision, owner, due, case when version is not null then handoff.chosen_version(version) end,
            found_row.num, found_row.den)
    on conflict on constraint review_decision_pkey do update
        set decision = excluded.decision, owner = excluded.owner, due = excluded.due, version = excluded.version;
end
$$;
comment on function handoff.record_decision(date, text, text, text, date, int) is
    'Notes what was decided about a finding of the review of a month: who sees to it, until when, and the version of the contract that carries it out. The numbers of the finding are kept as they are when it is first noted; reviews of the next twelve months say what has become of them. Safe to repeat. Errors: 22004 (NULL), 22023 (no such finding), LH012 (no such version, or none in force).';

create function handoff.monthly_review_markdown(month date default null) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with asked as (
        select date_trunc('month', coalesce($1, (handoff.view_time() at time zone 'UTC')::date - interval '1 month'))::date as month
    ), review as materialized (
        select r.* from asked a cross join lateral handoff.monthly_review(a.month) r
    ), line as (
        select r.section, r.ord, handoff.line_markdown(handoff.markdown_text(r.finding),
            coalesce(handoff.share_words(r.num, r.den) || case when r.still_open > 0 then format(', %s open', r.still_open) else '' end, r.num::text, ''),
            coalesce(handoff.share_words(r.was_num, r.was_den), ''),
            ltrim(case when r.den is null or r.section = 'targets' then '' when r.change is null then 'nothing to compare'
                 when not r.changed then 'none to be told' else format('%s points (%s to %s)', to_char(100 * r.change, 'FMSG990.0'), to_char(100 * r.change_low, 'FMSG990.0'), to_char(100 * r.change_high, 'FMSG990.0')) end
                || case when r.small then ', few' else '' end, ', '),
            coalesce(handoff.markdown_text(r.likely_cause), ''), coalesce(handoff.markdown_text(r.proposal), '')) as line
        from review r
    ), section (place, name, title) as (
        values (0, 'targets', 'What was promised'), (1, 'acceptance', 'Acceptance'), (2, 'conversion', 'Conversion: an opportunity within 30 days'), (3, 'rejection', 'Why leads are rejected'),
               (4, 'sla', 'Times promised'), (5, 'bands', 'Bands: shares and acceptance'), (6, 'quality', 'Handed over incomplete or to nobody'),
               (7, 'backlog', 'Blocked and unassigned now'), (8, 'dead rules', 'Rules that matched nobody in 90 days'), (9, 'decisions', 'What became of decisions')
    )
    select format(E'# Review of %s\n\nHandoffs of the month, beside those of the three months before it. A change is given in percentage points with its 95 %% interval, '
                  'where it can be told from chance; "few" means fewer than 30 of either.\n', to_char(a.month, 'YYYY-MM'))
        || case when exists (select from review r where r.changed and r.section <> 'decisions') then E'\n## What has changed\n\n' || (
               select string_agg(format('- %s: %s, before %s.%s%s', handoff.markdown_text(r.finding), handoff.share_words(r.num, r.den), handoff.share_words(r.was_num, r.was_den),
                                        ' Likely cause: ' || handoff.markdown_text(r.likely_cause) || '.', ' ' || handoff.markdown_text(r.proposal)), E'\n' order by abs(r.change) desc, r.ord)
               from review r where r.changed and r.section <> 'decisions') || E'\n'
           else E'\nNothing has changed that can be told from chance.\n' end
        || coalesce((
            select string_agg(format(E'\n## %s\n\n', s.title) || handoff.table_markdown(
                       array['Finding', 'Month', 'Before', 'Change', case s.name when 'decisions' then 'Decision' when 'targets' then 'Promise' else 'Likely cause' end,
                             case s.name when 'decisions' then 'Effect' when 'targets' then 'Outcome' else 'Proposal' end], l.lines), '' order by s.place)
            from section s
            join (select l.section, string_agg(l.line, E'\n' order by l.ord) as lines from line l group by l.section) l on l.section = s.name), '')
    from asked a
$$;
comment on function handoff.monthly_review_markdown(date) is
    'monthly_review() as a page of Markdown: what has changed, the largest change first, with its likely cause and a proposal, then a table a section. The same data and view_time() give the same text.';

revoke all on function handoff.wilson_interval(bigint, bigint) from public;
revoke all on function handoff.change_interval(bigint, bigint, bigint, bigint) from public;
revoke all on function handoff.review_reps(date) from public;
revoke all on function handoff.review_tally(date, boolean) from public;
revoke all on function handoff.change_parts(date) from public;
revoke all on function handoff.review_causes(date) from public;
revoke all on function handoff.dead_rules(interval) from public;
revoke all on function handoff.review_decisions(date) from public;
revoke all on function handoff.review_backlog() from public;
revoke all on function handoff.review_targets(date) from public;
revoke all on function handoff.review_proposal(text, text, text, text, boolean) from public;
revoke all on function handoff.monthly_review(date) from public;
revoke all on function handoff.record_decision(date, text, text, text, date, int) from public;
revoke all on function handoff.monthly_review_markdown(date) from public;
