-- sql/extension/46-users.sql: users of the CRM become reps, and leave.
--
-- A user is the rep who has his CRM id; else the only one with his e-mail address; else one is made of
-- him, who takes no leads until somebody puts him into a pool. From then on what changes in the CRM
-- changes with the rep; what somebody has changed here stays until the CRM has something new to say.
--
-- Picks read reps after they have locked their pool, so a change of a rep needs no lock of pools. It
-- never waits for somebody who has the rep's row: the user is queued again then.

create function handoff.reps_of_user(crm_id text) returns text[]
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select case when cardinality(f.by_id) > 0 then f.by_id
                when u.human and u.active and u.deleted_at is null then f.by_email else '{}' end
    from handoff.crm_user u
    cross join lateral (
        select array(select r.rep from handoff.rep r where r.crm_id = u.crm_id or r.crm_id is null and r.rep = u.crm_id),
               array(select r.rep from handoff.rep r
                     where lower(btrim(r.email)) = lower(btrim(u.email)) and btrim(u.email) <> '' order by r.rep collate "C")
    ) f (by_id, by_email)
    where u.crm_id = $1
$$;
comment on function handoff.reps_of_user(text) is
    'Reps who a CRM user may be: the one with his CRM id (or of that key, without one), else, for an active person, those with his e-mail address. More than one: it can''t be told. Internal.';

create function handoff.link_users(crm_ids text[]) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    u     handoff.crm_user;
    found_reps text[];
    made  jsonb;
begin
    for u in
        select c.* from handoff.crm_user c
        where c.crm_id = any (crm_ids) and c.rep is null and c.deleted_at is null
        order by c.crm_id collate "C"
    loop
        found_reps := handoff.reps_of_user(u.crm_id);
        if cardinality(found_reps) = 0 and u.human and u.active then
            insert into handoff.rep as r (rep, name, crm_id, takes_leads)
            values (u.crm_id, coalesce(nullif(btrim(u.name), ''), nullif(btrim(u.email), ''), u.crm_id), u.crm_id, false)
            on conflict do nothing
            returning to_jsonb(r) into made;
            if found then
                insert into handoff.operation_log (actor, object, name, new) values ('source', 'rep', u.crm_id, made);
                found_reps := array[u.crm_id];
            end if;
        end if;
        continue when cardinality(found_reps) <> 1;
        if handoff.apply_user(found_reps[1], jsonb_build_object('first_crm_id', u.crm_id), false) then
            update handoff.crm_user c set rep = found_reps[1] where c.crm_id = u.crm_id;
        else
            insert into handoff.inbox (source, raw_key, op, xid, at)
            values (u.source, u.raw_key, 'R', pg_current_xact_id(), clock_timestamp());
        end if;
    end loop;
end
$$;
comment on function handoff.link_users(text[]) is
    'Finds the rep who each of some CRM users is, or makes one of him. Internal to follow_users().';

create function handoff.users_to_apply(crm_ids text[])
    returns table (crm_id text, rep text, source text, raw_key text, applied jsonb, wanted jsonb)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select u.crm_id, u.rep, u.source, u.raw_key, u.applied, w.wanted
    from handoff.crm_user u
    left join handoff.rep r on r.rep = u.rep
    left join handoff.crm_user m on m.crm_id = u.manager and m.crm_id <> u.crm_id
    cross join lateral (
        select jsonb_strip_nulls(jsonb_build_object(
            'human', u.human,
            -- of a person who is several users, the one whose id he has speaks for him
            'active', case when u.crm_id = r.crm_id
                           then u.active and u.human and u.deleted_at is null end))
            || case when u.crm_id = r.crm_id and u.deleted_at is null
               then jsonb_strip_nulls(jsonb_build_object(
                    'name', nullif(btrim(u.name), ''), 'email', nullif(btrim(u.email), ''),
                    'zone', case when handoff.zone_exists(u.zone) then u.zone end,
                    'chat_id', nullif(btrim(u.chat_id), ''), 'manager', coalesce(m.rep, nullif(btrim(m.email), ''))))
               else '{}' end
    ) w (wanted)
    where (u.crm_id = any ($1) or u.manager = any ($1)) and w.wanted <> u.applied
    order by u.crm_id collate "C"
$$;
comment on function handoff.users_to_apply(text[]) is
    'Those of some CRM users, and of whom they manage, that say something else than their rep was given last, and what. Internal to follow_users().';

create function handoff.apply_user(rep text, changes jsonb, back boolean) returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    old jsonb;
    new jsonb;
begin
    select to_jsonb(r) into old from handoff.rep r where r.rep = apply_user.rep for update skip locked;
    if not found then
        return false;
    end if;
    update handoff.rep r
    set crm_id = coalesce(r.crm_id, changes ->> 'first_crm_id'), name = coalesce(changes ->> 'name', r.name),
        email = coalesce(changes ->> 'email', r.email), zone = coalesce(changes ->> 'zone', r.zone),
        chat_id = coalesce(changes ->> 'chat_id', r.chat_id), manager = coalesce(changes ->> 'manager', r.manager),
        active = r.active or back
    where r.rep = apply_user.rep
    returning to_jsonb(r) into new;
    if new <> old then
        insert into handoff.operation_log (actor, object, name, old, new) values ('source', 'rep', apply_user.rep, old, new);
    end if;
    return true;
end
$$;
comment on function handoff.apply_user(text, jsonb, boolean) is
    'Gives a rep what has changed of his CRM user; back: makes him active again. False: somebody else has his row. Internal to follow_users().';

create function handoff.follow_users(crm_ids text[], p_now timestamptz) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    u       record;
    was     boolean;
    is_there boolean;
    changes jsonb;
    automated text[] := '{}';
begin
    perform handoff.link_users(crm_ids);
    for u in select a.* from handoff.users_to_apply(crm_ids) a loop
        was := coalesce((u.applied ->> 'active')::boolean, true);
        is_there := (u.wanted ->> 'active')::boolean;
        select coalesce(jsonb_object_agg(w.key, w.value), '{}') into changes
        from jsonb_each(u.wanted) w where w.value is distinct from u.applied -> w.key;
        if is_there is not null and not handoff.apply_user(u.rep, changes, is_there and not was and exists (
                select from handoff.crm_user c where c.crm_id = u.crm_id and c.deactivated_at is not null)) then
            insert into handoff.inbox (source, raw_key, op, xid, at)
            values (u.source, u.raw_key, 'R', pg_current_xact_id(), clock_timestamp());
            continue;
        end if;
        if (u.wanted ->> 'human')::boolean <> coalesce((u.applied ->> 'human')::boolean, true) then
            automated := automated || u.crm_id;
        end if;
        update handoff.crm_user c
        set applied = u.wanted,
            leaving_since = case when is_there then null when was and not is_there then p_now else c.leaving_since end,
            deactivated_at = case when is_there then null else c.deactivated_at end
        where c.crm_id = u.crm_id;
    end loop;
    -- whether what he does are touches counts for the handoffs that are open
    insert into handoff.inbox (source, raw_key, op, xid, at)
    select l.source, l.raw_key, 'R', pg_current_xact_id(), clock_timestamp()
    from handoff.handoff h
    join handoff.lead l on l.lead_key = h.lead_key
    where cardinality(automated) > 0 and h.closed_at is null
      and exists (select from handoff.activity a where a.lead_key = h.lead_key and a.fields ->> 'rep' = any (automated));
end
$$;
comment on function handoff.follow_users(text[], timestamptz) is
    'What has changed of some CRM users changes with their reps; who has gone is noted for confirm_leavers(). Internal to the drain.';

create function handoff.deactivate_leavers(source_name text, p_now timestamptz, is_held boolean) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    u   record;
    old jsonb;
    new jsonb;
begin
    for u in
        select c.crm_id, c.rep, c.leaving_since
        from handoff.crm_user c
        join handoff.rep r on r.rep = c.rep
        where c.source = source_name and c.leaving_since is not null
          and (not is_held or c.leaving_since = '-infinity' or not r.takes_leads or not r.active)
        order by c.crm_id collate "C"
        for update of r skip locked
    loop
        select to_jsonb(r) into old from handoff.rep r where r.rep = u.rep;
        update handoff.rep r set active = false where r.rep = u.rep and r.active returning to_jsonb(r) into new;
        if found then
            insert into handoff.operation_log (actor, object, name, old, new) values ('source', 'rep', u.rep, old, new);
        end if;
        update handoff.crm_user c
        set leaving_since = null,
            deactivated_at = case when new is null then c.deactivated_at when u.leaving_since = '-infinity' then u.leaving_since else p_now end
        where c.crm_id = u.crm_id;
        new := null;
    end loop;
end
$$;
comment on function handoff.deactivate_leavers(text, timestamptz, boolean) is
    'Makes reps inactive whose CRM users have gone; is_held: only those of whom that is not held. Internal to confirm_leavers().';

create function handoff.confirm_leavers(p_now timestamptz) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    source  handoff.source;
    leaving bigint;
    lately  bigint;
    there   bigint;
    is_held boolean;
begin
    for source in
        select s.* from handoff.source s
        where s.paused_at is null
          and (s.leavers_held_at is not null
               or exists (select from handoff.crm_user u where u.source = s.name and u.leaving_since is not null))
        order by s.name
        for update of s skip locked
    loop
        select count(*) filter (where u.leaving_since > '-infinity' and r.active),
               count(*) filter (where u.deactivated_at > p_now - interval '1 hour')
        into leaving, lately
        from handoff.crm_user u
        join handoff.rep r on r.rep = u.rep
        where u.source = source.name and r.takes_leads;
        select count(*) into there from handoff.rep r where r.active and r.takes_leads;
        is_held := leaving > 0 and leaving + lately >= 3 and leaving + lately > 0.2 * (there + lately);
        if is_held <> (source.leavers_held_at is not null) then
            update handoff.source s set leavers_held_at = case when is_held then p_now end where s.name = source.name;
        end if;
        if is_held and source.leavers_held_at is null then
            raise warning '% of % reps have gone from source "%"; they stay active', leaving, there, source.name
                using errcode = 'LH024', hint = 'Let it happen with handoff.release_leavers(), or keep them with handoff.forget_leavers().';
        end if;
        perform handoff.deactivate_leavers(source.name, p_now, is_held);
    end loop;
end
$$;
comment on function handoff.confirm_leavers(timestamptz) is
    'Makes reps inactive whose CRM users are inactive, gone or no persons any more; holds it if more than a fifth of the active reps who take leads (and at least 3) would be, those of the hour before p_now counted in. Internal to the drain.';

create function handoff.release_leavers(source text) returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    n bigint;
begin
    update handoff.crm_user u set leaving_since = '-infinity'
    where u.source = handoff.known_source(release_leavers.source) and u.leaving_since is not null;
    get diagnostics n = row_count;
    update handoff.source s set leavers_held_at = null where s.name = release_leavers.source;
    return n;
end
$$;
comment on function handoff.release_leavers(text) is
    'Lets all reps of a source whose CRM users have gone become inactive at the next tick, however many; how many. Error LH020: no such source.';

create function handoff.forget_leavers(source text) returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    n bigint;
begin
    update handoff.crm_user u set leaving_since = null
    where u.source = handoff.known_source(forget_leavers.source) and u.leaving_since is not null;
    get diagnostics n = row_count;
    update handoff.source s set leavers_held_at = null where s.name = forget_leavers.source;
    return n;
end
$$;
comment on function handoff.forget_leavers(text) is
    'Reps of a source whose CRM users have gone stay active, until those come back and go again. Returns how many. Error LH020: no such source.';

create function handoff.rep_schedule(rep text, pool text default null) returns handoff.schedule
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(r.schedule,
                    case when r.zone is null then c.schedule
                         else (regexp_replace(c.schedule::text, ' @ .*$', '') || ' @ ' || r.zone)::handoff.schedule end)
    from handoff.rep r
    left join handoff.pool p on p.pool = $2
    left join handoff.calendar c on c.name = coalesce(r.calendar, p.calendar)
    where r.rep = $1
$$;
comment on function handoff.rep_schedule(text, text) is
    'The hours of a rep: his own schedule; else those of his calendar, else of the pool''s, meant in his own time zone if one is known. NULL: there are none, or no such rep. Holidays are not in it.';

revoke all on function handoff.reps_of_user(text) from public;
revoke all on function handoff.link_users(text[]) from public;
revoke all on function handoff.users_to_apply(text[]) from public;
revoke all on function handoff.apply_user(text, jsonb, boolean) from public;
revoke all on function handoff.follow_users(text[], timestamptz) from public;
revoke all on function handoff.deactivate_leavers(text, timestamptz, boolean) from public;
revoke all on function handoff.confirm_leavers(timestamptz) from public;
revoke all on function handoff.release_leavers(text) from public;
revoke all on function handoff.forget_leavers(text) from public;
revoke all on function handoff.rep_schedule(text, text) from public;
