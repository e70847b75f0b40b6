-- bench/s3_report.sql
select bench.judge('S3', format('%s of %s rows x 40 columns', t.what, :rows),
                   bench.ratio('s3 ' || t.label || ' captured', 's3 ' || t.label || ' bare'), '<=', t.target, ' x',
                   format('bare %s, captured %s a row; CPU %s x; WAL %s x',
                          bench.per_row('s3 ' || t.label || ' bare', :rows), bench.per_row('s3 ' || t.label || ' captured', :rows),
                          round(bench.ratio('s3 ' || t.label || ' captured', 's3 ' || t.label || ' bare', 'cpu')::numeric, 2),
                          round(bench.ratio('s3 ' || t.label || ' captured', 's3 ' || t.label || ' bare', 'wal')::numeric, 2)))
from (values ('copy', 'COPY', 1.4), ('insert', 'INSERT .. SELECT', 1.7), ('rewrite', 'no-op UPDATE', 1.4)) t (label, what, target);
