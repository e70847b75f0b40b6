-- bench/r2.sql: :rows leads that name no account are matched to :rows accounts by the drain; beside it the same leads
-- when the CRM names their accounts, and a hash join in plain SQL that knows exact domains and names. One round.

\if :first
do $$ begin
    perform handoff.import(jsonb_build_object('format', 1, 'contract', jsonb_build_object('reporting_zone', 'UTC'),
        'field', (select jsonb_agg(jsonb_build_object('of', o, 'name', f, 'type', 'text'))
                  from unnest(array['lead', 'account']) o, unnest(array['website', 'phone', 'postal_code', 'company']) f
                  where (o, f) <> ('account', 'company')),
        'stage', jsonb_build_array(jsonb_build_object('name', 'lead', 'position', 1, 'is_default', true, 'is_terminal', true))));
    perform handoff.publish();
end $$;
create table bench.company (id text primary key, name text, domain text, postal_code text, owner text);
create table bench.person (id text primary key, email text, company text, postal_code text, account_id text);
-- every tenth account has the domain of the one before it; names are of three parts and a legal form
create function bench.company_name(g bigint) returns text language sql immutable
return initcap(substr(md5('a' || g), 1, 6)) || ' ' || (array['Systems', 'Foods', 'Logistics', 'Energy', 'Media', 'Labs'])[1 + bench.pick(g, 201, 6)] || ' ' || substr(md5('b' || g), 1, 4);
create unlogged table bench.companies as
select 'A' || g as id, bench.company_name(g) || (array[' Inc.', ' GmbH', ' Ltd', ', LLC', ' S.A.'])[1 + bench.pick(g, 202, 5)] as name,
       'https://www.company' || case when g % 10 = 0 then g - 1 else g end || '.com/' as domain, (10000 + bench.pick(g, 203, 40000))::text as postal_code,
       case when g % 2 = 0 then 'U' || g end as owner
from generate_series(1, :rows) g;
-- half of the leads have an address at their company; three in ten the company's name, a third of these misspelt; the others nothing
create unlogged table bench.persons as
select 'L' || p.g as id, 'p' || p.g || '@' || case when p.g % 10 < 5 then 'mail.company' || p.c || '.com' else 'gmail.com' end as email,
       case when p.g % 10 in (5, 6) then upper(bench.company_name(p.c)) || ' corp'
            when p.g % 10 = 7 then replace(bench.company_name(p.c), ' ', ' x')
            when p.g % 10 > 7 then 'Nobody ' || p.g end as company,
       (10000 + bench.pick(p.c, 203, 40000))::text as postal_code, 'A' || p.c as account_id
from (select g, 1 + bench.pick(g, 204, :rows) as c from generate_series(1, :rows) g) p;
create unlogged table bench.joined (id text, account_id text);
vacuum analyze bench.companies, bench.persons;
select handoff.attach('bench.person', 'lead', since => '-infinity'), handoff.attach('bench.company', 'account');
\endif
set lead_handoff.inline_limit = 0;

truncate bench.company, bench.person, bench.joined;
truncate handoff.inbox, handoff.wake, handoff.lead, handoff.event, handoff.stage_history, handoff.clock, handoff.account, handoff.account_match_key;
insert into bench.company select * from bench.companies;
checkpoint;
call bench.start();
call bench.tick_all();
call bench.stop('r2 accounts');
vacuum analyze handoff.account, handoff.account_match_key;

insert into bench.person select * from bench.persons;
checkpoint;
call bench.start();
call bench.tick_all();
call bench.stop('r2 named');

truncate bench.person;
truncate handoff.inbox, handoff.wake, handoff.lead, handoff.event, handoff.stage_history, handoff.clock;
insert into bench.person select id, email, company, postal_code, null from bench.persons;
checkpoint;
call bench.start();
call bench.tick_all();
call bench.stop('r2 matched');

checkpoint;
call bench.start();
insert into bench.joined
select p.id, coalesce(min(d.id), min(n.id))
from bench.persons p
left join bench.companies d on 'https://www.' || replace(split_part(p.email, '@', 2), 'mail.', '') || '/' = d.domain
left join bench.companies n on lower(p.company) = lower(n.name)
group by p.id;
call bench.stop('r2 join');

truncate bench.joined;
checkpoint;
call bench.start();
with company as materialized (
    select id, handoff.registrable_domain(domain) as domain, handoff.company_name_key(name) as name from bench.companies
), person as materialized (
    select id, handoff.registrable_domain(email) as domain, handoff.company_name_key(company) as name from bench.persons
)
insert into bench.joined
select p.id, coalesce(min(d.id), min(n.id))
from person p
left join company d on d.domain = p.domain
left join company n on n.name = p.name
group by p.id;
call bench.stop('r2 join of keys');
