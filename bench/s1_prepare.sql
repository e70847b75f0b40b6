-- bench/s1_prepare.sql: the alternatives of S1: the same fit of the same rows, written as users write it.

-- The columns that the 100 rules ask for, read: a hash of each, as any use of a value costs at least.
select string_agg(format('coalesce(%s, 0)', case type when 'text' then format('hashtext(%I)', name) when 'bigint' then format('hashint8(%I)', name)
                                                      else format('hash_numeric(%I)', name) end), ' # ' order by ord) as hashes
from bench.col
where name = 'id' or name in (select f from bench.rules() r, handoff.criteria_fields(r.criteria::handoff.criteria) f) \gset
create view bench.hashed as select (:hashes)::bigint as h from bench.rows;

-- One CASE a rule, groups and sum clamped: what a team writes that has no extension, at its best.
select format('least(100, greatest(-50, %s))', string_agg(format('least(%s, greatest(%s, %s))', g.max_points, g.min_points, r.sum), ' + ')) as fit
from handoff.score_group g
join (select score_group, string_agg(format('case when %s then %s else 0 end', criteria, points), ' + ') as sum from bench.rules() group by 1) r on r.score_group = g.name
where g.contract_id = 1 \gset
create view bench.cased as select id, (:fit)::bigint as fit from bench.rows;

-- Rules as data, which marketing can change: a loop that EXECUTEs each condition.
create table bench.s1_rule as select name, score_group, points, 'select ' || criteria || ' from (select ($1).*) r' as query, criteria from bench.rules();
create function bench.clamped(sums bigint[]) returns bigint language sql immutable
return least(100, greatest(-50, least(60, greatest(-30, sums[1])) + least(40, greatest(-20, sums[2])) + least(40, greatest(-20, sums[3]))));
create function bench.fit_by_loop(lead bench.rows) returns bigint language plpgsql stable as $$
declare
    rule  record;
    holds boolean;
    sums  bigint[] := '{0,0,0}';
    place int;
begin
    for rule in select * from bench.s1_rule loop
        execute rule.query into holds using lead;
        if holds then
            place := array_position('{firmographic,role,behaviour}'::text[], rule.score_group);
            sums[place] := sums[place] + rule.points;
        end if;
    end loop;
    return bench.clamped(sums);
end $$;

-- Rules as jsonpath over rows that are jsonb already.
create function bench.as_path(criteria text) returns jsonpath language plpgsql immutable as $$
declare
    path text := criteria;
begin
    path := regexp_replace(path, '(\w+) is not null', 'exists($.\1)', 'g');
    path := regexp_replace(path, '(\w+) between (\d+) and (\d+)', '$.\1 >= \2 && $.\1 <= \3', 'g');
    path := regexp_replace(path, '(\w+) in \((''[^'']*''), (''[^'']*'')\)', '($.\1 == \2 || $.\1 == \3)', 'g');
    path := regexp_replace(path, '(\w+) in \((''[^'']*''), (''[^'']*''), (''[^'']*'')\)', '($.\1 == \2 || $.\1 == \3 || $.\1 == \4)', 'g');
    path := regexp_replace(path, '(\w+) ilike ''%(\w+)%''', '$.\1 like_regex "\2" flag "i"', 'g');
    path := regexp_replace(path, '(\w+) ilike ''%(\w+)''', '$.\1 like_regex "\2$" flag "i"', 'g');
    path := regexp_replace(path, '(\w+) ilike ''([\w ]+)%''', '$.\1 like_regex "^\2" flag "i"', 'g');
    path := regexp_replace(path, '(^|and )(\w+) = ', '\1$.\2 == ', 'g');
    path := regexp_replace(path, '(^|and )(\w+) (>=|>) ', '\1$.\2 \3 ', 'g');
    return replace(replace(path, ' and ', ' && '), '''', '"')::jsonpath;
end $$;
create table bench.s1_path as select score_group, points, bench.as_path(criteria) as path from bench.rules();
create table bench.s1_doc as select id, jsonb_strip_nulls(to_jsonb(r)) as doc from bench.rows r limit :sample;
create view bench.by_path as
select d.id, bench.clamped(array[f.firmographic, f.role, f.behaviour]) as fit
from bench.s1_doc d
cross join lateral (
    select coalesce(sum(points) filter (where score_group = 'firmographic'), 0) as firmographic,
           coalesce(sum(points) filter (where score_group = 'role'), 0) as role, coalesce(sum(points) filter (where score_group = 'behaviour'), 0) as behaviour
    from bench.s1_path p where d.doc @@ p.path
) f;

-- They say the same.
select bench.tell('S1', format('fit by CASE, loop and jsonpath, rows that differ of %s', :sample),
                  format('%s, %s, %s', count(*) filter (where c.fit is distinct from s.fit), count(*) filter (where bench.fit_by_loop(r) is distinct from s.fit),
                         count(*) filter (where p.fit is distinct from s.fit)), format('%s kinds of fit', count(distinct s.fit)))
from bench.s1_doc d
join bench.rows r using (id)
left join bench.cased c using (id)
left join bench.by_path p using (id)
left join handoff.score_rows('bench.rows') s on s.lead_key = id;

-- Memory of this backend that is its own, in MB.
create function bench.own_memory() returns float8 language sql volatile
return (regexp_match(pg_read_file('/proc/self/status'), 'RssAnon:\s+(\d+) kB'))[1]::float8 / 1024;
