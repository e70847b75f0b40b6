-- sql/extension/36-markdown.sql: a contract as a document that people sign.
--
-- One function a section, each a query over one version that gives Markdown, or NULL where the contract
-- says nothing about its matter; contract_markdown() puts together what an audience reads. Whatever a
-- user wrote goes through markdown_text() or markdown_code() (src/markdown.c) and stands behind other
-- text in its line, so that nothing in it can change the document.
--
-- The same version gives the same bytes, whatever the session's settings: order is by ord, position or
-- name in collation "C", moments are written in the contract's reporting zone.

create function handoff.markdown_text(string text) returns text
    language c immutable strict parallel safe
    as 'MODULE_PATHNAME', 'lh_sql_markdown_text';
comment on function handoff.markdown_text(text) is
    'A text as it must stand in a line or a table of Markdown to be seen as it is: what means something there gets a backslash, line ends become blanks.';

create function handoff.markdown_code(string text) returns text
    language c immutable strict parallel safe
    as 'MODULE_PATHNAME', 'lh_sql_markdown_code';
comment on function handoff.markdown_code(text) is
    'A text as code in a line or a table of Markdown: in backquotes, or as an element code with entities if it has backquotes, pipes or line ends.';

create function handoff.criteria_words(criteria handoff.criteria) returns text
    language c immutable strict parallel safe
    as 'MODULE_PATHNAME', 'lh_criteria_words';
comment on function handoff.criteria_words(handoff.criteria) is
    'A criteria in English words, as Markdown; its canonical text as code where words would not be exactly right.';

create function handoff.span_words(span interval, business boolean default false) returns text
    language sql immutable strict parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(nullif(concat_ws(' ', variadic array(
        select concat_ws(' ', trim_scale(abs(p.qty)), case when $2 and p.unit = 'day' then 'business day' else p.unit end
                              || case when abs(p.qty) = 1 then '' else 's' end)
        from (values (1, extract(year from $1), 'year'), (2, extract(month from $1), 'month'), (3, extract(day from $1), 'day'),
                     (4, extract(hour from $1), 'hour'), (5, extract(minute from $1), 'minute'), (6, extract(second from $1), 'second')
             ) p (n, qty, unit)
        where p.qty <> 0
        order by p.n)), '') || case when $2 and extract(day from $1) = 0 then ' of open time' else '' end, 'no time')
$$;
comment on function handoff.span_words(interval, boolean) is
    'An interval in English words, without its sign; business: of open time, in which a day is the open time of one date. Internal to contract_markdown().';

create function handoff.table_markdown(heads text[], lines text) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select format(E'| %s |\n|%s\n%s\n', array_to_string($1, ' | '), repeat('---|', cardinality($1)), $2)
    where $2 is not null
$$;
comment on function handoff.table_markdown(text[], text) is
    'A table of Markdown with these heads and lines; NULL if there are none. Internal to contract_markdown().';

create function handoff.line_markdown(variadic cells text[]) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$ select '| ' || array_to_string($1, ' | ', '') || ' |' $$;
comment on function handoff.line_markdown(text[]) is
    'A line of a table of Markdown; NULL cells are empty. Internal to contract_markdown().';

create function handoff.codes_markdown(names text[]) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select string_agg(handoff.markdown_code(n.name), ', ' order by n.i) from unnest($1) with ordinality n (name, i)
$$;
comment on function handoff.codes_markdown(text[]) is 'Names as code, after one another; NULL: none. Internal to contract_markdown().';

create function handoff.qty_words(qty int, noun text) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$ select $1 || ' ' || $2 || case $1 when 1 then '' when 0 then null else case when $2 like '%ch' then 'es' else 's' end end $$;
comment on function handoff.qty_words(int, text) is
    'So many of something, in English words; NULL for none. Internal to contract_markdown().';

-- Who has a lead when ------------------------------------------------------------------------------

create function handoff.head_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select concat_ws(E'\n',
        format(E'# Handoff contract %s, version %s\n', handoff.markdown_code(c.name), c.contract_id),
        '- Status: ' || case c.status
            when 'draft' then 'draft. It is not in force.'
            when 'shadow' then 'shadow. It decides and has no effects.'
            else format('%s%s. In force %s.', c.status, case when c.traffic_share < 1 and c.status = 'published' then
                format(', a challenger that decides %s %% of the leads', round(100 * c.traffic_share, 1))
                || coalesce(' of its scope: ' || handoff.markdown_code(c.scope::text), '') end, coalesce((
                select string_agg(concat_ws(' ', 'from ' || to_char(lower(r) at time zone c.reporting_zone, 'YYYY-MM-DD HH24:MI'),
                                            'to ' || to_char(upper(r) at time zone c.reporting_zone, 'YYYY-MM-DD HH24:MI')), ', ' order by r)
                from unnest(c.effective) r), 'never')) end,
        '- Days, months and times are those of ' || handoff.markdown_code(c.reporting_zone) || '.',
        case when c.calendar is null then '- It names no calendar: business time is that of pools and people only.'
             else format('- Business time is that of calendar %s%s, where people and pools have no hours of their own. A business day is the open time of one date.',
                         handoff.markdown_code(c.calendar),
                         ' (' || handoff.markdown_code((select k.schedule::text from handoff.calendar k where k.name = c.calendar)) || ')') end,
        '- A handoff counts as accepted by ' || (
            select string_agg(case a.how when 'explicit' then 'an explicit answer' when 'first_touch' then 'the first touch'
                                         when 'meeting' then 'a meeting that was held' else 'an opportunity' end, ', or by ' order by a.n)
            from unnest(c.accept_on) with ordinality a (how, n)) || '.',
        '- An opportunity of the account that is created within ' || handoff.span_words(c.opportunity_window)
            || ' after a handoff counts for the lead, though nothing names the lead in it.',
        '- Note: ' || handoff.markdown_text(c.note),
        '- Text of ' || coalesce('checksum ' || handoff.markdown_code(c.checksum), 'a draft, which may still change') || '.')
    from handoff.contract c
    where c.contract_id = $1
$$;
comment on function handoff.head_markdown(int) is 'What contract_markdown() begins with. Internal.';

create function handoff.party_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(E'Parties must approve the contract before it can come into force. An approval counts for the text as it was.\n\n' ||
        handoff.table_markdown(array['Party', 'Approved by', 'When', 'Note'], string_agg(
            handoff.line_markdown(handoff.markdown_text(p.party),
                case when a.party is null then 'not approved'
                     when a.checksum <> coalesce(c.checksum, handoff.definition_checksum(c.contract_id)) then 'not approved since the last change'
                     else handoff.markdown_text(a.actor) end,
                to_char(a.at at time zone c.reporting_zone, 'YYYY-MM-DD HH24:MI'), handoff.markdown_text(a.note)),
            E'\n' order by p.n) filter (where p.party is not null)), E'It names no parties: nobody has to approve it.\n')
    from handoff.contract c
    left join lateral unnest(c.parties) with ordinality p (party, n) on true
    left join handoff.approval a on a.contract_id = c.contract_id and a.party = p.party
    where c.contract_id = $1
$$;
comment on function handoff.party_markdown(int) is 'Section of contract_markdown(): parties and their approvals. Internal.';

create function handoff.stage_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select E'A lead is in one stage at a time, and each stage says which side owns the lead there.\n\n' ||
        handoff.table_markdown(array['Stage', 'Owner', 'To enter it', 'Must be filled', 'To leave it', 'Longest stay'], string_agg(
            handoff.line_markdown(
                handoff.markdown_code(s.name) || case when s.is_default then ' (begins here)' when s.is_terminal then ' (may end here)' else '' end,
                case s.owner when 'none' then 'nobody' else s.owner end,
                coalesce(handoff.criteria_words(s.entry), 'no condition'), handoff.codes_markdown(s.required), coalesce(handoff.criteria_words(s.exit), 'no condition'),
                handoff.span_words(s.max_age) || ', then ' || handoff.markdown_code(s.max_age_to)),
            E'\n' order by s.position))
    from handoff.stage s
    where s.contract_id = $1
$$;
comment on function handoff.stage_markdown(int) is 'Section of contract_markdown(): stages. Internal.';

create function handoff.leg_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select E'At these points ownership passes. Each pass is one handoff, which stays open until it is answered.\n\n' ||
        handoff.table_markdown(array['Point', 'From', 'To', 'A lead passes it', 'If required fields are missing'], string_agg(
            handoff.line_markdown(handoff.markdown_code(l.name), handoff.markdown_text(l.owner_from), handoff.markdown_text(l.owner_to),
                (select string_agg(format('from %s to %s', handoff.markdown_code(t.from_stage), handoff.markdown_code(t.to_stage)), '; ' order by t.ord)
                 from handoff.transition t where t.contract_id = $1 and t.leg = l.name),
                case when l.blocked_max is null then 'it waits'
                     else format('it waits %s, then it is %s', handoff.span_words(l.blocked_max),
                                 case l.blocked_then when 'recycle' then 'recycled' else 'handed over as incomplete' end) end),
            E'\n' order by l.ord))
    from handoff.leg l
    where l.contract_id = $1
$$;
comment on function handoff.leg_markdown(int) is 'Section of contract_markdown(): points where ownership passes. Internal.';

create function handoff.transition_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select E'The moves that the contract allows. Of several that could be made the first one is. The criteria of the stages hold besides.\n\n' ||
        handoff.table_markdown(array['From', 'To', 'When', 'Only if', 'Passes'], string_agg(
            handoff.line_markdown(handoff.markdown_code(t.from_stage), handoff.markdown_code(t.to_stage),
                case t.event when 'scored' then 'it meets the definition' when 'signal' then 'it gives a signal'
                             when 'accepted' then 'its owner accepts it' when 'qualified' then 'its owner qualifies it'
                             when 'recycled' then 'sales gives it back for later' when 'disqualified' then 'it is disqualified'
                             when 'returned' then 'the next owner returns it' when 'meeting' then 'a meeting was held'
                             when 'opportunity' then 'an opportunity is made' when 'won' then 'the opportunity is won'
                             when 'lost' then 'the opportunity is lost' when 'due' then 'its time is over'
                             else 'it asks again while sales has it' end,
                coalesce(handoff.criteria_words(t.guard), 'no condition'), handoff.markdown_code(t.leg)),
            E'\n' order by t.ord))
    from handoff.transition t
    where t.contract_id = $1
$$;
comment on function handoff.transition_markdown(int) is 'Section of contract_markdown(): moves between stages. Internal.';

-- What is known of a lead -------------------------------------------------------------------------

create function handoff.field_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with needed as (
        -- who has a lead before the stage that asks for a field fills it
        select r.field, s.name as stage, s.position, o.owner
        from handoff.stage s
        cross join lateral unnest(s.required) r (field)
        cross join lateral (select distinct f.owner from handoff.transition t
                            join handoff.stage f on (f.contract_id, f.name) = (t.contract_id, t.from_stage)
                            where t.contract_id = $1 and t.to_stage = s.name) o
        where s.contract_id = $1
    ), field as (
        select f.of, f.name, f.type, f.description from handoff.field f where f.contract_id = $1
        union all
        select 'lead', b.name, b.type, b.description from handoff.builtin_fields() b
        where b.of = 'lead' and b.name in (select n.field from needed n)
    )
    select concat_ws(E'\n',
        handoff.table_markdown(array['Of', 'Field', 'Type', 'Meaning', 'Needed for', 'Filled by'], (
            select string_agg(handoff.line_markdown(f.of, handoff.markdown_code(f.name), f.type, handoff.markdown_text(f.description),
                n.stages, n.owners), E'\n' order by array_position('{lead,account,activity}', f.of), f.name collate "C")
            from field f
            left join lateral (
                select string_agg(distinct handoff.markdown_code(n.stage), ', ') as stages, string_agg(distinct n.owner, ', ') as owners
                from needed n where f.of = 'lead' and n.field = f.name) n on true)),
        handoff.table_markdown(array['A required field is valid', 'if', 'Else'], (
            select string_agg(handoff.line_markdown(handoff.markdown_code(v.field), handoff.criteria_words(v.criteria), handoff.markdown_text(v.message)),
                              E'\n' order by v.field collate "C", v.ord)
            from handoff.validation v where v.contract_id = $1)),
        handoff.table_markdown(array['Computed field', 'Value', 'The first that holds'], (
            select string_agg(handoff.line_markdown(handoff.markdown_code(d.field), handoff.markdown_text(d.value), coalesce(handoff.criteria_words(d.criteria), 'in all other cases')),
                              E'\n' order by d.place, d.field collate "C", d.ord)
            from (select d.*, min(d.ord) over (partition by d.field) as place from handoff.derived d where d.contract_id = $1) d)))
$$;
comment on function handoff.field_markdown(int) is 'Section of contract_markdown(): fields, who fills them, valid and computed values. Internal.';

create function handoff.limits_words(low int, high int) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select case when $1 is null and $2 is null then 'without limit' when $1 is null then format('at most %s', $2)
                when $2 is null then format('at least %s', $1) else format('from %s to %s', $1, $2) end
$$;
comment on function handoff.limits_words(int, int) is 'Limits of points in English words. Internal to contract_markdown().';

create function handoff.score_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select concat_ws(E'\n',
        format(E'- Fit says whether a lead could ever buy: points for who it is, in sum %s.\n'
               '- Intent says whether it wants to now: points for each thing it does, in sum %s. %s\n'
               '- Score is fit plus intent, rounded.\n',
               handoff.limits_words(c.min_fit, c.max_fit), handoff.limits_words(c.min_intent, c.max_intent),
               coalesce('Points lose half their worth in ' || handoff.span_words(c.half_life) || '.', 'Points keep their worth.')),
        (select string_agg(format(E'### %s group %s, %s points\n\n%s', initcap(g.kind), handoff.markdown_code(g.name),
                                  handoff.limits_words(g.min_points, g.max_points),
                                  coalesce(handoff.table_markdown(array['Rule', 'Points', case g.kind when 'fit' then 'For a lead if' else 'For each activity if' end], r.lines),
                                           E'No rules.\n')),
                           E'\n' order by g.kind, g.name collate "C")
         from handoff.score_group g
         cross join lateral (
             select string_agg(handoff.line_markdown(handoff.markdown_code(r.name), r.points::text, coalesce(handoff.criteria_words(r.criteria), 'always')),
                               E'\n' order by r.points desc, r.name collate "C") as lines
             from handoff.score_rule r where r.contract_id = $1 and r.score_group = g.name) r
         where g.contract_id = $1))
    from handoff.contract c
    where c.contract_id = $1
$$;
comment on function handoff.score_markdown(int) is 'Section of contract_markdown(): fit and intent. Internal.';

create function handoff.band_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select E'A lead is in the first band whose minimums it reaches.\n\n' ||
        handoff.table_markdown(array['Band', 'Fit', 'Intent', 'Score'], string_agg(
            handoff.line_markdown(handoff.markdown_code(b.name), coalesce('at least ' || b.min_fit, 'any'),
                                  coalesce('at least ' || b.min_intent, 'any'), coalesce('at least ' || b.min_score, 'any')),
            E'\n' order by b.ord))
    from handoff.band b
    where b.contract_id = $1
$$;
comment on function handoff.band_markdown(int) is 'Section of contract_markdown(): bands. Internal.';

create function handoff.activity_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.table_markdown(array['Meaning', 'Name', 'An activity counts if', 'It takes'], string_agg(
        handoff.line_markdown(
            case a.meaning when 'signal' then 'signal of the buyer' when 'touch' then 'touch, one way, by a human' when 'contact' then 'contact, both ways'
                           when 'booked' then 'meeting booked' when 'meeting_held' then 'meeting held' when 'no_show' then 'meeting missed'
                           else 'marketing touch' end,
            handoff.markdown_code(a.name), coalesce(handoff.criteria_words(a.criteria), 'always'),
            case when a.meaning = 'signal' then concat_ws(' ', a.min_count, coalesce('within ' || handoff.span_words(a.within), 'since the cycle began')) end),
        E'\n' order by array_position('{signal,touch,contact,booked,meeting_held,no_show,marketing}', a.meaning), a.name collate "C"))
    from handoff.activity_rule a
    where a.contract_id = $1
$$;
comment on function handoff.activity_markdown(int) is 'Section of contract_markdown(): what activities mean. Internal.';

create function handoff.gate_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select nullif(concat_ws(E'\n',
        handoff.table_markdown(array['Code', 'Who is stopped', 'Before', 'What happens'], (
            select string_agg(handoff.line_markdown(handoff.markdown_code(g.code), handoff.criteria_words(g.criteria),
                coalesce(handoff.markdown_code(g.leg), 'every point, and the way back to the beginning'),
                case g.action when 'suppress' then 'it stays where it is while this holds'
                              when 'hold' then 'it stays while this holds, looked at again after ' || handoff.span_words(g.review_after)
                              when 'reject' then 'it is disqualified' else 'it goes to whoever has the customer' end), E'\n' order by g.ord)
            from handoff.gate g where g.contract_id = $1)),
        (select string_agg(format(E'- The same %s is with sales already, or was within %s: %s.\n', c.scope, handoff.span_words(c.within),
            case c.action when 'join' then 'the lead joins that handoff' when 'same_owner' then 'it goes to the same owner'
                          when 'notify' then 'it is handed over, and the owner is told' else 'it waits until that handoff has ended' end),
            '' order by c.scope desc)
         from handoff.collision c where c.contract_id = $1)), '')
$$;
comment on function handoff.gate_markdown(int) is 'Section of contract_markdown(): who is stopped, and the same person twice. Internal.';

-- What sales owes ---------------------------------------------------------------------------------

create function handoff.route_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select string_agg(format(E'### %s\n\n%s', handoff.markdown_code(r.leg), handoff.table_markdown(array['Route', 'For', 'It goes to', 'If nobody can take it now'], r.lines)),
                      E'\n' order by r.ord)
    from (
        select t.leg, l.ord, string_agg(handoff.line_markdown(handoff.markdown_code(t.name), coalesce(handoff.criteria_words(t.criteria), 'any lead'),
            case t.target_kind when 'rep' then handoff.markdown_code(t.target) when 'pool' then 'pool ' || handoff.markdown_code(t.target)
                               when 'account_owner' then 'the owner of its account'
                               when 'account_team' then format('who is %s in the team of its account', handoff.markdown_code(t.target))
                               when 'territory' then format('whom map %s has for its %s', handoff.markdown_code(t.target), handoff.markdown_code(t.key_field))
                               when 'previous_owner' then 'who had it before' when 'crm_owner' then 'its owner in the CRM' else 'the host of the meeting it booked' end,
            case t.if_unavailable when 'assign_ahead' then 'given ahead if somebody is back within 16 hours, else it waits' when 'hold' then 'it waits'
                                  when 'delegate' then 'a delegate, else it waits' else 'the next route' end), E'\n' order by t.ord) as lines
        from handoff.route t
        join handoff.leg l on (l.contract_id, l.name) = (t.contract_id, t.leg)
        where t.contract_id = $1
        group by t.leg, l.ord
    ) r
$$;
comment on function handoff.route_markdown(int) is 'Section of contract_markdown(): routes. Internal.';

create function handoff.metric_words(metric text) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select case $1 when 'accept' then 'accept or reject' when 'first_touch' then 'first touch' when 'next_touch' then 'next touch, after each'
                   when 'response' then 'answer to a new signal' when 'decision' then 'decision, after accepting'
                   else 'meeting held, after booking' end
$$;
comment on function handoff.metric_words(text) is 'What an SLA''s metric waits for, in English words. Internal to contract_markdown().';

create function handoff.sla_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select E'Of the promises for the same thing the first one counts whose condition the lead meets.\n\n' ||
        handoff.table_markdown(array['Point', 'Promise', 'Name', 'Within', 'For', 'Stands still while'], string_agg(
            handoff.line_markdown(handoff.markdown_code(s.leg),
                handoff.metric_words(s.metric) || case s.scope when 'assignment' then ', anew for each owner' else '' end, handoff.markdown_code(s.name),
                handoff.span_words(s.target, s.clock = 'business'), coalesce(handoff.criteria_words(s.criteria), 'any lead'), handoff.criteria_words(s.pause_when)),
            E'\n' order by l.ord, array_position('{accept,first_touch,next_touch,response,decision,meeting_held}', s.metric), s.ord))
    from handoff.sla s
    join handoff.leg l on (l.contract_id, l.name) = (s.contract_id, s.leg)
    where s.contract_id = $1
$$;
comment on function handoff.sla_markdown(int) is 'Section of contract_markdown(): times promised. Internal.';

create function handoff.escalation_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.table_markdown(array['Promise', 'Step', 'When', 'What', 'For'], string_agg(
        handoff.line_markdown(handoff.markdown_code(e.sla), e.step::text,
            case when e.offset_from_due = interval '0' then 'when due'
                 else handoff.span_words(e.offset_from_due, s.clock = 'business') || case when e.offset_from_due < interval '0' then ' before' else ' after' end end
                 || case when e.in_hours then ', in hours' else '' end,
            case e.action when 'remind' then 'the owner is reminded'
                          when 'notify' then case e.recipient when 'manager' then 'the manager is told' when 'pool_lead' then 'the lead of the pool is told'
                                                              else handoff.markdown_code(e.recipient) || ' is told' end
                          when 'reassign' then coalesce('somebody else gets it, ' || handoff.qty_words(e.max_hops, 'time') || ' at most', 'it goes to the last route')
                          when 'fallback' then 'it goes to the last route' else 'it is recycled as ' || handoff.markdown_code(e.code) end,
            coalesce(handoff.criteria_words(e.criteria), 'any lead')),
        E'\n' order by l.ord, array_position('{accept,first_touch,next_touch,response,decision,meeting_held}', s.metric), s.ord, e.step))
    from handoff.escalation e
    join handoff.sla s on (s.contract_id, s.name) = (e.contract_id, e.sla)
    join handoff.leg l on (l.contract_id, l.name) = (s.contract_id, s.leg)
    where e.contract_id = $1
$$;
comment on function handoff.escalation_markdown(int) is 'Section of contract_markdown(): escalation. Internal.';

create function handoff.work_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select nullif(concat_ws(E'\n',
        handoff.table_markdown(array['Channel', 'Also called', 'Not for a lead if'], (
            select string_agg(handoff.line_markdown(handoff.markdown_code(c.name), handoff.codes_markdown(c.also), handoff.criteria_words(c.forbidden_when)),
                              E'\n' order by c.name collate "C")
            from handoff.channel c where c.contract_id = $1)),
        handoff.table_markdown(array['Cadence of', 'Step', 'Business day after the handoff', 'Channel'], (
            select string_agg(handoff.line_markdown(handoff.markdown_code(p.leg), p.step::text, p.business_day::text, handoff.markdown_code(p.channel)),
                              E'\n' order by l.ord, p.step)
            from handoff.cadence_step p left join handoff.leg l on (l.contract_id, l.name) = (p.contract_id, p.leg) where p.contract_id = $1)),
        handoff.table_markdown(array['Work standard', 'At', 'For', 'Owed before it may be given up'], (
            select string_agg(handoff.line_markdown(handoff.markdown_code(w.name), coalesce(handoff.markdown_code(w.leg), 'every point'), coalesce(handoff.criteria_words(w.criteria), 'any lead'),
                concat_ws(', ', handoff.qty_words(w.min_touches, 'touch') || coalesce(', each at least ' || handoff.span_words(w.min_gap) || ' after the one before', ''),
                          handoff.qty_words(w.min_channels, 'channel'), handoff.qty_words(w.min_contacts, 'contact'), handoff.qty_words(w.min_business_days, 'business day'))
                || case when w.counts_predecessor then '' else '; of the present owner alone' end),
                E'\n' order by w.name collate "C", w.ord)
            from handoff.work_standard w where w.contract_id = $1))), '')
$$;
comment on function handoff.work_markdown(int) is 'Section of contract_markdown(): channels, cadence and work standards. Internal.';

create function handoff.disposition_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select format(E'Sales answers each handoff with one of these codes. Reports show the reasons. %s\n\n',
                  (select case when c.undispose_within = interval '0' then 'An answer is final.'
                               else format('An answer that ended a handoff may be taken back within %s.', handoff.span_words(c.undispose_within)) end
                   from handoff.contract c where c.contract_id = $1)) ||
        handoff.table_markdown(array['Code', 'Reason', 'At', 'Outcome', 'Needs', 'What follows'], string_agg(
            handoff.line_markdown(handoff.markdown_code(d.code), handoff.markdown_text(d.reason), coalesce(handoff.markdown_code(d.leg), 'every point'),
                case d.outcome when 'recycle' then 'back to marketing for later' when 'reroute' then 'somebody else gets it'
                               when 'returned' then 'back to the owner before' when 'withdrawn' then 'does not count'
                               when 'lost' then 'given by nobody: the opportunity was lost' else d.outcome end,
                concat_ws(', ', case when d.needs_note then 'a note' end, 'work standard ' || handoff.markdown_code(d.needs_work)),
                concat_ws('; ', 'path ' || handoff.markdown_code(d.recycle_path),
                          'reopened by ' || handoff.codes_markdown(nullif(d.reopen_on, '{}')),
                          case when d.returns_turn then 'the owner gets his turn back' end,
                          case when d.no_response then 'never final: nobody answered' end,
                          case d.on_violation when 'hold' then 'if the CRM sets it against the rules, it is held' when 'revert' then 'if the CRM sets it against the rules, it is taken back' end)),
            E'\n' order by array_position('{accepted,recycle,disqualified,reroute,returned,withdrawn,lost}', d.outcome), d.code collate "C"))
    from handoff.disposition d
    where d.contract_id = $1
$$;
comment on function handoff.disposition_markdown(int) is 'Section of contract_markdown(): answers of sales. Internal.';

create function handoff.recycle_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.table_markdown(array['Path', 'Rests', 'Comes back to', 'Sooner by', 'Track', 'Intent', 'Ends after'], string_agg(
        handoff.line_markdown(handoff.markdown_code(p.name), coalesce(handoff.span_words(p.delay), 'until a signal'), handoff.markdown_code(p.to_stage),
            handoff.codes_markdown(p.reenter_on), handoff.markdown_text(p.nurture_track),
            case when p.reset_intent then 'begins anew' else 'goes on' end,
            handoff.qty_words(p.max_cycles, 'cycle') || ', then ' || handoff.markdown_code(p.exhausted_to)),
        E'\n' order by p.name collate "C"))
    from handoff.recycle_path p
    where p.contract_id = $1
$$;
comment on function handoff.recycle_markdown(int) is 'Section of contract_markdown(): recycle paths. Internal.';

create function handoff.status_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.table_markdown(array['Status in the CRM', 'Who sets it means', 'Written to the CRM in'], string_agg(
        handoff.line_markdown(handoff.markdown_text(x.value), coalesce(handoff.markdown_code(x.code), case when x.qualifies then 'qualified for the next point' end),
                              handoff.codes_markdown(x.stages)), E'\n' order by x.ord))
    from handoff.crm_status x
    where x.contract_id = $1
$$;
comment on function handoff.status_markdown(int) is 'Section of contract_markdown(): statuses of the CRM. Internal.';

-- What is promised, and what changed --------------------------------------------------------------

create function handoff.target_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
    set datestyle = iso
as $$
    select handoff.table_markdown(array['Metric', 'Segment', 'Days', 'Value', 'Promised by'], string_agg(
        handoff.line_markdown(handoff.markdown_code(t.metric), coalesce(nullif(handoff.markdown_text(t.segment), ''), 'all'),
                              coalesce(nullif(concat_ws(' ', 'from ' || lower(t.period), 'to ' || (upper(t.period) - 1)), ''), 'all'),
                              t.value::text, handoff.markdown_text(t.owner)),
        E'\n' order by t.metric collate "C", t.segment collate "C", t.period))
    from handoff.target t
    where t.contract_id = $1
$$;
comment on function handoff.target_markdown(int) is 'Section of contract_markdown(): targets. Internal.';

create function handoff.message_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.table_markdown(array['Message', 'Language', 'Text'], string_agg(
        handoff.line_markdown(handoff.markdown_code(m.event), handoff.markdown_text(m.locale), handoff.markdown_text(m.body)),
        E'\n' order by m.event collate "C", m.locale collate "C"))
    from handoff.message_template m
    where m.contract_id = $1
$$;
comment on function handoff.message_markdown(int) is 'Section of contract_markdown(): texts of messages. Internal.';

create function handoff.version_before(version int) returns int
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select max(b.contract_id)
    from handoff.contract c
    join handoff.contract b on b.name = c.name and b.contract_id < c.contract_id and b.status <> 'draft' and not isempty(b.effective)
    where c.contract_id = $1
$$;
comment on function handoff.version_before(int) is
    'The newest version of the same contract before this one that has ever been in force; NULL: none. Internal to contract_markdown().';

create function handoff.change_markdown(version int) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select format(E'Compared with version %s:\n\n%s', b.id, coalesce(
        handoff.table_markdown(array['What', 'Which', 'Change', 'Before', 'Now'], (
            select string_agg(handoff.line_markdown(replace(d.object, '_', ' '), handoff.markdown_code(d.key), d.what,
                                                    handoff.markdown_code(d.old::text), handoff.markdown_code(d.new::text)), E'\n' order by d.n)
            from handoff.diff(b.id, $1) with ordinality d (object, key, what, old, new, n))),
        E'nothing has changed.\n'))
    from (select handoff.version_before($1)) b (id)
    where b.id is not null
$$;
comment on function handoff.change_markdown(int) is 'Section of contract_markdown(): what differs from the version before. Internal.';

create function handoff.contract_markdown(version int default null, audience text default 'everyone') returns text
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    chosen constant int := handoff.chosen_version(version);
begin
    if audience is null or audience not in ('everyone', 'marketing', 'sales') then
        raise exception 'unknown audience "%"', coalesce(audience, 'NULL')
            using errcode = '22023', hint = 'Audiences: everyone, marketing, sales.';
    end if;
    return handoff.head_markdown(chosen) || E'\n\n' || (
        select string_agg(format(E'## %s. %s\n\n%s', s.n, s.title, s.body), E'\n' order by s.n)
        from (
            select row_number() over (order by p.n) as n, p.title, p.body
            from (values
                (1, 'Parties and approvals', 'marketing sales', handoff.party_markdown(chosen)),
                (2, 'Stages: who owns a lead when', 'marketing sales', handoff.stage_markdown(chosen)),
                (3, 'Points of handoff', 'marketing sales', handoff.leg_markdown(chosen)),
                (4, 'How a lead moves', 'marketing sales', handoff.transition_markdown(chosen)),
                (5, 'Fields, and who fills them', 'marketing', handoff.field_markdown(chosen)),
                (6, 'Fit, intent and score', 'marketing', handoff.score_markdown(chosen)),
                (7, 'Bands', 'marketing sales', handoff.band_markdown(chosen)),
                (8, 'What an activity means', 'marketing sales', handoff.activity_markdown(chosen)),
                (9, 'Who is held back', 'marketing sales', handoff.gate_markdown(chosen)),
                (10, 'Who gets a lead', 'sales', handoff.route_markdown(chosen)),
                (11, 'Times promised', 'marketing sales', handoff.sla_markdown(chosen)),
                (12, 'Escalation', 'sales', handoff.escalation_markdown(chosen)),
                (13, 'Work owed to a lead', 'sales', handoff.work_markdown(chosen)),
                (14, 'Answers of sales', 'marketing sales', handoff.disposition_markdown(chosen)),
                (15, 'How a lead comes back', 'marketing sales', handoff.recycle_markdown(chosen)),
                (16, 'The CRM''s status', 'sales', handoff.status_markdown(chosen)),
                (17, 'Targets', 'marketing sales', handoff.target_markdown(chosen)),
                (18, 'Messages', 'sales', handoff.message_markdown(chosen)),
                (19, 'What has changed', 'marketing sales', handoff.change_markdown(chosen))
            ) p (n, title, readers, body)
            where p.body is not null and (audience = 'everyone' or p.readers like '%' || audience || '%')
        ) s);
end
$$;
comment on function handoff.contract_markdown(int, text) is
    'A contract as a page of Markdown in plain words, to be read and signed: parties and approvals, stages, points of handoff, moves, fields and who fills them, score, bands, gates, routes, times promised, escalation, work, answers, recycling, targets, and what has changed since the version before. Without a version: the draft, if there is exactly one, else the version in force. audience: everyone, marketing or sales, who read what concerns them. Moments are in the reporting zone. The same version gives the same text. Errors: LH012 (no such version), 22023 (no such audience).';

revoke all on function handoff.markdown_text(text) from public;
revoke all on function handoff.markdown_code(text) from public;
revoke all on function handoff.criteria_words(handoff.criteria) from public;
revoke all on function handoff.span_words(interval, boolean) from public;
revoke all on function handoff.table_markdown(text[], text) from public;
revoke all on function handoff.line_markdown(text[]) from public;
revoke all on function handoff.codes_markdown(text[]) from public;
revoke all on function handoff.qty_words(int, text) from public;
revoke all on function handoff.head_markdown(int) from public;
revoke all on function handoff.party_markdown(int) from public;
revoke all on function handoff.stage_markdown(int) from public;
revoke all on function handoff.leg_markdown(int) from public;
revoke all on function handoff.transition_markdown(int) from public;
revoke all on function handoff.field_markdown(int) from public;
revoke all on function handoff.limits_words(int, int) from public;
revoke all on function handoff.score_markdown(int) from public;
revoke all on function handoff.band_markdown(int) from public;
revoke all on function handoff.activity_markdown(int) from public;
revoke all on function handoff.gate_markdown(int) from public;
revoke all on function handoff.route_markdown(int) from public;
revoke all on function handoff.metric_words(text) from public;
revoke all on function handoff.sla_markdown(int) from public;
revoke all on function handoff.escalation_markdown(int) from public;
revoke all on function handoff.work_markdown(int) from public;
revoke all on function handoff.disposition_markdown(int) from public;
revoke all on function handoff.recycle_markdown(int) from public;
revoke all on function handoff.status_markdown(int) from public;
revoke all on function handoff.target_markdown(int) from public;
revoke all on function handoff.message_markdown(int) from public;
revoke all on function handoff.version_before(int) from public;
revoke all on function handoff.change_markdown(int) from public;
revoke all on function handoff.contract_markdown(int, text) from public;
