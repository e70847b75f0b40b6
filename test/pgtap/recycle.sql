-- Recycle paths: the stage that a lead comes back to is the path's, whatever brings it back.
begin;
set local client_min_messages = warning;
select no_plan();
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
    perform handoff.setup();
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
select is_empty('select * from pg_temp.broken()', 'nothing is broken');

select * from finish();
rollback;
