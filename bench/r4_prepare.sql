-- bench/r4_prepare.sql: named accounts. :accounts accounts with a domain each and 500 reps who own them; :rows leads, half of which
-- name their account, half are found by the domain of their e-mail address.
--
-- One version routes to the account's owner, the other gives the same leads to a pool of the same reps.

create table bench.account (id text primary key, name text, domain text, owner_id text);
insert into bench.account
select '0015g' || lpad(n::text, 8, '0'), 'Firm ' || n, 'firm' || n || '.com', '005AE' || lpad((n % 500)::text, 4, '0') from generate_series(0, :accounts - 1) n;

-- Of each lead, its account by the rule of the bench alone.
create table bench.belongs (lead_key text primary key, account text not null);
insert into bench.belongs
select id, '0015g' || lpad(bench.pick(hashtextextended(id, 0), 7, :accounts)::text, 8, '0') from bench.rows;
update bench.rows r
set account_id = case when hashtext(r.id) % 2 = 0 then a.id end, email = r.id || '@' || case when hashtext(r.id) % 2 <> 0 then 'mail.' || a.domain else 'gmail.com' end,
    website = null
from bench.belongs b join bench.account a on a.id = b.account
where b.lead_key = r.id;
vacuum full analyze bench.rows;

do $$
declare
    v int := handoff.draft();
begin
    perform handoff.add_pool('sdr') where not exists (select from handoff.pool where pool = 'sdr');
    perform handoff.add_rep('ae' || n, 'Account executive ' || n, 'sdr', schedule => '24x7 @ UTC', crm_id => '005AE' || lpad(n::text, 4, '0'))
    from generate_series(0, 499) n;
    update handoff.stage set entry = null where contract_id = v and name = 'mql';
    delete from handoff.gate where contract_id = v;
    delete from handoff.route where contract_id = v and leg = 'mql_to_sdr';
    insert into handoff.route (contract_id, leg, name, ord, target_kind, target) values (v, 'mql_to_sdr', 'rest', 1, 'pool', 'sdr');
    perform handoff.publish(v);
    v := handoff.draft();
    insert into handoff.route (contract_id, leg, name, ord, target_kind) values (v, 'mql_to_sdr', 'named', 0, 'account_owner');
    perform handoff.publish(v);
end
$$;

-- Decide all leads.
create procedure bench.drain_r4(label text) language plpgsql as $$
begin
    call bench.empty();
    truncate handoff.pool_turn, handoff.pool_turn_member;
    insert into bench.lead select * from bench.rows;
    commit;
    call bench.start();
    call bench.tick_all();
    call bench.stop(label);
end
$$;
