-- Work standards: what is owed, counted by SQL of its own over random histories; that work_status() says
-- it is met exactly if the disposition can be given; channels, predecessors, overrides.
begin;
set local client_min_messages = warning;
set local timezone = 'UTC';
set local lead_handoff.inline_limit = 0;
select no_plan();
\set QUIET 1
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.add_exception('office_berlin', '2026-03-10', 'closed', note => 'company outing');
    perform handoff.add_exception('office_berlin', '2026-03-14', 'open', '10:00-12:00', 'stocktaking');
    perform handoff.add_exception('office_berlin', '2026-03-11', 'break', '09:00-17:59', 'all-hands, of which a minute is left');
    perform handoff.add_rep(r, r, 'sdr', schedule => '24x7 @ UTC') from unnest('{ana,ben}'::text[]) r;
    perform handoff.add_rep('eva', 'Eva', 'ae', schedule => '24x7 @ UTC');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback', schedule => '24x7 @ UTC');
    -- no case in which a stage's age gets in the way
    update handoff.stage set max_age = '100 days' where owner = 'sales';
    delete from handoff.escalation;
    insert into handoff.work_standard (contract_id, name, ord, leg, criteria, min_touches, min_channels, min_contacts, min_business_days, min_gap, counts_predecessor) values
        (1, 'gap', 1, null, null, 5, 0, 0, 0, '7 hours', true),
        (1, 'gap', 2, null, null, 99, 0, 0, 0, null, true),
        (1, 'talk', 1, 'mql_to_sdr', 'band = ''A''', 0, 3, 2, 0, null, true),
        (1, 'talk', 2, null, null, 0, 2, 1, 0, null, true),
        (1, 'mine', 1, null, null, 3, 1, 0, 3, '90 minutes', false),
        (1, 'ae only', 1, 'sdr_to_ae', null, 99, 3, 9, 9, null, true);
    insert into handoff.disposition (contract_id, code, outcome, reason, needs_work, needs_note)
    select 1, w, 'disqualified', w, w, w = 'talk' from unnest('{gap,talk,mine,"ae only"}'::text[]) w;
    perform handoff.publish();
end $$;

create schema crm;
create table crm.lead (id text primary key, email text, company text, country text, industry text, seniority text, employees int,
                       do_not_call boolean, opted_out boolean, updated_at timestamptz);
create table crm.act (id int generated always as identity primary key, lead_key text, at timestamptz, kind text, channel text, direction text, outcome text,
                      status text, is_automatic boolean, page text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
end $$;

-- the same number between 0 and 1 for the same two numbers
create function pg_temp.u(i int, k int) returns float8 language sql immutable as $$
    select (hashint8extended(i, k) & 1048575) / 1048576.0::float8
$$;
create function pg_temp.one_of(i int, k int, of text[]) returns text language sql immutable as $$
    select nullif(of[1 + floor(pg_temp.u(i, k) * cardinality(of))::int], '')
$$;

-- 150 leads, half of them of band A, handed over on a Monday; up to 40 things happen to each within 13 days
do $$
begin
    insert into crm.lead
    select 'L' || i, 'l' || i || '@acme' || i || '.de', 'Acme', case when i % 2 = 0 then 'DE' else 'FR' end, case when i % 2 = 0 then 'Software' end,
           case when i % 2 = 0 then 'C-Level' end, case when i % 2 = 0 then 500 else 20 end, null, null, '2026-03-02 07:00'
    from generate_series(1, 150) i;
    insert into crm.act (lead_key, at, kind, page) select 'L' || i, '2026-03-02 08:00', 'form', '/demo' from generate_series(1, 150) i;
    perform handoff.tick('2026-03-02 08:00');
    insert into crm.act (lead_key, at, kind, channel, direction, outcome, status, is_automatic)
    select 'L' || i, timestamptz '2026-03-02 08:00' + pg_temp.u(n, 1) ^ (1 + i % 3) * interval '13 days',
           pg_temp.one_of(n, 2, '{call,Call,email,email,linkedin,meeting,page_view}'), pg_temp.one_of(n, 3, '{"","","",Phone,mail,Social,fax}'),
           pg_temp.one_of(n, 4, '{"","",outbound,inbound}'), pg_temp.one_of(n, 5, '{"","",Connected,"No Answer"}'),
           pg_temp.one_of(n, 6, '{"","",Completed,Open}'), pg_temp.u(n, 7) < 0.15
    from generate_series(1, 150) i, lateral (select i * 1000 + g as n from generate_series(1, (pg_temp.u(i, 8) * 40)::int) g) x
    order by pg_temp.u(n, 9);
    perform handoff.tick('2026-03-05 10:00');
    -- some have another owner from then on; some must not be called, or mailed
    perform handoff.reassign(lead_key, case rep when 'ana' then 'ben' else 'ana' end, p_now => '2026-03-09 12:00')
    from handoff.handoff where pg_temp.u(substr(lead_key, 2)::int, 10) < 0.5;
    update crm.lead set do_not_call = pg_temp.u(substr(id, 2)::int, 11) < 0.4, opted_out = pg_temp.u(substr(id, 2)::int, 12) < 0.3,
                        updated_at = '2026-03-10 08:00';
    perform handoff.tick('2026-03-16 08:00');
end $$;
select is((select count(*) from handoff.handoff where closed_at is null and rep is not null), 150::bigint, 'all are being worked');
select cmp_ok((select count(distinct band) from handoff.lead), '>=', 2::bigint, 'of several bands');
select cmp_ok((select count(*) from handoff.lead where fields ->> 'do_not_call' = 'true' and fields ->> 'opted_out' = 'true'), '>=', 5::bigint, 'some forbid two channels');
set local lead_handoff.view_time = '2026-03-16 08:00';

-- What is there, counted anew ------------------------------------------------------------------------

-- touches by the words of the contract's rules; channels by their names; open dates by the calendar
create temp table touch as
select a.lead_key, a.at,
       case lower(coalesce(a.fields ->> 'channel', a.fields ->> 'kind')) when 'phone' then 'call' when 'mail' then 'email' when 'social' then 'linkedin'
            when 'call' then 'call' when 'email' then 'email' when 'linkedin' then 'linkedin' else coalesce(a.fields ->> 'channel', a.fields ->> 'kind') end as channel,
       k.contact,
       (a.at at time zone 'Europe/Berlin')::date as on_date
from handoff.activity a
cross join lateral (select lower(a.fields ->> 'kind') as kind, a.fields ->> 'direction' as direction,
    (a.fields ->> 'is_automatic')::boolean is not true as human, coalesce(a.fields ->> 'status', 'Completed') = 'Completed' as done) f
cross join lateral (select
    f.kind = 'call' and coalesce(a.fields ->> 'outcome', '') = 'Connected'
        or f.kind in ('email', 'linkedin') and coalesce(f.direction, '') = 'inbound' and f.human as contact,
    f.kind in ('call') and f.done and f.human or f.kind in ('email', 'linkedin') and coalesce(f.direction, '') <> 'inbound' and f.done and f.human as touch) k
where k.contact or k.touch;
create temp table open_date as
select d::date as on_date from generate_series(timestamp '2026-03-01', '2026-03-20', '1 day') d
where handoff.business_between('office_berlin', d at time zone 'Europe/Berlin', (d + interval '1 day') at time zone 'Europe/Berlin') > '0';
select set_eq('select on_date from open_date where on_date between ''2026-03-07'' and ''2026-03-15''', array[date '2026-03-09', '2026-03-11', '2026-03-12', '2026-03-13', '2026-03-14'],
    'closed on the 10th, open for a minute on the 11th and on Saturday the 14th');

create function pg_temp.has(lead text, since timestamptz, gap interval) returns jsonb language sql as $$
    with recursive t as (
        select c.at, c.channel, c.contact, c.on_date, row_number() over (order by c.at) as n
        from touch c where c.lead_key = lead and c.at >= since
    ), counted (n, at) as (
        (select t.n, t.at from t order by t.n limit 1)
        union all
        select x.n, x.at from counted c cross join lateral (
            select t.n, t.at from t where t.n > c.n and t.at >= c.at + coalesce(gap, '0') order by t.n limit 1) x
    ), allowed (channel) as (
        select t.channel from t
        except
        select c.name from handoff.channel c join handoff.lead l on l.lead_key = lead where handoff.matches(c.forbidden_when, l.fields, 1, '2026-03-16 08:00')
    )
    select jsonb_build_object('touches', (select count(*) from counted), 'channels', (select count(*) from allowed),
        'contacts', (select count(*) from t where t.contact),
        'business_days', (select count(distinct t.on_date) from t join open_date using (on_date)))
$$;
create function pg_temp.forbidden(lead text) returns bigint language sql as $$
    select count(*) from handoff.channel c join handoff.lead l on l.lead_key = lead where handoff.matches(c.forbidden_when, l.fields, 1, '2026-03-16 08:00')
$$;
create temp table expected as
select h.lead_key, d.code as disposition, p.part, (pg_temp.has(h.lead_key, case when w.counts_predecessor then h.handed_at else h.owner_since end, w.min_gap) ->> p.part)::int as has, p.needs
from handoff.handoff h
join handoff.lead l using (lead_key)
join handoff.disposition d on d.needs_work is not null and d.outcome <> 'accepted'
join lateral (select w.* from handoff.work_standard w where w.name = d.needs_work and (w.leg is null or w.leg = h.leg)
              and (w.criteria is null or w.criteria::text = 'band = ''A''' and l.band = 'A') order by w.ord limit 1) w on true
cross join lateral (values ('touches', w.min_touches), ('channels', least(w.min_channels, 3 - pg_temp.forbidden(h.lead_key)::int)),
                           ('contacts', w.min_contacts), ('business_days', w.min_business_days)) p (part, needs)
where p.needs > 0;
create temp table status as
select h.lead_key, s.* from handoff.handoff h cross join lateral handoff.work_status(h.lead_key) s;
select cmp_ok((select count(*) from expected), '>', 1000::bigint, 'there is much to count');
select is_empty($$ select lead_key, disposition, part, has, needs from expected
    except select lead_key, disposition, part, has, needs from status $$, 'work_status() counts as SQL does');
select is_empty($$ select lead_key, disposition, part, has, needs from status where part not in ('note', 'cadence')
    except select lead_key, disposition, part, has, needs from expected $$, 'and nothing else');
select is_empty($$ select * from status where part is not null and part <> 'cadence' and met is distinct from (has >= needs) $$, 'met: has what it needs');
select ok((select count(distinct (part, met)) = 8 from status where part in ('touches', 'channels', 'contacts', 'business_days')), 'each part is met by some, and not by others');
select set_eq($$ select distinct disposition from status where part = 'note' $$, array['not_a_fit', 'talk', 'timing'], 'notes that are to be given');
select set_eq($$ select distinct disposition from status where part is null $$,
    $$ select code from handoff.disposition where needs_work is null and not needs_note and leg is null and outcome <> 'lost' union values ('ae only') $$,
    'what asks for nothing, and what asks on another leg only');
select ok((select bool_and(met and has is null and needs is null) from status where part is null), 'is owed nothing');

-- The same answer as the disposition -----------------------------------------------------------------

create function pg_temp.could_be_given(lead text, disposition text) returns boolean language plpgsql as $$
declare
    said text;
begin
    begin
        perform handoff.dispose(lead, disposition, 'a note', p_now => '2026-03-16 08:00');
        raise exception using errcode = 'ZZ001';
    exception
        when sqlstate 'ZZ001' then
            return true;
        when sqlstate 'LH041' then
            get stacked diagnostics said = pg_exception_detail;
            if said is distinct from (select string_agg(format('%s of %s %s', s.has, s.needs, replace(s.part, '_', ' ')), ', '
                    order by array_position('{touches,channels,contacts,business_days}', s.part)) || '.'
                from status s where s.lead_key = lead and s.disposition = could_be_given.disposition and s.part <> 'note') then
                raise exception 'detail of % of %: %', disposition, lead, said;
            end if;
            return false;
    end;
end $$;
create temp table tried as
select s.lead_key, s.disposition, bool_and(s.met) filter (where s.part is distinct from 'note') is not false as said, pg_temp.could_be_given(s.lead_key, s.disposition) as given
from status s where s.disposition is not null and s.outcome <> 'accepted' group by 1, 2;
select is_empty('select * from tried where said <> given', 'work_status() says met exactly if the disposition can be given, and what it lacks in the same words');
select cmp_ok((select count(*) from tried where disposition in ('gap', 'talk', 'mine', 'no_response', 'not_a_fit') and given), '>', 50::bigint, 'often it can');
select cmp_ok((select count(*) from tried where not given), '>', 50::bigint, 'often it can''t');
select ok((select bool_and(handoff.accept(lead_key, p_now => '2026-03-16 08:00') = 'sal') from status where disposition = 'accepted'), 'so can acceptance');
select is_empty($$ select 1 from handoff.work_status('L1') where disposition = 'accepted' $$, 'which is not offered twice');

-- Where no channel is left ----------------------------------------------------------------------------

do $$ begin
    perform handoff.draft();
    update handoff.channel set forbidden_when = 'do_not_call is true' where contract_id = 2;
    perform handoff.publish(2);
    insert into crm.lead values ('hush', 'hush@acme.de', 'Acme', 'DE', 'Software', 'C-Level', 500, true, null, '2026-03-16 09:00');
    insert into crm.act (lead_key, at, kind, page) values ('hush', '2026-03-16 09:00', 'form', '/demo');
    perform handoff.tick('2026-03-16 09:00');
end $$;
set local lead_handoff.view_time = '2026-03-16 10:00';
select set_eq($$ select part, met from handoff.work_status('hush') where disposition in ('no_response', 'gap') $$, $$ values (null::text, true) $$, 'nothing is owed to whom nobody may touch');
select is(handoff.recycle('hush', 'no_response', p_now => '2026-03-16 10:00'), 'recycled', 'he may be given up');

-- Somebody lets less be enough -------------------------------------------------------------------------

select throws_like($$ select handoff.recycle('L2', 'no_response', p_now => '2026-03-16 09:00') from tried where lead_key = 'L2' and disposition = 'no_response' and not given $$,
    'disposition "no_response" needs more work', 'L2 needs more work');
select is(handoff.override_work('L2', 'no_response', 'moved abroad, says the switchboard', actor => 'boss', p_now => '2026-03-16 09:00'), 'recycled', 'an override');
select results_eq($$ select actor, detail ->> 'code', detail ->> 'wanted' like '% of 8 touches, %', detail -> 'set' ->> 'override_reason'
    from handoff.event where lead_key = 'L2' and type = 'overridden' $$,
    $$ values ('boss', 'no_response', true, 'moved abroad, says the switchboard') $$, 'is logged with its reason and what was lacking');
select matches((select what from handoff.history('L2') where type = 'overridden'), '^no_response in spite of .* of 8 touches, .*: moved abroad', 'and told');
select results_eq($$ select override_reason, outcome, code from handoff.handoff where lead_key = 'L2' $$, $$ values ('moved abroad, says the switchboard', 'recycle', 'no_response') $$, 'kept');
select is((select sum(overridden) from handoff.rejection_reason), 0::numeric, 'it was accepted: no rejection');
select is((select sum(override_rate_num) from handoff.kpi_month where cycle = 'all'), 1::numeric, 'but counted');
select lives_ok($$ select handoff.override_work(lead_key, 'gap', 'why', p_now => '2026-03-16 09:00') from tried where disposition = 'gap' and given and lead_key <> 'L2' order by 1 limit 1 $$, 'an override that was not needed');
select is((select count(*) from handoff.handoff where override_reason is not null), 1::bigint, 'is none');
select throws_ok($$ select handoff.override_work('L4', 'talk', 'why', p_now => '2026-03-16 09:00') $$, 'LH041', 'disposition "talk" needs a note', 'it stands for work, not for a note');
select throws_ok($$ select handoff.override_work('L4', 'not_qualified', 'why', 'note', p_now => '2026-03-16 09:00') $$, 'LH041', 'the contract has no such disposition "not_qualified"', 'nor for a way');

-- Who asks --------------------------------------------------------------------------------------------

select throws_ok($$ select * from handoff.work_status('nobody') $$, 'LH040', 'there is no lead "nobody"', 'no such lead');
select throws_ok($$ select * from handoff.work_status(null) $$, '22004', 'lead_key must not be null', 'none given');
select is_empty($$ select 1 from handoff.work_status('L2') $$, 'a recycled lead can be given nothing');
do $$ begin perform handoff.forget('L2', p_now => '2026-03-16 10:00'); end $$;
select results_eq($$ select override_reason, (select sum(override_rate_num) from handoff.kpi_month where cycle = 'all') from handoff.handoff where override_reason is not null $$,
    $$ values ('', 1::numeric) $$, 'forgotten: counted still, but not why');
select is_empty($$ select * from handoff.verify() $$, 'log and state agree');
select is_empty($$ select * from handoff.doctor() where severity = 'error' $$, 'the doctor is content');
select * from finish();
rollback;
