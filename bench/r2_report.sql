-- bench/r2_report.sql: figures of the account match; :rows leads and as many accounts.

select bench.tell('R2', format('drain of %s leads matched among as many accounts, of leads whose CRM names them', :rows),
                  round(bench.ratio('r2 matched', 'r2 named')::numeric, 2) || ' x',
                  format('%s a lead, named %s; CPU %s x', bench.per_row('r2 matched', :rows), bench.per_row('r2 named', :rows),
                         round(bench.ratio('r2 matched', 'r2 named', 'cpu')::numeric, 2)));
select bench.tell('R2', 'the match alone, of a hash join of exact domains and names',
                  round(((bench.median('r2 matched', 'cpu') - bench.median('r2 named', 'cpu')) / bench.median('r2 join', 'cpu'))::numeric, 2) || ' x',
                  format('CPU: match %s us, join %s us a lead; join of our keys, made for it, %s us',
                         round((1000 * (bench.median('r2 matched', 'cpu') - bench.median('r2 named', 'cpu')) / :rows)::numeric, 2),
                         round((1000 * bench.median('r2 join', 'cpu') / :rows)::numeric, 2),
                         round((1000 * bench.median('r2 join of keys', 'cpu') / :rows)::numeric, 2)));
select bench.tell('R2', format('accounts taken in, %s', :rows), bench.per_row('r2 accounts', :rows), 'with keys');
select bench.tell('R2', 'leads matched by ' || coalesce(l.account_method, 'nothing'), count(*)::text,
                  format('%s to another account than they were made for', count(*) filter (where l.account_key <> p.account_id)))
from handoff.lead l
join bench.persons p on p.id = l.lead_key
group by l.account_method
order by l.account_method;
