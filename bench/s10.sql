-- bench/s10.sql: finding and cancelling a session by its application_name.

-- Its pid, once it is at work; null if it isn't within 3 s (it was too quick).
create procedure bench.find(app text, inout pid int) language plpgsql as $$
declare
    deadline timestamptz := clock_timestamp() + interval '3 s';
begin
    loop
        select a.pid into pid from pg_stat_activity a
        where application_name = app and state = 'active' and query !~ '^set ';
        exit when pid is not null or clock_timestamp() > deadline;
        perform pg_sleep(0.002), pg_stat_clear_snapshot();
    end loop;
end
$$;

-- Cancel it after so many ms at work; how long it went on, as a run. One that is over by then counts for nothing.
create procedure bench.cancel(app text, label text, after float8) language plpgsql as $$
declare
    target int;
    start  timestamptz;
begin
    call bench.find(app, target);
    perform pg_sleep(after / 1000), pg_stat_clear_snapshot();
    start := clock_timestamp();
    if not exists (select from pg_stat_activity a where a.pid = target and state = 'active') or not pg_cancel_backend(target) then
        return;
    end if;
    loop
        perform pg_stat_clear_snapshot();
        exit when not exists (select from pg_stat_activity a where a.pid = target and state = 'active');
        perform pg_sleep(0.001);
    end loop;
    insert into bench.run (label, wall, cpu, wal)
    values ('s10 cancel ' || label, extract(epoch from clock_timestamp() - start) * 1000, 0, 0);
end
$$;
