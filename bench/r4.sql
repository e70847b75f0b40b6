-- bench/r4.sql: one round of R4: all leads are decided by the version with the account owners, then by the one with the pool alone.

checkpoint;
call bench.drain_r4('r4 owners');
create table if not exists bench.wrong (n bigint, given bigint, to_owner bigint);
delete from bench.wrong;
insert into bench.wrong
select count(*) filter (where r.crm_id is distinct from a.owner_id), count(h.rep), count(*) filter (where h.route = 'named')
from bench.belongs b join bench.account a on a.id = b.account left join handoff.handoff h using (lead_key) left join handoff.rep r using (rep);
select handoff.rollback();
checkpoint;
call bench.drain_r4('r4 pool');
select handoff.rollback();
