/*
 * src/mermaid.c
 *
 * Text of users within the labels of a Mermaid diagram.
 *
 * A label stands in double quotes, and Mermaid reads "#34;" in it as the character with that number, to
 * be shown and to mean nothing: so whatever is not a letter, a digit or one of a few harmless characters
 * is written by its number.  That goes for the colon too: before it looks for labels Mermaid drops the
 * last ";" of what looks like "style ..:..#..;", wherever it stands.  Hyphens and full stops stay only
 * within words and numbers: elsewhere they may begin a list.
 *
 * In UTF-8 other alphabets stay readable, but for line ends of Unicode, and for the characters that
 * Mermaid puts in place of "#" and ";" while it works.
 */
#include "postgres.h"

#include "compat.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(lh_sql_mermaid_text);

static bool
is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool
is_plain(const char *start, const char *at, const char *end)
{
	if (*at == '-' || *at == '.')
		return at > start && is_alphanumeric(at[-1]) && at + 1 < end && is_alphanumeric(at[1]);
	return is_alphanumeric(*at) || strchr("_,()='", *at) != NULL;
}

/* Of characters beyond ASCII: C1 controls, what ends a line for JavaScript, and Mermaid's own. */
static bool
is_special(pg_wchar c)
{
	return (c >= 0x80 && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfb02 || c == 0xb0 || c == 0xb6;
}

/* mermaid_text(text) returns text */
Datum
lh_sql_mermaid_text(PG_FUNCTION_ARGS)
{
	text	   *arg = PG_GETARG_TEXT_PP(0);
	const char *start = VARDATA_ANY(arg);
	const char *at = start;
	const char *end = start + VARSIZE_ANY_EXHDR(arg);
	bool		utf8 = GetDatabaseEncoding() == PG_UTF8;
	bool		blank = false;
	StringInfoData out;

	initStringInfo(&out);
	while (at < end)
	{
		int			len = pg_mblen(at);

		if ((unsigned char) *at <= ' ' || *at == '\x7f')
			blank = out.len > 0;
		else
		{
			if (blank)
				appendStringInfoChar(&out, ' ');
			blank = false;
			if (IS_HIGHBIT_SET(*at) && utf8 && is_special(utf8_to_unicode((const unsigned char *) at)))
				appendStringInfo(&out, "#%u;", utf8_to_unicode((const unsigned char *) at));
			else if (IS_HIGHBIT_SET(*at) || is_plain(start, at, end))
				appendBinaryStringInfo(&out, at, len);
			else
				appendStringInfo(&out, "#%d;", (unsigned char) *at);
		}
		at += len;
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}
