-- bench/s7_prepare.sql: :rows handoffs with all that belongs to them, straight into the tables: two years of leads of
-- two versions of the template, most of it over, the last two months partly under way.

set client_min_messages = warning;
set synchronous_commit = off;
select handoff.load_template('b2b_saas');
select handoff.publish(1);
select handoff.draft(1);
select handoff.publish(2);
select handoff.add_rep('rep' || i, 'Rep ' || i, pool => case when i < 30 then 'sdr' else 'ae' end, schedule => 'mon-fri 09:00-17:00 @ Europe/Berlin') from generate_series(0, 39) i;

-- Lead g has one handoff, each fourth one two: some of a second cycle, some of the next leg.
create table bench.plan as
select g, n, 'L' || lpad(g::text, 9, '0') as lead_key, at, at + (bench.pick(g, 20 + n, 100) / 100.0) ^ 4 * interval '4 days' as touch_at,
       bench.pick(g, 30 + n, 100) < 80 as touched, bench.pick(g, 40 + n, 100) < 60 as accepted,
       bench.pick(g, 50 + n, 100) < 93 or at < timestamptz '2026-04-01' as closed, at + bench.pick(g, 60 + n, 40) * interval '1 day' + interval '1 hour' as closed_at,
       case when n = 2 and g % 8 = 0 then 'sdr_to_ae' else 'mql_to_sdr' end as leg, case when n = 2 and g % 8 > 0 then 2 else 1 end as cycle
from (select g, n, timestamptz '2024-07-01 00:00+02' + bench.pick(g, 7, 700 * 86400) * interval '1 second' + (n - 1) * interval '60 days' as at
      from generate_series(1, :rows * 4 / 5) g, generate_series(1, case when g % 4 = 0 then 2 else 1 end) n) s
where at < '2026-07-01';
alter table bench.plan add outcome text;
update bench.plan set outcome = case when not closed or closed_at > '2026-06-30' then null
                                     when n = 1 and g % 8 = 0 then 'next_leg' when n = 1 and g % 4 = 0 then 'recycle'
                                     else (array['recycle', 'disqualified', 'recycle', 'won', 'lost', 'withdrawn', 'recycle', 'disqualified'])[1 + bench.pick(g, 70 + n, 8)] end;
update bench.plan set closed_at = null where outcome is null;
vacuum analyze bench.plan;

insert into handoff.lead (lead_key, source, raw_key, person_key, contract_id, stage, stage_since, fields, fit, half_life, intent, group_heat, score, band, signals,
                          cycle, cycle_since, trigger, trigger_at, seen_at, first_seen_at, decided_at, last_seq, handoffs, deleted_at, blocked_since, blocked_fields, gate_code)
select 'L' || lpad(g::text, 9, '0'), 'crm', g::text, 'p' || g || '@example.com', 1 + g % 2, (array['lead', 'mql', 'sal', 'recycled', 'disqualified', 'customer'])[1 + bench.pick(g, 80, 6)], '2026-01-01',
       jsonb_build_object('email', 'p' || g || '@example.com', 'company', 'Company ' || g, 'country', 'DE', 'industry', 'Software', 'title', 'Head of Something', 'phone', '+49 30 1234567', 'lead_source', 'web'),
       bench.pick(g, 81, 90), '7 days', '0', '{0,0}', bench.pick(g, 82, 100), (array['A', 'B', 'C'])[1 + g % 3], '{}', 1, '2024-01-01', 'activity', '2026-01-01', '2026-01-01', '2024-01-01', '2026-01-01', 1,
       1, case when g % 50 = 0 then timestamptz '2026-05-01' end, case when g % 200 = 1 then timestamptz '2026-06-01' end, case when g % 200 = 1 then '{company}'::text[] end, case when g % 100 = 2 then 'opt_out' end
from generate_series(1, :rows * 4 / 5) g;

insert into handoff.handoff (lead_key, handoff_no, cycle, leg, contract_id, origin, stage_from, band, fit, intent, score, segment, lead_source, trigger, trigger_at, seen_at, handed_at, month, incomplete,
                             route, pool, rep, assigned_at, owner_since, assignments, delivered_at, touches, contacts, channels, first_touch_at, first_touch_business_seconds, first_contact_at,
                             booked_at, meeting_held_at, no_show, accepted_at, accepted_how, qualified_at, disposed_at, outcome, code, closed_at, undone, opportunity_at, won_at, lost_at)
select lead_key, n, cycle, leg, 1 + g % 2, case when g % 20 = 3 then 'manual' when g % 20 = 4 then 'self_booked' else 'contract' end, 'lead', (array['A', 'B', 'C'])[1 + g % 3], 50, 20, 70,
       (array['enterprise', 'mid_market', 'small_business'])[1 + bench.pick(g, 90, 3)], (array['Web', 'Event', 'Partner', 'Referral', 'Ads', null])[1 + bench.pick(g, 91, 6)],
       'activity', at - interval '90 seconds', at - interval '30 seconds', at, date_trunc('month', at at time zone 'Europe/Berlin'), g % 30 = 0,
       case when leg = 'mql_to_sdr' then 'sdr_team' else 'ae_team' end, case when leg = 'mql_to_sdr' then 'sdr' else 'ae' end, 'rep' || bench.pick(g, 92, 30) + case when leg = 'mql_to_sdr' then 0 else 10 end,
       at + interval '2 seconds', at + interval '2 seconds', 1, at + interval '20 seconds', case when touched then 1 + bench.pick(g, 93, 7) else 0 end, case when touched then bench.pick(g, 94, 3) else 0 end,
       case when touched then (array['call', 'email', 'linkedin'])[1:1 + bench.pick(g, 95, 3)] else '{}' end, case when touched then touch_at end, case when touched then round(extract(epoch from touch_at - at)) / 3 end,
       case when touched and bench.pick(g, 94, 3) > 0 then touch_at + interval '1 day' end, case when g % 5 = 1 then at + interval '3 days' end, case when g % 10 = 1 then at + interval '6 days' end, g % 10 = 6,
       case when accepted then at + interval '1 day' end, case when accepted then 'explicit' end, case when outcome = 'next_leg' then closed_at end, closed_at, outcome,
       case outcome when 'recycle' then (array['timing', 'no_budget', 'no_response'])[1 + bench.pick(g, 96, 3)] when 'disqualified' then (array['bad_data', 'not_a_fit', 'student'])[1 + bench.pick(g, 97, 3)] end,
       closed_at, (g % 40 = 0)::int, case when g % 8 = 2 then at + interval '10 days' end, case when g % 16 = 2 then at + interval '40 days' end, null
from bench.plan;

insert into handoff.assignment (lead_key, handoff_no, n, route, pool, rep, reason, at, ended_at, passed_over, end_reason)
select h.lead_key, h.handoff_no, 1, h.route, h.pool, h.rep, 'handoff', h.assigned_at, h.closed_at, '{}', case when h.closed_at is not null then 'closed' end from handoff.handoff h;

-- acceptance and first touch of all, a decision of who was accepted, a step of the cadence; what is not over runs
insert into handoff.clock (lead_key, handoff_no, kind, name, n, rep, pool, started_at, due_at, stopped_at, verdict, business_seconds, next_at)
select p.lead_key, p.n, k.kind, k.name, 1, case when k.own then h.rep end, h.pool, k.since, k.since + k.target, k.until,
       case when k.until <= k.since + k.target then 'met' when k.until is not null then 'missed' end, round(extract(epoch from k.until - k.since) / 3), null
from bench.plan p
join handoff.handoff h on h.lead_key = p.lead_key and h.handoff_no = p.n
cross join lateral (values
    ('sla', case p.leg when 'mql_to_sdr' then 'sdr_accept' else 'ae_accept' end, true, p.at, interval '20 hours', coalesce(h.accepted_at, p.closed_at)),
    ('sla', case p.leg when 'mql_to_sdr' then 'sdr_first_touch' else 'ae_first_touch' end, false, p.at, interval '10 hours', coalesce(h.first_touch_at, p.closed_at)),
    ('sla', case p.leg when 'mql_to_sdr' then 'sdr_decision' else 'ae_decision' end, true, h.accepted_at, interval '15 days', p.closed_at),
    ('cadence', 'call', false, p.at, interval '1 day', coalesce(h.first_touch_at, p.closed_at))) k (kind, name, own, since, target, until)
where k.since is not null;

insert into handoff.stage_history (lead_key, seq, stage, owner, contract_id, entered_at, month, left_at, consistent, undone)
select p.lead_key, 10 * p.n + s.i, s.stage, s.owner, 1 + p.g % 2, s.since, date_trunc('month', s.since at time zone 'Europe/Berlin'), s.until, p.g % 25 > 0, p.g % 60 = 0 and s.i = 2
from bench.plan p
cross join lateral (values (0, 'lead', 'marketing', p.at - interval '9 days', p.at), (1, 'mql', 'sales', p.at, case when p.accepted then p.at + interval '1 day' else p.closed_at end),
    (2, 'sal', 'sales', case when p.accepted then p.at + interval '1 day' end, greatest(p.closed_at, p.at + interval '1 day'))) s (i, stage, owner, since, until)
where s.since is not null;

insert into handoff.event (lead_key, seq, at, recorded_at, type, contract_id, cycle, actor, detail)
select l.lead_key, e.seq, l.first_seen_at, l.first_seen_at, e.type, l.contract_id, 1, 'contract', e.detail
from handoff.lead l
cross join lateral (values (1, 'created', '{"stage": "lead"}'::jsonb), (2, 'scored', jsonb_build_object('fit', l.fit, 'band', l.band)),
    (3, case when l.gate_code is not null then 'gated' when l.blocked_since is not null then 'blocked' end,
     jsonb_build_object('leg', 'mql_to_sdr', 'code', l.gate_code, 'fields', to_jsonb(l.blocked_fields)))) e (seq, type, detail)
where e.type is not null;

insert into handoff.opportunity (opportunity_key, source, created_at, closed_at, amount, is_won, is_closed, seen_at)
select 'O' || g, 'opp', at + interval '10 days', at + interval '40 days', 1000 + bench.pick(g, 98, 50000), g % 16 = 2, g % 24 <> 10, at from bench.plan where g % 8 = 2 and n = 1;
insert into handoff.opportunity_link (lead_key, opportunity_key, source, link_key, link_kind) select lead_key, 'O' || g, 'opp', 'k' || g, 'converted' from bench.plan where g % 8 = 2 and n = 1;
insert into handoff.activity (lead_key, source, activity_key, at, seen_at, taken_at, fields, meanings)
select lead_key, 'act', 'a' || g || '/' || n, at - interval '90 seconds', at, at, '{"kind": "form", "channel": "web"}', '{marketing,signal:demo_request}' from bench.plan;
drop table bench.plan;
vacuum analyze;

-- Each view as a dashboard asks for it, and what somebody would write who knows the tables, for the same numbers.
create table bench.question (n int generated always as identity, name text, view text, hand text, note text not null default '');
