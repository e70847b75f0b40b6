-- sql/schema/80-learn.sql: what is learned: KPIs as views over handoffs, their clocks, and leads.
--
-- fact_handoff and fact_clock say of each handoff and each SLA clock what it counts for; the other
-- views sum that up. A rate r is four columns: r = r_num / r_den (NULL when r_den is 0), and r_open,
-- how many could still change it. The rates of the kpi_ views stand once, as rows of a table of
-- formulas further down, from which the views are made with their comments: they differ in nothing
-- but their dimension. docs/learn.md tells all of it in prose.
--
-- KPIs count handoffs of origin contract and self_booked, and none that was withdrawn. A reroute ends
-- an assignment and not a handoff, so it shows in reroute_rate alone. Months are those of the reporting zone of
-- the handoff's contract; a day of a window is 24 hours; now is handoff.view_time().

create view handoff.fact_handoff as
select h.lead_key,
       h.handoff_no,
       h.leg,
       h.cycle,
       h.contract_id,
       h.origin,
       h.origin in ('contract', 'self_booked') and h.outcome is distinct from 'withdrawn' as counted,
       h.month,
       h.band,
       h.segment,
       h.route,
       h.pool,
       h.rep,
       h.trigger_at,
       h.handed_at,
       h.closed_at,
       h.outcome,
       h.code,
       h.closed_at is null as is_open,
       h.accepted_at is not null as accepted,
       (h.accepted_at is null and h.closed_at is not null
           and h.outcome in ('recycle', 'disqualified', 'returned')) is true as rejected,
       h.accepted_at is null and h.closed_at is null as undecided,
       (h.closed_at is not null and h.outcome = 'recycle') is true as recycled,
       h.assigned_at is not null as assigned,
       h.first_touch_at is not null as touched,
       h.first_contact_at is not null as contacted,
       h.booked_at is not null as booked,
       h.meeting_held_at is not null as held,
       h.no_show,
       h.opportunity_at is not null as opportunity,
       h.won_at is not null as won,
       h.handed_at <= t.ago_30 as mature_30,
       h.handed_at <= t.ago_60 as mature_60,
       h.handed_at <= t.ago_90 as mature_90,
       (h.accepted_at <= h.handed_at + interval '720 hours') is true as accepted_30,
       (h.opportunity_at <= h.handed_at + interval '720 hours') is true as opportunity_30,
       (h.opportunity_at <= h.handed_at + interval '1440 hours') is true as opportunity_60,
       (h.opportunity_at <= h.handed_at + interval '2160 hours') is true as opportunity_90,
       (h.won_at <= h.handed_at + interval '720 hours') is true as won_30,
       (h.won_at <= h.handed_at + interval '1440 hours') is true as won_60,
       (h.won_at <= h.handed_at + interval '2160 hours') is true as won_90,
       greatest(extract(epoch from coalesce(h.first_touch_at, h.closed_at, t.now) - h.trigger_at), 0) as response_seconds,
       h.override_reason is not null as overridden,
       case
           when h.first_touch_business_seconds is not null then h.first_touch_business_seconds
           else handoff.open_seconds(c.calendar, null, null, h.trigger_at, coalesce(h.first_touch_at, h.closed_at, t.now))::numeric
       end as response_business_seconds,
       h.seen_at,
       h.assigned_at,
       h.delivered_at,
       h.first_touch_at,
       h.touches,
       h.contacts,
       cardinality(h.channels) as channels,
       c.calendar,
       h.undone,
       h.lead_source,
       h.incomplete,
       h.unassigned_reason,
       (h.handed_at at time zone c.reporting_zone)::date as handed_date,
       case when h.accepted_at is not null then least(h.qualified_at, case h.outcome when 'next_leg' then h.closed_at end) end as qualified_at,
       h.accepted_at,
       h.opportunity_at,
       h.won_at,
       h.lead_key || '/' || h.handoff_no as handoff_id,
       h.reroutes > 0 as rerouted,
       h.by_last_route,
       h.account_method,
       h.challenge
from handoff.handoff h
-- there is always one; so said, the planner leaves it out where nothing of it is asked for
left join handoff.contract c on c.contract_id = h.contract_id
-- each is computed once a query
cross join lateral (select (select handoff.view_time()) as now,
                           (select handoff.view_time() - interval '720 hours') as ago_30,
                           (select handoff.view_time() - interval '1440 hours') as ago_60,
                           (select handoff.view_time() - interval '2160 hours') as ago_90) t;
comment on view handoff.fact_handoff is 'One row a handoff of any origin: its dimensions, and what it counts for in KPIs. Holds lead keys.';
comment on column handoff.fact_handoff.lead_key is 'Lead.';
comment on column handoff.fact_handoff.handoff_no is 'Number within the lead, from 1.';
comment on column handoff.fact_handoff.leg is 'Leg that was passed.';
comment on column handoff.fact_handoff.cycle is 'Cycle of the lead, from 1.';
comment on column handoff.fact_handoff.contract_id is 'Version of the contract it was handed over under.';
comment on column handoff.fact_handoff.origin is 'How it came about, see handoff.handoff.origin.';
comment on column handoff.fact_handoff.counted is 'KPIs count it: its origin is contract or self_booked, and it was not withdrawn.';
comment on column handoff.fact_handoff.month is 'Its cohort: first day of the month of handed_at in the reporting zone of its contract.';
comment on column handoff.fact_handoff.band is 'Band at handed_at; NULL: none.';
comment on column handoff.fact_handoff.segment is 'Derived field segment at handed_at; NULL: none.';
comment on column handoff.fact_handoff.route is 'Route that found the present owner; NULL: nobody was found.';
comment on column handoff.fact_handoff.pool is 'Pool that the present owner was picked from; NULL: none.';
comment on column handoff.fact_handoff.rep is 'Present owner, after closing the last one; NULL: nobody.';
comment on column handoff.fact_handoff.trigger_at is 'Time of the input that qualified it: where speed-to-lead begins.';
comment on column handoff.fact_handoff.handed_at is 'When the leg was passed.';
comment on column handoff.fact_handoff.closed_at is 'When it ended; NULL: open.';
comment on column handoff.fact_handoff.outcome is 'recycle, disqualified, returned, withdrawn, next_leg, won, lost; NULL: open.';
comment on column handoff.fact_handoff.code is 'Code of the disposition that closed it; where none did, what did: due (too long in its stage), won, lost, deleted .. NULL: open, or it passed the next leg.';
comment on column handoff.fact_handoff.is_open is 'closed_at is null.';
comment on column handoff.fact_handoff.accepted is 'Sales accepted it.';
comment on column handoff.fact_handoff.rejected is 'It was closed as recycle, disqualified or returned without having been accepted.';
comment on column handoff.fact_handoff.undecided is 'It is open and not accepted. What was closed otherwise without acceptance is none of the three.';
comment on column handoff.fact_handoff.recycled is 'It was closed as recycle, accepted or not.';
comment on column handoff.fact_handoff.assigned is 'It has had an owner.';
comment on column handoff.fact_handoff.touched is 'A human touched the lead since.';
comment on column handoff.fact_handoff.contacted is 'There was a two-way contact since.';
comment on column handoff.fact_handoff.booked is 'A meeting was booked.';
comment on column handoff.fact_handoff.held is 'A meeting was held.';
comment on column handoff.fact_handoff.no_show is 'A booked meeting was missed by the lead, and none held since.';
comment on column handoff.fact_handoff.opportunity is 'An opportunity is counted for it.';
comment on column handoff.fact_handoff.won is 'Such an opportunity was won.';
comment on column handoff.fact_handoff.mature_30 is 'At least 30 days (of 24 hours) have passed since handed_at, at handoff.view_time().';
comment on column handoff.fact_handoff.mature_60 is 'The same for 60 days.';
comment on column handoff.fact_handoff.mature_90 is 'The same for 90 days.';
comment on column handoff.fact_handoff.accepted_30 is 'Accepted within 30 days (of 24 hours) after handed_at.';
comment on column handoff.fact_handoff.opportunity_30 is 'Its opportunity was created within 30 days (of 24 hours) after handed_at.';
comment on column handoff.fact_handoff.opportunity_60 is 'The same for 60 days.';
comment on column handoff.fact_handoff.opportunity_90 is 'The same for 90 days.';
comment on column handoff.fact_handoff.won_30 is 'Its opportunity was won within 30 days (of 24 hours) after handed_at.';
comment on column handoff.fact_handoff.won_60 is 'The same for 60 days.';
comment on column handoff.fact_handoff.won_90 is 'The same for 90 days.';
comment on column handoff.fact_handoff.response_seconds is 'Seconds of elapsed time from trigger_at to the first touch; while untouched, how long it has waited so far: until closed_at, else handoff.view_time(). Not below 0.';
comment on column handoff.fact_handoff.overridden is 'Somebody let a disposition be given though its work standard asked for more.';
comment on column handoff.fact_handoff.response_business_seconds is 'The same in open time of the calendar of the handoff''s contract (elapsed time if it names none): up to a first touch as the calendar was when it became known, else as it is now.';
comment on column handoff.fact_handoff.seen_at is 'When its trigger was captured; NULL: not known.';
comment on column handoff.fact_handoff.assigned_at is 'When the first owner was found; NULL: nobody was.';
comment on column handoff.fact_handoff.delivered_at is 'When the news of it was first acknowledged by a destination; NULL: not known to have been.';
comment on column handoff.fact_handoff.first_touch_at is 'Time of the first human touch since; NULL: untouched.';
comment on column handoff.fact_handoff.touches is 'Human touches since, two-way contacts included, until it closed.';
comment on column handoff.fact_handoff.contacts is 'Two-way contacts among them.';
comment on column handoff.fact_handoff.channels is 'Over how many channels.';
comment on column handoff.fact_handoff.calendar is 'Calendar of its contract; NULL: none, all time counts.';
comment on column handoff.fact_handoff.undone is 'How many dispositions that had ended it were taken back.';
comment on column handoff.fact_handoff.lead_source is 'The lead''s field lead_source at handed_at; NULL: none.';
comment on column handoff.fact_handoff.incomplete is 'Handed over although required fields were missing.';
comment on column handoff.fact_handoff.unassigned_reason is 'Why nobody has it, a coded reason; NULL: somebody has, or had it to its end.';
comment on column handoff.fact_handoff.handed_date is 'Date of handed_at in the reporting zone of its contract: the day in handoff.axis_date.';
comment on column handoff.fact_handoff.qualified_at is 'Of an accepted one: when it was qualified for the next leg, by qualify() or by passing it; NULL: it was not.';
comment on column handoff.fact_handoff.accepted_at is 'When sales accepted it; NULL: it did not.';
comment on column handoff.fact_handoff.opportunity_at is 'Creation of the first opportunity that is counted for it; NULL: none is.';
comment on column handoff.fact_handoff.won_at is 'When such an opportunity was won; NULL: none was.';
comment on column handoff.fact_handoff.handoff_id is 'Lead and number as one key: lead_key, /, handoff_no.';
comment on column handoff.fact_handoff.rerouted is 'An owner has said that it is not his (a disposition of outcome reroute).';
comment on column handoff.fact_handoff.by_last_route is 'Its first owner was found by the last route of its leg, past others that could have had it.';
comment on column handoff.fact_handoff.account_method is 'How the lead''s account was known at handed_at: crm, email_domain, web_domain, name or close_name; NULL: it had none.';
comment on column handoff.fact_handoff.challenge is 'Version of the challenger that its lead was shared with, whichever of the two decided it; NULL: none.';

create view handoff.fact_clock as
select f.lead_key,
       f.handoff_no,
       k.name as sla,
       k.n,
       s.metric,
       f.leg,
       f.cycle,
       f.counted,
       f.month,
       f.band,
       f.segment,
       case when k.rep is null then f.pool else k.pool end as pool,
       coalesce(k.rep, f.rep) as rep,
       f.is_open,
       k.started_at,
       k.due_at,
       k.stopped_at,
       k.paused,
       case
           when k.verdict is not null then k.verdict
           when k.stopped_at > k.due_at then 'missed'
           when k.stopped_at is not null then 'met'
           when (select handoff.view_time()) > k.due_at
               -- it stood still before that
               and (not k.paused or not tstzrange(k.due_at - interval '1 microsecond', null) <@ k.pauses) then 'missed'
           else 'running'
       end as verdict,
       f.contract_id,
       s.clock,
       case
           when isempty(k.pauses) then extract(epoch from coalesce(k.stopped_at, t.now) - k.started_at)
           else handoff.open_seconds(null, null, null, k.started_at, coalesce(k.stopped_at, t.now), k.pauses)::numeric
       end as elapsed_seconds,
       case
           when k.business_seconds is not null then k.business_seconds
           else handoff.open_seconds(w.calendar, w.hours, w.zone, k.started_at, coalesce(k.stopped_at, t.now), k.pauses)::numeric
       end as business_seconds,
       case when s.clock = 'elapsed' then
           extract(epoch from k.due_at - k.started_at) - case when isempty(k.pauses) then 0 else (
               select coalesce(sum(extract(epoch from upper(r) - greatest(lower(r), k.started_at))), 0)
               from unnest(k.pauses) r
               where greatest(lower(r), k.started_at) < least(upper(r), k.due_at)
           ) end
       else
           (handoff.open_seconds(w.calendar, w.hours, w.zone, k.started_at, k.due_at) - case when isempty(k.pauses) then 0 else (
               select coalesce(sum(handoff.open_seconds(w.calendar, w.hours, w.zone, greatest(lower(r), k.started_at), upper(r))), 0)
               from unnest(k.pauses) r
               where lower(r) < k.due_at
           ) end)::numeric
       end as target_seconds,
       case when k.stopped_at is null then extract(epoch from k.due_at - t.now) end as remaining_seconds,
       case when k.stopped_at is null then
           (handoff.open_seconds(w.calendar, w.hours, w.zone, t.now, k.due_at)
               - handoff.open_seconds(w.calendar, w.hours, w.zone, k.due_at, t.now))::numeric
       end as remaining_business_seconds,
       case when k.next_at is not null then k.next_step end as next_step,
       k.next_at,
       f.route,
       f.lead_source,
       not isempty(k.pauses) as was_paused,
       f.account_method
from handoff.clock k
join handoff.fact_handoff f on f.lead_key = k.lead_key and f.handoff_no = k.handoff_no
join handoff.sla s on s.contract_id = f.contract_id and s.name = k.name
left join handoff.rep r on r.rep = k.rep
left join handoff.pool p on p.pool = k.pool
cross join lateral (
    -- whose hours: his own, else those of his calendar, the pool's or the contract's, in his time zone
    select case when r.schedule is null then coalesce(r.calendar, p.calendar, f.calendar) else r.calendar end as calendar,
           r.schedule as hours,
           case when r.schedule is null then r.zone end as zone
) w
cross join lateral (select (select handoff.view_time()) as now) t
where k.kind = 'sla';
comment on view handoff.fact_clock is 'One row an SLA clock of a handoff: the dimensions of its handoff, and the verdict as it is now. Holds lead keys.';
comment on column handoff.fact_clock.lead_key is 'Lead.';
comment on column handoff.fact_clock.handoff_no is 'Handoff of the lead.';
comment on column handoff.fact_clock.sla is 'Name of the SLA.';
comment on column handoff.fact_clock.n is 'Number among the handoff''s clocks of that SLA.';
comment on column handoff.fact_clock.metric is 'What the SLA measures: accept, first_touch ..';
comment on column handoff.fact_clock.leg is 'Leg of the handoff.';
comment on column handoff.fact_clock.cycle is 'Cycle of the lead, from 1.';
comment on column handoff.fact_clock.counted is 'KPIs count the handoff, see fact_handoff.counted.';
comment on column handoff.fact_clock.month is 'Cohort of the handoff, see fact_handoff.month.';
comment on column handoff.fact_clock.band is 'Band of the handoff; NULL: none.';
comment on column handoff.fact_clock.segment is 'Segment of the handoff; NULL: none.';
comment on column handoff.fact_clock.pool is 'Pool that the rep was picked from; NULL: none.';
comment on column handoff.fact_clock.rep is 'Whose clock it is; of one that is nobody''s own (scope lead), the present owner of the handoff; NULL: nobody.';
comment on column handoff.fact_clock.is_open is 'The handoff is open.';
comment on column handoff.fact_clock.started_at is 'When the clock started.';
comment on column handoff.fact_clock.due_at is 'When it is due.';
comment on column handoff.fact_clock.stopped_at is 'When it was stopped; NULL: it runs.';
comment on column handoff.fact_clock.paused is 'It stands still, so it can''t become overdue; what was overdue before stays it.';
comment on column handoff.fact_clock.verdict is 'met, missed (a clock that runs and whose due_at is before handoff.view_time() included), void, or running.';
comment on column handoff.fact_clock.contract_id is 'Version of the contract that the handoff is worked under.';
comment on column handoff.fact_clock.clock is 'business or elapsed: which time the SLA''s target is.';
comment on column handoff.fact_clock.elapsed_seconds is 'Elapsed time from started_at until it was stopped, else until handoff.view_time(), without pauses.';
comment on column handoff.fact_clock.business_seconds is 'The same in open time of its hours: the rep''s, else the pool''s, else the contract''s calendar; elapsed time if there are none. Of a clock that was stopped, as they were then.';
comment on column handoff.fact_clock.target_seconds is 'From started_at to due_at without pauses that have ended, in the SLA''s own time: open or elapsed, as clock says. NULL: it is never due.';
comment on column handoff.fact_clock.remaining_seconds is 'Elapsed time from handoff.view_time() to due_at; negative when overdue; NULL: it was stopped, or is never due.';
comment on column handoff.fact_clock.remaining_business_seconds is 'The same in open time of its hours.';
comment on column handoff.fact_clock.next_step is 'Next step of its escalation; NULL: there is none left.';
comment on column handoff.fact_clock.next_at is 'When that comes.';
comment on column handoff.fact_clock.route is 'Route that found the handoff''s present owner; NULL: nobody was found.';
comment on column handoff.fact_clock.was_paused is 'It has stood still, or does.';
comment on column handoff.fact_clock.lead_source is 'Field lead_source of the handoff; NULL: none.';
comment on column handoff.fact_clock.account_method is 'How the account was known when the lead was handed over; NULL: it had none.';

-- The rates of the kpi_ views, one row each: the facts they count, the criteria of numerator,
-- denominator and open ones, and the same in words. A dimension in place of "month" makes a view.

create view handoff.challenge_run as
select h.name as contract,
       p.contract_id as champion,
       h.contract_id as challenger,
       h.traffic_share,
       greatest(lower(h.challenging), e.began) as since,
       upper(h.challenging) as ended_at
from handoff.contract h
join handoff.contract p on p.name = h.name and p.contract_id <> h.contract_id
cross join lateral (
    select max(lower(r)) as began
    from unnest(p.effective) r
    where case when upper(h.challenging) is null then upper(r) is null else r @> upper(h.challenging) - interval '1 microsecond' end
) e
where not isempty(h.challenging) and e.began is not null;
comment on view handoff.challenge_run is 'Challengers that run or ran beside a champion, one row each: contract.challenging. Where the champion has changed meanwhile, it is the last one.';
comment on column handoff.challenge_run.contract is 'Name of the contract.';
comment on column handoff.challenge_run.champion is 'Version in force, or that was so at the end.';
comment on column handoff.challenge_run.challenger is 'Version that challenges it.';
comment on column handoff.challenge_run.traffic_share is 'Share of the leads that the challenger has, or had at the end; NULL: it has become the champion.';
comment on column handoff.challenge_run.since is 'Since when both ran.';
comment on column handoff.challenge_run.ended_at is 'When the challenger was retired or became the champion; NULL: it runs.';

do $views$
declare
    lower_is_better constant text[] := '{incomplete_rate,unassigned_rate,reroute_rate,fallback_rate,recycle_rate,override_rate,undone_rate}';
    rate      record;
    view_name text;
    dimension text;
    meaning   text;
    counted   text;
    none      text;
    handoffs  text := '';   -- what is counted of handoffs, and of clocks; each part has 0 for the other's
    clocks    text := '';
    rates     text := '';
    mature    text := '';   -- of handoffs old enough, and as rows of challenge_tally
    sides     text := '';
    comments  text := '';
begin
    for rate in
        select *
        from (values
            ('handoff', 'acceptance_of_decided',
                'accepted', 'accepted or rejected', 'undecided',
                'accepted handoffs', 'accepted and rejected handoffs', 'open handoffs not accepted so far, not in the denominator'),
            ('handoff', 'acceptance_of_handed',
                'mature_30 and accepted_30', 'mature_30', 'not mature_30',
                'handoffs accepted within 30 days', 'handoffs at least 30 days old', 'younger handoffs, not in the denominator'),
            ('clock', 'sla_accept',
                'metric = ''accept'' and verdict = ''met''',
                'metric = ''accept'' and verdict in (''met'', ''missed'')',
                'metric = ''accept'' and verdict = ''running''',
                'SLA clocks for acceptance that were met', 'such clocks met or missed (overdue ones are missed, void ones left out)',
                'such clocks that run and are not overdue, not in the denominator'),
            ('clock', 'sla_first_touch',
                'metric = ''first_touch'' and verdict = ''met''',
                'metric = ''first_touch'' and verdict in (''met'', ''missed'')',
                'metric = ''first_touch'' and verdict = ''running''',
                'SLA clocks for the first touch that were met', 'such clocks met or missed (overdue ones are missed, void ones left out)',
                'such clocks that run and are not overdue, not in the denominator'),
            ('handoff', 'contact_rate',
                'contacted', 'true', 'is_open and not contacted',
                'handoffs with a two-way contact', 'all handoffs', 'open handoffs without one so far, in the denominator'),
            ('handoff', 'contact_of_touched',
                'contacted', 'touched or contacted', 'is_open and touched and not contacted',
                'handoffs with a two-way contact', 'handoffs with a human touch', 'open touched handoffs without a contact so far, in the denominator'),
            ('handoff', 'meeting_rate',
                'booked', 'true', 'is_open and not booked',
                'handoffs with a meeting booked', 'all handoffs', 'open handoffs without one so far, in the denominator'),
            ('handoff', 'show_rate',
                'held', 'held or no_show', 'is_open and booked and not held and not no_show',
                'handoffs with a meeting held', 'handoffs with a meeting held or missed by the lead',
                'open handoffs with a meeting booked and neither held nor missed so far, not in the denominator'),
            ('handoff', 'qualified_30',
                'accepted_at <= ago_30 and qualified_at <= accepted_at + interval ''720 hours''',
                'accepted_at <= ago_30', 'accepted_at > ago_30',
                'handoffs qualified for the next leg, or passed on over it, within 30 days of acceptance (SAL to SQL)',
                'handoffs accepted at least 30 days ago', 'handoffs accepted since, not in the denominator'),
            ('handoff', 'qualified_60',
                'accepted_at <= ago_60 and qualified_at <= accepted_at + interval ''1440 hours''',
                'accepted_at <= ago_60', 'accepted_at > ago_60',
                'handoffs qualified for the next leg, or passed on over it, within 60 days of acceptance',
                'handoffs accepted at least 60 days ago', 'handoffs accepted since, not in the denominator'),
            ('handoff', 'qualified_90',
                'accepted_at <= ago_90 and qualified_at <= accepted_at + interval ''2160 hours''',
                'accepted_at <= ago_90', 'accepted_at > ago_90',
                'handoffs qualified for the next leg, or passed on over it, within 90 days of acceptance',
                'handoffs accepted at least 90 days ago', 'handoffs accepted since, not in the denominator'),
            ('handoff', 'incomplete_rate',
                'incomplete', 'true', 'false',
                'handoffs handed over although required fields were missing', 'all handoffs', 'none, it is known at once'),
            ('handoff', 'unassigned_rate',
                'not assigned', 'true', 'is_open and not assigned',
                'handoffs that have never had an owner', 'all handoffs', 'open handoffs without one so far, in the denominator'),
            ('handoff', 'reroute_rate',
                'rerouted', 'true', 'is_open and not rerouted',
                'handoffs of which an owner said that it is not his', 'all handoffs', 'other open handoffs, in the denominator'),
            ('handoff', 'fallback_rate',
                'by_last_route', 'true', 'is_open and not assigned',
                'handoffs whose first owner was found by the last route of their leg, past others that could have had them', 'all handoffs',
                'open handoffs without an owner so far, in the denominator'),
            ('handoff', 'match_rate',
                'account_method is not null', 'true', 'false',
                'handoffs of leads with an account at handed_at, known to the CRM or found', 'all handoffs', 'none, it is known at once'),
            ('handoff', 'found_rate',
                'account_method <> ''crm''', 'account_method is distinct from ''crm''', 'false',
                'handoffs of leads whose account was found by domain or name', 'handoffs of leads whose account the CRM did not know at handed_at',
                'none, it is known at once'),
            ('handoff', 'recycle_rate',
                'recycled', 'accepted or rejected', 'is_open',
                'handoffs closed as recycle', 'accepted and rejected handoffs', 'open handoffs; the accepted ones are in the denominator'),
            ('handoff', 'opportunity_30',
                'mature_30 and opportunity_30', 'mature_30', 'not mature_30',
                'handoffs with an opportunity created within 30 days', 'handoffs at least 30 days old', 'younger handoffs, not in the denominator'),
            ('handoff', 'opportunity_60',
                'mature_60 and opportunity_60', 'mature_60', 'not mature_60',
                'handoffs with an opportunity created within 60 days', 'handoffs at least 60 days old', 'younger handoffs, not in the denominator'),
            ('handoff', 'opportunity_90',
                'mature_90 and opportunity_90', 'mature_90', 'not mature_90',
                'handoffs with an opportunity created within 90 days', 'handoffs at least 90 days old', 'younger handoffs, not in the denominator'),
            ('handoff', 'won_30',
                'mature_30 and won_30', 'mature_30', 'not mature_30',
                'handoffs won within 30 days', 'handoffs at least 30 days old', 'younger handoffs, not in the denominator'),
            ('handoff', 'won_60',
                'mature_60 and won_60', 'mature_60', 'not mature_60',
                'handoffs won within 60 days', 'handoffs at least 60 days old', 'younger handoffs, not in the denominator'),
            ('handoff', 'won_90',
                'mature_90 and won_90', 'mature_90', 'not mature_90',
                'handoffs won within 90 days', 'handoffs at least 90 days old', 'younger handoffs, not in the denominator'),
            ('handoff', 'override_rate',
                'outcome in (''recycle'', ''disqualified'', ''returned'') and overridden', 'outcome in (''recycle'', ''disqualified'', ''returned'')', 'is_open',
                'handoffs given up with less work than their standard asks, somebody having overridden it',
                'handoffs closed as recycle, disqualified or returned', 'open handoffs, not in the denominator'),
            ('handoff', 'undone_rate',
                'undone > 0', 'undone > 0 or outcome in (''recycle'', ''disqualified'', ''returned'')', 'is_open and undone = 0',
                'handoffs of which a disposition was taken back',
                'these, and handoffs closed as recycle, disqualified or returned', 'other open handoffs, not in the denominator')
        ) r (fact, name, num, den, still_open, num_words, den_words, open_words)
    loop
        counted := format(', count(*) filter (where %2$s) as %1$s_num'
                          ', count(*) filter (where %3$s) as %1$s_den'
                          ', count(*) filter (where %4$s) as %1$s_open', rate.name, rate.num, rate.den, rate.still_open);
        if rate.fact = 'handoff' then
            mature := mature || format(', count(*) filter (where mature_30 and (%3$s) and (%2$s)) as %1$s_num'
                                       ', count(*) filter (where mature_30 and (%3$s)) as %1$s_den', rate.name, rate.num, rate.den);
            sides := sides || format('%s(%L, %L::boolean, t.%I, t.%I)', case when sides <> '' then ', ' end, rate.name,
                                     rate.name <> all (lower_is_better), rate.name || '_num', rate.name || '_den');
        end if;
        none := format(', 0 as %1$s_num, 0 as %1$s_den, 0 as %1$s_open', rate.name);
        handoffs := handoffs || case rate.fact when 'handoff' then counted else none end;
        clocks := clocks || case rate.fact when 'clock' then counted else none end;
        rates := rates || format(', round(sum(%1$s_num) / nullif(sum(%1$s_den), 0), 4) as %1$s'
                                 ', sum(%1$s_num)::bigint as %1$s_num'
                                 ', sum(%1$s_den)::bigint as %1$s_den'
                                 ', sum(%1$s_open)::bigint as %1$s_open', rate.name);
        comments := comments
            || format('comment on column handoff.%%1$I.%s is %L;', rate.name,
                      format('Share, 0 to 1: %s / %s. NULL: there are none of the latter.', rate.num_words, rate.den_words))
            || format('comment on column handoff.%%1$I.%s_num is %L;', rate.name, format('Numerator: %s.', rate.num_words))
            || format('comment on column handoff.%%1$I.%s_den is %L;', rate.name, format('Denominator: %s.', rate.den_words))
            || format('comment on column handoff.%%1$I.%s_open is %L;', rate.name, format('What could still change it: %s.', rate.open_words));
    end loop;
    for view_name, dimension, meaning in values
        ('kpi_month', 'month', 'Cohort: first day of the month of handed_at in the reporting zone of the handoff''s contract.'),
        ('kpi_band', 'band', 'Band at handed_at; NULL: none.'),
        ('kpi_pool', 'pool', 'Pool that the present owner was picked from; of SLA clocks that of whose they are. NULL: none.'),
        ('kpi_rep', 'rep', 'Present owner, after closing the last one; of SLA clocks whose they are. NULL: nobody.'),
        ('kpi_route', 'route', 'Route that found the present owner; NULL: nobody was found.'),
        ('kpi_source', 'lead_source', 'Field lead_source of the lead at handed_at; NULL: none, or the contract declares no such text field.'),
        ('kpi_segment', 'segment', 'Derived field segment at handed_at; NULL: none.'),
        ('kpi_version', 'contract_id', 'Version of the contract that it was handed over under.'),
        ('kpi_match', 'account_method', 'How the lead''s account was known at handed_at: crm, email_domain, web_domain, name or close_name; NULL: it had none.'),
        ('kpi_leg', null, null)
    loop
        execute format(
            'create view handoff.%1$I as'
            ' select %2$s c.leg, s.cycle, sum(c.handed)::bigint as handed %6$s'
            ' from ('
            '     select %3$s f.leg, f.cycle = 1 as is_first, count(*) as handed %4$s'
            '     from (select f.*, (select handoff.view_time() - interval ''720 hours'') as ago_30,'
            '                  (select handoff.view_time() - interval ''1440 hours'') as ago_60, (select handoff.view_time() - interval ''2160 hours'') as ago_90'
            '           from handoff.fact_handoff f where f.counted) f'
            '     group by %3$s f.leg, is_first'
            '     union all'
            '     select %3$s f.leg, f.cycle = 1 as is_first, 0 %5$s'
            '     from handoff.fact_clock f where f.counted group by %3$s f.leg, is_first'
            ' ) c'
            ' join (values (''all''), (''first'')) s (cycle) on s.cycle = ''all'' or c.is_first'
            ' group by %2$s c.leg, s.cycle', view_name, 'c.' || quote_ident(dimension) || ',', 'f.' || quote_ident(dimension) || ',', handoffs, clocks, rates);
        execute format(comments, view_name);
        execute format(
            'comment on view handoff.%1$I is ''KPIs of handoffs by %2$sleg and cycle: those of origin contract and self_booked that were not withdrawn. Formulas: docs/learn.md.'';'
            'comment on column handoff.%1$I.leg is ''Leg.'';'
            'comment on column handoff.%1$I.cycle is ''first: only handoffs of a lead''''s first cycle; all: those and the later ones. Don''''t add the two.'';'
            'comment on column handoff.%1$I.handed is ''Handoffs.'';', view_name, replace(dimension, '_', ' ') || ', ');
        if dimension is not null then
            execute format('comment on column handoff.%I.%I is %L', view_name, dimension, meaning);
        end if;
    end loop;
    execute format(
        'create view handoff.challenge_tally as'
        ' select r.contract, r.champion, t.challenger, r.traffic_share, r.since, r.ended_at, t.contract_id, t.leg, t.handed, k.kpi, k.higher_is_better, k.num, k.den'
        ' from ('
        '     select r.challenger, f.contract_id, f.leg, count(*) as handed %s'
        '     from handoff.challenge_run r'
        '     join (select f.*, (select handoff.view_time() - interval ''720 hours'') as ago_30,'
        '                  (select handoff.view_time() - interval ''1440 hours'') as ago_60, (select handoff.view_time() - interval ''2160 hours'') as ago_90'
        '           from handoff.fact_handoff f where f.counted and f.challenge is not null) f'
        '       on f.challenge = r.challenger and f.contract_id in (r.champion, r.challenger) and f.handed_at >= r.since'
        '     group by r.challenger, f.contract_id, f.leg'
        ' ) t'
        ' join handoff.challenge_run r on r.challenger = t.challenger'
        ' cross join lateral (values %s) k (kpi, higher_is_better, num, den)', mature, sides);
end
$views$;
comment on view handoff.challenge_tally is 'What view challenge compares: of each challenge_run, version and leg each rate of kpi_version of which higher or lower is better, over handoffs that KPIs count, of leads that the two share, handed over since both ran, and at least 30 days old.';
comment on column handoff.challenge_tally.contract is 'Name of the contract.';
comment on column handoff.challenge_tally.champion is 'Version in force, or that was so at the end.';
comment on column handoff.challenge_tally.challenger is 'Version that challenges it.';
comment on column handoff.challenge_tally.traffic_share is 'As in challenge_run.';
comment on column handoff.challenge_tally.since is 'Since when both ran.';
comment on column handoff.challenge_tally.ended_at is 'When the challenge ended; NULL: it runs.';
comment on column handoff.challenge_tally.contract_id is 'Version that the handoffs were made under: that one, or the champion.';
comment on column handoff.challenge_tally.leg is 'Leg.';
comment on column handoff.challenge_tally.handed is 'Such handoffs of any age.';
comment on column handoff.challenge_tally.kpi is 'Rate, by its name in kpi_version.';
comment on column handoff.challenge_tally.higher_is_better is 'A higher rate is the better one.';
comment on column handoff.challenge_tally.num is 'Its numerator.';
comment on column handoff.challenge_tally.den is 'Its denominator.';

create view handoff.rejection_reason as
with rejected as (
    select f.leg, f.outcome, f.code, d.reason, count(*) as handoffs, count(*) filter (where f.overridden) as overridden
    from handoff.fact_handoff f
    left join handoff.disposition d on d.contract_id = f.contract_id and d.code = f.code
    where f.counted and f.rejected
    group by f.leg, f.outcome, f.code, d.reason
), decided as (
    select f.leg,
           count(*) filter (where f.accepted or f.rejected) as handoffs,
           count(*) filter (where f.undecided) as undecided
    from handoff.fact_handoff f
    where f.counted
    group by f.leg
)
select r.leg,
       r.outcome,
       r.code,
       r.reason,
       round(r.handoffs::numeric / d.handoffs, 4) as rejection_rate,
       r.handoffs as rejection_rate_num,
       d.handoffs as rejection_rate_den,
       d.undecided as rejection_rate_open,
       r.overridden
from rejected r
join decided d on d.leg = r.leg;
comment on view handoff.rejection_reason is 'Why sales rejects what it was handed, by leg, outcome, code and reason. Over all rows of a leg the rates add up to 1 - acceptance_of_decided. Formulas: docs/learn.md.';
comment on column handoff.rejection_reason.leg is 'Leg.';
comment on column handoff.rejection_reason.outcome is 'recycle, disqualified or returned.';
comment on column handoff.rejection_reason.code is 'Code of the disposition; due: it was too long in its stage. NULL: closed without one.';
comment on column handoff.rejection_reason.reason is 'What the code means in the contract of the handoff; NULL: no code, or the contract has none such.';
comment on column handoff.rejection_reason.rejection_rate is 'Share, 0 to 1: handoffs rejected for this reason / accepted and rejected handoffs of the leg.';
comment on column handoff.rejection_reason.rejection_rate_num is 'Numerator: handoffs rejected for this reason.';
comment on column handoff.rejection_reason.rejection_rate_den is 'Denominator: accepted and rejected handoffs of the leg.';
comment on column handoff.rejection_reason.rejection_rate_open is 'What could still change it: open handoffs of the leg not accepted so far, not in the denominator.';
comment on column handoff.rejection_reason.overridden is 'Handoffs among rejection_rate_num whose work standard asked for more and was overridden.';

create view handoff.funnel as
-- read twice, in parallel, rather than once into memory
with known as not materialized (
    select l.lead_key, s.is_terminal is not true as underway
    from handoff.lead l
    left join handoff.stage s on s.contract_id = l.contract_id and s.name = l.stage
    where l.deleted_at is null
), base as (
    select count(*) as leads, count(*) filter (where k.underway) as underway
    from known k
), leg as (
    select g.name, min(g.ord) as ord
    from handoff.leg g
    join handoff.contract c on c.contract_id = g.contract_id
    where c.status <> 'draft'
    group by g.name
), passed as (
    -- sorted, if it must be, by what tells them apart at once
    select f.lead_key,
           f.leg,
           bool_or(k.underway) as underway,
           bool_or(f.is_open) as is_open,
           bool_or(f.assigned) as assigned,
           bool_or(f.touched) as touched,
           bool_or(f.contacted) as contacted,
           bool_or(f.accepted) as accepted,
           bool_or(f.booked) as booked,
           bool_or(f.held) as held,
           bool_or(f.opportunity) as opportunity,
           bool_or(f.won) as won
    from handoff.fact_handoff f
    join known k on k.lead_key = f.lead_key
    where f.counted
    group by f.lead_key, f.leg
), tally as (
    select p.leg,
           count(*) as handed,
           count(*) filter (where p.underway) as handed_underway,
           count(*) filter (where p.assigned) as assigned,
           count(*) filter (where p.assigned and p.underway) as assigned_underway,
           count(*) filter (where p.is_open and not p.assigned) as assigned_open,
           count(*) filter (where p.touched) as touched,
           count(*) filter (where p.touched and p.underway) as touched_underway,
           count(*) filter (where p.is_open and not p.touched) as touched_open,
           count(*) filter (where p.contacted) as contacted,
           count(*) filter (where p.contacted and p.underway) as contacted_underway,
           count(*) filter (where p.is_open and not p.contacted) as contacted_open,
           count(*) filter (where p.accepted) as accepted,
           count(*) filter (where p.accepted and p.underway) as accepted_underway,
           count(*) filter (where p.is_open and not p.accepted) as accepted_open,
           count(*) filter (where p.booked) as booked,
           count(*) filter (where p.booked and p.underway) as booked_underway,
           count(*) filter (where p.is_open and not p.booked) as booked_open,
           count(*) filter (where p.held) as held,
           count(*) filter (where p.held and p.underway) as held_underway,
           count(*) filter (where p.is_open and not p.held) as held_open,
           count(*) filter (where p.opportunity) as opportunity,
           count(*) filter (where p.opportunity and p.underway) as opportunity_underway,
           count(*) filter (where p.is_open and not p.opportunity) as opportunity_open,
           count(*) filter (where p.won) as won,
           count(*) filter (where p.won and p.underway) as won_underway,
           count(*) filter (where p.is_open and not p.won) as won_open
    from passed p
    group by p.leg
), counted as (
    select t.leg, s.step, s.leads, t.handed, s.underway, s.still_open
    from tally t
    cross join lateral (values
        ('handed', t.handed, t.handed_underway, 0),
        ('assigned', t.assigned, t.assigned_underway, t.assigned_open),
        ('touched', t.touched, t.touched_underway, t.touched_open),
        ('contacted', t.contacted, t.contacted_underway, t.contacted_open),
        ('accepted', t.accepted, t.accepted_underway, t.accepted_open),
        ('booked', t.booked, t.booked_underway, t.booked_open),
        ('held', t.held, t.held_underway, t.held_open),
        ('opportunity', t.opportunity, t.opportunity_underway, t.opportunity_open),
        ('won', t.won, t.won_underway, t.won_open)
    ) s (step, leads, underway, still_open)
)
select 1 as position,
       null::text as leg,
       'lead'::text as step,
       b.leads,
       round(b.leads::numeric / nullif(b.leads, 0), 4) as of_leads,
       b.leads as of_leads_num,
       b.leads as of_leads_den,
       0::bigint as of_leads_open,
       null::numeric as of_handed,
       null::bigint as of_handed_num,
       null::bigint as of_handed_den,
       null::bigint as of_handed_open
from base b
union all
select (1 + 9 * (row_number() over (partition by s.ord order by g.ord, g.name) - 1) + s.ord)::int,
       g.name,
       s.step,
       coalesce(c.leads, 0),
       round(coalesce(c.leads, 0)::numeric / nullif(b.leads, 0), 4),
       coalesce(c.leads, 0),
       b.leads,
       b.underway - coalesce(c.underway, 0),
       round(c.leads::numeric / c.handed, 4),
       coalesce(c.leads, 0),
       coalesce(c.handed, 0),
       coalesce(c.still_open, 0)
from leg g
cross join unnest(array['handed', 'assigned', 'touched', 'contacted', 'accepted', 'booked', 'held', 'opportunity', 'won'])
    with ordinality s (step, ord)
cross join base b
left join counted c on c.leg = g.name and c.step = s.step;
comment on view handoff.funnel is 'How far leads have come, ever: one row for all leads and one a leg and step. A lead counts once a step, however often it was handed over; only leads that are there and handoffs that KPIs count. Steps are counted each for itself: a meeting may be booked before acceptance. Formulas: docs/learn.md.';
comment on column handoff.funnel.position is 'Order of the rows: all leads, then leg by leg.';
comment on column handoff.funnel.leg is 'Leg; NULL: all leads.';
comment on column handoff.funnel.step is 'lead, then of a leg: handed, assigned, touched, contacted, accepted, booked, held, opportunity, won.';
comment on column handoff.funnel.leads is 'Leads that reached the step at least once.';
comment on column handoff.funnel.of_leads is 'Share, 0 to 1: leads that reached the step / all leads. NULL: there are none.';
comment on column handoff.funnel.of_leads_num is 'Numerator: leads that reached the step.';
comment on column handoff.funnel.of_leads_den is 'Denominator: all leads that are not deleted.';
comment on column handoff.funnel.of_leads_open is 'What could still change it: leads that have not reached the step and are in no terminal stage, in the denominator.';
comment on column handoff.funnel.of_handed is 'Share, 0 to 1: leads that reached the step / leads handed over on the leg. NULL: there are none, or the row is that of all leads.';
comment on column handoff.funnel.of_handed_num is 'Numerator: leads that reached the step. NULL in the row of all leads.';
comment on column handoff.funnel.of_handed_den is 'Denominator: leads handed over on the leg. NULL in the row of all leads.';
comment on column handoff.funnel.of_handed_open is 'What could still change it: leads with an open handoff of the leg that have not reached the step, in the denominator. NULL in the row of all leads.';

-- What burns. It names leads, whatever the origin of the handoff; at_risk stands in 82-speed.sql.

create view handoff.unassigned with (security_invoker = true) as
select h.lead_key,
       h.handoff_no,
       h.leg,
       h.cycle,
       h.band,
       h.unassigned_reason as reason,
       h.trigger_at,
       h.handed_at,
       w.since as waiting_since,
       round(greatest(extract(epoch from (select handoff.view_time()) - w.since), 0)) as waiting_seconds
from handoff.handoff h
cross join lateral (
    select coalesce(max(a.ended_at), h.handed_at) as since
    from handoff.assignment a
    where a.lead_key = h.lead_key and a.handoff_no = h.handoff_no
) w
where h.closed_at is null and h.rep is null;
comment on view handoff.unassigned is 'Open handoffs that nobody has, one row each, with the reason.';
comment on column handoff.unassigned.lead_key is 'Lead.';
comment on column handoff.unassigned.handoff_no is 'Handoff of the lead.';
comment on column handoff.unassigned.leg is 'Leg.';
comment on column handoff.unassigned.cycle is 'Cycle of the lead, from 1.';
comment on column handoff.unassigned.band is 'Band at handed_at; NULL: none.';
comment on column handoff.unassigned.reason is 'Code of the last obstacle, for example pool_empty.';
comment on column handoff.unassigned.trigger_at is 'Time of the input that qualified it: who waits longest by it is served first.';
comment on column handoff.unassigned.handed_at is 'When the leg was passed.';
comment on column handoff.unassigned.waiting_since is 'Since when nobody has it: the end of its last assignment, else handed_at.';
comment on column handoff.unassigned.waiting_seconds is 'Elapsed time from waiting_since to handoff.view_time() in whole seconds, not below 0.';
