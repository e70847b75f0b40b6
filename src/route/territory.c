/*
 * src/route/territory.c
 *
 * Maps of territories: a key, such as a postal code, gives a pool or a rep.
 *
 * A map has tens of thousands of rows, so it is never read as a whole: the keys of all leads of a batch
 * are looked up by one statement.  A row stands for one key (exact), for all keys that begin with
 * something (prefix), for keys of the same length from one to another (range), or for numbers from
 * one to another (number).  They win in that order; the longer prefix and the narrower range first.
 *
 * Exact rows and prefixes are found by equality: what is asked for is the key, and each of its own
 * beginnings; but of a map that has no rows of a kind nothing of that kind is asked.  Ranges of both kinds are found in one GiST index over places.  A place is a text that
 * holds map, kind and key in such a way that places of one map and kind, compared by bytes, stand in
 * the order of their keys, and those of different lengths apart:
 *
 *		range	length of the map's name, map, "r", number of characters, the key
 *		number	length of the map's name, map, "n", number of digits before the point, these, ".", the rest
 *
 * Two ranges of a map that hold at the same time are apart, or one lies within the other (a trigger of
 * the table sees to that), so the narrowest of those that have a key is the one that begins last.
 */
#include "route/territory.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "json.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* The longest that a row may have; checks of handoff.territory say the same. */
#define MAX_KEY		200
#define MAX_PREFIX	100

#define MAX_DIGITS	99

PG_FUNCTION_INFO_V1(lh_territory_place);
PG_FUNCTION_INFO_V1(lh_territory_for);

/* Places ------------------------------------------------------------------------------------- */

static char *
range_place(const char *map, const char *key)
{
	return psprintf("%03d%sr%04d%s", (int) strlen(map), map, pg_mbstrlen(key), key);
}

/* NULL: not digits, with or without a point and more of them, nor infinity. */
static char *
number_place(const char *map, const char *key)
{
	const char *digits = key + strspn(key, "0");
	int			ndigits = strspn(digits, "0123456789");
	const char *rest = digits + ndigits;
	int			nrest = 0;

	if (strcmp(key, "infinity") == 0)
		return psprintf("%03d%sn~", (int) strlen(map), map);
	if (!isdigit((unsigned char) key[0]) || ndigits > MAX_DIGITS)
		return NULL;
	if (*rest == '.')
	{
		rest++;
		nrest = strspn(rest, "0123456789");
		if (nrest == 0)
			return NULL;
	}
	if (rest[nrest] != '\0')
		return NULL;
	while (nrest > 0 && rest[nrest - 1] == '0')
		nrest--;
	return psprintf("%03d%sn%02d%.*s.%.*s", (int) strlen(map), map, ndigits, ndigits, digits, nrest, rest);
}

/* territory_place(map text, kind text, key text) returns text */
Datum
lh_territory_place(PG_FUNCTION_ARGS)
{
	char	   *map = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *kind = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *key = text_to_cstring(PG_GETARG_TEXT_PP(2));
	char	   *place = strcmp(kind, "range") == 0 ? range_place(map, key) :
		strcmp(kind, "number") == 0 ? number_place(map, key) : NULL;

	if (place == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(place));
}

/* Asking ------------------------------------------------------------------------------------- */

void
lh_territories_ask(LhTerritories *all, const char *map, const char *key)
{
	if (all->n == all->room)
	{
		all->room = Max(all->room * 2, 16);
		all->asked = all->n == 0 ? palloc_array(LhTerritory, all->room) :
			repalloc_array(all->asked, LhTerritory, all->room);
	}
	all->asked[all->n++] = (LhTerritory) {.map = map, .key = key};
}

char *
lh_route_key(const LhRoute *route, const LhFields *row)
{
	Datum		value = row->values[route->key_field];
	Oid			output;
	bool		is_varlena;

	if (row->isnull[route->key_field])
		return NULL;
	if (row->set->fields[route->key_field].type == LH_TEXT)
		return TextDatumGetCString(value);
	getTypeOutputInfo(lh_type_oid(row->set->fields[route->key_field].type), &output, &is_varlena);
	return OidOutputFunctionCall(output, value);
}

void
lh_territories_ask_routes(LhTerritories *all, const LhContract *contract, int leg, const LhFields *row)
{
	for (int i = 0; i < contract->nterritory_routes; i++)
	{
		int			position = contract->territory_routes[i];
		const LhRoute *route = &contract->routes[position];
		char	   *key = route->leg == leg ? lh_route_key(route, row) : NULL;

		if (key != NULL && lh_rulebook_test(contract->route.book, position, row, NULL) == LH_TRUE)
			lh_territories_ask(all, route->target, key);
	}
}

/* Looking up --------------------------------------------------------------------------------- */

static int
compare_asked(const void *a, const void *b)
{
	const LhTerritory *left = a;
	const LhTerritory *right = b;
	int			order = strcmp(left->map, right->map);

	return order != 0 ? order : strcmp(left->key, right->key);
}

static void
sort_unique(LhTerritories *all)
{
	int			n = 0;

	qsort(all->asked, all->n, sizeof(LhTerritory), compare_asked);
	for (int i = 0; i < all->n; i++)
		if (n == 0 || compare_asked(&all->asked[n - 1], &all->asked[i]) != 0)
			all->asked[n++] = all->asked[i];
	all->n = n;
}

/* The kinds of rows, besides exact ones, that a map has. */
typedef struct Kinds
{
	bool		prefix;
	bool		range;
	bool		number;
} Kinds;

static LhStatement read_kinds = {
	"select exists (select from handoff.territory t where t.map = m.map and t.kind = 'prefix'), "
	"exists (select from handoff.territory t where t.map = m.map and t.kind = 'range'), "
	"exists (select from handoff.territory t where t.map = m.map and t.kind = 'number') "
	"from unnest($1) with ordinality m(map, n) order by m.n",
	1, {TEXTARRAYOID}
};

/* Of each map that is asked, in their order. */
static Kinds *
kinds_of_maps(const LhTerritories *all)
{
	char	  **maps = palloc_array(char *, all->n);
	Kinds	   *kinds = palloc_array(Kinds, all->n);
	Datum		value;
	int			n = 0;

	for (int i = 0; i < all->n; i++)
		if (n == 0 || strcmp(maps[n - 1], all->asked[i].map) != 0)
			maps[n++] = unconstify(char *, all->asked[i].map);
	value = lh_text_array(maps, n);
	lh_run(&read_kinds, &value, NULL);
	for (int i = 0; i < n; i++)
		kinds[i] = (Kinds) {lh_get_bool(i, 1), lh_get_bool(i, 2), lh_get_bool(i, 3)};
	return kinds;
}

/*
 * What could have key n of those asked: a row of that kind with that key, or, of the two kinds of
 * range, one over that place.
 */
static LhStatement look_up = {
	"with u as (select * from unnest($1, $2, $3, $4, $5) as u(n, map, kind, key, at)) "
	"select distinct on (f.n) f.n, f.kind, f.key, nullif(f.high, ''), f.pool, f.rep, f.valid_from, f.valid_to from ("
	"select u.n, t.kind, t.key, t.high, t.pool, t.rep, t.valid_from, t.valid_to, "
	"case t.kind when 'exact' then 1 else 2 end as rank, t.key as first, '' as last "
	"from u join handoff.territory t on t.map = u.map and t.kind = u.kind and t.key = u.key and t.high = '' "
	"where u.kind in ('exact', 'prefix') and t.valid_from <= u.at and u.at < t.valid_to "
	"union all "
	"select u.n, t.kind, t.key, t.high, t.pool, t.rep, t.valid_from, t.valid_to, "
	"case t.kind when 'range' then 3 else 4 end, lower(t.span), upper(t.span) "
	"from u join handoff.territory t on t.span @> u.key "
	"where u.kind in ('range', 'number') and t.valid_from <= u.at and u.at < t.valid_to) f "
	"order by f.n, f.rank, f.first collate \"C\" desc, f.last collate \"C\", f.valid_from desc",
	5, {INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID}
};

/* What to look for, for one key of a map. */
typedef struct Question
{
	LhRows		rows;
	int			n;
	const char *map;
	TimestampTz at;
} Question;

static void
ask_for(Question *question, const char *kind, text *key)
{
	Datum		values[5] = {
		Int32GetDatum(question->n), CStringGetTextDatum(question->map), CStringGetTextDatum(kind),
		PointerGetDatum(key), TimestampTzGetDatum(question->at)
	};

	lh_rows_add(&question->rows, values, NULL);
}

/* The key itself, its beginnings, its places.  Of a key longer than any row only beginnings count. */
static void
ask_all(Question *question, const Kinds *kinds, const char *key)
{
	int			length = pg_mbstrlen(key);
	const char *end = key;
	char	   *number;

	for (int i = 0; kinds->prefix && i < Min(length, MAX_PREFIX); i++)
	{
		end += pg_mblen(end);
		ask_for(question, "prefix", cstring_to_text_with_len(key, end - key));
	}
	if (length > MAX_KEY || length == 0)
		return;
	ask_for(question, "exact", cstring_to_text(key));
	if (kinds->range)
		ask_for(question, "range", cstring_to_text(range_place(question->map, key)));
	number = kinds->number ? number_place(question->map, key) : NULL;
	if (number != NULL)
		ask_for(question, "number", cstring_to_text(number));
}

static void
take_answer(uint64 row, LhTerritory *found)
{
	char	   *last = lh_get_text(row, 4);

	found->kind = lh_get_text(row, 2);
	found->matched = lh_get_text(row, 3);
	if (last != NULL)
		found->matched = psprintf("%s..%s", found->matched, last);
	found->pool = lh_get_text(row, 5);
	found->rep = lh_get_text(row, 6);
	found->valid_from = lh_get_time(row, 7, DT_NOBEGIN);
	found->valid_to = lh_get_time(row, 8, DT_NOEND);
}

void
lh_territories_read(LhTerritories *all, TimestampTz at)
{
	Question	question = {.at = at};
	const Kinds *kinds;
	uint64		found;

	if (all->n == 0)
		return;
	sort_unique(all);
	kinds = kinds_of_maps(all);
	lh_rows_begin(&question.rows, &look_up);
	for (int i = 0; i < all->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i > 0 && strcmp(all->asked[i].map, question.map) != 0)
			kinds++;
		question.n = i;
		question.map = all->asked[i].map;
		ask_all(&question, kinds, all->asked[i].key);
	}
	found = lh_rows_flush(&question.rows);
	for (uint64 row = 0; row < found; row++)
		take_answer(row, &all->asked[lh_get_int(row, 1, 0)]);
}

const LhTerritory *
lh_territories_get(const LhTerritories *all, const char *map, const char *key)
{
	LhTerritory asked = {.map = map, .key = key};
	const LhTerritory *found = all->n == 0 || key == NULL ? NULL :
		bsearch(&asked, all->asked, all->n, sizeof(LhTerritory), compare_asked);

	return found == NULL || found->kind == NULL ? NULL : found;
}

Jsonb *
lh_territory_jsonb(const char *map, const char *key, const LhTerritory *found)
{
	LhJson		json;

	lh_json_begin(&json);
	lh_json_text(&json, "map", map);
	lh_json_text(&json, "key", key);
	if (found != NULL)
		lh_json_text(&json, "row", psprintf("%s %s", found->kind, found->matched));
	return lh_json_end(&json);
}

/* In SQL ------------------------------------------------------------------------------------- */

/* territory_for(map text, key text, at timestamptz) returns (kind, matched, pool, rep, valid_from, valid_to) */
Datum
lh_territory_for(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller = CurrentMemoryContext;
	char	   *map = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *key = text_to_cstring(PG_GETARG_TEXT_PP(1));
	LhTerritories all = {0};
	const LhTerritory *found;
	LhWorld		world;

	InitMaterializedSRF(fcinfo, 0);
	lh_enter(&world, true);
	lh_plan_by_key();
	SPI_connect();
	MemoryContextSwitchTo(caller);
	lh_territories_ask(&all, map, key);
	lh_territories_read(&all, PG_GETARG_TIMESTAMPTZ(2));
	SPI_finish();
	lh_leave(&world);
	found = lh_territories_get(&all, map, key);
	if (found != NULL)
	{
		Datum		values[6] = {
			CStringGetTextDatum(found->kind), CStringGetTextDatum(found->matched), lh_text_datum(found->pool),
			lh_text_datum(found->rep), TimestampTzGetDatum(found->valid_from), TimestampTzGetDatum(found->valid_to)
		};
		bool		isnull[6] = {false, false, found->pool == NULL, found->rep == NULL, false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
	}
	return (Datum) 0;
}
