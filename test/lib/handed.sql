-- test/lib/handed.sql: a handoff of made-up lead number i; whatever is not said is plain.

-- its month, as whoever hands over would say it
create function pg_temp.month_of(handed_at timestamptz, contract int) returns text language sql as $$
    select to_char(handed_at at time zone c.reporting_zone, 'YYYY-MM-"01"') from handoff.contract c where c.contract_id = contract
$$;
create function pg_temp.hand(i int, leg text, more jsonb) returns void language sql as $$
    insert into handoff.handoff
    select r.*
    from jsonb_populate_record(null::handoff.handoff, jsonb_build_object(
        'lead_key', 'L' || i, 'handoff_no', 1, 'cycle', 1, 'leg', leg, 'contract_id', 1, 'origin', 'contract', 'stage_from', 'lead',
        'fit', 0, 'intent', 0, 'score', 0, 'trigger', 'activity', 'trigger_at', more ->> 'handed_at', 'incomplete', false,
        'assignments', 0, 'hops', 0, 'touches', 0, 'contacts', 0, 'channels', '[]'::jsonb, 'no_show', false, 'joined_activities', 0, 'undone', 0,
        'by_last_route', false, 'reroutes', 0,
        'month', pg_temp.month_of((more ->> 'handed_at')::timestamptz, coalesce((more ->> 'contract_id')::int, 1))) || more) r
$$;
