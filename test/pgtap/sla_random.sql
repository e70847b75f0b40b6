-- Clocks of random histories: what is known in order, as it happens, and what is known late and in any order, come
-- to the same; and to what SQL makes of the activities by itself.
begin;
set local client_min_messages = warning;
select plan(7);
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.add_rep('ana', 'Ana', 'sdr', schedule => 'mon-fri 10:00-14:00 15:00-19:00; sat 08:00-12:00 @ America/New_York');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.add_rep('eva', 'Eva', 'ae');
    delete from handoff.sla where leg = 'mql_to_sdr';
    insert into handoff.sla (contract_id, name, ord, leg, metric, target, clock) values
        (1, 'touch', 1, 'mql_to_sdr', 'first_touch', '3 hours 20 minutes', 'business'),
        (1, 'again', 1, 'mql_to_sdr', 'next_touch', '5 hours', 'business'),
        (1, 'meet', 1, 'mql_to_sdr', 'meeting_held', '1 day 6 hours', 'elapsed');
    update handoff.pool set respect_schedule = false;
    perform handoff.publish();
end $$;
set local timezone = 'UTC';

create schema crm;
create table crm.lead (id text primary key, email text, company text, country text, industry text, seniority text, employees int, updated_at timestamptz);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, page text, channel text, outcome text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', delete_grace => '0');
    perform handoff.attach('crm.act', 'activity', since => '-infinity', delete_grace => '0');
end $$;

-- 40 leads twice: i comes as it happens, o in the end and in any order; calls only for the first 20
create temp table happened as
select format('%s%s', side, l) as lead, l, n, side, '2026-03-05 14:00+00'::timestamptz + (l % 7) * interval '97 minutes' as begins,
       '2026-03-05 14:00+00'::timestamptz + (l % 7) * interval '97 minutes'
           + make_interval(secs => (abs(hashtextextended(format('%s/%s', l, n), 1)) % 500000)::int) as at,
       case when l <= 20 then 0 else abs(hashtextextended(format('%s/%s', l, n), 2)) % 6 end as what
from generate_series(1, 40) l, generate_series(1, 9) n, (values ('i'), ('o')) s (side);

do $$ declare
    now timestamptz := '2026-03-05 14:00+00';
begin
    insert into crm.lead select distinct lead, lead || '@' || lead || '.de', lead, 'DE', 'Software', 'C-Level', 500, begins - interval '1 hour' from happened;
    while now <= '2026-03-12 00:00+00' loop
        insert into crm.act select distinct lead || ' demo', lead, begins, 'form', '/demo' from happened
        where begins > now - interval '97 minutes' and begins <= now;
        insert into crm.act
        select h.lead || ' ' || h.n, h.lead, h.at, case when h.what < 3 then 'call' else 'meeting' end, null, null,
               case h.what when 3 then 'Booked' when 4 then 'Held' when 5 then 'No Show' end
        from happened h where h.side = 'i' and h.at > now - interval '97 minutes' and h.at <= now;
        perform handoff.tick(now);
        now := now + interval '97 minutes';
    end loop;
    for step in 0..9 loop
        insert into crm.act
        select h.lead || ' ' || h.n, h.lead, h.at, case when h.what < 3 then 'call' else 'meeting' end, null, null,
               case h.what when 3 then 'Booked' when 4 then 'Held' when 5 then 'No Show' end
        from happened h where h.side = 'o' and abs(hashtextextended(format('%s/%s', h.l, h.n), 3)) % 10 = step;
        perform handoff.tick('2026-03-12 01:00+00'::timestamptz + make_interval(mins => step));
    end loop;
end $$;

select is((select count(*) from handoff.handoff where handed_at between '2026-03-05 14:00+00' and '2026-03-06 06:00+00'), 80::bigint, 'all were handed over in time');
create temp view found as
select substr(k.lead_key, 1, 1) as side, substr(k.lead_key, 2)::int as l, k.name, k.n, k.started_at - h.handed_at as started, k.due_at - h.handed_at as due,
       k.stopped_at - h.handed_at as stopped, k.verdict, k.business_seconds, h.handed_at
from handoff.clock k join handoff.handoff h using (lead_key, handoff_no) where k.kind = 'sla' and h.leg = 'mql_to_sdr';
select cmp_ok((select count(*) from found where n > 2), '>', 200::bigint, 'many clocks');
select is((select string_agg(distinct verdict, ' ' order by verdict) from found), 'met missed void', 'of every verdict');
-- a clock that moved away may have left a void one behind
select set_eq($$
    select l, name, started, due, stopped, verdict, business_seconds from found where side = 'i' and verdict is distinct from 'void'
$$, $$
    select l, name, started, due, stopped, verdict, business_seconds from found where side = 'o' and verdict is distinct from 'void'
$$, 'in order or not, it is the same');
-- and as SQL has it, where there are calls only
create temp view calls as
select h.lead_key, h.handed_at, a.at, lead(a.at) over (partition by h.lead_key order by a.at) as next
from handoff.handoff h join crm.act a on a.lead_key = h.lead_key and a.kind = 'call' and a.at >= h.handed_at
where substr(h.lead_key, 2)::int <= 20;
select bag_eq($$
    select k.lead_key, k.started_at, k.due_at, k.stopped_at, k.verdict, k.business_seconds from handoff.clock k
    where k.name = 'again' and substr(k.lead_key, 2)::int <= 20
$$, $$
    select c.lead_key, c.at, d.due, c.next, case when c.next <= d.due then 'met' when c.next is not null then 'missed' end,
           extract(epoch from handoff.business_between('mon-fri 10:00-14:00 15:00-19:00; sat 08:00-12:00 @ America/New_York'::handoff.schedule, c.at, c.next))
    from calls c,
         handoff.business_add('mon-fri 10:00-14:00 15:00-19:00; sat 08:00-12:00 @ America/New_York'::handoff.schedule, c.at, '5 hours') d (due)
$$, 'from call to call in the owner''s hours');
select bag_eq($$
    select k.lead_key, k.due_at, k.stopped_at, k.verdict from handoff.clock k where k.name = 'touch' and substr(k.lead_key, 2)::int <= 20
$$, $$
    select c.lead_key, d.due, c.at, case when c.at <= d.due then 'met' else 'missed' end
    from (select lead_key, handed_at, min(at) as at from calls group by lead_key, handed_at) c,
         handoff.business_add('office_berlin', c.handed_at, '3 hours 20 minutes') d (due)
$$, 'and the first call in the office''s');
select is_empty($$
    select d.invariant || ' ' || d.what from handoff.doctor() d where d.severity = 'error'
    union all
    select concat_ws(' ', v.lead_key, v.what, v.by_log, v.by_state) from handoff.verify() v
$$, 'nothing is broken');

select * from finish();
rollback;
