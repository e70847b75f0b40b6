/*
 * test/fuzz/guard.h
 *
 * Put before every file of the extension (-include) when it is built for the fuzzer: its allocations in
 * memory contexts become visible to the address sanitizer, which otherwise sees only the large blocks that
 * they are cut from.
 *
 * A request too large for a block to share gets a block of its own from malloc(), which goes back by free()
 * as soon as it is freed or its context reset.  So each request is made that large, and what lies behind
 * the bytes that were asked for is poisoned: reading or writing past the end is seen, and so is memory
 * that was freed.
 */
#ifndef LH_GUARD_H
#define LH_GUARD_H

#include "postgres.h"

#include <sanitizer/asan_interface.h>

#include "utils/memutils.h"

#define LH_GUARD_SIZE	(8192 + 64) /* more than ALLOC_CHUNK_LIMIT of aset.c */

static inline void *
lh_fuzz_guard(void *chunk, Size size)
{
	if (chunk != NULL)
		ASAN_POISON_MEMORY_REGION((char *) chunk + size, LH_GUARD_SIZE);
	return chunk;
}

static inline void *
lh_guarded_alloc(MemoryContext context, Size size, int flags)
{
	return lh_fuzz_guard(MemoryContextAllocExtended(context, size + LH_GUARD_SIZE, flags), size);
}

static inline void *
lh_guarded_realloc(void *chunk, Size size)
{
	/* it may have been guarded at another size */
	ASAN_UNPOISON_MEMORY_REGION(chunk, GetMemoryChunkSpace(chunk) - 64);
	return lh_fuzz_guard(repalloc(chunk, size + LH_GUARD_SIZE), size);
}

static inline char *
lh_guarded_strdup(const char *string, Size size)
{
	char	   *copy = lh_guarded_alloc(CurrentMemoryContext, size + 1, 0);

	memcpy(copy, string, size);
	copy[size] = '\0';
	return copy;
}

#define palloc(size)							lh_guarded_alloc(CurrentMemoryContext, size, 0)
#define palloc0(size)							lh_guarded_alloc(CurrentMemoryContext, size, MCXT_ALLOC_ZERO)
#define palloc_extended(size, flags)			lh_guarded_alloc(CurrentMemoryContext, size, flags)
#define MemoryContextAlloc(context, size)		lh_guarded_alloc(context, size, 0)
#define MemoryContextAllocZero(context, size)	lh_guarded_alloc(context, size, MCXT_ALLOC_ZERO)
#define repalloc(chunk, size)					lh_guarded_realloc(chunk, size)
#define pstrdup(string)							lh_guarded_strdup(string, strlen(string))
#define pnstrdup(string, size)					lh_guarded_strdup(string, strnlen(string, size))

#endif							/* LH_GUARD_H */
