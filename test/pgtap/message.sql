-- Messages of real leads: what they say, who hears of them, when they are overtaken, and what becomes of an ack().
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.add_rep('ana', 'Ana Ruiz', 'sdr', schedule => 'mon-fri 09:00-17:00 @ America/New_York', email => 'ana@us.example');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    update handoff.rep set chat_id = 'U07' where rep = 'ana';
    insert into handoff.message_template
    select contract_id, 'handoff.assigned', 'de', '{rep_name}: {fields.company}, {signals}, bis {due_local} ({due_zone}) {link}' from handoff.contract
    union all select contract_id, 'assigned', 'en', 'For {rep_name}: {fields.company}{nothing}.' from handoff.contract;
    perform handoff.publish();
end $$;
set local timezone = 'UTC';

create schema crm;
create table crm.lead (id text primary key, email text, company text, country text, industry text, seniority text, employees int,
                       crm_owner text, opted_out boolean, updated_at timestamptz);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, page text, channel text, direction text,
                      status text, outcome text, is_automatic boolean);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', delete_grace => '0');
    perform handoff.attach('crm.act', 'activity', since => '-infinity', delete_grace => '0');
end $$;
create function pg_temp.broken() returns setof text language sql as $$
    select d.invariant || ' ' || d.what from handoff.doctor() d where d.severity = 'error'
$$;
create function pg_temp.act(lead text, id text, at timestamptz, kind text, more jsonb default '{}') returns void language sql as $$
    insert into crm.act select r.* from jsonb_populate_record(null::crm.act, jsonb_build_object('id', lead || ' ' || id, 'lead_key', lead, 'at', at, 'kind', kind) || more) r
$$;
create function pg_temp.comes(lead text, more jsonb default '{}', at timestamptz default '2026-03-02 15:00') returns void language plpgsql as $$ begin
    insert into crm.lead select r.* from jsonb_populate_record(null::crm.lead, jsonb_build_object(
        'id', lead, 'email', 'x' || md5(lead) || '@acme.de', 'company', 'Acme', 'country', 'DE', 'industry', 'Software', 'seniority', 'C-Level',
        'employees', 500, 'updated_at', at - interval '1 hour') || more) r;
    perform pg_temp.act(lead, 'visit', at - interval '2 min', 'page_view', '{"page": "/pricing"}');
    perform pg_temp.act(lead, 'demo', at, 'form', '{"page": "/demo"}');
    perform handoff.tick(at);
end $$;

-- subscriptions: criteria, digest
select throws_ok($$ select handoff.subscribe('s', criteria => 'contry = ''DE''') $$, 'LH002', null, 'a field that no contract knows');
select throws_ok($$ select handoff.subscribe('s', criteria => 'employees = ''many''') $$, 'LH003', null, 'or that is of another type');
do $$ begin
    perform handoff.subscribe('all');
    perform handoff.subscribe('large', criteria => 'employees >= 300');
    perform handoff.subscribe('mixed', 'handoff.created', digest => '1 hour');
    perform handoff.subscribe('mixed', 'handoff.%', criteria => 'country = ''FR''');
    perform handoff.subscribe('mail', 'handoff.assigned', digest => '1 day');
    perform handoff.subscribe('mail', '%', digest => '7 days');
    perform handoff.set_link('crm.lead', 'https://crm.example/Lead/{key}?from={key}');
    perform pg_temp.comes('a b/ä');
    perform pg_temp.comes('fr', '{"country": "FR", "employees": 200}', '2026-03-02 15:01');
end $$;
select throws_ok($$ select handoff.set_link('crm.lead', 'https://crm.example') $$, '22023', null, 'a link without a key');
select throws_ok($$ select handoff.set_link('crm.no', 'https://crm.example/{key}') $$, 'LH020', null, 'of a source that there is not');
select results_eq($$ select destination, lead_key, string_agg(o.type, ' ' order by o.seq), string_agg(distinct d.digest_for, ',') from handoff.delivery d join handoff.outbox o using (lead_key, seq, n)
                     group by 1, 2 order by 1, 2 $$, $$ values
    ('all', 'a b/ä', 'handoff.created handoff.assigned', null::text), ('all', 'fr', 'handoff.created handoff.assigned', null),
    ('large', 'a b/ä', 'handoff.created handoff.assigned', null),
    ('mail', 'a b/ä', 'handoff.created handoff.assigned', 'ana'), ('mail', 'fr', 'handoff.created handoff.assigned', 'ana'),
    ('mixed', 'a b/ä', 'handoff.created', 'ana'), ('mixed', 'fr', 'handoff.created handoff.assigned', null) $$,
    'who hears of what, alone or together with what is for the same rep');
select is_empty($$ select * from handoff.delivery d join handoff.outbox o using (lead_key, seq, n)
                   where d.digest_for is not null and d.visible_at <> date_bin(case when d.destination = 'mixed' then interval '1 hour' when o.type = 'handoff.assigned' then '1 day' else '7 days' end,
                         clock_timestamp(), '2000-01-03 00:00+00') + case when d.destination = 'mixed' then interval '1 hour' when o.type = 'handoff.assigned' then '1 day' else '7 days' end $$,
    'at the end of the period; of two the sooner one');
-- a version without that field: everybody hears of it rather than nobody
do $$ begin
    update handoff.subscription set criteria = 'no_such_field = 1' where destination = 'large';
    perform pg_temp.comes('odd', '{"employees": 10}', '2026-03-02 15:02');
end $$;
select is((select count(*) from handoff.delivery where destination = 'large' and lead_key = 'odd'), 2::bigint, 'a criteria that can''t be asked leaves nobody out');
select is((select count(*) from handoff.doctor() where what like '%destination "large"%'), 1::bigint, 'doctor() says so');

-- the brief
create temp table told as select payload from handoff.outbox where lead_key = 'a b/ä' and type = 'handoff.assigned';
select results_eq($$ select payload ->> 'link', payload ->> 'rep_name', payload ->> 'rep_email', payload ->> 'rep_chat', payload ->> 'due_at', payload ->> 'due_local', payload ->> 'due_zone', payload ->> 'done_when',
                            jsonb_array_length(payload -> 'last_actions') from told $$,
    $$ values ('https://crm.example/Lead/a%20b%2F%C3%A4?from=a%20b%2F%C3%A4', 'Ana Ruiz', 'ana@us.example', 'U07', '2026-03-02T15:15:00+00:00', '2026-03-02 10:15', 'America/New_York',
               'Reach out in person: a call, an e-mail of your own, a meeting.', 2) $$, 'where, for whom, until when in his own zone, what counts');
select is(handoff.brief('a b/ä'), payload - '{event,at}'::text[], 'brief() says the same of a lead as it is') from told;
select throws_ok($$ select handoff.brief('nobody') $$, 'LH040', null, 'there is no such lead');
select is(handoff.message_text(id, 'de-AT'), 'Ana Ruiz: Acme, demo_request, bis 2026-03-02 10:15 (America/New_York) https://crm.example/Lead/a%20b%2F%C3%A4?from=a%20b%2F%C3%A4',
    'a text by the contract''s template of that language') from handoff.outbox where lead_key = 'a b/ä' and type = 'handoff.assigned';
select is(handoff.message_text(id, 'fr'), 'For Ana Ruiz: Acme.', 'of a language without one in English') from handoff.outbox where lead_key = 'a b/ä' and type = 'handoff.assigned';
select matches(handoff.message_text(id), '^Lead fr \(Acme\) was handed over by leg mql_to_sdr: demo_request\. Score [0-9]+, band [A-C]\. https://crm\.example/Lead/fr\?from=fr$', 'without one by ours')
from handoff.outbox where lead_key = 'fr' and type = 'handoff.created';
select is(handoff.message_text(gen_random_uuid()), null, 'of no message none');

-- delivered
create temp table got as select * from handoff.lease('all', 50);
do $$ begin
    perform handoff.ack('all', id, token) from got;
    perform handoff.tick('2026-03-02 15:03');
    insert into got select * from handoff.lease('all', 50);
end $$;
select is_empty($$ select * from handoff.handoff where delivered_at is not null $$, 'that a lead was handed over is not the news of its assignment');
do $$ begin perform handoff.ack('all', id, token) from got where type = 'handoff.assigned' and lead_key = 'a b/ä'; end $$;
select is_empty($$ select * from handoff.handoff where delivered_at is not null $$, 'an ack() waits for no lead');
select is((select count(*) from handoff.inbox where op = 'H'), 1::bigint, 'it leaves a note');
do $$ begin perform handoff.tick('2026-03-02 15:04'); end $$;
select results_eq($$ select h.lead_key, h.delivered_at from handoff.handoff h where h.delivered_at is not null $$,
    $$ select lead_key, done_at from handoff.delivery d join handoff.outbox o using (lead_key, seq, n) where destination = 'all' and type = 'handoff.assigned' and done_at is not null $$, 'and the next tick knows when it was');
select results_eq($$ select type, detail #>> '{set,delivered_at}' is not null from handoff.event where lead_key = 'a b/ä' order by seq desc limit 1 $$, $$ values ('delivered', true) $$, 'by an event');
create temp table seen as select lead_key, last_seq from handoff.lead;
do $$ begin
    update handoff.subscription set criteria = null where destination = 'large';
    perform handoff.ack('large', l.id, l.token) from handoff.lease('large') l;
    perform handoff.ack('large', l.id, l.token) from handoff.lease('large') l where lead_key = 'a b/ä';
    perform handoff.tick('2026-03-02 15:05');
end $$;
select is_empty($$ select s.lead_key from seen s join handoff.lead l using (lead_key) where l.last_seq <> s.last_seq $$, 'once is enough');
select is_empty('select pg_temp.broken()', 'all is well');
update handoff.delivery set state = 'done', leased_until = null, done_at = clock_timestamp()
where destination = 'all' and lead_key = 'fr' and seq = (select seq from handoff.outbox where lead_key = 'fr' and type = 'handoff.assigned');
select results_eq('select pg_temp.broken()', $$ values ('7 lead "fr", handoff 1: the news of its assignment was delivered and it does not know') $$, 'a note that was lost');
update handoff.delivery set state = 'pending', done_at = null where destination = 'all' and lead_key = 'fr' and state = 'done';

-- overtaken
do $$ begin
    perform handoff.subscribe('chat');
    perform handoff.subscribe('books');
    perform handoff.set_destination('books', send_stale => true);
    update handoff.rep set capacity = 0 where rep in ('ana', 'zoe');
    perform pg_temp.comes('late', at => '2026-03-03 15:00');
end $$;
select is((select string_agg(o.type, ' ' order by o.seq) from handoff.outbox o where o.lead_key = 'late'), 'handoff.created handoff.unassigned', 'nobody can take it');
do $$ begin
    perform handoff.set_capacity('ana', 10);
    perform handoff.tick('2026-03-03 15:01');
    for i in 1 .. 5 loop
        perform handoff.ack(d, l.id, l.token) from unnest('{chat,books}'::text[]) d, handoff.lease(d) l where l.lead_key = 'late';
    end loop;
end $$;
select results_eq($$ select d.destination, string_agg(format('%s %s', o.type, d.state), ', ' order by o.seq) from handoff.delivery d join handoff.outbox o using (lead_key, seq, n)
                     where d.lead_key = 'late' and destination in ('chat', 'books') group by 1 order by 1 $$, $$ values
    ('books', 'handoff.created done, handoff.unassigned done, handoff.assigned done'),
    ('chat', 'handoff.created done, handoff.unassigned expired, handoff.assigned done') $$, 'somebody has it now: that nobody did is no news any more, but for who keeps books');
-- a reminder that is overtaken by the touch, a later one by the acceptance
do $$ begin perform pg_temp.comes('calm', at => '2026-03-04 15:00'); perform handoff.tick('2026-03-04 15:16'); end $$;
select cmp_ok((select count(*) from handoff.outbox where lead_key = 'calm' and type in ('handoff.reminder', 'handoff.escalated')), '>', 0::bigint, 'it was let lie');
do $$ begin
    perform pg_temp.act('calm', 'call', '2026-03-04 15:17', 'call', '{"channel": "phone", "direction": "outbound", "status": "Completed", "outcome": "Answered"}');
    perform handoff.tick('2026-03-04 15:18');
    perform handoff.accept('calm', p_now => '2026-03-04 15:19');
    for i in 1 .. 9 loop
        perform handoff.ack('chat', l.id, l.token) from handoff.lease('chat') l where l.lead_key = 'calm';
    end loop;
end $$;
select set_eq($$ select distinct case when o.type in ('handoff.reminder', 'handoff.escalated') then 'a warning ' else '' end || d.state from handoff.delivery d join handoff.outbox o using (lead_key, seq, n)
                 where d.lead_key = 'calm' and d.destination = 'chat' $$, $$ values ('a warning expired'), ('done') $$, 'what has been done is not asked for any more');
select is_empty($$ select pg_temp.broken() where false $$, 'all is well');

-- a dead letter, a forgotten destination
do $$ begin perform handoff.nack('books', l.id, l.token, 'HTTP 410', give_up => true) from handoff.lease('books', 1) l; end $$;
select isnt((select count(*) from handoff.doctor() where what like '%dead letters of destination "books"%'), 0::bigint, 'doctor() tells of dead letters');
delete from handoff.outbox where (lead_key, type) = ('late', 'handoff.created');
select isnt((select count(*) from handoff.doctor() where invariant = 7 and what like '%without its message%'), 0::bigint, 'and of deliveries of nothing');

select * from finish();
rollback;
