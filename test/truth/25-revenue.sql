-- test/truth/25-revenue.sql: opportunities, each once and in one currency, which handoffs led to them, who won them, and what marketing had
-- to do with it (docs/revenue.md).

-- Days and months of opportunities go by the zone of the contract in force.
create function truth.zone() returns text language sql stable as $$ select coalesce((select reporting_zone from handoff.contract where in_force order by name limit 1), 'UTC') $$;
create function truth.month(at timestamptz) returns date language sql stable as $$ select to_char(at at time zone truth.zone(), 'YYYY-MM-01')::date $$;

-- Opportunities that are there. A closed one was not closed before it was created. The amount in the reporting currency: it is of that one
-- (or names none, and that is assumed), else as the CRM converts it, else by the newest rate of its currency on the date it was closed,
-- of an open one created.
create table truth.opportunity as
select o.*, case when o.is_closed then greatest(o.closed_at, o.created_at) else o.closed_at end as ends_at, not o.is_closed as is_open, o.is_closed and o.is_won as won,
       o.is_closed and not o.is_won as lost,
       case when o.amount <> 'NaN' and c.currency is not distinct from m.reporting_currency then o.amount
            else coalesce(o.amount_reporting, o.amount * x.rate) end as money
from handoff.opportunity o
cross join handoff.meta m
cross join lateral (select coalesce(nullif(upper(trim(o.currency)), ''), m.assumed_currency) as currency) c
left join lateral (
    select x.rate
    from handoff.exchange_rate x
    where x.currency = c.currency and x.valid_from <= (case when o.is_closed then greatest(o.closed_at, o.created_at) else o.created_at end at time zone truth.zone())::date
    order by x.valid_from desc
    limit 1
) x on o.amount <> 'NaN'
where o.deleted_at is null;

-- Which leads stand behind them, each pair once: converted before contact_role before manual, and account only where no row says so:
-- an opportunity of the lead's account, created within the window of its contract after one of its handoffs.
create table truth.lead_behind as
with known as (
    select k.lead_key, k.opportunity_key, array_position('{converted,contact_role,manual}', k.link_kind) as strength, k.link_kind
    from handoff.opportunity_link k
    join truth.opportunity o using (opportunity_key)
    union all
    select h.lead_key, o.opportunity_key, 4, 'account'
    from handoff.lead l
    join handoff.contract c using (contract_id)
    join handoff.handoff h using (lead_key)
    join truth.opportunity o on o.account_key = l.account_key
    where l.deleted_at is null and o.created_at >= h.handed_at
      and o.created_at at time zone c.reporting_zone <= h.handed_at at time zone c.reporting_zone + c.opportunity_window
)
select distinct on (opportunity_key, lead_key) opportunity_key, lead_key, link_kind
from known
order by opportunity_key, lead_key, strength;
create index on truth.lead_behind (lead_key);
analyze truth.lead_behind;

-- Marketing touches of a lead behind them, before they were created.
create table truth.influence as
select o.opportunity_key, a.fields ->> 'kind' as kind, a.fields ->> 'channel' as channel, row_number() over w as nth, count(*) over (partition by o.opportunity_key) as n
from truth.opportunity o
join truth.lead_behind k using (opportunity_key)
join handoff.lead l using (lead_key)
join handoff.activity a on a.lead_key = k.lead_key and a.at < o.created_at and a.meanings @> '{marketing}'
window w as (partition by o.opportunity_key order by a.at, a.lead_key, a.source, a.activity_key);

create table truth.fact_opportunity as
select o.opportunity_key, o.source, o.account_key, o.owner, o.created_at, o.ends_at as closed_at, truth.month(o.created_at) as created_month, truth.month(o.ends_at) as closed_month,
       o.is_open, o.won, o.lost, o.amount, o.currency, o.money as reporting_amount, coalesce(k.leads, 0) as leads,
       case when k.handed then 'handed' when k.leads > 0 then 'not_handed' else 'no_lead' end as reached,
       exists (select from truth.influence i where i.opportunity_key = o.opportunity_key) as influenced
from truth.opportunity o
left join (
    select k.opportunity_key, count(l.lead_key) as leads,
           bool_or(exists (select from handoff.handoff h where h.lead_key = k.lead_key and coalesce(h.outcome, '') <> 'withdrawn')) as handed
    from truth.lead_behind k
    left join handoff.lead l using (lead_key)
    group by k.opportunity_key
) k using (opportunity_key);
analyze truth.fact_opportunity;

-- The handoffs that led to them: of each lead the last one before it was created, else the first; and in its cycle the last one of each
-- earlier leg. Of those of a leg it counts for one: one that counts at all, of a lead that a row names, the last before, else the first after.
create table truth.fact_opportunity_handoff as
with last as (
    select distinct on (k.opportunity_key, k.lead_key) k.opportunity_key, k.lead_key, k.link_kind, h.cycle, h.handoff_no, o.created_at
    from truth.lead_behind k
    join truth.opportunity o using (opportunity_key)
    join handoff.handoff h using (lead_key)
    order by k.opportunity_key, k.lead_key, h.handed_at <= o.created_at desc, case when h.handed_at <= o.created_at then -h.handoff_no else h.handoff_no end
), led as (
    select distinct on (x.opportunity_key, x.lead_key, h.leg) x.opportunity_key, x.link_kind, x.created_at, h.*, h.origin in ('contract', 'self_booked') and coalesce(h.outcome, '') <> 'withdrawn' as counted
    from last x
    join handoff.handoff h on h.lead_key = x.lead_key and h.cycle = x.cycle and h.handoff_no <= x.handoff_no
    order by x.opportunity_key, x.lead_key, h.leg, h.handoff_no desc
)
select l.opportunity_key, l.lead_key, l.handoff_no, l.leg, l.link_kind, l.contract_id, l.origin, l.counted, to_char(l.handed_at at time zone c.reporting_zone, 'YYYY-MM-01')::date as month,
       l.band, l.segment, l.pool, l.rep,
       row_number() over (partition by l.opportunity_key, l.leg
                          order by l.counted desc, l.link_kind <> 'account' desc, l.handed_at <= l.created_at desc, abs(extract(epoch from l.created_at - l.handed_at)), l.lead_key) = 1 as attributed,
       o.created_month, o.closed_month, o.is_open, o.won, o.lost, o.reporting_amount
from led l
join handoff.contract c using (contract_id)
join truth.fact_opportunity o using (opportunity_key);

-- Won / (won + lost), by count and by amount, an opportunity once a leg; and without a leg all of them, by close date.
create table truth.won as
with part as (
    select b.basis, b.month, f.leg, d.dimension, d.value, f.is_open, f.won, f.lost, f.reporting_amount
    from truth.fact_opportunity_handoff f
    cross join lateral (values ('closed', f.closed_month), ('handed', f.month)) b (basis, month)
    cross join lateral (values ('all', null), ('pool', f.pool), ('band', f.band), ('segment', f.segment), ('version', f.contract_id::text), ('rep', f.rep)) d (dimension, value)
    where f.attributed and f.counted
    union all
    select 'closed', closed_month, null, 'all', null, is_open, won, lost, reporting_amount from truth.fact_opportunity
), summed as (
    select basis, month, leg, dimension, value, count(*) filter (where won) as won, count(*) filter (where not is_open) as decided, count(*) filter (where is_open) as open,
           coalesce(sum(reporting_amount) filter (where won), 0) as won_amount, coalesce(sum(reporting_amount) filter (where not is_open), 0) as amount,
           coalesce(sum(reporting_amount) filter (where is_open), 0) as open_amount, count(*) filter (where not is_open and reporting_amount is null) as without_amount
    from part
    group by basis, month, leg, dimension, value
), month as (
    select closed_month as month, count(*) filter (where not is_open) as decided, count(*) filter (where is_open) as open from truth.fact_opportunity group by closed_month
)
select s.basis, s.month, s.leg, s.dimension, s.value,
       truth.share(s.won, s.decided) as win_rate, s.won as win_rate_num, s.decided as win_rate_den, s.open as win_rate_open,
       truth.share(s.won_amount, s.amount) as amount_win_rate, s.won_amount as amount_win_rate_num, s.amount as amount_win_rate_den, s.open_amount as amount_win_rate_open,
       s.without_amount, truth.share(s.decided, c.of_all) as coverage, s.decided as coverage_num, c.of_all as coverage_den, c.still_open as coverage_open
from summed s
left join month m on m.month is not distinct from s.month
cross join lateral (select case s.basis when 'closed' then m.decided else s.decided + s.open end as of_all, case s.basis when 'closed' then m.open else s.open end as still_open) c;

create table truth.win_rate as select * from truth.won where dimension <> 'rep';
create table truth.win_rate_rep as select * from truth.won where dimension = 'rep';
alter table truth.win_rate_rep drop dimension;
alter table truth.win_rate_rep rename value to rep;

-- With a marketing touch before creation / all, by month of creation; handed over / all.
create table truth.pipeline_influence as
with tally as (
    select created_month as month, count(*) as n, count(*) filter (where influenced) as influenced, count(*) filter (where leads = 0) as no_lead,
           coalesce(sum(reporting_amount), 0) as amount, coalesce(sum(reporting_amount) filter (where influenced), 0) as influenced_amount,
           coalesce(sum(reporting_amount) filter (where reached = 'no_lead'), 0) as no_lead_amount, count(*) - count(reporting_amount) as without_amount,
           count(*) filter (where reached = 'handed') as handed, count(*) filter (where reached = 'not_handed') as not_handed
    from truth.fact_opportunity
    group by created_month
)
select month, n as opportunities, truth.share(influenced, n) as influence, influenced as influence_num, n as influence_den, no_lead as influence_open,
       truth.share(influenced_amount, amount) as amount_influence, influenced_amount as amount_influence_num, amount as amount_influence_den, no_lead_amount as amount_influence_open,
       without_amount, truth.share(handed, n) as handed, handed as handed_num, n as handed_den, no_lead as handed_open, not_handed, no_lead
from tally;

-- All to the first, all to the last, the same to each of those touches; what none came before stands by itself.
create table truth.pipeline_attribution as
select o.created_month as month, m.model, i.kind, i.channel, sum(m.share) as opportunities, coalesce(sum(m.share * o.reporting_amount), 0) as amount
from truth.fact_opportunity o
left join truth.influence i using (opportunity_key)
cross join lateral (values ('first', case when coalesce(i.nth, 1) = 1 then 1::numeric end), ('last', case when i.nth is null or i.nth = i.n then 1 end), ('even', 1 / coalesce(i.n, 1)::numeric)) m (model, share)
where m.share > 0
group by o.created_month, m.model, i.kind, i.channel;
