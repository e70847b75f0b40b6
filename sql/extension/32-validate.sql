-- sql/extension/32-validate.sql: what is wrong with a contract, found before it is published.
--
-- One function a theme, each a query over one version that returns findings; validate() puts them
-- together. Errors stop publish(), warnings don't. docs/define.md lists every finding.

create function handoff.unfed_fields() returns text[]
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select array['opportunity_owner', 'intent_since_recycle']
$$;
comment on function handoff.unfed_fields() is
    'Built-in lead fields that this release knows and does not fill yet: they are NULL. Internal.';

create function handoff.check_rules(version int)
    returns table (severity text, object text, message text, hint text)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    tab text;
    rules text;
    rule record;
    used text;
    problem_detail text;
    problem_hint text;
begin
    foreach tab in array array['contract'] || handoff.definition_tables() loop
        rules := handoff.definition_criteria(
            tab, format('(select * from handoff.%I where contract_id = %s)', tab, version));
        continue when rules is null;
        for rule in execute rules || ' order by r.key' loop
            begin
                perform handoff.check_criteria(rule.criteria, rule.names, rule.types);
            exception
                when sqlstate 'LH002' or sqlstate 'LH003' then
                    get stacked diagnostics problem_detail = pg_exception_detail, problem_hint = pg_exception_hint;
                    return query select 'error', rule.object, sqlerrm,
                        coalesce(nullif(problem_hint, ''), nullif(problem_detail, ''), 'Declare it in handoff.field.');
            end;
            for used in select f from handoff.criteria_fields(rule.criteria) f order by f loop
                if rule.of = 'lead' and used = any (handoff.unfed_fields()) then
                    return query select 'warning', rule.object,
                        format('field "%s" is always NULL', used),
                        'This release does not fill it yet.';
                end if;
            end loop;
        end loop;
    end loop;
end
$$;
comment on function handoff.check_rules(int) is
    'Findings about each criteria: unknown field, type clash, a field that nothing fills. Internal.';

create function handoff.check_order(version int)
    returns table (severity text, object text, message text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with place as (
        select d.field, row_number() over (order by min(d.ord), d.field collate "C") as place
        from handoff.derived d where d.contract_id = $1 group by d.field
    ), step as (
        select f.name, min(f.step) as step from handoff.known_fields($1) f where f.of = 'lead' group by f.name
    )
    select 'error', format('derived "%s %s"', d.field, d.ord),
           format('field "%s" is not known yet when "%s" is computed', used.name, d.field),
           case s.step when 1 then 'Give its rows a lower ord.'
                       else 'A derived field is computed from input and derived fields before it.' end
    from handoff.derived d
    join place mine on mine.field = d.field
    cross join lateral handoff.criteria_fields(d.criteria) used (name)
    join step s on s.name = used.name
    left join place its on its.field = used.name
    where d.contract_id = $1 and (s.step > 1 or its.place >= mine.place)
    union all
    select 'error', format('score rule "%s"', r.name),
           format('field "%s" is not known yet when fit is computed', used.name),
           'A fit rule uses input and derived fields.'
    from handoff.score_rule r
    join handoff.score_group g on (g.contract_id, g.name) = (r.contract_id, r.score_group) and g.kind = 'fit'
    cross join lateral handoff.criteria_fields(r.criteria) used (name)
    join step s on s.name = used.name
    where r.contract_id = $1 and s.step > 1
    union all
    select 'error', format('derived "%s"', p.field), format('field "%s" is declared too', p.field),
           'Delete it from handoff.field or rename the derived field.'
    from place p
    where exists (select from handoff.field f where f.contract_id = $1 and f.of = 'lead' and f.name = p.field)
$$;
comment on function handoff.check_order(int) is
    'Findings about rules that look ahead: a decision computes derived fields, fit, intent and signals, score, band, and then tries gates and transitions. Internal.';

create function handoff.check_names(version int)
    returns table (severity text, object text, message text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with ref (object, kind, name) as (
        select format('transition "%s"', t.ord), 'stage', t.from_stage
        from handoff.transition t where t.contract_id = $1
        union all
        select format('transition "%s"', t.ord), 'stage', t.to_stage
        from handoff.transition t where t.contract_id = $1
        union all
        select format('transition "%s"', t.ord), 'leg', t.leg from handoff.transition t where t.contract_id = $1
        union all
        select format('stage "%s"', s.name), 'stage', s.max_age_to from handoff.stage s where s.contract_id = $1
        union all
        select format('stage "%s"', s.name), 'lead field', r
        from handoff.stage s, unnest(s.required) r where s.contract_id = $1
        union all
        select format('validation "%s %s"', v.field, v.ord), 'lead field', v.field
        from handoff.validation v where v.contract_id = $1
        union all
        select format('gate "%s"', g.ord), 'leg', g.leg from handoff.gate g where g.contract_id = $1
        union all
        select format('route "%s"', r.name), 'leg', r.leg from handoff.route r where r.contract_id = $1
        union all
        select format('route "%s"', r.name), 'lead field', r.key_field from handoff.route r where r.contract_id = $1
        union all
        select format('route "%s"', r.name), r.target_kind, r.target from handoff.route r
        where r.contract_id = $1 and r.target_kind in ('pool', 'rep')
        union all
        select format('sla "%s"', s.name), 'leg', s.leg from handoff.sla s where s.contract_id = $1
        union all
        select format('work standard "%s %s"', w.name, w.ord), 'leg', w.leg
        from handoff.work_standard w where w.contract_id = $1
        union all
        select format('cadence step "%s %s"', c.leg, c.step), 'leg', c.leg
        from handoff.cadence_step c where c.contract_id = $1
        union all
        select format('disposition "%s"', d.code), 'leg', d.leg from handoff.disposition d where d.contract_id = $1
        union all
        select format('disposition "%s"', d.code), 'work standard', d.needs_work
        from handoff.disposition d where d.contract_id = $1
        union all
        select format('disposition "%s"', d.code), 'recycle path', d.recycle_path
        from handoff.disposition d where d.contract_id = $1
        union all
        select format('disposition "%s"', d.code), 'signal', s
        from handoff.disposition d, unnest(d.reopen_on) s where d.contract_id = $1
        union all
        select format('escalation "%s %s"', e.sla, e.step), 'disposition', e.code
        from handoff.escalation e where e.contract_id = $1
        union all
        select format('crm status "%s"', x.value), 'disposition', x.code
        from handoff.crm_status x where x.contract_id = $1
        union all
        select format('crm status "%s"', x.value), 'stage', s
        from handoff.crm_status x, unnest(x.stages) s where x.contract_id = $1
        union all
        select format('recycle path "%s"', p.name), 'stage', p.to_stage
        from handoff.recycle_path p where p.contract_id = $1
        union all
        select format('recycle path "%s"', p.name), 'stage', p.exhausted_to
        from handoff.recycle_path p where p.contract_id = $1
        union all
        select format('recycle path "%s"', p.name), 'signal', s
        from handoff.recycle_path p, unnest(p.reenter_on) s where p.contract_id = $1
        union all
        select format('contract "%s"', c.name), 'calendar', c.calendar
        from handoff.contract c where c.contract_id = $1
        union all
        select format('contract "%s"', c.name), 'time zone', c.reporting_zone
        from handoff.contract c where c.contract_id = $1
        union all
        select format('calendar "%s"', c.name), 'time zone', handoff.zone(c.schedule) from handoff.calendar c
        union all
        select format('rep "%s"', r.rep), 'time zone', handoff.zone(r.schedule) from handoff.rep r where r.active
    ), known (kind, name) as (
        select 'stage', s.name from handoff.stage s where s.contract_id = $1
        union all
        select 'leg', l.name from handoff.leg l where l.contract_id = $1
        union all
        select 'lead field', f.name from handoff.known_fields($1) f where f.of = 'lead'
        union all
        select 'work standard', w.name from handoff.work_standard w where w.contract_id = $1
        union all
        select 'disposition', d.code from handoff.disposition d where d.contract_id = $1
        union all
        select 'recycle path', p.name from handoff.recycle_path p where p.contract_id = $1
        union all
        select 'signal', a.name from handoff.activity_rule a where a.contract_id = $1 and a.meaning = 'signal'
        union all
        select 'pool', p.pool from handoff.pool p
        union all
        select 'rep', r.rep from handoff.rep r
        union all
        select 'calendar', c.name from handoff.calendar c
        union all
        select 'time zone', z.name from pg_timezone_names z
    )
    select distinct 'error', r.object, format('unknown %s "%s"', r.kind, r.name),
           case r.kind
               when 'time zone' then 'Use an IANA name such as Europe/Berlin; SELECT name FROM pg_timezone_names lists them.'
               when 'lead field' then 'Declare it in handoff.field.'
               when 'signal' then 'Make an activity_rule of that name with meaning "signal".'
               else format('Make it, or use one of those there are: %s.',
                           coalesce((select string_agg(distinct k.name, ', ') from known k where k.kind = r.kind), 'none'))
           end
    from ref r
    where r.name is not null
      and not exists (select from known k where k.kind = r.kind and k.name = r.name)
$$;
comment on function handoff.check_names(int) is
    'Findings about names that stand for nothing: stages, legs, fields, signals, paths, standards, dispositions, pools, reps, calendar, time zone. Internal.';

create function handoff.check_journey(version int)
    returns table (severity text, object text, message text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select 'error', 'stage',
           case count(*) filter (where s.is_default) when 0 then 'no default stage' else 'several default stages' end,
           'Set is_default for exactly one stage: there a new lead begins.'
    from handoff.stage s
    where s.contract_id = $1
    having count(*) filter (where s.is_default) <> 1
    union all
    select 'error', format('stage "%s"', s.name), 'can''t be left',
           'Add a transition from it, give it a max_age with max_age_to, or make it terminal.'
    from handoff.stage s
    where s.contract_id = $1 and not s.is_terminal and s.max_age is null
      and not exists (select from handoff.transition t where t.contract_id = $1 and t.from_stage = s.name)
    union all
    select 'error', format('stage "%s"', s.name), 'belongs to sales and has no maximum age',
           'Set max_age and max_age_to: no lead may be forgotten with sales.'
    from handoff.stage s
    where s.contract_id = $1 and s.owner = 'sales' and not s.is_terminal and s.max_age is null
    union all
    select 'error', format('stage "%s"', s.name), 'its maximum age leads to itself', 'Choose another max_age_to.'
    from handoff.stage s
    where s.contract_id = $1 and s.max_age_to = s.name
    union all
    select 'warning', format('stage "%s"', s.name), 'nothing leads to it', 'Add a transition to it or delete it.'
    from handoff.stage s
    where s.contract_id = $1 and not s.is_default
      and not exists (select from handoff.transition t where t.contract_id = $1 and t.to_stage = s.name)
      and not exists (select from handoff.stage f where f.contract_id = $1 and f.max_age_to = s.name)
      and not exists (select from handoff.recycle_path p where p.contract_id = $1 and s.name in (p.to_stage, p.exhausted_to))
    union all
    select 'warning', format('leg "%s"', l.name), 'no transition passes it', 'Name it in a transition or delete it.'
    from handoff.leg l
    where l.contract_id = $1
      and not exists (select from handoff.transition t where t.contract_id = $1 and t.leg = l.name)
    union all
    select 'warning', format('transition "%s"', t.ord),
           format('is never reached: transition "%s" always fires before it', min(e.ord)),
           'Swap the two, or give the first one a guard.'
    from handoff.transition t
    join handoff.transition e
      on (e.contract_id, e.from_stage, e.event) = (t.contract_id, t.from_stage, t.event) and e.ord < t.ord
    join handoff.stage f on (f.contract_id, f.name) = (e.contract_id, e.from_stage) and f.exit is null
    join handoff.stage s
      on (s.contract_id, s.name) = (e.contract_id, e.to_stage) and s.entry is null and s.required = '{}'
    where t.contract_id = $1 and e.guard is null
      and (e.leg is null or not exists (select from handoff.gate g where g.contract_id = $1))
    group by t.ord
$$;
comment on function handoff.check_journey(int) is
    'Findings about stages, legs and transitions. Internal.';

create function handoff.check_score(version int)
    returns table (severity text, object text, message text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select 'error', format('score group "%s"', g.name), 'min_points is above max_points', 'Swap them.'
    from handoff.score_group g
    where g.contract_id = $1 and g.min_points > g.max_points
    union all
    select 'error', format('contract "%s"', c.name), l.message, 'Swap them.'
    from handoff.contract c
    cross join lateral (values (c.min_fit > c.max_fit, 'min_fit is above max_fit'),
                               (c.min_intent > c.max_intent, 'min_intent is above max_intent')) l (wrong, message)
    where c.contract_id = $1 and l.wrong
    union all
    select 'warning', format('score group "%s"', g.name), 'has no rules', 'Add score rules or delete it.'
    from handoff.score_group g
    where g.contract_id = $1
      and not exists (select from handoff.score_rule r where r.contract_id = $1 and r.score_group = g.name)
    union all
    select 'warning', format('score group "%s"', g.name),
           format('max_points %s can''t be reached: its rules give at most %s', g.max_points, sum(greatest(r.points, 0))),
           'Lower it, or add points.'
    from handoff.score_group g
    join handoff.score_rule r on (r.contract_id, r.score_group) = (g.contract_id, g.name)
    where g.contract_id = $1 and g.kind = 'fit'
    group by g.name, g.max_points
    having g.max_points > sum(greatest(r.points, 0))
    union all
    select 'error', format('band "%s"', later.name),
           format('is never reached: band "%s" comes first and asks no more', min(earlier.name)),
           'Order bands from the highest minimums to the lowest.'
    from handoff.band later
    join handoff.band earlier on earlier.contract_id = later.contract_id and earlier.ord < later.ord
    where later.contract_id = $1
      and (earlier.min_fit is null or earlier.min_fit <= later.min_fit)
      and (earlier.min_intent is null or earlier.min_intent <= later.min_intent)
      and (earlier.min_score is null or earlier.min_score <= later.min_score)
    group by later.name
    union all
    (
        select case when greatest(b.min_fit, b.min_intent, b.min_score) > 0 then 'error' else 'warning' end,
               format('band "%s"', b.name),
               'is the last one and leaves out the leads below its minimums',
               case when greatest(b.min_fit, b.min_intent, b.min_score) > 0
                    then 'Leave all minimums of the last band empty.'
                    else 'Points can be negative: leave them empty, or set min_fit and min_intent of the contract to 0.' end
        from (select * from handoff.band where contract_id = $1 order by ord desc limit 1) b
        join handoff.contract c on c.contract_id = b.contract_id
        where b.min_fit > coalesce(c.min_fit, b.min_fit - 1)
           or b.min_intent > coalesce(c.min_intent, b.min_intent - 1)
           or b.min_score > coalesce(c.min_fit + c.min_intent, b.min_score - 1)
    )
$$;
comment on function handoff.check_score(int) is
    'Findings about score groups, limits and bands. Internal.';

create function handoff.check_route(version int)
    returns table (severity text, object text, message text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select 'error', format('leg "%s"', l.name),
           case when r.name is null then 'has no route'
                else format('its last route, "%s", does not always match', r.name) end,
           'End each leg with a route without criteria to a fallback pool.'
    from handoff.leg l
    left join lateral (
        select r.name, r.criteria from handoff.route r where r.contract_id = $1 and r.leg = l.name order by r.ord desc limit 1
    ) r on true
    where l.contract_id = $1 and (r.name is null or r.criteria is not null)
    union all
    select 'warning', format('route "%s"', r.name),
           format('is the fallback of leg "%s" and targets neither a pool nor a rep', r.leg),
           'A lead without that target stays unassigned.'
    from (select distinct on (leg) * from handoff.route where contract_id = $1 order by leg, ord desc) r
    where r.criteria is null and r.target_kind not in ('pool', 'rep')
    union all
    select 'warning', format('route "%s"', r.name), format('targets rep "%s", who takes no leads yet', r.target),
           'He was made of a CRM user: put him into a pool with handoff.set_member(), or set handoff.rep.takes_leads.'
    from handoff.route r
    join handoff.rep p on p.rep = r.target and not p.takes_leads
    where r.contract_id = $1 and r.target_kind = 'rep'
    union all
    select 'warning', format('route "%s"', r.name),
           format('says delegate, which means nothing for a target of kind %s', r.target_kind),
           'Only a rep that a route names has a delegate; the lead waits, as with assign_ahead.'
    from handoff.route r
    where r.contract_id = $1 and r.if_unavailable = 'delegate' and r.target_kind in ('pool', 'crm_owner', 'booked_host')
    union all
    select 'warning', format('route "%s"', r.name), format('nobody has the role "%s" in the team of any account', r.target),
           'Fill handoff.account_team.'
    from handoff.route r
    where r.contract_id = $1 and r.target_kind = 'account_team'
      and not exists (select from handoff.account_team t where t.role = r.target)
    union all
    select 'warning', format('pool "%s"', p.pool), 'has no members',
           format('Add some, for example with handoff.add_rep(.., pool => %L).', p.pool)
    from handoff.pool p
    where exists (select from handoff.route r where r.contract_id = $1 and r.target_kind = 'pool' and r.target = p.pool)
      and not exists (select from handoff.pool_member m where m.pool = p.pool)
$$;
comment on function handoff.check_route(int) is
    'Findings about routes and pools. Internal.';

create function handoff.check_work(version int)
    returns table (severity text, object text, message text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
    set intervalstyle = postgres -- a message reads the same to everybody
as $$
    select 'error', format('disposition "%s"', d.code), f.message, f.hint
    from handoff.disposition d
    cross join lateral (values
        (d.no_response and d.outcome <> 'recycle', 'means that nobody answered and does not recycle',
         'Set its outcome to recycle: no response is never final.'),
        (d.no_response and d.needs_work is null, 'means that nobody answered and asks for no work',
         'Name a work standard in needs_work.'),
        (d.outcome = 'recycle' and d.recycle_path is null, 'recycles without a path', 'Name a recycle_path.'),
        (d.outcome = 'lost' and d.recycle_path is null, 'says what follows a lost opportunity, without a path', 'Name a recycle_path.'),
        (d.outcome = 'lost' and exists (select from handoff.disposition o where o.contract_id = $1 and o.outcome = 'lost' and o.code < d.code),
         'is not the only one that says what follows a lost opportunity', 'Leave one with outcome lost.'),
        (d.outcome not in ('recycle', 'lost') and d.recycle_path is not null, 'has a recycle path and does not recycle',
         'Set its outcome to recycle or take the path away.'),
        (d.outcome <> 'disqualified' and d.reopen_on <> '{}', 'has signals that reopen and does not disqualify',
         'Only disqualified leads are reopened; a recycle path has reenter_on.')
    ) f (wrong, message, hint)
    where d.contract_id = $1 and f.wrong
    union all
    select 'error', format('disposition "%s"', min(d.code)), format('no transition has its event "%s"', e.event),
           'Add a transition for the event, or no lead can follow.'
    from handoff.disposition d
    join (values ('recycle', 'recycled'), ('disqualified', 'disqualified'), ('returned', 'returned'), ('lost', 'lost')) e (outcome, event)
      using (outcome)
    where d.contract_id = $1
      and not exists (select from handoff.transition t where t.contract_id = $1 and t.event = e.event)
    group by e.event
    union all
    select 'error', format('recycle path "%s"', p.name),
           format('exhausted leads go to "%s", which does not belong to marketing', s.name),
           'Choose a stage owned by marketing.'
    from handoff.recycle_path p
    join handoff.stage s on s.contract_id = p.contract_id and s.name = p.exhausted_to
    where p.contract_id = $1 and s.owner <> 'marketing'
    union all
    select 'warning', format('stage "%s"', s.name),
           format('exhausted leads leave it without a signal, %s',
                  coalesce('after ' || s.max_age::text, 'by transition "' || t.ord || '" as soon as it holds')),
           'Let only transitions on signal lead out of it: what is exhausted was tried as often as its path allows.'
    from handoff.stage s
    left join lateral (select min(t.ord) as ord from handoff.transition t
                       where t.contract_id = $1 and t.from_stage = s.name and t.event = 'scored') t on true
    where s.contract_id = $1 and s.owner = 'marketing' and (s.max_age is not null or t.ord is not null)
      and exists (select from handoff.recycle_path p where p.contract_id = $1 and p.exhausted_to = s.name)
    union all
    select 'error', format('recycle path "%s"', p.name), format('returns leads to "%s", which belongs to sales', s.name),
           'Choose a stage of marketing: only a leg leads to sales.'
    from handoff.recycle_path p
    join handoff.stage s on s.contract_id = p.contract_id and s.name = p.to_stage
    where p.contract_id = $1 and s.owner = 'sales'
    union all
    select 'error', format('recycle path "%s"', p.name), format('returns leads to "%s", where they rest', p.to_stage),
           'Choose the stage in which they begin anew.'
    from handoff.recycle_path p
    where p.contract_id = $1
      and exists (select from handoff.transition t
                  join handoff.disposition d on d.contract_id = $1 and d.recycle_path = p.name
                   and t.event = case d.outcome when 'lost' then 'lost' else 'recycled' end
                  where t.contract_id = $1 and t.to_stage = p.to_stage)
    union all
    select 'error', format('recycle path "%s"', p.name), 'nothing brings a lead back',
           'Set a delay, or name signals in reenter_on.'
    from handoff.recycle_path p
    where p.contract_id = $1 and p.delay is null and p.reenter_on = '{}'
    union all
    select 'error', format('crm status "%s"', x.value), 'qualifies and no transition has event "qualified"',
           'Add a transition for the event, or take qualifies away.'
    from handoff.crm_status x
    where x.contract_id = $1 and x.qualifies
      and not exists (select from handoff.transition t where t.contract_id = $1 and t.event = 'qualified')
    union all
    select 'error', format('crm status "%s"', x.value), format('means disposition "%s", which nobody gives', x.code),
           'Outcome lost follows from the opportunities themselves. Leave code out.'
    from handoff.crm_status x
    join handoff.disposition d on d.contract_id = x.contract_id and d.code = x.code and d.outcome = 'lost'
    where x.contract_id = $1
    union all
    select 'warning', format('disposition "%s"', d.code), 'is to be reverted, and no status fits the stages that sales owns',
           'Give a row of crm_status the stage: without it there is nothing to write back.'
    from handoff.disposition d
    where d.contract_id = $1 and d.on_violation = 'revert'
      and exists (select from handoff.crm_status x where x.contract_id = $1 and x.code = d.code)
      and not exists (select from handoff.crm_status x
                      join handoff.stage s on s.contract_id = x.contract_id and s.name = any (x.stages) and s.owner = 'sales'
                      where x.contract_id = $1)
    union all
    select 'error', format('sla "%s"', s.name), format('has scope assignment, which metric %s has not', s.metric),
           'Scope assignment is for accept and first_touch; the others begin anew by themselves. Leave scope out.'
    from handoff.sla s
    where s.contract_id = $1 and s.scope = 'assignment' and s.metric not in ('accept', 'first_touch')
    union all
    select 'error', format('sla "%s"', s.name), 'counts business time and its target has months',
           'Open time has no months: give days, each the open time of one date, and hours.'
    from handoff.sla s
    where s.contract_id = $1 and s.clock = 'business' and extract(month from s.target) + extract(year from s.target) <> 0
    union all
    select 'warning', format('sla "%s"', s.name), 'counts business time and the contract names no calendar',
           'Reps and pools without a calendar of their own have no business time: set contract.calendar.'
    from handoff.sla s
    join handoff.contract c using (contract_id)
    where s.contract_id = $1 and s.clock = 'business' and c.calendar is null
    union all
    select 'error', format('sla "%s"', s.name), format('counts business time in calendar "%s", which does not open within ten years', k.name),
           'Give it hours with handoff.set_calendar(), or take exceptions away with handoff.remove_exception().'
    from handoff.sla s
    join handoff.contract c using (contract_id)
    join handoff.calendar k on k.name = c.calendar
    where s.contract_id = $1 and s.clock = 'business' and handoff.never_opens(k.name)
    union all
    select 'warning', format('calendar "%s"', k.name), 'does not open within ten years',
           'Give it hours with handoff.set_calendar(), or take exceptions away with handoff.remove_exception().'
    from handoff.calendar k
    where handoff.never_opens(k.name)
      and not exists (select from handoff.sla s join handoff.contract c using (contract_id)
                      where s.contract_id = $1 and s.clock = 'business' and c.calendar = k.name)
    union all
    select 'warning', format('sla "%s"', s.name), format('no activity_rule has meaning %s: it can''t be met', m.meaning),
           'Say which activities count.'
    from handoff.sla s
    join (values ('first_touch', 'touch', 'contact'), ('next_touch', 'touch', 'contact'),
                 ('response', 'touch', 'contact'), ('meeting_held', 'meeting_held', 'meeting_held')
         ) m (metric, meaning, or_meaning) using (metric)
    where s.contract_id = $1
      and not exists (select from handoff.activity_rule a
                      where a.contract_id = $1 and a.meaning in (m.meaning, m.or_meaning))
$$;
comment on function handoff.check_work(int) is
    'Findings about dispositions, CRM statuses, recycle paths and SLAs. Internal.';

create function handoff.check_collision(version int)
    returns table (severity text, object text, message text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select 'warning', format('collision "%s"', c.scope), 'is not acted on yet', 'This release knows collisions of persons only.'
    from handoff.collision c
    where c.contract_id = $1 and c.scope <> 'person'
    union all
    select 'warning', format('gate "%s"', g.ord), format('its code "%s" means another lead of the same person, too', g.code),
           'Choose another code.'
    from handoff.gate g
    where g.contract_id = $1 and g.code in ('joined', 'duplicate')
$$;
comment on function handoff.check_collision(int) is
    'Findings about collisions. Internal.';

create function handoff.validate(version int default null)
    returns table (severity text, object text, message text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select f.severity, f.object, f.message, f.hint
    from (select handoff.chosen_version($1)) v (id)
    cross join lateral (
        select * from handoff.check_rules(v.id)
        union all select * from handoff.check_order(v.id)
        union all select * from handoff.check_names(v.id)
        union all select * from handoff.check_journey(v.id)
        union all select * from handoff.check_score(v.id)
        union all select * from handoff.check_route(v.id)
        union all select * from handoff.check_territories(v.id)
        union all select * from handoff.check_work(v.id)
        union all select * from handoff.check_escalation(v.id)
        union all select * from handoff.check_standard(v.id)
        union all select * from handoff.check_collision(v.id)
        union all select * from handoff.check_target(v.id)
        union all select * from handoff.check_challenge(v.id)
    ) f (severity, object, message, hint)
    order by f.severity, f.object collate "C", f.message collate "C"
$$;
comment on function handoff.validate(int) is
    'Findings about a version (default: the draft, if there is exactly one, else the version in force): severity (error stops publish(), warning does not), object, message, hint. No row: nothing to complain of. LH012: no such version.';

revoke all on function handoff.unfed_fields() from public;
revoke all on function handoff.check_rules(int) from public;
revoke all on function handoff.check_order(int) from public;
revoke all on function handoff.check_names(int) from public;
revoke all on function handoff.check_journey(int) from public;
revoke all on function handoff.check_score(int) from public;
revoke all on function handoff.check_route(int) from public;
revoke all on function handoff.check_work(int) from public;
revoke all on function handoff.check_collision(int) from public;
revoke all on function handoff.validate(int) from public;
