-- A list of rules answers as its rules do one by one: for a book B and a row R, matching_rules(B, R) are
-- the rules that PostgreSQL itself finds true in R, and those that matches() finds; first_rule(B, R) is the
-- first of them; and neither changes by time alone before rules_valid_until(B, R) says so. Books and rows
-- are made of few values, so that every one stands in many rules and every row meets many.
create schema rulebook;
set search_path = rulebook, handoff;
set client_min_messages = warning;

create table item (
    t text collate "C",
    u text collate "C",
    b boolean,
    n bigint,
    x numeric,
    d date,
    ts timestamptz,
    a text[]
);

create function one_of(variadic choices text[]) returns text language sql volatile as
$$ select choices[1 + floor(random() * array_length(choices, 1))::int] $$;
create function word() returns text language sql volatile as
$$ select one_of('', 'a', 'b', 'ab', 'ba', 'aab', 'AB', 'abcabc', 'bö', 'öb', 'größe') $$;
create function words(fewest int) returns text language sql volatile as
$$ select string_agg(case when random() < 0.06 then 'null' else quote_literal(word()) end, ', ') from generate_series(1, fewest + floor(random() * 3)::int) $$;
create function pattern() returns text language sql volatile as
$$ select quote_literal(one_of('a%', '%b', 'ab%', '%ab', 'a%b', '%ö%', 'abc%abc', 'ab', '%', '', 'a_', '_b', 'a\%%', '%\_', 'b\ö', '%%', 'a%_', 'AB%', '%Ab', 'größe%', '%\b')) $$;
create function number() returns text language sql volatile as
$$ select one_of('0', '1', '2', '3', '4', '5', '-1', '2.5', '3.0', '1e30', '-1e30', '9223372036854775807', '-9223372036854775808') $$;
create function day() returns text language sql volatile as
$$ select 'date ' || quote_literal(one_of('2026-11-01', '2026-11-02', '2026-11-03', '2026-11-25', 'infinity', '-infinity')) $$;
create function moment() returns text language sql volatile as
$$ select 'timestamptz ' || quote_literal(one_of('2026-11-01 00:00Z', '2026-11-02 00:00Z', '2026-11-02 12:00Z', '2026-11-25 00:00Z', 'infinity', '-infinity')) $$;
create function moving() returns text language sql volatile as
$$ select one_of('now()', 'now()', 'current_date') || one_of('', ' - interval ''2 days''', ' + interval ''1 day''', ' - interval ''90 minutes''', ' + interval ''1 month''') $$;
create function operand(field text) returns text language plpgsql volatile as
$$
begin
    case field
        when 't', 'u' then return case when random() < 0.95 then quote_literal(word()) else one_of('t', 'u') end;
        when 'b' then return one_of('true', 'false', 'b');
        when 'n', 'x' then return case when random() < 0.92 then number() else one_of('n', 'x', '''5''') end;
        when 'd' then return case when random() < 0.7 then day() else one_of(moment(), moving(), moving(), 'ts') end;
        when 'ts' then return case when random() < 0.6 then moment() else one_of(day(), moving(), moving(), moving(), 'd') end;
    end case;
end
$$;
create function operands(field text) returns text language sql volatile as
$$ select string_agg(case when random() < 0.06 then 'null' else one.v end, ', ')
   from generate_series(1, 1 + floor(random() * 4)::int) i,
        lateral (select case field when 'b' then one_of('true', 'false') when 'd' then day() when 'ts' then moment()
                 when 't' then quote_literal(word()) when 'u' then quote_literal(word()) else number() end || left('', i) as v) one $$;

create function leaf() returns text language plpgsql volatile as
$$
declare
    f text := one_of('t', 't', 't', 'u', 'u', 'b', 'n', 'n', 'x', 'd', 'ts', 'a');
    k float := random();
begin
    if k < 0.05 then
        return f || one_of(' is null', ' is null', ' is not null');
    elsif f = 'a' then
        return case when k < 0.4 then quote_literal(word()) || ' = any (a)'
            when k < 0.7 then 'a && array[' || words(1) || ']'
            else 'a @> array[' || words(1) || ']' end;
    elsif k < 0.2 then
        return f || one_of(' in (', ' in (', ' in (', ' not in (') || operands(f) || ')';
    elsif k < 0.25 then
        return f || one_of(' is distinct from ', ' is not distinct from ') || operand(f);
    elsif f in ('t', 'u') and k < 0.5 then
        return f || one_of(' like ', ' like ', ' ilike ', ' not like ', ' not ilike ') || pattern();
    elsif f = 'b' and k < 0.8 then
        return one_of('b', 'not b', 'b is true', 'b is not true', 'b is false', 'b is not false', 'b is unknown', 'b is not unknown', 'true', 'false');
    elsif f in ('n', 'x', 'd', 'ts') and k < 0.55 then
        return f || one_of(' between ', ' between ', ' not between ') || operand(f) || ' and ' || operand(f);
    elsif f in ('n', 'x', 'd', 'ts') and k < 0.85 then
        return f || one_of(' < ', ' <= ', ' > ', ' >= ', ' <> ') || operand(f);
    else
        return f || one_of(' = ', ' = ', ' = ', ' <> ') || operand(f);
    end if;
end
$$;
create function rule(depth int) returns text language plpgsql volatile as
$$
declare
    k float := random();
begin
    if depth <= 1 or k < 0.1 then
        return leaf();
    elsif k < 0.25 then
        return 'not (' || rule(depth - 1) || ')';
    else
        return (select string_agg('(' || rule(depth - 1) || ')', one.op)
                from (select one_of(' and ', ' and ', ' or ') as op) one, generate_series(1, 2 + floor(random() * 3)::int) group by one.op);
    end if;
end
$$;
-- deep: rules up to this deep; a null among them is always true
create function book(rules int, deep int) returns criteria[] language sql volatile as
$$ select array_agg(case when random() < 0.01 then null else rule(1 + (i + floor(random() * deep)::int) % deep)::criteria end) from generate_series(1, rules) i $$;

-- many places on one line, and many values of one field
create function long_book(rules int) returns criteria[] language sql volatile as
$$
    select array_agg(case i % 4
            when 0 then format('n between %s and %s', low, low + floor(random() * 60)::int)
            when 1 then format('n %s %s and t = %L', one_of('<', '<=', '>', '>='), low, word())
            when 2 then format('n in (%s, %s) or x = %s', low, low + 3, low / 2.0)
            else format('u = %L and not n %s %s', word() || low % 20, one_of('<', '<=', '>', '>='), low) end::criteria)
    from generate_series(1, rules) i, lateral (select floor(random() * 500)::int + i % 1 as low) l
$$;

create procedure fill(rows int, nulls float) language sql as
$$
    delete from item;
    insert into item
    select case when random() < nulls then null else word() end,
        case when random() < nulls then null else word() end,
        case when random() < nulls then null else random() < 0.5 end,
        case when random() < nulls then null else one_of('0', '1', '2', '3', '4', '5', '9223372036854775807', '-9223372036854775808')::bigint end,
        case when random() < nulls then null else one_of('0', '1', '2', '2.5', '3.00', '4', 'NaN', 'Infinity', '-Infinity', '1e30')::numeric end,
        case when random() < nulls then null when random() < 0.5 then current_date + (random() * 6)::int - 3
             else one_of('2026-11-01', '2026-11-02', '2026-11-03', '2026-11-25', 'infinity', '-infinity', '4000-01-01')::date end,
        case when random() < nulls then null when random() < 0.5 then now() + (random() * 6 - 3) * interval '1 day'
             else one_of('2026-11-01 00:00Z', '2026-11-02 00:00Z', '2026-11-02 06:00Z', '2026-11-25 00:00Z', 'infinity', '-infinity')::timestamptz end,
        case when random() < nulls then null else
             (select coalesce(array_agg(case when random() < 0.1 then null else word() end || left('', j)), '{}') from generate_series(1, i % 4) j) end
    from generate_series(1, rows) i;
$$;

-- One book over all rows, against PostgreSQL and against its rules one by one. Of a difference, the first
-- row, the rules about which there is one, and the settings are told.
create function compare(rules criteria[], out pairs bigint, out matched bigint, out differing bigint) language plpgsql as
$$
declare
    truth text;
    example text;
begin
    select string_agg(format('case when (%s) then %s end', coalesce(rule::text, 'true'), i), ', ' order by i)
        into truth from unnest(rules) with ordinality as r (rule, i);
    execute format('select count(*), sum(cardinality(truth)),
            count(*) filter (where ours is distinct from truth or one_by_one is distinct from truth or first_one is distinct from truth[1]),
            (array_agg(format(''%%s: matching_rules %%s, first_rule %%s, matches %%s, PostgreSQL %%s; rules %%s'', row, ours, first_one, one_by_one, truth,
                (select jsonb_object_agg(i, rule) from unnest($1) with ordinality as r (rule, i)
                 where (i = any (ours)) <> (i = any (truth)) or (i = any (one_by_one)) <> (i = any (truth)) or (first_one is distinct from truth[1] and i in (first_one, truth[1])))))
             filter (where ours is distinct from truth or one_by_one is distinct from truth or first_one is distinct from truth[1]))[1]
        from (select item as row, matching_rules($1, item) as ours, first_rule($1, item) as first_one, array_remove(array[%s]::int[], null) as truth,
                  array(select i::int from unnest($1) with ordinality as r (rule, i) where rule is null or matches(rule, item) order by i) as one_by_one
              from item offset 0) s', truth) into pairs, matched, differing, example using rules;
    if differing > 0 then
        raise warning '% of % rows differ for %: in %, now %, zone %', differing, pairs, rules, example, now(), current_setting('timezone');
    end if;
end
$$;
create function run(books int, rules int, depth int, out pairs bigint, out matched bigint, out differing bigint) language plpgsql as
$$
begin
    pairs := 0;
    matched := 0;
    differing := 0;
    for i in 1 .. books loop
        call fill(rows => 24, nulls => i % 4 * 0.25);
        select run.pairs + c.pairs, run.matched + c.matched, run.differing + c.differing into pairs, matched, differing
            from compare(book(1 + (i * 7) % rules, depth)) c;
    end loop;
end
$$;

create function run_long(rules int, out pairs bigint, out matched bigint, out differing bigint) language plpgsql as
$$
begin
    call fill(rows => 24, nulls => 0.1);
    update item set n = floor(random() * 520)::int where random() < 0.8;
    update item set u = word() || n % 20, x = n / 2.0 where random() < 0.7;
    select * into pairs, matched, differing from compare(long_book(rules));
end
$$;

-- Until the moment given, the answers stay; it isn't earlier than the earliest of the single rules, so
-- that nobody looks again for nothing. Asked at some moments before it.
create function compare_until(rules criteria[], out pairs bigint, out moving bigint, out differing bigint) language sql as
$$
    with answer as (
        select item, at, matching_rules(rules, item, at) as all_of_them, first_rule(rules, item, at) as first_one,
            rules_valid_until(rules, item, at) as all_until, rules_valid_until(rules, item, at, true) as first_until
        from item, (select now() + random() * interval '1 day' as at) one),
    question as (
        select answer.*, moment
        from answer, lateral (select least((item).ts, (item).d::timestamptz, at + interval '3 days') as near) n,
            lateral (values (all_until - interval '1 microsecond', all_until), (first_until - interval '1 microsecond', first_until),
                (near, 'infinity'), (near + interval '1 day', 'infinity'), (near + interval '2 days 1 microsecond', 'infinity'),
                (at + interval '90 minutes', 'infinity'), (at + interval '40 days', 'infinity')) as v (moment, before)
        where isfinite(moment) and moment > at)
    select count(*), count(*) filter (where isfinite(all_until)), count(*) filter (where differs)
    from (
        select all_until,
            all_until <= at or first_until <= at
            or (moment < all_until and matching_rules(rules, item, moment) <> all_of_them)
            or (moment < first_until and first_rule(rules, item, moment) is distinct from first_one) as differs
        from question
        union all
        select all_until,
            all_until < (select min(valid_until(rule, item, at)) from unnest(rules) as r (rule) where rule is not null)
            or first_until < (select min(valid_until(rule, item, at)) from unnest(rules[:coalesce(first_one, cardinality(rules))]) as r (rule) where rule is not null)
        from answer) s
$$;
create function run_until(books int, rules int, depth int, out pairs bigint, out moving bigint, out differing bigint) language plpgsql as
$$
declare
    rulebook criteria[];
    c record;
begin
    pairs := 0;
    moving := 0;
    differing := 0;
    for i in 1 .. books loop
        call fill(rows => 12, nulls => 0.2);
        rulebook := book(1 + (i * 7) % rules, depth);
        c := compare_until(rulebook);
        pairs := pairs + c.pairs;
        moving := moving + c.moving;
        differing := differing + c.differing;
        if c.differing > 0 then
            raise warning 'until differs for %', rulebook;
        end if;
    end loop;
end
$$;

-- What ANALYZE has seen decides where rules are filed, never what is answered, nor until when: the same rows after other
-- rows, and after other rows again, were analyzed in their place.
create procedure analyze_others() language plpgsql as
$$
begin
    call fill(rows => 1 + floor(random() * 60)::int, nulls => random());
    update item set t = one_of('a', 'b'), n = floor(random() * 3), b = true where random() < 0.3;
    update item set u = 'ab', x = 2.5, d = '2026-11-02', a = '{a,b}' where random() < 0.3;
    analyze item;
end
$$;
create function answers(rules criteria[]) returns table (asked item, all_of_them int[], first_one int, all_until timestamptz, first_until timestamptz) language sql as
$$ select i, matching_rules(rules, i), first_rule(rules, i), rules_valid_until(rules, i), rules_valid_until(rules, i, now(), true) from item i $$;
create function run_statistics(books int, rules int, depth int, out pairs bigint, out matched bigint, out differing bigint) language plpgsql as
$$
declare
    rulebook criteria[];
    kept item[];
    before text[];
    c record;
begin
    pairs := 0;
    matched := 0;
    differing := 0;
    for i in 1 .. books loop
        rulebook := book(16 + (i * 7) % rules, depth);
        call fill(rows => 20, nulls => i % 4 * 0.25);
        kept := array(select r from item r);
        call analyze_others();
        delete from item;
        insert into item select (r).* from unnest(kept) r;
        c := compare(rulebook);
        pairs := pairs + c.pairs;
        matched := matched + c.matched;
        differing := differing + c.differing;
        before := array(select r::text from answers(rulebook) r order by 1);
        call analyze_others();
        delete from item;
        insert into item select (r).* from unnest(kept) r;
        select run_statistics.differing + count(*) into differing
            from unnest(before, array(select r::text from answers(rulebook) r order by 1)) as v (a, b) where a is distinct from b;
    end loop;
end
$$;

set timezone = 'America/New_York';
select setseed(0.5);
-- rules of one comparison, of a few, and deep ones; short lists and long ones
select pairs, matched > 10000 as many_match, differing from run(books => 30, rules => 150, depth => 1);
select pairs, matched > 10000 as many_match, differing from run(books => 50, rules => 90, depth => 2);
select pairs, matched > 5000 as many_match, differing from run(books => 40, rules => 60, depth => 4);
select pairs, matched > 500 as many_match, differing from run_long(1500);

select pairs, matched > 5000 as many_match, differing from run_statistics(books => 30, rules => 60, depth => 2);
select pairs, matched > 2000 as many_match, differing from run_statistics(books => 20, rules => 60, depth => 3);

-- Two ends at one place, ways around one end, a value twice, ends that no whole number reaches.
call fill(rows => 200, nulls => 0.1);
select pairs, matched > 500 as many_match, differing from compare(array[
    'n <= 3 and n < 3', 'n < 3 and n <= 3', 'n >= 3 and n > 3', 'n > 3 and n >= 3', 'n between 3 and 3', 'n > 3 and n < 3',
    'n > 2 and n < 3', 'n > 2.5 and n < 3.5', 'n = 2.5', 'n is not distinct from 2.5', 'n <> 2.5', 'n in (2.5, 3)', 'n >= 1e30', 'n < 1e30',
    '(t like ''%a%'' or n > 1) and n < 3', '(n > 1 or t like ''%a%'') and n < 3', 'n < 3 and (n > 1 or n > 2)', '(n > 1 and n < 3) or (x > 1 and x < 3)',
    't in (''a'', ''a'')', 't = ''a'' or t = ''a'' or u = ''a''', 't in (''a'', ''b'') and t in (''b'', ''ab'')', 'a && array[''a'', ''a'']', 'a @> array[''a'', ''b'']',
    'x = ''NaN''', 'x > ''Infinity''', 'x <= ''-Infinity''', 'x = 3', 'd = date ''infinity''', 'd > date ''2026-11-01'' and d < date ''2026-11-03''',
    'ts >= timestamptz ''-infinity''', 't like ''a\%%''', 't ilike ''AB%''', 't like ''%ab'' or t like ''ab%''', 't like ''''', 'b is unknown or n is null',
    'false', 'true', 'not true or n = 1']::criteria[]);

-- A rule that is filed twice under one value, or under null, with another condition beside it each time, and
-- behind another rule (found by make stress).
select pairs, matched > 10 as some_match, differing from compare(array['u = ''a''', 'u = ''a'' and n = 1 or u = ''a'' and n = 2', 'u = ''a'' and t = ''b'' or u = ''a'' and n = 3']::criteria[]
    || array(select format('u = %L and d is not null', 'word ' || i)::criteria from generate_series(1, 20) i));
select pairs, matched > 10 as some_match, differing from compare(array['u is null and n = 1 or u is null and t = ''a''', 'u is null and t = ''a'' or u is null and n = 1']::criteria[]
    || array(select format('d = date %L', to_char(date '2026-11-01' + i, 'YYYY-MM-DD'))::criteria from generate_series(1, 20) i));
-- Many rules under one value, told apart by a second and a third field, and rows that differ in nothing else:
-- what was noted of one row's fields must not be believed of the next one's.
call fill(rows => 300, nulls => 0.1);
update item set t = one_of('a', 'b', 'ab', 'ba'), u = one_of('a', 'b', 'ab', 'ba'), n = floor(random() * 6) where random() < 0.9;
select pairs, matched > 200 as many_match, differing from compare((select array_agg(format('t = %L and u = %L and n = %s', t, u, n)::criteria)
    from unnest('{a,b,ab,ba}'::text[]) t, unnest('{a,b,ab,ba}'::text[]) u, generate_series(0, 5) n));
select pairs > 2000 as many, moving > 200 as many_move, differing from run_until(books => 50, rules => 40, depth => 3);

-- No rules, a rule for everybody, and what is no rule.
select matching_rules('{}', row), first_rule('{}', row), rules_valid_until('{}', row) from (select true as b) row;
select matching_rules(array[null, 'b is null', null]::criteria[], row), first_rule('{b is not null,NULL}', row), first_rule('{b is not null}', row)
from (select null::boolean as b) row;
select first_rule(array['b', 'c = 1']::criteria[], row) from (select null::boolean as b) row;
\echo :LAST_ERROR_SQLSTATE

drop schema rulebook cascade;
