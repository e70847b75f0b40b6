-- Two cycles of one lead: the next one has its own handoffs, owners, clocks and cadence, begins with what happened
-- since, and counts by itself. In every view that tells first cycles from all, the first ones are what all would
-- be if nobody had come back.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    delete from handoff.escalation;
    perform handoff.add_rep('ana', 'Ana', 'sdr', schedule => '24x7 @ UTC');
    perform handoff.add_rep('ben', 'Ben', 'sdr', schedule => '24x7 @ UTC');
    perform handoff.add_rep('eva', 'Eva', 'ae', schedule => '24x7 @ UTC');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback', schedule => '24x7 @ UTC');
    perform handoff.publish();
end $$;
set local timezone = 'UTC';
create schema crm;
create table crm.lead (
    id text primary key, email text, company text, country text, industry text, seniority text, employees int, converted_opportunity text, updated_at timestamptz
);
create table crm.act (id int generated always as identity primary key, lead_key text, at timestamptz, kind text, page text, outcome text);
create table crm.opp (id text primary key, created_at timestamptz, closed_at timestamptz, is_won boolean, is_closed boolean);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
    perform handoff.attach('crm.opp', 'opportunity', since => '-infinity');
end $$;
create function pg_temp.asks(key text, at timestamptz) returns void language plpgsql as $$ begin
    insert into crm.lead values (key, key || '@' || key || '.de', key, 'DE', 'Software', 'C-Level', 500, null, at) on conflict do nothing;
    insert into crm.act (lead_key, at, kind, page) values (key, asks.at, 'form', '/demo');
    perform handoff.tick(at);
end $$;
create function pg_temp.does(key text, at timestamptz, kind text, outcome text default null) returns void language plpgsql as $$ begin
    insert into crm.act (lead_key, at, kind, outcome) values (key, does.at, kind, outcome);
    perform handoff.tick(at);
end $$;
create function pg_temp.broken() returns setof text language sql as $$
    select d.invariant || ' ' || d.what from handoff.doctor() d where d.severity = 'error'
    union all
    select concat_ws(' ', v.lead_key, v.what, v.by_log, v.by_state) from handoff.verify() v
$$;

do $$ begin
    -- who has it is ana; touched once, never accepted, given up
    perform pg_temp.asks('twice', '2026-03-02 09:00');
    perform pg_temp.asks('once', '2026-03-02 09:00');
    perform pg_temp.does('twice', '2026-03-02 09:10', 'call');
    perform pg_temp.does('once', '2026-03-02 09:20', 'email');
    perform handoff.accept('once', p_now => '2026-03-02 10:00');
    perform handoff.recycle('twice', 'no_budget', p_now => '2026-03-03 09:00');
    -- back: accepted, a meeting, an AE, won
    perform pg_temp.asks('twice', '2026-03-20 09:00');
    perform pg_temp.does('twice', '2026-03-20 09:05', 'call', 'Connected');
    perform handoff.accept('twice', p_now => '2026-03-20 10:00');
    perform pg_temp.does('twice', '2026-03-20 11:00', 'meeting', 'Booked');
    perform pg_temp.does('twice', '2026-03-23 11:00', 'meeting', 'Held');
    perform handoff.qualify('twice', p_now => '2026-03-23 12:00');
    perform pg_temp.does('twice', '2026-03-23 12:30', 'call');
    perform handoff.accept('twice', p_now => '2026-03-23 13:00');
    insert into crm.opp values ('deal', '2026-03-24 09:00', '2026-04-10 09:00', true, true);
    update crm.lead set converted_opportunity = 'deal', updated_at = '2026-04-10 09:00' where id = 'twice';
    perform handoff.tick('2026-04-10 09:00');
end $$;

select results_eq($$ select h.handoff_no, h.cycle, h.leg, h.rep, h.route, h.outcome, h.trigger_at, h.touches, h.contacts, h.accepted_at is not null, h.won_at is not null from handoff.handoff h where h.lead_key = 'twice' order by 1 $$, $$ values
    (1, 1, 'mql_to_sdr', 'ana', 'sdr_team', 'recycle', '2026-03-02 09:00'::timestamptz, 1, 0, false, false),
    (2, 2, 'mql_to_sdr', 'ana', 'sdr_previous_owner', 'next_leg', '2026-03-20 09:00', 1, 1, true, true),
    (3, 2, 'sdr_to_ae', 'eva', 'ae_team', 'won', '2026-03-23 11:00', 1, 0, true, true) $$,
    'a handoff of its own, for the owner of before; work and opportunity count in their own cycle');
select results_eq($$ select (l.cycle, l.cycle_since)::text, h.intent::text from handoff.lead l join handoff.handoff h using (lead_key) where lead_key = 'twice' and h.handoff_no = 2 $$,
    $$ select '(2,"2026-03-20 09:00:00+00")', h.intent::text from handoff.handoff h where h.lead_key = 'twice' and h.handoff_no = 1 $$, 'its intent is that of one demo request again');
select results_eq($$ select s.metric, array_agg(distinct h.cycle order by h.cycle) from handoff.clock k join handoff.handoff h using (lead_key, handoff_no) join handoff.sla s on s.contract_id = 1 and s.name = k.name
                     where k.lead_key = 'twice' and k.kind = 'sla' and s.metric in ('accept', 'first_touch', 'next_touch', 'decision') group by 1 order by 1 $$,
    $$ values ('accept', '{1,2}'::int[]), ('decision', '{2}'), ('first_touch', '{1,2}'), ('next_touch', '{1,2}') $$, 'clocks of its own');
select results_eq($$ select h.cycle, count(*) > 5 from handoff.clock k join handoff.handoff h using (lead_key, handoff_no) where k.lead_key = 'twice' and k.kind = 'cadence' and h.leg = 'mql_to_sdr' group by 1 order by 1 $$,
    $$ values (1, true), (2, true) $$, 'and a cadence');
select is_empty('select pg_temp.broken()', 'nothing is broken');

-- Views ---------------------------------------------------------------------------------------------

set local lead_handoff.view_time = '2026-08-01 12:00';
create function pg_temp.rows_of(which text) returns table (view_name text, doc jsonb) language plpgsql as $$ begin
    for view_name in
        select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'cycle' and a.atttypid = 'text'::regtype
        where c.relnamespace = 'handoff'::regnamespace and c.relkind = 'v' order by 1
    loop
        return query execute format('select %L, to_jsonb(v) - ''cycle'' from handoff.%I v where v.cycle = %L', view_name, view_name, which);
    end loop;
end $$;
create temp table first_of_all as select * from pg_temp.rows_of('first');
create temp table all_of_all as select * from pg_temp.rows_of('all');
select set_eq('select distinct view_name from first_of_all', $$ select relname::text from pg_class where relnamespace = 'handoff'::regnamespace and relkind = 'v' and relname ~ '^kpi_' $$, 'the kpi_ views tell first cycles from all');
-- the world in which nobody came back
create temp table all_of_first (view_name text, doc jsonb);
do $$
declare
    rows jsonb;
begin
    begin
        delete from handoff.clock k using handoff.handoff h where (h.lead_key, h.handoff_no) = (k.lead_key, k.handoff_no) and h.cycle > 1;
        delete from handoff.assignment a using handoff.handoff h where (h.lead_key, h.handoff_no) = (a.lead_key, a.handoff_no) and h.cycle > 1;
        delete from handoff.handoff h where h.cycle > 1;
        rows := (select jsonb_agg(jsonb_build_array(r.view_name, r.doc)) from pg_temp.rows_of('all') r);
        raise exception using errcode = 'P0999';
    exception when sqlstate 'P0999' then
        insert into all_of_first select r ->> 0, r -> 1 from jsonb_array_elements(rows) r;
    end;
end $$;
-- what has nothing to count has no row, or one of zeros: the second cycle is the first that came to an AE
select is_empty($$
    select * from first_of_all f where not exists (select from all_of_first a where a.view_name = f.view_name and a.doc = f.doc)
        and exists (select from jsonb_each_text(f.doc) e where jsonb_typeof(f.doc -> e.key) = 'number' and e.value ~ '[1-9]' and e.key not in ('position', 'ord'))
$$, 'first cycles are what all would be if nobody had come back');
select is_empty($$ select * from all_of_first except select * from first_of_all $$, 'and all that there would be');
select is_empty($$ select f.view_name from first_of_all f group by 1 having not exists (select from all_of_all a where a.view_name = f.view_name and not exists (select from first_of_all n where (n.view_name, n.doc) = (a.view_name, a.doc))) $$,
    'and each of them counts the second cycle too');

select * from finish();
rollback;
