-- sql/extension/43-scan.sql: reading a whole table bit by bit, and rows that are gone.
--
-- A scan is a row of handoff.scan: a backfill queues the rows that were there at attach, a reconcile
-- compares the table with what we know, both ways, a poll looks for newer versions where no trigger
-- can be. tick() works on them in order, and what one call does not finish the next goes on with.
--
-- A row that is gone counts as deleted only after a grace period (a reload deletes everything and puts
-- it back), and not at all, until somebody says so, if a large part of its source is gone at once.

create function handoff.request_scan(source_name text, purpose text, reason text) returns void
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    insert into handoff.scan (scan_id, source, purpose, reason, requested_at, after_version)
    select gen_random_uuid(), s.name, $2, $3, clock_timestamp(), case $2 when 'poll' then s.polled_version - interval '10 minutes' end
    from handoff.source s
    where s.name = $1
$$;
comment on function handoff.request_scan(text, text, text) is
    'Asks tick() to read the table of a source: purpose is backfill, reconcile or poll.';

create function handoff.queue_rows(source_name text, rel regclass) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set datestyle = iso
    set intervalstyle = postgres
    set timezone = 'UTC'
    set extra_float_digits = 1
as $$
declare
    source handoff.source;
begin
    select s.* into source from handoff.source s where s.name = source_name;
    -- a transaction with an old snapshot can't see all that was committed before the triggers were there
    if source.capture = 'poll' or current_setting('transaction_isolation') <> 'read committed'
        or (select sum(pg_relation_size(t.tab)) from handoff.table_tree(rel) t) > 8 * 1024 * 1024 then
        perform handoff.request_scan(source_name, 'backfill', 'attached');
        raise notice 'the rows of % are queued by handoff.tick(); see view handoff.backfill', source_name;
        return;
    end if;
    -- tablesample is refused for a view: whoever swaps one in must not have us run his code
    execute format(
        'insert into handoff.inbox (source, raw_key, op, xid, at)'
        ' select $1, %s, ''B'', pg_current_xact_id(), clock_timestamp() from %s t tablesample system (100) where %s',
        handoff.key_expression(rel, source.key_columns), rel,
        (select string_agg(format('t.%I is not null', k), ' and ') from unnest(source.key_columns) k))
        using source_name;
end
$$;
comment on function handoff.queue_rows(text, regclass) is
    'Queues the rows that a table has when it is attached: at once up to 8 MB, else as a backfill.';

create function handoff.known_keys(source_name text, after_key text, n int) returns setof text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select k.raw_key
    from handoff.source s
    cross join lateral (
        (select l.raw_key from handoff.lead l
         where s.kind = 'lead' and l.source = s.name and l.raw_key >= coalesce($2, '') and l.raw_key is distinct from $2
           and l.deleted_at is null
         order by l.raw_key limit $3)
        union all
        (select a.activity_key from handoff.activity a
         where s.kind = 'activity' and a.source = s.name and a.activity_key >= coalesce($2, '') and a.activity_key is distinct from $2
         order by a.activity_key limit $3)
        union all
        (select k.link_key from handoff.opportunity_link k
         where s.kind = 'link' and k.source = s.name and k.link_key >= coalesce($2, '') and k.link_key is distinct from $2
         order by k.link_key limit $3)
        union all
        (select o.raw_key
         from (select substr(o.opportunity_key, length(s.key_prefix) + 1) as raw_key from handoff.opportunity o
               where s.kind = 'opportunity' and o.source = s.name and o.deleted_at is null) o
         where o.raw_key >= coalesce($2, '') and o.raw_key is distinct from $2
         order by o.raw_key limit $3)
        union all
        (select a.raw_key from handoff.account a
         where s.kind = 'account' and a.source = s.name and a.raw_key >= coalesce($2, '') and a.raw_key is distinct from $2
           and a.deleted_at is null
         order by a.raw_key limit $3)
        union all
        (select u.raw_key from handoff.crm_user u
         where s.kind = 'rep' and u.source = s.name and u.raw_key >= coalesce($2, '') and u.raw_key is distinct from $2
           and u.deleted_at is null
         order by u.raw_key limit $3)
    ) k
    where s.name = $1
    order by k.raw_key
    limit $3
$$;
comment on function handoff.known_keys(text, text, int) is
    'Keys of rows of a source that we know and that are not deleted, n in order after one. Internal to reconcile().';

create function handoff.known_among(source_name text, keys text[]) returns setof text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select u.key
    from handoff.source s
    cross join unnest($2) u (key)
    where s.name = $1
      and case s.kind
          when 'lead' then exists (select from handoff.lead l where l.lead_key = handoff.record_key(s.name, u.key) and l.deleted_at is null)
          when 'activity' then exists (select from handoff.activity a where a.source = s.name and a.activity_key = u.key)
          when 'link' then exists (select from handoff.opportunity_link k where k.source = s.name and k.link_key = u.key)
          when 'opportunity' then exists (select from handoff.opportunity o
                                          where o.opportunity_key = handoff.record_key(s.name, u.key) and o.deleted_at is null)
          when 'account' then exists (select from handoff.account a where a.account_key = handoff.record_key(s.name, u.key) and a.deleted_at is null)
          when 'rep' then exists (select from handoff.crm_user c where c.source = s.name and c.raw_key = u.key and c.deleted_at is null)
      end
$$;
comment on function handoff.known_among(text, text[]) is
    'Those of some keys of a source that we know and that are not deleted. Internal to the drain and to reconcile().';

create function handoff.known_count(source_name text) returns bigint
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select case s.kind
        when 'lead' then (select count(*) from handoff.lead l where l.source = s.name and l.deleted_at is null)
        when 'activity' then (select count(*) from handoff.activity a where a.source = s.name)
        when 'link' then (select count(*) from handoff.opportunity_link k where k.source = s.name and k.link_kind <> 'converted')
        when 'opportunity' then (select count(*) from handoff.opportunity o where o.source = s.name and o.deleted_at is null)
        when 'account' then (select count(*) from handoff.account a where a.source = s.name and a.deleted_at is null)
        when 'rep' then (select count(*) from handoff.crm_user u where u.source = s.name and u.deleted_at is null)
    end
    from handoff.source s
    where s.name = $1
$$;
comment on function handoff.known_count(text) is
    'How many rows of a source we know that are not deleted; NULL: rows of its kind are not counted. Internal.';

create function handoff.request_polls(p_now timestamptz) returns void
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    with due as (
        select s.name from handoff.source s
        where s.capture = 'poll' and s.paused_at is null
          and (s.polled_at is null or $1 < s.polled_at or $1 >= s.polled_at + s.poll_interval)
        for update of s skip locked
    ), noted as (
        update handoff.source s set polled_at = $1 from due where due.name = s.name returning s.name
    )
    select handoff.request_scan(noted.name, 'poll', 'poll_interval') from noted
    where not exists (select from handoff.scan c where c.source = noted.name and c.finished_at is null)
$$;
comment on function handoff.request_polls(timestamptz) is
    'Asks for a poll of each source whose poll_interval is over. Internal to tick().';

create function handoff.confirm_absences(p_now timestamptz) returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    source handoff.source;
    gone   bigint;
    known  bigint;
    queued bigint;
    total  bigint := 0;
begin
    for source in
        select s.* from handoff.source s
        where s.paused_at is null
          and (s.deletes_held_at is not null
               or exists (select from handoff.absence a where a.source = s.name and a.gone_at + s.delete_grace <= p_now))
        for update of s skip locked
    loop
        select count(*) into gone from handoff.absence a where a.source = source.name;
        known := case when gone > 10 then handoff.known_count(source.name) end;
        if gone > 0.2 * known then
            if source.deletes_held_at is null then
                update handoff.source s set deletes_held_at = p_now where s.name = source.name;
                raise warning '% of % rows of source "%" are gone; their deletion is held', gone, known, source.name
                    using errcode = 'LH023', hint = 'Let it happen with handoff.release_deletes(), or drop it with handoff.forget_deletes().';
            end if;
            continue;
        end if;
        if source.deletes_held_at is not null then
            update handoff.source s set deletes_held_at = null where s.name = source.name;
        end if;
        queued := handoff.queue_deletes(source.name, p_now - source.delete_grace);
        total := total + queued;
    end loop;
    return total;
end
$$;
comment on function handoff.confirm_absences(timestamptz) is
    'Queues the deletion of rows that were gone for the grace period of their source, or holds it if more than a fifth of the source (and more than 10 rows) are gone. Returns how many were queued. Internal to tick().';

create function handoff.queue_deletes(source_name text, gone_by timestamptz) returns bigint
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    with due as (
        delete from handoff.absence a
        where (a.source, a.raw_key) in (
            select d.source, d.raw_key from handoff.absence d
            where d.source = $1 and d.gone_at <= $2
            for update skip locked)
        returning a.source, a.raw_key
    ), again as (
        insert into handoff.inbox (source, raw_key, op, xid, at)
        select due.source, due.raw_key, 'X', pg_current_xact_id(), clock_timestamp() from due
        returning 1
    )
    select count(*) from again
$$;
comment on function handoff.queue_deletes(text, timestamptz) is
    'Queues the deletion of rows of a source that were found gone up to a moment; how many. Internal.';

create function handoff.known_source(source_name text) returns text
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from handoff.source s where s.name = source_name) then
        raise exception 'there is no source "%"', source_name
            using errcode = 'LH020', hint = 'See table handoff.source.';
    end if;
    return source_name;
end
$$;
comment on function handoff.known_source(text) is
    'The name given, if it is that of a source. Error LH020: it is not.';

create function handoff.release_deletes(source text) returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    update handoff.source s set deletes_held_at = null where s.name = handoff.known_source(release_deletes.source);
    return handoff.queue_deletes(release_deletes.source, 'infinity');
end
$$;
comment on function handoff.release_deletes(text) is
    'Lets the deletion of all rows of a source that were found gone happen at the next tick, however many, without waiting for the grace period; how many. Error LH020: no such source.';

create function handoff.forget_deletes(source text) returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    n bigint;
begin
    update handoff.source s set deletes_held_at = null where s.name = handoff.known_source(forget_deletes.source);
    delete from handoff.absence a where a.source = forget_deletes.source;
    get diagnostics n = row_count;
    return n;
end
$$;
comment on function handoff.forget_deletes(text) is
    'Forgets that rows of a source were found gone: their leads and activities stay, until a reconcile() or a captured change finds them gone again. Returns how many. Error LH020: no such source.';

create function handoff.reconcile(
    source       text,
    mode         text default 'full',
    out seen     bigint,
    out queued   bigint,
    out gone     bigint,
    out finished boolean
) returns record
    language c volatile strict
    as 'MODULE_PATHNAME', 'lh_reconcile';
comment on function handoff.reconcile(text, text) is
    'Compares a source''s table with what is known of it and queues what differs. mode full: both ways, rows that are not known or differ, and known ones that are gone. mode watermark: only rows with a newer version than the newest that was seen (capture by poll). Works some 20 seconds; tick() does the rest, see view handoff.reconcile_progress. Returns rows read, rows queued, known rows that are gone among them, and whether it is through. Errors: LH020 (no such source, no version to go by), 22023 (mode), 25000 (isolation level above read committed), LH030 (run setup()).';

revoke all on function handoff.request_scan(text, text, text) from public;
revoke all on function handoff.queue_rows(text, regclass) from public;
revoke all on function handoff.known_keys(text, text, int) from public;
revoke all on function handoff.known_among(text, text[]) from public;
revoke all on function handoff.known_count(text) from public;
revoke all on function handoff.request_polls(timestamptz) from public;
revoke all on function handoff.confirm_absences(timestamptz) from public;
revoke all on function handoff.queue_deletes(text, timestamptz) from public;
revoke all on function handoff.known_source(text) from public;
revoke all on function handoff.release_deletes(text) from public;
revoke all on function handoff.forget_deletes(text) from public;
revoke all on function handoff.reconcile(text, text) from public;
