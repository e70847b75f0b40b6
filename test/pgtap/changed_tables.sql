-- Our tables are yours: what somebody adds to them holds in the session that has written to them before, though
-- rows that need no executor go past it. A column with a default, a generated one, a trigger, a rule, a
-- check, an index that is gone, another table under the name.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.publish();
end $$;
create schema crm;
create table crm."Lead" ("Id" text primary key, "Email" text, "Company" text, "SystemModstamp" timestamptz);
create table crm."Task" ("Id" text primary key, "WhoId" text, "Type" text, "Page" text, "CompletedDateTime" timestamptz);
do $$ begin
    perform handoff.attach('crm."Lead"', 'lead', since => '-infinity', delete_grace => '0');
    perform handoff.attach('crm."Task"', 'activity', since => '-infinity', delete_grace => '0');
end $$;
create function pg_temp.comes(variadic keys text[]) returns bigint language plpgsql as $$ begin
    insert into crm."Lead" select key, key || '@acme.de', 'Acme', '2026-03-02 08:00' from unnest(keys) key;
    return (select t.decided from handoff.tick('2026-03-02 09:00') t);
end $$;
-- a lead without what must differ between leads
create function pg_temp.state(key text) returns jsonb language sql as $$
    select to_jsonb(l) - array['lead_key', 'raw_key', 'person_key', 'fields', 'first_seen_at', 'seen_at', 'region', 'free', 'token']
    from handoff.lead l where lead_key = key
$$;
create function pg_temp.plan(query text) returns text language plpgsql as $$
declare line text; plan text := ''; begin
    for line in execute 'explain (costs off) ' || query loop plan := plan || line || E'\n'; end loop;
    return plan;
end $$;
create function pg_temp.broken() returns setof text language sql as $$
    select d.invariant || ' ' || d.what from handoff.doctor() d where d.severity = 'error'
    union all
    select concat_ws(' ', v.lead_key, v.what, v.by_log, v.by_state) from handoff.verify() v
$$;

-- As setup() made them --------------------------------------------------------------------------------------
select is(pg_temp.comes('first'), 1::bigint, 'a lead is decided');
create temp table before as
    select pg_temp.state('first') as lead,
           (select jsonb_agg(e.type order by e.seq) from handoff.event e where lead_key = 'first') as events,
           (select jsonb_agg(s.stage order by s.seq) from handoff.stage_history s where lead_key = 'first') as stays;
select isnt(events, null, 'it has events') from before;

-- Columns ---------------------------------------------------------------------------------------------------
alter table handoff.lead add column region text not null default 'EMEA', add column token uuid default gen_random_uuid(), add column free text;
alter table handoff.event add column node text not null default 'n1';
alter table handoff.stage_history add column day date generated always as ((entered_at at time zone 'UTC')::date) stored;
select is(pg_temp.comes('a', 'b'), 2::bigint, 'with columns added, leads are decided');
select is(array_agg(distinct region), '{EMEA}', 'a constant default is filled in') from handoff.lead where lead_key in ('a', 'b');
select is(count(distinct token), 2::bigint, 'a default that is another one for each row, too') from handoff.lead where lead_key in ('a', 'b');
select is(array_agg(distinct node), '{n1}', 'of the log as well') from handoff.event where lead_key in ('a', 'b');
select is(array_agg(distinct day), array_agg(distinct (entered_at at time zone 'UTC')::date), 'a generated column is generated')
from handoff.stage_history where lead_key in ('a', 'b');
alter table handoff.lead drop column token, alter column region set default 'APAC';
alter table handoff.stage_history drop column day;
select is(pg_temp.comes('c'), 1::bigint, 'with columns dropped, too');
select is(region, 'APAC', 'a default that has changed counts') from handoff.lead where lead_key = 'c';

-- Triggers and rules ----------------------------------------------------------------------------------------
create table crm.seen (what text);
create function crm.see() returns trigger language plpgsql as $$ begin
    insert into crm.seen values (tg_table_name || ' ' || new.lead_key);
    return null;
end $$;
create trigger see after insert on handoff.event for each row execute function crm.see();
create rule see as on insert to handoff.stage_history do also insert into crm.seen values ('stay ' || new.lead_key);
select is(pg_temp.comes('d'), 1::bigint, 'with a trigger and a rule, a lead is decided');
select is((select count(*) from crm.seen where what = 'event d'), (select count(*) from handoff.event where lead_key = 'd'),
          'the trigger has seen every event');
select is((select count(*) from crm.seen where what = 'stay d'), (select count(*) from handoff.stage_history where lead_key = 'd'),
          'the rule every stay');
drop trigger see on handoff.event;
drop rule see on handoff.stage_history;
truncate crm.seen;
select is(pg_temp.comes('e'), 1::bigint, 'without them, too');
select is_empty('select from crm.seen', 'they see nothing more');

-- Checks ----------------------------------------------------------------------------------------------------
alter table handoff.lead add constraint no_z check (lead_key <> 'z');
select is(pg_temp.comes('y', 'z'), 1::bigint, 'of two leads one breaks a check');
select is(array_agg(raw_key || ' ' || sqlstate), '{z 23514}', 'it goes into quarantine') from handoff.quarantine;
alter table handoff.lead drop constraint no_z;
update crm."Lead" set "Company" = 'Acme & Co' where "Id" = 'z';
select is(t.decided, 1::bigint, 'without the check it is decided') from handoff.tick('2026-03-02 09:00') t;
select is_empty('select from handoff.quarantine', 'and has left quarantine');

-- Indexes ---------------------------------------------------------------------------------------------------
insert into crm."Task" values ('t1', 'f', 'form', '/demo', '2026-03-02 08:30'), ('t2', 'g', 'form', '/demo', '2026-03-02 08:30'),
    ('t3', 'h', 'form', '/demo', '2026-03-02 08:30');
select is(t.decided, 0::bigint, 'activities come before their leads') from handoff.tick('2026-03-02 08:45') t;
select is(pg_temp.comes('f'), 1::bigint, 'one of those comes');
drop index handoff.activity_lead_at, handoff.lead_person, handoff.alias_merged, handoff.inbox_xid;
alter table handoff.opportunity_link drop constraint opportunity_link_pkey;
select is(pg_temp.comes('g'), 1::bigint, 'without indexes a lead is decided');
select is(pg_temp.state('g'), pg_temp.state('f'), 'its activity is found as well as that of the other');
select cmp_ok(handoff.points(intent, '2026-03-02 09:00', half_life), '>', 0::float8, 'and counts') from handoff.lead where lead_key = 'g';
create index activity_lead_at on handoff.activity (at, lead_key);	-- one that begins with something else
select is(pg_temp.comes('h'), 1::bigint, 'with another index of that name, too');
select is(pg_temp.state('h'), pg_temp.state('f'), 'nothing is missed');

-- Indexes of somebody's ------------------------------------------------------------------------------------
create index mixed on handoff.event (lower(lead_key), seq, (detail ->> 'band'), upper(type)) where type <> 'created';
create unique index one_case on handoff.lead (lower(lead_key));
select is(pg_temp.comes('j', 'k'), 2::bigint, 'with indexes of expressions, leads are decided');
set local enable_seqscan = off;
set local enable_bitmapscan = off;
prepare by_index as select seq, type, detail ->> 'band' from handoff.event
    where lower(lead_key) = 'k' and type <> 'created' order by lower(lead_key), seq;
select matches(pg_temp.plan('execute by_index'), 'Index Scan using mixed', 'one of them serves to find events');
create temp table by_index as execute by_index;
reset enable_seqscan;
reset enable_bitmapscan;
select set_eq('table by_index', $$select seq, type, detail ->> 'band' from handoff.event where lead_key = 'k' and type <> 'created'$$,
              'and finds them all');
select is(pg_temp.comes('J', 'l'), 1::bigint, 'of two leads one is in a unique index already');
select is(array_agg(raw_key || ' ' || sqlstate), '{J 23505}', 'it goes into quarantine') from handoff.quarantine;
drop index handoff.one_case;

-- Another table under the name ------------------------------------------------------------------------------
alter table handoff.event rename to old_event;
create table handoff.event (like handoff.old_event including all);
insert into handoff.event select * from handoff.old_event;
do $$ begin perform handoff.setup(); end $$;	-- it has no row security yet
select is(pg_temp.comes('i'), 1::bigint, 'with another table for the log, a lead is decided');
select isnt_empty($$select from handoff.event where lead_key = 'i'$$, 'its events are there');
select is_empty($$select from handoff.old_event where lead_key = 'i'$$, 'and not in the old one');
drop table handoff.old_event cascade;	-- some views read it

-- All of them have got what the first one got ---------------------------------------------------------------
select is_empty($$
    select l.lead_key from handoff.lead l, before
    where l.lead_key in ('a', 'b', 'c', 'd', 'e', 'y', 'i', 'j', 'k', 'l') and
          (pg_temp.state(l.lead_key) is distinct from lead
           or (select jsonb_agg(e.type order by e.seq) from handoff.event e where e.lead_key = l.lead_key) is distinct from events
           or (select jsonb_agg(s.stage order by s.seq) from handoff.stage_history s where s.lead_key = l.lead_key) is distinct from stays)
$$, 'each lead is what the first one is');
select is_empty('select pg_temp.broken()', 'the log says what the state says');
select * from finish();
rollback;
