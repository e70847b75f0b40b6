-- demo/check.sql: what the feed's own tables say, beside what the extension counted of it.
--
-- truth reads no decision: only acts that were done, and rows of the CRM. extension reads the KPI views
-- and the handoffs. A difference is a fact that was lost or counted twice.

create view demo.check_counts as
with done as (
    select a.*, case r.pool when 'sdr' then 'mql_to_sdr' else 'sdr_to_ae' end as leg
    from demo.act a
    join demo.rep r on r.rep = a.rep
    where a.result = 'done'
), rejected as (
    select d.leg, d.code, count(*) as truth
    from done d
    where d.call in ('recycle', 'disqualify', 'dispose')
      and not exists (select from done p where p.call = 'accept' and p.lead_key = d.lead_key and p.handoff_no = d.handoff_no and p.at < d.at)
    group by d.leg, d.code
)
select 'accepted, ' || leg as what, count(*) filter (where call = 'accept')::numeric as truth,
       (select count(*) from handoff.handoff h where h.leg = done.leg and h.accepted_how = 'explicit')::numeric as extension
from done
group by leg
union all
select format('rejected, %s, %s', r.leg, r.code), r.truth,
       coalesce((select sum(k.rejection_rate_num) from handoff.rejection_reason k where k.leg = r.leg and k.code = r.code), 0)
from rejected r
join handoff.disposition d on d.code = r.code and d.contract_id = 1 and d.outcome in ('recycle', 'disqualified', 'returned')
union all
select 'calls, mails, messages',
       (select count(*) from crm."Task" where "Type" in ('Call', 'Email', 'LinkedIn')),
       (select sum(touches) from handoff.handoff)
union all
select 'opportunities', (select count(*) from crm."Opportunity"), (select count(*) from handoff.opportunity)
union all
select 'won', (select count(*) from crm."Opportunity" where "IsWon"),
       (select count(*) from handoff.handoff where leg = 'sdr_to_ae' and won_at is not null)
order by 1;
comment on view demo.check_counts is 'Demo: facts as the feed knows them (truth) and as the extension has counted them.';
