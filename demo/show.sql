-- What came of it.
\pset border 1
\pset footer off

\echo
\echo == where the leads are: handoff.journey
select stage, owner, leads, entered, left_it, round(median_stay_seconds / 86400.0, 1) as median_days, ways_out
from handoff.journey
order by position;

\echo == leads by stage and band
select stage,
       count(*) filter (where band = 'A') as "A",
       count(*) filter (where band = 'B') as "B",
       count(*) filter (where band = 'C') as "C",
       count(*) filter (where band = 'D') as "D",
       count(*) as leads
from handoff.lead
group by stage
order by min((select j.position from handoff.journey j where j.stage = lead.stage));

\echo == how many of them were handed over, by source
select fields ->> 'lead_source' as lead_source,
       count(*) as leads,
       count(h.lead_key) as handed_over,
       round(100.0 * count(h.lead_key) / count(*), 1) as percent
from handoff.lead l
left join (select distinct lead_key from handoff.event where leg = 'mql_to_sdr') h using (lead_key)
group by 1
order by 4 desc;

-- of those that sales has now, one that was blocked, completed and handed over, if there is one
select l.lead_key
from handoff.lead l
join handoff.event e using (lead_key)
where l.deleted_at is null
group by l.lead_key
order by l.stage = 'mql' desc,
         bool_or(e.type = 'blocked') and bool_or(e.type = 'fields') desc,
         count(*) between 7 and 12 desc,
         count(distinct e.type) desc,
         l.lead_key
limit 1 \gset

\echo == what happened to one of them: select * from handoff.history( :'lead_key' )
select seq, date_trunc('minute', at) as at, type, what from handoff.history(:'lead_key');

\echo == why it stands where it stands: select * from handoff.explain( :'lead_key' )
select step, name, points, left(criteria, 60) as criteria, note
from handoff.explain(:'lead_key')
where result;

\echo == is everything as it should be: select * from handoff.doctor()
select * from handoff.doctor();
