-- bench/n1_prepare.sql: messages that wait: :seeds leads are handed over as any others, with the messages that this makes; the rest
-- are copies. `all` hears two messages of each lead, `one` only that it was assigned. Beside them a queue as it is mostly
-- written, with as many rows of the same payloads. :keys says how the leads are numbered: `rising`, as a CRM numbers its
-- records and these queues their rows, or `random`, so that no two messages that follow each other are neighbours in an index by lead.

set client_min_messages = warning;
set lead_handoff.inline_limit = 0;
create table bench.told (id text primary key, email text, company text);
do $$
declare
    v int := handoff.load_template('b2b_saas');
begin
    delete from handoff.escalation where contract_id = v;
    delete from handoff.sla where contract_id = v;
    update handoff.stage set entry = null, required = '{}' where contract_id = v and name = 'mql';
    delete from handoff.gate where contract_id = v;
    delete from handoff.route where contract_id = v and leg = 'mql_to_sdr' and name <> 'sdr_fallback';
    update handoff.route set target = 'sdr' where contract_id = v and name = 'sdr_fallback';
    update handoff.pool set respect_schedule = false;
    perform handoff.add_rep('rep' || i, 'Rep ' || i, pool => 'sdr', email => 'rep' || i || '@example.com') from generate_series(0, 19) i;
    perform handoff.publish(v);
    perform handoff.subscribe('all');
    perform handoff.subscribe('one', 'handoff.assigned');
    perform handoff.attach('bench.told', 'lead', since => '-infinity');
end $$;
insert into bench.told select 'seed ' || i, 'seed' || i || '@example.com', 'Company ' || i from generate_series(1, :seeds) i;
call bench.tick_all();

-- what pgmq does: a message is out of sight while somebody has it, and deleted when he is done
create table bench.queue (id bigint generated always as identity primary key, visible_at timestamptz not null, attempts int not null default 0, payload jsonb not null);
create index on bench.queue (visible_at);
-- the same with rows that stay, as ours do
create table bench.kept (id bigint generated always as identity primary key, visible_at timestamptz not null, state text not null default 'pending', attempts int not null default 0,
    token uuid, payload jsonb not null);
create index on bench.kept (visible_at) where state <> 'done';

create function bench.seed(lead_key text) returns int language sql immutable
return split_part(lead_key, ' ', 2)::int;
create function bench.copy_key(lead_key text, i int) returns text language sql immutable
return 'lead ' || case :'keys' when 'rising' then lpad((i * :seeds + bench.seed(lead_key))::text, 9, '0') else md5((i * :seeds + bench.seed(lead_key))::text) end;

-- Copies number n to m of each seed, with the tables that lease() and ack() read.
create procedure bench.copy_messages(n int, m int) language plpgsql as $$
declare
    tab     text;
    columns text;
begin
    foreach tab in array array['lead', 'handoff', 'outbox', 'delivery'] loop
        select string_agg(case a.attname
                              when 'lead_key' then 'bench.copy_key(s.lead_key, i)'
                              when 'aggregateid' then 'bench.copy_key(s.lead_key, i)'
                              when 'raw_key' then 'bench.copy_key(s.lead_key, i)'
                              when 'person_key' then 's.person_key || i'
                              when 'id' then 'gen_random_uuid()'
                              when 'visible_at' then 'clock_timestamp()'
                              when 'state' then '''pending'''
                              when 'attempts' then '0'
                              when 'token' then 'null'
                              when 'leased_until' then 'null'
                              when 'done_at' then 'null'
                              else format('s.%I', a.attname) end, ', ' order by a.attnum)
            into columns
        from pg_attribute a where a.attrelid = format('handoff.%I', tab)::regclass and a.attnum > 0 and not a.attisdropped;
        execute format('insert into handoff.%I select %s from generate_series(%s, %s) i cross join handoff.%I s where s.lead_key like ''seed %%'' order by i, bench.seed(s.lead_key), 2',
                       tab, columns, n, m, tab);
    end loop;
    for tab in select unnest('{queue,kept}'::text[]) loop
        execute format('insert into bench.%I (visible_at, payload) select clock_timestamp(), s.payload from generate_series(%s, %s) i cross join handoff.outbox s where s.lead_key like ''seed %%''',
                       tab, case when n = 1 then 0 else n end, m);  -- and once for the seeds themselves
    end loop;
end
$$;

-- Ways to take a hundred, and to be done with them: the ids, the tokens, and as many bytes read as the payloads have.
create type bench.taken as (ids uuid[], numbers bigint[], tokens uuid[], bytes bigint);
create function bench.take(way text) returns bench.taken language plpgsql as $$
declare
    t bench.taken;
begin
    case way
    when 'queue' then
        with c as (select id from bench.queue where visible_at <= clock_timestamp() order by visible_at limit 100 for update skip locked),
            l as (update bench.queue q set visible_at = clock_timestamp() + interval '1 minute', attempts = attempts + 1 from c where q.id = c.id returning q.id, q.payload)
        select array_agg(id), sum(length(payload::text)) into t.numbers, t.bytes from l;
    when 'kept' then
        with c as (select id from bench.kept where state <> 'done' and visible_at <= clock_timestamp() order by visible_at limit 100 for update skip locked),
            l as (update bench.kept q set visible_at = clock_timestamp() + interval '1 minute', attempts = attempts + 1, state = 'leased', token = gen_random_uuid() from c where q.id = c.id
                  returning q.id, q.token, q.payload)
        select array_agg(id), array_agg(token), sum(length(payload::text)) into t.numbers, t.tokens, t.bytes from l;
    else
        select array_agg(id), array_agg(token), sum(length(payload::text)) into t.ids, t.tokens, t.bytes from handoff.lease(way, 100);
    end case;
    return t;
end $$;
create function bench.be_done(way text, t bench.taken) returns bigint language plpgsql as $$
declare
    n bigint;
begin
    case way
    when 'queue' then
        delete from bench.queue where id = any (t.numbers);
        get diagnostics n = row_count;
    when 'kept' then
        update bench.kept q set state = 'done' from unnest(t.numbers, t.tokens) u (id, token) where q.id = u.id and q.token = u.token and q.state = 'leased';
        get diagnostics n = row_count;
    else
        n := handoff.ack_all(way, t.ids, t.tokens);
    end case;
    return n;
end $$;

-- So often, by one session: a transaction for each; by CPU time.
create procedure bench.work_off(label text, way text, turns int) language plpgsql as $$
declare
    t bench.taken;
    n bigint := 0;
begin
    call bench.start();
    for turn in 1 .. turns loop
        t := bench.take(way);
        commit;
        n := n + bench.be_done(way, t);
        commit;
    end loop;
    call bench.stop(label);
    insert into bench.sent values (label, n, 0);
end $$;
create table bench.sent (label text, n bigint, seconds float8);     -- seconds: of several sessions, by the clock; 0: of one, in bench.run; -1: pages

create function bench.waiting(way text) returns bigint language sql stable
return case way when 'queue' then (select count(*) from bench.queue)
                when 'kept' then (select count(*) from bench.kept where state <> 'done')
                else (select count(*) from handoff.delivery where destination = way and state in ('pending', 'leased')) end;

-- The same for pgbench.
\o n1.pgbench
select line from (values
    ('select coalesce(ids, ''{}'') as ids, coalesce(numbers, ''{}'') as numbers, coalesce(tokens, ''{}'') as tokens from bench.take(:way) \gset'),
    ('select bench.be_done(:way, row(:ids::uuid[], :numbers::bigint[], :tokens::uuid[], 0)::bench.taken);')) s (line);
\o
