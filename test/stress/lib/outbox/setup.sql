-- test/stress/lib/outbox/setup.sql: leads that are handed over again and again, and who wants to hear of it.
\set ON_ERROR_STOP 1
set client_min_messages = warning;
select handoff.setup() \g /dev/null
create schema stress;

select handoff.add_pool('sdr'), handoff.add_rep('ana', 'Ana', 'sdr', '24x7 @ UTC'), handoff.add_rep('ben', 'Ben', 'sdr', '24x7 @ UTC') \g /dev/null
select handoff.import($json${
"format": 1,
"contract": {"reporting_zone": "UTC"},
"field": [{"of": "lead", "name": "country", "type": "text"}, {"of": "lead", "name": "employees", "type": "bigint"}],
"stage": [
    {"name": "lead", "position": 10, "owner": "marketing", "is_default": true},
    {"name": "mql", "position": 20, "owner": "sales", "entry": "employees >= 100", "max_age": "1 year", "max_age_to": "lost"},
    {"name": "sal", "position": 30, "owner": "sales", "max_age": "1 year", "max_age_to": "lost"},
    {"name": "rest", "position": 50, "owner": "marketing"},
    {"name": "lost", "position": 60, "is_terminal": true}],
"leg": [{"name": "mql_to_sdr", "ord": 1, "owner_from": "marketing", "owner_to": "sdr"}],
"transition": [
    {"ord": 10, "from_stage": "lead", "event": "scored", "to_stage": "mql", "leg": "mql_to_sdr"},
    {"ord": 20, "from_stage": "mql", "event": "accepted", "to_stage": "sal"},
    {"ord": 30, "from_stage": "mql", "event": "recycled", "to_stage": "rest"},
    {"ord": 35, "from_stage": "sal", "event": "recycled", "to_stage": "rest"},
    {"ord": 40, "from_stage": "rest", "event": "due", "to_stage": "lead"}],
"recycle_path": [{"name": "soon", "delay": "1 second", "to_stage": "lead"}],
"disposition": [
    {"code": "ok", "outcome": "accepted", "reason": "Yes"},
    {"code": "later", "outcome": "recycle", "reason": "Later", "recycle_path": "soon"},
    {"code": "not_mine", "outcome": "reroute", "reason": "Somebody else's"}],
"route": [{"name": "team", "leg": "mql_to_sdr", "ord": 10, "target_kind": "pool", "target": "sdr"}]
}$json$) \g /dev/null
select handoff.publish() \g /dev/null

create table stress.lead (id text primary key, country text, employees bigint, updated_at timestamptz);
select handoff.attach('stress.lead', 'lead', mapping => '{"version": "updated_at"}', since => '-infinity') \g /dev/null

-- all of it; some leads' only; together with others, by rep
select handoff.subscribe('all'), handoff.subscribe('home', 'handoff.%', 'country = ''DE'''), handoff.subscribe('digest', 'handoff.%', digest => '1 second') \g /dev/null
select handoff.set_destination(d, max_attempts => 1000, send_stale => true) from unnest('{all,home,digest}'::text[]) d \g /dev/null

-- What should have been heard, by what was written and what was asked for alone.
create view stress.expected as
select d.destination, o.id, o.lead_key, handoff.sequence_of(o.seq, o.n) as sequence, md5(o.payload::text) as content
from handoff.outbox o
join (values ('all', '%'), ('home', 'handoff.%'), ('digest', 'handoff.%')) d (destination, pattern) on o.type like d.pattern
where d.destination <> 'home' or o.payload -> 'fields' ->> 'country' = 'DE';

-- A few leads in order of their keys, so that nobody waits for somebody who waits for him; a rep says something of some.
create function stress.turn(client int, part text) returns void language plpgsql volatile as $$
declare
    key text;
begin
    for key in
        select distinct part || case when random() < 0.5 then ' shared ' || floor(random() * 20) else format(' own %s %s', client, floor(random() * 20)) end
        from generate_series(1, 1 + floor(random() * 3)::int) order by 1
    loop
        insert into stress.lead values (key, (array['DE', 'AT'])[1 + floor(random() * 2)::int], floor(random() * 400), clock_timestamp())
        on conflict (id) do update set country = excluded.country, employees = excluded.employees, updated_at = excluded.updated_at;
        if random() < 0.6 then
            begin
                perform handoff.dispose(key, (array['ok', 'later', 'later', 'not_mine'])[1 + floor(random() * 4)::int]);
            exception when sqlstate 'LH040' or sqlstate 'LH041' then
                null;       -- nobody has it
            end;
        end if;
    end loop;
end $$;

-- What the readers have written down, a row for each message or answer: got, ack, nack, extend, lost (with the client that held
-- it), stale (an answer to the token of one that was lost, once somebody else has it).
create table stress.log (
    at         numeric not null,
    reader     text not null,
    what       text not null,
    destination text not null,
    delivery   uuid not null,   -- by which it is acknowledged: the message, or its digest
    token      uuid not null,
    attempt    int,
    id         uuid,
    lead_key   text,
    sequence   text,
    whom       text,
    content    text,
    answer     boolean
);
create view stress.got as select * from stress.log where what = 'got';
create view stress.given_back as select token, delivery from stress.log where what = 'lost' or what = 'nack' and answer;

-- Beside them somebody who reads the outbox itself, after the last that he has.
create table stress.polled (xid xid8, lead_key text, seq bigint, n int, id uuid primary key);
create index on stress.polled (xid, lead_key, seq, n);
