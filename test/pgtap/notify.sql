-- Notify: events reach whoever subscribed, in order, once at a time, until they are acknowledged.
begin;
set local client_min_messages = warning;
select plan(41);
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
    perform handoff.setup();
end $$;

-- shape
create temp table mine as
select ('handoff.' || t)::regclass as oid, t as tab from unnest('{outbox,subscription,delivery}'::text[]) t;
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
where p.pronamespace = 'handoff'::regnamespace and p.proname in ('subscribe', 'unsubscribe', 'lease', 'ack', 'nack');
select is((select count(*) from function), 5::bigint, 'functions are there');
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

-- the two statements of 50-notify.sql, as the drain prepares them
prepare to_outbox(text[], bigint[], int[], text[], jsonb[], timestamptz) as
insert into handoff.outbox (lead_key, seq, n, aggregatetype, aggregateid, type, payload, created_at)
select o.lead_key, o.seq, o.n, 'lead', o.lead_key, o.type, o.payload, $6
from unnest($1::text[], $2::bigint[], $3::int[], $4::text[], $5::jsonb[])
     as o (lead_key, seq, n, type, payload);
prepare to_delivery(text[], bigint[], int[], text[]) as
insert into handoff.delivery (lead_key, seq, n, destination)
select distinct o.lead_key, o.seq, o.n, s.destination
from unnest($1::text[], $2::bigint[], $3::int[], $4::text[]) as o (lead_key, seq, n, type)
join handoff.subscription s on o.type like s.type_pattern
order by o.lead_key, o.seq, o.n, s.destination;
create function pg_temp.emit(keys text[], seqs bigint[], ns int[], types text[]) returns void language plpgsql as $$
begin
    execute format('execute to_outbox(%L, %L, %L, %L, %L, %L)', keys, seqs, ns, types,
        (select array_agg(jsonb_build_object('of', t)) from unnest(types) t), timestamptz '2026-03-01 12:00+00');
    execute format('execute to_delivery(%L, %L, %L, %L)', keys, seqs, ns, types);
end $$;
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
do $$ begin perform handoff.nack('slack', id, token, 'no such channel', null) from got where turn = 5; end $$;
insert into got select 6, * from handoff.lease('slack');
select results_eq('select type from got where turn = 6', $$ values ('handoff.disposed') $$, 'until it is given up');

-- not worth sending any more
do $$ begin perform pg_temp.emit('{L8,L8}', '{1,2}', '{1,1}', '{handoff.created,handoff.assigned}'); end $$;
update handoff.outbox set expires_at = '2026-03-02' where lead_key = 'L8' and seq = 1;
select is_empty($$ select * from handoff.lease('slack') $$, 'an expired event is not sent');
select results_eq($$ select lead_key, type from handoff.lease('slack') $$, $$ values ('L8', 'handoff.assigned') $$, 'and holds back nothing');

-- gone
do $$ begin perform handoff.unsubscribe('slack'); perform pg_temp.emit('{L9}', '{1}', '{1}', '{handoff.created}'); end $$;
select results_eq($$ select destination from handoff.delivery where lead_key = 'L9' $$, $$ values ('bot') $$, 'nothing new for who left');

select * from finish();
rollback;
