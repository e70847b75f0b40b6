
-- sql/extension/20-time.sql: types of time. handoff.heat is an amount of points that halves every
-- half-life; src/time/heat.c explains its 8 bytes.

create type handoff.heat;

create function handoff.heat_in(cstring) returns handoff.heat
    language c immutable strict parallel safe as 'MODULE_PATHNAME', 'lh_heat_in';
comment on function handoff.heat_in(cstring) is
    'Reads a heat: 0, or a power of two such as 2^5.5, 2^-3 or -2^4. Errors: 22P02 (not of that form), 22003 (out of range).';

create function handoff.heat_out(handoff.heat) returns cstring
    language c immutable strict parallel safe as 'MODULE_PATHNAME', 'lh_heat_out';
comment on function handoff.heat_out(handoff.heat) is
    'Prints a heat in the shortest form that reads back as the same heat.';

create function handoff.heat_recv(internal) returns handoff.heat
    language c immutable strict parallel safe as 'MODULE_PATHNAME', 'lh_heat_recv';
comment on function handoff.heat_recv(internal) is
    'Binary input of a heat: a version byte (1) and 8 bytes. Error: 22P03 (not a heat).';

create function handoff.heat_send(handoff.heat) returns bytea
    language c immutable strict parallel safe as 'MODULE_PATHNAME', 'lh_heat_send';
comment on function handoff.heat_send(handoff.heat) is
    'Binary output of a heat: a version byte (1) and 8 bytes.';

create type handoff.heat (
    input = handoff.heat_in,
    output = handoff.heat_out,
    receive = handoff.heat_recv,
    send = handoff.heat_send,
    like = pg_catalog.int8
);
comment on type handoff.heat is
    'Points that halve every half-life. Nothing has to be updated as time passes: handoff.points() gives the value at any moment. Heats may be added and compared only if they were made with the same half-life. Text form: the points at 2000-01-01 00:00 UTC as a power of two.';

create function handoff.heat(points double precision, at timestamptz, half_life interval) returns handoff.heat
    language c immutable parallel safe as 'MODULE_PATHNAME', 'lh_heat_make';
comment on function handoff.heat(double precision, timestamptz, interval) is
    'The heat of points (may be negative) given at a moment. half_life: at least an hour, without months, a day being 24 hours; NULL means that the points never decay. NULL if points or at is NULL. Errors: 22023 (half-life), 22003 (points not finite), 22008 (at not finite).';

create function handoff.points(heat handoff.heat, at timestamptz, half_life interval) returns double precision
    language c immutable parallel safe as 'MODULE_PATHNAME', 'lh_heat_get_points';
comment on function handoff.points(handoff.heat, timestamptz, interval) is
    'What a heat is worth at a moment, in points; half_life is the one it was made with (NULL: it stands still). Moments before the points were given are answered too, by the same curve; Infinity if a double can''t hold it. Errors: 22023 (half-life), 22008 (at not finite).';

create function handoff.falls_to(heat handoff.heat, points double precision, half_life interval) returns timestamptz
    language c immutable parallel safe as 'MODULE_PATHNAME', 'lh_heat_get_falls_to';
comment on function handoff.falls_to(handoff.heat, double precision, interval) is
    'The first microsecond at which a heat is worth less than points, which may lie in the past; infinity if that never happens (no decay, points not above 0, or a heat that is not positive). Errors: 22023 (half-life), 22003 (points not finite).';

create function handoff.heat_add(handoff.heat, handoff.heat) returns handoff.heat
    language c immutable strict parallel safe as 'MODULE_PATHNAME', 'lh_heat_plus';
comment on function handoff.heat_add(handoff.heat, handoff.heat) is
    'The sum of two heats of one half-life, right to 2^-41 half-lives (3.2e-13 of the larger one).';

create operator handoff.+ (
    leftarg = handoff.heat,
    rightarg = handoff.heat,
    function = handoff.heat_add,
    commutator = operator(handoff.+)
);
comment on operator handoff.+ (handoff.heat, handoff.heat) is 'sum of two heats of one half-life';

-- Order: int64 order is the order of the points, so int8's own functions compare, sort and hash.

create function handoff.heat_lt(handoff.heat, handoff.heat) returns boolean
    language internal immutable strict leakproof parallel safe as 'int8lt';
comment on function handoff.heat_lt(handoff.heat, handoff.heat) is
    'Is a heat worth less than another one of the same half-life, at any moment?';

create function handoff.heat_le(handoff.heat, handoff.heat) returns boolean
    language internal immutable strict leakproof parallel safe as 'int8le';
comment on function handoff.heat_le(handoff.heat, handoff.heat) is
    'Is a heat worth at most as much as another one of the same half-life, at any moment?';

create function handoff.heat_eq(handoff.heat, handoff.heat) returns boolean
    language internal immutable strict leakproof parallel safe as 'int8eq';
comment on function handoff.heat_eq(handoff.heat, handoff.heat) is
    'Are two heats the same to the last bit? Sums made in another order may differ in their last bits.';

create function handoff.heat_ne(handoff.heat, handoff.heat) returns boolean
    language internal immutable strict leakproof parallel safe as 'int8ne';
comment on function handoff.heat_ne(handoff.heat, handoff.heat) is
    'Do two heats differ in any bit?';

create function handoff.heat_ge(handoff.heat, handoff.heat) returns boolean
    language internal immutable strict leakproof parallel safe as 'int8ge';
comment on function handoff.heat_ge(handoff.heat, handoff.heat) is
    'Is a heat worth at least as much as another one of the same half-life, at any moment?';

create function handoff.heat_gt(handoff.heat, handoff.heat) returns boolean
    language internal immutable strict leakproof parallel safe as 'int8gt';
comment on function handoff.heat_gt(handoff.heat, handoff.heat) is
    'Is a heat worth more than another one of the same half-life, at any moment?';

create operator handoff.< (
    leftarg = handoff.heat,
    rightarg = handoff.heat,
    function = handoff.heat_lt,
    commutator = operator(handoff.>),
    negator = operator(handoff.>=),
    restrict = pg_catalog.scalarltsel,
    join = pg_catalog.scalarltjoinsel
);
comment on operator handoff.< (handoff.heat, handoff.heat) is 'fewer points, at any moment';

create operator handoff.<= (
    leftarg = handoff.heat,
    rightarg = handoff.heat,
    function = handoff.heat_le,
    commutator = operator(handoff.>=),
    negator = operator(handoff.>),
    restrict = pg_catalog.scalarlesel,
    join = pg_catalog.scalarlejoinsel
);
comment on operator handoff.<= (handoff.heat, handoff.heat) is 'at most as many points, at any moment';

create operator handoff.= (
    leftarg = handoff.heat,
    rightarg = handoff.heat,
    function = handoff.heat_eq,
    commutator = operator(handoff.=),
    negator = operator(handoff.<>),
    restrict = pg_catalog.eqsel,
    join = pg_catalog.eqjoinsel,
    hashes,
    merges
);
comment on operator handoff.= (handoff.heat, handoff.heat) is 'same heat';

create operator handoff.<> (
    leftarg = handoff.heat,
    rightarg = handoff.heat,
    function = handoff.heat_ne,
    commutator = operator(handoff.<>),
    negator = operator(handoff.=),
    restrict = pg_catalog.neqsel,
    join = pg_catalog.neqjoinsel
);
comment on operator handoff.<> (handoff.heat, handoff.heat) is 'different heat';

create operator handoff.>= (
    leftarg = handoff.heat,
    rightarg = handoff.heat,
    function = handoff.heat_ge,
    commutator = operator(handoff.<=),
    negator = operator(handoff.<),
    restrict = pg_catalog.scalargesel,
    join = pg_catalog.scalargejoinsel
);
comment on operator handoff.>= (handoff.heat, handoff.heat) is 'at least as many points, at any moment';

create operator handoff.> (
    leftarg = handoff.heat,
    rightarg = handoff.heat,
    function = handoff.heat_gt,
    commutator = operator(handoff.<),
    negator = operator(handoff.<=),
    restrict = pg_catalog.scalargtsel,
    join = pg_catalog.scalargtjoinsel
);
comment on operator handoff.> (handoff.heat, handoff.heat) is 'more points, at any moment';

create function handoff.heat_cmp(handoff.heat, handoff.heat) returns int
    language internal immutable strict leakproof parallel safe as 'btint8cmp';
comment on function handoff.heat_cmp(handoff.heat, handoff.heat) is
    'Below, equal to or above 0 as the first heat is worth less, the same or more than the second one of the same half-life.';

create operator class handoff.heat_ops default for type handoff.heat using btree as
    operator 1 handoff.<,
    operator 2 handoff.<=,
    operator 3 handoff.=,
    operator 4 handoff.>=,
    operator 5 handoff.>,
    function 1 handoff.heat_cmp(handoff.heat, handoff.heat),
    function 2 (handoff.heat, handoff.heat) pg_catalog.btint8sortsupport(internal),
    function 4 (handoff.heat, handoff.heat) pg_catalog.btequalimage(oid);
comment on operator class handoff.heat_ops using btree is
    'Order of heats of one half-life: that of their points at any moment, so an index stays right as time passes.';
comment on operator family handoff.heat_ops using btree is 'order of heats';

create function handoff.heat_hash(handoff.heat) returns int
    language internal immutable strict parallel safe as 'hashint8';
comment on function handoff.heat_hash(handoff.heat) is
    'Hash of a heat.';

create function handoff.heat_hash_extended(handoff.heat, bigint) returns bigint
    language internal immutable strict parallel safe as 'hashint8extended';
comment on function handoff.heat_hash_extended(handoff.heat, bigint) is
    'Hash of a heat in 64 bits, with a seed.';

create operator class handoff.heat_ops default for type handoff.heat using hash as
    operator 1 handoff.=,
    function 1 handoff.heat_hash(handoff.heat),
    function 2 handoff.heat_hash_extended(handoff.heat, bigint);
comment on operator class handoff.heat_ops using hash is 'heats that are the same to the last bit';
comment on operator family handoff.heat_ops using hash is 'heats that are the same to the last bit';

-- Aggregates

create aggregate handoff.sum(handoff.heat) (
    sfunc = handoff.heat_add,
    stype = handoff.heat,
    combinefunc = handoff.heat_add,
    parallel = safe
);
comment on aggregate handoff.sum(handoff.heat) is
    'The sum of heats of one half-life; NULL of none. The order of the rows may change the last bits.';

create function handoff.heat_smaller(handoff.heat, handoff.heat) returns handoff.heat
    language internal immutable strict parallel safe as 'int8smaller';
comment on function handoff.heat_smaller(handoff.heat, handoff.heat) is
    'The smaller of two heats of one half-life.';

create function handoff.heat_larger(handoff.heat, handoff.heat) returns handoff.heat
    language internal immutable strict parallel safe as 'int8larger';
comment on function handoff.heat_larger(handoff.heat, handoff.heat) is
    'The larger of two heats of one half-life.';

create aggregate handoff.min(handoff.heat) (
    sfunc = handoff.heat_smaller,
    stype = handoff.heat,
    combinefunc = handoff.heat_smaller,
    sortop = operator(handoff.<),
    parallel = safe
);
comment on aggregate handoff.min(handoff.heat) is
    'The smallest of heats of one half-life; NULL of none. Read from the end of an index where there is one.';

create aggregate handoff.max(handoff.heat) (
    sfunc = handoff.heat_larger,
    stype = handoff.heat,
    combinefunc = handoff.heat_larger,
    sortop = operator(handoff.>),
    parallel = safe
);
comment on aggregate handoff.max(handoff.heat) is
    'The largest of heats of one half-life; NULL of none. Read from the end of an index where there is one.';

revoke all on function handoff.heat(double precision, timestamptz, interval) from public;
revoke all on function handoff.points(handoff.heat, timestamptz, interval) from public;
revoke all on function handoff.falls_to(handoff.heat, double precision, interval) from public;
revoke all on function handoff.sum(handoff.heat) from public;
revoke all on function handoff.heat_smaller(handoff.heat, handoff.heat) from public;
revoke all on function handoff.heat_larger(handoff.heat, handoff.heat) from public;
revoke all on function handoff.min(handoff.heat) from public;
revoke all on function handoff.max(handoff.heat) from public;
