-- Territories: leads go where the map has their key: which row, what is passed over, what is kept and told,
-- what a change of the map does and what it doesn't.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.add_pool(p) from unnest('{west,east,tiny,empty,fallback,big}'::text[]) p;
    perform handoff.add_rep('ann', 'Ann', 'west');
    perform handoff.add_rep('bob', 'Bob', 'west');
    perform handoff.add_rep('cat', 'Cat', 'east');
    perform handoff.add_rep('tim', 'Tim', 'tiny', capacity => 1);
    perform handoff.add_rep('zoe', 'Zoe', 'fallback');
    perform handoff.add_rep('max', 'Max', 'big');
    perform handoff.add_rep('ida', 'Ida');
    perform handoff.add_rep('old', 'Old');
    perform handoff.deactivate_rep('old');
    insert into handoff.territory (map, kind, key, high, pool, rep) values
        ('zip', 'exact', '94110', '', null, 'ida'),
        ('zip', 'exact', '94111', '', null, 'old'),
        ('zip', 'exact', '94112', '', 'empty', null),
        ('zip', 'exact', '94113', '', 'tiny', null),
        ('zip', 'exact', '94114', '', 'tiny', null),
        ('zip', 'prefix', '9', '', 'east', null),
        ('zip', 'prefix', '94', '', 'west', null),
        ('zip', 'range', '10000', '19999', 'east', null),
        ('zip', 'range', '10100', '10199', 'west', null),
        ('size', 'number', '1000', 'infinity', 'big', null),
        ('country', 'exact', 'DE', '', 'east', null);
    perform handoff.import($json${
"format": 1,
"contract": {"reporting_zone": "UTC"},
"field": [{"of": "lead", "name": "zip", "type": "text"}, {"of": "lead", "name": "country", "type": "text"},
          {"of": "lead", "name": "employees", "type": "bigint"}, {"of": "lead", "name": "revenue", "type": "numeric"}],
"derived": [{"field": "market", "ord": 1, "value": "DE", "criteria": "country in ('AT', 'CH', 'DE')"}],
"stage": [
    {"name": "lead", "position": 10, "owner": "marketing", "is_default": true},
    {"name": "mql", "position": 20, "owner": "sales", "max_age": "1 year", "max_age_to": "lost"},
    {"name": "lost", "position": 60, "is_terminal": true}],
"leg": [{"name": "mql_to_sdr", "ord": 1, "owner_from": "marketing", "owner_to": "sdr"}],
"transition": [{"ord": 10, "from_stage": "lead", "event": "scored", "to_stage": "mql", "leg": "mql_to_sdr"}],
"disposition": [{"code": "not_mine", "outcome": "reroute", "reason": "Somebody else's"}],
"route": [
    {"name": "by_size", "leg": "mql_to_sdr", "ord": 10, "criteria": "employees >= 100", "target_kind": "territory", "target": "size", "key_field": "employees"},
    {"name": "by_revenue", "leg": "mql_to_sdr", "ord": 20, "criteria": "revenue > 0", "target_kind": "territory", "target": "size", "key_field": "revenue"},
    {"name": "full_or_next", "leg": "mql_to_sdr", "ord": 30, "criteria": "zip = '94114'", "target_kind": "territory", "target": "zip", "key_field": "zip", "if_unavailable": "next"},
    {"name": "by_zip", "leg": "mql_to_sdr", "ord": 40, "criteria": "country = 'US'", "target_kind": "territory", "target": "zip", "key_field": "zip"},
    {"name": "by_market", "leg": "mql_to_sdr", "ord": 50, "criteria": "country <> 'US'", "target_kind": "territory", "target": "country", "key_field": "market"},
    {"name": "fallback", "leg": "mql_to_sdr", "ord": 999, "target_kind": "pool", "target": "fallback"}]
}$json$);
end $$;
select results_eq('select severity, object, message from handoff.validate()', $$ values
    ('warning', 'territory map "zip"', '1 of its rows belong to pool empty, which has no active member'),
    ('warning', 'territory map "zip"', '1 of its rows belong to rep old, which is not active') $$, 'what is wrong with a map is told before it is used');
do $$ begin perform handoff.publish(); end $$;
set local timezone = 'UTC';
create schema crm;
create table crm.lead (id text primary key, zip text, country text, employees int, revenue numeric, updated_at timestamptz);
do $$ begin perform handoff.attach('crm.lead', 'lead', since => '-infinity', delete_grace => '0'); end $$;

create function pg_temp.come(id text, zip text, country text, at timestamptz) returns void language plpgsql as $$ begin
    insert into crm.lead (id, zip, country, updated_at) values (come.id, come.zip, come.country, come.at);
    perform handoff.tick(at);
end $$;
-- who has it, by which route; or why nobody
create function pg_temp.who(lead text) returns text language sql as $$
    select coalesce(h.unassigned_reason, concat_ws(' ', h.rep, h.route, h.pool)) from handoff.handoff h where h.lead_key = lead
$$;
-- routes that might have taken it, and rows of maps that were found
create function pg_temp.kept(lead text) returns text language sql as $$
    select concat_ws('; ', (select string_agg(r.key || ' ' || r.value, ', ' order by r.key) from jsonb_each_text(e.detail -> 'passed_over' -> 'routes') r
                            where r.value <> 'no_match'),
                           (select string_agg(concat_ws(' ', r.key || ':', r.value ->> 'map', r.value ->> 'key', '-> ' || (r.value ->> 'row')), ', ' order by r.key)
                            from jsonb_each(e.detail -> 'passed_over' -> 'territories') r))
    from handoff.event e where e.lead_key = lead and e.type in ('assigned', 'unassigned') order by e.seq desc limit 1
$$;

-- Which row -----------------------------------------------------------------------------------------

insert into crm.lead (id, zip, country, employees, revenue, updated_at) values
    ('exact rep', '94110', 'US', null, null, '2026-03-02'),
    ('inactive', '94111', 'US', null, null, '2026-03-02'),
    ('empty', '94112', 'US', null, null, '2026-03-02'),
    ('prefix', '90210', 'US', null, null, '2026-03-02'),
    ('longer', '94999', 'US', null, null, '2026-03-02'),
    ('plus four', '94110-1234', 'US', null, null, '2026-03-02'),
    ('range', '10001', 'US', null, null, '2026-03-02'),
    ('narrower', '10150', 'US', null, null, '2026-03-02'),
    ('too long', '100011', 'US', null, null, '2026-03-02'),
    ('nowhere', '20001', 'US', null, null, '2026-03-02'),
    ('no key', null, 'US', null, null, '2026-03-02'),
    ('blank', '', 'US', null, null, '2026-03-02'),
    ('long', repeat('9', 5000), 'US', null, null, '2026-03-02'),
    ('number', '94110', 'US', 5000, null, '2026-03-02'),
    ('small', '94110', 'US', 500, 1000.00, '2026-03-02'),
    ('derived', '94110', 'AT', null, null, '2026-03-02'),
    ('abroad', '94110', 'FR', null, null, '2026-03-02');
select handoff.tick('2026-03-02') is not null;
select results_eq($$ select lead_key, pg_temp.who(lead_key), replace(pg_temp.kept(lead_key), repeat('9', 5000), '99..') from handoff.lead order by lead_key collate "C" $$, $$ values
    ('abroad', 'zoe fallback fallback', 'by_market no_territory_row; by_market: country'),
    ('blank', 'zoe fallback fallback', 'by_zip no_territory_row; by_zip: zip '),
    ('derived', 'cat by_market east', 'by_market: country DE -> exact DE'),
    ('empty', 'zoe fallback fallback', 'by_zip pool_empty; by_zip: zip 94112 -> exact 94112'),
    ('exact rep', 'ida by_zip', 'by_zip: zip 94110 -> exact 94110'),
    ('inactive', 'zoe fallback fallback', 'by_zip rep_inactive; by_zip: zip 94111 -> exact 94111'),
    ('long', 'cat by_zip east', 'by_zip: zip 99.. -> prefix 9'),
    ('longer', 'ann by_zip west', 'by_zip: zip 94999 -> prefix 94'),
    ('narrower', 'bob by_zip west', 'by_zip: zip 10150 -> range 10100..10199'),
    ('no key', 'zoe fallback fallback', 'by_zip no_territory_row; by_zip: zip'),
    ('nowhere', 'zoe fallback fallback', 'by_zip no_territory_row; by_zip: zip 20001'),
    ('number', 'max by_size big', 'by_size: size 5000 -> number 1000..infinity'),
    ('plus four', 'ann by_zip west', 'by_zip: zip 94110-1234 -> prefix 94'),
    ('prefix', 'cat by_zip east', 'by_zip: zip 90210 -> prefix 9'),
    ('range', 'cat by_zip east', 'by_zip: zip 10001 -> range 10000..19999'),
    ('small', 'max by_revenue big', 'by_size no_territory_row; by_revenue: size 1000.00 -> number 1000..infinity, by_size: size 500'),
    ('too long', 'zoe fallback fallback', 'by_zip no_territory_row; by_zip: zip 100011') $$, 'the row that has the key, and what was passed over');
select results_eq($$ select a.passed_over = e.detail -> 'passed_over' from handoff.assignment a join handoff.event e using (lead_key) where lead_key = 'inactive' and e.type = 'assigned' $$,
    'values (true)', 'kept with the assignment too');
select is((select sum(picks) from handoff.pool_turn_member where pool in ('west', 'east', 'big')),
          (select count(*)::numeric from handoff.assignment where pool in ('west', 'east', 'big')), 'a pick from a territory''s pool is a turn');
select is((select passed_over ? 'territories' from handoff.assignment where lead_key = 'number'), true, 'the key is there in contracts with such routes');

-- Told ----------------------------------------------------------------------------------------------

set local lead_handoff.view_time = '2026-03-03';
select results_eq($$ select name, result, note from handoff.explain('plus four') where step = 'route' and name in ('by_zip', 'by_size') $$, $$ values
    ('by_size', null::boolean, 'leg mql_to_sdr'), ('by_zip', true, 'leg mql_to_sdr, map zip: prefix 94, pool west') $$, 'explain() names the row');
select results_eq($$ select note from handoff.explain('nowhere') where step = 'route' and name = 'by_zip' $$, $$ values ('leg mql_to_sdr, map zip has no row for "20001"') $$, 'or that there is none');
select results_eq($$ select note from handoff.explain('exact rep') where step = 'route' and name = 'by_zip' $$, $$ values ('leg mql_to_sdr, map zip: exact 94110, rep ida') $$, 'or the rep');
select results_eq($$ select route, map, of_key, leads from handoff.territory_gaps() where of_key is null or char_length(of_key) < 10 $$, $$ values
    ('by_size', 'size', null, 15::bigint), ('by_size', 'size', '500', 1), ('by_revenue', 'size', null, 16),
    ('full_or_next', 'zip', '', 1::bigint), ('full_or_next', 'zip', '100011', 1), ('full_or_next', 'zip', '20001', 1), ('full_or_next', 'zip', null, 1),
    ('by_zip', 'zip', '', 1), ('by_zip', 'zip', '100011', 1), ('by_zip', 'zip', '20001', 1), ('by_zip', 'zip', null, 1) $$, 'keys of leads that no row has');

-- Full ----------------------------------------------------------------------------------------------

do $$ begin
    perform pg_temp.come('t1', '94113', 'US', '2026-03-03 09:00');
    perform pg_temp.come('t2', '94113', 'US', '2026-03-03 09:01');
    perform pg_temp.come('t3', '94114', 'US', '2026-03-03 09:02');
end $$;
select is(pg_temp.who('t1'), 'tim by_zip tiny', 'room');
select is(pg_temp.who('t2'), 'all_at_capacity', 'no room: it waits for the pool that its territory has');
select is(pg_temp.kept('t2'), 'by_zip all_at_capacity; by_zip: zip 94113 -> exact 94113', 'with reason and row');
select is(pg_temp.who('t3'), 'all_at_capacity', 'a route that says next goes on, here to one that waits');
select is(pg_temp.kept('t3'), 'by_zip all_at_capacity, full_or_next all_at_capacity; by_zip: zip 94114 -> exact 94114, full_or_next: zip 94114 -> exact 94114', 'with the rows of both');

-- Changes -------------------------------------------------------------------------------------------

create temp table before_change as select lead_key, last_seq, pg_temp.who(lead_key) as who from handoff.lead where lead_key !~ '^t.$';
do $$ begin
    perform handoff.set_territory('zip', '94110', 'east', p_from => '2026-03-04');
    perform handoff.set_territory('zip', '94113', 'east', p_from => '2026-03-04');
    perform handoff.set_territory('zip', '94114', rep => 'ida', p_from => '2026-03-05');
    perform handoff.set_territory('zip', '20001', 'west', p_from => '2026-03-04');
    perform handoff.tick('2026-03-03 23:59:59');
end $$;
select is(pg_temp.who('t2'), 'all_at_capacity', 'what will be is not yet');
do $$ begin perform handoff.tick('2026-03-04'); end $$;
select is(pg_temp.who('t2'), 'cat by_zip east', 'a lead that waits goes where the map says then');
select is(pg_temp.who('t3'), 'all_at_capacity', 'the other one waits on');
do $$ begin perform handoff.tick('2026-03-05'); end $$;
select is(pg_temp.who('t3'), 'ida full_or_next', 'until it is his');
select is_empty($$ select b.* from before_change b join handoff.lead l using (lead_key) where l.last_seq <> b.last_seq or pg_temp.who(lead_key) <> b.who $$, 'assigned leads stay where they are');
do $$ begin
    perform pg_temp.come('new', '94110', 'US', '2026-03-05 09:00');
    perform pg_temp.come('new too', '20001', 'US', '2026-03-05 09:00');
end $$;
select results_eq($$ select pg_temp.who('new'), pg_temp.kept('new') $$, $$ values ('cat by_zip east', 'by_zip: zip 94110 -> exact 94110') $$, 'new ones go by the map as it is');
select is(pg_temp.who('new too'), 'bob by_zip west', 'also where there was none');
select results_eq($$ select note from handoff.explain('exact rep', '2026-03-03') where step = 'route' and name = 'by_zip' $$, $$ values ('leg mql_to_sdr, map zip: exact 94110, rep ida') $$, 'as of then: the row of then');
set local lead_handoff.view_time = '2026-03-06';
select results_eq($$ select note from handoff.explain('exact rep') where step = 'route' and name = 'by_zip' $$, $$ values ('leg mql_to_sdr, map zip: exact 94110, pool east') $$, 'now: that of now');
select results_eq($$ select name, old ->> 'rep', new ->> 'pool' from (select *, row_number() over () as n from handoff.operation_log) l where object = 'territory' and name = 'zip/exact 94110' order by n $$,
    $$ values ('zip/exact 94110', null, null), ('zip/exact 94110', 'ida', null), ('zip/exact 94110', null, 'east') $$, 'every change is logged');

-- not mine: the owner is excluded, and then nobody is left in his territory
do $$ begin
    perform handoff.dispose('exact rep', 'not_mine', 'no', p_now => '2026-03-06 09:00');
    perform handoff.dispose('exact rep', 'not_mine', 'no', p_now => '2026-03-06 10:00');
end $$;
select is(pg_temp.who('exact rep'), 'zoe fallback fallback', 'all who have it gave it away: the next route');
select is(pg_temp.kept('exact rep'), 'by_zip excluded; by_zip: zip 94110 -> exact 94110', 'and why');
do $$ begin
    perform handoff.set_territory('zip', '94110', rep => 'ida', p_from => '2026-03-07');
    perform handoff.dispose('exact rep', 'not_mine', 'no', p_now => '2026-03-07 09:00');
end $$;
select is(pg_temp.kept('exact rep'), 'by_zip excluded, fallback excluded; by_zip: zip 94110 -> exact 94110', 'a rep who gave it away is passed over by name');

-- Many at once: every lead where a plain reading of the map has it ---------------------------------

create temp table plain as select i, lpad((i * 7919 % 100000)::text, 5, '0') as zip from generate_series(1, 3000) i;
do $$ begin
    insert into handoff.territory (map, kind, key, high, pool)
    select 'zip', 'range', lpad((n * 1000)::text, 5, '0'), lpad((n * 1000 + 499)::text, 5, '0'), (array['west', 'east', 'big'])[1 + n % 3] from generate_series(20, 89) n;
    insert into handoff.territory (map, kind, key, pool)
    select 'zip', 'prefix', lpad(n::text, 3, '0'), (array['west', 'east', 'big'])[1 + n % 3] from generate_series(0, 99, 7) n;
    insert into handoff.territory (map, key, pool)
    select 'zip', zip, (array['west', 'east', 'big'])[1 + i % 3] from plain where i % 4 = 0 on conflict do nothing;
    insert into crm.lead (id, zip, country, updated_at) select 'm' || i, zip, 'US', '2026-04-01' from plain;
    perform handoff.tick('2026-04-01');
end $$;
select is_empty($$
    with has as (
        select p.i, t.* from plain p join handoff.territory t on t.map = 'zip' and t.valid_from <= '2026-04-01' and '2026-04-01' < t.valid_to
            and case t.kind when 'exact' then t.key = p.zip when 'prefix' then p.zip like t.key || '%' else p.zip::int between t.key::int and t.high::int end
    ), best as (
        select distinct on (i) i, pool, rep from has order by i, kind, char_length(key) desc, nullif(high, '')::int - key::int
    )
    select h.lead_key, h.pool, h.rep, b.pool, b.rep from plain p
    join handoff.handoff h on h.lead_key = 'm' || p.i
    left join best b on b.i = p.i
    where case when b.pool is not null then h.pool is distinct from b.pool when b.rep is not null then h.rep is distinct from b.rep else h.route <> 'fallback' end
$$, '3,000 leads are where their territory is');
select is((select count(distinct h.pool) from handoff.handoff h where lead_key ~ '^m'), 4::bigint, 'in all of them');
select is_empty($$ select d.what from handoff.doctor() d where d.severity = 'error' $$, 'the doctor finds nothing');
select is_empty('select * from handoff.verify()', 'the log adds up');

-- What publish() is told ----------------------------------------------------------------------------

do $$ begin
    perform handoff.draft();
    update handoff.route set target = 'nowhere' where contract_id = 2 and name = 'by_size';
    insert into handoff.field (contract_id, of, name, type) values (2, 'lead', 'since', 'date');
    update handoff.route set key_field = 'since' where contract_id = 2 and name = 'by_revenue';
end $$;
select results_eq($$ select severity, object, message from handoff.validate(2) where object ~ '^route' $$, $$ values
    ('error', 'route "by_revenue"', 'looks up "since", which is of type date'), ('warning', 'route "by_size"', 'territory map "nowhere" has no rows') $$, 'a map without rows, a field that is no key');

select * from finish();
rollback;
