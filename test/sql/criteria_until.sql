-- valid_until(C, R, at): matches(C, R, t) is the same for every t in [at, valid_until), and
-- valid_until is later than at. Asked near what makes it hard: changes of a zone's offset (an hour,
-- half an hour, a day), month ends, midnights, the moment of the flip itself.
create schema criteria_until;
set search_path = criteria_until, handoff;

-- the easy ones, exactly
set timezone = 'UTC';
select c, valid_until(c, r, '2026-01-10 00:00+00')
from (select '2026-01-05 12:00+00'::timestamptz as ts, '2026-01-08'::date as d, 5 as n, null::timestamptz as unset, 'infinity'::timestamptz as never) r,
    unnest(array['ts > now() - interval ''168 hours''', 'ts >= now() - interval ''168 hours''', 'ts = now() - interval ''168 hours''', 'ts <> now() - interval ''168 hours''', 'ts < now() - interval ''168 hours''',
        'ts > now() - interval ''7 days''', 'ts > now() - interval ''1 hour''', 'ts > now()', 'ts < now() + interval ''1 day''', 'ts is distinct from now() - interval ''168 hours''',
        'd > now() - interval ''72 hours''', 'd = current_date - interval ''2 days''', 'd > current_date - interval ''30 days''', 'd < current_date', 'ts > current_date - interval ''6 days''', 'ts >= date ''2026-01-01''', 'n = 5',
        'unset > now()', 'unset is null', 'never > now()', 'ts > now() - interval ''1 month''',
        'ts > now() - interval ''168 hours'' and n = 6', 'ts > now() - interval ''168 hours'' and n = 5', 'n = 5 or ts > now() - interval ''168 hours''', 'not (ts between now() - interval ''200 hours'' and now() - interval ''100 hours'')']::criteria[]) c;
select valid_until('ts > now() - interval ''1 hour''', r, at)
from (values (timestamptz '2026-01-05 12:00+00')) r (ts), unnest(array['-infinity', '2026-01-05 12:59:59.999999+00', '2026-01-05 13:00+00', 'infinity']::timestamptz[]) at;

select valid_until(c, r, '2026-01-10 00:00+00')
from (values (date '2026-01-10' + 213503983), (date '5000000-01-01'), ('4713-01-01 BC'), ('infinity'), ('-infinity'), (null)) r (d),
    unnest(array['d > current_date', 'd < current_date - interval ''1 day''', 'd = now()', 'd is distinct from now() + interval ''1 month''']::criteria[]) c;

create function one_of(variadic choices text[]) returns text language sql volatile as
$$ select choices[1 + floor(random() * array_length(choices, 1))::int] $$;

create function wobble() returns interval language sql volatile as
$$
select case when random() < 0.5 then (random() - 0.5) * interval '6 hours'
    else one_of('0', '1 microsecond', '-1 microsecond', '1 hour', '-1 hour', '1 day', '-1 day', '3 days', '-3 days', '40 days', '-40 days')::interval end
$$;

-- Moments at which something jumps, in the zone of the session.
create function hard_moment() returns timestamptz language sql volatile as
$$
select case when random() < 0.7 then
        case current_setting('timezone')
            when 'America/New_York' then one_of('2024-03-10 02:00', '2024-11-03 02:00')
            when 'Europe/Berlin' then one_of('2024-03-31 02:00', '2024-10-27 03:00')
            when 'Pacific/Apia' then one_of('2011-12-30 00:00', '2012-04-01 04:00', '2012-09-30 03:00')
            when 'Australia/Lord_Howe' then one_of('2024-04-07 02:00', '2024-10-06 02:00')
            when 'America/St_Johns' then one_of('2010-11-07 00:01', '2010-03-14 00:01')
            when 'America/Santiago' then one_of('2024-09-08 00:00', '2024-04-07 00:00')
            else '2024-03-10 02:00' end
    else one_of('2024-02-28', '2024-02-29', '2024-03-01', '2023-01-29', '2023-01-30', '2023-01-31', '2023-02-28', '2023-03-01', '2024-05-31', '2024-12-31') || ' ' || one_of('00:00', '23:30', '12:00')
    end::timestamptz + wobble()
    + case when random() < 0.1 then random() * interval '366 days' else interval '0' end
$$;

-- One question: a criteria about a value that the operand meets soon, or met a moment ago.
create type question as (c criteria, ts timestamptz, d date, at timestamptz);
create function ask() returns question language plpgsql as
$$
declare
    base text := one_of('now()', 'now()', 'current_date');
    sign text := one_of('-', '+');
    span text := one_of('0', '1 day', '7 days', '-30 days', '1 month', '1 month -1 day', '11 months', '1 year', '3 hours', '1 month 1 day 1 hour', '36 hours 5 minutes', '1 month -10 days', '2 months 20 days');
    field text := one_of('ts', 'd');
    hard timestamptz := hard_moment();
    -- what is hard is now, or what the operand is then, or a step between them
    at timestamptz := case one_of('now', 'operand', 'months') when 'now' then hard
        when 'operand' then case sign when '-' then hard + span::interval else hard - span::interval end
        else hard + case sign when '-' then 1 else -1 end * make_interval(months => extract(year from span::interval)::int * 12 + extract(month from span::interval)::int) end;
    met timestamptz := case sign when '-' then at - span::interval else at + span::interval end
        + wobble();
    leaf text := format(one_of('%1$s > %2$s', '%1$s >= %2$s', '%1$s < %2$s', '%1$s <= %2$s', '%1$s = %2$s', '%1$s <> %2$s', '%1$s is distinct from %2$s', '%1$s between %2$s and now()', 'not (%1$s < %2$s) and d is not null', '%1$s = %2$s or ts < now()'),
        field, case when span = '0' then base else format('%s %s interval %L', base, sign, span) end);
begin
    return (leaf, met, met::date, at)::question;
end
$$;

-- Follow the chain of valid_until from at. In every link the answer must stay what it is, wherever we look.
create function follow(q question, out broken int, out flips int, out links int) language plpgsql as
$$
declare
    here timestamptz := q.at;
    until timestamptz;
    answer boolean;
    there boolean;
    probe timestamptz;
begin
    broken := 0;
    flips := 0;
    links := 0;
    loop
        answer := matches(q.c, q, here);
        until := valid_until(q.c, q, here);
        links := links + 1;
        if not until > here then
            raise warning 'not later: % at % in %', q, here, current_setting('timezone');
            broken := broken + 1;
            exit;
        end if;
        for i in 1..8 loop
            probe := case i when 1 then here + interval '1 microsecond' when 2 then least(until, here + interval '500 days') - interval '1 microsecond'
                when 3 then here + random() * interval '2 hours' when 4 then here + random() * interval '2 days'
                else here + random() * (least(until, here + interval '100 days') - here) end;
            continue when probe >= until;
            there := matches(q.c, q, probe);
            if there is distinct from answer then
                raise warning 'late: %, valid from % until %, but not at % in %', q, here, until, probe, current_setting('timezone');
                broken := broken + 1;
            end if;
        end loop;
        exit when until = 'infinity' or until > q.at + interval '3 years' or links = 400;
        flips := flips + (matches(q.c, q, until) is distinct from answer)::int;
        here := until;
    end loop;
end
$$;

-- links that end in no flip are looks for nothing: there must be few of them
create function run(questions int, out broken bigint, out flips_seen boolean, out few_looks boolean, out no_endless_chain boolean) language plpgsql as
$$
declare
    zone text;
    flips bigint := 0;
    links bigint := 0;
    longest int := 0;
    f record;
begin
    broken := 0;
    foreach zone in array array['America/New_York', 'Europe/Berlin', 'Pacific/Apia', 'Australia/Lord_Howe', 'America/St_Johns', 'America/Santiago', 'UTC'] loop
        perform set_config('timezone', zone, true);
        for i in 1..questions loop
            f := follow(ask());
            broken := broken + f.broken;
            flips := flips + f.flips;
            links := links + f.links;
            longest := greatest(longest, f.links);
        end loop;
    end loop;
    raise debug 'flips %, links %, longest %', flips, links, longest;
    flips_seen := flips > questions;
    few_looks := links < 20 * questions * 7;
    no_endless_chain := longest < 400;
end
$$;
select setseed(0.5);
select * from run(600);

set client_min_messages = warning;
drop schema criteria_until cascade;
