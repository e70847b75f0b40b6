-- A CRM of 300 leads and 150 people, the contract of the template, and a destination.
create schema crm;
create table crm.lead (
    id text primary key, email text, company text, country text, industry text, seniority text, employees int, master text, contact text
);
create table crm.act (id uuid primary key, lead_key text, at timestamptz, kind text, page text);
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.add_rep('ana', 'Ana', 'sdr');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.publish();
    perform handoff.subscribe('mail');
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', mapping => '{"merged_into": "master", "converted_contact": "contact"}');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
end $$;
create view public.acceptable as
select h.lead_key from handoff.handoff h where h.closed_at is null and h.accepted_at is null;
