/*
 * src/route/company_name.c
 *
 * See company_name.h; and company_name_key(), company_name_similarity() in SQL.
 *
 * A name becomes words: folded (plain_text.c), cut at whatever is no letter or digit.  Apostrophes join
 * ("McDonald's"), single letters in a row are one word ("I.B.M.", "S. A."), "and" and its like count for
 * nothing ("Johnson & Johnson").  Then legal forms are cut off the end, as long as one is there and
 * something is left ("GmbH & Co. KG" is three), some off the beginning too, where they stand before the
 * name.  Chinese, Japanese and Korean are written without spaces: there they are cut off a word.
 *
 * The form is not part of the name, for people leave it out or get it wrong; what else they leave out ("Group",
 * "International", a country) may tell two companies apart and stays.
 */
#include "route/company_name.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "lead_handoff.h"
#include "route/plain_text.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(lh_sql_company_name_key);
PG_FUNCTION_INFO_V1(lh_sql_company_name_similarity);
PG_FUNCTION_INFO_V1(lh_sql_name_key_similarity);

/* An index takes keys of some 2,700 bytes; no name is that long. */
#define MAX_KEY_POINTS	200
#define MAX_FORM_WORDS	5

/* Words of legal forms as they are left by folding; a form of several words of which each is one need not be here. */
static const char *const forms[] = {
	"ab", "abp", "ad", "ag", "aktiebolag", "aktiengesellschaft", "aktieselskab", "anonim sirketi", "anpartsselskab", "ans",
	"aps", "as", "asa", "berhad", "besloten vennootschap", "bhd", "bt", "bv", "bvba", "cia", "cie", "cjsc",
	"co", "company", "corp", "corporation", "cv", "da", "dd", "dmcc", "doo", "eg", "ehf",
	"eingetragener verein", "ek", "eireli", "eood", "eurl", "ev", "fz llc", "fzc", "fze", "fzco", "gbr", "ges mbh",
	"gesellschaft mit beschrankter haftung", "gesmbh", "gie", "gk", "gmbh", "godo kaisha", "haftungsbeschrankt", "hf", "inc",
	"incorporated", "jdoo", "jsc", "kabushiki gaisha", "kabushiki kaisha", "kda", "kft", "kg", "kgaa", "kk",
	"kommanditgesellschaft", "lda", "limitada", "limited", "limited liability company", "limited liability partnership",
	"limited partnership", "limited sirketi", "llc", "lllp", "llp", "lp", "ltd", "ltd sti", "ltda", "mb", "mbh", "na",
	"naamloze vennootschap", "nv", "nyrt", "od", "ohg", "ojsc", "ood", "osakeyhtio", "ou", "oy", "oyj",
	"pjsc", "plc", "pllc", "private limited", "pte", "pty", "public limited company", "publ", "pvt", "qsc", "rt",
	"s de rl", "s de rl de cv", "sa", "sa de cv", "sab", "sab de cv", "sae", "sal", "saog", "sapa",
	"sapi de cv", "sarl", "sarlu", "sas", "sasu", "sau", "sca", "scarl", "scrl", "sdn", "se", "selarl", "sgps",
	"sia", "sicav", "sl", "sll", "slne", "slu", "snc", "sociedad anonima", "sociedad limitada",
	"sociedade anonima", "societa per azioni", "societe anonyme", "sp k", "sp z oo", "sp zoo", "spa", "spj",
	"spol sro", "spolka z oo", "spolka zoo", "sprl", "srl", "srls", "sro", "tbk", "tov", "uab", "ug", "vof", "vos", "wll", "yk", "zrt",
	/* Greek, Cyrillic */
	"αε", "εε", "επε", "ικε", "οε", "ад", "ао", "еоод", "зао", "оао", "од", "ооо", "оод", "пао", "тов",
	/* in brackets before or behind the name */
	"有", "株", "유", "주"
};

/* Those that stand before a name. */
static const char *const leading_forms[] = {
	"ao", "cv", "oao", "ooo", "pao", "pt", "sia", "tov", "uab", "zao", "ао", "зао", "оао", "ооо", "пао", "тов",
	"有", "株", "유", "주"
};

/* Written without a space before or behind a name, the longer ones first. */
static const char *const joined_forms[] = {
	"股份有限公司", "有限责任公司", "有限責任公司", "株式会社", "有限会社", "合同会社", "合資会社", "合名会社", "有限公司",
	"주식회사", "유한회사"
};

static const char *const joining[] = {"and", "und", "et"};

/* What people write who have no company, or don't want to say. */
static const char *const placeholders[] = {
	"asdf", "company", "company name", "freelance", "freelancer", "individual", "n a", "na", "nil", "no company", "none",
	"not applicable", "not available", "not provided", "null", "personal", "private", "privat", "self", "self employed",
	"selfemployed", "student", "tbd", "test", "testing", "the company", "undefined", "unemployed", "unknown", "x", "xx", "xxx"
};

static bool
among(const char *const *words, int n, const char *word)
{
	for (int i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

#define AMONG(list, word)	among(list, lengthof(list), word)

/* Words ---------------------------------------------------------------------------------------- */

typedef struct Words
{
	int			n;
	char	  **words;			/* in UTF-8 */
} Words;

static bool
is_apostrophe(pg_wchar c)
{
	return c == '\'' || c == '`' || c == 0x2018 || c == 0x2019 || c == 0x2BC || c == 0x2B9;
}

/* A letter by itself, of an alphabet. */
static bool
is_initial(const char *word)
{
	int			len = pg_utf_mblen((const unsigned char *) word);

	return word[len] == '\0' && len < 3 && !(word[0] >= '0' && word[0] <= '9');
}

/* Without joined forms at its beginning and end, unless it is nothing else. */
static char *
without_joined_forms(char *word)
{
	for (int i = 0; i < lengthof(joined_forms);)
	{
		int			form = strlen(joined_forms[i]);
		int			len = strlen(word);

		if (len > form && strncmp(word, joined_forms[i], form) == 0)
			word += form;
		else if (len > form && strcmp(word + len - form, joined_forms[i]) == 0)
			word = pnstrdup(word, len - form);
		else
		{
			i++;
			continue;
		}
		i = 0;
	}
	return word;
}

static Words
split(const char *name)
{
	const pg_wchar *points = lh_code_points(name, true);
	Words		all = {0};
	pg_wchar   *word;
	int			n = 0;
	int			len = 0;

	while (points[len] != 0 && len < MAX_KEY_POINTS)
		len++;
	word = palloc_array(pg_wchar, len + 1);
	all.words = palloc_array(char *, len + 1);
	for (int i = 0; i <= len; i++)
	{
		if (i < len && is_apostrophe(points[i]))
			continue;
		if (i < len && lh_is_word_point(points[i]))
		{
			word[n++] = points[i];
			continue;
		}
		if (n > 0)
			all.words[all.n++] = without_joined_forms(lh_utf8_of(word, n));
		n = 0;
	}
	return all;
}

static void
drop_joining(Words *all)
{
	int			kept = 0;

	for (int i = 0; i < all->n; i++)
		if (!AMONG(joining, all->words[i]))
			all->words[kept++] = all->words[i];
	all->n = kept == 0 ? all->n : kept;
}

static void
unite_initials(Words *all)
{
	int			kept = 0;

	for (int i = 0; i < all->n;)
	{
		StringInfoData word;

		initStringInfo(&word);
		appendStringInfoString(&word, all->words[i]);
		for (i++; i < all->n && is_initial(all->words[i - 1]) && is_initial(all->words[i]); i++)
			appendStringInfoString(&word, all->words[i]);
		all->words[kept++] = word.data;
	}
	all->n = kept;
}

/* Until nothing changes: initials may make a word that joins ("E. T."), and without it others be neighbours. */
static void
tidy(Words *all)
{
	int			before;

	do
	{
		before = all->n;
		drop_joining(all);
		unite_initials(all);
	} while (all->n < before);
}

static char *
joined(char *const *words, int n)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < n; i++)
		appendStringInfo(&text, "%s%s", i == 0 ? "" : " ", words[i]);
	return text.data;
}

/* How many words at the end are a legal form, the longest one; never all of them. */
static int
form_at_end(const Words *all)
{
	for (int n = Min(MAX_FORM_WORDS, all->n - 1); n > 0; n--)
		if (AMONG(forms, joined(all->words + all->n - n, n)))
			return n;
	return all->n > 1 && AMONG(joined_forms, all->words[all->n - 1]) ? 1 : 0;
}

static bool
is_before_name(const char *word)
{
	return strcmp(word, "the") == 0 || AMONG(leading_forms, word) || AMONG(joined_forms, word);
}

static void
drop_forms(Words *all)
{
	int			n;

	while ((n = form_at_end(all)) > 0)
		all->n -= n;
	while (all->n > 1 && is_before_name(all->words[0]))
	{
		all->words++;
		all->n--;
	}
}

char *
lh_company_name_key(const char *name)
{
	Words		all = name == NULL ? (Words) {0} : split(name);
	char	   *key;

	tidy(&all);
	if (all.n == 0 || AMONG(placeholders, joined(all.words, all.n)))
		return NULL;
	drop_forms(&all);
	key = joined(all.words, all.n);
	if (AMONG(placeholders, key))
		return NULL;
	return GetDatabaseEncoding() == PG_SQL_ASCII ? key : pg_any_to_server(key, strlen(key), PG_UTF8);
}

/* Similarity ------------------------------------------------------------------------------------ */

static int
compare_pieces(const void *a, const void *b)
{
	uint64		left = *(const uint64 *) a;
	uint64		right = *(const uint64 *) b;

	return left < right ? -1 : left > right;
}

/* As pg_trgm takes them: of each word, with two spaces before it and one behind, every piece once. */
LhTrigrams
lh_trigrams(const char *key)
{
	const pg_wchar *points = lh_code_points(key, true);
	LhTrigrams	all = {0};
	uint64		piece = 0;
	int			len = 0;

	while (points[len] != 0)
		len++;
	all.pieces = palloc_array(uint64, len * 2 + 3);
	for (int i = 0; i <= len; i++)
	{
		bool		is_word = i < len && lh_is_word_point(points[i]);
		bool		begins = is_word && (i == 0 || !lh_is_word_point(points[i - 1]));

		if (!is_word && piece == 0)
			continue;
		if (begins)
			piece = ((uint64) ' ' << 21) | ' ';
		piece = ((piece << 21) | (is_word ? points[i] : ' ')) & ((UINT64CONST(1) << 63) - 1);
		all.pieces[all.n++] = piece;
		if (!is_word)
			piece = 0;
	}
	qsort(all.pieces, all.n, sizeof(uint64), compare_pieces);
	len = 0;
	for (int i = 0; i < all.n; i++)
		if (len == 0 || all.pieces[len - 1] != all.pieces[i])
			all.pieces[len++] = all.pieces[i];
	all.n = len;
	return all;
}

float4
lh_similarity(const LhTrigrams *a, const LhTrigrams *b)
{
	int			common = 0;

	for (int i = 0, j = 0; i < a->n && j < b->n;)
	{
		if (a->pieces[i] == b->pieces[j])
		{
			common++;
			i++;
			j++;
		}
		else if (a->pieces[i] < b->pieces[j])
			i++;
		else
			j++;
	}
	return a->n == 0 || b->n == 0 ? 0 : (float4) common / (float4) (a->n + b->n - common);
}

/* SQL ------------------------------------------------------------------------------------------- */

Datum
lh_sql_company_name_key(PG_FUNCTION_ARGS)
{
	char	   *key = lh_company_name_key(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (key == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(key));
}

static Datum
similarity_of(const char *a, const char *b)
{
	LhTrigrams	left = lh_trigrams(a);
	LhTrigrams	right = lh_trigrams(b);

	return Float4GetDatum(lh_similarity(&left, &right));
}

Datum
lh_sql_company_name_similarity(PG_FUNCTION_ARGS)
{
	char	   *a = lh_company_name_key(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	char	   *b = lh_company_name_key(text_to_cstring(PG_GETARG_TEXT_PP(1)));

	if (a == NULL || b == NULL)
		PG_RETURN_NULL();
	return similarity_of(a, b);
}

Datum
lh_sql_name_key_similarity(PG_FUNCTION_ARGS)
{
	return similarity_of(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)));
}
