\set lead random(1, 300)
\set what random(1, 3)
insert into crm.act values (gen_random_uuid(), case :what when 1 then 'c' else 'k' end || :lead, now(), 'form', '/demo');
