-- sql/extension/63-forget.sql: a person is erased, what was counted stays.
--
-- forget() decides the leads of a person for the last time and writes the tombstones (src/flow/forget.c);
-- blank_forgotten() then clears the tables. Which column of which table becomes what is one list, erasure():
-- a column that is not in it is not known to be harmless, and a test says so.

create function handoff.erasure()
    returns table (tab text, how text, cols text[])
    language sql immutable
    set search_path = pg_catalog, pg_temp
as $$
    values
        ('lead', 'token', array['lead_key', 'raw_key']),
        ('lead', 'blank', array['person_key', 'account_key', 'fields', 'group_heat', 'signals', 'duplicate_of', 'duplicate_handoff', 'duplicate_at',
                                'purged_to', 'account_method', 'account_match', 'match_keys']),
        ('lead', 'keep', array['source', 'contract_id', 'stage', 'stage_since', 'fit', 'half_life', 'intent', 'score', 'band', 'cycle', 'cycle_since',
                               'intent_since', 'folded_at', 'booked_at', 'trigger', 'trigger_at', 'seen_at', 'version', 'blocked_since', 'blocked_fields', 'gate_code',
                               'first_seen_at', 'decided_at', 'deleted_at', 'last_seq', 'handoffs', 'forgotten_at']),
        ('event', 'token', array['lead_key']),
        ('event', 'blank', array['detail']),
        ('event', 'keep', array['seq', 'at', 'recorded_at', 'type', 'contract_id', 'cycle', 'leg', 'actor']),
        ('stage_history', 'token', array['lead_key']),
        ('stage_history', 'keep', array['seq', 'stage', 'owner', 'contract_id', 'entered_at', 'month', 'left_at', 'consistent', 'undone']),
        ('handoff', 'token', array['lead_key']),
        ('handoff', 'blank', array['note', 'override_reason']),
        ('handoff', 'keep', array['handoff_no', 'cycle', 'leg', 'contract_id', 'challenge', 'origin', 'stage_from', 'band', 'fit', 'intent', 'score', 'segment', 'lead_source', 'account_method', 'trigger',
                                  'trigger_at', 'seen_at', 'handed_at', 'month', 'incomplete', 'route', 'pool', 'rep', 'assigned_at', 'owner_since', 'by_last_route', 'assignments', 'reroutes', 'hops', 'fallback_at', 'unassigned_reason',
                                  'delivered_at', 'touches', 'contacts', 'channels', 'first_touch_at', 'first_touch_business_seconds', 'first_contact_at',
                                  'booked_at', 'meeting_held_at', 'no_show', 'accepted_at', 'accepted_how', 'qualified_at', 'disposed_at', 'outcome', 'code',
                                  'recycle_due_at', 'closed_at', 'undone', 'undone_at', 'undone_stage', 'held_at', 'signal_at', 'reengaged_at', 'joined_activities', 'opportunity_at', 'won_at', 'lost_at']),
        ('assignment', 'token', array['lead_key']),
        ('assignment', 'blank', array['passed_over']),
        ('assignment', 'keep', array['handoff_no', 'n', 'route', 'pool', 'rep', 'reason', 'at', 'ended_at', 'known_to_crm', 'turn_returned', 'end_reason']),
        ('clock', 'token', array['lead_key']),
        ('clock', 'keep', array['handoff_no', 'kind', 'name', 'n', 'rep', 'pool', 'started_at', 'due_at', 'stopped_at', 'verdict', 'business_seconds',
                                'pauses', 'paused', 'next_step', 'next_at']),
        ('escalation_done', 'token', array['lead_key']),
        ('escalation_done', 'keep', array['handoff_no', 'name', 'n', 'step', 'action', 'recipient', 'skipped', 'due_at', 'at', 'sync_late']),
        ('violation', 'token', array['lead_key']),
        ('violation', 'blank', array['wanted']),
        ('violation', 'keep', array['seq', 'at', 'rule', 'asked', 'code', 'action', 'taken', 'handoff_no', 'rep']),
        ('opportunity_link', 'token', array['lead_key', 'source', 'link_key']),
        ('opportunity_link', 'keep', array['opportunity_key', 'link_kind']),
        ('outbox', 'token', array['lead_key', 'aggregateid']),
        ('outbox', 'blank', array['payload']),
        ('outbox', 'keep', array['seq', 'n', 'id', 'aggregatetype', 'type', 'created_at', 'expires_at', 'xid']),
        ('delivery', 'token', array['lead_key']),
        ('delivery', 'blank', array['last_error']),
        ('delivery', 'keep', array['seq', 'n', 'destination', 'state', 'attempts', 'visible_at', 'token', 'leased_until', 'leased_by', 'done_at', 'digest_for', 'digest']),
        ('scan', 'blank', array['after_key']),
        ('scan', 'keep', array['scan_id', 'source', 'purpose', 'reason', 'requested_at', 'started_at', 'stepped_at', 'finished_at', 'phase', 'at_table', 'at_file',
                               'at_block', 'after_version', 'blocks', 'blocks_read', 'seen', 'queued', 'gone', 'error']),
        ('activity', 'delete', null),
        ('activity_past', 'delete', null),
        ('intent_checkpoint', 'delete', null),
        ('alias', 'delete', null),
        ('inbox', 'delete', null),
        ('absence', 'delete', null),
        ('quarantine', 'delete', null)
$$;
comment on function handoff.erasure() is
    'What forget() does with each column of each table that has something of a lead: token (a random one takes the place of the key), blank, keep; or delete, for whole rows. Internal.';

create function handoff.row_name(source text, raw_key text) returns text
    language sql immutable
    set search_path = pg_catalog, pg_temp
return format('%s %s %s', octet_length($1), $1, $2);
comment on function handoff.row_name(text, text) is
    'A row of a source as one text, for tombstones of kind row and left. Internal.';

create function handoff.forgotten_among(kind text, keys text[]) returns text[]
    language c stable strict
    as 'MODULE_PATHNAME', 'lh_forgotten_among';
comment on function handoff.forgotten_among(text, text[]) is
    'Those of some keys that have a tombstone of a kind (handoff.tombstone.kind). Internal to doctor() and reapply_forgotten().';

create function handoff.secret_mark() returns text
    language c stable
    as 'MODULE_PATHNAME', 'lh_secret_mark';
comment on function handoff.secret_mark() is
    'A digest that tells one secret from another, and nothing of it: view forgotten shows it. Error LH030: the secret is missing.';

create function handoff.leads_of_person(lead_key text) returns setof text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with recursive same (lead_key) as (
        (select $1 union select a.lead_key from handoff.alias a where a.alias_key = $1)
        union
        select n.lead_key
        from same s
        cross join lateral (
            select o.lead_key from handoff.lead l join handoff.lead o on o.person_key = l.person_key where l.lead_key = s.lead_key
            union all
            select a.alias_key from handoff.alias a where a.lead_key = s.lead_key and a.kind = 'merged'
            union all
            select a.lead_key from handoff.alias a where a.alias_key = s.lead_key and a.kind = 'merged'
        ) n
    )
    select l.lead_key from same s join handoff.lead l on l.lead_key = s.lead_key
$$;
comment on function handoff.leads_of_person(text) is
    'Keys of all leads that are the same person as a lead: those with its person_key, those merged with them, and so on. What forget() of any of their keys would forget: look before.';

create function handoff.names_of_leads(lead_keys text[]) returns table (kind text, name text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select 'lead', l.lead_key from handoff.lead l where l.lead_key = any ($1)
    union
    select 'lead', a.alias_key from handoff.alias a where a.lead_key = any ($1)
    union
    select 'row', handoff.row_name(l.source, l.raw_key) from handoff.lead l where l.lead_key = any ($1)
    union
    select 'person', l.person_key from handoff.lead l where l.lead_key = any ($1) and l.person_key is not null
$$;
comment on function handoff.names_of_leads(text[]) is
    'All that some leads are to be known by again: a tombstone each. Internal to forget().';

create function handoff.rows_of_keys(lead_keys text[]) returns table (source text, raw_key text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with named as (
        select s.name as source, substr(k.key, length(s.key_prefix) + 1) as raw_key, s.id_format
        from handoff.source s
        cross join unnest($1) k (key)
        where s.kind = 'lead' and starts_with(k.key, s.key_prefix)
        union
        select l.source, l.raw_key, 'plain' from handoff.lead l where l.lead_key = any ($1)
    )
    select n.source, n.raw_key from named n
    union
    -- the same id as a tool may spell it
    select n.source, left(n.raw_key, 15) from named n where n.id_format = 'salesforce' and length(n.raw_key) = 18
$$;
comment on function handoff.rows_of_keys(text[]) is
    'Rows of sources that some keys of leads may have come from. Internal to forget().';

create function handoff.is_known_without_lead(lead_key text) returns boolean
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select exists (select from handoff.activity a where a.lead_key = $1)
        or exists (select from handoff.activity_past p where p.lead_key = $1)
        or exists (select from handoff.opportunity_link k where k.lead_key = $1)
        or exists (select from handoff.rows_of_keys(array[$1]) r
                   where exists (select from handoff.quarantine q where (q.source, q.raw_key) = (r.source, r.raw_key))
                      or exists (select from handoff.inbox i where (i.source, i.raw_key) = (r.source, r.raw_key)))
$$;
comment on function handoff.is_known_without_lead(text) is
    'Is there something of a key that is no lead (yet): activities, links, a row that waits or is in quarantine? Internal to forget().';

create function handoff.blanked_detail(type text, detail jsonb) returns jsonb
    language sql immutable
    set search_path = pg_catalog, pg_temp
as $$
    -- what is not known to say nothing of anybody goes
    select coalesce(jsonb_object_agg(d.key, case d.key
            when 'set' then (
                -- that a work standard was overridden is counted, why says more
                select coalesce(jsonb_object_agg(s.key, case when s.key = 'override_reason' and s.value <> 'null' then '""' else s.value end), '{}')
                from jsonb_each(d.value) s
                where s.key = 'override_reason'
                   or exists (select from handoff.erasure() e where e.tab = 'handoff' and e.how = 'keep' and s.key = any (e.cols)))
            when 'signals' then '[]'
            when 'passed_over' then d.value - 'territories'
            else d.value end), '{}')
    from jsonb_each($2) d
    where d.key = any (case $1
            when 'created' then '{source,stage}'
            when 'contract' then '{from,to}'
            when 'scored' then '{fit,intent,score,band,heat,signals}'
            when 'stage' then '{from,to,event,transition,override,code,trigger,since}'
            when 'blocked' then '{fields}'
            when 'violation' then '{status,code,rule,action,taken,handoff,set,rep,recipient}'
            when 'fields' then '{}'
            when 'account' then '{}'
            when 'merged' then '{}'
            when 'undisposed' then '{handoff,set,outcome,code,by,disposed_at,intent_since}'
            else '{code,handoff,set,reason,passed_over,action,rep,why,path,nurture_track,sla,n,verdict,was,due_at,stopped_at,step,step_at,recipient,sync_late}'
        end::text[])
$$;
comment on function handoff.blanked_detail(text, jsonb) is
    'What stays of the detail of an event of a lead that is forgotten: what its counts and the fold of its log need. Of a detail that is blank it is the same. Internal.';

create function handoff.blank_names(keys text[], tokens text[]) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- what the logs of other leads say of these
    with named as (
        update handoff.event e
        set detail = case e.type when 'reengaged' then e.detail - 'signals' else e.detail end
                     || jsonb_build_object(case when e.detail ? 'lead' then 'lead' else 'into' end, u.token)
        from unnest(keys, tokens) u (key, token)
        where e.type in ('gated', 'joined', 'collision', 'reengaged', 'merged')
          and coalesce(e.detail ->> 'lead', e.detail ->> 'into') = u.key and e.lead_key <> all (keys)
        returning e.lead_key, e.seq, e.detail
    )
    update handoff.outbox o
    set payload = jsonb_set(o.payload, '{about}', n.detail)
    from named n
    where o.lead_key = n.lead_key and o.seq = n.seq and o.payload ? 'about';

    update handoff.lead l
    set duplicate_of = u.token
    from unnest(keys, tokens) u (key, token)
    where l.duplicate_of = u.key and l.lead_key <> all (keys);
end
$$;
comment on function handoff.blank_names(text[], text[]) is
    'Puts tokens in place of keys of leads in the logs, messages and states of other leads. Internal to forget().';

create function handoff.blank_messages(keys text[], tokens text[]) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- whoever has, or may have, heard of a lead hears that it is forgotten
    insert into handoff.delivery (lead_key, seq, n, destination)
    select distinct o.lead_key, o.seq, o.n, d.destination
    from handoff.outbox o
    join handoff.delivery d on d.lead_key = o.lead_key
    where o.lead_key = any (keys) and o.type = 'lead.forgotten'
    on conflict do nothing;
    delete from handoff.delivery d
    using handoff.outbox o
    where o.lead_key = any (keys) and o.type <> 'lead.forgotten'
      and d.lead_key = o.lead_key and d.seq = o.seq and d.n = o.n and d.state <> 'done';
    update handoff.delivery d set last_error = null where d.lead_key = any (keys) and d.last_error is not null;

    update handoff.outbox o
    set aggregateid = u.token,
        payload = jsonb_build_object('lead_key', u.token, 'event', o.payload -> 'event', 'at', o.payload -> 'at')
                  || case o.type when 'lead.forgotten' then jsonb_build_object('messages', (
                         select coalesce(jsonb_agg(m.id order by m.seq, m.n), '[]') from handoff.outbox m
                         where m.lead_key = o.lead_key and m.type <> 'lead.forgotten')) else '{}' end
    from unnest(keys, tokens) u (key, token)
    where o.lead_key = u.key;
end
$$;
comment on function handoff.blank_messages(text[], text[]) is
    'Blanks what the outbox has of leads, takes back what was not delivered, and tells whoever heard of them. Internal to forget().';

create function handoff.blank_rows(lead_keys text[]) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    source_row record;
begin
    delete from handoff.activity a where a.lead_key = any (lead_keys);
    delete from handoff.activity_past p where p.lead_key = any (lead_keys);
    delete from handoff.intent_checkpoint k where k.lead_key = any (lead_keys);
    for source_row in select r.source, r.raw_key from handoff.rows_of_keys(lead_keys) r loop
        delete from handoff.quarantine q where q.source = source_row.source and q.raw_key = source_row.raw_key;
        delete from handoff.absence a where a.source = source_row.source and a.raw_key = source_row.raw_key;
        update handoff.scan c set after_key = null where c.source = source_row.source and c.after_key = source_row.raw_key;
        -- what somebody has claimed he leaves out, or leaves to the next who does
        delete from handoff.inbox i
        where i.ctid = any (array(select w.ctid from handoff.inbox w
                                  where w.source = source_row.source and w.raw_key = source_row.raw_key for update skip locked));
    end loop;
    delete from handoff.alias a where a.lead_key = any (lead_keys) or a.alias_key = any (lead_keys);
end
$$;
comment on function handoff.blank_rows(text[]) is
    'Deletes what there is of some keys and counts for nothing: activities, other keys, rows that wait. Internal to forget().';

create function handoff.blank_forgotten(asked text, keys text[], p_now timestamptz) returns text[]
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    tokens text[] := array(select 'forgotten:' || gen_random_uuid() from unnest(keys));
    tab    text;
begin
    perform handoff.blank_names(keys, tokens);
    perform handoff.blank_messages(keys, tokens);
    perform handoff.blank_rows(array(select n.name from handoff.names_of_leads(keys) n where n.kind = 'lead') || asked);

    update handoff.lead l
    set raw_key = u.token, person_key = null, account_key = null, fields = '{}', group_heat = array(select handoff.heat '0' from unnest(l.group_heat)),
        signals = '{}', duplicate_of = null, duplicate_handoff = null, duplicate_at = null, purged_to = null, account_method = null,
        account_match = null, match_keys = null, forgotten_at = p_now
    from unnest(keys, tokens) u (key, token)
    where l.lead_key = u.key;
    update handoff.event e set detail = handoff.blanked_detail(e.type, e.detail) where e.lead_key = any (keys);
    update handoff.handoff h set note = null, override_reason = case when h.override_reason is not null then '' end
    where h.lead_key = any (keys) and (h.note is not null or h.override_reason <> '');
    update handoff.assignment a set passed_over = a.passed_over - 'territories' where a.lead_key = any (keys) and a.passed_over ? 'territories';
    update handoff.violation v set wanted = '' where v.lead_key = any (keys);
    -- of no source any more: a reconcile would look for them there
    update handoff.opportunity_link k set source = 'forgotten', link_key = gen_random_uuid()::text where k.lead_key = any (keys);
    delete from handoff.opportunity_link k where k.lead_key = asked and asked <> all (keys);

    for tab in
        select c.relname from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attname = 'lead_key' and not a.attisdropped
        where c.relnamespace = 'handoff'::regnamespace and c.relkind in ('r', 'p')
        order by c.relname
    loop
        execute format('update handoff.%I t set lead_key = u.token from unnest($1, $2) u (key, token) where t.lead_key = u.key', tab)
            using keys, tokens;
    end loop;
    return tokens;
end
$$;
comment on function handoff.blank_forgotten(text, text[], timestamptz) is
    'Clears all tables of the leads of keys, and of the key that was asked for: tokens take the place of keys, in their order. The leads are locked and have been decided. Internal to forget().';

create function handoff.forget(lead_key text, actor text default null, p_now timestamptz default clock_timestamp())
    returns text[]
    language c volatile
    as 'MODULE_PATHNAME', 'lh_forget';
comment on function handoff.forget(text, text, timestamptz) is
    'Erases a person, for good, by any key of a lead of his: every lead that leads_of_person() names. Their keys become random tokens (returned) in every table, fields, notes, signals, activities and messages are blanked or deleted, what is counted stays; what a sync delivers of them from then on is left out. An open handoff is withdrawn (code forgotten), destinations that heard of a lead get lead.forgotten. Needs isolation level read committed. Repeated, it returns {}. Errors: LH040 (nothing is known by that key), 40001 (try again), 25000, 22008, 42501.';

create function handoff.tombstoned_keys() returns setof text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with lead as (
        select l.lead_key, l.source, l.raw_key, l.person_key, row_number() over () / 10000 as chunk
        from handoff.lead l
        where l.forgotten_at is null and exists (select from handoff.tombstone)
    ), other as (
        select o.key, row_number() over () / 10000 as chunk
        from (select a.alias_key from handoff.alias a
              union
              select a.lead_key from handoff.activity a where not exists (select from handoff.lead l where l.lead_key = a.lead_key)
              union
              select p.lead_key from handoff.activity_past p where not exists (select from handoff.lead l where l.lead_key = p.lead_key)
              union
              select k.lead_key from handoff.opportunity_link k where not exists (select from handoff.lead l where l.lead_key = k.lead_key)) o (key)
        where exists (select from handoff.tombstone)
    ), found as (
        select handoff.forgotten_among('lead', array_agg(l.lead_key)) as lead_keys,
               handoff.forgotten_among('row', array_agg(handoff.row_name(l.source, l.raw_key))) as rows,
               handoff.forgotten_among('person', array_agg(l.person_key) filter (where l.person_key is not null)) as persons
        from lead l
        group by l.chunk
    )
    select unnest(f.lead_keys) from found f
    union
    select l.lead_key from found f cross join unnest(f.persons) p (key) join handoff.lead l on l.person_key = p.key
    union
    select l.lead_key from found f cross join unnest(f.rows) r (name) join lead l on handoff.row_name(l.source, l.raw_key) = r.name
    union
    select unnest(handoff.forgotten_among('lead', array_agg(o.key))) from other o group by o.chunk
$$;
comment on function handoff.tombstoned_keys() is
    'Keys of leads, and keys that others know leads by, that are there though they were forgotten: after a restore of a backup from before. Internal to doctor() and reapply_forgotten().';

create function handoff.reapply_forgotten(tombstones jsonb default null, actor text default null, p_now timestamptz default clock_timestamp())
    returns text[]
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    mark   text := handoff.secret_mark();
    key    text;
    tokens text[] := '{}';
begin
    if exists (select from jsonb_to_recordset(coalesce(tombstones, '[]')) t (digest text, kind text, forgotten_at timestamptz, secret_mark text)
               where t.digest is null or t.kind is null or t.forgotten_at is null or t.secret_mark is distinct from mark) then
        raise exception 'these tombstones were not made with the secret of this database'
            using errcode = '22023',
                  detail = 'A digest can be compared only with those made with the same secret, which a dump carries.',
                  hint = 'They are rows of view handoff.forgotten of the database that this one is a copy of: SELECT jsonb_agg(f) FROM handoff.forgotten f.';
    end if;
    insert into handoff.tombstone (digest, kind, forgotten_at)
    select t.digest, t.kind, t.forgotten_at
    from jsonb_to_recordset(coalesce(tombstones, '[]')) t (digest text, kind text, forgotten_at timestamptz)
    on conflict do nothing;
    for key in select k from handoff.tombstoned_keys() k order by k collate "C" loop
        tokens := tokens || handoff.forget(key, actor, p_now);
    end loop;
    return tokens;
end
$$;
comment on function handoff.reapply_forgotten(jsonb, text, timestamptz) is
    'After a restore of a backup: forgets again who was forgotten since it was made, by tombstones that were kept outside (SELECT jsonb_agg(f) FROM handoff.forgotten f), or NULL: by those that are there. Returns the new tokens. Errors: 22023 (of another secret, or no tombstones), and those of forget().';

create function handoff.left_of_forgotten() returns table (lead_key text, what text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with gone as (select l.* from handoff.lead l where l.forgotten_at is not null)
    select g.lead_key, 'its state'
    from gone g
    where g.deleted_at is null or g.raw_key <> g.lead_key or g.fields <> '{}' or cardinality(g.signals) > 0
       or num_nonnulls(g.person_key, g.account_key, g.duplicate_of, g.account_match, g.match_keys) > 0
    union all
    select g.lead_key, format('event %s', e.seq)
    from gone g join handoff.event e on e.lead_key = g.lead_key
    where e.detail <> handoff.blanked_detail(e.type, e.detail)
    union all
    select g.lead_key, format('handoff %s', h.handoff_no)
    from gone g join handoff.handoff h on h.lead_key = g.lead_key
    where h.note is not null or h.override_reason <> '' or h.closed_at is null
    union all
    select g.lead_key, format('assignment %s of handoff %s', a.n, a.handoff_no)
    from gone g join handoff.assignment a on a.lead_key = g.lead_key
    where a.passed_over ? 'territories'
    union all
    select g.lead_key, format('message %s', o.id)
    from gone g join handoff.outbox o on o.lead_key = g.lead_key
    where o.payload - array['lead_key', 'event', 'at', 'messages'] <> '{}' or o.aggregateid <> o.lead_key
    union all
    select distinct g.lead_key, 'activities' from gone g join handoff.activity a on a.lead_key = g.lead_key
    union all
    select distinct g.lead_key, 'past activities' from gone g join handoff.activity_past p on p.lead_key = g.lead_key
    union all
    select g.lead_key, format('other key "%s"', a.alias_key) from gone g join handoff.alias a on a.lead_key = g.lead_key
    union all
    select g.lead_key, 'a checkpoint' from gone g join handoff.intent_checkpoint k on k.lead_key = g.lead_key
$$;
comment on function handoff.left_of_forgotten() is
    'What is there of leads that were forgotten and should not be: nothing, unless somebody wrote it by hand. Internal to doctor().';

revoke all on function handoff.erasure() from public;
revoke all on function handoff.row_name(text, text) from public;
revoke all on function handoff.forgotten_among(text, text[]) from public;
revoke all on function handoff.secret_mark() from public;
revoke all on function handoff.leads_of_person(text) from public;
revoke all on function handoff.names_of_leads(text[]) from public;
revoke all on function handoff.rows_of_keys(text[]) from public;
revoke all on function handoff.is_known_without_lead(text) from public;
revoke all on function handoff.blanked_detail(text, jsonb) from public;
revoke all on function handoff.blank_names(text[], text[]) from public;
revoke all on function handoff.blank_messages(text[], text[]) from public;
revoke all on function handoff.blank_rows(text[]) from public;
revoke all on function handoff.blank_forgotten(text, text[], timestamptz) from public;
revoke all on function handoff.forget(text, text, timestamptz) from public;
revoke all on function handoff.tombstoned_keys() from public;
revoke all on function handoff.reapply_forgotten(jsonb, text, timestamptz) from public;
revoke all on function handoff.left_of_forgotten() from public;
