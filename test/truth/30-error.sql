-- test/truth/30-error.sql: mistakes of both sides, and whether reps judge alike, by docs/learn.md. A day has 86400 seconds.

-- Turned down, and bought within 365 days: by any opportunity that any handoff of the lead knows.
create table truth.rejection as
select h.*, extract(epoch from truth.now()) - extract(epoch from h.closed_at) >= 365 * 86400 as mature,
       exists (select from handoff.handoff w where w.lead_key = h.lead_key and w.won_at > h.closed_at and extract(epoch from w.won_at) - extract(epoch from h.closed_at) <= 365 * 86400) as wrong
from truth.handoff h
where h.rejected;

-- Opportunities that are there; a miss has leads (those that are known here), and none was ever handed over.
create table truth.made as
select o.opportunity_key, o.created_at, truth.month(o.created_at) as month, count(l.lead_key) > 0 as known, count(l.lead_key) > 0 and count(h.lead_key) = 0 as missed
from truth.opportunity o
left join truth.lead_behind b using (opportunity_key)
left join handoff.lead l using (lead_key)
left join (select distinct lead_key from handoff.handoff where coalesce(outcome, '') <> 'withdrawn') h on h.lead_key = l.lead_key
group by o.opportunity_key, o.created_at;

-- Why each lead of a miss was where it was then, by the newest events that say so; of several leads the one that had come furthest.
create table truth.miss as
select distinct on (m.opportunity_key) m.opportunity_key, m.month, b.lead_key, w.why, case when w.why = 'gate' then held.detail ->> 'code' end as gate, scored.detail ->> 'band' as band
from truth.made m
join truth.lead_behind b using (opportunity_key)
join handoff.lead l using (lead_key)
left join lateral (select e.* from handoff.event e where e.lead_key = b.lead_key and e.at <= m.created_at and e.type = 'scored' order by e.seq desc limit 1) scored on true
left join lateral (select e.* from handoff.event e where e.lead_key = b.lead_key and e.at <= m.created_at and e.type in ('gated', 'joined', 'released') order by e.seq desc limit 1) held on true
left join lateral (select e.* from handoff.event e where e.lead_key = b.lead_key and e.at <= m.created_at and e.type in ('blocked', 'unblocked') order by e.seq desc limit 1) stopped on true
cross join lateral (select case when scored.seq is null then 'unknown' when held.type in ('gated', 'joined') then 'gate' when stopped.type = 'blocked' then 'blocked' else 'below' end as why) w
where m.missed
order by m.opportunity_key, array_position('{gate,blocked,below,unknown}'::text[], w.why), b.lead_key;

create table truth.error as
select r.cohort as month, 'sales' as side, r.leg, d.dimension, d.value, truth.share(count(*) filter (where wrong and mature), count(*) filter (where mature)) as error_rate,
       count(*) filter (where wrong and mature) as error_rate_num, count(*) filter (where mature) as error_rate_den, count(*) filter (where not mature) as error_rate_open, count(*) filter (where wrong) as so_far
from truth.rejection r
cross join lateral (values ('all', null), ('reason', r.code), ('band', r.band), ('pool', r.pool), ('rep', r.rep)) d (dimension, value)
group by r.cohort, r.leg, d.dimension, d.value
union all
select t.month, 'marketing', null, n.dimension, n.value, truth.share(n.missed, t.known), n.missed, t.known, t.unknown, n.missed
from (select month, count(*) filter (where known) as known, count(*) filter (where not known) as unknown, count(*) filter (where missed) as missed from truth.made group by month) t
cross join lateral (
    select 'all' as dimension, null as value, t.missed
    union all
    select d.dimension, d.value, count(*) from truth.miss m cross join lateral (values ('reason', m.why), ('band', m.band), ('gate', m.gate)) d (dimension, value)
    where m.month = t.month group by d.dimension, d.value) n;

create table truth.error_rate as select * from truth.error where dimension <> 'rep';
create table truth.error_rate_rep as select * from truth.error where dimension = 'rep';
alter table truth.error_rate_rep drop dimension;
alter table truth.error_rate_rep rename value to rep;

-- Reps: what each would have accepted, had he accepted of each band what all reps of the leg did. Wilson's interval of his share p = a / n, at z of
-- 95 %: (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n), divided by the expected share e / n.
create table truth.rep_consistency as
with usual as (
    select leg, band, avg(accepted::int) as share from truth.handoff where rep is not null and (accepted or rejected) group by leg, band
), rated as (
    select h.leg, h.rep, count(*) filter (where accepted) as a, count(*) filter (where accepted or rejected) as n, count(*) filter (where open and not accepted) as still,
           coalesce(sum(u.share) filter (where accepted or rejected), 0) as e
    from truth.handoff h
    left join usual u on u.leg = h.leg and u.band is not distinct from h.band
    where h.rep is not null
    group by h.leg, h.rep
)
select leg, rep, truth.share(a, n) as acceptance_of_decided, a as acceptance_of_decided_num, n as acceptance_of_decided_den, still as acceptance_of_decided_open, round(e, 4) as expected,
       round(a / nullif(e, 0), 4) as ratio, round((w.middle - w.half) * n / nullif(e, 0), 4) as ratio_low, round((w.middle + w.half) * n / nullif(e, 0), 4) as ratio_high
from rated
cross join lateral (select a / nullif(n, 0)::numeric as p, nullif(n, 0)::numeric as m, 1.959963984540054 as z) s
cross join lateral (select (p + z * z / (2 * m)) / (1 + z * z / m) as middle, z * sqrt(p * (1 - p) / m + z * z / (4 * m * m)) / (1 + z * z / m) as half) w;
