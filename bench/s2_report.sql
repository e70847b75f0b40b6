-- bench/s2_report.sql: figures of S2; :rows were asked about, :sample where that takes too long.

-- Deforms (of all rows) per lead, and microseconds a lead.
create function bench.us(label text, n bigint) returns float8 language sql stable
return 1000 * bench.median('s2 ' || label, 'cpu') / n;
create function bench.deforms(label text, n bigint, total bigint) returns float8 language sql stable
return bench.us(label, n) / bench.us('deform', total);
create function bench.in_us(label text, n bigint) returns text language sql stable
return round(bench.us(label, n)::numeric, 2) || ' us a lead';

select bench.tell('S2', 'D: a scan in C that deforms 40 columns', bench.in_us('deform', :rows), format('%s rows; CPU everywhere', :rows));
select bench.judge('S2', 'first of 1,000 routes, above D', bench.ratio('s2 route 1000', 's2 deform', 'cpu') - 1, '<=', 2, ' D', bench.in_us('route 1000', :rows) || ' with D');
select bench.judge('S2', 'first of 10,000 routes, above D', bench.ratio('s2 route 10000', 's2 deform', 'cpu') - 1, '<=', 4, ' D', bench.in_us('route 10000', :rows) || ' with D');
select bench.judge('S2', 'first of 100,000 routes, above D', bench.ratio('s2 route 100000', 's2 deform', 'cpu') - 1, '<=', 8, ' D', bench.in_us('route 100000', :rows) || ' with D');
select bench.judge('S2', 'true ones of 100 score rules, above D', bench.ratio('s2 score 100', 's2 deform', 'cpu') - 1, '<=', 2.5, ' D', bench.in_us('score 100', :rows) || ' with D');
select bench.judge('S2', 'first of 100,000 rules of four equalities, above D', bench.ratio('s2 segments 100000', 's2 deform', 'cpu') - 1, '<=', 40, ' D', bench.in_us('segments 100000', :rows) || ' with D');
select bench.tell('S2', 'first of 10,000 rules of ranges open at one end, above D', round(bench.ratio('s2 ranges 10000', 's2 deform', 'cpu')::numeric - 1, 2) || ' D',
                  format('%s with D; never analyzed: %s', bench.in_us('ranges 10000', :rows), bench.in_us('ranges unseen', :sample)));
select bench.tell('S2', 'first of 1,000 ILIKE ''%..%'', above D', round(bench.deforms('infixes 1000', :sample, :rows)::numeric - 1, 2) || ' D', bench.in_us('infixes 1000', :sample) || '; no index helps');
select bench.judge('S2', 'read and compile 10,000 criteria', bench.median('s2 load', 'cpu'), '<=', 30, ' ms',
                   format('compiling alone: 10,000 in %s ms, 100,000 in %s ms', (select round(compile_ms::numeric, 1) from bench.book where name = 'route 10000'),
                          (select round(compile_ms::numeric, 1) from bench.book where name = 'route 100000')));
select bench.judge('S2', format('bytes a rule, %s', name), bytes / rules, '<=', 160, ' B', '') from bench.book where name = book order by name;
select bench.tell('S2', what, round(factor::numeric, 1) || ' x', note) from (values
    (1, 'CASE of 1,000 routes, of ours', bench.us('case 1000', :sample) / bench.us('route 1000', :rows), bench.in_us('case 1000', :sample)),
    (2, 'CASE of 10,000 routes, of ours', bench.us('case 10000', :sample) / bench.us('route 10000', :rows), bench.in_us('case 10000', :sample)),
    (3, 'CASEs of 100 score rules, of ours', bench.us('case score', :sample) / bench.us('score 100', :rows), bench.in_us('case score', :sample)),
    (4, 'PL/pgSQL loop, EXECUTE of each of 1,000 routes', bench.us('execute', 10) / bench.us('route 1000', :rows), bench.in_us('execute', 10) || ', of 10 leads'),
    (5, 'jsonpath @@, table of 1,000 routes in order', bench.us('paths', :sample) / bench.us('route 1000', :rows),
        format('%s, jsonb ready; the %s rules that jsonpath can say', bench.in_us('paths', :sample), (select count(*) from bench.path))),
    (6, 'hash join, the domains and codes of 10,000 routes', bench.us('join 10000', :rows) / bench.us('route 10000', :rows), bench.in_us('join 10000', :rows) || '; not the other fifth of the rules'),
    (7, 'hash join, the domains and codes of 100,000 routes', bench.us('join 100000', :rows) / bench.us('route 100000', :rows), bench.in_us('join 100000', :rows))
) v (n, what, factor, note) order by n;
