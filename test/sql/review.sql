-- The monthly review as a page: one source's acceptance has dropped, sales has taken longer, a band has grown, a decision was taken.
-- All in one transaction that is rolled back. Numbers against the KPI views: test/pgtap/review.sql.
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
    perform handoff.publish();
    perform set_config('lead_handoff.view_time', '2026-07-01 12:00+00', true);
end $$;
update handoff.contract set effective = '{["2026-05-01 00:00+00",)}';

-- of every ten leads of a source in a month so many are accepted, the rest is refused; 40 a source, those of May with more in band A
insert into handoff.handoff
select h.*
from unnest('{2026-02-01,2026-03-01,2026-04-01,2026-05-01}'::date[]) month,
     unnest('{ads,referral,web|inar}'::text[]) source,
     generate_series(0, 39) i,
     lateral (select 'L' || month || source || i as key, month + (i % 28) + interval '12 hours' as at,
                     i % 10 < case when source = 'web|inar' and month = '2026-05-01' then 2 when source = 'ads' then 4 else 7 end as yes) v,
     lateral jsonb_populate_record(null::handoff.handoff, jsonb_strip_nulls(jsonb_build_object(
         'lead_key', key, 'handoff_no', 1, 'cycle', 1, 'leg', 'mql_to_sdr', 'contract_id', 1, 'origin', 'contract', 'stage_from', 'lead', 'month', month,
         'fit', 0, 'intent', 0, 'score', 0, 'trigger', 'activity', 'trigger_at', at at time zone 'UTC', 'handed_at', at at time zone 'UTC', 'incomplete', false, 'assignments', 1, 'touches', 0,
         'contacts', 0, 'channels', '[]'::jsonb, 'no_show', false, 'joined_activities', 0, 'undone', 0, 'hops', 0, 'by_last_route', false, 'reroutes', 0,
         'band', case when i % 4 = 0 or month = '2026-05-01' and i % 4 < 3 then 'A' else 'B' end, 'lead_source', source, 'pool', 'sdr', 'route', 'sdr_team', 'rep', 'ana', 'assigned_at', at at time zone 'UTC',
         'accepted_at', case when yes then at at time zone 'UTC' end, 'closed_at', case when not yes then at at time zone 'UTC' + interval '2 days' end,
         'outcome', case when not yes then 'recycle' end, 'code', case when not yes then case when i % 3 = 0 then 'no_budget' else 'timing' end end,
         'opportunity_at', case when i % 8 = 0 then at at time zone 'UTC' + interval '9 days' end))) h;
select handoff.record_decision('2026-04-01', 'acceptance of mql_to_sdr', 'more | care', 'mia', '2026-05-15', 1);
-- a contract that is younger than 90 days has no dead rules
select count(*) from handoff.dead_rules();
select handoff.monthly_review_markdown('2026-05-01');
select finding, num, den, was_num, was_den, change, change_low, change_high, changed, small, likely_cause from handoff.monthly_review('2026-05-31') where changed order by ord;

-- whatever the session's settings
create temp table page as select handoff.monthly_review_markdown('2026-05-01') as page;
set local datestyle = 'SQL, DMY'; set local intervalstyle = sql_standard; set local timezone = 'Asia/Tokyo';
select handoff.monthly_review_markdown('2026-05-01') = page from page;
-- the default is the month before that of view_time
select left(handoff.monthly_review_markdown(), 19);

do $$ begin perform handoff.record_decision('2026-05-01', 'acceptance of nothing', 'x'); exception when others then raise warning '%: %', sqlstate, sqlerrm; end $$;
do $$ begin perform handoff.record_decision('2026-05-01', 'acceptance of mql_to_sdr', 'x', version => 9); exception when others then raise warning '%: %', sqlstate, sqlerrm; end $$;
rollback;
