-- bench/r4_report.sql: figures of R4; :rows leads, :accounts accounts.

select bench.tell('R4', format('drain of %s leads to the owners of %s accounts, of one to a pool of the same 500 reps', :rows, :accounts),
                  round(bench.ratio('r4 owners', 'r4 pool')::numeric, 2) || ' x',
                  format('owners %s, pool %s a lead; CPU %s x', bench.per_row('r4 owners', :rows), bench.per_row('r4 pool', :rows),
                         round(bench.ratio('r4 owners', 'r4 pool', 'cpu')::numeric, 2)));
select bench.judge('R4', 'leads that somebody else has than the owner by plain SQL', n, '<=', 0, '', format('%s given, %s to their owners', given, to_owner))
from bench.wrong;
select bench.tell('R4', format('attach %s accounts and take them in', :accounts), round((bench.median('r4 accounts') / 1000)::numeric, 1) || ' s',
                  'CPU ' || round((bench.median('r4 accounts', 'cpu') / 1000)::numeric, 1) || ' s');
