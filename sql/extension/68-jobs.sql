-- sql/extension/68-jobs.sql: who calls tick() and maintain().
--
-- pg_cron is a clock for us and no more: every call works from what is due, so a missed one is made up for.
-- Nothing here needs pg_cron to be there, so all that names it is dynamic. What was scheduled is noted in
-- handoff.meta, by which doctor() can tell a job that is gone from one that never was.
--
-- A job's name is unique per user in cron.job, and a user sees his own jobs only, a superuser all. So the
-- same job may be there twice: under another user's name, under another name, or with the name of another
-- database, if cron.job came here by a dump. Jobs are therefore known by name or by command and database.

create function handoff.job_commands()
    returns table (job text, jobname text, command text)
    language sql immutable
    set search_path = pg_catalog, pg_temp
as $$
    values ('tick', 'lead_handoff tick', 'select handoff.tick()'),
           ('maintain', 'lead_handoff maintain', 'select handoff.maintain()')
$$;
comment on function handoff.job_commands() is 'The jobs there are, their names in pg_cron and what they run: constants. Internal.';

create function handoff.cron_schedule(every interval) returns text
    language sql immutable strict
    set search_path = pg_catalog, pg_temp
as $$
    select case
        when s.n between 1 and 59 and s.n = floor(s.n) then format('%s seconds', s.n::int)
        when s.n = 60 then '* * * * *'
        when s.n = 3600 then '0 * * * *'
        when s.n between 61 and 1800 and mod(s.n, 60) = 0 and mod(60, s.n / 60) = 0 then format('*/%s * * * *', (s.n / 60)::int)
    end
    from (select extract(epoch from $1)) s (n)
$$;
comment on function handoff.cron_schedule(interval) is
    'The schedule of pg_cron that runs every so often: whole seconds below a minute, or minutes that divide an hour; NULL: it has none. Internal.';

create function handoff.cron_setting(name text) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    -- unlike current_setting() this knows nothing of a library that is configured and not loaded
    select s.setting from pg_settings s where s.name = 'cron.' || $1
$$;
comment on function handoff.cron_setting(text) is 'A setting of pg_cron; NULL: it is not loaded, or we may not see it. Internal.';

create function handoff.sees_cron() returns boolean
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select from pg_extension e
        join pg_depend d on d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid and d.deptype = 'e'
        join pg_namespace n on d.classid = 'pg_namespace'::regclass and n.oid = d.objid
        where e.extname = 'pg_cron' and n.nspname = 'cron' and has_schema_privilege(n.oid, 'usage'))
$$;
comment on function handoff.sees_cron() is 'Is pg_cron in this database, and may we use its schema? Internal.';

create function handoff.cron_jobs()
    returns table (job text, jobid bigint, jobname text, schedule text, command text, nodename text, nodeport int,
                   database text, username text, active boolean)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if handoff.sees_cron() then
        return query execute
            'select c.job, j.jobid, j.jobname::text, j.schedule, j.command, j.nodename, j.nodeport, j.database, j.username, j.active'
            ' from cron.job j left join handoff.job_commands() c on j.jobname = c.jobname or j.database = current_database()'
            '   and j.command ~* (''^\s*select\s+(\*\s*from\s+)?handoff\.'' || c.job || ''\(\s*\)\s*;?\s*$'')'
            ' where c.job is not null or j.database = current_database() and j.command ~* ''\mhandoff\.(tick|maintain)\M''';
    end if;
end
$$;
comment on function handoff.cron_jobs() is
    'Jobs of pg_cron that call us, as far as the caller may see them; job NULL: one that does other things, too. Internal.';

create function handoff.drop_jobs(kept bigint[] default '{}') returns int
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    doomed bigint;
    n      int := 0;
begin
    for doomed in select j.jobid from handoff.cron_jobs() j where j.job is not null and j.jobid <> all (kept) order by j.jobid loop
        execute 'select cron.unschedule($1)' using doomed;
        n := n + 1;
    end loop;
    return n;
end
$$;
comment on function handoff.drop_jobs(bigint[]) is 'Takes our jobs from pg_cron, but those kept; of all users if a superuser calls. How many. Internal.';

create function handoff.put_job(job text, schedule text, role_name text) returns bigint
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    wanted record;
    put    bigint;
begin
    select c.jobname, c.command into wanted from handoff.job_commands() c where c.job = put_job.job;
    select min(j.jobid) into put
    from handoff.cron_jobs() j
    where j.job = put_job.job and j.jobname = wanted.jobname and j.command = wanted.command and j.schedule = put_job.schedule
      and j.database = current_database() and j.username = role_name and j.active and handoff.reaches_us(j.nodename, j.nodeport);
    if put is not null then
        return put;
    end if;
    -- pg_cron would change schedule and command of one with that name, and leave the rest of it
    for put in select j.jobid from handoff.cron_jobs() j where j.jobname = wanted.jobname and j.username = role_name loop
        execute 'select cron.unschedule($1)' using put;
    end loop;
    if role_name = current_user then
        execute 'select cron.schedule($1, $2, $3)' into put using wanted.jobname, schedule, wanted.command;
    else
        execute 'select cron.schedule_in_database($1, $2, $3, $4, $5)' into put
            using wanted.jobname, schedule, wanted.command, current_database(), role_name;
    end if;
    return put;
end
$$;
comment on function handoff.put_job(text, text, text) is 'Has pg_cron run a job of ours as a role; what is scheduled so already stays as it is. Its jobid. Internal.';

create function handoff.reaches_us(nodename text, nodeport int) returns boolean
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(handoff.cron_setting('use_background_workers') = 'on'
                    or $2 = current_setting('port')::int and $1 = coalesce(handoff.cron_setting('host'), $1), true)
$$;
comment on function handoff.reaches_us(text, int) is
    'Does a job of pg_cron that connects there reach this server? True as well where its settings can''t be seen. Internal.';

create function handoff.role_faults(role_name text)
    returns table (what text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select f.what, f.hint
    from pg_roles r
    cross join lateral (values
        (10, r.rolsuper, format('role "%s" is a superuser', $1),
         'Use one that may do no more than this: CREATE ROLE handoff_jobs LOGIN; SELECT handoff.grant_access(''handoff_jobs'', ''operator''); '
         || 'GRANT USAGE ON SCHEMA cron TO handoff_jobs; SELECT handoff.schedule_jobs(''handoff_jobs'').'),
        (20, not r.rolcanlogin, format('role "%s" is not permitted to log in', $1), format('ALTER ROLE %I LOGIN.', $1)),
        (30, not has_database_privilege(r.oid, current_database(), 'connect'), format('role "%s" may not connect to this database', $1),
         format('GRANT CONNECT ON DATABASE %I TO %I.', current_database(), $1)),
        (40, not has_schema_privilege(r.oid, 'handoff', 'usage') or not has_function_privilege(r.oid, 'handoff.tick(timestamptz, int)', 'execute')
             or not has_function_privilege(r.oid, 'handoff.maintain(timestamptz)', 'execute'),
         format('role "%s" may not call tick() and maintain()', $1), format('SELECT handoff.grant_access(%L, ''operator'').', $1)),
        (50, not coalesce((select has_schema_privilege(r.oid, n.oid, 'usage') from pg_namespace n where n.nspname = 'cron'), true),
         format('role "%s" may not use schema cron', $1), format('GRANT USAGE ON SCHEMA cron TO %I.', $1))
    ) f (ord, faulty, what, hint)
    where r.rolname = $1 and f.faulty
    order by f.ord
$$;
comment on function handoff.role_faults(text) is 'Why an existing role can''t run our jobs, the worst first; nothing: it can. Internal.';

create function handoff.need_cron() returns void
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    version text := (select e.extversion from pg_extension e where e.extname = 'pg_cron');
    home    text := handoff.cron_setting('database_name');
begin
    if version is null and home is null then
        raise exception 'pg_cron is not loaded'
            using errcode = 'LH032',
                  detail = 'Nothing says in which database it works: it is not installed, not in shared_preload_libraries, or that is not yours to see.',
                  hint = 'Set it up, or have something else call handoff.tick() and handoff.maintain() and say so: SELECT handoff.schedule_jobs(run_by => ''other'').';
    elsif version is null and home = current_database() then
        raise exception 'pg_cron is loaded, but not created in this database'
            using errcode = 'LH032', hint = 'CREATE EXTENSION pg_cron.';
    elsif version is null then
        raise exception 'pg_cron works from database "%"', home
            using errcode = 'LH032',
                  detail = 'Its jobs are in one database of a server, and can be seen there only.',
                  hint = format('As superuser there: SELECT cron.schedule_in_database(%L, %L, %L, %L, ''ROLE''), and so on with %L, %L, %L; then here: SELECT handoff.schedule_jobs(run_by => ''other'').',
                                left('lead_handoff tick ' || current_database(), 63), '* * * * *', 'select handoff.tick()', current_database(),
                                left('lead_handoff maintain ' || current_database(), 63), '17 3 * * *', 'select handoff.maintain()');
    elsif (regexp_match(version, '^(\d+)\.(\d+)'))::int[] < array[1, 4] then
        raise exception 'pg_cron % is too old', version
            using errcode = 'LH032', hint = '1.4 can do it. ALTER EXTENSION pg_cron UPDATE.';
    elsif not handoff.sees_cron() then
        raise exception 'role "%" may not use schema cron', current_user
            using errcode = 'LH032', hint = format('GRANT USAGE ON SCHEMA cron TO %I.', current_user);
    end if;
end
$$;
comment on function handoff.need_cron() is 'Error LH032 unless jobs can be scheduled with pg_cron from here; the hint says what to do. Internal.';

create function handoff.need_job_role(role_name text) returns void
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    is_super boolean := (select r.rolsuper from pg_roles r where r.rolname = current_user);
    present  text := (select m.jobs_role from handoff.meta m);
    fault    record;
begin
    if not exists (select from pg_roles r where r.rolname = role_name) then
        raise exception 'role "%" does not exist', role_name
            using errcode = '42704', hint = 'No role is created here: CREATE ROLE first.';
    end if;
    select f.what, f.hint into fault from handoff.role_faults(role_name) f limit 1;
    if found then
        raise exception '%', fault.what
            using errcode = 'LH032', detail = 'pg_cron could not run the jobs as that role, or should not.', hint = fault.hint;
    end if;
    if role_name <> current_user and not is_super then
        raise exception 'only a superuser schedules jobs for another role'
            using errcode = 'LH032', hint = format('Call schedule_jobs() as role "%s".', role_name);
    end if;
    if present <> role_name and not is_super then
        raise exception 'jobs are scheduled, and run as role "%"', present
            using errcode = 'LH032',
                  detail = format('Role "%s" does not see them, and both would run.', current_user),
                  hint = format('SELECT handoff.unschedule_jobs() as "%s" first, or schedule_jobs(%L) as superuser.', present, role_name);
    end if;
end
$$;
comment on function handoff.need_job_role(text) is 'Error LH032 unless the caller can have our jobs run as that role, 42704 if there is none. Internal.';

create function handoff.schedule_jobs(
    role_name   text default current_user,
    every       interval default '1 minute',
    maintain_at time default '03:17',
    run_by      text default 'pg_cron'
) returns table (job text, jobid bigint, schedule text, command text, runs_as text)
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    tick_schedule text := handoff.cron_schedule(every);
    jobids        bigint[];
    strange       record;
begin
    if run_by is null or run_by not in ('pg_cron', 'other') then
        raise exception 'unknown way to run jobs "%"', run_by using errcode = '22023', hint = 'It is pg_cron or other.';
    end if;
    perform from handoff.meta m for update;
    if not handoff.acts_here('schedule_jobs()') then
        return;
    end if;
    if run_by = 'other' then
        if every is null or every <= interval '0' or every > interval '1 day' then
            raise exception 'tick() can''t be called every "%"', every using errcode = '22023', hint = 'Say how often it will be called, once a day at least.';
        end if;
        perform handoff.unschedule_jobs();
        update handoff.meta set jobs_by = 'other', jobs_every = every, jobs_since = clock_timestamp();
        return;
    end if;

    perform handoff.need_cron();
    perform handoff.need_job_role(role_name);
    if tick_schedule is null or maintain_at is null then
        raise exception 'pg_cron has no schedule for every "%", or none for "%"', every, maintain_at
            using errcode = '22023', hint = 'It is whole seconds below a minute, or minutes that divide an hour; and a time of day.';
    end if;
    if tick_schedule like '%seconds' and (select (regexp_match(e.extversion, '^(\d+)\.(\d+)'))::int[] < array[1, 5] from pg_extension e where e.extname = 'pg_cron') then
        raise exception 'pg_cron of this version has no schedule in seconds'
            using errcode = 'LH032', hint = '1.5 has it. Call tick() every minute: small transactions are decided at their commit in any case.';
    end if;

    jobids := array[handoff.put_job('tick', tick_schedule, role_name),
                    handoff.put_job('maintain', format('%s %s * * *', extract(minute from maintain_at), extract(hour from maintain_at)), role_name)];
    perform handoff.drop_jobs(kept => jobids);
    update handoff.meta m
    set jobs_by = 'pg_cron', jobs_role = schedule_jobs.role_name, jobs_every = schedule_jobs.every, jobs_maintain_at = schedule_jobs.maintain_at,
        jobs_since = clock_timestamp()
    where (m.jobs_by, m.jobs_role, m.jobs_every, m.jobs_maintain_at)
          is distinct from ('pg_cron', schedule_jobs.role_name, schedule_jobs.every, schedule_jobs.maintain_at);
    for strange in select j.* from handoff.cron_jobs() j where j.job is null loop
        raise notice 'job % of role "%" calls us too: %', strange.jobid, strange.username, strange.command
            using hint = 'Two calls at once share the work. If it is not wanted: cron.unschedule().';
    end loop;
    return query select j.job, j.jobid, j.schedule, j.command, j.username from handoff.cron_jobs() j where j.jobid = any (jobids) order by j.jobid;
end
$$;
comment on function handoff.schedule_jobs(text, interval, time, text) is
    'Has pg_cron call tick() every so often (whole seconds below a minute from pg_cron 1.5 on, minutes that divide an hour) and maintain() once a day, at a time in GMT or cron.timezone, as role_name: one that may log in, is no superuser, has access operator and USAGE on schema cron. Safe to repeat: our jobs that are there are replaced. run_by => ''other'': something else calls them that often, which is noted for doctor(). Returns the jobs. Errors: LH032 (pg_cron or the role is not ready for it; the hint says what to do), LH031 (this is a copy), 42704 (no such role), 22023 (no such interval or way).';

create function handoff.unschedule_jobs() returns int
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    present text;
    n       int;
begin
    select m.jobs_role into present from handoff.meta m for update;
    if present <> current_user and not (select r.rolsuper from pg_roles r where r.rolname = current_user)
        and exists (select from pg_extension e where e.extname = 'pg_cron') then
        raise exception 'jobs are scheduled, and run as role "%"', present
            using errcode = 'LH032', hint = format('Call unschedule_jobs() as "%s" or as superuser.', present);
    end if;
    n := handoff.drop_jobs();
    update handoff.meta m
    set jobs_by = null, jobs_role = null, jobs_every = null, jobs_maintain_at = null, jobs_since = null
    where m.jobs_since is not null;
    return n;
end
$$;
comment on function handoff.unschedule_jobs() is
    'Takes the jobs of schedule_jobs() from pg_cron, and forgets that they were; to be called before DROP EXTENSION .. CASCADE, which leaves jobs that fail. How many there were. Error LH032: they run as another role, and the caller is no superuser.';

revoke all on function handoff.job_commands() from public;
revoke all on function handoff.cron_schedule(interval) from public;
revoke all on function handoff.cron_setting(text) from public;
revoke all on function handoff.sees_cron() from public;
revoke all on function handoff.cron_jobs() from public;
revoke all on function handoff.drop_jobs(bigint[]) from public;
revoke all on function handoff.put_job(text, text, text) from public;
revoke all on function handoff.reaches_us(text, int) from public;
revoke all on function handoff.role_faults(text) from public;
revoke all on function handoff.need_cron() from public;
revoke all on function handoff.need_job_role(text) from public;
revoke all on function handoff.schedule_jobs(text, interval, time, text) from public;
revoke all on function handoff.unschedule_jobs() from public;
