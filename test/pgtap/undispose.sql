-- undispose(): a disposition is taken back, and all is as if it had not been given: twins of whom one is
-- disposed of and taken back differ in nothing but the log, the count, and the stay that doesn't count.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    delete from handoff.escalation;
    update handoff.recycle_path set max_cycles = 1 where name = 'no_budget';
    insert into handoff.crm_status (contract_id, value, ord, code, stages) values
        (1, 'Later', 60, 'timing', '{}'), (1, 'Not Qualified', 70, 'not_qualified', '{}'), (1, 'Closed - Competitor', 80, 'competitor', '{disqualified}');
    perform handoff.add_rep('ana', 'Ana', 'sdr', crm_id => 'u-ana', schedule => 'mon-fri 09:00-17:00 @ UTC');
    perform handoff.add_rep('ben', 'Ben', 'sdr', crm_id => 'u-ben', schedule => 'mon-fri 09:00-17:00 @ UTC');
    perform handoff.add_rep('eva', 'Eva', 'ae', crm_id => 'u-eva');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.publish();
end $$;
set local timezone = 'UTC';
create schema crm;
create table crm.lead (
    id text primary key, email text, company text, country text, industry text, seniority text, employees int,
    status text, owner_id text, updated_at timestamptz
);
create table crm.act (id int generated always as identity primary key, lead_key text, at timestamptz, kind text, page text, outcome text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', mapping => '{"crm_status": "status", "crm_owner": "owner_id", "version": "updated_at"}');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
end $$;

create function pg_temp.arrives(lead text, at timestamptz) returns void language plpgsql as $$ begin
    insert into crm.lead values (lead, lead || '@' || lead || '.de', lead, 'DE', 'Software', 'C-Level', 500, 'Open - Not Contacted', 'q', at);
    insert into crm.act (lead_key, at, kind, page) values (lead, arrives.at, 'form', '/demo');
    perform handoff.tick(at);
end $$;
create function pg_temp.sets(key text, value text, at timestamptz, version timestamptz default null) returns void language plpgsql as $$ begin
    update crm.lead set status = value, updated_at = coalesce(version, at) where id = key;
    perform handoff.tick(at);
end $$;
create function pg_temp.broken() returns setof text language sql as $$
    select d.invariant || ' ' || d.what from handoff.doctor() d where d.severity = 'error'
    union all
    select concat_ws(' ', v.lead_key, v.what, v.by_log, v.by_state) from handoff.verify() v
$$;
-- a lead's state with one name in place of its own, but for what tells of the taking back, and for the time of
-- its newest input: that is kept only if it changes something
create function pg_temp.state(lead text) returns table (what text, doc text) language sql as $$
    select x.what, replace(x.doc::text, lead, 'LEAD') from (
        select 'lead' as what, to_jsonb(l) - array['seen_at', 'trigger_at', 'first_seen_at', 'last_seq', 'decided_at', 'folded_at', 'version'] as doc
        from handoff.lead l where l.lead_key = lead
        union all
        select 'handoff', to_jsonb(h) - array['undone', 'undone_at', 'undone_stage', 'seen_at'] from handoff.handoff h where h.lead_key = lead
        union all
        select 'stay', to_jsonb(s) - 'seq' from handoff.stage_history s where s.lead_key = lead and not s.undone
        union all
        select 'clock', to_jsonb(c) - case c.kind when 'review' then 'started_at' else '' end from handoff.clock c where c.lead_key = lead
        union all
        select 'assignment', to_jsonb(a) from handoff.assignment a where a.lead_key = lead
        union all
        select 'write back', to_jsonb(w) - 'updated_at' from handoff.writeback w where w.lead_key = lead
        union all
        select 'clock of facts', to_jsonb(f) from handoff.fact_clock f where f.lead_key = lead
    ) x
$$;
-- stage; handoffs: rep, outcome, taken back how often; recycle clock
create function pg_temp.now_is(lead text) returns text language sql as $$
    select concat_ws(' | ', l.stage,
        (select string_agg(concat_ws(' ', h.rep, h.outcome, h.code, nullif(h.undone, 0)), ', ' order by h.handoff_no) from handoff.handoff h where h.lead_key = lead),
        (select 'comes back' from handoff.clock c where c.lead_key = lead and c.kind = 'recycle'))
    from handoff.lead l where l.lead_key = lead
$$;
-- SQLSTATE, detail and hint of a call; all tables as they were
create function pg_temp.refused(call text) returns text language plpgsql as $$
declare
    why  text;
    hint text;
begin
    execute 'select handoff.' || call;
    return 'allowed';
exception when others then
    get stacked diagnostics why = pg_exception_detail, hint = pg_exception_hint;
    return concat_ws(' | ', sqlstate, sqlerrm, nullif(why, ''), case when hint <> '' then 'hint' end);
end $$;

-- Twins ---------------------------------------------------------------------------------------------

-- each pair: what is done before, how it is disposed of. The second twin is taken back half an hour later.
create temp table pair (name text, before text[], code text, note text, touched boolean);
insert into pair values
    ('timing', '{}', 'timing', 'in autumn', false),
    ('budget', '{accept}', 'no_budget', null, false),        -- has no cycle left: goes to nurture
    ('data', '{}', 'bad_data', null, false),                 -- gives the turn back
    ('student', '{accept}', 'student', null, true),
    ('test', '{}', 'test', null, false),
    ('sql', '{accept,qualify}', 'student', null, false),
    ('ae', '{accept,qualify,accept}', 'no_budget', null, true),
    ('back', '{accept,qualify,accept}', 'not_qualified', 'no project', false),
    ('back2', '{accept,qualify}', 'not_qualified', 'no project', true);
do $$
declare
    p    pair;
    call text;
    twin text;
    at   timestamptz;
begin
    -- a team of one each, so that twins get the same owner
    update handoff.rep set active = false where rep = 'ben';
    for p in select * from pair loop
        foreach twin in array array['a' || p.name, 'b' || p.name] loop
            perform pg_temp.arrives(twin, '2026-03-02 09:00');
            at := '2026-03-02 09:10';
            foreach call in array p.before loop
                execute format('select handoff.%I(%L, p_now => %L)', call, twin, at);
                at := at + interval '1 minute';
            end loop;
            if p.touched then
                perform handoff.touch(twin, 'call', at => '2026-03-02 09:30', p_now => '2026-03-02 09:30');
            end if;
        end loop;
    end loop;
    for p in select * from pair loop
        perform handoff.dispose('b' || p.name, p.code, p.note, p_now => '2026-03-02 10:00');
        if p.touched then
            insert into crm.act (lead_key, at, kind) values ('a' || p.name, '2026-03-02 10:10', 'email'), ('b' || p.name, '2026-03-02 10:10', 'email');
        end if;
    end loop;
    perform handoff.tick('2026-03-02 10:20');
end $$;
select results_eq($$ select p.name, pg_temp.now_is('b' || p.name) from pair p order by p.name collate "C" $$, $$ values
    ('ae', 'nurture | ana next_leg, eva recycle no_budget'),
    ('back', 'sal | ana, eva returned not_qualified'),
    ('back2', 'sal | ana, eva returned not_qualified'),
    ('budget', 'nurture | ana recycle no_budget'),
    ('data', 'disqualified | ana disqualified bad_data'),
    ('sql', 'disqualified | ana next_leg, eva disqualified student'),
    ('student', 'disqualified | ana disqualified student'),
    ('test', 'disqualified | ana withdrawn test'),
    ('timing', 'recycled | ana recycle timing | comes back') $$, 'one of each pair is disposed of');
select is_empty('select pg_temp.broken()', 'nothing is broken');
select is((select count(*) from handoff.assignment where turn_returned), 4::bigint, 'some got their turns back');
create temp table turns as select pool, rep, sum(turns) as turns from handoff.pool_turn_due group by 1, 2;
create temp table said as select o.id from handoff.outbox o;
select results_eq($$ select p.name, handoff.undispose('b' || p.name, 'a mistake', p_now => '2026-03-02 10:30') from pair p order by p.name collate "C" $$, $$ values
    ('ae', 'sql'), ('back', 'sql'), ('back2', 'sql'), ('budget', 'sal'), ('data', 'mql'), ('sql', 'sql'), ('student', 'sal'), ('test', 'mql'), ('timing', 'mql') $$,
    'each is back in its stage');
-- what a decision learns by time alone the other one learns too
do $$ begin
    perform handoff.touch('a' || p.name, 'x', p_now => '2026-03-02 10:30') from pair p;
    perform handoff.touch('b' || p.name, 'x', p_now => '2026-03-02 10:30') from pair p;
    perform handoff.tick('2026-03-02 10:31');
end $$;
create temp table differs as
select p.name, d.* from pair p cross join lateral (
    (select 'as it was' as side, * from pg_temp.state('a' || p.name) except all select 'as it was', * from pg_temp.state('b' || p.name))
    union all
    (select 'taken back', * from pg_temp.state('b' || p.name) except all select 'taken back', * from pg_temp.state('a' || p.name))
) d;
select is_empty($$ select * from differs where name not like 'back%' $$, 'twins: as if it had not been given');
-- the SDR was given the lead back for half an hour: that assignment, and its number, stay
select results_eq($$ select distinct name, what from differs where what not like 'clock%' or doc not like '%"verdict": "void"%' order by 1, 2 $$,
    $$ values ('back', 'assignment'), ('back', 'handoff'), ('back2', 'assignment'), ('back2', 'handoff') $$, 'of what was returned, the owner in between remains, and clocks that are void');
select results_eq($$ select rep, reason, to_char(at, 'HH24:MI'), to_char(ended_at, 'HH24:MI'), end_reason from handoff.assignment where lead_key = 'bback' and handoff_no = 1 order by n $$,
    $$ values ('ana', 'handoff', '09:00', '09:11', 'closed'), ('ana', 'returned', '10:00', '10:30', 'closed') $$, 'and nothing else');
select is_empty($$ select (to_jsonb(b) - 'lead_key') - array['assignments'] from handoff.handoff b where b.lead_key = 'bback' and b.handoff_no = 1 and (b.outcome, b.closed_at, b.qualified_at)
    is distinct from (select (a.outcome, a.closed_at, a.qualified_at) from handoff.handoff a where a.lead_key = 'aback' and a.handoff_no = 1) $$, 'the SDR''s handoff is over as before');
select is_empty('select pg_temp.broken()', 'nothing is broken');

select results_eq($$ select rep, count(*) from handoff.assignment where turn_returned group by 1 $$, $$ select null::text, null::bigint where false $$, 'turns returned are taken again');
select is_empty($$ select pool, rep, sum(turns) from handoff.pool_turn_due group by 1, 2 having sum(turns) <> 0 $$, 'which evens out in the pools');
select results_eq($$ select distinct s.stage, s.left_at, s.undone from handoff.stage_history s where s.lead_key = 'bbudget' and s.seq > 1 order by 2, 1 $$,
    $$ values ('mql', '2026-03-02 09:10'::timestamptz, false), ('recycled', '2026-03-02 10:00', true), ('nurture', '2026-03-02 10:30', true), ('sal', null, false) $$,
    'stays that it had led to are marked');
select results_eq($$ select stage, sum(entered)::int from handoff.journey where stage in ('recycled', 'nurture', 'disqualified', 'mql') group by 1 order by 1 $$,
    $$ values ('disqualified', 0), ('mql', 18), ('nurture', 0), ('recycled', 0) $$, 'and are not on the map');
select results_eq($$ select distinct e.actor = session_user, e.detail ->> 'outcome', e.detail ->> 'code', e.detail ->> 'by' = session_user, e.detail ->> 'disposed_at', e.detail ->> 'note', e.detail ? 'intent_since'
                     from handoff.event e where e.type = 'undisposed' and e.lead_key in ('btiming', 'bback') order by 2 $$,
    $$ values (true, 'recycle', 'timing', true, '2026-03-02T10:00:00+00:00', 'a mistake', true), (true, 'returned', 'not_qualified', true, '2026-03-02T10:00:00+00:00', 'a mistake', false) $$,
    'the log says what was taken back, and by whom');
select is((select what from handoff.history('btiming') where type = 'undisposed'), 'recycle timing is taken back, handoff 1 is open again: a mistake', 'in words');
select results_eq($$ select o.type, count(*) from handoff.outbox o where o.id not in (select id from said) and o.created_at = '2026-03-02 10:30' group by 1 order by 1 $$,
    $$ values ('handoff.taken_away', 2::bigint), ('handoff.undisposed', 9) $$, 'all concerned are told');
select is((select string_agg(handoff.message_text(o.id), '') from handoff.outbox o where o.lead_key = 'btiming' and o.type = 'handoff.undisposed'),
    'Ana, lead btiming (btiming) is yours again: its disposition was taken back. Due 2026-03-02 09:15 UTC.', 'in words');

-- It counts nowhere ---------------------------------------------------------------------------------

set local lead_handoff.view_time = '2026-03-02 12:00';
create temp table measured as select to_jsonb(k) as doc from handoff.kpi_month k where cycle = 'all';
select results_eq($$ select doc ->> 'leg', (doc ->> 'handed')::int, (doc ->> 'recycle_rate_num')::int, (doc ->> 'acceptance_of_decided_den')::int, (doc ->> 'undone_rate_num')::int, (doc ->> 'undone_rate_den')::int
                     from measured order by 1 $$,
    $$ values ('mql_to_sdr', 18, 0, 12, 5, 5), ('sdr_to_ae', 8, 0, 4, 4, 4) $$, 'handed over, accepted: as if not given; and how many were taken back');
select is_empty($$ select * from handoff.rejection_reason $$, 'nothing was rejected');

-- Given again, and taken back again -----------------------------------------------------------------

do $$ begin
    perform handoff.disqualify('bdata', 'student', p_now => '2026-03-02 11:00');
    perform handoff.undispose('bdata', p_now => '2026-03-02 12:00');
end $$;
select is(pg_temp.now_is('bdata'), 'mql | ana 2', 'twice; the last moment of the window counts');
do $$ begin
    perform handoff.recycle('bdata', 'no_budget', p_now => '2026-03-02 12:30');
    perform handoff.tick('2026-03-02 12:31');
    perform handoff.undispose('bdata', p_now => '2026-03-02 12:40');
    perform handoff.tick('2026-03-02 12:41');
    perform handoff.accept('bdata', p_now => '2026-03-02 12:50');
end $$;
select is(pg_temp.now_is('bdata'), 'sal | ana 3', 'and the lead goes on');
select is((select intent::text from handoff.handoff where lead_key = 'bdata'), (select round(handoff.points(l.intent, '2026-03-02 12:41', l.half_life))::text from handoff.lead l where l.lead_key = 'bdata'), 'with its intent');
select is_empty('select pg_temp.broken()', 'nothing is broken');

-- What can't be taken back --------------------------------------------------------------------------

create temp table refusal (call text, want text);
do $$ begin
    perform pg_temp.arrives(n, '2026-03-03 09:00') from unnest(array['late', 'open', 'next', 'again', 'gone', 'crm', 'twin1', 'aged', 'rid', 'won']) n;
    perform handoff.recycle(n, 'no_budget', p_now => '2026-03-03 10:00') from unnest(array['late', 'next', 'gone', 'twin1']) n;
    perform handoff.disqualify('again', 'bad_data', p_now => '2026-03-03 10:00');
    perform handoff.disqualify('rid', 'student', p_now => '2026-03-03 10:00');
    -- a signal: the next cycle has begun
    insert into crm.act (lead_key, at, kind, page) values ('next', '2026-03-03 10:10', 'form', '/demo');
    -- back in stage lead, and no further
    insert into crm.act (lead_key, at, kind, page) values ('again', '2026-03-03 10:10', 'form', '/contact');
    update crm.lead set email = 'nonsense', updated_at = '2026-03-03 10:10' where id = 'again';
    perform handoff.tick('2026-03-03 10:10');
    -- the same person comes again as another lead
    insert into crm.lead values ('twin2', 'twin1@twin1.de', 'twin1', 'DE', 'Software', 'C-Level', 500, 'Open - Not Contacted', 'q', '2026-03-03 10:10');
    insert into crm.act (lead_key, at, kind, page) values ('twin2', '2026-03-03 10:10', 'form', '/demo');
    perform handoff.tick('2026-03-03 10:11');
    perform pg_temp.sets('crm', 'Closed - Not Converted', '2026-03-03 10:00');
end $$;
select is(pg_temp.refused($$undispose('late', p_now => '2026-03-03 11:00:00.000001')$$),
    'LH041 | it is too late to take back disposition "no_budget" of lead "late" | It was given at 2026-03-03 11:00:00+01; contract 1 lets it be taken back until 2026-03-03 12:00:00+01. | hint', 'too late');
select is(pg_temp.refused($$undispose('open', p_now => '2026-03-03 10:30')$$),
    'LH041 | lead "open" has no disposition that could be taken back | It is in stage "mql". | hint', 'none was given');
select is(pg_temp.refused($$undispose('next', p_now => '2026-03-03 10:30')$$),
    'LH041 | lead "next" has gone on since disposition "no_budget" | It is in stage "mql" since 2026-03-03 11:10:00+01. | hint', 'the next cycle has begun');
select is(pg_temp.refused($$undispose('again', p_now => '2026-03-03 10:30')$$),
    'LH041 | lead "again" has gone on since disposition "bad_data" | It is in stage "lead" since 2026-03-03 11:10:00+01. | hint', 'a signal has reopened it');
do $$ begin
    perform pg_temp.arrives('moved', '2026-03-03 09:00');
    perform handoff.recycle('moved', 'no_budget', p_now => '2026-03-03 10:00');
    perform handoff.set_stage('moved', 'sal', 'for good', p_now => '2026-03-03 10:00');
end $$;
select is(pg_temp.refused($$undispose('moved', p_now => '2026-03-03 10:30')$$),
    'LH041 | lead "moved" has gone on since disposition "no_budget" | It is in stage "sal" since 2026-03-03 11:00:00+01. | hint', 'somebody has moved it, at the same moment');
select is(pg_temp.refused($$undispose('twin1', p_now => '2026-03-03 10:30')$$),
    'LH041 | lead "twin1" is the same person as lead "twin2" | That one has handoff 1 of leg "mql_to_sdr", which is open. | hint', 'sales has the person as another lead');
select is(pg_temp.refused($$undispose('crm', p_now => '2026-03-03 10:30')$$),
    'LH041 | disposition "closed_in_crm" of lead "crm" was given in the CRM | Its status there would go on saying so. | hint', 'the CRM has given it');
update handoff.rep set active = false where rep = 'ana';
select is(pg_temp.refused($$undispose('gone', p_now => '2026-03-03 10:30')$$),
    'LH041 | rep "ana", who had lead "gone", takes no leads any more | hint', 'its owner is gone');
update handoff.rep set active = true where rep = 'ana';
select is(pg_temp.refused($$undispose('nobody', p_now => '2026-03-03 10:30')$$), 'LH040 | there is no lead "nobody" | hint', 'no such lead');
do $$ begin perform handoff.forget('rid', p_now => '2026-03-03 10:20'); end $$;
select is(pg_temp.refused($$undispose('rid', p_now => '2026-03-03 10:30')$$), 'LH040 | there is no lead "rid" | hint', 'who is forgotten stays it');
-- what a disposition didn't end
do $$ begin perform handoff.tick('2026-03-17 09:00'); end $$;
select is(pg_temp.now_is('aged'), 'recycled | ana recycle due | comes back', 'aged out of its stage');
select is(pg_temp.refused($$undispose('aged', p_now => '2026-03-17 09:10')$$),
    'LH041 | lead "aged" has no disposition that could be taken back | It is in stage "recycled". | hint', 'which was nobody''s disposition');
select is_empty('select pg_temp.broken()', 'refusals leave no trace');

-- The CRM -------------------------------------------------------------------------------------------

do $$ begin perform pg_temp.arrives(n, '2026-03-18 09:00') from unnest(array['c1', 'c2', 'c3', 'c4', 'c5', 'c6']) n; end $$;
-- what it has closed, it opens again
do $$ begin
    perform pg_temp.sets('c1', 'Working - Contacted', '2026-03-18 09:05');
    perform pg_temp.sets('c1', 'Closed - Not Converted', '2026-03-18 09:10');
end $$;
select is(pg_temp.now_is('c1'), 'disqualified | ana disqualified closed_in_crm', 'closed in the CRM');
do $$ begin perform pg_temp.sets('c1', 'Working - Contacted', '2026-03-18 09:20'); end $$;
select is(pg_temp.now_is('c1'), 'sal | ana 1', 'and opened again there');
select results_eq($$ select type, actor from handoff.event where lead_key = 'c1' and at = '2026-03-18 09:20' order by seq limit 3 $$,
    $$ values ('fields', 'source'), ('undisposed', 'crm'), ('stage', 'crm') $$, 'by the CRM');
select is((select count(*) from handoff.violation where lead_key = 'c1' and at = '2026-03-18 09:20'), 0::bigint, 'lawfully');
do $$ begin
    perform pg_temp.sets('c1', 'Closed - Not Converted', '2026-03-18 09:30');
    perform pg_temp.sets('c1', 'Open - Not Contacted', '2026-03-18 09:40');
end $$;
select is(pg_temp.now_is('c1'), 'disqualified | ana disqualified closed_in_crm 1', 'not by a status of another stage');
do $$ begin perform pg_temp.sets('c1', 'Working - Contacted', '2026-03-18 10:30:01'); end $$;
select is(pg_temp.now_is('c1'), 'disqualified | ana disqualified closed_in_crm 1', 'nor too late');
select is((select string_agg(rule, ',' order by seq) from handoff.violation where lead_key = 'c1' and at > '2026-03-18 10:30'), 'no_open_handoff', 'which is a violation');

-- the write-back of a disposition that was taken back comes late: with a version of then, without one
do $$ begin
    perform handoff.disqualify('c2', 'competitor', p_now => '2026-03-18 09:10');
    perform handoff.undispose('c2', p_now => '2026-03-18 09:20');
    perform pg_temp.sets('c2', 'Closed - Competitor', '2026-03-18 10:45', '2026-03-18 09:15');
end $$;
select is(pg_temp.now_is('c2'), 'mql | ana 1', 'an echo of what was so at its version');
select is((select status from handoff.writeback where lead_key = 'c2'), 'Open - Not Contacted', 'to be put right');
do $$ begin
    perform handoff.disqualify('c3', 'competitor', p_now => '2026-03-18 11:00');
    perform handoff.undispose('c3', p_now => '2026-03-18 11:05');
    perform pg_temp.sets('c3', 'Closed - Competitor', '2026-03-18 11:10');
end $$;
select is(pg_temp.now_is('c3'), 'mql | ana 1', 'the tool wrote it when it was not so any more');
select is((select status from handoff.writeback where lead_key = 'c3'), 'Open - Not Contacted', 'to be put right');
do $$ begin
    perform pg_temp.sets('c3', 'Open - Not Contacted', '2026-03-18 11:15');
    perform pg_temp.sets('c3', 'Closed - Competitor', '2026-03-18 12:06');
end $$;
select is(pg_temp.now_is('c3'), 'disqualified | ana disqualified competitor 1', 'later on somebody means it');
-- the CRM said so already when it was taken back: the next time somebody means it
do $$ begin
    perform handoff.disqualify('c4', 'competitor', p_now => '2026-03-18 11:00');
    perform pg_temp.sets('c4', 'Closed - Competitor', '2026-03-18 11:10');
    perform handoff.undispose('c4', p_now => '2026-03-18 11:20');
end $$;
select is((select undone_stage from handoff.handoff where lead_key = 'c4'), null, 'no echo is under way');
do $$ begin
    update crm.lead set company = 'c4 inc', updated_at = '2026-03-18 11:21' where id = 'c4';
    perform handoff.tick('2026-03-18 11:21');
end $$;
select is(pg_temp.now_is('c4'), 'mql | ana 1', 'the old status, still there, does nothing');
do $$ begin
    perform pg_temp.sets('c4', 'Open - Not Contacted', '2026-03-18 11:25');
    perform pg_temp.sets('c4', 'Closed - Competitor', '2026-03-18 11:30');
end $$;
select is(pg_temp.now_is('c4'), 'disqualified | ana disqualified competitor 1', 'set anew it does');
-- an AE's return in the CRM
do $$ begin
    perform handoff.accept('c5', p_now => '2026-03-18 11:00');
    perform handoff.qualify('c5', p_now => '2026-03-18 11:01');
    perform pg_temp.sets('c5', 'Closed - Converted', '2026-03-18 11:02');
    perform pg_temp.sets('c5', 'Not Qualified', '2026-03-18 11:10');
end $$;
select is(pg_temp.now_is('c5'), 'sal | ana, eva returned not_qualified', 'returned in the CRM');
do $$ begin perform pg_temp.sets('c5', 'Closed - Converted', '2026-03-18 11:20'); end $$;
select is(pg_temp.now_is('c5'), 'sql | ana next_leg, eva 1', 'and taken back');
select is_empty('select pg_temp.broken()', 'nothing is broken');

-- A signal meanwhile: heard when the disposition is taken back, and once ---------------------------

create function pg_temp.looks(lead text, variadic at timestamptz[]) returns void language plpgsql as $$ begin
    insert into crm.act (lead_key, at, kind, page) select lead, a, 'page_view', '/pricing' from unnest(at) a;
    perform handoff.tick((select max(a) from unnest(at) a));
end $$;
create function pg_temp.answers(lead text) returns text language sql as $$
    select concat_ws(' | ', (select string_agg((e.detail -> 'signals')::text || to_char(e.at, ' HH24:MI'), ', ' order by e.seq) from handoff.event e where e.lead_key = lead and e.type = 'reengaged'),
        (select string_agg(to_char(k.started_at, 'HH24:MI') || coalesce(' ' || k.verdict, ''), ', ' order by k.n) from handoff.my_clock k where k.lead_key = lead and k.metric = 'response'),
        (select string_agg(o.type, ', ' order by o.seq) from handoff.outbox o where o.lead_key = lead and o.type in ('handoff.undisposed', 'handoff.reengaged')))
$$;
do $$ begin
    perform pg_temp.arrives(n, '2026-03-18 12:00') from unnest('{s1,s2,s3,s4}'::text[]) n;
    perform handoff.accept(n, p_now => '2026-03-18 12:01') from unnest('{s1,s2,s3,s4}'::text[]) n;
    perform pg_temp.looks('s2', '2026-03-18 12:02', '2026-03-18 12:03', '2026-03-18 12:04');
    perform pg_temp.looks('s3', '2026-03-18 12:02', '2026-03-18 12:03');
    perform handoff.recycle(n, 'timing', 'next year', p_now => '2026-03-18 12:10') from unnest('{s1,s2,s3,s4}'::text[]) n;
    perform pg_temp.looks('s1', '2026-03-18 12:11', '2026-03-18 12:12', '2026-03-18 12:13');
    perform pg_temp.looks('s3', '2026-03-18 12:14');
    perform pg_temp.looks('s4', '2026-03-18 12:15');
end $$;
select is(pg_temp.answers('s1'), '', 'a lead that rests is not the SDR''s');
do $$ begin
    perform handoff.undispose(n, p_now => '2026-03-18 12:30') from unnest('{s1,s2,s3,s4}'::text[]) n;
    perform handoff.tick('2026-03-18 12:31');
end $$;
select is(pg_temp.answers('s1'), '["pricing_interest"] 12:30 | 12:30 running | handoff.undisposed, handoff.reengaged', 'its signal is told, and he is to answer from now on');
select is(pg_temp.answers('s2'), '["pricing_interest"] 12:04 | 12:04 running | handoff.reengaged, handoff.undisposed', 'one that was heard before is not told again');
select is(pg_temp.answers('s3'), '["pricing_interest"] 12:30 | 12:30 running | handoff.undisposed, handoff.reengaged', 'one that had begun before is');
select is(pg_temp.answers('s4'), 'handoff.undisposed', 'less than a signal is none');
do $$ begin perform pg_temp.looks('s1', '2026-03-18 12:40'); end $$;
select is(pg_temp.answers('s1'), '["pricing_interest"] 12:30 | 12:30 running | handoff.undisposed, handoff.reengaged', 'and once');
select is_empty('select pg_temp.broken()', 'nothing is broken');

-- Another version, another window -------------------------------------------------------------------

do $$ begin
    perform pg_temp.arrives(n, '2026-03-19 09:00') from unnest(array['v1', 'v2']) n;
    perform handoff.recycle('v1', 'no_budget', p_now => '2026-03-19 09:10');
    perform handoff.draft();
    update handoff.contract set undispose_within = '0' where contract_id = 2;
    perform handoff.publish(2);
    perform handoff.tick('2026-03-19 09:20');
end $$;
select is((select contract_id from handoff.lead where lead_key = 'v1'), 2, 'a new version is in force, without a window');
do $$ begin
    perform handoff.undispose('v1', p_now => '2026-03-19 09:30');
    perform handoff.tick('2026-03-19 09:31');
end $$;
select results_eq($$ select l.contract_id, l.stage, h.contract_id from handoff.lead l join handoff.handoff h using (lead_key) where lead_key = 'v1' $$, $$ values (1, 'mql', 1) $$,
    'a handoff is disposed of, and taken back, by the version that it was handed over under');
do $$ begin
    perform pg_temp.arrives('v3', '2026-03-19 09:40');
    perform handoff.recycle('v3', 'no_budget', p_now => '2026-03-19 09:50');
end $$;
select matches(pg_temp.refused($$undispose('v3', p_now => '2026-03-19 09:50:00.000001')$$), '^LH041 . it is too late', 'no window: never');
select is_empty('select pg_temp.broken()', 'nothing is broken');

select * from finish();
rollback;
