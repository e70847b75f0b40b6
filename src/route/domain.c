/*
 * src/route/domain.c
 *
 * See domain.h; and registrable_domain() in SQL.
 *
 * Which part of a host name somebody can register is not in the name: the public suffix list has it
 * (co.uk, com.au, github.io).  libpsl knows it: the list that the system's package publicsuffix brings, if
 * that is newer, else the one it was built with.  It is loaded once a session.
 */
#include "lead_handoff.h"

#include <ctype.h>
#include <libpsl.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "route/domain.h"
#include "route/plain_text.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(lh_sql_registrable_domain);

#define MAX_HOST	253
#define MAX_LABEL	63

static const psl_ctx_t *
suffixes(void)
{
	static const psl_ctx_t *list = NULL;

	if (list == NULL)
		list = psl_latest(NULL);
	if (list == NULL)
		list = psl_builtin();
	if (list == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("there is no public suffix list"),
				 errhint("Install the package publicsuffix on the server.")));
	return list;
}

/* Punycode (RFC 3492) -------------------------------------------------------------------------- */

#define BASE	36

static int
adapt(int delta, int npoints, bool first)
{
	int			k = 0;

	delta = first ? delta / 700 : delta / 2;
	delta += delta / npoints;
	for (; delta > (BASE - 1) * 26 / 2; k += BASE)
		delta /= BASE - 1;
	return k + BASE * delta / (delta + 38);
}

static void
append_digit(StringInfo out, int digit)
{
	appendStringInfoChar(out, digit < 26 ? 'a' + digit : '0' + digit - 26);
}

static void
append_number(StringInfo out, int number, int bias)
{
	for (int k = BASE;; k += BASE)
	{
		int			limit = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;

		if (number < limit)
			break;
		append_digit(out, limit + (number - limit) % (BASE - limit));
		number = (number - limit) / (BASE - limit);
	}
	append_digit(out, number);
}

/* A label of less than MAX_HOST code points: nothing overflows. */
static void
append_punycode(StringInfo out, const pg_wchar *label, int n)
{
	pg_wchar	least = 0x80;
	int			delta = 0;
	int			bias = 72;
	int			basic = 0;
	int			done;

	appendStringInfoString(out, "xn--");
	for (int i = 0; i < n; i++)
		if (label[i] < 0x80)
		{
			appendStringInfoChar(out, label[i]);
			basic++;
		}
	if (basic > 0)
		appendStringInfoChar(out, '-');
	for (done = basic; done < n; delta++, least++)
	{
		pg_wchar	next = 0x7fffffff;

		for (int i = 0; i < n; i++)
			if (label[i] >= least && label[i] < next)
				next = label[i];
		delta += (int) (next - least) * (done + 1);
		least = next;
		for (int i = 0; i < n; i++)
		{
			if (label[i] < least)
				delta++;
			if (label[i] != least)
				continue;
			append_number(out, delta, bias);
			bias = adapt(delta, done + 1, done == basic);
			delta = 0;
			done++;
		}
	}
}

/* Hosts ---------------------------------------------------------------------------------------- */

static bool
append_label(StringInfo out, const pg_wchar *label, int n)
{
	int			start = out->len;
	bool		is_ascii = true;

	for (int i = 0; i < n; i++)
	{
		is_ascii = is_ascii && label[i] < 0x80;
		if (label[i] == LH_NO_POINT ||
			(!lh_is_word_point(label[i]) && label[i] != '-' && label[i] != '_' && label[i] < 0x300))
			return false;
	}
	if (n == 0 || n > MAX_HOST)
		return false;
	if (is_ascii)
		for (int i = 0; i < n; i++)
			appendStringInfoChar(out, label[i]);
	else
		append_punycode(out, label, n);
	return out->len - start <= MAX_LABEL;
}

/* A host as its registry has it, without a dot at its end; NULL: it is none. */
static char *
host_in_ascii(const char *host)
{
	const pg_wchar *points = lh_code_points(host, false);
	StringInfoData out;
	bool		is_number = true;

	initStringInfo(&out);
	for (int start = 0, i = 0;; i++)
	{
		/* the stops of the East are dots too */
		if (points[i] != 0 && points[i] != '.' && points[i] != 0x3002)
		{
			is_number = (is_number || i == start) && points[i] >= '0' && points[i] <= '9';
			continue;
		}
		if (points[i] == 0 && i == start && start > 0)
			break;
		if (start > 0)
			appendStringInfoChar(&out, '.');
		if (!append_label(&out, points + start, i - start))
			return NULL;
		start = i + 1;
		if (points[i] == 0)
			break;
	}
	/* whose last label is a number is an address, or none */
	return is_number || out.len > MAX_HOST ? NULL : out.data;
}

/* Where the host begins in a URL; NULL: it is none, which may be an address. */
static const char *
after_scheme(const char *text)
{
	const char *s = text;

	while (isalnum((unsigned char) *s) || *s == '+' || *s == '-' || *s == '.')
		s++;
	if (s > text && strncmp(s, "://", 3) == 0)
		return s + 3;
	return strncmp(text, "//", 2) == 0 ? text + 2 : NULL;
}

/* The host in a URL, an address ("Jane <jane@acme.com>", "mailto:..") or by itself. */
static char *
find_host(const char *text)
{
	const char *start = after_scheme(text);
	const char *at;
	int			len;

	if (start != NULL)
	{
		len = strcspn(start, "/?#\\");
		for (int i = len - 1; i >= 0; i--)
			if (start[i] == '@')
			{
				/* behind who logs in */
				start += i + 1;
				len -= i + 1;
				break;
			}
	}
	else
	{
		at = strchr(text, '@');
		/* "acme.com/@jane" is a page */
		if (at != NULL && text + strcspn(text, "/") < at && memchr(text, '.', strcspn(text, "/")) != NULL)
			at = NULL;
		start = at == NULL ? text : at + 1;
		len = strcspn(start, "/?#\\>, \t\r\n;");
	}
	return pnstrdup(start, Min(len, strcspn(start, ":")));
}

static char *
trimmed(const char *text)
{
	int			len;

	while (isspace((unsigned char) *text))
		text++;
	len = strlen(text);
	while (len > 0 && isspace((unsigned char) text[len - 1]))
		len--;
	return pnstrdup(text, len);
}

char *
lh_registrable_domain(const char *text)
{
	char	   *host = text == NULL ? NULL : host_in_ascii(find_host(trimmed(text)));
	const char *domain = host == NULL ? NULL : psl_registrable_domain(suffixes(), host);

	return domain == NULL ? NULL : pstrdup(domain);
}

Datum
lh_sql_registrable_domain(PG_FUNCTION_ARGS)
{
	char	   *domain = lh_registrable_domain(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (domain == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(domain));
}
