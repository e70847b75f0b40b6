/*
 * src/flow/person.c
 *
 * Leads of one person: who else there is, what sales has of them, and who must be decided anew.
 *
 * Nobody may hand over a lead while somebody else hands over another one of the same person, and each
 * writes to its own lead only.  So whoever decides a lead holds its person, in one of two ways.  Of most
 * people there is one lead: its row lock is enough.  Where there are more, an advisory lock stands for a
 * stripe of persons, as for the keys of new leads: tried, never waited for by the drain.  A lead that is
 * to become one of a person's, new or with another address, takes the stripe too, and the row lock of the
 * only one there is: that one is not being decided by anybody, and whoever decides it next sees two.
 * Two that come first at once meet at the stripe.  What can't be had stays in the inbox.
 *
 * So feeds without duplicates pay one look into an index a batch.  Only then the others' handoffs are
 * read, in a new statement; those of leads in the batch are taken as the batch has made them so far.
 *
 * What a decision changes for the others, it leaves in the inbox: leads that were held by a handoff that
 * has ended, the lead that one has joined or left, and, if rules ask for duplicate_open, all of the person.
 */
#include "flow/history.h"
#include "flow/intake.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* A lead in the batch under the key of a person that it is or becomes. */
typedef struct Member
{
	const char *key;
	LhBatchLead *slot;
} Member;

struct LhPersons
{
	int			nmembers;
	Member	   *members;		/* by key */
	int			nothers;
	LhOther    *others;			/* stored ones, by person */
	int			njoiners;
	LhJoiner   *joiners;		/* stored ones, by the lead that they have joined, and time */
	LhActivities *activities;	/* of those since what they have joined was handed over; NULL: there are none */
};

/* Locking ------------------------------------------------------------------------------------ */

static LhStatement read_shared = {
	"select l.person_key from handoff.lead l where l.person_key = any($1) group by l.person_key having count(*) > 1",
	1, {TEXTARRAYOID}
};

static LhStatement read_known = {
	"select l.person_key, case count(*) when 1 then min(l.lead_key) end from handoff.lead l "
	"where l.person_key = any($1) group by l.person_key",
	1, {TEXTARRAYOID}
};

static LhIndex leads_by_person = {"lead", "lead_person", 1, {"person_key"}};

static LhStatement try_only_ones = {
	"select l.lead_key from handoff.lead l where l.lead_key = any($1) order by l.lead_key collate \"C\" for update skip locked",
	1, {TEXTARRAYOID}
};

static bool
contains(char *const *keys, int n, const char *key)
{
	return n > 0 && bsearch(&key, keys, n, sizeof(char *), lh_compare_keys) != NULL;
}

/* Keys in the first column of the answer, sorted. */
static char **
answered_keys(uint64 n)
{
	char	  **keys = palloc_array(char *, n + 1);

	for (uint64 i = 0; i < n; i++)
		keys[i] = lh_get_text(i, 1);
	qsort(keys, n, sizeof(char *), lh_compare_keys);
	return keys;
}

static void
add_shared(LhBatch *batch, const char *person)
{
	batch->shared_persons = lappend(batch->shared_persons, unconstify(char *, person));
}

/*
 * The leads of the batch have been locked: hold their persons too, where there are several leads of one.
 * Those of a person that is busy leave the batch; the API waits.
 */
void
lh_lock_persons(LhBatch *batch)
{
	char	  **keys = palloc_array(char *, batch->nleads + 1);
	char	  **busy;
	int			nbusy = 0;
	int			n = 0;
	int			kept = 0;
	Datum		value;

	for (int i = 0; i < batch->nleads; i++)
		if (batch->leads[i].exists && batch->leads[i].lead.person_key != NULL)
			keys[n++] = batch->leads[i].lead.person_key;
	if (n == 0)
		return;
	value = lh_text_array(keys, lh_sort_unique(keys, n));
	n = lh_run_latest(&read_shared, &value, NULL);
	keys = answered_keys(n);
	busy = palloc_array(char *, n + 1);
	for (int i = 0; i < n; i++)
	{
		char	   *name = psprintf("person %s", keys[i]);

		if (batch->wait)
			lh_wait_for_stripe(name);
		else if (!lh_lock_stripe(name))
		{
			busy[nbusy++] = keys[i];
			continue;
		}
		add_shared(batch, keys[i]);
	}
	if (nbusy == 0)
		return;
	for (int i = 0; i < batch->nleads; i++)
	{
		const LhBatchLead *slot = &batch->leads[i];

		if (!slot->exists || slot->lead.person_key == NULL || !contains(busy, nbusy, slot->lead.person_key))
			batch->leads[kept++] = batch->leads[i];
	}
	batch->nleads = kept;
}

char *
lh_person_of(const LhFields *row)
{
	const LhSourceRow as_read = {.row = unconstify(LhFields *, row)};

	return lh_person_key(lh_row_text(&as_read, "person_key"), lh_row_text(&as_read, "email"));
}

/* The person that a lead becomes by its row; NULL: none, or it stays who it is. */
static char *
person_to_be(const LhBatchLead *slot, const LhSourceRow *row)
{
	char	   *key = lh_person_of(row->row);

	return key == NULL || (slot->exists && slot->lead.person_key != NULL && strcmp(slot->lead.person_key, key) == 0) ?
		NULL : key;
}

/* Only leads of some persons that nobody decides now: those that were busy, sorted. */
static char **
lock_only_ones(char **keys, int n, int *nbusy)
{
	Datum		value = lh_text_array(keys, n);
	int			ngot = n == 0 ? 0 : lh_run(&try_only_ones, &value, NULL);
	char	  **got = answered_keys(ngot);
	char	  **busy = palloc_array(char *, n + 1);

	*nbusy = 0;
	for (int i = 0; i < n; i++)
		if (!contains(got, ngot, keys[i]))
			busy[(*nbusy)++] = keys[i];
	qsort(busy, *nbusy, sizeof(char *), lh_compare_keys);
	return busy;
}

/* Rows of leads have been read: hold the persons that these become.  Who can't be one yet, waits. */
void
lh_join_persons(LhBatch *batch, const LhSourceItems *group, const LhSourceRow *rows, LhMerging *merging)
{
	char	  **becomes = palloc0_array(char *, group->n + 1);
	char	  **keys = palloc_array(char *, group->n + 1);
	char	  **only = palloc_array(char *, group->n + 1);
	char	  **busy;
	int			n = 0;
	int			nonly = 0;
	int			nbusy;
	LhPairs		known;
	Datum		value;

	for (int i = 0; i < group->n; i++)
	{
		LhBatchLead *slot = lh_batch_lead(batch, group->items[i]->lead_key);

		if (merging->waits[i] || !rows[i].present || merging->stands_for[i] != slot->lead_key)
			continue;
		becomes[i] = person_to_be(slot, &rows[i]);
		slot->person_to_be = becomes[i];
		if (becomes[i] != NULL && !lh_lock_stripe(psprintf("person %s", becomes[i])))
			merging->waits[i] = true;
		else if (becomes[i] != NULL)
			keys[n++] = becomes[i];
	}
	n = lh_which_are_there(&leads_by_person, keys, lh_sort_unique(keys, n), keys);
	if (n == 0)
		return;
	value = lh_text_array(keys, n);
	known = lh_answer_pairs(lh_run(&read_known, &value, NULL));
	for (uint64 i = 0; i < known.n; i++)
	{
		add_shared(batch, known.pairs[i].key);
		if (known.pairs[i].value != NULL && lh_batch_lead(batch, known.pairs[i].value) == NULL)
			only[nonly++] = known.pairs[i].value;
	}
	busy = lock_only_ones(only, nonly, &nbusy);
	for (int i = 0; i < group->n; i++)
	{
		char	   *first = becomes[i] == NULL ? NULL : lh_pair_value(&known, becomes[i]);

		if (first != NULL && contains(busy, nbusy, first))
			merging->waits[i] = true;
	}
}

/* What the others have ----------------------------------------------------------------------- */

#define OTHER_COLUMNS \
	"select l.person_key, h.lead_key, h.handoff_no, h.leg, h.rep, h.handed_at, h.closed_at, h.reengaged_at, h.outcome " \
	"from handoff.lead l join handoff.handoff h on h.lead_key = l.lead_key "

static LhStatement read_others = {
	OTHER_COLUMNS "where l.person_key = any($1) and l.handoffs > 0 "
	"order by l.person_key collate \"C\", h.lead_key collate \"C\", h.handoff_no",
	1, {TEXTARRAYOID}
};

static LhStatement read_joiners = {
	"select l.duplicate_of, l.lead_key, l.duplicate_handoff, l.duplicate_at, l.signals from handoff.lead l "
	"where l.duplicate_of = any($1) and l.duplicate_at is not null and l.gate_code = 'joined' and l.deleted_at is null "
	"order by l.duplicate_of collate \"C\", l.duplicate_at, l.lead_key collate \"C\"",
	1, {TEXTARRAYOID}
};

static LhOther *
take_others(uint64 n)
{
	LhOther    *others = palloc0_array(LhOther, n + 1);

	for (uint64 i = 0; i < n; i++)
	{
		others[i].person_key = lh_get_text(i, 1);
		others[i].lead_key = lh_get_text(i, 2);
		others[i].handoff_no = lh_get_int(i, 3, 0);
		others[i].leg = lh_get_text(i, 4);
		others[i].rep = lh_get_text(i, 5);
		others[i].handed_at = lh_get_time(i, 6, 0);
		others[i].closed_at = lh_get_time(i, 7, LH_NOT_YET);
		others[i].reengaged_at = lh_get_time(i, 8, LH_NOT_YET);
		others[i].outcome = lh_get_text(i, 9);
	}
	return others;
}

static LhJoiner *
take_joiners(uint64 n)
{
	LhJoiner   *joiners = palloc0_array(LhJoiner, n + 1);

	for (uint64 i = 0; i < n; i++)
	{
		joiners[i].of = lh_get_text(i, 1);
		joiners[i].lead_key = lh_get_text(i, 2);
		joiners[i].handoff_no = lh_get_int(i, 3, 0);
		joiners[i].at = lh_get_time(i, 4, DT_NOBEGIN);
		joiners[i].nsignals = lh_get_texts(i, 5, &joiners[i].signals);
	}
	return joiners;
}

/* What was done with those that have joined, since then. */
static void
read_activities(const LhBatch *batch, LhPersons *persons)
{
	char	  **keys = palloc_array(char *, persons->njoiners + 1);
	TimestampTz *since = palloc_array(TimestampTz, persons->njoiners + 1);

	for (int i = 0; i < persons->njoiners; i++)
	{
		keys[i] = unconstify(char *, persons->joiners[i].lead_key);
		since[i] = lh_open_handoff(&lh_batch_lead(batch, persons->joiners[i].of)->lead)->h.handed_at - 1;
	}
	if (persons->njoiners > 0)
		persons->activities = lh_activities_read(keys, since, persons->njoiners, DT_NOEND);
}

static int
compare_members(const void *a, const void *b)
{
	return strcmp(((const Member *) a)->key, ((const Member *) b)->key);
}

/* Every lead to be decided, under who it is and who it may become. */
static void
find_members(LhBatch *batch, LhPersons *persons)
{
	persons->members = palloc_array(Member, batch->nleads * 2 + 1);
	for (int i = 0; i < batch->nleads; i++)
	{
		LhBatchLead *slot = &batch->leads[i];

		if (!slot->decide)
			continue;
		slot->person_before = slot->exists ? slot->lead.person_key : NULL;
		slot->joined_before = slot->lead.duplicate_of;
		if (slot->person_before != NULL)
			persons->members[persons->nmembers++] = (Member) {slot->person_before, slot};
		if (slot->person_to_be != NULL)
			persons->members[persons->nmembers++] = (Member) {slot->person_to_be, slot};
	}
	qsort(persons->members, persons->nmembers, sizeof(Member), compare_members);
}

/* Persons of several leads, in the batch or out of it, sorted; marks those leads. */
static int
find_shared(LhBatch *batch, LhPersons *persons, char **keys)
{
	int			n = 0;
	ListCell   *lc;

	foreach(lc, batch->shared_persons)
		keys[n++] = lfirst(lc);
	for (int i = 1; i < persons->nmembers; i++)
		if (strcmp(persons->members[i - 1].key, persons->members[i].key) == 0)
			keys[n++] = unconstify(char *, persons->members[i].key);
	n = lh_sort_unique(keys, n);
	for (int i = 0; i < persons->nmembers && n > 0; i++)
		if (contains(keys, n, persons->members[i].key))
			persons->members[i].slot->shares_person = true;
	return n;
}

/* Before the decisions: read what those need to know of the persons' other leads. */
void
lh_batch_persons(LhBatch *batch)
{
	LhPersons  *persons = palloc0_object(LhPersons);
	char	  **keys;
	int			n;
	int			nopen = 0;
	Datum		value;

	find_members(batch, persons);
	keys = palloc_array(char *, persons->nmembers + list_length(batch->shared_persons) + 1);
	n = find_shared(batch, persons, keys);
	if (n == 0)
		return;
	batch->persons = persons;
	value = lh_text_array(keys, n);
	persons->nothers = lh_run_latest(&read_others, &value, NULL);
	persons->others = take_others(persons->nothers);

	keys = palloc_array(char *, batch->nleads + 1);
	for (int i = 0; i < batch->nleads; i++)
		if (batch->leads[i].shares_person && lh_open_handoff(&batch->leads[i].lead) != NULL)
			keys[nopen++] = batch->leads[i].lead_key;
	if (nopen == 0)
		return;
	value = lh_text_array(keys, nopen);
	persons->njoiners = lh_run_latest(&read_joiners, &value, NULL);
	persons->joiners = take_joiners(persons->njoiners);
	read_activities(batch, persons);
}

/* Is what the batch holds of a lead newer than what is stored? */
static bool
is_decided_here(const LhBatch *batch, const char *lead_key)
{
	const LhBatchLead *slot = lh_batch_lead(batch, lead_key);

	return slot != NULL && slot->decide;
}

static LhOther
other_of(const LhBatchLead *slot, const LhHandoff *h)
{
	LhOther		other = {
		.person_key = slot->lead.person_key,.lead_key = slot->lead_key,.handoff_no = h->handoff_no,
		.leg = h->leg,.rep = h->rep,.handed_at = h->handed_at,.closed_at = h->closed_at,
		.reengaged_at = h->reengaged_at,.outcome = h->outcome
	};

	return other;
}

static LhOther *
room_for_other(LhInput *input)
{
	if (input->others == NULL)
		input->others = palloc_array(LhOther, 8);
	else if (input->nothers >= 8 && (input->nothers & (input->nothers - 1)) == 0)
		input->others = repalloc_array(input->others, LhOther, input->nothers * 2);
	return &input->others[input->nothers++];
}

/* The others of one person: stored ones, then those of the batch as they are by now. */
static void
give_others(const LhBatch *batch, LhBatchLead *slot, const char *person)
{
	const LhPersons *persons = batch->persons;
	int			first = 0;
	int			high = persons->nothers;
	Member		key = {person, NULL};
	const Member *at;

	while (first < high)
	{
		int			middle = first + (high - first) / 2;

		if (strcmp(persons->others[middle].person_key, person) < 0)
			first = middle + 1;
		else
			high = middle;
	}
	for (int i = first; i < persons->nothers && strcmp(persons->others[i].person_key, person) == 0; i++)
		if (!is_decided_here(batch, persons->others[i].lead_key))
			*room_for_other(&slot->input) = persons->others[i];

	at = bsearch(&key, persons->members, persons->nmembers, sizeof(Member), compare_members);
	while (at != NULL && at > persons->members && strcmp(at[-1].key, person) == 0)
		at--;
	for (; at != NULL && at < persons->members + persons->nmembers && strcmp(at->key, person) == 0; at++)
	{
		ListCell   *lc;

		if (at->slot == slot || at->slot->lead.person_key == NULL ||
			strcmp(at->slot->lead.person_key, person) != 0)
			continue;
		foreach(lc, at->slot->lead.handoffs)
			*room_for_other(&slot->input) = other_of(at->slot, &((LhLeadHandoff *) lfirst(lc))->h);
	}
}

static int
compare_joiners(const void *a, const void *b)
{
	const LhJoiner *left = a;
	const LhJoiner *right = b;

	if (left->at != right->at)
		return left->at < right->at ? -1 : 1;
	return strcmp(left->lead_key, right->lead_key);
}

/* Add what was done with a lead that has joined. */
static void
share_activities(const LhBatch *batch, LhBatchLead *slot, const char *joiner)
{
	LhInput    *input = &slot->input;
	LhActivity *activities;
	int			n = lh_activities_of(batch->persons->activities, joiner, slot->contract, &activities);

	if (n == 0)
		return;
	input->shared = input->nshared == 0 ? palloc_array(LhActivity, n) :
		repalloc_array(input->shared, LhActivity, input->nshared + n);
	memcpy(input->shared + input->nshared, activities, sizeof(LhActivity) * n);
	input->nshared += n;
}

/* Does a lead that is stored as having joined another one still do so? */
static bool
still_joins(const LhBatch *batch, const LhJoiner *joiner)
{
	const LhBatchLead *slot = lh_batch_lead(batch, joiner->lead_key);

	return slot == NULL || !slot->decide ||
		(slot->lead.deleted_at == DT_NOEND && slot->lead.duplicate_of != NULL &&
		 strcmp(slot->lead.duplicate_of, joiner->of) == 0 && slot->lead.duplicate_handoff == joiner->handoff_no);
}

/* Who has joined its open handoff. */
static void
give_joiners(const LhBatch *batch, LhBatchLead *slot)
{
	const LhPersons *persons = batch->persons;
	const LhLeadHandoff *open = lh_open_handoff(&slot->lead);
	LhInput    *input = &slot->input;

	if (open == NULL)
		return;
	input->joiners = palloc_array(LhJoiner, persons->njoiners + batch->nleads + 1);
	for (int i = 0; i < persons->njoiners; i++)
	{
		const LhJoiner *joiner = &persons->joiners[i];

		if (strcmp(joiner->of, slot->lead_key) != 0 || joiner->handoff_no != open->h.handoff_no)
			continue;
		if (!is_decided_here(batch, joiner->lead_key))
			input->joiners[input->njoiners++] = *joiner;
		if (still_joins(batch, joiner))
			share_activities(batch, slot, joiner->lead_key);
	}
	for (int i = 0; i < persons->nmembers; i++)
	{
		const LhLead *lead = &persons->members[i].slot->lead;

		if (lead->duplicate_of != NULL && strcmp(lead->duplicate_of, slot->lead_key) == 0 &&
			lead->duplicate_at != DT_NOBEGIN && lead->deleted_at == DT_NOEND &&
			strcmp(persons->members[i].key, lead->person_key) == 0)
			input->joiners[input->njoiners++] = (LhJoiner)
		{
			slot->lead_key, lead->lead_key, lead->duplicate_handoff, lead->duplicate_at, lead->nsignals, lead->signals
		};
	}
	qsort(input->joiners, input->njoiners, sizeof(LhJoiner), compare_joiners);
}

/* Just before a lead is decided. */
void
lh_give_person(const LhBatch *batch, LhBatchLead *slot)
{
	const LhLeadHandoff *open = lh_open_handoff(&slot->lead);

	slot->input.shared_with = open == NULL ? 0 : open->h.handoff_no;
	if (!slot->shares_person)
		return;
	if (slot->person_before != NULL)
		give_others(batch, slot, slot->person_before);
	if (slot->person_to_be != NULL)
		give_others(batch, slot, slot->person_to_be);
	give_joiners(batch, slot);
}

/* For explain(): the person's other leads as they are stored, at a moment (DT_NOEND: now). */
void
lh_read_person(const LhLead *lead, TimestampTz as_of, LhInput *input)
{
	LhOther    *others;
	Datum		value;
	int			n;

	if (lead->person_key == NULL)
		return;
	value = lh_text_array((char *const *) &lead->person_key, 1);
	n = lh_run_latest(&read_others, &value, NULL);
	others = take_others(n);
	for (int i = 0; i < n; i++)
	{
		if (strcmp(others[i].lead_key, lead->lead_key) == 0 || others[i].handed_at > as_of)
			continue;
		if (others[i].closed_at > as_of)
			others[i].closed_at = LH_NOT_YET;
		others[input->nothers++] = others[i];
	}
	input->others = others;
}

int
lh_others_read(char **person_keys, int n, LhOther **others)
{
	Datum		value = lh_text_array(person_keys, lh_sort_unique(person_keys, n));
	char	  **shared;

	n = n == 0 ? 0 : lh_read_active(&read_shared, &value, NULL);
	if (n == 0)
		return 0;
	shared = answered_keys(n);
	value = lh_text_array(shared, n);
	n = lh_read_active(&read_others, &value, NULL);
	*others = take_others(n);
	return n;
}

/* Who must be decided anew ------------------------------------------------------------------- */

/* Leads of a person but for the one that did it: all, or those that another lead holds. */
static LhStatement queue_persons = {
	"insert into handoff.inbox (source, raw_key, op, xid, at) "
	"select distinct l.source, l.raw_key, 'R'::\"char\", pg_current_xact_id(), u.at "
	"from unnest($1, $2, $3, $4) as u(person_key, lead_key, everyone, at) "
	"join handoff.lead l on l.person_key = u.person_key and l.lead_key <> u.lead_key "
	"where l.deleted_at is null and (u.everyone or l.duplicate_of is not null)",
	4, {TEXTARRAYOID, TEXTARRAYOID, BOOLARRAYOID, TIMESTAMPTZARRAYOID}
};

static LhStatement queue_leads = {
	"insert into handoff.inbox (source, raw_key, op, xid, at) "
	"select distinct l.source, l.raw_key, 'R'::\"char\", pg_current_xact_id(), u.at "
	"from unnest($1, $2) as u(lead_key, at) join handoff.lead l on l.lead_key = u.lead_key",
	2, {TEXTARRAYOID, TIMESTAMPTZARRAYOID}
};

/* Has a handoff of the lead begun, ended or begun again? */
static bool
has_turned(const LhLead *lead)
{
	ListCell   *lc;

	foreach(lc, lead->handoffs)
	{
		const LhLeadHandoff *handoff = lfirst(lc);

		if (handoff->is_new || handoff->h.closed_at != handoff->stored.closed_at)
			return true;
	}
	return false;
}

/* Does any version that may decide leads of the person ask whether there is another one? */
static bool
anybody_asks(const LhBatchLead *slot)
{
	const LhContract *challenger = slot->source->challenger;

	return slot->contract->asks_duplicate_open || slot->source->contract->asks_duplicate_open ||
		(challenger != NULL && challenger->asks_duplicate_open);
}

static void
queue_person(LhRows *rows, const LhBatchLead *slot, const char *person, TimestampTz at)
{
	Datum		values[4] = {
		lh_text_datum(person), CStringGetTextDatum(slot->lead_key),
		BoolGetDatum(anybody_asks(slot)), TimestampTzGetDatum(at)
	};

	if (person != NULL)
		lh_rows_add(rows, values, NULL);
}

static void
queue_lead(LhRows *rows, const char *lead_key, TimestampTz at)
{
	Datum		values[2] = {lh_text_datum(lead_key), TimestampTzGetDatum(at)};

	if (lead_key != NULL)
		lh_rows_add(rows, values, NULL);
}

/* Has it left the lead that it had joined?  What was done with it doesn't count there any more. */
static bool
has_left(const LhBatchLead *slot)
{
	const LhLead *lead = &slot->lead;

	return slot->joined_before != NULL &&
		(lead->deleted_at != DT_NOEND || lead->duplicate_of == NULL ||
		 strcmp(lead->duplicate_of, slot->joined_before) != 0);
}

/* After the decisions have been written. */
void
lh_queue_persons(LhBatch *batch)
{
	TimestampTz at = GetCurrentTimestamp();
	LhRows		persons;
	LhRows		leads;

	if (batch->persons == NULL)
		return;
	lh_rows_begin(&persons, &queue_persons);
	lh_rows_begin(&leads, &queue_leads);
	for (int i = 0; i < batch->nleads; i++)
	{
		const LhBatchLead *slot = &batch->leads[i];
		const char *before = slot->person_before;
		const char *after = slot->lead.person_key;
		bool		other = before == NULL ? after != NULL : after == NULL || strcmp(before, after) != 0;

		if (!slot->decide || !slot->shares_person)
			continue;
		if (other || has_turned(&slot->lead))
			queue_person(&persons, slot, before, at);
		if (other)
			queue_person(&persons, slot, after, at);
		queue_lead(&leads, slot->effects.brings_to, at);
		if (has_left(slot))
			queue_lead(&leads, slot->joined_before, at);
	}
	lh_rows_flush(&persons);
	lh_rows_flush(&leads);
}
