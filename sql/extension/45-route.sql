
-- sql/extension/45-route.sql: people and pools, and whose turn it is.
--
-- These functions change what picks go by, so they wait for the locks of every pool concerned, which
-- picks only try: no lead is given by what was just changed. Each change is in handoff.operation_log.

create function handoff.lock_pool(pool text) returns void
    language c volatile strict
    as 'MODULE_PATHNAME', 'lh_lock_pool';
comment on function handoff.lock_pool(text) is
    'Waits for the lock of a pool''s turns and members and keeps it until the transaction ends; until then nobody is picked from the pool. It is the advisory lock of class 19536 and a hash of the name.';

create function handoff.lock_group(pools text[]) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    linked_pool text;
begin
    -- one change of members at a time: the group can't grow while we wait, nor two of us wait for each other
    lock table handoff.pool_member in share row exclusive mode;
    for linked_pool in
        with recursive linked (pool) as (
            select unnest(pools)
            union
            select other.pool
            from linked l
            join handoff.pool_member mine on mine.pool = l.pool
            join handoff.pool_member other on other.rep = mine.rep
        )
        select l.pool from linked l order by l.pool collate "C"
    loop
        perform handoff.lock_pool(linked_pool);
    end loop;
end
$$;
comment on function handoff.lock_group(text[]) is
    'Waits for the locks of pools and of all pools connected with them by shared reps, in name order, and for other changes of members. Internal.';

create function handoff.log_operation(object text, name text, old jsonb, new jsonb) returns void
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    insert into handoff.operation_log (object, name, old, new) values ($1, $2, $3, $4)
$$;
comment on function handoff.log_operation(text, text, jsonb, jsonb) is
    'Notes a change of operations: kind of thing, which one, the row before and after. Internal.';

create function handoff.need_pool(pool text) returns void
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from handoff.pool p where p.pool = need_pool.pool) then
        raise exception 'there is no pool "%"', pool
            using errcode = '42704',
                  hint = format('Make it with handoff.add_pool(), or use one of: %s.',
                                coalesce((select string_agg(p.pool, ', ' order by p.pool collate "C") from handoff.pool p), 'none yet'));
    end if;
end
$$;
comment on function handoff.need_pool(text) is 'Error 42704 unless there is such a pool. Internal.';

create function handoff.need_rep(rep text) returns void
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from handoff.rep r where r.rep = need_rep.rep) then
        raise exception 'there is no rep "%"', rep
            using errcode = '42704',
                  hint = 'Make it with handoff.add_rep(); handoff.rep lists those there are.';
    end if;
end
$$;
comment on function handoff.need_rep(text) is 'Error 42704 unless there is such a rep. Internal.';

create function handoff.need_capacity(capacity int) returns void
    language plpgsql immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if capacity < 0 then
        raise exception 'capacity % is below 0', capacity
            using errcode = '22023', hint = 'NULL is no limit; 0 gets nothing.';
    end if;
end
$$;
comment on function handoff.need_capacity(int) is 'Error 22023 if a capacity is below 0. Internal.';

create function handoff.add_pool(
    pool             text,
    policy           text default 'weighted',
    per_band         boolean default false,
    counted_stages   text[] default '{}',
    respect_schedule boolean default true,
    calendar         text default null,
    lead_rep         text default null
) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    made jsonb;
begin
    if pool = '' or pool is null then
        raise exception 'a pool needs a name' using errcode = '22023';
    end if;
    if policy not in ('weighted', 'least_loaded') or policy is null then
        raise exception 'unknown policy "%"', policy
            using errcode = '22023', hint = 'A policy is weighted or least_loaded.';
    end if;
    if lead_rep is not null then
        perform handoff.need_rep(lead_rep);
    end if;
    if calendar is not null and not exists (select from handoff.calendar c where c.name = add_pool.calendar) then
        raise exception 'there is no calendar "%"', calendar
            using errcode = '42704', hint = 'handoff.calendar lists those there are.';
    end if;
    insert into handoff.pool as p (pool, policy, per_band, counted_stages, respect_schedule, calendar, lead_rep)
    values (add_pool.pool, add_pool.policy, add_pool.per_band, coalesce(add_pool.counted_stages, '{}'),
            add_pool.respect_schedule, add_pool.calendar, add_pool.lead_rep)
    on conflict do nothing
    returning to_jsonb(p) into made;
    if not found then
        raise exception 'there is already a pool "%"', pool
            using errcode = '23505', hint = 'To change it, update its row of handoff.pool.';
    end if;
    perform handoff.log_operation('pool', pool, null, made);
end
$$;
comment on function handoff.add_pool(text, text, boolean, text[], boolean, text, text) is
    'Makes a pool. policy: weighted or least_loaded; per_band: turns are counted per band; counted_stages: stages in which an open handoff counts as load (empty: all). Errors: 23505 (exists), 22023 (no name, policy), 42704 (no such calendar or rep).';

create function handoff.set_member(
    pool   text,
    rep    text,
    weight int default 1,
    p_now  timestamptz default clock_timestamp()
) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    before handoff.pool_member;
    known  boolean;
    after  jsonb;
    made_rep jsonb;
begin
    perform handoff.need_pool(pool);
    perform handoff.need_rep(rep);
    if weight not between 1 and 1000 then
        raise exception 'weight % is not between 1 and 1000', weight
            using errcode = '22023', hint = 'NULL takes the rep out of the pool.';
    end if;
    perform handoff.lock_group(array(select set_member.pool union
                                     select m.pool from handoff.pool_member m where m.rep = set_member.rep));

    known := exists (select from handoff.pool_member m where m.pool = set_member.pool and m.rep = set_member.rep);
    select m.* into before from handoff.pool_member m
    where m.pool = set_member.pool and m.rep = set_member.rep and m.valid_from <= p_now and p_now < m.valid_to
    order by m.valid_from desc limit 1;
    if before.weight is not distinct from weight then
        return;
    end if;

    -- the past stays as it was
    if before.valid_from = p_now then
        delete from handoff.pool_member m
        where (m.pool, m.rep, m.valid_from) = (before.pool, before.rep, before.valid_from);
    elsif before.pool is not null then
        update handoff.pool_member m set valid_to = p_now
        where (m.pool, m.rep, m.valid_from) = (before.pool, before.rep, before.valid_from);
    end if;
    if weight is not null then
        insert into handoff.pool_member as m (pool, rep, weight, ord, valid_from, valid_to)
        values (set_member.pool, set_member.rep, set_member.weight, coalesce(before.ord, 0),
                case when known then p_now else '-infinity' end,
                coalesce(before.valid_to,
                         (select min(f.valid_from) from handoff.pool_member f
                          where f.pool = set_member.pool and f.rep = set_member.rep and f.valid_from > p_now),
                         'infinity'))
        returning to_jsonb(m) into after;
        update handoff.rep r set takes_leads = true where r.rep = set_member.rep and not r.takes_leads returning to_jsonb(r) into made_rep;
        if found then
            perform handoff.log_operation('rep', rep, made_rep || '{"takes_leads": false}', made_rep);
        end if;
    end if;

    -- in the turns a new weight means to leave and to return
    update handoff.pool_turn_member t set present = false
    where t.pool = set_member.pool and t.rep = set_member.rep and t.present;
    perform handoff.log_operation('pool_member', format('%s/%s', pool, rep),
                                  case when before.pool is not null then to_jsonb(before) end, after);
end
$$;
comment on function handoff.set_member(text, text, int, timestamptz) is
    'Makes a rep a member of a pool, gives him another weight from p_now on, or (weight NULL) takes him out. Whoever was never a member becomes one for all times past too. Rows of the past and of the future stay. Errors: 42704 (no such pool or rep), 22023 (weight).';

create function handoff.name_rep(rep text, crm_id text, email text) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    old text[];
begin
    if exists (select from handoff.rep r where r.rep = name_rep.rep) then
        return;
    end if;
    select array_agg(r.rep) into old
    from handoff.rep r
    where not r.takes_leads and not exists (select from handoff.assignment a where a.rep = r.rep)
      and (r.crm_id = name_rep.crm_id or name_rep.crm_id is null and lower(r.email) = lower(name_rep.email));
    if cardinality(old) = 1 then
        perform handoff.log_operation('rep', old[1], (select to_jsonb(r) from handoff.rep r where r.rep = old[1]), null);
        update handoff.rep r set manager = name_rep.rep where r.manager = old[1];
        update handoff.rep r set rep = name_rep.rep where r.rep = old[1];
    end if;
end
$$;
comment on function handoff.name_rep(text, text, text) is
    'Gives a rep who was made of a CRM user, and has had no lead yet, the key that somebody adds him under: the user is found by his CRM id, or without one by his e-mail address. Internal to add_rep().';

create function handoff.add_rep(
    rep      text,
    name     text,
    pool     text default null,
    schedule text default null,
    capacity int default null,
    crm_id   text default null,
    email    text default null,
    weight   int default 1
) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    made  jsonb;
    other text;
begin
    if rep = '' or rep is null or name = '' or name is null then
        raise exception 'a rep needs a key and a name' using errcode = '22023';
    end if;
    perform handoff.need_capacity(capacity);
    -- fails here, not at the first pick, if this server doesn't know the zone
    perform handoff.is_open(schedule::handoff.schedule, clock_timestamp());
    perform handoff.name_rep(rep, crm_id, email);
    select r.rep into other from handoff.rep r where r.crm_id = add_rep.crm_id and r.rep <> add_rep.rep;
    if found then
        raise exception 'CRM key "%" is that of rep "%"', crm_id, other
            using errcode = '23505', hint = 'A person is one rep, who may be a member of several pools: handoff.set_member().';
    end if;
    insert into handoff.rep as r (rep, name, schedule, capacity, crm_id, email)
    values (add_rep.rep, add_rep.name, add_rep.schedule::handoff.schedule, add_rep.capacity, add_rep.crm_id, add_rep.email)
    on conflict on constraint rep_pkey do update
    set name = excluded.name, schedule = excluded.schedule, capacity = excluded.capacity, email = coalesce(excluded.email, r.email),
        takes_leads = true
    where not r.takes_leads and r.crm_id is not distinct from coalesce(excluded.crm_id, r.crm_id)
    returning to_jsonb(r) into made;
    if not found then
        raise exception 'there is already a rep "%"', rep
            using errcode = '23505',
                  hint = 'Add him to a pool with handoff.set_member(); to change him, update his row of handoff.rep.';
    end if;
    perform handoff.log_operation('rep', rep, null, made);
    if pool is not null then
        perform handoff.set_member(pool, rep, coalesce(weight, 1));
    end if;
end
$$;
comment on function handoff.add_rep(text, text, text, text, int, text, text, int) is
    'Makes a rep and, if a pool is named, a member of it with that weight. schedule: own working hours (handoff.schedule), NULL: those of the calendar; capacity: most open handoffs that picks give him, NULL: no limit; crm_id: key of the user in the CRM. Who was made of a CRM user (source of kind rep) and takes no leads yet is given that key and does from then on. Errors: 23505 (rep or CRM key exists), 42704 (no such pool), 22023 (no key or name, capacity, weight, zone of the schedule), 22P02 (schedule).';

create function handoff.change_rep(rep text, change jsonb) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    old handoff.rep;
    new handoff.rep;
begin
    perform handoff.need_rep(rep);
    perform handoff.lock_group(array(select m.pool from handoff.pool_member m where m.rep = change_rep.rep));
    select r.* into old from handoff.rep r where r.rep = change_rep.rep for update;
    new := jsonb_populate_record(old, change);
    if to_jsonb(new) = to_jsonb(old) then
        return;
    end if;
    update handoff.rep r
    set active = new.active, capacity = new.capacity, max_per_day = new.max_per_day, max_per_week = new.max_per_week,
        max_per_month = new.max_per_month, schedule = new.schedule, calendar = new.calendar, zone = new.zone,
        manager = new.manager, role_name = new.role_name
    where r.rep = change_rep.rep;
    perform handoff.log_operation('rep', rep, to_jsonb(old), to_jsonb(new));
end
$$;
comment on function handoff.change_rep(text, jsonb) is
    'Changes what picks and clocks go by of a rep (active, capacity, max_per_day, max_per_week, max_per_month, schedule, calendar, zone, manager, role_name), under the locks of his pools, and logs it if anything is another than before. Error 42704: no such rep. Internal.';

create function handoff.set_capacity(rep text, capacity int) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform handoff.need_rep(rep);
    perform handoff.need_capacity(capacity);
    perform handoff.change_rep(rep, jsonb_build_object('capacity', capacity));
end
$$;
comment on function handoff.set_capacity(text, int) is
    'Sets the most open handoffs that picks give a rep; NULL: no limit, 0: none. Those he has he keeps. Errors: 42704 (no such rep), 22023 (below 0).';

create function handoff.deactivate_rep(rep text) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform handoff.change_rep(rep, '{"active": false}');
    -- our word, not the CRM's: he stays inactive when his user comes back
    update handoff.crm_user u set deactivated_at = null, leaving_since = null where u.rep = deactivate_rep.rep;
end
$$;
comment on function handoff.deactivate_rep(text) is
    'From now on the rep gets nothing, and the next tick gives what he has to others: handoff.leaving() tells whom before. Repeating it changes nothing. Error 42704: no such rep.';

create function handoff.next_picks(
    pool  text,
    qty   int default 10,
    band  text default '',
    p_now timestamptz default clock_timestamp()
) returns table (n int, rep text)
    language c volatile strict
    as 'MODULE_PATHNAME', 'lh_next_picks';
comment on function handoff.next_picks(text, int, text, timestamptz) is
    'Who would get the next leads of a pool, in order, if nothing else changed: members and active at p_now, with room for each lead more; working hours are not looked at. Fewer rows than qty: then nobody has room. band counts only in a pool that counts turns per band. Changes nothing. Error 42704: no such pool.';

revoke all on function handoff.lock_pool(text) from public;
revoke all on function handoff.lock_group(text[]) from public;
revoke all on function handoff.log_operation(text, text, jsonb, jsonb) from public;
revoke all on function handoff.need_pool(text) from public;
revoke all on function handoff.need_rep(text) from public;
revoke all on function handoff.need_capacity(int) from public;
revoke all on function handoff.add_pool(text, text, boolean, text[], boolean, text, text) from public;
revoke all on function handoff.set_member(text, text, int, timestamptz) from public;
revoke all on function handoff.name_rep(text, text, text) from public;
revoke all on function handoff.add_rep(text, text, text, text, int, text, text, int) from public;
revoke all on function handoff.change_rep(text, jsonb) from public;
revoke all on function handoff.set_capacity(text, int) from public;
revoke all on function handoff.deactivate_rep(text) from public;
revoke all on function handoff.next_picks(text, int, text, timestamptz) from public;
