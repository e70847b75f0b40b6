-- test/stress/30-until.sql: until when a criteria keeps its answer, around what makes that hard. The generator
-- is that of test/sql/criteria_until.sql, up to its first question.
\set generator `sed -e '/^-- the easy ones/,/^create function one_of/{/^create function one_of/!d}' -e '/^select setseed/,$d' test/sql/criteria_until.sql`
:generator
select setseed(:seed);
select public.verdict(broken = 0 and flips_seen and few_looks and no_endless_chain,
    format('valid_until: %s chains in each of 7 zones, %s broken', (7000 * :scale)::int, broken))
from run(greatest(100, (7000 * :scale)::int));
