-- sql/schema/84-violation.sql: what was set in the CRM against the contract, counted.

create view handoff.violations as
select date_trunc('month', v.at at time zone c.reporting_zone)::date as month,
       l.source,
       h.leg,
       v.rep,
       v.rule,
       v.asked,
       v.code,
       v.action,
       count(*) as violations,
       round(count(*) filter (where v.taken)::numeric / count(*), 4) as taken_rate,
       count(*) filter (where v.taken) as taken_rate_num,
       count(*) as taken_rate_den,
       0::bigint as taken_rate_open,
       round(count(*) filter (where not v.taken and not s.stands)::numeric / nullif(count(*) filter (where not v.taken), 0), 4) as settled_rate,
       count(*) filter (where not v.taken and not s.stands) as settled_rate_num,
       count(*) filter (where not v.taken) as settled_rate_den,
       count(*) filter (where not v.taken and s.stands) as settled_rate_open
from handoff.violation v
join handoff.lead l on l.lead_key = v.lead_key
left join handoff.handoff h on h.lead_key = v.lead_key and h.handoff_no = v.handoff_no
join handoff.contract c on c.contract_id = coalesce(h.contract_id, l.contract_id)
cross join lateral (
    -- the CRM has no other status since, and what it has is not so; what was held is settled here too
    select l.deleted_at is null and l.fields ->> 'crm_status' is not distinct from v.asked
           and not exists (select from handoff.violation n where n.lead_key = v.lead_key and n.seq > v.seq)
           and not exists (select from handoff.crm_status n
                           where n.contract_id = l.contract_id and n.value = v.asked and l.stage = any (n.stages))
           and (v.action <> 'hold' or h.held_at is not null) as stands
) s
group by 1, 2, 3, 4, 5, 6, 7, 8;
comment on view handoff.violations is 'Statuses set in the CRM that the contract forbids, by month, source, leg, rep and rule: what was asked, and how it was handled. Lead by lead: table handoff.violation. Formulas: docs/learn.md.';
comment on column handoff.violations.month is 'First day of the month in which it was decided, in the reporting zone of the handoff''s contract, else of the lead''s.';
comment on column handoff.violations.source is 'handoff.source.name of the lead.';
comment on column handoff.violations.leg is 'Leg of the handoff that was open, else of the last one; NULL: the lead was never handed over.';
comment on column handoff.violations.rep is 'Who had it, or had it last; NULL: nobody.';
comment on column handoff.violations.rule is 'What is against it, see handoff.violation.rule.';
comment on column handoff.violations.asked is 'The status that was set.';
comment on column handoff.violations.code is 'Disposition that it means; NULL: it qualifies.';
comment on column handoff.violations.action is 'What the disposition says of it: record, hold or revert.';
comment on column handoff.violations.violations is 'How many.';
comment on column handoff.violations.taken_rate is 'Share, 0 to 1: of these, those where the disposition was given all the same.';
comment on column handoff.violations.taken_rate_num is 'Numerator: violations that were taken.';
comment on column handoff.violations.taken_rate_den is 'Denominator: violations.';
comment on column handoff.violations.taken_rate_open is 'What could still change it: none.';
comment on column handoff.violations.settled_rate is 'Share, 0 to 1: of those not taken, those that stand no more. NULL: all were taken.';
comment on column handoff.violations.settled_rate_num is 'Numerator: violations not taken, since which the CRM has another status, or the lead is where it says, or what was held is settled here.';
comment on column handoff.violations.settled_rate_den is 'Denominator: violations not taken.';
comment on column handoff.violations.settled_rate_open is 'What could still change it: those among them that stand, in the denominator.';
