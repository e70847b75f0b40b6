/*
 * src/rules/rulebook_match.c
 *
 * Searching a rulebook's index for the rules that are true of a row.
 *
 * Each shelf is asked once for the row's value of its field, and gives lists of rules in their order.
 * Searching for the first rule, best is the first one found so far, and nothing at or behind it is
 * looked at: not a shelf that begins there, not the rest of a list.  Searching for all, best stays
 * behind the end.
 *
 * A bit set keeps what was found until it is read off in the order of rules; a rule that is filed
 * under several of the row's keys is in it once.  Searching for the first, it holds the rules that
 * depend on the time instead.  They wait until all others have answered, and are then asked in their
 * order, so that only those before the answer, which are the ones it hangs on, lower valid_until.
 */
#include "rules/rulebook_index.h"

#include "access/tupmacs.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/array.h"

typedef struct Search
{
	const LhRulebook *book;
	const LhFields *row;
	TimestampTz *valid_until;
	bool		all;
	uint32		best;
	uint64	   *bits;
	uint32		low_word;		/* of bits that may be set */
	uint32		high_word;
	LhLooked   *looked;
} Search;

/* ---------- the bits ---------- */

static inline void
set_bit(Search *search, uint32 rule)
{
	uint32		word = rule / 64;

	search->bits[word] |= UINT64CONST(1) << (rule % 64);
	search->low_word = Min(search->low_word, word);
	search->high_word = Max(search->high_word, word);
}

static inline bool
has_bit(const Search *search, uint32 rule)
{
	return (search->bits[rule / 64] >> (rule % 64)) & 1;
}

static void
clear_bits(Search *search)
{
	if (search->low_word <= search->high_word)
		memset(&search->bits[search->low_word], 0,
			   (search->high_word - search->low_word + 1) * sizeof(uint64));
}

/* The first rule at or behind this one whose bit is set, or nrules. */
static uint32
next_bit(const Search *search, uint32 rule)
{
	uint32		word = Max(rule / 64, search->low_word);
	uint64		bits;

	if (word > search->high_word)
		return search->book->nrules;
	bits = search->bits[word];
	if (word == rule / 64)
		bits &= ~UINT64CONST(0) << (rule % 64);
	while (bits == 0)
	{
		if (++word > search->high_word)
			return search->book->nrules;
		bits = search->bits[word];
	}
	return word * 64 + pg_rightmost_one_pos64(bits);
}

/* ---------- rules ---------- */

static inline void
ask(Search *search, uint32 flagged)
{
	uint32		rule = flagged & LH_POSTING_RULE;

	CHECK_FOR_INTERRUPTS();
	if (!(flagged & LH_POSTING_EXACT))
	{
		const LhProgram *program = &search->book->programs[rule];

		if (search->all && has_bit(search, rule))
			return;
		if (!search->all && program->has_clock)
		{
			set_bit(search, rule);
			return;
		}
		if (!lh_rule_is_true(program, search->row, search->valid_until))
			return;
	}
	if (search->all)
		set_bit(search, rule);
	else
		search->best = rule;
}

/* Look up a guarded field, once for a row. */
static void
look_up(Search *search, int number)
{
	uint16	   *guard = &search->looked->guards[number];
	int			field = search->book->index->guarded[number - 1];
	Datum		value = search->row->values[field];
	LhType		type = search->row->set->fields[field].type;

	search->looked->fields |= UINT32_C(1) << number;
	if (search->row->isnull[field])
		*guard = 0;
	else if (type == LH_TEXT)
	{
		text	   *plain = lh_plain_text(value);

		*guard = lh_guard(number, lh_hash_value(type, PointerGetDatum(plain)));
		if ((Pointer) plain != DatumGetPointer(value))
			pfree(plain);
	}
	else
		*guard = lh_guard(number, lh_hash_value(type, value));
}

/* False: the rule is not true.  True says nothing. */
static inline bool
passes(Search *search, uint16 guard)
{
	int			number = guard >> LH_GUARD_SHIFT;

	if (guard == 0)
		return true;
	if (!(search->looked->fields & (UINT32_C(1) << number)))
		look_up(search, number);
	return search->looked->guards[number] == guard;
}

static inline void
ask_list(Search *search, const LhPosting *postings, uint32 n)
{
	for (uint32 i = 0; i < n && (postings[i].rule & LH_POSTING_RULE) < search->best; i++)
	{
		if (passes(search, postings[i].guards[0]) && passes(search, postings[i].guards[1]))
			ask(search, postings[i].rule);
	}
}

static inline void
ask_entry(Search *search, const LhShelf *shelf, const LhEntry *entry)
{
	if ((entry->head & LH_POSTING_RULE) < search->best)
		ask(search, entry->head);
	ask_list(search, shelf->postings + entry->rest, entry->nrest);
}

/* ---------- shelves ---------- */

static void
find_string(Search *search, const LhShelf *shelf, const char *data, int len)
{
	uint32		hash = lh_hash_string(data, len);
	uint32		slot = lh_slot_of(shelf, hash);

	while (shelf->slots[slot].head != LH_POSTING_EMPTY)
	{
		const LhEntry *entry = &shelf->slots[slot];
		const char *value = DatumGetPointer(entry->value);

		if (entry->hash == hash && (entry->head & LH_POSTING_RULE) < search->best &&
			VARSIZE_ANY_EXHDR(value) == len && memcmp(VARDATA_ANY(value), data, len) == 0)
		{
			ask_entry(search, shelf, entry);
			return;
		}
		if (++slot == shelf->nslots)
			slot = 0;
	}
}

static void
find_integer(Search *search, const LhShelf *shelf, int64 value)
{
	uint32		hash = lh_hash_int64(value);
	uint32		slot = lh_slot_of(shelf, hash);

	while (shelf->slots[slot].head != LH_POSTING_EMPTY)
	{
		const LhEntry *entry = &shelf->slots[slot];

		if (entry->hash == hash && DatumGetInt64(entry->value) == value)
		{
			ask_entry(search, shelf, entry);
			return;
		}
		if (++slot == shelf->nslots)
			slot = 0;
	}
}

static void
find_elements(Search *search, const LhShelf *shelf, Datum datum)
{
	ArrayType  *array = DatumGetArrayTypeP(datum);
	int			n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	bits8	   *nulls = ARR_NULLBITMAP(array);
	char	   *next = ARR_DATA_PTR(array);

	for (int i = 0; i < n; i++)
	{
		if (nulls && att_isnull(i, nulls))
			continue;
		next = (char *) att_align_pointer(next, TYPALIGN_INT, -1, next);
		find_string(search, shelf, VARDATA_ANY(next), VARSIZE_ANY_EXHDR(next));
		next += VARSIZE_ANY(next);
	}
	if ((Pointer) array != DatumGetPointer(datum))
		pfree(array);
}

/* Probe once for each length that some prefix or suffix has. */
static void
find_affixes(Search *search, const LhShelf *shelf, const char *data, int len)
{
	bool		suffix = shelf->kind == LH_KEY_SUFFIX || shelf->kind == LH_KEY_FOLDED_SUFFIX;
	bool		fold = shelf->kind == LH_KEY_FOLDED_PREFIX || shelf->kind == LH_KEY_FOLDED_SUFFIX;
	int			longest = Min(shelf->lengths[shelf->nlengths - 1], len);
	const char *part = suffix ? data + len - longest : data;
	char	   *folded = NULL;
	char		buffer[256];

	if (fold)
	{
		folded = longest > sizeof(buffer) ? palloc(longest) : buffer;
		memcpy(folded, part, longest);
		lh_fold_ascii(folded, longest);
		part = folded;
	}
	for (int i = 0; i < shelf->nlengths && shelf->lengths[i] <= longest; i++)
		find_string(search, shelf, suffix ? part + longest - shelf->lengths[i] : part,
					shelf->lengths[i]);
	if (folded && folded != buffer)
		pfree(folded);
}

/* The place of a value on the line: 2i + 1 if it is bound i, 2i if it lies below it. */
static int
place_of(const LhShelf *shelf, Datum value)
{
	Comparison	comparison = lh_own_comparison(shelf->type);
	int			low = 0;
	int			high = shelf->nbounds;

	while (low < high)
	{
		int			middle = (low + high) / 2;
		int			order = lh_compare(comparison, value, shelf->bounds[middle]);

		if (order == 0)
			return 2 * middle + 1;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return 2 * low;
}

static void
find_range(Search *search, const LhShelf *shelf, Datum value)
{
	int			nplaces = 2 * shelf->nbounds + 1;

	for (int node = place_of(shelf, value) + nplaces; node > 0; node /= 2)
		ask_list(search, shelf->postings + shelf->starts[node],
				 shelf->starts[node + 1] - shelf->starts[node]);
}

static void
find_text(Search *search, const LhShelf *shelf, Datum datum)
{
	text	   *value = lh_plain_text(datum);

	if (shelf->kind == LH_KEY_VALUE)
		find_string(search, shelf, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	else
		find_affixes(search, shelf, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	if ((Pointer) value != DatumGetPointer(datum))
		pfree(value);
}

static void
find_value(Search *search, const LhShelf *shelf, Datum datum)
{
	switch ((LhType) shelf->type)
	{
		case LH_BIGINT:
			find_integer(search, shelf, DatumGetInt64(datum));
			break;
		case LH_BOOLEAN:
			find_integer(search, shelf, DatumGetBool(datum));
			break;
		case LH_TEXT_ARRAY:
			find_elements(search, shelf, datum);
			break;
		default:
			find_text(search, shelf, datum);
			break;
	}
}

static void
search_shelves(Search *search)
{
	const LhIndex *index = search->book->index;
	const LhFields *row = search->row;

	for (int i = 0; i < index->nshelves; i++)
	{
		const LhShelf *shelf = &index->shelves[i];

		if (shelf->lowest >= search->best)
			continue;
		if (shelf->kind == LH_KEY_NONE)
			ask_list(search, shelf->postings, shelf->npostings);
		else if (row->isnull[shelf->field] != (shelf->kind == LH_KEY_NULL))
			continue;
		else if (shelf->kind == LH_KEY_NULL)
			ask_list(search, shelf->postings, shelf->npostings);
		else if (shelf->kind == LH_KEY_RANGE)
			find_range(search, shelf, row->values[shelf->field]);
		else
			find_value(search, shelf, row->values[shelf->field]);
	}
}

/* ---------- answers ---------- */

static void
begin(Search *search, const LhRulebook *book, const LhFields *row, bool all, TimestampTz *valid_until)
{
	search->book = book;
	search->row = row;
	search->valid_until = valid_until;
	search->all = all;
	search->best = book->nrules;
	search->bits = book->index->bits;
	search->low_word = PG_UINT32_MAX;
	search->high_word = 0;
	search->looked = &book->index->looked;
	search->looked->fields = 0;
	if (book->index->dirty)
		memset(search->bits, 0, (book->nrules / 64 + 1) * sizeof(uint64));
	book->index->dirty = true;
}

static void
end(Search *search)
{
	clear_bits(search);
	search->book->index->dirty = false;
}

int
lh_index_first(const LhRulebook *book, const LhFields *row, TimestampTz *valid_until)
{
	Search		search;

	begin(&search, book, row, false, valid_until);
	search_shelves(&search);
	for (uint32 rule = next_bit(&search, 0); rule < search.best; rule = next_bit(&search, rule + 1))
	{
		if (lh_rule_is_true(&book->programs[rule], row, valid_until))
			search.best = rule;
	}
	end(&search);
	return search.best < book->nrules ? (int) search.best : -1;
}

int
lh_index_all(const LhRulebook *book, const LhFields *row, int *matches, TimestampTz *valid_until)
{
	Search		search;
	int			n = 0;

	begin(&search, book, row, true, valid_until);
	search_shelves(&search);
	for (uint32 rule = next_bit(&search, 0); rule < book->nrules; rule = next_bit(&search, rule + 1))
		matches[n++] = rule;
	end(&search);
	return n;
}
