-- sql/extension/37-mermaid.sql: a contract's journey as a picture, in the language of Mermaid.
--
-- Stages are boxes, in the colour of the side that owns the lead there; moves that the contract allows are
-- arrows, thick where a leg is passed; moves that it doesn't allow and that were made all the same (by hand,
-- by the CRM, under another version) are dotted. Names are labels only, through mermaid_text()
-- (src/mermaid.c): boxes are called s1, s2 .. in the order of the journey, so that no name can be taken for
-- a word of the language.

create function handoff.mermaid_text(string text) returns text
    language c immutable strict parallel safe
    as 'MODULE_PATHNAME', 'lh_sql_mermaid_text';
comment on function handoff.mermaid_text(text) is
    'A text as it must stand in a label of a Mermaid diagram to be seen as it is: letters, digits and a few harmless signs, all else as #number;. Line ends become blanks.';

create function handoff.short_text(string text, length int default 60) returns text
    language sql immutable strict parallel safe
    set search_path = pg_catalog, pg_temp
return case when length($1) > $2 then left($1, $2 - 2) || '..' else $1 end;
comment on function handoff.short_text(text, int) is 'A text, its end cut off where it is longer than so many characters. Internal to journey_mermaid().';

create function handoff.rounded_span_words(seconds numeric) returns text
    language sql immutable strict parallel safe
    set search_path = pg_catalog, pg_temp
return case
    when $1 < 100 then handoff.span_words(make_interval(secs => round($1)::double precision))
    when $1 < 6000 then handoff.span_words(make_interval(mins => round($1 / 60)::int))
    when $1 < 360000 then trim_scale(round($1 / 3600, 1)) || ' hours'
    else trim_scale(round($1 / 86400, 1)) || ' days'
end;
comment on function handoff.rounded_span_words(numeric) is 'Seconds of elapsed time in English words, to about two digits; a day is 24 hours. Internal to journey_mermaid().';

create function handoff.share_words(num bigint, den bigint) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
return case when $2 > 0 then format('%s %% (%s of %s)', round(100.0 * $1 / $2, 1), $1, $2) end;
comment on function handoff.share_words(bigint, bigint) is 'A share in percent with what it was counted from; NULL of nothing. Internal to journey_mermaid().';

create function handoff.journey_ways(version int)
    returns table (from_stage text, to_stage text, ord int, leg text, words text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select t.from_stage, t.to_stage, t.ord, t.leg,
           t.event || coalesce(' after ' || handoff.span_words(s.max_age), '') || coalesce(' if ' || handoff.short_text(t.guard::text), '')
    from handoff.transition t
    left join handoff.stage s on (s.contract_id, s.name, s.max_age_to) = (t.contract_id, t.from_stage, t.to_stage) and t.event = 'due'
    where t.contract_id = $1
    union all
    select s.name, s.max_age_to, null, null, 'after ' || handoff.span_words(s.max_age)
    from handoff.stage s
    where s.contract_id = $1 and s.max_age_to is not null and not exists (
        select from handoff.transition t
        where (t.contract_id, t.from_stage, t.to_stage, t.event) = (s.contract_id, s.name, s.max_age_to, 'due'))
    union all
    -- from where it rests, and from where sales would give it back once more
    select distinct t.to_stage, p.to_stage, null::int, null, 'recycle path'
    from handoff.transition t
    join handoff.recycle_path p on p.contract_id = t.contract_id
    where t.contract_id = $1 and t.event = 'recycled' and not exists (
        select from handoff.transition b
        where (b.contract_id, b.from_stage, b.to_stage) = (t.contract_id, t.to_stage, p.to_stage))
    union all
    select distinct t.from_stage, p.exhausted_to, null::int, null, 'recycled too often'
    from handoff.transition t
    join handoff.recycle_path p on p.contract_id = t.contract_id
    where t.contract_id = $1 and t.event = 'recycled' and p.exhausted_to is not null
$$;
comment on function handoff.journey_ways(int) is
    'Every way from one stage to another that a version provides for: transitions, longest stays, recycle paths. Internal to journey_mermaid().';

create function handoff.journey_moves(version int)
    returns table (from_stage text, to_stage text, moves bigint)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select s.stage, s.next_stage, count(*)
    from (select h.stage, lead(h.stage) over (partition by h.lead_key order by h.seq) as next_stage
          from handoff.stage_history h
          join handoff.lead l on l.lead_key = h.lead_key
          join handoff.contract v on v.contract_id = l.contract_id
          where not h.undone and v.name = (select c.name from handoff.contract c where c.contract_id = $1)) s
    where s.next_stage <> s.stage
    group by 1, 2
$$;
comment on function handoff.journey_moves(int) is
    'How often leads of a contract, whatever its version, went from one stage to the next, ever; what was taken back left out. Internal to journey_mermaid().';

create function handoff.journey_acceptance(version int)
    returns table (leg text, handed bigint, accepted bigint, decided bigint)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select f.leg, count(*), count(*) filter (where f.accepted), count(*) filter (where f.accepted or f.rejected)
    from handoff.fact_handoff f
    join handoff.contract v on v.contract_id = f.contract_id
    where f.counted and v.name = (select c.name from handoff.contract c where c.contract_id = $1)
    group by f.leg
$$;
comment on function handoff.journey_acceptance(int) is
    'Handoffs of a contract, whatever its version, by leg, as KPIs count them. Internal to journey_mermaid().';

create function handoff.journey_mermaid(version int default null) returns text
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    chosen constant int := handoff.chosen_version(version);
    lines  text[];
begin
    with stage as (
        select s.*, row_number() over (order by s.position) as n from handoff.stage s where s.contract_id = chosen
    ), there as (
        select l.stage, count(*) as leads
        from handoff.lead l
        join handoff.contract v on v.contract_id = l.contract_id
        where l.deleted_at is null and v.name = (select c.name from handoff.contract c where c.contract_id = chosen)
        group by 1
    ), stay as (
        select h.stage, count(*) as entered,
               ceil((handoff.kaplan_meier(greatest(date_part('epoch', coalesce(h.left_at, d.deleted_at, handoff.view_time()) - h.entered_at), 0),
                                          h.left_at is not null, '{0.5}'))[1])::numeric as median
        from handoff.stage_history h
        join handoff.contract v on v.contract_id = h.contract_id
        left join handoff.lead d on d.lead_key = h.lead_key and d.deleted_at is not null and h.left_at is null
        where not h.undone and v.name = (select c.name from handoff.contract c where c.contract_id = chosen)
        group by 1
    ), way as (
        select w.from_stage, w.to_stage, min(w.ord) as ord,
               string_agg(handoff.mermaid_text(w.words), '<br>' order by w.ord, w.words collate "C") as words,
               array_agg(distinct w.leg) filter (where w.leg is not null) as legs
        from handoff.journey_ways(chosen) w
        group by 1, 2
    ), arrow as (
        select f.n as f, t.n as t, w.ord, w.words, w.legs, coalesce(m.moves, 0) as moves, coalesce(e.entered, 0) as entered
        from (select from_stage, to_stage from way union select from_stage, to_stage from handoff.journey_moves(chosen)) k
        join stage f on f.name = k.from_stage
        join stage t on t.name = k.to_stage
        left join way w using (from_stage, to_stage)
        left join handoff.journey_moves(chosen) m using (from_stage, to_stage)
        left join stay e on e.stage = f.name
    )
    select array['flowchart TD']
        || array(select format('    s%s%s%s%s:::%s', s.n, case when s.is_default or s.is_terminal then '(["' else '["' end,
                        concat_ws('<br>',
                            handoff.mermaid_text(s.name),
                            'owner ' || case s.owner when 'none' then 'nobody' else s.owner end,
                            'to enter ' || handoff.mermaid_text(handoff.short_text(s.entry::text)),
                            'must have ' || handoff.mermaid_text(handoff.short_text(array_to_string(nullif(s.required, '{}'), ', '))),
                            format('%s here, %s entered', coalesce(h.leads, 0), coalesce(e.entered, 0)),
                            'median stay ' || handoff.mermaid_text(handoff.rounded_span_words(e.median))),
                        case when s.is_default or s.is_terminal then '"])' else '"]' end, s.owner)
                 from stage s left join there h on h.stage = s.name left join stay e on e.stage = s.name
                 order by s.n)
        || array(select format('    s%s %s|"%s"| s%s', a.f, case when a.words is null then '-.->' when a.legs is not null then '==>' else '-->' end,
                        concat_ws('<br>',
                            (select string_agg(format('handoff %s, %s to %s', handoff.mermaid_text(g.name), handoff.mermaid_text(g.owner_from),
                                                      handoff.mermaid_text(g.owner_to))
                                                || coalesce(format('<br>%s handed over, accepted ', k.handed) || handoff.share_words(k.accepted, k.decided) || ' decided', ''),
                                               '<br>' order by g.ord)
                             from handoff.leg g left join handoff.journey_acceptance(chosen) k on k.leg = g.name
                             where g.contract_id = chosen and g.name = any (a.legs)),
                            coalesce(a.words, 'not in the contract'),
                            handoff.share_words(a.moves, a.entered)), a.t)
                 from arrow a
                 order by a.f, a.ord nulls last, a.t)
        || array['    classDef marketing fill:#dbeafe,stroke:#1d4ed8,color:#111827',
                 '    classDef sales fill:#dcfce7,stroke:#15803d,color:#111827',
                 '    classDef none fill:#f3f4f6,stroke:#6b7280,color:#111827']
    into lines;
    return array_to_string(lines, E'\n') || E'\n';
end
$$;
comment on function handoff.journey_mermaid(int) is
    'The journey of a contract as the text of a Mermaid flowchart: stages with owner, entry criteria, leads there, stays begun and their median (as in view journey); arrows for the ways the version provides for, thick where a leg is passed, each with the share of stays in the first stage that went that way next; dotted arrows for moves that were made without it. Counts are of all leads of the contract, whatever their version. Without a version: the draft, if there is exactly one, else the version in force. No personal data. Error LH012: no such version.';

revoke all on function handoff.mermaid_text(text) from public;
revoke all on function handoff.short_text(text, int) from public;
revoke all on function handoff.rounded_span_words(numeric) from public;
revoke all on function handoff.share_words(bigint, bigint) from public;
revoke all on function handoff.journey_ways(int) from public;
revoke all on function handoff.journey_moves(int) from public;
revoke all on function handoff.journey_acceptance(int) from public;
revoke all on function handoff.journey_mermaid(int) from public;
