\set lead random(1, 300)
\set person random(1, 150)
\set what random(1, 10)
insert into crm.lead values ('k' || :lead, 'e' || :person || '@x.de', 'Acme', 'DE', 'Software', 'C-Level', 500)
on conflict (id) do update
set employees = lead.employees + 1, email = case :what when 1 then excluded.email else lead.email end,
    contact = case :what when 2 then 'c' || :lead else lead.contact end, master = case :what when 3 then 'k' || :person end;
