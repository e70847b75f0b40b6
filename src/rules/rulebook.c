/*
 * src/rules/rulebook.c
 *
 * A list of criteria compiled for one set of fields, and the answers: which rules are true, which is
 * the first.
 *
 * A short list is checked one rule after another.  A longer one is searched through an index
 * (rulebook_index.h), which asks only the rules that the row's own values lead to; the answers are
 * those of the loop.  So are the times until which they hold, except that they may come out later: a
 * rule that is not asked can't become true by time alone, because none of its keys depends on time.
 *
 * A contract may have 100,000 rules, in every session.  So each is bound in a scratch context and then
 * packed: leaves in one block, short strings with a header of one byte and each once, all in chunks.
 */
#include "rules/rulebook_index.h"

#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"

/* below this, looking up costs more than asking */
#define INDEX_FROM		16

#define SMALLEST_CHUNK	2048
#define LARGEST_CHUNK	(512 * 1024)

/* ---------- memory ---------- */

/*
 * A chunk is an eighth of what there is already, so that little of the last one is left over; and no
 * chunk is so small that the context rounds it.
 */
void *
lh_arena_alloc(LhArena *arena, Size size, Size align)
{
	char	   *piece = (char *) TYPEALIGN(align, arena->next);

	if (arena->next == NULL || piece + size > arena->end)
	{
		Size		chunk = Min(Max(arena->size / 8, SMALLEST_CHUNK), LARGEST_CHUNK);

		arena->size += size > chunk / 2 ? size : chunk;
		if (size > chunk / 2)
			return MemoryContextAllocHuge(arena->mcxt, Max(size, 1));
		piece = MemoryContextAlloc(arena->mcxt, chunk);
		arena->end = piece + chunk;
	}
	arena->next = piece + size;
	return piece;
}

/* A text for comparing, matching and hashing: what reads it must bear a short header. */
Datum
lh_arena_text(LhArena *arena, const char *data, int len)
{
	char	   *piece;

	if (len + VARHDRSZ_SHORT <= VARATT_SHORT_MAX)
	{
		piece = lh_arena_alloc(arena, len + VARHDRSZ_SHORT, 1);
		SET_VARSIZE_SHORT(piece, len + VARHDRSZ_SHORT);
	}
	else
	{
		piece = lh_arena_alloc(arena, len + VARHDRSZ, sizeof(int32));
		SET_VARSIZE(piece, len + VARHDRSZ);
	}
	memcpy(VARDATA_ANY(piece), data, len);
	return PointerGetDatum(piece);
}

/* ---------- packing ---------- */

/* Texts that are in the arena already: of many rules, most name the same few values. */
#define SH_PREFIX		texts
#define SH_ELEMENT_TYPE	KnownText
#define SH_KEY_TYPE		Datum
#define SH_KEY			text
#define SH_HASH_KEY(table, key)	lh_hash_value(LH_TEXT, key)
#define SH_EQUAL(table, a, b)	(lh_compare(COMPARE_TEXT, a, b) == 0)
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE

typedef struct KnownText
{
	Datum		text;
	char		status;
} KnownText;

#include "lib/simplehash.h"

typedef struct Packer
{
	LhArena    *arena;
	texts_hash *texts;
} Packer;

static Datum
pack_text(Packer *packer, Datum text)
{
	bool		found;
	KnownText  *known = texts_insert(packer->texts, text, &found);

	if (!found)
		known->text = lh_arena_text(packer->arena, VARDATA_ANY(DatumGetPointer(text)),
									VARSIZE_ANY_EXHDR(DatumGetPointer(text)));
	return known->text;
}

static Datum
pack_value(Packer *packer, Comparison comparison, Datum value)
{
	Size		size;
	void	   *piece;

	if (comparison == COMPARE_TEXT)
		return pack_text(packer, value);
	if (comparison != COMPARE_NUMERIC && comparison != COMPARE_BIGINT_NUMERIC)
		return value;
	size = VARSIZE_ANY(DatumGetPointer(value));
	piece = lh_arena_alloc(packer->arena, size, sizeof(int32));
	memcpy(piece, DatumGetPointer(value), size);
	return PointerGetDatum(piece);
}

static LhList *
pack_list(Packer *packer, const LhLeaf *leaf)
{
	Size		size = offsetof(LhList, items) + leaf->list->nitems * sizeof(Datum);
	LhList	   *list = lh_arena_alloc(packer->arena, size, MAXIMUM_ALIGNOF);

	memcpy(list, leaf->list, size);
	for (int i = 0; i < list->nitems; i++)
		list->items[i] = leaf->kind == LEAF_IN ?
			pack_value(packer, leaf->comparison, list->items[i]) : pack_text(packer, list->items[i]);
	return list;
}

static void
pack_leaf(Packer *packer, LhLeaf *leaf)
{
	switch ((LeafKind) leaf->kind)
	{
		case LEAF_COMPARE:
		case LEAF_DISTINCT:
			if (leaf->right == RIGHT_VALUE)
				leaf->operand = pack_value(packer, leaf->comparison, leaf->operand);
			break;
		case LEAF_LIKE:
		case LEAF_ILIKE:
			leaf->operand = pack_text(packer, leaf->operand);
			break;
		case LEAF_IN:
		case LEAF_ANY:
		case LEAF_OVERLAP:
		case LEAF_CONTAINS:
			leaf->list = pack_list(packer, leaf);
			break;
		default:
			break;
	}
	if (leaf->right == RIGHT_CLOCK)
	{
		LhClock    *clock = lh_arena_alloc(packer->arena, sizeof(LhClock), MAXIMUM_ALIGNOF);

		*clock = *leaf->clock;
		leaf->clock = clock;
	}
}

static void
pack_program(Packer *packer, const LhProgram *program, LhProgram *packed)
{
	*packed = *program;
	packed->leaves = lh_arena_alloc(packer->arena, program->nleaves * sizeof(LhLeaf), MAXIMUM_ALIGNOF);
	memcpy(packed->leaves, program->leaves, program->nleaves * sizeof(LhLeaf));
	for (int i = 0; i < packed->nleaves; i++)
		pack_leaf(packer, &packed->leaves[i]);
}

/* ---------- compiling ---------- */

static void
compile_rules(LhRulebook *book, const LhFieldSet *set, const Criteria *const *criteria)
{
	MemoryContext known = AllocSetContextCreate(CurrentMemoryContext, "lead_handoff known texts",
												ALLOCSET_DEFAULT_SIZES);
	MemoryContext scratch = AllocSetContextCreate(known, "lead_handoff rule", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(scratch);
	Packer		packer = {&book->arena, texts_create(known, 64, NULL)};

	for (int i = 0; i < book->nrules; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (criteria[i] == NULL)
			continue;
		pack_program(&packer, lh_criteria_bind(criteria[i], set), &book->programs[i]);
		book->nclocked += book->programs[i].has_clock;
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(known);

	book->clocked = palloc(Max(book->nclocked, 1) * sizeof(int));
	book->nclocked = 0;
	for (int i = 0; i < book->nrules; i++)
	{
		if (book->programs[i].has_clock)
			book->clocked[book->nclocked++] = i;
	}
}

/*
 * The book is built under the caller's context and moved to its parent when it is whole, so a bad
 * rule leaves nothing behind.
 */
LhRulebook *
lh_rulebook_compile(MemoryContext parent, const LhFieldSet *set, int n, const Criteria *const *criteria)
{
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "lead_handoff rulebook",
											   ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(mcxt);
	LhRulebook *book = palloc0(sizeof(LhRulebook));

	book->mcxt = mcxt;
	book->arena.mcxt = mcxt;
	book->nrules = n;
	book->programs = palloc0(Max(n, 1) * sizeof(LhProgram));
	compile_rules(book, set, criteria);
	if (n >= INDEX_FROM)
		book->index = lh_index_build(book, set);
	MemoryContextSwitchTo(caller);
	MemoryContextSetParent(mcxt, parent);
	return book;
}

void
lh_rulebook_set_now(LhRulebook *book, TimestampTz now)
{
	book->has_now = true;
	for (int i = 0; i < book->nclocked; i++)
		lh_program_set_now(&book->programs[book->clocked[i]], now);
}

bool
lh_rulebook_has_clock(const LhRulebook *book)
{
	return book->nclocked > 0;
}

/* ---------- answers ---------- */

LhTruth
lh_rulebook_test(const LhRulebook *book, int rule, const LhFields *row, TimestampTz *valid_until)
{
	const LhProgram *program = &book->programs[rule];

	Assert(book->has_now);
	if (lh_rule_is_true(program, row, valid_until))
		return LH_TRUE;
	return lh_program_is_false(program, row, valid_until) ? LH_FALSE : LH_UNKNOWN;
}

int
lh_rulebook_first(const LhRulebook *book, const LhFields *row, TimestampTz *valid_until)
{
	Assert(book->has_now);
	if (book->index)
		return lh_index_first(book, row, valid_until);
	for (int i = 0; i < book->nrules; i++)
	{
		if (lh_rule_is_true(&book->programs[i], row, valid_until))
			return i;
	}
	return -1;
}

int
lh_rulebook_all(const LhRulebook *book, const LhFields *row, int *matches, TimestampTz *valid_until)
{
	int			n = 0;

	Assert(book->has_now);
	if (book->index)
		return lh_index_all(book, row, matches, valid_until);
	for (int i = 0; i < book->nrules; i++)
	{
		if (lh_rule_is_true(&book->programs[i], row, valid_until))
			matches[n++] = i;
	}
	return n;
}
