/*
 * test/fuzz/one.c
 *
 * One input through one target, and the verdict.  Refusing an input with a proper error is fine; an
 * internal error (XX000), a property that does not hold (targets.c raises those as internal errors
 * too), or memory out of all proportion to the input is a finding.  Crashes and endless loops end the
 * process and are noticed from outside.
 *
 * Each input has a subtransaction that is always rolled back, so nothing of one reaches the next.
 */
#include "fuzz.h"

#include <sys/resource.h>

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* An input is a few kB; this much more memory at once is somebody's mistake. */
#define MOST_MEMORY_KB	(256 * 1024)

static long
peak_memory_kb(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

const FuzzTarget *
lh_fuzz_target(const char *name)
{
	for (const FuzzTarget *target = lh_fuzz_targets; target->name != NULL; target++)
	{
		if (strcmp(target->name, name) == 0)
			return target;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("there is no fuzz target \"%s\"", name)));
	return NULL;
}

/* What the error that was just caught says about the target.  A cancel is none of its errors. */
static FuzzOutcome
judge_error(MemoryContext caller, char **what)
{
	ErrorData  *error;

	MemoryContextSwitchTo(caller);
	error = CopyErrorData();
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
		PG_RE_THROW();
	FlushErrorState();
	*what = psprintf("%s: %s%s%s", unpack_sql_state(error->sqlerrcode), error->message,
					 error->detail ? " | " : "", error->detail ? error->detail : "");
	return error->sqlerrcode == ERRCODE_INTERNAL_ERROR ? FUZZ_FINDING : FUZZ_REFUSED;
}

FuzzOutcome
lh_fuzz_one(const FuzzTarget *target, const char *data, size_t size, char **what)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile long memory = peak_memory_kb();
	volatile FuzzOutcome outcome = FUZZ_ACCEPTED;

	*what = NULL;
	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		target->run(data, size);
	}
	PG_CATCH();
	{
		outcome = judge_error(caller, what);
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;

	memory = peak_memory_kb() - memory;
	if (memory > MOST_MEMORY_KB)
	{
		*what = psprintf("%zu bytes of input took %ld kB of memory", size, memory);
		return FUZZ_FINDING;
	}
	return outcome;
}
