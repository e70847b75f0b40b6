-- Opportunities: random histories of opportunities, of who takes part in them and of leads that are converted and
-- merged, delivered in order, shuffled and more than once in batches, and all at once: what leads and handoffs have
-- come to is the same, and what plain SQL makes of the final rows.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    delete from handoff.escalation;
    delete from handoff.sla;
    update handoff.contract set opportunity_window = '3 days';
    perform handoff.add_rep('ana', 'Ana', 'sdr', schedule => '24x7 @ UTC');
    perform handoff.add_rep('eva', 'Eva', 'ae', schedule => '24x7 @ UTC');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback', schedule => '24x7 @ UTC');
    perform handoff.publish();
end $$;
set local timezone = 'UTC';
create schema crm;
create table crm.lead (
    id text primary key, email text, company text, country text, industry text, title text, employees int,
    account text, contact text, opp text, master text, updated_at timestamptz
);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, page text);
create table crm.opp (id text primary key, account text, created_at timestamptz, closed_at timestamptz, is_won boolean, is_closed boolean, amount numeric, is_deleted boolean, updated_at timestamptz);
create table crm.role (id text primary key, lead_key text, opportunity_key text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', mapping => '{"account_key": "account", "converted_contact": "contact", "converted_opportunity": "opp",
        "merged_into": "master", "version": "updated_at"}');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
    perform handoff.attach('crm.opp', 'opportunity', mapping => '{"account_key": "account", "deleted": "is_deleted", "version": "updated_at"}');
    perform handoff.attach('crm.role', 'link', delete_grace => '0');
end $$;
create function pg_temp.u(i int, k int) returns float8 language sql immutable as $$
    select (hashint8extended(i, k) & 1048575) / 1048576.0::float8
$$;
create function pg_temp.n(i int, k int, n int) returns int language sql immutable as $$
    select floor(pg_temp.u(i, k) * n)::int
$$;

-- The worlds ----------------------------------------------------------------------------------------

-- version by version: a row of crm.lead, crm.opp or crm.role (NULL: it is gone). # is the copy of the world
create temp table version (tab text, key text, n int, at timestamptz, row jsonb, newest boolean, primary key (tab, key, n));
insert into version
-- opportunities: dates, result, account and amount change
select 'opp', format('#w%s o%s', w, o), n, timestamptz '2026-03-05' + pg_temp.u(x, 1) * interval '1 day' + n * interval '30 hours',
       jsonb_strip_nulls(jsonb_build_object(
           'account', case when pg_temp.u(x, 2) < 0.5 then format('#w%s a%s', w, pg_temp.n(x, 3, 3)) end,
           'created_at', timestamptz '2026-03-01' + pg_temp.u(case when pg_temp.u(x, 4) < 0.8 then x - n else x end, 5) * interval '10 days',
           'closed_at', date_trunc('day', timestamptz '2026-03-03' + pg_temp.u(x, 6) * interval '9 days'),
           'is_won', r.result = 2, 'is_closed', r.result >= 1, 'amount', pg_temp.n(x, 8, 1000), 'is_deleted', n > 1 and pg_temp.u(x, 9) < 0.15))
from generate_series(1, 3) w, generate_series(1, 14) o, lateral generate_series(1, 1 + pg_temp.n(w * 100 + o, 20, 5)) n,
     lateral (select w * 10000 + o * 100 + n as x) s, lateral (select pg_temp.n(x, 7, 3) as result) r
union all
-- who takes part: a lead, a contact that one is or will be converted to, or somebody unknown; moves, goes, comes back
select 'role', format('#w%s r%s', w, r), n, timestamptz '2026-03-05' + pg_temp.u(x, 11) * interval '1 day' + n * interval '30 hours',
       case when n = 1 or pg_temp.u(x, 12) < 0.8 then jsonb_build_object(
           'lead_key', case when pg_temp.u(x, 13) < 0.5 then format('#w%s l%s', w, pg_temp.n(x, 14, 14)) else format('#w%s c%s', w, pg_temp.n(x, 14, 15)) end,
           'opportunity_key', format('#w%s o%s', w, 1 + pg_temp.n(x, 15, 15))) end
from generate_series(1, 3) w, generate_series(1, 16) r, lateral generate_series(1, 1 + pg_temp.n(w * 100 + r, 21, 4)) n, lateral (select w * 10000 + r * 100 + n as x) s
union all
-- leads that are converted, to another opportunity, to none any more; the odd ones to a contact from the second version on; the last two are merged
select 'lead', format('#w%s l%s', w, l), n, timestamptz '2026-03-01 08:00' + case when n > 1 then interval '4 days' + pg_temp.u(x, 17) * interval '1 day' + n * interval '30 hours' else '0' end,
       jsonb_strip_nulls(jsonb_build_object(
           'email', format('l%s@#w%s.example', l, w), 'company', 'Acme', 'country', 'DE', 'industry', 'Software', 'title', 'CEO', 'employees', 500,
           'account', case when n = 1 or pg_temp.u(x, 18) < 0.7 then format('#w%s a%s', w, l % 4) end,
           'contact', case when n > 1 and l % 2 = 1 then format('#w%s c%s', w, l) end,
           'opp', case when n > 1 and pg_temp.u(x, 19) < 0.4 then format('#w%s o%s', w, 1 + pg_temp.n(x, 20, 15)) end,
           'master', case when n = m.last and l in (12, 13) and n > 1 then format('#w%s l%s', w, l - 10) end))
from generate_series(1, 3) w, generate_series(0, 13) l, lateral (select 1 + pg_temp.n(w * 100 + l, 22, 4) as last) m, lateral generate_series(1, m.last) n, lateral (select w * 10000 + l * 100 + n as x) s;
update version v set newest = n = (select max(n) from version o where (o.tab, o.key) = (v.tab, v.key));

-- a tool writes a version of a row
create function pg_temp.write(copy text, tab text, key text, n int) returns void language plpgsql as $$
declare
    v version;
begin
    select * into v from version x where (x.tab, x.key, x.n) = (write.tab, write.key, write.n);
    execute format('delete from crm.%I where id = $1', tab) using replace(key, '#', copy);
    if v.row is not null then
        execute format('insert into crm.%I select (jsonb_populate_record(null::crm.%1$I, $1)).*', tab)
        using replace(v.row::text, '#', copy)::jsonb || jsonb_build_object('id', replace(key, '#', copy), 'updated_at', v.at);
    end if;
end $$;
-- what people do with the leads before all that: by number never handed over, with an SDR, accepted, with an AE (two), back in the second cycle, disqualified, recycled
create function pg_temp.begin(copy text) returns void language plpgsql as $$
declare
    l record;
begin
    perform pg_temp.write(copy, tab, key, n) from version where tab = 'lead' and n = 1;
    for l in select replace(key, '#', copy) as key, substring(key from 'l(\d+)$')::int % 8 as what from version where tab = 'lead' and n = 1 order by 1 loop
        if l.what > 0 then
            insert into crm.act values (l.key || ' demo', l.key, '2026-03-02', 'form', '/demo');
        end if;
    end loop;
    perform handoff.tick('2026-03-02');
    for l in select replace(key, '#', copy) as key, substring(key from 'l(\d+)$')::int % 8 as what from version where tab = 'lead' and n = 1 order by 1 loop
        if l.what >= 2 then
            perform handoff.accept(l.key, p_now => '2026-03-02 12:00');
        end if;
        if l.what >= 3 then
            perform handoff.qualify(l.key, p_now => '2026-03-03');
        end if;
        if l.what in (5, 7) then
            perform handoff.recycle(l.key, 'no_budget', p_now => '2026-03-03 12:00');
            if l.what = 5 then
                insert into crm.act values (l.key || ' again', l.key, '2026-03-04', 'form', '/demo');
            end if;
        elsif l.what = 6 then
            perform handoff.disqualify(l.key, 'student', p_now => '2026-03-03 12:00');
        end if;
    end loop;
    perform handoff.tick('2026-03-04');
    for l in select replace(key, '#', copy) as key from version where tab = 'lead' and n = 1 and key ~ 'l13$' order by 1 loop
        perform handoff.accept(l.key, p_now => '2026-03-04 01:00');
        perform handoff.qualify(l.key, p_now => '2026-03-04 02:00');
    end loop;
end $$;
do $$
declare
    v    record;
    now_ timestamptz := '2026-03-13';
begin
    perform pg_temp.begin(c) from unnest('{a,b,c}'::text[]) c;
    -- a: as it happened
    for v in select x.*, row_number() over (order by at, tab, key) as i from version x where tab <> 'lead' or n > 1 order by i loop
        perform pg_temp.write('a', v.tab, v.key, v.n);
        if v.i % 2 = 0 then
            perform handoff.tick(v.at);
        end if;
    end loop;
    -- b: any order; then the newest of each; then any order again, which leaves older states in the table. Roles have no
    -- version by which older ones would be known: of each the newest comes last
    for v in
        select pass.p, x.*, row_number() over (order by pass.p, x.tab = 'role', case x.tab when 'role' then x.n else 0 end, hashtextextended(x.tab || x.key || x.n, pass.p)) as i
        from version x, (values (1), (2), (3)) pass (p) where (x.tab <> 'lead' or x.n > 1 or pass.p = 3) and (pass.p <> 2 or x.newest)
        order by i
    loop
        perform pg_temp.write('b', v.tab, v.key, v.n);
        if pg_temp.n(v.i::int, 40, 7) = 0 or v.p = 2 then
            now_ := now_ + interval '1 second';
            perform handoff.tick(now_);
        end if;
    end loop;
    -- c: all at once
    perform pg_temp.write('c', x.tab, x.key, x.n) from version x where x.newest;
    perform handoff.tick('2026-03-13 12:00');
    perform handoff.tick('2026-03-13 12:01');
    perform handoff.tick('2026-03-13 12:02');
end $$;
select is_empty('select * from handoff.inbox', 'nothing waits');
select is_empty('select * from handoff.quarantine', 'nothing is wrong');
select is_empty($$ select d.invariant, d.what from handoff.doctor() d where d.severity = 'error' $$, 'all is well');
select is_empty('select * from handoff.verify()', 'and as the log has it');

-- The same, whatever came when ------------------------------------------------------------------------

create temp table ending as
select left(l.lead_key, 1) as copy, substr(l.lead_key, 2) as lead, l.stage, l.cycle, l.account_key is null as no_account,
       (select string_agg(concat_ws(' ', h.handoff_no, h.leg, h.outcome, 'made ' || h.opportunity_at, 'won ' || h.won_at, 'lost ' || h.lost_at), ', ' order by h.handoff_no)
        from handoff.handoff h where h.lead_key = l.lead_key) as handoffs,
       (select string_agg(distinct substr(k.opportunity_key, 2) || ' ' || k.link_kind, ', ') from handoff.opportunity_lead k where k.lead_key = l.lead_key) as links,
       l.deleted_at is not null as gone
from handoff.lead l;
select is((select count(*) from ending), 3 * 3 * 14::bigint, 'all are leads');
-- whose opportunities are all gone may have been moved by them or not
create temp view settled as select * from ending where not gone and (handoffs ~ 'made' or stage not in ('sql', 'opportunity', 'customer', 'lost'));
select is_empty($$ select lead, stage, cycle, no_account, handoffs, links from settled where copy = 'b' except select lead, stage, cycle, no_account, handoffs, links from settled where copy = 'a' $$, 'shuffled as in order');
select is_empty($$ select lead, stage, cycle, no_account, handoffs, links from settled where copy = 'c' except select lead, stage, cycle, no_account, handoffs, links from settled where copy = 'a' $$, 'at once as in order');
select results_eq($$ select count(*) > 60, bool_or(stage = 'opportunity'), bool_or(stage = 'customer'), bool_or(stage = 'lost'), bool_or(handoffs ~ 'recycle made'), bool_or(handoffs ~ 'disqualified made') from settled $$,
    'values (true, true, true, true, true, true)', 'and all that can become of them is among them');
create temp table counted as select left(opportunity_key, 1) as copy, substr(opportunity_key, 2) as key, created_month, closed_month, won, lost, is_open, reporting_amount, leads, reached from handoff.fact_opportunity;
select is_empty($$ select key, created_month, closed_month, won, lost, is_open, reporting_amount, leads, reached from counted where copy <> 'a'
                   except select key, created_month, closed_month, won, lost, is_open, reporting_amount, leads, reached from counted where copy = 'a' $$, 'the numbers too');
select is((select count(*) from counted where copy = 'b'), (select count(*) from counted where copy = 'a'), 'and none more');
select set_eq('select distinct reached from counted', '{handed,not_handed,no_lead}'::text[], 'hits, misses and what nobody knows');

-- As the final rows say -------------------------------------------------------------------------------

-- who is meant by a key of a lead or contact
create temp table who as
with l as (select key, row from version where tab = 'lead' and newest)
select k.key, coalesce(l.row ->> 'master', l.key) as lead from l cross join lateral (values (l.key), (l.row ->> 'contact')) k (key) where k.key is not null;
create temp table o as
select key, r.account, r.created_at, case when r.is_closed then greatest(r.closed_at, r.created_at) end as closed_at, r.is_won
from version, jsonb_populate_record(null::crm.opp, row) r where tab = 'opp' and newest and not r.is_deleted;
create temp table pair as
select distinct w.lead, r.row ->> 'opportunity_key' as key from version r join who w on w.key = r.row ->> 'lead_key' where r.tab = 'role' and r.newest
union
select w.lead, v.row ->> 'opp' from version v join who w on w.key = v.key where v.tab = 'lead' and v.newest and v.row ? 'opp'
union
-- and of the account, for three days after a handoff
select v.key, o.key from version v join o on o.account = v.row ->> 'account' join handoff.handoff h on h.lead_key = replace(v.key, '#', 'a')
where v.tab = 'lead' and v.newest and not v.row ? 'master' and o.created_at between h.handed_at and h.handed_at + interval '3 days';
create temp table mark as
select h.lead_key, h.handoff_no, min(o.created_at) as made, min(o.closed_at) filter (where o.is_won) as won,
       case when sum((o.is_won or o.closed_at is null)::int) = 0 then max(o.closed_at) end as lost
from unnest('{a,b,c}'::text[]) c (copy)
cross join pair p
join o on o.key = p.key
join handoff.handoff h on h.lead_key = replace(p.lead, '#', c.copy)
-- the last before it was made, or the first; and of the legs before, in the same cycle, the last that led there
where exists (
    select from handoff.handoff f
    where f.lead_key = h.lead_key and f.cycle = h.cycle and f.handoff_no >= h.handoff_no
      and (f.handed_at <= o.created_at or f.handoff_no = 1)
      and not exists (select from handoff.handoff n where n.lead_key = f.lead_key and n.handoff_no > f.handoff_no and n.handed_at <= o.created_at)
      and not exists (select from handoff.handoff n where n.lead_key = f.lead_key and n.leg = h.leg and n.handoff_no > h.handoff_no and n.handoff_no <= f.handoff_no))
group by 1, 2;
select bag_eq($$ select h.lead_key, h.handoff_no, h.opportunity_at, h.won_at, h.lost_at from handoff.handoff h join handoff.lead l using (lead_key)
                 where l.deleted_at is null and h.opportunity_at is not null $$, 'select * from mark', 'milestones are those of the final rows');
select cmp_ok((select count(*) from mark), '>', 60::bigint, 'of many');
select is_empty($$
    select l.lead_key, l.stage, x.stage
    from handoff.lead l
    join lateral (select * from handoff.handoff h where h.lead_key = l.lead_key order by h.handoff_no desc limit 1) last on last.leg = 'sdr_to_ae'
    cross join lateral (
        select case when bool_or(m.won is not null) then 'customer' when bool_or(m.lost is null) then 'opportunity' else 'lost' end as stage
        from mark m join handoff.handoff h using (lead_key, handoff_no)
        where h.lead_key = l.lead_key and h.cycle = last.cycle and not coalesce(m.lost < last.handed_at, false)
        having count(*) > 0
    ) x
    where l.deleted_at is null and last.outcome is distinct from 'recycle' and last.outcome is distinct from 'disqualified' and l.stage <> x.stage $$, 'and so are stages');

-- Somebody who was forgotten, merged leads, dates that a source doesn't tell ------------------------------

-- leads of AEs, each with an open opportunity
do $$ begin
    insert into crm.lead (id, email, company, country, industry, title, employees, updated_at)
    select k, k || '@' || k || '.example', 'Acme', 'DE', 'Software', 'CEO', 500, '2026-03-14' from unnest('{f1,f2,f3}'::text[]) k;
    insert into crm.act select k, k, '2026-03-14', 'form', '/demo' from unnest('{f1,f2,f3}'::text[]) k;
    perform handoff.tick('2026-03-14');
    perform handoff.accept(k, p_now => '2026-03-14 01:00'), handoff.qualify(k, p_now => '2026-03-14 02:00') from unnest('{f1,f2,f3}'::text[]) k;
    insert into crm.opp (id, created_at, is_won, is_closed, amount, updated_at) select 'o' || k, '2026-03-14 03:00', false, false, 100, '2026-03-14 03:00' from unnest('{f1,f2,f3}'::text[]) k;
    insert into crm.role select 'r' || k, k, 'o' || k from unnest('{f1,f2,f3}'::text[]) k;
    perform handoff.tick('2026-03-14 03:00');
    perform handoff.forget('f1', p_now => '2026-03-14 04:00');
    update crm.opp set is_won = true, is_closed = true, closed_at = '2026-03-14', updated_at = '2026-03-14 05:00' where id = 'of1';
    insert into crm.role values ('rf1 again', 'f1', 'of1');
    perform handoff.tick('2026-03-14 05:00');
end $$;
select results_eq($$ select won, reached, leads, closed_at, reporting_amount from handoff.fact_opportunity where opportunity_key = 'of1' $$,
    $$ values (true, 'handed', 1::bigint, timestamptz '2026-03-14 03:00', 100::numeric) $$, 'won after its lead was forgotten: it counts, and for a handoff; a date is not before its creation');
select results_eq($$ select f.leg, f.attributed, f.lead_key <> 'f1', h.outcome, h.opportunity_at, h.won_at from handoff.fact_opportunity_handoff f join handoff.handoff h using (lead_key, handoff_no)
                     where f.opportunity_key = 'of1' order by 1 $$,
    $$ values ('mql_to_sdr', true, true, 'next_leg', timestamptz '2026-03-14 03:00', null::timestamptz), ('sdr_to_ae', true, true, 'withdrawn', '2026-03-14 03:00', null) $$,
    'of whom nobody knows; the handoff stays as it was then');
-- a date that is the day''s midnight, before the AE had the lead, is no old loss
do $$ begin
    update crm.opp set is_closed = true, closed_at = '2026-03-14', updated_at = '2026-03-14 06:00' where id = 'of2';
    perform handoff.tick('2026-03-14 06:00');
end $$;
select results_eq($$ select l.stage, h.outcome, h.lost_at from handoff.lead l join handoff.handoff h using (lead_key) where lead_key = 'f2' and h.leg = 'sdr_to_ae' $$,
    $$ values ('lost', 'lost', timestamptz '2026-03-14 03:00') $$, 'lost on the day it was made');
-- no dates at all: made when we first saw it, whatever is edited later
do $$ begin
    insert into crm.opp (id, amount, updated_at) values ('undated', 1, '2026-03-14 07:00');
    insert into crm.role values ('undated', 'f3', 'undated');
    perform handoff.tick('2026-03-14 07:00');
end $$;
create temp table first_seen as select created_at, seen_at from handoff.opportunity where opportunity_key = 'undated';
do $$ begin
    update crm.opp set amount = 2, updated_at = '2026-03-14 08:00' where id = 'undated';
    perform handoff.tick('2026-03-14 08:00');
    update crm.opp set is_won = true, is_closed = true, updated_at = '2026-03-14 09:00' where id = 'undated';
    perform handoff.tick('2026-03-14 09:00');
end $$;
select results_eq($$ select o.created_at, o.created_at = s.seen_at, o.closed_at, o.amount from handoff.opportunity o, first_seen s where opportunity_key = 'undated' $$,
    $$ select s.created_at, true, timestamptz '2026-03-14 09:00', 2::numeric from first_seen s $$, 'made when first seen, closed by its version');
do $$ begin
    insert into crm.opp (id, is_won, is_closed, closed_at, updated_at) values ('past', true, true, '2025-06-01', '2026-03-14 07:00');
    perform handoff.tick('2026-03-14 10:00');
end $$;
select is((select created_at from handoff.opportunity where opportunity_key = 'past'), timestamptz '2025-06-01', 'one that was closed before it was seen was made by then');
select is_empty($$ select d.invariant, d.what from handoff.doctor() d where d.severity = 'error' $$, 'all is well');
-- by hand
do $$ begin
    insert into crm.opp (id, created_at, is_won, is_closed, amount, updated_at) values ('by hand', '2026-03-14 10:00', true, true, 5, '2026-03-14 10:00');
    perform handoff.tick('2026-03-14 10:00');
end $$;
select is((select reached from handoff.fact_opportunity where opportunity_key = 'by hand'), 'no_lead', 'nobody''s');
select is(handoff.link_opportunity('f2', 'by hand', '2026-03-14 11:00'), 'customer', 'until somebody says whose: decided at once');
select is(handoff.link_opportunity('f2', 'by hand', '2026-03-14 11:00'), 'customer', 'which may be said again');
select results_eq($$ select link_kind, leads, reached from handoff.opportunity_lead k join handoff.fact_opportunity o using (opportunity_key) where k.opportunity_key = 'by hand' $$,
    $$ values ('manual', 1::bigint, 'handed') $$, 'f2''s');
select is(handoff.unlink_opportunity('f2', 'by hand', '2026-03-14 12:00'), 'lost', 'and takes it back: the other one is lost, still');
select throws_ok($$ select handoff.unlink_opportunity('f2', 'by hand', '2026-03-14 12:00') $$, '42704', 'nobody has linked lead "f2" to opportunity "by hand"');
select throws_ok($$ select handoff.unlink_opportunity('f2', 'of2', '2026-03-14 12:00') $$, '42704', 'nobody has linked lead "f2" to opportunity "of2"', 'what a row says stays');
select throws_ok($$ select handoff.link_opportunity('f1', 'of2', '2026-03-14 12:00') $$, 'LH040', 'there is no lead "f1"', 'nobody is nobody''s');
select is_empty($$ select d.invariant, d.what from handoff.doctor() d where d.severity = 'error' $$, 'all is well');
-- doctor() sees what somebody did by hand
update handoff.handoff set won_at = null where lead_key = 'f3' and leg = 'sdr_to_ae';
select bag_has($$ select invariant from handoff.doctor() where what like '%f3%its opportunities say%' $$, 'values (19)', 'doctor() compares');

select * from finish();
rollback;
