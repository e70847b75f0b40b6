-- sql/extension/69-job-status.sql: are tick() and maintain() called, by whom, and what is in their way.

create function handoff.up_since() returns timestamptz
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select pg_postmaster_start_time()
$$;
comment on function handoff.up_since() is 'Since when the server runs: what should have been called before could not be. Internal.';

create function handoff.last_runs()
    returns table (jobid bigint, status text, message text, at timestamptz)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if handoff.sees_cron() then
        return query execute
            'select j.jobid, r.status, r.return_message, r.start_time from handoff.cron_jobs() j cross join lateral ('
            '  select d.status, d.return_message, d.start_time from cron.job_run_details d where d.jobid = j.jobid'
            '  order by d.runid desc limit 1) r where j.job is not null';
    end if;
end
$$;
comment on function handoff.last_runs() is 'What pg_cron noted last of each job of ours that the caller may see. Internal.';

create function handoff.beat_faults()
    returns table (job text, severity text, what text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with beat as (
        select m.*, greatest(m.tick_clock, m.jobs_since, handoff.up_since()) as ticked,
               greatest(m.maintain_clock, m.jobs_since, handoff.up_since()) as maintained,
               greatest(3 * m.jobs_every, interval '1 minute') as patience
        from handoff.meta m
    )
    select 'tick', 'error', format('tick() was last called at %s', coalesce(b.tick_clock::text, 'no time')),
           format('It is to be called every %s by %s. See handoff.schedule_status().', b.jobs_every, case b.jobs_by when 'other' then 'something outside' else b.jobs_by end)
    from beat b
    where b.jobs_since is not null and b.ticked < clock_timestamp() - b.patience and current_setting('lead_handoff.enabled')::boolean
    union all
    select 'maintain', 'warning', format('maintain() was last called at %s', coalesce(b.maintain_clock::text, 'no time')),
           'It is to be called once a day. See handoff.schedule_status().'
    from beat b
    where b.jobs_since is not null and b.maintained < clock_timestamp() - interval '49 hours' and current_setting('lead_handoff.enabled')::boolean
    union all
    select 'tick', 'error', format('the clock was set back: the newest tick() was called at %s, which is to come', b.tick_clock),
           'pg_cron starts no job by the minute until the clock has passed that. A restart of the server has it begin now.'
    from beat b where b.jobs_since is not null and b.tick_clock > clock_timestamp() + interval '1 minute'
    union all
    select 'tick', 'warning', format('the clock went back: the newest tick was at %s, when time had been worked off up to %s', b.tick_last, b.tick_now),
           'What becomes due happens in the order of the clock as it is; events are never dated before those of the same lead.'
    from beat b where b.tick_last < b.tick_now - interval '1 minute'
$$;
comment on function handoff.beat_faults() is 'Were tick() and maintain() called when they should have been? Internal to job_faults().';

create function handoff.cron_faults()
    returns table (job text, severity text, what text, hint text)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    meta handoff.meta;
begin
    select m.* into meta from handoff.meta m;
    if meta.jobs_by is distinct from 'pg_cron' then
        return;
    end if;
    if not exists (select from pg_extension e where e.extname = 'pg_cron') then
        return query values (null, 'error', 'pg_cron is gone', 'Create it again and call handoff.schedule_jobs(), or handoff.unschedule_jobs().');
        return;
    end if;
    return query select null, 'error', f.what || ', and is to run the jobs', f.hint from handoff.role_faults(meta.jobs_role) f;
    if not exists (select from pg_roles r where r.rolname = meta.jobs_role) then
        return query values (null, 'error', format('there is no role "%s", which is to run the jobs', meta.jobs_role), 'Call handoff.schedule_jobs() for another one.');
    end if;
    if handoff.cron_setting('launch_active_jobs') = 'off' then
        return query values (null, 'error', 'pg_cron starts no jobs', 'cron.launch_active_jobs is off.');
    end if;
    if not handoff.sees_cron() or current_user <> meta.jobs_role and row_security_active('cron.job') then
        return query values (null, 'warning', 'the jobs could not be looked at', format('They can by a superuser and by role "%s".', meta.jobs_role));
        return;
    end if;
    return query
        select c.job, 'error', f.what, 'Call handoff.schedule_jobs() again.'
        from handoff.job_commands() c
        left join handoff.cron_jobs() j on j.jobname = c.jobname and j.username = meta.jobs_role
        cross join lateral (values
            (10, j.jobid is null, format('pg_cron has no job "%s" of role "%s"', c.jobname, meta.jobs_role)),
            (20, j.database <> current_database(), format('job "%s" runs in database "%s"', c.jobname, j.database)),
            (30, j.command <> c.command, format('job "%s" runs: %s', c.jobname, j.command)),
            (40, not j.active, format('job "%s" is not active', c.jobname)),
            (50, j.schedule <> case c.job when 'tick' then handoff.cron_schedule(meta.jobs_every)
                               else format('%s %s * * *', extract(minute from meta.jobs_maintain_at), extract(hour from meta.jobs_maintain_at)) end,
             format('job "%s" has the schedule %s', c.jobname, j.schedule)),
            (60, not handoff.reaches_us(j.nodename, j.nodeport),
             format('job "%s" connects to %s, port %s, which is not this server', c.jobname, j.nodename, j.nodeport))
        ) f (ord, faulty, what)
        where f.faulty
        union all
        select j.job, 'warning', format('the newest run of job "%s" failed at %s: %s', j.jobname, r.at, r.message), 'See cron.job_run_details.'
        from handoff.last_runs() r
        join handoff.cron_jobs() j on j.jobid = r.jobid
        where r.status = 'failed';
end
$$;
comment on function handoff.cron_faults() is 'Are the jobs in pg_cron as schedule_jobs() left them, and can they run? Internal to job_faults().';

create function handoff.job_faults()
    returns table (job text, severity text, what text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select null, 'error', format('this is a copy: the tables belong to database "%s" of system %s', m.database_name, m.system_identifier),
           'Nothing is decided, escalated or delivered here by itself. If it is to be: SELECT handoff.adopt_instance().'
    from handoff.meta m
    where (m.system_identifier, m.database_name) <> (handoff.system_identifier(), current_database())
    union all
    select null, 'warning', 'lead_handoff.enabled is off', 'Nothing is decided, escalated or delivered by itself where it is.'
    where not current_setting('lead_handoff.enabled')::boolean
    union all
    select f.job, f.severity, f.what, f.hint from handoff.cron_faults() f
    union all
    select f.job, f.severity, f.what, f.hint from handoff.beat_faults() f
$$;
comment on function handoff.job_faults() is
    'What keeps tick() and maintain() from being done as they should be; job NULL: both of them. Internal to doctor() and schedule_status().';

create function handoff.schedule_status()
    returns table (job text, run_by text, runs_as text, jobid bigint, schedule text, last_at timestamptz, last_status text, last_message text, faults text[])
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select c.job, m.jobs_by, m.jobs_role, j.jobid,
           coalesce(j.schedule, case when m.jobs_by = 'other' then case c.job when 'tick' then m.jobs_every::text else '1 day' end end),
           case c.job when 'tick' then m.tick_clock else m.maintain_clock end,
           r.status, r.message,
           array(select f.what from handoff.job_faults() f where coalesce(f.job, c.job) = c.job order by f.severity, f.what)
    from handoff.meta m
    cross join handoff.job_commands() c
    left join handoff.cron_jobs() j on j.jobname = c.jobname and j.username = m.jobs_role
    left join handoff.last_runs() r on r.jobid = j.jobid
    order by c.job desc
$$;
comment on function handoff.schedule_status() is
    'One row for tick() and one for maintain(): run_by pg_cron or other (NULL: nothing was scheduled), the role, jobid and schedule, when it was last called (clock time, by whomever), how pg_cron''s newest run of it ended, and what is in its way (empty: nothing). Jobs and runs are seen by a superuser and by their role.';

revoke all on function handoff.up_since() from public;
revoke all on function handoff.last_runs() from public;
revoke all on function handoff.beat_faults() from public;
revoke all on function handoff.cron_faults() from public;
revoke all on function handoff.job_faults() from public;
revoke all on function handoff.schedule_status() from public;
