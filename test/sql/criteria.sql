-- The type criteria: canonical text, equality, hash, the functions that look into one.
-- What it refuses is in criteria_error.sql, what it means in criteria_truth.sql.
create schema criteria;
set search_path = criteria, handoff;

-- One spelling for many.
select spelling, spelling::criteria as canonical
from (values
    -- a field stands left, names in lower case, <> for !=
    ('Stage=''mql'''), ('''mql'' = stage'), ('50<=score'), ('50 > score'), ('a!=1'), ('((a)) = (1)'),
    ('"Stage" = 1'), ('"a""b" = 1'), ('"select" is null'), ('"größe" = 1'), ('größe = 1'), ('_x1 = 1'),
    ('account.industry = ''x'''), ('account."Order" = ''x'''), ('"between" is null'), ('at is null'),
    -- numbers
    ('a = 007'), ('a = .5'), ('a = 5.'), ('a = 1.50'), ('a = 1e3'), ('a = -0'), ('a = - 5'), ('a = -(-5)'),
    ('a = 9223372036854775808'), ('a = 123456789012345678901234567890.5'), ('a = -9223372036854775808'),
    -- strings
    ('a = '''''), ('a = ''it''''s'''), ('a = E''tab\there'''), ('a = ''back\slash'''), ('a = $$dollar$$'), ('a = U&''\00e9'''),
    (E'a = ''x''\n''y'''),
    -- booleans
    ('customer'), ('not customer'), ('true'), ('false'), ('customer = true'), ('TRUE <> customer'), ('not not customer'),
    -- dates, moments, intervals
    ('a = date ''2026-03-01'''), ('a = ''2026-03-01''::date'), ('a = cast(''2026-03-01'' as date)'), ('a = date ''0044-03-15 BC'''),
    ('a = date ''infinity'''), ('a > timestamptz ''-Infinity'''), ('a = timestamptz ''2026-03-01T09:00:00+01:00'''),
    ('a = timestamp with time zone ''2026-03-01 09:00:00.25-0330'''), ('a = timestamptz ''2026-03-01 23:30Z'''),
    ('a = timestamptz ''0001-01-01 00:00:00+01'''), ('a = timestamptz ''2026-03-01 09:00:00.123456 +01:02:03'''),
    ('a > now()'), ('now() > a'), ('a > now()-interval ''7 days'''), ('a > now()+interval ''-1 week 36:00'''),
    ('a = current_date'), ('a > current_date - interval ''1 year 2 mons -3 days 4 hours'''), ('a > now() - interval ''0'''),
    -- between, in, like, null tests, any, arrays
    ('a between 1 and 2'), ('a not between now() - interval ''1 day'' and now()'), ('a in (1)'), ('a in (3, 1, null, ''x'')'),
    ('not (a in (1))'), ('a not in (date ''2026-03-01'')'), ('a like ''a\%'''), ('a not like ''a%'''), ('a ilike ''A_'''), ('a not ilike ''A\\'''),
    ('a isnull'), ('a notnull'), ('a is not null'), ('a is true'), ('a is not false'), ('a is unknown'), ('a is not unknown'),
    ('a is distinct from 1'), ('1 is not distinct from a'), ('''x'' = any(a)'), ('a && array[''x'', null]'), ('array[''x''] && a'), ('a @> array[''x'']'),
    ('a = b'), ('a < b'), ('a between b and c'),
    -- and, or, not: fewest parentheses, nesting of one kind flattened
    ('((a = 1) and (b = 2)) and ((c = 3) and (d = 4))'), ('a = 1 or (b = 2 or (c = 3 and (d = 4 and e = 5)))'), ('(a = 1 or b = 2) and c = 3'),
    ('not a = 1 and b = 2'), ('not (a = 1 and b = 2)'), ('not (not (a = 1))'), ('a = 1 and not (b = 2 or c is null)'),
    (E'a = 1 -- a comment\n /* and another */ and b = 2')
) v (spelling);

-- Equality is that of the canonical text.
select 'a = 1'::criteria = '1=A' as same, 'a = 1'::criteria <> 'a = 1.0' as other, 'a = 1 and b = 2'::criteria = 'b = 2 and a = 1' as order_counts;
select c, count(*) from (select (array['a=1', '1 = a', 'b = 1', 'a in (1)'])[1 + i % 4]::criteria as c from generate_series(1, 100) i) s group by c order by c::text;
create table rule (c criteria);
insert into rule values ('a = 1'), ('b = 1'), ('b=1'), ('a = 2 or b = 2');
create index on rule using hash (c);
set enable_seqscan = off;
explain (costs off) select * from rule where c = '1 = b';
select * from rule where c = '1 = b';
reset enable_seqscan;
select count(*) from rule a join rule b on a.c = b.c;
drop table rule;

-- The fields, each once, in order.
select criteria_fields('b = 1 and a in (1, 2) or not (b is null and account.industry = a)');
select criteria_fields('true');

-- Binary: a version byte, then the text.
select criteria_send('a=1'), convert_from(substr(criteria_send('1=a'), 2), 'UTF8');

-- The largest that fit.
select length(('a in (' || string_agg(i::text, ',') || ')')::criteria::text) from generate_series(1, 10000) i;
select length(string_agg('a=' || i, ' or ')::criteria::text) from generate_series(1, 1365) i;
select length((repeat('not ', 63) || 'a')::criteria::text);
select length((repeat('(', 1500) || 'a' || repeat(')', 1500))::criteria::text);
select length(('a = ''' || repeat('x', 65530) || '''')::criteria::text);

set client_min_messages = warning;
drop schema criteria cascade;
