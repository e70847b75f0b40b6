-- demo/50-reps.sql: what sales does with the leads that the extension gives them.
--
-- A play is what one rep will do with one assignment, worked out from his habits and the truth about
-- the lead when he gets it. It becomes touches, which he logs in the CRM and the sync lands, and acts,
-- which are calls of the extension's functions at their moment. What the contract refuses stays in
-- demo.act with its SQLSTATE: some people reject a lead that they have not worked.

create table demo.rep (
    rep      text primary key,
    crm_no   int not null,
    pool     text not null,
    pace     interval not null,
    ignores  double precision not null,
    patience int not null
);
comment on table demo.rep is 'Demo: habits of the people of sales.';
comment on column demo.rep.pace is 'How long a lead usually waits for him, in his working hours.';
comment on column demo.rep.ignores is 'Share of his leads that he never looks at.';
comment on column demo.rep.patience is 'How often he tries to reach somebody before he gives up.';
insert into demo.rep values
    ('ana', 1, 'sdr', '6 minutes', 0, 9),
    ('bruno', 2, 'sdr', '15 minutes', 0.01, 8),
    ('carla', 3, 'sdr', '1 hour', 0.02, 8),
    ('david', 4, 'sdr', '2 hours', 0.03, 7),
    ('emma', 5, 'sdr', '3 hours', 0.03, 8),
    ('farid', 6, 'sdr', '9 hours', 0.1, 6),
    ('greta', 7, 'sdr', '20 hours', 0.15, 3),
    ('henri', 8, 'sdr', '30 hours', 0.6, 2),
    ('iris', 11, 'ae', '2 hours', 0, 5),
    ('jonas', 12, 'ae', '5 hours', 0.02, 5),
    ('klara', 13, 'ae', '8 hours', 0.02, 4),
    ('luca', 14, 'ae', '26 hours', 0.1, 3);

create function demo.workday(day date, n int) returns date
    language sql immutable parallel safe
return day + n + 2 * ((n + extract(isodow from day)::int - 1) / 5);
comment on function demo.workday(date, int) is 'The n-th workday after a workday; holidays are worked.';

create function demo.at_work(t timestamptz) returns timestamptz
    language sql stable parallel safe
return (select case
            when extract(isodow from l.t) > 5 then date_trunc('week', l.t) + interval '7 days 9 hours'
            when l.t::time < '09:00' then l.t::date + time '09:00'
            when l.t::time < '17:00' then l.t
            else demo.workday(l.t::date, 1) + time '09:00'
        end at time zone 'Europe/Berlin'
        from (select t at time zone 'Europe/Berlin' as t) l);
comment on function demo.at_work(timestamptz) is 'That moment, or the next at which people of sales work: Monday to Friday, 9 to 17 in Berlin.';

create table demo.play (
    lead_key   text not null,
    handoff_no int not null,
    n          int not null,
    key        bigint not null,
    rep        text not null,
    pool       text not null,
    interest   text not null,
    ignored    boolean not null,
    looks_at   timestamptz not null,
    is_new     boolean not null default true,
    primary key (lead_key, handoff_no, n)
);
create index on demo.play (lead_key) where is_new;
comment on table demo.play is 'Demo: what a rep will do with an assignment (lead, handoff, number of the assignment).';
comment on column demo.play.looks_at is 'When he takes it up, if he does not ignore it.';

create table demo.touch (
    lead_key   text not null,
    handoff_no int not null,
    n          int not null,
    k          int not null,
    at         timestamptz not null,
    lands_at   timestamptz not null,
    kind       text not null,
    outcome    text,
    direction  text not null,
    rep        text not null,
    primary key (lead_key, handoff_no, n, k)
);
create index on demo.touch (lands_at);
comment on table demo.touch is 'Demo: calls, mails and meetings, which land as rows of crm."Task" if the handoff is still open by then.';

create table demo.act (
    lead_key   text not null,
    handoff_no int not null,
    n          int not null,
    at         timestamptz not null,
    call       text not null,
    code       text,
    note       text,
    rep        text not null,
    result     text,
    primary key (lead_key, handoff_no, n, at)
);
create index on demo.act (at) where result is null;
comment on table demo.act is 'Demo: calls of the extension''s functions; result is done, moot (somebody else has it by then) or an SQLSTATE with its message.';

create table demo.deal (
    opportunity_key text primary key,
    lead_key        text not null,
    company_no      int not null,
    owner           text not null,
    amount          numeric not null,
    created_at      timestamptz not null,
    closed_at       timestamptz not null,
    is_won          boolean not null
);
comment on table demo.deal is 'Demo: deals that AEs open, with the end that they will find.';

create table demo.hold (
    lead_key   text not null,
    handoff_no int not null,
    n          int not null,
    from_at    timestamptz not null,
    to_at      timestamptz not null,
    primary key (lead_key, handoff_no, n)
);
comment on table demo.hold is 'Demo: leads that a rep puts on hold in the CRM for a week or two, since nobody is there.';

-- How likely somebody answers a call.
create function demo.answers(interest text) returns double precision
    language sql immutable parallel safe
return case interest when 'buyer' then 0.45 when 'silent' then 0.04 when 'fake' then 0 else 0.3 end;
comment on function demo.answers(text) is 'Chance that a call reaches somebody of that interest.';

-- Plays for assignments that have none yet ------------------------------------------------------------

create procedure demo.plan()
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    insert into demo.play
    select a.lead_key, a.handoff_no, a.n, k.key, a.rep, r.pool, l.interest,
           demo.chance('ignored', k.key) < r.ignores,
           demo.at_work(demo.at_work(a.at) + r.pace * -ln(1 - demo.chance('pace', k.key)) * case when h.hot then 0.2 else 1 end)
    from handoff.assignment a
    join demo.rep r on r.rep = a.rep
    join demo.lead l on l.lead_key = a.lead_key
    cross join lateral (select l.lead_no * 10000::bigint + a.handoff_no * 100 + a.n as key) k
    -- who has just written to us is called first
    cross join lateral (select exists (select from demo.activity w
                                       where w.lead_no = l.lead_no and w.kind = 'form'
                                         and w.page in ('/demo', '/contact')
                                         and w.at between a.at - interval '1 day' and a.at) as hot) h
    where a.ended_at is null
      and not exists (select from demo.play p where (p.lead_key, p.handoff_no, p.n) = (a.lead_key, a.handoff_no, a.n));
    if not found then
        return;
    end if;

    -- SDRs call and write until somebody answers or their patience ends
    insert into demo.touch
    select t.lead_key, t.handoff_no, t.n, t.k, t.at, demo.lands(t.at, 'touch', t.touch_key), t.kind,
           case t.kind when 'Call' then case when t.answered then 'Connected' when t.k % 2 = 0 then 'Left Voicemail' else 'No Answer' end end,
           'outbound', t.rep
    from (
        select p.lead_key, p.handoff_no, p.n, p.rep, k.k, k.touch_key, y.kind, a.at,
               y.kind = 'Call' and demo.chance('answers', k.touch_key) < demo.answers(p.interest) as answered,
               min(k.k) filter (where y.kind = 'Call' and demo.chance('answers', k.touch_key) < demo.answers(p.interest))
                   over (partition by p.lead_key, p.handoff_no, p.n) as answered_at
        from demo.play p
        join demo.rep r on r.rep = p.rep
        cross join lateral (select k, p.key * 100 + k as touch_key from generate_series(0, r.patience - 1) k) k
        cross join lateral (select (array['Call', 'Email', 'Call', 'LinkedIn'])[1 + k.k % 4] as kind) y
        cross join lateral (
            select case k.k
                when 0 then p.looks_at + (1 + 20 * demo.chance('first', k.touch_key)) * interval '1 minute'
                else (demo.workday((p.looks_at at time zone 'Europe/Berlin')::date, (k.k + 1) / 2)
                      + time '09:00' + (0.45 * (k.k % 2) + 0.4 * demo.chance('hour', k.touch_key)) * interval '8 hours')
                     at time zone 'Europe/Berlin'
            end as at
        ) a
        where p.is_new and p.pool = 'sdr' and not p.ignored
    ) t
    where t.answered_at is null or t.k <= t.answered_at;

    -- their answer: at once where it needs no work, else the day after the last touch
    insert into demo.act
    select p.lead_key, p.handoff_no, p.n, c.at, c.call, c.code, c.note, p.rep
    from demo.play p
    cross join lateral (
        select max(t.at) as last_at, coalesce(bool_or(t.outcome = 'Connected'), false) as reached
        from demo.touch t where (t.lead_key, t.handoff_no, t.n) = (p.lead_key, p.handoff_no, p.n)
    ) t
    cross join lateral (select demo.chance('odd', p.key) as odd,
                               demo.at_work(t.last_at + interval '18 hours') as next_day) o
    cross join lateral (
        select p.looks_at as at, 'accept' as call, null as code, null as note
        where o.odd >= 0.02 and not (p.interest in ('student', 'competitor') and o.odd < 0.5)
        union all
        select p.looks_at, 'dispose', 'wrong_territory', null where o.odd < 0.02
        union all
        select p.looks_at, 'disqualify', p.interest, null
        where o.odd >= 0.02 and p.interest in ('student', 'competitor') and o.odd < 0.5
        union all
        select o.next_day, e.call, e.code, e.note
        from (values
            ('buyer', true, 'qualify', null, 'wants a proposal'),
            ('buyer', false, 'recycle', 'no_response', null),
            ('silent', true, 'recycle', 'timing', 'next quarter'),
            ('silent', false, 'recycle', 'no_response', null),
            ('later', true, 'recycle', 'timing', 'project starts next year'),
            ('later', false, 'recycle', 'no_response', null),
            ('no_budget', true, 'recycle', 'no_budget', null),
            ('no_budget', false, 'recycle', 'no_response', null),
            ('wrong', true, 'disqualify', 'not_a_fit', 'sells to consumers only'),
            ('wrong', false, 'recycle', 'no_response', null),
            ('student', true, 'disqualify', 'student', null),
            ('student', false, 'disqualify', 'student', null),
            ('competitor', true, 'disqualify', 'competitor', null),
            ('competitor', false, 'disqualify', 'competitor', null),
            ('fake', false, 'disqualify', 'bad_data', null)
        ) e (interest, reached, call, code, note)
        where o.odd >= 0.02 and not (p.interest in ('student', 'competitor') and o.odd < 0.5)
          and e.interest = p.interest and e.reached = t.reached
    ) c
    where p.is_new and p.pool = 'sdr' and not p.ignored;

    -- a few are out of office, which the first mail tells
    insert into demo.hold
    select p.lead_key, p.handoff_no, p.n, demo.at_work(p.looks_at + interval '20 hours'), demo.at_work(p.looks_at + interval '8 days')
    from demo.play p
    where p.is_new and not p.ignored and p.interest in ('buyer', 'later', 'silent') and demo.chance('on hold', p.key) < 0.08;

    -- AEs return what is not ready, or meet the lead
    insert into demo.touch
    select p.lead_key, p.handoff_no, p.n, m.k, m.at, demo.lands(m.at, 'touch', p.key * 100 + m.k), m.kind, m.outcome, 'outbound', p.rep
    from demo.play p
    cross join lateral (
        select (demo.workday((p.looks_at at time zone 'Europe/Berlin')::date, 2 + (4 * demo.chance('days', p.key))::int)
                + time '10:00' + floor(12 * demo.chance('slot', p.key)) * interval '30 minutes') at time zone 'Europe/Berlin' as at,
               demo.chance('shows up', p.key) < 0.85 as comes
    ) d
    cross join lateral (values
        (0, p.looks_at + interval '10 minutes', 'Email', null),
        (1, p.looks_at + interval '20 minutes', 'Call', 'Connected'),
        (2, p.looks_at + interval '30 minutes', 'Meeting', 'Booked'),
        (3, d.at, 'Meeting', case when d.comes then 'Held' else 'No Show' end)
    ) m (k, at, kind, outcome)
    where p.is_new and p.pool = 'ae' and not p.ignored and demo.chance('odd', p.key) >= 0.08;

    insert into demo.act
    select p.lead_key, p.handoff_no, p.n, c.at, c.call, c.code, c.note, p.rep
    from demo.play p
    left join demo.touch t
        on (t.lead_key, t.handoff_no, t.n, t.k) = (p.lead_key, p.handoff_no, p.n, 3)
    cross join lateral (
        select p.looks_at as at, 'accept' as call, null as code, null as note where t.k is not null
        union all
        select p.looks_at, 'dispose', 'not_qualified', 'no need of it found' where t.k is null
        union all
        select demo.at_work(t.at + interval '3 hours'), 'recycle', 'timing', 'not before autumn'
        where t.k is not null and (t.outcome = 'No Show' or demo.chance('deal', p.key) >= 0.8)
    ) c
    where p.is_new and p.pool = 'ae' and not p.ignored;

    insert into demo.deal
    select demo.id18('006', p.key), p.lead_key, l.company_no, p.rep,
           round((k.employees * (20 + 80 * demo.chance('amount', p.key)))::numeric, -2) + 1000,
           t.at + interval '1 hour',
           t.at + interval '8 days' + demo.chance('closes', p.key) * interval '60 days',
           demo.chance('won', p.key) < 0.4
    from demo.play p
    join demo.lead l on l.lead_key = p.lead_key
    join demo.company k on k.company_no = l.company_no
    join demo.touch t on (t.lead_key, t.handoff_no, t.n, t.k) = (p.lead_key, p.handoff_no, p.n, 3)
    where p.is_new and p.pool = 'ae' and not p.ignored and t.outcome = 'Held' and demo.chance('deal', p.key) < 0.8;

    update demo.play set is_new = false where is_new;
end
$$;
comment on procedure demo.plan() is 'Demo: works out what reps will do with what they have got.';

-- Acts that are due -----------------------------------------------------------------------------------

create procedure demo.reps_act(p_now timestamptz)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    act    demo.act;
    answer text;
    any_due boolean := true;
begin
    -- what somebody does may give somebody else something to do before p_now
    while any_due loop
        call demo.plan();
        any_due := false;
        for act in
            select a.* from demo.act a where a.at <= p_now and a.result is null order by a.at, a.lead_key
        loop
            any_due := true;
            begin
                if not exists (select from handoff.handoff h
                               where h.lead_key = act.lead_key and h.handoff_no = act.handoff_no
                                 and h.closed_at is null and h.rep = act.rep and h.assignments = act.n
                                 and (act.call <> 'accept' or h.accepted_at is null)) then
                    answer := 'moot';
                else
                    case act.call
                        when 'accept' then perform handoff.accept(act.lead_key, actor => act.rep, p_now => act.at);
                        when 'qualify' then perform handoff.qualify(act.lead_key, act.note, actor => act.rep, p_now => act.at);
                        when 'recycle' then perform handoff.recycle(act.lead_key, act.code, act.note, actor => act.rep, p_now => act.at);
                        when 'disqualify' then perform handoff.disqualify(act.lead_key, act.code, act.note, actor => act.rep, p_now => act.at);
                        when 'dispose' then perform handoff.dispose(act.lead_key, act.code, act.note, actor => act.rep, p_now => act.at);
                    end case;
                    answer := 'done';
                end if;
            exception
                when sqlstate 'LH041' then
                    answer := sqlstate || ' ' || sqlerrm;
            end;
            update demo.act a set result = answer
            where (a.lead_key, a.handoff_no, a.n, a.at) = (act.lead_key, act.handoff_no, act.n, act.at);
        end loop;
    end loop;
end
$$;
comment on procedure demo.reps_act(timestamptz) is 'Demo: the people of sales do, through the extension''s functions, what they planned up to that moment.';

-- What they write into the CRM lands ------------------------------------------------------------------

create procedure demo.land_work(since timestamptz, p_now timestamptz)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    insert into crm."Task"
    select '00T' || left(md5(format('touch %s %s', p.key, t.k)), 15), t.lead_key, null, demo.id18('005', r.crm_no),
           format('%s %s', t.kind, coalesce(t.outcome, '')), 'Completed', t.kind,
           case t.kind when 'Call' then 'Call' when 'Email' then 'Email' else 'Task' end,
           t.at, t.at::date, t.at, null, null, t.outcome, t.direction, false, t.at, false,
           md5(format('touch %s %s', p.key, t.k)), t.lands_at, '{"changes": []}', 1
    from demo.touch t
    join demo.play p using (lead_key, handoff_no, n)
    join demo.rep r on r.rep = t.rep
    where t.lands_at > since and t.lands_at <= p_now
      and not exists (select from handoff.handoff h
                      where h.lead_key = t.lead_key and h.handoff_no = t.handoff_no and h.closed_at < t.at);

    insert into crm."Opportunity"
    select d.opportunity_key, k.account_id, demo.id18('005', r.crm_no), k.name || ' ' || d.created_at::date, 'Proposal',
           d.amount, 'EUR', (d.closed_at)::date, false, false, l.source, d.created_at, d.created_at, false,
           md5('deal ' || d.opportunity_key), demo.lands(d.created_at, 'deal', l.lead_no), '{"changes": []}', 1
    from demo.deal d
    join demo.lead l on l.lead_key = d.lead_key
    join demo.company k on k.company_no = d.company_no
    join demo.rep r on r.rep = d.owner
    where demo.lands(d.created_at, 'deal', l.lead_no) > since and demo.lands(d.created_at, 'deal', l.lead_no) <= p_now;

    insert into crm."OpportunityContactRole"
    select replace(o."Id", '006', '00K'), o."Id", replace(d.lead_key, '00Q', '003'), 'Decision Maker', true,
           d.created_at, d.created_at, false, md5('role ' || o."Id"), o._airbyte_extracted_at, '{"changes": []}', 1
    from crm."Opportunity" o
    join demo.deal d on d.opportunity_key = o."Id"
    where o._airbyte_extracted_at > since and o._airbyte_extracted_at <= p_now and not o."IsClosed";

    -- on hold, and back to work, while he has it
    update crm."Lead" l
    set "Status" = case when h.to_at <= p_now then 'Working - Contacted' else 'On Hold' end,
        "SystemModstamp" = greatest(l."SystemModstamp", case when h.to_at <= p_now then h.to_at else h.from_at end),
        _airbyte_extracted_at = p_now
    from demo.hold h
    join handoff.handoff o on o.lead_key = h.lead_key and o.handoff_no = h.handoff_no and o.assignments = h.n
        and o.closed_at is null and o.accepted_at is not null
    where l."Id" = h.lead_key and not l."IsConverted"
      and (h.from_at > since and h.from_at <= p_now or h.to_at > since and h.to_at <= p_now);

    -- the CRM converts the lead with its opportunity
    update crm."Lead" l
    set "Status" = 'Closed - Converted',
        "IsConverted" = true,
        "ConvertedContactId" = replace(d.lead_key, '00Q', '003'),
        "ConvertedOpportunityId" = o."Id",
        "ConvertedAccountId" = o."AccountId",
        "SystemModstamp" = greatest(l."SystemModstamp", d.created_at),
        _airbyte_extracted_at = o._airbyte_extracted_at
    from crm."Opportunity" o
    join demo.deal d on d.opportunity_key = o."Id"
    where l."Id" = d.lead_key and o._airbyte_extracted_at > since and o._airbyte_extracted_at <= p_now and not o."IsClosed";

    update crm."Opportunity" o
    set "StageName" = case when d.is_won then 'Closed Won' else 'Closed Lost' end,
        "IsClosed" = true,
        "IsWon" = d.is_won,
        "SystemModstamp" = d.closed_at,
        _airbyte_extracted_at = d.closed_at
    from demo.deal d
    where o."Id" = d.opportunity_key and d.closed_at > since and d.closed_at <= p_now;
end
$$;
comment on procedure demo.land_work(timestamptz, timestamptz) is 'Demo: the sync lands what sales wrote into the CRM after since, up to p_now.';

-- Step by step: sales works, the sync lands rows, a tick decides. It commits after each step, so it has
-- no SET clause and qualifies every name.
create procedure demo.run(until_at timestamptz, step interval)
    language plpgsql
as $$
declare
    moment timestamptz;
    since  timestamptz;
begin
    select p.until_at into moment from demo.progress p;
    while moment < run.until_at loop
        since := moment;
        moment := least(moment + run.step, run.until_at);
        call demo.reps_act(moment);
        call demo.advance(moment);
        call demo.land_work(since, moment);
        perform handoff.tick(moment);
        commit;
    end loop;
end
$$;
comment on procedure demo.run(timestamptz, interval) is 'Demo: lets time pass up to a moment, in steps.';
