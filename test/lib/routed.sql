-- test/lib/routed.sql: what a handoff says of how it was routed, beside its assignments, the routes of its contract and the log.
select is_empty($$
    select h.lead_key, h.handoff_no, h.reroutes, h.by_last_route
    from handoff.handoff h
    where h.reroutes <> (select count(*) from handoff.event e where e.lead_key = h.lead_key and e.type = 'rerouted' and (e.detail ->> 'handoff')::int = h.handoff_no)
       or h.by_last_route is distinct from exists (
              select from handoff.assignment a
              where a.lead_key = h.lead_key and a.handoff_no = h.handoff_no and a.n = 1
                and a.route = (select (array_agg(r.name order by r.ord desc))[1] from handoff.route r where r.contract_id = h.contract_id and r.leg = h.leg having count(*) > 1))
$$, 'reroutes and the last route are counted');
select is_empty($$
    select h.lead_key, h.handoff_no, h.account_method, known.method
    from handoff.handoff h
    join handoff.event e on e.lead_key = h.lead_key and e.type = 'handoff' and (e.detail ->> 'handoff')::int = h.handoff_no
    left join lateral (
        select case a.type when 'account' then a.detail ->> 'method' else case when a.detail -> 'new' ->> 'account_key' is not null then 'crm' end end as method
        from handoff.event a
        where a.lead_key = h.lead_key and a.seq < e.seq and (a.type = 'account' or a.type in ('created', 'fields') and a.detail -> 'new' ? 'account_key')
        order by a.seq desc limit 1
    ) known on true
    where h.account_method is distinct from known.method
$$, 'and how the account was known then');
