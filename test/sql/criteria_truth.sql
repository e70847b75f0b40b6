-- Criteria mean what SQL means: for a criteria C and a row R, matches(C, R) is what PostgreSQL itself
-- answers to "select (C) from R". The generator below makes criteria from every operator, type and
-- edge value; the rows hold the edges; each criteria is asked of every row, under varied settings.
create schema criteria_truth;
set search_path = criteria_truth, handoff;
set client_min_messages = warning;

create table truth (
    t text collate "C",
    t2 text collate "C",
    b boolean,
    n bigint,
    n2 bigint,
    x numeric,
    x2 numeric,
    d date,
    d2 date,
    ts timestamptz,
    ts2 timestamptz,
    a text[]
);

-- one of: a random element
create function one_of(variadic choices text[]) returns text language sql volatile as
$$ select choices[1 + floor(random() * array_length(choices, 1))::int] $$;

create function text_literal() returns text language sql volatile as
$$ select quote_literal(one_of('', 'a', 'A', 'ab', 'aB', 'a_b', 'a%', 'ß', 'größe', 'GRÖSSE', 'GRÖßE', '日本語', 'a''b', 'a\b', 'zz', ' a', 'a ')) $$;
create function pattern() returns text language sql volatile as
$$ select quote_literal(one_of('%', '', '_', '__', 'a%', '%b', '%B%', 'a\_b', 'a\\b', '%ö%', '_r_%', '%\%', 'A%', 'gr%e', '%本_', '\a', 'a b', '%%_')) $$;
create function number_literal() returns text language sql volatile as
$$ select one_of('0', '1', '-1', '5', '5.0', '10.5', '-10.5', '4.99999999999999999999', '9223372036854775807', '-9223372036854775808',
                 '9223372036854775808', '-9223372036854775809', '1e20', '-1e20', '9007199254740993', '0.1', '1.50') $$;
create function date_literal() returns text language sql volatile as
$$ select one_of('2024-02-29', '2024-03-31', '2026-11-25', '1999-12-31', '0044-03-15 BC', 'infinity', '-infinity', '2011-12-30', '5000000-01-01') $$;
create function moment_literal() returns text language sql volatile as
$$ select one_of('2024-03-10 07:00:00+00', '2024-03-10T02:30:00-05:00', '2024-03-31 01:00Z', '2026-11-25 12:00:00.123456+05:30',
                 'infinity', '-infinity', '2024-02-29 00:00:00-05', '2011-12-30 10:00:00+00', '0044-03-15 12:00:00+00 BC') $$;
create function span() returns text language sql volatile as
$$ select one_of('7 days', '-7 days', '1 month', '1 day', '36 hours', '-90 minutes', '0', '1 year 2 months -3 days 4 hours', '0.000001 seconds', '11 months 30 days') $$;
create function clock() returns text language sql volatile as
$$ select one_of('now()', 'current_date') || one_of('', ' + ', ' - ', ' - ') as c $$;
create function moving() returns text language plpgsql volatile as
$$
declare
    c text := clock();
begin
    return case when c ~ '[-+] $' then c || 'interval ' || quote_literal(span()) else c end;
end
$$;

-- something a field of this type can be compared with
create function operand(type text) returns text language plpgsql volatile as
$$
begin
    case type
        when 't' then return one_of(text_literal(), text_literal(), text_literal(), 't2', 't');
        when 'b' then return one_of('true', 'false', '''yes''', '''f''', 'b');
        when 'n' then return one_of(number_literal(), number_literal(), '''5''', '''-1''', 'n2', 'x');
        when 'x' then return one_of(number_literal(), number_literal(), '''NaN''', '''Infinity''', '''-infinity''', '''1.5''', 'x2', 'n');
        when 'd' then return one_of('date ' || quote_literal(date_literal()), quote_literal(date_literal()),
                                    'timestamptz ' || quote_literal(moment_literal()), moving(), moving(), 'd2', 'ts');
        when 'ts' then return one_of('timestamptz ' || quote_literal(moment_literal()), quote_literal(moment_literal()),
                                     'date ' || quote_literal(date_literal()), moving(), moving(), 'ts2', 'd');
    end case;
end
$$;
create function list_item(type text) returns text language plpgsql volatile as
$$
begin
    if random() < 0.1 then
        return 'null';
    end if;
    case type
        when 't' then return text_literal();
        when 'b' then return one_of('true', 'false');
        when 'n' then return number_literal();
        when 'x' then return number_literal();
        when 'd' then return one_of('date ', '') || quote_literal(date_literal());
        when 'ts' then return one_of('timestamptz ', '') || quote_literal(moment_literal());
    end case;
end
$$;
create function list(type text) returns text language sql volatile as
$$ select string_agg(list_item(type), ', ') from generate_series(0, (random() * 4)::int) $$;

create function leaf() returns text language plpgsql volatile as
$$
declare
    f text := one_of('t', 't', 'b', 'n', 'x', 'd', 'ts', 'a');
    k float := random();
begin
    if k < 0.05 then
        return f || one_of(' is null', ' is not null');
    elsif f = 'a' then
        return case
            when k < 0.35 then text_literal() || ' = any (a)'
            when k < 0.65 then 'a && array[' || list('t') || ']'
            when k < 0.7 then 'array[' || list('t') || '] && a'
            else 'a @> array[' || list('t') || ']' end;
    elsif k < 0.2 then
        return f || one_of(' in (', ' not in (') || list(f) || ')';
    elsif k < 0.3 then
        return f || one_of(' is distinct from ', ' is not distinct from ') || operand(f);
    elsif k < 0.4 then
        return f || one_of(' between ', ' not between ') || operand(f) || ' and ' || operand(f);
    elsif f = 't' and k < 0.7 then
        return 't ' || one_of('like ', 'not like ', 'ilike ', 'not ilike ') || pattern();
    elsif f = 'b' and k < 0.7 then
        return one_of('b', 'b is true', 'b is not true', 'b is false', 'b is not false', 'b is unknown', 'b is not unknown', 'true', 'false');
    elsif k < 0.9 then
        return f || one_of(' = ', ' <> ', ' != ', ' < ', ' <= ', ' > ', ' >= ') || operand(f);
    else
        return operand(f) || one_of(' = ', ' <> ', ' < ', ' <= ', ' > ', ' >= ') || f;
    end if;
end
$$;
create function tree(depth int) returns text language plpgsql volatile as
$$
declare
    k float := random();
begin
    if depth <= 1 or k < 0.15 then
        return leaf();
    elsif k < 0.35 then
        return 'not (' || tree(depth - 1) || ')';
    else
        return (select string_agg('(' || tree(depth - 1) || ')', one.op) from (select one_of(' and ', ' or ') as op) one, generate_series(1, 2 + (random() * 1.4)::int) group by one.op);
    end if;
end
$$;

-- One criteria over all rows. Answers are counted; a difference is reported with all it needs.
create function compare(criteria_text text, out pairs bigint, out trues bigint, out unknowns bigint, out differing bigint) language plpgsql as
$$
declare
    c criteria := criteria_text;
    canonical text := c::text;
begin
    if canonical::criteria is distinct from c or canonical::criteria::text is distinct from canonical then
        raise warning 'reads back to something else: %', canonical;
    end if;
    execute format('select count(*), count(*) filter (where ours), count(*) filter (where ours is null), count(*) filter (where ours is distinct from theirs)
        from (select matches($1, r) as ours, (%s) as theirs from truth r) s', canonical) into pairs, trues, unknowns, differing using c;
    if differing > 0 then
        raise warning 'differs: % (zone %)', canonical, current_setting('timezone');
    end if;
end
$$;

-- Rows around the edges, some of them at the very moments that now() and current_date give.
create procedure fill_rows() language plpgsql as
$$
begin
    delete from truth;
    insert into truth
    select case when random() < 0.1 then null else (array['', 'a', 'A', 'ab', 'aB', 'a_b', 'a%', 'ß', 'größe', 'GRÖSSE', 'GRÖßE', '日本語', 'a''b', 'a\b', 'zz', ' a', 'a ', 'a b'])[1 + i % 18] end,
        one_of('', 'a', 'A', 'ab', null),
        (array[true, false, null])[1 + i % 3],
        (array[0, 1, -1, 5, 10, 11, 9223372036854775807, -9223372036854775808, 9007199254740992, 9007199254740993, null])[1 + i % 11],
        one_of('0', '1', '5', null)::bigint,
        (array['0', '1', '-1', '5', '5.00', '10.5', '-10.5', 'NaN', 'Infinity', '-Infinity', '1e20', '9223372036854775807.5', '0.1', null])[1 + i % 14]::numeric,
        one_of('0', '1.0', '5', 'NaN', null)::numeric,
        case i % 11 when 0 then null when 1 then current_date when 2 then current_date - 7 when 3 then (now() - interval '1 month')::date
            when 4 then current_date + 1 else (array['2024-02-29', '2024-03-31', '2011-12-30', '0044-03-15 BC', 'infinity', '-infinity', '5000000-01-01'])[1 + i % 7]::date end,
        one_of('2024-02-29', '2026-11-25', null)::date,
        case i % 13 when 0 then null when 1 then now() when 2 then now() - interval '7 days' when 3 then now() - interval '1 month' when 4 then now() + interval '36 hours'
            when 5 then current_date::timestamptz when 6 then now() + interval '1 microsecond'
            else (array['2024-03-10 07:00:00+00', '2024-03-31 01:00:00+00', '2024-02-29 05:00:00+00', '2011-12-30 10:00:00+00', 'infinity', '-infinity', '0044-03-15 12:00:00+00 BC'])[1 + i % 7]::timestamptz end,
        one_of('2024-03-10 07:00:00+00', 'infinity', null)::timestamptz,
        case i % 7 when 0 then null when 1 then '{}' when 2 then array[null::text] when 3 then array['a', null] when 4 then array[['a', 'ab'], ['ß', 'zz']] when 5 then '[5:6]={a,A}'::text[] else array['größe', '', 'a\b'] end
    from generate_series(1, 60) i;
end
$$;

-- Rows and questions are of one transaction, so that now() is the same in both.
create function run(criteria int, depth int, out pairs bigint, out differing bigint, out all_answers_seen boolean) language plpgsql as
$$
declare
    zone text;
    settings text[];
begin
    pairs := 0;
    differing := 0;
    all_answers_seen := true;
    foreach settings slice 1 in array array[
        ['America/New_York', 'ISO, MDY', 'postgres', 'on'],
        ['Asia/Kolkata', 'German', 'sql_standard', 'off'],
        ['Pacific/Apia', 'SQL, DMY', 'iso_8601', 'on'],
        ['UTC', 'Postgres, YMD', 'postgres_verbose', 'off']]
    loop
        perform set_config('timezone', settings[1], true), set_config('datestyle', settings[2], true),
            set_config('intervalstyle', settings[3], true), set_config('standard_conforming_strings', settings[4], true);
        call fill_rows();
        select run.pairs + sum(c.pairs), run.differing + sum(c.differing), all_answers_seen and sum(trues) > 0 and sum(unknowns) > 0 and sum(trues) + sum(unknowns) < sum(c.pairs)
            into pairs, differing, all_answers_seen
            from generate_series(1, criteria) i, lateral compare(tree(1 + i % depth)) c;
    end loop;
end
$$;

set escape_string_warning = off;
select setseed(0.25);
select * from run(criteria => 100, depth => 1);
select * from run(criteria => 100, depth => 6);

set client_min_messages = warning;
drop schema criteria_truth cascade;
