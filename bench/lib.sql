-- bench/lib.sql: the stop-watch, the table of 40 columns, the contract with 100 score rules.
--
-- A figure is a ratio of two times measured in turn in the same run, by the server's own clock, from
-- before the first statement to after the last commit. Beside the wall clock stands the CPU time of
-- the backend, which a neighbour on the machine disturbs less.

create schema bench;
create extension lead_handoff;
select handoff.setup();

-- The stop-watch -----------------------------------------------------------------------------------

create table bench.run (
    n      bigint generated always as identity,
    label  text not null,
    wall   float8 not null,     -- ms
    cpu    float8 not null,     -- ms
    wal    numeric not null     -- bytes, of the whole cluster
);

create function bench.cpu() returns float8 language sql
return split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::float8 / 1e6;

create procedure bench.start() language plpgsql as $$
begin
    perform set_config('bench.wal', pg_current_wal_lsn()::text, false),
            set_config('bench.cpu', bench.cpu()::text, false);
    perform set_config('bench.wall', extract(epoch from clock_timestamp())::text, false);
end
$$;

create procedure bench.stop(label text) language plpgsql as $$
declare
    now_wall numeric := extract(epoch from clock_timestamp());
    now_cpu  float8 := bench.cpu();
begin
    insert into bench.run (label, wall, cpu, wal)
    values (label, 1000 * (now_wall - current_setting('bench.wall')::numeric),
            now_cpu - current_setting('bench.cpu')::float8,
            pg_current_wal_lsn() - current_setting('bench.wal')::pg_lsn);
end
$$;

-- Figures ------------------------------------------------------------------------------------------

create table bench.figure (
    n        bigint generated always as identity,
    item     text not null,
    what     text not null,
    measured text not null,
    target   text not null,
    verdict  text not null,
    note     text not null
);

create function bench.median(label text, what text default 'wall') returns float8 language sql stable
return (select percentile_cont(0.5) within group (order by case what when 'wall' then wall when 'cpu' then cpu else wal end)
        from bench.run r where r.label = median.label);

-- Median over the rounds of a's time divided by b's in the same round.
create function bench.ratio(a text, b text, what text default 'wall') returns float8 language sql stable
return (
    with a as (select row_number() over (order by n) i, case what when 'wall' then wall when 'cpu' then cpu else wal end v from bench.run where label = a),
         b as (select row_number() over (order by n) i, case what when 'wall' then wall when 'cpu' then cpu else wal end v from bench.run where label = b)
    select percentile_cont(0.5) within group (order by a.v / nullif(b.v, 0)) from a join b using (i)
);

-- A figure with its target: op says on which side of it the measured value must lie.
create function bench.judge(item text, what text, measured float8, op text, target float8, unit text, note text)
    returns void language sql
begin atomic
    insert into bench.figure (item, what, measured, target, verdict, note)
    values (item, what, round(measured::numeric, 2) || unit, op || ' ' || target || unit,
            case when (op = '<=' and measured <= target) or (op = '<' and measured < target) or (op = '>=' and measured >= target) then 'reached' else 'missed' end,
            note);
end;

-- A value that stands for itself.
create function bench.tell(item text, what text, measured text, note text) returns void language sql
begin atomic
    insert into bench.figure (item, what, measured, target, verdict, note) values (item, what, measured, '', '', note);
end;

-- Microseconds a row: wall and CPU of the median run.
create function bench.per_row(label text, rows bigint) returns text language sql stable
return format('%s us (CPU %s)', round((1000 * bench.median(label) / rows)::numeric, 2),
              round((1000 * bench.median(label, 'cpu') / rows)::numeric, 2));

-- The table: 40 columns, some 400 bytes a row ------------------------------------------------------
--
-- Each column is an expression of g, a bigint: rows are the same in every run, and pgbench can make
-- them one at a time. bench.pick() spreads g, differently for each column.

create function bench.pick(g bigint, salt bigint, n int) returns int language sql immutable parallel safe
return ((hashint8extended(g, salt) & 2147483647) % n)::int;

create table bench.col (ord int primary key, name text, type text, expr text);
insert into bench.col values
(1, 'id', 'text', $$'00Q5g00000' || lpad(to_hex(g), 8, '0')$$),
(2, 'email', 'text', $$'lead' || g || '@' || (array['gmail.com', 'acme.com', 'initech.de', 'globex.com', 'umbrella.org', 'hooli.io', 'web.de', 'example.net'])[1 + bench.pick(g, 2, 8)]$$),
(3, 'owner_id', 'text', $$'0055g0000' || bench.pick(g, 3, 40)$$),
(4, 'status', 'text', $$(array['Open', 'Working', 'Nurture', 'On Hold'])[1 + bench.pick(g, 4, 4)]$$),
(5, 'account_id', 'text', $$case when bench.pick(g, 5, 3) = 0 then '0015g0000' || bench.pick(g, 5, 20000) end$$),
(6, 'created_date', 'timestamptz', $$timestamptz '2026-01-01 00:00+00' + g * interval '7 seconds'$$),
(7, 'system_modstamp', 'timestamptz', $$timestamptz '2026-02-01 00:00+00' + g * interval '7 seconds'$$),
(8, 'is_deleted', 'boolean', $$false$$),
(9, 'company', 'text', $$'Company ' || bench.pick(g, 9, 50000)$$),
(10, 'title', 'text', $$(array['VP Sales', 'Head of Marketing', 'Chief Revenue Officer', 'Account Manager', 'Student', 'Director of Operations', 'Engineer', 'Assistant'])[1 + bench.pick(g, 10, 8)]$$),
(11, 'seniority', 'text', $$(array['C-Level', 'VP', 'Director', 'Manager', 'Staff', 'Student'])[1 + bench.pick(g, 11, 6)]$$),
(12, 'department', 'text', $$(array['Sales', 'Marketing', 'Operations', 'IT', 'Finance', 'HR'])[1 + bench.pick(g, 12, 6)]$$),
(13, 'employees', 'bigint', $$(power(10, bench.pick(g, 13, 500) / 100.0))::bigint$$),
(14, 'annual_revenue', 'numeric', $$(bench.pick(g, 14, 100000) * 1000)::numeric$$),
(15, 'industry', 'text', $$'Industry ' || bench.pick(g, 15, 30)$$),
(16, 'country', 'text', $$(array['Germany', 'Austria', 'Switzerland', 'France', 'Spain', 'Italy', 'Poland', 'Netherlands', 'Sweden', 'United States', 'Brazil', 'India'])[1 + bench.pick(g, 16, 12)]$$),
(17, 'state', 'text', $$'State ' || bench.pick(g, 17, 50)$$),
(18, 'city', 'text', $$'City ' || bench.pick(g, 18, 900)$$),
(19, 'postal_code', 'text', $$lpad(bench.pick(g, 19, 99999)::text, 5, '0')$$),
(20, 'lead_source', 'text', $$(array['Web', 'Event', 'Partner', 'Referral', 'Ads', 'Import'])[1 + bench.pick(g, 20, 6)]$$),
(21, 'phone', 'text', $$'+49 30 ' || (1000000 + bench.pick(g, 21, 8999999))$$),
(22, 'opted_out', 'boolean', $$bench.pick(g, 22, 50) = 0$$),
(23, 'is_test', 'boolean', $$bench.pick(g, 23, 200) = 0$$),
(24, 'is_competitor', 'boolean', $$bench.pick(g, 24, 300) = 0$$),
(25, 'website', 'text', $$'www.company' || bench.pick(g, 9, 50000) || '.com'$$),
(26, 'campaign', 'text', $$'Campaign ' || bench.pick(g, 26, 60)$$),
(27, 'product', 'text', $$(array['Core', 'Plus', 'Pro', 'Enterprise'])[1 + bench.pick(g, 27, 4)]$$),
(28, 'use_case', 'text', $$case when bench.pick(g, 28, 2) = 0 then 'Use case ' || bench.pick(g, 28, 25) end$$),
(29, 'language', 'text', $$(array['de', 'en', 'fr', 'es', 'it'])[1 + bench.pick(g, 29, 5)]$$),
(30, 'utm_source', 'text', $$(array['google', 'linkedin', 'newsletter', 'direct'])[1 + bench.pick(g, 30, 4)]$$),
(31, 'utm_medium', 'text', $$(array['cpc', 'email', 'organic'])[1 + bench.pick(g, 31, 3)]$$),
(32, 'budget', 'numeric', $$case when bench.pick(g, 32, 2) = 0 then (bench.pick(g, 32, 400) * 250)::numeric end$$),
(33, 'rating', 'text', $$case when bench.pick(g, 33, 3) = 0 then (array['Hot', 'Warm', 'Cold'])[1 + bench.pick(g, 34, 3)] end$$),
(34, 'last_visit', 'timestamptz', $$timestamptz '2026-02-01 00:00+00' - bench.pick(g, 35, 7776000) * interval '1 second'$$),
(35, 'visits', 'bigint', $$bench.pick(g, 36, 40)::bigint$$),
(36, 'downloads', 'bigint', $$bench.pick(g, 37, 6)::bigint$$),
(37, 'trial_since', 'date', $$case when bench.pick(g, 38, 5) = 0 then date '2026-01-01' - bench.pick(g, 38, 365) end$$),
(38, 'competitor_tool', 'text', $$case when bench.pick(g, 39, 2) = 0 then 'Tool ' || bench.pick(g, 39, 12) end$$),
(39, 'revenue_growth', 'numeric', $$round((bench.pick(g, 40, 800) - 200) / 10.0, 1)$$),
(40, 'note', 'text', $$repeat('x', bench.pick(g, 41, 60))$$);

-- An empty table of that shape.
create procedure bench.make_table(name text, options text default '') language plpgsql as $$
begin
    execute format('create %s table bench.%I (%s, primary key (id))', options, name,
                   (select string_agg(format('%I %s', c.name, c.type), ', ' order by ord) from bench.col c));
end
$$;

-- The expressions of all columns, of another variable than g if one is given.
create function bench.expressions(g text default 'g') returns text language sql stable
return (select string_agg(regexp_replace(expr, '\mg\M', g, 'g'), ', ' order by ord) from bench.col);

-- What is mapped: 7 built-in targets and 26 fields of the contract ---------------------------------

create function bench.contract_fields() returns setof bench.col language sql stable
begin atomic
    select * from bench.col
    where name not in ('id', 'email', 'owner_id', 'status', 'account_id', 'created_date', 'system_modstamp', 'is_deleted',
                       'website', 'city', 'state', 'postal_code', 'utm_medium', 'note');
end;

-- 100 rules: 52 equalities, 12 IN, 16 ranges, 8 patterns, 12 of two or three conditions.
create function bench.rules() returns table (name text, score_group text, points int, criteria text) language sql stable
begin atomic
    with rule (score_group, points, criteria) as (
        select 'firmographic', (i % 7) - 2, format('industry = %L', 'Industry ' || i) from generate_series(0, 19) i
        union all select 'behaviour', (i % 5) - 1, format('campaign = %L', 'Campaign ' || i) from generate_series(0, 19) i
        union all select 'behaviour', (i % 4), format('competitor_tool = %L', 'Tool ' || i) from generate_series(0, 11) i
        union all select 'role', 3 + i % 3, format('seniority in (%L, %L) and department = %L', a[1 + i % 6], a[1 + (i + 2) % 6], d[1 + i % 6])
            from generate_series(0, 5) i, (select array['C-Level', 'VP', 'Director', 'Manager', 'Staff', 'Student'] a,
                                                  array['Sales', 'Marketing', 'Operations', 'IT', 'Finance', 'HR'] d) x
        union all select 'firmographic', 4, format('country in (%L, %L, %L)', c[1 + i], c[1 + (i + 1) % 12], c[1 + (i + 5) % 12])
            from generate_series(0, 11) i, (select array['Germany', 'Austria', 'Switzerland', 'France', 'Spain', 'Italy', 'Poland',
                                                         'Netherlands', 'Sweden', 'United States', 'Brazil', 'India'] c) x
        union all select 'firmographic', 2, format('employees >= %s', 10 * power(2, i)::int) from generate_series(0, 7) i
        union all select 'behaviour', 1, format('visits > %s', i * 5) from generate_series(0, 7) i
        union all select 'role', 5 - i, format('title ilike %L', p) from unnest(array['vp %', 'head of %', 'chief %', '%manager%', '%student%', '%director%', '%engineer', 'assistant%']) with ordinality u(p, i)
        union all select 'firmographic', 3, format('annual_revenue between %s and %s and product = %L', i * 10000000, (i + 4) * 10000000, p[1 + i % 4])
            from generate_series(0, 3) i, (select array['Core', 'Plus', 'Pro', 'Enterprise'] p) x
        union all select 'behaviour', 6, format('budget >= %s and downloads > %s and rating is not null', i * 20000, i) from generate_series(0, 1) i
    )
    select format('r%s', lpad(row_number() over ()::text, 3, '0')), score_group, points, criteria from rule;
end;

-- n routes from leads to sales: half by company domain, a quarter by campaign and country, the rest by size; then the pool.
create function bench.routes(n int) returns table (ord int, criteria text, target_kind text, target text) language sql stable
begin atomic
    with country (names) as (
        select array['Germany', 'Austria', 'Switzerland', 'France', 'Spain', 'Italy', 'Poland', 'Netherlands', 'Sweden',
                     'United States', 'Brazil', 'India']
    )
    select i,
           case when i % 2 = 0 then format('email_domain = %L', 'company' || i || '.com')
                when i % 4 = 1 then format('campaign = %L and country = %L', 'Campaign ' || bench.pick(i, 101, 60),
                                           names[1 + bench.pick(i, 102, 12)])
                else format('employees between %s and %s and country in (%L, %L)', bench.pick(i, 103, 50000),
                            bench.pick(i, 103, 50000) + 200, names[1 + bench.pick(i, 104, 12)], names[1 + bench.pick(i, 105, 12)])
           end,
           case when i % 3 = 0 then 'rep' else 'pool' end,
           case when i % 3 = 0 then 'rep' || bench.pick(i, 106, 20) else 'sdr' end
    from generate_series(1, n) i, country
    union all
    select n + 1, null, 'pool', 'sdr';
end;

-- The template's journey, gates, validations and clocks, with those rules instead of its own; with routes, also with
-- 20 reps who take any number of leads.
create procedure bench.make_contract(routes int default 0) language plpgsql as $$
declare
    v int := handoff.load_template('b2b_saas');
begin
    delete from handoff.score_rule where contract_id = v;
    delete from handoff.score_group where contract_id = v;
    delete from handoff.field where contract_id = v and of = 'lead';
    update handoff.channel set forbidden_when = null where contract_id = v;
    insert into handoff.field (contract_id, of, name, type)
    select v, 'lead', name, type from bench.contract_fields();
    insert into handoff.score_group (contract_id, name, kind, min_points, max_points)
    values (v, 'firmographic', 'fit', -30, 60), (v, 'role', 'fit', -20, 40), (v, 'behaviour', 'fit', -20, 40);
    insert into handoff.score_rule (contract_id, name, score_group, points, criteria)
    select v, name, score_group, points, criteria::handoff.criteria from bench.rules();
    delete from handoff.band where contract_id = v;
    insert into handoff.band (contract_id, name, ord, min_fit) values (v, 'A', 1, 41), (v, 'B', 2, 30), (v, 'C', 3, 0);
    update handoff.stage set entry = 'band = ''A''' where contract_id = v and name = 'mql';
    if routes > 0 then
        perform handoff.add_rep('rep' || i, 'Rep ' || i, pool => 'sdr', schedule => '24x7 @ UTC')
        from generate_series(0, 19) i;
        delete from handoff.route where contract_id = v and leg = 'mql_to_sdr';
        insert into handoff.route (contract_id, leg, name, ord, criteria, target_kind, target)
        select v, 'mql_to_sdr', 'route' || ord, ord, criteria::handoff.criteria, target_kind, target
        from bench.routes(routes);
    end if;
    perform handoff.publish(v);
end
$$;

create function bench.mapping() returns jsonb language sql immutable
return '{"version": "system_modstamp", "deleted": "is_deleted", "created_at": "created_date", "email": "email",
         "crm_owner": "owner_id", "crm_status": "status", "account_key": "account_id"}'::jsonb;

-- Tick until nothing waits.
create procedure bench.tick_all() language plpgsql as $$
declare
    claimed bigint;
begin
    loop
        select t.claimed into claimed from handoff.tick() t;
        commit;
        exit when claimed = 0;
    end loop;
end
$$;
