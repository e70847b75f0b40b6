-- test/stress/lib/criteria.sql: random criteria and rows over every operator, type and edge value, and the
-- comparison of our answers with PostgreSQL's. test/sql/criteria_truth.sql asks a few in make test,
-- test/stress/10-criteria.sql a million in make stress, and the fuzzer asks its own of these rows.
create schema criteria_truth;
set search_path = criteria_truth, handoff;
set client_min_messages = warning;
set escape_string_warning = off;

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

-- Edge values of each type, of patterns and of intervals: drawn from at random, and crossed with every operator.
create function edges(kind text) returns text[] language plpgsql immutable as
$$
begin
    case kind
        when 't' then return array['', 'a', 'A', 'ab', 'aB', 'a_b', 'a%', 'ß', 'größe', 'GRÖSSE', 'GRÖßE', '日本語', 'a''b', E'a\\b', 'zz', ' a', 'a '];
        when 'b' then return array['true', 'false'];
        when 'n', 'x' then return array['0', '1', '-1', '5', '5.0', '10.5', '-10.5', '4.99999999999999999999', '9223372036854775807', '-9223372036854775808',
            '9223372036854775808', '-9223372036854775809', '1e20', '-1e20', '9007199254740993', '0.1', '1.50'];
        when 'd' then return array['2024-02-29', '2024-03-31', '2026-11-25', '1999-12-31', '0044-03-15 BC', 'infinity', '-infinity', '2011-12-30', '5000000-01-01'];
        when 'ts' then return array['2024-03-10 07:00:00+00', '2024-03-10T02:30:00-05:00', '2024-03-31 01:00Z', '2026-11-25 12:00:00.123456+05:30',
            'infinity', '-infinity', '2024-02-29 00:00:00-05', '2011-12-30 10:00:00+00', '0044-03-15 12:00:00+00 BC'];
        when 'pattern' then return array['%', '', '_', '__', 'a%', '%b', '%B%', E'a\\_b', E'a\\\\b', '%ö%', '_r_%', E'%\\%', 'A%', 'gr%e', '%本_', E'\\a', 'a b', '%%_'];
        when 'span' then return array['7 days', '-7 days', '1 month', '1 day', '36 hours', '-90 minutes', '0', '1 year 2 months -3 days 4 hours', '0.000001 seconds', '11 months 30 days'];
        -- what only a string can say; the field's type reads it
        when 'b string' then return array['yes', 'f'];
        when 'n string' then return array['5', '-1'];
        when 'x string' then return array['NaN', 'Infinity', '-infinity', '1.5'];
        else return edges(split_part(kind, ' ', 1));
    end case;
end
$$;
-- an edge value as a literal; with no value, a random one
create function literal(kind text, value text default null) returns text language plpgsql volatile as
$$
begin
    value := coalesce(value, one_of(variadic edges(kind)));
    return case kind when 'b' then value when 'n' then value when 'x' then value
        when 'd' then 'date ' || quote_literal(value) when 'ts' then 'timestamptz ' || quote_literal(value)
        else quote_literal(value) end;
end
$$;
create function moving() returns text language sql volatile as
$$ select one_of('now()', 'current_date') || one_of('', ' + interval ' || literal('span'), ' - interval ' || literal('span'), ' - interval ' || literal('span')) $$;

-- something a field of this type can be compared with
create function operand(type text) returns text language plpgsql volatile as
$$
begin
    case type
        when 't' then return one_of(literal('t'), literal('t'), literal('t'), 't2', 't');
        when 'b' then return one_of(literal('b'), literal('b'), literal('b string'), literal('b string'), 'b');
        when 'n' then return one_of(literal('n'), literal('n'), literal('n string'), literal('n string'), 'n2', 'x');
        when 'x' then return one_of(literal('x'), literal('x'), literal('x string'), literal('x string'), literal('x string'), 'x2', 'n');
        when 'd' then return one_of(literal('d'), literal('d string'), literal('ts'), moving(), moving(), 'd2', 'ts');
        when 'ts' then return one_of(literal('ts'), literal('ts string'), literal('d'), moving(), moving(), 'ts2', 'd');
    end case;
end
$$;
create function list(type text) returns text language sql volatile as
$$
    select string_agg(case when random() < 0.1 then 'null' when type in ('d', 'ts') and random() < 0.5 then literal(type || ' string') else literal(type) end || left('', i), ', ')
    from generate_series(0, (random() * 4)::int) i
$$;

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
            when k < 0.35 then literal('t') || ' = any (a)'
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
        return 't ' || one_of('like ', 'not like ', 'ilike ', 'not ilike ') || literal('pattern');
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


-- Every operator with every edge value of a type, on either side, and with every clock.
create function leaves(type text) returns table (kind text, leaf text) language plpgsql as
$$
declare
    operands text[] := array(select literal(type, v) from unnest(edges(type)) v union all select quote_literal(v) from unnest(edges(type || ' string')) v where type <> 't');
    comparands text[] := operands || case type when 't' then array['t2', 't'] when 'b' then array['b'] when 'n' then array['n2', 'x', 'n'] when 'x' then array['x2', 'n', 'x']
        when 'd' then array['d2', 'ts', 'd'] else array['ts2', 'd', 'ts'] end;
    listed text[] := case when type in ('n', 'x', 'b') then array(select literal(type, v) from unnest(edges(type)) v) else operands end;
begin
    if type in ('d', 'ts') then
        comparands := comparands || array(select literal(other, v) from unnest(array_remove(array['d', 'ts'], type)) other, unnest(edges(other)) v)
            || array(select base || coalesce(format(' %s interval %L', sign, span), '') from unnest(array['now()', 'current_date']) base, unnest(array['+', '-']) sign, unnest(edges('span') || null) span);
    end if;
    return query select op, format(turned, type, v, op)
        from unnest(array['=', '<>', '<', '<=', '>', '>=']) op, unnest(comparands) v, unnest(array['%1$s %3$s %2$s', '%2$s %3$s %1$s']) turned;
    return query select op, format('%s %s %s', type, op, v) from unnest(array['is distinct from', 'is not distinct from']) op, unnest(comparands) v;
    return query select op, format('%s %s (%s%s)', type, op, v, more) from unnest(array['in', 'not in']) op, unnest(listed) v, unnest(array['', ', null', ', ' || listed[1]]) more;
    return query select op, format('%s %s %s and %s', type, op, v, w) from unnest(array['between', 'not between']) op, unnest(operands) v, unnest(operands) w;
    return query select op, format('%s %s', type, op) from unnest(array['is null', 'is not null']) op;
    if type = 't' then
        return query select op, format('t %s %L', op, v) from unnest(array['like', 'not like', 'ilike', 'not ilike']) op, unnest(edges('pattern') || edges('t')) v where right(v, 1) <> E'\\';
        return query select op, format(form, v, w) from unnest(edges('t') || null) v, unnest(edges('t')) w,
            (values ('any', '%2$L = any (a)'), ('overlaps', 'a && array[%1$L, %2$L]'), ('contains', 'a @> array[%1$L, %2$L]')) f (op, form);
    elsif type = 'b' then
        return query select 'b', format(form, op) from unnest(array['b', 'b is true', 'b is not true', 'b is false', 'b is not false', 'b is unknown', 'b is not unknown']) op, unnest(array['%s', 'not (%s)']) form;
    end if;
end
$$;

-- One criteria over all rows. Answers are counted; the first row of a difference is told with all that it takes to see it again.
create function compare(criteria_text text, out pairs bigint, out trues bigint, out unknowns bigint, out differing bigint) language plpgsql as
$$
declare
    c criteria := criteria_text;
    canonical text := c::text;
    example text;
begin
    if canonical::criteria is distinct from c or canonical::criteria::text is distinct from canonical then
        raise warning 'reads back to something else: %', canonical;
        differing := 1;
    end if;
    execute format('select count(*), count(*) filter (where ours), count(*) filter (where ours is null), count(*) filter (where ours is distinct from theirs) + coalesce($2, 0),
            (array_agg(format(''%%s: ours %%s, PostgreSQL %%s'', row::truth, coalesce(ours::text, ''null''), coalesce(theirs::text, ''null''))) filter (where ours is distinct from theirs))[1]
        from (select truth as row, matches($1, truth) as ours, (%s) as theirs from truth) s', canonical) into pairs, trues, unknowns, differing, example using canonical::criteria, differing;
    if example is not null then
        raise warning 'differs: % in %, now %, settings %', canonical, example, now(),
            (select jsonb_object_agg(name, setting) from pg_settings where source = 'session' and name not in ('search_path', 'client_min_messages'));
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

