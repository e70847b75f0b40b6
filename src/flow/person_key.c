/*
 * src/flow/person_key.c
 *
 * Who stands behind a lead.  Leads of one key are one person: sales gets one of them at a time
 * (collision.c), so a key must never say so of strangers.
 *
 * What the mapping target person_key gives counts as it is, but for blanks around it; an empty one
 * says that nobody is to be recognized.  Else it is the e-mail address in lower case: providers tell
 * letters' case apart nowhere in practice, and many tell a.b from ab or a+x from a, so nothing more is
 * folded.  What is no address ("n/a") is nobody's.
 */
#include "flow/decide.h"

#include <ctype.h>

#include "catalog/pg_collation.h"
#include "utils/formatting.h"

/* An address has 254 bytes at most (RFC 5321); a key has to fit an index. */
#define MAX_KEY		1000

/* Without the blanks around it; NULL: nothing is left. */
static char *
trimmed(const char *text)
{
	const char *end;

	while (isspace((unsigned char) *text))
		text++;
	end = text + strlen(text);
	while (end > text && isspace((unsigned char) end[-1]))
		end--;
	return end == text ? NULL : pnstrdup(text, end - text);
}

/* The same for any spelling of an address; NULL: there is none.  An I is an i whatever the locale. */
char *
lh_address_of(const char *email)
{
	char	   *address = email == NULL ? NULL : trimmed(email);

	for (char *at = address; at != NULL && *at != '\0'; at++)
	{
		if (IS_HIGHBIT_SET(*at))
			return str_tolower(address, strlen(address), DEFAULT_COLLATION_OID);
		*at = pg_ascii_tolower((unsigned char) *at);
	}
	return address;
}

/* What follows the last @ of an address; NULL: nothing does. */
char *
lh_domain_of(const char *address)
{
	const char *at = address == NULL ? NULL : strrchr(address, '@');

	return at == NULL ? NULL : pstrdup(at + 1);
}

char *
lh_person_key(const char *mapped, const char *email)
{
	char	   *key = mapped != NULL ? trimmed(mapped) : lh_address_of(email);
	const char *at = key == NULL ? NULL : strrchr(key, '@');

	if (key == NULL || strlen(key) > MAX_KEY)
		return NULL;
	return mapped != NULL || (at != NULL && at > key && at[1] != '\0') ? key : NULL;
}
