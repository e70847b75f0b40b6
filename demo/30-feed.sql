-- demo/30-feed.sql: every row that the CRM will hold for what leads do, with the time it lands here.
--
-- Two tables: versions of leads, and tasks. What sales does depends on whom the extension hands a lead
-- to, so it is added later, by 50-reps.sql.

create function demo.lands(at timestamptz, purpose text, key bigint) returns timestamptz
    language sql immutable parallel safe
return at + case
    when demo.chance(purpose || ' late', key) < 0.015 then (2 + 28 * demo.chance(purpose || ' delay', key)) * interval '1 hour'
    else (1 + 14 * demo.chance(purpose || ' delay', key)) * interval '1 minute'
end;
comment on function demo.lands(timestamptz, text, bigint) is
    'When a change of that moment is synced: after a quarter of an hour at most, or, rarely, up to 30 hours late.';

-- What leads do ------------------------------------------------------------------------------------

create table demo.visit (
    lead_no  int not null,
    n        int not null,
    at       timestamptz not null,
    interest text not null,
    source   text not null,
    key      bigint not null,
    primary key (lead_no, n)
);
comment on table demo.visit is 'Demo: when a lead uses the web; n = 0 is how it came to us.';
insert into demo.visit
select lead_no, n,
       case n
           when 0 then created_at
           else ((created_at + gaps * case interest when 'buyer' then interval '5 days' else interval '10 days' end)::date
                 + demo.clock_time(demo.chance('visit time', key))) at time zone zone
       end,
       interest, source, key
from (
    select l.*, n, l.lead_no * 100::bigint + n as key,
           sum(-ln(1 - demo.chance('visit gap', l.lead_no * 100::bigint + n))) over (partition by l.lead_no order by n) as gaps
    from demo.lead l
    cross join lateral generate_series(0, l.visits - 1) n
) v;
delete from demo.visit v
using demo.lead l, demo.setting s
where l.lead_no = v.lead_no and (v.at > s.last_day + 1 or v.at < l.created_at);
analyze demo.visit;

create table demo.habit (
    place    text not null,
    interest text not null,
    lo       double precision not null,
    hi       double precision not null,
    kind     text not null,
    page     text,
    campaign text,
    outcome  text
);
comment on table demo.habit is 'Demo: what people do. place: the source they come from, "page" for each page of a visit, "more" for what else they do in it. interest: of buyers, of students, or of others.';
insert into demo.habit values
    ('Website',        'buyer',   0.00, 0.35, 'form', '/demo', null, null),
    ('Website',        'buyer',   0.35, 0.55, 'form', '/contact', null, null),
    ('Website',        'buyer',   0.55, 1.00, 'download', '/guides/handoff', null, null),
    ('Website',        'other',   0.00, 0.05, 'form', '/demo', null, null),
    ('Website',        'other',   0.05, 0.12, 'form', '/contact', null, null),
    ('Website',        'other',   0.12, 1.00, 'form', '/newsletter', null, null),
    ('Website',        'student', 0.00, 1.00, 'form', '/newsletter', null, null),
    ('Referral',       'buyer',   0.00, 0.40, 'form', '/demo', null, null),
    ('Referral',       'buyer',   0.40, 1.00, 'form', '/contact', null, null),
    ('Referral',       'other',   0.00, 1.00, 'form', '/contact', null, null),
    ('Paid Search',    'buyer',   0.00, 0.25, 'form', '/demo', 'search_brand', null),
    ('Paid Search',    'buyer',   0.25, 1.00, 'download', '/guides/handoff', 'search_brand', null),
    ('Paid Search',    'other',   0.00, 0.03, 'form', '/demo', 'search_brand', null),
    ('Paid Search',    'other',   0.03, 1.00, 'download', '/guides/handoff', 'search_brand', null),
    ('Webinar',        'buyer',   0.00, 1.00, 'webinar', '/webinars/pipeline', 'webinar_series', 'registered'),
    ('Webinar',        'other',   0.00, 1.00, 'webinar', '/webinars/pipeline', 'webinar_series', 'registered'),
    ('Webinar',        'student', 0.00, 1.00, 'webinar', '/webinars/pipeline', 'webinar_series', 'registered'),
    ('Content',        'buyer',   0.00, 1.00, 'download', '/guides/scoring', null, null),
    ('Content',        'other',   0.00, 1.00, 'download', '/guides/scoring', null, null),
    ('Content',        'student', 0.00, 1.00, 'download', '/guides/scoring', null, null),
    ('Event',          'buyer',   0.00, 1.00, 'event', null, 'spring_fair', null),
    ('Event',          'other',   0.00, 1.00, 'event', null, 'spring_fair', null),
    ('Purchased List', 'buyer',   0.00, 1.00, 'email_click', null, 'list_mailing', null),
    ('Purchased List', 'other',   0.00, 1.00, 'email_click', null, 'list_mailing', null),
    ('page',           'buyer',   0.00, 0.30, 'page_view', '/pricing', null, null),
    ('page',           'buyer',   0.30, 0.65, 'page_view', '/product', null, null),
    ('page',           'buyer',   0.65, 0.80, 'page_view', '/customers', null, null),
    ('page',           'buyer',   0.80, 1.00, 'page_view', '/blog/speed-to-lead', null, null),
    ('page',           'other',   0.00, 0.07, 'page_view', '/pricing', null, null),
    ('page',           'other',   0.07, 0.35, 'page_view', '/product', null, null),
    ('page',           'other',   0.35, 0.45, 'page_view', '/docs', null, null),
    ('page',           'other',   0.45, 1.00, 'page_view', '/blog/speed-to-lead', null, null),
    ('page',           'student', 0.00, 0.35, 'page_view', '/careers', null, null),
    ('page',           'student', 0.35, 1.00, 'page_view', '/blog/what-is-an-mql', null, null),
    ('more',           'buyer',   0.00, 0.10, 'form', '/demo', null, null),
    ('more',           'buyer',   0.10, 0.16, 'trial', '/trial', null, null),
    ('more',           'buyer',   0.16, 0.24, 'chat', '/pricing', null, null),
    ('more',           'buyer',   0.24, 0.36, 'download', '/guides/handoff', null, null),
    ('more',           'buyer',   0.36, 0.50, 'email_click', null, 'spring_launch', null),
    ('more',           'buyer',   0.50, 0.58, 'webinar', '/webinars/pipeline', 'webinar_series', 'registered'),
    ('more',           'other',   0.00, 0.01, 'form', '/demo', null, null),
    ('more',           'other',   0.01, 0.02, 'trial', '/trial', null, null),
    ('more',           'other',   0.02, 0.05, 'chat', '/product', null, null),
    ('more',           'other',   0.05, 0.13, 'download', '/guides/scoring', null, null),
    ('more',           'other',   0.13, 0.27, 'email_click', null, 'spring_launch', null),
    ('more',           'other',   0.27, 0.33, 'webinar', '/webinars/pipeline', 'webinar_series', 'registered'),
    ('more',           'other',   0.33, 0.35, 'unsubscribe', null, 'spring_launch', null);

create table demo.activity (
    key       bigint primary key,
    lead_no   int not null,
    at        timestamptz not null,
    kind      text not null,
    page      text,
    campaign  text,
    outcome   text,
    automatic boolean not null default false
);
comment on table demo.activity is 'Demo: what leads do on the web and at events.';
insert into demo.activity
select a.key, v.lead_no, v.at + (a.n * (40 + 80 * demo.chance('pause', v.key))) * interval '1 second',
       h.kind, h.page, h.campaign, h.outcome,
       h.kind = 'chat' and demo.chance('bot', v.key) < 0.3
from demo.visit v
cross join lateral (
    -- the opener, one to three pages, something else
    select 0 as n, v.source as place where v.n = 0
    union all
    select p, 'page' from generate_series(1, 1 + floor(3 * demo.chance('pages', v.key))::int) p where v.source <> 'Event' or v.n > 0
    union all
    select 5, 'more' where v.n > 0
) w
cross join lateral (select v.key * 100 + w.n as key, w.n) a
join demo.habit h
    on h.place = w.place
    and h.interest = case when v.interest in ('buyer', 'student') then v.interest else 'other' end
    and demo.chance('does', a.key) >= h.lo and demo.chance('does', a.key) < h.hi;

-- who registers for a webinar may attend it, days later
insert into demo.activity
select a.key + 6, a.lead_no, (a.at::date + 2 + floor(8 * demo.chance('webinar', a.key))::int + time '16:00') at time zone 'Europe/Berlin',
       a.kind, a.page, a.campaign, 'attended', false
from demo.activity a
where a.kind = 'webinar' and demo.chance('attends', a.key) < 0.55;
-- who asks for a demo may book the meeting himself, and come to it or not
insert into demo.activity
select a.key + n, a.lead_no,
       case n when 7 then a.at + interval '3 minutes'
              else ((a.at + interval '3 days')::date + time '10:00' + floor(12 * demo.chance('slot', a.key)) * interval '30 minutes')
                   at time zone 'Europe/Berlin' end,
       'Meeting', null, null,
       case when n = 7 then 'Booked' when demo.chance('shows up', a.key) < 0.8 then 'Held' else 'No Show' end,
       false
from demo.activity a
cross join generate_series(7, 8) n
where a.kind = 'form' and a.page = '/demo' and demo.chance('books', a.key) < 0.15;
create index on demo.activity (lead_no);
analyze demo.activity;

-- What the CRM will hold ---------------------------------------------------------------------------

create table demo.task_feed (
    lands_at timestamptz not null,
    task     crm."Task" not null
);
comment on table demo.task_feed is 'Demo: rows of crm."Task", and when they land.';
insert into demo.task_feed
select y.lands_at, row(
       demo.id18('00T', a.key),
       l.lead_key,
       null,
       case a.kind when 'Meeting' then demo.id18('005', 1 + a.lead_no % 8) else demo.id18('005', 99) end,
       case a.kind when 'Meeting' then 'Meeting' else format('Web: %s %s', a.kind, a.page) end,
       'Completed',
       a.kind,
       'Task',
       a.at,
       a.at::date,
       a.at + interval '5 seconds',
       a.page,
       a.campaign,
       a.outcome,
       'inbound',
       a.automatic,
       a.at + interval '5 seconds',
       false,
       md5('task ' || a.key),
       y.lands_at,
       '{"changes": []}',
       1)::crm."Task"
from demo.activity a
join demo.lead l using (lead_no)
cross join demo.setting s
cross join lateral (select demo.lands(a.at, 'task', a.key) as lands_at) y
where a.at < s.last_day + 1;
create index on demo.task_feed (lands_at);

create table demo.lead_change (
    key      bigint primary key,
    lead_no  int not null,
    n        int not null,
    at       timestamptz not null,
    lands_at timestamptz not null
);
comment on table demo.lead_change is 'Demo: moments at which the CRM''s row of a lead changes; n = 1 creates it.';
insert into demo.lead_change
select key, lead_no, n, at, max(demo.lands(at, 'lead', key)) over (partition by lead_no order by n)
from (
    select l.lead_no * 10::bigint + row_number() over w as key, l.lead_no, row_number() over w as n, c.at
    from demo.lead l
    cross join lateral (values
        (1, l.created_at),
        (2, l.corrected_at),
        (3, l.opted_out_at),
        (4, l.deleted_at),
        -- saved again, with nothing in it that the contract reads
        (5, case when demo.chance('saved', l.lead_no) < 0.15
                 then l.created_at + demo.chance('saved at', l.lead_no) * interval '20 days' end)
    ) c (what, at)
    cross join demo.setting s
    where c.at < s.last_day + 1
    window w as (partition by l.lead_no order by c.at, c.what)
) c;
analyze demo.lead_change;

create table demo.lead_feed (
    lands_at timestamptz not null,
    n        int not null,
    lead     crm."Lead" not null
);
comment on table demo.lead_feed is 'Demo: versions of rows of crm."Lead", and when they land.';
insert into demo.lead_feed
select c.lands_at, c.n, row(
       l.lead_key,
       case when is_lacking and l.lacks = 'email' then replace(l.email, '@', ' at ') else l.email end,
       l.first_name,
       l.last_name,
       case when is_lacking and l.lacks = 'company' then case when l.lead_no % 2 = 0 then 'n/a' end else k.name end,
       l.title,
       case when demo.chance('phone', l.lead_no) < 0.6 then '+49 30 ' || 1000000 + l.lead_no end,
       k.industry,
       case when not (is_lacking and l.lacks = 'employees') then k.employees end,
       case when not (is_lacking and l.lacks = 'employees') then k.revenue end,
       case when not (is_lacking and l.lacks = 'country') then k.country end,
       l.source,
       'Open - Not Contacted',
       demo.id18('00G', 1),
       coalesce(l.opted_out_at <= c.at, false),
       false,
       null,
       null,
       null,
       l.seniority,
       l.department,
       l.is_test,
       l.interest = 'competitor',
       case when c.n > 1 then 'Warm' end,
       l.created_at,
       c.at + interval '2 seconds',
       coalesce(l.deleted_at <= c.at, false),
       md5('lead ' || c.key),
       c.lands_at,
       '{"changes": []}',
       1)::crm."Lead"
from demo.lead_change c
join demo.lead l using (lead_no)
join demo.company k using (company_no)
cross join lateral (select l.lacks is not null and (l.corrected_at is null or c.at < l.corrected_at) as is_lacking) y;
create index on demo.lead_feed (lands_at);

analyze demo.task_feed, demo.lead_feed;
