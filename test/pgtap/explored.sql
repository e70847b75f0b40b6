-- What walking the machine has found: paths of template b2b_saas by the moves of test/stress/lib/explore.sql.
begin;
set local client_min_messages = warning;
select plan(6);
\i test/lib/fresh.sql
\set template b2b_saas
\i test/stress/lib/explore.sql

-- the state after a path, and what is wrong with it, as if it had never been taken
create function pg_temp.after(path text[]) returns text language plpgsql as $$
declare
    t timestamptz := '2026-03-02 09:00';
    move text;
    found text;
begin
    foreach move in array path loop
        t := pg_temp.apply(move, t);
    end loop;
    found := concat_ws('; ', pg_temp.state(false), (select string_agg(f, '; ') from pg_temp.faults(t, 0) f));
    raise exception using errcode = 'ZZ001';
exception when sqlstate 'ZZ001' then
    return found;
end $$;

-- a handoff that is open again takes what came since it ended, in the decision that opens it
select is(pg_temp.after('{interest,accept,qualify,booked,code not_qualified}'), 'sal cycle 1 - mql_to_sdr accepted booked - ended as returned', 'returned: the meeting that was booked meanwhile');
select is(pg_temp.after('{interest,accept,qualify,opportunity,lost,booked,opportunity}'), 'opportunity cycle 1 - sdr_to_ae booked - deal open', 'a deal that is opened again: likewise');

-- a lead that was with sales for too long does not come back for a deal that has been open all the time
select is(pg_temp.after('{interest,accept,qualify,opportunity,due stage_age}'), 'lost cycle 1 - ended as lost - deal open', 'too long an opportunity');
select is(pg_temp.after('{interest,accept,qualify,opportunity,due stage_age,booked}'), 'lost cycle 1 - ended as lost - deal open', 'stays lost, whatever else happens');
select is(pg_temp.after('{interest,accept,qualify,opportunity,due stage_age,won}'), 'customer cycle 1 - ended as won - deal won', 'until the deal is won');
select is(pg_temp.after('{interest,accept,qualify,opportunity,lost,opportunity}'), 'opportunity cycle 1 - sdr_to_ae - deal open', 'one that was lost comes back with its deal');
select * from finish();
rollback;
