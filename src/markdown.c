/*
 * src/markdown.c
 *
 * Text of users within Markdown (GitHub's flavour, whose tables are cut at every "|", also of code).
 *
 * Nothing that a name, a reason or a note has in it may change the document around it: begin another
 * cell, line, emphasis, link or element.  Words get a backslash before what means something within a
 * line, and their line ends become blanks; what means something only at the beginning of a line (lists,
 * headings) is left alone, since no text of a user stands there.
 *
 * Code stands in backquotes as long as it has none of its own, no "|", no line end and no blank at its
 * ends, which a span of code would swallow.  Else it becomes an element <code> of which every character
 * that could mean anything is a numeric entity.  All that matters is ASCII, which in no server encoding
 * is part of another character.
 */
#include "postgres.h"

#include "markdown.h"

#include "compat.h"
#include "fmgr.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(lh_sql_markdown_text);
PG_FUNCTION_INFO_V1(lh_sql_markdown_code);

static bool
is_control(char c)
{
	return (unsigned char) c < ' ' || c == '\x7f';
}

static bool
is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || IS_HIGHBIT_SET(c);
}

/* Would "http://" or "www." at this place be made a link? */
static bool
begins_link(const char *text, int i, int len)
{
	if (text[i] == ':')
		return i + 1 < len && text[i + 1] == '/';
	return text[i] == '.' && i >= 3 && pg_strncasecmp(text + i - 3, "www", 3) == 0;
}

void
lh_markdown_text(StringInfo out, const char *text, int len)
{
	bool		blank = false;
	bool		any = false;

	for (int i = 0; i < len; i++)
	{
		if (is_control(text[i]) || text[i] == ' ')
		{
			blank = any;
			continue;
		}
		if (blank)
			appendStringInfoChar(out, ' ');
		if (strchr("\\`*_[]<>&|~#$", text[i]) != NULL || begins_link(text, i, len))
			appendStringInfoChar(out, '\\');
		appendStringInfoChar(out, text[i]);
		blank = false;
		any = true;
	}
}

void
lh_markdown_code(StringInfo out, const char *text, int len)
{
	bool		simple = len > 0 && text[0] != ' ' && text[len - 1] != ' ';

	if (len == 0)
		return;
	for (int i = 0; i < len && simple; i++)
		simple = text[i] != '`' && text[i] != '|' && !is_control(text[i]);
	appendStringInfoString(out, simple ? "`" : "<code>");
	if (simple)
		appendBinaryStringInfo(out, text, len);
	else
		for (int i = 0; i < len; i++)
		{
			if (is_alphanumeric(text[i]))
				appendStringInfoChar(out, text[i]);
			else
				appendStringInfo(out, "&#%d;", (unsigned char) text[i]);
		}
	appendStringInfoString(out, simple ? "`" : "</code>");
}

static Datum
written(PG_FUNCTION_ARGS, void (*write) (StringInfo out, const char *text, int len))
{
	text	   *arg = PG_GETARG_TEXT_PP(0);
	StringInfoData out;

	initStringInfo(&out);
	write(&out, VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

/* markdown_text(text) returns text */
Datum
lh_sql_markdown_text(PG_FUNCTION_ARGS)
{
	return written(fcinfo, lh_markdown_text);
}

/* markdown_code(text) returns text */
Datum
lh_sql_markdown_code(PG_FUNCTION_ARGS)
{
	return written(fcinfo, lh_markdown_code);
}
