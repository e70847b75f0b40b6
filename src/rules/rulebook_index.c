/*
 * src/rules/rulebook_index.c
 *
 * Building a rulebook's index: the keys of all rules, sorted onto shelves, one for each kind of key
 * and field.
 *
 * Keys come in the order of rules and stay in it, so every list of rules on a shelf ascends; that is
 * what lets a search for the first rule stop early.  What the index keeps lies in the book's arena,
 * and everything that only building needs in a scratch context.
 */
#include "rules/rulebook_index.h"

#include "miscadmin.h"
#include "utils/memutils.h"

/* The keys of one shelf to be. */
typedef struct Bucket
{
	LhKey	   *first;
	LhKey	   *last;
	uint32		nkeys;
} Bucket;

typedef struct Builder
{
	LhRulebook *book;
	LhIndex    *index;
	const LhFieldSet *set;
	Bucket	   *buckets;		/* [field * LH_KEY_KINDS + kind] */
} Builder;

static uint32
rule_of(const LhKey *key)
{
	return key->rule & LH_POSTING_RULE;
}

static LhPosting
posting_of(const LhKey *key)
{
	LhPosting	posting = {key->rule, {key->guards[0], key->guards[1]}};

	return posting;
}

/*
 * Add a key to a list of n rules.  A rule that is its last already stays there once, with the guards
 * that both have: passing the others of either would do.
 */
static void
add_posting(LhPosting *postings, uint32 *n, const LhKey *key)
{
	LhPosting  *last = *n > 0 ? &postings[*n - 1] : NULL;

	if (last == NULL || (last->rule & LH_POSTING_RULE) != rule_of(key))
	{
		postings[(*n)++] = posting_of(key);
		return;
	}
	for (int i = 0; i < lengthof(last->guards); i++)
	{
		if (last->guards[i] != key->guards[i])
			last->guards[i] = 0;
	}
}

/* ---------- values ---------- */

static bool
same_value(LhType type, Datum a, Datum b)
{
	if (type == LH_BIGINT || type == LH_BOOLEAN)
		return DatumGetInt64(a) == DatumGetInt64(b);
	return lh_compare(COMPARE_TEXT, a, b) == 0;
}

/* The entry of a value, or the free slot where it belongs. */
static LhEntry *
find_entry(const LhShelf *shelf, LhType type, uint32 hash, Datum value)
{
	uint32		slot = lh_slot_of(shelf, hash);

	while (shelf->slots[slot].head != LH_POSTING_EMPTY)
	{
		LhEntry    *entry = &shelf->slots[slot];

		if (entry->hash == hash && same_value(type, entry->value, value))
			return entry;
		if (++slot == shelf->nslots)
			slot = 0;
	}
	return &shelf->slots[slot];
}

static void
make_slots(LhShelf *shelf, LhEntry *slots, uint32 nslots)
{
	shelf->slots = slots;
	shelf->nslots = nslots;
	for (uint32 i = 0; i < nslots; i++)
		slots[i].head = LH_POSTING_EMPTY;
}

static Size
slots_for(uint32 nvalues)
{
	return (Size) nvalues + nvalues / 3 + 1;
}

/* Enter all keys and count how many rules each value has; a rule may name a value twice. */
static void
count_values(LhShelf *shelf, LhType type, const Bucket *bucket)
{
	LhEntry    *rough = MemoryContextAllocHuge(CurrentMemoryContext,
											   slots_for(bucket->nkeys) * sizeof(LhEntry));
	LhShelf		scratch = *shelf;
	uint32		nvalues = 0;

	make_slots(&scratch, rough, slots_for(bucket->nkeys));
	for (LhKey *key = bucket->first; key; key = key->next)
	{
		uint32		hash = lh_hash_value(type, key->value);
		LhEntry    *entry = find_entry(&scratch, type, hash, key->value);

		if (entry->head == LH_POSTING_EMPTY)
		{
			entry->hash = hash;
			entry->head = key->rule;
			entry->nrest = 0;
			entry->value = key->value;
			nvalues++;
		}
		else if ((entry->rest & LH_POSTING_RULE) == rule_of(key))
			continue;
		else
			entry->nrest++;
		entry->rest = key->rule;	/* the last one, for now */
	}
	shelf->nkeys = nvalues;
	shelf->nslots = slots_for(nvalues);
	shelf->slots = rough;
}

static void
build_values(Builder *builder, LhShelf *shelf, const Bucket *bucket)
{
	LhArena    *arena = &builder->book->arena;
	LhType		type = shelf->type;
	LhEntry    *rough;
	uint32		nslots;

	count_values(shelf, type, bucket);
	rough = shelf->slots;
	nslots = shelf->nslots;
	make_slots(shelf, lh_arena_alloc(arena, nslots * sizeof(LhEntry), sizeof(Datum)), nslots);
	for (uint32 i = 0; i < slots_for(bucket->nkeys); i++)
	{
		LhEntry    *entry;

		if (rough[i].head == LH_POSTING_EMPTY)
			continue;
		entry = find_entry(shelf, type, rough[i].hash, rough[i].value);
		*entry = rough[i];
		entry->rest = shelf->npostings;
		shelf->npostings += entry->nrest;
		entry->nrest = 0;
	}
	pfree(rough);

	shelf->postings = lh_arena_alloc(arena, shelf->npostings * sizeof(LhPosting), sizeof(uint32));
	for (LhKey *key = bucket->first; key; key = key->next)
	{
		LhEntry    *entry = find_entry(shelf, type, lh_hash_value(type, key->value), key->value);

		if ((entry->head & LH_POSTING_RULE) != rule_of(key))
			add_posting(shelf->postings + entry->rest, &entry->nrest, key);
	}
}

static int
compare_ints(const void *a, const void *b)
{
	int			x = *(const int *) a;
	int			y = *(const int *) b;

	return (x > y) - (x < y);
}

/* The lengths of all prefixes or suffixes, each once, ascending. */
static void
collect_lengths(Builder *builder, LhShelf *shelf)
{
	int		   *lengths = palloc(shelf->nkeys * sizeof(int));
	int			n = 0;

	for (uint32 i = 0; i < shelf->nslots; i++)
	{
		if (shelf->slots[i].head != LH_POSTING_EMPTY)
			lengths[n++] = VARSIZE_ANY_EXHDR(DatumGetPointer(shelf->slots[i].value));
	}
	qsort(lengths, n, sizeof(int), compare_ints);
	for (int i = 0; i < n; i++)
	{
		if (shelf->nlengths == 0 || lengths[shelf->nlengths - 1] != lengths[i])
			lengths[shelf->nlengths++] = lengths[i];
	}
	shelf->lengths = lh_arena_alloc(&builder->book->arena, shelf->nlengths * sizeof(int), sizeof(int));
	memcpy(shelf->lengths, lengths, shelf->nlengths * sizeof(int));
	pfree(lengths);
}

/* ---------- ranges ---------- */

static int
compare_bounds(const void *a, const void *b, void *comparison)
{
	return lh_compare(*(Comparison *) comparison, *(const Datum *) a, *(const Datum *) b);
}

static void
collect_bounds(Builder *builder, LhShelf *shelf, const Bucket *bucket)
{
	Comparison	comparison = lh_own_comparison(shelf->type);
	Datum	   *bounds = palloc(bucket->nkeys * 2 * sizeof(Datum));
	int			n = 0;

	for (LhKey *key = bucket->first; key; key = key->next)
	{
		if (key->low_end != LH_END_OPEN)
			bounds[n++] = key->value;
		if (key->high_end != LH_END_OPEN)
			bounds[n++] = key->high;
	}
	qsort_arg(bounds, n, sizeof(Datum), compare_bounds, &comparison);
	for (int i = 0; i < n; i++)
	{
		if (shelf->nbounds == 0 ||
			lh_compare(comparison, bounds[shelf->nbounds - 1], bounds[i]) != 0)
			bounds[shelf->nbounds++] = bounds[i];
	}
	shelf->bounds = lh_arena_alloc(&builder->book->arena, shelf->nbounds * sizeof(Datum), sizeof(Datum));
	memcpy(shelf->bounds, bounds, shelf->nbounds * sizeof(Datum));
	pfree(bounds);
}

/* The places that a range takes on the line, see LhShelf. */
static void
places_of(const LhShelf *shelf, Comparison comparison, const LhKey *key, int *low, int *high)
{
	Datum	   *bound;

	*low = 0;
	*high = 2 * shelf->nbounds;
	if (key->low_end != LH_END_OPEN)
	{
		bound = bsearch_arg(&key->value, shelf->bounds, shelf->nbounds, sizeof(Datum),
							compare_bounds, &comparison);
		*low = 2 * (bound - shelf->bounds) + (key->low_end == LH_END_ON ? 1 : 2);
	}
	if (key->high_end != LH_END_OPEN)
	{
		bound = bsearch_arg(&key->high, shelf->bounds, shelf->nbounds, sizeof(Datum),
							compare_bounds, &comparison);
		*high = 2 * (bound - shelf->bounds) + (key->high_end == LH_END_ON ? 1 : 0);
	}
}

/*
 * Put the keys on the nodes of the tree that make up their ranges: with fill, write postings, else
 * count those of node n in starts[n + 1].
 */
static void
hang_ranges(Builder *builder, LhShelf *shelf, const Bucket *bucket, uint32 *fill)
{
	Comparison	comparison = lh_own_comparison(shelf->type);
	int			nplaces = 2 * shelf->nbounds + 1;

	for (LhKey *key = bucket->first; key; key = key->next)
	{
		int			low,
					high;

		places_of(shelf, comparison, key, &low, &high);
		for (low += nplaces, high += nplaces + 1; low < high; low /= 2, high /= 2)
		{
			int			nodes[2];
			int			n = 0;

			if (low % 2 == 1)
				nodes[n++] = low++;
			if (high % 2 == 1)
				nodes[n++] = --high;
			while (n-- > 0)
			{
				if (fill)
					shelf->postings[fill[nodes[n]]++] = posting_of(key);
				else
					shelf->starts[nodes[n] + 1]++;
			}
		}
	}
}

static void
build_ranges(Builder *builder, LhShelf *shelf, const Bucket *bucket)
{
	LhArena    *arena = &builder->book->arena;
	int			nnodes;
	uint32	   *fill;

	collect_bounds(builder, shelf, bucket);
	nnodes = 2 * (2 * shelf->nbounds + 1);
	shelf->starts = lh_arena_alloc(arena, (nnodes + 1) * sizeof(uint32), sizeof(uint32));
	memset(shelf->starts, 0, (nnodes + 1) * sizeof(uint32));
	hang_ranges(builder, shelf, bucket, NULL);
	for (int i = 0; i < nnodes; i++)
		shelf->starts[i + 1] += shelf->starts[i];

	shelf->npostings = shelf->starts[nnodes];
	shelf->postings = lh_arena_alloc(arena, shelf->npostings * sizeof(LhPosting), sizeof(uint32));
	fill = palloc(nnodes * sizeof(uint32));
	memcpy(fill, shelf->starts, nnodes * sizeof(uint32));
	hang_ranges(builder, shelf, bucket, fill);
	pfree(fill);
	shelf->nkeys = bucket->nkeys;
}

/* ---------- shelves ---------- */

static void
build_list(Builder *builder, LhShelf *shelf, const Bucket *bucket)
{
	shelf->postings = lh_arena_alloc(&builder->book->arena, bucket->nkeys * sizeof(LhPosting),
									 sizeof(uint32));
	for (LhKey *key = bucket->first; key; key = key->next)
		add_posting(shelf->postings, &shelf->npostings, key);	/* a rule may ask for null twice */
	shelf->nkeys = 1;
}

static void
build_shelf(Builder *builder, LhShelf *shelf, const Bucket *bucket)
{
	shelf->type = builder->set->fields[shelf->field].type;
	shelf->lowest = rule_of(bucket->first);
	switch ((LhKeyKind) shelf->kind)
	{
		case LH_KEY_VALUE:
			build_values(builder, shelf, bucket);
			break;
		case LH_KEY_PREFIX:
		case LH_KEY_SUFFIX:
		case LH_KEY_FOLDED_PREFIX:
		case LH_KEY_FOLDED_SUFFIX:
			build_values(builder, shelf, bucket);
			collect_lengths(builder, shelf);
			break;
		case LH_KEY_RANGE:
			build_ranges(builder, shelf, bucket);
			break;
		case LH_KEY_NULL:
		case LH_KEY_NONE:
			build_list(builder, shelf, bucket);
			break;
	}
}

/* Those that are likely to settle a search soonest come first: many values, few rules for each. */
static int
compare_shelves(const void *a, const void *b)
{
	const LhShelf *x = a;
	const LhShelf *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->nkeys != y->nkeys)
		return x->nkeys > y->nkeys ? -1 : 1;
	return x->field - y->field;
}

static void
file_key(Builder *builder, LhKey *key)
{
	Bucket	   *bucket = &builder->buckets[key->field * LH_KEY_KINDS + key->kind];

	key->next = NULL;
	if (bucket->last)
		bucket->last->next = key;
	else
		bucket->first = key;
	bucket->last = key;
	bucket->nkeys++;
}

static void
find_keys(Builder *builder)
{
	LhRulebook *book = builder->book;
	LhCover    *cover = lh_cover_create(builder->set, &book->arena, builder->index);

	for (int i = 0; i < book->nrules; i++)
	{
		CHECK_FOR_INTERRUPTS();
		lh_cover_learn(cover, &book->programs[i]);
	}
	for (int i = 0; i < book->nrules; i++)
	{
		LhKey	   *next;

		CHECK_FOR_INTERRUPTS();
		for (LhKey *key = lh_cover_keys(cover, &book->programs[i], i); key; key = next)
		{
			next = key->next;
			file_key(builder, key);
		}
	}
}

LhIndex *
lh_index_build(LhRulebook *book, const LhFieldSet *set)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "lead_handoff rulebook index",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(scratch);
	LhIndex    *index = MemoryContextAllocZero(book->mcxt, sizeof(LhIndex));
	int			nbuckets = Max(set->nfields, 1) * LH_KEY_KINDS;
	Builder		builder = {book, index, set, NULL};

	builder.buckets = palloc0(nbuckets * sizeof(Bucket));
	find_keys(&builder);
	for (int i = 0; i < nbuckets; i++)
		index->nshelves += builder.buckets[i].nkeys > 0;
	index->shelves = MemoryContextAllocZero(book->mcxt, Max(index->nshelves, 1) * sizeof(LhShelf));
	index->nshelves = 0;
	for (int i = 0; i < nbuckets; i++)
	{
		LhShelf    *shelf = &index->shelves[index->nshelves];

		if (builder.buckets[i].nkeys == 0)
			continue;
		shelf->kind = i % LH_KEY_KINDS;
		shelf->field = i / LH_KEY_KINDS;
		build_shelf(&builder, shelf, &builder.buckets[i]);
		index->nshelves++;
	}
	qsort(index->shelves, index->nshelves, sizeof(LhShelf), compare_shelves);
	index->bits = MemoryContextAllocZero(book->mcxt, (book->nrules / 64 + 1) * sizeof(uint64));
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	return index;
}
