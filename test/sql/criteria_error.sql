-- What criteria refuse, with SQLSTATE, message, hint and position. LINE and ^ are those of the criteria:
-- the input function is called with a value, not with a literal (literals are at the end).
create schema criteria_error;
set search_path = criteria_error, handoff;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

-- no expression, or more than one
select criteria_in($c$$c$); \echo :SQLSTATE
select criteria_in($c$  -- nothing$c$); \echo :SQLSTATE
select criteria_in($c$a = 1, b = 2$c$); \echo :SQLSTATE
select criteria_in($c$a = 1 as x$c$); \echo :SQLSTATE
select criteria_in($c$a = 1 b$c$); \echo :SQLSTATE
select criteria_in($c$*$c$); \echo :SQLSTATE
select criteria_in($c$distinct a$c$); \echo :SQLSTATE
select criteria_in($c$a = 1 from pg_class$c$); \echo :SQLSTATE
select criteria_in($c$a = 1 where b$c$); \echo :SQLSTATE
select criteria_in($c$a = 1 order by b$c$); \echo :SQLSTATE
select criteria_in($c$a = 1 limit 1$c$); \echo :SQLSTATE
select criteria_in($c$a = 1 for update$c$); \echo :SQLSTATE
select criteria_in($c$a = 1; drop table x$c$); \echo :SQLSTATE
select criteria_in($c$a = 1) or (b = 2$c$); \echo :SQLSTATE
select criteria_in($c$a = 1 union select true$c$); \echo :SQLSTATE
select criteria_in($c$select true$c$); \echo :SQLSTATE
select criteria_in($c$a = 1 /* open$c$); \echo :SQLSTATE

-- not SQL
select criteria_in($c$a ==$c$); \echo :SQLSTATE
select criteria_in($c$a = 'open$c$); \echo :SQLSTATE
select criteria_in($c$a in ()$c$); \echo :SQLSTATE
select criteria_in($c$a = 1 and$c$); \echo :SQLSTATE
select criteria_in($c$a = E'\\'x'$c$); \echo :SQLSTATE

-- SQL that is not allowed
select criteria_in($c$lower(a) = 'x'$c$); \echo :SQLSTATE
select criteria_in($c$pg_sleep(1) is null$c$); \echo :SQLSTATE
select criteria_in($c$now(1) > a$c$); \echo :SQLSTATE
select criteria_in($c$pg_catalog.now() > a$c$); \echo :SQLSTATE
select criteria_in($c$a > current_timestamp$c$); \echo :SQLSTATE
select criteria_in($c$a > localtimestamp$c$); \echo :SQLSTATE
select criteria_in($c$current_user = a$c$); \echo :SQLSTATE
select criteria_in($c$a = (select 1)$c$); \echo :SQLSTATE
select criteria_in($c$a in (select 1)$c$); \echo :SQLSTATE
select criteria_in($c$exists (select 1)$c$); \echo :SQLSTATE
select criteria_in($c$a = any (select 1)$c$); \echo :SQLSTATE
select criteria_in($c$a = $1$c$); \echo :SQLSTATE
select criteria_in($c$case when a then b end$c$); \echo :SQLSTATE
select criteria_in($c$coalesce(a, b) = 1$c$); \echo :SQLSTATE
select criteria_in($c$a = array['x']$c$); \echo :SQLSTATE
select criteria_in($c$array['x'] @> a$c$); \echo :SQLSTATE
select criteria_in($c$a @> b$c$); \echo :SQLSTATE
select criteria_in($c$a && array[1]$c$); \echo :SQLSTATE
select criteria_in($c$a && array[]$c$); \echo :SQLSTATE
select criteria_in($c$row(a, b) = row(1, 2)$c$); \echo :SQLSTATE
select criteria_in($c$(a, b) = (1, 2)$c$); \echo :SQLSTATE
select criteria_in($c$a::text = 'x'$c$); \echo :SQLSTATE
select criteria_in($c$a = 1::bigint$c$); \echo :SQLSTATE
select criteria_in($c$a = text 'x'$c$); \echo :SQLSTATE
select criteria_in($c$a = timestamp '2026-03-01 00:00'$c$); \echo :SQLSTATE
select criteria_in($c$a > now() - interval '7' day$c$); \echo :SQLSTATE
select criteria_in($c$a > now() - interval(0) '7 days'$c$); \echo :SQLSTATE
select criteria_in($c$a = b'1'$c$); \echo :SQLSTATE
select criteria_in($c$a = x'1f'$c$); \echo :SQLSTATE
select criteria_in($c$a = N'x'$c$); \echo :SQLSTATE
select criteria_in($c$a + 1 = 2$c$); \echo :SQLSTATE
select criteria_in($c$a = b + 1$c$); \echo :SQLSTATE
select criteria_in($c$a = - b$c$); \echo :SQLSTATE
select criteria_in($c$a > current_date - 7$c$); \echo :SQLSTATE
select criteria_in($c$a > now() - b$c$); \echo :SQLSTATE
select criteria_in($c$interval '1 day' + now() < a$c$); \echo :SQLSTATE
select criteria_in($c$a > interval '1 day'$c$); \echo :SQLSTATE
select criteria_in($c$now() - a < interval '1 day'$c$); \echo :SQLSTATE
select criteria_in($c$a > now() + date '2026-03-01'$c$); \echo :SQLSTATE
select criteria_in($c$a ~ 'x'$c$); \echo :SQLSTATE
select criteria_in($c$a || 'x' = 'y'$c$); \echo :SQLSTATE
select criteria_in($c$a operator(pg_catalog.=) 1$c$); \echo :SQLSTATE
select criteria_in($c$a === 1$c$); \echo :SQLSTATE
select criteria_in($c$a <@ array['x']$c$); \echo :SQLSTATE
select criteria_in($c$a similar to 'x'$c$); \echo :SQLSTATE
select criteria_in($c$a like 'x' escape '#'$c$); \echo :SQLSTATE
select criteria_in($c$a like b$c$); \echo :SQLSTATE
select criteria_in($c$a like 5$c$); \echo :SQLSTATE
select criteria_in($c$'x' like a$c$); \echo :SQLSTATE
select criteria_in($c$a between symmetric 1 and 2$c$); \echo :SQLSTATE
select criteria_in($c$1 between a and b$c$); \echo :SQLSTATE
select criteria_in($c$1 = 1$c$); \echo :SQLSTATE
select criteria_in($c$true = false$c$); \echo :SQLSTATE
select criteria_in($c$now() > current_date$c$); \echo :SQLSTATE
select criteria_in($c$'x' is null$c$); \echo :SQLSTATE
select criteria_in($c$(a = 1) is true$c$); \echo :SQLSTATE
select criteria_in($c$(a = 1) = (b = 2)$c$); \echo :SQLSTATE
select criteria_in($c$not 5$c$); \echo :SQLSTATE
select criteria_in($c$'x'$c$); \echo :SQLSTATE
select criteria_in($c$now()$c$); \echo :SQLSTATE
select criteria_in($c$a = all (b)$c$); \echo :SQLSTATE
select criteria_in($c$'x' <> any (a)$c$); \echo :SQLSTATE
select criteria_in($c$5 = any (a)$c$); \echo :SQLSTATE
select criteria_in($c$a = any (b)$c$); \echo :SQLSTATE
select criteria_in($c$'x' = any (array['x'])$c$); \echo :SQLSTATE
select criteria_in($c$a in (b)$c$); \echo :SQLSTATE
select criteria_in($c$a in (now())$c$); \echo :SQLSTATE
select criteria_in($c$lead.a = 1$c$); \echo :SQLSTATE
select criteria_in($c$x.account.a = 1$c$); \echo :SQLSTATE
select criteria_in($c$account.* is null$c$); \echo :SQLSTATE
select criteria_in($c$"a.b" = 1$c$); \echo :SQLSTATE
select criteria_in($c$a collate "C" = 'x'$c$); \echo :SQLSTATE
select criteria_in($c$a at time zone 'UTC' > now()$c$); \echo :SQLSTATE
select criteria_in($c$a is document$c$); \echo :SQLSTATE
select criteria_in($c$grouping(a) = 1$c$); \echo :SQLSTATE

-- null is compared by is null
select criteria_in($c$a = null$c$); \echo :SQLSTATE
select criteria_in($c$null <> a$c$); \echo :SQLSTATE
select criteria_in($c$a between null and 1$c$); \echo :SQLSTATE
select criteria_in($c$a is distinct from null$c$); \echo :SQLSTATE
select criteria_in($c$a like null$c$); \echo :SQLSTATE
select criteria_in($c$null$c$); \echo :SQLSTATE

-- literals that do not mean one thing, or nothing
select criteria_in($c$a = date 'today'$c$); \echo :SQLSTATE
select criteria_in($c$a = date '03/01/2026'$c$); \echo :SQLSTATE
select criteria_in($c$a = date '2026-3-1'$c$); \echo :SQLSTATE
select criteria_in($c$a = date '20260301'$c$); \echo :SQLSTATE
select criteria_in($c$a = date '2026-02-29'$c$); \echo :SQLSTATE
select criteria_in($c$a = date '0000-01-01'$c$); \echo :SQLSTATE
select criteria_in($c$a = date '9999999-01-01'$c$); \echo :SQLSTATE
select criteria_in($c$a = date '2026-03-01 10:00'$c$); \echo :SQLSTATE
select criteria_in($c$a = timestamptz 'now'$c$); \echo :SQLSTATE
select criteria_in($c$a = timestamptz '2026-03-01'$c$); \echo :SQLSTATE
select criteria_in($c$a = timestamptz '2026-03-01 10:00'$c$); \echo :SQLSTATE
select criteria_in($c$a = timestamptz '2026-03-01 10:00 Europe/Berlin'$c$); \echo :SQLSTATE
select criteria_in($c$a = timestamptz '2026-03-01 10:00 CET'$c$); \echo :SQLSTATE
select criteria_in($c$a = timestamptz '2026-03-01 24:00+00'$c$); \echo :SQLSTATE
select criteria_in($c$a = timestamptz '2026-03-01 10:00+16'$c$); \echo :SQLSTATE
select criteria_in($c$a = timestamptz '2026-03-01 10:00:00.1234567+00'$c$); \echo :SQLSTATE
select criteria_in($c$a = timestamptz '2026-03-01 10+00'$c$); \echo :SQLSTATE
-- PostgreSQL takes these digits for hours (found by make fuzz)
select criteria_in($c$a = timestamptz '2026-03-01 10:00:00-0012:00'$c$); \echo :SQLSTATE
select criteria_in($c$a > now() - interval '7 lightyears'$c$); \echo :SQLSTATE
select criteria_in($c$a > now() - interval '1001 years'$c$); \echo :SQLSTATE
select criteria_in($c$a > now() - interval '400000 days'$c$); \echo :SQLSTATE
select criteria_in($c$a like 'x\'$c$); \echo :SQLSTATE
select criteria_in($c$a ilike 'x\\\'$c$); \echo :SQLSTATE

-- Limits. The texts are long, so what they raise is shown by a function.
create function complaint(source text) returns text language plpgsql as
$$
declare
    message text;
    detail text;
begin
    perform source::criteria;
    return 'none';
exception when others then
    get stacked diagnostics message = message_text, detail = pg_exception_detail;
    return sqlstate || ': ' || message || ' / ' || detail;
end
$$;
select complaint('a = ''' || repeat('x', 65531) || '''');
select complaint('a = ''' || repeat('\', 40000) || '''');
select complaint(string_agg('a=' || i, ' or ')) from generate_series(1, 1366) i;
select complaint(repeat('not ', 64) || 'a');
select complaint('a in (' || repeat('0,', 10000) || '0)');
select complaint('a = 1e1000');
select complaint('a = 1e200000');
select complaint(string_agg('a=1e999', ' or ')) from generate_series(1, 100) i;
select complaint('a[1] = ''x''');
select complaint('(a).b = 1');

-- Where the server knows soft errors (16 and later), our complaints are such.
do $do$
declare
    source text;
    code text;
    found_code text;
begin
    if to_regproc('pg_catalog.pg_input_is_valid') is null then
        return;
    end if;
    foreach source in array array['LH001 lower(a) = 1', 'LH001 ', 'LH001 a = 1, b', 'LH001 a = null and b = 1', $$LH001 a in (1, date 'today')$$,
        $$22007 b and a > now() - interval 'x'$$, '22003 a = 1e200000', '54000 ' || repeat('not ', 64) || 'a',
        '54000 a = ''' || repeat('x', 65531) || '''', '54000 a = ''' || repeat('\', 40000) || ''''] loop
        code := split_part(source, ' ', 1);
        source := substr(source, length(code) + 2);
        execute 'select sql_error_code from pg_input_error_info($1, $2)' into found_code using source, 'handoff.criteria';
        if found_code is distinct from code then
            raise warning '% instead of % for %', found_code, code, left(source, 50);
        end if;
        execute 'select pg_input_is_valid($1, $2)::text' into found_code using source, 'handoff.criteria';
        if found_code <> 'false' then
            raise warning 'valid: %', left(source, 50);
        end if;
    end loop;
end
$do$;

-- a position counts characters, not bytes
select criteria_in('größe = ''日本'' and lower(größe)'); \echo :SQLSTATE

-- in a literal of the query, the position is the one within the query
select 'größe ==='::criteria; \echo :SQLSTATE
select 'a = ''it''''s'' and lower(b)'::criteria; \echo :SQLSTATE
select $x$a = lower(b)$x$::criteria; \echo :SQLSTATE
select matches($$a = 'today' and a = date 'today'$$, r) from (select current_date as a) r; \echo :SQLSTATE
create temp table two (a criteria, b criteria);
insert into two
    values ('b = 1',
            'a = 1 and
             lower(b)'); \echo :SQLSTATE
select E'a = lower(b)'::criteria; \echo :SQLSTATE
do $$ begin perform 'a = lower(b)'::handoff.criteria; end $$; \echo :SQLSTATE
\set SHOW_CONTEXT errors
create temp table rule (c criteria);
copy rule from stdin;
a = 1
a = lower(b)
\.
\set SHOW_CONTEXT never

-- session settings change nothing
set standard_conforming_strings = off;
set backslash_quote = on;
set intervalstyle = sql_standard;
set quote_all_identifiers = on;
set escape_string_warning = off;
set datestyle = 'SQL, DMY';
set timezone = 'Asia/Tokyo';
set transform_null_equals = on;
select criteria_in($c$a = 'x\y' and b > now() - interval '-1 2:03'$c$);
select criteria_in($c$a = E'\''$c$); \echo :SQLSTATE
select criteria_in($c$a = timestamptz '2026-03-01 00:00+09' and b = date '2026-03-01'$c$);
select criteria_in($c$a = null$c$); \echo :SQLSTATE
show standard_conforming_strings; show backslash_quote; show intervalstyle;
reset all;
set search_path = criteria_error, handoff;

-- Binary input trusts nothing. COPY BINARY is the way in: signature, flags, one tuple of one field, trailer.
create function receive(bytes bytea) returns text language plpgsql as
$$
declare
    file text := current_setting('data_directory') || '/criteria_recv.bin';
    object oid := lo_from_bytea(0, '\x5047434f50590aff0d0a000000000000000000'::bytea || '\x0001' || int4send(length(bytes)) || bytes || '\xffff');
begin
    perform lo_export(object, file), lo_unlink(object);
    delete from rule;
    execute format('copy rule from %L (format binary)', file);
    execute format('copy (select) to program %L', 'rm -f ' || file);
    return (select c::text from rule);
end
$$;
\set SHOW_CONTEXT never
select receive('\x01' || convert_to('1 = a', 'UTF8')); \echo :SQLSTATE
select receive(criteria_send('a > now() - interval ''7 days'' or b like ''x\\%''')); \echo :SQLSTATE
select receive('\x02' || convert_to('1 = a', 'UTF8')); \echo :SQLSTATE
select receive('\x01'); \echo :SQLSTATE
select receive(''); \echo :SQLSTATE
select receive('\x01' || convert_to('lower(a) = 1', 'UTF8')); \echo :SQLSTATE
select receive('\x01ff3d31'); \echo :SQLSTATE
select receive('\x01613d3100'); \echo :SQLSTATE
select receive('\x01613d31' || convert_to(repeat(' ', 65536), 'UTF8')); \echo :SQLSTATE

-- Fields and types. The position is within the canonical text.
create function check_here(criteria text) returns void language sql as
$$
    select handoff.check_criteria($1::handoff.criteria,
        array['industry', 'score', 'intent', 'signals', 'customer', 'created_at', 'born', 'account.industry'],
        array['text', 'bigint', 'numeric', 'text[]', 'boolean', 'timestamptz', 'date', 'text'])
$$;
select check_here('industry = ''x'' and score > 1.5 and intent > 2 and ''x'' = any (signals) and customer and created_at > now() and born < ''2026-03-01'' and account.industry is null');
select check_here($c$score > 3 and (industri = 'x')$c$); \echo :SQLSTATE
select check_here($c$zzzzzzzzz = 1$c$); \echo :SQLSTATE
select check_here($c$account.industy = 'x'$c$); \echo :SQLSTATE
select check_here($c$account.size = 1$c$); \echo :SQLSTATE
select check_here($c$Industry = 'x' and INDUSTRIE is null$c$); \echo :SQLSTATE
select check_here($c$score = 'abc'$c$); \echo :SQLSTATE
select check_here($c$score = '1.5'$c$); \echo :SQLSTATE
select check_here($c$score = '9223372036854775808'$c$); \echo :SQLSTATE
select check_here($c$intent = '1,5'$c$); \echo :SQLSTATE
select check_here($c$customer = 'maybe'$c$); \echo :SQLSTATE
select check_here($c$customer = 1$c$); \echo :SQLSTATE
select check_here($c$score = true$c$); \echo :SQLSTATE
select check_here($c$score = date '2026-03-01'$c$); \echo :SQLSTATE
select check_here($c$industry > 5$c$); \echo :SQLSTATE
select check_here($c$industry = true$c$); \echo :SQLSTATE
select check_here($c$industry < now()$c$); \echo :SQLSTATE
select check_here($c$score > 1 or current_date - interval '1 day' < score$c$); \echo :SQLSTATE
select check_here($c$born = '2026-02-29'$c$); \echo :SQLSTATE
select check_here($c$born = 'today'$c$); \echo :SQLSTATE
select check_here($c$created_at > '2026-01-01'$c$); \echo :SQLSTATE
select check_here($c$created_at between '2026-01-01 00:00+00' and '2026-02-01'$c$); \echo :SQLSTATE
select check_here($c$created_at > '1 week ago'$c$); \echo :SQLSTATE
select check_here($c$created_at in (date '2026-01-01')$c$); \echo :SQLSTATE
select check_here($c$born in (timestamptz '2026-01-01 00:00+00')$c$); \echo :SQLSTATE
select check_here($c$score in (1, 'x')$c$); \echo :SQLSTATE
select check_here($c$industry in ('x', 5)$c$); \echo :SQLSTATE
select check_here($c$customer in (1)$c$); \echo :SQLSTATE
select check_here($c$score like 'x%'$c$); \echo :SQLSTATE
select check_here($c$signals ilike 'x%'$c$); \echo :SQLSTATE
select check_here($c$customer and score$c$); \echo :SQLSTATE
select check_here($c$not industry$c$); \echo :SQLSTATE
select check_here($c$score is true$c$); \echo :SQLSTATE
select check_here($c$signals = 'x'$c$); \echo :SQLSTATE
select check_here($c$signals in ('x')$c$); \echo :SQLSTATE
select check_here($c$signals is distinct from 'x'$c$); \echo :SQLSTATE
select check_here($c$signals < industry$c$); \echo :SQLSTATE
select check_here($c$'x' = any (industry)$c$); \echo :SQLSTATE
select check_here($c$industry && array['x']$c$); \echo :SQLSTATE
select check_here($c$score @> array['x']$c$); \echo :SQLSTATE
select check_here($c$industry = score$c$); \echo :SQLSTATE
select check_here($c$customer = industry$c$); \echo :SQLSTATE
select check_here($c$score between 1 and industry$c$); \echo :SQLSTATE
select check_here($c$born > score$c$); \echo :SQLSTATE

select check_criteria('a = 1', array['a'], array['text', 'text']); \echo :SQLSTATE
select check_criteria('a = 1', array['a'], array['integer']); \echo :SQLSTATE
select check_criteria('a = 1', array['a', null], array['bigint', 'text']); \echo :SQLSTATE
select check_criteria('a = 1', array['a', 'a'], array['bigint', 'text']); \echo :SQLSTATE
select check_criteria('a = 1', '{}', '{}'); \echo :SQLSTATE

-- Rows of tables.
create temp table lead (industry text, size int, small smallint, code char(5), name varchar(10), tags varchar[], ratio float8, doc jsonb, gone int);
alter table lead drop column gone;
insert into lead values ('x', 5, 5, 'ab', 'abc', '{a,b}', 0.5, '{}');
select matches($c$industry = 'x' and size = 5 and small >= 4.5 and code = 'ab' and name like 'a%' and 'b' = any (tags)$c$, lead) from lead;
select matches('ratio > 0', lead) from lead; \echo :SQLSTATE
select matches('doc is null', lead) from lead; \echo :SQLSTATE
select matches('gone is null', lead) from lead; \echo :SQLSTATE
select matches('industri is null', lead) from lead; \echo :SQLSTATE
select matches('size = ''x''', lead) from lead; \echo :SQLSTATE
select matches(null, lead), matches('true', null::lead), matches('size = 1', null::lead) is null from lead;
create domain positive as int check (value > 0);
select matches('a = 5 and b = ''x''', r) from (select 5::positive as a, 'x'::name::text as b) r;

-- A call site follows the row's type and the criteria.
create function ask(c criteria) returns text language plpgsql as
$$
declare
    result text := '';
    answer boolean;
    r record;
begin
    for r in select 1 as a, 'x' as b union all select 2, 'y' loop
        answer := handoff.matches(c, r);
        result := result || coalesce(answer::text, 'unknown') || ' ';
    end loop;
    for r in select 'x' as b, null::int as a loop
        answer := handoff.matches(c, r);
        result := result || coalesce(answer::text, 'unknown') || ' ';
    end loop;
    return result;
end
$$;
select ask('a = 1'), ask('b = ''x'''), ask('a = 1 or b = ''y''');
select c, matches(c, lead) from lead, unnest(array['size = 5', 'size = 6', 'name = ''abc''', 'size = 5']::criteria[]) c;
select matches('size = 5', lead) from lead;
alter table lead alter size type text using 'five';
select matches('size = ''five''', lead) from lead;

set client_min_messages = warning;
drop schema criteria_error cascade;
