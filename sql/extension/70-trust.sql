-- sql/extension/70-trust.sql: is everything as it should be.
--
-- doctor() looks for broken invariants; it is what every test of the project ends with, and what a
-- user runs when in doubt. verify() folds the log of a lead and compares the result with its state: it
-- decides nothing anew, so it holds whatever contract was in force when.

create function handoff.folded(lead_key text default null, as_of timestamptz default 'infinity')
    returns table (
        lead_key       text,
        first_type     text,
        events         bigint,
        last_seq       bigint,
        contract_id    int,
        cycle          int,
        cycle_since    timestamptz,
        stage          text,
        stage_since    timestamptz,
        intent_since   timestamptz,
        scored         jsonb,
        gate_code      text,
        duplicate_of   text,
        duplicate_handoff int,
        blocked_fields jsonb,
        is_deleted     boolean,
        fields         jsonb,
        account        jsonb
    )
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with log as (
        select e.* from handoff.event e where ($1 is null or e.lead_key = $1) and e.at <= $2
    ), newest_field as (
        select distinct on (l.lead_key, n.key) l.lead_key, n.key, n.value
        from log l
        cross join lateral jsonb_each(l.detail -> 'new') n
        where l.type in ('created', 'fields')
        order by l.lead_key, n.key, l.seq desc
    ), field as (
        select f.lead_key, jsonb_object_agg(f.key, f.value) filter (where f.value <> 'null') as fields
        from newest_field f
        group by f.lead_key
    )
    select l.lead_key,
           (array_agg(l.type order by l.seq))[1],
           count(*),
           max(l.seq),
           (array_agg(l.contract_id order by l.seq desc))[1],
           (array_agg(l.cycle order by l.seq desc))[1],
           case when max(l.cycle) > 1 then (array_agg(l.at order by l.cycle desc, l.seq))[1] else '-infinity' end,
           (array_agg(coalesce(l.detail ->> 'to', l.detail ->> 'stage') order by l.seq desc)
               filter (where l.type in ('created', 'stage')))[1],
           (array_agg(coalesce((l.detail ->> 'since')::timestamptz, l.at) order by l.seq desc) filter (where l.type in ('created', 'stage')))[1],
           coalesce((array_agg(case l.type when 'reset' then l.at else (l.detail ->> 'intent_since')::timestamptz end order by l.seq desc)
               filter (where l.type = 'reset' or l.type = 'undisposed' and l.detail ? 'intent_since'))[1], '-infinity'),
           (array_agg(l.detail order by l.seq desc) filter (where l.type = 'scored'))[1],
           (array_agg(case when l.type <> 'released' then l.detail ->> 'code' end order by l.seq desc)
               filter (where l.type in ('gated', 'joined', 'released')))[1],
           (array_agg(l.detail ->> 'lead' order by l.seq desc) filter (where l.type in ('gated', 'joined', 'released')))[1],
           (array_agg((l.detail ->> 'of_handoff')::int order by l.seq desc) filter (where l.type in ('gated', 'joined', 'released')))[1],
           (array_agg(case l.type when 'blocked' then l.detail -> 'fields' end order by l.seq desc)
               filter (where l.type in ('blocked', 'unblocked')))[1],
           coalesce((array_agg(l.type order by l.seq desc) filter (where l.type in ('deleted', 'merged', 'forgotten', 'restored')))[1] <> 'restored', false),
           coalesce((array_agg(f.fields))[1], '{}'),
           -- of an account that we found; what the CRM names is among the fields
           (array_agg(case when l.detail ->> 'method' <> 'crm' then l.detail end order by l.seq desc) filter (where l.type = 'account'))[1]
    from log l
    left join field f on f.lead_key = l.lead_key
    group by l.lead_key
$$;
comment on function handoff.folded(text, timestamptz) is
    'The state that the log of a lead (NULL: of every lead) up to a moment adds up to. Internal to verify() and explain().';

create function handoff.folded_handoffs(lead_key text default null, as_of timestamptz default 'infinity')
    returns table (lead_key text, handoff_no int, columns jsonb)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select n.lead_key, n.handoff_no, jsonb_object_agg(n.key, n.value)
    from (
        select distinct on (e.lead_key, (e.detail ->> 'handoff')::int, s.key)
               e.lead_key, (e.detail ->> 'handoff')::int as handoff_no, s.key, s.value
        from handoff.event e
        cross join lateral jsonb_each(e.detail -> 'set') s
        where e.detail ? 'set' and ($1 is null or e.lead_key = $1) and e.at <= $2
        order by e.lead_key, (e.detail ->> 'handoff')::int, s.key, e.seq desc
    ) n
    group by n.lead_key, n.handoff_no
$$;
comment on function handoff.folded_handoffs(text, timestamptz) is
    'The columns that the log of a lead (NULL: of every lead) up to a moment adds up to for each of its handoffs. Internal to verify() and explain().';

create function handoff.verify(lead_key text default null)
    returns table (lead_key text, what text, by_log text, by_state text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(l.lead_key, f.lead_key), d.what, d.by_log, d.by_state
    from handoff.folded($1) f
    full join (select * from handoff.lead where $1 is null or lead.lead_key = $1) l on l.lead_key = f.lead_key
    left join handoff.stage_history h on h.lead_key = l.lead_key and h.left_at is null
    cross join lateral (values
        ('first event', f.first_type, 'created'),
        ('events', f.events::text, l.last_seq::text),
        ('last_seq', f.last_seq::text, l.last_seq::text),
        ('contract_id', f.contract_id::text, l.contract_id::text),
        ('cycle', f.cycle::text, l.cycle::text),
        ('cycle_since', f.cycle_since::text, l.cycle_since::text),
        ('stage', f.stage, l.stage),
        ('open stay', h.stage || ' since ' || h.entered_at, l.stage || ' since ' || l.stage_since),
        ('intent_since', f.intent_since::text, l.intent_since::text),
        ('fit', f.scored ->> 'fit', l.fit::text),
        ('intent', f.scored ->> 'heat', l.intent::text),
        ('score', f.scored ->> 'score', l.score::text),
        ('band', f.scored ->> 'band', l.band),
        ('signals', f.scored ->> 'signals', to_jsonb(l.signals)::text),
        ('gate_code', f.gate_code, l.gate_code),
        ('duplicate_of', f.duplicate_of, l.duplicate_of),
        ('duplicate_handoff', f.duplicate_handoff::text, l.duplicate_handoff::text),
        ('blocked_fields', f.blocked_fields::text, to_jsonb(l.blocked_fields)::text),
        ('deleted', f.is_deleted::text, (l.deleted_at is not null)::text),
        ('fields', f.fields::text, l.fields::text),
        ('account_method', case when f.fields ? 'account_key' then 'crm' else f.account ->> 'method' end, l.account_method),
        ('account_key', case when not f.fields ? 'account_key' then coalesce(f.account ->> 'to', '') end,
         case when not l.fields ? 'account_key' then coalesce(l.account_key, '') end),
        ('account_match', (f.account - array['from', 'to', 'method'])::text, l.account_match::text)
    ) d (what, by_log, by_state)
    where d.by_log is distinct from d.by_state
    union all
    select coalesce(h.lead_key, f.lead_key), format('handoff %s, %s', coalesce(h.handoff_no, f.handoff_no), c.key), c.by_log, c.by_state
    from handoff.folded_handoffs($1) f
    full join (select * from handoff.handoff where $1 is null or handoff.lead_key = $1) h
        on h.lead_key = f.lead_key and h.handoff_no = f.handoff_no
    cross join lateral (
        select coalesce(l.key, s.key) as key, l.value as by_log, s.value as by_state
        from jsonb_each_text(to_jsonb(jsonb_populate_record(null::handoff.handoff,
                             f.columns || jsonb_build_object('lead_key', f.lead_key)))) l
        full join jsonb_each_text(to_jsonb(h)) s on s.key = l.key
    ) c
    where c.by_log is distinct from c.by_state
    union all
    select l.lead_key, 'handoffs', count(h.handoff_no)::text, l.handoffs::text
    from handoff.lead l
    left join handoff.handoff h on h.lead_key = l.lead_key
    where $1 is null or l.lead_key = $1
    group by l.lead_key
    having count(h.handoff_no) <> l.handoffs
$$;
comment on function handoff.verify(text) is
    'Folds the log of a lead (NULL: of every lead) and returns what differs from its state, one row a difference; nothing if all is well.';

create function handoff.source_table(source_name text) returns regclass
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select c.oid::regclass
    from handoff.source s
    join pg_namespace n on n.nspname = s.schema_name
    join pg_class c on c.relnamespace = n.oid and c.relname = s.table_name and c.relkind in ('r', 'p')
    where s.name = $1
$$;
comment on function handoff.source_table(text) is
    'The table of a source; NULL: there is none of that name. Unlike to_regclass() it asks for no right to its schema. Internal.';

create function handoff.may_compare(source_name text) returns boolean
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select has_schema_privilege(c.relnamespace, 'usage') and has_table_privilege(c.oid, 'select') and not row_security_active(c.oid)
    from pg_class c
    where c.oid = handoff.source_table($1)
$$;
comment on function handoff.may_compare(text) is
    'May we read all rows of a source''s table? NULL: there is none. Internal to doctor().';

create function handoff.not_forgotten(source_name text, raw_keys text[]) returns text[]
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(k.raw_key), '{}')
    from unnest($2) k (raw_key)
    cross join lateral (select handoff.row_name($1, k.raw_key) as row_name, handoff.record_key($1, k.raw_key) as lead_key) n
    where not exists (select from handoff.tombstone)
       or not (n.lead_key = any (handoff.forgotten_among('lead', array[n.lead_key]))
               or n.row_name = any (handoff.forgotten_among('row', array[n.row_name]))
               or n.row_name = any (handoff.forgotten_among('left', array[n.row_name])))
$$;
comment on function handoff.not_forgotten(text, text[]) is
    'Those of some rows of a source of leads that are not left out because they are of somebody who was forgotten. Internal to doctor().';

create function handoff.lost_rows(source_name text) returns bigint
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    set datestyle = iso
    set intervalstyle = postgres
    set timezone = 'UTC'
    set extra_float_digits = 1
    set row_security = off
as $$
declare
    source  handoff.source;
    rel     regclass := handoff.source_table(source_name);
    unknown text[];
begin
    select s.* into source from handoff.source s where s.name = source_name;
    if source.kind <> 'lead' or source.capture = 'poll'
        or exists (select from handoff.scan c where c.source = source_name and c.finished_at is null)
        or exists (select from handoff.inbox i where i.source = source_name and i.op = 'T')
        or cardinality(handoff.missing_columns(rel, source.key_columns)) > 0
        or not coalesce(handoff.may_compare(source_name), false) then
        return 0;
    end if;
    -- the table is somebody else's: no view (tablesample refuses it), policy or cast of his may run as us
    execute format(
        'select array_agg(distinct r.key) from (select %s as key from %s t tablesample system (100) where %s) r'
        -- a view, since our own policies would be an error here for whoever is not the tables' owner
        ' where not exists (select from handoff.known_row l where l.source = $1 and l.raw_key = r.key)'
        ' and not exists (select from handoff.quarantine q where q.source = $1 and q.raw_key = r.key)'
        ' and not exists (select from handoff.inbox i where i.source = $1 and i.raw_key = r.key)'
        ' and not exists (select from handoff.alias a where a.alias_key = handoff.record_key($1, r.key) and a.kind = ''merged'')',
        handoff.key_expression(rel, source.key_columns), rel,
        (select string_agg(format('t.%I is not null', k), ' and ') from unnest(source.key_columns) k))
        into unknown using source.name;
    -- those of somebody who was forgotten are left out; those that are marked deleted, or past, are known to be none
    unknown := handoff.not_forgotten(source.name, coalesce(unknown, '{}'));
    return cardinality(case when source.mapping ?| array['deleted', 'is_current']
                       then handoff.present_rows(source.name, unknown) else unknown end);
end
$$;
comment on function handoff.lost_rows(text) is
    'How many rows of a source of leads are neither a lead, nor in quarantine, nor waiting. Internal to doctor().';

create function handoff.zone_exists(zone text) returns boolean
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform timestamptz 'epoch' at time zone zone;
    return true;
exception when invalid_parameter_value then
    return false;
end
$$;
comment on function handoff.zone_exists(text) is
    'Does this server know the time zone? Reading pg_timezone_names for it would take longer than all the rest. Internal to doctor().';

create function handoff.doctor()
    returns table (invariant int, severity text, what text, hint text)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    -- 1 each captured lead is in state or quarantine, plus any number of inbox rows
    select 1, 'error', format('%s rows of source "%s" are not known', n.lost, s.name),
           'They were written while its triggers were off. Run handoff.attach() again.'
    from handoff.source s, lateral (select handoff.lost_rows(s.name) as lost) n
    where n.lost > 0
    union all
    -- 2 an open handoff has one open assignment or a reason why not; a lead has at most one open handoff
    select 2, 'error', format('lead "%s", handoff %s: %s open assignments, rep %s, reason %s', h.lead_key, h.handoff_no,
                              count(a.n), coalesce(h.rep, 'none'), coalesce(h.unassigned_reason, 'none')),
           'Somebody wrote to the tables of schema handoff by hand.'
    from handoff.handoff h
    left join handoff.assignment a on a.lead_key = h.lead_key and a.handoff_no = h.handoff_no and a.ended_at is null
    group by h.lead_key, h.handoff_no, h.closed_at, h.rep, h.unassigned_reason
    having case when h.closed_at is not null then count(a.n) <> 0
                when h.rep is not null then count(a.n) <> 1 or min(a.rep) <> h.rep or h.unassigned_reason is not null
                else count(a.n) <> 0 or h.unassigned_reason is null end
    union all
    select 2, 'error', format('lead "%s" has %s open handoffs', h.lead_key, count(*)),
           'Somebody wrote to the tables of schema handoff by hand.'
    from handoff.handoff h
    where h.closed_at is null
    group by h.lead_key
    having count(*) > 1
    union all
    -- 2 what is counted of its owners
    select 2, 'error', format('lead "%s", handoff %s: %s owners, %s of them rerouted it; by its assignments %s and %s', h.lead_key, h.handoff_no,
                              h.assignments, h.reroutes, count(a.n), count(*) filter (where a.end_reason = 'reroute')),
           'Somebody wrote to the tables of schema handoff by hand.'
    from handoff.handoff h
    left join handoff.assignment a on a.lead_key = h.lead_key and a.handoff_no = h.handoff_no
    group by h.lead_key, h.handoff_no, h.assignments, h.reroutes
    having (h.assignments, h.reroutes) <> (count(a.n), count(*) filter (where a.end_reason = 'reroute'))
    union all
    -- 2 a person has at most one open handoff of a leg
    select 2, 'error', format('leads %s are one person and have %s open handoffs of leg "%s"',
                              string_agg(format('"%s"', h.lead_key), ', ' order by h.lead_key), count(*), h.leg),
           'Somebody wrote to the tables of schema handoff by hand.'
    from handoff.handoff h
    join handoff.lead l on l.lead_key = h.lead_key
    where h.closed_at is null and l.person_key is not null
    group by l.person_key, h.leg
    having count(*) > 1
    union all
    -- 4 the log folds to the state
    select 4, 'error', format('lead "%s": %s is %s by the log, %s by its state', v.lead_key, v.what,
                              coalesce(v.by_log, 'nothing'), coalesce(v.by_state, 'nothing')),
           'Somebody wrote to the tables of schema handoff by hand.'
    from handoff.verify() v
    union all
    -- 4 what purged activities gave is kept
    select 4, 'error', format('lead "%s": its activities up to %s were purged, what they gave is kept up to %s', coalesce(l.lead_key, k.lead_key),
                              coalesce(l.purged_to::text, 'never'), coalesce(k.at::text, 'never')),
           'Somebody wrote to the tables of schema handoff by hand.'
    from handoff.lead l
    full join handoff.intent_checkpoint k on k.lead_key = l.lead_key
    where l.purged_to is distinct from k.at
    union all
    -- 5 transitions are the contract's, or marked as an override
    select 5, 'error', format('lead "%s", event %s: the contract has no transition %s from "%s" to "%s"', e.lead_key, e.seq,
                              e.detail ->> 'transition', e.detail ->> 'from', e.detail ->> 'to'),
           'Somebody wrote to the tables of schema handoff by hand.'
    from handoff.event e
    where e.type = 'stage' and e.detail ? 'transition'
      and not exists (select from handoff.transition t
                      where t.contract_id = e.contract_id and t.ord = (e.detail ->> 'transition')::int
                        and t.from_stage = e.detail ->> 'from' and t.to_stage = e.detail ->> 'to'
                        and t.event = e.detail ->> 'event')
    union all
    -- 6 each step of escalation that was done is an event, and the other way round
    select 6, 'error', format('lead "%s", handoff %s: step %s of "%s" is %s', coalesce(d.lead_key, e.lead_key), coalesce(d.handoff_no, e.handoff_no),
                              coalesce(d.step, e.step), coalesce(d.name, e.name),
                              case when e.lead_key is null then 'done without an event' else 'an event and not done' end),
           'Somebody wrote to the tables of schema handoff by hand.'
    from (select * from handoff.escalation_done where skipped is null) d
    full join (select v.lead_key, x.handoff as handoff_no, x.sla as name, x.n, x.step
               from handoff.event v, jsonb_to_record(v.detail) x (handoff int, sla text, n int, step int)
               where v.type = 'escalated') e
        on (e.lead_key, e.handoff_no, e.name, e.n, e.step) = (d.lead_key, d.handoff_no, d.name, d.n, d.step)
    where d.lead_key is null or e.lead_key is null
    union all
    -- 6 and those that were due when the last tick looked have been taken, but for leads that it could not decide
    select 6, 'warning', format('%s clocks wait for escalation since %s', count(*), min(c.next_at)),
           'Are their leads in quarantine, their sources paused? Is handoff.tick() called?'
    from handoff.clock c
    join handoff.meta m on c.next_at <= m.tick_now - interval '10 minutes'
    where c.kind = 'sla'
    having count(*) > 0
    union all
    -- 8 nothing was escalated of what had ended, stood still or is erased
    select 8, 'error', format('lead "%s", handoff %s: step %s of "%s" was done at %s, %s', d.lead_key, d.handoff_no, d.step, d.name, d.at,
                              case when h.lead_key is null then 'and there is no such handoff'
                                   when h.closed_at < d.at then format('and it had ended at %s', h.closed_at)
                                   else 'while its clock stood still' end),
           'Somebody wrote to the tables of schema handoff by hand.'
    from handoff.escalation_done d
    left join handoff.handoff h on h.lead_key = d.lead_key and h.handoff_no = d.handoff_no
    left join handoff.clock c on (c.lead_key, c.handoff_no, c.kind, c.name, c.n) = (d.lead_key, d.handoff_no, 'sla', d.name, d.n)
    where d.skipped is null
      and (h.lead_key is null or h.closed_at < d.at
           or exists (select from unnest(c.pauses) p where lower(p) < d.at and (upper_inf(p) or d.at < upper(p))))
    union all
    -- 7 outbox rows = events that demand one
    select 7, 'error', format('lead "%s", event %s (%s): %s message in the outbox', coalesce(e.lead_key, o.lead_key),
                              coalesce(e.seq, o.seq), coalesce(e.type, o.type), case when o.seq is null then 'no' else 'an unasked' end),
           'Somebody wrote to the tables of schema handoff by hand.'
    from (select lead_key, seq, type, at from handoff.event
          where type in ('handoff', 'assigned', 'unassigned', 'accepted', 'rerouted', 'taken_away', 'undisposed', 'blocked', 'reengaged', 'escalated', 'forgotten')
             or type = 'collision' and detail ->> 'action' = 'notify'
             or type = 'closed' and (detail -> 'set' ->> 'outcome' <> 'next_leg' or detail ? 'rep')
             or type = 'violation' and detail ->> 'action' = 'hold') e
    full join handoff.outbox o on o.lead_key = e.lead_key and o.seq = e.seq
    where e.seq is null or o.seq is null and e.at > (select m.outbox_purged_to from handoff.meta m)
    union all
    -- 7 a delivery has its message; a handoff knows when the news of its assignment was delivered
    select 7, 'error', format('lead "%s", event %s: a delivery to "%s" without its message', d.lead_key, d.seq, d.destination),
           'Somebody wrote to the tables of schema handoff by hand.'
    from handoff.delivery d
    where not exists (select from handoff.outbox o where o.lead_key = d.lead_key and o.seq = d.seq and o.n = d.n)
    union all
    select distinct 7, 'error', format('lead "%s", handoff %s: the news of its assignment was delivered and it does not know', h.lead_key, h.handoff_no),
           format('Queue it again: SELECT handoff.note_delivered(array[%L], array[%s]), then handoff.tick().', h.lead_key, h.handoff_no)
    from handoff.handoff h
    join handoff.lead l on l.lead_key = h.lead_key
    join handoff.outbox o on o.lead_key = h.lead_key and o.type = 'handoff.assigned' and (o.payload ->> 'handoff')::int = h.handoff_no
    join handoff.delivery d on d.lead_key = o.lead_key and d.seq = o.seq and d.n = o.n and d.done_at is not null
    where h.delivered_at is null and l.deleted_at is null
      and exists (select from handoff.source s where s.name = l.source)
      and not exists (select from handoff.inbox i where (i.source, i.raw_key) = (l.source, l.raw_key))
      and not exists (select from handoff.quarantine q where (q.source, q.raw_key) = (l.source, l.raw_key))
    union all
    -- 7 and so are violations
    select 7, 'error', format('lead "%s", event %s: %s', coalesce(e.lead_key, v.lead_key), coalesce(e.seq, v.seq),
                              case when e.seq is null then 'no such violation' else 'a violation without its row' end),
           'Somebody wrote to the tables of schema handoff by hand.'
    from (select lead_key, seq from handoff.event where type = 'violation') e
    full join handoff.violation v on v.lead_key = e.lead_key and v.seq = e.seq
    where e.seq is null or v.seq is null
    union all
    -- 9 due_at = recomputation
    select 9, 'error', format('lead "%s": its age in stage "%s" is due %s, not %s', l.lead_key, l.stage, k.due_at, d.due_at),
           'Somebody wrote to the tables of schema handoff by hand.'
    from handoff.lead l
    join handoff.contract c on c.contract_id = l.contract_id
    join handoff.stage s on s.contract_id = l.contract_id and s.name = l.stage
    cross join lateral (
        select ((k.started_at at time zone c.reporting_zone) + s.max_age) at time zone c.reporting_zone as due_at
        from handoff.clock k
        where k.lead_key = l.lead_key and k.handoff_no = 0 and k.kind = 'stage_age' and k.name = s.name
    ) d
    join handoff.clock k on k.lead_key = l.lead_key and k.handoff_no = 0 and k.kind = 'stage_age' and k.name = s.name
    where s.max_age is not null and l.deleted_at is null and k.due_at <> d.due_at
    union all
    -- 9 and steps of a cadence are judged by their due time
    select 9, 'error', format('lead "%s", handoff %s: step %s of its cadence, due %s, was stopped %s as %s', k.lead_key, k.handoff_no, k.n, k.due_at,
                              coalesce(k.stopped_at::text, 'never'), coalesce(k.verdict, 'nothing')),
           'Somebody wrote to the tables of schema handoff by hand.'
    from handoff.clock k
    where k.kind = 'cadence'
      and case k.verdict when 'met' then not (k.stopped_at <= k.due_at) is true
                         when 'missed' then not (k.stopped_at > k.due_at) is true
                         when 'void' then k.stopped_at is null
                         else k.stopped_at is not null end
    union all
    -- 9 and of SLA clocks (a sample), once a tick has seen what changed
    select 9, 'error', format('lead "%s": clock "%s" of handoff %s is due %s, not %s', k.lead_key, k.name, k.handoff_no, k.planned, k.due_at),
           'Have calendars, reps or pools been changed past the functions made for it, or the server''s time-zone data? Run handoff.replan(), then handoff.tick().'
    from handoff.misplanned(1000) k
    where not exists (select from handoff.operation_log o, handoff.meta m
                      where o.at > m.people_seen and o.object in ('calendar', 'calendar_exception', 'rep', 'pool'))
      and not exists (select from handoff.inbox i join handoff.lead l on l.lead_key = k.lead_key and (i.source, i.raw_key) = (l.source, l.raw_key))
    union all
    -- 9 and accounts that were found are those that would be found now, as far as nothing waits (a sample)
    select 9, 'error', format('lead "%s" belongs to account %s by %s; it would be matched to %s now', l.lead_key, coalesce(l.account_key, 'none'),
                              coalesce(l.account_method, 'nothing'), coalesce(m.account_key, 'none')),
           'Has the public suffix list changed? Run handoff.rematch(), then handoff.tick().'
    from (select * from handoff.lead where match_keys is not null and deleted_at is null limit 1000) l
    left join lateral (select a.account_key, a.method from handoff.match_account(l.fields) a where a.chosen) m on true
    where (m.account_key, m.method) is distinct from (l.account_key, l.account_method)
      and exists (select from handoff.source s where s.name = l.source)
      and not exists (select from handoff.quarantine q where q.source = l.source and q.raw_key = l.raw_key)
      and not exists (select from handoff.inbox i left join handoff.source s on s.name = i.source
                      where s.kind = 'account' or (i.source, i.raw_key) = (l.source, l.raw_key))
    union all
    -- 10 event times don't go back
    select 10, 'error', format('lead "%s": event %s is earlier than the one before', b.lead_key, b.seq),
           'Somebody wrote to the tables of schema handoff by hand.'
    from (select e.lead_key, e.seq, e.at < lag(e.at) over (partition by e.lead_key order by e.seq) as back from handoff.event e) b
    where b.back
    union all
    -- 11 who waits, waits for two ticks at most, once ticks are scheduled
    select 11, 'error', format('%s rows wait in the inbox, the oldest since %s', count(*), min(i.at)),
           'Is handoff.tick() called (see handoff.schedule_status()), and do tables or leads stay locked?'
    from handoff.meta m
    cross join handoff.inbox i
    join handoff.source s on s.name = i.source
    where m.jobs_since is not null and m.paused_at is null and s.paused_at is null and current_setting('lead_handoff.enabled')::boolean
      and (select count(*) from handoff.contract c where c.in_force and c.name = coalesce(s.contract, c.name)) = 1
    group by m.jobs_every, m.jobs_since
    having greatest(min(i.at), m.jobs_since, handoff.up_since()) < clock_timestamp() - 2 * greatest(m.jobs_every, interval '1 minute')
    union all
    -- 12 every source has its enabled triggers on the table of that name
    select 12, 'error', format('source "%s": %s', s.name, f.fault),
           case when f.rel is null then 'It comes back with the next sync, or detach it with handoff.detach().'
               when s.fault is null then 'The next handoff.tick() puts them anew.'
               else format('handoff.tick() says: %s. Attach it again with handoff.attach(), as the table''s owner.', s.fault) end
    from handoff.source s
    cross join lateral handoff.capture_fault(s.name) f
    where f.fault is not null
    union all
    select 12, 'error', 'trigger drain_at_commit of handoff.wake is not enabled always', 'Run handoff.setup().'
    where not exists (select from pg_trigger t where t.tgrelid = to_regclass('handoff.wake')
                      and t.tgname = 'drain_at_commit' and t.tgenabled = 'A')
    union all
    -- 13 the jobs are there, with the right owner, and run; this is where they should
    select 13, f.severity, f.what, f.hint
    from handoff.job_faults() f
    union all
    -- 20 who is to see his own leads sees these, and no others
    select 20, 'error', f.what, f.hint
    from handoff.access_faults() f
    union all
    -- 14 nothing of who was forgotten is left, or has come back
    select 14, 'error', format('lead "%s" was forgotten, and something of it is left: %s', f.lead_key, f.what),
           'Somebody wrote to the tables of schema handoff by hand.'
    from handoff.left_of_forgotten() f
    union all
    select 14, 'error', format('"%s" was forgotten, and is there', k),
           'Has an older backup been restored? Run handoff.reapply_forgotten().'
    from handoff.tombstoned_keys() k
    union all
    -- 15 published definitions = their checksum
    select 15, 'error', format('contract %s is not what was published', c.contract_id),
           'Somebody changed a definition with triggers off. Publish a new version from a known document.'
    from handoff.contract c
    where c.status <> 'draft' and c.checksum <> handoff.definition_checksum(c.contract_id)
    union all
    -- 16 zones exist; nobody keeps the past alive for long
    select 16, 'error', format('contract %s: time zone "%s" does not exist on this server', c.contract_id, c.reporting_zone),
           'Install it (package tzdata), or publish a version with another one.'
    from handoff.contract c
    where c.status = 'published' and not handoff.zone_exists(c.reporting_zone)
    union all
    select 16, 'error', format('%s: time zone "%s" does not exist on this server', z.what, z.zone),
           'Install it (package tzdata), or give it another one.'
    from (select format('calendar "%s"', k.name), handoff.zone(k.schedule) from handoff.calendar k
          union all
          select format('rep "%s"', r.rep), z.zone
          from handoff.rep r, unnest(array[r.zone, handoff.zone(r.schedule)]) z (zone)
          where r.active and z.zone is not null) z (what, zone)
    where not handoff.zone_exists(z.zone)
    union all
    select 16, 'warning', format('a transaction is open since %s', a.xact_start),
           format('Process %s keeps dead rows of inbox and clock from being cleaned up.', a.pid)
    from pg_stat_activity a
    where a.datname = current_database() and a.xact_start < clock_timestamp() - interval '10 minutes'
    union all
    -- 18 an activity, or a link, belongs to one lead
    select 18, 'error', format('%s "%s" of source "%s" belongs to %s leads, "%s" among them', d.kind, d.key, d.source, d.n, d.one),
           format('SELECT handoff.reconcile(%L) and a tick set that right.', d.source)
    from (select 'activity' as kind, a.source, a.activity_key as key, count(*) as n, min(a.lead_key) as one
          from handoff.activity a group by 2, 3 having count(*) > 1
          union all
          select 'link', k.source, k.link_key, count(distinct k.lead_key), min(k.lead_key)
          from handoff.opportunity_link k where k.link_key is not null group by 2, 3 having count(distinct k.lead_key) > 1) d
    union all
    -- 18 and what it was before follows one after the other
    select 18, 'error', format('activity "%s" of source "%s" was known in two ways at %s', p.activity_key, p.source, p.taken_at),
           'Somebody wrote to the tables of schema handoff by hand.'
    from (select v.*, lag(v.ended_at) over (partition by v.lead_key, v.source, v.activity_key order by v.ended_at) as before
          from handoff.activity_past v) p
    where p.taken_at < p.before
    union all
    -- 21 months are those of the moments, by the zone of the contract
    select 21, 'error', format('lead "%s": the month of %s is %s, not %s', m.lead_key, m.what, m.month, m.should),
           'Somebody wrote to the tables of schema handoff by hand, or the server''s time-zone data has changed: the months of reports are as they were then.'
    from (select h.lead_key, format('handoff %s', h.handoff_no) as what, h.month, date_trunc('month', h.handed_at at time zone c.reporting_zone)::date as should
          from handoff.handoff h join handoff.contract c on c.contract_id = h.contract_id
          union all
          select s.lead_key, format('its stay in "%s"', s.stage), s.month, date_trunc('month', s.entered_at at time zone c.reporting_zone)::date
          from handoff.stage_history s join handoff.contract c on c.contract_id = s.contract_id) m
    where m.month <> m.should
    union all
    -- 22 a challenger has a champion, and each the leads of its part
    select 22, f.severity, f.what, f.hint
    from handoff.challenge_faults() f
    union all
    -- 19 handoffs know their opportunities
    select f.* from handoff.revenue_faults() f
    union all
    -- 17 rows of a territory map that hold at the same time don't contradict each other
    select 17, 'error', format('territory map "%s": %s', f.map_name, f.what), f.hint
    from handoff.territory_findings() f
    where f.severity = 'error'
    union all
    select 0, 'warning', format('%s dead letters of destination "%s", the newest of %s', count(*), d.destination, max(d.visible_at)),
           'See handoff.dead_letter; handoff.requeue() tries them again.'
    from handoff.delivery d
    where d.state = 'dead'
    group by d.destination
    union all
    select 0, 'warning', format('no contract in force knows the fields of the criteria of destination "%s", pattern "%s"', s.destination, s.type_pattern),
           'It leaves out no lead. Subscribe again with another one.'
    from handoff.subscription s
    where s.criteria is not null and not handoff.knows_criteria(s.criteria)
    union all
    select 0, 'warning', format('calendar "%s" does not open within ten years', k.name),
           'Give it hours with handoff.set_calendar(), or take exceptions away with handoff.remove_exception().'
    from handoff.calendar k
    where handoff.never_opens(k.name)
    union all
    select 0, 'warning', format('source "%s" could not be compared with its table', s.name),
           'Whoever calls doctor() has no right to read it, or row security hides some of its rows.'
    from handoff.source s
    where s.kind = 'lead' and not handoff.may_compare(s.name)
    union all
    select 0, 'warning', format('source "%s" has rows waiting and no contract in force', s.name), 'Publish one with handoff.publish().'
    from handoff.source s
    where (select count(*) from handoff.contract c where c.in_force and c.name = coalesce(s.contract, c.name)) <> 1
      and exists (select from handoff.inbox i where i.source = s.name)
    union all
    select 0, 'warning', format('deletion of %s rows of source "%s" is held since %s', (select count(*) from handoff.absence a where a.source = s.name),
                                s.name, s.deletes_held_at),
           'Let it happen with handoff.release_deletes(), or drop it with handoff.forget_deletes().'
    from handoff.source s
    where s.deletes_held_at is not null
    union all
    select 0, 'warning', format('%s reps of source "%s" are to become inactive, held since %s', (select count(*) from handoff.crm_user u
                                where u.source = s.name and u.leaving_since is not null), s.name, s.leavers_held_at),
           'Let it happen with handoff.release_leavers(), or keep them active with handoff.forget_leavers().'
    from handoff.source s
    where s.leavers_held_at is not null
    union all
    select 0, 'warning', format('CRM user "%s" (%s) may be any of the reps %s', u.crm_id, u.email, array_to_string(handoff.reps_of_user(u.crm_id), ', ')),
           'Give the right one crm_id in handoff.rep; his next change, or a reconcile(), makes them one.'
    from handoff.crm_user u
    where u.rep is null and u.human and u.active and u.deleted_at is null and cardinality(handoff.reps_of_user(u.crm_id)) > 1
    union all
    select 0, 'warning', format('CRM user "%s" has the time zone "%s", which this server doesn''t know', u.crm_id, u.zone),
           'His rep keeps the one he had. Map zone to an IANA name.'
    from handoff.crm_user u
    where u.rep is not null and u.zone is not null and u.deleted_at is null and not handoff.zone_exists(u.zone)
    union all
    select 0, 'warning', format('rep "%s" is to be role "%s", and there is no such role', r.rep, r.role_name),
           'Was it renamed or dropped? Say anew which role he is with handoff.set_rep_role().'
    from handoff.rep r
    where r.role_name is not null and r.active and not exists (select from pg_roles o where o.rolname = r.role_name)
    union all
    select 0, 'warning', format('rep "%s" is his own manager, by way of others or directly', c.rep),
           'What goes up to managers goes round in a circle there.'
    from (with recursive above (rep, manager) as (
              select r.rep, r.manager from handoff.rep r where r.manager is not null
              union
              select a.rep, r.manager from above a join handoff.rep r on r.rep = a.manager where r.manager is not null
          ) select a.rep from above a where a.rep = a.manager) c
    union all
    select 0, 'warning', format('%s of source "%s" has made no progress since %s', c.purpose, c.source, coalesce(c.stepped_at, c.requested_at)) || coalesce(': ' || c.error, ''),
           'Is handoff.tick() called, is there a contract in force, can the table be read?'
    from handoff.scan c
    join handoff.source s on s.name = c.source
    where c.finished_at is null and s.paused_at is null and coalesce(c.stepped_at, c.requested_at) < clock_timestamp() - interval '1 hour'
    union all
    select 0, 'warning', format('the table of source "%s" lacks mapped columns, which read null: %s', h.name, h.missing_columns),
           'Attach it again with another mapping, or wait for the sync to put them back.'
    from handoff.source_health h
    where h.missing_columns is not null
    union all
    select 0, 'warning', format('%s domains belong to several accounts, %s to %s', count(*), (array_agg(k.domain order by k.accounts desc, k.domain))[1],
                                max(k.accounts)),
           'A named account goes first, then one with an owner, then the oldest. See view account_ambiguity; handoff.account_domain says whose a domain is.'
    from (select substr(m.key, 8) as domain, count(*) as accounts from handoff.account_match_key m
          where starts_with(m.key, 'domain ') group by m.key having count(*) > 1) k
    having count(*) > 0
    union all
    select 0, 'warning', format('%s kept tables of KPIs are older than two days, kept_%s is of %s', count(*), (array_agg(k.view_name order by k.kept_at, k.view_name))[1], min(k.kept_at)),
           'Is handoff.keep_kpis() called? What nobody reads goes with handoff.drop_kept().'
    from handoff.kept() k
    where k.kept_at < handoff.view_time() - interval '2 days'
    having count(*) > 0
    union all
    select 0, 'warning', format('kept_%s has not the columns of its view', k.view_name), 'handoff.keep_kpis() makes it anew.'
    from handoff.kept() k
    where not k.up_to_date
    union all
    select 0, 'warning', format('source "%s" is paused since %s', s.name, s.paused_at), 'Let it go on with handoff.resume().'
    from handoff.source s
    where s.paused_at < clock_timestamp() - interval '1 day'
    union all
    select 0, 'warning', format('%s rows of source "%s" are in quarantine', count(*), q.source),
           'See handoff.quarantine; handoff.retry_quarantine() tries them again.'
    from handoff.quarantine q
    group by q.source;
end
$$;
comment on function handoff.doctor() is
    'Every invariant that is broken, one row each: its number in docs/doctor.md (0: none, but worth a look), severity (error, warning), what, and what to do. No row of severity error: all is well. Reads the whole log.';

revoke all on function handoff.folded(text, timestamptz) from public;
revoke all on function handoff.folded_handoffs(text, timestamptz) from public;
revoke all on function handoff.verify(text) from public;
revoke all on function handoff.source_table(text) from public;
revoke all on function handoff.may_compare(text) from public;
revoke all on function handoff.not_forgotten(text, text[]) from public;
revoke all on function handoff.lost_rows(text) from public;
revoke all on function handoff.zone_exists(text) from public;
revoke all on function handoff.doctor() from public;
