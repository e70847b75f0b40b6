/*
 * test/fuzz/targets.c
 *
 * What is fuzzed, and what must hold of every input that is accepted.  Everything is called as SQL
 * calls it, by name, so this file knows nothing of how the extension is made.
 *
 *     criteria, schedule, heat    the text of a value: it prints, reads back to the same bytes, and goes
 *                                 through its binary form; then what the type promises
 *     *_recv                      the same of its binary form
 *     rules                       a criteria a line: the list answers as PostgreSQL does, rule by rule
 *     heat_of                     points, moment and half-life as 24 bytes
 *     icalendar                   holidays, up to a date
 *     contract                    a JSON document: what imports also exports and imports again
 *     company_name, address       what leads and accounts are matched by: a key is its own key, and fits an index
 *
 * criteria and rules are asked of the rows of criteria_truth.truth (test/stress/lib/criteria.sql), and
 * the truth is what PostgreSQL makes of the canonical text.
 */
#include "fuzz.h"

#include <float.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/timestamp.h"

#define broken(...)		elog(ERROR, "property broken: " __VA_ARGS__)

/* ---------- calling SQL ---------- */

static Oid
function(const char *signature)
{
	static struct
	{
		const char *signature;
		Oid			oid;
	}			known[16];
	int			i;

	for (i = 0; i < lengthof(known) - 1 && known[i].signature != NULL; i++)
	{
		if (known[i].signature == signature)
			return known[i].oid;
	}
	known[i].oid = DatumGetObjectId(DirectFunctionCall1(regprocedurein, CStringGetDatum(signature)));
	known[i].signature = signature;
	return known[i].oid;
}

static Oid
type_oid(const char *name)
{
	return DatumGetObjectId(DirectFunctionCall1(regtypein, CStringGetDatum(name)));
}

/* Ask a query with up to two parameters of one type for the text in its first column. */
static char *
ask(const char *query, Oid type, int nargs, Datum *args)
{
	Oid			types[] = {type, type};

	if (SPI_execute_with_args(query, nargs, types, args, NULL, false, 1) < 0 || SPI_processed != 1)
		elog(ERROR, "no answer to %s", query);
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

/* ---------- values of a type ---------- */

/* NULL: not text that a client could send */
static char *
as_text(const char *data, size_t size)
{
	if (memchr(data, '\0', size) != NULL || !pg_verifymbstr(data, size, true))
		ereport(ERROR, (errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE), errmsg("not text")));
	return pnstrdup(data, size);
}

static Datum
read_text(Oid type, char *text)
{
	Oid			input,
				param;

	getTypeInputInfo(type, &input, &param);
	return OidInputFunctionCall(input, text, param, -1);
}

static char *
print(Oid type, Datum value)
{
	Oid			output;
	bool		varlena;

	getTypeOutputInfo(type, &output, &varlena);
	return OidOutputFunctionCall(output, value);
}

/* As COPY does it: what the function leaves unread is an error. */
static Datum
read_binary(Oid type, const char *data, size_t size)
{
	Oid			receive,
				param;
	StringInfoData buf;
	Datum		value;

	getTypeBinaryInputInfo(type, &receive, &param);
	initStringInfo(&buf);
	appendBinaryStringInfo(&buf, data, size);
	value = OidReceiveFunctionCall(receive, &buf, param, -1);
	if (buf.cursor != buf.len)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("bytes are left over")));
	return value;
}

static bool
same(Oid type, Datum a, Datum b)
{
	return datumIsEqual(a, b, get_typbyval(type), get_typlen(type));
}

/* A value survives its text and its binary form, byte for byte. */
static void
round_trip(Oid type, Datum value)
{
	char	   *text = print(type, value);
	Datum		again = read_text(type, text);
	Oid			send;
	bool		varlena;
	bytea	   *bytes;

	if (!same(type, value, again))
		broken("\"%s\" reads back as another value, \"%s\"", text, print(type, again));
	if (strcmp(text, print(type, again)) != 0)
		broken("\"%s\" prints as \"%s\" when read back", text, print(type, again));
	getTypeBinaryOutputInfo(type, &send, &varlena);
	bytes = OidSendFunctionCall(send, value);
	if (!same(type, value, read_binary(type, VARDATA(bytes), VARSIZE(bytes) - VARHDRSZ)))
		broken("\"%s\" comes back from its binary form as another value", text);
}

/* ---------- criteria ---------- */

/* Whether a criteria fits the columns of the rows; what doesn't has nothing more to show. */
static bool
fits(Oid type, Datum criteria)
{
	MemoryContext caller = CurrentMemoryContext;
	volatile bool good = true;

	PG_TRY();
	{
		OidFunctionCall3(function("handoff.check_criteria(handoff.criteria,text[],text[])"), criteria,
						 read_text(TEXTARRAYOID, pstrdup("{t,t2,b,n,n2,x,x2,d,d2,ts,ts2,a}")),
						 read_text(TEXTARRAYOID, pstrdup("{text,text,boolean,bigint,bigint,numeric,numeric,date,date,timestamptz,timestamptz,text[]}")));
	}
	PG_CATCH();
	{
		int			state = geterrcode();

		if (state != MAKE_SQLSTATE('L', 'H', '0', '0', '2') && state != MAKE_SQLSTATE('L', 'H', '0', '0', '3'))
			PG_RE_THROW();
		MemoryContextSwitchTo(caller);
		FlushErrorState();
		good = false;
	}
	PG_END_TRY();
	return good;
}

/* PostgreSQL sees a criteria as matches() does, in every row; and its answer stays for a while. */
static void
like_sql(Oid type, Datum criteria)
{
	char	   *text = print(type, criteria);
	char	   *query = psprintf("select min(format('%%s: %%s and not %%s', to_jsonb(r), ours, theirs))"
								 " from criteria_truth.truth r, lateral (select handoff.matches($1, r) as ours, (%s) as theirs) s"
								 " where ours is distinct from theirs or handoff.valid_until($1, r) <= now()", text);
	char	   *differing = ask(query, type, 1, &criteria);

	if (differing != NULL)
		broken("%s of %s", text, differing);
}

static void
criteria_value(Oid type, Datum criteria)
{
	round_trip(type, criteria);
	if (!fits(type, criteria))
		return;
	SPI_connect();
	like_sql(type, criteria);
	SPI_finish();
}

static void
fuzz_criteria(const char *data, size_t size)
{
	Oid			type = type_oid("handoff.criteria");

	criteria_value(type, read_text(type, as_text(data, size)));
}

static void
fuzz_criteria_recv(const char *data, size_t size)
{
	Oid			type = type_oid("handoff.criteria");

	criteria_value(type, read_binary(type, data, size));
}

/* An index over rules needs some: the lines are repeated until there are enough. */
#define FEWEST_RULES	24
#define MOST_RULES		60

static void
fuzz_rules(const char *data, size_t size)
{
	Oid			type = type_oid("handoff.criteria");
	Datum		rules[MOST_RULES];
	StringInfoData query;
	int			lines = 0,
				n = 0;

	for (char *line = strtok(as_text(data, size), "\n"); line && lines < MOST_RULES; line = strtok(NULL, "\n"))
	{
		rules[lines] = read_text(type, line);
		if (!fits(type, rules[lines]))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no rule over the rows")));
		lines++;
	}
	if (lines == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no rule")));
	for (n = lines; n < FEWEST_RULES; n++)
		rules[n] = rules[n - lines];

	initStringInfo(&query);
	appendStringInfoString(&query, "select min(format('%s: %s and not %s', to_jsonb(r), ours, theirs))"
						   " from criteria_truth.truth r, lateral (select handoff.matching_rules($1, r) as ours,"
						   " handoff.first_rule($1, r) as first, array_remove(array[null::int");
	for (int i = 0; i < n; i++)
		appendStringInfo(&query, ", case when (%s) then %d end", print(type, rules[i]), i + 1);
	appendStringInfoString(&query, "], null) as theirs) s where ours <> theirs or first is distinct from theirs[1]");

	SPI_connect();
	{
		Datum		book = PointerGetDatum(construct_array(rules, n, type, -1, false, TYPALIGN_INT));
		char	   *differing = ask(query.data, get_array_type(type), 1, &book);

		if (differing != NULL)
			broken("a list of rules: %s", differing);
	}
	SPI_finish();
}

/* ---------- schedule ---------- */

static Datum
open_at(Datum schedule, TimestampTz at)
{
	return OidFunctionCall2(function("handoff.is_open(handoff.schedule,timestamptz)"), schedule,
							TimestampTzGetDatum(at));
}

/* DT_NOEND: it never opens. */
static TimestampTz
next_open(Datum schedule, TimestampTz at)
{
	LOCAL_FCINFO(fcinfo, 2);
	FmgrInfo	flinfo;
	Datum		result;

	fmgr_info(function("handoff.next_open(handoff.schedule,timestamptz)"), &flinfo);
	InitFunctionCallInfoData(*fcinfo, &flinfo, 2, InvalidOid, NULL, NULL);
	fcinfo->args[0] = (NullableDatum) {schedule, false};
	fcinfo->args[1] = (NullableDatum) {TimestampTzGetDatum(at), false};
	result = FunctionCallInvoke(fcinfo);
	return fcinfo->isnull ? DT_NOEND : DatumGetTimestampTz(result);
}

static void
schedule_value(Oid type, Datum schedule)
{
	static const char *const moments[] = {
		"2026-03-29 00:59:59.999999+00", "2026-10-25 01:00:00+00", "2024-02-29 12:00:00+00",
		"2011-12-30 10:00:00+00", "1883-11-18 17:00:00+00", "4713-01-02 00:00:00+00 BC",
		"294276-12-30 00:00:00+00", "2100-02-28 23:59:59+00"
	};

	round_trip(type, schedule);
	for (int i = 0; i < lengthof(moments); i++)
	{
		TimestampTz at = DatumGetTimestampTz(read_text(TIMESTAMPTZOID, pstrdup(moments[i])));
		bool		is_open = DatumGetBool(open_at(schedule, at));
		TimestampTz opens = next_open(schedule, at);

		if (opens < at || (opens == at) != is_open)
			broken("%s is %s at %s, but opens next at %s", print(type, schedule), is_open ? "open" : "closed",
				   moments[i], timestamptz_to_str(opens));
		if (!TIMESTAMP_NOT_FINITE(opens) && !DatumGetBool(open_at(schedule, opens)))
			broken("%s is closed at %s, when it opens", print(type, schedule), timestamptz_to_str(opens));
		if (opens > at && !TIMESTAMP_NOT_FINITE(opens) && DatumGetBool(open_at(schedule, opens - 1)))
			broken("%s is open before %s, when it opens", print(type, schedule), timestamptz_to_str(opens));
	}
}

/* What is added is what lies between, and what is taken away again; there is no loop where nothing is open. */
static void
business_time(Oid type, Datum schedule)
{
	const char *wrong;

	SPI_connect();
	wrong = ask("select string_agg(format('%s, %s', t, span), '; ') from unnest('{2026-03-27 12:00Z,2011-12-29 10:00Z,1883-11-17Z}'::timestamptz[]) t,"
				" unnest('{1 us,30 h,9999 h}'::interval[]) span, lateral (select handoff.business_add($1, t, span) as due) d"
				" where handoff.business_between($1, t, due) <> span or handoff.business_sub($1, due, span) <> handoff.next_open($1, t)"
				" or handoff.business_add($1, t, '3 days') < handoff.business_add($1, t, '1 day') or handoff.next_close($1, t) <= handoff.next_open($1, t)",
				type, 1, &schedule);
	if (wrong != NULL)
		broken("business time of %s: %s", print(type, schedule), wrong);
	SPI_finish();
}

static void
fuzz_schedule(const char *data, size_t size)
{
	Oid			type = type_oid("handoff.schedule");
	Datum		schedule = read_text(type, as_text(data, size));

	schedule_value(type, schedule);
	business_time(type, schedule);
}

static void
fuzz_schedule_recv(const char *data, size_t size)
{
	Oid			type = type_oid("handoff.schedule");

	schedule_value(type, read_binary(type, data, size));
}

/* ---------- heat ---------- */

static Datum
heat_plus(Datum a, Datum b)
{
	return OidFunctionCall2(function("handoff.heat_add(handoff.heat,handoff.heat)"), a, b);
}

static double
points_at(Datum heat, TimestampTz at, Interval *half_life)
{
	return DatumGetFloat8(OidFunctionCall3(function("handoff.points(handoff.heat,timestamptz,interval)"), heat,
										   TimestampTzGetDatum(at), IntervalPGetDatum(half_life)));
}

/*
 * It has fallen below some points at the moment that falls_to() gives, and not before.  Subnormal numbers
 * have not the digits to tell one microsecond from the next.
 */
static void
falls_to(Oid type, Datum heat, double points, Interval *half_life)
{
	TimestampTz until = DatumGetTimestampTz(OidFunctionCall3(function("handoff.falls_to(handoff.heat,float8,interval)"), heat,
															 Float8GetDatum(points), IntervalPGetDatum(half_life)));

	if (TIMESTAMP_NOT_FINITE(until) || until <= MIN_TIMESTAMP || points < 2 * DBL_MIN)
		return;
	if (!(points_at(heat, until, half_life) < points))
		broken("%s has not fallen to %g at %s", print(type, heat), points, timestamptz_to_str(until));
	if (points_at(heat, until - 1, half_life) < points)
		broken("%s has fallen to %g before %s", print(type, heat), points, timestamptz_to_str(until));
}

static void
heat_value(Oid type, Datum heat)
{
	Datum		others[] = {read_text(type, pstrdup("2^0.5")), read_text(type, pstrdup("-2^9.000000000001")), read_text(type, pstrdup("0")), heat};
	Interval	day = {.time = USECS_PER_DAY};

	round_trip(type, heat);
	for (int i = 0; i < lengthof(others); i++)
	{
		Datum		sum = heat_plus(heat, others[i]);

		round_trip(type, sum);
		if (!same(type, sum, heat_plus(others[i], heat)))
			broken("%s + %s depends on the order", print(type, heat), print(type, others[i]));
	}
	falls_to(type, heat, 1, &day);
	falls_to(type, heat, 1e-3, &day);
	if (isnan(points_at(heat, 0, &day)))
		broken("%s is not a number", print(type, heat));
}

static void
fuzz_heat(const char *data, size_t size)
{
	Oid			type = type_oid("handoff.heat");

	heat_value(type, read_text(type, as_text(data, size)));
}

static void
fuzz_heat_recv(const char *data, size_t size)
{
	Oid			type = type_oid("handoff.heat");

	heat_value(type, read_binary(type, data, size));
}

/* double points, int64 microseconds since 2000, int64 microseconds of half-life */
static void
fuzz_heat_of(const char *data, size_t size)
{
	Oid			type = type_oid("handoff.heat");
	double		points;
	TimestampTz at;
	Interval	half_life = {0};
	Datum		heat;
	double		got;

	if (size != 24)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("not 24 bytes")));
	memcpy(&points, data, 8);
	memcpy(&at, data + 8, 8);
	memcpy(&half_life.time, data + 16, 8);
	if (!IS_VALID_TIMESTAMP(at))
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("not a moment")));
	heat = OidFunctionCall3(function("handoff.heat(float8,timestamptz,interval)"), Float8GetDatum(points),
							TimestampTzGetDatum(at), IntervalPGetDatum(&half_life));
	heat_value(type, heat);
	falls_to(type, heat, fabs(points) / 2, &half_life);
	got = points_at(heat, at, &half_life);
	/* what is too small or too large for the type is 0 or the largest heat; the last numbers round to infinity */
	if (fabs(log2(fabs(points)) + (double) at / half_life.time) < (1 << 22) - 1 && fabs(points) < DBL_MAX / 2 &&
		fabs(got - points) > fabs(points) * 1e-11 + 5e-324)
		broken("%.17g points are %.17g (%s)", points, got, print(type, heat));
}

/* ---------- holidays ---------- */

static void
fuzz_icalendar(const char *data, size_t size)
{
	Datum		ics = read_text(TEXTOID, as_text(data, size));

	SPI_connect();
	if (ask("select min(on_date) from handoff.ical_dates($1, '2033-01-01') where on_date > '2033-01-01'", TEXTOID, 1, &ics) != NULL)
		broken("a date behind the last one");
	SPI_finish();
}

/* ---------- contracts ---------- */

/* The one answer of a query about a jsonb. */
static Datum
ask_jsonb(const char *query, Datum doc)
{
	return read_text(JSONBOID, ask(query, JSONBOID, 1, &doc));
}

static void
fuzz_contract(const char *data, size_t size)
{
	Datum		docs[] = {read_text(JSONBOID, as_text(data, size)), (Datum) 0};
	const char *latest = "select handoff.export((select max(contract_id) from handoff.contract where $1 is not null))";

	SPI_connect();
	ask("select handoff.import($1)", JSONBOID, 1, &docs[0]);
	docs[1] = ask_jsonb(latest, docs[0]);
	ask("select handoff.import($1)", JSONBOID, 1, &docs[1]);
	docs[0] = ask_jsonb(latest, docs[1]);
	if (strcmp(print(JSONBOID, docs[0]), print(JSONBOID, docs[1])) != 0)
		broken("%s becomes %s", print(JSONBOID, docs[1]), print(JSONBOID, docs[0]));
	ask("select count(*) from handoff.validate((select max(contract_id) from handoff.contract))", JSONBOID, 0, NULL);
	SPI_finish();
}

/* ---------- keys of a match ---------- */

/* A text that gives no key is refused; of one that does ($1), and the key ($2), the query asks what is wrong. */
static void
of_text(const char *key_query, const char *query, const char *data, size_t size)
{
	Datum		args[2] = {CStringGetTextDatum(as_text(data, size))};
	char	   *key;
	char	   *wrong;

	SPI_connect();
	key = ask(key_query, TEXTOID, 1, args);
	if (key == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no key")));
	args[1] = CStringGetTextDatum(key);
	wrong = ask(query, TEXTOID, 2, args);
	if (wrong != NULL)
		broken("%s", wrong);
	SPI_finish();
}

static void
fuzz_company_name(const char *data, size_t size)
{
	of_text("select handoff.company_name_key($1)",
			"select min(format('key \"%s\", its key \"%s\", similarity %s', $2, handoff.company_name_key($2), handoff.company_name_similarity($1, $2)))"
			" where handoff.company_name_key($2) is distinct from $2 or length($2) not between 1 and 200"
			" or $2 <> trim($2) or handoff.company_name_similarity($1, $2) is distinct from 1", data, size);
}

static void
fuzz_address(const char *data, size_t size)
{
	of_text("select handoff.registrable_domain($1)",
			"select min(format('domain \"%s\", its domain \"%s\"', $2, handoff.registrable_domain($2)))"
			" where handoff.registrable_domain($2) is distinct from $2 or handoff.registrable_domain('x@' || $2) is distinct from $2"
			" or length($2) not between 3 and 253 or $2 ~ '[^-_.a-z0-9]'", data, size);
}

const FuzzTarget lh_fuzz_targets[] = {
	{"criteria", fuzz_criteria},
	{"criteria_recv", fuzz_criteria_recv},
	{"rules", fuzz_rules},
	{"schedule", fuzz_schedule},
	{"schedule_recv", fuzz_schedule_recv},
	{"heat", fuzz_heat},
	{"heat_recv", fuzz_heat_recv},
	{"heat_of", fuzz_heat_of},
	{"icalendar", fuzz_icalendar},
	{"contract", fuzz_contract},
	{"company_name", fuzz_company_name},
	{"address", fuzz_address},
	{NULL, NULL}
};
