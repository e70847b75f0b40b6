/*
 * src/define/split.c
 *
 * Which leads a challenger decides: where a key stands among all keys.
 *
 * The answer must be the same on every machine, in every encoding and under every version of PostgreSQL, or a
 * move of the database would shuffle a running test; so it is no hash of PostgreSQL's own, but the first 48 bits
 * of SHA-256, as a binary fraction.  That is exact in a double, spread evenly, and anybody can compute it
 * elsewhere.  Who is below a share is below every larger one: a share that grows moves nobody out.
 *
 * The contract's name is part of what is hashed, so that the tests of two contracts draw lots of their own.
 */
#include "define/contract.h"

#include <math.h>

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(lh_sql_traffic_bucket);

#define BUCKET_BYTES	6

double
lh_traffic_bucket(const char *contract_name, const char *key)
{
	char	   *text = psprintf("%s\n%s", contract_name, key);
	char	   *utf8 = pg_server_to_any(text, strlen(text), PG_UTF8);
	bytea	   *digest = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, CStringGetTextDatum(utf8)));
	const uint8 *bytes = (const uint8 *) VARDATA_ANY(digest);
	uint64		bits = 0;

	for (int i = 0; i < BUCKET_BYTES; i++)
		bits = bits << 8 | bytes[i];
	return ldexp((double) bits, -8 * BUCKET_BYTES);
}

Datum
lh_sql_traffic_bucket(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(lh_traffic_bucket(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1))));
}
