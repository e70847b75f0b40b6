-- Notify: events reach whoever subscribed, in order, once at a time, until they are acknowledged.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql

-- shape
create temp table mine as
select ('handoff.' || t)::regclass as oid, t as tab from unnest('{outbox,subscription,delivery,destination}'::text[]) t;
select is_empty('select tab from mine where obj_description(oid, ''pg_class'') is null', 'every table has a comment');
select is_empty($$
    select tab, attname from mine join pg_attribute a on a.attrelid = oid and attnum > 0 and not attisdropped
    where col_description(oid, attnum) is null
$$, 'every column has a comment');
select is_empty($$
    select tab from unnest('{outbox,delivery}'::text[]) tab
    where (select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
           where i.indrelid = ('handoff.' || tab)::regclass and i.indisprimary) <> 'lead_key'
$$, 'keys of a lead''s own tables begin with lead_key');
create temp table function as
select p.oid, p.oid::regprocedure as signature, p.proacl, p.proconfig
from pg_proc p
where p.pronamespace = 'handoff'::regnamespace
  and p.proname in ('subscribe', 'unsubscribe', 'set_destination', 'lease', 'ack', 'ack_all', 'nack', 'extend', 'requeue', 'cloudevent', 'render', 'message_text', 'set_event_source');
select is((select count(*) from function), 13::bigint, 'functions are there');
select is_empty($$
    select signature from function
    where obj_description(oid, 'pg_proc') is null
       or proacl is null or exists (select from aclexplode(proacl) where grantee = 0)
       or not 'search_path=pg_catalog, pg_temp' = any (proconfig)
$$, 'each has a comment and a pinned search_path, and PUBLIC may call none');

-- subscribing
select lives_ok($$ select handoff.subscribe('slack', 'handoff.%') $$, 'a pattern');
select lives_ok($$ select handoff.subscribe('slack', 'handoff.created') $$, 'a second one that overlaps');
select lives_ok($$ select handoff.subscribe('slack', 'handoff.%') $$, 'the same again');
select lives_ok($$ select handoff.subscribe('bot') $$, 'everything');
select is((select count(*) from handoff.subscription), 3::bigint, 'three subscriptions');
select throws_ok($$ select handoff.subscribe('slack', 'a\') $$, '23514', null, 'no pattern that could fail the drain');
select throws_ok($$ select handoff.subscribe('') $$, '23514', null, 'no empty destination');
select throws_ok($$ select handoff.subscribe('slack', null) $$, '23502', null, 'no NULL');

do $$ begin perform handoff.set_destination('slack', send_stale => true); end $$;

-- messages, each with a delivery for who has subscribed: what src/flow/notify.c does, without a lead
create function pg_temp.emit(keys text[], seqs bigint[], ns int[], types text[], digest_for text default null) returns void language sql as $$
    insert into handoff.outbox (lead_key, seq, n, aggregateid, type, payload, created_at)
    select o.lead_key, o.seq, o.n, o.lead_key, o.type, jsonb_build_object('of', o.type), '2026-03-01 12:00+00'
    from unnest(keys, seqs, ns, types) as o (lead_key, seq, n, type);
    insert into handoff.delivery (lead_key, seq, n, destination, digest_for, visible_at)
    select o.lead_key, o.seq, o.n, s.destination, case when bool_and(s.digest is not null) then coalesce(emit.digest_for, '') end, clock_timestamp()
    from unnest(keys, seqs, ns, types) as o (lead_key, seq, n, type)
    join handoff.subscription s on o.type like s.type_pattern
    group by o.lead_key, o.seq, o.n, s.destination
    order by o.lead_key, o.seq, o.n, s.destination;
$$;
do $$ begin
    perform pg_temp.emit('{L1,L1,L2,L3}', '{4,4,2,9}', '{1,2,1,1}',
                         '{handoff.created,handoff.assigned,lead.blocked,handoff.unassigned}');
end $$;
select is((select count(distinct id) from handoff.outbox), 4::bigint, 'each event has its own id');
select results_eq($$ select destination, lead_key, seq, n from handoff.delivery order by 1, 2, 3, 4 $$,
    $$ values ('bot', 'L1', 4::bigint, 1), ('bot', 'L1', 4, 2), ('bot', 'L2', 2, 1), ('bot', 'L3', 9, 1),
              ('slack', 'L1', 4, 1), ('slack', 'L1', 4, 2), ('slack', 'L3', 9, 1) $$,
    'each destination hears what it asked for, once');

-- leasing
create temp table got as select 1 as turn, * from handoff.lease('slack', worker => 'w1');
select results_eq('select lead_key, type, payload, created_at, attempt from got order by lead_key',
    $$ values ('L1', 'handoff.created', '{"of": "handoff.created"}'::jsonb, timestamptz '2026-03-01 12:00+00', 1),
              ('L3', 'handoff.unassigned', '{"of": "handoff.unassigned"}', '2026-03-01 12:00+00', 1) $$,
    'the oldest event of each lead');
select is_empty($$ select * from handoff.lease('slack') $$, 'what is leased is not leased again');
select is((select count(*) from handoff.lease('bot', 1)), 1::bigint, 'other destinations don''t mind; qty is kept');
select is_empty($$ select * from handoff.lease('nobody') $$, 'an unknown destination has nothing');
select throws_ok($$ select * from handoff.lease('slack', 0) $$, '22023', 'quantity must be at least 1');
select throws_ok($$ select * from handoff.lease('slack', 1, '0') $$, '22023', 'a lease must last longer than no time');
select results_eq($$ select state, attempts, leased_by, leased_until = visible_at, leased_until > clock_timestamp()
                     from handoff.delivery where destination = 'slack' and lead_key = 'L3' $$,
    $$ values ('leased', 1, 'w1', true, true) $$, 'the lease is written down');

-- acknowledging
select is(handoff.ack('slack', id, gen_random_uuid()), false, 'not with a wrong token') from got where lead_key = 'L1';
select is(handoff.ack('bot', id, token), false, 'not for another destination') from got where lead_key = 'L1';
select is(handoff.ack('slack', id, token), true, 'with the token') from got where lead_key = 'L1';
select is(handoff.ack('slack', id, token), true, 'again: the answer may have been lost') from got where lead_key = 'L1';
insert into got select 2, * from handoff.lease('slack');
select results_eq('select lead_key, type from got where turn = 2', $$ values ('L1', 'handoff.assigned') $$, 'then comes the next one of that lead');

-- a lease that ran out
update handoff.delivery set leased_until = clock_timestamp(), visible_at = clock_timestamp()
where destination = 'slack' and lead_key = 'L3';
insert into got select 3, * from handoff.lease('slack', worker => 'w2');
select results_eq($$ select lead_key, attempt, id = (select id from got g where turn = 1 and g.lead_key = 'L3'),
                            token = (select token from got g where turn = 1 and g.lead_key = 'L3') from got where turn = 3 $$,
    $$ values ('L3', 2, true, false) $$, 'the next one gets it: the same id, another token, the second attempt');
select is(handoff.ack('slack', id, token), false, 'the old token is worth nothing') from got where turn = 1 and lead_key = 'L3';
select is(handoff.nack('slack', id, token), false, 'not for giving it back either') from got where turn = 1 and lead_key = 'L3';
update handoff.delivery set leased_until = clock_timestamp(), visible_at = clock_timestamp()
where destination = 'slack' and lead_key = 'L3';
select is(handoff.ack('slack', id, token), true, 'one that ran out but was not taken again is good') from got where turn = 3;

-- giving back, giving up
select is(handoff.nack('slack', id, token, 'timeout', '0'), true, 'given back') from got where turn = 2;
select is(handoff.ack('slack', id, token), false, 'a token that was given back is worth nothing') from got where turn = 2;
insert into got select 4, * from handoff.lease('slack');
select results_eq($$ select g.lead_key, g.attempt, d.last_error from got g join handoff.delivery d using (token) where turn = 4 $$,
    $$ values ('L1', 2, 'timeout') $$, 'it comes again at once, with what went wrong');
select is(handoff.nack('slack', id, token, 'busy', '1 hour'), true, 'given back for later') from got where turn = 4;
select is_empty($$ select * from handoff.lease('slack') $$, 'and not before');
do $$ begin perform pg_temp.emit('{L1}', '{6}', '{1}', '{handoff.disposed}'); end $$;
select is_empty($$ select * from handoff.lease('slack') $$, 'it holds back what follows it in its lead');
update handoff.delivery set visible_at = clock_timestamp() where state = 'pending' and destination = 'slack';
insert into got select 5, * from handoff.lease('slack');
do $$ begin perform handoff.nack('slack', id, token, 'no such channel', give_up => true) from got where turn = 5; end $$;
insert into got select 6, * from handoff.lease('slack');
select results_eq('select type from got where turn = 6', $$ values ('handoff.disposed') $$, 'until it is given up');

-- not worth sending any more
do $$ begin perform pg_temp.emit('{L8,L8}', '{1,2}', '{1,1}', '{handoff.created,handoff.assigned}'); end $$;
update handoff.outbox set expires_at = '2026-03-02' where lead_key = 'L8' and seq = 1;
select results_eq($$ select lead_key, type from handoff.lease('slack') $$, $$ values ('L8', 'handoff.assigned') $$, 'an expired message is not sent, and holds back nothing');
select is((select state || ' ' || last_error from handoff.delivery where destination = 'slack' and lead_key = 'L8' and seq = 1), 'expired expired', 'as its delivery says');

-- gone
do $$ begin perform handoff.unsubscribe('slack'); perform pg_temp.emit('{L9}', '{1}', '{1}', '{handoff.created}'); end $$;
select results_eq($$ select destination from handoff.delivery where lead_key = 'L9' $$, $$ values ('bot') $$, 'nothing new for who left');


-- given back without a time: after the destination's backoff, doubled each time, half of it by chance
do $$ begin
    perform handoff.subscribe('hook');
    perform handoff.set_destination('hook', backoff => '10 s', max_backoff => '25 s', max_attempts => 4, send_stale => true);
    perform pg_temp.emit('{B1}', '{1}', '{1}', '{handoff.created}');
end $$;
create temp table tried (n int, wait interval, state text);
do $$ declare r record; begin
    for i in 1 .. 4 loop
        update handoff.delivery set visible_at = clock_timestamp() where destination = 'hook' and state = 'pending';
        for r in select * from handoff.lease('hook', worker => 'w') loop
            if not handoff.nack('hook', r.id, r.token, 'HTTP 500') then
                raise 'not given back';
            end if;
        end loop;
        insert into tried select i, d.visible_at - clock_timestamp(), d.state from handoff.delivery d where d.destination = 'hook';
    end loop;
end $$;
select results_eq('select n, state from tried order by n',
    $$ values (1, 'pending'), (2, 'pending'), (3, 'pending'), (4, 'dead') $$, 'four attempts, then it is given up');
select is_empty($$ select * from tried t join (values (1, 5, 10), (2, 10, 20), (3, 12.5, 25)) w (n, least, most) using (n)
                   where extract(epoch from wait) not between least - 1 and most $$, 'each time twice as long, up to the longest');
select results_eq($$ select destination, type, lead_key, seq, n, attempts, last_error, leased_by, id = (select id from handoff.outbox where lead_key = 'B1') from handoff.dead_letter where destination = 'hook' $$,
    $$ values ('hook', 'handoff.created', 'B1', 1::bigint, 1, 4, 'HTTP 500', 'w', true) $$, 'it is among the dead letters');
select is(handoff.requeue('hook', gen_random_uuid()), 0::bigint, 'none of that id');
select is(handoff.requeue('hook', id), 1::bigint, 'it is put back') from handoff.dead_letter where destination = 'hook';
select results_eq($$ select lead_key, attempt from handoff.lease('hook') $$, $$ values ('B1', 1) $$, 'and leased anew');
-- a worker that dies of it
update handoff.delivery set visible_at = clock_timestamp(), leased_until = clock_timestamp(), attempts = 4 where destination = 'hook';
do $$ begin perform pg_temp.emit('{B1}', '{2}', '{1}', '{handoff.assigned}'); end $$;
select results_eq($$ select type from handoff.lease('hook') $$, $$ values ('handoff.assigned') $$, 'what nobody survives is given up as well, and the next one goes');
select is((select last_error from handoff.dead_letter where destination = 'hook' and seq = 1), 'HTTP 500', 'with the last that was heard');
select is(handoff.requeue('hook'), 1::bigint, 'all are put back');

-- held back: moved out of the way, and back
do $$ begin
    perform handoff.subscribe('lane');
    perform handoff.set_destination('lane', send_stale => true);
    perform pg_temp.emit('{P1,P1,P1,P2}', '{1,2,3,1}', '{1,1,1,1}', '{handoff.created,handoff.assigned,handoff.disposed,handoff.created}');
end $$;
create temp table lane as select * from handoff.lease('lane', 1, '1 hour');
select is((select lead_key || sequence from lane), 'P1000000000001.1', 'the oldest');
select results_eq($$ select lead_key, type from handoff.lease('lane', 1, '1 hour') $$, $$ values ('P2', 'handoff.created') $$, 'past those that it holds back');
select is((select count(*) from handoff.delivery where destination = 'lane' and state = 'pending' and visible_at > clock_timestamp() + interval '50 min'),
    2::bigint, 'which nobody looks at again before it is over');
select is(handoff.ack('lane', id, token), true, 'then it is') from lane;
select results_eq($$ select lead_key, type from handoff.lease('lane', 5, '1 hour') $$, $$ values ('P1', 'handoff.assigned') $$, 'and the next one of the lead comes at once');

-- longer
create temp table long as select * from handoff.lease('bot', 1);
select is(handoff.extend('bot', id, token, '1 hour'), true, 'a lease is made longer') from long;
select is(handoff.extend('bot', id, gen_random_uuid(), '1 hour'), false, 'not by others') from long;
select throws_ok($$ select handoff.extend('bot', id, token, '0') from long $$, '22023', 'a lease must last longer than no time');
select is((select bool_and(leased_until > clock_timestamp() + interval '50 min' and visible_at = leased_until) from handoff.delivery d join long l using (token)), true, 'so long');
select is(handoff.ack_all('bot', array_agg(id), array_agg(token)), 1::bigint, 'many at once') from (select id, token from long union all select gen_random_uuid(), gen_random_uuid()) l;

select is_empty($$ select l.sequence from handoff.lease('bot', 100, '1 second') l join handoff.outbox o using (id) where l.sequence is distinct from handoff.sequence_of(o.seq, o.n) $$, 'sequence is what the view has');
update handoff.delivery set visible_at = clock_timestamp(), leased_until = clock_timestamp() where destination = 'bot' and state = 'leased';
select is(handoff.ack_all('bot', '{}', '{}'), 0::bigint, 'none at once');
create temp table many as select * from handoff.lease('bot', 3);
select is(handoff.ack_all('bot', array_agg(id), array_agg(t)), 3::bigint, 'each once, with its own token, and again')
from (select id, token as t from many union all select id, gen_random_uuid() from many union all select a.id, b.token from many a join many b on b.id <> a.id) l;
select is(handoff.ack_all('bot', array_agg(id), array_agg(token)), 3::bigint, '.. later as well') from many;
select is((select count(*) from handoff.delivery d join many using (token) where d.state = 'done'), 3::bigint, 'they are done');

-- how a destination is served
select throws_ok($$ select handoff.set_destination('hook', max_attempts => 0) $$, '23514', null, 'at least one attempt');
select throws_ok($$ select handoff.set_destination('hook', backoff => '0') $$, '23514', null, 'some time between two');
select throws_ok($$ select handoff.set_destination(null) $$, '23502', null, 'a name');
select is((select count(*) from handoff.operation_log where object = 'destination' and name = 'hook'), 1::bigint, 'who changed it, and when');

-- digests
select throws_ok($$ select handoff.subscribe('d', digest => '1 month') $$, '23514', null, 'not in months');
select throws_ok($$ select handoff.subscribe('d', digest => '0') $$, '23514', null, 'not of nothing');
do $$ begin
    perform handoff.subscribe('daily', 'handoff.created', digest => '1 day');
    perform handoff.set_destination('daily', max_attempts => 2, send_stale => true);
    perform pg_temp.emit(array_agg('D' || i), array_agg(1), array_agg(1), array_agg('handoff.created'::text), 'ana') from generate_series(1, 103) i;
    perform pg_temp.emit('{D200}', '{1}', '{1}', '{handoff.created}', 'ben');
    perform pg_temp.emit('{D300}', '{1}', '{1}', '{handoff.created}');
end $$;
create temp table digest as select 1 as turn, * from handoff.lease('daily', worker => 'w');
select results_eq($$ select type, lead_key, payload ->> 'for', (payload ->> 'count')::int, jsonb_array_length(payload -> 'messages') from digest order by 3 $$,
    $$ values ('handoff.digest', null::text, '', 1, 1), ('handoff.digest', null, 'ana', 100, 100), ('handoff.digest', null, 'ben', 1, 1) $$,
    'one for each whom they are for, at most a hundred messages each');
select is_empty($$ select * from handoff.lease('daily') $$, 'the rest after it is done');
select is((select payload -> 'messages' -> 0 ->> 'type' from digest where payload ->> 'for' = 'ben'), 'io.lead-handoff.handoff.created.v1', 'of CloudEvents');
select is(handoff.ack('daily', id, token), true, 'delivered') from digest where payload ->> 'for' = 'ana';
select is(handoff.ack('daily', id, token), true, 'again: the answer may have been lost') from digest where payload ->> 'for' = 'ana';
insert into digest select 2, * from handoff.lease('daily');
select results_eq($$ select payload ->> 'for', (payload ->> 'count')::int from digest where turn = 2 $$, $$ values ('ana', 3) $$, 'then the rest');
select is((select count(*) from handoff.delivery where destination = 'daily' and state = 'done'), 100::bigint, 'each of the hundred is done');
select is(handoff.nack('daily', id, token, 'HTTP 503', '0'), true, 'given back') from digest where payload ->> 'for' = 'ben';
do $$ begin perform pg_temp.emit('{D201}', '{1}', '{1}', '{handoff.created}', 'ben'); end $$;
insert into digest select 3, * from handoff.lease('daily');
select results_eq($$ select b.id = a.id, b.payload = a.payload, b.attempt, b.token = a.token from digest a, digest b
                     where a.turn = 1 and b.turn = 3 and a.payload ->> 'for' = 'ben' $$,
    $$ values (true, true, 2, false) $$, 'the same digest again: what came since is not in it');
select is(handoff.ack('daily', id, token), false, 'the old token is worth nothing') from digest where turn = 1 and payload ->> 'for' = 'ben';
select is(handoff.extend('daily', id, token, '1 hour'), true, 'the new one is') from digest where turn = 3;
select is(handoff.nack('daily', id, token, 'HTTP 503'), true, 'failed once too often') from digest where turn = 3;
select results_eq($$ select id = (select id from digest where turn = 3), lead_key from handoff.dead_letter where destination = 'daily' $$, $$ values (true, 'D200') $$, 'it is dead');
insert into digest select 4, * from handoff.lease('daily');
select results_eq($$ select payload -> 'messages' -> 0 ->> 'subject' from digest where turn = 4 $$, $$ values ('D201') $$, 'and what came since goes');
select is(handoff.requeue('daily', (select id from digest where turn = 3)), 1::bigint, 'a digest is put back');

-- more than one digest takes, all due at the same moment: the rest comes later, of each lead too
do $$ begin
    perform handoff.subscribe('ordered', 'handoff.created', digest => '1 day');
    perform pg_temp.emit(array_agg('O' || i % 3), array_agg(1000 - i), array_agg(1), array_agg('handoff.created'::text), 'cem') from generate_series(1, 250) i;
    update handoff.delivery d set visible_at = '2026-03-01' where destination = 'ordered';
end $$;
create temp table ordered (turn int, lead_key text, sequence text);
do $$ declare r record; begin
    for i in 1 .. 3 loop
        for r in select * from handoff.lease('ordered') loop
            insert into ordered select i, m ->> 'subject', m ->> 'sequence' from jsonb_array_elements(r.payload -> 'messages') m;
            perform handoff.ack('ordered', r.id, r.token);
        end loop;
    end loop;
end $$;
select results_eq('select turn, count(*) from ordered group by 1 order by 1', $$ values (1, 100::bigint), (2, 100), (3, 50) $$, 'three digests');
select is_empty($$ select * from ordered a join ordered b using (lead_key) where a.turn < b.turn and a.sequence > b.sequence $$, 'none has a message that belongs before one of those before');

-- what a lease reads: what is to be had, and neither what is over, with others or not due, nor what others wait for
create function pg_temp.pages(query text) returns bigint language plpgsql as $$
declare
    plan json;
begin
    execute 'explain (analyze, buffers, timing off, format json) ' || query into plan;
    return (plan -> 0 -> 'Plan' ->> 'Shared Hit Blocks')::bigint + (plan -> 0 -> 'Plan' ->> 'Shared Read Blocks')::bigint;
end $$;
create function pg_temp.backlog(prefix text, n int, state text, destination text default 'wide') returns void language sql as $$
    insert into handoff.outbox (lead_key, seq, aggregateid, type, payload, created_at)
    select prefix || i, 1, prefix || i, 'handoff.created', '{}', '2026-03-01 12:00+00' from generate_series(1, n) i;
    insert into handoff.delivery (lead_key, seq, n, destination, state, visible_at, leased_until, done_at, attempts)
    select prefix || i, 1, 1, destination, case state when 'later' then 'pending' else state end,
           case when state in ('later', 'leased') then clock_timestamp() + interval '1 hour' else timestamptz '2026-03-01' + i * interval '1 ms' end,
           case state when 'leased' then clock_timestamp() + interval '1 hour' end, case state when 'done' then clock_timestamp() end, 0
    from generate_series(1, n) i;
$$;
do $$ begin
    perform pg_temp.backlog('wa', 60, 'pending');
    perform handoff.lease('wide', 10) from generate_series(1, 3);
end $$;
create temp table pages as select 'alone' as backlog, pg_temp.pages($$ select * from handoff.lease('wide', 10) $$) as n;
do $$ begin
    perform pg_temp.backlog('w' || s, 3000, s) from unnest('{done,dead,expired,leased,later}'::text[]) s;
    perform pg_temp.backlog('w' || d, 3000, 'pending', d) from unnest('{wide1,wide2,vide}'::text[]) d;
end $$;
insert into pages select 'among others', pg_temp.pages($$ select * from handoff.lease('wide', 10) $$);
select is_empty($$ select a.n, b.n from pages a, pages b where a.backlog = 'alone' and b.backlog = 'among others' and b.n > 1.3 * a.n $$,
    'it costs the same among 24,000 that are nothing to it');
select is((select count(*) from handoff.lease('wide', 100)), 10::bigint, 'and finds what there is');

-- as CloudEvents, as text
select results_eq($$ select source, specversion, type, subject, time, datacontenttype, dataschema, data, partitionkey, sequence, expirytime from handoff.outbox_cloudevents where subject = 'L8' and sequence like '%1.1' $$,
    $$ values ('/lead_handoff', '1.0', 'io.lead-handoff.handoff.created.v1', 'L8', timestamptz '2026-03-01 12:00+00', 'application/json',
               'urn:lead-handoff:handoff.created:v1', '{"of": "handoff.created"}'::jsonb, 'L8', '000000000001.1', timestamptz '2026-03-02') $$, 'attributes');
select lives_ok($$ select handoff.set_event_source('//crm.example/lead_handoff') $$, 'a name of our own');
select throws_ok($$ select handoff.set_event_source('a b') $$, '22023', 'an event source is a URI, not "a b"');
select results_eq($$ select event from handoff.outbox_cloudevents where subject = 'B1' and sequence like '%1.1' $$,
    $$ select jsonb_build_object('specversion', '1.0', 'id', id, 'source', '//crm.example/lead_handoff', 'type', 'io.lead-handoff.handoff.created.v1', 'subject', 'B1',
                                 'time', '2026-03-01T12:00:00.000000Z', 'datacontenttype', 'application/json', 'dataschema', 'urn:lead-handoff:handoff.created:v1',
                                 'partitionkey', 'B1', 'sequence', '000000000001.1', 'data', '{"of": "handoff.created"}'::jsonb)
       from handoff.outbox where lead_key = 'B1' and seq = 1 $$, 'the whole');
select is(handoff.render('{a}, {b.c}: {list}; {gone}{ {x y} {', '{"a": 1, "b": {"c": "d"}, "list": ["x", "y"]}'), '1, d: x, y; { {x y} {', 'placeholders');
select is(handoff.render('', '{}'), '', 'nothing');
select is(handoff.render(null, '{}'), '', 'of nothing');

-- settled: not what this transaction has written
select is_empty('select id from handoff.outbox_settled', 'nobody can rely on what is not committed');

select * from finish();
rollback;
