-- sql/schema/87-error.sql: what is learned of mistakes: what sales turned down and somebody bought, what marketing
-- never handed over and became an opportunity; and whether reps judge alike.

create view handoff.fact_rejection as
select f.handoff_id,
       f.lead_key,
       f.handoff_no,
       f.leg,
       f.cycle,
       f.contract_id,
       f.month,
       f.band,
       f.segment,
       f.pool,
       f.rep,
       f.outcome,
       f.code,
       f.closed_at,
       f.closed_at + interval '8760 hours' <= (select handoff.view_time()) as mature,
       w.won_at,
       (w.won_at <= f.closed_at + interval '8760 hours') is true as false_rejection
from handoff.fact_handoff f
left join (
    -- few are both turned down and won: the rest of the leads is not looked at again
    select distinct on (r.lead_key, r.handoff_no) r.lead_key, r.handoff_no, h.won_at
    from handoff.handoff h
    join handoff.handoff r on r.lead_key = h.lead_key and r.accepted_at is null and r.closed_at < h.won_at
    where h.won_at is not null
    order by r.lead_key, r.handoff_no, h.won_at
) w on w.lead_key = f.lead_key and w.handoff_no = f.handoff_no
where f.counted and f.rejected;
comment on view handoff.fact_rejection is 'One row a counted handoff that was rejected, and whether its lead was won all the same. Names leads and reps.';
comment on column handoff.fact_rejection.handoff_id is 'Lead and number as one key, as in fact_handoff.';
comment on column handoff.fact_rejection.lead_key is 'Lead.';
comment on column handoff.fact_rejection.handoff_no is 'Number within the lead.';
comment on column handoff.fact_rejection.leg is 'Leg.';
comment on column handoff.fact_rejection.cycle is 'Cycle of the lead, from 1.';
comment on column handoff.fact_rejection.contract_id is 'Version of the contract it was handed over under.';
comment on column handoff.fact_rejection.month is 'Its cohort: first day of the month of handed_at in the reporting zone of its contract.';
comment on column handoff.fact_rejection.band is 'Band at handed_at; NULL: none.';
comment on column handoff.fact_rejection.segment is 'Segment at handed_at; NULL: none.';
comment on column handoff.fact_rejection.pool is 'Pool that its last owner was picked from; NULL: none.';
comment on column handoff.fact_rejection.rep is 'Who had it last; NULL: nobody.';
comment on column handoff.fact_rejection.outcome is 'recycle, disqualified or returned.';
comment on column handoff.fact_rejection.code is 'Code of the disposition; NULL: none was given.';
comment on column handoff.fact_rejection.closed_at is 'When it was rejected.';
comment on column handoff.fact_rejection.mature is 'At least 365 days (of 24 hours) have passed since, at handoff.view_time().';
comment on column handoff.fact_rejection.won_at is 'When an opportunity of the lead was first won after that, as its handoffs say, this one or another; NULL: none was so far.';
comment on column handoff.fact_rejection.false_rejection is 'That was within 365 days (of 24 hours).';

-- Of an opportunity with leads of which none was handed over, why: what the log said of them when it was created. Of
-- several leads the one that had come furthest.

create view handoff.fact_miss as
select o.opportunity_key,
       o.created_month,
       o.created_at,
       o.reporting_amount,
       o.won,
       w.lead_key,
       w.why,
       w.gate,
       w.band
from handoff.fact_opportunity o
cross join lateral (
    select k.lead_key,
           case when s.seq is null then 'unknown' when g.type in ('gated', 'joined') then 'gate' when b.type = 'blocked' then 'blocked' else 'below' end as why,
           case when s.seq is not null and g.type in ('gated', 'joined') then g.code end as gate,
           s.band
    from (select distinct k.lead_key from handoff.opportunity_lead k where k.opportunity_key = o.opportunity_key) k
    join handoff.lead l on l.lead_key = k.lead_key
    left join lateral (select e.seq, e.detail ->> 'band' as band from handoff.event e
                       where e.lead_key = k.lead_key and e.type = 'scored' and e.at <= o.created_at order by e.seq desc limit 1) s on true
    left join lateral (select e.type, e.detail ->> 'code' as code from handoff.event e
                       where e.lead_key = k.lead_key and e.type in ('gated', 'joined', 'released') and e.at <= o.created_at order by e.seq desc limit 1) g on true
    left join lateral (select e.type from handoff.event e
                       where e.lead_key = k.lead_key and e.type in ('blocked', 'unblocked') and e.at <= o.created_at order by e.seq desc limit 1) b on true
    order by array_position('{gate,blocked,below,unknown}'::text[],
                            case when s.seq is null then 'unknown' when g.type in ('gated', 'joined') then 'gate' when b.type = 'blocked' then 'blocked' else 'below' end),
             k.lead_key collate "C"
    limit 1
) w
where o.reached = 'not_handed';
comment on view handoff.fact_miss is 'One row an opportunity that has leads of which none was ever handed over, and what kept them back when it was created, by the log. Names leads.';
comment on column handoff.fact_miss.opportunity_key is 'Opportunity.';
comment on column handoff.fact_miss.created_month is 'First day of the month in which it was created, in the reporting zone of the contract in force.';
comment on column handoff.fact_miss.created_at is 'When it was created.';
comment on column handoff.fact_miss.reporting_amount is 'Its amount in the reporting currency; NULL: not known.';
comment on column handoff.fact_miss.won is 'It was won.';
comment on column handoff.fact_miss.lead_key is 'Lead behind it; of several the one that had come furthest, by why.';
comment on column handoff.fact_miss.why is 'gate (held by a gate, or by another lead of the person), blocked (fields were missing), below (its score did not reach), unknown (nothing was known of it by then).';
comment on column handoff.fact_miss.gate is 'Code of what held it; NULL: nothing did.';
comment on column handoff.fact_miss.band is 'Its band then; NULL: none, or nothing was known.';

do $views$
declare
    -- dimension, its value of a rejection, of a miss; NULL: the side has no such dimension
    dimensions constant text[] := '{all,null::text,null::text,reason,f.code,f.why,band,f.band,f.band,pool,f.pool,NULL,gate,NULL,f.gate}';
    sales      constant text := $q$
select f.month, 'sales'::text as side, f.leg, %1$s,
       round(f.wrong::numeric / nullif(f.mature, 0), 4) as error_rate,
       f.wrong as error_rate_num, f.mature as error_rate_den, f.n - f.mature as error_rate_open, f.so_far
from (
    select f.month, f.leg, f.value, count(*) as n,
           count(*) filter (where f.mature and f.false_rejection) as wrong,
           count(*) filter (where f.mature) as mature,
           count(*) filter (where f.false_rejection) as so_far
    from (select f.month, f.leg, %2$s as value, f.mature, f.false_rejection from handoff.fact_rejection f) f
    group by f.month, f.leg, f.value
) f
    $q$;
    marketing  constant text := $q$
select t.month, 'marketing'::text, null::text, %1$s, round(t.n::numeric / nullif(t.leads, 0), 4), t.n, t.leads, t.no_lead, t.n
from (
    select o.created_month as month, null::text as value,
           count(*) filter (where o.reached = 'not_handed') as n,
           count(*) filter (where o.reached <> 'no_lead') as leads,
           count(*) filter (where o.reached = 'no_lead') as no_lead
    from handoff.fact_opportunity o
    group by o.created_month
) t
    $q$;
    reasons    constant text := $q$
select t.month, 'marketing'::text, null::text, %1$s, round(m.n::numeric / t.leads, 4), m.n, t.leads, t.no_lead, m.n
from (
    select o.created_month as month, count(*) filter (where o.reached <> 'no_lead') as leads, count(*) filter (where o.reached = 'no_lead') as no_lead
    from handoff.fact_opportunity o
    group by o.created_month
) t
join (
    select f.created_month as month, f.value, count(*) as n
    from (select f.created_month, %2$s as value from handoff.fact_miss f) f
    group by f.created_month, f.value
) m on m.month = t.month
    $q$;
    branches   text[] := '{}';
begin
    for i in 1 .. array_length(dimensions, 1) by 3 loop
        if dimensions[i + 1] is not null then
            branches := branches || format(sales, format('%L::text as dimension, f.value', dimensions[i]), dimensions[i + 1]);
        end if;
        if dimensions[i + 2] is not null then
            branches := branches || case dimensions[i]
                when 'all' then format(marketing, '''all''::text as dimension, t.value')
                else format(reasons, format('%L::text as dimension, m.value', dimensions[i]), dimensions[i + 2]) end;
        end if;
    end loop;
    execute 'create view handoff.error_rate as ' || array_to_string(branches, ' union all ');
    execute 'create view handoff.error_rate_rep as ' || format(sales, 'f.value as rep', 'f.rep');
    execute (
        select string_agg(format('comment on column handoff.%I.%I is %L', v, name, about), ';')
        from unnest('{error_rate,error_rate_rep}'::text[]) v
        cross join (values
            ('month', 'Side sales: cohort, first day of the month of handed_at in the reporting zone of the handoff''s contract. Side marketing: of the month in which the opportunities were created, in that of the contract in force.'),
            ('side', 'Whose mistakes: sales (rejected, and won within 365 days of it: false rejections), marketing (opportunities with leads of which none was ever handed over: misses).'),
            ('leg', 'Leg that was rejected on; NULL: side marketing.'),
            ('error_rate', 'Share, 0 to 1. sales: handoffs rejected whose lead was won within 365 days of it / handoffs rejected at least 365 days ago; NULL: there are none of the latter. marketing: opportunities missed for this reason / opportunities with a lead.'),
            ('error_rate_num', 'Numerator: rejected at least 365 days ago and won within 365 days; opportunities missed.'),
            ('error_rate_den', 'Denominator: handoffs rejected at least 365 days ago; opportunities of the month with a lead, whatever value says.'),
            ('error_rate_open', 'What could still change it, not in the denominator: handoffs rejected since; opportunities of which no lead is known.'),
            ('so_far', 'Mistakes known so far, those of younger handoffs included.')) c (name, about));
end
$views$;
comment on view handoff.error_rate is 'Mistakes of both sides: what sales rejected and somebody bought, what marketing never handed over and became an opportunity, by month, leg and dimension. Formulas: docs/learn.md.';
comment on column handoff.error_rate.dimension is 'all, reason (sales: code of the disposition; marketing: gate, blocked, below or unknown), band, pool (sales only) or gate (marketing only: code of what held the lead): pick one.';
comment on column handoff.error_rate.value is 'Value of the dimension; NULL: it has none, or dimension is all.';
comment on view handoff.error_rate_rep is 'False rejections by rep, month and leg. Columns as in error_rate. Names reps.';
comment on column handoff.error_rate_rep.rep is 'Who had it last; NULL: nobody.';

-- Whether reps judge alike. What is expected of a rep is what all of them did with handoffs of the bands that he had (indirect
-- standardisation); the interval is Wilson's (1927) for his own share, divided by that.

create view handoff.rep_consistency as
with decided as (
    select f.leg, f.rep, f.band,
           count(*) filter (where f.accepted) as accepted,
           count(*) filter (where f.accepted or f.rejected) as decided,
           count(*) filter (where f.undecided) as undecided
    from handoff.fact_handoff f
    where f.counted and f.rep is not null
    group by f.leg, f.rep, f.band
), band as (
    select d.*, sum(d.accepted) over same / nullif(sum(d.decided) over same, 0) as usual
    from decided d
    window same as (partition by d.leg, d.band)
), rep as (
    select b.leg, b.rep, sum(b.accepted)::bigint as accepted, sum(b.decided)::bigint as decided, sum(b.undecided)::bigint as undecided,
           sum(b.decided * b.usual) as expected
    from band b
    group by b.leg, b.rep
)
select r.leg,
       r.rep,
       round(r.accepted::numeric / nullif(r.decided, 0), 4) as acceptance_of_decided,
       r.accepted as acceptance_of_decided_num,
       r.decided as acceptance_of_decided_den,
       r.undecided as acceptance_of_decided_open,
       round(r.expected, 4) as expected,
       round(r.accepted / nullif(r.expected, 0), 4) as ratio,
       round((w.middle - w.half) * r.decided / nullif(r.expected, 0), 4) as ratio_low,
       round((w.middle + w.half) * r.decided / nullif(r.expected, 0), 4) as ratio_high
from rep r
left join lateral (
    select (p + z * z / (2 * n)) / (1 + z * z / n) as middle, z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n) as half
    from (select r.accepted::numeric / nullif(r.decided, 0) as p, nullif(r.decided, 0)::numeric as n, 1.959964 as z) x
) w on true;
comment on view handoff.rep_consistency is 'Whether reps judge alike: acceptance of each rep beside what is usual for the bands he was given, by leg, over all counted handoffs. Names reps. Formulas: docs/learn.md.';
comment on column handoff.rep_consistency.leg is 'Leg.';
comment on column handoff.rep_consistency.rep is 'Present owner, after closing the last one.';
comment on column handoff.rep_consistency.acceptance_of_decided is 'Share, 0 to 1: accepted handoffs / accepted and rejected handoffs. NULL: there are none of the latter.';
comment on column handoff.rep_consistency.acceptance_of_decided_num is 'Numerator: accepted handoffs.';
comment on column handoff.rep_consistency.acceptance_of_decided_den is 'Denominator: accepted and rejected handoffs.';
comment on column handoff.rep_consistency.acceptance_of_decided_open is 'What could still change it: open handoffs not accepted so far, not in the denominator.';
comment on column handoff.rep_consistency.expected is 'How many of the denominator he would have accepted, had he accepted of each band what all reps of the leg together did.';
comment on column handoff.rep_consistency.ratio is 'acceptance_of_decided_num / expected: above 1 he accepts more than is usual. NULL: nothing is decided, or nobody accepts those.';
comment on column handoff.rep_consistency.ratio_low is 'Lower end of its 95 % interval: Wilson''s for his own share, divided by the expected one. Above 1: he accepts more than chance explains.';
comment on column handoff.rep_consistency.ratio_high is 'Upper end of it. Below 1: less than chance explains.';
