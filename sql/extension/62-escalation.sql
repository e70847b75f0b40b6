-- sql/extension/62-escalation.sql: whom escalation tells besides the people who take leads, and what is
-- wrong with a contract's steps.

create function handoff.is_address(recipient text) returns boolean
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select recipient ~ '[@:]' or starts_with(recipient, '#')
$$;
comment on function handoff.is_address(text) is
    'Is the text an address (with @ or :, or a leading #), and no name of anybody known here? Internal to the checks of a contract.';

create function handoff.set_recipient(name text, address text, calendar text default null) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    old jsonb;
    new jsonb;
begin
    if name = '' or name is null or address = '' or address is null then
        raise exception 'a recipient needs a name and an address' using errcode = '22023';
    end if;
    if name in ('manager', 'pool_lead') or exists (select from handoff.rep r where r.rep = set_recipient.name) then
        raise exception 'a recipient can''t have the name "%"', name
            using errcode = '22023', detail = 'It stands for a manager, the lead of a pool or a rep.', hint = 'Choose another name.';
    end if;
    if calendar is not null then
        perform handoff.need_calendar(calendar);
    end if;
    select to_jsonb(r) into old from handoff.recipient r where r.name = set_recipient.name for update;
    insert into handoff.recipient as r (name, address, calendar)
    values (set_recipient.name, set_recipient.address, set_recipient.calendar)
    on conflict on constraint recipient_pkey do update set address = excluded.address, calendar = excluded.calendar
    returning to_jsonb(r) into new;
    if old is distinct from new then
        perform handoff.log_operation('recipient', name, old, new);
    end if;
end
$$;
comment on function handoff.set_recipient(text, text, text) is
    'Says which address (an e-mail address, the key of a chat channel ..) a name stands for that a contract''s escalation tells, and in which calendar a step with in_hours counts its hours (NULL: the contract''s). A recipient of that name is replaced. Errors: 22023 (no name or address, a name that means somebody else), 42704 (no such calendar).';

create function handoff.remove_recipient(name text) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    old jsonb;
begin
    delete from handoff.recipient r where r.name = remove_recipient.name returning to_jsonb(r) into old;
    if not found then
        raise exception 'there is no recipient "%"', name
            using errcode = '42704', hint = 'handoff.recipient lists those there are.';
    end if;
    perform handoff.log_operation('recipient', name, old, null);
end
$$;
comment on function handoff.remove_recipient(text) is
    'Takes a recipient away. A step that names it tells nobody in particular from then on; validate() says so. Error 42704: no such recipient.';

create function handoff.check_escalation(version int)
    returns table (severity text, object text, message text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
    set intervalstyle = postgres
as $$
    with step as (
        select format('escalation "%s %s"', e.sla, e.step) as object, e.*, s.leg, s.target, s.scope, s.clock,
               lag(e.offset_from_due) over w as offset_before, lag(e.step) over w as step_before,
               max(e.step) filter (where e.action = 'recycle' and e.criteria is null) over (w rows between unbounded preceding and 1 preceding) as recycled_by,
               max(e.step) filter (where e.action in ('reassign', 'fallback') and e.criteria is null and s.scope = 'assignment')
                   over (w rows between unbounded preceding and 1 preceding) as taken_by
        from handoff.escalation e
        join handoff.sla s on s.contract_id = e.contract_id and s.name = e.sla
        where e.contract_id = $1
        window w as (partition by e.sla order by e.step)
    )
    -- days and hours of business time can't be compared without its hours
    select case s.clock when 'elapsed' then 'error' else 'warning' end, s.object,
           format('has offset_from_due %s, and step %s before it %s', s.offset_from_due, s.step_before, s.offset_before),
           'Number the steps in order of time.'
    from step s
    where s.offset_from_due < s.offset_before
    union all
    select case s.clock when 'elapsed' then 'error' else 'warning' end, s.object,
           format('has offset_from_due %s, and the target is %s', s.offset_from_due, s.target),
           'Choose a shorter one: it would happen as soon as the clock starts.'
    from step s
    where s.offset_from_due + s.target <= interval '0'
    union all
    select 'error', s.object, format('tells "%s", whom nobody knows', s.recipient),
           'A recipient is manager, pool_lead, a rep, a name given by handoff.set_recipient(), or an address (with @, : or a leading #).'
    from step s
    where s.recipient not in ('manager', 'pool_lead') and not handoff.is_address(s.recipient)
      and not exists (select from handoff.rep r where r.rep = s.recipient)
      and not exists (select from handoff.recipient r where r.name = s.recipient)
    union all
    select 'error', s.object, format('recycles as "%s", %s', s.code, f.message), f.hint
    from step s
    join handoff.disposition d on d.contract_id = s.contract_id and d.code = s.code
    cross join lateral (values
        (d.outcome <> 'recycle', format('whose outcome is %s', d.outcome), 'Name a disposition of outcome recycle.'),
        (d.leg <> s.leg, format('which is for leg "%s" only', d.leg), 'Name one that the SLA''s leg allows.')
    ) f (wrong, message, hint)
    where f.wrong
    union all
    select 'warning', s.object, format('is never reached: step %s has recycled the lead by then', s.recycled_by), 'Delete it, or give that step criteria.'
    from step s
    where s.recycled_by is not null
    union all
    select 'warning', s.object, format('is hardly ever reached: step %s has taken the lead from the owner whose clock it is', s.taken_by),
           'The next owner has a clock of his own. Give the SLA scope lead, or that step criteria.'
    from step s
    where s.taken_by is not null and s.recycled_by is null
    union all
    select 'warning', s.object, 'can give the lead to nobody else: its leg has only one route, which names one rep', 'Add a route to a pool.'
    from step s
    where s.action in ('reassign', 'fallback')
      and not exists (select from handoff.route r where r.contract_id = $1 and r.leg = s.leg and (r.target_kind <> 'rep' or r.criteria is not null))
      and (select count(*) from handoff.route r where r.contract_id = $1 and r.leg = s.leg) = 1
$$;
comment on function handoff.check_escalation(int) is
    'Findings about steps of escalation. Internal.';

revoke all on function handoff.is_address(text) from public;
revoke all on function handoff.set_recipient(text, text, text) from public;
revoke all on function handoff.remove_recipient(text) from public;
revoke all on function handoff.check_escalation(int) from public;
