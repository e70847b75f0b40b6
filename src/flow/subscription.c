/*
 * src/flow/subscription.c
 *
 * Who hears of what.
 *
 * A subscription belongs to no contract, and its criteria is asked of leads of any: it is compiled for each that
 * is met.  One that does not know its fields leaves nothing out, since a message too many does less harm than
 * one that is missed (doctor() tells of it); least of all may it be an error here, in somebody's commit.
 */
#include "flow/subscription.h"

#include "catalog/pg_collation.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* A criteria under one contract. */
typedef struct Bound
{
	const LhContract *contract;
	LhRulebook *book;			/* NULL: the contract does not know its fields */
} Bound;

typedef struct Binding
{
	const LhContract *contract;
	const Criteria *criteria;
	TimestampTz now;
	LhRulebook *book;
} Binding;

static LhStatement read_subscriptions = {
	"select s.destination, s.type_pattern, s.criteria, "
	"date_bin(s.digest, clock_timestamp(), timestamptz '2000-01-03 00:00+00') + s.digest "
	"from handoff.subscription s order by s.destination collate \"C\", s.type_pattern collate \"C\"",
	0
};

static LhIndex subscriptions = {"subscription", "subscription_pkey", 0};

void
lh_subscriptions_read(LhSubscriptions *all)
{
	if (!lh_is_there(&subscriptions, NULL))
		return;
	all->n = lh_run_latest(&read_subscriptions, NULL, NULL);
	all->rows = palloc0_array(LhSubscription, Max(all->n, 1));
	for (int i = 0; i < all->n; i++)
	{
		LhSubscription *row = &all->rows[i];
		bool		isnull;
		Datum		criteria = lh_get(i, 3, &isnull);

		row->destination = lh_get_text(i, 1);
		row->pattern = lh_get_text(i, 2);
		row->criteria = isnull ? NULL : DatumGetCriteriaP(criteria);
		row->digest_due = lh_get_time(i, 4, LH_NOT_YET);
	}
}

static void
bind(void *arg)
{
	Binding    *this = arg;

	this->book = lh_rulebook_compile(CurrentMemoryContext, this->contract->lead_set, 1, &this->criteria);
	lh_rulebook_set_now(this->book, this->now);
}

static LhRulebook *
book_of(LhSubscription *row, const LhContract *contract, TimestampTz now)
{
	Binding		this = {.contract = contract,.criteria = row->criteria,.now = now};
	ErrorData  *error;
	Bound	   *bound;
	ListCell   *lc;

	foreach(lc, row->bound)
	{
		bound = lfirst(lc);
		if (bound->contract == contract)
			return bound->book;
	}
	error = lh_attempt(bind, &this);
	if (error != NULL && error->sqlerrcode != ERRCODE_LH_UNKNOWN_FIELD && error->sqlerrcode != ERRCODE_LH_FIELD_TYPE)
		ReThrowError(error);
	bound = palloc_object(Bound);
	bound->contract = contract;
	bound->book = error == NULL ? this.book : NULL;
	row->bound = lappend(row->bound, bound);
	return bound->book;
}

static bool
is_wanted(LhSubscription *row, const char *type, const LhContract *contract, const LhLead *lead, TimestampTz now)
{
	LhRulebook *book;

	if (!DatumGetBool(DirectFunctionCall2Coll(textlike, C_COLLATION_OID, CStringGetTextDatum(type),
											  CStringGetTextDatum(row->pattern))))
		return false;
	if (row->criteria == NULL)
		return true;
	book = book_of(row, contract, now);
	return book == NULL || lh_rulebook_test(book, 0, lead->row, NULL) == LH_TRUE;
}

int
lh_subscriptions_match(LhSubscriptions *all, const char *type, const LhContract *contract, const LhLead *lead,
					   TimestampTz now, LhDelivery *deliveries)
{
	LhDelivery *last = NULL;
	int			n = 0;

	for (int i = 0; i < all->n; i++)
	{
		LhSubscription *row = &all->rows[i];

		if (!is_wanted(row, type, contract, lead, now))
			continue;
		if (last == NULL || strcmp(last->destination, row->destination) != 0)
		{
			last = &deliveries[n++];
			last->destination = row->destination;
			last->digest_due = row->digest_due;
		}
		/* alone goes before together, sooner before later */
		else if (row->digest_due == LH_NOT_YET || last->digest_due == LH_NOT_YET)
			last->digest_due = LH_NOT_YET;
		else
			last->digest_due = Min(last->digest_due, row->digest_due);
	}
	return n;
}
