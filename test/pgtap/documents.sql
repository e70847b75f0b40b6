-- Documents that we write ourselves, byte by byte, are what PostgreSQL makes of their text: of many keys and of
-- none, numbers of every size, arrays, objects within objects, letters of several bytes, keys said twice.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.add_rep('ana', 'Ana Ñandú', 'sdr');
    -- with its own fields, entries of one document pass 32, 64 and 96
    insert into handoff.field (contract_id, of, name, type)
    select 1, 'lead', 'f' || repeat('x', i % 7) || i, (array['text', 'bigint', 'numeric', 'boolean', 'date', 'timestamptz', 'text[]'])[1 + i % 7]
    from generate_series(1, 60) i;
    perform handoff.publish();
end $$;
create schema crm;
do $$ begin
    execute (select format('create table crm."Lead" ("Id" text primary key, "Email" text, "Company" text, "SystemModstamp" timestamptz, %s)',
                           string_agg(format('%I %s', name, type), ', '))
             from handoff.field where of = 'lead' and name ~ '^fx*\d+$');
    perform handoff.attach('crm."Lead"', 'lead', since => '-infinity', delete_grace => '0');
end $$;
create table crm."Task" ("Id" text primary key, "WhoId" text, "Type" text, "Page" text, "CompletedDateTime" timestamptz);
do $$ begin perform handoff.attach('crm."Task"', 'activity', since => '-infinity', delete_grace => '0'); end $$;

-- a value of a type, the i-th of many odd ones
create function pg_temp.odd(type text, i int) returns text language sql as $$
    select v[1 + i % cardinality(v)] from (select case type
        when 'text' then array['', 'a', 'Ω≈ç√', repeat('long ', 50), '"quoted" \ and / {}', E'tab\tand\nline', null]
        when 'bigint' then array['0', '-1', '10000', '9223372036854775807', '-9223372036854775808', null]
        when 'numeric' then array['0', '1.50', '-0.000001', '1e100', '123456789012345678901234567890.123', 'NaN', 'Infinity', '-Infinity', null]
        when 'boolean' then array['true', 'false', null]
        when 'date' then array['2026-02-28', 'infinity', '-infinity', '0044-03-15 BC', null]
        when 'timestamptz' then array['2026-02-28 12:00:00.123456+14', 'infinity', '-infinity', null]
        else array['{}', '{a}', '{"",NULL,"b c","Ω"}', null] end v) x
$$;
do $$ declare i int; begin
    for i in 0..39 loop
        execute (select format('insert into crm."Lead" values (%L, %L, ''Acme'', %L, %s)', 'l' || i, 'l' || i || '@acme.de', timestamptz '2026-03-02 08:00',
                               string_agg(coalesce(quote_literal(pg_temp.odd(type, i + right(name, 1)::int)), 'null'), ', '))
                 from handoff.field where of = 'lead' and name ~ '^fx*\d+$');
    end loop;
    insert into crm."Task" select 't' || n, 'l' || n, 'form', '/demo', '2026-03-02 08:30' from generate_series(0, 39, 2) n;
    perform handoff.tick('2026-03-02 09:00');
    -- some change, some are nulled, one goes; people act
    execute (select format('update crm."Lead" set "SystemModstamp" = ''2026-03-02 10:00'', %s where "Id" in (''l1'', ''l2'', ''l3'')',
                           string_agg(format('%I = null', name), ', '))
             from handoff.field where of = 'lead' and name ~ '^fx*\d+$');
    update crm."Lead" set "Company" = 'Ähm & Söhne', "SystemModstamp" = '2026-03-02 10:00' where "Id" in ('l4', 'l5');
    delete from crm."Lead" where "Id" = 'l6';
    perform handoff.tick('2026-03-02 10:00');
    perform handoff.accept('l8', p_now => '2026-03-02 11:00');
    perform handoff.accept('l10', p_now => '2026-03-05 10:00');
end $$;

create type pg_temp.document as (d jsonb);
create temp view written as
    select 'event ' || type as what, detail as d from handoff.event
    union all select 'outbox', payload from handoff.outbox
    union all select 'lead', fields from handoff.lead
    union all select 'account match', account_match from handoff.lead where account_match is not null
    union all select 'passed over', passed_over from handoff.assignment;
select cmp_ok(count(*), '>', 200::bigint, 'there are many') from written;
select cmp_ok(max((select count(*) from jsonb_object_keys(d))), '>', 48::bigint, 'with many keys') from written where what = 'lead';
select cmp_ok(count(distinct what), '>', 8::bigint, 'of many sorts') from written;
select is_empty($$select what, d from written where not row(d)::pg_temp.document *= row(d::text::jsonb)::pg_temp.document$$,
                'each is what PostgreSQL makes of its text, byte by byte');
select is_empty($$select what, d from written w, jsonb_each(d) e where w.d -> e.key is distinct from e.value$$, 'each value is found by its key');
select * from finish();
rollback;
