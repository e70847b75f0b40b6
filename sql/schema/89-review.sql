-- sql/schema/89-review.sql: what monthly_review() counts: handoffs and SLA clocks by all dimensions at once.
--
-- The kpi_ views cut by one dimension. A review asks which of them explains a change, so here they stand side by side, for readers
-- too: without leads and without reps.

create view handoff.review_cell as
select f.month,
       f.leg,
       f.band,
       f.segment,
       f.lead_source,
       f.route,
       f.pool,
       f.contract_id,
       case when f.rejected then f.code end as code,
       f.rejected,
       count(*) as handed,
       count(*) filter (where f.accepted) as accepted,
       count(*) filter (where f.undecided) as undecided,
       count(*) filter (where not f.assigned) as unassigned,
       count(*) filter (where f.incomplete) as incomplete,
       count(*) filter (where f.mature_30) as mature_30,
       count(*) filter (where f.mature_30 and f.opportunity_30) as opportunity_30
from handoff.fact_handoff f
where f.counted
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10;
comment on view handoff.review_cell is 'Handoffs that KPIs count, one row a combination of all dimensions: what monthly_review() compares. Names nobody.';
comment on column handoff.review_cell.month is 'Cohort: first day of the month of handed_at in the reporting zone of the handoff''s contract.';
comment on column handoff.review_cell.leg is 'Leg.';
comment on column handoff.review_cell.band is 'Band at handed_at; NULL: none.';
comment on column handoff.review_cell.segment is 'Segment at handed_at; NULL: none.';
comment on column handoff.review_cell.lead_source is 'Field lead_source at handed_at; NULL: none.';
comment on column handoff.review_cell.route is 'Route that found the present owner; NULL: nobody was found.';
comment on column handoff.review_cell.pool is 'Pool that the present owner was picked from; NULL: none.';
comment on column handoff.review_cell.contract_id is 'Version of the contract that they were handed over under.';
comment on column handoff.review_cell.code is 'Code of the disposition by which they were rejected; NULL: none was given, or they were not.';
comment on column handoff.review_cell.rejected is 'They were closed as recycle, disqualified or returned without having been accepted.';
comment on column handoff.review_cell.handed is 'Handoffs.';
comment on column handoff.review_cell.accepted is 'Those that sales accepted.';
comment on column handoff.review_cell.undecided is 'Those that are open and not accepted.';
comment on column handoff.review_cell.unassigned is 'Those that have never had an owner.';
comment on column handoff.review_cell.incomplete is 'Those handed over although required fields were missing.';
comment on column handoff.review_cell.mature_30 is 'Those at least 30 days (of 24 hours) old.';
comment on column handoff.review_cell.opportunity_30 is 'Those among mature_30 with an opportunity created within 30 days.';

create view handoff.review_clock as
select f.month,
       f.leg,
       f.sla,
       f.band,
       f.segment,
       f.lead_source,
       f.route,
       f.pool,
       f.contract_id,
       count(*) filter (where f.verdict = 'met') as met,
       count(*) filter (where f.verdict = 'missed') as missed,
       count(*) filter (where f.verdict = 'running') as running
from handoff.fact_clock f
where f.counted
group by 1, 2, 3, 4, 5, 6, 7, 8, 9;
comment on view handoff.review_clock is 'SLA clocks of handoffs that KPIs count, one row an SLA and combination of all dimensions: what monthly_review() compares. Names nobody.';
comment on column handoff.review_clock.month is 'Cohort of the handoff.';
comment on column handoff.review_clock.leg is 'Leg.';
comment on column handoff.review_clock.sla is 'Name of the SLA.';
comment on column handoff.review_clock.band is 'Band of the handoff; NULL: none.';
comment on column handoff.review_clock.segment is 'Segment of the handoff; NULL: none.';
comment on column handoff.review_clock.lead_source is 'Field lead_source of the handoff; NULL: none.';
comment on column handoff.review_clock.route is 'Route of the handoff; NULL: nobody was found.';
comment on column handoff.review_clock.pool is 'Pool of the clock''s rep; NULL: none.';
comment on column handoff.review_clock.contract_id is 'Version of the contract that the handoff is worked under.';
comment on column handoff.review_clock.met is 'Clocks met.';
comment on column handoff.review_clock.missed is 'Clocks missed, or running and overdue.';
comment on column handoff.review_clock.running is 'Clocks that run and are not overdue.';
