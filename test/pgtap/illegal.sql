-- Every call of the Work API, with every disposition of the template, on leads in every stage and plight; and
-- every disposition by a status of the CRM. What the contract says of each is worked out by the SQL here, over
-- the contract's own tables: whether it is allowed, and if not by which rule it is refused. By the API that is
-- an error which names the rule and changes nothing; by the CRM never an error, but a violation.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    delete from handoff.escalation;
    -- a guard, so that criteria can say no; a code without a path; each way to handle a violation
    update handoff.transition set guard = 'employees is distinct from 5' where contract_id = 1 and event in ('qualified', 'recycled') and from_stage = 'sal';
    update handoff.disposition set on_violation = case code when 'timing' then 'hold' when 'not_a_fit' then 'hold' when 'no_response' then 'revert'
                                                            when 'wrong_territory' then 'revert' else 'record' end;
    delete from handoff.crm_status where contract_id = 1;
    insert into handoff.crm_status (contract_id, value, ord, code, qualifies, stages)
    select 1, 'S ' || d.code, 100 + row_number() over (order by d.code), d.code, false, '{}'::text[] from handoff.disposition d where d.outcome <> 'lost'
    union all
    select 1, 'S qualified', 99, null, true, '{}';
    perform handoff.add_rep('ana', 'Ana', 'sdr', schedule => '24x7 @ UTC');
    perform handoff.add_rep('ben', 'Ben', 'sdr', schedule => '24x7 @ UTC');
    perform handoff.add_rep('eva', 'Eva', 'ae', schedule => '24x7 @ UTC');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback', schedule => '24x7 @ UTC');
    perform handoff.add_rep('old', 'Old');
    update handoff.rep set active = false where rep = 'old';
    perform handoff.publish();
end $$;
set local timezone = 'UTC';
create schema crm;
create table crm.lead (
    id text primary key, email text, company text, country text, industry text, seniority text, employees int,
    opted_out boolean, converted_opportunity text, status text, updated_at timestamptz
);
create table crm.act (id int generated always as identity primary key, lead_key text, at timestamptz, kind text, page text);
create table crm.opp (id text primary key, created_at timestamptz, closed_at timestamptz, is_won boolean, is_closed boolean);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', mapping => '{"crm_status": "status", "version": "updated_at"}', delete_grace => '0');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
    perform handoff.attach('crm.opp', 'opportunity', since => '-infinity');
end $$;

-- Leads ---------------------------------------------------------------------------------------------

create function pg_temp.arrives(leads text[], more jsonb default '{}', demo boolean default true) returns void language sql as $$
    insert into crm.lead
    select r.* from unnest(leads) n, jsonb_populate_record(null::crm.lead, jsonb_build_object(
        'id', n, 'email', n || '@acme.de', 'company', 'Acme', 'country', 'DE', 'industry', 'Software',
        'seniority', 'C-Level', 'employees', 500, 'status', 'New', 'updated_at', '2030-03-04 08:00') || more) r;
    insert into crm.act (lead_key, at, kind, page) select n, '2030-03-04 08:00', 'form', '/demo' from unnest(leads) n where demo;
$$;
create function pg_temp.deal(key text, closed timestamptz default null, won boolean default null) returns void language sql as $$
    insert into crm.opp values ('opp ' || key, '2030-03-06', closed, won, closed is not null);
    update crm.lead set converted_opportunity = 'opp ' || key, updated_at = '2030-03-06' where id = key
$$;
do $$
declare
    lead text;
begin
    perform pg_temp.arrives('{plain}', demo => false);
    perform pg_temp.arrives('{mql,mql worked,sal,sal worked,sql,sql worked,sql accepted,returned,opportunity,customer,lost,recycled,disqualified,withdrawn,nurture,undone,mql without,sal without,deleted,forgotten,opted out later}');
    perform pg_temp.arrives('{gated}', '{"opted_out": true}');
    perform pg_temp.arrives('{sal blocked,sql fallen}', '{"country": null}');
    perform pg_temp.arrives('{sal guarded}', '{"employees": 5}');
    perform handoff.tick('2030-03-04 08:00');
    -- the same person twice: the second one joins the first
    insert into crm.lead select r.* from crm.lead l, jsonb_populate_record(l, '{"id": "duplicate"}') r where l.id = 'mql';
    insert into crm.act (lead_key, at, kind, page) values ('duplicate', '2030-03-04 08:10', 'form', '/demo');
    perform handoff.tick('2030-03-04 08:10');
    foreach lead in array '{sal,sal worked,sql,sql worked,sql accepted,returned,opportunity,customer,lost,sal blocked,sql fallen,sal guarded,undone,opted out later}'::text[] loop
        perform handoff.accept(lead, p_now => '2030-03-04 09:00');
    end loop;
    update crm.lead set country = 'DE', updated_at = '2030-03-04 10:00' where id = 'sql fallen';
    perform handoff.tick('2030-03-04 10:00');
    foreach lead in array '{sql,sql worked,sql accepted,returned,opportunity,customer,lost,sql fallen}'::text[] loop
        perform handoff.qualify(lead, p_now => '2030-03-05 09:00');
    end loop;
    perform handoff.accept('sql accepted', p_now => '2030-03-05 10:00');
    perform handoff.dispose('returned', 'not_qualified', 'no project', p_now => '2030-03-05 11:00');
    perform pg_temp.deal('opportunity');
    perform pg_temp.deal('customer', '2030-03-07', true);
    perform pg_temp.deal('lost', '2030-03-07', false);
    update crm.lead set opted_out = true, updated_at = '2030-03-06' where id = 'opted out later';
    delete from crm.lead where id = 'deleted';
    perform handoff.tick('2030-03-07');
    perform handoff.recycle('recycled', 'no_budget', p_now => '2030-03-07');
    perform handoff.disqualify('disqualified', 'bad_data', p_now => '2030-03-07');
    perform handoff.dispose('withdrawn', 'test', p_now => '2030-03-07');
    perform handoff.disqualify('undone', 'student', p_now => '2030-03-07');
    perform handoff.undispose('undone', p_now => '2030-03-07 00:30');
    perform handoff.set_stage('nurture', 'nurture', 'for the test', p_now => '2030-03-07');
    -- in a stage of sales without a handoff
    perform handoff.dispose(n, 'test', p_now => '2030-03-07') from unnest('{mql without,sal without}'::text[]) n;
    perform handoff.set_stage('mql without', 'mql', 'for the test', p_now => '2030-03-07 00:10');
    perform handoff.set_stage('sal without', 'sal', 'for the test', p_now => '2030-03-07 00:10');
    perform handoff.forget('forgotten', p_now => '2030-03-07');
    insert into crm.act (lead_key, at, kind)
    select l, timestamptz '2030-03-05' + n * interval '1 day', (array['call', 'email', 'linkedin'])[1 + n % 3]
    from unnest('{mql worked,sal worked,sql worked}'::text[]) l, generate_series(1, 10) n;
    perform handoff.tick('2030-03-15');
    -- one that falls to the last route; after that nobody has room any more: what comes then has no owner
    perform pg_temp.arrives('{blocked}', '{"updated_at": "2030-03-15", "company": null}');
    perform pg_temp.arrives('{mql fallback}', '{"updated_at": "2030-03-15", "country": "KP"}');
    perform handoff.tick('2030-03-15 08:00');
    update handoff.rep set capacity = 0;
    perform pg_temp.arrives('{mql unassigned,sal unassigned}', '{"updated_at": "2030-03-15"}');
    perform handoff.tick('2030-03-15 08:10');
    perform handoff.accept('sal unassigned', p_now => '2030-03-15 09:00');
end $$;
-- what the leads are: stage, handoffs, what holds them
create temp table plight as
select l.lead_key, l.stage, l.deleted_at is not null as deleted,
       concat_ws(' ', (select string_agg(concat_ws('/', h.leg, h.outcome, case when h.closed_at is null then coalesce(h.rep, 'nobody') end,
                                                   case when h.accepted_at is not null then 'accepted' end), ', ' order by h.handoff_no)
                       from handoff.handoff h where h.lead_key = l.lead_key), l.gate_code, l.blocked_fields::text) as is
from handoff.lead l;
select results_eq($$ select regexp_replace(lead_key, ':.*', ''), concat_ws(' ', stage, regexp_replace(p.is, 'ana|ben', 'sdr', 'g'), case when deleted then 'deleted' end) from plight p order by lead_key collate "C" $$, $$ values
    ('blocked', 'lead {company}'),
    ('customer', 'customer mql_to_sdr/next_leg/accepted, sdr_to_ae/won'),
    ('deleted', 'mql mql_to_sdr/withdrawn deleted'),
    ('disqualified', 'disqualified mql_to_sdr/disqualified'),
    ('duplicate', 'lead joined'),
    ('forgotten', 'mql mql_to_sdr/withdrawn deleted'),
    ('gated', 'lead opt_out'),
    ('lost', 'lost mql_to_sdr/next_leg/accepted, sdr_to_ae/lost'),
    ('mql', 'mql mql_to_sdr/sdr'),
    ('mql fallback', 'mql mql_to_sdr/zoe'),
    ('mql unassigned', 'mql mql_to_sdr/nobody'),
    ('mql without', 'mql mql_to_sdr/withdrawn'),
    ('mql worked', 'mql mql_to_sdr/sdr'),
    ('nurture', 'nurture mql_to_sdr/withdrawn'),
    ('opportunity', 'opportunity mql_to_sdr/next_leg/accepted, sdr_to_ae/eva'),
    ('opted out later', 'sal mql_to_sdr/sdr/accepted'),
    ('plain', 'lead '),
    ('recycled', 'recycled mql_to_sdr/recycle'),
    ('returned', 'sal mql_to_sdr/sdr/accepted, sdr_to_ae/returned'),
    ('sal', 'sal mql_to_sdr/sdr/accepted'),
    ('sal blocked', 'sal mql_to_sdr/sdr/accepted'),
    ('sal guarded', 'sal mql_to_sdr/sdr/accepted'),
    ('sal unassigned', 'sal mql_to_sdr/nobody/accepted'),
    ('sal without', 'sal mql_to_sdr/withdrawn'),
    ('sal worked', 'sal mql_to_sdr/sdr/accepted'),
    ('sql', 'sql mql_to_sdr/next_leg/accepted, sdr_to_ae/eva'),
    ('sql accepted', 'sql mql_to_sdr/next_leg/accepted, sdr_to_ae/eva/accepted'),
    ('sql fallen', 'sql mql_to_sdr/next_leg/accepted, sdr_to_ae/eva'),
    ('sql worked', 'sql mql_to_sdr/next_leg/accepted, sdr_to_ae/eva'),
    ('undone', 'sal mql_to_sdr/sdr/accepted'),
    ('withdrawn', 'disqualified mql_to_sdr/withdrawn') $$, 'leads in every stage, with and without a handoff, accepted, unassigned, gated, blocked, gone');
select is_empty($$ select s.name from handoff.stage s where not exists (select from plight p where p.stage = s.name and not p.deleted) $$, 'no stage is left out');

-- What the contract says ----------------------------------------------------------------------------

create type pg_temp.ask as (call text, outcome text, code text, note text, leg text, stage text, rep text, overrides boolean, lenient boolean);

-- a move on an event: NULL if a transition would make it
create function pg_temp.against_move(lead text, what text) returns text language plpgsql as $$
declare
    l handoff.lead;
    t handoff.transition;
begin
    select * into l from handoff.lead n where n.lead_key = lead;
    select * into t from handoff.transition n where n.contract_id = 1 and n.from_stage = l.stage and n.event = what order by n.ord limit 1;
    return case
        when t.ord is null then 'no_transition'
        when t.guard is not null and l.fields ->> 'employees' = '5' then 'criteria'
        when t.leg is not null and l.fields ->> 'opted_out' = 'true' then 'gate'
        when exists (select from handoff.stage s, unnest(s.required) f where s.contract_id = 1 and s.name = t.to_stage and l.fields ->> f is null) then 'required_fields'
    end;
end $$;
-- the first rule against a call, NULL if it is allowed
create function pg_temp.against(lead text, a pg_temp.ask) returns text language plpgsql as $$
declare
    l    handoff.lead;
    h    handoff.handoff;    -- that is open
    o    handoff.handoff;    -- that ended last
    d    handoff.disposition;
    n    int;
    calls constant int := (select count(*) from handoff.activity n where n.lead_key = lead and n.fields ->> 'kind' in ('call', 'email', 'linkedin'));
begin
    select * into l from handoff.lead n where n.lead_key = lead;
    select * into h from handoff.handoff n where n.lead_key = lead and n.closed_at is null;
    select * into o from handoff.handoff n where n.lead_key = lead and n.closed_at is not null order by n.closed_at desc, n.handoff_no desc limit 1;
    if a.call in ('accept', 'recycle', 'disqualify', 'dispose', 'override_work') then
        if a.call = 'accept' and h.lead_key is null then return 'no_open_handoff'; end if;
        if a.call = 'accept' and h.accepted_at is not null then return 'accepted_already'; end if;
        select count(*) into n from handoff.disposition x
        where x.contract_id = 1 and x.outcome <> 'lost' and x.outcome = coalesce(a.outcome, x.outcome) and x.code = coalesce(a.code, x.code)
          and coalesce(x.leg = h.leg, true);
        if n <> 1 then return case when a.code is null then 'no_code' else 'unknown_code' end; end if;
        select * into d from handoff.disposition x
        where x.contract_id = 1 and x.outcome <> 'lost' and x.outcome = coalesce(a.outcome, x.outcome) and x.code = coalesce(a.code, x.code) and coalesce(x.leg = h.leg, true);
        if h.lead_key is null and d.outcome not in ('disqualified', 'withdrawn') then return 'no_open_handoff'; end if;
        if d.needs_note and a.note is null and not a.lenient then return 'note'; end if;
        if h.lead_key is not null and d.needs_work is not null and not a.overrides and not a.lenient
           and calls < (case d.needs_work when 'looked_at' then 1 else 8 end) then return 'work'; end if;
        if d.outcome = 'accepted' then
            return case when h.accepted_at is not null then 'accepted_already'
                        when exists (select from handoff.transition x where x.contract_id = 1 and x.from_stage = l.stage and x.event = 'accepted') then pg_temp.against_move(lead, 'accepted') end;
        end if;
        return case d.outcome
            when 'reroute' then case when h.rep is null then 'no_owner' end
            when 'recycle' then pg_temp.against_move(lead, 'recycled')
            when 'returned' then pg_temp.against_move(lead, 'returned')
            else pg_temp.against_move(lead, 'disqualified') end;
    end if;
    return case a.call
        when 'qualify' then case when h.lead_key is null then 'no_open_handoff' else pg_temp.against_move(lead, 'qualified') end
        when 'hand_over' then case
            when not exists (select from handoff.leg x where x.contract_id = 1 and x.name = a.leg) then 'unknown_leg'
            when l.fields ->> 'opted_out' = 'true' then 'gate'
            when a.leg = 'mql_to_sdr' and lead = 'duplicate' then 'duplicate'
            when not exists (select from handoff.transition x where x.contract_id = 1 and x.from_stage = l.stage and x.leg = a.leg) then 'no_transition' end
        when 'set_stage' then case
            when not exists (select from handoff.stage x where x.contract_id = 1 and x.name = a.stage) then 'unknown_stage'
            when a.stage = l.stage then 'same_stage' end
        when 'reassign' then case when h.lead_key is null then 'no_open_handoff' when h.rep = a.rep then 'same_owner' end
        when 'claim' then case
            when h.lead_key is null then 'no_open_handoff' when h.rep = a.rep then 'same_owner'
            when h.rep is not null and h.route not like '%\_fallback' then 'has_owner' end
        -- all of it is longer ago than the contract lets take back
        when 'undispose' then case
            when o.lead_key is null or not exists (select from handoff.disposition x where x.contract_id = 1 and x.code = o.code and x.outcome <> 'lost') then 'not_disposed'
            when l.stage_since <> o.closed_at then 'moved_on'
            when h.lead_key is not null and o.outcome <> 'returned' then 'moved_on'
            else 'undo_window' end
    end;
end $$;

-- By the API ----------------------------------------------------------------------------------------

create temp table asked as
select p.lead_key, c.ask, c.sql, c.sqlstate
from plight p
cross join (
    select row('accept', 'accepted', null, null, null, null, null, false, false)::pg_temp.ask as ask, 'accept(%L, p_now => %L)' as sql, null as sqlstate
    union all
    select row('qualify', null, null, null, null, null, null, false, false)::pg_temp.ask, 'qualify(%L, p_now => %L)', null
    union all
    select row('undispose', null, null, null, null, null, null, false, false)::pg_temp.ask, 'undispose(%L, p_now => %L)', null
    union all
    -- every code, by every function, and without a note where it needs one; and codes that there are not
    select row(f.name, f.outcome, d.code, n.note, null, null, null, f.name = 'override_work', false)::pg_temp.ask,
           format('%s(%%L, %L, note => %L, p_now => %%L%s)', f.name, d.code, n.note, case f.name when 'override_work' then ', reason => ''it must be''' else '' end), null
    from (select code from handoff.disposition union all select 'nonsense' union all select null) d (code)
    cross join (values ('recycle', 'recycle'), ('disqualify', 'disqualified'), ('dispose', null), ('override_work', null)) f (name, outcome)
    cross join (values ('why'), (null)) n (note)
    where n.note is not null or f.name <> 'override_work' and d.code in (select code from handoff.disposition where needs_note)
    union all
    select row('hand_over', null, null, null, g.name, null, null, false, false)::pg_temp.ask, format('hand_over(%%L, %L, %L, p_now => %%L)', g.name, 'by hand'), null
    from (select name from handoff.leg union all select 'nonsense') g (name)
    union all
    select row('set_stage', null, null, null, null, s.name, null, false, false)::pg_temp.ask, format('set_stage(%%L, %L, %L, p_now => %%L)', s.name, 'by hand'), null
    from (select name from handoff.stage union all select 'nonsense') s (name)
    union all
    select row(f.name, null, null, null, null, null, r.rep, false, false)::pg_temp.ask, format('%s(%%L, %L, p_now => %%L)', f.name, r.rep), r.sqlstate
    from (values ('reassign'), ('claim')) f (name), (values ('ana', null), ('zoe', null), ('eva', null), ('old', '55000'), ('nobody', '42704')) r (rep, sqlstate)
) c;

-- makes a call, looks, and takes it back: SQLSTATE and rule, or what is broken; both NULL: it was done
create function pg_temp.try(call text, lead text, out state text, out rule text) language plpgsql as $$ begin
    execute 'select handoff.' || call;
    select 'BROKEN: ' || string_agg(concat_ws(' ', v.what, v.by_log, v.by_state), '; ') into rule from handoff.verify(lead) v;
    raise exception '%', coalesce(rule, '') using errcode = 'P0999';
exception when others then
    get stacked diagnostics state = returned_sqlstate, rule = constraint_name;
    if state = 'P0999' then
        state := null;
        rule := nullif(sqlerrm, '');
    end if;
    rule := nullif(rule, '');
end $$;
-- every table of ours, and the CRM's
create function pg_temp.digest() returns table (tab text, md5 text) language plpgsql as $$ begin
    for tab in select c.oid::regclass from pg_class c where c.relkind = 'r' and c.relnamespace in ('handoff'::regnamespace, 'crm'::regnamespace) order by 1 loop
        execute format('select md5(coalesce(string_agg(t::text, e''\n'' order by t::text), '''')) from %s t', tab) into md5;
        return next;
    end loop;
end $$;
create temp table before as select * from pg_temp.digest();
create temp table answered as
select a.lead_key, a.ask, a.sql, t.state, t.rule,
       case when p.deleted then case when a.sqlstate is null then 'LH040' else a.sqlstate end
            when a.sqlstate is not null then a.sqlstate
            when w.rule is not null then 'LH041' end as want_state,
       case when not p.deleted and a.sqlstate is null then w.rule end as want_rule
from asked a
join plight p using (lead_key)
cross join lateral (select pg_temp.against(a.lead_key, a.ask) as rule) w
cross join lateral pg_temp.try(format(a.sql, a.lead_key, '2030-03-15 12:00'), a.lead_key) t;
select is_empty($$ select lead_key, sql, state, rule, want_state, want_rule from answered where (state, rule) is distinct from (want_state, want_rule) order by 1, 2 $$,
    'every call on every lead: done, or refused by the rule that the contract has against it');
select is_empty($$ select * from pg_temp.digest() except all select * from before $$, 'refused or taken back, nothing has changed');

select results_eq($$ select count(*) filter (where want_state = 'LH041') > 1700, count(*) filter (where want_state is null) > 800 from answered $$, $$ values (true, true) $$, 'many of both');
select results_eq($$ select distinct want_rule from answered where want_rule is not null order by 1 $$, $$ values
    ('accepted_already'), ('criteria'), ('duplicate'), ('gate'), ('has_owner'), ('moved_on'), ('no_code'), ('no_open_handoff'), ('no_owner'), ('no_transition'), ('not_disposed'),
    ('note'), ('required_fields'), ('same_owner'), ('same_stage'), ('undo_window'), ('unknown_code'), ('unknown_leg'), ('unknown_stage'), ('work') $$, 'by rules of all sorts');

-- By the CRM ----------------------------------------------------------------------------------------

-- sets a status on all leads at once, looks, and takes it back
create function pg_temp.sets(value text) returns table (lead_key text, rule text, action text, taken boolean, moved boolean, broken text) language plpgsql as $$
declare
    answer jsonb;
begin
    update crm.lead set status = value, updated_at = '2030-03-15 12:00';
    perform handoff.tick('2030-03-15 12:00');
    select jsonb_agg(to_jsonb(x)) into answer from (
        with diagnosis as materialized (select d.what from handoff.doctor() d where d.severity = 'error')
        select p.lead_key, v.rule, v.action, v.taken,
               (l.stage, l.deleted_at is not null, (select string_agg(concat_ws('/', h.leg, h.outcome, h.code, h.rep, h.accepted_at), ', ' order by h.handoff_no) from handoff.handoff h where h.lead_key = p.lead_key))
               is distinct from (p.stage, p.deleted, b.handoffs) as moved,
               (select string_agg(d.what, '; ') from diagnosis d where d.what like '%"' || p.lead_key || '"%') as broken
        from plight p
        join handoff.lead l on l.lead_key = p.lead_key
        join handoffs_before b on b.lead_key = p.lead_key
        left join handoff.violation v on v.lead_key = p.lead_key and v.at = '2030-03-15 12:00'
    ) x;
    if exists (select from handoff.verify()) then
        raise exception 'status % does not fold', value;
    end if;
    raise exception '%', answer using errcode = 'P0999';
exception when sqlstate 'P0999' then
    return query select x.* from jsonb_to_recordset(sqlerrm::jsonb) x (lead_key text, rule text, action text, taken boolean, moved boolean, broken text);
end $$;
create temp table handoffs_before as
select p.lead_key, (select string_agg(concat_ws('/', h.leg, h.outcome, h.code, h.rep, h.accepted_at), ', ' order by h.handoff_no) from handoff.handoff h where h.lead_key = p.lead_key) as handoffs
from plight p;
create temp table set_in_crm as
select s.code, s.value, x.*,
       -- the lead is where it is by that disposition, the status only says so
       (select h.code = s.code and h.closed_at = l.stage_since from handoff.handoff h join handoff.lead l using (lead_key)
        where h.lead_key = x.lead_key and h.closed_at is not null order by h.closed_at desc, h.handoff_no desc limit 1) is true as is_so,
       case when not p.deleted then pg_temp.against(x.lead_key, strict.ask) end as want_rule,
       case when not p.deleted then pg_temp.against(x.lead_key, lenient.ask) end as want_rule_leniently,
       coalesce(d.on_violation, 'record') as want_action
from handoff.crm_status s
cross join lateral (
    select row(case when s.qualifies then 'qualify' else 'dispose' end, null, s.code, null, null, null, null, false, false)::pg_temp.ask as ask) strict
cross join lateral (
    select row(case when s.qualifies then 'qualify' else 'dispose' end, null, s.code, null, null, null, null, false, true)::pg_temp.ask as ask) lenient
left join handoff.disposition d on d.contract_id = 1 and d.code = s.code
cross join lateral pg_temp.sets(s.value) x
join plight p on p.lead_key = x.lead_key
where s.contract_id = 1;
select is_empty($$
    select lead_key, value, rule, want_rule, moved from set_in_crm
    where rule is distinct from case when not is_so then nullif(want_rule, 'accepted_already') end
       or broken is not null
$$, 'every status on every lead: no error, and a violation by the same rule');
select is_empty($$
    select lead_key, value, rule, action, taken, want_action from set_in_crm
    where rule is not null and (action, taken) is distinct from (want_action, want_action = 'record' and want_rule_leniently is null)
$$, 'which is recorded, held or reverted, and taken only where all it lacks is a note or work');
select is_empty($$
    select lead_key, value, rule, action, taken, moved from set_in_crm
    where moved is distinct from case when is_so then false when want_rule is null then lead_key in (select p.lead_key from plight p where not p.deleted) else coalesce(taken, false) end
$$, 'what is not taken moves nothing, what is taken does');
select results_eq($$ select count(rule) > 200, count(*) filter (where taken) > 15, count(*) filter (where action = 'hold') > 50, count(*) filter (where action = 'revert') > 30, count(*) filter (where moved and rule is null) > 150 from set_in_crm $$,
    $$ values (true, true, true, true, true) $$, 'many of all kinds');
select is_empty($$ select * from pg_temp.digest() except all select * from before $$, 'all of it is taken back');
select is_empty($$ select invariant, what from handoff.doctor() where severity = 'error' $$, 'no invariant is broken');

select * from finish();
rollback;
