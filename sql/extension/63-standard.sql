-- sql/extension/63-standard.sql: what is owed to a lead, what comes next, and who may let less be enough.

create function handoff.work_status(
    lead_key text,
    out disposition text,
    out outcome     text,
    out part        text,
    out has         int,
    out needs       int,
    out met         boolean,
    out channel     text,
    out due_at      timestamptz
) returns setof record
    language c volatile
    as 'MODULE_PATHNAME', 'lh_work_status';
comment on function handoff.work_status(text) is
    'What is still owed to a lead for each disposition that could be given now, at handoff.view_time(): one row a disposition and part (touches, channels, contacts, business_days, note), with what there is and what it needs; part NULL: nothing. A disposition is given if all its parts are met; the note comes with the call. Last a row of part cadence: steps done, steps asked for, and channel and due time of the next one (NULL: none is owed). Found by the code that refuses a disposition. Errors: LH040 (no such lead), LH012 (no contract in force), 22004 (lead_key is null).';

create function handoff.override_work(lead_key text, code text, reason text, note text default null, until timestamptz default null, actor text default null, p_now timestamptz default clock_timestamp())
    returns text
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.act($1, 'override_work', null, $2, $4, $3, null, null, null, $5, $6, $7)
$$;
comment on function handoff.override_work(text, text, text, text, timestamptz, text, timestamptz) is
    'Gives the disposition of that code as dispose() does, though its work standard asks for more, for a reason. Where it does, the reason is kept in handoff.override_reason and counted by the KPIs, and the log says what was missing. Whoever may call it may override: managers, not reps. Returns the stage. Errors: as of dispose(), but for missing work; 22023 (no reason given), 42501.';

create function handoff.next_lead(rep text default null)
    returns table (lead_key text, what text, channel text, due_at timestamptz, overdue boolean, remaining_seconds numeric)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select q.lead_key, q.what, q.channel, q.due_at, q.overdue, q.remaining_seconds
    from handoff.my_queue q
    where q.rep = coalesce($1, handoff.my_rep())
    order by q.position
    limit 1
$$;
comment on function handoff.next_lead(text) is
    'The lead that a rep (NULL: whom the role stands for) should turn to now, and what is to be done: the first row of his handoff.my_queue. No row: he has nothing open.';

-- What validate() finds about work standards, channels and cadence --------------------------------

create function handoff.check_standard(version int)
    returns table (severity text, object text, message text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with standard as (
        select format('work standard "%s %s"', w.name, w.ord) as object, w.*
        from handoff.work_standard w
        where w.contract_id = $1
    ), channel as (
        select lower(c.name) as name from handoff.channel c where c.contract_id = $1
        union all
        select lower(a) from handoff.channel c, unnest(c.also) a where c.contract_id = $1
    ), meant as (
        select count(*) filter (where a.meaning in ('touch', 'contact')) as touches,
               count(*) filter (where a.meaning = 'contact') as contacts
        from handoff.activity_rule a
        where a.contract_id = $1
    )
    select 'error', s.object, format('asks for %s channels, and the contract has %s', s.min_channels, n.channels),
           'Lower min_channels, or add rows to handoff.channel.'
    from standard s
    cross join (select count(*) as channels from handoff.channel c where c.contract_id = $1) n
    where n.channels > 0 and s.min_channels > n.channels
    union all
    select 'error', s.object, 'can''t be met: no activity_rule has meaning touch or contact', 'Say which activities count.'
    from standard s, meant m
    where greatest(s.min_touches, s.min_channels, s.min_business_days) > 0 and m.touches = 0
    union all
    select 'error', s.object, 'can''t be met: no activity_rule has meaning contact', 'Say which activities count.'
    from standard s, meant m
    where s.min_contacts > 0 and m.contacts = 0
    union all
    select 'error', s.object, format('asks for business days in calendar "%s", which does not open within ten years', c.calendar),
           'Give it hours with handoff.set_calendar(), or take exceptions away with handoff.remove_exception().'
    from standard s
    join handoff.contract c using (contract_id)
    join handoff.calendar k on k.name = c.calendar
    where s.min_business_days > 0 and handoff.never_opens(k.name)
    union all
    select 'error', format('disposition "%s"', d.code),
           format('means that nobody answered, and %s asks for contacts', s.object),
           'A contact is an answer: ask for touches.'
    from handoff.disposition d
    join standard s on s.name = d.needs_work and (d.leg is null or s.leg is null or s.leg = d.leg)
    where d.contract_id = $1 and d.no_response and s.min_contacts > 0
    union all
    select 'warning', s.object, 'asks for nothing', 'Set one of its minimums, or delete it.'
    from standard s
    where greatest(s.min_touches, s.min_channels, s.min_contacts, s.min_business_days) = 0
    union all
    select 'warning', s.object, 'has a min_gap that changes nothing', 'It is about touches: set min_touches above 1.'
    from standard s
    where s.min_gap is not null and s.min_touches <= 1
    union all
    select 'error', format('channel "%s"', c.name), 'has a name of its own that another channel has too', 'A name means one channel.'
    from handoff.channel c
    where c.contract_id = $1
      and exists (select from channel n where n.name = any (array(select lower(a) from unnest(c.also || c.name) a))
                  group by n.name having count(*) > 1)
    union all
    select 'error', format('cadence step "%s %s"', p.leg, p.step), format('unknown channel "%s"', p.channel),
           'Make it in handoff.channel, or use one of those there are.'
    from handoff.cadence_step p
    where p.contract_id = $1
      and exists (select from channel)
      and not exists (select from channel n where n.name = lower(p.channel))
    union all
    select 'warning', format('cadence step "%s %s"', p.leg, p.step), 'comes on an earlier day than a step before it',
           'Number the steps in the order of their business days.'
    from handoff.cadence_step p
    where p.contract_id = $1
      and exists (select from handoff.cadence_step b
                  where b.contract_id = $1 and b.leg = p.leg and b.step < p.step and b.business_day > p.business_day)
    union all
    select 'error', format('cadence step "%s %s"', min(p.leg), min(p.step)),
           format('counts days in calendar "%s", which does not open within ten years', c.calendar),
           'Give it hours with handoff.set_calendar(), or take exceptions away with handoff.remove_exception().'
    from handoff.cadence_step p
    join handoff.contract c using (contract_id)
    join handoff.calendar k on k.name = c.calendar
    where p.contract_id = $1 and handoff.never_opens(k.name)
    group by c.calendar
    union all
    select 'warning', format('cadence step "%s %s"', min(p.leg), min(p.step)), 'can''t be done: no activity_rule has meaning touch or contact',
           'Say which activities count.'
    from handoff.cadence_step p, meant m
    where p.contract_id = $1 and m.touches = 0
    having count(*) > 0
$$;
comment on function handoff.check_standard(int) is
    'Findings about work standards, channels and cadence. Internal.';

revoke all on function handoff.work_status(text) from public;
revoke all on function handoff.override_work(text, text, text, text, timestamptz, text, timestamptz) from public;
revoke all on function handoff.next_lead(text) from public;
revoke all on function handoff.check_standard(int) from public;
