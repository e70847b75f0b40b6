-- journey_mermaid(): by a strict reader of the few forms of Mermaid that it uses, whatever people call things; and its numbers,
-- counted lead by lead.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
end $$;

-- The reader ----------------------------------------------------------------------------------------

create function pg_temp.decode_label(label text) returns text language plpgsql as $$
declare
    n text;
begin
    for n in select distinct m[1] from regexp_matches(label, '#([0-9]+);', 'g') m where m[1] <> '35' loop
        label := replace(label, '#' || n || ';', chr(n::int));
    end loop;
    return replace(label, '#35;', '#');
end $$;
-- every line is one of these, whole; anything else stops the test
create function pg_temp.read_picture(picture text) returns table (n int, kind text, f int, t int, shape text, owner text, label text) language plpgsql as $$
declare
    line text;
    m    text[];
    text_re constant text := '((?:[A-Za-z0-9_,()=''% .-]|<br>|#[0-9]+;|[^\x01-\x7f\x80-\x9f\u2028\u2029])*)';
begin
    n := 0;
    for line in select l from regexp_split_to_table(picture, E'\n') l loop
        n := n + 1;
        if n = 1 and line = 'flowchart TD' then continue; end if;
        if line ~ '^    classDef (marketing|sales|none) fill:#[0-9a-f]{6},stroke:#[0-9a-f]{6},color:#[0-9a-f]{6}$' or line = '' then continue; end if;
        m := regexp_match(line, '^    s([0-9]+)(\(\[|\[)"' || text_re || '"(\]\)|\]):::(marketing|sales|none)$');
        if m is not null and (m[2], m[4]) in (('[', ']'), ('([', '])')) then
            return query select read_picture.n, 'box', m[1]::int, null::int, m[2], m[5], pg_temp.decode_label(m[3]);
            continue;
        end if;
        m := regexp_match(line, '^    s([0-9]+) (-->|==>|-\.->)\|"' || text_re || '"\| s([0-9]+)$');
        if m is null then raise exception 'line % is none of Mermaid: %', n, line; end if;
        return query select read_picture.n, 'arrow', m[1]::int, m[4]::int, m[2], null::text, pg_temp.decode_label(m[3]);
    end loop;
end $$;
select throws_ok($$ select * from pg_temp.read_picture(E'flowchart TD\n    s1["a"b"]:::none\n') $$, 'P0001', null, 'the reader is strict');

-- Hostile names -------------------------------------------------------------------------------------

create temp table hostile as
select name, (row_number() over ())::int as k
from unnest(array['a"b', '"]', '"]:::x', '|', '"| s1', '-->', '%% x', '%%{init: {"theme":"x"}}%%', 'end', 'subgraph', 'style x:#y;', 'classDef x:#34;', '#quot;', '#35;', '&lt;&quot;',
    '<script>alert(1)</script>', '`x`', '- x', '1. x', E'two\nlines', E'cr\r\n  s1 --> s2', 'click s1 href "javascript:alert(1)"', ';', '{a}', '[b]', '(c)', '\', '''', 'Grüße, 你好',
    U&'\2028x', U&'\FB02\00B0\00B0\00B6\00DF', '---', 'title: x', 'fa:fa-ban', '$$x$$', '***', '~~~', '@{ shape: x }']) name;
create function pg_temp.seen(name text) returns text language sql as $$ select btrim(regexp_replace(name, '[\x01-\x20\x7f]+', ' ', 'g')) $$;
create function pg_temp.rename_stage(version int, old text, new text) returns void language sql as $$
    update handoff.stage set max_age_to = new where contract_id = version and max_age_to = old;
    update handoff.stage set name = new where contract_id = version and name = old;
    update handoff.transition set from_stage = new where contract_id = version and from_stage = old;
    update handoff.transition set to_stage = new where contract_id = version and to_stage = old;
    update handoff.recycle_path set to_stage = new where contract_id = version and to_stage = old;
    update handoff.recycle_path set exhausted_to = new where contract_id = version and exhausted_to = old;
$$;
-- in each version ten stages have ten of the names, a leg and a guard have one more
create temp table renamed as
select handoff.draft(1) as version, r.round from generate_series(0, 3) r (round);
create temp table called as
select r.version, s.n::int, h.name || ' ' || s.n as name
from renamed r
cross join generate_series(1, 11) s (n)
join hostile h on h.k = 1 + (s.n + 10 * r.round) % (select count(*) from hostile);
select pg_temp.rename_stage(c.version, s.name, c.name)
from called c join (select name, row_number() over (order by position) as n from handoff.stage where contract_id = 1) s on s.n = c.n;
update handoff.transition t set leg = c.name from called c where c.version = t.contract_id and t.leg = 'mql_to_sdr' and c.n = 11;
update handoff.leg l set name = c.name, owner_from = c.name from called c where c.version = l.contract_id and l.name = 'mql_to_sdr' and c.n = 11;
update handoff.transition t set guard = format('lead_source = %L', c.name)::handoff.criteria from called c where c.version = t.contract_id and t.ord = 30 and c.n = 11;

create temp table read_back as
select v.version, p.* from (select 1 as version union all select version from renamed) v, pg_temp.read_picture(handoff.journey_mermaid(v.version)) p;
select is_empty($$ select version, kind, f, t, shape, owner from read_back where version > 1
                   except select r.version, b.kind, b.f, b.t, b.shape, b.owner from renamed r, read_back b where b.version = 1 $$, 'whatever things are called, the boxes and arrows are the same');
select results_eq('select version, count(*) from read_back group by 1 order by 1', 'select v.id, b.n from (select 1 as id union all select version from renamed) v,
                   (select count(*) as n from read_back where version = 1) b order by 1', 'as many of them');
select set_eq($$ select b.version, b.f, split_part(b.label, '<br>', 1) from read_back b where b.kind = 'box' and b.version > 1 $$,
              $$ select version, n, pg_temp.seen(name) from called where n <= 10 $$, 'a box says the name of its stage, letter by letter');
select set_eq($$ select b.version, split_part(b.label, '<br>', 1) from read_back b where b.kind = 'arrow' and b.f = 1 and b.t = 2 and b.version > 1 $$,
              $$ select version, format('handoff %1$s, %1$s to sdr', pg_temp.seen(name)) from called where n = 11 $$, 'an arrow that of its leg');
select set_eq($$ select b.version, b.label from read_back b where b.kind = 'arrow' and b.f = 2 and b.t = 3 and b.version > 1 $$,
              $$ select version, pg_temp.seen(format('accepted if lead_source = %L', name)) from called where n = 11 and name !~ E'[\\\\\r\n]'
                 union all select version, pg_temp.seen('accepted if ' || t.guard::text) from called c join handoff.transition t on t.contract_id = c.version and t.ord = 30 where n = 11 and name ~ E'[\\\\\r\n]' $$,
              'and what it is on condition of');

-- Numbers -------------------------------------------------------------------------------------------

create function pg_temp.u(i int, k int) returns float8 language sql immutable as $$ select (hashint8extended(i, k) & 1048575) / 1048576.0::float8 $$;
-- 200 leads go from stage to stage, now and then where no transition leads; some are deleted, some moves taken back
do $$
declare
    names constant text[] := '{lead,mql,sal,sql,opportunity,customer,recycled,nurture,disqualified,lost}';
    at    timestamptz;
    place text;
    stays int;
begin
    for i in 1 .. 200 loop
        at := timestamptz '2026-01-01 00:00+00' + pg_temp.u(i, 1) * interval '30 days';
        stays := 1 + (pg_temp.u(i, 2) * 6)::int;
        place := 'lead';
        insert into handoff.lead (lead_key, source, raw_key, contract_id, stage, stage_since, fields, fit, intent, group_heat, score, signals,
                                  cycle, cycle_since, trigger, trigger_at, first_seen_at, decided_at, deleted_at, last_seq)
        values ('L' || i, 'crm', 'L' || i, 1, place, at, '{}', 0, '0', '{}', 0, '{}', 1, at, 'row', at, at, at, case when i % 11 = 0 then at end, 1);
        for k in 1 .. stays loop
            insert into handoff.stage_history
            select * from jsonb_populate_record(null::handoff.stage_history, jsonb_build_object('lead_key', 'L' || i, 'seq', k, 'stage', place, 'owner', 'none', 'contract_id', 1, 'month', date '2026-01-01',
                'entered_at', at, 'left_at', case when k < stays then at + pg_temp.u(i, 20 + k) * interval '20 days' end, 'consistent', true, 'undone', k > 1 and pg_temp.u(i, 40 + k) < 0.1));
            update handoff.lead set stage = place where lead_key = 'L' || i;
            at := at + interval '20 days';
            place := names[1 + floor(pg_temp.u(i, 60 + k) * 10)::int];
        end loop;
    end loop;
end $$;
select handoff.publish(1);
create temp table read_now as select * from pg_temp.read_picture(handoff.journey_mermaid(1));
create temp table stage as select name, (row_number() over (order by position))::int as n from handoff.stage where contract_id = 1;
select results_eq($$ select f, substring(label from '[0-9]+ here, [0-9]+ entered') from read_now where kind = 'box' order by f $$, $$
    select s.n, format('%s here, %s entered', j.leads, j.entered) from handoff.journey j join stage s on s.name = j.stage order by 1 $$, 'boxes: the numbers of view journey');
select results_eq($$ select f, substring(label from 'median stay (.*)$') from read_now where kind = 'box' order by f $$, $$
    select s.n, trim_scale(round(j.median_stay_seconds / 86400, 1)) || ' days' from handoff.journey j join stage s on s.name = j.stage order by 1 $$, 'and medians');
-- walked lead by lead
create temp table walked (f text, t text);
do $$
declare
    stay record;
    last text;
    who  text;
begin
    for stay in select * from handoff.stage_history where not undone order by lead_key, seq loop
        if stay.lead_key = who and stay.stage <> last then insert into walked values (last, stay.stage); end if;
        who := stay.lead_key;
        last := stay.stage;
    end loop;
end $$;
select set_eq($$ select f, t, substring(label from '[0-9.]+ % \([0-9]+ of [0-9]+\)$') from read_now where kind = 'arrow' and label !~ '\(0 of' $$, $$
    select a.n as f, b.n as t, format('%s %% (%s of %s)', round(100.0 * count(*) / e.entered, 1), count(*), e.entered) as share
    from walked w join stage a on a.name = w.f join stage b on b.name = w.t
    join (select stage, count(*) as entered from handoff.stage_history where not undone group by 1) e on e.stage = w.f
    group by a.n, b.n, e.entered $$, 'arrows: moves counted lead by lead');
select set_eq($$ select f, t from read_now where shape = '-.->' $$, $$
    select a.n as f, b.n as t from (select distinct f, t from walked) w join stage a on a.name = w.f join stage b on b.name = w.t
    where not exists (select from handoff.transition x where x.contract_id = 1 and (x.from_stage, x.to_stage) = (w.f, w.t))
      and not (w.f in ('mql', 'sal', 'sql') and w.t = 'nurture') $$, 'dotted are those that the contract does not provide for');
select cmp_ok((select count(*) from read_now where shape = '-.->'), '>', 10::bigint, 'several');
select is((select count(*) from read_now where shape = '==>'), 2::bigint, 'thick are the legs');

select * from finish();
rollback;
