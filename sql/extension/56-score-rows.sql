-- sql/extension/56-score-rows.sql: scores in a query, of fields made up or of a whole table.

create function handoff.score(
    fields     jsonb,
    version    int default null,
    at         timestamptz default null,
    out fit    bigint,
    out intent numeric,
    out score  bigint,
    out band   text,
    out rules  text[]
) returns record
    language c stable parallel restricted
    as 'MODULE_PATHNAME', 'lh_score_fields';
comment on function handoff.score(jsonb, int, timestamptz) is
    'What a new lead with these fields would score under a version (default: the draft being edited, else the one in force) at a moment (default: view_time()): fit, intent as given in the field intent (else 0) within the contract''s limits, score, band, and the names of the fit rules that hold. Derived fields are computed. Decides and keeps nothing. Errors: LH002 (unknown field), LH003 (value not of the field''s type), LH012 (no such version, or none to choose), 22023 (a computed field was given), 22003 (intent out of range).';

create function handoff.score_rows(
    source       text,
    version      int default null,
    at           timestamptz default null,
    out lead_key text,
    out fit      bigint,
    out intent   numeric,
    out score    bigint,
    out band     text
) returns setof record
    language c stable parallel restricted
    rows 10000 cost 1000000
    as 'MODULE_PATHNAME', 'lh_score_rows';
comment on function handoff.score_rows(text, int, timestamptz) is
    'Scores every row of a source of leads (handoff.source.name), as its table is now, under a version (default: the draft being edited, else the one in force) at a moment (default: view_time()). Reads the table with the caller''s rights, and only the columns that fit rules use. Intent is what the lead''s newest decision left of it (0: no such lead); it, score and band are NULL if it was folded with another half-life. Rows marked deleted or without a key are left out. Errors: 42704 (no such source), 42809 (not a source of leads), LH012 (no such version, or none to choose), LH022 (the table is not there), 42501 (no right to read it), and that of the cast if a row can''t be read; its context names the row.';

revoke all on function handoff.score(jsonb, int, timestamptz) from public;
revoke all on function handoff.score_rows(text, int, timestamptz) from public;
