-- sql/schema/84-revenue.sql: what became of it in money: opportunities, their amounts in one currency, who won
-- them and what marketing had to do with it.
--
-- An opportunity of several leads is one opportunity: the views below count each once, and amounts are summed
-- over opportunities, never over handoffs. Amounts of several currencies are never added up: what can't be
-- converted is NULL in the reporting currency, and counted apart. Months of opportunities are those of the
-- reporting zone of the contract in force. docs/revenue.md tells all of it in prose.

create table handoff.exchange_rate (
    currency   text not null,
    valid_from date not null,
    rate       numeric not null,
    primary key (currency, valid_from),
    constraint exchange_rate_currency check (currency <> '' and currency = upper(btrim(currency))),
    constraint exchange_rate_rate check (rate > 0 and rate < 'Infinity'),
    constraint exchange_rate_valid_from check (isfinite(valid_from))
);
comment on table handoff.exchange_rate is 'What a unit of a currency is worth in the reporting currency (handoff.meta.reporting_currency), from a date on until the next row of that currency. Load many with COPY or INSERT, one with handoff.set_exchange_rate(); each change is in the operation log.';
comment on column handoff.exchange_rate.currency is 'Currency, in upper case, as opportunities name it: ISO 4217, for example USD.';
comment on column handoff.exchange_rate.valid_from is 'First date of the rate, in the reporting zone of the contract in force.';
comment on column handoff.exchange_rate.rate is 'Units of the reporting currency for one unit of this one; above 0. Salesforce''s ConversionRate is the inverse.';

create trigger exchange_rate_inserted
    after insert on handoff.exchange_rate referencing new table as new_row
    for each statement execute function handoff.exchange_rate_changed();
create trigger exchange_rate_updated
    after update on handoff.exchange_rate referencing old table as old_row new table as new_row
    for each statement execute function handoff.exchange_rate_changed();
create trigger exchange_rate_deleted
    after delete on handoff.exchange_rate referencing old table as old_row
    for each statement execute function handoff.exchange_rate_changed();
create trigger exchange_rate_truncated
    before truncate on handoff.exchange_rate
    for each statement execute function handoff.exchange_rate_changed();

create view handoff.opportunity_amount as
select o.opportunity_key,
       o.amount,
       o.currency,
       case h.how when 'same' then o.amount when 'crm' then o.amount_reporting when 'rate' then o.amount * r.rate end as reporting_amount,
       m.reporting_currency,
       h.how as converted_by,
       case h.how when 'rate' then r.rate end as rate,
       case h.how when 'rate' then r.valid_from end as rate_from
from handoff.opportunity o
cross join (
    select reporting_currency, assumed_currency,
           coalesce((select c.reporting_zone from handoff.contract c where c.in_force order by c.name limit 1), 'UTC') as zone
    from handoff.meta
) m
cross join lateral (
    select coalesce(upper(btrim(o.currency)), m.assumed_currency) as currency,
           (case when o.is_closed then greatest(o.closed_at, o.created_at) else o.created_at end at time zone m.zone)::date as on_date
) c
cross join lateral (
    select case
               when o.amount > '-Infinity' and o.amount < 'Infinity' and c.currency is not distinct from m.reporting_currency then 'same'
               when o.amount_reporting > '-Infinity' and o.amount_reporting < 'Infinity' then 'crm'
               when o.amount > '-Infinity' and o.amount < 'Infinity' then 'rate'
           end as way
) w
-- looked for where nothing else is known, and joined by its key: the planner leaves it out where no amount is asked for
left join handoff.exchange_rate r on r.currency = c.currency and r.valid_from = case when w.way = 'rate' then (
    select max(x.valid_from) from handoff.exchange_rate x where x.currency = c.currency and x.valid_from <= c.on_date
) end
cross join lateral (
    select case when w.way <> 'rate' or r.rate is not null then w.way end as how
) h
where o.deleted_at is null;
comment on view handoff.opportunity_amount is 'Amounts of opportunities that are there, one row each: as given, and in the reporting currency.';
comment on column handoff.opportunity_amount.opportunity_key is 'Opportunity.';
comment on column handoff.opportunity_amount.amount is 'Its amount as given; NULL: none is.';
comment on column handoff.opportunity_amount.currency is 'Its currency as given; NULL: none is, handoff.meta.assumed_currency counts.';
comment on column handoff.opportunity_amount.reporting_amount is 'Its amount in the reporting currency. NULL: it has none, or it is of another currency and neither the CRM nor handoff.exchange_rate says what it is worth.';
comment on column handoff.opportunity_amount.reporting_currency is 'The reporting currency; NULL: none is set, amounts that name no currency are taken to be of one.';
comment on column handoff.opportunity_amount.converted_by is 'same (it is of the reporting currency), crm (the CRM has converted it: mapping target amount_reporting), rate (by handoff.exchange_rate); NULL: reporting_amount is.';
comment on column handoff.opportunity_amount.rate is 'The rate that was taken: of the date it was closed, else, while it is open, created; NULL: none was.';
comment on column handoff.opportunity_amount.rate_from is 'First date of that rate.';

-- What each opportunity came to, and the handoffs that led to it ------------------------------------------

create view handoff.fact_opportunity as
select o.opportunity_key,
       o.source,
       o.account_key,
       o.owner,
       o.created_at,
       x.closed_at,
       date_trunc('month', o.created_at at time zone z.zone)::date as created_month,
       date_trunc('month', x.closed_at at time zone z.zone)::date as closed_month,
       not o.is_closed as is_open,
       o.is_won as won,
       o.is_closed and not o.is_won as lost,
       a.amount,
       a.currency,
       a.reporting_amount,
       coalesce(l.leads, 0) as leads,
       case when l.handed then 'handed' when l.leads > 0 then 'not_handed' else 'no_lead' end as reached,
       coalesce(l.marketing_at < o.created_at, false) as influenced
from handoff.opportunity o
join handoff.opportunity_amount a on a.opportunity_key = o.opportunity_key
cross join (
    select coalesce((select c.reporting_zone from handoff.contract c where c.in_force order by c.name limit 1), 'UTC') as zone
) z
-- a date without a time is its midnight
cross join lateral (select case when o.is_closed then greatest(o.closed_at, o.created_at) else o.closed_at end as closed_at) x
left join (
    select s.opportunity_key, count(*) as leads, bool_or(s.handed) as handed, min(s.marketing_at) as marketing_at
    from (
        select k.opportunity_key,
               exists (select from handoff.handoff h
                       where h.lead_key = k.lead_key and h.outcome is distinct from 'withdrawn') as handed,
               (select min(t.at) from handoff.activity t
                where t.lead_key = k.lead_key and 'marketing' = any (t.meanings)) as marketing_at
        from handoff.opportunity_lead k
        join handoff.lead l on l.lead_key = k.lead_key
        -- looked up before they are grouped, and lead after lead
        order by k.lead_key, k.opportunity_key
    ) s
    group by s.opportunity_key
) l on l.opportunity_key = o.opportunity_key
where o.deleted_at is null;
comment on view handoff.fact_opportunity is 'One row an opportunity that is there, whether a lead is known to stand behind it or none: what it came to. Formulas: docs/revenue.md.';
comment on column handoff.fact_opportunity.opportunity_key is 'Opportunity.';
comment on column handoff.fact_opportunity.source is 'handoff.source.name it came from.';
comment on column handoff.fact_opportunity.account_key is 'Account that the CRM names; NULL: none.';
comment on column handoff.fact_opportunity.owner is 'Its owner by the CRM.';
comment on column handoff.fact_opportunity.created_at is 'When it was created, by the source; else when it was first captured.';
comment on column handoff.fact_opportunity.closed_at is 'When it was closed, by the source, not before created_at; of an open one when that is expected. NULL: not known.';
comment on column handoff.fact_opportunity.created_month is 'First day of the month of created_at in the reporting zone of the contract in force (of several the first by name, of none UTC).';
comment on column handoff.fact_opportunity.closed_month is 'The same of closed_at.';
comment on column handoff.fact_opportunity.is_open is 'It is open.';
comment on column handoff.fact_opportunity.won is 'It was won.';
comment on column handoff.fact_opportunity.lost is 'It was closed, and not won.';
comment on column handoff.fact_opportunity.amount is 'Its amount as given.';
comment on column handoff.fact_opportunity.currency is 'Its currency as given.';
comment on column handoff.fact_opportunity.reporting_amount is 'Its amount in the reporting currency; NULL: not known, see handoff.opportunity_amount.';
comment on column handoff.fact_opportunity.leads is 'How many leads are known to stand behind it.';
comment on column handoff.fact_opportunity.reached is 'handed: a lead behind it was handed over, ever and by whatever origin, and that was not withdrawn; not_handed: it has leads and none of them was (a miss); no_lead: no lead is known.';
comment on column handoff.fact_opportunity.influenced is 'A lead behind it had a marketing touch (an activity of meaning marketing) before it was created.';

create view handoff.fact_opportunity_handoff as
select p.opportunity_key,
       p.lead_key,
       p.handoff_no,
       p.leg,
       p.link_kind,
       p.contract_id,
       p.origin,
       p.counted,
       p.month,
       p.band,
       p.segment,
       p.pool,
       p.rep,
       row_number() over (partition by p.opportunity_key, p.leg
                          order by p.counted desc, p.link_kind = 'account', p.handed_at > p.created_at,
                                   case when p.handed_at <= p.created_at then p.handed_at end desc, p.handed_at, p.lead_key) = 1 as attributed,
       p.created_month,
       p.closed_month,
       p.is_open,
       p.won,
       p.lost,
       p.reporting_amount
from (
    select n.opportunity_key, n.created_at, n.created_month, n.closed_month, n.is_open, n.won, n.lost, n.reporting_amount, n.link_kind,
           n.lead_key, n.handoff_no, n.leg, n.contract_id, n.origin, n.band, n.segment, n.pool, n.rep, n.handed_at,
           n.origin in ('contract', 'self_booked') and n.outcome is distinct from 'withdrawn' as counted,
           date_trunc('month', n.handed_at at time zone c.reporting_zone)::date as month
    from (
        -- in the cycle of that one, the last one of each leg up to it
        select f.*,
               f.cycle = max(case when f.handoff_no = f.found then f.cycle end) over (partition by f.opportunity_key, f.lead_key) as of_cycle,
               max(case when f.handoff_no <= f.found then f.handoff_no end) over (partition by f.opportunity_key, f.lead_key, f.leg) as last_no
        from (
            -- the last handoff before it was created, else the first
            select o.opportunity_key, o.created_at, o.created_month, o.closed_month, o.is_open, o.won, o.lost, o.reporting_amount, k.link_kind,
                   h.lead_key, h.handoff_no, h.cycle, h.leg, h.contract_id, h.origin, h.outcome, h.band, h.segment, h.pool, h.rep, h.handed_at,
                   coalesce(max(case when h.handed_at <= o.created_at then h.handoff_no end) over lead, min(h.handoff_no) over lead) as found
            from handoff.fact_opportunity o
            join handoff.opportunity_lead k on k.opportunity_key = o.opportunity_key
            join handoff.handoff h on h.lead_key = k.lead_key
            window lead as (partition by o.opportunity_key, h.lead_key)
        ) f
    ) n
    join handoff.contract c on c.contract_id = n.contract_id
    where n.of_cycle and n.handoff_no = n.last_no
) p;
comment on view handoff.fact_opportunity_handoff is 'Opportunities and the handoffs that led to them, one row each pair: of each lead behind it the last handoff before it was created (else the first), and in its cycle the last one of each earlier leg. The same opportunity has several: sum over those attributed of one leg, or not at all. Names leads and reps.';
comment on column handoff.fact_opportunity_handoff.opportunity_key is 'Opportunity.';
comment on column handoff.fact_opportunity_handoff.lead_key is 'Lead behind it.';
comment on column handoff.fact_opportunity_handoff.handoff_no is 'Handoff of that lead.';
comment on column handoff.fact_opportunity_handoff.leg is 'Leg of the handoff.';
comment on column handoff.fact_opportunity_handoff.link_kind is 'How the lead is known to stand behind it, see handoff.opportunity_lead.';
comment on column handoff.fact_opportunity_handoff.contract_id is 'Version of the contract it was handed over under.';
comment on column handoff.fact_opportunity_handoff.origin is 'How the handoff came about.';
comment on column handoff.fact_opportunity_handoff.counted is 'KPIs count the handoff: its origin is contract or self_booked, and it was not withdrawn.';
comment on column handoff.fact_opportunity_handoff.month is 'Cohort: first day of the month of handed_at in the reporting zone of the handoff''s contract.';
comment on column handoff.fact_opportunity_handoff.band is 'Band at handed_at; NULL: none.';
comment on column handoff.fact_opportunity_handoff.segment is 'Derived field segment at handed_at; NULL: none.';
comment on column handoff.fact_opportunity_handoff.pool is 'Pool that the present owner was picked from; NULL: none.';
comment on column handoff.fact_opportunity_handoff.rep is 'Present owner, after closing the last one; NULL: nobody.';
comment on column handoff.fact_opportunity_handoff.attributed is 'Of the handoffs of this leg that led to the opportunity it is the one that KPIs count it for: one that counts at all, of a lead that a row names rather than the account, the last before the opportunity was created, else the first.';
comment on column handoff.fact_opportunity_handoff.created_month is 'First day of the month in which the opportunity was created.';
comment on column handoff.fact_opportunity_handoff.closed_month is 'First day of the month in which it was closed, or is expected to be; NULL: not known.';
comment on column handoff.fact_opportunity_handoff.is_open is 'The opportunity is open.';
comment on column handoff.fact_opportunity_handoff.won is 'It was won.';
comment on column handoff.fact_opportunity_handoff.lost is 'It was closed, and not won.';
comment on column handoff.fact_opportunity_handoff.reporting_amount is 'Its amount in the reporting currency, whole, in each of its rows; NULL: not known.';

-- Won ------------------------------------------------------------------------------------------------------
--
-- Each opportunity once a leg. One query, with its comments, makes win_rate and win_rate_rep.

do $views$
declare
    -- %1$s dimension and value in the answer, %2$s below it, %3$s what values they may have, %4$s opportunities, %5$s and which of them,
    -- %6$s by which dimensions
    query      constant text := $q$
select g.basis, g.month, g.leg, %1$s,
       round(g.won::numeric / nullif(g.won + g.lost, 0), 4) as win_rate,
       g.won as win_rate_num,
       g.won + g.lost as win_rate_den,
       g.open as win_rate_open,
       round(g.won_amount / nullif(g.won_amount + g.lost_amount, 0), 4) as amount_win_rate,
       g.won_amount as amount_win_rate_num,
       g.won_amount + g.lost_amount as amount_win_rate_den,
       g.open_amount as amount_win_rate_open,
       g.without_amount,
       round((g.won + g.lost)::numeric / nullif(case g.basis when 'closed' then t.closed else g.won + g.lost + g.open end, 0), 4) as coverage,
       g.won + g.lost as coverage_num,
       case g.basis when 'closed' then t.closed else g.won + g.lost + g.open end as coverage_den,
       case g.basis when 'closed' then t.open else g.open end as coverage_open
from (
    select b.basis, b.month, f.leg, %2$s,
           sum(f.won)::bigint as won, sum(f.lost)::bigint as lost, sum(f.open)::bigint as open, sum(f.won_amount) as won_amount,
           sum(f.lost_amount) as lost_amount, sum(f.open_amount) as open_amount, sum(f.without_amount)::bigint as without_amount
    from (
        select f.closed_month, f.month, f.leg, %3$s,
               count(*) filter (where f.won) as won,
               count(*) filter (where f.lost) as lost,
               count(*) filter (where f.is_open) as open,
               coalesce(sum(f.reporting_amount) filter (where f.won), 0) as won_amount,
               coalesce(sum(f.reporting_amount) filter (where f.lost), 0) as lost_amount,
               coalesce(sum(f.reporting_amount) filter (where f.is_open), 0) as open_amount,
               count(*) filter (where not f.is_open and f.reporting_amount is null) as without_amount
        from %4$s f
        where %5$s
        group by f.closed_month, f.month, f.leg, %3$s
    ) f
    cross join lateral (values ('closed', f.closed_month), ('handed', f.month)) b (basis, month)
    %6$s
    group by b.basis, b.month, f.leg, %2$s
) g
left join (
    select o.closed_month as month, count(*) filter (where not o.is_open) as closed, count(*) filter (where o.is_open) as open
    from handoff.fact_opportunity o
    group by o.closed_month
) t on g.basis = 'closed' and t.month is not distinct from g.month
    $q$;
    columns    constant text[] := array[
        'basis', 'What month is of: closed (of the close date, of open ones the expected one), handed (the cohort: of the handoff that led to it). Pick one.',
        'month', 'First day of that month, of a close date in the reporting zone of the contract in force, of a handoff in that of its own. NULL: there is no close date.',
        'leg', 'Leg of the handoff that led to it: an opportunity counts once a leg, for its last handoff before it was created (of several leads one). NULL: all opportunities, also those of no handoff.',
        'win_rate', 'Share, 0 to 1: opportunities won / opportunities won or lost. NULL: there are none of the latter.',
        'win_rate_num', 'Numerator: opportunities won.',
        'win_rate_den', 'Denominator: opportunities won or lost.',
        'win_rate_open', 'What could still change it: open opportunities, not in the denominator.',
        'amount_win_rate', 'Share, 0 to 1: amount won / amount won or lost, in the reporting currency. NULL: the latter is 0.',
        'amount_win_rate_num', 'Numerator: amount won, in the reporting currency.',
        'amount_win_rate_den', 'Denominator: amount won or lost, in the reporting currency.',
        'amount_win_rate_open', 'What could still change it: amount of open opportunities, in the reporting currency, not in the denominator.',
        'without_amount', 'Opportunities won or lost whose amount in the reporting currency is not known: in the denominator of win_rate, not in that of amount_win_rate.',
        'coverage', 'Share, 0 to 1, how much of it the row speaks of. Basis closed: its opportunities won or lost / all that were closed in the month, those of no lead included. Basis handed: its opportunities won or lost / all of the cohort.',
        'coverage_num', 'Numerator: opportunities won or lost.',
        'coverage_den', 'Denominator: all opportunities closed in the month; of basis handed all of the cohort.',
        'coverage_open', 'What could still change it: open opportunities that are expected to be closed in the month, not in the denominator; of basis handed those of the cohort, which are.'
    ];
    comments   text := '';
begin
    execute 'create view handoff.win_rate as '
        || format(query, 'g.dimension, g.value', 'd.dimension, d.value', 'f.pool, f.band, f.segment, f.contract_id', 'handoff.fact_opportunity_handoff',
                  'f.attributed and f.counted',
                  'cross join lateral (values (''all'', null), (''pool'', f.pool), (''band'', f.band), (''segment'', f.segment),'
                  ' (''version'', f.contract_id::text)) d (dimension, value)')
        || ' union all '
        || format(query, 'g.dimension, g.value', 'd.dimension, d.value', 'f.is_open',
                  '(select o.*, null::text as leg, null::date as month from handoff.fact_opportunity o)', 'true',
                  'cross join (values (''all'', null::text)) d (dimension, value) where b.basis = ''closed''');
    execute 'create view handoff.win_rate_rep as '
        || format(query, 'g.rep', 'f.rep', 'f.rep', 'handoff.fact_opportunity_handoff', 'f.attributed and f.counted', '');
    for i in 1 .. array_length(columns, 1) by 2 loop
        comments := comments || format('comment on column handoff.%%1$I.%I is %L;', columns[i], columns[i + 1]);
    end loop;
    execute format(comments, 'win_rate');
    execute format(comments, 'win_rate_rep');
end
$views$;
comment on view handoff.win_rate is 'How many opportunities are won, by count and by amount, by close date and by cohort, leg and dimension. Formulas: docs/revenue.md.';
comment on column handoff.win_rate.dimension is 'all (one row for all of them), pool, band, segment or version, of the handoff: pick one, each has all opportunities of the leg.';
comment on column handoff.win_rate.value is 'Value of the dimension; version: the contract_id. NULL: it has none, or dimension is all.';
comment on view handoff.win_rate_rep is 'How many opportunities are won, by close date and by cohort, leg and rep. Columns as in win_rate. Names reps.';
comment on column handoff.win_rate_rep.rep is 'Present owner of the handoff, after closing the last one; NULL: nobody.';

-- What marketing had to do with it -------------------------------------------------------------------------

create view handoff.pipeline_influence as
select g.month,
       g.opportunities,
       round(g.influenced::numeric / g.opportunities, 4) as influence,
       g.influenced as influence_num,
       g.opportunities as influence_den,
       g.no_lead as influence_open,
       round(g.influenced_amount / nullif(g.amount, 0), 4) as amount_influence,
       g.influenced_amount as amount_influence_num,
       g.amount as amount_influence_den,
       g.no_lead_amount as amount_influence_open,
       g.without_amount,
       round(g.handed::numeric / g.opportunities, 4) as handed,
       g.handed as handed_num,
       g.opportunities as handed_den,
       g.no_lead as handed_open,
       g.not_handed,
       g.no_lead
from (
    select o.created_month as month,
           count(*) as opportunities,
           count(*) filter (where o.influenced) as influenced,
           count(*) filter (where o.reached = 'handed') as handed,
           count(*) filter (where o.reached = 'not_handed') as not_handed,
           count(*) filter (where o.reached = 'no_lead') as no_lead,
           coalesce(sum(o.reporting_amount), 0) as amount,
           coalesce(sum(o.reporting_amount) filter (where o.influenced), 0) as influenced_amount,
           coalesce(sum(o.reporting_amount) filter (where o.reached = 'no_lead'), 0) as no_lead_amount,
           count(*) filter (where o.reporting_amount is null) as without_amount
    from handoff.fact_opportunity o
    group by o.created_month
) g;
comment on view handoff.pipeline_influence is 'Which part of all opportunities, those of no lead included, marketing had a hand in before they were created, by month of creation; and which part came to sales by a handoff. Formulas: docs/revenue.md.';
comment on column handoff.pipeline_influence.month is 'First day of the month in which they were created, in the reporting zone of the contract in force.';
comment on column handoff.pipeline_influence.opportunities is 'Opportunities, each once.';
comment on column handoff.pipeline_influence.influence is 'Share, 0 to 1: opportunities of which a lead had a marketing touch before they were created / all opportunities.';
comment on column handoff.pipeline_influence.influence_num is 'Numerator: opportunities with a marketing touch before creation.';
comment on column handoff.pipeline_influence.influence_den is 'Denominator: all opportunities.';
comment on column handoff.pipeline_influence.influence_open is 'What could still change it: opportunities of which no lead is known so far, in the denominator.';
comment on column handoff.pipeline_influence.amount_influence is 'Share, 0 to 1: the same by amount, in the reporting currency. NULL: there is no amount.';
comment on column handoff.pipeline_influence.amount_influence_num is 'Numerator: amount of the influenced ones.';
comment on column handoff.pipeline_influence.amount_influence_den is 'Denominator: amount of all.';
comment on column handoff.pipeline_influence.amount_influence_open is 'What could still change it: amount of those of which no lead is known, in the denominator.';
comment on column handoff.pipeline_influence.without_amount is 'Opportunities whose amount in the reporting currency is not known, in none of the amounts.';
comment on column handoff.pipeline_influence.handed is 'Share, 0 to 1: opportunities of a lead that was handed over, ever / all opportunities.';
comment on column handoff.pipeline_influence.handed_num is 'Numerator: opportunities of a lead that was handed over.';
comment on column handoff.pipeline_influence.handed_den is 'Denominator: all opportunities.';
comment on column handoff.pipeline_influence.handed_open is 'What could still change it: opportunities of which no lead is known so far, in the denominator.';
comment on column handoff.pipeline_influence.not_handed is 'Misses: opportunities of leads none of which was handed over.';
comment on column handoff.pipeline_influence.no_lead is 'Opportunities of which no lead is known.';

create view handoff.pipeline_attribution as
with touch as (
    select o.created_month as month,
           o.reporting_amount,
           t.kind,
           t.channel,
           row_number() over (partition by o.opportunity_key order by t.at, t.lead_key, t.source, t.activity_key) as nth,
           count(*) over (partition by o.opportunity_key) as n
    from handoff.fact_opportunity o
    left join (
        select k.opportunity_key, a.fields ->> 'kind' as kind, a.fields ->> 'channel' as channel, a.at, a.lead_key, a.source, a.activity_key
        from handoff.opportunity_lead k
        join handoff.opportunity c on c.opportunity_key = k.opportunity_key
        join handoff.lead l on l.lead_key = k.lead_key
        join handoff.activity a on a.lead_key = k.lead_key and a.at < c.created_at and 'marketing' = any (a.meanings)
    ) t on t.opportunity_key = o.opportunity_key
)
select t.month,
       m.model,
       t.kind,
       t.channel,
       sum(m.share) as opportunities,
       coalesce(sum(m.share * t.reporting_amount), 0) as amount
from touch t
cross join lateral (values
    ('first', case when t.nth = 1 then 1 else 0 end::numeric),
    ('last', case when t.nth = t.n then 1 else 0 end::numeric),
    ('even', 1 / t.n::numeric)
) m (model, share)
where m.share > 0
group by t.month, m.model, t.kind, t.channel;
comment on view handoff.pipeline_attribution is 'Which marketing touches opportunities are owed to, by month of creation, model and kind of touch. The shares of one opportunity add up to 1 in each model, also of one that no touch came before (kind and channel NULL). Formulas: docs/revenue.md.';
comment on column handoff.pipeline_attribution.month is 'First day of the month in which they were created, in the reporting zone of the contract in force.';
comment on column handoff.pipeline_attribution.model is 'first (the earliest marketing touch before creation has all of it), last (the latest), even (all of them have the same). Pick one.';
comment on column handoff.pipeline_attribution.kind is 'Kind of the touch, as its source says; NULL: it says none, or there was no touch.';
comment on column handoff.pipeline_attribution.channel is 'Channel of the touch; NULL: as kind.';
comment on column handoff.pipeline_attribution.opportunities is 'Sum of the shares in opportunities.';
comment on column handoff.pipeline_attribution.amount is 'Sum of the shares in their amounts, in the reporting currency; those not known are left out.';
