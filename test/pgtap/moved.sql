-- An activity that moves to another lead changes both: intent, signals, touches and meetings of each are what they
-- are for leads that have only seen how it ended. Random histories, with leads that come later, and merges.
begin;
set local client_min_messages = error;
set local timezone = 'UTC';
set local lead_handoff.inline_limit = 0;
select plan(13);
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    update handoff.contract set half_life = '5 days' where contract_id = 1;
    perform handoff.add_rep('ana', 'Ana', 'sdr');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.publish();
end $$;

-- ten leads of a CRM in which activities move, and of one in which they don't; the first eight ask for a demo, of
-- whom two are recycled. Each history has leads and tables of its own.
create function pg_temp.begins(history int) returns void language plpgsql as $$
declare
    crm text;
    at_home text := 'history' || history;
begin
    execute format('create schema %I', at_home);
    perform set_config('search_path', at_home || ', public', true);
    foreach crm in array '{moves,rests}'::text[] loop
        execute format('create table %I_lead (id text primary key, email text, company text, country text, industry text, seniority text, employees int, master text)', crm);
        execute format('create table %I_act (id text primary key, lead_key text, at timestamptz, kind text, page text, outcome text, direction text)', crm);
        perform handoff.attach(format('%s.%s_lead', at_home, crm), 'lead', since => '-infinity', delete_grace => '0', mapping => '{"merged_into": "master"}', key_prefix => crm || history || ':');
        perform handoff.attach(format('%s.%s_act', at_home, crm), 'activity', since => '-infinity', delete_grace => '0', key_prefix => crm || history || ':');
        execute format($f$insert into %I_lead select 'l' || i, i || '@%1$s%s.com', 'X', 'DE', 'Software', 'C-Level', 500 from generate_series(1, 8) i$f$, crm, history);
        execute format($f$insert into %I_lead (id) values ('l9'), ('l10')$f$, crm);
        execute format($f$insert into %I_act select 'demo' || i, 'l' || i, '2026-03-02 09:00', 'form', '/demo' from generate_series(1, 8) i$f$, crm);
    end loop;
    perform handoff.tick('2026-03-02 10:00');
    perform handoff.accept(c || history || ':' || k, p_now => '2026-03-03 10:00') from unnest('{l6,l7,l8}'::text[]) k, unnest('{moves,rests}'::text[]) c;
    perform handoff.recycle(c || history || ':' || k, 'timing', 'later', p_now => '2026-03-04 10:00') from unnest('{l7,l8}'::text[]) k, unnest('{moves,rests}'::text[]) c;
    perform handoff.tick('2026-03-04 11:00');
end $$;

create function pg_temp.any_of(of text[]) returns text language sql volatile as $$ select of[1 + floor(random() * cardinality(of))::int] $$;
-- some lead: also one that isn't there yet, nobody, one that was merged
create function pg_temp.lead() returns text language sql volatile as $$
    select pg_temp.any_of('{l1,l2,l3,l4,l5,l6,l7,l8,l9,l10,n1,n2,NULL}') $$;
create function pg_temp.happens(key text) returns void language plpgsql as $$
declare part text[] := string_to_array(pg_temp.any_of(array['page_view /pricing', 'page_view /x', 'download', 'email_click', 'call', 'call  Connected', 'email   inbound', 'linkedin', 'meeting  Booked', 'meeting  Held', 'meeting  No_Show']), ' ');
begin
    insert into moves_act values (key, pg_temp.lead(), timestamptz '2026-02-27' + random() * interval '12 days', part[1], nullif(part[2], ''), replace(nullif(part[3], ''), '_', ' '), nullif(part[4], ''))
    on conflict (id) do update set at = excluded.at, kind = excluded.kind, page = excluded.page, outcome = excluded.outcome, direction = excluded.direction;
end $$;
create function pg_temp.goes_on() returns void language plpgsql as $$
declare
    moment timestamptz := '2026-03-04 12:00';
begin
    for i in 1 .. 40 loop perform pg_temp.happens('a' || i); end loop;
    for step in 1 .. 40 loop
        moment := moment + interval '3 hours';
        for i in 1 .. 1 + floor(random() * 4)::int loop
            case floor(random() * 8)::int
                when 0 then perform pg_temp.happens('a' || 1 + floor(random() * 45)::int);
                when 1 then delete from moves_act where id = 'a' || 1 + floor(random() * 45)::int;
                when 2 then update moves_act set lead_key = pg_temp.lead(), at = at - interval '1 day' where id = 'a' || 1 + floor(random() * 45)::int;
                else update moves_act set lead_key = pg_temp.lead() where id = 'a' || 1 + floor(random() * 45)::int;
            end case;
        end loop;
        case step
            when 15 then insert into moves_lead (id, email) values ('n1', 'n1');
            when 20 then update moves_lead set master = 'l1' where id = 'l2';
            when 25 then insert into moves_lead (id, email) values ('n2', 'n2'); update moves_lead set master = 'l6' where id = 'l1';
            when 30 then update moves_lead set master = 'l7' where id = 'l8';
            else null;
        end case;
        if random() < 0.7 then perform handoff.tick(moment); end if;
    end loop;
end $$;
create function pg_temp.ends() returns void language plpgsql as $$ begin
    delete from rests_act;
    insert into rests_act select * from moves_act;
    insert into rests_lead select * from moves_lead on conflict (id) do update set master = excluded.master;
    perform handoff.tick('2026-03-12 10:00');
    -- a score is as of the lead's last decision
    insert into handoff.inbox (source, raw_key, op, xid, at) select l.source, l.raw_key, 'R', pg_current_xact_id(), now() from handoff.lead l;
    perform handoff.tick('2026-03-12 10:00');
end $$;

-- what there is to say of the leads of a CRM that are there
create function pg_temp.seen(crm text, history int) returns table (id text, what text) language sql as $$
    with l as (select * from handoff.lead where starts_with(lead_key, crm || history || ':') and deleted_at is null)
    select raw_key, concat_ws(' | ', fit, intent, group_heat, score, booked_at, folded_at, case when raw_key not in ('l7', 'l8') then signals end) from l
    union all
    select l.raw_key, concat_ws(' | ', 'handoff', h.touches, h.contacts, h.channels, h.first_touch_at, h.first_contact_at, h.booked_at, h.meeting_held_at, h.no_show)
    from l join handoff.handoff h using (lead_key) where h.handoff_no = 1 and h.handed_at = '2026-03-02 10:00'
    union all
    select l.raw_key, concat_ws(' | ', 'activity', a.activity_key, a.at, a.meanings, a.points) from l join handoff.activity a using (lead_key)
    union all
    select l.raw_key, 'why | ' || replace(row_to_json(e)::text, crm, '') from l, handoff.explain(l.lead_key) e where e.step in ('activity', 'intent') $$;
create function pg_temp.differs(history int) returns setof text language sql as $$
    (select 'moves ' || s::text from pg_temp.seen('moves', history) s except select 'moves ' || s::text from pg_temp.seen('rests', history) s)
    union all (select 'rests ' || s::text from pg_temp.seen('rests', history) s except select 'rests ' || s::text from pg_temp.seen('moves', history) s) $$;
create function pg_temp.broken() returns setof text language sql as $$
    select d.what from handoff.doctor() d where d.severity = 'error'
    union all select s.name || ' ' || r.queued from handoff.source s, handoff.reconcile(s.name) r where r.queued > 0 $$;

select unnest(array[
    format('select setseed(%s)', s / 10.0), format('select pg_temp.begins(%s)', s), 'select pg_temp.goes_on()', 'select pg_temp.ends()',
    format('select is_empty(''select * from pg_temp.differs(%s)'', ''history %1$s: as if it had always been so'')', s),
    'select is_empty(''select * from pg_temp.broken()'', ''what has moved is in order'')',
    format('select cmp_ok((select count(*) from pg_temp.seen(''moves'', %s) where what like ''handoff%%''), ''>='', 5::bigint, ''of handoffs,'')', s),
    format('select cmp_ok((select count(*) from pg_temp.seen(''moves'', %s) where what like ''activity%%''), ''>'', 20::bigint, ''activities'')', s)])
from generate_series(1, 2) s
\gexec
select cmp_ok((select count(*) from handoff.handoff where touches > 0), '>', 5::bigint, 'and touches');

-- two drains at once, one of which had not seen the other's: both leads have it
create temp table twice as select a.source, a.activity_key, a.lead_key, (select min(l.lead_key) from handoff.lead l where l.lead_key like 'rests2:%' and l.deleted_at is null and l.lead_key <> a.lead_key) as other
from handoff.activity a join handoff.lead l using (lead_key) where l.deleted_at is null and a.source like '%rests\_act' and l.lead_key like 'rests2:%' order by 2 limit 1;
insert into handoff.activity (lead_key, source, activity_key, at, seen_at, taken_at, fields)
select t.other, a.source, a.activity_key, a.at, a.seen_at, a.taken_at, a.fields from handoff.activity a join twice t using (source, activity_key, lead_key);
select is((select count(*) from handoff.doctor() d, twice t where d.invariant = 18 and d.what = format('activity "%s" of source "%s" belongs to 2 leads, "%s" among them', t.activity_key, t.source, least(t.lead_key, t.other))), 1::bigint, 'an activity of two leads: doctor() knows');
select is((select sum(r.queued) from twice t, handoff.reconcile(t.source) r), 1::numeric, 'reconcile() too');
do $$ begin perform handoff.tick('2026-03-13 10:00'); end $$;
select results_eq($$ select a.lead_key from handoff.activity a join twice t using (source, activity_key) $$, $$ select lead_key from twice $$, 'then it is the one''s');
select is_empty('select * from pg_temp.broken()', 'and all is well');
select * from finish();
rollback;
