/*
 * src/rules/error_position.c
 *
 * The position of an error within a criteria, as one within the query the criteria was written in.
 *
 * When a criteria is a literal of a query, the server has the literal's own position in the error, and
 * we have the position within the literal's value.  The two are put together if the query's text is at
 * hand and has, at that position, a literal of exactly that value; otherwise the error keeps both, as
 * the query's position and that of an inner query.
 */
#include "rules/criteria_reader.h"

#include "mb/pg_wchar.h"
#include "tcop/tcopprot.h"

/* Step over one character of the server's encoding; false at the end. */
static bool
step(const char **p)
{
	if (**p == '\0')
		return false;
	*p += pg_mblen(*p);
	return true;
}

/*
 * Whether query begins with a literal of this value: 'value', its quotes doubled, or $tag$value$tag$.
 * If so, where in query the character number position (from 1) of value stands, from 0.
 */
static bool
place_in_literal(const char *query, const char *value, int position, int *place)
{
	const char *p = query + 1;
	const char *v = value;
	bool		quoted = (*query == '\'');
	int			taglen = 0;
	int			chars = 1;

	if (!quoted)
	{
		const char *end = (*query == '$') ? strchr(p, '$') : NULL;

		if (end == NULL)
			return false;
		taglen = end + 1 - query;
		chars = pg_mbstrlen_with_len(query, taglen);
		p = end + 1;
	}
	*place = -1;
	for (int i = 1;; i++)
	{
		const char *from = v;

		if (i == position)
			*place = chars;
		if (!step(&v))
			break;
		if (strncmp(p, from, v - from) != 0)
			return false;
		p += v - from;
		chars++;
		if (quoted && *from == '\'')
		{
			if (*p++ != '\'')
				return false;
			chars++;
		}
	}
	if (*place < 0)
		return false;
	return quoted ? (p[0] == '\'' && p[1] != '\'') : strncmp(p, query, taglen) == 0;
}

/* Make the position of an error within text one within the query, if text is a literal of it. */
void
lh_transpose_position(ErrorData *error, const char *text)
{
	const char *literal = debug_query_string;
	int			place;

	if (literal == NULL || error->cursorpos <= 0 || error->internalpos <= 0)
		return;
	for (int i = 1; i < error->cursorpos; i++)
	{
		if (!step(&literal))
			return;
	}
	if (!place_in_literal(literal, text, error->internalpos, &place))
		return;
	error->cursorpos += place;
	error->internalpos = 0;
	error->internalquery = NULL;
}
