-- bench/s5_report.sql: ratios of transactions a second, hence of times the other way round.
create function bench.tps(label text) returns text language sql stable
return round((1000 / bench.median(label))::numeric) || ' tps';

select bench.judge('S5', 'inserts decided at commit, of plain statements'' tps', bench.ratio('s5 plain', 's5 ours'), '>=', 0.70, ' x',
                   format('ours %s, plain %s, 16 clients', bench.tps('s5 ours'), bench.tps('s5 plain')));
select bench.judge('S5', 'inserts decided at commit, of the bare insert''s tps', bench.ratio('s5 bare', 's5 ours'), '>=', 0.35, ' x',
                   format('ours %s, bare %s', bench.tps('s5 ours'), bench.tps('s5 bare')));
select bench.judge('S5', 'the same beside a session idle in a transaction', bench.ratio('s5 ours', 's5 idle'), '>=', 0.95, ' x',
                   format('alone %s, beside it %s', bench.tps('s5 ours'), bench.tps('s5 idle')));
