-- sql/extension/34-publish.sql: which version is in force, and how that changes.
--
-- Lock order: decisions under way (none may be made by the old version once all leads are queued), the
-- contract's row (edits of the draft hold it for share), then the table handoff.contract (nobody else
-- numbers or publishes). Only then is anything read that publishing
-- depends on. The other way round an edit that goes on to the contract's own columns would deadlock.

create function handoff.approve(version int, party text, actor text default session_user, note text default null)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    draft handoff.contract;
begin
    select c.* into draft from handoff.contract c where c.contract_id = handoff.chosen_version(version) for share;
    if draft.status <> 'draft' then
        raise exception 'contract % is %, not a draft', version, draft.status using errcode = '55000';
    end if;
    if party <> all (draft.parties) then
        raise exception 'contract % names no party "%"', version, party
            using errcode = '22023', hint = format('Its parties: %s.', array_to_string(draft.parties, ', ', 'none'));
    end if;
    insert into handoff.approval (contract_id, party, actor, checksum, note)
    values (version, party, actor, handoff.definition_checksum(version), note)
    on conflict on constraint approval_pkey do update
        set actor = excluded.actor, at = clock_timestamp(), checksum = excluded.checksum, note = excluded.note;
end
$$;
comment on function handoff.approve(int, text, text, text) is
    'Approves a draft, as it is now, for one of its parties. When the draft changes, the approval no longer counts. 55000: not a draft; 22023: not a party; LH012: no such version.';

create function handoff.check_stages(version int, stage_map jsonb) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    bad text;
begin
    if jsonb_typeof(stage_map) is distinct from 'object' then
        raise exception 'stage_map is not a JSON object'
            using errcode = '22023', hint = 'It looks like {"old stage": "new stage"}.';
    end if;
    select m.value into bad from jsonb_each_text(stage_map) m
    where not exists (select from handoff.stage s where s.contract_id = version and s.name = m.value)
    order by m.value
    limit 1;
    if found then
        raise exception 'unknown stage "%" in stage_map', bad
            using errcode = 'LH011', hint = format('Map to a stage of contract %s.', version);
    end if;
    select string_agg(format('"%s" (%s)', l.stage, l.leads), ', ' order by l.stage) into bad
    from (
        select l.stage, count(*) as leads
        from handoff.lead l
        where l.deleted_at is null
          and l.contract_id in (select o.contract_id from handoff.contract o
                                join handoff.contract n using (name) where n.contract_id = check_stages.version)
        group by l.stage
    ) l
    where not stage_map ? l.stage
      and not exists (select from handoff.stage s where s.contract_id = version and s.name = l.stage);
    if bad is not null then
        raise exception 'contract % has no place for leads that are in stages of an earlier version', version
            using errcode = 'LH011',
                  detail = format('Stages, with the number of leads: %s.', bad),
                  hint = 'Say where they go, for example stage_map => ''{"old stage": "new stage"}''.';
    end if;
end
$$;
comment on function handoff.check_stages(int, jsonb) is
    'Raises LH011 when leads of the contract''s name are in a stage that neither the version nor stage_map has. Internal.';

create function handoff.lock_contract(version int) returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'a contract can''t be put in or out of force in a % transaction',
                        current_setting('transaction_isolation')
            using errcode = '25001',
                  detail = 'It must see edits that end while it waits for them.',
                  hint = 'Use READ COMMITTED.';
    end if;
    -- waits for decisions under way, which hold it shared (lh_lock_deciding()); they never wait for us
    perform pg_advisory_xact_lock(19528, 1024);
    perform from handoff.contract c where c.contract_id = version for no key update;
    lock table handoff.contract in share row exclusive mode;
    return (select c.status from handoff.contract c where c.contract_id = version);
end
$$;
comment on function handoff.lock_contract(int) is
    'Waits for decisions under way, and makes whoever else publishes, numbers or edits this contract wait until this transaction ends (changes wait in the inbox meanwhile); returns its status. 25001: not in READ COMMITTED. Internal.';

create function handoff.put_in_force(version int, stage_map jsonb) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    t constant timestamptz := clock_timestamp();
    contract text;
begin
    perform handoff.check_stages(version, stage_map);
    select c.name into contract from handoff.contract c where c.contract_id = version;
    update handoff.contract c
    set status = 'retired',
        effective = c.effective * tstzmultirange(tstzrange(null, t))
    where c.name = contract and c.in_force;
    update handoff.contract c
    set status = 'published',
        traffic_share = null,
        checksum = handoff.definition_checksum(version),
        effective = c.effective + tstzmultirange(tstzrange(t, null)),
        challenging = c.challenging * tstzmultirange(tstzrange(null, t)),
        published_at = t,
        published_by = session_user
    where c.contract_id = version;
    if stage_map <> '{}' then
        perform handoff.map_stages(version, stage_map);
    end if;
    perform handoff.need_challenge(version);
    perform handoff.requeue_leads(contract);
end
$$;
comment on function handoff.put_in_force(int, jsonb) is
    'Makes a version (a challenger too) the one in force of its name, in place of its predecessor, and queues the leads for a new decision. Internal: the caller holds lock_contract().';

create function handoff.need_publishable(chosen int) returns void
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    missing text;
    problems text;
    n int;
begin
    select string_agg(p.party, ', ' order by p.party) into missing
    from handoff.contract c, unnest(c.parties) p (party)
    where c.contract_id = chosen
      and not exists (select from handoff.approval a
                      where a.contract_id = chosen and a.party = p.party
                        and a.checksum = handoff.definition_checksum(chosen));
    if missing is not null then
        raise exception 'contract % is not approved by %', chosen, missing
            using errcode = 'LH011',
                  detail = 'An approval counts only for the draft as it was approved.',
                  hint = format('Each party approves with SELECT handoff.approve(%s, party).', chosen);
    end if;
    select count(*), string_agg(format('%s: %s', f.object, f.message), E'\n') into n, problems
    from handoff.validate(chosen) f
    where f.severity = 'error';
    if n > 0 then
        raise exception 'contract % has % error(s)', chosen, n
            using errcode = 'LH011',
                  detail = problems,
                  hint = format('SELECT * FROM handoff.validate(%s) says what to do about each.', chosen);
    end if;
end
$$;
comment on function handoff.need_publishable(int) is
    'Raises LH011 when a draft has errors, or an approval is missing. Internal to publish().';

create function handoff.publish_challenger(chosen int, share numeric, stage_map jsonb) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if share is null then
        raise exception 'contract % is a challenger already', chosen
            using errcode = '55000',
                  hint = format('SELECT handoff.publish(%s, traffic_share => 1) makes it the champion, a share below 1 changes its part.', chosen);
    elsif share < 1 then
        perform handoff.change_share(chosen, share);
    else
        perform handoff.put_in_force(chosen, stage_map);
    end if;
end
$$;
comment on function handoff.publish_challenger(int, numeric, jsonb) is
    'Changes the share of a challenger, or makes it the champion. 55000: no share is given. Internal to publish().';

create function handoff.publish(version int default null, stage_map jsonb default '{}', in_flight text default 'keep',
                                traffic_share numeric default null, scope handoff.criteria default null)
    returns int
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    chosen constant int := handoff.chosen_version(version);
    status constant text := handoff.lock_contract(chosen);
    is_challenger boolean;
begin
    if in_flight = 'adopt' then
        raise exception 'in_flight "adopt" is not supported'
            using errcode = '0A000', hint = 'Use "keep": an open handoff stays under the version it was made under.';
    elsif in_flight is distinct from 'keep' then
        raise exception 'unknown in_flight "%"', in_flight using errcode = '22023', hint = 'Use "keep".';
    end if;
    if not (traffic_share > 0 and traffic_share <= 1) then
        raise exception 'traffic_share % is no share', traffic_share
            using errcode = '22023', hint = 'Give one above 0 and below 1, for example 0.2; 1 makes the version the champion.';
    end if;
    select c.status = 'published' and c.traffic_share is not null into is_challenger from handoff.contract c where c.contract_id = chosen;
    if is_challenger and scope is null then
        perform handoff.publish_challenger(chosen, publish.traffic_share, stage_map);
        return chosen;
    elsif status <> 'draft' then
        raise exception 'contract % is %, not a draft', chosen, status
            using errcode = '55000', hint = 'Make a draft with SELECT handoff.draft(), or name one.';
    end if;
    update handoff.contract c
    set traffic_share = nullif(coalesce(publish.traffic_share, c.traffic_share), 1),
        scope = coalesce(publish.scope, c.scope)
    where c.contract_id = chosen
    returning c.traffic_share is not null into is_challenger;
    perform handoff.need_publishable(chosen);
    if is_challenger and stage_map <> '{}' then
        raise exception 'a challenger has no stage_map'
            using errcode = '22023', hint = 'It has the stages of the version in force.';
    elsif is_challenger then
        perform handoff.start_challenge(chosen);
    else
        perform handoff.put_in_force(chosen, stage_map);
    end if;
    return chosen;
end
$$;
comment on function handoff.publish(int, jsonb, text, numeric, handoff.criteria) is
    'Puts a draft (default: the only one) in force: its predecessor of the same name is retired, leads without an open handoff are decided anew by the next ticks, open handoffs keep their version. stage_map says where leads go whose stage the draft lacks. traffic_share below 1 (default: what the draft says): the draft becomes the challenger of the version in force, which stays, and decides that share of the leads, or of those in scope (over mapped fields; default: what the draft says). Of a challenger: traffic_share changes its share, 1 makes it the champion. Returns the version. LH011: validate() has errors, a party''s approval is missing, or leads would lose their stage; 55000: not a draft, or there is a challenger already; 22023: no share, or a stage_map for a challenger.';

create function handoff.rollback(contract text default null, stage_map jsonb default '{}') returns int
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    present constant int := handoff.in_force(contract);
    previous int;
begin
    if present is null then
        raise exception 'no contract is in force' using errcode = 'LH012', hint = 'There is nothing to take back.';
    end if;
    perform handoff.lock_contract(present);
    select p.contract_id into previous
    from handoff.contract p
    join handoff.contract c on c.contract_id = present and c.name = p.name
    where p.status = 'retired' and not isempty(p.effective)
    order by upper(p.effective) desc, p.contract_id desc
    limit 1;
    if not found then
        raise exception 'contract % has no predecessor', present
            using errcode = 'LH012', hint = 'Take it out of force with handoff.retire().';
    end if;
    perform handoff.put_in_force(previous, stage_map);
    return previous;
end
$$;
comment on function handoff.rollback(text, jsonb) is
    'Puts the version in force again that was so before the present one (called twice, it takes itself back), with a new range in contract.effective. A challenger stays beside it. Returns that version. stage_map as for publish(). LH012: nothing in force, or nothing before it; LH011: leads would lose their stage, or the challenger has other fields or stages.';

create function handoff.retire(version int) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    status constant text := handoff.lock_contract(handoff.chosen_version(version));
    t constant timestamptz := clock_timestamp();
    share numeric;
    contract text;
begin
    if version is null or status not in ('published', 'shadow') then
        raise exception 'contract % is not in force', coalesce(version::text, 'NULL')
            using errcode = '55000', hint = 'A draft is deleted from handoff.contract instead.';
    end if;
    select c.traffic_share, c.name into share, contract from handoff.contract c where c.contract_id = version;
    if share is null and handoff.rival(version) is not null then
        raise exception 'contract % has a challenger, contract %', version, handoff.rival(version)
            using errcode = '55000',
                  hint = format('Take that out of force first, with handoff.retire(%s).', handoff.rival(version));
    end if;
    update handoff.contract c
    set status = 'retired',
        effective = c.effective * tstzmultirange(tstzrange(null, t)),
        challenging = c.challenging * tstzmultirange(tstzrange(null, t))
    where c.contract_id = version;
    if share is not null then
        perform handoff.requeue_leads(contract, 0, share);
    end if;
end
$$;
comment on function handoff.retire(int) is
    'Takes a published or shadow version out of force, without a successor: until one is published, changes wait in the inbox. The leads of a challenger are decided anew by the champion; an open handoff keeps its version. 55000: not in force, or it has a challenger; LH012: no such version.';

revoke all on function handoff.approve(int, text, text, text) from public;
revoke all on function handoff.check_stages(int, jsonb) from public;
revoke all on function handoff.lock_contract(int) from public;
revoke all on function handoff.put_in_force(int, jsonb) from public;
revoke all on function handoff.need_publishable(int) from public;
revoke all on function handoff.publish_challenger(int, numeric, jsonb) from public;
revoke all on function handoff.publish(int, jsonb, text, numeric, handoff.criteria) from public;
revoke all on function handoff.rollback(text, jsonb) from public;
revoke all on function handoff.retire(int) from public;
