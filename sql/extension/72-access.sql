-- sql/extension/72-access.sql: who may do what, and who sees which leads.
--
-- A level is what a role may call and read. Of reps and managers the tables show their own leads only, by a policy
-- for each level that names its roles: so it costs the others nothing, and these a look into an index of the lead's
-- assignments. Which leads are whose functions in C ask in src/flow/access.c; docs/access.md tells it in prose.

create function handoff.my_rep() returns text
    language c stable
    as 'MODULE_PATHNAME', 'lh_my_rep';
comment on function handoff.my_rep() is
    'The rep that the current role stands for (handoff.set_rep_role()), as long as he is active; NULL: none.';

create function handoff.my_team() returns text[]
    language c stable
    as 'MODULE_PATHNAME', 'lh_my_team';
comment on function handoff.my_team() is
    'The reps whose leads the current role sees and works with access manager: himself, those whose manager he is, the members of pools that he leads, and so on down. Empty: the role stands for no rep.';

create function handoff.my_claims() returns text[]
    language c stable
    as 'MODULE_PATHNAME', 'lh_my_claims';
comment on function handoff.my_claims() is
    'Keys of the leads that the rep (a manager: his reps) may claim whom the current role stands for: open handoffs that nobody has, or that fell to the last route of their leg, of legs of which a route leads to a pool of his.';

create function handoff.secured_tables() returns text[]
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
return array[
    'lead', 'handoff', 'assignment', 'clock', 'activity', 'event', 'stage_history', 'escalation_done', 'violation', 'opportunity_link'
];
comment on function handoff.secured_tables() is
    'A lead''s own tables that reps and managers may read: row security shows them their leads. All have lead_key.';

create function handoff.limited_views() returns text[]
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
return array['my_queue', 'my_handoff', 'my_clock', 'at_risk', 'unassigned'];
comment on function handoff.limited_views() is
    'Views that show what the caller may see of the tables: they run with his rights.';

create function handoff.enable_row_security() returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    tab text;
begin
    for tab in
        select c.relname from pg_class c
        where c.relnamespace = 'handoff'::regnamespace and c.relname = any (handoff.secured_tables()) and not c.relrowsecurity
    loop
        execute format('alter table handoff.%I enable row level security', tab);
    end loop;
end
$$;
comment on function handoff.enable_row_security() is 'Turns row security on where it is not. Internal to setup() and grant_access().';

-- Policies -----------------------------------------------------------------------------------------

create function handoff.policy_roles(tab text, policy text) returns text[]
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select array_agg(o.rolname::text order by o.rolname)
    from pg_policy p
    cross join unnest(p.polroles) r (oid)
    join pg_roles o on o.oid = r.oid
    where p.polrelid = format('handoff.%I', $1)::regclass and p.polname = $2
$$;
comment on function handoff.policy_roles(text, text) is 'Roles that a policy of a table is for; NULL: there is no such policy. Internal.';

create function handoff.policy_text(tab text, policy text) returns text
    language sql immutable
    set search_path = pg_catalog, pg_temp
return case
    when policy = 'all_leads' then 'using (true) with check (true)'
    -- whose a lead is, and was until its handoff ended not long ago, stands in its assignments
    when tab = 'assignment' then format(
        'using (rep = %s and (ended_at is null or end_reason = ''closed'' and ended_at > now() - interval ''90 days'')'
        ' or lead_key = any ((select handoff.my_claims())::text[]))',
        case policy when 'own_leads' then '(select handoff.my_rep())' else 'any ((select handoff.my_team())::text[])' end)
    -- a rep's are few: found once, and looked up in the table's index; a team's are too many for that
    when policy = 'own_leads' then
        'using (lead_key = any (array(select a.lead_key from handoff.assignment a union all select unnest(handoff.my_claims()))))'
    else format('using (exists (select from handoff.assignment a where a.lead_key = %I.lead_key)'
                ' or lead_key = any ((select handoff.my_claims())::text[]))', tab)
end;
comment on function handoff.policy_text(text, text) is
    'What a policy (all_leads, own_leads, team_leads) shows of a table. The assignments that a role sees say which leads it sees. Internal.';

create function handoff.set_policy(role_name text, policy text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    tab   text;
    other text;
    roles text[];
begin
    foreach tab in array handoff.secured_tables() loop
        foreach other in array array['all_leads', 'own_leads', 'team_leads'] loop
            roles := handoff.policy_roles(tab, other);
            if other = policy and roles is null then
                execute format('create policy %I on handoff.%I for %s to %I %s', other, tab, case other when 'all_leads' then 'all' else 'select' end,
                               role_name, handoff.policy_text(tab, other));
            elsif other = policy and role_name <> all (roles) or other is distinct from policy and role_name = any (roles) then
                roles := case when other = policy then roles || role_name else array_remove(roles, role_name) end;
                if roles = '{}' then
                    execute format('drop policy %I on handoff.%I', other, tab);
                else
                    execute format('alter policy %I on handoff.%I to %s', other, tab,
                                   (select string_agg(quote_ident(r), ', ') from unnest(roles) r));
                end if;
            end if;
        end loop;
    end loop;
end
$$;
comment on function handoff.set_policy(text, text) is
    'Makes a role one of those that a policy (all_leads, own_leads, team_leads; NULL: none) is for, on every secured table, and none of the others. Locks a table for a moment where that changes something. Internal.';

-- Levels -------------------------------------------------------------------------------------------

create function handoff.reader_views() returns text[]
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
return array[
    'axis_band', 'axis_code', 'axis_date', 'axis_leg', 'axis_pool', 'axis_route', 'axis_segment', 'axis_source', 'axis_stage', 'axis_version',
    'challenge', 'challenge_run', 'challenge_tally', 'error_rate', 'follow_up_depth', 'funnel', 'journey', 'kpi_band', 'kpi_leg', 'kpi_match',
    'kpi_month', 'kpi_pool', 'kpi_route', 'kpi_segment', 'kpi_source',
    'kpi_version', 'maturity', 'on_cadence', 'pipeline_attribution', 'pipeline_influence', 'recycle_conversion', 'rejection_reason',
    'response_split', 'review_cell', 'review_clock', 'sla_attainment', 'source_health', 'speed_to_lead', 'stage_consistency', 'target_attainment',
    'time_in_stage', 'win_rate'
];
comment on function handoff.reader_views() is
    'Views that hold no personal data: what access reader may read.';

create function handoff.grant_views(role_name text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform handoff.grant_tables(role_name, handoff.reader_views());
    -- what the views call, which their reader must be allowed to
    execute format('grant execute on function handoff.view_time(), handoff.kaplan_meier(double precision, boolean, double precision[]),'
                   ' handoff.open_seconds(text, handoff.schedule, text, timestamptz, timestamptz),'
                   ' handoff.open_seconds(text, handoff.schedule, text, timestamptz, timestamptz, tstzmultirange) to %I', role_name);
    -- the review, which asks what its reader may read
    perform handoff.grant_functions(role_name, '{
        monthly_review,monthly_review_markdown,change_parts,review_tally,review_causes,review_reps,review_decisions,review_backlog,review_targets,review_proposal,
        dead_rules,wilson_interval,change_interval,difference_p,more_needed,challenge_verdict,share_words,rounded_span_words,span_words,markdown_text,table_markdown,line_markdown}');
end
$$;
comment on function handoff.grant_views(text) is
    'Lets a role read the views without personal data. Internal to grant_access().';

create function handoff.grant_functions(role_name text, names text[], and_stable boolean default false) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    f regprocedure;
begin
    for f in
        select p.oid from pg_proc p
        where p.pronamespace = 'handoff'::regnamespace and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
          -- those of range types come with their type, and so don't come with a dump
          and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'i')
          and (names is null or p.proname = any (names) or and_stable and p.provolatile <> 'v')
    loop
        execute format('grant execute on function %s to %I', f, role_name);
    end loop;
end
$$;
comment on function handoff.grant_functions(text, text[], boolean) is
    'Lets a role call functions by name, or (names NULL) all of them; also those that change nothing, if asked. Internal to grant_access().';

create function handoff.grant_tables(role_name text, tabs text[]) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    execute format('grant select on %s to %I', (
        select string_agg(format('handoff.%I', c.relname), ', ')
        from pg_class c
        where c.relnamespace = 'handoff'::regnamespace
          and (c.relkind in ('r', 'v') and c.relname = any (tabs)
               or c.relkind = 'r' and starts_with(c.relname, 'kept_') and substr(c.relname, 6) = any (tabs))), role_name);
end
$$;
comment on function handoff.grant_tables(text, text[]) is 'Lets a role read tables and views, and what is kept of these. Internal to grant_access().';

create function handoff.grant_operator(role_name text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    execute format('grant select on all tables in schema handoff to %I', role_name);
    execute format('grant insert on handoff.inbox to %I', role_name);
    execute format('grant update on handoff.delivery to %I', role_name);
    execute format('grant update (paused_at, people_seen, jobs_by, jobs_role, jobs_every, jobs_maintain_at, jobs_since) on handoff.meta to %I', role_name);
    execute format('grant update (paused_at, deletes_held_at, leavers_held_at) on handoff.source to %I', role_name);
    execute format('grant update (leaving_since) on handoff.crm_user to %I', role_name);
    execute format('grant delete on handoff.absence to %I', role_name);
    execute format('grant insert, update on handoff.review_decision to %I', role_name);
    -- what doctor() and the views call, and what keeps it running
    perform handoff.grant_functions(role_name, '{
        tick,retry_quarantine,purge_activities,pause,resume,reconcile,release_deletes,queue_deletes,forget_deletes,rematch,queue_unmatched,replan,
        maintain,keep_kpis,purge_job_runs,schedule_jobs,unschedule_jobs,drop_jobs,put_job,
        release_leavers,forget_leavers,lease,lease_singles,lease_digests,close_digest,free_next,note_delivered,ack,ack_singles,ack_all,nack,extend,requeue,
        explain,act,touch_lead,accept,qualify,recycle,disqualify,return_lead,dispose,undispose,override_work,work_status,hand_over,set_stage,reassign,claim,touch,merge_lead,record_decision,
        set_opportunity_link,link_opportunity,unlink_opportunity}',
        and_stable => true);
end
$$;
comment on function handoff.grant_operator(text) is 'What access operator is: docs/access.md. Internal to grant_access().';

create function handoff.grant_limited(role_name text, access text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform handoff.grant_tables(role_name, handoff.secured_tables() || handoff.limited_views() || '{
        journey,contract,stage,leg,transition,band,activity_rule,sla,escalation,channel,work_standard,cadence_step,disposition,recycle_path,
        pool,pool_member}');
    execute format('grant select (rep, name, manager, zone, schedule, calendar, active, takes_leads) on handoff.rep to %I', role_name);
    perform handoff.grant_functions(role_name, '{
        view_time,kaplan_meier,open_seconds,my_rep,my_claims,explain,history,brief,work_status,next_lead,
        act,touch_lead,accept,qualify,recycle,disqualify,return_lead,dispose,undispose,claim,touch}');
    if access = 'manager' then
        perform handoff.grant_functions(role_name, '{my_team,reassign,override_work,weekly_review,need_pool}');
        perform handoff.grant_views(role_name);
    end if;
end
$$;
comment on function handoff.grant_limited(text, text) is 'What access rep and manager are: docs/access.md. Internal to grant_access().';

create function handoff.revoke_access(role_name text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform handoff.need_role(role_name);
    perform handoff.set_policy(role_name, null);
    execute format('revoke all on all tables in schema handoff from %I', role_name);
    execute format('revoke all on all routines in schema handoff from %I', role_name);
    execute format('revoke all on schema handoff from %I', role_name);
end
$$;
comment on function handoff.revoke_access(text) is
    'Takes from a role whatever it was granted in schema handoff, by grant_access() or by hand. What it has as a member of another role, it keeps. Error 42704: no such role.';

create function handoff.need_role(role_name text) returns void
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if role_name is null or not exists (select from pg_roles where rolname = role_name) then
        raise exception 'role "%" does not exist', role_name
            using errcode = '42704', hint = 'No role is created here: CREATE ROLE first.';
    end if;
end
$$;
comment on function handoff.need_role(text) is 'Error 42704 unless there is such a role. Internal.';

create function handoff.grant_access(role_name text, access text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if access is null or access not in ('admin', 'operator', 'manager', 'rep', 'reader') then
        raise exception 'unknown access "%"', access
            using errcode = '22023', hint = 'Access is admin, operator, manager, rep or reader.';
    end if;
    perform handoff.need_role(role_name);
    -- who is to see his own leads only must not keep what would show him others, and the other way round
    if access in ('manager', 'rep')
        or exists (select from unnest(array['own_leads', 'team_leads']) p where role_name = any (handoff.policy_roles('lead', p))) then
        perform handoff.revoke_access(role_name);
    end if;
    perform handoff.enable_row_security();
    execute format('grant usage on schema handoff to %I', role_name);
    case access
        when 'admin' then
            execute format('grant select, insert, update, delete on all tables in schema handoff to %I', role_name);
            perform handoff.grant_functions(role_name, null);
        when 'operator' then
            perform handoff.grant_operator(role_name);
        when 'reader' then
            perform handoff.grant_views(role_name);
        else
            perform handoff.grant_limited(role_name, access);
    end case;
    if access <> 'reader' then
        perform handoff.set_policy(role_name, case access when 'rep' then 'own_leads' when 'manager' then 'team_leads' else 'all_leads' end);
    end if;
    -- with it one could try addresses on the tombstones
    execute format('revoke all on handoff.secret from %I', role_name);
end
$$;
comment on function handoff.grant_access(text, text) is
    'Gives an existing role access: admin (contracts, sources, everything), operator (tick and maintain and their jobs, doctor, quarantine, pause, delivery, the work API for anybody at any time; reads all), manager (his reps'' leads: reads and works them, reassigns, overrides work standards; KPIs), rep (his own leads), reader (views without personal data). Manager and rep stand for the rep that set_rep_role() says, and have no other access besides. The tables of leads are locked for a moment. Safe to repeat, needed again after an upgrade. Errors: 22023 (no such access), 42704 (no such role).';

create function handoff.set_rep_role(rep text, role_name text default null) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    other text;
begin
    perform handoff.need_rep(rep);
    if role_name is not null then
        perform handoff.need_role(role_name);
        select r.rep into other from handoff.rep r where r.role_name = set_rep_role.role_name and r.rep <> set_rep_role.rep;
        if found then
            raise exception 'role "%" stands for rep "%"', role_name, other
                using errcode = '23505', hint = format('A role stands for one rep. Take it from him first: SELECT handoff.set_rep_role(%L).', other);
        end if;
    end if;
    perform handoff.change_rep(rep, jsonb_build_object('role_name', role_name));
end
$$;
comment on function handoff.set_rep_role(text, text) is
    'Says which database role stands for a rep (NULL: none any more): what it does in the work API is done by him, and with access rep or manager it sees his leads. Never guessed from names. Logged. Errors: 42704 (no such rep, no such role), 23505 (the role stands for another).';

-- What is wrong -------------------------------------------------------------------------------------

create function handoff.limited_roles() returns table (role_name text, policy text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with may (role, name) as (
        select a.grantee, p.proname
        from pg_proc p
        cross join aclexplode(p.proacl) a
        where p.pronamespace = 'handoff'::regnamespace and p.proname in ('my_claims', 'my_team', 'tick') and a.privilege_type = 'EXECUTE'
          and a.grantee <> p.proowner
    )
    select o.rolname, case when bool_or(m.name = 'my_team') then 'team_leads' else 'own_leads' end
    from may m
    join pg_roles o on o.oid = m.role
    group by o.rolname
    having bool_and(m.name <> 'tick')
$$;
comment on function handoff.limited_roles() is
    'Roles with access rep or manager, by what they may call, and the policy that shows them their leads. Internal to doctor().';

create function handoff.access_faults() returns table (what text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select format('row security of table "%s" is off', c.relname), 'Run handoff.setup().'
    from pg_class c
    where c.relnamespace = 'handoff'::regnamespace and c.relname = any (handoff.secured_tables()) and not c.relrowsecurity
    union all
    select format('role "%s" sees nothing of table "%s": it lacks policy %s', l.role_name, t.tab, l.policy),
           format('Run SELECT handoff.grant_access(%L, %L).', l.role_name, case l.policy when 'own_leads' then 'rep' else 'manager' end)
    from handoff.limited_roles() l
    cross join unnest(handoff.secured_tables()) t (tab)
    where l.role_name <> all (coalesce(handoff.policy_roles(t.tab, l.policy), '{}'))
    union all
    select format('role "%s" may read %s "%s", which does not leave out the leads of others', l.role_name,
                  case c.relkind when 'v' then 'view' else 'table' end, c.relname),
           'Take that from it; handoff.grant_access() grants what it needs.'
    from handoff.limited_roles() l
    cross join pg_class c
    where c.relnamespace = 'handoff'::regnamespace and c.relkind in ('r', 'v')
      and has_any_column_privilege(l.role_name, c.oid, 'select')
      and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname in ('lead_key', 'raw_key') and not a.attisdropped)
      and not (c.relname = any (handoff.secured_tables()) or coalesce(c.reloptions @> array['security_invoker=true'], false))
$$;
comment on function handoff.access_faults() is
    'Whoever is limited to his own leads and sees others, or not even those. Internal to doctor().';

revoke all on function handoff.my_rep() from public;
revoke all on function handoff.my_team() from public;
revoke all on function handoff.my_claims() from public;
revoke all on function handoff.secured_tables() from public;
revoke all on function handoff.limited_views() from public;
revoke all on function handoff.enable_row_security() from public;
revoke all on function handoff.policy_roles(text, text) from public;
revoke all on function handoff.policy_text(text, text) from public;
revoke all on function handoff.set_policy(text, text) from public;
revoke all on function handoff.reader_views() from public;
revoke all on function handoff.grant_views(text) from public;
revoke all on function handoff.grant_functions(text, text[], boolean) from public;
revoke all on function handoff.grant_tables(text, text[]) from public;
revoke all on function handoff.grant_operator(text) from public;
revoke all on function handoff.grant_limited(text, text) from public;
revoke all on function handoff.revoke_access(text) from public;
revoke all on function handoff.need_role(text) from public;
revoke all on function handoff.grant_access(text, text) from public;
revoke all on function handoff.set_rep_role(text, text) from public;
revoke all on function handoff.limited_roles() from public;
revoke all on function handoff.access_faults() from public;
