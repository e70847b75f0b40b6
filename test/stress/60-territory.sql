-- test/stress/60-territory.sql: random territory maps against a plain reading of their rules: which rows are refused, one by
-- one and together, and which row has a key.
set timezone = 'UTC';
set client_min_messages = warning;
select handoff.setup() \g /dev/null
select handoff.add_pool(p) from unnest('{west,east,north}'::text[]) p \g /dev/null
\i test/stress/lib/territory.sql
select setseed(:seed) \g /dev/null
call make_maps(greatest(4, (150 * :scale)::int), 300);
create index on tried (map, kind);
analyze tried;
call try_rows();
select verdict(count(*) filter (where clash) = 0 and count(*) > 0, format('territory, %s: %s pairs of rows taken, %s contradict each other', kind, count(*), count(*) filter (where clash)))
from (select a.kind, clash(a, b) from tried a join tried b on a.map = b.map and a.kind = b.kind and a.n < b.n and a.taken and b.taken) p group by kind order by kind;
select verdict(count(*) filter (where not clashes) = 0 and count(*) > 0, format('territory, %s: %s rows refused, %s without a reason', kind, count(*), count(*) filter (where not clashes)))
from (select a.kind, exists (select from tried b where b.map = a.map and b.kind = a.kind and b.n < a.n and b.taken and clash(a, b)) as clashes
      from tried a where not a.taken) r group by kind order by kind;
select verdict(wrong = 0 and maps > 0, format('territory: %s whole maps, %s wrongly taken or refused', maps, wrong)) from whole_maps();
select verdict(count(*) = 0, 'territory: no findings') from handoff.territory_findings() where severity = 'error';
analyze handoff.territory;
call ask_maps(200);
select verdict(count(*) filter (where (kind, matched, pool) is distinct from (plain_kind, plain_matched, plain_pool)) = 0,
               format('territory, %s: %s keys asked, %s wrong%s', coalesce(plain_kind, 'none'), count(*),
                      count(*) filter (where (kind, matched, pool) is distinct from (plain_kind, plain_matched, plain_pool)),
                      ': ' || min(format('"%s" in %s at %s: %s %s, not %s %s', key, map, at, kind, matched, plain_kind, plain_matched))
                          filter (where (kind, matched, pool) is distinct from (plain_kind, plain_matched, plain_pool))))
from answer group by plain_kind order by plain_kind;
