/*
 * test/fuzz/fuzz.h
 *
 * What the parts of the fuzzer share.  A target takes bytes and raises an error where they are refused;
 * lh_fuzz_one() runs it in a subtransaction of its own and says whether that was a finding.  replay.c
 * calls it for bytes from SQL, driver.c for what libFuzzer makes.
 */
#ifndef LH_FUZZ_H
#define LH_FUZZ_H

#include "postgres.h"

typedef struct FuzzTarget
{
	const char *name;
	void		(*run) (const char *data, size_t size);
} FuzzTarget;

typedef enum FuzzOutcome
{
	FUZZ_ACCEPTED,
	FUZZ_REFUSED,				/* with an error that users may see */
	FUZZ_FINDING
} FuzzOutcome;

extern const FuzzTarget lh_fuzz_targets[];	/* the last one has no name */
extern const FuzzTarget *lh_fuzz_target(const char *name);

/* *what, allocated in the caller's context: the error or the finding, NULL if accepted */
extern FuzzOutcome lh_fuzz_one(const FuzzTarget *target, const char *data, size_t size, char **what);

#endif							/* LH_FUZZ_H */
