-- From a synced row to a decided lead: at commit, at tick(), after errors, under hostile settings.
--
-- Times that are printed are given, in the year 2030; what happens at commit has the clock's time and
-- is never printed.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
set client_min_messages = warning;
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
    perform handoff.setup();
end $$;

insert into handoff.rep (rep, name) values ('ana', 'Ana');
insert into handoff.pool (pool, policy) values ('sdr', 'weighted');
insert into handoff.pool_member (pool, rep) values ('sdr', 'ana');
create schema flow;
create table flow.doc (doc jsonb);
insert into flow.doc values ($json${
"format": 1,
"contract": {"reporting_zone": "UTC"},
"field": [
    {"of": "lead", "name": "company", "type": "text"},
    {"of": "lead", "name": "country", "type": "text"},
    {"of": "lead", "name": "employees", "type": "bigint"},
    {"of": "lead", "name": "opted_out", "type": "boolean"}
],
"stage": [
    {"name": "lead", "position": 10, "owner": "marketing", "is_default": true},
    {"name": "mql", "position": 20, "owner": "sales", "entry": "score >= 10", "required": ["company"], "max_age": "14 days", "max_age_to": "nurture"},
    {"name": "nurture", "position": 30, "owner": "marketing"},
    {"name": "disqualified", "position": 40, "is_terminal": true}
],
"leg": [{"name": "mql_to_sdr", "ord": 1, "owner_from": "marketing", "owner_to": "sdr", "blocked_max": "3 days", "blocked_then": "recycle"}],
"transition": [
    {"ord": 10, "from_stage": "lead", "event": "scored", "to_stage": "mql", "leg": "mql_to_sdr"},
    {"ord": 20, "from_stage": "lead", "event": "disqualified", "to_stage": "disqualified"},
    {"ord": 30, "from_stage": "lead", "event": "recycled", "to_stage": "nurture"},
    {"ord": 40, "from_stage": "nurture", "event": "signal", "to_stage": "lead"}
],
"gate": [
    {"ord": 10, "criteria": "opted_out", "action": "suppress", "code": "opt_out"},
    {"ord": 20, "criteria": "country = 'KP'", "action": "reject", "code": "embargo"},
    {"ord": 30, "leg": "mql_to_sdr", "criteria": "crm_status = 'On Hold'", "action": "hold", "code": "on_hold", "review_after": "1 day"}
],
"score_group": [{"name": "size", "kind": "fit"}, {"name": "engagement", "kind": "intent"}],
"score_rule": [
    {"name": "big", "score_group": "size", "points": 10, "criteria": "employees >= 100"},
    {"name": "demo", "score_group": "engagement", "points": 10, "criteria": "kind = 'demo'"},
    {"name": "visit", "score_group": "engagement", "points": 1, "criteria": "kind = 'visit'"}
],
"band": [{"name": "A", "ord": 1, "min_score": 10}, {"name": "B", "ord": 2}],
"activity_rule": [
    {"name": "demo_request", "meaning": "signal", "criteria": "kind = 'demo'", "within": "10 days"},
    {"name": "visits", "meaning": "signal", "criteria": "kind = 'visit'", "min_count": 3, "within": "7 days"}
],
"route": [{"name": "team", "leg": "mql_to_sdr", "ord": 10, "target_kind": "pool", "target": "sdr"}]
}$json$);

create table flow.lead (
    id text primary key, email text, status text, company text, country text, employees text, opted_out text, updated_at timestamptz
);
create table flow.act (id text primary key, lead_id text, at timestamptz, kind text);

-- one line a lead: what it is now
create function flow.leads() returns setof text language sql as $$
    select concat_ws(' ', l.lead_key || ':', l.stage, 'score', l.score, coalesce(l.band, '-'), l.signals,
                     'gated ' || l.gate_code, 'lacks ' || l.blocked_fields::text, case when l.deleted_at is not null then 'deleted' end)
    from handoff.lead l order by l.lead_key
$$;
-- what happened to a lead, without the clock's times
create function flow.log(lead text) returns setof text language sql as $$
    select h.type || ': ' || h.what from handoff.history(lead) h
    where h.type in ('created', 'fields', 'scored', 'stage', 'gated', 'released', 'blocked', 'unblocked', 'contract', 'deleted', 'restored')
$$;
create function flow.waiting() returns setof text language sql as $$
    select i.source || ' ' || i.raw_key || ' ' || string_agg(i.op::text, '' order by i.op::text)
    from handoff.inbox i group by i.source, i.raw_key order by 1
$$;
create function flow.clocks() returns setof text language sql as $$
    select c.lead_key || ' ' || c.kind || ' ' || c.name || ' ' || c.due_at
    from handoff.clock c where c.handoff_no = 0 order by 1
$$;
create function flow.quarantined() returns setof text language sql as $$
    select concat_ws(' ', q.source, q.raw_key, q.sqlstate, 'attempt', q.attempts || ':', q.message) from handoff.quarantine q order by 1
$$;
-- start over: no rows, no leads
create function flow.clear() returns void language plpgsql as $$
declare tab text; begin
    delete from flow.lead; delete from flow.act;
    foreach tab in array array['inbox', 'wake', 'quarantine', 'lead', 'event', 'stage_history', 'activity', 'clock', 'handoff', 'assignment', 'outbox', 'delivery'] loop
        if to_regclass('handoff.' || tab) is not null then
            execute format('delete from handoff.%I', tab);
        end if;
    end loop;
end $$;
create function flow.doctor() returns setof text language plpgsql as $$ begin
    if to_regprocedure('handoff.doctor()') is not null then
        return query execute 'select what from handoff.doctor() where severity = ''error''';
    end if;
end $$;

-- rows wait while there is no contract in force
select handoff.attach('flow.lead', 'lead', since => '-infinity', delete_grace => '0');
select handoff.attach('flow.act', 'activity', mapping => '{"lead_key": "lead_id", "at": "at", "kind": "kind"}', since => '-infinity', delete_grace => '0');
insert into flow.lead (id, company) values ('early', 'Acme');
select * from handoff.tick();
select flow.waiting();
select handoff.import(doc) from flow.doc;
select handoff.publish();
select claimed, decided, waiting, quarantined from handoff.tick();
select flow.leads();
-- the contract's fields were not known when the tables were attached
select handoff.attach('flow.lead', 'lead', since => '-infinity', delete_grace => '0');
select decided from handoff.tick();
select flow.leads();
select flow.clear();

-- at commit -----------------------------------------------------------------------------------------
insert into flow.lead (id, company, employees) values ('a', 'Acme', '10'), ('b', 'Bolt', '500');
select flow.leads();
select flow.waiting();
select count(*) from handoff.wake;
update flow.lead set employees = '200' where id = 'a';
select flow.log('a');

-- up to inline_limit rows of a transaction, not more
set lead_handoff.inline_limit = 2;
insert into flow.lead (id) values ('c'), ('d');
insert into flow.lead (id) values ('e'), ('f'), ('g');
begin;
insert into flow.lead (id) values ('h'), ('i');
insert into flow.lead (id) values ('j');
commit;
select flow.leads();
select flow.waiting();
select claimed, decided, waiting, quarantined from handoff.tick();
select count(*) from handoff.wake;
set lead_handoff.inline_limit = 0;
insert into flow.lead (id) values ('k');
select flow.waiting();
select claimed, decided, waiting, quarantined from handoff.tick();
reset lead_handoff.inline_limit;

-- what is rolled back never was
select flow.clear();
begin;
insert into flow.lead (id) values ('x');
rollback;
begin;
insert into flow.lead (id) values ('x');
prepare transaction 'lh_flow';
rollback prepared 'lh_flow';
select flow.leads(), flow.waiting();
begin;
savepoint s;
insert into flow.lead (id) values ('x');
rollback to s;
insert into flow.lead (id) values ('y');
savepoint s;
insert into flow.lead (id) values ('z');
release s;
commit;
select flow.leads();
select flow.waiting();
begin;
savepoint s;
savepoint t;
insert into flow.lead (id) values ('x');
release t;
rollback to s;
update flow.lead set company = 'Why' where id = 'y';
commit;
select flow.log('y');
-- a PL/pgSQL block with an exception is a savepoint too
do $$ begin
    begin
        insert into flow.lead (id) values ('p');
        raise 'no';
    exception when others then null;
    end;
    insert into flow.lead (id) values ('q');
end $$;
select flow.leads();
-- prepared for two-phase commit: decided before, seen after
begin;
insert into flow.lead (id) values ('2pc');
prepare transaction 'lh_flow';
select count(*) from handoff.lead where lead_key = '2pc';
commit prepared 'lh_flow';
select count(*) from handoff.lead where lead_key = '2pc';
select flow.waiting();

-- several changes in one transaction are one
select flow.clear();
insert into flow.lead (id, company) values ('a', 'Acme');
begin;
delete from flow.lead;
insert into flow.lead (id, company) values ('a', 'Acme Ltd');
update flow.lead set country = 'DE';
commit;
select flow.log('a');
-- a rewrite without a difference leaves no trace
select last_seq from handoff.lead \gset before_
update flow.lead set company = company;
begin;
delete from flow.lead;
insert into flow.lead (id, company, country) values ('a', 'Acme Ltd', 'DE');
commit;
select last_seq - :before_last_seq from handoff.lead;
-- a new key: the old one is gone
update flow.lead set id = 'b';
select flow.leads();
-- a table that is emptied at once is compared with what is known of it, by tick()
truncate flow.lead;
select flow.waiting();
select claimed, decided from handoff.tick();
select flow.leads();

-- left to tick(): not a plain commit
select flow.clear();
begin;
insert into flow.lead (id) values ('a');
set constraints all immediate;
insert into flow.lead (id) values ('b');
select flow.leads();
commit;
do $$ begin
    insert into flow.lead (id) values ('c');
    commit;
end $$;
begin isolation level repeatable read;
insert into flow.lead (id) values ('d');
commit;
begin isolation level serializable;
insert into flow.lead (id) values ('e');
commit;
select flow.leads();
select flow.waiting();
select claimed, decided, waiting, quarantined from handoff.tick();
select flow.leads();
begin isolation level repeatable read;
select handoff.tick();
\echo :LAST_ERROR_SQLSTATE
rollback;
select handoff.tick('infinity');
\echo :LAST_ERROR_SQLSTATE
select handoff.tick(batch => 0);
\echo :LAST_ERROR_SQLSTATE

-- a deferred trigger of the tool's own, which writes after our drain has run: the next tick
select flow.clear();
create table flow.note (id text);
create function flow.again() returns trigger language plpgsql as $$ begin
    update flow.lead set company = 'later' where id = new.id;
    return null;
end $$;
create constraint trigger again after insert on flow.note deferrable initially deferred for each row execute function flow.again();
begin;
insert into flow.lead (id, company) values ('a', 'early');
insert into flow.note values ('a');
commit;
select fields from handoff.lead;
select flow.waiting();
select decided from handoff.tick();
select fields from handoff.lead;
drop table flow.note;

-- pause
select handoff.pause();
insert into flow.lead (id) values ('p');
select claimed, decided, waiting, quarantined from handoff.tick();
select flow.waiting();
select handoff.resume();
select claimed, decided, waiting, quarantined from handoff.tick();
select flow.doctor();

-- errors --------------------------------------------------------------------------------------------
select flow.clear();
insert into flow.lead (id, employees) values ('good', '5'), ('bad', 'five'), ('also good', '7');
select flow.leads();
select flow.quarantined();
select flow.waiting();
select handoff.retry_quarantine();
select claimed, decided, waiting, quarantined from handoff.tick();
select flow.quarantined();
-- mended: its next change clears it, and so does a retry after a change that nobody captured
update flow.lead set employees = '6' where id = 'bad';
select flow.quarantined();
select flow.leads();
update flow.lead set employees = 'x' where id in ('good', 'bad');
alter table flow.lead disable trigger all;
update flow.lead set employees = '100' where id in ('good', 'bad');
alter table flow.lead enable trigger all;
select handoff.setup();
select handoff.retry_quarantine('flow.lead');
select claimed, decided, waiting, quarantined from handoff.tick();
select flow.quarantined();
select flow.leads();
select flow.doctor();

-- errors in our own tables: the writer commits
select flow.clear();
alter table handoff.event add constraint no_evil check (lead_key <> 'evil');
insert into flow.lead (id) values ('evil'), ('good');
select flow.leads();
select flow.quarantined();
alter table handoff.event drop constraint no_evil;
select handoff.retry_quarantine();
select claimed, decided, waiting, quarantined from handoff.tick();
select flow.leads();
select flow.clear();
-- one that may pass by itself: the rows wait
create function flow.full_disk() returns trigger language plpgsql as $$ begin
    raise exception 'disk full' using errcode = '53100';
end $$;
create trigger full_disk before insert on handoff.event for each row execute function flow.full_disk();
set client_min_messages = log;
insert into flow.lead (id) values ('a');
set client_min_messages = warning;
select flow.leads();
select flow.quarantined();
select flow.waiting();
select * from handoff.tick();
\echo :LAST_ERROR_SQLSTATE
drop trigger full_disk on handoff.event;
select claimed, decided, waiting, quarantined from handoff.tick();
select flow.leads();
-- tables of another version: nothing is decided, nothing is lost
update handoff.meta set schema_version = 0;
insert into flow.lead (id) values ('b');
select * from handoff.tick();
\echo :LAST_ERROR_SQLSTATE
update handoff.meta set schema_version = 1;
select claimed, decided, waiting, quarantined from handoff.tick();
-- the table is gone: its rows wait, those of others go on, however many wait
select flow.clear();
set lead_handoff.inline_limit = 0;
insert into flow.act select g, 'a', '2030-01-01', 'visit' from generate_series(1, 50) g;
insert into flow.lead (id) values ('a');
alter table flow.act rename to act_away;
select claimed, decided, waiting, quarantined from handoff.tick(batch => 1);
select flow.leads();
create view flow.act as select * from flow.act_away;
select claimed, decided, waiting, quarantined from handoff.tick('2030-01-01');
drop view flow.act;
alter table flow.act_away rename to act;
select claimed, waiting, quarantined from handoff.tick('2030-01-02');
select flow.leads();
select flow.doctor();
reset lead_handoff.inline_limit;

-- a partition that somebody has locked is not waited for: it is left to tick
create table flow.part (id text, region text, primary key (id, region)) partition by list (region);
create table flow.part_eu partition of flow.part for values in ('eu');
create table flow.part_us partition of flow.part for values in ('us');
select handoff.attach('flow.part', 'lead', key => '{id}', key_prefix => 'p:', delete_grace => '0');
begin;
lock table flow.part_eu in access exclusive mode;
prepare transaction 'lh_flow';
set client_min_messages = log;
insert into flow.part values ('1', 'us');
set client_min_messages = warning;
select flow.waiting();
rollback prepared 'lh_flow';
select decided from handoff.tick();
select handoff.detach('flow.part');
drop table flow.part;

-- versions ------------------------------------------------------------------------------------------
select flow.clear();
insert into flow.lead (id, company, updated_at) values ('a', 'new', '2026-02-02');
update flow.lead set company = 'older', updated_at = '2026-02-01';
update flow.lead set company = 'same time', updated_at = '2026-02-02';
select flow.log('a');
-- a row without a version counts, and so does every row once the version is no longer mapped
update flow.lead set company = 'no version', updated_at = null;
select fields ->> 'company' from handoff.lead;
update flow.lead set company = 'version', updated_at = '2026-03-01';
select handoff.attach('flow.lead', 'lead', mapping => '{"version": null}', delete_grace => '0');
update flow.lead set company = 'unmapped', updated_at = '2020-01-01';
select fields ->> 'company' from handoff.lead;
select handoff.attach('flow.lead', 'lead', delete_grace => '0');
select handoff.tick() is not null;
-- a lead that was deleted and comes back older than it was stays deleted
update flow.lead set updated_at = '2026-03-01';
delete from flow.lead;
insert into flow.lead (id, company, updated_at) values ('a', 'stale', '2026-02-01');
select flow.leads();
update flow.lead set company = 'back', updated_at = '2026-04-01';
select flow.leads();
select flow.doctor();

-- activities ----------------------------------------------------------------------------------------
select flow.clear();
insert into flow.act values ('1', 'l1', '2026-01-01', 'visit');
select flow.leads();
select lead_key, activity_key, meanings, contract_id from handoff.activity;
insert into flow.lead (id, company) values ('l1', 'Acme'), ('l2', 'Bolt');
select flow.leads();
select lead_key, activity_key, meanings, points, contract_id from handoff.activity;
-- moves to another lead, to one unknown, to none; loses its time; comes back; goes
update flow.act set lead_id = 'l2';
select flow.leads();
update flow.act set lead_id = 'l3';
select flow.leads();
select lead_key, activity_key from handoff.activity;
update flow.act set lead_id = null;
select count(*) from handoff.activity;
update flow.act set lead_id = 'l1', at = 'infinity';
select count(*) from handoff.activity;
update flow.act set at = '2026-01-02';
select flow.leads();
insert into flow.act values ('2', 'l1', '2025-12-31', 'demo');
select flow.leads();
delete from flow.act;
select flow.leads();
select count(*) from handoff.activity;
-- deleted lead: kept as it was, not decided; then restored with what happened meanwhile
delete from flow.lead where id = 'l1';
insert into flow.act values ('3', 'l1', '2026-01-03', 'demo');
select flow.leads();
insert into flow.lead (id, company) values ('l1', 'Acme');
select flow.leads();
select flow.log('l1');
truncate flow.act;
select decided from handoff.tick();
select flow.leads();
select flow.doctor();

-- time ----------------------------------------------------------------------------------------------
set lead_handoff.inline_limit = 0;
set timezone = 'UTC';
select flow.clear();
insert into flow.lead (id, company, employees) values ('old', 'Acme', '500');
select decided from handoff.tick('2030-01-01 12:00');
select flow.clocks();
select decided, due from handoff.tick('2030-01-15 11:59:59');
select decided, due from handoff.tick('2030-01-15 12:00');
select decided, due from handoff.tick('2030-01-15 12:00');
select flow.log('old');
select at from handoff.history('old') where type = 'stage';
-- months late is as good as in time, but for the moment of the move
select flow.clear();
insert into flow.lead (id, company, employees) values ('old', 'Acme', '500');
select decided from handoff.tick('2030-01-01 12:00');
select decided, due from handoff.tick('2030-06-01');
select flow.leads();
-- the clock set back: event times don't go back
update flow.lead set country = 'DE';
select decided from handoff.tick('2030-05-01');
select at from handoff.history('old') where type = 'fields';
-- signals enter and leave
select flow.clear();
insert into flow.lead (id, company) values ('s', 'Acme');
insert into flow.act values ('1', 's', '2030-02-01', 'visit'), ('2', 's', '2030-02-02', 'visit'), ('3', 's', '2030-02-09', 'visit');
select decided from handoff.tick('2030-01-31');
select flow.leads();
select flow.clocks();
select decided, due from handoff.tick('2030-02-02');
select flow.leads();
insert into flow.act values ('4', 's', '2030-02-03', 'visit');
select decided, due from handoff.tick('2030-02-03');
select flow.leads();
select flow.clocks();
select decided, due from handoff.tick('2030-02-07 23:59:59');
select flow.leads();
select decided, due from handoff.tick('2030-02-08');
select flow.leads();
select flow.clocks();
select decided, due from handoff.tick('2030-03-01');
select flow.clocks();
select flow.log('s');
select flow.doctor();

-- gates: suppress, hold, reject; fields that are missing
select flow.clear();
insert into flow.lead (id, company, employees, opted_out, status, country) values
    ('g1', 'Acme', '500', 'true', null, null), ('g2', 'Acme', '500', null, 'On Hold', null), ('g3', 'Acme', '500', null, null, 'KP'),
    ('g4', null, '500', null, null, null), ('g5', '', '500', null, null, null);
select decided from handoff.tick('2030-01-01');
select flow.leads();
select flow.clocks();
update flow.lead set opted_out = 'false' where id = 'g1';
select decided, due from handoff.tick('2030-01-02');
select flow.clocks();
update flow.lead set status = 'Open' where id = 'g2';
update flow.lead set company = 'Acme' where id = 'g4';
select decided, due from handoff.tick('2030-01-02');
select flow.leads();
select flow.log('g1');
select flow.log('g3');
select flow.log('g4');
-- blocked for too long: recycled, and a signal brings it back
insert into flow.lead (id, employees) values ('g6', '500');
insert into flow.lead (id, employees, opted_out) values ('g7', '500', 'yes');
select decided from handoff.tick('2030-02-01');
select decided, due from handoff.tick('2030-02-04');
select flow.leads();
select flow.log('g6');
insert into flow.act values ('9', 'g6', '2030-02-05', 'demo');
select decided, due from handoff.tick('2030-02-05');
update flow.lead set company = 'Acme' where id = 'g6';
select decided, due from handoff.tick('2030-02-06');
select flow.log('g6');
select flow.doctor();

-- publish -------------------------------------------------------------------------------------------
select flow.clear();
insert into flow.lead (id, company, employees) values ('p1', 'Acme', '50'), ('p2', 'Bolt', '500'), ('p3', 'Cord', '5');
select decided from handoff.tick('2030-01-01');
select flow.leads();
select handoff.import(jsonb_set(doc, '{score_rule,0,criteria}', '"employees >= 50"')) from flow.doc;
select handoff.publish();
select flow.waiting();
select decided from handoff.tick('2030-01-02');
select flow.leads();
select flow.log('p1');
select flow.log('p3');
-- a stage goes
select handoff.import(replace(doc::text, '"nurture"', '"parked"')::jsonb) from flow.doc;
delete from flow.lead where id = 'p3';
update flow.lead set employees = '500', company = null where id = 'p1';
insert into flow.lead (id, employees) values ('p4', '500');
select decided from handoff.tick('2030-01-03');
select due from handoff.tick('2030-02-01');
select flow.leads();
select handoff.publish();
\echo :LAST_ERROR_SQLSTATE
select handoff.publish(stage_map => '{"nurture": "parked"}');
select decided from handoff.tick('2030-02-02');
select flow.leads();
select flow.log('p4');
select flow.doctor();
select handoff.rollback(stage_map => '{"parked": "lead"}');
select decided from handoff.tick('2030-02-03');
select flow.leads();
select flow.doctor();

-- settings of the session change nothing --------------------------------------------------------------
create schema hostile;
create function hostile.now() returns timestamptz language sql as 'select ''1999-01-01''::timestamptz';
create function hostile.upper(text) returns text language sql as 'select ''evil''';
create function hostile.unnest(text[]) returns setof text language plpgsql as $$ begin raise 'unnest of a stranger'; end $$;
create function hostile.eq(text, text) returns boolean language plpgsql as $$ begin raise 'operator of a stranger'; end $$;
create operator hostile.= (leftarg = text, rightarg = text, function = hostile.eq);
-- all but when a trigger was captured, which is the clock's time
create function flow.run_once() returns setof text language plpgsql as $$ begin
    perform flow.clear();
    insert into flow.lead (id, company, employees, updated_at) values ('a', E'back\\slash "quote" ''tick''', '500', '2030-01-02 03:04:05+00');
    insert into flow.act values ('1', 'a', '2030-02-03 04:05:06+00', 'demo'), ('2', 'a', '2030-02-03 04:05:06+00', 'visit');
    perform handoff.tick('2030-02-04 00:00+00');
    update flow.lead set country = 'DE';
    perform handoff.tick('2030-12-24 00:00+00');
    return query
        select md5(string_agg(concat_ws('|', extract(epoch from e.at), e.type, e.detail operator(pg_catalog.#-) '{set,seen_at}'), E'\n' order by e.seq)) from handoff.event e
        union all
        select concat_ws('|', a.fields, extract(epoch from a.at), a.meanings) from handoff.activity a
        union all
        select concat_ws('|', l.fields, extract(epoch from l.version), l.intent, l.group_heat) from handoff.lead l;
end $$;
create table flow.calm as select flow.run_once() as line;
select line from flow.calm where line like '{%' order by line collate "C";
\c -
set client_min_messages = warning;
set lead_handoff.inline_limit = 0;
create temp table lead (x int);
create temp table inbox (x int);
create temp table source (x int);
set search_path = hostile, pg_temp, pg_catalog;
set datestyle = 'SQL, DMY';
set intervalstyle = 'sql_standard';
set timezone = 'Asia/Kathmandu';
set extra_float_digits = -15;
set standard_conforming_strings = off;
set quote_all_identifiers = on;
set bytea_output = 'escape';
set xmloption = 'document';
set default_transaction_deferrable = on;
set enable_indexscan = off;
set transform_null_equals = on;
select count(*) from flow.run_once() line where line operator(pg_catalog.<>) all (select line from flow.calm);
select handoff.attach('flow.lead', 'lead', capture => 'row', delete_grace => '0');
select count(*) from flow.run_once() line where line operator(pg_catalog.<>) all (select line from flow.calm);
select handoff.setup();
select flow.doctor();
select count(*) from handoff.source_health;
\c -
set client_min_messages = warning;

drop schema hostile cascade;
select handoff.teardown(really => true);
drop schema flow cascade;
