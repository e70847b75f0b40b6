-- suggest_weights(): pools of reps of every sort beside the same arithmetic step by step; and what must not count.
begin;
set local client_min_messages = warning;
set local timezone = 'UTC';
set local jit = off;
select no_plan();
\i test/lib/fresh.sql
do $$ begin
    perform handoff.load_template('b2b_saas');
    perform handoff.publish(1);
end $$;
set local lead_handoff.view_time = '2026-07-01 12:00+00';

-- rep of a pool: weight, accepted long ago, qualified in time of these, open now
create temp table made (pool text, rep text, weight int, n int, y int, open int);
insert into made values
    ('even', 'e1', 1, 100, 30, 10), ('even', 'e2', 1, 120, 36, 10), ('even', 'e3', 2, 200, 60, 20), ('even', 'e4', 1, 10, 9, 10),
    ('far', 'f1', 20, 2000, 200, 15), ('far', 'f2', 20, 2000, 1000, 15), ('far', 'f3', 10, 40, 36, 90), ('far', 'f4', 10, 400, 120, 0),
    ('near', 'n1', 1, 60, 20, 6), ('near', 'n2', 1, 60, 26, 6), ('near', 'n3', 1, 60, 11, 6), ('near', 'n4', 1, 60, 30, 6), ('near', 'n5', 1, 60, 8, 45),
    ('lone', 'l1', 3, 100, 50, 4), ('lone', 'l2', 3, 29, 29, 0),
    ('none', 'o1', 5, 50, 0, 1), ('none', 'o2', 5, 60, 0, 1);
do $$
declare
    m record;
    i int;
    t timestamptz;
begin
    perform handoff.add_pool(p.pool) from (select distinct pool from made) p;
    perform handoff.add_rep(rep, rep, pool => pool, weight => weight) from made;
    for m in select * from made loop
        for i in 1 .. m.n + m.open loop
            t := timestamptz '2026-02-01 12:00+00' + i * interval '1 hour';
            insert into handoff.handoff
            select r.*
            from jsonb_populate_record(null::handoff.handoff, jsonb_strip_nulls(jsonb_build_object(
                'lead_key', m.rep || '-' || i, 'handoff_no', 1, 'cycle', 1, 'leg', case when i % 2 = 0 then 'mql_to_sdr' else 'sdr_to_ae' end, 'contract_id', 1, 'origin', 'contract',
                'stage_from', 'lead', 'fit', 0, 'intent', 0, 'score', 0, 'trigger', 'activity', 'trigger_at', t, 'handed_at', t, 'month', date_trunc('month', t), 'incomplete', false,
                'pool', m.pool, 'rep', m.rep, 'assigned_at', t, 'accepted_at', case when i <= m.n then t + interval '1 hour' when i % 2 = 0 then timestamptz '2026-06-20' end,
                -- exactly in time, and a second late
                'qualified_at', case when i <= m.y then t + interval '1 hour' + least(i * interval '1 day', interval '30 days') when i <= m.n and i % 3 = 0 then t + interval '721 hours 1 second' end,
                'assignments', 1, 'touches', 0, 'contacts', 0, 'channels', '[]'::jsonb, 'no_show', false, 'joined_activities', 0, 'undone', 0, 'hops', 0, 'by_last_route', false, 'reroutes', 0))) r;
            insert into handoff.assignment (lead_key, handoff_no, n, route, pool, rep, reason, at, ended_at, passed_over)
            values (m.rep || '-' || i, 1, 1, 'sdr_team', m.pool, m.rep, 'handoff', t, case when i <= m.n then t + interval '40 days' end, '{}');
        end loop;
    end loop;
    -- what is not counted: handed over by hand, withdrawn, and picked from another pool
    update handoff.handoff set origin = 'manual' where lead_key = 'e4-1';
    update made set n = n - 1, y = y - 1 where rep = 'e4';
end $$;

create temp table given as select * from handoff.suggest_weights();
select set_eq('select pool, rep, today, n, positives, open_load from given where pool in (select pool from made)', 'select pool, rep, weight, n::bigint, y::bigint, open::bigint from made', 'counted as made');
select is_empty($$ select * from given g join made m using (rep) where g.expected_load is distinct from
    round(m.weight * (select sum(o.open)::numeric / sum(o.weight) from made o where o.pool = m.pool), 1) $$, 'load by weight');

-- the same in whole sums, pool by pool
create function pg_temp.shrunk(p text, r text) returns numeric language plpgsql as $$
declare
    m record;
    total numeric := 0; good numeric := 0; reps int := 0; squares numeric := 0; s numeric := 0; mean numeric; rho numeric; k numeric; answer numeric;
begin
    for m in select * from made where pool = p and n >= 30 loop
        total := total + m.n; good := good + m.y; reps := reps + 1; squares := squares + m.n::numeric * m.n;
    end loop;
    mean := good / total;
    for m in select * from made where pool = p and n >= 30 loop
        s := s + m.n * power(m.y::numeric / m.n - mean, 2);
    end loop;
    rho := (s / (mean * (1 - mean)) - (reps - 1)) / (total - squares / total - (reps - 1));
    if rho <= 0 then return mean; end if;
    k := 1 / least(rho, 1) - 1;
    select (made.y + k * mean) / (made.n + k) into answer from made where rep = r;
    return answer;
end $$;
select is_empty($$ select g.rep, g.shrunk, pg_temp.shrunk(g.pool, g.rep) from given g where g.pool in ('even', 'far', 'near') and g.n >= 30 and g.shrunk is distinct from round(pg_temp.shrunk(g.pool, g.rep), 4) $$, 'shares drawn toward the pool''s');
select is_empty($$ select * from given where pool = 'even' and (suggested, scale) is distinct from (10 * today, 10) $$, 'where reps differ by chance alone, nothing changes');
select is_empty($$
    select g.rep, g.suggested
    from given g
    join made m using (rep)
    cross join lateral (select m.weight * sum(o.open)::numeric / sum(o.weight) as e from made o where o.pool = m.pool) l
    where g.pool in ('far', 'near') and g.n >= 30
      and g.suggested <> round(m.weight * g.scale * pg_temp.shrunk(g.pool, g.rep) / (select sum(o.y)::numeric / sum(o.n) from made o where o.pool = g.pool and o.n >= 30)
            * case when m.open > l.e + 3 * sqrt(l.e) then l.e / m.open else 1 end)
$$, 'weights by share and load');
select results_eq($$ select rep, suggested > today * scale, note from given where pool = 'far' order by rep $$, $$ values
    ('f1', false, ''), ('f2', true, ''), ('f3', false, 'has more open than his weight explains'), ('f4', false, '') $$, 'few known cases count for little, more open for less; who has nothing open gets no more for it');
select is((select count(distinct scale) from given where pool = 'far'), 1::bigint, 'of a pool one scale');
select is((select scale from given where rep = 'f1'), 1, 'where weights are fine enough, today''s');
select results_eq($$ select rep, suggested, note from given where pool in ('lone', 'none') or rep = 'e4' order by rep $$, $$ values
    ('e4', 10, 'kept: fewer than 30 accepted that long ago; for weights of the whole pool times 10'),
    ('l1', 30, 'kept: nobody to compare him with; for weights of the whole pool times 10'), ('l2', 30, 'kept: fewer than 30 accepted that long ago; for weights of the whole pool times 10'),
    ('o1', 50, 'kept: all or none of the pool''s were qualified; for weights of the whole pool times 10'), ('o2', 50, 'kept: all or none of the pool''s were qualified; for weights of the whole pool times 10') $$, 'kept where too little is known');

-- Speed -----------------------------------------------------------------------------------------------------

create temp table before as select * from given;
do $$ begin
    update handoff.handoff set accepted_at = accepted_at - interval '50 minutes', qualified_at = qualified_at - interval '50 minutes', first_touch_at = handed_at, trigger_at = handed_at - interval '1 day'
    where rep in ('n1', 'n3', 'f1');
end $$;
select set_eq('select * from handoff.suggest_weights()', 'select * from before', 'who is quicker gets no more');
do $$ begin delete from handoff.assignment where rep = 'n2' and ended_at is null; end $$;
select is((select g.suggested <= b.suggested from handoff.suggest_weights() g join before b using (rep) where rep = 'n2'), true, 'nor who has emptied his desk');

-- Which ------------------------------------------------------------------------------------------------------

select is((select n from handoff.suggest_weights(leg => 'mql_to_sdr') where rep = 'f1'), 1000::bigint, 'of a leg');
select is((select n from handoff.suggest_weights(since => '2026-02-02 12:00+00', until => '2026-02-03 12:00+00') where rep = 'f1'), 24::bigint, 'of a time');
select is((select positives from handoff.suggest_weights(within => '5 days') where rep = 'f1'), 5::bigint, 'within another time');
do $$ begin perform handoff.set_member('far', 'f2', null, '2026-06-30'); end $$;
select set_eq($$ select rep from handoff.suggest_weights() where pool = 'far' $$, '{f1,f3,f4}'::text[], 'members of now');
select is((select count(*) from handoff.pool_member where pool = 'near' and weight <> 1), 0::bigint, 'nothing is written');

select * from finish();
rollback;
