-- sql/extension/82-backtest.sql: history decided anew, by any version.

create function handoff.activity_versions(lead_keys text[])
    returns table (
        lead_key     text,
        source       text,
        activity_key text,
        at           timestamptz,
        fields       jsonb,
        meanings     text[],
        points       int,
        contract_id  int,
        taken_at     timestamptz,
        ended_at     timestamptz,
        gone         boolean
    )
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select a.lead_key, a.source, a.activity_key, a.at, a.fields, a.meanings, a.points, a.contract_id,
           coalesce((select max(p.ended_at) from handoff.activity_past p
                     where p.lead_key = a.lead_key and p.source = a.source and p.activity_key = a.activity_key and p.ended_at >= a.taken_at),
                    a.taken_at),
           'infinity', false
    from handoff.activity a
    where a.lead_key = any ($1)
    union all
    select p.lead_key, p.source, p.activity_key, p.at, p.fields, p.meanings, 0, null, p.taken_at, p.ended_at, p.gone
    from handoff.activity_past p
    where p.lead_key = any ($1)
$$;
comment on function handoff.activity_versions(text[]) is
    'Activities of some leads as decisions have known them: each version from taken_at until before ended_at (infinity: it is what handoff.activity has now). Those known at a moment t are where taken_at <= t and t < ended_at. Points and contract_id only of what is known now; gone: its row was.';

create type handoff.backtest_row as (
    lead_key     text,
    what         text,
    at           timestamptz,
    leg          text,
    cycle        int,
    was_at       timestamptz,
    would_at     timestamptz,
    was_stage    text,
    would_stage  text,
    was_band     text,
    would_band   text,
    was_score    bigint,
    would_score  bigint,
    was_route    text,
    would_route  text,
    was_target   text,
    would_target text,
    accepted     boolean,
    won          boolean,
    comparable   boolean,
    reasons      text[]
);
comment on type handoff.backtest_row is
    'A row of handoff.backtest(): what history was and what a version would have made of it, beside each other.';
comment on column handoff.backtest_row.lead_key is 'Lead.';
comment on column handoff.backtest_row.what is 'score, band, stage: the first difference of that kind; handoff: one that was or would be; lead: where both come to.';
comment on column handoff.backtest_row.at is 'Of a difference: when; of a handoff: the earlier of was_at and would_at; of a lead that cant be compared to the end: since when (else NULL).';
comment on column handoff.backtest_row.leg is 'Of a handoff: the leg.';
comment on column handoff.backtest_row.cycle is 'Of a handoff: the cycle of the lead, of historys if it was.';
comment on column handoff.backtest_row.was_at is 'Of a handoff: when it was handed over; NULL: it was not.';
comment on column handoff.backtest_row.would_at is 'Of a handoff: when it would have been; NULL: it would not, or not as far as the lead could be followed.';
comment on column handoff.backtest_row.was_stage is 'Stage at that moment; of a handoff the one it was passed into; of a lead the last one.';
comment on column handoff.backtest_row.would_stage is 'The same under the version; NULL: none.';
comment on column handoff.backtest_row.was_band is 'Band, likewise; NULL: none.';
comment on column handoff.backtest_row.would_band is 'The same under the version.';
comment on column handoff.backtest_row.was_score is 'Score, likewise.';
comment on column handoff.backtest_row.would_score is 'The same under the version, as of its newest decision.';
comment on column handoff.backtest_row.was_route is 'Of a handoff: the route by which it was first given to somebody; NULL: nobody has had it.';
comment on column handoff.backtest_row.would_route is 'The same under the version: the first one that nothing structural speaks against.';
comment on column handoff.backtest_row.was_target is 'Whom that route meant: "pool NAME" or "rep NAME".';
comment on column handoff.backtest_row.would_target is 'The same under the version.';
comment on column handoff.backtest_row.accepted is 'Of a handoff that was: accepted by sales; false: recycled, disqualified or returned unaccepted; NULL: not known.';
comment on column handoff.backtest_row.won is 'Of a handoff that was: an opportunity of it was won; false: lost, or given up unaccepted; NULL: not known.';
comment on column handoff.backtest_row.comparable is 'False: of a lead, that it was not followed to the end; of a handoff, that history made it after that.';
comment on column handoff.backtest_row.reasons is 'Of a difference: rules, groups, signals, gates and moves that differ; of a lead that was not followed to the end: why (docs/backtest.md).';

create function handoff.backtest(
    version    int default null,
    since      timestamptz default null,
    until      timestamptz default null,
    all_rows   boolean default false,
    tick_every interval default '1 minute'
) returns setof handoff.backtest_row
    language c stable parallel restricted
    rows 10000 cost 1000000
    as 'MODULE_PATHNAME', 'lh_backtest';
comment on function handoff.backtest(int, timestamptz, timestamptz, boolean, interval) is
    'Decides all leads of a contract anew under any version (default: the draft being edited, else the one in force), as of each moment at which history decided and as if the version had been put in force at since (default: always), up to until (exclusive; default: now); without effects. One row a lead and first difference of its score, band or stage (what; at: when; reasons: rules and moves that differ), one row a handoff that was or would be (was_at, would_at: handed over, NULL: not; accepted, won: what is known of it), and one row what = lead a lead: where both come to, comparable = false if it could not be followed to the end, since at and for the reason given. all_rows: handoffs and leads that do not differ too. tick_every: clocks are looked at at multiples of it (from a second to 366 days). Routes of a handoff that history did not have are those by people, pools and maps as they are now. Prints a NOTICE every 10 seconds. Errors: LH012 (no such version, or none to choose), LH011 (validate() has errors), LH003 (a field has another type than what is stored), 22023 (since not before until, tick_every), 55000 (there is no history).';

create function handoff.backtest_as_decided(
    contract   text default null,
    since      timestamptz default null,
    until      timestamptz default null,
    all_rows   boolean default false,
    tick_every interval default '1 minute'
) returns setof handoff.backtest_row
    language c stable parallel restricted
    rows 10000 cost 1000000
    as 'MODULE_PATHNAME', 'lh_backtest_as_decided';
comment on function handoff.backtest_as_decided(text, timestamptz, timestamptz, boolean, interval) is
    'As backtest(), but each decision by the version that made it (of the contract of that name; default: the only one in force): every row that says was <> would, or not comparable, is something that the log does not explain. Errors: LH012 (no such contract), else as backtest().';

revoke all on function handoff.backtest(int, timestamptz, timestamptz, boolean, interval) from public;
revoke all on function handoff.backtest_as_decided(text, timestamptz, timestamptz, boolean, interval) from public;
revoke all on function handoff.activity_versions(text[]) from public;
