-- Returns: an AE gives a lead back. The SDR's handoff goes on, with whom it should, on clocks that begin afresh, and
-- everybody who is told is told why; again and again, and also where the CRM says it.
begin;
set local client_min_messages = warning;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    delete from handoff.escalation;
    delete from handoff.sla;
    insert into handoff.sla (contract_id, ord, name, leg, metric, scope, target, clock) values
        (1, 10, 'sdr_accept', 'mql_to_sdr', 'accept', 'assignment', '1 day', 'elapsed'), (1, 20, 'sdr_touch', 'mql_to_sdr', 'first_touch', 'assignment', '1 day', 'elapsed'),
        (1, 40, 'sdr_decides', 'mql_to_sdr', 'decision', 'lead', '2 days', 'elapsed'),
        (1, 50, 'ae_accept', 'sdr_to_ae', 'accept', 'assignment', '1 day', 'elapsed'), (1, 60, 'ae_decides', 'sdr_to_ae', 'decision', 'lead', '5 days', 'elapsed');
    insert into handoff.crm_status (contract_id, value, ord, code, stages) values (1, 'Back to SDR', 50, 'not_qualified', '{}');
    perform handoff.add_rep('ana', 'Ana', 'sdr', schedule => '24x7 @ UTC');
    perform handoff.add_rep('eva', 'Eva', 'ae', schedule => '24x7 @ UTC');
    perform handoff.add_rep('zoe', 'Zoe', 'fallback', schedule => '24x7 @ UTC');
    perform handoff.publish();
end $$;
set local timezone = 'UTC';
create schema crm;
create table crm.lead (id text primary key, email text, company text, country text, industry text, seniority text, employees int, status text, updated_at timestamptz);
create table crm.act (id text primary key, lead_key text, at timestamptz, kind text, page text);
do $$ begin
    perform handoff.attach('crm.lead', 'lead', since => '-infinity', mapping => '{"crm_status": "status"}');
    perform handoff.attach('crm.act', 'activity', since => '-infinity');
    insert into crm.lead select k, k || '@' || k || '.de', 'Acme', 'DE', 'Software', 'C-Level', 500, 'Open', '2026-03-02' from unnest('{a,b,c,d,e,f,g,h}'::text[]) k;
    insert into crm.act select k, k, '2026-03-02', 'form', '/demo' from unnest('{a,b,c,d,e,f,g,h}'::text[]) k;
    perform handoff.tick('2026-03-02');
    -- who might get them instead
    perform handoff.add_rep('ben', 'Ben', 'sdr', schedule => '24x7 @ UTC');
    perform handoff.accept(k, p_now => '2026-03-02 06:00'), handoff.touch(k, 'call', p_now => '2026-03-02 07:00'), handoff.qualify(k, p_now => '2026-03-03') from unnest('{a,b,c,d,e,f,g}'::text[]) k;
end $$;
create function pg_temp.broken() returns setof text language sql as $$
    select d.invariant || ' ' || d.what from handoff.doctor() d where d.severity = 'error'
    union all
    select concat_ws(' ', v.lead_key, v.what, v.by_log, v.by_state) from handoff.verify() v
$$;
-- handoffs: outcome or owner, and the owners of the first one
create function pg_temp.who(lead text) returns text language sql as $$
    select concat_ws(' ', l.stage, (select string_agg(coalesce(h.outcome, h.rep, h.unassigned_reason), ', ' order by h.handoff_no) from handoff.handoff h where h.lead_key = l.lead_key),
        (select '[' || string_agg(concat_ws('/', a.rep, a.route, a.reason), ' ' order by a.n) || ']' from handoff.assignment a where a.lead_key = l.lead_key and a.handoff_no = 1),
        (select 'BROKEN: ' || string_agg(b, '; ') from pg_temp.broken() b))
    from handoff.lead l where l.lead_key = lead
$$;
create function pg_temp.clocks(lead text, no int) returns text language sql as $$
    select string_agg(concat_ws(' ', name || '.' || n, to_char(started_at, 'DD HH24'), 'due ' || to_char(due_at, 'DD HH24'), coalesce(verdict, 'runs')), ', ' order by name, n)
    from handoff.clock where lead_key = lead and handoff_no = no and kind = 'sla'
$$;
create function pg_temp.refused(call text) returns text language plpgsql as $$
declare
    hint text;
begin
    execute 'select handoff.' || call;
    return 'not refused';
exception when others then
    get stacked diagnostics hint = pg_exception_hint;
    return concat_ws(' | ', sqlstate, sqlerrm, hint);
end $$;

-- Once, and again -----------------------------------------------------------------------------------

select is(pg_temp.who('a'), 'sql next_leg, eva [ana/sdr_team/handoff]', 'an AE has it');
select is(pg_temp.clocks('a', 1), 'sdr_accept.1 02 00 due 03 00 met, sdr_decides.1 02 06 due 04 06 met, sdr_touch.1 02 00 due 03 00 met', 'the SDR''s clocks are through');
select is(handoff.return_lead('a', 'not_qualified', 'no project', p_now => '2026-03-10'), 'sal', 'he gives it back');
select is(pg_temp.who('a'), 'sal ana, returned [ana/sdr_team/handoff ana/returned/returned]', 'the SDR has it again: the same handoff, a new assignment');
select is(pg_temp.clocks('a', 1), 'sdr_accept.1 02 00 due 03 00 met, sdr_decides.1 02 06 due 04 06 met, sdr_decides.2 10 00 due 12 00 runs, sdr_touch.1 02 00 due 03 00 met, sdr_touch.2 10 00 due 11 00 runs',
    'his clocks begin afresh; what was kept stays kept');
select results_eq($$ select f.handoff_no, f.accepted, f.rejected, f.undecided, f.outcome, f.code from handoff.fact_handoff f where lead_key = 'a' order by 1 $$,
    $$ values (1, true, false, false, null::text, null::text), (2, false, true, false, 'returned', 'not_qualified') $$, 'the AE has rejected it, the SDR''s acceptance stands');
select results_eq($$ select a.turn_returned, a.end_reason from handoff.assignment a where lead_key = 'a' and handoff_no = 2 $$, $$ values (true, 'closed') $$, 'his turn is given back');
select results_eq($$ select o.type, o.payload ->> 'rep', o.payload ->> 'returned_code', o.payload ->> 'returned_note', o.payload ->> 'returned_by', o.payload ->> 'due_for', o.payload ->> 'code'
                     from handoff.outbox o where lead_key = 'a' and created_at >= '2026-03-10' order by seq $$,
    $$ values ('handoff.disposed', 'eva', null, null, null, null, 'not_qualified'), ('handoff.assigned', 'ana', 'not_qualified', 'no project', 'eva', 'sdr_touch', null) $$, 'both are told, the SDR why');
select is((select string_agg(e.type, ' ' order by seq) from handoff.event e where lead_key = 'a' and at = '2026-03-10'), 'closed reopened stage verdict assigned', 'and the log says it');
select is(handoff.brief('a') ->> 'returned_note', 'no project', 'the brief too');
do $$ begin perform handoff.touch('a', 'call', p_now => '2026-03-10 12:00'); perform handoff.qualify('a', p_now => '2026-03-11'); end $$;
select is(pg_temp.who('a'), 'sql next_leg, returned, eva [ana/sdr_team/handoff ana/returned/returned]', 'qualified again: another handoff of the AE');
select is(handoff.brief('a') ->> 'returned_note', null, 'whom nobody has given anything back');
select is(pg_temp.clocks('a', 1), 'sdr_accept.1 02 00 due 03 00 met, sdr_decides.1 02 06 due 04 06 met, sdr_decides.2 10 00 due 12 00 met, sdr_touch.1 02 00 due 03 00 met, sdr_touch.2 10 00 due 11 00 met', 'in time');
do $$ begin perform handoff.accept('a', p_now => '2026-03-11 12:00'); perform handoff.return_lead('a', 'not_qualified', 'still none', p_now => '2026-03-12'); end $$;
select is(pg_temp.who('a'), 'sal ana, returned, returned [ana/sdr_team/handoff ana/returned/returned ana/returned/returned]', 'twice');
select matches(pg_temp.clocks('a', 1), 'sdr_decides.2 10 00 due 12 00 met, sdr_decides.3 12 00 due 14 00 runs', 'each time afresh');
select results_eq($$ select f.handoff_no, f.accepted, f.rejected from handoff.fact_handoff f where lead_key = 'a' order by 1 $$, $$ values (1, true, false), (2, false, true), (3, true, false) $$, 'what he had accepted is not rejected');
do $$ begin perform handoff.accept('h', p_now => '2026-03-15'); perform handoff.tick('2026-03-15'); end $$;
select matches(pg_temp.clocks('a', 1), 'sdr_decides.3 12 00 due 14 00 runs', 'overdue');
do $$ begin perform handoff.disqualify('a', 'bad_data', p_now => '2026-03-16'); end $$;
select matches(pg_temp.clocks('a', 1), 'sdr_decides.3 12 00 due 14 00 missed', 'and missed');

-- To whom --------------------------------------------------------------------------------------------

do $$ begin perform handoff.add_away('ana', '2026-03-19', '2026-03-25', 'zoe'); perform handoff.return_lead('b', 'not_qualified', 'no', p_now => '2026-03-20'); end $$;
select is(pg_temp.who('b'), 'sal zoe, returned [ana/sdr_team/handoff zoe/returned/returned]', 'away: his delegate');
select is((select passed_over -> 'reps' from handoff.assignment where lead_key = 'b' and handoff_no = 1 and n = 2), '{"ana": "away"}', 'and why');
do $$ begin perform handoff.add_away('zoe', '2026-03-20', '2026-03-22'); perform handoff.return_lead('c', 'not_qualified', 'no', p_now => '2026-03-21'); end $$;
select is(pg_temp.who('c'), 'sal ben, returned [ana/sdr_team/handoff ben/sdr_team/returned]', 'his delegate away, too: the routes');
do $$ begin perform handoff.return_lead('d', 'not_qualified', 'no', p_now => '2026-03-26'); end $$;
select is(pg_temp.who('d'), 'sal ana, returned [ana/sdr_team/handoff ana/returned/returned]', 'back again: he');
do $$ begin perform handoff.set_capacity('ana', 0); perform handoff.return_lead('e', 'not_qualified', 'no', p_now => '2026-03-26'); end $$;
select is(pg_temp.who('e'), 'sal ana, returned [ana/sdr_team/handoff ana/returned/returned]', 'capacities limit picks, and this is none');
do $$ begin perform handoff.deactivate_rep('ana'); perform handoff.return_lead('f', 'not_qualified', 'no', p_now => '2026-03-27'); end $$;
select is(pg_temp.who('f'), 'sal ben, returned [ana/sdr_team/handoff ben/sdr_team/returned]', 'gone: the routes');

-- By the CRM, and against the contract ------------------------------------------------------------------

do $$ begin update crm.lead set status = 'Back to SDR', updated_at = '2026-03-28' where id = 'g'; perform handoff.tick('2026-03-28'); end $$;
select is(pg_temp.who('g'), 'sal ben, returned [ana/sdr_team/handoff ben/sdr_team/returned]', 'a status of the CRM returns it');
select results_eq($$ select v.rule, v.taken from handoff.violation v where lead_key = 'g' $$, $$ values ('note', true) $$, 'without the note that it needs, which is noted');
do $$ begin update crm.lead set status = 'Back to SDR', updated_at = '2026-03-28 06:00' where id = 'h'; perform handoff.tick('2026-03-28 06:00'); end $$;
select results_eq($$ select v.rule, v.taken from handoff.violation v where lead_key = 'h' $$, $$ values ('unknown_code', false) $$, 'not where there is no AE');
select is(pg_temp.refused($$return_lead('a', 'not_qualified', 'no', p_now => '2026-03-29')$$), 'LH041 | lead "a" has no open handoff | Only a lead that was handed over can be the object of return_lead().', 'nothing to return');
select matches(pg_temp.refused($$return_lead('h', 'not_qualified', 'no', p_now => '2026-03-29')$$), '^LH041', 'the SDR has nobody to return it to');
select is(pg_temp.refused($$return_lead('nobody', 'not_qualified', 'no', p_now => '2026-03-29')$$), 'LH040 | there is no lead "nobody" | A lead''s key is its source''s key prefix and its row''s key; see handoff.lead.', 'nobody');
do $$ begin perform handoff.qualify('g', p_now => '2026-03-29'); end $$;
select matches(pg_temp.refused($$return_lead('g', 'not_qualified', p_now => '2026-03-29')$$), '^LH041.*note', 'not without a note');
select matches(pg_temp.refused($$return_lead('g', 'no_budget', 'no', p_now => '2026-03-29')$$), '^LH041', 'not by a code that means something else');
-- by hand, past the SDR: nobody handed it on
do $$ begin
    perform handoff.set_stage('g', 'recycled', 'test', p_now => '2026-03-29');
    perform handoff.set_stage('g', 'sal', 'test', p_now => '2026-03-29');
    perform handoff.hand_over('g', 'sdr_to_ae', 'straight', p_now => '2026-03-29 12:00');
end $$;
select is(pg_temp.refused($$return_lead('g', 'not_qualified', 'no', p_now => '2026-03-30')$$), 'LH041 | lead "g" can''t be returned: nobody handed it over | Recycle or disqualify it.', 'handed over by hand');
select is_empty('select pg_temp.broken()', 'all is well in the end');
\i test/lib/routed.sql
select * from finish();
rollback;
