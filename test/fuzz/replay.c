/*
 * test/fuzz/replay.c
 *
 * The fuzz targets in SQL: what make test replays the corpus with, and what shows a finding again.
 */
#include "fuzz.h"
#include "../../src/compat.h"

#include "fmgr.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(lh_fuzz_replay);

/* replay(target text, input bytea) returns text: accepted, the error that refused it, or finding: .. */
Datum
lh_fuzz_replay(PG_FUNCTION_ARGS)
{
	const FuzzTarget *target = lh_fuzz_target(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	bytea	   *input = PG_GETARG_BYTEA_PP(1);
	char	   *what;

	switch (lh_fuzz_one(target, VARDATA_ANY(input), VARSIZE_ANY_EXHDR(input), &what))
	{
		case FUZZ_ACCEPTED:
			break;
		case FUZZ_REFUSED:
			PG_RETURN_TEXT_P(cstring_to_text(what));
		case FUZZ_FINDING:
			PG_RETURN_TEXT_P(cstring_to_text(psprintf("finding: %s", what)));
	}
	PG_RETURN_TEXT_P(cstring_to_text("accepted"));
}
