-- Source: what a CRM sends, in any order and late. The same facts, delivered one sync after another in
-- every order, end in the same state; and an opportunity marks the handoffs that led to it.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.add_rep('ana', 'Ana', 'sdr');
    perform handoff.add_rep('eva', 'Eva', 'ae');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.publish();
end $$;
set local timezone = 'UTC';

create schema crm;
create table crm."Lead" (
    "Id" text primary key, "Email" text, "Company" text, "Country" text, "Industry" text, "Title" text, "NumberOfEmployees" int,
    "ConvertedContactId" text, "ConvertedOpportunityId" text, "SystemModstamp" timestamptz
);
create table crm."Task" ("Id" text primary key, "WhoId" text, "Type" text, "Page" text, "CompletedDateTime" timestamptz);
create table crm."Opportunity" ("Id" text primary key, "CreatedDate" timestamptz, "CloseDate" timestamptz, "IsWon" boolean, "IsClosed" boolean, "Amount" numeric);
create table crm."OpportunityContactRole" ("Id" text primary key, "OpportunityId" text, "ContactId" text);
do $$ begin
    perform handoff.attach('crm."Lead"', 'lead', since => '-infinity', delete_grace => '0');
    perform handoff.attach('crm."Task"', 'activity', since => '-infinity', delete_grace => '0');
    perform handoff.attach('crm."Opportunity"', 'opportunity', since => '-infinity', delete_grace => '0');
    perform handoff.attach('crm."OpportunityContactRole"', 'link', since => '-infinity', delete_grace => '0');
end $$;

create function pg_temp.broken() returns setof text language sql as $$
    select d.invariant || ' ' || d.what from handoff.doctor() d where d.severity = 'error'
    union all
    select concat_ws(' ', v.lead_key, v.what, v.by_log, v.by_state) from handoff.verify() v
$$;
create function pg_temp.lead(key text, at timestamptz) returns void language sql as $$
    insert into crm."Lead" values (key, key || '@acme.de', 'Acme', 'DE', 'Software', 'CEO', 500, null, null, at)
$$;
-- a lead that is with an AE since a day
create function pg_temp.sql(key text, at timestamptz) returns void language plpgsql as $$ begin
    perform pg_temp.lead(key, at);
    insert into crm."Task" values (key || ' demo', key, 'form', '/demo', at);
    perform handoff.tick(at);
    perform handoff.accept(key, p_now => at + interval '1 hour');
    perform handoff.qualify(key, p_now => at + interval '1 day');
end $$;

-- Every order ---------------------------------------------------------------------------------------

-- the facts about a lead, each with the statement by which a sync delivers it; # is the lead
create temp table fact (part text, name text, sql text);
insert into fact values
    -- nothing is known of the lead yet
    ('new', 'lead', $$select pg_temp.lead('#', '2026-03-02 08:00')$$),
    ('new', 'demo', $$insert into crm."Task" values ('# form', '#', 'form', '/demo', '2026-03-02 08:30')$$),
    ('new', 'call', $$insert into crm."Task" values ('# call', 'contact of #', 'call', null, '2026-03-02 09:00')$$),
    ('new', 'conversion', $$update crm."Lead" set "ConvertedContactId" = 'contact of #', "SystemModstamp" = '2026-03-02 09:00' where "Id" = '#'$$),
    ('new', 'opportunity', $$insert into crm."Opportunity" values ('deal of #', '2026-03-02 09:00', null, false, false, 1000)$$),
    ('new', 'role', $$insert into crm."OpportunityContactRole" values ('role of #', 'deal of #', 'contact of #')$$),
    -- it is with an AE, who has converted it
    ('sold', 'conversion', $$update crm."Lead" set "ConvertedContactId" = 'contact of #', "ConvertedOpportunityId" = 'deal of #',
                                    "SystemModstamp" = '2026-03-05' where "Id" = '#'$$),
    ('sold', 'call', $$insert into crm."Task" values ('# call', 'contact of #', 'call', null, '2026-03-04')$$),
    ('sold', 'role', $$insert into crm."OpportunityContactRole" values ('role of #', 'deal of #', 'contact of #')$$),
    ('sold', 'opportunity', $$insert into crm."Opportunity" values ('deal of #', '2026-03-05', '2026-03-06', true, true, 1000)$$);
create temp table delivery as
with recursive p (part, names) as (
    select distinct part, '{}'::text[] from fact
    union all
    select p.part, p.names || f.name from p join fact f on f.part = p.part and f.name <> all (p.names)
)
select part, array_to_string(names, ', ') as lead, names from p
where cardinality(names) = (select count(*) from fact f where f.part = p.part)
  -- an update finds its row
  and (part = 'sold' or array_position(names, 'lead') < array_position(names, 'conversion'));
select is((select count(*) from delivery), 360 + 24::bigint, 'every order');
do $$
declare
    step record;
begin
    perform pg_temp.sql('sold: ' || lead, '2026-03-02') from delivery where part = 'sold';
    for turn in 1 .. 6 loop
        for step in
            select replace(f.sql, '#', d.part || ': ' || d.lead) as sql
            from delivery d join fact f on f.part = d.part and f.name = d.names[turn]
        loop
            execute step.sql;
        end loop;
        perform handoff.tick('2026-03-06 10:00');
    end loop;
end $$;
select is_empty('select * from handoff.inbox', 'nothing waits');
create temp table ending as
select d.part, d.lead, l.stage, l.cycle, l.signals,
       (select jsonb_agg(to_jsonb(h) - 'lead_key' order by handoff_no) from handoff.handoff h where h.lead_key = l.lead_key) as handoffs,
       (select array_agg(replace(k.opportunity_key || ' ' || k.link_kind, l.lead_key, '#') order by k.link_kind) from handoff.opportunity_link k where k.lead_key = l.lead_key) as links,
       (select array_agg(replace(a.activity_key, l.lead_key, '#') order by a.activity_key) from handoff.activity a where a.lead_key = l.lead_key) as activities
from delivery d join handoff.lead l on l.lead_key = d.part || ': ' || d.lead;
select is((select count(*) from ending), 384::bigint, 'all are leads');
select is_empty($$
    select part, count(*), min(lead), max(lead) from (
        -- all but the trigger: which fact qualified the lead does depend on what came when
        select part, min(lead) as lead from ending group by part, stage, cycle, signals, links, activities,
            jsonb_path_query_array(handoffs, '$[*].opportunity_at'), jsonb_path_query_array(handoffs, '$[*].won_at'),
            jsonb_path_query_array(handoffs, '$[*].touches'), jsonb_path_query_array(handoffs, '$[*].first_touch_at'),
            jsonb_path_query_array(handoffs, '$[*].outcome')) v
    group by part having count(*) > 1
$$, 'and all orders end the same');
select results_eq($$
    select distinct part, stage, links, activities, jsonb_path_query_array(handoffs, '$[*].opportunity_at'), jsonb_path_query_array(handoffs, '$[*].won_at')
    from ending order by 1
$$, $$ values
    ('new', 'mql', '{deal of # contact_role}'::text[], '{# call,# form}'::text[], '["2026-03-02T09:00:00+00:00"]'::jsonb, '[null]'::jsonb),
    ('sold', 'customer', '{deal of # contact_role,deal of # converted}', '{# call,# demo}',
     '["2026-03-05T00:00:00+00:00", "2026-03-05T00:00:00+00:00"]', '["2026-03-06T00:00:00+00:00", "2026-03-06T00:00:00+00:00"]')
$$, 'in what the facts say');
select is_empty('select pg_temp.broken()', 'all is well');

-- Milestones ----------------------------------------------------------------------------------------

-- stage, and for each handoff when its opportunity was made, won, lost
create function pg_temp.marks(lead text) returns text language sql as $$
    select concat_ws(', ', l.stage,
        (select string_agg(concat_ws(' ', h.handoff_no, 'made ' || to_char(h.opportunity_at, 'MM-DD'), 'won ' || to_char(h.won_at, 'MM-DD'),
                                     'lost ' || to_char(h.lost_at, 'MM-DD')), ', ' order by h.handoff_no)
         from handoff.handoff h where h.lead_key = l.lead_key),
        (select 'BROKEN: ' || string_agg(concat_ws(' ', v.what, v.by_log, v.by_state), '; ') from handoff.verify(lead) v))
    from handoff.lead l where l.lead_key = lead
$$;
create function pg_temp.then(at timestamptz, lead text, want text, what text) returns text language plpgsql as $$ begin
    perform handoff.tick(at);
    return is(pg_temp.marks(lead), want, lead || ': ' || what);
end $$;
create function pg_temp.deal(key text, lead text, made timestamptz, closed timestamptz default null, won boolean default null) returns void language sql as $$
    insert into crm."Opportunity" values (key, made, closed, won, closed is not null, 100)
    on conflict ("Id") do update set "CloseDate" = excluded."CloseDate", "IsWon" = excluded."IsWon", "IsClosed" = excluded."IsClosed";
    insert into crm."OpportunityContactRole" values (key || '/' || lead, key, lead) on conflict do nothing
$$;

-- won after lost, reopened, deleted
do $$ begin
    perform pg_temp.sql('a', '2026-03-02');
    perform pg_temp.deal('a1', 'a', '2026-03-05');
end $$;
select pg_temp.then('2026-03-05', 'a', 'opportunity, 1 made 03-05, 2 made 03-05', 'what the SDR handed on became it too');
do $$ begin perform pg_temp.deal('a1', 'a', '2026-03-05', '2026-03-10', false); end $$;
select pg_temp.then('2026-03-10', 'a', 'lost, 1 made 03-05 lost 03-10, 2 made 03-05 lost 03-10', 'lost');
do $$ begin perform pg_temp.deal('a1', 'a', '2026-03-05'); end $$;
select pg_temp.then('2026-03-11', 'a', 'opportunity, 1 made 03-05, 2 made 03-05', 'reopened');
do $$ begin perform pg_temp.deal('a1', 'a', '2026-03-05', '2026-03-20', true); end $$;
select pg_temp.then('2026-03-20', 'a', 'customer, 1 made 03-05 won 03-20, 2 made 03-05 won 03-20', 'and won');
delete from crm."Opportunity" where "Id" = 'a1';
select pg_temp.then('2026-03-21', 'a', 'customer, 1, 2', 'deleted: what has happened to the lead stays');
do $$ begin perform pg_temp.deal('a1', 'a', '2026-03-05', '2026-03-20', true); end $$;
select pg_temp.then('2026-03-22', 'a', 'customer, 1 made 03-05 won 03-20, 2 made 03-05 won 03-20', 'and back');
delete from crm."OpportunityContactRole" where "Id" = 'a1/a';
select pg_temp.then('2026-03-23', 'a', 'customer, 1, 2', 'its link deleted');

-- two at once: while one is open nothing is lost; one won is enough
do $$ begin
    perform pg_temp.sql('b', '2026-03-02');
    perform pg_temp.deal('b1', 'b', '2026-03-05');
    perform pg_temp.deal('b2', 'b', '2026-03-06');
    perform handoff.tick('2026-03-06');
    perform pg_temp.deal('b1', 'b', '2026-03-05', '2026-03-10', false);
end $$;
select pg_temp.then('2026-03-10', 'b', 'opportunity, 1 made 03-05, 2 made 03-05', 'one of two is lost');
do $$ begin perform pg_temp.deal('b2', 'b', '2026-03-06', '2026-03-12', true); end $$;
select pg_temp.then('2026-03-12', 'b', 'customer, 1 made 03-05 won 03-12, 2 made 03-05 won 03-12', 'the other is won');

-- two leads, one opportunity
do $$ begin
    perform pg_temp.sql('c', '2026-03-02');
    perform pg_temp.sql('d', '2026-03-02');
    perform pg_temp.deal('cd', 'c', '2026-03-05');
    perform pg_temp.deal('cd', 'd', '2026-03-05');
end $$;
select pg_temp.then('2026-03-05', 'c', 'opportunity, 1 made 03-05, 2 made 03-05', 'one of two people');
select is(pg_temp.marks('d'), 'opportunity, 1 made 03-05, 2 made 03-05', 'd: and the other');
update crm."OpportunityContactRole" set "ContactId" = 'e' where "Id" = 'cd/d';
select pg_temp.then('2026-03-06', 'd', 'opportunity, 1, 2', 'his role is given to somebody whom nobody knows');
do $$ begin perform pg_temp.lead('e', '2026-03-07'); insert into crm."Task" values ('e demo', 'e', 'form', '/demo', '2026-03-07'); end $$;
select pg_temp.then('2026-03-07', 'e', 'mql, 1 made 03-05', 'until he comes: made before, so the first handoff''s');

-- the SDR makes it just before the AE gets the lead
do $$ begin
    perform pg_temp.lead('f', '2026-03-02');
    insert into crm."Task" values ('f demo', 'f', 'form', '/demo', '2026-03-02');
    perform handoff.tick('2026-03-02');
    perform handoff.accept('f', p_now => '2026-03-02 01:00');
    perform pg_temp.deal('f1', 'f', '2026-03-03');
end $$;
select pg_temp.then('2026-03-03', 'f', 'sal, 1 made 03-03', 'made by the SDR: the contract knows no way yet');
select is(handoff.qualify('f', p_now => '2026-03-04'), 'opportunity', 'f: qualified, it moves on at once');
select is(pg_temp.marks('f'), 'opportunity, 1 made 03-03, 2', 'f: it stays the SDR''s');
do $$ begin perform pg_temp.deal('f1', 'f', '2026-03-03', '2026-03-09', true); end $$;
select pg_temp.then('2026-03-09', 'f', 'customer, 1 made 03-03 won 03-09, 2', 'won');

-- lost before the AE got the lead: nothing to do with him
do $$ begin
    perform pg_temp.lead('g', '2026-03-02');
    insert into crm."Task" values ('g demo', 'g', 'form', '/demo', '2026-03-02');
    perform handoff.tick('2026-03-02');
    perform handoff.accept('g', p_now => '2026-03-02 01:00');
    perform pg_temp.deal('g1', 'g', '2026-03-03', '2026-03-04', false);
    perform handoff.tick('2026-03-04');
end $$;
select is(handoff.qualify('g', p_now => '2026-03-05'), 'sql', 'g: an old loss stays where it was');
select is(pg_temp.marks('g'), 'sql, 1 made 03-03 lost 03-04, 2', 'g: it stays the SDR''s');

-- late, after a recycle: of the cycle in which it was made
do $$ begin
    perform pg_temp.sql('h', '2026-03-02');
    perform handoff.recycle('h', 'no_budget', p_now => '2026-03-10');
    insert into crm."Task" values ('h again', 'h', 'form', '/demo', '2026-04-01');
    perform handoff.tick('2026-04-01');
    perform pg_temp.deal('h1', 'h', '2026-03-08');
end $$;
select pg_temp.then('2026-04-02', 'h', 'mql, 1 made 03-08, 2 made 03-08, 3', 'one of the first cycle, told late');
do $$ begin perform pg_temp.deal('h1', 'h', '2026-03-08', '2026-04-03', true); perform pg_temp.deal('h2', 'h', '2026-04-02'); end $$;
select pg_temp.then('2026-04-03', 'h', 'mql, 1 made 03-08 won 04-03, 2 made 03-08 won 04-03, 3 made 04-02', 'and one of the second');
do $$ begin perform pg_temp.deal('h3', 'h', '2026-03-20'); end $$;
select pg_temp.then('2026-04-04', 'h', 'mql, 1 made 03-08 won 04-03, 2 made 03-08 won 04-03, 3 made 04-02', 'made while nobody had it: the last handoff before');

-- the AE returns it: the next AE's handoff, and the SDR's
do $$ begin
    perform pg_temp.sql('i', '2026-03-02');
    perform handoff.dispose('i', 'not_qualified', 'no project', p_now => '2026-03-04');
    perform handoff.qualify('i', p_now => '2026-03-06');
    perform pg_temp.deal('i1', 'i', '2026-03-07');
end $$;
select pg_temp.then('2026-03-07', 'i', 'opportunity, 1 made 03-07, 2, 3 made 03-07', 'not the one that was returned');
do $$ begin perform pg_temp.deal('i1', 'i', '2026-03-07', '2026-03-08', false); end $$;
select pg_temp.then('2026-03-08', 'i', 'lost, 1 made 03-07 lost 03-08, 2, 3 made 03-07 lost 03-08', 'lost');

-- the lead's own row names it; another one instead; a role for the same counts once
do $$ begin
    perform pg_temp.sql('j', '2026-03-02');
    update crm."Lead" set "ConvertedOpportunityId" = 'j1', "SystemModstamp" = '2026-03-05' where "Id" = 'j';
    perform handoff.tick('2026-03-05');
    insert into crm."Opportunity" values ('j1', '2026-03-05'), ('j2', '2026-03-06');
end $$;
select pg_temp.then('2026-03-06', 'j', 'opportunity, 1 made 03-05, 2 made 03-05', 'converted');
update crm."Lead" set "ConvertedOpportunityId" = 'j2', "SystemModstamp" = '2026-03-07' where "Id" = 'j';
select pg_temp.then('2026-03-07', 'j', 'opportunity, 1 made 03-06, 2 made 03-06', 'converted to another one');
insert into crm."OpportunityContactRole" values ('j role', 'j2', 'j');
select pg_temp.then('2026-03-08', 'j', 'opportunity, 1 made 03-06, 2 made 03-06', 'and with a role too');
select is((select count(*) from handoff.opportunity_link where lead_key = 'j'), 2::bigint, 'j: two ways to know it');
delete from crm."OpportunityContactRole" where "Id" = 'j role';
select pg_temp.then('2026-03-09', 'j', 'opportunity, 1 made 03-06, 2 made 03-06', 'without the role it is still converted');
update crm."Lead" set "ConvertedOpportunityId" = null, "SystemModstamp" = '2026-03-10' where "Id" = 'j';
select pg_temp.then('2026-03-10', 'j', 'opportunity, 1, 2', 'the conversion taken back');

select is_empty('select pg_temp.broken()', 'all is well in the end');

select * from finish();
rollback;
