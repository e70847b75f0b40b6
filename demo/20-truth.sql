-- demo/20-truth.sql: who the leads are and what they will do, before anybody scores them.
--
-- Nothing here knows lead_handoff. These tables are the generator's own truth: a figure that the
-- extension computes can be checked against them with plain SQL.
--
-- Chance comes from hashes of a purpose and a key, never from random(): the same leads whatever the
-- plan, the session or the order of rows. Set demo.leads (psql: SET demo.leads = 2000) before this
-- file for another number than 20,000.

create schema demo;
comment on schema demo is 'Demo: the generator of the feed, and its truth.';

create table demo.setting (
    id        boolean primary key default true check (id),
    leads     int not null,
    first_day date not null,
    last_day  date not null
);
insert into demo.setting
values (true, coalesce(nullif(current_setting('demo.leads', true), '')::int, 20000), '2026-01-01', '2026-06-30');
comment on table demo.setting is 'Demo: how many leads, and the six months in which they come.';

create function demo.chance(purpose text, key bigint) returns double precision
    language sql immutable parallel safe
return (pg_catalog.hashint8extended(key, pg_catalog.hashtextextended(purpose, 2026)) & 9007199254740991)
       / 9007199254740992.0::double precision;
comment on function demo.chance(text, bigint) is 'A number from 0 up to 1 that depends on nothing but its arguments.';

create function demo.id18(prefix text, number bigint) returns text
    language sql immutable parallel safe
return prefix || '5e' || pg_catalog.lpad(number::text, 10, '0') || 'AAA';
comment on function demo.id18(text, bigint) is 'A record key that looks like Salesforce''s, of a number of up to ten digits: 00Q5e0000001234AAA.';

create function demo.clock_time(u double precision) returns interval
    language sql immutable parallel safe
return case
    when u < 0.06 then u / 0.06 * interval '6 hours'
    when u < 0.14 then interval '6 hours' + (u - 0.06) / 0.08 * interval '3 hours'
    when u < 0.48 then interval '9 hours' + (u - 0.14) / 0.34 * interval '3 hours'
    when u < 0.84 then interval '12 hours' + (u - 0.48) / 0.36 * interval '6 hours'
    else interval '18 hours' + (u - 0.84) / 0.16 * interval '6 hours'
end;
comment on function demo.clock_time(double precision) is 'Time of day at which people use the web: mostly office hours, evenings and nights too.';

-- Lists to choose from -----------------------------------------------------------------------------

create table demo.choice (
    list   text not null,
    value  text not null,
    weight double precision not null,
    note   text,
    primary key (list, value)
);
comment on table demo.choice is 'Demo: lists to choose from.';

insert into demo.choice (list, value, weight, note) values
    -- note: how likely a buyer comes from it, against the average
    ('source', 'Website', 0.28, '1.5'),
    ('source', 'Paid Search', 0.18, '0.8'),
    ('source', 'Webinar', 0.14, '1.1'),
    ('source', 'Content', 0.17, '0.6'),
    ('source', 'Event', 0.08, '1.0'),
    ('source', 'Referral', 0.05, '2.5'),
    ('source', 'Purchased List', 0.10, '0.2'),
    ('country', 'Germany', 0.40, 'Europe/Berlin'),
    ('country', 'Austria', 0.07, 'Europe/Vienna'),
    ('country', 'Switzerland', 0.08, 'Europe/Zurich'),
    ('country', 'United Kingdom', 0.12, 'Europe/London'),
    ('country', 'France', 0.09, 'Europe/Paris'),
    ('country', 'Netherlands', 0.06, 'Europe/Amsterdam'),
    ('country', 'United States', 0.16, 'America/New_York'),
    ('country', 'Russia', 0.02, 'Europe/Moscow'),
    ('industry', 'Software', 0.16, null),
    ('industry', 'Technology', 0.08, null),
    ('industry', 'Financial Services', 0.08, null),
    ('industry', 'Telecommunications', 0.04, null),
    ('industry', 'Manufacturing', 0.17, null),
    ('industry', 'Healthcare', 0.08, null),
    ('industry', 'Consulting', 0.09, null),
    ('industry', 'Media', 0.06, null),
    ('industry', 'Retail', 0.12, null),
    ('industry', 'Education', 0.07, null),
    ('industry', 'Construction', 0.05, null),
    -- note: least and most employees
    ('size', 'enterprise', 0.08, '1000-20000'),
    ('size', 'mid', 0.22, '200-999'),
    ('size', 'small', 0.45, '20-199'),
    ('size', 'micro', 0.25, '1-19'),
    -- note: seniority and department
    ('title', 'Chief Revenue Officer', 0.03, 'C-Level/Sales'),
    ('title', 'Founder', 0.05, 'C-Level/Management'),
    ('title', 'VP Marketing', 0.05, 'VP/Marketing'),
    ('title', 'Head of Sales Operations', 0.06, 'Director/Operations'),
    ('title', 'Sales Director', 0.07, 'Director/Sales'),
    ('title', 'Marketing Manager', 0.18, 'Manager/Marketing'),
    ('title', 'Operations Manager', 0.12, 'Manager/Operations'),
    ('title', 'IT Manager', 0.10, 'Manager/IT'),
    ('title', 'Software Engineer', 0.12, 'Staff/IT'),
    ('title', 'Marketing Specialist', 0.12, 'Staff/Marketing'),
    ('title', 'Assistant', 0.06, 'Staff/Administration'),
    ('title', 'Freelance Consultant', 0.04, 'Staff/Consulting'),
    ('free_mail', 'gmail.com', 0.6, null),
    ('free_mail', 'gmx.de', 0.25, null),
    ('free_mail', 'outlook.com', 0.15, null);

insert into demo.choice (list, value, weight)
select list, value, 1
from (values
    ('first_name', 'Anna Ben Clara David Elena Felix Greta Hugo Ines Jonas Katrin Lukas Mara Nils Olga Paul Rosa Simon Tina Victor'),
    ('last_name', 'Adler Bauer Conrad Dietz Ebert Fischer Graf Huber Iversen Jung Keller Lang Moser Neumann Otto Pohl Richter Schmid Thaler Vogel Weber Ziegler'),
    ('company_word', 'Alpen Nord Hansa Rhein Isar Delta Terra Nova Orbit Vertex Lumen Cobalt Harbor Summit Cedar Falcon Quartz Aurora Meridian Pioneer'),
    ('company_kind', 'Systems Logistics Software Labs Werke Media Consulting Energy Foods Networks Textil Data Bau Health Capital')
) l (list, words), string_to_table(words, ' ') v (value);

-- days on which leads are created: few on weekends, more every month
insert into demo.choice (list, value, weight)
select 'day', (s.first_day + n)::text,
       case extract(isodow from s.first_day + n) when 6 then 0.25 when 7 then 0.2 else 1 end
       * (1 + 0.4 * n / (s.last_day - s.first_day))
from demo.setting s
cross join lateral generate_series(0, s.last_day - s.first_day) n;

create table demo.list (
    list   text primary key,
    bounds double precision[] not null,
    value  text[] not null,
    note   text[] not null
);
comment on table demo.list is 'Demo: the lists, ready to choose from: a number from 0 up to 1 falls between two bounds.';
insert into demo.list
select list, (array_agg(hi order by value collate "C"))[:count(*)::int - 1],
       array_agg(value order by value collate "C"), array_agg(note order by value collate "C")
from (select list, value, note,
             sum(weight) over (partition by list order by value collate "C") / sum(weight) over (partition by list) as hi
      from demo.choice) c
group by list;
analyze demo.list;

create function demo.pick(from_list text, u double precision) returns text
    language sql stable parallel safe
return (select l.value[1 + pg_catalog.width_bucket(u, l.bounds)] from demo.list l where l.list = from_list);
comment on function demo.pick(text, double precision) is 'The value of a list that a number from 0 up to 1 chooses, as often as its weight says.';

create function demo.pick_note(from_list text, u double precision) returns text
    language sql stable parallel safe
return (select l.note[1 + pg_catalog.width_bucket(u, l.bounds)] from demo.list l where l.list = from_list);
comment on function demo.pick_note(text, double precision) is 'The note of the value that demo.pick() would choose.';

-- Companies ----------------------------------------------------------------------------------------

create table demo.company (
    company_no int primary key,
    name       text not null,
    domain     text not null,
    industry   text not null,
    size       text not null,
    employees  bigint not null,
    revenue    numeric not null,
    country    text not null,
    zone       text not null,
    account_id text not null,
    is_known   boolean not null,
    is_customer boolean not null
);
comment on table demo.company is 'Demo: companies that leads work for.';
insert into demo.company
select n,
       format('%s %s %s', w.word, w.kind, n),
       format('%s-%s-%s.example', lower(w.word), lower(w.kind), n),
       demo.pick('industry', demo.chance('industry', n)),
       w.size,
       e.employees,
       round((e.employees * (60 + 190 * demo.chance('revenue', n)))::numeric) * 1000,
       demo.pick('country', demo.chance('country', n)),
       demo.pick_note('country', demo.chance('country', n)),
       demo.id18('001', n),
       demo.chance('known', n) < 0.3,
       demo.chance('known', n) < 0.03
from demo.setting s
cross join lateral generate_series(1, s.leads / 3 + 1) n
cross join lateral (
    select demo.pick('company_word', demo.chance('word', n)) as word,
           demo.pick('company_kind', demo.chance('kind', n)) as kind,
           demo.pick('size', demo.chance('size', n)) as size,
           string_to_array(demo.pick_note('size', demo.chance('size', n)), '-')::int[] as range
) w
cross join lateral (
    select w.range[1] + floor((w.range[2] - w.range[1] + 1) * power(demo.chance('employees', n), 2))::bigint as employees
) e;
analyze demo.company;

-- Leads --------------------------------------------------------------------------------------------

create table demo.lead (
    lead_no      int primary key,
    lead_key     text not null unique,
    company_no   int not null,
    source       text not null,
    created_at   timestamptz not null,
    zone         text not null,
    first_name   text not null,
    last_name    text not null,
    email        text not null,
    title        text not null,
    seniority    text not null,
    department   text not null,
    interest     text not null,
    visits       int not null,
    lacks        text,
    corrected_at timestamptz,
    opted_out_at timestamptz,
    deleted_at   timestamptz,
    is_test      boolean not null
);
comment on table demo.lead is 'Demo: the truth about each lead, which neither CRM nor contract knows.';
comment on column demo.lead.interest is 'What sales would find out: buyer, later, no_budget, silent, wrong, student, competitor, fake.';
comment on column demo.lead.visits is 'How often it uses the web, the first time included.';
comment on column demo.lead.lacks is 'Column that is empty or wrong when the lead is created: company, country, email, employees.';
comment on column demo.lead.corrected_at is 'When that is put right; NULL: never.';
comment on column demo.lead.is_test is 'Test record or own staff.';

insert into demo.lead
select n,
       demo.id18('00Q', n),
       c.company_no,
       p.source,
       p.created_at,
       c.zone,
       p.first_name,
       p.last_name,
       case
           when p.is_test then format('%s.%s@ourselves.example', lower(p.first_name), n)
           else format('%s.%s%s@%s', lower(p.first_name), lower(p.last_name), n,
                       case when demo.chance('free', n) < case c.size when 'micro' then 0.5 when 'small' then 0.15 else 0.04 end
                            then demo.pick('free_mail', demo.chance('free_mail', n)) else c.domain end)
       end,
       case i.interest when 'student' then 'Student' else demo.pick('title', demo.chance('title', n)) end,
       case i.interest when 'student' then 'Student' else split_part(p.post, '/', 1) end,
       split_part(p.post, '/', 2),
       i.interest,
       case when p.source = 'Purchased List' and demo.chance('opens', n) < 0.8 then 0
            else least(15, 1 + floor(-ln(1 - demo.chance('visits', n)) *
                 case i.interest when 'buyer' then 4.5 when 'later' then 3 when 'no_budget' then 2.5
                                 when 'student' then 2 when 'competitor' then 2 when 'fake' then 0.1 else 1.3 end))::int
       end,
       q.lacks,
       case when q.lacks is not null and demo.chance('corrected', n) < 0.8
            then p.created_at + interval '2 hours' + demo.chance('correction', n) * interval '9 days' end,
       case when demo.chance('opt_out', n) < 0.03 then p.created_at + demo.chance('opt_out_at', n) * interval '60 days' end,
       case when demo.chance('deleted', n) < 0.004 then p.created_at + demo.chance('deleted_at', n) * interval '30 days' end,
       p.is_test
from demo.setting g
cross join lateral generate_series(1, g.leads) n
join demo.company c on c.company_no = 1 + floor(power(demo.chance('company', n), 1.5) * (g.leads / 3 + 1))::int
cross join lateral (
    select (demo.pick('day', demo.chance('day', n))::date + demo.clock_time(demo.chance('created', n))) at time zone c.zone as created_at,
           demo.pick('source', demo.chance('source', n)) as source,
           demo.pick_note('source', demo.chance('source', n))::double precision as pull,
           demo.pick('first_name', demo.chance('first_name', n)) as first_name,
           demo.pick('last_name', demo.chance('last_name', n)) as last_name,
           demo.pick_note('title', demo.chance('title', n)) as post,
           demo.chance('test', n) < 0.01 as is_test
    offset 0
) p
cross join lateral (
    select case
        when demo.chance('buyer', n) < 0.10 * p.pull
             * case c.size when 'enterprise' then 1.4 when 'mid' then 1.5 when 'small' then 0.9 else 0.3 end then 'buyer'
        when demo.chance('interest', n) < 0.12 then 'later'
        when demo.chance('interest', n) < 0.22 then 'no_budget'
        when demo.chance('interest', n) < 0.42 then 'wrong'
        when demo.chance('interest', n) < 0.47 then 'student'
        when demo.chance('interest', n) < 0.485 then 'competitor'
        when demo.chance('interest', n) < 0.515 then 'fake'
        else 'silent'
    end as interest
) i
cross join lateral (
    select case
        when demo.chance('lacks', n) < 0.06 then 'company'
        when demo.chance('lacks', n) < 0.10 then 'country'
        when demo.chance('lacks', n) < 0.13 then 'email'
        when demo.chance('lacks', n) < 0.30 then 'employees'
    end as lacks
) q;
analyze demo.lead;
