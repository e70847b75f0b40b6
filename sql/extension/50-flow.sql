-- sql/extension/50-flow.sql: time passes, and what a decision looked like.

create function handoff.tick(
    p_now           timestamptz default clock_timestamp(),
    batch           int default 1000,
    out claimed     bigint,
    out decided     bigint,
    out due         bigint,
    out waiting     bigint,
    out quarantined bigint
) returns record
    language c volatile strict
    as 'MODULE_PATHNAME', 'lh_tick';
comment on function handoff.tick(timestamptz, int) is
    'Does what time asks for at p_now: decides the rows that wait in the inbox, batch leads at a time, and the leads whose clocks are due. Safe to call at any time, several times at once; stops after some 20 seconds and goes on with the next call. Returns keys taken from the inbox, leads decided, leads decided because a clock was due, keys left since lead or table was busy, rows put into quarantine. Does nothing, and says so, while lead_handoff.enabled is off. Errors: LH031 (this is a copy: see handoff.adopt_instance()), 25000 (isolation level above read committed), 22008 (p_now not finite), LH030 (run setup()).';

create function handoff.pause(source text default null) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if pause.source is null then
        update handoff.meta set paused_at = coalesce(paused_at, clock_timestamp());
    else
        update handoff.source s set paused_at = coalesce(s.paused_at, clock_timestamp()) where s.name = handoff.known_source(pause.source);
    end if;
end
$$;
comment on function handoff.pause(text) is 'Stops decisions, of the leads of one source or of all; changes are still captured and wait in the inbox. Error LH020: no such source.';

create function handoff.resume(source text default null) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if resume.source is null then
        update handoff.meta set paused_at = null;
    else
        update handoff.source s set paused_at = null where s.name = handoff.known_source(resume.source);
    end if;
end
$$;
comment on function handoff.resume(text) is 'Lets decisions go on after handoff.pause() with the same argument; the next tick takes what has waited. Error LH020: no such source.';

create function handoff.view_time() returns timestamptz
    language sql stable parallel safe
    set search_path = pg_catalog, pg_temp
return coalesce(nullif(current_setting('lead_handoff.view_time', true), '')::timestamptz, statement_timestamp());
comment on function handoff.view_time() is
    'The moment that views take for now: the setting lead_handoff.view_time, else the statement''s time.';

create function handoff.explain(lead_key text, as_of timestamptz default null)
    returns table (step text, name text, criteria text, result boolean, points bigint, note text)
    language c volatile
    as 'MODULE_PATHNAME', 'lh_explain';
comment on function handoff.explain(text, timestamptz) is
    'Every rule that a decision about a lead looks at, in the order of the decision: what it asks, whether it holds (NULL: unknown), its points; the fields it is asked of; what each activity gave, cut off by which limit, and what is left of it. as_of NULL: under the contract in force (where a challenger runs, step version says which of the two, and why), with what is known now, at handoff.view_time(). Else as the decisions up to then had it: version, fields, stage and handoffs from the log, activities that they knew (with the content they have now). It decides nothing. Errors: LH040 (no such lead, or not yet at as_of), LH012 (no contract in force), 22004 (lead_key is null).';

create function handoff.matches(criteria handoff.criteria, fields jsonb, version int, at timestamptz default now())
    returns boolean
    language c stable strict
    as 'MODULE_PATHNAME', 'lh_matches_jsonb';
comment on function handoff.matches(handoff.criteria, jsonb, int, timestamptz) is
    'Does a criteria hold for lead fields given as JSON, with the types that a contract declares, at a moment? NULL: unknown. now() and days count in the contract''s reporting zone. Errors: LH002 (unknown field), LH003 (type), LH012 (no such contract).';

create function handoff.purge_activities(older_than timestamptz, qty int default 10000, p_now timestamptz default clock_timestamp())
    returns bigint
    language c volatile strict
    as 'MODULE_PATHNAME', 'lh_purge_activities';
comment on function handoff.purge_activities(timestamptz, int, timestamptz) is
    'Deletes activities dated up to older_than that no signal, open handoff or booking needs any more, and keeps in handoff.intent_checkpoint what they gave: intent goes on as if they were there. Of at most qty leads; leads that somebody else holds are left for the next call. What is gone can''t be folded under another version''s rules: groups of the same name go on with their points. Returns how many went. Errors: 22008 (not finite), 22023 (qty).';

create function handoff.history(lead_key text)
    returns table (seq bigint, at timestamptz, type text, what text, detail jsonb)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select e.seq, e.at, e.type,
           case e.type
               when 'created' then format('seen in %s, begins as %s', e.detail ->> 'source', e.detail ->> 'stage')
               when 'fields' then (
                   select string_agg(format('%s: %s -> %s', n.key, coalesce(e.detail -> 'old' ->> n.key, 'nothing'),
                                            coalesce(n.value, 'nothing')), '; ' order by n.key)
                   from jsonb_each_text(e.detail -> 'new') n)
               when 'account' then case when e.detail ? 'to'
                   then concat_ws(', ', format('belongs to account %s, by %s', e.detail ->> 'to', concat_ws(' ', e.detail ->> 'method', e.detail ->> 'by')),
                                  case when (e.detail ->> 'found')::int > 1 then format('%s of %s', e.detail ->> 'why', e.detail ->> 'found') end)
                   else format('belongs to account %s no more', e.detail ->> 'from') end
               when 'scored' then format('score %s (fit %s, intent %s), band %s', e.detail ->> 'score', e.detail ->> 'fit',
                                         e.detail ->> 'intent', coalesce(e.detail ->> 'band', 'none'))
               when 'stage' then format('%s -> %s on %s%s', e.detail ->> 'from', e.detail ->> 'to', e.detail ->> 'event',
                                        coalesce(', passing ' || e.leg, ''))
               when 'reset' then 'intent begins anew'
               when 'gated' then format('held before %s: %s%s', coalesce(e.detail ->> 'leg', 'its way back'), e.detail ->> 'code',
                                        coalesce(' of lead ' || (e.detail ->> 'lead') || ', whose handoff ' || (e.detail ->> 'of_handoff') || ' is open', ''))
               when 'joined' then format('joins handoff %s of lead %s, the same person', e.detail ->> 'of_handoff', e.detail ->> 'lead')
               when 'collision' then format('the same person as lead %s, whose handoff %s %s: %s', e.detail ->> 'lead', e.detail ->> 'of_handoff',
                                            coalesce(e.detail ->> 'of_rep' || ' has or had', 'nobody has'), e.detail ->> 'action')
               when 'reengaged' then format('%s a sign of life%s', coalesce('lead ' || (e.detail ->> 'lead') || ', the same person, gives', 'gives'),
                                            coalesce(': ' || nullif((select string_agg(s, ', ') from jsonb_array_elements_text(e.detail -> 'signals') s), ''), ''))
               when 'released' then format('no longer held: %s', e.detail ->> 'code')
               when 'blocked' then format('lacks %s', (select string_agg(f, ', ') from jsonb_array_elements_text(e.detail -> 'fields') f))
               when 'unblocked' then 'nothing is lacking any more'
               when 'handoff' then format('handoff %s by %s, triggered by %s', e.detail ->> 'handoff', e.detail -> 'set' ->> 'origin',
                                          e.detail -> 'set' ->> 'trigger')
               when 'assigned' then format('to %s%s%s', e.detail -> 'set' ->> 'rep', ', route ' || (e.detail -> 'set' ->> 'route'),
                                           ' from pool ' || (e.detail -> 'set' ->> 'pool'))
               when 'unassigned' then format('nobody can take it: %s', e.detail -> 'set' ->> 'unassigned_reason')
               when 'accepted' then format('accepted: %s', e.detail -> 'set' ->> 'accepted_how')
               when 'qualified' then concat_ws(': ', 'qualified for the next leg', e.detail ->> 'note')
               when 'overridden' then format('%s in spite of %s %s', e.detail ->> 'code', rtrim(e.detail ->> 'wanted', '.') || ':', e.detail -> 'set' ->> 'override_reason')
               when 'rerouted' then concat_ws(': ', format('%s gives it away, %s', e.detail ->> 'rep', e.detail ->> 'code'), e.detail ->> 'note')
               when 'taken_away' then concat_ws(': ', format('taken from %s, %s', e.detail ->> 'rep', e.detail ->> 'why'), e.detail ->> 'note')
               when 'escalated' then concat_ws(', ', format('step %s of SLA %s: %s', e.detail ->> 'step', e.detail ->> 'sla',
                                                            concat_ws(' ', e.detail ->> 'action', e.detail ->> 'recipient')),
                                               case when e.detail ? 'sync_late' then 'without word from the sources' end)
               when 'closed' then concat_ws(': ', format('handoff %s ended, %s', e.detail ->> 'handoff', e.detail -> 'set' ->> 'outcome'),
                                            e.detail -> 'set' ->> 'code', e.detail -> 'set' ->> 'note')
               when 'recycled' then format('comes back %s, path %s', coalesce(e.detail -> 'set' ->> 'recycle_due_at', 'with a signal'),
                                           e.detail ->> 'path')
               when 'undisposed' then concat_ws(': ', format('%s %s is taken back, handoff %s is open again', e.detail ->> 'outcome', e.detail ->> 'code',
                                                              e.detail ->> 'handoff'), e.detail ->> 'note')
               when 'reopened' then format('handoff %s is open again', e.detail ->> 'handoff')
               when 'worked' then (
                   select string_agg(format('%s = %s', s.key, coalesce(s.value, 'nothing')), ', ' order by s.key)
                   from jsonb_each_text(e.detail -> 'set') s)
               when 'verdict' then concat_ws(', ', format('SLA %s %s', e.detail ->> 'sla', coalesce(e.detail ->> 'verdict', 'runs again')),
                                             'not ' || (e.detail ->> 'was') || ' as thought before')
               when 'paused' then format('SLA %s stands still', e.detail ->> 'sla')
               when 'resumed' then format('SLA %s runs on', e.detail ->> 'sla')
               when 'violation' then format('%s was set in the CRM against rule %s, %s', e.detail ->> 'status', e.detail ->> 'rule',
                                            case when e.detail ->> 'taken' = 'true' then 'and taken' when e.detail ->> 'action' = 'hold' then 'and held' else 'and not taken' end)
               when 'settled' then 'the status is settled, its clocks run on'
               when 'forgotten' then 'its person was forgotten'
               when 'contract' then format('contract %s instead of %s', e.detail ->> 'to', e.detail ->> 'from')
               else e.type
           end,
           e.detail
    from handoff.event e
    where e.lead_key = $1
    order by e.seq
$$;
comment on function handoff.history(text) is
    'What happened to a lead, in order, in words; detail is the event as logged.';

revoke all on function handoff.tick(timestamptz, int) from public;
revoke all on function handoff.pause(text) from public;
revoke all on function handoff.resume(text) from public;
revoke all on function handoff.view_time() from public;
revoke all on function handoff.explain(text, timestamptz) from public;
revoke all on function handoff.matches(handoff.criteria, jsonb, int, timestamptz) from public;
revoke all on function handoff.purge_activities(timestamptz, int, timestamptz) from public;
revoke all on function handoff.history(text) from public;
