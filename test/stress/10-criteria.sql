-- test/stress/10-criteria.sql: a million times a criteria and a row, our answer against PostgreSQL's.
\i test/stress/lib/criteria.sql
select setseed(:seed);

-- Settings that could change what a text or a value means, drawn anew for each round.
create procedure draw_settings() language plpgsql as
$$
begin
    perform set_config('timezone', one_of('UTC', 'America/New_York', 'Asia/Kolkata', 'Pacific/Apia', 'America/St_Johns', 'Australia/Lord_Howe', 'Europe/Berlin', 'Asia/Kathmandu', 'Etc/GMT+12', 'Pacific/Kiritimati'), true),
        set_config('datestyle', one_of('ISO', 'German', 'SQL', 'Postgres') || ', ' || one_of('MDY', 'DMY', 'YMD'), true),
        set_config('intervalstyle', one_of('postgres', 'postgres_verbose', 'sql_standard', 'iso_8601'), true),
        set_config('standard_conforming_strings', one_of('on', 'off'), true),
        set_config('backslash_quote', one_of('on', 'off', 'safe_encoding'), true),
        set_config('extra_float_digits', one_of('-15', '0', '1', '3'), true),
        set_config('bytea_output', one_of('hex', 'escape'), true),
        set_config('array_nulls', one_of('on', 'off'), true),
        set_config('transform_null_equals', one_of('on', 'off'), true),
        set_config('quote_all_identifiers', one_of('on', 'off'), true),
        set_config('lc_numeric', one_of('C', 'C.UTF-8'), true),
        set_config('lc_messages', one_of('C', 'C.UTF-8'), true),
        set_config('timezone_abbreviations', one_of('Default', 'Australia', 'India'), true),
        set_config('jit', one_of('on', 'off'), true),
        set_config('search_path', one_of('criteria_truth, handoff', 'criteria_truth, handoff, pg_catalog'), true);
end
$$;

create table answer (round int, type text, kind text, pairs bigint, trues bigint, unknowns bigint, differing bigint);

-- Every operator with every edge value; 60 rows a round, of one transaction with the questions, so that
-- now() is the same in both.
create procedure cross_everything(rounds int) language plpgsql as
$$
begin
    for round in 1 .. rounds loop
        call draw_settings();
        call fill_rows();
        insert into answer
        select round, type, l.kind, sum(c.pairs), sum(c.trues), sum(c.unknowns), sum(c.differing)
        from unnest(array['t', 'b', 'n', 'x', 'd', 'ts']) type, leaves(type) l, compare(l.leaf) c
        group by type, l.kind;
        commit;
    end loop;
end
$$;
create procedure ask_trees(rounds int) language plpgsql as
$$
begin
    for round in 1 .. rounds loop
        call draw_settings();
        call fill_rows();
        insert into answer
        select round, 'tree', 1 + i % 6, sum(c.pairs), sum(c.trues), sum(c.unknowns), sum(c.differing)
        from generate_series(1, 120) i, compare(tree(1 + i % 6)) c
        group by 3;
        commit;
    end loop;
end
$$;
call cross_everything(greatest(1, (4 * :scale)::int));
call ask_trees(greatest(2, (140 * :scale)::int));

reset all;
set search_path = criteria_truth, public;

-- Where every operator has met every edge value, it has answered all it can.
select verdict(bool_and(differing = 0), 'every operator with every edge value: ' || sum(pairs) || ' pairs, ' || sum(differing) || ' differ') from answer where type <> 'tree';
select verdict(bool_and(trues > 0 and pairs - trues - unknowns > 0 and (unknowns > 0 or kind ~ '^is|^b$')),
    'each operator of each type was true, false and unknown') from (select type, kind, sum(pairs) as pairs, sum(trues) as trues, sum(unknowns) as unknowns from answer where type <> 'tree' group by 1, 2) s;
select verdict(bool_and(differing = 0), 'trees of up to 6 levels: ' || sum(pairs) || ' pairs, ' || sum(differing) || ' differ') from answer where type = 'tree';
select verdict(min(trues) > 0 and min(unknowns) > 0 and min(pairs - trues - unknowns) > 0, 'trees of each depth were true, false and unknown')
from (select kind, sum(pairs) as pairs, sum(trues) as trues, sum(unknowns) as unknowns from answer where type = 'tree' group by 1) s;
select verdict(sum(pairs) >= 1000000 * least(1, :scale), 'a million pairs at scale 1: ' || sum(pairs)) from answer;
