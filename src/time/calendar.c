/*
 * src/time/calendar.c
 *
 * Calendars ready to be asked, and the SQL functions that ask them.
 *
 * Working out a calendar's weeks takes far longer than an answer, so the result is kept for the session.
 * It is kept under the calendar's contents, not under its name: schedule and exceptions as bytes.  What
 * is found there can't be out of date.  Which contents a name stands for is looked up once in each
 * statement, with the latest snapshot, so a session in REPEATABLE READ doesn't go on with old
 * holidays.  Within a statement a name means one thing, unless that statement itself (a function that it
 * calls) has changed something: the command counter tells.
 *
 * Callers hold pointers until their transaction ends, so the cache is emptied only by the first search of
 * another transaction, when it has grown too large.
 */
#include "time/calendar.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "sql.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/multirangetypes.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#define MAX_CALENDARS	500
#define MAX_BYTES		((Size) 32 * 1024 * 1024)	/* each has up to 1 MB, if it was asked about centuries */

PG_FUNCTION_INFO_V1(lh_sql_business_add);
PG_FUNCTION_INFO_V1(lh_sql_business_sub);
PG_FUNCTION_INFO_V1(lh_sql_business_between);
PG_FUNCTION_INFO_V1(lh_sql_open_seconds);
PG_FUNCTION_INFO_V1(lh_sql_is_open);
PG_FUNCTION_INFO_V1(lh_sql_next_open);
PG_FUNCTION_INFO_V1(lh_sql_next_close);
PG_FUNCTION_INFO_V1(lh_calendars_changed);
PG_FUNCTION_INFO_V1(lh_sql_business_day);
PG_FUNCTION_INFO_V1(lh_sql_business_day_end);

/* A key of any length; equal bytes are the same key. */
typedef struct Bytes
{
	int			length;
	const void *data;
} Bytes;

typedef struct Entry
{
	Bytes		key;			/* contents, or a name */
	LhCalendar *calendar;
} Entry;

/* ---------- tables by bytes ---------- */

static uint32
hash_of_bytes(const void *key, Size size)
{
	const Bytes *bytes = key;

	return hash_bytes(bytes->data, bytes->length);
}

static int
compare_bytes(const void *a, const void *b, Size size)
{
	const Bytes *x = a;
	const Bytes *y = b;

	return x->length != y->length || memcmp(x->data, y->data, x->length) != 0;
}

static HTAB *
make_table(MemoryContext mcxt)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(Bytes);
	ctl.entrysize = sizeof(Entry);
	ctl.hash = hash_of_bytes;
	ctl.match = compare_bytes;
	ctl.hcxt = mcxt;
	return hash_create("lead_handoff calendars", 16, &ctl, HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

static LhCalendar *
look_up(HTAB *table, Bytes key)
{
	Entry	   *entry = hash_search(table, &key, HASH_FIND, NULL);

	return entry == NULL ? NULL : entry->calendar;
}

static void
enter(HTAB *table, MemoryContext mcxt, Bytes key, LhCalendar *calendar)
{
	void	   *copy = MemoryContextAlloc(mcxt, key.length);
	Entry	   *entry;

	memcpy(copy, key.data, key.length);
	key.data = copy;
	entry = hash_search(table, &key, HASH_ENTER, NULL);
	entry->calendar = calendar;
}

/* ---------- the cache ---------- */

static MemoryContext cache_mcxt = NULL;
static HTAB *cache = NULL;
static LocalTransactionId cache_used_by = InvalidLocalTransactionId;
static bool names_valid = false;	/* see prepare_names() */

static void
prepare_cache(void)
{
	LocalTransactionId lxid = lh_local_xid();

	if (cache != NULL && cache_used_by != lxid &&
		(hash_get_num_entries(cache) > MAX_CALENDARS || MemoryContextMemAllocated(cache_mcxt, true) > MAX_BYTES))
	{
		cache = NULL;
		names_valid = false;
		MemoryContextDelete(cache_mcxt);
		cache_mcxt = NULL;
	}
	if (cache_mcxt == NULL)
		cache_mcxt = AllocSetContextCreate(TopMemoryContext, "lead_handoff calendars", ALLOCSET_DEFAULT_SIZES);
	if (cache == NULL)
		cache = make_table(cache_mcxt);
	cache_used_by = lxid;
}

static void
append_exception(StringInfo contents, const LhException *exception)
{
	appendBinaryStringInfo(contents, (const char *) &exception->date, sizeof(exception->date));
	appendBinaryStringInfo(contents, (const char *) &exception->kind, sizeof(exception->kind));
	appendBinaryStringInfo(contents, (const char *) &exception->nspans, sizeof(exception->nspans));
	appendBinaryStringInfo(contents, (const char *) exception->spans, exception->nspans * sizeof(LhSpan));
}

static LhCalendar *
find_calendar(const LhSchedule *schedule, const LhException *exceptions, int nexceptions)
{
	StringInfoData contents;
	Bytes		key;
	LhCalendar *calendar;

	initStringInfo(&contents);
	appendBinaryStringInfo(&contents, VARDATA(schedule), VARSIZE(schedule) - VARHDRSZ);
	for (int i = 0; i < nexceptions; i++)
		append_exception(&contents, &exceptions[i]);
	key.length = contents.len;
	key.data = contents.data;

	prepare_cache();
	calendar = look_up(cache, key);
	if (calendar == NULL)
	{
		MemoryContext save = MemoryContextSwitchTo(cache_mcxt);

		calendar = lh_calendar_make(schedule, exceptions, nexceptions);
		enter(cache, cache_mcxt, key, calendar);
		MemoryContextSwitchTo(save);
	}
	pfree(contents.data);
	return calendar;
}

LhCalendar *
lh_calendar_of(const LhSchedule *schedule)
{
	return find_calendar(schedule, NULL, 0);
}

/* ---------- from the tables ---------- */

static LhStatement select_calendar = {
	.sql = "select c.schedule, e.on_date, e.kind, e.hours from handoff.calendar c"
	" left join handoff.calendar_exception e on e.calendar = c.name"
	" where c.name = $1 order by e.on_date, e.kind",
	.nparams = 1,
	.types = {TEXTOID},
};

static LhExceptionKind
kind_of(const char *kind)
{
	if (strcmp(kind, "closed") == 0)
		return LH_DATE_CLOSED;
	return strcmp(kind, "open") == 0 ? LH_DATE_OPEN : LH_DATE_BREAK;
}

static LhException
read_exception(uint64 row)
{
	LhException exception = {0};
	char	   *hours = lh_get_text(row, 4);
	LhSpan		spans[LH_MAX_DAY_SPANS];

	exception.date = lh_get_int(row, 2, 0) + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE);
	exception.kind = kind_of(lh_get_text(row, 3));
	if (exception.kind != LH_DATE_CLOSED && hours != NULL)
	{
		exception.nspans = lh_hours_parse(hours, spans);
		exception.spans = palloc_array(LhSpan, exception.nspans);
		memcpy(exception.spans, spans, exception.nspans * sizeof(LhSpan));
	}
	return exception;
}

static LhCalendar *
read_calendar(const char *name, const LhSchedule *hours, const char *zone)
{
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "lead_handoff calendar rows", ALLOCSET_DEFAULT_SIZES);
	MemoryContext save = MemoryContextSwitchTo(mcxt);
	Datum		value = CStringGetTextDatum(name);
	uint64		rows = lh_read_latest(&select_calendar, &value, NULL);
	LhCalendar *calendar = NULL;

	if (rows > 0)
	{
		LhException *exceptions = palloc_array(LhException, rows);
		int			n = 0;
		bool		isnull;

		/* a calendar without any gives one row of nulls */
		(void) lh_get(0, 2, &isnull);
		if (!isnull)
			for (; n < rows; n++)
				exceptions[n] = read_exception(n);
		if (hours == NULL)
		{
			hours = (LhSchedule *) DatumGetPointer(lh_get(0, 1, &isnull));
			if (zone != NULL)
				hours = lh_schedule_in_zone(hours, zone);
		}
		calendar = find_calendar(hours, exceptions, n);
	}
	SPI_freetuptable(SPI_tuptable);
	MemoryContextSwitchTo(save);
	MemoryContextDelete(mcxt);
	return calendar;
}

/* ---------- names ---------- */

/*
 * What names stand for, kept for the session until the tables change.  A trigger on them tells all sessions,
 * in the way in which the server itself tells of changed tables.  The message comes after its change can be
 * seen, and rows are read with the latest snapshot: what was read before is forgotten.
 */
static MemoryContext names_mcxt = NULL;
static HTAB *names = NULL;
static Oid	calendar_table = InvalidOid;

/* May be called in the middle of anything. */
static void
forget_names(Datum arg, Oid relation)
{
	if (relation == calendar_table || relation == InvalidOid)
		names_valid = false;
}

static void
prepare_names(void)
{
	static bool registered = false;

	if (!registered)
		CacheRegisterRelcacheCallback(forget_names, (Datum) 0);
	registered = true;
	AcceptInvalidationMessages();
	prepare_cache();
	if (names_valid)
		return;
	if (names_mcxt != NULL)
		MemoryContextDelete(names_mcxt);
	names_mcxt = AllocSetContextCreate(TopMemoryContext, "lead_handoff names of calendars", ALLOCSET_SMALL_SIZES);
	names = make_table(names_mcxt);
	calendar_table = get_relname_relid("calendar", lh_schema_oid());
	names_valid = true;
}

static Bytes
make_key(const char *name, const LhSchedule *hours, const char *zone)
{
	StringInfoData text;

	initStringInfo(&text);
	appendBinaryStringInfo(&text, name, strlen(name) + 1);
	if (zone != NULL)
		appendBinaryStringInfo(&text, zone, strlen(zone) + 1);
	if (hours != NULL)
		appendBinaryStringInfo(&text, (const char *) hours, VARSIZE(hours));
	return (Bytes) {text.len, text.data};
}

LhCalendar *
lh_calendar_for(const char *name, const LhSchedule *hours, const char *zone)
{
	Bytes		key;
	Entry	   *entry;
	LhCalendar *calendar;

	if (name == NULL)
		return lh_calendar_of(hours);
	key = make_key(name, hours, zone);
	prepare_names();
	entry = hash_search(names, &key, HASH_FIND, NULL);
	if (entry != NULL)
		return entry->calendar;
	calendar = read_calendar(name, hours, zone);
	if (names_valid)
		enter(names, names_mcxt, key, calendar);
	return calendar;
}

/* calendars_changed(): a trigger that makes all sessions read calendars anew. */
Datum
lh_calendars_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("calendars_changed() is a trigger function")));
	CacheInvalidateRelcacheByRelid(get_relname_relid("calendar", lh_schema_oid()));
	return PointerGetDatum(NULL);
}

LhCalendar *
lh_calendar_named(const char *name)
{
	return lh_calendar_for(name, NULL, NULL);
}

LhCalendar *
lh_calendar_or_dates(LhCalendar *calendar, const char *zone)
{
	return calendar != NULL ? calendar : lh_calendar_of(lh_schedule_always(zone));
}

/* ---------- SQL ---------- */

/* What one expression of a statement has found so far. */
typedef struct Asked
{
	LocalTransactionId lxid;
	TimestampTz statement;
	CommandId	command;
	MemoryContext mcxt;
	HTAB	   *names;
	Bytes		last_key;		/* of the last call */
	LhCalendar *last;
	bool		by_name;		/* the function's first argument is a name, not a schedule */
} Asked;

/* Each function is there twice, for names and for schedules. */
static bool
takes_name(Oid function)
{
	Oid		   *types;
	int			ntypes;

	(void) get_func_signature(function, &types, &ntypes);
	return types[0] == TEXTOID;
}

/* Still the same statement?  Else forget; pointers of another transaction may lead nowhere. */
static Asked *
what_was_asked(FunctionCallInfo fcinfo)
{
	Asked	   *asked = fcinfo->flinfo->fn_extra;
	LocalTransactionId lxid = lh_local_xid();
	TimestampTz statement = GetCurrentStatementStartTimestamp();
	CommandId	command = GetCurrentCommandId(false);

	if (asked == NULL)
	{
		asked = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Asked));
		asked->mcxt = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "lead_handoff asked", ALLOCSET_SMALL_SIZES);
		asked->by_name = takes_name(fcinfo->flinfo->fn_oid);
		fcinfo->flinfo->fn_extra = asked;
	}
	if (asked->lxid != lxid || asked->statement != statement || asked->command != command)
	{
		asked->last = NULL;
		asked->names = NULL;
		MemoryContextReset(asked->mcxt);
		asked->lxid = lxid;
		asked->statement = statement;
		asked->command = command;
	}
	return asked;
}

/* Is it what the last call asked about? */
static inline bool
is_last(const Asked *asked, Bytes key)
{
	return asked->last != NULL && asked->last_key.length == key.length &&
		memcmp(asked->last_key.data, key.data, key.length) == 0;
}

/* In a world of our own: the caller may be anywhere. */
static LhCalendar *
read_for(const char *name, const LhSchedule *hours, const char *zone)
{
	LhWorld		world;
	LhCalendar *calendar;

	lh_enter(&world, true);
	SPI_connect();
	calendar = lh_calendar_for(name, hours, zone);
	SPI_finish();
	lh_leave(&world);
	return calendar;
}

static LhCalendar *
read_named(const char *name)
{
	LhCalendar *calendar = read_for(name, NULL, NULL);

	if (calendar == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no calendar \"%s\"", name),
				 errhint("Make it with handoff.add_calendar(); handoff.calendar lists those there are.")));
	return calendar;
}

static LhCalendar *
find_named(Asked *asked, text *name)
{
	Bytes		key = {VARSIZE_ANY_EXHDR(name), VARDATA_ANY(name)};
	Entry	   *entry;

	if (is_last(asked, key))
		return asked->last;
	if (asked->names == NULL)
		asked->names = make_table(asked->mcxt);
	if (look_up(asked->names, key) == NULL)
		enter(asked->names, asked->mcxt, key, read_named(text_to_cstring(name)));
	entry = hash_search(asked->names, &key, HASH_FIND, NULL);
	asked->last_key = entry->key;
	asked->last = entry->calendar;
	return asked->last;
}

static LhCalendar *
find_schedule(Asked *asked, const LhSchedule *schedule)
{
	Bytes		key = {VARSIZE(schedule) - VARHDRSZ, VARDATA(schedule)};
	void	   *copy;

	if (is_last(asked, key))
		return asked->last;
	asked->last = NULL;
	MemoryContextReset(asked->mcxt);
	copy = MemoryContextAlloc(asked->mcxt, key.length);
	memcpy(copy, key.data, key.length);
	asked->last_key = (Bytes) {key.length, copy};
	asked->last = lh_calendar_of(schedule);
	return asked->last;
}

/* The first argument of each of the functions below. */
static LhCalendar *
calendar_argument(FunctionCallInfo fcinfo)
{
	Asked	   *asked = what_was_asked(fcinfo);

	return asked->by_name ? find_named(asked, PG_GETARG_TEXT_PP(0)) : find_schedule(asked, PG_GETARG_SCHEDULE_P(0));
}

static Datum
moment_or_null(FunctionCallInfo fcinfo, bool found, TimestampTz moment)
{
	if (!found)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(moment);
}

Datum
lh_sql_business_add(PG_FUNCTION_ARGS)
{
	TimestampTz result = 0;
	bool		found = lh_business_add(calendar_argument(fcinfo), PG_GETARG_TIMESTAMPTZ(1), PG_GETARG_INTERVAL_P(2), &result);

	return moment_or_null(fcinfo, found, result);
}

Datum
lh_sql_business_sub(PG_FUNCTION_ARGS)
{
	TimestampTz result = 0;
	bool		found = lh_business_sub(calendar_argument(fcinfo), PG_GETARG_TIMESTAMPTZ(1), PG_GETARG_INTERVAL_P(2), &result);

	return moment_or_null(fcinfo, found, result);
}

Datum
lh_sql_business_between(PG_FUNCTION_ARGS)
{
	Interval   *result = palloc0_object(Interval);

	result->time = lh_business_between(calendar_argument(fcinfo), PG_GETARG_TIMESTAMPTZ(1), PG_GETARG_TIMESTAMPTZ(2));
	PG_RETURN_INTERVAL_P(result);
}

/* A calendar, with other hours or in another zone, or hours alone; NULL if there is none of that name. */
static LhCalendar *
find_hours(Asked *asked, const char *name, const LhSchedule *hours, const char *zone)
{
	Bytes		key = make_key(name == NULL ? "" : name, hours, zone);	/* no calendar's name is empty */
	Entry	   *entry;

	if (is_last(asked, key))
		return asked->last;
	if (asked->names == NULL)
		asked->names = make_table(asked->mcxt);
	entry = hash_search(asked->names, &key, HASH_FIND, NULL);
	if (entry == NULL)
	{
		enter(asked->names, asked->mcxt, key, read_for(name, hours, zone));
		entry = hash_search(asked->names, &key, HASH_FIND, NULL);
	}
	asked->last_key = entry->key;
	asked->last = entry->calendar;
	return asked->last;
}

static int64
open_time(LhCalendar *calendar, TimestampTz a, TimestampTz b)
{
	if (b <= a)
		return 0;
	return calendar == NULL ? b - a : lh_business_between(calendar, a, b);
}

/* Open time from a to b that lies in pauses, of which the last may go on. */
static int64
paused_time(LhCalendar *calendar, MultirangeType *pauses, TimestampTz a, TimestampTz b)
{
	TypeCacheEntry *type;
	RangeType **ranges;
	int32		n;
	int64		sum = 0;

	if (MultirangeIsEmpty(pauses))
		return 0;
	type = lookup_type_cache(MultirangeTypeGetOid(pauses), TYPECACHE_MULTIRANGE_INFO);
	multirange_deserialize(type->rngtype, pauses, &n, &ranges);
	for (int i = 0; i < n; i++)
	{
		RangeBound	lower,
					upper;
		bool		empty;
		TimestampTz since = a;
		TimestampTz until = b;

		range_deserialize(type->rngtype, ranges[i], &lower, &upper, &empty);
		if (!lower.infinite)
			since = Max(a, DatumGetTimestampTz(lower.val));
		if (!upper.infinite)
			until = Min(b, DatumGetTimestampTz(upper.val));
		sum += open_time(calendar, since, until);
	}
	return sum;
}

/* open_seconds(calendar, hours, zone, a, b [, pauses]): as a clock counts, see clock_hours.c */
Datum
lh_sql_open_seconds(PG_FUNCTION_ARGS)
{
	char	   *name = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	LhSchedule *hours = PG_ARGISNULL(1) ? NULL : PG_GETARG_SCHEDULE_P(1);
	char	   *zone = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	LhCalendar *calendar = NULL;
	TimestampTz a;
	TimestampTz b;
	int64		time;

	if (PG_ARGISNULL(3) || PG_ARGISNULL(4))
		PG_RETURN_NULL();
	a = PG_GETARG_TIMESTAMPTZ(3);
	b = PG_GETARG_TIMESTAMPTZ(4);
	if (TIMESTAMP_NOT_FINITE(a) || TIMESTAMP_NOT_FINITE(b))
		PG_RETURN_NULL();
	if (name != NULL || hours != NULL)
		calendar = find_hours(what_was_asked(fcinfo), name, hours, zone);
	time = open_time(calendar, a, b);
	if (PG_NARGS() > 5 && !PG_ARGISNULL(5))
		time -= paused_time(calendar, PG_GETARG_MULTIRANGE_P(5), a, b);
	PG_RETURN_FLOAT8((double) time / USECS_PER_SEC);
}

Datum
lh_sql_is_open(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(lh_business_is_open(calendar_argument(fcinfo), PG_GETARG_TIMESTAMPTZ(1)));
}

Datum
lh_sql_next_open(PG_FUNCTION_ARGS)
{
	TimestampTz result = 0;
	bool		found = lh_business_next_open(calendar_argument(fcinfo), PG_GETARG_TIMESTAMPTZ(1), &result);

	return moment_or_null(fcinfo, found, result);
}

Datum
lh_sql_next_close(PG_FUNCTION_ARGS)
{
	TimestampTz result = 0;
	bool		found = lh_business_next_close(calendar_argument(fcinfo), PG_GETARG_TIMESTAMPTZ(1), &result);

	return moment_or_null(fcinfo, found, result);
}

Datum
lh_sql_business_day(PG_FUNCTION_ARGS)
{
	TimestampTz opening = 0;
	bool		found = lh_business_day(calendar_argument(fcinfo), PG_GETARG_TIMESTAMPTZ(1), &opening);

	return moment_or_null(fcinfo, found, opening);
}

Datum
lh_sql_business_day_end(PG_FUNCTION_ARGS)
{
	int			days = PG_GETARG_INT32(2);
	TimestampTz closing = 0;
	bool		found;

	if (days < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("days must not be negative")));
	found = lh_business_day_end(calendar_argument(fcinfo), PG_GETARG_TIMESTAMPTZ(1), days, &closing);
	return moment_or_null(fcinfo, found, closing);
}
