-- sql/extension/66-message.sql: what a message looks like outside: as a CloudEvent, and as a text for people.

create function handoff.cloudevent(
    id         uuid,
    type       text,
    subject    text,
    at         timestamptz,
    data       jsonb,
    sequence   text default null,
    expires_at timestamptz default null
) returns jsonb
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object(
               'specversion', '1.0',
               'id', $1,
               'source', (select m.event_source from handoff.meta m),
               'type', 'io.lead-handoff.' || $2 || '.v1',
               'subject', $3,
               'time', to_char($4 at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               'datacontenttype', 'application/json',
               'dataschema', 'urn:lead-handoff:' || $2 || ':v1',
               'partitionkey', $3,
               'sequence', $6,
               'expirytime', to_char($7 at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))
           || jsonb_build_object('data', $5)
$$;
comment on function handoff.cloudevent(uuid, text, text, timestamptz, jsonb, text, timestamptz) is
    'A message as CloudEvents 1.0 has it (structured mode), from what handoff.lease() returns: id, type, lead_key, created_at, payload, sequence, expires_at. Its source is handoff.meta.event_source.';

create function handoff.set_event_source(source text) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    old text;
begin
    if source is null or source = '' or source ~ '[[:space:]]' then
        raise exception 'an event source is a URI, not "%"', source using errcode = '22023';
    end if;
    select m.event_source into old from handoff.meta m for update;
    if old <> source then
        update handoff.meta set event_source = set_event_source.source;
        perform handoff.log_operation('meta', 'event_source', to_jsonb(old), to_jsonb(source));
    end if;
end
$$;
comment on function handoff.set_event_source(text) is
    'Names this installation in attribute source of CloudEvents: a URI reference, for example //crm.example/lead_handoff. Receivers may tell repeated events by source and id together, so change it only while nothing waits. Logged. Error 22023: not a URI.';

create function handoff.render(body text, data jsonb) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(string_agg(case when t.token !~ '^\{[[:alnum:]_.]+\}$' then t.token
                                    when jsonb_typeof(v.value) = 'array' then
                                        (select string_agg(e.element, ', ') from jsonb_array_elements_text(v.value) as e (element))
                                    else coalesce(v.value #>> '{}', '') end, '' order by t.ord), '')
    from regexp_matches($1, '[^{]+|\{[[:alnum:]_.]+\}|\{', 'g') with ordinality as m (found, ord),
         lateral (select m.found[1] as token, m.ord) t,
         lateral (select $2 #> string_to_array(btrim(t.token, '{}'), '.') as value) v
$$;
comment on function handoff.render(text, jsonb) is
    'A text with its placeholders filled: {name}, or {name.name} for what is within, by the values of the document; arrays separated by commas, what is not there empty. A brace that begins no placeholder stands for itself.';

create function handoff.default_message(type text) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
return case type
    when 'handoff.created' then 'Lead {lead_key} ({fields.company}) was handed over by leg {leg}: {signals}. Score {score}, band {band}. {link}'
    when 'handoff.assigned' then '{rep_name}, lead {lead_key} ({fields.company}) is yours: {signals}. Score {score}, band {band}. {done_when} Due {due_local} {due_zone}. {link}'
    when 'handoff.taken_away' then 'Lead {lead_key} ({fields.company}) has lost its owner; another one is sought. {link}'
    when 'handoff.unassigned' then 'Nobody can take lead {lead_key} ({fields.company}): {unassigned_reason}. {link}'
    when 'handoff.disposed' then 'Lead {lead_key} ({fields.company}): {outcome} {code}. {note} {link}'
    when 'handoff.undisposed' then '{rep_name}, lead {lead_key} ({fields.company}) is yours again: its disposition was taken back. Due {due_local} {due_zone}. {link}'
    when 'handoff.reminder' then '{rep_name}, lead {lead_key} ({fields.company}) waits. {done_when} Due {due_local} {due_zone}. {link}'
    when 'handoff.escalated' then 'Lead {lead_key} ({fields.company}), {rep_name}: {about.sla} was due {due_local} {due_zone}. {link}'
    when 'handoff.reengaged' then '{rep_name}, lead {lead_key} ({fields.company}) is back: {signals}. {link}'
    when 'handoff.collision' then 'Lead {lead_key} ({fields.company}) was handed over although {about.of_rep} has had the person as lead {about.lead}. {link}'
    when 'lead.blocked' then 'Lead {lead_key} ({fields.company}) is ready but for {blocked_fields}. {link}'
    when 'lead.forgotten' then 'Lead {lead_key} was forgotten: delete what came with messages {messages}.'
    when 'lead.violation' then 'Lead {lead_key} ({fields.company}): the CRM has set status "{about.status}", which the contract forbids: {about.message}. {about.wanted} {link}'
    else '{event}: lead {lead_key}. {link}'
end;
comment on function handoff.default_message(text) is
    'The text of a type of messages that no template of the contract has, with placeholders. Internal to message_text().';

create function handoff.message_text(id uuid, locale text default 'en') returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select btrim(regexp_replace(handoff.render(coalesce(t.body, handoff.default_message(o.type)), o.payload), '  +| +(?=[.,])', ' ', 'g'))
    from handoff.outbox o
    join handoff.event e on e.lead_key = o.lead_key and e.seq = o.seq
    left join lateral (
        select m.body from handoff.message_template m
        where m.contract_id = e.contract_id and m.event in (o.type, e.type)
          and m.locale in ($2, split_part($2, '-', 1), 'en')
        order by m.locale = $2 desc, m.locale = split_part($2, '-', 1) desc, m.event = o.type desc
        limit 1
    ) t on true
    where o.id = $1
$$;
comment on function handoff.message_text(uuid, text) is
    'A message as a text for people: by the template of its contract for its type (handoff.assigned, or as the log has it: assigned) in the language asked for, else in that language without its region, else in English; without one by a text of ours. NULL: there is no such message.';

create function handoff.set_link(source text, link text) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
begin
    if strpos(link, '{key}') = 0 then
        raise exception 'a link needs {key} where the key belongs, not "%"', link
            using errcode = '22023', hint = 'For example https://crm.example/Lead/{key}.';
    end if;
    update handoff.source s set link = set_link.link where s.name = handoff.known_source(set_link.source);
end
$$;
comment on function handoff.set_link(text, text) is
    'Where the records of a source are to be found in the CRM: an address with {key}, in whose place goes the row''s key, percent-encoded. Briefs carry it. NULL: nowhere. Errors: LH020 (no such source), 22023 (no {key}).';

create function handoff.brief(lead_key text) returns jsonb
    language c stable strict
    as 'MODULE_PATHNAME', 'lh_brief';
comment on function handoff.brief(text) is
    'What a rep needs to act on a lead without opening anything, as messages carry it: who, why now, the last three actions, until when in the rep''s zone, what counts as done, where it is in the CRM. Of its open handoff, else its last. Errors: LH040 (no such lead), LH012 (no contract decides it).';

revoke all on function handoff.set_link(text, text) from public;
revoke all on function handoff.brief(text) from public;
revoke all on function handoff.cloudevent(uuid, text, text, timestamptz, jsonb, text, timestamptz) from public;
revoke all on function handoff.set_event_source(text) from public;
revoke all on function handoff.render(text, jsonb) from public;
revoke all on function handoff.default_message(text) from public;
revoke all on function handoff.message_text(uuid, text) from public;
