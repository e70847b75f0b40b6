-- sql/extension/87-difference.sql: two shares beside each other: can they be told apart, and if not yet, when?

create function handoff.difference_p(num bigint, den bigint, was_num bigint, was_den bigint) returns double precision
    language c immutable strict parallel safe as 'MODULE_PATHNAME', 'lh_difference_p';
comment on function handoff.difference_p(bigint, bigint, bigint, bigint) is
    'Two-sided p, 0 to 1, of num / den and was_num / was_den being two samples of one share: the test of equal proportions with pooled variance, without Yates'' correction (Pearson 1900; R: prop.test(correct = FALSE)). NULL: one is a share of nothing, or none, or all, of both are in the numerator. Error 22023: a numerator is not from 0 to its denominator.';

create function handoff.more_needed(num bigint, den bigint, was_num bigint, was_den bigint) returns bigint
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    -- n of num / den, k n of was_num / was_den
    select greatest(ceil(s.n) + ceil(s.n * v.k) - $2 - $4, 1)::bigint
    from (select $1::double precision / $2 as p, $3::double precision / $4 as q, $4::double precision / $2 as k where $2 > 0 and $4 > 0) v
    cross join lateral (select (v.p + v.k * v.q) / (1 + v.k) as pooled) b
    cross join lateral (
        select ((1.959963984540054 * sqrt((1 + 1 / v.k) * b.pooled * (1 - b.pooled))
                 + 0.8416212335729143 * sqrt(v.p * (1 - v.p) + v.q * (1 - v.q) / v.k)) / (v.p - v.q)) ^ 2 as n
        where v.p <> v.q) s
    where s.n * (1 + v.k) < 1e18
$$;
comment on function handoff.more_needed(bigint, bigint, bigint, bigint) is
    'How many more are needed, in both denominators together and shared as they are now, to tell num / den from was_num / was_den at 5 % two-sided in 80 % of cases, if the difference is what it is now (Fleiss, Tytun and Ury 1980, without correction; for equal denominators R: power.prop.test()). At least 1. NULL: one is a share of nothing, or they are equal.';

create function handoff.challenge_verdict(num bigint, den bigint, was_num bigint, was_den bigint, higher_is_better boolean) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select case
        -- fewer than five would be expected somewhere: no test of the normal distribution holds
        when least($2, $4) * least($1 + $3, $2 + $4 - $1 - $3) < 5 * ($2 + $4) or least($2, $4) = 0
            then format('too few: %s of the champion, %s of the challenger', $4, $2)
        when i.low > 0 or i.high < 0
            then format('%s better by %s points (%s to %s)', case when (i.low > 0) = $5 then 'challenger' else 'champion' end,
                        round(abs(d)::numeric, 1), round(least(abs(i.low), abs(i.high))::numeric * 100, 1), round(greatest(abs(i.low), abs(i.high))::numeric * 100, 1))
        when d = 0 then 'not yet distinguishable, no difference so far'
        else format('not yet distinguishable, %s more handoffs needed', handoff.more_needed($1, $2, $3, $4))
    end
    from (select 100 * ($1::double precision / nullif($2, 0) - $3::double precision / nullif($4, 0)) as d) v
    left join handoff.change_interval($1, $2, $3, $4) i on true
$$;
comment on function handoff.challenge_verdict(bigint, bigint, bigint, bigint, boolean) is
    'In words, what the challenger''s num / den and the champion''s was_num / was_den say: which of the two is better and by how many points, with Newcombe''s 95 % interval, where that leaves out 0; else how many more are needed (more_needed()); or that they are too few for either (fewer than five expected in a cell of the table).';

revoke all on function handoff.difference_p(bigint, bigint, bigint, bigint) from public;
revoke all on function handoff.more_needed(bigint, bigint, bigint, bigint) from public;
revoke all on function handoff.challenge_verdict(bigint, bigint, bigint, bigint, boolean) from public;
