-- A row that is decided alone is looked up without the executor (src/lookup.c), where its plan is but an index scan:
-- it reads as it does among others, whatever the mapping says, and whatever becomes of the table meanwhile, all in
-- one session. Where the plan is more, the executor has it.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    insert into handoff.field (contract_id, of, name, type)
    select 1, 'lead', f.name, f.type from (values ('amount', 'numeric'), ('staff', 'bigint'), ('called', 'boolean'), ('born', 'date'),
        ('asked', 'timestamptz'), ('topics', 'text[]'), ('words', 'text'), ('level', 'text'), ('size', 'bigint')) f(name, type);
    perform handoff.publish();
end $$;
create schema crm;
create table crm.lead (
    id int primary key, email text, amount text, staff smallint, called text default 'yes', born text, asked timestamp, topics text, words text, level text,
    more jsonb, changed timestamptz not null default '2026-03-02 08:00'
);
alter table crm.lead alter words set storage external; -- kept apart from its row when long
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', delete_grace => '0', mapping => '{
        "email": {"expression": "lower(email)"}, "asked": {"column": "asked", "zone": "Europe/Berlin"}, "topics": {"column": "topics", "split": ";"},
        "level": {"column": "level", "values": {"hi": "high"}, "else": "other"}, "size": {"column": "more", "path": "size", "default": 7},
        "version": "changed"}');
end $$;
create function pg_temp.some(keys int[]) returns void language sql as $$
    insert into crm.lead (id, email, amount, staff, born, asked, topics, words, level, more)
    select k, 'Lead' || k % 3 || '@Acme.DE', nullif((k % 7)::text, '3') || '.50', k % 5, (array['2026-02-0' || 1 + k % 9, '', null])[1 + k % 3],
           timestamp '2026-10-25 00:00' + k % 4 * interval '1 hour', (array['a;b', '', null, 'c'])[1 + k % 4],
           repeat((array['a', 'b'])[1 + k % 2], (array[1, 3, 9000])[1 + k % 3]), (array['hi', 'lo', null])[1 + k % 3],
           (array['{"size": 12}', '{"size": null}', '{}', null])[1 + k % 4]::jsonb
    from unnest(keys) k
$$;
-- what is read of lead k alone, and together with two others, which fill a batch
create function pg_temp.alone(k int) returns jsonb language plpgsql as $$ begin
    perform pg_temp.some(array[k]), handoff.tick();
    return (select l.fields from handoff.lead l where lead_key = k::text);
end $$;
create function pg_temp.among(k int) returns jsonb language plpgsql as $$ begin
    perform pg_temp.some(array[k, k + 1, k + 2]), handoff.tick();
    return (select l.fields from handoff.lead l where lead_key = k::text);
end $$;
-- the values go round in 1260 keys
create function pg_temp.agrees(what text, keys int[]) returns setof text language sql as $$
    select is(pg_temp.alone(k), pg_temp.among(k + 1260), format('%s, lead %s alone reads as among others', what, k)) from unnest(keys) k
$$;

-- As the table was attached -----------------------------------------------------------------------------------
select pg_temp.agrees('as attached', array(select generate_series(1, 77, 4)));
select is(fields - 'email', '{"size": 7, "asked": "2026-10-24T23:00:00+00:00", "level": "other", "staff": 1, "words": "bbb", "amount": 1.50, "called": true, "topics": []}', 'it reads what the mapping says') from handoff.lead where lead_key = '1';
select is(length(fields ->> 'words'), 9000, 'a long value is whole') from handoff.lead where lead_key = '5';

-- What becomes of it ------------------------------------------------------------------------------------------
set local client_min_messages = error; -- that a column is gone is said
alter table crm.lead add column late text default 'x', drop column called;
select pg_temp.agrees('with a column more and one less', array(select generate_series(100, 116, 4)));
set local client_min_messages = warning;
alter table crm.lead add column called boolean default true, alter column staff type numeric using staff + 0.25, alter column changed type timestamp;
select pg_temp.agrees('with other types', array(select generate_series(120, 136, 4)));
create domain crm.name as text check (value <> 'never');
alter table crm.lead alter column words type crm.name, alter column words set not null;
select pg_temp.agrees('with a domain', array(select generate_series(140, 156, 4)));
alter table crm.lead alter column words type text;
alter table crm.lead drop constraint lead_pkey;
select pg_temp.agrees('without an index', array(select generate_series(160, 176, 4)));
create index lead_odd on crm.lead (id) where id % 2 = 1;
select pg_temp.agrees('with an index of some rows', array(select generate_series(180, 196, 4)));
alter table crm.lead add primary key (id);
select pg_temp.agrees('with its index again', array(select generate_series(200, 216, 4)));

-- What a policy hides from the table's owner is not there, however it is read
create role lh_lookup_owner;
grant usage, create on schema crm to lh_lookup_owner;
alter table crm.lead owner to lh_lookup_owner;
alter table crm.lead enable row level security, force row level security;
create policy even on crm.lead using (id % 2 = 0);
select pg_temp.agrees('under a policy', array(select generate_series(220, 232, 3)));
select is(count(*) filter (where lead_key::int % 2 = 1), 0::bigint, 'those that it hides are no leads') from handoff.lead where lead_key::int between 220 and 232;
select is(count(*), 3::bigint, 'the others are') from handoff.lead where lead_key::int between 220 and 232;
alter table crm.lead disable row level security;
select pg_temp.agrees('without it', array(select generate_series(240, 256, 4)));

-- A value that can't be read is an error of its row, and the next one reads as ever
do $$ begin
    insert into crm.lead (id, amount, words) values (300, 'many', '');
    perform handoff.tick();
end $$;
select is(count(*), 1::bigint, 'what can''t be read is in quarantine') from handoff.quarantine where raw_key = '300';
select pg_temp.agrees('after an error', array(select generate_series(301, 317, 4)));

select lives_ok($$select handoff.reconcile('crm.lead'), handoff.tick()$$, 'those that the policy hid are read now');
select is_empty($$select invariant, what from handoff.doctor() where severity = 'error'$$, 'doctor() is content');
select is_empty('select * from handoff.verify()', 'verify() is content');
select * from finish();
rollback;
