-- Access: who may call what on whose lead, a cell for every level, function and lead; and that nobody who is limited
-- to his leads learns of another, through whatever he may read or call.
begin;
set local client_min_messages = warning;
set local lead_handoff.inline_limit = 0;
select no_plan();
\set QUIET 1
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    update handoff.stage set max_age = '1000 days' where owner = 'sales';
    delete from handoff.escalation;
    perform handoff.add_rep(r, 'Rep ' || r, 'sdr', schedule => '24x7 @ UTC') from unnest('{ana,ben,cyd}'::text[]) r;
    perform handoff.add_rep('eva', 'Eva', 'ae', schedule => '24x7 @ UTC', email => 'Eva@x.example', crm_id => '005E');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback', schedule => '24x7 @ UTC');
    -- of a pool that only a territory leads to
    perform handoff.add_pool('emea'), handoff.add_rep('fra', 'Fra', 'emea', schedule => '24x7 @ UTC');
    insert into handoff.territory (map, key, pool) values ('lands', 'FR', 'emea');
    insert into handoff.route (contract_id, name, ord, leg, criteria, target_kind, target, key_field)
    values (1, 'sdr_lands', 30, 'mql_to_sdr', 'country = ''FR''', 'territory', 'lands', 'country');
    perform handoff.add_rep(r, 'Rep ' || r) from unnest('{mia,dir,lea,off,al}'::text[]) r;
    -- ana's manager is mia, whose manager is dir; ae is led by lea; dir and mia are in a circle
    perform handoff.set_manager('ana', 'mia');
    perform handoff.set_manager('mia', 'dir');
    perform handoff.set_manager('dir', 'mia');
    perform handoff.set_pool_lead('ae', 'lea');
    perform handoff.publish();
end $$;
create schema crm;
create table crm.lead (id text primary key, email text, company text, country text, industry text, seniority text, employees int, updated_at timestamptz);
create table crm.act (id int generated always as identity primary key, lead_key text, at timestamptz, kind text, page text, subject text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', delete_grace => '0');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
end $$;

-- The leads: one of every standing. A key's last part is what is canary in it: nobody may learn it of others' leads.
create function pg_temp.comes(lead text) returns void language plpgsql as $$ begin
    insert into crm.lead values (lead, lead || '@acme.de', 'Company of ' || lead, 'DE', 'Software', 'C-Level', 500, now() - interval '1 hour');
    insert into crm.act (lead_key, at, kind, page, subject) values (lead, now() - interval '30 minutes', 'form', '/demo', 'asks for ' || lead);
    perform handoff.tick();
end $$;
create function pg_temp.give(lead text, rep text) returns void language plpgsql as $$ begin
    if (select h.rep from handoff.handoff h where h.lead_key = lead and h.closed_at is null) is distinct from rep then
        perform handoff.reassign(lead, rep, 'because of ' || lead);
    end if;
end $$;
do $$
declare
    l text;
begin
    foreach l in array '{k1-ana,k2-ana_sal,k3-ben,k4-eva,k5-recycled,k6-long_ago,k7-taken,k8-both,k15-cyd}'::text[] loop
        perform pg_temp.comes(l);
        perform pg_temp.give(l, case when l in ('k3-ben') then 'ben' when l = 'k15-cyd' then 'cyd' else 'ana' end);
    end loop;
    perform handoff.touch('k2-ana_sal', 'call', rep => 'ana');
    perform handoff.accept('k2-ana_sal', actor => 'ana');
    -- ana's, and eva's now
    perform handoff.accept(k), handoff.qualify(k, 'about ' || k) from unnest('{k4-eva,k8-both}'::text[]) k;
    perform pg_temp.give('k4-eva', 'eva');
    -- given back to ana, after eva
    perform pg_temp.give('k8-both', 'eva');
    perform handoff.dispose('k8-both', 'not_qualified', 'not yet, k8-both');
    perform pg_temp.give('k8-both', 'ana');
    perform handoff.recycle(k, 'no_budget', 'note on ' || k) from unnest('{k5-recycled,k6-long_ago}'::text[]) k;
    -- that was more than 90 days ago
    update handoff.assignment set at = at - interval '120 days', ended_at = ended_at - interval '91 days' where lead_key = 'k6-long_ago';
    perform pg_temp.give('k7-taken', 'ben');
    -- not handed over; deleted; fallen to the last route; of one who has left
    insert into crm.lead values ('k9-cold', 'k9-cold@x.example', 'k9-cold', 'DE', null, null, null, now());
    perform pg_temp.comes('k10-gone');
    perform pg_temp.give('k10-gone', 'ana');
    delete from crm.lead where id = 'k10-gone';
    perform handoff.set_member('sdr', r, null) from unnest('{ana,ben,cyd}'::text[]) r;
    perform pg_temp.comes('k11-fallen');
    perform handoff.set_member('sdr', r) from unnest('{ana,ben,cyd}'::text[]) r;
    perform pg_temp.comes('k14-off');
    perform pg_temp.give('k14-off', 'off');
    -- what nobody can take, of either leg
    perform pg_temp.comes('k13-nobody_ae');
    perform pg_temp.give('k13-nobody_ae', 'ana');
    perform handoff.set_capacity(r, 0) from unnest('{ana,ben,cyd,eva,zoe}'::text[]) r;
    perform pg_temp.comes('k12-nobody');
    perform handoff.accept('k13-nobody_ae'), handoff.qualify('k13-nobody_ae');
    update handoff.rep set active = false where rep = 'off';
end $$;

-- What is so, said here once more: whose open handoff it is, whose it was until it ended, who may claim it.
create temporary table standing (lead text primary key, owner text, had text[], claimers text[], is_gone boolean not null default false, ended text);
insert into standing (lead, owner, had, claimers) values
    ('k1-ana', 'ana', '{}', '{}'), ('k2-ana_sal', 'ana', '{}', '{}'), ('k3-ben', 'ben', '{}', '{}'), ('k4-eva', 'eva', '{ana}', '{}'),
    ('k5-recycled', null, '{ana}', '{}'), ('k6-long_ago', null, '{}', '{}'), ('k7-taken', 'ben', '{}', '{}'), ('k8-both', 'ana', '{eva}', '{}'),
    ('k9-cold', null, '{}', '{}'), ('k10-gone', null, '{ana}', '{}'), ('k11-fallen', 'zoe', '{}', '{sdr,fallback,emea}'),
    ('k12-nobody', null, '{}', '{sdr,fallback,emea}'), ('k13-nobody_ae', null, '{ana}', '{ae,fallback}'), ('k14-off', 'off', '{}', '{}'),
    ('k15-cyd', 'cyd', '{}', '{}'), ('k99-no_such', null, '{}', '{}');
-- who had the handoff that ended last
update standing set ended = case lead when 'k8-both' then 'eva' else 'ana' end where lead in ('k4-eva', 'k5-recycled', 'k6-long_ago', 'k8-both', 'k13-nobody_ae', 'k10-gone');
update standing set is_gone = true where lead in ('k10-gone', 'k99-no_such');
select set_eq('select lead from standing where lead <> ''k99-no_such''', 'select lead_key from handoff.lead', 'every lead has its standing');
select is_empty($$ select s.lead, s.owner, h.rep from standing s left join handoff.handoff h on h.lead_key = s.lead and h.closed_at is null
                   where h.rep is distinct from s.owner $$, 'and the owner that it should have');

-- The roles: level, whom each stands for, whose leads are his, and of which pools. One's name needs quotes, one is member of a group.
create temporary table actor (role_name text primary key, level text not null, rep text, reps text[], pools text[]);
insert into actor values
    ('lh "ana"', 'rep', 'ana', '{ana}', '{sdr}'), ('lh_ben', 'rep', 'ben', '{ben}', '{sdr}'), ('lh_cyd', 'rep', 'cyd', '{cyd}', '{sdr}'),
    ('lh_eva', 'rep', 'eva', '{eva}', '{ae}'), ('lh_zoe', 'rep', 'zoe', '{zoe}', '{fallback}'), ('lh_al', 'rep', 'al', '{al}', '{}'),
    ('lh_fra', 'rep', 'fra', '{fra}', '{emea}'), ('lh_off', 'rep', 'off', '{}', '{}'), ('lh_nobody', 'rep', null, '{}', '{}'),
    ('lh_mia', 'manager', 'mia', '{mia,dir,ana}', '{sdr}'), ('lh_dir', 'manager', 'dir', '{dir,mia,ana}', '{sdr}'),
    ('lh_lea', 'manager', 'lea', '{lea,eva}', '{ae}'), ('lh_op', 'operator', null, null, null), ('lh_admin', 'admin', null, null, null),
    ('lh_reader', 'reader', null, null, null), ('lh_stranger', 'none', null, null, null);
do $$
declare
    a actor;
begin
    create role lh_group;
    perform handoff.grant_access('lh_group', 'rep');
    for a in select * from actor loop
        execute format('create role %I login', a.role_name);
        if a.role_name = 'lh_cyd' then
            grant lh_group to lh_cyd;
        elsif a.level <> 'none' then
            perform handoff.grant_access(a.role_name, a.level);
        end if;
        if a.rep is not null then
            perform handoff.set_rep_role(a.rep, a.role_name);
        end if;
    end loop;
    -- once more, and what it was before is gone
    perform handoff.grant_access('lh_ben', 'operator');
    perform handoff.grant_access('lh_ben', 'rep');
    perform handoff.grant_access('lh_eva', 'rep');
end $$;
select is_empty('select * from handoff.doctor() where invariant in (20, 0) and what like ''%role%''', 'the doctor finds nothing');

-- The rule: may it be called, and on which leads.
create temporary table rule (name text primary key, rep boolean not null, manager boolean not null, kind text not null);
insert into rule values
    ('explain', true, true, 'read'), ('brief', true, true, 'read'), ('work_status', true, true, 'read'), ('history', true, true, 'read'),
    ('accept', true, true, 'work'), ('qualify', true, true, 'work'), ('recycle', true, true, 'work'), ('disqualify', true, true, 'work'),
    ('dispose', true, true, 'work'), ('return_lead', true, true, 'work'), ('touch', true, true, 'work'), ('act', true, true, 'work'), ('touch_lead', true, true, 'work'),
    ('undispose', true, true, 'undo'), ('claim', true, true, 'claim'), ('reassign', false, true, 'claim'), ('override_work', false, true, 'work');

-- every function whose first argument is a lead, with what its other arguments need
create temporary table function as
select p.oid, p.proname::text as name, coalesce(r.rep, false) as rep, coalesce(r.manager, false) as manager, r.kind,
       coalesce((select string_agg(', ' || case n.name
                   when 'code' then quote_literal(case p.proname when 'recycle' then 'no_budget' when 'disqualify' then 'student' when 'override_work' then 'no_response' when 'return_lead' then 'not_qualified'
                                                                 when 'act' then 'student' else 'wrong_territory' end)
                   when 'name' then '''disqualify''' when 'outcome' then '''disqualified'''
                   when 'rep' then case when p.proname = 'reassign' then '''cyd''' else 'null' end
                   when 'kind' then '''call''' when 'fields' then '''{"kind": "call"}'''
                   when 'note' then '''a note''' when 'reason' then '''because'''
                   when 'p_now' then 'clock_timestamp()' else 'null' end, '' order by n.ord)
        from unnest(p.proargnames[2:p.pronargs]) with ordinality n (name, ord)
        where n.ord < p.pronargs - p.pronargdefaults), '') as arguments
from pg_proc p
left join rule r on r.name = p.proname
where p.pronamespace = 'handoff'::regnamespace and p.proargnames[1] in ('lead_key', 'loser') and (p.proargmodes is null or p.proargmodes[1] = 'i');
select ok(count(*) > 15 and count(*) filter (where kind is not null) >= 15, 'functions that take a lead: ' || count(*)) from function;

-- What a role gets when it calls: its answer, or SQLSTATE; and all is as before.
create function pg_temp.try(role_name text, call text) returns text language plpgsql as $$
declare
    answer  text;
    message text;
    hint    text;
begin
    execute format('set local role %I', role_name);
    execute format('select coalesce(string_agg(x::text, E''\n''), '''') from handoff.%s x', call) into answer;
    raise exception using errcode = 'UNDOO', message = 'ok ' || answer;
exception when others then
    get stacked diagnostics message = message_text, hint = pg_exception_hint;
    return case when sqlstate = 'UNDOO' then message else sqlstate || case when sqlstate like 'LH%' and hint = '' then ' without a hint' else '' end end;
end $$;

create temporary table cell as
select a.role_name, a.level, f.name, s.lead, f.kind, c.call, c.by_another,
       case when a.level in ('none', 'reader') then '42501'
            when a.level in ('operator', 'admin') then 'contract'
            when not case a.level when 'rep' then f.rep else f.manager end then '42501'
            when not v.seen then case f.name when 'history' then 'ok ' else 'LH040' end
            when f.kind = 'read' then 'contract'
            when s.is_gone then 'LH040'
            when f.kind = 'undo' and s.ended is not null then case when s.ended = any (a.reps) then 'contract' else 'LH042' end
            when v.his or f.kind = 'claim' and v.claimable then 'contract'
            else 'LH042' end as expected
from actor a
cross join function f
cross join standing s
cross join lateral (
    select coalesce(s.owner = any (a.reps), false) as his, coalesce(s.claimers && a.pools, false) as claimable
) w
cross join lateral (select w.*, w.his or w.claimable or s.had && coalesce(a.reps, '{}') as seen) v
cross join lateral (
    select format('%I(%L%s)', f.name, s.lead, f.arguments) as call,
           format('%I(%L%s%s)', f.name, s.lead, f.arguments,
                  case when f.kind = 'read' or f.name in ('act', 'touch_lead') then ''
                       else format(', %s => %L', case when f.name in ('touch', 'claim') then 'rep' else 'actor' end, a.rep) end) as by_another
) c;
alter table cell add got text, add by_operator text;
update cell c set got = case when c.kind is null then case when has_function_privilege(c.role_name, f.oid, 'execute') then 'ok' else '42501' end
                             else pg_temp.try(c.role_name, c.call) end
from function f where f.name = c.name;
update cell c set by_operator = pg_temp.try('lh_op', c.by_another) where c.expected = 'contract' and c.level in ('rep', 'manager');

select cmp_ok(count(*), '>', 3000::bigint, 'cells: ' || count(*)) from cell;
select is_empty($$
    select role_name, name, lead, expected, got from cell
    where level not in ('operator', 'admin') and expected <> 'contract' and got is distinct from expected
$$, 'whoever may not is refused, as the rule says');
select is_empty($$
    select role_name, name, lead, got, by_operator from cell
    where level in ('rep', 'manager') and expected = 'contract' and got is distinct from by_operator
$$, 'whoever may gets what an operator gets who does it for him');
select is_empty($$
    select role_name, name, lead, got from cell
    where level in ('operator', 'admin') and kind is not null and got in ('42501', 'LH042')
$$, 'operators and admins are not limited');
select is_empty($$ select role_name, call, got, by_operator from cell where concat(got, by_operator) like '%without a hint%' $$, 'every refusal says what to do');
select is_empty($$
    select n.level, k.kind from (values ('rep'), ('manager')) n (level) cross join (values ('read'), ('work'), ('claim')) k (kind)
    where not exists (select from cell c where c.level = n.level and c.kind = k.kind and c.got like 'ok%')
       or not exists (select from cell c where c.level = n.level and c.kind = k.kind and c.got in ('LH040', 'LH042'))
$$, 'there are cells of both sorts of every kind');

-- Tables and views ------------------------------------------------------------------------------------

create temporary table seen as
select a.role_name, a.level, s.lead, (a.level in ('operator', 'admin') or s.owner = any (a.reps) or s.claimers && a.pools) is true as works
from actor a
cross join standing s
where a.level in ('operator', 'admin')
   or s.owner = any (a.reps) or s.had && a.reps or s.claimers && a.pools;
-- the answer to a query, asked as a role
create function pg_temp.answer(role_name text, query text) returns text language plpgsql as $$
declare
    answer text;
begin
    execute format('set local role %I', role_name);
    execute query into answer;
    reset role;
    return answer;
end $$;
create function pg_temp.keys(role_name text, relation text) returns text[] language sql as $$
    select pg_temp.answer(role_name, format('select array(select distinct lead_key from handoff.%I order by 1)', relation))::text[]
$$;
select is_empty(format($$
    select a.role_name, t.tab, pg_temp.keys(a.role_name, t.tab)
    from actor a
    cross join unnest(handoff.secured_tables() || handoff.limited_views()) t (tab)
    where a.level not in ('none', 'reader')
      and pg_temp.keys(a.role_name, t.tab) <> array(select k from unnest(pg_temp.keys(%L, t.tab)) k where k in (select s.lead from seen s where s.role_name = a.role_name
                                                                                                          and (s.works or t.tab <> 'my_queue')) order by k)
$$, current_user), 'a role sees its leads in every table and view, and no others');
select is_empty($$
    select a.role_name from actor a
    where a.level in ('rep', 'manager')
      and pg_temp.answer(a.role_name, 'select array(select unnest(handoff.my_claims()) order by 1)')::text[]
          <> array(select s.lead from standing s where s.claimers && a.pools order by 1)
$$, 'my_claims()');
select is_empty($$ select a.role_name from actor a
                   where a.level = 'manager' and pg_temp.answer(a.role_name, 'select array(select unnest(handoff.my_team()) order by 1)')::text[] <> array(select unnest(a.reps) order by 1) $$, 'my_team()');
select results_eq($$ select a.role_name, pg_temp.answer(a.role_name, 'select handoff.my_rep()') from actor a where level in ('rep', 'manager') order by 1 $$,
                  $$ select a.role_name, case when a.rep <> 'off' then a.rep end from actor a where level in ('rep', 'manager') order by 1 $$, 'my_rep()');
select is(pg_temp.answer('lh "ana"', 'select lead_key from handoff.next_lead()'), (select lead_key from handoff.my_queue where rep = 'ana' and position = 1), 'next_lead(): one''s own');
select is(pg_temp.answer('lh_ben', 'select lead_key from handoff.next_lead(''ana'')'), null, '.. another''s: nothing');

-- who is not limited pays nothing, nor do readers of KPIs
create function pg_temp.plan(role_name text, relation text) returns text language plpgsql as $$
declare
    line  text;
    lines text := '';
begin
    execute format('set local role %I', role_name);
    for line in execute format('explain (costs off, verbose) select * from handoff.%I', relation) loop
        lines := lines || line || E'\n';
    end loop;
    reset role;
    return lines;
end $$;
select is(pg_temp.plan('lh_op', t), pg_temp.plan(current_user, t), 'an operator''s plan of ' || t) from unnest('{event,my_queue,at_risk}'::text[]) t;
select is(pg_temp.plan('lh_reader', t), pg_temp.plan(current_user, t), 'a reader''s plan of ' || t) from unnest(handoff.reader_views()) t;
-- nor does a rep or a manager have to read a table whole: not for his queue, nor to know whether a lead is his
create function pg_temp.plan_of(role_name text, query text) returns text language plpgsql as $$
declare
    line  text;
    lines text := '';
begin
    set local enable_seqscan = off;
    execute format('set local role %I', role_name);
    for line in execute 'explain (costs off) ' || query loop
        lines := lines || line || E'\n';
    end loop;
    reset role;
    reset enable_seqscan;
    return lines;
end $$;
select unalike(pg_temp.plan_of(r, 'select * from handoff.my_queue'), '%Seq Scan%', 'the queue of ' || r) from unnest('{"lh \"ana\"",lh_mia}'::text[]) r;
select unalike(pg_temp.plan_of(r, format('select * from handoff.%I where lead_key = ''k3-ben''', t)), '%Seq Scan%', 'one lead in ' || t || ' for ' || r)
from unnest('{"lh \"ana\"",lh_mia}'::text[]) r, unnest(handoff.secured_tables()) t;
select matches(pg_temp.plan_of('lh "ana"', 'select * from handoff.assignment where ended_at is null'), 'assignment_open', 'one''s own by rep');

-- Nothing leaks ---------------------------------------------------------------------------------------

create temporary table canary as
select a.role_name, '(' || string_agg(s.lead, '|') || ')(?![0-9])' as pattern
from actor a cross join standing s
where a.level in ('rep', 'manager') and (a.role_name, s.lead) not in (select n.role_name, n.lead from seen n)
group by 1;

-- what somebody sees who puts functions and operators of his own into the query, which tell what passes by them
create schema evil;
create table evil.told (role_name text, relation text, what text);
grant usage on schema evil to public;
grant insert on evil.told to public;
create function evil.tell(relation text, what text) returns boolean language plpgsql cost 0.0000001 as $$ begin
    insert into evil.told values (current_user, relation, what);
    return true;
end $$;
create function evil.tells(what text, relation text) returns boolean language sql cost 0.0000001 as 'select evil.tell($2, $1)';
create operator evil.<<~ (leftarg = text, rightarg = text, function = evil.tells);
create function pg_temp.pry(role_name text, relation text, columns text) returns void language plpgsql as $$
declare
    shown text;
    how   text;
begin
    execute format('set local role %I', role_name);
    foreach how in array array['evil.tell(%2$L, r::text)', 'r::text operator(evil.<<~) %2$L', 'evil.tell(%2$L, r::text) and r::text ~ ''-'''] loop
        execute format('select string_agg(r::text, E''\n'') from (select %3$s from handoff.%1$I) r where ' || how, relation, relation, columns) into shown;
        perform evil.tell(relation, shown);
    end loop;
    -- what an error says
    begin
        execute format('select sum((r::text)::int) from (select %2$s from handoff.%1$I) r', relation, columns) into shown;
    exception when others then
        perform evil.tell(relation, sqlerrm);
    end;
    reset role;
end $$;
do $$
declare
    r record;
begin
    for r in
        select a.role_name, c.relname, string_agg(quote_ident(t.attname), ', ' order by t.attnum) as columns
        from actor a
        cross join pg_class c
        join pg_attribute t on t.attrelid = c.oid and t.attnum > 0 and not t.attisdropped
        where (a.level in ('rep', 'manager') or a.role_name = 'lh_op')
          and c.relnamespace = 'handoff'::regnamespace and c.relkind in ('r', 'v', 'p', 'm', 'f')
          and has_column_privilege(a.role_name, c.oid, t.attnum, 'select')
        group by 1, 2
    loop
        perform pg_temp.pry(r.role_name, r.relname, r.columns);
    end loop;
end $$;
select is_empty($$ select t.role_name, t.relation, left(t.what, 200) from evil.told t join canary c using (role_name) where t.what ~ c.pattern $$,
                'nothing of others'' leads in whatever one may read, nor before it is filtered, nor in an error');
select ok(count(distinct relation) > 25, 'relations that a rep may read: ' || count(distinct relation)) from evil.told where role_name = 'lh "ana"';
select is_empty($$ select n.relation from unnest(handoff.secured_tables()) n (relation)
                   where relation not in ('escalation_done', 'violation', 'opportunity_link')
                     and not exists (select from evil.told t where t.role_name = 'lh_op' and t.relation = n.relation and t.what ~ 'k3-ben') $$, 'an operator is told');

-- and through whatever may be called: with the key of another's lead it is as with a key that nobody has
create function pg_temp.say(role_name text, call text) returns text language plpgsql as $$
declare
    answer text;
    detail text;
    hint   text;
begin
    execute format('set local role %I', role_name);
    execute format('select coalesce(string_agg(x::text, E''\n''), '''') from handoff.%s x', call) into answer;
    raise exception using errcode = 'UNDOO', message = answer;
exception when others then
    get stacked diagnostics answer = message_text, detail = pg_exception_detail, hint = pg_exception_hint;
    return concat_ws(E'\n', case when sqlstate <> 'UNDOO' then sqlstate end, answer, detail, hint);
end $$;
create temporary table callable as
select a.role_name, p.oid, p.proname,
       (select string_agg(case when n.type = 'text'::regtype then '%1$L' when n.type = 'text[]'::regtype then 'array[%1$L]'
                               when n.type = 'jsonb'::regtype then '''{"kind": "call"}'''
                               when n.type = 'timestamptz'::regtype then 'clock_timestamp()' else format('null::%s', n.type::regtype) end, ', ' order by n.ord)
        from unnest(p.proargtypes::oid[]) with ordinality n (type, ord)) as arguments
from actor a
cross join pg_proc p
where a.level in ('rep', 'manager') and p.pronamespace = 'handoff'::regnamespace and has_function_privilege(a.role_name, p.oid, 'execute') and p.prokind = 'f'
  and not p.proargtypes::oid[] && array['internal'::regtype, 'cstring'::regtype, 'record'::regtype]::oid[]
  and p.prorettype <> 'trigger'::regtype;
select ok(count(*) filter (where arguments ~ '%1') > 12, 'functions that take a text: ' || count(*) filter (where arguments ~ '%1')) from callable where role_name = 'lh "ana"';
select is_empty($$
    with asked as materialized (
        select c.role_name, c.proname, s.lead,
               pg_temp.say(c.role_name, format('%I(%s)', c.proname, coalesce(format(c.arguments, s.lead), ''))) as said,
               pg_temp.say(c.role_name, format('%I(%s)', c.proname, coalesce(format(c.arguments, 'k98-no_such'), ''))) as of_none
        from callable c
        join standing s on (c.role_name, s.lead) not in (select n.role_name, n.lead from seen n)
        where (c.arguments ~ '%1' or s.lead = 'k3-ben') and c.proname not in ('view_time', 'open_seconds', 'markdown_text')  -- which writes no_such with a backslash
    )
    select a.role_name, a.proname, a.lead, a.said
    from asked a
    join canary c using (role_name)
    where replace(a.said, a.lead, 'k98-no_such') <> a.of_none or a.of_none ~ c.pattern
$$, 'nothing of others'' leads in what a function says, nor that they are there');

-- a key that was merged away is told to whom the other lead belongs
do $$ begin
    perform pg_temp.comes('k16-twin');
    perform handoff.merge_lead('k16-twin', 'k1-ana');
end $$;
select matches(pg_temp.say('lh "ana"', 'explain(''k16-twin'')') || pg_temp.say('lh "ana"', 'accept(''k16-twin'')'), 'It is a key of lead "k1-ana".*It is a key of lead "k1-ana"', 'his own');
select is(pg_temp.say('lh_ben', 'accept(''k16-twin'')'), replace(pg_temp.say('lh_ben', 'accept(''k98-no_such'')'), 'k98-no_such', 'k16-twin'), 'another''s');

-- Actors ----------------------------------------------------------------------------------------------

create function pg_temp.done_by(role_name text, actor text, p_now timestamptz default clock_timestamp()) returns text language plpgsql as $$
declare
    answer text;
    hint   text;
begin
    execute format('set local role %I', role_name);
    perform handoff.accept('k1-ana', actor => actor, p_now => p_now);
    reset role;
    raise exception using errcode = 'UNDOO', message = (select e.actor from handoff.event e where e.lead_key = 'k1-ana' and e.type = 'accepted');
exception when others then
    get stacked diagnostics answer = message_text, hint = pg_exception_hint;
    return case when sqlstate = 'UNDOO' then answer else concat_ws(' ', sqlstate, case when hint = '' then 'without a hint' end) end;
end $$;
update handoff.rep set chat_id = '@both' where rep in ('ben', 'cyd');
update handoff.rep set chat_id = '@ana' where rep = 'ana';
select results_eq($$ select who, actor, pg_temp.done_by(who, actor) from (values
    ('lh "ana"', null), ('lh "ana"', 'ana'), ('lh "ana"', 'lh "ana"'), ('lh "ana"', '@ana'), ('lh "ana"', 'ben'), ('lh "ana"', 'mia'), ('lh "ana"', 'nobody'), ('lh "ana"', '@both'),
    ('lh_mia', null), ('lh_mia', 'ana'), ('lh_mia', 'dir'), ('lh_mia', 'ben'), ('lh_mia', 'eva@x.example'),
    ('lh_op', null), ('lh_op', 'ana'), ('lh_op', 'eva@X.EXAMPLE'), ('lh_op', '005E'), ('lh_op', '@both'), ('lh_op', 'a bot')) v (who, actor) $$, $$ values
    ('lh "ana"', null, 'ana'), ('lh "ana"', 'ana', 'ana'), ('lh "ana"', 'lh "ana"', 'ana'), ('lh "ana"', '@ana', 'ana'), ('lh "ana"', 'ben', '42501'), ('lh "ana"', 'mia', '42501'),
    ('lh "ana"', 'nobody', '42501'), ('lh "ana"', '@both', '42501'),
    ('lh_mia', null, 'mia'), ('lh_mia', 'ana', 'ana'), ('lh_mia', 'dir', 'dir'), ('lh_mia', 'ben', '42501'), ('lh_mia', 'eva@x.example', '42501'),
    ('lh_op', null, session_user::text collate "default"), ('lh_op', 'ana', 'ana'), ('lh_op', 'eva@X.EXAMPLE', 'eva'), ('lh_op', '005E', 'eva'), ('lh_op', '@both', '@both'), ('lh_op', 'a bot', 'a bot') $$,
    'who acts, and who may say that somebody else does');
select results_eq($$ select r, pg_temp.done_by(r, null, clock_timestamp() + interval '2 minutes') from unnest('{"lh \"ana\"",lh_mia,lh_op,lh_admin}'::text[]) r $$,
    $$ values ('lh "ana"', '42501'), ('lh_mia', '42501'), ('lh_op', session_user::text collate "default"), ('lh_admin', session_user::text collate "default") $$, 'another time: operators and admins only');

-- touches are one's own, or one's reps'
select is(pg_temp.try('lh "ana"', 'touch(''k1-ana'', ''call'', rep => ''ben'')'), '42501', 'a rep touches for no other');
select alike(pg_temp.try('lh_mia', 'touch(''k1-ana'', ''call'', rep => ''ana'')'), 'ok %', 'a manager for his reps');
select is(pg_temp.try('lh_mia', 'touch(''k1-ana'', ''call'', rep => ''ben'')'), '42501', '.. for no others');
do $$ begin
    set local role 'lh "ana"';
    perform handoff.touch('k1-ana', 'call'), handoff.touch_lead('k1-ana', '{"kind": "email", "rep": "ben"}', null, clock_timestamp(), null);
    reset role;
end $$;
select set_eq($$ select fields ->> 'rep' from handoff.activity where source = 'api' and lead_key = 'k1-ana' $$, $$ values ('ana') $$, 'they are by whom they are by');
-- who claims claims for himself, who reassigns gives to whom he likes, who is active
select is(pg_temp.try('lh "ana"', 'claim(''k12-nobody'', ''ben'')'), '42501', 'a rep claims for no other');
select alike(pg_temp.try('lh_mia', 'claim(''k12-nobody'', ''ana'')'), 'ok %', 'a manager for his reps');
select is(pg_temp.try('lh_mia', 'claim(''k12-nobody'', ''ben'')'), '42501', '.. for no others');
select alike(pg_temp.try('lh_mia', 'reassign(''k1-ana'', ''ben'')'), 'ok %', 'a manager gives his rep''s lead to anybody');
select is(pg_temp.try('lh_mia', 'reassign(''k1-ana'', ''off'')'), '55000', '.. who is there');
select is(pg_temp.try('lh_mia', 'act(''k1-ana'', ''reassign'', null, null, null, null, null, null, ''no_such'', null, null, clock_timestamp())'), '42704', '.. also by act()');
select is(pg_temp.try('lh "ana"', format('act(''k1-ana'', %L, ''disqualified'', ''student'', ''why'', ''why'', ''mql_to_sdr'', ''nurture'', ''ben'', null, null, clock_timestamp())', n)), '42501', 'act() is no way round: ' || n)
from unnest('{override_work,hand_over,set_stage,reassign}'::text[]) n;
select is(pg_temp.try('lh "ana"', 'act(''k1-ana'', ''no_such'', null, ''student'', null, null, null, null, null, null, null, clock_timestamp())'), '22023', '.. nor is a name that nothing has');

-- What is wrong, and how it ends ------------------------------------------------------------------------

create function pg_temp.faults() returns setof text language sql as $$
    select d.what from handoff.doctor() d where d.invariant = 20 or d.invariant = 0 and d.what like '%role%' order by 1
$$;
do $$ begin
    alter table handoff.clock disable row level security;
    drop policy own_leads on handoff.event;
    grant select on handoff.outbox to lh_eva;
    grant select (payload, lead_key) on handoff.outbox to lh_mia;
    alter view handoff.my_queue reset (security_invoker);
    alter role lh_al rename to lh_al_2;
end $$;
select set_eq('select * from pg_temp.faults()', $$
    select 'row security of table "clock" is off'
    union all
    select format('role "%s" sees nothing of table "event": it lacks policy own_leads', r) from unnest('{"lh \"ana\"",lh_ben,lh_group,lh_eva,lh_fra,lh_zoe,lh_al_2,lh_off,lh_nobody}'::text[]) r
    union all
    select format('role "%s" may read table "outbox", which does not leave out the leads of others', r) from unnest('{lh_eva,lh_mia}'::text[]) r
    union all
    select format('role "%s" may read view "my_queue", which does not leave out the leads of others', l.role_name) from handoff.limited_roles() l
    union all
    select 'rep "al" is to be role "lh_al", and there is no such role'
$$, 'doctor() finds what is amiss');
do $$ begin
    alter role lh_al_2 rename to lh_al;
    alter view handoff.my_queue set (security_invoker = true);
    perform handoff.setup();
    perform handoff.grant_access(l.role_name, case l.policy when 'own_leads' then 'rep' else 'manager' end) from handoff.limited_roles() l;
end $$;
select is_empty('select * from pg_temp.faults()', '.. and what it says sets it right');
select throws_ok($$ select handoff.set_rep_role('ben', 'lh "ana"') $$, '23505', 'role "lh "ana"" stands for rep "ana"', 'a role stands for one rep');
select throws_ok($$ select handoff.set_rep_role('ben', 'lh_no_such') $$, '42704', 'role "lh_no_such" does not exist', '.. and is there');
select throws_ok($$ select handoff.grant_access('lh_no_such', 'rep') $$, '42704', 'role "lh_no_such" does not exist', 'access: the role is there');
select throws_ok($$ select handoff.grant_access('lh_ben', 'boss') $$, '22023', 'unknown access "boss"', '.. and the level');
do $$ begin
    perform handoff.set_rep_role('ben');
end $$;
select is(pg_temp.keys('lh_ben', 'lead'), '{}', 'a role that stands for nobody any more sees nothing');
do $$ begin
    perform handoff.set_rep_role('ben', 'lh_ben');
    perform handoff.grant_access('lh_ben', 'operator');
end $$;
select is(cardinality(pg_temp.keys('lh_ben', 'lead')), (select count(*)::int from handoff.lead), 'one that becomes an operator sees all');
do $$ begin
    perform handoff.revoke_access(role_name) from actor;
    perform handoff.revoke_access('lh_group');
end $$;
select is_empty($$ select a.role_name, c.relname from actor a, pg_class c where c.relnamespace = 'handoff'::regnamespace and c.relkind in ('r', 'v')
                   and has_any_column_privilege(a.role_name, c.oid, 'select, insert, update') $$, 'revoke_access(): nothing to read is left');
select is_empty('select polname from pg_policy where polrelid in (select oid from pg_class where relnamespace = ''handoff''::regnamespace)', '.. no policy');
select is_empty($$ select a.role_name from actor a where has_schema_privilege(a.role_name, 'handoff', 'usage') or has_function_privilege(a.role_name, 'handoff.my_claims()', 'execute') $$, '.. no function');
do $$
declare
    a actor;
begin
    for a in select * from actor loop
        execute format('drop owned by %1$I; drop role %1$I', a.role_name);
    end loop;
    drop role lh_group;
end $$;
select pass('and roles can be dropped');
select is_empty($$ select * from handoff.doctor() where severity = 'error' $$, 'doctor() finds nothing in the end');

select * from finish();
rollback;
