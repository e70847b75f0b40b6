-- sql/extension/65-notify.sql: subscribing to messages, and delivering them.
--
-- The extension makes no network call: a worker outside leases messages, sends them, acknowledges.
-- Delivery is at least once. A lease that runs out is given to the next who asks, under a new token; the
-- old token is then worth nothing (fencing), so a worker that was slow, not dead, cannot tick off what
-- another one is now working on.
--
-- Order. Per lead and destination messages go one after the other: one that is not done, dead or expired
-- holds back those after it. So that a lease costs the same however much waits, who is held back must not be
-- looked at again and again: lease() moves such a message to the end of the wait of the one before it, and
-- whoever ends that one moves the next of the lead back to when it was made (free_next()). The two meet at row locks: lease()
-- locks the message that it moves, for which free_next() waits, and the one before it, so that it can't end meanwhile. Where
-- that is about to end, and may have been before the message was there to be moved back, it is moved a little only.
--
-- Digests (65-digest.sql) are a queue of their own beside it.

create function handoff.subscribe(
    destination  text,
    type_pattern text default '%',
    criteria     handoff.criteria default null,
    digest       interval default null
) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
begin
    if criteria is not null then
        perform handoff.need_criteria(criteria);
    end if;
    insert into handoff.subscription as s (destination, type_pattern, criteria, digest)
    values (subscribe.destination, subscribe.type_pattern, subscribe.criteria, subscribe.digest)
    on conflict on constraint subscription_pkey do update set criteria = excluded.criteria, digest = excluded.digest;
    insert into handoff.destination (destination) values (subscribe.destination)
    on conflict on constraint destination_pkey do nothing;
end
$$;
comment on function handoff.subscribe(text, text, handoff.criteria, interval) is
    'From now on messages whose type is LIKE the pattern, of leads that the criteria holds for (NULL: all), are kept for the destination until it acknowledges them; with a digest those of so long and for the same rep or address as one. A destination may have several patterns and hears each message once; what one pattern asks for alone is not collected by another. The same pattern again: criteria and digest are replaced. Errors: 23514 (empty, a backslash in the pattern, a digest below a second or in months), 23502 (NULL), LH002, LH003 (criteria that no contract in force knows the fields of).';

create function handoff.need_criteria(criteria handoff.criteria) returns void
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    version int;
    refused text;
    message text;
    hint    text;
begin
    for version in select c.contract_id from handoff.contract c where c.status = 'published' order by 1 desc loop
        begin
            perform handoff.matches(criteria, '{}'::jsonb, version);
            return;
        exception when sqlstate 'LH002' or sqlstate 'LH003' then
            get stacked diagnostics refused = returned_sqlstate, message = message_text, hint = pg_exception_hint;
        end;
    end loop;
    if refused is not null then
        raise exception '%', message using errcode = refused, hint = hint;
    end if;
end
$$;
comment on function handoff.need_criteria(handoff.criteria) is
    'Raises LH002 or LH003 if contracts are in force and none of them knows the fields of a criteria on leads. Internal.';

create function handoff.knows_criteria(criteria handoff.criteria) returns boolean
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform handoff.need_criteria(criteria);
    return true;
exception when sqlstate 'LH002' or sqlstate 'LH003' then
    return false;
end
$$;
comment on function handoff.knows_criteria(handoff.criteria) is
    'Does a contract in force know the fields of a criteria on leads? Internal to doctor().';

create function handoff.unsubscribe(destination text, type_pattern text default null) returns void
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    delete from handoff.subscription s where s.destination = $1 and ($2 is null or s.type_pattern = $2)
$$;
comment on function handoff.unsubscribe(text, text) is
    'Keeps no further messages of that pattern (NULL: of any) for the destination. Those already kept stay and can be leased.';

create function handoff.set_destination(
    destination  text,
    max_attempts int default null,
    backoff      interval default null,
    max_backoff  interval default null,
    send_stale   boolean default null
) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    old jsonb;
    new jsonb;
begin
    insert into handoff.destination (destination) values (set_destination.destination)
    on conflict on constraint destination_pkey do nothing;
    select to_jsonb(d) into old from handoff.destination d where d.destination = set_destination.destination for update;
    update handoff.destination d
    set max_attempts = coalesce(set_destination.max_attempts, d.max_attempts),
        backoff = coalesce(set_destination.backoff, d.backoff),
        max_backoff = coalesce(set_destination.max_backoff, greatest(d.max_backoff, set_destination.backoff)),
        send_stale = coalesce(set_destination.send_stale, d.send_stale)
    where d.destination = set_destination.destination
    returning to_jsonb(d) into new;
    if new is distinct from old then
        perform handoff.log_operation('destination', set_destination.destination, old, new);
    end if;
end
$$;
comment on function handoff.set_destination(text, int, interval, interval, boolean) is
    'How messages are delivered to a destination, as in handoff.destination; NULL leaves a setting as it is. Logged. Errors: 23514 (a value that can''t be), 23502 (no destination).';

create function handoff.is_superseded(type text, lead_key text, seq bigint, payload jsonb) returns boolean
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    about jsonb := payload -> 'about';
begin
    case type
    when 'handoff.reminder', 'handoff.escalated' then
        -- that the lead was taken away remains so
        return about ->> 'action' in ('remind', 'notify')
           and (not exists (select from handoff.clock k
                            where k.lead_key = is_superseded.lead_key and k.handoff_no = (is_superseded.payload ->> 'handoff')::int and k.kind = 'sla'
                              and k.name = about ->> 'sla' and k.n = (about ->> 'n')::int and k.stopped_at is null)
                or exists (select from handoff.outbox o
                           where o.lead_key = is_superseded.lead_key and o.seq > is_superseded.seq
                             and o.type in ('handoff.reminder', 'handoff.escalated')
                             and o.payload ->> 'handoff' = is_superseded.payload ->> 'handoff'
                             and (o.payload -> 'about' ->> 'sla', o.payload -> 'about' ->> 'n') = (about ->> 'sla', about ->> 'n')
                             and o.payload -> 'about' ->> 'recipient' is not distinct from about ->> 'recipient'));
    when 'handoff.unassigned' then
        return not exists (select from handoff.handoff h
                           where h.lead_key = is_superseded.lead_key and h.handoff_no = (is_superseded.payload ->> 'handoff')::int
                             and h.closed_at is null and h.rep is null)
            or exists (select from handoff.outbox o
                       where o.lead_key = is_superseded.lead_key and o.seq > is_superseded.seq and o.type = 'handoff.unassigned'
                         and o.payload ->> 'handoff' = is_superseded.payload ->> 'handoff');
    when 'lead.blocked' then
        return not exists (select from handoff.lead l where l.lead_key = is_superseded.lead_key and l.blocked_since is not null)
            or exists (select from handoff.outbox o
                       where o.lead_key = is_superseded.lead_key and o.seq > is_superseded.seq and o.type = 'lead.blocked');
    else
        return false;
    end case;
end
$$;
comment on function handoff.is_superseded(text, text, bigint, jsonb) is
    'Has a message been overtaken? A reminder or notice of escalation: its clock has stopped, or the same recipient was told of it again. That nobody was found: somebody has the lead, it is over, or it was told again. A blocked lead: it isn''t any more, or it was told again. Others never are. Internal to lease().';

create function handoff.lease(
    destination text,
    qty         int default 100,
    lease_for   interval default '1 minute',
    worker      text default null
) returns table (
    id         uuid,
    token      uuid,
    type       text,
    lead_key   text,
    payload    jsonb,
    created_at timestamptz,
    attempt    int,
    sequence   text,
    expires_at timestamptz
)
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    given int;
begin
    if not handoff.acts_here('lease()') then
        return;
    end if;
    if qty is null or qty < 1 then
        raise exception 'quantity must be at least 1' using errcode = '22023';
    end if;
    if lease_for is null or now() + lease_for <= now() then
        raise exception 'a lease must last longer than no time' using errcode = '22023';
    end if;
    -- digests have had their wait
    return query select * from handoff.lease_digests(destination, qty, lease_for, worker);
    get diagnostics given = row_count;
    if given < qty then
        return query select * from handoff.lease_singles(destination, qty - given, lease_for, worker);
    end if;
end
$$;
comment on function handoff.lease(text, int, interval, text) is
    'Up to qty messages that wait for the destination, longest waiting first: at most one a lead, its oldest that is not done, dead or expired, and digests that are due (type handoff.digest, no lead_key). Each is the caller''s until lease_for has passed; ack() it with its token before. attempt counts from 1; sequence sorts the messages of a lead. What is past expires_at, or superseded, is expired and not returned; what has failed too often is dead. Safe to call by many workers at once, each call in a transaction of its own; outside read committed a collision is 40001. None while lead_handoff.enabled is off. Errors: LH031 (this is a copy: see handoff.adopt_instance()), 22023 (qty below 1, lease_for not positive).';

create function handoff.lease_singles(destination text, qty int, lease_for interval, worker text)
    returns table (id uuid, token uuid, type text, lead_key text, payload jsonb, created_at timestamptz, attempt int, sequence text, expires_at timestamptz)
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    -- a plan made while the table was small must not scan it when it is large; nor is it to be compiled for its cost, or made anew
    -- each time since it looks dearer than it is where nobody knows how many rows are asked for
    set plan_cache_mode = force_generic_plan
    set enable_seqscan = off
    set jit = off
    set enable_bitmapscan = off
    set enable_sort = off
    set enable_hashjoin = off
    set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
    moment timestamptz;
    rule   handoff.destination;
    given  int := 0;
    looked int := 0;
    seen   int := 1;
    r      record;
begin
    select d.* into rule from handoff.destination d where d.destination = lease_singles.destination;
    -- a call looks at so many at most: there is another one
    while given < qty and seen > 0 and looked < greatest(10000, 10 * qty) loop
        moment := clock_timestamp();
        for r in
            -- what is locked stays in its place until we are done with it
            with candidate as materialized (
                select d.ctid as place, d.lead_key, d.seq, d.n, d.visible_at, d.attempts,
                       (select e.visible_at from handoff.delivery e
                        where e.destination = d.destination and e.lead_key = d.lead_key and (e.seq, e.n) < (d.seq, d.n)
                          and e.state in ('pending', 'leased') and e.digest_for is null
                        order by e.seq, e.n limit 1) as behind
                from handoff.delivery d
                where d.destination = lease_singles.destination
                  and d.state in ('pending', 'leased') and d.digest_for is null
                  and d.visible_at <= moment
                order by d.visible_at
                limit case when looked = 0 then qty else greatest(qty - given, 100) end
                for update of d skip locked
            ), judged as materialized (
                select c.*, o.id, o.type, o.payload, o.created_at, o.expires_at,
                       case when c.behind is not null then 'behind'
                            when o.expires_at <= moment then 'expired'
                            when o.type in ('handoff.reminder', 'handoff.escalated', 'handoff.unassigned', 'lead.blocked')
                                 and rule.send_stale is not true and handoff.is_superseded(o.type, o.lead_key, o.seq, o.payload) then 'superseded'
                            when c.attempts >= coalesce(rule.max_attempts, 15) then 'spent'
                            else 'good' end as fate,
                       c.behind is not null
                       and exists (select from candidate b where b.lead_key = c.lead_key and (b.seq, b.n) < (c.seq, c.n)) as follows
                from candidate c
                -- looked up one by one, whatever the planner thinks of their number
                cross join lateral (select * from handoff.outbox o where o.lead_key = c.lead_key and o.seq = c.seq and o.n = c.n limit 1) o
            ), chosen as (
                select j.* from judged j where j.fate = 'good' order by j.visible_at limit qty - given
            ), before as materialized (
                -- one that comes before it must not end until it is moved, or nobody would move it back
                select b.lead_key, e.seq, e.n
                from (select distinct j.lead_key from judged j where j.fate = 'behind' and not j.follows) b
                cross join lateral (
                    select e.seq, e.n from handoff.delivery e
                    where e.destination = lease_singles.destination and e.lead_key = b.lead_key
                      and e.state in ('pending', 'leased') and e.digest_for is null
                    order by e.seq, e.n limit 1
                    for no key update skip locked) e
            ), held as (
                update handoff.delivery d
                set visible_at = case when j.follows or (b.seq, b.n) < (j.seq, j.n) then greatest(j.behind, moment + lease_for)
                                      else moment + interval '100 ms' end
                from judged j
                left join before b on b.lead_key = j.lead_key
                where j.fate = 'behind'
                  and d.ctid = j.place
            ), ended as (
                update handoff.delivery d
                set state = case j.fate when 'spent' then 'dead' else 'expired' end,
                    token = null, leased_until = null, visible_at = moment,
                    last_error = case j.fate when 'spent' then coalesce(d.last_error, 'every lease of it ran out') else j.fate end
                from judged j
                where j.fate in ('expired', 'superseded', 'spent')
                  and d.ctid = j.place
                returning d.lead_key
            ), taken as (
                update handoff.delivery d
                set state = 'leased', attempts = d.attempts + 1, token = gen_random_uuid(),
                    visible_at = moment + lease_for, leased_until = moment + lease_for, leased_by = worker
                from chosen c
                where d.ctid = c.place
                -- sequence_of(), written out: one with settings is not inlined
                returning c.id, d.token, c.type, d.lead_key, c.payload, c.created_at, d.attempts,
                          lpad(d.seq::text, 12, '0') || '.' || d.n as sequence, c.expires_at, c.visible_at as waiting_since
            )
            select t.*, l.seen, l.freed
            from (select (select count(*) from candidate)::int as seen, array(select distinct e.lead_key from ended e) as freed) l
            left join taken t on true
            order by t.waiting_since, t.lead_key
        loop
            seen := r.seen;
            if r.id is not null then
                given := given + 1;
                id := r.id; token := r.token; type := r.type; lead_key := r.lead_key; payload := r.payload;
                created_at := r.created_at; attempt := r.attempts; expires_at := r.expires_at;
                sequence := r.sequence;
                return next;
            end if;
        end loop;
        looked := looked + seen;
        -- what came after them needn't wait any more
        if r.freed <> '{}' then
            perform handoff.free_next(destination, r.freed, false);
        end if;
    end loop;
end
$$;
comment on function handoff.lease_singles(text, int, interval, text) is
    'lease() of messages that are delivered alone. Internal.';

create function handoff.sequence_of(seq bigint, n int) returns text
    language sql immutable strict parallel safe
    set search_path = pg_catalog, pg_temp
return lpad(seq::text, 12, '0') || '.' || n;
comment on function handoff.sequence_of(bigint, int) is
    'The place of a message among those of its lead, as a text that sorts that way: attribute sequence of CloudEvents.';

create function handoff.free_next(destination text, lead_keys text[], wait boolean) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set jit = off
    set plan_cache_mode = force_generic_plan
    set enable_bitmapscan = off
    set enable_sort = off
    set enable_hashjoin = off
    set enable_mergejoin = off
as $$
declare
    places tid[];
begin
    -- locked also those that need not be moved: a lease() that is about to move one must not come after us
    if wait then
        places := array(
            select e.place from unnest(free_next.lead_keys) as k (lead_key)
            cross join lateral (
                select d.ctid as place, d.visible_at, d.attempts from handoff.delivery d
                where d.destination = free_next.destination and d.lead_key = k.lead_key
                  and d.state in ('pending', 'leased') and d.digest_for is null
                order by d.seq, d.n limit 1
                for update) e
            where e.attempts = 0 and e.visible_at > clock_timestamp());
    else
        places := array(
            select e.place from unnest(free_next.lead_keys) as k (lead_key)
            cross join lateral (
                select d.ctid as place, d.visible_at, d.attempts from handoff.delivery d
                where d.destination = free_next.destination and d.lead_key = k.lead_key
                  and d.state in ('pending', 'leased') and d.digest_for is null
                order by d.seq, d.n limit 1
                for update skip locked) e
            where e.attempts = 0 and e.visible_at > clock_timestamp());
    end if;
    if places = '{}' then
        return;
    end if;
    update handoff.delivery d
    set visible_at = least(clock_timestamp(), (select o.created_at from handoff.outbox o where o.lead_key = d.lead_key and o.seq = d.seq and o.n = d.n))
    where d.ctid = any (places);
end
$$;
comment on function handoff.free_next(text, text[], boolean) is
    'The next message of each of these leads for a destination may be leased now, if it had to wait only for those before it; it goes by its age again. Internal.';

create function handoff.note_delivered(lead_keys text[], handoff_nos int[]) returns void
    -- not a function in SQL: those are planned at each call
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set jit = off
    set plan_cache_mode = force_generic_plan
    set enable_bitmapscan = off
    set enable_hashjoin = off
    set enable_mergejoin = off
as $$
begin
    insert into handoff.inbox (source, raw_key, op, xid, at)
    select l.source, l.raw_key, 'H', pg_current_xact_id(), clock_timestamp()
    from unnest(lead_keys, handoff_nos) as k (lead_key, handoff_no)
    join handoff.handoff h on h.lead_key = k.lead_key and h.handoff_no = k.handoff_no
    join handoff.lead l on l.lead_key = k.lead_key
    where l.deleted_at is null and h.delivered_at is null;
end
$$;
comment on function handoff.note_delivered(text[], int[]) is
    'Has the next tick note with each handoff when the news of its assignment was delivered. Internal to ack().';

create function handoff.ack_singles(destination text, ids uuid[], tokens uuid[]) returns table (id uuid, token uuid)
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set jit = off
    set plan_cache_mode = force_generic_plan
    set enable_bitmapscan = off
    set enable_hashjoin = off
    set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
    leads    text[];
    told     text[];
    handoffs int[];
begin
    with asked as materialized (
        select o.*, u.token
        from unnest(ids, tokens) as u (id, token)
        cross join lateral (
            select o.id, o.lead_key, o.seq, o.n, case when o.type = 'handoff.assigned' then (o.payload ->> 'handoff')::int end as assigned
            from handoff.outbox o where o.id = u.id limit 1) o
        order by o.lead_key, o.seq, o.n
    ), done as (
        update handoff.delivery d
        set state = 'done', leased_until = null, last_error = null, done_at = coalesce(d.done_at, clock_timestamp())
        from asked a
        where d.lead_key = a.lead_key and d.seq = a.seq and d.n = a.n and d.destination = ack_singles.destination
          and d.token = a.token and d.state = 'leased' and d.digest_for is null
        returning a.id, a.token, a.lead_key, a.assigned
    )
    select array_agg(d.id), array_agg(d.token), array_agg(distinct d.lead_key),
           array_agg(d.lead_key) filter (where d.assigned is not null), array_agg(d.assigned) filter (where d.assigned is not null)
    into ids, tokens, leads, told, handoffs
    from done d;
    if told is not null then
        perform handoff.note_delivered(told, handoffs);
    end if;
    if leads is not null then
        perform handoff.free_next(destination, leads, true);
    end if;
    return query select u.id, u.token from unnest(ids, tokens) as u (id, token);
end
$$;
comment on function handoff.ack_singles(text, uuid[], uuid[]) is
    'ack() of messages that are delivered alone: of which it was news. Internal.';

create function handoff.ack(destination text, id uuid, token uuid) returns boolean
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set jit = off
as $$
declare
    r record;
begin
    if exists (select from handoff.ack_singles(destination, array[id], array[token])) then
        return true;
    end if;
    -- a digest
    for r in
        update handoff.delivery d
        set state = 'done', leased_until = null, last_error = null, done_at = clock_timestamp()
        from handoff.outbox o
        where d.digest = ack.id and d.destination = ack.destination and d.token = ack.token and d.state = 'leased'
          and o.lead_key = d.lead_key and o.seq = d.seq and o.n = d.n
        returning d.lead_key, o.type, o.payload
    loop
        if r.type = 'handoff.assigned' then
            perform handoff.note_delivered(array[r.lead_key], array[(r.payload ->> 'handoff')::int]);
        end if;
    end loop;
    return found or exists (
        -- the same again: the answer may have been lost
        select from handoff.delivery d
        join handoff.outbox o on o.lead_key = d.lead_key and o.seq = d.seq and o.n = d.n
        where o.id = ack.id and d.digest_for is null and d.destination = ack.destination and d.token = ack.token and d.state = 'done'
        union all
        select from handoff.delivery d
        where d.digest = ack.id and d.destination = ack.destination and d.token = ack.token and d.state = 'done');
end
$$;
comment on function handoff.ack(text, uuid, uuid) is
    'The message, or digest, was delivered. True, also when repeated with the same token; false and no effect when the token is not that of the newest lease: it ran out and another worker has the message, or it was given back. A lease that ran out but was not taken again is still good. The first ack() of a handoff.assigned becomes handoff.delivered_at with the next tick.';

create function handoff.ack_all(destination text, ids uuid[], tokens uuid[]) returns bigint
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- digests, and what is repeated, one by one
    return (
        select count(*) filter (where d.id is not null or handoff.ack(destination, u.id, u.token))
        from unnest(ids, tokens) as u (id, token)
        left join (select distinct s.id, s.token from handoff.ack_singles(destination, ids, tokens) s) d on d.id = u.id and d.token = u.token);
end
$$;
comment on function handoff.ack_all(text, uuid[], uuid[]) is
    'ack() of many messages, each with its token; how many of them it was true for.';

create function handoff.nack(
    destination text,
    id          uuid,
    token       uuid,
    error       text default null,
    retry_after interval default null,
    give_up     boolean default false
) returns boolean
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set jit = off
as $$
declare
    rule   handoff.destination;
    moment timestamptz := clock_timestamp();
    r      record;
    n      int := 0;
begin
    select d.* into rule from handoff.destination d where d.destination = nack.destination;
    for r in
        with mine as (
            select d.lead_key, d.seq, d.n, d.digest_for from handoff.outbox o
            join handoff.delivery d on d.lead_key = o.lead_key and d.seq = o.seq and d.n = o.n and d.digest_for is null
            where o.id = nack.id
            union all
            select d.lead_key, d.seq, d.n, d.digest_for from handoff.delivery d where d.digest = nack.id
        ), wait as materialized (
            -- doubled with each attempt; half of it by chance, so that what failed together doesn't come back together
            select case when retry_after is not null then greatest(retry_after, interval '0')
                        else least(coalesce(rule.max_backoff, interval '1 hour'),
                                   coalesce(rule.backoff, interval '10 seconds') * power(2, least(greatest(a.attempts, 1) - 1, 20)))
                             * (0.5 + random() / 2) end as span,
                   a.attempts >= coalesce(rule.max_attempts, 15) or give_up as over
            from (select d.attempts from mine m
                  join handoff.delivery d on d.lead_key = m.lead_key and d.seq = m.seq and d.n = m.n and d.destination = nack.destination
                  limit 1) a
        )
        update handoff.delivery d
        set state = case when w.over then 'dead' else 'pending' end,
            token = null, leased_until = null, last_error = nack.error,
            visible_at = moment + case when w.over then interval '0' else w.span end
        from mine m, wait w
        where d.lead_key = m.lead_key and d.seq = m.seq and d.n = m.n and d.destination = nack.destination
          and d.token = nack.token and d.state = 'leased'
        returning d.lead_key, d.digest_for, d.state
    loop
        n := n + 1;
        if r.digest_for is null and r.state = 'dead' then
            perform handoff.free_next(destination, array[r.lead_key], true);
        end if;
    end loop;
    return n > 0;
end
$$;
comment on function handoff.nack(text, uuid, uuid, text, interval, boolean) is
    'The message, or digest, could not be delivered; the worker''s error is kept. It can be leased again after retry_after (NULL: the destination''s backoff, doubled with each attempt, half of it by chance). With give_up, or after the destination''s max_attempts, it is dead: later messages of the lead go on, see handoff.dead_letter. False and no effect when the token is not that of a lease.';

create function handoff.extend(destination text, id uuid, token uuid, lease_for interval default '1 minute') returns boolean
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set jit = off
as $$
declare
    until timestamptz := clock_timestamp() + lease_for;
begin
    if lease_for is null or now() + lease_for <= now() then
        raise exception 'a lease must last longer than no time' using errcode = '22023';
    end if;
    update handoff.delivery d set visible_at = until, leased_until = until
    from (select d.lead_key, d.seq, d.n from handoff.outbox o
          join handoff.delivery d on d.lead_key = o.lead_key and d.seq = o.seq and d.n = o.n and d.digest_for is null
          where o.id = extend.id
          union all
          select d.lead_key, d.seq, d.n from handoff.delivery d where d.digest = extend.id) m
    where d.lead_key = m.lead_key and d.seq = m.seq and d.n = m.n and d.destination = extend.destination
      and d.token = extend.token and d.state = 'leased';
    return found;
end
$$;
comment on function handoff.extend(text, uuid, uuid, interval) is
    'The worker needs longer: its lease holds for lease_for from now. False and no effect when the token is not that of the newest lease. Error 22023: lease_for not positive.';

create function handoff.requeue(destination text, id uuid default null) returns bigint
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set jit = off
as $$
declare
    n bigint;
begin
    update handoff.delivery d set state = 'pending', attempts = 0, visible_at = clock_timestamp()
    where d.destination = requeue.destination and d.state = 'dead'
      and (requeue.id is null or d.digest = requeue.id
           or d.digest is null and (d.lead_key, d.seq, d.n) = (select o.lead_key, o.seq, o.n from handoff.outbox o where o.id = requeue.id));
    get diagnostics n = row_count;
    return n;
end
$$;
comment on function handoff.requeue(text, uuid) is
    'Dead messages of a destination are tried again, with the same ids: one message or digest, or (NULL) all. They come out of order then: later messages of their leads may have been delivered. Returns how many messages.';

revoke all on function handoff.subscribe(text, text, handoff.criteria, interval) from public;
revoke all on function handoff.need_criteria(handoff.criteria) from public;
revoke all on function handoff.knows_criteria(handoff.criteria) from public;
revoke all on function handoff.unsubscribe(text, text) from public;
revoke all on function handoff.set_destination(text, int, interval, interval, boolean) from public;
revoke all on function handoff.is_superseded(text, text, bigint, jsonb) from public;
revoke all on function handoff.lease(text, int, interval, text) from public;
revoke all on function handoff.lease_singles(text, int, interval, text) from public;
revoke all on function handoff.sequence_of(bigint, int) from public;
revoke all on function handoff.free_next(text, text[], boolean) from public;
revoke all on function handoff.note_delivered(text[], int[]) from public;
revoke all on function handoff.ack_singles(text, uuid[], uuid[]) from public;
revoke all on function handoff.ack(text, uuid, uuid) from public;
revoke all on function handoff.ack_all(text, uuid[], uuid[]) from public;
revoke all on function handoff.nack(text, uuid, uuid, text, interval, boolean) from public;
revoke all on function handoff.extend(text, uuid, uuid, interval) from public;
revoke all on function handoff.requeue(text, uuid) from public;
