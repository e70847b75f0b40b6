-- bench/s1.sql: scoring a table. What exists is matches(), one rule and one lead a call, its fields from jsonb;
-- score_rows, for which the targets are meant, is not built.

create temp table lead_fields as
select r.*, jsonb_strip_nulls(to_jsonb(r) - '{id,email,owner_id,status,account_id,created_date,system_modstamp,is_deleted,website,city,state,postal_code,utm_medium,note}'::text[]) as fields
from bench.rows r;
select format('create temp view scored as select %s as score from lead_fields',
              string_agg(format('case when %s then %s else 0 end', criteria, points), ' + ')) from bench.rules() \gexec

call bench.start();
select sum(s.points) from lead_fields l cross join handoff.score_rule s
where s.contract_id = 1 and s.score_group in ('firmographic', 'role', 'behaviour') and handoff.matches(s.criteria, l.fields, 1, now());
call bench.stop('s1 matches');

call bench.start();
select sum(score) from scored;
call bench.stop('s1 case');

call bench.start();
select sum(employees), count(note) from lead_fields;
call bench.stop('s1 scan');

select bench.tell('S1', format('matches(), 100 rules, %s leads, of one CASE sum', :rows),
                  round(bench.ratio('s1 matches', 's1 case')::numeric, 1) || ' x',
                  format('matches %s, CASE %s, scan %s a lead', bench.per_row('s1 matches', :rows), bench.per_row('s1 case', :rows),
                         bench.per_row('s1 scan', :rows)));
