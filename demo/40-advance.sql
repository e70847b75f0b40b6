-- demo/40-advance.sql: time passes: the sync lands what has become visible.

create table demo.progress (
    id       boolean primary key default true check (id),
    until_at timestamptz not null
);
comment on table demo.progress is 'Demo: up to when the feed has landed.';
insert into demo.progress select true, first_day from demo.setting;

-- What is there from the start: the people of sales, and the companies that the CRM knows.
insert into crm."User"
select demo.id18('005', r.n), r.name, lower(r.name) || '@ourselves.example', true, 'Europe/Berlin', s.first_day,
       md5('user ' || r.n), s.first_day, '{"changes": []}', 1
from demo.setting s
cross join (values
    (1, 'Ana'), (2, 'Bruno'), (3, 'Carla'), (4, 'David'), (5, 'Emma'), (6, 'Farid'), (7, 'Greta'), (8, 'Henri'),
    (11, 'Iris'), (12, 'Jonas'), (13, 'Klara'), (14, 'Luca'), (99, 'Integration')
) r (n, name);
insert into crm."Account"
select c.account_id, c.name, 'https://www.' || c.domain, c.industry, c.employees, c.revenue, c.country,
       case when c.is_customer then 'Customer' else 'Prospect' end,
       demo.id18('005', 11 + c.company_no % 4), s.first_day, s.first_day, false,
       md5('account ' || c.company_no), s.first_day, '{"changes": []}', 1
from demo.setting s
cross join demo.company c
where c.is_known;

-- One run of the sync: new rows, then changed rows, then tasks, set by set. Owner, status and
-- conversion are changed by sales, never here.
create procedure demo.advance(p_now timestamptz)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    since timestamptz;
begin
    select p.until_at into since from demo.progress p for update;

    insert into crm."Lead"
    select (f.lead).*
    from demo.lead_feed f
    where f.lands_at > since and f.lands_at <= p_now and f.n = 1;

    update crm."Lead" l
    set "Email" = (f.lead)."Email",
        "Company" = (f.lead)."Company",
        "NumberOfEmployees" = (f.lead)."NumberOfEmployees",
        "AnnualRevenue" = (f.lead)."AnnualRevenue",
        "Country" = (f.lead)."Country",
        "HasOptedOutOfEmail" = (f.lead)."HasOptedOutOfEmail",
        "Rating" = (f.lead)."Rating",
        "IsDeleted" = (f.lead)."IsDeleted",
        "SystemModstamp" = greatest(l."SystemModstamp", (f.lead)."SystemModstamp"),
        _airbyte_raw_id = (f.lead)._airbyte_raw_id,
        _airbyte_extracted_at = (f.lead)._airbyte_extracted_at
    from (select distinct on ((v.lead)."Id") v.lead
          from demo.lead_feed v
          where v.lands_at > since and v.lands_at <= p_now and v.n > 1
          order by (v.lead)."Id", v.n desc) f
    where l."Id" = (f.lead)."Id";

    insert into crm."Task"
    select (f.task).*
    from demo.task_feed f
    where f.lands_at > since and f.lands_at <= p_now;

    update demo.progress set until_at = p_now;
end
$$;
comment on procedure demo.advance(timestamptz) is 'Demo: the sync lands every row that the CRM shows it up to that moment.';
