-- test/truth/20-speed.sql: how fast and how often sales answers, by docs/learn.md: a handoff that was not touched counts with its time until it was
-- closed, or until now.

-- How long each took: elapsed time, and open time of the calendar of its contract; that of a touch as it was found then, if it was.
create table truth.wait as
select h.*, h.first_touch_at is not null as touched, h.open and h.first_touch_at is null as waits, greatest(extract(epoch from u.upto - h.trigger_at), 0) as wall,
       coalesce(h.first_touch_business_seconds, truth.open_seconds(c.calendar, h.trigger_at, u.upto)) as business
from truth.handoff h
join handoff.contract c using (contract_id)
cross join lateral coalesce(h.first_touch_at, h.closed_at, truth.now()) u (upto);
analyze truth.wait;

-- All handoffs once a dimension; shares are of all handoffs.
create table truth.speed as
select w.cohort as month, w.leg, d.dimension, d.value, count(*) as handed, count(*) filter (where touched) as touched,
       truth.share(count(*) filter (where touched and wall <= 300), count(*)) as within_5m, count(*) filter (where touched and wall <= 300) as within_5m_num, count(*) as within_5m_den, count(*) filter (where waits and wall <= 300) as within_5m_open,
       truth.share(count(*) filter (where touched and wall <= 3600), count(*)) as within_1h, count(*) filter (where touched and wall <= 3600) as within_1h_num, count(*) as within_1h_den, count(*) filter (where waits and wall <= 3600) as within_1h_open,
       truth.share(count(*) filter (where touched and wall <= 86400), count(*)) as within_24h, count(*) filter (where touched and wall <= 86400) as within_24h_num, count(*) as within_24h_den, count(*) filter (where waits and wall <= 86400) as within_24h_open,
       truth.kaplan_meier(array_agg(wall), array_agg(touched), 0.5) as median_seconds, truth.kaplan_meier(array_agg(wall), array_agg(touched), 0.9) as p90_seconds,
       truth.share(count(*) filter (where touched and business <= 300), count(*)) as within_5m_business, count(*) filter (where touched and business <= 300) as within_5m_business_num, count(*) as within_5m_business_den, count(*) filter (where waits and business <= 300) as within_5m_business_open,
       truth.share(count(*) filter (where touched and business <= 3600), count(*)) as within_1h_business, count(*) filter (where touched and business <= 3600) as within_1h_business_num, count(*) as within_1h_business_den, count(*) filter (where waits and business <= 3600) as within_1h_business_open,
       truth.share(count(*) filter (where touched and business <= 86400), count(*)) as within_24h_business, count(*) filter (where touched and business <= 86400) as within_24h_business_num, count(*) as within_24h_business_den, count(*) filter (where waits and business <= 86400) as within_24h_business_open,
       truth.kaplan_meier(array_agg(business), array_agg(touched), 0.5) as median_business_seconds, truth.kaplan_meier(array_agg(business), array_agg(touched), 0.9) as p90_business_seconds
from truth.wait w
cross join lateral (values ('all', null), ('pool', pool), ('band', band), ('segment', segment), ('version', contract_id::text), ('rep', rep)) d (dimension, value)
group by w.cohort, w.leg, d.dimension, d.value;

create table truth.speed_to_lead as select * from truth.speed where dimension <> 'rep';
create table truth.speed_to_lead_rep as select * from truth.speed where dimension = 'rep';
alter table truth.speed_to_lead_rep drop dimension;
alter table truth.speed_to_lead_rep rename value to rep;

-- Hop by hop, six rows a month and leg. The first begins where it is known when the input was captured.
create table truth.response_split as
select cohort as month, leg, position::int, hop, count(*) as handed, count(a) as begun, count(*) filter (where a is not null and b is not null) as ended,
       truth.kaplan_meier(array_agg(took) filter (where a is not null), array_agg(b is not null) filter (where a is not null), 0.5) as median_seconds,
       truth.kaplan_meier(array_agg(took) filter (where a is not null), array_agg(b is not null) filter (where a is not null), 0.9) as p90_seconds
from truth.handoff
cross join lateral (values
    (1, 'occurred_to_seen', case when seen_at is not null then trigger_at end, seen_at), (2, 'seen_to_handed', seen_at, handed_at), (3, 'handed_to_assigned', handed_at, assigned_at),
    (4, 'assigned_to_delivered', assigned_at, delivered_at), (5, 'delivered_to_touched', delivered_at, first_touch_at), (6, 'assigned_to_touched', assigned_at, first_touch_at)) s (position, hop, a, b)
cross join lateral greatest(extract(epoch from coalesce(b, closed_at, truth.now()) - a), 0) t (took)
group by cohort, leg, position, hop;

-- Handoffs by how often somebody tried.
create table truth.follow_up_depth as
with tried as (
    select cohort as month, leg, outcome, code, open, touches as t, cardinality(channels) as c, contacts as n from truth.handoff
)
select month, leg, outcome, code, count(*) as handed,
       count(*) filter (where t = 0) as touches_0, count(*) filter (where t = 1) as touches_1, count(*) filter (where t = 2) as touches_2, count(*) filter (where t = 3) as touches_3, count(*) filter (where t = 4) as touches_4,
       count(*) filter (where t = 5) as touches_5, count(*) filter (where t > 5) as touches_6_up, round(sum(t)::numeric / count(*), 4) as average_touches,
       count(*) filter (where c = 0) as channels_0, count(*) filter (where c = 1) as channels_1, count(*) filter (where c = 2) as channels_2, count(*) filter (where c > 2) as channels_3_up, round(sum(c)::numeric / count(*), 4) as average_channels,
       count(*) filter (where n = 0) as contacts_0, count(*) filter (where n = 1) as contacts_1, count(*) filter (where n = 2) as contacts_2, count(*) filter (where n > 2) as contacts_3_up, round(sum(n)::numeric / count(*), 4) as average_contacts,
       truth.share(count(*) filter (where t > 5), count(*)) as six_touches, count(*) filter (where t > 5) as six_touches_num, count(*) as six_touches_den, count(*) filter (where open and t < 6) as six_touches_open,
       truth.share(count(*) filter (where t = 0), count(*)) as never_touched, count(*) filter (where t = 0) as never_touched_num, count(*) as never_touched_den, count(*) filter (where open and t = 0) as never_touched_open
from tried
group by month, leg, outcome, code;
