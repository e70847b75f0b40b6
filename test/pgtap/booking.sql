-- A booking makes its host the owner, and counts his turn; his clock is that of the meeting. A no-show returns the lead to work.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    delete from handoff.escalation;
    delete from handoff.sla where leg = 'mql_to_sdr' and name <> 'sdr_first_touch_hot';
    insert into handoff.sla (contract_id, name, ord, leg, metric, target, clock) values
        (1, 'meeting', 10, 'mql_to_sdr', 'meeting_held', '3 days', 'elapsed'), (1, 'next', 10, 'mql_to_sdr', 'next_touch', '1 day', 'elapsed');
    perform handoff.add_rep('ana', 'Ana', 'sdr', crm_id => '005A');
    perform handoff.add_rep('ben', 'Ben', 'sdr', crm_id => '005B');
    perform handoff.add_rep('cem', 'Cem', 'sdr', crm_id => '005C');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.add_rep('dan', 'Dan', crm_id => '005D');
    update handoff.pool set respect_schedule = false;
    perform handoff.publish();
end $$;
set local timezone = 'UTC';

create schema crm;
create table crm.lead (id text primary key, email text, company text, country text, industry text, seniority text, employees int, crm_owner text);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, page text, outcome text, rep text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', delete_grace => '0');
    perform handoff.attach('crm.act', 'activity', since => '-infinity', delete_grace => '0');
end $$;

create function pg_temp.broken() returns setof text language sql as $$
    select d.invariant || ' ' || d.what from handoff.doctor() d where d.severity = 'error'
    union all
    select concat_ws(' ', v.lead_key, v.what, v.by_log, v.by_state) from handoff.verify() v
$$;
create function pg_temp.act(lead text, at timestamptz, kind text, outcome text default null, rep text default null, page text default null) returns void language sql as $$
    insert into crm.act values (concat_ws(' ', lead, kind, outcome, at), lead, at, kind, page, outcome, rep)
$$;
-- a lead that asks for a demo at 9 on the 2nd of March
create function pg_temp.comes(lead text) returns text language plpgsql as $$ begin
    insert into crm.lead values (lead, lead || '@acme.de', 'Acme', 'DE', 'Software', 'C-Level', 500);
    perform pg_temp.act(lead, '2026-03-02 09:00', 'form', page => '/demo');
    perform handoff.tick('2026-03-02 09:00');
    return (select rep from handoff.handoff where lead_key = lead);
end $$;
create function pg_temp.owners(lead text) returns text language sql as $$
    select string_agg(concat_ws(' ', a.rep, a.reason, a.route, to_char(a.at, 'DD HH24:MI'), a.end_reason), ', ' order by a.handoff_no, a.n) from handoff.assignment a where a.lead_key = lead
$$;
create function pg_temp.clocks(lead text) returns text language sql as $$
    select string_agg(concat_ws(' ', c.name, c.n, to_char(c.started_at, 'DD HH24:MI'), to_char(c.due_at, 'DD HH24:MI'), coalesce(c.verdict, 'runs')), ', ' order by c.started_at, c.name, c.n)
    from handoff.clock c where c.lead_key = lead and c.kind = 'sla'
$$;

-- Ana has it; the lead books with Ben
select is(pg_temp.comes('a'), 'ana', 'Ana''s turn');
do $$ begin perform pg_temp.act('a', '2026-03-02 09:05', 'meeting', 'Booked', '005B'); perform handoff.tick('2026-03-02 09:10'); end $$;
select is(pg_temp.owners('a'), 'ana handoff sdr_team 02 09:00 booked, ben booked booked 02 09:10', 'the host has it');
select is(pg_temp.clocks('a'), 'sdr_first_touch_hot 1 02 09:00 02 09:15 void, meeting 1 02 09:05 05 09:05 runs', 'the clock of the meeting runs in place of the first touch');
select results_eq($$ select h.type, h.what from handoff.history('a') h where h.type in ('taken_away', 'assigned') order by h.seq offset 1 $$,
    $$ values ('taken_away', 'taken from ana, booked'), ('assigned', 'to ben, route booked') $$, 'history() tells');
select results_eq($$ select pool, rep, turns from handoff.pool_turn_due $$, $$ values ('sdr', 'ben', -1) $$, 'it was his turn');
do $$ begin perform handoff.tick('2026-03-02 09:20'); perform handoff.tick('2026-03-02 09:30'); end $$;
select is(pg_temp.owners('a'), 'ana handoff sdr_team 02 09:00 booked, ben booked booked 02 09:10', 'once');
-- Ben is behind Cem now, who is behind nobody
select is(pg_temp.comes('b'), 'cem', 'his turn was counted: the next one is Cem''s');
-- missed: back to work
do $$ begin perform pg_temp.act('a', '2026-03-04 10:00', 'meeting', 'No Show', '005B'); perform handoff.tick('2026-03-04 10:10'); end $$;
select is(pg_temp.clocks('a'), 'sdr_first_touch_hot 1 02 09:00 02 09:15 void, meeting 1 02 09:05 05 09:05 void, next 1 04 10:00 05 10:00 runs', 'a no-show is nobody''s fault, and a touch is owed');
-- booked anew with Cem, and held
do $$ begin
    perform pg_temp.act('a', '2026-03-04 12:00', 'meeting', 'Booked', '005C'); perform handoff.tick('2026-03-04 12:10');
    perform pg_temp.act('a', '2026-03-05 12:00', 'meeting', 'Held', '005C'); perform handoff.tick('2026-03-05 12:10');
end $$;
select is(pg_temp.owners('a'), 'ana handoff sdr_team 02 09:00 booked, ben booked booked 02 09:10 booked, cem booked booked 04 12:10', 'another host');
select matches(pg_temp.clocks('a'), 'meeting 2 04 12:00 07 12:00 met', 'held in time');

-- What was said since counts more
do $$ begin
    perform pg_temp.comes(k) from unnest('{c,d,e,f,g,h,i}'::text[]) k;
    perform handoff.reassign(k, 'ana', 'for the test', p_now => '2026-03-02 09:01') from handoff.handoff h, lateral (select h.lead_key) l (k)
    where k in ('c', 'd', 'e', 'f', 'g', 'h', 'i') and h.rep <> 'ana';
    perform handoff.tick('2026-03-02 09:02');
    -- c: by hand; d: in the CRM; both after the booking, which is told late
    perform handoff.reassign('c', 'cem', 'knows them', p_now => '2026-03-02 09:20');
    update crm.lead set crm_owner = '005D' where id = 'd';
    perform handoff.tick('2026-03-02 09:20');
    perform pg_temp.act('c', '2026-03-02 09:10', 'meeting', 'Booked', '005B');
    perform pg_temp.act('d', '2026-03-02 09:10', 'meeting', 'Booked', '005B');
    -- e: the CRM names somebody else with the same sync
    update crm.lead set crm_owner = '005D' where id = 'e';
    perform pg_temp.act('e', '2026-03-02 09:10', 'meeting', 'Booked', '005B');
    -- f: the host is no rep, g: nobody says who it is, h: it is who has it, i: by a rep's key
    perform pg_temp.act('f', '2026-03-02 09:10', 'meeting', 'Booked', '005X');
    perform pg_temp.act('g', '2026-03-02 09:10', 'meeting', 'Booked');
    perform pg_temp.act('h', '2026-03-02 09:10', 'meeting', 'Booked', '005A');
    perform pg_temp.act('i', '2026-03-02 09:10', 'meeting', 'Booked', 'ben');
    perform handoff.tick('2026-03-02 09:30');
end $$;
select is((select rep from handoff.handoff where lead_key = k), r, concat_ws(': ', k, w)) from (values
    ('c', 'cem', 'given to Cem by hand since'), ('d', 'dan', 'the CRM has named Dan since'), ('e', 'dan', 'the CRM names Dan with the same sync'),
    ('f', 'ana', 'the host is no rep'), ('g', 'ana', 'nobody says who hosts it'), ('h', 'ana', 'Ana hosts it herself'), ('i', 'ben', 'a rep''s key will do')) v (k, r, w);
select is((select count(*) from handoff.assignment where lead_key = 'h' and reason = 'booked'), 0::bigint, 'h: nothing changes');
select is((select reason from handoff.assignment where lead_key = 'e' and ended_at is null), 'crm', 'e: by the CRM');
-- a host who has left hosts nothing
do $$ begin
    perform handoff.deactivate_rep('ben');
    perform pg_temp.act('h', '2026-03-02 09:40', 'meeting', 'Booked', '005B');
    perform handoff.tick('2026-03-02 09:45');
end $$;
select is((select rep from handoff.handoff where lead_key = 'h'), 'ana', 'a host who has left');
do $$ begin perform handoff.activate_rep('ben'); perform handoff.tick('2026-03-02 09:50'); perform pg_temp.act('h', '2026-03-02 09:51', 'call'); perform handoff.tick('2026-03-02 09:52'); end $$;
select is((select rep from handoff.handoff where lead_key = 'h'), 'ben', 'or has come back');

-- Nobody has it: the host takes it, past any capacity
do $$ begin
    perform handoff.set_capacity(r, 0) from unnest('{ana,ben,cem}'::text[]) r;
    perform pg_temp.comes('n');
    perform pg_temp.act('n', '2026-03-02 09:10', 'meeting', 'Booked', '005B');
    perform handoff.tick('2026-03-02 09:11');
end $$;
select is(pg_temp.owners('n'), 'ben booked booked 02 09:11', 'it waited for a full pool');

-- Booked before it was handed over: the CRM's owner is the host, and it was his turn too
do $$ begin
    delete from handoff.pool_turn_due;
    insert into crm.lead values ('s', 's@acme.de', 'Acme', 'DE', 'Software', 'C-Level', 500, '005C');
    perform pg_temp.act('s', '2026-03-02 08:50', 'meeting', 'Booked', '005C');
    perform pg_temp.act('s', '2026-03-02 09:00', 'form', page => '/demo');
    perform handoff.tick('2026-03-02 09:00');
end $$;
select is(pg_temp.owners('s'), 'cem handoff booked_host 02 09:00', 'self-booked');
select results_eq($$ select pool, rep, turns from handoff.pool_turn_due $$, $$ values ('sdr', 'cem', -1) $$, 'his turn');

-- With a handoff that has ended, or in the API
do $$ begin
    perform handoff.disqualify('g', 'competitor', p_now => '2026-03-02 10:00');
    perform pg_temp.act('g', '2026-03-02 10:30', 'meeting', 'Booked', '005B');
    perform handoff.tick('2026-03-02 11:00');
    perform handoff.touch('f', 'meeting', outcome => 'Booked', rep => 'cem', p_now => '2026-03-02 10:00');
end $$;
select is((select rep from handoff.handoff where lead_key = 'g'), 'ana', 'what is over stays Ana''s');
select is((select rep from handoff.handoff where lead_key = 'f'), 'cem', 'touch() tells of a booking too');

-- News of the owner comes before escalation: what the same tick brings is settled first
do $$
declare
    v int := handoff.draft();
begin
    insert into handoff.escalation (contract_id, sla, step, offset_from_due, action, sync_wait) values
        (v, 'sdr_first_touch_hot', 1, '0', 'reassign', '0'), (v, 'sdr_first_touch_hot', 2, '1 hour', 'fallback', '0');
    update handoff.sla set clock = 'elapsed' where contract_id = v;
    perform handoff.publish(v);
    perform handoff.set_capacity(r, null) from unnest('{ana,ben,cem}'::text[]) r;
    perform handoff.tick('2026-03-02 09:00');
    perform pg_temp.comes('t');
    perform pg_temp.comes('u');
    update crm.lead set crm_owner = '005D' where id = 't';
    perform pg_temp.act('u', '2026-03-02 09:14', 'call');
    perform handoff.tick('2026-03-02 09:20');
end $$;
select is((select concat_ws(' ', h.rep, h.hops) from handoff.handoff h where lead_key = 't'), 'dan 0', 'another owner in the CRM: he keeps it');
select is_empty($$ select from handoff.escalation_done where lead_key = 't' $$, '.. for he has not let it lie');
select is_empty($$ select from handoff.escalation_done where lead_key = 'u' $$, 'a touch in time: nothing to escalate');
do $$ begin perform handoff.tick('2026-03-02 09:34'); end $$;
select is((select rep from handoff.handoff where lead_key = 't'), 'dan', 'for a quarter of an hour');
do $$ begin perform handoff.tick('2026-03-02 09:35'); end $$;
select isnt((select rep from handoff.handoff where lead_key = 't'), 'dan', 'which is over');
select is_empty($$ select pg_temp.broken() $$, 'all is well');

\i test/lib/routed.sql
select * from finish();
rollback;
