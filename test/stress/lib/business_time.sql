-- test/stress/lib/business_time.sql: random calendars, and business time by counting minutes one by one.
--
-- A calendar's open minutes are written down, each with the date it belongs to: those between the moments
-- that AT TIME ZONE gives for the hours of each date (second occurrences put back to the first), without
-- those of breaks. Every answer is then a count of them.

create table zone (zone text, around timestamptz);
insert into zone values
    ('America/New_York', '2025-03-09 07:00Z'), ('America/New_York', '2025-11-02 06:00Z'),
    ('Europe/Berlin', '2026-03-29 01:00Z'), ('Europe/Berlin', '2026-10-25 01:00Z'),
    ('Africa/Cairo', '2025-04-24 22:00Z'), ('Africa/Cairo', '2025-10-30 21:00Z'),
    ('Australia/Lord_Howe', '2025-10-04 15:30Z'), ('Australia/Lord_Howe', '2026-04-04 15:00Z'),
    ('Africa/Casablanca', '2026-02-15 02:00Z'), ('America/Sao_Paulo', '2018-11-04 03:00Z'), ('America/Sao_Paulo', '2019-02-17 02:00Z'),
    -- at the midnight between two weeks; no change, between two weeks
    ('Asia/Tehran', '2021-03-21 20:30Z'), ('Asia/Tehran', '2020-09-20 19:30Z'), ('Europe/London', '2026-07-05 23:00Z'), ('Etc/UTC', '2026-07-20 00:00Z'),
    ('Pacific/Apia', '2011-12-30 10:00Z'), ('Asia/Kolkata', '2024-02-29 12:00Z'), ('Etc/UTC', '2027-12-31 12:00Z');

create table subject (id int, zone text, around timestamptz, schedule handoff.schedule);
create table weekly (id int, isodow int, opens int, closes int);
create table exception (id int, on_date date, kind text, opens int, closes int);
create table opening (id int, on_date date, opens timestamptz, closes timestamptz);
create table pause (id int, opens timestamptz, closes timestamptz);
-- open minutes, numbered; every minute with the open ones before it, and the next one that is closed; the dates that open
create table minute (id int, m timestamptz, on_date date, n bigint);
create table passed (id int, t timestamptz, open boolean, n bigint, closed_from timestamptz);
create table day (id int, on_date date, k bigint, n bigint, before bigint);

create function clock_text(opens int, closes int) returns text language sql immutable
return to_char(make_interval(mins => opens), 'HH24:MI') || '-' || to_char(make_interval(mins => case when closes > 1440 then closes - 1440 else closes end), 'HH24:MI');

-- hours often begin and end where clocks change
create function random_minute(most int) returns int language sql volatile
return (case when random() < 0.4 then (array[0, 15, 30, 45, 60, 75, 90, 105, 120, 135, 150, 165, 180, 1410, 1425, 1439])[1 + floor(random() * 16)::int]
        else floor(random() * 48) * 30 end)::int % most;

create function random_hours(out opens int, out closes int) language plpgsql volatile as $$
begin
    opens := random_minute(1440);
    closes := case when random() < 0.6 then greatest(opens + 1, 600 + random_minute(840)) else opens + 1 + random_minute(1439) end;
end $$;

create function moment(local timestamp, zone text) returns timestamptz language sql stable as $$
    select coalesce(min(t), local at time zone zone)
    from generate_series((local at time zone zone) - interval '3 h', (local at time zone zone) + interval '3 h', interval '15 min') t
    where t at time zone zone = local
$$;

-- the date was there
create function has_date(d date, zone text) returns boolean language sql stable as $$
    select exists (select from generate_series(d::timestamptz - interval '16 h', d::timestamptz + interval '40 h', interval '30 min') t
                   where (t at time zone zone)::date = d)
$$;

create procedure make_subjects(copies int) language plpgsql as $$
declare
    s record;
    d date;
    h record;
begin
    insert into subject (id, zone, around)
    select row_number() over (), zone, around from zone, generate_series(1, copies);
    for s in select * from subject loop
        for dow in 1 .. 7 loop
            for i in 1 .. floor(random() * 3.5)::int loop
                h := random_hours();
                -- no more than 24 hours in a row
                if not exists (select from weekly w where w.id = s.id and w.isodow = dow and greatest(w.closes, h.closes) - least(w.opens, h.opens) > 1440) then
                    insert into weekly values (s.id, dow, h.opens, h.closes);
                end if;
            end loop;
        end loop;
        update subject set schedule = ((select coalesce(string_agg((array['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'])[w.isodow] || ' ' || clock_text(w.opens, w.closes), '; '), 'closed')
                                       from weekly w where w.id = s.id) || ' @ ' || s.zone)::handoff.schedule
        where id = s.id;
        perform handoff.add_calendar('c' || s.id, (select schedule::text from subject where id = s.id));
        for i in 1 .. floor(random() * 12)::int loop
            d := s.around::date + floor(random() * 30)::int - 15;
            h := random_hours();
            insert into exception
            select s.id, d, k, case when k <> 'closed' then h.opens end, case when k <> 'closed' then h.closes end
            from (select (array['closed', 'open', 'break', 'break'])[1 + floor(random() * 4)::int] as k) k
            where not exists (select from exception e where e.id = s.id and e.on_date = d and e.kind = k);
        end loop;
    end loop;
    perform handoff.add_exception('c' || id, on_date, kind, clock_text(opens, closes)) from exception;
end $$;

create procedure count_minutes(reach int) language plpgsql as $$
begin
    insert into opening
    select s.id, d::date, moment(d + make_interval(mins => h.opens), s.zone), moment(d + make_interval(mins => h.closes), s.zone)
    from subject s
    cross join lateral generate_series(s.around::date - reach - 10, s.around::date + reach + 10, interval '1 d') g (g)
    cross join lateral (select g.g::timestamp as d) d
    cross join lateral (
        select opens, closes from exception e where e.id = s.id and e.on_date = d::date and e.kind = 'open'
        union all
        select opens, closes from weekly w where w.id = s.id and w.isodow = extract(isodow from d)
          and not exists (select from exception e where e.id = s.id and e.on_date = d::date and e.kind = 'open')
    ) h
    where has_date(d::date, s.zone)
      and not exists (select from exception e where e.id = s.id and e.on_date = d::date and e.kind = 'closed');
    delete from opening where closes <= opens;
    insert into pause
    select s.id, moment(e.on_date + make_interval(mins => e.opens), s.zone), moment(e.on_date + make_interval(mins => e.closes), s.zone)
    from exception e join subject s using (id) where e.kind = 'break' and has_date(e.on_date, s.zone);
    insert into minute (id, m, on_date, n)
    select id, m, on_date, row_number() over (partition by id order by m) - 1
    from (select distinct on (o.id, m) o.id, m, o.on_date
          from opening o, generate_series(o.opens, o.closes - interval '1 min', interval '1 min') m
          order by o.id, m, o.opens, o.on_date) x
    where not exists (select from pause p where p.id = x.id and p.opens <= x.m and x.m < p.closes);
    create index on minute (id, n);
    create index on minute (id, m);
    analyze minute;
    insert into passed
    select s.id, t, m.m is not null,
           b.n + coalesce(sum((m.m is not null)::int) over (w rows between unbounded preceding and 1 preceding), 0),
           min(t) filter (where m.m is null) over (partition by s.id order by t desc)
    from subject s
    cross join lateral (select count(*) as n from minute m where m.id = s.id and m.m < s.around::date - reach - 8) b
    cross join lateral generate_series(s.around::date - reach - 8, s.around::date + reach + 8, interval '1 min') t
    left join minute m on m.id = s.id and m.m = t
    window w as (partition by s.id order by t);
    insert into day
    select id, on_date, row_number() over w, count(*), sum(count(*)) over w - count(*)
    from minute group by id, on_date window w as (partition by id order by on_date);
    -- at the ends a night from outside may be missing
    delete from minute m using subject s where s.id = m.id and not m.m between s.around::date - reach - 7 and s.around::date + reach + 7;
    delete from day d using subject s where s.id = d.id and not d.on_date between s.around::date - reach - 7 and s.around::date + reach + 7;
    create index on passed (id, t);
    create index on day (id, on_date);
    create index on day (id, k);
    analyze day;
    analyze passed;
end $$;

-- What is asked, how often, and how many answers are not what minutes add up to.
create function compare(reach int, pairs int) returns table (what text, asked bigint, wrong bigint, example text) language sql volatile as $$
    with every as materialized (
        select p.*, 'c' || p.id as name, lag(p.open) over w as was_open
        from passed p join subject s using (id)
        where p.t between s.around - make_interval(days => reach) and s.around + make_interval(days => reach)
        window w as (partition by id order by t)
    ), chosen as materialized (
        -- minutes at which something changes, and others by chance
        select e.*, case when random() < 0.3 then 0 else floor(random() * 3000)::int end as span, 1 + floor(random() * 5)::int as days,
               e.t + (random() * 20 - 6) * interval '1 day' as other
        from every e
        where random() < pairs::float8 / (select count(*) from every) or e.open <> e.was_open
    ), second as (
        select s.*, date_trunc('minute', s.other) as b from chosen s
    ), answer as (
        select 'is_open' as what, name, t, null::text as arg, handoff.is_open(name, t)::text as ours, open::text as theirs from every
        union all
        select 'next_open', name, t, null, handoff.next_open(name, t)::text,
               (select m.m::text from minute m where m.id = s.id and m.n = s.n) from chosen s
        union all
        select 'next_close', name, t, null, handoff.next_close(name, t)::text,
               (select p.closed_from::text from minute m join passed p on p.id = m.id and p.t = m.m where m.id = s.id and m.n = s.n) from chosen s
        union all
        select 'between', s.name, s.t, s.b::text, handoff.business_between(s.name, s.t, s.b)::text,
               make_interval(mins => greatest(0, o.n - s.n)::int)::text
        from second s join passed o on o.id = s.id and o.t = s.b
        union all
        select 'add time', name, t, span::text, handoff.business_add(name, t, make_interval(mins => span))::text,
               (select case when span = 0 then m.m else m.m + interval '1 min' end::text from minute m
                where m.id = s.id and m.n = s.n + span - (span > 0)::int) from chosen s
        union all
        select 'sub time', name, t, span::text, handoff.business_sub(name, t, make_interval(mins => span))::text,
               (select case when span = 0 then m.m + interval '1 min' else m.m end::text from minute m
                where m.id = s.id and m.n = s.n - span - (span = 0)::int) from chosen s
        union all
        select 'add days', name, t, days::text, handoff.business_add(name, t, make_interval(days => days))::text,
               (select l.m + interval '1 min'
                from minute f
                join day d on d.id = f.id and d.on_date = f.on_date
                join day e on e.id = f.id and e.k = d.k + s.days - 1
                join minute l on l.id = f.id and l.n = s.n + e.before + e.n - d.before - 1
                where f.id = s.id and f.n = s.n)::text
        from chosen s
        union all
        select 'sub days', name, t, days::text, handoff.business_sub(name, t, make_interval(days => days))::text,
               (select l.m
                from minute f
                join day d on d.id = f.id and d.on_date = f.on_date
                join day e on e.id = f.id and e.k = d.k - s.days + 1
                join minute l on l.id = f.id and l.n = s.n - (d.before + d.n - e.before)
                where f.id = s.id and f.n = s.n - 1)::text
        from chosen s
    )
    select what, count(*), count(*) filter (where ours is distinct from theirs),
           (array_agg(format('%s at %s, %s: %s, by minutes %s', name, t, arg, ours, theirs)) filter (where ours is distinct from theirs))[1]
    from answer
    where theirs is not null
    group by what
$$;
