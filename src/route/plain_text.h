/*
 * src/route/plain_text.h
 *
 * A text as code points, without what people write differently: case, compatibility forms, accents.
 */
#ifndef LH_PLAIN_TEXT_H
#define LH_PLAIN_TEXT_H

#include "postgres.h"

#include "mb/pg_wchar.h"

/* Stands for a byte that is no text, as an SQL_ASCII database may have it. */
#define LH_NO_POINT		0xFFFD

/*
 * Code points of a text of the server's encoding, ended by 0, in lower case and in form NFKC.  plain: besides without
 * accents, and with ß as ss, ø as o and so on.
 */
extern pg_wchar *lh_code_points(const char *text, bool plain);

/* n code points in UTF-8. */
extern char *lh_utf8_of(const pg_wchar *points, int n);

/* A letter or a digit?  Of what is not ASCII everything counts that is no punctuation, symbol or space. */
extern bool lh_is_word_point(pg_wchar c);

#endif							/* LH_PLAIN_TEXT_H */
