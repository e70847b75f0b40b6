-- demo/10-crm.sql: the tables of a CRM as a sync tool lands them.
--
-- Salesforce objects in the manner of Airbyte: names quoted in their own case, four columns of the
-- tool's own, indexes but no primary key. Custom fields end in __c. Marketing automation writes what
-- people do on the web into "Task" too, as many CRMs have it.

create schema crm;
comment on schema crm is 'Demo: a CRM as a sync tool lands it.';

create table crm."User" (
    "Id"                      text not null,
    "Name"                    text,
    "Email"                   text,
    "IsActive"                boolean,
    "TimeZoneSidKey"          text,
    "SystemModstamp"          timestamptz,
    _airbyte_raw_id           text not null,
    _airbyte_extracted_at     timestamptz not null,
    _airbyte_meta             jsonb not null,
    _airbyte_generation_id    bigint
);
create index on crm."User" ("Id");
comment on table crm."User" is 'Demo: people of sales, and the integration user that writes for machines.';

create table crm."Account" (
    "Id"                      text not null,
    "Name"                    text,
    "Website"                 text,
    "Industry"                text,
    "NumberOfEmployees"       bigint,
    "AnnualRevenue"           numeric,
    "BillingCountry"          text,
    "Type"                    text,
    "OwnerId"                 text,
    "CreatedDate"             timestamptz,
    "SystemModstamp"          timestamptz,
    "IsDeleted"               boolean,
    _airbyte_raw_id           text not null,
    _airbyte_extracted_at     timestamptz not null,
    _airbyte_meta             jsonb not null,
    _airbyte_generation_id    bigint
);
create index on crm."Account" ("Id");
comment on table crm."Account" is 'Demo: companies that the CRM knows.';

create table crm."Lead" (
    "Id"                      text not null,
    "Email"                   text,
    "FirstName"               text,
    "LastName"                text,
    "Company"                 text,
    "Title"                   text,
    "Phone"                   text,
    "Industry"                text,
    "NumberOfEmployees"       bigint,
    "AnnualRevenue"           numeric,
    "Country"                 text,
    "LeadSource"              text,
    "Status"                  text,
    "OwnerId"                 text,
    "HasOptedOutOfEmail"      boolean,
    "IsConverted"             boolean,
    "ConvertedContactId"      text,
    "ConvertedOpportunityId"  text,
    "ConvertedAccountId"      text,
    "Seniority__c"            text,
    "Department__c"           text,
    "IsTest__c"               boolean,
    "IsCompetitor__c"         boolean,
    "Rating"                  text,
    "CreatedDate"             timestamptz,
    "SystemModstamp"          timestamptz,
    "IsDeleted"               boolean,
    _airbyte_raw_id           text not null,
    _airbyte_extracted_at     timestamptz not null,
    _airbyte_meta             jsonb not null,
    _airbyte_generation_id    bigint
);
create index on crm."Lead" ("Id");
comment on table crm."Lead" is 'Demo: leads.';

create table crm."Task" (
    "Id"                      text not null,
    "WhoId"                   text,
    "WhatId"                  text,
    "OwnerId"                 text,
    "Subject"                 text,
    "Status"                  text,
    "Type"                    text,
    "TaskSubtype"             text,
    "CompletedDateTime"       timestamptz,
    "ActivityDate"            date,
    "CreatedDate"             timestamptz,
    "Page__c"                 text,
    "Campaign__c"             text,
    "Outcome__c"              text,
    "Direction__c"            text,
    "IsAutomatic__c"          boolean,
    "SystemModstamp"          timestamptz,
    "IsDeleted"               boolean,
    _airbyte_raw_id           text not null,
    _airbyte_extracted_at     timestamptz not null,
    _airbyte_meta             jsonb not null,
    _airbyte_generation_id    bigint
);
create index on crm."Task" ("Id");
comment on table crm."Task" is 'Demo: what leads do and what is done with them.';

create table crm."Opportunity" (
    "Id"                      text not null,
    "AccountId"               text,
    "OwnerId"                 text,
    "Name"                    text,
    "StageName"               text,
    "Amount"                  numeric,
    "CurrencyIsoCode"         text,
    "CloseDate"               date,
    "IsClosed"                boolean,
    "IsWon"                   boolean,
    "LeadSource"              text,
    "CreatedDate"             timestamptz,
    "SystemModstamp"          timestamptz,
    "IsDeleted"               boolean,
    _airbyte_raw_id           text not null,
    _airbyte_extracted_at     timestamptz not null,
    _airbyte_meta             jsonb not null,
    _airbyte_generation_id    bigint
);
create index on crm."Opportunity" ("Id");
comment on table crm."Opportunity" is 'Demo: deals.';

create table crm."OpportunityContactRole" (
    "Id"                      text not null,
    "OpportunityId"           text,
    "ContactId"               text,
    "Role"                    text,
    "IsPrimary"               boolean,
    "CreatedDate"             timestamptz,
    "SystemModstamp"          timestamptz,
    "IsDeleted"               boolean,
    _airbyte_raw_id           text not null,
    _airbyte_extracted_at     timestamptz not null,
    _airbyte_meta             jsonb not null,
    _airbyte_generation_id    bigint
);
create index on crm."OpportunityContactRole" ("Id");
comment on table crm."OpportunityContactRole" is 'Demo: who takes part in a deal.';
