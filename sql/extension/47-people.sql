-- sql/extension/47-people.sql: people who are away, at their limit, or leave; and how much room a pool has.

create function handoff.need_active_rep(rep text) returns void
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform handoff.need_rep(rep);
    if not (select r.active and r.takes_leads from handoff.rep r where r.rep = need_active_rep.rep) then
        raise exception 'rep "%" is not active', rep
            using errcode = '55000',
                  hint = 'handoff.activate_rep() lets him take leads again, handoff.set_member() one who was made of a CRM user.';
    end if;
end
$$;
comment on function handoff.need_active_rep(text) is 'Error 42704 unless there is such a rep, 55000 unless he is active. Internal.';

create function handoff.activate_rep(rep text) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform handoff.change_rep(rep, '{"active": true}');
end
$$;
comment on function handoff.activate_rep(text) is
    'The rep takes leads again; his turns begin where his pools are. Repeating it changes nothing. Error 42704: no such rep.';

create function handoff.set_limits(
    rep       text,
    per_day   int default null,
    per_week  int default null,
    per_month int default null
) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform handoff.need_rep(rep);
    if least(per_day, per_week, per_month) < 0 then
        raise exception 'a limit of % leads is below 0', least(per_day, per_week, per_month)
            using errcode = '22023', hint = 'NULL is no limit; 0 gets nothing.';
    end if;
    perform handoff.change_rep(rep, jsonb_build_object('max_per_day', per_day, 'max_per_week', per_week, 'max_per_month', per_month));
end
$$;
comment on function handoff.set_limits(text, int, int, int) is
    'Sets the most leads that pools give a rep in a day, a week (from Monday) and a month of the reporting zone; NULL: no limit. What routes name directly is not limited. Errors: 42704 (no such rep), 22023 (below 0).';

create function handoff.set_hours(rep text, schedule text default null, calendar text default null, zone text default null)
    returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform handoff.need_rep(rep);
    if calendar is not null then
        perform handoff.need_calendar(calendar);
    end if;
    -- fails here, not at the first lead, if this server doesn't know the zone
    perform handoff.is_open(schedule::handoff.schedule, clock_timestamp());
    perform handoff.is_open(('closed @ ' || zone)::handoff.schedule, clock_timestamp());
    perform handoff.change_rep(rep, jsonb_build_object('schedule', schedule, 'calendar', calendar, 'zone', zone));
end
$$;
comment on function handoff.set_hours(text, text, text, text) is
    'Says when a rep works: weekly hours of his own, with the exceptions of a calendar; else by that calendar, else by his pool''s or the contract''s, whose hours are meant in his time zone if one is given. Clocks of his that run are planned anew by the next tick. Errors: 42704 (no such rep, calendar), 22P02 (schedule), 22023 (a zone that the server doesn''t know).';

create function handoff.change_pool(pool text, change jsonb) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    old handoff.pool;
    new handoff.pool;
begin
    perform handoff.need_pool(pool);
    perform handoff.lock_group(array[pool]);
    select p.* into old from handoff.pool p where p.pool = change_pool.pool for update;
    new := jsonb_populate_record(old, change);
    if to_jsonb(new) = to_jsonb(old) then
        return;
    end if;
    update handoff.pool p set calendar = new.calendar, respect_schedule = new.respect_schedule, lead_rep = new.lead_rep
    where p.pool = change_pool.pool;
    perform handoff.log_operation('pool', pool, to_jsonb(old), to_jsonb(new));
end
$$;
comment on function handoff.change_pool(text, jsonb) is
    'Changes hours or lead of a pool (calendar, respect_schedule, lead_rep), under its lock, and logs it if anything is another than before. Error 42704: no such pool. Internal.';

create function handoff.set_pool_hours(pool text, calendar text default null, respect_schedule boolean default true) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
begin
    if calendar is not null then
        perform handoff.need_calendar(calendar);
    end if;
    perform handoff.change_pool(pool, jsonb_build_object('calendar', calendar, 'respect_schedule', respect_schedule));
end
$$;
comment on function handoff.set_pool_hours(text, text, boolean) is
    'Gives a pool the calendar of those of its members who have no hours of their own (NULL: the contract''s), and says whether they get leads only in their hours, or shortly before. Clocks that run are planned anew by the next tick. Error 42704: no such pool, calendar.';

create function handoff.set_manager(rep text, manager text default null) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
begin
    if rep = manager then
        raise exception 'rep "%" can''t be his own manager', rep using errcode = '22023';
    end if;
    perform handoff.change_rep(rep, jsonb_build_object('manager', manager));
end
$$;
comment on function handoff.set_manager(text, text) is
    'Says whom escalations tell about a rep, and who gets what he has worked on when he leaves: a rep, or an address. NULL: nobody, the lead of his pool is told. The CRM''s users say it too: who is a user gets the CRM''s manager with the next change there. Errors: 42704 (no such rep), 22023 (himself).';

create function handoff.set_pool_lead(pool text, rep text default null) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
begin
    if rep is not null then
        perform handoff.need_rep(rep);
    end if;
    perform handoff.change_pool(pool, jsonb_build_object('lead_rep', rep));
end
$$;
comment on function handoff.set_pool_lead(text, text) is
    'Says who leads a pool: whom escalations to pool_lead tell, and those to managers of reps who have none. NULL: nobody. Error 42704: no such pool, rep.';

create function handoff.add_away(
    rep       text,
    away_from timestamptz,
    away_to   timestamptz,
    delegate  text default null,
    reassign  boolean default false,
    note      text default null
) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    old jsonb;
    new jsonb;
begin
    perform handoff.need_rep(rep);
    if away_from >= away_to or away_from is null or away_to is null then
        raise exception 'an absence must end after it begins'
            using errcode = '22023', detail = format('From %s to %s.', away_from, away_to),
                  hint = 'infinity stands for an end that is not known.';
    end if;
    if delegate = rep then
        raise exception 'rep "%" can''t stand in for himself', rep using errcode = '22023';
    end if;
    if delegate is not null then
        perform handoff.need_rep(delegate);
    end if;
    perform handoff.lock_group(array(select m.pool from handoff.pool_member m where m.rep = add_away.rep));
    select to_jsonb(a) into old from handoff.rep_away a
    where a.rep = add_away.rep and a.away_from = add_away.away_from for update;
    insert into handoff.rep_away as a (rep, away_from, away_to, delegate, reassign, note)
    values (add_away.rep, add_away.away_from, add_away.away_to, add_away.delegate, coalesce(add_away.reassign, false),
            add_away.note)
    on conflict on constraint rep_away_pkey do update
    set away_to = excluded.away_to, delegate = excluded.delegate, reassign = excluded.reassign, note = excluded.note
    returning to_jsonb(a) into new;
    if old is distinct from new then
        perform handoff.log_operation('rep_away', rep, old, new);
    end if;
end
$$;
comment on function handoff.add_away(text, timestamptz, timestamptz, text, boolean, text) is
    'The rep is away in [away_from, away_to): pools pass him over, routes that name him wait or take his delegate, as they say. reassign: what he has goes to others when it begins, what he has worked on to the delegate, else to his manager. An absence with the same beginning is replaced. Errors: 42704 (no such rep or delegate), 22023 (times, himself).';

create function handoff.remove_away(rep text, away_from timestamptz) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    old jsonb;
begin
    perform handoff.need_rep(rep);
    perform handoff.lock_group(array(select m.pool from handoff.pool_member m where m.rep = remove_away.rep));
    delete from handoff.rep_away a
    where a.rep = remove_away.rep and a.away_from = remove_away.away_from
    returning to_jsonb(a) into old;
    if not found then
        raise exception 'rep "%" has no absence from %', rep, away_from
            using errcode = '42704', hint = 'handoff.rep_away lists them.';
    end if;
    perform handoff.log_operation('rep_away', rep, old, null);
end
$$;
comment on function handoff.remove_away(text, timestamptz) is
    'Takes an absence back. Error 42704: no such rep, or none that begins then.';

create function handoff.heir_of(rep text, p_now timestamptz) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select h.rep
    from handoff.rep r
    left join lateral (
        select w.delegate from handoff.rep_away w
        where w.rep = r.rep and w.reassign and w.away_from <= $2 and $2 < w.away_to
        order by w.away_to desc limit 1) w on r.active
    cross join lateral (values (1, coalesce(w.delegate, r.delegate)), (2, r.manager)) o (ord, rep)
    join handoff.rep h on h.rep = o.rep and h.active and h.takes_leads
    where r.rep = $1
    order by o.ord limit 1
$$;
comment on function handoff.heir_of(text, timestamptz) is
    'Who gets what a rep has worked on when he leaves at p_now, or an absence with reassign begins: his delegate, else his manager, if that is a rep who takes leads. NULL: nobody. Internal.';

create function handoff.leaving(rep text, p_now timestamptz default clock_timestamp())
    returns table (
        lead_key    text,
        handoff_no  int,
        leg         text,
        assigned_at timestamptz,
        touches     int,
        accepted_at timestamptz,
        goes_to     text
    )
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform handoff.need_rep(leaving.rep);
    return query
    select a.lead_key, a.handoff_no, h.leg, a.at, h.touches::int, h.accepted_at,
           case when h.touches > 0 or h.accepted_at is not null then handoff.heir_of(a.rep, p_now) end
    from handoff.assignment a
    join handoff.handoff h on h.lead_key = a.lead_key and h.handoff_no = a.handoff_no
    where a.rep = leaving.rep and a.ended_at is null
    order by a.at, a.lead_key;
end
$$;
comment on function handoff.leaving(text, timestamptz) is
    'Where the leads of a rep would go if he were deactivated now, one row each: goes_to is the rep who gets what has been worked on (touched or accepted): his delegate, else his manager; NULL: the routes of its leg decide anew. Changes nothing. Error 42704: no such rep.';

create function handoff.pool_room(pool text, p_now timestamptz default clock_timestamp()) returns bigint
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(sum(case when r.capacity is null then 1000000 else greatest(r.capacity - n.load, 0) end), 0)::bigint
    from handoff.pool p
    join (select distinct m.pool, m.rep from handoff.pool_member m where m.valid_from <= $2 and $2 < m.valid_to) m using (pool)
    join handoff.rep r on r.rep = m.rep and r.active and r.valid_from <= $2 and $2 < r.valid_to
    cross join lateral (
        select count(*) as load from (
            select from handoff.assignment a
            where a.rep = r.rep and a.ended_at is null
              and (p.counted_stages = '{}' or exists (
                  select from handoff.lead l where l.lead_key = a.lead_key and l.stage = any (p.counted_stages)))
            limit coalesce(r.capacity, 0)) a) n
    where p.pool = $1
$$;
comment on function handoff.pool_room(text, timestamptz) is
    'How many leads more the active members of a pool have room for, whatever the hour; a member without a capacity counts as a million. 0: none, or no such pool.';

revoke all on function handoff.need_active_rep(text) from public;
revoke all on function handoff.activate_rep(text) from public;
revoke all on function handoff.set_hours(text, text, text, text) from public;
revoke all on function handoff.set_pool_hours(text, text, boolean) from public;
revoke all on function handoff.change_pool(text, jsonb) from public;
revoke all on function handoff.set_manager(text, text) from public;
revoke all on function handoff.set_pool_lead(text, text) from public;
revoke all on function handoff.set_limits(text, int, int, int) from public;
revoke all on function handoff.add_away(text, timestamptz, timestamptz, text, boolean, text) from public;
revoke all on function handoff.remove_away(text, timestamptz) from public;
revoke all on function handoff.heir_of(text, timestamptz) from public;
revoke all on function handoff.leaving(text, timestamptz) from public;
revoke all on function handoff.pool_room(text, timestamptz) from public;
