-- explain(lead_key, as_of): what was explained at a moment is what is explained of that moment later,
-- whatever happens in between; and purging activities changes nothing that is decided.
begin;
set local client_min_messages = warning;
set local timezone = 'UTC';
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    update handoff.contract set half_life = '20 days';
    update handoff.recycle_path set reset_intent = true where name = (select min(name) from handoff.recycle_path);
    perform handoff.add_rep('ana', 'Ana', 'sdr');
    perform handoff.add_rep('ben', 'Ben', 'sdr');
    perform handoff.add_rep('abe', 'Abe', 'ae');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.publish();
end $$;

create schema crm;
create table crm.person (id text primary key, email text, title text, seniority text, employees int, country text, created_at timestamptz);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, page text, direction text, rep text);
do $$ begin
    perform handoff.attach('crm.person', 'lead', since => '-infinity');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
end $$;

-- a made-up world, one day after the other: people come and change, do things, are called and answered
create function pg_temp.chance(variadic seeds text[]) returns float8 language sql immutable as
    $$ select (hashtextextended(array_to_string(seeds, '/'), 17) & 1023)::float8 / 1024 $$;
create function pg_temp.day(n int) returns void language plpgsql as $$
declare
    today constant timestamptz := timestamptz '2026-02-01 12:00' + n * interval '1 day';
    l     record;
begin
    insert into crm.person
    select 'P' || i, 'p' || i || '@firm' || i % 7 || '.com', (array['VP Sales', 'Engineer', null, 'Head of Marketing'])[1 + i % 4],
           (array['vp', 'individual', null, 'director'])[1 + i % 4], 10 * i, (array['DE', 'US', null])[1 + i % 3], today - interval '3 hours'
    from generate_series(1, 40) i where i % 8 = n;
    update crm.person set employees = employees + n, title = case when pg_temp.chance('title', id, n::text) < 0.5 then 'CEO' else title end
    where pg_temp.chance('change', id, n::text) < 0.1;
    update crm.act set page = '/pricing', at = at - interval '2 hours' where pg_temp.chance('corrected', id, n::text) < 0.02;
    delete from crm.act where pg_temp.chance('gone', id, n::text) < 0.02;
    update crm.act set lead_key = 'P' || 1 + floor(40 * pg_temp.chance('whose', id, n::text)) where pg_temp.chance('moved', id, n::text) < 0.02;
    insert into crm.act
    select format('A%s/%s/%s', n, p.id, k), p.id, today - pg_temp.chance('at', p.id, n::text, k::text) * interval '30 hours',
           (array['form', 'page_view', 'trial', 'email_reply', 'call'])[1 + floor(5 * pg_temp.chance('kind', p.id, n::text, k::text))::int],
           (array['/demo', '/pricing', '/contact', '/pricing'])[1 + floor(4 * pg_temp.chance('page', p.id, n::text, k::text))::int], 'inbound',
           case when k = 2 then 'ana' end
    from crm.person p, generate_series(1, 2) k where pg_temp.chance('does', p.id, n::text, k::text) < 0.25;
    perform handoff.tick(today);
    for l in select h.lead_key, h.accepted_at from handoff.handoff h where h.closed_at is null and h.leg = 'mql_to_sdr' and h.rep is not null order by 1 loop
        if l.accepted_at is null and pg_temp.chance('accept', l.lead_key, n::text) < 0.5 then
            perform handoff.accept(l.lead_key, p_now => today + interval '1 hour');
        elsif l.accepted_at is not null and pg_temp.chance('recycle', l.lead_key, n::text) < 0.3 then
            perform handoff.recycle(l.lead_key, 'timing', 'later', p_now => today + interval '2 hours');
        end if;
    end loop;
    perform handoff.tick(today + interval '3 hours');
end $$;

create temp table told (at timestamptz, lead_key text, explanation text);
-- the stage a lead has come into since may have other ways out: what is compared is the score and what it stands on
create function pg_temp.explanation(lead_key text, as_of timestamptz) returns text language sql as $$
    select string_agg(concat_ws('|', e.step, e.name, e.criteria, e.result::text, e.points::text, e.note), e'\n' order by e.ord)
    from (select x.*, row_number() over () as ord from handoff.explain(lead_key, as_of) x) e
    where e.step <> 'field' or e.name <> 'days_since_recycle'
$$;
do $$ begin
    for n in 0 .. 20 loop
        perform pg_temp.day(n);
        if n % 5 = 4 then
            perform set_config('lead_handoff.view_time', (timestamptz '2026-02-01 15:00' + n * interval '1 day')::text, true);
            insert into told select timestamptz '2026-02-01 15:00' + n * interval '1 day', lead_key, pg_temp.explanation(lead_key, null) from handoff.lead;
        end if;
    end loop;
end $$;
select ok((select count(*) > 120 and count(distinct explanation) > 100 from told), 'many explanations, of many kinds');
select cmp_ok((select count(*) from handoff.event where type = 'reset'), '>', 3::bigint, 'intent was reset');
select cmp_ok((select count(*) from handoff.lead where cycle > 1), '>', 2::bigint, 'leads came back');
select cmp_ok((select count(*) from handoff.activity_past), '>', 10::bigint, 'activities were corrected, deleted, and somebody else''s');
select is_empty($$ select lead_key, at, explanation, pg_temp.explanation(lead_key, at) from told
                   where explanation is distinct from pg_temp.explanation(lead_key, at) order by at, lead_key limit 1 $$,
    'what was explained then is what is explained of then');

-- another version does not change what was
do $$ begin
    perform handoff.draft();
    update handoff.score_rule set points = points * 2 where contract_id = 2 and score_group in (select name from handoff.score_group where contract_id = 2 and kind = 'fit');
    perform handoff.publish(2);
    perform handoff.tick('2026-02-25');
end $$;
select is_empty($$ select lead_key, at from told where explanation is distinct from pg_temp.explanation(lead_key, at) limit 1 $$,
    'nor does another version');

select throws_ok($$ select * from handoff.explain('P1', '2025-01-01') $$, 'LH040', 'lead "P1" was not known yet at 2025-01-01 00:00:00+00', 'before its time');
select throws_ok($$ select * from handoff.explain('nobody', '2026-02-10') $$, 'LH040', null, 'nobody');
select throws_ok($$ select * from handoff.explain(null) $$, '22004', null, 'null');

-- what a person reads
select results_eq($$ select distinct e.step from handoff.lead l cross join lateral handoff.explain(l.lead_key) e order by 1 $$,
    $$ values ('activity'), ('band'), ('booked'), ('contact'), ('derived'), ('entry'), ('field'), ('fit'), ('fit group'), ('gate'), ('intent'),
              ('intent group'), ('marketing'), ('meeting_held'), ('no_show'), ('required'), ('route'), ('score'), ('signal'), ('sla'), ('touch'), ('transition') $$,
    'every step is there');
select is((select points from handoff.explain('P2') where step = 'score'),
          (select sum(points) from handoff.explain('P2') where (step, name) in (('fit', 'sum of groups'), ('intent', 'sum of groups')))::bigint, 'the sums add up');
select is((select count(*) from handoff.explain('P2') where step = 'fit'), (select count(*) + 1 from handoff.score_rule r join handoff.score_group g
           on g.contract_id = r.contract_id and g.name = r.score_group where r.contract_id = 2 and g.kind = 'fit'), 'every rule has a line, and the sum');

-- Purging --------------------------------------------------------------------------------------------

create temp table before as select lead_key, intent, group_heat, score, band, signals, stage, last_seq, booked_at from handoff.lead;
create temp table counted as select lead_key, handoff_no, touches, contacts, first_touch_at from handoff.handoff;
create temp table kept as select lead_key, count(*) from handoff.activity where at > '2026-02-15' group by 1;
select throws_ok($$ select handoff.purge_activities('infinity') $$, '22008', null, 'not finite');
select throws_ok($$ select handoff.purge_activities('2026-02-15', 0) $$, '22023', null, 'of nobody');
select cmp_ok(handoff.purge_activities('2026-02-15', p_now => '2026-02-25'), '>', 50::bigint, 'old activities go');
select is(handoff.purge_activities('2026-02-15', p_now => '2026-02-25'), 0::bigint, 'and are gone');
select is_empty($$ select k.* from kept k left join lateral (select count(*) from handoff.activity a where a.lead_key = k.lead_key and at > '2026-02-15') n on true
                   where n.count <> k.count $$, 'no other');
do $$ begin
    update handoff.lead set folded_at = null;
    insert into handoff.inbox (source, raw_key, op, xid, at) select source, raw_key, 'R', pg_current_xact_id(), '2026-02-25' from handoff.lead;
    perform handoff.tick('2026-02-25');
end $$;
select is_empty($$ select lead_key, b.last_seq, l.last_seq from before b join handoff.lead l using (lead_key)
                   where (b.intent::text, b.score, b.band, b.signals, b.stage, b.last_seq, b.booked_at) is distinct from (l.intent::text, l.score, l.band, l.signals, l.stage, l.last_seq, l.booked_at)
                      or b.group_heat::text <> l.group_heat::text $$, 'folded anew from what is kept: nothing changes, to the last bit');
select is_empty($$ select lead_key from counted c join handoff.handoff h using (lead_key, handoff_no)
                   where (c.touches, c.contacts, c.first_touch_at) is distinct from (h.touches, h.contacts, h.first_touch_at) $$, 'nor do touches of handoffs that are over');
select ok((select bool_and(p.is_empty) from (select count(*) filter (where a.at <= l.purged_to) = 0 as is_empty from handoff.lead l join handoff.activity a using (lead_key)) p),
    'nothing from before is left');
do $$ begin
    insert into crm.act values ('late', 'P2', '2026-02-05', 'form', '/demo');
    perform handoff.tick('2026-02-25 01:00');
end $$;
select is((select intent::text from handoff.lead where lead_key = 'P2'), (select intent::text from before where lead_key = 'P2'),
    'what comes too late for the checkpoint does not count');
select is_empty($$ select d.what from handoff.doctor() d where d.severity = 'error' union all select v.lead_key || ' ' || v.what from handoff.verify() v $$, 'all is well');
do $$ begin
    update handoff.intent_checkpoint set at = at - interval '1 day' where lead_key = (select min(lead_key) from handoff.intent_checkpoint);
end $$;
select is((select count(*) from handoff.doctor() where invariant = 4 and what like '%were purged%'), 1::bigint, 'the doctor knows');

select * from finish();
rollback;
