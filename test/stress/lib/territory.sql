-- test/stress/lib/territory.sql: random territory maps, and what a plain reading of the rules says of them:
-- which rows contradict each other, and which row has a key.
--
-- Keys are short and of few letters, so that rows meet; ranges that are none at all are not tried.

create table tried (
    n          int primary key,
    map        text,
    kind       text,
    key        text,
    high       text,
    pool       text,
    valid_from timestamptz,
    valid_to   timestamptz,
    taken      boolean
);
create table answer (map text, key text, at timestamptz, kind text, matched text, pool text, plain_kind text, plain_matched text, plain_pool text);

create function word(longest int) returns text language sql volatile
return (select string_agg(substr('01é9a', 1 + floor(random() * 5)::int, 1), '') from generate_series(1, 1 + floor(random() * longest)::int));

-- with up to two digits after the point
create function number(below int) returns text language sql volatile
return trunc((random() * below * power(10, floor(random() * 3) - 1))::numeric, floor(random() * 3)::int)::text;

create procedure make_maps(maps int, size int) language sql as $$
    insert into tried (n, map, kind, key, high, pool, valid_from, valid_to)
    select row_number() over (), r.map, r.kind, r.key, case when r.kind in ('range', 'number') then r.high else '' end, r.pool, r.day, r.day + r.days * interval '1 day'
    from (
        select 'map' || m as map, k.kind, case k.kind when 'number' then number(60) when 'range' then word(2) else word(3) end as key,
               case when k.kind <> 'number' then word(2) when random() < 0.05 then 'infinity' else number(100) end as high,
               (array['west', 'east', 'north'])[1 + floor(random() * 3)::int] as pool,
               timestamptz '2026-01-01Z' + floor(random() * 20)::int * interval '1 day' as day, 1 + floor(random() * 25)::int as days
        from generate_series(1, maps) m, unnest('{exact,prefix,range,number}'::text[]) k (kind), generate_series(1, size / 4)) r
    where case r.kind when 'range' then char_length(r.key) = char_length(r.high) and r.key <= r.high collate "C"
                      when 'number' then r.key::numeric <= r.high::numeric else true end
$$;

create function clash(a tried, b tried) returns boolean language sql immutable
return a.map = b.map and a.kind = b.kind and a.valid_from < b.valid_to and b.valid_from < a.valid_to and case a.kind
    when 'range' then char_length(a.key) = char_length(b.key) and a.key <= b.high collate "C" and b.key <= a.high collate "C"
        and ((a.key, a.high) = (b.key, b.high)
             or not (a.key <= b.key collate "C" and b.high <= a.high collate "C" or b.key <= a.key collate "C" and a.high <= b.high collate "C"))
    when 'number' then a.key::numeric <= b.high::numeric and b.key::numeric <= a.high::numeric
        and ((a.key::numeric, a.high::numeric) = (b.key::numeric, b.high::numeric)
             or not (a.key::numeric <= b.key::numeric and b.high::numeric <= a.high::numeric
                     or b.key::numeric <= a.key::numeric and a.high::numeric <= b.high::numeric))
    else a.key = b.key
end;

-- Each row by itself, in order: taken or refused.
create procedure try_rows() language plpgsql as $$
declare
    r tried;
begin
    for r in select * from tried order by n loop
        begin
            insert into handoff.territory (map, kind, key, high, pool, valid_from, valid_to) values (r.map, r.kind, r.key, r.high, r.pool, r.valid_from, r.valid_to);
            update tried t set taken = true where t.n = r.n;
        exception when exclusion_violation or unique_violation then
            update tried t set taken = false where t.n = r.n;
        end;
    end loop;
end $$;

-- Whole maps in one statement: the rows taken, which is right, and these with one of those refused, which is wrong.
create function whole_maps(out maps bigint, out wrong bigint) language plpgsql as $$
declare
    one record;
    was_taken boolean;
begin
    maps := 0;
    wrong := 0;
    for one in select map, min(n) filter (where not taken) as n from tried group by map
               union all select distinct map, null::int from tried loop
        begin
            insert into handoff.territory (map, kind, key, high, pool, valid_from, valid_to)
            select 'whole', kind, key, high, pool, valid_from, valid_to from tried t where t.map = one.map and (t.taken or t.n = one.n);
            was_taken := true;
            delete from handoff.territory where map = 'whole';
        exception when exclusion_violation or unique_violation then
            was_taken := false;
        end;
        maps := maps + 1;
        wrong := wrong + (was_taken <> (one.n is null))::int;
    end loop;
end $$;

create function has_key(t tried, key text) returns boolean language sql immutable
return case t.kind
    when 'exact' then key = t.key
    when 'prefix' then starts_with(key, t.key)
    when 'range' then char_length(key) = char_length(t.key) and key >= t.key collate "C" and key <= t.high collate "C"
    else case when key ~ '^[0-9]+([.][0-9]+)?$' then key::numeric between t.key::numeric and t.high::numeric else false end
end;

-- Does range a lie within range b?
create function lies_within(a tried, b tried) returns boolean language sql immutable
return a.n <> b.n and a.kind = b.kind and case a.kind
    when 'range' then a.key >= b.key collate "C" and a.high <= b.high collate "C"
    when 'number' then a.key::numeric >= b.key::numeric and a.high::numeric <= b.high::numeric
    else false
end;

-- qty keys of each map at random moments: what territory_for() says, and what the rules do.
create procedure ask_maps(qty int) language sql as $$
    insert into answer
    select a.map, a.key, a.at, f.kind, f.matched, f.pool, p.kind, p.matched, p.pool
    from (
        select m.map, case when n % 2 = 0 then word(4) else number(70) end as key, timestamptz '2026-01-01Z' + floor(random() * 45)::int * interval '1 day' as at
        from (select distinct map from tried) m, generate_series(1, qty) n) a
    left join lateral handoff.territory_for(a.map, a.key, a.at) f on true
    left join lateral (
        with c as (
            select t as entry, t.* from tried t where t.taken and t.map = a.map and t.valid_from <= a.at and a.at < t.valid_to and has_key(t, a.key)
        )
        select c.kind, c.key || coalesce('..' || nullif(c.high, ''), '') as matched, c.pool
        from c
        where not exists (select from c o where lies_within(o.entry, c.entry))
        order by array_position('{exact,prefix,range,number}', c.kind), char_length(c.key) desc
        limit 1) p on true
$$;
