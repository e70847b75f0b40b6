-- Dispose: the journey of template b2b_saas. Every transition of it fires on a real path, every call
-- that its stage has no way for is refused, and after each step no invariant is broken.
--
-- Months pass through tick(p_now). Each lead has a path of its own, told from top to bottom.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.add_rep('ana', 'Ana', 'sdr', schedule => '24x7 @ UTC');
    perform handoff.add_rep('ben', 'Ben', 'sdr', schedule => '24x7 @ UTC');
    perform handoff.add_rep('eva', 'Eva', 'ae', schedule => '24x7 @ UTC');
    perform handoff.add_rep('fin', 'Fin', 'ae', schedule => '24x7 @ UTC');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback', schedule => '24x7 @ UTC');
    perform handoff.publish();
end $$;
set local timezone = 'UTC';

create schema crm;
create table crm.lead (
    id text primary key, email text, company text, country text, industry text, seniority text, employees int,
    is_competitor boolean, opted_out boolean, converted_opportunity text, updated_at timestamptz
);
create table crm.act (id int generated always as identity primary key, lead_key text, at timestamptz, kind text, page text, channel text, outcome text);
create table crm.opp (id text primary key, created_at timestamptz, closed_at timestamptz, is_won boolean, is_closed boolean);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
    perform handoff.attach('crm.opp', 'opportunity', since => '-infinity');
end $$;

-- Words of the paths --------------------------------------------------------------------------------

-- a lead that fits: one demo request makes it an MQL
create function pg_temp.arrives(lead text, at timestamptz, more jsonb default '{}') returns void language sql as $$
    insert into crm.lead
    select r.* from jsonb_populate_record(null::crm.lead, jsonb_build_object(
        'id', lead, 'email', lead || '@acme.de', 'company', 'Acme', 'country', 'DE', 'industry', 'Software',
        'seniority', 'C-Level', 'employees', 500, 'updated_at', at) || more) r
$$;
create function pg_temp.does(lead text, at timestamptz, kind text, page text default null) returns void language sql as $$
    insert into crm.act (lead_key, at, kind, page) values (lead, at, kind, page);
$$;
-- enough work for any work standard: calls, mails and messages on twelve days
create function pg_temp.is_worked(lead text, since timestamptz) returns void language sql as $$
    insert into crm.act (lead_key, at, kind)
    select lead, since + n * interval '1 day', (array['call', 'email', 'linkedin'])[1 + n % 3] from generate_series(1, 12) n
$$;
-- an opportunity of a lead, which is converted to it
create function pg_temp.deal(lead text, created timestamptz, closed timestamptz default null, won boolean default null) returns void language sql as $$
    insert into crm.opp values ('opp of ' || $1, created, closed, won, closed is not null)
    on conflict (id) do update set closed_at = excluded.closed_at, is_won = excluded.is_won, is_closed = excluded.is_closed;
    update crm.lead set converted_opportunity = 'opp of ' || $1, updated_at = coalesce(closed, created) where id = $1
$$;
create function pg_temp.broken() returns setof text language sql as $$
    select d.invariant || ' ' || d.what from handoff.doctor() d where d.severity = 'error'
    union all
    select concat_ws(' ', v.lead_key, v.what, v.by_log, v.by_state) from handoff.verify() v
$$;
-- stage, cycle and handoffs of a lead: rep, outcome (open: its owner only); and whatever is broken
create function pg_temp.state(lead text) returns text language sql as $$
    select concat_ws(' ', l.stage, l.cycle,
        (select string_agg(case when h.closed_at is null then coalesce(nullif(regexp_replace(h.leg, '.*_', ''), ''), '') ||
                                     case when h.rep is null then ' unassigned' else '' end
                                else h.outcome end, ', ' order by h.handoff_no)
         from handoff.handoff h where h.lead_key = l.lead_key),
        (select 'BROKEN: ' || string_agg(b, '; ') from pg_temp.broken() b))
    from handoff.lead l where l.lead_key = lead
$$;
-- tick at a moment; then the lead is so
create function pg_temp.then(at timestamptz, lead text, want text, what text) returns text language plpgsql as $$ begin
    perform handoff.tick(at);
    return is(pg_temp.state(lead), want, lead || ': ' || what);
end $$;
-- somebody does something; then the lead is so
create function pg_temp.call(call text, lead text, want text, what text) returns text language plpgsql as $$ begin
    execute 'select handoff.' || call;
    return is(pg_temp.state(lead), want, lead || ': ' || what);
end $$;

-- Won -----------------------------------------------------------------------------------------------

do $$ begin
    perform pg_temp.arrives('won', '2026-03-02 08:00');
end $$;
select pg_temp.then('2026-03-02 08:00', 'won', 'lead 1', 'arrives, does nothing yet');
do $$ begin perform pg_temp.does('won', '2026-03-02 09:00', 'form', '/demo'); end $$;
select pg_temp.then('2026-03-02 09:00', 'won', 'mql 1 sdr', 'asks for a demo: handed over to an SDR');
select pg_temp.call($c$accept('won', p_now => '2026-03-02 10:00')$c$, 'won', 'sal 1 sdr', 'accepted');
select pg_temp.call($c$qualify('won', p_now => '2026-03-03 10:00')$c$, 'won', 'sql 1 next_leg, ae', 'qualified: handed over to an AE');
select pg_temp.call($c$accept('won', p_now => '2026-03-03 11:00')$c$, 'won', 'sql 1 next_leg, ae', 'the AE accepts, which moves no stage');
do $$ begin perform pg_temp.deal('won', '2026-03-05 10:00'); end $$;
select pg_temp.then('2026-03-05 10:00', 'won', 'opportunity 1 next_leg, ae', 'an opportunity');
do $$ begin perform pg_temp.deal('won', '2026-03-05 10:00', '2026-05-05 10:00', true); end $$;
select pg_temp.then('2026-05-05 10:00', 'won', 'customer 1 next_leg, won', 'won');
do $$ begin perform pg_temp.does('won', '2026-06-01', 'form', '/demo'); end $$;
select pg_temp.then('2028-01-01', 'won', 'customer 1 next_leg, won', 'a customer stays one');

-- Lost, and back ------------------------------------------------------------------------------------

do $$ begin
    perform pg_temp.arrives('lost', '2026-03-02 08:00');
    perform pg_temp.does('lost', '2026-03-02 09:00', 'form', '/demo');
    perform handoff.tick('2026-03-02 09:00');
    perform handoff.accept('lost', p_now => '2026-03-02 10:00');
    perform handoff.qualify('lost', p_now => '2026-03-02 11:00');
    perform pg_temp.deal('lost', '2026-03-03');
end $$;
select pg_temp.then('2026-03-03', 'lost', 'opportunity 1 next_leg, ae', 'an opportunity');
do $$ begin perform pg_temp.deal('lost', '2026-03-03', '2026-04-01 12:00', false); end $$;
select pg_temp.then('2026-04-01 12:00', 'lost', 'lost 1 next_leg, lost', 'lost');
select pg_temp.then('2026-09-28 11:59', 'lost', 'lost 1 next_leg, lost', 'still lost');
select pg_temp.then('2026-09-28 12:00', 'lost', 'lead 1 next_leg, lost', 'after 180 days it may come again');
select pg_temp.then('2027-09-01', 'lost', 'lead 1 next_leg, lost', 'what it did before counts no more');
do $$ begin perform pg_temp.does('lost', '2027-09-02', 'form', '/demo'); end $$;
select pg_temp.then('2027-09-02', 'lost', 'mql 2 next_leg, lost, sdr', 'it asks again: handed over in the next cycle');

do $$ begin
    perform pg_temp.arrives('lost2', '2026-03-02 08:00');
    perform pg_temp.does('lost2', '2026-03-02 09:00', 'form', '/demo');
    perform handoff.tick('2026-03-02 09:00');
    perform handoff.accept('lost2', p_now => '2026-03-02 10:00');
    perform handoff.qualify('lost2', p_now => '2026-03-02 11:00');
    perform pg_temp.deal('lost2', '2026-03-03', '2026-03-04', false);
end $$;
select pg_temp.then('2026-03-04', 'lost2', 'lost 1 next_leg, lost', 'opened and lost between two syncs');
do $$ begin perform pg_temp.does('lost2', '2026-05-01', 'form', '/contact'); end $$;
select pg_temp.then('2026-05-01', 'lost2', 'mql 2 next_leg, lost, sdr', 'comes back from there too');

-- What was over is not: the CRM reopens an opportunity, or says that it was won and then that it was not
do $$ begin
    perform pg_temp.arrives('revised', '2026-03-02 08:00');
    perform pg_temp.does('revised', '2026-03-02 09:00', 'form', '/demo');
    perform handoff.tick('2026-03-02 09:00');
    perform handoff.accept('revised', p_now => '2026-03-02 10:00');
    perform handoff.qualify('revised', p_now => '2026-03-02 11:00');
    perform pg_temp.deal('revised', '2026-03-03', '2026-04-01', false);
end $$;
select pg_temp.then('2026-04-01', 'revised', 'lost 1 next_leg, lost', 'lost');
do $$ begin perform pg_temp.deal('revised', '2026-03-03'); end $$;
select pg_temp.then('2026-04-02', 'revised', 'opportunity 1 next_leg, ae', 'open again');
select results_eq($$ select rep, reason, route, ended_at from handoff.assignment where lead_key = 'revised' and handoff_no = 2 order by n $$,
    $$ select h.rep, v.reason, coalesce(v.route, 'ae_team'), v.ended_at from handoff.handoff h,
       (values ('handoff', null, timestamptz '2026-04-01'), ('reopened', 'reopened', null)) v (reason, route, ended_at)
       where h.lead_key = 'revised' and h.handoff_no = 2 $$, 'revised: with the AE who had it');
do $$ begin perform pg_temp.deal('revised', '2026-03-03', '2026-04-05', true); end $$;
select pg_temp.then('2026-04-05', 'revised', 'customer 1 next_leg, won', 'and won');
do $$ begin perform pg_temp.deal('revised', '2026-03-03', '2026-04-06', false); end $$;
select pg_temp.then('2026-04-06', 'revised', 'lost 1 next_leg, lost', 'which it was not');
do $$ begin perform pg_temp.deal('revised', '2026-03-03', '2026-04-07', true); end $$;
select pg_temp.then('2026-04-07', 'revised', 'customer 1 next_leg, won', 'but was');
select is((select string_agg(concat_ws(' ', e.type, e.detail -> 'set' ->> 'outcome', o.type), ', ' order by e.seq)
           from handoff.event e left join handoff.outbox o on o.lead_key = e.lead_key and o.seq = e.seq
           where e.lead_key = 'revised' and e.detail ->> 'handoff' = '2' and e.type in ('closed', 'reopened')),
    'closed lost handoff.disposed, reopened, closed won handoff.disposed, closed lost handoff.disposed, closed won handoff.disposed', 'revised: each end is told');
do $$ begin perform pg_temp.deal('revised', '2026-03-03'); end $$;
select pg_temp.then('2026-04-08', 'revised', 'opportunity 1 next_leg, ae', 'not yet, after all');

-- Recycled ------------------------------------------------------------------------------------------

do $$ begin
    perform pg_temp.arrives('later', '2026-03-02 08:00');
    perform pg_temp.does('later', '2026-03-02 09:00', 'form', '/demo');
    perform handoff.tick('2026-03-02 09:00');
end $$;
select pg_temp.call($c$recycle('later', 'timing', 'next quarter', p_now => '2026-03-03 10:00')$c$, 'later', 'recycled 1 recycle', 'recycled');
select pg_temp.then('2026-06-01 08:59', 'later', 'recycled 1 recycle', 'rests');
select pg_temp.then('2026-06-01 09:00', 'later', 'lead 1 recycle', 'for 90 days on the clock of Berlin, where summer time has begun');
do $$ begin perform pg_temp.does('later', '2026-06-02', 'form', '/demo'); end $$;
select pg_temp.then('2026-06-02', 'later', 'mql 2 recycle, sdr', 'then a demo request is the next cycle');
select pg_temp.call($c$accept('later', p_now => '2026-06-02 10:00')$c$, 'later', 'sal 2 recycle, sdr', 'accepted');
select pg_temp.call($c$recycle('later', 'no_budget', until => '2026-07-15 07:00', p_now => '2026-06-03')$c$, 'later', 'recycled 2 recycle, recycle', 'recycled until a day');
select pg_temp.then('2026-07-15 06:59', 'later', 'recycled 2 recycle, recycle', 'not before');
select pg_temp.then('2026-07-15 07:00', 'later', 'lead 2 recycle, recycle', 'then');

do $$ begin
    perform pg_temp.arrives('sooner', '2026-03-02 08:00');
    perform pg_temp.does('sooner', '2026-03-02 09:00', 'form', '/demo');
    perform handoff.tick('2026-03-02 09:00');
    perform handoff.recycle('sooner', 'timing', 'next quarter', p_now => '2026-03-03 10:00');
    perform pg_temp.does('sooner', '2026-03-05 10:00', 'page_view', '/pricing');
    perform pg_temp.does('sooner', '2026-03-05 10:01', 'page_view', '/pricing');
    perform pg_temp.does('sooner', '2026-03-05 10:02', 'page_view', '/pricing/all');
end $$;
select pg_temp.then('2026-03-05 11:00', 'sooner', 'recycled 1 recycle', 'a signal that its path doesn''t wait for');
do $$ begin perform pg_temp.does('sooner', '2026-03-06', 'form', '/demo'); end $$;
select pg_temp.then('2026-03-06', 'sooner', 'mql 2 recycle, sdr', 'a new demo request brings it back, though the old one still counts');
select pg_temp.call($c$accept('sooner', p_now => '2026-03-07')$c$, 'sooner', 'sal 2 recycle, sdr', 'accepted');
do $$ begin
    perform handoff.dispose('sooner', 'timing', 'after all', '2027-01-01', p_now => '2026-03-08');
    perform pg_temp.does('sooner', '2026-12-20', 'form', '/demo');
end $$;
select pg_temp.then('2026-12-20', 'sooner', 'mql 3 recycle, recycle, sdr', 'again');
select pg_temp.then('2027-01-02', 'sooner', 'mql 3 recycle, recycle, sdr', 'the day it would have come back on means nothing any more');

-- Never answered ------------------------------------------------------------------------------------

do $$ begin
    perform pg_temp.arrives('silent', '2026-03-02 08:00');
    perform pg_temp.does('silent', '2026-03-02 09:00', 'form', '/demo');
    perform handoff.tick('2026-03-02 09:00');
    perform pg_temp.is_worked('silent', '2026-03-02 09:00');
    perform handoff.tick('2026-03-14');
end $$;
select pg_temp.call($c$recycle('silent', 'no_response', p_now => '2026-03-14')$c$, 'silent', 'recycled 1 recycle', 'first time');
do $$ begin
    perform pg_temp.does('silent', '2026-04-01 10:00', 'page_view', '/pricing');
    perform pg_temp.does('silent', '2026-04-01 10:01', 'page_view', '/pricing');
    perform pg_temp.does('silent', '2026-04-01 10:02', 'page_view', '/pricing/all');
end $$;
select pg_temp.then('2026-04-01 11:00', 'silent', 'mql 2 recycle, sdr', 'looks at prices, which this path waits for');
do $$ begin
    perform pg_temp.is_worked('silent', '2026-04-01 11:00');
    perform handoff.tick('2026-04-14');
end $$;
select pg_temp.call($c$recycle('silent', 'no_response', p_now => '2026-04-14')$c$, 'silent', 'recycled 2 recycle, recycle', 'second time');
select pg_temp.then('2026-06-13', 'silent', 'lead 2 recycle, recycle', 'back after 60 days');
do $$ begin perform pg_temp.does('silent', '2026-06-14', 'form', '/demo'); end $$;
select pg_temp.then('2026-06-14', 'silent', 'mql 3 recycle, recycle, sdr', 'third cycle');
do $$ begin
    perform pg_temp.is_worked('silent', '2026-06-14');
    perform handoff.tick('2026-06-27');
end $$;
select pg_temp.call($c$recycle('silent', 'no_response', p_now => '2026-06-27')$c$, 'silent', 'nurture 3 recycle, recycle, recycle', 'no cycle left: long-term nurture, never disqualified');
select pg_temp.then('2028-01-01', 'silent', 'nurture 3 recycle, recycle, recycle', 'time alone doesn''t bring it back');
do $$ begin perform pg_temp.does('silent', '2028-01-02', 'trial'); end $$;
select pg_temp.then('2028-01-02', 'silent', 'mql 4 recycle, recycle, recycle, sdr', 'a signal does');

-- Returned ------------------------------------------------------------------------------------------

do $$ begin
    perform pg_temp.arrives('back', '2026-03-02 08:00');
    perform pg_temp.does('back', '2026-03-02 09:00', 'form', '/demo');
    perform handoff.tick('2026-03-02 09:00');
    perform handoff.accept('back', p_now => '2026-03-02 10:00');
    perform handoff.qualify('back', p_now => '2026-03-02 11:00');
end $$;
select pg_temp.call($c$dispose('back', 'not_qualified', 'no project', p_now => '2026-03-03')$c$, 'back', 'sal 1 sdr, returned', 'the AE gives it back');
select is((select array_agg(rep order by n) from handoff.assignment where lead_key = 'back' and handoff_no = 1),
    (select array[rep, rep] from handoff.handoff where lead_key = 'back' and handoff_no = 1), 'back: to the one who had it');
select pg_temp.call($c$qualify('back', p_now => '2026-03-04')$c$, 'back', 'sql 1 next_leg, returned, ae', 'qualified again');
select pg_temp.call($c$recycle('back', 'no_budget', p_now => '2026-03-05')$c$, 'back', 'recycled 1 next_leg, returned, recycle', 'recycled by the AE');

-- Disqualified --------------------------------------------------------------------------------------

do $$ begin
    perform pg_temp.arrives('bad', '2026-03-02 08:00');
    perform pg_temp.does('bad', '2026-03-02 09:00', 'form', '/demo');
    perform handoff.tick('2026-03-02 09:00');
end $$;
select pg_temp.call($c$disqualify('bad', 'bad_data', p_now => '2026-03-03')$c$, 'bad', 'disqualified 1 disqualified', 'disqualified');
select pg_temp.then('2026-03-05', 'bad', 'disqualified 1 disqualified', 'stays so');
do $$ begin perform pg_temp.does('bad', '2026-03-06', 'trial'); end $$;
select pg_temp.then('2026-03-06', 'bad', 'disqualified 1 disqualified', 'a signal that its code doesn''t listen to');
do $$ begin perform pg_temp.does('bad', '2026-03-07', 'form', '/demo'); end $$;
select pg_temp.then('2026-03-07', 'bad', 'mql 2 disqualified, sdr', 'a new demo request is never swallowed');
select pg_temp.call($c$accept('bad', p_now => '2026-03-07')$c$, 'bad', 'sal 2 disqualified, sdr', 'accepted');
select pg_temp.call($c$disqualify('bad', 'student', p_now => '2026-03-08')$c$, 'bad', 'disqualified 2 disqualified, disqualified', 'for a reason that nothing reopens');
do $$ begin perform pg_temp.does('bad', '2026-03-09', 'form', '/demo'); end $$;
select pg_temp.then('2026-03-09', 'bad', 'disqualified 2 disqualified, disqualified', 'stays so');

do $$ begin
    perform pg_temp.arrives('unfit', '2026-03-02 08:00');
    perform pg_temp.does('unfit', '2026-03-02 09:00', 'form', '/demo');
    perform handoff.tick('2026-03-02 09:00');
    perform handoff.accept('unfit', p_now => '2026-03-02 10:00');
    perform handoff.qualify('unfit', p_now => '2026-03-02 11:00');
    perform handoff.touch('unfit', 'call', p_now => '2026-03-02 12:00');
end $$;
select pg_temp.call($c$disqualify('unfit', 'not_a_fit', 'hardware', p_now => '2026-03-03')$c$, 'unfit', 'disqualified 1 next_leg, disqualified', 'the AE disqualifies');

do $$ begin perform pg_temp.arrives('cold', '2026-03-02 08:00'); end $$;
select pg_temp.then('2026-03-02 08:00', 'cold', 'lead 1', 'never handed over');
select pg_temp.call($c$disqualify('cold', 'student', p_now => '2026-03-03')$c$, 'cold', 'disqualified 1', 'disqualified before any handoff');
do $$ begin
    perform pg_temp.arrives('rival', '2026-03-02 08:00', '{"is_competitor": true}');
    perform pg_temp.does('rival', '2026-03-02 09:00', 'form', '/demo');
end $$;
select pg_temp.then('2026-03-02 09:00', 'rival', 'disqualified 1', 'rejected by a gate');
do $$ begin perform pg_temp.does('rival', '2026-03-03', 'form', '/contact'); end $$;
select pg_temp.then('2026-03-03', 'rival', 'disqualified 1', 'which also stands before a way back');
update crm.lead set is_competitor = false, updated_at = '2026-03-04' where id = 'rival';
select pg_temp.then('2026-03-04', 'rival', 'mql 1 sdr', 'a competitor no more: the signal that was held up gets through');
do $$ begin
    perform pg_temp.arrives('twin', '2026-03-02 08:00');
    perform pg_temp.does('twin', '2026-03-02 09:00', 'form', '/demo');
    perform handoff.tick('2026-03-02 09:00');
end $$;
select pg_temp.call($c$dispose('twin', 'merged', p_now => '2026-03-03')$c$, 'twin', 'disqualified 1 withdrawn', 'merged into another');

-- Forgotten -----------------------------------------------------------------------------------------

do $$
declare
    lead text;
begin
    foreach lead in array array['old mql', 'old sal', 'old sql', 'old deal'] loop
        perform pg_temp.arrives(lead, '2026-03-02 08:00');
        perform pg_temp.does(lead, '2026-03-02 09:00', 'form', '/demo');
    end loop;
    perform handoff.tick('2026-03-02 09:00');
    foreach lead in array array['old sal', 'old sql', 'old deal'] loop
        perform handoff.accept(lead, p_now => '2026-03-03 09:00');
    end loop;
    foreach lead in array array['old sql', 'old deal'] loop
        perform handoff.qualify(lead, p_now => '2026-03-04 09:00');
    end loop;
    perform pg_temp.deal('old deal', '2026-03-05 09:00');
    perform handoff.tick('2026-03-05 09:00');
end $$;
select pg_temp.then('2026-03-16 08:59', 'old mql', 'mql 1 sdr', 'the last moment');
select pg_temp.then('2026-03-16 09:00', 'old mql', 'recycled 1 recycle', 'after 14 days');
select pg_temp.then('2026-04-02 07:59', 'old sal', 'sal 1 sdr', 'the last moment');
select pg_temp.then('2026-04-02 08:00', 'old sal', 'recycled 1 recycle', 'after 30 days, on the clock of Berlin');
select pg_temp.then('2026-04-03 08:00', 'old sql', 'recycled 1 next_leg, recycle', 'after 30 days');
select pg_temp.then('2026-05-15 08:00', 'old mql', 'lead 1 recycle', 'comes back by the path of no_response');
select pg_temp.then('2027-03-05 08:59', 'old deal', 'opportunity 1 next_leg, ae', 'the last moment');
select pg_temp.then('2027-03-05 09:00', 'old deal', 'lost 1 next_leg, lost', 'after a year');

-- Every stage, every way ----------------------------------------------------------------------------

select is_empty($$
    select s.name from handoff.stage s
    where not exists (select from handoff.stage_history h where h.stage = s.name)
$$, 'every stage of the template is reached');
select is_empty($$
    select t.ord, t.from_stage, t.event, t.to_stage from handoff.transition t
    where not exists (select from handoff.event e where e.type = 'stage' and (e.detail ->> 'transition')::int = t.ord)
$$, 'every transition of the template has fired');
select set_eq($$ select lead_key, e.detail ->> 'to' from handoff.event e where e.type = 'stage' and e.detail ? 'override' $$,
    $$ values ('silent', 'nurture'), ('sooner', 'nurture') $$, 'and nothing moved without one, but for leads that had no cycle left');

-- Every call in every stage -------------------------------------------------------------------------

-- a lead in each stage, on the 20th; the AE has accepted one of the two that are with him
do $$
declare
    lead text;
begin
    foreach lead in array array['in lead', 'in mql', 'in sal', 'in sql', 'in sql, accepted', 'in opportunity', 'in customer', 'in recycled', 'in nurture', 'in disqualified', 'in lost'] loop
        perform pg_temp.arrives(lead, '2030-03-04 08:00');
        if lead <> 'in lead' then
            perform pg_temp.does(lead, '2030-03-04 08:00', 'form', '/demo');
        end if;
    end loop;
    perform handoff.tick('2030-03-04 08:00');
    foreach lead in array array['in sal', 'in sql', 'in sql, accepted', 'in opportunity', 'in customer', 'in lost'] loop
        perform handoff.accept(lead, p_now => '2030-03-04 09:00');
        if lead <> 'in sal' then
            perform handoff.qualify(lead, p_now => '2030-03-05 09:00');
        end if;
    end loop;
    perform handoff.accept('in sql, accepted', p_now => '2030-03-05 10:00');
    perform pg_temp.deal('in opportunity', '2030-03-06');
    perform pg_temp.deal('in customer', '2030-03-06', '2030-03-07', true);
    perform pg_temp.deal('in lost', '2030-03-06', '2030-03-07', false);
    perform handoff.recycle('in recycled', 'no_budget', p_now => '2030-03-06');
    perform handoff.set_stage('in nurture', 'nurture', 'for the test', p_now => '2030-03-06');
    perform handoff.disqualify('in disqualified', 'bad_data', p_now => '2030-03-06');
    foreach lead in array array['in mql', 'in sal', 'in sql', 'in sql, accepted', 'in opportunity'] loop
        perform pg_temp.is_worked(lead, '2030-03-05');
    end loop;
    perform handoff.tick('2030-03-15 09:00');
end $$;
select results_eq($$ select regexp_replace(lead_key, '^in |, .*', '', 'g'), stage from handoff.lead where lead_key like 'in %' order by 1 $$,
    $$ select regexp_replace(lead_key, '^in |, .*', '', 'g'), regexp_replace(lead_key, '^in |, .*', '', 'g') from handoff.lead where lead_key like 'in %' order by 1 $$,
    'a lead in each stage');

-- all calls, and whether the template has a way for them: the stage that follows, or NULL
create temp table called as
select l.lead_key, l.stage, c.call, c.what,
       case
           when c.event is null and c.leg is null then
               case c.outcome when 'same' then null
                   -- about the handoff alone, whatever the stage
                   when 'accepted' then case when h.accepted_at is null and h.leg is not null then coalesce(t.to_stage, l.stage) end
                   when 'reroute' then case when h.leg is not null then l.stage end end
           when c.event = 'returned' and h.leg is distinct from 'sdr_to_ae' then null
           when c.event in ('recycled', 'qualified', 'returned') and h.leg is null then null
           else t.to_stage
       end as leads_to
from handoff.lead l
left join handoff.handoff h on h.lead_key = l.lead_key and h.closed_at is null
cross join (
    select format('accept(%%L, p_now => %L)', '2030-03-16') as call, 'accept' as what, 'accepted' as outcome, null as event, null as leg
    union all
    select format('qualify(%%L, p_now => %L)', '2030-03-16'), 'qualify', null, 'qualified', null
    union all
    select format('%s(%%L, %L, note => %L, p_now => %L)', f.name, d.code, 'why', '2030-03-16'), f.name || ' ' || d.code, d.outcome,
           case d.outcome when 'recycle' then 'recycled' when 'disqualified' then 'disqualified' when 'withdrawn' then 'disqualified'
                          when 'returned' then 'returned' end, null
    from handoff.disposition d
    join (values ('recycle', 'recycle'), ('disqualify', 'disqualified'), ('dispose', null)) f (name, outcome)
        on f.outcome = d.outcome or f.outcome is null
    union all
    select format('hand_over(%%L, %L, %L, p_now => %L)', g.name, 'by hand', '2030-03-16'), 'hand_over ' || g.name, null, null, g.name
    from handoff.leg g
    union all
    select format('set_stage(%%L, %%2$L, %L, p_now => %L)', 'same', '2030-03-16'), 'set_stage to itself', 'same', null, null
) c
left join lateral (
    select t.to_stage from handoff.transition t
    where t.from_stage = l.stage
      and case when c.leg is not null then t.leg = c.leg
               when c.outcome = 'accepted' then t.event = 'accepted' else t.event = c.event end
    order by t.ord limit 1
) t on true
where l.lead_key like 'in %';
-- makes a call, looks, and takes it back
create function pg_temp.outcome(call text, lead text) returns text language plpgsql as $$
declare
    seen text;
begin
    execute 'select handoff.' || call;
    select l.stage || coalesce(', BROKEN: ' || (select string_agg(b, '; ') from pg_temp.broken() b), '') into seen
    from handoff.lead l where l.lead_key = lead;
    raise exception '%', seen using errcode = 'P0999';
exception when others then
    return case when sqlstate = 'P0999' then sqlerrm else sqlstate end;
end $$;
select results_eq(
    $$ select lead_key, what, pg_temp.outcome(format(call, lead_key, stage), lead_key) from called order by lead_key, what $$,
    $$ select lead_key, what, coalesce(leads_to, 'LH041') from called order by lead_key, what $$,
    'every call in every stage: it goes where the template says, or is refused');
select results_eq($$ select count(*) > 250, count(leads_to) > 40 from called $$, $$ values (true, true) $$, 'many of both');
select is_empty('select pg_temp.broken()', 'refused calls leave no trace');

select * from finish();
rollback;
