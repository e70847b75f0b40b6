-- The journey of a contract as a Mermaid flowchart: of a template, and text that stays text.
-- All in one transaction that is rolled back. Numbers and hostile names: test/pgtap/mermaid.sql.
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
end $$;

select handoff.mermaid_text(t) from unnest(array[
    'plain words, (two) a=b', 'a"b', ']', '|', '-->', '%% x', '%%{init: {}}%%', 'end', 'style a:#b;', '#35;', '&lt;', '<script>alert(1)</script>', '`x`',
    '- x', '1. x', '1.5 a-b', 'x.', E' two\r\nlines\t', U&'a\2028b\00B6\00DF', 'Grüße, 你好', '', ' '
]) t;
select handoff.rounded_span_words(s) from unnest('{0,99.4,100,5999,6000,359999,360000,8640000}'::numeric[]) s;

-- a draft of a template, and after some leads have gone their way
select handoff.journey_mermaid();
update handoff.transition set guard = 'fit > 10' where contract_id = 1 and ord = 30;
insert into handoff.lead (lead_key, source, raw_key, contract_id, stage, stage_since, fields, fit, intent, group_heat, score, signals,
                          cycle, cycle_since, trigger, trigger_at, first_seen_at, decided_at, last_seq)
select 'L' || i, 'crm', 'L' || i, 1, 'sal', '2026-01-01', '{}', 0, '0', '{}', 0, '{}', 1, '2026-01-01', 'row', '2026-01-01', '2026-01-01', '2026-01-01', 1 from generate_series(1, 3) i;
insert into handoff.stage_history
select r.*
from (values ('L1', 1, 'lead', 0, 2), ('L1', 2, 'mql', 2, 5), ('L1', 3, 'sal', 5, null), ('L2', 1, 'lead', 0, 5), ('L2', 2, 'mql', 5, 6), ('L2', 3, 'recycled', 6, null),
             ('L3', 1, 'lead', 1, 7), ('L3', 2, 'sal', 7, null)) v (lead_key, seq, stage, entered, leaves),
     jsonb_populate_record(null::handoff.stage_history, jsonb_build_object('lead_key', lead_key, 'seq', seq, 'stage', stage, 'owner', 'sales', 'contract_id', 1, 'month', date '2026-01-01',
         'entered_at', timestamptz '2026-01-01 00:00+00' + entered * interval '1 day', 'left_at', timestamptz '2026-01-01 00:00+00' + leaves * interval '1 day',
         'consistent', true, 'undone', stage = 'recycled')) r;
select l from regexp_split_to_table(handoff.journey_mermaid(), E'\n') l where l ~ '^ +s[123]\M.*(entered|s[2-9]$|s10$)';

-- whatever the session's settings
create temp table picture as select handoff.journey_mermaid() as picture;
set local datestyle = 'SQL, DMY'; set local intervalstyle = sql_standard; set local timezone = 'Asia/Tokyo';
select handoff.journey_mermaid() = picture from picture;
do $$ begin perform handoff.journey_mermaid(9); exception when others then raise warning '%: %', sqlstate, sqlerrm; end $$;
rollback;
