/*
 * src/route/account_match.c
 *
 * See account_match.h.
 *
 * The steps, from the surest to the least: the domain of the e-mail address, that of the web page, the
 * company's name, a close name together with the domain, telephone number or postal code.  The first step that
 * gives exactly one account decides.  So does a later one that, of the several accounts of the first
 * ambiguous step, gives exactly one too.  If none does, one of those several is chosen: a named account before
 * others, then one that has an owner, then the oldest, then the first by key.
 *
 * Everything hangs on what lead and accounts say now, nothing on the order in which they came.
 */
#include "route/account_match.h"

#include <ctype.h>

#include "json.h"
#include "route/domain.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* A number's last digits: with and without the country's code it is the same one. */
#define MIN_PHONE_DIGITS	7
#define MAX_PHONE_DIGITS	9
#define MIN_POSTAL_LETTERS	3
#define MAX_POSTAL_LETTERS	16

/* So many candidates are kept and logged. */
#define MAX_LOGGED			10

/* Keys ------------------------------------------------------------------------------------------ */

char *
lh_phone_key(const char *phone)
{
	char		digits[64];
	int			n = 0;

	/* an extension is none of the number's */
	for (; phone != NULL && *phone != '\0' && n < sizeof(digits); phone++)
	{
		if (isdigit((unsigned char) *phone))
			digits[n++] = *phone;
		else if (n >= MIN_PHONE_DIGITS && (isalpha((unsigned char) *phone) || *phone == '#'))
			break;
	}
	if (n < MIN_PHONE_DIGITS)
		return NULL;
	return pnstrdup(digits + Max(n - MAX_PHONE_DIGITS, 0), Min(n, MAX_PHONE_DIGITS));
}

char *
lh_postal_key(const char *postal_code)
{
	char		letters[MAX_POSTAL_LETTERS + 1];
	int			n = 0;

	for (const char *s = postal_code; s != NULL && *s != '\0' && n < MAX_POSTAL_LETTERS; s++)
	{
		/* 10001-2345 is in 10001 */
		if (*s == '-' && n == 5 && isdigit((unsigned char) s[1]))
			break;
		if (isalnum((unsigned char) *s))
			letters[n++] = pg_ascii_tolower((unsigned char) *s);
	}
	return n < MIN_POSTAL_LETTERS ? NULL : pnstrdup(letters, n);
}

char *
lh_match_text(const LhFields *row, const char *field)
{
	int			i = lh_fieldset_find(row->set, field);

	return i < 0 || row->isnull[i] || row->set->fields[i].type != LH_TEXT ? NULL :
		TextDatumGetCString(row->values[i]);
}

LhMatchKeys
lh_match_keys(const LhFields *row)
{
	LhMatchKeys keys;

	keys.email_domain = lh_registrable_domain(lh_match_text(row, "email"));
	keys.web_domain = lh_registrable_domain(lh_match_text(row, "website"));
	if (keys.web_domain != NULL && keys.email_domain != NULL && strcmp(keys.web_domain, keys.email_domain) == 0)
		keys.web_domain = NULL;
	keys.name = lh_company_name_key(lh_match_text(row, "company"));
	keys.phone = lh_phone_key(lh_match_text(row, "phone"));
	keys.postal = lh_postal_key(lh_match_text(row, "postal_code"));
	return keys;
}

int
lh_match_key_list(const LhMatchKeys *keys, char **list)
{
	int			n = 0;

	if (keys->email_domain != NULL)
		list[n++] = psprintf(LH_KEY_DOMAIN "%s", keys->email_domain);
	if (keys->web_domain != NULL)
		list[n++] = psprintf(LH_KEY_DOMAIN "%s", keys->web_domain);
	if (keys->name == NULL)
		return n;
	list[n++] = psprintf(LH_KEY_NAME "%s", keys->name);
	if (keys->phone != NULL)
		list[n++] = psprintf(LH_KEY_PHONE "%s", keys->phone);
	if (keys->postal != NULL)
		list[n++] = psprintf(LH_KEY_POSTAL "%s", keys->postal);
	return n;
}

bool
lh_matches_alone(const char *key)
{
	return strncmp(key, LH_KEY_DOMAIN, strlen(LH_KEY_DOMAIN)) == 0 || strncmp(key, LH_KEY_NAME, strlen(LH_KEY_NAME)) == 0;
}

bool
lh_is_named_after(const char *domain, const char *name_key)
{
	const char *name = name_key;

	if (name == NULL)
		return false;
	/* "frontier" of frontier.com, in "frontier communications" */
	while (*domain != '\0' && *domain != '.')
	{
		while (*name == ' ')
			name++;
		if (*domain == '-')
			domain++;
		else if (*domain++ != *name++)
			return false;
	}
	return *name == '\0' || *name == ' ';
}

/* Candidates ------------------------------------------------------------------------------------ */

typedef struct Candidates
{
	int			n;
	LhMatchAccount **accounts;	/* each once, in order of key */
} Candidates;

/* Of the hits, those of one key; how many. */
static int
hits_of(const char *key, const LhMatchHit *hits, int nhits, const LhMatchHit **first)
{
	int			low = 0;
	int			high = nhits;
	int			n = 0;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (strcmp(hits[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*first = hits + low;
	while (low + n < nhits && strcmp(hits[low + n].key, key) == 0)
		n++;
	return n;
}

static Candidates
having(const char *kind, const char *value, const LhMatchHit *hits, int nhits)
{
	const LhMatchHit *first;
	Candidates	all = {value == NULL ? 0 : hits_of(psprintf("%s%s", kind, value), hits, nhits, &first)};

	all.accounts = palloc_array(LhMatchAccount *, all.n + 1);
	for (int i = 0; i < all.n; i++)
		all.accounts[i] = first[i].account;
	return all;
}

static const LhTrigrams *
trigrams_of(LhMatchAccount *account)
{
	if (account->name == NULL)
	{
		account->name = palloc_object(LhTrigrams);
		*account->name = lh_trigrams(account->name_key);
	}
	return account->name;
}

static int
compare_candidates(const void *a, const void *b)
{
	return strcmp((*(LhMatchAccount *const *) a)->account_key, (*(LhMatchAccount *const *) b)->account_key);
}

/* Close names among those that share a domain, number or postal code with the lead. */
static Candidates
close_names(const LhMatchKeys *keys, const LhMatchHit *hits, int nhits)
{
	Candidates	all = {0};
	LhTrigrams	name;
	Candidates	shared[4];
	int			n = 0;

	if (keys->name == NULL)
		return all;
	shared[0] = having(LH_KEY_DOMAIN, keys->email_domain, hits, nhits);
	shared[1] = having(LH_KEY_DOMAIN, keys->web_domain, hits, nhits);
	shared[2] = having(LH_KEY_PHONE, keys->phone, hits, nhits);
	shared[3] = having(LH_KEY_POSTAL, keys->postal, hits, nhits);
	for (int s = 0; s < lengthof(shared); s++)
		n += shared[s].n;
	if (n == 0)
		return all;
	all.accounts = palloc_array(LhMatchAccount *, n);
	name = lh_trigrams(keys->name);
	for (int s = 0; s < lengthof(shared); s++)
		for (int i = 0; i < shared[s].n; i++)
		{
			LhMatchAccount *account = shared[s].accounts[i];

			if (account->name_key != NULL && lh_similarity(&name, trigrams_of(account)) >= (float4) LH_CLOSE_NAME)
				all.accounts[all.n++] = account;
		}
	qsort(all.accounts, all.n, sizeof(LhMatchAccount *), compare_candidates);
	n = 0;
	for (int i = 0; i < all.n; i++)
		if (n == 0 || all.accounts[n - 1] != all.accounts[i])
			all.accounts[n++] = all.accounts[i];
	all.n = n;
	return all;
}

/* Choosing -------------------------------------------------------------------------------------- */

/* Which of two is preferred; *why, if it is asked for. */
static int
prefer(const LhMatchAccount *a, const LhMatchAccount *b, const char **why)
{
	if (a->named != b->named)
	{
		*why = "named";
		return a->named ? -1 : 1;
	}
	if (a->owned != b->owned)
	{
		*why = "owned";
		return a->owned ? -1 : 1;
	}
	if (a->created_at != b->created_at)
	{
		*why = "oldest";
		return a->created_at < b->created_at ? -1 : 1;
	}
	*why = "first";
	return strcmp(a->account_key, b->account_key);
}

static int
compare_preference(const void *a, const void *b)
{
	const char *why;

	return prefer(*(LhMatchAccount *const *) a, *(LhMatchAccount *const *) b, &why);
}

/* The only account that both have; NULL: none or several. */
static LhMatchAccount *
only_common(const Candidates *a, const Candidates *b)
{
	LhMatchAccount *common = NULL;

	for (int i = 0, j = 0; i < a->n && j < b->n;)
	{
		int			order = compare_candidates(&a->accounts[i], &b->accounts[j]);

		if (order == 0 && common != NULL)
			return NULL;
		if (order == 0)
			common = a->accounts[i];
		i += order <= 0;
		j += order >= 0;
	}
	return common;
}

/* Chosen out of candidates; the others follow by preference. */
static void
choose(LhMatch *match, const Candidates *among, LhMatchAccount *chosen, const char *why)
{
	match->ncandidates = among->n;
	match->candidates = palloc_array(LhMatchAccount *, among->n);
	memcpy(match->candidates, among->accounts, sizeof(LhMatchAccount *) * among->n);
	qsort(match->candidates, among->n, sizeof(LhMatchAccount *), compare_preference);
	match->why = why;
	if (chosen == NULL)
		(void) prefer(match->candidates[0], match->candidates[1], &match->why);
	for (int i = 0; chosen != NULL && i < among->n; i++)
		if (match->candidates[i] == chosen)
		{
			memmove(match->candidates + 1, match->candidates, sizeof(LhMatchAccount *) * i);
			match->candidates[0] = chosen;
			break;
		}
	match->account = match->candidates[0];
}

LhMatch
lh_match(const LhMatchKeys *keys, const LhMatchHit *hits, int nhits)
{
	const struct
	{
		const char *method;
		const char *kind;		/* NULL: close names */
		const char *by;
	}			steps[] = {
		{"email_domain", LH_KEY_DOMAIN, keys->email_domain},
		{"web_domain", LH_KEY_DOMAIN, keys->web_domain},
		{"name", LH_KEY_NAME, keys->name},
		{"close_name", NULL, keys->name}
	};
	LhMatch		match = {0};
	Candidates	several = {0};

	for (int i = 0; i < lengthof(steps); i++)
	{
		Candidates	found = steps[i].kind == NULL ? close_names(keys, hits, nhits) :
			having(steps[i].kind, steps[i].by, hits, nhits);
		LhMatchAccount *common = only_common(&several, &found);

		if (found.n == 0 || (several.n > 0 && common == NULL && found.n > 1))
			continue;
		match.method = steps[i].method;
		match.by = steps[i].by;
		match.settled = common != NULL || found.n == 1;
		if (common != NULL && found.n > 1)
		{
			choose(&match, &several, common, "narrowed");
			return match;
		}
		if (found.n == 1)
		{
			choose(&match, &found, found.accounts[0], "only");
			return match;
		}
		several = found;
		choose(&match, &several, NULL, NULL);
	}
	return match;
}

Jsonb *
lh_match_detail(const LhMatch *match)
{
	LhJson		json;
	char	   *candidates[MAX_LOGGED];
	int			n = Min(match->ncandidates, MAX_LOGGED);

	if (match->account == NULL)
		return NULL;
	for (int i = 0; i < n; i++)
		candidates[i] = match->candidates[i]->account_key;
	lh_json_begin(&json);
	lh_json_text(&json, "by", match->by);
	lh_json_text(&json, "why", match->why);
	lh_json_int(&json, "found", match->ncandidates);
	lh_json_texts(&json, "candidates", candidates, n);
	return lh_json_end(&json);
}
