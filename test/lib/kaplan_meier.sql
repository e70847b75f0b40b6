-- test/lib/kaplan_meier.sql: Kaplan and Meier step by step: the share that still waits after each moment at which something happened, as an exact fraction.
create function pg_temp.kaplan_meier(seconds numeric[], happened boolean[], share numeric) returns numeric language plpgsql as $$
declare
    waits numeric(60, 50) := 1;
    t     numeric;
begin
    for t in select distinct x from unnest(seconds, happened) u (x, h) where h order by x loop
        waits := waits * (select 1 - count(*) filter (where h and x = t)::numeric(60, 50) / count(*) from unnest(seconds, happened) u (x, h) where x >= t);
        if waits <= 1 - share + 1e-40 then
            return ceil(t);
        end if;
    end loop;
    return null;
end $$;
