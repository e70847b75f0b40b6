-- bench/s5.sql: writes the pgbench scripts of S5 into the current folder.
--
-- bare: one row of 40 columns into a plain table. ours: the same into an attached one, decided at
-- commit. plain: the same row and the rows that a decision of ours writes, by one prepared INSERT each
-- in one transaction; one lead in ten gets the rows of one that passed its first leg. These rows are
-- copied from leads that we decided, but for key and times. What plain is spared: the inbox row and its
-- deletion, reading anything, and deciding.

\pset tuples_only on
\pset format unaligned

-- Two leads that stand for all: one that passed its first leg, one that stayed.
select lead_key as passed from handoff.lead where stage = 'mql' order by lead_key limit 1 \gset
select lead_key as stayed from handoff.lead where stage = 'lead' and gate_code is null order by lead_key limit 1 \gset

\o bare.pgbench
select bench.next_key() union all select bench.insert_row('bare');
\o ours.pgbench
select bench.next_key() union all select bench.insert_row('single');
\o plain_stayed.pgbench
select bench.next_key() union all select 'begin;' union all select bench.insert_row('plain')
union all select bench.plain_inserts(:'stayed') union all select 'commit;';
\o plain_passed.pgbench
select bench.next_key() union all select 'begin;' union all select bench.insert_row('plain')
union all select bench.plain_inserts(:'passed') union all select 'commit;';
\o
