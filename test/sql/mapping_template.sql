-- test/sql/mapping_template.sql: tables as sync tools write them are recognized, and the same facts give
-- the same fields whatever the tool. Column names and types are those of docs.airbyte.com (destination
-- Postgres; sources Salesforce, HubSpot, Marketo), fivetran.com/docs and its dbt_*_source packages, Heroku
-- Dev Center (Heroku Connect database tables) and dlthub.com/docs (schema, merge loading).
\set QUIET 1
\pset format unaligned
\pset tuples_only on
set client_min_messages = warning;
set lead_handoff.inline_limit = 0;
set timezone = 'UTC';
set datestyle = iso;
select handoff.setup();
select handoff.load_template('b2b_saas');
select handoff.publish();

-- Salesforce ----------------------------------------------------------------------------------------
create schema ab;
create table ab."Lead" (_airbyte_raw_id varchar, _airbyte_extracted_at timestamptz, _airbyte_meta jsonb, _airbyte_generation_id bigint,
    "Id" varchar, "Email" varchar, "FirstName" varchar, "Company" varchar, "Title" varchar, "Status" varchar, "OwnerId" varchar, "Country" varchar, "CountryCode" varchar, "NumberOfEmployees" bigint,
    "AnnualRevenue" numeric, "LeadSource" varchar, "HasOptedOutOfEmail" boolean, "IsConverted" boolean, "ConvertedContactId" varchar, "MasterRecordId" varchar, "CreatedDate" timestamptz, "SystemModstamp" timestamptz, "IsDeleted" boolean);
create table ab."Task" (_airbyte_raw_id varchar, _airbyte_extracted_at timestamptz, "Id" varchar primary key, "WhoId" varchar, "OwnerId" varchar, "Status" varchar, "Type" varchar, "TaskSubtype" varchar, "CallType" varchar,
    "CallDisposition" varchar, "Subject" varchar, "IsClosed" boolean, "CompletedDateTime" timestamptz, "ActivityDate" date, "SystemModstamp" timestamptz, "IsDeleted" boolean);
create schema fv;
create table fv.lead (id varchar(256) primary key, email varchar(256), first_name varchar(256), company varchar(256), title varchar(256), status varchar(256), owner_id varchar(256), country varchar(256), country_code varchar(256), number_of_employees integer,
    annual_revenue double precision, lead_source varchar(256), has_opted_out_of_email boolean, is_converted boolean, converted_contact_id varchar(256), master_record_id varchar(256), created_date timestamptz, system_modstamp timestamptz, is_deleted boolean, _fivetran_synced timestamptz);
create schema hc;
create table hc.lead (id serial primary key, sfid varchar(18) unique, email varchar(80), firstname varchar(40), company varchar(255), title varchar(128), status varchar(255), ownerid varchar(18), country varchar(80), countrycode varchar(10), numberofemployees integer,
    annualrevenue double precision, leadsource varchar(255), hasoptedoutofemail boolean, isconverted boolean, convertedcontactid varchar(18), masterrecordid varchar(18), createddate timestamp, systemmodstamp timestamp, isdeleted boolean, _hc_lastop varchar(32), _hc_err text);
create schema dl;
create table dl.lead (id varchar, email varchar, first_name varchar, company varchar, title varchar, status varchar, owner_id varchar, country varchar, country_code varchar, number_of_employees bigint,
    annual_revenue double precision, lead_source varchar, has_opted_out_of_email boolean, is_converted boolean, converted_contact_id varchar, master_record_id varchar, created_date timestamptz, system_modstamp timestamptz, is_deleted boolean, _dlt_load_id varchar, _dlt_id varchar);
create unique index on dl.lead (id);
create index on ab."Lead" ("Id");

create temp table fact (id text, email text, name text, company text, title text, status text, owner text, country text, code text, employees int, revenue numeric, source text, opted_out boolean, converted boolean, contact text, master text, created timestamptz, version timestamptz, deleted boolean);
insert into fact values
    ('00Q5e000001AbCdEAK', 'ann@acme.de', 'Ann', 'Acme', 'CEO', 'Open', '0055e000001AbCdAAK', 'Germany', 'DE', 200, 1500000, 'Web', false, false, null, null, '2030-01-07 08:00+00', '2030-01-07 09:00+00', false),
    ('00Q5e000002XyZaEAK', 'bob@b.fr', 'Bob', 'B', null, 'Qualified', '0055e000001AbCdAAK', null, null, null, null, null, true, true, '0035e000001CcCcAAK', null, '2030-01-07 08:30+00', '2030-01-07 09:30+00', false),
    ('00Q5e000003XyZaEAK', 'gone@c.fr', 'Cid', 'C', null, 'Open', null, 'France', null, 3, null, 'Event', null, false, null, '00Q5e000001AbCdEAK', '2030-01-07 08:45+00', '2030-01-07 09:45+00', true);
insert into ab."Lead" select gen_random_uuid()::text, now(), '{}', 1, id, email, name, company, title, status, owner, country, code, employees, revenue, source, opted_out, converted, contact, master, created, version, deleted from fact;
-- append: an older version of a row, and one version twice
insert into ab."Lead" select gen_random_uuid()::text, now() - interval '1 day', '{}', 1, id, 'old@old', name, company, title, status, owner, country, code, employees, revenue, source, opted_out, converted, contact, master, created, version - interval '1 hour', false from fact;
insert into ab."Lead" select gen_random_uuid()::text, now() - interval '1 hour', '{}', 1, id, 'older@old', name, company, title, status, owner, country, code, employees, revenue, source, opted_out, converted, contact, master, created, version, false from fact;
insert into fv.lead select id, email, name, company, title, status, owner, country, code, employees, revenue, source, opted_out, converted, contact, master, created, version, deleted, now() from fact;
insert into hc.lead (sfid, email, firstname, company, title, status, ownerid, country, countrycode, numberofemployees, annualrevenue, leadsource, hasoptedoutofemail, isconverted, convertedcontactid, masterrecordid, createddate, systemmodstamp, isdeleted, _hc_lastop)
    select id, email, name, company, title, status, owner, country, code, employees, revenue, source, opted_out, converted, contact, master, created at time zone 'UTC', version at time zone 'UTC', deleted, 'SYNCED' from fact;
insert into hc.lead (email, _hc_lastop) values ('not@yet.there', 'PENDING');
insert into dl.lead select id, email, name, company, title, status, owner, country, code, employees, revenue, source, opted_out, converted, contact, master, created, version, deleted, '1', gen_random_uuid()::text from fact;
insert into ab."Task" values
    ('r', now(), '00T5e000001AbCdEAI', '00Q5e000001AbCd', '0055e000001AbCd', 'Completed', 'Call', 'Call', 'Outbound', 'Connected', 'First call', true, '2030-01-07 10:00+00', '2030-01-07', now(), false),
    ('r', now(), '00T5e000002AbCdEAI', '00Q5e000001AbCdEAK', '0055e000001AbCdAAK', 'Completed', null, 'Email', null, null, 'Mail', true, null, '2030-01-07', now(), false),
    ('r', now(), '00T5e000003AbCdEAI', '00Q5e000001AbCdEAK', '0055e000001AbCdAAK', 'Open', 'Call', 'Call', null, null, 'To do', false, null, '2030-01-09', now(), false),
    ('r', now(), '00T5e000004AbCdEAI', '0035e000001CcCc', '0055e000001AbCdAAK', 'Completed', 'Call', 'Call', 'Inbound', null, 'From the contact', true, '2030-01-07 11:00+00', null, now(), false);

select tab, (handoff.recognize(tab)).* from unnest(array['ab."Lead"', 'ab."Task"', 'fv.lead', 'hc.lead', 'dl.lead']) tab;
select handoff.attach(tab, null, since => '-infinity', key_prefix => prefix)
from (values ('ab."Lead"', 'ab:'), ('fv.lead', 'fv:'), ('hc.lead', 'hc:'), ('dl.lead', 'dl:'), ('ab."Task"', 'ab:')) t (tab, prefix);
select name, kind, key_columns, id_format, mapping from handoff.source order by name;
select decided > 0 from handoff.tick('2030-01-07 12:00+00');
select count(*) from handoff.tick('2030-01-07 12:01+00');
-- one answer, whatever the tool
select substr(lead_key, 4), fields, version, deleted_at is not null, count(*), string_agg(left(lead_key, 2), ' ' order by lead_key)
from handoff.lead group by 1, 2, 3, 4 order by 1, 2;
-- a WhoId of 15 characters, and one of a converted contact
select lead_key, at, fields from handoff.activity order by activity_key;
select raw_key from handoff.lead where lead_key like 'ab:%' order by 1;
select * from handoff.quarantine;

-- ids: the two spellings are one; the first is Salesforce's own example
select handoff.salesforce_id('001A0000006Vm9r');
select handoff.salesforce_id('00Q5e000001AbCd'), handoff.salesforce_id('00Q5e000001AbCdEAK'), handoff.salesforce_id('a0B1C2d3E4f5G6h'), handoff.salesforce_id('00Q5e000001AbC-'), handoff.salesforce_id(''), handoff.salesforce_id('001000000000000'), handoff.salesforce_id('AAAAAAAAAAAAAAA');

-- history tables ------------------------------------------------------------------------------------------
create table fv.history (id varchar(256), email varchar(256), status varchar(256), is_converted boolean, system_modstamp timestamptz, _fivetran_start timestamptz, _fivetran_end timestamptz, _fivetran_active boolean, _fivetran_synced timestamptz, primary key (id, _fivetran_start));
insert into fv.history values
    ('00Q1', 'now@x', 'Open', false, '2030-01-01', '2030-01-02', 'infinity', true, '2030-01-02'), ('00Q1', 'past@x', 'New', false, '2030-01-05', '2030-01-01', '2030-01-02', false, '2030-01-09'),
    ('00Q2', 'gone@x', 'Open', false, '2030-01-01', '2030-01-01', '2030-01-02', false, '2030-01-02');
create table dl.scd2 (id varchar, email varchar, is_converted boolean, _dlt_valid_from timestamptz, _dlt_valid_to timestamptz, _dlt_id varchar, _dlt_load_id varchar);
insert into dl.scd2 values ('00Q1', 'past@x', false, '2030-01-01', '2030-01-02', 'a', '1'), ('00Q1', 'now@x', false, '2030-01-02', null, 'b', '2'), ('00Q2', 'gone@x', false, '2030-01-01', '2030-01-02', 'c', '1');
create index on dl.scd2 (id);
select handoff.attach('fv.history', null, since => '-infinity', key_prefix => 'fh:'), handoff.attach('dl.scd2', null, since => '-infinity', key_prefix => 'ds:');
select decided from handoff.tick('2030-01-07 12:02+00');
select lead_key, fields ->> 'email' from handoff.lead where lead_key ~ '^(fh|ds)' and deleted_at is null order by 1;
-- the source's row is deleted: no state is current any more
update fv.history set _fivetran_active = false;
update dl.scd2 set _dlt_valid_to = now();
select decided from handoff.tick('2030-01-07 13:00+00');
select decided from handoff.tick('2030-01-07 14:00+00');
select lead_key, deleted_at from handoff.lead where lead_key ~ '^(fh|ds)' order by 1;
-- ties have one answer, whatever the order of rows
create table dl.tie (id text, email text, company text);
create index on dl.tie (id);
insert into dl.tie values ('1', 'a@x', 'A'), ('1', 'b@x', 'B'), ('2', 'b@x', 'B'), ('2', 'a@x', 'A');
select handoff.attach('dl.tie', 'lead', since => '-infinity', key_prefix => 'tie:');
select decided from handoff.tick('2030-01-07 14:01+00');
select lead_key, fields from handoff.lead where lead_key like 'tie:%' order by 1;

-- HubSpot -------------------------------------------------------------------------------------------------
create table ab.contacts (_airbyte_raw_id varchar, _airbyte_extracted_at timestamptz, id varchar primary key, "createdAt" timestamptz, "updatedAt" timestamptz, archived boolean, properties_email varchar, properties_jobtitle varchar, properties_company varchar, properties_country varchar,
    properties_hs_lead_status varchar, properties_hubspot_owner_id varchar, properties_associatedcompanyid numeric, properties_hs_email_optout varchar, properties_hs_calculated_merged_vids varchar, properties_createdate varchar);
create table ab.old_contacts (_airbyte_raw_id varchar, _airbyte_extracted_at timestamptz, id varchar primary key, "createdAt" timestamptz, "updatedAt" timestamptz, archived boolean, properties jsonb);
create schema old;
alter table ab.old_contacts set schema old;
alter table old.old_contacts rename to contacts;
create table fv.contact (id bigint primary key, property_email varchar, property_jobtitle varchar, property_company varchar, property_country varchar, property_hs_lead_status varchar, property_hubspot_owner_id bigint, property_associatedcompanyid double precision,
    property_hs_email_optout boolean, property_hs_calculated_merged_vids varchar, property_createdate timestamptz, property_lastmodifieddate timestamptz, _fivetran_deleted boolean, _fivetran_synced timestamptz);
insert into ab.contacts values ('r', now(), '101', '2030-01-07 08:00+00', '2030-01-07 09:00+00', false, 'h@hub.de', 'CTO', 'Hub', 'Germany', 'NEW', '7', 9001, '', '102:1700000000000;103:1700000000001', '2030-01-07T08:00:00.000Z');
insert into old.contacts values ('r', now(), '101', '2030-01-07 08:00+00', '2030-01-07 09:00+00', false, '{"email": "h@hub.de", "jobtitle": "CTO", "company": "Hub", "country": "Germany", "hs_lead_status": "NEW", "hubspot_owner_id": "7", "associatedcompanyid": "9001", "hs_email_optout": null, "hs_calculated_merged_vids": "102:1700000000000;103:1700000000001", "createdate": "2030-01-07T08:00:00.000Z"}');
insert into fv.contact values (101, 'h@hub.de', 'CTO', 'Hub', 'Germany', 'NEW', 7, 9001, null, '102:1700000000000;103:1700000000001', '2030-01-07 08:00+00', '2030-01-07 09:00+00', false, now());
create table ab.engagements_calls (_airbyte_raw_id varchar, _airbyte_extracted_at timestamptz, id varchar primary key, "createdAt" timestamptz, "updatedAt" timestamptz, archived boolean, contacts jsonb, properties_hs_timestamp varchar, properties_hs_call_title varchar, properties_hs_call_direction varchar, properties_hubspot_owner_id varchar);
insert into ab.engagements_calls values ('r', now(), 'c1', now(), now(), false, '["101", "102"]', '2030-01-07T10:00:00Z', 'Hello', 'INBOUND', '7'), ('r', now(), 'c2', now(), now(), false, null, '2030-01-07T10:00:00Z', 'Nobody', 'OUTBOUND', '7');
create table fv.contact_form_submission (conversion_id varchar primary key, contact_id bigint, form_id varchar, "timestamp" timestamptz, page_url varchar, title varchar, _fivetran_synced timestamptz);
insert into fv.contact_form_submission values ('f1', 101, 'form', '2030-01-07 10:30+00', 'https://www.hub.de/demo?utm=x', 'Demo', now());
create table fv.deal_contact (deal_id bigint, contact_id bigint, _fivetran_synced timestamptz, primary key (deal_id, contact_id));
select tab, crm, tool, object, kind, key from unnest(array['ab.contacts', 'old.contacts', 'fv.contact', 'ab.engagements_calls', 'fv.contact_form_submission', 'fv.deal_contact']) tab, handoff.recognize(tab);
select handoff.attach(tab, null, since => '-infinity', key_prefix => prefix)
from (values ('ab.contacts', 'hab:'), ('old.contacts', 'hod:'), ('fv.contact', 'hfv:'), ('ab.engagements_calls', 'hab:'), ('fv.contact_form_submission', 'hfv:'), ('fv.deal_contact', 'hfv:')) t (tab, prefix);
select decided from handoff.tick('2030-01-07 15:00+00');
select substr(lead_key, 5), fields, version, count(*) from handoff.lead where lead_key ~ '^h(ab|od|fv):' group by 1, 2, 3;
select lead_key, at, fields from handoff.activity where lead_key ~ '^h' order by 1;

-- Marketo -------------------------------------------------------------------------------------------------
create table ab.leads (_airbyte_raw_id varchar, _airbyte_extracted_at timestamptz, id bigint primary key, email varchar, company varchar, title varchar, country varchar, "inferredCountry" varchar, "leadStatus" varchar, unsubscribed boolean, "createdAt" timestamptz, "updatedAt" timestamptz);
create schema mk;
create table mk.lead (id integer primary key, email varchar, company varchar, title varchar, country varchar, inferred_country varchar, lead_status varchar, unsubscribed boolean, created_at timestamptz, updated_at timestamptz, _fivetran_deleted boolean, _fivetran_synced timestamptz);
insert into ab.leads values ('r', now(), 5, 'm@mk.de', 'Mk', 'CMO', null, 'Germany', 'Open', false, '2030-01-07 08:00+00', '2030-01-07 09:00+00');
insert into mk.lead values (5, 'm@mk.de', 'Mk', 'CMO', null, 'Germany', 'Open', false, '2030-01-07 08:00+00', '2030-01-07 09:00+00', false, now());
create table ab.activities_fill_out_form (_airbyte_raw_id varchar, _airbyte_extracted_at timestamptz, "marketoGUID" varchar primary key, "leadId" bigint, "activityDate" timestamptz, "activityTypeId" bigint, "campaignId" bigint, "primaryAttributeValue" varchar);
create table mk.activity_fill_out_form (id varchar primary key, lead_id integer, activity_date timestamptz, activity_type_id integer, campaign_id integer, primary_attribute_value varchar, _fivetran_synced timestamptz);
insert into ab.activities_fill_out_form values ('r', now(), 'g', 5, '2030-01-07 10:00+00', 2, 77, 'Demo form');
insert into mk.activity_fill_out_form values ('g', 5, '2030-01-07 10:00+00', 2, 77, 'Demo form', now());
select tab, crm, tool, object, kind, key from unnest(array['ab.leads', 'mk.lead', 'ab.activities_fill_out_form', 'mk.activity_fill_out_form']) tab, handoff.recognize(tab);
select handoff.attach(tab, null, since => '-infinity', key_prefix => prefix) from (values ('ab.leads', 'mab:'), ('mk.lead', 'mfv:'), ('ab.activities_fill_out_form', 'mab:'), ('mk.activity_fill_out_form', 'mfv:')) t (tab, prefix);
select decided from handoff.tick('2030-01-07 16:00+00');
select substr(lead_key, 5), fields, version, count(*) from handoff.lead where lead_key ~ '^m(ab|fv):' group by 1, 2, 3;
select substr(lead_key, 5), at, fields, count(*) from handoff.activity where lead_key ~ '^m' group by 1, 2, 3;
select * from handoff.quarantine;
select what from handoff.doctor() where severity = 'error';

-- what no template knows is guessed by names, and must be told its kind ---------------------------------
create table mk.people (id int primary key, "E_Mail_Address" text, emailaddress text, "Created_At" timestamp, owner_id text, shoes int);
select (handoff.recognize('mk.people')).reason is null, handoff.suggest_mapping('mk.people', 'lead');
\set VERBOSITY terse
select handoff.suggest_mapping('mk.people');
\echo :LAST_ERROR_SQLSTATE
select handoff.attach('mk.people', null);
\echo :LAST_ERROR_SQLSTATE
select handoff.suggest_mapping('mk.nothing');
\echo :LAST_ERROR_SQLSTATE
-- a column that a tool does not sync is left out of what is suggested; a kind may be asked for
alter table fv.lead drop column email, drop column system_modstamp, drop column country_code;
select handoff.suggest_mapping('fv.lead') ?| array['email', 'version'], handoff.suggest_mapping('fv.lead') -> 'country';
select handoff.suggest_mapping('fv.lead', 'opportunity');
-- users -----------------------------------------------------------------------------------------------------
create table ab."User" (_airbyte_raw_id varchar, _airbyte_extracted_at timestamptz, "Id" varchar primary key, "Name" varchar, "Email" varchar, "UserType" varchar, "TimeZoneSidKey" varchar, "IsActive" boolean, "ManagerId" varchar, "SystemModstamp" timestamptz);
create table fv."user" (id varchar primary key, name varchar, email varchar, user_type varchar, time_zone_sid_key varchar, is_active boolean, manager_id varchar, system_modstamp timestamptz, is_deleted boolean, _fivetran_synced timestamptz);
create table hc."user" (id serial primary key, sfid varchar(18) unique, name varchar, email varchar, usertype varchar, timezonesidkey varchar, isactive boolean, managerid varchar, systemmodstamp timestamp, _hc_lastop varchar, _hc_err text);
create table dl."user" (id varchar primary key, name varchar, email varchar, user_type varchar, time_zone_sid_key varchar, is_active boolean, manager_id varchar, system_modstamp timestamptz, _dlt_load_id varchar, _dlt_id varchar);
create table ab.owners (_airbyte_raw_id varchar, _airbyte_extracted_at timestamptz, id varchar primary key, email varchar, "firstName" varchar, "lastName" varchar, "userId" bigint, "createdAt" timestamptz, "updatedAt" timestamptz, archived boolean, type varchar);
create table fv.owner (owner_id bigint primary key, portal_id bigint, type varchar, email varchar, first_name varchar, last_name varchar, is_active boolean, created_at timestamptz, updated_at timestamptz, _fivetran_synced timestamptz);
create temp table person (n int, name text, email text, type text, zone text, active boolean, manager int, version timestamptz);
insert into person values (1, 'Ann Lee', 'ann@x', 'Standard', 'Europe/Berlin', true, 2, '2030-01-07 09:00+00'), (2, 'Bo Po', 'bo@x', 'PowerPartner', 'America/New_York', false, null, '2030-01-07 09:00+00'),
    (3, 'Automated Process', 'ann@x', 'AutomatedProcess', 'UTC', true, null, '2030-01-07 09:00+00'), (4, 'Shop', 'shop@x', 'CspLitePortal', 'UTC', true, null, '2030-01-07 09:00+00');
create function pg_temp.id(tool text, n int) returns text language sql as $$ select '0055e000000' || tool || n || 'Bc' $$;
insert into ab."User" select 'r', now(), pg_temp.id('a', n), name, 'a' || email, type, zone, active, pg_temp.id('a', manager), version from person;
insert into fv."user" select pg_temp.id('f', n), name, 'f' || email, type, zone, active, pg_temp.id('f', manager), version, false, now() from person;
insert into hc."user" (sfid, name, email, usertype, timezonesidkey, isactive, managerid, systemmodstamp, _hc_lastop) select pg_temp.id('h', n), name, 'h' || email, type, zone, active, pg_temp.id('h', manager), version at time zone 'UTC', 'SYNCED' from person;
insert into dl."user" select pg_temp.id('d', n), name, 'd' || email, type, zone, active, pg_temp.id('d', manager), version, '1', n::text from person;
insert into ab.owners select 'r', now(), 100 + n, 'o' || email, split_part(name, ' ', 1), split_part(name, ' ', 2), n, version, version, not active, case n when 3 then 'QUEUE' else 'PERSON' end from person where n < 4;
insert into fv.owner select 200 + n, 1, case n when 3 then 'QUEUE' else 'PERSON' end, 'p' || email, split_part(name, ' ', 1), split_part(name, ' ', 2), active, version, version, now() from person where n < 4;
select tab, crm, tool, object, kind, key, id_format from unnest(array['ab."User"', 'fv."user"', 'hc."user"', 'dl."user"', 'ab.owners', 'fv.owner']) tab, handoff.recognize(tab);
select handoff.attach(tab, null) from unnest(array['ab."User"', 'fv."user"', 'hc."user"', 'dl."user"', 'ab.owners', 'fv.owner']) tab;
select decided from handoff.tick('2030-01-07 17:00+00');
select name, substr(email, 2), zone, active, human, translate(left(manager, 12), 'afhd', '????'), length(manager), length(crm_id), version, rep is not null as is_rep, count(*), string_agg(source, ' ' order by source) from handoff.crm_user group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 order by 1, 3;

-- every template is one: known kinds, and entries that are entries
select d ->> 'crm', d ->> 'tool', count(*), bool_and(o ->> 'kind' in ('lead', 'activity', 'account', 'opportunity', 'link', 'rep')), sum((select count(handoff.mapping_columns(e.key, e.value)) from jsonb_each(o -> 'mapping') e where e.value <> 'null')) > 0
from handoff.mapping_templates() d, jsonb_array_elements(d -> 'objects') o group by 1, 2 order by 1, 2;
select handoff.teardown(really => true);
drop schema ab, fv, hc, dl, old, mk cascade;
