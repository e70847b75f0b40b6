/*
 * src/markdown.h
 *
 * Text of users within Markdown: whatever it has in it, it stays text.
 */
#ifndef LH_MARKDOWN_H
#define LH_MARKDOWN_H

#include "lib/stringinfo.h"

/* Words, in a line of prose or a cell of a table. */
extern void lh_markdown_text(StringInfo out, const char *text, int len);

/* Code, likewise: names and criteria, letter by letter. */
extern void lh_markdown_code(StringInfo out, const char *text, int len);

#endif							/* LH_MARKDOWN_H */
