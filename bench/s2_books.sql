-- bench/s2_books.sql: the columns that S2 changes, and its books of rules.
--
-- Books are the same in every run: each choice is bench.pick() of the rule's number.

-- Domains are log-uniform over 50,000: few companies send most leads. A column of tags is for &&.
update bench.col set expr = $$'www.company' || power(50000, bench.pick(g, 9, 1000000) / 1e6)::int || '.com'$$ where name = 'website';
update bench.col set name = 'tags', type = 'text[]',
    expr = $$case when bench.pick(g, 28, 2) = 0 then array['Tag ' || bench.pick(g, 28, 40), 'Tag ' || bench.pick(g, 42, 40)] end$$
where name = 'use_case';

create table bench.rule (
    book     text,
    ord      int,
    criteria handoff.criteria,
    domain   text,              -- if the rule asks for nothing but a domain
    zips     text[],            -- ... but one of these postal codes
    path     jsonpath,          -- the same rule, if it is made of equalities only
    primary key (book, ord)
);

-- Columns of few values.
create table bench.segment (i int primary key, name text, words text[]);
insert into bench.segment values
(0, 'country', array['Germany', 'Austria', 'Switzerland', 'France', 'Spain', 'Italy', 'Poland', 'Netherlands', 'Sweden', 'United States', 'Brazil', 'India']),
(1, 'seniority', array['C-Level', 'VP', 'Director', 'Manager', 'Staff', 'Student']),
(2, 'department', array['Sales', 'Marketing', 'Operations', 'IT', 'Finance', 'HR']),
(3, 'lead_source', array['Web', 'Event', 'Partner', 'Referral', 'Ads', 'Import']),
(4, 'language', array['de', 'en', 'fr', 'es', 'it']),
(5, 'utm_source', array['google', 'linkedin', 'newsletter', 'direct']),
(6, 'product', array['Core', 'Plus', 'Pro', 'Enterprise']);
insert into bench.segment select 7, 'industry', array_agg('Industry ' || i) from generate_series(0, 29) i;
insert into bench.segment select 8, 'campaign', array_agg('Campaign ' || i) from generate_series(0, 59) i;
insert into bench.segment select 9, 'state', array_agg('State ' || i) from generate_series(0, 49) i;

-- k equalities of different columns of few values; with "among", a third of them name two values.
create function bench.segment_rule(g int, k int, among boolean, out criteria text, out path text) language sql stable
return (
    select (string_agg(case when two then format('%I in (%L, %L)', name, a, b) else format('%I = %L', name, a) end, ' and '),
            string_agg(case when two then format('($.%I == "%s" || $.%I == "%s")', name, a, name, b) else format('$.%I == "%s"', name, a) end, ' && '))
    from (select name, words[1 + v] as a, words[1 + (v + 1) % cardinality(words)] as b, among and bench.pick(g, 120 + i, 3) = 0 as two
          from bench.segment, lateral (select bench.pick(g, 60 + i, cardinality(words)) as v) v
          order by bench.pick(g, 100 + i, 1000000) limit k) s
);

-- The main mix: 50 % domain =, 25 % postal code =, 5 % postal code IN, 15 % two to four conditions, 5 % others, and a
-- last rule for everybody. Named accounts come first, but every tenth rule is moved anywhere.
create procedure bench.make_mix(name text, n int) language sql as $$
    insert into bench.rule
    with kind as (
        select i, bench.pick(i, 50, 100) as k from generate_series(1, n - 1) i
    ), drawn as (
        select i, k, row_number() over (partition by k < 50 order by bench.pick(i, 51, 1000000000)) as company,
            lpad(bench.pick(i, 52, 99999)::text, 5, '0') as zip,
            array(select lpad(bench.pick(i, 53 + j, 99999)::text, 5, '0') from generate_series(1, 3 + bench.pick(i, 53, 6)) j) as zips,
            case when bench.pick(i, 48, 10) = 0 then bench.pick(i, 49, 1000000) else k * 10000 + bench.pick(i, 49, 10000) end as place
        from kind
    ), made as (
        select place, i,
            case when k < 50 then format('website = %L', 'www.company' || company || '.com')
                 when k < 75 then format('postal_code = %L', zip)
                 when k < 80 then format('postal_code in (%s)', (select string_agg(quote_literal(z), ', ') from unnest(zips) z))
                 when k < 95 then s.criteria
                 when i % 6 = 0 then format('employees between %s and %s and visits > %s', i % 9000, i % 9000 + 60, 20 + i % 18)
                 when i % 6 = 1 then format('email like %L', 'lead' || i % 90000 || '%')
                 when i % 6 = 2 then format('website ilike %L', '%Company' || i || '.Com')
                 when i % 6 = 3 then format('last_visit > now() - interval ''%s days'' and campaign = %L and state = %L', i % 400, 'Campaign ' || i % 60, 'State ' || i % 50)
                 when i % 6 = 4 then format('tags && array[%L, %L] and industry = %L', 'Tag ' || i % 40, 'Tag ' || i % 37, 'Industry ' || i % 30)
                 else format('annual_revenue >= %s and budget > %s', 90000000 + i % 9999 * 1000, 60000 + i % 400 * 90) end as criteria,
            case when k < 50 then 'www.company' || company || '.com' end as domain,
            case when k between 50 and 74 then array[zip] when k between 75 and 79 then zips end as zips,
            case when k < 50 then format('$.website == "%s"', 'www.company' || company || '.com')
                 when k < 75 then format('$.postal_code == "%s"', zip)
                 when k < 80 then (select string_agg(format('$.postal_code == "%s"', z), ' || ') from unnest(zips) z)
                 when k < 95 then s.path end as path
        from drawn, lateral bench.segment_rule(i, 2 + bench.pick(i, 47, 3), true) s
    )
    select name, row_number() over (order by place, i), criteria::handoff.criteria, domain, zips, path::jsonpath from made
    union all
    select name, n, null, null, null, '$.id starts with ""';
$$;

-- Four equalities of columns of few values.
create procedure bench.make_segments(name text, n int) language sql as $$
    insert into bench.rule (book, ord, criteria)
    select name, i, s.criteria::handoff.criteria from generate_series(1, n) i, lateral bench.segment_rule(i, 4, false) s;
$$;

-- Ranges open at one end: one that most rows are in before one of three that few are in.
create procedure bench.make_ranges(name text, n int) language sql as $$
    insert into bench.rule (book, ord, criteria)
    select name, i, format('employees >= %s and revenue_growth < %s and %s', bench.pick(i, 80, 8), 40 + bench.pick(i, 81, 200) / 10.0,
        case i % 3 when 0 then format('annual_revenue >= %s', 99000000 + bench.pick(i, 82, 1000000))
                   when 1 then format('budget > %s and visits > 36', 97000 + bench.pick(i, 83, 2750))
                   else format('created_date < %L and visits < 3', timestamptz '2026-01-01 00:00+00' + bench.pick(i, 84, 20000) * interval '1 second') end)::handoff.criteria
    from generate_series(1, n) i;
$$;

-- A word within: no index helps.
create procedure bench.make_infixes(name text, n int) language sql as $$
    insert into bench.rule (book, ord, criteria)
    select name, i, format('website ilike %L', '%y' || lpad(i::text, 4, '9') || '.%')::handoff.criteria from generate_series(1, n) i;
$$;

call bench.make_mix('route 1000', 1000);
call bench.make_mix('route 10000', 10000);
call bench.make_mix('route 100000', 100000);
call bench.make_segments('segments 100000', 100000);
call bench.make_ranges('ranges 10000', 10000);
call bench.make_infixes('infixes 1000', 1000);
insert into bench.rule (book, ord, criteria) select 'score 100', row_number() over (order by name), replace(criteria, 'use_case', 'product')::handoff.criteria from bench.rules();
analyze bench.rule;

-- The rulebook behind them, see s2.c.
create function bench.book_load(name text, relid regclass, query text, with_statistics boolean, out rules int, out load_ms float8, out compile_ms float8, out bytes bigint)
    language c strict as :'library', 'book_load';
create function bench.book_scan(name text, of_all boolean, relid regclass) returns bigint language c as :'library', 'book_scan';
