-- Every finding of validate(): each line changes one thing in a sound draft, shows the findings that
-- this adds, and takes the change back.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
begin;
set local client_min_messages = warning;
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
    perform handoff.setup();
    perform handoff.load_template('b2b_saas');
    -- elapsed time, acceptance and first touch only
    delete from handoff.sla where metric not in ('accept', 'first_touch');
    update handoff.sla set clock = 'elapsed', target = case when metric = 'accept' or name = 'ae_first_touch' then interval '24 hours' else target end;
end $$;
insert into handoff.rep (rep, name) values ('ana', 'Ana');
insert into handoff.pool_member (pool, rep) values ('sdr', 'ana'), ('ae', 'ana'), ('fallback', 'ana');
select * from handoff.validate();

create function pg_temp.after(change text) returns setof text language plpgsql as $$
declare
    findings text[];
begin
    execute change;
    findings := array(select concat_ws(' | ', severity, object, message, hint) from handoff.validate());
    raise exception using errcode = 'ZZ000';
exception when check_violation then
    return next 'refused: ' || sqlerrm;
when sqlstate 'ZZ000' then
    if findings = '{}' then
        findings := '{no finding}';
    end if;
    return query select unnest(findings);
end $$;

-- rules: what they name is gone, of another type, or never filled
select pg_temp.after($$delete from handoff.field where name = 'industry'$$);
select pg_temp.after($$update handoff.field set type = 'text' where name = 'annual_revenue'$$);
select pg_temp.after($$update handoff.gate set criteria = 'opportunity_owner is null' where ord = 40$$);
select pg_temp.after($$update handoff.contract set scope = 'region = ''emea'''$$);
select pg_temp.after($$update handoff.contract set scope = 'country = ''DE'''$$);

-- rules that look ahead
select pg_temp.after($$update handoff.derived set criteria = 'segment = ''enterprise''' where field = 'size_band' and ord = 4$$);
select pg_temp.after($$update handoff.derived set criteria = 'segment = ''enterprise''' where field = 'segment' and ord = 14$$);
select pg_temp.after($$update handoff.derived set criteria = 'fit > 10' where field = 'segment' and ord = 14$$);
select pg_temp.after($$update handoff.derived set ord = ord - 20 where field = 'segment'$$);
select pg_temp.after($$update handoff.score_rule set criteria = 'intent > 3 and band = ''A''' where name = 'free_mail'$$);
select pg_temp.after($$update handoff.score_rule set criteria = 'segment = ''enterprise''' where name = 'free_mail'$$);
select pg_temp.after($$insert into handoff.field (contract_id, of, name, type) values (1, 'lead', 'segment', 'text')$$);

-- names that stand for nothing
select pg_temp.after($$update handoff.transition set to_stage = 'sale' where ord = 30$$);
select pg_temp.after($$update handoff.transition set from_stage = 'mqq' where ord = 60$$);
select pg_temp.after($$update handoff.transition set leg = 'x' where ord = 10$$);
select pg_temp.after($$update handoff.stage set max_age_to = 'x' where name = 'sal'$$);
select pg_temp.after($$update handoff.stage set required = '{email,fax}' where name = 'sal'$$);
select pg_temp.after($$update handoff.validation set field = 'fax' where field = 'phone'$$);
select pg_temp.after($$update handoff.gate set leg = 'x' where ord = 10$$);
select pg_temp.after($$update handoff.route set target = 'sdrs' where name = 'sdr_team'$$);
select pg_temp.after($$update handoff.route set target_kind = 'rep' where name = 'sdr_team'$$);
select pg_temp.after($$update handoff.route set target_kind = 'territory', key_field = 'region' where name = 'sdr_team'$$);
select pg_temp.after($$update handoff.route set target_kind = 'territory', key_field = 'country' where name = 'sdr_team'$$);
select pg_temp.after($$update handoff.sla set leg = 'x' where name = 'ae_accept'$$);
select pg_temp.after($$update handoff.work_standard set leg = 'x' where name = 'looked_at'$$);
select pg_temp.after($$update handoff.cadence_step set leg = 'x' where leg = 'sdr_to_ae' and step = 1$$);
select pg_temp.after($$update handoff.disposition set leg = 'x', needs_work = 'y', reopen_on = '{z}' where code = 'bad_data'$$);
select pg_temp.after($$update handoff.disposition set recycle_path = 'x' where code = 'timing'$$);
select pg_temp.after($$update handoff.recycle_path set to_stage = 'x', exhausted_to = 'y', reenter_on = '{demo_request,reply}' where name = 'later'$$);
select pg_temp.after($$update handoff.contract set calendar = 'x', reporting_zone = 'Europe/Atlantis'$$);

-- the journey
select pg_temp.after($$update handoff.stage set is_default = false$$);
select pg_temp.after($$update handoff.stage set is_default = true where name in ('lead', 'nurture')$$);
select pg_temp.after($$delete from handoff.transition where from_stage = 'nurture'$$);
select pg_temp.after($$update handoff.stage set max_age = null, max_age_to = null where name = 'sal'$$);
select pg_temp.after($$update handoff.stage set max_age_to = 'sal' where name = 'sal'$$);
select pg_temp.after($$delete from handoff.transition where ord in (20, 50, 90, 140)$$);
select pg_temp.after($$update handoff.transition set leg = null where ord = 70$$);
select pg_temp.after($$insert into handoff.transition values (1, 165, 'opportunity', 'lost', 'won')$$);

-- the score
select pg_temp.after($$update handoff.score_group set min_points = 50 where name = 'engagement'$$);
select pg_temp.after($$update handoff.score_group set max_points = 500 where name = 'role'$$);
select pg_temp.after($$insert into handoff.score_group values (1, 'technographic', 'fit')$$);
select pg_temp.after($$update handoff.contract set min_fit = 200, min_intent = 101$$);
select pg_temp.after($$update handoff.band set min_fit = 20, min_intent = null where name = 'A'$$);
select pg_temp.after($$delete from handoff.band where name = 'D'$$);
select pg_temp.after($$update handoff.band set min_score = 0 where name = 'D'$$);
select pg_temp.after($$update handoff.band set min_intent = 0 where name = 'D'$$);
select pg_temp.after($$delete from handoff.band where name in ('C', 'D')$$);

-- routes
select pg_temp.after($$delete from handoff.route where leg = 'sdr_to_ae'$$);
select pg_temp.after($$update handoff.route set criteria = 'cycle = 1' where name = 'ae_fallback'$$);
select pg_temp.after($$update handoff.route set target_kind = 'crm_owner', target = null where name = 'ae_fallback'$$);
select pg_temp.after($$delete from handoff.pool_member where pool = 'ae'$$);
select pg_temp.after($$update handoff.route set if_unavailable = 'delegate' where name = 'ae_fallback'$$);
select pg_temp.after($$update handoff.route set target_kind = 'account_team', target = 'csm' where name = 'ae_account_owner'$$);

-- work and dispositions
select pg_temp.after($$update handoff.disposition set outcome = 'disqualified' where code = 'no_response'$$);
select pg_temp.after($$update handoff.disposition set needs_work = null where code = 'no_response'$$);
select pg_temp.after($$update handoff.disposition set recycle_path = null where code = 'timing'$$);
select pg_temp.after($$update handoff.disposition set reopen_on = '{demo_request}' where code = 'timing'$$);
select pg_temp.after($$delete from handoff.transition where event = 'returned'$$);
select pg_temp.after($$update handoff.recycle_path set exhausted_to = 'sal' where name = 'later'$$);
select pg_temp.after($$update handoff.stage set max_age = '180 days', max_age_to = 'lead' where name = 'nurture'$$);
select pg_temp.after($$insert into handoff.transition values (1, 215, 'nurture', 'lead', 'scored')$$);
select pg_temp.after($$update handoff.recycle_path set to_stage = 'sal' where name = 'later'$$);
select pg_temp.after($$update handoff.recycle_path set to_stage = 'recycled' where name = 'later'$$);
select pg_temp.after($$update handoff.recycle_path set delay = null, reenter_on = '{}' where name = 'later'$$);
select pg_temp.after($$update handoff.sla set clock = 'business' where name = 'ae_accept'$$);
select pg_temp.after($$update handoff.sla set clock = 'business' where name = 'ae_accept'; update handoff.contract set calendar = null$$);
select pg_temp.after($$delete from handoff.activity_rule where meaning in ('touch', 'contact')$$);

-- work standards, channels, cadence
select pg_temp.after($$update handoff.work_standard set min_channels = 4 where name = 'no_response' and ord = 1$$);
select pg_temp.after($$delete from handoff.channel; update handoff.work_standard set min_channels = 4 where name = 'no_response' and ord = 1$$);
select pg_temp.after($$delete from handoff.activity_rule where meaning = 'contact'; update handoff.work_standard set min_contacts = 1 where name = 'looked_at'$$);
select pg_temp.after($$update handoff.work_standard set min_contacts = 1 where name = 'no_response' and ord = 2$$);
select pg_temp.after($$update handoff.work_standard set min_touches = 0 where name = 'looked_at'$$);
select pg_temp.after($$update handoff.work_standard set min_gap = '1 hour' where name = 'looked_at'$$);
select pg_temp.after($$update handoff.channel set also = '{Phone,Mail}' where name = 'call'$$);
select pg_temp.after($$update handoff.channel set also = '{CALL}' where name = 'call'$$);
select pg_temp.after($$delete from handoff.channel where name = 'linkedin'$$);
select pg_temp.after($$delete from handoff.channel where name = 'linkedin'; insert into handoff.channel values (1, 'social', '{LinkedIn}')$$);
select pg_temp.after($$delete from handoff.channel; update handoff.cadence_step set channel = 'fax' where leg = 'sdr_to_ae'$$);
select pg_temp.after($$update handoff.cadence_step set business_day = 3 where leg = 'mql_to_sdr' and step = 2$$);
-- escalation
select pg_temp.after($$update handoff.escalation set offset_from_due = '-6 hours' where sla = 'sdr_accept' and step = 2$$);
select pg_temp.after($$update handoff.sla set clock = 'business' where name = 'sdr_accept'; update handoff.escalation set offset_from_due = '-6 hours' where sla = 'sdr_accept' and step = 2$$);
select pg_temp.after($$update handoff.escalation set offset_from_due = '-24 hours' where sla = 'sdr_accept' and step = 1$$);
select pg_temp.after($$update handoff.escalation set offset_from_due = '-23:59' where sla = 'sdr_accept' and step = 1$$);
select pg_temp.after($$update handoff.escalation set recipient = 'sdr_chief' where recipient = 'pool_lead'$$);
select pg_temp.after($$update handoff.escalation set recipient = 'ana' where recipient = 'pool_lead'$$);
select pg_temp.after($$update handoff.escalation set recipient = '#sdr' where recipient = 'pool_lead'$$);
select pg_temp.after($$update handoff.escalation set recipient = 'sdr@example.com' where recipient = 'pool_lead'$$);
select pg_temp.after($$select handoff.set_recipient('sdr_chief', 'U0123'); update handoff.escalation set recipient = 'sdr_chief' where recipient = 'pool_lead'$$);
select pg_temp.after($$update handoff.escalation set action = 'recycle', code = 'later' where sla = 'sdr_accept' and step = 3$$);
select pg_temp.after($$update handoff.escalation set action = 'recycle', code = 'not_qualified' where sla = 'sdr_accept' and step = 3$$);
select pg_temp.after($$update handoff.escalation set action = 'recycle', code = 'no_response' where sla = 'sdr_accept' and step = 3$$);
select pg_temp.after($$update handoff.escalation set action = 'recycle', code = 'no_response', recipient = null where sla = 'sdr_accept' and step = 2$$);
select pg_temp.after($$update handoff.escalation set action = 'recycle', code = 'no_response', recipient = null, criteria = 'cycle > 1' where sla = 'sdr_accept' and step = 2$$);
select pg_temp.after($$update handoff.escalation set action = 'reassign', recipient = null where sla = 'sdr_accept' and step = 2$$);
select pg_temp.after($$update handoff.escalation set action = 'reassign', recipient = null where sla = 'sdr_first_touch' and step = 2$$);
select pg_temp.after($$delete from handoff.route where leg = 'mql_to_sdr' and name <> 'sdr_fallback'; update handoff.route set target_kind = 'rep', target = 'ana' where name = 'sdr_fallback'$$);
select pg_temp.after($$delete from handoff.route where leg = 'mql_to_sdr' and name <> 'sdr_fallback'$$);
select pg_temp.after(c) from unnest(array[
    $$update handoff.escalation set action = 'recycle' where sla = 'sdr_accept' and step = 3$$,
    $$update handoff.escalation set code = 'timing' where sla = 'sdr_accept' and step = 3$$,
    $$update handoff.escalation set recipient = 'ana' where sla = 'sdr_accept' and step = 3$$,
    $$update handoff.escalation set max_hops = -1 where sla = 'sdr_accept' and step = 3$$,
    $$update handoff.escalation set sync_wait = '-1 s' where sla = 'sdr_accept' and step = 3$$,
    $$update handoff.escalation set step = 0 where sla = 'sdr_accept' and step = 3$$]) c (c);

-- nothing stuck, and an empty draft has but one error
select * from handoff.validate();
insert into handoff.contract (contract_id) values (2);
select * from handoff.validate(2);
rollback;
