-- The work API: every error of every function, with SQLSTATE, message, detail and hint; and who may call
-- what.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
set client_min_messages = warning;
set timezone = 'UTC';
set lead_handoff.inline_limit = 0;
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
    perform handoff.setup();
    perform handoff.load_template('b2b_saas');
    perform handoff.add_rep('ana', 'Ana', 'sdr');
    perform handoff.add_rep('eva', 'Eva', 'ae');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.publish();
end $$;
create schema work;
create table work.lead (id text primary key, email text, company text, country text, seniority text, employees int, opted_out boolean);
create table work.act (id int generated always as identity primary key, lead_key text, at timestamptz, kind text, page text, outcome text);
select handoff.attach('work.lead', 'lead', since => '-infinity', delete_grace => '0');
select handoff.attach('work.act', 'activity', since => '-infinity', delete_grace => '0');
insert into work.lead select l, l || '@acme.de', 'Acme', case l when 'vague' then null else 'DE' end, 'C-Level', 500, null
from unnest('{cold,mql,sal,sql,done,vague,worked,nobody,gone,held}'::text[]) l;
insert into work.act (lead_key, at, kind, page) select id, '2030-03-04 09:00', 'form', '/demo' from work.lead where id <> 'cold';
select decided from handoff.tick('2030-03-04 09:00');
select handoff.accept(l, p_now => '2030-03-04 10:00') from unnest('{sal,sql,vague,held}'::text[]) l;
select handoff.qualify('sql', p_now => '2030-03-04 10:00');
select handoff.recycle('done', 'no_budget', p_now => '2030-03-04 10:00');
delete from work.lead where id = 'gone';
update work.lead set opted_out = true where id = 'held';
select decided from handoff.tick('2030-03-04 10:00');

-- a call, and what it says
create function work.try(call text, p_now timestamptz default '2030-03-05 10:00') returns setof text language plpgsql as $$
declare
    answer  text;
    state   text;
    message text;
    detail  text;
    hint    text;
begin
    execute format('select handoff.%s, p_now => %L)', rtrim(call, ')'), p_now) into answer;
    return next call || ': ' || answer;
exception when others then
    get stacked diagnostics state = returned_sqlstate, message = message_text, detail = pg_exception_detail, hint = pg_exception_hint;
    return next call || ': ' || state || ' ' || message;
    if detail <> '' then
        return next '  detail: ' || detail;
    end if;
    if hint <> '' then
        return next '  hint: ' || hint;
    end if;
end $$;

-- no such lead, or none any more, or none given
select work.try(format(call, lead)) from unnest('{"''nobody knows''","''gone''",null}'::text[]) lead,
    unnest(array['accept(%s)', 'qualify(%s)', 'recycle(%s, ''timing'')', 'disqualify(%s, ''student'')', 'dispose(%s, ''timing'')',
                 'hand_over(%s, ''mql_to_sdr'', ''why'')', 'set_stage(%s, ''lead'', ''why'')', 'touch(%s, ''call'')', 'override_work(%s, ''timing'', ''why'')']) call
where lead is not null;
select work.try('accept(null)');
select work.try('touch(null, ''call'')');
select work.try('accept(''mql'')', null);
select work.try('touch(''mql'', ''call'')', null);

-- accept
select work.try($$accept('cold')$$);
select work.try($$accept('done')$$);
select work.try($$accept('sal')$$);
select work.try($$accept('mql', 'timing')$$);
select work.try($$accept('mql', 'nonsense')$$);
-- qualify
select work.try($$qualify('cold')$$);
select work.try($$qualify('mql')$$);
select work.try($$qualify('sql')$$);
select work.try($$qualify('vague')$$);
select work.try($$qualify('held')$$);
-- recycle
select work.try($$recycle('cold', 'no_budget')$$);
select work.try($$recycle('mql', null)$$);
select work.try($$recycle('mql', 'nonsense')$$);
select work.try($$recycle('mql', 'student')$$);
select work.try($$recycle('mql', 'timing')$$);
select work.try($$recycle('mql', 'timing', '')$$);
select work.try($$recycle('mql', 'no_budget', until => '2030-03-05 10:00')$$);
select work.try($$recycle('mql', 'no_budget', until => '-infinity')$$);
select work.try($$recycle('mql', 'no_budget', until => 'infinity')$$);
-- disqualify
select work.try($$disqualify('done', 'student')$$);
select work.try($$disqualify('mql', null)$$);
select work.try($$disqualify('mql', 'timing')$$);
select work.try($$disqualify('mql', 'not_a_fit')$$);
select work.try($$disqualify('mql', 'not_a_fit', 'hardware')$$);
-- dispose
select work.try($$dispose('mql', null)$$);
select work.try($$dispose('mql', 'nonsense')$$);
select work.try($$dispose('sal', 'accepted')$$);
select work.try($$dispose('cold', 'wrong_territory')$$);
select work.try($$dispose('done', 'merged')$$);
select work.try($$dispose('sal', 'not_qualified', 'no')$$);
select work.try($$dispose('sql', 'not_qualified')$$);
-- hand_over
select work.try($$hand_over('cold', null, 'why')$$);
select work.try($$hand_over('cold', 'nonsense', 'why')$$);
select work.try($$hand_over('cold', 'sdr_to_ae', 'why')$$);
select work.try($$hand_over('mql', 'mql_to_sdr', 'why')$$);
select work.try($$hand_over('held', 'sdr_to_ae', 'why')$$);
-- set_stage
select work.try($$set_stage('cold', null, 'why')$$);
select work.try($$set_stage('cold', 'nonsense', 'why')$$);
select work.try($$set_stage('cold', 'lead', 'why')$$);
-- touch
select work.try($$touch('mql', 'call', '2030-03-05 10:00:00.000001')$$);
select work.try($$touch('mql', 'call', 'infinity')$$);
select work.try($$touch('mql', 'call', '-infinity')$$);

-- work standards: what is there, of what it takes
select work.try($$recycle('worked', 'no_response')$$);
insert into work.act (lead_key, at, kind) select 'worked', timestamptz '2030-03-04 12:00' + n * interval '6 hours', (array['call', 'email'])[1 + n % 2] from generate_series(1, 7) n;
select decided from handoff.tick('2030-03-06 12:00');
select work.try($$recycle('worked', 'no_response')$$, '2030-03-06 12:00');
insert into work.act (lead_key, at, kind) select 'worked', timestamptz '2030-03-06 12:00' + n * interval '1 day', (array['call', 'linkedin'])[1 + n % 2] from generate_series(1, 4) n;
select decided from handoff.tick('2030-03-10 12:00');
select work.try($$recycle('worked', 'no_response')$$, '2030-03-10 12:00');
insert into work.act (lead_key, at, kind) select 'worked', timestamptz '2030-03-11 12:00' + n * interval '1 day', 'call' from generate_series(0, 1) n;
select decided from handoff.tick('2030-03-12 12:00');
select work.try($$recycle('worked', 'no_response')$$, '2030-03-12 12:00');
-- who lets less be enough says why
select work.try($$override_work('worked', 'no_response', null)$$, '2030-03-12 12:00');
select work.try($$override_work('worked', 'no_response', ' ')$$, '2030-03-12 12:00');
select work.try($$override_work('worked', 'nonsense', 'why')$$, '2030-03-12 12:00');
select work.try($$override_work('worked', 'timing', 'why')$$, '2030-03-12 12:00');
insert into work.act (lead_key, at, kind) values ('worked', '2030-03-13 12:00', 'call');
select decided from handoff.tick('2030-03-13 12:00');
select work.try($$recycle('worked', 'no_response')$$, '2030-03-13 12:00');
-- none to take it from
select handoff.deactivate_rep(rep) from handoff.rep;
insert into work.lead values ('lonely', 'lonely@acme.de', 'Acme', 'DE', 'C-Level', 500);
insert into work.act (lead_key, at, kind, page) values ('lonely', '2030-03-13 13:00', 'form', '/demo');
select decided from handoff.tick('2030-03-13 13:00');
select work.try($$dispose('lonely', 'wrong_territory')$$, '2030-03-13 13:00');
select count(handoff.activate_rep(rep)) from handoff.rep;
select claimed from handoff.tick('2030-03-13 13:05');

-- who may --------------------------------------------------------------------------------------------

create role regress_work_rep login;
create role regress_work_operator login;
select handoff.grant_access('regress_work_operator', 'operator');
grant usage on schema handoff, work to regress_work_rep, regress_work_operator;
grant execute on function work.try(text, timestamptz) to regress_work_rep, regress_work_operator;
-- nobody by himself
set session authorization regress_work_rep;
select handoff.accept('mql');
\echo :LAST_ERROR_SQLSTATE
reset session authorization;
-- a role that may accept and touch, and stands for nobody: there is no lead for it
select handoff.grant_access('regress_work_rep', 'rep');
grant execute on function work.try(text, timestamptz) to regress_work_rep;
set session authorization regress_work_rep;
select work.try($$accept('mql')$$, clock_timestamp());
reset session authorization;
-- a rep: as himself, now, and what is his
select handoff.set_rep_role('zoe', 'regress_work_rep');
select handoff.set_rep_role('eva', 'regress_work_rep');
\echo :LAST_ERROR_SQLSTATE
set session authorization regress_work_rep;
select work.try($$accept('mql')$$);
select work.try($$accept('mql', actor => 'eva')$$, clock_timestamp());
select work.try($$accept('mql', actor => 'nobody')$$, clock_timestamp());
select work.try($$accept('sql')$$, clock_timestamp());
select work.try($$qualify('nobody knows')$$, clock_timestamp());
select work.try($$touch('mql', 'call')$$);
select work.try($$touch('mql', 'call', rep => 'eva')$$, clock_timestamp());
select work.try($$override_work('mql', 'not_a_fit', 'why', 'a note')$$, clock_timestamp());
select handoff.act('mql', 'dispose', null, 'not_a_fit', 'a note', 'why', null, null, null, null, null, clock_timestamp());
\echo :LAST_ERROR_SQLSTATE
select handoff.act('mql', 'set_stage', null, null, 'a note', null, null, 'lead', null, null, null, clock_timestamp());
\echo :LAST_ERROR_SQLSTATE
select handoff.accept('mql', actor => 'regress_work_rep');
select handoff.touch('mql', 'call');
reset session authorization;
select e.type, e.actor from handoff.event e where e.lead_key = 'mql' and e.type in ('accepted', 'worked') order by seq;
select fields ->> 'rep' from handoff.activity where source = 'api';
-- an operator: for anybody, at any time; and he keeps deliveries going
select handoff.subscribe('slack');
set session authorization regress_work_operator;
select work.try($$qualify('mql', 'good', 'ana')$$, '2030-03-14');
select work.try($$hand_over('cold', 'mql_to_sdr', 'met', 'ana')$$, '2030-03-14');
select work.try($$set_stage('cold', 'nurture', 'a partner', 'ana')$$, '2030-03-14');
select work.try($$override_work('cold', 'not_a_fit', 'a partner''s daughter', 'a note', actor => 'ana')$$, '2030-03-14');
select work.try($$touch('lonely', 'call')$$, '2030-03-14');
select work.try($$disqualify('lonely', 'student', actor => 'ana')$$, '2030-03-14');
select work.try($$recycle('sal', 'no_budget', actor => 'ana')$$, '2030-03-14');
select work.try($$dispose('sql', 'wrong_territory', actor => 'ana')$$, '2030-03-14');
select decided is not null from handoff.tick('2030-03-15');
select handoff.nack('slack', id, token, 'not now') from handoff.lease('slack', 1);
select count(*) > 0, bool_and(handoff.ack('slack', id, token)) from handoff.lease('slack', 10);
select count(*) from handoff.doctor() where severity = 'error';
-- but changes neither contracts, nor people, nor rows
select handoff.draft();
\echo :LAST_ERROR_SQLSTATE
select handoff.add_rep('x', 'X');
\echo :LAST_ERROR_SQLSTATE
update handoff.lead set score = 0;
\echo :LAST_ERROR_SQLSTATE
reset session authorization;
select e.actor, count(*) from handoff.event e where e.actor = 'ana' group by 1;
select handoff.set_rep_role('zoe');
drop owned by regress_work_rep, regress_work_operator;
drop role regress_work_rep, regress_work_operator;

-- no contract in force
select handoff.retire(1);
select work.try($$accept('vague')$$, '2030-03-16');
select count(*) from handoff.verify();
drop schema work cascade;
select handoff.teardown(really => true);
select handoff.accept('vague');
