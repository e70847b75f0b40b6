-- Blocked: a lead that waits for a field is handed over when its time is up, also if it is decided at that very tick.
begin;
set local client_min_messages = warning;
set local lead_handoff.inline_limit = 0;
select plan(5);
\i test/lib/fresh.sql

create schema blocked;
create table blocked.lead (id text primary key, employees bigint, phone text);
select handoff.import('{"format": 1, "contract": {"name": "blocked"},
"field": [{"of": "lead", "name": "employees", "type": "bigint"}, {"of": "lead", "name": "phone", "type": "text"}],
"stage": [
    {"name": "lead", "position": 10, "owner": "marketing", "is_default": true},
    {"name": "mql", "position": 20, "owner": "sales", "entry": "employees >= 100", "required": ["phone"], "max_age": "90 days", "max_age_to": "lead"}],
"leg": [{"name": "to_sdr", "ord": 1, "owner_from": "marketing", "owner_to": "sdr", "blocked_max": "3 days", "blocked_then": "hand_over"}],
"transition": [{"ord": 10, "from_stage": "lead", "event": "scored", "to_stage": "mql", "leg": "to_sdr"}],
"route": [{"name": "all", "leg": "to_sdr", "ord": 10, "target_kind": "pool", "target": "sdr"}]}');
insert into handoff.pool (pool) values ('sdr');
select handoff.publish();
select handoff.attach('blocked.lead', 'lead', since => '-infinity');

insert into blocked.lead values ('early', 100), ('due', 100), ('late', 100);
select handoff.tick('2026-03-02 10:00+00');
select results_eq('select lead_key, stage, blocked_fields from handoff.lead order by 1',
                  $$values ('due', 'lead', '{phone}'::text[]), ('early', 'lead', '{phone}'), ('late', 'lead', '{phone}')$$, 'blocked');

update blocked.lead set employees = 200 where id = 'early';
select handoff.tick('2026-03-05 09:59+00');
select is((select count(*) from handoff.lead where stage = 'lead'), 3::bigint, 'a decision before the time is up hands nothing over');
select is((select due_at from handoff.clock where lead_key = 'early' and kind = 'blocked'), '2026-03-05 10:00+00', '.. and moves no clock');

update blocked.lead set employees = 200 where id = 'due';
select handoff.tick('2026-03-05 10:00+00');
select results_eq('select lead_key, stage from handoff.lead order by 1',
                  $$values ('due', 'mql'), ('early', 'mql'), ('late', 'mql')$$, 'when it is up they are handed over, one of them decided just before');
select results_eq('select lead_key, consistent from handoff.stage_history where stage = ''mql'' order by 1',
                  $$values ('due', false), ('early', false), ('late', false)$$, '.. without the field');
select * from finish();
rollback;
