/*
 * src/route/plain_text.c
 *
 * See plain_text.h.
 *
 * Everything is made of PostgreSQL's own tables of Unicode's normalization forms.  Decomposed, a letter is its
 * base letter and marks: so a short list of alphabets is enough to fold case, and dropping the marks leaves
 * the plain letters.  lower() and unaccent are not asked: the one depends on the database's locale, the
 * other is an extension with a list that may be changed; a key that is stored must not hang on either.
 */
#include "route/plain_text.h"

#include "common/unicode_norm.h"

typedef struct Range
{
	pg_wchar	first;
	pg_wchar	last;
	int			add;
	bool		pairs;			/* only every other one, beginning with the first */
} Range;

/* Capital letters that no decomposition makes a smaller one of. */
static const Range capitals[] = {
	{'A', 'Z', 32}, {0xC6, 0xC6, 32}, {0xD0, 0xD0, 32}, {0xD8, 0xD8, 32}, {0xDE, 0xDE, 32},
	{0x110, 0x110, 1}, {0x126, 0x126, 1}, {0x141, 0x141, 1}, {0x14A, 0x14A, 1}, {0x152, 0x152, 1}, {0x166, 0x166, 1},
	{0x18F, 0x18F, 0x259 - 0x18F}, {0x391, 0x3A9, 32}, {0x400, 0x40F, 80}, {0x410, 0x42F, 32},
	{0x460, 0x480, 1, true}, {0x48A, 0x4BE, 1, true}, {0x4C1, 0x4CD, 1, true}, {0x4D0, 0x52E, 1, true},
	{0x531, 0x556, 48}, {0x10A0, 0x10C5, 0x1C60}, {0x1C90, 0x1CBA, -0xBC0}, {0x1CBD, 0x1CBF, -0xBC0},
	{0x1E9E, 0x1E9E, 0xDF - 0x1E9E}, {0x3C2, 0x3C2, 1}
};

/* Marks over and under letters; those of scripts that spell vowels with marks are no such thing. */
static const Range marks[] = {
	{0x300, 0x36F}, {0x591, 0x5C7}, {0x610, 0x61A}, {0x64B, 0x65F}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},
	{0x20D0, 0x20FF}, {0xFE20, 0xFE2F}
};

/* No part of a word, beyond ASCII; after decomposition. */
static const Range separators[] = {
	{0x80, 0xA9}, {0xAB, 0xB4}, {0xB6, 0xB9}, {0xBB, 0xBF}, {0xD7, 0xD7}, {0xF7, 0xF7}, {0x2B9, 0x2FF}, {0x37E, 0x37E}, {0x387, 0x387},
	{0x55A, 0x55F}, {0x589, 0x58A}, {0x5BE, 0x5BE}, {0x5F3, 0x5F4}, {0x60C, 0x60D}, {0x61B, 0x61F}, {0x66A, 0x66D},
	{0x6D4, 0x6D4}, {0x964, 0x965}, {0x1680, 0x1680}, {0x2000, 0x206F}, {0x20A0, 0x20CF}, {0x2100, 0x2BFF}, {0x2E00, 0x2E7F},
	{0x3000, 0x3004}, {0x3008, 0x3020}, {0x3030, 0x3030}, {0x303D, 0x303F}, {0x30A0, 0x30A0}, {0x30FB, 0x30FB},
	{0xE000, 0xF8FF}, {0xFE00, 0xFE1F}, {0xFE30, 0xFE6F}, {0xFEFF, 0xFEFF}, {0xFF00, 0xFF0F}, {0xFFF0, 0xFFFF},
	{0x1F000, 0x1FAFF}, {0xE0000, 0x10FFFF}
};

/* Letters of one alphabet as they are written in plain Latin ones. */
static const struct
{
	pg_wchar	letter;
	const char *plain;
}			plain_letters[] = {
	{0xDF, "ss"}, {0xE6, "ae"}, {0xF0, "d"}, {0xF8, "o"}, {0xFE, "th"}, {0x111, "d"}, {0x127, "h"}, {0x131, "i"},
	{0x142, "l"}, {0x14B, "n"}, {0x153, "oe"}, {0x167, "t"}, {0x259, "e"}
};

static const Range *
range_of(const Range *ranges, int n, pg_wchar c)
{
	for (int i = 0; i < n; i++)
		if (c >= ranges[i].first && c <= ranges[i].last &&
			!(ranges[i].pairs && (c - ranges[i].first) % 2 != 0))
			return &ranges[i];
	return NULL;
}

bool
lh_is_word_point(pg_wchar c)
{
	if (c < 0x80)
		return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
	return range_of(separators, lengthof(separators), c) == NULL &&
		range_of(marks, lengthof(marks), c) == NULL;
}

/* The text's code points as they are; signs of trade marks, which would decompose to letters, left out. */
static pg_wchar *
decode(const char *text)
{
	int			len = strlen(text);
	char	   *utf8 = NULL;
	pg_wchar   *points = palloc_array(pg_wchar, len * 3 + 1);
	int			n = 0;

	if (GetDatabaseEncoding() != PG_SQL_ASCII)
		utf8 = pg_server_to_any(text, len, PG_UTF8);
	else if (pg_verify_mbstr(PG_UTF8, text, len, true))
		utf8 = unconstify(char *, text);
	for (const unsigned char *s = (const unsigned char *) (utf8 == NULL ? text : utf8); *s != '\0';)
	{
		pg_wchar	c = utf8 == NULL ? *s : utf8_to_unicode(s);

		s += utf8 == NULL ? 1 : pg_utf_mblen(s);
		if (utf8 == NULL && c >= 0x80)
			c = LH_NO_POINT;
		if (c != 0x2122 && c != 0xAE && c != 0xA9 && c != 0x2120 && c != 0xAD && c != 0x200B && c != 0xB4)
			points[n++] = c;
	}
	points[n] = 0;
	return points;
}

static int
count(const pg_wchar *points)
{
	int			n = 0;

	while (points[n] != 0)
		n++;
	return n;
}

pg_wchar *
lh_code_points(const char *text, bool plain)
{
	pg_wchar   *from = unicode_normalize(UNICODE_NFKD, decode(text));
	pg_wchar   *to = palloc_array(pg_wchar, count(from) * 2 + 1);
	int			n = 0;

	for (; *from != 0; from++)
	{
		const Range *capital = range_of(capitals, lengthof(capitals), *from);
		pg_wchar	c = capital == NULL ? *from : *from + capital->add;
		const char *letters = NULL;

		if (plain && range_of(marks, lengthof(marks), c) != NULL)
			continue;
		for (int i = 0; plain && c >= 0x80 && i < lengthof(plain_letters) && letters == NULL; i++)
			if (plain_letters[i].letter == c)
				letters = plain_letters[i].plain;
		if (letters == NULL)
			to[n++] = c;
		for (; letters != NULL && *letters != '\0'; letters++)
			to[n++] = *letters;
	}
	to[n] = 0;
	return unicode_normalize(UNICODE_NFKC, to);
}

char *
lh_utf8_of(const pg_wchar *points, int n)
{
	char	   *utf8 = palloc(n * 4 + 1);
	int			len = 0;

	for (int i = 0; i < n; i++)
	{
		unicode_to_utf8(points[i], (unsigned char *) utf8 + len);
		len += pg_utf_mblen((unsigned char *) utf8 + len);
	}
	utf8[len] = '\0';
	return utf8;
}
