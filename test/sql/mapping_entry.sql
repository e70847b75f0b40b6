-- test/sql/mapping_entry.sql: what an entry of a mapping may be, what an expression may hold, and that
-- it means what plain SQL means, under any search_path.
\set QUIET 1
\pset format unaligned
\pset tuples_only on
set client_min_messages = warning;
set lead_handoff.inline_limit = 0;
select handoff.setup();
create schema me;
create type me.mood as enum ('fine', 'bad');
create domain me.short as varchar(20);
create table me.lead (
    id text, email text, n int, big bigint, amount numeric(12, 2), f float8, ok boolean, born date,
    "at" timestamp, tz timestamptz, doc jsonb, raw json, docs text, tags text[], mood me.mood, short me.short,
    "a""b" text, "a'b" text, "Größe" text, "select" text,
    a23456789012345678901234567890123456789012345678901234567890123 text, primary key (id));
insert into me.lead values
    ('1', 'Ann@X.de', 1, 10, 1.5, 0.25, true, '2024-02-29', '2026-03-29 02:30', '2026-03-29 02:30+00',
     '{"a": {"b": "deep"}, "n": 7, "list": ["p", "q, r", "s\"t", null], "t": true, "d": "2026-01-02"}', '{"x": [10, 20]}',
     '{"k": "v"}', '{x,y}', 'fine', 'short', 'ab', 'a_b', 'groß', 'sel', 'long'),
    ('2', '', -2, null, 0, 'NaN', false, '1999-12-31', '2026-10-25 02:30', '2026-10-25 02:30+00', '{"a": {}}', '[]',
     'null', '{}', 'bad', '', '', '', '', '', '');
insert into me.lead (id) values ('3');

-- an expression read through the mapping is the same expression in plain SQL ------------------------
create function me.differs(type regtype, expression text) returns text language plpgsql as $$
declare
    entry jsonb := jsonb_build_object('expression', expression);
    sql   text := handoff.mapping_sql('me.lead', 'x', entry, type);
    n     int;
begin
    execute format('select count(*) from (select id, %s as v from me.lead t) a join (select id, (%s)::%s as v from me.lead) b using (id)'
        ' where a.v is distinct from b.v', sql, expression, type) into n;
    return format('%s %s', n, expression);
end $$;
select me.differs(type, e) from (values
    ('text'::regtype, $$lower(email)$$), ('text', $$split_part(email, '@', 2)$$), ('bigint', $$n + 1$$), ('bigint', $$-n * 2 - 3 % 2$$),
    ('numeric', $$amount / 3$$), ('numeric', $$round(amount * 1.19, 2)$$), ('boolean', $$n between -5 and 1$$),
    ('boolean', $$n not between 0 and 5$$), ('boolean', $$n between symmetric 5 and 0$$), ('boolean', $$n not between symmetric 5 and 0$$),
    ('boolean', $$n in (1, 2, 3)$$), ('boolean', $$n not in (1, 2)$$), ('boolean', $$n in (1, null)$$), ('boolean', $$n not in (2, null)$$),
    ('boolean', $$email like '%@%'$$), ('boolean', $$email not like 'A%'$$), ('boolean', $$email ilike 'ann%'$$), ('boolean', $$email !~ '^A'$$),
    ('text', $$nullif(email, '')$$), ('boolean', $$n is distinct from 1$$), ('boolean', $$n is not distinct from null$$),
    ('boolean', $$email is not distinct from short$$), ('boolean', $$ok is not true$$), ('boolean', $$ok is unknown$$), ('boolean', $$not ok and n > 0 or ok is null$$),
    ('text', $$case n when 1 then 'one' when -2 then 'two' else 'none' end$$), ('text', $$case when n > 0 then email end$$),
    ('text', $$coalesce(email, short, 'x')$$), ('bigint', $$greatest(n, big, 3)$$), ('bigint', $$least(n, big)$$),
    ('text', $$email || ' ' || coalesce(short, '-')$$), ('text', $$doc ->> 'd'$$), ('text', $$doc #>> '{a,b}'$$), ('text', $$doc -> 'a' ->> 'b'$$), ('text', $$raw -> 'x' ->> 0$$),
    ('boolean', $$doc ? 'n'$$), ('boolean', $$doc @> '{"n": 7}'$$), ('date', $$(doc ->> 'd')::date$$), ('numeric', $$(doc ->> 'n')::numeric(10, 1)$$),
    ('timestamptz', $$"at" at time zone 'Europe/Berlin'$$), ('text', $$tz at time zone 'Asia/Tokyo'$$), ('bigint', $$extract(year from born)$$),
    ('timestamptz', $$to_timestamp(big)$$), ('text', $$trim(both ' x' from email)$$), ('text', $$substring(email from 2 for 3)$$), ('text', $$substring(email from 'A(n+)')$$),
    ('bigint', $$position('@' in email)$$), ('text', $$overlay(email placing '**' from 2)$$), ('text', $$tags[1]$$), ('boolean', $$'x' = any(tags)$$), ('boolean', $$n <> all(array[1, 2])$$),
    ('text', $$mood$$), ('boolean', $$mood = 'fine'$$), ('text', $$upper(short)$$), ('text', $$"a""b" || "a'b"$$), ('text', $$"Größe"$$), ('text', $$"select"$$),
    ('text', $$a23456789012345678901234567890123456789012345678901234567890123$$), ('text', $$'it''s \ "q"'$$), ('text', $$e'a\tb'$$), ('text', $$U&'\00e9'$$),
    ('text', $$null$$), ('text', $$'x'$$), ('bigint', $$9223372036854775807$$), ('numeric', $$1e3$$), ('boolean', $$true$$), ('date', $$born + 30$$), ('bigint', $$born - '2024-01-01'$$),
    ('text', $$regexp_replace(email, '[A-Z]', '', 'g')$$), ('text[]', $$string_to_array(email, '@')$$), ('text', $$pg_catalog.lower(email)$$), ('text', $$n operator(pg_catalog.+) 1$$),
    ('bigint', $$length(email)$$), ('double precision', $$f * 2$$), ('text', $$uuid '00000000-0000-0000-0000-000000000001'$$), ('text', $$interval '1 day'$$)
) e (type, e);

-- what is refused, and which part ------------------------------------------------------------------
create function me.refusal(entry jsonb, type regtype default 'text') returns text language plpgsql as $$
declare
    message text; detail text; hint text; query text;
begin
    return 'read as ' || coalesce(handoff.mapping_sql('me.lead', 'x', entry, type), 'nothing');
exception when others then
    get stacked diagnostics message = message_text, detail = pg_exception_detail;
    return format('%s %s', sqlstate, message) || case detail when '' then '' else ' / ' || detail end;
end $$;
create function me.refusal_of(expression text) returns text language sql as $$select expression || ' --> ' || me.refusal(jsonb_build_object('expression', expression))$$;
create function me.lower(text) returns text language sql immutable as $$select 'evil'$$;
create aggregate me.many(text) (sfunc = textcat, stype = text);
create operator me.+ (function = textcat, leftarg = text, rightarg = text);
create function public.regress_evil(text) returns text language sql immutable as $$select 'evil'$$;
select me.refusal_of(e) from unnest(array[
    'now()', 'current_timestamp', 'current_user', 'clock_timestamp()', 'random()', 'pg_sleep(1)', 'current_setting(''x'')', 'pg_read_file(''x'')',
    'nextval(''s'')', 'to_char(tz, ''YYYY'')', 'format(''%s'', email)', 'concat(email, n)', 'me.lower(email)', 'regress_evil(email)', 'public.regress_evil(email)',
    'count(*)', 'max(email)', 'string_agg(email, '','')', 'row_number() over ()', 'count(n) filter (where ok)', 'max(distinct n)', 'unnest(tags)', 'generate_series(1, n)', 'jsonb_array_elements(doc)', 'num_nulls(n, big)', 'num_nulls(variadic tags)',
    '(select 1)', 'exists (select 1)', 'n in (select 1)', 'array(select 1)', 'row(1, 2)', '(1, 2)', 't.*', '*', 't.email', 'me.lead.email', 'lead', 't', 'ctid',
    'email operator(me.+) email', '''pg_class''::regclass', '''x''::me.short', '''fine''::me.mood', 'email::text collate "C"', 'email collate "C"', 'tags[1:2]', 'n::setof int', '$1', 'email as x', 'email, n',
    'email from me.lead', 'email where true', '1; select 2', '1 union select 2', '1 order by 1', 'distinct n', 'email)', 'email --', '', ' ', '/* nothing */', 'x''', 'nope', 'lower(n)', 'email + 1', 'email and ok', 'b''1''', 'xmlelement(name a)',
    'similar_to_escape(email)', 'email similar to ''a%''', 'grouping(n)', 'default', 'tz - interval ''1 day''', 'tz > born', 'inet ''1.1.1.1''', 'lower(email variadic)', 'make_date(year => 2020, month => 1, day => 1)', 'cast(email as text[])', 'int4out(n)', 'textin(''x'')'
]) e;

-- entries ------------------------------------------------------------------------------------------------
select entry || ' --> ' || me.refusal(entry::jsonb, type) from (values
    ('"email"', 'text'::regtype), ('{"column": "email"}', 'text'), ('{"column": "gone"}', 'text'), ('["gone", "email"]', 'text'), ('["email", "short"]', 'text'), ('[]', 'text'),
    ('{"column": "gone", "default": 5}', 'bigint'), ('null', 'text'), ('3', 'text'), ('true', 'text'), ('[3]', 'text'), ('{}', 'text'), ('{"column": "email", "expression": "n"}', 'text'),
    ('{"column": ""}', 'text'), ('{"column": 3}', 'text'), ('{"expression": null}', 'text'), ('{"col": "email"}', 'text'), ('{"column": "doc", "path": ""}', 'text'), ('{"column": "doc", "path": []}', 'text'),
    ('{"column": "doc", "path": ["a", {}]}', 'text'), ('{"column": "doc", "path": 1}', 'text'), ('{"column": "at", "zone": "Mars/Olympus"}', 'timestamptz'), ('{"column": "at", "zone": "UTC+5"}', 'timestamptz'),
    ('{"column": "at", "zone": 1}', 'timestamptz'), ('{"column": "email", "values": []}', 'text'), ('{"column": "email", "values": {"a": {}}}', 'text'), ('{"column": "email", "else": "x"}', 'text'),
    ('{"column": "email", "values": {"a": "b"}, "else": []}', 'text'), ('{"column": "email", "default": []}', 'text'), ('{"column": "email", "split": ""}', 'text[]')
) e (entry, type);

-- values
create function me.read(entry jsonb, type regtype) returns setof text language plpgsql as $$
begin
    return query execute format('select coalesce((%s)::pg_catalog.text, ''null'') from me.lead t order by id', handoff.mapping_sql('me.lead', 'x', entry, type));
end $$;
set timezone = 'UTC';
set datestyle = iso;
select entry, (select string_agg(r, ' | ') from me.read(entry::jsonb, type) r) from (values
    ('{"column": "doc", "path": "a.b"}', 'text'::regtype), ('{"column": "doc", "path": ["list", 1]}', 'text'), ('{"column": "raw", "path": "x.1"}', 'bigint'), ('{"column": "docs", "path": "k"}', 'text'),
    ('{"column": "doc", "path": "list"}', 'text[]'), ('{"column": "doc", "path": "t"}', 'boolean'), ('"doc"', 'text'),
    ('"at"', 'timestamptz'), ('{"column": "at", "zone": "Europe/Berlin"}', 'timestamptz'), ('{"column": "tz", "zone": "Europe/Berlin"}', 'timestamptz'),
    ('{"column": "born", "zone": "America/New_York"}', 'timestamptz'), ('{"expression": "\"at\"::text", "zone": "Asia/Tokyo"}', 'timestamptz'), ('{"expression": "tz::text", "zone": "Asia/Tokyo"}', 'timestamptz'),
    ('{"expression": "case when n = 1 then ''2026-01-02'' else '''' end", "zone": "Asia/Tokyo"}', 'timestamptz'),
    ('{"column": "mood", "values": {"fine": "good"}}', 'text'), ('{"column": "mood", "values": {"fine": "good"}, "else": "other"}', 'text'), ('{"column": "mood", "values": {"fine": null}, "else": "other", "default": "none"}', 'text'),
    ('{"column": "n", "values": {"1": 100}}', 'bigint'), ('{"column": "ok", "values": {"true": "yes", "false": "no"}}', 'text'), ('{"column": "ok", "values": {"true": "yes"}, "else": null}', 'text'),
    ('{"column": "email", "default": "nobody"}', 'text'), ('["short", {"column": "email", "default": "nobody"}]', 'text'), ('{"column": "email", "split": "@"}', 'text[]'),
    ('{"expression": "doc -> ''list''"}', 'text[]'), ('{"column": "docs", "path": "k", "values": {"v": "it''s"}}', 'text'), ('{"expression": "n > 0", "values": {"true": "a\"b''c"}}', 'text'),
    ('{"column": "doc", "path": "d"}', 'date')
) e (entry, type);
-- an empty text is no number, date or boolean
update me.lead set short = '12' where id = '1';
select * from me.read('"short"', 'bigint');

-- nobody's operators, functions, casts or names get in the way -------------------------------------------
create function me.evil(text, text) returns boolean language sql immutable as $$select true$$;
create operator me.= (function = me.evil, leftarg = text, rightarg = text);
create function me.evil_varchar(varchar, varchar) returns boolean language sql immutable as $$select true$$;
create operator me.~~ (function = me.evil_varchar, leftarg = varchar, rightarg = varchar);
create operator me.= (function = me.evil_varchar, leftarg = varchar, rightarg = varchar);
create function me.btrim(text) returns text language sql immutable as $$select 'evil'$$;
create type me.text as (x int);
create function me.try_path(path text) returns setof text language plpgsql as $$
begin
    perform pg_catalog.set_config('search_path', path, true);
    return query select pg_catalog.string_agg(r, ' | ') from (
        select me.read(e::jsonb, 'pg_catalog.text') from unnest(array[
            '{"expression": "lower(btrim(email))"}', '{"expression": "nullif(short, ''short'')"}', '{"expression": "case short when ''y'' then ''evil'' else ''fine'' end"}', '{"expression": "short like ''zzz''"}',
            '{"expression": "short in (''a'', ''b'')"}', '{"expression": "email is distinct from ''q''"}', '{"expression": "email = any(array[''q''])"}', '{"expression": "email::text"}',
            '{"column": "email", "values": {"": "empty"}}', '{"column": "doc", "path": "a.b"}']) e) x (r);
end $$;
select count(distinct r) from (values ('pg_catalog'), ('me, pg_catalog'), ('me, public'), ('')) p (path), me.try_path(p.path) r;

-- attached, by the drain -------------------------------------------------------------------------
select handoff.import('{"format": 1, "contract": {"reporting_zone": "Europe/Berlin"},
    "field": [{"of": "lead", "name": "score_", "type": "bigint"}, {"of": "lead", "name": "kind", "type": "text"}, {"of": "lead", "name": "tags", "type": "text[]"},
              {"of": "lead", "name": "born", "type": "date"}],
    "stage": [{"name": "lead", "position": 1, "owner": "none", "is_default": true, "is_terminal": true}],
    "band": [{"name": "all", "ord": 1}]}');
select handoff.publish();
select handoff.attach('me.lead', kind => 'lead', since => '-infinity', mapping => '{
    "email": {"expression": "lower(email)"}, "score_": {"column": "doc", "path": "n", "default": 0}, "kind": {"column": "mood", "values": {"fine": "ok"}},
    "tags": {"column": "doc", "path": "list"}, "version": {"column": "at", "zone": "Europe/Berlin"}, "created_at": ["tz", "at"]}');
select guard_columns from handoff.source;
select decided from handoff.tick('2027-01-05 12:00+00');
select lead_key, fields, version from handoff.lead order by 1;
select * from handoff.quarantine;
-- a change of what no entry reads is none
update me.lead set big = 5, "a""b" = 'x';
select count(*) from handoff.inbox;
update me.lead set doc = '{"n": "many"}' where id = '2';
select decided, quarantined from handoff.tick('2027-01-05 13:00+00');
select raw_key, sqlstate, message from handoff.quarantine;
-- a column that is gone reads null: one warning, and it stays visible; one that is back reads again
set client_min_messages = notice;
alter table me.lead drop column mood cascade;
update me.lead set email = email || 'x';
select decided from handoff.tick('2027-01-05 14:00+00');
update me.lead set email = email || 'y';
select decided from handoff.tick('2027-01-05 15:00+00');
select lead_key, fields ->> 'kind', fields ->> 'email' from handoff.lead order by 1;
select missing_columns from handoff.source_health;
select what from handoff.doctor() where what like '%mood%';
set client_min_messages = warning;
alter table me.lead add column mood text default 'fine';
update me.lead set email = email || 'z';
select decided from handoff.tick('2027-01-05 16:00+00');
select lead_key, fields ->> 'kind' from handoff.lead order by 1;
-- a type that changed is cast, else the rows wait in quarantine
alter table me.lead alter column tz type text;
update me.lead set email = email || 'a', tz = case id when '1' then 'tomorrow or so' else '2026-01-01 00:00+01' end;
select decided from handoff.tick('2027-01-05 17:00+00');
select lead_key, fields ->> 'created_at' from handoff.lead order by 1;
select raw_key, sqlstate from handoff.quarantine order by 1;

-- attach() says what is wrong
\set VERBOSITY terse
\set try 'select handoff.attach(''me.lead'', kind => ''lead'', mapping => :''mapping'');' '\\echo :LAST_ERROR_SQLSTATE'
\set mapping '{"email": {"expression": "now()"}}'
:try
\set mapping '{"email": {"column": "gone"}}'
:try
\set mapping '{"email": {"expression": "gone || ''x''"}}'
:try
\set mapping '{"score_": {"column": "n", "default": "many"}}'
:try
\set mapping '{"email": {"column": "email", "zone": "nowhere"}}'
:try
select handoff.teardown(really => true);
drop function public.regress_evil;
drop schema me cascade;
