-- test/stress/lib/explore.sql: the machine that a template defines, walked: from every state every move, breadth first.
--
-- A state is a lead as far as a contract tells leads apart: stage, cycle, open handoff (leg, accepted, owner or why none, what came of
-- it), how the last one ended, what holds it, opportunities, whether it is deleted. A move is whatever can happen to a lead: a call of the
-- work API for each of the contract's codes, legs and stages, a row of a synced table, a status of the CRM, or time: each clock that runs
-- becomes due. States are reached by playing their path again in a subtransaction, and each move is tried in one below it.
--
-- After every move: the state is what the log folds to; clocks that must run do, and no others; a stage owned by sales has an open handoff and no
-- other stage has; moves between stages are the contract's. What rows of the contract say about a call (pg_temp.allowed()) is what happens: it
-- works, or raises one of our SQLSTATEs. Of every state that is left doctor() has nothing to say, and deciding it again changes nothing.
--
-- Needs the variable template (b2b_saas, enterprise_abm). Then pg_temp.explore(states, deep): how many states to leave at most; deep: moves that
-- are tried from everywhere also lead on. Results: tables seen, wrong, covered, and pg_temp.uncovered().
set client_min_messages = warning;
set timezone = 'UTC';

-- The world ---------------------------------------------------------------------------------------

create schema crm;
create table crm.lead (
    id text primary key, email text, company text, country text, title text, seniority text, industry text, employees int, buying_role text, account_key text,
    crm_owner text, crm_status text, converted_opportunity text, opted_out boolean, is_test boolean, is_competitor boolean, do_not_call boolean,
    created_at timestamptz default '2026-03-02 08:00', updated_at timestamptz default '2026-03-02 08:00'
);
create table crm.act (id int generated always as identity primary key, lead_key text, at timestamptz, kind text, page text, channel text, outcome text, direction text, rep text);
create table crm.opp (id text primary key, created_at timestamptz, closed_at timestamptz, is_won boolean, is_closed boolean);
create table crm.account (id text primary key, name text, website text, owner text, named boolean, tier text, buying_stage text, engaged_people int, partner text, on_hold boolean,
    updated_at timestamptz default '2026-03-02 08:00');

create temp table template as select :'template'::text as name, handoff.load_template(:'template') as version;
do $$
declare
    p text;
begin
    -- two people a pool, at work at any hour; who leaves has somebody who takes over
    for p in select distinct target from handoff.route where target_kind = 'pool' order by 1 loop
        perform handoff.add_rep(p || '_1', initcap(p), p, schedule => '24x7 @ UTC', crm_id => p || '_1@crm');
        perform handoff.add_rep(p || '_2', initcap(p), p, schedule => '24x7 @ UTC', crm_id => p || '_2@crm');
    end loop;
    perform handoff.add_rep('other', 'Other', null, schedule => '24x7 @ UTC', crm_id => 'other@crm');
    perform handoff.add_rep('owner', 'Owner', null, schedule => '24x7 @ UTC', crm_id => 'owner@crm');
    update handoff.rep set manager = 'other', takes_leads = true where rep <> 'other';
    update handoff.pool set lead_rep = 'other' where pool in (select target from handoff.route);
    insert into handoff.account_team (account_key, role, rep)
    select 'A', r.target, min(m.rep)
    from handoff.route r join handoff.route p on p.leg = r.leg and p.target_kind = 'pool' join handoff.pool_member m on m.pool = p.target
    where r.target_kind = 'account_team'
    group by r.target;
    perform handoff.approve(c.contract_id, x, 'x') from handoff.contract c, unnest(c.parties) x;
    perform handoff.publish();
    perform handoff.attach('crm.lead', 'lead', since => '-infinity');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
    perform handoff.attach('crm.opp', 'opportunity', since => '-infinity');
    perform handoff.attach('crm.account', 'account', since => '-infinity');
    update handoff.source set delete_grace = '0';
    perform handoff.subscribe('crm', '%');
end $$;
insert into crm.account (id, name, website, named, tier, partner) values ('A', 'Acme', 'acme.de', true, '1', 'Reseller');
insert into crm.lead (id, email, company, country, industry, seniority, employees, account_key, buying_role)
values ('l', 'l@acme.de', 'Acme', 'DE', 'Software', 'C-Level', 500, 'A', 'Champion'), ('other', 'other@other.de', 'Other', null, null, null, null, null, null);
do $$ begin perform handoff.tick('2026-03-02 09:00'); end $$;

-- a tick looks at every source's triggers, which takes ten times as long as to decide a lead and is tried elsewhere
create or replace function handoff.check_source(source_name text) returns text language sql
    set search_path = pg_catalog, pg_temp
as 'select null::text';

-- Moves -------------------------------------------------------------------------------------------

-- $1: the moment. core: what it leads to is left by all moves; the others are tried from everywhere, and lead on only where all is deep
create temp table move (name text primary key, sql text, core boolean, takes interval default '1 hour');

create function pg_temp.act(kind text, page text default null, outcome text default null, qty int default 1) returns text language sql as $$
    select format('insert into crm.act (lead_key, at, kind, page, outcome, rep) select ''l'', $1 - n * interval ''1 minute'', %L, %L, %L, %L from generate_series(0, %s) n',
                  kind, page, outcome, case when kind in ('call', 'meeting') then 'other@crm' end, qty - 1)
$$;
create function pg_temp.row(tab text, id text, what text) returns text language sql as $$
    select format('update crm.%I set %s, updated_at = $1 where id = %L', tab, what, id)
$$;

insert into move (name, sql, core)
select 'accept', 'select handoff.accept(''l'', p_now => $1)', true
union all select 'qualify', 'select handoff.qualify(''l'', p_now => $1)', true
union all select 'code ' || d.code, format('select handoff.override_work(''l'', %L, ''tried'', ''a note'', p_now => $1)', d.code), d.outcome <> 'withdrawn' from handoff.disposition d where d.outcome <> 'lost'
union all select 'plain ' || d.code, format('select handoff.dispose(''l'', %L, p_now => $1)', d.code), d.no_response from handoff.disposition d where d.needs_work is not null or d.needs_note
union all select 'until ' || min(d.code), format('select handoff.recycle(''l'', %L, ''a note'', until => $1 + interval ''3 days'', p_now => $1)', min(d.code)), false
          from handoff.disposition d where d.outcome = 'recycle' and d.needs_work is null
union all select 'hand over ' || l.name, format('select handoff.hand_over(''l'', %L, ''by hand'', p_now => $1)', l.name), false from handoff.leg l
union all select 'stage ' || s.name, format('select handoff.set_stage(''l'', %L, ''by hand'', p_now => $1)', s.name), false from handoff.stage s
union all select 'reassign', 'select handoff.reassign(''l'', ''other'', ''by hand'', p_now => $1)', false
union all select 'claim', 'select handoff.claim(''l'', ''other'', p_now => $1)', false
union all select 'status ' || x.value, pg_temp.row('lead', 'l', format('crm_status = %L', x.value)), false from handoff.crm_status x
union all select 'touch', pg_temp.act('call'), true
union all select 'contact', pg_temp.act('call', null, 'Connected'), false
union all select 'booked', pg_temp.act('meeting', null, 'Booked'), true
union all select 'held', pg_temp.act('meeting', null, 'Held'), true
union all select 'no show', pg_temp.act('meeting', null, 'No Show'), true
union all select 'interest', pg_temp.act('download', null, null, 3), true
union all select 'opportunity', 'with o as (insert into crm.opp (id, created_at) values (''o'', $1) on conflict (id) do update set created_at = least(opp.created_at, $1), closed_at = null, is_won = null, is_closed = false)'
          ' update crm.lead set converted_opportunity = ''o'', updated_at = $1 where id = ''l''', true
union all select 'won', 'update crm.opp set closed_at = $1, is_won = true, is_closed = true where id = ''o''', true
union all select 'lost', 'update crm.opp set closed_at = $1, is_won = false, is_closed = true where id = ''o''', true
union all select 'opportunity gone', 'delete from crm.opp where id = ''o''', false
union all select 'owner other', pg_temp.row('lead', 'l', 'crm_owner = ''other@crm'''), false
union all select 'owner queue', pg_temp.row('lead', 'l', 'crm_owner = ''queue'''), false
union all select 'no email', pg_temp.row('lead', 'l', 'email = null'), true
union all select 'email', pg_temp.row('lead', 'l', 'email = ''l@acme.de'''), true
union all select 'opted out', pg_temp.row('lead', 'l', 'opted_out = true'), true
union all select 'opted in', pg_temp.row('lead', 'l', 'opted_out = null'), true
union all select 'test', pg_temp.row('lead', 'l', 'is_test = true'), true
union all select 'competitor', pg_temp.row('lead', 'l', 'is_competitor = true'), false
union all select 'row gone', 'delete from crm.lead where id = ''l''', false
union all select 'merged', 'select handoff.merge_lead(''l'', ''other'', p_now => $1)', false
union all select 'merge', 'select handoff.merge_lead(''other'', ''l'', p_now => $1)', false
union all select 'forget', 'select handoff.forget(''l'', p_now => $1)', false
union all select 'twin', 'insert into crm.lead (id, email, company, country, industry, seniority, employees, account_key, buying_role, updated_at)'
          ' select ''twin'', ''l@acme.de'', ''Acme'', ''DE'', ''Software'', ''C-Level'', 500, ''A'', ''Champion'', $1 on conflict do nothing', false
union all select 'everybody full', 'select handoff.set_capacity(rep, 0) from handoff.pool_member', false
union all select 'everybody leaves', 'select handoff.deactivate_rep(rep) from handoff.rep where active and rep in (select rep from handoff.assignment where ended_at is null)', false;

insert into move values ('undispose', 'select handoff.undispose(''l'', ''given by mistake'', p_now => $1)', false, '30 minutes');

-- what differs by template: what makes a lead fit, what gives each signal, what holds it, how long enough work takes
insert into move (name, sql, core, takes)
select m.name, m.sql, m.core, m.takes
from (values
    ('b2b_saas', 'fit', pg_temp.row('lead', 'l', 'country = ''DE'', industry = ''Software'', seniority = ''C-Level'', employees = 500'), true, interval '1 hour'),
    ('b2b_saas', 'unfit', pg_temp.row('lead', 'l', 'industry = null, seniority = ''Student'', employees = 2'), true, '1 hour'),
    ('b2b_saas', 'signal demo_request', pg_temp.act('form', '/demo'), true, '1 hour'),
    ('b2b_saas', 'signal contact_request', pg_temp.act('form', '/contact'), true, '1 hour'),
    ('b2b_saas', 'signal trial_started', pg_temp.act('trial'), false, '1 hour'),
    ('b2b_saas', 'signal pricing_interest', pg_temp.act('page_view', '/pricing', null, 3), false, '1 hour'),
    ('b2b_saas', 'hold', pg_temp.row('lead', 'l', 'crm_status = ''On Hold'''), true, '1 hour'),
    ('b2b_saas', 'release', pg_temp.row('lead', 'l', 'crm_status = ''Open'''), true, '1 hour'),
    ('b2b_saas', 'no country', pg_temp.row('lead', 'l', 'country = null'), false, '1 hour'),
    ('b2b_saas', 'work', 'insert into crm.act (lead_key, at, kind) select ''l'', $1 - n * interval ''12 hours'', (array[''call'', ''email'', ''linkedin''])[1 + n % 3] from generate_series(0, 24) n', true, '12 days 1 hour'),
    ('enterprise_abm', 'fit', pg_temp.row('lead', 'l', 'account_key = ''A'', buying_role = ''Champion'''), true, '1 hour'),
    ('enterprise_abm', 'unfit', pg_temp.row('lead', 'l', 'buying_role = null, title = ''Student'''), true, '1 hour'),
    ('enterprise_abm', 'signal hand_raise', pg_temp.act('form', '/demo'), true, '1 hour'),
    ('enterprise_abm', 'signal account_surge', pg_temp.act('intent_surge', null, null, 2), true, '1 hour'),
    ('enterprise_abm', 'signal pricing_interest', pg_temp.act('page_view', '/pricing', null, 2), false, '1 hour'),
    ('enterprise_abm', 'signal met_in_person', pg_temp.act('dinner', null, 'Met'), false, '1 hour'),
    ('enterprise_abm', 'no role', pg_temp.row('lead', 'l', 'buying_role = null'), false, '1 hour'),
    ('enterprise_abm', 'no account', pg_temp.row('lead', 'l', 'account_key = null, email = ''l@gmail.com'''), false, '1 hour'),
    ('enterprise_abm', 'unnamed', pg_temp.row('account', 'A', 'named = false'), false, '1 hour'),
    ('enterprise_abm', 'no partner', pg_temp.row('account', 'A', 'partner = null'), false, '1 hour'),
    ('enterprise_abm', 'hold', pg_temp.row('account', 'A', 'on_hold = true'), true, '1 hour'),
    ('enterprise_abm', 'release', pg_temp.row('account', 'A', 'on_hold = null'), true, '1 hour'),
    ('enterprise_abm', 'work', 'insert into crm.act (lead_key, at, kind) select ''l'', $1 - n * interval ''12 hours'', (array[''call'', ''email'', ''linkedin'', ''gift''])[1 + n % 4] from generate_series(0, 34) n', true, '17 days 1 hour')
) m (template, name, sql, core, takes)
join template t on t.name = m.template;

-- time: each kind of clock, and the promises one by one
insert into move (name, core)
select 'due ' || k.name, k.core
from (select 'recycle' as name, true as core union all select 'stage_age', true union all select 'blocked', true union all select 'review', true union all select 'cadence', false
      union all select 'sla ' || s.name, false from handoff.sla s) k;

create temp table clock_of as
select m.name as move, split_part(m.name, ' ', 2) as kind, nullif(split_part(m.name, ' ', 3), '') as name from move m where m.name like 'due %';

-- The moment after a move that begins at one; NULL: there is nothing that it could happen to
create function pg_temp.apply(p_move text, p_now timestamptz) returns timestamptz language plpgsql as $$
declare
    m move;
    at timestamptz;
begin
    select * into m from move where name = p_move;
    if m.sql is null then
        select case when count(*) > 0 then greatest(min(c.next_at), p_now) end into at
        from handoff.clock c join clock_of k on k.move = p_move and c.kind = k.kind and c.name = coalesce(k.name, c.name)
        where c.lead_key = 'l' and c.stopped_at is null and c.next_at is not null;
        if at is null then
            return null;
        end if;
    else
        at := p_now + m.takes;
        execute m.sql using at;
    end if;
    perform handoff.tick(at);
    -- what an account, a person or a merge means for its leads waits for the next one
    if exists (select from handoff.inbox) then
        perform handoff.tick(at);
    end if;
    return at;
end $$;

-- States ------------------------------------------------------------------------------------------

create function pg_temp.state(deep boolean) returns text language sql as $$
    select coalesce((
        select concat_ws(' ', l.stage, case when l.fit < 25 then 'unfit' end, 'cycle ' || least(l.cycle, 3), 'held by ' || l.gate_code, 'lacks ' || l.blocked_fields::text, case when l.deleted_at is not null then 'deleted' end,
            (select concat_ws(' ', '-', h.leg, case when h.accepted_at is not null then 'accepted' end, coalesce('nobody: ' || h.unassigned_reason, case when deep and h.rep = 'other' then 'with the other' end),
                              case when h.booked_at is not null and h.meeting_held_at is null and not h.no_show then 'booked' end, case when h.no_show then 'no show' end,
                              case when deep and h.touches > 0 then 'touched' end, case when deep and h.incomplete then 'incomplete' end, case when deep and h.origin = 'manual' then 'manual' end,
                              case when exists (select from handoff.clock c where c.lead_key = 'l' and c.kind = 'sla' and c.paused) then 'paused' end)
             from handoff.handoff h where h.lead_key = 'l' and h.closed_at is null),
            (select concat_ws(' ', '- ended as', h.outcome, case when deep then h.code else d.recycle_path end, case when d.reopen_on <> '{}' then 'reopens' end)
             from handoff.handoff h left join handoff.disposition d on d.contract_id = h.contract_id and d.code = h.code
             where h.lead_key = 'l' and h.closed_at = l.stage_since),
            (select nullif(concat_ws(' ', '-', case when r.opted_out then 'opted out' end, case when r.is_test then 'test' end, case when r.email is null then 'no email' end, case when a.on_hold or r.crm_status = 'On Hold' then 'on hold' end), '-')
             from crm.lead r left join crm.account a on a.id = r.account_key where r.id = 'l'),
            (select '- deal ' || case when o.closed_at is null then 'open' when o.is_won then 'won' else 'lost' end from handoff.opportunity o where o.deleted_at is null),
            case when deep then (select '- twin ' || t.stage from handoff.lead t where t.lead_key = 'twin') end,
            case when deep and (select partner is null from crm.account) then '- no partner' end,
            case when deep and exists (select from handoff.clock c where c.lead_key = 'l' and c.kind = 'recycle' and c.stopped_at is null) then '- rests' end)
        from handoff.lead l where l.lead_key = 'l'), 'forgotten')
$$;

-- Do the rows of the contract allow a call? NULL: no opinion
create function pg_temp.allowed(p_move text, p_now timestamptz) returns boolean language plpgsql as $$
declare
    l handoff.lead;
    h handoff.handoff;
    d handoff.disposition;
    v int := (select version from template);
    word text := split_part(p_move, ' ', 1);
    arg text := substr(p_move, length(split_part(p_move, ' ', 1)) + 2);
begin
    if word not in ('accept', 'qualify', 'code', 'hand', 'stage', 'reassign', 'claim', 'merged', 'merge', 'forget') then
        return null;
    end if;
    select * into l from handoff.lead where lead_key = 'l' and deleted_at is null;
    if not found then
        return case when word = 'forget' then null else false end;
    end if;
    select * into h from handoff.handoff where lead_key = 'l' and closed_at is null;
    if word in ('merge', 'merged') then
        return exists (select from handoff.lead where lead_key = 'other' and deleted_at is null);
    elsif word = 'forget' then
        return true;
    elsif word = 'stage' then
        return l.stage <> arg;
    elsif word = 'reassign' then
        return h.lead_key is not null and h.rep is distinct from 'other' and (select active from handoff.rep where rep = 'other');
    elsif word = 'claim' then
        return h.lead_key is not null and h.rep is distinct from 'other' and (select active from handoff.rep where rep = 'other')
            and (h.rep is null or h.route = (select r.name from handoff.route r where r.contract_id = v and r.leg = h.leg order by r.ord desc limit 1));
    elsif word = 'hand' then
        arg := split_part(p_move, ' ', 3);
        return case when exists (select from handoff.lead where lead_key = 'twin') then null
            else exists (select from handoff.transition t where t.contract_id = v and t.from_stage = l.stage and t.leg = arg)
                 and not exists (select from handoff.gate g where g.contract_id = v and coalesce(g.leg, arg) = arg and handoff.matches(g.criteria, l.fields, v, p_now)) end;
    elsif word = 'qualify' then
        return case when exists (select from handoff.lead where lead_key = 'twin') then null
            else h.lead_key is not null and exists (
                select from handoff.transition t join handoff.stage s on s.contract_id = v and s.name = t.to_stage
                where t.contract_id = v and t.from_stage = l.stage and t.event = 'qualified' and (t.guard is null or handoff.matches(t.guard, l.fields, v, p_now))
                  and not exists (select from handoff.gate g where g.contract_id = v and coalesce(g.leg, t.leg) = t.leg and handoff.matches(g.criteria, l.fields, v, p_now))
                  and not exists (select from unnest(s.required) r (field) where case r.field when 'account_key' then l.account_key else l.fields ->> r.field end is null
                                  or exists (select from handoff.validation x where x.contract_id = v and x.field = r.field and handoff.matches(x.criteria, l.fields, v, p_now) is not true))) end;
    elsif word = 'accept' then
        return h.lead_key is not null and h.accepted_at is null;
    end if;
    select * into d from handoff.disposition x where x.contract_id = v and x.code = arg;
    if h.lead_key is not null and d.leg is not null and d.leg <> h.leg then
        return false;
    elsif h.lead_key is null and d.outcome not in ('disqualified', 'withdrawn') then
        return false;
    end if;
    if d.outcome = 'returned' and exists (select from handoff.lead where lead_key = 'twin') then
        return null;
    end if;
    return case d.outcome
        when 'accepted' then h.accepted_at is null
        when 'reroute' then h.rep is not null
        when 'recycle' then exists (select from handoff.transition t where t.contract_id = v and t.from_stage = l.stage and t.event = 'recycled')
        when 'returned' then exists (select from handoff.transition t where t.contract_id = v and t.from_stage = l.stage and t.event = 'returned')
            and exists (select from handoff.handoff b join handoff.leg bl on (bl.contract_id, bl.name) = (v, b.leg) join handoff.leg hl on (hl.contract_id, hl.name) = (v, h.leg)
                        where b.lead_key = 'l' and bl.ord = (select max(p.ord) from handoff.leg p where p.contract_id = v and p.ord < hl.ord) and b.closed_at = h.handed_at)
        else exists (select from handoff.transition t where t.contract_id = v and t.from_stage = l.stage and t.event = 'disqualified') end;
end $$;

-- What is wrong after a move, told of the lead as it is
create function pg_temp.faults(p_now timestamptz, seq_before bigint) returns setof text language plpgsql as $$
declare
    l handoff.lead;
    h handoff.handoff;
    s handoff.stage;
    v int := (select version from template);
    by_hand boolean;
begin
    select * into l from handoff.lead where lead_key = 'l';
    if not found then
        return;
    end if;
    return query select concat_ws(' ', 'verify():', x.what, x.by_log, 'is', x.by_state) from handoff.verify('l') x;
    select * into h from handoff.handoff where lead_key = 'l' and closed_at is null;
    select * into s from handoff.stage where contract_id = v and name = l.stage;
    -- a stage set by hand passes no leg, nor does what follows from there until the next handoff
    by_hand := exists (select from handoff.event e where e.lead_key = 'l' and e.type = 'stage' and e.detail ->> 'override' = 'manual'
                       and e.seq > coalesce((select max(seq) from handoff.event where lead_key = 'l' and type = 'handoff'), 0));
    if l.deleted_at is null and not by_hand and (s.owner = 'sales') <> (h.lead_key is not null) then
        return next format('stage %s, owned by %s, and %s open handoff', l.stage, s.owner, case when h.lead_key is null then 'no' else 'an' end);
    end if;
    if l.deleted_at is null and (s.max_age is null) <> (not exists (
        select from handoff.clock c where c.lead_key = 'l' and c.kind = 'stage_age' and c.stopped_at is null and c.name = l.stage)) then
        return next format('stage %s has %s clock of its age', l.stage, case when s.max_age is null then 'a' else 'no' end);
    end if;
    return query
        select format('clock %s %s is due at %s and was not done by %s', c.kind, c.name, c.next_at, p_now)
        from handoff.clock c where c.lead_key = 'l' and c.stopped_at is null and c.next_at <= p_now and not c.paused
        union all
        select format('clock %s %s runs, and the lead is %s', c.kind, c.name, case when h.lead_key is null then 'with nobody' else 'deleted' end)
        from handoff.clock c where c.lead_key = 'l' and c.stopped_at is null and (l.deleted_at is not null or (c.kind in ('sla', 'cadence') and h.lead_key is null))
        union all
        select format('clock recycle %s runs beside an open handoff', c.name)
        from handoff.clock c where c.lead_key = 'l' and c.stopped_at is null and c.kind = 'recycle' and h.lead_key is not null;
    if h.lead_key is not null then
        return query
            select format('%s clocks of %s run, and should %s', n.n, n.metric, n.wanted)
            from (select m.metric, m.wanted, (select count(*) from handoff.clock c join handoff.sla x on x.contract_id = v and x.name = c.name
                                              where c.lead_key = 'l' and c.handoff_no = h.handoff_no and c.kind = 'sla' and c.stopped_at is null and x.metric = m.metric)::int as n
                  from (values ('accept', (h.accepted_at is null and h.rep is not null and h.leg in (select leg from handoff.sla where metric = 'accept'))::int),
                               ('decision', (h.accepted_at is not null and h.opportunity_at is null and h.leg in (select leg from handoff.sla where metric = 'decision'))::int),
                               -- after a meeting there may be another one
                               ('meeting_held', case when h.booked_at is null then 0 when h.meeting_held_at is null and not h.no_show and h.leg in (select leg from handoff.sla where metric = 'meeting_held') then 1 end)
                       ) m (metric, wanted)) n
            where n.n <> n.wanted;
    end if;
    return query
        select format('%s -> %s on %s, transition %s, override %s, is none of the contract''s', e.detail ->> 'from', e.detail ->> 'to', e.detail ->> 'event', e.detail ->> 'transition', e.detail ->> 'override')
        from handoff.event e
        where e.lead_key = 'l' and e.type = 'stage' and e.seq > seq_before
          and not exists (select from handoff.transition t where t.contract_id = v and t.ord::text = e.detail ->> 'transition' and (t.from_stage, t.to_stage, t.event) = (e.detail ->> 'from', e.detail ->> 'to', e.detail ->> 'event')
                          and t.leg is not distinct from e.leg)
          and coalesce(e.detail ->> 'override', '') not in ('manual', 'age', 'path', 'duplicate')
          and e.detail ->> 'code' is distinct from 'exhausted'
          -- taken back: where it came from
          and not (e.detail ->> 'event' = 'undisposed' and (e.detail ->> 'from', e.detail ->> 'to') = (
              -- where all cycles are used up, two moves are taken back
              select b.detail ->> 'to', f.detail ->> 'from' from handoff.event b
              join handoff.event f on f.lead_key = 'l' and f.type = 'stage' and f.recorded_at = b.recorded_at
              where b.lead_key = 'l' and b.type = 'stage' and b.seq < e.seq order by b.seq desc, f.seq limit 1));
end $$;

-- What doctor() says of a state, and whether deciding it again leaves a trace. It is settled first: that intent was reset is told a second
-- later, and a stage set by hand is left by the next decision if that is what the contract says
create function pg_temp.state_faults(p_now timestamptz) returns setof text language plpgsql as $$
declare
    was bigint;
begin
    return query select format('doctor(): %s %s', d.invariant, d.what) from handoff.doctor() d where d.severity = 'error';
    for i in 1 .. 3 loop
        select last_seq into was from handoff.lead where lead_key = 'l';
        insert into handoff.inbox (source, raw_key, op, xid, at) select source, raw_key, 'R', pg_current_xact_id(), p_now from handoff.lead where lead_key = 'l' and deleted_at is null;
        perform handoff.tick(p_now + interval '2 seconds');
    end loop;
    return query
        select format('decided again it has event %s %s', e.type, e.detail) from handoff.event e where e.lead_key = 'l' and e.seq > was;
end $$;

-- What a move has shown of the contract
create function pg_temp.shown(seq_before bigint) returns text[] language sql as $$
    select array(
        select 'transition ' || (e.detail ->> 'transition') from handoff.event e where e.lead_key = 'l' and e.seq > $1 and e.type = 'stage' and e.detail ? 'transition'
        union select 'stage ' || (e.detail ->> 'to') from handoff.event e where e.lead_key = 'l' and e.seq > $1 and e.type = 'stage'
        union select 'left ' || (e.detail ->> 'from') from handoff.event e where e.lead_key = 'l' and e.seq > $1 and e.type = 'stage' and coalesce(e.detail ->> 'override', '') <> 'manual'
        union select 'code ' || (e.detail -> 'set' ->> 'code') from handoff.event e where e.lead_key = 'l' and e.seq > $1 and e.type = 'closed'
        union select 'code ' || (e.detail ->> 'code') from handoff.event e where e.lead_key = 'l' and e.seq > $1 and e.type in ('rerouted', 'stage')
        union select 'code accepted' from handoff.event e where e.lead_key = 'l' and e.seq > $1 and e.type = 'accepted'
        union select 'accepted ' || (e.detail -> 'set' ->> 'accepted_how') from handoff.event e where e.lead_key = 'l' and e.seq > $1 and e.type = 'accepted'
        union select 'path ' || (e.detail ->> 'path') from handoff.event e where e.lead_key = 'l' and e.seq > $1 and e.type = 'recycled'
        union select 'exhausted' from handoff.event e where e.lead_key = 'l' and e.seq > $1 and e.type = 'stage' and e.detail ->> 'code' = 'exhausted'
        union select 'gate ' || (e.detail ->> 'code') from handoff.event e where e.lead_key = 'l' and e.seq > $1 and e.type in ('gated', 'joined', 'stage') and e.detail ? 'code'
        union select 'route ' || (e.detail -> 'set' ->> 'route') from handoff.event e where e.lead_key = 'l' and e.seq > $1 and e.type = 'assigned'
        union select 'sla ' || c.name from handoff.clock c where c.lead_key = 'l' and c.kind = 'sla'
        union select 'escalation ' || d.name || ' ' || d.step from handoff.escalation_done d where d.lead_key = 'l'
        union select 'violation ' || (e.detail ->> 'action') from handoff.event e where e.lead_key = 'l' and e.seq > $1 and e.type = 'violation'
        union select 'event ' || e.type from handoff.event e where e.lead_key = 'l' and e.seq > $1
    )
$$;

-- Walking -----------------------------------------------------------------------------------------

create temp table seen (n int generated always as identity primary key, state text unique, class text, path text[], ats timestamptz[], core boolean, done boolean default false, moves int, refused int);
create temp table wrong (state text, path text[], move text, what text);
create temp table covered (what text primary key);

create function pg_temp.explore_state(p_n int, deep boolean) returns void language plpgsql as $$
declare
    s seen;
    m record;
    t timestamptz := '2026-03-02 09:00';
    at timestamptz;
    seq bigint;
    may boolean;
    into_state text;
    tried int := 0;
    errors int := 0;
    new_states text[] := '{}';
    new_moves text[] := '{}';
    new_ats timestamptz[] := '{}';
    new_core boolean[] := '{}';
    bad_moves text[] := '{}';
    bad_whats text[] := '{}';
    shown text[] := '{}';
    f text;
begin
    select * into s from seen where n = p_n;
    begin
        for i in 1 .. cardinality(s.path) loop
            t := pg_temp.apply(s.path[i], t);
        end loop;
        if pg_temp.state(deep) <> s.state then
            raise exception 'path % leads to % and not to %', s.path, pg_temp.state(deep), s.state;
        end if;
        begin
            for f in select * from pg_temp.state_faults(t) loop
                bad_moves := bad_moves || ''::text; bad_whats := bad_whats || f;
            end loop;
            raise exception using errcode = 'ZZ001';
        exception when sqlstate 'ZZ001' then null;
        end;
        select last_seq into seq from handoff.lead where lead_key = 'l';
        for m in select x.name, x.core from move x order by x.core desc, x.name collate "C" loop
            begin
                may := pg_temp.allowed(m.name, t + interval '1 hour');
                at := pg_temp.apply(m.name, t);
                if at is not null then
                    tried := tried + 1;
                    into_state := pg_temp.state(deep);
                    shown := array(select distinct u from unnest(shown || pg_temp.shown(seq)) u where u is not null);
                    for f in select * from pg_temp.faults(at, seq) loop
                        bad_moves := bad_moves || m.name; bad_whats := bad_whats || f;
                    end loop;
                    if may is false then
                        bad_moves := bad_moves || m.name; bad_whats := bad_whats || 'is not allowed, and was done'::text;
                    end if;
                    if into_state <> all (new_states) and not exists (select from seen x where x.state = into_state and (x.core or not (s.core and (m.core or deep)))) then
                        new_states := new_states || into_state; new_moves := new_moves || m.name; new_ats := new_ats || at; new_core := new_core || m.core;
                    end if;
                end if;
                raise exception using errcode = 'ZZ001';
            exception
                when sqlstate 'ZZ001' then null;
                when others then
                    tried := tried + 1; errors := errors + 1;
                    if may or sqlstate not in ('LH040', 'LH041') or may is null and split_part(m.name, ' ', 1) not in ('plain', 'until', 'qualify', 'hand', 'code', 'forget', 'undispose') then
                        bad_moves := bad_moves || m.name; bad_whats := bad_whats || format('%s %s', sqlstate, sqlerrm);
                    end if;
            end;
        end loop;
        raise exception using errcode = 'ZZ001';
    exception when sqlstate 'ZZ001' then null;
    end;
    insert into seen (state, class, path, ats, core)
    select n.state, pg_temp.class(n.state), s.path || n.move, s.ats || n.at, s.core and (n.core or deep) from unnest(new_states, new_moves, new_ats, new_core) n (state, move, at, core)
    on conflict (state) do update set path = excluded.path, ats = excluded.ats, core = true;
    insert into wrong select s.state, s.path, b.move, b.what from unnest(bad_moves, bad_whats) b (move, what);
    insert into covered select unnest(shown) on conflict do nothing;
    update seen set done = true, moves = tried, refused = errors where n = p_n;
end $$;

-- What states are alike in: those of a class that none was left of come first
create function pg_temp.class(state text) returns text language sql as $$
    select regexp_replace($1, ' (unfit|- deal \w+|- (opted out|test|no email|on hold).*|booked|no show|paused|touched|reopens)', '', 'g')
$$;

-- How much of the contract that no move has shown yet could be shown from a state; less if others of its class have been left
create function pg_temp.promise(state text) returns numeric language sql as $$
    select ((select count(*) from handoff.transition t
             where t.from_stage = split_part($1, ' ', 1) and not exists (select from covered where what = 'transition ' || t.ord))
            + (select count(*) from handoff.sla a where $1 like '% - ' || a.leg || '%' and not exists (select from covered where what = 'sla ' || a.name)) / 2.0
            + (select count(*) from handoff.disposition d where $1 like '% - ' || d.leg || '%' and d.outcome <> 'lost' and not exists (select from covered where what = 'code ' || d.code))
            + (select count(*) from (values ('opted out', 'gate opt_out'), ('test', 'gate test_or_staff'), ('no email', 'event blocked'), ('on hold', 'gate account_on_hold'), ('on hold', 'gate on_hold')) f (flag, what)
               join handoff.stage s on s.is_default and s.name = split_part($1, ' ', 1)
               where $1 like '% - %' || f.flag || '%' and f.what in (select 'gate ' || g.code from handoff.gate g union all select 'event blocked')
                 and not exists (select from covered c where c.what = f.what))
            + case when exists (select from covered where what = 'exhausted') then 0 else substring($1 from 'cycle (\d)')::numeric / 10 end)
           / (1 + (select count(*) from seen d where d.done and d.class = pg_temp.class($1)))
$$;

-- Leaves up to so many states by all their moves: those that promise most, of each class one, and then those that were reached first
create function pg_temp.explore(states int, deep boolean) returns void language plpgsql as $$
declare
    next int;
begin
    insert into seen (state, class, path, ats, core) values (pg_temp.state(deep), pg_temp.class(pg_temp.state(deep)), '{}', '{}', true) on conflict do nothing;
    for i in 1 .. states loop
        next := (select s.n from seen s where s.core and not s.done
                 order by pg_temp.promise(s.state) desc, exists (select from seen d where d.done and d.class = s.class),
                 (select count(*) from unnest(s.path) p where p like 'stage %' or p like 'hand over %'), s.n limit 1);
        exit when next is null;
        perform pg_temp.explore_state(next, deep);
    end loop;
end $$;

-- What of the contract no move has shown
create function pg_temp.uncovered() returns setof text language sql as $$
    select w.what
    from (
        select 'transition ' || t.ord as what from handoff.transition t
        union all select 'stage ' || s.name from handoff.stage s where not s.is_default
        union all select 'left ' || s.name from handoff.stage s where not s.is_terminal
        union all select 'code ' || d.code from handoff.disposition d where d.outcome <> 'lost'
        union all select 'accepted ' || a from handoff.contract c, unnest(c.accept_on) a
        union all select 'path ' || p.name from handoff.recycle_path p
        union all select 'exhausted'
        union all select 'gate ' || g.code from handoff.gate g
        union all select 'sla ' || s.name from handoff.sla s
        union all select 'event blocked'
    ) w
    where not exists (select from covered c where c.what = w.what)
$$;

create function pg_temp.verdicts() returns table (good boolean, what text) language sql as $$
    select not exists (select from wrong),
           format('%s: %s states left by %s moves, %s of them refused; nothing is wrong', t.name, count(*) filter (where s.done), sum(s.moves), sum(s.refused))
           || coalesce((select string_agg(format(E'\n  %s; in state %s, by %s, move %s', w.what, w.state, w.path, w.move), '')
                        from (select * from wrong order by cardinality(path), move collate "C" limit 10) w), '')
    from seen s, template t
    group by t.name
    union all
    select not exists (select from pg_temp.uncovered()),
           format('%s: every transition was taken, every stage entered and left, every code given, and all the rest of the contract that can happen to a lead', t.name)
           || coalesce(E'\n  but not: ' || (select string_agg(u, ', ') from pg_temp.uncovered() u), '')
    from template t
    union all
    select sum(s.moves) >= 50 * count(*) and sum(s.refused) >= 10 * count(*), format('%s: each state has been left by many moves', t.name)
    from seen s, template t
    where s.done
    group by t.name
$$;
