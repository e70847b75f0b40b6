/*
 * src/rules/rulebook_index.h
 *
 * The inside of a rulebook, for the files that build its index and search it: rulebook_key.c knows the
 * keys of a leaf, rulebook_cover.c those of a rule, rulebook_index.c files rules under their keys, and
 * rulebook_match.c looks a row up.
 *
 * The rule of the index: if a rule is true of a row, the row has one of the keys it is filed under.
 * The other way round nothing is promised, unless a posting says so (LH_POSTING_EXACT).
 */
#ifndef LH_RULEBOOK_INDEX_H
#define LH_RULEBOOK_INDEX_H

#include "rules/criteria_eval.h"
#include "rules/rulebook.h"

#include "lib/hyperloglog.h"

typedef enum LhKeyKind
{
	LH_KEY_VALUE,				/* the field is value, or its array has the element */
	LH_KEY_PREFIX,				/* the text begins with value */
	LH_KEY_SUFFIX,				/* ... ends with it */
	LH_KEY_FOLDED_PREFIX,		/* the same of the text in lower case (ASCII) */
	LH_KEY_FOLDED_SUFFIX,
	LH_KEY_RANGE,				/* the field lies between low and high */
	LH_KEY_NULL,				/* the field is null */
	LH_KEY_NONE					/* every row has it */
} LhKeyKind;

#define LH_KEY_KINDS	(LH_KEY_NONE + 1)

/* Where a range ends: beyond all values, on a value, or beside it. */
typedef enum LhEnd
{
	LH_END_OPEN,
	LH_END_ON,
	LH_END_BESIDE				/* low: just above the value; high: just below it */
} LhEnd;

typedef struct LhKey
{
	struct LhKey *next;			/* of its kind and field, in order of rules */
	uint8		kind;			/* LhKeyKind */
	uint8		low_end;		/* LhEnd */
	uint8		high_end;
	int16		field;
	uint32		rule;			/* as in a posting */
	uint16		guards[2];
	Datum		value;			/* also the low value of a range */
	Datum		high;
} LhKey;

/* A rule's position, and whether having the key is all it asks. */
#define LH_POSTING_EXACT	0x80000000
#define LH_POSTING_RULE		0x7FFFFFFF
#define LH_POSTING_EMPTY	0xFFFFFFFF

/*
 * A rule in a list.  Of many rules with one key, most ask a second and a third field for values that
 * the row hasn't; the guards tell without a look at the rule.  A guard has the field's number among
 * the index's guarded fields, counted from 1, in its upper 5 bits, and a hash of the value in the
 * others; 0: none.
 */
typedef struct LhPosting
{
	uint32		rule;
	uint16		guards[2];
} LhPosting;

#define LH_MAX_GUARDED		31
#define LH_GUARD_SHIFT		11

static inline uint16
lh_guard(int number, uint32 hash)
{
	return (uint16) (number << LH_GUARD_SHIFT | (hash & ((1 << LH_GUARD_SHIFT) - 1)));
}

/* One value and its rules: the first, then the rest of them within the shelf's postings. */
typedef struct LhEntry
{
	uint32		hash;
	uint32		head;			/* a rule as in a posting; LH_POSTING_EMPTY: a free slot */
	uint32		rest;
	uint32		nrest;
	Datum		value;
} LhEntry;

/*
 * All keys of one kind and field.  VALUE, PREFIX, SUFFIX: a hash table with linear probing.  RANGE: a
 * segment tree over the places that the bounds make of the line: 2i + 1 is bound i, 2i the gap below
 * it; node n's postings are those from starts[n] to starts[n + 1].  NULL, NONE: a list.
 */
typedef struct LhShelf
{
	uint8		kind;			/* LhKeyKind */
	uint8		type;			/* LhType of the field */
	int16		field;
	uint32		lowest;			/* the first rule on it */
	uint32		nkeys;
	LhPosting  *postings;
	uint32		npostings;
	uint32		nslots;
	LhEntry    *slots;
	int			nlengths;		/* of prefixes and suffixes */
	int		   *lengths;
	int			nbounds;
	Datum	   *bounds;
	uint32	   *starts;
} LhShelf;

/* What a search knows of its row: the guards it passes. */
typedef struct LhLooked
{
	uint32		fields;			/* a bit for each field that was looked at */
	uint16		guards[LH_MAX_GUARDED + 1]; /* by the field's number; 0: it is null */
} LhLooked;

typedef struct LhIndex
{
	int			nshelves;
	LhShelf    *shelves;		/* in the order in which they are searched */
	int			nguarded;
	int16		guarded[LH_MAX_GUARDED];	/* fields, by their number less 1 */

	/* of one search */
	LhLooked	looked;
	uint64	   *bits;			/* of each rule: it was found, or waits to be asked */
	bool		dirty;			/* a search was broken off */
} LhIndex;

/* Many small pieces that go together: no header, no rounding. */
typedef struct LhArena
{
	MemoryContext mcxt;
	char	   *next;
	char	   *end;
	Size		size;			/* of all chunks and of large pieces */
} LhArena;

struct LhRulebook
{
	MemoryContext mcxt;
	LhArena		arena;
	int			nrules;
	LhProgram  *programs;		/* without leaves: always true */
	int			nclocked;
	int		   *clocked;		/* rules whose answers depend on the time, or on the zone */
	LhIndex    *index;			/* NULL: too few rules */
	bool		has_now;		/* lh_rulebook_set_now() was called */
};

#define LH_NO_KEY	(-1.0)

/* What finds the keys of rules, one after another, while an index is built. */
typedef struct LhCover
{
	const LhFieldSet *set;
	LhArena    *arena;
	LhFields   *probe;			/* all null, but for one field being asked about */
	hyperLogLogState **values;	/* of each field: the values that rules ask for */
	double	   *share;			/* of each field: what one value costs; 0: not known yet */
	LhIndex    *index;			/* takes the guarded fields */

	/* of the rule at hand */
	const LhProgram *program;
	int			maxleaves;
	double	   *cost;			/* of each leaf, or LH_NO_KEY */
	bool	   *chosen;
	bool	   *reached;
	int		   *run;			/* see find_runs() */
	int		   *order;
	uint32		rule;
	uint16		guards[2];		/* for the next keys */
	LhKey	   *keys;
} LhCover;

static inline bool
lh_rule_is_true(const LhProgram *program, const LhFields *row, TimestampTz *valid_until)
{
	return program->nleaves == 0 ||
		lh_program_is_true(program, row, program->has_clock ? valid_until : NULL);
}

/* rulebook.c */
extern void *lh_arena_alloc(LhArena *arena, Size size, Size align);
extern Datum lh_arena_text(LhArena *arena, const char *data, int len);

/* rulebook_key.c */
extern Comparison lh_own_comparison(LhType type);
extern void lh_cover_learn(LhCover *cover, const LhProgram *program);
extern LhKey *lh_cover_add_key(LhCover *cover, LhKeyKind kind, int field, bool exact, Datum value);
extern bool lh_leaf_is_range(const LhCover *cover, const LhLeaf *leaf);
extern double lh_leaf_cost(LhCover *cover, int i);
extern void lh_leaf_guards(LhCover *cover, int i);
extern void lh_leaf_keys(LhCover *cover, int i, bool exact);

/* rulebook_cover.c */
extern LhCover *lh_cover_create(const LhFieldSet *set, LhArena *arena, LhIndex *index);
extern LhKey *lh_cover_keys(LhCover *cover, const LhProgram *program, uint32 rule);

/* rulebook_index.c */
extern LhIndex *lh_index_build(LhRulebook *book, const LhFieldSet *set);

/* rulebook_match.c */
extern int	lh_index_first(const LhRulebook *book, const LhFields *row, TimestampTz *valid_until);
extern int	lh_index_all(const LhRulebook *book, const LhFields *row, int *matches,
						 TimestampTz *valid_until);

/* ---------- hashing ---------- */

static inline uint64
lh_hash_mix(uint64 hash, uint64 word)
{
	hash = (hash ^ word) * UINT64CONST(0x9E3779B97F4A7C15);
	return hash ^ (hash >> 32);
}

static inline uint32
lh_hash_int64(int64 value)
{
	return (uint32) (lh_hash_mix(lh_hash_mix(0, value), 1) >> 16);
}

/* Short strings, mostly: words of eight, the last one overlapping. */
static inline uint32
lh_hash_string(const char *data, int len)
{
	uint64		hash = len;
	uint64		word = 0;
	const char *end = data + len;

	if (len >= 8)
	{
		for (; data + 8 < end; data += 8)
		{
			memcpy(&word, data, 8);
			hash = lh_hash_mix(hash, word);
		}
		memcpy(&word, end - 8, 8);
	}
	else
	{
		for (; data < end; data++)
			word = word << 8 | (unsigned char) *data;
	}
	return (uint32) (lh_hash_mix(lh_hash_mix(hash, word), 1) >> 16);
}

/* A value of the types whose keys are values; it isn't toasted. */
static inline uint32
lh_hash_value(LhType type, Datum value)
{
	if (type == LH_BIGINT || type == LH_BOOLEAN)
		return lh_hash_int64(DatumGetInt64(value));
	return lh_hash_string(VARDATA_ANY(DatumGetPointer(value)),
						  VARSIZE_ANY_EXHDR(DatumGetPointer(value)));
}

static inline uint32
lh_slot_of(const LhShelf *shelf, uint32 hash)
{
	return (uint32) (((uint64) hash * shelf->nslots) >> 32);
}

#endif							/* LH_RULEBOOK_INDEX_H */
