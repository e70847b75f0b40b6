-- test/bank/expect.sql: what must have come out, from the rows alone.
--
-- Written by hand, from the contract as people would agree on it (contract.json, changed.sql), not from
-- what the extension does: points are a CASE, thresholds are comparisons, time is arithmetic. Where the
-- second version of the contract differs, both stand side by side: case v when 1 then .. else .. end.

-- Points ---------------------------------------------------------------------------------------------

create view bank.judged as
with p as materialized (
    select r.*, r.contract as v, r.euribor3m::numeric as euribor,
           case when age < 30 and marital <> 'married' then 'young'
                when age >= 25 and age < 60 then 'family'
                when age >= 60 then 'senior'
                else 'other' end as life_phase,
           case when emp_var_rate < -1.5 and euribor3m::numeric < 2 then 'slump'
                when emp_var_rate > 0 then 'boom' end as economy
    from bank.version r
), s as materialized (
    select p.*,
           case when life_phase = 'senior' or job = 'retired' then 'pensioner'
                when education in ('university.degree', 'professional.course')
                     and (job in ('admin.', 'management', 'technician') or v = 2 and job = 'entrepreneur') then 'career'
                when job in ('blue-collar', 'services', 'housemaid') then 'trades'
                else 'other' end as segment
    from p
), points as materialized (
    select s.*,
    greatest(-12, least(30,
          case when age < 20 then 12 else 0 end
        + case when age between 20 and 24 then 8 else 0 end
        + case when age between 25 and 29 then 3 else 0 end
        + case when age between 30 and 39 then -1 else 0 end
        + case when age between 40 and 49 then -3 else 0 end
        + case when age between 50 and 59 then -2 else 0 end
        + case when age between 60 and 69 then case v when 1 then 10 else 7 end else 0 end
        + case when age between 70 and 79 then 14 else 0 end
        + case when age >= 80 then 16 else 0 end
        + case job when 'student' then 12 when 'retired' then 10 when 'admin.' then 3 when 'blue-collar' then -5 - 1
                   when 'services' then -3 when 'housemaid' then -3 when 'entrepreneur' then -2 when 'self-employed' then -2 - 1
                   when 'management' then 1 when 'technician' then 2 when 'unemployed' then 4 when 'unknown' then -4 else 0 end
        + case education when 'university.degree' then 5 + 1 when 'basic.4y' then -4 - 1 when 'basic.6y' then -4
                         when 'basic.9y' then -4 when 'high.school' then 1 + 1 when 'professional.course' then 2 + 1
                         when 'illiterate' then 6 when 'unknown' then 1 else 0 end
        + case marital when 'single' then 4 when 'divorced' then -1 when 'married' then 0 else -3 end
        + case when marital = 'married' and age >= 30 and age <= 45 then -2 else 0 end
        + case when marital = 'single' and job = 'student' then 3 else 0 end
        + case when marital = 'single' and education = 'university.degree' and age < 40 then 2 else 0 end
        + case life_phase when 'young' then 2 when 'senior' then 5 else 0 end
        + case segment when 'pensioner' then 4 when 'career' then 2 when 'trades' then -2 else 0 end
        + case when v = 2 and education = 'university.degree' and economy = 'slump' then 6 else 0 end
    )) as person,
    greatest(-6, least(6,
          case "default" when 'no' then 3 when 'unknown' then -4 when 'yes' then -10 end
        + case housing when 'yes' then 1 when 'unknown' then -1 else 0 end
        + case loan when 'yes' then -2 - 1 when 'no' then 1 else 0 end
        + case when housing <> 'yes' and loan <> 'yes' then 2 else 0 end
        + case when housing = 'yes' and loan = 'yes' then -3 else 0 end
        + case when housing = 'yes' and loan <> 'yes' then 1 else 0 end
        + case when housing <> loan then 1 else 0 end
        + case when "default" = 'unknown' and housing = 'unknown' then -2 else 0 end
    )) as means,
    greatest(case v when 1 then -6 else -3 end, least(45,
          case when pdays is null then -3 when pdays <= 7 then 15 + 2 when pdays <= 14 then 12 + 2 else 6 + 2 end
        + case when pdays = 3 or pdays = 6 then 3 else 0 end
        + case when previous = 1 then 2 when previous > 4 then 5 - 4 when previous >= 2 then 5 else 0 end
        + case poutcome when 'success' then case v when 1 then 25 else 18 end + 2 when 'failure' then -2 else -1 end
        + case when poutcome = 'success' and pdays >= 1 and pdays <= 10 then 6 else 0 end
        + case when poutcome = 'failure' then case when pdays is null then -1 else 3 end else 0 end
        + case when previous <> 0 and pdays is null then 1 else 0 end
    )) as past,
    greatest(-20, least(case v when 1 then 40 else 33 end,
          case month when 'may' then -6 + 1 when 'jun' then -2 when 'jul' then -2 when 'aug' then -2 when 'apr' then 5
                     when 'nov' then -3 when 'mar' then case v when 1 then 12 else 9 end + 1
                     else case v when 1 then 12 else 9 end end
        + case contact_type when 'cellular' then case v when 1 then 5 else 8 end else -5 end
        + case day when 'mon' then -1 when 'tue' then 1 when 'wed' then 1 when 'thu' then 1 else -1 end
        + case when euribor < 1 then 12 when euribor <= 2 then 8 else 0 end
        + case when euribor > 4.85 then -4 else 0 end
        + case when euribor >= 4 and euribor < 4.9 then -3 else 0 end
        + case when euribor >= 2 then -2 else 0 end
        + case when emp_var_rate < -1 then 5 else 0 end
        + case when emp_var_rate <= -2.9 then 5 else 0 end
        + case when emp_var_rate > 1 then -4 else 0 end
        + case when emp_var_rate >= -0.2 and emp_var_rate <= 0.5 then -1 else 0 end
        + case when cons_price_idx < 93 then 3 when cons_price_idx = 93.994 then -2 when cons_price_idx >= 94.4 then 2 else 0 end
        + case when cons_conf_idx <= -46.2 then -2 when cons_conf_idx > -35 then 6 else 0 end
        + case when nr_employed < 5050 then 6 when nr_employed = 5228.1 then -3 when nr_employed = 5195.8 then -3 else 0 end
        + case economy when 'slump' then 3 when 'boom' then -2 else -1 end
        + case extract(year from contact_day) when 2008 then -2 when 2010 then 2 else 0 end
        + case when to_char(contact_day, 'YYYY-MM') in ('2010-09', '2010-10', '2010-11') then 3 else 0 end
    )) as moment,
    least(5,
          case campaign when 1 then 3 when 2 then 1 else 0 end
        + case when campaign > 5 then -5 else 0 end
        + case when campaign > 10 then -6 else 0 end
        + case when v = 1 and campaign >= 20 then -10 else 0 end
        + case when campaign in (3, 4, 5) and poutcome is null then -1 else 0 end
        + case when campaign > 3 and job = 'retired' then 4 else 0 end
    ) as effort
    from s
)
select q.*, greatest(-40, least(90, person + means + past + moment + effort)) as fit
from points q;

-- Whether a client is ready, at each time at which he changed -----------------------------------------

create function bank.after(at timestamptz, span interval) returns timestamptz
    language sql immutable
return (at at time zone 'Europe/Lisbon' + span) at time zone 'Europe/Lisbon';

create view bank.spelled as
with j as materialized (
    select * from bank.judged
), f as materialized (
    select j.*,
           case when v = 1 and fit >= 40 or v = 2 and fit >= 36 then 'A'
                when v = 1 and fit >= 24 or v = 2 and fit >= 27 then 'B'
                when v = 1 and fit >= 4 or v = 2 and fit >= 8 then 'C'
                else 'D' end as band,
           case when "default" = 'yes' then 'in_default'
                when v = 1 and housing = 'yes' and loan = 'yes' and cons_price_idx > 93 then 'indebted'
                when contact_type = 'telephone' and (v = 1 and day = 'fri' or v = 2 and month = 'may') then 'unreachable'
                when campaign >= 8 then 'exhausted' end as gate,
           array_remove(array[case when age not between 18 and 90 then 'age' end,
                              case when education = 'unknown' then 'education' end,
                              case when job = 'unknown' then 'job' end,
                              case when v = 2 and marital = 'unknown' then 'marital' end], null) as missing
    from j
)
select f.*,
       band in ('A', 'B') as wanted,
       not gone and band in ('A', 'B') and gate is null and missing = '{}' as ready,
       not gone and band in ('A', 'B') and gate is null and missing <> '{}' as blocked,
       not gone and band in ('A', 'B') and gate = 'exhausted' as rejected,
       lag(gone, 1, false) over (partition by id order by at) as is_back,
       lead(at, 1, 'infinity') over (partition by id order by at) as until
from f;

-- The same, kept: bank.path reads it more than once.
create table bank.spell as table bank.spelled with no data;
create index on bank.spell (id);

create procedure bank.spell()
    language sql
as $$
    truncate bank.spell;
    insert into bank.spell table bank.spelled;
    analyze bank.spell;
$$;

-- The first tick from a moment on, before another; NULL: there is none.
create function bank.first_tick(since timestamptz, before timestamptz) returns timestamptz
    language sql stable
return (select min(b.at) from bank.batch b where b.seconds is not null and b.at >= since and b.at < before);

-- Where that led: handed over when first ready, or when blocked for too long; expired in the end.
create view bank.path as
with run as (
    -- being deleted does not end a run of being blocked
    select s.*,
           count(*) filter (where not blocked and not gone) over (partition by id order by at) as run,
           max(at) filter (where is_back) over (partition by id order by at) as back_at
    from bank.spell s
), spell as materialized (
    select r.*, min(at) filter (where blocked) over (partition by id, run) as blocked_since
    from run r
), way as (
    select id,
           min(at) filter (where ready) as ready_at,
           min(bank.first_tick(greatest(at, bank.after(blocked_since, case v when 1 then interval '60 days' else '45 days' end)), until))
               filter (where blocked) as given_up_at,
           min(at) filter (where rejected) as rejected_at
    from spell
    group by id
), outcome as (
    select id,
           case when rejected_at < handed_at or handed_at is null then rejected_at end as rejected_at,
           case when rejected_at < handed_at then null else handed_at end as handed_at,
           coalesce(given_up_at < ready_at, ready_at is null) as is_incomplete
    from way, lateral (select least(ready_at, given_up_at) as handed_at) h
), expiry as (
    select id,
           -- who comes back is given the whole time again
           min(bank.first_tick(greatest(at, bank.after(greatest(handed_at, back_at), case v when 1 then interval '180 days' else '120 days' end)), until)) as expired_at
    from outcome join spell using (id)
    where handed_at is not null and not gone
    group by id
), removal as (
    -- a row that comes back takes its handoff up again
    select id, at as removed_at from spell where gone and until = 'infinity'
)
select o.*, e.expired_at,
       coalesce(e.expired_at, case when r.removed_at > o.handed_at then r.removed_at end) as closed_at
from outcome o
left join expiry e using (id)
left join removal r using (id);

-- The leads, as they must be now -----------------------------------------------------------------------

create view bank.expected as
with present as (
    select max(at) as at from bank.batch where seconds is not null
), latest as (
    select distinct on (s.id) s.* from bank.spell s where not s.gone order by s.id, s.at desc
), state as (
    select l.*, l.until < 'infinity' as deleted,
           case when l.until < 'infinity' then (select max(b.at) from bank.batch b where b.seconds is not null and b.at < l.until)
                else p.at end as as_of
    from latest l, present p
), call as (
    select s.id,
           count(a.id) as touches,
           count(a.id) filter (where a.channel = 'cellular') as contacts,
           count(a.id) filter (where a.at <= s.as_of and a.at > s.as_of - interval '1 hour') as last_hour,
           count(a.id) filter (where a.at <= s.as_of and a.at > bank.after(s.as_of, '-30 days')) as last_month,
           count(a.id) filter (where a.at <= s.as_of and a.at > bank.after(s.as_of, '-200 days')) as last_200_days,
           count(a.id) filter (where a.at <= s.as_of and a.attempt_no >= 4) as from_the_fourth
    from state s
    left join bank.attempt a on a.client_id = s.id
    group by s.id
), signal as (
    select c.*,
           case s.v when 1 then last_hour >= 3 else last_month >= 2 end as keen,
           last_200_days >= 5 as persistent,
           from_the_fourth >= 4 as worn_out
    from call c join state s using (id)
)
select s.id, s.v, s.deleted, s.fit, s.fit as score, s.band, s.segment,
       array_remove(array[case when keen then 'keen' end, case when persistent then 'persistent' end,
                          case when worn_out then 'worn_out' end], null) as signals,
       case when p.rejected_at is not null then 'disqualified'
            when p.expired_at is not null then 'expired'
            when p.handed_at is not null then 'handed'
            when s.band <> 'D' or keen then 'warm'
            else 'contact' end as stage,
       coalesce(p.rejected_at, p.expired_at, p.handed_at) as stage_since,
       p.handed_at,
       p.is_incomplete,
       row(p.handed_at, o.v, case when p.handed_at is not null then 'warm' end, o.fit, o.fit, o.band, o.segment,
           case when p.handed_at is not null then p.is_incomplete end, null::text,
           case when p.closed_at is null then null when p.closed_at = p.expired_at then 'recycle' else 'withdrawn' end,
           p.closed_at)::text as handoff,
       case when coalesce(p.rejected_at, p.handed_at) is null and s.wanted then s.gate end as gate_code,
       case when coalesce(p.rejected_at, p.handed_at) is null and s.blocked then s.missing end as blocked_fields,
       c.touches, c.contacts,
       jsonb_strip_nulls(jsonb_build_object(
           'age', s.age, 'job', s.job, 'marital', s.marital, 'education', s.education, 'in_default', s."default",
           'housing', s.housing, 'loan', s.loan, 'products', s.products, 'contact_type', s.contact_type, 'month', s.month,
           'day', s.day, 'contact_day', s.contact_day, 'campaign', s.campaign, 'pdays', s.pdays,
           'called_before', s.called_before, 'previous', s.previous, 'poutcome', s.poutcome, 'emp_var_rate', s.emp_var_rate,
           'cons_price_idx', s.cons_price_idx, 'cons_conf_idx', s.cons_conf_idx, 'euribor3m', s.euribor,
           'nr_employed', s.nr_employed)) as fields,
       s.created_at
from state s
join signal c using (id)
join bank.path p using (id)
left join bank.spell o on o.id = s.id and o.at <= p.handed_at and o.until > p.handed_at;

-- The leads, as they are, and the difference ------------------------------------------------------------

create table bank.answer as table bank.expected with no data;

create procedure bank.answer()
    language plpgsql
as $$
begin
    call bank.spell();
    if exists (select from bank.kept) then
        call bank.release();
        call bank.spell();
    end if;
    truncate bank.answer;
    insert into bank.answer table bank.expected;
end
$$;

create view bank.difference as
select e.id, l.lead_key, d.*
from bank.answer e
full join handoff.lead l on l.lead_key = e.id::text
left join lateral (
    select count(*) filter (where 'touch' = any (a.meanings)) as touches,
           count(*) filter (where 'contact' = any (a.meanings)) as contacts
    from handoff.activity a where a.lead_key = l.lead_key
) a on true
left join handoff.stage_history h on h.lead_key = l.lead_key and h.stage = 'handed'
left join handoff.handoff o on o.lead_key = l.lead_key
cross join lateral (values
    ('lead', e.id::text, l.lead_key),
    ('contract', e.v::text, l.contract_id::text),
    ('deleted', e.deleted::text, (l.deleted_at is not null)::text),
    ('fields', e.fields::text, (l.fields - 'created_at')::text),
    ('created_at', e.created_at::text, (l.fields ->> 'created_at')::timestamptz::text),
    ('fit', e.fit::text, l.fit::text),
    ('score', e.score::text, l.score::text),
    ('band', e.band, l.band),
    ('signals', e.signals::text, l.signals::text),
    ('stage', e.stage, l.stage),
    ('stage_since', e.stage_since::text, case when l.stage not in ('contact', 'warm') then l.stage_since end::text),
    ('handed_at', e.handed_at::text, h.entered_at::text),
    ('handoff', e.handoff, row(o.handed_at, o.contract_id, o.stage_from, o.fit, o.score, o.band, o.segment,
                                     o.incomplete, o.pool, o.outcome, o.closed_at)::text),
    ('handed complete', case when e.handed_at is not null then not e.is_incomplete end::text, h.consistent::text),
    ('gate_code', e.gate_code, l.gate_code),
    ('blocked_fields', e.blocked_fields::text, l.blocked_fields::text),
    ('touches', e.touches::text, a.touches::text),
    ('contacts', e.contacts::text, a.contacts::text)
) d (what, expected, actual)
where d.expected is distinct from d.actual;
