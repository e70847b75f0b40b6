-- Revenue: currencies and rates; and every view of opportunities against the same numbers counted in another way,
-- opportunity by opportunity, over some hundreds of them with every odd case among them.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.publish(1);
    perform handoff.draft(1);
    update handoff.contract set reporting_zone = 'America/Los_Angeles', opportunity_window = '20 days' where contract_id = 2;
    perform handoff.publish(2);
end $$;
set local timezone = 'Asia/Tokyo';

-- Shape -------------------------------------------------------------------------------------------

\set views '{opportunity_amount,opportunity_lead,fact_opportunity,fact_opportunity_handoff,win_rate,win_rate_rep,pipeline_influence,pipeline_attribution}'
\i test/lib/shape.sql
select is((select count(*) from col where name ~ '_den$'), 9::bigint, 'nine rates');
select is_empty($$ select view_name from mine where pg_get_viewdef(oid) ~* '(now|timestamp|timeofday)\(|current_(date|time)|localtime' $$, 'no clock');
select set_eq($$ select view_name from mine where view_name = any (handoff.reader_views()) $$, '{win_rate,pipeline_influence,pipeline_attribution}'::text[], 'what readers may see');
select is_empty($$ select * from col where view_name = any (handoff.reader_views()) and name = 'owner' $$, 'names no owner');

-- Currencies ----------------------------------------------------------------------------------------

select throws_ok($$ select handoff.set_exchange_rate('USD', 0.9) $$, '55000', 'there is no reporting currency to give a rate to');
select throws_ok($$ select handoff.set_reporting_currency('Euro') $$, '22023', 'a currency has a code of three letters, not "Euro"');
select throws_ok($$ select handoff.set_reporting_currency('EUR', '') $$, '22023', 'a currency has a code of three letters, not ""');
select handoff.set_reporting_currency(' eur ', 'usd');
select results_eq('select reporting_currency, assumed_currency from handoff.meta', $$ values ('EUR', 'USD') $$, 'as ISO 4217 writes them');
select handoff.set_exchange_rate('usd', 0.8, '2026-01-01'), handoff.set_exchange_rate('USD', 0.9, '2026-01-01'), handoff.set_exchange_rate('USD', 0.9, '2026-01-01');
select throws_ok($$ select handoff.set_exchange_rate('eur', 1) $$, '55000', '"EUR" is the reporting currency itself');
select throws_ok(format('select handoff.set_exchange_rate(%s)', a), '22023', 'a rate needs a currency, a date and a number above 0', a)
from unnest(array['null, 1', '''USD'', null', '''USD'', 0', '''USD'', -1', '''USD'', ''NaN''', '''USD'', ''Infinity''', '''USD'', 1, null', '''USD'', 1, ''infinity''']) a;
select throws_ok($$ insert into handoff.exchange_rate values ('usd', '2026-01-01', 1) $$, '23514');
select throws_ok($$ insert into handoff.exchange_rate values ('USD', '2026-03-01', 'NaN') $$, '23514');
select throws_ok($$ select handoff.set_reporting_currency('USD') $$, '55000', 'the exchange rates there are say what other currencies are worth in "EUR"');
select throws_ok($$ select handoff.remove_exchange_rate('USD', '2026-01-02') $$, '42704', 'there is no rate of "USD" from 2026-01-02 on');
select lives_ok($$ select handoff.set_reporting_currency('EUR', null) $$, 'the assumed one may change, rates or not');
select handoff.remove_exchange_rate('usd', '2026-01-01'), handoff.set_exchange_rate('JPY', 0.006, '2026-01-01'), handoff.set_reporting_currency('CHF', drop_rates => true);
insert into handoff.exchange_rate values ('EUR', '2026-01-01', 0.95), ('USD', '2026-01-01', 0.9);
update handoff.exchange_rate set rate = rate * 2 where currency = 'USD';
update handoff.exchange_rate set rate = rate;
truncate handoff.exchange_rate;
select results_eq($$ select object, name, old #>> '{rate}', new #>> '{rate}' from handoff.operation_log where object in ('exchange_rate', 'meta') order by at, name $$, $$ values
    ('meta', 'reporting_currency', null, null), ('exchange_rate', 'USD/2026-01-01', null, '0.8'), ('exchange_rate', 'USD/2026-01-01', '0.8', '0.9'),
    ('meta', 'reporting_currency', null, null), ('exchange_rate', 'USD/2026-01-01', '0.9', null), ('exchange_rate', 'JPY/2026-01-01', null, '0.006'),
    ('exchange_rate', 'JPY/2026-01-01', '0.006', null), ('meta', 'reporting_currency', null, null),
    ('exchange_rate', 'EUR/2026-01-01', null, '0.95'), ('exchange_rate', 'USD/2026-01-01', null, '0.9'), ('exchange_rate', 'USD/2026-01-01', '0.9', '1.8'),
    ('exchange_rate', 'EUR/2026-01-01', '0.95', null), ('exchange_rate', 'USD/2026-01-01', '1.8', null) $$, 'each change is logged, and nothing else');
select handoff.set_reporting_currency(null);

-- amounts of one opportunity, as given and as converted
create function pg_temp.opp(key text, more jsonb) returns void language sql as $$
    insert into handoff.opportunity
    select r.* from jsonb_populate_record(null::handoff.opportunity, jsonb_build_object('opportunity_key', key, 'source', 'crm', 'created_at', '2026-02-10 12:00+00',
        'is_won', false, 'is_closed', false, 'seen_at', '2026-02-10 12:00+00') || more) r
$$;
do $$ begin
    perform pg_temp.opp('none', '{}'), pg_temp.opp('plain', '{"amount": 100}'), pg_temp.opp('eur', '{"amount": 100, "currency": "EUR"}'), pg_temp.opp('usd', '{"amount": 100, "currency": "usd "}'),
            pg_temp.opp('crm', '{"amount": 100, "currency": "USD", "amount_reporting": 77}'), pg_temp.opp('nan', '{"amount": "NaN", "currency": "EUR"}'),
            pg_temp.opp('crm only', '{"amount_reporting": 55}'), pg_temp.opp('gone', '{"amount": 1, "deleted_at": "2026-03-01"}'),
            -- 23:30 of 28 February in Los Angeles, whose contract is in force
            pg_temp.opp('closed', '{"amount": 100, "currency": "USD", "closed_at": "2026-03-01 07:30+00", "is_closed": true}'),
            pg_temp.opp('expected', '{"amount": 100, "currency": "USD", "closed_at": "2026-04-01 12:00+00"}'),
            pg_temp.opp('before', '{"amount": 100, "currency": "USD", "created_at": "2025-12-31 12:00+00"}');
end $$;
create function pg_temp.amounts() returns text language sql as $$
    select string_agg(opportunity_key || ' ' || trim_scale(reporting_amount) || ' ' || converted_by || coalesce(' ' || rate_from, ''), ', ' order by opportunity_key) from handoff.opportunity_amount
    where reporting_amount is not null
$$;
select is((select count(*) from handoff.opportunity_amount), 10::bigint, 'one row each');
select is(pg_temp.amounts(), 'crm 77 crm, crm only 55 crm, plain 100 same', 'no reporting currency: what names no currency is of one; the CRM''s own conversion counts');
select handoff.set_reporting_currency('EUR');
select is(pg_temp.amounts(), 'crm 77 crm, crm only 55 crm, eur 100 same', 'EUR, no rates: what names none is not known');
select handoff.set_reporting_currency('EUR', 'EUR');
select is(pg_temp.amounts(), 'crm 77 crm, crm only 55 crm, eur 100 same, plain 100 same', 'what names none is assumed to be EUR');
select handoff.set_exchange_rate('USD', 0.5, '2026-01-01'), handoff.set_exchange_rate('USD', 0.75, '2026-03-01'), handoff.set_exchange_rate('USD', 9, '2026-04-01');
select is(pg_temp.amounts(), 'closed 50 rate 2026-01-01, crm 77 crm, crm only 55 crm, eur 100 same, expected 50 rate 2026-01-01, plain 100 same, usd 50 rate 2026-01-01',
    'by the rate of the close date, else of the creation; none before the first');
delete from handoff.opportunity;

-- Facts -------------------------------------------------------------------------------------------

\i test/lib/made_up.sql
do $$
declare
    t    timestamptz;
    legs text[];
begin
    insert into handoff.exchange_rate values ('JPY', '2026-02-15', 0.006);
    for i in 1 .. 250 loop
        t := timestamptz '2026-01-05 00:00+00' + pg_temp.u(i, 1) * interval '100 days';
        insert into handoff.lead (lead_key, source, raw_key, contract_id, stage, stage_since, fields, account_key, fit, intent, group_heat, score, signals,
                                  cycle, cycle_since, trigger, trigger_at, first_seen_at, decided_at, deleted_at, last_seq)
        values ('L' || i, 'crm', 'L' || i, 1 + (i % 5 < 3)::int, 'lead', '2026-01-01', '{}', case when i % 3 > 0 then 'A' || i % 40 end, 0, '0', '{}', 0, '{}',
                1, '2026-01-01', 'row', '2026-01-01', '2026-01-01', '2026-01-01', case when i % 17 = 0 then timestamptz '2026-06-01' end, 1);
        legs := (array['{}', '{mql_to_sdr}', '{mql_to_sdr,sdr_to_ae}', '{mql_to_sdr,sdr_to_ae,mql_to_sdr}', '{mql_to_sdr,sdr_to_ae,sdr_to_ae}', '{sdr_to_ae}'])[1 + i % 6]::text[];
        insert into handoff.handoff
        select r.*
        from generate_series(1, cardinality(legs)) n,
             jsonb_populate_record(null::handoff.handoff, jsonb_strip_nulls(jsonb_build_object(
                 'lead_key', 'L' || i, 'handoff_no', n, 'cycle', case when n = 3 and legs[3] = 'mql_to_sdr' then 2 else 1 end, 'leg', legs[n],
                 'contract_id', 1 + ((i + n) % 3 = 0)::int, 'origin', (array['contract', 'self_booked', 'manual', 'contract', 'adopted'])[1 + (i * n) % 5],
                 'stage_from', 'lead', 'fit', 0, 'intent', 0, 'score', 0, 'trigger', 'activity', 'trigger_at', t,
                 'handed_at', case when i % 11 = 0 then t else t + (n - 1) * interval '15 days' end,
                 'incomplete', false, 'band', (array['A', 'B', null])[1 + i % 3], 'pool', (array['sdr', 'ae', null])[1 + (i + n) % 3], 'segment', (array['s', 'm'])[1 + i % 2],
                 'rep', (array['ana', 'ben', null])[1 + i % 3], 'assignments', 0, 'touches', 0, 'contacts', 0, 'channels', '[]'::jsonb, 'no_show', false,
                 'joined_activities', 0, 'month', '1970-01-01', 'hops', 0, 'by_last_route', false, 'reroutes', 0, 'undone', 0,
                 'closed_at', case when (i + n) % 8 = 0 then t + interval '40 days' end, 'outcome', case when (i + n) % 8 = 0 then 'withdrawn' end))) r;
        insert into handoff.activity (lead_key, source, activity_key, at, seen_at, taken_at, fields, meanings)
        select 'L' || i, 'act', 'a' || i || '/' || n, t + (pg_temp.u(i, 10 + n) - 0.5) * interval '60 days', t, t,
               jsonb_build_object('kind', (array['form', 'event', 'call'])[1 + (i + n) % 3]) || case when n = 1 then '{"channel": "web"}' else '{}'::jsonb end,
               case when (i + n) % 3 < 2 then '{marketing,signal:x}' else '{touch}' end::text[]
        from generate_series(1, i % 5) n;
    end loop;
    -- who is not known: links of contacts
    for i in 1 .. 300 loop
        t := timestamptz '2026-01-10 00:00+00' + pg_temp.u(i, 30) * interval '130 days';
        perform pg_temp.opp('O' || i, jsonb_strip_nulls(jsonb_build_object(
            'created_at', t, 'account_key', case when i % 2 = 0 then 'A' || i % 40 end, 'amount', case when i % 13 > 0 then 100 * (i % 40) end,
            'currency', (array['EUR', 'USD', 'JPY', 'XXX', null])[1 + i % 5], 'amount_reporting', case when i % 29 = 0 then 7 end,
            'closed_at', case when i % 7 > 0 or i % 4 < 2 then date_trunc('day', t + (pg_temp.u(i, 31) - 0.1) * interval '90 days') end,
            'is_won', i % 4 = 0, 'is_closed', i % 4 < 2, 'deleted_at', case when i % 31 = 0 then t end)));
        insert into handoff.opportunity_link (lead_key, opportunity_key, source, link_key, link_kind)
        select case when (i + n) % 20 = 0 then 'contact' else 'L' || 1 + (i * 7 + n * 31) % 250 end, 'O' || i, 'crm', 'k' || i || '/' || n, (array['converted', 'contact_role', 'manual'])[1 + n % 3]
        from generate_series(1, (array[0, 1, 1, 2, 4])[1 + i % 5]) n;
        -- two ways to know it
        insert into handoff.opportunity_link select k.lead_key, k.opportunity_key, k.source, k.link_key || ' too', 'converted' from handoff.opportunity_link k where k.opportunity_key = 'O' || i and i % 10 = 3;
    end loop;
    -- links to what nobody knows
    insert into handoff.opportunity_link values ('L1', 'unknown', 'crm', 'k0', 'contact_role');
end $$;

-- the same, opportunity by opportunity
create temp table opp_lead (opportunity_key text, lead_key text, link_kind text);
create temp table opp (opportunity_key text, created_month date, closed_month date, state text, amount numeric, leads bigint, reached text, influenced boolean);
create temp table led (opportunity_key text, lead_key text, handoff_no int, leg text, attributed boolean);
do $$
declare
    o     handoff.opportunity;
    l     handoff.lead;
    k     record;
    h     handoff.handoff;
    best  handoff.handoff;
    found handoff.handoff;
    legs  jsonb;
    zone  constant text := 'America/Los_Angeles';
    days  date;
    money numeric;
    word  text;
begin
    for o in select * from handoff.opportunity where deleted_at is null loop
        for l in select * from handoff.lead loop
            word := null;
            foreach word in array array['manual', 'contact_role', 'converted'] loop
                if exists (select from handoff.opportunity_link x where x.lead_key = l.lead_key and x.opportunity_key = o.opportunity_key and x.link_kind = word) then
                    delete from opp_lead x where x.lead_key = l.lead_key and x.opportunity_key = o.opportunity_key;
                    insert into opp_lead values (o.opportunity_key, l.lead_key, word);
                end if;
            end loop;
            -- only the second version lets the account say so, for twenty days on the clock of its zone
            continue when l.contract_id <> 2 or l.deleted_at is not null or o.account_key is distinct from l.account_key or o.account_key is null
                or exists (select from opp_lead x where x.lead_key = l.lead_key and x.opportunity_key = o.opportunity_key);
            for h in select * from handoff.handoff x where x.lead_key = l.lead_key loop
                if o.created_at >= h.handed_at and o.created_at at time zone zone <= h.handed_at at time zone zone + interval '20 days'
                    and not exists (select from opp_lead x where x.lead_key = l.lead_key and x.opportunity_key = o.opportunity_key) then
                    insert into opp_lead values (o.opportunity_key, l.lead_key, 'account');
                end if;
            end loop;
        end loop;
        insert into opp_lead select distinct o.opportunity_key, x.lead_key, 'x' from handoff.opportunity_link x where x.opportunity_key = o.opportunity_key and x.lead_key = 'contact';

        if o.is_closed and o.closed_at < o.created_at then
            o.closed_at := o.created_at;
        end if;
        days := (coalesce(case when o.is_closed then o.closed_at end, o.created_at) at time zone zone)::date;
        money := case when coalesce(o.currency, 'EUR') = 'EUR' and o.amount is not null then o.amount
                      when o.amount_reporting is not null then o.amount_reporting
                      when o.currency = 'JPY' and days >= '2026-02-15' then o.amount * 0.006
                      when o.currency = 'USD' and days >= '2026-04-01' then o.amount * 9
                      when o.currency = 'USD' and days >= '2026-03-01' then o.amount * 0.75
                      when o.currency = 'USD' and days >= '2026-01-01' then o.amount * 0.5 end;
        insert into opp values (o.opportunity_key, to_char(o.created_at at time zone zone, 'YYYY-MM-01')::date, to_char(o.closed_at at time zone zone, 'YYYY-MM-01')::date,
            case when o.is_won then 'won' when o.is_closed then 'lost' else 'open' end, money,
            (select count(*) from opp_lead x where x.opportunity_key = o.opportunity_key and x.lead_key <> 'contact'),
            case when (select count(*) from opp_lead x join handoff.handoff y using (lead_key) where x.opportunity_key = o.opportunity_key and coalesce(y.outcome, '') <> 'withdrawn') > 0 then 'handed'
                 when (select count(*) from opp_lead x where x.opportunity_key = o.opportunity_key and x.lead_key <> 'contact') > 0 then 'not_handed' else 'no_lead' end,
            (select count(*) from opp_lead x join handoff.activity a using (lead_key) where x.opportunity_key = o.opportunity_key and a.meanings[1] = 'marketing' and a.at < o.created_at) > 0);

        -- which handoffs led to it
        for k in select * from opp_lead x where x.opportunity_key = o.opportunity_key loop
            found := null;
            for h in select * from handoff.handoff x where x.lead_key = k.lead_key order by handoff_no loop
                if found is null or found.lead_key is null or h.handed_at <= o.created_at then
                    found := h;
                end if;
            end loop;
            continue when found.lead_key is null;
            legs := '{}';
            for h in select * from handoff.handoff x where x.lead_key = k.lead_key order by handoff_no loop
                if h.cycle = found.cycle and h.handoff_no <= found.handoff_no then
                    legs := legs || jsonb_build_object(h.leg, h.handoff_no);
                end if;
            end loop;
            insert into led select o.opportunity_key, k.lead_key, e.value::int, e.key, false from jsonb_each_text(legs) e;
        end loop;
        -- and which one it counts for
        for word in select distinct x.leg from led x where x.opportunity_key = o.opportunity_key loop
            best := null;
            for h in select y.* from led x join handoff.handoff y using (lead_key, handoff_no) where x.opportunity_key = o.opportunity_key and x.leg = word order by y.lead_key loop
                if best.lead_key is null then
                    best := h;
                    continue;
                end if;
                if (h.origin in ('contract', 'self_booked') and coalesce(h.outcome, '') <> 'withdrawn') <> (best.origin in ('contract', 'self_booked') and coalesce(best.outcome, '') <> 'withdrawn') then
                    best := case when h.origin in ('contract', 'self_booked') and coalesce(h.outcome, '') <> 'withdrawn' then h else best end;
                elsif ((select link_kind from opp_lead x where (x.opportunity_key, x.lead_key) = (o.opportunity_key, h.lead_key)) = 'account')
                   <> ((select link_kind from opp_lead x where (x.opportunity_key, x.lead_key) = (o.opportunity_key, best.lead_key)) = 'account') then
                    best := case when (select link_kind from opp_lead x where (x.opportunity_key, x.lead_key) = (o.opportunity_key, h.lead_key)) = 'account' then best else h end;
                elsif (h.handed_at <= o.created_at) <> (best.handed_at <= o.created_at) then
                    best := case when h.handed_at <= o.created_at then h else best end;
                elsif h.handed_at <= o.created_at and h.handed_at > best.handed_at or h.handed_at > o.created_at and h.handed_at < best.handed_at then
                    best := h;
                end if;
            end loop;
            update led x set attributed = true where (x.opportunity_key, x.lead_key, x.handoff_no) = (o.opportunity_key, best.lead_key, best.handoff_no);
        end loop;
    end loop;
end $$;
select set_eq($$ select opportunity_key, lead_key, link_kind from handoff.opportunity_lead k where lead_key <> 'contact' and exists (select from handoff.fact_opportunity o where o.opportunity_key = k.opportunity_key) $$,
    $$ select * from opp_lead where lead_key <> 'contact' $$, 'opportunity_lead');
select bag_eq($$ select opportunity_key, created_month, closed_month, case when won then 'won' when lost then 'lost' when is_open then 'open' end, trim_scale(reporting_amount), leads, reached, influenced from handoff.fact_opportunity $$,
    'select opportunity_key, created_month, closed_month, state, trim_scale(amount), leads, reached, influenced from opp', 'fact_opportunity');
select bag_eq('select opportunity_key, lead_key, handoff_no, leg, attributed from handoff.fact_opportunity_handoff', 'select * from led', 'fact_opportunity_handoff');
select results_eq($$
    select count(distinct reached), bool_or(influenced), bool_or(not influenced), bool_or(closed_month is null and state = 'open'), bool_or(amount is null and state = 'won'), count(*) > 200, bool_or(leads > 2)
    from opp $$, $$ values (3::bigint, true, true, true, true, true, true) $$, 'every odd case of an opportunity is among them');
select results_eq($$ select bool_or(attributed), bool_or(not attributed), bool_or(handoff_no = 3), count(*) > 200 from led $$, $$ values (true, true, true, true) $$, 'and of what led to them');
select is((select count(*) from (select opportunity_key, leg from led group by 1, 2 having count(*) filter (where attributed) <> 1) d), 0::bigint, 'each counts once a leg');
select set_eq('select distinct link_kind from opp_lead', '{converted,contact_role,manual,account,x}'::text[], 'known in every way');

-- Won -----------------------------------------------------------------------------------------------

create temp table expected as
with part as (
    select b.basis, b.month, h.leg, d.dimension, d.value, o.*
    from led join opp o using (opportunity_key) join handoff.handoff h using (lead_key, handoff_no) join handoff.contract c using (contract_id)
    cross join lateral (values ('closed', o.closed_month), ('handed', to_char(h.handed_at at time zone c.reporting_zone, 'YYYY-MM-01')::date)) b (basis, month)
    cross join lateral (values ('all', null), ('pool', h.pool), ('band', h.band), ('segment', h.segment), ('version', h.contract_id::text), ('rep', h.rep)) d (dimension, value)
    where led.attributed and h.origin in ('contract', 'self_booked') and coalesce(h.outcome, '') <> 'withdrawn'
    union all
    select 'closed', o.closed_month, null, 'all', null, o.* from opp o
), summed as (
    select basis, month, leg, dimension, value, sum((state = 'won')::int) as won, sum((state <> 'open')::int) as closed, sum((state = 'open')::int) as open,
           sum(case state when 'won' then coalesce(amount, 0) else 0 end) as won_amount, sum(case when state <> 'open' then coalesce(amount, 0) else 0 end) as amount,
           sum(case state when 'open' then coalesce(amount, 0) else 0 end) as open_amount, sum((state <> 'open' and amount is null)::int) as without_amount
    from part group by 1, 2, 3, 4, 5
), covered as (
    select s.*, case basis when 'handed' then s.closed + s.open else (select count(*) from opp where closed_month is not distinct from s.month and state <> 'open') end as of_all,
           case basis when 'handed' then s.open else (select count(*) from opp where closed_month is not distinct from s.month and state = 'open') end as still_open
    from summed s
)
select basis, month, leg, dimension, value,
       case when closed > 0 then round(won::numeric / closed, 4) end as win_rate, won as win_rate_num, closed as win_rate_den, open as win_rate_open,
       case when amount <> 0 then round(won_amount / amount, 4) end as amount_win_rate, trim_scale(won_amount) as amount_win_rate_num, trim_scale(amount) as amount_win_rate_den,
       trim_scale(open_amount) as amount_win_rate_open, without_amount,
       case when of_all > 0 then round(closed::numeric / of_all, 4) end as coverage, closed as coverage_num, of_all as coverage_den, still_open as coverage_open
from covered;
create function pg_temp.rates() returns text language sql as $$
    select 'win_rate, win_rate_num, win_rate_den, win_rate_open, amount_win_rate, trim_scale(amount_win_rate_num) as won, trim_scale(amount_win_rate_den) as closed, trim_scale(amount_win_rate_open) as open, '
           'without_amount, coverage, coverage_num, coverage_den, coverage_open'
$$;
select bag_eq('select basis, month, leg, dimension, value, ' || pg_temp.rates() || ' from handoff.win_rate', $$ select * from expected where dimension <> 'rep' $$, 'win_rate');
select bag_eq('select basis, month, leg, rep, ' || pg_temp.rates() || ' from handoff.win_rate_rep', 'select basis, month, leg, value, ' || pg_temp.rates() || $$ from expected where dimension = 'rep' $$, 'win_rate_rep');
select cmp_ok((select count(*) from handoff.win_rate), '>', 100::bigint, 'over many months and slices');
select results_eq($$ select sum(win_rate_num), sum(win_rate_den) from handoff.win_rate where leg is null $$, $$ select count(*) filter (where state = 'won')::numeric, count(*) filter (where state <> 'open')::numeric from opp $$, 'nothing is lost, nothing twice');
select is((select trim_scale(sum(amount_win_rate_num)) from handoff.win_rate where leg is null), (select trim_scale(sum(amount)) from opp where state = 'won'), 'nor money');
select is_empty($$ select basis, leg, dimension from handoff.win_rate where leg is not null group by 1, 2, 3 having sum(win_rate_den) <> (
    select count(*) from led join opp using (opportunity_key) join handoff.handoff using (lead_key, handoff_no)
    where attributed and led.leg = win_rate.leg and state <> 'open' and origin in ('contract', 'self_booked') and outcome is null) $$, 'each dimension has all of the leg');

-- Marketing -------------------------------------------------------------------------------------------

select bag_eq('select month, opportunities, influence, influence_num, influence_den, influence_open, amount_influence, trim_scale(amount_influence_num) as i, trim_scale(amount_influence_den) as n,
                      trim_scale(amount_influence_open) as x, without_amount, handed, handed_num, handed_den, handed_open, not_handed, no_lead from handoff.pipeline_influence', $$
    with s as (
        select created_month, sum(1) as n, sum(influenced::int) as i, sum((reached = 'no_lead')::int) as x, sum((reached = 'handed')::int) as h, sum((reached = 'not_handed')::int) as m,
               sum(coalesce(amount, 0)) as a, sum(case when influenced then coalesce(amount, 0) else 0 end) as ia, sum(case reached when 'no_lead' then coalesce(amount, 0) else 0 end) as xa, sum((amount is null)::int) as w
        from opp group by 1
    ) select created_month, n, round(i::numeric / n, 4) as r1, i, n as d1, x as o1, case when a > 0 then round(ia / a, 4) end as r2, trim_scale(ia) as n2, trim_scale(a) as d2, trim_scale(xa) as o2, w, round(h::numeric / n, 4) as share, h as handed, n as of, x as unknown, m, x as none from s $$, 'pipeline_influence');
create temp table touch as
select o.*, a.fields ->> 'kind' as kind, a.fields ->> 'channel' as channel, a.at
from opp o join opp_lead using (opportunity_key) join handoff.opportunity p using (opportunity_key) join handoff.activity a using (lead_key)
where a.meanings[1] = 'marketing' and a.at < p.created_at;
select bag_eq('select month, model, kind, channel, round(opportunities, 6) as n, round(amount, 4) as a from handoff.pipeline_attribution', $$
    with share as (
        select created_month, 'even' as model, kind, channel, 1.0 / (select count(*) from touch o where o.opportunity_key = t.opportunity_key) as part, amount from touch t
        union all
        select created_month, 'first', kind, channel, 1, amount from touch t where not exists (select from touch o where o.opportunity_key = t.opportunity_key and o.at < t.at)
        union all
        select created_month, 'last', kind, channel, 1, amount from touch t where not exists (select from touch o where o.opportunity_key = t.opportunity_key and o.at > t.at)
        union all
        select created_month, m, null, null, 1, amount from opp, unnest('{first,last,even}'::text[]) m where not influenced
    ) select created_month, model, kind, channel, round(sum(part), 6) as n, round(sum(part * coalesce(amount, 0)), 4) as a from share group by 1, 2, 3, 4 $$, 'pipeline_attribution');
select results_eq('select model, round(sum(opportunities), 6), round(sum(amount), 4) from handoff.pipeline_attribution group by 1 order by 1',
    $$ select m, round(count(*), 6), round(sum(amount), 4) from opp, unnest('{even,first,last}'::text[]) m group by 1 order by 1 $$, 'shares add up to one an opportunity');

-- nothing
truncate handoff.opportunity, handoff.opportunity_link;
select results_eq('select (select count(*) from handoff.win_rate), (select count(*) from handoff.pipeline_influence), (select count(*) from handoff.pipeline_attribution)',
    'values (0::bigint, 0::bigint, 0::bigint)', 'nothing from nothing');

select * from finish();
rollback;
