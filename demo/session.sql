-- The first session: from an empty database to leads that are scored and handed over.

create extension lead_handoff;
select handoff.setup();                       -- makes the tables and views

select handoff.load_template('b2b_saas');     -- a complete draft of a contract
select severity, object, message from handoff.validate();
select handoff.publish();                     -- in force from now on

select handoff.attach('crm."Lead"', kind => 'lead', since => '-infinity');
select handoff.attach('crm."Task"', kind => 'activity');
