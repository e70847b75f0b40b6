-- test/sql/mapping.sql: what a table's columns mean to a contract, also to one published later; and
-- criteria over JSON with a contract's types.
\set QUIET 1
\pset format unaligned
\pset tuples_only on
set client_min_messages = warning;
set lead_handoff.inline_limit = 0;
select handoff.setup();
create schema map;
create table map.lead (id text primary key, email text, employees int, "Country__c" text, note jsonb);
insert into map.lead values ('a', 'a@acme.com', 20, 'DE', '"x"'), ('b', 'b@acme.com', null, null, null);

select handoff.import('{"format": 1, "contract": {"reporting_zone": "Europe/Berlin"},
    "field": [{"of": "lead", "name": "employees", "type": "bigint"}, {"of": "lead", "name": "since", "type": "timestamptz"}],
    "stage": [{"name": "lead", "position": 1, "owner": "none", "is_default": true, "is_terminal": true}],
    "band": [{"name": "all", "ord": 1}]}');
select handoff.publish();
select handoff.attach('map.lead', kind => 'lead', mapping => '{"email": null}', since => '-infinity');
select mapping from handoff.source;
select decided from handoff.tick('2026-01-05 12:00+00');
select lead_key, fields, person_key from handoff.lead order by 1;

-- a version that declares more finds its columns; what was unmapped stays so
select handoff.draft();
insert into handoff.field (contract_id, of, name, type) values (2, 'lead', 'country', 'text'), (2, 'lead', 'note', 'text');
select handoff.publish();
select mapping from handoff.source;
select decided from handoff.tick('2026-01-05 13:00+00');
select lead_key, fields, person_key from handoff.lead order by 1;
select lead_key, seq, type, what from handoff.lead l, handoff.history(l.lead_key) order by 1, 2;
select invariant, what from handoff.doctor() where severity = 'error';

-- criteria over JSON: types are the contract's, days are those of its zone
select handoff.matches('employees >= 20 and country = ''DE''', fields, 2) from handoff.lead order by lead_key;
select handoff.matches('since > now() - interval ''1 day''', '{"since": "2026-01-04T12:00:01+00:00"}', 2, '2026-01-05 12:00+00');
select handoff.matches('since < current_date', '{"since": "2026-01-04T22:59:59+00:00"}', 2, '2026-01-05 12:00+00'),
       handoff.matches('since < current_date', '{"since": "2026-01-04T23:00:00+00:00"}', 2, '2026-01-05 12:00+00');
\set VERBOSITY sqlstate
select handoff.matches('industri = ''x''', '{}', 2);
select handoff.matches('employees = ''x''', '{}', 2);
select handoff.matches('employees = 1', '{"employees": "many"}', 2);
select handoff.matches('employees = 1', '{}', 99);

select handoff.teardown(really => true);
drop schema map cascade;
