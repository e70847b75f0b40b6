-- Echoes: what view writeback says is written into the CRM, and comes back as a change of the lead's row. It is
-- no news: nothing is decided by it, and there is nothing to write back then.
begin;
set local client_min_messages = warning;
set local timezone = 'UTC';
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    delete from handoff.escalation;
    perform handoff.add_rep('ana', 'Ana', 'sdr', crm_id => '005A');
    perform handoff.add_rep('ben', 'Ben', 'sdr', crm_id => '005B');
    perform handoff.add_rep('eva', 'Eva', 'ae', crm_id => '005E');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback', crm_id => '005Z');
    perform handoff.publish();
end $$;
create schema crm;
create table crm.lead (id text primary key, email text, company text, country text, industry text, seniority text, employees int, opted_out boolean,
                       owner_id text, status text, our_score int, our_stage text, our_band text, updated_at timestamptz);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, page text, owner_id text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '2026-03-01');
    perform handoff.attach('crm.act', 'activity');
end $$;
create function pg_temp.comes(key text, at timestamptz) returns void language sql as $$
    insert into crm.lead values (key, key || '@x.com', 'X', 'DE', 'Software', 'C-Level', 500, false, '00G1', 'Open - Not Contacted', null, null, null, '2026-02-01');
    insert into crm.act values ('demo ' || key, key, at, 'form', '/demo') $$;
-- what is known of all leads, but for the fields that are written back and that the CRM knows them
create function pg_temp.state() returns table (what text, of text, is text) language sql as $$
    select 'lead', l.lead_key, (to_jsonb(l) - '{fields,version,last_seq,decided_at}'::text[] || jsonb_build_object('fields',
           l.fields - '{crm_owner,crm_status}'::text[]))::text from handoff.lead l
    union all select 'handoff', h.lead_key, to_jsonb(h)::text from handoff.handoff h
    union all select 'assignment', a.lead_key, (to_jsonb(a) - 'known_to_crm')::text from handoff.assignment a
    union all select 'clock', c.lead_key, to_jsonb(c)::text from handoff.clock c
    union all select 'stay', s.lead_key, (to_jsonb(s) - 'seq')::text from handoff.stage_history s
    union all select 'activity', a.lead_key, to_jsonb(a)::text from handoff.activity a
    union all select 'message', o.lead_key, (o.type || o.payload::text) from handoff.outbox o
    union all select 'violation', v.lead_key, to_jsonb(v)::text from handoff.violation v
    union all select 'event', e.lead_key, e.type || count(*) from handoff.event e where e.type <> 'fields' group by e.lead_key, e.type
    union all select 'write back', w.lead_key, to_jsonb(w)::text from handoff.writeback w $$;
-- a tool that writes back, and the sync that brings it home; what it wrote
create function pg_temp.echo(p_now timestamptz) returns bigint language plpgsql as $$
declare n bigint; begin
    update crm.lead l set owner_id = coalesce(w.owner, l.owner_id), status = coalesce(w.status, l.status), our_score = w.score, our_stage = w.stage, our_band = w.band, updated_at = p_now
    from handoff.writeback w where w.raw_key = l.id
      and (w.owner <> l.owner_id or w.status is distinct from l.status and w.status is not null or (w.score, w.stage, w.band) is distinct from (l.our_score, l.our_stage, l.our_band));
    get diagnostics n = row_count;
    perform handoff.tick(p_now);
    return n;
end $$;
create function pg_temp.events() returns bigint language sql as $$ select count(*) from handoff.event $$;
create temp table before (what text, of text, is_it text);
create temp table n (events bigint);
create function pg_temp.differs() returns setof text language sql as $$
    (select '- ' || b::text from before b except select '- ' || row(s.*)::text from pg_temp.state() s)
    union all (select '+ ' || row(s.*)::text from pg_temp.state() s except select '+ ' || b::text from before b) $$;
create function pg_temp.remember() returns void language sql as $$
    delete from before; insert into before select * from pg_temp.state(); delete from n; insert into n select pg_temp.events() $$;

-- every stage that a lead can be in
do $$ begin
    for i in 1 .. 9 loop perform pg_temp.comes('l' || i, '2026-03-02 09:00'); end loop;
    -- from before the source was attached: scored, kept, and handed to nobody
    perform pg_temp.comes('old', '2026-02-02');
    insert into crm.lead (id, email, updated_at) values ('cold', 'c@x.com', '2026-02-01'), ('none', 'n@x.com', '2026-02-01');
    update crm.lead set status = 'Recycled by hand' where id = 'none';
    perform handoff.tick('2026-03-02 10:00');
    perform handoff.accept(k, actor => 'ana', p_now => '2026-03-02 11:00') from unnest(array['l2', 'l3', 'l4', 'l5', 'l6']) k;
    perform handoff.qualify(k, 'yes', actor => 'ana', p_now => '2026-03-02 12:00') from unnest(array['l3', 'l4']) k;
    perform handoff.accept('l4', actor => 'eva', p_now => '2026-03-02 13:00');
    perform handoff.tick('2026-03-02 14:00');
end $$;
select is((select string_agg(distinct stage, ' ' order by stage) from handoff.lead), 'lead mql sal sql', 'leads of every sort');
select is((select count(*) from handoff.handoff where lead_key in ('old', 'cold', 'none')), 0::bigint, 'old ones are not handed over');

select pg_temp.remember();
select cmp_ok(pg_temp.echo('2026-03-02 15:00'), '>', 9::bigint, 'a tool writes back');
select is_empty('select * from pg_temp.differs()', 'the echo changes nothing');
select is((select count(*) from handoff.event where type = 'fields' and at >= '2026-03-02 15:00' and (detail -> 'new') - '{crm_owner,crm_status}'::text[] <> '{}'), 0::bigint, 'it is known what the CRM has now, and no more');
select is((select count(distinct lead_key) from handoff.event where type = 'fields' and at >= '2026-03-02 15:00'), 10::bigint, 'of the leads that it has something else of');
select is((select string_agg(distinct r.crm_id || (l.fields ->> 'crm_owner'), ' ') from handoff.lead l join handoff.handoff h using (lead_key) join handoff.rep r on r.rep = h.rep where h.closed_at is null and r.crm_id <> l.fields ->> 'crm_owner'), null, 'the CRM''s owner is ours');
select pg_temp.remember();
select is(pg_temp.echo('2026-03-02 16:00'), 0::bigint, 'and then there is nothing to write back');
update crm.lead set updated_at = '2026-03-02 16:30';
select count(*) from handoff.tick('2026-03-02 16:30');
select is((select pg_temp.events() - events from n), 0::bigint, 'a newer version alone is no event');
select is_empty('select * from pg_temp.differs()', 'and changes nothing');

-- an echo that arrives with something else is news, and so is an owner or status that is not ours
update crm.lead set employees = 501, our_score = our_score + 1 where id = 'l1';
update crm.lead set owner_id = '005X' where id = 'old';
select count(*) from handoff.tick('2026-03-02 17:00');
select is((select string_agg(lead_key || ' ' || trigger, ', ' order by lead_key) from handoff.lead where lead_key in ('l1', 'l2')), 'l1 row, l2 activity', 'something else is news');

-- on through dispositions, reroutes and returns, echo by echo
do $$ begin
    perform handoff.recycle('l5', (select code from handoff.disposition where contract_id = 1 and outcome = 'recycle' and not needs_note and needs_work is null order by code limit 1), actor => 'ana', p_now => '2026-03-02 18:00');
    perform handoff.disqualify('l7', (select code from handoff.disposition where contract_id = 1 and outcome = 'disqualified' and not needs_note and needs_work is null order by code limit 1), actor => 'ana', p_now => '2026-03-02 18:00');
    perform handoff.dispose('l8', (select code from handoff.disposition where contract_id = 1 and outcome = 'reroute' order by code limit 1), 'not mine', actor => 'ana', p_now => '2026-03-02 18:00');
    perform handoff.tick('2026-03-02 18:01');
end $$;
select is((select string_agg(lead_key || ' ' || stage, ', ' order by lead_key) from handoff.lead where lead_key in ('l5', 'l7', 'l8')), 'l5 recycled, l7 disqualified, l8 mql', 'they moved on');
select pg_temp.remember();
select cmp_ok(pg_temp.echo('2026-03-02 19:00'), '>=', 2::bigint, 'which is written back');
select is_empty('select * from pg_temp.differs()', 'the echo changes nothing');
select is(pg_temp.echo('2026-03-02 20:00'), 0::bigint, 'nor does it go round');

-- an echo that is late: the tool writes, the lead goes on, and only then comes what it wrote
do $$ begin
    perform handoff.accept('l9', actor => 'ana', p_now => '2026-03-03 09:00');
    perform handoff.recycle('l9', (select code from handoff.disposition where contract_id = 1 and outcome = 'recycle' and not needs_note and needs_work is null order by code limit 1), actor => 'ana', p_now => '2026-03-03 09:10');
    perform handoff.tick('2026-03-03 09:11');
end $$;
select pg_temp.remember();
update crm.lead set status = 'Working - Contacted', updated_at = '2026-03-03 09:05' where id = 'l9';
select count(*) from handoff.tick('2026-03-03 10:00');
select is_empty('select * from pg_temp.differs()', 'a status that was ours is no violation of what is');
select is((select status from handoff.writeback where lead_key = 'l9'), 'Closed - Not Converted', 'and is put right');
select cmp_ok(pg_temp.echo('2026-03-03 10:05'), '>', 0::bigint, 'it is');
update crm.lead set status = 'Working - Contacted', updated_at = '2026-03-03 10:10' where id = 'l9';
select count(*) from handoff.tick('2026-03-03 10:11');
select is((select count(*) from handoff.violation where lead_key = 'l9'), 1::bigint, 'set again later it is one');

update crm.lead set our_score = 0, our_stage = 'x';
select is((select count(*) from handoff.inbox), 0::bigint, 'columns of ours that nothing maps are not even looked at');
select is_empty($$ select what from handoff.doctor() where severity = 'error' $$, 'all is well');
select is((select queued from handoff.reconcile('crm.lead')), 0::bigint, 'the table is as it is known');
select * from finish();
rollback;
