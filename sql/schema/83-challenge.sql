-- sql/schema/83-challenge.sql: champion and challenger, KPI by KPI. What is counted of each stands in 80-learn.sql.

create view handoff.challenge as
with side as (
    select t.contract, t.champion, t.challenger, t.traffic_share, t.since, t.ended_at, t.leg, t.kpi, t.higher_is_better,
           coalesce(sum(t.handed) filter (where t.contract_id = t.champion), 0)::bigint as champion_handed,
           coalesce(sum(t.num) filter (where t.contract_id = t.champion), 0)::bigint as champion_num,
           coalesce(sum(t.den) filter (where t.contract_id = t.champion), 0)::bigint as champion_den,
           coalesce(sum(t.handed) filter (where t.contract_id = t.challenger), 0)::bigint as challenger_handed,
           coalesce(sum(t.num) filter (where t.contract_id = t.challenger), 0)::bigint as challenger_num,
           coalesce(sum(t.den) filter (where t.contract_id = t.challenger), 0)::bigint as challenger_den
    from handoff.challenge_tally t
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
)
select s.contract,
       s.champion,
       s.challenger,
       s.traffic_share,
       s.since,
       s.ended_at,
       s.leg,
       s.kpi,
       s.champion_handed,
       s.challenger_handed,
       round(s.champion_num::numeric / nullif(s.champion_den, 0), 4) as champion_rate,
       s.champion_num as champion_rate_num,
       s.champion_den as champion_rate_den,
       round(c.low::numeric, 4) as champion_low,
       round(c.high::numeric, 4) as champion_high,
       round(s.challenger_num::numeric / nullif(s.challenger_den, 0), 4) as challenger_rate,
       s.challenger_num as challenger_rate_num,
       s.challenger_den as challenger_rate_den,
       round(h.low::numeric, 4) as challenger_low,
       round(h.high::numeric, 4) as challenger_high,
       round(s.challenger_num::numeric / nullif(s.challenger_den, 0) - s.champion_num::numeric / nullif(s.champion_den, 0), 4) as difference,
       round(d.low::numeric, 4) as difference_low,
       round(d.high::numeric, 4) as difference_high,
       round(handoff.difference_p(s.challenger_num, s.challenger_den, s.champion_num, s.champion_den)::numeric, 6) as p_value,
       handoff.more_needed(s.challenger_num, s.challenger_den, s.champion_num, s.champion_den) as more_needed,
       handoff.challenge_verdict(s.challenger_num, s.challenger_den, s.champion_num, s.champion_den, s.higher_is_better) as verdict
from side s
left join handoff.wilson_interval(s.champion_num, s.champion_den) c on true
left join handoff.wilson_interval(s.challenger_num, s.challenger_den) h on true
left join handoff.change_interval(s.challenger_num, s.challenger_den, s.champion_num, s.champion_den) d on true;
comment on view handoff.challenge is 'Champion and challenger beside each other, one row a challenge, leg and KPI: handoffs that KPIs count, of leads that the two share, handed over by either since both ran and at least 30 days old. Rates as in kpi_version. Formulas, and what the intervals leave out: docs/learn.md.';
comment on column handoff.challenge.contract is 'Name of the contract.';
comment on column handoff.challenge.champion is 'Version in force then.';
comment on column handoff.challenge.challenger is 'Version that challenges it.';
comment on column handoff.challenge.traffic_share is 'Share of the leads that the challenger has now, or had at the end; NULL: it has become the champion.';
comment on column handoff.challenge.since is 'Since when both ran.';
comment on column handoff.challenge.ended_at is 'When one of them ended; NULL: both run.';
comment on column handoff.challenge.leg is 'Leg.';
comment on column handoff.challenge.kpi is 'Rate, by its name in kpi_version.';
comment on column handoff.challenge.champion_handed is 'Handoffs of the champion, those that are not old enough yet included.';
comment on column handoff.challenge.challenger_handed is 'The same of the challenger.';
comment on column handoff.challenge.champion_rate is 'Rate of the champion, 0 to 1. NULL: of nothing.';
comment on column handoff.challenge.champion_rate_num is 'Its numerator.';
comment on column handoff.challenge.champion_rate_den is 'Its denominator.';
comment on column handoff.challenge.champion_low is 'Lower end of its 95 % interval (Wilson 1927), 0 to 1.';
comment on column handoff.challenge.champion_high is 'Upper end of it.';
comment on column handoff.challenge.challenger_rate is 'Rate of the challenger, 0 to 1. NULL: of nothing.';
comment on column handoff.challenge.challenger_rate_num is 'Its numerator.';
comment on column handoff.challenge.challenger_rate_den is 'Its denominator.';
comment on column handoff.challenge.challenger_low is 'Lower end of its 95 % interval (Wilson 1927), 0 to 1.';
comment on column handoff.challenge.challenger_high is 'Upper end of it.';
comment on column handoff.challenge.difference is 'Rate of the challenger - rate of the champion, -1 to 1.';
comment on column handoff.challenge.difference_low is 'Lower end of its 95 % interval (Newcombe 1998, method 10).';
comment on column handoff.challenge.difference_high is 'Upper end of it.';
comment on column handoff.challenge.p_value is 'Two-sided p of both being samples of one rate: handoff.difference_p(). NULL: it can''t be told.';
comment on column handoff.challenge.more_needed is 'How many more are needed in both denominators together, shared as they are, to tell the two apart at 5 % two-sided with 80 % power if the difference stays what it is: handoff.more_needed(). NULL: there is no difference, or no rate.';
comment on column handoff.challenge.verdict is 'In words: challenger better by 3.1 points (0.4 to 5.8), champion better .., not yet distinguishable, 312 more handoffs needed, or too few. Of rates that are better low (incomplete, unassigned, reroute, fallback, recycle, override, undone) the lower one is the better.';
