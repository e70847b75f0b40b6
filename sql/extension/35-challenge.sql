-- sql/extension/35-challenge.sql: a challenger beside the version in force: who is shared, and what the two must have in common.
--
-- Champion and challenger are two published versions of one name: the one without a traffic_share decides every lead but those
-- that the other one shares and whose bucket is below its share (src/flow/version.c). Both read the same rows, and a lead may pass
-- from one to the other at any time (its account changes, the share does), so both must declare the same fields and have the same stages.

create function handoff.traffic_bucket(contract text, key text) returns double precision
    language c immutable strict parallel safe as 'MODULE_PATHNAME', 'lh_sql_traffic_bucket';
comment on function handoff.traffic_bucket(text, text) is
    'Where a key stands among all keys of the contract of that name, from 0 up to 1 and the same for ever and on every machine: the first 48 bits of SHA-256 of the name, a line feed and the key (in UTF-8) as a binary fraction. A challenger decides the leads whose account key, else person key, else lead key is below its traffic_share. NULL: an argument is.';

create function handoff.rival(version int) returns int
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select o.contract_id
    from handoff.contract c
    join handoff.contract o on o.name = c.name and o.contract_id <> c.contract_id and o.status = 'published'
     and (o.traffic_share is null) = ((c.traffic_share < 1) is true)
    where c.contract_id = $1
$$;
comment on function handoff.rival(int) is
    'Of a challenger, or a draft with a traffic_share below 1: the version in force of its name; of any other version the challenger of its name. NULL: none. Internal.';

create function handoff.check_challenge(version int)
    returns table (severity text, object text, message text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with this as (
        select c.*, (c.traffic_share < 1) is true as challenges, handoff.rival($1) as rival from handoff.contract c where c.contract_id = $1
    ), pair as (
        select x.has_it, x.lacks_it
        from this v
        cross join lateral (values (v.contract_id, v.rival), (v.rival, v.contract_id)) x (has_it, lacks_it)
        where v.rival is not null
    ), differ as (
        select p.has_it, p.lacks_it, format('field %s.%s %s', f.of, f.name, f.type) as name
        from pair p
        join handoff.field f on f.contract_id = p.has_it
        where not exists (select from handoff.field o where (o.contract_id, o.of, o.name, o.type) = (p.lacks_it, f.of, f.name, f.type))
        union all
        select p.has_it, p.lacks_it, format('stage "%s"', s.name)
        from pair p
        join handoff.stage s on s.contract_id = p.has_it
        where not exists (select from handoff.stage o where (o.contract_id, o.name) = (p.lacks_it, s.name))
    )
    select 'error', format('contract "%s"', v.name), 'challenges nobody: no version of its name is in force',
           'Publish one without a traffic_share first.'
    from this v
    where v.challenges and v.rival is null
    union all
    select 'error', format('contract "%s"', v.name),
           format('contract %s has %s, contract %s has not; a lead may pass from one to the other', d.has_it, d.name, d.lacks_it),
           case when starts_with(d.name, 'field') then 'Sources are read once for both: declare the same fields in both, if need be in a champion first.'
                else 'Have the same stages in both.' end
           || case when v.challenges then '' else format(' Or take the challenger out of force with handoff.retire(%s).', v.rival) end
    from this v
    cross join differ d
    union all
    select 'error', format('contract "%s"', v.name), 'has a scope and challenges nobody',
           'A scope is of a challenger: give it a traffic_share below 1, or take the scope away.'
    from this v
    where v.scope is not null and not v.challenges and v.status = 'draft'
    union all
    select 'error', format('contract "%s"', v.name), format('its scope asks for field "%s", which deciding makes', f.name),
           'Use fields that a source maps, or those of the account.'
    from this v
    cross join lateral handoff.criteria_fields(v.scope) f (name)
    where not exists (select from handoff.field d where d.contract_id = $1 and d.of = 'lead' and d.name = f.name)
      and not exists (select from handoff.builtin_fields() b where b.of = 'lead' and b.mapped and b.name = f.name)
      and f.name not like 'account.%'
    union all
    select 'error', format('contract "%s"', v.name), 'its scope asks what time it is', 'Compare with a fixed time: nothing decides a lead anew when the answer changes.'
    from this v
    where regexp_replace(v.scope::text, '''[^'']*''', '', 'g') ~ 'now\(\)|current_date'
$$;
comment on function handoff.check_challenge(int) is
    'Findings about a challenger, or a version beside one: what champion and challenger must have in common, and the scope. Internal.';

create function handoff.need_challenge(version int) returns void
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    n int;
    problems text;
begin
    select count(*), string_agg(f.message, E'\n'), min(f.hint) into n, problems
    from handoff.check_challenge(version) f;
    if n > 0 then
        raise exception 'contract % can''t be in force beside contract %', version, handoff.rival(version)
            using errcode = 'LH011', detail = problems,
                  hint = format('Take the challenger out of force first: SELECT handoff.retire(%s).', handoff.rival(version));
    end if;
end
$$;
comment on function handoff.need_challenge(int) is
    'Raises LH011 when a version has not what it must have in common with the challenger of its name. Internal.';

create function handoff.start_challenge(version int) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    t constant timestamptz := clock_timestamp();
    present int;
    contract text;
    share numeric;
begin
    perform handoff.check_stages(version, '{}');
    select o.contract_id into present
    from handoff.contract c
    join handoff.contract o on o.name = c.name and o.status = 'published' and o.traffic_share is not null
    where c.contract_id = version;
    if found then
        raise exception 'contract % is challenged by contract % already', handoff.rival(version), present
            using errcode = '55000',
                  hint = format('One at a time: end that with handoff.retire(%s), or make it the champion with handoff.publish(%1$s, traffic_share => 1).', present);
    end if;
    update handoff.contract c
    set status = 'published',
        checksum = handoff.definition_checksum(version),
        challenging = tstzmultirange(tstzrange(t, null)),
        published_at = t,
        published_by = session_user
    where c.contract_id = version
    returning c.name, c.traffic_share into contract, share;
    perform handoff.requeue_leads(contract, 0, share);
end
$$;
comment on function handoff.start_challenge(int) is
    'Puts a draft with a traffic_share beside the version in force of its name, and queues the leads of its part for a new decision. 55000: there is a challenger. Internal: the caller holds lock_contract().';

create function handoff.change_share(version int, share numeric) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    before numeric;
    contract text;
begin
    select c.traffic_share, c.name into before, contract from handoff.contract c where c.contract_id = version;
    update handoff.contract c
    set traffic_share = share, published_at = clock_timestamp(), published_by = session_user
    where c.contract_id = version;
    perform handoff.requeue_leads(contract, least(before, share), greatest(before, share));
end
$$;
comment on function handoff.change_share(int, numeric) is
    'Gives a challenger another share, and queues the leads between the two for a new decision. Internal: the caller holds lock_contract().';

create function handoff.challenge_faults() returns table (severity text, what text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with pair as (
        select c.name, c.contract_id as champion, h.contract_id as challenger, h.traffic_share, h.scope
        from handoff.contract h
        left join handoff.contract c on c.name = h.name and c.in_force
        where h.status = 'published' and h.traffic_share is not null
    ), placed as (
        select l.lead_key, l.source, l.raw_key, l.contract_id, p.*,
               case when (p.scope is null or handoff.matches(p.scope, l.fields, p.challenger))
                     and handoff.traffic_bucket(p.name, coalesce(l.account_key, l.person_key, l.lead_key)) < p.traffic_share
                    then p.challenger else p.champion end as should
        from pair p
        join handoff.source s on coalesce(s.contract, p.name) = p.name
        join handoff.lead l on l.source = s.name and l.deleted_at is null
        where p.champion is not null
          and not exists (select from handoff.handoff h where h.lead_key = l.lead_key and h.closed_at is null)
    )
    select 'error', format('contract %s challenges nobody', p.challenger), format('Take it out of force with handoff.retire(%s).', p.challenger)
    from pair p
    where p.champion is null
    union all
    select 'error', format('%s leads, "%s" among them, were decided by another version than that of their part', count(*), min(p.lead_key)),
           format('SELECT handoff.publish(%s, traffic_share => ..) with another share and back decides them anew.', min(p.challenger))
    from placed p
    where p.contract_id <> p.should
      and not exists (select from handoff.inbox i where i.source = p.source and i.raw_key = p.raw_key)
      -- what could not be read is as it was
      and not exists (select from handoff.quarantine q where q.source = p.source and q.raw_key = p.raw_key)
      and not exists (select from handoff.absence a where a.source = p.source and a.raw_key = p.raw_key)
    group by p.name
$$;
comment on function handoff.challenge_faults() is
    'What doctor() has to say of challengers: each has a champion, and leads without an open handoff are decided by the version of their part, unless they wait. Internal.';

revoke all on function handoff.traffic_bucket(text, text) from public;
revoke all on function handoff.rival(int) from public;
revoke all on function handoff.check_challenge(int) from public;
revoke all on function handoff.need_challenge(int) from public;
revoke all on function handoff.start_challenge(int) from public;
revoke all on function handoff.change_share(int, numeric) from public;
revoke all on function handoff.challenge_faults() from public;
