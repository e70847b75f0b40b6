-- sql/extension/61-merge.sql: leads that are one.

create function handoff.merge_lead(loser text, survivor text, actor text default null, p_now timestamptz default clock_timestamp())
    returns text
    language c volatile
    as 'MODULE_PATHNAME', 'lh_merge_lead';
comment on function handoff.merge_lead(text, text, text, timestamptz) is
    'Merges a lead into another, for good: its activities and opportunities are the survivor''s, its key means the survivor from then on, its open handoff is withdrawn (code merged). It counts as deleted, its log stays. Returns the survivor''s stage. Errors: LH040 (no such lead; merged away already), 22023 (into itself), LH012, 42501.';

revoke all on function handoff.merge_lead(text, text, text, timestamptz) from public;
