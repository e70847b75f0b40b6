-- sql/extension/10-rules.sql: fields, and the type criteria (a condition over fields).

create function handoff.builtin_fields(
    out "of" text,
    out name text,
    out type text,
    out mapped boolean,
    out step int,
    out description text)
returns setof record
language c immutable strict parallel safe
as 'MODULE_PATHNAME', 'lh_sql_builtin_fields';
revoke all on function handoff.builtin_fields() from public;
comment on function handoff.builtin_fields() is 'The fields that every contract has without declaring them. of: lead, activity, account (named account.x by criteria), opportunity or link; mapped: filled by a source''s mapping, not by the extension; step: when a decision knows it (0 input, 1 derived, 2 fit, 3 intent, 4 score, 5 band).';

create type handoff.criteria;

create function handoff.criteria_in(cstring)
returns handoff.criteria
language c immutable strict parallel safe
as 'MODULE_PATHNAME', 'lh_criteria_in';
comment on function handoff.criteria_in(cstring) is 'Input of criteria. Errors: LH001 what criteria do not allow, 42601 not an expression, 54000 too large, 22007 and 22003 a bad interval or number.';

create function handoff.criteria_out(handoff.criteria)
returns cstring
language c immutable strict parallel safe
as 'MODULE_PATHNAME', 'lh_criteria_out_sql';
comment on function handoff.criteria_out(handoff.criteria) is 'Output of criteria: canonical text that is SQL and reads back to the same value.';

create function handoff.criteria_recv(internal)
returns handoff.criteria
language c immutable strict parallel safe
as 'MODULE_PATHNAME', 'lh_criteria_recv';
comment on function handoff.criteria_recv(internal) is 'Binary input of criteria: a version byte and the text, parsed like any other. Errors: those of criteria_in, 22P03 another version.';

create function handoff.criteria_send(handoff.criteria)
returns bytea
language c immutable strict parallel safe
as 'MODULE_PATHNAME', 'lh_criteria_send';
comment on function handoff.criteria_send(handoff.criteria) is 'Binary output of criteria: a version byte and the canonical text.';

create type handoff.criteria (
    input = handoff.criteria_in,
    output = handoff.criteria_out,
    receive = handoff.criteria_recv,
    send = handoff.criteria_send,
    internallength = variable,
    alignment = int4,
    storage = extended
);
comment on type handoff.criteria is 'A condition over named fields: a safe subset of a SQL boolean expression that means what SQL means. See docs/criteria.md.';

create function handoff.criteria_eq(handoff.criteria, handoff.criteria)
returns boolean
language c immutable strict leakproof parallel safe
as 'MODULE_PATHNAME', 'lh_criteria_eq';
comment on function handoff.criteria_eq(handoff.criteria, handoff.criteria) is 'Whether two criteria have the same canonical text.';

create function handoff.criteria_ne(handoff.criteria, handoff.criteria)
returns boolean
language c immutable strict leakproof parallel safe
as 'MODULE_PATHNAME', 'lh_criteria_ne';
comment on function handoff.criteria_ne(handoff.criteria, handoff.criteria) is 'Whether two criteria have different canonical texts.';

create function handoff.criteria_hash(handoff.criteria)
returns int
language c immutable strict leakproof parallel safe
as 'MODULE_PATHNAME', 'lh_criteria_hash';
comment on function handoff.criteria_hash(handoff.criteria) is 'Hash of criteria.';

create function handoff.criteria_hash_extended(handoff.criteria, bigint)
returns bigint
language c immutable strict leakproof parallel safe
as 'MODULE_PATHNAME', 'lh_criteria_hash_extended';
comment on function handoff.criteria_hash_extended(handoff.criteria, bigint) is 'Hash of criteria, seeded.';

create operator handoff.= (
    leftarg = handoff.criteria,
    rightarg = handoff.criteria,
    function = handoff.criteria_eq,
    commutator = operator(handoff.=),
    negator = operator(handoff.<>),
    restrict = eqsel,
    join = eqjoinsel,
    hashes
);
comment on operator handoff.= (handoff.criteria, handoff.criteria) is 'same canonical text';

create operator handoff.<> (
    leftarg = handoff.criteria,
    rightarg = handoff.criteria,
    function = handoff.criteria_ne,
    commutator = operator(handoff.<>),
    negator = operator(handoff.=),
    restrict = neqsel,
    join = neqjoinsel
);
comment on operator handoff.<> (handoff.criteria, handoff.criteria) is 'different canonical texts';

create operator class handoff.criteria_ops
default for type handoff.criteria using hash as
    operator 1 handoff.= (handoff.criteria, handoff.criteria),
    function 1 handoff.criteria_hash(handoff.criteria),
    function 2 handoff.criteria_hash_extended(handoff.criteria, bigint);
comment on operator class handoff.criteria_ops using hash is 'hashing of criteria, for hash joins, grouping and indexes';

create function handoff.criteria_fields(criteria handoff.criteria)
returns setof text
language c immutable strict parallel safe rows 3
as 'MODULE_PATHNAME', 'lh_criteria_fields';
revoke all on function handoff.criteria_fields(handoff.criteria) from public;
comment on function handoff.criteria_fields(handoff.criteria) is 'Names of the fields a criteria uses, each once, in order of first use.';

create function handoff.check_criteria(criteria handoff.criteria, names text[], types text[])
returns void
language c immutable strict parallel safe
as 'MODULE_PATHNAME', 'lh_check_criteria';
revoke all on function handoff.check_criteria(handoff.criteria, text[], text[]) from public;
comment on function handoff.check_criteria(handoff.criteria, text[], text[]) is 'Does nothing if the criteria fits fields of these names and types (text, boolean, bigint, numeric, date, timestamptz, text[]). Errors: LH002 unknown field, LH003 an operator or literal does not fit a field''s type; the position is within the canonical text.';

create function handoff.matches(criteria handoff.criteria, record record, at timestamptz default now())
returns boolean
language c stable strict parallel safe
as 'MODULE_PATHNAME', 'lh_matches';
revoke all on function handoff.matches(handoff.criteria, record, timestamptz) from public;
comment on function handoff.matches(handoff.criteria, record, timestamptz) is 'Whether a row meets a criteria, NULL if that is unknown. The fields are the row''s columns. now() in the criteria is at, current_date its date in the session''s time zone. Errors: LH002 no such column, LH003 a column''s type does not fit.';

create function handoff.valid_until(criteria handoff.criteria, record record, at timestamptz default now())
returns timestamptz
language c stable strict parallel safe
as 'MODULE_PATHNAME', 'lh_valid_until';
revoke all on function handoff.valid_until(handoff.criteria, record, timestamptz) from public;
comment on function handoff.valid_until(handoff.criteria, record, timestamptz) is 'Until when matches() keeps its answer for a row that does not change: a moment after at, never later than the first change by time alone, infinity if there is none. Errors: those of matches().';

create function handoff.matching_rules(rules handoff.criteria[], record record, at timestamptz default now())
returns int[]
language c stable strict parallel safe
as 'MODULE_PATHNAME', 'lh_matching_rules';
revoke all on function handoff.matching_rules(handoff.criteria[], record, timestamptz) from public;
comment on function handoff.matching_rules(handoff.criteria[], record, timestamptz) is 'Positions, from 1 and ascending, of the rules that a row meets; a null in rules is met by every row. The answer of matches() for each, found through an index over the rules. Errors: those of matches().';

create function handoff.first_rule(rules handoff.criteria[], record record, at timestamptz default now())
returns int
language c stable strict parallel safe
as 'MODULE_PATHNAME', 'lh_first_rule';
revoke all on function handoff.first_rule(handoff.criteria[], record, timestamptz) from public;
comment on function handoff.first_rule(handoff.criteria[], record, timestamptz) is 'Position, from 1, of the first rule that a row meets, NULL if it meets none; a null in rules is met by every row. Errors: those of matches().';

create function handoff.rules_valid_until(rules handoff.criteria[], record record, at timestamptz default now(), first_only boolean default false)
returns timestamptz
language c stable strict parallel safe
as 'MODULE_PATHNAME', 'lh_rules_valid_until';
revoke all on function handoff.rules_valid_until(handoff.criteria[], record, timestamptz, boolean) from public;
comment on function handoff.rules_valid_until(handoff.criteria[], record, timestamptz, boolean) is 'Until when matching_rules(), with first_only first_rule(), keeps its answer for a row that does not change: a moment after at, never later than the first change by time alone, infinity if there is none. Errors: those of matches().';
