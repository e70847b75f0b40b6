-- a CDC reader: what is new in outbox_settled since the newest row that he has
\set pause random(0, 20000)
insert into stress.polled
select o.xid, o.lead_key, o.seq, o.n, o.id from handoff.outbox_settled o
left join (select * from stress.polled order by xid desc, lead_key desc, seq desc, n desc limit 1) l on true
where l.id is null or (o.xid, o.lead_key, o.seq, o.n) > (l.xid, l.lead_key, l.seq, l.n);
\sleep :pause us
