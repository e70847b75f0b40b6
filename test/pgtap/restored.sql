-- Restored: a lead whose row is gone and comes back goes on with its handoff, under the contract that this was made under.
begin;
set local client_min_messages = warning;
set local lead_handoff.inline_limit = 0;
select plan(6);
\i test/lib/fresh.sql

create schema restored;
create table restored.lead (id text primary key, employees bigint);
select handoff.import('{"format": 1, "contract": {"name": "restored"},
"field": [{"of": "lead", "name": "employees", "type": "bigint"}],
"stage": [
    {"name": "lead", "position": 10, "owner": "marketing", "is_default": true},
    {"name": "mql", "position": 20, "owner": "sales", "entry": "employees >= 100", "max_age": "90 days", "max_age_to": "lead"}],
"leg": [{"name": "to_sdr", "ord": 1, "owner_from": "marketing", "owner_to": "sdr"}],
"transition": [{"ord": 10, "from_stage": "lead", "event": "scored", "to_stage": "mql", "leg": "to_sdr"}],
"score_group": [{"name": "size", "kind": "fit"}],
"score_rule": [{"name": "big", "score_group": "size", "points": 10, "criteria": "employees >= 100"}],
"route": [{"name": "all", "leg": "to_sdr", "ord": 10, "target_kind": "pool", "target": "sdr"}]}');
insert into handoff.pool (pool) values ('sdr');
select handoff.publish();
select handoff.attach('restored.lead', 'lead', since => '-infinity', delete_grace => '0');

insert into restored.lead values ('a', 100);
select handoff.tick('2026-03-02 10:00+00');
delete from restored.lead;
select handoff.tick('2026-03-03 10:00+00');
select is((select outcome from handoff.handoff), 'withdrawn', 'a deletion withdraws the handoff');

select handoff.draft(1);
update handoff.score_rule set points = 20 where contract_id = 2;
select handoff.publish();
insert into restored.lead values ('a', 200);
select handoff.tick('2026-03-04 10:00+00');
select handoff.tick('2026-03-04 10:01+00');
select results_eq('select closed_at is null, contract_id from handoff.handoff', 'values (true, 1)', 'the row is back: the handoff goes on');
select is((select contract_id from handoff.lead), 1, '.. under its contract');
select is((select score from handoff.lead), 10::bigint, '.. by its points');
select is_empty('select * from handoff.event where contract_id = 2', '.. and by no other in between');
select is((select due_at from handoff.clock where kind = 'stage_age'), '2026-06-02 10:00+00', 'the stage''s time begins anew');
select * from finish();
rollback;
