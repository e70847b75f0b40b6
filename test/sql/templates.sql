-- The templates: each is sound on a fresh database, makes the pools and the calendar it names, and reads as a page.
-- All in one transaction that is rolled back.
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
end $$;

select handoff.load_template('enterprise_abm');
select pool, policy, counted_stages, respect_schedule from handoff.pool order by pool collate "C";
select name, schedule from handoff.calendar;
select severity, object, message from handoff.validate();
-- loaded beside the other one, it takes nothing from it
select handoff.load_template('b2b_saas');
select severity, object, message from handoff.validate(2);
select count(*) from handoff.pool;
delete from handoff.contract where contract_id = 2;

-- with people and account teams nothing is left to complain of
do $$ begin
    perform handoff.add_rep('ana', 'Ana', 'account_sdr'), handoff.add_rep('eva', 'Eva', 'account_ae'),
            handoff.add_rep('pat', 'Pat', 'partner_manager'), handoff.add_rep('zoe', 'Zoe', 'account_desk');
    insert into handoff.account_team (account_key, role, rep) values ('A', 'sdr', 'ana'), ('A', 'ae', 'eva'), ('A', 'partner_manager', 'pat');
end $$;
select * from handoff.validate();
do $$ begin perform handoff.publish(); exception when others then raise warning '%: %', sqlstate, sqlerrm; end $$;
select handoff.approve(1, 'marketing', 'mia'), handoff.approve(1, 'sales', 'sam');
select handoff.publish();
select handoff.import(handoff.export(1));
select count(*) from handoff.diff(1, 2);
delete from handoff.contract where contract_id = 2;

-- its page, but for the checksum
update handoff.contract set effective = '{["2026-06-01 12:00+02",)}';
update handoff.approval set at = '2026-06-01 10:00+02';
select regexp_replace(handoff.contract_markdown(), '`[0-9a-f]{64}`', '`..`');
rollback;
