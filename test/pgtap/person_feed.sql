-- Leads of few people, made up, delivered in any order and in batches of any size: sales never has a person
-- twice in one leg, not even in between, and what comes out in the end is what plain SQL over the
-- delivered tables says, whatever came first.
begin;
set local client_min_messages = warning;
set local lead_handoff.inline_limit = 0;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.add_rep('ana', 'Ana', 'sdr');
    perform handoff.add_rep('ben', 'Ben', 'sdr');
    perform handoff.add_rep('eva', 'Eva', 'ae');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.publish();
end $$;
set local timezone = 'UTC';

create schema crm;
create table crm.lead (id text primary key, email text, company text, country text, industry text, seniority text, employees int);
create table crm.act (id int primary key, lead_key text, at timestamptz, kind text, page text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', delete_grace => '0');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
end $$;

create function pg_temp.clear(act text) returns void language plpgsql as $$
declare
    version int := handoff.draft();
    tab     text;
begin
    delete from handoff.collision where contract_id = version;
    insert into handoff.collision select version, 'person', '2 days', act where act is not null;
    perform handoff.publish(version);
    delete from crm.lead;
    delete from crm.act;
    foreach tab in array array['inbox', 'wake', 'absence', 'quarantine', 'tombstone', 'lead', 'event', 'stage_history', 'activity', 'clock',
                               'handoff', 'assignment', 'escalation_done', 'outbox', 'delivery'] loop
        execute format('delete from handoff.%I', tab);
    end loop;
end
$$;

-- 40 leads of 9 people, and some that are alone: each comes, asks for a demo or not, a few change their address or go
create function pg_temp.make_feed() returns void language plpgsql as $$ begin
    drop table if exists op;
    create temp table op as
    with lead as materialized (
        select n, random() * 0.6 as come, case when random() < 0.1 then 'only' || n else floor(random() * 9)::text end || '@acme.de' as email,
               random() < 0.7 as asks, random() as asked, random() < 0.3 as changes, random() < 0.1 as goes
        from generate_series(1, 40) n
    )
    select l.come as at, format('insert into crm.lead values (%L, %L, ''Acme'', ''DE'', ''Software'', ''C-Level'', 500)', 'l' || n, l.email) as sql from lead l
    union all
    select l.asked, format('insert into crm.act values (%s, %L, ''2026-03-02'', ''form'', ''/demo'')', n, 'l' || n) from lead l where l.asks
    union all
    select l.come + random() * 0.3, format('update crm.lead set email = %L where id = %L', floor(random() * 9) || '@ACME.de', 'l' || n) from lead l where l.changes
    union all
    select l.come + 0.35, format('delete from crm.lead where id = %L', 'l' || n) from lead l where l.goes;
end $$;

-- whom sales has twice
create function pg_temp.twice() returns text language sql as $$
    select min(l.lead_key) from handoff.handoff h join handoff.lead l on l.lead_key = h.lead_key
    where h.closed_at is null and l.person_key is not null group by l.person_key, h.leg having count(*) > 1 limit 1
$$;

-- somebody of sales does something with a lead that he has
create function pg_temp.work(now timestamptz) returns void language plpgsql as $$
declare
    key   text;
    dice  float8 := random();
begin
    select lead_key into key from handoff.handoff where closed_at is null order by random() limit 1;
    if key is null then
        return;
    elsif dice < 0.3 then
        perform handoff.accept(key, p_now => now);
    elsif dice < 0.5 then
        perform handoff.qualify(key, p_now => now);
    elsif dice < 0.8 then
        perform handoff.recycle(key, 'timing', 'later', until => now + interval '5 hours', p_now => now);
    else
        perform handoff.disqualify(key, 'student', p_now => now);
    end if;
exception when sqlstate 'LH041' then
    null;
end $$;

-- Deliver a feed; what went wrong, or nothing.
create function pg_temp.deliver(act text, with_work boolean) returns text language plpgsql as $$
declare
    op      record;
    now     timestamptz := '2026-03-02 08:00';
    often   float8 := random();
begin
    for op in select o.sql from op o order by o.at loop
        execute op.sql;
        continue when random() > often;
        now := now + interval '10 minutes';
        perform handoff.tick(now, 1 + floor(random() * 30)::int);
        if pg_temp.twice() is not null then
            return 'twice: ' || pg_temp.twice();
        end if;
        if with_work then
            perform pg_temp.work(now);
            if pg_temp.twice() is not null then
                return 'twice by hand: ' || pg_temp.twice();
            end if;
        end if;
    end loop;
    for i in 1..50 loop
        now := now + interval '1 minute';
        perform handoff.tick(now);
        exit when not exists (select from handoff.inbox);
    end loop;
    return case when exists (select from handoff.inbox) then 'it does not come to rest'
                when pg_temp.twice() is not null then 'twice at the end: ' || pg_temp.twice() end;
end
$$;

-- handed over and held, by what the extension has
create function pg_temp.found() returns text language sql as $$
    select format('%s open, %s held', (select count(*) from handoff.handoff where closed_at is null),
                  (select count(*) from handoff.lead where duplicate_of is not null and deleted_at is null))
$$;
-- ... and by the delivered tables alone: who asks and is there, one of each person
create function pg_temp.expected() returns text language sql as $$
    with ready as (
        select lower(email) as who
        from crm.lead l where exists (select from crm.act a where a.lead_key = l.id)
    )
    select format('%s open, %s held', count(distinct who), count(*) - count(distinct who)) from ready
$$;

do $$
declare
    actions text[] := array['join', 'same_owner', 'notify', 'block', null];
    problem text;
begin
    create temp table outcome (round int, act text, problem text, found text, expected text, broken text) on commit drop;
    for round in 1..5 loop
        perform setseed(round / 100.0);
        perform pg_temp.make_feed();
        perform pg_temp.clear(actions[1 + round % 5]);
        problem := pg_temp.deliver(actions[1 + round % 5], false);
        insert into outcome values (round, actions[1 + round % 5], problem, pg_temp.found(), pg_temp.expected(),
            (select string_agg(d.what, '; ') from handoff.doctor() d where d.severity = 'error'));
    end loop;
end $$;
select is_empty($$ select round, act, problem from outcome where problem is not null $$, 'nobody is with sales twice, at no moment');
select is_empty($$ select round, act, found, expected from outcome where found <> expected $$, 'one of each person is handed over, the others are held');
select is_empty($$ select round, act, broken from outcome where broken is not null $$, 'and doctor() is content');
select cmp_ok((select sum(split_part(expected, ' ', 3)::int) from outcome), '>', 50::bigint, 'there are many to hold');

-- with people who work them meanwhile
do $$
declare
    actions text[] := array['join', 'same_owner', 'notify', 'block', null];
    problem text;
begin
    truncate outcome;
    for round in 1..5 loop
        perform setseed(round / 100.0);
        perform pg_temp.make_feed();
        perform pg_temp.clear(actions[1 + round % 5]);
        problem := pg_temp.deliver(actions[1 + round % 5], true);
        insert into outcome values (round, actions[1 + round % 5], problem,
            -- who asks, is there, and is neither with sales, nor held by another one, nor was answered
            (select string_agg(l.id, ' ') from crm.lead l join handoff.lead s on s.lead_key = l.id
             where exists (select from crm.act a where a.lead_key = l.id) and s.duplicate_of is null
               and not exists (select from handoff.handoff h where h.lead_key = l.id and coalesce(h.outcome, '') <> 'withdrawn')),
            -- held by what is not a handoff of the person, or has ended long ago
            (select string_agg(l.lead_key, ' ') from handoff.lead l
             left join handoff.handoff h on h.lead_key = l.duplicate_of and h.handoff_no = l.duplicate_handoff
             left join handoff.lead o on o.lead_key = l.duplicate_of
             where l.duplicate_of is not null and l.deleted_at is null
               and (h.lead_key is null or o.person_key is distinct from l.person_key
                    or h.closed_at is not null and (actions[1 + round % 5] is distinct from 'join' or h.closed_at < l.decided_at - interval '2 days'))),
            (select string_agg(d.what, '; ') from handoff.doctor() d where d.severity = 'error'));
    end loop;
end $$;
select is_empty($$ select round, act, problem from outcome where problem is not null $$, 'with work: nobody is with sales twice, at no moment');
select is_empty($$ select round, act, found from outcome where found is not null $$, '.. everybody who asks has been answered, is with sales, or held');
select is_empty($$ select round, act, expected from outcome where expected is not null $$, '.. by a handoff of the same person, that is open or ended not long ago');
select is_empty($$ select round, act, broken from outcome where broken is not null $$, '.. and doctor() is content');

-- and half of the people are forgotten, while all their rows are still there and come again
do $$
declare
    actions text[] := array['join', 'same_owner', 'notify', 'block', null];
    moment  timestamptz;
    counts  bigint;
    gone    text[];
    key     text;
begin
    truncate outcome;
    for round in 1..5 loop
        perform setseed(round / 100.0);
        perform pg_temp.make_feed();
        perform pg_temp.clear(actions[1 + round % 5]);
        perform pg_temp.deliver(actions[1 + round % 5], true);
        select max(decided_at) into moment from handoff.lead;
        counts := (select count(*) from handoff.handoff);
        gone := '{}';
        for key in select min(l.lead_key) from handoff.lead l where l.person_key is not null group by l.person_key having hashtextextended(l.person_key, round) % 2 = 0 loop
            gone := gone || array(select handoff.leads_of_person(key));
            perform handoff.forget(key, p_now => moment);
        end loop;
        if (select count(*) from handoff.handoff) <> counts then
            raise 'handoffs have gone';
        end if;
        update crm.lead set employees = employees + 1;
        update crm.act set page = page || '?';
        perform handoff.tick(moment);
        perform handoff.tick(moment);
        insert into outcome values (round, actions[1 + round % 5], cardinality(gone)::text,
            (select string_agg(l.lead_key, ' ') from handoff.lead l where l.lead_key = any (gone)),
            (select string_agg(a.lead_key, ' ') from handoff.activity a where a.lead_key = any (gone)),
            (select string_agg(d.what, '; ') from handoff.doctor() d where d.severity = 'error'));
    end loop;
end $$;
select is_empty($$ select round, act, found from outcome where found is not null $$, 'who is forgotten does not come back');
select is_empty($$ select round, act, expected from outcome where expected is not null $$, '.. nor what he did');
select is_empty($$ select round, act, broken from outcome where broken is not null $$, '.. and doctor() is content');
select cmp_ok((select min(problem::int) from outcome), '>', 5, '.. several in each round');

select * from finish();
rollback;
