-- Criteria mean what SQL means: for a criteria C and a row R, matches(C, R) is what PostgreSQL itself
-- answers to "select (C) from R". The generator makes criteria from every operator, type and edge value;
-- the rows hold the edges; each criteria is asked of every row, under varied settings. make stress asks more.
\set ECHO none
\i test/stress/lib/criteria.sql
\set ECHO all

-- Rows and questions are of one transaction, so that now() is the same in both.
create function run(criteria int, depth int, out pairs bigint, out differing bigint, out all_answers_seen boolean) language plpgsql as
$$
declare
    zone text;
    settings text[];
begin
    pairs := 0;
    differing := 0;
    all_answers_seen := true;
    foreach settings slice 1 in array array[
        ['America/New_York', 'ISO, MDY', 'postgres', 'on'],
        ['Asia/Kolkata', 'German', 'sql_standard', 'off'],
        ['Pacific/Apia', 'SQL, DMY', 'iso_8601', 'on'],
        ['UTC', 'Postgres, YMD', 'postgres_verbose', 'off']]
    loop
        perform set_config('timezone', settings[1], true), set_config('datestyle', settings[2], true),
            set_config('intervalstyle', settings[3], true), set_config('standard_conforming_strings', settings[4], true);
        call fill_rows();
        select run.pairs + sum(c.pairs), run.differing + sum(c.differing), all_answers_seen and sum(trues) > 0 and sum(unknowns) > 0 and sum(trues) + sum(unknowns) < sum(c.pairs)
            into pairs, differing, all_answers_seen
            from generate_series(1, criteria) i, lateral compare(tree(1 + i % depth)) c;
    end loop;
end
$$;

select setseed(0.25);
select * from run(criteria => 100, depth => 1);
select * from run(criteria => 100, depth => 6);

set client_min_messages = warning;
drop schema criteria_truth cascade;
