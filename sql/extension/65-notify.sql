-- sql/extension/65-notify.sql: subscribing to events, and delivering them.
--
-- The extension makes no network call: a worker outside leases events, sends them, acknowledges.
-- Delivery is at least once. Per lead and destination events come in order: one that is not done or
-- dead holds back those after it. A lease that runs out is given to the next who asks, under a new
-- token; the old token is then worth nothing (fencing), so a worker that was slow, not dead, cannot
-- tick off what another one is now working on.

create function handoff.subscribe(destination text, type_pattern text default '%') returns void
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    insert into handoff.subscription (destination, type_pattern)
    values ($1, $2)
    on conflict do nothing
$$;
comment on function handoff.subscribe(text, text) is
    'From now on events whose type is LIKE the pattern are kept for the destination until it acknowledges them. A destination may have several patterns and hears each event once. Errors: 23514 (empty, or a backslash in the pattern), 23502 (NULL).';

create function handoff.unsubscribe(destination text) returns void
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    delete from handoff.subscription s where s.destination = $1
$$;
comment on function handoff.unsubscribe(text) is
    'Keeps no further events for the destination. Those already kept stay and can be leased.';

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
    attempt    int
)
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    moment timestamptz := clock_timestamp();
begin
    if not handoff.acts_here('lease()') then
        return;
    end if;
    if qty is null or qty < 1 then
        raise exception 'quantity must be at least 1' using errcode = '22023';
    end if;
    if lease_for is null or moment + lease_for <= moment then
        raise exception 'a lease must last longer than no time' using errcode = '22023';
    end if;
    return query
    with head as (
        select d.lead_key, d.seq, d.n, d.visible_at, o.expires_at <= moment as expired
        from handoff.delivery d
        join handoff.outbox o on o.lead_key = d.lead_key and o.seq = d.seq and o.n = d.n
        where d.destination = lease.destination
          and d.state in ('pending', 'leased')
          and d.visible_at <= moment
          and not exists (
              select from handoff.delivery e
              where e.lead_key = d.lead_key
                and e.destination = d.destination
                and (e.seq, e.n) < (d.seq, d.n)
                and e.state in ('pending', 'leased')
          )
        order by d.visible_at, d.lead_key
        limit qty
        for update of d skip locked
    ), expired as (
        update handoff.delivery d
        set state = 'dead', token = null, leased_until = null, last_error = 'expired'
        from head h
        where d.lead_key = h.lead_key and d.seq = h.seq and d.n = h.n and d.destination = lease.destination
          and h.expired
    ), taken as (
        update handoff.delivery d
        set state = 'leased',
            attempts = d.attempts + 1,
            token = gen_random_uuid(),
            visible_at = moment + lease_for,
            leased_until = moment + lease_for,
            leased_by = worker
        from head h
        where d.lead_key = h.lead_key and d.seq = h.seq and d.n = h.n and d.destination = lease.destination
          and h.expired is not true
        returning d.lead_key, d.seq, d.n, d.token, d.attempts, h.visible_at
    )
    select o.id, t.token, o.type, o.lead_key, o.payload, o.created_at, t.attempts
    from taken t
    join handoff.outbox o on o.lead_key = t.lead_key and o.seq = t.seq and o.n = t.n
    order by t.visible_at, t.lead_key;
end
$$;
comment on function handoff.lease(text, int, interval, text) is
    'Up to qty events that wait for the destination, longest waiting first, at most one a lead: its oldest that is not done or dead. Each is the caller''s until lease_for has passed; ack() it with its token before. attempt counts from 1. Events past expires_at are buried (dead) and not returned. Safe to call by many workers at once; outside read committed a collision is 40001. None while lead_handoff.enabled is off. Errors: LH031 (this is a copy: see handoff.adopt_instance()), 22023 (qty below 1, lease_for not positive).';

create function handoff.ack(destination text, id uuid, token uuid) returns boolean
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    with done as (
        update handoff.delivery d
        set state = 'done', leased_until = null, last_error = null, done_at = coalesce(d.done_at, clock_timestamp())
        from handoff.outbox o
        where o.id = $2
          and d.lead_key = o.lead_key and d.seq = o.seq and d.n = o.n and d.destination = $1
          and d.token = $3
          and d.state in ('leased', 'done')
        returning d.seq
    )
    select exists (select from done)
$$;
comment on function handoff.ack(text, uuid, uuid) is
    'The event was delivered. True, also when repeated with the same token; false and no effect when the token is not that of the newest lease: it ran out and another worker has the event, or it was given back. A lease that ran out but was not taken again is still good.';

create function handoff.nack(
    destination text,
    id          uuid,
    token       uuid,
    error       text default null,
    retry_after interval default '1 minute'
) returns boolean
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    with back as (
        update handoff.delivery d
        set state = case when $5 is null then 'dead' else 'pending' end,
            token = null,
            leased_until = null,
            last_error = $4,
            visible_at = clock_timestamp() + coalesce(greatest($5, interval '0'), interval '0')
        from handoff.outbox o
        where o.id = $2
          and d.lead_key = o.lead_key and d.seq = o.seq and d.n = o.n and d.destination = $1
          and d.token = $3
          and d.state = 'leased'
        returning d.seq
    )
    select exists (select from back)
$$;
comment on function handoff.nack(text, uuid, uuid, text, interval) is
    'The event could not be delivered: it can be leased again after retry_after, with the worker''s error kept; retry_after NULL gives it up (dead), so that later events of the lead go on. False and no effect when the token is not that of a lease.';

revoke all on function handoff.subscribe(text, text) from public;
revoke all on function handoff.unsubscribe(text) from public;
revoke all on function handoff.lease(text, int, interval, text) from public;
revoke all on function handoff.ack(text, uuid, uuid) from public;
revoke all on function handoff.nack(text, uuid, uuid, text, interval) from public;
