-- bench/s10_report.sql
select bench.judge('S10', format('memory that capture adds to an INSERT of %s rows', :rows),
                   bench.median('s10 captured') - bench.median('s10 bare'), '<', 256, ' MB',
                   format('bare %s, captured %s; a tick of 20,000 leads takes %s (RssAnon, MB)', round(bench.median('s10 bare')::numeric),
                          round(bench.median('s10 captured')::numeric), round(bench.median('s10 tick')::numeric)));
select bench.judge('S10', format('longest wait for the end of a cancelled %s', label), max(wall), '<', 1000, ' ms', count(*) || ' cancels')
from (select label as full_label, substr(label, 12) as label, wall from bench.run where label like 's10 cancel %') r
group by label;
