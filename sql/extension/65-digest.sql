-- sql/extension/65-digest.sql: messages that are delivered together.
--
-- A queue of its own beside that of 65-notify.sql, which calls it. What is collected for somebody becomes a digest when it is
-- leased first: from then on it has a key and the same messages, however often it is sent.

create function handoff.close_digest(destination text, whom text, send_stale boolean) returns uuid
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set jit = off
    set enable_bitmapscan = off
as $$
declare
    most   constant int := 100;     -- messages a digest
    moment timestamptz := clock_timestamp();
    key    uuid := gen_random_uuid();
    good   bigint := 0;
    seen   bigint := 1;
begin
    while good = 0 and seen > 0 loop
        with candidate as materialized (
            select d.lead_key, d.seq, d.n
            from handoff.delivery d
            where d.destination = close_digest.destination and d.digest_for = whom and d.digest is null
              and d.state = 'pending' and d.visible_at <= moment
            order by d.visible_at, d.lead_key, d.seq, d.n
            limit most
            for update of d skip locked
        ), judged as materialized (
            select c.*, case when o.expires_at <= moment then 'expired'
                             when not send_stale and handoff.is_superseded(o.type, o.lead_key, o.seq, o.payload) then 'superseded'
                             else 'good' end as fate
            from candidate c
            join handoff.outbox o on o.lead_key = c.lead_key and o.seq = c.seq and o.n = c.n
        ), told as (
            update handoff.delivery d
            set state = case j.fate when 'good' then d.state else 'expired' end,
                visible_at = moment,
                last_error = case j.fate when 'good' then d.last_error else j.fate end,
                digest = case j.fate when 'good' then key end
            from judged j
            where d.lead_key = j.lead_key and d.seq = j.seq and d.n = j.n and d.destination = close_digest.destination
            returning d.digest
        )
        select count(*), count(t.digest) into seen, good from told t;
    end loop;
    return case when good > 0 then key end;
end
$$;
comment on function handoff.close_digest(text, text, boolean) is
    'Makes a digest of what is due for somebody, at most 100 messages; its key, NULL: nothing is. Internal.';

create function handoff.lease_digests(destination text, qty int, lease_for interval, worker text)
    returns table (id uuid, token uuid, type text, lead_key text, payload jsonb, created_at timestamptz, attempt int, sequence text, expires_at timestamptz)
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set jit = off
    set enable_bitmapscan = off
as $$
#variable_conflict use_column
declare
    moment timestamptz := clock_timestamp();
    rule   handoff.destination;
    given  int := 0;
    whom   text := handoff.next_digest(destination, null);
    key    uuid;
    due    timestamptz;
    tries  int;
begin
    select d.* into rule from handoff.destination d where d.destination = lease_digests.destination;
    while whom is not null and given < qty loop
        -- one worker at a time for one rep or address
        if pg_try_advisory_xact_lock(hashtextextended(format('lead_handoff digest %s for %s', destination, whom), 0)) then
            select d.digest, d.visible_at, d.attempts into key, due, tries from handoff.delivery d
            where d.destination = lease_digests.destination and d.digest_for = whom and d.digest is not null
              and d.state in ('pending', 'leased')
            order by d.visible_at limit 1;
            if key is null then
                key := handoff.close_digest(destination, whom, coalesce(rule.send_stale, false));
            elsif due > moment then
                key := null; -- the one before is not done
            elsif tries >= coalesce(rule.max_attempts, 15) then
                update handoff.delivery d
                set state = 'dead', token = null, leased_until = null, visible_at = moment,
                    last_error = coalesce(d.last_error, 'every lease of it ran out')
                where d.digest = key and d.destination = lease_digests.destination;
                key := handoff.close_digest(destination, whom, coalesce(rule.send_stale, false));
            end if;
            if key is not null then
                id := key; token := gen_random_uuid(); type := 'handoff.digest';
                with taken as (
                    update handoff.delivery d
                    set state = 'leased', attempts = d.attempts + 1, token = lease_digests.token,
                        visible_at = moment + lease_for, leased_until = moment + lease_for, leased_by = worker
                    where d.digest = key and d.destination = lease_digests.destination and d.state in ('pending', 'leased')
                    returning d.lead_key, d.seq, d.n, d.attempts
                )
                select max(t.attempts), max(o.created_at),
                       jsonb_build_object('for', whom, 'count', count(*), 'messages', jsonb_agg(
                           handoff.cloudevent(o.id, o.type, o.lead_key, o.created_at, o.payload, handoff.sequence_of(o.seq, o.n), o.expires_at)
                           order by o.created_at, o.lead_key collate "C", o.seq, o.n))
                into attempt, created_at, payload
                from taken t
                join handoff.outbox o on o.lead_key = t.lead_key and o.seq = t.seq and o.n = t.n;
                given := given + 1;
                return next;
            end if;
        end if;
        whom := handoff.next_digest(destination, whom);
    end loop;
end
$$;
comment on function handoff.lease_digests(text, int, interval, text) is
    'lease() of digests. Internal.';

create function handoff.next_digest(destination text, after text) returns text
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set jit = off
    set enable_bitmapscan = off
    set enable_sort = off
as $$
begin
    if after is null then
        return (select d.digest_for from handoff.delivery d
                where d.destination = next_digest.destination and d.digest_for is not null and d.state in ('pending', 'leased')
                order by d.digest_for limit 1);
    end if;
    return (select d.digest_for from handoff.delivery d
            where d.destination = next_digest.destination and d.digest_for > after and d.state in ('pending', 'leased')
            order by d.digest_for limit 1);
end
$$;
comment on function handoff.next_digest(text, text) is
    'The next, in order of name, for whom messages are collected; NULL: nobody. Internal.';

revoke all on function handoff.close_digest(text, text, boolean) from public;
revoke all on function handoff.lease_digests(text, int, interval, text) from public;
revoke all on function handoff.next_digest(text, text) from public;
