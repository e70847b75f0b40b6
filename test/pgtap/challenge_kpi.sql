-- Champion and challenger in numbers: two shares beside each other, and view challenge against a count by hand.
begin;
set local client_min_messages = warning;
set local timezone = 'UTC';
select no_plan();
\i test/lib/fresh.sql

-- Two shares: R's prop.test(correct = FALSE) and power.prop.test() ----------------------------------------

select results_eq($$ select handoff.difference_p(a, b, c, d)::numeric(12, 10) from (values (130, 400, 500, 2000), (45, 150, 60, 150), (7, 40, 300, 2000),
        (200, 1000, 190, 1000), (1, 30, 12, 90), (620, 1200, 2400, 4800)) v (a, b, c, d) $$,
    $$ values (0.0018575513::numeric), (0.0694190750), (0.6614904455), (0.5724971908), (0.1269622588), (0.3016888394) $$, 'p is what R says');
select results_eq($$ select handoff.difference_p(0, 10, 0, 20), handoff.difference_p(10, 10, 20, 20), handoff.difference_p(0, 0, 1, 2), handoff.difference_p(3, 10, 6, 20), handoff.difference_p(null, 1, 1, 1) $$,
    $$ values (null::float8, null::float8, null::float8, 1::float8, null::float8) $$, 'nothing to tell; the same; NULL');
select throws_ok('select handoff.difference_p(3, 2, 1, 2)', '22023', '3 of 2 is no share', 'a share is at most 1');
select throws_ok('select handoff.difference_p(1, 2, -1, 2)', '22023', '-1 of 2 is no share', '.. and at least 0');
-- 2 * ceil(355.94), 2 * ceil(24640.38), 2 * ceil(1058.86), 2 * ceil(387.34), less the 200, 2000 .. there are
select results_eq($$ select handoff.more_needed(a, b, c, d) from (values (30, 100, 40, 100), (200, 1000, 190, 1000), (5, 100, 8, 100), (50, 100, 60, 100)) v (a, b, c, d) $$,
    $$ values (2 * 356 - 200::bigint), (2 * 24641 - 2000), (2 * 1059 - 200), (2 * 388 - 200) $$, 'how many more are needed is what R says for halves');
-- 335 and 1,672 reach 80.0 % by the exact distribution, 300 and 1,200 87.9 % for another difference
select results_eq($$ select handoff.more_needed(13, 40, 50, 200), handoff.more_needed(130, 400, 500, 2000), handoff.more_needed(40, 100, 40, 100), handoff.more_needed(0, 0, 1, 2) $$,
    $$ values (335 + 1672 - 240::bigint, 1::bigint, null::bigint, null::bigint) $$, 'of other parts; enough of them; no difference; no share');
select is_empty($$ select a, b from generate_series(0, 300, 7) a, generate_series(0, 900, 11) b
                   where handoff.more_needed(a, 300, b, 900) is distinct from handoff.more_needed(300 - a, 300, 900 - b, 900)
                      or handoff.more_needed(a, 300, b, 900) is distinct from handoff.more_needed(b, 900, a, 300) $$, 'counted from the other side it is the same');
select results_eq($$ select handoff.challenge_verdict(a, b, c, d, e) from (values
        (130, 400, 500, 2000, true), (130, 400, 500, 2000, false), (100, 400, 650, 2000, true), (45, 150, 60, 150, true), (40, 100, 80, 200, true),
        (3, 8, 30, 100, true), (0, 0, 10, 20, true), (0, 500, 0, 500, true), (500, 500, 499, 500, true)) v (a, b, c, d, e) $$,
    $$ values ('challenger better by 7.5 points (2.7 to 12.6)'), ('champion better by 7.5 points (2.7 to 12.6)'), ('champion better by 7.5 points (2.6 to 12.0)'),
              ('not yet distinguishable, 412 more handoffs needed'), ('not yet distinguishable, no difference so far'),
              ('too few: 100 of the champion, 8 of the challenger'), ('too few: 20 of the champion, 0 of the challenger'),
              ('too few: 500 of the champion, 500 of the challenger'), ('too few: 500 of the champion, 500 of the challenger') $$, 'verdicts');

-- The view ------------------------------------------------------------------------------------------------

do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.publish();
    for v in 2 .. 4 loop
        perform handoff.draft();
    end loop;
    perform handoff.publish(2, traffic_share => 0.3);
    perform handoff.retire(2);
    perform handoff.publish(3, traffic_share => 0.4);
    -- as if long ago: 2 from January to March, 3 from April on, the champion since May only
    update handoff.contract set challenging = case contract_id when 2 then '{[2026-01-01 00:00+00,2026-03-01 00:00+00)}' when 3 then '{[2026-04-01 00:00+00,)}' else challenging end::tstzmultirange,
           effective = case contract_id when 1 then '{[2025-06-01 00:00+00,2026-03-20 00:00+00),[2026-05-01 00:00+00,)}' else effective end::tstzmultirange;
end $$;
set local lead_handoff.view_time = '2026-09-01 00:00+00';
select results_eq('select contract, champion, challenger, traffic_share, since, ended_at from handoff.challenge_run order by challenger',
    $$ values ('default', 1, 2, 0.3, '2026-01-01 00:00+00'::timestamptz, '2026-03-01 00:00+00'::timestamptz), ('default', 1, 3, 0.4, '2026-05-01 00:00+00', null) $$,
    'which ran when, since both did');

insert into handoff.handoff
select r.*
from generate_series(1, 4000) i
cross join lateral (select timestamptz '2026-01-01 00:00+00' + i * interval '1 hour 27 minutes' as at, case when i % 3 = 0 then 2 + (i % 6 = 0)::int else 1 end as version) v
cross join lateral jsonb_populate_record(null::handoff.handoff, jsonb_strip_nulls(jsonb_build_object(
    'lead_key', 'L' || i, 'handoff_no', 1, 'cycle', 1, 'leg', case when i % 7 = 0 then 'sdr_to_ae' else 'mql_to_sdr' end, 'contract_id', v.version,
    'challenge', case when i % 10 < 7 then case when v.at < '2026-03-01 00:00+00' then 2 else 3 end end,
    'origin', case when i % 11 = 0 then 'manual' else 'contract' end, 'stage_from', 'lead', 'fit', 0, 'intent', 0, 'score', 0, 'trigger', 'row', 'trigger_at', v.at, 'handed_at', v.at,
    'month', date_trunc('month', v.at), 'incomplete', i % 13 = 0, 'assignments', 1, 'assigned_at', v.at, 'reroutes', 0, 'hops', 0, 'by_last_route', false, 'touches', 0, 'contacts', 0, 'channels', '{}'::text[],
    'no_show', false, 'undone', 0, 'joined_activities', 0, 'rep', 'ana',
    'accepted_at', case when hashint4(i) % 100 < 30 + 12 * v.version then v.at + interval '2 days' end,
    'first_contact_at', case when hashint4(i + 7) % 100 < 20 then v.at + interval '1 day' end,
    'closed_at', case when i % 5 > 0 then v.at + interval '9 days' end, 'outcome', case when i % 5 > 0 then case when i % 17 = 0 then 'withdrawn' else 'recycle' end end))) r;
-- by hand
create temp table counted as
select h.leg, k.kpi, h.challenge,
       count(*) filter (where h.contract_id = 1 and k.num) as x, count(*) filter (where h.contract_id = 1 and k.den) as n,
       count(*) filter (where h.contract_id = h.challenge and k.num) as y, count(*) filter (where h.contract_id = h.challenge and k.den) as m
from handoff.handoff h
cross join lateral (values
    ('acceptance_of_decided', h.accepted_at is not null, h.accepted_at is not null or h.outcome = 'recycle'),
    ('contact_rate', h.first_contact_at is not null, true),
    ('incomplete_rate', h.incomplete, true),
    ('acceptance_of_handed', h.accepted_at is not null, true)) k (kpi, num, den)
where h.origin = 'contract' and h.outcome is distinct from 'withdrawn' and h.handed_at <= timestamptz '2026-09-01 00:00+00' - interval '30 days'
  and (h.challenge = 2 and h.handed_at >= '2026-01-01 00:00+00' or h.challenge = 3 and h.handed_at >= '2026-05-01 00:00+00')
group by 1, 2, 3;
select results_eq($$ select leg, kpi, challenger, champion_rate_num, champion_rate_den, challenger_rate_num, challenger_rate_den from handoff.challenge
                     where kpi in (select kpi from counted) order by 1, 2, 3 $$,
    $$ select leg, kpi, challenge, x, n, y, m from counted order by 1, 2, 3 $$, 'what the view counts is what there is');
select ok((select count(*) = 16 and min(n) > 20 and min(m) > 5 from counted), 'of everything some');
select is((select count(distinct kpi) from handoff.challenge),
    (select count(*) from pg_attribute a where a.attrelid = 'handoff.kpi_version'::regclass and a.attname like '%\_num' and a.attname not like 'sla%'), 'every rate of kpi_version that counts handoffs');
select is_empty($$ select leg, kpi from handoff.challenge v
                   cross join lateral handoff.wilson_interval(champion_rate_num, champion_rate_den) c
                   cross join lateral handoff.wilson_interval(challenger_rate_num, challenger_rate_den) h
                   cross join lateral handoff.change_interval(challenger_rate_num, challenger_rate_den, champion_rate_num, champion_rate_den) d
                   where (champion_rate, challenger_rate) is distinct from (round(champion_rate_num::numeric / nullif(champion_rate_den, 0), 4), round(challenger_rate_num::numeric / nullif(challenger_rate_den, 0), 4))
                      or (champion_low, champion_high, challenger_low, challenger_high, difference_low, difference_high)
                         is distinct from (round(c.low::numeric, 4), round(c.high::numeric, 4), round(h.low::numeric, 4), round(h.high::numeric, 4), round(d.low::numeric, 4), round(d.high::numeric, 4))
                      or abs(p_value - handoff.difference_p(challenger_rate_num, challenger_rate_den, champion_rate_num, champion_rate_den)) > 0.000001 $$, 'with the intervals of these');
select ok((select verdict ~ '^challenger better by ' from handoff.challenge where challenger = 3 and leg = 'mql_to_sdr' and kpi = 'acceptance_of_handed'), 'who is better is said');
select ok((select verdict ~ '^not yet distinguishable, (\d+ more handoffs needed|no difference so far)$' from handoff.challenge where challenger = 3 and leg = 'mql_to_sdr' and kpi = 'contact_rate'), '.. or that it can''t be');
select ok((select bool_and(verdict ~ '^too few: ') from handoff.challenge where kpi = 'won_30'), '.. or why');
select set_eq('select distinct kpi from handoff.challenge_tally where not higher_is_better',
    '{incomplete_rate,unassigned_rate,reroute_rate,fallback_rate,recycle_rate,override_rate,undone_rate}'::text[], 'of some the lower one is the better');
-- a month younger
set local lead_handoff.view_time = '2026-05-20 00:00+00';
select results_eq($$ select champion_rate_den, challenger_rate_den, champion_handed > 20, challenger_handed > 5, verdict from handoff.challenge
                     where challenger = 3 and leg = 'mql_to_sdr' and kpi = 'contact_rate' $$,
    $$ values (0::bigint, 0::bigint, true, true, 'too few: 0 of the champion, 0 of the challenger') $$, 'nothing is counted before it is 30 days old');
-- the same rates as the KPI view has, if that is asked of the same handoffs
set local lead_handoff.view_time = '2027-09-01 00:00+00';
delete from handoff.handoff where challenge is distinct from 2;
select is_empty($$ select v.kpi from handoff.challenge v
                   join lateral (select key, value from handoff.kpi_version k, jsonb_each_text(to_jsonb(k)) where k.leg = v.leg and k.cycle = 'all' and k.contract_id = v.champion) e on e.key = v.kpi
                   where v.champion_rate is distinct from e.value::numeric $$, 'the rates are those of kpi_version');
select * from finish();
rollback;
