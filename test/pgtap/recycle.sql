-- Recycle paths: the stage that a lead comes back to is the path's, whatever brings it back.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    delete from handoff.escalation;
    insert into handoff.stage (contract_id, name, position, owner) values (1, 'warm', 15, 'marketing');
    insert into handoff.transition (contract_id, ord, from_stage, to_stage, event, leg) values (1, 15, 'warm', 'mql', 'scored', 'mql_to_sdr');
    update handoff.recycle_path set to_stage = 'warm' where name = 'later';
    perform handoff.add_rep('ana', 'Ana', 'sdr', schedule => '24x7 @ UTC');
    perform handoff.add_rep('eva', 'Eva', 'ae');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.publish();
end $$;
set local timezone = 'UTC';
create schema crm;
create table crm.lead (id text primary key, email text, company text, country text, industry text, seniority text, employees int, updated_at timestamptz);
create table crm.act (id int generated always as identity primary key, lead_key text, at timestamptz, kind text, page text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
end $$;
-- handed over on the 2nd of March, and given up for a reason
create function pg_temp.recycled(lead text, code text) returns void language plpgsql as $$ begin
    insert into crm.lead values (lead, lead || '@' || lead || '.de', lead, 'DE', 'Software', 'C-Level', 500, '2026-03-02 08:00');
    insert into crm.act (lead_key, at, kind, page) values (lead, '2026-03-02 09:00', 'form', '/demo');
    perform handoff.tick('2026-03-02 09:00');
    perform handoff.recycle(lead, code, 'next year', p_now => '2026-03-02 10:00');
end $$;
create function pg_temp.asks(lead text, at timestamptz) returns void language plpgsql as $$ begin
    insert into crm.act (lead_key, at, kind, page) values (lead, asks.at, 'form', '/demo');
    perform handoff.tick(asks.at);
end $$;
create function pg_temp.stays(lead text) returns text language sql as $$
    select string_agg(s.stage || ' ' || to_char(s.entered_at, 'MM-DD'), ', ' order by s.seq) from handoff.stage_history s where s.lead_key = lead
$$;
create function pg_temp.broken() returns setof text language sql as $$
    select d.invariant || ' ' || d.what from handoff.doctor() d where d.severity = 'error'
    union all
    select concat_ws(' ', v.lead_key, v.what, v.by_log, v.by_state) from handoff.verify() v
$$;

do $$ begin
    perform pg_temp.recycled('a', 'timing');
    perform pg_temp.recycled('b', 'timing');
    perform pg_temp.recycled('c', 'no_budget');
    perform pg_temp.asks('b', '2026-03-20 09:00');
    perform handoff.tick('2026-06-01 12:00');
end $$;
select is(pg_temp.stays('a'), 'lead 03-02, mql 03-02, recycled 03-02, warm 06-01', 'its time has come: to the stage of its path');
select is(pg_temp.stays('b'), 'lead 03-02, mql 03-02, recycled 03-02, warm 03-20, mql 03-20, recycled 06-01', 'a signal brings it there too, and on');
select is(pg_temp.stays('c'), 'lead 03-02, mql 03-02, recycled 03-02', 'another path takes longer');
select is((select detail ->> 'override' from handoff.event where lead_key = 'a' and type = 'stage' and detail ->> 'to' = 'warm'), 'path', 'the log says who wanted it');
do $$ begin perform handoff.tick('2026-08-30 12:00'); end $$;
select is(pg_temp.stays('c'), 'lead 03-02, mql 03-02, recycled 03-02, lead 08-30', 'and leads where the contract''s transition does');
select is((select cycle from handoff.lead where lead_key = 'b'), 2, 'what comes back is a new cycle');

-- Lost: by a path of its own, which nobody gives ----------------------------------------------------

create table crm.opp (id text primary key, created_at timestamptz, closed_at timestamptz, is_won boolean, is_closed boolean);
create table crm.role (id text primary key, opportunity_key text, lead_key text);
do $$ begin
    perform handoff.attach('crm.opp', 'opportunity', since => '-infinity');
    perform handoff.attach('crm.role', 'link', since => '-infinity');
end $$;
-- an opportunity of each of some leads, made and lost
create function pg_temp.loses(leads text[], made timestamptz, lost timestamptz) returns void language plpgsql as $$ begin
    perform handoff.accept(n, p_now => made - interval '2 hours') from unnest(leads) n;
    perform handoff.qualify(n, p_now => made - interval '1 hour') from unnest(leads) n;
    insert into crm.opp select n || made, made, null, false, false from unnest(leads) n;
    insert into crm.role select n || made, n || made, n from unnest(leads) n;
    perform handoff.tick(made);
    update crm.opp set closed_at = lost, is_closed = true where created_at = made;
    perform handoff.tick(lost);
end $$;
do $$ begin
    insert into crm.lead select n, n || '@' || n || '.de', n, 'DE', 'Software', 'C-Level', 500, '2027-03-01 08:00' from unnest('{d,e,f}'::text[]) n;
    perform pg_temp.asks(n, '2027-03-01 09:00') from unnest('{d,e,f}'::text[]) n;
    perform pg_temp.loses('{d,e,f}', '2027-03-05 09:00', '2027-03-20 09:00');
end $$;
select results_eq($$ select l.stage, h.outcome, h.code, h.recycle_due_at, k.kind, k.name, k.due_at from handoff.lead l join handoff.handoff h on h.lead_key = l.lead_key and h.leg = 'sdr_to_ae' join handoff.clock k on k.lead_key = l.lead_key and k.kind = 'recycle' where l.lead_key = 'd' $$,
    $$ values ('lost', 'lost', 'lost', '2027-09-16 08:00'::timestamptz, 'recycle', 'win_back', '2027-09-16 08:00'::timestamptz) $$, 'lost: it comes back after 180 days, on the clock of Berlin');
select is((select detail ->> 'nurture_track' from handoff.event where lead_key = 'd' and type = 'recycled'), 'win_back', 'marketing hears on which track');
select results_eq($$ select handoff.points(l.intent, '2027-03-20 10:00', l.half_life) > 0, l.intent_since from handoff.lead l where l.lead_key = 'd' $$, $$ values (true, '2027-03-20 09:00'::timestamptz) $$, 'its intent');
do $$ begin perform handoff.tick('2027-03-20 09:01'); end $$;
select results_eq($$ select handoff.points(l.intent, '2027-03-20 10:00', l.half_life) from handoff.lead l where l.lead_key = 'd' $$, $$ values (0::double precision) $$, 'begins anew');
do $$ begin
    -- one asks again before, the others wait
    perform pg_temp.asks('e', '2027-05-01 09:00');
    perform handoff.tick('2027-09-16 07:59');
end $$;
select is(pg_temp.stays('e'), 'lead 03-01, mql 03-01, sal 03-05, sql 03-05, opportunity 03-05, lost 03-20, lead 05-01, mql 05-01, recycled 09-16', 'a signal of the path brings it back');
select is((select stage from handoff.lead where lead_key = 'd'), 'lost', 'the last moment');
do $$ begin perform handoff.tick('2027-09-16 08:00'); end $$;
select is(pg_temp.stays('d'), 'lead 03-01, mql 03-01, sal 03-05, sql 03-05, opportunity 03-05, lost 03-20, lead 09-16', 'its time has come');
select throws_ok($$ select handoff.dispose('d', 'lost', p_now => '2027-09-17') $$, 'LH041', 'the contract has no such disposition "lost"', 'nobody gives it');
-- opened again: the day to come back on is void; lost again, there is a new one; won after all, there is none
do $$ begin
    insert into crm.lead values ('g', 'g@g.de', 'g', 'DE', 'Software', 'C-Level', 500, '2027-09-20 08:00');
    perform pg_temp.asks('g', '2027-09-20 09:00');
    perform pg_temp.loses('{g}', '2027-09-21 09:00', '2027-09-22 09:00');
end $$;
create function pg_temp.deal_of_g(closed timestamptz, won boolean, at timestamptz) returns text language plpgsql as $$ begin
    update crm.opp set closed_at = closed, is_closed = closed is not null, is_won = won where id like 'g%';
    perform handoff.tick(at);
    return (select concat_ws(' ', l.stage, h.outcome, h.recycle_due_at::date, k.due_at::date) from handoff.lead l join handoff.handoff h on h.lead_key = l.lead_key and h.leg = 'sdr_to_ae'
            left join handoff.clock k on k.lead_key = l.lead_key and k.kind = 'recycle' where l.lead_key = 'g');
end $$;
select is(pg_temp.deal_of_g('2027-09-22 09:00', false, '2027-09-22 10:00'), 'lost lost 2028-03-20 2028-03-20', 'lost');
select is(pg_temp.deal_of_g(null, false, '2027-09-23 09:00'), 'opportunity', 'opened again');
select is(pg_temp.deal_of_g('2027-09-24 09:00', false, '2027-09-24 09:00'), 'lost lost 2028-03-22 2028-03-22', 'lost again');
select is(pg_temp.deal_of_g('2027-09-24 09:00', true, '2027-09-25 09:00'), 'customer won', 'won after all');
select is(pg_temp.deal_of_g('2027-09-24 09:00', false, '2027-09-26 09:00'), 'lost lost 2028-03-24 2028-03-24', 'or lost after all');

-- lost in its fourth cycle, it is nurtured until it gives a signal
do $$ begin
    for n in 1 .. 3 loop
        perform pg_temp.asks('f', timestamptz '2027-10-01 09:00' + n * interval '2 months');
        perform pg_temp.loses('{f}', timestamptz '2027-10-02 09:00' + n * interval '2 months', timestamptz '2027-10-20 09:00' + n * interval '2 months');
    end loop;
end $$;
select results_eq($$ select cycle, stage from handoff.lead where lead_key = 'f' $$, $$ values (4, 'nurture') $$, 'lost four times: nurtured');
select results_eq($$ select e.detail ->> 'from', e.detail ->> 'to', e.detail ->> 'code' from handoff.event e where e.lead_key = 'f' and e.type = 'stage' order by seq desc limit 1 $$, $$ values ('lost', 'nurture', 'exhausted') $$, 'by the path');
-- the contract may leave it out: then stages alone say what becomes of them
select is(handoff.draft(), 2, 'a draft');
insert into handoff.disposition (contract_id, code, outcome, reason, recycle_path) values (2, 'lost_too', 'lost', 'x', 'win_back'), (2, 'lost_so', 'lost', 'x', null);
insert into handoff.crm_status (contract_id, value, ord, code, stages) values (2, 'Lost', 90, 'lost', '{}');
update handoff.recycle_path set to_stage = 'lost' where contract_id = 2 and name = 'win_back';
select results_eq($$ select object, message from handoff.validate(2) where severity = 'error' order by 1, 2 $$, $$ values
    ('crm status "Lost"', 'means disposition "lost", which nobody gives'),
    ('disposition "lost_so"', 'is not the only one that says what follows a lost opportunity'),
    ('disposition "lost_so"', 'says what follows a lost opportunity, without a path'),
    ('disposition "lost_too"', 'is not the only one that says what follows a lost opportunity'),
    ('recycle path "win_back"', 'returns leads to "lost", where they rest') $$, 'validate() knows what makes no sense');
select is_empty('select * from pg_temp.broken()', 'nothing is broken');

select * from finish();
rollback;
