-- The first session: from an empty database to leads that are scored, handed over and worked.

create extension lead_handoff;
select handoff.setup();                       -- makes the tables and views
select handoff.load_template('b2b_saas');     -- a complete draft of a contract, with its pools

-- who takes leads; crm_id is the user's key in the CRM
select count(handoff.add_rep(rep, name, pool => pool, capacity => case pool when 'sdr' then 60 else 150 end,
                             crm_id => crm_id, schedule => 'mon-fri 09:00-17:00 @ Europe/Berlin')) as reps
from (values
    ('ana',   'Ana',   'sdr', '0055e0000000001AAA'),
    ('bruno', 'Bruno', 'sdr', '0055e0000000002AAA'),
    ('carla', 'Carla', 'sdr', '0055e0000000003AAA'),
    ('david', 'David', 'sdr', '0055e0000000004AAA'),
    ('emma',  'Emma',  'sdr', '0055e0000000005AAA'),
    ('farid', 'Farid', 'sdr', '0055e0000000006AAA'),
    ('greta', 'Greta', 'sdr', '0055e0000000007AAA'),
    ('henri', 'Henri', 'sdr', '0055e0000000008AAA'),
    ('iris',  'Iris',  'ae',  '0055e0000000011AAA'),
    ('jonas', 'Jonas', 'ae',  '0055e0000000012AAA'),
    ('klara', 'Klara', 'ae',  '0055e0000000013AAA'),
    ('luca',  'Luca',  'ae',  '0055e0000000014AAA')
) r (rep, name, pool, crm_id);

select handoff.set_pool_lead('sdr', 'ana');   -- whom escalations tell
select handoff.set_pool_lead('ae', 'iris');
select count(handoff.add_exception('office_berlin', day, 'closed', note => holiday)) as holidays
from (values (date '2026-01-01', 'New Year'), ('2026-04-03', 'Good Friday'), ('2026-04-06', 'Easter Monday'),
             ('2026-05-01', 'Labour Day'), ('2026-05-14', 'Ascension Day'), ('2026-05-25', 'Whit Monday')) h (day, holiday);

select severity, object, message from handoff.validate();
select handoff.publish();                     -- in force from now on

-- watch the CRM's tables; since: also what is there already may be handed over
select handoff.attach('crm."Lead"', kind => 'lead', since => '-infinity');
select handoff.attach('crm."Task"', kind => 'activity');
select handoff.attach('crm."Opportunity"', kind => 'opportunity');
select handoff.attach('crm."OpportunityContactRole"', kind => 'link');
