/*
 * test/fuzz/driver.c
 *
 * libFuzzer inside a backend: run(target text, log text, options text[]) hands the backend over to it.
 * It never returns: libFuzzer ends the process, with 0 when its time is over, otherwise after it wrote
 * the input that crashed, ran too long or was a finding.
 *
 * libFuzzer sets no handler for a signal that has one, and the backend has one for SIGALRM, so that
 * one is given up; nothing in here needs PostgreSQL's timeouts.  Its check of memory would be a thread,
 * which a backend must not have: dev/fuzz.sh switches it off, and one.c looks at the peak instead.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

extern int	LLVMFuzzerRunDriver(int *argc, char ***argv, int (*one) (const uint8 *data, size_t size));

PG_FUNCTION_INFO_V1(lh_fuzz_run);

static const FuzzTarget *running;
static MemoryContext scratch;
static uint64 outcomes[FUZZ_FINDING + 1];

/* A target that refuses everything tries nothing; dev/fuzz.sh looks at this. */
static void
tell_outcomes(void)
{
	fprintf(stderr, "accepted " UINT64_FORMAT ", refused " UINT64_FORMAT "\n",
			outcomes[FUZZ_ACCEPTED], outcomes[FUZZ_REFUSED]);
}

static int
run_one(const uint8 *data, size_t size)
{
	MemoryContext saved = MemoryContextSwitchTo(scratch);
	char	   *what;
	FuzzOutcome outcome;

	CHECK_FOR_INTERRUPTS();
	outcome = lh_fuzz_one(running, (const char *) data, size, &what);
	outcomes[outcome]++;
	if (outcome == FUZZ_FINDING)
	{
		fprintf(stderr, "FINDING: %s\n", what);
		abort();
	}
	MemoryContextSwitchTo(saved);
	MemoryContextReset(scratch);
	return 0;
}

Datum
lh_fuzz_run(PG_FUNCTION_ARGS)
{
	char	   *log = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Datum	   *options;
	int			noptions,
				argc,
				fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
	char	  **argv;

	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not write \"%s\": %m", log)));
	running = lh_fuzz_target(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	scratch = AllocSetContextCreate(CurrentMemoryContext, "fuzz input", ALLOCSET_DEFAULT_SIZES);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TEXTOID, -1, false, TYPALIGN_INT, &options, NULL, &noptions);
	argv = palloc0(sizeof(char *) * (noptions + 2));
	argv[0] = pstrdup(running->name);
	for (int i = 0; i < noptions; i++)
		argv[i + 1] = TextDatumGetCString(options[i]);
	argc = noptions + 1;
	atexit(tell_outcomes);
	pqsignal(SIGALRM, SIG_DFL);
	exit(LLVMFuzzerRunDriver(&argc, &argv, run_one));
}
