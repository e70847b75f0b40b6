-- The life of a contract: draft, documents, publish, rollback; and that what was published stays.
-- All in one transaction that is rolled back.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
begin;
set local client_min_messages = warning;
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
    perform handoff.setup();
end $$;

-- what a statement fails with, or that it doesn't
create function pg_temp.fails(statement text) returns text language plpgsql as $$
declare
    state text; message text; detail text; hint text;
begin
    execute statement;
    return 'no error';
exception when others then
    get stacked diagnostics state = returned_sqlstate, message = message_text,
        detail = pg_exception_detail, hint = pg_exception_hint;
    -- the failing row holds times of day
    if state = '23514' then
        detail := null;
    end if;
    return state || ': ' || message || coalesce(E'\n  ' || nullif(detail, ''), '') || coalesce(E'\n  ' || nullif(hint, ''), '');
end $$;
create function pg_temp.code(statement text) returns text language sql as $$ select split_part(pg_temp.fails(statement), ':', 1) $$;
create function pg_temp.versions() returns setof text language sql as $$
    select format('%s %s %s, in force %s time(s), now: %s', contract_id, name, status,
                  (select count(*) from unnest(effective)), effective @> clock_timestamp())
    from handoff.contract order by contract_id
$$;

-- nothing there yet
select pg_temp.fails('select handoff.validate()');
select pg_temp.fails('select handoff.validate(1)');
select pg_temp.fails('select handoff.publish()');
select pg_temp.fails('select handoff.rollback()');
select handoff.contract_at(now()) is null, handoff.in_force() is null;
select handoff.draft();
select handoff.export(1);
select pg_temp.fails('select handoff.publish()');
delete from handoff.contract;

-- from a template to a contract in force
select handoff.load_template('b2b_saas');
select pool, policy, counted_stages, respect_schedule from handoff.pool order by pool collate "C";
select name, schedule from handoff.calendar;
select object, name, old is null, new ? 'calendar' or new ? 'schedule' from handoff.operation_log order by object collate "C", name collate "C";
select severity, object, message from handoff.validate();
select handoff.publish();
select pg_temp.versions();
select checksum = encode(sha256(convert_to(handoff.export(1)::text, 'UTF8')), 'hex'), published_by = session_user,
       effective = tstzmultirange(tstzrange(published_at, null)) from handoff.contract;
select handoff.contract_at(clock_timestamp()), handoff.contract_at('-infinity') is null, handoff.in_force('default'), handoff.in_force('other') is null;
select pg_temp.fails('select handoff.publish(1)');

-- what was published stays: every table, every statement
select pg_temp.fails('update handoff.route set ord = ord + 100');
savepoint retired;
insert into handoff.contract (contract_id, name, status) values (9, 'empty', 'retired');
insert into handoff.contract (contract_id, name) values (8, 'draft');
insert into handoff.target values (8, 'handed', '', '[2026-01-01,2026-02-01)', 100, 'marketing');
insert into handoff.message_template values (8, 'assigned', 'en', 'Hello');
-- of score rules and escalations the foreign key speaks first
select tab, pg_temp.code(format('insert into handoff.%1$I select t.* from handoff.%1$I o, jsonb_populate_record(o, ''{"contract_id": 9}'') t', tab)) as insert,
       pg_temp.code(format('update handoff.%I set contract_id = 9', tab)) as move,
       pg_temp.code(format('update handoff.%I set contract_id = 1 where contract_id = 1', tab)) as update,
       pg_temp.code(format('delete from handoff.%I where contract_id = 1', tab)) as delete,
       pg_temp.code(format('truncate handoff.%I cascade', tab)) as truncate
from unnest(handoff.definition_tables()) tab;
rollback to retired;
select pg_temp.fails($$insert into handoff.band values (1, 'E', 9)$$);
select pg_temp.fails($$insert into handoff.target values (1, 'handed', '', '[2026-01-01,2026-02-01)', 100, 'marketing')$$);
select pg_temp.fails('truncate handoff.route');
select pg_temp.fails('truncate handoff.contract cascade');
select pg_temp.fails('delete from handoff.contract');
select pg_temp.fails($$update handoff.contract set half_life = '7 days'$$);
select pg_temp.fails($$update handoff.contract set name = 'other'$$);
select pg_temp.fails('update handoff.contract set contract_id = 7');
select pg_temp.fails($$update handoff.contract set status = 'draft'$$);
select pg_temp.fails($$update handoff.contract set note = 'signed in Berlin'$$);
select pg_temp.fails($$update handoff.contract set traffic_share = 0.5$$);
select pg_temp.fails($$insert into handoff.contract (contract_id, status) values (9, 'published')$$);

-- a draft is a copy, and is checked row by row as it is edited
select handoff.draft();
select handoff.export(2) = handoff.export(1), (select count(*) from handoff.diff(1, 2));
select pg_temp.fails('insert into handoff.derived values (2, ''band'', 1, ''x'')');
select pg_temp.fails('insert into handoff.field (contract_id, of, name, type) values (2, ''lead'', ''stage'', ''text'')');
select pg_temp.fails('insert into handoff.field (contract_id, of, name, type) values (2, ''activity'', ''stage'', ''text'')');
select pg_temp.fails('insert into handoff.field (contract_id, of, name, type) values (2, ''lead'', ''Company'', ''text'')');
select pg_temp.fails('insert into handoff.field (contract_id, of, name, type) values (2, ''lead'', ''level'', ''int'')');
select pg_temp.fails($$update handoff.route set criteria = 'industri = ''Software''' where contract_id = 2 and name = 'sdr_team'$$);
select pg_temp.fails($$update handoff.stage set exit = 'industry = 3' where contract_id = 2 and name = 'mql'$$);
select pg_temp.fails($$update handoff.score_rule set criteria = 'industry = ''Software''' where contract_id = 2 and name = 'trial'$$);
select pg_temp.fails($$update handoff.score_rule set criteria = 'kind = ''trial''' where contract_id = 2 and name = 'free_mail'$$);
select pg_temp.fails($$update handoff.activity_rule set criteria = 'account.level = ''1''' where contract_id = 2 and name = 'reply'$$);
select pg_temp.fails($$update handoff.gate set criteria = 'account.level = ''1''' where contract_id = 2 and ord = 10$$);
insert into handoff.field (contract_id, of, name, type) values (2, 'account', 'level', 'text');
select pg_temp.fails($$update handoff.gate set criteria = 'account.level = ''1''' where contract_id = 2 and ord = 10$$);
select pg_temp.fails($$update handoff.contract set half_life = '59 minutes' where contract_id = 2$$);
select pg_temp.fails($$update handoff.contract set half_life = '1 month' where contract_id = 2$$);
select pg_temp.fails($$update handoff.contract set accept_on = '{asap}' where contract_id = 2$$);

-- diff names what changed, and only that
update handoff.contract set half_life = '7 days' where contract_id = 2;
update handoff.score_rule set points = 31 where contract_id = 2 and name = 'role_executive';
update handoff.sla set target = '2 hours', criteria = 'band = ''A''' where contract_id = 2 and name = 'ae_first_touch';
delete from handoff.cadence_step where contract_id = 2 and leg = 'sdr_to_ae' and step = 3;
insert into handoff.collision values (2, 'person', '1 day', 'join') on conflict (contract_id, scope) do update set within = excluded.within;
select * from handoff.diff(1, 2);
select pg_temp.fails('select handoff.diff(1, 99)');

-- documents: what goes out comes in, whatever the session's settings
set local intervalstyle = sql_standard; set local datestyle = 'sql, dmy'; set local timezone = 'Pacific/Auckland';
select handoff.import(handoff.export(2));
reset intervalstyle; reset datestyle; reset timezone;
select handoff.export(3) = handoff.export(2), handoff.export(3)::text = handoff.export(2)::text, (select count(*) from handoff.diff(2, 3));
select jsonb_object_keys(handoff.export(3)) order by 1;
select handoff.export(3) -> 'contract', handoff.export(3) -> 'sla' -> 0;
delete from handoff.contract where contract_id = 3;
select count(*) from handoff.route where contract_id = 3;
select pg_temp.fails('select handoff.import(''[]'')');
select pg_temp.fails('select handoff.import(''{"format": 1}'')');
select pg_temp.fails('select handoff.import(''{"contract": {}}'')');
select pg_temp.fails('select handoff.import(''{"format": 2, "contract": {}}'')');
select pg_temp.fails('select handoff.import(''{"format": 1, "contract": {}, "rout": []}'')');
select pg_temp.fails('select handoff.import(''{"format": 1, "contract": {"status": "published"}}'')');
select pg_temp.fails('select handoff.import(''{"format": 1, "contract": {}, "band": {}}'')');
select pg_temp.fails('select handoff.import(''{"format": 1, "contract": {}, "band": [1]}'')');
select pg_temp.fails('select handoff.import(''{"format": 1, "contract": {}, "band": [{"ord": 1, "name": "A", "minfit": 3}]}'')');
select pg_temp.fails('select handoff.import(''{"format": 1, "contract": {}, "band": [{"ord": "first", "name": "A"}]}'')');
select pg_temp.fails('select handoff.import(''{"format": 1, "contract": {}, "band": [{"name": "A"}]}'')');
select pg_temp.fails('select handoff.import(''{"format": 1, "contract": {}, "gate": [{"ord": 1, "action": "stop", "code": "x", "criteria": "fit > 1"}]}'')');
select pg_temp.fails('select handoff.import(''{"format": 1, "contract": {}, "gate": [{"ord": 1, "action": "hold", "code": "x", "criteria": "length(owner) > 1"}]}'')');
select pg_temp.fails('select handoff.import(''{"format": 1, "contract": {}, "gate": [{"ord": 1, "action": "hold", "code": "x", "criteria": "nobody > 1"}]}'')');
select handoff.import('{"format": 1, "contract": {"name": "small"}, "gate": [{"ord": 1, "action": "hold", "code": "x", "criteria": "fit > 1"}]}');
select handoff.export(3);

-- two drafts: which one is meant must be said
select pg_temp.fails('select handoff.publish()');
delete from handoff.contract where contract_id = 3;

-- publish refuses what validate() calls an error, and says all of it
update handoff.contract set parties = '{marketing,sales}' where contract_id = 2;
update handoff.stage set max_age = null, max_age_to = null where contract_id = 2 and name = 'sal';
delete from handoff.route where contract_id = 2 and name = 'ae_fallback';
select pg_temp.fails('select handoff.approve(2, ''finance'')');
select pg_temp.fails('select handoff.approve(1, ''sales'')');
select pg_temp.fails('select handoff.approve(9, ''sales'')');
select pg_temp.fails('select handoff.publish()');
select handoff.approve(2, 'marketing', 'mia'), handoff.approve(2, 'sales', 'sam', 'agreed in the June meeting');
select pg_temp.fails('select handoff.publish()');
update handoff.stage set max_age = '20 days', max_age_to = 'recycled' where contract_id = 2 and name = 'sal';
insert into handoff.route (contract_id, name, leg, ord, target_kind, target) values (2, 'ae_fallback', 'sdr_to_ae', 90, 'pool', 'fallback');
-- the draft was changed after its approval
select pg_temp.fails('select handoff.publish()');
select handoff.approve(2, 'marketing', 'mia'), handoff.approve(2, 'sales', 'sam');
select pg_temp.fails('select handoff.publish(in_flight => ''drop'')');
select pg_temp.fails('select handoff.publish(in_flight => ''adopt'')');
select pg_temp.fails('select handoff.publish(stage_map => ''{"sal": "nowhere"}'')');
select pg_temp.fails('select handoff.publish(stage_map => ''[]'')');
select handoff.publish();
select pg_temp.versions();
select a.effective -|- b.effective from handoff.contract a, handoff.contract b where a.contract_id = 1 and b.contract_id = 2;

-- back and forth
select handoff.rollback();
select pg_temp.versions();
select handoff.rollback('default');
select pg_temp.versions();
select handoff.contract_at((select lower(r) from handoff.contract c, unnest(c.effective) r where c.contract_id = 1 order by 1 desc limit 1));
select pg_temp.fails('select handoff.rollback(''other'')');

-- no lead loses its stage: not by publish(), not by rollback(); deleted leads and other contracts' don't count
create function pg_temp.put_lead(lead_key text, contract_id int, stage text, deleted_at timestamptz default null) returns void
language sql as $$
    insert into handoff.lead
    select t.* from jsonb_populate_record(null::handoff.lead, jsonb_build_object(
        'lead_key', lead_key, 'contract_id', contract_id, 'stage', stage, 'deleted_at', deleted_at,
        'source', 'crm', 'raw_key', lead_key, 'stage_since', now(), 'fields', '{}'::jsonb, 'fit', 0, 'intent', '0',
        'group_heat', '{}'::text[], 'score', 0, 'signals', '{}'::text[], 'cycle', 1, 'cycle_since', now(),
        'trigger', 'row', 'trigger_at', now(), 'first_seen_at', now(), 'decided_at', now(), 'last_seq', 0,
        'intent_since', '-infinity', 'handoffs', 0)) t
$$;
select handoff.draft(1);
update handoff.stage set name = 'working' where contract_id = 3 and name = 'sal';
update handoff.transition set from_stage = 'working' where contract_id = 3 and from_stage = 'sal';
update handoff.transition set to_stage = 'working' where contract_id = 3 and to_stage = 'sal';
update handoff.crm_status set stages = array_replace(stages, 'sal', 'working') where contract_id = 3;
insert into handoff.contract (contract_id, name) values (4, 'other');
select pg_temp.put_lead('l1', 1, 'sal'), pg_temp.put_lead('l2', 2, 'sal'), pg_temp.put_lead('l3', 2, 'mql'),
       pg_temp.put_lead('l4', 2, 'gone', now()), pg_temp.put_lead('l5', 4, 'elsewhere');
select pg_temp.fails('select handoff.publish(3)');
select handoff.publish(3, stage_map => '{"sal": "working"}');
select lead_key, stage from handoff.lead order by lead_key collate "C";
select pg_temp.fails('select handoff.rollback()');
select handoff.rollback(stage_map => '{"working": "sal"}');
select lead_key, stage from handoff.lead order by lead_key collate "C";
delete from handoff.lead;
delete from handoff.contract where contract_id = 4;

-- retire; contracts of several names
select pg_temp.fails('select handoff.retire(1)');
select handoff.retire(2);
select pg_temp.versions();
select pg_temp.fails('select handoff.publish(2)');
select handoff.draft(1);
update handoff.contract set name = 'apac' where contract_id = 4;
select handoff.publish();
select handoff.draft(1);
select handoff.publish();
select pg_temp.versions();
select pg_temp.fails('select handoff.validate()');
select pg_temp.fails('select handoff.contract_at(clock_timestamp())');
select handoff.contract_at(clock_timestamp(), 'apac'), handoff.in_force('default');
select pg_temp.fails('select handoff.rollback(''apac'')');
select pg_temp.fails('select handoff.load_template(''no_such_template'')');
rollback;

-- what is published must be seen whole
begin isolation level repeatable read;
do $$ begin perform handoff.setup(); end $$;
insert into handoff.contract (contract_id) values (1);
do $$ begin perform handoff.publish(1); exception when sqlstate '25001' then raise notice '%: %', sqlstate, sqlerrm; end $$;
rollback;
