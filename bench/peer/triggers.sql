-- bench/peer/triggers.sql: the contract of bench/lib.sql as PL/pgSQL row triggers, the way such things are
-- written by hand, well: results of one row are computed in local variables and each table is written once.
--
-- peer_fixed has the hundred rules in its text: one CASE a rule, no loop, no dynamic SQL; whoever changes a
-- rule changes the function. peer_data reads the rules from a table, so that marketing can change them, and
-- must EXECUTE each condition. Both write the lead, its events, its stays and its clock into tables shaped
-- as ours. They are spared derived fields, intent, time-dependent rules, routing and the outbox.

create table bench.peer_lead (
    lead_key text primary key, source text not null, raw_key text not null, person_key text, contract_id int not null,
    stage text not null, stage_since timestamptz not null, fields jsonb not null, fit bigint not null, score bigint not null,
    band text, trigger_at timestamptz not null, version timestamptz, blocked_fields text[], gate_code text,
    first_seen_at timestamptz not null, decided_at timestamptz not null, last_seq bigint not null
) with (fillfactor = 80);
create index on bench.peer_lead (source, raw_key);
create index on bench.peer_lead (stage);
create table bench.peer_event (
    lead_key text not null, seq bigint not null, at timestamptz not null, recorded_at timestamptz not null, type text not null,
    contract_id int not null, cycle int not null, leg text, actor text not null, detail jsonb not null, primary key (lead_key, seq)
);
create table bench.peer_stage_history (
    lead_key text not null, seq bigint not null, stage text not null, owner text not null, entered_at timestamptz not null,
    left_at timestamptz, consistent boolean not null, primary key (lead_key, seq)
);
create index on bench.peer_stage_history (stage, entered_at);
create table bench.peer_clock (
    lead_key text not null, kind text not null, name text not null, started_at timestamptz not null, due_at timestamptz not null,
    next_at timestamptz, primary key (lead_key, kind, name)
);
create index on bench.peer_clock (next_at) where next_at is not null;
create table bench.peer_rule as select * from bench.rules();

-- What follows the score: band, gates, required fields, stage, and the rows.
create function bench.peer_decide(new_key text, fields jsonb, version timestamptz, groups bigint[], hits jsonb)
    returns void language plpgsql as $$
declare
    moment timestamptz := clock_timestamp();
    fit    bigint := least(100, greatest(-50, least(60, greatest(-30, groups[1])) + least(40, greatest(-20, groups[2]))
                                              + least(40, greatest(-20, groups[3]))));
    band   text := case when fit >= 41 then 'A' when fit >= 30 then 'B' when fit >= 0 then 'C' end;
    stage  text := 'lead';
    gate   text;
    blocked text[];
    seq    bigint := 2;
    email   text := fields ->> 'email';
    company text := fields ->> 'company';
begin
    insert into bench.peer_event values
        (new_key, 1, moment, moment, 'created', 1, 1, null, 'source',
         jsonb_build_object('source', 'bench.peer', 'raw_key', new_key, 'stage', 'lead', 'new', fields)),
        (new_key, 2, moment, moment, 'scored', 1, 1, null, 'contract',
         jsonb_build_object('fit', fit, 'intent', 0, 'heat', '0', 'score', fit, 'band', band, 'signals', '[]'::jsonb,
                            'rules', hits, 'groups', '{}'::jsonb));
    if band = 'A' then
        gate := case when (fields ->> 'opted_out')::boolean then 'opt_out' when (fields ->> 'is_test')::boolean then 'test_or_staff'
                     when (fields ->> 'is_competitor')::boolean then 'competitor' when fields ->> 'status' in ('On Hold', 'Legal Hold') then 'on_hold' end;
        blocked := array_remove(array[
            case when email is null or email not like '%_@_%._%' then 'email' end,
            case when company is null or company in ('-', '.', 'n/a', 'N/A', 'none', 'None', 'test', 'Test', 'unknown', 'Unknown') then 'company' end], null);
        stage := case when gate = 'competitor' then 'disqualified' when gate is null and blocked = '{}' then 'mql' else 'lead' end;
        seq := 3;
        if stage <> 'lead' then
            insert into bench.peer_event values (new_key, 3, moment, moment, 'stage', 1, 1, 'mql_to_sdr', 'contract',
                jsonb_build_object('from', 'lead', 'to', stage, 'event', 'scored'));
        else
            insert into bench.peer_event values (new_key, 3, moment, moment, case when gate is null then 'blocked' else 'gated' end,
                1, 1, 'mql_to_sdr', 'contract', jsonb_build_object('leg', 'mql_to_sdr', 'code', gate));
        end if;
    end if;
    insert into bench.peer_stage_history (lead_key, seq, stage, owner, entered_at, left_at, consistent)
    values (new_key, 1, 'lead', 'marketing', moment, case when stage <> 'lead' then moment end, true);
    if stage <> 'lead' then
        insert into bench.peer_stage_history (lead_key, seq, stage, owner, entered_at, consistent)
        values (new_key, 3, stage, 'sales', moment, true);
    end if;
    if stage = 'mql' then
        insert into bench.peer_clock (lead_key, kind, name, started_at, due_at, next_at)
        values (new_key, 'stage_age', 'mql', moment, moment + interval '14 days', moment + interval '14 days');
    end if;
    insert into bench.peer_lead (lead_key, source, raw_key, person_key, contract_id, stage, stage_since, fields, fit, score, band,
                                 trigger_at, version, blocked_fields, gate_code, first_seen_at, decided_at, last_seq)
    values (new_key, 'bench.peer', new_key, lower(btrim(email)), 1, stage, moment, fields, fit, fit, band,
            version, version, nullif(blocked, '{}'), gate, moment, moment, seq);
end
$$;

-- The same columns as are mapped for us, as one jsonb; and the trigger around the part that differs.
create function bench.peer_trigger(scoring text) returns text language sql stable
return format($f$
declare
    points int[];
    groups bigint[];
    hits   jsonb;
    hit    boolean;
    rule   record;
begin
    %s
    select array[coalesce(sum(p) filter (where r.score_group = 'firmographic'), 0),
                 coalesce(sum(p) filter (where r.score_group = 'role'), 0),
                 coalesce(sum(p) filter (where r.score_group = 'behaviour'), 0)],
           coalesce(jsonb_object_agg(r.name, p) filter (where p is not null), '{}')
    into groups, hits
    from unnest(%L::text[], %L::text[], points) r (name, score_group, p);
    perform bench.peer_decide(new.id, jsonb_strip_nulls(to_jsonb(new) - %L::text[]), new.system_modstamp, groups, hits);
    return null;
end
$f$, scoring,
    (select array_agg(name order by name) from bench.rules()),
    (select array_agg(score_group order by name) from bench.rules()),
    '{id,is_deleted,website,city,state,postal_code,utm_medium,note,system_modstamp}'::text[]);

call bench.make_table('peer_fixed');
call bench.make_table('peer_data');

select format('create function bench.peer_fixed() returns trigger language plpgsql as %L', bench.peer_trigger(format(
    'select array[%s] into points from (select new.*) r;',
    (select string_agg(format('case when %s then %s end', criteria, points), ', ' order by name) from bench.rules()))))
\gexec
select format('create function bench.peer_data() returns trigger language plpgsql as %L', bench.peer_trigger($$
    for rule in select * from bench.peer_rule order by name loop
        execute format('select %s from (select ($1).*) r', rule.criteria) into hit using new;
        points := points || case when hit then rule.points end;
    end loop;
$$))
\gexec
create trigger decide after insert on bench.peer_fixed for each row execute function bench.peer_fixed();
create trigger decide after insert on bench.peer_data for each row execute function bench.peer_data();
