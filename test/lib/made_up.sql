-- test/lib/made_up.sql: the same number between 0 and 1 for the same two numbers, everywhere and always; true in so many of 100 cases.
create function pg_temp.u(i int, k int) returns float8 language sql immutable as $$
    select (hashint8extended(i, k) & 1048575) / 1048576.0::float8
$$;
create function pg_temp.p(i int, k int, percent int) returns boolean language sql immutable as $$
    select pg_temp.u(i, k) * 100 < percent
$$;
